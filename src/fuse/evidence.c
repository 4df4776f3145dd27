/* evidence.c - the inner products that every cost is made of. */
#include <math.h>

#include "fuse/fusion.h"

tn_status tn__evidence_create(tn__evidence *out, size_t n, size_t m, tn_error *err)
{
    size_t count;
    tn__evidence made = {.n = n, .m = m};
    if (!tn__mul(&count, n, m))
        return tn__fail_memory(err, SIZE_MAX);
    made.dot = tn__alloc(count, sizeof *made.dot);
    made.x = tn__alloc(n, sizeof *made.x);
    made.y = tn__alloc(m, sizeof *made.y);
    if (!made.dot || !made.x || !made.y) {
        tn__evidence_release(&made);
        return tn__fail_memory(err, count * sizeof *made.dot);
    }
    *out = made;
    return TN_OK;
}

tn_status tn__evidence_add_within(tn__evidence *evidence, tn_error *err)
{
    size_t n = evidence->n, m = evidence->m;
    evidence->xx = tn__alloc(n, n * sizeof *evidence->xx);
    evidence->yy = tn__alloc(m, m * sizeof *evidence->yy);
    if (!evidence->xx || !evidence->yy)
        return tn__fail_memory(err, (n * n + m * m) * sizeof *evidence->xx);
    return TN_OK;
}

void tn__evidence_release(tn__evidence *evidence)
{
    if (!evidence)
        return;
    tn__free(evidence->dot);
    tn__free(evidence->x);
    tn__free(evidence->y);
    tn__free(evidence->xx);
    tn__free(evidence->yy);
    *evidence = (tn__evidence){0};
}

/* dot [n, m] of features of squared norms x and y becomes that of features of norm one.
 */
static void normalise(double *dot, const double *x, const double *y, size_t n, size_t m)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < m; j++) {
            double norms = x[i] * y[j];
            dot[i * m + j] = norms > 0 ? dot[i * m + j] / sqrt(norms) : 0;
        }
}

void tn__evidence_normalise(tn__evidence *e)
{
    normalise(e->dot, e->x, e->y, e->n, e->m);
    if (e->xx) {
        normalise(e->xx, e->x, e->x, e->n, e->n);
        normalise(e->yy, e->y, e->y, e->m, e->m);
    }
    for (size_t i = 0; i < e->n; i++)
        e->x[i] = 1;
    for (size_t j = 0; j < e->m; j++)
        e->y[j] = 1;
}

static void add(double *to, const double *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] += from[i];
}

void tn__evidence_blend(tn__evidence *evidence, tn__evidence *other)
{
    size_t n = evidence->n, m = evidence->m;
    tn__evidence_normalise(evidence);
    tn__evidence_normalise(other);
    add(evidence->dot, other->dot, n * m);
    add(evidence->x, other->x, n);
    add(evidence->y, other->y, m);
    if (evidence->xx && other->xx) {
        add(evidence->xx, other->xx, n * n);
        add(evidence->yy, other->yy, m * m);
    }
}
