/* data_free.c - the variance that averaging takes away, foreseen from the weights.
 *
 * Two aligned neurons with correlation rho vary, averaged, by sqrt((1 + rho) / 2) of
 * what each did. In general, with weights w_k and standard deviations s_k,
 *
 *     Var = sum_kl w_k w_l s_k s_l rho_kl,    wanted: (sum_k w_k s_k)^2
 *
 * (Jordan et al. 2023, appendix; Model Folding's Fold-AR, arXiv 2502.10216, is the case
 * of equal weights). rho is taken to be the cosine of the two rows of weights, which
 * holds where the inputs are uncorrelated and of equal variance. With a batch norm
 * behind the layer, s_k is its running statistic and the foreseen Var becomes the new
 * one; elsewhere s_k is taken to be the norm of the row, and the row and its bias are
 * scaled.
 */
#include <math.h>

#include "fuse/fusion.h"
#include "fuse/recalibrate.h"

#define FACTOR_MIN 0.25
#define FACTOR_MAX 8.0

typedef struct place {
    tn__layer layer;
    size_t channels;
    bool grouped;     /* some channel is a neuron of a group: not the classifier */
    double *factor;   /* [channels]: wanted over foreseen standard deviation */
    double *variance; /* [channels]: foreseen; with a norm */
} place;

struct tn__foresight {
    place *list;
    size_t count;
};

void tn__foresight_free(tn__foresight *foresight)
{
    if (!foresight)
        return;
    for (size_t i = 0; i < foresight->count; i++)
        tn__free(foresight->list[i].factor);
    tn__free(foresight->list);
    tn__free(foresight);
}

/* One layer's weights of all parents, in f32. */
typedef struct rows {
    tn__tensor *weight; /* [parents] */
    const float **x;    /* [parents] */
    size_t parents, outer, extent, inner;
} rows;

static void rows_release(rows *r)
{
    for (size_t k = 0; r->weight && k < r->parents; k++)
        tn__tensor_release(&r->weight[k]);
    tn__free(r->weight);
    tn__free(r->x);
    *r = (rows){0};
}

static tn_status rows_create(rows *r, const tn_model *const *aligned, size_t parents,
                             const tn__layer *layer, tn_error *err)
{
    const tn__shape *shape = &aligned[0]->values[layer->weight].parameter.shape;
    *r = (rows){.parents = parents, .outer = 1, .inner = 1};
    r->extent = (size_t)shape->dims[layer->axis];
    for (int axis = 0; axis < shape->rank; axis++) {
        if (axis < layer->axis)
            r->outer *= (size_t)shape->dims[axis];
        else if (axis > layer->axis)
            r->inner *= (size_t)shape->dims[axis];
    }
    r->weight = tn__alloc(parents, sizeof *r->weight);
    r->x = tn__alloc(parents, sizeof(float *));
    tn_status status = r->weight && r->x ? TN_OK : tn__fail_memory(err, parents);
    for (size_t k = 0; k < parents && status == TN_OK; k++) {
        const tn__tensor *from = &aligned[k]->values[layer->weight].parameter;
        if (from->dtype == TN_F32)
            r->weight[k] = tn__tensor_ref(from);
        else
            status = tn__tensor_convert(&r->weight[k], from, TN_F32, err);
        if (status == TN_OK)
            r->x[k] = tn__tensor_f32_const(&r->weight[k]);
    }
    if (status != TN_OK)
        rows_release(r);
    return status;
}

/* Inner product of channel c of parents a and b. */
static double row_dot(const rows *r, size_t a, size_t b, size_t c)
{
    double sum = 0;
    for (size_t o = 0; o < r->outer; o++) {
        size_t at = (o * r->extent + c) * r->inner;
        for (size_t i = 0; i < r->inner; i++)
            sum += (double)r->x[a][at + i] * (double)r->x[b][at + i];
    }
    return sum;
}

/* Standard deviation of channel c of parent k, as far as it is known without data. */
static double deviation(const tn__fusion *f, const tn_model *aligned, const place *p,
                        const rows *r, size_t k, size_t c)
{
    if (p->layer.norm == TN__NONE)
        return sqrt(row_dot(r, k, k, c));
    const tn_model *graph = f->parents[f->reference].model;
    size_t variance = graph->nodes[p->layer.norm].inputs[4];
    double found = tn__tensor_get_f64(&aligned->values[variance].parameter, c);
    return sqrt(TN__MAX(found, 0));
}

double tn__foreseen_covariance(double sd_a, double sd_b, double cosine)
{
    return sd_a * sd_b * TN__MIN(TN__MAX(cosine, 0), 1);
}

double tn__foreseen_factor(double wanted_sd, double variance)
{
    double factor = variance > 0 ? wanted_sd / sqrt(variance) : 1;
    return TN__MIN(TN__MAX(factor, FACTOR_MIN), FACTOR_MAX);
}

static void foresee_channel(place *p, const tn__fusion *f,
                            const tn_model *const *aligned, const rows *r, size_t c)
{
    double variance = 0, wanted = 0;
    for (size_t a = 0; a < f->count; a++) {
        double sa = deviation(f, aligned[a], p, r, a, c), na = row_dot(r, a, a, c);
        wanted += f->weights[a] * sa;
        for (size_t b = 0; b < f->count; b++) {
            double norms = na * row_dot(r, b, b, c);
            double rho = norms > 0 ? row_dot(r, a, b, c) / sqrt(norms) : 1;
            variance +=
                f->weights[a] * f->weights[b] *
                tn__foreseen_covariance(sa, deviation(f, aligned[b], p, r, b, c), rho);
        }
    }
    p->factor[c] = tn__foreseen_factor(wanted, variance);
    p->variance[c] = wanted * wanted / (p->factor[c] * p->factor[c]);
}

static tn_status foresee_layer(place *p, const tn__fusion *f,
                               const tn_model *const *aligned, tn_error *err)
{
    const tn__groups *groups = f->parents[f->reference].groups;
    tn__channels channels = {0};
    rows r = {0};
    tn_status status = tn__channels_find(&channels, groups, p->layer.output, err);
    if (status != TN_OK)
        return status;
    p->channels = channels.count;
    p->factor = tn__alloc(channels.count, 2 * sizeof *p->factor);
    p->variance = p->factor ? p->factor + channels.count : NULL;
    if (!p->factor)
        status = tn__fail_memory(err, channels.count * 2 * sizeof *p->factor);
    if (status == TN_OK)
        status = rows_create(&r, aligned, f->count, &p->layer, err);
    for (size_t c = 0; status == TN_OK && c < channels.count; c++) {
        foresee_channel(p, f, aligned, &r, c);
        if (channels.group[c] == TN__NONE)
            p->factor[c] = 1;
        p->grouped = p->grouped || channels.group[c] != TN__NONE;
    }
    rows_release(&r);
    tn__channels_release(&channels);
    return status;
}

tn_status tn__foresight_create(tn__foresight **out, const tn__fusion *fusion,
                               const tn_model *const *aligned, tn_error *err)
{
    const tn_model *graph = fusion->parents[fusion->reference].model;
    tn__foresight *made = tn__alloc(1, sizeof *made);
    if (made)
        made->list = tn__alloc(graph->node_count, sizeof *made->list);
    if (!made || !made->list) {
        tn__foresight_free(made);
        return tn__fail_memory(err, graph->node_count * sizeof(place));
    }
    tn_status status = TN_OK;
    for (size_t n = 0; n < graph->node_count && status == TN_OK; n++) {
        place *p = &made->list[made->count];
        if (!tn__layer_of(&p->layer, graph, &fusion->links, n))
            continue;
        made->count++;
        status = foresee_layer(p, fusion, aligned, err);
    }
    if (status == TN_OK)
        *out = made;
    else
        tn__foresight_free(made);
    return status;
}

static tn_status write_variance(tn_model *fused, const place *p, tn_error *err)
{
    tn__tensor *to = &fused->values[fused->nodes[p->layer.norm].inputs[4]].parameter;
    return tn__tensor_set_f64(to, &to->shape, p->variance, err);
}

tn_status tn__foresight_apply(const tn__foresight *foresight, tn_model *fused,
                              size_t *layers, tn_error *err)
{
    for (size_t i = 0; i < foresight->count; i++) {
        const place *p = &foresight->list[i];
        tn_status status;
        if (!p->grouped)
            continue;
        if (p->layer.norm != TN__NONE) {
            status = write_variance(fused, p, err);
        } else {
            double *zero = tn__alloc(p->channels, sizeof *zero);
            if (!zero)
                return tn__fail_memory(err, p->channels * sizeof *zero);
            status = tn__layer_scale(fused, &p->layer, p->factor, zero, err);
            tn__free(zero);
        }
        if (status != TN_OK)
            return status;
        ++*layers;
    }
    return TN_OK;
}
