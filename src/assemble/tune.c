/* tune.c - gradient steps on an assembled network: stitches and last layer, or all. */
#include <stdio.h>
#include <string.h>

#include "assemble/job.h"

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

tn_status tn__tune_only(char **out, const tn_model *model, tn_error *err)
{
    char *list = NULL;
    tn_status status = add_word(&list, "stitch", err);
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

tn_status tn__tune(tn_model **out, tn_train_report *report, const tn_model *model,
                   const tn_dataset *data, const tn_assemble_options *options,
                   const tn_observer *observer, tn_error *err)
{
    char *only = NULL;
    tn_train_options train = options->train;
    tn_status status = TN_OK;
    train.seed = options->seed;
    train.threads = options->threads;
    if (options->tune != TN_TUNE_ALL)
        status = tn__tune_only(&only, model, err);
    train.only = only;
    if (status == TN_OK)
        status = tn_train(out, report, model, data, &train, observer, err);
    tn__free(only);
    return status;
}
