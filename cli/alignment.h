/* alignment.h - which layers of networks of different depth correspond: read from JSON,
 * shown as text, JSON and a picture. */
#ifndef TENON_CLI_ALIGNMENT_H
#define TENON_CLI_ALIGNMENT_H

#include <cjson/cJSON.h>

#include "command.h"
#include "tenon/depth.h"

extern const char *const cli_picture_endings[];
extern const struct cli_choice cli_layer_costs[]; /* of tn_layer_cost */

/* --align, a text, and --align-cost, a tn_layer_cost, at these offsets. */
#define CLI_ALIGN_OPTIONS(how, cost)                                                   \
    CLI_OPTION("align", CLI_FILE, (how), "HOW",                                        \
               "layers: 'auto' (least sum of costs), 'segments' (every deep layer "    \
               "counts), 'chain', 'random', or a JSON file as --json writes it",       \
               .recorded = true),                                                      \
        CLI_OPTION("align-cost", CLI_CHOICE, (cost), NULL,                             \
                   "of a pair of layers; auto takes cka with --data, else index",      \
                   .recorded = true, .choices = cli_layer_costs)

/* An alignment that a file gives. */
struct cli_given {
    size_t count;
    size_t **slots; /* [count]: of each model, or NULL */
};

/* Sets options->map by `how` (auto, segments, chain, random; NULL: auto), or reads the
 * file of that name: {"alignments": [{"model": K, "slots": [...]}]}. TN_ERROR_IO,
 * _FORMAT. */
tn_status cli_given_read(struct cli_given *out, tn_depth_options *options,
                         const char *how, size_t models, tn_error *err);
void cli_given_release(struct cli_given *given);

void cli_alignments_print(const tn_alignment *list, size_t count,
                          const struct cli_args *args);
cJSON *cli_alignments_json(const tn_alignment *list, size_t count);
/* An SVG: for each alignment the cost of every pair as a field of colours, and the
 * path.
 */
tn_status cli_alignments_draw(const char *path, const tn_alignment *list, size_t count,
                              const struct cli_args *args, tn_error *err);

#endif
