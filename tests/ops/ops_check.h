/* ops_check.h - one operator under test: a model of one node, run by its plain
 * forward() and backward().
 *
 *     check c = check_start();
 *     check_input(&c, 2, (int64_t[]){2, 3}, values);
 *     check_node(&c, "Softmax", 13, 1);          // type, operator set, outputs
 *     assert_ok(check_run(&c, err));
 *     ... tn__tensor_f32_const(c.out_at[0]) ...
 *     check_gradients(&c, 1e-3);
 *     check_end(&c);
 */
#ifndef TN_TESTS_OPS_OPS_CHECK_H
#define TN_TESTS_OPS_OPS_CHECK_H

#include "base/rng.h"
#include "ops/op.h"
#include "test.h"

#define CHECK_MAX 8

typedef struct check {
    tn_model *model;
    tn__node *node;
    size_t inputs[CHECK_MAX], count, outputs;
    tn__tensor in[CHECK_MAX], out[CHECK_MAX];
    bool left_out[CHECK_MAX];
    /* Filled by check_infer(), so that a check may be returned by value before. */
    const tn__tensor *in_at[CHECK_MAX];
    tn__tensor *out_at[CHECK_MAX];
    tn__shapes shapes;
    tn__site_memory memory;
    tn__site site;
    const tn__op *op;
} check;

static inline check check_start(void)
{
    check c = {0};
    assert_ok(tn__model_create(&c.model, "check", err));
    return c;
}

static inline void check_end(check *c)
{
    for (size_t k = 0; k < CHECK_MAX; k++) {
        tn__tensor_release(&c->in[k]);
        tn__tensor_release(&c->out[k]);
    }
    tn__shapes_release(&c->shapes);
    tn__site_memory_release(&c->memory);
    tn_model_free(c->model);
}

static inline void check_tensor(tn__tensor *out, tn_dtype dtype, int rank,
                                const int64_t *dims, const void *values)
{
    void *data;
    assert_ok(tn__tensor_create(out, dtype, rank, dims, err));
    assert_ok(tn__tensor_write(out, &data, err));
    if (values && tn__tensor_bytes(out))
        memcpy(data, values, tn__tensor_bytes(out));
}

/* Values uniform in [-1, 1), the same each time. */
static inline void check_fill(tn__tensor *tensor, uint64_t seed)
{
    tn__rng rng;
    tn__rng_seed(&rng, seed, 0);
    float *x = tn__tensor_f32(tensor);
    for (size_t i = 0; i < tn__tensor_count(tensor); i++)
        x[i] = (float)(2 * tn__rng_uniform(&rng) - 1);
}

static inline tn__tensor *check_next(check *c)
{
    assert_true(c->count < CHECK_MAX);
    return &c->in[c->count];
}

/* The next input, from the data: its first axis is the batch. values NULL: random. */
static inline void check_input(check *c, int rank, const int64_t *dims,
                               const float *values)
{
    char name[32];
    (void)snprintf(name, sizeof name, "x%zu", c->count);
    tn__tensor *x = check_next(c);
    check_tensor(x, TN_F32, rank, dims, values);
    if (!values)
        check_fill(x, c->count + 1);
    assert_ok(tn__model_add_input(&c->inputs[c->count++], c->model, name, TN_F32, rank,
                                  dims, err));
}

static inline void check_parameter_of(check *c, tn_dtype dtype, int rank,
                                      const int64_t *dims, const void *values)
{
    char name[32];
    (void)snprintf(name, sizeof name, "p%zu", c->count);
    tn__tensor *x = check_next(c);
    check_tensor(x, dtype, rank, dims, values);
    if (!values && dtype == TN_F32)
        check_fill(x, c->count + 1);
    assert_ok(tn__model_add_parameter(&c->inputs[c->count++], c->model, name, x, err));
}

/* The next input, known at compile time. values NULL: random. */
static inline void check_parameter(check *c, int rank, const int64_t *dims,
                                   const float *values)
{
    check_parameter_of(c, TN_F32, rank, dims, values);
}

static inline void check_list(check *c, size_t count, const int64_t *list)
{
    check_parameter_of(c, TN_I64, 1, (int64_t[]){(int64_t)count}, list);
}

static inline void check_left_out(check *c)
{
    c->left_out[c->count] = true;
    c->inputs[c->count++] = TN__NONE;
}

static inline void check_node(check *c, const char *type, int64_t opset, size_t outputs)
{
    size_t values[CHECK_MAX], node;
    c->model->opsets[0].version = opset;
    c->outputs = outputs;
    for (size_t k = 0; k < outputs; k++) {
        char name[32];
        (void)snprintf(name, sizeof name, "y%zu", k);
        assert_ok(tn__model_add_value(&values[k], c->model, name, err));
    }
    assert_ok(tn__model_add_node(&node, c->model, type, "node", c->count, c->inputs,
                                 outputs, values, err));
    for (size_t k = 0; k < outputs; k++)
        assert_ok(tn__model_add_output(c->model, values[k], err));
    c->node = &c->model->nodes[node];
    c->op = tn__op_find("", type);
}

static inline void check_int(check *c, const char *name, int64_t i)
{
    assert_ok(tn__node_set_int(c->node, name, i, err));
}

static inline void check_float(check *c, const char *name, float f)
{
    assert_ok(tn__node_set_float(c->node, name, f, err));
}

static inline void check_text(check *c, const char *name, const char *text)
{
    assert_ok(tn__node_set_string(c->node, name, text, strlen(text), err));
}

static inline void check_ints(check *c, const char *name, size_t count,
                              const int64_t *list)
{
    assert_ok(tn__node_set_ints(c->node, name, count, list, err));
}

/* Shapes for the batch that input 0 has. */
static inline tn_status check_infer(check *c, tn_error *err)
{
    for (size_t k = 0; k < c->count; k++)
        c->in_at[k] = c->left_out[k] ? NULL : &c->in[k];
    bool first = c->model->input_count && c->in[0].shape.rank;
    int64_t batch = first ? TN__MAX(c->in[0].shape.dims[0], 1) : 1;
    tn_status status = tn__shapes_infer(&c->shapes, c->model, batch, err);
    if (!status)
        status = tn__site_fill(&c->site, &c->memory, c->model, &c->shapes, 0, err);
    return status;
}

static inline tn_status check_run(check *c, tn_error *err)
{
    tn_status status = check_infer(c, err);
    for (size_t k = 0; k < c->outputs && !status; k++) {
        size_t v = c->node->outputs[k];
        const tn__shape *shape = &c->shapes.shape[v];
        status = tn__tensor_create(&c->out[k], c->shapes.dtype[v], shape->rank,
                                   shape->dims, err);
        c->out_at[k] = &c->out[k];
    }
    return status ? status : c->op->forward(c->out_at, c->in_at, &c->site, err);
}

/* sum over outputs of weight times out, for the inputs as they are now. */
static inline double check_loss(check *c, const tn__tensor *weight)
{
    double loss = 0;
    assert_ok(c->op->forward(c->out_at, c->in_at, &c->site, err));
    for (size_t k = 0; k < c->outputs; k++)
        for (size_t i = 0; i < tn__tensor_count(&c->out[k]); i++)
            loss +=
                tn__tensor_get_f64(&weight[k], i) * tn__tensor_get_f64(&c->out[k], i);
    return loss;
}

static inline void check_gradient_of(check *c, size_t k, const tn__tensor *dx,
                                     const tn__tensor *weight, double tolerance)
{
    const float step = 1.0f / 128;
    void *data;
    assert_ok(tn__tensor_write(&c->in[k], &data, err)); /* parameters are shared */
    float *x = data;
    for (size_t i = 0; i < tn__tensor_count(dx); i++) {
        float was = x[i];
        x[i] = was + step;
        double above = check_loss(c, weight);
        x[i] = was - step;
        double below = check_loss(c, weight);
        x[i] = was;
        double slope = (above - below) / (2 * (double)step);
        double found = tn__tensor_get_f64(dx, i);
        if (fabs(found - slope) > tolerance * (1 + fabs(slope)))
            fail_msg("gradient of input %zu at %zu is %g, differences say %g", k, i,
                     found, slope);
    }
    assert_ok(c->op->forward(c->out_at, c->in_at, &c->site, err));
}

/* backward() equals central differences for every f32 input, after check_run(). */
static inline void check_gradients(check *c, double tolerance)
{
    tn__tensor weight[CHECK_MAX] = {0}, din[CHECK_MAX] = {0};
    const tn__tensor *dout_at[CHECK_MAX] = {0}, *out_at[CHECK_MAX] = {0};
    tn__tensor *din_at[CHECK_MAX] = {0};
    for (size_t k = 0; k < c->outputs; k++) {
        check_tensor(&weight[k], TN_F32, c->out[k].shape.rank, c->out[k].shape.dims,
                     NULL);
        check_fill(&weight[k], 100 + k);
        dout_at[k] = &weight[k];
        out_at[k] = &c->out[k];
    }
    for (size_t k = 0; k < c->count; k++)
        if (c->in_at[k] && c->in[k].dtype == TN_F32) {
            check_tensor(&din[k], TN_F32, c->in[k].shape.rank, c->in[k].shape.dims,
                         NULL);
            check_fill(&din[k], 7); /* must be overwritten */
            din_at[k] = &din[k];
        }
    assert_ok(c->op->backward(din_at, dout_at, c->in_at, out_at, &c->site, err));
    for (size_t k = 0; k < c->count; k++)
        if (din_at[k])
            check_gradient_of(c, k, &din[k], weight, tolerance);
    /* Nothing wanted, nothing written. */
    tn__tensor *none[CHECK_MAX] = {0};
    assert_ok(c->op->backward(none, dout_at, c->in_at, out_at, &c->site, err));
    for (size_t k = 0; k < CHECK_MAX; k++) {
        tn__tensor_release(&weight[k]);
        tn__tensor_release(&din[k]);
    }
}

static inline void check_shape(const check *c, size_t k, int rank, const int64_t *dims)
{
    tn__shape want = {.rank = rank};
    memcpy(want.dims, dims, (size_t)rank * sizeof *dims);
    char found[TN__SHAPE_TEXT], wanted[TN__SHAPE_TEXT];
    if (!tn__shape_equal(&c->site.out[k], &want))
        fail_msg("output %zu is %s, expected %s", k,
                 tn__shape_text(found, sizeof found, &c->site.out[k]),
                 tn__shape_text(wanted, sizeof wanted, &want));
}

static inline void check_values(const check *c, size_t k, size_t count,
                                const float *values, double tolerance)
{
    assert_int_equal(tn__tensor_count(&c->out[k]), count);
    for (size_t i = 0; i < count; i++)
        assert_near(tn__tensor_get_f64(&c->out[k], i), (double)values[i], tolerance);
}

/* --- coupling: what a rule says, recorded -------------------------------------------
 */

typedef struct recorder {
    tn__coupling base; /* first: what the rule sees */
    struct {
        int a, a_axis, b, b_axis;
        size_t i, j;
    } ties[4096];
    size_t tie_count;
    struct {
        int operand, axis;
    } frozen[64];
    size_t frozen_count;
    struct {
        int operand, axis;
        tn__role role;
    } roles[16];
    size_t role_count;
    struct {
        int one, axis, many, first, last;
    } merges[16];
    size_t merge_count;
} recorder;

static inline tn_status record_tie(tn__coupling *c, tn__spot a, tn__spot b,
                                   size_t count, tn_error *err)
{
    recorder *r = (recorder *)c;
    (void)err;
    assert_true(count <= TN__COUNT(r->ties) - r->tie_count);
    for (size_t k = 0; k < count; k++) {
        r->ties[r->tie_count].a = a.operand;
        r->ties[r->tie_count].a_axis = a.axis;
        r->ties[r->tie_count].i = a.index + k;
        r->ties[r->tie_count].b = b.operand;
        r->ties[r->tie_count].b_axis = b.axis;
        r->ties[r->tie_count++].j = b.index + k;
    }
    return TN_OK;
}

static inline tn_status record_freeze(tn__coupling *c, int operand, int axis,
                                      const char *reason, tn_error *err)
{
    recorder *r = (recorder *)c;
    (void)err;
    assert_non_null(reason);
    assert_true(r->frozen_count < TN__COUNT(r->frozen));
    r->frozen[r->frozen_count].operand = operand;
    r->frozen[r->frozen_count++].axis = axis;
    return TN_OK;
}

static inline void record_role(tn__coupling *c, int operand, int axis, tn__role role)
{
    recorder *r = (recorder *)c;
    assert_true(r->role_count < TN__COUNT(r->roles));
    r->roles[r->role_count].operand = operand;
    r->roles[r->role_count].axis = axis;
    r->roles[r->role_count++].role = role;
}

/* Merges and picks are for the groups to judge: here the merged axes are frozen too. */
static inline tn_status record_merge(tn__coupling *c, int one, int axis, int many,
                                     int first, int last, tn_error *err)
{
    recorder *r = (recorder *)c;
    assert_true(r->merge_count < TN__COUNT(r->merges));
    r->merges[r->merge_count].one = one;
    r->merges[r->merge_count].axis = axis;
    r->merges[r->merge_count].many = many;
    r->merges[r->merge_count].first = first;
    r->merges[r->merge_count++].last = last;
    tn_status status = record_freeze(c, one, axis, "merge", err);
    for (int a = first; a <= last && !status; a++)
        status = record_freeze(c, many, a, "merge", err);
    return status;
}

static inline tn_status record_pick(tn__coupling *c, int operand, int axis, size_t i,
                                    tn_error *err)
{
    (void)i;
    return record_freeze(c, operand, axis, "pick", err);
}

/* Runs the rule of a checked node after check_infer() or check_run(). */
static inline recorder *record(check *c)
{
    static recorder r;
    r = (recorder){
        .base = {record_tie, record_freeze, record_role, record_merge, record_pick}};
    assert_ok(c->op->couple(&r.base, &c->site, err));
    return &r;
}

static inline bool is_tied(const recorder *r, int a, int a_axis, size_t i, int b,
                           int b_axis, size_t j)
{
    for (size_t t = 0; t < r->tie_count; t++) {
        bool same = r->ties[t].a == a && r->ties[t].a_axis == a_axis &&
                    r->ties[t].i == i && r->ties[t].b == b &&
                    r->ties[t].b_axis == b_axis && r->ties[t].j == j;
        bool turned = r->ties[t].a == b && r->ties[t].a_axis == b_axis &&
                      r->ties[t].i == j && r->ties[t].b == a &&
                      r->ties[t].b_axis == a_axis && r->ties[t].j == i;
        if (same || turned)
            return true;
    }
    return false;
}

static inline size_t ties_of(const recorder *r, int operand, int axis)
{
    size_t count = 0;
    for (size_t t = 0; t < r->tie_count; t++)
        count += (r->ties[t].a == operand && r->ties[t].a_axis == axis) ||
                 (r->ties[t].b == operand && r->ties[t].b_axis == axis);
    return count;
}

static inline bool is_frozen(const recorder *r, int operand, int axis)
{
    for (size_t k = 0; k < r->frozen_count; k++)
        if (r->frozen[k].operand == operand && r->frozen[k].axis == axis)
            return true;
    return false;
}

/* Axis `axis` of operand `one` is the axes first .. last of operand `many`. */
static inline bool is_merged(const recorder *r, int one, int axis, int many, int first,
                             int last)
{
    for (size_t k = 0; k < r->merge_count; k++)
        if (r->merges[k].one == one && r->merges[k].axis == axis &&
            r->merges[k].many == many && r->merges[k].first == first &&
            r->merges[k].last == last)
            return true;
    return false;
}

static inline tn__role role_of(const recorder *r, int operand, int axis)
{
    for (size_t k = 0; k < r->role_count; k++)
        if (r->roles[k].operand == operand && r->roles[k].axis == axis)
            return r->roles[k].role;
    return TN__CARRIER;
}

#endif
