/* fuse_options.h - the arguments of `tenon fuse`. */
#ifndef TENON_CLI_FUSE_OPTIONS_H
#define TENON_CLI_FUSE_OPTIONS_H

#include "command.h"
#include "tenon/fuse.h"

struct cli_fuse_args {
    struct cli_args base;
    tn_fuse_options fuse; /* without `weights`, which are below */
    struct cli_weights weights;
    const char *align;   /* auto, segments, chain, random or a JSON file; NULL: auto */
    const char *picture; /* SVG of the alignment, or NULL */
    size_t barrier;      /* steps of the line between two aligned models; 0: none */
};

extern const struct cli_group cli_group_fuse;
extern const struct cli_group cli_group_fuse_transport;
extern const struct cli_group cli_group_fuse_depth;
extern const struct cli_group cli_group_fuse_data;

#endif
