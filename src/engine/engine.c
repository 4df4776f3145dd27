/* engine.c - life cycle of an engine, its parameters, its plans.
 *
 * The engine works on a clone of the model and on f32 copies of its parameters. Plans
 * are compiled one for each worker and purpose, on the worker's own thread, when first
 * run.
 */
#include "engine/state.h"

#include <string.h>

static bool is_float(tn_dtype dtype)
{
    return dtype == TN_F32 || dtype == TN_F16 || dtype == TN_BF16 || dtype == TN_F64;
}

/* --- the source: parameters and what depends on them --- */

static void source_release(tn__source *source)
{
    size_t values = source->model ? source->model->value_count : 0;
    for (size_t v = 0; v < values && source->parameter; v++)
        tn__free(source->parameter[v]);
    tn__free(source->parameter);
    tn__free(source->count);
    tn__free(source->root);
    tn__free(source->trained);
    tn__free(source->derived);
    tn__links_release(&source->links);
    tn__shapes_release(&source->shapes);
    tn_model_free(source->model);
    *source = (tn__source){0};
}

static bool is_other_float(tn_dtype dtype)
{
    return is_float(dtype) && dtype != TN_F32;
}

static tn_status widen_tensor(tn__tensor *tensor, tn_error *err)
{
    tn__tensor converted = {0};
    if (!is_other_float(tensor->dtype))
        return TN_OK;
    tn_status status = tn__tensor_convert(&converted, tensor, TN_F32, err);
    if (status)
        return status;
    tn__tensor_release(tensor);
    *tensor = converted;
    return TN_OK;
}

/* The constants of a node, and what a Cast makes. */
static tn_status widen_node(tn__node *node, tn_error *err)
{
    tn_status status = TN_OK;
    bool casts = strcmp(node->type, "Cast") == 0;
    for (size_t k = 0; k < node->attr_count && !status; k++) {
        tn__attr *attr = &node->attrs[k];
        if (attr->kind == TN__ATTR_TENSOR)
            status = widen_tensor(&attr->tensor, err);
        else if (casts && strcmp(attr->name, "to") == 0 && attr->i > 0 &&
                 attr->i <= TN_BF16 && is_other_float((tn_dtype)attr->i))
            attr->i = TN_F32;
    }
    return status;
}

/* The engine computes in f32: parameters, inputs and constants of its clone that are
 * other floats become that. */
static tn_status widen(tn_model *model, tn_error *err)
{
    tn_status status = TN_OK;
    for (size_t v = 0; v < model->value_count && !status; v++) {
        status = widen_tensor(&model->values[v].parameter, err);
        if (is_other_float(model->values[v].dtype))
            model->values[v].dtype = TN_F32;
    }
    for (size_t n = 0; n < model->node_count && !status; n++)
        status = widen_node(&model->nodes[n], err);
    return status;
}

static tn_status copy_parameters(tn__source *source, tn_error *err)
{
    for (size_t v = 0; v < source->model->value_count; v++) {
        const tn__tensor *parameter = &source->model->values[v].parameter;
        source->root[v] = TN__NONE;
        if (parameter->dtype != TN_F32)
            continue;
        size_t bytes = tn__tensor_bytes(parameter);
        source->root[v] = v;
        source->count[v] = tn__tensor_count(parameter);
        source->parameter[v] = tn__alloc_aligned(TN__MAX(bytes, 1));
        if (!source->parameter[v])
            return tn__fail_memory(err, bytes);
        memcpy(source->parameter[v], tn__tensor_data(parameter), bytes);
    }
    return TN_OK;
}

/* Identity of a parameter is the parameter; what else is made from one is derived, but
 * for its shape. */
static void trace_parameters(tn__source *source)
{
    for (size_t n = 0; n < source->model->node_count; n++) {
        const tn__node *node = &source->model->nodes[n];
        const tn__op *op = tn__op_find(node->domain, node->type);
        bool derived = false, looks = !op || !op->shape_only;
        for (size_t k = 0; k < node->input_count && looks; k++) {
            size_t v = node->inputs[k];
            derived |=
                v != TN__NONE && (source->root[v] != TN__NONE || source->derived[v]);
        }
        if (strcmp(node->type, "Identity") == 0 && node->input_count == 1 &&
            node->inputs[0] != TN__NONE)
            source->root[node->outputs[0]] = source->root[node->inputs[0]];
        for (size_t k = 0; k < node->output_count; k++)
            if (node->outputs[k] != TN__NONE)
                source->derived[node->outputs[k]] = derived;
    }
}

/* Trained is what an operator with a gradient reads, but scalars (constants of the
 * graph) and running statistics. */
static void mark_trained(tn__source *source)
{
    const tn_model *model = source->model;
    for (size_t n = 0; n < model->node_count; n++) {
        const tn__node *node = &model->nodes[n];
        const tn__op *op = tn__op_find(node->domain, node->type);
        for (size_t k = 0; k < node->input_count; k++) {
            size_t root =
                node->inputs[k] == TN__NONE ? TN__NONE : source->root[node->inputs[k]];
            if (root != TN__NONE && op && (op->backward || op->kernel) &&
                model->values[root].parameter.shape.rank > 0)
                source->trained[root] = true;
        }
    }
    for (size_t n = 0; n < model->node_count; n++) {
        const tn__node *node = &model->nodes[n];
        bool norm = strcmp(node->type, "BatchNormalization") == 0;
        for (size_t k = 3; norm && k < TN__MIN(node->input_count, 5); k++)
            if (node->inputs[k] != TN__NONE &&
                source->root[node->inputs[k]] != TN__NONE)
                source->trained[source->root[node->inputs[k]]] = false;
    }
}

static tn_status source_create(tn__source *source, const tn_model *model, size_t shard,
                               bool compose, tn_error *err)
{
    size_t values = model->value_count;
    tn_status status;
    if ((status = tn__model_clone(&source->model, model, err)) != TN_OK ||
        (status = widen(source->model, err)) != TN_OK ||
        (status = tn__links_create(&source->links, source->model, err)) != TN_OK ||
        (status = tn__shapes_infer(&source->shapes, source->model, (int64_t)shard,
                                   err)) != TN_OK)
        return status;
    if (compose) {
        if ((status = tn__source_compose(source, err)) != TN_OK)
            return status;
        tn__links_release(&source->links);
        if ((status = tn__links_create(&source->links, source->model, err)) != TN_OK)
            return status;
    }
    source->root = tn__alloc(values, sizeof *source->root);
    source->count = tn__alloc(values, sizeof *source->count);
    source->parameter = tn__alloc(values, sizeof(float *));
    source->trained = tn__alloc(values, sizeof *source->trained);
    source->derived = tn__alloc(values, sizeof *source->derived);
    if (!source->root || !source->count || !source->parameter || !source->trained ||
        !source->derived)
        return tn__fail_memory(err, values * sizeof *source->root);
    source->version = 1;
    if ((status = copy_parameters(source, err)) != TN_OK)
        return status;
    trace_parameters(source);
    return TN_OK;
}

/* --- the engine --- */

/* Shape and floats of one image of `value`, which has the batch first. */
static tn_status image_shape(tn__shape *shape, size_t *count, const tn__engine *engine,
                             size_t value, tn_error *err)
{
    const tn__source *source = &engine->source;
    char text[TN__SHAPE_TEXT];
    *shape = source->shapes.shape[value];
    if (source->shapes.dtype[value] != TN_F32)
        return tn__fail(err, TN_ERROR_UNSUPPORTED, "'%s' is %s, expected f32",
                        source->model->values[value].name,
                        tn__dtype_name(source->shapes.dtype[value]));
    if (shape->rank < 1 || shape->dims[0] != (int64_t)engine->shard)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "'%s' is %s for a batch of %zu, expected the batch first",
                        source->model->values[value].name,
                        tn__shape_text(text, sizeof text, shape), engine->shard);
    shape->dims[0] = 1;
    return tn__shape_count(count, shape) ? TN_OK : tn__fail_memory(err, SIZE_MAX);
}

/* A file may fix its batch; then a shard is that. */
static size_t choose_shard(const tn_model *model, const tn__engine_options *options)
{
    const tn__value *input = &model->values[model->inputs[0]];
    if (input->shaped && input->rank > 0 && input->dims[0] > 1)
        return (size_t)input->dims[0];
    return options->shard > 0 ? (size_t)options->shard : 64;
}

static tn_status take_options(tn__engine *engine, const tn_model *model,
                              const tn__engine_options *options, tn_error *err)
{
    tn_dtype type = TN_F32;
    tn_status status = tn__precision_resolve(&type, options->precision, err);
    if (status)
        return status;
    if (model->input_count != 1 || model->output_count < 1)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "the model has %zu inputs and %zu outputs, expected one input",
                        model->input_count, model->output_count);
    engine->input = model->inputs[0];
    engine->output = model->outputs[0];
    engine->training = options->training;
    engine->reference = options->reference;
    engine->bf16 = type == TN_BF16 && !options->reference;
    engine->shard = choose_shard(model, options);
    engine->keep_count = options->keep_count;
    engine->keep = tn__alloc(options->keep_count, sizeof *engine->keep);
    if (!engine->keep)
        return tn__fail_memory(err, options->keep_count * sizeof *engine->keep);
    for (size_t i = 0; i < options->keep_count; i++)
        engine->keep[i] = options->keep[i];
    engine->workers = options->workers;
    engine->cluster = tn__cluster_size(options->cluster) > 1 ? options->cluster : NULL;
    engine->owns_workers = !options->workers;
    if (!engine->workers)
        status = tn__workers_create(&engine->workers, 1, err);
    if (status)
        return status;
    engine->worker_count = tn__workers_count(engine->workers);
    engine->infer = tn__alloc(engine->worker_count, sizeof(tn__plan *));
    engine->train = tn__alloc(engine->worker_count, sizeof(tn__plan *));
    if (!engine->infer || !engine->train)
        return tn__fail_memory(err, engine->worker_count * sizeof(tn__plan *));
    return TN_OK;
}

/* Compiles once, so that a model that cannot be run is refused at once. */
static tn_status compile_task(void *user, size_t t, size_t worker, tn_error *err)
{
    tn__engine *engine = user;
    tn__plan *plan;
    (void)t;
    return tn__engine_plan(&plan, engine, engine->training, worker, err);
}

tn_status tn__engine_create(tn__engine **out, const tn_model *model,
                            const tn__engine_options *options, tn_error *err)
{
    tn__engine *engine = tn__alloc(1, sizeof *engine);
    if (!engine)
        return tn__fail_memory(err, sizeof *engine);
    tn_status status;
    if ((status = take_options(engine, model, options, err)) != TN_OK ||
        (status = source_create(&engine->source, model, engine->shard,
                                !engine->reference, err)) != TN_OK ||
        (status = image_shape(&engine->input_shape, &engine->input_count, engine,
                              engine->input, err)) != TN_OK ||
        (status = image_shape(&engine->output_shape, &engine->output_count, engine,
                              engine->output, err)) != TN_OK)
        goto done;
    if (engine->training) {
        mark_trained(&engine->source);
        if ((status = tn__engine_prepare_training(engine, err)) != TN_OK)
            goto done;
    }
    status = tn__workers_run(engine->workers, 1, compile_task, engine, err);
    if (status)
        goto done;
    *out = engine;
    engine = NULL;
done:
    tn__engine_free(engine);
    return status;
}

void tn__engine_free(tn__engine *engine)
{
    if (!engine)
        return;
    for (size_t w = 0; w < engine->worker_count; w++) {
        if (engine->infer)
            tn__plan_free(engine->infer[w]);
        if (engine->train)
            tn__plan_free(engine->train[w]);
    }
    tn__engine_release_training(engine);
    tn__free(engine->infer);
    tn__free(engine->train);
    tn__free(engine->keep);
    source_release(&engine->source);
    if (engine->owns_workers)
        tn__workers_free(engine->workers);
    tn__free(engine);
}

tn_status tn__engine_plan(tn__plan **out, tn__engine *engine, bool training,
                          size_t worker, tn_error *err)
{
    tn__plan **plan = training ? &engine->train[worker] : &engine->infer[worker];
    *out = *plan;
    if (*plan)
        return TN_OK;
    size_t exports = training ? 1 : 1 + engine->keep_count;
    size_t *values = tn__alloc(exports, sizeof *values);
    if (!values)
        return tn__fail_memory(err, exports * sizeof *values);
    values[0] = engine->output;
    for (size_t i = 1; i < exports; i++)
        values[i] = engine->keep[i - 1];
    tn__plan_spec spec = {.source = &engine->source,
                          .last = engine->source.model->node_count,
                          .training = training,
                          .reference = engine->reference,
                          .fuse = !engine->reference,
                          .bf16 = engine->bf16,
                          .imports = &engine->input,
                          .import_count = 1,
                          .exports = values,
                          .export_count = exports};
    tn_status status = tn__plan_create(plan, &spec, err);
    tn__free(values);
    *out = *plan;
    return status;
}

void tn__engine_load(const tn__engine *engine, tn__plan *plan, const float *images,
                     size_t first, size_t n)
{
    size_t image = engine->input_count;
    size_t count = TN__MIN(n - first, engine->shard);
    float *to = plan->imports[0].at;
    memcpy(to, images + first * image, count * image * sizeof *to);
    memset(to + count * image, 0, (engine->shard - count) * image * sizeof *to);
}

/* --- accessors, parameters --- */

const tn__shape *tn__engine_input_shape(const tn__engine *engine)
{
    return &engine->input_shape;
}

const tn__shape *tn__engine_output_shape(const tn__engine *engine)
{
    return &engine->output_shape;
}

size_t tn__engine_input_count(const tn__engine *engine)
{
    return engine->input_count;
}

size_t tn__engine_output_count(const tn__engine *engine)
{
    return engine->output_count;
}

size_t tn__engine_shard(const tn__engine *engine)
{
    return engine->shard;
}

float *tn__engine_parameter(tn__engine *engine, size_t value)
{
    return value < engine->source.model->value_count ? engine->source.parameter[value]
                                                     : NULL;
}

size_t tn__engine_parameter_count(const tn__engine *engine, size_t value)
{
    return value < engine->source.model->value_count ? engine->source.count[value] : 0;
}

void tn__engine_touch(tn__engine *engine)
{
    engine->source.version++;
}

static tn_status store_one(tn__tensor *parameter, const float *data, tn_error *err)
{
    tn__tensor copy = {0}, converted = {0};
    tn_status status = tn__tensor_create(&copy, TN_F32, parameter->shape.rank,
                                         parameter->shape.dims, err);
    if (status)
        return status;
    memcpy(tn__tensor_f32(&copy), data, tn__tensor_bytes(&copy));
    status = tn__tensor_convert(&converted, &copy, parameter->dtype, err);
    tn__tensor_release(&copy);
    if (status)
        return status;
    tn__tensor_release(parameter);
    *parameter = converted;
    return TN_OK;
}

tn_status tn__engine_store(const tn__engine *engine, tn_model *model, tn_error *err)
{
    const tn__source *source = &engine->source;
    if (model->value_count != source->model->value_count)
        return tn__fail(err, TN_ERROR_MISMATCH,
                        "the model has %zu values, expected %zu as when compiled",
                        model->value_count, source->model->value_count);
    for (size_t v = 0; v < model->value_count; v++) {
        const tn__tensor *parameter = &model->values[v].parameter;
        if (source->parameter[v] && (!is_float(parameter->dtype) ||
                                     tn__tensor_count(parameter) != source->count[v]))
            return tn__fail(err, TN_ERROR_MISMATCH,
                            "'%s' is not the parameter it was when compiled",
                            model->values[v].name);
    }
    tn_status status = TN_OK;
    for (size_t v = 0; v < model->value_count && !status; v++)
        if (source->parameter[v])
            status = store_one(&model->values[v].parameter, source->parameter[v], err);
    return status;
}
