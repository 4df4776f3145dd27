/* test_cluster.c - shares cover everything once, sums have the same bits everywhere, a
 * failure of one is that of all. */
#include "test.h"

#include "cluster/in_threads.h"

static void shares_cover_everything_in_order(void **state)
{
    (void)state;
    for (size_t size = 1; size <= 5; size++)
        for (size_t n = 0; n < 12; n++) {
            const tn_cluster cluster = {.size = size};
            size_t next = 0, least = n, most = 0;
            for (size_t r = 0; r < size; r++) {
                size_t first, count;
                tn__cluster_share(&first, &count, &cluster, r, n);
                assert_int_equal(first, next);
                next += count;
                least = TN__MIN(least, count);
                most = TN__MAX(most, count);
            }
            assert_int_equal(next, n);
            assert_true(most - least <= 1);
        }
}

static void one_process_needs_no_messages(void **state)
{
    (void)state;
    double value = 3;
    const tn_cluster alone = {.size = 1};
    assert_int_equal(tn__cluster_rank(NULL), 0);
    assert_int_equal(tn__cluster_size(NULL), 1);
    assert_ok(tn__cluster_sum(NULL, &value, 1, err));
    assert_ok(tn__cluster_sum(&alone, &value, 1, err));
    assert_ok(tn__cluster_broadcast(&alone, &value, sizeof value, 0, err));
    assert_true(value == 3);
    assert_int_equal(tn_cluster_agree(NULL, TN_ERROR_IO, NULL), TN_ERROR_IO);
}

#define VALUES 20000 /* more than are exchanged at once */

static tn_status add_up(void *user, const tn_cluster *cluster, tn_error *err)
{
    double *values = user;
    char word[8] = "";
    for (size_t i = 0; i < VALUES; i++)
        values[i] = cluster->rank == 0 ? 1e16 : cluster->rank == 1 ? 1 : -1e16;
    values[VALUES - 1] = (double)cluster->rank;
    if (cluster->rank == 2)
        memcpy(word, "spoken", 7);
    tn_status status = tn__cluster_broadcast(cluster, word, sizeof word, 2, err);
    if (status == TN_OK && strcmp(word, "spoken") != 0)
        status = tn__fail(err, TN_ERROR_FORMAT, "heard '%s'", word);
    return status == TN_OK ? tn__cluster_sum(cluster, values, VALUES, err) : status;
}

/* 1e16 + 1 is 1e16: the order of adding shows. */
static void sums_are_made_in_order_of_rank(void **state)
{
    (void)state;
    static double values[3][VALUES];
    void *const users[3] = {values[0], values[1], values[2]};
    one_rank ranks[3];
    run_in_threads(ranks, 3, add_up, users);
    for (size_t r = 0; r < 3; r++) {
        assert_int_equal(ranks[r].status, TN_OK);
        assert_true(values[r][0] == 0 && values[r][VALUES - 2] == 0);
        assert_true(values[r][VALUES - 1] == 3);
    }
}

static tn_status fail_on_some(void *user, const tn_cluster *cluster, tn_error *err)
{
    const unsigned *failing = user;
    tn_status status = TN_OK;
    if (*failing >> cluster->rank & 1)
        status = tn__fail(err, cluster->rank == 1 ? TN_ERROR_IO : TN_ERROR_NUMERIC,
                          "process %zu", cluster->rank);
    return tn_cluster_agree(cluster, status, err);
}

static void all_hear_of_the_first_failure(void **state)
{
    (void)state;
    unsigned failing = 6;
    void *const users[4] = {&failing, &failing, &failing, &failing};
    one_rank ranks[4];
    run_in_threads(ranks, 4, fail_on_some, users);
    for (size_t r = 0; r < 4; r++) {
        assert_int_equal(ranks[r].status, TN_ERROR_IO);
        assert_string_equal(ranks[r].error.message, "process 1");
    }
    failing = 0;
    run_in_threads(ranks, 4, fail_on_some, users);
    for (size_t r = 0; r < 4; r++)
        assert_int_equal(ranks[r].status, TN_OK);
}

static int refuse(void *user, void *bytes, size_t size, size_t from)
{
    (void)user, (void)bytes, (void)size, (void)from;
    return 1;
}

static void lost_messages_are_an_error(void **state)
{
    (void)state;
    double value = 1;
    const tn_cluster cluster = {.size = 2, .broadcast = refuse};
    assert_fails(tn__cluster_broadcast(&cluster, &value, sizeof value, 1, err),
                 TN_ERROR_IO, "process 2 of 2 did not send 8 bytes");
    const tn_cluster many = {.size = 100000};
    assert_fails(tn__cluster_sum(&many, &value, 1, err), TN_ERROR_ARGUMENT,
                 "100000 processes, expected at most 4096");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_cover_everything_in_order),
        cmocka_unit_test(one_process_needs_no_messages),
        cmocka_unit_test(sums_are_made_in_order_of_rank),
        cmocka_unit_test(all_hear_of_the_first_failure),
        cmocka_unit_test(lost_messages_are_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
