/* arch_fill.c - puts the tensors of a checkpoint into the parameters of a model. */
#include <string.h>

#include "arch/arch_family.h"

static bool is_float(tn_dtype dtype)
{
    return dtype == TN_F32 || dtype == TN_F16 || dtype == TN_BF16 || dtype == TN_F64;
}

/* Counts of batches that batch norms have seen in training: nothing depends on them. */
static bool is_counter(const char *name)
{
    static const char word[] = "num_batches_tracked";
    size_t length = strlen(name), tail = sizeof word - 1;
    return length >= tail && strcmp(name + length - tail, word) == 0;
}

/* The tensor for a parameter, with its shape; TN__NONE where there is none. */
static tn_status match(size_t *out, const tn__value *value, const tn__names *names,
                       const char *file, tn_error *err)
{
    char want[TN__SHAPE_TEXT], found[TN__SHAPE_TEXT];
    const tn__shape *shape = &value->parameter.shape;
    size_t i = tn__names_find(names, value->name);
    if (i == TN__NONE)
        return tn__fail(err, TN_ERROR_MISMATCH, "'%s' lacks tensor '%s' %s", file,
                        value->name, tn__shape_text(want, sizeof want, shape));
    const tn__tensor *tensor = &names->tensors[i].tensor;
    if (!tn__shape_equal(&tensor->shape, shape))
        return tn__fail(err, TN_ERROR_MISMATCH,
                        "tensor '%s' of '%s' is %s, expected %s",
                        names->tensors[i].name, file,
                        tn__shape_text(found, sizeof found, &tensor->shape),
                        tn__shape_text(want, sizeof want, shape));
    if (!is_float(tensor->dtype))
        return tn__fail(err, TN_ERROR_MISMATCH,
                        "tensor '%s' of '%s' is %s, expected a float type",
                        names->tensors[i].name, file, tn__dtype_name(tensor->dtype));
    *out = i;
    return TN_OK;
}

/* Pairs every float parameter (tensor_of[v]) with a tensor and the other way round. */
static tn_status match_all(size_t *tensor_of, bool *used, const tn_model *model,
                           const tn__names *names, const char *file, tn_error *err)
{
    tn_status status;
    for (size_t v = 0; v < model->value_count; v++) {
        const tn__value *value = &model->values[v];
        tensor_of[v] = TN__NONE;
        if (!is_float(value->parameter.dtype))
            continue;
        if ((status = match(&tensor_of[v], value, names, file, err)) != TN_OK)
            return status;
        used[tensor_of[v]] = true;
    }
    char text[TN__SHAPE_TEXT];
    for (size_t i = 0; i < names->count; i++)
        if (!used[i] && !is_counter(names->tensors[i].name))
            return tn__fail(
                err, TN_ERROR_MISMATCH,
                "tensor '%s' %s of '%s' belongs to no parameter of '%s'",
                names->tensors[i].name,
                tn__shape_text(text, sizeof text, &names->tensors[i].tensor.shape),
                file, model->name);
    return TN_OK;
}

bool tn__arch_fits(const tn_model *model, const tn__names *names)
{
    size_t *tensor_of = tn__alloc(model->value_count, sizeof *tensor_of);
    bool *used = tn__alloc(names->count, sizeof *used);
    bool fits = tensor_of && used &&
                match_all(tensor_of, used, model, names, "", NULL) == TN_OK;
    tn__free(tensor_of);
    tn__free(used);
    return fits;
}

static tn_status convert_all(tn__tensor *made, const tn_model *model,
                             const size_t *tensor_of, const tn__names *names,
                             tn_error *err)
{
    tn_status status = TN_OK;
    for (size_t v = 0; v < model->value_count && !status; v++) {
        if (tensor_of[v] == TN__NONE)
            continue;
        const tn__tensor *from = &names->tensors[tensor_of[v]].tensor;
        tn_dtype dtype = model->values[v].parameter.dtype;
        if (from->dtype == dtype)
            made[v] = tn__tensor_ref(from);
        else
            status = tn__tensor_convert(&made[v], from, dtype, err);
    }
    return status;
}

tn_status tn__arch_fill(tn_model *model, const tn__named_tensor *tensors, size_t count,
                        const char *name, tn_error *err)
{
    tn__names names = tn__names_of(tensors, count);
    size_t values = model->value_count;
    size_t *tensor_of = tn__alloc(values, sizeof *tensor_of);
    bool *used = tn__alloc(count, sizeof *used);
    tn__tensor *made = tn__alloc(values, sizeof *made);
    tn_status status;
    if (!tensor_of || !used || !made) {
        status = tn__fail_memory(err, values * sizeof *made);
        goto done;
    }
    if ((status = match_all(tensor_of, used, model, &names, name, err)) != TN_OK ||
        (status = convert_all(made, model, tensor_of, &names, err)) != TN_OK)
        goto done;
    for (size_t v = 0; v < values; v++)
        if (tensor_of[v] != TN__NONE) {
            tn__tensor old = model->values[v].parameter;
            model->values[v].parameter = made[v];
            made[v] = old;
        }
done:
    for (size_t v = 0; made && v < values; v++)
        tn__tensor_release(&made[v]);
    tn__free(made);
    tn__free(used);
    tn__free(tensor_of);
    return status;
}

tn_status tn__arch_load(tn_model **out, const char *arch, int64_t classes,
                        const tn__named_tensor *tensors, size_t count, const char *name,
                        tn_error *err)
{
    tn__arch_spec spec;
    tn_model *model = NULL;
    tn__named_tensor *renamed = NULL;
    tn_status status = tn__arch_parse(&spec, arch, err);
    if (status == TN_OK && spec.family == &tn__family_mlp)
        status = tn__mlp_names(&renamed, tensors, count, err);
    if (status)
        return status;
    if (renamed)
        tensors = renamed;
    tn__names names = tn__names_of(tensors, count);
    spec.classes = classes;
    tn__arch_complete(&spec, &names);
    status = tn__arch_build_spec(&model, &spec, 0, tn__arch_room(&names), err);
    if (status == TN_OK)
        status = tn__arch_fill(model, tensors, count, name, err);
    tn__mlp_names_free(renamed, count);
    if (status)
        tn_model_free(model);
    else
        *out = model;
    return status;
}

/* parameter[i] of the tensors under `names`; how many float parameters of the model
 * have none. */
static size_t match_names(size_t *parameter, const tn_model *model,
                          const tn__names *names)
{
    size_t missing = 0;
    for (size_t i = 0; i < names->count; i++)
        parameter[i] = TN__NONE;
    for (size_t v = 0; v < model->value_count; v++) {
        if (!is_float(model->values[v].parameter.dtype))
            continue;
        size_t i = tn__names_find(names, model->values[v].name);
        if (i == TN__NONE)
            missing++;
        else
            parameter[i] = v;
    }
    return missing;
}

tn_status tn__arch_match(size_t *parameter, const tn_model *model,
                         const tn__named_tensor *tensors, size_t count, tn_error *err)
{
    tn__named_tensor *renamed = NULL;
    tn__names names = tn__names_of(tensors, count);
    if (match_names(parameter, model, &names) == 0)
        return TN_OK;
    tn_status status = tn__mlp_names(&renamed, tensors, count, err);
    if (renamed) {
        names = tn__names_of(renamed, count);
        (void)match_names(parameter, model, &names);
        tn__mlp_names_free(renamed, count);
    }
    return status;
}
