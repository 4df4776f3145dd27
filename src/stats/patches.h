/* patches.h - what one output of a layer is computed from, as a row of numbers.
 *
 * A convolution (of one group) or a Gemm is a matrix: output = W row + bias, where the
 * row holds the patch under the window (channel by channel, taps within), zeros in
 * padding, or the input of the Gemm. Least squares fits layers on such rows.
 */
#ifndef TN_STATS_PATCHES_H
#define TN_STATS_PATCHES_H

#include "ops/op.h"

typedef struct tn__patches {
    bool conv;
    size_t inputs, taps;      /* channels read, window positions of each */
    size_t area_in, area_out; /* positions of one channel */
    size_t width;             /* of a row: inputs * taps */
    size_t outputs;
    int axis;      /* of the outputs in the weight */
    size_t *table; /* [area_out, taps] input positions; conv only */
} tn__patches;

/* Whether the node is such a layer (its input 1 being the weight). */
bool tn__patches_has(const tn_model *model, const tn__shapes *shapes, size_t node);
tn_status tn__patches_create(tn__patches *out, const tn_model *model,
                             const tn__shapes *shapes, size_t node,
                             tn_error *err) TN_MUST_USE;
void tn__patches_release(tn__patches *patches);

/* row [width]: the patch of output position q in the image x [inputs, area_in]. */
void tn__patches_row(float *row, const tn__patches *patches, const float *x, size_t q);

/* Position k of `sampled` in image i: all in order where sampled is area_out, else
 * drawn by seed. */
size_t tn__patches_position(const tn__patches *patches, size_t sampled, size_t image,
                            size_t k, uint64_t seed);

/* Where coefficient k of output o stands in the weight. */
static inline size_t tn__patches_weight(const tn__patches *p, size_t o, size_t k)
{
    return p->axis == 0 ? o * p->width + k : k * p->outputs + o;
}

#endif
