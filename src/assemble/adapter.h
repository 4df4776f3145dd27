/* adapter.h - a stitch: what brings one block's output to the next one's input. */
#ifndef TN_ASSEMBLE_ADAPTER_H
#define TN_ASSEMBLE_ADAPTER_H

#include "assemble/splice.h"
#include "assemble/zoo.h"

typedef enum tn__layout { TN__VECTOR, TN__MAP, TN__TOKENS } tn__layout;

/* A value of one image. */
typedef struct tn__form {
    tn__layout layout;
    int64_t channels, height, width; /* tokens: of the grid they lie on, row by row;
                                        width 1 where their number is no square */
} tn__form;

/* First a change of grid without parameters, then a linear map of channels. */
typedef struct tn__adapter {
    tn__form from, to;
    int64_t pool; /* side of the cells that are averaged; 1: none */
    bool nearest; /* nearest neighbours are taken instead: grids with no common step */
} tn__adapter;

/* False where there is no stitch (a vector has no grid, tokens off any grid). */
bool tn__adapter_plan(tn__adapter *out, const tn__shape *from, const tn__shape *to);
tn__cost tn__adapter_cost(const tn__adapter *adapter);
/* Appends the change of grid: the end is [N, C], [N, C, H, W] or, between tokens of
 * equal number, [N, T, C]. */
tn_status tn__adapter_regrid(tn__splice *splice, const tn__adapter *adapter,
                             const char *name, tn_error *err) TN_MUST_USE;
/* Appends y = W x + b, weight [to, from], bias [to], and what makes tokens of it. */
tn_status tn__adapter_map(tn__splice *splice, const tn__adapter *adapter,
                          const float *weight, const float *bias, const char *name,
                          tn_error *err) TN_MUST_USE;
/* Makes tokens [N, T, C] at the end channels first, for statistics. */
tn_status tn__channels_first(tn__splice *splice, const char *name,
                             tn_error *err) TN_MUST_USE;

/* The layer that alone reads a cut and into which a linear map of channels can be
 * multiplied exactly: a Gemm, or a Conv without padding. */
typedef struct tn__fold {
    bool possible;
    int64_t outputs, taps, positions;
    bool biased;
} tn__fold;
tn_status tn__fold_find(tn__fold *out, const tn__member *member, size_t cut,
                        tn_error *err) TN_MUST_USE;
/* What a folded stitch adds to the block behind. */
tn__cost tn__fold_cost(const tn__fold *fold, const tn__adapter *adapter);
/* Multiplies the layer that makes `value` into its only reader; nobody reads `value`
 * afterwards. */
tn_status tn__fold_apply(tn_model *model, size_t value, tn_error *err) TN_MUST_USE;

#endif
