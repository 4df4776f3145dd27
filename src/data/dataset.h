/* dataset.h - a data set in memory, and what its readers share.
 *
 * dataset.c opens: it parses the spec, lets the reader of the kind fill the tn_dataset,
 * and finishes it (normalisation, class names, canonical spec). A reader knows its
 * format and nothing else: idx.c, cifar.c, folder.c, tar.c, random.c.
 */
#ifndef TN_DATA_DATASET_H
#define TN_DATA_DATASET_H

#include "base/base.h"
#include "base/file.h"
#include "tenon/data.h"

/* Limits on what untrusted files may ask for. */
#define TN__DATA_FILE_MAX ((size_t)4 << 30) /* bytes of one decompressed file */
#define TN__IMAGE_SIDE_MAX 16384            /* pixels */
#define TN__DATA_CLASSES_MAX 65536
#define TN__DATA_PARTS_MAX 65536
#define TN__DATA_LIST_MAX 16 /* values in a list of a spec */

struct tn_dataset {
    size_t count, classes;
    size_t channels, height, width;
    uint8_t *bytes;     /* [count, channels, height, width], or NULL */
    float *floats;      /* the same for images that never were bytes, or NULL */
    tn__buffer *buffer; /* owns `floats` where not NULL */
    int32_t *labels;    /* [count] */
    char **class_names; /* [classes] */
    size_t name_count;  /* class names that are there */
    double *mean, *std; /* [channels] */
    float *table;       /* [channels, 256]: the normalised value of each byte */
    const char *split;  /* one of tn__split_names, or NULL where there are none */
    char *spec;
};

/* Classes a-b, both included. */
typedef struct tn__class_set {
    uint32_t range[TN__DATA_LIST_MAX][2];
    size_t count;
} tn__class_set;

bool tn__class_set_has(const tn__class_set *set, uint32_t label);

/* kind:path[,key=value...], parsed. */
typedef struct tn__data_spec {
    char *kind, *path; /* owned; path is "" where left out */
    char *cache;       /* owned; a folder, or NULL */
    const char *split; /* one of tn__split_names, or NULL */
    size_t limit;      /* 0: all */
    size_t skip;
    size_t size;    /* 0: as they are */
    size_t classes; /* 0: as the source says */
    uint64_t seed;
    tn__class_set only;    /* empty: all classes */
    size_t part, parts;    /* part `part` of `parts`, from 1; 0: all images */
    double dirichlet;      /* 0: classes are cut alike */
    tn__class_set special; /* classes of the first part alone */
    double shares[TN__DATA_LIST_MAX];
    size_t share_count; /* 0: parts of the same size */
    double mean[TN__DATA_LIST_MAX], std[TN__DATA_LIST_MAX];
    size_t mean_count, std_count; /* 0: the kind's own */
} tn__data_spec;

/* TN_ERROR_ARGUMENT, naming the key and what was expected of it. */
tn_status tn__data_spec_parse(tn__data_spec *out, const char *text,
                              tn_error *err) TN_MUST_USE;
void tn__data_spec_release(tn__data_spec *spec);
/* Writes the spec of an opened data set with every key that matters. */
tn_status tn__data_spec_format(char **out, const tn__data_spec *spec,
                               const tn_dataset *data, tn_error *err) TN_MUST_USE;
/* The keys of a spec that choose and scale images, in new memory: ",only=0-4,limit=9".
 */
tn_status tn__data_spec_chosen(char **out, const tn__data_spec *spec,
                               tn_error *err) TN_MUST_USE;
/* Which of names[0..count) is meant by `word`: at most two letters away; or NULL. */
const char *tn__nearest_name(const char *word, const char *const *names, size_t count);

enum { TN__SPLIT_TRAIN, TN__SPLIT_TEST, TN__SPLIT_VAL, TN__SPLITS };
extern const char *const tn__split_names[TN__SPLITS];
/* The split called name[0..length), or TN__SPLITS. */
size_t tn__split_find(const char *name, size_t length);
/* Chooses among the splits there are (bit s of `there`): the spec's; else the only one;
 * else the caller's `wanted` (val stands in for test and test for val); else (NULL)
 * test, val, train in that order. TN_ERROR_MISMATCH where it is not there. */
tn_status tn__split_choose(size_t *out, unsigned there, const tn__data_spec *spec,
                           const char *wanted, tn_error *err) TN_MUST_USE;
/* A single file whose name speaks of another split than the spec is TN_ERROR_MISMATCH.
 */
tn_status tn__split_check_file(const char *path, const tn__data_spec *spec,
                               tn_error *err) TN_MUST_USE;

/* The reader of a kind: fills count, shape, images, labels, classes, split and, where
 * it knows them, class names. */
typedef tn_status tn__data_reader(tn_dataset *data, const tn__data_spec *spec,
                                  const char *wanted, tn_error *err);
tn__data_reader tn__idx_read, tn__cifar_read, tn__folder_read, tn__tar_read,
    tn__random_read;

/* What a source has, before any image is chosen. */
typedef struct tn__source {
    const int32_t *labels; /* [count], below classes */
    size_t count, classes;
    bool sorted; /* by class: skip and limit choose after a shuffle by the seed */
} tn__source;

/* The images *out[0..*count), owned by the caller, that only, part, skip and limit
 * leave, in that order; TN_ERROR_FORMAT "no images in" where none is left,
 * TN_ERROR_MISMATCH where a class is not there. */
tn_status tn__data_select(uint32_t **out, size_t *count, const tn__data_spec *spec,
                          const tn__source *source, tn_error *err) TN_MUST_USE;
/* Memory for `count` byte images, height and width replaced by spec's size. */
tn_status tn__dataset_reserve(tn_dataset *data, const tn__data_spec *spec, size_t count,
                              size_t channels, size_t height, size_t width,
                              tn_error *err) TN_MUST_USE;
/* Stores pixels [channels, height, width] as image i, scaled where sizes differ. */
tn_status tn__dataset_put(tn_dataset *data, size_t i, const uint8_t *pixels,
                          size_t height, size_t width, tn_error *err) TN_MUST_USE;
tn_status tn__dataset_name_classes(tn_dataset *data, const char *const *names,
                                   size_t count, tn_error *err) TN_MUST_USE;
/* What is the same for all sources once images, labels and classes are there: names for
 * classes that have none, normalisation, the spec as opened. */
tn_status tn__dataset_finish(tn_dataset *data, const tn__data_spec *spec,
                             tn_error *err) TN_MUST_USE;
bool tn__is_folder(const char *path);

#endif
