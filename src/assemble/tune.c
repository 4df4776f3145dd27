/* tune.c - gradient steps on an assembled network: stitches and last layer, or all.
 *
 * A stitch that was multiplied into the layer behind it could not be told from that
 * layer, so the chain is stitched once more with the stitches apart where it has such,
 * and they are multiplied in afterwards. Training moves the running statistics of every
 * batch norm, by a few hundred images' worth at the end: those of layers that were not
 * tuned are put back, the others re-estimated on all images.
 */
#include <stdio.h>
#include <string.h>

#include "assemble/job.h"
#include "fuse/recalibrate.h"

/* Adds "NAME," to *list. */
static tn_status add_word(char **list, const char *word, tn_error *err)
{
    char *longer = tn__format("%s%s,", *list ? *list : "", word);
    if (!longer)
        return tn__fail_memory(err, strlen(word));
    tn__free(*list);
    *list = longer;
    return TN_OK;
}

/* The names of stitches and of what the last layer has, comma-separated, owned. */
static tn_status name_tuned(char **out, const tn_model *model, tn_error *err)
{
    char *list = NULL;
    tn_status status = add_word(&list, TN__STITCH_NAME, err);
    for (size_t n = 0; n < model->node_count && status == TN_OK; n++) {
        const tn__node *node = &model->nodes[n];
        if (node->outputs[0] != model->outputs[0])
            continue;
        for (size_t k = 1; k < node->input_count && status == TN_OK; k++)
            if (node->inputs[k] != TN__NONE)
                status = add_word(&list, model->values[node->inputs[k]].name, err);
    }
    if (status == TN_OK)
        *out = list;
    else
        tn__free(list);
    return status;
}

/* Nodes before the first stitch; all where there is none. */
static size_t count_untouched(const tn_model *model)
{
    size_t n = 0;
    for (; n < model->node_count; n++)
        if (!strncmp(model->values[model->nodes[n].outputs[0]].name, TN__STITCH_NAME,
                     strlen(TN__STITCH_NAME)))
            break;
    return n;
}

/* The members that the chain has blocks of, each once. [count of blocks] */
static size_t gather_members(const tn_model **members, const tn__tuning *how)
{
    size_t found = 0;
    for (size_t k = 0; k < how->count; k++) {
        const tn_model *model = how->job->zoo->members[how->blocks[k].member].model;
        bool known = false;
        for (size_t i = 0; i < found; i++)
            known = known || members[i] == model;
        if (!known)
            members[found++] = model;
    }
    return found;
}

static tn_status train(tn_model **out, const tn_model *start, const tn__tuning *how,
                       tn_error *err)
{
    const tn_assemble_options *o = how->job->options;
    const tn_model *members[TN__BLOCKS_MAX];
    tn_teachers teachers = TN_TEACHERS_INIT;
    tn_train_options options = o->train;
    char *only = NULL;
    tn_status status = TN_OK;
    options.seed = o->seed;
    options.threads = o->threads;
    if (o->tune != TN_TUNE_ALL)
        status = name_tuned(&only, start, err);
    options.only = only;
    teachers.models = members;
    teachers.count = gather_members(members, how);
    teachers.weight = 1;
    if (status == TN_OK && o->teacher == TN_TEACHER_MEMBERS)
        status = tn_distill(out, how->report, start, &teachers, how->data, &options,
                            how->observer, err);
    else if (status == TN_OK)
        status =
            tn_train(out, how->report, start, how->data, &options, how->observer, err);
    tn__free(only);
    return status;
}

/* The images of how->data that are at hand serve batch norms. */
static tn_status renew_norms(tn_model *model, const tn_model *before,
                             const tn__tuning *how, tn_error *err)
{
    const tn__assembly *job = how->job;
    bool all = job->options->tune == TN_TUNE_ALL;
    size_t at_hand = TN__MIN(job->fitted + job->kept, tn_dataset_count(how->data));
    tn__recalibration recalibration = {.norms = job->options->norms,
                                       .workers = job->workers,
                                       .images = job->images,
                                       .n = at_hand};
    size_t layers = 0;
    tn_status status = TN_OK;
    if (recalibration.norms)
        status = tn__recalibrate(model, &layers, &recalibration, err);
    if (status == TN_OK && !all)
        tn__norms_restore(model, before, count_untouched(before));
    return status;
}

tn_status tn__tune(tn_model **out, const tn_model *model, const tn__tuning *how,
                   tn_error *err)
{
    tn_model *apart = NULL, *tuned = NULL;
    unsigned folds = 0;
    const tn__assembly *job = how->job;
    tn__stitching stitching = tn__assembly_stitching(job, how->blocks, how->count);
    tn_status status = tn__chain_folds(&folds, job->zoo, how->blocks, how->count, err);
    stitching.apart = true;
    if (status == TN_OK && folds)
        status = tn__stitch_chain(&apart, NULL, &stitching, err);
    const tn_model *start = apart ? apart : model;
    if (status == TN_OK)
        status = train(&tuned, start, how, err);
    if (status == TN_OK)
        status = renew_norms(tuned, start, how, err);
    if (status == TN_OK)
        status = tn__stitches_fold(tuned, folds, err);
    if (status == TN_OK)
        *out = tuned;
    else
        tn_model_free(tuned);
    tn_model_free(apart);
    return status;
}
