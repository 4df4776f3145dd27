/* registry.h - the operators Tenon knows, one constant each. */
#ifndef TN_OPS_REGISTRY_H
#define TN_OPS_REGISTRY_H

#include "ops/op.h"

extern const tn__op tn__op_conv, tn__op_gemm, tn__op_matmul;
extern const tn__op tn__op_batch_norm, tn__op_softmax, tn__op_log_softmax;
extern const tn__op tn__op_max_pool, tn__op_average_pool, tn__op_global_average_pool;
extern const tn__op tn__op_add, tn__op_sub, tn__op_mul, tn__op_div, tn__op_pow;
extern const tn__op tn__op_relu, tn__op_leaky_relu, tn__op_clip, tn__op_sigmoid;
extern const tn__op tn__op_tanh, tn__op_sqrt, tn__op_abs, tn__op_neg, tn__op_sign,
    tn__op_exp, tn__op_log, tn__op_reciprocal, tn__op_floor, tn__op_ceil, tn__op_round,
    tn__op_sin, tn__op_cos, tn__op_erf, tn__op_gelu, tn__op_elu, tn__op_selu,
    tn__op_celu, tn__op_softplus, tn__op_softsign, tn__op_mish, tn__op_thresholded_relu,
    tn__op_hard_sigmoid, tn__op_hard_swish;
extern const tn__op tn__op_reduce_mean, tn__op_reduce_sum;
extern const tn__op tn__op_flatten, tn__op_reshape, tn__op_squeeze, tn__op_unsqueeze;
extern const tn__op tn__op_transpose, tn__op_pad, tn__op_slice, tn__op_concat;
extern const tn__op tn__op_split, tn__op_gather;
extern const tn__op tn__op_identity, tn__op_dropout, tn__op_cast;
extern const tn__op tn__op_constant, tn__op_constant_of_shape, tn__op_shape;
extern const tn__op tn__op_mod, tn__op_prelu, tn__op_sum, tn__op_mean, tn__op_max,
    tn__op_min, tn__op_equal, tn__op_greater, tn__op_less, tn__op_greater_or_equal,
    tn__op_less_or_equal, tn__op_and, tn__op_or, tn__op_xor, tn__op_not, tn__op_is_nan,
    tn__op_where, tn__op_expand, tn__op_range, tn__op_scatter_nd, tn__op_layer_norm;
extern const tn__op tn__op_reduce_max, tn__op_reduce_min, tn__op_reduce_prod,
    tn__op_reduce_l1, tn__op_reduce_l2, tn__op_reduce_sum_square, tn__op_reduce_log_sum,
    tn__op_reduce_log_sum_exp, tn__op_arg_max, tn__op_arg_min, tn__op_tile,
    tn__op_instance_norm, tn__op_group_norm, tn__op_conv_transpose, tn__op_resize,
    tn__op_upsample, tn__op_einsum, tn__op_trilu, tn__op_top_k, tn__op_depth_to_space,
    tn__op_space_to_depth;

#endif
