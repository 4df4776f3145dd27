/* precision.c - in which element type the activations of a plan lie.
 *
 * The one place that decides it; kernels only say what they can (tn__bf16). A value is
 * wanted in bf16 where the plan computes in bf16, it stays inside the plan, a kernel
 * that can makes it, one that can reads it, and no fast kernel that cannot does.
 * Kernels that make what they take tie their input to their output, so one that must be
 * f32 makes the whole chain f32. A wish it is: a kernel without a bf16 primitive for
 * its node makes f32, which everyone takes. Operators in plain C convert what they read
 * and write, each for itself: a value that only they read is better in f32.
 *
 * Decided for values, not for steps, since a fusion may be undone later.
 */
#include "engine/engine.h"
#include "engine/plan.h"

tn_status tn__precision_resolve(tn_dtype *out, tn_precision wanted, tn_error *err)
{
    switch (wanted) {
    case TN_PRECISION_F32:
        *out = TN_F32;
        return TN_OK;
    case TN_PRECISION_BF16:
        if (!tn__dnnl_has_bf16())
            return tn__fail(err, TN_ERROR_UNSUPPORTED,
                            "precision = bf16, but this CPU has no instructions for "
                            "it: take f32 or auto");
        *out = TN_BF16;
        return TN_OK;
    case TN_PRECISION_AUTO:
        *out = tn__dnnl_has_bf16() ? TN_BF16 : TN_F32;
        return TN_OK;
    }
    return tn__fail(err, TN_ERROR_ARGUMENT, "precision = %d is not known", (int)wanted);
}

static tn__bf16 ability_of(const tn__source *source, size_t n)
{
    const tn__node *node = &source->model->nodes[n];
    const tn__op *op = tn__op_find(node->domain, node->type);
    bool makes = op && op->kernel && op->kernel->bf16 != TN__BF16_LEFT;
    return makes ? op->kernel->bf16 : TN__BF16_NEVER;
}

/* Plain C converts; some kernels leave bf16 to it. */
static bool is_plain(const tn__source *source, size_t n)
{
    const tn__node *node = &source->model->nodes[n];
    const tn__op *op = tn__op_find(node->domain, node->type);
    return op && (!op->kernel || op->kernel->bf16 == TN__BF16_LEFT);
}

/* Every kernel that reads value v can in bf16, and there is one. */
static bool is_read(const tn__source *source, const bool *runs, size_t v)
{
    const tn__links *links = &source->links;
    bool any = false;
    for (size_t u = links->first_use[v]; u < links->first_use[v + 1]; u++) {
        size_t n = links->uses[u].node;
        if (!runs[n])
            continue;
        if (ability_of(source, n) != TN__BF16_NEVER)
            any = true;
        else if (!is_plain(source, n))
            return false;
    }
    return any;
}

static bool may_lie(const tn__plan *plan, const bool *runs, size_t v)
{
    const tn__source *source = plan->spec.source;
    size_t producer = source->links.producer[v];
    return source->shapes.dtype[v] == TN_F32 && producer != TN__NONE &&
           runs[producer] && source->model->nodes[producer].outputs[0] == v &&
           ability_of(source, producer) != TN__BF16_NEVER && is_read(source, runs, v);
}

/* Input 0 and output 0 of node n are both wanted or neither; true where that changed
 * something. */
static bool tie(tn__plan *plan, size_t n)
{
    const tn__node *node = &plan->spec.source->model->nodes[n];
    if (ability_of(plan->spec.source, n) != TN__BF16_FOLLOWS ||
        node->inputs[0] == TN__NONE || node->outputs[0] == TN__NONE)
        return false;
    bool *in = &plan->bf16[node->inputs[0]], *out = &plan->bf16[node->outputs[0]];
    if (*in == *out)
        return false;
    *in = *out = false;
    return true;
}

static void decide(tn__plan *plan, const bool *runs)
{
    size_t values = plan->spec.source->model->value_count;
    for (size_t v = 0; v < values; v++)
        plan->bf16[v] = may_lie(plan, runs, v);
    for (size_t i = 0; i < plan->import_count; i++)
        plan->bf16[plan->imports[i].value] = false;
    for (size_t i = 0; i < plan->export_count; i++)
        plan->bf16[plan->exports[i].value] = false;
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t n = plan->spec.first; n < plan->spec.last; n++)
            changed |= runs[n] && tie(plan, n);
    }
}

tn_status tn__plan_precision(tn__plan *plan, tn_error *err)
{
    size_t nodes = plan->spec.source->model->node_count;
    if (!plan->spec.bf16)
        return TN_OK;
    bool *runs = tn__alloc(nodes, sizeof *runs);
    if (!runs)
        return tn__fail_memory(err, nodes * sizeof *runs);
    for (size_t s = 0; s < plan->step_count; s++)
        for (size_t k = 0; k < plan->steps[s].node_count; k++)
            runs[plan->steps[s].nodes[k]] = true;
    decide(plan, runs);
    tn__free(runs);
    return TN_OK;
}
