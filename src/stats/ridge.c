/* ridge.c - streamed normal equations; see ridge.h. */
#include "stats/ridge.h"

#include <string.h>

#include "tensor/linalg.h"

#define COLUMNS 256 /* summed by one task */

tn_status tn__ridge_create(tn__ridge *out, size_t d, size_t o, size_t capacity,
                           tn__workers *workers, tn_error *err)
{
    size_t width = d + o;
    tn__ridge made = {.d = d, .o = o, .capacity = capacity, .workers = workers};
    made.block = tn__alloc(capacity, width * sizeof *made.block);
    made.shift = tn__alloc(width, sizeof *made.shift);
    made.first = tn__alloc(width, sizeof *made.first);
    made.second = tn__alloc(d, width * sizeof *made.second);
    made.product = tn__alloc(d, width * sizeof *made.product);
    if (!made.block || !made.shift || !made.first || !made.second || !made.product) {
        tn__ridge_release(&made);
        return tn__fail_memory(err, d * width * sizeof *made.second);
    }
    *out = made;
    return TN_OK;
}

void tn__ridge_release(tn__ridge *ridge)
{
    tn__free(ridge->block);
    tn__free(ridge->shift);
    tn__free(ridge->first);
    tn__free(ridge->second);
    tn__free(ridge->product);
    *ridge = (tn__ridge){0};
}

typedef struct summing {
    tn__ridge *ridge;
    size_t rows;
} summing;

/* Columns [from, to) of x^T [x, y]: of the part with x the upper triangle only. */
static tn_status sum_columns(void *user, size_t task, size_t worker, tn_error *err)
{
    (void)worker;
    (void)err;
    summing *s = user;
    tn__ridge *r = s->ridge;
    size_t width = r->d + r->o, from = task * COLUMNS;
    size_t columns = TN__MIN(COLUMNS, width - from);
    size_t height = TN__MIN(r->d, from + columns);
    tn__gemm_f32(true, false, height, columns, s->rows, 1, r->block, width,
                 r->block + from, width, 0, r->product + from, width);
    for (size_t i = 0; i < height; i++)
        for (size_t c = from; c < from + columns; c++)
            r->second[i * width + c] += (double)r->product[i * width + c];
    return TN_OK;
}

/* The mean of the first block becomes the shift: sums stay small. */
static void set_shift(tn__ridge *r, size_t rows)
{
    size_t width = r->d + r->o;
    for (size_t i = 0; i < rows; i++)
        for (size_t c = 0; c < width; c++)
            r->first[c] += (double)r->block[i * width + c];
    for (size_t c = 0; c < width; c++) {
        r->shift[c] = (float)(r->first[c] / (double)rows);
        r->first[c] = 0;
    }
}

tn_status tn__ridge_add(tn__ridge *ridge, size_t rows, tn_error *err)
{
    size_t width = ridge->d + ridge->o;
    if (rows == 0)
        return TN_OK;
    if (ridge->rows == 0)
        set_shift(ridge, rows);
    for (size_t i = 0; i < rows; i++)
        for (size_t c = 0; c < width; c++) {
            float *x = &ridge->block[i * width + c];
            *x -= ridge->shift[c];
            ridge->first[c] += (double)*x;
        }
    summing s = {ridge, rows};
    tn_status status = tn__workers_run(ridge->workers, (width + COLUMNS - 1) / COLUMNS,
                                       sum_columns, &s, err);
    if (status == TN_OK)
        ridge->rows += (double)rows;
    return status;
}

/* Mean of x_i times column j, about the means or about zero. */
static double moment(const tn__ridge *r, size_t i, size_t j, bool centred)
{
    double a = r->first[i] / r->rows, b = r->first[j] / r->rows;
    double at = r->second[i * (r->d + r->o) + j] / r->rows - a * b;
    if (!centred)
        at += (a + (double)r->shift[i]) * (b + (double)r->shift[j]);
    return at;
}

static double mean_of(const tn__ridge *r, size_t c)
{
    return r->first[c] / r->rows + (double)r->shift[c];
}

void tn__ridge_constant(double *constant, const tn__ridge *r, const double *w)
{
    for (size_t j = 0; j < r->o; j++) {
        constant[j] = mean_of(r, r->d + j);
        for (size_t i = 0; i < r->d; i++)
            constant[j] -= mean_of(r, i) * w[i * r->o + j];
    }
}

tn_status tn__ridge_solve(double *w, double *constant, const tn__ridge *r,
                          double lambda, tn_error *err)
{
    size_t d = r->d, o = r->o;
    double trace = 0;
    tn_status status = TN_OK;
    if (r->rows == 0 || d == 0)
        return tn__fail(err, TN_ERROR_ARGUMENT, "least squares without rows");
    double *g = tn__alloc(d, d * sizeof *g), *change = tn__alloc(d, o * sizeof *change);
    if (!g || !change) {
        status = tn__fail_memory(err, d * d * sizeof *g);
        goto done;
    }
    for (size_t i = 0; i < d; i++) {
        for (size_t j = i; j < d; j++)
            g[i * d + j] = g[j * d + i] = moment(r, i, j, constant != NULL);
        for (size_t j = 0; j < o; j++)
            change[i * o + j] = moment(r, i, d + j, constant != NULL);
        trace += g[i * d + i];
    }
    tn__gemm_f64(false, false, d, o, d, -1, g, d, w, o, 1, change, o);
    for (size_t i = 0; i < d; i++)
        g[i * d + i] += lambda * trace / (double)d;
    if (trace > 0)
        status = tn__solve_spd(g, change, d, o, err);
    for (size_t i = 0; status == TN_OK && trace > 0 && i < d * o; i++)
        w[i] += change[i];
    if (status == TN_OK && constant)
        tn__ridge_constant(constant, r, w);
done:
    tn__free(g);
    tn__free(change);
    return status;
}

tn_status tn__ridge_residual(double *out, tn__ridge *r, const double *w,
                             const double *constant, size_t rows, tn_error *err)
{
    size_t d = r->d, o = r->o, width = d + o;
    float *narrow = tn__alloc(d, o * sizeof *narrow);
    double sum = 0;
    if (!narrow)
        return tn__fail_memory(err, d * o * sizeof *narrow);
    for (size_t i = 0; i < d * o; i++)
        narrow[i] = (float)w[i];
    tn__gemm_f32(false, false, rows, o, d, -1, r->block, width, narrow, o, 1,
                 r->block + d, width);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < o; j++) {
            double e =
                (double)r->block[i * width + d + j] - (constant ? constant[j] : 0);
            sum += e * e;
        }
    tn__free(narrow);
    *out = sum;
    return TN_OK;
}
