/* average.c - the weighted mean of aligned parents, in double, one parameter at a time.
 */
#include "fuse/fusion.h"

static bool is_float(tn_dtype dtype)
{
    return dtype == TN_F32 || dtype == TN_F64 || dtype == TN_F16 || dtype == TN_BF16;
}

/* out [count] = sum over parents of weight times value v. */
static void mix(double *out, const tn_model *const *aligned, const tn__fusion *f,
                size_t v, size_t count)
{
    for (size_t k = 0; k < f->count; k++) {
        const tn__tensor *from = &aligned[k]->values[v].parameter;
        double weight = tn__fusion_weight(f, k, v);
        if (from->dtype == TN_F32) {
            const float *x = tn__tensor_f32_const(from);
            for (size_t i = 0; i < count; i++)
                out[i] += weight * (double)x[i];
        } else {
            for (size_t i = 0; i < count; i++)
                out[i] += weight * tn__tensor_get_f64(from, i);
        }
    }
}

static tn_status average_value(tn_model *into, const tn_model *const *aligned,
                               const tn__fusion *f, size_t v, tn_error *err)
{
    tn__tensor *to = &into->values[v].parameter;
    tn__tensor mean = {0}, made = {0};
    tn_dtype dtype = to->dtype;
    tn_status status =
        tn__tensor_create(&mean, TN_F64, to->shape.rank, to->shape.dims, err);
    void *sums = NULL;
    if (status == TN_OK)
        status = tn__tensor_write(&mean, &sums, err);
    if (status == TN_OK) {
        mix(sums, aligned, f, v, tn__tensor_count(to));
        status = tn__tensor_convert(&made, &mean, dtype, err);
    }
    tn__tensor_release(&mean);
    if (status == TN_OK) {
        tn__tensor_release(to);
        *to = made;
    }
    return status;
}

tn_status tn__average(tn_model *into, const tn_model *const *aligned,
                      const tn__fusion *fusion, tn_error *err)
{
    for (size_t v = 0; v < into->value_count; v++) {
        if (!is_float(into->values[v].parameter.dtype))
            continue;
        tn_status status = average_value(into, aligned, fusion, v, err);
        if (status != TN_OK)
            return status;
    }
    return TN_OK;
}
