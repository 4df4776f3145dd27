/* arch_family.h - what the families of architectures have in common.
 *
 * A name such as "resnet20bx4" is parsed into a spec; a spec is built into a graph, and
 * printed as the name again. Checkpoints are looked at the other way round: a family
 * detects from names and shapes of tensors which spec they would fit.
 */
#ifndef TN_ARCH_ARCH_FAMILY_H
#define TN_ARCH_ARCH_FAMILY_H

#include "arch/arch.h"
#include "arch/arch_builder.h"

#define TN__ARCH_LAYERS 64
#define TN__ARCH_NAME_TEXT 512
#define TN__ARCH_WIDTH_MAX 64.0
#define TN__ARCH_EXTENT_MAX                                                            \
    (INT64_C(1) << 24) /* of one layer, input or class count                           \
                        */

typedef struct tn__arch_family tn__arch_family;
typedef struct tn__arch_spec {
    const tn__arch_family *family;
    int64_t depth;                         /* the number in the name */
    bool norm, bias, projection, imagenet; /* -bn, :bias, option B, -imagenet */
    double width;                          /* xW */
    size_t layer_count;                    /* of an MLP: widths, the input's first */
    int64_t layers[TN__ARCH_LAYERS];
    int64_t input[3], classes; /* 0: the architecture's own */
} tn__arch_spec;

/* Tensors looked up by name: a prefix that all names share may be missing, and "fc" and
 * "linear", "downsample" and "shortcut" are the same. */
typedef struct tn__names {
    const tn__named_tensor *tensors;
    size_t count, prefix; /* length of the longest shared prefix that ends in '.', of
                             256 bytes at most */
} tn__names;
tn__names tn__names_of(const tn__named_tensor *tensors, size_t count);
/* Position of the tensor, or TN__NONE. */
size_t tn__names_find(const tn__names *names, const char *name);
/* Extent of an axis of the tensor, 0 where there is no such tensor or axis. */
int64_t tn__names_dim(const tn__names *names, const char *name, int axis);
static inline bool tn__names_has(const tn__names *names, const char *name)
{
    return tn__names_find(names, name) != TN__NONE;
}

struct tn__arch_family {
    /* Reads a name that starts with the family's word; false: it is none of ours. */
    bool (*parse)(tn__arch_spec *spec, const char *name);
    void (*print)(char *text, size_t size, const tn__arch_spec *spec);
    /* Fills input and classes where they are 0; fails where they cannot be. */
    tn_status (*settle)(tn__arch_spec *spec, tn_error *err);
    void (*build)(tn__builder *b, const tn__arch_spec *spec);
    /* The spec that the tensors would fit; false where they are not of this family. */
    bool (*detect)(tn__arch_spec *spec, const tn__names *names);
};
extern const tn__arch_family tn__family_mlp, tn__family_lenet5, tn__family_vgg,
    tn__family_resnet_cifar, tn__family_resnet_imagenet, tn__family_mobilenet;

/* What the tensors say and `spec` leaves open: biases, the kind of shortcut, the widths
 * of an MLP, input and classes. */
void tn__arch_complete(tn__arch_spec *spec, const tn__names *names);
/* TN_ERROR_ARGUMENT on a name that no family knows. */
tn_status tn__arch_parse(tn__arch_spec *out, const char *name,
                         tn_error *err) TN_MUST_USE;
/* The families, ended by NULL. */
extern const tn__arch_family *const tn__arch_families[];
/* Graph and parameters of a spec. Where `room` is not 0 the parameters stay 0, and must
 * have fewer elements than that in all (TN_ERROR_MISMATCH). */
tn_status tn__arch_build_spec(tn_model **out, const tn__arch_spec *spec, uint64_t seed,
                              size_t room, tn_error *err) TN_MUST_USE;
/* The room for a network that is to be filled from the tensors: their elements, and
 * not less than TN__ARCH_ROOM, so that what does not fit is told by name. */
#define TN__ARCH_ROOM ((size_t)1 << 25)
size_t tn__arch_room(const tn__names *names);
/* Do the tensors fill the model? */
bool tn__arch_fits(const tn_model *model, const tn__names *names);

/* Parsing: each moves *s on where it matches. */
bool tn__scan_word(const char **s, const char *word);
bool tn__scan_number(const char **s, int64_t *number);
/* "xW", which may be missing: then 1; false where W has no meaning. */
bool tn__scan_width(const char **s, double *width);
/* "x4" after printing, nothing for 1. */
const char *tn__width_text(char text[24], double width);

/* base times the width of the spec, rounded, at least 1. */
int64_t tn__arch_width(const tn__arch_spec *spec, int64_t base);
/* Fills input and classes where they are 0, and checks that they are in range. */
tn_status tn__arch_settle(tn__arch_spec *spec, const int64_t input[3], int64_t classes,
                          tn_error *err) TN_MUST_USE;

/* --- mlp_names.c --- */

/* The tensors under the names of the built-in MLP, in new memory [count]; *out is NULL
 * where they have those names already or are no MLP. */
tn_status tn__mlp_names(tn__named_tensor **out, const tn__named_tensor *tensors,
                        size_t count, tn_error *err) TN_MUST_USE;
void tn__mlp_names_free(tn__named_tensor *tensors, size_t count); /* takes NULL */

#endif
