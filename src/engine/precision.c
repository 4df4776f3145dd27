/* precision.c - in which element type the activations of a plan lie.
 *
 * The one place that decides it; kernels only say what they can (tn__bf16). A value is
 * wanted in bf16 where the plan computes in bf16, it stays inside the plan, a kernel
 * that can makes it, and no fast kernel that cannot reads it. Kernels that make what
 * they take tie their input to their output, so one that must be f32 makes the whole
 * chain f32. A wish it is: a kernel without a bf16 primitive for its node makes f32,
 * which everyone takes. Operators in plain C convert what they read and write.
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

static bool is_weighted(const tn__source *source, const tn__node *node)
{
    return node->input_count > 1 && node->inputs[1] != TN__NONE &&
           source->root[node->inputs[1]] != TN__NONE;
}

static tn__bf16 ability_of(const tn__source *source, size_t n)
{
    const tn__node *node = &source->model->nodes[n];
    const tn__op *op = tn__op_find(node->domain, node->type);
    if (!op || !op->kernel || (op->kernel->weighted && !is_weighted(source, node)))
        return TN__BF16_NEVER;
    return op->kernel->bf16;
}

/* Read as it is, in bf16: by a kernel that can, or by plain C, which converts. */
static bool may_read(const tn__source *source, size_t n)
{
    const tn__node *node = &source->model->nodes[n];
    const tn__op *op = tn__op_find(node->domain, node->type);
    return op && (!op->kernel || ability_of(source, n) != TN__BF16_NEVER);
}

static bool may_lie(const tn__plan *plan, size_t v)
{
    const tn__source *source = plan->spec.source;
    const tn__links *links = &source->links;
    size_t producer = links->producer[v];
    if (source->shapes.dtype[v] != TN_F32 || producer == TN__NONE ||
        producer < plan->spec.first || producer >= plan->spec.last ||
        source->model->nodes[producer].outputs[0] != v ||
        ability_of(source, producer) == TN__BF16_NEVER)
        return false;
    for (size_t u = links->first_use[v]; u < links->first_use[v + 1]; u++)
        if (!may_read(source, links->uses[u].node))
            return false;
    return true;
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

void tn__plan_precision(tn__plan *plan)
{
    const tn_model *model = plan->spec.source->model;
    if (!plan->spec.bf16)
        return;
    for (size_t v = 0; v < model->value_count; v++)
        plan->bf16[v] = may_lie(plan, v);
    for (size_t i = 0; i < plan->import_count; i++)
        plan->bf16[plan->imports[i].value] = false;
    for (size_t i = 0; i < plan->export_count; i++)
        plan->bf16[plan->exports[i].value] = false;
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t n = plan->spec.first; n < plan->spec.last; n++)
            changed |= tie(plan, n);
    }
}
