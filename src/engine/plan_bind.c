/* plan_bind.c - from slots to addresses: every kernel and port is told where its
 * operands lie, once and for all. */
#include "engine/plan.h"

static void *address(const tn__plan *plan, size_t slot)
{
    return slot == TN__NONE ? NULL : tn__arena_at(&plan->arena, slot);
}

/* Kernels read parameters and constants through the same kind of pointer as
 * activations; none writes there. */
static void *constant(const tn__source *source, size_t v)
{
    union {
        const void *in;
        void *out;
    } data = {NULL};
    size_t root = source->root[v];
    const tn__tensor *tensor = &source->shapes.constant[v];
    if (root != TN__NONE)
        data.out = source->parameter[root];
    else if (tensor->dtype == TN_F32)
        data.in = tn__tensor_data(tensor);
    return data.out;
}

static void *input_address(const tn__plan *plan, const tn__step *step, size_t k)
{
    const tn__source *source = plan->spec.source;
    size_t v = step->in[k];
    bool folded = step->norm != TN__NONE && (k == 1 || k == 2);
    if (folded)
        return k == 1 ? plan->folded
                      : plan->folded + source->count[source->root[step->in[1]]];
    if (v == TN__NONE)
        return NULL;
    return tn__plan_active(plan, v) ? address(plan, plan->slot[v])
                                    : constant(source, v);
}

static tn_status bind_step(tn__plan *plan, tn__step *step, tn_error *err)
{
    /* oneDNN kernels look at the same few places whatever the node has. */
    size_t in = TN__MAX(step->in_count, TN__PROGRAM_INPUTS);
    step->in_at = tn__alloc(in, sizeof(void *));
    step->din_at = tn__alloc(in, sizeof(void *));
    step->out_at = tn__alloc(step->out_count, sizeof(void *));
    step->dout_at = tn__alloc(step->out_count, sizeof(void *));
    if (!step->in_at || !step->din_at || !step->out_at || !step->dout_at)
        return tn__fail_memory(err, in * sizeof(void *));
    for (size_t k = 0; k < step->in_count; k++)
        step->in_at[k] = input_address(plan, step, k);
    for (size_t k = 0; k < step->out_count; k++)
        if (step->out[k] != TN__NONE)
            step->out_at[k] = address(plan, plan->slot[step->out[k]]);
    tn__kernel_memory memory = {.in = step->in_at,
                                .out = step->out_at,
                                .din = step->din_at,
                                .dout = step->dout_at,
                                .added = step->added,
                                .workspace = address(plan, step->workspace),
                                .scratch_forward =
                                    address(plan, step->scratch_forward)};
    if (step->backward) {
        for (size_t k = 0; k < step->in_count; k++)
            step->din_at[k] = address(plan, step->din[k]);
        for (size_t k = 0; k < step->out_count; k++)
            step->dout_at[k] = address(plan, step->dout[k]);
        memory.scratch_backward = address(plan, step->scratch_backward);
    }
    tn_status status = step->kernel->bind(step->kernel, &memory, err);
    return status ? tn__plan_fail(plan, step, status, err) : TN_OK;
}

/* Scratch for a reorder's own needs, which for plain layouts is nothing. */
static tn_status bind_port(tn__plan *plan, tn__port *port, bool in, tn_error *err)
{
    const tn__layout *layout = plan->layout[port->value];
    port->at = address(plan, port->slot);
    if (!port->moves)
        return TN_OK;
    tn__program dry;
    tn__program_begin(&dry, plan->dnnl, NULL);
    tn__program_move(&dry, layout, NULL, port->plain, NULL);
    tn__program_move(&dry, port->plain, NULL, layout, NULL);
    void *scratch = tn__dnnl_alloc(plan->dnnl, dry.used + 64, 1);
    if (scratch) {
        tn__program_begin(&port->program, plan->dnnl, scratch);
        if (in)
            tn__program_move(&port->program, port->plain, port->at, layout,
                             address(plan, port->inner));
        else
            tn__program_move(&port->program, layout, address(plan, port->inner),
                             port->plain, port->at);
    }
    return tn__dnnl_check(plan->dnnl, err);
}

static tn_status reserve_fold(tn__plan *plan, tn_error *err)
{
    const tn__source *source = plan->spec.source;
    size_t most = 0;
    for (size_t s = 0; s < plan->step_count; s++) {
        const tn__step *step = &plan->steps[s];
        if (step->norm == TN__NONE)
            continue;
        size_t norm_scale = source->model->nodes[step->norm].inputs[1];
        size_t need = source->count[source->root[step->in[1]]] +
                      source->count[source->root[norm_scale]];
        most = TN__MAX(most, need);
    }
    if (most)
        plan->folded = tn__dnnl_alloc(plan->dnnl, most, sizeof *plan->folded);
    return tn__dnnl_check(plan->dnnl, err);
}

tn_status tn__plan_bind(tn__plan *plan, tn_error *err)
{
    tn_status status = reserve_fold(plan, err);
    for (size_t s = 0; s < plan->step_count && !status; s++)
        status = bind_step(plan, &plan->steps[s], err);
    for (size_t i = 0; i < plan->import_count; i++)
        plan->imports[i].at = address(plan, plan->imports[i].slot);
    for (size_t i = 0; i < plan->export_count && !status; i++)
        status = bind_port(plan, &plan->exports[i], false, err);
    if (plan->spec.training && !status)
        status = bind_port(plan, &plan->seed, true, err);
    return status;
}
