/* add_dnnl.c - Add of two activations of one shape, with ReLU fused behind it; others
 * are left to binary_quick.c.
 *
 * The gradient of both operands is that of the sum, so nothing is computed backward but
 * the ReLU, in place; the engine hands the one buffer to both.
 */
#include "ops/onednn.h"

typedef struct add_kernel {
    tn__program_kernel k;
    int base;                /* the operand whose layout the sum has */
    const tn__layout *other; /* of the other, as it comes */
    bool want_other, relu;
    dnnl_primitive_desc_t forward, relu_back;
} add_kernel;

static void build(tn__program_kernel *kernel, const tn__kernel_memory *m)
{
    add_kernel *a = (add_kernel *)kernel;
    const tn__layout *y = kernel->out;
    tn__program *p = &kernel->forward;
    void *second = tn__program_read(p, a->other, m->in[!a->base], y);
    tn__call *call = tn__program_add(p, a->forward);
    tn__program_arg(p, call, DNNL_ARG_SRC_0, y, m->in[a->base]);
    tn__program_arg(p, call, DNNL_ARG_SRC_1, y, second);
    tn__program_arg(p, call, DNNL_ARG_DST, y, m->out[0]);
    p = &kernel->backward;
    if (a->relu_back)
        tn__program_relu_back(p, a->relu_back, y, m->dout[0], m->dout[0], m->out[0]);
    if (a->want_other && !tn__layout_equal(a->other, y))
        tn__program_move(p, y, m->dout[0], a->other, m->din[!a->base]);
}

static bool describe(add_kernel *a, const tn__kernel_request *request)
{
    const tn__layout *y = request->in[a->base];
    tn__pd_spec spec = {.kind = TN__ADD_FORWARD,
                        .src = y,
                        .weights = y,
                        .dst = y,
                        .fused = request->fused & TN__FUSE_RELU};
    if (!(a->forward = tn__pd_create(request->dnnl, &spec)))
        return false;
    bool backward = request->wanted[0] || request->wanted[1];
    return !backward || !a->relu ||
           (a->relu_back = tn__pd_relu_back(request->dnnl, y)) != NULL;
}

/* The first operand of the wanted element type, -1 where there is none. Two f32
 * operands make f32 whatever is wanted. */
static int base_of(const tn__kernel_request *request)
{
    for (int k = 0; k < 2 && request->bf16_out; k++)
        if (request->in[k]->dtype == TN_BF16)
            return k;
    for (int k = 0; k < 2; k++)
        if (request->in[k]->dtype == TN_F32)
            return k;
    return -1;
}

static tn_status create(tn__kernel **out, const tn__kernel_request *request,
                        tn_error *err)
{
    const tn__layout *const *x = request->in;
    if (!x[0] || !x[1] || !x[0]->md || !x[1]->md ||
        !tn__shape_equal(&x[0]->shape, &x[1]->shape))
        return request->fused ? TN_OK : tn__binary_quick.create(out, request, err);
    if (base_of(request) < 0)
        return TN_OK;
    add_kernel *a = tn__dnnl_alloc(request->dnnl, 1, sizeof *a);
    if (!a)
        return tn__dnnl_check(request->dnnl, err);
    a->base = base_of(request);
    a->other = x[!a->base];
    a->want_other = request->wanted[!a->base];
    a->relu = (request->fused & TN__FUSE_RELU) != 0;
    if (!describe(a, request))
        return tn__dnnl_check(request->dnnl, err);
    a->k.out = x[a->base];
    a->k.build = build;
    a->k.base.passes =
        1u << a->base | (tn__layout_equal(x[0], x[1]) ? 1u << !a->base : 0u);
    a->k.base.keeps_out = a->k.base.clobbers = a->relu_back != NULL;
    return tn__program_kernel_finish(out, &a->k, request->dnnl, err);
}

const tn__kernel_class tn__add_dnnl = {
    .name = "add:onednn",
    .fuses = TN__FUSE_RELU,
    .bf16 = TN__BF16_TAKES,
    .create = create,
};
