/* splice.c - one graph from node ranges of several.
 *
 * A piece is everything that its last value needs, back to its first: constants and
 * shape computations come along wherever they stand. Parameters are shared with the
 * source, so that what is written is byte by byte what was scored. A parameter read in
 * two pieces appears in both.
 */
#include "assemble/splice.h"

#include <stdio.h>
#include <string.h>

#include "assemble/zoo.h"

/* ONNX operator sets between which no operator that Tenon knows changed its meaning. */
#define OPSET_FIRST 13
#define OPSET_LAST 17
#define NAME_SIZE 512

void tn__splice_release(tn__splice *splice)
{
    tn_model_free(splice->model);
    *splice = (tn__splice){0};
}

tn_status tn__splice_begin(tn__splice *out, const tn_model *first, tn_error *err)
{
    tn__splice made = {0};
    const tn__value *input = &first->values[first->inputs[0]];
    tn_status status = tn__model_create(&made.model, "assembled", err);
    if (status == TN_OK)
        status = tn__model_add_input(&made.end, made.model, input->name, TN_F32,
                                     input->rank, input->dims, err);
    for (int a = 0; status == TN_OK && a < input->rank; a++) {
        char *name = input->dim_names[a] ? tn__strdup(input->dim_names[a]) : NULL;
        tn__free(made.model->values[made.end].dim_names[a]);
        made.model->values[made.end].dim_names[a] = name;
        if (input->dim_names[a] && !name)
            status = tn__fail_memory(err, 1);
    }
    if (status == TN_OK)
        *out = made;
    else
        tn__splice_release(&made);
    return status;
}

static tn_status join_opset(tn_model *model, const tn__opset *set, tn_error *err)
{
    for (size_t k = 0; k < model->opset_count; k++) {
        tn__opset *known = &model->opsets[k];
        int64_t low = TN__MIN(known->version, set->version);
        int64_t high = TN__MAX(known->version, set->version);
        if (strcmp(known->domain, set->domain) != 0)
            continue;
        bool first = model->node_count == 0;
        if (!first && low != high &&
            (set->domain[0] || low < OPSET_FIRST || high > OPSET_LAST))
            return tn__fail(err, TN_ERROR_UNSUPPORTED,
                            "operator sets %lld and %lld of '%s' cannot be mixed in "
                            "one network",
                            (long long)low, (long long)high,
                            set->domain[0] ? set->domain : "ai.onnx");
        known->version = first ? set->version : high;
        return TN_OK;
    }
    tn__opset *grown =
        tn__realloc(model->opsets, model->opset_count + 1, sizeof *model->opsets);
    if (!grown)
        return tn__fail_memory(err, sizeof *grown);
    model->opsets = grown;
    grown[model->opset_count] = (tn__opset){tn__strdup(set->domain), set->version};
    if (!grown[model->opset_count].domain)
        return tn__fail_memory(err, 1);
    model->opset_count++;
    return TN_OK;
}

tn_status tn__units_mark(bool *marks, const tn_model *model, size_t from, size_t to,
                         tn_error *err)
{
    tn__links links = {0};
    tn_status status = tn__links_create(&links, model, err);
    if (status != TN_OK)
        return status;
    memset(marks, 0, model->node_count * sizeof *marks);
    if (to != from && links.producer[to] != TN__NONE)
        marks[links.producer[to]] = true;
    for (size_t n = model->node_count; n-- > 0 && status == TN_OK;) {
        const tn__node *node = &model->nodes[n];
        for (size_t k = 0; marks[n] && k < node->input_count; k++) {
            size_t v = node->inputs[k];
            if (v == TN__NONE || v == from || tn__value_is_parameter(&model->values[v]))
                continue;
            if (links.producer[v] == TN__NONE)
                status = tn__fail(err, TN_ERROR_UNSUPPORTED,
                                  "'%s' depends on more than '%s'",
                                  model->values[to].name, model->values[from].name);
            else
                marks[links.producer[v]] = true;
        }
    }
    tn__links_release(&links);
    return status;
}

/* A piece while it is copied. */
typedef struct piece {
    tn_model *to;
    const tn_model *source;
    const char *prefix;
    size_t *number; /* [values of source]: in `to`, or TN__NONE */
} piece;

static tn_status prefixed(char out[NAME_SIZE], const piece *p, const char *name,
                          tn_error *err)
{
    int length = snprintf(out, NAME_SIZE, "%s%s", p->prefix, name);
    if (length < 0 || length >= NAME_SIZE)
        return tn__fail(err, TN_ERROR_UNSUPPORTED, "name '%.60s...' is too long", name);
    return TN_OK;
}

static tn_status number_value(piece *p, size_t v, tn_error *err)
{
    char name[NAME_SIZE];
    const tn__value *value = &p->source->values[v];
    if (v == TN__NONE || p->number[v] != TN__NONE)
        return TN_OK;
    tn_status status = prefixed(name, p, value->name, err);
    if (status != TN_OK)
        return status;
    if (tn__value_is_parameter(value))
        return tn__model_add_parameter(&p->number[v], p->to, name, &value->parameter,
                                       err);
    status = tn__model_add_value(&p->number[v], p->to, name, err);
    if (status == TN_OK)
        p->to->values[p->number[v]].dtype = value->dtype;
    return status;
}

static tn_status copy_node(piece *p, const tn__node *node, tn_error *err)
{
    char name[NAME_SIZE] = "";
    size_t total = node->input_count + node->output_count, made = 0;
    size_t *numbers = tn__alloc(total, sizeof *numbers);
    tn_status status = numbers ? TN_OK : tn__fail_memory(err, total * sizeof *numbers);
    for (size_t k = 0; k < total && status == TN_OK; k++) {
        bool in = k < node->input_count;
        size_t v = in ? node->inputs[k] : node->outputs[k - node->input_count];
        status = number_value(p, v, err);
        if (status == TN_OK)
            numbers[k] = v == TN__NONE ? TN__NONE : p->number[v];
    }
    if (status == TN_OK && node->name[0])
        status = prefixed(name, p, node->name, err);
    if (status == TN_OK)
        status = tn__model_add_node(&made, p->to, node->type, name, node->input_count,
                                    numbers, node->output_count,
                                    numbers + node->input_count, err);
    if (status == TN_OK)
        status = tn__node_copy_attrs(&p->to->nodes[made], node, err);
    tn__free(numbers);
    return status;
}

tn_status tn__splice_append(tn__splice *splice, const tn_model *source, size_t from,
                            size_t to, const char *prefix, tn_error *err)
{
    piece p = {.to = splice->model, .source = source, .prefix = prefix};
    bool *marks = tn__alloc(source->node_count, sizeof *marks);
    p.number = tn__alloc(source->value_count, sizeof *p.number);
    tn_status status = TN_OK;
    if (!marks || !p.number) {
        status = tn__fail_memory(err, source->value_count * sizeof *p.number);
        goto done;
    }
    for (size_t v = 0; v < source->value_count; v++)
        p.number[v] = TN__NONE;
    p.number[from] = splice->end;
    status = tn__units_mark(marks, source, from, to, err);
    for (size_t k = 0; k < source->opset_count && status == TN_OK; k++)
        status = join_opset(splice->model, &source->opsets[k], err);
    for (size_t n = 0; n < source->node_count && status == TN_OK; n++)
        if (marks[n])
            status = copy_node(&p, &source->nodes[n], err);
    if (status == TN_OK)
        splice->end = p.number[to];
done:
    tn__free(marks);
    tn__free(p.number);
    return status;
}

tn_status tn__splice_node(size_t *out, tn__splice *splice, const char *type,
                          const char *name, size_t count, const size_t *inputs,
                          tn_error *err)
{
    size_t value = 0, node = 0;
    tn_status status = tn__model_add_value(&value, splice->model, name, err);
    if (status == TN_OK)
        status = tn__model_add_node(&node, splice->model, type, name, count, inputs, 1,
                                    &value, err);
    if (status != TN_OK)
        return status;
    splice->end = value;
    if (out)
        *out = node;
    return TN_OK;
}

/* Declares the shape of the output, the batch left open. */
static tn_status declare_output(tn_model *model, size_t value, tn_error *err)
{
    tn__shapes shapes = {0};
    tn_status status = tn__shapes_infer(&shapes, model, 1, err);
    if (status != TN_OK)
        return status;
    tn__value *v = &model->values[value];
    const tn__shape *shape = &shapes.shape[value];
    v->dtype = TN_F32;
    v->shaped = true;
    v->rank = shape->rank;
    for (int a = 0; a < shape->rank; a++)
        v->dims[a] = a ? shape->dims[a] : -1;
    tn__shapes_release(&shapes);
    return TN_OK;
}

tn_status tn__splice_model(tn_model **out, const tn__splice *splice, tn_error *err)
{
    tn_model *made = NULL;
    tn_status status = tn__model_clone(&made, splice->model, err);
    if (status == TN_OK)
        status = tn__model_add_output(made, splice->end, err);
    if (status == TN_OK)
        status = tn__model_check(made, err);
    if (status == TN_OK)
        status = declare_output(made, splice->end, err);
    if (status == TN_OK)
        *out = made;
    else
        tn_model_free(made);
    return status;
}
