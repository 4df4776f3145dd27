/* add_dnnl.c - Add of two activations of one shape, with ReLU fused behind it.
 *
 * The gradient of both operands is that of the sum, so nothing is computed backward but
 * the ReLU, in place; the engine hands the one buffer to both.
 */
#include "ops/onednn.h"

typedef struct add_kernel {
    tn__program_kernel k;
    const tn__layout *b; /* of the second operand, as it comes */
    bool want_b, relu;
    dnnl_primitive_desc_t forward, relu_back;
} add_kernel;

static void build(tn__program_kernel *kernel, const tn__kernel_memory *m)
{
    add_kernel *a = (add_kernel *)kernel;
    const tn__layout *y = kernel->out;
    tn__program *p = &kernel->forward;
    void *second = tn__program_read(p, a->b, m->in[1], y);
    tn__call *call = tn__program_add(p, a->forward);
    tn__program_arg(p, call, DNNL_ARG_SRC_0, y, m->in[0]);
    tn__program_arg(p, call, DNNL_ARG_SRC_1, y, second);
    tn__program_arg(p, call, DNNL_ARG_DST, y, m->out[0]);
    p = &kernel->backward;
    if (a->relu_back)
        tn__program_relu_back(p, a->relu_back, y, m->dout[0], m->dout[0], m->out[0]);
    if (a->want_b && !tn__layout_equal(a->b, y))
        tn__program_move(p, y, m->dout[0], a->b, m->din[1]);
}

static bool describe(add_kernel *a, const tn__kernel_request *request)
{
    const tn__layout *x = request->in[0];
    tn__pd_spec spec = {.kind = TN__ADD_FORWARD,
                        .src = x,
                        .weights = x,
                        .dst = x,
                        .fused = request->fused & TN__FUSE_RELU};
    if (!(a->forward = tn__pd_create(request->dnnl, &spec)))
        return false;
    bool backward = request->wanted[0] || request->wanted[1];
    return !backward || !a->relu ||
           (a->relu_back = tn__pd_relu_back(request->dnnl, x)) != NULL;
}

static tn_status create(tn__kernel **out, const tn__kernel_request *request,
                        tn_error *err)
{
    const tn__layout *x = request->in[0], *b = request->in[1];
    if (!x || !b || !x->md || !b->md || !tn__shape_equal(&x->shape, &b->shape))
        return TN_OK;
    add_kernel *a = tn__dnnl_alloc(request->dnnl, 1, sizeof *a);
    if (!a)
        return tn__dnnl_check(request->dnnl, err);
    a->b = b;
    a->want_b = request->wanted[1];
    a->relu = (request->fused & TN__FUSE_RELU) != 0;
    if (!describe(a, request))
        return tn__dnnl_check(request->dnnl, err);
    a->k.out = x;
    a->k.build = build;
    a->k.base.passes = 1u | (tn__layout_equal(x, b) ? 2u : 0u);
    a->k.base.keeps_out = a->k.base.clobbers = a->relu_back != NULL;
    return tn__program_kernel_finish(out, &a->k, request->dnnl, err);
}

const tn__kernel_class tn__add_dnnl = {
    .name = "add:onednn",
    .fuses = TN__FUSE_RELU,
    .create = create,
};
