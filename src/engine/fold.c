/* fold.c - a batch norm with fixed statistics multiplied into the weights before it.
 *
 * y = scale (w x + b - mean) / s + shift with s = sqrt(variance + epsilon), so
 * w' = w scale / s per output channel and b' = (b - mean) scale / s + shift. The
 * model's own parameters stay as they are.
 */
#include "engine/plan.h"

#include <math.h>
#include <string.h>

typedef struct vectors { /* [channels] of the batch norm */
    const float *scale, *shift, *mean, *variance;
    double epsilon;
    size_t channels;
} vectors;

static vectors vectors_of(const tn__source *source, size_t norm)
{
    const tn__node *node = &source->model->nodes[norm];
    const float *at[5] = {NULL};
    for (size_t k = 1; k < 5; k++)
        at[k] = source->parameter[source->root[node->inputs[k]]];
    return (vectors){.scale = at[1],
                     .shift = at[2],
                     .mean = at[3],
                     .variance = at[4],
                     .epsilon = (double)tn__node_float(node, "epsilon", 1e-5f),
                     .channels = source->count[source->root[node->inputs[1]]]};
}

/* w [outer, channels, inner] */
static void fold_weights(float *to, const float *w, size_t count, size_t inner,
                         const vectors *v)
{
    for (size_t i = 0; i < count; i += inner) {
        size_t c = i / inner % v->channels;
        double factor = (double)v->scale[c] / sqrt((double)v->variance[c] + v->epsilon);
        for (size_t j = i; j < i + inner; j++)
            to[j] = (float)(factor * (double)w[j]);
    }
}

void tn__plan_fold(const tn__plan *plan, const tn__step *step)
{
    const tn__source *source = plan->spec.source;
    const tn__node *head = &source->model->nodes[step->nodes[0]];
    size_t root = source->root[step->in[1]], count = source->count[root];
    vectors v = vectors_of(source, step->norm);
    /* Output channels are the rows of a weight; the columns of Gemm's without transB.
     */
    bool columns = strcmp(head->type, "Gemm") == 0 && !tn__node_int(head, "transB", 0);
    fold_weights(plan->folded, source->parameter[root], count,
                 columns ? 1 : count / v.channels, &v);
    const float *b =
        step->in[2] == TN__NONE ? NULL : source->parameter[source->root[step->in[2]]];
    float *bias = plan->folded + count;
    for (size_t c = 0; c < v.channels; c++) {
        double factor = (double)v.scale[c] / sqrt((double)v.variance[c] + v.epsilon);
        double before = (b ? (double)b[c] : 0.0) - (double)v.mean[c];
        bias[c] = (float)(before * factor + (double)v.shift[c]);
    }
}
