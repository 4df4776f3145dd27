/* onednn_layer.c - kernels of layers with weights: create, describe, build.
 *
 * Every primitive chooses its own layouts; values are reordered where the choices
 * differ, which for the blocked layouts of AVX2 and AVX512 they do not. Weights are
 * copied into the layout of the primitive when they change, or read in place.
 */
#include "ops/onednn_layer.h"

#include <string.h>

enum { X = TN__LAYER_X, W = TN__LAYER_W, B = TN__LAYER_B };

/* --- create --- */

bool tn__layer_suits(const tn__kernel_request *request)
{
    return request->in[X] && request->in[X]->md && !request->in[W] &&
           request->site->in_dtype[W] == TN_F32;
}

static bool describe(tn__layer_kernel *l, const tn__kernel_request *request,
                     const tn__layer_class *class, tn_dtype type)
{
    const tn__site *site = request->site;
    bool bias = site->input_count > B && site->in[B];
    memset(l, 0, class->size);
    l->type = type;
    l->folded = (request->fused & TN__FUSE_NORM) != 0;
    l->has_bias = l->folded || bias;
    l->want_x = request->wanted[X];
    l->want_w = request->wanted[W];
    l->want_b = bias && request->wanted[B];
    l->relu = (request->fused & TN__FUSE_RELU) != 0;
    return class->describe(l, request);
}

tn_status tn__layer_create(tn__kernel **out, const tn__kernel_request *request,
                           const tn__layer_class *class, tn_error *err)
{
    tn__layer_kernel *l = tn__dnnl_alloc(request->dnnl, 1, class->size);
    if (!l)
        return tn__dnnl_check(request->dnnl, err);
    if ((!request->bf16 || !describe(l, request, class, TN_BF16)) &&
        !describe(l, request, class, TN_F32))
        return tn__dnnl_check(request->dnnl, err);
    l->k.out = l->y;
    l->k.build = class->build;
    l->k.base.keeps_in = l->weights != NULL;
    l->k.base.keeps_out = l->k.base.clobbers = l->relu_back != NULL;
    return tn__program_kernel_finish(out, &l->k, request->dnnl, err);
}

/* --- describe --- */

tn__pd_spec tn__layer_spec(tn__layer_kernel *l, const tn__kernel_request *request,
                           tn__pd_kind kind, const tn__shape *shape,
                           const int64_t *strides)
{
    const tn__site *site = request->site;
    tn__dnnl *d = request->dnnl;
    tn_dtype out = request->bf16_out ? l->type : TN_F32;
    tn__shape bias = {.rank = 1, .dims = {site->out[0].dims[1]}};
    l->w_plain = strides ? tn__layout_strided(d, TN_F32, shape, strides)
                         : tn__layout_plain(d, TN_F32, shape);
    l->b_plain = tn__layout_plain(d, TN_F32, &bias);
    return (tn__pd_spec){
        .kind = kind,
        .training = request->training,
        .src = tn__layout_any(d, l->type, site->in[X]),
        .weights = tn__layout_any(d, l->type, shape),
        .bias = l->has_bias ? l->b_plain : NULL,
        .dst = request->sum ? request->sum : tn__layout_any(d, out, &site->out[0]),
        .fused = request->fused & (TN__FUSE_RELU | TN__FUSE_SUM | TN__FUSE_CURVE),
        .curve = request->curve};
}

bool tn__layer_forward(tn__layer_kernel *l, const tn__kernel_request *request,
                       const tn__pd_spec *spec)
{
    tn__dnnl *d = request->dnnl;
    if (!(l->forward = tn__pd_create(d, spec)))
        return false;
    l->x = request->in[X];
    l->x_forward = tn__pd_layout(d, l->forward, dnnl_query_src_md);
    l->w_forward = tn__pd_layout(d, l->forward, dnnl_query_weights_md);
    l->y = l->y_forward = tn__pd_layout(d, l->forward, dnnl_query_dst_md);
    return true;
}

bool tn__layer_backward(tn__layer_kernel *l, tn__dnnl *d, tn__pd_spec *spec)
{
    if (!l->y || !l->w_plain) /* no memory */
        return false;
    spec->hint = l->forward;
    spec->fused = 0;
    spec->dst = tn__layout_any(d, l->type, &l->y->shape);
    return !l->relu || (l->relu_back = tn__pd_relu_back(d, l->y));
}

bool tn__layer_data(tn__layer_kernel *l, tn__dnnl *d, const tn__pd_spec *spec,
                    tn__pd_kind kind)
{
    tn__pd_spec data = *spec;
    data.kind = kind;
    data.bias = NULL;
    if (!(l->data = tn__pd_create(d, &data)))
        return false;
    l->dx_data = tn__pd_layout(d, l->data, dnnl_query_diff_src_md);
    l->w_data = tn__pd_layout(d, l->data, dnnl_query_weights_md);
    l->dy_data = tn__pd_layout(d, l->data, dnnl_query_diff_dst_md);
    return true;
}

bool tn__layer_weights(tn__layer_kernel *l, tn__dnnl *d, const tn__pd_spec *spec,
                       tn__pd_kind kind)
{
    tn__pd_spec weights = *spec;
    weights.kind = kind;
    weights.weights = tn__layout_any(d, TN_F32, &l->w_plain->shape);
    if (!(l->weights = tn__pd_create(d, &weights)))
        return false;
    l->x_weights = tn__pd_layout(d, l->weights, dnnl_query_src_md);
    l->w_made = tn__pd_layout(d, l->weights, dnnl_query_diff_weights_md);
    l->dy_weights = tn__pd_layout(d, l->weights, dnnl_query_diff_dst_md);
    return true;
}

/* --- build --- */

/* The weights w, which lie as `have`, as `want`: themselves where they last, or a
 * copy. */
static void *taken(tn__layer_kernel *l, const tn__layout *have, void *w,
                   const tn__layout *want)
{
    tn__program *p = &l->k.refresh;
    if (!l->folded && tn__layout_equal(have, want))
        return w;
    void *copy = p->dry ? NULL : tn__dnnl_alloc(p->d, want->bytes, 1);
    tn__program_move(p, have, w, want, copy);
    return copy;
}

void tn__layer_build_refresh(tn__layer_kernel *l, const tn__kernel_memory *m,
                             const tn__layout *w_seen)
{
    l->w_forward_copy = taken(l, l->w_plain, m->in[W], l->w_forward);
    if (l->has_bias)
        l->b_copy = taken(l, l->b_plain, m->in[B], l->b_plain);
    if (!l->data)
        return;
    /* [O, K] and [K, O] can have one layout, where O = K, but not one content. */
    bool shared = tn__layout_equal(w_seen, l->w_plain) &&
                  tn__layout_equal(l->w_data, l->w_forward);
    l->w_data_copy = shared ? l->w_forward_copy : taken(l, w_seen, m->in[W], l->w_data);
}

void *tn__layer_read(tn__layer_kernel *l, const tn__kernel_memory *m)
{
    return tn__program_read(&l->k.forward, l->x, m->in[X], l->x_forward);
}

void tn__layer_build_forward(tn__layer_kernel *l, const tn__kernel_memory *m, void *x)
{
    tn__program *p = &l->k.forward;
    tn__call *call = tn__program_add(p, l->forward);
    tn__program_arg(p, call, DNNL_ARG_SRC, l->x_forward, x);
    tn__program_arg(p, call, DNNL_ARG_WEIGHTS, l->w_forward, l->w_forward_copy);
    if (l->has_bias)
        tn__program_arg(p, call, DNNL_ARG_BIAS, l->b_plain, l->b_copy);
    tn__program_arg(p, call, DNNL_ARG_DST, l->y_forward, m->out[0]);
    if (l->relu_back)
        tn__program_relu_back(&l->k.backward, l->relu_back, l->y, m->dout[0],
                              m->dout[0], m->out[0]);
}

void tn__layer_build_weights(tn__layer_kernel *l, const tn__kernel_memory *m)
{
    tn__program *p = &l->k.backward;
    void *x = tn__program_read(p, l->x, m->in[X], l->x_weights);
    void *dy = tn__program_read(p, l->y, m->dout[0], l->dy_weights);
    void *dw = tn__program_place(p, l->w_made, l->w_plain, m->din[W]);
    /* The primitive makes both gradients; one that nobody wants goes to scratch. */
    void *db = m->din[B];
    if (l->has_bias && !l->want_b)
        db = tn__program_reserve(p, l->b_plain->bytes);
    if (!l->want_w && tn__layout_equal(l->w_made, l->w_plain))
        dw = tn__program_reserve(p, l->w_made->bytes);
    tn__call *call = tn__program_add(p, l->weights);
    tn__program_arg(p, call, DNNL_ARG_SRC, l->x_weights, x);
    tn__program_arg(p, call, DNNL_ARG_DIFF_DST, l->dy_weights, dy);
    tn__program_arg(p, call, DNNL_ARG_DIFF_WEIGHTS, l->w_made, dw);
    if (l->has_bias)
        tn__program_arg(p, call, DNNL_ARG_DIFF_BIAS, l->b_plain, db);
    if (l->want_w)
        tn__program_wrote(p, l->w_made, dw, l->w_plain, m->din[W]);
}

void tn__layer_build_data(tn__layer_kernel *l, const tn__kernel_memory *m)
{
    tn__program *p = &l->k.backward;
    void *dy = tn__program_read(p, l->y, m->dout[0], l->dy_data);
    void *dx = tn__program_place(p, l->dx_data, l->x, m->din[X]);
    tn__call *call = tn__program_add(p, l->data);
    tn__program_arg(p, call, DNNL_ARG_DIFF_DST, l->dy_data, dy);
    tn__program_arg(p, call, DNNL_ARG_WEIGHTS, l->w_data, l->w_data_copy);
    tn__program_arg(p, call, DNNL_ARG_DIFF_SRC, l->dx_data, dx);
    tn__program_wrote(p, l->dx_data, dx, l->x, m->din[X]);
}
