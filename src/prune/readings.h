/* readings.h - what a layer reads of a group, as two matrices. */
#ifndef TN_PRUNE_READINGS_H
#define TN_PRUNE_READINGS_H

#include "prune/prune.h"

/* Of one reader. A neuron has a block of cells; cells that belong to no neuron of the
 * group are read beside them. */
typedef struct tn__reading {
    size_t cells, block;
    uint32_t *cell; /* [neurons, block] */
    double *g;      /* [cells, cells]: covariance of the cells */
    double *s;      /* [cells, cells]: W W^T of the weights by which they are read */
} tn__reading;
/* list [readers], zero at first; owned by the caller. */
tn_status tn__readings_measure(tn__reading *list, const tn__readers *readers,
                               const tn__scoring *how, tn_error *err) TN_MUST_USE;
void tn__readings_free(tn__reading *list, size_t count); /* takes NULL */

#endif
