/* pruning.h - one pruning while it goes on, and what its files do for each other.
 *
 *     probe        the images, and what networks answer to them
 *     attempt      one way of pruning, from beginning to end
 *     foresee      what averaging takes from the variance, from weights alone
 *     ways         which ways are tried, and which is taken
 *     judge        which is taken for each group
 *     spread       how many neurons stay of each group
 *     account      the report and the plan
 *     prune        the order of all that
 */
#ifndef TN_PRUNE_PRUNING_H
#define TN_PRUNE_PRUNING_H

#include "prune/plan.h"
#include "prune/prune.h"

/* A network as it answers to the images; without images the network itself. */
typedef struct tn__probe_models {
    tn_model *model; /* batch norms give what they give on real images */
    tn_model *goals; /* its batch norms hold mean and variance of what enters those */
} tn__probe_models;

typedef struct tn__pruning {
    const tn_prune_options *options;
    const tn_model *model;
    tn_model *gathered; /* the model where its shuffles had to be rewritten, or NULL */
    tn__groups *groups;
    tn__limits limits;
    size_t *left; /* [groups] */
    double sparsity;
    tn_model *folded;
    tn__groups *folded_groups;
    tn__probe_models probe, folded_probe;
    tn__workers *workers;
    float *images;   /* [image_count, input], or NULL */
    int32_t *labels; /* [image_count], or NULL */
    size_t image_count;
    bool synthetic;
} tn__pruning;

/* One way of doing it, and what came out. */
typedef struct tn__attempt {
    tn_prune_method method;
    tn_prune_method *by; /* [groups], or NULL; of a refit: what a group is read from,
                            itself (DELETE) or one of the mixtures */
    tn_prune_importance importance;
    tn_prune_repair repair; /* not AUTO */
    tn_model *model;
    bool **kept;   /* [groups]: [neurons], NULL where the group keeps all */
    tn__map *maps; /* [groups], or NULL: the others are deleted */
    double error;
    tn__refitted refitted; /* its ways [nodes] owned, or NULL */
} tn__attempt;

/* --- probe.c ---------------------------------------------------------------------- */

/* p->images and labels: `samples` of the data set, in an order by the seed. */
tn_status tn__prune_draw(tn__pruning *p, const tn_dataset *data,
                         tn_error *err) TN_MUST_USE;
void tn__prune_hash(char out[TN__SHA256_HEX], const tn__pruning *p);
/* Whether statistics of the images say something of the network: drawn ones do only
 * through batch norms, which hold what real ones are like. */
bool tn__prune_images_tell(const tn__pruning *p);
/* p->probe and p->folded_probe, of what there is. */
tn_status tn__prune_probe(tn__pruning *p, tn_error *err) TN_MUST_USE;
void tn__probe_models_release(tn__probe_models *models);
/* Mean squared change of the outputs relative to their variance. */
tn_status tn__prune_error(double *out, const tn_model *before, const tn_model *after,
                          const tn__pruning *p, tn_error *err) TN_MUST_USE;

/* --- attempt.c -------------------------------------------------------------------- */

/* Scores of the groups where wanted[g]; *scores [groups] is owned by the caller. */
tn_status tn__score_lists(double ***scores, bool *recovered, const tn__pruning *p,
                          const bool *wanted, tn_prune_importance by,
                          tn_error *err) TN_MUST_USE;
void tn__score_lists_free(double **scores, size_t groups);
/* a->model and what is known of it. Neurons and maps that a plan gave stand. */
tn_status tn__attempt_run(tn__attempt *a, const tn__pruning *p,
                          tn_error *err) TN_MUST_USE;
void tn__attempt_release(tn__attempt *a, size_t groups);

/* --- foresee.c -------------------------------------------------------------------- */

/* Neurons of `small` that the maps of an attempt made of several get the variance that
 * is foreseen to be missing. *layers: those that have any. */
tn_status tn__prune_foresee(tn_model *small, size_t *layers, const tn__attempt *a,
                            const tn__pruning *p, tn_error *err) TN_MUST_USE;

/* --- ways.c ----------------------------------------------------------------------- */

/* Makes what the attempt says; `name` is for who watches. */
tn_status tn__prune_try_one(tn__attempt *a, const tn__pruning *p, const char *name,
                            const tn_observer *observer, tn_error *err) TN_MUST_USE;

/* *best by the options. */
tn_status tn__prune_try(tn__attempt *best, const tn__pruning *p,
                        const tn_observer *observer, tn_error *err) TN_MUST_USE;
/* The attempt that a plan tells of. */
tn_status tn__prune_repeat(tn__attempt *best, tn__pruning *p, const tn_prune_plan *plan,
                           const tn_observer *observer, tn_error *err) TN_MUST_USE;

/* --- judge.c ---------------------------------------------------------------------- */

/* *refit mixes nothing and becomes one that does for some groups, if that moves the
 * outputs less. */
tn_status tn__prune_judge(tn__attempt *refit, const tn__pruning *p,
                          const tn_observer *observer, tn_error *err) TN_MUST_USE;
/* Whether the node reads the group through one of its parameters. */
bool tn__node_reads(const tn__node *node, const tn__group *group);

/* --- spread.c --------------------------------------------------------------------- */

/* p->left and p->sparsity. */
tn_status tn__prune_spread(tn__pruning *p, tn_error *err) TN_MUST_USE;

/* --- account.c -------------------------------------------------------------------- */

tn_status tn__prune_account(tn_prune_report *out, const tn__pruning *p,
                            const tn__attempt *a, const tn_dataset *data,
                            tn_error *err) TN_MUST_USE;

#endif
