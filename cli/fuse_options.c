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
    {.name = "method",
     .kind = CLI_CHOICE,
     .recorded = true,
     .offset = FIELD(method),
     .help = "auto tries several ways and takes the one that agrees best with the "
             "models' ensemble on images kept aside, without labels",
     .choices = methods},
    {.name = "effort",
     .kind = CLI_CHOICE,
     .recorded = true,
     .offset = FIELD(effort),
     .help = "of --method auto: how many ways; fast refits no layers",
     .choices = efforts},
    {.name = "refit",
     .kind = CLI_CHOICE,
     .recorded = true,
     .offset = FIELD(refit),
     .help =
         "layers: each layer in turn is fitted, by least squares on the calibration "
         "images, to the mean of what the aligned parents answer; pairs and clusters: "
         "its neurons matched anew by what their fits miss (Neuron Interpolation)",
     .choices = refits},
    {.name = "refit-goal",
     .kind = CLI_CHOICE,
     .recorded = true,
     .offset = FIELD(refit_goal),
     .help = "spread: with the standard deviations of the parents, which a mean lacks",
     .choices = refit_goals},
    {.name = "scores",
     .kind = CLI_CHOICE,
     .recorded = true,
     .offset = FIELD(scores),
     .help = "of --refit pairs and clusters: what neurons count in their mean; energy: "
             "what they send on",
     .choices = scores},
    {.name = "recalibrate",
     .kind = CLI_CHOICE,
     .recorded = true,
     .offset = FIELD(recalibrate),
     .help =
         "how statistics of the result are corrected; auto takes norm for batch norm, "
         "repair elsewhere, data-free without images",
     .choices = recalibrations},
    {.name = "weights",
     .kind = CLI_WEIGHTS,
     .recorded = true,
     .offset = offsetof(struct cli_fuse_args, weights),
     .value = "A/B/...",
     .help = "of the models in the average, with sum 1; equal unless given"},
    {.name = "reference",
     .kind = CLI_SIZE,
     .recorded = true,
     .offset = FIELD(reference),
     .value = "K",
     .help =
         "the model, counted from 0, whose order and number of neurons the result has",
     .max = CLI_WEIGHTS_MAX},
    {.name = "many",
     .kind = CLI_CHOICE,
     .recorded = true,
     .offset = FIELD(many),
     .help = "how three and more models are aligned: each with the reference, with the "
             "mean of those before it, again and again with the mean of all others, or "
             "all with one another at once by their weights (C2M3)",
     .choices = manys},
    {.name = "width",
     .kind = CLI_DOUBLE,
     .recorded = true,
     .offset = FIELD(width),
     .value = "X",
     .help =
         "multiply-accumulates of the result in those of one model: from 1 to the "
         "number of models. Above 1 the neurons whose merging costs most stay apart",
     .min = 1,
     .max = CLI_WEIGHTS_MAX},
    {.name = "plain",
     .kind = CLI_CLEAR,
     .recorded = true,
     .offset = FIELD(align),
     .help = "average without alignment, for comparison"},
    {.name = "seed",
     .kind = CLI_U64,
     .recorded = true,
     .offset = FIELD(seed),
     .value = "N",
     .help = "which images are drawn"},
    {.name = "barrier",
     .kind = CLI_SIZE,
     .offset = offsetof(struct cli_fuse_args, barrier),
     .value = "N",
     .help = "evaluate the line between two aligned models in N steps; 0: not",
     .max = 1000},
};
const struct cli_group cli_group_fuse = CLI_GROUP("Fusing", options);

static const struct cli_option transport_options[] = {
    {.name = "support",
     .kind = CLI_CHOICE,
     .recorded = true,
     .offset = FIELD(support),
     .help =
         "what describes a neuron; auto takes activations with --data, else weights",
     .choices = supports},
    {.name = "features",
     .kind = CLI_CHOICE,
     .recorded = true,
     .offset = FIELD(features),
     .help =
         "as they are, or activations to mean 0 and variance 1 and weights to norm 1; "
         "auto does this to activations",
     .choices = features},
    {.name = "descents",
     .kind = CLI_SIZE,
     .recorded = true,
     .offset = FIELD(descents),
     .value = "N",
     .help =
         "after matching, groups are matched again by weights until no map changes, "
         "from N starts (Git Re-Basin); 0: not",
     .max = 1000},
    {.name = "metric",
     .kind = CLI_CHOICE,
     .recorded = true,
     .offset = FIELD(metric),
     .help = "between two neurons",
     .choices = metrics},
    {.name = "zip",
     .kind = CLI_DOUBLE,
     .recorded = true,
     .offset = FIELD(zip),
     .value = "B",
     .help =
         "put the neurons of all models into clusters instead of matching them; B of "
         "the merges may be within one model (ZipIt!); 0: not",
     .max = 1},
    {.name = "zip-shrink",
     .kind = CLI_DOUBLE,
     .recorded = true,
     .offset = FIELD(zip_shrink),
     .value = "A",
     .help = "of --zip: factor of a cluster's similarities with each merge",
     .min = 1e-6,
     .max = 1},
    {.name = "gromov",
     .kind = CLI_FLAG,
     .recorded = true,
     .offset = FIELD(gromov),
     .help = "compare the distances of neurons within each model, not neurons of "
             "different models (Gromov-Wasserstein: Peyre et al. 2016)"},
    {.name = "gromov-loss",
     .kind = CLI_CHOICE,
     .recorded = true,
     .offset = FIELD(gromov_loss),
     .help = "of --gromov: of two distances, their squared difference or Kullback and "
             "Leibler's",
     .choices = gromov_losses},
    {.name = "importance",
     .kind = CLI_CHOICE,
     .recorded = true,
     .offset = FIELD(importance),
     .help = "mass of a neuron: the same for all, or a norm of its incoming weights",
     .choices = importances},
    {.name = "solver",
     .kind = CLI_CHOICE,
     .recorded = true,
     .offset = FIELD(solver),
     .help = "of the transport problems",
     .choices = solvers},
    {.name = "regularization",
     .kind = CLI_DOUBLE,
     .recorded = true,
     .offset = FIELD(sinkhorn.regularization),
     .value = "X",
     .help = "sinkhorn: entropic weight, relative to the mean cost",
     .min = 1e-9,
     .max = 1e9},
    {.name = "unbalanced",
     .kind = CLI_DOUBLE,
     .recorded = true,
     .offset = FIELD(sinkhorn.relaxation),
     .value = "X",
     .help =
         "sinkhorn: weight of the marginals, relative to the mean cost; 0 keeps them",
     .max = 1e9},
    {.name = "scaling",
     .kind = CLI_CHOICE,
     .recorded = true,
     .offset = FIELD(scaling),
     .help = "of the incoming side where widths differ",
     .choices = scalings},
};
const struct cli_group cli_group_fuse_transport =
    CLI_GROUP("Which neurons belong together", transport_options);

static const struct cli_option depth_options[] = {
    {.name = "depth",
     .kind = CLI_CHOICE,
     .recorded = true,
     .offset = FIELD(depth.depth),
     .help =
         "of the result: identities are added to the shallow, or layers of the deep "
         "are folded",
     .choices = depths},
    CLI_ALIGN_OPTIONS(offsetof(struct cli_fuse_args, align), FIELD(depth.cost)),
    {.name = "insert",
     .kind = CLI_CHOICE,
     .recorded = true,
     .offset = FIELD(depth.insert),
     .help =
         "a layer that some models lack: the mean of those that have it, or of all, "
         "with identities",
     .choices = inserts},
    {.name = "picture",
     .kind = CLI_FILE,
     .offset = offsetof(struct cli_fuse_args, picture),
     .value = "FILE.svg",
     .help = "write the alignment of layers as a picture"},
};
const struct cli_group cli_group_fuse_depth =
    CLI_GROUP("Networks of different depth", depth_options);

static const struct cli_option data_options[] = {
    {.name = "data",
     .kind = CLI_DATA,
     .recorded = true,
     .offset = offsetof(struct cli_args, data),
     .value = "SPEC",
     .help =
         "probe images, kind:path[,key=value...]; split=train unless SPEC says. Their "
         "labels are not used. 'tenon help data' explains SPEC"},
    CLI_EVAL_DATA_OPTION,
    {.name = "samples",
     .kind = CLI_SIZE,
     .recorded = true,
     .offset = FIELD(samples),
     .value = "N",
     .help = "probe images whose activations describe the neurons",
     .min = 1,
     .max = MANY},
    {.name = "calibration",
     .kind = CLI_SIZE,
     .recorded = true,
     .offset = FIELD(calibration),
     .value = "N",
     .help = "images for recalibration",
     .min = 1,
     .max = MANY},
};
const struct cli_group cli_group_fuse_data = CLI_GROUP("Data", data_options);
