/* site.c - a node with the shapes, types and known values of its operands. */
#include "ops/op.h"

static tn_status reserve(tn__site_memory *memory, const tn__node *node, tn_error *err)
{
    size_t in = TN__MAX(node->input_count, 1), out = TN__MAX(node->output_count, 1);
    if (in > memory->in_capacity) {
        void *shapes = tn__realloc(memory->in, in, sizeof *memory->in);
        if (shapes)
            memory->in = shapes;
        void *dtypes = tn__realloc(memory->in_dtype, in, sizeof *memory->in_dtype);
        if (dtypes)
            memory->in_dtype = dtypes;
        void *constants = tn__realloc(memory->constant, in, sizeof *memory->constant);
        if (constants)
            memory->constant = constants;
        if (!shapes || !dtypes || !constants)
            return tn__fail_memory(err, in * sizeof *memory->in);
        memory->in_capacity = in;
    }
    if (out > memory->out_capacity) {
        void *shapes = tn__realloc(memory->out, out, sizeof *memory->out);
        if (!shapes)
            return tn__fail_memory(err, out * sizeof *memory->out);
        memory->out = shapes;
        memory->out_capacity = out;
    }
    return TN_OK;
}

tn_status tn__site_fill(tn__site *site, tn__site_memory *memory, const tn_model *model,
                        const tn__shapes *shapes, size_t node, tn_error *err)
{
    const tn__node *n = &model->nodes[node];
    tn_status status = reserve(memory, n, err);
    if (status)
        return status;
    for (size_t k = 0; k < n->input_count; k++) {
        size_t v = n->inputs[k];
        if (v != TN__NONE && !shapes->known[v])
            return tn__fail(err, TN_ERROR_UNSUPPORTED, "value '%s' has no known shape",
                            model->values[v].name);
        bool constant = v != TN__NONE && shapes->constant[v].dtype != TN_UNDEFINED;
        memory->in[k] = v == TN__NONE ? NULL : &shapes->shape[v];
        memory->in_dtype[k] = v == TN__NONE ? TN_UNDEFINED : shapes->dtype[v];
        memory->constant[k] = constant ? &shapes->constant[v] : NULL;
    }
    for (size_t k = 0; k < n->output_count; k++) {
        size_t v = n->outputs[k];
        bool known = v != TN__NONE && shapes->known[v];
        memory->out[k] = known ? shapes->shape[v] : (tn__shape){0};
    }
    *site = (tn__site){.model = model,
                       .node = n,
                       .node_index = node,
                       .opset = tn__model_opset(model),
                       .input_count = n->input_count,
                       .output_count = n->output_count,
                       .in = memory->in,
                       .in_dtype = memory->in_dtype,
                       .constant = memory->constant,
                       .out = memory->out};
    return TN_OK;
}

void tn__site_memory_release(tn__site_memory *memory)
{
    tn__free(memory->in);
    tn__free(memory->in_dtype);
    tn__free(memory->constant);
    tn__free(memory->out);
    *memory = (tn__site_memory){0};
}

const tn__shape *tn__site_shape(const tn__site *site, int operand)
{
    return operand >= 0 ? site->in[operand] : &site->out[-1 - operand];
}
