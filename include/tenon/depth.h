/* depth.h - networks of different depth made equally deep.
 *
 * Units (layers, residual blocks) of a shallow network are aligned with those of a deep
 * one, stage by stage; then the shallow network gets the units it lacks, as identities,
 * or the deep one loses those it has too many, folded into their neighbours. CLAFusion:
 * Nguyen et al., "On cross-layer alignment for model fusion of heterogeneous neural
 * networks", ICASSP 2023, arXiv 2110.15538.
 */
#ifndef TENON_DEPTH_H
#define TENON_DEPTH_H

#include "tenon/data.h"
#include "tenon/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Whose depth the result has. */
typedef enum tn_depth { TN_DEPTH_DEEP, TN_DEPTH_SHALLOW } tn_depth;

/* How units are aligned; always in order, one to one, within stages. */
typedef enum tn_layer_map {
    TN_LAYER_MAP_LAYERS,   /* least sum of costs of the pairs */
    TN_LAYER_MAP_SEGMENTS, /* every deep unit belongs to a segment and has its cost
                              (arXiv 2501.00061) */
    TN_LAYER_MAP_CHAIN,    /* the first deep units of each stage; ignores costs */
    TN_LAYER_MAP_RANDOM    /* by seed; ignores costs */
} tn_layer_map;

/* What a pair of units costs. */
typedef enum tn_layer_cost {
    TN_LAYER_COST_AUTO,        /* CKA where there is data, else index */
    TN_LAYER_COST_CKA,         /* 1 - linear CKA of their outputs, unbiased HSIC */
    TN_LAYER_COST_CKA_BIASED,  /* 1 - linear CKA, biased HSIC */
    TN_LAYER_COST_CKA_RBF,     /* 1 - CKA of Gaussian kernels, biased HSIC */
    TN_LAYER_COST_WASSERSTEIN, /* exact transport between their neurons, each of which
                                  is its mean answer to every image */
    TN_LAYER_COST_REGRESSION,  /* what a linear fit of one on the other leaves over, on
                                  images left out, mean of both directions */
    TN_LAYER_COST_NEURONS,     /* |log(neurons / neurons)| */
    TN_LAYER_COST_INDEX        /* difference of their relative places in the stage */
} tn_layer_cost;

/* What becomes of a unit that only some parents have. */
typedef enum tn_insert {
    TN_INSERT_WHOLE, /* it is the mean of theirs */
    TN_INSERT_SHARE  /* the others take part with their identities */
} tn_insert;

/* How networks are made equally deep. */
typedef struct tn_depth_options {
    tn_depth depth;     /* that all get */
    tn_layer_map map;   /* how units are aligned */
    tn_layer_cost cost; /* by what */
    tn_insert insert;   /* what those become that some lack */
    /* [models][units of that model]: the deep unit each is aligned with, instead of
       `map`, SIZE_MAX: the list ends here; NULL, or NULL for a model: by `map` */
    const size_t *const *given;
} tn_depth_options;
/* The defaults of tn_depth_options. */
#define TN_DEPTH_OPTIONS_INIT                                                          \
    {                                                                                  \
        0                                                                              \
    }

/* A piece of a network that can be inserted or folded. */
typedef struct tn_unit {
    const char *name;      /* of its first layer; borrowed from the alignment */
    size_t stage, neurons; /* it lies in, it gives */
} tn_unit;

/* How one network was aligned with a deeper one and made as deep, or the other way. */
typedef struct tn_alignment {
    size_t model, onto;       /* positions in the list of networks: shallow, deep */
    tn_unit *units;           /* [count] */
    tn_unit *deep;            /* [deep_count] */
    size_t count, deep_count; /* units of either */
    double *cost;             /* [deep_count, count] */
    size_t *slot;             /* [count]: the deep unit of each, ascending */
    double total;             /* the sum that was minimised */
    double
        error; /* largest difference of an output of the changed network from the
                  unchanged one's on the probe images, relative to the largest output */
} tn_alignment;
TN_API void tn_alignment_release(tn_alignment *alignment); /* takes NULL */

/* Networks that are to be equally deep, and images to look at them by. */
typedef struct tn_level_request {
    const tn_model *const *models; /* [count] */
    size_t count;                  /* how many */
    const tn_dataset *data;        /* or NULL */
    size_t samples;                /* of its images are drawn */
    uint64_t seed;                 /* by which */
    size_t threads;                /* 0: one for each processor */
} tn_level_request;
/* Makes models[0..count) equally deep, in the order given: out [count] are owned by the
 * caller and have the graph of the deepest (the first of them; of the shallowest where
 * options->depth says so). alignments [count - 1] (or NULL) are released by the caller,
 * in order of models, that of the deepest (shallowest) left out. Insertion preserves
 * the function exactly where activations repeat (ReLU); elsewhere it needs data to
 * measure the error. data may be NULL; `samples` images of it are drawn by `seed`.
 * Errors: TN_ERROR_MISMATCH (stages, structure), _UNSUPPORTED (a unit that cannot be
 * inserted or folded; no data where it is needed), _ARGUMENT (given). */
TN_API TN_MUST_USE tn_status tn_level(tn_model **out, tn_alignment *alignments,
                                      const tn_level_request *request,
                                      const tn_depth_options *options, tn_error *err);

/* Parameters of models[0] put into models[1], unit by unit as aligned, indices modulo
 * the source's extents (heterogeneous model transfer, the baseline of fusion across
 * depths): units of the target that have no counterpart keep theirs. *out is owned by
 * the caller; alignment may be NULL; `depth` and `insert` mean nothing here. Errors as
 * tn_level(), _ARGUMENT where there are not two models. */
TN_API TN_MUST_USE tn_status tn_transfer(tn_model **out, tn_alignment *alignment,
                                         const tn_level_request *request,
                                         const tn_depth_options *options,
                                         tn_error *err);

#ifdef __cplusplus
}
#endif
#endif
