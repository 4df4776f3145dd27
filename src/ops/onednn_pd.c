/* onednn_pd.c - primitive descriptors: the one place where oneDNN 2.x and 3.x part
 * ways.
 *
 * 2.x fills an operation descriptor and makes a primitive descriptor from it; 3.x makes
 * the primitive descriptor in one call. Everything else is the same.
 */
#include "ops/onednn.h"

dnnl_status_t tn__pd_make(dnnl_primitive_desc_t *out, const tn__pd_spec *spec,
                          dnnl_primitive_attr_t attr, dnnl_engine_t engine);

static tn__md md_of(const tn__layout *layout)
{
    return layout ? layout->md : NULL;
}

static dnnl_prop_kind_t prop_of(const tn__pd_spec *s)
{
    return s->training ? dnnl_forward_training : dnnl_forward_inference;
}

#define RELU_ALG dnnl_eltwise_relu_use_dst_for_bwd
#define CONV_ALG dnnl_convolution_direct

#if DNNL_VERSION_MAJOR >= 3

dnnl_status_t tn__pd_make(dnnl_primitive_desc_t *out, const tn__pd_spec *s,
                          dnnl_primitive_attr_t attr, dnnl_engine_t engine)
{
    tn__md src = md_of(s->src), weights = md_of(s->weights), bias = md_of(s->bias),
           dst = md_of(s->dst);
    switch (s->kind) {
    case TN__CONV_FORWARD:
        return dnnl_convolution_forward_primitive_desc_create(
            out, engine, prop_of(s), CONV_ALG, src, weights, bias, dst, s->strides,
            s->dilates, s->pad_l, s->pad_r, attr);
    case TN__CONV_BACKWARD_DATA:
        return dnnl_convolution_backward_data_primitive_desc_create(
            out, engine, CONV_ALG, src, weights, dst, s->strides, s->dilates, s->pad_l,
            s->pad_r, s->hint, attr);
    case TN__CONV_BACKWARD_WEIGHTS:
        return dnnl_convolution_backward_weights_primitive_desc_create(
            out, engine, CONV_ALG, src, weights, bias, dst, s->strides, s->dilates,
            s->pad_l, s->pad_r, s->hint, attr);
    case TN__GEMM_FORWARD:
        return dnnl_inner_product_forward_primitive_desc_create(
            out, engine, prop_of(s), src, weights, bias, dst, attr);
    case TN__GEMM_BACKWARD_DATA:
        return dnnl_inner_product_backward_data_primitive_desc_create(
            out, engine, src, weights, dst, s->hint, attr);
    case TN__MATMUL:
        return dnnl_matmul_primitive_desc_create(out, engine, src, weights, bias, dst,
                                                 attr);
    case TN__NORM_FORWARD:
        return dnnl_batch_normalization_forward_primitive_desc_create(
            out, engine, prop_of(s), src, dst, s->epsilon, s->flags, attr);
    case TN__NORM_BACKWARD:
        return dnnl_batch_normalization_backward_primitive_desc_create(
            out, engine, dnnl_backward, src, dst, src, s->epsilon, s->flags, s->hint,
            attr);
    case TN__RELU_FORWARD:
        return dnnl_eltwise_forward_primitive_desc_create(
            out, engine, prop_of(s), RELU_ALG, src, dst, 0.0f, 0.0f, attr);
    case TN__RELU_BACKWARD:
        return dnnl_eltwise_backward_primitive_desc_create(
            out, engine, RELU_ALG, src, dst, dst, 0.0f, 0.0f, s->hint, attr);
    case TN__POOL_FORWARD:
        return dnnl_pooling_forward_primitive_desc_create(
            out, engine, prop_of(s), s->pooling, src, dst, s->strides, s->window,
            s->dilates, s->pad_l, s->pad_r, attr);
    case TN__POOL_BACKWARD:
        return dnnl_pooling_backward_primitive_desc_create(
            out, engine, s->pooling, src, dst, s->strides, s->window, s->dilates,
            s->pad_l, s->pad_r, s->hint, attr);
    case TN__ADD_FORWARD:
        return dnnl_binary_primitive_desc_create(out, engine, dnnl_binary_add, src,
                                                 weights, dst, attr);
    }
    return dnnl_invalid_arguments;
}

#else

typedef union op_desc {
    dnnl_convolution_desc_t conv;
    dnnl_inner_product_desc_t gemm;
    dnnl_matmul_desc_t matmul;
    dnnl_batch_normalization_desc_t norm;
    dnnl_eltwise_desc_t eltwise;
    dnnl_pooling_v2_desc_t pool;
    dnnl_binary_desc_t binary;
} op_desc;

static dnnl_status_t describe_weighted(op_desc *op, const tn__pd_spec *s)
{
    tn__md src = md_of(s->src), weights = md_of(s->weights), bias = md_of(s->bias),
           dst = md_of(s->dst);
    switch (s->kind) {
    case TN__CONV_FORWARD:
        return dnnl_dilated_convolution_forward_desc_init(
            &op->conv, prop_of(s), CONV_ALG, src, weights, bias, dst, s->strides,
            s->dilates, s->pad_l, s->pad_r);
    case TN__CONV_BACKWARD_DATA:
        return dnnl_dilated_convolution_backward_data_desc_init(
            &op->conv, CONV_ALG, src, weights, dst, s->strides, s->dilates, s->pad_l,
            s->pad_r);
    case TN__CONV_BACKWARD_WEIGHTS:
        return dnnl_dilated_convolution_backward_weights_desc_init(
            &op->conv, CONV_ALG, src, weights, bias, dst, s->strides, s->dilates,
            s->pad_l, s->pad_r);
    case TN__GEMM_FORWARD:
        return dnnl_inner_product_forward_desc_init(&op->gemm, prop_of(s), src, weights,
                                                    bias, dst);
    case TN__GEMM_BACKWARD_DATA:
        return dnnl_inner_product_backward_data_desc_init(&op->gemm, src, weights, dst);
    case TN__MATMUL:
        return dnnl_matmul_desc_init(&op->matmul, src, weights, bias, dst);
    default:
        return dnnl_invalid_arguments;
    }
}

static dnnl_status_t describe(op_desc *op, const tn__pd_spec *s)
{
    tn__md src = md_of(s->src), weights = md_of(s->weights), dst = md_of(s->dst);
    switch (s->kind) {
    case TN__NORM_FORWARD:
        return dnnl_batch_normalization_forward_desc_init(&op->norm, prop_of(s), src,
                                                          s->epsilon, s->flags);
    case TN__NORM_BACKWARD:
        return dnnl_batch_normalization_backward_desc_init(
            &op->norm, dnnl_backward, dst, src, s->epsilon, s->flags);
    case TN__RELU_FORWARD:
        return dnnl_eltwise_forward_desc_init(&op->eltwise, prop_of(s), RELU_ALG, src,
                                              0.0f, 0.0f);
    case TN__RELU_BACKWARD:
        return dnnl_eltwise_backward_desc_init(&op->eltwise, RELU_ALG, src, dst, 0.0f,
                                               0.0f);
    case TN__POOL_FORWARD:
        return dnnl_pooling_v2_forward_desc_init(&op->pool, prop_of(s), s->pooling, src,
                                                 dst, s->strides, s->window, s->dilates,
                                                 s->pad_l, s->pad_r);
    case TN__POOL_BACKWARD:
        return dnnl_pooling_v2_backward_desc_init(&op->pool, s->pooling, src, dst,
                                                  s->strides, s->window, s->dilates,
                                                  s->pad_l, s->pad_r);
    case TN__ADD_FORWARD:
        return dnnl_binary_desc_init(&op->binary, dnnl_binary_add, src, weights, dst);
    default:
        return describe_weighted(op, s);
    }
}

dnnl_status_t tn__pd_make(dnnl_primitive_desc_t *out, const tn__pd_spec *spec,
                          dnnl_primitive_attr_t attr, dnnl_engine_t engine)
{
    op_desc op;
    dnnl_status_t status = describe(&op, spec);
    return status == dnnl_success
               ? dnnl_primitive_desc_create(out, &op, attr, engine, spec->hint)
               : status;
}

#endif
