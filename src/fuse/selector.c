/* selector.c - see selector.h. */
#include "fuse/selector.h"

#include <math.h>

#include "engine/engine.h"
#include "eval/fit.h"
#include "eval/metrics.h"

/* selector->logits [n, classes] of the model, which sets `classes` where it is 0. */
static tn_status ask(tn__selector *s, const tn_model *model, const tn_dataset *data,
                     tn_error *err)
{
    tn__engine *engine = NULL;
    tn__engine_options options = {.workers = s->workers};
    tn_status status = tn__engine_create(&engine, model, &options, err);
    if (status == TN_OK && data)
        status = tn__check_fit(engine, model, data, err);
    size_t classes = status == TN_OK ? tn__engine_output_count(engine) : 0;
    if (status == TN_OK && s->classes == 0) {
        s->classes = classes;
        s->teacher = tn__alloc(s->n, classes * sizeof *s->teacher);
        s->logits = tn__alloc(s->n, classes * sizeof *s->logits);
        if (!s->teacher || !s->logits)
            status = tn__fail_memory(err, s->n * classes * sizeof *s->teacher);
    } else if (status == TN_OK && classes != s->classes) {
        status = tn__fail(err, TN_ERROR_MISMATCH, "'%s' has %zu outputs, wanted %zu",
                          tn__model_title(model), classes, s->classes);
    }
    if (status == TN_OK)
        status = tn__engine_infer(engine, s->logits, s->images, s->n, err);
    tn__engine_free(engine);
    return status;
}

static tn_status read_images(tn__selector *s, const tn_dataset *data,
                             const uint32_t *index, tn_error *err)
{
    int64_t shape[3];
    tn_dataset_shape(shape, data);
    size_t pixels = (size_t)(shape[0] * shape[1] * shape[2]);
    s->images = tn__alloc(s->n, pixels * sizeof *s->images);
    s->top = tn__alloc(s->n, sizeof *s->top);
    if (!s->images || !s->top)
        return tn__fail_memory(err, s->n * pixels * sizeof *s->images);
    return tn_dataset_read(s->images, NULL, data, index, 0, s->n, err);
}

static tn_status add_teacher(tn__selector *s, double weight, tn_error *err)
{
    size_t k = s->classes;
    double *log_p = tn__alloc(k, sizeof *log_p);
    if (!log_p)
        return tn__fail_memory(err, k * sizeof *log_p);
    for (size_t i = 0; i < s->n; i++) {
        tn__log_softmax(log_p, s->logits + i * k, k);
        for (size_t c = 0; c < k; c++)
            s->teacher[i * k + c] += weight * exp(log_p[c]);
    }
    tn__free(log_p);
    return TN_OK;
}

static uint32_t largest(const double *x, size_t n)
{
    size_t best = 0;
    for (size_t c = 1; c < n; c++)
        if (x[c] > x[best])
            best = c;
    return (uint32_t)best;
}

tn_status tn__selector_create(tn__selector *out, const tn_model *const *models,
                              const double *weights, size_t count,
                              const tn_dataset *data, const uint32_t *index, size_t n,
                              size_t threads, tn_error *err)
{
    tn__selector made = {.n = n};
    tn_status status = tn__workers_create(&made.workers, threads, err);
    if (status == TN_OK)
        status = read_images(&made, data, index, err);
    for (size_t k = 0; k < count && status == TN_OK; k++) {
        status = ask(&made, models[k], data, err);
        if (status == TN_OK)
            status = add_teacher(&made, weights[k], err);
    }
    for (size_t i = 0; i < n && status == TN_OK; i++)
        made.top[i] = largest(made.teacher + i * made.classes, made.classes);
    if (status == TN_OK)
        *out = made;
    else
        tn__selector_release(&made);
    return status;
}

void tn__selector_release(tn__selector *s)
{
    tn__workers_free(s->workers);
    tn__free(s->images);
    tn__free(s->teacher);
    tn__free(s->top);
    tn__free(s->logits);
    *s = (tn__selector){0};
}

void tn__verdict_release(tn__verdict *verdict)
{
    tn__free(verdict->agrees);
    *verdict = (tn__verdict){0};
}

/* KL(teacher || model) of one image. */
static double divergence(const double *teacher, const double *log_p, size_t k)
{
    double sum = 0;
    for (size_t c = 0; c < k; c++)
        if (teacher[c] > 0)
            sum += teacher[c] * (log(teacher[c]) - log_p[c]);
    return sum;
}

tn_status tn__selector_judge(tn__verdict *out, tn__selector *s, const tn_model *model,
                             tn_error *err)
{
    size_t k = s->classes, agreeing = 0;
    double *log_p = tn__alloc(k, sizeof *log_p);
    tn__verdict made = {.agrees = tn__alloc(s->n, sizeof *made.agrees)};
    tn_status status = log_p && made.agrees ? ask(s, model, NULL, err)
                                            : tn__fail_memory(err, k * sizeof *log_p);
    for (size_t i = 0; i < s->n && status == TN_OK; i++) {
        const float *logits = s->logits + i * k;
        if (!tn__all_finite(logits, k)) {
            made.divergence = HUGE_VAL;
            continue;
        }
        tn__log_softmax(log_p, logits, k);
        made.agrees[i] = tn__largest_f32(logits, k) == s->top[i];
        agreeing += made.agrees[i];
        made.divergence += divergence(s->teacher + i * k, log_p, k) / (double)s->n;
    }
    made.agreement = (double)agreeing / (double)s->n;
    tn__free(log_p);
    if (status == TN_OK)
        *out = made;
    else
        tn__verdict_release(&made);
    return status;
}

bool tn__verdict_better(const tn__verdict *a, const tn__verdict *b, size_t n)
{
    double more = 0, fewer = 0;
    for (size_t i = 0; i < n; i++) {
        more += a->agrees[i] && !b->agrees[i];
        fewer += b->agrees[i] && !a->agrees[i];
    }
    if (fabs(more - fewer) > sqrt(more + fewer))
        return more > fewer;
    return a->divergence < b->divergence;
}
