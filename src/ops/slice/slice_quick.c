/* slice_quick.c - Slice of f32 and bf16 values that lie row by row.
 *
 * Its gradient may be added to one that is there: the parts of a projection (query, key
 * and value) then write theirs side by side, where else each would fill a whole
 * gradient with zeros, to be added up. All else is left to plain C.
 */
#include <string.h>

#include "ops/onednn.h"
#include "ops/slice/slice.h"

typedef struct slice_kernel {
    tn__kernel base;
    const tn__layout *x, *y;
    tn__view part;
    const void *in, *dout; /* all of x's type */
    void *out, *din;
    bool added; /* to the gradient that is in din */
} slice_kernel;

static tn_status slice_bind(tn__kernel *kernel, const tn__kernel_memory *m,
                            tn_error *err)
{
    (void)err;
    slice_kernel *s = (slice_kernel *)kernel;
    s->in = m->in[0];
    s->out = m->out[0];
    s->din = m->din[0];
    s->dout = m->dout[0];
    s->added = m->added && m->added[0];
    return TN_OK;
}

static tn_status slice_forward(tn__kernel *kernel, tn_error *err)
{
    (void)err;
    slice_kernel *s = (slice_kernel *)kernel;
    tn__view dense = tn__view_dense(&s->y->shape);
    tn__view_copy(s->out, &dense, s->in, &s->part, &s->y->shape,
                  tn__dtype_size(s->x->dtype));
    return TN_OK;
}

static tn_status slice_backward(tn__kernel *kernel, tn_error *err)
{
    (void)err;
    slice_kernel *s = (slice_kernel *)kernel;
    tn__view dense = tn__view_dense(&s->y->shape);
    if (s->added) {
        tn__view_add(s->din, &s->part, s->dout, &s->y->shape, s->x->dtype);
        return TN_OK;
    }
    if (s->y->bytes != s->x->bytes)
        memset(s->din, 0, s->x->bytes);
    tn__view_copy(s->din, &s->part, s->dout, &dense, &s->y->shape,
                  tn__dtype_size(s->x->dtype));
    return TN_OK;
}

static tn_status create(tn__kernel **out, const tn__kernel_request *request,
                        tn_error *err)
{
    const tn__site *site = request->site;
    const tn__layout *x = request->in[0];
    tn__dnnl *d = request->dnnl;
    size_t count;
    if (!x || !tn__layout_differs(x) || !tn__layout_by_rows(d, x) ||
        (x->dtype == TN_BF16 && !request->bf16_out) ||
        !tn__shape_count(&count, &site->out[0]) || !count)
        return TN_OK;
    slice_kernel *s = tn__dnnl_alloc(d, 1, sizeof *s);
    if (!s)
        return tn__dnnl_check(d, err);
    tn_status status = tn__slice_read(&s->part, site, err);
    if (status)
        return status;
    s->x = x;
    s->y = tn__layout_rows(d, x->dtype, &site->out[0]);
    s->base.out = &s->y;
    s->base.adds = 1u;
    s->base.bind = slice_bind;
    s->base.forward = slice_forward;
    s->base.backward = slice_backward;
    *out = &s->base;
    return tn__dnnl_check(d, err);
}

const tn__kernel_class tn__slice_quick = {
    .name = "slice:quick", .bf16 = TN__BF16_TAKES, .create = create};
