/* in_threads.h - a cluster whose processes are threads of a test. */
#ifndef TENON_TESTS_IN_THREADS_H
#define TENON_TESTS_IN_THREADS_H

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/cluster.h"

#define RANKS_MAX 8

typedef struct in_threads {
    size_t size;
    pthread_barrier_t barrier;
    void *shown[RANKS_MAX]; /* what each rank lets the others read */
} in_threads;

typedef struct one_rank {
    in_threads *all;
    size_t rank;
    tn_cluster cluster;
    tn_status (*run)(void *user, const tn_cluster *cluster, tn_error *err);
    void *user;
    tn_status status;
    tn_error error;
} one_rank;

static int threads_broadcast(void *user, void *bytes, size_t size, size_t from)
{
    one_rank *r = user;
    r->all->shown[r->rank] = bytes;
    pthread_barrier_wait(&r->all->barrier);
    if (r->rank != from)
        memcpy(bytes, r->all->shown[from], size);
    pthread_barrier_wait(&r->all->barrier);
    return 0;
}

static int threads_all_gather(void *user, void *to, const void *bytes, size_t size)
{
    one_rank *r = user;
    void *copy = malloc(size);
    memcpy(copy, bytes, size);
    r->all->shown[r->rank] = copy;
    pthread_barrier_wait(&r->all->barrier);
    for (size_t k = 0; k < r->all->size; k++)
        memcpy((char *)to + k * size, r->all->shown[k], size);
    pthread_barrier_wait(&r->all->barrier);
    free(copy);
    return 0;
}

static int threads_all_to_all(void *user, void **pending, void *to, const void *from,
                              size_t size)
{
    one_rank *r = user;
    char *all = malloc(r->all->size * r->all->size * size);
    if (threads_all_gather(user, all, from, r->all->size * size))
        return 1;
    for (size_t k = 0; k < r->all->size; k++)
        memcpy((char *)to + k * size, all + (k * r->all->size + r->rank) * size, size);
    free(all);
    *pending = NULL;
    return 0;
}

static int threads_start_all_gather(void *user, void **pending, void *to,
                                    const void *bytes, size_t size)
{
    *pending = NULL;
    return threads_all_gather(user, to, bytes, size);
}

/* Messages here are through as soon as they are started. */
static int threads_finish(void *user, void **pending, bool wait)
{
    (void)user, (void)pending, (void)wait;
    return 0;
}

static void *threads_run_rank(void *user)
{
    one_rank *r = user;
    r->status = r->run(r->user, &r->cluster, &r->error);
    return NULL;
}

/* Runs run(users[rank]) on `size` ranks; status and error of each are in ranks. */
static inline void run_in_threads(one_rank *ranks, size_t size,
                                  tn_status (*run)(void *user, const tn_cluster *,
                                                   tn_error *err),
                                  void *const *users)
{
    in_threads all = {.size = size};
    pthread_t threads[RANKS_MAX];
    pthread_barrier_init(&all.barrier, NULL, (unsigned)size);
    for (size_t k = 0; k < size; k++) {
        ranks[k] = (one_rank){.all = &all, .rank = k, .run = run, .user = users[k]};
        ranks[k].cluster = (tn_cluster){.rank = k,
                                        .size = size,
                                        .broadcast = threads_broadcast,
                                        .all_gather = threads_all_gather,
                                        .start_all_to_all = threads_all_to_all,
                                        .start_all_gather = threads_start_all_gather,
                                        .finish = threads_finish,
                                        .user = &ranks[k]};
        pthread_create(&threads[k], NULL, threads_run_rank, &ranks[k]);
    }
    for (size_t k = 0; k < size; k++)
        pthread_join(threads[k], NULL);
    pthread_barrier_destroy(&all.barrier);
}

#endif
