/* assemble_options.c - the option tables of assembling, one row for each member of
 * tn_assemble_options. */
#include "assemble_options.h"

#include "training.h"

#define FIELD(name) offsetof(struct cli_assemble_args, assemble.name)
#define MANY 1e9
#define COST_MAX 1e15

static const struct cli_choice sizes[] = {{"macs", TN_BLOCK_SIZE_MACS},
                                          {"params", TN_BLOCK_SIZE_PARAMS},
                                          {"units", TN_BLOCK_SIZE_UNITS},
                                          {NULL, 0}};
static const struct cli_choice similarities[] = {
    {"cka", TN_CUT_SIMILARITY_CKA},
    {"rbf", TN_CUT_SIMILARITY_RBF},
    {"regression", TN_CUT_SIMILARITY_REGRESSION},
    {NULL, 0}};
static const struct cli_choice objectives[] = {{"residual", TN_OBJECTIVE_RESIDUAL},
                                               {"similarity", TN_OBJECTIVE_SIMILARITY},
                                               {NULL, 0}};
static const struct cli_choice solvers[] = {
    {"labels", TN_ASSEMBLE_LABELS}, {"cbc", TN_ASSEMBLE_CBC}, {NULL, 0}};
static const struct cli_choice heads[] = {{"auto", TN_ASSEMBLE_HEAD_AUTO},
                                          {"keep", TN_ASSEMBLE_HEAD_KEEP},
                                          {"ridge", TN_ASSEMBLE_HEAD_RIDGE},
                                          {NULL, 0}};
static const struct cli_choice tunes[] = {{"none", TN_TUNE_NONE},
                                          {"stitches", TN_TUNE_STITCHES},
                                          {"all", TN_TUNE_ALL},
                                          {NULL, 0}};

static const struct cli_choice teachers[] = {
    {"labels", TN_TEACHER_LABELS}, {"members", TN_TEACHER_MEMBERS}, {NULL, 0}};

static const struct cli_option options[] = {
    CLI_OPTION("zoo", CLI_FILE, offsetof(struct cli_assemble_args, zoo), "FILE.json",
               "more members: {\"members\": [{\"file\", \"arch\", \"name\", "
               "\"licence\", \"mean\", \"std\"}]}",
               .recorded = true),
    CLI_OPTION("blocks", CLI_SIZE, FIELD(blocks), "K",
               "blocks of each member, and of the result", .recorded = true,
               .letter = 'k', .min = 2, .max = 8),
    CLI_OPTION("eps", CLI_DOUBLE, FIELD(eps), "X",
               "a block has at most (1 + X) / K of its member; -1: 0.2, or the least "
               "that works",
               .recorded = true, .min = -1, .max = 8),
    CLI_OPTION("size", CLI_CHOICE, FIELD(size), NULL, "what that is measured in",
               .recorded = true, .choices = sizes),
    CLI_OPTION("similarity", CLI_CHOICE, FIELD(similarity), NULL,
               "of blocks, by what their members have at the ends of them",
               .recorded = true, .choices = similarities),
    CLI_OPTION("pooled", CLI_FLAG, FIELD(pooled), NULL,
               "similarity of means over all positions, not over 4 x 4 grids",
               .recorded = true),
    CLI_OPTION("restarts", CLI_SIZE, FIELD(restarts), "N",
               "random starts of the partition", .recorded = true, .min = 1,
               .max = 1e6),
    CLI_OPTION("objective", CLI_CHOICE, FIELD(objective), NULL,
               "what a chain of blocks is worth: what its stitches explain, or how "
               "alike its blocks are to those of their sets",
               .recorded = true, .choices = objectives),
    CLI_OPTION("solver", CLI_CHOICE, FIELD(solver), NULL,
               "both are exact; cbc gives one chain and no runners-up",
               .recorded = true, .choices = solvers),
    CLI_OPTION(
        "candidates", CLI_SIZE, FIELD(candidates), "N",
        "best chains that are stitched; the one best on images kept apart is taken",
        .recorded = true, .min = 1, .max = 10000),
    CLI_OPTION("path", CLI_STRING, FIELD(path), "BLOCKS",
               "the chain itself, MEMBER:FIRST-LAST,...: members from 1, units from 0",
               .recorded = true),
    CLI_OPTION("audit", CLI_SIZE, FIELD(audit), "N",
               "let every proxy judge N random chains too, beside an epoch of tuning",
               .recorded = true, .max = 10000),
    CLI_OPTION("seed", CLI_U64, FIELD(seed), "N", "of starts, random chains and tuning",
               .recorded = true),
};
const struct cli_group cli_group_assemble = CLI_GROUP("Assembling", options);

static const struct cli_option budgets[] = {
    CLI_OPTION("max-params", CLI_U64, FIELD(max_params), "N",
               "parameters of the result; 0.35M is 350000; 0: any number",
               .recorded = true, .max = COST_MAX),
    CLI_OPTION("min-params", CLI_U64, FIELD(min_params), "N", "and at least",
               .recorded = true, .max = COST_MAX),
    CLI_OPTION("max-macs", CLI_U64, FIELD(max_macs), "N",
               "multiply-accumulates of one image; 0: any number", .recorded = true,
               .max = COST_MAX),
    CLI_OPTION("min-macs", CLI_U64, FIELD(min_macs), "N", "and at least",
               .recorded = true, .max = COST_MAX),
    CLI_OPTION("max-memory", CLI_U64, FIELD(max_memory), "BYTES",
               "of activations alive at once, one image; 0: any number",
               .recorded = true, .max = COST_MAX),
    CLI_OPTION(
        "max-latency", CLI_DOUBLE, offsetof(struct cli_assemble_args, max_latency),
        "MS",
        "milliseconds of one image on one thread, by measuring every block; 0: any",
        .recorded = true, .max = 1e9),
};
const struct cli_group cli_group_assemble_budgets = CLI_GROUP("Budgets", budgets);

static const struct cli_option stitches[] = {
    CLI_OPTION("random-stitches", CLI_FLAG, FIELD(random_stitches), NULL,
               "draw them instead of fitting them, for comparison", .recorded = true),
    CLI_OPTION("ridge", CLI_DOUBLE, FIELD(ridge), "X",
               "of their regression, relative to the mean variance", .recorded = true,
               .max = 1e6),
    CLI_OPTION("no-norms", CLI_CLEAR, FIELD(norms), NULL,
               "leave batch norms as they are", .recorded = true),
    CLI_OPTION("head", CLI_CHOICE, FIELD(head), NULL,
               "the last layer: the last block's, or fitted to the labels",
               .recorded = true, .choices = heads),
    CLI_OPTION("tune", CLI_CHOICE, FIELD(tune), NULL,
               "gradient steps afterwards: on stitches and last layer, or on all",
               .recorded = true, .choices = tunes),
    CLI_OPTION("teacher", CLI_CHOICE, FIELD(teacher), NULL,
               "what tuning learns from: labels, or what the members that the chain "
               "has blocks of answer together",
               .recorded = true, .choices = teachers),
    CLI_OPTION("epochs", CLI_SIZE, FIELD(train.epochs), "N", "of tuning",
               .recorded = true, .letter = 'e', .min = 1, .max = MANY),
    CLI_OPTION("batch", CLI_SIZE, FIELD(train.batch), "N",
               "images of a step of tuning; a multiple of 64", .recorded = true,
               .min = 1, .max = MANY),
    CLI_OPTION("learning-rate", CLI_DOUBLE, FIELD(train.learning_rate), "X",
               "of tuning, at its highest", .recorded = true, .letter = 'l',
               .min = 1e-12, .max = 1e6),
    CLI_AUGMENT_OPTIONS(FIELD(train.augment_pad), FIELD(train.augment_flip)),
};
const struct cli_group cli_group_assemble_stitches = CLI_GROUP("Stitches", stitches);

static const struct cli_option data_options[] = {
    CLI_OPTION("data", CLI_DATA, offsetof(struct cli_args, data), "SPEC",
               "labelled images to learn from, kind:path[,key=value...]; split=train "
               "unless SPEC says. 'tenon help data' explains SPEC",
               .recorded = true),
    CLI_EVAL_DATA_OPTION,
    CLI_OPTION("samples", CLI_SIZE, FIELD(samples), "N", "of them for similarity",
               .recorded = true, .min = 8, .max = MANY),
    CLI_OPTION("calibration", CLI_SIZE, FIELD(calibration), "N",
               "of them for stitches, batch norms and the last layer", .recorded = true,
               .min = 8, .max = MANY),
    CLI_OPTION("cache", CLI_FILE, FIELD(cache), "FOLDER",
               "keep features there, and take them from there", .recorded = false),
    CLI_OPTION("picture", CLI_FILE, offsetof(struct cli_assemble_args, picture),
               "FILE.svg", "draw the zoo, its sets and the chain", .recorded = false),
    CLI_MPI_OPTION("the images for similarity"),
};
const struct cli_group cli_group_assemble_data = CLI_GROUP("Data", data_options);
