/* average.c - the exponential moving average of a training's weights. */
#include "train/average.h"

#include <string.h>

tn_status tn__average_begin(tn__average *average, tn__engine *engine, size_t values,
                            double decay, tn_error *err)
{
    *average = (tn__average){.values = values, .decay = decay};
    average->numbers = tn__alloc(values, sizeof(float *));
    if (!average->numbers)
        return tn__fail_memory(err, values * sizeof(float *));
    for (size_t v = 0; v < values; v++) {
        size_t count = tn__engine_parameter_count(engine, v);
        if (!count)
            continue;
        average->numbers[v] = tn__alloc(count, sizeof(float));
        if (!average->numbers[v])
            return tn__fail_memory(err, count * sizeof(float));
        memcpy(average->numbers[v], tn__engine_parameter(engine, v),
               count * sizeof(float));
    }
    return TN_OK;
}

void tn__average_release(tn__average *average)
{
    for (size_t v = 0; average->numbers && v < average->values; v++)
        tn__free(average->numbers[v]);
    tn__free(average->numbers);
    *average = (tn__average){0};
}

void tn__average_move(tn__average *average, tn__engine *engine, size_t step)
{
    double t = (double)step, decay = TN__MIN(average->decay, t / (t + 9));
    float keep = (float)decay, take = (float)(1 - decay);
    for (size_t v = 0; v < average->values; v++) {
        float *a = average->numbers[v];
        const float *w = tn__engine_parameter(engine, v);
        size_t count = a ? tn__engine_parameter_count(engine, v) : 0;
        for (size_t i = 0; i < count; i++)
            a[i] = keep * a[i] + take * w[i];
    }
}

void tn__average_show(const tn__average *average, tn__engine *engine)
{
    for (size_t v = 0; v < average->values; v++)
        if (average->numbers[v])
            memcpy(tn__engine_parameter(engine, v), average->numbers[v],
                   tn__engine_parameter_count(engine, v) * sizeof(float));
    tn__engine_touch(engine);
}
