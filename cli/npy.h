/* npy.h - arrays in NumPy's .npy files, versions 1 and 2.
 *
 * Read: little-endian f4, f8, u1, i1, u2, i2, u4, i4, u8 and i8 in C order, at most
 * eight axes; everything becomes f32. Written: f4, version 1. Layout: numpy.lib.format,
 * "Format Version 1.0" and "2.0".
 *
 *   offset 0   6 bytes  \x93NUMPY
 *   offset 6   2 bytes  major, minor
 *   offset 8   2 bytes (version 1) or 4 bytes (version 2), little-endian: header length
 *   then       the header, a Python dict {'descr': '<f4', 'fortran_order': False,
 *              'shape': (2, 3), } padded with blanks and ended by a line feed
 *   then       the elements
 */
#ifndef TENON_CLI_NPY_H
#define TENON_CLI_NPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tenon/error.h"

#define CLI_NPY_RANK_MAX 8

struct cli_array {
    int rank;
    int64_t dims[CLI_NPY_RANK_MAX];
    size_t count;
    float *values; /* [count], owned */
};

/* TN_ERROR_IO, _FORMAT (what was found and wanted, with the offset), _UNSUPPORTED
 * (types, Fortran order, byte order), _MEMORY. */
tn_status cli_npy_read(struct cli_array *out, const char *path, tn_error *err);
void cli_npy_release(struct cli_array *array);

/* Writes beside `path` and renames; an existing file is replaced only where told. */
tn_status cli_npy_write(const struct cli_array *array, const char *path, bool replace,
                        tn_error *err);

#endif
