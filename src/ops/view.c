/* view.c - strided loops; see view.h. */
#include "ops/view.h"

#include <string.h>

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

/* to[j, i] = from[i, j], n by m elements of `size` bytes: in tiles, so that neither
 * side is walked across cache lines. */
static inline void turn(char *to, int64_t to_step, const char *from, int64_t from_step,
                        int64_t n, int64_t m, int64_t size)
{
    enum { TILE = 32 };
    for (int64_t first = 0; first < m; first += TILE)
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = first; j < TN__MIN(first + TILE, m); j++)
                memcpy(to + (j * to_step + i) * size, from + (i * from_step + j) * size,
                       (size_t)size);
}

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

static void copy_planes(char *to, const tn__view *there, const char *from,
                        const tn__view *here, const tn__shape *extent, size_t size)
{
    int rows = extent->rank - 1, lead = rows - 1;
    int64_t n = extent->dims[rows], m = extent->dims[lead];
    int64_t to_step = there->stride[lead], from_step = here->stride[rows];
    int64_t at[TN__MAX_RANK] = {0};
    do {
        char *t = to + tn__view_at(there, at, lead) * (int64_t)size;
        const char *f = from + tn__view_at(here, at, lead) * (int64_t)size;
        if (size == sizeof(float)) /* sizes that compilers know */
            turn(t, to_step, f, from_step, n, m, sizeof(float));
        else if (size == sizeof(uint16_t))
            turn(t, to_step, f, from_step, n, m, sizeof(uint16_t));
        else
            turn(t, to_step, f, from_step, n, m, (int64_t)size);
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
    int lead = joined.rank - 1, turned = turned_axis(&joined, &there, &here);
    if (turned >= 0) {
        move_axis(&joined, &there, &here, turned);
        copy_planes(to, &there, from, &here, &joined, size);
        return;
    }
    int64_t at[TN__MAX_RANK] = {0};
    do {
        char *t = (char *)to + tn__view_at(&there, at, lead) * (int64_t)size;
        const char *f =
            (const char *)from + tn__view_at(&here, at, lead) * (int64_t)size;
        copy_row(t, there.stride[lead], f, here.stride[lead], joined.dims[lead], size);
    } while (tn__index_next(at, &joined, lead));
}

void tn__view_add(float *to, const tn__view *to_view, const float *from,
                  const tn__shape *extent)
{
    tn__view there = *to_view, here = tn__view_dense(extent);
    tn__shape joined = *extent;
    if (is_empty(extent))
        return;
    tn__view_join(&joined, &there, &here);
    int lead = joined.rank - 1;
    int64_t row = joined.dims[lead], step = there.stride[lead];
    int64_t at[TN__MAX_RANK] = {0};
    do {
        float *t = to + tn__view_at(&there, at, lead);
        for (int64_t i = 0; i < row && step == 1; i++)
            t[i] += from[i];
        for (int64_t i = 0; i < row && step != 1; i++)
            t[i * step] += from[i];
        from += row;
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
