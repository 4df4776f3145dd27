/* test_program.c - the program against enumeration and against branch and cut, with
 * lower bounds and where nothing is feasible. */
#include "test.h"

#include "assemble/program.h"
#include "base/rng.h"

#define WIDTH 6
#define STAGES 4

typedef struct made {
    tn__choice blocks[STAGES * WIDTH];
    tn__choice stitches[(STAGES - 1) * WIDTH * WIDTH];
    tn__program program;
} made;

static tn__choice random_choice(tn__rng *rng, double legal)
{
    tn__choice c = {.legal = tn__rng_uniform(rng) < legal,
                    .value = tn__rng_normal(rng)};
    for (size_t r = 0; r < TN__RESOURCES; r++)
        c.cost[r] = (double)tn__rng_below(rng, 100);
    return c;
}

static void make_program(made *m, size_t stages, size_t width, uint64_t seed)
{
    tn__rng rng;
    tn__rng_seed(&rng, seed, 0);
    for (size_t s = 0; s < stages; s++)
        for (size_t i = 0; i < width; i++) {
            tn__choice *b = &m->blocks[s * width + i];
            *b = random_choice(&rng, 0.95);
            b->set = tn__rng_uniform(&rng) < 0.7 ? s : (s + 1) % stages;
        }
    for (size_t k = 0; k < (stages - 1) * width * width; k++)
        m->stitches[k] = random_choice(&rng, 0.9);
    m->program = (tn__program){
        .stages = stages, .width = width, .blocks = m->blocks, .stitches = m->stitches};
    double middle = 100 * (double)stages;
    for (size_t r = 0; r < TN__RESOURCES; r++) {
        m->program.min[r] = tn__rng_uniform(&rng) < 0.5 ? 0 : 0.6 * middle;
        m->program.max[r] = tn__rng_uniform(&rng) < 0.2
                                ? HUGE_VAL
                                : (0.7 + 0.5 * tn__rng_uniform(&rng)) * middle;
    }
}

static bool is_path(const tn__program *p, const tn__path *path)
{
    unsigned used = 0;
    for (size_t s = 0; s < p->stages; s++) {
        const tn__choice *b = &p->blocks[s * p->width + path->block[s]];
        size_t at =
            path->block[s] * p->width + (s + 1 < p->stages ? path->block[s + 1] : 0);
        if (!b->legal || (used >> b->set & 1))
            return false;
        if (s + 1 < p->stages && !p->stitches[s * p->width * p->width + at].legal)
            return false;
        used |= 1U << b->set;
    }
    return true;
}

static bool within(const tn__program *p, const tn__path *path)
{
    for (size_t r = 0; r < TN__RESOURCES; r++)
        if (path->cost[r] > p->max[r] || path->cost[r] < p->min[r])
            return false;
    return true;
}

static int falling(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a < b) - (a > b);
}

/* Values of all feasible paths, falling. */
static size_t enumerate(double *values, const tn__program *p)
{
    size_t count = 0, all = 1;
    for (size_t s = 0; s < p->stages; s++)
        all *= p->width;
    for (size_t code = 0; code < all; code++) {
        tn__path path = {0};
        size_t rest = code;
        for (size_t s = 0; s < p->stages; s++, rest /= p->width)
            path.block[s] = rest % p->width;
        if (!is_path(p, &path))
            continue;
        tn__path_add_up(&path, p);
        if (within(p, &path))
            values[count++] = path.value;
    }
    qsort(values, count, sizeof *values, falling);
    return count;
}

static void best_paths_are_those_of_enumeration(void **state)
{
    (void)state;
    static made m;
    static double values[WIDTH * WIDTH * WIDTH * WIDTH];
    size_t feasible = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        tn__path paths[5];
        size_t stages = 2 + seed % 3, width = 3 + seed % 4, count = 0;
        make_program(&m, stages, width, seed);
        size_t all = enumerate(values, &m.program);
        assert_ok(tn__program_solve(paths, &count, 5, &m.program, err));
        assert_int_equal(count, all < 5 ? all : 5);
        for (size_t k = 0; k < count; k++) {
            assert_true(is_path(&m.program, &paths[k]) &&
                        within(&m.program, &paths[k]));
            assert_near(paths[k].value, values[k], 1e-12);
        }
        feasible += all > 0;
    }
    assert_true(feasible > 20 && feasible < 60); /* both kinds are met */
}

static void branch_and_cut_agrees(void **state)
{
    (void)state;
    static made m;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        tn__path exact, other;
        size_t count = 0, others = 0;
        make_program(&m, 2 + seed % 3, 3 + seed % 4, seed);
        assert_ok(tn__program_solve(&exact, &count, 1, &m.program, err));
        assert_ok(tn__program_solve_cbc(&other, &others, &m.program, err));
        assert_int_equal(count, others);
        if (count)
            assert_near(exact.value, other.value, 1e-9);
    }
}

/* Excess of the path that misses budgets least, by enumeration. */
static double least_excess(const tn__program *p)
{
    size_t all = 1;
    double least = HUGE_VAL;
    for (size_t s = 0; s < p->stages; s++)
        all *= p->width;
    for (size_t code = 0; code < all; code++) {
        tn__path path = {0};
        size_t rest = code;
        double worst = 0;
        for (size_t s = 0; s < p->stages; s++, rest /= p->width)
            path.block[s] = rest % p->width;
        if (!is_path(p, &path))
            continue;
        tn__path_add_up(&path, p);
        for (size_t r = 0; r < TN__RESOURCES; r++) {
            if (p->max[r] < HUGE_VAL)
                worst = fmax(worst, path.cost[r] / p->max[r] - 1);
            if (p->min[r] > 0)
                worst = fmax(worst, p->min[r] / path.cost[r] - 1);
        }
        least = fmin(least, worst);
    }
    return least;
}

static void nearest_budget_is_that_of_enumeration(void **state)
{
    (void)state;
    static made m;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        tn__path path = {0};
        double excess = 0;
        size_t count = 1;
        make_program(&m, 3, 4, 500 + seed);
        for (size_t r = 0; r < TN__RESOURCES; r++) {
            m.program.max[r] = r == TN__PARAMS ? 40 : HUGE_VAL;
            m.program.min[r] = r == TN__MACS ? 450 : 0;
        }
        assert_ok(tn__program_solve(&path, &count, 1, &m.program, err));
        assert_int_equal(count, 0);
        assert_ok(tn__program_nearest(&path, &excess, &m.program, err));
        assert_near(excess, least_excess(&m.program), 1e-6);
        assert_true(is_path(&m.program, &path));
    }
}

static void no_chain_at_all_is_said(void **state)
{
    (void)state;
    static made m;
    tn__path path;
    double excess;
    make_program(&m, 3, 4, 1);
    for (size_t k = 0; k < 16; k++)
        m.stitches[k].legal = false;
    assert_fails(tn__program_nearest(&path, &excess, &m.program, err),
                 TN_ERROR_MISMATCH, "no blocks of the zoo can be chained");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(best_paths_are_those_of_enumeration),
        cmocka_unit_test(branch_and_cut_agrees),
        cmocka_unit_test(nearest_budget_is_that_of_enumeration),
        cmocka_unit_test(no_chain_at_all_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
