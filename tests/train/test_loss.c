/* test_loss.c - cross-entropy with label smoothing: values and gradient. */
#include "test.h"

#include "base/rng.h"
#include "train/loss.h"

enum { N = 6, K = 5, SHARD = 3 };

static const int32_t labels[N] = {0, 4, 2, 2, 1, 3};

static tn__cross_entropy_job job_of(size_t *correct, double smoothing)
{
    return (tn__cross_entropy_job){.classes = K,
                                   .smoothing = smoothing,
                                   .images = N,
                                   .labels = labels,
                                   .shard = SHARD,
                                   .correct = correct};
}

static void draw(float *logits)
{
    tn__rng rng;
    tn__rng_seed(&rng, 3, 0);
    for (size_t k = 0; k < N * K; k++)
        logits[k] = (float)tn__rng_normal(&rng);
}

/* The mean loss by its definition, in double */
static double defined_loss(const double *z, double smoothing)
{
    double loss = 0;
    for (size_t i = 0; i < N; i++) {
        double sum = 0;
        for (size_t k = 0; k < K; k++)
            sum += exp(z[i * K + k]);
        for (size_t k = 0; k < K; k++) {
            double target =
                smoothing / K + (k == (size_t)labels[i] ? 1 - smoothing : 0);
            loss -= target * log(exp(z[i * K + k]) / sum) / N;
        }
    }
    return loss;
}

/* The mean of (1 - a) cross-entropy + a T^2 KL(q || softmax(z / T)), in double */
static double distilled_loss(const float *logits, const float *taught, double t,
                             double a)
{
    double z[N * K], loss = 0;
    for (size_t k = 0; k < N * K; k++)
        z[k] = (double)logits[k];
    for (size_t i = 0; i < N; i++) {
        double sum = 0;
        for (size_t k = 0; k < K; k++)
            sum += exp(z[i * K + k] / t);
        for (size_t k = 0; k < K; k++) {
            double q = (double)taught[i * K + k];
            loss += q * log(q / (exp(z[i * K + k] / t) / sum)) / N;
        }
    }
    return (1 - a) * defined_loss(z, 0.1) + a * t * t * loss;
}

static void what_is_taught_is_weighed_against_the_labels(void **state)
{
    (void)state;
    const double step = 1e-2;
    for (int c = 0; c < 3; c++) {
        double t = 1 + 1.5 * c, a = 0.5 * c, loss = 0;
        float logits[N * K], taught[N * K] = {0}, d[N * K], teacher[N * K];
        size_t correct[2];
        tn__cross_entropy_job job = job_of(correct, 0.1);
        draw(logits);
        draw(teacher);
        for (size_t i = 0; i < N; i++)
            tn__softened_add(taught + i * K, teacher + (N - 1 - i) * K, K, t, 1);
        job.taught = taught;
        job.temperature = t;
        job.weight = a;
        assert_ok(tn__cross_entropy(&job, d, &loss, logits, 0, 3, err));
        assert_ok(tn__cross_entropy(&job, d + 3 * K, &loss, logits + 3 * K, 3, 3, err));
        assert_near(loss, distilled_loss(logits, taught, t, a), 1e-6);
        for (size_t k = 0; k < N * K; k++) {
            float kept = logits[k];
            logits[k] = kept + (float)step;
            double up = distilled_loss(logits, taught, t, a);
            logits[k] = kept - (float)step;
            double down = distilled_loss(logits, taught, t, a);
            logits[k] = kept;
            assert_near((double)d[k], (up - down) / (2 * step), 1e-4);
        }
    }
}

static void the_loss_is_its_definition(void **state)
{
    (void)state;
    for (int s = 0; s < 3; s++) {
        double smoothing = 0.1 * s, loss = 0, z[N * K];
        float logits[N * K], d[N * K];
        size_t correct[2];
        tn__cross_entropy_job job = job_of(correct, smoothing);
        draw(logits);
        for (size_t k = 0; k < N * K; k++)
            z[k] = (double)logits[k];
        assert_ok(tn__cross_entropy(&job, d, &loss, logits, 0, 3, err));
        assert_ok(tn__cross_entropy(&job, d, &loss, logits + 3 * K, 3, 3, err));
        assert_near(loss, defined_loss(z, smoothing), 1e-14);
    }
}

static void the_gradient_is_the_difference_quotient(void **state)
{
    (void)state;
    const double h = 1e-5;
    for (int s = 0; s < 3; s++) {
        double smoothing = 0.15 * s, loss = 0, z[N * K];
        float logits[N * K], d[N * K];
        size_t correct[2];
        tn__cross_entropy_job job = job_of(correct, smoothing);
        draw(logits);
        assert_ok(tn__cross_entropy(&job, d, &loss, logits, 0, 3, err));
        assert_ok(tn__cross_entropy(&job, d + 3 * K, &loss, logits + 3 * K, 3, 3, err));
        for (size_t k = 0; k < N * K; k++)
            z[k] = (double)logits[k];
        for (size_t k = 0; k < N * K; k++) {
            double at = z[k];
            z[k] = at + h;
            double up = defined_loss(z, smoothing);
            z[k] = at - h;
            double down = defined_loss(z, smoothing);
            z[k] = at;
            assert_near(d[k], (up - down) / (2 * h), 1e-8);
        }
    }
}

static void right_answers_are_counted_for_each_shard(void **state)
{
    (void)state;
    float logits[N * K] = {0}, d[N * K];
    double loss = 0;
    size_t correct[2] = {9, 9};
    tn__cross_entropy_job job = job_of(correct, 0);
    for (size_t i = 0; i < N; i++)
        logits[i * K + (i < 2 ? (size_t)labels[i] : 0)] = 3;
    assert_ok(tn__cross_entropy(&job, d, &loss, logits + 3 * K, 3, 3, err));
    assert_ok(tn__cross_entropy(&job, d, &loss, logits, 0, 3, err));
    assert_int_equal(correct[0], 2);
    assert_int_equal(correct[1], 0);
}

static void large_outputs_do_not_overflow(void **state)
{
    (void)state;
    float logits[K] = {3e4F, 0, 0, 0, 0}, d[K];
    double loss = 0;
    size_t correct[1];
    tn__cross_entropy_job job = job_of(correct, 0);
    assert_ok(tn__cross_entropy(&job, d, &loss, logits, 0, 1, err));
    assert_near(loss, 0, 0);
    loss = 0;
    assert_ok(tn__cross_entropy(&job, d, &loss, logits, 0, 1, err));
    job.labels = labels + 1;
    loss = 0;
    assert_ok(tn__cross_entropy(&job, d, &loss, logits, 0, 1, err));
    assert_near(loss, 3e4 / N, 1e-9);
}

/* The loss of a mixed image is the mix of the losses, and so is its gradient. */
static void mixed_labels_mix_losses(void **state)
{
    (void)state;
    static const int32_t others[N] = {3, 4, 1, 0, 0, 2};
    static const float shares[N] = {0.25F, 0.5F, 1, 0, 0.875F, 0.125F};
    float logits[N * K], d[N * K], own[N * K], other[N * K];
    size_t correct[N / SHARD];
    draw(logits);
    tn__cross_entropy_job job = job_of(correct, 0.1);
    for (size_t first = 0; first < N; first += SHARD) {
        double loss = 0, parts = 0;
        double one[SHARD][2];
        const float *z = logits + first * K;
        for (int which = 0; which < 2; which++)
            for (size_t i = 0; i < SHARD; i++) {
                int32_t label = which ? others[first + i] : labels[first + i];
                tn__cross_entropy_job alone = job;
                size_t ignored = 0;
                alone.labels = &label;
                alone.shard = 1;
                alone.correct = &ignored;
                one[i][which] = 0;
                assert_ok(tn__cross_entropy(&alone, (which ? other : own) + i * K,
                                            &one[i][which], z + i * K, 0, 1, err));
            }
        job.others = others;
        job.shares = shares;
        assert_ok(tn__cross_entropy(&job, d, &loss, z, first, SHARD, err));
        job.others = NULL;
        for (size_t i = 0; i < SHARD; i++) {
            double s = (double)shares[first + i];
            parts += s * one[i][0] + (1 - s) * one[i][1];
            for (size_t k = i * K; k < (i + 1) * K; k++)
                assert_near(d[k], s * (double)own[k] + (1 - s) * (double)other[k],
                            1e-7);
        }
        assert_near(loss, parts, 1e-12);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_loss_is_its_definition),
        cmocka_unit_test(what_is_taught_is_weighed_against_the_labels),
        cmocka_unit_test(the_gradient_is_the_difference_quotient),
        cmocka_unit_test(right_answers_are_counted_for_each_shard),
        cmocka_unit_test(large_outputs_do_not_overflow),
        cmocka_unit_test(mixed_labels_mix_losses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
