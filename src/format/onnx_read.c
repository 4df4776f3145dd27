/* onnx_read.c - ONNX models: the levels ModelProto and GraphProto.
 *
 * Weights stay where they are in the mapped file. The fields of a message may come in
 * any order, so the graph is gone over several times: initialisers, inputs, nodes,
 * outputs. Shapes of values between nodes, annotations and whatever onnx.proto does not
 * know are left out. Source: onnx.proto of ONNX 1.12 (IR version 8); later files are
 * read too.
 */
#include "format/onnx.h"

#include <onnx/onnx.pb-c.h>
#include <string.h>

enum { /* fields of ModelProto */
       IR_VERSION = 1,
       PRODUCER_NAME = 2,
       PRODUCER_VERSION = 3,
       MODEL_DOMAIN = 4,
       MODEL_VERSION = 5,
       MODEL_DOC = 6,
       GRAPH = 7,
       OPSET_IMPORT = 8,
       METADATA_PROPS = 14,
       TRAINING_INFO = 20,
       FUNCTIONS = 25
};

enum { /* fields of GraphProto */
       NODE = 1,
       GRAPH_NAME = 2,
       INITIALIZER = 5,
       GRAPH_DOC = 10,
       INPUT = 11,
       OUTPUT = 12,
       VALUE_INFO = 13,
       SPARSE_INITIALIZER = 15
};

enum { /* fields of NodeProto */
       NODE_INPUT = 1,
       NODE_OUTPUT = 2,
       NODE_NAME = 3,
       OP_TYPE = 4,
       ATTRIBUTE = 5,
       NODE_DOC = 6,
       NODE_DOMAIN = 7
};

typedef struct import {
    tn_model *model;
    tn__onnx_source source;
    tn__reader graph;
    bool has_graph;
    size_t *slots; /* hash table of value numbers + 1 by name, 0: free */
    size_t slot_count;
    size_t *inputs, *outputs; /* values of the node being read */
    size_t input_count, input_capacity, output_count, output_capacity;
} import;

/* --- values by name --------------------------------------------------------------- */

/* FNV-1a, its high bits folded in. */
static size_t hash(const char *text)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *text; text++)
        h = (h ^ (uint8_t)*text) * 0x100000001b3u;
    return (size_t)(h ^ h >> 32);
}

static size_t find_slot(const import *in, const char *name)
{
    size_t slot = hash(name) & (in->slot_count - 1);
    while (in->slots[slot] &&
           strcmp(in->model->values[in->slots[slot] - 1].name, name) != 0)
        slot = (slot + 1) & (in->slot_count - 1);
    return slot;
}

/* Keeps the table at most half full. */
static tn_status grow_slots(import *in, tn_error *err)
{
    if (in->model->value_count * 2 < in->slot_count)
        return TN_OK;
    size_t count = in->slot_count ? in->slot_count * 2 : 256;
    size_t *slots = tn__alloc(count, sizeof *slots);
    if (!slots)
        return tn__fail_memory(err, count * sizeof *slots);
    tn__free(in->slots);
    in->slots = slots;
    in->slot_count = count;
    for (size_t v = 0; v < in->model->value_count; v++)
        in->slots[find_slot(in, in->model->values[v].name)] = v + 1;
    return TN_OK;
}

/* The value called `name`, which is added where it is new. */
static tn_status find_value(size_t *out, bool *added, import *in, const char *name,
                            tn_error *err)
{
    tn_status status = grow_slots(in, err);
    if (status)
        return status;
    size_t slot = find_slot(in, name), v = 0;
    *added = in->slots[slot] == 0;
    if (*added) {
        if (in->model->value_count == TN__ONNX_VALUES_MAX)
            return tn__fail(err, TN_ERROR_UNSUPPORTED, "more than %zu values",
                            TN__ONNX_VALUES_MAX);
        status = tn__model_add_value(&v, in->model, name, err);
        if (status)
            return status;
        in->slots[slot] = v + 1;
    }
    *out = in->slots[slot] - 1;
    return TN_OK;
}

/* --- initialisers, inputs and outputs --------------------------------------------- */

static tn_status read_initializer(import *in, const tn__wire_field *f, tn_error *err)
{
    tn__tensor tensor = {0};
    char *name = NULL;
    size_t v = 0;
    bool added = false;
    tn_status status = tn__wire_expect(f, TN__WIRE_BYTES, "initializer", err);
    if (!status)
        status = tn__onnx_tensor(&tensor, &name, &in->source, f->in, err);
    if (status)
        return status;
    if (!name || !name[0])
        status = tn__fail(err, TN_ERROR_FORMAT,
                          "the initializer at byte %zu has no name", f->at);
    else
        status = find_value(&v, &added, in, name, err);
    if (!status && !added)
        status = tn__fail(err, TN_ERROR_FORMAT, "initializer '%s' occurs twice", name);
    if (!status) {
        in->model->values[v].parameter = tn__tensor_ref(&tensor);
        in->model->values[v].dtype = tensor.dtype;
    }
    tn__tensor_release(&tensor);
    tn__free(name);
    return status;
}

/* A dim that is not a number greater or equal to 0 is symbolic. */
static tn_status take_shape(tn__value *value, const Onnx__TensorShapeProto *shape,
                            tn_error *err)
{
    if (shape->n_dim > TN__MAX_RANK)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "'%s' has %zu axes, at most %d are "
                        "supported",
                        value->name, shape->n_dim, TN__MAX_RANK);
    for (size_t k = 0; k < shape->n_dim; k++) {
        const Onnx__TensorShapeProto__Dimension *dim = shape->dim[k];
        bool number =
            dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE &&
            dim->dim_value >= 0;
        bool name =
            dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM &&
            dim->dim_param[0];
        value->dims[k] = number ? dim->dim_value : -1;
        tn__free(value->dim_names[k]);
        value->dim_names[k] = name ? tn__strdup(dim->dim_param) : NULL;
        if (name && !value->dim_names[k])
            return tn__fail_memory(err, strlen(dim->dim_param));
    }
    value->rank = (int)shape->n_dim;
    value->shaped = true;
    return TN_OK;
}

static tn_status take_type(tn__value *value, const Onnx__TypeProto *type, tn_error *err)
{
    if (!type || type->value_case == ONNX__TYPE_PROTO__VALUE__NOT_SET)
        return TN_OK;
    if (type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
        return tn__fail(err, TN_ERROR_UNSUPPORTED, "'%s' is no tensor", value->name);
    const Onnx__TypeProto__Tensor *tensor = type->tensor_type;
    tn_dtype dtype = (tn_dtype)tensor->elem_type;
    if (tensor->elem_type < 0 || (tensor->elem_type && !tn__dtype_size(dtype)))
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "'%s' has element type %d, which is not supported", value->name,
                        tensor->elem_type);
    value->dtype = dtype;
    return tensor->shape ? take_shape(value, tensor->shape, err) : TN_OK;
}

static tn_status append_value(size_t **list, size_t *count, size_t v, tn_error *err)
{
    size_t *grown = tn__realloc(*list, *count + 1, sizeof *grown);
    if (!grown)
        return tn__fail_memory(err, (*count + 1) * sizeof *grown);
    grown[(*count)++] = v;
    *list = grown;
    return TN_OK;
}

/* A graph input or output. Initialisers that old files list among the inputs are
 * parameters, not inputs. */
static tn_status read_value(import *in, const tn__wire_field *f, tn_error *err)
{
    ProtobufCMessage *message = NULL;
    size_t v = 0;
    bool added = false;
    tn_model *model = in->model;
    tn_status status =
        tn__wire_unpack(&message, f, &onnx__value_info_proto__descriptor, err);
    if (status)
        return status;
    const Onnx__ValueInfoProto *info = (const Onnx__ValueInfoProto *)message;
    if (!info->name || !info->name[0])
        status =
            tn__fail(err, TN_ERROR_FORMAT, "the value at byte %zu has no name", f->at);
    else
        status = find_value(&v, &added, in, info->name, err);
    if (!status && !tn__value_is_parameter(&model->values[v])) {
        status = take_type(&model->values[v], info->type, err);
        if (!status && f->number == INPUT)
            status = append_value(&model->inputs, &model->input_count, v, err);
    }
    if (!status && f->number == OUTPUT)
        status = append_value(&model->outputs, &model->output_count, v, err);
    protobuf_c_message_free_unpacked(message, NULL);
    return status;
}

/* Whether take_type() would take it: a value between nodes may be of any type. */
static bool is_supported(const Onnx__TypeProto *type)
{
    if (!type || type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
        return false;
    const Onnx__TypeProto__Tensor *tensor = type->tensor_type;
    return tensor->elem_type > 0 && tn__dtype_size((tn_dtype)tensor->elem_type) &&
           (!tensor->shape || tensor->shape->n_dim <= TN__MAX_RANK);
}

/* What is declared of a value between nodes; of names that nothing bears, nothing. */
static tn_status read_value_info(import *in, const tn__wire_field *f, tn_error *err)
{
    ProtobufCMessage *message = NULL;
    tn_status status =
        tn__wire_unpack(&message, f, &onnx__value_info_proto__descriptor, err);
    if (status)
        return status;
    const Onnx__ValueInfoProto *info = (const Onnx__ValueInfoProto *)message;
    size_t v = info->name && in->slot_count ? in->slots[find_slot(in, info->name)] : 0;
    if (v && !tn__value_is_parameter(&in->model->values[v - 1]) &&
        is_supported(info->type))
        status = take_type(&in->model->values[v - 1], info->type, err);
    protobuf_c_message_free_unpacked(message, NULL);
    return status;
}

/* --- nodes ------------------------------------------------------------------------ */

/* Appends the value a node names; an empty name is one that is left out. */
static tn_status read_operand(import *in, const tn__wire_field *f, tn_error *err)
{
    bool output = f->number == NODE_OUTPUT, added = false;
    size_t **list = output ? &in->outputs : &in->inputs;
    size_t *count = output ? &in->output_count : &in->input_count;
    char *name = NULL;
    size_t v = TN__NONE;
    tn_status status = tn__wire_text(&name, f, output ? "output" : "input", err);
    if (!status && name[0])
        status = find_value(&v, &added, in, name, err);
    tn__free(name);
    if (!status)
        status = tn__grow(list, output ? &in->output_capacity : &in->input_capacity,
                          *count, sizeof **list, err);
    if (!status)
        (*list)[(*count)++] = v;
    return status;
}

/* Everything of a node but its attributes. */
static tn_status read_node_field(import *in, char **text, const tn__wire_field *f,
                                 tn_error *err)
{
    switch (f->number) {
    case NODE_INPUT:
    case NODE_OUTPUT:
        return read_operand(in, f, err);
    case NODE_NAME:
    case OP_TYPE:
    case NODE_DOC:
    case NODE_DOMAIN:
        return tn__wire_text(&text[f->number], f, "text of a node", err);
    default:
        return TN_OK;
    }
}

static tn_status read_attributes(import *in, tn__node *node, tn__reader r,
                                 tn_error *err)
{
    tn_status status = TN_OK;
    while (!status && tn__reader_left(&r)) {
        tn__wire_field f;
        status = tn__wire_next(&r, &f, err);
        if (status || f.number != ATTRIBUTE)
            continue;
        status = tn__wire_expect(&f, TN__WIRE_BYTES, "attribute", err);
        if (!status)
            status = tn__onnx_attribute(node, &in->source, f.in, err);
    }
    return status;
}

static tn_status add_node(import *in, char **text, tn__reader r, tn_error *err)
{
    tn_model *model = in->model;
    size_t n = 0;
    if (!text[OP_TYPE] || !text[OP_TYPE][0])
        return tn__fail(err, TN_ERROR_FORMAT, "it has no op_type");
    if (model->node_count == TN__ONNX_NODES_MAX)
        return tn__fail(err, TN_ERROR_UNSUPPORTED, "more than %zu nodes",
                        TN__ONNX_NODES_MAX);
    tn_status status = tn__model_add_node(
        &n, model, text[OP_TYPE], text[NODE_NAME] ? text[NODE_NAME] : "",
        in->input_count, in->inputs, in->output_count, in->outputs, err);
    if (status)
        return status;
    tn__node *node = &model->nodes[n];
    node->doc = text[NODE_DOC];
    text[NODE_DOC] = NULL;
    if (text[NODE_DOMAIN]) {
        tn__free(node->domain);
        node->domain = text[NODE_DOMAIN];
        text[NODE_DOMAIN] = NULL;
    }
    return read_attributes(in, node, r, err);
}

static tn_status read_node(import *in, const tn__wire_field *f, tn_error *err)
{
    char *text[NODE_DOMAIN + 1] = {0}; /* by field number */
    size_t number = in->model->node_count;
    tn_status status = tn__wire_expect(f, TN__WIRE_BYTES, "node", err);
    if (status)
        return status;
    tn__reader r = f->in;
    in->input_count = in->output_count = 0;
    while (!status && tn__reader_left(&r)) {
        tn__wire_field field;
        status = tn__wire_next(&r, &field, err);
        if (!status)
            status = read_node_field(in, text, &field, err);
    }
    if (!status)
        status = add_node(in, text, f->in, err);
    if (status && text[NODE_NAME] && text[NODE_NAME][0])
        status = tn__fail_in(err, status, "node '%s'", text[NODE_NAME]);
    else if (status)
        status = tn__fail_in(err, status, "node %zu", number);
    for (size_t k = 0; k < TN__COUNT(text); k++)
        tn__free(text[k]);
    return status;
}

/* --- graph and model -------------------------------------------------------------- */

static tn_status read_graph_field(import *in, const tn__wire_field *f, tn_error *err)
{
    switch (f->number) {
    case INITIALIZER:
        return read_initializer(in, f, err);
    case INPUT:
    case OUTPUT:
        return read_value(in, f, err);
    case VALUE_INFO:
        return read_value_info(in, f, err);
    case GRAPH_DOC:
        return tn__wire_text(&in->model->graph_doc, f, "doc_string", err);
    case NODE:
        return read_node(in, f, err);
    case GRAPH_NAME:
        return tn__wire_text(&in->model->name, f, "name of the graph", err);
    case SPARSE_INITIALIZER:
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "sparse initializers (byte %zu) are not supported", f->at);
    default:
        return TN_OK;
    }
}

/* Parameters must be known before inputs, and all values before the outputs. */
static tn_status read_graph(import *in, tn_error *err)
{
    static const uint32_t order[] = {GRAPH_NAME,  GRAPH_DOC, SPARSE_INITIALIZER,
                                     INITIALIZER, INPUT,     NODE,
                                     VALUE_INFO,  OUTPUT};
    tn_status status = TN_OK;
    for (size_t k = 0; k < TN__COUNT(order) && !status; k++) {
        tn__reader r = in->graph;
        while (!status && tn__reader_left(&r)) {
            tn__wire_field f;
            status = tn__wire_next(&r, &f, err);
            if (!status && f.number == order[k])
                status = read_graph_field(in, &f, err);
        }
    }
    return status;
}

static tn_status read_opset(tn_model *model, const tn__wire_field *f, tn_error *err)
{
    ProtobufCMessage *message = NULL;
    tn_status status =
        tn__wire_unpack(&message, f, &onnx__operator_set_id_proto__descriptor, err);
    if (status)
        return status;
    const Onnx__OperatorSetIdProto *opset = (const Onnx__OperatorSetIdProto *)message;
    char *domain = tn__strdup(opset->domain ? opset->domain : "");
    tn__opset *grown =
        domain ? tn__realloc(model->opsets, model->opset_count + 1, sizeof *grown)
               : NULL;
    if (grown) {
        model->opsets = grown;
        grown[model->opset_count++] = (tn__opset){domain, opset->version};
    } else {
        tn__free(domain);
        status = tn__fail_memory(err, (model->opset_count + 1) * sizeof *grown);
    }
    protobuf_c_message_free_unpacked(message, NULL);
    return status;
}

static tn_status read_metadata(tn_model *model, const tn__wire_field *f, tn_error *err)
{
    ProtobufCMessage *message = NULL;
    tn_status status =
        tn__wire_unpack(&message, f, &onnx__string_string_entry_proto__descriptor, err);
    if (status)
        return status;
    const Onnx__StringStringEntryProto *entry =
        (const Onnx__StringStringEntryProto *)message;
    status = tn__model_set_metadata(model, entry->key ? entry->key : "",
                                    entry->value ? entry->value : "", err);
    protobuf_c_message_free_unpacked(message, NULL);
    return status;
}

static tn_status read_model_field(import *in, const tn__wire_field *f, tn_error *err)
{
    tn_model *model = in->model;
    tn_status status = TN_OK;
    switch (f->number) {
    case IR_VERSION:
        model->ir_version = (int64_t)f->value;
        return tn__wire_expect(f, TN__WIRE_VARINT, "ir_version", err);
    case MODEL_VERSION:
        model->model_version = (int64_t)f->value;
        return tn__wire_expect(f, TN__WIRE_VARINT, "model_version", err);
    case PRODUCER_NAME:
        return tn__wire_text(&model->producer, f, "producer_name", err);
    case PRODUCER_VERSION:
        return tn__wire_text(&model->producer_version, f, "producer_version", err);
    case MODEL_DOMAIN:
        return tn__wire_text(&model->domain, f, "domain", err);
    case MODEL_DOC:
        return tn__wire_text(&model->doc, f, "doc_string", err);
    case GRAPH:
        status = tn__wire_expect(f, TN__WIRE_BYTES, "graph", err);
        if (!status && in->has_graph)
            status =
                tn__fail(err, TN_ERROR_FORMAT, "a second graph at byte %zu", f->at);
        in->graph = f->in;
        in->has_graph = true;
        return status;
    case OPSET_IMPORT:
        return read_opset(model, f, err);
    case METADATA_PROPS:
        return read_metadata(model, f, err);
    case TRAINING_INFO:
    case FUNCTIONS:
        return tn__fail(err, TN_ERROR_UNSUPPORTED, "%s at byte %zu is not supported",
                        f->number == FUNCTIONS ? "a function" : "training_info", f->at);
    default:
        return TN_OK;
    }
}

static tn_status read_model(import *in, tn__reader r, tn_error *err)
{
    tn_model *model = in->model;
    tn_status status = TN_OK;
    tn__free(model->opsets[0].domain);
    model->opset_count = 0;
    model->ir_version = 0;
    while (!status && tn__reader_left(&r)) {
        tn__wire_field f;
        status = tn__wire_next(&r, &f, err);
        if (!status)
            status = read_model_field(in, &f, err);
    }
    if (!status && !in->has_graph)
        status = tn__fail(err, TN_ERROR_FORMAT, "it has no graph");
    if (!status && !model->opset_count)
        status = tn__fail(err, TN_ERROR_FORMAT, "it imports no operator set");
    if (!status)
        status = read_graph(in, err);
    return status ? status : tn__model_check(model, err);
}

bool tn__onnx_is(const tn__buffer *file)
{
    const uint8_t *bytes = tn__buffer_bytes(file);
    tn__reader r;
    bool graph = false;
    /* Writers keep fields in order: the first is ir_version, a small number. */
    if (tn__buffer_size(file) >= 2 && bytes[0] == IR_VERSION << 3 && bytes[1] > 0 &&
        bytes[1] < 128)
        return true;
    tn__reader_init(&r, "", bytes, tn__buffer_size(file));
    while (tn__reader_left(&r)) {
        tn__wire_field f;
        if (tn__wire_next(&r, &f, NULL))
            return false;
        graph |= f.number == GRAPH && f.type == TN__WIRE_BYTES;
    }
    return graph;
}

tn_status tn__onnx_read(tn_model **out, tn__buffer *file, const char *path,
                        tn_error *err)
{
import in = {.source = {.bytes = file, .path = path } };
    tn__reader r;
    tn__reader_init(&r, path, tn__buffer_bytes(file), tn__buffer_size(file));
    tn_status status = tn__model_create(&in.model, "", err);
    if (!status)
        status = read_model(&in, r, err);
    if (status)
        status = tn__fail_in(err, status, "cannot read '%s'", path);
    tn__onnx_source_release(&in.source);
    tn__free(in.slots);
    tn__free(in.inputs);
    tn__free(in.outputs);
    if (status)
        tn_model_free(in.model);
    else
        *out = in.model;
    return status;
}
