/* pickle.h - Python's pickle stream, read as plain data; nothing is ever run.
 *
 * A class is its name. What Python would make by calling something stays an object that
 * holds the callee, its arguments and its state; only the plain containers named in
 * pickle.c are built. Protocols 0 to 5 without extension codes and out-of-band buffers.
 * Source: Lib/pickletools.py of CPython, which defines every opcode.
 */
#ifndef TN_FORMAT_PICKLE_H
#define TN_FORMAT_PICKLE_H

#include "base/reader.h"

/* Limits that keep memory linear in the stream. */
#define TN__PICKLE_VALUES_MAX ((size_t)1 << 22) /* values made */
#define TN__PICKLE_ITEMS_MAX ((size_t)1 << 24)  /* items put into containers */
#define TN__PICKLE_STACK_MAX ((size_t)1 << 22)  /* values and marks on the stack */
#define TN__PICKLE_MEMO_MAX ((size_t)1 << 22)   /* memo indices */

typedef enum tn__pickle_kind {
    TN__PICKLE_NONE,
    TN__PICKLE_BOOL,      /* integer is 0 or 1 */
    TN__PICKLE_INT,       /* integer */
    TN__PICKLE_NUMBER,    /* text: a float, or an integer beyond 64 bits, as written */
    TN__PICKLE_TEXT,      /* text: str or bytes; escapes of protocol 0 as written */
    TN__PICKLE_LIST,      /* items: list, tuple or set */
    TN__PICKLE_DICT,      /* items: key, value, key, value, ... */
    TN__PICKLE_CLASS,     /* class: a class or function */
    TN__PICKLE_OBJECT,    /* object */
    TN__PICKLE_PERSISTENT /* id: named by whatever surrounds the stream */
} tn__pickle_kind;

/* Text is borrowed from the stream; values belong to the tn__pickle. Values may contain
 * each other in cycles. */
typedef struct tn__pickle_value tn__pickle_value;
struct tn__pickle_value {
    tn__pickle_kind kind;
    union {
        int64_t integer;
        struct {
            const char *bytes;
            size_t length;
        } text;
        struct {
            tn__pickle_value **at;
            size_t count, capacity;
        } items;
        struct {
            const tn__pickle_value *module, *name; /* texts */
        } class;
        struct {
            const tn__pickle_value *callee; /* CLASS, or what stood in its place */
            const tn__pickle_value *args;   /* LIST */
            const tn__pickle_value *state;  /* set by BUILD, or NULL */
            tn__pickle_value *entries;      /* DICT of items set on it, or NULL */
        } object;
        const tn__pickle_value *id;
    };
};

typedef struct tn__pickle {
    const tn__pickle_value *root;
    const tn__pickle_value **persistent; /* every PERSISTENT value, in order */
    size_t persistent_count, persistent_capacity;
    struct tn__pickle_block *blocks; /* owns the values */
    size_t value_count, item_count;
} tn__pickle;

/* Reads one pickle and leaves `r` behind its STOP. The bytes under `r` must outlive
 * *out. TN_ERROR_FORMAT, _UNSUPPORTED, _MEMORY. Linear in the stream. */
tn_status tn__pickle_read(tn__pickle *out, tn__reader *r, tn_error *err) TN_MUST_USE;
void tn__pickle_release(tn__pickle *pickle); /* zeroes it */

bool tn__pickle_text_is(const tn__pickle_value *value, const char *text);
/* value is a class, called module.name. */
bool tn__pickle_class_is(const tn__pickle_value *value, const char *module,
                         const char *name);
/* The value of the text key `key` of a DICT, or NULL; the last one where it occurs
 * twice. Linear in the items. */
const tn__pickle_value *tn__pickle_get(const tn__pickle_value *dict, const char *key);

#endif
