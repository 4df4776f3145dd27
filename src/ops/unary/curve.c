/* curve.c - elementwise operators that another kernel can compute behind its own. */
#include <string.h>

#include "ops/kernel.h"
#include "ops/unary/unary.h"

bool tn__curve_read(tn__curve *out, const tn__site *site)
{
    static const struct {
        const char *type;
        tn__curve_kind kind;
    } known[] = {{"Gelu", TN__CURVE_GELU},
                 {"Clip", TN__CURVE_CLIP},
                 {"HardSwish", TN__CURVE_HARD_SWISH},
                 {"Sigmoid", TN__CURVE_SIGMOID},
                 {"LeakyRelu", TN__CURVE_LEAKY}};
    const tn__formula *formula = tn__formula_find(site->node->type);
    double p[2] = {0, 0};
    for (size_t k = 1; k < site->input_count; k++)
        if (site->in[k] && !site->constant[k])
            return false;
    if (!formula || site->node->domain[0] ||
        (formula->read && formula->read(p, site->constant, site, NULL)))
        return false;
    for (size_t k = 0; k < TN__COUNT(known); k++) {
        if (strcmp(known[k].type, site->node->type) != 0)
            continue;
        *out = (tn__curve){known[k].kind, {(float)p[0], (float)p[1]}};
        /* Gelu by tanh is another function; a clip to nothing is nobody's. */
        return known[k].kind == TN__CURVE_GELU   ? p[0] == 0
               : known[k].kind == TN__CURVE_CLIP ? p[0] <= p[1]
                                                 : true;
    }
    return false;
}
