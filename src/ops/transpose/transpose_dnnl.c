/* transpose_dnnl.c - Transpose of f32 as one reorder, whatever layout the input has:
 * the input's descriptor with its axes renamed, to the output's layout.
 *
 * That is plain, but for images whose channels come from the last axis (as behind the
 * products of ConvNeXt and Swin): those are laid out as convolutions want them.
 */
#include "ops/onednn.h"
#include "ops/transpose/transpose.h"

typedef struct transpose_kernel {
    tn__program_kernel k;
    const tn__layout *x, *x_shown; /* as it comes; with the output's axes */
    const tn__layout *y_shown;     /* with the input's axes */
    bool wanted;
} transpose_kernel;

static void build(tn__program_kernel *kernel, const tn__kernel_memory *m)
{
    transpose_kernel *t = (transpose_kernel *)kernel;
    tn__program_move(&kernel->forward, t->x_shown, m->in[0], kernel->out, m->out[0]);
    if (t->wanted)
        tn__program_move(&kernel->backward, t->y_shown, m->dout[0], t->x, m->din[0]);
}

static tn_status create(tn__kernel **out, const tn__kernel_request *request,
                        tn_error *err)
{
    const tn__site *site = request->site;
    const tn__layout *x = request->in[0];
    tn__dnnl *d = request->dnnl;
    int perm[TN__MAX_RANK], back[TN__MAX_RANK], rank = site->in[0]->rank;
    if (!x || !x->md || x->dtype != TN_F32 || rank < 2)
        return TN_OK;
    tn_status status = tn__transpose_read(perm, site, err);
    if (status)
        return status;
    for (int k = 0; k < rank; k++)
        back[perm[k]] = k;
    transpose_kernel *t = tn__dnnl_alloc(d, 1, sizeof *t);
    if (!t)
        return tn__dnnl_check(d, err);
    bool images = rank == 4 && perm[0] == 0 && perm[1] == 3 && perm[2] == 1;
    t->x = x;
    t->x_shown = tn__layout_permuted(d, x, &site->out[0], perm);
    t->k.out = images ? tn__layout_images(d, &site->out[0])
                      : tn__layout_plain(d, TN_F32, &site->out[0]);
    if (!t->x_shown || !t->k.out)
        return tn__dnnl_check(d, err);
    t->wanted = request->wanted[0];
    t->y_shown = tn__layout_permuted(d, t->k.out, site->in[0], back);
    t->k.build = build;
    return tn__program_kernel_finish(out, &t->k, d, err);
}

const tn__kernel_class tn__transpose_dnnl = {.name = "transpose:onednn",
                                             .create = create};
