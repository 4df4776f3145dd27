/* progress.c - the bar on a terminal, plain lines elsewhere.
 *
 *     epoch 3 of 10  [######--------]  43 %  1,234 images/s  loss 0.412  88.1 %  0:12
 * left
 */
#include "progress.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "table.h"

#define REDRAW_SECONDS 0.1
#define PLAIN_SECONDS 5.0
#define SLOW_SECONDS 1.0
#define BAR_CELLS_MIN 4
#define BAR_CELLS_MAX 30

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

double cli_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static size_t columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

/* Appends to text [CLI_PROGRESS_TEXT]. */
static void append(char *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void append(char *text, const char *format, ...)
{
    size_t used = strlen(text);
    va_list list;
    va_start(list, format);
    vsnprintf(text + used, CLI_PROGRESS_TEXT - used, format, list);
    va_end(list);
}

static void append_rate(char *text, const tn_progress *p)
{
    char count[CLI_NUMBER_TEXT];
    if (!(p->seconds > 0) || !(p->done > 0) || !p->unit)
        return;
    double rate = p->done / p->seconds;
    if (rate < 10)
        append(text, "  %.1f %s/s", rate, p->unit);
    else
        append(text, "  %s %s/s", cli_text_count(count, (uint64_t)rate), p->unit);
}

static void append_time(char *text, double seconds)
{
    unsigned long s = (unsigned long)(seconds + 0.5);
    if (s >= 3600)
        append(text, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
    else
        append(text, "%lu:%02lu", s / 60, s % 60);
}

static double share_done(const tn_progress *p)
{
    if (!(p->total > 0))
        return nan("");
    return p->done >= p->total ? 1 : p->done / p->total;
}

/* The bar takes the room that the words leave, within reason. */
static void append_bar(char *text, double share, size_t room)
{
    char bar[BAR_CELLS_MAX + 1];
    size_t cells = room > BAR_CELLS_MAX ? BAR_CELLS_MAX : room;
    if (cells < BAR_CELLS_MIN)
        cells = BAR_CELLS_MIN;
    size_t full = (size_t)(share * (double)cells);
    memset(bar, '#', full);
    memset(bar + full, '-', cells - full);
    bar[cells] = 0;
    append(text, "  [%s]", bar);
}

static void compose_bar(char *text, const tn_progress *p, size_t width)
{
    char words[CLI_PROGRESS_TEXT] = "";
    double share = share_done(p);
    if (isfinite(share))
        append(words, " %3.0f %%", floor(100 * share));
    else if (p->done > 0 && p->unit)
        append(words, "  %.0f %s", p->done, p->unit);
    append_rate(words, p);
    if (isfinite(p->loss))
        append(words, "  loss %.3f", p->loss);
    if (isfinite(p->accuracy))
        append(words, "  %.1f %%", 100 * p->accuracy);
    if (share > 0 && p->seconds > 0.5) {
        append(words, "  ");
        append_time(words, p->seconds * (1 - share) / share);
        append(words, " left");
    }
    size_t taken = strlen(p->stage) + strlen(words) + strlen("  []");
    append(text, "%s", p->stage);
    if (isfinite(share))
        append_bar(text, share, width > taken ? width - taken : 0);
    append(text, "%s", words);
}

/* "epoch 3 of 10: 43 %  ..." on the way, without the percentage at the end. */
static void compose_line(char *text, const tn_progress *p, bool ended)
{
    double share = share_done(p);
    append(text, "%s:", p->stage);
    if (!ended && isfinite(share))
        append(text, " %.0f %%", floor(100 * share));
    append_rate(text, p);
    if (isfinite(p->loss))
        append(text, "  loss %.4f", p->loss);
    if (isfinite(p->accuracy))
        append(text, "  accuracy %.2f %%", 100 * p->accuracy);
    append(text, "  ");
    append_time(text, p->seconds);
}

static void erase(struct cli_progress *progress)
{
    if (progress->drawn)
        fputs("\r\033[K", stderr);
    progress->drawn = false;
    progress->shown[0] = 0;
}

static void draw(struct cli_progress *progress, const char *text)
{
    char cut[CLI_PROGRESS_TEXT];
    snprintf(cut, sizeof cut, "%s", text);
    size_t room = columns() - 1;
    if (strlen(cut) > room)
        cut[room] = 0;
    if (strcmp(cut, progress->shown) == 0)
        return;
    fprintf(stderr, "\r%s\033[K", cut);
    fflush(stderr);
    snprintf(progress->shown, sizeof progress->shown, "%s", cut);
    progress->drawn = true;
}

/* Tells the end of the stage that was open, where that is worth a line: an epoch of
 * training always is; a stage without loss only off the terminal, if it took a while.
 */
static void close_stage(struct cli_progress *progress)
{
    bool tell = progress->open &&
                (progress->has_loss || (!progress->terminal && progress->slow));
    erase(progress);
    if (tell)
        fprintf(stderr, "%s\n", progress->end);
    progress->open = false;
}

static void open_stage(struct cli_progress *progress, const tn_progress *p)
{
    snprintf(progress->stage, sizeof progress->stage, "%s", p->stage);
    progress->open = true;
    progress->last_time = progress->terminal ? 0 : cli_now();
}

/* The stage by its whole name, "plain average: evaluating". */
static void name_stage(char *name, size_t size, const struct cli_progress *progress,
                       const tn_progress *p)
{
    const char *glue = progress->what ? ": " : "";
    snprintf(name, size, "%s%s%s", progress->what ? progress->what : "", glue,
             p->stage);
}

static int on_progress(void *user, const tn_progress *given)
{
    struct cli_progress *progress = user;
    char name[sizeof progress->stage];
    if (progress->quiet || !given->stage)
        return interrupted;
    name_stage(name, sizeof name, progress, given);
    tn_progress renamed = *given, *p = &renamed;
    p->stage = name;
    if (strcmp(progress->stage, name) != 0) {
        close_stage(progress);
        open_stage(progress, p);
    }
    progress->end[0] = 0;
    compose_line(progress->end, p, true);
    progress->has_loss = isfinite(p->loss);
    progress->slow = p->seconds >= SLOW_SECONDS;

    double pause = progress->terminal ? REDRAW_SECONDS : PLAIN_SECONDS;
    double time = cli_now();
    if (!progress->open || time - progress->last_time < pause)
        return interrupted;
    char text[CLI_PROGRESS_TEXT] = "";
    if (progress->terminal) {
        compose_bar(text, p, columns() - 1);
        draw(progress, text);
    } else if (!(p->done >= p->total)) {
        compose_line(text, p, false);
        fprintf(stderr, "%s\n", text);
    }
    progress->last_time = time;
    return interrupted;
}

static void on_log(void *user, int level, const char *message)
{
    struct cli_progress *progress = user;
    if (progress->quiet || (level > 1 && !progress->verbose))
        return;
    erase(progress);
    fprintf(stderr, "%s\n", message);
}

tn_observer cli_progress_start(struct cli_progress *progress,
                               const struct cli_args *args)
{
    const char *kind = getenv("TERM");
    *progress = (struct cli_progress){
        .terminal = isatty(STDERR_FILENO) && kind && strcmp(kind, "dumb") != 0,
        .quiet = args->quiet,
        .verbose = args->verbose,
    };
    struct sigaction action = {.sa_handler = on_interrupt,
                               .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return (tn_observer){on_log, on_progress, progress};
}

void cli_progress_end(struct cli_progress *progress)
{
    if (interrupted)
        progress->open = false;
    close_stage(progress);
    progress->stage[0] = 0;
}

tn_status cli_progress_cancelled(tn_error *err)
{
    if (!interrupted)
        return TN_OK;
    err->code = TN_ERROR_CANCELLED;
    snprintf(err->message, sizeof err->message, "interrupted");
    return TN_ERROR_CANCELLED;
}
