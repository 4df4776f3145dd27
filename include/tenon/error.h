/* error.h - how every fallible function of Tenon reports.
 *
 * A function that can fail returns a tn_status and fills the tn_error its caller owns.
 * On failure its outputs are untouched. The library never prints, exits, reads the
 * environment or keeps global state.
 *
 *     tn_error err = {0};
 *     tn_model *model = NULL;
 *     if (tn_model_load(&model, "a.onnx", NULL, &err))
 *         fprintf(stderr, "%s\n", err.message);
 */
#ifndef TENON_ERROR_H
#define TENON_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
/* Exported by libtenon. */
#define TN_API __attribute__((visibility("default")))
/* The result says whether it worked. */
#define TN_MUST_USE __attribute__((warn_unused_result))
#else
#define TN_API
#define TN_MUST_USE
#endif

/* What went wrong, coarsely; the message says what, where and what was expected. */
typedef enum tn_status {
    TN_OK = 0,
    TN_ERROR_ARGUMENT,    /* an option or argument has no meaning here */
    TN_ERROR_MEMORY,      /* out of memory */
    TN_ERROR_IO,          /* the operating system refused to read or write */
    TN_ERROR_EXISTS,      /* the output is there already and may not be replaced */
    TN_ERROR_FORMAT,      /* a file is truncated, lying or malformed */
    TN_ERROR_UNSUPPORTED, /* well formed, but beyond what Tenon does */
    TN_ERROR_MISMATCH,    /* two things that must fit do not: shapes, graphs, data */
    TN_ERROR_NUMERIC,     /* NaN, infinity, or a solver that did not converge */
    TN_ERROR_CANCELLED    /* a progress callback asked to stop */
} tn_status;

/* The longest message, its terminating zero included; longer ones are cut. */
#define TN_ERROR_MESSAGE_MAX 512

/* Filled on failure; lower case, one line, no full stop. May be NULL in every call. */
typedef struct tn_error {
    tn_status code;                     /* what the call returned */
    char message[TN_ERROR_MESSAGE_MAX]; /* for a person to read */
} tn_error;

/* Progress of a long call; `total` is 0 where the end is not known. */
typedef struct tn_progress {
    const char *stage;  /* "epoch 3 of 10", borrowed for the call */
    double done, total; /* in units of `unit` */
    const char *unit;   /* "images" */
    double loss;        /* NaN where there is none */
    double accuracy;    /* as a fraction, NaN where there is none */
    double seconds;     /* since the stage began */
} tn_progress;

/* How a long call speaks to its caller. Every member may be zero. Callbacks come from
 * the calling thread, never from two threads at once. */
typedef struct tn_observer {
    /* A line worth telling: level 0 result, 1 note, 2 detail. */
    void (*log)(void *user, int level, const char *message);
    /* Returns nonzero to cancel: the call then ends with TN_ERROR_CANCELLED. */
    int (*progress)(void *user, const tn_progress *progress);
    void *user; /* handed to both */
} tn_observer;

#ifdef __cplusplus
}
#endif
#endif
