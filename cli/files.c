/* files.c - see files.h. Everything that can fail because of a file's name is checked
 * before the work begins.
 */
#include "files.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "message.h"
#include "options.h"
#include "provenance.h"
#include "table.h"

const char *const cli_model_endings[] = {".onnx", ".safetensors", NULL};

static tn_status fail(tn_error *err, tn_status code, const char *format, ...)
    CLI_PRINTF(3, 4);
static tn_status fail(tn_error *err, tn_status code, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(err->message, sizeof err->message, format, list);
    va_end(list);
    err->code = code;
    return code;
}

static bool ends_in(const char *text, const char *ending)
{
    size_t n = strlen(text), m = strlen(ending);
    return n > m && strcmp(text + n - m, ending) == 0;
}

bool cli_is_model_file(const char *path)
{
    static const char *const endings[] = {".onnx", ".safetensors", ".pt",
                                          ".pth",  ".th",          ".checkpoint"};
    for (size_t i = 0; i < CLI_COUNT(endings); i++)
        if (ends_in(path, endings[i]))
            return true;
    return false;
}

/* The k-th of the names in "a,b,c"; the only one serves all. Caller frees. */
static char *nth_arch(const char *names, size_t k, size_t *given)
{
    const char *at = names;
    *given = 1;
    for (const char *c = names; *c; c++)
        *given += *c == ',';
    for (size_t i = 0; *given > 1 && i < k; i++) {
        at = strchr(at, ',');
        if (!at)
            return NULL;
        at++;
    }
    char *name = cli_strdup(at);
    name[strcspn(name, ",")] = 0;
    return name;
}

static tn_status load_one(tn_model **out, const struct cli_args *args, const char *path,
                          size_t *weight_files, tn_error *err)
{
    tn_load_options options = TN_LOAD_OPTIONS_INIT;
    size_t given = 0;
    char *arch = NULL;
    if (ends_in(path, ".onnx"))
        return tn_model_load(out, path, NULL, err);
    if (args->arch) {
        arch = nth_arch(args->arch, *weight_files, &given);
        if (!arch)
            return fail(err, TN_ERROR_ARGUMENT,
                        "--arch '%s' names %zu architectures, '%s' is weight file %zu",
                        args->arch, given, path, *weight_files + 1);
    }
    ++*weight_files;
    options.arch = arch;
    options.graph = args->graph;
    tn_status status = tn_model_load(out, path, &options, err);
    free(arch);
    return status;
}

tn_status cli_models_load(tn_model **models, const struct cli_args *args, size_t count,
                          tn_error *err)
{
    size_t weight_files = 0;
    memset(models, 0, count * sizeof *models);
    for (size_t i = 0; i < count; i++) {
        tn_status status =
            load_one(&models[i], args, args->operands[i], &weight_files, err);
        if (status != TN_OK) {
            cli_models_free(models, i);
            memset(models, 0, count * sizeof *models);
            return status;
        }
    }
    return TN_OK;
}

void cli_models_free(tn_model **models, size_t count)
{
    for (size_t i = 0; models && i < count; i++)
        tn_model_free(models[i]);
}

static tn_status check_ending(const char *path, const char *const *endings,
                              tn_error *err)
{
    char known[128] = "";
    for (size_t i = 0; endings[i]; i++) {
        if (ends_in(path, endings[i]))
            return TN_OK;
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i ? " or " : "",
                 endings[i]);
    }
    return fail(err, TN_ERROR_ARGUMENT, "cannot write '%s': its name must end in %s",
                path, known);
}

tn_status cli_output_check(const struct cli_args *args, const char *path,
                           const char *const *endings, tn_error *err)
{
    tn_status status = check_ending(path, endings, err);
    if (status != TN_OK)
        return status;
    if (access(path, F_OK) == 0 && !args->force)
        return fail(err, TN_ERROR_EXISTS,
                    "'%s' is there already, and is kept unless -f is given", path);
    char *folder = cli_strdup(path);
    char *slash = strrchr(folder, '/');
    if (!slash)
        strcpy(folder, ".");
    else
        slash[slash == folder] = 0;
    if (access(folder, W_OK | X_OK) != 0)
        status = fail(err, TN_ERROR_IO, "cannot write '%s': folder '%s': %s", path,
                      folder, strerror(errno));
    free(folder);
    return status;
}

/* Gives the finished file its name; an existing one is kept unless `replace`. */
static bool publish(const char *temporary, const char *path, bool replace)
{
    if (replace)
        return rename(temporary, path) == 0;
    return link(temporary, path) == 0 && unlink(temporary) == 0;
}

tn_status cli_file_write(const char *path, bool replace, cli_fill *fill,
                         const void *user, tn_error *err)
{
    size_t room = strlen(path) + 16;
    char *temporary = cli_alloc(room, 1);
    snprintf(temporary, room, "%s.XXXXXX", path);
    int fd = mkstemp(temporary);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "wb");
    mode_t mask = umask(0);
    umask(mask);
    bool done = file && fchmod(fd, 0666 & ~mask) == 0 && fill(file, user) &&
                fflush(file) == 0 && fsync(fd) == 0;
    if (file)
        done = fclose(file) == 0 && done;
    done = done && publish(temporary, path, replace);
    tn_status status = TN_OK;
    if (!done) {
        status = fail(err, errno == EEXIST ? TN_ERROR_EXISTS : TN_ERROR_IO,
                      "cannot write '%.200s': %s", path, strerror(errno));
        if (fd >= 0)
            unlink(temporary);
    }
    free(temporary);
    return status;
}

tn_status cli_model_write(tn_model *model, const struct cli_args *args,
                          const char *path, const tn_model *const *inputs, size_t count,
                          tn_error *err)
{
    tn_save_options options = TN_SAVE_OPTIONS_INIT;
    options.replace = args->force;
    tn_status status = cli_provenance_set(model, args, inputs, count, err);
    if (status == TN_OK)
        status = tn_model_save(model, path, &options, err);
    return status;
}

/* The spec without its key `split`; caller frees. */
static char *spec_without_split(const char *spec)
{
    size_t size = strlen(spec) + 1, used = 0;
    char *out = cli_alloc(size, 1);
    for (const char *at = spec; *at;) {
        size_t length = strcspn(at, ",");
        if (at == spec || strncmp(at, "split=", 6) != 0)
            used += (size_t)snprintf(out + used, size - used, "%s%.*s",
                                     at == spec ? "" : ",", (int)length, at);
        at += length + (at[length] == ',');
    }
    return out;
}

tn_status cli_eval_data_open(tn_dataset **out, const struct cli_args *args,
                             tn_error *err)
{
    *out = NULL;
    if (args->eval_data && strcmp(args->eval_data, "none") == 0)
        return TN_OK;
    if (args->eval_data)
        return tn_dataset_open(out, args->eval_data, "test", err);
    if (!args->data)
        return TN_OK;
    char *spec = spec_without_split(args->data);
    tn_status status = tn_dataset_open(out, spec, "test", err);
    free(spec);
    return status;
}
