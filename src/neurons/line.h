/* line.h - one line of a list for people (text) and for programs (JSON): what the
 * tn_model_list_ functions hand to their callers. */
#ifndef TN_NEURONS_LINE_H
#define TN_NEURONS_LINE_H

#include <cjson/cJSON.h>
#include <stdio.h>

#include "graph/model.h"

/* A line being made: text through a stream, JSON as a tree. */
typedef struct tn__line {
    char *text;
    size_t size;
    FILE *stream;
    cJSON *json;
} tn__line;

tn_status tn__line_begin(tn__line *l, tn_error *err) TN_MUST_USE;
/* Hands the line over; *stop where the caller wants no more. Frees it in any case. */
tn_status tn__line_end(tn__line *l, tn_status status, bool *stop,
                       tn_line_callback *call, void *user, tn_error *err) TN_MUST_USE;

tn_status tn__line_text(tn__line *l, const char *key, const char *text,
                        tn_error *err) TN_MUST_USE;
tn_status tn__line_number(tn__line *l, const char *key, uint64_t number,
                          tn_error *err) TN_MUST_USE;
/* The dims, as "shape". */
tn_status tn__line_shape(tn__line *l, const tn__shape *shape,
                         tn_error *err) TN_MUST_USE;

#endif
