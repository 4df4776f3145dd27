/* unary.h - elementwise functions of one tensor: a formula each, the rest shared. */
#ifndef TN_OPS_UNARY_UNARY_H
#define TN_OPS_UNARY_UNARY_H

#include "ops/op.h"

/* y = value(x), dy/dx = slope(x, y); p are the operator's parameters. */
typedef struct tn__formula {
    const char *type;
    double (*value)(double x, const double p[2]);
    double (*slope)(double x, double y, const double p[2]);
    /* Fills p; NULL: the formula has none. */
    tn_status (*read)(double p[2], const tn__tensor *const *in, const tn__site *site,
                      tn_error *err);
    int64_t (*integer)(int64_t x); /* on int64; NULL: floats only */
} tn__formula;

/* The formula of an operator that is in the family. */
const tn__formula *tn__formula_find(const char *type);

tn_status tn__unary_infer(tn__inferred *out, const tn__site *site, tn_error *err);
tn_status tn__unary_couple(tn__coupling *c, const tn__site *site, tn_error *err);
tn_status tn__unary_forward(tn__tensor *const *out, const tn__tensor *const *in,
                            const tn__site *site, tn_error *err);
tn_status tn__unary_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                             const tn__tensor *const *in, const tn__tensor *const *out,
                             const tn__site *site, tn_error *err);

#endif
