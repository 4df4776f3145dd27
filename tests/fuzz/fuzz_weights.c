/* fuzz_weights.c - weights without a graph on any bytes: the first byte says where the
 * graph comes from (nowhere, which only suggests; a built-in architecture; an ONNX
 * file), the others are the file. A model that is found is written and read again. */
#include "fuzz.h"

#include "format/checkpoint.h"

/* NULL: a graph from a file */
static const char *const archs[] = {
    "",           "mlp",         "lenet5",        "vgg11x0.02",    "vgg16x0.02",
    "resnet8x.1", "resnet8bx.1", "resnet18x0.02", "mobilenetx.05", "mlp:4-3-2:bias",
    NULL};

static const char *graph_file(char path[FUZZ_PATH])
{
    fuzz_beside(path, "graph.onnx");
    if (!tn__file_exists(path)) {
        tn_model *model = NULL;
        fuzz_want(!tn_model_create(&model, "mlp:4-3-2:bias", NULL, 2, 1, NULL) &&
                      !tn_model_save(model, path, NULL, NULL),
                  "no graph");
        tn_model_free(model);
    }
    return path;
}

static void write_and_read(const tn_model *model)
{
    static const char *const names[] = {"model.onnx", "model.safetensors"};
    const tn_save_options over = {.replace = true};
    char path[FUZZ_PATH];
    tn_error err = {0};
    for (size_t k = 0; k < TN__COUNT(names); k++) {
        tn_model *again = NULL;
        tn_load_options load = TN_LOAD_OPTIONS_INIT;
        char graph[FUZZ_PATH];
        fuzz_want(!tn_model_save(model, fuzz_beside(path, names[k]), &over, &err),
                  err.message);
        load.graph = k ? fuzz_beside(graph, names[0]) : NULL;
        fuzz_want(!tn_model_load(&again, path, &load, &err), err.message);
        tn_model_free(again);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH], graph[FUZZ_PATH];
    tn_model *model = NULL;
    tn_load_options load = TN_LOAD_OPTIONS_INIT;
    if (size < 1)
        return 0;
    const char *arch = archs[data[0] % TN__COUNT(archs)];
    load.arch = arch && arch[0] ? arch : NULL;
    load.graph = arch ? NULL : graph_file(graph);
    fuzz_write(fuzz_beside(path, "weights"), data + 1, size - 1);
    if (tn_model_load(&model, path, &load, NULL) == TN_OK) {
        write_and_read(model);
        tn_model_free(model);
    }
    return 0;
}
