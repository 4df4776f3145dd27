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

void tn__evidence_release(tn__evidence *evidence)
{
    if (!evidence)
        return;
    tn__free(evidence->dot);
    tn__free(evidence->x);
    tn__free(evidence->y);
    *evidence = (tn__evidence){0};
}

void tn__evidence_normalise(tn__evidence *e)
{
    for (size_t i = 0; i < e->n; i++) {
        for (size_t j = 0; j < e->m; j++) {
            double norms = e->x[i] * e->y[j];
            e->dot[i * e->m + j] = norms > 0 ? e->dot[i * e->m + j] / sqrt(norms) : 0;
        }
    }
    for (size_t i = 0; i < e->n; i++)
        e->x[i] = 1;
    for (size_t j = 0; j < e->m; j++)
        e->y[j] = 1;
}

void tn__evidence_blend(tn__evidence *evidence, tn__evidence *other)
{
    tn__evidence_normalise(evidence);
    tn__evidence_normalise(other);
    for (size_t i = 0; i < evidence->n * evidence->m; i++)
        evidence->dot[i] += other->dot[i];
    for (size_t i = 0; i < evidence->n; i++)
        evidence->x[i] += other->x[i];
    for (size_t j = 0; j < evidence->m; j++)
        evidence->y[j] += other->y[j];
}
