/* base.h - errors, checked arithmetic and memory, for every room.
 *
 * tn__fail() is how every error is made. Sizes that come from outside go through
 * tn__mul() and tn__add(), which fail instead of wrapping. tn__alloc() zeroes, and
 * fails at the k-th call when a test asks for it.
 */
#ifndef TN_BASE_BASE_H
#define TN_BASE_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tenon/error.h"

#define TN__PRINTF(f, a) __attribute__((format(printf, f, a)))
#define TN__COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TN__MIN(a, b) ((a) < (b) ? (a) : (b))
#define TN__MAX(a, b) ((a) > (b) ? (a) : (b))

/* Fills err (may be NULL); the value is `code`, which stands in the macro so that the
 * compiler sees that a failure is one. */
#define tn__fail(err, code, ...) (tn__error_set((err), (code), __VA_ARGS__), (code))
void tn__error_set(tn_error *err, tn_status code, const char *format, ...)
    TN__PRINTF(3, 4);

/* Puts "prefix: " before the message already in err; the value is `code`. */
#define tn__fail_in(err, code, ...)                                                    \
    (tn__error_prefix((err), (code), __VA_ARGS__), (code))
void tn__error_prefix(tn_error *err, tn_status code, const char *format, ...)
    TN__PRINTF(3, 4);

/* Fails with TN_ERROR_MEMORY, naming how much was wanted. */
static inline tn_status tn__fail_memory(tn_error *err, size_t bytes)
{
    return tn__fail(err, TN_ERROR_MEMORY, "out of memory: %zu bytes wanted", bytes);
}

/* Sends a formatted line to observer->log, where there is one. */
void tn__log(const tn_observer *observer, int level, const char *format, ...)
    TN__PRINTF(3, 4);

/* Reports progress; TN_ERROR_CANCELLED where the observer asks to stop. */
tn_status tn__report(const tn_observer *observer, const tn_progress *progress,
                     tn_error *err) TN_MUST_USE;

/* *out = a * b or a + b; false where that does not fit. */
static inline bool tn__mul(size_t *out, size_t a, size_t b)
{
    return !__builtin_mul_overflow(a, b, out);
}
static inline bool tn__add(size_t *out, size_t a, size_t b)
{
    return !__builtin_add_overflow(a, b, out);
}

/* Zeroed memory for count elements of `size` bytes; NULL on overflow or when there is
 * none. A count of 0 gives a pointer that may be freed. Free with tn__free(). */
void *tn__alloc(size_t count, size_t size);
/* As realloc() for count elements; new memory is not zeroed. */
void *tn__realloc(void *memory, size_t count, size_t size);
/* Zeroed memory aligned to 64 bytes, for kernels; free with tn__free(). */
void *tn__alloc_aligned(size_t bytes);
void tn__free(void *memory);
/* A copy of text, or of its first `length` bytes, with a final zero. */
char *tn__strdup(const char *text);
char *tn__strndup(const char *text, size_t length);
/* printf into new memory; NULL when there is none. */
char *tn__format(const char *format, ...) TN__PRINTF(1, 2);

/* For tests: the k-th allocation from now fails, and all after it (0: none does). */
void tn__alloc_fail_after(size_t k);

/* Seconds on a monotonic clock. */
double tn__seconds(void);

/* Grows `*array` (elements of `size` bytes) so that it holds `count + 1`; doubles. */
tn_status tn__grow(void *array, size_t *capacity, size_t count, size_t size,
                   tn_error *err) TN_MUST_USE;

#endif
