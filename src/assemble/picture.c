/* picture.c - SVG: a zoo with its sets and the chosen chain, and a similarity matrix.
 *
 * Plain shapes and text, so that any browser shows them; nothing that depends on time.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assemble/zoo.h"
#include "base/file.h"

#define WIDTH 720.0 /* of the bars */
#define LEFT 200.0
#define ROW 40.0
#define BAR 32.0 /* of a row */
#define TOP 50.0

static const char *const colours[] = {"#4477aa", "#66ccee", "#228833", "#ccbb44",
                                      "#ee6677", "#aa3377", "#bbbbbb", "#332288"};

/* An SVG being written into memory. */
typedef struct svg {
    char *text;
    size_t size;
    FILE *stream;
} svg;

static tn_status svg_begin(svg *s, double width, double height, tn_error *err)
{
    *s = (svg){0};
    s->stream = open_memstream(&s->text, &s->size);
    if (!s->stream)
        return tn__fail_memory(err, 1);
    fprintf(s->stream,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
            "font-family=\"sans-serif\" font-size=\"13\">\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
            width, height);
    return TN_OK;
}

static void svg_text(svg *s, double x, double y, const char *anchor, const char *text)
{
    fprintf(s->stream, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    for (const char *c = text; *c; c++) {
        if (*c == '<')
            fputs("&lt;", s->stream);
        else if (*c == '&')
            fputs("&amp;", s->stream);
        else
            fputc(*c, s->stream);
    }
    fputs("</text>\n", s->stream);
}

static tn_status svg_write(svg *s, const char *path, bool replace, tn_error *err)
{
    tn__file_writer *file = NULL;
    fputs("</svg>\n", s->stream);
    bool lost = ferror(s->stream) != 0;
    lost = fclose(s->stream) != 0 || lost;
    tn_status status = lost ? tn__fail_memory(err, s->size)
                            : tn__file_create(&file, path, replace, err);
    if (status == TN_OK)
        status = tn__file_write(file, s->text, s->size, err);
    if (status == TN_OK)
        status = tn__file_commit(file, err);
    else if (file)
        tn__file_abandon(file);
    free(s->text);
    return status;
}

static double unit_of(const tn_zoo *zoo, const tn_assemble_block *b)
{
    return WIDTH / (double)zoo->members[b->member].units;
}

/* A block as a bar of its member's row; a frame where it was chosen. */
static void draw_block(svg *s, const tn_zoo *zoo, const tn_assemble_block *b)
{
    double unit = unit_of(zoo, b);
    fprintf(s->stream,
            "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\" "
            "fill-opacity=\"%s\" stroke=\"%s\" stroke-width=\"%d\"/>\n",
            LEFT + unit * (double)b->first, TOP + ROW * (double)b->member,
            unit * (double)(b->last - b->first + 1), BAR,
            colours[b->set % TN__COUNT(colours)], b->chosen ? "1" : "0.45",
            b->chosen ? "black" : "white", b->chosen ? 3 : 1);
}

/* Behind the chain, so that no name is struck out. */
static void name_block(svg *s, const tn_zoo *zoo, const tn_assemble_block *b)
{
    char text[32];
    snprintf(text, sizeof text, "set %zu", b->set + 1);
    svg_text(s, LEFT + unit_of(zoo, b) * (double)b->first + 6,
             TOP + ROW * (double)b->member + BAR / 2 + 5, "start", text);
}

static double middle_of(const tn_zoo *zoo, const tn_assemble_block *b)
{
    return LEFT + unit_of(zoo, b) * (double)(b->first + b->last + 1) / 2;
}

/* The chain where it goes from one member to another: a curve between the edges of the
 * two blocks; within a member the frames tell. */
static void draw_chain(svg *s, const tn_zoo *zoo, const tn_assemble_report *report)
{
    for (size_t k = 0; k + 1 < report->chain_length; k++) {
        const tn_assemble_block *a = &report->chain[k], *b = &report->chain[k + 1];
        bool down = b->member > a->member;
        double from = TOP + ROW * (double)a->member + (down ? BAR : 0);
        double to = TOP + ROW * (double)b->member + (down ? 0 : BAR);
        if (a->member == b->member)
            continue;
        fprintf(s->stream,
                "<path fill=\"none\" stroke=\"#cc3311\" stroke-width=\"3\" "
                "d=\"M%.1f,%.1f C%.1f,%.1f %.1f,%.1f %.1f,%.1f\"/>\n",
                middle_of(zoo, a), from, middle_of(zoo, a), (from + to) / 2,
                middle_of(zoo, b), (from + to) / 2, middle_of(zoo, b), to);
    }
}

tn_status tn_assemble_picture(const char *path, bool replace, const tn_zoo *zoo,
                              const tn_assemble_report *report, tn_error *err)
{
    svg s;
    char text[160];
    double height = TOP + ROW * (double)zoo->count + 30;
    tn_status status = svg_begin(&s, LEFT + WIDTH + 30, height, err);
    if (status != TN_OK)
        return status;
    snprintf(text, sizeof text, "%.3g M parameters, %.3g M MACs",
             (double)report->params / 1e6, (double)report->macs / 1e6);
    svg_text(&s, LEFT, 28, "start", text);
    for (size_t i = 0; i < zoo->count; i++)
        svg_text(&s, LEFT - 10, TOP + ROW * (double)i + BAR / 2 + 5, "end",
                 zoo->members[i].name);
    const tn_assemble_block *blocks =
        report->block_count ? report->blocks : report->chain;
    size_t count = report->block_count ? report->block_count : report->chain_length;
    for (size_t b = 0; b < count; b++)
        draw_block(&s, zoo, &blocks[b]);
    draw_chain(&s, zoo, report);
    for (size_t b = 0; b < count; b++)
        name_block(&s, zoo, &blocks[b]);
    return svg_write(&s, path, replace, err);
}

/* --- a matrix ----------------------------------------------------------------------
 */

void tn_cut_matrix_release(tn_cut_matrix *matrix)
{
    for (size_t i = 0; matrix->row_names && i < matrix->rows; i++)
        tn__free(matrix->row_names[i]);
    for (size_t j = 0; matrix->column_names && j < matrix->columns; j++)
        tn__free(matrix->column_names[j]);
    tn__free(matrix->row_names);
    tn__free(matrix->column_names);
    tn__free(matrix->values);
    *matrix = (tn_cut_matrix){0};
}

/* White at 0 to dark blue at 1. */
static void colour_of(char text[8], double value)
{
    double t = fmin(fmax(value, 0), 1);
    snprintf(text, 8, "#%02x%02x%02x", (unsigned)(255 - 221 * t),
             (unsigned)(255 - 187 * t), (unsigned)(255 - 119 * t));
}

tn_status tn_cut_matrix_picture(const char *path, bool replace,
                                const tn_cut_matrix *matrix, tn_error *err)
{
    svg s;
    const double cell = 18;
    char text[32];
    double right = LEFT + cell * (double)matrix->columns;
    tn_status status =
        svg_begin(&s, right + 30, 2 * LEFT + cell * (double)matrix->rows, err);
    if (status != TN_OK)
        return status;
    for (size_t i = 0; i < matrix->rows; i++) {
        double y = LEFT + cell * (double)i;
        svg_text(&s, LEFT - 6, y + 13, "end", matrix->row_names[i]);
        for (size_t j = 0; j < matrix->columns; j++) {
            double value = matrix->values[i * matrix->columns + j];
            colour_of(text, value);
            fprintf(s.stream,
                    "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
                    "fill=\"%s\"><title>%.4f</title></rect>\n",
                    LEFT + cell * (double)j, y, cell, cell, text, value);
        }
    }
    for (size_t j = 0; j < matrix->columns; j++) {
        fprintf(s.stream, "<g transform=\"translate(%.1f,%.1f) rotate(-90)\">",
                LEFT + cell * (double)j + 13, LEFT - 6);
        svg_text(&s, 0, 0, "start", matrix->column_names[j]);
        fputs("</g>\n", s.stream);
    }
    return svg_write(&s, path, replace, err);
}
