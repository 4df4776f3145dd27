/* relu_dnnl.c - Relu on oneDNN; backward by the sign of the output. */
#include "ops/onednn.h"

typedef struct relu_kernel {
    tn__program_kernel k;
    dnnl_primitive_desc_t forward, backward;
} relu_kernel;

static void build(tn__program_kernel *kernel, const tn__kernel_memory *m)
{
    relu_kernel *r = (relu_kernel *)kernel;
    const tn__layout *y = kernel->out;
    tn__call *call = tn__program_add(&kernel->forward, r->forward);
    tn__program_arg(&kernel->forward, call, DNNL_ARG_SRC, y, m->in[0]);
    tn__program_arg(&kernel->forward, call, DNNL_ARG_DST, y, m->out[0]);
    if (r->backward)
        tn__program_relu_back(&kernel->backward, r->backward, y, m->din[0], m->dout[0],
                              m->out[0]);
}

static tn_status create(tn__kernel **out, const tn__kernel_request *request,
                        tn_error *err)
{
    tn__dnnl *d = request->dnnl;
    const tn__layout *x = request->in[0];
    if (!x || !x->md)
        return TN_OK;
    relu_kernel *r = tn__dnnl_alloc(d, 1, sizeof *r);
    if (!r)
        return tn__dnnl_check(d, err);
    tn__pd_spec spec = {
        .kind = TN__RELU_FORWARD, .training = request->training, .src = x, .dst = x};
    if (!(r->forward = tn__pd_create(d, &spec)) ||
        (request->wanted[0] && !(r->backward = tn__pd_relu_back(d, x))))
        return tn__dnnl_check(d, err);
    r->k.out = x;
    r->k.build = build;
    r->k.base.keeps_out = r->backward != NULL;
    r->k.base.in_place = 1u;
    return tn__program_kernel_finish(out, &r->k, d, err);
}

const tn__kernel_class tn__relu_dnnl = {
    .name = "relu:onednn", .bf16 = TN__BF16_FOLLOWS, .create = create};
