/* prune.h - a smaller network out of one, without training.
 *
 * Intra-Fusion: Theus et al., ICLR 2024, arXiv 2402.07839. Model Folding: ICLR 2025,
 * arXiv 2502.10216. Least squares after pruning, from a few unlabelled images: GRAIL,
 * arXiv 2602.23795. Without images Tenon draws its own: see docs/design.md.
 *
 *     tn_prune_options options = TN_PRUNE_OPTIONS_INIT;
 *     tn_model *small = NULL;
 *     options.sparsity = 0.5;
 *     if (tn_prune(&small, NULL, model, NULL, &options, NULL, &err)) ...
 */
#ifndef TENON_PRUNE_H
#define TENON_PRUNE_H

#include "tenon/data.h"
#include "tenon/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What becomes of the neurons that are removed. */
typedef enum tn_prune_method {
    TN_PRUNE_AUTO, /* refit, fold or delete, or one of refit's ways for each group: what
                      moves the outputs least */
    TN_PRUNE_DELETE,       /* nothing */
    TN_PRUNE_INTRA_FUSION, /* transported onto those that stay, equal shares */
    TN_PRUNE_NEAREST,      /* each onto the nearest that stays */
    TN_PRUNE_FOLD,         /* k-means clusters become their means */
    TN_PRUNE_REFIT /* deleted; what reads the group is refitted to the answers it gave
                      before, by ridge regression, where that misses less on images held
                      out */
} tn_prune_method;

/* Which neurons stay. */
typedef enum tn_prune_importance {
    TN_PRUNE_IMPORTANCE_AUTO, /* error with refit (and auto), else l1 */
    TN_PRUNE_IMPORTANCE_L1,   /* of all weights that make or read the neuron */
    TN_PRUNE_IMPORTANCE_L2,
    TN_PRUNE_IMPORTANCE_NORM,   /* scale of the batch norm */
    TN_PRUNE_IMPORTANCE_MEDIAN, /* distance from the others (FPGM, CVPR 2019) */
    TN_PRUNE_IMPORTANCE_ERROR, /* what linear reconstruction from those that stay leaves
                                  over in the next layers, chosen greedily */
    TN_PRUNE_IMPORTANCE_RANDOM,
    TN_PRUNE_IMPORTANCE_TAYLOR,     /* weights times gradients of the loss on labelled
                                       images */
    TN_PRUNE_IMPORTANCE_LAMP,       /* squared l2 over those that are not smaller */
    TN_PRUNE_IMPORTANCE_ACTIVATION, /* root mean square on images */
    TN_PRUNE_IMPORTANCE_CHIP        /* channel independence */
} tn_prune_importance;

/* How statistics behind what was pruned are put right. */
typedef enum tn_prune_repair {
    TN_PRUNE_REPAIR_AUTO, /* repair, with method auto repair or mean; none with
                             `compat`, and where there are neither images nor batch
                             norms */
    TN_PRUNE_REPAIR_NONE,
    TN_PRUNE_REPAIR_NORM,   /* mean and variance in batch norms re-estimated */
    TN_PRUNE_REPAIR_MEAN,   /* as repair, but not the variance behind refitted layers */
    TN_PRUNE_REPAIR_REPAIR, /* norm; and layers without one scaled and shifted until
                               mean and standard deviation of their answers are what
                               they were (REPAIR, ICLR 2023) */
    TN_PRUNE_REPAIR_DATA_FREE /* the variance that mixing takes, foreseen from weights
                                 (Fold-AR): of methods that mix neurons */
} tn_prune_repair;

/* Which groups lose more than others. */
typedef enum tn_prune_allocation {
    TN_PRUNE_ALLOCATE_EVEN, /* all the same share */
    TN_PRUNE_ALLOCATE_RANK, /* neurons of all groups in one order, by their scores over
                               the group's mean */
    TN_PRUNE_ALLOCATE_ERROR /* greedily where the error of recovery grows least, for
                               what is saved */
} tn_prune_allocation;

/* What a pruning did: groups, neurons that stayed, maps of the others, and where the
 * images came from. Refitted weights and statistics are not in it: they are computed
 * again, from the same images, so that the same model, plan and images give the same
 * bytes. */
typedef struct tn_prune_plan tn_prune_plan;

/* How much goes, which, and what is done about it. */
typedef struct tn_prune_options {
    const tn_prune_plan *plan; /* borrowed; where not NULL all else but `threads` is
                                  as the plan says */
    double sparsity; /* share of the neurons of each group (uneven: of all of them) to
                        remove, in [0, 1) */
    uint64_t max_params, max_macs; /* where not 0: sparsity is raised until they hold */
    double max_latency; /* the same, in milliseconds for one image on one thread,
                           measured: not deterministic. The report has the widths, and a
                           plan repeats them */
    tn_prune_allocation allocate;   /* which groups lose more */
    tn_prune_method method;         /* what becomes of what goes */
    tn_prune_importance importance; /* what stays */
    tn_prune_repair repair;         /* of statistics behind */
    bool compat;        /* Intra-Fusion with its authors' scales and costs */
    const char *groups; /* "inner" (not on a residual stream), "all", or names of
                           groups, separated by commas */
    const char *keep; /* "NAME=N,...": so many of these groups stay, exactly; or NULL */
    const char
        *exclude;     /* nodes that give as many channels as before, by name; or NULL */
    double min_share; /* stays of each group at least; 0: none, and an eighth where
                         shares are uneven */
    size_t round_to;  /* neurons that stay are rounded up to a multiple; 0: to 8 in
                         groups that keep 64 or more */
    size_t samples;   /* images that statistics are taken from */
    uint64_t seed;    /* of images drawn, of clusters, of random */
    size_t threads;   /* 0: one for each processor */
} tn_prune_options;
/* The defaults of tn_prune_options. */
#define TN_PRUNE_OPTIONS_INIT                                                          \
    {                                                                                  \
        .groups = "inner", .samples = 256, .seed = 1                                   \
    }

/* What one group lost. */
typedef struct tn_prune_group {
    char *name;             /* as `tenon inspect --groups` has it */
    size_t neurons, left;   /* before, after */
    uint32_t *kept;         /* [left], ascending; NULL where neurons were mixed */
    tn_prune_method method; /* with refit, DELETE where none of `readers` is refitted */
    double error; /* mean over these of the share of their answers that they miss, on
                     images held out; NaN where none was fitted */
    size_t readers, readers_refitted; /* layers that read the group and could be; those
                                         that are, which misses less on images held out
                                         than leaving them as deletion does. 0, 0 where
                                         the method is not refit */
} tn_prune_group;

/* What a pruning did. */
typedef struct tn_prune_report {
    tn_prune_group *groups; /* those that lost neurons */
    size_t group_count;     /* how many */
    double sparsity;        /* as asked for or as a budget needed */
    tn_prune_method method; /* that was taken */
    double error; /* mean squared change of the outputs on the images, relative to their
                     variance; NaN where there were no images */
    size_t images;  /* that statistics were taken from */
    bool synthetic; /* drawn by Tenon itself */
    size_t layers_refitted, norms, layers_repaired; /* how many */
    tn_prune_plan *plan;                            /* owned; what was done */
} tn_prune_report;
TN_API void tn_prune_report_release(tn_prune_report *report); /* takes NULL */

/* Writes a plan as JSON: docs/formats/plan.md. `note` (may be NULL) is a JSON object of
 * the caller's that travels along. options may be NULL. TN_ERROR_EXISTS, _IO. */
TN_API TN_MUST_USE tn_status tn_prune_plan_save(const tn_prune_plan *plan,
                                                const char *path, const char *note,
                                                const tn_save_options *options,
                                                tn_error *err);
/* Reads one; *out is owned by the caller. TN_ERROR_IO, _FORMAT, _UNSUPPORTED (a later
 * version). */
TN_API TN_MUST_USE tn_status tn_prune_plan_load(tn_prune_plan **out, const char *path,
                                                tn_error *err);
/* The note that travelled along, borrowed; NULL where there is none. */
TN_API const char *tn_prune_plan_note(const tn_prune_plan *plan);
TN_API void tn_prune_plan_free(tn_prune_plan *plan); /* takes NULL */

/* *out is `model` with fewer neurons, owned by the caller; with nothing to remove, the
 * same parameters. `data` may be NULL; labels are used by taylor only. options,
 * report and observer may be NULL. TN_ERROR_ARGUMENT (options, a group that is not
 * there, a budget out of reach), _UNSUPPORTED (a node whose neurons cannot be removed),
 * _MISMATCH (images; a plan for another model or other images), _NUMERIC.
 * Deterministic, whatever the number of threads. */
TN_API TN_MUST_USE tn_status tn_prune(tn_model **out, tn_prune_report *report,
                                      const tn_model *model, const tn_dataset *data,
                                      const tn_prune_options *options,
                                      const tn_observer *observer, tn_error *err);

#ifdef __cplusplus
}
#endif
#endif
