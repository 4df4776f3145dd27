/* nets.h - small models, built here so that their outputs can be computed by hand. */
#ifndef TN_TESTS_EVAL_NETS_H
#define TN_TESTS_EVAL_NETS_H

#include "test.h"

#include "base/rng.h"
#include "graph/model.h"
#include "tenon/data.h"

/* A parameter with the given values, or (NULL) normal ones of this deviation. */
static inline size_t add_matrix(tn_model *model, const char *name, int rank,
                                const int64_t *dims, const float *values,
                                double deviation, tn__rng *rng)
{
    tn__tensor tensor = {0};
    size_t value = 0;
    assert_ok(tn__tensor_create(&tensor, TN_F32, rank, dims, err));
    float *x = tn__tensor_f32(&tensor);
    for (size_t k = 0; k < tn__tensor_count(&tensor); k++)
        x[k] = values ? values[k] : (float)(deviation * tn__rng_normal(rng));
    assert_ok(tn__model_add_parameter(&value, model, name, &tensor, err));
    tn__tensor_release(&tensor);
    return value;
}

static inline size_t add_node(tn_model *model, const char *type, const char *output,
                              size_t count, const size_t *inputs)
{
    size_t value = 0, node = 0;
    assert_ok(tn__model_add_value(&value, model, output, err));
    assert_ok(
        tn__model_add_node(&node, model, type, output, count, inputs, 1, &value, err));
    if (strcmp(type, "Gemm") == 0)
        assert_ok(tn__node_set_int(&model->nodes[node], "transB", 1, err));
    return value;
}

/* outputs = weight x + bias over flattened images [channels, height, width]. */
static inline tn_model *linear_model(const char *name, const int64_t shape[3],
                                     int64_t classes, const float *weight,
                                     const float *bias)
{
    tn_model *model = NULL;
    int64_t n = shape[0] * shape[1] * shape[2],
            input[] = {-1, shape[0], shape[1], shape[2]};
    size_t x = 0;
    tn__rng rng;
    tn__rng_seed(&rng, 1, 0);
    assert_ok(tn__model_create(&model, name, err));
    assert_ok(tn__model_add_input(&x, model, "x", TN_F32, 4, input, err));
    size_t w = add_matrix(model, "w", 2, (int64_t[]){classes, n}, weight, 0.3, &rng);
    size_t b = add_matrix(model, "b", 1, &classes, bias, 0.1, &rng);
    size_t flat = add_node(model, "Flatten", "flat", 1, &x);
    size_t y = add_node(model, "Gemm", "y", 3, (size_t[]){flat, w, b});
    assert_ok(tn__model_add_output(model, y, err));
    assert_ok(tn__model_check(model, err));
    return model;
}

/* outputs = w2 relu(w1 x + b1) + b2 with `hidden` neurons and random weights. */
static inline tn_model *hidden_model(const int64_t shape[3], int64_t hidden,
                                     int64_t classes, uint64_t seed)
{
    tn_model *model = NULL;
    int64_t n = shape[0] * shape[1] * shape[2],
            input[] = {-1, shape[0], shape[1], shape[2]};
    size_t x = 0;
    tn__rng rng;
    tn__rng_seed(&rng, seed, 0);
    assert_ok(tn__model_create(&model, "hidden", err));
    assert_ok(tn__model_add_input(&x, model, "x", TN_F32, 4, input, err));
    size_t w1 = add_matrix(model, "w1", 2, (int64_t[]){hidden, n}, NULL,
                           sqrt(2 / (double)n), &rng);
    size_t b1 = add_matrix(model, "b1", 1, &hidden, NULL, 0.01, &rng);
    size_t w2 = add_matrix(model, "w2", 2, (int64_t[]){classes, hidden}, NULL,
                           sqrt(1 / (double)hidden), &rng);
    size_t b2 = add_matrix(model, "b2", 1, &classes, NULL, 0.01, &rng);
    size_t flat = add_node(model, "Flatten", "flat", 1, &x);
    size_t z = add_node(model, "Gemm", "z", 3, (size_t[]){flat, w1, b1});
    size_t h = add_node(model, "Relu", "h", 1, &z);
    size_t y = add_node(model, "Gemm", "y", 3, (size_t[]){h, w2, b2});
    assert_ok(tn__model_add_output(model, y, err));
    assert_ok(tn__model_check(model, err));
    return model;
}

/* The tensor of a parameter by name, borrowed. */
static inline const float *weights_of(const tn_model *model, const char *name)
{
    size_t value = tn__model_find_value(model, name);
    assert_true(value != TN__NONE);
    return tn__tensor_f32_const(&model->values[value].parameter);
}

static inline tn_dataset *random_data(const char *spec)
{
    tn_dataset *data = NULL;
    assert_ok(tn_dataset_open(&data, spec, NULL, err));
    return data;
}

#endif
