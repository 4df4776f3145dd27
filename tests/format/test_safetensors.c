/* test_safetensors.c - src/format/safetensors.c and checkpoint.c. */
#include "test.h"

#include "format/checkpoint.h"
#include "format/mutate.h"

#define SMALL TN_TEST_DATA "/small.safetensors"

static tn_status read_and_release(tn__buffer *file, tn_error *err)
{
    tn__checkpoint checkpoint = {0};
    tn_status status = tn__safetensors_read(&checkpoint, file, "mutant", err);
    tn__checkpoint_release(&checkpoint);
    return status;
}

/* Reads a file of this header and `data` bytes of data. */
static tn_status read_header(const char *header, size_t data, tn_error *err)
{
    size_t length = strlen(header);
    uint8_t *bytes = calloc(8 + length + data, 1);
    assert_non_null(bytes);
    for (int k = 0; k < 8; k++)
        bytes[k] = (uint8_t)((uint64_t)length >> 8 * k);
    memcpy(bytes + 8, header, length);
    tn__buffer *file = buffer_of(bytes, 8 + length + data);
    tn_status status = read_and_release(file, err);
    tn__buffer_release(file);
    free(bytes);
    return status;
}

static void tensors_and_metadata_are_read_in_file_order(void **state)
{
    (void)state;
    static const char *const names[] = {"odd", "empty", "weight", "count"};
    tn__buffer *file = map(SMALL);
    tn__checkpoint c = {0};
    assert_true(tn__safetensors_is(file));
    assert_ok(tn__safetensors_read(&c, file, SMALL, err));
    assert_int_equal(c.count, 4);
    for (size_t k = 0; k < c.count; k++)
        assert_string_equal(c.tensors[k].name, names[k]);
    const tn__tensor *weight = &c.tensors[2].tensor;
    assert_int_equal(weight->dtype, TN_F32);
    assert_int_equal(weight->shape.rank, 2);
    assert_int_equal(weight->shape.dims[1], 3);
    for (size_t i = 0; i < 6; i++)
        assert_near(tn__tensor_get_f64(weight, i), (double)i / 2 - 1, 0);
    assert_int_equal(tn__tensor_get_i64(&c.tensors[3].tensor, 0), -5);
    assert_int_equal(c.metadata_count, 2);
    assert_string_equal(c.metadata[1].key, "note");
    assert_string_equal(c.metadata[1].text, "two\nlines");
    tn__checkpoint_release(&c);
    tn__buffer_release(file);
}

static void tensors_view_the_file_where_they_are_aligned(void **state)
{
    (void)state;
    tn__buffer *file = map(SMALL);
    tn__checkpoint c = {0};
    assert_ok(tn__safetensors_read(&c, file, SMALL, err));
    assert_ptr_equal(c.tensors[0].tensor.buffer, file); /* bytes are always aligned */
    assert_ptr_not_equal(c.tensors[2].tensor.buffer, file); /* f32 at an even offset */
    for (size_t k = 0; k < c.count; k++)
        assert_int_equal((uintptr_t)tn__tensor_data(&c.tensors[k].tensor) %
                             tn__dtype_size(c.tensors[k].tensor.dtype),
                         0);
    tn__checkpoint_release(&c);
    tn__buffer_release(file);
}

static void add_parameter(tn_model *model, const char *name, tn_dtype dtype, int rank,
                          const int64_t *dims)
{
    tn__tensor tensor = {0};
    void *data = NULL;
    size_t v = 0;
    assert_ok(tn__tensor_create(&tensor, dtype, rank, dims, err));
    assert_ok(tn__tensor_write(&tensor, &data, err));
    for (size_t k = 0; k < tn__tensor_bytes(&tensor); k++)
        ((uint8_t *)data)[k] = (uint8_t)(k + strlen(name));
    assert_ok(tn__model_add_parameter(&v, model, name, &tensor, err));
    tn__tensor_release(&tensor);
}

static tn_model *make_model(void)
{
    tn_model *model = NULL;
    assert_ok(tn__model_create(&model, "net", err));
    add_parameter(model, "b.half", TN_F16, 1, (int64_t[]){3});
    add_parameter(model, "a.bytes", TN_U8, 1, (int64_t[]){5});
    add_parameter(model, "c.weight", TN_F32, 2, (int64_t[]){2, 3});
    add_parameter(model, "c.\"quoted\"", TN_F32, 0, NULL);
    add_parameter(model, "d.brain", TN_BF16, 1, (int64_t[]){1});
    add_parameter(model, "none", TN_F64, 2, (int64_t[]){0, 7});
    assert_ok(tn__model_set_metadata(model, "seed", "1\n2", err));
    assert_ok(tn__model_set_metadata(model, "author", "Zoë", err));
    return model;
}

static const tn__tensor *find(const tn__checkpoint *c, const char *name)
{
    for (size_t k = 0; k < c->count; k++)
        if (strcmp(c->tensors[k].name, name) == 0)
            return &c->tensors[k].tensor;
    fail_msg("no tensor '%s'", name);
    return NULL;
}

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    tn_model *model = make_model();
    tn__checkpoint c = {0};
    assert_ok(tn__safetensors_write(model, "written.safetensors", true, err));
    tn__buffer *file = map("written.safetensors");
    assert_ok(tn__safetensors_read(&c, file, "written.safetensors", err));
    assert_int_equal(c.count, model->value_count);
    for (size_t v = 0; v < model->value_count; v++) {
        const tn__tensor *a = &model->values[v].parameter;
        const tn__tensor *b = find(&c, model->values[v].name);
        assert_int_equal(a->dtype, b->dtype);
        assert_true(tn__shape_equal(&a->shape, &b->shape));
        assert_memory_equal(tn__tensor_data(a), tn__tensor_data(b),
                            tn__tensor_bytes(a));
        assert_ptr_equal(b->buffer, file);
    }
    assert_int_equal(c.metadata_count, 2);
    assert_string_equal(c.metadata[0].key, "author");
    assert_string_equal(c.metadata[0].text, "Zoë");
    assert_string_equal(c.metadata[1].text, "1\n2");
    tn__checkpoint_release(&c);
    tn__buffer_release(file);
    tn_model_free(model);
    unlink("written.safetensors");
}

static void shapes_and_axes_are_left_to_the_graph(void **state)
{
    (void)state;
    tn_model *model = NULL;
    tn__checkpoint c = {0};
    assert_ok(tn__model_create(&model, "net", err));
    add_parameter(model, "pads", TN_I64, 1, (int64_t[]){8});
    add_parameter(model, "weight", TN_F32, 1, (int64_t[]){2});
    assert_ok(tn__safetensors_write(model, "pads.safetensors", true, err));
    tn__buffer *file = map("pads.safetensors");
    assert_ok(tn__safetensors_read(&c, file, "pads.safetensors", err));
    assert_int_equal(c.count, 1);
    assert_string_equal(c.tensors[0].name, "weight");
    tn__checkpoint_release(&c);
    tn__buffer_release(file);
    tn_model_free(model);
    unlink("pads.safetensors");
}

static void the_same_model_gives_the_same_bytes(void **state)
{
    (void)state;
    tn_model *model = make_model();
    char first[TN__SHA256_HEX], second[TN__SHA256_HEX];
    assert_ok(tn__safetensors_write(model, "same.safetensors", true, err));
    assert_ok(tn__sha256_file(first, "same.safetensors", err));
    assert_ok(tn__safetensors_write(model, "same.safetensors", true, err));
    assert_ok(tn__sha256_file(second, "same.safetensors", err));
    assert_string_equal(first, second);
    assert_fails(tn__safetensors_write(model, "same.safetensors", false, err),
                 TN_ERROR_EXISTS, "same.safetensors");
    tn_model_free(model);
    unlink("same.safetensors");
}

#define ONE(dtype, shape, offsets)                                                     \
    "{\"w\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static void lying_headers_are_refused(void **state)
{
    (void)state;
    assert_ok(read_header(ONE("F32", "[2]", "[0,8]"), 8, err));
    assert_fails(read_header(ONE("F32", "[2]", "[0,8]"), 4, err), TN_ERROR_FORMAT,
                 "tensor 'w' lies at bytes 0 to 8 of 4");
    assert_fails(read_header(ONE("F32", "[2]", "[8,0]"), 8, err), TN_ERROR_FORMAT,
                 "lies at bytes 8 to 0");
    assert_fails(read_header(ONE("F32", "[3]", "[0,8]"), 8, err), TN_ERROR_FORMAT,
                 "f32 [3] has 8 bytes");
    assert_fails(read_header(ONE("F32", "[2]", "[4,12]"), 12, err), TN_ERROR_FORMAT,
                 "hole");
    assert_fails(read_header(ONE("F32", "[2]", "[0,8]"), 12, err), TN_ERROR_FORMAT,
                 "tensors end at byte 8 of 12");
    assert_fails(read_header(ONE("F32", "[-1]", "[0,8]"), 8, err), TN_ERROR_FORMAT,
                 "whole numbers");
    assert_fails(read_header(ONE("F32", "[1.5]", "[0,8]"), 8, err), TN_ERROR_FORMAT,
                 "whole numbers");
    assert_fails(read_header(ONE("F32", "[4294967296,4294967296]", "[0,8]"), 8, err),
                 TN_ERROR_FORMAT, "tensor 'w'");
    assert_fails(read_header(ONE("F32", "[1,1,1,1,1,1,1,1,2]", "[0,8]"), 8, err),
                 TN_ERROR_UNSUPPORTED, "more than 8 axes");
    assert_fails(read_header(ONE("F32", "[2]", "[0,8,9]"), 8, err), TN_ERROR_FORMAT,
                 "data_offsets");
    assert_fails(read_header(ONE("F8_E4M3", "[8]", "[0,8]"), 8, err),
                 TN_ERROR_UNSUPPORTED, "F8_E4M3");
    assert_fails(read_header("{\"w\":{}}", 0, err), TN_ERROR_FORMAT, "no dtype");
    assert_fails(read_header("{\"w\":1}", 0, err), TN_ERROR_FORMAT, "no dtype");
    assert_fails(read_header("[1]", 0, err), TN_ERROR_FORMAT, "no JSON object");
    assert_fails(read_header("{\"__metadata__\":{\"a\":1}}", 0, err), TN_ERROR_FORMAT,
                 "'a' is no text");
    assert_fails(
        read_header("{\"w\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                    "\"w\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
                    2, err),
        TN_ERROR_FORMAT, "'w' occurs twice");
    assert_fails(
        read_header("{\"v\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
                    "\"w\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}",
                    3, err),
        TN_ERROR_FORMAT, "overlap");
}

static void deep_json_is_refused(void **state)
{
    (void)state;
    char deep[4096];
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = 0;
    memcpy(deep, "{\"w\":", 5);
    assert_fails(read_header(deep, 0, err), TN_ERROR_FORMAT, "no JSON object");
}

static void a_header_beyond_the_limit_is_refused(void **state)
{
    (void)state;
    static const uint8_t bytes[16] = {0, 0xe2, 0xf5, 5, 1, 0, 0, 0, '{', '}'};
    tn__buffer *file = buffer_of(bytes, sizeof bytes);
    assert_false(tn__safetensors_is(file));
    assert_fails(read_and_release(file, err), TN_ERROR_FORMAT,
                 "at most 100000000 are allowed");
    tn__buffer_release(file);
}

static void names_and_texts_beyond_the_limits_are_refused(void **state)
{
    (void)state;
    static char header[1 << 17];
    size_t used = (size_t)snprintf(header, sizeof header, "{\"");
    memset(header + used, 'n', 4097);
    strcpy(header + used + 4097,
           "\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}");
    assert_fails(read_header(header, 0, err), TN_ERROR_UNSUPPORTED,
                 "a tensor's name of 4097 bytes");
    used = (size_t)snprintf(header, sizeof header, "{\"__metadata__\":{\"a\":\"\"");
    for (int k = 0; k < TN__METADATA_MAX; k++)
        used +=
            (size_t)snprintf(header + used, sizeof header - used, ",\"%d\":\"\"", k);
    (void)snprintf(header + used, sizeof header - used, "}}");
    assert_fails(read_header(header, 0, err), TN_ERROR_UNSUPPORTED,
                 "__metadata__ has more than 4096 texts");
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
}

static void reading_survives_the_want_of_memory(void **state)
{
    (void)state;
    check_memory(SMALL, read_and_release);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_and_metadata_are_read_in_file_order),
        cmocka_unit_test(tensors_view_the_file_where_they_are_aligned),
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(shapes_and_axes_are_left_to_the_graph),
        cmocka_unit_test(the_same_model_gives_the_same_bytes),
        cmocka_unit_test(lying_headers_are_refused),
        cmocka_unit_test(deep_json_is_refused),
        cmocka_unit_test(a_header_beyond_the_limit_is_refused),
        cmocka_unit_test(names_and_texts_beyond_the_limits_are_refused),
        cmocka_unit_test(truncated_files_are_errors),
        cmocka_unit_test(no_wrong_byte_does_harm),
        cmocka_unit_test(reading_survives_the_want_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
