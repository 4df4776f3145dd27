/* transfer.c - tn_transfer(): parameters of one network put into another, layer by
 * layer.
 *
 * Heterogeneous model transfer as CLAFusion compares itself with (Nguyen et al. 2023,
 * section 4; after Wang et al., HMT): each parameter of an aligned unit is read with
 * its indices modulo the source's extents, so that wider layers repeat neurons and
 * narrower ones drop them. No function is preserved and nothing is averaged: it is the
 * baseline.
 */
#include "depth/align.h"

static const tn_depth_options defaults = TN_DEPTH_OPTIONS_INIT;

/* to[i] = from[i modulo the extents of from]. */
static tn_status copy_cyclic(tn__tensor *to, const tn__tensor *from, tn_error *err)
{
    tn__tensor wide = {0}, made = {0};
    int rank = to->shape.rank;
    tn_status status = tn__tensor_create(&wide, TN_F32, rank, to->shape.dims, err);
    if (status != TN_OK)
        return status;
    float *x = tn__tensor_f32(&wide);
    for (size_t i = 0; i < tn__tensor_count(&wide); i++) {
        size_t rest = i, at = 0, stride = 1;
        for (int axis = rank; axis-- > 0;) {
            size_t extent = (size_t)to->shape.dims[axis];
            size_t there = (size_t)from->shape.dims[axis];
            at += rest % extent % there * stride;
            rest /= extent;
            stride *= there;
        }
        x[i] = (float)tn__tensor_get_f64(from, at);
    }
    status = tn__tensor_convert(&made, &wide, to->dtype, err);
    tn__tensor_release(&wide);
    if (status != TN_OK)
        return status;
    tn__tensor_release(to);
    *to = made;
    return TN_OK;
}

/* Units are alike: their nodes and operands correspond one by one. */
static tn_status copy_unit(tn_model *out, const tn__unit *to, const tn_model *source,
                           const tn__unit *from, tn_error *err)
{
    for (size_t n = 0; n < to->last - to->first; n++) {
        const tn__node *a = &out->nodes[to->first + n];
        const tn__node *b = &source->nodes[from->first + n];
        for (size_t k = 0; k < a->input_count; k++) {
            if (a->inputs[k] == TN__NONE)
                continue;
            tn__value *value = &out->values[a->inputs[k]];
            tn_dtype dtype = value->parameter.dtype;
            if (dtype != TN_F32 && dtype != TN_F64 && dtype != TN_F16 &&
                dtype != TN_BF16)
                continue;
            tn_status status = copy_cyclic(
                &value->parameter, &source->values[b->inputs[k]].parameter, err);
            if (status != TN_OK)
                return status;
        }
    }
    return TN_OK;
}

/* Network 0 is the source, 1 the target. */
typedef struct transfer {
    tn__units units[2];
    tn__unit_answers answers[2];
    size_t deep; /* which is the deeper */
} transfer;

static tn_status prepare(transfer *t, const tn_model *const *models,
                         const tn__level_how *how, tn_error *err)
{
    tn_layer_cost cost = how->options->cost;
    if (cost == TN_LAYER_COST_AUTO)
        cost = how->probe->n ? TN_LAYER_COST_CKA : TN_LAYER_COST_INDEX;
    for (int k = 0; k < 2; k++) {
        tn_status status = tn__units_find(&t->units[k], models[k], err);
        if (status == TN_OK)
            status = tn__unit_answers_measure(&t->answers[k], &t->units[k], cost,
                                              how->probe, err);
        if (status != TN_OK)
            return status;
    }
    t->deep = t->units[1].count > t->units[0].count;
    return TN_OK;
}

static tn_status work(tn_model **out, tn_alignment *a, transfer *t,
                      const tn__level_how *how, tn_error *err)
{
    size_t d = t->deep, s = 1 - d;
    tn__cost_side deep = {&t->units[d], &t->answers[d]};
    tn__cost_side shallow = {&t->units[s], &t->answers[s]};
    const size_t *const *given = how->options->given;
    tn_model *made = NULL;
    tn_status status =
        tn__align_units(a, &deep, &shallow, given ? given[s] : NULL, how, err);
    a->model = s;
    a->onto = d;
    if (status == TN_OK)
        status = tn_model_clone(&made, t->units[1].model, err);
    for (size_t k = 0; k < a->count && status == TN_OK; k++) {
        const tn__unit *pair[2];
        pair[d] = &t->units[d].list[a->slot[k]];
        pair[s] = &t->units[s].list[k];
        status = copy_unit(made, pair[1], t->units[0].model, pair[0], err);
    }
    if (status == TN_OK)
        *out = made;
    else
        tn_model_free(made);
    return status;
}

tn_status tn_transfer(tn_model **out, tn_alignment *alignment,
                      const tn_level_request *request, const tn_depth_options *options,
                      tn_error *err)
{
    tn__probe_data data = {0};
    tn_alignment a = {0};
    transfer t = {0};
    if (request->count != 2)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "parameters are transferred from one model to another, here "
                        "are %zu",
                        request->count);
    tn_status status = tn__probe_open(&data, request->data, request->samples,
                                      request->seed, request->threads, err);
    tn__level_how how = {options ? options : &defaults, &data.probe, request->seed};
    if (status == TN_OK)
        status = prepare(&t, request->models, &how, err);
    if (status == TN_OK)
        status = work(out, &a, &t, &how, err);
    if (status == TN_OK && alignment)
        *alignment = a;
    else
        tn_alignment_release(&a);
    for (int k = 0; k < 2; k++) {
        tn__units_release(&t.units[k]);
        tn__unit_answers_release(&t.answers[k]);
    }
    tn__probe_close(&data);
    return status;
}
