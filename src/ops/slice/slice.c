/* slice.c - Slice: shapes, coupling rule and the strided copy it is. Bounds are
 * attributes, and inputs (with steps) since operator set 10. */
#include "ops/slice/slice.h"

#include <string.h>

#include "ops/kernel.h"
#include "ops/operand.h"
#include "ops/registry.h"

/* Element i on axis k of the output is element start + i * step of the input. */
typedef struct range {
    int64_t start[TN__MAX_RANK], step[TN__MAX_RANK], count[TN__MAX_RANK];
} range;

typedef struct lists {
    tn__ints starts, ends, axes, steps;
} lists;

static tn_status read_lists(lists *l, const tn__site *site, tn_error *err)
{
    tn_status status;
    *l = (lists){0};
    if ((status = tn__ints_either(&l->starts, site, "starts", 10, 1, err)) != TN_OK ||
        (status = tn__ints_either(&l->ends, site, "ends", 10, 2, err)) != TN_OK ||
        (status = tn__ints_either(&l->axes, site, "axes", 10, 3, err)) != TN_OK)
        return status;
    if (site->opset >= 10 &&
        (status = tn__ints_input(&l->steps, site, 4, "steps", err)) != TN_OK)
        return status;
    size_t n = l->starts.count;
    if (l->ends.count != n || (l->axes.given && l->axes.count != n) ||
        (l->steps.given && l->steps.count != n) || n > (size_t)site->in[0]->rank)
        return tn__fail(err, TN_ERROR_FORMAT,
                        "%zu starts, %zu ends, %zu axes and %zu steps on %d axes", n,
                        l->ends.count, l->axes.count, l->steps.count,
                        site->in[0]->rank);
    return TN_OK;
}

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

static void set_axis(range *r, int k, int64_t dim, int64_t start, int64_t end,
                     int64_t step)
{
    int64_t reach = TN__MAX(dim, 1);
    step = clamp(step, -reach, reach); /* further steps change nothing */
    start = start < 0 ? TN__MAX(start, -dim - 1) + dim : start;
    end = end < 0 ? TN__MAX(end, -dim - 1) + dim : end;
    if (step > 0) {
        start = clamp(start, 0, dim);
        end = clamp(end, 0, dim);
    } else {
        start = clamp(start, -1, dim - 1);
        end = clamp(end, -1, dim - 1);
    }
    int64_t room = step > 0 ? end - start : start - end,
            stride = step > 0 ? step : -step;
    r->start[k] = start;
    r->step[k] = step;
    r->count[k] = room > 0 ? (room + stride - 1) / stride : 0;
}

static tn_status read_range(range *r, const tn__site *site, tn_error *err)
{
    lists l;
    bool seen[TN__MAX_RANK];
    const tn__shape *in = site->in[0];
    tn_status status = read_lists(&l, site, err);
    if (!status && l.axes.given)
        status = tn__axes_mark(seen, &l.axes, in->rank, err);
    if (status)
        return status;
    for (int k = 0; k < in->rank; k++)
        set_axis(r, k, in->dims[k], 0, in->dims[k], 1);
    for (size_t i = 0; i < l.starts.count; i++) {
        int64_t axis = l.axes.given ? l.axes.v[i] : (int64_t)i;
        int64_t step = l.steps.given ? l.steps.v[i] : 1;
        int k = (int)(axis < 0 ? axis + in->rank : axis);
        if (step == 0)
            return tn__fail(err, TN_ERROR_FORMAT, "the step on axis %d is 0", k);
        set_axis(r, k, in->dims[k], l.starts.v[i], l.ends.v[i], step);
    }
    return TN_OK;
}

static tn_status slice_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    range r;
    tn_status status;
    bool inputs = site->opset >= 10;
    if ((status = tn__expect_inputs(site, inputs ? 3 : 1, inputs ? 5 : 1, err)) !=
            TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK ||
        (status = read_range(&r, site, err)) != TN_OK)
        return status;
    out->dtype = site->in_dtype[0];
    out->shape.rank = site->in[0]->rank;
    memcpy(out->shape.dims, r.count, (size_t)out->shape.rank * sizeof *r.count);
    return TN_OK;
}

static tn_status slice_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    range r;
    tn_status status = read_range(&r, site, err);
    for (int k = 0; k < site->in[0]->rank && !status; k++) {
        int64_t run = r.step[k] == 1 ? r.count[k] : 1;
        for (int64_t i = 0; i < r.count[k] && !status; i += run)
            status = c->tie(c, (tn__spot){0, k, (size_t)(r.start[k] + i * r.step[k])},
                            (tn__spot){TN__OUT(0), k, (size_t)i}, (size_t)run, err);
    }
    for (int k = 1; k < (int)site->input_count && !status; k++)
        if (site->in[k])
            status = tn__couple_freeze(c, site, k, "bounds of a slice", err);
    return status;
}

tn_status tn__slice_read(tn__view *view, const tn__site *site, tn_error *err)
{
    range r;
    tn_status status = read_range(&r, site, err);
    if (status)
        return status;
    *view = tn__view_dense(site->in[0]);
    for (int k = 0; k < site->in[0]->rank; k++) {
        view->offset += r.start[k] * view->stride[k];
        view->stride[k] *= r.step[k];
    }
    return TN_OK;
}

static tn_status slice_forward(tn__tensor *const *out, const tn__tensor *const *in,
                               const tn__site *site, tn_error *err)
{
    tn__view from;
    tn_status status = tn__slice_read(&from, site, err);
    return status ? status : tn__view_forward(out[0], in[0], &from, err);
}

static tn_status slice_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                                const tn__tensor *const *in,
                                const tn__tensor *const *out, const tn__site *site,
                                tn_error *err)
{
    (void)in;
    (void)out;
    tn__view shown;
    tn_status status = tn__slice_read(&shown, site, err);
    if (!status && din[0])
        tn__view_backward(din[0], dout[0], &shown);
    return status;
}

const tn__op tn__op_slice = {
    .type = "Slice",
    .domain = "",
    .infer = slice_infer,
    .couple = slice_couple,
    .joint = true,
    .forward = slice_forward,
    .backward = slice_backward,
    .kernel = &tn__slice_quick,
};
