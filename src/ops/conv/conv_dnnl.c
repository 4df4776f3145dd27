/* conv_dnnl.c - Conv of one to three spatial axes on oneDNN, grouped too.
 *
 * Weights and bias must be parameters. Every primitive chooses its own layouts; values
 * are reordered where the choices differ, which for the blocked layouts of AVX2 and
 * AVX512 they do not. After ReLU fused in training, the gradient first passes the ReLU,
 * in place, by the sign of the output.
 *
 * In bf16 weights are rounded when they are taken over, sums are in f32, and so are the
 * gradients of the parameters. What oneDNN has no bf16 primitive for is done in f32.
 *
 * A 1x1 convolution over values whose channels are last is a product of matrices, and
 * its gradients are computed as such: dw [O, C] = dy^T x and dx = dy w with x [M, C],
 * dy [M, O]. On small maps oneDNN's convolutions in bf16 take several times as long.
 * Where oneDNN falls back to general code for the weights of a depthwise convolution,
 * conv_depthwise.c computes their gradient.
 */
#include "ops/conv/conv.h"
#include "ops/onednn.h"

enum { X, W, B };

typedef struct conv_kernel {
    tn__program_kernel k;
    bool want_x, want_w, want_b, has_bias, relu, folded;
    tn_dtype type;           /* computed in */
    const tn__layout *x, *y; /* as the neighbours have them */
    const tn__layout *w_plain, *b_plain;
    dnnl_primitive_desc_t forward, data, weights, relu_back;
    const tn__layout *w_forward, *w_data, *w_made;
    const tn__layout *x_forward, *x_weights, *dx_data, *dy_data, *dy_weights;
    void *w_forward_copy, *w_data_copy, *b_copy;
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

static void build_refresh(conv_kernel *c, const tn__kernel_memory *m)
{
    tn__program *p = &c->k.refresh;
    bool copy = c->folded || !tn__layout_equal(c->w_plain, c->w_forward);
    if (!p->dry && copy)
        c->w_forward_copy = tn__dnnl_alloc(p->d, c->w_forward->bytes, 1);
    if (copy)
        tn__program_move(p, c->w_plain, m->in[W], c->w_forward, c->w_forward_copy);
    else
        c->w_forward_copy = m->in[W];
    c->b_copy = c->has_bias ? m->in[B] : NULL;
    if (c->folded) {
        if (!p->dry)
            c->b_copy = tn__dnnl_alloc(p->d, c->b_plain->bytes, 1);
        tn__program_move(p, c->b_plain, m->in[B], c->b_plain, c->b_copy);
    }
    if (!c->data)
        return;
    const tn__layout *plain = c->point ? c->w_rows : c->w_plain;
    if (tn__layout_equal(c->w_data, c->w_forward)) {
        c->w_data_copy = c->w_forward_copy;
    } else if (tn__layout_equal(plain, c->w_data)) {
        c->w_data_copy = m->in[W];
    } else {
        if (!p->dry)
            c->w_data_copy = tn__dnnl_alloc(p->d, c->w_data->bytes, 1);
        tn__program_move(p, plain, m->in[W], c->w_data, c->w_data_copy);
    }
}

static void build_forward(conv_kernel *c, const tn__kernel_memory *m)
{
    tn__program *p = &c->k.forward;
    void *x = tn__program_read(p, c->x, m->in[X], c->x_forward);
    tn__call *call = tn__program_add(p, c->forward);
    tn__program_arg(p, call, DNNL_ARG_SRC, c->x_forward, x);
    tn__program_arg(p, call, DNNL_ARG_WEIGHTS, c->w_forward, c->w_forward_copy);
    if (c->has_bias)
        tn__program_arg(p, call, DNNL_ARG_BIAS, c->b_plain, c->b_copy);
    tn__program_arg(p, call, DNNL_ARG_DST, c->y, m->out[0]);
}

static void build_product(conv_kernel *c, const tn__kernel_memory *m)
{
    tn__program *p = &c->k.backward;
    if (c->weights) {
        tn__call *call = tn__program_add(p, c->weights);
        tn__program_arg(p, call, DNNL_ARG_SRC, c->dy_turned, m->dout[0]);
        tn__program_arg(p, call, DNNL_ARG_WEIGHTS, c->x_rows, m->in[X]);
        tn__program_arg(p, call, DNNL_ARG_DST, c->w_rows, m->din[W]);
    }
    if (c->data) {
        tn__call *call = tn__program_add(p, c->data);
        tn__program_arg(p, call, DNNL_ARG_SRC, c->dy_rows, m->dout[0]);
        tn__program_arg(p, call, DNNL_ARG_WEIGHTS, c->w_data, c->w_data_copy);
        tn__program_arg(p, call, DNNL_ARG_DST, c->x_rows, m->din[X]);
    }
}

/* Its operands, in blocks. */
static void build_depthwise(conv_kernel *c, const tn__kernel_memory *m)
{
    tn__program *p = &c->k.backward;
    c->x_at = tn__program_read(p, c->x, m->in[X], c->x_weights);
    c->dy_at = tn__program_read(p, c->y, m->dout[0], c->dy_weights);
    c->dw_at = m->din[W];
}

static tn_status depthwise_backward(tn__kernel *kernel, tn_error *err)
{
    conv_kernel *c = (conv_kernel *)kernel;
    tn_status status = tn__program_run(&c->k.backward, err);
    if (!status)
        tn__depthwise_weights(c->dw_at, c->x_at, c->dy_at, &c->deep, c->total, c->sums);
    return status;
}

static void build_weights(conv_kernel *c, const tn__kernel_memory *m)
{
    tn__program *p = &c->k.backward;
    void *x = tn__program_read(p, c->x, m->in[X], c->x_weights);
    void *dy = tn__program_read(p, c->y, m->dout[0], c->dy_weights);
    void *dw = tn__program_place(p, c->w_made, c->w_plain, m->din[W]);
    /* The primitive makes both gradients; one that nobody wants goes to scratch. */
    void *db = m->din[B];
    if (c->has_bias && !c->want_b)
        db = tn__program_reserve(p, c->b_plain->bytes);
    if (!c->want_w && tn__layout_equal(c->w_made, c->w_plain))
        dw = tn__program_reserve(p, c->w_made->bytes);
    tn__call *call = tn__program_add(p, c->weights);
    tn__program_arg(p, call, DNNL_ARG_SRC, c->x_weights, x);
    tn__program_arg(p, call, DNNL_ARG_DIFF_DST, c->dy_weights, dy);
    tn__program_arg(p, call, DNNL_ARG_DIFF_WEIGHTS, c->w_made, dw);
    if (c->has_bias)
        tn__program_arg(p, call, DNNL_ARG_DIFF_BIAS, c->b_plain, db);
    if (c->want_w)
        tn__program_wrote(p, c->w_made, dw, c->w_plain, m->din[W]);
}

static void build_data(conv_kernel *c, const tn__kernel_memory *m)
{
    tn__program *p = &c->k.backward;
    void *dy = tn__program_read(p, c->y, m->dout[0], c->dy_data);
    void *dx = tn__program_place(p, c->dx_data, c->x, m->din[X]);
    tn__call *call = tn__program_add(p, c->data);
    tn__program_arg(p, call, DNNL_ARG_DIFF_DST, c->dy_data, dy);
    tn__program_arg(p, call, DNNL_ARG_WEIGHTS, c->w_data, c->w_data_copy);
    tn__program_arg(p, call, DNNL_ARG_DIFF_SRC, c->dx_data, dx);
    tn__program_wrote(p, c->dx_data, dx, c->x, m->din[X]);
}

static void build(tn__program_kernel *kernel, const tn__kernel_memory *m)
{
    conv_kernel *c = (conv_kernel *)kernel;
    build_refresh(c, m);
    build_forward(c, m);
    if (c->relu_back)
        tn__program_relu_back(&kernel->backward, c->relu_back, c->y, m->dout[0],
                              m->dout[0], m->out[0]);
    if (c->point) {
        build_product(c, m);
        return;
    }
    if (c->depthwise)
        build_depthwise(c, m);
    else if (c->weights)
        build_weights(c, m);
    if (c->data)
        build_data(c, m);
}

/* One filter for each channel, in whole blocks of them. */
static void describe_depthwise(conv_kernel *c, tn__dnnl *d, const tn__pd_spec *spec)
{
    const tn__shape *w = &c->w_plain->shape, *x = &c->x->shape, *y = &c->y->shape;
    if (c->want_b || w->rank != 5 || w->dims[1] != 1 || w->dims[2] != 1 ||
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
    c->x_weights = tn__layout_blocks(d, x);
    c->dy_weights = tn__layout_blocks(d, y);
    c->total = tn__dnnl_alloc(d, cells, sizeof *c->total);
    c->sums = tn__dnnl_alloc(d, cells, sizeof *c->sums);
}

static const tn__layout *rows(tn__dnnl *d, tn_dtype type, int64_t m, int64_t n,
                              bool turned)
{
    tn__shape shape = {.rank = 2, .dims = {m, n}};
    int64_t strides[2] = {turned ? 1 : n, turned ? m : 1};
    return tn__layout_strided(d, type, &shape, strides);
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
    const tn__shape *w = &c->w_plain->shape;
    if (c->type != TN_BF16 || c->want_b || w->rank != c->x->shape.rank ||
        c->x->dtype != TN_BF16 || c->y->dtype != TN_BF16)
        return false;
    for (int k = 2; k < w->rank; k++)
        if (w->dims[k] != 1 || spec->strides[k - 2] != 1 || spec->pad_l[k - 2] ||
            spec->pad_r[k - 2])
            return false;
    return is_channels_last(d, c->x) && is_channels_last(d, c->y);
}

/* Gradients as products; false where some primitive is missing. */
static bool describe_product(conv_kernel *c, tn__dnnl *d)
{
    int64_t in = c->x->shape.dims[1], out = c->y->shape.dims[1],
            m = c->x->shape.dims[0];
    for (int k = 2; k < c->x->shape.rank; k++)
        m *= c->x->shape.dims[k];
    tn__shape weights = {.rank = 2, .dims = {out, in}};
    c->x_rows = rows(d, TN_BF16, m, in, false);
    c->dy_rows = rows(d, TN_BF16, m, out, false);
    c->dy_turned = rows(d, TN_BF16, out, m, true);
    c->w_rows = rows(d, TN_F32, out, in, false);
    tn__pd_spec dw = {.kind = TN__MATMUL,
                      .src = c->dy_turned,
                      .weights = c->x_rows,
                      .dst = c->w_rows};
    tn__pd_spec dx = {.kind = TN__MATMUL,
                      .src = c->dy_rows,
                      .weights = tn__layout_any(d, TN_BF16, &weights),
                      .dst = c->x_rows};
    if (c->want_w && !(c->weights = tn__pd_create(d, &dw)))
        return false;
    if (c->want_x && !(c->data = tn__pd_create(d, &dx)))
        return false;
    if (c->data)
        c->w_data = tn__pd_layout(d, c->data, dnnl_query_weights_md);
    return true;
}

/* False where some primitive is missing. */
static bool describe_backward(conv_kernel *c, tn__dnnl *d, tn__pd_spec *spec)
{
    if (!c->y || !c->w_plain) /* no memory */
        return false;
    spec->hint = c->forward;
    spec->fused = 0;
    spec->dst = tn__layout_any(d, c->type, &c->y->shape);
    if (c->relu && !(c->relu_back = tn__pd_relu_back(d, c->y)))
        return false;
    c->point = is_point(c, d, spec);
    if (c->point)
        return describe_product(c, d);
    if (c->want_x) {
        const tn__layout *bias = spec->bias;
        spec->kind = TN__CONV_BACKWARD_DATA;
        spec->bias = NULL;
        if (!(c->data = tn__pd_create(d, spec)))
            return false;
        c->dx_data = tn__pd_layout(d, c->data, dnnl_query_diff_src_md);
        c->w_data = tn__pd_layout(d, c->data, dnnl_query_weights_md);
        c->dy_data = tn__pd_layout(d, c->data, dnnl_query_diff_dst_md);
        spec->bias = bias;
    }
    if (c->want_w || c->want_b) {
        spec->kind = TN__CONV_BACKWARD_WEIGHTS;
        spec->weights = tn__layout_any(d, TN_F32, &c->w_plain->shape);
        if (!(c->weights = tn__pd_create(d, spec)))
            return false;
        c->x_weights = tn__pd_layout(d, c->weights, dnnl_query_src_md);
        c->w_made = tn__pd_layout(d, c->weights, dnnl_query_diff_weights_md);
        c->dy_weights = tn__pd_layout(d, c->weights, dnnl_query_diff_dst_md);
        if (c->want_w && tn__pd_falls_back(c->weights))
            describe_depthwise(c, d, spec);
    }
    return true;
}

static bool describe(conv_kernel *c, const tn__kernel_request *request, tn_dtype type)
{
    const tn__site *site = request->site;
    tn__dnnl *d = request->dnnl;
    const tn__shape *x = site->in[X], *w = site->in[W];
    tn__shape weights = weight_shape(w, tn__node_int(site->node, "group", 1));
    tn__shape bias = {.rank = 1, .dims = {w->dims[0]}};
    tn_dtype out = request->bf16_out ? type : TN_F32;
    if (weights.rank > TN__MAX_RANK)
        return false;
    c->type = type;
    c->w_plain = tn__layout_plain(d, TN_F32, &weights);
    c->b_plain = tn__layout_plain(d, TN_F32, &bias);
    tn__pd_spec spec = {
        .kind = TN__CONV_FORWARD,
        .training = request->training,
        .src = tn__layout_any(d, type, x),
        .weights = tn__layout_any(d, type, &weights),
        .bias = c->has_bias ? c->b_plain : NULL,
        .dst = request->sum ? request->sum : tn__layout_any(d, out, &site->out[0]),
        .fused = request->fused & (TN__FUSE_RELU | TN__FUSE_SUM | TN__FUSE_CURVE),
        .curve = request->curve};
    if (!tn__dnnl_window(&spec, site, w->dims + 2) ||
        !(c->forward = tn__pd_create(d, &spec)))
        return false;
    c->x = request->in[X];
    c->x_forward = tn__pd_layout(d, c->forward, dnnl_query_src_md);
    c->w_forward = tn__pd_layout(d, c->forward, dnnl_query_weights_md);
    c->y = tn__pd_layout(d, c->forward, dnnl_query_dst_md);
    return !request->training || describe_backward(c, d, &spec);
}

static bool suits(const tn__kernel_request *request)
{
    const tn__site *site = request->site;
    bool bias = site->input_count > B && site->in[B];
    return request->in[X] && request->in[X]->md && !request->in[W] &&
           site->in_dtype[W] == TN_F32 && !(bias && request->in[B]);
}

static tn_status create(tn__kernel **out, const tn__kernel_request *request,
                        tn_error *err)
{
    const tn__site *site = request->site;
    if (!suits(request))
        return TN_OK;
    conv_kernel *c = tn__dnnl_alloc(request->dnnl, 1, sizeof *c);
    if (!c)
        return tn__dnnl_check(request->dnnl, err);
    c->folded = (request->fused & TN__FUSE_NORM) != 0;
    c->has_bias = c->folded || (site->input_count > B && site->in[B]);
    c->want_x = request->wanted[X];
    c->want_w = request->wanted[W];
    c->want_b = site->input_count > B && request->wanted[B];
    c->relu = (request->fused & TN__FUSE_RELU) != 0;
    const conv_kernel blank = *c;
    if (!request->bf16 || !describe(c, request, TN_BF16)) {
        *c = blank;
        if (!describe(c, request, TN_F32))
            return tn__dnnl_check(request->dnnl, err);
    }
    c->k.out = c->y;
    c->k.build = build;
    c->k.base.keeps_in = c->weights != NULL;
    c->k.base.keeps_out = c->k.base.clobbers = c->relu_back != NULL;
    tn_status status = tn__program_kernel_finish(out, &c->k, request->dnnl, err);
    if (c->depthwise)
        c->k.base.backward = depthwise_backward;
    return status;
}

const tn__kernel_class tn__conv_dnnl = {
    .name = "conv:onednn",
    .fuses = TN__FUSE_RELU | TN__FUSE_SUM | TN__FUSE_NORM | TN__FUSE_CURVE,
    .bf16 = TN__BF16_TAKES,
    .create = create,
};
