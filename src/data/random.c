/* random.c - standard normal images with uniform labels, for tests and timing.
 *
 * Image i and its label are drawn from stream i of the seed, so skip and limit choose
 * among the same images.
 */
#include <stdio.h>

#include "base/rng.h"
#include "data/dataset.h"

enum { DEFAULT_COUNT = 1000, DEFAULT_CLASSES = 10 };

tn_status tn__random_read(tn_dataset *data, const tn__data_spec *spec,
                          const char *wanted, tn_error *err)
{
    (void)wanted;
    size_t channels = 0, height = 0, width = 0, area = 0, total = 0;
    int used = 0;
    bool shaped = sscanf(spec->path, "%5zux%5zux%5zu%n", &channels, &height, &width,
                         &used) == 3 &&
                  !spec->path[used] && channels && height && width;
    if (!shaped || channels > TN__IMAGE_SIDE_MAX || height > TN__IMAGE_SIDE_MAX ||
        width > TN__IMAGE_SIDE_MAX)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "'random:%s': expected CxHxW, each from 1 to %d", spec->path,
                        TN__IMAGE_SIDE_MAX);
    if (spec->split || spec->size || spec->only.count || spec->part)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "'random:%s' has no splits, no classes to choose, no parts and "
                        "no other size",
                        spec->path);
    size_t count = spec->limit ? spec->limit : DEFAULT_COUNT;
    area = channels * height * width;
    if (!tn__mul(&total, area, count))
        return tn__fail_memory(err, SIZE_MAX);
    data->floats = tn__alloc(total, sizeof *data->floats);
    data->labels = tn__alloc(count, sizeof *data->labels);
    if (!data->floats || !data->labels)
        return tn__fail_memory(err, total);
    data->count = count;
    data->channels = channels;
    data->height = height;
    data->width = width;
    data->classes = spec->classes ? spec->classes : DEFAULT_CLASSES;
    for (size_t i = 0; i < count; i++) {
        tn__rng rng;
        tn__rng_seed(&rng, spec->seed, spec->skip + i);
        data->labels[i] = (int32_t)tn__rng_below(&rng, data->classes);
        for (size_t k = 0; k < area; k++)
            data->floats[i * area + k] = (float)tn__rng_normal(&rng);
    }
    return TN_OK;
}
