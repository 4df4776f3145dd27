/* groups_picture.c - the groups as a picture: the network in Graphviz's DOT language,
 * every axis in the colour of the group whose neurons lie on it.
 *
 * A node of the network is a box, a parameter a table of its axes, an activation an
 * edge in the colour of the first axis that has neurons. Grey is frozen, white neither.
 * What follows from shapes alone is left out. DOT:
 * https://graphviz.org/doc/info/lang.html
 */
#include <string.h>

#include "neurons/groups.h"
#include "neurons/line.h"

#define NO_COLOR "white"
#define FROZEN_COLOR "gray80"

typedef struct axis_color {
    size_t group[2]; /* the first two on the axis, or NONE */
    bool frozen;
} axis_color;

typedef struct picture {
    const tn_model *model;
    const tn__groups *groups;
    tn__links links;
    axis_color *axes; /* [values * TN__MAX_RANK] */
    tn_line_callback *call;
    void *user;
    bool stop;
} picture;

/* --- colours -----------------------------------------------------------------------
 */

/* Hues a golden section apart, so that neighbours differ. */
static const char *group_color(char text[32], size_t g)
{
    double hue = 0.61803398875 * (double)g;
    (void)snprintf(text, 32, "%.3f 0.45 0.95", hue - (double)(size_t)hue);
    return text;
}

static void color_axis(picture *p, size_t value, int axis, size_t g)
{
    axis_color *c = &p->axes[value * TN__MAX_RANK + (size_t)axis];
    for (size_t k = 0; k < TN__COUNT(c->group); k++) {
        if (c->group[k] == g)
            return;
        if (c->group[k] == TN__NONE) {
            c->group[k] = g;
            return;
        }
    }
}

/* Entries beside the axes: the columns of a grouped weight are its axis 1, a bundle is
 * all of its axes. */
static void color_entry(picture *p, const tn__group_entry *entry, size_t g)
{
    int rank = p->groups->shapes.shape[entry->value].rank;
    uint32_t bundle = p->groups->bundle[entry->value];
    if (entry->axis < rank)
        color_axis(p, entry->value, entry->axis, g);
    else if (entry->axis == rank)
        color_axis(p, entry->value, 1, g);
    else
        for (int a = 0; a < rank; a++)
            if (bundle >> a & 1)
                color_axis(p, entry->value, a, g);
}

static void color_all(picture *p)
{
    const tn__groups *groups = p->groups;
    for (size_t k = 0; k < p->model->value_count * TN__MAX_RANK; k++)
        p->axes[k] = (axis_color){{TN__NONE, TN__NONE}, false};
    for (size_t g = 0; g < groups->count; g++)
        for (size_t e = 0; e < groups->list[g].entry_count; e++)
            if (groups->list[g].within == 0)
                color_entry(p, &groups->list[g].entries[e], g);
    for (size_t k = 0; k < groups->frozen_count; k++) {
        const tn__frozen_axis *f = &groups->frozen[k];
        int rank = groups->shapes.shape[f->value].rank;
        int axis = f->axis < rank ? f->axis : 1;
        p->axes[f->value * TN__MAX_RANK + (size_t)axis].frozen = true;
    }
}

static const char *axis_fill(char text[72], const axis_color *c)
{
    char one[32], other[32];
    if (c->group[0] == TN__NONE)
        return c->frozen ? FROZEN_COLOR : NO_COLOR;
    (void)snprintf(text, 72, "%s%s%s", group_color(one, c->group[0]),
                   c->group[1] != TN__NONE ? ":" : "",
                   c->group[1] != TN__NONE ? group_color(other, c->group[1]) : "");
    return text;
}

/* --- text --------------------------------------------------------------------------
 */

static void put_escaped(FILE *to, const char *text, bool html)
{
    for (; *text; text++) {
        if (html && *text == '&')
            fputs("&amp;", to);
        else if (html && *text == '<')
            fputs("&lt;", to);
        else if (html && *text == '>')
            fputs("&gt;", to);
        else if (html && *text == '"')
            fputs("&quot;", to);
        else {
            if (!html && (*text == '"' || *text == '\\'))
                fputc('\\', to);
            fputc((unsigned char)*text < ' ' ? ' ' : *text, to);
        }
    }
}

/* A line of the picture, made by one of the draw_ functions. */
typedef void draw_line(FILE *to, const picture *p, size_t which, size_t other);

static tn_status emit(picture *p, draw_line *draw, size_t which, size_t other,
                      tn_error *err)
{
    tn__line line;
    if (p->stop)
        return TN_OK;
    tn_status status = tn__line_begin(&line, err);
    if (!status)
        draw(line.stream, p, which, other);
    return tn__line_end(&line, status, &p->stop, p->call, p->user, err);
}

static void draw_head(FILE *to, const picture *p, size_t which, size_t other)
{
    (void)which;
    (void)other;
    fputs("digraph \"", to);
    put_escaped(to, p->model->name, false);
    fputs("\" {\n  node [fontname=\"sans-serif\", fontsize=10, shape=box];\n"
          "  edge [fontname=\"sans-serif\", fontsize=8];\n  legend [shape=plain, "
          "label=<<table border=\"0\" cellborder=\"1\" cellspacing=\"0\">",
          to);
    for (size_t g = 0; g < p->groups->count; g++) {
        char color[32];
        const tn__group *group = &p->groups->list[g];
        if (group->within > 0)
            continue;
        fprintf(to, "<tr><td bgcolor=\"%s\">%zu</td><td align=\"left\">",
                group_color(color, g), group->neurons);
        put_escaped(to, group->name, true);
        fputs("</td></tr>", to);
    }
    fputs("<tr><td bgcolor=\"" FROZEN_COLOR "\"> </td><td align=\"left\">frozen</td>"
          "</tr></table>>];",
          to);
}

static void draw_tail(FILE *to, const picture *p, size_t which, size_t other)
{
    (void)p;
    (void)which;
    (void)other;
    fputc('}', to);
}

static void draw_node(FILE *to, const picture *p, size_t n, size_t other)
{
    (void)other;
    fprintf(to, "  n%zu [label=\"", n);
    put_escaped(to, p->model->nodes[n].type, false);
    fputs("\\n", to);
    put_escaped(to, p->model->nodes[n].name, false);
    fputs("\"];", to);
}

/* A parameter with its axes, or (an input of the graph) its name alone. */
static void draw_value(FILE *to, const picture *p, size_t v, size_t other)
{
    (void)other;
    char fill[72];
    const tn__shape *shape = &p->groups->shapes.shape[v];
    fprintf(to,
            "  v%zu [shape=plain, label=<<table border=\"0\" cellborder=\"1\" "
            "cellspacing=\"0\"><tr><td>",
            v);
    put_escaped(to, p->model->values[v].name, true);
    fputs("</td>", to);
    for (int a = 0; a < shape->rank; a++)
        fprintf(to, "<td bgcolor=\"%s\">%lld</td>",
                axis_fill(fill, &p->axes[v * TN__MAX_RANK + (size_t)a]),
                (long long)shape->dims[a]);
    fputs("</tr></table>>];", to);
}

static void draw_edge(FILE *to, const picture *p, size_t v, size_t reader)
{
    char text[TN__SHAPE_TEXT], fill[72];
    const tn__shape *shape = &p->groups->shapes.shape[v];
    size_t maker = p->links.producer[v];
    if (maker == TN__NONE)
        fprintf(to, "  v%zu -> ", v);
    else
        fprintf(to, "  n%zu -> ", maker);
    if (reader == TN__NONE)
        fprintf(to, "o%zu", v);
    else
        fprintf(to, "n%zu", reader);
    if (tn__value_is_parameter(&p->model->values[v])) {
        fputs(" [arrowhead=none, style=dotted];", to);
        return;
    }
    int axis = 0;
    while (axis < shape->rank &&
           p->axes[v * TN__MAX_RANK + (size_t)axis].group[0] == TN__NONE)
        axis++;
    fprintf(to, " [label=\" %s\"", tn__shape_text(text, sizeof text, shape));
    if (axis < shape->rank)
        fprintf(to, ", penwidth=3, color=\"%s\"",
                axis_fill(fill, &p->axes[v * TN__MAX_RANK + (size_t)axis]));
    fputs("];", to);
}

static void draw_output(FILE *to, const picture *p, size_t v, size_t other)
{
    (void)other;
    fprintf(to, "  o%zu [shape=plain, label=\"", v);
    put_escaped(to, p->model->values[v].name, false);
    fputs("\"];", to);
}

/* --- the picture -------------------------------------------------------------------
 */

/* Shapes and what follows from them, computed before anything runs. */
static bool is_settled(const picture *p, size_t value)
{
    return p->groups->shapes.constant[value].dtype != TN_UNDEFINED &&
           !tn__value_is_parameter(&p->model->values[value]);
}

static bool is_drawn(const picture *p, const tn__node *node)
{
    return node->output_count && node->outputs[0] != TN__NONE &&
           p->groups->shapes.known[node->outputs[0]] &&
           !is_settled(p, node->outputs[0]);
}

static tn_status draw_inputs(picture *p, size_t n, bool *drawn, tn_error *err)
{
    const tn__node *node = &p->model->nodes[n];
    tn_status status = TN_OK;
    for (size_t k = 0; k < node->input_count && !status; k++) {
        size_t v = node->inputs[k];
        if (v == TN__NONE || is_settled(p, v))
            continue;
        if (tn__value_is_parameter(&p->model->values[v]) && !drawn[v]) {
            drawn[v] = true;
            status = emit(p, draw_value, v, TN__NONE, err);
        }
        if (!status)
            status = emit(p, draw_edge, v, n, err);
    }
    return status;
}

static tn_status draw_all(picture *p, bool *drawn, tn_error *err)
{
    const tn_model *model = p->model;
    tn_status status = emit(p, draw_head, 0, 0, err);
    for (size_t i = 0; i < model->input_count && !status; i++)
        status = emit(p, draw_value, model->inputs[i], TN__NONE, err);
    for (size_t n = 0; n < model->node_count && !status; n++) {
        if (!is_drawn(p, &model->nodes[n]))
            continue;
        status = emit(p, draw_node, n, TN__NONE, err);
        if (!status)
            status = draw_inputs(p, n, drawn, err);
    }
    for (size_t i = 0; i < model->output_count && !status; i++) {
        status = emit(p, draw_output, model->outputs[i], TN__NONE, err);
        if (!status)
            status = emit(p, draw_edge, model->outputs[i], TN__NONE, err);
    }
    return status ? status : emit(p, draw_tail, 0, 0, err);
}

tn_status tn_model_draw_groups(const tn_model *model, tn_line_callback *call,
                               void *user, tn_error *err)
{
    picture p = {.model = model, .call = call, .user = user};
    tn__groups *groups = NULL;
    bool *drawn = tn__alloc(model->value_count, sizeof *drawn);
    p.axes = tn__alloc(model->value_count, TN__MAX_RANK * sizeof *p.axes);
    tn_status status = drawn && p.axes
                           ? TN_OK
                           : tn__fail_memory(err, model->value_count * sizeof *p.axes);
    if (!status)
        status = tn__groups_find(&groups, model, err);
    if (!status)
        status = tn__links_create(&p.links, model, err);
    if (!status) {
        p.groups = groups;
        color_all(&p);
        status = draw_all(&p, drawn, err);
    }
    tn__links_release(&p.links);
    tn__groups_free(groups);
    tn__free(p.axes);
    tn__free(drawn);
    return status;
}
