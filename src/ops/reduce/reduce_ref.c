/* reduce_ref.c - what the reductions collect, in double.
 *
 * The output is seen with the extent of the input and stands still along reduced axes.
 * Each reduction is a sum (or extremum, or product) of terms t(x) and a last step
 * y = f(sum, n); its gradient is dy times slope(x, y). The gradient of Max and Min is
 * shared in equal parts by the elements that attain it, as PyTorch does.
 */
#include <math.h>
#include <string.h>

#include "ops/operand.h"
#include "ops/reduce/reduce.h"
#include "ops/view.h"

typedef struct collector {
    const char *type;
    enum { SUM, PRODUCT, LARGEST, SMALLEST } how;
    double (*term)(double x);
    double (*last)(double total, double n);
    double (*slope)(double x, double y, double n); /* NULL: by what is in `share` */
} collector;

static double itself(double x)
{
    return x;
}

static double squared(double x)
{
    return x * x;
}

static double total_only(double total, double n)
{
    (void)n;
    return total;
}

static double average(double total, double n)
{
    return total / n;
}

static double root(double total, double n)
{
    (void)n;
    return sqrt(total);
}

static double logarithm(double total, double n)
{
    (void)n;
    return log(total);
}

static double slope_one(double x, double y, double n)
{
    (void)x;
    (void)y;
    (void)n;
    return 1;
}

static double slope_average(double x, double y, double n)
{
    (void)x;
    (void)y;
    return 1 / n;
}

static double slope_l1(double x, double y, double n)
{
    (void)y;
    (void)n;
    return x > 0 ? 1 : x < 0 ? -1 : 0;
}

static double slope_l2(double x, double y, double n)
{
    (void)n;
    return y > 0 ? x / y : 0;
}

static double slope_square(double x, double y, double n)
{
    (void)y;
    (void)n;
    return 2 * x;
}

static double slope_log(double x, double y, double n)
{
    (void)x;
    (void)n;
    return exp(-y);
}

static double slope_log_exp(double x, double y, double n)
{
    (void)n;
    return exp(x - y);
}

static const collector collectors[] = {
    {"ReduceSum", SUM, itself, total_only, slope_one},
    {"ReduceMean", SUM, itself, average, slope_average},
    {"ReduceL1", SUM, fabs, total_only, slope_l1},
    {"ReduceL2", SUM, squared, root, slope_l2},
    {"ReduceSumSquare", SUM, squared, total_only, slope_square},
    {"ReduceLogSum", SUM, itself, logarithm, slope_log},
    {"ReduceLogSumExp", SUM, exp, logarithm, slope_log_exp},
    {"ReduceProd", PRODUCT, itself, total_only, NULL},
    {"ReduceMax", LARGEST, itself, total_only, NULL},
    {"ReduceMin", SMALLEST, itself, total_only, NULL},
};

/* The reduction, the view of the output, and how many elements are collected. */
static tn_status plan(const collector **how, tn__view *view, double *n,
                      const tn__site *site, tn_error *err)
{
    bool reduced[TN__MAX_RANK];
    tn_status status = tn__reduce_axes(reduced, site, err);
    if (status)
        return status;
    tn__shape kept = *site->in[0];
    *n = 1;
    for (int k = 0; k < kept.rank; k++)
        if (reduced[k]) {
            *n *= (double)kept.dims[k];
            kept.dims[k] = 1;
        }
    *view = tn__view_broadcast(&kept, site->in[0]);
    for (size_t i = 0; i < TN__COUNT(collectors); i++)
        if (strcmp(collectors[i].type, site->node->type) == 0)
            *how = &collectors[i];
    return TN_OK;
}

static double join(const collector *c, double total, double x)
{
    switch (c->how) {
    case PRODUCT:
        return total * x;
    case LARGEST:
        return isnan(x) || x > total ? x : total;
    case SMALLEST:
        return isnan(x) || x < total ? x : total;
    default:
        return total + c->term(x);
    }
}

tn_status tn__reduce_forward(tn__tensor *const *out, const tn__tensor *const *in,
                             const tn__site *site, tn_error *err)
{
    static const double empty[] = {0, 1, -HUGE_VAL, HUGE_VAL};
    const collector *c = NULL;
    tn__view view;
    double n;
    tn_status status;
    if ((status = tn__expect_f32(in[0], err)) != TN_OK ||
        (status = plan(&c, &view, &n, site, err)) != TN_OK)
        return status;
    size_t count = tn__tensor_count(out[0]);
    double *total = tn__alloc(count, sizeof *total);
    if (!total)
        return tn__fail_memory(err, count * sizeof *total);
    const tn__shape *extent = &in[0]->shape;
    const float *x = tn__tensor_f32_const(in[0]);
    int64_t at[TN__MAX_RANK] = {0};
    for (size_t i = 0; i < count; i++)
        total[i] = empty[c->how];
    for (size_t i = 0, all = tn__tensor_count(in[0]); i < all; i++) {
        double *t = &total[tn__view_at(&view, at, extent->rank)];
        *t = join(c, *t, (double)x[i]);
        (void)tn__index_next(at, extent, extent->rank);
    }
    for (size_t i = 0; i < count; i++)
        total[i] = c->last(total[i], n);
    tn__store_f64(out[0], total);
    tn__free(total);
    return TN_OK;
}

/* For each output of Max and Min how many elements attain it; for Prod how many are 0
 * and the product of the others. */
typedef struct share {
    double count, product;
} share;

static tn_status make_shares(share **out, const collector *c, const tn__view *view,
                             const tn__tensor *x, const tn__tensor *y, tn_error *err)
{
    size_t count = tn__tensor_count(y);
    share *shares = tn__alloc(count, sizeof *shares);
    if (!shares)
        return tn__fail_memory(err, count * sizeof *shares);
    int64_t at[TN__MAX_RANK] = {0};
    for (size_t i = 0; i < count; i++)
        shares[i] = (share){0, 1};
    for (size_t i = 0, all = tn__tensor_count(x); i < all; i++) {
        int64_t to = tn__view_at(view, at, x->shape.rank);
        float v = tn__tensor_f32_const(x)[i];
        if (v == (c->how == PRODUCT ? 0 : tn__tensor_f32_const(y)[to]))
            shares[to].count++;
        else
            shares[to].product *= (double)v;
        (void)tn__index_next(at, &x->shape, x->shape.rank);
    }
    *out = shares;
    return TN_OK;
}

static double shared_slope(const collector *c, const share *s, double x, double y)
{
    if (c->how != PRODUCT)
        return x == y ? 1 / s->count : 0;
    if (s->count == 0)
        return s->product / x;
    return s->count == 1 && x == 0 ? s->product : 0;
}

tn_status tn__reduce_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                              const tn__tensor *const *in, const tn__tensor *const *out,
                              const tn__site *site, tn_error *err)
{
    const collector *c = NULL;
    tn__view view;
    double n;
    share *shares = NULL;
    tn_status status = plan(&c, &view, &n, site, err);
    if (status || !din[0])
        return status;
    if (!c->slope &&
        (status = make_shares(&shares, c, &view, in[0], out[0], err)) != TN_OK)
        return status;
    const tn__shape *extent = &in[0]->shape;
    float *dx = tn__tensor_f32(din[0]);
    int64_t at[TN__MAX_RANK] = {0};
    for (size_t i = 0, all = tn__tensor_count(in[0]); i < all; i++) {
        int64_t from = tn__view_at(&view, at, extent->rank);
        double x = (double)tn__tensor_f32_const(in[0])[i];
        double y = (double)tn__tensor_f32_const(out[0])[from];
        double slope =
            shares ? shared_slope(c, &shares[from], x, y) : c->slope(x, y, n);
        dx[i] = (float)((double)tn__tensor_f32_const(dout[0])[from] * slope);
        (void)tn__index_next(at, extent, extent->rank);
    }
    tn__free(shares);
    return TN_OK;
}
