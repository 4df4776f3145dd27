/* head.c - the last layer fitted to the labels by ridge regression.
 *
 * Targets are the classes as unit vectors. That leaves the outputs' scale open, which a
 * softmax cares about: it is set so that the cross-entropy is least.
 */
#include <math.h>
#include <string.h>

#include "assemble/stitch.h"
#include "engine/engine.h"
#include "eval/metrics.h"
#include "tensor/linalg.h"

#define RIDGE 1e-2 /* relative to the mean variance */

tn_status tn__accuracy(double *out, double *loss, const tn_model *model,
                       const float *images, const int32_t *labels, size_t n,
                       tn__workers *workers, tn_error *err)
{
    tn__engine *engine = NULL;
    tn__engine_options options = TN__ENGINE_OPTIONS_INIT;
    tn__metrics sums = {0};
    float *logits = NULL;
    double *log_p = NULL;
    options.workers = workers;
    tn_status status = tn__engine_create(&engine, model, &options, err);
    size_t k = status == TN_OK ? tn__engine_output_count(engine) : 0;
    if (status == TN_OK) {
        logits = tn__alloc(n, k * sizeof *logits);
        log_p = tn__alloc(k, sizeof *log_p);
        status = logits && log_p ? tn__engine_infer(engine, logits, images, n, err)
                                 : tn__fail_memory(err, n * k * sizeof *logits);
    }
    for (size_t i = 0; status == TN_OK && i < n; i++) {
        tn__log_softmax(log_p, logits + i * k, k);
        tn__metrics_add(&sums, log_p, k, labels[i]);
    }
    if (status == TN_OK) {
        *out = n ? (double)sums.correct / (double)n : 0;
        if (loss)
            *loss = n ? sums.loss / (double)n : 0;
    }
    tn__free(logits);
    tn__free(log_p);
    tn__engine_free(engine);
    return status;
}

typedef struct head {
    size_t node, width, classes; /* Gemm; F, K */
    float *x;                    /* [n, F] */
    double *w;                   /* [F + 1, K]: the last row is the bias */
} head;

/* Whether the output is made by a Gemm [K, F] with a bias, both its own. */
static bool find_gemm(head *h, const tn_model *model, const tn__links *links)
{
    h->node = links->producer[model->outputs[0]];
    const tn__node *node = &model->nodes[h->node];
    if (strcmp(node->type, "Gemm") != 0 || node->input_count != 3 ||
        !tn__node_int(node, "transB", 0) || tn__node_int(node, "transA", 0))
        return false;
    for (size_t k = 1; k < 3; k++) {
        size_t v = node->inputs[k];
        if (v == TN__NONE || model->values[v].parameter.dtype != TN_F32 ||
            links->first_use[v + 1] - links->first_use[v] != 1)
            return false;
    }
    const tn__shape *w = &model->values[node->inputs[1]].parameter.shape;
    h->classes = (size_t)w->dims[0];
    h->width = (size_t)w->dims[1];
    return model->values[node->inputs[2]].parameter.shape.rank == 1;
}

static tn_status read_features(head *h, const tn_model *model, const tn__stitching *how,
                               tn_error *err)
{
    tn__splice cut = {NULL, model->nodes[h->node].inputs[0]};
    tn_model *body = NULL;
    tn__engine *engine = NULL;
    tn__engine_options options = TN__ENGINE_OPTIONS_INIT;
    options.workers = how->workers;
    tn_status status = tn__model_clone(&cut.model, model, err);
    if (status == TN_OK) {
        cut.model->output_count = 0;
        status = tn__splice_model(&body, &cut, err);
    }
    if (status == TN_OK)
        status = tn__model_prune_unused(body, err);
    if (status == TN_OK)
        status = tn__engine_create(&engine, body, &options, err);
    if (status == TN_OK) {
        h->x = tn__alloc(how->n, h->width * sizeof *h->x);
        status = h->x ? tn__engine_infer(engine, h->x, how->images, how->n, err)
                      : tn__fail_memory(err, how->n * h->width * sizeof *h->x);
    }
    tn__engine_free(engine);
    tn_model_free(body);
    tn__splice_release(&cut);
    return status;
}

/* w = argmin sum |x w + b - unit(label)|^2 over the first `rows` images. */
static tn_status solve(head *h, const int32_t *labels, size_t rows, tn_error *err)
{
    size_t f = h->width, k = h->classes;
    double trace = 0, share = 1 / (double)rows;
    double *gram = tn__alloc(f, f * sizeof *gram), *mean = tn__alloc(f, sizeof *mean);
    double *part = tn__alloc(k, sizeof *part);
    tn_status status =
        gram && mean && part ? TN_OK : tn__fail_memory(err, f * f * sizeof *gram);
    memset(h->w, 0, (f + 1) * k * sizeof *h->w);
    for (size_t i = 0; status == TN_OK && i < rows; i++) {
        part[labels[i]] += share;
        for (size_t a = 0; a < f; a++)
            mean[a] += share * (double)h->x[i * f + a];
    }
    for (size_t i = 0; status == TN_OK && i < rows; i++)
        for (size_t a = 0; a < f; a++) {
            double x = (double)h->x[i * f + a] - mean[a];
            for (size_t b = 0; b <= a; b++)
                gram[a * f + b] += x * ((double)h->x[i * f + b] - mean[b]);
            h->w[a * k + (size_t)labels[i]] += x;
        }
    for (size_t a = 0; status == TN_OK && a < f; a++) {
        trace += gram[a * f + a];
        for (size_t b = 0; b < a; b++)
            gram[b * f + a] = gram[a * f + b];
    }
    for (size_t a = 0; status == TN_OK && a < f; a++)
        gram[a * f + a] += RIDGE * trace / (double)f + 1e-12;
    if (status == TN_OK)
        status = tn__solve_spd(gram, h->w, f, k, err);
    for (size_t c = 0; status == TN_OK && c < k; c++) {
        h->w[f * k + c] = part[c];
        for (size_t a = 0; a < f; a++)
            h->w[f * k + c] -= mean[a] * h->w[a * k + c];
    }
    tn__free(gram);
    tn__free(mean);
    tn__free(part);
    return status;
}

static void outputs_of(float *out, const head *h, size_t image, double scale)
{
    for (size_t c = 0; c < h->classes; c++) {
        double sum = h->w[h->width * h->classes + c];
        for (size_t a = 0; a < h->width; a++)
            sum += (double)h->x[image * h->width + a] * h->w[a * h->classes + c];
        out[c] = (float)(scale * sum);
    }
}

/* Outputs [images, K] of images first .. first + images - 1. */
static size_t count_right(const head *h, const int32_t *labels, size_t first,
                          size_t images, float *out)
{
    size_t right = 0;
    for (size_t i = first; i < first + images; i++) {
        outputs_of(out, h, i, 1);
        right += tn__largest_f32(out, h->classes) == (size_t)labels[i];
    }
    return right;
}

/* The factor 2^t, t = 0, 1/2, ..., 8, of least cross-entropy. */
static tn_status scale_outputs(head *h, const int32_t *labels, size_t n, tn_error *err)
{
    double best = HUGE_VAL, scale = 1;
    float *out = tn__alloc(h->classes, sizeof *out);
    double *log_p = tn__alloc(h->classes, sizeof *log_p);
    for (int t = 0; out && log_p && t <= 16; t++) {
        double loss = 0, factor = pow(2, t / 2.0);
        for (size_t i = 0; i < n; i++) {
            outputs_of(out, h, i, factor);
            tn__log_softmax(log_p, out, h->classes);
            loss -= log_p[labels[i]];
        }
        if (loss < best) {
            best = loss;
            scale = factor;
        }
    }
    tn_status status = out && log_p ? TN_OK : tn__fail_memory(err, h->classes * 8);
    for (size_t k = 0; k < (h->width + 1) * h->classes; k++)
        h->w[k] *= scale;
    tn__free(out);
    tn__free(log_p);
    return status;
}

static tn_status write_head(tn_model *model, const head *h, tn_error *err)
{
    const tn__node *node = &model->nodes[h->node];
    void *weight = NULL, *bias = NULL;
    tn_status status =
        tn__tensor_write(&model->values[node->inputs[1]].parameter, &weight, err);
    if (status == TN_OK)
        status =
            tn__tensor_write(&model->values[node->inputs[2]].parameter, &bias, err);
    for (size_t c = 0; status == TN_OK && c < h->classes; c++) {
        ((float *)bias)[c] = (float)h->w[h->width * h->classes + c];
        for (size_t a = 0; a < h->width; a++)
            ((float *)weight)[c * h->width + a] = (float)h->w[a * h->classes + c];
    }
    return status;
}

/* Whether a head fitted on three quarters beats the old one on the last. */
static tn_status is_better(bool *better, head *h, const tn_model *model,
                           const tn__stitching *how, tn_error *err)
{
    size_t fitted = how->n - how->n / 4, left = how->n - fitted;
    size_t input = 1;
    double before = 0;
    tn__shapes shapes = {0};
    tn_status status = tn__shapes_infer(&shapes, model, 1, err);
    if (status != TN_OK)
        return status;
    for (int a = 1; a < shapes.shape[model->inputs[0]].rank; a++)
        input *= (size_t)shapes.shape[model->inputs[0]].dims[a];
    tn__shapes_release(&shapes);
    status = tn__accuracy(&before, NULL, model, how->images + fitted * input,
                          how->labels + fitted, left, how->workers, err);
    if (status == TN_OK)
        status = solve(h, how->labels, fitted, err);
    float *out = tn__alloc(h->classes, sizeof *out);
    if (status == TN_OK && !out)
        status = tn__fail_memory(err, h->classes * sizeof *out);
    if (status == TN_OK)
        *better = (double)count_right(h, how->labels, fitted, left, out) >
                  before * (double)left;
    tn__free(out);
    return status;
}

tn_status tn__head_fit(tn_model *model, const tn__stitching *how, tn_error *err)
{
    head h = {0};
    tn__links links = {0};
    bool wanted = how->head == TN_ASSEMBLE_HEAD_RIDGE;
    tn_status status = tn__links_create(&links, model, err);
    if (status != TN_OK)
        return status;
    bool found = find_gemm(&h, model, &links);
    tn__links_release(&links);
    if (!found)
        return wanted
                   ? tn__fail(err, TN_ERROR_UNSUPPORTED,
                              "the last layer is no Gemm with weight and bias of its "
                              "own: it cannot be fitted")
                   : TN_OK;
    h.w = tn__alloc(h.width + 1, h.classes * sizeof *h.w);
    if (!h.w)
        status = tn__fail_memory(err, h.width * h.classes * sizeof *h.w);
    if (status == TN_OK)
        status = read_features(&h, model, how, err);
    if (status == TN_OK && !wanted)
        status = is_better(&wanted, &h, model, how, err);
    if (status == TN_OK && wanted)
        status = solve(&h, how->labels, how->n, err);
    if (status == TN_OK && wanted)
        status = scale_outputs(&h, how->labels, how->n, err);
    if (status == TN_OK && wanted)
        status = write_head(model, &h, err);
    tn__free(h.x);
    tn__free(h.w);
    return status;
}
