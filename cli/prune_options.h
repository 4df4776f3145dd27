/* prune_options.h - the arguments of `tenon prune`. */
#ifndef TENON_CLI_PRUNE_OPTIONS_H
#define TENON_CLI_PRUNE_OPTIONS_H

#include "command.h"
#include "tenon/prune.h"

struct cli_prune_args {
    struct cli_args base;
    tn_prune_options prune; /* sparsity negative: not given */
    const char *plan, *plan_out;
};

/* The names of methods, by number. */
extern const struct cli_choice cli_prune_methods[];

extern const struct cli_group cli_group_prune;
extern const struct cli_group cli_group_prune_data;

#endif
