/* prune.h - what the files of this room share.
 *
 *     limits       which groups may lose neurons, and how many
 *     allocate     the order in which they do, where shares are uneven
 *     widths       how many stay of each, within budgets
 *     features     a neuron as a row of numbers
 *     readers      the activations through which layers read a group
 *     importance   which neurons stay: scores by weights, or by
 *     recovery         what can be recovered of the others
 *     readings         and what layers read of them, which that is measured by
 *                      (readings.h)
 *     activity         what they do on images
 *     gradients        what the loss says of them
 *     absorb       what becomes of the others: the maps
 *     leaves       images where there are none
 *     carried      what channels now are made of
 *     refit        layers and batch norms put right in one sweep
 *     refit_layers the layers of it, one at a time (refit.h)
 *     repair       layers without a batch norm
 *     plan         what was done, to do it again (plan.h)
 *     prune        the order in which all that happens, with the files of pruning.h
 */
#ifndef TN_PRUNE_PRUNE_H
#define TN_PRUNE_PRUNE_H

#include "base/threads.h"
#include "neurons/map.h"
#include "stats/stats.h"
#include "tenon/prune.h"

/* By number; ends at NULL. */
extern const char *const tn__prune_method_names[];
extern const char *const tn__prune_repair_names[];
/* Whether neurons that go are mixed into those that stay. */
bool tn__method_mixes(tn_prune_method method);

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
/* The groups of this group's kind, one inside each block, that keep as many neurons;
 * itself where it lies in no block. */
size_t tn__siblings(const tn__groups *groups, size_t group); /* how many */
size_t tn__sibling(const tn__groups *groups, size_t group, size_t block);
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
/* The same where a score is what is lost with the neuron and all of smaller score. */
void tn__prune_levels(double *loss, const double *score, size_t n);
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

/* --- readers.c -------------------------------------------------------------------- */

/* One layer that reads a group, and the activation through which it does. */
typedef struct tn__reader {
    size_t node;
    size_t group, entry;      /* of its weight */
    const tn__group_entry *x; /* of the activation; borrowed from the groups */
    tn__extent extent; /* a neuron's cells of one image are `positions` in a row */
} tn__reader;
typedef struct tn__readers {
    tn__reader *list; /* by group */
    size_t count, capacity;
    size_t *keep; /* [count]: the activations, for an engine to keep */
} tn__readers;
/* Those of wanted groups [groups] whose activation has the neurons on its channels. */
tn_status tn__readers_find(tn__readers *out, const bool *wanted, const tn_model *model,
                           const tn__groups *groups, tn_error *err) TN_MUST_USE;
void tn__readers_release(tn__readers *readers);

/* --- importance.c ----------------------------------------------------------------- */

/* What neurons are scored by. Values have the same numbers in all three models. */
typedef struct tn__scoring {
    tn_prune_importance by;   /* not AUTO */
    const tn_model *model;    /* as it was */
    const tn_model *folded;   /* with idle batch norms */
    const tn_model *probe;    /* either, with batch norms that fit the images */
    const tn__groups *groups; /* of `folded` */
    const float *images;      /* [n, input], or NULL */
    const int32_t *labels;    /* [n], or NULL */
    size_t n;
    uint64_t seed;
    tn__workers *workers;
} tn__scoring;
/* scores[g] [neurons] of every group where it is not NULL, zeros at first: the larger
 * the more important, comparable between groups. TN_ERROR_ARGUMENT where the importance
 * wants what is not there (labels, batch norms), _MISMATCH (labels), _NUMERIC.
 * recovered [groups] (may be NULL): those whose scores are of recovery.c; where `by` is
 * the error of recovery and no reader can be watched, l1 stands in. */
tn_status tn__prune_scores(double *const *scores, bool *recovered,
                           const tn__scoring *how, tn_error *err) TN_MUST_USE;
bool tn__importance_wants_images(tn_prune_importance by);
/* kept [n]: the `left` of the highest score; equal ones by smaller index. */
tn_status tn__prune_keep(bool *kept, const double *score, size_t n, size_t left,
                         tn_error *err) TN_MUST_USE;

/* --- recovery.c ------------------------------------------------------------------- */

/* The greedy order in which neurons recover most of the others: a score is the share of
 * the readers' answers that is lost without the neuron and all that come after it. */
tn_status tn__prune_recover(double *const *scores, const tn__readers *readers,
                            const tn__scoring *how, tn_error *err) TN_MUST_USE;

/* --- activity.c ------------------------------------------------------------------- */

/* Adds what `activation` or `chip` says, over all readers of a group. */
tn_status tn__prune_activity(double *const *scores, const tn__readers *readers,
                             const tn__scoring *how, tn_error *err) TN_MUST_USE;

/* --- gradients.c ------------------------------------------------------------------ */

/* A clone of `folded` in which idle batch norms are Identity nodes and weights are
 * multiplied by the gradients of the loss. */
tn_status tn__prune_products(tn_model **out, const tn__scoring *how,
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

/* --- carried.c -------------------------------------------------------------------- */

/* What the channels of an activation now are made of: channel c has the share share[e]
 * of channel channel[e] before, for e in first[c] .. first[c + 1]. */
typedef struct tn__carried {
    size_t count, before; /* channels */
    size_t *first;
    uint32_t *channel;
    float *share;
} tn__carried;
/* groups: of the network before; kept [groups]; maps [groups], or NULL. */
tn_status tn__carried_find(tn__carried *out, const tn__groups *groups,
                           const bool *const *kept, const tn__map *maps, size_t value,
                           tn_error *err) TN_MUST_USE;
void tn__carried_release(tn__carried *carried);

/* --- refit.c ---------------------------------------------------------------------- */

/* `probe` is the network before with batch norms that fit the images; `small` and
 * `small_probe` what the maps made of the network and of the probe. */
typedef struct tn__refitting {
    const tn_model *probe;
    const tn__groups *groups; /* of probe */
    const bool *const *kept;  /* [groups] */
    const tn__map *maps;      /* [groups], or NULL: the others are deleted */
    bool layers;              /* are refitted */
    tn_prune_repair repair;   /* NONE, NORM, REPAIR or MEAN */
    tn_model *small;          /* changed */
    const tn_model *small_probe;
    const tn_model *goals; /* its batch norms hold mean and variance of what enters
                              those of the probe, mapped */
    const float *images;   /* [n, input] */
    size_t n;
    uint64_t seed;
    tn__workers *workers;
} tn__refitting;
/* What became of a layer: it is none of those to refit, it stays as deletion left it,
 * which misses less on images held out, or it was refitted. */
typedef enum tn__layer_way {
    TN__LAYER_OTHER,
    TN__LAYER_LEFT,
    TN__LAYER_REFITTED
} tn__layer_way;
typedef struct tn__refitted {
    tn__layer_way *ways;    /* [nodes], OTHER at first */
    double *missed;         /* [nodes]: share of what the layer should answer on images
                               held out that it does not, about the mean */
    bool judged;            /* there were images held out */
    size_t norms, repaired; /* batch norms re-estimated; layers without one repaired */
} tn__refitted;
tn_status tn__prune_refit(tn__refitted *out, const tn__refitting *how,
                          tn_error *err) TN_MUST_USE;

/* --- repair.c --------------------------------------------------------------------- */

/* Layers without a batch norm that make neurons, and what they should answer. */
typedef struct tn__repairs {
    const tn__groups *groups; /* of the network before */
    tn__workers *workers;
    struct tn__repaired *list;
    size_t count;
} tn__repairs;
tn_status tn__repairs_find(tn__repairs *out, const tn_model *probe,
                           const tn__groups *groups, const bool *const *kept,
                           const tn__map *maps, tn__workers *workers,
                           tn_error *err) TN_MUST_USE;
void tn__repairs_release(tn__repairs *repairs);
/* The node has been computed, by the probe: mean and standard deviation of its answers,
 * carried, are the goal. */
tn_status tn__repairs_aim(tn__repairs *repairs, const tn__sweep_node *at,
                          tn_error *err) TN_MUST_USE;
/* The node has been computed, by the network now, whose shapes those are: its answers
 * are brought to the goal, `more` [channels] (or NULL) being added to the means. */
tn_status tn__repairs_meet(tn__repairs *repairs, const tn__sweep_node *at,
                           const tn__shapes *shapes, const double *more,
                           tn_error *err) TN_MUST_USE;
/* What was found goes into the parameters of the network now. *count: layers. */
tn_status tn__repairs_write(size_t *count, const tn__repairs *repairs, tn_model *small,
                            tn_error *err) TN_MUST_USE;
/* The mean that the channels of the node should have, or NULL where it is none of
 * those. */
const double *tn__repairs_mean(const tn__repairs *repairs, size_t node);

#endif
