/* test_inspect.c - counts and lists of what is in a model. */
#include "toys.h"

#include "arch/arch.h"
#include "tenon/model.h"

typedef struct lines {
    size_t count, stop_after;
    char text[64][512], json[64][2048];
} lines;

static int keep(void *user, const char *text, const char *json)
{
    lines *l = user;
    if (l->count < 64) {
        snprintf(l->text[l->count], sizeof l->text[0], "%s", text);
        snprintf(l->json[l->count], sizeof l->json[0], "%s", json);
    }
    return ++l->count == l->stop_after;
}

static tn_model *build(const char *arch)
{
    tn_model *model = NULL;
    assert_ok(tn__arch_build(&model, arch, NULL, 0, 1, err));
    return model;
}

static void parameters_and_macs_are_those_of_the_literature(void **state)
{
    (void)state;
    /* He et al. 2016: ResNet20 has 0.27 M parameters and 41 M multiply-adds. */
    static const struct {
        const char *arch;
        uint64_t parameters, macs;
    } known[] = {{"mlp:784-400-200-100-10",
                  784 * 400 + 400 * 200 + 200 * 100 + 100 * 10,
                  784 * 400 + 400 * 200 + 200 * 100 + 100 * 10},
                 {"resnet20", 269722, 40551040}};
    for (size_t k = 0; k < TN__COUNT(known); k++) {
        tn_model *model = build(known[k].arch);
        tn_model_info info;
        assert_ok(tn_model_info_get(&info, model, err));
        assert_int_equal(info.parameters, known[k].parameters);
        assert_int_equal(info.macs, known[k].macs);
        assert_int_equal(info.nodes, model->node_count);
        assert_int_equal(info.input[0], 1);
        assert_int_equal(info.output_rank, 2);
        assert_int_equal(info.output[1], 10);
        tn_model_free(model);
    }
}

static void running_statistics_are_stored_but_no_parameters(void **state)
{
    (void)state;
    tn_model *model = toy_residual(3, 4, 2);
    tn_model_info info;
    assert_ok(tn_model_info_get(&info, model, err));
    uint64_t weights = 3 * 2 * 9 + 4 * 3 * 9 + 7 * 4 * 9 + 3 * 7 * 16 + 3;
    assert_int_equal(info.parameters, weights + 2 * (3 + 4 + 7));
    assert_int_equal(info.bytes, 4 * (weights + 4 * (3 + 4 + 7)) + 8 * 8);
    tn_model_free(model);
}

static void nodes_are_listed_with_their_cost(void **state)
{
    (void)state;
    static lines l;
    l = (lines){0};
    tn_model *model = toy_mlp();
    assert_ok(tn_model_list_nodes(model, keep, &l, err));
    assert_int_equal(l.count, 5);
    assert_string_equal(l.json[0],
                        "{\"name\":\"fc1\",\"type\":\"Gemm\",\"shape\":[1,5],"
                        "\"params\":35,\"macs\":30}");
    assert_non_null(strstr(l.text[0], "fc1"));
    assert_non_null(strstr(l.text[0], "35 parameters"));
    tn_model_free(model);
}

static void cuts_are_listed_with_what_lies_before(void **state)
{
    (void)state;
    static lines l;
    l = (lines){0};
    tn_model *model = toy_mlp();
    assert_ok(tn_model_list_cuts(model, keep, &l, err));
    assert_true(l.count >= 4 && l.count <= 64);
    bool found = false;
    for (size_t k = 0; k < l.count; k++)
        found |= strcmp(l.json[k], "{\"value\":\"relu1_out\",\"shape\":[1,5],"
                                   "\"params_before\":35,\"macs_before\":30}") == 0;
    assert_true(found);
    tn_model_free(model);
}

static void a_caller_may_stop_early(void **state)
{
    (void)state;
    static lines l;
    l = (lines){.stop_after = 2};
    tn_model *model = toy_mlp();
    assert_ok(tn_model_list_nodes(model, keep, &l, err));
    assert_int_equal(l.count, 2);
    tn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_and_macs_are_those_of_the_literature),
        cmocka_unit_test(running_statistics_are_stored_but_no_parameters),
        cmocka_unit_test(nodes_are_listed_with_their_cost),
        cmocka_unit_test(cuts_are_listed_with_what_lies_before),
        cmocka_unit_test(a_caller_may_stop_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
