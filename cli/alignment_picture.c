/* alignment_picture.c - alignments of layers as SVG: a column for each layer of the
 * shallow network, a row for each of the deep one, the cost as a colour, the path as
 * dots. Thin lines part the stages. */
#include <math.h>
#include <stdio.h>

#include "alignment.h"
#include "files.h"
#include "options.h"

#define CELL 18
#define MARGIN 130 /* for names */
#define HEAD 40

const char *const cli_picture_endings[] = {".svg", NULL};

struct picture {
    const tn_alignment *list;
    size_t count;
    const struct cli_args *args;
};

static void put_text(FILE *file, const char *text)
{
    for (; *text; text++) {
        if (*text == '<' || *text == '&' || *text == '>')
            fprintf(file, "&#%d;", *text);
        else
            fputc(*text, file);
    }
}

static size_t panel_width(const tn_alignment *a)
{
    return MARGIN + a->count * CELL + 30;
}

static size_t panel_height(const tn_alignment *a)
{
    return HEAD + MARGIN + a->deep_count * CELL + 20;
}

static void draw_names(FILE *file, const tn_alignment *a)
{
    for (size_t k = 0; k < a->count; k++) {
        size_t x = MARGIN + k * CELL + 13, y = HEAD + MARGIN - 6;
        fprintf(file, "<text transform=\"translate(%zu %zu) rotate(-90)\">", x, y);
        put_text(file, a->units[k].name);
        fputs("</text>\n", file);
    }
    for (size_t l = 0; l < a->deep_count; l++) {
        fprintf(file, "<text x=\"%d\" y=\"%zu\" text-anchor=\"end\">", MARGIN - 6,
                HEAD + MARGIN + l * CELL + 13);
        put_text(file, a->deep[l].name);
        fputs("</text>\n", file);
    }
}

/* White is the largest cost, dark blue the smallest. */
static void draw_costs(FILE *file, const tn_alignment *a)
{
    size_t cells = a->count * a->deep_count;
    double least = HUGE_VAL, most = -HUGE_VAL;
    for (size_t i = 0; i < cells; i++) {
        least = fmin(least, a->cost[i]);
        most = fmax(most, a->cost[i]);
    }
    for (size_t i = 0; i < cells; i++) {
        double t = most > least ? (a->cost[i] - least) / (most - least) : 0;
        fprintf(file,
                "<rect x=\"%zu\" y=\"%zu\" width=\"%d\" height=\"%d\" "
                "fill=\"rgb(%.0f,%.0f,%.0f)\"><title>%.4f</title></rect>\n",
                MARGIN + i % a->count * CELL, HEAD + MARGIN + i / a->count * CELL, CELL,
                CELL, 23 + t * 224, 69 + t * 182, 132 + t * 123, a->cost[i]);
    }
}

static void draw_stages(FILE *file, const tn_alignment *a)
{
    size_t width = a->count * CELL, height = a->deep_count * CELL;
    fputs("<path fill=\"none\" stroke=\"#777\" stroke-width=\"1\" d=\"", file);
    fprintf(file, "M%d %dh%zuv%zuh-%zuz", MARGIN, HEAD + MARGIN, width, height, width);
    for (size_t k = 1; k < a->count; k++)
        if (a->units[k].stage != a->units[k - 1].stage)
            fprintf(file, "M%zu %dv%zu", MARGIN + k * CELL, HEAD + MARGIN, height);
    for (size_t l = 1; l < a->deep_count; l++)
        if (a->deep[l].stage != a->deep[l - 1].stage)
            fprintf(file, "M%d %zuh%zu", MARGIN, HEAD + MARGIN + l * CELL, width);
    fputs("\"/>\n", file);
}

static void draw_path(FILE *file, const tn_alignment *a)
{
    fputs("<polyline fill=\"none\" stroke=\"#e07b00\" stroke-width=\"2\" points=\"",
          file);
    for (size_t k = 0; k < a->count; k++)
        fprintf(file, "%zu,%zu ", MARGIN + k * CELL + CELL / 2,
                HEAD + MARGIN + a->slot[k] * CELL + CELL / 2);
    fputs("\"/>\n", file);
    for (size_t k = 0; k < a->count; k++)
        fprintf(file,
                "<circle cx=\"%zu\" cy=\"%zu\" r=\"5\" fill=\"#e07b00\" "
                "stroke=\"#fff\"/>\n",
                MARGIN + k * CELL + CELL / 2,
                HEAD + MARGIN + a->slot[k] * CELL + CELL / 2);
}

static bool draw(FILE *file, const void *user)
{
    const struct picture *p = user;
    size_t width = 0, height = HEAD, x = 0;
    for (size_t i = 0; i < p->count; i++) {
        width += panel_width(&p->list[i]);
        height =
            panel_height(&p->list[i]) > height ? panel_height(&p->list[i]) : height;
    }
    width = width > 360 ? width : 360;
    fprintf(file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%zu\" height=\"%zu\" "
            "viewBox=\"0 0 %zu %zu\" font-family=\"sans-serif\" font-size=\"10\" "
            "fill=\"#222\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
            width, height, width, height);
    for (size_t i = 0; i < p->count; i++) {
        const tn_alignment *a = &p->list[i];
        fprintf(file, "<g transform=\"translate(%zu 0)\">\n", x);
        fputs("<text x=\"8\" y=\"16\" font-size=\"12\">columns: ", file);
        put_text(file, cli_base_name(p->args->operands[a->model]));
        fputs("</text>\n<text x=\"8\" y=\"32\" font-size=\"12\">rows: ", file);
        put_text(file, cli_base_name(p->args->operands[a->onto]));
        fputs("</text>\n", file);
        draw_costs(file, a);
        draw_stages(file, a);
        draw_path(file, a);
        draw_names(file, a);
        fputs("</g>\n", file);
        x += panel_width(a);
    }
    fputs("</svg>\n", file);
    return !ferror(file);
}

tn_status cli_alignments_draw(const char *path, const tn_alignment *list, size_t count,
                              const struct cli_args *args, tn_error *err)
{
    struct picture p = {list, count, args};
    return cli_file_write(path, args->force, draw, &p, err);
}
