/* units.h - the units of a network, which stand for "layers" where depths differ.
 *
 * A unit is what lies between two legal cut points and holds a layer (a node that reads
 * a float parameter of rank 2 or more), with the norms, activations and other nodes
 * behind it that keep its shape. A residual block is one unit, since only its end is a
 * cut. Nodes without parameters that change the shape (pooling, flattening) belong to
 * no unit and end a stage; so does a unit that changes the resolution, which opens the
 * next.
 */
#ifndef TN_DEPTH_UNITS_H
#define TN_DEPTH_UNITS_H

#include "ops/op.h"

typedef enum tn__unit_kind {
    TN__UNIT_PLAIN,    /* one layer, nothing beside it */
    TN__UNIT_RESIDUAL, /* its input is added to what it makes of it */
    TN__UNIT_OTHER
} tn__unit_kind;

typedef struct tn__unit {
    size_t first, last;   /* nodes [first, last) in the model's order */
    size_t input, output; /* values: what it reads, and what it makes in that shape */
    size_t end;           /* what the next unit reads: `output`, or what pooling and
                             flattening make of it */
    size_t layer;         /* its first layer, a node */
    size_t stage;
    tn__unit_kind kind;
    bool level; /* the resolution of input and output is the same */
} tn__unit;

typedef struct tn__units {
    const tn_model *model; /* borrowed */
    tn__unit *list;        /* in order */
    size_t count, stage_count;
    tn__shapes shapes; /* for one image */
} tn__units;

/* TN_ERROR_UNSUPPORTED where the graph has several inputs or outputs or no layer. */
tn_status tn__units_find(tn__units *out, const tn_model *model,
                         tn_error *err) TN_MUST_USE;
void tn__units_release(tn__units *units);

/* A node that reads a float parameter of rank 2 or more. */
bool tn__node_is_layer(const tn_model *model, size_t node);
/* The name of a unit's first layer without its suffix: "layer1.0.conv1". */
const char *tn__unit_name(const tn__units *units, size_t unit);
/* Whether two units have the same structure: node by node the same operators,
 * attributes and wiring; widths may differ. */
bool tn__units_alike(const tn__units *a, size_t i, const tn__units *b, size_t j);

#endif
