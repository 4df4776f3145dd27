/* message.c - errors, notes, and "did you mean".
 *
 * The distance between names is that of Damerau and Levenshtein in its restricted form
 * (a swap of neighbours costs one).
 */
#include "message.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int cli_fail(const tn_error *err)
{
    return cli_fail_text("%s", err->message);
}

/* Names of files and of what is in them are untrusted: a line stays a line, and a
 * terminal sees no control characters. */
static void put_clean(const char *format, va_list list)
    __attribute__((format(printf, 1, 0)));
static void put_clean(const char *format, va_list list)
{
    char text[2048];
    vsnprintf(text, sizeof text, format, list);
    for (char *c = text; *c; c++)
        fputc(iscntrl((unsigned char)*c) ? '?' : *c, stderr);
}

int cli_fail_text(const char *format, ...)
{
    va_list list;
    fputs("tenon: ", stderr);
    va_start(list, format);
    put_clean(format, list);
    va_end(list);
    fputc('\n', stderr);
    return CLI_FAILED;
}

static const char *usage_place;

void cli_usage_place(const char *place)
{
    usage_place = place;
}

int cli_usage(const struct cli_command *command, const char *format, ...)
{
    va_list list;
    const char *space = command ? " " : "", *name = command ? command->name : "";
    if (usage_place)
        fprintf(stderr, "tenon: %s: ", usage_place);
    else
        fprintf(stderr, "tenon%s%s: ", space, name);
    va_start(list, format);
    put_clean(format, list);
    va_end(list);
    fprintf(stderr, "; see 'tenon help%s%s'\n", space, name);
    return CLI_USAGE;
}

void cli_note(const struct cli_args *args, const char *format, ...)
{
    if (args->quiet)
        return;
    va_list list;
    fputs("note: ", stderr);
    va_start(list, format);
    put_clean(format, list);
    va_end(list);
    fputc('\n', stderr);
}

#define NAME_MAX_LENGTH 31

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* Edits that make a into b; SIZE_MAX where either is too long to be a name of ours. */
static size_t distance_between(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    size_t d[NAME_MAX_LENGTH + 1][NAME_MAX_LENGTH + 1];
    if (n > NAME_MAX_LENGTH || m > NAME_MAX_LENGTH)
        return SIZE_MAX;
    for (size_t i = 0; i <= n; i++)
        d[i][0] = i;
    for (size_t j = 0; j <= m; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        for (size_t j = 1; j <= m; j++) {
            d[i][j] = smallest(d[i - 1][j] + 1, d[i][j - 1] + 1,
                               d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            bool swapped =
                i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && d[i - 2][j - 2] + 1 < d[i][j])
                d[i][j] = d[i - 2][j - 2] + 1;
        }
    }
    return d[n][m];
}

void cli_suggest(const char **best, size_t *distance, const char *wrong,
                 const char *candidate)
{
    size_t length = strlen(wrong);
    size_t found = distance_between(wrong, candidate);
    if (length >= 3 && strncmp(wrong, candidate, length) == 0)
        found = 1;
    if (found > 1 + length / 4)
        return;
    if (!*best || found < *distance) {
        *best = candidate;
        *distance = found;
    }
}
