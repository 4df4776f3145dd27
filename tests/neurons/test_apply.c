/* test_apply.c - carrying parameters from one network to another. */
#include "toys.h"

#include "base/base.h"
#include "neurons/map.h"

/* Everything that tn__map_apply() takes, from a network onto another. */
typedef struct fixture {
    tn_model *source, *target;
    tn__groups *from, *to;
    tn__map *maps;
} fixture;

static fixture begin(tn_model *source, tn_model *target)
{
    fixture f = {source, target, toy_groups(source), toy_groups(target), NULL};
    assert_int_equal(f.from->count, f.to->count);
    f.maps = calloc(f.from->count, sizeof *f.maps);
    return f;
}

static void end(fixture *f)
{
    for (size_t g = 0; g < f->from->count; g++)
        tn__map_release(&f->maps[g]);
    free(f->maps);
    tn__groups_free(f->from);
    tn__groups_free(f->to);
    tn_model_free(f->source);
    tn_model_free(f->target);
}

static tn_model *apply(const fixture *f)
{
    tn_model *out = NULL;
    assert_ok(
        tn__map_apply(&out, f->source, f->from, f->target, f->to, NULL, f->maps, err));
    return out;
}

/* A random permutation of every group, or its inverse. */
static void permute(fixture *f, bool inverse)
{
    for (size_t g = 0; g < f->from->count; g++) {
        size_t n = f->from->list[g].neurons;
        uint32_t *order = malloc(n * sizeof *order), *back = malloc(n * sizeof *back);
        tn__rng rng;
        tn__rng_seed(&rng, 3, g);
        tn__rng_permutation(&rng, order, n);
        for (size_t i = 0; i < n; i++)
            back[order[i]] = (uint32_t)i;
        tn__map_release(&f->maps[g]);
        assert_ok(tn__map_select(&f->maps[g], n, n, inverse ? back : order, err));
        free(order);
        free(back);
    }
}

/* Neuron j of the wide network is neuron j mod n of the narrow one; whoever reads the
 * copies shares out the weight. */
static void duplicate(fixture *f)
{
    for (size_t g = 0; g < f->from->count; g++) {
        size_t n = f->from->list[g].neurons, m = f->to->list[g].neurons;
        double *out = calloc(m * n, sizeof *out), *in = calloc(m * n, sizeof *in);
        for (size_t j = 0; j < m; j++) {
            size_t copies = m / n + (j % n < m % n);
            out[j * n + j % n] = 1;
            in[j * n + j % n] = 1 / (double)copies;
        }
        assert_ok(tn__map_dense(&f->maps[g], m, n, out, in, err));
        free(out);
        free(in);
    }
}

static void check_permutation(tn_model *source, tn_model *target)
{
    fixture f = begin(source, target);
    permute(&f, false);
    tn_model *permuted = apply(&f);
    assert_false(toy_same_parameters(permuted, f.source));
    assert_near(toy_distance(permuted, f.source), 0, 1e-6);
    permute(&f, true);
    tn_model *back = NULL;
    assert_ok(
        tn__map_apply(&back, permuted, f.from, f.target, f.to, NULL, f.maps, err));
    assert_true(toy_same_parameters(back, f.source));
    tn_model_free(permuted);
    tn_model_free(back);
    end(&f);
}

static void a_permutation_keeps_the_function_and_its_inverse_the_bytes(void **state)
{
    (void)state;
    check_permutation(toy_mlp(), toy_mlp());
    check_permutation(toy_residual(5, 4, 3), toy_residual(5, 4, 3));
    check_permutation(toy_grouped(4, 3), toy_grouped(4, 3));
}

static void check_widening(tn_model *narrow, tn_model *wide)
{
    fixture f = begin(narrow, wide);
    duplicate(&f);
    tn_model *widened = apply(&f);
    assert_near(toy_distance(widened, f.source), 0, 1e-5);
    tn_model_free(widened);
    end(&f);
}

static void duplicated_neurons_with_split_weights_keep_the_function(void **state)
{
    (void)state;
    check_widening(toy_residual(3, 4, 2), toy_residual(7, 9, 3));
    check_widening(toy_grouped(2, 3), toy_grouped(5, 4));
}

static void consumers_taken_for_carriers_are_found_out(void **state)
{
    (void)state;
    fixture f = begin(toy_residual(3, 4, 2), toy_residual(6, 8, 4));
    size_t g = toy_find_group(f.to, "conv1.weight");
    size_t e = toy_find_entry(f.target, &f.to->list[g], "conv2.weight", 1);
    assert_int_equal(f.to->list[g].entries[e].role, TN__CONSUMER);
    f.to->list[g].entries[e].role = TN__CARRIER;
    duplicate(&f);
    tn_model *widened = apply(&f);
    assert_true(toy_distance(widened, f.source) > 1e-2);
    tn_model_free(widened);
    end(&f);
}

static void the_identity_shares_bytes(void **state)
{
    (void)state;
    fixture f = begin(toy_mlp(), toy_mlp());
    tn_model *same = apply(&f);
    size_t v = tn__model_find_value(same, "fc1.weight");
    assert_ptr_equal(tn__tensor_data(&same->values[v].parameter),
                     tn__tensor_data(&f.source->values[v].parameter));
    tn_model_free(same);
    end(&f);
}

static void half_floats_stay_half_floats(void **state)
{
    (void)state;
    fixture f = begin(toy_residual(3, 4, 2), toy_residual(6, 8, 4));
    size_t v = tn__model_find_value(f.target, "conv1.weight");
    tn__tensor half = {0};
    assert_ok(tn__tensor_convert(&half, &f.target->values[v].parameter, TN_F16, err));
    tn__tensor_release(&f.target->values[v].parameter);
    f.target->values[v].parameter = half;
    duplicate(&f);
    tn_model *out = apply(&f);
    const tn__tensor *w = &out->values[v].parameter;
    assert_int_equal(w->dtype, TN_F16);
    double from = tn__tensor_get_f64(&f.source->values[v].parameter, 0);
    assert_near(tn__tensor_get_f64(w, 0), from / 2, 1e-3 * fabs(from));
    tn_model_free(out);
    end(&f);
}

static void values_may_be_numbered_differently(void **state)
{
    (void)state;
    tn_model *source = toy_mlp(), *target = toy_create();
    size_t first = toy_parameter(target, "fc3.bias", DIMS(3));
    size_t x = toy_input(target, DIMS(-1, 6));
    x = toy_relu(target, "relu1", toy_linear(target, "fc1", x, 5, 6));
    x = toy_relu(target, "relu2", toy_linear(target, "fc2", x, 4, 5));
    size_t w = toy_parameter(target, "fc3.weight", DIMS(3, 4));
    size_t y = toy_node(target, "Gemm", "fc3", VALUES(x, w, first));
    toy_int(target, "transB", 1);
    toy_finish(target, y);
    fixture f = begin(source, target);
    size_t *value_of = calloc(target->value_count, sizeof *value_of);
    for (size_t v = 0; v < target->value_count; v++)
        value_of[v] = tn__model_find_value(source, target->values[v].name);
    permute(&f, false);
    tn_model *out = NULL;
    assert_ok(tn__map_apply(&out, source, f.from, target, f.to, value_of, f.maps, err));
    assert_near(toy_distance(out, source), 0, 1e-6);
    tn_model_free(out);
    free(value_of);
    end(&f);
}

static void a_frozen_axis_of_another_extent_is_refused_by_name(void **state)
{
    (void)state;
    tn_model *target = toy_create();
    size_t x = toy_input(target, DIMS(-1, 6));
    x = toy_relu(target, "relu1", toy_linear(target, "fc1", x, 5, 6));
    x = toy_relu(target, "relu2", toy_linear(target, "fc2", x, 4, 5));
    toy_finish(target, toy_linear(target, "fc3", x, 7, 4));
    fixture f = begin(toy_mlp(), target);
    tn_model *out = NULL;
    assert_fails(
        tn__map_apply(&out, f.source, f.from, f.target, f.to, NULL, f.maps, err),
        TN_ERROR_MISMATCH, "cannot carry 'fc3.weight': axis 0 has 3 cells, expected 7");
    assert_null(out);
    end(&f);
}

static void a_map_of_another_size_is_refused_by_the_groups_name(void **state)
{
    (void)state;
    fixture f = begin(toy_mlp(), toy_mlp());
    tn_model *out = NULL;
    assert_ok(tn__map_identity(&f.maps[1], 3, err));
    assert_fails(
        tn__map_apply(&out, f.source, f.from, f.target, f.to, NULL, f.maps, err),
        TN_ERROR_MISMATCH, "the map of group 'fc2.weight' is [3, 3], expected [4, 4]");
    end(&f);
}

static void networks_of_other_structure_are_refused(void **state)
{
    (void)state;
    fixture f = {toy_mlp(), toy_residual(3, 3, 2), NULL, NULL, NULL};
    f.from = toy_groups(f.source);
    f.to = toy_groups(f.target);
    f.maps = calloc(f.from->count, sizeof *f.maps);
    tn_model *out = NULL;
    assert_fails(
        tn__map_apply(&out, f.source, f.from, f.target, f.to, NULL, f.maps, err),
        TN_ERROR_MISMATCH, "differ in structure: 2 groups and 3");
    end(&f);
}

static void rows_are_what_belongs_to_each_neuron(void **state)
{
    (void)state;
    fixture f = begin(toy_mlp(), toy_mlp());
    permute(&f, false);
    size_t g = toy_find_group(f.from, "fc2.weight"), width;
    size_t e = toy_find_entry(f.source, &f.from->list[g], "fc2.weight", 0);
    double *rows = NULL;
    assert_ok(tn__map_rows(&rows, &width, f.source, f.from, f.target, f.to, NULL,
                           f.maps, g, e, err));
    assert_int_equal(width, 5);
    size_t v = tn__model_find_value(f.source, "fc2.weight");
    const tn__tensor *w = &f.source->values[v].parameter;
    /* Rows in source's order, columns in target's. */
    for (size_t j = 0; j < 4; j++)
        for (size_t i = 0; i < 5; i++)
            assert_true(rows[j * 5 + i] ==
                        tn__tensor_get_f64(w, j * 5 + f.maps[0].select[i]));
    tn__free(rows);
    end(&f);
}

static void rows_of_a_consumer_are_its_columns(void **state)
{
    (void)state;
    fixture f = begin(toy_residual(3, 4, 2), toy_residual(3, 4, 2));
    size_t g = toy_find_group(f.from, "stem.weight"), width;
    size_t e = toy_find_entry(f.source, &f.from->list[g], "fc.weight", 1);
    double *rows = NULL;
    assert_ok(tn__map_rows(&rows, &width, f.source, f.from, f.target, f.to, NULL,
                           f.maps, g, e, err));
    assert_int_equal(width, 16 * 3);
    size_t v = tn__model_find_value(f.source, "fc.weight");
    const tn__tensor *w = &f.source->values[v].parameter;
    /* Neuron 1 is channel 3 of 7 (two are padded before), pixel 5, class 2. */
    assert_true(rows[width + 5 * 3 + 2] ==
                tn__tensor_get_f64(w, 2 * 7 * 16 + 3 * 16 + 5));
    tn__free(rows);
    end(&f);
}

static void rows_of_a_grouped_convolution_stay_in_their_block(void **state)
{
    (void)state;
    fixture f = begin(toy_grouped(3, 2), toy_grouped(3, 2));
    size_t g = toy_find_group(f.from, "conv1.weight:2"), width;
    size_t e = toy_find_entry(f.source, &f.from->list[g], "conv2.weight", 4);
    double *rows = NULL;
    assert_ok(tn__map_rows(&rows, &width, f.source, f.from, f.target, f.to, NULL,
                           f.maps, g, e, err));
    assert_int_equal(width, 2 * 9);
    size_t v = tn__model_find_value(f.source, "conv2.weight");
    const tn__tensor *w = &f.source->values[v].parameter;
    /* Neuron 1 of the second block is column 1 of rows 2 and 3; here row 3, tap 4. */
    assert_true(rows[width + 9 + 4] == tn__tensor_get_f64(w, (3 * 3 + 1) * 9 + 4));
    tn__free(rows);
    end(&f);
}

static void rows_do_not_need_maps_found_later(void **state)
{
    (void)state;
    fixture f = begin(toy_residual(3, 4, 2), toy_residual(6, 5, 1));
    size_t g = toy_find_group(f.from, "stem.weight"), width;
    size_t e = toy_find_entry(f.source, &f.from->list[g], "stem.weight", 0);
    double *rows = NULL;
    assert_ok(tn__map_rows(&rows, &width, f.source, f.from, f.target, f.to, NULL,
                           f.maps, g, e, err));
    assert_int_equal(width, 2 * 9);
    tn__free(rows);
    end(&f);
}

static void lack_of_memory_is_reported_wherever_it_strikes(void **state)
{
    (void)state;
    fixture f = begin(toy_grouped(2, 3), toy_grouped(5, 4));
    duplicate(&f);
    tn_status status = TN_ERROR_MEMORY;
    for (size_t k = 1; status != TN_OK; k++) {
        tn_model *out = NULL;
        tn_error err = {0};
        tn__alloc_fail_after(k);
        status =
            tn__map_apply(&out, f.source, f.from, f.target, f.to, NULL, f.maps, &err);
        tn__alloc_fail_after(0);
        assert_true(status == TN_OK || status == TN_ERROR_MEMORY);
        assert_true((out != NULL) == (status == TN_OK));
        tn_model_free(out);
    }
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_permutation_keeps_the_function_and_its_inverse_the_bytes),
        cmocka_unit_test(duplicated_neurons_with_split_weights_keep_the_function),
        cmocka_unit_test(consumers_taken_for_carriers_are_found_out),
        cmocka_unit_test(the_identity_shares_bytes),
        cmocka_unit_test(half_floats_stay_half_floats),
        cmocka_unit_test(values_may_be_numbered_differently),
        cmocka_unit_test(a_frozen_axis_of_another_extent_is_refused_by_name),
        cmocka_unit_test(a_map_of_another_size_is_refused_by_the_groups_name),
        cmocka_unit_test(networks_of_other_structure_are_refused),
        cmocka_unit_test(rows_are_what_belongs_to_each_neuron),
        cmocka_unit_test(rows_of_a_consumer_are_its_columns),
        cmocka_unit_test(rows_of_a_grouped_convolution_stay_in_their_block),
        cmocka_unit_test(rows_do_not_need_maps_found_later),
        cmocka_unit_test(lack_of_memory_is_reported_wherever_it_strikes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
