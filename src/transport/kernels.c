/* kernels.c - the inner loops of transport, in vectors of eight doubles.
 *
 * The vectors are the extension that GCC and Clang share; the compiler splits them
 * where the processor has shorter ones. So there is one order of operations, and one
 * result, for every instruction set. Where the tools allow, each function is compiled
 * for AVX-512, AVX2 and the baseline and the loader picks. Vectors are passed by
 * address: by value they would depend on the instruction set.
 */
#include "transport/kernels.h"

#include <float.h>
#include <math.h>
#include <string.h>

#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) &&              \
    !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CLONES
#endif

enum { LANES = 8 };

/* exp(EXP_LOW) times small masses is still far from the denormal numbers. */
#define EXP_LOW (-600.0)
#define EXP_HIGH 709.0

typedef double vec __attribute__((vector_size(64)));
typedef int64_t vec_bits __attribute__((vector_size(64)));
typedef uint64_t vec_unsigned __attribute__((vector_size(64)));
typedef uint32_t vec_index __attribute__((vector_size(32)));
/* The same in memory of any alignment. */
typedef double vec_memory __attribute__((vector_size(64), aligned(8), may_alias));
typedef uint32_t index_memory __attribute__((vector_size(32), aligned(4), may_alias));

#define LOAD(p) ((vec)(*(const vec_memory *)(p)))
#define STORE(p, x) (*(vec_memory *)(p) = (x))
/* Lanes of a where the mask is set, of b elsewhere. */
#define SELECT(mask, a, b) ((vec)(((mask) & (vec_bits)(a)) | (~(mask) & (vec_bits)(b))))
#define ABS(x) ((vec)((vec_bits)(x)&INT64_MAX))
#define MIN(a, b) SELECT((a) < (b), a, b)
#define SPREAD(x) ((vec){0} + (x))

static inline double smaller(double a, double b)
{
    return a < b ? a : b;
}

static inline double lanes_min(const vec *x)
{
    vec half = __builtin_shufflevector(*x, *x, 4, 5, 6, 7, 0, 1, 2, 3);
    half = MIN(*x, half);
    vec quarter = __builtin_shufflevector(half, half, 2, 3, 0, 1, 6, 7, 4, 5);
    quarter = MIN(half, quarter);
    return smaller(quarter[0], quarter[1]);
}

static inline double lanes_sum(const vec *x)
{
    return (((*x)[0] + (*x)[4]) + ((*x)[2] + (*x)[6])) +
           (((*x)[1] + (*x)[5]) + ((*x)[3] + (*x)[7]));
}

CLONES
double tn__row_min(const double *c, const double *v, size_t m)
{
    vec low = SPREAD(HUGE_VAL);
    size_t j = 0;
    for (; j + LANES <= m; j += LANES) {
        vec x = LOAD(c + j) - LOAD(v + j);
        low = MIN(x, low);
    }
    double least = lanes_min(&low);
    for (; j < m; j++)
        least = smaller(c[j] - v[j], least);
    return least;
}

CLONES
void tn__row_reduce(double *reduced, double *block, const double *c, const double *v,
                    size_t m)
{
    size_t j = 0;
    for (; j + TN__ROW_BLOCK <= m; j += TN__ROW_BLOCK) {
        vec a = LOAD(c + j) - LOAD(v + j);
        vec b = LOAD(c + j + LANES) - LOAD(v + j + LANES);
        STORE(reduced + j, a);
        STORE(reduced + j + LANES, b);
        vec low = MIN(a, b);
        *block++ = lanes_min(&low);
    }
    if (j == m)
        return;
    double low = HUGE_VAL;
    for (; j < m; j++) {
        reduced[j] = c[j] - v[j];
        low = smaller(reduced[j], low);
    }
    *block = low;
}

/* Eight columns of tn__row_relax(); the distances that result go to *next. */
static inline void relax_lanes(vec *next, double *distance, uint32_t *from,
                               const double *c, const double *v, double offset,
                               const vec_index *row)
{
    vec reached = LOAD(c) - LOAD(v) - offset, known = LOAD(distance);
    vec_bits lower = reached < known;
    vec_index mask = __builtin_convertvector(lower, vec_index);
    vec_index old = *(const index_memory *)from;
    *next = SELECT(lower, reached, known);
    STORE(distance, *next);
    *(index_memory *)from = (*row & mask) | (old & ~mask);
}

CLONES
double tn__row_relax(double *distance, uint32_t *from, double *block, const double *c,
                     const double *v, double offset, uint32_t i, size_t m)
{
    double least = HUGE_VAL;
    const vec_index row = (vec_index){0} + i;
    size_t j = 0;
    for (; j + TN__ROW_BLOCK <= m; j += TN__ROW_BLOCK) {
        vec a, b;
        size_t k = j + LANES;
        relax_lanes(&a, distance + j, from + j, c + j, v + j, offset, &row);
        relax_lanes(&b, distance + k, from + k, c + k, v + k, offset, &row);
        vec low = MIN(a, b);
        *block = lanes_min(&low);
        least = smaller(*block++, least);
    }
    if (j == m)
        return least;
    double low = HUGE_VAL;
    for (; j < m; j++) {
        double reached = c[j] - v[j] - offset;
        if (reached < distance[j]) {
            distance[j] = reached;
            from[j] = i;
        }
        low = smaller(distance[j], low);
    }
    *block = low;
    return smaller(low, least);
}

CLONES
bool tn__column_reduce(double *v, uint32_t *row, const double *c, uint32_t i, size_t m)
{
    /* 0 c is 0 for finite c and NaN otherwise; NaN stays. */
    vec zero = {0}, next;
    const vec nothing = {0};
    const vec_index this_row = (vec_index){0} + i;
    size_t j = 0;
    for (; j + LANES <= m; j += LANES) {
        zero += 0.0 * LOAD(c + j);
        relax_lanes(&next, v + j, row + j, c + j, (const double *)&nothing, 0,
                    &this_row);
    }
    double sum = lanes_sum(&zero);
    for (; j < m; j++) {
        if (c[j] < v[j]) {
            v[j] = c[j];
            row[j] = i;
        }
        sum += 0.0 * c[j];
    }
    return sum == 0;
}

CLONES
double tn__row_largest(const double *c, size_t m)
{
    vec low = {0};
    size_t j = 0;
    for (; j + LANES <= m; j += LANES) {
        vec x = LOAD(c + j), y = -x;
        y = MIN(x, y);
        low = MIN(y, low);
    }
    double least = lanes_min(&low);
    for (; j < m; j++)
        least = smaller(-fabs(c[j]), least);
    return -least;
}

tn_status tn__cost_fail(const double *cost, size_t i, size_t m, tn_error *err)
{
    size_t j = 0;
    while (j + 1 < m && isfinite(cost[i * m + j]))
        j++;
    return tn__fail(err, TN_ERROR_NUMERIC, "cost [%zu, %zu] is %g, not a finite number",
                    i, j, cost[i * m + j]);
}

void tn__transpose(double *restrict out, const double *restrict in, size_t n, size_t m)
{
    enum { TILE = 16 };
    for (size_t i0 = 0; i0 < n; i0 += TILE) {
        size_t i1 = TN__MIN(i0 + TILE, n);
        for (size_t j0 = 0; j0 < m; j0 += TILE) {
            size_t j1 = TN__MIN(j0 + TILE, m);
            for (size_t j = j0; j < j1; j++)
                for (size_t i = i0; i < i1; i++)
                    out[j * n + i] = in[i * m + j];
        }
    }
}

/* exp(x) = 2^k exp(r), r = x - k ln 2 in [-0.35, 0.35], exp(r) by its Taylor polynomial
 * of degree 13, whose error (4e-18) is below rounding. k is read off the low bits of x
 * / ln 2 + 1.5 * 2^52, so that no conversion instruction is needed. */
static inline void exp_lanes(vec *x)
{
    static const double LOG2E = 1.4426950408889634, LN2_HIGH = 6.93145751953125e-1,
                        LN2_LOW = 1.42860682030941723212e-6,
                        SHIFTER = 6755399441055744.0;
    static const double COEFFICIENTS[] = {1.0 / 479001600.0,
                                          1.0 / 39916800.0,
                                          1.0 / 3628800.0,
                                          1.0 / 362880.0,
                                          1.0 / 40320.0,
                                          1.0 / 5040.0,
                                          1.0 / 720.0,
                                          1.0 / 120.0,
                                          1.0 / 24.0,
                                          1.0 / 6.0,
                                          0.5,
                                          1.0,
                                          1.0};
    vec t = SELECT(*x < EXP_LOW, SPREAD(EXP_LOW), *x);
    t = SELECT(t > EXP_HIGH, SPREAD(EXP_HIGH), t);
    vec shifted = t * LOG2E + SHIFTER;
    vec k = shifted - SHIFTER;
    vec r = (t - k * LN2_HIGH) - k * LN2_LOW;
    vec p = SPREAD(1.0 / 6227020800.0);
    for (size_t d = 0; d < TN__COUNT(COEFFICIENTS); d++)
        p = p * r + COEFFICIENTS[d];
    vec_unsigned bits = ((vec_unsigned)shifted + 1023) << 52;
    *x = p * (vec)bits;
}

/* Eight terms of tn__row_exp_sum(). */
static inline void terms(vec *out, const double *w, const double *g, const double *c,
                         double shift, double scale)
{
    vec x = (LOAD(g) - LOAD(c) + shift) * scale;
    exp_lanes(&x);
    *out = LOAD(w) * x;
}

/* The terms of the last m % 8 columns; 0 beyond. */
static inline void last_terms(vec *out, const double *w, const double *g,
                              const double *c, double shift, double scale, size_t count)
{
    double tail[3][LANES] = {{0}};
    for (size_t l = 0; l < count; l++) {
        tail[0][l] = w[l];
        tail[1][l] = g[l];
        tail[2][l] = c[l];
    }
    terms(out, tail[0], tail[1], tail[2], shift, scale);
}

CLONES
double tn__row_exp_sum(const double *w, const double *g, const double *c, double shift,
                       double scale, size_t m)
{
    vec sum = {0}, x;
    size_t j = 0;
    for (; j + LANES <= m; j += LANES) {
        terms(&x, w + j, g + j, c + j, shift, scale);
        sum += x;
    }
    last_terms(&x, w + j, g + j, c + j, shift, scale, m - j);
    sum += x;
    return lanes_sum(&sum);
}

CLONES
void tn__row_exp(double *p, const double *w, const double *g, const double *c,
                 double weight, double shift, double scale, size_t m)
{
    vec x;
    size_t j = 0;
    for (; j + LANES <= m; j += LANES) {
        terms(&x, w + j, g + j, c + j, shift, scale);
        STORE(p + j, weight * x);
    }
    last_terms(&x, w + j, g + j, c + j, shift, scale, m - j);
    for (size_t l = 0; j + l < m; l++)
        p[j + l] = weight * x[l];
}

CLONES
double tn__row_dot(const double *x, const double *y, size_t m)
{
    vec sum = {0}, more = {0};
    size_t j = 0;
    for (; j + 2 * LANES <= m; j += 2 * LANES) {
        sum += LOAD(x + j) * LOAD(y + j);
        more += LOAD(x + j + LANES) * LOAD(y + j + LANES);
    }
    sum += more;
    double dot = lanes_sum(&sum);
    for (; j < m; j++)
        dot += x[j] * y[j];
    return dot;
}

CLONES
double tn__row_distance(const double *x, const double *y, size_t m)
{
    vec sum[4] = {{0}};
    size_t j = 0;
    for (; j + 4 * LANES <= m; j += 4 * LANES)
        for (size_t k = 0; k < 4; k++) {
            vec gap = LOAD(x + j + k * LANES) - LOAD(y + j + k * LANES);
            sum[k] += ABS(gap);
        }
    sum[0] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    double distance = lanes_sum(&sum[0]);
    for (; j < m; j++)
        distance += fabs(x[j] - y[j]);
    return distance;
}

CLONES
double tn__row_distance_squared(const double *x, const double *y, size_t m)
{
    vec sum = {0}, more = {0};
    size_t j = 0;
    for (; j + 2 * LANES <= m; j += 2 * LANES) {
        vec a = LOAD(x + j) - LOAD(y + j);
        vec b = LOAD(x + j + LANES) - LOAD(y + j + LANES);
        sum += a * a;
        more += b * b;
    }
    sum += more;
    double distance = lanes_sum(&sum);
    for (; j < m; j++)
        distance += (x[j] - y[j]) * (x[j] - y[j]);
    return distance;
}

CLONES
void tn__row_add(double *out, const double *x, double weight, size_t m)
{
    size_t j = 0;
    for (; j + LANES <= m; j += LANES)
        STORE(out + j, LOAD(out + j) + weight * LOAD(x + j));
    for (; j < m; j++)
        out[j] += weight * x[j];
}
