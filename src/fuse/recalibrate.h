/* recalibrate.h - statistics of a changed network put right.
 *
 * Averaged neurons vary less than either parent's, and so do their sums: batch norm
 * then divides by a variance that is no longer there, and nets without norm fade away
 * layer by layer. Jordan et al., "REPAIR: REnormalizing Permuted Activations for
 * Interpolation Repair", ICLR 2023. Both are set right in one sweep in which each layer
 * sees what is corrected before it. Fusion and pruning use this alike.
 */
#ifndef TN_FUSE_RECALIBRATE_H
#define TN_FUSE_RECALIBRATE_H

#include "engine/engine.h"
#include "stats/stats.h"

/* What the output of one layer (Conv or Gemm) should look like. */
typedef struct tn__goal {
    size_t node;
    size_t channels;
    double *mean, *sd; /* [channels]; sd < 0: leave the channel alone */
} tn__goal;
tn_status tn__goal_create(tn__goal *out, size_t node, size_t channels,
                          tn_error *err) TN_MUST_USE;
void tn__goals_free(tn__goal *goals, size_t count); /* takes NULL */
/* Brings the output of the node at hand, over all images of a sweep, to the goal: by
 * scale [channels] and shift [channels], which are found here and for tn__layer_scale()
 * to make last. `shape` is that of its value for any batch. A factor is 1 where the
 * standard deviation is below 1e-6, and kept within [0.25, 8]. */
tn_status tn__goal_meet(double *scale, double *shift, const tn__goal *goal,
                        const tn__sweep_node *at, const tn__shape *shape,
                        tn__workers *workers, tn_error *err) TN_MUST_USE;

/* A layer (Conv or Gemm) whose output can be scaled and shifted by its own parameters,
 * each channel for itself: no other node reads its weight. */
typedef struct tn__layer {
    size_t node, weight;
    size_t output; /* value */
    size_t norm;   /* the batch norm behind it, or TN__NONE */
    int axis;      /* of the channels in the weight */
} tn__layer;
/* Whether node n is one. */
bool tn__layer_of(tn__layer *out, const tn_model *model, const tn__links *links,
                  size_t node);

/* Channel c of the layer's output becomes scale[c] y + shift[c]: the weight and bias
 * are changed, and a bias is added where there is none and some shift is not zero. */
tn_status tn__layer_scale(tn_model *model, const tn__layer *layer, const double *scale,
                          const double *shift, tn_error *err) TN_MUST_USE;

/* Whether all four vectors of the norm are parameters that it alone reads. */
bool tn__norm_is_own(const tn_model *model, const tn__links *links, size_t norm);

typedef enum tn__fold_kind {
    TN__FOLD_ALL,    /* the norm does nothing; its scale and shift are the layer's */
    TN__FOLD_COMPAT, /* the same, but divides by sqrt(variance) instead of
                        sqrt(variance + epsilon), and leaves epsilon to the norm, as
                        the program of Intra-Fusion's authors does */
    TN__FOLD_SCALE   /* the norm only shifts; no parameter is added */
} tn__fold_kind;
/* A clone whose batch norms behind layers are multiplied into them: the scale of a
 * layer before a norm is arbitrary. Norms that stand elsewhere stay. */
tn_status tn__norms_fold(tn_model **out, const tn_model *model, tn__fold_kind kind,
                         tn_error *err) TN_MUST_USE;

/* Gives the layer a bias of zeros, one number a channel, unless it has one of its own.
 */
tn_status tn__layer_own_bias(tn_model *model, const tn__layer *layer,
                             tn_error *err) TN_MUST_USE;

/* Moments of an operand [N, channels, ...] of the node at hand over all images of a
 * sweep; `shape` is that of its value for any batch. */
tn_status tn__sweep_moments(tn__moments *out, const tn__sweep_node *at, int operand,
                            const tn__shape *shape, tn__workers *workers,
                            tn_error *err) TN_MUST_USE;

/* What averaging takes from the variance, where correlations are foreseen from weights:
 * covariance of two neurons of these standard deviations whose rows have that cosine,
 * and what a mixture of foreseen variance is multiplied by to vary as wanted. */
double tn__foreseen_covariance(double sd_a, double sd_b, double cosine);
double tn__foreseen_factor(double wanted_sd, double variance);

typedef struct tn__recalibration {
    bool norms;            /* re-estimate every batch norm's running statistics */
    const tn__goal *goals; /* [goal_count] */
    size_t goal_count;
    tn__workers *workers;
    const float *images; /* [n, input] */
    size_t n;
} tn__recalibration;
/* Sweeps the images through `model` and changes it. Population statistics of all images
 * and positions. *layers is the number of norms and goals met. */
tn_status tn__recalibrate(tn_model *model, size_t *layers, const tn__recalibration *how,
                          tn_error *err) TN_MUST_USE;

#endif
