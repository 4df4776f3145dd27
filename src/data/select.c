/* select.c - which images of a source a spec leaves: classes, a part, skip and limit.
 *
 * A part is drawn class by class: the images of a class are shuffled and cut in the
 * proportions of the parts, which are the same for all classes or, with dirichlet=A,
 * drawn anew for each from a Dirichlet distribution (Yurochkin et al., "Bayesian
 * nonparametric federated learning of neural networks", ICML 2019, section 4); the
 * classes of special= go to the first part alone (Singh and Jaggi, NeurIPS 2020,
 * section 5.1). Each class has its own stream of random numbers, so that a part does
 * not depend on the other classes chosen.
 */
#include <math.h>

#include "base/rng.h"
#include "data/dataset.h"

bool tn__class_set_has(const tn__class_set *set, uint32_t label)
{
    for (size_t k = 0; k < set->count; k++) {
        if (set->range[k][0] <= label && label <= set->range[k][1])
            return true;
    }
    return false;
}

static tn_status check_classes(const tn__class_set *set, const char *key,
                               const tn__source *source, const char *path,
                               tn_error *err)
{
    for (size_t k = 0; k < set->count; k++) {
        if (set->range[k][1] >= source->classes)
            return tn__fail(err, TN_ERROR_MISMATCH,
                            "class %u of %s= is not in '%s', whose classes are 0 to "
                            "%zu",
                            set->range[k][1], key, path, source->classes - 1);
    }
    return TN_OK;
}

/* log of a value of Gamma(a, 1). Marsaglia and Tsang, "A simple method for generating
 * gamma variables", 2000; below a = 1 by Gamma(a) = Gamma(a + 1) U^(1 / a). Logarithms
 * because of small a, where values underflow. */
static double log_gamma_variate(tn__rng *rng, double a)
{
    double boost = a < 1 ? log(1 - tn__rng_uniform(rng)) / a : 0;
    double d = (a < 1 ? a + 1 : a) - 1.0 / 3, c = 1 / sqrt(9 * d);
    while (true) {
        double x = tn__rng_normal(rng), v = 1 + c * x;
        if (v <= 0)
            continue;
        v = v * v * v;
        if (log(1 - tn__rng_uniform(rng)) < 0.5 * x * x + d - d * v + d * log(v))
            return log(d * v) + boost;
    }
}

/* upto[0..parts]: the share of a class that the first k parts have, from 0 to 1.
 * Dirichlet(A N s_1, ..., A N s_N) has the mean s, and every parameter A where the
 * sizes s of the N parts are equal. */
static void draw_shares(double *upto, tn__rng *rng, const tn__data_spec *spec,
                        bool special)
{
    size_t parts = spec->parts;
    double total = 0, highest = -HUGE_VAL, sum = 0;
    for (size_t k = 0; k < parts; k++)
        total += spec->share_count ? spec->shares[k] : 1;
    for (size_t k = 0; k < parts; k++) {
        double share = (spec->share_count ? spec->shares[k] : 1) / total;
        upto[k + 1] = share;
        if (spec->dirichlet > 0)
            upto[k + 1] =
                log_gamma_variate(rng, spec->dirichlet * (double)parts * share);
        highest = TN__MAX(highest, upto[k + 1]);
    }
    for (size_t k = 0; k < parts; k++) {
        if (spec->dirichlet > 0)
            upto[k + 1] = exp(upto[k + 1] - highest);
        if (special)
            upto[k + 1] = k == 0;
        sum += upto[k + 1];
    }
    upto[0] = 0;
    for (size_t k = 1; k < parts; k++)
        upto[k] = TN__MIN(1, upto[k - 1] + upto[k] / sum);
    upto[parts] = 1;
}

/* Clears kept[] of the images of one class, members[0..n), that are not of the part.
 * The cuts are rounded by a random offset, the same for all, so that a class of a few
 * images goes to each part as often as its share says. */
static void cut_class(bool *kept, uint32_t *order, double *upto,
                      const uint32_t *members, size_t n, uint32_t label,
                      const tn__data_spec *spec)
{
    tn__rng rng;
    tn__rng_seed(&rng, spec->seed, 1 + (uint64_t)label);
    draw_shares(upto, &rng, spec, tn__class_set_has(&spec->special, label));
    double offset = tn__rng_uniform(&rng);
    size_t first = (size_t)((double)n * upto[spec->part - 1] + offset);
    size_t end = (size_t)((double)n * upto[spec->part] + offset);
    tn__rng_permutation(&rng, order, n);
    for (size_t i = 0; i < n; i++) {
        if (i < first || i >= end)
            kept[members[order[i]]] = false;
    }
}

/* Clears kept[] of the images that are not of the spec's part. */
static tn_status keep_part(bool *kept, const tn__data_spec *spec,
                           const tn__source *source, tn_error *err)
{
    size_t n = source->count, classes = source->classes;
    size_t *start = tn__alloc(classes + 2, sizeof *start);
    uint32_t *members = tn__alloc(n, sizeof *members);
    uint32_t *order = tn__alloc(n, sizeof *order);
    double *upto = tn__alloc(spec->parts + 1, sizeof *upto);
    tn_status status = TN_OK;
    if (!start || !members || !order || !upto) {
        status = tn__fail_memory(err, n * sizeof *members);
        goto done;
    }
    /* counting sort by class; start[c + 1] ends as where class c begins */
    for (size_t i = 0; i < n; i++)
        start[source->labels[i] + 2]++;
    for (size_t c = 0; c < classes; c++)
        start[c + 2] += start[c + 1];
    for (size_t i = 0; i < n; i++)
        members[start[source->labels[i] + 1]++] = (uint32_t)i;
    for (size_t c = 0; c < classes; c++)
        cut_class(kept, order, upto, members + start[c], start[c + 1] - start[c],
                  (uint32_t)c, spec);
done:
    tn__free(start);
    tn__free(members);
    tn__free(order);
    tn__free(upto);
    return status;
}

/* Fills kept[], the images of the classes and the part that are asked for. */
static tn_status keep_some(bool *kept, const tn__data_spec *spec,
                           const tn__source *source, tn_error *err)
{
    tn_status status = check_classes(&spec->only, "only", source, spec->path, err);
    if (!status)
        status = check_classes(&spec->special, "special", source, spec->path, err);
    if (status)
        return status;
    for (size_t i = 0; i < source->count; i++)
        kept[i] = !spec->only.count ||
                  tn__class_set_has(&spec->only, (uint32_t)source->labels[i]);
    return spec->part ? keep_part(kept, spec, source, err) : TN_OK;
}

/* Thins out index[0..*count) to what is kept, skip and limit; the same order. */
static tn_status thin_out(uint32_t *index, size_t *count, const bool *kept,
                          const tn__data_spec *spec, tn_error *err)
{
    size_t there = 0, chosen = 0;
    for (size_t i = 0; i < *count; i++) {
        if (!kept[index[i]])
            continue;
        there++;
        if (there > spec->skip && (!spec->limit || chosen < spec->limit))
            index[chosen++] = index[i];
    }
    bool some = spec->only.count || spec->part;
    if (!chosen && spec->skip)
        return tn__fail(err, TN_ERROR_FORMAT,
                        "no images in '%s' after skip=%zu, it has %zu%s", spec->path,
                        spec->skip, there, some ? " of what only= and part= ask" : "");
    if (!chosen)
        return tn__fail(err, TN_ERROR_FORMAT, "no images in '%s'%s", spec->path,
                        some ? " of what only= and part= ask" : "");
    *count = chosen;
    return TN_OK;
}

tn_status tn__data_select(uint32_t **out, size_t *count, const tn__data_spec *spec,
                          const tn__source *source, tn_error *err)
{
    size_t n = source->count;
    tn__rng rng;
    if (!n)
        return tn__fail(err, TN_ERROR_FORMAT, "no images in '%s'", spec->path);
    if (n > UINT32_MAX)
        return tn__fail(err, TN_ERROR_UNSUPPORTED, "%zu images in '%s' are too many", n,
                        spec->path);
    uint32_t *index = tn__alloc(n, sizeof *index);
    bool *kept = tn__alloc(n, sizeof *kept);
    tn_status status = TN_OK;
    if (!index || !kept) {
        status = tn__fail_memory(err, n * sizeof *index);
        goto done;
    }
    if ((status = keep_some(kept, spec, source, err)) != TN_OK)
        goto done;
    tn__rng_seed(&rng, spec->seed, 0);
    if (source->sorted && (spec->skip || spec->limit))
        tn__rng_permutation(&rng, index, n);
    else
        for (size_t i = 0; i < n; i++)
            index[i] = (uint32_t)i;
    if ((status = thin_out(index, &n, kept, spec, err)) != TN_OK)
        goto done;
    *count = n;
    *out = index;
    index = NULL;
done:
    tn__free(index);
    tn__free(kept);
    return status;
}
