/* fallback.c - an operator's plain C as a kernel.
 *
 * The operands are tensors of the kernel's own: what comes in is moved there, what goes
 * out is moved to the plan's memory. They stay until backward, so the plan keeps
 * nothing for it.
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
    const tn__layout **out;      /* [out_count] */
    tn__tensor *x, *y, *dx, *dy; /* [in_count], [out_count]: the operands */
    const tn__tensor **x_at, **y_at, **dy_at;
    tn__tensor **y_made, **dx_made;
    const float **parameter; /* [in_count] copied at every refresh, or NULL */
    bool norm;               /* batch statistics */
    tn__program read, write, read_back, write_back;
} fallback;

static void destroy(tn__kernel *kernel)
{
    fallback *f = (fallback *)kernel;
    for (size_t k = 0; k < f->in_count && f->x && f->dx; k++) {
        tn__tensor_release(&f->x[k]);
        tn__tensor_release(&f->dx[k]);
    }
    for (size_t k = 0; k < f->out_count && f->y && f->dy; k++) {
        tn__tensor_release(&f->y[k]);
        tn__tensor_release(&f->dy[k]);
    }
    tn__site_memory_release(&f->memory);
}

static void *bytes_of(tn__tensor *tensor)
{
    void *data = NULL;
    tn_error ignored = {0};
    /* Never shared, so this copies nothing and cannot fail. */
    return tn__tensor_write(tensor, &data, &ignored) ? NULL : data;
}

static tn_status tensor_like(tn__tensor *out, const tn__layout *layout, tn_error *err)
{
    return tn__tensor_create(out, layout->dtype, layout->shape.rank, layout->shape.dims,
                             err);
}

/* --- running --- */

/* Scratch is wanted for reorders of blocked layouts only. */
static void build(fallback *f, const tn__kernel_memory *m)
{
    for (size_t k = 0; k < f->in_count; k++) {
        if (f->in[k])
            tn__program_move(&f->read, f->in[k], m ? m->in[k] : NULL, f->in_plain[k],
                             bytes_of(&f->x[k]));
        if (f->dx_made[k])
            tn__program_move(&f->write_back, f->in_plain[k], bytes_of(&f->dx[k]),
                             f->in[k] ? f->in[k] : f->in_plain[k],
                             m ? m->din[k] : NULL);
    }
    for (size_t k = 0; k < f->out_count; k++) {
        if (!f->out[k])
            continue;
        tn__program_move(&f->write, f->out[k], bytes_of(&f->y[k]), f->out[k],
                         m ? m->out[k] : NULL);
        if (f->dy_at[k])
            tn__program_move(&f->read_back, f->out[k], m ? m->dout[k] : NULL, f->out[k],
                             bytes_of(&f->dy[k]));
    }
}

static tn_status fallback_bind(tn__kernel *kernel, const tn__kernel_memory *m,
                               tn_error *err)
{
    fallback *f = (fallback *)kernel;
    tn__program_begin(&f->read, f->d, m->scratch_forward);
    tn__program_begin(&f->write, f->d, m->scratch_forward);
    tn__program_begin(&f->read_back, f->d, m->scratch_backward);
    tn__program_begin(&f->write_back, f->d, m->scratch_backward);
    for (size_t k = 0; k < f->in_count; k++)
        if (!f->in[k] && f->in_plain[k] && f->in_plain[k]->dtype == TN_F32)
            f->parameter[k] = m->in[k];
    build(f, m);
    return tn__dnnl_check(f->d, err);
}

static tn_status fallback_refresh(tn__kernel *kernel, tn_error *err)
{
    fallback *f = (fallback *)kernel;
    (void)err;
    for (size_t k = 0; k < f->in_count; k++)
        if (f->parameter[k])
            memcpy(bytes_of(&f->x[k]), f->parameter[k], f->in_plain[k]->bytes);
    return TN_OK;
}

static tn_status fallback_forward(tn__kernel *kernel, tn_error *err)
{
    fallback *f = (fallback *)kernel;
    tn_status status = tn__program_run(&f->read, err);
    if (!status && f->norm)
        tn__norm_statistics(bytes_of(&f->x[3]), bytes_of(&f->x[4]), &f->x[0]);
    if (!status)
        status = f->op->forward(f->y_made, f->x_at, &f->site, err);
    return status ? status : tn__program_run(&f->write, err);
}

static tn_status fallback_backward(tn__kernel *kernel, tn_error *err)
{
    fallback *f = (fallback *)kernel;
    tn_status status = tn__program_run(&f->read_back, err);
    if (status)
        return status;
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
    f->parameter = pointers(d, in);
    f->out = pointers(d, out);
    f->y_at = pointers(d, out);
    f->y_made = pointers(d, out);
    f->dy_at = pointers(d, out);
    f->x = tn__dnnl_alloc(d, TN__MAX(in, 1), sizeof *f->x);
    f->dx = tn__dnnl_alloc(d, TN__MAX(in, 1), sizeof *f->dx);
    f->y = tn__dnnl_alloc(d, TN__MAX(out, 1), sizeof *f->y);
    f->dy = tn__dnnl_alloc(d, TN__MAX(out, 1), sizeof *f->dy);
    return tn__dnnl_check(d, err);
}

/* An activation or float parameter gets a tensor of the kernel's own; other constants
 * are shared with the model. */
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
    else
        status = tensor_like(&f->x[k], f->in_plain[k], err);
    f->x_at[k] = &f->x[k];
    if (!status && request->wanted[k]) {
        status = tensor_like(&f->dx[k], f->in_plain[k], err);
        f->dx_made[k] = &f->dx[k];
    }
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
    if (!status)
        status = tensor_like(&f->y[k], f->out[k], err);
    f->y_at[k] = f->y_made[k] = &f->y[k];
    if (!status && backward && f->out[k]->dtype == TN_F32) {
        status = tensor_like(&f->dy[k], f->out[k], err);
        f->dy_at[k] = &f->dy[k];
    }
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
    tn__program_begin(&f->write, f->d, NULL);
    tn__program_begin(&f->read_back, f->d, NULL);
    tn__program_begin(&f->write_back, f->d, NULL);
    build(f, NULL);
    f->base.scratch_forward = TN__MAX(f->read.used, f->write.used) + 64;
    f->base.scratch_backward = TN__MAX(f->read_back.used, f->write_back.used) + 64;
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
    f->base.refresh = fallback_refresh;
    f->base.forward = fallback_forward;
    f->base.backward = fallback_backward;
    f->base.free = destroy;
    *out = &f->base;
    return TN_OK;
}
