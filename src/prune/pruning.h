/* pruning.h - one pruning while it goes on, and what its files do for each other.
 *
 *     probe        the images, and what networks answer to them
 *     attempt      one way of pruning, from beginning to end
 *     ways         which ways are tried, and which is taken
 *     spread       how many neurons stay of each group
 *     account      the report and the plan
 *     prune        the order of all that
 */
#ifndef TN_PRUNE_PRUNING_H
#define TN_PRUNE_PRUNING_H

#include "prune/plan.h"
#include "prune/prune.h"

typedef struct tn__pruning {
    const tn_prune_options *options;
    const tn_model *model;
    tn__groups *groups;
    tn__limits limits;
    size_t *left; /* [groups] */
    double sparsity;
    tn_model *folded;
    tn__groups *folded_groups;
    tn__workers *workers;
    float *images;   /* [image_count, input], or NULL */
    int32_t *labels; /* [image_count], or NULL */
    size_t image_count;
    bool synthetic;
} tn__pruning;

/* One way of doing it, and what came out. */
typedef struct tn__attempt {
    tn_prune_method method;
    tn_prune_importance importance;
    bool repair, hold; /* batch norms; but not the variance behind refitted layers */
    tn_model *model;
    bool **kept;   /* [groups]: [neurons], NULL where the group keeps all */
    tn__map *maps; /* [groups], or NULL: the others are deleted */
    double error;
    tn__layer_way *ways; /* [nodes], or NULL */
    size_t norms;
} tn__attempt;

/* --- probe.c ---------------------------------------------------------------------- */

/* p->images and labels: `samples` of the data set, in an order by the seed. */
tn_status tn__prune_draw(tn__pruning *p, const tn_dataset *data,
                         tn_error *err) TN_MUST_USE;
void tn__prune_hash(char out[TN__SHA256_HEX], const tn__pruning *p);
/* Whether statistics of the images say something of the network: drawn ones do only
 * through batch norms, which hold what real ones are like. */
bool tn__prune_images_tell(const tn__pruning *p);
/* A clone whose batch norms are re-estimated on the images. */
tn_status tn__prune_probe(tn_model **out, const tn_model *model, const tn__pruning *p,
                          tn_error *err) TN_MUST_USE;
/* Mean squared change of the outputs relative to their variance. */
tn_status tn__prune_error(double *out, const tn_model *before, const tn_model *after,
                          const tn__pruning *p, tn_error *err) TN_MUST_USE;

/* --- attempt.c -------------------------------------------------------------------- */

/* Scores of the groups where wanted[g]; *scores [groups] is owned by the caller. */
tn_status tn__score_lists(double ***scores, bool *recovered, const tn__pruning *p,
                          const bool *wanted, tn_prune_importance by,
                          const tn_model *probe, tn_error *err) TN_MUST_USE;
void tn__score_lists_free(double **scores, size_t groups);
bool tn__method_mixes(tn_prune_method method);
/* a->model and what is known of it. Neurons and maps that a plan gave stand. */
tn_status tn__attempt_run(tn__attempt *a, const tn__pruning *p,
                          tn_error *err) TN_MUST_USE;
void tn__attempt_release(tn__attempt *a, size_t groups);

/* --- ways.c ----------------------------------------------------------------------- */

/* *best by the options. */
tn_status tn__prune_try(tn__attempt *best, const tn__pruning *p,
                        const tn_observer *observer, tn_error *err) TN_MUST_USE;
/* The attempt that a plan tells of. */
tn_status tn__prune_repeat(tn__attempt *best, tn__pruning *p, const tn_prune_plan *plan,
                           const tn_observer *observer, tn_error *err) TN_MUST_USE;

/* --- spread.c --------------------------------------------------------------------- */

/* p->left and p->sparsity. */
tn_status tn__prune_spread(tn__pruning *p, tn_error *err) TN_MUST_USE;

/* --- account.c -------------------------------------------------------------------- */

tn_status tn__prune_account(tn_prune_report *out, const tn__pruning *p,
                            const tn__attempt *a, const tn_dataset *data,
                            tn_error *err) TN_MUST_USE;

#endif
