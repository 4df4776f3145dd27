/* fuse_candidates.h - what `tenon fuse --method auto` tried, as a table and as JSON. */
#ifndef TENON_CLI_FUSE_CANDIDATES_H
#define TENON_CLI_FUSE_CANDIDATES_H

#include <cjson/cJSON.h>

#include "command.h"
#include "tenon/fuse.h"

/* Nothing where method auto was not asked for. `models`: how many parents. */
void cli_fuse_candidates_print(const tn_fuse_report *report, size_t models,
                               const struct cli_args *args);
/* A list, the parents last; null where method auto was not asked for. */
cJSON *cli_fuse_candidates_json(const tn_fuse_report *report, size_t models);

#endif
