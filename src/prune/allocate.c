/* allocate.c - in which order groups lose neurons, where not all lose the same share.
 *
 * Every group has a curve: what is lost when k of its neurons are removed. For `rank`
 * these are its scores in ascending order, divided by their mean, summed; for `error`
 * the share of the variance of its readers' answers that the best linear reconstruction
 * leaves over (recovery.c). Its lower convex hull makes the greedy choice right: the
 * next neuron goes where the slope of the hull, per cost that it saves, is least. What
 * a neuron saves is taken at half the width of its group, the others as they are.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "neurons/resize_groups.h"
#include "prune/prune.h"

typedef struct removal {
    double price; /* loss for each unit of cost saved */
    size_t group, step;
} removal;

static int compare(const void *left, const void *right)
{
    const removal *a = left, *b = right;
    if (a->price != b->price)
        return a->price < b->price ? -1 : 1;
    if (a->group != b->group)
        return a->group < b->group ? -1 : 1;
    return (a->step > b->step) - (a->step < b->step);
}

/* Writes over loss [count + 1] its lower convex hull; corner [count + 1] is scratch. */
static void make_convex(double *loss, size_t count, size_t *corner)
{
    size_t top = 0;
    for (size_t k = 0; k <= count; k++) {
        while (top >= 2) {
            size_t a = corner[top - 2], b = corner[top - 1];
            double left = (loss[b] - loss[a]) * (double)(k - a);
            if (left < (loss[k] - loss[a]) * (double)(b - a))
                break;
            top--;
        }
        corner[top++] = k;
    }
    for (size_t i = 0; i + 1 < top; i++) {
        size_t a = corner[i], b = corner[i + 1];
        double first = loss[a], slope = (loss[b] - loss[a]) / (double)(b - a);
        for (size_t k = a + 1; k < b; k++)
            loss[k] = first + slope * (double)(k - a);
    }
}

tn_status tn__prune_allocate(tn__removals *out, double *const *loss,
                             const double *saving, const tn__limits *limits,
                             size_t groups, tn_error *err)
{
    size_t total = 0, most = 0, count = 0;
    for (size_t g = 0; g < groups; g++) {
        size_t steps = limits->most[g] - limits->least[g];
        total += steps;
        most = TN__MAX(most, steps);
    }
    removal *list = tn__alloc(total, sizeof *list);
    size_t *corner = tn__alloc(most + 1, sizeof *corner);
    out->group = tn__alloc(total, sizeof *out->group);
    if (!list || !corner || !out->group) {
        tn__free(list);
        tn__free(corner);
        tn__free(out->group);
        out->group = NULL;
        return tn__fail_memory(err, total * sizeof *list);
    }
    for (size_t g = 0; g < groups; g++) {
        size_t steps = limits->most[g] - limits->least[g];
        if (steps > 0)
            make_convex(loss[g], steps, corner);
        for (size_t k = 0; k < steps; k++) {
            double lost = loss[g][k + 1] - loss[g][k];
            list[count++] = (removal){lost / TN__MAX(saving[g], 1e-30), g, k};
        }
    }
    qsort(list, count, sizeof *list, compare);
    for (size_t i = 0; i < count; i++)
        out->group[i] = list[i].group;
    out->count = count;
    tn__free(list);
    tn__free(corner);
    return TN_OK;
}

void tn__removals_release(tn__removals *removals)
{
    tn__free(removals->group);
    *removals = (tn__removals){0};
}

static int compare_scores(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

tn_status tn__prune_losses(double *loss, const double *score, size_t n, double unit,
                           tn_error *err)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(score[i]))
            return tn__fail(err, TN_ERROR_NUMERIC,
                            "the weights of neuron %zu are not finite", i);
        loss[i + 1] = score[i];
    }
    qsort(loss + 1, n, sizeof *loss, compare_scores);
    loss[0] = 0;
    for (size_t k = 1; k <= n; k++) {
        sum += loss[k];
        loss[k] = unit > 0 ? sum / unit : 0;
    }
    return TN_OK;
}

void tn__prune_levels(double *loss, const double *score, size_t n)
{
    memcpy(loss + 1, score, n * sizeof *loss);
    qsort(loss + 1, n, sizeof *loss, compare_scores);
}

static double cost_of(const tn_model_info *info, const tn_prune_options *options)
{
    return (double)(options->max_params ? info->parameters : info->macs);
}

tn_status tn__prune_savings(double *saving, const tn__sizing *how, tn_error *err)
{
    const tn_prune_options *options = how->options;
    const tn__limits *limits = how->limits;
    size_t count = how->groups->count;
    tn_model_info whole, less;
    size_t *left = tn__alloc(count, sizeof *left);
    tn_status status = left ? tn_model_info_get(&whole, how->model, err)
                            : tn__fail_memory(err, count * sizeof *left);
    for (size_t g = 0; g < count && status == TN_OK; g++) {
        saving[g] = 1;
        if (limits->least[g] == limits->most[g] ||
            (!options->max_params && !options->max_macs && options->max_latency <= 0))
            continue;
        for (size_t h = 0; h < count; h++)
            left[h] = how->groups->list[h].neurons;
        size_t neurons = left[g], fewer = TN__MAX(neurons - TN__MAX(neurons / 2, 1), 2);
        size_t siblings = tn__siblings(how->groups, g);
        for (size_t k = 0; k < siblings; k++)
            left[tn__sibling(how->groups, g, k)] = fewer;
        size_t gone = siblings * (neurons - fewer);
        status = tn__widths_cost(NULL, &less, left, how->model, how->groups, err);
        if (status == TN_OK && gone > 0)
            saving[g] =
                (cost_of(&whole, options) - cost_of(&less, options)) / (double)gone;
    }
    tn__free(left);
    return status;
}
