/* shuffles.c - finds Reshape, Transpose, Reshape that permute one axis, and writes a
 * Gather in their place.
 *
 * The permutation is found by following every index of a batch of two, so that it holds
 * for any batch. ShuffleNet (Zhang et al., CVPR 2018, section 3.1) is made of these.
 */
#include "neurons/shuffles.h"

#include <string.h>

#include "ops/op.h"

/* Nodes cut, turn and join make axis `axis` of value `to` from that of value `from`. */
typedef struct shuffle {
    size_t cut, turn, join, from, to;
    int axis;
    size_t extent;
    int64_t *source; /* [extent]: where each index comes from */
} shuffle;

static bool is_type(const tn__node *node, const char *type)
{
    return !node->domain[0] && !strcmp(node->type, type);
}

/* The only reader of a value, or TN__NONE. */
static size_t only_reader(const tn_model *model, const tn__links *links, size_t value)
{
    for (size_t k = 0; k < model->output_count; k++)
        if (model->outputs[k] == value)
            return TN__NONE;
    size_t first = links->first_use[value];
    return links->first_use[value + 1] - first == 1 ? links->uses[first].node
                                                    : TN__NONE;
}

/* Whether node n turns what one Reshape makes for another, of equal shapes outside. */
static bool find_nodes(shuffle *s, const tn_model *model, const tn__links *links,
                       const tn__shapes *shapes, size_t n)
{
    const tn__node *turn = &model->nodes[n];
    size_t perm_count;
    if (!is_type(turn, "Transpose") || !tn__node_ints(turn, "perm", &perm_count))
        return false;
    *s = (shuffle){.cut = links->producer[turn->inputs[0]], .turn = n};
    s->join = only_reader(model, links, turn->outputs[0]);
    if (s->cut == TN__NONE || s->join == TN__NONE ||
        only_reader(model, links, turn->inputs[0]) != n)
        return false;
    const tn__node *cut = &model->nodes[s->cut], *join = &model->nodes[s->join];
    if (!is_type(cut, "Reshape") || !is_type(join, "Reshape") ||
        join->inputs[0] != turn->outputs[0])
        return false;
    s->from = cut->inputs[0];
    s->to = join->outputs[0];
    return shapes->known[s->from] && shapes->known[s->to] &&
           shapes->known[turn->inputs[0]] &&
           tn__shape_equal(&shapes->shape[s->from], &shapes->shape[s->to]);
}

static size_t coordinate(size_t linear, const tn__shape *shape, int axis)
{
    for (int a = shape->rank - 1; a > axis; a--)
        linear /= (size_t)shape->dims[a];
    return linear % (size_t)shape->dims[axis];
}

/* The place in the input of a Transpose of what is at `linear` in its output. */
static size_t turned(size_t linear, const tn__shape *in, const int64_t *perm)
{
    size_t place = 0, at[TN__MAX_RANK] = {0};
    for (int a = in->rank - 1; a >= 0; a--) {
        size_t extent = (size_t)in->dims[perm[a]];
        at[perm[a]] = linear % extent;
        linear /= extent;
    }
    for (int a = 0; a < in->rank; a++)
        place = place * (size_t)in->dims[a] + at[a];
    return place;
}

/* The one axis along which something moves, or -1. */
static int moving_axis(const tn__shape *shape, const tn__shape *cut,
                       const int64_t *perm, size_t count)
{
    int axis = -1;
    for (size_t i = 0; i < count; i++) {
        size_t place = turned(i, cut, perm);
        for (int a = 0; a < shape->rank; a++) {
            if (a == axis || coordinate(i, shape, a) == coordinate(place, shape, a))
                continue;
            if (axis >= 0)
                return -1;
            axis = a;
        }
    }
    return axis;
}

/* Fills s->axis and s->source; *found is false where something else is done. */
static tn_status follow(shuffle *s, bool *found, const tn_model *model,
                        const tn__shapes *shapes, tn_error *err)
{
    const tn__node *turn = &model->nodes[s->turn];
    const tn__shape *shape = &shapes->shape[s->from];
    const tn__shape *cut = &shapes->shape[turn->inputs[0]];
    size_t perm_count, count = 0;
    const int64_t *perm = tn__node_ints(turn, "perm", &perm_count);
    *found = false;
    s->axis =
        tn__shape_count(&count, shape) ? moving_axis(shape, cut, perm, count) : -1;
    if (s->axis < 0)
        return TN_OK;
    s->extent = (size_t)shape->dims[s->axis];
    s->source = tn__alloc(s->extent, sizeof *s->source);
    if (!s->source)
        return tn__fail_memory(err, s->extent * sizeof *s->source);
    *found = true;
    for (size_t c = 0; c < s->extent; c++)
        s->source[c] = -1;
    for (size_t i = 0; i < count && *found; i++) {
        int64_t *source = &s->source[coordinate(i, shape, s->axis)];
        int64_t from = (int64_t)coordinate(turned(i, cut, perm), shape, s->axis);
        *found = *source < 0 || *source == from;
        *source = from;
    }
    return TN_OK;
}

/* The node that joins becomes the Gather; the others lose their reader. */
static tn_status rewrite(tn_model *model, const shuffle *s, tn_error *err)
{
    const char *of = model->values[s->to].name;
    char *name = tn__format("%s.indices", of);
    tn__tensor tensor = {0};
    size_t indices = 0;
    tn_status status = name ? tn__tensor_integers(&tensor, s->source, s->extent, err)
                            : tn__fail_memory(err, strlen(of));
    if (status == TN_OK)
        status = tn__model_add_parameter(&indices, model, name, &tensor, err);
    tn__tensor_release(&tensor);
    tn__free(name);
    tn__node *node = &model->nodes[s->join];
    if (status == TN_OK)
        status = tn__node_become(node, "Gather", err);
    if (status == TN_OK)
        status = tn__node_set_int(node, "axis", s->axis, err);
    if (status != TN_OK)
        return status;
    node->inputs[0] = s->from;
    node->inputs[1] = indices;
    return TN_OK;
}

tn_status tn__shuffles_gather(tn_model **out, const tn_model *model, tn_error *err)
{
    tn__links links = {0};
    tn__shapes shapes = {0};
    tn_model *made = NULL;
    tn_status status = tn__links_create(&links, model, err);
    if (status == TN_OK)
        status = tn__shapes_infer(&shapes, model, 2, err);
    for (size_t n = 0; n < model->node_count && status == TN_OK; n++) {
        shuffle s;
        bool found = false;
        if (!find_nodes(&s, model, &links, &shapes, n))
            continue;
        status = follow(&s, &found, model, &shapes, err);
        if (status == TN_OK && found && !made)
            status = tn__model_clone(&made, model, err);
        if (status == TN_OK && found)
            status = rewrite(made, &s, err);
        tn__free(s.source);
    }
    if (status == TN_OK && made)
        status = tn__model_prune_unused(made, err);
    tn__links_release(&links);
    tn__shapes_release(&shapes);
    if (status == TN_OK)
        *out = made;
    else
        tn_model_free(made);
    return status;
}
