/* same_dnnl.c - operators that keep the elements in their order: Reshape and its kin,
 * Identity, Dropout at inference.
 *
 * Where the input lies row by row the output is the input, in the same memory; else it
 * is a reorder to rows.
 */
#include "ops/onednn.h"

typedef struct same_kernel {
    tn__program_kernel k;
    const tn__layout *x, *x_rows;
    bool wanted;
} same_kernel;

static void build(tn__program_kernel *kernel, const tn__kernel_memory *m)
{
    same_kernel *s = (same_kernel *)kernel;
    if (kernel->base.alias)
        return;
    tn__program_move(&kernel->forward, s->x, m->in[0], s->x_rows, m->out[0]);
    if (s->wanted)
        tn__program_move(&kernel->backward, s->x_rows, m->dout[0], s->x, m->din[0]);
}

static tn_status create(tn__kernel **out, const tn__kernel_request *request,
                        tn_error *err)
{
    const tn__site *site = request->site;
    const tn__layout *x = request->in[0];
    tn__dnnl *d = request->dnnl;
    if (!x || !tn__layout_differs(x) || !x->md)
        return TN_OK;
    same_kernel *s = tn__dnnl_alloc(d, 1, sizeof *s);
    if (!s)
        return tn__dnnl_check(d, err);
    s->x = x;
    s->x_rows = tn__layout_rows(d, x->dtype, site->in[0]);
    s->wanted = request->wanted[0];
    s->k.out = tn__layout_rows(d, x->dtype, &site->out[0]);
    s->k.build = build;
    if (!s->x_rows || !s->k.out)
        return tn__dnnl_check(d, err);
    s->k.base.alias = tn__layout_equal(x, s->x_rows);
    s->k.base.passes = s->k.base.alias ? 1u : 0u;
    return tn__program_kernel_finish(out, &s->k, d, err);
}

const tn__kernel_class tn__same_dnnl = {
    .name = "same:onednn", .bf16 = TN__BF16_FOLLOWS, .create = create};
