/* test_partition.c - the partition against brute force over all cuts, sets and anchors;
 * sizes, monotony, names of members, and what is said where nothing fits. */
#include "test.h"

#include "assemble/partition.h"
#include "base/rng.h"

#define UNITS_MAX 10
#define MEMBERS_MAX 4
#define CUTS_MAX (MEMBERS_MAX * (UNITS_MAX + 1))

/* A random zoo: sizes and a similarity that falls with the distance in depth. */
typedef struct zoo {
    size_t units[MEMBERS_MAX], offset[MEMBERS_MAX];
    double sizes[MEMBERS_MAX][UNITS_MAX];
    const double *size[MEMBERS_MAX];
    double similarity[CUTS_MAX * CUTS_MAX];
    tn__partitioning problem;
} zoo;

static void make_zoo(zoo *z, size_t members, size_t units, size_t blocks, uint64_t seed)
{
    tn__rng rng;
    double depth[CUTS_MAX];
    size_t cuts = 0;
    tn__rng_seed(&rng, seed, 0);
    memset(z, 0, sizeof *z);
    for (size_t i = 0; i < members; i++) {
        z->units[i] = units - tn__rng_below(&rng, 2);
        z->offset[i] = cuts;
        z->size[i] = z->sizes[i];
        for (size_t u = 0; u < z->units[i]; u++)
            z->sizes[i][u] = 0.5 + tn__rng_uniform(&rng);
        for (size_t u = 0; u <= z->units[i]; u++)
            depth[cuts++] = (double)u / (double)z->units[i];
    }
    for (size_t u = 0; u < cuts; u++)
        for (size_t v = 0; v <= u; v++) {
            double noise = 0.5 * tn__rng_uniform(&rng);
            double s = u == v ? 1 : (1 - fabs(depth[u] - depth[v])) * (1 - noise);
            z->similarity[u * cuts + v] = z->similarity[v * cuts + u] = s;
        }
    z->problem = (tn__partitioning){.members = members,
                                    .blocks = blocks,
                                    .units = z->units,
                                    .size = z->size,
                                    .offset = z->offset,
                                    .similarity = z->similarity,
                                    .cuts = cuts,
                                    .restarts = 20,
                                    .seed = seed};
    double least = 0;
    assert_ok(tn__partition_least_eps(&least, &z->problem, err));
    z->problem.eps = least + 0.3;
}

/* Sum over sets of the best medoid's centrality. */
static double value_of(const tn__partitioning *p, const tn__block *blocks)
{
    double sum = 0;
    size_t count = p->members * p->blocks;
    for (size_t j = 0; j < p->blocks; j++) {
        double best = -1;
        for (size_t a = 0; a < count; a++) {
            double value = 0;
            if (blocks[a].set != j)
                continue;
            for (size_t b = 0; b < count; b++)
                if (blocks[b].set == j)
                    value += tn__block_similarity(p, &blocks[b], &blocks[a]);
            best = fmax(best, value);
        }
        sum += best;
    }
    return sum;
}

static double size_of(const zoo *z, size_t member, size_t first, size_t last)
{
    double sum = 0;
    for (size_t u = first; u <= last; u++)
        sum += z->sizes[member][u];
    return sum;
}

static double limit_of(const zoo *z, size_t member)
{
    const tn__partitioning *p = &z->problem;
    return (1 + p->eps) * size_of(z, member, 0, z->units[member] - 1) /
               (double)p->blocks +
           1e-9;
}

/* Tries every cut and every order of sets of member i onwards. */
static double brute(const zoo *z, tn__block *blocks, size_t member, size_t at,
                    unsigned used)
{
    const tn__partitioning *p = &z->problem;
    if (member == p->members)
        return value_of(p, blocks);
    size_t stage = at % p->blocks;
    size_t first = stage ? blocks[at - 1].last + 1 : 0, units = z->units[member];
    double best = -1;
    for (size_t last = first; last < units; last++) {
        bool end = stage + 1 == p->blocks;
        if (size_of(z, member, first, last) > limit_of(z, member) ||
            end != (last + 1 == units))
            continue;
        for (size_t j = 0; j < p->blocks; j++) {
            if (used >> j & 1)
                continue;
            blocks[at] = (tn__block){member, first, last, j};
            best = fmax(
                best, brute(z, blocks, member + end, at + 1, end ? 0 : used | 1U << j));
        }
    }
    return best;
}

static void enumeration_of_anchors_is_brute_force(void **state)
{
    (void)state;
    static zoo z;
    tn__block blocks[MEMBERS_MAX * TN__BLOCKS_MAX];
    const size_t sizes[][3] = {{2, 6, 2}, {3, 5, 2}, {2, 6, 3}, {3, 4, 3}, {4, 4, 2}};
    for (size_t t = 0; t < 15; t++) {
        const size_t *size = sizes[t % 5];
        tn__partition made = {0};
        make_zoo(&z, size[0], size[1], size[2], t + 1);
        z.problem.proof_limit = 100000;
        assert_ok(tn__partition_solve(&made, &z.problem, err));
        assert_true(made.proven);
        assert_near(made.objective, brute(&z, blocks, 0, 0, 0), 1e-9);
        assert_near(made.objective, value_of(&z.problem, made.blocks), 1e-9);
        tn__partition_release(&made);
    }
}

static void restarts_find_the_optimum_of_small_zoos(void **state)
{
    (void)state;
    static zoo z;
    tn__block blocks[MEMBERS_MAX * TN__BLOCKS_MAX];
    for (size_t t = 0; t < 10; t++) {
        tn__partition made = {0};
        make_zoo(&z, 3, 5, 2, 100 + t);
        z.problem.restarts = 200;
        assert_ok(tn__partition_solve(&made, &z.problem, err));
        assert_false(made.proven);
        assert_near(made.objective, brute(&z, blocks, 0, 0, 0), 1e-9);
        tn__partition_release(&made);
    }
}

static void no_half_step_loses_and_no_block_is_too_large(void **state)
{
    (void)state;
    static zoo z;
    for (size_t t = 0; t < 20; t++) {
        tn__partition made = {0};
        make_zoo(&z, 4, 10, 2 + t % 3, 200 + t);
        assert_ok(tn__partition_solve(&made, &z.problem, err));
        assert_true(made.least_gain >= -1e-9);
        assert_true(made.lowest <= made.mean && made.mean <= made.objective + 1e-9);
        for (size_t b = 0; b < 4 * z.problem.blocks; b++) {
            const tn__block *at = &made.blocks[b];
            assert_true(size_of(&z, at->member, at->first, at->last) <=
                        limit_of(&z, at->member));
        }
        tn__partition_release(&made);
    }
}

/* One unit moved over a boundary, or two sets exchanged, gains nothing: the solution is
 * at least a local optimum of the published climb. */
static void no_swap_of_one_unit_gains(void **state)
{
    (void)state;
    static zoo z;
    tn__partition made = {0};
    make_zoo(&z, 4, 10, 3, 77);
    z.problem.restarts = 50;
    assert_ok(tn__partition_solve(&made, &z.problem, err));
    for (size_t b = 0; b < 12; b++) {
        if (b % 3 == 2)
            continue;
        for (int step = -1; step <= 1; step += 2) {
            tn__block moved[12];
            memcpy(moved, made.blocks, sizeof moved);
            moved[b].last += (size_t)step;
            moved[b + 1].first += (size_t)step;
            if (moved[b].last + 1 == moved[b].first ||
                moved[b + 1].first > moved[b + 1].last ||
                size_of(&z, b / 3, moved[b].first, moved[b].last) >
                    limit_of(&z, b / 3) ||
                size_of(&z, b / 3, moved[b + 1].first, moved[b + 1].last) >
                    limit_of(&z, b / 3))
                continue;
            double anchored = 0;
            for (size_t i = 0; i < 12; i++)
                anchored += tn__block_similarity(
                    &z.problem, &moved[i], &made.blocks[made.anchors[moved[i].set]]);
            bool anchor = made.anchors[moved[b].set] == b ||
                          made.anchors[moved[b + 1].set] == b + 1;
            assert_true(anchor || anchored <= made.objective + 1e-9);
        }
    }
    tn__partition_release(&made);
}

static void same_seed_same_partition(void **state)
{
    (void)state;
    static zoo z;
    tn__partition a = {0}, b = {0};
    make_zoo(&z, 4, 10, 3, 5);
    assert_ok(tn__partition_solve(&a, &z.problem, err));
    assert_ok(tn__partition_solve(&b, &z.problem, err));
    assert_memory_equal(a.blocks, b.blocks, 12 * sizeof *a.blocks);
    tn__partition_release(&a);
    tn__partition_release(&b);
}

static void order_of_members_does_not_matter(void **state)
{
    (void)state;
    static zoo z, turned;
    tn__partition a = {0}, b = {0};
    make_zoo(&z, 2, 6, 2, 9);
    z.problem.proof_limit = 100000;
    turned = z;
    size_t cuts = z.problem.cuts, split = z.offset[1], rest = cuts - split;
    for (size_t i = 0; i < 2; i++) {
        turned.units[i] = z.units[1 - i];
        turned.size[i] = z.sizes[1 - i];
    }
    turned.offset[1] = rest;
    for (size_t u = 0; u < cuts; u++)
        for (size_t v = 0; v < cuts; v++)
            turned.similarity[(u + rest) % cuts * cuts + (v + rest) % cuts] =
                z.similarity[u * cuts + v];
    turned.problem.units = turned.units;
    turned.problem.size = turned.size;
    turned.problem.offset = turned.offset;
    turned.problem.similarity = turned.similarity;
    assert_ok(tn__partition_solve(&a, &z.problem, err));
    assert_ok(tn__partition_solve(&b, &turned.problem, err));
    assert_near(a.objective, b.objective, 1e-9);
    tn__partition_release(&a);
    tn__partition_release(&b);
}

static void too_tight_sizes_name_the_least_eps(void **state)
{
    (void)state;
    static zoo z;
    tn__partition made = {0};
    double least = 0;
    make_zoo(&z, 2, 4, 2, 3);
    for (size_t u = 0; u < 4; u++)
        z.sizes[0][u] = z.sizes[1][u] = u == 3 ? 5 : 1;
    z.units[0] = z.units[1] = 4;
    z.problem.eps = 0.2;
    assert_ok(tn__partition_least_eps(&least, &z.problem, err));
    assert_near(least, 0.25, 1e-12); /* 5 of 8 in one block, the mean is 4 */
    assert_fails(tn__partition_solve(&made, &z.problem, err), TN_ERROR_ARGUMENT,
                 "the least that works is 0.2500");
    assert_null(made.blocks);
    z.problem.eps = 0.25;
    assert_ok(tn__partition_solve(&made, &z.problem, err));
    tn__partition_release(&made);
    z.problem.blocks = 5;
    assert_fails(tn__partition_solve(&made, &z.problem, err), TN_ERROR_ARGUMENT,
                 "too few for 5 blocks");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(enumeration_of_anchors_is_brute_force),
        cmocka_unit_test(restarts_find_the_optimum_of_small_zoos),
        cmocka_unit_test(no_half_step_loses_and_no_block_is_too_large),
        cmocka_unit_test(no_swap_of_one_unit_gains),
        cmocka_unit_test(same_seed_same_partition),
        cmocka_unit_test(order_of_members_does_not_matter),
        cmocka_unit_test(too_tight_sizes_name_the_least_eps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
