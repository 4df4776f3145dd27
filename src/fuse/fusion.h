/* fusion.h - what the files of this room share: the parents, evidence, plans and maps.
 *
 *     features   evidence of which neurons are alike, from weights or from activations
 *     masses     how much each neuron counts
 *     solve      evidence and masses -> plan -> map of one group
 *     average    aligned parents -> one model
 *     matching   all groups of all parents, one after another
 *     merge      aligned parents -> a result, corrected
 *     fuse       the public calls
 *
 * All parents are seen over the graph of the reference (see similarity/match.h), so one
 * value, node or group number means the same in each.
 */
#ifndef TN_FUSE_FUSION_H
#define TN_FUSE_FUSION_H

#include "depth/level.h"
#include "neurons/map.h"
#include "stats/stats.h"
#include "tenon/fuse.h"

typedef struct tn__parent {
    tn_model *model; /* over the reference's graph, sharing the caller's bytes */
    tn__groups *groups;
    tn__map *maps; /* [groups]: onto the reference; zero is the identity */
} tn__parent;

/* Co-moments of parents on the support images: of each with the reference, or of each
 * with itself and all others. */
typedef struct tn__answers {
    size_t value_count;
    size_t *values;       /* [value_count]: watched values */
    tn__comoments *pairs; /* [parents, parents, value_count]: those of no channels were
                             not measured, (a, b) may stand for (b, a) */
    size_t parents;
    bool all;
} tn__answers;

typedef struct tn__fusion {
    const tn_fuse_options *options;
    size_t count, reference;
    double *weights;      /* [count], sum 1 */
    tn__parent *parents;  /* [count] */
    tn__links links;      /* of the shared graph */
    tn__workers *workers; /* where there is data */
    float *support;       /* [support_count] images, or NULL */
    float *calibration;   /* [calibration_count] images, or NULL */
    size_t support_count, calibration_count;
    tn__level level; /* where depths differ; zero elsewhere */
    /* what was asked of the parents, empty until it is wanted */
    tn__answers answers;
    tn__moments *moments; /* [count, moment_count]: goals.c */
    size_t moment_count;
} tn__fusion;

/* Whether options have a meaning for so many models, with or without data. */
tn_status tn__fusion_check(const tn_fuse_options *options, size_t count, bool data,
                           tn_error *err) TN_MUST_USE;
/* Validates and prepares; data may be NULL. Borrows options; models and data only while
 * it runs. */
tn_status tn__fusion_create(tn__fusion *out, const tn_model *const *models,
                            size_t count, const tn_dataset *data,
                            const tn_fuse_options *options, tn_error *err) TN_MUST_USE;
void tn__fusion_release(tn__fusion *fusion);

/* --- depths.c ------------------------------------------------------------------------
 */

/* Fills f->level where the models differ in structure. */
tn_status tn__fusion_level(tn__fusion *f, const tn_model *const *models,
                           const tn_dataset *data, tn_error *err) TN_MUST_USE;
/* The weight of a parent in the mean of parameter `value`: those that have no such unit
 * of their own take no part, unless nobody else does. */
double tn__fusion_weight(const tn__fusion *f, size_t parent, size_t value);
/* Whether parent and reference both have the value, or some of the group, of their own.
 */
bool tn__value_shared(const tn__fusion *f, size_t parent, size_t value);
bool tn__group_shared(const tn__fusion *f, size_t parent, size_t group);
/* The map of a group that is not shared: neurons stay in their order; where it is wider
 * than the reference's, those of largest weights, where narrower, repeated. */
tn_status tn__map_unshared(tn__map *out, const tn__fusion *f, size_t parent,
                           size_t group, tn_error *err) TN_MUST_USE;

/* Inner products between the features of n neurons and those of m: all that any of the
 * costs needs. Evidence of several layers adds up. */
typedef struct tn__evidence {
    size_t n, m;
    double *dot;     /* [n, m]: x_i . y_j */
    double *x, *y;   /* [n], [m]: |x_i|^2, |y_j|^2 */
    double *xx, *yy; /* [n, n], [m, m]: within each, or NULL where nobody asks */
} tn__evidence;
tn_status tn__evidence_create(tn__evidence *out, size_t n, size_t m,
                              tn_error *err) TN_MUST_USE;
/* Room for what is within each. */
tn_status tn__evidence_add_within(tn__evidence *evidence, tn_error *err) TN_MUST_USE;
void tn__evidence_release(tn__evidence *evidence);
/* Features are brought to norm one; those of norm zero become orthogonal to all. */
void tn__evidence_normalise(tn__evidence *evidence);
/* Adds `other`, features of both brought to norm one first. */
void tn__evidence_blend(tn__evidence *evidence, tn__evidence *other);

/* --- features_weights.c --- */

/* The incoming weights of group g's neurons in parameter `entry`, one row a neuron,
 * other axes carried by maps onto `target` (NULL: left as they are); a batch norm
 * behind the layer is folded in, and the bias is the last column. *rows [neurons,
 * *width] is owned by the caller. */
typedef struct tn__rows_request {
    const tn__parent *source;
    const tn__parent *target; /* of the other axes */
    const tn__links *links;
    size_t group, entry;
} tn__rows_request;
tn_status tn__layer_rows(double **rows, size_t *width, const tn__rows_request *request,
                         const tn__map *maps, tn_error *err) TN_MUST_USE;
/* Whether the entry is a layer's weight: makes the neurons and has more than one axis.
 */
bool tn__is_layer_entry(const tn_model *model, const tn__group_entry *entry);

/* Evidence for group g of parent k against the reference, from layers whose inputs are
 * groups that are solved already (solved[group]). */
tn_status tn__evidence_weights(tn__evidence *out, const tn__fusion *fusion,
                               size_t parent, size_t group, const bool *solved,
                               tn_error *err) TN_MUST_USE;

/* --- features_activations.c --- */

/* Fills fusion->answers, unless they are there. */
tn_status tn__answers_measure(tn__fusion *fusion, tn_error *err) TN_MUST_USE;
void tn__answers_release(tn__answers *answers);
/* Evidence for group g of parent k; *found is false where no watched value carries it.
 */
tn_status tn__evidence_activations(tn__evidence *out, bool *found,
                                   const tn__fusion *fusion, size_t parent,
                                   size_t group, tn_error *err) TN_MUST_USE;
/* The same between any two parents, without what is within each. */
tn_status tn__evidence_between(tn__evidence *out, bool *found, const tn__fusion *fusion,
                               size_t a, size_t b, size_t group,
                               tn_error *err) TN_MUST_USE;

/* --- masses.c -----------------------------------------------------------------------
 */

/* Masses (sum 1) of the neurons of group g of a parent, by importance. *masses is owned
 * by the caller, NULL where they are uniform. */
tn_status tn__masses(double **masses, const tn__fusion *fusion, size_t parent,
                     size_t group, tn_error *err) TN_MUST_USE;
/* The same by a norm of the incoming weights, whatever the options say. */
tn_status tn__masses_by(double **masses, const tn__fusion *fusion, size_t parent,
                        size_t group, tn_importance importance,
                        tn_error *err) TN_MUST_USE;

/* --- solve.c ------------------------------------------------------------------------
 */

/* Between neuron i and neuron j of the other side. */
double tn__evidence_cost(const tn__evidence *e, size_t i, size_t j,
                         tn_ot_metric metric);

/* The map [evidence->m, evidence->n] that carries the n neurons onto the m. mu [n] and
 * nu [m] are masses of sum 1, NULL where uniform. Fills the numbers of *report. */
tn_status tn__solve(tn__map *out, tn_fuse_group *report, const tn__evidence *evidence,
                    const double *mu, const double *nu, const tn_fuse_options *options,
                    tn_error *err) TN_MUST_USE;

/* --- blocks.c -----------------------------------------------------------------------
 */

/* Solves a group of blocks: fills its map, a permutation, and the numbers of *note, and
 * marks it in solved [groups]. */
tn_status tn__align_blocks(tn_fuse_group *note, tn__fusion *fusion, size_t parent,
                           size_t group, bool *solved, tn_error *err) TN_MUST_USE;

/* --- average.c ----------------------------------------------------------------------
 */

/* aligned[parents] are models over one graph with equal shapes. Their mean, weighted as
 * tn__fusion_weight() says, replaces the float parameters of `into`, which may be one
 * of them. */
tn_status tn__average(tn_model *into, const tn_model *const *aligned,
                      const tn__fusion *fusion, tn_error *err) TN_MUST_USE;

/* --- matching.c ---------------------------------------------------------------------
 */

/* What a run adds to the report, kept aside until it succeeds. */
typedef struct tn__fuse_notes {
    tn_fuse_group *groups; /* names follow in the same memory; free with tn__free() */
    size_t count;
    double seconds_statistics, seconds_transport;
} tn__fuse_notes;
tn_status tn__fuse_notes_create(tn__fuse_notes *out, const tn__fusion *fusion,
                                tn_error *err) TN_MUST_USE;

/* Evidence of either kind: activations where they are watched, else weights. */
tn_status tn__evidence_find(tn__evidence *out, const tn__fusion *fusion, size_t parent,
                            size_t group, const bool *solved,
                            tn_error *err) TN_MUST_USE;

/* Fills the maps of all parents (of one, where `only` is not TN__NONE), which are the
 * identity before. */
tn_status tn__fusion_align(tn__fusion *fusion, tn__fuse_notes *notes, size_t only,
                           const tn_observer *observer, tn_error *err) TN_MUST_USE;
/* A parent in the coordinates of the reference, as its maps stand. */
tn_status tn__fusion_carry(tn_model **out, const tn__fusion *fusion, size_t parent,
                           tn_error *err) TN_MUST_USE;

/* --- zip.c --------------------------------------------------------------------------
 */

/* Fills the maps of all parents, the reference's too, by clusters of all neurons. */
tn_status tn__fusion_zip(tn__fusion *fusion, tn__fuse_notes *notes,
                         const tn_observer *observer, tn_error *err) TN_MUST_USE;
/* Divides what goes into a cluster by the weight of all its members. */
void tn__zip_weigh(tn__fusion *view);

/* --- merge.c ------------------------------------------------------------------------
 */

/* What became of a result on the way. */
typedef struct tn__merged {
    size_t recalibrated, refitted; /* layers */
    double seconds;
} tn__merged;
/* The weighted mean of the parents as maps and weights stand. */
tn_status tn__fusion_average(tn_model **out, const tn__fusion *fusion,
                             tn_error *err) TN_MUST_USE;
/* The average of the parents as maps and weights stand, corrected as the options say.
 */
tn_status tn__fusion_merge(tn_model **out, tn__merged *merged, tn__fusion *fusion,
                           tn_error *err) TN_MUST_USE;
/* The same of an aligned fusion, which stays as it is, with what `options` say of the
 * result: weights, align, width, refit, refit_goal, scores and recalibrate. */
tn_status tn__fusion_build(tn_model **out, tn__merged *merged, tn__fusion *fusion,
                           const tn_fuse_options *options, tn_error *err) TN_MUST_USE;

/* --- channels.c ---------------------------------------------------------------------
 */

/* Which neuron stands in each channel (axis 1) of an activation. */
typedef struct tn__channels {
    size_t count;
    size_t *group;  /* [count], or TN__NONE */
    size_t *neuron; /* [count] */
} tn__channels;
tn_status tn__channels_find(tn__channels *out, const tn__groups *groups, size_t value,
                            tn_error *err) TN_MUST_USE;
void tn__channels_release(tn__channels *channels);

/* --- data_free.c --------------------------------------------------------------------
 */

/* What averaging takes from the variance of each channel, foreseen from weights alone.
 */
typedef struct tn__foresight tn__foresight;
tn_status tn__foresight_create(tn__foresight **out, const tn__fusion *fusion,
                               const tn_model *const *aligned,
                               tn_error *err) TN_MUST_USE;
void tn__foresight_free(tn__foresight *foresight); /* takes NULL */
/* Puts it back in the averaged model. *layers counts those changed. */
tn_status tn__foresight_apply(const tn__foresight *foresight, tn_model *fused,
                              size_t *layers, tn_error *err) TN_MUST_USE;

/* --- goals.c ------------------------------------------------------------------------
 */

#include "fuse/recalibrate.h"

/* What the parents answer at each layer without a norm to the calibration images:
 * fills fusion->moments, unless they are there. */
tn_status tn__goals_measure(tn__fusion *fusion, tn_error *err) TN_MUST_USE;
/* The goals of REPAIR: interpolated means and standard deviations of the aligned
 * parents, which are measured already. *goals [*count] are owned by the caller. */
tn_status tn__goals_mix(tn__goal **goals, size_t *count, const tn__fusion *fusion,
                        tn_error *err) TN_MUST_USE;

/* --- regress.c ----------------------------------------------------------------------
 */

/* Fits the layers of `fused` one after another to the mean answers of the aligned
 * parents on the calibration images, and gives batch norms the statistics found.
 * Wants data. *layers is the number fitted. Where neurons are matched anew, maps of the
 * fusion change. */
tn_status tn__regress(tn_model *fused, size_t *layers, tn__fusion *fusion,
                      tn_error *err) TN_MUST_USE;

/* --- descent.c ----------------------------------------------------------------------
 */

/* Improves the maps of a parent by repeated coordinate descent over its groups, from
 * options->descents starts. notes [groups] of that parent follow. */
tn_status tn__descend(tn__fusion *fusion, tn_fuse_group *notes, size_t parent,
                      tn_error *err) TN_MUST_USE;

/* --- fuse.c, ladder.c ---------------------------------------------------------------
 */

struct tn_fusion {
    tn__fusion inner;        /* aligned; its options are those below */
    tn_fuse_options options; /* of method auto those that were chosen */
    double *weights;         /* of the options, or NULL */
    tn_model *made;          /* by method auto: the result; else NULL */
    tn__merged merged;       /* of that */
};

/* What is fused. */
typedef struct tn__fuse_request {
    const tn_model *const *models;
    size_t count;
    const tn_dataset *data;
    const tn_observer *observer;
} tn__fuse_request;
/* Method auto: fills a fusion whose options are set, and *notes and what there is of
 * candidates in *report. */
tn_status tn__fusion_climb(tn_fusion *fusion, tn__fuse_notes *notes,
                           tn_fuse_report *report, const tn__fuse_request *request,
                           tn_error *err) TN_MUST_USE;

#endif
