/* events.h - TensorBoard's event files: scalars by step.
 *
 * A file is a run of TFRecords, each an Event in protobuf (event.proto):
 *
 *   1. u64  length n of the event, little-endian
 *   2. u32  masked CRC-32C of these 8 bytes
 *   3. n bytes of event
 *   4. u32  masked CRC-32C of the event
 *
 * The first event tells the version, "brain.Event:2".
 */
#ifndef TN_TRAIN_EVENTS_H
#define TN_TRAIN_EVENTS_H

#include <stdio.h>

#include "base/base.h"

typedef struct tn__scalar {
    const char *tag;
    double value;
} tn__scalar;

/* The event that a file begins with. Both return TN_ERROR_MEMORY or _IO. */
tn_status tn__events_begin(FILE *file, const char *path, tn_error *err) TN_MUST_USE;
/* One event of scalars [count], at most TN__SCALARS_MAX. */
#define TN__SCALARS_MAX 8
tn_status tn__events_add(FILE *file, const char *path, size_t step,
                         const tn__scalar *scalars, size_t count,
                         tn_error *err) TN_MUST_USE;

/* CRC-32C (Castagnoli), and as TFRecords have it: rotated right by 15, plus 0xa282ead8,
 * so that a CRC of bytes that hold CRCs stays useful. */
uint32_t tn__crc32c(const void *bytes, size_t size);
uint32_t tn__crc32c_masked(const void *bytes, size_t size);

#endif
