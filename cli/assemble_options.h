/* assemble_options.h - the arguments of `tenon assemble`. */
#ifndef TENON_CLI_ASSEMBLE_OPTIONS_H
#define TENON_CLI_ASSEMBLE_OPTIONS_H

#include "command.h"
#include "tenon/assemble.h"

struct cli_assemble_args {
    struct cli_args base;
    tn_assemble_options assemble;
    const char *zoo, *picture;
    double max_latency; /* milliseconds */
};

extern const struct cli_group cli_group_assemble, cli_group_assemble_budgets,
    cli_group_assemble_stitches, cli_group_assemble_data;

#endif
