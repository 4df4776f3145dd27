/* moments.c - mean and variance of each channel, in one pass over the data.
 *
 * Every block is summed twice (mean, then squared deviations from it) and merged by
 * Chan, Golub and LeVeque's update (1979); sums of squares minus squared sums are never
 * formed. What is measured together with a second value is in pairs.c.
 */
#include "stats/stats.h"

tn_status tn__extent_of(tn__extent *out, const tn__shape *shape, tn_error *err)
{
    char text[TN__SHAPE_TEXT];
    if (shape->rank < 2)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "no channels to measure: shape is %s, wanted [N, C, ...]",
                        tn__shape_text(text, sizeof text, shape));
    *out = (tn__extent){(size_t)shape->dims[1], 1};
    for (int axis = 2; axis < shape->rank; axis++)
        out->positions *= (size_t)shape->dims[axis];
    return TN_OK;
}

tn_status tn__moments_create(tn__moments *out, size_t channels, tn_error *err)
{
    double *memory = tn__alloc(channels, 2 * sizeof *memory);
    if (!memory)
        return tn__fail_memory(err, channels * 2 * sizeof *memory);
    *out = (tn__moments){.channels = channels, .mean = memory, .m2 = memory + channels};
    return TN_OK;
}

void tn__moments_release(tn__moments *moments)
{
    if (!moments)
        return;
    tn__free(moments->mean);
    *moments = (tn__moments){0};
}

/* Adds `rows` rows of mean `mean` and squared deviations `m2` to channel c. The caller
 * raises moments->rows once all channels are in. */
static void merge_channel(tn__moments *moments, size_t c, double rows, double mean,
                          double m2)
{
    double total = moments->rows + rows;
    double delta = mean - moments->mean[c];
    moments->mean[c] += delta * rows / total;
    moments->m2[c] += m2 + delta * delta * moments->rows * rows / total;
}

void tn__moments_add(tn__moments *moments, const float *x, size_t images,
                     size_t positions)
{
    double rows = (double)images * (double)positions;
    size_t stride = moments->channels * positions;
    if (rows == 0)
        return;
    for (size_t c = 0; c < moments->channels; c++) {
        double sum = 0, m2 = 0;
        for (size_t i = 0; i < images; i++) {
            const float *row = x + i * stride + c * positions;
            for (size_t p = 0; p < positions; p++)
                sum += (double)row[p];
        }
        double mean = sum / rows;
        for (size_t i = 0; i < images; i++) {
            const float *row = x + i * stride + c * positions;
            for (size_t p = 0; p < positions; p++) {
                double d = (double)row[p] - mean;
                m2 += d * d;
            }
        }
        merge_channel(moments, c, rows, mean, m2);
    }
    moments->rows += rows;
}

void tn__moments_merge(tn__moments *moments, const tn__moments *other)
{
    if (other->rows == 0)
        return;
    for (size_t c = 0; c < moments->channels; c++)
        merge_channel(moments, c, other->rows, other->mean[c], other->m2[c]);
    moments->rows += other->rows;
}
