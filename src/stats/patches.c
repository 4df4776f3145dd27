/* patches.c - rows of a layer's input; see patches.h. */
#include "stats/patches.h"

#include <string.h>

#include "base/rng.h"
#include "ops/window.h"

bool tn__patches_has(const tn_model *model, const tn__shapes *shapes, size_t node)
{
    const tn__node *n = &model->nodes[node];
    bool conv = !strcmp(n->type, "Conv"), gemm = !strcmp(n->type, "Gemm");
    if ((!conv && !gemm) || n->domain[0] || n->input_count < 2 ||
        !tn__value_is_parameter(&model->values[n->inputs[1]]) ||
        tn__node_int(n, "group", 1) != 1 || tn__node_int(n, "transA", 0) ||
        (double)tn__node_float(n, "alpha", 1) != 1 ||
        (double)tn__node_float(n, "beta", 1) != 1)
        return false;
    const tn__shape *w = &model->values[n->inputs[1]].parameter.shape;
    return shapes->shape[n->inputs[0]].rank == w->rank;
}

static tn_status read_window(tn__patches *p, const tn_model *model,
                             const tn__shapes *shapes, size_t node, tn_error *err)
{
    tn__site site;
    tn__site_memory memory = {0};
    tn__window window;
    const tn__shape *w = &model->values[model->nodes[node].inputs[1]].parameter.shape;
    tn_status status = tn__site_fill(&site, &memory, model, shapes, node, err);
    if (status == TN_OK)
        status = tn__window_read(&window, &site, w->dims + 2, err);
    if (status == TN_OK)
        status = tn__window_table(&p->table, &window, err);
    if (status == TN_OK) {
        p->taps = tn__window_taps(&window);
        p->area_in = tn__window_inputs(&window);
        p->area_out = tn__window_outputs(&window);
    }
    tn__site_memory_release(&memory);
    return status;
}

tn_status tn__patches_create(tn__patches *out, const tn_model *model,
                             const tn__shapes *shapes, size_t node, tn_error *err)
{
    const tn__node *n = &model->nodes[node];
    const tn__shape *w = &model->values[n->inputs[1]].parameter.shape;
    tn__patches made = {
        .conv = !strcmp(n->type, "Conv"), .taps = 1, .area_in = 1, .area_out = 1};
    made.axis = made.conv || tn__node_int(n, "transB", 0) ? 0 : 1;
    made.outputs = (size_t)w->dims[made.axis];
    made.inputs = (size_t)w->dims[1 - made.axis];
    if (made.conv) {
        tn_status status = read_window(&made, model, shapes, node, err);
        if (status != TN_OK)
            return status;
    }
    made.width = made.inputs * made.taps;
    *out = made;
    return TN_OK;
}

void tn__patches_release(tn__patches *patches)
{
    tn__free(patches->table);
    *patches = (tn__patches){0};
}

void tn__patches_row(float *row, const tn__patches *p, const float *x, size_t q)
{
    if (!p->conv) {
        memcpy(row, x, p->width * sizeof *row);
        return;
    }
    const size_t *from = p->table + q * p->taps;
    for (size_t c = 0; c < p->inputs; c++, x += p->area_in)
        for (size_t t = 0; t < p->taps; t++)
            *row++ = from[t] == TN__NONE ? 0 : x[from[t]];
}

size_t tn__patches_position(const tn__patches *p, size_t sampled, size_t image,
                            size_t k, uint64_t seed)
{
    tn__rng rng;
    if (sampled == p->area_out)
        return k;
    tn__rng_seed(&rng, seed, image * p->area_out + k);
    return (size_t)tn__rng_below(&rng, p->area_out);
}
