/* cka.h - centred kernel alignment of two sets of features of the same images.
 *
 * Kornblith et al., "Similarity of neural network representations revisited", ICML
 * 2019. HSIC biased: Gretton et al. 2005; unbiased: Song et al. 2012, equation 5. Both
 * see only Gram matrices [n, n] over images, so that widths and resolutions may differ.
 *
 *     tn__gram_linear(k, features, n, d);
 *     tn__gram_linear(l, others, n, e);
 *     double cka = tn__cka(tn__hsic_unbiased, k, l, n);
 */
#ifndef TN_SIMILARITY_CKA_H
#define TN_SIMILARITY_CKA_H

#include "base/base.h"

/* gram [n, n] = x x^T of features x [n, d], less their mean image (which changes no
 * HSIC and keeps f32 products accurate). TN_ERROR_MEMORY. */
tn_status tn__gram_linear(double *gram, const float *x, size_t n, size_t d,
                          tn_error *err) TN_MUST_USE;
/* The same where x may be overwritten. */
tn_status tn__gram_linear_over(double *gram, float *x, size_t n, size_t d,
                               tn_error *err) TN_MUST_USE;
/* Turns a linear Gram matrix into that of the kernel exp(-|x - y|^2 / (2 s^2)), where s
 * is `bandwidth` times the median distance between different images. */
tn_status tn__gram_rbf(double *gram, size_t n, double bandwidth,
                       tn_error *err) TN_MUST_USE;

typedef double tn__hsic(const double *k, const double *l, size_t n);
/* tr(K H L H) / (n - 1)^2, H = I - 1/n. */
double tn__hsic_biased(const double *k, const double *l, size_t n);
/* (tr(K'L') + 1'K'1 1'L'1 / ((n-1)(n-2)) - 2/(n-2) 1'K'L'1) / (n (n-3)), diagonals of
 * K' and L' zero; n >= 4. */
double tn__hsic_unbiased(const double *k, const double *l, size_t n);

/* hsic(k, l) / sqrt(hsic(k, k) hsic(l, l)); 0 where that is not positive. */
double tn__cka(tn__hsic *hsic, const double *k, const double *l, size_t n);

#endif
