/* bench_transport.c - exact and entropic transport against POT and SciPy.
 *
 *     bench_transport [--quick] [--only PROBLEM] [--seed N] [--repeat N]
 *                     [--python FILE] [--peers FILE]
 *
 * Both sides solve the same costs in one run, by turns, each on one thread; a row shows
 * the median seconds of each. Points are standard normal in R^64 and costs Euclidean;
 * "planted" are permuted copies with noise. The peers are a Python process
 * (transport_peers.py) spoken to through pipes, with costs passed in a file; where it
 * does not start, or lacks a solver, its columns show "-". Only the solvers are timed.
 */
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tenon/transport.h"

enum { DIMENSIONS = 64, MOST_REPEATS = 31 };

typedef enum { RANDOM, PLANTED } layout;

typedef struct {
    const char *name;   /* of the row */
    const char *solver; /* emd, assign, sinkhorn: what the peer is asked for */
    layout points;
    double parameter; /* noise of PLANTED, regularisation of sinkhorn */
    size_t n, m;
    bool quick;
} instance;

static const instance INSTANCES[] = {
    {"random", "assign", RANDOM, 0, 512, 512, true},
    {"random", "assign", RANDOM, 0, 1024, 1024, false},
    {"random", "assign", RANDOM, 0, 2048, 2048, false},
    {"random", "assign", RANDOM, 0, 4096, 4096, false},
    {"planted 0.1", "emd", PLANTED, 0.1, 512, 512, true},
    {"planted 0.5", "emd", PLANTED, 0.5, 1024, 1024, false},
    {"planted 0.1", "emd", PLANTED, 0.1, 2048, 2048, false},
    {"planted 0.5", "emd", PLANTED, 0.5, 4096, 4096, false},
    {"unequal", "emd", RANDOM, 0, 512, 256, true},
    {"unequal", "emd", RANDOM, 0, 1024, 512, false},
    {"unequal", "emd", RANDOM, 0, 1000, 999, false},
    {"unequal", "emd", RANDOM, 0, 2048, 1024, false},
    {"unequal", "emd", RANDOM, 0, 4096, 2048, false},
    {"entropic 0.05", "sinkhorn", RANDOM, 0.05, 512, 512, true},
    {"entropic 0.01", "sinkhorn", RANDOM, 0.01, 512, 256, true},
    {"entropic 0.02", "sinkhorn", RANDOM, 0.02, 1024, 1024, false},
    {"entropic 0.02", "sinkhorn", RANDOM, 0.02, 2048, 1024, false},
};

typedef struct {
    bool quick;
    uint64_t seed;
    size_t repeats;
    const char *python, *peers;
    const char *only; /* NULL: every problem */
} settings;

/* A running peer; `to` is NULL where there is none. */
typedef struct {
    FILE *to, *from;
    pid_t pid;
    char costs[64]; /* file the costs are passed in */
} peer;

typedef struct {
    double seconds, cost, gap;
    bool done;
} result;

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* splitmix64 (Steele, Lea and Flood 2014). */
static double next_uniform(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return ((double)((z ^ (z >> 31)) >> 11) + 0.5) * 0x1p-53;
}

/* Box and Muller. */
static double next_normal(uint64_t *state)
{
    double radius = sqrt(-2 * log(next_uniform(state)));
    return radius * cos(6.283185307179586 * next_uniform(state));
}

/* y is x in a random order plus noise. */
static void plant(double *y, const double *x, size_t n, double noise, uint64_t *state)
{
    size_t *order = calloc(n, sizeof *order);
    if (!order)
        return;
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    for (size_t i = n; i > 1; i--) {
        size_t k = (size_t)(next_uniform(state) * (double)i), kept = order[k];
        order[k] = order[i - 1];
        order[i - 1] = kept;
    }
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < DIMENSIONS; k++)
            y[i * DIMENSIONS + k] =
                x[order[i] * DIMENSIONS + k] + noise * next_normal(state);
    free(order);
}

/* Owned costs [n, m] of an instance; NULL where there is no memory. */
static double *make_costs(const instance *what, uint64_t seed)
{
    size_t n = what->n, m = what->m;
    uint64_t state = seed * 1000003 + n * 4099 + m;
    double *x = calloc(n * DIMENSIONS, sizeof *x),
           *y = calloc(m * DIMENSIONS, sizeof *y),
           *costs = calloc(n * m, sizeof *costs);
    bool ok = x && y && costs;
    for (size_t k = 0; ok && k < n * DIMENSIONS; k++)
        x[k] = next_normal(&state);
    for (size_t k = 0; ok && k < m * DIMENSIONS; k++)
        y[k] = next_normal(&state);
    if (ok && what->points == PLANTED)
        plant(y, x, n, what->parameter, &state);
    tn_error err = {0};
    if (ok && tn_ot_cost(costs, x, y, n, m, DIMENSIONS, TN_OT_EUCLIDEAN, &err)) {
        fprintf(stderr, "bench_transport: %s\n", err.message);
        ok = false;
    }
    free(x);
    free(y);
    if (ok)
        return costs;
    free(costs);
    return NULL;
}

static tn_status run_assign(result *out, const double *costs, size_t n, tn_error *err)
{
    uint32_t *column = calloc(n, sizeof *column);
    double start = seconds_now();
    tn_status status = tn_ot_assign(column, &out->cost, &out->gap, costs, n, err);
    out->seconds = seconds_now() - start;
    out->cost /= (double)n;
    free(column);
    return status;
}

static tn_status run_emd(result *out, const double *costs, size_t n, size_t m,
                         tn_error *err)
{
    tn_ot_plan plan = {0};
    double start = seconds_now();
    tn_status status = tn_ot_emd(&plan, NULL, NULL, costs, n, m, err);
    out->seconds = seconds_now() - start;
    out->cost = plan.cost;
    out->gap = plan.gap;
    tn_ot_plan_release(&plan);
    return status;
}

static tn_status run_sinkhorn(result *out, const double *costs, const instance *what,
                              tn_error *err)
{
    tn_ot_sinkhorn_options options = TN_OT_SINKHORN_OPTIONS_INIT;
    options.regularization = what->parameter;
    double *plan = calloc(what->n * what->m, sizeof *plan);
    double start = seconds_now();
    tn_status status = tn_ot_sinkhorn(plan, &out->cost, NULL, NULL, NULL, NULL, costs,
                                      what->n, what->m, &options, err);
    out->seconds = seconds_now() - start;
    out->gap = (double)NAN;
    free(plan);
    return status;
}

static result run_tenon(const instance *what, const double *costs)
{
    result out = {0};
    tn_error err = {0};
    tn_status status;
    if (!strcmp(what->solver, "assign"))
        status = run_assign(&out, costs, what->n, &err);
    else if (!strcmp(what->solver, "emd"))
        status = run_emd(&out, costs, what->n, what->m, &err);
    else
        status = run_sinkhorn(&out, costs, what, &err);
    out.done = status == TN_OK;
    if (!out.done)
        fprintf(stderr, "bench_transport: %s\n", err.message);
    return out;
}

/* Becomes the peer, on one thread. */
static void exec_peer(const settings *s, const int *in, const int *out)
{
    dup2(in[0], 0);
    dup2(out[1], 1);
    close(in[1]);
    close(out[0]);
    setenv("OMP_NUM_THREADS", "1", 1);
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    execl(s->python, s->python, s->peers, (char *)NULL);
    _exit(127);
}

static void peer_start(peer *p, const settings *s)
{
    *p = (peer){.costs = "/tmp/bench_transport_XXXXXX"};
    int in[2], out[2], file = mkstemp(p->costs);
    if (file < 0 || pipe(in) || pipe(out))
        return;
    close(file);
    p->pid = fork();
    if (p->pid == 0)
        exec_peer(s, in, out);
    close(in[0]);
    close(out[1]);
    p->to = fdopen(in[1], "w");
    p->from = fdopen(out[0], "r");
}

static void peer_stop(peer *p)
{
    if (p->to)
        fclose(p->to);
    if (p->from)
        fclose(p->from);
    if (p->pid > 0)
        waitpid(p->pid, NULL, 0);
    unlink(p->costs);
}

static bool peer_load(const peer *p, const double *costs, size_t count)
{
    FILE *file = p->to ? fopen(p->costs, "wb") : NULL;
    if (!file)
        return false;
    bool ok = fwrite(costs, sizeof *costs, count, file) == count;
    return fclose(file) == 0 && ok;
}

/* The peer's regularisation is absolute, ours relative to the mean cost. */
static result run_peer(peer *p, const instance *what, double mean)
{
    result out = {0};
    char line[128];
    fprintf(p->to, "%s %zu %zu %.17g %s\n", what->solver, what->n, what->m,
            what->parameter * mean, p->costs);
    out.done = fflush(p->to) == 0 && fgets(line, sizeof line, p->from) &&
               sscanf(line, "%lf %lf", &out.seconds, &out.cost) == 2;
    return out;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, size_t count)
{
    qsort(x, count, sizeof *x, compare_doubles);
    return count % 2 ? x[count / 2] : (x[count / 2 - 1] + x[count / 2]) / 2;
}

static void print_row(const instance *what, const result *ours, const result *theirs)
{
    printf("| %-13s | %-8s | %4zu | %4zu | %8.4f |", what->name, what->solver, what->n,
           what->m, ours->seconds);
    if (theirs->done)
        printf(" %8.4f | %6.2f | %9.1e |", theirs->seconds,
               theirs->seconds / ours->seconds, ours->cost / theirs->cost - 1);
    else
        printf(" %8s | %6s | %9s |", "-", "-", "-");
    if (isnan(ours->gap))
        printf(" %8s |\n", "-");
    else
        printf(" %8.1e |\n", ours->gap);
    fflush(stdout);
}

/* Times one instance by turns; false where Tenon fails. */
static bool run_instance(const instance *what, const settings *s, peer *p)
{
    double *costs = make_costs(what, s->seed), mean = 0;
    double our_seconds[MOST_REPEATS], peer_seconds[MOST_REPEATS];
    if (!costs)
        return false;
    for (size_t k = 0; k < what->n * what->m; k++)
        mean += costs[k] / ((double)what->n * (double)what->m);
    result ours = {.done = true};
    result theirs = {.done = peer_load(p, costs, what->n * what->m)};
    for (size_t r = 0; r < s->repeats && ours.done; r++) {
        ours = run_tenon(what, costs);
        our_seconds[r] = ours.seconds;
        if (theirs.done)
            theirs = run_peer(p, what, mean);
        peer_seconds[r] = theirs.seconds;
    }
    if (ours.done) {
        ours.seconds = median(our_seconds, s->repeats);
        theirs.seconds = median(peer_seconds, s->repeats);
        print_row(what, &ours, &theirs);
    }
    free(costs);
    return ours.done;
}

static int usage(void)
{
    fprintf(stderr,
            "usage: bench_transport [--quick] [--only PROBLEM] [--seed N]\n"
            "                       [--repeat N (1 to %d)] [--python FILE] [--peers "
            "FILE]\n",
            MOST_REPEATS);
    return 2;
}

static bool read_arguments(settings *s, int argc, char **argv)
{
    for (int k = 1; k < argc; k++) {
        const char *value = k + 1 < argc ? argv[k + 1] : NULL;
        if (!strcmp(argv[k], "--quick")) {
            s->quick = true;
            continue;
        }
        if (!value)
            return false;
        if (!strcmp(argv[k], "--seed"))
            s->seed = strtoull(value, NULL, 10);
        else if (!strcmp(argv[k], "--repeat"))
            s->repeats = strtoull(value, NULL, 10);
        else if (!strcmp(argv[k], "--only"))
            s->only = value;
        else if (!strcmp(argv[k], "--python"))
            s->python = value;
        else if (!strcmp(argv[k], "--peers"))
            s->peers = value;
        else
            return false;
        k++;
    }
    return s->repeats >= 1 && s->repeats <= MOST_REPEATS;
}

int main(int argc, char **argv)
{
    settings s = {false, 1, 5, "/usr/bin/python3", "bench/transport_peers.py", NULL};
    if (!read_arguments(&s, argc, argv))
        return usage();
    signal(SIGPIPE, SIG_IGN);
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    peer p;
    peer_start(&p, &s);
    printf("| points        | problem  |    n |    m | tenon, s |  peer, s |  ratio | "
           "cost diff |      gap |\n"
           "|---------------|----------|------|------|----------|----------|--------|-"
           "----------|----------|\n");
    int status = 0;
    for (size_t k = 0; k < sizeof INSTANCES / sizeof *INSTANCES; k++) {
        const instance *what = &INSTANCES[k];
        bool wanted = !s.quick || what->quick;
        if (s.only && strcmp(s.only, what->solver) != 0)
            wanted = false;
        if (wanted && !run_instance(what, &s, &p))
            status = 1;
    }
    peer_stop(&p);
    return status;
}
