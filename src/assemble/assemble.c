/* assemble.c - tn_assemble(): features, partition, program, stitches, tuning. */
#include <math.h>
#include <string.h>

#include "assemble/job.h"

#define KEPT_MAX 500

void tn_assemble_report_release(tn_assemble_report *report)
{
    if (!report)
        return;
    tn__free(report->blocks);
    tn__free(report->chains);
    *report = (tn_assemble_report){0};
}

static void release(tn__assembly *job)
{
    for (size_t i = 0; job->sizes && i < job->zoo->count; i++)
        tn__free(job->sizes[i]);
    tn__free(job->sizes);
    tn__free(job->units);
    tn__free(job->images);
    tn__free(job->labels);
    tn__free(job->similarity);
    tn__free(job->blocks);
    tn__free(job->stitches);
    tn__zoo_features_release(&job->features);
    tn__partition_release(&job->partition);
    tn__workers_free(job->workers);
    tn_assemble_report_release(&job->report);
}

static tn_status check_options(const tn_assemble_options *o, tn_error *err)
{
    if (o->blocks < 2 || o->blocks > TN__BLOCKS_MAX)
        return tn__fail(err, TN_ERROR_ARGUMENT, "blocks = %zu, expected 2 to %d",
                        o->blocks, TN__BLOCKS_MAX);
    if (!o->samples || !o->calibration || !o->restarts || !o->candidates)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "samples, calibration, restarts and candidates must be at "
                        "least 1");
    if (!(o->ridge >= 0) || !isfinite(o->ridge))
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "ridge = %g, expected a number of at least 0", o->ridge);
    if ((o->max_params && o->min_params > o->max_params) ||
        (o->max_macs && o->min_macs > o->max_macs))
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "a lower budget is above the upper one");
    return TN_OK;
}

/* The first images are learned from, those behind them judge. */
static tn_status read_images(tn__assembly *job, tn_error *err)
{
    const tn_assemble_options *o = job->options;
    size_t total = tn_dataset_count(job->data);
    int64_t dims[3];
    tn_dataset_shape(dims, job->data);
    job->input = (size_t)(dims[0] * dims[1] * dims[2]);
    job->kept = TN__MIN(KEPT_MAX, total / 5);
    job->fitted = TN__MIN(TN__MAX(o->samples, o->calibration), total - job->kept);
    if (job->kept == 0)
        return tn__fail(err, TN_ERROR_MISMATCH, "%zu images are too few to assemble by",
                        total);
    size_t n = job->fitted + job->kept;
    job->images = tn__alloc(n, job->input * sizeof *job->images);
    job->labels = tn__alloc(n, sizeof *job->labels);
    if (!job->images || !job->labels)
        return tn__fail_memory(err, n * job->input * sizeof *job->images);
    return tn_dataset_read(job->images, job->labels, job->data, NULL, 0, n, err);
}

static tn_status set_up(tn__assembly *job, tn_error *err)
{
    tn_status status = check_options(job->options, err);
    if (status == TN_OK)
        status = tn__zoo_prepare(job->zoo, job->data, err);
    if (status == TN_OK)
        status = read_images(job, err);
    if (status == TN_OK)
        status = tn__workers_create(&job->workers, job->options->threads, err);
    size_t chains = job->options->candidates + job->options->audit;
    if (status == TN_OK) {
        job->report.chains = tn__alloc(chains, sizeof *job->report.chains);
        if (!job->report.chains)
            status = tn__fail_memory(err, chains * sizeof *job->report.chains);
    }
    return status;
}

/* The blocks as they were chosen, and what they cost. */
static tn_status report_chain(tn__assembly *job, const tn__block *blocks, size_t count,
                              tn_error *err)
{
    tn_assemble_report *r = &job->report;
    tn__cost cost = {0}, stitches[TN__BLOCKS_MAX] = {{0}};
    tn_status status = tn__chain_cost(&cost, stitches, job->zoo, blocks, count, err);
    if (status != TN_OK)
        return status;
    r->chain_length = count;
    r->params = (uint64_t)cost.params;
    r->macs = (uint64_t)cost.macs;
    r->memory = (uint64_t)cost.peak;
    for (size_t k = 0; k < count; k++) {
        const tn__block *b = &blocks[k];
        r->chain[k] = (tn_assemble_block){b->member, b->first, b->last, b->set, true};
        r->stitch_params[k] = (uint64_t)TN__MAX(stitches[k].params, 0);
        for (size_t p = 0; p < r->block_count; p++)
            r->blocks[p].chosen =
                r->blocks[p].chosen ||
                (r->blocks[p].member == b->member && r->blocks[p].first == b->first &&
                 r->blocks[p].last == b->last);
    }
    return TN_OK;
}

static tn_status assemble_given(tn_model **out, tn__assembly *job, tn__block *blocks,
                                size_t *count, tn_error *err)
{
    tn_status status =
        tn__chain_parse(blocks, count, job->zoo, job->options->path, err);
    double begun = tn__seconds();
    if (status == TN_OK)
        status = tn__chain_try(out, job->report.residual, &job->report.chains[0], job,
                               blocks, *count, err);
    job->report.chain_count = 1;
    job->report.seconds.stitching = tn__seconds() - begun;
    return status;
}

static tn_status assemble_best(tn_model **out, tn__assembly *job, tn__block *blocks,
                               size_t *count, tn_error *err)
{
    const tn_assemble_options *o = job->options;
    size_t found = 0, best = 0;
    tn__path *paths = tn__alloc(o->candidates, sizeof *paths);
    tn_status status =
        paths ? TN_OK : tn__fail_memory(err, o->candidates * sizeof *paths);
    if (status == TN_OK)
        status = tn__assembly_partition(job, err);
    double begun = tn__seconds();
    if (status == TN_OK)
        status = tn__assembly_plan(job, err);
    if (status == TN_OK)
        status = tn__assembly_choose(paths, &found, o->candidates, job, err);
    job->report.seconds.program = tn__seconds() - begun;
    begun = tn__seconds();
    if (status == TN_OK)
        status = tn__candidates_try(out, &best, job, paths, found, err);
    if (status == TN_OK && o->audit > 0)
        status = tn__audit(job, paths, found, err);
    job->report.seconds.stitching = tn__seconds() - begun;
    if (status == TN_OK) {
        *count = o->blocks;
        tn__path_blocks(blocks, job, &paths[best]);
    }
    tn__free(paths);
    return status;
}

/* Tunes *made where asked for; *before is then the network as it was. */
static tn_status finish(tn_model **made, tn_model **before, tn__assembly *job,
                        const tn__block *blocks, size_t count, tn_error *err)
{
    tn_model *tuned = NULL;
    double begun = tn__seconds();
    tn__tuning how = {.job = job,
                      .blocks = blocks,
                      .count = count,
                      .data = job->data,
                      .observer = job->observer,
                      .report = &job->report.train};
    if (job->options->tune == TN_TUNE_NONE)
        return TN_OK;
    tn_status status = tn__tune(&tuned, *made, &how, err);
    if (status == TN_OK)
        status = tn__origin_set(tuned, job->zoo, blocks, count, err);
    if (status != TN_OK) {
        tn_model_free(tuned);
        return status;
    }
    *before = *made;
    *made = tuned;
    job->report.seconds.tuning = tn__seconds() - begun;
    return TN_OK;
}

/* What one process does, the first where there are several. */
static tn_status assemble(tn_model **made, tn_model **before, tn__assembly *job,
                          tn_error *err)
{
    tn__block blocks[TN__BLOCKS_MAX];
    size_t count = 0;
    tn_status status = job->options->path
                           ? assemble_given(made, job, blocks, &count, err)
                           : assemble_best(made, job, blocks, &count, err);
    if (status == TN_OK)
        status = report_chain(job, blocks, count, err);
    if (status == TN_OK)
        status = tn__origin_set(*made, job->zoo, blocks, count, err);
    return status == TN_OK ? finish(made, before, job, blocks, count, err) : status;
}

tn_status tn_assemble(tn_model **out, tn_model **stitched, tn_assemble_report *report,
                      tn_zoo *zoo, const tn_dataset *data,
                      const tn_assemble_options *options, const tn_observer *observer,
                      tn_error *err)
{
    static const tn_assemble_options usual = TN_ASSEMBLE_OPTIONS_INIT;
    tn__assembly job = {.zoo = zoo,
                        .data = data,
                        .options = options ? options : &usual,
                        .observer = observer};
    const tn_cluster *cluster = job.options->cluster;
    bool root = tn__cluster_rank(cluster) == 0;
    tn_model *made = NULL, *before = NULL;
    tn_status status = tn_cluster_agree(cluster, set_up(&job, err), err);
    if (status == TN_OK && !job.options->path)
        status = tn__assembly_features(&job, err);
    if (status == TN_OK && root)
        status = assemble(&made, &before, &job, err);
    if (status == TN_OK && root) {
        *out = made;
        made = NULL;
        if (stitched) {
            *stitched = before;
            before = NULL;
        }
        if (report) {
            *report = job.report;
            job.report = (tn_assemble_report){0};
        }
    }
    tn_model_free(made);
    tn_model_free(before);
    release(&job);
    return status;
}
