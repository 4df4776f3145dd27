/* Bounded reading of untrusted bytes. */
#include "test.h"

#include "base/reader.h"

static void numbers_are_read_in_their_byte_order(void **state)
{
    (void)state;
    const uint8_t bytes[] = {7, 1, 2, 1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4};
    tn__reader r;
    tn__reader_init(&r, "f", bytes, sizeof bytes);
    uint8_t a;
    uint16_t b;
    uint32_t c, e;
    uint64_t d;
    assert_ok(tn__read_u8(&r, &a, "x", err));
    assert_ok(tn__read_u16le(&r, &b, "x", err));
    assert_ok(tn__read_u32le(&r, &c, "x", err));
    assert_ok(tn__read_u64le(&r, &d, "x", err));
    assert_ok(tn__read_u32be(&r, &e, "x", err));
    assert_int_equal(a, 7);
    assert_int_equal(b, 0x0201);
    assert_int_equal(c, 0x04030201);
    assert_true(d == 0x0807060504030201);
    assert_int_equal(e, 0x01020304);
    assert_int_equal(tn__reader_left(&r), 0);
}

static void a_double_is_read(void **state)
{
    (void)state;
    const uint8_t bytes[] = {0x3f, 0xf8, 0, 0, 0, 0, 0, 0};
    tn__reader r;
    double value;
    tn__reader_init(&r, "f", bytes, sizeof bytes);
    assert_ok(tn__read_f64be(&r, &value, "x", err));
    assert_near(value, 1.5, 0);
}

static void reading_past_the_end_says_where(void **state)
{
    (void)state;
    const uint8_t bytes[3] = {0};
    tn__reader r;
    uint32_t value = 5;
    tn__reader_init(&r, "a.bin", bytes, sizeof bytes);
    assert_fails(tn__read_u32le(&r, &value, "header", err), TN_ERROR_FORMAT,
                 "cannot read 'a.bin': header at byte 0 needs 4 bytes, 3 are left");
    assert_int_equal(value, 5);
    const uint8_t *borrowed;
    assert_fails(tn__read_bytes(&r, &borrowed, SIZE_MAX, "body", err), TN_ERROR_FORMAT,
                 "body");
}

static void varints_have_at_most_64_bits(void **state)
{
    (void)state;
    const uint8_t good[] = {0x96, 0x01};
    const uint8_t most[] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 1};
    const uint8_t bad[] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 2};
    const uint8_t endless[] = {255, 255};
    tn__reader r;
    uint64_t value;
    tn__reader_init(&r, "f", good, sizeof good);
    assert_ok(tn__read_varint(&r, &value, "x", err));
    assert_true(value == 150);
    tn__reader_init(&r, "f", most, sizeof most);
    assert_ok(tn__read_varint(&r, &value, "x", err));
    assert_true(value == UINT64_MAX);
    tn__reader_init(&r, "f", bad, sizeof bad);
    assert_fails(tn__read_varint(&r, &value, "x", err), TN_ERROR_FORMAT, "64 bits");
    tn__reader_init(&r, "f", endless, sizeof endless);
    assert_fails(tn__read_varint(&r, &value, "x", err), TN_ERROR_FORMAT, "needs 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read_in_their_byte_order),
        cmocka_unit_test(a_double_is_read),
        cmocka_unit_test(reading_past_the_end_says_where),
        cmocka_unit_test(varints_have_at_most_64_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
