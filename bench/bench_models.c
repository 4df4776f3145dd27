/* bench_models.c - what opening, inspecting and running an ONNX model costs.
 *
 *     bench_models [--batch N] MODEL.onnx...
 *
 * Each model is looked at by a process of its own on one thread:
 *
 *   nodes, MB   of the graph and the file
 *   open        seconds to map the file, read the graph and count (tn_model_info_get)
 *   over        megabytes that needed at its peak beyond the file's size
 *   groups      milliseconds to list the groups with all reasons, the best of 5
 *   ms          latency of one image and of a batch, for each image
 *
 * PyTorch's and onnxruntime's latencies are in bench/torchvision_models.py.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tenon/tenon.h"

enum { GROUP_RUNS = 5, RUNS_MIN = 3, RUNS_MAX = 51 };
#define TIME_FOR_RUNS 2.0 /* seconds, about */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double peak_mb(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

static double file_mb(const char *path)
{
    struct stat info;
    return stat(path, &info) ? 0 : (double)info.st_size / 1048576;
}

static int ignore(void *user, const char *text, const char *json)
{
    (void)user;
    (void)text;
    (void)json;
    return 0;
}

static tn_status time_groups(double *best, const tn_model *model, tn_error *err)
{
    tn_status status = TN_OK;
    *best = 1e9;
    for (int r = 0; r < GROUP_RUNS && !status; r++) {
        double start = now();
        status = tn_model_list_groups(model, ignore, NULL, err);
        double took = now() - start;
        *best = took < *best ? took : *best;
    }
    return status;
}

/* Seconds an image; as many runs as fit into the time. */
static tn_status time_runs(double *seconds, const tn_model *model, size_t batch,
                           tn_error *err)
{
    double once = 0;
    tn_status status = tn_latency(&once, model, batch, 1, err);
    double fit = TIME_FOR_RUNS / (once > 1e-6 ? once : 1e-6);
    size_t runs = fit > RUNS_MAX ? RUNS_MAX : (size_t)fit;
    if (!status)
        status =
            tn_latency(seconds, model, batch, runs < RUNS_MIN ? RUNS_MIN : runs, err);
    *seconds /= (double)batch;
    return status;
}

static int look(const char *path, size_t batch)
{
    tn_error err = {0};
    tn_model *model = NULL;
    tn_model_info info;
    double groups, one, many, start = now();
    tn_status status = tn_model_load(&model, path, NULL, &err);
    if (!status)
        status = tn_model_info_get(&info, model, &err);
    double open = now() - start, over = peak_mb() - file_mb(path);
    if (!status)
        status = time_groups(&groups, model, &err);
    if (!status)
        status = time_runs(&one, model, 1, &err);
    if (!status)
        status = time_runs(&many, model, batch, &err);
    if (status)
        fprintf(stderr, "%s: %s\n", path, err.message);
    else
        printf("%-40s %6llu %7.1f %6.2f %6.1f %7.1f %8.2f %8.2f\n", path,
               (unsigned long long)info.nodes, file_mb(path), open, over, 1e3 * groups,
               1e3 * one, 1e3 * many);
    tn_model_free(model);
    return status != TN_OK;
}

int main(int argc, char **argv)
{
    size_t batch = 16;
    int first = 1, failed = argc < 2;
    if (argc > 2 && strcmp(argv[1], "--batch") == 0) {
        batch = (size_t)strtoul(argv[2], NULL, 10);
        first = 3;
    }
    printf("%-40s %6s %7s %6s %6s %7s %8s %5s %2zu\n", "model", "nodes", "MB", "open",
           "over", "groups", "ms of 1", "of", batch);
    for (int i = first; i < argc; i++) {
        fflush(stdout);
        int status = 1;
        pid_t child = fork();
        if (child == 0)
            exit(look(argv[i], batch));
        failed |= child < 0 || waitpid(child, &status, 0) != child || status != 0;
    }
    return failed;
}
