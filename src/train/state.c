/* state.c - a training that was stopped, in a file.
 *
 * Numbers are written so that they come back bit for bit: tensors as they are, sums as
 * hexadecimal floats.
 */
#include "train/state.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/checkpoint.h"

#define SIZES(X) X(epoch) X(images) X(correct) X(best_epoch) X(log_bytes) X(event_bytes)
#define DOUBLES(X)                                                                     \
    X(loss) X(last_loss) X(last_accuracy) X(holdout_accuracy) X(seconds) X(stepping)

/* --- which training ----------------------------------------------------------------
 */

/* out = SHA-256(out, SHA-256(bytes)), both as text. */
static void chain(char out[TN__SHA256_HEX], const void *bytes, size_t size)
{
    char both[2 * TN__SHA256_HEX];
    char item[TN__SHA256_HEX];
    tn__sha256_hex(item, bytes, size);
    int length = snprintf(both, sizeof both, "%s%s", out, item);
    tn__sha256_hex(out, both, (size_t)length);
}

static void chain_text(char out[TN__SHA256_HEX], const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void chain_text(char out[TN__SHA256_HEX], const char *format, ...)
{
    char text[1024];
    va_list list;
    va_start(list, format);
    int n = vsnprintf(text, sizeof text, format, list);
    va_end(list);
    chain(out, text, TN__MIN((size_t)n, sizeof text - 1));
}

static void chain_model(char out[TN__SHA256_HEX], const tn_model *model)
{
    for (size_t v = 0; v < model->value_count; v++) {
        const tn__value *value = &model->values[v];
        if (!tn__value_is_parameter(value))
            continue;
        chain(out, value->name, strlen(value->name));
        chain(out, tn__tensor_data(&value->parameter),
              tn__tensor_bytes(&value->parameter));
    }
}

void tn__state_identify(char out[TN__SHA256_HEX], const tn_train_options *o,
                        tn_dtype computed, const tn_dataset *data,
                        const tn_model *start, const tn_teachers *teachers)
{
    out[0] = 0;
    chain_text(out, "%zu %zu %zu %a %d %a %a %a %d %a", o->epochs, o->batch, o->shard,
               o->learning_rate, (int)o->optimizer, o->momentum, o->second_momentum,
               o->clip, o->nesterov, o->weight_decay);
    chain_text(out, "%d %a %a %a %a %zu %d %a %llu", (int)o->schedule, o->step_factor,
               o->warmup_epochs, o->label_smoothing, o->norm_momentum, o->augment_pad,
               o->augment_flip, o->holdout, (unsigned long long)o->seed);
    chain_text(out, "%s", tn__dtype_name(computed));
    chain_text(out, "%a %zu %a %a %a", o->cycle_rise, o->augment_cutout,
               o->augment_erase, o->mixup, o->average);
    chain(out, o->step_epochs, sizeof o->step_epochs);
    if (o->only)
        chain(out, o->only, strlen(o->only));
    chain(out, tn_dataset_spec(data), strlen(tn_dataset_spec(data)));
    chain_text(out, "%zu", tn_dataset_count(data));
    chain_model(out, start);
    for (size_t t = 0; teachers && t < teachers->count; t++)
        chain_model(out, teachers->models[t]);
    if (teachers)
        chain_text(out, "%a %a", teachers->temperature, teachers->weight);
}

/* --- saving ------------------------------------------------------------------------
 */

static tn_status add_tensor(tn_model *file, const char *kind, const char *name,
                            const float *numbers, int64_t count, tn_error *err)
{
    tn__tensor tensor = {0};
    char *full = tn__format("%s/%s", kind, name);
    size_t value = 0;
    tn_status status = full ? tn__tensor_create(&tensor, TN_F32, 1, &count, err)
                            : tn__fail_memory(err, strlen(name));
    if (!status) {
        memcpy(tn__tensor_f32(&tensor), numbers, (size_t)count * sizeof *numbers);
        status = tn__model_add_parameter(&value, file, full, &tensor, err);
    }
    tn__tensor_release(&tensor);
    tn__free(full);
    return status;
}

static tn_status add_parameter(tn_model *file, const tn__state_tensors *from, size_t v,
                               tn_error *err)
{
    const char *name = from->best->values[v].name;
    int64_t count = (int64_t)tn__engine_parameter_count(from->engine, v);
    tn_status status = add_tensor(file, "parameter", name,
                                  tn__engine_parameter(from->engine, v), count, err);
    for (int k = 0; k < TN__MOMENTS && !status; k++) {
        const float *moment = tn__optimizer_moment(from->optimizer, v, k);
        const char *kind = k ? "moment1" : "moment0";
        if (moment)
            status = add_tensor(file, kind, name, moment, count, err);
    }
    if (from->average && !status)
        status =
            add_tensor(file, "average", name, from->average->numbers[v], count, err);
    return status;
}

/* The best model keeps its own element types. */
static tn_status add_best(tn_model *file, const tn__value *value, tn_error *err)
{
    size_t added = 0;
    char *full = tn__format("best/%s", value->name);
    tn_status status =
        full ? tn__model_add_parameter(&added, file, full, &value->parameter, err)
             : tn__fail_memory(err, strlen(value->name));
    tn__free(full);
    return status;
}

static tn_status add_numbers(tn_model *file, const tn__state *s, size_t steps,
                             tn_error *err)
{
    char text[64];
    tn_status status = tn__model_set_metadata(file, "training", s->training, err);
    snprintf(text, sizeof text, "%zu", steps);
    if (!status)
        status = tn__model_set_metadata(file, "steps", text, err);
#define ADD(field, format)                                                             \
    snprintf(text, sizeof text, format, s->field);                                     \
    if (!status)                                                                       \
        status = tn__model_set_metadata(file, #field, text, err);
#define ADD_SIZE(field) ADD(field, "%zu")
#define ADD_DOUBLE(field) ADD(field, "%a")
    SIZES(ADD_SIZE)
    DOUBLES(ADD_DOUBLE)
    return status;
}

tn_status tn__state_save(const char *path, const tn__state *state,
                         const tn__state_tensors *from, tn_error *err)
{
    tn_model *file = NULL;
    tn_status status = tn__model_create(&file, "training", err);
    if (!status)
        status = add_numbers(file, state, tn__optimizer_steps(from->optimizer), err);
    for (size_t v = 0; v < from->best->value_count && !status; v++) {
        if (!tn__engine_parameter_count(from->engine, v))
            continue;
        status = add_parameter(file, from, v, err);
        if (!status)
            status = add_best(file, &from->best->values[v], err);
    }
    if (!status)
        status = tn__safetensors_write(file, path, true, err);
    tn_model_free(file);
    return status;
}

/* --- loading ------------------------------------------------------------------------
 */

typedef struct loading {
    const tn__checkpoint *file;
    const tn__state_tensors *into;
    const char *path;
} loading;

static const char *find_text(const loading *l, const char *key)
{
    for (size_t k = 0; k < l->file->metadata_count; k++)
        if (strcmp(l->file->metadata[k].key, key) == 0)
            return l->file->metadata[k].text;
    return NULL;
}

static tn_status read_size(size_t *out, const loading *l, const char *key,
                           tn_error *err)
{
    const char *text = find_text(l, key);
    char *end = NULL;
    errno = 0;
    unsigned long long number = text ? strtoull(text, &end, 10) : 0;
    if (!text || end == text || *end || errno || text[0] == '-')
        return tn__fail(err, TN_ERROR_FORMAT,
                        "cannot read '%s': '%s' is '%s', a number was expected",
                        l->path, key, text ? text : "not there");
    *out = (size_t)number;
    return TN_OK;
}

static tn_status read_double(double *out, const loading *l, const char *key,
                             tn_error *err)
{
    const char *text = find_text(l, key);
    char *end = NULL;
    double number = text ? strtod(text, &end) : 0;
    if (!text || end == text || *end)
        return tn__fail(err, TN_ERROR_FORMAT,
                        "cannot read '%s': '%s' is '%s', a number was expected",
                        l->path, key, text ? text : "not there");
    *out = number;
    return TN_OK;
}

static tn_status read_numbers(tn__state *s, const loading *l, tn_error *err)
{
    const char *training = find_text(l, "training");
    size_t steps = 0;
    if (!training)
        return tn__fail(err, TN_ERROR_FORMAT,
                        "cannot read '%s': it is no state of a training", l->path);
    if (strcmp(training, s->training) != 0)
        return tn__fail(err, TN_ERROR_MISMATCH,
                        "'%s' is the state of another training: its model, data or "
                        "options differ",
                        l->path);
    tn_status status = read_size(&steps, l, "steps", err);
#define READ_SIZE(field)                                                               \
    if (!status)                                                                       \
        status = read_size(&s->field, l, #field, err);
#define READ_DOUBLE(field)                                                             \
    if (!status)                                                                       \
        status = read_double(&s->field, l, #field, err);
    SIZES(READ_SIZE)
    DOUBLES(READ_DOUBLE)
    if (!status)
        tn__optimizer_set_steps(l->into->optimizer, steps);
    return status;
}

static const tn__tensor *find_tensor(const loading *l, const char *kind,
                                     const char *name)
{
    size_t length = strlen(kind);
    for (size_t k = 0; k < l->file->count; k++) {
        const char *full = l->file->tensors[k].name;
        if (strncmp(full, kind, length) == 0 && full[length] == '/' &&
            strcmp(full + length + 1, name) == 0)
            return &l->file->tensors[k].tensor;
    }
    return NULL;
}

/* Copies `kind`/`name` into numbers [count]. */
static tn_status read_tensor(float *numbers, size_t count, const tn__tensor *tensor,
                             const loading *l, const char *name, tn_error *err)
{
    if (!numbers)
        return tn__fail_memory(err, count * sizeof *numbers);
    if (!tensor || tensor->dtype != TN_F32 || tn__tensor_count(tensor) != count)
        return tn__fail(err, TN_ERROR_FORMAT,
                        "cannot read '%s': for '%s' %zu numbers of f32 were expected",
                        l->path, name, count);
    memcpy(numbers, tn__tensor_data(tensor), count * sizeof *numbers);
    return TN_OK;
}

static tn_status read_parameter(const loading *l, size_t v, tn_error *err)
{
    const tn__value *value = &l->into->best->values[v];
    size_t count = tn__engine_parameter_count(l->into->engine, v);
    const tn__tensor *best = find_tensor(l, "best", value->name);
    tn_status status =
        read_tensor(tn__engine_parameter(l->into->engine, v), count,
                    find_tensor(l, "parameter", value->name), l, value->name, err);
    for (int k = 0; k < TN__MOMENTS && !status; k++) {
        const tn__tensor *moment =
            find_tensor(l, k ? "moment1" : "moment0", value->name);
        if (moment)
            status = read_tensor(tn__optimizer_make_moment(l->into->optimizer, v, k),
                                 count, moment, l, value->name, err);
    }
    if (l->into->average && !status)
        status =
            read_tensor(l->into->average->numbers[v], count,
                        find_tensor(l, "average", value->name), l, value->name, err);
    if (status)
        return status;
    if (!best || best->dtype != value->parameter.dtype ||
        tn__tensor_bytes(best) != tn__tensor_bytes(&value->parameter))
        return tn__fail(err, TN_ERROR_FORMAT,
                        "cannot read '%s': 'best/%s' does not fit the model", l->path,
                        value->name);
    tn__tensor *to = &l->into->best->values[v].parameter;
    void *bytes = NULL;
    if ((status = tn__tensor_write(to, &bytes, err)) != TN_OK)
        return status;
    memcpy(bytes, tn__tensor_data(best), tn__tensor_bytes(best));
    return TN_OK;
}

tn_status tn__state_load(tn__state *state, const tn__state_tensors *into,
                         const char *path, tn_error *err)
{
    tn__buffer *bytes = NULL;
    tn__checkpoint file = {0};
    loading l = {&file, into, path};
    tn_status status = tn__buffer_map(&bytes, path, err);
    if (!status)
        status = tn__safetensors_read(&file, bytes, path, err);
    if (!status)
        status = read_numbers(state, &l, err);
    for (size_t v = 0; v < into->best->value_count && !status; v++)
        if (tn__engine_parameter_count(into->engine, v))
            status = read_parameter(&l, v, err);
    if (!status)
        tn__engine_touch(into->engine);
    tn__checkpoint_release(&file);
    tn__buffer_release(bytes);
    return status;
}
