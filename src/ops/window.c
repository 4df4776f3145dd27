/* window.c - window geometry of Conv, MaxPool and AveragePool (1 to 3 spatial axes).
 *
 * Output extents follow ONNX; ceil_mode drops a last window that would start in the end
 * padding, as PyTorch does and ONNX has written down since operator set 22.
 */
#include "ops/window.h"

#include <string.h>

#include "ops/operand.h"

#define EXTENT_MAX (INT64_C(1) << 24) /* of kernels, strides, dilations and pads */

typedef struct lists {
    tn__ints kernel, stride, dilation, pads;
    const char *auto_pad;
    bool ceil;
} lists;

static tn_status check_list(const tn__ints *list, const char *name, size_t count,
                            int64_t least, tn_error *err)
{
    if (!list->given)
        return TN_OK;
    if (list->count != count)
        return tn__fail(err, TN_ERROR_FORMAT, "'%s' has %zu elements, expected %zu",
                        name, list->count, count);
    for (size_t i = 0; i < count; i++)
        if (list->v[i] < least || list->v[i] > EXTENT_MAX)
            return tn__fail(err, TN_ERROR_FORMAT,
                            "'%s' holds %lld, expected at least %lld", name,
                            (long long)list->v[i], (long long)least);
    return TN_OK;
}

static tn_status read_lists(lists *l, const tn__site *site, int rank, tn_error *err)
{
    const struct {
        tn__ints *list;
        const char *name;
        int per_axis;
        int64_t least;
    } all[] = {{&l->kernel, "kernel_shape", 1, 1},
               {&l->stride, "strides", 1, 1},
               {&l->dilation, "dilations", 1, 1},
               {&l->pads, "pads", 2, 0}};
    tn_status status = TN_OK;
    for (size_t i = 0; i < TN__COUNT(all) && !status; i++) {
        status = tn__ints_attr(all[i].list, site, all[i].name, err);
        if (!status)
            status = check_list(all[i].list, all[i].name,
                                (size_t)(rank * all[i].per_axis), all[i].least, err);
    }
    l->auto_pad = tn__node_string(site->node, "auto_pad", "NOTSET");
    l->ceil = tn__node_int(site->node, "ceil_mode", 0) != 0;
    return status;
}

/* Extent of the output on axis k, 0 where no window fits; resolves auto_pad. */
static tn_status place_axis(tn__window *w, int k, const lists *l, tn_error *err)
{
    int64_t in = w->in[k], stride = w->stride[k];
    int64_t reach = (w->kernel[k] - 1) * w->dilation[k] + 1;
    if (strncmp(l->auto_pad, "SAME_", 5) == 0) {
        int64_t out = (in + stride - 1) / stride;
        int64_t total = TN__MAX((out - 1) * stride + reach - in, 0);
        bool upper = strcmp(l->auto_pad, "SAME_UPPER") == 0;
        w->begin[k] = upper ? total / 2 : total - total / 2;
        w->end[k] = total - w->begin[k];
        w->out[k] = out;
    } else {
        int64_t room = in + w->begin[k] + w->end[k] - reach;
        w->out[k] = room < 0 ? 0 : (room + (l->ceil ? stride - 1 : 0)) / stride + 1;
        if (l->ceil && (w->out[k] - 1) * stride >= in + w->begin[k])
            w->out[k]--;
    }
    if (w->out[k] < 1)
        return tn__fail(err, TN_ERROR_MISMATCH,
                        "a window of %lld does not fit an input of %lld with padding "
                        "%lld and %lld",
                        (long long)reach, (long long)in, (long long)w->begin[k],
                        (long long)w->end[k]);
    return TN_OK;
}

tn_status tn__window_read(tn__window *out, const tn__site *site, const int64_t *kernel,
                          tn_error *err)
{
    const tn__shape *in = site->in[0];
    tn__window w = {.rank = in->rank - 2};
    lists l = {0};
    tn_status status = read_lists(&l, site, w.rank, err);
    if (status)
        return status;
    bool same =
        strcmp(l.auto_pad, "SAME_UPPER") == 0 || strcmp(l.auto_pad, "SAME_LOWER") == 0;
    bool explicit_pads = strcmp(l.auto_pad, "NOTSET") == 0 || !*l.auto_pad;
    if (!same && !explicit_pads && strcmp(l.auto_pad, "VALID") != 0)
        return tn__fail(err, TN_ERROR_FORMAT, "auto_pad '%s' is not known", l.auto_pad);
    if (!kernel && !l.kernel.given)
        return tn__fail(err, TN_ERROR_FORMAT, "attribute 'kernel_shape' is missing");
    for (int k = 0; k < w.rank && !status; k++) {
        w.in[k] = in->dims[k + 2];
        w.kernel[k] = kernel ? kernel[k] : l.kernel.v[k];
        w.stride[k] = l.stride.given ? l.stride.v[k] : 1;
        w.dilation[k] = l.dilation.given ? l.dilation.v[k] : 1;
        w.begin[k] = explicit_pads && l.pads.given ? l.pads.v[k] : 0;
        w.end[k] = explicit_pads && l.pads.given ? l.pads.v[k + w.rank] : 0;
        if (l.kernel.given && l.kernel.v[k] != w.kernel[k])
            return tn__fail(err, TN_ERROR_MISMATCH,
                            "'kernel_shape' is %lld on axis %d, the weight's is %lld",
                            (long long)l.kernel.v[k], k, (long long)w.kernel[k]);
        if (w.in[k] < 1 || w.kernel[k] < 1 || w.kernel[k] > EXTENT_MAX)
            return tn__fail(err, TN_ERROR_MISMATCH,
                            "input of %lld and kernel of %lld on spatial axis %d",
                            (long long)w.in[k], (long long)w.kernel[k], k);
        status = place_axis(&w, k, &l, err);
    }
    if (!status)
        *out = w;
    return status;
}

static size_t product(const int64_t *extent, int rank)
{
    size_t count = 1;
    for (int k = 0; k < rank; k++)
        count *= (size_t)extent[k];
    return count;
}

size_t tn__window_inputs(const tn__window *w)
{
    return product(w->in, w->rank);
}

size_t tn__window_outputs(const tn__window *w)
{
    return product(w->out, w->rank);
}

size_t tn__window_taps(const tn__window *w)
{
    return product(w->kernel, w->rank);
}

/* Input position that the tap of an output position reads; both as flat indices. */
static size_t input_of(const tn__window *w, size_t y, size_t tap)
{
    size_t position = 0, scale = 1;
    for (int k = w->rank - 1; k >= 0; k--) {
        int64_t at = (int64_t)(y % (size_t)w->out[k]) * w->stride[k] - w->begin[k] +
                     (int64_t)(tap % (size_t)w->kernel[k]) * w->dilation[k];
        if (at < 0 || at >= w->in[k])
            return TN__NONE;
        position += (size_t)at * scale;
        scale *= (size_t)w->in[k];
        y /= (size_t)w->out[k];
        tap /= (size_t)w->kernel[k];
    }
    return position;
}

tn_status tn__window_table(size_t **out, const tn__window *w, tn_error *err)
{
    size_t outputs = tn__window_outputs(w), taps = tn__window_taps(w), count;
    size_t *table =
        tn__mul(&count, outputs, taps) ? tn__alloc(count, sizeof *table) : NULL;
    if (!table)
        return tn__fail_memory(err, outputs * taps * sizeof *table);
    for (size_t y = 0; y < outputs; y++)
        for (size_t t = 0; t < taps; t++)
            table[y * taps + t] = input_of(w, y, t);
    *out = table;
    return TN_OK;
}

tn_status tn__window_freeze(tn__coupling *c, const tn__site *site, int operand,
                            tn_error *err)
{
    const tn__shape *shape = tn__site_shape(site, operand);
    tn_status status = TN_OK;
    for (int k = 2; k < shape->rank && !status; k++)
        status = c->freeze(c, operand, k, "spatial axis", err);
    return status;
}

/* Does window y on axis k read an element of the input? */
static bool overlaps(const tn__window *w, int k, int64_t y)
{
    int64_t start = y * w->stride[k] - w->begin[k], tap = 0;
    if (start < 0)
        tap = (-start + w->dilation[k] - 1) / w->dilation[k];
    return tap < w->kernel[k] && start + tap * w->dilation[k] < w->in[k];
}

/* No window lies in padding alone, so that each has a largest element: enough to look
 * at those that start in the padding, and at the last. */
static tn_status check_overlap(const tn__window *w, tn_error *err)
{
    for (int k = 0; k < w->rank; k++) {
        int64_t last = w->out[k] - 1, y = 0;
        while (y < last && y * w->stride[k] < w->begin[k] && overlaps(w, k, y))
            y++;
        if (!overlaps(w, k, y) || !overlaps(w, k, last))
            return tn__fail(err, TN_ERROR_MISMATCH,
                            "a window on spatial axis %d lies in padding alone", k);
    }
    return TN_OK;
}

tn_status tn__window_infer_pool(tn__inferred *out, tn__window *window,
                                const tn__site *site, tn_error *err)
{
    tn_status status;
    if ((status = tn__expect_inputs(site, 1, 1, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK ||
        (status = tn__expect_float(site, 0, err)) != TN_OK ||
        (status = tn__expect_rank(site, 0, 3, 2 + TN__WINDOW_RANK, err)) != TN_OK ||
        (status = tn__window_read(window, site, NULL, err)) != TN_OK ||
        (status = check_overlap(window, err)) != TN_OK)
        return status;
    out->dtype = site->in_dtype[0];
    out->shape = *site->in[0];
    for (int k = 0; k < window->rank; k++)
        out->shape.dims[k + 2] = window->out[k];
    return TN_OK;
}

tn_status tn__window_couple_pool(tn__coupling *c, const tn__site *site, tn_error *err)
{
    const tn__shape *in = site->in[0];
    tn_status status;
    for (int k = 0; k < 2; k++)
        if ((status = tn__couple_axes(c, 0, k, TN__OUT(0), k, (size_t)in->dims[k],
                                      err)) != TN_OK)
            return status;
    if ((status = tn__window_freeze(c, site, 0, err)) != TN_OK)
        return status;
    return tn__window_freeze(c, site, TN__OUT(0), err);
}
