/* onednn.h - what Tenon uses of oneDNN, behind names that fit 2.x and 3.x.
 *
 * A tn__dnnl belongs to one worker: its engine and stream, and a pool that owns every
 * layout, primitive, memory object and buffer made through it; all are freed with it.
 * Failures are sticky: after the first one every function returns NULL (or does
 * nothing) and tn__dnnl_check() tells what it was, so that kernels read as plain lists.
 *
 * A program is a list of primitives with fixed arguments. It is built twice by the same
 * code: dry, to learn how much scratch memory it wants, then with the real addresses.
 */
#ifndef TN_OPS_ONEDNN_H
#define TN_OPS_ONEDNN_H

#include <dnnl.h>

#include "ops/kernel.h"

#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t tn__md;
#else
typedef const dnnl_memory_desc_t *tn__md;
#endif

struct tn__layout {
    tn_dtype dtype;
    tn__shape shape;
    size_t bytes;
    bool plain; /* row-major without gaps */
    tn__md md;  /* NULL for element types that oneDNN is not given */
};

/* --- the worker's context ------------------------------------------------------------
 */

/* The CPU multiplies bf16 matrices faster than f32 ones. */
bool tn__dnnl_has_bf16(void);
tn_status tn__dnnl_create(tn__dnnl **out, tn_error *err) TN_MUST_USE;
void tn__dnnl_free(tn__dnnl *d); /* takes NULL */
/* The first failure since creation or the last check. */
tn_status tn__dnnl_check(tn__dnnl *d, tn_error *err) TN_MUST_USE;
/* Zeroed, 64-byte aligned memory that lives as long as d. */
void *tn__dnnl_alloc(tn__dnnl *d, size_t count, size_t size);
/* c [m, n] = op(a) op(b) + beta c, row-major without gaps; op turns a [k, m] or b
 * [n, k]. On the calling thread where that has one OpenMP thread. */
tn_status tn__dnnl_product(float *c, const float *a, bool turn_a, const float *b,
                           bool turn_b, size_t m, size_t n, size_t k, float beta,
                           tn_error *err) TN_MUST_USE;
/* Waits until everything run on d has finished. */
tn_status tn__dnnl_wait(tn__dnnl *d, tn_error *err) TN_MUST_USE;

/* --- layouts --- */

const tn__layout *tn__layout_plain(tn__dnnl *d, tn_dtype dtype, const tn__shape *shape);
/* f32 or bf16, whatever the primitive likes best. */
const tn__layout *tn__layout_any(tn__dnnl *d, tn_dtype dtype, const tn__shape *shape);
/* f32 or bf16 */
const tn__layout *tn__layout_strided(tn__dnnl *d, tn_dtype dtype,
                                     const tn__shape *shape, const int64_t *strides);
/* Row-major without gaps; f32 or bf16. */
const tn__layout *tn__layout_rows(tn__dnnl *d, tn_dtype dtype, const tn__shape *shape);
/* [m, n] without gaps, row-major or (turned) column-major; f32 or bf16 */
const tn__layout *tn__layout_matrix(tn__dnnl *d, tn_dtype dtype, int64_t m, int64_t n,
                                    bool turned);
/* f32 [N, C, H, W] as [N, C / 16, H, W, 16]; C must be a multiple. */
const tn__layout *tn__layout_blocks(tn__dnnl *d, const tn__shape *shape);
/* f32 images [N, C, H, W] as convolutions like them: in blocks of channels, or plain
 * where those would be padded. */
const tn__layout *tn__layout_images(tn__dnnl *d, const tn__shape *shape);
/* The same bytes with other axes: axis k is axis perm[k] of `layout`, which has a
 * descriptor. NULL where oneDNN cannot say that. */
const tn__layout *tn__layout_permuted(tn__dnnl *d, const tn__layout *layout,
                                      const tn__shape *shape, const int *perm);
/* B where values [N, C, ...] lie as [N, C / B, ..., B], without padding; else 0. */
size_t tn__layout_channel_block(tn__dnnl *d, const tn__layout *layout);
bool tn__layout_equal(const tn__layout *a, const tn__layout *b);
/* Row-major without gaps, f32 or bf16 (where `plain` is false). */
bool tn__layout_by_rows(tn__dnnl *d, const tn__layout *layout);
/* Real numbers that a gradient can belong to: f32, or bf16 that a kernel chose. */
static inline bool tn__layout_differs(const tn__layout *layout)
{
    return layout->dtype == TN_F32 || (layout->dtype == TN_BF16 && layout->md);
}

/* --- primitive descriptors --- */

typedef enum tn__pd_kind {
    TN__CONV_FORWARD,
    TN__CONV_BACKWARD_DATA,
    TN__CONV_BACKWARD_WEIGHTS,
    TN__GEMM_FORWARD,
    TN__GEMM_BACKWARD_DATA,
    TN__MATMUL, /* src [m, k], weights [k, n], bias [1, n], dst [m, n] */
    TN__NORM_FORWARD,
    TN__NORM_BACKWARD,
    TN__RELU_FORWARD, /* backward reads the output */
    TN__RELU_BACKWARD,
    TN__POOL_FORWARD,
    TN__POOL_BACKWARD,
    TN__ADD_FORWARD /* src + weights */
} tn__pd_kind;

/* In a backward descriptor src, weights, bias and dst are the layouts of the gradients
 * where the primitive has those, else of the values. */
typedef struct tn__pd_spec {
    tn__pd_kind kind;
    bool training;
    const tn__layout *src, *weights, *bias, *dst; /* bias NULL: none */
    dnnl_dims_t strides, dilates, window, pad_l, pad_r;
    dnnl_alg_kind_t pooling;
    float epsilon;
    unsigned flags; /* of batch norm */
    unsigned fused; /* TN__FUSE_SUM, TN__FUSE_RELU, TN__FUSE_CURVE as post-operations */
    const tn__curve *curve;     /* with TN__FUSE_CURVE */
    dnnl_primitive_desc_t hint; /* the forward descriptor, in backward ones */
} tn__pd_spec;

/* NULL where oneDNN has no such primitive; that is no failure. */
dnnl_primitive_desc_t tn__pd_create(tn__dnnl *d, const tn__pd_spec *spec);
/* It is one of oneDNN's general implementations, not made for its case. */
bool tn__pd_falls_back(dnnl_primitive_desc_t pd);
/* Layout of argument `what` (dnnl_query_src_md, ...); NULL where it has none. */
const tn__layout *tn__pd_layout(tn__dnnl *d, dnnl_primitive_desc_t pd,
                                dnnl_query_t what);

/* --- programs --- */

#define TN__CALL_ARGS 14

/* What no primitive does: makes `to` of `from`. */
typedef void tn__work(void *to, const void *from, const void *with);

typedef struct tn__call { /* a primitive, or (NULL) work */
    dnnl_primitive_t primitive;
    int count;
    dnnl_exec_arg_t args[TN__CALL_ARGS];
    tn__work *work;
    void *to;
    const void *from, *with;
} tn__call;

typedef struct tn__program {
    tn__dnnl *d;
    bool dry;
    char *scratch;
    size_t used;     /* bytes of scratch */
    tn__call *calls; /* owned by d */
    size_t count, capacity;
} tn__program;

/* Starts a program; scratch NULL: dry. */
void tn__program_begin(tn__program *p, tn__dnnl *d, void *scratch);
/* Scratch memory; NULL in a dry program. */
void *tn__program_reserve(tn__program *p, size_t bytes);
/* Appends a primitive; NULL in a dry program, which the next function takes. Valid
 * until the next call is appended. */
tn__call *tn__program_add(tn__program *p, dnnl_primitive_desc_t pd);
void tn__program_arg(tn__program *p, tn__call *call, int arg, const tn__layout *layout,
                     void *pointer);
/* Appends work; `with` lives as long as the program. */
void tn__program_work(tn__program *p, tn__work *work, void *to, const void *from,
                      const void *with);
/* Appends sums [N], f32, of the columns of `from` [M, N], f32 or bf16 and row-major, in
 * double. */
void tn__program_sum_rows(tn__program *p, const tn__layout *matrix, const void *from,
                          void *sums);
/* Appends a conversion of layout, or a copy where they are equal. */
void tn__program_move(tn__program *p, const tn__layout *from, const void *source,
                      const tn__layout *to, void *target);
/* `pointer` as the layout `want`: itself, or a reordered copy in scratch. */
void *tn__program_read(tn__program *p, const tn__layout *have, void *pointer,
                       const tn__layout *want);
/* Where a primitive may write a result in layout `made` that is to end at `pointer` as
 * `want`; tn__program_wrote() then appends what is missing. */
void *tn__program_place(tn__program *p, const tn__layout *made, const tn__layout *want,
                        void *pointer);
void tn__program_wrote(tn__program *p, const tn__layout *made, void *place,
                       const tn__layout *want, void *pointer);
tn_status tn__program_run(const tn__program *p, tn_error *err) TN_MUST_USE;

/* Backward descriptor of ReLU on values of one layout; NULL where there is none. */
dnnl_primitive_desc_t tn__pd_relu_back(tn__dnnl *d, const tn__layout *layout);
/* Appends dx = dy where y > 0, else 0. dx may be dy. */
void tn__program_relu_back(tn__program *p, dnnl_primitive_desc_t pd,
                           const tn__layout *layout, void *dx, void *dy, void *y);

/* --- kernels made of programs --- */

typedef struct tn__program_kernel tn__program_kernel;
struct tn__program_kernel {
    tn__kernel base;
    tn__dnnl *d;
    const tn__layout *out; /* base.out points here */
    tn__program refresh, forward, backward;
    /* Fills the three programs; the addresses in m are NULL in the dry build. */
    void (*build)(tn__program_kernel *kernel, const tn__kernel_memory *m);
};
/* Most inputs of a node with such a kernel. */
#define TN__PROGRAM_INPUTS 8

/* Builds dry, fills in base, and hands the kernel out. */
tn_status tn__program_kernel_finish(tn__kernel **out, tn__program_kernel *kernel,
                                    tn__dnnl *d, tn_error *err) TN_MUST_USE;

/* Windows of Conv (kernel: the weight's extents) and the pools (kernel NULL) as oneDNN
 * wants them; false where there are none. */
bool tn__dnnl_window(tn__pd_spec *spec, const tn__site *site, const int64_t *kernel);

#endif
