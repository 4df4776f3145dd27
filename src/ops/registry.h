/* registry.h - the operators Tenon knows, one constant each. */
#ifndef TN_OPS_REGISTRY_H
#define TN_OPS_REGISTRY_H

#include "ops/op.h"

extern const tn__op tn__op_conv, tn__op_gemm, tn__op_matmul;
extern const tn__op tn__op_batch_norm, tn__op_softmax, tn__op_log_softmax;
extern const tn__op tn__op_max_pool, tn__op_average_pool, tn__op_global_average_pool;
extern const tn__op tn__op_add, tn__op_sub, tn__op_mul, tn__op_div, tn__op_pow;
extern const tn__op tn__op_relu, tn__op_leaky_relu, tn__op_clip, tn__op_sigmoid;
extern const tn__op tn__op_tanh, tn__op_sqrt;
extern const tn__op tn__op_reduce_mean, tn__op_reduce_sum;
extern const tn__op tn__op_flatten, tn__op_reshape, tn__op_squeeze, tn__op_unsqueeze;
extern const tn__op tn__op_transpose, tn__op_pad, tn__op_slice, tn__op_concat;
extern const tn__op tn__op_split, tn__op_gather;
extern const tn__op tn__op_identity, tn__op_dropout, tn__op_cast;
extern const tn__op tn__op_constant, tn__op_constant_of_shape, tn__op_shape;

#endif
