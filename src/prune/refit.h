/* refit.h - what the two files of the refit share. */
#ifndef TN_PRUNE_REFIT_H
#define TN_PRUNE_REFIT_H

#include "fuse/recalibrate.h"
#include "prune/prune.h"
#include "stats/patches.h"

/* A layer that is refitted. */
typedef struct tn__place {
    tn__layer layer;
    tn__patches patches; /* of the small network */
    tn__carried carried; /* the output channels, patches.outputs of them */
    size_t sampled;      /* positions an image */
    float *y;            /* [images * sampled, outputs]: answers before */
    size_t beside;       /* value that is added to the answers, known before them; or
                            TN__NONE */
    bool refitted;       /* or left as deletion makes it; once it is fitted */
    double missed;       /* share of the answers wanted, on images held out */
    float *drift; /* [images * sampled, outputs]: where it was, less where it is */
    double *more; /* [outputs]: mean of what the answers make good of it */
} tn__place;

typedef struct tn__places {
    const tn__refitting *how;
    tn__place *list;
    size_t count;
    tn__shapes shapes; /* of the small network */
    tn__links links;
    double strength; /* of the ridge of the layer before */
} tn__places;

/* Layers at and behind the first whose inputs are fewer now. */
tn_status tn__places_find(tn__places *places, tn_error *err) TN_MUST_USE;
void tn__places_release(tn__places *places);
/* Whether there are images to hold out. */
bool tn__places_choose(const tn__places *places);
tn__place *tn__place_at(tn__places *places, size_t node); /* or NULL */

/* The node has been computed, by the network before or by the one now. */
void tn__places_take(tn__places *places, const tn__sweep_node *at, bool now);
/* The layer is about to be computed: its weights, in the engine, are
 * fitted, or left where that misses less on images held out. */
tn_status tn__place_fit(tn__places *places, tn__place *place, tn__engine *engine,
                        const tn__sweep_node *at, tn_error *err) TN_MUST_USE;

#endif
