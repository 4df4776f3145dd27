/* test_cut_features.c - CKA of cuts against the plain definition, regression with its
 * direction, and the cache. */
#include "zoos.h"

#include "assemble/cut_features.h"
#include "cluster/in_threads.h"
#include "similarity/cka.h"

#define IMAGES 128

typedef struct probed {
    tn_zoo *zoo;
    float *images;
    tn__workers *workers;
    tn__probe probe;
    tn__zoo_features features;
} probed;

static void probe_zoo(probed *p, size_t threads, bool pooled, bool rbf)
{
    const char *archs[] = {"resnet20x0.25", "resnet32x0.125"};
    memset(p, 0, sizeof *p);
    p->zoo = make_zoo(archs, 2);
    p->images = random_images(IMAGES, 3072, 5);
    assert_ok(tn__workers_create(&p->workers, threads, err));
    p->probe = (tn__probe){.images = p->images,
                           .n = IMAGES,
                           .sampled = 64,
                           .pooled = pooled,
                           .rbf = rbf,
                           .workers = p->workers,
                           .describe = "noise"};
    assert_ok(tn__zoo_features_create(&p->features, p->zoo, &p->probe, err));
}

static void release(probed *p)
{
    tn__zoo_features_release(&p->features);
    tn__workers_free(p->workers);
    free(p->images);
    tn_zoo_free(p->zoo);
}

static void cka_is_that_of_the_definition(void **state)
{
    (void)state;
    probed p;
    double *cka = NULL;
    probe_zoo(&p, 1, true, false);
    assert_ok(tn__zoo_features_cka(&cka, &p.features, err));
    size_t n = p.features.cuts, u = 4, v = p.features.offset[1] + 7;
    const tn__cut_features *a = &p.features.list[u], *b = &p.features.list[v];
    static double k[64 * 64], l[64 * 64];
    double kl = 0, kk = 0, ll = 0;
    for (size_t s = 0; s < 1; s++) { /* rows are kept of the first 64 images only */
        assert_ok(tn__gram_linear(k, a->rows, 64, a->channels, err));
        assert_ok(tn__gram_linear(l, b->rows, 64, b->channels, err));
        kl += tn__hsic_unbiased(k, l, 64);
        kk += tn__hsic_unbiased(k, k, 64);
        ll += tn__hsic_unbiased(l, l, 64);
        double dot = 0, aa = 0, bb = 0;
        for (size_t i = 0; i < 64 * 64; i++) {
            dot += (double)a->gram[i] * (double)b->gram[i];
            aa += (double)a->gram[i] * (double)a->gram[i];
            bb += (double)b->gram[i] * (double)b->gram[i];
        }
        assert_near(dot / 64, kl, 1e-5 * fabs(kl) + 1e-9);
        assert_near(dot / sqrt(aa * bb), kl / sqrt(kk * ll), 1e-5);
    }
    for (size_t i = 0; i < n; i++) {
        assert_true(cka[i * n + i] == 1);
        for (size_t j = 0; j < n; j++)
            assert_true(cka[i * n + j] == cka[j * n + i] && cka[i * n + j] <= 1 + 1e-6);
    }
    assert_near(cka[p.features.offset[1]], 1, 1e-6); /* both inputs are the images */
    free(cka);
    release(&p);
}

static void threads_change_nothing(void **state)
{
    (void)state;
    probed one, two;
    for (int rbf = 0; rbf < 2; rbf++) {
        double *a = NULL, *b = NULL;
        probe_zoo(&one, 1, false, rbf);
        probe_zoo(&two, 2, false, rbf);
        size_t n = one.features.cuts;
        assert_ok(tn__zoo_features_cka(&a, &one.features, err));
        assert_ok(tn__zoo_features_cka(&b, &two.features, err));
        assert_memory_equal(a, b, n * n * sizeof *a);
        free(a);
        free(b);
        release(&one);
        release(&two);
    }
}

static tn_status stream_share(void *user, const tn_cluster *cluster, tn_error *err)
{
    probed *p = user;
    p->probe.cluster = cluster;
    return tn__zoo_features_create(&p->features, p->zoo, &p->probe, err);
}

static void expect_same_features(const tn__zoo_features *a, const tn__zoo_features *b)
{
    assert_int_equal(a->cuts, b->cuts);
    for (size_t c = 0; c < a->cuts; c++) {
        const tn__cut_features *x = &a->list[c], *y = &b->list[c];
        assert_memory_equal(x->rows, y->rows,
                            a->sampled * x->positions * x->channels * sizeof(float));
        assert_memory_equal(x->gram, y->gram,
                            a->shards * a->shard * a->shard * sizeof(float));
    }
}

/* Two shards on two processes, and on three, of which one has nothing to do. */
static void processes_change_nothing(void **state)
{
    (void)state;
    probed alone, each[3];
    one_rank ranks[3];
    void *users[3];
    probe_zoo(&alone, 1, false, false);
    for (size_t size = 2; size <= 3; size++) {
        for (size_t r = 0; r < size; r++) {
            probe_zoo(&each[r], 1, false, false);
            tn__zoo_features_release(&each[r].features);
            users[r] = &each[r];
        }
        run_in_threads(ranks, size, stream_share, users);
        for (size_t r = 0; r < size; r++) {
            assert_int_equal(ranks[r].status, TN_OK);
            expect_same_features(&each[r].features, &alone.features);
            release(&each[r]);
        }
    }
    release(&alone);
}

/* y = (x1 + x2): x tells y, y does not tell x. */
static void regression_has_a_direction(void **state)
{
    (void)state;
    tn__cut_features list[2] = {{.channels = 2, .positions = 1},
                                {.channels = 1, .positions = 1}};
    tn__zoo_features f = {.cuts = 2, .sampled = 200, .list = list};
    tn__rng rng;
    double forward, backward, self;
    tn__rng_seed(&rng, 1, 1);
    list[0].rows = calloc(400, sizeof(float));
    list[1].rows = calloc(200, sizeof(float));
    for (size_t i = 0; i < 200; i++) {
        list[0].rows[2 * i] = (float)tn__rng_normal(&rng) + 3;
        list[0].rows[2 * i + 1] = (float)tn__rng_normal(&rng);
        list[1].rows[i] = list[0].rows[2 * i] + list[0].rows[2 * i + 1];
    }
    assert_ok(tn__zoo_features_residual(&forward, &f, 0, 1, err));
    assert_ok(tn__zoo_features_residual(&backward, &f, 1, 0, err));
    assert_ok(tn__zoo_features_residual(&self, &f, 1, 1, err));
    assert_true(forward < 1e-3 && backward > 0.3 && backward < 0.7 && self == 0);
    free(list[0].rows);
    free(list[1].rows);
}

static void what_the_cache_gives_is_what_was_measured(void **state)
{
    (void)state;
    probed p;
    char folder[] = "/tmp/tenon-cache-XXXXXX", command[64];
    assert_non_null(mkdtemp(folder));
    probe_zoo(&p, 1, false, false);
    p.probe.cache = folder;
    for (size_t i = 0; i < 2; i++) /* as if both came from files */
        memset(p.zoo->members[i].model->source_sha256, 'a' + (int)i, 64);
    for (size_t round = 0; round < 2; round++) {
        tn__zoo_features again = {0};
        assert_ok(tn__zoo_features_create(&again, p.zoo, &p.probe, err));
        assert_int_equal(again.cached, round ? 2 : 0);
        for (size_t c = 0; c < again.cuts; c++)
            assert_memory_equal(again.list[c].gram, p.features.list[c].gram,
                                again.shards * 64 * 64 * sizeof(float));
        tn__zoo_features_release(&again);
    }
    p.probe.pooled = true; /* other features are not these */
    tn__zoo_features other = {0};
    assert_ok(tn__zoo_features_create(&other, p.zoo, &p.probe, err));
    assert_int_equal(other.cached, 0);
    tn__zoo_features_release(&other);
    release(&p);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cka_is_that_of_the_definition),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(processes_change_nothing),
        cmocka_unit_test(regression_has_a_direction),
        cmocka_unit_test(what_the_cache_gives_is_what_was_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
