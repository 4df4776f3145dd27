/* contenders.h - programs that do the same work in turns, so that a noisy machine is
 * noisy for all.
 *
 * Each contender is a process that reads a number of rounds of work from its standard
 * input, does it, and answers "processor-seconds wall-seconds peak-MB", the first two
 * for one round. The first turn warms up and is not counted.
 */
#ifndef TENON_BENCH_CONTENDERS_H
#define TENON_BENCH_CONTENDERS_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#define TURNS_MAX 64
#define ARGV_MAX 9 /* with the NULL at the end */

typedef struct contender {
    const char *label;
    int group; /* whom it is compared with: the caller's */
    bool peer;
    bool beside; /* takes its turns at the same time as the one after it */
    const char *argv[ARGV_MAX];
    pid_t pid;
    FILE *to, *from; /* NULL: it is gone */
    double cpu[TURNS_MAX], wall[TURNS_MAX];
    long peak; /* MB */
    int turns;
} contender;

/* Starts all, gives each `turns` turns of `rounds` rounds after one to warm up, and
 * stops them. One that cannot be started or fails has no turns. */
void contend(contender *c, int count, int turns, int rounds);
double median(double *x, int n); /* sorts; 0 of none */
double seconds_of(clockid_t clock);

/* --- the other side ---
 *
 *     server s = {0};
 *     while (next_turn(&s))
 *         for each of s.rounds: work, then round_done(&s)
 */
typedef struct server {
    int rounds, left; /* of this turn */
    double cpu, wall;
} server;

int next_turn(server *s);  /* 0 at the end of input */
int round_done(server *s); /* 1: it was the last of the turn, and is answered for */

#endif
