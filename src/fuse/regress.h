/* regress.h - what the files of the sequential least squares share.
 *
 *     regress_goals   which layers are fitted to what, and the parents' answers there
 *     regroup         their neurons matched anew by the fits
 *     regress         the sweep in which they are fitted
 */
#ifndef TN_FUSE_REGRESS_H
#define TN_FUSE_REGRESS_H

#include "fuse/fusion.h"
#include "stats/patches.h"
#include "stats/ridge.h"

/* A layer that is fitted. Its goal is what it or the norm behind it answers; where that
 * is only added to something known already, the sum, so that the layer makes up for
 * what is wrong with the other operand. */
typedef struct tn__fitted {
    tn__layer layer;
    tn__patches patches;
    size_t goal;    /* value */
    size_t other;   /* value: the other operand of the sum, or TN__NONE */
    size_t sampled; /* positions of each image */
    size_t own;     /* group that the layer alone makes and whose neurons are to be
                       matched anew, or TN__NONE */
    bool raw; /* the answers of all parents side by side are wanted, not the goal */
    bool is_output;   /* the goal is the graph's output */
    size_t parents;   /* of the arrays below */
    size_t *channels; /* [parents] of the goal */
    float **answers;  /* [parents]: [images * sampled, channels] */
    float **mix;      /* [parents]: [channels, outputs], weights of the mean goal */
    float *present;   /* [images * sampled, outputs]: what `other` holds */
    double *centre;   /* [outputs]: of the goal, where its spread is kept; or NULL */
    double *spread;   /* [outputs]: factor about the centre */
    double *constant; /* [outputs]: what the norm behind the layer adds */
} tn__fitted;

/* The layers of `fused`, a model over the reference's graph, in order of node, and what
 * the parents answer to the calibration images at their goals. */
tn_status tn__fitted_find(tn__fitted **list, size_t *count, const tn_model *fused,
                          const tn__fusion *fusion, tn_error *err) TN_MUST_USE;
void tn__fitted_free(tn__fitted *list, size_t count); /* takes NULL */

/* y [sampled, stride]: the goal for image i, the other operand taken off. */
void tn__fitted_goal(float *y, size_t stride, const tn__fitted *at, size_t image);

/* Mixes the answers by the maps and options as they stand now. */
tn_status tn__fitted_mix(tn__fitted *at, const tn__fusion *fusion,
                         tn_error *err) TN_MUST_USE;
/* The outputs that are wanted now: of the goal, or of all parents. */
size_t tn__fitted_outputs(const tn__fitted *at);
/* m [outputs of all parents, outputs] and added [outputs]: from the answers of all
 * parents to the goal. */
void tn__fitted_matrix(double *m, double *added, const tn__fitted *at);

/* The entry of the group on the channels of a value. */
const tn__group_entry *tn__entry_on(const tn__group *group, size_t value);
/* The group whose neurons are the channels of `goal` and are made by the layer with
 * this weight alone, or TN__NONE. (regroup.c) */
size_t tn__group_of_layer(const tn__fusion *fusion, const tn_model *model, size_t goal,
                          size_t weight);
/* Maps of group at->own, from sums with the answers of all parents. */
tn_status tn__regroup(tn__fusion *fusion, tn__fitted *at, const tn__ridge *sums,
                      tn_error *err) TN_MUST_USE;

/* Copies positions of x [channels, positions] as rows [sampled, channels]. */
void tn__fitted_sample(float *rows, const tn__fitted *at, const float *x,
                       size_t channels, size_t image, uint64_t seed);

#endif
