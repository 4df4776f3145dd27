/* Allocation, growth, and the hook that makes it fail. */
#include "test.h"

#include "base/base.h"

static void memory_is_zeroed_and_aligned(void **state)
{
    (void)state;
    unsigned char *bytes = tn__alloc(100, 1), *aligned = tn__alloc_aligned(100);
    for (size_t k = 0; k < 100; k++)
        assert_int_equal(bytes[k] | aligned[k], 0);
    assert_int_equal((uintptr_t)aligned % 64, 0);
    tn__free(bytes);
    tn__free(aligned);
}

static void an_overflowing_size_is_refused(void **state)
{
    (void)state;
    assert_null(tn__alloc(SIZE_MAX / 2, 4));
    assert_null(tn__realloc(NULL, SIZE_MAX / 2, 4));
    assert_null(tn__alloc_aligned(SIZE_MAX));
}

static void the_kth_allocation_fails_on_demand(void **state)
{
    (void)state;
    tn__alloc_fail_after(2);
    void *first = tn__alloc(1, 1), *second = tn__alloc(1, 1), *third = tn__alloc(1, 1);
    tn__alloc_fail_after(0);
    void *fourth = tn__alloc(1, 1);
    assert_non_null(first);
    assert_null(second);
    assert_null(third);
    assert_non_null(fourth);
    tn__free(first);
    tn__free(fourth);
}

static void an_array_grows_with_zeroes(void **state)
{
    (void)state;
    int *list = NULL;
    size_t capacity = 0;
    for (size_t k = 0; k < 100; k++) {
        assert_ok(tn__grow(&list, &capacity, k, sizeof *list, err));
        assert_int_equal(list[k], 0);
        list[k] = (int)k;
    }
    assert_true(capacity >= 100);
    assert_int_equal(list[50], 50);
    tn__free(list);
}

static void text_is_copied_and_formatted(void **state)
{
    (void)state;
    char *a = tn__strndup("abc", 2), *b = tn__format("%s-%d", a, 7);
    assert_string_equal(a, "ab");
    assert_string_equal(b, "ab-7");
    tn__free(a);
    tn__free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_and_aligned),
        cmocka_unit_test(an_overflowing_size_is_refused),
        cmocka_unit_test(the_kth_allocation_fails_on_demand),
        cmocka_unit_test(an_array_grows_with_zeroes),
        cmocka_unit_test(text_is_copied_and_formatted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
