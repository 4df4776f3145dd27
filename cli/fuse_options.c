/* fuse_options.c - the option tables of fusing, one row for each member of
 * tn_fuse_options. */
#include "fuse_options.h"

#include "alignment.h"

#define FIELD(name) offsetof(struct cli_fuse_args, fuse.name)
#define MANY 1e9

static const struct cli_choice supports[] = {{"auto", TN_SUPPORT_AUTO},
                                             {"weights", TN_SUPPORT_WEIGHTS},
                                             {"activations", TN_SUPPORT_ACTIVATIONS},
                                             {"both", TN_SUPPORT_BOTH},
                                             {NULL, 0}};
static const struct cli_choice features[] = {{"auto", TN_FEATURES_AUTO},
                                             {"raw", TN_FEATURES_RAW},
                                             {"standard", TN_FEATURES_STANDARD},
                                             {NULL, 0}};
static const struct cli_choice metrics[] = {
    {"euclidean", TN_OT_EUCLIDEAN},
    {"squared-euclidean", TN_OT_SQUARED_EUCLIDEAN},
    {"cosine", TN_OT_COSINE},
    {NULL, 0}};
static const struct cli_choice solvers[] = {
    {"exact", TN_SOLVER_EXACT}, {"sinkhorn", TN_SOLVER_SINKHORN}, {NULL, 0}};
static const struct cli_choice gromov_losses[] = {
    {"square", TN_OT_GROMOV_SQUARE}, {"kl", TN_OT_GROMOV_KL}, {NULL, 0}};
static const struct cli_choice importances[] = {{"uniform", TN_IMPORTANCE_UNIFORM},
                                                {"l1", TN_IMPORTANCE_L1},
                                                {"l2", TN_IMPORTANCE_L2},
                                                {NULL, 0}};
static const struct cli_choice scalings[] = {
    {"function", TN_SCALING_FUNCTION}, {"paper", TN_SCALING_PAPER}, {NULL, 0}};
static const struct cli_choice recalibrations[] = {
    {"auto", TN_RECALIBRATE_AUTO},           {"none", TN_RECALIBRATE_NONE},
    {"norm", TN_RECALIBRATE_NORM},           {"repair", TN_RECALIBRATE_REPAIR},
    {"data-free", TN_RECALIBRATE_DATA_FREE}, {NULL, 0}};

static const struct cli_choice refits[] = {{"none", TN_REFIT_NONE},
                                           {"layers", TN_REFIT_LAYERS},
                                           {"pairs", TN_REFIT_PAIRS},
                                           {"clusters", TN_REFIT_CLUSTERS},
                                           {NULL, 0}};
static const struct cli_choice scores[] = {
    {"uniform", TN_SCORES_UNIFORM}, {"energy", TN_SCORES_ENERGY}, {NULL, 0}};
static const struct cli_choice refit_goals[] = {
    {"mean", TN_REFIT_MEAN}, {"spread", TN_REFIT_SPREAD}, {NULL, 0}};
static const struct cli_choice depths[] = {
    {"deep", TN_DEPTH_DEEP}, {"shallow", TN_DEPTH_SHALLOW}, {NULL, 0}};
static const struct cli_choice inserts[] = {
    {"whole", TN_INSERT_WHOLE}, {"share", TN_INSERT_SHARE}, {NULL, 0}};

static const struct cli_choice methods[] = {
    {"transport", TN_FUSE_TRANSPORT}, {"auto", TN_FUSE_AUTO}, {NULL, 0}};
static const struct cli_choice efforts[] = {{"fast", TN_EFFORT_FAST},
                                            {"normal", TN_EFFORT_NORMAL},
                                            {"max", TN_EFFORT_MAX},
                                            {NULL, 0}};

static const struct cli_choice manys[] = {{"many-to-one", TN_MANY_TO_ONE},
                                          {"iterative", TN_MANY_ITERATIVE},
                                          {"mean", TN_MANY_MEAN},
                                          {"cycle", TN_MANY_CYCLE},
                                          {NULL, 0}};

static const struct cli_option options[] = {
    CLI_OPTION("method", CLI_CHOICE, FIELD(method), NULL,
               "auto tries several ways and takes the one that agrees best with the "
               "models' ensemble on images kept aside, without labels",
               .recorded = true, .choices = methods),
    CLI_OPTION("effort", CLI_CHOICE, FIELD(effort), NULL,
               "of --method auto: how many ways; fast refits no layers",
               .recorded = true, .choices = efforts),
    CLI_OPTION(
        "refit", CLI_CHOICE, FIELD(refit), NULL,
        "layers: each layer in turn is fitted, by least squares on the calibration "
        "images, to the mean of what the aligned parents answer; pairs and clusters: "
        "its neurons matched anew by what their fits miss (Neuron Interpolation)",
        .recorded = true, .choices = refits),
    CLI_OPTION(
        "refit-goal", CLI_CHOICE, FIELD(refit_goal), NULL,
        "spread: with the standard deviations of the parents, which a mean lacks",
        .recorded = true, .choices = refit_goals),
    CLI_OPTION("scores", CLI_CHOICE, FIELD(scores), NULL,
               "of --refit pairs and clusters: what neurons count in their mean; "
               "energy: what they send on",
               .recorded = true, .choices = scores),
    CLI_OPTION("recalibrate", CLI_CHOICE, FIELD(recalibrate), NULL,
               "how statistics of the result are corrected; auto takes norm for batch "
               "norm, repair elsewhere, data-free without images",
               .recorded = true, .choices = recalibrations),
    CLI_OPTION("weights", CLI_WEIGHTS, offsetof(struct cli_fuse_args, weights),
               "A/B/...",
               "of the models in the average, with sum 1; equal unless given",
               .recorded = true),
    CLI_OPTION(
        "reference", CLI_SIZE, FIELD(reference), "K",
        "the model, counted from 0, whose order and number of neurons the result has",
        .recorded = true, .max = CLI_WEIGHTS_MAX),
    CLI_OPTION("many", CLI_CHOICE, FIELD(many), NULL,
               "how three and more models are aligned: each with the reference, with "
               "the mean of those before it, again and again with the mean of all "
               "others, or all with one another at once by their weights (C2M3)",
               .recorded = true, .choices = manys),
    CLI_OPTION(
        "width", CLI_DOUBLE, FIELD(width), "X",
        "multiply-accumulates of the result in those of one model: from 1 to the "
        "number of models. Above 1 the neurons whose merging costs most stay apart",
        .recorded = true, .min = 1, .max = CLI_WEIGHTS_MAX),
    CLI_OPTION("plain", CLI_CLEAR, FIELD(align), NULL,
               "average without alignment, for comparison", .recorded = true),
    CLI_OPTION("seed", CLI_U64, FIELD(seed), "N", "which images are drawn",
               .recorded = true),
    CLI_OPTION("barrier", CLI_SIZE, offsetof(struct cli_fuse_args, barrier), "N",
               "evaluate the line between two aligned models in N steps; 0: not",
               .recorded = false, .max = 1000),
};
const struct cli_group cli_group_fuse = CLI_GROUP("Fusing", options);

static const struct cli_option transport_options[] = {
    CLI_OPTION(
        "support", CLI_CHOICE, FIELD(support), NULL,
        "what describes a neuron; auto takes activations with --data, else weights",
        .recorded = true, .choices = supports),
    CLI_OPTION("features", CLI_CHOICE, FIELD(features), NULL,
               "as they are, or activations to mean 0 and variance 1 and weights to "
               "norm 1; auto does this to activations",
               .recorded = true, .choices = features),
    CLI_OPTION("descents", CLI_SIZE, FIELD(descents), "N",
               "after matching, groups are matched again by weights until no map "
               "changes, from N starts (Git Re-Basin); 0: not",
               .recorded = true, .max = 1000),
    CLI_OPTION("metric", CLI_CHOICE, FIELD(metric), NULL, "between two neurons",
               .recorded = true, .choices = metrics),
    CLI_OPTION("zip", CLI_DOUBLE, FIELD(zip), "B",
               "put the neurons of all models into clusters instead of matching them; "
               "B of the merges may be within one model (ZipIt!); 0: not",
               .recorded = true, .max = 1),
    CLI_OPTION("zip-shrink", CLI_DOUBLE, FIELD(zip_shrink), "A",
               "of --zip: factor of a cluster's similarities with each merge",
               .recorded = true, .min = 1e-6, .max = 1),
    CLI_OPTION("gromov", CLI_FLAG, FIELD(gromov), NULL,
               "compare the distances of neurons within each model, not neurons of "
               "different models (Gromov-Wasserstein: Peyre et al. 2016)",
               .recorded = true),
    CLI_OPTION("gromov-loss", CLI_CHOICE, FIELD(gromov_loss), NULL,
               "of --gromov: of two distances, their squared difference or Kullback "
               "and Leibler's",
               .recorded = true, .choices = gromov_losses),
    CLI_OPTION("importance", CLI_CHOICE, FIELD(importance), NULL,
               "mass of a neuron: the same for all, or a norm of its incoming weights",
               .recorded = true, .choices = importances),
    CLI_OPTION("solver", CLI_CHOICE, FIELD(solver), NULL, "of the transport problems",
               .recorded = true, .choices = solvers),
    CLI_OPTION("regularization", CLI_DOUBLE, FIELD(sinkhorn.regularization), "X",
               "sinkhorn: entropic weight, relative to the mean cost", .recorded = true,
               .min = 1e-9, .max = 1e9),
    CLI_OPTION(
        "unbalanced", CLI_DOUBLE, FIELD(sinkhorn.relaxation), "X",
        "sinkhorn: weight of the marginals, relative to the mean cost; 0 keeps them",
        .recorded = true, .max = 1e9),
    CLI_OPTION("scaling", CLI_CHOICE, FIELD(scaling), NULL,
               "of the incoming side where widths differ", .recorded = true,
               .choices = scalings),
};
const struct cli_group cli_group_fuse_transport =
    CLI_GROUP("Which neurons belong together", transport_options);

static const struct cli_option depth_options[] = {
    CLI_OPTION("depth", CLI_CHOICE, FIELD(depth.depth), NULL,
               "of the result: identities are added to the shallow, or layers of the "
               "deep are folded",
               .recorded = true, .choices = depths),
    CLI_ALIGN_OPTIONS(offsetof(struct cli_fuse_args, align), FIELD(depth.cost)),
    CLI_OPTION("insert", CLI_CHOICE, FIELD(depth.insert), NULL,
               "a layer that some models lack: the mean of those that have it, or of "
               "all, with identities",
               .recorded = true, .choices = inserts),
    CLI_OPTION("picture", CLI_FILE, offsetof(struct cli_fuse_args, picture), "FILE.svg",
               "write the alignment of layers as a picture", .recorded = false),
};
const struct cli_group cli_group_fuse_depth =
    CLI_GROUP("Networks of different depth", depth_options);

static const struct cli_option data_options[] = {
    CLI_OPTION("data", CLI_DATA, offsetof(struct cli_args, data), "SPEC",
               "probe images, kind:path[,key=value...]; split=train unless SPEC says. "
               "Their labels are not used. 'tenon help data' explains SPEC",
               .recorded = true),
    CLI_EVAL_DATA_OPTION,
    CLI_OPTION("samples", CLI_SIZE, FIELD(samples), "N",
               "probe images whose activations describe the neurons", .recorded = true,
               .min = 1, .max = MANY),
    CLI_OPTION("calibration", CLI_SIZE, FIELD(calibration), "N",
               "images for recalibration", .recorded = true, .min = 1, .max = MANY),
};
const struct cli_group cli_group_fuse_data = CLI_GROUP("Data", data_options);
