/* test_arch.c - built-in architectures: names, sizes, widths, and what cannot be. */
#include "arch/arch_family.h"
#include "ops/op.h"
#include "test.h"

static tn_model *build(const char *arch)
{
    tn_model *model = NULL;
    assert_ok(tn_model_create(&model, arch, NULL, 0, 1, err));
    return model;
}

static bool is_statistic(const char *name)
{
    return strstr(name, "running_mean") || strstr(name, "running_var");
}

/* Elements of float parameters that are trained. */
static size_t trained(const tn_model *model)
{
    size_t count = 0;
    for (size_t v = 0; v < model->value_count; v++)
        if (model->values[v].parameter.dtype == TN_F32 &&
            !is_statistic(model->values[v].name))
            count += tn__tensor_count(&model->values[v].parameter);
    return count;
}

static uint64_t macs_of(const tn_model *model, int64_t batch)
{
    tn__shapes shapes;
    uint64_t macs = 0;
    assert_ok(tn__shapes_infer(&shapes, model, batch, err));
    assert_ok(tn__model_macs(&macs, model, &shapes, err));
    const tn__shape *y = &shapes.shape[model->outputs[0]];
    assert_int_equal(y->rank, 2);
    assert_int_equal(y->dims[0], batch);
    assert_int_equal(y->dims[1], model->values[model->outputs[0]].dims[1]);
    tn__shapes_release(&shapes);
    return macs;
}

/* Counts of He et al. (CIFAR nets), torchvision and pytorch-cifar. */
static void sizes_are_the_public_ones(void **state)
{
    (void)state;
    static const struct {
        const char *arch;
        size_t parameters;
        uint64_t macs; /* of one image; 0: not checked */
    } nets[] = {
        {"mlp:784-400-200-100-10", 414600, 414600},
        {"mlp:784-256-10:bias", 203530, 203264},
        {"lenet5", 61706, 416520},
        {"resnet20", 269722, 40551040},
        {"resnet20b", 272474, 0},
        {"resnet32", 464154, 0},
        {"resnet44", 658586, 0},
        {"resnet56", 853018, 0},
        {"resnet110", 1727962, 0},
        {"vgg11:bias", 9225610, 0},
        {"vgg16-bn:bias", 14728266, 0},
        {"vgg16", 14715584, 313201664},
        {"resnet18", 11173962, 555422720},
        {"resnet18-imagenet", 11689512, 1814073344},
        {"resnet34-imagenet", 21797672, 3663761408},
        {"mobilenet", 3217226, 46354432},
    };
    for (size_t i = 0; i < TN__COUNT(nets); i++) {
        tn_model *model = build(nets[i].arch);
        if (trained(model) != nets[i].parameters)
            fail_msg("%s has %zu parameters, expected %zu", nets[i].arch,
                     trained(model), nets[i].parameters);
        uint64_t macs = macs_of(model, 1);
        if (nets[i].macs && macs != nets[i].macs)
            fail_msg("%s has %llu MACs, expected %llu", nets[i].arch,
                     (unsigned long long)macs, (unsigned long long)nets[i].macs);
        tn_model_free(model);
    }
}

static void macs_grow_with_the_batch(void **state)
{
    (void)state;
    tn_model *model = build("resnet20");
    assert_int_equal(macs_of(model, 3), 3 * macs_of(model, 1));
    tn_model_free(model);
}

static void names_round_trip(void **state)
{
    (void)state;
    static const char *const names[] = {
        "mlp:784-400-10",  "mlp:4-3:bias",      "lenet5",
        "vgg11",           "vgg13-bn",          "vgg16-bnx0.5:bias",
        "vgg19x2",         "resnet20",          "resnet32b",
        "resnet110bx0.25", "resnet56x4",        "resnet18",
        "resnet34x0.5",    "resnet18-imagenet", "resnet34-imagenetx2",
        "mobilenet",       "mobilenetx0.25"};
    for (size_t i = 0; i < TN__COUNT(names); i++) {
        tn__arch_spec spec;
        char text[TN__ARCH_NAME_TEXT];
        assert_ok(tn__arch_parse(&spec, names[i], err));
        spec.family->print(text, sizeof text, &spec);
        assert_string_equal(text, names[i]);
    }
    tn__arch_spec spec;
    assert_ok(tn__arch_parse(&spec, "resnet20a", err));
    assert_false(spec.projection);
}

static int64_t dim(const tn_model *model, const char *name, int axis)
{
    size_t v = tn__model_find_value(model, name);
    assert_true(v != TN__NONE);
    return model->values[v].parameter.shape.dims[axis];
}

static void widths_are_multiplied(void **state)
{
    (void)state;
    tn_model *model = build("resnet20x4");
    assert_int_equal(dim(model, "conv1.weight", 0), 64);
    assert_int_equal(dim(model, "layer3.2.conv2.weight", 0), 256);
    assert_int_equal(dim(model, "linear.weight", 1), 256);
    (void)macs_of(model, 1);
    tn_model_free(model);
    model = build("resnet20x0.1");
    assert_int_equal(dim(model, "conv1.weight", 0), 2);
    assert_int_equal(dim(model, "layer2.0.conv1.weight", 0), 3);
    (void)macs_of(model, 1);
    tn_model_free(model);
    model = build("mobilenetx0.5");
    assert_int_equal(dim(model, "layers.1.conv1.weight", 0), 32);
    assert_int_equal(dim(model, "layers.1.conv1.weight", 1), 1);
    assert_int_equal(dim(model, "layers.1.conv2.weight", 0), 64);
    (void)macs_of(model, 1);
    tn_model_free(model);
    model = build("vgg11x0.001");
    assert_int_equal(dim(model, "features.18.weight", 0), 1);
    tn_model_free(model);
}

static void inputs_and_classes_can_be_chosen(void **state)
{
    (void)state;
    tn_model *model = NULL;
    assert_ok(tn_model_create(&model, "resnet18", (int64_t[]){1, 64, 48}, 200, 0, err));
    assert_int_equal(dim(model, "conv1.weight", 1), 1);
    assert_int_equal(dim(model, "linear.weight", 0), 200);
    (void)macs_of(model, 2);
    tn_model_free(model);
    assert_ok(tn_model_create(&model, "vgg11", (int64_t[]){3, 64, 64}, 0, 0, err));
    assert_int_equal(dim(model, "classifier.weight", 1), 2048);
    (void)macs_of(model, 2);
    tn_model_free(model);
    assert_ok(tn_model_create(&model, "lenet5", (int64_t[]){3, 32, 32}, 0, 0, err));
    assert_int_equal(dim(model, "fc1.weight", 1), 400);
    (void)macs_of(model, 2);
    tn_model_free(model);
}

static void the_graph_has_an_image_in_and_logits_out(void **state)
{
    (void)state;
    tn_model *model = build("mlp:3072-20-10");
    const tn__value *in = &model->values[model->inputs[0]];
    assert_string_equal(in->name, "input");
    assert_int_equal(in->rank, 4);
    assert_int_equal(in->dims[0], -1);
    assert_string_equal(in->dim_names[0], "N");
    assert_int_equal(in->dims[1], 3);
    assert_int_equal(in->dims[3], 32);
    assert_string_equal(model->values[model->outputs[0]].name, "logits");
    assert_string_equal(model->nodes[1].name, "fc1");
    assert_string_equal(model->nodes[1].type, "Gemm");
    tn_model_free(model);
}

static const tn__tensor *parameter(const tn_model *model, const char *name)
{
    return &model->values[tn__model_find_value(model, name)].parameter;
}

static void parameters_follow_from_the_seed(void **state)
{
    (void)state;
    tn_model *a = build("resnet20"), *b = build("resnet20"), *c = NULL;
    assert_ok(tn_model_create(&c, "resnet20", NULL, 0, 2, err));
    const tn__tensor *w = parameter(a, "layer2.1.conv1.weight");
    assert_memory_equal(tn__tensor_data(w),
                        tn__tensor_data(parameter(b, "layer2.1.conv1.weight")),
                        tn__tensor_bytes(w));
    assert_memory_not_equal(tn__tensor_data(w),
                            tn__tensor_data(parameter(c, "layer2.1.conv1.weight")),
                            tn__tensor_bytes(w));
    tn_model_free(a);
    tn_model_free(b);
    tn_model_free(c);
}

static void parameters_start_as_documented(void **state)
{
    (void)state;
    tn_model *model = build("resnet20x4");
    const tn__tensor *w = parameter(model, "layer3.1.conv1.weight");
    double sum = 0, square = 0, n = (double)tn__tensor_count(w);
    for (size_t i = 0; i < tn__tensor_count(w); i++) {
        double v = tn__tensor_get_f64(w, i);
        sum += v;
        square += v * v;
    }
    assert_near(sum / n, 0, 1e-3);
    assert_near(square / n / (2.0 / (256 * 9)), 1, 0.02); /* He, fan-out */
    const tn__tensor *last = parameter(model, "linear.weight");
    double most = 0;
    for (size_t i = 0; i < tn__tensor_count(last); i++)
        most = fmax(most, fabs(tn__tensor_get_f64(last, i)));
    assert_true(most <= 1.0 / 16 && most > 0.9 / 16); /* 1 / sqrt(256) */
    assert_near(tn__tensor_get_f64(parameter(model, "bn1.weight"), 3), 1, 0);
    assert_near(tn__tensor_get_f64(parameter(model, "bn1.bias"), 3), 0, 0);
    assert_near(tn__tensor_get_f64(parameter(model, "bn1.running_mean"), 3), 0, 0);
    assert_near(tn__tensor_get_f64(parameter(model, "bn1.running_var"), 3), 1, 0);
    tn_model_free(model);
}

static void bad_requests_are_refused(void **state)
{
    (void)state;
    tn_model *model = NULL;
    static const char *const bad[] = {"resnet21", "vgg12",       "mlp:784",
                                      "mlp:",     "mlp:4-0",     "resnet20x0",
                                      "vgg11x",   "resnet20c",   "lenet5:bias",
                                      "",         "resnet20x65", "mlp:4-99999999999"};
    for (size_t i = 0; i < TN__COUNT(bad); i++)
        assert_fails(tn_model_create(&model, bad[i], NULL, 0, 0, err),
                     TN_ERROR_ARGUMENT, "is not known, expected mlp:");
    assert_fails(tn_model_create(&model, "mlp", NULL, 0, 0, err), TN_ERROR_ARGUMENT,
                 "'mlp' lacks its widths");
    assert_fails(tn_model_create(&model, "vgg11", (int64_t[]){1, 28, 28}, 0, 0, err),
                 TN_ERROR_ARGUMENT, "28 x 28 is too small for vgg11");
    assert_fails(tn_model_create(&model, "mlp:784-10", NULL, 7, 0, err),
                 TN_ERROR_MISMATCH, "ends in 10 outputs, not 7");
    assert_fails(
        tn_model_create(&model, "mlp:784-10", (int64_t[]){3, 32, 32}, 0, 0, err),
        TN_ERROR_MISMATCH, "has 3072 elements, expected 784");
    assert_fails(tn_model_create(&model, "resnet20", (int64_t[]){3, -1, 32}, 0, 0, err),
                 TN_ERROR_ARGUMENT, "input extent -1");
    assert_fails(tn_model_create(&model, "lenet5", (int64_t[]){1, 8, 8}, 0, 0, err),
                 TN_ERROR_ARGUMENT, "too small for lenet5");
    assert_null(model);
}

static void memory_can_run_out_anywhere(void **state)
{
    (void)state;
    for (size_t k = 1;; k++) {
        tn_model *model = NULL;
        tn_error err = {0};
        tn__alloc_fail_after(k);
        tn_status status = tn_model_create(&model, "mlp:6-5-4:bias", NULL, 0, 0, &err);
        tn__alloc_fail_after(0);
        if (status == TN_OK) {
            tn_model_free(model);
            break;
        }
        assert_int_equal(status, TN_ERROR_MEMORY);
        assert_null(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_the_public_ones),
        cmocka_unit_test(macs_grow_with_the_batch),
        cmocka_unit_test(names_round_trip),
        cmocka_unit_test(widths_are_multiplied),
        cmocka_unit_test(inputs_and_classes_can_be_chosen),
        cmocka_unit_test(the_graph_has_an_image_in_and_logits_out),
        cmocka_unit_test(parameters_follow_from_the_seed),
        cmocka_unit_test(parameters_start_as_documented),
        cmocka_unit_test(bad_requests_are_refused),
        cmocka_unit_test(memory_can_run_out_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
