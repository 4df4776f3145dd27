/* resample.c - Resize (and Upsample, its forerunner): shapes and coupling rule. Scales
 * or sizes must be known at compile time; cropping by a region is not supported. */
#include "ops/resample/resample.h"

#include <math.h>
#include <string.h>

#include "ops/operand.h"
#include "ops/registry.h"

bool tn__resample_still(const tn__resample_axis *axis)
{
    return axis->in == axis->out && axis->scale == 1;
}

static bool is_one_of(const char *text, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(text, *list) == 0)
            return true;
    return false;
}

static tn_status read_modes(tn__resample *r, const tn__site *site, tn_error *err)
{
    static const char *const modes[] = {"nearest", "linear", "bilinear", "cubic", NULL};
    static const char *const coordinates[] = {
        "half_pixel",    "half_pixel_symmetric", "pytorch_half_pixel",
        "align_corners", "asymmetric",           NULL};
    static const char *const roundings[] = {"round_prefer_floor", "round_prefer_ceil",
                                            "floor", "ceil", NULL};
    const tn__node *node = site->node;
    bool old = site->opset < 11; /* as Upsample */
    r->mode = tn__node_string(node, "mode", "nearest");
    r->coordinates = tn__node_string(node, "coordinate_transformation_mode",
                                     old ? "asymmetric" : "half_pixel");
    r->rounding =
        tn__node_string(node, "nearest_mode", old ? "floor" : "round_prefer_floor");
    r->cubic = (double)tn__node_float(node, "cubic_coeff_a", -0.75f);
    r->exclude_outside = tn__node_int(node, "exclude_outside", 0) != 0;
    r->antialias = tn__node_int(node, "antialias", 0) != 0;
    if (!is_one_of(r->mode, modes))
        return tn__fail(err, TN_ERROR_UNSUPPORTED, "mode is '%s'", r->mode);
    if (!is_one_of(r->coordinates, coordinates))
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "coordinate_transformation_mode is '%s'", r->coordinates);
    if (!is_one_of(r->rounding, roundings))
        return tn__fail(err, TN_ERROR_FORMAT, "nearest_mode is '%s'", r->rounding);
    return TN_OK;
}

/* The input that holds the scales, or (sizes) SIZE_MAX where there is none. */
static size_t scales_input(const tn__site *site)
{
    return site->opset < 11 ? 1 : 2;
}

static const tn__tensor *known_vector(const tn__site *site, size_t k)
{
    const tn__tensor *v = tn__site_constant(site, k);
    return v && tn__tensor_count(v) > 0 ? v : NULL;
}

/* Numbers for these axes: of the input or attribute that gives them. */
static tn_status read_numbers(double numbers[TN__MAX_RANK], size_t expected,
                              const tn__site *site, bool *sizes, tn_error *err)
{
    const tn__tensor *scales = known_vector(site, scales_input(site));
    const tn__tensor *lengths = known_vector(site, 3);
    const tn__attr *attr = tn__node_attr(site->node, "scales");
    *sizes = !scales && lengths;
    const tn__tensor *from = scales ? scales : lengths;
    size_t count = from ? tn__tensor_count(from) : attr ? attr->count : 0;
    if (!from && (!attr || attr->kind != TN__ATTR_FLOATS))
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "neither scales nor sizes are known at compile time");
    if (count != expected)
        return tn__fail(err, TN_ERROR_MISMATCH, "%zu scales or sizes for %zu axes",
                        count, expected);
    for (size_t i = 0; i < count; i++) {
        numbers[i] = from ? tn__tensor_get_f64(from, i) : (double)attr->floats[i];
        if (!(numbers[i] > 0 && numbers[i] < 1e9))
            return tn__fail(err, TN_ERROR_FORMAT, "scale or size %zu is %g", i,
                            numbers[i]);
    }
    return TN_OK;
}

/* Sizes that keep the ratio of the axes (opset 18). */
static tn_status keep_ratio(tn__resample *r, const int *axes, size_t count,
                            const tn__site *site, tn_error *err)
{
    static const char *const policies[] = {"not_larger", "not_smaller", NULL};
    const char *policy =
        tn__node_string(site->node, "keep_aspect_ratio_policy", "stretch");
    if (strcmp(policy, "stretch") == 0)
        return TN_OK;
    if (!is_one_of(policy, policies))
        return tn__fail(err, TN_ERROR_FORMAT, "keep_aspect_ratio_policy is '%s'",
                        policy);
    bool larger = strcmp(policy, "not_smaller") == 0;
    double scale = r->axis[axes[0]].scale;
    for (size_t i = 1; i < count; i++)
        scale = larger ? fmax(scale, r->axis[axes[i]].scale)
                       : fmin(scale, r->axis[axes[i]].scale);
    for (size_t i = 0; i < count; i++) {
        tn__resample_axis *a = &r->axis[axes[i]];
        a->scale = scale;
        a->out = (int64_t)floor(scale * (double)a->in + 0.5);
    }
    return TN_OK;
}

static tn_status read_axes(int axes[TN__MAX_RANK], size_t *count, const tn__site *site,
                           tn_error *err)
{
    tn__ints list;
    int rank = site->in[0]->rank;
    tn_status status = tn__ints_attr(&list, site, "axes", err);
    if (status)
        return status;
    *count = list.given ? list.count : (size_t)rank;
    if (*count > (size_t)rank)
        return tn__fail(err, TN_ERROR_FORMAT, "%zu axes of %d", *count, rank);
    for (size_t i = 0; i < *count && !status; i++) {
        axes[i] = (int)i;
        if (list.given)
            status = tn__axis_resolve(&axes[i], list.v[i], rank, err);
    }
    return status;
}

tn_status tn__resample_read(tn__resample *out, const tn__site *site, tn_error *err)
{
    double numbers[TN__MAX_RANK];
    int axes[TN__MAX_RANK];
    size_t count;
    bool sizes;
    *out = (tn__resample){.rank = site->in[0]->rank};
    tn_status status = read_modes(out, site, err);
    if (status || (status = read_axes(axes, &count, site, err)) != TN_OK ||
        (status = read_numbers(numbers, count, site, &sizes, err)) != TN_OK)
        return status;
    for (int a = 0; a < out->rank; a++)
        out->axis[a] =
            (tn__resample_axis){site->in[0]->dims[a], site->in[0]->dims[a], 1};
    for (size_t i = 0; i < count; i++) {
        tn__resample_axis *a = &out->axis[axes[i]];
        double in = (double)a->in;
        a->scale = sizes ? numbers[i] / fmax(in, 1) : numbers[i];
        a->out = (int64_t)floor(sizes ? numbers[i] : in * numbers[i]);
    }
    return sizes && count ? keep_ratio(out, axes, count, site, err) : TN_OK;
}

static tn_status resize_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    tn__resample r;
    tn_status status;
    if ((status = tn__expect_inputs(site, 1, 4, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK ||
        (status = tn__expect_float(site, 0, err)) != TN_OK ||
        (status = tn__expect_rank(site, 0, 1, TN__MAX_RANK, err)) != TN_OK ||
        (status = tn__resample_read(&r, site, err)) != TN_OK)
        return status;
    out->dtype = site->in_dtype[0];
    out->shape.rank = r.rank;
    for (int a = 0; a < r.rank; a++) {
        out->shape.dims[a] = r.axis[a].out;
        if (r.axis[a].out < 1 || r.axis[a].in < 1)
            return tn__fail(err, TN_ERROR_MISMATCH,
                            "axis %d would go from %lld to %lld elements", a,
                            (long long)r.axis[a].in, (long long)r.axis[a].out);
    }
    return TN_OK;
}

static tn_status resize_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    tn__resample r;
    tn_status status = tn__resample_read(&r, site, err);
    for (int a = 0; a < r.rank && !status; a++) {
        if (tn__resample_still(&r.axis[a])) {
            status = tn__couple_axes(c, 0, a, TN__OUT(0), a, (size_t)r.axis[a].in, err);
            continue;
        }
        status = c->freeze(c, 0, a, "resized axis", err);
        if (!status)
            status = c->freeze(c, TN__OUT(0), a, "resized axis", err);
    }
    for (int k = 1; k < (int)site->input_count && !status; k++)
        if (site->in[k])
            status = tn__couple_freeze(c, site, k, "scales or sizes", err);
    return status;
}

#define RESIZE(name)                                                                   \
    {                                                                                  \
        .type = name, .domain = "", .infer = resize_infer, .couple = resize_couple,    \
        .joint = true, .forward = tn__resample_forward,                                \
        .backward = tn__resample_backward                                              \
    }

const tn__op tn__op_resize = RESIZE("Resize");
const tn__op tn__op_upsample = RESIZE("Upsample");
