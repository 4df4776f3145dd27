/* provenance.h - how a file was made, inside the file.
 *
 * Metadata keys: tenon.version, tenon.command, tenon.operands (JSON list of what stood
 * on the command line besides options), tenon.options (JSON object, values in effect)
 * and tenon.inputs (JSON list of {"file", "sha256"} and, where an input tells how it
 * was made itself, "made" with the same five). Names of files are without folders and
 * nothing tells the time or the machine: the same inputs, options and seed give the
 * same bytes.
 */
#ifndef TENON_CLI_PROVENANCE_H
#define TENON_CLI_PROVENANCE_H

#include <cjson/cJSON.h>

#include "command.h"
#include "tenon/model.h"

/* Sets these keys of `model`, the product of args->command from inputs[0..count). */
tn_status cli_provenance_set(tn_model *model, const struct cli_args *args,
                             const tn_model *const *inputs, size_t count,
                             tn_error *err);

/* The keys as {"version", "command", "operands", "options", "inputs"}, owned by the
 * caller; NULL where the model has none. */
cJSON *cli_provenance_json(const tn_model *model);

#endif
