/* conv_dnnl.c - Conv of one to three spatial axes on oneDNN, grouped too.
 *
 * Weights and bias must be parameters. What is like Gemm is in onednn_layer.c; what
 * oneDNN has no bf16 primitive for is done in f32.
 *
 * A 1x1 convolution over values whose channels are last is a product of matrices, and
 * its gradients are computed as such: dw [O, C] = dy^T x and dx = dy w with x [M, C],
 * dy [M, O]. On small maps oneDNN's convolutions in bf16 take several times as long.
 * Where oneDNN falls back to general code for the weights of a depthwise convolution,
 * conv_depthwise.c computes their gradient.
 */
#include "ops/conv/conv.h"
#include "ops/onednn_layer.h"

enum { X = TN__LAYER_X, W = TN__LAYER_W, B = TN__LAYER_B };

typedef struct conv_kernel {
    tn__layer_kernel l;
    bool point; /* gradients are products, of these: */
    const tn__layout *x_rows, *dy_rows, *dy_turned, *w_rows;
    bool depthwise; /* the gradient of the weights is computed by hand, of these: */
    tn__depthwise deep;
    const float *x_at, *dy_at;
    float *dw_at, *sums;
    double *total;
} conv_kernel;

/* Grouped weights [O, C/g, ...] are [g, O/g, C/g, ...] to oneDNN; the same bytes. */
static tn__shape weight_shape(const tn__shape *w, int64_t groups)
{
    if (groups == 1)
        return *w;
    tn__shape out = {.rank = w->rank + 1, .dims = {groups, w->dims[0] / groups}};
    for (int i = 1; i < w->rank; i++)
        out.dims[i + 1] = w->dims[i];
    return out;
}

static void build_product(conv_kernel *c, const tn__kernel_memory *m)
{
    tn__program *p = &c->l.k.backward;
    if (c->l.weights) {
        tn__call *call = tn__program_add(p, c->l.weights);
        tn__program_arg(p, call, DNNL_ARG_SRC, c->dy_turned, m->dout[0]);
        tn__program_arg(p, call, DNNL_ARG_WEIGHTS, c->x_rows, m->in[X]);
        tn__program_arg(p, call, DNNL_ARG_DST, c->w_rows, m->din[W]);
    }
    if (c->l.data) {
        tn__call *call = tn__program_add(p, c->l.data);
        tn__program_arg(p, call, DNNL_ARG_SRC, c->dy_rows, m->dout[0]);
        tn__program_arg(p, call, DNNL_ARG_WEIGHTS, c->l.w_data, c->l.w_data_copy);
        tn__program_arg(p, call, DNNL_ARG_DST, c->x_rows, m->din[X]);
    }
}

/* Its operands, in blocks. */
static void build_depthwise(conv_kernel *c, const tn__kernel_memory *m)
{
    tn__program *p = &c->l.k.backward;
    c->x_at = tn__program_read(p, c->l.x, m->in[X], c->l.x_weights);
    c->dy_at = tn__program_read(p, c->l.y, m->dout[0], c->l.dy_weights);
    c->dw_at = m->din[W];
}

static tn_status depthwise_backward(tn__kernel *kernel, tn_error *err)
{
    conv_kernel *c = (conv_kernel *)kernel;
    tn_status status = tn__program_run(&c->l.k.backward, err);
    if (!status)
        tn__depthwise_weights(c->dw_at, c->x_at, c->dy_at, &c->deep, c->total, c->sums);
    return status;
}

static void build(tn__program_kernel *kernel, const tn__kernel_memory *m)
{
    conv_kernel *c = (conv_kernel *)kernel;
    tn__layer_kernel *l = &c->l;
    tn__layer_build_forward(l, m, c->point ? c->w_rows : l->w_plain);
    if (c->point) {
        build_product(c, m);
        return;
    }
    if (c->depthwise)
        build_depthwise(c, m);
    else if (l->weights)
        tn__layer_build_weights(l, m);
    if (l->data)
        tn__layer_build_data(l, m);
}

/* One filter for each channel, in whole blocks of them. */
static void describe_depthwise(conv_kernel *c, tn__dnnl *d, const tn__pd_spec *spec)
{
    const tn__shape *w = &c->l.w_plain->shape, *x = &c->l.x->shape, *y = &c->l.y->shape;
    if (c->l.want_b || w->rank != 5 || w->dims[1] != 1 || w->dims[2] != 1 ||
        x->dims[1] % TN__DEPTHWISE_BLOCK != 0)
        return;
    c->depthwise = true;
    c->deep = (tn__depthwise){.images = x->dims[0],
                              .blocks = x->dims[1] / TN__DEPTHWISE_BLOCK};
    for (int k = 0; k < 2; k++) {
        c->deep.in[k] = x->dims[k + 2];
        c->deep.out[k] = y->dims[k + 2];
        c->deep.window[k] = w->dims[k + 3];
        c->deep.stride[k] = spec->strides[k];
        c->deep.pad[k] = spec->pad_l[k];
        c->deep.dilation[k] = spec->dilates[k] + 1;
    }
    size_t cells =
        (size_t)(c->deep.window[0] * c->deep.window[1]) * TN__DEPTHWISE_BLOCK;
    c->l.x_weights = tn__layout_blocks(d, x);
    c->l.dy_weights = tn__layout_blocks(d, y);
    c->total = tn__dnnl_alloc(d, cells, sizeof *c->total);
    c->sums = tn__dnnl_alloc(d, cells, sizeof *c->sums);
}

/* [N, ..., C] */
static bool is_channels_last(tn__dnnl *d, const tn__layout *layout)
{
    const tn__shape *shape = &layout->shape;
    int64_t strides[TN__MAX_RANK], stride = shape->dims[1];
    for (int k = shape->rank - 1; k > 1; k--) {
        strides[k] = stride;
        stride *= shape->dims[k];
    }
    strides[0] = stride;
    strides[1] = 1;
    const tn__layout *last = tn__layout_strided(d, layout->dtype, shape, strides);
    return last && tn__layout_equal(last, layout);
}

static bool is_point(const conv_kernel *c, tn__dnnl *d, const tn__pd_spec *spec)
{
    const tn__shape *w = &c->l.w_plain->shape;
    if (c->l.type != TN_BF16 || c->l.want_b || w->rank != c->l.x->shape.rank ||
        c->l.x->dtype != TN_BF16 || c->l.y->dtype != TN_BF16)
        return false;
    for (int k = 2; k < w->rank; k++)
        if (w->dims[k] != 1 || spec->strides[k - 2] != 1 || spec->pad_l[k - 2] ||
            spec->pad_r[k - 2])
            return false;
    return is_channels_last(d, c->l.x) && is_channels_last(d, c->l.y);
}

/* Gradients as products; false where some primitive is missing. */
static bool describe_product(conv_kernel *c, tn__dnnl *d)
{
    int64_t in = c->l.x->shape.dims[1], out = c->l.y->shape.dims[1],
            m = c->l.x->shape.dims[0];
    for (int k = 2; k < c->l.x->shape.rank; k++)
        m *= c->l.x->shape.dims[k];
    tn__shape weights = {.rank = 2, .dims = {out, in}};
    c->x_rows = tn__layout_matrix(d, TN_BF16, m, in, false);
    c->dy_rows = tn__layout_matrix(d, TN_BF16, m, out, false);
    c->dy_turned = tn__layout_matrix(d, TN_BF16, out, m, true);
    c->w_rows = tn__layout_matrix(d, TN_F32, out, in, false);
    tn__pd_spec dw = {.kind = TN__MATMUL,
                      .src = c->dy_turned,
                      .weights = c->x_rows,
                      .dst = c->w_rows};
    tn__pd_spec dx = {.kind = TN__MATMUL,
                      .src = c->dy_rows,
                      .weights = tn__layout_any(d, TN_BF16, &weights),
                      .dst = c->x_rows};
    if (c->l.want_w && !(c->l.weights = tn__pd_create(d, &dw)))
        return false;
    if (c->l.want_x && !(c->l.data = tn__pd_create(d, &dx)))
        return false;
    if (c->l.data)
        c->l.w_data = tn__pd_layout(d, c->l.data, dnnl_query_weights_md);
    return true;
}

/* False where some primitive is missing. */
static bool describe_backward(conv_kernel *c, tn__dnnl *d, tn__pd_spec *spec)
{
    tn__layer_kernel *l = &c->l;
    if (!tn__layer_backward(l, d, spec))
        return false;
    c->point = is_point(c, d, spec);
    if (c->point)
        return describe_product(c, d);
    if (l->want_x && !tn__layer_data(l, d, spec, TN__CONV_BACKWARD_DATA))
        return false;
    if (!l->want_w && !l->want_b)
        return true;
    if (!tn__layer_weights(l, d, spec, TN__CONV_BACKWARD_WEIGHTS))
        return false;
    if (l->want_w && tn__pd_falls_back(l->weights))
        describe_depthwise(c, d, spec);
    return true;
}

static bool describe(tn__layer_kernel *l, const tn__kernel_request *request)
{
    const tn__site *site = request->site;
    const tn__shape *w = site->in[W];
    tn__shape weights = weight_shape(w, tn__node_int(site->node, "group", 1));
    if (weights.rank > TN__MAX_RANK)
        return false;
    tn__pd_spec spec = tn__layer_spec(l, request, TN__CONV_FORWARD, &weights, NULL);
    return tn__dnnl_window(&spec, site, w->dims + 2) &&
           tn__layer_forward(l, request, &spec) &&
           (!request->training ||
            describe_backward((conv_kernel *)l, request->dnnl, &spec));
}

static tn_status create(tn__kernel **out, const tn__kernel_request *request,
                        tn_error *err)
{
    static const tn__layer_class class = {
        .size = sizeof(conv_kernel), .describe = describe, .build = build};
    const tn__site *site = request->site;
    bool bias = site->input_count > B && site->in[B];
    if (!tn__layer_suits(request) || (bias && request->in[B]))
        return TN_OK;
    tn_status status = tn__layer_create(out, request, &class, err);
    if (*out && ((conv_kernel *)*out)->depthwise)
        (*out)->backward = depthwise_backward;
    return status;
}

const tn__kernel_class tn__conv_dnnl = {
    .name = "conv:onednn",
    .fuses = TN__FUSE_RELU | TN__FUSE_SUM | TN__FUSE_NORM | TN__FUSE_CURVE,
    .bf16 = TN__BF16_TAKES,
    .create = create,
};
