/* einsum_ref.c - y[kept] = sum over the other indices of the product of the operands,
 * in double; the gradient of an operand is the sum of dy times the product of the
 * others.
 */
#include <string.h>

#include "ops/einsum/einsum.h"
#include "ops/operand.h"

/* Operand k as a view of all indices; stretched axes stand still, a diagonal strides
 * along both of its axes. */
typedef struct strides {
    int64_t of[TN__EINSUM_INDICES];
} strides;

static strides strides_of(const tn__einsum *e, const tn__shape *shape, size_t k)
{
    strides s = {0};
    tn__view dense = tn__view_dense(shape);
    for (int a = 0; a < shape->rank; a++)
        if (shape->dims[a] != 1)
            s.of[e->axis_index[k][a]] += dense.stride[a];
    return s;
}

typedef struct walk {
    tn__einsum e;
    strides at[TN__EINSUM_OPERANDS];
    int64_t index[TN__EINSUM_INDICES];
    const float *x[TN__EINSUM_OPERANDS];
} walk;

static tn_status begin(walk *w, const tn__tensor *const *in, const tn__site *site,
                       tn_error *err)
{
    tn_status status = tn__einsum_read(&w->e, site, err);
    memset(w->index, 0, sizeof w->index);
    for (size_t k = 0; k < site->input_count && !status; k++) {
        status = tn__expect_f32(in[k], err);
        w->at[k] = strides_of(&w->e, site->in[k], k);
        w->x[k] = status ? NULL : tn__tensor_f32_const(in[k]);
    }
    return status;
}

static int64_t offset_of(const walk *w, size_t k)
{
    int64_t offset = 0;
    for (int i = 0; i < w->e.count; i++)
        offset += w->index[i] * w->at[k].of[i];
    return offset;
}

/* The next setting of the indices first .. count; false after the last. */
static bool next(walk *w, int first)
{
    for (int i = w->e.count - 1; i >= first; i--) {
        if (++w->index[i] < w->e.extent[i])
            return true;
        w->index[i] = 0;
    }
    return false;
}

static bool is_empty(const tn__einsum *e, int first)
{
    for (int i = first; i < e->count; i++)
        if (e->extent[i] == 0)
            return true;
    return false;
}

/* The product of the operands but one (SIZE_MAX: all). */
static double product(const walk *w, size_t without)
{
    double p = 1;
    for (size_t k = 0; k < w->e.operands; k++)
        if (k != without)
            p *= (double)w->x[k][offset_of(w, k)];
    return p;
}

tn_status tn__einsum_forward(tn__tensor *const *out, const tn__tensor *const *in,
                             const tn__site *site, tn_error *err)
{
    walk w;
    tn_status status = begin(&w, in, site, err);
    if (status)
        return status;
    float *y = tn__tensor_f32(out[0]);
    tn__shape kept = site->out[0];
    bool empty = is_empty(&w.e, w.e.kept);
    for (size_t i = 0, count = tn__tensor_count(out[0]); i < count; i++) {
        double sum = 0;
        for (bool more = !empty; more; more = next(&w, w.e.kept))
            sum += product(&w, SIZE_MAX);
        y[i] = (float)sum;
        (void)tn__index_next(w.index, &kept, kept.rank);
    }
    return TN_OK;
}

static tn_status gradient(tn__tensor *to, walk *w, size_t k, const tn__tensor *dout,
                          tn_error *err)
{
    size_t count = tn__tensor_count(to), i = 0, inner = 1;
    double *sum = tn__alloc(count, sizeof *sum);
    if (!sum)
        return tn__fail_memory(err, count * sizeof *sum);
    const float *dy = tn__tensor_f32_const(dout);
    for (int s = w->e.kept; s < w->e.count; s++)
        inner *= (size_t)w->e.extent[s];
    memset(w->index, 0, sizeof w->index);
    for (bool more = !is_empty(&w->e, 0); more; more = next(w, 0))
        sum[offset_of(w, k)] += (double)dy[i++ / inner] * product(w, k);
    tn__store_f64(to, sum);
    tn__free(sum);
    return TN_OK;
}

tn_status tn__einsum_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                              const tn__tensor *const *in, const tn__tensor *const *out,
                              const tn__site *site, tn_error *err)
{
    walk w;
    (void)out;
    tn_status status = begin(&w, in, site, err);
    for (size_t k = 0; k < site->input_count && !status; k++)
        if (din[k])
            status = gradient(din[k], &w, k, dout[0], err);
    return status;
}
