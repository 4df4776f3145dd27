/* features_weights.c - neurons compared by their incoming weights.
 *
 * OTFusion's weight support (Singh and Jaggi 2020, algorithm 1): the rows of all layers
 * that make a group, in the coordinates of the reference. Two things are added: a batch
 * norm is folded into its layer first, since a layer's scale before it is arbitrary,
 * and the bias is a weight from a constant input. A layer that reads a group not solved
 * yet says nothing and is left out.
 */
#include <math.h>

#include "fuse/fusion.h"
#include "tensor/linalg.h"

bool tn__is_layer_entry(const tn_model *model, const tn__group_entry *entry)
{
    const tn__value *value = &model->values[entry->value];
    return entry->role == TN__PRODUCER && tn__value_is_parameter(value) &&
           value->parameter.shape.rank >= 2;
}

/* The layer's output channel c is scale x row + bias, a batch norm behind it included.
 */
typedef struct fold {
    const tn__tensor *bias;    /* [channels], or NULL */
    const tn__tensor *norm[4]; /* gamma, beta, mean, variance; or NULL */
    double epsilon;
} fold;

static const tn__tensor *parameter_at(const tn_model *model, const tn__node *node,
                                      size_t k)
{
    if (k >= node->input_count || node->inputs[k] == TN__NONE)
        return NULL;
    const tn__value *value = &model->values[node->inputs[k]];
    return tn__value_is_parameter(value) ? &value->parameter : NULL;
}

static fold fold_find(const tn_model *model, const tn__links *links, size_t weight,
                      size_t channels)
{
    fold f = {0};
    if (links->first_use[weight] == links->first_use[weight + 1])
        return f;
    const tn__node *node = &model->nodes[links->uses[links->first_use[weight]].node];
    f.bias = parameter_at(model, node, 2);
    if (f.bias && tn__tensor_count(f.bias) != channels)
        f.bias = NULL;
    size_t norm = tn__value_norm(model, links, node->outputs[0]);
    if (norm == TN__NONE)
        return f;
    const tn__node *batch_norm = &model->nodes[norm];
    for (size_t k = 0; k < 4; k++)
        f.norm[k] = parameter_at(model, batch_norm, k + 1);
    if (!f.norm[0] || !f.norm[1] || !f.norm[2] || !f.norm[3])
        f.norm[0] = NULL;
    f.epsilon = (double)tn__node_float(batch_norm, "epsilon", 1e-5F);
    return f;
}

static void fold_channel(double *scale, double *shift, const fold *f, size_t c)
{
    *scale = 1;
    *shift = f->bias ? tn__tensor_get_f64(f->bias, c) : 0;
    if (!f->norm[0])
        return;
    *scale = tn__tensor_get_f64(f->norm[0], c) /
             sqrt(tn__tensor_get_f64(f->norm[3], c) + f->epsilon);
    *shift = tn__tensor_get_f64(f->norm[1], c) +
             (*shift - tn__tensor_get_f64(f->norm[2], c)) * *scale;
}

/* Output channels of the layer: the extent of the weight's axis. */
static size_t entry_extent(const tn_model *model, const tn__group_entry *entry)
{
    return (size_t)model->values[entry->value].parameter.shape.dims[entry->axis];
}

tn_status tn__layer_rows(double **rows, size_t *width, const tn__rows_request *request,
                         const tn__map *maps, tn_error *err)
{
    const tn__parent *source = request->source, *target = request->target;
    const tn__group *group =
        &source->groups->list[tn__map_origin(source->groups, maps, request->group)];
    const tn__group_entry *entry = &group->entries[request->entry];
    double *plain = NULL;
    size_t d = 0;
    tn_status status =
        tn__map_rows(&plain, &d, source->model, source->groups, target->model,
                     target->groups, NULL, maps, request->group, request->entry, err);
    if (status != TN_OK)
        return status;
    bool folds = entry->repeats == 1 && entry->axis < TN__MAX_RANK &&
                 entry->axis < source->model->values[entry->value].parameter.shape.rank;
    if (!folds) {
        *rows = plain;
        *width = d;
        return TN_OK;
    }
    double *wide = tn__realloc(plain, group->neurons, (d + 1) * sizeof *wide);
    if (!wide) {
        tn__free(plain);
        return tn__fail_memory(err, group->neurons * (d + 1) * sizeof *wide);
    }
    fold f = fold_find(source->model, request->links, entry->value,
                       entry_extent(source->model, entry));
    for (size_t i = group->neurons;
         i-- > 0;) { /* from the end: rows move apart in place */
        double scale, shift;
        fold_channel(&scale, &shift, &f, entry->index[i]);
        wide[i * (d + 1) + d] = shift;
        for (size_t k = d; k-- > 0;)
            wide[i * (d + 1) + k] = wide[i * d + k] * scale;
    }
    *rows = wide;
    *width = d + 1;
    return TN_OK;
}

static void add_squares(double *out, const double *rows, size_t n, size_t width)
{
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t k = 0; k < width; k++)
            sum += rows[i * width + k] * rows[i * width + k];
        out[i] += sum;
    }
}

/* Whether the groups that a layer's weight reads are all solved. */
static bool is_ready(const tn__parent *parent, size_t value, const bool *solved)
{
    const tn__groups *groups = parent->groups;
    int rank = parent->model->values[value].parameter.shape.rank;
    for (int axis = 0; axis <= rank; axis++) {
        size_t count;
        const tn__meeting *met = tn__groups_on(&count, groups, value, axis);
        for (size_t k = 0; k < count; k++)
            if (!solved[met[k].group] &&
                groups->list[met[k].group].entries[met[k].entry].role == TN__CONSUMER)
                return false;
    }
    return true;
}

static bool all_square(const tn__fusion *f, size_t parent)
{
    const tn__groups *a = f->parents[parent].groups;
    const tn__groups *b = f->parents[f->reference].groups;
    for (size_t g = 0; g < a->count; g++) {
        if (a->list[g].neurons != b->list[g].neurons)
            return false;
    }
    return true;
}

static tn_status add_layer(tn__evidence *out, const tn__fusion *f, size_t parent,
                           size_t group, size_t entry, tn_error *err)
{
    const tn__parent *source = &f->parents[parent], *target = &f->parents[f->reference];
    double *x = NULL, *y = NULL;
    size_t d = 0, width = 0;
    tn__rows_request request = {source, target, &f->links, group, entry};
    tn_status status = tn__layer_rows(&x, &d, &request, source->maps, err);
    request.source = target;
    if (status == TN_OK)
        status = tn__layer_rows(&y, &width, &request, target->maps, err);
    if (status == TN_OK && d != width)
        status = tn__fail(
            err, TN_ERROR_MISMATCH, "layer '%s' reads %zu numbers a neuron against %zu",
            source->model->values[source->groups->list[group].entries[entry].value]
                .name,
            d, width);
    if (status == TN_OK) {
        add_squares(out->x, x, out->n, d);
        add_squares(out->y, y, out->m, d);
        tn__gemm_f64(false, true, out->n, out->m, d, 1, x, d, y, d, 1, out->dot,
                     out->m);
    }
    if (status == TN_OK && out->xx) {
        tn__gemm_f64(false, true, out->n, out->n, d, 1, x, d, x, d, 1, out->xx, out->n);
        tn__gemm_f64(false, true, out->m, out->m, d, 1, y, d, y, d, 1, out->yy, out->m);
    }
    tn__free(x);
    tn__free(y);
    return status;
}

tn_status tn__evidence_weights(tn__evidence *out, const tn__fusion *fusion,
                               size_t parent, size_t group, const bool *solved,
                               tn_error *err)
{
    const tn__parent *source = &fusion->parents[parent];
    const tn__group *g = &source->groups->list[group];
    tn__evidence made = {0};
    tn_status status = tn__evidence_create(
        &made, g->neurons,
        fusion->parents[fusion->reference].groups->list[group].neurons, err);
    if (status == TN_OK && fusion->options->gromov)
        status = tn__evidence_add_within(&made, err);
    bool found = false;
    /* Where no layer is ready, unsolved inputs are taken as they come, if they can be.
     */
    for (int pass = 0; pass < 2 && !found && status == TN_OK; pass++) {
        if (pass == 1 && !all_square(fusion, parent))
            break;
        for (size_t e = 0; e < g->entry_count && status == TN_OK; e++) {
            if (!tn__is_layer_entry(source->model, &g->entries[e]) ||
                (pass == 0 && !is_ready(source, g->entries[e].value, solved)))
                continue;
            found = true;
            status = add_layer(&made, fusion, parent, group, e, err);
        }
    }
    if (status != TN_OK) {
        tn__evidence_release(&made);
        return status;
    }
    if (fusion->options->features != TN_FEATURES_RAW)
        tn__evidence_normalise(&made);
    *out = made;
    return TN_OK;
}
