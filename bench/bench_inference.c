/* bench_inference.c - a forward pass of Tenon beside PyTorch's and onnxruntime's.
 *
 *     bench_inference [--turns N] [--batch N] [--side N] [--threads N]
 *                     [--models FOLDER] [MODEL...]
 *
 * Networks are torchvision's with random weights, exported by inference_peers.py to
 * FOLDER (build/bench-models) where they are not there yet. Every contender is a
 * process (this program with --serve, inference_peers.py under /usr/bin/python3, and
 * inference_peers.js under node, which looks for onnxruntime-node in
 * build/onnxruntime); they take turns. Figures are medians over turns: milliseconds of
 * processor time for a batch, and of wall time. With one thread ratios are those of
 * processor time, which other programs disturb less; with more of wall time. A ratio
 * above 1 says that Tenon is faster. Without arguments: four networks, one image of
 * side 224, one thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "contenders.h"
#include "tenon/tenon.h"

#define PYTHON "/usr/bin/python3"
#define PEERS "bench/inference_peers.py"

typedef struct settings {
    int turns, rounds;
    const char *batch, *side, *threads, *models;
} settings;

/* --- serving --- */

static int serve(const char *path, size_t batch, size_t side, size_t threads)
{
    tn_error err = {0};
    tn_model *model = NULL;
    tn_session *session = NULL;
    tn_eval_options options = {.threads = threads};
    server s = {0};
    size_t count = batch * 3 * side * side;
    float *images = malloc(count * sizeof *images);
    float *outputs = malloc(batch * 1000 * sizeof *outputs);
    tn_status status = images && outputs ? TN_OK : TN_ERROR_MEMORY;
    for (size_t i = 0; i < count && !status; i++)
        images[i] = (float)rand() / (float)RAND_MAX * 2 - 1;
    if (!status)
        status = tn_model_load(&model, path, NULL, &err);
    if (!status)
        status = tn_session_create(&session, model, batch, &options, &err);
    while (!status && next_turn(&s))
        do
            status = tn_session_run(session, outputs, images, batch, &err);
        while (!status && !round_done(&s));
    if (status)
        fprintf(stderr, "bench_inference: %s\n", err.message);
    tn_session_free(session);
    tn_model_free(model);
    free(images);
    free(outputs);
    return status != TN_OK;
}

/* --- comparing --- */

/* Inputs of files have a fixed side, so that it is part of the name. */
static int export(char *path, size_t size, const char *model, const settings *with)
{
    struct stat info;
    snprintf(path, size, "%s/%s-%s.onnx", with->models, model, with->side);
    if (!stat(path, &info))
        return 1;
    mkdir(with->models, 0777);
    pid_t pid = fork();
    int status = 1;
    if (pid == 0) {
        execl(PYTHON, PYTHON, PEERS, "export", model, with->side, path, (char *)NULL);
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static void print_rows(const char *model, contender *c, int count, bool one)
{
    double mine = 0;
    for (int i = 0; i < count; i++) {
        double cpu = 1e3 * median(c[i].cpu, c[i].turns);
        double wall = 1e3 * median(c[i].wall, c[i].turns);
        if (!c[i].turns) {
            printf("%-16s %-20s %9s\n", model, c[i].label, "-");
            continue;
        }
        printf("%-16s %-20s %9.1f %9.1f %8ld", model, c[i].label, cpu, wall, c[i].peak);
        if (i == 0)
            mine = one ? cpu : wall;
        else if (mine > 0)
            printf(" %8.2f", (one ? cpu : wall) / mine);
        printf("\n");
    }
    fflush(stdout);
}

static int compare(const char *model, const char *self, const settings *with)
{
    char path[512];
    if (!export(path, sizeof path, model, with)) {
        fprintf(stderr, "bench_inference: '%s' cannot be exported\n", model);
        return 1;
    }
    contender c[] = {
        {.label = "tenon",
         .argv = {self, "--serve", path, with->batch, with->side, with->threads}},
        {.label = "torch, contiguous",
         .argv = {PYTHON, PEERS, "contiguous", model, with->side, with->batch,
                  with->threads}},
        {.label = "torch, channels last",
         .argv = {PYTHON, PEERS, "channels_last", model, with->side, with->batch,
                  with->threads}},
        {.label = "onnxruntime",
         .argv = {"node", "bench/inference_peers.js", path, with->side, with->batch,
                  with->threads}},
    };
    int count = (int)(sizeof c / sizeof c[0]);
    contend(c, count, with->turns, with->rounds);
    print_rows(model, c, count, strcmp(with->threads, "1") == 0);
    return 0;
}

static int usage(void)
{
    fprintf(stderr, "usage: bench_inference [--turns N] [--rounds N] [--batch N] "
                    "[--side N] [--threads N] [--models FOLDER] [MODEL...]\n");
    return 2;
}

int main(int argc, char **argv)
{
    static const char *const usual[] = {"resnet50", "mobilenet_v2", "vit_b_16",
                                        "convnext_tiny"};
    settings with = {5, 3, "1", "224", "1", "build/bench-models"};
    int at = 1, failed = 0;
    if (argc == 6 && strcmp(argv[1], "--serve") == 0)
        return serve(argv[2], strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10),
                     strtoul(argv[5], NULL, 10));
    for (; at + 1 < argc && strncmp(argv[at], "--", 2) == 0; at += 2) {
        const char *name = argv[at] + 2, *value = argv[at + 1];
        if (strcmp(name, "turns") == 0)
            with.turns = atoi(value);
        else if (strcmp(name, "rounds") == 0)
            with.rounds = atoi(value);
        else if (strcmp(name, "batch") == 0)
            with.batch = value;
        else if (strcmp(name, "side") == 0)
            with.side = value;
        else if (strcmp(name, "threads") == 0)
            with.threads = value;
        else if (strcmp(name, "models") == 0)
            with.models = value;
        else
            return usage();
    }
    if (with.turns < 1 || with.turns > TURNS_MAX || with.rounds < 1 ||
        (at < argc && argv[at][0] == '-'))
        return usage();
    printf("batch %s of side %s, %s thread%s\n", with.batch, with.side, with.threads,
           strcmp(with.threads, "1") ? "s" : "");
    printf("%-16s %-20s %9s %9s %8s %8s\n", "", "", "cpu ms", "wall ms", "peak MB",
           "ratio");
    for (int i = at; i < argc; i++)
        failed |= compare(argv[i], "/proc/self/exe", &with);
    for (int i = 0; at >= argc && i < (int)(sizeof usual / sizeof usual[0]); i++)
        failed |= compare(usual[i], "/proc/self/exe", &with);
    return failed;
}
