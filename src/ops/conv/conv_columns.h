/* conv_columns.h - the windows of a convolution as rows of a matrix, in bf16. */
#ifndef TN_OPS_CONV_COLUMNS_H
#define TN_OPS_CONV_COLUMNS_H

#include "ops/onednn.h"
#include "ops/window.h"

/* x [images, inputs, channels] and its columns [images outputs, channels taps]. All
 * arrays belong to the tn__dnnl. */
typedef struct tn__columns {
    size_t images, channels, inputs, outputs, taps;
    size_t *reads;   /* [outputs, taps] inputs, TN__NONE in padding */
    size_t *read_by; /* [inputs, taps] outputs, TN__NONE where there is none */
    uint16_t *zeros; /* [channels] */
    /* scratch */
    const uint16_t **rows; /* [taps] */
    const float **parts;   /* [taps] */
    float *sum;            /* [channels] */
} tn__columns;

/* NULL where there is no memory. */
const tn__columns *tn__columns_make(tn__dnnl *d, const tn__window *window,
                                    size_t images, size_t channels);
/* columns, bf16, of x, bf16; `with` is a tn__columns. */
tn__work tn__columns_take;
/* dx, bf16, of the gradient of the columns, f32: the sum over all windows. */
tn__work tn__columns_give;

#endif
