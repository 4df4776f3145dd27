/* test_onnx.c - src/format/onnx_*.c and wire.c: ONNX read, refused and written. */
#include "test.h"

#include "format/checkpoint.h"
#include "format/mutate.h"

#define SMALL TN_TEST_DATA "/small.onnx"
#define TYPED TN_TEST_DATA "/typed.onnx"

static tn_status read_and_release(tn__buffer *file, tn_error *err)
{
    tn_model *model = NULL;
    tn_status status = tn__onnx_read(&model, file, "mutant", err);
    tn_model_free(model);
    return status;
}

static tn_model *read_path(const char *path)
{
    tn__buffer *file = map(path);
    tn_model *model = NULL;
    assert_true(tn__onnx_is(file));
    assert_ok(tn__onnx_read(&model, file, path, err));
    tn__buffer_release(file);
    return model;
}

static const tn__value *find(const tn_model *model, const char *name)
{
    size_t v = tn__model_find_value(model, name);
    if (v == TN__NONE)
        fail_msg("no value '%s'", name);
    return &model->values[v];
}

/* --- reading ---------------------------------------------------------------------- */

static void everything_of_a_model_is_kept(void **state)
{
    (void)state;
    tn_model *model = read_path(SMALL);
    assert_string_equal(model->name, "small");
    assert_string_equal(model->doc, "a doc");
    assert_string_equal(model->producer, "fixtures");
    assert_string_equal(model->producer_version, "1");
    assert_int_equal(model->ir_version, 8);
    assert_int_equal(model->model_version, 7);
    assert_int_equal(model->opset_count, 1);
    assert_int_equal(tn__model_opset(model), 13);
    assert_int_equal(model->node_count, 5);
    assert_string_equal(model->nodes[0].name, "conv");
    assert_string_equal(model->nodes[1].doc, "clips");
    assert_null(model->nodes[0].doc);
    assert_int_equal(tn__node_int(&model->nodes[4], "transB", 0), 1);
    assert_near(tn__node_float(&model->nodes[4], "alpha", 0), 1, 0);
    size_t count = 0;
    assert_int_equal(tn__node_ints(&model->nodes[0], "kernel_shape", &count)[1], 1);
    assert_int_equal(count, 2);
    const tn__tensor *weight = &find(model, "conv.weight")->parameter;
    assert_int_equal(weight->shape.rank, 4);
    for (size_t i = 0; i < 12; i++)
        assert_near(tn__tensor_get_f64(weight, i), (double)i / 2 - 1, 0);
    assert_int_equal(find(model, "half")->parameter.dtype, TN_F16);
    tn_model_free(model);
}

static void symbolic_dims_keep_their_names(void **state)
{
    (void)state;
    tn_model *model = read_path(SMALL);
    const tn__value *x = &model->values[model->inputs[0]];
    assert_int_equal(model->input_count, 1);
    assert_int_equal(x->dtype, TN_F32);
    assert_true(x->shaped);
    assert_int_equal(x->rank, 4);
    assert_int_equal(x->dims[0], -1);
    assert_string_equal(x->dim_names[0], "batch");
    assert_int_equal(x->dims[1], 3);
    assert_int_equal(x->dims[2], -1);
    assert_null(x->dim_names[2]);
    assert_string_equal(model->values[model->outputs[0]].dim_names[0], "batch");
    tn_model_free(model);
}

static void assert_numbers(const tn_model *model, const char *name, tn_dtype dtype,
                           size_t count, const double *expected)
{
    const tn__tensor *tensor = &find(model, name)->parameter;
    assert_int_equal(tensor->dtype, dtype);
    assert_int_equal(tn__tensor_count(tensor), count);
    for (size_t i = 0; i < count; i++)
        assert_near(tn__tensor_get_f64(tensor, i), expected[i], 0);
}

static void typed_fields_of_every_type_are_read(void **state)
{
    (void)state;
    static const double ramp[] = {-1, -0.5, 0, 0.5};
    tn_model *model = read_path(TYPED);
    assert_numbers(model, "float", TN_F32, 4, ramp);
    assert_numbers(model, "double", TN_F64, 4, ramp);
    assert_numbers(model, "half", TN_F16, 4, ramp);
    assert_numbers(model, "bfloat", TN_BF16, 4, ramp);
    assert_numbers(model, "int8", TN_I8, 3, (double[]){-128, -1, 127});
    assert_numbers(model, "uint8", TN_U8, 2, (double[]){0, 255});
    assert_numbers(model, "int16", TN_I16, 2, (double[]){-32768, 7});
    assert_numbers(model, "bool", TN_BOOL, 2, (double[]){1, 0});
    assert_numbers(model, "int32", TN_I32, 1, (double[]){-2});
    assert_numbers(model, "int64", TN_I64, 2, (double[]){-0x1p62, 5});
    assert_numbers(model, "uint32", TN_U32, 1, (double[]){4000000000.0});
    assert_numbers(model, "uint64", TN_U64, 1, (double[]){0x1p63});
    assert_numbers(model, "scalar", TN_F32, 1, (double[]){3.5});
    assert_numbers(model, "empty", TN_F32, 0, NULL);
    tn_model_free(model);
}

static void attributes_of_every_kind_are_read(void **state)
{
    (void)state;
    tn_model *model = read_path(TYPED);
    const tn__node *node = &model->nodes[1];
    assert_string_equal(node->domain, "test");
    assert_near(tn__node_float(node, "f", 0), 0.25, 0);
    assert_int_equal(tn__node_int(node, "i", 0), -3);
    assert_int_equal(tn__node_attr(node, "s")->length, 3);
    assert_memory_equal(tn__node_attr(node, "s")->s, "a\0b", 4);
    assert_int_equal(tn__node_attr(node, "fs")->count, 2);
    assert_near(tn__node_attr(node, "fs")->floats[1], 2.5, 0);
    assert_int_equal(tn__node_attr(node, "i_s")->ints[1], -1);
    assert_int_equal(tn__node_attr(node, "ss")->count, 2);
    assert_string_equal(tn__node_attr(node, "ss")->strings[1], "q");
    const tn__tensor *constant = &tn__node_attr(&model->nodes[0], "value")->tensor;
    assert_int_equal(constant->dtype, TN_F32);
    assert_near(tn__tensor_get_f64(constant, 1), -0.5, 0);
    tn_model_free(model);
}

static void operands_that_are_left_out_stay_so(void **state)
{
    (void)state;
    tn_model *model = read_path(TYPED);
    const tn__node *node = &model->nodes[1];
    assert_int_equal(node->input_count, 3);
    assert_true(node->inputs[1] == TN__NONE);
    assert_int_equal(node->output_count, 3);
    assert_true(node->outputs[1] == TN__NONE);
    tn_model_free(model);
}

static void initializers_among_the_inputs_are_parameters(void **state)
{
    (void)state;
    tn_model *model = read_path(TYPED);
    assert_int_equal(model->input_count, 1);
    assert_string_equal(model->values[model->inputs[0]].name, "x");
    assert_string_equal(tn__model_metadata(model, "key"), "text");
    assert_string_equal(tn__model_metadata(model, "empty"), "");
    tn_model_free(model);
}

static void weights_are_aligned_wherever_they_lie(void **state)
{
    (void)state;
    tn_model *model = read_path(TYPED);
    for (size_t v = 0; v < model->value_count; v++) {
        const tn__tensor *tensor = &model->values[v].parameter;
        if (tensor->dtype)
            assert_int_equal(
                (uintptr_t)tn__tensor_data(tensor) % tn__dtype_size(tensor->dtype), 0);
    }
    tn_model_free(model);
}

static void external_data_is_read_from_beside_the_model(void **state)
{
    (void)state;
    tn_model *model = read_path(TN_TEST_DATA "/external.onnx");
    const tn__tensor *weight = &find(model, "fc.weight")->parameter;
    assert_int_equal(tn__tensor_count(weight), 8);
    for (size_t i = 0; i < 8; i++)
        assert_near(tn__tensor_get_f64(weight, i), (double)i / 2 - 1, 0);
    /* both are views of one mapping */
    assert_ptr_equal(weight->buffer, find(model, "conv.weight")->parameter.buffer);
    tn_model_free(model);
}

/* --- messages made by hand --- */

typedef struct bytes {
    uint8_t at[1024];
    size_t size;
} bytes;

static void put_varint(bytes *b, uint64_t value)
{
    for (; value > 127; value >>= 7)
        b->at[b->size++] = (uint8_t)(value | 128);
    b->at[b->size++] = (uint8_t)value;
}

static void put_int(bytes *b, unsigned field, uint64_t value)
{
    put_varint(b, field << 3);
    put_varint(b, value);
}

static void put_bytes(bytes *b, unsigned field, const void *data, size_t size)
{
    put_varint(b, field << 3 | 2);
    put_varint(b, size);
    memcpy(b->at + b->size, data, size);
    b->size += size;
}

static void put_text(bytes *b, unsigned field, const char *text)
{
    put_bytes(b, field, text, strlen(text));
}

static void put(bytes *b, unsigned field, const bytes *message)
{
    put_bytes(b, field, message->at, message->size);
}

/* A value of type f32 [2]. */
static void put_value(bytes *graph, unsigned field, const char *name)
{
    bytes dim = {0}, shape = {0}, tensor = {0}, type = {0}, info = {0};
    put_int(&dim, 1, 2);
    put(&shape, 1, &dim);
    put_int(&tensor, 1, 1);
    put(&tensor, 2, &shape);
    put(&type, 1, &tensor);
    put_text(&info, 1, name);
    put(&info, 2, &type);
    put(graph, field, &info);
}

/* x -> Relu -> y, with `extra` appended to the node and `more` to the graph. */
static tn_status read_graph(const bytes *extra, const bytes *more, tn_error *err)
{
    bytes node = {0}, graph = {0}, opset = {0}, model = {0};
    put_text(&node, 1, "x");
    put_text(&node, 2, "y");
    put_text(&node, 3, "relu");
    put_text(&node, 4, "Relu");
    memcpy(node.at + node.size, extra->at, extra->size);
    node.size += extra->size;
    put(&graph, 1, &node);
    memcpy(graph.at + graph.size, more->at, more->size);
    graph.size += more->size;
    put_value(&graph, 11, "x");
    put_value(&graph, 12, "y");
    put_int(&opset, 2, 13);
    put_int(&model, 1, 8);
    put(&model, 7, &graph);
    put(&model, 8, &opset);
    tn__buffer *file = buffer_of(model.at, model.size);
    tn_status status = read_and_release(file, err);
    tn__buffer_release(file);
    return status;
}

/* The same with an initialiser "w" of these fields. */
static tn_status read_tensor(uint64_t dtype, int rank, const int64_t *dims,
                             unsigned field, const void *data, size_t size,
                             tn_error *err)
{
    static const bytes nothing = {0};
    bytes tensor = {0}, graph = {0};
    for (int k = 0; k < rank; k++)
        put_int(&tensor, 1, (uint64_t)dims[k]);
    put_int(&tensor, 2, dtype);
    put_text(&tensor, 8, "w");
    if (field)
        put_bytes(&tensor, field, data, size);
    put(&graph, 5, &tensor);
    return read_graph(&nothing, &graph, err);
}

#define DIMS(...)                                                                      \
    TN__COUNT(((int64_t[]){__VA_ARGS__})), (int64_t[])                                 \
    {                                                                                  \
        __VA_ARGS__                                                                    \
    }

static void lying_tensors_are_refused(void **state)
{
    (void)state;
    static const uint8_t data[64] = {0};
    assert_ok(read_tensor(1, DIMS(2, 2), 9, data, 16, err));
    assert_ok(read_tensor(1, DIMS(2, 2), 4, data, 16, err));
    assert_fails(read_tensor(1, DIMS(2, 2), 9, data, 15, err), TN_ERROR_FORMAT,
                 "tensor 'w': its raw_data has 15 bytes, f32 [2, 2] has 16");
    assert_fails(read_tensor(1, DIMS(2, 2), 4, data, 12, err), TN_ERROR_FORMAT,
                 "it has 3 numbers, [2, 2] has 4");
    assert_fails(read_tensor(1, DIMS(2, 2), 4, data, 20, err), TN_ERROR_FORMAT,
                 "it has 5 numbers");
    assert_fails(read_tensor(1, DIMS(2, 2), 4, data, 14, err), TN_ERROR_FORMAT,
                 "needs 4 bytes, 2 are left");
    assert_fails(read_tensor(1, DIMS(2, 2), 0, data, 0, err), TN_ERROR_FORMAT,
                 "it has 0 numbers");
    assert_fails(read_tensor(1, DIMS(-1), 9, data, 4, err), TN_ERROR_FORMAT,
                 "its shape [-1] has no size");
    assert_fails(read_tensor(1, DIMS(INT64_MAX, 4), 9, data, 4, err), TN_ERROR_FORMAT,
                 "has no size");
    assert_fails(read_tensor(1, DIMS(INT64_MAX / 4), 4, data, 4, err), TN_ERROR_FORMAT,
                 "it has 1 numbers");
    assert_fails(read_tensor(1, DIMS(1, 1, 1, 1, 1, 1, 1, 1, 1), 9, data, 4, err),
                 TN_ERROR_FORMAT, "dims at byte");
    assert_fails(read_tensor(8, DIMS(1), 6, "a", 1, err), TN_ERROR_UNSUPPORTED,
                 "data type 8 is not supported");
    assert_fails(read_tensor(17, DIMS(1), 9, data, 1, err), TN_ERROR_UNSUPPORTED,
                 "data type 17 is not supported");
    assert_fails(read_tensor(UINT64_MAX, DIMS(1), 9, data, 1, err),
                 TN_ERROR_UNSUPPORTED, "is not supported");
    assert_fails(read_tensor(2, DIMS(1), 5, "\x80\2", 2, err), TN_ERROR_FORMAT,
                 "the number 256, which does not fit into 8 bits");
}

static void aligned_raw_data_is_a_view_of_the_file(void **state)
{
    (void)state;
    bytes tensor = {0}, graph = {0}, opset = {0}, model = {0};
    tn_model *read = NULL;
    put_int(&tensor, 1, 3);
    put_int(&tensor, 2, TN_U8); /* aligned at every byte */
    put_text(&tensor, 8, "w");
    put_bytes(&tensor, 9, "\1\2\3", 3);
    put(&graph, 5, &tensor);
    put_value(&graph, 12, "w");
    put_int(&opset, 2, 13);
    put_int(&model, 1, 8);
    put(&model, 7, &graph);
    put(&model, 8, &opset);
    tn__buffer *file = buffer_of(model.at, model.size);
    assert_ok(tn__onnx_read(&read, file, "view.onnx", err));
    assert_ptr_equal(find(read, "w")->parameter.buffer, file);
    assert_int_equal(tn__tensor_get_i64(&find(read, "w")->parameter, 2), 3);
    tn_model_free(read);
    tn__buffer_release(file);
}

/* External data of w at `location`. */
static tn_status read_location(const char *location, const char *key, const char *text,
                               tn_error *err)
{
    static const bytes nothing = {0};
    bytes tensor = {0}, graph = {0}, entry = {0}, other = {0};
    put_int(&tensor, 1, 1);
    put_int(&tensor, 2, 1);
    put_text(&tensor, 8, "w");
    put_text(&entry, 1, "location");
    put_text(&entry, 2, location);
    put(&tensor, 13, &entry);
    put_text(&other, 1, key);
    put_text(&other, 2, text);
    put(&tensor, 13, &other);
    put_int(&tensor, 14, 1);
    put(&graph, 5, &tensor);
    return read_graph(&nothing, &graph, err);
}

static void external_data_may_not_leave_the_folder(void **state)
{
    (void)state;
    static const char *const outside[] = {"/etc/passwd", "../a", "a/../../b",
                                          "a/..",        "..",   ""};
    for (size_t k = 0; k < TN__COUNT(outside); k++)
        assert_fails(read_location(outside[k], "offset", "0", err),
                     TN_ERROR_UNSUPPORTED, "is not below the model's folder");
    assert_fails(read_location("no..such.bin", "offset", "0", err), TN_ERROR_IO,
                 "no..such.bin");
    assert_fails(read_location("a", "offset", "-1", err), TN_ERROR_FORMAT,
                 "the offset of its external data is no number");
    assert_fails(read_location("a", "length", "3", err), TN_ERROR_FORMAT,
                 "has 3 bytes, 4 were expected");
}

static void external_data_is_checked_against_its_file(void **state)
{
    (void)state;
    FILE *f = fopen("external-test.bin", "wb");
    assert_non_null(f);
    assert_int_equal(fwrite("12345678", 1, 8, f), 8);
    fclose(f);
    assert_ok(read_location("external-test.bin", "offset", "4", err));
    assert_fails(read_location("external-test.bin", "offset", "5", err),
                 TN_ERROR_FORMAT, "tensor 'w'");
    assert_fails(
        read_location("external-test.bin", "offset", "18446744073709551615", err),
        TN_ERROR_FORMAT, "tensor 'w'");
    unlink("external-link.bin");
    assert_int_equal(symlink("external-test.bin", "external-link.bin"), 0);
    assert_fails(read_location("external-link.bin", "offset", "0", err),
                 TN_ERROR_UNSUPPORTED, "symbolic link");
    unlink("external-link.bin");
    unlink("external-test.bin");
}

static void what_is_not_supported_is_named(void **state)
{
    (void)state;
    bytes nothing = {0}, attr = {0}, extra = {0}, more = {0}, graph = {0};
    put_text(&attr, 1, "body");
    put(&attr, 6, &graph);
    put_int(&attr, 20, 5);
    put(&extra, 5, &attr);
    assert_fails(read_graph(&extra, &nothing, err), TN_ERROR_UNSUPPORTED,
                 "cannot read 'mutant': node 'relu': attribute 'body': subgraphs");
    put(&more, 15, &graph);
    assert_fails(read_graph(&nothing, &more, err), TN_ERROR_UNSUPPORTED,
                 "sparse initializers");
}

static void malformed_nodes_are_refused(void **state)
{
    (void)state;
    bytes nothing = {0}, attr = {0}, extra = {0}, more = {0}, value = {0}, deep = {0};
    put_int(&attr, 3, 1);
    put(&extra, 5, &attr);
    assert_fails(read_graph(&extra, &nothing, err), TN_ERROR_FORMAT, "name is missing");
    extra.size = 0;
    put_text(&attr, 1, "a");
    put(&extra, 5, &attr);
    assert_ok(read_graph(&extra, &nothing, err)); /* the type follows from the field */
    put(&extra, 5, &attr);
    assert_fails(read_graph(&extra, &nothing, err), TN_ERROR_FORMAT, "occurs twice");
    extra.size = 0;
    put_text(&extra, 1, "nowhere");
    assert_fails(read_graph(&extra, &nothing, err), TN_ERROR_FORMAT,
                 "'nowhere', an input of Relu 'relu', is not defined");
    extra.size = 0;
    put_text(&extra, 2, "y");
    assert_fails(read_graph(&extra, &nothing, err), TN_ERROR_FORMAT, "defined twice");
    put_value(&more, 11, "x");
    assert_fails(read_graph(&nothing, &more, err), TN_ERROR_FORMAT, "defined twice");
    more.size = 0;
    for (int k = 0; k < 30; k++) { /* a sequence of sequences of ... */
        bytes outer = {0}, type = {0};
        put(&outer, 1, &deep);
        put(&type, 4, &outer);
        deep = type;
    }
    put_text(&value, 1, "deep");
    put(&value, 2, &deep);
    put(&more, 11, &value);
    assert_fails(read_graph(&nothing, &more, err), TN_ERROR_FORMAT, "nested deeper");
}

static void duplicate_initializers_are_refused(void **state)
{
    (void)state;
    bytes nothing = {0}, tensor = {0}, more = {0};
    put_int(&tensor, 2, 1);
    put_bytes(&tensor, 9, "\0\0\0\0", 4);
    put(&more, 5, &tensor);
    assert_fails(read_graph(&nothing, &more, err), TN_ERROR_FORMAT, "has no name");
    more.size = 0;
    put_text(&tensor, 8, "w");
    put(&more, 5, &tensor);
    assert_ok(read_graph(&nothing, &more, err));
    put(&more, 5, &tensor);
    assert_fails(read_graph(&nothing, &more, err), TN_ERROR_FORMAT,
                 "initializer 'w' occurs twice");
}

static void models_without_graph_or_opset_are_refused(void **state)
{
    (void)state;
    bytes model = {0}, graph = {0};
    put_int(&model, 1, 8);
    tn__buffer *file = buffer_of(model.at, model.size);
    assert_fails(read_and_release(file, err), TN_ERROR_FORMAT, "it has no graph");
    tn__buffer_release(file);
    put(&model, 7, &graph);
    file = buffer_of(model.at, model.size);
    assert_fails(read_and_release(file, err), TN_ERROR_FORMAT, "no operator set");
    tn__buffer_release(file);
    put(&model, 25, &graph);
    file = buffer_of(model.at, model.size);
    assert_fails(read_and_release(file, err), TN_ERROR_UNSUPPORTED, "a function");
    tn__buffer_release(file);
}

static void truncated_files_are_errors(void **state)
{
    (void)state;
    check_truncations(SMALL, read_and_release);
}

static void no_wrong_byte_does_harm(void **state)
{
    (void)state;
    check_flips(SMALL, read_and_release);
    check_flips(TYPED, read_and_release);
}

static void reading_survives_the_want_of_memory(void **state)
{
    (void)state;
    check_memory(SMALL, read_and_release);
    check_memory(TYPED, read_and_release);
}

/* --- writing --- */

static void assert_text(const char *a, const char *b)
{
    assert_int_equal(a == NULL, b == NULL);
    if (a)
        assert_string_equal(a, b);
}

static void assert_tensors(const tn__tensor *a, const tn__tensor *b)
{
    assert_int_equal(a->dtype, b->dtype);
    if (!a->dtype)
        return;
    assert_true(tn__shape_equal(&a->shape, &b->shape));
    assert_memory_equal(tn__tensor_data(a), tn__tensor_data(b), tn__tensor_bytes(a));
}

static void assert_attrs(const tn__attr *a, const tn__attr *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->kind, b->kind);
    assert_near(a->f, b->f, 0);
    assert_true(a->i == b->i);
    assert_int_equal(a->length, b->length);
    if (a->s)
        assert_memory_equal(a->s, b->s, a->length + 1);
    assert_tensors(&a->tensor, &b->tensor);
    assert_int_equal(a->count, b->count);
    if (a->floats)
        assert_memory_equal(a->floats, b->floats, a->count * sizeof *a->floats);
    if (a->ints)
        assert_memory_equal(a->ints, b->ints, a->count * sizeof *a->ints);
    for (size_t k = 0; a->strings && k < a->count; k++)
        assert_string_equal(a->strings[k], b->strings[k]);
}

static const char *name_of(const tn_model *model, size_t v)
{
    return v == TN__NONE ? "" : model->values[v].name;
}

static void assert_nodes(const tn_model *x, const tn_model *y)
{
    assert_int_equal(x->node_count, y->node_count);
    for (size_t n = 0; n < x->node_count; n++) {
        const tn__node *a = &x->nodes[n], *b = &y->nodes[n];
        assert_string_equal(a->name, b->name);
        assert_string_equal(a->type, b->type);
        assert_string_equal(a->domain, b->domain);
        assert_text(a->doc, b->doc);
        assert_int_equal(a->input_count, b->input_count);
        assert_int_equal(a->output_count, b->output_count);
        for (size_t k = 0; k < a->input_count; k++)
            assert_string_equal(name_of(x, a->inputs[k]), name_of(y, b->inputs[k]));
        for (size_t k = 0; k < a->output_count; k++)
            assert_string_equal(name_of(x, a->outputs[k]), name_of(y, b->outputs[k]));
        assert_int_equal(a->attr_count, b->attr_count);
        for (size_t k = 0; k < a->attr_count; k++)
            assert_attrs(&a->attrs[k], &b->attrs[k]);
    }
}

static void assert_values(const tn_model *x, const tn_model *y)
{
    assert_int_equal(x->value_count, y->value_count);
    for (size_t v = 0; v < x->value_count; v++) {
        const tn__value *a = &x->values[v], *b = find(y, a->name);
        assert_int_equal(a->dtype, b->dtype);
        assert_int_equal(a->shaped, b->shaped);
        assert_int_equal(a->rank, b->rank);
        for (int k = 0; k < a->rank; k++) {
            assert_true(a->dims[k] == b->dims[k]);
            assert_text(a->dim_names[k], b->dim_names[k]);
        }
        assert_tensors(&a->parameter, &b->parameter);
    }
}

static void assert_models(const tn_model *x, const tn_model *y)
{
    assert_string_equal(x->name, y->name);
    assert_text(x->doc, y->doc);
    assert_text(x->graph_doc, y->graph_doc);
    assert_text(x->domain, y->domain);
    assert_text(x->producer, y->producer);
    assert_text(x->producer_version, y->producer_version);
    assert_true(x->ir_version == y->ir_version);
    assert_true(x->model_version == y->model_version);
    assert_int_equal(x->opset_count, y->opset_count);
    for (size_t k = 0; k < x->opset_count; k++) {
        assert_string_equal(x->opsets[k].domain, y->opsets[k].domain);
        assert_true(x->opsets[k].version == y->opsets[k].version);
    }
    assert_int_equal(x->metadata_count, y->metadata_count);
    for (size_t k = 0; k < x->metadata_count; k++) {
        assert_string_equal(x->metadata[k].key, y->metadata[k].key);
        assert_string_equal(x->metadata[k].text, y->metadata[k].text);
    }
    assert_nodes(x, y);
    assert_values(x, y);
    assert_int_equal(x->input_count, y->input_count);
    for (size_t k = 0; k < x->input_count; k++)
        assert_string_equal(name_of(x, x->inputs[k]), name_of(y, y->inputs[k]));
    assert_int_equal(x->output_count, y->output_count);
    for (size_t k = 0; k < x->output_count; k++)
        assert_string_equal(name_of(x, x->outputs[k]), name_of(y, y->outputs[k]));
}

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    static const char *const paths[] = {SMALL, TYPED, TN_TEST_DATA "/external.onnx"};
    for (size_t k = 0; k < TN__COUNT(paths); k++) {
        tn_model *model = read_path(paths[k]);
        assert_ok(tn__onnx_write(model, "written.onnx", true, err));
        tn_model *again = read_path("written.onnx");
        assert_models(model, again);
        tn_model_free(model);
        tn_model_free(again);
    }
    unlink("written.onnx");
}

static void writing_twice_gives_the_same_bytes(void **state)
{
    (void)state;
    char first[TN__SHA256_HEX], second[TN__SHA256_HEX];
    tn_model *model = read_path(TYPED);
    assert_ok(tn__onnx_write(model, "same.onnx", true, err));
    assert_ok(tn__sha256_file(first, "same.onnx", err));
    tn_model *again = read_path("same.onnx");
    assert_ok(tn__onnx_write(again, "same.onnx", true, err));
    assert_ok(tn__sha256_file(second, "same.onnx", err));
    assert_string_equal(first, second);
    tn_model_free(model);
    tn_model_free(again);
    unlink("same.onnx");
}

static void an_existing_file_is_kept(void **state)
{
    (void)state;
    tn_model *model = read_path(SMALL);
    assert_ok(tn__onnx_write(model, "kept.onnx", true, err));
    assert_fails(tn__onnx_write(model, "kept.onnx", false, err), TN_ERROR_EXISTS,
                 "kept.onnx");
    tn_model_free(model);
    unlink("kept.onnx");
}

/* A layer of 4 KB and its bias, in two files where one would be too large. */
static tn_model *two_layers(void)
{
    tn_model *model = NULL;
    size_t x = 0, y = 0, w = 0, b = 0, n = 0;
    tn__tensor weight = {0}, bias = {0};
    assert_ok(tn__tensor_create(&weight, TN_F32, 2, (int64_t[]){33, 32}, err));
    assert_ok(tn__tensor_create(&bias, TN_F32, 1, (int64_t[]){33}, err));
    for (size_t i = 0; i < 33 * 32; i++)
        tn__tensor_f32(&weight)[i] = (float)i;
    assert_ok(tn__model_create(&model, "net", err));
    assert_ok(tn__model_add_input(&x, model, "x", TN_F32, 2, (int64_t[]){-1, 32}, err));
    assert_ok(tn__model_add_value(&y, model, "y", err));
    assert_ok(tn__model_add_parameter(&w, model, "w", &weight, err));
    assert_ok(tn__model_add_parameter(&b, model, "b", &bias, err));
    assert_ok(tn__model_add_node(&n, model, "Gemm", "fc", 3, (size_t[]){x, w, b}, 1, &y,
                                 err));
    assert_ok(tn__node_set_int(&model->nodes[n], "transB", 1, err));
    assert_ok(tn__model_add_output(model, y, err));
    tn__tensor_release(&weight);
    tn__tensor_release(&bias);
    return model;
}

static void what_is_too_large_has_its_weights_outside(void **state)
{
    (void)state;
    tn_model *model = two_layers();
    assert_ok(tn__onnx_write_within(model, "./large.onnx", true, 1000, err));
    tn_model *again = read_path("./large.onnx");
    const tn__tensor *w = &find(again, "w")->parameter;
    assert_int_equal(w->shape.dims[0], 33);
    for (size_t i = 0; i < 33 * 32; i++)
        assert_near(tn__tensor_get_f64(w, i), (double)i, 0);
    assert_int_equal(find(again, "b")->parameter.dtype, TN_F32);
    assert_fails(tn__onnx_write_within(model, "./large.onnx", false, 1000, err),
                 TN_ERROR_EXISTS, "large.onnx");
    tn_model_free(again);
    tn_model_free(model);
    unlink("large.onnx");
    unlink("large.onnx.data");
}

static void a_model_too_large_without_its_weights_is_refused(void **state)
{
    (void)state;
    tn_model *model = two_layers();
    assert_fails(tn__onnx_write_within(model, "large.onnx", true, 100, err),
                 TN_ERROR_UNSUPPORTED, "an ONNX file has at most 100");
    assert_int_not_equal(access("large.onnx", F_OK), 0);
    assert_int_not_equal(access("large.onnx.data", F_OK), 0);
    tn_model_free(model);
}

static void declare(tn_model *model, const char *name, int64_t width)
{
    tn__value *value = &model->values[tn__model_find_value(model, name)];
    value->dtype = TN_F32;
    value->shaped = true;
    value->rank = 2;
    value->dims[0] = -1;
    value->dims[1] = width;
}

/* What is declared of values between nodes is kept, unless it has become wrong. */
static void declarations_are_kept_while_they_are_true(void **state)
{
    (void)state;
    tn_model *model = two_layers();
    size_t h = tn__model_find_value(model, "y"), z = 0, n = 0;
    model->output_count = 0;
    assert_ok(tn__model_add_value(&z, model, "z", err));
    assert_ok(tn__model_add_node(&n, model, "Relu", "relu", 1, &h, 1, &z, err));
    assert_ok(tn__model_add_output(model, z, err));
    for (int64_t width = 33; width > 31; width--) {
        declare(model, "y", width);
        assert_ok(tn__onnx_write(model, "declared.onnx", true, err));
        tn_model *again = read_path("declared.onnx");
        assert_int_equal(find(again, "y")->shaped, width == 33);
        if (width == 33)
            assert_int_equal(find(again, "y")->dims[1], 33);
        tn_model_free(again);
    }
    tn_model_free(model);
    unlink("declared.onnx");
}

static void domain_and_documentation_are_kept(void **state)
{
    (void)state;
    tn_model *model = two_layers(), *clone = NULL;
    model->domain = tn__strdup("org.example");
    model->graph_doc = tn__strdup("what it computes");
    assert_ok(tn__model_clone(&clone, model, err));
    assert_ok(tn__onnx_write(clone, "domain.onnx", true, err));
    tn_model *again = read_path("domain.onnx");
    assert_string_equal(again->domain, "org.example");
    assert_string_equal(again->graph_doc, "what it computes");
    tn_model_free(again);
    tn_model_free(clone);
    tn_model_free(model);
    unlink("domain.onnx");
}

static void shapes_of_undeclared_outputs_are_inferred(void **state)
{
    (void)state;
    tn_model *model = NULL;
    size_t x = 0, y = 0, n = 0;
    assert_ok(tn__model_create(&model, "net", err));
    assert_ok(tn__model_add_input(&x, model, "x", TN_F32, 2, (int64_t[]){-1, 5}, err));
    assert_ok(tn__model_add_value(&y, model, "y", err));
    assert_ok(tn__model_add_node(&n, model, "Relu", "relu", 1, &x, 1, &y, err));
    assert_ok(tn__model_add_output(model, y, err));
    assert_ok(tn__onnx_write(model, "inferred.onnx", true, err));
    tn_model *again = read_path("inferred.onnx");
    const tn__value *value = find(again, "y");
    assert_int_equal(value->dtype, TN_F32);
    assert_int_equal(value->rank, 2);
    assert_int_equal(value->dims[0], -1);
    assert_string_equal(value->dim_names[0], "N");
    assert_int_equal(value->dims[1], 5);
    tn_model_free(model);
    tn_model_free(again);
    unlink("inferred.onnx");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_of_a_model_is_kept),
        cmocka_unit_test(symbolic_dims_keep_their_names),
        cmocka_unit_test(typed_fields_of_every_type_are_read),
        cmocka_unit_test(attributes_of_every_kind_are_read),
        cmocka_unit_test(operands_that_are_left_out_stay_so),
        cmocka_unit_test(initializers_among_the_inputs_are_parameters),
        cmocka_unit_test(weights_are_aligned_wherever_they_lie),
        cmocka_unit_test(external_data_is_read_from_beside_the_model),
        cmocka_unit_test(aligned_raw_data_is_a_view_of_the_file),
        cmocka_unit_test(lying_tensors_are_refused),
        cmocka_unit_test(external_data_may_not_leave_the_folder),
        cmocka_unit_test(external_data_is_checked_against_its_file),
        cmocka_unit_test(what_is_not_supported_is_named),
        cmocka_unit_test(malformed_nodes_are_refused),
        cmocka_unit_test(duplicate_initializers_are_refused),
        cmocka_unit_test(models_without_graph_or_opset_are_refused),
        cmocka_unit_test(truncated_files_are_errors),
        cmocka_unit_test(no_wrong_byte_does_harm),
        cmocka_unit_test(reading_survives_the_want_of_memory),
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(writing_twice_gives_the_same_bytes),
        cmocka_unit_test(an_existing_file_is_kept),
        cmocka_unit_test(what_is_too_large_has_its_weights_outside),
        cmocka_unit_test(a_model_too_large_without_its_weights_is_refused),
        cmocka_unit_test(declarations_are_kept_while_they_are_true),
        cmocka_unit_test(domain_and_documentation_are_kept),
        cmocka_unit_test(shapes_of_undeclared_outputs_are_inferred),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
