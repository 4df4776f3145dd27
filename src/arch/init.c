/* init.c - how parameters start: each from a stream of its own, numbered by its place
 * in the model, so that a parameter does not depend on what is drawn for the others. */
#include <math.h>

#include "arch/arch_builder.h"
#include "base/rng.h"

void tn__init_fill(tn__tensor *tensor, tn__init init, int64_t fan, uint64_t seed,
                   uint64_t stream)
{
    if (init == TN__INIT_ZERO)
        return;
    size_t count = tn__tensor_count(tensor);
    float *w = tn__tensor_f32(tensor);
    double root = 1 / sqrt((double)TN__MAX(fan, 1));
    tn__rng rng;
    tn__rng_seed(&rng, seed, stream);
    for (size_t i = 0; i < count; i++)
        if (init == TN__INIT_ONE)
            w[i] = 1;
        else if (init == TN__INIT_HE)
            w[i] = (float)(sqrt(2.0) * root * tn__rng_normal(&rng));
        else
            w[i] = (float)(root * (2 * tn__rng_uniform(&rng) - 1));
}
