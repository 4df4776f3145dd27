/* many.h - aligning all parents, three and more with one another. */
#ifndef TN_FUSE_MANY_H
#define TN_FUSE_MANY_H

#include "fuse/fusion.h"

/* Fills the maps of all parents, as options->many says. */
tn_status tn__fusion_align_all(tn__fusion *fusion, tn__fuse_notes *notes,
                               const tn_observer *observer, tn_error *err) TN_MUST_USE;

/* --- cycle.c --- */

/* The same for options->many of TN_MANY_CYCLE. */
tn_status tn__fusion_align_cycle(tn__fusion *fusion, tn__fuse_notes *notes,
                                 const tn_observer *observer,
                                 tn_error *err) TN_MUST_USE;

/* --- many.c --- */

/* *out: sum over parents of their weight times the squared distance of their aligned
 * parameters from the weighted mean of all. */
tn_status tn__fusion_spread(double *out, const tn__fusion *fusion,
                            tn_error *err) TN_MUST_USE;

void tn__maps_free(tn__map *maps, size_t count); /* [count]; takes NULL */

#endif
