/* torch.c - the state dict of a PyTorch file, and the names of its tensors.
 *
 * What was saved may be a state dict, a checkpoint that holds one beside an epoch and
 * an optimiser, or a whole module, whose class we do not know but whose _parameters,
 * _buffers and _modules give the names its state_dict() would. Values may share parts
 * and form cycles, so the walk is bounded in depth and in steps.
 */
#include "format/torch.h"

#include <stdio.h>
#include <string.h>

typedef struct walk {
    tn__torch_file *file;
    tn__checkpoint *out;
    char name[TN__TORCH_NAME_MAX]; /* of where we are, parts joined by '.' */
    size_t length;
    size_t depth, steps;
} walk;

static tn_status walk_value(walk *w, const tn__pickle_value *value, tn_error *err);

static tn_status count_steps(walk *w, size_t steps, tn_error *err)
{
    w->steps += steps;
    if (w->steps > TN__TORCH_STEPS_MAX)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "cannot read '%s': more than %zu items to look for tensors in",
                        w->file->path, TN__TORCH_STEPS_MAX);
    return TN_OK;
}

/* --- what a value is -------------------------------------------------------------- */

/* The dict of a module's attributes, or NULL. A state may be (dict, slots). */
static const tn__pickle_value *state_of(const tn__pickle_value *value)
{
    const tn__pickle_value *state =
        value->kind == TN__PICKLE_OBJECT ? value->object.state : NULL;
    if (state && state->kind == TN__PICKLE_LIST && state->items.count)
        state = state->items.at[0];
    return state && state->kind == TN__PICKLE_DICT ? state : NULL;
}

static bool is_module(const tn__pickle_value *value)
{
    const tn__pickle_value *state = state_of(value);
    return state &&
           (tn__pickle_get(state, "_modules") || tn__pickle_get(state, "_parameters"));
}

static bool holds_tensors(const tn__pickle_value *value)
{
    if (value->kind != TN__PICKLE_DICT)
        return is_module(value);
    for (size_t k = 1; k < value->items.count; k += 2)
        if (tn__torch_is_tensor(value->items.at[k]))
            return true;
    return false;
}

/* --- the walk --------------------------------------------------------------------- */

/* Walks `value` under the name with `part` behind it. */
static tn_status walk_part(walk *w, const char *part, size_t part_length,
                           const tn__pickle_value *value, tn_error *err)
{
    size_t before = w->length, dot = before > 0;
    if (part_length > sizeof w->name - before - dot)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "cannot read '%s': a name below '%.*s' is longer than %d bytes",
                        w->file->path, (int)TN__MIN(before, 64), w->name,
                        TN__TORCH_NAME_MAX);
    if (dot)
        w->name[w->length++] = '.';
    memcpy(w->name + w->length, part, part_length);
    w->length += part_length;
    tn_status status = walk_value(w, value, err);
    w->length = before;
    return status;
}

/* Keys that are text or integers; others cannot name a tensor. */
static tn_status walk_dict(walk *w, const tn__pickle_value *dict, tn_error *err)
{
    tn_status status = count_steps(w, dict->items.count, err);
    for (size_t k = 0; k < dict->items.count && !status; k += 2) {
        const tn__pickle_value *key = dict->items.at[k], *value = dict->items.at[k + 1];
        char number[24];
        if (key->kind == TN__PICKLE_TEXT) {
            status = walk_part(w, key->text.bytes, key->text.length, value, err);
        } else if (key->kind == TN__PICKLE_INT) {
            int length =
                snprintf(number, sizeof number, "%lld", (long long)key->integer);
            status = walk_part(w, number, (size_t)length, value, err);
        }
    }
    return status;
}

/* Buffers but those that are not persistent. */
static tn_status walk_buffers(walk *w, const tn__pickle_value *buffers,
                              const tn__pickle_value *skipped, tn_error *err)
{
    size_t names =
        skipped && skipped->kind == TN__PICKLE_LIST ? skipped->items.count : 0;
    tn_status status = TN_OK;
    for (size_t k = 0; k < buffers->items.count && !status; k += 2) {
        const tn__pickle_value *key = buffers->items.at[k];
        bool persistent = key->kind == TN__PICKLE_TEXT;
        status = count_steps(w, names + 1, err);
        for (size_t j = 0; j < names && persistent && !status; j++) {
            const tn__pickle_value *other = skipped->items.at[j];
            persistent = other->kind != TN__PICKLE_TEXT ||
                         other->text.length != key->text.length ||
                         memcmp(other->text.bytes, key->text.bytes, key->text.length);
        }
        if (persistent && !status)
            status = walk_part(w, key->text.bytes, key->text.length,
                               buffers->items.at[k + 1], err);
    }
    return status;
}

/* In the order of Module.state_dict(): parameters, buffers, then modules. */
static tn_status walk_module(walk *w, const tn__pickle_value *state, tn_error *err)
{
    const tn__pickle_value *parameters = tn__pickle_get(state, "_parameters");
    const tn__pickle_value *buffers = tn__pickle_get(state, "_buffers");
    const tn__pickle_value *modules = tn__pickle_get(state, "_modules");
    tn_status status = TN_OK;
    if (parameters && parameters->kind == TN__PICKLE_DICT)
        status = walk_dict(w, parameters, err);
    if (buffers && buffers->kind == TN__PICKLE_DICT && !status)
        status = walk_buffers(
            w, buffers, tn__pickle_get(state, "_non_persistent_buffers_set"), err);
    if (modules && modules->kind == TN__PICKLE_DICT && !status)
        status = walk_dict(w, modules, err);
    return status;
}

static tn_status walk_object(walk *w, const tn__pickle_value *object, tn_error *err)
{
    const tn__pickle_value *state = state_of(object);
    tn_status status = TN_OK;
    if (state)
        status = count_steps(w, state->items.count, err);
    if (state && !status)
        status =
            is_module(object) ? walk_module(w, state, err) : walk_dict(w, state, err);
    if (object->object.entries && !status)
        status = walk_dict(w, object->object.entries, err);
    return status;
}

static tn_status walk_list(walk *w, const tn__pickle_value *list, tn_error *err)
{
    tn_status status = count_steps(w, list->items.count, err);
    for (size_t k = 0; k < list->items.count && !status; k++) {
        char number[24];
        int length = snprintf(number, sizeof number, "%zu", k);
        status = walk_part(w, number, (size_t)length, list->items.at[k], err);
    }
    return status;
}

static tn_status add_tensor(walk *w, const tn__pickle_value *value, tn_error *err)
{
    tn__tensor tensor = {0};
    if (w->out->count >= TN__TORCH_TENSORS_MAX)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "cannot read '%s': more than %zu tensors", w->file->path,
                        TN__TORCH_TENSORS_MAX);
    tn_status status = tn__torch_tensor(&tensor, w->file, value, err);
    if (!status)
        status =
            tn__checkpoint_add(w->out, w->length ? w->name : "tensor",
                               w->length ? w->length : 6, &tensor, w->file->path, err);
    tn__tensor_release(&tensor);
    return status;
}

static tn_status walk_value(walk *w, const tn__pickle_value *value, tn_error *err)
{
    if (tn__torch_is_tensor(value))
        return add_tensor(w, value, err);
    if (value->kind != TN__PICKLE_DICT && value->kind != TN__PICKLE_LIST &&
        value->kind != TN__PICKLE_OBJECT)
        return TN_OK;
    if (w->depth >= TN__TORCH_DEPTH_MAX)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "cannot read '%s': '%.*s' is nested deeper than %d",
                        w->file->path, (int)TN__MIN(w->length, 64), w->name,
                        TN__TORCH_DEPTH_MAX);
    w->depth++;
    tn_status status = value->kind == TN__PICKLE_DICT   ? walk_dict(w, value, err)
                       : value->kind == TN__PICKLE_LIST ? walk_list(w, value, err)
                                                        : walk_object(w, value, err);
    w->depth--;
    return status;
}

/* --- where the state dict is ------------------------------------------------------ */

/* The first of the usual names under which `dict` holds the weights: tensors, or with
 * `nested` at least a dict. */
static const tn__pickle_value *find_named(const tn__pickle_value *dict, bool nested)
{
    static const char *const names[] = {"state_dict", "model_state_dict", "model",
                                        "net",        "network",          "module",
                                        "params",     "weights"};
    for (size_t k = 0; k < TN__COUNT(names); k++) {
        const tn__pickle_value *value = tn__pickle_get(dict, names[k]);
        if (value &&
            (holds_tensors(value) || (nested && value->kind == TN__PICKLE_DICT)))
            return value;
    }
    return NULL;
}

/* The entry of a checkpoint that holds the weights, or NULL: one of the usual names,
 * else the only one that holds tensors. */
static const tn__pickle_value *find_weights(const tn__pickle_value *dict)
{
    const tn__pickle_value *found = find_named(dict, false);
    size_t holders = 0;
    for (size_t k = 1; k < dict->items.count && !found; k += 2)
        holders += holds_tensors(dict->items.at[k]);
    for (size_t k = 1; k < dict->items.count && !found && holders == 1; k += 2)
        if (holds_tensors(dict->items.at[k]))
            found = dict->items.at[k];
    return found || holders ? found : find_named(dict, true);
}

tn_status tn__torch_collect(tn__checkpoint *out, tn__torch_file *file, tn_error *err)
{
    tn__checkpoint found = {0};
    walk w = {.file = file, .out = &found};
    const tn__pickle_value *root = file->pickle.root;
    for (int depth = 0; depth < TN__TORCH_DEPTH_MAX; depth++) {
        const tn__pickle_value *inner =
            root->kind == TN__PICKLE_DICT && !holds_tensors(root) ? find_weights(root)
                                                                  : NULL;
        if (!inner)
            break;
        root = inner;
    }
    tn_status status = walk_value(&w, root, err);
    if (!status)
        status = tn__checkpoint_check_names(&found, file->path, err);
    if (!status && !found.count)
        status = tn__fail(err, TN_ERROR_FORMAT, "cannot read '%s': it holds no tensors",
                          file->path);
    if (status)
        tn__checkpoint_release(&found);
    else
        *out = found;
    return status;
}

bool tn__torch_is(const tn__buffer *file)
{
    return tn__torch_zip_is(file) || tn__torch_legacy_is(file);
}

tn_status tn__torch_read(tn__checkpoint *out, tn__buffer *file, const char *path,
                         tn_error *err)
{
    if (tn__torch_zip_is(file))
        return tn__torch_zip_read(out, file, path, err);
    if (tn__torch_legacy_is(file))
        return tn__torch_legacy_read(out, file, path, err);
    return tn__fail(err, TN_ERROR_FORMAT, "cannot read '%s': not a PyTorch file", path);
}
