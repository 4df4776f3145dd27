/* chains.h - why two axes are one neuron's: the nodes that tie the one to the other.
 *
 * Each call of a coupling rule that ties two cells is a step from one slot to another.
 * A chain is a shortest way of such steps between two slots of one group, found for its
 * first neuron, which stands for all.
 *
 *     tn__chains *chains = NULL;
 *     tn__groups *groups = NULL;
 *     TN_TRY(tn__chains_create(&chains, &groups, model, err));
 *     tn__chains_from(chains, g);
 *     for (size_t e = 0; e < groups->list[g].entry_count; e++)
 *         count = tn__chains_to(&linked, chains, g, e, nodes);
 */
#ifndef TN_NEURONS_CHAINS_H
#define TN_NEURONS_CHAINS_H

#include "neurons/groups.h"

typedef struct tn__chains tn__chains;

/* Finds the groups, which are the caller's and must stay, and has the rules say
 * everything once more. */
tn_status tn__chains_create(tn__chains **out, tn__groups **groups,
                            const tn_model *model, tn_error *err) TN_MUST_USE;
void tn__chains_free(tn__chains *chains); /* takes NULL */

/* Finds the chains from the leading entry of group g to all others, for
 * tn__chains_to(). */
void tn__chains_from(tn__chains *chains, size_t g);
/* The nodes to entry e, from the leading one on, into nodes [nodes of the model], each
 * once however often it is passed; returns how many. *linked is false where no tie
 * leads there. */
size_t tn__chains_to(bool *linked, const tn__chains *chains, size_t g, size_t e,
                     size_t *nodes);

/* The nodes from frozen axis k to the nearest axis that was frozen as a whole for its
 * reason, likewise. *value is the value that one belongs to, and *node the one whose
 * rule said so; TN__NONE where there is none (the edge of the graph). Forgets what
 * tn__chains_from() found. */
size_t tn__chains_frozen(size_t *value, size_t *node, tn__chains *chains, size_t k,
                         size_t *nodes);

#endif
