/* optimizer.c - how parameters move by their gradients.
 *
 * Parameters are cut into pieces that workers update; every number is computed alone,
 * and norms are summed in the order of the pieces, so threads change nothing.
 */
#include "train/optimizer.h"

#include <math.h>
#include <string.h>

enum { PIECE = 1 << 15 };
#define ADAM_EPSILON 1e-8F

typedef struct parameter {
    size_t value, count;
    float *moments[TN__MOMENTS]; /* [count] or NULL */
    tn__rule rule;
} parameter;

typedef struct piece {
    size_t parameter, first, count;
    double square; /* of this piece's gradients, summed */
} piece;

struct tn__optimizer {
    tn__engine *engine;
    tn__workers *workers;
    tn__rule rule;
    parameter *parameters;
    size_t parameter_count;
    piece *pieces;
    size_t piece_count, piece_capacity;
    bool prepared; /* the first gradients tell which parameters are trained */
    tn__pace pace;
};

static void sgd_update(float *w, float *v, const float *g, size_t n,
                       const tn__rule *rule, const tn__pace *pace)
{
    float momentum = (float)rule->momentum, decay = (float)rule->decay;
    float lr = (float)pace->rate, scale = (float)pace->scale;
    for (size_t i = 0; i < n; i++) {
        float d = scale * g[i] + decay * w[i];
        v[i] = momentum * v[i] + d;
        w[i] -= lr * (rule->nesterov ? d + momentum * v[i] : v[i]);
    }
}

static void adamw_update(float *w, float *const m[TN__MOMENTS], const float *g,
                         size_t n, const tn__rule *rule, const tn__pace *pace)
{
    double t = (double)pace->step;
    float b1 = (float)rule->momentum, b2 = (float)rule->second;
    float keep = (float)(1 - pace->rate * rule->decay), scale = (float)pace->scale;
    float lr = (float)(pace->rate / (1 - pow(rule->momentum, t)));
    float root = (float)sqrt(1 - pow(rule->second, t));
    for (size_t i = 0; i < n; i++) {
        float d = scale * g[i];
        m[0][i] = b1 * m[0][i] + (1 - b1) * d;
        m[1][i] = b2 * m[1][i] + (1 - b2) * d * d;
        w[i] = keep * w[i] - lr * m[0][i] / (sqrtf(m[1][i]) / root + ADAM_EPSILON);
    }
}

void tn__optimizer_update(float *w, float *const m[TN__MOMENTS], const float *g,
                          size_t n, const tn__rule *rule, const tn__pace *pace)
{
    if (rule->kind == TN_OPTIMIZER_ADAMW)
        adamw_update(w, m, g, n, rule, pace);
    else
        sgd_update(w, m[0], g, n, rule, pace);
}

/* Whether `name` begins as one of the comma-separated words of `only`. */
static bool moves(const char *name, const char *only)
{
    for (const char *at = only; at && *at;) {
        size_t length = strcspn(at, ",");
        if (length && !strncmp(name, at, length))
            return true;
        at += length + (at[length] == ',');
    }
    return !only;
}

tn_status tn__optimizer_create(tn__optimizer **out, tn__engine *engine,
                               const tn_model *model, tn__workers *workers,
                               const tn__rule *rule, tn_error *err)
{
    tn__optimizer *o = tn__alloc(1, sizeof *o);
    if (!o)
        return tn__fail_memory(err, sizeof *o);
    *o = (tn__optimizer){.engine = engine, .workers = workers, .rule = *rule};
    o->parameters = tn__alloc(model->value_count, sizeof *o->parameters);
    if (!o->parameters) {
        tn__optimizer_free(o);
        return tn__fail_memory(err, model->value_count * sizeof(parameter));
    }
    for (size_t v = 0; v < model->value_count; v++) {
        size_t count = tn__engine_parameter_count(engine, v);
        if (!count || !moves(model->values[v].name, rule->only))
            continue;
        parameter p = {.value = v, .count = count, .rule = *rule};
        if (model->values[v].parameter.shape.rank < 2)
            p.rule.decay = 0;
        o->parameters[o->parameter_count++] = p;
    }
    *out = o;
    return TN_OK;
}

void tn__optimizer_free(tn__optimizer *o)
{
    if (!o)
        return;
    for (size_t k = 0; k < o->parameter_count; k++)
        for (int m = 0; m < TN__MOMENTS; m++)
            tn__free(o->parameters[k].moments[m]);
    tn__free(o->parameters);
    tn__free(o->pieces);
    tn__free(o);
}

static float *make_moment(parameter *p, int k)
{
    if (!p->moments[k])
        p->moments[k] = tn__alloc(p->count, sizeof(float));
    return p->moments[k];
}

static tn_status add_pieces(tn__optimizer *o, size_t k, tn_error *err)
{
    for (size_t first = 0; first < o->parameters[k].count; first += PIECE) {
        tn_status status = tn__grow(&o->pieces, &o->piece_capacity, o->piece_count,
                                    sizeof *o->pieces, err);
        if (status)
            return status;
        size_t count = TN__MIN(PIECE, o->parameters[k].count - first);
        o->pieces[o->piece_count++] = (piece){k, first, count, 0};
    }
    return TN_OK;
}

/* Moments and pieces of the parameters that have a gradient. */
static tn_status prepare(tn__optimizer *o, tn_error *err)
{
    int moments = o->rule.kind == TN_OPTIMIZER_ADAMW ? 2 : 1;
    for (size_t k = 0; k < o->parameter_count; k++) {
        parameter *p = &o->parameters[k];
        if (!tn__engine_gradient(o->engine, p->value))
            continue;
        for (int m = 0; m < moments; m++)
            if (!make_moment(p, m))
                return tn__fail_memory(err, p->count * sizeof(float));
        tn_status status = add_pieces(o, k, err);
        if (status)
            return status;
    }
    o->prepared = true;
    return TN_OK;
}

static tn_status square_piece(void *user, size_t t, size_t worker, tn_error *err)
{
    tn__optimizer *o = user;
    piece *at = &o->pieces[t];
    const float *g =
        tn__engine_gradient(o->engine, o->parameters[at->parameter].value) + at->first;
    (void)worker;
    (void)err;
    at->square = 0;
    for (size_t i = 0; i < at->count; i++)
        at->square += (double)g[i] * (double)g[i];
    return TN_OK;
}

/* What gradients are multiplied by so that their norm is at most `clip`. */
static tn_status find_scale(tn__optimizer *o, tn_error *err)
{
    double square = 0;
    o->pace.scale = 1;
    if (!(o->rule.clip > 0))
        return TN_OK;
    tn_status status =
        tn__workers_run(o->workers, o->piece_count, square_piece, o, err);
    for (size_t k = 0; k < o->piece_count; k++)
        square += o->pieces[k].square;
    if (sqrt(square) > o->rule.clip)
        o->pace.scale = o->rule.clip / sqrt(square);
    return status;
}

static tn_status update_piece(void *user, size_t t, size_t worker, tn_error *err)
{
    const tn__optimizer *o = user;
    const piece *at = &o->pieces[t];
    const parameter *p = &o->parameters[at->parameter];
    float *moments[TN__MOMENTS] = {0};
    (void)worker;
    (void)err;
    for (int m = 0; m < TN__MOMENTS; m++)
        if (p->moments[m])
            moments[m] = p->moments[m] + at->first;
    tn__optimizer_update(tn__engine_parameter(o->engine, p->value) + at->first, moments,
                         tn__engine_gradient(o->engine, p->value) + at->first,
                         at->count, &p->rule, &o->pace);
    return TN_OK;
}

tn_status tn__optimizer_step(tn__optimizer *o, double rate, tn_error *err)
{
    tn_status status = o->prepared ? TN_OK : prepare(o, err);
    if (status || (status = find_scale(o, err)) != TN_OK)
        return status;
    o->pace.rate = rate;
    o->pace.step++;
    status = tn__workers_run(o->workers, o->piece_count, update_piece, o, err);
    tn__engine_touch(o->engine);
    return status;
}

size_t tn__optimizer_steps(const tn__optimizer *o)
{
    return o->pace.step;
}

void tn__optimizer_set_steps(tn__optimizer *o, size_t steps)
{
    o->pace.step = steps;
}

static parameter *find(const tn__optimizer *o, size_t value)
{
    for (size_t k = 0; k < o->parameter_count; k++)
        if (o->parameters[k].value == value)
            return &o->parameters[k];
    return NULL;
}

const float *tn__optimizer_moment(const tn__optimizer *o, size_t value, int k)
{
    const parameter *p = find(o, value);
    return p ? p->moments[k] : NULL;
}

float *tn__optimizer_make_moment(tn__optimizer *o, size_t value, int k)
{
    parameter *p = find(o, value);
    return p ? make_moment(p, k) : NULL;
}
