/* couple.c - coupling rules that many operators share.
 *
 * A tie says that two cells (axis, index) belong to the same neuron. Axes that are not
 * tied stay free to move, so whatever may not move must be frozen.
 */
#include "ops/op.h"

tn_status tn__couple_axes(tn__coupling *c, int a, int a_axis, int b, int b_axis,
                          size_t extent, tn_error *err)
{
    return c->tie(c, (tn__spot){a, a_axis, 0}, (tn__spot){b, b_axis, 0}, extent, err);
}

tn_status tn__couple_same(tn__coupling *c, const tn__site *site, int a, int b,
                          tn_error *err)
{
    const tn__shape *shape = tn__site_shape(site, a);
    tn_status status = TN_OK;
    for (int k = 0; k < shape->rank && !status; k++)
        status = tn__couple_axes(c, a, k, b, k, (size_t)shape->dims[k], err);
    return status;
}

tn_status tn__couple_broadcast(tn__coupling *c, const tn__site *site, int a,
                               tn_error *err)
{
    const tn__shape *from = tn__site_shape(site, a);
    const tn__shape *onto = tn__site_shape(site, TN__OUT(0));
    int shift = onto->rank - from->rank;
    tn_status status = TN_OK;
    for (int k = 0; k < from->rank && !status; k++)
        if (from->dims[k] == onto->dims[k + shift])
            status = tn__couple_axes(c, a, k, TN__OUT(0), k + shift,
                                     (size_t)from->dims[k], err);
    return status;
}

tn_status tn__couple_freeze(tn__coupling *c, const tn__site *site, int operand,
                            const char *reason, tn_error *err)
{
    const tn__shape *shape = tn__site_shape(site, operand);
    tn_status status = TN_OK;
    for (int k = 0; k < shape->rank && !status; k++)
        status = c->freeze(c, operand, k, reason, err);
    return status;
}

/* One side of a reshape segment: the axes first .. last of an operand whose extents
 * have a common product; axes of extent 1 do not count. */
typedef struct side {
    int operand;
    const tn__shape *shape;
    int first, last; /* of the axes that count */
    int count;
} side;

static void take_axis(side *s, int axis)
{
    if (s->shape->dims[axis] == 1)
        return;
    if (s->count++ == 0)
        s->first = axis;
    s->last = axis;
}

static tn_status freeze_side(tn__coupling *c, const side *s, int from,
                             const char *reason, tn_error *err)
{
    tn_status status = TN_OK;
    for (int k = from; k <= s->last && !status; k++)
        if (s->shape->dims[k] != 1)
            status = c->freeze(c, s->operand, k, reason, err);
    return status;
}

static tn_status couple_merge(tn__coupling *c, const side *one, const side *many,
                              tn_error *err)
{
    if (many->count == 1)
        return tn__couple_axes(c, one->operand, one->first, many->operand, many->first,
                               (size_t)one->shape->dims[one->first], err);
    return c->merge(c, one->operand, one->first, many->operand, many->first, many->last,
                    err);
}

/* Neither side is one axis. What follows the leading axes goes with them where the
 * longer one of these is a whole number of times the other. */
static tn_status couple_runs(tn__coupling *c, const side *a, const side *b,
                             tn_error *err)
{
    size_t m = (size_t)a->shape->dims[a->first], n = (size_t)b->shape->dims[b->first];
    bool whole = n && m % n == 0;
    tn_status status = freeze_side(c, a, a->first + whole, "reshaped axis", err);
    if (!status)
        status = freeze_side(c, b, b->first + whole, "reshaped axis", err);
    for (size_t i = 0; i < m && whole && !status; i++)
        status = c->tie(c, (tn__spot){a->operand, a->first, i},
                        (tn__spot){b->operand, b->first, i / (m / n)}, 1, err);
    return status;
}

static tn_status couple_segment(tn__coupling *c, const side *a, const side *b,
                                tn_error *err)
{
    if (a->count == 0)
        return TN_OK;
    if (a->count == 1)
        return couple_merge(c, a, b, err);
    if (b->count == 1)
        return couple_merge(c, b, a, err);
    bool longer = a->shape->dims[a->first] >= b->shape->dims[b->first];
    return longer ? couple_runs(c, a, b, err) : couple_runs(c, b, a, err);
}

tn_status tn__couple_reshape(tn__coupling *c, const tn__site *site, int a,
                             tn_error *err)
{
    const tn__shape *in = tn__site_shape(site, a);
    const tn__shape *out = tn__site_shape(site, TN__OUT(0));
    int i = 0, o = 0;
    tn_status status = TN_OK;
    /* Segments: the shortest runs of axes on both sides with the same product. */
    while ((i < in->rank || o < out->rank) && !status) {
        side sa = {.operand = a, .shape = in};
        side sb = {.operand = TN__OUT(0), .shape = out};
        int64_t m = i < in->rank ? in->dims[i] : 1,
                n = o < out->rank ? out->dims[o] : 1;
        if (i < in->rank)
            take_axis(&sa, i++);
        if (o < out->rank)
            take_axis(&sb, o++);
        while (m != n) {
            bool left = (m < n || o == out->rank) && i < in->rank;
            if (!left && o == out->rank)
                return TN_OK; /* an extent of 0: no cells */
            if (left) {
                m *= in->dims[i];
                take_axis(&sa, i++);
            } else {
                n *= out->dims[o];
                take_axis(&sb, o++);
            }
        }
        status = couple_segment(c, &sa, &sb, err);
    }
    return status;
}
