/* subset.h - some images of a data set as one of their own. */
#ifndef TN_DATA_SUBSET_H
#define TN_DATA_SUBSET_H

#include "base/base.h"
#include "tenon/data.h"

/* Copies images index[0..count) of `data`, with all else as it is; *out is owned by the
 * caller. */
tn_status tn__dataset_subset(tn_dataset **out, const tn_dataset *data,
                             const uint32_t *index, size_t count,
                             tn_error *err) TN_MUST_USE;

#endif
