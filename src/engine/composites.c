/* composites.c - nodes that together are one operator, computed as that.
 *
 * Exporters before operator set 17 write layer norm in nine nodes and Gelu in five,
 * each of which reads and writes the whole value. The last node of such a pattern is
 * made that operator, in the engine's clone of the model. The nodes before it stay as
 * they were: nobody reads them then, so that no plan runs them, but where a visitor
 * keeps one of their values. Numbers of nodes and values are the model's own.
 *
 *     x Phi(x)    Mul of x, 0.5 and 1 + Erf(x / sqrt(2)), in any order
 *     layer norm  Div(Sub(x, m), Sqrt(v + epsilon)) Mul scale [Add shift],
 *                 m = ReduceMean(x), v = ReduceMean(Pow(Sub(x, m), 2)), last axis
 */
#include <math.h>
#include <string.h>

#include "engine/state.h"

typedef struct finder {
    tn_model *model;
    const tn__shapes *shapes;
    const tn__links *links;
} finder;

/* What is to become of a node. */
typedef struct composite {
    const char *type;
    size_t in[3], count;
    float epsilon;
} composite;

/* The node of that type that makes the value, or NULL. */
static const tn__node *made_by(const finder *f, size_t value, const char *type)
{
    size_t n = value == TN__NONE ? TN__NONE : f->links->producer[value];
    if (n == TN__NONE)
        return NULL;
    const tn__node *node = &f->model->nodes[n];
    return strcmp(node->type, type) == 0 && !node->domain[0] ? node : NULL;
}

/* A float of one element that is known, into *x. */
static bool is_number(const finder *f, size_t value, double *x)
{
    const tn__tensor *t = value == TN__NONE ? NULL : &f->shapes->constant[value];
    if (!t || t->dtype != TN_F32 || tn__tensor_count(t) != 1)
        return false;
    *x = tn__tensor_get_f64(t, 0);
    return true;
}

static bool is_near(const finder *f, size_t value, double wanted)
{
    double x;
    return is_number(f, value, &x) && fabs(x - wanted) < 1e-4 * fabs(wanted);
}

/* The operand of a node of two beside one that is near a number, or NONE. */
static size_t beside(const finder *f, const tn__node *node, double number)
{
    for (size_t k = 0; node && k < 2; k++)
        if (is_near(f, node->inputs[k], number))
            return node->inputs[1 - k];
    return TN__NONE;
}

/* x where the value is 1 + Erf(x / sqrt(2)), else NONE. */
static size_t under_erf(const finder *f, size_t value)
{
    const tn__node *erf = made_by(f, beside(f, made_by(f, value, "Add"), 1), "Erf");
    if (!erf)
        return TN__NONE;
    const tn__node *scaled = made_by(f, erf->inputs[0], "Div");
    if (scaled)
        return is_near(f, scaled->inputs[1], sqrt(2)) ? scaled->inputs[0] : TN__NONE;
    return beside(f, made_by(f, erf->inputs[0], "Mul"), sqrt(0.5));
}

/* The factors are x, 0.5 and 1 + Erf(x / sqrt(2)). */
static bool are_gelu(const finder *f, composite *out, const size_t factor[3])
{
    for (size_t half = 0; half < 3; half++)
        for (size_t k = 0; k < 3 && is_near(f, factor[half], 0.5); k++) {
            if (k == half)
                continue;
            size_t x = factor[k], other = factor[3 - half - k];
            if (under_erf(f, other) == x && x != TN__NONE) {
                *out = (composite){.type = "Gelu", .in = {x}, .count = 1};
                return true;
            }
        }
    return false;
}

static bool is_gelu(const finder *f, composite *out, const tn__node *node)
{
    if (strcmp(node->type, "Mul") != 0)
        return false;
    for (size_t k = 0; k < 2; k++) {
        const tn__node *inner = made_by(f, node->inputs[k], "Mul");
        if (inner && are_gelu(f, out,
                              (size_t[]){inner->inputs[0], inner->inputs[1],
                                         node->inputs[1 - k]}))
            return true;
    }
    return false;
}

/* x where the value is its mean over the last axis, which is kept; else NONE. */
static size_t under_mean(const finder *f, size_t value)
{
    const tn__node *mean = made_by(f, value, "ReduceMean");
    if (!mean || !tn__node_int(mean, "keepdims", 1))
        return TN__NONE;
    size_t count = 0, x = mean->inputs[0];
    const int64_t *axes = tn__node_ints(mean, "axes", &count);
    int64_t given;
    if (mean->input_count > 1 && mean->inputs[1] != TN__NONE) {
        const tn__tensor *list = &f->shapes->constant[mean->inputs[1]];
        if (list->dtype != TN_I64 || tn__tensor_count(list) != 1)
            return TN__NONE;
        given = (int64_t)tn__tensor_get_f64(list, 0);
        axes = &given;
        count = 1;
    }
    int64_t last = f->shapes->shape[x].rank - 1;
    return count == 1 && (axes[0] == -1 || axes[0] == last) ? x : TN__NONE;
}

/* x and epsilon where the value is (x - mean) / sqrt(variance + epsilon). */
static bool is_normalised(const finder *f, composite *out, size_t value)
{
    const tn__node *quotient = made_by(f, value, "Div");
    const tn__node *centred = quotient ? made_by(f, quotient->inputs[0], "Sub") : NULL;
    const tn__node *root = quotient ? made_by(f, quotient->inputs[1], "Sqrt") : NULL;
    const tn__node *sum = root ? made_by(f, root->inputs[0], "Add") : NULL;
    double epsilon = 0;
    if (!centred || !sum || under_mean(f, centred->inputs[1]) != centred->inputs[0])
        return false;
    for (size_t k = 0; k < 2; k++) {
        const tn__node *power = made_by(f, under_mean(f, sum->inputs[k]), "Pow");
        if (!power || !is_number(f, sum->inputs[1 - k], &epsilon) ||
            power->inputs[0] != quotient->inputs[0] || !is_near(f, power->inputs[1], 2))
            continue;
        *out = (composite){.type = "LayerNormalization",
                           .in = {centred->inputs[0]},
                           .count = 1,
                           .epsilon = (float)epsilon};
        return epsilon >= 0;
    }
    return false;
}

/* A known vector for each element of the last axis of x. */
static bool is_vector(const finder *f, size_t value, size_t x)
{
    const tn__shape *row = &f->shapes->shape[x], *shape = &f->shapes->shape[value];
    return f->shapes->constant[value].dtype == TN_F32 && shape->rank == 1 &&
           shape->dims[0] == row->dims[row->rank - 1];
}

static bool is_scaled(const finder *f, composite *out, const tn__node *node)
{
    for (size_t k = 0; node && k < 2; k++) {
        if (!is_normalised(f, out, node->inputs[k]) ||
            !is_vector(f, node->inputs[1 - k], out->in[0]))
            continue;
        out->in[out->count++] = node->inputs[1 - k];
        return true;
    }
    return false;
}

static bool is_layer_norm(const finder *f, composite *out, const tn__node *node)
{
    if (strcmp(node->type, "Mul") == 0)
        return is_scaled(f, out, node);
    if (strcmp(node->type, "Add") != 0)
        return false;
    for (size_t k = 0; k < 2; k++) {
        if (!is_scaled(f, out, made_by(f, node->inputs[k], "Mul")) ||
            !is_vector(f, node->inputs[1 - k], out->in[0]))
            continue;
        out->in[out->count++] = node->inputs[1 - k];
        return true;
    }
    return false;
}

static tn_status become(tn__node *node, const composite *of, tn_error *err)
{
    char *type = tn__strdup(of->type);
    size_t *inputs = tn__alloc(of->count, sizeof *inputs);
    if (!type || !inputs) {
        tn__free(type);
        tn__free(inputs);
        return tn__fail_memory(err, of->count * sizeof *inputs);
    }
    memcpy(inputs, of->in, of->count * sizeof *inputs);
    tn__free(node->type);
    tn__free(node->inputs);
    node->type = type;
    node->inputs = inputs;
    node->input_count = of->count;
    /* Gelu's only operand is x, layer norm has a scale. */
    return of->count > 1 ? tn__node_set_float(node, "epsilon", of->epsilon, err)
                         : TN_OK;
}

tn_status tn__source_compose(tn__source *source, tn_error *err)
{
    finder f = {source->model, &source->shapes, &source->links};
    tn_status status = TN_OK;
    /* From the last node on: the addition of a shift comes before what it adds to. */
    for (size_t n = f.model->node_count; n-- > 0 && !status;) {
        tn__node *node = &f.model->nodes[n];
        composite of = {0};
        if (node->input_count != 2 || node->domain[0] ||
            f.shapes->dtype[node->outputs[0]] != TN_F32)
            continue;
        if (is_gelu(&f, &of, node) || is_layer_norm(&f, &of, node))
            status = become(node, &of, err);
    }
    return status;
}
