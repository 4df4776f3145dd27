/* Workers: every task once, the first failure, one OpenMP thread each. */
#include "test.h"

#include "base/threads.h"

#include <omp.h>
#include <stdatomic.h>

enum { TASKS = 1000 };
static _Atomic int runs[TASKS], most_threads;
static _Atomic int busy[4];

static tn_status count_task(void *user, size_t t, size_t worker, tn_error *err)
{
    (void)user;
    (void)err;
    assert_int_equal(atomic_fetch_add(&busy[worker], 1), 0);
    atomic_fetch_add(&runs[t], 1);
    int threads = omp_get_max_threads();
    if (threads > most_threads)
        most_threads = threads;
    atomic_fetch_sub(&busy[worker], 1);
    return TN_OK;
}

static tn_status fail_task(void *user, size_t t, size_t worker, tn_error *err)
{
    (void)user;
    (void)worker;
    if (t % 10 == 7)
        return tn__fail(err, TN_ERROR_NUMERIC, "task %zu", t);
    return TN_OK;
}

static void each_task_runs_once(void **state)
{
    (void)state;
    for (size_t count = 1; count <= 3; count++) {
        tn__workers *workers = NULL;
        assert_ok(tn__workers_create(&workers, count, err));
        assert_int_equal(tn__workers_count(workers), count);
        for (int k = 0; k < TASKS; k++)
            runs[k] = 0;
        assert_ok(tn__workers_run(workers, TASKS, count_task, NULL, err));
        assert_ok(tn__workers_run(workers, TASKS, count_task, NULL, err));
        assert_ok(tn__workers_run(workers, 0, count_task, NULL, err));
        for (int k = 0; k < TASKS; k++)
            assert_int_equal(runs[k], 2);
        tn__workers_free(workers);
    }
    assert_int_equal(most_threads, 1);
}

static void the_first_failure_is_returned(void **state)
{
    (void)state;
    for (size_t count = 1; count <= 2; count++) {
        tn__workers *workers = NULL;
        assert_ok(tn__workers_create(&workers, count, err));
        assert_fails(tn__workers_run(workers, TASKS, fail_task, NULL, err),
                     TN_ERROR_NUMERIC, "task 7");
        assert_ok(tn__workers_run(workers, 5, fail_task, NULL, err));
        tn__workers_free(workers);
    }
    tn__workers_free(NULL);
}

static void zero_workers_means_one_for_each_processor(void **state)
{
    (void)state;
    tn__workers *workers = NULL;
    assert_ok(tn__workers_create(&workers, 0, err));
    assert_int_equal(tn__workers_count(workers), tn__processors());
    tn__workers_free(workers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_task_runs_once),
        cmocka_unit_test(the_first_failure_is_returned),
        cmocka_unit_test(zero_workers_means_one_for_each_processor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
