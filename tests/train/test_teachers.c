/* test_teachers.c - tn_distill() and what teachers say of a batch. */
#include "eval/nets.h"

#include "tenon/eval.h"
#include "train/teachers.h"

enum { K = 3, HIDDEN = 24 };

static const int64_t shape[] = {1, 4, 4};
static tn_dataset *data;
static tn_model *student, *teachers[2];

static int set_up(void **state)
{
    (void)state;
    data = random_data("random:1x4x4,limit=256,classes=3,seed=2");
    student = hidden_model(shape, HIDDEN, K, 5);
    teachers[0] = hidden_model(shape, HIDDEN, K, 6);
    teachers[1] = hidden_model(shape, 8, K, 7);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tn_dataset_free(data);
    tn_model_free(student);
    tn_model_free(teachers[0]);
    tn_model_free(teachers[1]);
    return 0;
}

static tn_train_options toy_options(void)
{
    tn_train_options o = TN_TRAIN_OPTIONS_INIT;
    o.epochs = 30;
    o.batch = 32;
    o.shard = 8;
    o.learning_rate = 0.1;
    o.weight_decay = 0;
    o.threads = 1;
    return o;
}

static tn_teachers faculty(size_t count)
{
    tn_teachers t = TN_TEACHERS_INIT;
    t.models = (const tn_model *const *)teachers;
    t.count = count;
    return t;
}

static double agreement(const tn_model *a, const tn_model *b)
{
    tn_compare_report report;
    assert_ok(tn_compare(&report, a, b, data, NULL, err));
    return report.agreement;
}

static void a_student_learns_its_teacher_without_labels(void **state)
{
    (void)state;
    tn_train_options o = toy_options();
    tn_teachers t = faculty(1);
    tn_model *model = NULL;
    o.epochs = 80;
    t.weight = 1;
    double before = agreement(student, teachers[0]);
    assert_ok(tn_distill(&model, NULL, student, &t, data, &o, NULL, err));
    double after = agreement(model, teachers[0]);
    assert_true(after > before + 0.2);
    assert_true(after > 0.85);
    tn_model_free(model);
}

static void teachers_are_averaged_after_the_softmax(void **state)
{
    (void)state;
    tn__teaching teaching = {0};
    tn__workers *workers = NULL;
    tn_teachers t = faculty(2);
    float images[32 * 16];
    tn__rng rng;
    tn__rng_seed(&rng, 1, 0);
    for (size_t k = 0; k < TN__COUNT(images); k++)
        images[k] = (float)tn__rng_normal(&rng);
    assert_ok(tn__workers_create(&workers, 1, err));
    tn__engine_options options = {.workers = workers, .shard = 8, .training = true};
    assert_ok(tn__teaching_open(&teaching, &t, &options, K, 32, data, err));
    assert_ok(tn__teaching_teach(&teaching, images, 0, 8, err));
    assert_ok(tn__teaching_teach(&teaching, images, 8, 24, err));
    for (size_t i = 0; i < 32; i++) {
        double expected[K] = {0}, logits[2][K], sum = 0;
        for (size_t m = 0; m < 2; m++) {
            float out[32 * K];
            assert_ok(tn__engine_infer(teaching.engines[m], out, images, 32, err));
            sum = 0;
            for (size_t k = 0; k < K; k++) {
                logits[m][k] = exp((double)out[i * K + k] / t.temperature);
                sum += logits[m][k];
            }
            for (size_t k = 0; k < K; k++)
                expected[k] += logits[m][k] / sum / 2;
        }
        for (size_t k = 0; k < K; k++)
            assert_near((double)teaching.taught[i * K + k], expected[k], 1e-6);
    }
    tn__teaching_release(&teaching);
    tn__workers_free(workers);
}

static void a_weight_of_nothing_is_training(void **state)
{
    (void)state;
    tn_train_options o = toy_options();
    tn_teachers t = faculty(2);
    tn_train_report plain, distilled;
    tn_model *a = NULL, *b = NULL;
    o.epochs = 2;
    t.weight = 0;
    assert_ok(tn_train(&a, &plain, student, data, &o, NULL, err));
    assert_ok(tn_distill(&b, &distilled, student, &t, data, &o, NULL, err));
    assert_true(plain.loss == distilled.loss);
    assert_near(agreement(a, b), 1, 0);
    tn_model_free(a);
    tn_model_free(b);
}

static void bad_teachers_are_refused(void **state)
{
    (void)state;
    tn_train_options o = toy_options();
    tn_model *other = hidden_model(shape, HIDDEN, K + 1, 1), *model = NULL;
    tn_teachers t = faculty(0);
    assert_fails(tn_distill(&model, NULL, student, &t, data, &o, NULL, err),
                 TN_ERROR_ARGUMENT, "there is no teacher");
    t = faculty(1);
    t.temperature = 0;
    assert_fails(tn_distill(&model, NULL, student, &t, data, &o, NULL, err),
                 TN_ERROR_ARGUMENT,
                 "temperature = 0, expected a finite number above 0");
    t = faculty(1);
    t.weight = 1.5;
    assert_fails(tn_distill(&model, NULL, student, &t, data, &o, NULL, err),
                 TN_ERROR_ARGUMENT, "weight = 1.5, expected a number in [0, 1]");
    t = faculty(1);
    t.models = (const tn_model *const *)&other;
    assert_fails(tn_distill(&model, NULL, student, &t, data, &o, NULL, err),
                 TN_ERROR_MISMATCH,
                 "the teacher 'hidden' has 4 outputs, the student 3");
    assert_null(model);
    tn_model_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_student_learns_its_teacher_without_labels),
        cmocka_unit_test(teachers_are_averaged_after_the_softmax),
        cmocka_unit_test(a_weight_of_nothing_is_training),
        cmocka_unit_test(bad_teachers_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
