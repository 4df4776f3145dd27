/* test_optimizer.c - SGD and AdamW against PyTorch's recurrences. */
#include "eval/nets.h"

#include "train/loss.h"
#include "train/optimizer.h"

static void sgd(float *w, float *v, const float *g, size_t n, const tn__rule *rule,
                double rate)
{
    tn__pace pace = {.rate = rate, .scale = 1, .step = 1};
    tn__optimizer_update(w, (float *[]){v, NULL}, g, n, rule, &pace);
}

static void steps_are_pytorch_s(void **state)
{
    (void)state;
    static const float gradients[] = {0.5F, -0.25F, 1, 0.125F};
    for (int nesterov = 0; nesterov < 2; nesterov++) {
        tn__rule rule = {.momentum = 0.9, .decay = 0.01, .nesterov = nesterov};
        float w = 1, v = 0;
        double x = 1, buffer = 0;
        for (size_t t = 0; t < TN__COUNT(gradients); t++) {
            double rate = 0.1 / (double)(t + 1), d = (double)gradients[t] + 0.01 * x;
            buffer = t ? 0.9 * buffer + d : d; /* torch.optim.SGD's first step */
            x -= rate * (nesterov ? d + 0.9 * buffer : buffer);
            sgd(&w, &v, &gradients[t], 1, &rule, rate);
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
    tn__rule rule = {.momentum = 0.9, .decay = 0.05, .nesterov = true};
    float w[2] = {1, -2}, v[2] = {0, 0};
    for (size_t t = 0; t < 3; t++) {
        float g[2] = {w[0] * w[0], w[1] * w[1]};
        sgd(w, v, g, 2, &rule, 0.1);
        assert_near(w[0], golden[t][0], 1e-6);
        assert_near(w[1], golden[t][1], 1e-5);
    }
}

/* torch 1.13: w = [1, -2], g = w^2 each step, AdamW(lr=0.1, betas=(0.9, 0.99),
 * weight_decay=0.05), three steps. */
static void adamw_has_the_numbers_of_pytorch(void **state)
{
    (void)state;
    static const float golden[3][2] = {{0.894999980927F, -2.089999914169F},
                                       {0.791653454304F, -2.179662704468F},
                                       {0.690866827965F, -2.269062757492F}};
    tn__rule rule = {
        .kind = TN_OPTIMIZER_ADAMW, .momentum = 0.9, .second = 0.99, .decay = 0.05};
    float w[2] = {1, -2}, m[2] = {0, 0}, v[2] = {0, 0};
    for (size_t t = 0; t < 3; t++) {
        float g[2] = {w[0] * w[0], w[1] * w[1]};
        tn__pace pace = {.rate = 0.1, .scale = 1, .step = t + 1};
        tn__optimizer_update(w, (float *[]){m, v}, g, 2, &rule, &pace);
        assert_near(w[0], golden[t][0], 1e-6);
        assert_near(w[1], golden[t][1], 1e-6);
    }
}

static void without_momentum_it_is_gradient_descent(void **state)
{
    (void)state;
    tn__rule rule = {.nesterov = true};
    float w[2] = {1, 2}, v[2] = {7, 7};
    sgd(w, v, (const float[]){1, -1}, 2, &rule, 0.5);
    assert_near(w[0], 0.5, 0);
    assert_near(w[1], 2.5, 0);
}

enum { IMAGE = 1 * 100 * 100, K = 7, BATCH = 4 };

/* One step with rate 1 of a linear model, weights "w" and "b"; returns the engine. */
typedef struct fixture {
    tn_model *model;
    tn__workers *workers;
    tn__engine *engine;
    tn__optimizer *optimizer;
} fixture;

static void step_once(fixture *f, const tn__rule *rule)
{
    static float x[BATCH * IMAGE];
    static const int32_t labels[BATCH] = {0, 3, 6, 1};
    tn_dataset *data = random_data("random:1x100x100,limit=4");
    size_t correct[2];
    double loss = 0;
    tn__cross_entropy_job job = {.classes = K,
                                 .images = BATCH,
                                 .labels = labels,
                                 .shard = 2,
                                 .correct = correct};
    f->model = linear_model("net", (int64_t[]){1, 100, 100}, K, NULL, NULL);
    assert_ok(tn__workers_create(&f->workers, 2, err));
    tn__engine_options options = {.workers = f->workers, .shard = 2, .training = true};
    assert_ok(tn__engine_create(&f->engine, f->model, &options, err));
    assert_ok(tn__optimizer_create(&f->optimizer, f->engine, f->model, f->workers, rule,
                                   err));
    assert_ok(tn_dataset_read(x, NULL, data, NULL, 0, BATCH, err));
    assert_ok(
        tn__engine_step(f->engine, &loss, x, BATCH, tn__cross_entropy, &job, 0, err));
    assert_ok(tn__optimizer_step(f->optimizer, 1, err));
    tn_dataset_free(data);
}

static void release(fixture *f)
{
    tn__optimizer_free(f->optimizer);
    tn__engine_free(f->engine);
    tn__workers_free(f->workers);
    tn_model_free(f->model);
}

/* after = keep before - scale gradient for each number of parameter `name`. */
static void assert_moved(const fixture *f, const char *name, double keep, double scale)
{
    size_t value = tn__model_find_value(f->model, name);
    const float *before = weights_of(f->model, name);
    const float *after = tn__engine_parameter(f->engine, value);
    const float *g = tn__engine_gradient(f->engine, value);
    for (size_t k = 0; k < tn__engine_parameter_count(f->engine, value); k++)
        assert_near(after[k], keep * (double)before[k] - scale * (double)g[k], 1e-6);
}

/* Weights decay, biases do not, and pieces of large parameters are all moved. */
static void decay_is_for_matrices(void **state)
{
    (void)state;
    fixture f = {0};
    step_once(&f, &(tn__rule){.decay = 0.5});
    assert_moved(&f, "w", 0.5, 1);
    assert_moved(&f, "b", 1, 1);
    release(&f);
}

static double gradient_norm(const fixture *f)
{
    double square = 0;
    for (size_t v = 0; v < f->model->value_count; v++) {
        const float *g = tn__engine_gradient(f->engine, v);
        for (size_t k = 0; g && k < tn__engine_parameter_count(f->engine, v); k++)
            square += (double)g[k] * (double)g[k];
    }
    return sqrt(square);
}

static void clipping_bounds_the_norm_of_all_gradients(void **state)
{
    (void)state;
    static const double clips[] = {1e-2, 1e6};
    for (size_t c = 0; c < TN__COUNT(clips); c++) {
        fixture f = {0};
        step_once(&f, &(tn__rule){.clip = clips[c]});
        double norm = gradient_norm(&f), scale = norm > clips[c] ? clips[c] / norm : 1;
        assert_true(c ? scale == 1 : scale < 0.5);
        assert_moved(&f, "w", 1, scale);
        assert_moved(&f, "b", 1, scale);
        release(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_pytorch_s),
        cmocka_unit_test(the_same_numbers_as_pytorch),
        cmocka_unit_test(adamw_has_the_numbers_of_pytorch),
        cmocka_unit_test(without_momentum_it_is_gradient_descent),
        cmocka_unit_test(decay_is_for_matrices),
        cmocka_unit_test(clipping_bounds_the_norm_of_all_gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
