/* clone.c - a deep copy of a network; parameters share bytes until written. */
#include "graph/model.h"

#include <string.h>

/* Copies text where there is any; false when memory is short. */
static bool copy_text(char **out, const char *text)
{
    *out = text ? tn__strdup(text) : NULL;
    return !text || *out;
}

static bool copy_bytes(void *out, const void *bytes, size_t count, size_t size)
{
    void *copy = bytes ? tn__alloc(count, size) : NULL;
    if (copy && count)
        memcpy(copy, bytes, count * size);
    memcpy(out, &copy, sizeof copy);
    return !bytes || copy;
}

static bool copy_attr(tn__attr *out, const tn__attr *in)
{
    *out = (tn__attr){.kind = in->kind,
                      .f = in->f,
                      .i = in->i,
                      .length = in->length,
                      .tensor = tn__tensor_ref(&in->tensor),
                      .count = in->count};
    bool done = copy_text(&out->name, in->name);
    if (in->s)
        done = (out->s = tn__strndup(in->s, in->length)) && done;
    done = copy_bytes(&out->floats, in->floats, in->count, sizeof *in->floats) && done;
    done = copy_bytes(&out->ints, in->ints, in->count, sizeof *in->ints) && done;
    if (in->strings) {
        out->strings = tn__alloc(in->count, sizeof *out->strings);
        for (size_t k = 0; out->strings && k < in->count; k++)
            done = copy_text(&out->strings[k], in->strings[k]) && done;
        done = out->strings && done;
    }
    return done;
}

static bool copy_node(tn__node *out, const tn__node *in)
{
    bool done = copy_text(&out->name, in->name);
    done = copy_text(&out->type, in->type) && done;
    done = copy_text(&out->domain, in->domain) && done;
    done = copy_text(&out->doc, in->doc) && done;
    done = copy_bytes(&out->inputs, in->inputs, in->input_count, sizeof *in->inputs) &&
           done;
    done =
        copy_bytes(&out->outputs, in->outputs, in->output_count, sizeof *in->outputs) &&
        done;
    out->input_count = in->input_count;
    out->output_count = in->output_count;
    out->attrs = tn__alloc(in->attr_count, sizeof *out->attrs);
    if (!out->attrs)
        return false;
    for (size_t k = 0; k < in->attr_count; k++) {
        done = copy_attr(&out->attrs[k], &in->attrs[k]) && done;
        out->attr_count++;
    }
    return done;
}

tn_status tn__node_copy_attrs(tn__node *to, const tn__node *from, tn_error *err)
{
    tn__attr *attrs = tn__alloc(from->attr_count, sizeof *attrs);
    char *domain = tn__strdup(from->domain);
    size_t copied = 0;
    bool done = attrs && domain;
    for (; done && copied < from->attr_count; copied++)
        done = copy_attr(&attrs[copied], &from->attrs[copied]);
    if (!done) {
        for (size_t k = 0; attrs && k < copied; k++)
            tn__attr_release(&attrs[k]);
        tn__free(attrs);
        tn__free(domain);
        return tn__fail_memory(err, from->attr_count * sizeof *attrs);
    }
    for (size_t k = 0; k < to->attr_count; k++)
        tn__attr_release(&to->attrs[k]);
    tn__free(to->attrs);
    tn__free(to->domain);
    to->attrs = attrs;
    to->attr_count = from->attr_count;
    to->domain = domain;
    return TN_OK;
}

static bool copy_value(tn__value *out, const tn__value *in)
{
    *out = *in;
    memset(out->dim_names, 0, sizeof out->dim_names);
    out->parameter = tn__tensor_ref(&in->parameter);
    bool done = copy_text(&out->name, in->name);
    for (int axis = 0; axis < TN__MAX_RANK; axis++)
        done = copy_text(&out->dim_names[axis], in->dim_names[axis]) && done;
    return done;
}

static bool copy_tables(tn_model *out, const tn_model *in)
{
    out->opsets = tn__alloc(in->opset_count, sizeof *out->opsets);
    out->metadata = tn__alloc(in->metadata_count, sizeof *out->metadata);
    bool done = out->opsets && out->metadata;
    for (size_t k = 0; done && k < in->opset_count; k++, out->opset_count++) {
        out->opsets[k].version = in->opsets[k].version;
        done = copy_text(&out->opsets[k].domain, in->opsets[k].domain);
    }
    for (size_t k = 0; done && k < in->metadata_count; k++, out->metadata_count++) {
        done = copy_text(&out->metadata[k].key, in->metadata[k].key);
        done = copy_text(&out->metadata[k].text, in->metadata[k].text) && done;
    }
    return done;
}

static bool copy_graph(tn_model *out, const tn_model *in)
{
    out->values = tn__alloc(in->value_count, sizeof *out->values);
    out->nodes = tn__alloc(in->node_count, sizeof *out->nodes);
    if (!out->values || !out->nodes)
        return false;
    out->value_capacity = in->value_count;
    out->node_capacity = in->node_count;
    bool done = true;
    for (size_t v = 0; done && v < in->value_count; v++, out->value_count++)
        done = copy_value(&out->values[v], &in->values[v]);
    for (size_t n = 0; done && n < in->node_count; n++, out->node_count++)
        done = copy_node(&out->nodes[n], &in->nodes[n]);
    out->input_count = in->input_count;
    out->output_count = in->output_count;
    done = copy_bytes(&out->inputs, in->inputs, in->input_count, sizeof *in->inputs) &&
           done;
    return copy_bytes(&out->outputs, in->outputs, in->output_count,
                      sizeof *in->outputs) &&
           done;
}

static bool copy_head(tn_model *out, const tn_model *in)
{
    out->ir_version = in->ir_version;
    out->model_version = in->model_version;
    memcpy(out->source_sha256, in->source_sha256, sizeof out->source_sha256);
    bool done = copy_text(&out->name, in->name);
    done = copy_text(&out->doc, in->doc) && done;
    done = copy_text(&out->graph_doc, in->graph_doc) && done;
    done = copy_text(&out->domain, in->domain) && done;
    done = copy_text(&out->producer, in->producer) && done;
    done = copy_text(&out->producer_version, in->producer_version) && done;
    return copy_text(&out->source, in->source) && done;
}

tn_status tn__model_clone(tn_model **out, const tn_model *model, tn_error *err)
{
    tn_model *copy = tn__alloc(1, sizeof *copy);
    if (!copy || !copy_head(copy, model) || !copy_tables(copy, model) ||
        !copy_graph(copy, model)) {
        tn_model_free(copy);
        return tn__fail_memory(err, sizeof *copy);
    }
    *out = copy;
    return TN_OK;
}

tn_status tn_model_clone(tn_model **out, const tn_model *model, tn_error *err)
{
    return tn__model_clone(out, model, err);
}
