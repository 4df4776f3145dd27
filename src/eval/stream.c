/* stream.c - models over a data set, a stretch of images at a time. */
#include "eval/stream.h"

#include <math.h>

#define STRETCH_BYTES ((size_t)32 << 20) /* of float images, about */
enum { STRETCH_SHARDS_MIN = 4, STRETCH_SHARDS_MAX = 64 };

tn_status tn__runners_create(tn__runners *out, const tn_model *const *models,
                             size_t count, int64_t shard,
                             const tn_eval_options *options, tn_error *err)
{
    static const tn_eval_options usual = TN_EVAL_OPTIONS_INIT;
    const tn_eval_options *o = options ? options : &usual;
    tn__runners r = {.engines = tn__alloc(count, sizeof *r.engines)};
    tn_status status = TN_OK;
    if (!r.engines)
        return tn__fail_memory(err, count * sizeof *r.engines);
    if ((status = tn__workers_create(&r.workers, o->threads, err)) != TN_OK)
        goto done;
    tn__engine_options engine = {
        .workers = r.workers, .shard = shard, .precision = o->precision};
    while (r.count < count && !status) {
        status = tn__engine_create(&r.engines[r.count], models[r.count], &engine, err);
        if (!status)
            r.count++;
    }
done:
    if (status)
        tn__runners_release(&r);
    else
        *out = r;
    return status;
}

void tn__runners_release(tn__runners *r)
{
    for (size_t k = 0; k < r->count; k++)
        tn__engine_free(r->engines[k]);
    tn__free(r->engines);
    tn__workers_free(r->workers);
    *r = (tn__runners){0};
}

/* Memory of one stretch. */
typedef struct window {
    size_t images;   /* at most */
    float *inputs;   /* [images, input] */
    int32_t *labels; /* [images] */
    float **logits;  /* [engines]: [images, K] */
    double *seconds; /* [engines] */
} window;

static void window_release(window *w, size_t engines)
{
    for (size_t k = 0; w->logits && k < engines; k++)
        tn__free(w->logits[k]);
    tn__free(w->inputs);
    tn__free(w->labels);
    tn__free(w->logits);
    tn__free(w->seconds);
}

static tn_status window_create(window *out, const tn__stream *s, size_t total,
                               tn_error *err)
{
    size_t shard = tn__engine_shard(s->engines[0]);
    size_t input = tn__engine_input_count(s->engines[0]), bytes = 0;
    size_t shards = STRETCH_BYTES / sizeof(float) / input / shard;
    shards = TN__MIN(TN__MAX(shards, STRETCH_SHARDS_MIN), STRETCH_SHARDS_MAX);
    window w = {.images = TN__MIN(shards * shard, total)};
    if (!tn__mul(&bytes, w.images * sizeof(float), input))
        return tn__fail_memory(err, SIZE_MAX);
    w.inputs = tn__alloc_aligned(bytes);
    w.labels = tn__alloc(w.images, sizeof *w.labels);
    w.logits = tn__alloc(s->count, sizeof *w.logits);
    w.seconds = tn__alloc(s->count, sizeof *w.seconds);
    bool all = w.inputs && w.labels && w.logits && w.seconds;
    for (size_t k = 0; k < s->count && all; k++) {
        size_t outputs = tn__engine_output_count(s->engines[k]);
        w.logits[k] = tn__alloc(w.images, outputs * sizeof **w.logits);
        all = w.logits[k] != NULL;
    }
    if (!all) {
        window_release(&w, s->count);
        return tn__fail_memory(err, bytes);
    }
    *out = w;
    return TN_OK;
}

static tn_status run_stretch(window *w, const tn__stream *s, size_t first, size_t n,
                             tn_error *err)
{
    const uint32_t *index = s->index ? s->index + first : NULL;
    tn_status status =
        tn_dataset_read(w->inputs, w->labels, s->data, index, first, n, err);
    for (size_t k = 0; k < s->count && !status; k++) {
        double start = tn__seconds();
        status = tn__engine_infer(s->engines[k], w->logits[k], w->inputs, n, err);
        w->seconds[k] = tn__seconds() - start;
    }
    return status;
}

tn_status tn__stream_run(const tn__stream *s, tn__stretch_visit *visit, void *user,
                         tn_error *err)
{
    size_t total = s->index ? s->index_count : tn_dataset_count(s->data);
    size_t begin, count;
    window w = {0};
    double start = tn__seconds();
    tn__cluster_share(&begin, &count, s->cluster, tn__cluster_rank(s->cluster), total);
    if (count == 0)
        return TN_OK;
    tn_status status = window_create(&w, s, count, err);
    if (status)
        return status;
    for (size_t first = begin; first < begin + count && !status;) {
        size_t n = TN__MIN(w.images, begin + count - first);
        tn__stretch stretch = {first, n, w.labels, (const float *const *)w.logits,
                               w.seconds};
        if ((status = run_stretch(&w, s, first, n, err)) != TN_OK ||
            (status = visit(user, &stretch, err)) != TN_OK)
            break;
        first += n;
        tn_progress progress = {.stage = s->stage,
                                .done = (double)(first - begin),
                                .total = (double)count,
                                .unit = "images",
                                .loss = (double)NAN,
                                .accuracy = (double)NAN,
                                .seconds = tn__seconds() - start};
        status = tn__report(s->observer, &progress, err);
    }
    window_release(&w, s->count);
    return status;
}
