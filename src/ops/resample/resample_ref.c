/* resample_ref.c - an axis at a time: out[o] = sum over the taps of o of weight *
 * in[tap], in double; backward the transposed sums, in reverse order.
 *
 * Taps and weights as ONNX's reference has them: around x, the place of o among the
 * inputs, lies the left neighbour l = ceil(x) - 1 at the distance x - l in (0, 1].
 * Neighbours beyond the edge are the edge. Cubic: Keys 1981; antialiasing widens the
 * kernel by the scale where that is below 1.
 */
#include <math.h>
#include <string.h>

#include "ops/operand.h"
#include "ops/resample/resample.h"

/* Of one axis: for each output `width` taps. */
typedef struct taps {
    size_t width;
    int64_t *from;  /* [out, width] */
    double *weight; /* [out, width] */
} taps;

static void release_taps(taps *t)
{
    tn__free(t->from);
    tn__free(t->weight);
}

/* The place of output o among the inputs. */
static double place_of(const tn__resample *r, const tn__resample_axis *a, int64_t o)
{
    double x = (double)o, length = a->scale * (double)a->in;
    if (strcmp(r->coordinates, "align_corners") == 0)
        return length == 1 ? 0 : x * (double)(a->in - 1) / (length - 1);
    if (strcmp(r->coordinates, "asymmetric") == 0)
        return x / a->scale;
    if (strcmp(r->coordinates, "pytorch_half_pixel") == 0 && length == 1)
        return -0.5;
    double place = (x + 0.5) / a->scale - 0.5;
    if (strcmp(r->coordinates, "half_pixel_symmetric") == 0)
        place += (double)a->in / 2 * (1 - (double)a->out / length);
    return place;
}

static double keys_cubic(double distance, double a)
{
    double d = fabs(distance);
    if (d <= 1)
        return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? a * (((d - 5) * d + 8) * d - 4) : 0;
}

/* Which of the two neighbours is nearest: 0 left, 1 right. */
static int nearest_of(const tn__resample *r, double distance)
{
    if (distance == 1)
        return 1;
    if (strcmp(r->rounding, "round_prefer_floor") == 0)
        return distance > 0.5;
    if (strcmp(r->rounding, "round_prefer_ceil") == 0)
        return distance >= 0.5;
    return strcmp(r->rounding, "ceil") == 0;
}

/* Taps begin so far right of the left neighbour; *width of them. */
static int64_t window_of(size_t *width, const tn__resample *r,
                         const tn__resample_axis *a)
{
    bool cubic = strcmp(r->mode, "cubic") == 0;
    double reach = cubic ? 2 : 1;
    int64_t start = cubic ? -1 : 0;
    if (r->antialias && strcmp(r->mode, "nearest") != 0)
        start = (int64_t)floor(-reach / fmin(a->scale, 1)) + 1;
    *width = (size_t)(2 - 2 * start);
    return start;
}

static double weight_of(const tn__resample *r, const tn__resample_axis *a, int64_t tap,
                        double distance)
{
    double scale = r->antialias ? fmin(a->scale, 1) : 1;
    double away = scale * ((double)tap - distance);
    if (strcmp(r->mode, "nearest") == 0)
        return tap == nearest_of(r, distance);
    if (strcmp(r->mode, "cubic") == 0)
        return keys_cubic(away, r->cubic);
    return fmax(1 - fabs(away), 0);
}

static void fill_output(taps *t, const tn__resample *r, const tn__resample_axis *a,
                        int64_t start, int64_t o)
{
    double x = place_of(r, a, o), left = ceil(x) - 1, sum = 0;
    bool outside = r->exclude_outside, normalised = outside || r->antialias;
    int64_t *from = t->from + (size_t)o * t->width;
    double *weight = t->weight + (size_t)o * t->width;
    for (size_t k = 0; k < t->width; k++) {
        int64_t tap = start + (int64_t)k, at = (int64_t)left + tap;
        bool beyond = at < 0 || at >= a->in;
        weight[k] = outside && beyond ? 0 : weight_of(r, a, tap, x - left);
        from[k] = TN__MIN(TN__MAX(at, 0), a->in - 1);
        sum += weight[k];
    }
    for (size_t k = 0; k < t->width && normalised && sum != 0; k++)
        weight[k] /= sum;
}

static tn_status make_taps(taps *t, const tn__resample *r, const tn__resample_axis *a,
                           tn_error *err)
{
    size_t count;
    int64_t start = window_of(&t->width, r, a);
    if (!tn__mul(&count, (size_t)a->out, t->width))
        return tn__fail_memory(err, SIZE_MAX);
    t->from = tn__alloc(count, sizeof *t->from);
    t->weight = tn__alloc(count, sizeof *t->weight);
    if (!t->from || !t->weight)
        return tn__fail_memory(err, count * sizeof *t->weight);
    for (int64_t o = 0; o < a->out; o++)
        fill_output(t, r, a, start, o);
    return TN_OK;
}

/* to [outer, m, inner] = sums of from [outer, n, inner]; `back`: transposed. */
static void resize_axis(double *to, const double *from, const taps *t, size_t outer,
                        size_t m, size_t n, size_t inner, bool back)
{
    size_t outputs = back ? n : m;
    memset(to, 0, outer * m * inner * sizeof *to);
    for (size_t b = 0; b < outer; b++)
        for (size_t o = 0; o < outputs; o++)
            for (size_t k = 0; k < t->width; k++) {
                size_t tap = (size_t)t->from[o * t->width + k];
                double w = t->weight[o * t->width + k];
                double *y = to + (b * m + (back ? tap : o)) * inner;
                const double *x = from + (b * n + (back ? o : tap)) * inner;
                for (size_t i = 0; i < inner && w != 0; i++)
                    y[i] += w * x[i];
            }
}

/* Through all axes that change, forth in order or back in reverse; *data is owned and
 * replaced. */
static tn_status resize_all(double **data, const tn__resample *r, bool back,
                            tn_error *err)
{
    int64_t dims[TN__MAX_RANK];
    for (int a = 0; a < r->rank; a++)
        dims[a] = back ? r->axis[a].out : r->axis[a].in;
    for (int step = 0; step < r->rank; step++) {
        int axis = back ? r->rank - 1 - step : step;
        const tn__resample_axis *a = &r->axis[axis];
        size_t outer = 1, inner = 1, n = (size_t)dims[axis], room;
        size_t m = (size_t)(back ? a->in : a->out);
        if (tn__resample_still(a))
            continue;
        for (int k = 0; k < r->rank; k++)
            if (k != axis)
                *(k < axis ? &outer : &inner) *= (size_t)dims[k];
        taps t = {0};
        double *made = NULL;
        tn_status status = make_taps(&t, r, a, err);
        if (!status && (!tn__mul(&room, outer * inner, m) ||
                        !(made = tn__alloc(room, sizeof *made))))
            status = tn__fail_memory(err, outer * inner * m * sizeof *made);
        if (!status)
            resize_axis(made, *data, &t, outer, m, n, inner, back);
        release_taps(&t);
        if (status)
            return status;
        tn__free(*data);
        *data = made;
        dims[axis] = (int64_t)m;
    }
    return TN_OK;
}

static tn_status resize(tn__tensor *to, const tn__tensor *from, const tn__site *site,
                        bool back, tn_error *err)
{
    tn__resample r;
    size_t count = tn__tensor_count(from);
    tn_status status = tn__expect_f32(from, err);
    if (!status)
        status = tn__resample_read(&r, site, err);
    if (status)
        return status;
    double *data = tn__alloc(count, sizeof *data);
    if (!data)
        return tn__fail_memory(err, count * sizeof *data);
    for (size_t i = 0; i < count; i++)
        data[i] = (double)tn__tensor_f32_const(from)[i];
    status = resize_all(&data, &r, back, err);
    if (!status)
        tn__store_f64(to, data);
    tn__free(data);
    return status;
}

tn_status tn__resample_forward(tn__tensor *const *out, const tn__tensor *const *in,
                               const tn__site *site, tn_error *err)
{
    return resize(out[0], in[0], site, false, err);
}

tn_status tn__resample_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                                const tn__tensor *const *in,
                                const tn__tensor *const *out, const tn__site *site,
                                tn_error *err)
{
    (void)in;
    (void)out;
    for (size_t k = 1; k < site->input_count; k++) /* scales are no weights */
        if (din[k])
            memset(tn__tensor_f32(din[k]), 0, tn__tensor_bytes(din[k]));
    return din[0] ? resize(din[0], dout[0], site, true, err) : TN_OK;
}
