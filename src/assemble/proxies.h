/* proxies.h - what a network may be worth, told without training it. */
#ifndef TN_ASSEMBLE_PROXIES_H
#define TN_ASSEMBLE_PROXIES_H

#include "base/threads.h"
#include "graph/model.h"

/* Mellor et al., "Neural Architecture Search without Training", ICML 2021: log |det K|
 * / m, K [m, m] the number of rectifiers that two images of a shard have in the same
 * state, averaged over shards. per_unit: the same of K divided by the number of units,
 * which does not grow with the network. TN_ERROR_UNSUPPORTED where there is no
 * rectifier. */
tn_status tn__naswot(double *score, double *per_unit, const tn_model *model,
                     const float *images, size_t n, tn__workers *workers,
                     tn_error *err) TN_MUST_USE;

#endif
