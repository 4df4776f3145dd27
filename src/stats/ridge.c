/* ridge.c - streamed normal equations; see ridge.h. */
#include "stats/ridge.h"

#include <string.h>

#include "tensor/linalg.h"

#define COLUMNS 256 /* summed by one task */
#define ANSWERS 64  /* compared by one task */

tn_status tn__ridge_create(tn__ridge *out, size_t d, size_t o, size_t capacity,
                           tn__workers *workers, tn_error *err)
{
    size_t width = d + o;
    tn__ridge made = {.d = d, .o = o, .capacity = capacity, .workers = workers};
    made.block = tn__alloc(capacity, width * sizeof *made.block);
    made.shift = tn__alloc(width, sizeof *made.shift);
    made.first = tn__alloc(width, sizeof *made.first);
    made.second = tn__alloc(d, width * sizeof *made.second);
    made.product =
        tn__alloc(tn__workers_count(workers), d * COLUMNS * sizeof *made.product);
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
    (void)err;
    summing *s = user;
    tn__ridge *r = s->ridge;
    size_t width = r->d + r->o, from = task * COLUMNS;
    size_t columns = TN__MIN(COLUMNS, width - from);
    size_t height = TN__MIN(r->d, from + columns);
    float *product = r->product + worker * r->d * COLUMNS;
    tn__gemm_f32(true, false, height, columns, s->rows, 1, r->block, width,
                 r->block + from, width, 0, product, columns);
    for (size_t i = 0; i < height; i++)
        for (size_t c = 0; c < columns; c++)
            r->second[i * width + from + c] += (double)product[i * columns + c];
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

/* The lower triangle of G, which is summed as the upper one: in tiles, both ways of
 * reading stay in the cache. */
static void fill_gram(double *g, const tn__ridge *r, bool centred)
{
    enum { SIDE = 64 };
    size_t d = r->d;
    for (size_t tile = 0; tile < d; tile += SIDE)
        for (size_t j = 0; j < d; j++)
            for (size_t i = TN__MAX(tile, j); i < TN__MIN(d, tile + SIDE); i++)
                g[i * d + j] = moment(r, j, i, centred);
}

static double mean_of(const tn__ridge *r, size_t c)
{
    return r->first[c] / r->rows + (double)r->shift[c];
}

void tn__ridge_covariance(double *covariance, const tn__ridge *r)
{
    for (size_t i = 0; i < r->d; i++)
        for (size_t j = i; j < r->d; j++)
            covariance[i * r->d + j] = covariance[j * r->d + i] = moment(r, i, j, true);
}

void tn__ridge_constant(double *constant, const tn__ridge *r, const double *w)
{
    for (size_t j = 0; j < r->o; j++) {
        constant[j] = mean_of(r, r->d + j);
        for (size_t i = 0; i < r->d; i++)
            constant[j] -= mean_of(r, i) * w[i * r->o + j];
    }
}

tn_status tn__ridge_products(double *q, double *out, const tn__ridge *r,
                             const double *w, double lambda, tn_error *err)
{
    size_t d = r->d, o = r->o;
    double trace = 0, *cross = tn__alloc(d, o * sizeof *cross);
    if (!cross)
        return tn__fail_memory(err, d * o * sizeof *cross);
    for (size_t i = 0; i < d; i++) {
        trace += moment(r, i, i, true);
        for (size_t j = 0; j < o; j++)
            cross[i * o + j] = moment(r, i, d + j, true);
    }
    tn__gemm_f64(true, false, o, o, d, 1, w, o, cross, o, 0, out, o);
    memcpy(q, out, o * o * sizeof *q); /* (G + lambda) w = D */
    tn__gemm_f64(true, false, o, o, d, -lambda * trace / (double)d, w, o, w, o, 1, q,
                 o);
    tn__free(cross);
    return TN_OK;
}

tn_status tn__ridge_mix(tn__ridge *ridge, const double *m, const double *added,
                        size_t outputs, tn_error *err)
{
    const tn__ridge *r = ridge;
    tn__ridge made = {0};
    size_t d = r->d, o = r->o, from = d + o, to = d + outputs;
    tn_status status =
        tn__ridge_create(&made, d, outputs, r->capacity, r->workers, err);
    if (status != TN_OK)
        return status;
    made.rows = r->rows;
    memcpy(made.shift, r->shift, d * sizeof *made.shift);
    memcpy(made.first, r->first, d * sizeof *made.first);
    for (size_t i = 0; i < d; i++) {
        memcpy(made.second + i * to, r->second + i * from, d * sizeof *made.second);
        tn__gemm_f64(false, false, 1, outputs, o, 1, r->second + i * from + d, o, m,
                     outputs, 0, made.second + i * to + d, outputs);
    }
    for (size_t c = 0; c < outputs; c++) {
        double shift = added[c], first = 0;
        for (size_t k = 0; k < o; k++) {
            shift += m[k * outputs + c] * (double)r->shift[d + k];
            first += m[k * outputs + c] * r->first[d + k];
        }
        made.shift[d + c] = (float)shift;
        double rest =
            shift - (double)made.shift[d + c]; /* what a float does not hold */
        made.first[d + c] = first + r->rows * rest;
        for (size_t i = 0; i < d; i++)
            made.second[i * to + d + c] += rest * r->first[i];
    }
    tn__ridge_release(ridge);
    *ridge = made;
    return TN_OK;
}

tn_status tn__ridge_solve(double *w, double *constant, const tn__ridge *r,
                          double lambda, tn_error *err)
{
    size_t d = r->d, o = r->o;
    double trace = 0;
    tn_status status = TN_OK;
    if (r->rows == 0 || d == 0)
        return tn__fail(err, TN_ERROR_ARGUMENT, "least squares without rows");
    double *g = tn__alloc(d, d * sizeof *g), *goal = tn__alloc(d, o * sizeof *goal);
    if (!g || !goal) {
        status = tn__fail_memory(err, d * d * sizeof *g);
        goto done;
    }
    fill_gram(g, r, constant != NULL);
    for (size_t i = 0; i < d; i++) {
        for (size_t j = 0; j < o; j++)
            goal[i * o + j] = moment(r, i, d + j, constant != NULL);
        trace += g[i * d + i];
    }
    double ridge = lambda * trace / (double)d;
    for (size_t i = 0; i < d; i++) {
        g[i * d + i] += ridge;
        for (size_t j = 0; j < o; j++)
            goal[i * o + j] += ridge * w[i * o + j];
    }
    if (trace > 0) {
        status = tn__cholesky(g, d, r->workers, err);
        if (status == TN_OK)
            status = tn__cholesky_solve(goal, g, d, o, r->workers, err);
        if (status == TN_OK)
            memcpy(w, goal, d * o * sizeof *w);
    }
    if (status == TN_OK && constant)
        tn__ridge_constant(constant, r, w);
done:
    tn__free(g);
    tn__free(goal);
    return status;
}

typedef struct missing {
    tn__ridge *ridge;
    const float *w;         /* [d, o] */
    const double *constant; /* or NULL */
    size_t rows;
    double *sums; /* [tasks] */
} missing;

/* What a few answers miss, squared and summed. */
static tn_status miss_columns(void *user, size_t task, size_t worker, tn_error *err)
{
    (void)worker;
    (void)err;
    missing *s = user;
    tn__ridge *r = s->ridge;
    size_t d = r->d, o = r->o, width = d + o, from = task * ANSWERS;
    size_t columns = TN__MIN(ANSWERS, o - from);
    tn__gemm_f32(false, false, s->rows, columns, d, -1, r->block, width, s->w + from, o,
                 1, r->block + d + from, width);
    for (size_t i = 0; i < s->rows; i++)
        for (size_t j = from; j < from + columns; j++) {
            double e = (double)r->block[i * width + d + j] -
                       (s->constant ? s->constant[j] : 0);
            s->sums[task] += e * e;
        }
    return TN_OK;
}

tn_status tn__ridge_residual(double *out, tn__ridge *r, const double *w,
                             const double *constant, size_t rows, tn_error *err)
{
    size_t d = r->d, o = r->o, tasks = (o + ANSWERS - 1) / ANSWERS;
    float *narrow = tn__alloc(d, o * sizeof *narrow);
    double *sums = tn__alloc(tasks, sizeof *sums), sum = 0;
    tn_status status = TN_OK;
    if (!narrow || !sums) {
        status = tn__fail_memory(err, d * o * sizeof *narrow);
        goto done;
    }
    for (size_t i = 0; i < d * o; i++)
        narrow[i] = (float)w[i];
    missing s = {r, narrow, constant, rows, sums};
    status = tn__workers_run(r->workers, tasks, miss_columns, &s, err);
    for (size_t t = 0; t < tasks; t++)
        sum += sums[t];
    if (status == TN_OK)
        *out = sum;
done:
    tn__free(narrow);
    tn__free(sums);
    return status;
}
