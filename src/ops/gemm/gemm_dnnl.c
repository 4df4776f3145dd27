/* gemm_dnnl.c - Gemm with parameters as weights: oneDNN's inner product.
 *
 * y [M, N] = x [M, K] w^T + b with w [N, K] (transB = 1, as PyTorch exports Linear) or
 * [K, N] seen through strides. alpha and beta must be 1, b [N] or [1, N]. What is like
 * Conv is in onednn_layer.c.
 */
#include "ops/onednn_layer.h"

enum { X = TN__LAYER_X, W = TN__LAYER_W, B = TN__LAYER_B };

static void build(tn__program_kernel *kernel, const tn__kernel_memory *m)
{
    tn__layer_kernel *l = (tn__layer_kernel *)kernel;
    tn__layer_build_refresh(l, m, l->w_plain);
    tn__layer_build_forward(l, m, tn__layer_read(l, m));
    if (l->weights)
        tn__layer_build_weights(l, m);
    if (l->data)
        tn__layer_build_data(l, m);
}

static bool describe(tn__layer_kernel *l, const tn__kernel_request *request)
{
    const tn__site *site = request->site;
    tn__dnnl *d = request->dnnl;
    int64_t n = site->out[0].dims[1], k = site->in[X]->dims[1];
    bool rows = tn__node_int(site->node, "transB", 0) != 0;
    tn__shape weights = {.rank = 2, .dims = {n, k}};
    int64_t strides[2] = {rows ? k : 1, rows ? 1 : n};
    tn__pd_spec spec = tn__layer_spec(l, request, TN__GEMM_FORWARD, &weights, strides);
    if (!tn__layer_forward(l, request, &spec))
        return false;
    if (!request->training)
        return true;
    return tn__layer_backward(l, d, &spec) &&
           (!l->want_x || tn__layer_data(l, d, &spec, TN__GEMM_BACKWARD_DATA)) &&
           ((!l->want_w && !l->want_b) ||
            tn__layer_weights(l, d, &spec, TN__GEMM_BACKWARD_WEIGHTS));
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
        .size = sizeof(tn__layer_kernel), .describe = describe, .build = build};
    return suits(request) ? tn__layer_create(out, request, &class, err) : TN_OK;
}

const tn__kernel_class tn__gemm_dnnl = {
    .name = "gemm:onednn",
    .fuses = TN__FUSE_RELU | TN__FUSE_NORM | TN__FUSE_CURVE,
    .bf16 = TN__BF16_TAKES,
    .create = create,
};
