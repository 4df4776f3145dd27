/* attributes.c - reading and setting the attributes of a node. */
#include "graph/model.h"

#include <stdio.h>
#include <string.h>

const tn__attr *tn__node_attr(const tn__node *node, const char *name)
{
    for (size_t k = 0; k < node->attr_count; k++)
        if (strcmp(node->attrs[k].name, name) == 0)
            return &node->attrs[k];
    return NULL;
}

int64_t tn__node_int(const tn__node *node, const char *name, int64_t otherwise)
{
    const tn__attr *attr = tn__node_attr(node, name);
    return attr && attr->kind == TN__ATTR_INT ? attr->i : otherwise;
}

float tn__node_float(const tn__node *node, const char *name, float otherwise)
{
    const tn__attr *attr = tn__node_attr(node, name);
    return attr && attr->kind == TN__ATTR_FLOAT ? attr->f : otherwise;
}

const char *tn__node_string(const tn__node *node, const char *name,
                            const char *otherwise)
{
    const tn__attr *attr = tn__node_attr(node, name);
    return attr && attr->kind == TN__ATTR_STRING ? attr->s : otherwise;
}

const int64_t *tn__node_ints(const tn__node *node, const char *name, size_t *count)
{
    const tn__attr *attr = tn__node_attr(node, name);
    bool there = attr && attr->kind == TN__ATTR_INTS;
    *count = there ? attr->count : 0;
    return there ? attr->ints : NULL;
}

/* The attribute `name`, emptied, or a new one. */
tn_status tn__node_add_attr(tn__attr **out, tn__node *node, const char *name,
                            tn__attr_kind kind, tn_error *err)
{
    char *copy = tn__strdup(name);
    if (!copy)
        return tn__fail_memory(err, strlen(name) + 1);
    size_t at = 0;
    while (at < node->attr_count && strcmp(node->attrs[at].name, name) != 0)
        at++;
    if (at == node->attr_count) {
        tn__attr *grown = tn__realloc(node->attrs, at + 1, sizeof *grown);
        if (!grown) {
            tn__free(copy);
            return tn__fail_memory(err, (at + 1) * sizeof *grown);
        }
        node->attrs = grown;
        node->attr_count++;
    } else {
        tn__attr_release(&node->attrs[at]);
    }
    node->attrs[at] = (tn__attr){.name = copy, .kind = kind};
    *out = &node->attrs[at];
    return TN_OK;
}

tn_status tn__node_become(tn__node *node, const char *type, tn_error *err)
{
    char *copy = tn__strdup(type);
    if (!copy)
        return tn__fail_memory(err, strlen(type) + 1);
    tn__free(node->type);
    node->type = copy;
    while (node->attr_count > 0)
        tn__attr_release(&node->attrs[--node->attr_count]);
    return TN_OK;
}

tn_status tn__node_set_int(tn__node *node, const char *name, int64_t i, tn_error *err)
{
    tn__attr *attr = NULL;
    tn_status status = tn__node_add_attr(&attr, node, name, TN__ATTR_INT, err);
    if (!status)
        attr->i = i;
    return status;
}

tn_status tn__node_set_float(tn__node *node, const char *name, float f, tn_error *err)
{
    tn__attr *attr = NULL;
    tn_status status = tn__node_add_attr(&attr, node, name, TN__ATTR_FLOAT, err);
    if (!status)
        attr->f = f;
    return status;
}

tn_status tn__node_set_ints(tn__node *node, const char *name, size_t count,
                            const int64_t *ints, tn_error *err)
{
    tn__attr *attr = NULL;
    int64_t *copy = tn__alloc(count, sizeof *copy);
    if (!copy)
        return tn__fail_memory(err, count * sizeof *copy);
    if (count)
        memcpy(copy, ints, count * sizeof *copy);
    tn_status status = tn__node_add_attr(&attr, node, name, TN__ATTR_INTS, err);
    if (status) {
        tn__free(copy);
        return status;
    }
    attr->ints = copy;
    attr->count = count;
    return TN_OK;
}

tn_status tn__node_set_string(tn__node *node, const char *name, const char *text,
                              size_t length, tn_error *err)
{
    tn__attr *attr = NULL;
    char *copy = tn__strndup(text, length);
    if (!copy)
        return tn__fail_memory(err, length);
    tn_status status = tn__node_add_attr(&attr, node, name, TN__ATTR_STRING, err);
    if (status) {
        tn__free(copy);
        return status;
    }
    attr->s = copy;
    attr->length = length;
    return TN_OK;
}

const char *tn__node_label(const tn_model *model, size_t node, char *text, size_t size)
{
    const tn__node *at = &model->nodes[node];
    if (at->name[0])
        (void)snprintf(text, size, "%s '%s'", at->type, at->name);
    else
        (void)snprintf(text, size, "%s (node %zu)", at->type, node);
    return text;
}
