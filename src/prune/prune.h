/* prune.h - what the files of this room share.
 *
 *     widths       which groups lose how many neurons
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

/* --- widths.c --------------------------------------------------------------------- */

/* left [groups]: neurons that stay of each; all of those not named by the options. */
tn_status tn__prune_widths(size_t *left, double *sparsity, const tn_model *model,
                           const tn__groups *groups, const tn_prune_options *options,
                           tn_error *err) TN_MUST_USE;

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

/* kept [features->neurons]: the `left` most important; equal ones by smaller index. */
tn_status tn__prune_rank(bool *kept, const tn__features *features, size_t left,
                         tn_prune_importance importance, uint64_t seed,
                         tn_error *err) TN_MUST_USE;
/* The same by the scales of batch norms that carry the group. TN_ERROR_ARGUMENT where
 * there are none. */
tn_status tn__prune_rank_norm(bool *kept, const tn_model *model,
                              const tn__groups *groups, size_t group, size_t left,
                              tn_error *err) TN_MUST_USE;

/* --- recovery.c ------------------------------------------------------------------- */

/* kept[g] of every group with left[g] < neurons, from the answers of `probe` to the
 * images; *done[g] is false where no reader of the group can be watched. `folded` gives
 * the weights of the readers. */
tn_status tn__prune_recover(bool *const *kept, bool *done, const size_t *left,
                            const tn_model *probe, const tn_model *folded,
                            const tn__groups *groups, const float *images, size_t n,
                            tn__workers *workers, tn_error *err) TN_MUST_USE;

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
