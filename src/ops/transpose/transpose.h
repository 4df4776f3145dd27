/* transpose.h - the permutation of Transpose. */
#ifndef TN_OPS_TRANSPOSE_TRANSPOSE_H
#define TN_OPS_TRANSPOSE_TRANSPOSE_H

#include "ops/op.h"

/* Axis k of the output is axis perm[k] of the input. */
tn_status tn__transpose_read(int perm[TN__MAX_RANK], const tn__site *site,
                             tn_error *err) TN_MUST_USE;

#endif
