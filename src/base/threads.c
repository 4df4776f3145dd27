/* threads.c - workers of one OpenMP thread each. */
#include "base/threads.h"

#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

/* How long a thread looks on before it sleeps. Steps of small networks are shorter than
 * it takes to wake a thread twice. */
#define LINGER_SECONDS 1e-4

typedef struct worker {
    tn__workers *pool;
    size_t index;
    pthread_t thread;
} worker;

struct tn__workers {
    size_t count, started; /* worker 0 is the caller's thread */
    worker *list;
    pthread_mutex_t lock;
    pthread_cond_t work, idle;
    /* the run under way */
    tn__task *task;
    void *user;
    size_t tasks, next;
    atomic_size_t running, generation; /* written under the lock */
    atomic_bool stop;
    /* the failure of the smallest task */
    size_t failed;
    tn_status status;
    tn_error error;
};

size_t tn__processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set))
        return 1;
    int count = CPU_COUNT(&set);
    return count > 0 ? (size_t)count : 1;
}

static void note_failure(tn__workers *w, size_t t, tn_status status,
                         const tn_error *error)
{
    if (w->status && w->failed <= t)
        return;
    w->failed = t;
    w->status = status;
    w->error = *error;
}

/* Takes tasks until none is left. The lock is held on entry and on return. */
static void take_tasks(tn__workers *w, size_t index)
{
    while (w->next < w->tasks && !w->status) {
        size_t t = w->next++;
        pthread_mutex_unlock(&w->lock);
        tn_error error = {0};
        tn_status status = w->task(w->user, t, index, &error);
        pthread_mutex_lock(&w->lock);
        if (status)
            note_failure(w, t, status, &error);
    }
}

/* Whether *at left `value` within a moment. Gives way to threads that have work. */
static bool left_soon(const atomic_size_t *at, size_t value)
{
    double until = tn__seconds() + LINGER_SECONDS;
    while (atomic_load_explicit(at, memory_order_acquire) == value) {
        if (tn__seconds() > until)
            return false;
        sched_yield();
    }
    return true;
}

static void *worker_main(void *argument)
{
    worker *self = argument;
    tn__workers *w = self->pool;
    size_t seen = 0;
    omp_set_num_threads(1);
    for (;;) {
        left_soon(&w->generation, seen);
        pthread_mutex_lock(&w->lock);
        while (!w->stop && w->generation == seen)
            pthread_cond_wait(&w->work, &w->lock);
        if (w->stop)
            break;
        seen = w->generation;
        take_tasks(w, self->index);
        if (--w->running == 0)
            pthread_cond_signal(&w->idle);
        pthread_mutex_unlock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

tn_status tn__workers_create(tn__workers **out, size_t count, tn_error *err)
{
    tn__workers *w = tn__alloc(1, sizeof *w);
    if (!w)
        return tn__fail_memory(err, sizeof *w);
    w->count = count ? count : tn__processors();
    w->list = tn__alloc(w->count, sizeof *w->list);
    if (!w->list) {
        count = w->count;
        tn__free(w);
        return tn__fail_memory(err, count * sizeof(worker));
    }
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->work, NULL);
    pthread_cond_init(&w->idle, NULL);
    for (size_t k = 1; k < w->count; k++) {
        w->list[k] = (worker){.pool = w, .index = k};
        if (pthread_create(&w->list[k].thread, NULL, worker_main, &w->list[k])) {
            tn__workers_free(w);
            return tn__fail(err, TN_ERROR_MEMORY, "cannot start thread %zu of %zu",
                            k + 1, count);
        }
        w->started++;
    }
    *out = w;
    return TN_OK;
}

void tn__workers_free(tn__workers *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_broadcast(&w->work);
    pthread_mutex_unlock(&w->lock);
    for (size_t k = 1; k <= w->started; k++)
        pthread_join(w->list[k].thread, NULL);
    pthread_cond_destroy(&w->work);
    pthread_cond_destroy(&w->idle);
    pthread_mutex_destroy(&w->lock);
    tn__free(w->list);
    tn__free(w);
}

size_t tn__workers_count(const tn__workers *w)
{
    return w->count;
}

static void begin(tn__workers *w)
{
    pthread_mutex_lock(&w->lock);
    w->running = w->started;
    w->generation++;
    if (w->started)
        pthread_cond_broadcast(&w->work);
    take_tasks(w, 0);
    pthread_mutex_unlock(&w->lock);
}

static void wait_for_all(tn__workers *w)
{
    size_t left = w->running;
    while (left > 0 && left_soon(&w->running, left))
        left = w->running;
    pthread_mutex_lock(&w->lock);
    while (w->running)
        pthread_cond_wait(&w->idle, &w->lock);
    pthread_mutex_unlock(&w->lock);
}

tn_status tn__workers_run(tn__workers *w, size_t tasks, tn__task *task, void *user,
                          tn_error *err)
{
    w->task = task;
    w->user = user;
    w->tasks = tasks;
    w->next = 0;
    w->status = TN_OK;
    int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    begin(w);
    wait_for_all(w);
    omp_set_num_threads(threads);
    if (w->status && err)
        *err = w->error;
    return w->status;
}
