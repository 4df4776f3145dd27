/* layers.c - tn_compare_layers(): CKA of values at corresponding places of two
 * networks.
 *
 * HSIC is estimated without bias on every shard of images and averaged over shards
 * before the quotient is taken (Nguyen, Raghu and Kornblith, "Do wide and deep networks
 * learn the same things?", ICLR 2021, equation 3), so that memory does not grow with
 * the data. Two networks of different structure are compared at their cut points, where
 * these are equally many.
 */
#include <math.h>
#include <string.h>

#include "similarity/cka.h"
#include "similarity/match.h"
#include "stats/stats.h"
#include "tenon/eval.h"

/* Images read and run at a time. */
#define CHUNK_IMAGES 1024
/* Fewer images than this have no unbiased estimate. */
#define IMAGES_MIN 4

typedef struct places {
    size_t *value[2]; /* [count]: in a, in b */
    size_t count;
} places;

static void places_release(places *p)
{
    tn__free(p->value[0]);
    tn__free(p->value[1]);
    *p = (places){0};
}

static tn_status places_create(places *p, size_t count, tn_error *err)
{
    *p = (places){.count = count};
    for (int k = 0; k < 2; k++)
        p->value[k] = tn__alloc(count, sizeof **p->value);
    if (p->value[0] && p->value[1])
        return TN_OK;
    places_release(p);
    return tn__fail_memory(err, count * sizeof **p->value);
}

/* Marks the values on which each group of `model` is watched. */
static tn_status mark_watched(bool *marked, const tn_model *model, tn_error *err)
{
    tn__groups *groups = NULL;
    tn__links links = {0};
    tn_status status = tn__links_create(&links, model, err);
    if (status == TN_OK)
        status = tn__groups_find(&groups, model, err);
    for (size_t g = 0; status == TN_OK && g < groups->count; g++) {
        size_t *entries = NULL, count = 0;
        const tn__group *group = &groups->list[g];
        status = tn__group_watch(&entries, &count, model, &links, group, err);
        for (size_t e = 0; e < count; e++)
            marked[group->entries[entries[e]].value] = true;
        tn__free(entries);
    }
    tn__links_release(&links);
    tn__groups_free(groups);
    return status;
}

/* Where the structure is the same: the watched values of all groups, in node order. */
static tn_status places_of_groups(places *out, const tn_model *a, const size_t *in_b,
                                  tn_error *err)
{
    size_t count = 0;
    bool *marked = tn__alloc(a->value_count, sizeof *marked);
    tn_status status = marked ? mark_watched(marked, a, err)
                              : tn__fail_memory(err, a->value_count * sizeof *marked);
    for (size_t v = 0; status == TN_OK && v < a->value_count; v++)
        count += marked[v] && in_b[v] != TN__NONE;
    if (status == TN_OK)
        status = places_create(out, count, err);
    count = 0;
    for (size_t n = 0; status == TN_OK && n < a->node_count; n++) {
        for (size_t k = 0; k < a->nodes[n].output_count; k++) {
            size_t v = a->nodes[n].outputs[k];
            if (v == TN__NONE || !marked[v] || in_b[v] == TN__NONE)
                continue;
            out->value[0][count] = v;
            out->value[1][count++] = in_b[v];
        }
    }
    tn__free(marked);
    return status;
}

/* Where it is not: the cut points in order. */
static tn_status places_of_cuts(places *out, const tn_model *a, const tn_model *b,
                                tn_error *err)
{
    places made = {0};
    size_t counts[2] = {0, 0};
    tn_status status = tn__model_cuts(&made.value[0], &counts[0], a, err);
    if (status == TN_OK)
        status = tn__model_cuts(&made.value[1], &counts[1], b, err);
    if (status == TN_OK && counts[0] != counts[1])
        status =
            tn__fail(err, TN_ERROR_MISMATCH,
                     "networks differ in structure and have %zu and %zu cut points: "
                     "their layers cannot be paired",
                     counts[0], counts[1]);
    made.count = counts[0];
    if (status == TN_OK)
        *out = made;
    else
        places_release(&made);
    return status;
}

static tn_status places_find(places *out, const tn_model *a, const tn_model *b,
                             tn_error *err)
{
    size_t *in_b = NULL;
    tn_error differ = {0};
    tn_status status = tn__match_values(&in_b, b, a, &differ);
    if (status == TN_ERROR_MISMATCH)
        return places_of_cuts(out, a, b, err);
    if (status != TN_OK)
        return tn__fail(err, status, "%s", differ.message);
    status = places_of_groups(out, a, in_b, err);
    tn__free(in_b);
    if (status == TN_ERROR_UNSUPPORTED) /* no groups without coupling rules */
        status = places_of_cuts(out, a, b, err);
    return status;
}

/* --- HSIC over shards --- */

typedef struct hsic_sums { /* times images */
    double ab, aa, bb;
} hsic_sums;

typedef struct run {
    size_t count;
    tn__engine *engines[2];
    size_t *features[2]; /* [count] of each value for one image */
    hsic_sums *partial;  /* [shards of a chunk, count] */
    hsic_sums *total;    /* [count] */
} run;

static tn_status map(void *user, const tn__shard *shard, size_t worker, tn_error *err)
{
    (void)worker;
    run *r = user;
    size_t n = shard->images;
    if (n < IMAGES_MIN)
        return TN_OK;
    double *gram = tn__alloc(n * n, 2 * sizeof *gram);
    if (!gram)
        return tn__fail_memory(err, n * n * 2 * sizeof *gram);
    double *k[2] = {gram, gram + n * n};
    tn_status status = TN_OK;
    for (size_t i = 0; i < r->count && status == TN_OK; i++) {
        for (int e = 0; e < 2 && status == TN_OK; e++)
            status =
                tn__gram_linear(k[e], shard->kept[e][i], n, r->features[e][i], err);
        double images = (double)n;
        r->partial[shard->index * r->count + i] =
            (hsic_sums){images * tn__hsic_unbiased(k[0], k[1], n),
                        images * tn__hsic_unbiased(k[0], k[0], n),
                        images * tn__hsic_unbiased(k[1], k[1], n)};
    }
    tn__free(gram);
    return status;
}

static tn_status reduce(void *user, const tn__shard *shard, size_t worker,
                        tn_error *err)
{
    (void)worker;
    (void)err;
    run *r = user;
    for (size_t i = 0; shard->images >= IMAGES_MIN && i < r->count; i++) {
        const hsic_sums *more = &r->partial[shard->index * r->count + i];
        r->total[i].ab += more->ab;
        r->total[i].aa += more->aa;
        r->total[i].bb += more->bb;
    }
    return TN_OK;
}

/* The numbers each place holds for one image, of network k. */
static tn_status count_features(run *r, int k, const tn_model *model, const places *p,
                                tn_error *err)
{
    tn__shapes shapes = {0};
    r->features[k] = tn__alloc(p->count, sizeof **r->features);
    if (!r->features[k])
        return tn__fail_memory(err, p->count * sizeof **r->features);
    tn_status status = tn__shapes_infer(&shapes, model, 1, err);
    for (size_t i = 0; i < p->count && status == TN_OK; i++) {
        if (!tn__shape_count(&r->features[k][i], &shapes.shape[p->value[k][i]]))
            status = tn__fail_memory(err, SIZE_MAX);
    }
    tn__shapes_release(&shapes);
    return status;
}

static tn_status run_create(run *r, const tn_model *const *models, const places *p,
                            tn__workers *workers, tn_error *err)
{
    tn_status status = TN_OK;
    for (int k = 0; k < 2 && status == TN_OK; k++) {
        tn__engine_options options = TN__ENGINE_OPTIONS_INIT;
        options.workers = workers;
        options.keep = p->value[k];
        options.keep_count = p->count;
        status = tn__engine_create(&r->engines[k], models[k], &options, err);
        if (status == TN_OK)
            status = count_features(r, k, models[k], p, err);
    }
    if (status != TN_OK)
        return status;
    r->count = p->count;
    size_t shards = CHUNK_IMAGES / tn__engine_shard(r->engines[0]) + 1;
    r->partial = tn__alloc(shards, p->count * sizeof *r->partial);
    r->total = tn__alloc(p->count, sizeof *r->total);
    if (!r->partial || !r->total)
        return tn__fail_memory(err, shards * p->count * sizeof *r->partial);
    return TN_OK;
}

static tn_status run_data(run *r, const tn_dataset *data, tn_error *err)
{
    int64_t dims[3];
    tn_dataset_shape(dims, data);
    size_t pixels = (size_t)(dims[0] * dims[1] * dims[2]), n = tn_dataset_count(data);
    for (int k = 0; k < 2; k++) {
        if (tn__engine_input_count(r->engines[k]) != pixels)
            return tn__fail(err, TN_ERROR_MISMATCH,
                            "images of %zu numbers do not fit a network that reads %zu",
                            pixels, tn__engine_input_count(r->engines[k]));
    }
    size_t chunk = TN__MIN(n, CHUNK_IMAGES);
    float *images = tn__alloc(chunk, pixels * sizeof *images);
    tn_status status =
        images ? TN_OK : tn__fail_memory(err, chunk * pixels * sizeof *images);
    tn__visitor visitor = {map, reduce, r};
    for (size_t first = 0; first < n && status == TN_OK; first += chunk) {
        size_t some = TN__MIN(chunk, n - first);
        status = tn_dataset_read(images, NULL, data, NULL, first, some, err);
        if (status == TN_OK)
            status = tn__engine_visit(r->engines, 2, images, some, &visitor, err);
    }
    tn__free(images);
    return status;
}

tn_status tn_compare_layers(const tn_model *a, const tn_model *b,
                            const tn_dataset *data, const tn_eval_options *options,
                            tn_similarity_callback *layer, void *user, tn_error *err)
{
    const tn_model *models[2] = {a, b};
    places p = {0};
    run r = {0};
    tn__workers *workers = NULL;
    tn_status status = places_find(&p, a, b, err);
    if (status != TN_OK)
        return status;
    status = tn__workers_create(&workers, options ? options->threads : 0, err);
    if (status == TN_OK)
        status = run_create(&r, models, &p, workers, err);
    if (status == TN_OK)
        status = run_data(&r, data, err);
    for (size_t i = 0; status == TN_OK && i < p.count; i++) {
        const hsic_sums *sums = &r.total[i];
        bool some = sums->aa > 0 && sums->bb > 0;
        tn_similarity similarity = {a->values[p.value[0][i]].name,
                                    b->values[p.value[1][i]].name,
                                    some ? sums->ab / sqrt(sums->aa * sums->bb) : 0};
        if (layer(user, &similarity))
            break;
    }
    for (int k = 0; k < 2; k++) {
        tn__engine_free(r.engines[k]);
        tn__free(r.features[k]);
    }
    tn__workers_free(workers);
    tn__free(r.partial);
    tn__free(r.total);
    places_release(&p);
    return status;
}
