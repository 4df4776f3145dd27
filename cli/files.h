/* files.h - what a command reads and writes: model files, data sets, the output. */
#ifndef TENON_CLI_FILES_H
#define TENON_CLI_FILES_H

#include <stdio.h>

#include "command.h"
#include "tenon/data.h"
#include "tenon/model.h"

/* Loads operands[0..count) with --arch and --graph; models [count] are owned by the
 * caller, all or none are set. */
tn_status cli_models_load(tn_model **models, const struct cli_args *args, size_t count,
                          tn_error *err);
/* Whether a name ends as those of models do that Tenon reads. */
bool cli_is_model_file(const char *path);
void cli_models_free(tn_model **models, size_t count);

/* What can be said of --output before the work: TN_ERROR_EXISTS where it is there and
 * --force is not given, _ARGUMENT (ending), _IO (no such folder, not writable).
 * `endings` are those that are known, ends at NULL. */
tn_status cli_output_check(const struct cli_args *args, const char *path,
                           const char *const *endings, tn_error *err);
extern const char *const cli_model_endings[];

/* A file of that name which appears whole or not at all: `fill` writes what is in it
 * and says whether all went well. TN_ERROR_IO, _EXISTS (unless `replace`). */
typedef bool cli_fill(FILE *file, const void *user);
tn_status cli_file_write(const char *path, bool replace, cli_fill *fill,
                         const void *user, tn_error *err);

/* Writes `model` to `path` with how it was made from inputs[0..count). */
tn_status cli_model_write(tn_model *model, const struct cli_args *args,
                          const char *path, const tn_model *const *inputs, size_t count,
                          tn_error *err);

/* Opens the data of the before and after table: --eval-data, else --data with
 * split=test; *out is NULL where neither is given. */
tn_status cli_eval_data_open(tn_dataset **out, const struct cli_args *args,
                             tn_error *err);

#endif
