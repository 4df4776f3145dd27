/* test_quick_kernels.c - the kernels of vector loops against plain C, in plain and in
 * blocked layouts, forward and backward. */
#include "nets.h"

/* A function between two convolutions of 16 channels (blocks without padding) or of 5
 * (with), and between two matrices. */
static void try_unary(const char *type, int64_t opset, bool strings)
{
    for (int form = 0; form < 3; form++) {
        net t;
        size_t x;
        int64_t c = form == 1 ? 5 : 16;
        if (form < 2)
            net_begin(&t, &x, 4, (int64_t[]){-1, 3, 6, 6});
        else
            net_begin(&t, &x, 2, (int64_t[]){-1, 12});
        t.model->opsets[0].version = opset;
        x = form < 2 ? net_conv(&t, x, (conv_shape){c, 3, 1, 1, 1, 1, true})
                     : net_gemm(&t, x, 9, true, true);
        if (strcmp(type, "Sqrt") == 0) /* of positive numbers */
            x = net_unary(&t, "Softplus", x);
        x = net_unary(&t, type, x);
        if (strings)
            assert_ok(tn__node_set_string(&t.model->nodes[t.model->node_count - 1],
                                          "approximate", "tanh", 4, err));
        if (form < 2) {
            x = net_conv(&t, x, (conv_shape){4, 3, 1, 1, 1, 1, true});
            x = net_flatten(&t, x, 4 * 36);
        }
        check_against_plain(net_end(&t, net_gemm(&t, x, 3, true, true)),
                            form < 2 ? 108 : 12);
    }
}

static void functions_of_one_operand_are_those_of_plain_c(void **state)
{
    (void)state;
    static const char *const types[] = {"Erf",  "Sigmoid",     "Tanh",      "Exp",
                                        "Sqrt", "LeakyRelu",   "Elu",       "Softplus",
                                        "Clip", "HardSigmoid", "HardSwish", "Abs",
                                        "Mish", "Softsign"};
    for (size_t k = 0; k < TN__COUNT(types); k++)
        try_unary(types[k], 18, false);
    try_unary("Gelu", 20, false);
    try_unary("Gelu", 20, true);
}

/* How the second operand of a binary function lies. */
typedef enum operand {
    ALIKE,    /* as the first */
    TURNED,   /* the same shape in another layout */
    GATE,     /* [N, C, 1, 1] */
    CHANNELS, /* a parameter [C, 1, 1] */
    ONE,      /* a parameter [1] */
    ROW,      /* a parameter [W] */
    OPERANDS
} operand;

static size_t make_operand(net *t, size_t x, operand how, int64_t c)
{
    size_t y = net_conv(t, x, (conv_shape){c, 3, 1, 1, 1, 1, true});
    switch (how) {
    case ALIKE:
        return net_unary(t, "Sigmoid", y);
    case TURNED:
        for (int k = 0; k < 2; k++) {
            y = net_unary(t, "Transpose", y);
            net_ints(t, "perm", 4, (int64_t[]){0, 1, 3, 2});
        }
        return net_unary(t, "Sigmoid", y);
    case GATE:
        return net_unary(t, "Sigmoid", net_unary(t, "GlobalAveragePool", y));
    case CHANNELS:
        return net_parameter(t, 3, (int64_t[]){c, 1, 1}, 0.1, 1);
    case ONE:
        return net_parameter(t, 1, (int64_t[]){1}, 0.1, 1);
    default:
        return net_parameter(t, 1, (int64_t[]){6}, 0.1, 1);
    }
}

static void functions_of_two_operands_are_those_of_plain_c(void **state)
{
    (void)state;
    static const char *const types[] = {"Add", "Sub", "Mul", "Div"};
    for (size_t k = 0; k < TN__COUNT(types); k++)
        for (int how = 0; how < OPERANDS; how++)
            for (int form = 0; form < 4; form++) {
                net t;
                size_t x, pair[2];
                int64_t c = form % 2 ? 5 : 16;
                net_begin(&t, &x, 4, (int64_t[]){-1, 3, 6, 6});
                pair[form / 2] = net_conv(&t, x, (conv_shape){c, 3, 1, 1, 1, 1, true});
                if (strcmp(types[k], "Div") == 0) /* keeps away from 0 */
                    pair[form / 2] = net_unary(&t, "Exp", pair[form / 2]);
                pair[1 - form / 2] = make_operand(&t, x, (operand)how, c);
                x = net_node(&t, types[k], 2, pair, c);
                x = net_conv(&t, x, (conv_shape){4, 3, 1, 1, 1, 1, true});
                x = net_flatten(&t, x, 4 * 36);
                check_against_plain(net_end(&t, net_gemm(&t, x, 3, true, true)), 108);
            }
}

static void an_operand_beside_itself_gets_both_gradients(void **state)
{
    (void)state;
    static const char *const types[] = {"Add", "Sub", "Mul"};
    for (size_t k = 0; k < TN__COUNT(types); k++) {
        net t;
        size_t x;
        net_begin(&t, &x, 2, (int64_t[]){-1, 12});
        x = net_gemm(&t, x, 9, true, true);
        x = net_node(&t, types[k], 2, (size_t[]){x, x}, 9);
        check_against_plain(net_end(&t, net_gemm(&t, x, 3, true, true)), 12);
    }
}

static void squares_and_roots_are_powers(void **state)
{
    (void)state;
    for (int k = 0; k < 3; k++) {
        net t;
        size_t x;
        net_begin(&t, &x, 2, (int64_t[]){-1, 12});
        x = net_unary(&t, "Softplus", net_gemm(&t, x, 9, true, true));
        size_t power = net_parameter(&t, 0, NULL, 0, k == 0 ? 2 : k == 1 ? 0.5 : 3);
        size_t held = net_unary(&t, "Identity", power);
        x = net_node(&t, "Pow", 2, (size_t[]){x, k == 2 ? held : power}, 9);
        check_against_plain(net_end(&t, net_gemm(&t, x, 3, true, true)), 12);
    }
}

static void norms_and_softmax_of_rows_are_those_of_plain_c(void **state)
{
    (void)state;
    static const int64_t widths[] = {1, 7, 16, 53};
    for (size_t k = 0; k < TN__COUNT(widths); k++)
        for (int shifted = 0; shifted < 2; shifted++) {
            net t;
            size_t x, operands[3];
            int64_t n = widths[k];
            net_begin(&t, &x, 2, (int64_t[]){-1, 12});
            t.model->opsets[0].version = 17;
            operands[0] = net_gemm(&t, x, n, true, true);
            operands[1] = net_positive(&t, n);
            operands[2] = net_parameter(&t, 1, &n, 1, 0);
            x = net_node(&t, "LayerNormalization", shifted ? 3 : 2, operands, n);
            x = net_unary(&t, "Softmax", net_gemm(&t, x, n, true, true));
            check_against_plain(net_end(&t, net_gemm(&t, x, 3, true, true)), 12);
        }
}

/* Windows larger than the map, strided and stretched ones: where oneDNN has no kernel
 * of its own for the gradient of the weights. */
static void depthwise_gradients_are_those_of_plain_c(void **state)
{
    (void)state;
    static const conv_shape forms[] = {
        {.kernel = 7, .stride = 1, .pad = 3},
        {.kernel = 5, .stride = 2, .pad = 2},
        {.kernel = 3, .stride = 1, .pad = 2, .dilation = 2},
        {.kernel = 9, .stride = 3, .pad = 4},
        {.kernel = 4, .stride = 1, .pad = 2},
    };
    static const int64_t widths[] = {16, 48, 20};
    for (size_t k = 0; k < TN__COUNT(forms); k++)
        for (size_t i = 0; i < 2 * TN__COUNT(widths); i++) {
            net t;
            size_t x;
            conv_shape form = forms[k];
            form.out = form.group = widths[i / 2];
            form.bias = i % 2;
            net_begin(&t, &x, 4, (int64_t[]){-1, 3, 6, 6});
            x = net_conv(&t, x, (conv_shape){form.out, 3, 2, 1, 1, 1, true});
            x = net_unary(&t, "Relu", net_conv(&t, x, form));
            x = net_flatten(&t, net_unary(&t, "GlobalAveragePool", x), form.out);
            check_against_plain(net_end(&t, net_gemm(&t, x, 3, true, true)), 108);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_of_one_operand_are_those_of_plain_c),
        cmocka_unit_test(functions_of_two_operands_are_those_of_plain_c),
        cmocka_unit_test(an_operand_beside_itself_gets_both_gradients),
        cmocka_unit_test(squares_and_roots_are_powers),
        cmocka_unit_test(norms_and_softmax_of_rows_are_those_of_plain_c),
        cmocka_unit_test(depthwise_gradients_are_those_of_plain_c),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
