/* operand.h - what operators share: checks of operands, integer lists, copying.
 *
 * Statuses of the checks: TN_ERROR_FORMAT where a node breaks ONNX's rules (inputs
 * missing, an attribute out of range), TN_ERROR_MISMATCH where shapes or types do not
 * fit each other, TN_ERROR_UNSUPPORTED where Tenon stops short of ONNX. Messages do not
 * name the node: infer.c puts its label before them.
 */
#ifndef TN_OPS_OPERAND_H
#define TN_OPS_OPERAND_H

#include "ops/op.h"

/* Shape, or value known at compile time, of input k; NULL where it is left out or not
 * known. */
static inline const tn__shape *tn__site_in(const tn__site *site, size_t k)
{
    return k < site->input_count ? site->in[k] : NULL;
}
static inline const tn__tensor *tn__site_constant(const tn__site *site, size_t k)
{
    return k < site->input_count ? site->constant[k] : NULL;
}

/* Between `least` and `most` inputs, the first `least` of them present. */
tn_status tn__expect_inputs(const tn__site *site, size_t least, size_t most,
                            tn_error *err) TN_MUST_USE;
/* One output that is made; any further one is read by nobody. */
tn_status tn__expect_one_output(const tn__site *site, tn_error *err) TN_MUST_USE;
/* Input k has between `least` and `most` axes. */
tn_status tn__expect_rank(const tn__site *site, size_t k, int least, int most,
                          tn_error *err) TN_MUST_USE;
/* Input k is of a float type. */
tn_status tn__expect_float(const tn__site *site, size_t k, tn_error *err) TN_MUST_USE;
/* Inputs k and l are of the same type. */
tn_status tn__expect_same_dtype(const tn__site *site, size_t k, size_t l,
                                tn_error *err) TN_MUST_USE;
/* Input k is a vector of `extent` elements, `what` in messages ("channels"). */
tn_status tn__expect_vector(const tn__site *site, size_t k, int64_t extent,
                            const char *what, tn_error *err) TN_MUST_USE;

bool tn__dtype_is_float(tn_dtype dtype);

/* axis in [-rank, rank) to [0, rank). */
tn_status tn__axis_resolve(int *out, int64_t axis, int rank, tn_error *err) TN_MUST_USE;

/* A short list of integers: axes, pads, starts. */
#define TN__INTS_MAX (2 * TN__MAX_RANK)
typedef struct tn__ints {
    bool given; /* false: left out */
    size_t count;
    int64_t v[TN__INTS_MAX];
} tn__ints;
/* From the attribute `name`. */
tn_status tn__ints_attr(tn__ints *out, const tn__site *site, const char *name,
                        tn_error *err) TN_MUST_USE;
/* From input k, which must be known at compile time; `name` in messages. */
tn_status tn__ints_input(tn__ints *out, const tn__site *site, size_t k,
                         const char *name, tn_error *err) TN_MUST_USE;
/* From the attribute before `opset`, from input k since. */
tn_status tn__ints_either(tn__ints *out, const tn__site *site, const char *name,
                          int64_t opset, size_t k, tn_error *err) TN_MUST_USE;
/* Marks axes of the list in [0, rank), each once. */
tn_status tn__axes_mark(bool marked[TN__MAX_RANK], const tn__ints *axes, int rank,
                        tn_error *err) TN_MUST_USE;

/* product = a * b * ..., UINT64_MAX where it does not fit. */
uint64_t tn__saturating_mul(uint64_t a, uint64_t b);

/* forward() and backward() of operators that keep the elements in their order: output 0
 * has the bytes of input 0. */
tn_status tn__same_forward(tn__tensor *const *out, const tn__tensor *const *in,
                           const tn__site *site, tn_error *err);
tn_status tn__same_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                            const tn__tensor *const *in, const tn__tensor *const *out,
                            const tn__site *site, tn_error *err);

/* Mean, and 1 / sqrt(variance + epsilon), of n floats: what norms standardise by. */
typedef struct tn__standard {
    double mean, inverse;
} tn__standard;
tn__standard tn__standard_of(const float *x, size_t n, double epsilon);

/* Rounds doubles into all of an f32 tensor; nothing where `to` is NULL. */
void tn__store_f64(tn__tensor *to, const double *from);

/* The operand is f32, or TN_ERROR_UNSUPPORTED: the plain kernels compute no other. */
tn_status tn__expect_f32(const tn__tensor *tensor, tn_error *err) TN_MUST_USE;

#endif
