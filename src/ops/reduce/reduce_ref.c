/* reduce_ref.c - sums and means over axes, in double.
 *
 * The output is seen with the extent of the input and stands still along reduced axes:
 * forward adds through that view, backward reads through it.
 */
#include "ops/operand.h"
#include "ops/reduce/reduce.h"
#include "ops/view.h"

#include <string.h>

/* The view, and what a sum is multiplied with. */
static tn_status plan(tn__view *view, double *scale, const tn__site *site,
                      tn_error *err)
{
    bool reduced[TN__MAX_RANK];
    tn_status status = tn__reduce_axes(reduced, site, err);
    if (status)
        return status;
    const tn__shape *in = site->in[0];
    tn__shape kept = *in;
    double count = 1;
    for (int k = 0; k < in->rank; k++)
        if (reduced[k]) {
            count *= (double)in->dims[k];
            kept.dims[k] = 1;
        }
    *view = tn__view_dense(&kept);
    for (int k = 0; k < in->rank; k++)
        if (reduced[k])
            view->stride[k] = 0;
    *scale = strcmp(site->node->type, "ReduceMean") == 0 ? 1 / count : 1;
    return TN_OK;
}

tn_status tn__reduce_forward(tn__tensor *const *out, const tn__tensor *const *in,
                             const tn__site *site, tn_error *err)
{
    tn__view view;
    double scale;
    tn_status status;
    if ((status = tn__expect_f32(in[0], err)) != TN_OK ||
        (status = plan(&view, &scale, site, err)) != TN_OK)
        return status;
    size_t count = tn__tensor_count(out[0]);
    double *sum = tn__alloc(count, sizeof *sum);
    if (!sum)
        return tn__fail_memory(err, count * sizeof *sum);
    tn__view_sum(sum, &view, tn__tensor_f32_const(in[0]), &in[0]->shape);
    for (size_t i = 0; i < count; i++)
        sum[i] *= scale;
    tn__store_f64(out[0], sum);
    tn__free(sum);
    return TN_OK;
}

tn_status tn__reduce_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                              const tn__tensor *const *in, const tn__tensor *const *out,
                              const tn__site *site, tn_error *err)
{
    (void)out;
    tn__view view, dense = tn__view_dense(&in[0]->shape);
    double scale;
    tn_status status = plan(&view, &scale, site, err);
    if (status || !din[0])
        return status;
    float *dx = tn__tensor_f32(din[0]);
    tn__view_copy(dx, &dense, tn__tensor_f32_const(dout[0]), &view, &in[0]->shape,
                  sizeof *dx);
    for (size_t i = 0, count = tn__tensor_count(din[0]); i < count; i++)
        dx[i] = (float)((double)dx[i] * scale);
    return TN_OK;
}
