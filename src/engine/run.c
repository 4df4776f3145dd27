/* run.c - executes a plan: forward over one shard, and backward. */
#include "engine/plan.h"
#include "ops/quick.h"

#include <string.h>

/* Takes over parameters that changed since this worker last ran. */
static tn_status refresh(tn__plan *plan, const tn__step *step, tn_error *err)
{
    if (step->norm != TN__NONE)
        tn__plan_fold(plan, step);
    return step->kernel->refresh ? step->kernel->refresh(step->kernel, err) : TN_OK;
}

static tn_status run_ports(const tn__port *ports, size_t count, tn_error *err)
{
    tn_status status = TN_OK;
    for (size_t i = 0; i < count && !status; i++)
        if (ports[i].moves)
            status = tn__program_run(&ports[i].program, err);
    return status;
}

tn_status tn__plan_forward(tn__plan *plan, tn_error *err)
{
    tn_status status = TN_OK;
    bool stale = plan->version != plan->spec.source->version;
    for (size_t s = 0; s < plan->step_count; s++) {
        const tn__step *step = &plan->steps[s];
        if (stale)
            status = refresh(plan, step, err);
        if (!status)
            status = step->kernel->forward(step->kernel, err);
        if (status)
            return tn__plan_fail(plan, step, status, err);
    }
    plan->version = plan->spec.source->version;
    status = run_ports(plan->exports, plan->export_count, err);
    return status ? status : tn__dnnl_wait(plan->dnnl, err);
}

TN__VECTORS static void add_f32(float *to, const float *a, const float *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = a[i] + b[i];
}

TN__VECTORS static void add_bf16(uint16_t *to, const uint16_t *a, const uint16_t *b,
                                 size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = tn__f32_to_bf16(tn__bf16_to_f32(a[i]) + tn__bf16_to_f32(b[i]));
}

static void add(const tn__plan *plan, const tn__sum *sum)
{
    void *to = tn__arena_at(&plan->arena, sum->to);
    const void *a = tn__arena_at(&plan->arena, sum->a);
    const void *b = tn__arena_at(&plan->arena, sum->b);
    if (sum->bf16)
        add_bf16(to, a, b, sum->count);
    else
        add_f32(to, a, b, sum->count);
}

static void prepare_outputs(const tn__plan *plan, const tn__step *step)
{
    if (step->private_dout != TN__NONE)
        memcpy(step->dout_at[0], tn__arena_at(&plan->arena, step->private_dout),
               plan->layout[step->out[0]]->bytes);
    for (size_t k = 0; k < step->out_count; k++)
        if (step->zeroed[k])
            memset(step->dout_at[k], 0, plan->layout[step->out[k]]->bytes);
}

static void collect_step(const tn__plan *plan, const tn__step *step,
                         tn__collect *collect, void *user)
{
    const tn__source *source = plan->spec.source;
    for (size_t k = 0; k < step->in_count; k++) {
        size_t root = step->in[k] == TN__NONE ? TN__NONE : source->root[step->in[k]];
        if (step->wanted[k] && root != TN__NONE)
            collect(user, root, step->din_at[k], source->count[root]);
    }
}

tn_status tn__plan_backpropagate(tn__plan *plan, tn__collect *collect, void *user,
                                 tn_error *err)
{
    tn_status status = run_ports(&plan->seed, 1, err);
    for (size_t s = plan->step_count; s-- > 0 && !status;) {
        const tn__step *step = &plan->steps[s];
        if (!step->backward)
            continue;
        prepare_outputs(plan, step);
        status = step->kernel->backward(step->kernel, err);
        if (status)
            return tn__plan_fail(plan, step, status, err);
        for (size_t i = 0; i < step->sum_count; i++)
            add(plan, &step->sums[i]);
        collect_step(plan, step, collect, user);
    }
    return status ? status : tn__dnnl_wait(plan->dnnl, err);
}
