/* gather_ref.c - out[o, j, i] = data[o, index[j], i] for outer o and inner i; its
 * gradient adds up where an index occurs more than once. */
#include <string.h>

#include "ops/gather/gather.h"
#include "ops/operand.h"

typedef struct loops {
    size_t outer, extent, inner, indices;
} loops;

static tn_status prepare(loops *l, const tn__tensor *const *in, const tn__site *site,
                         tn_error *err)
{
    int axis;
    tn_status status = tn__gather_axis(&axis, site, err);
    if (status)
        return status;
    const tn__shape *data = site->in[0];
    *l = (loops){.outer = 1, .inner = 1, .indices = tn__tensor_count(in[1])};
    l->extent = (size_t)data->dims[axis];
    for (int k = 0; k < data->rank; k++)
        if (k != axis)
            *(k < axis ? &l->outer : &l->inner) *= (size_t)data->dims[k];
    return TN_OK;
}

tn_status tn__gather_forward(tn__tensor *const *out, const tn__tensor *const *in,
                             const tn__site *site, tn_error *err)
{
    loops l;
    void *data;
    tn_status status;
    if ((status = prepare(&l, in, site, err)) != TN_OK ||
        (status = tn__tensor_write(out[0], &data, err)) != TN_OK)
        return status;
    size_t row = l.inner * tn__dtype_size(in[0]->dtype);
    char *to = data;
    const char *from = tn__tensor_data(in[0]);
    for (size_t o = 0; o < l.outer; o++)
        for (size_t j = 0; j < l.indices; j++, to += row) {
            int64_t index;
            status = tn__gather_index(&index, in[1], j, (int64_t)l.extent, err);
            if (status)
                return status;
            memcpy(to, from + (o * l.extent + (size_t)index) * row, row);
        }
    return TN_OK;
}

tn_status tn__gather_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                              const tn__tensor *const *in, const tn__tensor *const *out,
                              const tn__site *site, tn_error *err)
{
    (void)out;
    loops l;
    tn_status status = prepare(&l, in, site, err);
    if (status || !din[0])
        return status;
    size_t count = tn__tensor_count(din[0]);
    double *sum = tn__alloc(count, sizeof *sum);
    if (!sum)
        return tn__fail_memory(err, count * sizeof *sum);
    const float *dy = tn__tensor_f32_const(dout[0]);
    for (size_t o = 0; o < l.outer && !status; o++)
        for (size_t j = 0; j < l.indices && !status; j++) {
            int64_t index;
            status = tn__gather_index(&index, in[1], j, (int64_t)l.extent, err);
            for (size_t i = 0; i < l.inner && !status; i++)
                sum[(o * l.extent + (size_t)index) * l.inner + i] += (double)*dy++;
        }
    if (!status)
        tn__store_f64(din[0], sum);
    tn__free(sum);
    return status;
}
