/* backward_plan.c - where gradients live, and what is added to what.
 *
 * Steps are walked in reverse. The first reader of a value to be walked writes its
 * gradient, each further one makes a contribution that is added. Add hands one buffer
 * to both operands, and kernels may work in place, so buffers are counted: one that
 * several gradients share is never written.
 */
#include "engine/plan.h"

#include <string.h>

typedef struct backward {
    tn__plan *plan;
    size_t *holders; /* [slots] gradients that are this slot */
    size_t capacity;
} backward;

static tn_status new_slot(backward *b, size_t *out, size_t bytes, size_t at,
                          tn_error *err)
{
    tn__arena *arena = &b->plan->arena;
    tn_status status = tn__arena_slot(out, arena, bytes, at, err);
    if (!status)
        status = tn__grow(&b->holders, &b->capacity, *out, sizeof *b->holders, err);
    if (!status)
        b->holders[*out] = 1;
    return status;
}

static void use(backward *b, size_t slot, size_t at)
{
    tn__arena_use(&b->plan->arena, slot, at);
}

static tn_status allocate(tn__step *step, tn_error *err)
{
    step->din = tn__alloc(step->in_count, sizeof *step->din);
    step->dout = tn__alloc(step->out_count, sizeof *step->dout);
    step->zeroed = tn__alloc(step->out_count, sizeof *step->zeroed);
    step->added = tn__alloc(step->in_count, sizeof *step->added);
    step->sums = tn__alloc(step->in_count, sizeof *step->sums);
    if (!step->din || !step->dout || !step->zeroed || !step->added || !step->sums)
        return tn__fail_memory(err, step->in_count * sizeof *step->sums);
    for (size_t k = 0; k < step->in_count; k++)
        step->din[k] = TN__NONE;
    return TN_OK;
}

/* Takes the gradients of the outputs; those that nobody wrote are zero. */
static tn_status take_outputs(backward *b, tn__step *step, size_t at, tn_error *err)
{
    tn__plan *plan = b->plan;
    tn_status status = TN_OK;
    for (size_t k = 0; k < step->out_count && !status; k++) {
        size_t v = step->out[k];
        step->dout[k] = v == TN__NONE ? TN__NONE : plan->gradient[v];
        if (step->dout[k] != TN__NONE) {
            use(b, step->dout[k], at);
        } else if (v != TN__NONE && tn__layout_differs(plan->layout[v])) {
            step->zeroed[k] = true;
            status = new_slot(b, &step->dout[k], plan->layout[v]->bytes, at, err);
        }
    }
    if (!status && step->kernel->clobbers && b->holders[step->dout[0]] > 1) {
        step->private_dout = step->dout[0];
        b->holders[step->private_dout]--;
        status =
            new_slot(b, &step->dout[0], plan->layout[step->out[0]]->bytes, at, err);
    }
    return status;
}

/* The slot input k's gradient is written to. */
static tn_status give_input(backward *b, tn__step *step, size_t k, size_t at,
                            tn_error *err)
{
    tn__plan *plan = b->plan;
    size_t v = step->in[k], root = plan->spec.source->root[v];
    size_t dout = step->dout[0];
    if (root != TN__NONE)
        return new_slot(b, &step->din[k],
                        plan->spec.source->count[root] * sizeof(float), at, err);
    size_t old = plan->gradient[v];
    if (step->kernel->adds >> k & 1u && old != TN__NONE && b->holders[old] == 1) {
        step->din[k] = old;
        step->added[k] = true;
        use(b, old, at);
        return TN_OK;
    }
    bool passed = step->kernel->passes >> k & 1u;
    bool in_place = step->kernel->in_place >> k & 1u && b->holders[dout] == 1;
    if (!passed && !in_place)
        return new_slot(b, &step->din[k], plan->layout[v]->bytes, at, err);
    step->din[k] = dout;
    b->holders[dout]++;
    return TN_OK;
}

/* Adds the contribution in din[k] to the gradient of input k. */
static tn_status accumulate(backward *b, tn__step *step, size_t k, size_t at,
                            tn_error *err)
{
    tn__plan *plan = b->plan;
    size_t v = step->in[k], fresh = step->din[k], old = plan->gradient[v];
    size_t bytes = plan->layout[v]->bytes;
    if (old == TN__NONE) {
        plan->gradient[v] = fresh;
        return TN_OK;
    }
    tn_dtype type = plan->layout[v]->dtype;
    tn__sum sum = {.a = old,
                   .b = fresh,
                   .count = bytes / tn__dtype_size(type),
                   .bf16 = type == TN_BF16};
    use(b, old, at);
    tn_status status = TN_OK;
    if (b->holders[old] == 1)
        sum.to = old;
    else if (b->holders[fresh] == 1)
        sum.to = fresh;
    else
        status = new_slot(b, &sum.to, bytes, at, err);
    if (status)
        return status;
    b->holders[old] -= sum.to != old;
    b->holders[fresh] -= sum.to != fresh;
    step->sums[step->sum_count++] = sum;
    plan->gradient[v] = sum.to;
    return TN_OK;
}

static tn_status step_memory(backward *b, tn__step *step, size_t at, tn_error *err)
{
    tn__plan *plan = b->plan;
    use(b, step->workspace, at);
    for (size_t k = 0; k < step->in_count && step->kernel->keeps_in; k++)
        if (tn__plan_active(plan, step->in[k]))
            use(b, plan->slot[step->in[k]], at);
    for (size_t k = 0; k < step->out_count && step->kernel->keeps_out; k++)
        if (step->out[k] != TN__NONE)
            use(b, plan->slot[step->out[k]], at);
    return new_slot(b, &step->scratch_backward, step->kernel->scratch_backward, at,
                    err);
}

static tn_status walk(backward *b, size_t s, tn_error *err)
{
    tn__plan *plan = b->plan;
    tn__step *step = &plan->steps[s];
    size_t at = tn__time_backward(plan, s);
    bool reached = false, wanted = false;
    for (size_t k = 0; k < step->out_count; k++)
        reached |= step->out[k] != TN__NONE && plan->gradient[step->out[k]] != TN__NONE;
    for (size_t k = 0; k < step->in_count; k++)
        wanted |= step->wanted[k];
    tn_status status = allocate(step, err);
    if (status || !reached || !wanted)
        return status;
    step->backward = true;
    if ((status = take_outputs(b, step, at, err)) != TN_OK ||
        (status = step_memory(b, step, at, err)) != TN_OK)
        return status;
    for (size_t k = 0; k < step->in_count && !status; k++)
        if (step->wanted[k])
            status = give_input(b, step, k, at, err);
    /* The kernel has read them by now. */
    for (size_t k = 0; k < step->out_count && !status; k++)
        if (step->dout[k] != TN__NONE)
            b->holders[step->dout[k]]--;
    for (size_t k = 0; k < step->in_count && !status; k++)
        if (step->din[k] != TN__NONE && !step->added[k] &&
            tn__plan_active(plan, step->in[k]))
            status = accumulate(b, step, k, at, err);
    return status;
}

/* The seed is written as a plain array and moved to the layout of export 0. */
static tn_status seed(backward *b, tn_error *err)
{
    tn__plan *plan = b->plan;
    const tn__port *output = &plan->exports[0];
    tn__port *port = &plan->seed;
    const tn__layout *layout = plan->layout[output->value];
    size_t loss = tn__time_loss(plan);
    *port = (tn__port){.value = output->value, .plain = output->plain};
    tn_status status = new_slot(b, &port->slot, port->plain->bytes, loss, err);
    if (status)
        return status;
    port->inner = port->slot;
    port->moves = !tn__layout_equal(layout, port->plain);
    if (port->moves)
        status = new_slot(b, &port->inner, layout->bytes, loss, err);
    plan->gradient[output->value] = port->inner;
    return status;
}

tn_status tn__plan_backward(tn__plan *plan, tn_error *err)
{
    if (!plan->spec.training)
        return TN_OK;
    backward b = {.plan = plan, .capacity = plan->arena.count};
    b.holders = tn__alloc(b.capacity, sizeof *b.holders);
    tn_status status =
        b.holders ? TN_OK : tn__fail_memory(err, b.capacity * sizeof *b.holders);
    if (!status)
        status = seed(&b, err);
    for (size_t s = plan->step_count; s-- > 0 && !status;)
        status = walk(&b, s, err);
    tn__free(b.holders);
    return status;
}
