/* torch_tensor.c - tensors from what PyTorch pickles in their place.
 *
 * A tensor is a call of torch._utils._rebuild_tensor_v2(storage, offset, size, stride,
 * ...), where storage is the persistent id ('storage', class, key, location, elements).
 * Nothing is called: the arguments are checked against the storage, and the tensor is a
 * view of it, or a copy where its strides are not row-major.
 */
#include "format/torch.h"

#include <stdlib.h>
#include <string.h>

/* Copies of tensors that are not contiguous may come to this many times the file. */
enum { COPY_FACTOR = 4 };

static tn_status fail(const tn__torch_file *file, tn_error *err, const char *problem)
{
    return tn__fail(err, TN_ERROR_FORMAT, "cannot read '%s': %s", file->path, problem);
}

/* --- storages --------------------------------------------------------------------- */

static const struct {
    const char *storage, *dtype; /* torch.FloatStorage, torch.float32 */
    tn_dtype is;
} types[] = {
    {"FloatStorage", "float32", TN_F32},
    {"DoubleStorage", "float64", TN_F64},
    {"HalfStorage", "float16", TN_F16},
    {"BFloat16Storage", "bfloat16", TN_BF16},
    {"LongStorage", "int64", TN_I64},
    {"IntStorage", "int32", TN_I32},
    {"ShortStorage", "int16", TN_I16},
    {"CharStorage", "int8", TN_I8},
    {"ByteStorage", "uint8", TN_U8},
    {"BoolStorage", "bool", TN_BOOL},
    {"UntypedStorage", "uint8", TN_U8},
    {"", "uint16", TN_U16},
    {"", "uint32", TN_U32},
    {"", "uint64", TN_U64},
};

/* TN_UNDEFINED where `name` is no class of torch that we know. */
static tn_dtype find_type(const tn__pickle_value *class, bool storage)
{
    if (class->kind != TN__PICKLE_CLASS ||
        (!tn__pickle_text_is(class->class.module, "torch") &&
         !tn__pickle_text_is(class->class.module, "torch.cuda") &&
         !tn__pickle_text_is(class->class.module, "torch.storage")))
        return TN_UNDEFINED;
    for (size_t k = 0; k < TN__COUNT(types); k++)
        if (tn__pickle_text_is(class->class.name,
                               storage ? types[k].storage : types[k].dtype))
            return types[k].is;
    return TN_UNDEFINED;
}

static const tn__pickle_value *item(const tn__pickle_value *list, size_t k)
{
    return list->items.at[k];
}

/* Reads ('storage', class, key, location, elements[, view]). */
static tn_status parse_storage(tn__torch_storage *out, const tn__torch_file *file,
                               const tn__pickle_value *id, tn_error *err)
{
    if (id->items.count < 5 || id->items.count > 6 ||
        item(id, 2)->kind != TN__PICKLE_TEXT || item(id, 4)->kind != TN__PICKLE_INT ||
        item(id, 4)->integer < 0)
        return fail(file, err, "a storage's id is not (type, key, location, elements)");
    tn__torch_storage storage = {.key = item(id, 2),
                                 .dtype = find_type(item(id, 1), true),
                                 .count = (size_t)item(id, 4)->integer};
    if (!storage.dtype)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "cannot read '%s': storage '%.*s' has an unknown element type",
                        file->path, (int)TN__MIN(storage.key->text.length, 64),
                        storage.key->text.bytes);
    if (id->items.count == 6 && item(id, 5)->kind != TN__PICKLE_NONE)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "cannot read '%s': storage '%.*s' is a view of another",
                        file->path, (int)TN__MIN(storage.key->text.length, 64),
                        storage.key->text.bytes);
    *out = storage;
    return TN_OK;
}

static bool is_storage(const tn__pickle_value *value)
{
    return value->kind == TN__PICKLE_PERSISTENT && value->id->kind == TN__PICKLE_LIST &&
           value->id->items.count && tn__pickle_text_is(item(value->id, 0), "storage");
}

static int compare_text(const char *a, size_t a_length, const char *b, size_t b_length)
{
    int order = memcmp(a, b, TN__MIN(a_length, b_length));
    return order ? order : (a_length > b_length) - (a_length < b_length);
}

static int compare_storages(const void *a, const void *b)
{
    const tn__torch_storage *x = a, *y = b;
    return compare_text(x->key->text.bytes, x->key->text.length, y->key->text.bytes,
                        y->key->text.length);
}

/* Leaves each key once; elements of equal keys stand next to each other. */
static tn_status drop_repeated(tn__torch_file *file, tn_error *err)
{
    size_t kept = 0;
    for (size_t k = 0; k < file->storage_count; k++) {
        const tn__torch_storage *next = &file->storages[k];
        const tn__torch_storage *last = kept ? &file->storages[kept - 1] : NULL;
        if (!last || compare_storages(last, next) != 0)
            file->storages[kept++] = *next;
        else if (last->dtype != next->dtype || last->count != next->count)
            return fail(file, err, "a storage is named with two types or sizes");
    }
    file->storage_count = kept;
    return TN_OK;
}

tn_status tn__torch_storages(tn__torch_file *file, tn_error *err)
{
    const tn__pickle *pickle = &file->pickle;
    file->storages = tn__alloc(pickle->persistent_count, sizeof *file->storages);
    if (!file->storages)
        return tn__fail_memory(err, pickle->persistent_count * sizeof *file->storages);
    for (size_t k = 0; k < pickle->persistent_count; k++) {
        if (!is_storage(pickle->persistent[k]))
            continue;
        tn_status status = parse_storage(&file->storages[file->storage_count], file,
                                         pickle->persistent[k]->id, err);
        if (status)
            return status;
        file->storage_count++;
    }
    qsort(file->storages, file->storage_count, sizeof *file->storages,
          compare_storages);
    return drop_repeated(file, err);
}

tn__torch_storage *tn__torch_storage_find(const tn__torch_file *file, const char *key,
                                          size_t length)
{
    size_t low = 0, high = file->storage_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const tn__pickle_value *other = file->storages[middle].key;
        int order = compare_text(key, length, other->text.bytes, other->text.length);
        if (order == 0)
            return &file->storages[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

void tn__torch_storages_release(tn__torch_file *file)
{
    for (size_t k = 0; k < file->storage_count; k++)
        tn__buffer_release(file->storages[k].buffer);
    tn__free(file->storages);
    file->storages = NULL;
    file->storage_count = 0;
}

/* --- tensors ---------------------------------------------------------------------- */

/* Elements of a storage, by strides. */
typedef struct layout {
    tn__torch_storage *storage;
    tn_dtype dtype;
    size_t offset; /* of the first element, in elements */
    tn__shape shape;
    size_t stride[TN__MAX_RANK]; /* in elements */
} layout;

typedef struct call { /* callee(*args); callee NULL: no call */
    const tn__pickle_value *callee, *args;
} call;

/* Argument k, or NULL. */
static const tn__pickle_value *argument(const call *c, size_t k)
{
    return k < c->args->items.count ? c->args->items.at[k] : NULL;
}

static bool calls(const call *c, const char *name)
{
    return c->callee && tn__pickle_class_is(c->callee, "torch._utils", name);
}

static call call_of(const tn__pickle_value *value)
{
    if (!value || value->kind != TN__PICKLE_OBJECT)
        return (call){0};
    return (call){value->object.callee, value->object.args};
}

/* The call that rebuilds the tensor `value` stands for, which may be inside those that
 * make it a parameter or an instance of a subclass. */
static call find_rebuild(const tn__pickle_value *value)
{
    call c = call_of(value);
    if (calls(&c, "_rebuild_parameter") || calls(&c, "_rebuild_parameter_with_state"))
        c = call_of(argument(&c, 0));
    if (c.callee &&
        tn__pickle_class_is(c.callee, "torch._tensor", "_rebuild_from_type_v2") &&
        c.args->items.count >= 3 && argument(&c, 2)->kind == TN__PICKLE_LIST)
        c = (call){argument(&c, 0), argument(&c, 2)};
    if (calls(&c, "_rebuild_tensor_v2") || calls(&c, "_rebuild_tensor_v3") ||
        calls(&c, "_rebuild_tensor"))
        return c;
    return (call){0};
}

bool tn__torch_is_tensor(const tn__pickle_value *value)
{
    return find_rebuild(value).callee != NULL;
}

/* A tuple of numbers that are not negative; false otherwise. */
static bool read_numbers(size_t *out, int *rank, const tn__pickle_value *tuple)
{
    if (!tuple || tuple->kind != TN__PICKLE_LIST || tuple->items.count > TN__MAX_RANK)
        return false;
    *rank = (int)tuple->items.count;
    for (int k = 0; k < *rank; k++) {
        const tn__pickle_value *number = item(tuple, (size_t)k);
        if (number->kind != TN__PICKLE_INT || number->integer < 0)
            return false;
        out[k] = (size_t)number->integer;
    }
    return true;
}

/* _rebuild_tensor_v2(storage, offset, size, stride, ...); _v3 has the type as argument
 * 6 and its storages untyped. */
static tn_status read_layout(layout *out, const tn__torch_file *file, const call *c,
                             tn_error *err)
{
    const tn__pickle_value *id = argument(c, 0), *offset = argument(c, 1);
    size_t size[TN__MAX_RANK];
    int rank = 0, strides = 0;
    if (!id || !is_storage(id) || !offset || offset->kind != TN__PICKLE_INT ||
        offset->integer < 0 || !read_numbers(size, &rank, argument(c, 2)) ||
        !read_numbers(out->stride, &strides, argument(c, 3)) || rank != strides)
        return fail(
            file, err,
            "a tensor is not (storage, offset, size, stride) of at most 8 axes");
    const tn__pickle_value *key = item(id->id, 2);
    out->storage = tn__torch_storage_find(file, key->text.bytes, key->text.length);
    out->offset = (size_t)offset->integer;
    out->shape.rank = rank;
    for (int k = 0; k < rank; k++)
        out->shape.dims[k] = (int64_t)size[k];
    out->dtype = out->storage->dtype;
    if (calls(c, "_rebuild_tensor_v3")) {
        out->dtype = argument(c, 6) ? find_type(argument(c, 6), false) : 0;
        if (!out->dtype)
            return tn__fail(err, TN_ERROR_UNSUPPORTED,
                            "cannot read '%s': a tensor has an unknown element type",
                            file->path);
    }
    return TN_OK;
}

/* Last element used, one past; false where that does not fit. */
static bool find_end(size_t *end, const layout *at)
{
    size_t last = at->offset, step = 0;
    for (int k = 0; k < at->shape.rank; k++) {
        if (at->shape.dims[k] == 0) {
            *end = at->offset;
            return true;
        }
        if (!tn__mul(&step, (size_t)at->shape.dims[k] - 1, at->stride[k]) ||
            !tn__add(&last, last, step))
            return false;
    }
    return tn__add(end, last, 1);
}

static tn_status check_bounds(const layout *at, const tn__torch_file *file,
                              tn_error *err)
{
    size_t end = 0, bytes = 0, width = tn__dtype_size(at->dtype);
    size_t held = at->storage->count * tn__dtype_size(at->storage->dtype);
    if (!find_end(&end, at) || !tn__mul(&bytes, end, width) || bytes > held)
        return tn__fail(
            err, TN_ERROR_FORMAT,
            "cannot read '%s': a tensor reaches beyond the %zu bytes of its "
            "storage '%.*s'",
            file->path, held, (int)TN__MIN(at->storage->key->text.length, 64),
            at->storage->key->text.bytes);
    return TN_OK;
}

static bool is_row_major(const layout *at)
{
    size_t expected = 1;
    for (int k = at->shape.rank - 1; k >= 0; k--) {
        if (at->shape.dims[k] == 0)
            return true;
        if (at->shape.dims[k] != 1 && at->stride[k] != expected)
            return false;
        expected *= (size_t)at->shape.dims[k];
    }
    return true;
}

/* out[i0, i1, ...] = in[i0 stride0 + i1 stride1 + ...], elements of `width` bytes. */
static void gather(uint8_t *out, const uint8_t *in, const layout *at, size_t count,
                   size_t width)
{
    size_t index[TN__MAX_RANK] = {0}, from = 0;
    for (size_t k = 0; k < count; k++) {
        memcpy(out + k * width, in + from * width, width);
        for (int axis = at->shape.rank - 1; axis >= 0; axis--) {
            from += at->stride[axis];
            if (++index[axis] < (size_t)at->shape.dims[axis])
                break;
            from -= index[axis] * at->stride[axis];
            index[axis] = 0;
        }
    }
}

/* A row-major copy. Strides of 0 could ask for any amount of memory, so copies are
 * counted against the size of the file. */
static tn_status copy_strided(tn__tensor *out, tn__torch_file *file, const layout *at,
                              tn_error *err)
{
    size_t count = 0, bytes = 0, width = tn__dtype_size(at->dtype);
    tn__tensor copy = {0};
    if (!tn__shape_count(&count, &at->shape) || !tn__mul(&bytes, count, width) ||
        !tn__add(&file->copied, file->copied, bytes) ||
        file->copied / COPY_FACTOR > tn__buffer_size(file->bytes))
        return tn__fail(
            err, TN_ERROR_UNSUPPORTED,
            "cannot read '%s': strided tensors expand to more than %d times "
            "the file",
            file->path, COPY_FACTOR);
    tn_status status =
        tn__tensor_create(&copy, at->dtype, at->shape.rank, at->shape.dims, err);
    if (status)
        return status;
    gather(tn__buffer_writable(copy.buffer),
           tn__buffer_bytes(at->storage->buffer) + at->storage->buffer_offset +
               at->offset * width,
           at, count, width);
    *out = copy;
    return TN_OK;
}

tn_status tn__torch_tensor(tn__tensor *out, tn__torch_file *file,
                           const tn__pickle_value *value, tn_error *err)
{
    layout at = {0};
    call c = find_rebuild(value);
    tn_status status = read_layout(&at, file, &c, err);
    if (!status && !at.storage->buffer)
        status = file->load(file, at.storage, err);
    if (!status)
        status = check_bounds(&at, file, err);
    if (status)
        return status;
    if (!is_row_major(&at))
        return copy_strided(out, file, &at, err);
    return tn__tensor_over(
        out, at.dtype, at.shape.rank, at.shape.dims, at.storage->buffer,
        at.storage->buffer_offset + at.offset * tn__dtype_size(at.dtype), err);
}
