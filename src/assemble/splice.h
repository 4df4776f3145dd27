/* splice.h - one graph from node ranges of several. */
#ifndef TN_ASSEMBLE_SPLICE_H
#define TN_ASSEMBLE_SPLICE_H

#include "graph/model.h"

/* A network that grows at its end. */
typedef struct tn__splice {
    tn_model *model; /* owned; no output is declared yet */
    size_t end;      /* value at which the next piece begins */
} tn__splice;

/* An empty network with the input of `first`. */
tn_status tn__splice_begin(tn__splice *out, const tn_model *first,
                           tn_error *err) TN_MUST_USE;
void tn__splice_release(tn__splice *splice);
/* Appends what lies between values `from` and `to` of `source`, names prefixed;
 * parameters are shared. TN_ERROR_UNSUPPORTED where `to` depends on more than `from`,
 * or operator sets cannot be mixed. */
tn_status tn__splice_append(tn__splice *splice, const tn_model *source, size_t from,
                            size_t to, const char *prefix, tn_error *err) TN_MUST_USE;
/* Appends one node with one output, called `name`. *out (may be NULL) is its number;
 * inputs[0] is the end. */
tn_status tn__splice_node(size_t *out, tn__splice *splice, const char *type,
                          const char *name, size_t count, const size_t *inputs,
                          tn_error *err) TN_MUST_USE;
/* A copy whose only output is the end. */
tn_status tn__splice_model(tn_model **out, const tn__splice *splice,
                           tn_error *err) TN_MUST_USE;

#endif
