/* plan.h - a range of nodes compiled for one worker: steps, layouts, memory.
 *
 * plan.c drives the compilation: precision.c chooses the element types of values,
 * fuse_steps.c groups nodes into steps, plan.c gives each step a kernel,
 * backward_plan.c decides where gradients go, memory.c lays everything out in one
 * arena, plan_bind.c tells the kernels. run.c executes. Time, for the arena, is the
 * number of the step in the forward pass, then of the steps in reverse in the backward
 * pass.
 */
#ifndef TN_ENGINE_PLAN_H
#define TN_ENGINE_PLAN_H

#include "engine/memory.h"
#include "ops/onednn.h"

/* What all plans of an engine read: the graph and the f32 parameters. */
typedef struct tn__source {
    tn_model *model;
    tn__shapes shapes; /* for one shard */
    tn__links links;
    size_t *root; /* [values] the parameter a value is (Identity passes), or NONE */
    float **parameter; /* [values] f32 copies; NULL: not a float parameter */
    size_t *count;     /* [values] elements of those */
    bool *trained;     /* [values] */
    bool *derived;     /* [values] made from float parameters, at least in part */
    uint64_t version;  /* of the parameters */
} tn__source;

/* Node n is run: its outputs are not known at compile time whatever the parameters. */
bool tn__source_runs(const tn__source *source, size_t n);
/* Makes one operator of nodes that are one (composites.c): layer norm, Gelu. The links
 * must be made anew after it. */
tn_status tn__source_compose(tn__source *source, tn_error *err) TN_MUST_USE;

typedef struct tn__plan_spec {
    const tn__source *source;
    size_t first, last; /* nodes first .. last - 1 */
    bool training;      /* a backward pass from export 0 to all trained parameters */
    bool reference;     /* plain C kernels only */
    bool fuse;
    bool bf16;                       /* compute in bf16 where kernels can */
    const size_t *imports, *exports; /* values given and wanted, as plain arrays */
    size_t import_count, export_count;
} tn__plan_spec;

/* After a kernel's backward(): to[i] = a[i] + b[i]; b NULL: to = 0, and before it. */
typedef struct tn__sum {
    size_t to, a, b; /* slots */
    size_t count;    /* numbers */
    bool bf16;       /* else f32 */
} tn__sum;

#define TN__STEP_NODES 4 /* Conv, BatchNormalization, Add, Relu */

typedef struct tn__step {
    size_t nodes[TN__STEP_NODES];
    unsigned fusion[TN__STEP_NODES]; /* what each node is to the first */
    size_t node_count;
    unsigned fused;   /* all of these */
    size_t norm;      /* node of the batch norm folded in, or NONE */
    size_t bias;      /* value of the vector that is added, or NONE */
    size_t addend;    /* value the result is added to in place, or NONE */
    tn__curve curve;  /* the function behind, with TN__FUSE_CURVE */
    size_t *in, *out; /* values; `in` has at least 3 entries */
    size_t in_count, out_count;
    bool *wanted;       /* [in_count] gradients */
    tn__kernel *kernel; /* owned where it has a free() */
    bool backward;

    /* Slots, then the same as addresses, [in_count] or [out_count]. */
    size_t *din, *dout;
    size_t workspace, scratch_forward, scratch_backward;
    void **in_at, **out_at, **din_at, **dout_at;

    size_t private_dout; /* slot of a copy of dout[0] made before backward(), or NONE */
    tn__sum *sums;       /* [sum_count] in order */
    size_t sum_count;
    bool *zeroed; /* [out_count] dout that nobody wrote */
    bool *added;  /* [in_count] din is added to by the kernel */
} tn__step;

typedef struct tn__port { /* a value at the edge of the plan */
    size_t value;
    const tn__layout *plain;
    size_t slot;  /* of the plain array */
    size_t inner; /* of the value, or of its gradient, in the plan's layout */
    void *at;
    bool moves;          /* the value lies elsewhere, in another layout */
    tn__program program; /* that moves it */
} tn__port;

typedef struct tn__plan {
    tn__plan_spec spec; /* without the arrays of imports and exports */
    tn__dnnl *dnnl;
    tn__step *steps;
    size_t step_count;
    const tn__layout **layout; /* [values] NULL: none here */
    bool *bf16;                /* [values] wanted in bf16 */
    size_t *slot;              /* [values] */
    size_t *gradient;          /* [values] slot of its gradient at the time, or NONE */
    tn__port *imports, *exports, seed; /* seed: the gradient of export 0 */
    size_t import_count, export_count;
    tn__arena arena;
    float *folded;    /* weights and bias of the step being folded */
    uint64_t version; /* of the parameters last taken over */
} tn__plan;

tn_status tn__plan_create(tn__plan **out, const tn__plan_spec *spec,
                          tn_error *err) TN_MUST_USE;
void tn__plan_free(tn__plan *plan); /* takes NULL */

/* The passes of the compilation; each in its file. */
tn_status tn__plan_group(tn__plan *plan, tn_error *err) TN_MUST_USE;
/* After grouping: only nodes that run count. */
tn_status tn__plan_precision(tn__plan *plan, tn_error *err) TN_MUST_USE;
/* Undoes the last fusion of step s; what was fused becomes a step after it. */
tn_status tn__plan_split(tn__plan *plan, size_t s, tn_error *err) TN_MUST_USE;
tn_status tn__plan_backward(tn__plan *plan, tn_error *err) TN_MUST_USE;
tn_status tn__plan_bind(tn__plan *plan, tn_error *err) TN_MUST_USE;

/* Puts the label of the step's node before the message in err. */
tn_status tn__plan_fail(const tn__plan *plan, const tn__step *step, tn_status status,
                        tn_error *err);

/* Time of step s forward and backward. */
static inline size_t tn__time_backward(const tn__plan *plan, size_t s)
{
    return 2 * plan->step_count + 1 - s;
}
static inline size_t tn__time_loss(const tn__plan *plan)
{
    return plan->step_count;
}
static inline size_t tn__time_end(const tn__plan *plan)
{
    return 2 * plan->step_count + 2;
}
/* The values is computed here or imported: an activation. */
static inline bool tn__plan_active(const tn__plan *plan, size_t value)
{
    return value != TN__NONE && plan->layout[value];
}

/* --- running (run.c); arrays are at the ports --- */

tn_status tn__plan_forward(tn__plan *plan, tn_error *err) TN_MUST_USE;
/* Backward from the gradient at plan->seed.at. collect() is called for each parameter
 * of each step as soon as its gradient is known. */
typedef void tn__collect(void *user, size_t parameter, const float *gradient,
                         size_t count);
tn_status tn__plan_backpropagate(tn__plan *plan, tn__collect *collect, void *user,
                                 tn_error *err) TN_MUST_USE;
/* Weights and bias of a step with the batch norm behind it multiplied in (fold.c). */
void tn__plan_fold(const tn__plan *plan, const tn__step *step);

/* --- kernels of last resort --- */

/* Runs op->forward() and op->backward() on plain tensors (fallback.c); batch norm in
 * training takes its statistics from the batch first. */
tn_status tn__fallback_create(tn__kernel **out, const tn__kernel_request *request,
                              const tn__op *op, tn_error *err) TN_MUST_USE;

/* BatchNormalization in training, plain C (norm_plain.c): mean and biased variance [c]
 * of x [n, c, ...], and the gradient through them, where in[3] and in[4] hold them. */
void tn__norm_statistics(float *mean, float *variance, const tn__tensor *x);
void tn__norm_backward(tn__tensor *const *din, const tn__tensor *dout,
                       const tn__tensor *const *in, double epsilon);

#endif
