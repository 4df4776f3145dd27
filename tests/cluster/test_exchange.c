/* test_exchange.c - arrays that become ready one by one are summed in order of rank,
 * and nobody waits for one that never is. */
#include "test.h"

#include "cluster/exchange.h"
#include "cluster/in_threads.h"

enum { ARRAYS = 5, FLOATS = 1000, NOBODY = 99 };
static const size_t counts[ARRAYS] = {7, 1000, 1, 64, 3};

typedef struct part {
    float values[ARRAYS][FLOATS];
    size_t bucket;
    bool fails; /* before the last two arrays are known */
} part;

/* 2^24 + 1 is 2^24 in f32: the order of adding shows. */
static float term(size_t rank, size_t k, size_t i)
{
    float big = 16777216;
    return rank == 0 ? big : rank == 1 ? 1 : rank == 2 ? -big : (float)(k * i);
}

static tn_status add_up(void *user, const tn_cluster *cluster, tn_error *err)
{
    part *p = user;
    tn__exchange *exchange = NULL;
    float *arrays[ARRAYS];
    tn_status status = TN_OK;
    for (size_t k = 0; k < ARRAYS; k++)
        arrays[k] = p->values[k];
    if (tn__exchange_create(&exchange, cluster, arrays, counts, ARRAYS, p->bucket, err))
        return err->code;
    for (int step = 0; step < 2 && !status; step++) {
        tn__exchange_begin(exchange);
        for (size_t k = 0; k < ARRAYS; k++) {
            size_t at = cluster->rank % 2 ? ARRAYS - 1 - k : k; /* in any order */
            if (p->fails && at >= 3)
                continue;
            for (size_t i = 0; i < counts[at]; i++)
                arrays[at][i] = term(cluster->rank, at, i);
            tn__exchange_ready(exchange, at);
        }
        status = tn__exchange_finish(exchange, err);
    }
    tn__exchange_free(exchange);
    return status;
}

static void check(const part *parts, size_t size, size_t k)
{
    for (size_t i = 0; i < counts[k]; i++) {
        float sum = term(0, k, i);
        for (size_t r = 1; r < size; r++)
            sum += parts[r].fails && k >= 3 ? 0 : term(r, k, i);
        for (size_t r = 0; r < size; r++)
            assert_true(parts[r].values[k][i] == sum);
    }
}

static void run(size_t size, size_t bucket, size_t failing)
{
    static part parts[4];
    void *users[4];
    one_rank ranks[4];
    memset(parts, 0, sizeof parts);
    for (size_t r = 0; r < size; r++) {
        parts[r].bucket = bucket;
        parts[r].fails = r == failing;
        users[r] = &parts[r];
    }
    run_in_threads(ranks, size, add_up, users);
    for (size_t r = 0; r < size; r++)
        assert_int_equal(ranks[r].status, TN_OK);
    for (size_t k = 0; k < ARRAYS; k++)
        check(parts, size, k);
}

static void arrays_are_summed_in_order_of_rank(void **state)
{
    (void)state;
    for (size_t size = 2; size <= 4; size++)
        for (size_t bucket = 1; bucket <= 4096; bucket *= 16)
            run(size, bucket, NOBODY);
}

static void what_is_never_ready_counts_as_zeros(void **state)
{
    (void)state;
    run(3, 16, 1);
    run(4, 4096, 3);
}

static int count_message(void *user, void **pending, void *to, const void *from,
                         size_t size)
{
    size_t *messages = user;
    (void)to, (void)from, (void)size;
    *pending = NULL;
    ++*messages;
    return 0;
}

static void messages_leave_before_all_is_ready(void **state)
{
    (void)state;
    static part p;
    size_t messages = 0;
    tn__exchange *exchange = NULL;
    float *arrays[ARRAYS];
    const tn_cluster cluster = {.size = 2,
                                .start_all_to_all = count_message,
                                .start_all_gather = count_message,
                                .user = &messages};
    for (size_t k = 0; k < ARRAYS; k++)
        arrays[k] = p.values[k];
    assert_ok(tn__exchange_create(&exchange, &cluster, arrays, counts, ARRAYS, 1, err));
    tn__exchange_begin(exchange);
    tn__exchange_ready(exchange, 1); /* waits for 0 */
    assert_int_equal(messages, 0);
    tn__exchange_ready(exchange, 0);
    assert_int_equal(messages, 3); /* parts of 0, its sums, parts of 1 */
    tn__exchange_ready(exchange, 2);
    assert_int_equal(messages, 5);
    assert_ok(tn__exchange_finish(exchange, err));
    assert_int_equal(messages, 2 * ARRAYS);
    tn__exchange_free(exchange);
}

static int refuse(void *user, void **pending, void *to, const void *from, size_t size)
{
    (void)user, (void)pending, (void)to, (void)from, (void)size;
    return 1;
}

static void lost_messages_are_an_error(void **state)
{
    (void)state;
    static part p = {.bucket = 16};
    const tn_cluster cluster = {.size = 2, .start_all_to_all = refuse};
    assert_fails(add_up(&p, &cluster, err), TN_ERROR_IO,
                 "2 processes did not exchange gradients");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_are_summed_in_order_of_rank),
        cmocka_unit_test(what_is_never_ready_counts_as_zeros),
        cmocka_unit_test(messages_leave_before_all_is_ready),
        cmocka_unit_test(lost_messages_are_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
