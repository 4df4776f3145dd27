/* cholesky.c - Cholesky factors and their equations, tile by tile.
 *
 * Right-looking: each block column is factored, the rows below it are solved against
 * its diagonal tile, and the rest is brought up to date (Golub and Van Loan, "Matrix
 * computations", 4.2.6). The rows of tiles of a step do not depend on each other and go
 * to workers; what is computed never depends on their number.
 */
#include <cblas.h>
#include <lapacke.h>

#include "tensor/linalg.h"

enum { TILE = 256, COLUMNS = 64 };

typedef struct step {
    double *a; /* [n, n] */
    size_t n, from, size;
} step;

static tn_status run(tn__workers *workers, size_t tasks, tn__task *task, void *user,
                     tn_error *err)
{
    if (workers)
        return tn__workers_run(workers, tasks, task, user, err);
    tn_status status = TN_OK;
    for (size_t t = 0; t < tasks && status == TN_OK; t++)
        status = task(user, t, 0, err);
    return status;
}

static size_t rows_of(const step *s, size_t task, size_t *first)
{
    *first = s->from + s->size + task * TILE;
    return TN__MIN(TILE, s->n - *first);
}

/* A_ik becomes A_ik L_kk^-T. */
static tn_status solve_rows(void *user, size_t task, size_t worker, tn_error *err)
{
    (void)worker;
    (void)err;
    const step *s = user;
    size_t i = 0, rows = rows_of(s, task, &i);
    cblas_dtrsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit,
                (int)rows, (int)s->size, 1, s->a + s->from * s->n + s->from, (int)s->n,
                s->a + i * s->n + s->from, (int)s->n);
    return TN_OK;
}

/* A_ij becomes A_ij - A_ik A_jk^T for all tiles j up to the diagonal. */
static tn_status update_rows(void *user, size_t task, size_t worker, tn_error *err)
{
    (void)worker;
    (void)err;
    const step *s = user;
    size_t i = 0, rows = rows_of(s, task, &i), first = s->from + s->size;
    tn__gemm_f64(false, true, rows, i + rows - first, s->size, -1,
                 s->a + i * s->n + s->from, s->n, s->a + first * s->n + s->from, s->n,
                 1, s->a + i * s->n + first, s->n);
    return TN_OK;
}

tn_status tn__cholesky(double *a, size_t n, tn__workers *workers, tn_error *err)
{
    tn__linalg_begin();
    for (size_t k = 0; k < n; k += TILE) {
        step s = {a, n, k, TN__MIN(TILE, n - k)};
        /* LAPACK's upper triangle by columns is ours below by rows */
        lapack_int info = LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'U', (lapack_int)s.size,
                                         a + k * n + k, (lapack_int)n);
        if (info)
            return tn__fail(err, TN_ERROR_NUMERIC,
                            "matrix of %zu rows is not positive definite (pivot %zu)",
                            n, k + (size_t)info);
        size_t tasks = (n - k - s.size + TILE - 1) / TILE;
        tn_status status = run(workers, tasks, solve_rows, &s, err);
        if (status == TN_OK)
            status = run(workers, tasks, update_rows, &s, err);
        if (status != TN_OK)
            return status;
    }
    return TN_OK;
}

typedef struct answers {
    const double *factor;
    double *b;
    size_t n, k;
} answers;

/* A few columns of L L^T X = B. */
static tn_status solve_columns(void *user, size_t task, size_t worker, tn_error *err)
{
    (void)worker;
    (void)err;
    const answers *s = user;
    size_t from = task * COLUMNS, columns = TN__MIN(COLUMNS, s->k - from);
    for (int way = 0; way < 2; way++)
        cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower,
                    way ? CblasTrans : CblasNoTrans, CblasNonUnit, (int)s->n,
                    (int)columns, 1, s->factor, (int)s->n, s->b + from, (int)s->k);
    return TN_OK;
}

tn_status tn__cholesky_solve(double *b, const double *factor, size_t n, size_t k,
                             tn__workers *workers, tn_error *err)
{
    answers s = {factor, b, n, k};
    if (n == 0 || k == 0)
        return TN_OK;
    tn__linalg_begin();
    return run(workers, (k + COLUMNS - 1) / COLUMNS, solve_columns, &s, err);
}
