/* conv_dnnl.c - Conv of one to three spatial axes on oneDNN, grouped too.
 *
 * Weights and bias must be parameters. What is like Gemm is in onednn_layer.c; what
 * oneDNN has no bf16 primitive for is done in f32.
 *
 * In bf16 two kinds are products of matrices instead, where values have their channels
 * last: y [M, O] = x [M, K] w^T, dw [O, K] = dy^T x and dx = dy w, with a row for each
 * position of each image. For windows of 1x1 the rows of x are the values themselves,
 * and the gradients are such products. On small maps the rows of x are the windows
 * (conv_columns.c), and forward is a product too: oneDNN's convolutions in bf16 take
 * several times as long there.
 * Where oneDNN falls back to general code for the weights of a depthwise convolution,
 * conv_depthwise.c computes their gradient and the bias'.
 */
#include "ops/conv/conv.h"
#include "ops/conv/conv_columns.h"
#include "ops/onednn_layer.h"

enum { X = TN__LAYER_X, W = TN__LAYER_W, B = TN__LAYER_B };

/* Positions of the largest map that is small. */
#define SMALL_MAP 16

typedef struct conv_kernel {
    tn__layer_kernel l;
    bool product;                /* gradients are products, of these: */
    const tn__columns *columns;  /* NULL: x is its own */
    const tn__layout *x_rows;    /* [M, K] */
    const tn__layout *dx_rows;   /* [M, K], f32 where they are to be summed */
    const tn__layout *dy_rows;   /* [M, O] */
    const tn__layout *dy_turned; /* [O, M]: the same bytes */
    const tn__layout *w_rows;    /* [O, K] */
    bool depthwise; /* gradients of the parameters are computed by hand, of these: */
    tn__depthwise deep;
    const float *dy_at;
    float *sums;
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

/* The rows of x in scratch, or x itself. */
static void *rows_of(const conv_kernel *c, tn__program *p, const tn__kernel_memory *m)
{
    if (!c->columns)
        return m->in[X];
    void *rows = tn__program_reserve(p, c->x_rows->bytes);
    tn__program_work(p, tn__columns_take, rows, m->in[X], c->columns);
    return rows;
}

static void build_product(conv_kernel *c, const tn__kernel_memory *m)
{
    tn__layer_kernel *l = &c->l;
    tn__program *p = &l->k.backward;
    if (l->weights) {
        void *x = rows_of(c, p, m);
        tn__call *call = tn__program_add(p, l->weights);
        tn__program_arg(p, call, DNNL_ARG_SRC, c->dy_turned, m->dout[0]);
        tn__program_arg(p, call, DNNL_ARG_WEIGHTS, c->x_rows, x);
        tn__program_arg(p, call, DNNL_ARG_DST, c->w_rows, m->din[W]);
    }
    if (l->want_b)
        tn__program_sum_rows(p, c->dy_rows, m->dout[0], m->din[B]);
    if (l->data) {
        void *dx = m->din[X];
        if (c->columns)
            dx = tn__program_reserve(p, c->dx_rows->bytes);
        tn__call *call = tn__program_add(p, l->data);
        tn__program_arg(p, call, DNNL_ARG_SRC, c->dy_rows, m->dout[0]);
        tn__program_arg(p, call, DNNL_ARG_WEIGHTS, l->w_data, l->w_data_copy);
        tn__program_arg(p, call, DNNL_ARG_DST, c->dx_rows, dx);
        if (c->columns)
            tn__program_work(p, tn__columns_give, m->din[X], dx, c->columns);
    }
}

static void depthwise_weights(void *dw, const void *x, const void *with)
{
    const conv_kernel *c = with;
    tn__depthwise_weights(dw, x, c->dy_at, &c->deep, c->total, c->sums);
}

static void depthwise_bias(void *db, const void *dy, const void *with)
{
    const conv_kernel *c = with;
    tn__depthwise_bias(db, dy, &c->deep);
}

/* Its operands in blocks. */
static void build_depthwise(conv_kernel *c, const tn__kernel_memory *m)
{
    tn__layer_kernel *l = &c->l;
    tn__program *p = &l->k.backward;
    void *x = tn__program_read(p, l->x, m->in[X], l->x_weights);
    c->dy_at = tn__program_read(p, l->y, m->dout[0], l->dy_weights);
    tn__program_work(p, depthwise_weights, m->din[W], x, c);
    if (l->want_b)
        tn__program_work(p, depthwise_bias, m->din[B], c->dy_at, c);
}

static void build(tn__program_kernel *kernel, const tn__kernel_memory *m)
{
    conv_kernel *c = (conv_kernel *)kernel;
    tn__layer_kernel *l = &c->l;
    tn__layer_build_refresh(l, m, c->product ? c->w_rows : l->w_plain);
    tn__layer_build_forward(
        l, m, c->columns ? rows_of(c, &kernel->forward, m) : tn__layer_read(l, m));
    if (c->product) {
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
    tn__layer_kernel *l = &c->l;
    const tn__shape *w = &l->w_plain->shape, *x = &l->x->shape, *y = &l->y->shape;
    if (w->rank != 5 || w->dims[1] != 1 || w->dims[2] != 1 ||
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
    l->x_weights = tn__layout_blocks(d, x);
    l->dy_weights = tn__layout_blocks(d, y);
    c->total = tn__dnnl_alloc(d, cells, sizeof *c->total);
    c->sums = tn__dnnl_alloc(d, cells, sizeof *c->sums);
}

/* bf16 [N, ..., C] of that shape; NULL where there is no memory. */
static const tn__layout *channels_last(tn__dnnl *d, const tn__shape *shape)
{
    int64_t strides[TN__MAX_RANK], stride = shape->dims[1];
    for (int k = shape->rank - 1; k > 1; k--) {
        strides[k] = stride;
        stride *= shape->dims[k];
    }
    strides[0] = stride;
    strides[1] = 1;
    return tn__layout_strided(d, TN_BF16, shape, strides);
}

static bool is_channels_last(tn__dnnl *d, const tn__layout *layout)
{
    const tn__layout *last = channels_last(d, &layout->shape);
    return last && tn__layout_equal(last, layout);
}

/* Windows of 1x1, each with a position of its own. */
static bool is_point(const tn__window *w)
{
    for (int k = 0; k < w->rank; k++)
        if (w->kernel[k] != 1 || w->out[k] != w->in[k] || w->begin[k])
            return false;
    return true;
}

/* What the products are made of: M rows for `positions` of the maps. */
static void describe_rows(conv_kernel *c, const tn__kernel_request *request,
                          size_t positions, size_t taps)
{
    const tn__shape *w = request->site->in[W];
    tn__dnnl *d = request->dnnl;
    int64_t m = request->site->in[X]->dims[0] * (int64_t)positions;
    int64_t out = w->dims[0], k = w->dims[1] * (int64_t)taps;
    c->x_rows = tn__layout_matrix(d, TN_BF16, m, k, false);
    c->dx_rows = tn__layout_matrix(d, c->columns ? TN_F32 : TN_BF16, m, k, false);
    c->dy_rows = tn__layout_matrix(d, TN_BF16, m, out, false);
    c->dy_turned = tn__layout_matrix(d, TN_BF16, out, m, true);
    c->w_rows = tn__layout_matrix(d, TN_F32, out, k, false);
}

/* Gradients as products; false where some primitive is missing. */
static bool describe_product(conv_kernel *c, tn__dnnl *d)
{
    tn__layer_kernel *l = &c->l;
    if (!c->w_rows) /* no memory */
        return false;
    c->product = true;
    tn__pd_spec dw = {.kind = TN__MATMUL,
                      .src = c->dy_turned,
                      .weights = c->x_rows,
                      .dst = c->w_rows};
    tn__pd_spec dx = {.kind = TN__MATMUL,
                      .src = c->dy_rows,
                      .weights = tn__layout_any(d, TN_BF16, &c->w_rows->shape),
                      .dst = c->dx_rows};
    if (l->want_w && !(l->weights = tn__pd_create(d, &dw)))
        return false;
    if (l->want_x && !(l->data = tn__pd_create(d, &dx)))
        return false;
    if (l->data)
        l->w_data = tn__pd_layout(d, l->data, dnnl_query_weights_md);
    return true;
}

/* Small maps as products, forward too; false where this is no such convolution. Takes
 * the spec of the forward primitive. */
static bool describe_columns(conv_kernel *c, const tn__kernel_request *request,
                             const tn__window *window, const tn__pd_spec *spec)
{
    const tn__site *site = request->site;
    tn__layer_kernel *l = &c->l;
    tn__dnnl *d = request->dnnl;
    size_t positions = tn__window_outputs(window), taps = tn__window_taps(window);
    const tn__layout *y = channels_last(d, &site->out[0]);
    if (l->type != TN_BF16 || !request->bf16_out || positions > SMALL_MAP ||
        site->in[W]->dims[1] != site->in[X]->dims[1] || is_point(window) ||
        !is_channels_last(d, request->in[X]) || !y ||
        (request->sum && !tn__layout_equal(request->sum, y)))
        return false;
    c->columns = tn__columns_make(d, window, (size_t)site->in[X]->dims[0],
                                  (size_t)site->in[X]->dims[1]);
    describe_rows(c, request, positions, taps);
    if (!c->columns || !c->w_rows)
        return false;
    int64_t out = c->w_rows->shape.dims[0], k = c->w_rows->shape.dims[1];
    tn__shape weights = {.rank = 2, .dims = {k, out}};
    tn__pd_spec product = *spec;
    product.kind = TN__MATMUL;
    product.src = c->x_rows;
    product.weights = tn__layout_any(d, TN_BF16, &weights);
    product.dst = c->dy_rows;
    l->w_plain = tn__layout_matrix(d, TN_F32, k, out, true);
    l->b_plain = tn__layout_matrix(d, TN_F32, 1, out, false);
    product.bias = l->has_bias ? l->b_plain : NULL;
    if (!tn__layer_forward(l, request, &product))
        return false;
    l->y = y;
    return true;
}

/* False where some primitive is missing. */
static bool describe_backward(conv_kernel *c, const tn__kernel_request *request,
                              const tn__window *window, tn__pd_spec *spec)
{
    tn__layer_kernel *l = &c->l;
    tn__dnnl *d = request->dnnl;
    if (!tn__layer_backward(l, d, spec))
        return false;
    if (!c->columns && l->type == TN_BF16 && is_point(window) &&
        request->site->in[W]->dims[1] == l->x->shape.dims[1] &&
        is_channels_last(d, l->x) && is_channels_last(d, l->y))
        describe_rows(c, request, tn__window_inputs(window), 1);
    if (c->x_rows)
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
    conv_kernel *c = (conv_kernel *)l;
    tn__shape weights = weight_shape(w, tn__node_int(site->node, "group", 1));
    tn__window window;
    tn_error ignored = {0};
    if (weights.rank > TN__MAX_RANK ||
        tn__window_read(&window, site, w->dims + 2, &ignored))
        return false;
    tn__pd_spec spec = tn__layer_spec(l, request, TN__CONV_FORWARD, &weights, NULL);
    const conv_kernel before = *c;
    if (!describe_columns(c, request, &window, &spec)) {
        *c = before;
        if (!tn__dnnl_window(&spec, site, w->dims + 2) ||
            !tn__layer_forward(l, request, &spec))
            return false;
    }
    return !request->training || describe_backward(c, request, &window, &spec);
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
    return tn__layer_create(out, request, &class, err);
}

const tn__kernel_class tn__conv_dnnl = {
    .name = "conv:onednn",
    .fuses = TN__FUSE_RELU | TN__FUSE_SUM | TN__FUSE_NORM | TN__FUSE_CURVE,
    .bf16 = TN__BF16_TAKES,
    .create = create,
};
