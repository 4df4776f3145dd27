/* resize_groups.c - takes neurons out of a model or repeats them, in parameters and
 * constants.
 *
 * Every axis of every value has a number of copies of each of its cells: none where it
 * goes. Parameters are gathered by them. Of the operators only those whose constants
 * count channels need care: Pad, Slice, Split, Reshape, Gather and the groups of a
 * depthwise Conv. At the end the shapes of the new graph are inferred and held against
 * the numbers, so an operator that is not in this list is refused and never made wrong.
 */
#include "neurons/resize_groups.h"

#include <string.h>

#include "ops/operand.h"

typedef struct resizing {
    const tn_model *model;
    const tn__groups *groups;
    const uint8_t *const *copies;
    tn_model *out;
    tn__shapes two; /* for a batch of two, once asked for */
} resizing;

/* Cells of an axis, of all columns of a grouped weight (axis `rank`) or of a bundle
 * (axis rank + 1). */
static size_t slot_extent(const tn__groups *groups, size_t value, int axis)
{
    const tn__shape *shape = &groups->shapes.shape[value];
    size_t extent = 1;
    if (axis < shape->rank)
        return (size_t)shape->dims[axis];
    if (axis == shape->rank)
        return groups->blocks[value] * (size_t)shape->dims[1];
    for (int a = 0; a < shape->rank; a++)
        if (groups->bundle[value] >> a & 1)
            extent *= (size_t)shape->dims[a];
    return extent;
}

size_t tn__resize_cells(uint8_t *cells, const tn__groups *groups,
                        const uint8_t *const *copies, size_t value, int axis)
{
    size_t extent = slot_extent(groups, value, axis), left = 0;
    for (size_t c = 0; c < extent; c++)
        cells[c] = 1;
    for (size_t g = 0; g < groups->count; g++) {
        const tn__group *group = &groups->list[g];
        for (size_t e = 0; copies[g] && e < group->entry_count; e++) {
            const tn__group_entry *entry = &group->entries[e];
            if (entry->value != value || entry->axis != axis)
                continue;
            for (size_t k = 0; k < group->neurons * entry->repeats; k++)
                cells[entry->index[k]] *= copies[g][k / entry->repeats];
        }
    }
    for (size_t c = 0; c < extent; c++)
        left += cells[c];
    return left;
}

/* Copies of the cells of an axis in new memory; *left in all. */
static tn_status cells_of(uint8_t **cells, size_t *left, const resizing *s,
                          size_t value, int axis, tn_error *err)
{
    size_t extent = slot_extent(s->groups, value, axis);
    uint8_t *made = tn__alloc(extent, sizeof *made);
    if (!made)
        return tn__fail_memory(err, extent);
    *left = tn__resize_cells(made, s->groups, s->copies, value, axis);
    *cells = made;
    return TN_OK;
}

/* Whether the indices of an axis are blocks, which go or stay as wholes. */
static bool has_blocks(const tn__groups *groups, size_t value, int axis)
{
    for (size_t g = 0; g < groups->count; g++)
        for (size_t e = 0; groups->list[g].kinds && e < groups->list[g].entry_count;
             e++)
            if (groups->list[g].entries[e].value == value &&
                groups->list[g].entries[e].axis == axis)
                return true;
    return false;
}

/* What there will be along axis `axis` of a bundle: what each line has where they all
 * have the same, else (and of blocks) the lines across that have any. */
static size_t bundle_extent(const uint8_t *cells, const tn__shape *shape,
                            uint32_t bundle, int axis, bool blocks)
{
    size_t inner = 1, outer = 1, extent = (size_t)shape->dims[axis], common = 0;
    size_t across = 0;
    bool same = true;
    for (int a = 0; a < shape->rank; a++)
        if (a != axis && (bundle >> a & 1))
            *(a < axis ? &outer : &inner) *= (size_t)shape->dims[a];
    for (size_t k = 0; k < outer * inner; k++) {
        size_t n = 0;
        for (size_t c = 0; c < extent; c++)
            n += cells[(k / inner * extent + c) * inner + k % inner];
        same = same && (n == 0 || common == 0 || n == common);
        common = TN__MAX(common, n);
    }
    for (size_t c = 0; c < extent; c++) {
        bool any = false;
        for (size_t k = 0; k < outer * inner && !any; k++)
            any = cells[(k / inner * extent + c) * inner + k % inner] > 0;
        across += any;
    }
    return same && !blocks ? common : across;
}

/* The extent that an axis will have. */
static tn_status extent_left(size_t *left, const resizing *s, size_t value, int axis,
                             tn_error *err)
{
    const tn__shape *shape = &s->groups->shapes.shape[value];
    uint32_t bundle = s->groups->bundle[value];
    uint8_t *cells = NULL;
    size_t total = 0, product = 1;
    bool bundled = bundle >> axis & 1;
    tn_status status =
        cells_of(&cells, &total, s, value, bundled ? shape->rank + 1 : axis, err);
    if (status != TN_OK || !bundled) {
        tn__free(cells);
        *left = total;
        return status;
    }
    for (int a = 0; a < shape->rank; a++)
        if (bundle >> a & 1)
            product *=
                bundle_extent(cells, shape, bundle, a, has_blocks(s->groups, value, a));
    *left =
        bundle_extent(cells, shape, bundle, axis, has_blocks(s->groups, value, axis));
    tn__free(cells);
    if (product == total)
        return TN_OK;
    return tn__fail(err, TN_ERROR_UNSUPPORTED,
                    "cannot change these neurons: the blocks of '%s' would have "
                    "different numbers",
                    s->model->values[value].name);
}

/* Copies of the cells before position `at`. */
static int64_t rank_of(const uint8_t *cells, int64_t at)
{
    int64_t left = 0;
    for (int64_t c = 0; c < at; c++)
        left += cells[c];
    return left;
}

/* --- parameters ----------------------------------------------------------------- */

static tn_status create_resized(tn__tensor *out, void **data, tn_dtype dtype,
                                const tn__shape *shape, tn_error *err)
{
    tn_status status = tn__tensor_create(out, dtype, shape->rank, shape->dims, err);
    if (status != TN_OK || (status = tn__tensor_write(out, data, err)) != TN_OK)
        tn__tensor_release(out);
    return status;
}

static tn_status gather_axis(tn__tensor *tensor, int axis, const uint8_t *cells,
                             size_t left, tn_error *err)
{
    tn__shape shape = tensor->shape;
    size_t extent = (size_t)shape.dims[axis], outer = 1;
    size_t inner = tn__dtype_size(tensor->dtype);
    for (int a = 0; a < shape.rank; a++) {
        if (a < axis)
            outer *= (size_t)shape.dims[a];
        else if (a > axis)
            inner *= (size_t)shape.dims[a];
    }
    shape.dims[axis] = (int64_t)left;
    tn__tensor made = {0};
    void *data = NULL;
    tn_status status = create_resized(&made, &data, tensor->dtype, &shape, err);
    if (status != TN_OK)
        return status;
    const char *from = tn__tensor_data(tensor);
    char *to = data;
    for (size_t o = 0; o < outer; o++)
        for (size_t c = 0; c < extent; c++, from += inner)
            for (size_t k = 0; k < cells[c]; k++, to += inner)
                memcpy(to, from, inner);
    tn__tensor_release(tensor);
    *tensor = made;
    return TN_OK;
}

/* Columns of a grouped weight after resizing, which must be as many in every group that
 * stays; 0 where they are not. */
static size_t columns_left(const uint8_t *cells, size_t blocks, size_t width)
{
    size_t each = 0;
    bool same = true;
    for (size_t k = 0; k < blocks; k++) {
        size_t n = 0;
        for (size_t c = 0; c < width; c++)
            n += cells[k * width + c];
        same = same && (n == 0 || each == 0 || n == each);
        each = TN__MAX(each, n);
    }
    return same ? each : 0;
}

/* The weight [O, C/g, ...] of a convolution in groups: rows keep the columns of their
 * group. */
static tn_status gather_columns(tn__tensor *tensor, const uint8_t *cells, size_t blocks,
                                size_t each, tn_error *err)
{
    tn__shape shape = tensor->shape;
    size_t width = (size_t)shape.dims[1], count = (size_t)shape.dims[0];
    size_t inner = tn__dtype_size(tensor->dtype);
    for (int a = 2; a < shape.rank; a++)
        inner *= (size_t)shape.dims[a];
    shape.dims[1] = (int64_t)each;
    tn__tensor made = {0};
    void *data = NULL;
    tn_status status = create_resized(&made, &data, tensor->dtype, &shape, err);
    if (status != TN_OK)
        return status;
    const char *from = tn__tensor_data(tensor);
    for (size_t r = 0; r < count; r++) {
        const uint8_t *own = cells + r / (count / blocks) * width;
        char *to = (char *)data + r * each * inner;
        for (size_t c = 0; c < width; c++, from += inner)
            for (size_t k = 0; k < own[c]; k++, to += inner)
                memcpy(to, from, inner);
    }
    tn__tensor_release(tensor);
    *tensor = made;
    return TN_OK;
}

static tn_status resize_columns(tn__tensor *tensor, const resizing *s, size_t v,
                                tn_error *err)
{
    size_t blocks = s->groups->blocks[v], width = (size_t)tensor->shape.dims[1];
    uint8_t *cells = NULL;
    size_t left = 0;
    tn_status status = cells_of(&cells, &left, s, v, tensor->shape.rank, err);
    size_t each = status == TN_OK ? columns_left(cells, blocks, width) : 0;
    if (status == TN_OK && each == 0)
        status = tn__fail(err, TN_ERROR_UNSUPPORTED,
                          "cannot change neurons of '%s': the %zu groups of the "
                          "convolution would have different numbers",
                          s->model->values[v].name, blocks);
    if (status == TN_OK && left != blocks * width)
        status = gather_columns(tensor, cells, blocks, each, err);
    tn__free(cells);
    return status;
}

static tn_status resize_parameter(resizing *s, size_t v, tn_error *err)
{
    tn__tensor *tensor = &s->out->values[v].parameter;
    bool grouped = s->groups->blocks[v] > 1 && tensor->shape.rank >= 3;
    tn_status status = grouped ? resize_columns(tensor, s, v, err) : TN_OK;
    for (int a = 0; a < tensor->shape.rank && status == TN_OK; a++) {
        uint8_t *cells = NULL;
        size_t left = 0, extent = (size_t)tensor->shape.dims[a];
        if (grouped && a == 1)
            continue;
        status = cells_of(&cells, &left, s, v, a, err);
        if (status == TN_OK && left != extent)
            status = gather_axis(tensor, a, cells, left, err);
        tn__free(cells);
    }
    return status;
}

/* --- constants of operators ----------------------------------------------------- */

static size_t opset_of(const resizing *s)
{
    return (size_t)tn__model_opset(s->model);
}

/* The integers of an attribute or, where the node has none, of input k. */
static bool read_list(tn__ints *out, const resizing *s, const tn__node *node,
                      const char *name, size_t k)
{
    tn__ints list = {.given = true};
    const int64_t *ints = tn__node_ints(node, name, &list.count);
    const tn__tensor *constant = NULL;
    if (!ints) {
        if (k >= node->input_count || node->inputs[k] == TN__NONE)
            return false;
        constant = &s->groups->shapes.constant[node->inputs[k]];
        if (constant->dtype == TN_UNDEFINED)
            return false;
        list.count = tn__tensor_count(constant);
    }
    if (list.count > TN__INTS_MAX)
        return false;
    for (size_t i = 0; i < list.count; i++)
        list.v[i] = ints ? ints[i] : tn__tensor_get_i64(constant, i);
    *out = list;
    return true;
}

/* Input k of node n becomes a constant of its own, named after the output. */
static tn_status write_input(resizing *s, size_t n, const char *name, size_t k,
                             const int64_t *list, size_t count, tn_error *err)
{
    size_t *input = &s->out->nodes[n].inputs[k], value = TN__NONE;
    const char *of = s->model->values[s->model->nodes[n].outputs[0]].name;
    char *text = tn__format("%s.%s", of, name);
    tn__tensor tensor = {0};
    tn_status status = text ? tn__tensor_integers(&tensor, list, count, err)
                            : tn__fail_memory(err, strlen(of));
    if (status == TN_OK)
        value = tn__model_find_value(s->out, text);
    if (value != TN__NONE && value == *input) { /* it has been written before */
        tn__tensor_release(&s->out->values[value].parameter);
        s->out->values[value].parameter = tensor;
        tensor = (tn__tensor){0};
    } else if (status == TN_OK) {
        status = tn__model_add_parameter(&value, s->out, text, &tensor, err);
        *input = status == TN_OK ? value : *input;
    }
    tn__tensor_release(&tensor);
    tn__free(text);
    return status;
}

/* Writes the list where read_list() found it; inputs become constants of their own. */
static tn_status write_list(resizing *s, size_t n, const char *name, size_t k,
                            const tn__ints *list, tn_error *err)
{
    tn__node *node = &s->out->nodes[n];
    return tn__node_attr(node, name)
               ? tn__node_set_ints(node, name, list->count, list->v, err)
               : write_input(s, n, name, k, list->v, list->count, err);
}

/* Zeros before and after: those that stand where a neuron goes, go too. */
static tn_status resize_pad(resizing *s, size_t n, tn_error *err)
{
    const tn__node *node = &s->model->nodes[n];
    const tn__shape *in = &s->groups->shapes.shape[node->inputs[0]];
    tn__ints pads;
    bool changed = false;
    if (!read_list(&pads, s, node, "pads", 1) || pads.count != 2 * (size_t)in->rank)
        return TN_OK;
    for (int a = 0; a < in->rank; a++) {
        uint8_t *cells = NULL;
        size_t left = 0;
        int64_t begin = pads.v[a], end = pads.v[in->rank + a];
        if (begin < 0 || end < 0 || begin + end == 0)
            continue;
        tn_status status = cells_of(&cells, &left, s, node->outputs[0], a, err);
        if (status != TN_OK)
            return status;
        int64_t inside = begin + in->dims[a];
        pads.v[a] = rank_of(cells, begin);
        pads.v[in->rank + a] = (int64_t)left - rank_of(cells, inside);
        changed = changed || pads.v[a] != begin || pads.v[in->rank + a] != end;
        tn__free(cells);
    }
    return changed ? write_list(s, n, "pads", 1, &pads, err) : TN_OK;
}

static int64_t bound(int64_t at, int64_t extent)
{
    at = at < 0 ? at + extent : at;
    return TN__MIN(TN__MAX(at, 0), extent);
}

static tn_status resize_slice(resizing *s, size_t n, tn_error *err)
{
    const tn__node *node = &s->model->nodes[n];
    const tn__shape *in = &s->groups->shapes.shape[node->inputs[0]];
    tn__ints starts, ends, axes, steps;
    bool changed = false, listed = read_list(&axes, s, node, "axes", 3);
    if (!read_list(&starts, s, node, "starts", 1) ||
        !read_list(&ends, s, node, "ends", 2))
        return TN_OK;
    bool stepped = opset_of(s) >= 10 && read_list(&steps, s, node, "steps", 4);
    for (size_t i = 0; i < starts.count; i++) {
        int64_t axis = listed ? axes.v[i] : (int64_t)i;
        axis += axis < 0 ? in->rank : 0;
        uint8_t *cells = NULL;
        size_t left = 0;
        tn_status status = cells_of(&cells, &left, s, node->inputs[0], (int)axis, err);
        if (status != TN_OK)
            return status;
        int64_t extent = in->dims[axis];
        if ((int64_t)left != extent && (!stepped || steps.v[i] == 1)) {
            starts.v[i] = rank_of(cells, bound(starts.v[i], extent));
            ends.v[i] = rank_of(cells, bound(ends.v[i], extent));
            changed = true;
        }
        tn__free(cells);
    }
    tn_status status = TN_OK;
    if (changed)
        status = write_list(s, n, "starts", 1, &starts, err);
    return changed && status == TN_OK ? write_list(s, n, "ends", 2, &ends, err)
                                      : status;
}

static tn_status resize_split(resizing *s, size_t n, tn_error *err)
{
    const tn__node *node = &s->model->nodes[n];
    int rank = s->groups->shapes.shape[node->inputs[0]].rank, axis = 0;
    tn__ints sizes;
    tn_status status =
        tn__axis_resolve(&axis, tn__node_int(node, "axis", 0), rank, err);
    if (status != TN_OK || !read_list(&sizes, s, node, "split", 1))
        return status;
    for (size_t k = 0; k < node->output_count && status == TN_OK; k++) {
        uint8_t *cells = NULL;
        size_t left = 0;
        status = cells_of(&cells, &left, s, node->outputs[k], axis, err);
        sizes.v[k] = (int64_t)left;
        tn__free(cells);
    }
    return status == TN_OK ? write_list(s, n, "split", 1, &sizes, err) : status;
}

/* A shape that is computed from that of the input becomes a list of numbers, but for
 * the batch, which becomes -1. */
static tn_status release_batch(tn__ints *dims, resizing *s, size_t n, tn_error *err)
{
    const tn__node *node = &s->model->nodes[n];
    char label[TN__LABEL_TEXT];
    bool open = false;
    if (tn__node_attr(node, "shape") ||
        tn__value_is_parameter(&s->model->values[node->inputs[1]]))
        return TN_OK;
    if (!s->two.known) {
        tn_status status = tn__shapes_infer(&s->two, s->model, 2, err);
        if (status != TN_OK)
            return status;
    }
    const tn__tensor *one = &s->groups->shapes.constant[node->inputs[1]];
    const tn__tensor *two = &s->two.constant[node->inputs[1]];
    for (size_t i = 0; i < dims->count && two->dtype != TN_UNDEFINED; i++) {
        if (dims->v[i] != -1 &&
            tn__tensor_get_i64(one, i) == tn__tensor_get_i64(two, i))
            continue;
        if (open)
            return tn__fail(err, TN_ERROR_UNSUPPORTED,
                            "cannot change neurons at %s: its shape depends on the "
                            "batch in two places",
                            tn__node_label(s->model, n, label, sizeof label));
        open = true;
        dims->v[i] = -1;
    }
    return TN_OK;
}

static tn_status resize_reshape(resizing *s, size_t n, tn_error *err)
{
    const tn__node *node = &s->model->nodes[n];
    const tn__shape *to = &s->groups->shapes.shape[node->outputs[0]];
    tn__ints dims;
    bool changed = false;
    if (!read_list(&dims, s, node, "shape", 1) || dims.count != (size_t)to->rank)
        return TN_OK;
    for (int a = 0; a < to->rank; a++) {
        size_t left = 0;
        tn_status status = extent_left(&left, s, node->outputs[0], a, err);
        if (status != TN_OK)
            return status;
        if (dims.v[a] > 0 && (int64_t)left != to->dims[a]) {
            dims.v[a] = (int64_t)left;
            changed = true;
        }
    }
    if (!changed)
        return TN_OK;
    tn_status status = release_batch(&dims, s, n, err);
    return status ? status : write_list(s, n, "shape", 1, &dims, err);
}

/* Indices of the cells that stay, each as often as its cell will be there. */
static tn_status resize_gather(resizing *s, size_t n, tn_error *err)
{
    const tn__node *node = &s->model->nodes[n];
    const tn__tensor *indices = &s->groups->shapes.constant[node->inputs[1]];
    int rank = s->groups->shapes.shape[node->inputs[0]].rank, axis = 0;
    uint8_t *cells[2] = {0};
    size_t left[2] = {0}, count = 0;
    tn_status status =
        tn__axis_resolve(&axis, tn__node_int(node, "axis", 0), rank, err);
    if (status != TN_OK || indices->dtype == TN_UNDEFINED || indices->shape.rank != 1)
        return status;
    int64_t extent = s->groups->shapes.shape[node->inputs[0]].dims[axis];
    int64_t *list = NULL;
    for (int k = 0; k < 2 && status == TN_OK; k++)
        status = cells_of(&cells[k], &left[k], s,
                          k ? node->outputs[0] : node->inputs[0], axis, err);
    if (status != TN_OK || (int64_t)left[0] == extent)
        goto done;
    list = tn__alloc(left[1], sizeof *list);
    if (!list)
        status = tn__fail_memory(err, left[1] * sizeof *list);
    for (size_t i = 0; status == TN_OK && i < tn__tensor_count(indices); i++) {
        int64_t from = tn__tensor_get_i64(indices, i);
        int64_t to = rank_of(cells[0], from < 0 ? from + extent : from);
        for (uint8_t copy = 0; copy < cells[1][i]; copy++)
            list[count++] = to + copy;
    }
    if (status == TN_OK)
        status = write_input(s, n, "indices", 1, list, count, err);
done:
    tn__free(cells[0]);
    tn__free(cells[1]);
    tn__free(list);
    return status;
}

/* A convolution has as many groups as keep columns; a depthwise one as channels. */
static tn_status resize_conv(resizing *s, size_t n, tn_error *err)
{
    const tn__node *node = &s->model->nodes[n];
    const tn__shape *in = &s->groups->shapes.shape[node->inputs[0]];
    size_t group = (size_t)tn__node_int(node, "group", 1), left = 0;
    bool depthwise = group == (size_t)in->dims[1];
    uint8_t *cells = NULL;
    if (group < 2)
        return TN_OK;
    size_t value = node->inputs[depthwise ? 0 : 1];
    int rank = s->groups->shapes.shape[value].rank;
    tn_status status = cells_of(&cells, &left, s, value, depthwise ? 1 : rank, err);
    if (status != TN_OK)
        return status;
    if (!depthwise) {
        size_t width = (size_t)in->dims[1] / group;
        left /= TN__MAX(columns_left(cells, group, width), (size_t)1);
    }
    tn__free(cells);
    return tn__node_set_int(&s->out->nodes[n], "group", (int64_t)left, err);
}

static tn_status resize_node(resizing *s, size_t n, tn_error *err)
{
    static const struct {
        const char *type;
        tn_status (*resize)(resizing *s, size_t n, tn_error *err);
    } rules[] = {{"Pad", resize_pad},       {"Slice", resize_slice},
                 {"Split", resize_split},   {"Reshape", resize_reshape},
                 {"Gather", resize_gather}, {"Conv", resize_conv}};
    for (size_t i = 0; i < TN__COUNT(rules); i++)
        if (!strcmp(s->model->nodes[n].type, rules[i].type) &&
            !s->model->nodes[n].domain[0])
            return rules[i].resize(s, n, err);
    return TN_OK;
}

/* --- the whole ------------------------------------------------------------------ */

/* Declared widths of activations follow; batch and symbols stay. */
static tn_status resize_declared(resizing *s, size_t v, tn_error *err)
{
    tn__value *value = &s->out->values[v];
    for (int a = 0; value->shaped && a < value->rank; a++) {
        size_t left = 0;
        if (!s->groups->shapes.known[v] || value->dims[a] < 0)
            continue;
        tn_status status = extent_left(&left, s, v, a, err);
        if (status != TN_OK)
            return status;
        if ((int64_t)left != s->groups->shapes.shape[v].dims[a])
            value->dims[a] = (int64_t)left;
    }
    return TN_OK;
}

static tn_status check_node(const resizing *s, const tn__shapes *found, size_t n,
                            tn_error *err)
{
    const tn__node *node = &s->model->nodes[n];
    char label[TN__LABEL_TEXT];
    for (size_t k = 0; k < node->output_count; k++) {
        size_t v = node->outputs[k];
        if (v == TN__NONE || !s->groups->shapes.known[v] || !found->known[v])
            continue;
        for (int a = 0; a < found->shape[v].rank; a++) {
            size_t left = 0;
            tn_status status = extent_left(&left, s, v, a, err);
            if (status != TN_OK)
                return status;
            if (found->shape[v].dims[a] != (int64_t)left)
                return tn__fail(err, TN_ERROR_UNSUPPORTED,
                                "cannot change neurons at %s: axis %d of its output "
                                "would have %lld, expected %zu",
                                tn__node_label(s->model, n, label, sizeof label), a,
                                (long long)found->shape[v].dims[a], left);
        }
    }
    return TN_OK;
}

static tn_status check_shapes(const resizing *s, tn_error *err)
{
    tn__shapes found = {0};
    tn_status status = tn__shapes_infer(&found, s->out, 1, err);
    if (status != TN_OK)
        return tn__fail_in(err, TN_ERROR_UNSUPPORTED, "cannot change these neurons");
    for (size_t n = 0; n < s->model->node_count && status == TN_OK; n++)
        status = check_node(s, &found, n, err);
    tn__shapes_release(&found);
    return status;
}

tn_status tn__resize(tn_model **out, const tn_model *model, const tn__groups *groups,
                     const uint8_t *const *copies, tn_error *err)
{
    resizing s = {.model = model, .groups = groups, .copies = copies};
    tn_status status = tn__model_clone(&s.out, model, err);
    for (size_t v = 0; v < model->value_count && status == TN_OK; v++)
        status = tn__value_is_parameter(&model->values[v])
                     ? resize_parameter(&s, v, err)
                     : resize_declared(&s, v, err);
    for (size_t n = 0; n < model->node_count && status == TN_OK; n++)
        status = resize_node(&s, n, err);
    if (status == TN_OK)
        status = check_shapes(&s, err);
    tn__shapes_release(&s.two);
    if (status == TN_OK)
        *out = s.out;
    else
        tn_model_free(s.out);
    return status;
}
