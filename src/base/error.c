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

void tn__error_set(tn_error *err, tn_status code, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        err->code = code;
        (void)vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
        flatten(err->message);
    }
}

void tn__error_prefix(tn_error *err, tn_status code, const char *format, ...)
{
    if (err) {
        enum { MAX = TN_ERROR_MESSAGE_MAX };
        char prefix[MAX - 2];
        va_list args;
        va_start(args, format);
        (void)vsnprintf(prefix, sizeof prefix, format, args);
        va_end(args);
        size_t used = strlen(prefix) + 2; /* and ": " */
        err->code = code;
        memmove(err->message + used, err->message, MAX - used);
        memcpy(err->message, prefix, used - 2);
        memcpy(err->message + used - 2, ": ", 2);
        err->message[MAX - 1] = 0;
        flatten(err->message);
    }
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
