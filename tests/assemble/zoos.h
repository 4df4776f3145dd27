/* zoos.h - small zoos of random networks, and what their outputs are. */
#ifndef TN_TESTS_ASSEMBLE_ZOOS_H
#define TN_TESTS_ASSEMBLE_ZOOS_H

#include "fuse/nets.h"

#include "assemble/stitch.h"

static inline tn_zoo *make_zoo(const char *const *archs, size_t count)
{
    tn_zoo *zoo = NULL;
    assert_ok(tn_zoo_create(&zoo, err));
    for (size_t i = 0; i < count; i++) {
        tn_model *model = make_net(archs[i], i + 1);
        assert_ok(tn_zoo_add(zoo, model, NULL, err));
        tn_model_free(model);
    }
    return zoo;
}

static inline size_t input_of(const tn_model *model)
{
    tn_model_info info;
    size_t count = 1;
    assert_ok(tn_model_info_get(&info, model, err));
    for (int a = 1; a < info.input_rank; a++)
        count *= (size_t)info.input[a];
    return count;
}

static inline float *outputs_on(const tn_model *model, const float *images, size_t n)
{
    tn__engine *engine = NULL;
    tn__engine_options options = TN__ENGINE_OPTIONS_INIT;
    assert_ok(tn__engine_create(&engine, model, &options, err));
    float *out = calloc(n * tn__engine_output_count(engine), sizeof *out);
    assert_ok(tn__engine_infer(engine, out, images, n, err));
    tn__engine_free(engine);
    return out;
}

static inline double largest_gap(const float *a, const float *b, size_t n)
{
    double gap = 0;
    for (size_t i = 0; i < n; i++)
        gap = fmax(gap, fabs((double)a[i] - (double)b[i]));
    return gap;
}

/* Stitches a chain on n random images. */
typedef struct stitched {
    tn_model *model;
    double residual[TN__BLOCKS_MAX];
} stitched;

static inline stitched stitch_on(const tn_zoo *zoo, const tn__block *blocks,
                                 size_t count, tn__stitching how, const float *images,
                                 size_t n)
{
    stitched out = {0};
    int32_t *labels = calloc(n, sizeof *labels);
    for (size_t i = 0; i < n; i++)
        labels[i] = (int32_t)(i % 10);
    assert_ok(tn__workers_create(&how.workers, 1, err));
    how.zoo = zoo;
    how.blocks = blocks;
    how.count = count;
    how.images = images;
    how.labels = labels;
    how.n = n;
    assert_ok(tn__stitch_chain(&out.model, out.residual, &how, err));
    tn__workers_free(how.workers);
    free(labels);
    return out;
}

#endif
