/* inference.c - tn_infer(): one model on inputs in memory. */
#include <string.h>

#include "eval/stream.h"
#include "tenon/eval.h"

enum { SHARD = 64 }; /* at most: fewer images are not filled up */

tn_status tn_infer(float *outputs, const tn_model *model, const float *inputs, size_t n,
                   const tn_eval_options *options, tn_error *err)
{
    tn__runners runner = {0};
    float *made = NULL;
    size_t count = 0;
    tn_status status = tn__runners_create(
        &runner, &model, 1, (int64_t)TN__MIN(TN__MAX(n, 1), SHARD), options, err);
    if (status)
        return status;
    /* the caller's memory is written only once all is well */
    if (!tn__mul(&count, n, tn__engine_output_count(runner.engines[0])) ||
        !(made = tn__alloc(count, sizeof *made))) {
        status = tn__fail_memory(err, count * sizeof *made);
        goto done;
    }
    status = n ? tn__engine_infer(runner.engines[0], made, inputs, n, err) : TN_OK;
    if (!status && count)
        memcpy(outputs, made, count * sizeof *made);
done:
    tn__free(made);
    tn__runners_release(&runner);
    return status;
}
