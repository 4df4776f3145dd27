/* shape_of.c - Shape: the extents of its input as int64, known as soon as the shapes
 * are. `start` and `end` (operator set 15) cut the list. */
#include "ops/operand.h"
#include "ops/registry.h"

static void read_range(int *start, int *end, const tn__site *site)
{
    int64_t rank = site->in[0]->rank;
    int64_t bounds[2] = {tn__node_int(site->node, "start", 0),
                         tn__node_int(site->node, "end", rank)};
    for (int i = 0; i < 2; i++) {
        int64_t b = TN__MAX(bounds[i], -rank);
        bounds[i] = TN__MIN(b < 0 ? b + rank : b, rank);
    }
    *start = (int)bounds[0];
    *end = (int)TN__MAX(bounds[0], bounds[1]);
}

static tn_status shape_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    int start, end;
    tn_status status;
    if ((status = tn__expect_inputs(site, 1, 1, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK)
        return status;
    read_range(&start, &end, site);
    out->dtype = TN_I64;
    out->shape = (tn__shape){.rank = 1, .dims = {end - start}};
    return TN_OK;
}

static tn_status shape_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    return tn__couple_freeze(c, site, TN__OUT(0), "shape", err);
}

static tn_status shape_forward(tn__tensor *const *out, const tn__tensor *const *in,
                               const tn__site *site, tn_error *err)
{
    (void)in;
    int start, end;
    void *data;
    tn_status status = tn__tensor_write(out[0], &data, err);
    if (status)
        return status;
    int64_t *to = data;
    read_range(&start, &end, site);
    for (int k = start; k < end; k++)
        *to++ = site->in[0]->dims[k];
    return TN_OK;
}

const tn__op tn__op_shape = {
    .type = "Shape",
    .domain = "",
    .infer = shape_infer,
    .couple = shape_couple,
    .forward = shape_forward,
    .shape_only = true,
};
