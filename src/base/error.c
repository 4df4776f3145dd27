/* error.c - how errors are worded, and how a long call speaks to its caller. */
#include "base/base.h"

#include <stdio.h>
#include <string.h>

/* Keeps a message on one line: file names and tensor names come from outside. */
static void flatten(char *text)
{
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 32 || *c == 127)
            *c = '?';
}

tn_status tn__fail(tn_error *err, tn_status code, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        err->code = code;
        (void)vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
        flatten(err->message);
    }
    return code;
}

tn_status tn__fail_in(tn_error *err, tn_status code, const char *format, ...)
{
    if (err) {
        char inner[TN_ERROR_MESSAGE_MAX], prefix[TN_ERROR_MESSAGE_MAX];
        memcpy(inner, err->message, sizeof inner);
        inner[sizeof inner - 1] = 0;
        va_list args;
        va_start(args, format);
        (void)vsnprintf(prefix, sizeof prefix, format, args);
        va_end(args);
        err->code = code;
        int at = snprintf(err->message, sizeof err->message, "%s: ", prefix);
        size_t used = TN__MIN((size_t)at, sizeof err->message - 1);
        (void)snprintf(err->message + used, sizeof err->message - used, "%s", inner);
        flatten(err->message);
    }
    return code;
}

tn_status tn__fail_memory(tn_error *err, size_t bytes)
{
    return tn__fail(err, TN_ERROR_MEMORY, "out of memory: %zu bytes wanted", bytes);
}

void tn__log(const tn_observer *observer, int level, const char *format, ...)
{
    if (!observer || !observer->log)
        return;
    char line[2048];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    observer->log(observer->user, level, line);
}

tn_status tn__report(const tn_observer *observer, const tn_progress *progress,
                     tn_error *err)
{
    if (observer && observer->progress && observer->progress(observer->user, progress))
        return tn__fail(err, TN_ERROR_CANCELLED, "interrupted during '%s'",
                        progress->stage);
    return TN_OK;
}
