/* test_inspect_groups.c - groups for people and programs: why axes are tied. */
#include "toys.h"

#include "tenon/model.h"

typedef struct lines {
    size_t count;
    char text[64][1024], json[64][4096];
} lines;

static int keep(void *user, const char *text, const char *json)
{
    lines *l = user;
    assert_true(l->count < 64);
    snprintf(l->text[l->count], sizeof l->text[0], "%s", text);
    snprintf(l->json[l->count++], sizeof l->json[0], "%s", json);
    return 0;
}

static void list(lines *l, tn_model *model)
{
    *l = (lines){0};
    assert_ok(tn_model_list_groups(model, keep, l, err));
    tn_model_free(model);
}

static void tensors_are_listed_with_the_nodes_that_tie_them(void **state)
{
    (void)state;
    static lines l;
    list(&l, toy_mlp());
    assert_int_equal(l.count, 5);
    assert_string_equal(l.text[0],
                        "fc1.weight  5 neurons on 3 tensors and 2 activations\n"
                        "      makes    fc1.weight[0]\n"
                        "      makes    fc1.bias[0]  by fc1\n"
                        "      reads    fc2.weight[1]  by fc1 > relu1 > fc2");
    assert_non_null(strstr(l.json[0],
                           "{\"tensor\":\"fc2.weight\",\"axis\":1,\"blocked\":"
                           "false,\"role\":\"consumer\",\"repeats\":1,"
                           "\"chain\":[\"fc1\",\"relu1\",\"fc2\"]}"));
}

static void what_is_frozen_is_listed_with_reason_and_place(void **state)
{
    (void)state;
    static lines l;
    list(&l, toy_mlp());
    assert_string_equal(l.text[2],
                        "fc1.weight  6 frozen on axis 1: graph input at input  by fc1");
    assert_string_equal(l.json[2],
                        "{\"kind\":\"frozen\",\"tensor\":\"fc1.weight\",\"axis\":1,"
                        "\"frozen\":6,\"reason\":\"graph input\",\"at\":\"input\","
                        "\"chain\":[\"fc1\"]}");
    assert_non_null(strstr(l.text[3], "3 frozen on axis 0: graph output at fc3_out"));
}

static void tensors_tied_alike_share_a_line(void **state)
{
    (void)state;
    static lines l;
    list(&l, toy_residual(3, 4, 2));
    assert_non_null(strstr(l.text[0],
                           "      carries  bn1.weight[0], bn1.bias[0], "
                           "bn1.running_mean[0], bn1.running_var[0]  by stem > bn1\n"));
    /* The padded shortcut ties the stem with what is added to it. */
    assert_non_null(strstr(l.text[0], "conv2.weight[0]  by stem > bn1 > relu1 > pad > "
                                      "sum > bn3 > conv2\n"));
    assert_non_null(strstr(l.text[0], "fc.weight[1] x 16  by stem > bn1 > relu1 > ... "
                                      "2 more ... > relu3 > flatten > fc"));
}

static void long_chains_are_shown_by_their_ends(void **state)
{
    (void)state;
    static lines l;
    tn_model *model = toy_create();
    size_t x = toy_linear(model, "fc1", toy_input(model, DIMS(-1, 3)), 4, 3);
    for (int k = 0; k < 8; k++) {
        char name[16];
        snprintf(name, sizeof name, "relu%d", k);
        x = toy_relu(model, name, x);
    }
    list(&l, toy_finish(model, toy_linear(model, "fc2", x, 2, 4)));
    assert_non_null(strstr(l.text[0], "fc2.weight[1]  by fc1 > relu0 > relu1 > ... 4 "
                                      "more ... > relu6 > relu7 > fc2"));
    assert_non_null(strstr(l.json[0], "\"relu2\",\"relu3\",\"relu4\",\"relu5\""));
}

/* --- the picture -------------------------------------------------------------------
 */

typedef struct drawing {
    char text[1 << 16];
    size_t used;
} drawing;

static int append(void *user, const char *text, const char *json)
{
    drawing *d = user;
    assert_string_equal(json, "{}");
    d->used +=
        (size_t)snprintf(d->text + d->used, sizeof d->text - d->used, "%s\n", text);
    assert_true(d->used < sizeof d->text);
    return 0;
}

static size_t occurrences(const char *text, const char *of)
{
    size_t n = 0;
    for (; (text = strstr(text, of)) != NULL; text++)
        n++;
    return n;
}

static void a_picture_colors_every_axis_by_its_group(void **state)
{
    (void)state;
    static drawing d;
    tn_model *model = toy_mlp();
    assert_ok(tn_model_draw_groups(model, append, &d, err));
    tn_model_free(model);
    assert_int_equal(strncmp(d.text, "digraph \"toy\" {\n", 16), 0);
    assert_string_equal(d.text + d.used - 2, "}\n");
    /* Group 0 is fc1's rows, bias and fc2's columns, and the legend. */
    assert_int_equal(occurrences(d.text, "bgcolor=\"0.000 0.45 0.95\""), 4);
    assert_int_equal(occurrences(d.text, "color=\"0.000 0.45 0.95\"];"), 2);
    assert_int_equal(occurrences(d.text, "<td bgcolor=\"gray80\">6</td>"), 1);
    assert_non_null(strstr(d.text, "  n0 -> n1 [label=\" [1, 5]\", penwidth=3"));
}

static void names_are_escaped_in_a_picture(void **state)
{
    (void)state;
    static drawing d;
    tn_model *model = toy_create();
    size_t x = toy_linear(model, "a\"<b>&\\", toy_input(model, DIMS(-1, 3)), 4, 3);
    toy_finish(model, toy_linear(model, "fc2", x, 2, 4));
    assert_ok(tn_model_draw_groups(model, append, &d, err));
    tn_model_free(model);
    assert_non_null(strstr(d.text, "label=\"Gemm\\na\\\"<b>&\\\\\"]"));
    assert_non_null(strstr(d.text, "<td>a&quot;&lt;b&gt;&amp;\\.weight</td>"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_are_listed_with_the_nodes_that_tie_them),
        cmocka_unit_test(what_is_frozen_is_listed_with_reason_and_place),
        cmocka_unit_test(tensors_tied_alike_share_a_line),
        cmocka_unit_test(long_chains_are_shown_by_their_ends),
        cmocka_unit_test(a_picture_colors_every_axis_by_its_group),
        cmocka_unit_test(names_are_escaped_in_a_picture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
