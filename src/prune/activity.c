/* activity.c - how much each neuron of a group does on images.
 *
 * `activation`: the root mean square of what the layers behind read of it. `chip`:
 * channel independence (Sui et al., NeurIPS 2021), by how much the nuclear norm of an
 * image's feature maps A [channels, positions] falls when the neuron's map is zero,
 * averaged over a few images. Singular values come from the smaller of A A^T and A^T A.
 */
#include <math.h>
#include <string.h>

#include "prune/prune.h"
#include "tensor/linalg.h"

#define CHIP_IMAGES 16

/* --- activation ---------------------------------------------------------------------
 */

static tn_status measure_squares(double *const *scores, const tn__readers *readers,
                                 const tn__scoring *how, tn__engine *engine,
                                 tn_error *err)
{
    tn__moments *found = tn__alloc(readers->count, sizeof *found);
    if (!found)
        return tn__fail_memory(err, readers->count * sizeof *found);
    for (size_t i = 0; i < readers->count; i++)
        found[i].extent = readers->list[i].extent;
    tn_status status =
        tn__stats_moments(found, engine, readers->count, how->images, how->n, err);
    for (size_t i = 0; i < readers->count && status == TN_OK; i++) {
        const tn__reader *reader = &readers->list[i];
        size_t repeats = reader->x->repeats;
        for (size_t k = 0; k < how->groups->list[reader->group].neurons; k++) {
            size_t c = reader->x->index[k * repeats] / repeats;
            double mean = found[i].mean[c];
            scores[reader->group][k] +=
                sqrt(mean * mean + tn__moments_variance(&found[i], c));
        }
    }
    for (size_t i = 0; i < readers->count; i++)
        tn__moments_release(&found[i]);
    tn__free(found);
    return status;
}

/* --- channel independence
 * --------------------------------------------------------------
 */

typedef struct independence {
    double *const *scores;
    const tn__readers *readers;
    const tn__groups *groups;
} independence;

static tn_status nuclear_norm(double *out, double *gram, size_t n, tn_error *err)
{
    double *values = tn__alloc(n, sizeof *values);
    tn_status status = values ? tn__eigenvalues(values, gram, n, err)
                              : tn__fail_memory(err, n * sizeof *values);
    *out = 0;
    for (size_t i = 0; i < n && status == TN_OK; i++)
        *out += sqrt(TN__MAX(values[i], 0));
    tn__free(values);
    return status;
}

/* work: what is left of gram without row j of a [neurons, positions]. */
static void leave_out(double *work, const double *gram, const double *a, size_t neurons,
                      size_t positions, size_t j)
{
    bool wide = neurons <= positions; /* gram is of rows, else of columns */
    size_t n = wide ? neurons : positions;
    memcpy(work, gram, n * n * sizeof *work);
    for (size_t k = 0; k < n && wide; k++)
        work[j * n + k] = work[k * n + j] = 0;
    for (size_t k = 0; k < n && !wide; k++)
        for (size_t l = 0; l < n; l++)
            work[k * n + l] -= a[j * n + k] * a[j * n + l];
}

/* score [neurons] += the fall of the nuclear norm of a [neurons, positions]. */
static tn_status add_falls(double *score, const double *a, size_t neurons,
                           size_t positions, tn_error *err)
{
    bool wide = neurons <= positions;
    size_t n = wide ? neurons : positions;
    double whole = 0, left = 0, *gram = tn__alloc(n * n, 2 * sizeof *gram);
    if (!gram)
        return tn__fail_memory(err, n * n * 2 * sizeof *gram);
    double *work = gram + n * n;
    tn__gemm_f64(!wide, wide, n, n, wide ? positions : neurons, 1, a, positions, a,
                 positions, 0, gram, n);
    memcpy(work, gram, n * n * sizeof *work);
    tn_status status = nuclear_norm(&whole, work, n, err);
    for (size_t j = 0; j < neurons && status == TN_OK; j++) {
        leave_out(work, gram, a, neurons, positions, j);
        status = nuclear_norm(&left, work, n, err);
        score[j] += whole - left;
    }
    tn__free(gram);
    return status;
}

static tn_status add_shard(void *user, const tn__shard *shard, size_t worker,
                           tn_error *err)
{
    (void)worker;
    const independence *of = user;
    tn_status status = TN_OK;
    for (size_t i = 0; i < of->readers->count && status == TN_OK; i++) {
        const tn__reader *reader = &of->readers->list[i];
        size_t neurons = of->groups->list[reader->group].neurons;
        size_t channels = reader->extent.channels, repeats = reader->x->repeats;
        size_t positions = reader->extent.positions;
        double *a = tn__alloc(neurons, positions * sizeof *a);
        if (!a)
            return tn__fail_memory(err, neurons * positions * sizeof *a);
        for (size_t image = 0; image < shard->images && status == TN_OK; image++) {
            const float *x = shard->kept[0][i] + image * channels * positions;
            for (size_t k = 0; k < neurons; k++)
                for (size_t q = 0; q < positions; q++)
                    a[k * positions + q] = (double)
                        x[reader->x->index[k * repeats] / repeats * positions + q];
            status = add_falls(of->scores[reader->group], a, neurons, positions, err);
        }
        tn__free(a);
    }
    return status;
}

tn_status tn__prune_activity(double *const *scores, const tn__readers *readers,
                             const tn__scoring *how, tn_error *err)
{
    tn__engine *engine = NULL;
    tn__engine_options options = {.workers = how->workers,
                                  .keep = readers->keep,
                                  .keep_count = readers->count,
                                  .shard = CHIP_IMAGES};
    independence of = {scores, readers, how->groups};
    tn__visitor visitor = {.reduce = add_shard, .user = &of};
    bool chip = how->by == TN_PRUNE_IMPORTANCE_CHIP;
    tn_status status = tn__engine_create(&engine, how->probe, &options, err);
    if (status == TN_OK && chip)
        status = tn__engine_visit(&engine, 1, how->images, TN__MIN(how->n, CHIP_IMAGES),
                                  &visitor, err);
    else if (status == TN_OK)
        status = measure_squares(scores, readers, how, engine, err);
    tn__engine_free(engine);
    return status;
}
