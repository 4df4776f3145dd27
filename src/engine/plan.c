/* plan.c - drives the compilation of a plan: ports, steps, kernels, slots.
 *
 * Steps get their kernels in order, since a value's layout is its producer's choice. A
 * fusion that no kernel takes is undone; a node without a fast kernel runs its
 * operator's plain C.
 */
#include "engine/plan.h"

#include <string.h>

/* --- life cycle --- */

static void step_release(tn__step *step)
{
    if (step->kernel && step->kernel->free)
        step->kernel->free(step->kernel);
    tn__free(step->in);
    tn__free(step->out);
    tn__free(step->wanted);
    tn__free(step->din);
    tn__free(step->dout);
    tn__free(step->in_at);
    tn__free(step->out_at);
    tn__free(step->din_at);
    tn__free(step->dout_at);
    tn__free(step->sums);
    tn__free(step->zeroed);
    tn__free(step->added);
}

void tn__plan_free(tn__plan *plan)
{
    if (!plan)
        return;
    for (size_t s = 0; s < plan->step_count; s++)
        step_release(&plan->steps[s]);
    tn__free(plan->steps);
    tn__free(plan->layout);
    tn__free(plan->bf16);
    tn__free(plan->slot);
    tn__free(plan->gradient);
    tn__free(plan->imports);
    tn__free(plan->exports);
    tn__arena_release(&plan->arena);
    tn__dnnl_free(plan->dnnl);
    tn__free(plan);
}

static tn_status allocate(tn__plan *plan, tn_error *err)
{
    size_t values = plan->spec.source->model->value_count;
    plan->layout = tn__alloc(values, sizeof(const tn__layout *));
    plan->bf16 = tn__alloc(values, sizeof *plan->bf16);
    plan->slot = tn__alloc(values, sizeof *plan->slot);
    plan->gradient = tn__alloc(values, sizeof *plan->gradient);
    plan->imports = tn__alloc(plan->import_count, sizeof *plan->imports);
    plan->exports = tn__alloc(plan->export_count, sizeof *plan->exports);
    if (!plan->layout || !plan->bf16 || !plan->slot || !plan->gradient ||
        !plan->imports || !plan->exports)
        return tn__fail_memory(err, values * sizeof *plan->slot);
    for (size_t v = 0; v < values; v++)
        plan->slot[v] = plan->gradient[v] = TN__NONE;
    return TN_OK;
}

static tn_status port_init(tn__port *port, tn__plan *plan, size_t value, tn_error *err)
{
    const tn__shapes *shapes = &plan->spec.source->shapes;
    port->value = value;
    if (!shapes->known[value])
        return tn__fail(err, TN_ERROR_UNSUPPORTED, "value '%s' has no known shape",
                        plan->spec.source->model->values[value].name);
    port->plain =
        tn__layout_plain(plan->dnnl, shapes->dtype[value], &shapes->shape[value]);
    return tn__dnnl_check(plan->dnnl, err);
}

static tn_status make_ports(tn__plan *plan, const tn__plan_spec *spec, tn_error *err)
{
    tn_status status = TN_OK;
    for (size_t i = 0; i < plan->import_count && !status; i++) {
        tn__port *port = &plan->imports[i];
        if ((status = port_init(port, plan, spec->imports[i], err)) != TN_OK)
            break;
        plan->layout[port->value] = port->plain;
    }
    for (size_t i = 0; i < plan->export_count && !status; i++)
        status = port_init(&plan->exports[i], plan, spec->exports[i], err);
    return status;
}

/* --- kernels --- */

typedef struct kernel_maker {
    tn__plan *plan;
    bool *differs;  /* [values] a gradient reaches trained parameters */
    size_t *origin; /* [values] whose memory it is: of kernels that alias */
    tn__site_memory memory;
    const tn__layout **layouts; /* of the inputs at hand */
    size_t capacity;
} kernel_maker;

/* What each input of the step is, and which gradients are wanted of it. */
static tn_status describe_inputs(kernel_maker *m, tn__step *step, const tn__op *op,
                                 tn_error *err)
{
    const tn__plan *plan = m->plan;
    const tn__source *source = plan->spec.source;
    tn__free(step->wanted);
    step->wanted = tn__alloc(step->in_count, sizeof *step->wanted);
    const tn__layout **layouts =
        tn__realloc(m->layouts, step->in_count, sizeof(const tn__layout *));
    if (!step->wanted || !layouts)
        return tn__fail_memory(err, step->in_count * sizeof(const tn__layout *));
    m->layouts = layouts;
    for (size_t k = 0; k < step->in_count; k++) {
        size_t v = step->in[k];
        layouts[k] = v == TN__NONE ? NULL : plan->layout[v];
        if (v == TN__NONE || !plan->spec.training || (!op->backward && !op->kernel))
            continue;
        size_t root = source->root[v];
        step->wanted[k] = root != TN__NONE ? source->trained[root] : m->differs[v];
    }
    return TN_OK;
}

static bool is_port_of(const tn__port *ports, size_t count, const size_t *origin,
                       size_t v)
{
    for (size_t i = 0; i < count; i++)
        if (origin[ports[i].value] == origin[v])
            return true;
    return false;
}

/* The memory of the addend is read by nothing later, nor by the step itself, and is
 * neither given nor wanted. */
static bool addend_is_free(const kernel_maker *m, size_t s)
{
    const tn__plan *plan = m->plan;
    size_t v = plan->steps[s].addend;
    if (!tn__plan_active(plan, v) || !plan->layout[v]->md ||
        is_port_of(plan->imports, plan->import_count, m->origin, v) ||
        is_port_of(plan->exports, plan->export_count, m->origin, v))
        return false;
    for (size_t t = s; t < plan->step_count; t++) {
        const tn__step *step = &plan->steps[t];
        for (size_t k = 0; k < step->in_count; k++)
            if (step->in[k] != TN__NONE && m->origin[step->in[k]] == m->origin[v])
                return false;
        if (t != s && step->addend != TN__NONE &&
            m->origin[step->addend] == m->origin[v])
            return false;
    }
    return true;
}

static tn_status make_fallback(tn__step *step, const tn__kernel_request *request,
                               const tn__op *op, tn_error *err)
{
    if (!op->forward)
        return tn__fail(err, TN_ERROR_UNSUPPORTED, "operator '%s' cannot be run",
                        op->type);
    for (size_t k = 0; k < step->in_count && !op->backward; k++)
        step->wanted[k] = false;
    return tn__fallback_create(&step->kernel, request, op, err);
}

/* What an operator does not make, since nobody reads it (a mask of Dropout). */
static void drop_unmade_outputs(tn__step *step, const tn__shapes *shapes)
{
    for (size_t k = 0; k < step->out_count; k++)
        if (step->out[k] != TN__NONE && !shapes->known[step->out[k]])
            step->out[k] = TN__NONE;
}

/* step->kernel stays NULL where the step must be split first. */
static tn_status make_kernel(kernel_maker *m, size_t s, tn_error *err)
{
    tn__plan *plan = m->plan;
    const tn__source *source = plan->spec.source;
    tn__step *step = &plan->steps[s];
    const tn__node *node = &source->model->nodes[step->nodes[0]];
    const tn__op *op = tn__op_find(node->domain, node->type);
    tn__site site;
    if (!op)
        return tn__fail(err, TN_ERROR_UNSUPPORTED, "operator '%s' is not known",
                        node->type);
    tn_status status = tn__site_fill(&site, &m->memory, source->model, &source->shapes,
                                     step->nodes[0], err);
    drop_unmade_outputs(step, &source->shapes);
    if (!status)
        status = describe_inputs(m, step, op, err);
    if (status)
        return status;
    tn__kernel_request request = {
        .site = &site,
        .shapes = &source->shapes,
        .dnnl = plan->dnnl,
        .in = m->layouts,
        .wanted = step->wanted,
        .training = plan->spec.training,
        .fused = step->fused,
        .sum = step->addend == TN__NONE ? NULL : plan->layout[step->addend],
        .curve = &step->curve,
        .bf16 = plan->spec.bf16,
        .bf16_out = step->out[0] != TN__NONE && plan->bf16[step->out[0]]};
    bool takes = op->kernel && !plan->spec.reference &&
                 (step->fused & ~op->kernel->fuses) == 0 &&
                 (step->addend == TN__NONE || addend_is_free(m, s));
    if (takes)
        status = op->kernel->create(&step->kernel, &request, err);
    if (!status && !step->kernel && !step->fused)
        status = make_fallback(step, &request, op, err);
    return status;
}

static void note_outputs(kernel_maker *m, const tn__step *step)
{
    bool any = false;
    for (size_t k = 0; k < step->in_count; k++)
        any |= step->wanted[k];
    for (size_t k = 0; k < step->out_count; k++) {
        size_t v = step->out[k];
        if (v == TN__NONE)
            continue;
        m->plan->layout[v] = step->kernel->out[k];
        if (step->kernel->alias)
            m->origin[v] = m->origin[step->in[0]];
        m->differs[v] = any && tn__layout_differs(step->kernel->out[k]);
    }
}

tn_status tn__plan_fail(const tn__plan *plan, const tn__step *step, tn_status status,
                        tn_error *err)
{
    char label[TN__LABEL_TEXT];
    return tn__fail_in(
        err, status, "node '%s'",
        tn__node_label(plan->spec.source->model, step->nodes[0], label, sizeof label));
}

static tn_status make_kernels(tn__plan *plan, tn_error *err)
{
    size_t values = plan->spec.source->model->value_count;
    kernel_maker m = {.plan = plan,
                      .differs = tn__alloc(values, sizeof *m.differs),
                      .origin = tn__alloc(values, sizeof *m.origin)};
    tn_status status =
        m.differs && m.origin ? TN_OK : tn__fail_memory(err, values * sizeof *m.origin);
    for (size_t v = 0; v < values && !status; v++)
        m.origin[v] = v;
    for (size_t s = 0; s < plan->step_count && !status;) {
        status = make_kernel(&m, s, err);
        if (status) {
            status = tn__plan_fail(plan, &plan->steps[s], status, err);
        } else if (!plan->steps[s].kernel) {
            status = tn__plan_split(plan, s, err);
        } else {
            note_outputs(&m, &plan->steps[s]);
            s++;
        }
    }
    tn__free(m.differs);
    tn__free(m.origin);
    tn__free(m.layouts);
    tn__site_memory_release(&m.memory);
    return status;
}

/* --- slots of the forward pass --- */

static tn_status step_slots(tn__plan *plan, size_t s, tn_error *err)
{
    tn__step *step = &plan->steps[s];
    tn__arena *arena = &plan->arena;
    tn_status status = TN_OK;
    for (size_t k = 0; k < step->in_count; k++)
        if (tn__plan_active(plan, step->in[k]))
            tn__arena_use(arena, plan->slot[step->in[k]], s);
    for (size_t k = 0; k < step->out_count && !status; k++) {
        size_t v = step->out[k];
        if (v == TN__NONE)
            continue;
        size_t shared = step->kernel->alias ? step->in[0] : step->addend;
        if (shared == TN__NONE) {
            status =
                tn__arena_slot(&plan->slot[v], arena, plan->layout[v]->bytes, s, err);
        } else {
            plan->slot[v] = plan->slot[shared];
            tn__arena_use(arena, plan->slot[v], s);
        }
    }
    if (!status)
        status =
            tn__arena_slot(&step->workspace, arena, step->kernel->workspace, s, err);
    if (!status)
        status = tn__arena_slot(&step->scratch_forward, arena,
                                step->kernel->scratch_forward, s, err);
    return status;
}

/* Exports are moved after the last step, and stay until the end. */
static tn_status export_slot(tn__plan *plan, tn__port *port, tn_error *err)
{
    size_t v = port->value;
    if (!tn__plan_active(plan, v))
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "value '%s' is wanted but does not depend on the input",
                        plan->spec.source->model->values[v].name);
    tn_status status = TN_OK;
    size_t loss = tn__time_loss(plan);
    port->inner = plan->slot[v];
    tn__arena_use(&plan->arena, port->inner, loss);
    port->moves = !tn__layout_equal(plan->layout[v], port->plain);
    if (port->moves)
        status =
            tn__arena_slot(&port->slot, &plan->arena, port->plain->bytes, loss, err);
    else
        port->slot = port->inner;
    if (!status)
        tn__arena_use(&plan->arena, port->slot, tn__time_end(plan));
    return status;
}

static tn_status make_slots(tn__plan *plan, tn_error *err)
{
    tn_status status = TN_OK;
    for (size_t i = 0; i < plan->import_count && !status; i++) {
        tn__port *port = &plan->imports[i];
        status = tn__arena_slot(&port->slot, &plan->arena, port->plain->bytes, 0, err);
        plan->slot[port->value] = port->slot;
    }
    for (size_t s = 0; s < plan->step_count && !status; s++)
        status = step_slots(plan, s, err);
    for (size_t i = 0; i < plan->export_count && !status; i++)
        status = export_slot(plan, &plan->exports[i], err);
    return status;
}

tn_status tn__plan_create(tn__plan **out, const tn__plan_spec *spec, tn_error *err)
{
    tn_status status;
    tn__plan *plan = tn__alloc(1, sizeof *plan);
    if (!plan)
        return tn__fail_memory(err, sizeof *plan);
    plan->spec = *spec;
    plan->spec.imports = plan->spec.exports = NULL;
    plan->import_count = spec->import_count;
    plan->export_count = spec->export_count;
    if ((status = tn__dnnl_create(&plan->dnnl, err)) != TN_OK ||
        (status = allocate(plan, err)) != TN_OK ||
        (status = make_ports(plan, spec, err)) != TN_OK ||
        (status = tn__plan_group(plan, err)) != TN_OK ||
        (status = tn__plan_precision(plan, err)) != TN_OK ||
        (status = make_kernels(plan, err)) != TN_OK ||
        (status = make_slots(plan, err)) != TN_OK ||
        (status = tn__plan_backward(plan, err)) != TN_OK ||
        (status = tn__arena_place(&plan->arena, err)) != TN_OK ||
        (status = tn__plan_bind(plan, err)) != TN_OK)
        goto done;
    *out = plan;
    plan = NULL;
done:
    tn__plan_free(plan);
    return status;
}
