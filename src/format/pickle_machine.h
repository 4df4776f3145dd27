/* pickle_machine.h - the parts of the pickle machine that opcodes are made of: values,
 * stack, marks, memo and the stream. Only pickle.c includes this.
 */
#ifndef TN_FORMAT_PICKLE_MACHINE_H
#define TN_FORMAT_PICKLE_MACHINE_H

#include "format/pickle.h"

typedef struct tn__machine {
    tn__reader *r;
    size_t opcode_at; /* of the opcode being run, for messages */
    tn__pickle *out;
    tn__pickle_value **stack;
    size_t height, stack_capacity;
    size_t *marks; /* stack heights */
    size_t mark_count, mark_capacity;
    tn__pickle_value **memo; /* NULL where nothing was put */
    size_t memo_count, memo_capacity;
    tn_error *err;
    bool stopped;
} tn__machine;
void tn__machine_release(tn__machine *m); /* everything but *out */

/* Fails with "pickle opcode 0x52 at byte 7 <problem>". */
tn_status tn__machine_fail(tn__machine *m, tn_status code, const char *problem);

/* Values. They belong to m->out. */
tn_status tn__machine_new(tn__machine *m, tn__pickle_value **out,
                          tn__pickle_kind kind) TN_MUST_USE;
/* Appends to a LIST or DICT. */
tn_status tn__machine_add_item(tn__machine *m, tn__pickle_value *container,
                               tn__pickle_value *item) TN_MUST_USE;
/* A LIST of the `count` values at stack[height], which were just taken off. */
tn_status tn__machine_list_of(tn__machine *m, tn__pickle_value **out,
                              size_t count) TN_MUST_USE;

/* The stack. What is below the last mark is out of reach. */
tn_status tn__machine_push(tn__machine *m, tn__pickle_value *value) TN_MUST_USE;
tn_status tn__machine_push_new(tn__machine *m, tn__pickle_value **out,
                               tn__pickle_kind kind) TN_MUST_USE;
tn_status tn__machine_pop(tn__machine *m, tn__pickle_value **out) TN_MUST_USE;
tn_status tn__machine_top(tn__machine *m, tn__pickle_value **out) TN_MUST_USE;
tn_status tn__machine_mark(tn__machine *m) TN_MUST_USE;
/* Takes everything above the last mark, and the mark, off the stack; the values stay
 * valid at stack[height]. */
tn_status tn__machine_pop_mark(tn__machine *m, size_t *count) TN_MUST_USE;
/* Takes off `count` values, which stay valid at stack[height]. */
tn_status tn__machine_drop(tn__machine *m, size_t count) TN_MUST_USE;
/* Values above the last mark. */
static inline size_t tn__machine_above_mark(const tn__machine *m)
{
    return m->height - (m->mark_count ? m->marks[m->mark_count - 1] : 0);
}

/* The memo. */
tn_status tn__machine_memo_put(tn__machine *m, uint64_t index) TN_MUST_USE;
tn_status tn__machine_memo_get(tn__machine *m, uint64_t index) TN_MUST_USE;

/* The stream: an unsigned number of `size` bytes, `length` bytes, the rest of a line.
 */
tn_status tn__machine_read_size(tn__machine *m, uint64_t *out, int size) TN_MUST_USE;
tn_status tn__machine_read_text(tn__machine *m, const char **out,
                                uint64_t length) TN_MUST_USE;
tn_status tn__machine_read_line(tn__machine *m, const char **out,
                                size_t *length) TN_MUST_USE;

#endif
