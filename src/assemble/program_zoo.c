/* program_zoo.c - the program of the zoo: what blocks and stitches cost and are worth.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assemble/job.h"
#include "tenon/eval.h"

#define EXPLAINED_MIN 1e-3 /* keeps the logarithm finite */
#define LATENCY_RUNS 7

void tn__path_blocks(tn__block *blocks, const tn__assembly *job, const tn__path *path)
{
    size_t k = job->options->blocks;
    for (size_t s = 0; s < k; s++)
        blocks[s] = job->partition.blocks[path->block[s] * k + s];
}

/* --- latency -----------------------------------------------------------------------
 */

/* The block alone, with an input of its first cut's shape. */
static tn_status block_model(tn_model **out, const tn_zoo *zoo, const tn__block *b,
                             tn_error *err)
{
    const tn__member *m = &zoo->members[b->member];
    const tn__cut *from = &m->cuts[b->first], *to = &m->cuts[b->last + 1];
    tn__splice splice = {0};
    int64_t dims[TN__MAX_RANK] = {-1};
    for (int a = 1; a < from->shape.rank; a++)
        dims[a] = from->shape.dims[a];
    tn_status status = tn__model_create(&splice.model, "block", err);
    if (status == TN_OK)
        status = tn__model_add_input(&splice.end, splice.model, "input", TN_F32,
                                     from->shape.rank, dims, err);
    if (status == TN_OK)
        status =
            tn__splice_append(&splice, m->model, from->value, to->value, "block.", err);
    if (status == TN_OK)
        status = tn__splice_model(out, &splice, err);
    tn__splice_release(&splice);
    return status;
}

static tn_status measure_latency(double *seconds, const tn_zoo *zoo, const tn__block *b,
                                 tn_error *err)
{
    tn_model *model = NULL;
    tn_status status = block_model(&model, zoo, b, err);
    if (status == TN_OK)
        status = tn_latency(seconds, model, 1, LATENCY_RUNS, err);
    tn_model_free(model);
    return status;
}

/* --- the program -------------------------------------------------------------------
 */

static bool fits_memory(const tn__assembly *job, const tn__cost *cost)
{
    uint64_t most = job->options->max_memory;
    return !most || cost->peak <= (int64_t)most;
}

static tn_status plan_block(tn__assembly *job, size_t stage, size_t i, double *per_mac,
                            tn_error *err)
{
    const tn__block *b = &job->partition.blocks[i * job->options->blocks + stage];
    const tn__block *anchor = &job->partition.blocks[job->partition.anchors[b->set]];
    tn__choice *to = &job->blocks[stage * job->program.width + i];
    tn__cost cost = {0};
    tn_status status =
        tn__member_cost(&cost, &job->zoo->members[b->member], b->first, b->last, err);
    if (status == TN_OK && job->options->max_latency > 0)
        status = measure_latency(&cost.latency, job->zoo, b, err);
    if (status != TN_OK)
        return status;
    *per_mac = fmax(*per_mac, cost.macs > 0 ? cost.latency / (double)cost.macs : 0);
    *to = (tn__choice){.legal = fits_memory(job, &cost),
                       .cost = {(double)cost.params, (double)cost.macs, cost.latency},
                       .set = b->set};
    if (job->options->objective == TN_OBJECTIVE_SIMILARITY)
        to->value = tn__block_similarity(&job->partitioning, b, anchor);
    return TN_OK;
}

static tn_status plan_stitch(tn__assembly *job, size_t stage, size_t i, size_t j,
                             double per_mac, tn_error *err)
{
    size_t k = job->options->blocks, n = job->program.width;
    const tn__block *b = &job->partition.blocks[i * k + stage];
    const tn__block *c = &job->partition.blocks[j * k + stage + 1];
    tn__choice *to = &job->stitches[(stage * n + i) * n + j];
    tn__cost cost = {0};
    bool legal = false;
    double residual = 0;
    tn_status status = tn__stitch_cost(&cost, &legal, job->zoo, b, c, err);
    if (status == TN_OK && legal && !tn__blocks_join(b, c))
        status = tn__zoo_features_residual(
            &residual, &job->features, job->features.offset[b->member] + b->last + 1,
            job->features.offset[c->member] + c->first, err);
    *to = (tn__choice){.legal = legal && fits_memory(job, &cost),
                       .cost = {(double)cost.params, (double)cost.macs,
                                fmax(per_mac * (double)cost.macs, 0)}};
    if (job->options->objective == TN_OBJECTIVE_RESIDUAL)
        to->value = log(fmax(1 - residual, EXPLAINED_MIN));
    return status;
}

static void set_budgets(tn__assembly *job)
{
    const tn_assemble_options *o = job->options;
    tn__program *p = &job->program;
    p->min[TN__PARAMS] = (double)o->min_params;
    p->min[TN__MACS] = (double)o->min_macs;
    p->max[TN__PARAMS] = o->max_params ? (double)o->max_params : HUGE_VAL;
    p->max[TN__MACS] = o->max_macs ? (double)o->max_macs : HUGE_VAL;
    p->max[TN__LATENCY] = o->max_latency > 0 ? o->max_latency : HUGE_VAL;
}

tn_status tn__assembly_plan(tn__assembly *job, tn_error *err)
{
    size_t k = job->options->blocks, n = job->zoo->count;
    double per_mac = 0;
    tn_status status = TN_OK;
    job->blocks = tn__alloc(k, n * sizeof *job->blocks);
    job->stitches = tn__alloc(k - 1, n * n * sizeof *job->stitches);
    if (!job->blocks || !job->stitches)
        return tn__fail_memory(err, k * n * n * sizeof *job->stitches);
    job->program = (tn__program){
        .stages = k, .width = n, .blocks = job->blocks, .stitches = job->stitches};
    set_budgets(job);
    for (size_t s = 0; s < k; s++)
        for (size_t i = 0; i < n && status == TN_OK; i++)
            status = plan_block(job, s, i, &per_mac, err);
    for (size_t s = 0; s + 1 < k; s++)
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n && status == TN_OK; j++)
                status = plan_stitch(job, s, i, j, per_mac, err);
    return status;
}

/* "params 350000, macs 55000000" of what a path costs. */
static void costs_text(char *text, size_t size, const double *cost, bool latency)
{
    int used = snprintf(text, size, "%.0f parameters and %.0f MACs", cost[TN__PARAMS],
                        cost[TN__MACS]);
    if (latency && used > 0 && (size_t)used < size)
        snprintf(text + used, size - (size_t)used, " in %.3g ms",
                 1e3 * cost[TN__LATENCY]);
}

static tn_status say_infeasible(const tn__assembly *job, tn_error *err)
{
    tn__path path;
    double excess = 0;
    char text[160];
    tn_status status = tn__program_nearest(&path, &excess, &job->program, err);
    if (status == TN_ERROR_MISMATCH && job->options->max_memory)
        return tn__fail(err, status,
                        "no blocks of the zoo can be chained within %llu bytes of "
                        "activations, whatever the other budgets",
                        (unsigned long long)job->options->max_memory);
    if (status != TN_OK)
        return status;
    costs_text(text, sizeof text, path.cost, job->options->max_latency > 0);
    return tn__fail(err, TN_ERROR_MISMATCH,
                    "no chain of blocks keeps the budgets; the nearest has %s, %.2f %% "
                    "beyond them",
                    text, 100 * excess);
}

tn_status tn__assembly_choose(tn__path *paths, size_t *count, size_t most,
                              const tn__assembly *job, tn_error *err)
{
    tn_status status = job->options->solver == TN_ASSEMBLE_CBC
                           ? tn__program_solve_cbc(paths, count, &job->program, err)
                           : tn__program_solve(paths, count, most, &job->program, err);
    if (status == TN_OK && *count == 0)
        status = say_infeasible(job, err);
    return status;
}

/* --- a chain given by name ---------------------------------------------------------
 */

/* Reads a whole number and the mark behind it. */
static bool read_number(size_t *out, const char **at, char mark)
{
    char *end = NULL;
    if (**at < '0' || **at > '9')
        return false;
    *out = (size_t)strtoull(*at, &end, 10);
    if (mark && *end != mark)
        return false;
    *at = end + (mark != 0);
    return true;
}

tn_status tn__chain_parse(tn__block *blocks, size_t *count, const tn_zoo *zoo,
                          const char *text, tn_error *err)
{
    const char *at = text;
    size_t k = 0;
    bool more = true;
    for (; more && k < TN__BLOCKS_MAX; k++) {
        tn__block b = {0};
        if (!read_number(&b.member, &at, ':') || !read_number(&b.first, &at, '-') ||
            !read_number(&b.last, &at, 0) || (*at && *at != ','))
            return tn__fail(err, TN_ERROR_ARGUMENT,
                            "path '%s': block %zu is not MEMBER:FIRST-LAST", text,
                            k + 1);
        if (b.member < 1 || b.member > zoo->count || b.first > b.last ||
            b.last >= zoo->members[b.member - 1].units)
            return tn__fail(
                err, TN_ERROR_ARGUMENT,
                "path '%s': block %zu is not in the zoo, whose member %zu "
                "has units 0 to %zu",
                text, k + 1, TN__MIN(b.member, zoo->count),
                zoo->members[TN__MIN(TN__MAX(b.member, 1), zoo->count) - 1].units - 1);
        b.member--;
        blocks[k] = b;
        more = *at == ',';
        at += more;
    }
    if (more)
        return tn__fail(err, TN_ERROR_ARGUMENT, "path '%s' has more than %d blocks",
                        text, TN__BLOCKS_MAX);
    if (blocks[0].first != 0 ||
        blocks[k - 1].last + 1 != zoo->members[blocks[k - 1].member].units)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "path '%s' does not lead from an input to an output", text);
    *count = k;
    return TN_OK;
}
