/* kernels.c - the inner loops of transport, written so that compilers vectorise them.
 *
 * Every loop runs over LANES independent lanes, which is what lets a compiler use
 * vectors without reassociating anything: one result for every instruction set. Where
 * the tools allow, each function is compiled for AVX-512, AVX2 and the baseline and the
 * loader picks. exp follows Cephes' expd (Moshier 1992) with a polynomial in place of
 * the quotient.
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

static inline double smaller(double a, double b)
{
    return a < b ? a : b;
}

static inline double lanes_min(const double *lane)
{
    double low = lane[0];
    for (size_t l = 1; l < LANES; l++)
        low = smaller(lane[l], low);
    return low;
}

static inline double lanes_sum(const double *lane)
{
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) +
           ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

CLONES
double tn__row_min(const double *c, const double *v, size_t m)
{
    double low[LANES];
    for (size_t l = 0; l < LANES; l++)
        low[l] = HUGE_VAL;
    size_t j = 0;
    for (; j + LANES <= m; j += LANES)
        for (size_t l = 0; l < LANES; l++)
            low[l] = smaller(c[j + l] - v[j + l], low[l]);
    for (size_t l = 0; j < m; j++, l++)
        low[l] = smaller(c[j] - v[j], low[l]);
    return lanes_min(low);
}

CLONES
void tn__row_reduce(double *restrict reduced, double *restrict block,
                    const double *restrict c, const double *restrict v, size_t m)
{
    size_t j = 0;
    for (; j + TN__ROW_BLOCK <= m; j += TN__ROW_BLOCK) {
        double low[LANES];
        for (size_t l = 0; l < LANES; l++) {
            double a = c[j + l] - v[j + l];
            double b = c[j + LANES + l] - v[j + LANES + l];
            reduced[j + l] = a;
            reduced[j + LANES + l] = b;
            low[l] = smaller(a, b);
        }
        for (size_t l = 0; l < 4; l++)
            low[l] = smaller(low[l], low[l + 4]);
        *block++ = smaller(smaller(low[0], low[2]), smaller(low[1], low[3]));
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

CLONES
double tn__row_relax(double *restrict distance, uint32_t *restrict from,
                     double *restrict block, const double *restrict c,
                     const double *restrict v, double offset, uint32_t i, size_t m)
{
    double least = HUGE_VAL;
    for (size_t start = 0; start < m; start += TN__ROW_BLOCK) {
        size_t end = TN__MIN(start + TN__ROW_BLOCK, m), j = start;
        double low[LANES];
        for (size_t l = 0; l < LANES; l++)
            low[l] = HUGE_VAL;
        for (; j + LANES <= end; j += LANES) {
            for (size_t l = 0; l < LANES; l++) {
                double next = c[j + l] - v[j + l] - offset;
                bool lower = next < distance[j + l];
                distance[j + l] = lower ? next : distance[j + l];
                from[j + l] = lower ? i : from[j + l];
                low[l] = smaller(distance[j + l], low[l]);
            }
        }
        for (; j < end; j++) {
            double next = c[j] - v[j] - offset;
            if (next < distance[j]) {
                distance[j] = next;
                from[j] = i;
            }
            low[0] = smaller(distance[j], low[0]);
        }
        *block = lanes_min(low);
        least = smaller(*block++, least);
    }
    return least;
}

CLONES
bool tn__column_reduce(double *restrict v, uint32_t *restrict row,
                       const double *restrict c, uint32_t i, size_t m)
{
    /* 0 c is 0 for finite c and NaN otherwise; NaN stays. */
    double zero[LANES] = {0};
    size_t j = 0;
    for (; j + LANES <= m; j += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            bool lower = c[j + l] < v[j + l];
            v[j + l] = lower ? c[j + l] : v[j + l];
            row[j + l] = lower ? i : row[j + l];
            zero[l] += 0.0 * c[j + l];
        }
    }
    for (; j < m; j++) {
        bool lower = c[j] < v[j];
        v[j] = lower ? c[j] : v[j];
        row[j] = lower ? i : row[j];
        zero[0] += 0.0 * c[j];
    }
    return lanes_sum(zero) == 0;
}

CLONES
double tn__row_largest(const double *c, size_t m)
{
    double high[LANES] = {0};
    size_t j = 0;
    for (; j + LANES <= m; j += LANES)
        for (size_t l = 0; l < LANES; l++)
            high[l] = fabs(c[j + l]) > high[l] ? fabs(c[j + l]) : high[l];
    for (; j < m; j++)
        high[0] = fmax(high[0], fabs(c[j]));
    for (size_t l = 1; l < LANES; l++)
        high[0] = fmax(high[0], high[l]);
    return high[0];
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
static inline double exp_clamped(double x)
{
    static const double LOG2E = 1.4426950408889634, LN2_HIGH = 6.93145751953125e-1,
                        LN2_LOW = 1.42860682030941723212e-6,
                        SHIFTER = 6755399441055744.0;
    x = x < -708.0 ? -708.0 : x;
    x = x > 709.0 ? 709.0 : x;
    double shifted = x * LOG2E + SHIFTER;
    double k = shifted - SHIFTER;
    double r = (x - k * LN2_HIGH) - k * LN2_LOW;
    double p = 1.0 / 6227020800.0;
    p = p * r + 1.0 / 479001600.0;
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    uint64_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 1023) << 52;
    double power;
    memcpy(&power, &bits, sizeof power);
    return p * power;
}

CLONES
double tn__row_exp_sum(const double *restrict w, const double *restrict g,
                       const double *restrict c, double shift, double scale, size_t m)
{
    double sum[LANES] = {0};
    size_t j = 0;
    for (; j + LANES <= m; j += LANES)
        for (size_t l = 0; l < LANES; l++)
            sum[l] += w[j + l] * exp_clamped((g[j + l] - c[j + l] + shift) * scale);
    for (size_t l = 0; j < m; j++, l++)
        sum[l] += w[j] * exp_clamped((g[j] - c[j] + shift) * scale);
    return lanes_sum(sum);
}

CLONES
void tn__row_exp(double *restrict p, const double *restrict w, const double *restrict g,
                 const double *restrict c, double weight, double shift, double scale,
                 size_t m)
{
    for (size_t j = 0; j < m; j++)
        p[j] = weight * w[j] * exp_clamped((g[j] - c[j] + shift) * scale);
}
