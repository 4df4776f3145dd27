/* insert.c - copies units of the deep network into the shallow one as identities.
 *
 * Nodes are copied as they are and parameters made anew for the shallow widths: those
 * on the stream have the stream's, those inside a residual block keep their proportion
 * to it. Where both streams are equally wide nothing but layers and norms needs to be
 * understood; where they differ, a unit may hold convolutions, Gemm, batch norm, Add
 * and elementwise nodes.
 */
#include <math.h>
#include <string.h>

#include "depth/insert.h"
#include "similarity/match.h"
#include "stats/stats.h"

typedef struct insertion {
    tn_model *model; /* being made */
    const tn__units *deep;
    const tn__unit *unit; /* of deep */
    size_t number;        /* of the unit */
    size_t *value_of;     /* [deep values]: value of model, or TN__NONE */
    int64_t *channels;    /* [deep values]: axis 1 of it in model */
    bool *on_stream; /* [deep values]: added to the stream without a layer between */
    int64_t there, here; /* channels of the stream: of deep, of model */
} insertion;

static const char *name_of(const insertion *in)
{
    return tn__unit_name(in->deep, in->number);
}

static tn_status refuse(const insertion *in, tn_error *err, const char *why)
{
    return tn__fail(err, TN_ERROR_UNSUPPORTED, "cannot insert a unit like '%s': %s",
                    name_of(in), why);
}

/* --- widths --- */

/* Walks back from the unit's output: everything up to the last layers is as wide as the
 * stream. */
static void mark_stream(insertion *in)
{
    const tn_model *deep = in->deep->model;
    in->on_stream[in->unit->output] = true;
    for (size_t n = in->unit->last; n-- > in->unit->first;) {
        const tn__node *node = &deep->nodes[n];
        if (!in->on_stream[node->outputs[0]] || tn__node_is_layer(deep, n))
            continue;
        for (size_t k = 0; k < node->input_count; k++) {
            if (node->inputs[k] != TN__NONE)
                in->on_stream[node->inputs[k]] = true;
        }
    }
}

static int64_t scaled(const insertion *in, int64_t channels)
{
    int64_t made = llround((double)channels * (double)in->here / (double)in->there);
    return TN__MAX(1, made);
}

/* --- parameters --- */

typedef enum filling { ZERO, ONE, IDENTITY, COPY } filling;

/* What parameter k of the node becomes. */
static filling filling_of(const insertion *in, const tn__node *node, size_t k)
{
    const tn__value *value = &in->deep->model->values[node->inputs[k]];
    bool layer = value->parameter.shape.rank >= 2;
    if (tn__node_is_norm(node))
        return k == 4 || (k == 1 && in->unit->kind == TN__UNIT_PLAIN) ? ONE : ZERO;
    if (!strcmp(node->type, "Conv") || !strcmp(node->type, "Gemm") ||
        !strcmp(node->type, "MatMul"))
        return k == 1 && layer && in->unit->kind == TN__UNIT_PLAIN ? IDENTITY : ZERO;
    return COPY;
}

/* Its dims for the widths at hand. */
static tn_status dims_of(tn__shape *dims, const insertion *in, const tn__node *node,
                         size_t k, tn_error *err)
{
    const tn__tensor *from = &in->deep->model->values[node->inputs[k]].parameter;
    *dims = from->shape;
    if (in->here == in->there)
        return TN_OK;
    int64_t c_in = in->channels[node->inputs[0]];
    int64_t c_out = in->channels[node->outputs[0]];
    if (tn__node_is_norm(node)) {
        dims->dims[0] = c_in;
        return TN_OK;
    }
    bool conv = !strcmp(node->type, "Conv") && tn__node_int(node, "group", 1) == 1;
    bool gemm = !strcmp(node->type, "Gemm"), matmul = !strcmp(node->type, "MatMul");
    if ((!conv && !gemm && !matmul) || (matmul && from->shape.rank != 2))
        return refuse(in, err, "its widths differ and it holds more than plain layers");
    if (k == 2) {
        dims->dims[dims->rank - 1] = c_out;
        return TN_OK;
    }
    bool columns = matmul || (gemm && !tn__node_int(node, "transB", 0));
    dims->dims[columns ? 1 : 0] = c_out;
    dims->dims[columns ? 0 : 1] = c_in;
    return TN_OK;
}

/* The tap of a Dirac kernel along one axis: that which stands on the pixel itself. */
static int64_t centre_tap(const tn__node *node, size_t axis, int64_t taps)
{
    size_t count = 0, steps = 0;
    const int64_t *pads = tn__node_ints(node, "pads", &count);
    const int64_t *dilations = tn__node_ints(node, "dilations", &steps);
    if (strcmp(tn__node_string(node, "auto_pad", "NOTSET"), "NOTSET") != 0)
        return (taps - 1) / 2;
    int64_t before = axis < count ? pads[axis] : 0;
    return before / (axis < steps ? dilations[axis] : 1);
}

/* Writes the identity into zeroed data: 1 on the diagonal (of the centre tap). */
static tn_status fill_identity(float *data, const tn__shape *shape, const insertion *in,
                               const tn__node *node, tn_error *err)
{
    int64_t n = shape->dims[0], taps = 1, centre = 0;
    if (n != shape->dims[1])
        return refuse(in, err, "it changes the width of what is not a stream");
    for (int axis = 2; axis < shape->rank; axis++) {
        int64_t here = centre_tap(node, (size_t)(axis - 2), shape->dims[axis]);
        if (here >= shape->dims[axis])
            return refuse(in, err, "its kernel does not cover the pixel itself");
        centre = centre * shape->dims[axis] + here;
        taps *= shape->dims[axis];
    }
    float alpha = tn__node_float(node, "alpha", 1);
    for (int64_t i = 0; i < n; i++)
        data[(i * n + i) * taps + centre] = 1 / alpha;
    return TN_OK;
}

static tn_status make_parameter(tn__tensor *out, const insertion *in,
                                const tn__node *node, size_t k, tn_error *err)
{
    const tn__tensor *from = &in->deep->model->values[node->inputs[k]].parameter;
    filling what = filling_of(in, node, k);
    tn__shape shape;
    tn__tensor wide = {0};
    if (what == COPY && (in->here == in->there || tn__tensor_count(from) == 1)) {
        *out = tn__tensor_ref(from);
        return TN_OK;
    }
    tn_status status = dims_of(&shape, in, node, k, err);
    if (status != TN_OK)
        return status;
    status = tn__tensor_create(&wide, TN_F32, shape.rank, shape.dims, err);
    if (status != TN_OK)
        return status;
    float *data = tn__tensor_f32(&wide);
    for (size_t i = 0; what == ONE && i < tn__tensor_count(&wide); i++)
        data[i] = 1;
    if (what == ONE && k == 4) { /* so that the norm divides by 1 */
        float epsilon = tn__node_float(node, "epsilon", 1e-5F);
        for (size_t i = 0; i < tn__tensor_count(&wide); i++)
            data[i] -= epsilon;
    }
    if (what == IDENTITY)
        status = fill_identity(data, &shape, in, node, err);
    if (status == TN_OK)
        status = tn__tensor_convert(out, &wide, from->dtype, err);
    tn__tensor_release(&wide);
    return status;
}

/* --- copying nodes --- */

/* A value of model with a name that is not in use. */
static tn_status new_value(size_t *out, const insertion *in, const char *name,
                           const tn__tensor *parameter, tn_error *err)
{
    char *text = tn__format("inserted.%zu.%s", in->number, name);
    if (!text)
        return tn__fail_memory(err, strlen(name) + 32);
    tn_status status =
        parameter ? tn__model_add_parameter(out, in->model, text, parameter, err)
                  : tn__model_add_value(out, in->model, text, err);
    tn__free(text);
    return status;
}

static tn_status copy_operand(insertion *in, const tn__node *node, size_t k,
                              tn_error *err)
{
    size_t v = node->inputs[k];
    if (v == TN__NONE || in->value_of[v] != TN__NONE)
        return TN_OK;
    const tn__value *value = &in->deep->model->values[v];
    if (!tn__value_is_parameter(value))
        return refuse(in, err, "it reads a value that is made elsewhere");
    tn__tensor made = {0};
    tn_status status = make_parameter(&made, in, node, k, err);
    if (status == TN_OK)
        status = new_value(&in->value_of[v], in, value->name, &made, err);
    tn__tensor_release(&made);
    return status;
}

static tn_status copy_attr(tn__node *node, const tn__attr *attr, tn_error *err)
{
    switch (attr->kind) {
    case TN__ATTR_INT:
        return tn__node_set_int(node, attr->name, attr->i, err);
    case TN__ATTR_FLOAT:
        return tn__node_set_float(node, attr->name, attr->f, err);
    case TN__ATTR_INTS:
        return tn__node_set_ints(node, attr->name, attr->count, attr->ints, err);
    case TN__ATTR_STRING:
        return tn__node_set_string(node, attr->name, attr->s, attr->length, err);
    default:
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "cannot insert a %s: attribute '%s' is a list or tensor",
                        node->type, attr->name);
    }
}

static tn_status copy_node(insertion *in, size_t n, tn_error *err)
{
    const tn__node *node = &in->deep->model->nodes[n];
    size_t made = 0, output = node->outputs[0];
    int64_t there = in->deep->shapes.shape[output].dims[1];
    bool stream = in->on_stream[output];
    in->channels[output] = stream ? in->here : scaled(in, there);
    if (!tn__node_is_layer(in->deep->model, n))
        in->channels[output] = in->channels[node->inputs[0]];
    size_t *inputs = tn__alloc(node->input_count, sizeof *inputs);
    if (!inputs)
        return tn__fail_memory(err, node->input_count * sizeof *inputs);
    tn_status status = TN_OK;
    for (size_t k = 0; k < node->input_count && status == TN_OK; k++)
        status = copy_operand(in, node, k, err);
    for (size_t k = 0; k < node->input_count && status == TN_OK; k++)
        inputs[k] =
            node->inputs[k] == TN__NONE ? TN__NONE : in->value_of[node->inputs[k]];
    if (status == TN_OK && in->value_of[output] == TN__NONE)
        status = new_value(&in->value_of[output], in,
                           in->deep->model->values[output].name, NULL, err);
    if (status == TN_OK)
        status = tn__model_add_node(&made, in->model, node->type, node->name,
                                    node->input_count, inputs, 1, &in->value_of[output],
                                    err);
    for (size_t a = 0; a < node->attr_count && status == TN_OK; a++)
        status = copy_attr(&in->model->nodes[made], &node->attrs[a], err);
    tn__free(inputs);
    return status;
}

/* Puts the deep unit behind value *at of model, which becomes the unit's output. */
static tn_status insert_unit(insertion *in, size_t *at, int64_t channels, tn_error *err)
{
    const tn__unit *unit = in->unit;
    size_t made = TN__NONE, values = in->deep->model->value_count;
    if (unit->kind == TN__UNIT_OTHER || !unit->level)
        return refuse(in, err,
                      unit->level ? "it is neither one layer nor a residual block"
                                  : "it changes the resolution");
    for (size_t v = 0; v < values; v++)
        in->value_of[v] = TN__NONE;
    memset(in->on_stream, 0, values * sizeof *in->on_stream);
    in->there = in->deep->shapes.shape[unit->input].dims[1];
    if (in->deep->shapes.shape[unit->output].dims[1] != in->there)
        in->there = -1; /* a plain layer of other width: made anew in any case */
    in->here = channels;
    if (in->there < 0 && unit->kind != TN__UNIT_PLAIN)
        return refuse(in, err, "it changes the width of the stream");
    mark_stream(in);
    in->value_of[unit->input] = *at;
    in->channels[unit->input] = channels;
    tn_status status =
        new_value(&made, in, in->deep->model->values[unit->output].name, NULL, err);
    if (status != TN_OK)
        return status;
    tn__model_redirect(in->model, *at, made);
    in->value_of[unit->output] = made;
    for (size_t n = unit->first; n < unit->last && status == TN_OK; n++)
        status = copy_node(in, n, err);
    *at = made;
    return status;
}

/* --- the whole --- */

static tn_status insert_all(insertion *in, const tn__units *shallow, const size_t *slot,
                            tn_error *err)
{
    const tn__units *deep = in->deep;
    size_t next = 0, at = TN__NONE;
    int64_t channels = 0;
    for (size_t l = 0; l < deep->count; l++) {
        in->unit = &deep->list[l];
        in->number = l;
        bool kept = next < shallow->count && slot[next] == l;
        const tn__unit *unit = kept ? &shallow->list[next] : NULL;
        bool opens = l > 0 && deep->list[l - 1].end != deep->list[l - 1].output;
        if (!kept && next == 0)
            return refuse(in, err, "nothing stands before it");
        if (!kept && opens) {
            at = shallow->list[next - 1].end;
            channels = shallow->shapes.shape[at].dims[1];
        }
        tn_status status = kept ? TN_OK : insert_unit(in, &at, channels, err);
        if (status != TN_OK)
            return status;
        if (kept) {
            at = unit->output;
            channels = shallow->shapes.shape[at].dims[1];
            next++;
        }
    }
    return TN_OK;
}

tn_status tn__insert_units(tn_model **out, const tn__units *shallow,
                           const tn__units *deep, const size_t *slot, tn_error *err)
{
    size_t values = deep->model->value_count;
    insertion in = {.deep = deep,
                    .value_of = tn__alloc(values, sizeof(size_t)),
                    .channels = tn__alloc(values, sizeof(int64_t)),
                    .on_stream = tn__alloc(values, sizeof(bool))};
    tn_status status = TN_OK;
    if (!in.value_of || !in.channels || !in.on_stream)
        status = tn__fail_memory(err, values * sizeof(size_t));
    if (status == TN_OK)
        status = tn__model_clone(&in.model, shallow->model, err);
    if (status == TN_OK)
        status = insert_all(&in, shallow, slot, err);
    if (status == TN_OK)
        status = tn__model_check(in.model, err);
    if (status == TN_OK)
        status = tn__match_adopt(out, in.model, deep->model, err);
    tn_model_free(in.model);
    tn__free(in.value_of);
    tn__free(in.channels);
    tn__free(in.on_stream);
    return status;
}

void tn__mark_present(bool *present, const tn__units *deep, const size_t *slot,
                      size_t slot_count)
{
    const tn_model *model = deep->model;
    size_t next = 0;
    for (size_t v = 0; v < model->value_count; v++)
        present[v] = true;
    for (size_t l = 0; l < deep->count; l++) {
        if (next < slot_count && slot[next] == l) {
            next++;
            continue;
        }
        for (size_t n = deep->list[l].first; n < deep->list[l].last; n++) {
            const tn__node *node = &model->nodes[n];
            for (size_t k = 0; k < node->input_count; k++) {
                if (node->inputs[k] != TN__NONE &&
                    tn__value_is_parameter(&model->values[node->inputs[k]]))
                    present[node->inputs[k]] = false;
            }
            for (size_t k = 0; k < node->output_count; k++)
                present[node->outputs[k]] = deep->list[l].kind != TN__UNIT_RESIDUAL;
        }
    }
}
