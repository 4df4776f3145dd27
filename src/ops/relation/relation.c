/* relation.c - what is true or false of elements: Equal, Greater, Less, GreaterOrEqual,
 * LessOrEqual, And, Or, Xor of two broadcast arrays, Not and IsNaN of one. Computed for
 * every element type, since exporters ask such things of shapes. No gradient passes.
 */
#include <math.h>
#include <string.h>

#include "ops/binary/binary.h"
#include "ops/operand.h"
#include "ops/registry.h"
#include "ops/unary/unary.h"
#include "ops/view.h"

/* sign: of a - b, or 2 where they have no order. */
typedef struct relation {
    const char *type;
    bool (*holds)(int sign, bool a, bool b);
    bool logical; /* takes bools */
} relation;

static bool equal(int sign, bool a, bool b)
{
    (void)a;
    (void)b;
    return sign == 0;
}

static bool greater(int sign, bool a, bool b)
{
    (void)a;
    (void)b;
    return sign == 1;
}

static bool less(int sign, bool a, bool b)
{
    (void)a;
    (void)b;
    return sign == -1;
}

static bool greater_or_equal(int sign, bool a, bool b)
{
    (void)a;
    (void)b;
    return sign == 1 || sign == 0;
}

static bool less_or_equal(int sign, bool a, bool b)
{
    (void)a;
    (void)b;
    return sign == -1 || sign == 0;
}

static bool both(int sign, bool a, bool b)
{
    (void)sign;
    return a && b;
}

static bool either(int sign, bool a, bool b)
{
    (void)sign;
    return a || b;
}

static bool one_only(int sign, bool a, bool b)
{
    (void)sign;
    return a != b;
}

static const relation relations[] = {
    {"Equal", equal, false},
    {"Greater", greater, false},
    {"Less", less, false},
    {"GreaterOrEqual", greater_or_equal, false},
    {"LessOrEqual", less_or_equal, false},
    {"And", both, true},
    {"Or", either, true},
    {"Xor", one_only, true},
};

static const relation *find(const char *type)
{
    for (size_t i = 0; i < TN__COUNT(relations); i++)
        if (strcmp(relations[i].type, type) == 0)
            return &relations[i];
    return NULL;
}

static tn_status expect_bool(const tn__site *site, size_t k, tn_error *err)
{
    if (site->in_dtype[k] == TN_BOOL)
        return TN_OK;
    return tn__fail(err, TN_ERROR_MISMATCH, "input %zu is %s, expected bool", k,
                    tn__dtype_name(site->in_dtype[k]));
}

static tn_status relation_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    tn_status status;
    if ((status = tn__expect_inputs(site, 2, 2, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK ||
        (status = tn__expect_same_dtype(site, 0, 1, err)) != TN_OK)
        return status;
    if (find(site->node->type)->logical &&
        (status = expect_bool(site, 0, err)) != TN_OK)
        return status;
    out->dtype = TN_BOOL;
    return tn__broadcast_shape(&out->shape, site->in[0], site->in[1], err);
}

static int sign_of(const tn__tensor *a, size_t i, const tn__tensor *b, size_t j)
{
    if (tn__dtype_is_float(a->dtype)) {
        double u = tn__tensor_get_f64(a, i), v = tn__tensor_get_f64(b, j);
        return u < v ? -1 : u > v ? 1 : u == v ? 0 : 2;
    }
    int64_t u = tn__tensor_get_i64(a, i), v = tn__tensor_get_i64(b, j);
    return (u > v) - (u < v);
}

static tn_status relation_forward(tn__tensor *const *out, const tn__tensor *const *in,
                                  const tn__site *site, tn_error *err)
{
    const relation *r = find(site->node->type);
    const tn__shape *extent = &out[0]->shape;
    tn__view a = tn__view_broadcast(&in[0]->shape, extent);
    tn__view b = tn__view_broadcast(&in[1]->shape, extent);
    int64_t at[TN__MAX_RANK] = {0};
    void *data;
    tn_status status = tn__tensor_write(out[0], &data, err);
    if (status)
        return status;
    unsigned char *y = data;
    for (size_t n = 0, count = tn__tensor_count(out[0]); n < count; n++) {
        size_t i = (size_t)tn__view_at(&a, at, extent->rank);
        size_t j = (size_t)tn__view_at(&b, at, extent->rank);
        bool u = r->logical && tn__tensor_get_i64(in[0], i) != 0;
        bool v = r->logical && tn__tensor_get_i64(in[1], j) != 0;
        y[n] = r->holds(sign_of(in[0], i, in[1], j), u, v);
        (void)tn__index_next(at, extent, extent->rank);
    }
    return TN_OK;
}

#define RELATION(name)                                                                 \
    {                                                                                  \
        .type = name, .domain = "", .infer = relation_infer,                           \
        .couple = tn__binary_couple, .joint = true, .forward = relation_forward        \
    }

const tn__op tn__op_equal = RELATION("Equal");
const tn__op tn__op_greater = RELATION("Greater");
const tn__op tn__op_less = RELATION("Less");
const tn__op tn__op_greater_or_equal = RELATION("GreaterOrEqual");
const tn__op tn__op_less_or_equal = RELATION("LessOrEqual");
const tn__op tn__op_and = RELATION("And");
const tn__op tn__op_or = RELATION("Or");
const tn__op tn__op_xor = RELATION("Xor");

static bool is_not(const tn__site *site)
{
    return strcmp(site->node->type, "Not") == 0;
}

static tn_status predicate_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    tn_status status;
    if ((status = tn__expect_inputs(site, 1, 1, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK)
        return status;
    status = is_not(site) ? expect_bool(site, 0, err) : tn__expect_float(site, 0, err);
    out->dtype = TN_BOOL;
    out->shape = *site->in[0];
    return status;
}

static tn_status predicate_forward(tn__tensor *const *out, const tn__tensor *const *in,
                                   const tn__site *site, tn_error *err)
{
    void *data;
    tn_status status = tn__tensor_write(out[0], &data, err);
    if (status)
        return status;
    unsigned char *y = data;
    for (size_t i = 0, count = tn__tensor_count(out[0]); i < count; i++) {
        double x = tn__tensor_get_f64(in[0], i);
        y[i] = is_not(site) ? x == 0 : isnan(x) != 0;
    }
    return TN_OK;
}

#define PREDICATE(name)                                                                \
    {                                                                                  \
        .type = name, .domain = "", .infer = predicate_infer,                          \
        .couple = tn__unary_couple, .joint = true, .forward = predicate_forward        \
    }

const tn__op tn__op_not = PREDICATE("Not");
const tn__op tn__op_is_nan = PREDICATE("IsNaN");
