/* slice.h - which part of its input a Slice is. */
#ifndef TN_OPS_SLICE_SLICE_H
#define TN_OPS_SLICE_SLICE_H

#include "ops/op.h"
#include "ops/view.h"

/* The input, row-major, seen with the extent of the output. */
tn_status tn__slice_read(tn__view *view, const tn__site *site,
                         tn_error *err) TN_MUST_USE;

#endif
