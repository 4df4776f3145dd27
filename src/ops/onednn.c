/* onednn.c - the worker's context, layouts and programs.
 *
 * Everything made is put on one list of its context and destroyed with it, in reverse
 * order. Scratch memory that primitives want is theirs no longer (user mode): a plan
 * may then be run from any thread, and the arena accounts for all of it. Descriptors of
 * primitives are in onednn_pd.c.
 */
#include "ops/onednn.h"

#include <assert.h>
#include <string.h>

typedef enum owned_kind {
    OWNED_BYTES,
    OWNED_PRIMITIVE,
    OWNED_MEMORY,
    OWNED_PD,
    OWNED_MD /* 3.x; in 2.x memory descriptors are plain bytes */
} owned_kind;

typedef struct owned {
    owned_kind kind;
    void *thing;
} owned;

struct tn__dnnl {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    owned *list;
    size_t count, capacity;
    tn_error failure; /* code TN_OK: none */
};

static tn_status status_of(dnnl_status_t status, const char *what, tn_error *err)
{
    switch (status) {
    case dnnl_success:
        return TN_OK;
    case dnnl_out_of_memory:
        return tn__fail(err, TN_ERROR_MEMORY, "out of memory in oneDNN: %s", what);
    case dnnl_unimplemented:
        return tn__fail(err, TN_ERROR_UNSUPPORTED, "oneDNN has no %s", what);
    default:
        return tn__fail(err, TN_ERROR_UNSUPPORTED, "oneDNN refuses %s: status %d", what,
                        (int)status);
    }
}

/* Records a failure; true where there was none, now or before. */
static bool succeeded(tn__dnnl *d, dnnl_status_t status, const char *what)
{
    if (d->failure.code == TN_OK && status != dnnl_success)
        d->failure.code = status_of(status, what, &d->failure);
    return d->failure.code == TN_OK;
}

static void destroy(owned *o)
{
    switch (o->kind) {
    case OWNED_BYTES:
        tn__free(o->thing);
        break;
    case OWNED_PRIMITIVE:
        dnnl_primitive_destroy(o->thing);
        break;
    case OWNED_MEMORY:
        dnnl_memory_destroy(o->thing);
        break;
    case OWNED_PD:
        dnnl_primitive_desc_destroy(o->thing);
        break;
    case OWNED_MD:
#if DNNL_VERSION_MAJOR >= 3
        dnnl_memory_desc_destroy(o->thing);
#endif
        break;
    }
}

/* Takes `thing`, which is destroyed at once where there is no room; NULL then. */
static void *take(tn__dnnl *d, owned_kind kind, void *thing)
{
    owned o = {kind, thing};
    tn_error err = {0};
    if (tn__grow(&d->list, &d->capacity, d->count, sizeof *d->list, &err)) {
        destroy(&o);
        succeeded(d, dnnl_out_of_memory, "bookkeeping");
        return NULL;
    }
    d->list[d->count++] = o;
    return thing;
}

/* On AVX512 without bf16 instructions oneDNN emulates them, at a quarter of the speed
 * of f32. */
bool tn__dnnl_has_bf16(void)
{
    unsigned isa = (unsigned)dnnl_get_effective_cpu_isa();
    unsigned wanted = (unsigned)dnnl_cpu_isa_avx512_core_bf16;
    return (isa & wanted) == wanted;
}

tn_status tn__dnnl_create(tn__dnnl **out, tn_error *err)
{
    tn__dnnl *d = tn__alloc(1, sizeof *d);
    if (!d)
        return tn__fail_memory(err, sizeof *d);
    tn_status status =
        status_of(dnnl_engine_create(&d->engine, dnnl_cpu, 0), "a CPU engine", err);
    if (!status)
        status = status_of(
            dnnl_stream_create(&d->stream, d->engine, dnnl_stream_default_flags),
            "a stream", err);
    if (status) {
        tn__dnnl_free(d);
        return status;
    }
    *out = d;
    return TN_OK;
}

void tn__dnnl_free(tn__dnnl *d)
{
    if (!d)
        return;
    while (d->count)
        destroy(&d->list[--d->count]);
    tn__free(d->list);
    if (d->stream)
        dnnl_stream_destroy(d->stream);
    if (d->engine)
        dnnl_engine_destroy(d->engine);
    tn__free(d);
}

tn_status tn__dnnl_check(tn__dnnl *d, tn_error *err)
{
    tn_status status = d->failure.code;
    if (status)
        (void)tn__fail(err, status, "%s", d->failure.message);
    d->failure = (tn_error){0};
    return status;
}

void *tn__dnnl_alloc(tn__dnnl *d, size_t count, size_t size)
{
    size_t bytes;
    if (d->failure.code)
        return NULL;
    void *memory =
        tn__mul(&bytes, count, size) ? tn__alloc_aligned(TN__MAX(bytes, 1)) : NULL;
    if (!memory) {
        succeeded(d, dnnl_out_of_memory, "a kernel's memory");
        return NULL;
    }
    return take(d, OWNED_BYTES, memory);
}

tn_status tn__dnnl_product(float *c, const float *a, bool turn_a, const float *b,
                           bool turn_b, size_t m, size_t n, size_t k, float beta,
                           tn_error *err)
{
    if (m == 0 || n == 0)
        return TN_OK;
    dnnl_dim_t rows = (dnnl_dim_t)m, columns = (dnnl_dim_t)n, inner = (dnnl_dim_t)k;
    dnnl_status_t status = dnnl_sgemm(turn_a ? 'T' : 'N', turn_b ? 'T' : 'N', rows,
                                      columns, inner, 1.0f, a, turn_a ? rows : inner, b,
                                      turn_b ? inner : columns, beta, c, columns);
    return status == dnnl_success ? TN_OK : status_of(status, "a product", err);
}

tn_status tn__dnnl_wait(tn__dnnl *d, tn_error *err)
{
    return status_of(dnnl_stream_wait(d->stream), "waiting for a stream", err);
}

/* --- layouts --- */

typedef struct full_dims { /* oneDNN's arrays are longer than ours */
    dnnl_dims_t dims, strides;
} full_dims;

static void full_dims_fill(full_dims *full, const tn__shape *shape,
                           const int64_t *strides)
{
    memset(full, 0, sizeof *full);
    for (int i = 0; i < shape->rank; i++) {
        full->dims[i] = shape->dims[i];
        full->strides[i] = strides ? strides[i] : 0;
    }
}

#if DNNL_VERSION_MAJOR >= 3
static size_t md_size(tn__md md)
{
    return dnnl_memory_desc_get_size(md);
}

static bool md_shape(tn__shape *shape, tn__md md)
{
    dnnl_dims_t *dims;
    if (dnnl_memory_desc_query(md, dnnl_query_ndims_s32, &shape->rank) !=
            dnnl_success ||
        dnnl_memory_desc_query(md, dnnl_query_dims, &dims) != dnnl_success ||
        shape->rank > TN__MAX_RANK)
        return false;
    memcpy(shape->dims, *dims, shape->rank * sizeof shape->dims[0]);
    return true;
}

static tn__md md_copy(tn__dnnl *d, tn__md md)
{
    dnnl_memory_desc_t copy = NULL;
    return succeeded(d, dnnl_memory_desc_clone(&copy, md), "a memory descriptor")
               ? take(d, OWNED_MD, copy)
               : NULL;
}

static dnnl_data_type_t type_of(tn__md md)
{
    dnnl_data_type_t type = dnnl_data_type_undef;
    (void)dnnl_memory_desc_query(md, dnnl_query_data_type, &type);
    return type;
}

static tn__md md_make(tn__dnnl *d, dnnl_data_type_t type, const tn__shape *shape,
                      const int64_t *strides, dnnl_format_tag_t tag)
{
    full_dims full;
    dnnl_memory_desc_t md = NULL;
    full_dims_fill(&full, shape, strides);
    dnnl_status_t status =
        strides
            ? dnnl_memory_desc_create_with_strides(&md, shape->rank, full.dims, type,
                                                   full.strides)
            : dnnl_memory_desc_create_with_tag(&md, shape->rank, full.dims, type, tag);
    return succeeded(d, status, "a memory descriptor") ? take(d, OWNED_MD, md) : NULL;
}

static tn__md md_permuted(tn__dnnl *d, tn__md md, const int *to)
{
    dnnl_memory_desc_t made = NULL;
    if (d->failure.code || dnnl_memory_desc_permute_axes(&made, md, to) != dnnl_success)
        return NULL;
    return take(d, OWNED_MD, made);
}
#else
static size_t md_size(tn__md md)
{
    return dnnl_memory_desc_get_size(md);
}

static bool md_shape(tn__shape *shape, tn__md md)
{
    if (md->ndims > TN__MAX_RANK)
        return false;
    shape->rank = md->ndims;
    memcpy(shape->dims, md->dims, md->ndims * sizeof shape->dims[0]);
    return true;
}

static tn__md md_copy(tn__dnnl *d, tn__md md)
{
    dnnl_memory_desc_t *copy = tn__dnnl_alloc(d, 1, sizeof *copy);
    if (copy)
        *copy = *md;
    return copy;
}

static dnnl_data_type_t type_of(tn__md md)
{
    return md->data_type;
}

/* strides NULL: by the tag */
static tn__md md_make(tn__dnnl *d, dnnl_data_type_t type, const tn__shape *shape,
                      const int64_t *strides, dnnl_format_tag_t tag)
{
    full_dims full;
    dnnl_memory_desc_t md;
    full_dims_fill(&full, shape, strides);
    dnnl_status_t status =
        strides ? dnnl_memory_desc_init_by_strides(&md, shape->rank, full.dims, type,
                                                   full.strides)
                : dnnl_memory_desc_init_by_tag(&md, shape->rank, full.dims, type, tag);
    return succeeded(d, status, "a memory descriptor") ? md_copy(d, &md) : NULL;
}

static tn__md md_permuted(tn__dnnl *d, tn__md md, const int *to)
{
    dnnl_memory_desc_t made;
    if (d->failure.code || dnnl_memory_desc_permute_axes(&made, md, to) != dnnl_success)
        return NULL;
    return md_copy(d, &made);
}
#endif

static void row_major(int64_t *strides, const tn__shape *shape)
{
    int64_t stride = 1;
    for (int i = shape->rank; i-- > 0;) {
        strides[i] = stride;
        stride *= TN__MAX(shape->dims[i], 1);
    }
}

static tn__layout *layout_new(tn__dnnl *d, tn_dtype dtype, const tn__shape *shape)
{
    tn__layout *layout = tn__dnnl_alloc(d, 1, sizeof *layout);
    if (layout) {
        layout->dtype = dtype;
        layout->shape = *shape;
    }
    return layout;
}

const tn__layout *tn__layout_plain(tn__dnnl *d, tn_dtype dtype, const tn__shape *shape)
{
    size_t count;
    tn__layout *layout = layout_new(d, dtype, shape);
    if (!layout)
        return NULL;
    layout->plain = true;
    if (!tn__shape_count(&count, shape) ||
        !tn__mul(&layout->bytes, count, tn__dtype_size(dtype))) {
        succeeded(d, dnnl_out_of_memory, "a layout");
        return NULL;
    }
    if (dtype != TN_F32 || count == 0)
        return layout;
    tn__shape full = *shape;
    if (full.rank == 0)
        full = (tn__shape){.rank = 1, .dims = {1}};
    int64_t strides[TN__MAX_RANK];
    row_major(strides, &full);
    layout->md = md_make(d, dnnl_f32, &full, strides, dnnl_format_tag_undef);
    return layout->md ? layout : NULL;
}

const tn__layout *tn__layout_any(tn__dnnl *d, tn_dtype dtype, const tn__shape *shape)
{
    tn__layout *layout = layout_new(d, dtype, shape);
    dnnl_data_type_t type = dtype == TN_BF16 ? dnnl_bf16 : dnnl_f32;
    if (!layout || !(layout->md = md_make(d, type, shape, NULL, dnnl_format_tag_any)))
        return NULL;
    return layout;
}

const tn__layout *tn__layout_strided(tn__dnnl *d, tn_dtype dtype,
                                     const tn__shape *shape, const int64_t *strides)
{
    tn__layout *layout = layout_new(d, dtype, shape);
    dnnl_data_type_t type = dtype == TN_BF16 ? dnnl_bf16 : dnnl_f32;
    if (!layout ||
        !(layout->md = md_make(d, type, shape, strides, dnnl_format_tag_undef)))
        return NULL;
    layout->bytes = md_size(layout->md);
    return layout;
}

const tn__layout *tn__layout_rows(tn__dnnl *d, tn_dtype dtype, const tn__shape *shape)
{
    int64_t strides[TN__MAX_RANK];
    if (dtype == TN_F32)
        return tn__layout_plain(d, dtype, shape);
    row_major(strides, shape);
    return tn__layout_strided(d, dtype, shape, strides);
}

const tn__layout *tn__layout_matrix(tn__dnnl *d, tn_dtype dtype, int64_t m, int64_t n,
                                    bool turned)
{
    tn__shape shape = {.rank = 2, .dims = {m, n}};
    int64_t strides[2] = {turned ? 1 : n, turned ? m : 1};
    return tn__layout_strided(d, dtype, &shape, strides);
}

static const tn__layout *blocks_of(tn__dnnl *d, const tn__shape *shape, bool wide)
{
    tn__layout *layout = layout_new(d, TN_F32, shape);
    if (!layout || !(layout->md = md_make(d, dnnl_f32, shape, NULL,
                                          wide ? dnnl_nChw16c : dnnl_nChw8c)))
        return NULL;
    layout->bytes = md_size(layout->md);
    return layout;
}

const tn__layout *tn__layout_blocks(tn__dnnl *d, const tn__shape *shape)
{
    return blocks_of(d, shape, true);
}

const tn__layout *tn__layout_images(tn__dnnl *d, const tn__shape *shape)
{
    bool wide = dnnl_get_effective_cpu_isa() >= dnnl_cpu_isa_avx512_core;
    if (shape->rank != 4 || shape->dims[1] % (wide ? 16 : 8) != 0)
        return tn__layout_plain(d, TN_F32, shape);
    return blocks_of(d, shape, wide);
}

const tn__layout *tn__layout_permuted(tn__dnnl *d, const tn__layout *layout,
                                      const tn__shape *shape, const int *perm)
{
    int to[TN__MAX_RANK]; /* axis k of `layout` becomes axis to[k] */
    for (int k = 0; k < shape->rank; k++)
        to[perm[k]] = k;
    tn__layout *made = layout_new(d, layout->dtype, shape);
    if (!made || !(made->md = md_permuted(d, layout->md, to)))
        return NULL;
    made->bytes = layout->bytes;
    return made;
}

bool tn__layout_equal(const tn__layout *a, const tn__layout *b)
{
    if (a == b)
        return true;
    if (a->dtype != b->dtype)
        return false;
    if (!a->md || !b->md)
        return !a->md && !b->md && a->bytes == b->bytes;
    return dnnl_memory_desc_equal(a->md, b->md) != 0;
}

bool tn__layout_by_rows(tn__dnnl *d, const tn__layout *layout)
{
    if (layout->plain || layout->dtype != TN_BF16)
        return layout->plain;
    const tn__layout *rows = tn__layout_rows(d, TN_BF16, &layout->shape);
    return rows && tn__layout_equal(layout, rows);
}

size_t tn__layout_channel_block(tn__dnnl *d, const tn__layout *layout)
{
    static const struct {
        size_t block; /* 0: all channels */
        dnnl_format_tag_t tag[3];
    } forms[] = {{0, {dnnl_nwc, dnnl_nhwc, dnnl_ndhwc}},
                 {4, {dnnl_nCw4c, dnnl_nChw4c, dnnl_nCdhw4c}},
                 {8, {dnnl_nCw8c, dnnl_nChw8c, dnnl_nCdhw8c}},
                 {16, {dnnl_nCw16c, dnnl_nChw16c, dnnl_nCdhw16c}}};
    const tn__shape *shape = &layout->shape;
    size_t count, channels = shape->rank > 1 ? (size_t)shape->dims[1] : 0;
    if (!tn__layout_differs(layout) || !layout->md || shape->rank < 3 ||
        shape->rank > 5 || !tn__shape_count(&count, shape) ||
        layout->bytes != count * tn__dtype_size(layout->dtype))
        return 0;
    dnnl_data_type_t type = layout->dtype == TN_BF16 ? dnnl_bf16 : dnnl_f32;
    for (size_t k = 0; k < TN__COUNT(forms) && !d->failure.code; k++) {
        tn__md md = md_make(d, type, shape, NULL, forms[k].tag[shape->rank - 3]);
        if (md && dnnl_memory_desc_equal(md, layout->md))
            return forms[k].block ? forms[k].block : channels;
    }
    return 0;
}

const tn__layout *tn__pd_layout(tn__dnnl *d, dnnl_primitive_desc_t pd,
                                dnnl_query_t what)
{
    if (d->failure.code)
        return NULL;
    tn__md md = dnnl_primitive_desc_query_md(pd, what, 0);
    tn__shape shape;
    if (!md || md_size(md) == 0 || !md_shape(&shape, md))
        return NULL;
    tn_dtype dtype = type_of(md) == dnnl_bf16 ? TN_BF16 : TN_F32;
    tn__layout *layout = layout_new(d, dtype, &shape);
    if (!layout || !(layout->md = md_copy(d, md)))
        return NULL;
    layout->bytes = md_size(md);
    if (dtype != TN_F32)
        return layout;
    const tn__layout *plain = tn__layout_plain(d, TN_F32, &shape);
    layout->plain = plain && dnnl_memory_desc_equal(plain->md, md);
    return layout;
}

/* --- primitive descriptors, bookkeeping --- */

bool tn__pd_falls_back(dnnl_primitive_desc_t pd)
{
    const char *name = NULL; /* "x64:gemm:jit", "ref:any", "brgemm:avx512_core" */
    return dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name) ==
               dnnl_success &&
           name && !strstr(name, "brgemm:") &&
           (strstr(name, "gemm:") || strstr(name, "ref:"));
}

dnnl_status_t tn__pd_make(dnnl_primitive_desc_t *out, const tn__pd_spec *spec,
                          dnnl_primitive_attr_t attr, dnnl_engine_t engine);

static dnnl_status_t append_sum(dnnl_post_ops_t posts)
{
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_post_ops_append_sum(posts, 1.0f, 0, dnnl_data_type_undef);
#else
    return dnnl_post_ops_append_sum(posts, 1.0f);
#endif
}

static dnnl_status_t append_eltwise(dnnl_post_ops_t posts, dnnl_alg_kind_t alg,
                                    float alpha, float beta)
{
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_post_ops_append_eltwise(posts, alg, alpha, beta);
#else
    return dnnl_post_ops_append_eltwise(posts, 1.0f, alg, alpha, beta);
#endif
}

static dnnl_status_t append_curve(dnnl_post_ops_t posts, const tn__curve *curve)
{
    switch (curve->kind) {
    case TN__CURVE_GELU:
        return append_eltwise(posts, dnnl_eltwise_gelu_erf, 0, 0);
    case TN__CURVE_CLIP:
        return append_eltwise(posts, dnnl_eltwise_clip, curve->p[0], curve->p[1]);
    case TN__CURVE_HARD_SWISH: /* 2.x takes no numbers */
        return append_eltwise(posts, dnnl_eltwise_hardswish,
                              DNNL_VERSION_MAJOR >= 3 ? 1.0f / 6 : 0,
                              DNNL_VERSION_MAJOR >= 3 ? 0.5f : 0);
    case TN__CURVE_SIGMOID:
        return append_eltwise(posts, dnnl_eltwise_logistic, 0, 0);
    case TN__CURVE_LEAKY:
        return append_eltwise(posts, dnnl_eltwise_relu, curve->p[0], 0);
    }
    return dnnl_invalid_arguments;
}

static dnnl_status_t append_posts(dnnl_post_ops_t posts, unsigned fused,
                                  const tn__curve *curve)
{
    dnnl_status_t status = dnnl_success;
    if (fused & TN__FUSE_SUM)
        status = append_sum(posts);
    if (status == dnnl_success && fused & TN__FUSE_RELU)
        status = append_eltwise(posts, dnnl_eltwise_relu, 0, 0);
    if (status == dnnl_success && fused & TN__FUSE_CURVE)
        status = append_curve(posts, curve);
    return status;
}

static dnnl_status_t attr_create(dnnl_primitive_attr_t *out, unsigned fused,
                                 const tn__curve *curve)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_post_ops_t posts = NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(&attr);
    if (status == dnnl_success)
        status =
            dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (status == dnnl_success && fused)
        status = dnnl_post_ops_create(&posts);
    if (status == dnnl_success && fused)
        status = append_posts(posts, fused, curve);
    if (status == dnnl_success && fused)
        status = dnnl_primitive_attr_set_post_ops(attr, posts);
    if (posts)
        dnnl_post_ops_destroy(posts);
    if (status != dnnl_success && attr)
        dnnl_primitive_attr_destroy(attr);
    else
        *out = attr;
    return status;
}

dnnl_primitive_desc_t tn__pd_create(tn__dnnl *d, const tn__pd_spec *spec)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    if (d->failure.code ||
        !succeeded(d, attr_create(&attr, spec->fused, spec->curve), "attributes"))
        return NULL;
    dnnl_status_t status = tn__pd_make(&pd, spec, attr, d->engine);
    dnnl_primitive_attr_destroy(attr);
    if (status == dnnl_unimplemented || status == dnnl_invalid_arguments)
        return NULL;
    if (!succeeded(d, status, "a primitive descriptor"))
        return NULL;
    return take(d, OWNED_PD, pd);
}

/* --- programs --- */

void tn__program_begin(tn__program *p, tn__dnnl *d, void *scratch)
{
    *p = (tn__program){.d = d, .dry = !scratch, .scratch = scratch};
}

void *tn__program_reserve(tn__program *p, size_t bytes)
{
    size_t at = p->used;
    p->used += (bytes + 63) / 64 * 64;
    return p->dry ? NULL : p->scratch + at;
}

/* NULL where there is no memory. */
static tn__call *call_new(tn__program *p)
{
    if (p->count == p->capacity) {
        size_t capacity = p->capacity ? 2 * p->capacity : 4;
        tn__call *calls = tn__dnnl_alloc(p->d, capacity, sizeof *calls);
        if (!calls)
            return NULL;
        if (p->count)
            memcpy(calls, p->calls, p->count * sizeof *calls);
        p->calls = calls;
        p->capacity = capacity;
    }
    return &p->calls[p->count++];
}

tn__call *tn__program_add(tn__program *p, dnnl_primitive_desc_t pd)
{
    tn__dnnl *d = p->d;
    if (d->failure.code)
        return NULL;
    const tn__layout *pad = tn__pd_layout(d, pd, dnnl_query_scratchpad_md);
    void *scratch = pad ? tn__program_reserve(p, pad->bytes) : NULL;
    dnnl_primitive_t primitive = NULL;
    if (p->dry || d->failure.code ||
        !succeeded(d, dnnl_primitive_create(&primitive, pd), "creating a primitive") ||
        !take(d, OWNED_PRIMITIVE, primitive))
        return NULL;
    tn__call *call = call_new(p);
    if (!call)
        return NULL;
    call->primitive = primitive;
    if (pad)
        tn__program_arg(p, call, DNNL_ARG_SCRATCHPAD, pad, scratch);
    return call;
}

void tn__program_arg(tn__program *p, tn__call *call, int arg, const tn__layout *layout,
                     void *pointer)
{
    tn__dnnl *d = p->d;
    dnnl_memory_t memory = NULL;
    if (!call || d->failure.code)
        return;
    assert(call->count < TN__CALL_ARGS && layout && pointer);
    if (!succeeded(d, dnnl_memory_create(&memory, layout->md, d->engine, pointer),
                   "a memory object") ||
        !take(d, OWNED_MEMORY, memory))
        return;
    call->args[call->count++] = (dnnl_exec_arg_t){arg, memory};
}

/* Both layouts with oneDNN descriptors. */
static void reorder(tn__program *p, const tn__layout *from, const void *source,
                    const tn__layout *to, void *target)
{
    tn__dnnl *d = p->d;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    if (d->failure.code || !succeeded(d, attr_create(&attr, 0, NULL), "attributes"))
        return;
    dnnl_status_t status = dnnl_reorder_primitive_desc_create(&pd, from->md, d->engine,
                                                              to->md, d->engine, attr);
    dnnl_primitive_attr_destroy(attr);
    if (!succeeded(d, status, "reorder") || !take(d, OWNED_PD, pd))
        return;
    tn__call *call = tn__program_add(p, pd);
    union {
        const void *in;
        void *out;
    } unconst = {.in = source};
    tn__program_arg(p, call, DNNL_ARG_FROM, from, unconst.out);
    tn__program_arg(p, call, DNNL_ARG_TO, to, target);
}

void tn__program_work(tn__program *p, tn__work *work, void *to, const void *from,
                      const void *with)
{
    tn__call *call = p->dry || p->d->failure.code ? NULL : call_new(p);
    if (!call)
        return;
    call->work = work;
    call->to = to;
    call->from = from;
    call->with = with;
}

static void copy(void *to, const void *from, const void *layout)
{
    memcpy(to, from, ((const tn__layout *)layout)->bytes);
}

void tn__program_move(tn__program *p, const tn__layout *from, const void *source,
                      const tn__layout *to, void *target)
{
    if (p->d->failure.code)
        return;
    if (tn__layout_equal(from, to))
        tn__program_work(p, copy, target, source, from);
    else
        reorder(p, from, source, to, target);
}

void *tn__program_read(tn__program *p, const tn__layout *have, void *pointer,
                       const tn__layout *want)
{
    if (p->d->failure.code || tn__layout_equal(have, want))
        return pointer;
    void *copy = tn__program_reserve(p, want->bytes);
    reorder(p, have, pointer, want, copy);
    return copy;
}

void *tn__program_place(tn__program *p, const tn__layout *made, const tn__layout *want,
                        void *pointer)
{
    if (p->d->failure.code || tn__layout_equal(made, want))
        return pointer;
    return tn__program_reserve(p, made->bytes);
}

void tn__program_wrote(tn__program *p, const tn__layout *made, void *place,
                       const tn__layout *want, void *pointer)
{
    if (!p->d->failure.code && !tn__layout_equal(made, want))
        reorder(p, made, place, want, pointer);
}

tn_status tn__program_run(const tn__program *p, tn_error *err)
{
    for (size_t i = 0; i < p->count; i++) {
        const tn__call *call = &p->calls[i];
        if (!call->primitive) {
            call->work(call->to, call->from, call->with);
            continue;
        }
        dnnl_status_t status = dnnl_primitive_execute(call->primitive, p->d->stream,
                                                      call->count, call->args);
        if (status != dnnl_success)
            return status_of(status, "executing a primitive", err);
    }
    return TN_OK;
}

dnnl_primitive_desc_t tn__pd_relu_back(tn__dnnl *d, const tn__layout *layout)
{
    tn__pd_spec spec = {
        .kind = TN__RELU_FORWARD, .training = true, .src = layout, .dst = layout};
    spec.hint = tn__pd_create(d, &spec);
    spec.kind = TN__RELU_BACKWARD;
    return spec.hint ? tn__pd_create(d, &spec) : NULL;
}

void tn__program_relu_back(tn__program *p, dnnl_primitive_desc_t pd,
                           const tn__layout *layout, void *dx, void *dy, void *y)
{
    tn__call *call = tn__program_add(p, pd);
    tn__program_arg(p, call, DNNL_ARG_DST, layout, y);
    tn__program_arg(p, call, DNNL_ARG_DIFF_DST, layout, dy);
    tn__program_arg(p, call, DNNL_ARG_DIFF_SRC, layout, dx);
}

/* --- kernels made of programs --- */

static tn_status kernel_bind(tn__kernel *kernel, const tn__kernel_memory *memory,
                             tn_error *err)
{
    tn__program_kernel *k = (tn__program_kernel *)kernel;
    tn__program_begin(&k->refresh, k->d, memory->scratch_forward);
    tn__program_begin(&k->forward, k->d, memory->scratch_forward);
    tn__program_begin(&k->backward, k->d, memory->scratch_backward);
    k->build(k, memory);
    return tn__dnnl_check(k->d, err);
}

static tn_status kernel_refresh(tn__kernel *kernel, tn_error *err)
{
    return tn__program_run(&((tn__program_kernel *)kernel)->refresh, err);
}

static tn_status kernel_forward(tn__kernel *kernel, tn_error *err)
{
    return tn__program_run(&((tn__program_kernel *)kernel)->forward, err);
}

static tn_status kernel_backward(tn__kernel *kernel, tn_error *err)
{
    return tn__program_run(&((tn__program_kernel *)kernel)->backward, err);
}

tn_status tn__program_kernel_finish(tn__kernel **out, tn__program_kernel *kernel,
                                    tn__dnnl *d, tn_error *err)
{
    void *nowhere[TN__PROGRAM_INPUTS] = {NULL};
    tn__kernel_memory dry = {
        .in = nowhere, .out = nowhere, .din = nowhere, .dout = nowhere};
    tn_status status = tn__dnnl_check(d, err);
    if (status)
        return status;
    kernel->d = d;
    tn__program_begin(&kernel->refresh, d, NULL);
    tn__program_begin(&kernel->forward, d, NULL);
    tn__program_begin(&kernel->backward, d, NULL);
    kernel->build(kernel, &dry);
    if ((status = tn__dnnl_check(d, err)))
        return status;
    tn__kernel *base = &kernel->base;
    base->out = &kernel->out;
    base->scratch_forward = TN__MAX(kernel->refresh.used, kernel->forward.used) + 64;
    base->scratch_backward = kernel->backward.used + 64;
    base->bind = kernel_bind;
    base->refresh = kernel_refresh;
    base->forward = kernel_forward;
    base->backward = kernel_backward;
    *out = base;
    return TN_OK;
}
