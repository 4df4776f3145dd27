/* compare.c - tn_compare(): how far the outputs of two models are apart. */
#include <math.h>

#include "eval/fit.h"
#include "eval/metrics.h"
#include "eval/stream.h"

typedef struct comparison {
    size_t outputs, images, agreeing;
    double difference, largest;
} comparison;

/* The larger, and NaN where either is: a difference that is none must not be lost. */
static double larger(double a, double b)
{
    return isnan(a) || a > b ? a : b;
}

static tn_status visit(void *user, const tn__stretch *stretch, tn_error *err)
{
    comparison *c = user;
    (void)err;
    for (size_t i = 0; i < stretch->images; i++) {
        const float *a = stretch->logits[0] + i * c->outputs;
        const float *b = stretch->logits[1] + i * c->outputs;
        for (size_t k = 0; k < c->outputs; k++) {
            double difference = fabs((double)a[k] - (double)b[k]);
            c->difference = larger(c->difference, difference);
            c->largest = larger(c->largest, fabs((double)a[k]));
        }
        c->agreeing += tn__largest_f32(a, c->outputs) == tn__largest_f32(b, c->outputs);
    }
    c->images += stretch->images;
    return TN_OK;
}

tn_status tn_compare(tn_compare_report *out, const tn_model *a, const tn_model *b,
                     const tn_dataset *data, const tn_eval_options *options,
                     tn_error *err)
{
    const tn_model *models[] = {a, b};
    tn__runners runners = {0};
    tn_status status = tn__runners_create(&runners, models, 2, 0, options, err);
    if (status)
        return status;
    comparison c = {.outputs = tn__engine_output_count(runners.engines[0])};
    size_t others = tn__engine_output_count(runners.engines[1]);
    if ((status = tn__check_fit(runners.engines[0], a, data, err)) != TN_OK ||
        (status = tn__check_fit(runners.engines[1], b, data, err)) != TN_OK)
        goto done;
    if (others != c.outputs) {
        status = tn__fail(err, TN_ERROR_MISMATCH, "'%s' has %zu outputs, '%s' has %zu",
                          tn__model_title(a), c.outputs, tn__model_title(b), others);
        goto done;
    }
    tn__stream stream = {.engines = runners.engines, .count = 2, .data = data};
    if ((status = tn__stream_run(&stream, visit, &c, err)) != TN_OK)
        goto done;
    *out = (tn_compare_report){.images = c.images,
                               .largest_difference = c.difference,
                               .largest_output = c.largest,
                               .agreement = (double)c.agreeing / (double)c.images};
done:
    tn__runners_release(&runners);
    return status;
}
