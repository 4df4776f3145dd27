/* threads.h - workers of one OpenMP thread each.
 *
 * oneDNN and OpenBLAS spin when they share cores, so Tenon parallelises over tasks: W
 * plain threads, each of which computes alone (see docs/engine.md). Which worker gets
 * which task never influences a result; sums over tasks are made by the caller in task
 * order.
 */
#ifndef TN_BASE_THREADS_H
#define TN_BASE_THREADS_H

#include "base/base.h"

typedef struct tn__workers tn__workers;

/* The number of processors this process may run on, at least 1. */
size_t tn__processors(void);

/* Makes `count` workers (0: one for each processor). The first is the thread that calls
 * tn__workers_run(), whose OpenMP thread count is set to 1 for the length of each run;
 * the others are threads of one OpenMP thread for good. */
tn_status tn__workers_create(tn__workers **out, size_t count,
                             tn_error *err) TN_MUST_USE;
void tn__workers_free(tn__workers *workers); /* takes NULL */
size_t tn__workers_count(const tn__workers *workers);

/* Calls task(user, t, worker, err) for t = 0..tasks-1, each once, in any order and at
 * the same time; worker is in 0..count-1 and never runs two tasks at once. Waits for
 * all. Returns the failure of the smallest t that failed; later tasks may then not have
 * run. */
typedef tn_status tn__task(void *user, size_t t, size_t worker, tn_error *err);
tn_status tn__workers_run(tn__workers *workers, size_t tasks, tn__task *task,
                          void *user, tn_error *err) TN_MUST_USE;

#endif
