/* cast.c - Cast between the element types of dtype.h. Floats are cut towards zero on
 * the way to integers, and rounded to nearest even on the way to shorter floats. */
#include <string.h>

#include "ops/operand.h"
#include "ops/registry.h"

static tn_status cast_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    tn_status status;
    if ((status = tn__expect_inputs(site, 1, 1, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK)
        return status;
    int64_t to = tn__node_int(site->node, "to", TN_UNDEFINED);
    if (to < 0 || to > TN_BF16 || tn__dtype_size((tn_dtype)to) == 0)
        return tn__fail(err, TN_ERROR_UNSUPPORTED, "element type %lld is not known",
                        (long long)to);
    out->dtype = (tn_dtype)to;
    out->shape = *site->in[0];
    return TN_OK;
}

static tn_status cast_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    return tn__couple_same(c, site, 0, TN__OUT(0), err);
}

/* out = in, element by element, through int64 or bool where out is no float. */
static tn_status convert(tn__tensor *out, const tn__tensor *in, tn_error *err)
{
    tn__tensor whole = {0}, made = {0};
    const tn__tensor *from = in;
    size_t count = tn__tensor_count(in);
    void *data;
    tn_status status = TN_OK;
    if (!tn__dtype_is_float(out->dtype)) {
        status = tn__tensor_create(&whole, TN_I64, in->shape.rank, in->shape.dims, err);
        if (status || (status = tn__tensor_write(&whole, &data, err)) != TN_OK)
            goto done;
        for (size_t i = 0; i < count; i++)
            ((int64_t *)data)[i] = out->dtype == TN_BOOL
                                       ? tn__tensor_get_f64(in, i) != 0
                                       : tn__tensor_get_i64(in, i);
        from = &whole;
    }
    if ((status = tn__tensor_convert(&made, from, out->dtype, err)) != TN_OK ||
        (status = tn__tensor_write(out, &data, err)) != TN_OK)
        goto done;
    if (count)
        memcpy(data, tn__tensor_data(&made), tn__tensor_bytes(&made));
done:
    tn__tensor_release(&whole);
    tn__tensor_release(&made);
    return status;
}

static tn_status cast_forward(tn__tensor *const *out, const tn__tensor *const *in,
                              const tn__site *site, tn_error *err)
{
    (void)site;
    return convert(out[0], in[0], err);
}

static tn_status cast_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                               const tn__tensor *const *in,
                               const tn__tensor *const *out, const tn__site *site,
                               tn_error *err)
{
    (void)in;
    (void)out;
    (void)site;
    return din[0] ? convert(din[0], dout[0], err) : TN_OK;
}

const tn__op tn__op_cast = {
    .type = "Cast",
    .domain = "",
    .infer = cast_infer,
    .couple = cast_couple,
    .joint = true,
    .forward = cast_forward,
    .backward = cast_backward,
};
