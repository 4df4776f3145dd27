/* matmul_plain.c - MatMul of plain f32 operands by oneDNN's sgemm.
 *
 * One product for each index of the batch axes; where B has none, and A all of them,
 * they count as rows and one product does. Backward: dA = dY B^T, dB = A^T dY, added up
 * where an operand was stretched. Products with a parameter are matmul_dnnl.c's,
 * most of two activations matmul_batched.c's.
 */
#include <string.h>

#include "ops/matmul/matmul.h"
#include "ops/onednn.h"
#include "ops/view.h"

typedef struct matmul_kernel {
    tn__kernel base;
    const tn__layout *y;
    size_t m, n, k, batches;
    tn__shape batch;
    tn__view view[2]; /* of A and B over the batch axes, in matrices */
    size_t count[2];  /* elements of A and B */
    const float *in[2], *dout;
    float *out, *din[2];
} matmul_kernel;

static tn_status matmul_bind(tn__kernel *kernel, const tn__kernel_memory *memory,
                             tn_error *err)
{
    (void)err;
    matmul_kernel *mm = (matmul_kernel *)kernel;
    for (int i = 0; i < 2; i++) {
        mm->in[i] = memory->in[i];
        mm->din[i] = memory->din ? memory->din[i] : NULL;
    }
    mm->out = memory->out[0];
    mm->dout = memory->dout ? memory->dout[0] : NULL;
    return TN_OK;
}

static tn_status matmul_refresh(tn__kernel *kernel, tn_error *err)
{
    (void)kernel;
    (void)err;
    return TN_OK;
}

/* First elements of the matrices at an index of the batch axes. */
static size_t first_of(const matmul_kernel *mm, int operand, const int64_t *at)
{
    size_t size = operand ? mm->k * mm->n : mm->m * mm->k;
    return (size_t)tn__view_at(&mm->view[operand], at, mm->batch.rank) * size;
}

static tn_status run_forward(tn__kernel *kernel, tn_error *err)
{
    matmul_kernel *mm = (matmul_kernel *)kernel;
    int64_t at[TN__MAX_RANK] = {0};
    tn_status status = TN_OK;
    for (size_t i = 0; i < mm->batches && !status; i++) {
        const float *a = mm->in[0] + first_of(mm, 0, at);
        const float *b = mm->in[1] + first_of(mm, 1, at);
        status = tn__dnnl_product(mm->out + i * mm->m * mm->n, a, false, b, false,
                                  mm->m, mm->n, mm->k, 0, err);
        (void)tn__index_next(at, &mm->batch, mm->batch.rank);
    }
    return status;
}

static tn_status run_backward(tn__kernel *kernel, tn_error *err)
{
    matmul_kernel *mm = (matmul_kernel *)kernel;
    int64_t at[TN__MAX_RANK] = {0};
    tn_status status = TN_OK;
    for (int i = 0; i < 2; i++)
        if (mm->din[i])
            memset(mm->din[i], 0, mm->count[i] * sizeof(float));
    for (size_t i = 0; i < mm->batches && !status; i++) {
        size_t a = first_of(mm, 0, at), b = first_of(mm, 1, at);
        const float *dy = mm->dout + i * mm->m * mm->n;
        if (mm->din[0])
            status = tn__dnnl_product(mm->din[0] + a, dy, false, mm->in[1] + b, true,
                                      mm->m, mm->k, mm->n, 1, err);
        if (mm->din[1] && !status)
            status = tn__dnnl_product(mm->din[1] + b, mm->in[0] + a, true, dy, false,
                                      mm->k, mm->n, mm->m, 1, err);
        (void)tn__index_next(at, &mm->batch, mm->batch.rank);
    }
    return status;
}

/* Activations must lie plain; parameters always do. */
static bool suits(const tn__kernel_request *request)
{
    size_t count;
    for (size_t k = 0; k < 2; k++) {
        const tn__layout *layout = request->in[k];
        if (request->site->in_dtype[k] != TN_F32 || (layout && !layout->plain) ||
            !tn__shape_count(&count, request->site->in[k]) || !count)
            return false;
    }
    return true;
}

static void take_extents(matmul_kernel *k, const tn__matmul *mm)
{
    k->m = (size_t)mm->m;
    k->n = (size_t)mm->n;
    k->k = (size_t)mm->k;
    k->batch = mm->batch;
    k->view[0] = tn__view_broadcast(&mm->a_batch, &mm->batch);
    k->view[1] = tn__view_broadcast(&mm->b_batch, &mm->batch);
    (void)tn__shape_count(&k->batches, &mm->batch);
    if (mm->b_batch.rank == 0 && tn__shape_equal(&mm->a_batch, &mm->batch)) {
        k->m *= k->batches;
        k->batches = 1;
        k->batch.rank = 0;
    }
}

tn_status tn__matmul_plain(tn__kernel **out, const tn__kernel_request *request,
                           tn_error *err)
{
    tn__matmul mm;
    if (!suits(request))
        return TN_OK;
    tn_status status = tn__matmul_read(&mm, request->site, err);
    if (status)
        return status;
    matmul_kernel *k = tn__dnnl_alloc(request->dnnl, 1, sizeof *k);
    if (!k)
        return tn__dnnl_check(request->dnnl, err);
    k->y = tn__layout_plain(request->dnnl, TN_F32, &request->site->out[0]);
    take_extents(k, &mm);
    for (size_t i = 0; i < 2; i++)
        (void)tn__shape_count(&k->count[i], request->site->in[i]);
    k->base.out = &k->y;
    k->base.keeps_in = request->wanted[0] || request->wanted[1];
    k->base.bind = matmul_bind;
    k->base.refresh = matmul_refresh;
    k->base.forward = run_forward;
    k->base.backward = run_backward;
    *out = &k->base;
    return tn__dnnl_check(request->dnnl, err);
}
