/* onnx_write.c - models as ONNX files.
 *
 * Bytes depend on the model alone: fields in the order of their numbers, as protocol
 * buffer writers put them, all tensors as raw_data. The graph's length stands before
 * the graph, so everything is gone through twice: once to count, once to write. Weights
 * go from the tensors to the file; where that would be larger than a protocol buffer
 * may be, the large ones go to a second file beside it. Source: onnx.proto.
 */
#include "format/checkpoint.h"
#include "ops/op.h"

#include <onnx/onnx.pb-c.h>
#include <stdio.h>
#include <string.h>

#define EXTERNAL_LEAST ((size_t)1024) /* bytes of a tensor that is put outside */
#define EXTERNAL_ALIGN ((size_t)4096) /* onnx.proto: a multiple of the page size */
#define EXTERNAL_SUFFIX ".data"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "raw_data is little-endian");

enum { WIRE_BYTES = 2, MODEL_GRAPH = 7, TENSOR_RAW_DATA = 9 };
enum { GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_INITIALIZER = 5 };
enum { GRAPH_DOC = 10, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12, GRAPH_VALUE_INFO = 13 };

/* The second file, for large tensors. */
typedef struct external {
    tn__file_writer *file;
    char *location; /* its name, as the model gives it */
    size_t at;      /* bytes so far */
} external;

/* What is inferred of the values, where it is needed; else empty. */
typedef struct facts {
    tn__shapes two, three; /* for batches of 2 and 3 */
    tn__shapes own;        /* for the batch that the first input declares, or 1 */
} facts;

/* Counts bytes, and writes them where there is a file. */
typedef struct sink {
    tn__file_writer *file; /* NULL: count only */
    size_t count;
    uint8_t *scratch; /* for one packed message */
    size_t scratch_size;
    external *outside; /* NULL: all tensors are in the file */
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

static tn_status put_padding(external *to, bool write, tn_error *err)
{
    static const uint8_t zeros[EXTERNAL_ALIGN];
    size_t gap = (EXTERNAL_ALIGN - to->at % EXTERNAL_ALIGN) % EXTERNAL_ALIGN;
    to->at += gap;
    return write && gap ? tn__file_write(to->file, zeros, gap, err) : TN_OK;
}

/* A tensor whose elements are in the second file. */
static tn_status put_external(sink *s, const tn__value *value, tn_error *err)
{
    static char keys[3][9] = {"location", "offset", "length"};
    external *to = s->outside;
    size_t bytes = tn__tensor_bytes(&value->parameter);
    tn_status status = put_padding(to, s->file != NULL, err);
    if (status)
        return status;
    char offset[24], length[24];
    (void)snprintf(offset, sizeof offset, "%zu", to->at);
    (void)snprintf(length, sizeof length, "%zu", bytes);
    char *texts[3] = {to->location, offset, length};
    Onnx__StringStringEntryProto entries[3], *list[3];
    for (int k = 0; k < 3; k++) {
        onnx__string_string_entry_proto__init(&entries[k]);
        entries[k].key = keys[k];
        entries[k].value = texts[k];
        list[k] = &entries[k];
    }
    Onnx__TensorProto proto = describe(&value->parameter, value->name);
    proto.n_external_data = 3;
    proto.external_data = list;
    proto.has_data_location = 1;
    proto.data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    status = put_message(s, GRAPH_INITIALIZER, &proto.base, err);
    to->at += bytes;
    if (status || !s->file)
        return status;
    return tn__file_write(to->file, tn__tensor_data(&value->parameter), bytes, err);
}

/* raw_data has the largest number of the fields we write, so it comes last. */
static tn_status put_initializer(sink *s, const tn__value *value, tn_error *err)
{
    const tn__tensor *tensor = &value->parameter;
    Onnx__TensorProto proto = describe(tensor, value->name);
    size_t bytes = tn__tensor_bytes(tensor);
    if (s->outside && bytes >= EXTERNAL_LEAST)
        return put_external(s, value, err);
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
static tn_status put_inferred(sink *s, const tn_model *model, size_t v, const facts *f,
                              tn_error *err)
{
    tn__value value = model->values[v];
    const tn__shape *one = &f->two.shape[v], *other = &f->three.shape[v];
    const tn__value *input =
        model->input_count ? &model->values[model->inputs[0]] : NULL;
    static char batch[] = "N";
    value.dtype = f->two.dtype[v];
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

static tn_status put_output(sink *s, const tn_model *model, size_t v, const facts *f,
                            tn_error *err)
{
    if (is_declared(&model->values[v]) || !f->two.known || !f->two.known[v] ||
        !f->three.known[v] || f->two.shape[v].rank != f->three.shape[v].rank)
        return put_value(s, GRAPH_OUTPUT, &model->values[v], err);
    return put_inferred(s, model, v, f, err);
}

/* Whether what is declared of a value may be true: it is not what is inferred, where a
 * model was changed. */
static bool is_believable(const tn__value *value, const tn__shapes *own, size_t v)
{
    if (!own->known || !own->known[v])
        return true;
    const tn__shape *shape = &own->shape[v];
    bool fits = (value->dtype == TN_UNDEFINED || value->dtype == own->dtype[v]) &&
                (!value->shaped || value->rank == shape->rank);
    for (int k = 0; k < value->rank && fits; k++)
        fits = value->dims[k] < 0 || value->dims[k] == shape->dims[k];
    return fits;
}

/* Declarations of the values between nodes. `bound` [values]: inputs and outputs. */
static tn_status put_value_infos(sink *s, const tn_model *model, const facts *f,
                                 tn_error *err)
{
    bool *bound = tn__alloc(model->value_count, sizeof *bound);
    if (!bound)
        return tn__fail_memory(err, model->value_count);
    for (size_t k = 0; k < model->input_count; k++)
        bound[model->inputs[k]] = true;
    for (size_t k = 0; k < model->output_count; k++)
        bound[model->outputs[k]] = true;
    tn_status status = TN_OK;
    for (size_t v = 0; v < model->value_count && !status; v++) {
        const tn__value *value = &model->values[v];
        bool declared = value->dtype != TN_UNDEFINED || value->shaped;
        if (!bound[v] && !tn__value_is_parameter(value) && declared &&
            is_believable(value, &f->own, v))
            status = put_value(s, GRAPH_VALUE_INFO, value, err);
    }
    tn__free(bound);
    return status;
}

/* Infers shapes where an output needs them, or declarations are to be believed. A model
 * with operators that are not known is written as declared. */
static void infer_facts(facts *f, const tn_model *model)
{
    bool outputs = false, others = false;
    for (size_t k = 0; k < model->output_count; k++)
        outputs |= !is_declared(&model->values[model->outputs[k]]);
    for (size_t v = 0; v < model->value_count; v++)
        others |= !tn__value_is_parameter(&model->values[v]) &&
                  is_declared(&model->values[v]);
    if (outputs && (tn__shapes_infer(&f->two, model, 2, NULL) ||
                    tn__shapes_infer(&f->three, model, 3, NULL)))
        tn__shapes_release(&f->two);
    const tn__value *input =
        model->input_count ? &model->values[model->inputs[0]] : NULL;
    int64_t batch = input && input->rank && input->dims[0] > 0 ? input->dims[0] : 1;
    if (others && tn__shapes_infer(&f->own, model, batch, NULL))
        f->own = (tn__shapes){0};
}

static void facts_release(facts *f)
{
    tn__shapes_release(&f->two);
    tn__shapes_release(&f->three);
    tn__shapes_release(&f->own);
}

/* --- graph and model -------------------------------------------------------------- */

static tn_status put_text(sink *s, uint32_t field, const char *text, tn_error *err)
{
    tn_status status = put_head(s, field, strlen(text), err);
    return status ? status : put(s, text, strlen(text), err);
}

static tn_status put_graph(sink *s, const tn_model *model, const facts *f,
                           tn_error *err)
{
    tn_status status = TN_OK;
    if (s->outside)
        s->outside->at = 0;
    for (size_t n = 0; n < model->node_count && !status; n++)
        status = put_node(s, model, &model->nodes[n], err);
    if (!status)
        status = put_text(s, GRAPH_NAME, model->name, err);
    for (size_t v = 0; v < model->value_count && !status; v++)
        if (tn__value_is_parameter(&model->values[v]))
            status = put_initializer(s, &model->values[v], err);
    if (!status && model->graph_doc)
        status = put_text(s, GRAPH_DOC, model->graph_doc, err);
    for (size_t k = 0; k < model->input_count && !status; k++)
        status = put_value(s, GRAPH_INPUT, &model->values[model->inputs[k]], err);
    for (size_t k = 0; k < model->output_count && !status; k++)
        status = put_output(s, model, model->outputs[k], f, err);
    return status ? status : put_value_infos(s, model, f, err);
}

/* The fields before the graph. */
static tn_status put_model_head(sink *s, const tn_model *model, tn_error *err)
{
    Onnx__ModelProto proto = ONNX__MODEL_PROTO__INIT;
    proto.has_ir_version = 1;
    proto.ir_version = model->ir_version;
    proto.producer_name = model->producer;
    proto.producer_version = model->producer_version;
    proto.domain = model->domain;
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

static tn_status put_model(sink *s, const tn_model *model, const facts *f,
                           tn_error *err)
{
    sink graph = {.outside = s->outside};
    tn_status status = put_graph(&graph, model, f, err);
    if (!status)
        status = put_model_head(s, model, err);
    if (!status)
        status = put_head(s, MODEL_GRAPH, graph.count, err);
    if (s->file && !status)
        status = put_graph(s, model, f, err);
    else
        s->count += graph.count;
    return status ? status : put_model_tail(s, model, err);
}

/* Opens the second file; its name is that of the model with a suffix. */
static tn_status open_external(external *out, const char *path, bool replace,
                               tn_error *err)
{
    const char *slash = strrchr(path, '/');
    size_t size = strlen(path) + sizeof EXTERNAL_SUFFIX;
    char *whole = tn__alloc(size, 1);
    if (!whole)
        return tn__fail_memory(err, size);
    (void)snprintf(whole, size, "%s%s", path, EXTERNAL_SUFFIX);
    out->location = tn__strdup(whole + (slash ? slash - path + 1 : 0));
    tn_status status = out->location ? tn__file_create(&out->file, whole, replace, err)
                                     : tn__fail_memory(err, size);
    tn__free(whole);
    return status;
}

/* The second file is there before the model that names it. */
static tn_status write_files(sink *s, const tn_model *model, const facts *f,
                             tn_error *err)
{
    tn_status status = put_model(s, model, f, err);
    if (!status && s->outside) {
        status = tn__file_commit(s->outside->file, err);
        s->outside->file = NULL;
    }
    if (!status) {
        status = tn__file_commit(s->file, err);
        s->file = NULL;
    }
    return status;
}

tn_status tn__onnx_write_within(const tn_model *model, const char *path, bool replace,
                                size_t limit, tn_error *err)
{
    facts f = {0};
    external outside = {0};
    sink size = {0}, file = {0};
    infer_facts(&f, model);
    tn_status status = put_model(&size, model, &f, err);
    if (!status && size.count > limit) {
        size = (sink){.outside = &outside};
        file.outside = &outside;
        if ((status = open_external(&outside, path, replace, err)) == TN_OK)
            status = put_model(&size, model, &f, err);
    }
    if (!status && size.count > limit)
        status = tn__fail(err, TN_ERROR_UNSUPPORTED,
                          "cannot write '%s': %zu bytes without the weights, an ONNX "
                          "file has at most %zu",
                          path, size.count, limit);
    if (!status)
        status = tn__file_create(&file.file, path, replace, err);
    if (!status)
        status = write_files(&file, model, &f, err);
    tn__file_abandon(file.file);
    tn__file_abandon(outside.file);
    tn__free(outside.location);
    tn__free(file.scratch);
    facts_release(&f);
    return status;
}

tn_status tn__onnx_write(const tn_model *model, const char *path, bool replace,
                         tn_error *err)
{
    return tn__onnx_write_within(model, path, replace, TN__ONNX_SIZE_MAX, err);
}
