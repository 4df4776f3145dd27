/* augment.h - one training image changed at random, and two of them mixed.
 *
 * Everything random is drawn from the stream the caller gives, which is that of the
 * image in its epoch: neither threads nor the pace of reading change a result.
 */
#ifndef TN_DATA_AUGMENT_H
#define TN_DATA_AUGMENT_H

#include "base/rng.h"

typedef struct tn__augment {
    size_t pad;    /* zeros around the normalised image, then a random crop of the
                      original size */
    bool flip;     /* left-right, with probability 1/2 */
    size_t cutout; /* a square of that side around a random pixel becomes 0 (DeVries
                      and Taylor, arXiv 1708.04552, section 3) */
    double erase;  /* with this probability a rectangle becomes noise (Zhong et al.,
                      arXiv 1708.04896, algorithm 1) */
    double mixup;  /* alpha of mixing two images and their labels (Zhang et al., arXiv
                      1710.09412, equation 1); 0: none */
} tn__augment;

typedef struct tn__extent {
    size_t channels, height, width;
} tn__extent;

/* out = in [channels, height, width] padded, cropped, flipped, cut out and erased; in
 * that order, by numbers drawn in that order. out is not in. */
void tn__augment_image(float *out, const float *in, const tn__extent *extent,
                       const tn__augment *augment, tn__rng *rng);

/* A number between 0 and 1 by Beta(alpha, alpha), alpha > 0. */
double tn__draw_beta(tn__rng *rng, double alpha);

/* Both at once: a = s a + (1 - s) b and b = t b + (1 - t) a, of n numbers. */
void tn__mix_pair(float *a, float *b, size_t n, double s, double t);

#endif
