/* optimizer.c - stochastic gradient descent with momentum, as PyTorch's SGD.
 *
 * Parameters are cut into pieces that workers update; every number is computed alone,
 * so the cut and the threads change nothing.
 */
#include "train/optimizer.h"

enum { PIECE = 1 << 15 };

typedef struct parameter {
    size_t value, count;
    float *velocity;
    tn__sgd_rule rule;
} parameter;

typedef struct piece {
    size_t parameter, first, count;
} piece;

struct tn__sgd {
    tn__engine *engine;
    tn__workers *workers;
    parameter *parameters;
    size_t parameter_count;
    piece *pieces;
    size_t piece_count, piece_capacity;
    bool prepared; /* the first gradients tell which parameters are trained */
    double rate;
};

void tn__sgd_update(float *w, float *v, const float *g, size_t n,
                    const tn__sgd_rule *rule, double rate)
{
    float momentum = (float)rule->momentum, decay = (float)rule->decay;
    float lr = (float)rate;
    for (size_t i = 0; i < n; i++) {
        float d = g[i] + decay * w[i];
        v[i] = momentum * v[i] + d;
        w[i] -= lr * (rule->nesterov ? d + momentum * v[i] : v[i]);
    }
}

tn_status tn__sgd_create(tn__sgd **out, tn__engine *engine, const tn_model *model,
                         tn__workers *workers, const tn__sgd_rule *rule, tn_error *err)
{
    tn__sgd *sgd = tn__alloc(1, sizeof *sgd);
    if (!sgd)
        return tn__fail_memory(err, sizeof *sgd);
    *sgd = (tn__sgd){.engine = engine, .workers = workers};
    sgd->parameters = tn__alloc(model->value_count, sizeof *sgd->parameters);
    if (!sgd->parameters) {
        tn__sgd_free(sgd);
        return tn__fail_memory(err, model->value_count * sizeof(parameter));
    }
    for (size_t v = 0; v < model->value_count; v++) {
        size_t count = tn__engine_parameter_count(engine, v);
        if (!count)
            continue;
        parameter p = {.value = v, .count = count, .rule = *rule};
        if (model->values[v].parameter.shape.rank < 2)
            p.rule.decay = 0;
        sgd->parameters[sgd->parameter_count++] = p;
    }
    *out = sgd;
    return TN_OK;
}

void tn__sgd_free(tn__sgd *sgd)
{
    if (!sgd)
        return;
    for (size_t k = 0; k < sgd->parameter_count; k++)
        tn__free(sgd->parameters[k].velocity);
    tn__free(sgd->parameters);
    tn__free(sgd->pieces);
    tn__free(sgd);
}

/* Velocities and pieces of the parameters that have a gradient. */
static tn_status prepare(tn__sgd *sgd, tn_error *err)
{
    for (size_t k = 0; k < sgd->parameter_count; k++) {
        parameter *p = &sgd->parameters[k];
        if (!tn__engine_gradient(sgd->engine, p->value))
            continue;
        p->velocity = tn__alloc(p->count, sizeof *p->velocity);
        if (!p->velocity)
            return tn__fail_memory(err, p->count * sizeof *p->velocity);
        for (size_t first = 0; first < p->count; first += PIECE) {
            tn_status status = tn__grow(&sgd->pieces, &sgd->piece_capacity,
                                        sgd->piece_count, sizeof *sgd->pieces, err);
            if (status)
                return status;
            sgd->pieces[sgd->piece_count++] =
                (piece){k, first, TN__MIN(PIECE, p->count - first)};
        }
    }
    sgd->prepared = true;
    return TN_OK;
}

static tn_status update_piece(void *user, size_t t, size_t worker, tn_error *err)
{
    const tn__sgd *sgd = user;
    const piece *at = &sgd->pieces[t];
    const parameter *p = &sgd->parameters[at->parameter];
    (void)worker;
    (void)err;
    tn__sgd_update(tn__engine_parameter(sgd->engine, p->value) + at->first,
                   p->velocity + at->first,
                   tn__engine_gradient(sgd->engine, p->value) + at->first, at->count,
                   &p->rule, sgd->rate);
    return TN_OK;
}

tn_status tn__sgd_step(tn__sgd *sgd, double rate, tn_error *err)
{
    tn_status status = sgd->prepared ? TN_OK : prepare(sgd, err);
    if (status)
        return status;
    sgd->rate = rate;
    status = tn__workers_run(sgd->workers, sgd->piece_count, update_piece, sgd, err);
    tn__engine_touch(sgd->engine);
    return status;
}
