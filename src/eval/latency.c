/* latency.c - tn_latency(): how long one thread takes for a forward pass.
 *
 * The batch is one shard, so nothing is padded; inputs are standard normal, since zeros
 * would make some kernels faster than they are.
 */
#include <stdlib.h>

#include "base/rng.h"
#include "eval/stream.h"
#include "tenon/eval.h"

enum { LATENCY_BATCH_MAX = 1 << 20 };

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, size_t n)
{
    qsort(x, n, sizeof *x, compare_doubles);
    return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

tn_status tn_latency(double *seconds, const tn_model *model, size_t batch, size_t runs,
                     tn_error *err)
{
    tn__runners runner = {0};
    float *inputs = NULL, *outputs = NULL;
    double *took = NULL;
    size_t numbers = 0;
    tn__rng rng;
    if (batch == 0 || batch > LATENCY_BATCH_MAX || runs == 0)
        return tn__fail(
            err, TN_ERROR_ARGUMENT,
            "batch = %zu and runs = %zu, expected a batch from 1 to %d and at "
            "least one run",
            batch, runs, LATENCY_BATCH_MAX);
    const tn_eval_options alone = {.threads = 1};
    tn_status status =
        tn__runners_create(&runner, &model, 1, (int64_t)batch, &alone, err);
    if (status)
        return status;
    tn__engine *engine = runner.engines[0];
    if (tn__mul(&numbers, batch, tn__engine_input_count(engine)))
        inputs = tn__alloc(numbers, sizeof *inputs);
    outputs = tn__alloc(batch, tn__engine_output_count(engine) * sizeof *outputs);
    took = tn__alloc(runs, sizeof *took);
    if (!inputs || !outputs || !took) {
        status = tn__fail_memory(err, numbers * sizeof *inputs);
        goto done;
    }
    tn__rng_seed(&rng, 1, 0);
    for (size_t k = 0; k < numbers; k++)
        inputs[k] = (float)tn__rng_normal(&rng);
    status = tn__engine_infer(engine, outputs, inputs, batch, err);
    for (size_t r = 0; r < runs && !status; r++) {
        double start = tn__seconds();
        status = tn__engine_infer(engine, outputs, inputs, batch, err);
        took[r] = tn__seconds() - start;
    }
    if (!status)
        *seconds = median(took, runs);
done:
    tn__free(inputs);
    tn__free(outputs);
    tn__free(took);
    tn__runners_release(&runner);
    return status;
}
