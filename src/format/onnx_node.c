/* onnx_node.c - attributes of ONNX nodes.
 *
 * Source: onnx.proto, message AttributeProto. Subgraphs, sparse tensors, types and
 * references to the attributes of a function are refused by name.
 */
#include "format/onnx.h"

#include <string.h>

enum { /* fields of AttributeProto */
       NAME = 1,
       FLOAT = 2,
       INT = 3,
       STRING = 4,
       TENSOR = 5,
       GRAPH = 6,
       FLOATS = 7,
       INTS = 8,
       STRINGS = 9,
       TENSORS = 10,
       GRAPHS = 11,
       TYPE_PROTO = 14,
       TYPE_PROTOS = 15,
       TYPE = 20,
       REFERENCE = 21,
       SPARSE_TENSOR = 22,
       SPARSE_TENSORS = 23
};

/* The kinds we keep, and the field each has its value in. */
static const struct {
    tn__attr_kind kind;
    uint32_t field;
} kinds[] = {
    {TN__ATTR_FLOAT, FLOAT},     {TN__ATTR_INT, INT},       {TN__ATTR_STRING, STRING},
    {TN__ATTR_TENSOR, TENSOR},   {TN__ATTR_FLOATS, FLOATS}, {TN__ATTR_INTS, INTS},
    {TN__ATTR_STRINGS, STRINGS},
};

/* First pass: the name, the kind, and how many elements each list has. */
typedef struct summary {
    char *name;
    uint64_t type; /* as written, 0 where left out */
    uint32_t only; /* field of the value, for files before the type was written */
    tn__wire_numbers floats, ints;
    size_t strings;
} summary;

static tn_status summarise(summary *s, const tn__wire_field *f, tn_error *err)
{
    switch (f->number) {
    case NAME:
        return tn__wire_text(&s->name, f, "attribute name", err);
    case TYPE:
        s->type = f->value;
        return tn__wire_expect(f, TN__WIRE_VARINT, "attribute type", err);
    case FLOATS:
        s->only = f->number;
        return tn__wire_numbers_add(&s->floats, f, "floats", err);
    case INTS:
        s->only = f->number;
        return tn__wire_numbers_add(&s->ints, f, "ints", err);
    case STRINGS:
        s->strings++;
        s->only = f->number;
        return TN_OK;
    case FLOAT:
    case INT:
    case STRING:
    case TENSOR:
        s->only = f->number;
        return TN_OK;
    case GRAPH:
    case GRAPHS:
        return tn__fail(err, TN_ERROR_UNSUPPORTED, "subgraphs are not supported");
    case TENSORS:
    case TYPE_PROTO:
    case TYPE_PROTOS:
    case REFERENCE:
    case SPARSE_TENSOR:
    case SPARSE_TENSORS:
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "attributes of field %u of AttributeProto are not supported",
                        f->number);
    default:
        return TN_OK;
    }
}

/* Which of kinds[] the attribute is. */
static tn_status find_kind(size_t *out, const summary *s, tn_error *err)
{
    for (size_t k = 0; k < TN__COUNT(kinds); k++)
        if (s->type ? s->type == (uint64_t)kinds[k].kind : s->only == kinds[k].field) {
            *out = k;
            return TN_OK;
        }
    return tn__fail(err, TN_ERROR_UNSUPPORTED, "its type %llu is not supported",
                    (unsigned long long)s->type);
}

/* Memory for the lists that the first pass has counted. */
static tn_status allocate(tn__attr *attr, const summary *s, tn_error *err)
{
    size_t bytes = 0;
    void *list = NULL;
    switch (attr->kind) {
    case TN__ATTR_FLOATS:
        list = attr->floats = tn__alloc(s->floats.count, sizeof *attr->floats);
        bytes = s->floats.count * sizeof *attr->floats;
        break;
    case TN__ATTR_INTS:
        list = attr->ints = tn__alloc(s->ints.count, sizeof *attr->ints);
        bytes = s->ints.count * sizeof *attr->ints;
        break;
    case TN__ATTR_STRINGS:
        list = attr->strings = tn__alloc(s->strings, sizeof *attr->strings);
        bytes = s->strings * sizeof *attr->strings;
        break;
    case TN__ATTR_STRING:
        list = attr->s = tn__alloc(1, 1);
        bytes = 1;
        break;
    default:
        return TN_OK;
    }
    return list ? TN_OK : tn__fail_memory(err, bytes);
}

static tn_status take_string(tn__attr *attr, const tn__wire_field *f, tn_error *err)
{
    tn_status status = tn__wire_expect(f, TN__WIRE_BYTES, "string", err);
    if (status)
        return status;
    size_t length = tn__reader_left(&f->in);
    char *text = tn__strndup((const char *)tn__wire_bytes(f), length);
    if (!text)
        return tn__fail_memory(err, length + 1);
    tn__free(attr->s);
    attr->s = text;
    attr->length = length;
    return TN_OK;
}

static tn_status take_tensor(tn__attr *attr, const tn__wire_field *f,
                             tn__onnx_source *source, tn_error *err)
{
    char *name = NULL;
    tn_status status = tn__wire_expect(f, TN__WIRE_BYTES, "tensor", err);
    if (status)
        return status;
    tn__tensor_release(&attr->tensor);
    status = tn__onnx_tensor(&attr->tensor, &name, source, f->in, err);
    tn__free(name);
    return status;
}

/* Second pass: one field of the attribute's kind. */
static tn_status take_value(tn__attr *attr, summary *s, const tn__wire_field *f,
                            tn__onnx_source *source, tn_error *err)
{
    tn_status status = TN_OK;
    uint32_t bits = (uint32_t)f->value;
    switch (attr->kind) {
    case TN__ATTR_FLOAT:
        memcpy(&attr->f, &bits, sizeof bits);
        return tn__wire_expect(f, TN__WIRE_FIXED32, "float", err);
    case TN__ATTR_INT:
        attr->i = (int64_t)f->value;
        return tn__wire_expect(f, TN__WIRE_VARINT, "int", err);
    case TN__ATTR_STRING:
        return take_string(attr, f, err);
    case TN__ATTR_TENSOR:
        return take_tensor(attr, f, source, err);
    case TN__ATTR_FLOATS:
        status = tn__wire_numbers_add(&s->floats, f, "floats", err);
        attr->count = s->floats.count;
        return status;
    case TN__ATTR_INTS:
        status = tn__wire_numbers_add(&s->ints, f, "ints", err);
        attr->count = s->ints.count;
        return status;
    case TN__ATTR_STRINGS:
        status = tn__wire_text(&attr->strings[attr->count], f, "string", err);
        attr->count += status == TN_OK;
        return status;
    }
    return status;
}

static tn_status read_values(tn__attr *attr, summary *s, uint32_t field,
                             tn__onnx_source *source, tn__reader r, tn_error *err)
{
    tn_status status = allocate(attr, s, err);
    s->floats.out = (uint8_t *)attr->floats;
    s->ints.out = (uint8_t *)attr->ints;
    s->floats.limit = s->floats.count;
    s->ints.limit = s->ints.count;
    s->floats.count = s->ints.count = 0;
    while (!status && tn__reader_left(&r)) {
        tn__wire_field f;
        status = tn__wire_next(&r, &f, err);
        if (!status && f.number == field)
            status = take_value(attr, s, &f, source, err);
    }
    if (!status && attr->kind == TN__ATTR_TENSOR && !attr->tensor.dtype)
        status = tn__fail(err, TN_ERROR_FORMAT, "it has no tensor");
    return status;
}

tn_status tn__onnx_attribute(tn__node *node, tn__onnx_source *source, tn__reader r,
                             tn_error *err)
{
    summary s = {.floats = {.type = TN__WIRE_FIXED32, .width = sizeof(float)},
                 .ints = {.type = TN__WIRE_VARINT, .width = sizeof(int64_t)}};
    tn__attr *attr = NULL;
    tn__reader again = r;
    size_t kind = 0;
    tn_status status = TN_OK;
    while (!status && tn__reader_left(&r)) {
        tn__wire_field f;
        status = tn__wire_next(&r, &f, err);
        if (!status)
            status = summarise(&s, &f, err);
    }
    if (!status && (!s.name || !s.name[0] || tn__node_attr(node, s.name)))
        status = tn__fail(err, TN_ERROR_FORMAT, "its name is missing or occurs twice");
    if (!status && node->attr_count == TN__ONNX_ATTRS_MAX)
        status = tn__fail(err, TN_ERROR_UNSUPPORTED, "a node has at most %d attributes",
                          TN__ONNX_ATTRS_MAX);
    if (!status)
        status = find_kind(&kind, &s, err);
    if (!status)
        status = tn__node_add_attr(&attr, node, s.name, kinds[kind].kind, err);
    if (!status)
        status = read_values(attr, &s, kinds[kind].field, source, again, err);
    if (status)
        status = tn__fail_in(err, status, "attribute '%s'", s.name ? s.name : "");
    tn__free(s.name);
    return status;
}
