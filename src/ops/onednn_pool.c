/* onednn_pool.c - pooling on oneDNN, in the layout the input has.
 *
 * Maximum pooling keeps the positions of its maxima as workspace for backward().
 */
#include "ops/onednn_pool.h"

typedef struct pool_kernel {
    tn__program_kernel k;
    const tn__layout *x, *mask;
    dnnl_primitive_desc_t forward, backward;
} pool_kernel;

static void build(tn__program_kernel *kernel, const tn__kernel_memory *m)
{
    pool_kernel *o = (pool_kernel *)kernel;
    tn__program *p = &kernel->forward;
    tn__call *call = tn__program_add(p, o->forward);
    tn__program_arg(p, call, DNNL_ARG_SRC, o->x, m->in[0]);
    tn__program_arg(p, call, DNNL_ARG_DST, kernel->out, m->out[0]);
    if (o->mask)
        tn__program_arg(p, call, DNNL_ARG_WORKSPACE, o->mask, m->workspace);
    if (!o->backward)
        return;
    p = &kernel->backward;
    call = tn__program_add(p, o->backward);
    tn__program_arg(p, call, DNNL_ARG_DIFF_DST, kernel->out, m->dout[0]);
    tn__program_arg(p, call, DNNL_ARG_DIFF_SRC, o->x, m->din[0]);
    if (o->mask)
        tn__program_arg(p, call, DNNL_ARG_WORKSPACE, o->mask, m->workspace);
}

tn_status tn__dnnl_pool(tn__kernel **out, const tn__kernel_request *request,
                        tn__pd_spec *spec, tn_error *err)
{
    tn__dnnl *d = request->dnnl;
    const tn__layout *x = request->in[0];
    pool_kernel *o = tn__dnnl_alloc(d, 1, sizeof *o);
    if (!o)
        return tn__dnnl_check(d, err);
    spec->kind = TN__POOL_FORWARD;
    spec->training = request->training;
    spec->src = x;
    spec->dst = tn__layout_any(d, x->dtype, &request->site->out[0]);
    if (!(o->forward = tn__pd_create(d, spec)))
        return tn__dnnl_check(d, err);
    o->x = x;
    o->k.out = tn__pd_layout(d, o->forward, dnnl_query_dst_md);
    o->mask = tn__pd_layout(d, o->forward, dnnl_query_workspace_md);
    if (request->wanted[0]) {
        spec->kind = TN__POOL_BACKWARD;
        spec->hint = o->forward;
        spec->dst = o->k.out;
        if (!(o->backward = tn__pd_create(d, spec)))
            return tn__dnnl_check(d, err);
    }
    o->k.build = build;
    o->k.base.workspace = o->mask ? o->mask->bytes : 0;
    return tn__program_kernel_finish(out, &o->k, d, err);
}
