/* program_cbc.c - the same program as a mixed integer one, for COIN-OR's branch and
 * cut.
 *
 * Variables: x[s, i], block i is taken for stage s; y[s, i, j], the stitch from block i
 * of stage s to block j of the next. Rows: one block a stage; one a set; what flows out
 * of and into a block through stitches is x; budgets.
 */
#include <coin/Cbc_C_Interface.h>
#include <math.h>
#include <stdlib.h>

#include "assemble/program.h"

/* The matrix while it is filled, column after column. */
typedef struct matrix {
    size_t columns, rows, entries;
    int *start, *index;
    double *value, *objective, *high, *row_low, *row_high;
    const tn__choice **choice; /* of each column */
} matrix;

static void matrix_release(matrix *m)
{
    tn__free(m->start);
    tn__free(m->index);
    tn__free(m->value);
    tn__free(m->objective);
    tn__free(m->high);
    tn__free(m->row_low);
    tn__free(m->row_high);
    tn__free(m->choice);
}

/* Rows: stages, sets, out of stage s (s < stages - 1) and into stage s (s > 0), then
 * resources. */
static size_t row_stage(size_t s)
{
    return s;
}
static size_t row_set(const tn__program *p, size_t set)
{
    return p->stages + set;
}
static size_t row_out(const tn__program *p, size_t s, size_t i)
{
    return 2 * p->stages + s * p->width + i;
}
static size_t row_in(const tn__program *p, size_t s, size_t i)
{
    return 2 * p->stages + (p->stages - 1 + s - 1) * p->width + i;
}
static size_t row_resource(const tn__program *p, size_t r)
{
    return 2 * p->stages + 2 * (p->stages - 1) * p->width + r;
}

static tn_status matrix_create(matrix *m, const tn__program *p, tn_error *err)
{
    size_t columns = p->stages * p->width + (p->stages - 1) * p->width * p->width;
    size_t entries = columns * (4 + TN__RESOURCES);
    m->rows = row_resource(p, TN__RESOURCES);
    m->start = tn__alloc(columns + 1, sizeof *m->start);
    m->index = tn__alloc(entries, sizeof *m->index);
    m->value = tn__alloc(entries, sizeof *m->value);
    m->objective = tn__alloc(columns, sizeof *m->objective);
    m->high = tn__alloc(columns, sizeof *m->high);
    m->row_low = tn__alloc(m->rows, sizeof *m->row_low);
    m->row_high = tn__alloc(m->rows, sizeof *m->row_high);
    m->choice = tn__alloc(columns, sizeof *m->choice);
    if (m->start && m->index && m->value && m->objective && m->high && m->row_low &&
        m->row_high && m->choice)
        return TN_OK;
    matrix_release(m);
    return tn__fail_memory(err, entries * sizeof *m->value);
}

static void add_entry(matrix *m, size_t row, double value)
{
    m->index[m->entries] = (int)row;
    m->value[m->entries++] = value;
}

/* Resources are divided by their budget, so that all rows are of like size. */
static double scale_of(const tn__program *p, size_t r)
{
    double by = p->max[r] < HUGE_VAL ? p->max[r] : p->min[r];
    return by > 0 ? by : 1;
}

static void end_column(matrix *m, const tn__program *p, const tn__choice *choice)
{
    for (size_t r = 0; r < TN__RESOURCES; r++)
        if (choice->cost[r] != 0)
            add_entry(m, row_resource(p, r), choice->cost[r] / scale_of(p, r));
    m->objective[m->columns] = choice->legal ? choice->value : 0;
    m->high[m->columns] = choice->legal;
    m->choice[m->columns++] = choice;
    m->start[m->columns] = (int)m->entries;
}

static void fill(matrix *m, const tn__program *p)
{
    for (size_t s = 0; s < p->stages; s++)
        for (size_t i = 0; i < p->width; i++) {
            const tn__choice *block = &p->blocks[s * p->width + i];
            add_entry(m, row_stage(s), 1);
            add_entry(m, row_set(p, block->set), 1);
            if (s + 1 < p->stages)
                add_entry(m, row_out(p, s, i), -1);
            if (s > 0)
                add_entry(m, row_in(p, s, i), -1);
            end_column(m, p, block);
        }
    for (size_t s = 0; s + 1 < p->stages; s++)
        for (size_t i = 0; i < p->width; i++)
            for (size_t j = 0; j < p->width; j++) {
                add_entry(m, row_out(p, s, i), 1);
                add_entry(m, row_in(p, s + 1, j), 1);
                end_column(m, p, &p->stitches[(s * p->width + i) * p->width + j]);
            }
    for (size_t k = 0; k < 2 * p->stages; k++)
        m->row_low[k] = m->row_high[k] = 1;
    for (size_t r = 0; r < TN__RESOURCES; r++) {
        bool bound = p->max[r] < HUGE_VAL;
        m->row_low[row_resource(p, r)] =
            p->min[r] > 0 ? p->min[r] / scale_of(p, r) : -HUGE_VAL;
        m->row_high[row_resource(p, r)] = bound ? p->max[r] / scale_of(p, r) : HUGE_VAL;
    }
}

static void read_solution(tn__path *path, const tn__program *p, const double *x)
{
    for (size_t s = 0; s < p->stages; s++)
        for (size_t i = 0; i < p->width; i++)
            if (x[s * p->width + i] > 0.5)
                path->block[s] = i;
    tn__path_add_up(path, p);
}

tn_status tn__program_solve_cbc(tn__path *path, size_t *count,
                                const tn__program *program, tn_error *err)
{
    matrix m = {0};
    tn_status status = matrix_create(&m, program, err);
    if (status != TN_OK)
        return status;
    fill(&m, program);
    Cbc_Model *model = Cbc_newModel();
    if (!model) {
        matrix_release(&m);
        return tn__fail_memory(err, 1);
    }
    Cbc_loadProblem(model, (int)m.columns, (int)m.rows, m.start, m.index, m.value, NULL,
                    m.high, m.objective, m.row_low, m.row_high);
    for (size_t k = 0; k < m.columns; k++)
        Cbc_setInteger(model, (int)k);
    Cbc_setObjSense(model, -1);
    Cbc_setLogLevel(model, 0);
    Cbc_setAllowableGap(model, 0);
    Cbc_setAllowableFractionGap(model, 0);
    Cbc_setParameter(model, "log", "0");
    Cbc_solve(model);
    if (Cbc_isProvenOptimal(model)) {
        read_solution(path, program, Cbc_getColSolution(model));
        *count = 1;
    } else if (Cbc_isProvenInfeasible(model)) {
        *count = 0;
    } else {
        status = tn__fail(err, TN_ERROR_NUMERIC,
                          "branch and cut ended without a proof (status %d)",
                          Cbc_status(model));
    }
    Cbc_deleteModel(model);
    matrix_release(&m);
    return status;
}
