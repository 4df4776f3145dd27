/* fuzz_inspect.c - ONNX models on any bytes, beyond reading: shapes, folding of
 * constants, costs, groups, cuts and the picture, and the file written again. */
#include "fuzz.h"

#include "format/checkpoint.h"
#include "neurons/cells.h"
#include "tenon/model.h"

#define DEAR (1 << 16)

static int on_line(void *user, const char *text, const char *json)
{
    (void)user;
    (void)text;
    (void)json;
    return 0;
}

/* Whether groups are many enough to cost seconds here and too few to be refused. */
static bool is_dear(const tn_model *model)
{
    tn__shapes shapes = {0};
    int64_t sum = 0;
    if (tn__shapes_infer(&shapes, model, 1, NULL))
        return false;
    for (size_t v = 0; v < model->value_count; v++)
        for (int a = 0; shapes.known[v] && a < shapes.shape[v].rank; a++)
            sum += TN__MIN(shapes.shape[v].dims[a], (int64_t)TN__CELLS_MAX + 1);
    tn__shapes_release(&shapes);
    return sum > DEAR && sum <= (int64_t)TN__CELLS_MAX;
}

static void read_file(tn__buffer *file)
{
    char path[FUZZ_PATH];
    const tn_save_options over = {.replace = true};
    tn_model *model = NULL;
    tn_model_info info;
    if (tn__onnx_read(&model, file, "fuzz.onnx", NULL))
        return;
    (void)!tn_model_info_get(&info, model, NULL);
    (void)!tn_model_list_nodes(model, on_line, NULL, NULL);
    (void)!tn_model_list_cuts(model, on_line, NULL, NULL);
    if (!is_dear(model)) {
        (void)!tn_model_list_groups(model, on_line, NULL, NULL);
        (void)!tn_model_draw_groups(model, on_line, NULL, NULL);
    }
    (void)!tn_model_save(model, fuzz_beside(path, "again.onnx"), &over, NULL);
    tn_model_free(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_buffer(data, size, read_file);
}
