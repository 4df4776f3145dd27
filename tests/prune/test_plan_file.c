/* test_plan_file.c - plans come back as they were; each way in which one can be wrong
 * is told, and nothing is made of it. */
#include "fuse/nets.h"

#include <unistd.h>

#include "tenon/prune.h"

static char path[64];

static tn_prune_report pruned(tn_model **out, const tn_model *model,
                              const tn_prune_plan *plan)
{
    tn_prune_options options = TN_PRUNE_OPTIONS_INIT;
    tn_prune_report report = {0};
    options.sparsity = 0.5;
    options.method = TN_PRUNE_INTRA_FUSION;
    options.samples = 16;
    options.threads = 1;
    options.plan = plan;
    assert_ok(tn_prune(out, &report, model, NULL, &options, NULL, err));
    return report;
}

static void write_text(const char *text)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static void a_plan_comes_back_and_does_the_same(void **state)
{
    (void)state;
    tn_model *model = make_net("resnet20x0.25", 1), *first = NULL, *again = NULL;
    tn_prune_report report = pruned(&first, model, NULL), second;
    tn_save_options replace = {.replace = true};
    tn_prune_plan *plan = NULL;
    assert_ok(
        tn_prune_plan_save(report.plan, path, "{\"a\":[1,\"b\"]}", &replace, err));
    assert_ok(tn_prune_plan_load(&plan, path, err));
    assert_string_equal(tn_prune_plan_note(plan), "{\"a\":[1,\"b\"]}");
    second = pruned(&again, model, plan);
    assert_true(distance(first, again) == 0);
    assert_int_equal(second.group_count, report.group_count);
    assert_true(second.sparsity == report.sparsity);
    tn_prune_report_release(&report);
    tn_prune_report_release(&second);
    tn_prune_plan_free(plan);
    tn_model_free(first);
    tn_model_free(again);
    tn_model_free(model);
}

#define HEAD                                                                           \
    "{\"tenon_prune_plan\":2,\"model\":\"\",\"method\":\"fold\",\"repair\":\"none\","  \
    "\"compat\":false,\"sparsity\":0.5,\"seed\":\"1\",\"images\":{"                    \
    "\"count\":0,"                                                                     \
    "\"synthetic\":false,\"sha256\":\"\"},\"groups\":["
#define GROUP "{\"group\":0,\"name\":\"fc1.weight\",\"neurons\":4,"

static void what_is_wrong_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"{", "this is no JSON"},
        {"{}", "this is no pruning plan"},
        {"{\"tenon_prune_plan\":9}", "version 9 of plans, version 2 is known"},
        {"{\"tenon_prune_plan\":2}", "'model' is not there or not text"},
        {"{\"tenon_prune_plan\":2,\"model\":\"xyz\"}", "not 64 hexadecimal digits"},
        {"{\"tenon_prune_plan\":2,\"model\":\"\",\"method\":\"burn\",\"seed\":\"1\","
         "\"repair\":\"norm\",\"compat\":true}",
         "'method' is 'burn': not known"},
        {"{\"tenon_prune_plan\":2,\"model\":\"\",\"method\":\"fold\",\"repair\":true}",
         "'repair' is not there or not text"},
        {HEAD "{\"group\":-1}]}", "group 1 of the list: 'group' is not there or not a"},
        {HEAD GROUP "\"kept\":[1,1]}]}", "ascending neurons below 4"},
        {HEAD GROUP "\"kept\":[1,4]}]}", "ascending neurons below 4"},
        {HEAD GROUP "\"kept\":[0.5,2]}]}", "ascending neurons below 4"},
        {HEAD GROUP "\"kept\":[1]}]}", "two must stay"},
        {HEAD GROUP "\"kept\":[0,1,2,3,4]}]}", "'kept' has 5 members, at most 4"},
        {HEAD GROUP "\"kept\":[0,1],\"by\":\"fold\",\"map\":{\"first\":[0,1],"
                    "\"column\":[0],\"out\":[1],"
                    "\"in\":[1]}}]}",
         "do not fit 2 neurons that stay"},
        {HEAD GROUP "\"kept\":[0,1],\"by\":\"fold\",\"map\":{\"first\":[0,2,1],"
                    "\"column\":[0],\"out\":"
                    "[1],\"in\":[1]}}]}",
         "'first' is not there or not a list of ascending numbers"},
        {HEAD GROUP "\"kept\":[0,1],\"by\":\"fold\",\"map\":{\"first\":[0,0,0],"
                    "\"column\":[0],\"out\":"
                    "[1],\"in\":[1]}}]}",
         "'first' is not there or not the bounds of all rows"},
        {HEAD GROUP "\"kept\":[0,1],\"by\":\"fold\",\"map\":{\"first\":[0,0,1],"
                    "\"column\":[4],\"out\":"
                    "[1],\"in\":[1]}}]}",
         "'column' is not there or not a list of neurons"},
        {HEAD GROUP "\"kept\":[0,1],\"by\":\"fold\",\"map\":{\"first\":[0,0,1],"
                    "\"column\":[1],\"out\":"
                    "[1e999],\"in\":[1]}}]}",
         "'out' is not there or not a list of numbers"},
        {HEAD GROUP "\"kept\":[0,1],\"map\":{}}]}", "'by' is not there or not text"},
        {HEAD GROUP "\"kept\":[0,1],\"by\":\"refit\",\"map\":{}}]}",
         "'by' is not there or not a method that mixes neurons"},
        {HEAD GROUP "\"kept\":[0,1]}," GROUP "\"kept\":[0,1]}]}",
         "group 2 of the list: 'group' is not there or not in ascending order"},
    };
    for (size_t i = 0; i < TN__COUNT(bad); i++) {
        tn_prune_plan *plan = NULL;
        write_text(bad[i].text);
        tn_error err = {0};
        tn_status status = tn_prune_plan_load(&plan, path, &err);
        if (status == TN_OK || !strstr(err.message, bad[i].message))
            fail_msg("case %zu: '%s', wanted '%s'", i, err.message, bad[i].message);
        assert_null(plan);
    }
}

static void plans_for_another_model_are_refused(void **state)
{
    (void)state;
    tn_model *model = make_net("mlp:784-12-6-10", 1), *out = NULL;
    static const struct {
        const char *text, *message;
    } bad[] = {
        {HEAD "{\"group\":7,\"name\":\"x\",\"neurons\":4,\"kept\":[0,1]}]}",
         "it has group 7 'x', the model 2 groups"},
        {HEAD GROUP "\"kept\":[0,1]}]}",
         "its group 0 is 'fc1.weight' of 4 neurons, the model's 'fc1.weight' of 12"},
        {HEAD "{\"group\":0,\"name\":\"fc1.weight\",\"neurons\":12,\"kept\":[0,1]}]}",
         "no 'map' of group 'fc1.weight'"},
    };
    for (size_t i = 0; i < TN__COUNT(bad); i++) {
        tn_prune_options options = TN_PRUNE_OPTIONS_INIT;
        tn_prune_plan *plan = NULL;
        write_text(bad[i].text);
        assert_ok(tn_prune_plan_load(&plan, path, err));
        options.plan = plan;
        assert_fails(tn_prune(&out, NULL, model, NULL, &options, NULL, err),
                     TN_ERROR_MISMATCH, bad[i].message);
        assert_null(out);
        tn_prune_plan_free(plan);
    }
    tn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_comes_back_and_does_the_same),
        cmocka_unit_test(what_is_wrong_is_told),
        cmocka_unit_test(plans_for_another_model_are_refused),
    };
    snprintf(path, sizeof path, "test_plan_file.%d.json", (int)getpid());
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove(path);
    return failed;
}
