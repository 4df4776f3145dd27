/* recipe.h - a job written down: what `tenon run` reads and `tenon inspect --recipe`
 * writes.
 *
 *     job: fuse
 *     inputs:                  # operands; a list of names will do
 *       - file: a.pth
 *         sha256: 57a1...      # checked where it is there
 *       - b.pth
 *     data: cifar10:data
 *     seed: 1
 *     output: fused.onnx
 *     options:                 # by their long names, as on the command line
 *       arch: resnet20
 *       support: activations
 *
 * All is checked against the table of the job's options; what is wrong is told as
 * FILE:LINE:COLUMN.
 */
#ifndef TENON_CLI_RECIPE_H
#define TENON_CLI_RECIPE_H

#include <cjson/cJSON.h>

#include "command.h"
#include "tenon/error.h"

struct cli_kept {
    struct cli_kept *next;
    char text[];
};

struct cli_recipe {
    const struct cli_command *command;
    void *args;      /* of the command, filled; begins with struct cli_args */
    char **operands; /* [count] */
    char **sha256;   /* [count], NULL where not said */
    size_t count;
    char *version;         /* of Tenon, that it was written for; or NULL */
    struct cli_kept *kept; /* texts that all this borrows */
};

/* Reads a recipe; what is not set has its default. `output` (or NULL) goes before the
 * recipe's own. Prints one line and returns CLI_FAILED where it is wrong. */
int cli_recipe_read(struct cli_recipe *out, const char *path, const char *output);
void cli_recipe_release(struct cli_recipe *recipe);

/* The option that names the file which a command writes, or NULL. */
const struct cli_option *cli_recipe_output(const struct cli_command *command);

/* Prints the recipe that makes again what `made` (as cli_provenance_json() gives it)
 * tells of; `sha256` is the result's. Fails where it does not tell enough. */
int cli_recipe_print(const cJSON *made, const char *file, const char *sha256);

#endif
