/* onnx_write.c - models as ONNX files.
 *
 * Bytes depend on the model alone: fields in the order of their numbers, as protocol
 * buffer writers put them, all tensors as raw_data. The graph's length stands before
 * the graph, so everything is gone through twice: once to count, once to write. Weights
 * go from the tensors to the file. Source: onnx.proto.
 */
#include "format/checkpoint.h"
#include "ops/op.h"

#include <onnx/onnx.pb-c.h>
#include <string.h>

#define SIZE_LIMIT ((size_t)INT32_MAX) /* of a protocol buffer */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "raw_data is little-endian");

enum { WIRE_BYTES = 2, MODEL_GRAPH = 7, TENSOR_RAW_DATA = 9 };
enum { GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_INITIALIZER = 5 };
enum { GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };

/* Counts bytes, and writes them where there is a file. */
typedef struct sink {
    tn__file_writer *file; /* NULL: count only */
    size_t count;
    uint8_t *scratch; /* for one packed message */
    size_t scratch_size;
} sink;

/* protobuf-c takes pointers it may write through, and never does when it packs. */
static void *unconst(const void *pointer)
{
    return (void *)(uintptr_t)pointer;
}

static tn_status put(sink *s, const void *bytes, size_t size, tn_error *err)
{
    s->count += size;
    return s->file ? tn__file_write(s->file, bytes, size, err) : TN_OK;
}

static tn_status put_varint(sink *s, uint64_t value, tn_error *err)
{
    uint8_t bytes[10];
    size_t count = 0;
    do {
        bytes[count++] = (uint8_t)((value & 127) | (value > 127 ? 128 : 0));
        value >>= 7;
    } while (value);
    return put(s, bytes, count, err);
}

/* The tag and length of a field of `size` bytes. */
static tn_status put_head(sink *s, uint32_t field, size_t size, tn_error *err)
{
    tn_status status = put_varint(s, field << 3 | WIRE_BYTES, err);
    return status ? status : put_varint(s, size, err);
}

/* A message without tag and length. */
static tn_status put_packed(sink *s, const ProtobufCMessage *message, tn_error *err)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    if (!s->file) {
        s->count += size;
        return TN_OK;
    }
    if (size > s->scratch_size) {
        uint8_t *grown = tn__realloc(s->scratch, size, 1);
        if (!grown)
            return tn__fail_memory(err, size);
        s->scratch = grown;
        s->scratch_size = size;
    }
    return put(s, s->scratch, protobuf_c_message_pack(message, s->scratch), err);
}

static tn_status put_message(sink *s, uint32_t field, const ProtobufCMessage *message,
                             tn_error *err)
{
    tn_status status =
        put_head(s, field, protobuf_c_message_get_packed_size(message), err);
    return status ? status : put_packed(s, message, err);
}

/* --- tensors ---------------------------------------------------------------------- */

/* Everything of a tensor but its elements. */
static Onnx__TensorProto describe(const tn__tensor *tensor, const char *name)
{
    Onnx__TensorProto proto = ONNX__TENSOR_PROTO__INIT;
    proto.n_dims = (size_t)tensor->shape.rank;
    proto.dims = unconst(tensor->shape.dims);
    proto.has_data_type = 1;
    proto.data_type = (int32_t)tensor->dtype;
    proto.name = unconst(name);
    return proto;
}

/* raw_data has the largest number of the fields we write, so it comes last. */
static tn_status put_initializer(sink *s, const tn__value *value, tn_error *err)
{
    const tn__tensor *tensor = &value->parameter;
    Onnx__TensorProto proto = describe(tensor, value->name);
    size_t bytes = tn__tensor_bytes(tensor);
    sink head = {.count = onnx__tensor_proto__get_packed_size(&proto)};
    tn_status status = put_head(&head, TENSOR_RAW_DATA, bytes, err);
    if (!status)
        status = put_head(s, GRAPH_INITIALIZER, head.count + bytes, err);
    if (!status)
        status = put_packed(s, &proto.base, err);
    if (!status)
        status = put_head(s, TENSOR_RAW_DATA, bytes, err);
    return status ? status : put(s, tn__tensor_data(tensor), bytes, err);
}

/* --- nodes ------------------------------------------------------------------------ */

/* What a NodeProto points to; arrays are reused from node to node. */
typedef struct node_parts {
    Onnx__AttributeProto *attrs;
    Onnx__AttributeProto **attr_list;
    Onnx__TensorProto *tensors;
    ProtobufCBinaryData *strings;
    char **operands;
} node_parts;

static void node_parts_release(node_parts *parts)
{
    tn__free(parts->attrs);
    tn__free(parts->attr_list);
    tn__free(parts->tensors);
    tn__free(parts->strings);
    tn__free(parts->operands);
}

static size_t count_strings(const tn__node *node)
{
    size_t count = 0;
    for (size_t k = 0; k < node->attr_count; k++)
        if (node->attrs[k].kind == TN__ATTR_STRINGS)
            count += node->attrs[k].count;
    return count;
}

static tn_status node_parts_create(node_parts *out, const tn__node *node, tn_error *err)
{
    node_parts parts = {
        .attrs = tn__alloc(node->attr_count, sizeof *parts.attrs),
        .attr_list = tn__alloc(node->attr_count, sizeof *parts.attr_list),
        .tensors = tn__alloc(node->attr_count, sizeof *parts.tensors),
        .strings = tn__alloc(count_strings(node), sizeof *parts.strings),
        .operands =
            tn__alloc(node->input_count + node->output_count, sizeof *parts.operands)};
    if (!parts.attrs || !parts.attr_list || !parts.tensors || !parts.strings ||
        !parts.operands) {
        node_parts_release(&parts);
        return tn__fail_memory(err, node->attr_count * sizeof *parts.tensors);
    }
    *out = parts;
    return TN_OK;
}

/* The value of an attribute; `strings` has room for its list of strings. */
static void fill_value(Onnx__AttributeProto *proto, Onnx__TensorProto *tensor,
                       ProtobufCBinaryData *strings, const tn__attr *attr)
{
    switch (attr->kind) {
    case TN__ATTR_FLOAT:
        proto->has_f = 1;
        proto->f = attr->f;
        break;
    case TN__ATTR_INT:
        proto->has_i = 1;
        proto->i = attr->i;
        break;
    case TN__ATTR_STRING:
        proto->has_s = 1;
        proto->s = (ProtobufCBinaryData){attr->length, (uint8_t *)attr->s};
        break;
    case TN__ATTR_TENSOR:
        *tensor = describe(&attr->tensor, NULL);
        tensor->has_raw_data = 1;
        tensor->raw_data.data = unconst(tn__tensor_data(&attr->tensor));
        tensor->raw_data.len = tn__tensor_bytes(&attr->tensor);
        proto->t = tensor;
        break;
    case TN__ATTR_FLOATS:
        proto->n_floats = attr->count;
        proto->floats = attr->floats;
        break;
    case TN__ATTR_INTS:
        proto->n_ints = attr->count;
        proto->ints = attr->ints;
        break;
    case TN__ATTR_STRINGS:
        for (size_t k = 0; k < attr->count; k++)
            strings[k] = (ProtobufCBinaryData){strlen(attr->strings[k]),
                                               (uint8_t *)attr->strings[k]};
        proto->n_strings = attr->count;
        proto->strings = strings;
        break;
    }
}

static char *operand_name(const tn_model *model, size_t v)
{
    static char none[] = "";
    return v == TN__NONE ? none : model->values[v].name;
}

static tn_status put_node(sink *s, const tn_model *model, const tn__node *node,
                          tn_error *err)
{
    Onnx__NodeProto proto = ONNX__NODE_PROTO__INIT;
    node_parts parts;
    tn_status status = node_parts_create(&parts, node, err);
    if (status)
        return status;
    ProtobufCBinaryData *strings = parts.strings;
    for (size_t k = 0; k < node->attr_count; k++) {
        const tn__attr *attr = &node->attrs[k];
        onnx__attribute_proto__init(&parts.attrs[k]);
        parts.attrs[k].name = attr->name;
        parts.attrs[k].has_type = 1;
        parts.attrs[k].type = (Onnx__AttributeProto__AttributeType)attr->kind;
        fill_value(&parts.attrs[k], &parts.tensors[k], strings, attr);
        strings += attr->kind == TN__ATTR_STRINGS ? attr->count : 0;
        parts.attr_list[k] = &parts.attrs[k];
    }
    for (size_t k = 0; k < node->input_count; k++)
        parts.operands[k] = operand_name(model, node->inputs[k]);
    for (size_t k = 0; k < node->output_count; k++)
        parts.operands[node->input_count + k] = operand_name(model, node->outputs[k]);
    proto.n_input = node->input_count;
    proto.input = parts.operands;
    proto.n_output = node->output_count;
    proto.output = parts.operands + node->input_count;
    proto.n_attribute = node->attr_count;
    proto.attribute = parts.attr_list;
    proto.op_type = node->type;
    proto.name = node->name[0] ? node->name : NULL;
    proto.domain = node->domain[0] ? node->domain : NULL;
    proto.doc_string = node->doc;
    status = put_message(s, GRAPH_NODE, &proto.base, err);
    node_parts_release(&parts);
    return status;
}

/* --- inputs and outputs ----------------------------------------------------------- */

/* What is declared of a value. */
static tn_status put_value(sink *s, uint32_t field, const tn__value *value,
                           tn_error *err)
{
    Onnx__ValueInfoProto proto = ONNX__VALUE_INFO_PROTO__INIT;
    Onnx__TypeProto type = ONNX__TYPE_PROTO__INIT;
    Onnx__TypeProto__Tensor tensor = ONNX__TYPE_PROTO__TENSOR__INIT;
    Onnx__TensorShapeProto shape = ONNX__TENSOR_SHAPE_PROTO__INIT;
    Onnx__TensorShapeProto__Dimension dims[TN__MAX_RANK], *list[TN__MAX_RANK];
    for (int k = 0; k < value->rank; k++) {
        onnx__tensor_shape_proto__dimension__init(&dims[k]);
        list[k] = &dims[k];
        if (value->dims[k] >= 0) {
            dims[k].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            dims[k].dim_value = value->dims[k];
        } else if (value->dim_names[k]) {
            dims[k].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            dims[k].dim_param = value->dim_names[k];
        }
    }
    shape.n_dim = (size_t)value->rank;
    shape.dim = list;
    tensor.has_elem_type = value->dtype != TN_UNDEFINED;
    tensor.elem_type = (int32_t)value->dtype;
    tensor.shape = value->shaped ? &shape : NULL;
    type.value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type.tensor_type = &tensor;
    proto.name = value->name;
    proto.type = tensor.has_elem_type || tensor.shape ? &type : NULL;
    return put_message(s, field, &proto.base, err);
}

/* An output whose shape was never declared gets the inferred one: dims that follow the
 * batch are symbolic, under the name the first input has for them. */
static tn_status put_inferred(sink *s, const tn_model *model, size_t v,
                              const tn__shapes shapes[2], tn_error *err)
{
    tn__value value = model->values[v];
    const tn__shape *one = &shapes[0].shape[v], *other = &shapes[1].shape[v];
    const tn__value *input =
        model->input_count ? &model->values[model->inputs[0]] : NULL;
    static char batch[] = "N";
    value.dtype = shapes[0].dtype[v];
    value.shaped = true;
    value.rank = one->rank;
    for (int k = 0; k < one->rank; k++) {
        bool fixed = one->dims[k] == other->dims[k];
        value.dims[k] = fixed ? one->dims[k] : -1;
        value.dim_names[k] = fixed                          ? NULL
                             : input && input->dim_names[0] ? input->dim_names[0]
                                                            : batch;
    }
    return put_value(s, GRAPH_OUTPUT, &value, err);
}

static bool is_declared(const tn__value *value)
{
    return value->dtype != TN_UNDEFINED && value->shaped;
}

/* shapes[0] and [1] are those for batches of 2 and 3, or empty. */
static tn_status put_output(sink *s, const tn_model *model, size_t v,
                            const tn__shapes shapes[2], tn_error *err)
{
    if (is_declared(&model->values[v]) || !shapes[0].known || !shapes[0].known[v] ||
        !shapes[1].known[v] || shapes[0].shape[v].rank != shapes[1].shape[v].rank)
        return put_value(s, GRAPH_OUTPUT, &model->values[v], err);
    return put_inferred(s, model, v, shapes, err);
}

/* Infers shapes where an output needs them. A model with operators that are not known,
 * or a fixed batch, is written as declared. */
static void infer_outputs(tn__shapes shapes[2], const tn_model *model)
{
    bool needed = false;
    for (size_t k = 0; k < model->output_count; k++)
        needed |= !is_declared(&model->values[model->outputs[k]]);
    if (needed && (tn__shapes_infer(&shapes[0], model, 2, NULL) ||
                   tn__shapes_infer(&shapes[1], model, 3, NULL)))
        tn__shapes_release(&shapes[0]);
}

/* --- graph and model -------------------------------------------------------------- */

static tn_status put_graph(sink *s, const tn_model *model, const tn__shapes shapes[2],
                           tn_error *err)
{
    size_t length = strlen(model->name);
    tn_status status = TN_OK;
    for (size_t n = 0; n < model->node_count && !status; n++)
        status = put_node(s, model, &model->nodes[n], err);
    if (!status)
        status = put_head(s, GRAPH_NAME, length, err);
    if (!status)
        status = put(s, model->name, length, err);
    for (size_t v = 0; v < model->value_count && !status; v++)
        if (tn__value_is_parameter(&model->values[v]))
            status = put_initializer(s, &model->values[v], err);
    for (size_t k = 0; k < model->input_count && !status; k++)
        status = put_value(s, GRAPH_INPUT, &model->values[model->inputs[k]], err);
    for (size_t k = 0; k < model->output_count && !status; k++)
        status = put_output(s, model, model->outputs[k], shapes, err);
    return status;
}

/* The fields before the graph. */
static tn_status put_model_head(sink *s, const tn_model *model, tn_error *err)
{
    Onnx__ModelProto proto = ONNX__MODEL_PROTO__INIT;
    proto.has_ir_version = 1;
    proto.ir_version = model->ir_version;
    proto.producer_name = model->producer;
    proto.producer_version = model->producer_version;
    proto.has_model_version = model->model_version != 0;
    proto.model_version = model->model_version;
    proto.doc_string = model->doc;
    return put_packed(s, &proto.base, err);
}

/* The fields behind the graph: operator sets and metadata. */
static tn_status put_model_tail(sink *s, const tn_model *model, tn_error *err)
{
    static const struct {
        uint32_t opset, metadata;
    } field = {8, 14};
    tn_status status = TN_OK;
    for (size_t k = 0; k < model->opset_count && !status; k++) {
        Onnx__OperatorSetIdProto proto = ONNX__OPERATOR_SET_ID_PROTO__INIT;
        proto.domain = model->opsets[k].domain;
        proto.has_version = 1;
        proto.version = model->opsets[k].version;
        status = put_message(s, field.opset, &proto.base, err);
    }
    for (size_t k = 0; k < model->metadata_count && !status; k++) {
        Onnx__StringStringEntryProto proto = ONNX__STRING_STRING_ENTRY_PROTO__INIT;
        proto.key = model->metadata[k].key;
        proto.value = model->metadata[k].text;
        status = put_message(s, field.metadata, &proto.base, err);
    }
    return status;
}

static tn_status put_model(sink *s, const tn_model *model, const tn__shapes shapes[2],
                           tn_error *err)
{
    sink graph = {0};
    tn_status status = put_graph(&graph, model, shapes, err);
    if (!status)
        status = put_model_head(s, model, err);
    if (!status)
        status = put_head(s, MODEL_GRAPH, graph.count, err);
    if (s->file && !status)
        status = put_graph(s, model, shapes, err);
    else
        s->count += graph.count;
    return status ? status : put_model_tail(s, model, err);
}

tn_status tn__onnx_write(const tn_model *model, const char *path, bool replace,
                         tn_error *err)
{
    tn__shapes shapes[2] = {0};
    sink size = {0}, file = {0};
    infer_outputs(shapes, model);
    tn_status status = put_model(&size, model, shapes, err);
    if (!status && size.count > SIZE_LIMIT)
        status = tn__fail(err, TN_ERROR_UNSUPPORTED,
                          "cannot write '%s': %zu bytes, an ONNX file has at most %zu; "
                          ".safetensors has no such limit",
                          path, size.count, SIZE_LIMIT);
    if (!status)
        status = tn__file_create(&file.file, path, replace, err);
    if (!status) {
        status = put_model(&file, model, shapes, err);
        if (status)
            tn__file_abandon(file.file);
        else
            status = tn__file_commit(file.file, err);
    }
    tn__free(file.scratch);
    tn__shapes_release(&shapes[0]);
    tn__shapes_release(&shapes[1]);
    return status;
}
