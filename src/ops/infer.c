/* infer.c - shapes, types and compile-time values of a whole model.
 *
 * Walks the nodes in their topological order for one concrete batch. A node whose
 * inputs are all known, or that reads only shapes, is evaluated by its plain forward(),
 * so that what exporters compute from shapes (Shape, Gather, Concat into Reshape) is
 * resolved here. Where a node cannot be evaluated (an element type that plain C does
 * not compute) its value stays unknown.
 */
#include <string.h>

#include "ops/operand.h"

#define OPSET_MIN 7
#define COUNT_MAX                                                                      \
    (INT64_C(1) << 48) /* elements: far beyond memory, far from overflow */

/* Elements of a float parameter that folding takes for a table. What is made from
 * larger ones is weights, which are computed when the network runs. */
#define LEARNED_MAX ((size_t)1 << 17)

typedef struct walk {
    const tn_model *model;
    tn__shapes shapes;
    tn__site_memory memory;
    tn__inferred *inferred; /* [the largest number of outputs] */
    tn__tensor *made;       /* same */
    tn__tensor **made_at;   /* same: &made[k], NULL where not made */
    size_t folded;          /* elements so far */
    bool *learned;          /* [values] made from large float parameters, or one */
} walk;

static tn_status alloc_shapes(tn__shapes *out, size_t values, int64_t batch,
                              tn_error *err)
{
    tn__shapes s = {.value_count = values, .batch = batch};
    s.known = tn__alloc(values, sizeof *s.known);
    s.shape = tn__alloc(values, sizeof *s.shape);
    s.dtype = tn__alloc(values, sizeof *s.dtype);
    s.constant = tn__alloc(values, sizeof *s.constant);
    if (!s.known || !s.shape || !s.dtype || !s.constant) {
        tn__shapes_release(&s);
        return tn__fail_memory(err, values * sizeof *s.constant);
    }
    *out = s;
    return TN_OK;
}

static tn_status alloc_walk(walk *w, const tn_model *model, int64_t batch,
                            tn_error *err)
{
    size_t outputs = 1;
    for (size_t n = 0; n < model->node_count; n++)
        outputs = TN__MAX(outputs, model->nodes[n].output_count);
    *w = (walk){.model = model};
    w->inferred = tn__alloc(outputs, sizeof *w->inferred);
    w->made = tn__alloc(outputs, sizeof *w->made);
    w->made_at = tn__alloc(outputs, sizeof *w->made_at);
    w->learned = tn__alloc(model->value_count, sizeof *w->learned);
    if (!w->inferred || !w->made || !w->made_at || !w->learned)
        return tn__fail_memory(err, outputs * sizeof *w->made);
    return alloc_shapes(&w->shapes, model->value_count, batch, err);
}

static void release_walk(walk *w)
{
    tn__free(w->inferred);
    tn__free(w->made);
    tn__free(w->made_at);
    tn__free(w->learned);
    tn__site_memory_release(&w->memory);
    tn__shapes_release(&w->shapes);
}

/* Extents whose sums and strides cannot overflow, even where one of them is 0. */
static bool is_sane(const tn__shape *shape)
{
    int64_t count = 1;
    for (int k = 0; k < shape->rank; k++) {
        if (shape->dims[k] < 0 || shape->dims[k] > COUNT_MAX / count)
            return false;
        count *= TN__MAX(shape->dims[k], 1);
    }
    return true;
}

static tn_status infer_input(walk *w, size_t v, tn_error *err)
{
    const tn__value *value = &w->model->values[v];
    tn__shape shape = {.rank = value->rank};
    if (!value->shaped || value->dtype == TN_UNDEFINED)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "input '%s' is declared without a shape or an element type",
                        value->name);
    bool first = v == w->model->inputs[0];
    for (int k = 0; k < value->rank; k++) {
        int64_t dim = value->dims[k];
        if (dim < 0 && k > 0)
            return tn__fail(err, TN_ERROR_UNSUPPORTED,
                            "input '%s' has no fixed extent on axis %d", value->name,
                            k);
        bool batch = dim < 0 || (first && k == 0 && value->rank >= 2);
        if (batch && dim > 1 && dim != w->shapes.batch)
            return tn__fail(err, TN_ERROR_MISMATCH,
                            "input '%s' has a fixed batch of %lld, not %lld",
                            value->name, (long long)dim, (long long)w->shapes.batch);
        shape.dims[k] = batch ? w->shapes.batch : dim;
    }
    if (!is_sane(&shape))
        return tn__fail(err, TN_ERROR_FORMAT, "input '%s' is too large", value->name);
    w->shapes.known[v] = true;
    w->shapes.shape[v] = shape;
    w->shapes.dtype[v] = value->dtype;
    return TN_OK;
}

static tn_status take_parameters(walk *w, tn_error *err)
{
    for (size_t v = 0; v < w->model->value_count; v++) {
        const tn__value *value = &w->model->values[v];
        if (!tn__value_is_parameter(value))
            continue;
        if (!is_sane(&value->parameter.shape))
            return tn__fail(err, TN_ERROR_FORMAT, "parameter '%s' has no sane shape",
                            value->name);
        w->shapes.known[v] = true;
        w->shapes.shape[v] = value->parameter.shape;
        w->shapes.dtype[v] = value->parameter.dtype;
        w->shapes.constant[v] = tn__tensor_ref(&value->parameter);
        w->learned[v] = tn__dtype_is_float(value->parameter.dtype) &&
                        tn__tensor_count(&value->parameter) > LEARNED_MAX;
    }
    return TN_OK;
}

static tn_status keep_inferred(walk *w, const tn__node *node, tn_error *err)
{
    for (size_t k = 0; k < node->output_count; k++) {
        const tn__inferred *made = &w->inferred[k];
        size_t v = node->outputs[k];
        if (v == TN__NONE || made->dtype == TN_UNDEFINED)
            continue;
        char text[TN__SHAPE_TEXT];
        if (!is_sane(&made->shape))
            return tn__fail(err, TN_ERROR_FORMAT, "output %zu would be %s", k,
                            tn__shape_text(text, sizeof text, &made->shape));
        w->shapes.known[v] = true;
        w->shapes.shape[v] = made->shape;
        w->shapes.dtype[v] = made->dtype;
    }
    return TN_OK;
}

/* Can the outputs be computed here and now? */
static bool is_foldable(const walk *w, const tn__site *site, const tn__op *op)
{
    size_t total = w->folded;
    if (!op->forward)
        return false;
    for (size_t k = 0; k < site->input_count && !op->shape_only; k++)
        if (site->in[k] && (!site->constant[k] || w->learned[site->node->inputs[k]]))
            return false;
    for (size_t k = 0; k < site->output_count; k++) {
        size_t count;
        if (!tn__shape_count(&count, &w->inferred[k].shape) || count > TN__FOLD_MAX ||
            (total += count) > TN__FOLD_TOTAL)
            return false;
    }
    return true;
}

static tn_status fold(walk *w, size_t n, const tn__op *op, tn_error *err)
{
    const tn__node *node = &w->model->nodes[n];
    tn__site site;
    tn_status status = tn__site_fill(&site, &w->memory, w->model, &w->shapes, n, err);
    if (status || !is_foldable(w, &site, op))
        return status;
    for (size_t k = 0; k < node->output_count; k++)
        w->made_at[k] = NULL;
    for (size_t k = 0; k < node->output_count && !status; k++) {
        const tn__inferred *of = &w->inferred[k];
        if (node->outputs[k] == TN__NONE || of->dtype == TN_UNDEFINED)
            continue;
        status = tn__tensor_create(&w->made[k], of->dtype, of->shape.rank,
                                   of->shape.dims, err);
        if (!status)
            w->made_at[k] = &w->made[k];
    }
    if (!status) {
        tn_error why = {0};
        status = op->forward(w->made_at, site.constant, &site, &why);
        bool given_up = status == TN_ERROR_UNSUPPORTED;
        if (status && !given_up && err)
            *err = why;
        for (size_t k = 0; k < node->output_count && !status; k++)
            if (w->made_at[k]) {
                w->shapes.constant[node->outputs[k]] = tn__tensor_ref(w->made_at[k]);
                w->folded += tn__tensor_count(w->made_at[k]);
            }
        status = given_up ? TN_OK : status;
    }
    for (size_t k = 0; k < node->output_count; k++)
        if (w->made_at[k])
            tn__tensor_release(w->made_at[k]);
    return status;
}

static tn_status infer_node(walk *w, size_t n, tn_error *err)
{
    const tn__node *node = &w->model->nodes[n];
    const tn__op *op = tn__op_find(node->domain, node->type);
    if (!op)
        return tn__fail(err, TN_ERROR_UNSUPPORTED, "operator '%s%s%s' is not known",
                        node->domain, *node->domain ? "." : "", node->type);
    tn__site site;
    tn_status status = tn__site_fill(&site, &w->memory, w->model, &w->shapes, n, err);
    if (status)
        return status;
    site.out = NULL;
    memset(w->inferred, 0, node->output_count * sizeof *w->inferred);
    if ((status = op->infer(w->inferred, &site, err)) != TN_OK ||
        (status = keep_inferred(w, node, err)) != TN_OK)
        return status;
    return fold(w, n, op, err);
}

tn_status tn__shapes_infer(tn__shapes *out, const tn_model *model, int64_t batch,
                           tn_error *err)
{
    if (batch < 1)
        return tn__fail(err, TN_ERROR_ARGUMENT, "batch is %lld, expected at least 1",
                        (long long)batch);
    int64_t opset = tn__model_opset(model);
    if (opset < OPSET_MIN)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "operator set %lld is too old, expected %d or later",
                        (long long)opset, OPSET_MIN);
    walk w;
    tn_status status = alloc_walk(&w, model, batch, err);
    if (status)
        goto done;
    if ((status = take_parameters(&w, err)) != TN_OK)
        goto done;
    for (size_t i = 0; i < model->input_count; i++)
        if ((status = infer_input(&w, model->inputs[i], err)) != TN_OK)
            goto done;
    for (size_t n = 0; n < model->node_count; n++)
        if ((status = infer_node(&w, n, err)) != TN_OK) {
            char label[TN__LABEL_TEXT];
            status = tn__fail_in(err, status, "%s",
                                 tn__node_label(model, n, label, sizeof label));
            goto done;
        }
    *out = w.shapes;
    w.shapes = (tn__shapes){0};
done:
    release_walk(&w);
    return status;
}

void tn__shapes_release(tn__shapes *shapes)
{
    for (size_t v = 0; v < shapes->value_count && shapes->constant; v++)
        tn__tensor_release(&shapes->constant[v]);
    tn__free(shapes->known);
    tn__free(shapes->shape);
    tn__free(shapes->dtype);
    tn__free(shapes->constant);
    *shapes = (tn__shapes){0};
}
