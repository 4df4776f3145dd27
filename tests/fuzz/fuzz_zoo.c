/* fuzz_zoo.c - zoos named by JSON on any bytes. Beside the file lie net.onnx, and
 * net.safetensors of arch mlp:12-4-3-2, for it to name; a zoo that can be read is made
 * ready for images. */
#include "fuzz.h"

#include "assemble/zoo.h"

static tn_dataset *images;

static void set_up(void)
{
    char path[FUZZ_PATH];
    tn_model *model = NULL;
    const int64_t input[3] = {3, 2, 2};
    fuzz_want(
        !tn_model_create(&model, "mlp:12-4-3-2", input, 2, 1, NULL) &&
            !tn_model_save(model, fuzz_beside(path, "net.onnx"), NULL, NULL) &&
            !tn_model_save(model, fuzz_beside(path, "net.safetensors"), NULL, NULL) &&
            !tn_dataset_open(&images, "random:3x2x2,limit=1", NULL, NULL),
        "no zoo can be made");
    tn_model_free(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH];
    tn_zoo *zoo = NULL;
    if (!images)
        set_up();
    fuzz_write(fuzz_beside(path, "zoo.json"), data, size);
    if (tn_zoo_create(&zoo, NULL) == TN_OK && tn_zoo_load(zoo, path, NULL) == TN_OK)
        (void)!tn__zoo_prepare(zoo, images, NULL);
    tn_zoo_free(zoo);
    return 0;
}
