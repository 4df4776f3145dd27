/* reduction.h - augmenting row reduction, before the searches of paths.h. */
#ifndef TN_TRANSPORT_REDUCTION_H
#define TN_TRANSPORT_REDUCTION_H

#include "transport/paths.h"

/* Where n == m, after column reduction: assigns most of the rows that are left without
 * a search, displacing others. What is assigned stays optimal. */
void tn__paths_reduce_rows(tn__paths *paths);

#endif
