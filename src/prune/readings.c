/* readings.c - what layers read of a group, as two matrices each.
 *
 * G is the covariance of what the layer reads at one position, S = W W^T of the weights
 * by which it does. A neuron has a block of cells: the window of a convolution or the
 * pixels of a flattened image, from a sample of the positions; or, where such rows were
 * too wide, its channel alone, W having all taps.
 */
#include "prune/readings.h"

#include "engine/engine.h"
#include "stats/patches.h"
#include "stats/ridge.h"
#include "tensor/linalg.h"

#define WIDTH_MAX 1152   /* of rows by cells */
#define POSITIONS_MAX 64 /* of each image that are sampled */

void tn__readings_free(tn__reading *list, size_t count)
{
    for (size_t i = 0; list && i < count; i++) {
        tn__free(list[i].g);
        tn__free(list[i].s);
        tn__free(list[i].cell);
    }
    tn__free(list);
}

static tn_status reading_create(tn__reading *to, size_t cells, size_t block,
                                size_t neurons, tn_error *err)
{
    to->cells = cells;
    to->block = block;
    to->cell = tn__alloc(neurons, block * sizeof *to->cell);
    to->g = tn__alloc(cells, cells * sizeof *to->g);
    to->s = tn__alloc(cells, cells * sizeof *to->s);
    return to->cell && to->g && to->s ? TN_OK : tn__fail_memory(err, cells * cells * 2);
}

/* --- by cells, in one sweep ---------------------------------------------------------
 */

typedef struct reading {
    tn__reading *list; /* [readers] */
    const tn__readers *readers;
    const tn__scoring *how;
} reading;

/* s = W W^T, and the cells of each neuron: those of its channels, each with all taps.
 */
static tn_status set_weights(tn__reading *to, const reading *all,
                             const tn__reader *reader, const tn__patches *patches,
                             tn_error *err)
{
    const tn__tensor *weight =
        &all->how->folded->values[all->how->folded->nodes[reader->node].inputs[1]]
             .parameter;
    size_t d = patches->width, o = patches->outputs, taps = patches->taps;
    size_t repeats = reader->x->repeats;
    double *w = tn__alloc(d, o * sizeof *w);
    if (!w)
        return tn__fail_memory(err, d * o * sizeof *w);
    for (size_t k = 0; k < d; k++)
        for (size_t j = 0; j < o; j++)
            w[k * o + j] =
                tn__tensor_get_f64(weight, tn__patches_weight(patches, j, k));
    tn__gemm_f64(false, true, d, d, o, 1, w, o, w, o, 0, to->s, d);
    tn__free(w);
    size_t neurons = all->how->groups->list[reader->group].neurons;
    for (size_t i = 0; i < neurons * repeats; i++)
        for (size_t t = 0; t < taps; t++)
            to->cell[i * taps + t] = (uint32_t)(reader->x->index[i] * taps + t);
    return TN_OK;
}

static tn_status set_covariance(tn__reading *to, const reading *all,
                                const tn__patches *patches, const tn__sweep_node *at,
                                tn_error *err)
{
    size_t sampled = TN__MIN(patches->area_out, POSITIONS_MAX), image = 0, images = 0;
    tn__ridge sums = {0};
    (void)tn__sweep_data(at, 0, 0, &images);
    tn_status status = tn__ridge_create(&sums, patches->width, 0, images * sampled,
                                        all->how->workers, err);
    for (size_t s = 0; s < at->shards && status == TN_OK; s++) {
        size_t rows = 0;
        const float *x = tn__sweep_data(at, 0, s, &images);
        for (size_t i = 0; i < images; i++, image++)
            for (size_t k = 0; k < sampled; k++, rows++)
                tn__patches_row(
                    sums.block + rows * patches->width, patches,
                    x + i * patches->inputs * patches->area_in,
                    tn__patches_position(patches, sampled, image, k, all->how->seed));
        status = tn__ridge_add(&sums, rows, err);
    }
    if (status == TN_OK)
        tn__ridge_covariance(to->g, &sums);
    tn__ridge_release(&sums);
    return status;
}

/* The node is about to be computed: its input is there. */
static tn_status read_node(void *user, const tn__sweep_node *at, tn_error *err)
{
    const reading *all = user;
    const tn__groups *groups = all->how->groups;
    tn_status status = TN_OK;
    for (size_t i = 0; i < all->readers->count && status == TN_OK; i++) {
        const tn__reader *reader = &all->readers->list[i];
        tn__reading *to = &all->list[i];
        tn__patches patches = {0};
        if (reader->node != at->node || !tn__sweep_data(at, 0, 0, NULL) ||
            !tn__patches_has(all->how->folded, &groups->shapes, at->node))
            continue;
        status = tn__patches_create(&patches, all->how->folded, &groups->shapes,
                                    at->node, err);
        if (status == TN_OK && patches.width <= WIDTH_MAX) {
            size_t neurons = groups->list[reader->group].neurons;
            status = reading_create(to, patches.width,
                                    reader->x->repeats * patches.taps, neurons, err);
            if (status == TN_OK)
                status = set_weights(to, all, reader, &patches, err);
            if (status == TN_OK)
                status = set_covariance(to, all, &patches, at, err);
        }
        tn__patches_release(&patches);
    }
    return status;
}

/* --- by channels --------------------------------------------------------------------
 */

/* The covariance of the group's neurons out of all channels, and W W^T. */
static tn_status read_channels(tn__reading *to, const tn__reader *reader,
                               const tn__comoments *found, const tn__scoring *how,
                               tn_error *err)
{
    size_t n = how->groups->list[reader->group].neurons, width = 0;
    size_t channels = found->a.channels, repeats = reader->x->repeats;
    double *rows = NULL;
    tn__map *identity = tn__alloc(how->groups->count, sizeof *identity);
    tn_status status =
        identity ? reading_create(to, n, 1, n, err)
                 : tn__fail_memory(err, how->groups->count * sizeof *identity);
    for (size_t i = 0; i < n && status == TN_OK; i++) {
        to->cell[i] = (uint32_t)i;
        for (size_t j = 0; j < n; j++) {
            size_t p = reader->x->index[i * repeats] / repeats;
            size_t q = reader->x->index[j * repeats] / repeats;
            double both =
                found->cross[p * channels + q] + found->cross[q * channels + p];
            to->g[i * n + j] = both / 2 / TN__MAX(found->a.rows, 1);
        }
    }
    if (status == TN_OK)
        status = tn__map_rows(&rows, &width, how->folded, how->groups, how->folded,
                              how->groups, NULL, identity, reader->group, reader->entry,
                              err);
    if (status == TN_OK)
        tn__gemm_f64(false, true, n, n, width, 1, rows, width, rows, width, 0, to->s,
                     n);
    tn__free(identity);
    tn__free(rows);
    return status;
}

/* Readers that could not be read by cells; keep [count] are their activations. */
static tn_status measure_channels(tn__reading *list, const tn__readers *all,
                                  const size_t *which, const size_t *keep, size_t count,
                                  const tn__scoring *how, tn_error *err)
{
    tn__engine *engine = NULL;
    tn__pair *pairs = tn__alloc(count, sizeof *pairs);
    tn__comoments *found = tn__alloc(count, sizeof *found);
    tn_status status =
        pairs && found ? TN_OK : tn__fail_memory(err, count * sizeof *found);
    for (size_t i = 0; i < count && status == TN_OK; i++)
        pairs[i] = (tn__pair){.a_keep = i,
                              .b_keep = i,
                              .a_extent = all->list[which[i]].extent,
                              .b_extent = all->list[which[i]].extent};
    tn__engine_options options = {
        .workers = how->workers, .keep = keep, .keep_count = count};
    if (status == TN_OK)
        status = tn__engine_create(&engine, how->probe, &options, err);
    if (status == TN_OK)
        status =
            tn__stats_pairs(found, &engine, 1, pairs, count, how->images, how->n, err);
    for (size_t i = 0; i < count && status == TN_OK; i++)
        status =
            read_channels(&list[which[i]], &all->list[which[i]], &found[i], how, err);
    for (size_t i = 0; found && i < count; i++)
        tn__comoments_release(&found[i]);
    tn__free(pairs);
    tn__free(found);
    tn__engine_free(engine);
    return status;
}

tn_status tn__readings_measure(tn__reading *list, const tn__readers *readers,
                               const tn__scoring *how, tn_error *err)
{
    reading all = {.list = list, .readers = readers, .how = how};
    tn__engine *engine = NULL;
    tn__engine_options options = {.workers = how->workers};
    tn__sweep callbacks = {.before = read_node, .user = &all};
    size_t count = 0, *which = tn__alloc(readers->count, 2 * sizeof *which);
    tn_status status = which ? tn__engine_create(&engine, how->probe, &options, err)
                             : tn__fail_memory(err, readers->count * sizeof *which);
    if (status == TN_OK)
        status = tn__engine_sweep(engine, how->images, how->n, &callbacks, err);
    tn__engine_free(engine);
    size_t *keep = which + readers->count;
    for (size_t i = 0; i < readers->count && status == TN_OK; i++)
        if (!list[i].cell) {
            which[count] = i;
            keep[count++] = readers->list[i].x->value;
        }
    if (status == TN_OK && count > 0)
        status = measure_channels(list, readers, which, keep, count, how, err);
    tn__free(which);
    return status;
}
