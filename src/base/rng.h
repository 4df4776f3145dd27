/* rng.h - random numbers whose state is an argument.
 *
 * PCG64-style streams are overkill here: this is xoshiro256** seeded by splitmix64
 * (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2018), the
 * same sequence on every machine.
 */
#ifndef TN_BASE_RNG_H
#define TN_BASE_RNG_H

#include "base/base.h"

typedef struct tn__rng {
    uint64_t s[4];
} tn__rng;

/* Seeds the stream `stream` of `seed`; streams of one seed are independent. */
void tn__rng_seed(tn__rng *rng, uint64_t seed, uint64_t stream);
uint64_t tn__rng_next(tn__rng *rng);
/* Uniform in [0, 1). */
double tn__rng_uniform(tn__rng *rng);
/* Uniform in {0, ..., n - 1}, n > 0, without bias. */
uint64_t tn__rng_below(tn__rng *rng, uint64_t n);
/* Standard normal (polar method; no value is kept between calls). */
double tn__rng_normal(tn__rng *rng);
/* Fisher-Yates: fills index[0..n) with a random permutation of 0..n-1. */
void tn__rng_permutation(tn__rng *rng, uint32_t *index, size_t n);

#endif
