/* gemm_dnnl.c - Gemm with parameters as weights: oneDNN's inner product.
 *
 * y [M, N] = x [M, K] w^T + b with w [N, K] (transB = 1, as PyTorch exports Linear) or
 * [K, N] seen through strides. alpha and beta must be 1, b [N] or [1, N]. What is like
 * Conv is in onednn_layer.c.
 *
 * The gradient of w is a product that writes it as the parameter lies: the inner
 * product's own makes blocks, and to undo them takes as long again. That of b is the
 * sum of the rows of dy in double.
 */
#include "ops/onednn_layer.h"

enum { X = TN__LAYER_X, W = TN__LAYER_W, B = TN__LAYER_B };

typedef struct gemm_kernel {
    tn__layer_kernel l;
    bool rows;                /* w is [N, K] */
    const tn__layout *dy;     /* [M, N] as it comes, by rows */
    const tn__layout *turned; /* of dy, or (w [K, N]) of x: columns first */
    const tn__layout *w_made; /* as the parameter lies, row-major */
} gemm_kernel;

static void build_parameters(gemm_kernel *g, const tn__kernel_memory *m)
{
    tn__layer_kernel *l = &g->l;
    tn__program *p = &l->k.backward;
    void *dy = tn__program_read(p, l->y, m->dout[0], g->dy);
    if (l->want_b)
        tn__program_sum_rows(p, g->dy, dy, m->din[B]);
    if (!l->weights)
        return;
    void *x = tn__program_read(p, l->x, m->in[X], l->x_weights);
    dy = tn__program_read(p, g->dy, dy, l->dy_weights);
    tn__call *call = tn__program_add(p, l->weights);
    tn__program_arg(p, call, DNNL_ARG_SRC, g->turned, g->rows ? dy : x);
    tn__program_arg(p, call, DNNL_ARG_WEIGHTS, g->rows ? l->x_weights : l->dy_weights,
                    g->rows ? x : dy);
    tn__program_arg(p, call, DNNL_ARG_DST, g->w_made, m->din[W]);
}

static void build(tn__program_kernel *kernel, const tn__kernel_memory *m)
{
    gemm_kernel *g = (gemm_kernel *)kernel;
    tn__layer_kernel *l = &g->l;
    tn__layer_build_refresh(l, m, l->w_plain);
    tn__layer_build_forward(l, m, tn__layer_read(l, m));
    if (l->want_w || l->want_b)
        build_parameters(g, m);
    if (l->data)
        tn__layer_build_data(l, m);
}

/* The gradient of w: dy^T x, or x^T dy where w is [K, N]. */
static bool describe_weights(gemm_kernel *g, tn__dnnl *d, int64_t m, int64_t k,
                             int64_t n)
{
    tn__layer_kernel *l = &g->l;
    l->x_weights = tn__layout_matrix(d, l->type, m, k, false);
    l->dy_weights = tn__layout_matrix(d, l->type, m, n, false);
    g->turned = tn__layout_matrix(d, l->type, g->rows ? n : k, m, true);
    g->w_made = tn__layout_matrix(d, TN_F32, g->rows ? n : k, g->rows ? k : n, false);
    tn__pd_spec spec = {.kind = TN__MATMUL,
                        .src = g->turned,
                        .weights = g->rows ? l->x_weights : l->dy_weights,
                        .dst = g->w_made};
    return g->w_made && (l->weights = tn__pd_create(d, &spec));
}

static bool describe(tn__layer_kernel *l, const tn__kernel_request *request)
{
    gemm_kernel *g = (gemm_kernel *)l;
    const tn__site *site = request->site;
    tn__dnnl *d = request->dnnl;
    int64_t m = site->in[X]->dims[0], n = site->out[0].dims[1],
            k = site->in[X]->dims[1];
    g->rows = tn__node_int(site->node, "transB", 0) != 0;
    tn__shape weights = {.rank = 2, .dims = {n, k}};
    int64_t strides[2] = {g->rows ? k : 1, g->rows ? 1 : n};
    tn__pd_spec spec = tn__layer_spec(l, request, TN__GEMM_FORWARD, &weights, strides);
    if (!tn__layer_forward(l, request, &spec))
        return false;
    if (!request->training)
        return true;
    if (!tn__layer_backward(l, d, &spec))
        return false;
    g->dy = tn__layout_matrix(d, l->y->dtype, m, n, false);
    return g->dy &&
           (!l->want_x || tn__layer_data(l, d, &spec, TN__GEMM_BACKWARD_DATA)) &&
           (!l->want_w || describe_weights(g, d, m, k, n));
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
    const tn__node *node = request->site->node;
    return tn__layer_suits(request) && suits_bias(request) &&
           tn__node_float(node, "alpha", 1.0f) == 1.0f &&
           !tn__node_int(node, "transA", 0);
}

static tn_status create(tn__kernel **out, const tn__kernel_request *request,
                        tn_error *err)
{
    static const tn__layer_class class = {
        .size = sizeof(gemm_kernel), .describe = describe, .build = build};
    return suits(request) ? tn__layer_create(out, request, &class, err) : TN_OK;
}

const tn__kernel_class tn__gemm_dnnl = {
    .name = "gemm:onednn",
    .fuses = TN__FUSE_RELU | TN__FUSE_NORM | TN__FUSE_CURVE,
    .bf16 = TN__BF16_TAKES,
    .create = create,
};
