/* matmul_batched.c - MatMul of two activations, a product for each index of the batch
 * axes, by oneDNN's matmul: attention. Operands that are stretched, vectors and
 * parameters are left to matmul_plain.c.
 *
 * Y = A B with A [batches, m, k] and B [batches, k, n]; backward dA = dY B^T and
 * dB = A^T dY. In bf16 operands that come in f32 are rounded first.
 */
#include "ops/matmul/matmul.h"
#include "ops/onednn.h"

typedef struct batched_kernel {
    tn__program_kernel k;
    bool wanted[2];
    const tn__layout *in[2], *y;     /* as the neighbours have them */
    const tn__layout *plain[2], *dy; /* of those shapes, in the type computed in */
    const tn__layout *stack[2];      /* A, B as [batches, rows, columns] */
    const tn__layout *turned[2];     /* [batches, columns, rows] */
    const tn__layout *y_stack;       /* in the type it leaves in */
    const tn__layout *dy_stack;      /* in the type computed in */
    const tn__layout *made[2];       /* gradients, of the operands' types */
    const tn__layout *made_stack[2];
    dnnl_primitive_desc_t forward, backward[2];
} batched_kernel;

static void product(tn__program *p, dnnl_primitive_desc_t pd, const tn__layout *a,
                    void *at_a, const tn__layout *b, void *at_b, const tn__layout *y,
                    void *at_y)
{
    tn__call *call = tn__program_add(p, pd);
    tn__program_arg(p, call, DNNL_ARG_SRC, a, at_a);
    tn__program_arg(p, call, DNNL_ARG_WEIGHTS, b, at_b);
    tn__program_arg(p, call, DNNL_ARG_DST, y, at_y);
}

/* The gradient of operand i, from that of y and the other operand. */
static void build_gradient(batched_kernel *c, const tn__kernel_memory *m, int i,
                           void *dy)
{
    tn__program *p = &c->k.backward;
    int other = 1 - i;
    void *x = tn__program_read(p, c->in[other], m->in[other], c->plain[other]);
    void *dx = tn__program_place(p, c->made[i], c->in[i], m->din[i]);
    if (i == 0)
        product(p, c->backward[0], c->dy_stack, dy, c->turned[1], x, c->made_stack[0],
                dx);
    else
        product(p, c->backward[1], c->turned[0], x, c->dy_stack, dy, c->made_stack[1],
                dx);
    tn__program_wrote(p, c->made[i], dx, c->in[i], m->din[i]);
}

static void build(tn__program_kernel *kernel, const tn__kernel_memory *m)
{
    batched_kernel *c = (batched_kernel *)kernel;
    tn__program *p = &kernel->forward;
    void *a = tn__program_read(p, c->in[0], m->in[0], c->plain[0]);
    void *b = tn__program_read(p, c->in[1], m->in[1], c->plain[1]);
    product(p, c->forward, c->stack[0], a, c->stack[1], b, c->y_stack, m->out[0]);
    if (!c->wanted[0] && !c->wanted[1])
        return;
    void *dy = tn__program_read(&kernel->backward, c->y, m->dout[0], c->dy);
    for (int i = 0; i < 2; i++)
        if (c->wanted[i])
            build_gradient(c, m, i, dy);
}

/* [batches, m, n] row-major, or (turned) [batches, n, m]: the same bytes. */
static const tn__layout *stack_of(tn__dnnl *d, tn_dtype type, int64_t batches,
                                  int64_t m, int64_t n, bool turned)
{
    tn__shape shape = {.rank = 3, .dims = {batches, turned ? n : m, turned ? m : n}};
    int64_t strides[3] = {m * n, turned ? 1 : n, turned ? n : 1};
    return tn__layout_strided(d, type, &shape, strides);
}

static dnnl_primitive_desc_t describe_product(tn__dnnl *d, const tn__layout *a,
                                              const tn__layout *b, const tn__layout *y)
{
    tn__pd_spec spec = {.kind = TN__MATMUL, .src = a, .weights = b, .dst = y};
    return tn__pd_create(d, &spec);
}

/* False where some primitive is missing. */
static bool describe(batched_kernel *c, const tn__kernel_request *request,
                     const tn__matmul *mm, size_t batches, tn_dtype type)
{
    const tn__site *site = request->site;
    tn__dnnl *d = request->dnnl;
    const int64_t rows[2] = {mm->m, mm->k}, columns[2] = {mm->k, mm->n};
    int64_t count = (int64_t)batches;
    for (int i = 0; i < 2; i++) {
        tn_dtype made = request->in[i]->dtype;
        c->in[i] = request->in[i];
        c->wanted[i] = request->wanted[i];
        c->plain[i] = tn__layout_rows(d, type, site->in[i]);
        c->made[i] = tn__layout_rows(d, made, site->in[i]);
        c->stack[i] = stack_of(d, type, count, rows[i], columns[i], false);
        c->turned[i] = stack_of(d, type, count, rows[i], columns[i], true);
        c->made_stack[i] = stack_of(d, made, count, rows[i], columns[i], false);
    }
    tn_dtype out = request->bf16_out ? type : TN_F32;
    c->y = tn__layout_rows(d, out, &site->out[0]);
    c->dy = tn__layout_rows(d, type, &site->out[0]);
    c->y_stack = stack_of(d, out, count, mm->m, mm->n, false);
    c->dy_stack = stack_of(d, type, count, mm->m, mm->n, false);
    c->forward = describe_product(d, c->stack[0], c->stack[1], c->y_stack);
    c->backward[0] = describe_product(d, c->dy_stack, c->turned[1], c->made_stack[0]);
    c->backward[1] = describe_product(d, c->turned[0], c->dy_stack, c->made_stack[1]);
    return c->forward && c->backward[0] && c->backward[1];
}

static bool suits(const tn__kernel_request *request)
{
    size_t count;
    for (int i = 0; i < 2; i++)
        if (!request->in[i] || !tn__layout_differs(request->in[i]) ||
            !request->in[i]->md || request->site->in[i]->rank < 3 ||
            !tn__shape_count(&count, request->site->in[i]) || !count)
            return false;
    return !request->fused;
}

tn_status tn__matmul_batched(tn__kernel **out, const tn__kernel_request *request,
                             tn_error *err)
{
    tn__matmul mm;
    size_t batches;
    tn__dnnl *d = request->dnnl;
    if (!suits(request))
        return TN_OK;
    tn_status status = tn__matmul_read(&mm, request->site, err);
    if (status)
        return status;
    if (!tn__shape_equal(&mm.a_batch, &mm.batch) ||
        !tn__shape_equal(&mm.b_batch, &mm.batch) ||
        !tn__shape_count(&batches, &mm.batch))
        return TN_OK;
    batched_kernel *c = tn__dnnl_alloc(d, 1, sizeof *c);
    if (!c)
        return tn__dnnl_check(d, err);
    if ((!request->bf16 || !describe(c, request, &mm, batches, TN_BF16)) &&
        !describe(c, request, &mm, batches, TN_F32))
        return tn__dnnl_check(d, err);
    c->k.out = c->y;
    c->k.build = build;
    c->k.base.keeps_in = c->wanted[0] || c->wanted[1];
    return tn__program_kernel_finish(out, &c->k, d, err);
}
