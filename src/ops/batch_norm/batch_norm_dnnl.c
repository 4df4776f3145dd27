/* batch_norm_dnnl.c - BatchNormalization on oneDNN, with ReLU fused behind it.
 *
 * Training computes the statistics of the shard, keeps them for backward() and shows
 * them to the engine. Backward wants the shift as an input although it does not use it:
 * without it oneDNN 2.x rejects the arguments.
 */
#include "ops/onednn.h"

enum { X, SCALE, SHIFT, MEAN, VARIANCE };

typedef struct norm_kernel {
    tn__program_kernel k;
    bool training, want_x, relu;
    const tn__layout *x, *y, *vector, *mask; /* y: the layout used throughout */
    dnnl_primitive_desc_t forward, backward;
    float *mean, *variance; /* [C] of the shard */
} norm_kernel;

static void build_forward(norm_kernel *n, const tn__kernel_memory *m)
{
    tn__program *p = &n->k.forward;
    void *x = tn__program_read(p, n->x, m->in[X], n->y);
    tn__call *call = tn__program_add(p, n->forward);
    tn__program_arg(p, call, DNNL_ARG_SRC, n->y, x);
    tn__program_arg(p, call, DNNL_ARG_SCALE, n->vector, m->in[SCALE]);
    tn__program_arg(p, call, DNNL_ARG_SHIFT, n->vector, m->in[SHIFT]);
    tn__program_arg(p, call, DNNL_ARG_MEAN, n->vector,
                    n->training ? n->mean : m->in[MEAN]);
    tn__program_arg(p, call, DNNL_ARG_VARIANCE, n->vector,
                    n->training ? n->variance : m->in[VARIANCE]);
    tn__program_arg(p, call, DNNL_ARG_DST, n->y, m->out[0]);
    if (n->mask)
        tn__program_arg(p, call, DNNL_ARG_WORKSPACE, n->mask, m->workspace);
}

static void build(tn__program_kernel *kernel, const tn__kernel_memory *m)
{
    norm_kernel *n = (norm_kernel *)kernel;
    tn__program *p = &kernel->backward;
    build_forward(n, m);
    if (!n->backward)
        return;
    void *x = tn__program_read(p, n->x, m->in[X], n->y);
    void *dx = n->want_x ? tn__program_place(p, n->y, n->x, m->din[X])
                         : tn__program_reserve(p, n->y->bytes);
    void *dscale =
        m->din[SCALE] ? m->din[SCALE] : tn__program_reserve(p, n->vector->bytes);
    void *dshift =
        m->din[SHIFT] ? m->din[SHIFT] : tn__program_reserve(p, n->vector->bytes);
    tn__call *call = tn__program_add(p, n->backward);
    tn__program_arg(p, call, DNNL_ARG_SRC, n->y, x);
    tn__program_arg(p, call, DNNL_ARG_MEAN, n->vector, n->mean);
    tn__program_arg(p, call, DNNL_ARG_VARIANCE, n->vector, n->variance);
    tn__program_arg(p, call, DNNL_ARG_DIFF_DST, n->y, m->dout[0]);
    tn__program_arg(p, call, DNNL_ARG_SCALE, n->vector, m->in[SCALE]);
#if DNNL_VERSION_MAJOR < 3
    tn__program_arg(p, call, DNNL_ARG_SHIFT, n->vector, m->in[SHIFT]);
#endif
    if (n->mask)
        tn__program_arg(p, call, DNNL_ARG_WORKSPACE, n->mask, m->workspace);
    tn__program_arg(p, call, DNNL_ARG_DIFF_SRC, n->y, dx);
    tn__program_arg(p, call, DNNL_ARG_DIFF_SCALE, n->vector, dscale);
    tn__program_arg(p, call, DNNL_ARG_DIFF_SHIFT, n->vector, dshift);
    if (n->want_x)
        tn__program_wrote(p, n->y, dx, n->x, m->din[X]);
}

static bool describe(norm_kernel *n, const tn__kernel_request *request)
{
    tn__dnnl *d = request->dnnl;
    const tn__site *site = request->site;
    tn__shape channels = {.rank = 1, .dims = {site->in[X]->dims[1]}};
    n->x = n->y = request->in[X];
    n->vector = tn__layout_plain(d, TN_F32, &channels);
    unsigned flags = dnnl_use_scale | dnnl_use_shift;
    tn__pd_spec spec = {.kind = TN__NORM_FORWARD,
                        .training = n->training,
                        .src = n->y,
                        .dst = n->y,
                        .epsilon = tn__node_float(site->node, "epsilon", 1e-5f),
                        .flags = flags | (n->relu ? dnnl_fuse_norm_relu : 0u) |
                                 (n->training ? 0u : dnnl_use_global_stats)};
    if (!(n->forward = tn__pd_create(d, &spec)))
        return false;
    n->mask = tn__pd_layout(d, n->forward, dnnl_query_workspace_md);
    if (!n->training)
        return true;
    size_t count = (size_t)channels.dims[0];
    n->mean = tn__dnnl_alloc(d, count, sizeof *n->mean);
    n->variance = tn__dnnl_alloc(d, count, sizeof *n->variance);
    spec.kind = TN__NORM_BACKWARD;
    spec.hint = n->forward;
    return (n->backward = tn__pd_create(d, &spec)) != NULL;
}

static bool suits(const tn__kernel_request *request)
{
    const tn__site *site = request->site;
    if (!request->in[X] || !request->in[X]->md || site->input_count != 5 ||
        site->in[X]->rank < 2 || site->in[X]->rank > 5)
        return false;
    for (int i = SCALE; i <= VARIANCE; i++)
        if (request->in[i] || site->in_dtype[i] != TN_F32)
            return false;
    return true;
}

static tn_status create(tn__kernel **out, const tn__kernel_request *request,
                        tn_error *err)
{
    size_t count;
    if (!suits(request) || !tn__shape_count(&count, request->site->in[X]))
        return TN_OK;
    norm_kernel *n = tn__dnnl_alloc(request->dnnl, 1, sizeof *n);
    if (!n)
        return tn__dnnl_check(request->dnnl, err);
    n->training = request->training;
    n->want_x = request->wanted[X];
    n->relu = (request->fused & TN__FUSE_RELU) != 0;
    if (!describe(n, request))
        return tn__dnnl_check(request->dnnl, err);
    tn__kernel *base = &n->k.base;
    n->k.out = n->y;
    n->k.build = build;
    base->keeps_in = n->training;
    base->in_place = 1u << X;
    base->workspace = n->mask ? n->mask->bytes : 0;
    base->batch_mean = n->mean;
    base->batch_variance = n->variance;
    base->channels = (size_t)request->site->in[X]->dims[1];
    base->positions = base->channels ? count / base->channels : 0;
    return tn__program_kernel_finish(out, &n->k, request->dnnl, err);
}

const tn__kernel_class tn__batchnorm_dnnl = {
    .name = "batchnorm:onednn",
    .fuses = TN__FUSE_RELU,
    .bf16 = TN__BF16_FOLLOWS,
    .create = create,
};
