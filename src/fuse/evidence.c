/* evidence.c - life of the inner products that every cost is made of. */
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
