/* prune_options.c - the option tables of pruning, one row for each member of
 * tn_prune_options. */
#include "prune_options.h"

#define FIELD(name) offsetof(struct cli_prune_args, prune.name)
#define MANY 1e9
#define COST_MAX 1e15

const struct cli_choice cli_prune_methods[] = {{"auto", TN_PRUNE_AUTO},
                                               {"delete", TN_PRUNE_DELETE},
                                               {"intra-fusion", TN_PRUNE_INTRA_FUSION},
                                               {"nearest", TN_PRUNE_NEAREST},
                                               {"fold", TN_PRUNE_FOLD},
                                               {"refit", TN_PRUNE_REFIT},
                                               {NULL, 0}};
static const struct cli_choice importances[] = {
    {"auto", TN_PRUNE_IMPORTANCE_AUTO},
    {"l1", TN_PRUNE_IMPORTANCE_L1},
    {"l2", TN_PRUNE_IMPORTANCE_L2},
    {"norm", TN_PRUNE_IMPORTANCE_NORM},
    {"median", TN_PRUNE_IMPORTANCE_MEDIAN},
    {"error", TN_PRUNE_IMPORTANCE_ERROR},
    {"random", TN_PRUNE_IMPORTANCE_RANDOM},
    {"taylor", TN_PRUNE_IMPORTANCE_TAYLOR},
    {"lamp", TN_PRUNE_IMPORTANCE_LAMP},
    {"activation", TN_PRUNE_IMPORTANCE_ACTIVATION},
    {"chip", TN_PRUNE_IMPORTANCE_CHIP},
    {NULL, 0}};
static const struct cli_choice allocations[] = {{"even", TN_PRUNE_ALLOCATE_EVEN},
                                                {"rank", TN_PRUNE_ALLOCATE_RANK},
                                                {"error", TN_PRUNE_ALLOCATE_ERROR},
                                                {NULL, 0}};
static const struct cli_choice repairs[] = {{"auto", TN_PRUNE_REPAIR_AUTO},
                                            {"none", TN_PRUNE_REPAIR_NONE},
                                            {"norm", TN_PRUNE_REPAIR_NORM},
                                            {"mean", TN_PRUNE_REPAIR_MEAN},
                                            {"repair", TN_PRUNE_REPAIR_REPAIR},
                                            {"data-free", TN_PRUNE_REPAIR_DATA_FREE},
                                            {NULL, 0}};

static const struct cli_option options[] = {
    {.name = "sparsity",
     .letter = 's',
     .kind = CLI_DOUBLE,
     .recorded = true,
     .offset = FIELD(sparsity),
     .value = "S",
     .help = "share of the neurons to remove, 0 to 0.98",
     .max = 0.98},
    {.name = "max-params",
     .kind = CLI_U64,
     .recorded = true,
     .offset = FIELD(max_params),
     .value = "N",
     .help = "remove as many more as it takes to have no more parameters",
     .max = COST_MAX},
    {.name = "max-macs",
     .kind = CLI_U64,
     .recorded = true,
     .offset = FIELD(max_macs),
     .value = "N",
     .help = "the same for multiply-accumulates of one image",
     .max = COST_MAX},
    {.name = "max-latency",
     .kind = CLI_DOUBLE,
     .recorded = true,
     .offset = FIELD(max_latency),
     .value = "MS",
     .help = "the same for milliseconds of one image on one thread, measured here: "
             "repeat the result by a plan",
     .max = COST_MAX},
    {.name = "allocate",
     .kind = CLI_CHOICE,
     .recorded = true,
     .offset = FIELD(allocate),
     .help =
         "which groups lose more: even, the same share of each; rank, by the scores "
         "of all neurons; error, where the error of recovery grows least for what a "
         "budget gains",
     .choices = allocations},
    {.name = "groups",
     .kind = CLI_STRING,
     .recorded = true,
     .offset = FIELD(groups),
     .value = "WHICH",
     .help = "inner (groups that lie on no residual stream), all, or names as 'tenon "
             "inspect --groups' shows them, separated by commas"},
    {.name = "keep",
     .kind = CLI_STRING,
     .recorded = true,
     .offset = FIELD(keep),
     .value = "NAME=N,...",
     .help = "exactly so many neurons of these groups stay"},
    {.name = "exclude",
     .kind = CLI_STRING,
     .recorded = true,
     .offset = FIELD(exclude),
     .value = "NODE,...",
     .help = "nodes, as 'tenon inspect --nodes' shows them, that give as many channels "
             "as before"},
    {.name = "min-share",
     .kind = CLI_DOUBLE,
     .recorded = true,
     .offset = FIELD(min_share),
     .value = "SHARE",
     .help = "of each group stays at least; 0: an eighth where --allocate is not even",
     .max = 1},
    {.name = "round-to",
     .kind = CLI_SIZE,
     .recorded = true,
     .offset = FIELD(round_to),
     .value = "N",
     .help = "keep a multiple of N neurons; 0: of 8 in groups that keep 64 or more",
     .max = 4096},
    {.name = "method",
     .kind = CLI_CHOICE,
     .recorded = true,
     .offset = FIELD(method),
     .help =
         "what becomes of removed neurons; auto takes of refit, fold and delete, or of "
         "refit's ways for each group, what moves the outputs least",
     .choices = cli_prune_methods},
    {.name = "importance",
     .kind = CLI_CHOICE,
     .recorded = true,
     .offset = FIELD(importance),
     .help = "which neurons stay; auto takes error with refit, else l1",
     .choices = importances},
    {.name = "repair",
     .kind = CLI_CHOICE,
     .recorded = true,
     .offset = FIELD(repair),
     .help =
         "of statistics afterwards: norm, of batch norms; repair, of layers without "
         "one too; mean, but for variances behind refitted layers; data-free, what "
         "mixing takes, foreseen from weights. auto takes repair, with --method auto "
         "repair or mean, with --compat none",
     .choices = repairs},
    {.name = "compat",
     .kind = CLI_FLAG,
     .recorded = true,
     .offset = FIELD(compat),
     .help = "Intra-Fusion with the scales, costs and masses of its authors' program; "
             "wants --method "
             "intra-fusion"},
    {.name = "seed",
     .kind = CLI_U64,
     .recorded = true,
     .offset = FIELD(seed),
     .value = "N",
     .help = "of images, clusters and random choices"},
    {.name = "plan-out",
     .kind = CLI_FILE,
     .offset = offsetof(struct cli_prune_args, plan_out),
     .value = "FILE",
     .help = "write what was done as JSON: groups, neurons that stay, maps, options"},
    {.name = "plan",
     .kind = CLI_FILE,
     .offset = offsetof(struct cli_prune_args, plan),
     .value = "FILE",
     .help = "do again what such a file says, to the same bytes; its options take the "
             "place of those given here, --data must be the same images"},
};
const struct cli_group cli_group_prune = CLI_GROUP("Pruning", options);

static const struct cli_option data_options[] = {
    {.name = "data",
     .kind = CLI_DATA,
     .recorded = true,
     .offset = offsetof(struct cli_args, data),
     .value = "SPEC",
     .help =
         "images that statistics are taken from, kind:path[,key=value...]; "
         "split=train unless SPEC says. Only taylor uses labels. Without it the images "
         "are drawn. 'tenon help data' explains SPEC"},
    CLI_EVAL_DATA_OPTION,
    {.name = "samples",
     .kind = CLI_SIZE,
     .recorded = true,
     .offset = FIELD(samples),
     .value = "N",
     .help = "images that are taken from --data, or drawn",
     .min = 1,
     .max = MANY},
};
const struct cli_group cli_group_prune_data = CLI_GROUP("Data", data_options);
