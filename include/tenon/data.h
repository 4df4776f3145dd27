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
 *   idx:DIR|FILE   MNIST's files, plain, .gz or .zst (DIR: train-images-idx3-ubyte,
 *                  t10k-images-idx3-ubyte and labels; FILE: images, labels beside it)
 *   cifar10:DIR|FILE.bin   CIFAR-10 binary records (also .gz, .zst)
 *   images:DIR     one folder a class, DIR/[SPLIT/]CLASS/ with .jpg or .png
 *   tar:FILE       the same inside .tar, .tar.gz, .tar.zst, whatever the order
 *   fashion-mnist  Debian's package dataset-fashion-mnist; or fashion-mnist:DIR
 *   random:CxHxW   standard normal images from `seed`, labels from `seed`; for tests
 *                  (1000 images of 10 classes unless limit and classes say otherwise)
 *
 * keys: split=train|test|val, limit=N (the first N; image folders and tars: after a
 * shuffle by `seed`), skip=N (of the same order, before limit), mean=a/b/c and
 * std=a/b/c (of pixels in 0..1; one value serves all channels), size=N (images are
 * scaled to NxN), classes=N (labels from 0 to N - 1), seed=N (1).
 *
 * cache=DIR (of a tar): keep the decoded images in DIR, one byte a pixel, and take them
 * from there the next time: by the archive's SHA-256 and what is chosen, so a changed
 * archive is decoded anew. DIR is made where it is not there; what lies in it may be
 * removed at any time.
 *
 * Before skip and limit, only=0-4/7 (images of these classes; labels stay) and part=K/N
 * (the Kth of N parts) choose. Parts are disjoint and together all images. The images
 * of each class are dealt out at random by `seed`, in the proportions shares=a/b/c
 * (equal unless given), or in proportions drawn for each class from a Dirichlet
 * distribution of that mean, with dirichlet=A as parameter where shares are equal
 * (small A: each class almost whole in one part). Classes special=9 lie in the first
 * part alone. Not for random.
 *
 * mean and std, where left out:
 *
 *   idx                     .1307                 .3081
 *   fashion-mnist           .2860                 .3530
 *   cifar10                 .4914/.4822/.4465     .2470/.2435/.2616
 *   images, tar at 32 x 32  as cifar10
 *   images, tar             .485/.456/.406        .229/.224/.225   (ImageNet's)
 *   random                  0                     1
 *
 * Classes are numbered as the files say; folders in byte order of their names. Images
 * of folders and tars have three channels where any file has colour, else one. Folders
 * above the split that all images share are passed over.
 *
 * `split` (may be NULL) is what the call wants where the spec has none and the source
 * has splits: a source with a single one is taken as it is; val stands in for an absent
 * test and test for val; NULL takes test, val or train, the first that is there.
 *
 * Deterministic. TN_ERROR_ARGUMENT (spec), _IO, _FORMAT (with the file and offset or
 * member; nothing left to read), _UNSUPPORTED (beyond the limits), _MISMATCH (labels
 * out of range, sizes differ, no such split). */
TN_API TN_MUST_USE tn_status tn_dataset_open(tn_dataset **out, const char *spec,
                                             const char *split, tn_error *err);
TN_API void tn_dataset_free(tn_dataset *data); /* takes NULL */

TN_API size_t tn_dataset_count(const tn_dataset *data);   /* images */
TN_API size_t tn_dataset_classes(const tn_dataset *data); /* labels are below */
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
