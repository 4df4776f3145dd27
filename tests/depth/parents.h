/* parents.h - two networks of different depth with images, for the tests of levelling
 * and of fusion across depth.
 *
 *     parents p = parents_make("resnet20x0.5", "resnet8x0.5");
 *     ...
 *     parents_release(&p);
 */
#ifndef TN_TESTS_DEPTH_PARENTS_H
#define TN_TESTS_DEPTH_PARENTS_H

#include "fuse/nets.h"
#include "tenon/depth.h"

#define COLOUR "random:3x32x32,limit=32"
#define GREY "random:1x28x28,limit=32"
#define PROBE_IMAGES 32
#define TEST_IMAGES 8

typedef struct parents {
    const char *name;    /* of the shallow one */
    tn_model *models[2]; /* deep, shallow */
    tn_dataset *data;    /* PROBE_IMAGES */
    float *images;       /* TEST_IMAGES others */
} parents;

static inline parents parents_make(const char *deep, const char *shallow)
{
    bool grey = strncmp(deep, "mlp", 3) == 0;
    return (parents){.name = shallow,
                     .models = {make_net(deep, 1), make_net(shallow, 2)},
                     .data = open_data(grey ? GREY : COLOUR),
                     .images =
                         random_images(TEST_IMAGES, grey ? 28 * 28 : 3 * 32 * 32, 4)};
}

static inline void parents_release(parents *p)
{
    for (size_t k = 0; k < 2; k++)
        tn_model_free(p->models[k]);
    tn_dataset_free(p->data);
    free(p->images);
}

/* Levels {deep, shallow}, data or NULL; *levelled is the one that was changed. */
static inline tn_alignment level(tn_model **levelled, const tn_model *deep,
                                 const tn_model *shallow, const tn_dataset *data,
                                 const tn_depth_options *options)
{
    const tn_model *models[2] = {deep, shallow};
    tn_model *out[2] = {NULL, NULL};
    tn_alignment alignment = {0};
    tn_level_request request = {models, 2, data, PROBE_IMAGES, 1, 1};
    bool fold = options && options->depth == TN_DEPTH_SHALLOW;
    assert_ok(tn_level(out, &alignment, &request, options, err));
    assert_int_equal(alignment.model, 1);
    assert_int_equal(alignment.onto, 0);
    *levelled = out[fold ? 0 : 1];
    tn_model_free(out[fold ? 1 : 0]);
    return alignment;
}

#endif
