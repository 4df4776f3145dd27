/* data.h - labelled images.
 *
 *     tn_dataset *data = NULL;
 *     if (tn_dataset_open(&data, "fashion-mnist,split=test", NULL, &err)) ...
 *     printf("%zu images of %zu classes\n", tn_dataset_count(data),
 *            tn_dataset_classes(data));
 *     tn_dataset_free(data);
 */
#ifndef TENON_DATA_H
#define TENON_DATA_H

#include <stddef.h>
#include <stdint.h>

#include "tenon/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Images and labels, decoded and in memory as bytes; never changes after opening. */
typedef struct tn_dataset tn_dataset;

/* Opens kind:path[,key=value...]:
 *
 *   idx:DIR|FILE   MNIST's files, plain or .gz (DIR: *-images-idx3-ubyte and labels)
 *   cifar10:DIR|FILE.bin   CIFAR-10 binary records (also .gz, .zst)
 *   images:DIR     one folder a class, DIR/[split/]CLASS/ with .jpg or .png
 *   tar:FILE       the same inside .tar, .tar.gz, .tar.zst
 *   fashion-mnist  Debian's package dataset-fashion-mnist
 *   random:CxHxW   standard normal images from `seed`, labels from `seed`; for tests
 *
 * keys: split=train|test|val, limit=N (the first N; image folders: after a shuffle by
 * `seed`), skip=N, mean=a/b/c and std=a/b/c (of pixels in 0..1; default 0 and 1, or the
 * usual ones of the kind), size=N (images are scaled to NxN), classes=N, seed=N.
 *
 * Where `split` is left out it is "test" for evaluation and whatever `split` says in
 * the call. TN_ERROR_ARGUMENT (spec), _IO, _FORMAT (with the file and offset or
 * member), _MISMATCH (labels out of range, sizes differ). */
TN_API TN_MUST_USE tn_status tn_dataset_open(tn_dataset **out, const char *spec,
                                             const char *split, tn_error *err);
TN_API void tn_dataset_free(tn_dataset *data); /* takes NULL */

TN_API size_t tn_dataset_count(const tn_dataset *data);
TN_API size_t tn_dataset_classes(const tn_dataset *data);
/* Channels, height and width. */
TN_API void tn_dataset_shape(int64_t shape[3], const tn_dataset *data);
/* The name of class k, or its number as text; borrowed. */
TN_API const char *tn_dataset_class_name(const tn_dataset *data, size_t k);
/* The spec as opened, every key spelt out; borrowed. */
TN_API const char *tn_dataset_spec(const tn_dataset *data);

/* Copies images index[0..n) (index NULL: first..) normalised, as [n, C, H, W], and
 * their labels; either may be NULL. */
TN_API TN_MUST_USE tn_status tn_dataset_read(float *images, int32_t *labels,
                                             const tn_dataset *data,
                                             const uint32_t *index, size_t first,
                                             size_t n, tn_error *err);

#ifdef __cplusplus
}
#endif
#endif
