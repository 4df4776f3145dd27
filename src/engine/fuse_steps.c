/* fuse_steps.c - which nodes are computed by one kernel.
 *
 * Patterns, longest first, each node being the only reader of the one before it:
 *
 *     inference   Conv|Gemm [BatchNormalization] [Add, Conv only] [Relu|curve]
 *                 MatMul [Add of a bias] [Add] [Relu|curve]
 *     training    Conv|Gemm [Relu], MatMul [Add of a bias]
 *     both        BatchNormalization [Relu], Add [Relu]
 *
 * A value that is exported is never hidden inside a step. A step stands where its last
 * node stood: what it hides has no other reader, so computing it later is safe. Readers
 * on which nothing depends do not count. A curve is a function of one number (Gelu,
 * Clip; tn__curve_read()).
 */
#include <string.h>

#include "engine/plan.h"

typedef struct grouping {
    tn__plan *plan;
    const tn_model *model;
    const tn__links *links;
    const bool *exported; /* [values] */
    const bool *needed;   /* [values] an export depends on it */
    tn__site_memory memory;
    bool *taken; /* [nodes] fused into a step already */
} grouping;

static bool is(const tn__node *node, const char *type)
{
    return strcmp(node->type, type) == 0 && node->domain[0] == '\0';
}

static bool is_parameter(const grouping *g, const tn__node *node, size_t k)
{
    return k < node->input_count && node->inputs[k] != TN__NONE &&
           g->plan->spec.source->root[node->inputs[k]] != TN__NONE;
}

static bool outputs_needed(const tn__node *node, const bool *needed)
{
    for (size_t k = 0; k < node->output_count; k++)
        if (node->outputs[k] != TN__NONE && needed[node->outputs[k]])
            return true;
    return false;
}

/* The only reader of the output of node n, or NONE. */
static size_t only_reader(const grouping *g, size_t n)
{
    const tn__node *node = &g->model->nodes[n];
    size_t v = node->outputs[0], reader = TN__NONE, count = 0;
    if (node->output_count != 1 || g->exported[v])
        return TN__NONE;
    for (size_t u = g->links->first_use[v]; u < g->links->first_use[v + 1]; u++) {
        size_t user = g->links->uses[u].node;
        if (user >= g->plan->spec.last)
            return TN__NONE;
        if (!outputs_needed(&g->model->nodes[user], g->needed))
            continue;
        reader = user;
        count++;
    }
    return count == 1 && !g->taken[reader] ? reader : TN__NONE;
}

/* The batch norm's vectors are parameters, and so are the weights it goes into. */
static bool folds(const grouping *g, const tn__node *head, const tn__node *norm)
{
    if (!is(norm, "BatchNormalization") || !is_parameter(g, head, 1) ||
        (head->input_count > 2 && head->inputs[2] != TN__NONE &&
         !is_parameter(g, head, 2)))
        return false;
    for (size_t k = 1; k < 5; k++)
        if (!is_parameter(g, norm, k))
            return false;
    return norm->inputs[0] == head->outputs[0];
}

/* Equal shapes, and something that is computed here and may be overwritten. */
static size_t addend_of(const grouping *g, const tn__node *add, size_t value)
{
    const tn__shapes *shapes = &g->plan->spec.source->shapes;
    size_t other = add->inputs[add->inputs[0] == value];
    size_t producer = other == TN__NONE ? TN__NONE : g->links->producer[other];
    if (other == value || producer == TN__NONE || g->exported[other] ||
        producer < g->plan->spec.first ||
        !tn__shape_equal(&shapes->shape[other], &shapes->shape[value]))
        return TN__NONE;
    return other;
}

/* The vector that the addition adds to each row of the product, or NONE. */
static size_t bias_of(const grouping *g, const tn__node *add, size_t value)
{
    const tn__source *source = g->plan->spec.source;
    size_t other = add->inputs[add->inputs[0] == value];
    const tn__shape *y = &source->shapes.shape[value];
    if (other == value || other == TN__NONE || source->root[other] == TN__NONE)
        return TN__NONE;
    const tn__shape *b = &source->shapes.shape[other];
    return b->rank == 1 && y->rank >= 2 && b->dims[0] == y->dims[y->rank - 1]
               ? other
               : TN__NONE;
}

static void extend(grouping *g, tn__step *step, size_t node, unsigned fusion)
{
    step->fusion[step->node_count] = fusion;
    step->nodes[step->node_count++] = node;
    step->fused |= fusion;
    g->taken[node] = true;
}

static size_t last_node(const tn__step *step)
{
    return step->nodes[step->node_count - 1];
}

/* What goes into the weights or is added to each position. */
static void take_vectors(grouping *g, tn__step *step)
{
    const tn__node *head = &g->model->nodes[step->nodes[0]];
    size_t next = only_reader(g, step->nodes[0]);
    if (next == TN__NONE)
        return;
    const tn__node *node = &g->model->nodes[next];
    if (is(head, "MatMul") && is(node, "Add") && is_parameter(g, head, 1)) {
        step->bias = bias_of(g, node, head->outputs[0]);
        if (step->bias != TN__NONE)
            extend(g, step, next, TN__FUSE_BIAS);
    } else if (!is(head, "MatMul") && !g->plan->spec.training && folds(g, head, node)) {
        step->norm = next;
        extend(g, step, next, TN__FUSE_NORM);
    }
}

static void take_addend(grouping *g, tn__step *step)
{
    const tn__node *head = &g->model->nodes[step->nodes[0]];
    size_t last = last_node(step), next = only_reader(g, last);
    if (next == TN__NONE || is(head, "Gemm") || !is(&g->model->nodes[next], "Add"))
        return;
    step->addend =
        addend_of(g, &g->model->nodes[next], g->model->nodes[last].outputs[0]);
    if (step->addend != TN__NONE)
        extend(g, step, next, TN__FUSE_SUM);
}

static tn_status take_function(grouping *g, tn__step *step, bool relu_only,
                               tn_error *err)
{
    tn__site site;
    size_t next = only_reader(g, last_node(step));
    if (next == TN__NONE)
        return TN_OK;
    if (is(&g->model->nodes[next], "Relu")) {
        extend(g, step, next, TN__FUSE_RELU);
        return TN_OK;
    }
    if (relu_only)
        return TN_OK;
    tn_status status = tn__site_fill(&site, &g->memory, g->model,
                                     &g->plan->spec.source->shapes, next, err);
    if (!status && tn__curve_read(&step->curve, &site))
        extend(g, step, next, TN__FUSE_CURVE);
    return status;
}

static tn_status grow_step(grouping *g, tn__step *step, tn_error *err)
{
    const tn__node *head = &g->model->nodes[step->nodes[0]];
    bool product = is(head, "MatMul") && is_parameter(g, head, 1);
    bool weighted = product || is(head, "Conv") || is(head, "Gemm");
    bool inference = !g->plan->spec.training;
    if (!g->plan->spec.fuse || head->output_count != 1 ||
        !(weighted || is(head, "BatchNormalization") || is(head, "Add")))
        return TN_OK;
    if (weighted)
        take_vectors(g, step);
    if (weighted && inference)
        take_addend(g, step);
    if (product && !inference)
        return TN_OK;
    return take_function(g, step, !(weighted && inference), err);
}

static tn_status step_values(tn__step *step, const tn_model *model, tn_error *err)
{
    const tn__node *head = &model->nodes[step->nodes[0]];
    const tn__node *tail = &model->nodes[step->nodes[step->node_count - 1]];
    tn__free(step->in);
    tn__free(step->out);
    step->in_count = TN__MAX(head->input_count, 3);
    step->out_count = tail->output_count;
    step->in = tn__alloc(step->in_count, sizeof *step->in);
    step->out = tn__alloc(TN__MAX(step->out_count, 1), sizeof *step->out);
    if (!step->in || !step->out)
        return tn__fail_memory(err, step->in_count * sizeof *step->in);
    for (size_t k = 0; k < step->in_count; k++)
        step->in[k] = k < head->input_count ? head->inputs[k] : TN__NONE;
    if (step->bias != TN__NONE)
        step->in[2] = step->bias;
    for (size_t k = 0; k < step->out_count; k++)
        step->out[k] = tail->outputs[k];
    return TN_OK;
}

static tn__step single(size_t node)
{
    return (tn__step){.nodes = {node},
                      .node_count = 1,
                      .norm = TN__NONE,
                      .bias = TN__NONE,
                      .addend = TN__NONE,
                      .private_dout = TN__NONE};
}

/* Steps were made in order of their first nodes; they run in order of their last. */
static void sort_steps(tn__step *steps, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        tn__step step = steps[i];
        size_t j = i;
        for (; j > 0 && last_node(&steps[j - 1]) > last_node(&step); j--)
            steps[j] = steps[j - 1];
        steps[j] = step;
    }
}

bool tn__source_runs(const tn__source *source, size_t n)
{
    const tn__node *node = &source->model->nodes[n];
    for (size_t k = 0; k < node->output_count; k++) {
        size_t v = node->outputs[k];
        if (v != TN__NONE && source->root[v] == TN__NONE &&
            (source->shapes.constant[v].dtype == TN_UNDEFINED || source->derived[v]))
            return true;
    }
    return false;
}

/* needed: an export depends on it. */
static void mark_needed(const tn__plan *plan, bool *needed)
{
    const tn_model *model = plan->spec.source->model;
    for (size_t i = 0; i < plan->export_count; i++)
        needed[plan->exports[i].value] = true;
    for (size_t n = plan->spec.last; n-- > plan->spec.first;) {
        const tn__node *node = &model->nodes[n];
        bool wanted = false;
        for (size_t k = 0; k < node->output_count; k++)
            wanted |= node->outputs[k] != TN__NONE && needed[node->outputs[k]];
        for (size_t k = 0; wanted && k < node->input_count; k++)
            if (node->inputs[k] != TN__NONE)
                needed[node->inputs[k]] = true;
    }
}

static tn_status make_steps(grouping *g, tn_error *err)
{
    tn__plan *plan = g->plan;
    tn_status status = TN_OK;
    for (size_t n = plan->spec.first; n < plan->spec.last && !status; n++) {
        const tn__node *node = &g->model->nodes[n];
        if (g->taken[n] || !outputs_needed(node, g->needed) ||
            !tn__source_runs(plan->spec.source, n))
            continue;
        tn__step *step = &plan->steps[plan->step_count++];
        *step = single(n);
        status = grow_step(g, step, err);
        if (!status)
            status = step_values(step, g->model, err);
    }
    sort_steps(plan->steps, plan->step_count);
    return status;
}

tn_status tn__plan_group(tn__plan *plan, tn_error *err)
{
    const tn__source *source = plan->spec.source;
    size_t values = source->model->value_count, nodes = source->model->node_count;
    bool *exported = tn__alloc(values, sizeof *exported);
    bool *needed = tn__alloc(values, sizeof *needed);
    bool *taken = tn__alloc(nodes, sizeof *taken);
    plan->steps = tn__alloc(nodes, sizeof *plan->steps);
    grouping g = {.plan = plan,
                  .model = source->model,
                  .links = &source->links,
                  .exported = exported,
                  .needed = needed,
                  .taken = taken};
    tn_status status;
    if (exported && needed && taken && plan->steps) {
        for (size_t i = 0; i < plan->export_count; i++)
            exported[plan->exports[i].value] = true;
        mark_needed(plan, needed);
        status = make_steps(&g, err);
    } else {
        status = tn__fail_memory(err, nodes * sizeof *plan->steps);
    }
    tn__site_memory_release(&g.memory);
    tn__free(exported);
    tn__free(needed);
    tn__free(taken);
    return status;
}

/* Where the step breaks: before the addition in place and what follows it, else before
 * the last node. */
static size_t break_of(const tn__step *step)
{
    for (size_t i = 1; i < step->node_count; i++)
        if (step->fusion[i] == TN__FUSE_SUM)
            return i;
    return step->node_count - 1;
}

/* The nodes from `at` on as a step of their own. */
static tn__step tail_of(const tn__step *step, size_t at)
{
    tn__step tail = single(step->nodes[at]);
    for (size_t i = at + 1; i < step->node_count; i++) {
        tail.fusion[tail.node_count] = step->fusion[i];
        tail.nodes[tail.node_count++] = step->nodes[i];
        tail.fused |= step->fusion[i];
    }
    tail.curve = step->curve;
    return tail;
}

tn_status tn__plan_split(tn__plan *plan, size_t s, tn_error *err)
{
    const tn_model *model = plan->spec.source->model;
    tn__step *step = &plan->steps[s], *rest = step + 1;
    memmove(rest + 1, rest, (plan->step_count - s - 1) * sizeof *step);
    plan->step_count++;
    size_t at = break_of(step);
    *rest = tail_of(step, at);
    step->node_count = at;
    step->addend = TN__NONE;
    step->fused = 0;
    for (size_t i = 1; i < at; i++)
        step->fused |= step->fusion[i];
    if (!(step->fused & TN__FUSE_NORM))
        step->norm = TN__NONE;
    if (!(step->fused & TN__FUSE_BIAS))
        step->bias = TN__NONE;
    tn_status status = step_values(step, model, err);
    return status ? status : step_values(rest, model, err);
}
