/* test_optimizer.c - SGD against PyTorch's recurrence. */
#include "eval/nets.h"

#include "train/loss.h"
#include "train/optimizer.h"

static void steps_are_pytorch_s(void **state)
{
    (void)state;
    static const float gradients[] = {0.5F, -0.25F, 1, 0.125F};
    for (int nesterov = 0; nesterov < 2; nesterov++) {
        tn__sgd_rule rule = {.momentum = 0.9, .decay = 0.01, .nesterov = nesterov};
        float w = 1, v = 0;
        double x = 1, buffer = 0;
        for (size_t t = 0; t < TN__COUNT(gradients); t++) {
            double rate = 0.1 / (double)(t + 1), d = (double)gradients[t] + 0.01 * x;
            buffer = t ? 0.9 * buffer + d : d; /* torch.optim.SGD's first step */
            x -= rate * (nesterov ? d + 0.9 * buffer : buffer);
            tn__sgd_update(&w, &v, &gradients[t], 1, &rule, rate);
            assert_near(w, x, 2e-7);
        }
    }
}

/* torch 1.13: w = [1, -2], g = w^2 each step, SGD(lr=0.1, momentum=0.9,
 * weight_decay=0.05, nesterov=True), three steps. */
static void the_same_numbers_as_pytorch(void **state)
{
    (void)state;
    static const float golden[3][2] = {{0.800500035286F, -2.740999937057F},
                                       {0.586093246937F, -4.458345890045F},
                                       {0.383567512035F, -9.074360847473F}};
    tn__sgd_rule rule = {.momentum = 0.9, .decay = 0.05, .nesterov = true};
    float w[2] = {1, -2}, v[2] = {0, 0};
    for (size_t t = 0; t < 3; t++) {
        float g[2] = {w[0] * w[0], w[1] * w[1]};
        tn__sgd_update(w, v, g, 2, &rule, 0.1);
        assert_near(w[0], golden[t][0], 1e-6);
        assert_near(w[1], golden[t][1], 1e-5);
    }
}

static void without_momentum_it_is_gradient_descent(void **state)
{
    (void)state;
    tn__sgd_rule rule = {.nesterov = true};
    float w[2] = {1, 2}, v[2] = {7, 7};
    tn__sgd_update(w, v, (const float[]){1, -1}, 2, &rule, 0.5);
    assert_near(w[0], 0.5, 0);
    assert_near(w[1], 2.5, 0);
}

/* One step of an engine with rate 1: weights decay, biases do not, and pieces of large
 * parameters are all moved. */
static void decay_is_for_matrices(void **state)
{
    (void)state;
    enum { IMAGE = 1 * 100 * 100, K = 7, BATCH = 4 };
    static float x[BATCH * IMAGE];
    static const int32_t labels[BATCH] = {0, 3, 6, 1};
    tn_model *model = linear_model("net", (int64_t[]){1, 100, 100}, K, NULL, NULL);
    tn_dataset *data = random_data("random:1x100x100,limit=4");
    tn__workers *workers = NULL;
    tn__engine *engine = NULL;
    tn__sgd *sgd = NULL;
    size_t correct[2], w = tn__model_find_value(model, "w");
    size_t b = tn__model_find_value(model, "b");
    double loss = 0;
    tn__cross_entropy_job job = {K, 0, BATCH, labels, 2, correct};
    tn__sgd_rule rule = {.decay = 0.5};
    assert_ok(tn__workers_create(&workers, 2, err));
    tn__engine_options options = {.workers = workers, .shard = 2, .training = true};
    assert_ok(tn__engine_create(&engine, model, &options, err));
    assert_ok(tn__sgd_create(&sgd, engine, model, workers, &rule, err));
    assert_ok(tn_dataset_read(x, NULL, data, NULL, 0, BATCH, err));
    assert_ok(
        tn__engine_step(engine, &loss, x, BATCH, tn__cross_entropy, &job, 0, err));
    assert_ok(tn__sgd_step(sgd, 1, err));
    const float *before = weights_of(model, "w"),
                *after = tn__engine_parameter(engine, w);
    const float *g = tn__engine_gradient(engine, w);
    for (size_t k = 0; k < K * IMAGE; k++)
        assert_near(after[k], 0.5 * (double)before[k] - (double)g[k], 1e-6);
    before = weights_of(model, "b");
    after = tn__engine_parameter(engine, b);
    g = tn__engine_gradient(engine, b);
    for (size_t k = 0; k < K; k++)
        assert_near(after[k], (double)before[k] - (double)g[k], 1e-6);
    tn__sgd_free(sgd);
    tn__engine_free(engine);
    tn__workers_free(workers);
    tn_dataset_free(data);
    tn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_pytorch_s),
        cmocka_unit_test(the_same_numbers_as_pytorch),
        cmocka_unit_test(without_momentum_it_is_gradient_descent),
        cmocka_unit_test(decay_is_for_matrices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
