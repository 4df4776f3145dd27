/* gemm_dnnl.c - Gemm with parameters as weights: oneDNN's inner product.
 *
 * y [M, N] = x [M, K] w^T + b with w [N, K] (transB = 1, as PyTorch exports Linear) or
 * [K, N] seen through strides. alpha and beta must be 1, b [N] or [1, N]. In bf16
 * weights are rounded when they are taken over, their gradients are f32.
 */
#include "ops/onednn.h"

enum { X, W, B };

typedef struct gemm_kernel {
    tn__program_kernel k;
    bool want_x, want_w, want_b, has_bias, relu, folded;
    tn_dtype type; /* computed in */
    const tn__layout *x, *y, *w_plain, *b_plain;
    dnnl_primitive_desc_t forward, data, weights, relu_back;
    const tn__layout *w_forward, *w_data, *w_made;
    const tn__layout *x_forward, *x_weights, *dx_data, *dy_data, *dy_weights;
    void *w_forward_copy, *w_data_copy, *b_copy;
} gemm_kernel;

static void *refreshed(gemm_kernel *g, const tn__layout *want, void *w)
{
    tn__program *p = &g->k.refresh;
    if (!g->folded && tn__layout_equal(g->w_plain, want))
        return w;
    void *copy = p->dry ? NULL : tn__dnnl_alloc(p->d, want->bytes, 1);
    tn__program_move(p, g->w_plain, w, want, copy);
    return copy;
}

static void build_forward(gemm_kernel *g, const tn__kernel_memory *m)
{
    tn__program *p = &g->k.forward;
    void *x = tn__program_read(p, g->x, m->in[X], g->x_forward);
    tn__call *call = tn__program_add(p, g->forward);
    tn__program_arg(p, call, DNNL_ARG_SRC, g->x_forward, x);
    tn__program_arg(p, call, DNNL_ARG_WEIGHTS, g->w_forward, g->w_forward_copy);
    if (g->has_bias)
        tn__program_arg(p, call, DNNL_ARG_BIAS, g->b_plain, g->b_copy);
    tn__program_arg(p, call, DNNL_ARG_DST, g->y, m->out[0]);
}

static void build_weights(gemm_kernel *g, const tn__kernel_memory *m)
{
    tn__program *p = &g->k.backward;
    void *x = tn__program_read(p, g->x, m->in[X], g->x_weights);
    void *dy = tn__program_read(p, g->y, m->dout[0], g->dy_weights);
    void *dw = tn__program_place(p, g->w_made, g->w_plain, m->din[W]);
    void *db = m->din[B];
    if (g->has_bias && !g->want_b)
        db = tn__program_reserve(p, g->b_plain->bytes);
    if (!g->want_w && tn__layout_equal(g->w_made, g->w_plain))
        dw = tn__program_reserve(p, g->w_made->bytes);
    tn__call *call = tn__program_add(p, g->weights);
    tn__program_arg(p, call, DNNL_ARG_SRC, g->x_weights, x);
    tn__program_arg(p, call, DNNL_ARG_DIFF_DST, g->dy_weights, dy);
    tn__program_arg(p, call, DNNL_ARG_DIFF_WEIGHTS, g->w_made, dw);
    if (g->has_bias)
        tn__program_arg(p, call, DNNL_ARG_DIFF_BIAS, g->b_plain, db);
    if (g->want_w)
        tn__program_wrote(p, g->w_made, dw, g->w_plain, m->din[W]);
}

static void build_data(gemm_kernel *g, const tn__kernel_memory *m)
{
    tn__program *p = &g->k.backward;
    void *dy = tn__program_read(p, g->y, m->dout[0], g->dy_data);
    void *dx = tn__program_place(p, g->dx_data, g->x, m->din[X]);
    tn__call *call = tn__program_add(p, g->data);
    tn__program_arg(p, call, DNNL_ARG_DIFF_DST, g->dy_data, dy);
    tn__program_arg(p, call, DNNL_ARG_WEIGHTS, g->w_data, g->w_data_copy);
    tn__program_arg(p, call, DNNL_ARG_DIFF_SRC, g->dx_data, dx);
    tn__program_wrote(p, g->dx_data, dx, g->x, m->din[X]);
}

static void build(tn__program_kernel *kernel, const tn__kernel_memory *m)
{
    gemm_kernel *g = (gemm_kernel *)kernel;
    tn__program *p = &kernel->refresh;
    g->w_forward_copy = refreshed(g, g->w_forward, m->in[W]);
    g->b_copy = g->has_bias ? m->in[B] : NULL;
    if (g->folded) {
        g->b_copy = p->dry ? NULL : tn__dnnl_alloc(p->d, g->b_plain->bytes, 1);
        tn__program_move(p, g->b_plain, m->in[B], g->b_plain, g->b_copy);
    }
    if (g->data)
        g->w_data_copy = tn__layout_equal(g->w_data, g->w_forward)
                             ? g->w_forward_copy
                             : refreshed(g, g->w_data, m->in[W]);
    build_forward(g, m);
    if (g->relu_back)
        tn__program_relu_back(&kernel->backward, g->relu_back, g->y, m->dout[0],
                              m->dout[0], m->out[0]);
    if (g->weights)
        build_weights(g, m);
    if (g->data)
        build_data(g, m);
}

static bool describe_backward(gemm_kernel *g, tn__dnnl *d, tn__pd_spec *spec)
{
    if (!g->y || !g->w_plain) /* no memory */
        return false;
    spec->hint = g->forward;
    spec->fused = 0;
    spec->dst = tn__layout_any(d, g->type, &g->y->shape);
    if (g->relu && !(g->relu_back = tn__pd_relu_back(d, g->y)))
        return false;
    if (g->want_w || g->want_b) {
        spec->kind = TN__GEMM_BACKWARD_WEIGHTS;
        spec->weights = tn__layout_any(d, TN_F32, &g->w_plain->shape);
        if (!(g->weights = tn__pd_create(d, spec)))
            return false;
        g->x_weights = tn__pd_layout(d, g->weights, dnnl_query_src_md);
        g->w_made = tn__pd_layout(d, g->weights, dnnl_query_diff_weights_md);
        g->dy_weights = tn__pd_layout(d, g->weights, dnnl_query_diff_dst_md);
    }
    if (g->want_x) {
        spec->kind = TN__GEMM_BACKWARD_DATA;
        spec->weights = tn__layout_any(d, g->type, &g->w_plain->shape);
        spec->bias = NULL;
        if (!(g->data = tn__pd_create(d, spec)))
            return false;
        g->dx_data = tn__pd_layout(d, g->data, dnnl_query_diff_src_md);
        g->w_data = tn__pd_layout(d, g->data, dnnl_query_weights_md);
        g->dy_data = tn__pd_layout(d, g->data, dnnl_query_diff_dst_md);
    }
    return true;
}

static bool describe(gemm_kernel *g, const tn__kernel_request *request, tn_dtype type)
{
    const tn__site *site = request->site;
    tn__dnnl *d = request->dnnl;
    int64_t n = site->out[0].dims[1], k = site->in[X]->dims[1];
    bool rows = tn__node_int(site->node, "transB", 0) != 0;
    tn__shape weights = {.rank = 2, .dims = {n, k}}, bias = {.rank = 1, .dims = {n}};
    int64_t strides[2] = {rows ? k : 1, rows ? 1 : n};
    tn_dtype out = request->bf16_out ? type : TN_F32;
    g->type = type;
    g->w_plain = tn__layout_strided(d, TN_F32, &weights, strides);
    g->b_plain = tn__layout_plain(d, TN_F32, &bias);
    tn__pd_spec spec = {.kind = TN__GEMM_FORWARD,
                        .training = request->training,
                        .src = tn__layout_any(d, type, site->in[X]),
                        .weights = tn__layout_any(d, type, &weights),
                        .bias = g->has_bias ? g->b_plain : NULL,
                        .dst = tn__layout_any(d, out, &site->out[0]),
                        .fused = request->fused & (TN__FUSE_RELU | TN__FUSE_CURVE),
                        .curve = request->curve};
    if (!(g->forward = tn__pd_create(d, &spec)))
        return false;
    g->x = request->in[X];
    g->x_forward = tn__pd_layout(d, g->forward, dnnl_query_src_md);
    g->w_forward = tn__pd_layout(d, g->forward, dnnl_query_weights_md);
    g->y = tn__pd_layout(d, g->forward, dnnl_query_dst_md);
    return !request->training || describe_backward(g, d, &spec);
}

/* b is missing, or one row of N elements that is a parameter. */
static bool suits_bias(const tn__kernel_request *request)
{
    const tn__site *site = request->site;
    if (site->input_count <= B || !site->in[B])
        return true;
    size_t count;
    const tn__shape *b = site->in[B];
    return !request->in[B] && site->in_dtype[B] == TN_F32 &&
           tn__shape_count(&count, b) && b->rank > 0 &&
           b->dims[b->rank - 1] == site->out[0].dims[1] &&
           (int64_t)count == site->out[0].dims[1] &&
           tn__node_float(site->node, "beta", 1.0f) == 1.0f;
}

static bool suits(const tn__kernel_request *request)
{
    const tn__site *site = request->site;
    return request->in[X] && request->in[X]->md && !request->in[W] &&
           site->in_dtype[W] == TN_F32 && suits_bias(request) &&
           tn__node_float(site->node, "alpha", 1.0f) == 1.0f &&
           !tn__node_int(site->node, "transA", 0);
}

static tn_status create(tn__kernel **out, const tn__kernel_request *request,
                        tn_error *err)
{
    const tn__site *site = request->site;
    if (!suits(request))
        return TN_OK;
    gemm_kernel *g = tn__dnnl_alloc(request->dnnl, 1, sizeof *g);
    if (!g)
        return tn__dnnl_check(request->dnnl, err);
    bool bias = site->input_count > B && site->in[B];
    g->folded = (request->fused & TN__FUSE_NORM) != 0;
    g->has_bias = g->folded || bias;
    g->want_x = request->wanted[X];
    g->want_w = request->wanted[W];
    g->want_b = bias && request->wanted[B];
    g->relu = (request->fused & TN__FUSE_RELU) != 0;
    const gemm_kernel blank = *g;
    if (!request->bf16 || !describe(g, request, TN_BF16)) {
        *g = blank;
        if (!describe(g, request, TN_F32))
            return tn__dnnl_check(request->dnnl, err);
    }
    g->k.out = g->y;
    g->k.build = build;
    g->k.base.keeps_in = g->weights != NULL;
    g->k.base.keeps_out = g->k.base.clobbers = g->relu_back != NULL;
    return tn__program_kernel_finish(out, &g->k, request->dnnl, err);
}

const tn__kernel_class tn__gemm_dnnl = {
    .name = "gemm:onednn",
    .fuses = TN__FUSE_RELU | TN__FUSE_NORM | TN__FUSE_CURVE,
    .bf16 = TN__BF16_TAKES,
    .create = create,
};
