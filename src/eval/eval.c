/* eval.c - tn_eval(): models, one by one and together, on a data set. */
#include <math.h>
#include <string.h>

#include "eval/fit.h"
#include "eval/metrics.h"
#include "eval/stream.h"

/* What the visitor adds to. */
typedef struct evaluation {
    const tn_model *const *models;
    size_t count, classes; /* classes: outputs of every model */
    tn__metrics *metrics;  /* [count + 1]: the last is the ensemble's */
    double *seconds;       /* [count] */
    double *log_p;         /* [count + 1, classes]: of one image */
} evaluation;

/* log of the mean of the models' probabilities:
 * log sum_m exp(log p_m - top) + top - log(models) */
static void mix(double *out, const double *log_p, size_t models, size_t classes)
{
    for (size_t k = 0; k < classes; k++) {
        double top = log_p[k], sum = 0;
        for (size_t m = 1; m < models; m++)
            top = fmax(top, log_p[m * classes + k]);
        for (size_t m = 0; m < models; m++)
            sum += exp(log_p[m * classes + k] - top);
        out[k] = top + log(sum / (double)models);
    }
}

static tn_status visit(void *user, const tn__stretch *stretch, tn_error *err)
{
    evaluation *e = user;
    double *mixed = e->log_p + e->count * e->classes;
    for (size_t i = 0; i < stretch->images; i++) {
        for (size_t m = 0; m < e->count; m++) {
            const float *logits = stretch->logits[m] + i * e->classes;
            double *log_p = e->log_p + m * e->classes;
            if (!tn__all_finite(logits, e->classes))
                return tn__fail(err, TN_ERROR_NUMERIC,
                                "an output of '%s' on image %zu is not finite",
                                tn__model_title(e->models[m]), stretch->first + i);
            tn__log_softmax(log_p, logits, e->classes);
            tn__metrics_add(&e->metrics[m], log_p, e->classes, stretch->labels[i]);
        }
        mix(mixed, e->log_p, e->count, e->classes);
        tn__metrics_add(&e->metrics[e->count], mixed, e->classes, stretch->labels[i]);
    }
    for (size_t m = 0; m < e->count; m++)
        e->seconds[m] += stretch->seconds[m];
    return TN_OK;
}

static tn_status check_models(const tn__runners *r, const tn_model *const *models,
                              const tn_dataset *data, tn_error *err)
{
    size_t outputs = tn__engine_output_count(r->engines[0]);
    for (size_t m = 0; m < r->count; m++) {
        tn_status status = tn__check_fit(r->engines[m], models[m], data, err);
        if (status)
            return status;
        if (tn__engine_output_count(r->engines[m]) != outputs)
            return tn__fail(
                err, TN_ERROR_MISMATCH, "'%s' has %zu outputs, '%s' has %zu",
                tn__model_title(models[0]), outputs, tn__model_title(models[m]),
                tn__engine_output_count(r->engines[m]));
    }
    return TN_OK;
}

static void write_reports(tn_eval_report *out, tn_eval_report *ensemble,
                          const evaluation *e)
{
    double seconds = 0;
    for (size_t m = 0; m < e->count; m++) {
        tn__metrics_report(&out[m], &e->metrics[m]);
        out[m].seconds = e->seconds[m];
        seconds += e->seconds[m];
    }
    if (ensemble) {
        tn__metrics_report(ensemble, &e->metrics[e->count]);
        ensemble->seconds = seconds;
    }
}

/* Makes the sums of this process those of all; each comes here, whatever it came to. */
static tn_status share(evaluation *e, const tn_cluster *cluster, tn_status status,
                       tn_error *err)
{
    enum { NUMBERS = 3 + 2 * TN__CALIBRATION_BINS };
    status = tn_cluster_agree(cluster, status, err);
    for (size_t m = 0; m <= e->count && !status && cluster; m++) {
        tn__metrics *metrics = &e->metrics[m];
        double numbers[NUMBERS] = {(double)metrics->images, (double)metrics->correct,
                                   metrics->loss};
        size_t bins = sizeof metrics->hits;
        memcpy(numbers + 3, metrics->confidence, bins);
        memcpy(numbers + 3 + TN__CALIBRATION_BINS, metrics->hits, bins);
        status = tn__cluster_sum(cluster, numbers, NUMBERS, err);
        metrics->images = (size_t)numbers[0];
        metrics->correct = (size_t)numbers[1];
        metrics->loss = numbers[2];
        memcpy(metrics->confidence, numbers + 3, bins);
        memcpy(metrics->hits, numbers + 3 + TN__CALIBRATION_BINS, bins);
    }
    return status;
}

static tn_status evaluate(evaluation *e, tn__runners *runners, const tn__stream *stream,
                          tn_error *err)
{
    tn_status status = check_models(runners, e->models, stream->data, err);
    if (status)
        return status;
    e->classes = tn__engine_output_count(runners->engines[0]);
    e->metrics = tn__alloc(e->count + 1, sizeof *e->metrics);
    e->seconds = tn__alloc(e->count, sizeof *e->seconds);
    e->log_p = tn__alloc(e->count + 1, e->classes * sizeof *e->log_p);
    if (!e->metrics || !e->seconds || !e->log_p)
        return tn__fail_memory(err, (e->count + 1) * e->classes * sizeof *e->log_p);
    return tn__stream_run(stream, visit, e, err);
}

tn_status tn_eval(tn_eval_report *out, tn_eval_report *ensemble,
                  const tn_model *const *models, size_t count, const tn_dataset *data,
                  const tn_eval_options *options, const tn_observer *observer,
                  tn_error *err)
{
    const tn_cluster *cluster = options ? options->cluster : NULL;
    tn__runners runners = {0};
    evaluation e = {.models = models, .count = count};
    if (count == 0)
        return tn__fail(err, TN_ERROR_ARGUMENT, "no model to evaluate");
    tn_status status = tn__runners_create(&runners, models, count, 0, options, err);
    if (!status) {
        tn__stream stream = {.engines = runners.engines,
                             .count = count,
                             .data = data,
                             .cluster = cluster,
                             .stage = "evaluating",
                             .observer = observer};
        status = evaluate(&e, &runners, &stream, err);
    }
    status = share(&e, cluster, status, err);
    if (!status)
        write_reports(out, ensemble, &e);
    tn__free(e.metrics);
    tn__free(e.seconds);
    tn__free(e.log_p);
    tn__runners_release(&runners);
    return status;
}
