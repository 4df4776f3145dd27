/* contenders.c - processes that take turns; see contenders.h. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "contenders.h"

double seconds_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Waits for "ROUNDS\n". */
int next_turn(server *s)
{
    if (scanf("%d", &s->rounds) != 1 || s->rounds < 1)
        return 0;
    s->left = s->rounds;
    s->cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    s->wall = seconds_of(CLOCK_MONOTONIC);
    return 1;
}

int round_done(server *s)
{
    if (--s->left > 0)
        return 0;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("%.9f %.9f %ld\n",
           (seconds_of(CLOCK_PROCESS_CPUTIME_ID) - s->cpu) / s->rounds,
           (seconds_of(CLOCK_MONOTONIC) - s->wall) / s->rounds, usage.ru_maxrss / 1024);
    fflush(stdout);
    return 1;
}

static int start(contender *c)
{
    int in[2], out[2];
    /* Closed on exec, or a later contender would hold an earlier one's pipe open. */
    if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
        return 0;
    c->pid = fork();
    if (c->pid < 0)
        return 0;
    if (c->pid == 0) {
        char *argv[ARGV_MAX] = {NULL};
        for (int i = 0; i < ARGV_MAX - 1 && c->argv[i]; i++)
            argv[i] = strdup(c->argv[i]);
        dup2(in[0], 0);
        dup2(out[1], 1);
        execvp(argv[0], argv);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    c->to = fdopen(in[1], "w");
    c->from = fdopen(out[0], "r");
    return c->to && c->from;
}

static void stop(contender *c)
{
    if (c->to)
        fclose(c->to);
    if (c->from)
        fclose(c->from);
    if (c->pid > 0)
        waitpid(c->pid, NULL, 0);
    c->to = c->from = NULL;
    c->pid = 0;
}

static void ask(contender *c, int rounds)
{
    if (!c->to)
        return;
    fprintf(c->to, "%d\n", rounds);
    fflush(c->to);
}

static void hear(contender *c, bool counts)
{
    double cpu, wall;
    if (!c->from)
        return;
    if (fscanf(c->from, "%lf %lf %ld", &cpu, &wall, &c->peak) != 3) {
        stop(c);
        return;
    }
    if (counts) {
        c->cpu[c->turns] = cpu;
        c->wall[c->turns++] = wall;
    }
}

void contend(contender *c, int count, int turns, int rounds)
{
    signal(SIGPIPE, SIG_IGN); /* a contender may be missing */
    for (int i = 0; i < count; i++)
        if (!start(&c[i]))
            stop(&c[i]);
    for (int t = 0; t <= turns && t <= TURNS_MAX; t++)
        for (int first = 0, last; first < count; first = last + 1) {
            for (last = first; c[last].beside && last + 1 < count; last++)
                ask(&c[last], rounds);
            ask(&c[last], rounds);
            for (int i = first; i <= last; i++)
                hear(&c[i], t > 0);
        }
    for (int i = 0; i < count; i++)
        stop(&c[i]);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double median(double *x, int n)
{
    qsort(x, (size_t)n, sizeof *x, ascending);
    return n ? x[n / 2] : 0;
}
