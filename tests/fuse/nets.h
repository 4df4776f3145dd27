/* nets.h - networks, permuted and widened copies, and distances for the tests of
 * fusion. */
#ifndef TN_TESTS_FUSE_NETS_H
#define TN_TESTS_FUSE_NETS_H

#include "test.h"

#include "base/rng.h"
#include "engine/engine.h"
#include "neurons/map.h"
#include "tenon/fuse.h"

static inline bool is_float_parameter(const tn__value *value)
{
    return value->parameter.dtype == TN_F32;
}

/* The floats of parameter v for writing. */
static inline float *parameter_of(tn_model *model, size_t v)
{
    void *data = NULL;
    assert_ok(tn__tensor_write(&model->values[v].parameter, &data, err));
    return data;
}

/* Random weights and random statistics of batch norm, biases too. */
static inline tn_model *make_net(const char *arch, uint64_t seed)
{
    tn_model *model = NULL;
    tn__rng rng;
    tn__rng_seed(&rng, seed, 99);
    assert_ok(tn_model_create(&model, arch, NULL, 0, seed, err));
    for (size_t v = 0; v < model->value_count; v++) {
        if (!is_float_parameter(&model->values[v]) ||
            model->values[v].parameter.shape.rank != 1)
            continue;
        float *x = parameter_of(model, v);
        bool variance = strstr(model->values[v].name, "var") != NULL;
        for (size_t i = 0; i < tn__tensor_count(&model->values[v].parameter); i++)
            x[i] = variance ? (float)(0.5 + tn__rng_uniform(&rng))
                            : x[i] + (float)(0.2 * tn__rng_normal(&rng));
    }
    return model;
}

static inline tn__groups *groups_of(const tn_model *model)
{
    tn__groups *groups = NULL;
    assert_ok(tn__groups_find(&groups, model, err));
    return groups;
}

/* Carried by a map a group, made by `make` from its neurons. */
static inline tn_model *carried(const tn_model *model, const tn_model *onto,
                                tn_status (*make)(tn__map *, const tn__group *,
                                                  const tn__group *, void *,
                                                  tn_error *),
                                void *user)
{
    tn__groups *from = groups_of(model), *to = groups_of(onto);
    tn__map *maps = calloc(from->count, sizeof *maps);
    tn_model *out = NULL;
    for (size_t g = 0; g < from->count; g++)
        assert_ok(make(&maps[g], &from->list[g], &to->list[g], user, err));
    assert_ok(tn__map_apply(&out, model, from, onto, to, NULL, maps, err));
    for (size_t g = 0; g < from->count; g++)
        tn__map_release(&maps[g]);
    free(maps);
    tn__groups_free(from);
    tn__groups_free(to);
    return out;
}

static inline tn_status random_order(tn__map *out, const tn__group *from,
                                     const tn__group *to, void *user, tn_error *err)
{
    (void)to;
    uint32_t *order = calloc(from->neurons, sizeof *order);
    tn__rng_permutation(user, order, from->neurons);
    tn_status status = tn__map_select(out, from->neurons, from->neurons, order, err);
    free(order);
    return status;
}

/* The same function with every group in random order. */
static inline tn_model *permuted(const tn_model *model, uint64_t seed)
{
    tn__rng rng;
    tn__rng_seed(&rng, seed, 5);
    return carried(model, model, random_order, &rng);
}

static inline tn_status duplicate(tn__map *out, const tn__group *from,
                                  const tn__group *to, void *user, tn_error *err)
{
    (void)user;
    size_t n = from->neurons, m = to->neurons, times = m / n;
    double *dense = calloc(2 * m * n, sizeof *dense);
    for (size_t j = 0; j < m; j++) {
        dense[j * n + j % n] = 1;
        dense[m * n + j * n + j % n] = 1.0 / (double)times;
    }
    tn_status status = tn__map_dense(out, m, n, dense, dense + m * n, err);
    free(dense);
    return status;
}

/* A perceptron with every neuron twice, its weights moved by noise of their own: times
 * 1 + noise N(0, 1). */
static inline tn_model *near_twins(double noise)
{
    tn_model *small = make_net("mlp:48-12-6-10:bias", 1),
             *shape = make_net("mlp:48-24-12-10:bias", 2);
    tn_model *model = carried(small, shape, duplicate, NULL);
    tn__rng rng;
    tn__rng_seed(&rng, 3, 3);
    for (size_t v = 0; v < model->value_count; v++)
        for (size_t i = 0; is_float_parameter(&model->values[v]) &&
                           i < tn__tensor_count(&model->values[v].parameter);
             i++)
            parameter_of(model, v)[i] *= (float)(1 + noise * tn__rng_normal(&rng));
    tn_model_free(small);
    tn_model_free(shape);
    return model;
}

/* Largest |a - b| over all float parameters, relative to the largest |a| of each. */
static inline double distance(const tn_model *a, const tn_model *b)
{
    double worst = 0;
    assert_int_equal(a->value_count, b->value_count);
    for (size_t v = 0; v < a->value_count; v++) {
        const tn__tensor *x = &a->values[v].parameter, *y = &b->values[v].parameter;
        double largest = 1e-30, difference = 0;
        if (!is_float_parameter(&a->values[v]))
            continue;
        assert_true(tn__shape_equal(&x->shape, &y->shape));
        for (size_t i = 0; i < tn__tensor_count(x); i++) {
            double p = tn__tensor_get_f64(x, i), q = tn__tensor_get_f64(y, i);
            largest = TN__MAX(largest, fabs(p));
            difference = TN__MAX(difference, fabs(p - q));
        }
        worst = TN__MAX(worst, difference / largest);
    }
    return worst;
}

/* Largest difference of outputs on the images, relative to the largest of a. */
static inline double output_distance(const tn_model *a, const tn_model *b,
                                     const float *images, size_t n)
{
    const tn_model *models[2] = {a, b};
    float *out[2];
    size_t count = 0;
    for (int k = 0; k < 2; k++) {
        tn__engine *engine = NULL;
        tn__engine_options options = TN__ENGINE_OPTIONS_INIT;
        assert_ok(tn__engine_create(&engine, models[k], &options, err));
        count = n * tn__engine_output_count(engine);
        out[k] = calloc(count, sizeof *out[k]);
        assert_ok(tn__engine_infer(engine, out[k], images, n, err));
        tn__engine_free(engine);
    }
    double largest = 1e-30, difference = 0;
    for (size_t i = 0; i < count; i++) {
        largest = TN__MAX(largest, (double)fabsf(out[0][i]));
        difference = TN__MAX(difference, (double)fabsf(out[0][i] - out[1][i]));
    }
    free(out[0]);
    free(out[1]);
    return difference / largest;
}

static inline float *random_images(size_t n, size_t pixels, uint64_t seed)
{
    float *images = calloc(n * pixels, sizeof *images);
    tn__rng rng;
    tn__rng_seed(&rng, seed, 1);
    for (size_t i = 0; i < n * pixels; i++)
        images[i] = (float)tn__rng_normal(&rng);
    return images;
}

static inline tn_dataset *open_data(const char *spec)
{
    tn_dataset *data = NULL;
    assert_ok(tn_dataset_open(&data, spec, "train", err));
    return data;
}

#endif
