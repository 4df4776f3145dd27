/* partition_zoo.c - features, similarity and partition of the zoo at hand. */
#include <math.h>

#include "assemble/job.h"

#define SAMPLED 256      /* images whose rows serve regression */
#define EPS_USUAL 0.2    /* Yang et al. 2022, section 4.1 */
#define PROOF_LIMIT 3000 /* choices of anchors */

tn_status tn__assembly_features(tn__assembly *job, tn_error *err)
{
    const tn_assemble_options *o = job->options;
    tn__probe probe = {.images = job->images,
                       .n = TN__MIN(o->samples, job->fitted),
                       .sampled = SAMPLED,
                       .pooled = o->pooled,
                       .rbf = o->similarity == TN_CUT_SIMILARITY_RBF,
                       .workers = job->workers,
                       .cluster = o->cluster,
                       .cache = o->cache,
                       .describe = tn_dataset_spec(job->data)};
    double begun = tn__seconds();
    tn_status status = tn__zoo_features_create(&job->features, job->zoo, &probe, err);
    job->report.seconds.features = tn__seconds() - begun;
    job->report.features_cached = job->features.cached;
    tn__log(job->observer, 2, "features of %zu cuts on %zu images", job->features.cuts,
            probe.n);
    return status;
}

static tn_status measure_similarity(tn__assembly *job, tn_error *err)
{
    double begun = tn__seconds();
    tn_status status =
        job->options->similarity == TN_CUT_SIMILARITY_REGRESSION
            ? tn__zoo_features_regression(&job->similarity, &job->features,
                                          job->workers, err)
            : tn__zoo_features_cka(&job->similarity, &job->features, err);
    job->report.seconds.features += tn__seconds() - begun;
    return status;
}

static tn_status measure_sizes(tn__assembly *job, tn_error *err)
{
    size_t n = job->zoo->count;
    tn_status status = TN_OK;
    job->sizes = tn__alloc(n, sizeof *job->sizes);
    job->units = tn__alloc(n, sizeof *job->units);
    if (!job->sizes || !job->units)
        return tn__fail_memory(err, n * sizeof *job->sizes);
    for (size_t i = 0; i < n && status == TN_OK; i++) {
        const tn__member *m = &job->zoo->members[i];
        job->units[i] = m->units;
        job->sizes[i] = tn__alloc(m->units, sizeof **job->sizes);
        if (!job->sizes[i])
            return tn__fail_memory(err, m->units * sizeof **job->sizes);
        for (size_t u = 0; u < m->units && status == TN_OK; u++) {
            tn__cost cost = {0};
            status = tn__member_cost(&cost, m, u, u, err);
            job->sizes[i][u] = 1;
            if (job->options->size == TN_BLOCK_SIZE_MACS)
                job->sizes[i][u] = (double)cost.macs;
            else if (job->options->size == TN_BLOCK_SIZE_PARAMS)
                job->sizes[i][u] = (double)cost.params;
        }
    }
    return status;
}

static void report_partition(tn__assembly *job)
{
    tn_assemble_report *r = &job->report;
    for (size_t b = 0; b < r->block_count; b++) {
        const tn__block *from = &job->partition.blocks[b];
        r->blocks[b] = (tn_assemble_block){from->member, from->first, from->last,
                                           from->set, false};
    }
    r->objective = job->partition.objective;
    r->mean_objective = job->partition.mean;
    r->eps = job->partitioning.eps;
    r->restarts = job->partitioning.restarts;
    r->proven = job->partition.proven;
}

tn_status tn__assembly_partition(tn__assembly *job, tn_error *err)
{
    const tn_assemble_options *o = job->options;
    double least = 0, begun;
    tn_status status = measure_similarity(job, err);
    if (status == TN_OK)
        status = measure_sizes(job, err);
    if (status != TN_OK)
        return status;
    begun = tn__seconds();
    job->partitioning = (tn__partitioning){.members = job->zoo->count,
                                           .blocks = o->blocks,
                                           .units = job->units,
                                           .size = (const double *const *)job->sizes,
                                           .offset = job->features.offset,
                                           .similarity = job->similarity,
                                           .cuts = job->features.cuts,
                                           .eps = o->eps,
                                           .restarts = o->restarts,
                                           .proof_limit = PROOF_LIMIT,
                                           .seed = o->seed};
    if (o->eps < 0) {
        status = tn__partition_least_eps(&least, &job->partitioning, err);
        job->partitioning.eps = fmax(EPS_USUAL, ceil(least * 1e4) / 1e4);
    }
    if (status == TN_OK && job->partitioning.eps > EPS_USUAL && o->eps < 0)
        tn__log(job->observer, 1,
                "blocks of like size within %.0f %% are not possible; within %.0f %% "
                "they are",
                100 * EPS_USUAL, 100 * job->partitioning.eps);
    if (status == TN_OK)
        status = tn__partition_solve(&job->partition, &job->partitioning, err);
    if (status != TN_OK)
        return status;
    job->report.block_count = job->zoo->count * o->blocks;
    job->report.blocks = tn__alloc(job->report.block_count, sizeof *job->report.blocks);
    if (!job->report.blocks)
        return tn__fail_memory(err, job->report.block_count * sizeof(tn__block));
    report_partition(job);
    job->report.seconds.partition = tn__seconds() - begun;
    return TN_OK;
}
