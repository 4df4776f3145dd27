/* view.c - strided loops; see view.h. */
#include "ops/view.h"

#include <string.h>

#include "ops/quick.h"

tn__view tn__view_dense(const tn__shape *shape)
{
    tn__view view = {0};
    int64_t stride = 1;
    for (int k = shape->rank - 1; k >= 0; k--) {
        view.stride[k] = stride;
        stride *= shape->dims[k];
    }
    return view;
}

tn__view tn__view_broadcast(const tn__shape *shape, const tn__shape *onto)
{
    tn__view dense = tn__view_dense(shape), view = {0};
    for (int k = 0; k < shape->rank; k++)
        if (shape->dims[k] != 1)
            view.stride[k + onto->rank - shape->rank] = dense.stride[k];
    return view;
}

int64_t tn__view_at(const tn__view *view, const int64_t *at, int axes)
{
    int64_t offset = view->offset;
    for (int k = 0; k < axes; k++)
        offset += at[k] * view->stride[k];
    return offset;
}

bool tn__index_next(int64_t *at, const tn__shape *extent, int axes)
{
    for (int k = axes - 1; k >= 0; k--) {
        if (++at[k] < extent->dims[k])
            return true;
        at[k] = 0;
    }
    return false;
}

static bool is_empty(const tn__shape *extent)
{
    for (int k = 0; k < extent->rank; k++)
        if (extent->dims[k] == 0)
            return true;
    return false;
}

void tn__view_join(tn__shape *extent, tn__view *a, tn__view *b)
{
    int last = 0; /* axis of the result */
    if (extent->rank == 0)
        *extent = (tn__shape){.rank = 1, .dims = {1}};
    for (int k = 1; k < extent->rank; k++) {
        int64_t dim = extent->dims[k];
        bool joins = a->stride[last] == a->stride[k] * dim &&
                     b->stride[last] == b->stride[k] * dim;
        if (dim == 1)
            continue;
        if (joins || extent->dims[last] == 1)
            extent->dims[last] *= dim;
        else
            extent->dims[++last] = dim;
        a->stride[last] = a->stride[k];
        b->stride[last] = b->stride[k];
    }
    extent->rank = last + 1;
}

static void copy_row(char *to, int64_t to_step, const char *from, int64_t from_step,
                     int64_t count, size_t size)
{
    if (to_step == 1 && from_step == 1) {
        memcpy(to, from, (size_t)count * size);
        return;
    }
    if (size == sizeof(float)) { /* the common case, without calls */
        for (int64_t i = 0; i < count; i++)
            memcpy(to + i * to_step * (int64_t)sizeof(float),
                   from + i * from_step * (int64_t)sizeof(float), sizeof(float));
        return;
    }
    for (int64_t i = 0; i < count; i++)
        memcpy(to + i * to_step * (int64_t)size, from + i * from_step * (int64_t)size,
               size);
}

/* to[j, i] = from[i, j], n by m elements: in tiles that are copied aside, so that each
 * side is walked along its cache lines; rows far apart share the sets of a cache. */
#define TURN(name, type)                                                               \
    TN__VECTORS static void name(type *to, int64_t to_step, const type *from,          \
                                 int64_t from_step, int64_t n, int64_t m)              \
    {                                                                                  \
        enum { TILE = 16 };                                                            \
        int64_t rows = n - n % TILE, columns = m - m % TILE;                           \
        type tile[TILE][TILE], row[TILE];                                              \
        for (int64_t i = 0; i < rows; i += TILE)                                       \
            for (int64_t j = 0; j < columns; j += TILE) {                              \
                for (int64_t r = 0; r < TILE; r++)                                     \
                    memcpy(tile[r], from + (i + r) * from_step + j, sizeof tile[r]);   \
                for (int64_t c = 0; c < TILE; c++) {                                   \
                    for (int64_t r = 0; r < TILE; r++)                                 \
                        row[r] = tile[r][c];                                           \
                    memcpy(to + (j + c) * to_step + i, row, sizeof row);               \
                }                                                                      \
            }                                                                          \
        for (int64_t i = 0; i < n; i++)                                                \
            for (int64_t j = i < rows ? columns : 0; j < m; j++)                       \
                to[j * to_step + i] = from[i * from_step + j];                         \
    }

TURN(turn_16, uint16_t)
TURN(turn_32, uint32_t)
TURN(turn_64, uint64_t)
TURN(turn_8, uint8_t)

/* The axis other than the last that is contiguous in `from`, where the last one is in
 * `to` only: the two make a plane to be turned; -1 where there is none. */
static int turned_axis(const tn__shape *extent, const tn__view *to,
                       const tn__view *from)
{
    int last = extent->rank - 1;
    if (to->stride[last] != 1 || from->stride[last] == 1)
        return -1;
    for (int k = 0; k < last; k++)
        if (from->stride[k] == 1)
            return k;
    return -1;
}

/* Axis k becomes the last but one. */
static void move_axis(tn__shape *extent, tn__view *a, tn__view *b, int k)
{
    int64_t dim = extent->dims[k], sa = a->stride[k], sb = b->stride[k];
    int to = extent->rank - 2;
    for (; k < to; k++) {
        extent->dims[k] = extent->dims[k + 1];
        a->stride[k] = a->stride[k + 1];
        b->stride[k] = b->stride[k + 1];
    }
    extent->dims[to] = dim;
    a->stride[to] = sa;
    b->stride[to] = sb;
}

static void turn(char *to, int64_t to_step, const char *from, int64_t from_step,
                 int64_t n, int64_t m, size_t size)
{
    if (size == sizeof(uint8_t))
        turn_8((uint8_t *)to, to_step, (const uint8_t *)from, from_step, n, m);
    else if (size == sizeof(uint16_t))
        turn_16((uint16_t *)to, to_step, (const uint16_t *)from, from_step, n, m);
    else if (size == sizeof(uint32_t))
        turn_32((uint32_t *)to, to_step, (const uint32_t *)from, from_step, n, m);
    else
        turn_64((uint64_t *)to, to_step, (const uint64_t *)from, from_step, n, m);
}

static void copy_planes(char *to, const tn__view *there, const char *from,
                        const tn__view *here, const tn__shape *extent, size_t size)
{
    int rows = extent->rank - 1, lead = rows - 1;
    int64_t at[TN__MAX_RANK] = {0};
    do
        turn(to + tn__view_at(there, at, lead) * (int64_t)size, there->stride[lead],
             from + tn__view_at(here, at, lead) * (int64_t)size, here->stride[rows],
             extent->dims[rows], extent->dims[lead], size);
    while (tn__index_next(at, extent, lead));
}

static void copy_rows(char *to, const tn__view *there, const char *from,
                      const tn__view *here, const tn__shape *extent, size_t size)
{
    int last = extent->rank - 1, lead = TN__MAX(last - 1, 0);
    int64_t rows = last ? extent->dims[lead] : 1, step = (int64_t)size;
    int64_t at[TN__MAX_RANK] = {0};
    do {
        char *t = to + tn__view_at(there, at, lead) * step;
        const char *f = from + tn__view_at(here, at, lead) * step;
        for (int64_t r = 0; r < rows; r++)
            copy_row(t + r * there->stride[lead] * step, there->stride[last],
                     f + r * here->stride[lead] * step, here->stride[last],
                     extent->dims[last], size);
    } while (tn__index_next(at, extent, lead));
}

void tn__view_copy(void *to, const tn__view *to_view, const void *from,
                   const tn__view *from_view, const tn__shape *extent, size_t size)
{
    tn__view there = *to_view, here = *from_view;
    tn__shape joined = *extent;
    if (is_empty(extent))
        return;
    tn__view_join(&joined, &there, &here);
    int turned = turned_axis(&joined, &there, &here);
    if (turned < 0) {
        copy_rows(to, &there, from, &here, &joined, size);
        return;
    }
    move_axis(&joined, &there, &here, turned);
    copy_planes(to, &there, from, &here, &joined, size);
}

static void add_row(float *to, int64_t step, const float *from, int64_t n)
{
    for (int64_t i = 0; i < n && step == 1; i++)
        to[i] += from[i];
    for (int64_t i = 0; i < n && step != 1; i++)
        to[i * step] += from[i];
}

static void add_row_bf16(uint16_t *to, int64_t step, const uint16_t *from, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i * step] =
            tn__f32_to_bf16(tn__bf16_to_f32(to[i * step]) + tn__bf16_to_f32(from[i]));
}

void tn__view_add(void *to, const tn__view *to_view, const void *from,
                  const tn__shape *extent, tn_dtype dtype)
{
    tn__view there = *to_view, here = tn__view_dense(extent);
    tn__shape joined = *extent;
    if (is_empty(extent))
        return;
    tn__view_join(&joined, &there, &here);
    int lead = joined.rank - 1;
    int64_t row = joined.dims[lead], step = there.stride[lead], done = 0;
    int64_t at[TN__MAX_RANK] = {0};
    do {
        int64_t offset = tn__view_at(&there, at, lead);
        if (dtype == TN_BF16)
            add_row_bf16((uint16_t *)to + offset, step, (const uint16_t *)from + done,
                         row);
        else
            add_row((float *)to + offset, step, (const float *)from + done, row);
        done += row;
    } while (tn__index_next(at, &joined, lead));
}

void tn__view_sum(double *to, const tn__view *to_view, const float *from,
                  const tn__shape *extent)
{
    if (is_empty(extent))
        return;
    int lead = TN__MAX(extent->rank - 1, 0);
    int64_t row = extent->rank ? extent->dims[lead] : 1;
    int64_t step = to_view->stride[lead];
    int64_t at[TN__MAX_RANK] = {0};
    do {
        double *t = to + tn__view_at(to_view, at, lead);
        for (int64_t i = 0; i < row; i++)
            t[i * step] += (double)*from++;
    } while (tn__index_next(at, extent, lead));
}

tn_status tn__view_forward(tn__tensor *out, const tn__tensor *in, const tn__view *view,
                           tn_error *err)
{
    tn__view dense = tn__view_dense(&out->shape);
    void *data;
    tn_status status = tn__tensor_write(out, &data, err);
    if (!status)
        tn__view_copy(data, &dense, tn__tensor_data(in), view, &out->shape,
                      tn__dtype_size(in->dtype));
    return status;
}

void tn__view_backward(tn__tensor *din, const tn__tensor *dout, const tn__view *view)
{
    tn__view dense = tn__view_dense(&dout->shape);
    float *dx = tn__tensor_f32(din);
    if (tn__tensor_count(din) != tn__tensor_count(dout))
        memset(dx, 0, tn__tensor_bytes(din));
    tn__view_copy(dx, view, tn__tensor_f32_const(dout), &dense, &dout->shape,
                  sizeof *dx);
}

tn_status tn__view_backward_sum(tn__tensor *din, const tn__tensor *dout,
                                const tn__view *view, tn_error *err)
{
    size_t count = tn__tensor_count(din);
    double *sum = tn__alloc(count, sizeof *sum);
    if (!sum)
        return tn__fail_memory(err, count * sizeof *sum);
    tn__view_sum(sum, view, tn__tensor_f32_const(dout), &dout->shape);
    float *dx = tn__tensor_f32(din);
    for (size_t i = 0; i < count; i++)
        dx[i] = (float)sum[i];
    tn__free(sum);
    return TN_OK;
}

tn_status tn__broadcast_shape(tn__shape *out, const tn__shape *a, const tn__shape *b,
                              tn_error *err)
{
    tn__shape shape = {.rank = TN__MAX(a->rank, b->rank)};
    for (int k = 1; k <= shape.rank; k++) {
        int64_t m = k <= a->rank ? a->dims[a->rank - k] : 1;
        int64_t n = k <= b->rank ? b->dims[b->rank - k] : 1;
        if (m != n && m != 1 && n != 1) {
            char left[TN__SHAPE_TEXT], right[TN__SHAPE_TEXT];
            return tn__fail(err, TN_ERROR_MISMATCH, "cannot broadcast %s with %s",
                            tn__shape_text(left, sizeof left, a),
                            tn__shape_text(right, sizeof right, b));
        }
        shape.dims[shape.rank - k] = m == 1 ? n : m;
    }
    *out = shape;
    return TN_OK;
}
