/* memory.c - allocation that checks its arithmetic and can be made to fail in tests. */
#include "base/base.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Test hook: allocations left before the first that fails; 0: none fails. */
static _Atomic size_t allocations_left;

void tn__alloc_fail_after(size_t k)
{
    atomic_store(&allocations_left, k);
}

static bool allocation_fails(void)
{
    size_t left = atomic_load(&allocations_left);
    if (left == 0)
        return false;
    if (left == 1)
        return true;
    atomic_store(&allocations_left, left - 1);
    return false;
}

void *tn__alloc(size_t count, size_t size)
{
    size_t bytes;
    if (!tn__mul(&bytes, count, size) || allocation_fails())
        return NULL;
    return calloc(count ? count : 1, size ? size : 1);
}

void *tn__realloc(void *memory, size_t count, size_t size)
{
    size_t bytes;
    if (!tn__mul(&bytes, count, size) || allocation_fails())
        return NULL;
    return realloc(memory, bytes ? bytes : 1);
}

void *tn__alloc_aligned(size_t bytes)
{
    size_t rounded;
    if (!tn__add(&rounded, bytes, 63) || allocation_fails())
        return NULL;
    rounded = rounded < 64 ? 64 : rounded & ~(size_t)63;
    void *memory = aligned_alloc(64, rounded);
    if (memory)
        memset(memory, 0, rounded);
    return memory;
}

void tn__free(void *memory)
{
    free(memory);
}

char *tn__strdup(const char *text)
{
    return tn__strndup(text, strlen(text));
}

char *tn__strndup(const char *text, size_t length)
{
    size_t size;
    if (!tn__add(&size, length, 1))
        return NULL;
    char *copy = tn__alloc(size, 1);
    if (copy)
        memcpy(copy, text, length);
    return copy;
}

char *tn__format(const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = length < 0 ? NULL : tn__alloc((size_t)length + 1, 1);
    if (text)
        (void)vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

double tn__seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

tn_status tn__grow(void *array, size_t *capacity, size_t count, size_t size,
                   tn_error *err)
{
    if (count < *capacity)
        return TN_OK;
    size_t wanted, bytes;
    if (!tn__mul(&wanted, TN__MAX(*capacity, 4), 2) || !tn__mul(&bytes, wanted, size))
        return tn__fail_memory(err, SIZE_MAX);
    void *old;
    memcpy(&old, array, sizeof old);
    void *grown = tn__realloc(old, wanted, size);
    if (!grown)
        return tn__fail_memory(err, bytes);
    memset((char *)grown + *capacity * size, 0, (wanted - *capacity) * size);
    memcpy(array, &grown, sizeof grown);
    *capacity = wanted;
    return TN_OK;
}
