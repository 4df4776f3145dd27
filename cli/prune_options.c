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
    CLI_OPTION("sparsity", CLI_DOUBLE, FIELD(sparsity), "S",
               "share of the neurons to remove, 0 to 0.98", .recorded = true,
               .letter = 's', .max = 0.98),
    CLI_OPTION("max-params", CLI_U64, FIELD(max_params), "N",
               "remove as many more as it takes to have no more parameters",
               .recorded = true, .max = COST_MAX),
    CLI_OPTION("max-macs", CLI_U64, FIELD(max_macs), "N",
               "the same for multiply-accumulates of one image", .recorded = true,
               .max = COST_MAX),
    CLI_OPTION("max-latency", CLI_DOUBLE, FIELD(max_latency), "MS",
               "the same for milliseconds of one image on one thread, measured here: "
               "repeat the result by a plan",
               .recorded = true, .max = COST_MAX),
    CLI_OPTION("allocate", CLI_CHOICE, FIELD(allocate), NULL,
               "which groups lose more: even, the same share of each; rank, by the "
               "scores of all neurons; error, where the error of recovery grows least "
               "for what a budget gains",
               .recorded = true, .choices = allocations),
    CLI_OPTION("groups", CLI_STRING, FIELD(groups), "WHICH",
               "inner (groups that lie on no residual stream), all, or names as 'tenon "
               "inspect --groups' shows them, separated by commas",
               .recorded = true),
    CLI_OPTION("keep", CLI_STRING, FIELD(keep), "NAME=N,...",
               "exactly so many neurons of these groups stay", .recorded = true),
    CLI_OPTION("exclude", CLI_STRING, FIELD(exclude), "NODE,...",
               "nodes, as 'tenon inspect --nodes' shows them, that give as many "
               "channels as before",
               .recorded = true),
    CLI_OPTION(
        "min-share", CLI_DOUBLE, FIELD(min_share), "SHARE",
        "of each group stays at least; 0: an eighth where --allocate is not even",
        .recorded = true, .max = 1),
    CLI_OPTION("round-to", CLI_SIZE, FIELD(round_to), "N",
               "keep a multiple of N neurons; 0: of 8 in groups that keep 64 or more",
               .recorded = true, .max = 4096),
    CLI_OPTION("method", CLI_CHOICE, FIELD(method), NULL,
               "what becomes of removed neurons; auto takes of refit, fold and delete, "
               "or of refit's ways for each group, what moves the outputs least",
               .recorded = true, .choices = cli_prune_methods),
    CLI_OPTION("importance", CLI_CHOICE, FIELD(importance), NULL,
               "which neurons stay; auto takes error with refit, else l1",
               .recorded = true, .choices = importances),
    CLI_OPTION("repair", CLI_CHOICE, FIELD(repair), NULL,
               "of statistics afterwards: norm, of batch norms; repair, of layers "
               "without one too; mean, but for variances behind refitted layers; "
               "data-free, what mixing takes, foreseen from weights. auto takes "
               "repair, with --method auto repair or mean, with --compat none",
               .recorded = true, .choices = repairs),
    CLI_OPTION("compat", CLI_FLAG, FIELD(compat), NULL,
               "Intra-Fusion with the scales, costs and masses of its authors' "
               "program; wants --method intra-fusion",
               .recorded = true),
    CLI_OPTION("seed", CLI_U64, FIELD(seed), "N",
               "of images, clusters and random choices", .recorded = true),
    CLI_OPTION("plan-out", CLI_FILE, offsetof(struct cli_prune_args, plan_out), "FILE",
               "write what was done as JSON: groups, neurons that stay, maps, options",
               .recorded = false),
    CLI_OPTION("plan", CLI_FILE, offsetof(struct cli_prune_args, plan), "FILE",
               "do again what such a file says, to the same bytes; its options take "
               "the place of those given here, --data must be the same images",
               .recorded = false),
};
const struct cli_group cli_group_prune = CLI_GROUP("Pruning", options);

static const struct cli_option data_options[] = {
    CLI_OPTION("data", CLI_DATA, offsetof(struct cli_args, data), "SPEC",
               "images that statistics are taken from, kind:path[,key=value...]; "
               "split=train unless SPEC says. Only taylor uses labels. Without it the "
               "images are drawn. 'tenon help data' explains SPEC",
               .recorded = true),
    CLI_EVAL_DATA_OPTION,
    CLI_OPTION("samples", CLI_SIZE, FIELD(samples), "N",
               "images that are taken from --data, or drawn", .recorded = true,
               .min = 1, .max = MANY),
};
const struct cli_group cli_group_prune_data = CLI_GROUP("Data", data_options);
