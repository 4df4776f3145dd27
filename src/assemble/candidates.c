/* candidates.c - chains stitched, judged, and audited.
 *
 * The shortlist comes from sums over blocks and stitches; what a chain is really worth
 * is told by stitching it and looking at images kept apart. An audit lets every proxy
 * judge random chains too, beside what a short tuning of the stitches gives.
 */
#include <math.h>
#include <string.h>

#include "assemble/job.h"
#include "assemble/proxies.h"
#include "base/rng.h"
#include "data/dataset.h"

#define TRIES 100000      /* random chains drawn in search of such within the budgets */
#define AUDIT_STREAM 7    /* of the seed */
#define NASWOT_IMAGES 320 /* five batches of 64, as the paper's five of 32 */

static double value_of(const tn__assembly *job, const tn__block *blocks, size_t count)
{
    double sum = 0;
    for (size_t k = 0; k < count && job->partition.blocks; k++) {
        size_t anchor = job->partition.anchors[blocks[k].set];
        sum += tn__block_similarity(&job->partitioning, &blocks[k],
                                    &job->partition.blocks[anchor]);
    }
    return sum;
}

tn__stitching tn__assembly_stitching(const tn__assembly *job, const tn__block *blocks,
                                     size_t count)
{
    const tn_assemble_options *o = job->options;
    return (tn__stitching){.zoo = job->zoo,
                           .blocks = blocks,
                           .count = count,
                           .images = job->images,
                           .labels = job->labels,
                           .n = TN__MIN(o->calibration, job->fitted),
                           .ridge = o->ridge,
                           .random = o->random_stitches,
                           .norms = o->norms,
                           .head = o->head,
                           .seed = o->seed,
                           .workers = job->workers};
}

tn_status tn__chain_try(tn_model **out, double *residual, tn_assemble_chain *chain,
                        const tn__assembly *job, const tn__block *blocks, size_t count,
                        tn_error *err)
{
    tn_assemble_chain made = {
        .tuned = (double)NAN, .naswot = (double)NAN, .naswot_per_unit = (double)NAN};
    tn__stitching how = tn__assembly_stitching(job, blocks, count);
    tn__cost cost = {0};
    tn_status status = tn__chain_cost(&cost, NULL, job->zoo, blocks, count, err);
    if (status == TN_OK)
        status = tn__stitch_chain(out, residual, &how, err);
    if (status == TN_OK)
        status = tn__accuracy(&made.stitched, &made.loss, *out,
                              job->images + job->fitted * job->input,
                              job->labels + job->fitted, job->kept, job->workers, err);
    if (status != TN_OK)
        return status;
    made.params = (uint64_t)cost.params;
    made.macs = (uint64_t)cost.macs;
    made.similarity = value_of(job, blocks, count);
    for (size_t k = 0; k < count; k++) {
        made.member[k] = blocks[k].member;
        made.first[k] = blocks[k].first;
        made.last[k] = blocks[k].last;
        if (k + 1 < count)
            made.residual += log(fmax(1 - residual[k], 1e-3));
    }
    *chain = made;
    return TN_OK;
}

tn_status tn__candidates_try(tn_model **out, size_t *best, tn__assembly *job,
                             const tn__path *paths, size_t count, tn_error *err)
{
    tn__block blocks[TN__BLOCKS_MAX];
    double residual[TN__BLOCKS_MAX] = {0}, most = -1, least = HUGE_VAL;
    tn_status status = TN_OK;
    for (size_t c = 0; c < count && status == TN_OK; c++) {
        tn_model *made = NULL;
        tn_assemble_chain *chain = &job->report.chains[job->report.chain_count];
        tn_progress progress = {.stage = "stitching",
                                .done = (double)c,
                                .total = (double)count,
                                .unit = "chains",
                                .loss = (double)NAN,
                                .accuracy = (double)NAN};
        tn__path_blocks(blocks, job, &paths[c]);
        status = tn__report(job->observer, &progress, err);
        if (status == TN_OK)
            status = tn__chain_try(&made, residual, chain, job, blocks,
                                   job->options->blocks, err);
        if (status != TN_OK)
            break;
        job->report.chain_count++;
        if (chain->stitched > most ||
            (chain->stitched >= most && chain->loss < least)) {
            most = chain->stitched;
            least = chain->loss;
            *best = c;
            tn_model_free(*out);
            *out = made;
            memcpy(job->report.residual, residual, sizeof job->report.residual);
        } else {
            tn_model_free(made);
        }
    }
    return status;
}

/* --- audit -------------------------------------------------------------------------
 */

static bool is_legal(const tn__program *p, const tn__path *path)
{
    unsigned used = 0;
    bool legal = true;
    for (size_t s = 0; s < p->stages; s++) {
        const tn__choice *b = &p->blocks[s * p->width + path->block[s]];
        legal = legal && b->legal && !(used >> b->set & 1);
        used |= 1U << b->set;
        if (s + 1 < p->stages)
            legal = legal && p->stitches[(s * p->width + path->block[s]) * p->width +
                                         path->block[s + 1]]
                                 .legal;
    }
    for (size_t r = 0; r < TN__RESOURCES; r++)
        legal = legal && path->cost[r] <= p->max[r] && path->cost[r] >= p->min[r];
    return legal;
}

static bool is_new(const tn__path *path, const tn__path *others, size_t count, size_t k)
{
    for (size_t i = 0; i < count; i++)
        if (!memcmp(path->block, others[i].block, k * sizeof *path->block))
            return false;
    return true;
}

/* Different chains within the budgets, drawn evenly; fewer where there are no more. */
static size_t draw_paths(tn__path *paths, size_t wanted, const tn__assembly *job)
{
    const tn__program *p = &job->program;
    size_t count = 0;
    tn__rng rng;
    tn__rng_seed(&rng, job->options->seed, AUDIT_STREAM);
    for (size_t t = 0; t < TRIES && count < wanted; t++) {
        tn__path path = {0};
        for (size_t s = 0; s < p->stages; s++)
            path.block[s] = tn__rng_below(&rng, p->width);
        tn__path_add_up(&path, p);
        if (is_legal(p, &path) && is_new(&path, paths, count, p->stages))
            paths[count++] = path;
    }
    return count;
}

/* What takes longer than stitching: NASWOT, and an epoch on the stitches. */
static tn_status judge(tn_assemble_chain *chain, const tn_model *model,
                       const tn__assembly *job, const tn__block *blocks, tn_error *err)
{
    tn_model *tuned = NULL;
    tn_dataset seen = *job->data; /* the images to learn from, and no others */
    tn_assemble_options options = *job->options;
    tn__assembly alike = *job;
    tn__tuning how = {
        .job = &alike, .blocks = blocks, .count = options.blocks, .data = &seen};
    seen.count = job->fitted;
    options.tune = TN_TUNE_STITCHES;
    options.train.epochs = 1;
    options.train.warmup_epochs = 0;
    alike.options = &options;
    tn_status status =
        tn__naswot(&chain->naswot, &chain->naswot_per_unit, model, job->images,
                   TN__MIN(job->fitted, NASWOT_IMAGES), job->workers, err);
    if (status == TN_OK)
        status = tn__tune(&tuned, model, &how, err);
    if (status == TN_OK)
        status = tn__accuracy(&chain->tuned, NULL, tuned,
                              job->images + job->fitted * job->input,
                              job->labels + job->fitted, job->kept, job->workers, err);
    tn_model_free(tuned);
    return status;
}

tn_status tn__audit(tn__assembly *job, const tn__path *paths, size_t count,
                    tn_error *err)
{
    tn__block blocks[TN__BLOCKS_MAX];
    double residual[TN__BLOCKS_MAX];
    size_t wanted = job->options->audit, made = 0;
    tn__path *all = tn__alloc(count + wanted, sizeof *all);
    if (!all)
        return tn__fail_memory(err, (count + wanted) * sizeof *all);
    memcpy(all, paths, count * sizeof *all);
    made = draw_paths(all + count, wanted, job);
    tn_status status = TN_OK;
    for (size_t c = 0; c < count + made && status == TN_OK; c++) {
        tn_model *model = NULL;
        tn_assemble_chain *chain = &job->report.chains[c];
        tn__path_blocks(blocks, job, &all[c]);
        status = tn__chain_try(&model, residual, chain, job, blocks,
                               job->options->blocks, err);
        chain->random = c >= count;
        if (status == TN_OK)
            status = judge(chain, model, job, blocks, err);
        tn_model_free(model);
        if (status == TN_OK)
            tn__log(job->observer, 1,
                    "chain %zu of %zu: %.2f %% stitched, %.2f %% tuned", c + 1,
                    count + made, 100 * chain->stitched, 100 * chain->tuned);
    }
    if (status == TN_OK)
        job->report.chain_count = count + made;
    tn__free(all);
    return status;
}
