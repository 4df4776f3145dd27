/* prune.h - what the files of this room share.
 *
 *     limits       which groups may lose neurons, and how many
 *     allocate     the order in which they do, where shares are uneven
 *     widths       how many stay of each, within budgets
 *     features     a neuron as a row of numbers
 *     importance   which neurons stay, by those rows
 *     recovery     which neurons stay, by what can be recovered of the others
 *     absorb       what becomes of the others: the maps
 *     leaves       images where there are none
 *     refit        layers and batch norms put right in one sweep
 *     plan         what was done, to do it again (plan.h)
 *     prune        the order in which all that happens
 */
#ifndef TN_PRUNE_PRUNE_H
#define TN_PRUNE_PRUNE_H

#include "base/threads.h"
#include "neurons/map.h"
#include "tenon/prune.h"

/* By number; ends at NULL. */
extern const char *const tn__prune_method_names[];

/* --- limits.c --------------------------------------------------------------------- */

/* By group. Those that are not chosen keep all: least = most = neurons. */
typedef struct tn__limits {
    bool *chosen;
    size_t *least, *most; /* neurons that stay */
} tn__limits;
tn_status tn__limits_create(tn__limits *out, const tn_model *model,
                            const tn__groups *groups, const tn_prune_options *options,
                            tn_error *err) TN_MUST_USE;
void tn__limits_release(tn__limits *limits);

/* --- widths.c --------------------------------------------------------------------- */

/* The order in which neurons are removed, but for which they are. */
typedef struct tn__removals {
    size_t *group; /* [count]: the next is of this group */
    size_t count;
} tn__removals;

typedef struct tn__sizing {
    const tn_model *model;
    const tn__groups *groups;
    const tn__limits *limits;
    const tn__removals *order; /* NULL: even shares */
    const tn_prune_options *options;
} tn__sizing;
/* left [groups]: neurons that stay of each. */
tn_status tn__prune_widths(size_t *left, double *sparsity, const tn__sizing *how,
                           tn_error *err) TN_MUST_USE;
/* What the network costs at these widths; *out (may be NULL) is one of them, the first
 * neurons of each group. */
tn_status tn__widths_cost(tn_model **out, tn_model_info *info, const size_t *left,
                          const tn_model *model, const tn__groups *groups,
                          tn_error *err) TN_MUST_USE;

/* --- allocate.c ------------------------------------------------------------------- */

/* loss[g] [neurons + 1]: what removing k of the neurons loses; changed. saving
 * [groups]: what one neuron less saves. */
tn_status tn__prune_allocate(tn__removals *out, double *const *loss,
                             const double *saving, const tn__limits *limits,
                             size_t groups, tn_error *err) TN_MUST_USE;
/* saving [groups]: parameters, multiply-accumulates or, without a budget, neurons. */
tn_status tn__prune_savings(double *saving, const tn__sizing *how,
                            tn_error *err) TN_MUST_USE;
/* loss [n + 1]: the k smallest of score [n], summed and divided by `unit`. */
tn_status tn__prune_losses(double *loss, const double *score, size_t n, double unit,
                           tn_error *err) TN_MUST_USE;
void tn__removals_release(tn__removals *removals);

/* --- features.c ------------------------------------------------------------------- */

/* Weights of layers that make or read each neuron of a group, one block a layer. */
typedef struct tn__features {
    size_t neurons, width;
    double *rows; /* [neurons, width] */
    size_t count;
    size_t *first; /* [count + 1]: columns of block b are first[b] .. first[b + 1] */
} tn__features;
/* `bias` adds what a bias adds, as a block of its own. */
tn_status tn__features_create(tn__features *out, const tn_model *model,
                              const tn__groups *groups, size_t group, bool bias,
                              tn_error *err) TN_MUST_USE;
void tn__features_release(tn__features *features);
/* Every row becomes one of length 1; rows of zeros stay. */
void tn__features_normalise(tn__features *features);

/* --- importance.c ----------------------------------------------------------------- */

/* score [features->neurons]: what each is worth by its weights. */
void tn__prune_scores(double *score, const tn__features *features,
                      tn_prune_importance importance, uint64_t seed);
/* The same by the scales of batch norms that carry the group. TN_ERROR_ARGUMENT where
 * there are none. */
tn_status tn__prune_scores_norm(double *score, const tn_model *model,
                                const tn__groups *groups, size_t group,
                                tn_error *err) TN_MUST_USE;
/* kept [n]: the `left` of the highest scores; equal ones by smaller index. */
tn_status tn__prune_keep(bool *kept, const double *score, size_t n, size_t left,
                         tn_error *err) TN_MUST_USE;

/* --- recovery.c ------------------------------------------------------------------- */

typedef struct tn__recovery {
    const tn_model *probe;  /* answers the images */
    const tn_model *folded; /* gives the weights of the readers */
    const tn__groups *groups;
    const float *images; /* [n, input] */
    size_t n;
    tn__workers *workers;
} tn__recovery;
/* kept[g] of every group with left[g] < neurons; *done[g] is false where no reader of
 * the group can be watched. */
tn_status tn__prune_recover(bool *const *kept, bool *done, const size_t *left,
                            const tn__recovery *how, tn_error *err) TN_MUST_USE;
/* curve[g] [neurons + 1], of groups where it is not NULL: the share of the variance of
 * the readers' answers that is lost when k neurons are removed. O(neurons^3) each. */
tn_status tn__prune_curves(double *const *curve, bool *done, const tn__recovery *how,
                           tn_error *err) TN_MUST_USE;

/* --- absorb.c --------------------------------------------------------------------- */

/* The map of a group onto those that are kept, or onto `left` clusters (fold).
 * `compat`: of Intra-Fusion, sums on both sides. */
tn_status tn__prune_absorb(tn__map *out, tn__features *features, const bool *kept,
                           size_t left, tn_prune_method method, bool compat,
                           uint64_t seed, tn_error *err) TN_MUST_USE;

/* --- leaves.c --------------------------------------------------------------------- */

/* n images of that shape in new memory, mean 0 and variance 1 each: dead leaves where
 * it is [channels, height, width], else white noise. */
tn_status tn__leaves_create(float **out, size_t n, const tn__shape *shape,
                            uint64_t seed, tn_error *err) TN_MUST_USE;

/* --- refit.c ---------------------------------------------------------------------- */

/* `dense` and `probe` are the network before and the same with batch norms that fit
 * the images; `small` and `small_probe` what the maps made of them. */
typedef struct tn__refitting {
    const tn_model *probe;
    const tn__groups *groups; /* of probe */
    const bool *const *kept;  /* [groups]; or NULL: no layer is refitted */
    bool norms;
    tn_model *small;             /* changed */
    const tn_model *small_probe; /* gives the goals of batch norms */
    const float *images;         /* [n, input] */
    size_t n;
    uint64_t seed;
    tn__workers *workers;
} tn__refitting;
tn_status tn__prune_refit(size_t *layers, size_t *norms, const tn__refitting *how,
                          tn_error *err) TN_MUST_USE;

#endif
