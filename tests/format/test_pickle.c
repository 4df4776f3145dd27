/* test_pickle.c - src/format/pickle.c: streams written by hand, as Python writes them.
 */
#include "test.h"

#include "format/pickle.h"

/* Reads the `size` bytes of a stream; *out is to be released. */
static tn_status read_bytes(tn__pickle *out, const char *bytes, size_t size,
                            tn_error *err)
{
    tn__reader r;
    tn__reader_init(&r, "stream", bytes, size);
    return tn__pickle_read(out, &r, err);
}

#define READ(out, stream) read_bytes((out), (stream), sizeof(stream) - 1, err)

#define assert_refused(stream, status, text)                                           \
    do {                                                                               \
        tn__pickle p_ = {0};                                                           \
        assert_fails(READ(&p_, stream), status, text);                                 \
        assert_null(p_.root);                                                          \
    } while (0)

static void assert_integer(const char *stream, size_t size, int64_t expected)
{
    tn__pickle p = {0};
    assert_ok(read_bytes(&p, stream, size, err));
    assert_int_equal(p.root->kind, TN__PICKLE_INT);
    assert_true(p.root->integer == expected);
    tn__pickle_release(&p);
}

#define INTEGER(stream, expected)                                                      \
    assert_integer((stream), sizeof(stream) - 1, (expected))

static void integers_of_every_opcode_are_read(void **state)
{
    (void)state;
    INTEGER("K\377.", 255);
    INTEGER("M\1\2.", 513);
    INTEGER("J\376\377\377\377.", -2);
    INTEGER("I-17\n.", -17);
    INTEGER("L9223372036854775807L\n.", INT64_MAX);
    INTEGER("L-9223372036854775808L\n.", INT64_MIN);
    INTEGER("\x8a\0.", 0);
    INTEGER("\x8a\1\377.", -1);
    INTEGER("\x8a\2\377\0.", 255);
    INTEGER("\x8a\10\0\0\0\0\0\0\0\x80.", INT64_MIN);
    INTEGER("\x8b\1\0\0\0\5.", 5);
}

static void integers_beyond_64_bits_keep_their_bytes(void **state)
{
    (void)state;
    tn__pickle p = {0};
    assert_ok(READ(&p, "\x80\2\x8a\12l\374\234F\371 j\250P\031."));
    assert_int_equal(p.root->kind, TN__PICKLE_NUMBER);
    assert_int_equal(p.root->text.length, 10);
    assert_memory_equal(p.root->text.bytes, "l\374\234F\371 j\250P\031", 10);
    tn__pickle_release(&p);
    assert_ok(READ(&p, "L99999999999999999999L\n."));
    assert_int_equal(p.root->kind, TN__PICKLE_NUMBER);
    tn__pickle_release(&p);
}

static void booleans_are_read_in_both_spellings(void **state)
{
    (void)state;
    tn__pickle p = {0};
    assert_ok(READ(&p, "(\x88I01\n\x89I00\nNl."));
    assert_int_equal(p.root->items.count, 5);
    for (size_t k = 0; k < 4; k++) {
        assert_int_equal(p.root->items.at[k]->kind, TN__PICKLE_BOOL);
        assert_int_equal(p.root->items.at[k]->integer, k < 2);
    }
    assert_int_equal(p.root->items.at[4]->kind, TN__PICKLE_NONE);
    tn__pickle_release(&p);
}

static void texts_of_every_opcode_are_read(void **state)
{
    (void)state;
    tn__pickle p = {0};
    assert_ok(READ(&p, "(S'ab'\nVab\nX\2\0\0\0abU\2abT\2\0\0\0ab\x8c\2ab"
                       "\x8d\2\0\0\0\0\0\0\0ab\x8e\2\0\0\0\0\0\0\0ab"
                       "\x96\2\0\0\0\0\0\0\0abB\2\0\0\0abC\2abl."));
    assert_int_equal(p.root->items.count, 11);
    for (size_t k = 0; k < p.root->items.count; k++)
        assert_true(tn__pickle_text_is(p.root->items.at[k], "ab"));
    tn__pickle_release(&p);
}

/* pickle.dumps({"a": [1, (2, 3)], "b": {}}, protocol=k) of Python 3.11 */
static void protocols_2_and_4_say_the_same(void **state)
{
    (void)state;
    static const char two[] =
        "\x80\2}q\0(X\1\0\0\0aq\1]q\2(K\1K\2K\3\x86q\3eX\1\0\0\0bq\4}q\5u.";
    static const char four[] =
        "\x80\4\x95\x1c\0\0\0\0\0\0\0}\x94(\x8c\1a\x94]\x94(K\1K\2"
        "K\3\x86\x94\x65\x8c\1b\x94}\x94u.";
    for (int protocol = 2; protocol <= 4; protocol += 2) {
        tn__pickle p = {0};
        assert_ok(protocol == 2 ? READ(&p, two) : READ(&p, four));
        const tn__pickle_value *a = tn__pickle_get(p.root, "a");
        const tn__pickle_value *b = tn__pickle_get(p.root, "b");
        assert_non_null(a);
        assert_int_equal(a->items.count, 2);
        assert_int_equal(a->items.at[1]->items.at[1]->integer, 3);
        assert_int_equal(b->kind, TN__PICKLE_DICT);
        assert_int_equal(b->items.count, 0);
        assert_null(tn__pickle_get(p.root, "c"));
        tn__pickle_release(&p);
    }
}

static void ordered_dicts_and_sets_become_plain_containers(void **state)
{
    (void)state;
    tn__pickle p = {0};
    assert_ok(READ(&p, "ccollections\nOrderedDict\n)R(U\1aK\1u}b."));
    assert_int_equal(p.root->kind, TN__PICKLE_DICT);
    assert_int_equal(tn__pickle_get(p.root, "a")->integer, 1);
    tn__pickle_release(&p);
    /* Python 2: a list of pairs */
    assert_ok(READ(&p, "ccollections\nOrderedDict\n](](U\1aK\1e](U\1bK\2ee\x85R."));
    assert_int_equal(tn__pickle_get(p.root, "b")->integer, 2);
    tn__pickle_release(&p);
    assert_ok(READ(&p, "c__builtin__\nset\n](K\1K\2e\x85R."));
    assert_int_equal(p.root->kind, TN__PICKLE_LIST);
    assert_int_equal(p.root->items.count, 2);
    tn__pickle_release(&p);
    assert_ok(READ(&p, "\x8f(K\1K\2\x90."));
    assert_int_equal(p.root->items.count, 2);
    tn__pickle_release(&p);
}

static void the_last_of_equal_keys_counts(void **state)
{
    (void)state;
    tn__pickle p = {0};
    assert_ok(READ(&p, "}(U\1aK\1U\1aK\2u."));
    assert_int_equal(tn__pickle_get(p.root, "a")->integer, 2);
    tn__pickle_release(&p);
}

static void nothing_is_ever_called(void **state)
{
    (void)state;
    tn__pickle p = {0};
    assert_ok(READ(&p, "cos\nsystem\n(U\4truetR."));
    assert_int_equal(p.root->kind, TN__PICKLE_OBJECT);
    assert_true(tn__pickle_class_is(p.root->object.callee, "os", "system"));
    assert_int_equal(p.root->object.args->items.count, 1);
    tn__pickle_release(&p);
}

static void unknown_classes_keep_their_state(void **state)
{
    (void)state;
    static const char *const streams[] = {
        "cm\nC\n)\x81}(U\1aK\1ub.",     /* NEWOBJ */
        "(im\nC\n}(U\1aK\1ub.",         /* INST */
        "(cm\nC\no}(U\1aK\1ub.",        /* OBJ */
        "cm\nC\n)}\x92}(U\1aK\1ub.",    /* NEWOBJ_EX */
        "U\1mU\1C\x93)\x81}(U\1aK\1ub." /* STACK_GLOBAL */
    };
    for (size_t k = 0; k < sizeof streams / sizeof *streams; k++) {
        tn__pickle p = {0};
        assert_ok(read_bytes(&p, streams[k], strlen(streams[k]), err));
        assert_int_equal(p.root->kind, TN__PICKLE_OBJECT);
        assert_true(tn__pickle_class_is(p.root->object.callee, "m", "C"));
        assert_int_equal(tn__pickle_get(p.root->object.state, "a")->integer, 1);
        tn__pickle_release(&p);
    }
}

static void persistent_ids_are_listed(void **state)
{
    (void)state;
    tn__pickle p = {0};
    assert_ok(READ(&p, "(U\1aQPb\nt."));
    assert_int_equal(p.persistent_count, 2);
    assert_true(tn__pickle_text_is(p.persistent[0]->id, "a"));
    assert_true(tn__pickle_text_is(p.persistent[1]->id, "b"));
    tn__pickle_release(&p);
}

static void the_memo_gives_the_same_value_again(void **state)
{
    (void)state;
    tn__pickle p = {0};
    assert_ok(READ(&p, "(]q\0h\0]p1\ng1\nt."));
    assert_ptr_equal(p.root->items.at[0], p.root->items.at[1]);
    assert_ptr_equal(p.root->items.at[2], p.root->items.at[3]);
    tn__pickle_release(&p);
}

static void values_may_hold_themselves(void **state)
{
    (void)state;
    tn__pickle p = {0};
    assert_ok(READ(&p, "]q\0h\0a."));
    assert_ptr_equal(p.root->items.at[0], p.root);
    tn__pickle_release(&p);
}

static void the_reader_is_left_behind_the_stop(void **state)
{
    (void)state;
    tn__reader r;
    tn__pickle p = {0};
    tn__reader_init(&r, "stream", "K\1.rest", 7);
    assert_ok(tn__pickle_read(&p, &r, err));
    assert_int_equal(r.at, 3);
    tn__pickle_release(&p);
}

static void malformed_streams_are_refused(void **state)
{
    (void)state;
    assert_refused("", TN_ERROR_FORMAT, "pickle opcode at byte 0");
    assert_refused(".", TN_ERROR_FORMAT, "stack empty");
    assert_refused("K", TN_ERROR_FORMAT, "needs 1 bytes");
    assert_refused("\x07.", TN_ERROR_FORMAT, "0x07 at byte 0 is not known");
    assert_refused("X\377\377\377\377a.", TN_ERROR_FORMAT, "beyond the end");
    assert_refused("\x8d\377\377\377\377\377\377\377\377a.", TN_ERROR_FORMAT,
                   "beyond the end");
    assert_refused("cmodule", TN_ERROR_FORMAT, "line that does not end");
    assert_refused("S'a\n.", TN_ERROR_FORMAT, "without quotes");
    assert_refused("t.", TN_ERROR_FORMAT, "no mark");
    assert_refused("K\1(R.", TN_ERROR_FORMAT, "stack empty"); /* not past a mark */
    assert_refused("K\1\x86.", TN_ERROR_FORMAT, "stack empty");
    assert_refused("}(K\1u.", TN_ERROR_FORMAT, "key without value");
    assert_refused("(K\1d.", TN_ERROR_FORMAT, "key without value");
    assert_refused("K\1K\2a.", TN_ERROR_FORMAT, "no list");
    assert_refused("K\1K\2K\3s.", TN_ERROR_FORMAT, "no dict");
    assert_refused("K\1}b.", TN_ERROR_FORMAT, "no object");
    assert_refused("cm\nC\nK\1R.", TN_ERROR_FORMAT, "no tuple");
    assert_refused("K\1K\1\x93.", TN_ERROR_FORMAT, "no text");
    assert_refused("h\0.", TN_ERROR_FORMAT, "never put");
    assert_refused("gx\n.", TN_ERROR_FORMAT, "no number");
    assert_refused("K\1r\0\0\1\0.", TN_ERROR_FORMAT, "index beyond the limit");
    assert_refused("ccollections\nOrderedDict\n](K\1e\x85R.", TN_ERROR_FORMAT,
                   "no pair");
    assert_refused("(o.", TN_ERROR_FORMAT, "no class");
    assert_refused("\x80\6.", TN_ERROR_UNSUPPORTED, "protocol above 5");
    assert_refused("\x82\1.", TN_ERROR_UNSUPPORTED, "not supported");
    assert_refused("\x97.", TN_ERROR_UNSUPPORTED, "not supported");
}

/* A value, then `unit` over and over: the limits end it before memory does. */
static void check_endless(const char *unit)
{
    size_t length = strlen(unit), size = 1 + length * (TN__PICKLE_VALUES_MAX + 16);
    char *bytes = malloc(size);
    tn__pickle p = {0};
    assert_non_null(bytes);
    bytes[0] = 'N';
    for (size_t k = 1; k < size; k += length)
        memcpy(bytes + k, unit, length);
    assert_fails(read_bytes(&p, bytes, size, err), TN_ERROR_UNSUPPORTED, "limit");
    free(bytes);
}

static void endless_streams_are_refused(void **state)
{
    (void)state;
    check_endless("(");  /* marks */
    check_endless("2");  /* DUP: the stack */
    check_endless("N0"); /* values made and dropped */
}

/* One list of pairs made into a dict again and again: quadratic, but for the limit. */
static void copies_of_one_list_are_bounded(void **state)
{
    (void)state;
    enum { PAIRS = 8192, COPIES = 2048 };
    static const char head[] = "ccollections\nOrderedDict\nq\1](";
    char *bytes = malloc(sizeof head + PAIRS * 3 + COPIES * 6 + 8), *at = bytes;
    tn__pickle p = {0};
    assert_non_null(bytes);
    memcpy(at, head, sizeof head - 1);
    at += sizeof head - 1;
    for (size_t k = 0; k < PAIRS; k++, at += 3)
        memcpy(at, "NN\x86", 3);
    memcpy(at, "e\x85q\2", 4);
    at += 4;
    for (size_t k = 0; k < COPIES; k++, at += 6)
        memcpy(at, "h\1h\2R0", 6);
    assert_fails(read_bytes(&p, bytes, (size_t)(at - bytes), err), TN_ERROR_UNSUPPORTED,
                 "containers beyond the limit");
    free(bytes);
}

static void every_prefix_of_a_stream_is_an_error(void **state)
{
    (void)state;
    static const char stream[] =
        "\x80\2}q\0(X\1\0\0\0aq\1ccollections\nOrderedDict\nq\2)Rq\3(X\1\0\0\0bq\4]q\5"
        "(K\1M\1\1J\1\1\1\1G@\1\0\0\0\0\0\0euX\1\0\0\0cq\6cm\nC\nq\7)\x81q\10}bu.";
    for (size_t size = 0; size < sizeof stream - 1; size++) {
        tn__pickle p = {0};
        char *cut = malloc(size ? size : 1);
        assert_non_null(cut);
        memcpy(cut, stream, size);
        assert_fails(read_bytes(&p, cut, size, err), TN_ERROR_FORMAT, "stream");
        free(cut);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_of_every_opcode_are_read),
        cmocka_unit_test(integers_beyond_64_bits_keep_their_bytes),
        cmocka_unit_test(booleans_are_read_in_both_spellings),
        cmocka_unit_test(texts_of_every_opcode_are_read),
        cmocka_unit_test(protocols_2_and_4_say_the_same),
        cmocka_unit_test(ordered_dicts_and_sets_become_plain_containers),
        cmocka_unit_test(the_last_of_equal_keys_counts),
        cmocka_unit_test(nothing_is_ever_called),
        cmocka_unit_test(unknown_classes_keep_their_state),
        cmocka_unit_test(persistent_ids_are_listed),
        cmocka_unit_test(the_memo_gives_the_same_value_again),
        cmocka_unit_test(values_may_hold_themselves),
        cmocka_unit_test(the_reader_is_left_behind_the_stop),
        cmocka_unit_test(malformed_streams_are_refused),
        cmocka_unit_test(endless_streams_are_refused),
        cmocka_unit_test(copies_of_one_list_are_bounded),
        cmocka_unit_test(every_prefix_of_a_stream_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
