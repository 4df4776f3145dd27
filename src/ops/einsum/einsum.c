/* einsum.c - Einsum: its equation, shapes, cost and coupling rule.
 *
 * "bij,bjk->bik": equal letters are one index; those that the output lacks are summed.
 * "..." stands for leading axes, aligned at the right and stretched where they are 1.
 * Without "->" the output has the letters that occur once, in alphabetical order.
 */
#include "ops/einsum/einsum.h"

#include <ctype.h>
#include <string.h>

#include "ops/operand.h"
#include "ops/registry.h"

#define DOTS '.'
#define LETTERS 128

/* One term of the equation: letters, and DOTS once where it has an ellipsis. */
typedef struct term {
    char letter[TN__MAX_RANK + 1];
    int count;
    bool dots;
} term;

typedef struct equation {
    term in[TN__EINSUM_OPERANDS], out;
    size_t operands;
    bool arrow;
} equation;

static tn_status bad_equation(const tn__site *site, tn_error *err)
{
    return tn__fail(err, TN_ERROR_FORMAT, "cannot read the equation '%s'",
                    tn__node_string(site->node, "equation", ""));
}

static bool add_letter(term *t, const char **at)
{
    if (t->count > TN__MAX_RANK)
        return false;
    if (**at == DOTS) {
        if (t->dots || strncmp(*at, "...", 3) != 0)
            return false;
        *at += 2;
        t->dots = true;
    } else if (!isalpha((unsigned char)**at)) {
        return false;
    }
    t->letter[t->count++] = **at;
    return true;
}

static tn_status parse(equation *e, const tn__site *site, tn_error *err)
{
    const char *at = tn__node_string(site->node, "equation", "");
    term *t = &e->in[0];
    *e = (equation){.operands = 1};
    for (; *at; at++) {
        if (*at == ' ')
            continue;
        if (*at == ',' && !e->arrow && e->operands < TN__EINSUM_OPERANDS)
            t = &e->in[e->operands++];
        else if (strncmp(at, "->", 2) == 0 && !e->arrow) {
            e->arrow = true;
            t = &e->out;
            at++;
        } else if (!add_letter(t, &at)) {
            return bad_equation(site, err);
        }
    }
    return TN_OK;
}

/* The letters that occur once, in order, behind the ellipsis. */
static void imply_output(equation *e)
{
    int times[LETTERS] = {0};
    for (size_t k = 0; k < e->operands; k++)
        for (int i = 0; i < e->in[k].count; i++)
            times[(unsigned char)e->in[k].letter[i] % LETTERS]++;
    if (times[DOTS])
        e->out.letter[e->out.count++] = DOTS;
    e->out.dots = times[DOTS] > 0;
    for (int c = 0; c < LETTERS; c++)
        if (c != DOTS && times[c] == 1 && e->out.count <= TN__MAX_RANK)
            e->out.letter[e->out.count++] = (char)c;
}

/* What the letters stand for, as indices are given out. */
typedef struct binding {
    tn__einsum *to;
    int index[LETTERS];     /* -1: not seen */
    int dots[TN__MAX_RANK]; /* indices of the axes of "...", the last at the end */
    int dot_count;
} binding;

static bool new_index(int *index, tn__einsum *to)
{
    if (*index >= 0)
        return true;
    if (to->count == TN__EINSUM_INDICES)
        return false;
    to->extent[to->count] = 1;
    *index = to->count++;
    return true;
}

/* Gives the letters of a term their indices; false where there are too many. */
static bool name_indices(binding *b, const term *t)
{
    for (int i = 0; i < t->count; i++) {
        if (t->letter[i] != DOTS) {
            if (!new_index(&b->index[(unsigned char)t->letter[i]], b->to))
                return false;
            continue;
        }
        for (int d = 0; d < b->dot_count; d++)
            if (!new_index(&b->dots[TN__MAX_RANK - b->dot_count + d], b->to))
                return false;
    }
    return true;
}

/* Axes that the ellipsis of a term stands for, or -1 where the rank does not fit. */
static int dots_of(const term *t, int rank)
{
    int rest = rank - (t->count - t->dots);
    return rest < 0 || (!t->dots && rest) ? -1 : rest;
}

static tn_status bind_operand(binding *b, const term *t, const tn__site *site, size_t k,
                              tn_error *err)
{
    const tn__shape *shape = site->in[k];
    int dots = dots_of(t, shape->rank), axis = 0;
    for (int i = 0; i < t->count; i++) {
        int spans = t->letter[i] == DOTS ? dots : 1;
        for (int d = 0; d < spans; d++, axis++) {
            int index = t->letter[i] == DOTS ? b->dots[TN__MAX_RANK - dots + d]
                                             : b->index[(unsigned char)t->letter[i]];
            int64_t dim = shape->dims[axis], *extent = &b->to->extent[index];
            if (dim != *extent && dim != 1 && *extent != 1)
                return tn__fail(err, TN_ERROR_MISMATCH,
                                "axis %d of input %zu has extent %lld, expected %lld",
                                axis, k, (long long)dim, (long long)*extent);
            *extent = *extent == 1 ? dim : *extent;
            b->to->axis_index[k][axis] = index;
        }
    }
    return TN_OK;
}

tn_status tn__einsum_read(tn__einsum *out, const tn__site *site, tn_error *err)
{
    equation e;
    *out = (tn__einsum){.operands = site->input_count};
    binding b = {.to = out};
    tn_status status = parse(&e, site, err);
    if (status)
        return status;
    if (e.operands != site->input_count)
        return tn__fail(err, TN_ERROR_FORMAT, "%zu inputs, the equation has %zu",
                        site->input_count, e.operands);
    for (size_t k = 0; k < e.operands; k++) {
        int dots = dots_of(&e.in[k], site->in[k]->rank);
        if (dots < 0)
            return tn__fail(err, TN_ERROR_MISMATCH,
                            "input %zu has %d axes, which the equation does not fit", k,
                            site->in[k]->rank);
        b.dot_count = TN__MAX(b.dot_count, dots);
    }
    for (int c = 0; c < LETTERS; c++)
        b.index[c] = -1;
    for (int d = 0; d < TN__MAX_RANK; d++)
        b.dots[d] = -1;
    if (!e.arrow)
        imply_output(&e);
    bool fits = name_indices(&b, &e.out);
    out->kept = out->count;
    for (size_t k = 0; k < e.operands && fits; k++)
        fits = name_indices(&b, &e.in[k]);
    if (!fits || out->kept > TN__MAX_RANK)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "the equation has more than %d indices, or %d of the output",
                        TN__EINSUM_INDICES, TN__MAX_RANK);
    for (size_t k = 0; k < e.operands && !status; k++)
        status = bind_operand(&b, &e.in[k], site, k, err);
    return status;
}

static tn_status einsum_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    tn__einsum e;
    tn_status status = tn__expect_inputs(site, 1, TN__EINSUM_OPERANDS, err);
    for (size_t k = 0; k < site->input_count && !status; k++) {
        if (!site->in[k])
            return tn__fail(err, TN_ERROR_FORMAT, "input %zu is left out", k);
        status = tn__expect_float(site, k, err);
        if (!status)
            status = tn__expect_same_dtype(site, 0, k, err);
    }
    if (status || (status = tn__expect_one_output(site, err)) != TN_OK ||
        (status = tn__einsum_read(&e, site, err)) != TN_OK)
        return status;
    out->dtype = site->in_dtype[0];
    out->shape.rank = e.kept;
    memcpy(out->shape.dims, e.extent, (size_t)e.kept * sizeof *e.extent);
    return TN_OK;
}

static uint64_t einsum_macs(const tn__site *site)
{
    tn__einsum e;
    tn_error ignored = {0};
    uint64_t macs = 1;
    if (tn__einsum_read(&e, site, &ignored))
        return 0;
    for (int i = 0; i < e.count; i++)
        macs = tn__saturating_mul(macs, (uint64_t)e.extent[i]);
    return macs;
}

/* How often an index occurs on an operand: twice is a diagonal. */
static int times_on(const tn__einsum *e, const tn__site *site, size_t k, int index)
{
    int times = 0;
    for (int a = 0; a < site->in[k]->rank; a++)
        times += e->axis_index[k][a] == index;
    return times;
}

/* Of a weight, what the output keeps is made and what is summed is read. */
static void tell_role(tn__coupling *c, const tn__einsum *e, size_t k, int axis)
{
    bool kept = e->axis_index[k][axis] < e->kept;
    c->role(c, (int)k, axis, kept ? TN__PRODUCER : TN__CONSUMER);
}

/* Ties axis `axis` of operand k to the output, or (summed) to the first operand that
 * has the index; a diagonal is frozen. */
static tn_status couple_axis(tn__coupling *c, const tn__einsum *e, const tn__site *site,
                             size_t k, int axis, tn_error *err)
{
    int index = e->axis_index[k][axis];
    int64_t dim = site->in[k]->dims[axis];
    if (times_on(e, site, k, index) > 1) {
        tn_status status = c->freeze(c, (int)k, axis, "diagonal", err);
        if (!status && index < e->kept)
            status = c->freeze(c, TN__OUT(0), index, "diagonal", err);
        return status;
    }
    if (dim != e->extent[index])
        return TN_OK; /* stretched */
    tell_role(c, e, k, axis);
    if (index < e->kept)
        return tn__couple_axes(c, (int)k, axis, TN__OUT(0), index, (size_t)dim, err);
    for (size_t j = 0; j < k; j++)
        for (int a = 0; a < site->in[j]->rank; a++)
            if (e->axis_index[j][a] == index && site->in[j]->dims[a] == dim)
                return tn__couple_axes(c, (int)k, axis, (int)j, a, (size_t)dim, err);
    return TN_OK;
}

static tn_status einsum_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    tn__einsum e;
    tn_status status = tn__einsum_read(&e, site, err);
    for (size_t k = 0; k < site->input_count && !status; k++)
        for (int a = 0; a < site->in[k]->rank && !status; a++)
            status = couple_axis(c, &e, site, k, a, err);
    return status;
}

const tn__op tn__op_einsum = {
    .type = "Einsum",
    .domain = "",
    .infer = einsum_infer,
    .macs = einsum_macs,
    .couple = einsum_couple,
    .joint = true,
    .forward = tn__einsum_forward,
    .backward = tn__einsum_backward,
};
