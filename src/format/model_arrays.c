/* model_arrays.c - models from arrays in memory and back, without a file between.
 *
 * Arrays that are handed over become tensors over the caller's bytes: all of them hold
 * one lease, and the last that goes gives the bytes back.
 */
#include <stdatomic.h>
#include <string.h>

#include "base/file.h"
#include "format/checkpoint.h"
#include "tenon/arrays.h"

static const char name_of_arrays[] = "the given arrays"; /* in messages */

/* --- the weights of a model ------------------------------------------------------- */

/* Numbers of 64 bits are the graph's own: shapes, axes, paddings. */
static bool is_weight(const tn__value *value)
{
    return tn__value_is_parameter(value) && value->parameter.dtype != TN_I64;
}

size_t tn_model_array_count(const tn_model *model)
{
    size_t count = 0;
    for (size_t v = 0; v < model->value_count; v++)
        count += is_weight(&model->values[v]);
    return count;
}

void tn_model_array_get(tn_array *out, const tn_model *model, size_t k)
{
    for (size_t v = 0; v < model->value_count; v++) {
        const tn__value *value = &model->values[v];
        if (!is_weight(value) || k-- > 0)
            continue;
        const tn__shape *shape = &value->parameter.shape;
        *out = (tn_array){.name = value->name,
                          .dtype = value->parameter.dtype,
                          .rank = shape->rank,
                          .data = tn__tensor_data(&value->parameter)};
        memcpy(out->shape, shape->dims, (size_t)shape->rank * sizeof *out->shape);
        return;
    }
}

/* --- a model of arrays ------------------------------------------------------------ */

typedef struct lease { /* of the bytes of all arrays of one call */
    _Atomic size_t holders;
    tn_array_owner owner;
} lease;

static void leave_lease(void *user)
{
    lease *l = user;
    if (atomic_fetch_sub(&l->holders, 1) != 1)
        return;
    l->owner.release(l->owner.user);
    tn__free(l);
}

static tn_status count_bytes(size_t *bytes, const tn_array *array, tn_error *err)
{
    size_t size = tn__dtype_size(array->dtype);
    if (!array->name || array->rank < 0 || array->rank > TN_ARRAY_RANK_MAX || !size)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "array '%s' has rank %d and element type %d, which have no "
                        "meaning",
                        array->name ? array->name : "", array->rank, (int)array->dtype);
    for (int axis = 0; axis < array->rank; axis++)
        if (array->shape[axis] < 0 || !tn__mul(&size, size, (size_t)array->shape[axis]))
            return tn__fail(err, TN_ERROR_ARGUMENT, "axis %d of array '%s' has %lld",
                            axis, array->name, (long long)array->shape[axis]);
    *bytes = size;
    return TN_OK;
}

/* Adds a tensor over the bytes of `array`, or over a copy where there is no lease. */
static tn_status add_array(tn__checkpoint *weights, const tn_array *array, lease *l,
                           tn_error *err)
{
    tn__buffer *buffer = NULL;
    tn__tensor tensor = {0};
    size_t bytes = 0;
    tn_status status = count_bytes(&bytes, array, err);
    if (!status && l) {
        status = tn__buffer_adopt(&buffer, array->data, bytes, leave_lease, l, err);
        if (!status)
            atomic_fetch_add(&l->holders, 1);
    } else if (!status) {
        status = tn__buffer_create(&buffer, bytes, err);
        if (!status)
            memcpy(tn__buffer_writable(buffer), array->data, bytes);
    }
    if (!status)
        status = tn__tensor_over(&tensor, array->dtype, array->rank, array->shape,
                                 buffer, 0, err);
    if (!status)
        status = tn__checkpoint_add(weights, array->name, strlen(array->name), &tensor,
                                    name_of_arrays, err);
    tn__tensor_release(&tensor);
    tn__buffer_release(buffer);
    return status;
}

tn_status tn_model_from_arrays(tn_model **out, const tn_array *arrays, size_t count,
                               const tn_array_owner *owner,
                               const tn_load_options *options, tn_error *err)
{
    static const tn_load_options none = TN_LOAD_OPTIONS_INIT;
    tn__checkpoint weights = {0};
    lease *l = NULL;
    tn_status status = TN_OK;
    if (owner) {
        l = tn__alloc(1, sizeof *l);
        if (!l) {
            owner->release(owner->user);
            return tn__fail_memory(err, sizeof *l);
        }
        atomic_init(&l->holders, 1); /* this call */
        l->owner = *owner;
    }
    for (size_t i = 0; i < count && !status; i++)
        status = add_array(&weights, &arrays[i], l, err);
    if (!status)
        status = tn__checkpoint_check_names(&weights, name_of_arrays, err);
    if (!status)
        status = tn__checkpoint_model(out, &weights, name_of_arrays,
                                      options ? options : &none, err);
    tn__checkpoint_release(&weights);
    if (l)
        leave_lease(l);
    return status;
}

/* --- names ------------------------------------------------------------------------ */

/* Which weight of the model value v is. */
static size_t weight_of(const tn_model *model, size_t v)
{
    size_t k = 0;
    for (size_t u = 0; u < v; u++)
        k += is_weight(&model->values[u]);
    return k;
}

tn_status tn_model_match_arrays(size_t *index, const tn_model *model,
                                const tn_array *arrays, size_t count, tn_error *err)
{
    tn__checkpoint names = {0};
    tn_status status = TN_OK;
    for (size_t i = 0; i < count && !status; i++) { /* no more than names and shapes */
        tn__tensor tensor = {.dtype = arrays[i].dtype, .shape.rank = arrays[i].rank};
        memcpy(tensor.shape.dims, arrays[i].shape,
               (size_t)arrays[i].rank * sizeof *tensor.shape.dims);
        status = tn__checkpoint_add(&names, arrays[i].name, strlen(arrays[i].name),
                                    &tensor, name_of_arrays, err);
    }
    if (!status)
        status = tn__arch_match(index, model, names.tensors, count, err);
    for (size_t i = 0; i < count && !status; i++)
        index[i] = index[i] == TN__NONE ? SIZE_MAX : weight_of(model, index[i]);
    tn__checkpoint_release(&names);
    return status;
}
