/* quick.h - functions for loops that compilers make vectors of: no calls, no branches.
 *
 * Errors were measured against double over the whole range that is not clamped. exp
 * after Cephes (Moshier, expf.c), erf after Eigen and XLA: x P(x^2) / Q(x^2).
 */
#ifndef TN_OPS_QUICK_H
#define TN_OPS_QUICK_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Compiles a function of loops for each width of vectors and chooses when the program
 * is loaded. Nothing is contracted or reordered, so results are the same. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&                 \
    !defined(__SANITIZE_ADDRESS__)
#define TN__VECTORS __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define TN__VECTORS
#endif

/* exp(x) within 1e-7 of itself; x is clamped to [-87.3, 88]; not for NaN. */
static inline float tn__quick_exp(float x)
{
    const float magic = 12582912.0f; /* 1.5 2^23: adding it rounds to a whole number */
    x = x < -87.3f ? -87.3f : x;
    x = x > 88.0f ? 88.0f : x;
    float sum = x * 1.44269504f + magic, n = sum - magic, two;
    float r = x - n * 0.693359375f + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    uint32_t bits; /* of 2^n */
    memcpy(&bits, &sum, sizeof bits);
    bits = (bits << 23) + 0x3f800000u;
    memcpy(&two, &bits, sizeof two);
    return (p * r * r + r + 1.0f) * two;
}

/* erf(x) within 5e-7, absolute and of itself. */
static inline float tn__quick_erf(float x)
{
    x = x < -4.0f ? -4.0f : x;
    x = x > 4.0f ? 4.0f : x;
    float z = x * x, p = -2.72614225801306e-10f, q = -1.45660718464996e-05f;
    p = p * z + 2.77068142495902e-08f;
    p = p * z - 2.10102402082508e-06f;
    p = p * z - 5.69250639462346e-05f;
    p = p * z - 7.34990630326855e-04f;
    p = p * z - 2.95459980854025e-03f;
    p = p * z - 1.60960333262415e-02f;
    q = q * z - 2.13374055278905e-04f;
    q = q * z - 1.68282697438203e-03f;
    q = q * z - 7.37332916720468e-03f;
    q = q * z - 1.42647390514189e-02f;
    return x * p / q;
}

static inline float tn__quick_sigmoid(float x)
{
    return 1.0f / (1.0f + tn__quick_exp(-x));
}

static inline float tn__quick_tanh(float x)
{
    return 1.0f - 2.0f / (1.0f + tn__quick_exp(2.0f * x));
}

/* Sums are made in lanes, the same on every machine. */
#define TN__LANES 16

/* By halves, which are added side by side; overwrites them. */
static inline double tn__quick_lanes(double lane[TN__LANES])
{
    for (size_t half = TN__LANES / 2; half > 0; half /= 2)
        for (size_t k = 0; k < half; k++)
            lane[k] += lane[k + half];
    return lane[0];
}

/* sum x[i], in double. */
static inline double tn__quick_sum(const float *x, size_t n)
{
    double lane[TN__LANES] = {0};
    size_t i = 0;
    for (; i + TN__LANES <= n; i += TN__LANES)
        for (size_t k = 0; k < TN__LANES; k++)
            lane[k] += (double)x[i + k];
    for (size_t k = 0; i < n; i++, k++)
        lane[k] += (double)x[i];
    return tn__quick_lanes(lane);
}

/* sum x[i] y[i], in double. */
static inline double tn__quick_dot(const float *x, const float *y, size_t n)
{
    double lane[TN__LANES] = {0};
    size_t i = 0;
    for (; i + TN__LANES <= n; i += TN__LANES)
        for (size_t k = 0; k < TN__LANES; k++)
            lane[k] += (double)x[i + k] * (double)y[i + k];
    for (size_t k = 0; i < n; i++, k++)
        lane[k] += (double)x[i] * (double)y[i];
    return tn__quick_lanes(lane);
}

/* Between arrays of bf16 and of f32, to nearest even. */
void tn__quick_widen(float *restrict to, const uint16_t *restrict from, size_t n);
void tn__quick_narrow(uint16_t *restrict to, const float *restrict from, size_t n);

#endif
