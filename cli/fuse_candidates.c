/* fuse_candidates.c - see fuse_candidates.h. */
#include "fuse_candidates.h"

#include <math.h>
#include <stdio.h>

#include "message.h"
#include "table.h"

cJSON *cli_fuse_candidates_json(const tn_fuse_report *report, size_t models)
{
    if (!report->candidates)
        return cJSON_CreateNull();
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < report->candidate_count + models; i++) {
        const tn_fuse_candidate *at = &report->candidates[i];
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "name", at->name);
        cJSON_AddNumberToObject(item, "agreement", at->agreement);
        cJSON_AddNumberToObject(item, "divergence", at->divergence);
        cJSON_AddNumberToObject(item, "seconds", at->seconds);
        cJSON_AddBoolToObject(item, "chosen", i == report->chosen);
        cJSON_AddItemToArray(list, item);
    }
    return list;
}

/* Standard error of a share of n images. */
static double standard_error(double share, size_t n)
{
    return n > 0 ? sqrt(share * (1 - share) / (double)n) : 0;
}

void cli_fuse_candidates_print(const tn_fuse_report *report, size_t models,
                               const struct cli_args *args)
{
    static const char *const titles[] = {"tried",      "agreement", "error",
                                         "divergence", "seconds",   ""};
    struct cli_table table;
    char text[CLI_NUMBER_TEXT];
    double most = 0;
    if (!report->candidates)
        return;
    printf("\nagreement with the prediction ensemble on %zu images kept aside\n\n",
           report->held_out);
    cli_table_init(&table, CLI_COUNT(titles), 1);
    for (size_t i = 0; i < CLI_COUNT(titles); i++)
        cli_table_add(&table, titles[i]);
    for (size_t i = 0; i < report->candidate_count + models; i++) {
        const tn_fuse_candidate *at = &report->candidates[i];
        bool parent = i >= report->candidate_count;
        if (parent && at->agreement > most)
            most = at->agreement;
        cli_table_add(&table, at->name);
        cli_table_add(&table, cli_text_percent(text, at->agreement));
        cli_table_add(&table, cli_text_percent(text, standard_error(at->agreement,
                                                                    report->held_out)));
        cli_table_add(&table, cli_text_short(text, at->divergence));
        cli_table_add(&table, parent ? NULL : cli_text_short(text, at->seconds));
        cli_table_add(&table, i == report->chosen ? "chosen" : "");
    }
    cli_table_print(&table);
    cli_table_release(&table);
    if (report->candidates[report->chosen].agreement < most)
        cli_note(args, "a model alone agrees better with the ensemble than what was "
                       "fused");
}
