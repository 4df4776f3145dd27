/* zoo.h - the members of a zoo, where they can be cut, and what lies between the cuts.
 *
 * Units are the pieces between neighbouring cuts: unit u of a member lies between cuts
 * u and u + 1; cut 0 is its input, the last cut its output. A block is a run of units.
 */
#ifndef TN_ASSEMBLE_ZOO_H
#define TN_ASSEMBLE_ZOO_H

#include "ops/op.h"
#include "tenon/assemble.h"

typedef struct tn__cut {
    size_t value;
    tn__shape shape; /* for one image */
} tn__cut;

typedef struct tn__member {
    char *name, *licence; /* licence may be NULL */
    size_t channels;      /* of mean and std; 0: those of the data */
    double *mean, *std;
    tn_model *model;
    size_t units;
    tn__cut *cuts;  /* [units + 1] */
    size_t *unit;   /* [nodes]: the unit a node belongs to; a node that several units
                       need (constants) has the first's */
    uint64_t *peak; /* [units]: most bytes of f32 activations alive at once */
} tn__member;

struct tn_zoo {
    tn__member *members;
    size_t count, capacity;
};

/* What units first..last of a member cost: each parameter once, running statistics
 * left out; MACs for one image. */
typedef struct tn__cost {
    int64_t params, macs; /* signed: a folded stitch may save some */
    int64_t peak;         /* bytes; the larger of two where costs are added */
    double latency;       /* seconds; 0 where not measured */
} tn__cost;
tn_status tn__member_cost(tn__cost *out, const tn__member *member, size_t first,
                          size_t last, tn_error *err) TN_MUST_USE;

/* marks[n]: node n lies between cuts `first` and `last + 1` or makes a constant that
 * they need. marks [nodes]. */
tn_status tn__units_mark(bool *marks, const tn_model *model, size_t from, size_t to,
                         tn_error *err) TN_MUST_USE;

/* Puts Mul and Add before members whose mean and std differ from those of the data, so
 * that all of them take the same images. TN_ERROR_MISMATCH where a member does not take
 * the data's images. */
tn_status tn__zoo_prepare(tn_zoo *zoo, const tn_dataset *data,
                          tn_error *err) TN_MUST_USE;

#endif
