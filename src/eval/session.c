/* session.c - tn_session: a model compiled once and run often; tn_infer() is one run.
 *
 * A batch is cut into shards that depend on its size alone, so that outputs do not
 * depend on the number of threads: no more than SHARD_MAX images each, and about
 * SHARES of them where there are that many, for as many threads to have something to
 * do.
 */
#include <string.h>

#include "eval/stream.h"
#include "tenon/eval.h"

enum { SHARD_MAX = 64, SHARES = 4 };

struct tn_session {
    tn__runners runner;
};

static size_t shard_of(size_t batch)
{
    return TN__MIN(TN__MAX((batch + SHARES - 1) / SHARES, 1), SHARD_MAX);
}

tn_status tn_session_create(tn_session **out, const tn_model *model, size_t batch,
                            const tn_eval_options *options, tn_error *err)
{
    tn_session *session = tn__alloc(1, sizeof *session);
    if (!session)
        return tn__fail_memory(err, sizeof *session);
    tn_status status = tn__runners_create(&session->runner, &model, 1,
                                          (int64_t)shard_of(batch), options, err);
    if (status)
        tn__free(session);
    else
        *out = session;
    return status;
}

void tn_session_free(tn_session *session)
{
    if (!session)
        return;
    tn__runners_release(&session->runner);
    tn__free(session);
}

tn_status tn_session_run(tn_session *session, float *outputs, const float *inputs,
                         size_t n, tn_error *err)
{
    tn__engine *engine = session->runner.engines[0];
    float *made = NULL;
    size_t count = 0;
    if (n == 0)
        return TN_OK;
    /* the caller's memory is written only once all is well */
    if (!tn__mul(&count, n, tn__engine_output_count(engine)) ||
        !(made = tn__alloc(count, sizeof *made)))
        return tn__fail_memory(err, count * sizeof *made);
    tn_status status = tn__engine_infer(engine, made, inputs, n, err);
    if (!status)
        memcpy(outputs, made, count * sizeof *made);
    tn__free(made);
    return status;
}

tn_status tn_infer(float *outputs, const tn_model *model, const float *inputs, size_t n,
                   const tn_eval_options *options, tn_error *err)
{
    tn_session *session = NULL;
    tn_status status = tn_session_create(&session, model, n, options, err);
    if (!status)
        status = tn_session_run(session, outputs, inputs, n, err);
    tn_session_free(session);
    return status;
}
