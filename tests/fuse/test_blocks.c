/* test_blocks.c - groups of a convolution as blocks that change places: a permuted copy
 * comes back, also where a gate makes the same channels from neurons that are matched
 * later (as in RegNet). */
#include "neurons/toys.h"

#include "nets.h"

/* conv1 of `channels`, conv2 in blocks of 4, times a gate of its own means, conv3. */
static tn_model *gated(int64_t channels)
{
    tn_model *model = toy_create();
    size_t x = toy_input(model, DIMS(-1, 3, 6, 6));
    x = toy_relu(model, "relu1", toy_conv(model, "conv1", x, channels, 3, 1));
    x = toy_conv(model, "conv2", x, channels, channels, channels / 4);
    x = toy_relu(model, "relu2", x);
    size_t y = toy_node(model, "GlobalAveragePool", "mean", VALUES(x));
    y = toy_relu(model, "relu3", toy_conv(model, "squeeze", y, 6, channels, 1));
    y = toy_conv(model, "excite", y, channels, 6, 1);
    y = toy_node(model, "Sigmoid", "gate", VALUES(y));
    x = toy_node(model, "Mul", "gated", VALUES(x, y));
    x = toy_conv(model, "conv3", x, 5, channels, 1);
    x = toy_node(model, "GlobalAveragePool", "pool", VALUES(x));
    return toy_finish(model, toy_flatten(model, x));
}

static void blocks_with_a_gate_come_back(void **state)
{
    (void)state;
    for (int64_t channels = 8; channels <= 32; channels += 12) {
        tn_model *a = gated(channels), *b = permuted(a, 2), *fused = NULL;
        const tn_model *models[2] = {a, b};
        tn_fuse_options options = TN_FUSE_OPTIONS_INIT;
        tn_fuse_report report = {0};
        options.support = TN_SUPPORT_WEIGHTS;
        options.recalibrate = TN_RECALIBRATE_NONE;
        assert_true(distance(a, b) > 0.1);
        assert_ok(tn_fuse(&fused, &report, models, 2, NULL, &options, NULL, err));
        assert_near(distance(a, fused), 0, 1e-6);
        /* What lies in a block is compared with what lies in the same one. */
        for (size_t g = 0; g < report.group_count; g++)
            if (!strstr(report.groups[g].name, "/blocks"))
                assert_near(report.groups[g].cost, 0, 1e-6);
        tn_fuse_report_release(&report);
        tn_model_free(fused);
        tn_model_free(a);
        tn_model_free(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_with_a_gate_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
