/* fallback.c - an operator's plain C as a kernel.
 *
 * The operands are tensors over the plan's own memory. Only what comes in a blocked
 * layout is copied: an input into the workspace, since backward() may read it again,
 * its gradient by way of scratch memory.
 */
#include "engine/plan.h"

#include <string.h>

typedef struct fallback {
    tn__kernel base;
    tn__dnnl *d;
    const tn__op *op;
    tn__site site;
    tn__site_memory memory;
    size_t in_count, out_count;
    const tn__layout **in;       /* [in_count] of activations, as they come */
    const tn__layout **in_plain; /* [in_count] NULL: left out */
    const tn__layout **out;      /* [out_count] NULL: left out */
    bool *wanted;                /* [in_count] gradients */
    tn__tensor *x, *y, *dx, *dy; /* [in_count], [out_count]: the operands */
    const tn__tensor **x_at, **y_at, **dy_at;
    tn__tensor **y_made, **dx_made;
    bool norm; /* batch statistics, in x[3] and x[4], which are the kernel's own */
    tn__program read, write_back;
} fallback;

static void release_operands(fallback *f)
{
    for (size_t k = 0; k < f->in_count && f->x && f->dx; k++) {
        tn__tensor_release(&f->x[k]);
        tn__tensor_release(&f->dx[k]);
    }
    for (size_t k = 0; k < f->out_count && f->y && f->dy; k++) {
        tn__tensor_release(&f->y[k]);
        tn__tensor_release(&f->dy[k]);
    }
}

static void destroy(tn__kernel *kernel)
{
    fallback *f = (fallback *)kernel;
    release_operands(f);
    tn__site_memory_release(&f->memory);
}

/* --- operands --- */

static bool is_blocked(const fallback *f, size_t k)
{
    return f->in[k] && !tn__layout_equal(f->in[k], f->in_plain[k]);
}

static bool is_statistic(const fallback *f, size_t k)
{
    return f->norm && (k == 3 || k == 4);
}

/* Aligned as slots of the plan are. */
static size_t padded(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* Places of the blocked inputs in the workspace and of their gradients in scratch
 * memory, and the moves between the layouts; m NULL: the sizes only. */
static void lay_out(fallback *f, const tn__kernel_memory *m, char **x, char **dx)
{
    size_t kept = 0;
    for (size_t k = 0; k < f->in_count; k++) {
        if (!is_blocked(f, k))
            continue;
        size_t bytes = f->in_plain[k]->bytes;
        char *plain = m ? (char *)m->workspace + kept : NULL;
        kept += padded(bytes);
        tn__program_move(&f->read, f->in[k], m ? m->in[k] : NULL, f->in_plain[k],
                         plain);
        if (x)
            x[k] = plain;
        if (!f->wanted[k])
            continue;
        plain = tn__program_reserve(&f->write_back, bytes);
        tn__program_move(&f->write_back, f->in_plain[k], plain, f->in[k],
                         m ? m->din[k] : NULL);
        if (dx)
            dx[k] = plain;
    }
    f->base.workspace = kept;
}

/* A tensor over memory of the plan's. */
static tn_status borrow(tn__tensor *out, const tn__layout *layout, void *bytes,
                        tn_error *err)
{
    tn__buffer *buffer = NULL;
    tn_status status = tn__buffer_borrow(&buffer, bytes, layout->bytes, err);
    if (!status)
        status = tn__tensor_view(out, layout->dtype, layout->shape.rank,
                                 layout->shape.dims, buffer, 0, err);
    tn__buffer_release(buffer);
    return status;
}

static tn_status bind_input(fallback *f, const tn__kernel_memory *m, size_t k, char *x,
                            char *dx, tn_error *err)
{
    tn_status status = TN_OK;
    if (!f->in_plain[k])
        return TN_OK;
    if (f->x[k].dtype == TN_UNDEFINED)
        status = borrow(&f->x[k], f->in_plain[k], x ? x : m->in[k], err);
    if (!status && f->wanted[k] && m->din[k])
        status = borrow(&f->dx[k], f->in_plain[k], dx ? dx : m->din[k], err);
    return status;
}

static tn_status bind_output(fallback *f, const tn__kernel_memory *m, size_t k,
                             tn_error *err)
{
    tn_status status = TN_OK;
    if (!f->out[k])
        return TN_OK;
    status = borrow(&f->y[k], f->out[k], m->out[k], err);
    if (!status && m->dout[k])
        status = borrow(&f->dy[k], f->out[k], m->dout[k], err);
    return status;
}

static tn_status fallback_bind(tn__kernel *kernel, const tn__kernel_memory *m,
                               tn_error *err)
{
    fallback *f = (fallback *)kernel;
    char **x = tn__dnnl_alloc(f->d, f->in_count + 1, sizeof *x);
    char **dx = tn__dnnl_alloc(f->d, f->in_count + 1, sizeof *dx);
    tn_status status = tn__dnnl_check(f->d, err);
    if (status)
        return status;
    tn__program_begin(&f->read, f->d, m->scratch_forward);
    tn__program_begin(&f->write_back, f->d, m->scratch_backward);
    lay_out(f, m, x, dx);
    for (size_t k = 0; k < f->in_count && !status; k++)
        status = bind_input(f, m, k, x[k], dx[k], err);
    for (size_t k = 0; k < f->out_count && !status; k++)
        status = bind_output(f, m, k, err);
    return status ? status : tn__dnnl_check(f->d, err);
}

/* --- running --- */

static float *statistics(fallback *f, size_t k)
{
    return tn__tensor_f32(&f->x[k]);
}

static tn_status fallback_forward(tn__kernel *kernel, tn_error *err)
{
    fallback *f = (fallback *)kernel;
    tn_status status = tn__program_run(&f->read, err);
    if (!status && f->norm)
        tn__norm_statistics(statistics(f, 3), statistics(f, 4), &f->x[0]);
    return status ? status : f->op->forward(f->y_made, f->x_at, &f->site, err);
}

static tn_status fallback_backward(tn__kernel *kernel, tn_error *err)
{
    fallback *f = (fallback *)kernel;
    tn_status status = TN_OK;
    if (f->norm)
        tn__norm_backward(f->dx_made, f->dy_at[0], f->x_at,
                          (double)tn__node_float(f->site.node, "epsilon", 1e-5f));
    else
        status = f->op->backward(f->dx_made, f->dy_at, f->x_at, f->y_at, &f->site, err);
    return status ? status : tn__program_run(&f->write_back, err);
}

/* --- making --- */

static void *pointers(tn__dnnl *d, size_t count)
{
    return tn__dnnl_alloc(d, TN__MAX(count, 1), sizeof(void *));
}

static tn_status allocate(fallback *f, tn_error *err)
{
    tn__dnnl *d = f->d;
    size_t in = f->in_count, out = f->out_count;
    f->in = pointers(d, in);
    f->in_plain = pointers(d, in);
    f->x_at = pointers(d, in);
    f->dx_made = pointers(d, in);
    f->out = pointers(d, out);
    f->y_at = pointers(d, out);
    f->y_made = pointers(d, out);
    f->dy_at = pointers(d, out);
    f->wanted = tn__dnnl_alloc(d, TN__MAX(in, 1), sizeof *f->wanted);
    f->x = tn__dnnl_alloc(d, TN__MAX(in, 1), sizeof *f->x);
    f->dx = tn__dnnl_alloc(d, TN__MAX(in, 1), sizeof *f->dx);
    f->y = tn__dnnl_alloc(d, TN__MAX(out, 1), sizeof *f->y);
    f->dy = tn__dnnl_alloc(d, TN__MAX(out, 1), sizeof *f->dy);
    return tn__dnnl_check(d, err);
}

/* Constants that are no f32 are shared with the model, and batch statistics are the
 * kernel's own; all else is bound to the plan's memory. */
static tn_status make_input(fallback *f, const tn__kernel_request *request, size_t k,
                            tn_error *err)
{
    const tn__site *site = request->site;
    if (!site->in[k])
        return TN_OK;
    f->in[k] = request->in[k];
    f->in_plain[k] = tn__layout_plain(f->d, site->in_dtype[k], site->in[k]);
    tn_status status = tn__dnnl_check(f->d, err);
    if (status)
        return status;
    if (!f->in[k] && f->in_plain[k]->dtype != TN_F32 && site->constant[k])
        f->x[k] = tn__tensor_ref(site->constant[k]);
    else if (is_statistic(f, k))
        status = tn__tensor_create(&f->x[k], TN_F32, site->in[k]->rank,
                                   site->in[k]->dims, err);
    f->x_at[k] = &f->x[k];
    f->wanted[k] = request->wanted[k];
    if (f->wanted[k])
        f->dx_made[k] = &f->dx[k];
    return status;
}

static tn_status make_output(fallback *f, const tn__kernel_request *request, size_t k,
                             bool backward, tn_error *err)
{
    const tn__site *site = request->site;
    size_t v = site->node->outputs[k];
    if (v == TN__NONE || !request->shapes->known[v]) /* left out, or read by nobody */
        return TN_OK;
    f->out[k] = tn__layout_plain(f->d, request->shapes->dtype[v], &site->out[k]);
    tn_status status = tn__dnnl_check(f->d, err);
    f->y_at[k] = f->y_made[k] = &f->y[k];
    if (!status && backward && f->out[k]->dtype == TN_F32)
        f->dy_at[k] = &f->dy[k];
    return status;
}

static tn_status make_operands(fallback *f, const tn__kernel_request *request,
                               tn_error *err)
{
    tn_status status = TN_OK;
    bool backward = false;
    for (size_t k = 0; k < f->in_count && !status; k++) {
        status = make_input(f, request, k, err);
        backward |= request->wanted[k];
    }
    for (size_t k = 0; k < f->out_count && !status; k++)
        status = make_output(f, request, k, backward, err);
    f->base.keeps_in = f->base.keeps_out = backward;
    return status;
}

/* The site outlives the request: it is copied with its arrays. */
static tn_status copy_site(fallback *f, const tn__kernel_request *request,
                           tn_error *err)
{
    return tn__site_fill(&f->site, &f->memory, request->site->model, request->shapes,
                         request->site->node_index, err);
}

static tn_status measure(fallback *f, tn_error *err)
{
    tn__program_begin(&f->read, f->d, NULL);
    tn__program_begin(&f->write_back, f->d, NULL);
    lay_out(f, NULL, NULL, NULL);
    f->base.scratch_forward = f->read.used + 64;
    f->base.scratch_backward = f->write_back.used + 64;
    return tn__dnnl_check(f->d, err);
}

static void show_statistics(fallback *f)
{
    size_t count;
    const tn__shape *x = &f->in_plain[0]->shape;
    f->base.batch_mean = tn__tensor_f32_const(&f->x[3]);
    f->base.batch_variance = tn__tensor_f32_const(&f->x[4]);
    f->base.channels = (size_t)x->dims[1];
    f->base.positions =
        tn__shape_count(&count, x) && f->base.channels ? count / f->base.channels : 0;
}

tn_status tn__fallback_create(tn__kernel **out, const tn__kernel_request *request,
                              const tn__op *op, tn_error *err)
{
    fallback *f = tn__dnnl_alloc(request->dnnl, 1, sizeof *f);
    if (!f)
        return tn__dnnl_check(request->dnnl, err);
    *f = (fallback){.d = request->dnnl,
                    .op = op,
                    .in_count = request->site->input_count,
                    .out_count = request->site->output_count};
    f->norm = request->training && strcmp(op->type, "BatchNormalization") == 0;
    tn_status status;
    if ((status = allocate(f, err)) != TN_OK ||
        (status = copy_site(f, request, err)) != TN_OK ||
        (status = make_operands(f, request, err)) != TN_OK ||
        (status = measure(f, err)) != TN_OK) {
        destroy(&f->base);
        return status;
    }
    if (f->norm)
        show_statistics(f);
    f->base.out = f->out;
    f->base.bind = fallback_bind;
    f->base.forward = fallback_forward;
    f->base.backward = fallback_backward;
    f->base.free = destroy;
    *out = &f->base;
    return TN_OK;
}
