/* test_stitch.c - stitches are exact where they can be, cost what was planned, and fold
 * into the layer behind without a change. */
#include "zoos.h"

#define IMAGES 96

static tn__stitching exact(void)
{
    return (tn__stitching){.ridge = 1e-9, .head = TN_ASSEMBLE_HEAD_KEEP};
}

/* A member stitched to a copy of itself: the map of a cut onto itself is the identity.
 */
static void expect_self_stitch(const char *arch, size_t cut, double tolerance)
{
    const char *archs[] = {arch, arch};
    tn_zoo *zoo = make_zoo(archs, 1);
    assert_ok(tn_zoo_add(zoo, zoo->members[0].model, NULL, err));
    size_t units = zoo->members[0].units, input = input_of(zoo->members[0].model);
    tn__block blocks[2] = {{0, 0, cut - 1, 0}, {1, cut, units - 1, 0}};
    float *images = random_images(IMAGES, input, 5);
    stitched made = stitch_on(zoo, blocks, 2, exact(), images, IMAGES);
    float *before = outputs_on(zoo->members[0].model, images, IMAGES);
    float *after = outputs_on(made.model, images, IMAGES);
    double largest = 0;
    for (size_t i = 0; i < IMAGES * 10; i++)
        largest = fmax(largest, fabs((double)before[i]));
    assert_true(made.residual[0] < 1e-3);
    assert_true(largest_gap(before, after, IMAGES * 10) <= tolerance * largest);
    free(before);
    free(after);
    free(images);
    tn_model_free(made.model);
    tn_zoo_free(zoo);
}

static void a_network_stitched_to_itself_stays_itself(void **state)
{
    (void)state;
    expect_self_stitch("resnet20x0.25", 3, 1e-2);
    expect_self_stitch("mlp:12-9-8-7-10", 2, 1e-2); /* folded into the Gemm behind */
}

static void neighbours_need_no_stitch(void **state)
{
    (void)state;
    const char *arch = "resnet20x0.25";
    tn_zoo *zoo = make_zoo(&arch, 1);
    const tn__member *m = &zoo->members[0];
    tn__block blocks[3] = {{0, 0, 2, 0}, {0, 3, 5, 0}, {0, 6, m->units - 1, 0}};
    float *images = random_images(IMAGES, input_of(m->model), 5);
    tn__stitching how = {.norms = true, .head = TN_ASSEMBLE_HEAD_RIDGE};
    stitched made = stitch_on(zoo, blocks, 3, how, images, IMAGES);
    float *before = outputs_on(m->model, images, IMAGES);
    float *after = outputs_on(made.model, images, IMAGES);
    assert_true(largest_gap(before, after, IMAGES * 10) <= 1e-6);
    assert_true(made.residual[0] == 0 && made.residual[1] == 0);
    free(before);
    free(after);
    free(images);
    tn_model_free(made.model);
    tn_zoo_free(zoo);
}

/* Every pair of cuts that can be stitched: grids that differ by whole and other
 * factors, maps to vectors, folded and not. */
static void planned_costs_are_those_of_the_network(void **state)
{
    (void)state;
    const char *archs[] = {"resnet20x0.125", "vgg11x0.0625"};
    tn_zoo *zoo = make_zoo(archs, 2);
    float *images = random_images(8, input_of(zoo->members[0].model), 5);
    size_t stitches = 0;
    tn__stitching how = exact();
    how.random = true;
    for (size_t a = 0; a < 2; a++)
        for (size_t i = 1; i < zoo->members[a].units; i++)
            for (size_t j = 1; j < zoo->members[1 - a].units; j++) {
                tn__block blocks[2] = {{a, 0, i - 1, 0},
                                       {1 - a, j, zoo->members[1 - a].units - 1, 0}};
                tn__cost cost = {0}, part = {0};
                tn_model_info info;
                bool legal = false;
                assert_ok(
                    tn__stitch_cost(&part, &legal, zoo, &blocks[0], &blocks[1], err));
                assert_true(legal);
                assert_ok(tn__chain_cost(&cost, NULL, zoo, blocks, 2, err));
                stitched made = stitch_on(zoo, blocks, 2, how, images, 8);
                assert_ok(tn_model_info_get(&info, made.model, err));
                assert_int_equal(info.parameters, cost.params);
                assert_int_equal(info.macs, cost.macs);
                tn_model_free(made.model);
                stitches++;
            }
    assert_true(stitches > 100);
    free(images);
    tn_zoo_free(zoo);
}

static void a_vector_becomes_no_map(void **state)
{
    (void)state;
    const tn__shape vector = {2, {1, 8}}, map = {4, {1, 8, 4, 4}};
    const tn__shape tokens = {3, {1, 16, 8}}, odd = {3, {1, 17, 8}};
    tn__adapter adapter;
    assert_false(tn__adapter_plan(&adapter, &vector, &map));
    assert_false(tn__adapter_plan(&adapter, &vector, &tokens));
    assert_false(tn__adapter_plan(&adapter, &odd, &map));
    assert_true(tn__adapter_plan(&adapter, &odd, &odd));
    assert_true(tn__adapter_plan(&adapter, &map, &tokens));
    assert_true(tn__adapter_plan(&adapter, &tokens, &vector));
}

/* Maps to tokens, tokens to maps of another size, and tokens to tokens: the emitted
 * nodes have the planned shape and cost, and know nothing of the batch. */
static void tokens_and_maps_are_stitched_both_ways(void **state)
{
    (void)state;
    static const tn__shape forms[] = {{4, {1, 6, 8, 8}},
                                      {4, {1, 5, 4, 4}},
                                      {3, {1, 16, 7}},
                                      {3, {1, 9, 4}},
                                      {3, {1, 16, 3}}};
    float weight[64] = {0}, bias[8] = {0};
    for (size_t a = 0; a < TN__COUNT(forms); a++)
        for (size_t b = 0; b < TN__COUNT(forms); b++) {
            tn__adapter adapter;
            tn__splice splice = {0};
            tn_model *made = NULL;
            tn__shapes shapes;
            tn_model_info info;
            int64_t dims[4] = {-1};
            memcpy(dims + 1, forms[a].dims + 1, 3 * sizeof *dims);
            assert_true(tn__adapter_plan(&adapter, &forms[a], &forms[b]));
            assert_ok(tn__model_create(&splice.model, "stitch", err));
            assert_ok(tn__model_add_input(&splice.end, splice.model, "x", TN_F32,
                                          forms[a].rank, dims, err));
            assert_ok(tn__adapter_regrid(&splice, &adapter, "s", err));
            assert_ok(tn__adapter_map(&splice, &adapter, weight, bias, "s", err));
            assert_ok(tn__splice_model(&made, &splice, err));
            assert_ok(tn__shapes_infer(&shapes, made, 3, err));
            const tn__shape *got = &shapes.shape[made->outputs[0]];
            assert_int_equal(got->rank, forms[b].rank);
            assert_int_equal(got->dims[0], 3);
            for (int k = 1; k < got->rank; k++)
                assert_int_equal(got->dims[k], forms[b].dims[k]);
            assert_ok(tn_model_info_get(&info, made, err));
            assert_int_equal(info.parameters, tn__adapter_cost(&adapter).params);
            assert_int_equal(info.macs, tn__adapter_cost(&adapter).macs);
            tn__shapes_release(&shapes);
            tn_model_free(made);
            tn__splice_release(&splice);
        }
}

static void vectors_fold_into_the_layer_behind(void **state)
{
    (void)state;
    const char *archs[] = {"mlp:12-9-8-10", "mlp:12-7-6-10"};
    tn_zoo *zoo = make_zoo(archs, 2);
    tn__block blocks[2] = {{0, 0, 0, 0}, {1, 1, 2, 0}};
    tn__cost cost;
    tn_model_info info;
    float *images = random_images(IMAGES, 12, 5);
    stitched made = stitch_on(zoo, blocks, 2, exact(), images, IMAGES);
    assert_ok(tn__chain_cost(&cost, NULL, zoo, blocks, 2, err));
    assert_ok(tn_model_info_get(&info, made.model, err));
    assert_int_equal(info.parameters, 12 * 9 + 9 * 6 + 6 + 6 * 10);
    assert_int_equal(info.parameters, cost.params);
    for (size_t v = 0; v < made.model->value_count; v++)
        assert_null(strstr(made.model->values[v].name, "stitch1.weight"));
    free(images);
    tn_model_free(made.model);
    tn_zoo_free(zoo);
}

/* Left apart, stitches are layers that can be found by name; folded afterwards they
 * give the network that folding at once gives. */
static void stitches_left_apart_fold_later(void **state)
{
    (void)state;
    const char *archs[] = {"mlp:12-9-8-7-10", "mlp:12-7-6-5-10"};
    tn_zoo *zoo = make_zoo(archs, 2);
    tn__block blocks[3] = {{0, 0, 0, 0}, {1, 1, 1, 0}, {0, 2, 3, 0}};
    unsigned folds = 0;
    float *images = random_images(IMAGES, 12, 5);
    tn__stitching how = exact();
    stitched once = stitch_on(zoo, blocks, 3, how, images, IMAGES);
    how.apart = true;
    stitched later = stitch_on(zoo, blocks, 3, how, images, IMAGES);
    assert_ok(tn__chain_folds(&folds, zoo, blocks, 3, err));
    assert_int_equal(folds, 3);
    assert_true(tn__model_find_value(later.model, "stitch2.weight") != TN__NONE);
    assert_ok(tn__stitches_fold(later.model, folds, err));
    assert_true(tn__model_find_value(later.model, "stitch2.weight") == TN__NONE);
    float *a = outputs_on(once.model, images, IMAGES);
    float *b = outputs_on(later.model, images, IMAGES);
    assert_memory_equal(a, b, IMAGES * 10 * sizeof *a);
    free(a);
    free(b);
    free(images);
    tn_model_free(once.model);
    tn_model_free(later.model);
    tn_zoo_free(zoo);
}

/* Fitted stitches explain more of the target than drawn ones, and better with the norms
 * re-estimated: at the least, fitting is what it says. */
static void fitting_lowers_the_residual(void **state)
{
    (void)state;
    const char *archs[] = {"resnet20x0.25", "resnet20x0.5"};
    tn_zoo *zoo = make_zoo(archs, 2);
    tn__block blocks[2] = {{0, 0, 4, 0}, {1, 5, zoo->members[1].units - 1, 0}};
    float *images = random_images(IMAGES, input_of(zoo->members[0].model), 5);
    tn__stitching how = exact();
    stitched fitted = stitch_on(zoo, blocks, 2, how, images, IMAGES);
    how.ridge = 1e3;
    stitched shrunk = stitch_on(zoo, blocks, 2, how, images, IMAGES);
    assert_true(fitted.residual[0] < shrunk.residual[0]);
    assert_true(shrunk.residual[0] > 0.9);
    free(images);
    tn_model_free(fitted.model);
    tn_model_free(shrunk.model);
    tn_zoo_free(zoo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_network_stitched_to_itself_stays_itself),
        cmocka_unit_test(neighbours_need_no_stitch),
        cmocka_unit_test(planned_costs_are_those_of_the_network),
        cmocka_unit_test(a_vector_becomes_no_map),
        cmocka_unit_test(tokens_and_maps_are_stitched_both_ways),
        cmocka_unit_test(vectors_fold_into_the_layer_behind),
        cmocka_unit_test(stitches_left_apart_fold_later),
        cmocka_unit_test(fitting_lowers_the_residual),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
