/* binary_quick.c - Add, Sub, Mul, Div, and Pow with 2 or 1/2, as loops of vectors.
 *
 * The output lies as the operand of its shape does. The other one is reordered to that
 * where it has the same shape; else it is stretched, and must lie plain, or as plain
 * as one with a single position does: [N, C, 1, 1] or [C, 1, 1] beside blocks of
 * channels (squeeze and excitation, layer scale). Either way both are views of one
 * extent, taken row by row. Gradients of stretched operands are summed in double. bf16
 * is computed in f32.
 */
#include <math.h>

#include "ops/onednn.h"
#include "ops/quick.h"
#include "ops/view.h"

enum { CHUNK = 1024 }; /* of a row at a time */

/* to[i] = f(g[i], u[i], v[i]) */
typedef void row_loop(float *to, const float *g, const float *u, const float *v,
                      size_t n);

#define ROW(name, formula)                                                             \
    TN__VECTORS static void name(float *to, const float *g, const float *u,            \
                                 const float *v, size_t n)                             \
    {                                                                                  \
        (void)g;                                                                       \
        (void)u;                                                                       \
        (void)v;                                                                       \
        for (size_t i = 0; i < n; i++)                                                 \
            to[i] = (formula);                                                         \
    }

ROW(add, u[i] + v[i])
ROW(sub, u[i] - v[i])
ROW(mul, u[i] * v[i])
ROW(quotient, u[i] / v[i])
ROW(square, u[i] * u[i])
ROW(root, sqrtf(u[i]))
ROW(same, g[i])
ROW(negative, -g[i])
ROW(by_u, g[i] * u[i])
ROW(by_v, g[i] * v[i])
ROW(over_v, g[i] / v[i])
ROW(div_slope_v, -g[i] * u[i] / (v[i] * v[i]))
ROW(square_slope, 2 * g[i] * u[i])
ROW(root_slope, 0.5f * g[i] / sqrtf(u[i]))

typedef struct function {
    const char *type;
    float exponent; /* of Pow */
    row_loop *value, *slope[2];
    bool reads; /* the slopes read the operands */
} function;

static const function functions[] = {
    {"Add", 0, add, {same, same}, false},
    {"Sub", 0, sub, {same, negative}, false},
    {"Mul", 0, mul, {by_v, by_u}, true},
    {"Div", 0, quotient, {over_v, div_slope_v}, true},
    {"Pow", 2, square, {square_slope, NULL}, true},
    {"Pow", 0.5f, root, {root_slope, NULL}, true},
};

typedef struct binary_kernel {
    tn__kernel base;
    tn__dnnl *d;
    const function *f;
    const tn__layout *y;
    const tn__layout *other; /* of the operand that is moved to y's layout, or NULL */
    int full;                /* the operand that lies as y */
    tn__shape extent;
    tn__view view[2]; /* of the operands; the output is dense */
    size_t count[2];  /* elements of the operands */
    size_t count_y;
    bool wanted[2]; /* gradients that are not the output's */
    bool stretched[2];
    bool half[2], half_y; /* in bf16 */
    double *sum[2];       /* of the gradients of stretched operands */
    const void *in[2];
    void *out, *din[2];
    const void *dout;
    tn__program read, write; /* of the operand that is moved, of its gradient */
} binary_kernel;

/* --- running ------------------------------------------------------------------------
 */

/* n numbers from x[at] on, in place or widened into `room`. */
static const float *numbers(const void *x, bool half, size_t at, size_t n, float *room)
{
    if (!half)
        return (const float *)x + at;
    tn__quick_widen(room, (const uint16_t *)x + at, n);
    return room;
}

/* n elements of an operand from `at` on as a row without gaps. */
static const float *row_of(const binary_kernel *b, int k, int64_t offset, size_t at,
                           size_t n, float *room)
{
    size_t first = (size_t)offset;
    if (b->view[k].stride[b->extent.rank - 1])
        return numbers(b->in[k], b->half[k], first + at, n, room);
    float x = *numbers(b->in[k], b->half[k], first, 1, room);
    for (size_t i = 0; i < n; i++)
        room[i] = x;
    return room;
}

/* to[at...] = f of n elements, where `to` is of f32 or bf16. */
static void write_row(void *to, bool half, size_t at, row_loop *f, const float *g,
                      const float *u, const float *v, size_t n)
{
    float made[CHUNK];
    f(half ? made : (float *)to + at, g, u, v, n);
    if (half)
        tn__quick_narrow((uint16_t *)to + at, made, n);
}

static void sum_row(const binary_kernel *b, int k, const float *g, const float *u,
                    const float *v, int64_t offset, size_t at, size_t n)
{
    float made[CHUNK];
    b->f->slope[k](made, g, u, v, n);
    double *sum = b->sum[k] + offset;
    if (!b->view[k].stride[b->extent.rank - 1]) {
        *sum += tn__quick_sum(made, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        sum[at + i] += (double)made[i];
}

/* Forward, or (backward) the gradients that are wanted. */
static void walk(const binary_kernel *b, bool backward)
{
    int lead = b->extent.rank - 1;
    size_t row = (size_t)b->extent.dims[lead], y = 0;
    int64_t index[TN__MAX_RANK] = {0};
    float room[3][CHUNK];
    do {
        int64_t offset[2] = {tn__view_at(&b->view[0], index, lead),
                             tn__view_at(&b->view[1], index, lead)};
        for (size_t at = 0, n; at < row; at += n, y += n) {
            n = TN__MIN(row - at, (size_t)CHUNK);
            const float *u = row_of(b, 0, offset[0], at, n, room[0]);
            const float *v = row_of(b, 1, offset[1], at, n, room[1]);
            if (!backward) {
                write_row(b->out, b->half_y, y, b->f->value, NULL, u, v, n);
                continue;
            }
            const float *g = numbers(b->dout, b->half_y, y, n, room[2]);
            for (int k = 0; k < 2; k++)
                if (b->wanted[k] && b->stretched[k])
                    sum_row(b, k, g, u, v, offset[k], at, n);
                else if (b->wanted[k])
                    write_row(b->din[k], b->half[k], y, b->f->slope[k], g, u, v, n);
        }
    } while (tn__index_next(index, &b->extent, lead));
}

/* The sums as the gradient of operand k. */
static void store_sums(const binary_kernel *b, int k)
{
    for (size_t i = 0; i < b->count[k] && b->sum[k]; i++)
        if (b->half[k])
            ((uint16_t *)b->din[k])[i] = tn__f32_to_bf16((float)b->sum[k][i]);
        else
            ((float *)b->din[k])[i] = (float)b->sum[k][i];
}

static tn_status binary_forward(tn__kernel *kernel, tn_error *err)
{
    binary_kernel *b = (binary_kernel *)kernel;
    tn_status status = tn__program_run(&b->read, err);
    if (!status)
        walk(b, false);
    return status;
}

static tn_status binary_backward(tn__kernel *kernel, tn_error *err)
{
    binary_kernel *b = (binary_kernel *)kernel;
    for (int k = 0; k < 2; k++)
        if (b->sum[k])
            memset(b->sum[k], 0, b->count[k] * sizeof *b->sum[k]);
    if (b->wanted[0] || b->wanted[1])
        walk(b, true);
    for (int k = 0; k < 2; k++)
        store_sums(b, k);
    return tn__program_run(&b->write, err);
}

/* The moved operand stays in the workspace, for backward. */
static void build(binary_kernel *b, const tn__kernel_memory *m)
{
    int k = 1 - b->full;
    if (!b->other)
        return;
    tn__program_move(&b->read, b->other, m ? m->in[k] : NULL, b->y,
                     m ? m->workspace : NULL);
    if (!b->wanted[k])
        return;
    float *made = tn__program_reserve(&b->write, b->y->bytes);
    tn__program_move(&b->write, b->y, made, b->other, m ? m->din[k] : NULL);
    if (m)
        b->din[k] = made;
}

static tn_status binary_bind(tn__kernel *kernel, const tn__kernel_memory *m,
                             tn_error *err)
{
    binary_kernel *b = (binary_kernel *)kernel;
    for (int k = 0; k < 2; k++) {
        b->in[k] = m->in[k];
        b->din[k] = m->din[k];
    }
    b->out = m->out[0];
    b->dout = m->dout[0];
    tn__program_begin(&b->read, b->d, m->scratch_forward);
    tn__program_begin(&b->write, b->d, m->scratch_backward);
    build(b, m);
    if (b->other)
        b->in[1 - b->full] = m->workspace;
    return tn__dnnl_check(b->d, err);
}

/* --- how the operands lie -----------------------------------------------------------
 */

static const function *find(const tn__site *site)
{
    const tn__tensor *power = site->constant[1];
    for (size_t i = 0; i < TN__COUNT(functions); i++) {
        if (strcmp(functions[i].type, site->node->type) != 0)
            continue;
        if (functions[i].exponent == 0 ||
            (power && tn__tensor_count(power) == 1 &&
             tn__tensor_get_f64(power, 0) == (double)functions[i].exponent))
            return &functions[i];
    }
    return NULL;
}

/* A layout without padding; parameters and constants are plain. */
static bool is_full(const tn__kernel_request *request, int k)
{
    const tn__layout *x = request->in[k];
    size_t count;
    return x && x->md && tn__shape_equal(&x->shape, &request->site->out[0]) &&
           tn__shape_count(&count, &x->shape) &&
           x->bytes == count * tn__dtype_size(x->dtype);
}

static bool is_plain(const tn__kernel_request *request, int k)
{
    return !request->in[k] || tn__layout_by_rows(request->dnnl, request->in[k]);
}

/* Both over the whole output, whatever its layout. */
static void lay_flat(binary_kernel *b)
{
    b->extent = (tn__shape){.rank = 1, .dims = {(int64_t)b->count_y}};
    b->view[0] = b->view[1] = (tn__view){.stride = {1}};
}

static void lay_plain(binary_kernel *b, const tn__site *site)
{
    b->extent = site->out[0];
    for (int k = 0; k < 2; k++)
        b->view[k] = tn__view_broadcast(site->in[k], &b->extent);
    tn__view_join(&b->extent, &b->view[0], &b->view[1]);
}

/* One number for each channel, of every image or of each. */
static bool is_gate(const tn__layout *layout, const tn__shape *shape,
                    const tn__shape *y)
{
    size_t count;
    int shift = y->rank - shape->rank;
    if (!tn__shape_count(&count, shape) ||
        (layout && layout->bytes != count * tn__dtype_size(layout->dtype)))
        return false;
    for (int a = 0; a < shape->rank; a++) {
        int axis = a + shift;
        if (axis >= 2
                ? shape->dims[a] != 1
                : shape->dims[a] != y->dims[axis] && (axis == 1 || shape->dims[a] != 1))
            return false;
    }
    return shift <= 1 || count == 1;
}

static bool lay_gated(binary_kernel *b, const tn__kernel_request *request)
{
    int k = 1 - b->full;
    const tn__site *site = request->site;
    const tn__shape *y = &site->out[0], *gate = site->in[k];
    size_t block = tn__layout_channel_block(b->d, b->y);
    if (b->count[k] == 1) {
        lay_flat(b);
        b->view[k].stride[0] = 0;
        return true;
    }
    if (!block || !is_gate(request->in[k], gate, y))
        return false;
    int64_t channels = y->dims[1], positions = 1, size = (int64_t)block;
    for (int a = 2; a < y->rank; a++)
        positions *= y->dims[a];
    bool each = gate->rank == y->rank && gate->dims[0] == y->dims[0];
    b->extent =
        (tn__shape){.rank = 4, .dims = {y->dims[0], channels / size, positions, size}};
    b->view[b->full] = tn__view_dense(&b->extent);
    b->view[k] = (tn__view){.stride = {each ? channels : 0, size, 0, 1}};
    tn__view_join(&b->extent, &b->view[0], &b->view[1]);
    return true;
}

/* It may lie as the output: that is f32 where bf16 is not wanted. */
static bool leads(const tn__kernel_request *request, int k)
{
    return is_full(request, k) &&
           (request->bf16_out || request->in[k]->dtype == TN_F32);
}

static bool lay_out(binary_kernel *b, const tn__kernel_request *request)
{
    const tn__site *site = request->site;
    b->full = leads(request, 0) ? 0 : 1;
    bool given = leads(request, b->full);
    int k = 1 - b->full;
    b->y = given ? request->in[b->full] : tn__layout_plain(b->d, TN_F32, &site->out[0]);
    if (!b->y)
        return false;
    if (given && is_full(request, k)) {
        b->other = tn__layout_equal(b->y, request->in[k]) ? NULL : request->in[k];
        lay_flat(b);
        return true;
    }
    if (is_plain(request, 0) && is_plain(request, 1)) {
        lay_plain(b, site);
        return true;
    }
    return given && lay_gated(b, request);
}

/* --- making -------------------------------------------------------------------------
 */

static bool suits(const tn__kernel_request *request)
{
    size_t count;
    const tn__site *site = request->site;
    for (int k = 0; k < 2; k++)
        if (request->in[k] && !tn__layout_differs(request->in[k]))
            return false;
    return (request->in[0] || request->in[1]) && site->in_dtype[0] == TN_F32 &&
           site->in_dtype[1] == TN_F32 && tn__shape_count(&count, &site->out[0]) &&
           count;
}

/* An operand that is moved lies as the output then. */
static void note_types(binary_kernel *b, const tn__kernel_request *request)
{
    b->half_y = b->y->dtype == TN_BF16;
    for (int k = 0; k < 2; k++)
        b->half[k] = b->other && k != b->full
                         ? b->half_y
                         : request->in[k] && request->in[k]->dtype == TN_BF16;
}

/* Which gradients must be computed: that of a sum is its output's. */
static void plan_gradients(binary_kernel *b, const tn__kernel_request *request)
{
    for (int k = 0; k < 2; k++) {
        b->stretched[k] = b->count[k] != b->count_y;
        b->wanted[k] = request->wanted[k];
        if (!b->wanted[k])
            continue;
        bool moved = b->other && k != b->full;
        if (b->f->slope[k] == same && !b->stretched[k] && !moved && request->in[k] &&
            b->half[k] == b->half_y) {
            b->base.passes |= 1u << k;
            b->wanted[k] = false;
        } else if (b->stretched[k]) {
            b->sum[k] = tn__dnnl_alloc(b->d, b->count[k], sizeof *b->sum[k]);
        }
        b->base.keeps_in |= b->f->reads;
    }
    for (int k = 0; k < 2; k++)
        if (b->wanted[k] && !b->stretched[k] && !request->wanted[1 - k] &&
            request->in[k] && !(b->other && k != b->full) && b->half[k] == b->half_y)
            b->base.in_place = 1u << k;
}

static void measure(binary_kernel *b)
{
    tn__program_begin(&b->read, b->d, NULL);
    tn__program_begin(&b->write, b->d, NULL);
    build(b, NULL);
    b->base.workspace = b->other ? b->y->bytes : 0;
    b->base.scratch_forward = b->read.used + 64;
    b->base.scratch_backward = b->write.used + 64;
}

static tn_status create(tn__kernel **out, const tn__kernel_request *request,
                        tn_error *err)
{
    const tn__site *site = request->site;
    const function *f = find(site);
    if (!f || !suits(request) || (!f->slope[1] && request->wanted[1]))
        return TN_OK;
    binary_kernel *b = tn__dnnl_alloc(request->dnnl, 1, sizeof *b);
    if (!b)
        return tn__dnnl_check(request->dnnl, err);
    b->d = request->dnnl;
    b->f = f;
    (void)tn__shape_count(&b->count_y, &site->out[0]);
    for (int k = 0; k < 2; k++)
        (void)tn__shape_count(&b->count[k], site->in[k]);
    if (!lay_out(b, request))
        return tn__dnnl_check(b->d, err);
    note_types(b, request);
    plan_gradients(b, request);
    measure(b);
    b->base.out = &b->y;
    b->base.bind = binary_bind;
    b->base.forward = binary_forward;
    b->base.backward = binary_backward;
    *out = &b->base;
    return tn__dnnl_check(b->d, err);
}

const tn__kernel_class tn__binary_quick = {
    .name = "binary:quick", .bf16 = TN__BF16_TAKES, .create = create};
