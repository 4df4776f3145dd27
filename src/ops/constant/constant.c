/* constant.c - Constant and ConstantOfShape: values that come with the graph. Neither
 * can be permuted, as a parameter could: their axes are frozen. */
#include <string.h>

#include "ops/operand.h"
#include "ops/registry.h"

static tn_status constant_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    tn_status status = tn__couple_freeze(c, site, TN__OUT(0), "constant", err);
    if (!status && tn__site_in(site, 0))
        status = tn__couple_freeze(c, site, 0, "shape", err);
    return status;
}

/* The value of a Constant, as bytes borrowed from the attribute that holds it. */
typedef struct held {
    tn_dtype dtype;
    tn__shape shape;
    const void *bytes;
} held;

static tn_status read_held(held *out, const tn__site *site, tn_error *err)
{
    const tn__node *node = site->node;
    for (size_t i = 0; i < node->attr_count; i++) {
        const tn__attr *attr = &node->attrs[i];
        tn__shape list = {.rank = 1, .dims = {(int64_t)attr->count}};
        if (strcmp(attr->name, "value") == 0 && attr->kind == TN__ATTR_TENSOR)
            *out = (held){attr->tensor.dtype, attr->tensor.shape,
                          tn__tensor_data(&attr->tensor)};
        else if (strcmp(attr->name, "value_float") == 0 && attr->kind == TN__ATTR_FLOAT)
            *out = (held){TN_F32, {0}, &attr->f};
        else if (strcmp(attr->name, "value_int") == 0 && attr->kind == TN__ATTR_INT)
            *out = (held){TN_I64, {0}, &attr->i};
        else if (strcmp(attr->name, "value_floats") == 0 &&
                 attr->kind == TN__ATTR_FLOATS)
            *out = (held){TN_F32, list, attr->floats};
        else if (strcmp(attr->name, "value_ints") == 0 && attr->kind == TN__ATTR_INTS)
            *out = (held){TN_I64, list, attr->ints};
        else
            continue;
        return TN_OK;
    }
    return tn__fail(err, TN_ERROR_UNSUPPORTED,
                    "no attribute holds a dense value of numbers");
}

static tn_status constant_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    held value;
    tn_status status;
    if ((status = tn__expect_inputs(site, 0, 0, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK ||
        (status = read_held(&value, site, err)) != TN_OK)
        return status;
    out->dtype = value.dtype;
    out->shape = value.shape;
    return TN_OK;
}

static tn_status constant_forward(tn__tensor *const *out, const tn__tensor *const *in,
                                  const tn__site *site, tn_error *err)
{
    (void)in;
    held value;
    void *data;
    tn_status status;
    if ((status = read_held(&value, site, err)) != TN_OK ||
        (status = tn__tensor_write(out[0], &data, err)) != TN_OK)
        return status;
    size_t bytes = tn__tensor_bytes(out[0]);
    if (bytes)
        memcpy(data, value.bytes, bytes);
    return TN_OK;
}

const tn__op tn__op_constant = {
    .type = "Constant",
    .domain = "",
    .infer = constant_infer,
    .couple = constant_couple,
    .forward = constant_forward,
};

/* The one element that fills a ConstantOfShape; NULL: f32 zeros. */
static const tn__tensor *filler(const tn__site *site)
{
    const tn__attr *attr = tn__node_attr(site->node, "value");
    return attr && attr->kind == TN__ATTR_TENSOR ? &attr->tensor : NULL;
}

static tn_status constant_of_shape_infer(tn__inferred *out, const tn__site *site,
                                         tn_error *err)
{
    tn__ints shape;
    tn_status status;
    if ((status = tn__expect_inputs(site, 1, 1, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK ||
        (status = tn__ints_input(&shape, site, 0, "shape", err)) != TN_OK)
        return status;
    const tn__tensor *value = filler(site);
    if (value && tn__tensor_count(value) != 1)
        return tn__fail(err, TN_ERROR_FORMAT, "'value' has %zu elements, expected 1",
                        tn__tensor_count(value));
    if (shape.count > TN__MAX_RANK)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "'shape' has %zu elements, expected at most %d", shape.count,
                        TN__MAX_RANK);
    out->dtype = value ? value->dtype : TN_F32;
    out->shape.rank = (int)shape.count;
    for (size_t k = 0; k < shape.count; k++)
        out->shape.dims[k] = shape.v[k];
    return TN_OK;
}

static tn_status constant_of_shape_forward(tn__tensor *const *out,
                                           const tn__tensor *const *in,
                                           const tn__site *site, tn_error *err)
{
    (void)in;
    const tn__tensor *value = filler(site);
    void *data;
    tn_status status = tn__tensor_write(out[0], &data, err);
    if (status)
        return status;
    size_t size = tn__dtype_size(out[0]->dtype), count = tn__tensor_count(out[0]);
    if (count && !value)
        memset(data, 0, count * size);
    for (size_t i = 0; value && i < count; i++)
        memcpy((char *)data + i * size, tn__tensor_data(value), size);
    return TN_OK;
}

const tn__op tn__op_constant_of_shape = {
    .type = "ConstantOfShape",
    .domain = "",
    .infer = constant_of_shape_infer,
    .couple = constant_couple,
    .forward = constant_of_shape_forward,
};
