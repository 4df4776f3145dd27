/* test_torch.c - src/format/torch*.c: both formats of PyTorch, from fixtures that
 * data/make_fixtures.py wrote, and from public models. */
#include "test.h"

#include "format/checkpoint.h"
#include "format/mutate.h"
#include "format/torch.h"

#define SHARED TN_TEST_SHARED "/models/"

static tn_status read_and_release(tn__buffer *file, tn_error *err)
{
    tn__checkpoint checkpoint = {0};
    tn_status status = tn__torch_read(&checkpoint, file, "mutant", err);
    tn__checkpoint_release(&checkpoint);
    return status;
}

static tn__checkpoint read_path(const char *path)
{
    tn__buffer *file = map(path);
    tn__checkpoint c = {0};
    assert_true(tn__torch_is(file));
    assert_ok(tn__torch_read(&c, file, path, err));
    tn__buffer_release(file);
    return c;
}

static const tn__tensor *find(const tn__checkpoint *c, const char *name)
{
    for (size_t k = 0; k < c->count; k++)
        if (strcmp(c->tensors[k].name, name) == 0)
            return &c->tensors[k].tensor;
    fail_msg("no tensor '%s'", name);
    return NULL;
}

static void assert_shape(const tn__tensor *tensor, int rank, int64_t a, int64_t b)
{
    assert_int_equal(tensor->shape.rank, rank);
    if (rank > 0)
        assert_int_equal(tensor->shape.dims[0], a);
    if (rank > 1)
        assert_int_equal(tensor->shape.dims[1], b);
}

/* Element i, as the fixtures have it. */
static double ramp(size_t i)
{
    return (double)i / 2 - 1;
}

static void check_fixture(const char *path)
{
    static const struct {
        const char *name;
        tn_dtype dtype;
    } types[] = {
        {"types.float32", TN_F32}, {"types.float64", TN_F64},
        {"types.float16", TN_F16}, {"types.bfloat16", TN_BF16},
        {"types.int64", TN_I64},   {"types.int32", TN_I32},
        {"types.int16", TN_I16},   {"types.int8", TN_I8},
        {"types.bool", TN_BOOL},   {"types.uint8", TN_U8},
        {"scalar", TN_F32},        {"empty", TN_F32},
        {"transposed", TN_F32},    {"rows", TN_F32},
        {"column", TN_F32},        {"expanded", TN_F32},
        {"parameter", TN_F32},     {"tied", TN_F32},
    };
    tn__checkpoint c = read_path(path);
    assert_int_equal(c.count, sizeof types / sizeof *types);
    for (size_t k = 0; k < c.count; k++) {
        assert_string_equal(c.tensors[k].name, types[k].name);
        assert_int_equal(c.tensors[k].tensor.dtype, types[k].dtype);
    }
    for (size_t k = 0; k < 4; k++)
        for (size_t i = 0; i < 6; i++)
            assert_near(tn__tensor_get_f64(&c.tensors[k].tensor, i), ramp(i), 0);
    for (size_t k = 4; k < 8; k++)
        for (size_t i = 0; i < 6; i++)
            assert_int_equal(tn__tensor_get_i64(&c.tensors[k].tensor, i), (int)ramp(i));
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(tn__tensor_get_i64(find(&c, "types.uint8"), i), i);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(tn__tensor_get_i64(find(&c, "types.bool"), i), i != 2);
    assert_shape(find(&c, "scalar"), 0, 0, 0);
    assert_near(tn__tensor_get_f64(find(&c, "scalar"), 0), -1, 0);
    assert_shape(find(&c, "empty"), 2, 0, 4);
    tn__checkpoint_release(&c);
}

static void every_type_is_read_from_zip(void **state)
{
    (void)state;
    check_fixture(TN_TEST_DATA "/torch_zip.pt");
}

static void every_type_is_read_from_legacy(void **state)
{
    (void)state;
    check_fixture(TN_TEST_DATA "/torch_legacy.pt");
}

static void check_strides(const char *path)
{
    tn__checkpoint c = read_path(path);
    const tn__tensor *transposed = find(&c, "transposed"), *rows = find(&c, "rows");
    const tn__tensor *column = find(&c, "column"), *expanded = find(&c, "expanded");
    assert_shape(transposed, 2, 4, 3);
    for (size_t i = 0; i < 12; i++)
        assert_near(tn__tensor_get_f64(transposed, i), ramp(i % 3 * 4 + i / 3), 0);
    assert_shape(rows, 2, 2, 5);
    for (size_t i = 0; i < 10; i++)
        assert_near(tn__tensor_get_f64(rows, i), ramp(5 + i), 0);
    assert_shape(column, 1, 4, 0);
    for (size_t i = 0; i < 4; i++)
        assert_near(tn__tensor_get_f64(column, i), ramp(5 * i + 2), 0);
    assert_shape(expanded, 2, 2, 3);
    for (size_t i = 0; i < 6; i++)
        assert_near(tn__tensor_get_f64(expanded, i), ramp(i % 3), 0);
    tn__checkpoint_release(&c);
}

static void strided_tensors_become_row_major(void **state)
{
    (void)state;
    check_strides(TN_TEST_DATA "/torch_zip.pt");
    check_strides(TN_TEST_DATA "/torch_legacy.pt");
}

static void tied_tensors_share_their_bytes(void **state)
{
    (void)state;
    tn__checkpoint c = read_path(TN_TEST_DATA "/torch_zip.pt");
    assert_ptr_equal(tn__tensor_data(find(&c, "tied")),
                     tn__tensor_data(find(&c, "types.float32")));
    tn__checkpoint_release(&c);
}

/* As Module.state_dict() names them: no scratch buffer, no absent bias. */
static void check_module(const char *path)
{
    static const char *const names[] = {"scale", "first.weight", "first.mean",
                                        "second.weight", "second.mean"};
    tn__checkpoint c = read_path(path);
    assert_int_equal(c.count, 5);
    for (size_t k = 0; k < c.count; k++)
        assert_string_equal(c.tensors[k].name, names[k]);
    for (size_t i = 0; i < 4; i++)
        assert_near(tn__tensor_get_f64(find(&c, "second.weight"), i), ramp(i), 0);
    tn__checkpoint_release(&c);
}

static void pickled_modules_give_the_names_of_their_state_dict(void **state)
{
    (void)state;
    check_module(TN_TEST_DATA "/module_zip.pt");
    check_module(TN_TEST_DATA "/module_legacy.pt");
}

static void protocol_4_is_read(void **state)
{
    (void)state;
    tn__checkpoint c = read_path(TN_TEST_DATA "/protocol4_zip.pt");
    assert_int_equal(c.count, 1);
    assert_string_equal(c.tensors[0].name, "fc.weight");
    tn__checkpoint_release(&c);
}

/* --- public models: values as torch.load() shows them ----------------------------- */

static void public_resnets_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        size_t count;
        double first, last; /* conv1.weight[0], linear.bias[9] */
    } nets[] = {{SHARED "resnet20-12fca82f.th", 97, -0.138181463, -0.27025941},
                {SHARED "resnet32-d509ac18.th", 157, 0.403553963, -0.0862727985},
                {SHARED "resnet56-4bfd9763.th", 277, -0.216048762, -0.272111863}};
    for (size_t k = 0; k < 3; k++) {
        require_file(nets[k].file);
        tn__checkpoint c = read_path(nets[k].file);
        assert_int_equal(c.count, nets[k].count);
        assert_string_equal(c.tensors[0].name, "module.conv1.weight");
        assert_shape(&c.tensors[0].tensor, 4, 16, 3);
        assert_near(tn__tensor_get_f64(&c.tensors[0].tensor, 0), nets[k].first, 1e-7);
        const tn__tensor *bias = find(&c, "module.linear.bias");
        assert_shape(bias, 1, 10, 0);
        assert_near(tn__tensor_get_f64(bias, 9), nets[k].last, 1e-7);
        tn__checkpoint_release(&c);
    }
}

static void public_mlps_are_read(void **state)
{
    (void)state;
    require_file(SHARED "mnist-mlp-noniid-0.pt");
    require_file(SHARED "mnist-mlp-0.pth");
    tn__checkpoint c = read_path(SHARED "mnist-mlp-noniid-0.pt");
    assert_int_equal(c.count, 4);
    assert_string_equal(c.tensors[0].name, "level1.1.weight");
    assert_shape(&c.tensors[0].tensor, 2, 256, 784);
    assert_near(tn__tensor_get_f64(&c.tensors[0].tensor, 1000), 0.0160991997, 1e-7);
    tn__checkpoint_release(&c);
    c = read_path(SHARED "mnist-mlp-0.pth");
    assert_int_equal(c.count, 4);
    assert_string_equal(c.tensors[3].name, "fc4.weight");
    assert_shape(&c.tensors[3].tensor, 2, 10, 100);
    assert_near(tn__tensor_get_f64(&c.tensors[3].tensor, 999), 0.0687791705, 1e-7);
    tn__checkpoint_release(&c);
}

static void a_public_half_precision_vgg_is_read(void **state)
{
    (void)state;
    require_file(SHARED "cifar10-jpeg-vgg11-0.pth");
    tn__checkpoint c = read_path(SHARED "cifar10-jpeg-vgg11-0.pth");
    assert_int_equal(c.count, 9);
    assert_string_equal(c.tensors[8].name, "classifier.weight");
    assert_int_equal(c.tensors[8].tensor.dtype, TN_F16);
    assert_near(tn__tensor_get_f64(&c.tensors[8].tensor, 77), -0.00294303894, 1e-7);
    tn__checkpoint_release(&c);
}

/* --- what is refused --- */

/* Reads `path` with every `old` replaced by `new` of the same length. */
static tn_status read_edited(const char *path, const char *old, const char *new,
                             size_t length, tn_error *err)
{
    tn__buffer *file = map(path);
    size_t size = tn__buffer_size(file);
    tn__buffer *edited = buffer_of(tn__buffer_bytes(file), size);
    uint8_t *start = tn__buffer_writable(edited),
            *at = memmem(start, size, old, length);
    assert_non_null(at);
    for (; at; at = memmem(at, size - (size_t)(at - start), old, length))
        memcpy(at, new, length);
    tn_status status = read_and_release(edited, err);
    tn__buffer_release(edited);
    tn__buffer_release(file);
    return status;
}

#define EDITED(old, new)                                                               \
    read_edited(TN_TEST_DATA "/small_legacy.pt", (old), (new), sizeof(old) - 1, err)

static void lying_files_are_refused(void **state)
{
    (void)state;
    assert_fails(EDITED("little_endianq\2\x88", "little_endianq\2\x89"),
                 TN_ERROR_UNSUPPORTED, "byte order");
    assert_fails(EDITED("M\351\3", "M\352\3"), TN_ERROR_UNSUPPORTED,
                 "protocol version is not 1001");
    assert_fails(EDITED("FloatStorage", "QuietStorage"), TN_ERROR_UNSUPPORTED,
                 "unknown element type");
    assert_fails(EDITED("fc.bias", "fc\0bias"), TN_ERROR_FORMAT, "holds a zero");
    /* sizes [2, 2] of the weight */
    assert_fails(EDITED("K\2K\2\x86", "K\2K\3\x86"), TN_ERROR_FORMAT, "reaches beyond");
    assert_fails(EDITED("storage", "staring"), TN_ERROR_FORMAT,
                 "names one that is not in the pickle");
    assert_fails(
        read_edited(TN_TEST_DATA "/small_zip.pt", "data.pkl", "data.txt", 8, err),
        TN_ERROR_FORMAT, "cannot read 'mutant'");
}

static void damaged_weights_in_zip_are_noticed(void **state)
{
    (void)state;
    static const char ramp_bytes[] = "\0\0\x80\xbf\0\0\0\xbf"; /* -1, -1/2 */
    static const char wrong_bytes[] = "\0\0\x80\xbf\0\0\0\x3f";
    assert_fails(
        read_edited(TN_TEST_DATA "/small_zip.pt", ramp_bytes, wrong_bytes, 8, err),
        TN_ERROR_FORMAT, "CRC");
}

static void truncated_files_are_errors(void **state)
{
    (void)state;
    check_truncations(TN_TEST_DATA "/small_zip.pt", read_and_release);
    check_truncations(TN_TEST_DATA "/small_legacy.pt", read_and_release);
    check_truncations(TN_TEST_DATA "/module_legacy.pt", read_and_release);
}

static void no_wrong_byte_does_harm(void **state)
{
    (void)state;
    check_flips(TN_TEST_DATA "/small_zip.pt", read_and_release);
    check_flips(TN_TEST_DATA "/torch_legacy.pt", read_and_release);
    check_flips(TN_TEST_DATA "/module_legacy.pt", read_and_release);
}

static void reading_survives_the_want_of_memory(void **state)
{
    (void)state;
    check_memory(TN_TEST_DATA "/module_zip.pt", read_and_release);
    check_memory(TN_TEST_DATA "/torch_legacy.pt", read_and_release);
}

/* --- the walk, on pickles of our own in the frame of a legacy file --- */

static tn_status read_pickle(const char *pickle, size_t size, tn_error *err)
{
    static const char head[] = "\x80\2\x8a\12l\374\234F\371 j\250P\031."
                               "\x80\2M\351\3."
                               "\x80\2}U\15little_endian\x88s.";
    static const char tail[] = "\x80\2].";
    char *bytes = malloc(sizeof head + size + sizeof tail), *at = bytes;
    assert_non_null(bytes);
    memcpy(at, head, sizeof head - 1);
    at += sizeof head - 1;
    memcpy(at, pickle, size);
    at += size;
    memcpy(at, tail, sizeof tail - 1);
    at += sizeof tail - 1;
    tn__buffer *file = buffer_of(bytes, (size_t)(at - bytes));
    tn_status status = read_and_release(file, err);
    tn__buffer_release(file);
    free(bytes);
    return status;
}

#define READ(pickle) read_pickle((pickle), sizeof(pickle) - 1, err)

static void a_file_without_tensors_is_refused(void **state)
{
    (void)state;
    assert_fails(READ("}."), TN_ERROR_FORMAT, "holds no tensors");
    assert_fails(READ("K\1."), TN_ERROR_FORMAT, "holds no tensors");
}

static void cycles_and_shared_parts_are_bounded(void **state)
{
    (void)state;
    char bomb[256] = "(K\1K\1t", *at = bomb + 6;
    assert_fails(READ("}q\0U\1ah\0s."), TN_ERROR_UNSUPPORTED, "nested deeper");
    for (int k = 0; k < 40; k++, at += 2) /* x = (x, x): 2^40 leaves */
        memcpy(at, "2\x86", 2);
    memcpy(at, ".", 2);
    assert_fails(read_pickle(bomb, (size_t)(at + 1 - bomb), err), TN_ERROR_UNSUPPORTED,
                 "items to look for tensors");
}

static void storages_that_are_not_there_are_refused(void **state)
{
    (void)state;
#define TENSOR(offset, size, stride)                                                   \
    "}U\1wctorch._utils\n_rebuild_tensor_v2\n(("                                       \
    "U\7storagectorch\nFloatStorage\nU\1"                                              \
    "0U\3cpuK\4tQ" offset size stride "\x89}tRs."
    assert_fails(READ(TENSOR("K\0", "K\4\x85", "K\1\x85")), TN_ERROR_FORMAT,
                 "storage '0' is not in the file");
    assert_fails(READ(TENSOR("J\377\377\377\377", "K\4\x85", "K\1\x85")),
                 TN_ERROR_FORMAT, "(storage, offset, size, stride)");
    assert_fails(READ(TENSOR("K\0", "K\4\x85", "K\1K\1\x86")), TN_ERROR_FORMAT,
                 "(storage, offset, size, stride)");
    assert_fails(READ("}U\1wctorch._utils\n_rebuild_tensor_v2\n)Rs."), TN_ERROR_FORMAT,
                 "(storage, offset, size, stride)");
    assert_fails(READ("}U\1w(U\7storageK\1tQs."), TN_ERROR_FORMAT, "a storage's id");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_read_from_zip),
        cmocka_unit_test(every_type_is_read_from_legacy),
        cmocka_unit_test(strided_tensors_become_row_major),
        cmocka_unit_test(tied_tensors_share_their_bytes),
        cmocka_unit_test(pickled_modules_give_the_names_of_their_state_dict),
        cmocka_unit_test(protocol_4_is_read),
        cmocka_unit_test(public_resnets_are_read),
        cmocka_unit_test(public_mlps_are_read),
        cmocka_unit_test(a_public_half_precision_vgg_is_read),
        cmocka_unit_test(lying_files_are_refused),
        cmocka_unit_test(damaged_weights_in_zip_are_noticed),
        cmocka_unit_test(truncated_files_are_errors),
        cmocka_unit_test(no_wrong_byte_does_harm),
        cmocka_unit_test(reading_survives_the_want_of_memory),
        cmocka_unit_test(a_file_without_tensors_is_refused),
        cmocka_unit_test(cycles_and_shared_parts_are_bounded),
        cmocka_unit_test(storages_that_are_not_there_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
