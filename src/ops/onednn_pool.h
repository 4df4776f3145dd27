/* onednn_pool.h - the kernel that the three pooling operators share. */
#ifndef TN_OPS_ONEDNN_POOL_H
#define TN_OPS_ONEDNN_POOL_H

#include "ops/onednn.h"

/* Makes the kernel from spec's window and algorithm; *out stays NULL where oneDNN has
 * none. */
tn_status tn__dnnl_pool(tn__kernel **out, const tn__kernel_request *request,
                        tn__pd_spec *spec, tn_error *err) TN_MUST_USE;

#endif
