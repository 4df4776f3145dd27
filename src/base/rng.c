/* rng.c - xoshiro256** (Blackman and Vigna 2018), seeded by splitmix64. */
#include "base/rng.h"

#include <math.h>

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void tn__rng_seed(tn__rng *rng, uint64_t seed, uint64_t stream)
{
    uint64_t a = seed, b = stream ^ 0xd1b54a32d192ed03u;
    uint64_t mixed = splitmix(&a) ^ (splitmix(&b) << 1 | 1);
    for (size_t k = 0; k < 4; k++)
        rng->s[k] = splitmix(&mixed);
}

static uint64_t rotate(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t tn__rng_next(tn__rng *rng)
{
    uint64_t *s = rng->s, result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

double tn__rng_uniform(tn__rng *rng)
{
    return (double)(tn__rng_next(rng) >> 11) * 0x1p-53;
}

uint64_t tn__rng_below(tn__rng *rng, uint64_t n)
{
    uint64_t limit = UINT64_MAX - UINT64_MAX % n, x;
    do {
        x = tn__rng_next(rng);
    } while (x >= limit);
    return x % n;
}

double tn__rng_normal(tn__rng *rng)
{
    double u, v, s;
    do {
        u = 2 * tn__rng_uniform(rng) - 1;
        v = 2 * tn__rng_uniform(rng) - 1;
        s = u * u + v * v;
    } while (s >= 1 || s <= 0);
    return u * sqrt(-2 * log(s) / s);
}

void tn__rng_permutation(tn__rng *rng, uint32_t *index, size_t n)
{
    for (size_t i = 0; i < n; i++)
        index[i] = (uint32_t)i;
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)tn__rng_below(rng, i);
        uint32_t swap = index[i - 1];
        index[i - 1] = index[j];
        index[j] = swap;
    }
}
