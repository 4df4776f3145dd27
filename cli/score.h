/* score.h - the before and after table: one row for each network that a job saw or
 * made. */
#ifndef TENON_CLI_SCORE_H
#define TENON_CLI_SCORE_H

#include <cjson/cJSON.h>

#include "command.h"
#include "tenon/eval.h"

struct cli_score {
    const char *label; /* of the row; borrowed */
    const char *file;  /* "file" of JSON, or NULL; borrowed */
    bool evaluated;    /* `eval` is there */
    tn_eval_report eval;
    bool measured; /* the following three are there */
    uint64_t parameters, macs;
    double latency; /* seconds a batch of one takes; NaN where not measured */
    double seconds; /* that making it took; NaN where it was given */
};

/* An empty row. */
struct cli_score cli_score_named(const char *label, const char *file);

/* Empty rows of model files: labels without folders where that keeps them apart. */
void cli_score_name_files(struct cli_score *scores, char *const *files, size_t count);

/* Fills parameters, MACs and, where asked, latency of scores[0..count). */
tn_status cli_score_measure(struct cli_score *scores, const tn_model *const *models,
                            size_t count, bool latency, tn_error *err);

/* Evaluates models[0..count) into scores[0..count), and into *ensemble their prediction
 * ensemble; ensemble may be NULL. */
tn_status cli_score_evaluate(struct cli_score *scores, struct cli_score *ensemble,
                             const tn_model *const *models, size_t count,
                             const tn_dataset *data, const struct cli_args *args,
                             const tn_observer *observer, tn_error *err);

/* The costs of running all of scores[0..count), which is what their ensemble costs. */
void cli_score_sum(struct cli_score *sum, const struct cli_score *scores, size_t count);

/* Prints the rows; columns that no row fills are left out. */
void cli_score_print(const struct cli_score *scores, size_t count);

/* {"file", "accuracy", "loss", "calibration_error", "images", "params", "macs",
 * "latency", "seconds"}; what a row does not have is left out. */
cJSON *cli_score_json(const struct cli_score *score);
cJSON *cli_scores_json(const struct cli_score *scores, size_t count);

/* Prints an object on one line of stdout and frees it; CLI_FAILED when out of memory.
 */
int cli_json_print(cJSON *json);

#endif
