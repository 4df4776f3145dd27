/* plan.h - what a pruning did, so that it can be done again, bit for bit.
 *
 * A plan names the groups that lost neurons, which stayed and the maps that carried
 * the others; statistics and refitted weights are not in it, they come again from the
 * same images, which a hash tells.
 *
 *     plan         the struct, from a pruning and against a model
 *     plan_file    its JSON
 */
#ifndef TN_PRUNE_PLAN_H
#define TN_PRUNE_PLAN_H

#include "base/file.h"
#include "neurons/map.h"
#include "tenon/prune.h"

typedef struct tn__plan_group {
    size_t group; /* its number in the model */
    char *name;
    size_t neurons, left;
    bool *kept;         /* [neurons] */
    tn__map map;        /* or empty: the others are deleted */
    tn_prune_method by; /* how the map came about; DELETE where there is none */
} tn__plan_group;

struct tn_prune_plan {
    char model[TN__SHA256_HEX]; /* of the file it was made for; or "" */
    tn_prune_method method;
    tn_prune_repair repair; /* not AUTO */
    bool compat;
    uint64_t seed;
    double sparsity;
    size_t images; /* that statistics are taken from; 0: none are needed */
    bool synthetic;
    char images_hash[TN__SHA256_HEX];
    char *data; /* where the images came from, for messages; or NULL */
    tn__plan_group *groups;
    size_t group_count;
    char *note; /* a JSON object of whoever saved it; or NULL */
};

/* The first `count` members of `groups`, each released. */
void tn__plan_groups_free(tn__plan_group *groups, size_t count);

/* left [groups->count]: neurons that stay. TN_ERROR_MISMATCH where the plan was made
 * for another model. */
tn_status tn__plan_widths(size_t *left, const tn_prune_plan *plan,
                          const tn_model *model, const tn__groups *groups,
                          tn_error *err) TN_MUST_USE;
/* Whether it is of a refit some groups of which are mixed. */
bool tn__plan_is_mixed(const tn_prune_plan *plan);
/* Copies of what stays, of the maps and of how they came about, by number of the group;
 * members of kept and maps are owned by the caller. maps and by may be NULL. */
tn_status tn__plan_copy(bool **kept, tn__map *maps, tn_prune_method *by,
                        const tn_prune_plan *plan, tn_error *err) TN_MUST_USE;
/* plan->groups from kept, maps and by [groups->count]. maps NULL: none; by NULL: all
 * maps are of the plan's method. */
tn_status tn__plan_fill(tn_prune_plan *plan, const tn__groups *groups,
                        const size_t *left, bool *const *kept, const tn__map *maps,
                        const tn_prune_method *by, tn_error *err) TN_MUST_USE;

#endif
