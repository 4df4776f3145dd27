/* journal.c - how a training went, step by step; see journal.h. */
#include "train/journal.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "train/events.h"

#define EVENTS_NAME "events.out.tfevents.tenon" /* TensorBoard looks for "tfevents" */

static tn_status fail_file(const char *verb, const char *path, tn_error *err)
{
    return tn__fail(err, TN_ERROR_IO, "cannot %s '%s': %s", verb, path,
                    strerror(errno));
}

/* Opens at its end, cut back to `size` bytes. */
static tn_status continue_file(FILE **out, const char *path, size_t size, tn_error *err)
{
    struct stat info;
    *out = fopen(path, "r+b");
    if (!*out || fstat(fileno(*out), &info) != 0)
        return fail_file("open", path, err);
    if ((size_t)info.st_size < size)
        return tn__fail(err, TN_ERROR_MISMATCH,
                        "'%s' has %zu bytes, the training that goes on had written "
                        "%zu: it is another's",
                        path, (size_t)info.st_size, size);
    if (ftruncate(fileno(*out), (off_t)size) != 0 || fseek(*out, 0, SEEK_END) != 0)
        return fail_file("write", path, err);
    return TN_OK;
}

/* A file that is gone, or that the training had none of, is begun. */
static tn_status open_file(FILE **out, const tn__journal *journal, const char *path,
                           size_t size, tn_error *err)
{
    bool there = tn__file_exists(path);
    if (there && size)
        return continue_file(out, path, size, err);
    if (there && !journal->replace)
        return tn__fail(err, TN_ERROR_EXISTS, "the log '%s' is there already", path);
    *out = fopen(path, "wb");
    return *out ? TN_OK : fail_file("write", path, err);
}

static tn_status open_events(tn__journal *journal, const char *folder, size_t size,
                             tn_error *err)
{
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return fail_file("make the folder", folder, err);
    journal->events_path = tn__format("%s/%s", folder, EVENTS_NAME);
    if (!journal->events_path)
        return tn__fail_memory(err, strlen(folder));
    tn_status status =
        open_file(&journal->events, journal, journal->events_path, size, err);
    if (status || ftell(journal->events) > 0)
        return status;
    return tn__events_begin(journal->events, journal->events_path, err);
}

tn_status tn__journal_open(tn__journal *journal, const tn_train_options *options,
                           const tn__journal_mark *mark, tn_error *err)
{
    tn_status status = TN_OK;
    *journal = (tn__journal){.lines_path = options->log,
                             .every = options->log_steps,
                             .replace = options->replace_logs || options->resume};
    if (options->log)
        status = open_file(&journal->lines, journal, options->log, mark->lines, err);
    if (options->tensorboard && !status)
        status = open_events(journal, options->tensorboard, mark->events, err);
    return status;
}

void tn__journal_close(tn__journal *journal)
{
    if (journal->lines)
        fclose(journal->lines);
    if (journal->events)
        fclose(journal->events);
    tn__free(journal->events_path);
    *journal = (tn__journal){0};
}

bool tn__journal_wants(const tn__journal *journal, size_t step)
{
    return (journal->lines || journal->events) && journal->every &&
           step % journal->every == 0;
}

static tn_status write_line(const tn__journal *journal, const tn__journal_note *note,
                            tn_error *err)
{
    FILE *to = journal->lines;
    fprintf(to, "{\"kind\":\"%s\",\"step\":%zu,\"epoch\":%zu,\"loss\":%.9g,",
            note->whole_epoch ? "epoch" : "step", note->step, note->epoch, note->loss);
    fprintf(to, "\"accuracy\":%.9g,", note->accuracy);
    if (!isnan(note->holdout_accuracy))
        fprintf(to, "\"holdout_accuracy\":%.9g,", note->holdout_accuracy);
    fprintf(to, "\"rate\":%.9g,\"images_per_second\":%.6g,\"seconds\":%.3f}\n",
            note->rate, note->images_per_second, note->seconds);
    return fflush(to) || ferror(to) ? fail_file("write", journal->lines_path, err)
                                    : TN_OK;
}

static tn_status write_event(const tn__journal *journal, const tn__journal_note *note,
                             tn_error *err)
{
    tn__scalar scalars[TN__SCALARS_MAX];
    size_t count = 0;
    bool whole = note->whole_epoch;
    scalars[count++] = (tn__scalar){whole ? "epoch/loss" : "step/loss", note->loss};
    scalars[count++] =
        (tn__scalar){whole ? "epoch/accuracy" : "step/accuracy", note->accuracy};
    if (!isnan(note->holdout_accuracy))
        scalars[count++] =
            (tn__scalar){"epoch/holdout_accuracy", note->holdout_accuracy};
    scalars[count++] =
        (tn__scalar){whole ? "epoch/images_per_second" : "step/images_per_second",
                     note->images_per_second};
    if (!whole)
        scalars[count++] = (tn__scalar){"step/rate", note->rate};
    return tn__events_add(journal->events, journal->events_path, note->step, scalars,
                          count, err);
}

tn_status tn__journal_tell(tn__journal *journal, const tn__journal_note *note,
                           tn_error *err)
{
    tn_status status = TN_OK;
    if (journal->lines)
        status = write_line(journal, note, err);
    if (journal->events && !status)
        status = write_event(journal, note, err);
    return status;
}

static tn_status measure(size_t *size, FILE *file, const char *path, tn_error *err)
{
    long at = file ? ftell(file) : 0;
    if (at < 0)
        return fail_file("write", path, err);
    if (file)
        *size = (size_t)at;
    return TN_OK;
}

tn_status tn__journal_measure(tn__journal_mark *mark, const tn__journal *journal,
                              tn_error *err)
{
    tn_status status = measure(&mark->lines, journal->lines, journal->lines_path, err);
    if (!status)
        status = measure(&mark->events, journal->events, journal->events_path, err);
    return status;
}
