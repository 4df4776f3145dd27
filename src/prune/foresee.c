/* foresee.c - the variance that mixing neurons takes away, foreseen from the weights.
 *
 * Model Folding's Fold-AR (arXiv 2502.10216): the mean of N neurons of equal variance
 * and mean correlation E varies by (1 + (N - 1) E) / N of it. Here for any shares and
 * variances, as in fusion (fuse/data_free.c): correlations are taken to be the cosines
 * of the rows of weights, with what the batch norm multiplies folded in; the standard
 * deviation is that norm's scale, elsewhere the norm of the row. The layer is scaled
 * about the mean of its answers: the shift of the norm, else the mean on the images at
 * hand, as inputs behind a ReLU are not centred.
 */
#include <math.h>

#include "fuse/recalibrate.h"
#include "ops/batch_norm/batch_norm.h"
#include "prune/pruning.h"

/* The weight of one layer of the folded network, a row for each channel. */
typedef struct rows {
    const tn__tensor *weight;
    size_t outer, extent, inner;
} rows;

static rows rows_of(const tn_model *folded, const tn__layer *layer)
{
    const tn__tensor *weight = &folded->values[layer->weight].parameter;
    rows r = {weight, 1, (size_t)weight->shape.dims[layer->axis], 1};
    for (int axis = 0; axis < weight->shape.rank; axis++) {
        if (axis < layer->axis)
            r.outer *= (size_t)weight->shape.dims[axis];
        else if (axis > layer->axis)
            r.inner *= (size_t)weight->shape.dims[axis];
    }
    return r;
}

static double row_dot(const rows *r, size_t a, size_t b)
{
    double sum = 0;
    for (size_t o = 0; o < r->outer; o++)
        for (size_t i = 0; i < r->inner; i++)
            sum += tn__tensor_get_f64(r->weight, (o * r->extent + a) * r->inner + i) *
                   tn__tensor_get_f64(r->weight, (o * r->extent + b) * r->inner + i);
    return sum;
}

/* What the layers of the network before answer, as far as it is known. */
typedef struct foreseeing {
    const tn__attempt *a;
    const tn__pruning *p;
    tn__links links; /* of the network before */
    tn__repairs means;
} foreseeing;

static bool has_own_norm(const foreseeing *f, const tn__layer *layer)
{
    return layer->norm != TN__NONE &&
           tn__norm_is_own(f->p->model, &f->links, layer->norm);
}

static double norm_vector(const foreseeing *f, const tn__layer *layer, size_t input,
                          size_t channel)
{
    size_t value = f->p->model->nodes[layer->norm].inputs[input];
    return tn__tensor_get_f64(&f->p->model->values[value].parameter, channel);
}

/* The factor for channel c of the layer now. */
static double factor_of(const foreseeing *f, const tn__layer *layer, const rows *r,
                        const tn__carried *from, size_t c)
{
    bool norm = has_own_norm(f, layer);
    double wanted = 0, variance = 0;
    for (size_t i = from->first[c]; i < from->first[c + 1]; i++) {
        size_t a = from->channel[i];
        double na = row_dot(r, a, a);
        double sa = norm ? fabs(norm_vector(f, layer, TN__BN_SCALE, a)) : sqrt(na);
        wanted += (double)from->share[i] * sa;
        for (size_t k = from->first[c]; k < from->first[c + 1]; k++) {
            size_t b = from->channel[k];
            double nb = row_dot(r, b, b);
            double sb = norm ? fabs(norm_vector(f, layer, TN__BN_SCALE, b)) : sqrt(nb);
            double rho = na * nb > 0 ? row_dot(r, a, b) / sqrt(na * nb) : 1;
            variance += (double)from->share[i] * (double)from->share[k] *
                        tn__foreseen_covariance(sa, sb, rho);
        }
    }
    return tn__foreseen_factor(wanted, variance);
}

/* The mean about which channel c is scaled. */
static double mean_of(const foreseeing *f, const tn__layer *layer,
                      const tn__carried *from, size_t c)
{
    const double *found = tn__repairs_mean(&f->means, layer->node);
    double mean = 0;
    if (!has_own_norm(f, layer))
        return found ? found[c] : 0;
    for (size_t e = from->first[c]; e < from->first[c + 1]; e++)
        mean += (double)from->share[e] *
                norm_vector(f, layer, TN__BN_BIAS, from->channel[e]);
    return mean;
}

static tn_status foresee_layer(tn_model *small, size_t *layers, const foreseeing *f,
                               const tn__layer *layer, tn_error *err)
{
    const tn__groups *groups = f->p->folded_groups;
    tn__carried from = {0};
    size_t mixed = 0;
    tn_status status = tn__carried_find(&from, groups, (const bool *const *)f->a->kept,
                                        f->a->maps, layer->output, err);
    double *scale = tn__alloc(from.count, 2 * sizeof *scale);
    if (status == TN_OK && !scale)
        status = tn__fail_memory(err, from.count * 2 * sizeof *scale);
    const rows r = rows_of(f->p->folded, layer);
    for (size_t c = 0; c < from.count && status == TN_OK; c++) {
        bool several = from.first[c + 1] - from.first[c] > 1;
        scale[c] = several ? factor_of(f, layer, &r, &from, c) : 1;
        scale[from.count + c] = (1 - scale[c]) * mean_of(f, layer, &from, c);
        mixed += several;
    }
    if (status == TN_OK && mixed > 0) {
        status = tn__layer_scale(small, layer, scale, scale + from.count, err);
        ++*layers;
    }
    tn__free(scale);
    tn__carried_release(&from);
    return status;
}

static tn_status aim(void *user, const tn__sweep_node *at, tn_error *err)
{
    return tn__repairs_aim(user, at, err);
}

/* Means of the layers without a norm. */
static tn_status measure_means(foreseeing *f, tn_error *err)
{
    const tn__pruning *p = f->p;
    tn__engine *engine = NULL;
    tn__engine_options options = {.workers = p->workers};
    tn__sweep callbacks = {.after = aim, .user = &f->means};
    tn_status status =
        tn__repairs_find(&f->means, p->folded_probe.model, p->folded_groups,
                         (const bool *const *)f->a->kept, f->a->maps, p->workers, err);
    if (status != TN_OK || f->means.count == 0)
        return status;
    status = tn__engine_create(&engine, p->folded_probe.model, &options, err);
    if (status == TN_OK)
        status = tn__engine_sweep(engine, p->images, p->image_count, &callbacks, err);
    tn__engine_free(engine);
    return status;
}

tn_status tn__prune_foresee(tn_model *small, size_t *layers, const tn__attempt *a,
                            const tn__pruning *p, tn_error *err)
{
    foreseeing f = {.a = a, .p = p};
    tn_status status = tn__links_create(&f.links, p->model, err);
    if (status == TN_OK)
        status = measure_means(&f, err);
    *layers = 0;
    for (size_t n = 0; n < p->model->node_count && status == TN_OK; n++) {
        tn__layer layer;
        if (tn__layer_of(&layer, p->model, &f.links, n))
            status = foresee_layer(small, layers, &f, &layer, err);
    }
    tn__repairs_release(&f.means);
    tn__links_release(&f.links);
    return status;
}
