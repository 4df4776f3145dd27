/* fuse.h - one network out of several, by optimal transport of their neurons.
 *
 * OTFusion: Singh and Jaggi, "Model fusion via optimal transport", NeurIPS 2020,
 * arXiv 1910.05653. REPAIR: Jordan et al., ICLR 2023, arXiv 2211.08403.
 *
 *     tn_model *fused = NULL;
 *     if (tn_fuse(&fused, NULL, models, 2, data, NULL, NULL, &err)) ...
 *     if (tn_model_save(fused, "fused.onnx", NULL, &err)) ...
 */
#ifndef TENON_FUSE_H
#define TENON_FUSE_H

#include "tenon/data.h"
#include "tenon/depth.h"
#include "tenon/model.h"
#include "tenon/transport.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the features of a neuron (its support) are. */
typedef enum tn_support {
    TN_SUPPORT_AUTO,        /* activations where there is data, else weights */
    TN_SUPPORT_WEIGHTS,     /* incoming weights and bias, in the coordinates of the
                               reference */
    TN_SUPPORT_ACTIVATIONS, /* what it answers to the probe images, before its
                               activation function */
    TN_SUPPORT_BOTH         /* cosine of weights plus correlation of activations */
} tn_support;

/* What is made of the features of a neuron, before they are compared. */
typedef enum tn_features {
    TN_FEATURES_AUTO,    /* standard */
    TN_FEATURES_RAW,     /* as they are */
    TN_FEATURES_STANDARD /* activations to mean 0 and variance 1, so that their squared
                            distance is that of correlation; weights to norm 1 */
} tn_features;

/* What finds the transport between neurons. */
typedef enum tn_solver { TN_SOLVER_EXACT, TN_SOLVER_SINKHORN } tn_solver;

/* Mass of a neuron. */
typedef enum tn_importance {
    TN_IMPORTANCE_UNIFORM,
    TN_IMPORTANCE_L1, /* norm of its incoming weights */
    TN_IMPORTANCE_L2
} tn_importance;

/* Scale of the incoming side when widths differ. */
typedef enum tn_scaling {
    TN_SCALING_FUNCTION, /* rows of `in` sum as the function asks: a network widened by
                            duplicating neurons comes back exactly */
    TN_SCALING_PAPER     /* columns sum to one on both sides, as in the reference */
} tn_scaling;

/* How statistics of the result are put right. */
typedef enum tn_recalibrate {
    TN_RECALIBRATE_AUTO, /* batch norm where there is one, REPAIR elsewhere; where there
                            is no data, the data-free variance correction */
    TN_RECALIBRATE_NONE,
    TN_RECALIBRATE_NORM,   /* re-estimate running statistics of batch norm */
    TN_RECALIBRATE_REPAIR, /* mean and variance of every pre-activation set to the
                              interpolation of the aligned parents' */
    TN_RECALIBRATE_DATA_FREE
} tn_recalibrate;

/* Who chooses how to fuse. */
typedef enum tn_fuse_method {
    TN_FUSE_TRANSPORT, /* as the other options say */
    TN_FUSE_AUTO /* several ways, from cheap to dear; the one that agrees best with the
                    parents' ensemble on images kept aside is taken, without labels.
                    Chooses support, refit and refit_goal. Wants data */
} tn_fuse_method;

/* How many ways method auto tries. */
typedef enum tn_effort {
    TN_EFFORT_NORMAL, /* the best map, also with layers refitted */
    TN_EFFORT_FAST,   /* maps and recalibration only */
    TN_EFFORT_MAX     /* more maps, the two best refitted in all ways */
} tn_effort;

/* Layers fitted to the parents' answers. */
typedef enum tn_refit {
    TN_REFIT_NONE,
    TN_REFIT_LAYERS, /* each layer in turn is fitted, by least squares with a ridge,
                        from what it is fed in the fused network to the mean answers of
                        the aligned parents: PLeaS, arXiv 2407.02447, in closed form,
                        with sequential inputs as in Neuron Interpolation, 2507.00037 */
    TN_REFIT_PAIRS,  /* the same, and where a layer alone makes its neurons those of two
                        models are matched anew by what their fits on the inputs in the
                        fused network miss: Hungarian linear fusion, 2507.00037 */
    TN_REFIT_CLUSTERS /* the same for any number of models, by k-means of all their
                         neurons: k-means linear fusion */
} tn_refit;

/* Weights of neurons that become one, in their mean. */
typedef enum tn_scores {
    TN_SCORES_UNIFORM,
    TN_SCORES_ENERGY /* standard deviation times the norm of the weights that read it */
} tn_scores;

/* What they are fitted to. */
typedef enum tn_refit_goal {
    TN_REFIT_MEAN,  /* mean of the aligned parents' answers */
    TN_REFIT_SPREAD /* the same, its standard deviations brought to the parents' */
} tn_refit_goal;

/* How three and more are aligned. */
typedef enum tn_many {
    TN_MANY_TO_ONE,    /* each with the reference */
    TN_MANY_ITERATIVE, /* each with the mean of those before it */
    TN_MANY_MEAN, /* each with the mean of all others, again and again: MergeMany, arXiv
                     2209.04836 */
    TN_MANY_CYCLE /* all with one another at once, by weights, the reference not
                     preferred: C2M3, arXiv 2405.17897; of two as well */
} tn_many;

/* How to fuse. */
typedef struct tn_fuse_options {
    tn_fuse_method method;           /* auto chooses some of those below */
    tn_effort effort;                /* how many ways it tries */
    tn_support support;              /* what neurons are compared by */
    tn_features features;            /* made of it */
    tn_ot_metric metric;             /* between them */
    tn_solver solver;                /* of the transport */
    tn_ot_sinkhorn_options sinkhorn; /* of that solver */
    bool gromov; /* the distances of neurons within each model are compared, not neurons
                    of different models: Gromov-Wasserstein */
    tn_ot_gromov_loss gromov_loss; /* of two distances */
    double zip;        /* above 0: neurons of all models are put into clusters, and this
                          share of the merges may be within one model (ZipIt!: ICLR 2024,
                          arXiv 2305.03053); 0: each is matched with one of another */
    double zip_shrink; /* of a cluster's similarities with each merge; 1: not */
    tn_importance importance; /* masses */
    tn_scaling scaling;       /* where widths differ */
    size_t descents; /* after matching, groups are matched again by the weights of all
                        that makes and reads them until no map changes, from so many
                        starts: the maps found, the identity, then random orders; 0: not
                        (Git Re-Basin, ICLR 2023, arXiv 2209.04836) */
    tn_refit refit;  /* in place of recalibration, unless that is asked for */
    tn_refit_goal refit_goal;   /* what layers are fitted to */
    tn_scores scores;           /* of pairs and clusters */
    tn_recalibrate recalibrate; /* the correction behind */
    size_t samples;             /* probe images for the support */
    size_t calibration;         /* images for recalibration */
    const double *weights;      /* [models], sum 1; NULL: equal */
    size_t reference;       /* the model whose coordinates and widths the result has */
    tn_many many;           /* how three and more are aligned */
    bool align;             /* false: the plain average, for comparison */
    tn_depth_options depth; /* where depths differ */
    double width;           /* from 1 to the number of models: multiply-accumulates of
                               the result, those of one parent being 1 and zeros between
                               the parents not counted. Above 1 the neurons whose merging
                               costs most stay apart (PLeaS: Nasery et al. 2024, arXiv
                               2407.02447); with as many as models the result is the mean
                               of their outputs */
    uint64_t seed;          /* which images are drawn */
    size_t threads;         /* 0: one for each processor */
} tn_fuse_options;
/* The defaults of tn_fuse_options. */
#define TN_FUSE_OPTIONS_INIT                                                           \
    {                                                                                  \
        .metric = TN_OT_SQUARED_EUCLIDEAN, .sinkhorn = TN_OT_SINKHORN_OPTIONS_INIT,    \
        .zip_shrink = 0.3, .samples = 200, .calibration = 1000, .align = true,         \
        .width = 1, .seed = 1                                                          \
    }

/* What happened to one group for one parent. */
typedef struct tn_fuse_group {
    const char *name;           /* borrowed from the report */
    size_t model;               /* which parent was transported */
    size_t neurons, target;     /* its neurons, the reference's */
    double cost;                /* mean cost of the plan */
    double gap, marginal_error; /* as in tn_ot_plan */
    double moved;               /* share of the mass that is not on the identity */
} tn_fuse_group;

/* One way of fusing that method auto tried, or a parent, on the images kept aside. */
typedef struct tn_fuse_candidate {
    char name[96];     /* what was done, in a few words */
    double agreement;  /* with the parents' ensemble: share of images */
    double divergence; /* mean KL(ensemble || candidate), nats */
    double seconds;    /* to make it */
} tn_fuse_candidate;

/* What a fusion did. */
typedef struct tn_fuse_report {
    tn_fuse_group *groups;                       /* of each parent transported */
    size_t group_count;                          /* how many */
    size_t layers_recalibrated, layers_refitted; /* how many */
    tn_alignment *alignments; /* of networks of other depth than the deepest
                                 (shallowest) with it */
    size_t alignment_count;   /* how many */
    double seconds_statistics, seconds_transport; /* spent on each */
    double seconds_recalibrate;                   /* and on corrections */
    tn_fuse_candidate *candidates;  /* of method auto: [candidate_count], then the
                                       parents; else NULL */
    size_t candidate_count, chosen; /* how many; the one that was taken */
    size_t held_out;                /* images kept aside */
    tn_fuse_options options;        /* those the result was made by */
} tn_fuse_report;
TN_API void tn_fuse_report_release(tn_fuse_report *report); /* takes NULL */

/* Fuses models[0..count), count >= 2, of the same structure (widths may differ); where
 * depths differ, tn_level() comes first. data may be NULL: then support is by weights
 * and the correction data-free; only its images are used, never its labels. *out is
 * owned by the caller. report and observer may be NULL. TN_ERROR_MISMATCH naming the
 * first nodes that do not correspond, _UNSUPPORTED (a node without coupling rule),
 * _ARGUMENT, _NUMERIC (NaN weights, a plan that misses its marginals). */
TN_API TN_MUST_USE tn_status tn_fuse(tn_model **out, tn_fuse_report *report,
                                     const tn_model *const *models, size_t count,
                                     const tn_dataset *data,
                                     const tn_fuse_options *options,
                                     const tn_observer *observer, tn_error *err);

/* models[parent] carried into the coordinates of the reference, not averaged: where
 * maps are permutations it is the same function. Arguments as tn_fuse(). */
TN_API TN_MUST_USE tn_status tn_align(tn_model **out, const tn_model *const *models,
                                      size_t count, size_t parent,
                                      const tn_dataset *data,
                                      const tn_fuse_options *options,
                                      const tn_observer *observer, tn_error *err);

/* Networks whose neurons are aligned, of which several results can be made: at other
 * weights along a line between two of them, where the loss tells the barrier (Frankle
 * et al., "Linear mode connectivity", ICML 2020); with all weight on one, which is the
 * aligned parent alone and must be as good as the parent where maps are permutations;
 * with and without corrections; at several widths. */
typedef struct tn_fusion tn_fusion;

/* What tn_fuse() does but for making the result, with its arguments and errors. The
 * report (NULL: none) says nothing of corrections yet. *out is owned by the caller. */
TN_API TN_MUST_USE tn_status tn_fusion_create(tn_fusion **out, tn_fuse_report *report,
                                              const tn_model *const *models,
                                              size_t count, const tn_dataset *data,
                                              const tn_fuse_options *options,
                                              const tn_observer *observer,
                                              tn_error *err);
TN_API void tn_fusion_free(tn_fusion *fusion); /* takes NULL */

/* How the neurons of `group` (its name in the report) of models[model] were carried
 * onto the reference's: mass by source and target as in a plan, each target taking 1
 * over their number; cost, gap and errors are the report's. *out is released by the
 * caller. TN_ERROR_ARGUMENT where there is no such group or nothing was aligned. */
TN_API TN_MUST_USE tn_status tn_fusion_map(tn_ot_plan *out, const tn_fusion *fusion,
                                           size_t model, const char *group,
                                           tn_error *err);

/* One result. Of `options` weights, align (false: the plain average), refit,
 * refit_goal, scores, recalibrate and width are read; the others are what the fusion
 * was created with. NULL: all are, and with method auto the result is what that found.
 * Sets layers_recalibrated, layers_refitted and seconds_recalibrate of the report
 * (NULL: none). What is asked of the parents on the way is kept for the next result.
 * Errors as tn_fuse(). */
TN_API TN_MUST_USE tn_status tn_fusion_build(tn_model **out, tn_fuse_report *report,
                                             tn_fusion *fusion,
                                             const tn_fuse_options *options,
                                             tn_error *err);

#ifdef __cplusplus
}
#endif
#endif
