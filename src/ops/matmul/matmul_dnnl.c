/* matmul_dnnl.c - MatMul with a parameter [K, N] on the right: oneDNN's matmul, with
 * bias, addition in place and function behind it. Products of two activations are
 * matmul_batched.c's, all else is left to matmul_plain.c.
 *
 * The axes of x but the last are rows: y [M, N] = x [M, K] w + b. Backward are two more
 * products, dx = dy w^T and dw = x^T dy, and db, the sum of the rows of dy in double.
 * In bf16 weights are rounded when they are taken over and x where it comes in f32;
 * gradients of parameters are f32.
 */
#include "ops/matmul/matmul.h"
#include "ops/onednn.h"

enum { X, W, B };

typedef struct linear_kernel {
    tn__program_kernel k;
    bool want_x, want_w, want_b, has_bias;
    int64_t rows, in, out;
    const tn__layout *x, *y;              /* as the neighbours have them */
    const tn__layout *x_plain, *y_plain;  /* of those shapes, in the type computed in */
    const tn__layout *x_rows, *y_rows;    /* [M, K], [M, N]: the same bytes */
    const tn__layout *made_rows;          /* y [M, N] in the type it leaves in */
    const tn__layout *dx_plain, *dx_rows; /* of x's type */
    const tn__layout *x_turned;           /* [K, M] */
    const tn__layout *w_plain, *w_turned; /* [K, N], [N, K]: the same bytes */
    const tn__layout *b_plain;            /* [1, N] */
    const tn__layout *w_forward, *w_data;
    dnnl_primitive_desc_t forward, data, weights;
    void *w_forward_copy, *w_data_copy;
} linear_kernel;

static void build_refresh(linear_kernel *c, const tn__kernel_memory *m)
{
    tn__program *p = &c->k.refresh;
    if (!p->dry) {
        c->w_forward_copy = tn__dnnl_alloc(p->d, c->w_forward->bytes, 1);
        if (c->data)
            c->w_data_copy = tn__dnnl_alloc(p->d, c->w_data->bytes, 1);
    }
    tn__program_move(p, c->w_plain, m->in[W], c->w_forward, c->w_forward_copy);
    if (c->data)
        tn__program_move(p, c->w_turned, m->in[W], c->w_data, c->w_data_copy);
}

static void build_forward(linear_kernel *c, const tn__kernel_memory *m)
{
    tn__program *p = &c->k.forward;
    void *x = tn__program_read(p, c->x, m->in[X], c->x_plain);
    tn__call *call = tn__program_add(p, c->forward);
    tn__program_arg(p, call, DNNL_ARG_SRC, c->x_rows, x);
    tn__program_arg(p, call, DNNL_ARG_WEIGHTS, c->w_forward, c->w_forward_copy);
    if (c->has_bias)
        tn__program_arg(p, call, DNNL_ARG_BIAS, c->b_plain, m->in[B]);
    tn__program_arg(p, call, DNNL_ARG_DST, c->made_rows, m->out[0]);
}

static void build_backward(linear_kernel *c, const tn__kernel_memory *m)
{
    tn__program *p = &c->k.backward;
    void *dy = tn__program_read(p, c->y, m->dout[0], c->y_plain);
    if (c->weights) {
        void *x = tn__program_read(p, c->x, m->in[X], c->x_plain);
        tn__call *call = tn__program_add(p, c->weights);
        tn__program_arg(p, call, DNNL_ARG_SRC, c->x_turned, x);
        tn__program_arg(p, call, DNNL_ARG_WEIGHTS, c->y_rows, dy);
        tn__program_arg(p, call, DNNL_ARG_DST, c->w_plain, m->din[W]);
    }
    if (c->data) {
        void *dx = tn__program_place(p, c->dx_plain, c->x, m->din[X]);
        tn__call *call = tn__program_add(p, c->data);
        tn__program_arg(p, call, DNNL_ARG_SRC, c->y_rows, dy);
        tn__program_arg(p, call, DNNL_ARG_WEIGHTS, c->w_data, c->w_data_copy);
        tn__program_arg(p, call, DNNL_ARG_DST, c->dx_rows, dx);
        tn__program_wrote(p, c->dx_plain, dx, c->x, m->din[X]);
    }
    if (c->want_b)
        tn__program_sum_rows(p, c->made_rows, m->dout[0], m->din[B]);
}

static void build(tn__program_kernel *kernel, const tn__kernel_memory *m)
{
    linear_kernel *c = (linear_kernel *)kernel;
    build_refresh(c, m);
    build_forward(c, m);
    if (!c->weights && !c->data && !c->want_b)
        return;
    build_backward(c, m);
}

/* False where some primitive is missing. */
static bool describe_backward(linear_kernel *c, tn__dnnl *d, tn_dtype type)
{
    tn__shape turned = {.rank = 2, .dims = {c->out, c->in}};
    if (c->want_x) {
        tn__pd_spec spec = {.kind = TN__MATMUL,
                            .src = c->y_rows,
                            .weights = tn__layout_any(d, type, &turned),
                            .dst = c->dx_rows};
        if (!(c->data = tn__pd_create(d, &spec)))
            return false;
        c->w_data = tn__pd_layout(d, c->data, dnnl_query_weights_md);
    }
    if (c->want_w) {
        tn__pd_spec spec = {.kind = TN__MATMUL,
                            .src = c->x_turned,
                            .weights = c->y_rows,
                            .dst = c->w_plain};
        if (!(c->weights = tn__pd_create(d, &spec)))
            return false;
    }
    return true;
}

static bool describe(linear_kernel *c, const tn__kernel_request *request, tn_dtype type)
{
    tn__dnnl *d = request->dnnl;
    const tn__site *site = request->site;
    tn_dtype made = request->bf16_out ? type : TN_F32;
    tn__shape weights = {.rank = 2, .dims = {c->in, c->out}};
    c->x = request->in[X];
    c->x_plain = tn__layout_rows(d, type, site->in[X]);
    c->y_plain = tn__layout_rows(d, type, &site->out[0]);
    c->x_rows = tn__layout_matrix(d, type, c->rows, c->in, false);
    c->y_rows = tn__layout_matrix(d, type, c->rows, c->out, false);
    c->x_turned = tn__layout_matrix(d, type, c->in, c->rows, true);
    c->dx_plain = tn__layout_rows(d, c->x->dtype, site->in[X]);
    c->dx_rows = tn__layout_matrix(d, c->x->dtype, c->rows, c->in, false);
    c->w_plain = tn__layout_matrix(d, TN_F32, c->in, c->out, false);
    c->w_turned = tn__layout_matrix(d, TN_F32, c->out, c->in, true);
    c->b_plain = tn__layout_matrix(d, TN_F32, 1, c->out, false);
    c->made_rows = tn__layout_matrix(d, made, c->rows, c->out, false);
    c->y = tn__layout_rows(d, made, &site->out[0]);
    if (!c->y || (request->sum && !tn__layout_equal(request->sum, c->y)))
        return false;
    tn__pd_spec spec = {.kind = TN__MATMUL,
                        .src = c->x_rows,
                        .weights = tn__layout_any(d, type, &weights),
                        .bias = c->has_bias ? c->b_plain : NULL,
                        .dst = c->made_rows,
                        .fused = request->fused &
                                 (TN__FUSE_RELU | TN__FUSE_SUM | TN__FUSE_CURVE),
                        .curve = request->curve};
    if (!(c->forward = tn__pd_create(d, &spec)))
        return false;
    c->w_forward = tn__pd_layout(d, c->forward, dnnl_query_weights_md);
    return describe_backward(c, d, type);
}

static bool suits(const tn__kernel_request *request)
{
    const tn__site *site = request->site;
    size_t count;
    return request->in[X] && request->in[X]->md && !request->in[W] &&
           site->in_dtype[W] == TN_F32 && site->in[W]->rank == 2 &&
           site->in[X]->rank >= 2 && tn__shape_count(&count, &site->out[0]) && count &&
           site->in[W]->dims[0] > 0;
}

static tn_status create(tn__kernel **out, const tn__kernel_request *request,
                        tn_error *err)
{
    if (!suits(request)) {
        tn_status status = tn__matmul_batched(out, request, err);
        return status || *out || request->fused ? status
                                                : tn__matmul_plain(out, request, err);
    }
    tn__dnnl *d = request->dnnl;
    linear_kernel *c = tn__dnnl_alloc(d, 1, sizeof *c);
    if (!c)
        return tn__dnnl_check(d, err);
    const tn__site *site = request->site;
    size_t count = 0;
    (void)tn__shape_count(&count, &site->out[0]);
    c->in = site->in[W]->dims[0];
    c->out = site->in[W]->dims[1];
    c->rows = (int64_t)count / c->out;
    c->has_bias = (request->fused & TN__FUSE_BIAS) != 0;
    c->want_x = request->wanted[X];
    c->want_w = request->wanted[W];
    c->want_b = c->has_bias && request->wanted[B];
    const linear_kernel blank = *c;
    if (!request->bf16 || !describe(c, request, TN_BF16)) {
        *c = blank;
        if (!describe(c, request, TN_F32))
            return tn__dnnl_check(d, err);
    }
    c->k.out = c->y;
    c->k.build = build;
    c->k.base.keeps_in = c->weights != NULL;
    return tn__program_kernel_finish(out, &c->k, d, err);
}

const tn__kernel_class tn__matmul_fast = {
    .name = "matmul:onednn",
    .fuses = TN__FUSE_BIAS | TN__FUSE_SUM | TN__FUSE_RELU | TN__FUSE_CURVE,
    .bf16 = TN__BF16_TAKES,
    .create = create,
};
