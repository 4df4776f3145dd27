/* fuzz_idx.c - IDX files on any bytes: two bytes say how many of the others are the
 * labels' file. */
#include "fuzz.h"

#include "tenon/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char images[FUZZ_PATH], labels[FUZZ_PATH], spec[FUZZ_PATH + 8];
    tn_dataset *set = NULL;
    if (size < 2)
        return 0;
    size_t of_labels = (size_t)data[0] << 8 | data[1];
    of_labels = of_labels < size - 2 ? of_labels : size - 2;
    fuzz_file(labels, "labels-idx1", data + 2, of_labels);
    fuzz_file(images, "images-idx3", data + 2 + of_labels, size - 2 - of_labels);
    (void)snprintf(spec, sizeof spec, "idx:%s", images);
    if (tn_dataset_open(&set, spec, NULL, NULL) == TN_OK)
        tn_dataset_free(set);
    (void)unlink(images);
    (void)unlink(labels);
    return 0;
}
