/* bench_training.c - a training step of Tenon beside PyTorch's, in one run.
 *
 *     bench_training [--rounds N] [--scaling] [NET...]
 *
 * A step is forward, backward and SGD with momentum on 128 random images. Every
 * contender is a process of its own (this program with --serve, or training_peers.py
 * under /usr/bin/python3 where that has torch) that does a few steps when told to; they
 * take turns, so that a noisy machine is noisy for all. Figures are medians over rounds
 * of the processor time a step took; the first turn warms up and is not counted. A
 * ratio is to the best of PyTorch's in the same precision. A network without an
 * architecture here is exported by training_peers.py into build/bench-models.
 *
 * --scaling asks instead what a second worker brings: beside it run two processes of
 * one worker at the same time. What they reach together is what the machine can give,
 * whose processors share caches, memory and power.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "contenders.h"
#include "tenon/tenon.h"

#define BATCH 128

#define PYTHON "/usr/bin/python3"
#define PEERS "bench/training_peers.py"
#define EXPORTED "build/bench-models"

typedef struct net {
    const char *name, *arch; /* NULL: exported */
    const char *data;
    int steps; /* in one turn */
} net;

static const net nets[] = {
    {"mlp", "mlp:784-400-200-100-10", "random:1x28x28,limit=1280,classes=10", 50},
    {"resnet20", "resnet20", "random:3x32x32,limit=1280,classes=10", 4},
    {"vgg11-bn", "vgg11-bn", "random:3x32x32,limit=1280,classes=10", 2},
    {"mobilenet", "mobilenet", "random:3x32x32,limit=1280,classes=10", 2},
    {"vit", NULL, "random:3x32x32,limit=1280,classes=10", 1},
    {"resnet18", "resnet18", "random:3x32x32,limit=1280,classes=10", 1},
};
#define NETS (sizeof nets / sizeof nets[0])

/* --- serving: steps on demand --- */

/* Called after every step of tn_train(). Setting up falls into the first turn. */
static int after_step(void *user, const tn_progress *progress)
{
    server *s = user;
    (void)progress;
    return round_done(s) && !next_turn(s);
}

static void path_of(char path[static 64], const net *net)
{
    snprintf(path, 64, EXPORTED "/%s.onnx", net->name);
}

/* Before the contenders start. */
static void export(const net *net)
{
    char path[64], command[192];
    struct stat info;
    path_of(path, net);
    if (net->arch || !stat(path, &info))
        return;
    mkdir(EXPORTED, 0777);
    snprintf(command, sizeof command, PYTHON " " PEERS " %s export %s", net->name,
             path);
    if (system(command))
        fprintf(stderr, "bench_training: '%s' cannot be exported\n", net->name);
}

static tn_status make_model(tn_model **out, const net *net, const tn_dataset *data,
                            tn_error *err)
{
    char path[64];
    int64_t shape[3];
    path_of(path, net);
    tn_dataset_shape(shape, data);
    return net->arch ? tn_model_create(out, net->arch, shape, 10, 1, err)
                     : tn_model_load(out, path, NULL, err);
}

static int serve(const net *net, size_t threads, tn_precision precision)
{
    tn_error err = {0};
    tn_model *model = NULL, *trained = NULL;
    tn_dataset *data = NULL;
    tn_train_options options = TN_TRAIN_OPTIONS_INIT;
    server s = {0};
    tn_observer observer = {.progress = after_step, .user = &s};
    tn_status status = tn_dataset_open(&data, net->data, NULL, &err);
    if (!status)
        status = make_model(&model, net, data, &err);
    options.batch = BATCH;
    options.threads = threads;
    options.precision = precision;
    options.epochs = 1000000;
    options.learning_rate = 0.01;
    options.schedule = TN_SCHEDULE_CONSTANT;
    options.warmup_epochs = 0;
    if (!status && next_turn(&s))
        status = tn_train(&trained, NULL, model, data, &options, &observer, &err);
    if (status && status != TN_ERROR_CANCELLED)
        fprintf(stderr, "bench_training: %s\n", err.message);
    tn_model_free(trained);
    tn_model_free(model);
    tn_dataset_free(data);
    return status && status != TN_ERROR_CANCELLED;
}

/* --- contenders --- */

/* Images a second of processor time. */
static double per_core(contender *c)
{
    double cpu = median(c->cpu, c->turns);
    return cpu > 0 ? BATCH / cpu : 0;
}

static void print_rows(const net *net, contender *c, int count)
{
    double best[2] = {0}; /* of PyTorch, in f32 and bf16 */
    for (int i = 0; i < count; i++)
        if (c[i].peer && per_core(&c[i]) > best[c[i].group])
            best[c[i].group] = per_core(&c[i]);
    for (int i = 0; i < count; i++) {
        double torch = best[c[i].group];
        double wall = median(c[i].wall, c[i].turns);
        if (!c[i].turns) {
            printf("%-9s %-22s %10s\n", net->name, c[i].label, "-");
            continue;
        }
        printf("%-9s %-22s %10.1f %10.1f %8ld", net->name, c[i].label, per_core(&c[i]),
               BATCH / wall, c[i].peak);
        if (torch > 0)
            printf(" %8.2f", per_core(&c[i]) / torch);
        printf("\n");
    }
    fflush(stdout);
}

static void compare(const net *net, const char *self, int rounds)
{
    contender c[] = {
        {.label = "tenon, 1 worker", .argv = {self, "--serve", net->name, "1", "f32"}},
        {.label = "tenon, 2 workers", .argv = {self, "--serve", net->name, "2", "f32"}},
        {.label = "torch, contiguous",
         .peer = true,
         .argv = {PYTHON, PEERS, net->name, "contiguous"}},
        {.label = "torch, channels last",
         .peer = true,
         .argv = {PYTHON, PEERS, net->name, "channels_last"}},
        {.label = "tenon, bf16, 1 worker",
         .group = 1,
         .argv = {self, "--serve", net->name, "1", "bf16"}},
        {.label = "tenon, bf16, 2 workers",
         .group = 1,
         .argv = {self, "--serve", net->name, "2", "bf16"}},
        {.label = "torch, bf16 autocast",
         .peer = true,
         .group = 1,
         .argv = {PYTHON, PEERS, net->name, "bf16"}},
    };
    int count = (int)(sizeof c / sizeof c[0]);
    export(net);
    contend(c, count, rounds, net->steps);
    print_rows(net, c, count);
}

/* Images a second of wall time, of `count` contenders at once. */
static double speed(contender *c, int count)
{
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum += c[i].turns ? BATCH / median(c[i].wall, c[i].turns) : 0;
    return sum;
}

static void scale(const net *net, const char *self, int rounds)
{
    static const char *const precisions[] = {"f32", "bf16"};
    export(net);
    for (size_t k = 0; k < sizeof precisions / sizeof precisions[0]; k++) {
        const char *p = precisions[k];
        contender c[] = {
            {.argv = {self, "--serve", net->name, "1", p}},
            {.argv = {self, "--serve", net->name, "2", p}},
            {.argv = {self, "--serve", net->name, "1", p}, .beside = true},
            {.argv = {self, "--serve", net->name, "1", p}},
        };
        contend(c, (int)(sizeof c / sizeof c[0]), rounds, net->steps);
        double one = speed(&c[0], 1);
        if (one > 0)
            printf("%-9s %-10s %12.1f %12.2f %12.2f\n", net->name, p, one,
                   speed(&c[1], 1) / one, speed(&c[2], 2) / one);
        fflush(stdout);
    }
}

static const net *find(const char *name)
{
    for (size_t i = 0; i < NETS; i++)
        if (strcmp(nets[i].name, name) == 0)
            return &nets[i];
    fprintf(stderr, "bench_training: there is no net '%s'\n", name);
    return NULL;
}

int main(int argc, char **argv)
{
    int rounds = 5, first = 1;
    void (*measure)(const net *, const char *, int) = compare;
    if (argc == 5 && strcmp(argv[1], "--serve") == 0)
        return find(argv[2]) ? serve(find(argv[2]), (size_t)atoi(argv[3]),
                                     strcmp(argv[4], "bf16") ? TN_PRECISION_F32
                                                             : TN_PRECISION_BF16)
                             : 2;
    if (argc > 2 && strcmp(argv[1], "--rounds") == 0) {
        rounds = atoi(argv[2]);
        first = 3;
    }
    if (argc > first && strcmp(argv[first], "--scaling") == 0) {
        measure = scale;
        first++;
    }
    if (rounds < 1 || rounds > TURNS_MAX)
        return 2;
    if (measure == scale)
        printf("%-9s %-10s %12s %12s %12s\n", "net", "", "img/s", "2 workers",
               "2 processes");
    else
        printf("%-9s %-22s %10s %10s %8s %8s\n", "net", "", "img/s/core", "img/s",
               "peak MB", "ratio");
    for (int i = first; i < argc; i++) {
        if (!find(argv[i]))
            return 2;
        measure(find(argv[i]), "/proc/self/exe", rounds);
    }
    for (size_t i = 0; argc <= first && i < NETS; i++)
        measure(&nets[i], "/proc/self/exe", rounds);
    return 0;
}
