/* transpose_dnnl.c - Transpose whatever layout the input has.
 *
 * Where both sides lie row by row it is a copy of elements. Else it is one reorder: the
 * input's descriptor with its axes renamed, to the output's layout. That is plain, but
 * for f32 images whose channels come from the last axis (as behind the products of
 * ConvNeXt and Swin): those are laid out as convolutions want them.
 */
#include "ops/onednn.h"
#include "ops/transpose/transpose.h"
#include "ops/view.h"

typedef struct moved { /* elements of a row-major array, taken as `from` says */
    tn__view from;
    tn__shape extent;
    size_t size;
} moved;

typedef struct transpose_kernel {
    tn__program_kernel k;
    const tn__layout *x, *x_shown; /* as it comes; with the output's axes */
    const tn__layout *y_shown;     /* with the input's axes */
    bool wanted, rows;
    moved forward, backward; /* where both lie by rows */
} transpose_kernel;

static void copy_moved(void *to, const void *from, const void *with)
{
    const moved *v = with;
    tn__view dense = tn__view_dense(&v->extent);
    tn__view_copy(to, &dense, from, &v->from, &v->extent, v->size);
}

static void build(tn__program_kernel *kernel, const tn__kernel_memory *m)
{
    transpose_kernel *t = (transpose_kernel *)kernel;
    if (t->rows)
        tn__program_work(&kernel->forward, copy_moved, m->out[0], m->in[0],
                         &t->forward);
    else
        tn__program_move(&kernel->forward, t->x_shown, m->in[0], kernel->out,
                         m->out[0]);
    if (!t->wanted)
        return;
    if (t->rows)
        tn__program_work(&kernel->backward, copy_moved, m->din[0], m->dout[0],
                         &t->backward);
    else
        tn__program_move(&kernel->backward, t->y_shown, m->dout[0], t->x, m->din[0]);
}

/* Axis k of `extent` is axis perm[k] of `shape`. */
static moved moved_by(const int *perm, const tn__shape *shape, const tn__shape *extent,
                      size_t size)
{
    tn__view dense = tn__view_dense(shape);
    moved v = {.extent = *extent, .size = size};
    for (int k = 0; k < shape->rank; k++)
        v.from.stride[k] = dense.stride[perm[k]];
    return v;
}

static tn_status create(tn__kernel **out, const tn__kernel_request *request,
                        tn_error *err)
{
    const tn__site *site = request->site;
    const tn__layout *x = request->in[0];
    tn__dnnl *d = request->dnnl;
    int perm[TN__MAX_RANK], back[TN__MAX_RANK], rank = site->in[0]->rank;
    if (!x || !tn__layout_differs(x) || !x->md || rank < 2)
        return TN_OK;
    tn_status status = tn__transpose_read(perm, site, err);
    if (status)
        return status;
    for (int k = 0; k < rank; k++)
        back[perm[k]] = k;
    transpose_kernel *t = tn__dnnl_alloc(d, 1, sizeof *t);
    if (!t)
        return tn__dnnl_check(d, err);
    bool images =
        x->dtype == TN_F32 && rank == 4 && perm[0] == 0 && perm[1] == 3 && perm[2] == 1;
    const tn__layout *x_rows = tn__layout_rows(d, x->dtype, site->in[0]);
    const tn__layout *y_rows = tn__layout_rows(d, x->dtype, &site->out[0]);
    t->x = x;
    t->x_shown = tn__layout_permuted(d, x, &site->out[0], perm);
    t->k.out = images ? tn__layout_images(d, &site->out[0]) : y_rows;
    if (!t->x_shown || !t->k.out || !x_rows || !y_rows)
        return tn__dnnl_check(d, err);
    t->wanted = request->wanted[0];
    t->rows = tn__layout_equal(x, x_rows) && tn__layout_equal(t->k.out, y_rows);
    size_t size = tn__dtype_size(x->dtype);
    t->forward = moved_by(perm, site->in[0], &site->out[0], size);
    t->backward = moved_by(back, &site->out[0], site->in[0], size);
    t->y_shown = tn__layout_permuted(d, t->k.out, site->in[0], back);
    t->k.build = build;
    return tn__program_kernel_finish(out, &t->k, d, err);
}

const tn__kernel_class tn__transpose_dnnl = {
    .name = "transpose:onednn", .bf16 = TN__BF16_FOLLOWS, .create = create};
