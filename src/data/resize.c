/* resize.c - scales byte images, one axis after the other.
 *
 * Each new pixel is a weighted sum of a run of old ones (`taps` weights from `first`
 * on). Sums are in double and rounded once, after both axes.
 */
#include <math.h>

#include "data/image.h"

/* How pixels 0..n-1 of an axis come from the old ones. */
typedef struct axis {
    size_t n, taps;
    size_t *first;  /* [n] */
    double *weight; /* [n, taps], rows sum to 1 */
} axis;

static void axis_release(axis *a)
{
    tn__free(a->first);
    tn__free(a->weight);
}

/* Pixel i covers [i, i + 1) * in / n of the old axis; old pixel k covers [k, k + 1). */
static void fill_area(axis *a, size_t in)
{
    double scale = (double)in / (double)a->n;
    for (size_t i = 0; i < a->n; i++) {
        double low = (double)i * scale, high = (double)(i + 1) * scale, sum = 0;
        size_t first = TN__MIN((size_t)low, in - 1);
        double *weight = a->weight + i * a->taps;
        for (size_t t = 0; t < a->taps && first + t < in; t++) {
            double left = fmax(low, (double)(first + t));
            double right = fmin(high, (double)(first + t + 1));
            weight[t] = fmax(0, right - left);
            sum += weight[t];
        }
        for (size_t t = 0; t < a->taps; t++)
            weight[t] /= sum;
        a->first[i] = first;
    }
}

/* Linear between pixel centres; beyond the outermost centres the edge goes on. */
static void fill_linear(axis *a, size_t in)
{
    double scale = (double)in / (double)a->n;
    for (size_t i = 0; i < a->n; i++) {
        double at = ((double)i + 0.5) * scale - 0.5;
        at = fmin(fmax(at, 0), (double)(in - 1));
        a->first[i] = (size_t)at;
        a->weight[2 * i + 1] = at - (double)a->first[i];
        a->weight[2 * i] = 1 - a->weight[2 * i + 1];
    }
}

static tn_status axis_create(axis *out, size_t n, size_t in, tn_error *err)
{
    axis a = {.n = n, .taps = n > in ? 2 : in / n + 2};
    a.first = tn__alloc(n, sizeof *a.first);
    a.weight = tn__alloc(n * a.taps, sizeof *a.weight);
    if (!a.first || !a.weight) {
        axis_release(&a);
        return tn__fail_memory(err, n * a.taps * sizeof *a.weight);
    }
    if (n > in)
        fill_linear(&a, in);
    else
        fill_area(&a, in);
    *out = a;
    return TN_OK;
}

/* rows [in_height, width] from one plane [in_height, in_width] */
static void scale_rows(double *rows, const axis *a, const uint8_t *in, size_t in_height,
                       size_t in_width)
{
    for (size_t y = 0; y < in_height; y++) {
        for (size_t x = 0; x < a->n; x++) {
            size_t taps = TN__MIN(a->taps, in_width - a->first[x]);
            const uint8_t *old = in + y * in_width + a->first[x];
            double sum = 0;
            for (size_t t = 0; t < taps; t++)
                sum += a->weight[x * a->taps + t] * old[t];
            rows[y * a->n + x] = sum;
        }
    }
}

/* out [a->n, width] from rows [in_height, width]; sum [width] is scratch */
static void scale_columns(uint8_t *out, double *sum, const axis *a, const double *rows,
                          size_t in_height, size_t width)
{
    for (size_t y = 0; y < a->n; y++) {
        size_t taps = TN__MIN(a->taps, in_height - a->first[y]);
        for (size_t x = 0; x < width; x++)
            sum[x] = 0.5; /* rounds */
        for (size_t t = 0; t < taps; t++) {
            const double *row = rows + (a->first[y] + t) * width;
            double weight = a->weight[y * a->taps + t];
            for (size_t x = 0; x < width; x++)
                sum[x] += weight * row[x];
        }
        for (size_t x = 0; x < width; x++)
            out[y * width + x] = (uint8_t)fmin(sum[x], 255);
    }
}

tn_status tn__image_resize(uint8_t *out, size_t out_height, size_t out_width,
                           const uint8_t *in, const tn__image *image, tn_error *err)
{
    axis across = {0}, down = {0};
    double *rows = NULL;
    tn_status status = axis_create(&across, out_width, image->width, err);
    if (status)
        goto done;
    if ((status = axis_create(&down, out_height, image->height, err)) != TN_OK)
        goto done;
    rows = tn__alloc((image->height + 1) * out_width, sizeof *rows);
    if (!rows) {
        status = tn__fail_memory(err, (image->height + 1) * out_width * sizeof *rows);
        goto done;
    }
    double *sum = rows + image->height * out_width;
    for (size_t c = 0; c < image->channels; c++) {
        scale_rows(rows, &across, in + c * image->height * image->width, image->height,
                   image->width);
        scale_columns(out + c * out_height * out_width, sum, &down, rows, image->height,
                      out_width);
    }
done:
    tn__free(rows);
    axis_release(&across);
    axis_release(&down);
    return status;
}
