/* leaves.c - images where there are none: dead leaves.
 *
 * Opaque discs, boxes and wedges of power-law sizes cover each other until nothing
 * shows through, as objects do in photographs (Matheron 1968; Lee, Mumford and Huang
 * 2001). Networks answer to them much as to photographs (Baradad et al., "Learning to
 * see by looking at noise", NeurIPS 2021): enough for second moments, once batch norms
 * have been re-estimated on them.
 */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "prune/prune.h"

#define LEAVES_MAX 400
#define SIDE 32.0 /* sizes below are for images of this side */
#define RADIUS_MIN 2.0
#define RADIUS_MAX 40.0
#define COLOUR 0.12   /* standard deviation of colour about grey */
#define GRADIENT 0.01 /* of shading, a pixel */
#define GRAIN 0.02    /* standard deviation of noise */
#define MEAN 0.5      /* of what is painted, and its standard deviation */
#define DEVIATION 0.29

typedef struct leaf {
    int kind; /* disc, box, wedge */
    double x, y, cosine, sine, radius, aspect;
    double shade[2];
} leaf;

typedef struct canvas {
    size_t channels, height, width;
    float *x;   /* [channels, height, width] */
    bool *done; /* [height, width] */
} canvas;

static leaf leaf_draw(tn__rng *rng, const canvas *c)
{
    double scale = (double)TN__MIN(c->height, c->width) / SIDE, pi = acos(-1.0);
    double low = 1 / (RADIUS_MAX * RADIUS_MAX), high = 1 / (RADIUS_MIN * RADIUS_MIN);
    double angle = tn__rng_uniform(rng) * pi;
    leaf l = {.cosine = cos(angle), .sine = sin(angle)};
    l.radius = scale / sqrt(low + (high - low) * tn__rng_uniform(rng));
    l.x = (tn__rng_uniform(rng) * 1.5 - 0.25) * (double)c->width;
    l.y = (tn__rng_uniform(rng) * 1.5 - 0.25) * (double)c->height;
    l.kind = (int)tn__rng_below(rng, 3);
    l.aspect = 0.3 + 0.7 * tn__rng_uniform(rng);
    for (int k = 0; k < 2; k++)
        l.shade[k] = GRADIENT / scale * tn__rng_normal(rng);
    return l;
}

static bool leaf_covers(const leaf *l, double dx, double dy)
{
    if (l->kind == 0)
        return dx * dx + dy * dy < l->radius * l->radius;
    if (l->kind == 1)
        return fabs(dx) < l->radius && fabs(dy) < l->radius * l->aspect;
    return dy > -l->radius && dy + 1.7 * fabs(dx) < l->radius;
}

/* Paints where nothing is yet; returns how many pixels that were. */
static size_t paint(canvas *c, const leaf *l, const double *colour)
{
    size_t painted = 0, area = c->height * c->width;
    for (size_t p = 0; p < area; p++) {
        double x = (double)(p % c->width) - l->x, y = (double)(p / c->width) - l->y;
        double dx = x * l->cosine + y * l->sine, dy = y * l->cosine - x * l->sine;
        if (c->done[p] || !leaf_covers(l, dx, dy))
            continue;
        c->done[p] = true;
        painted++;
        for (size_t k = 0; k < c->channels; k++)
            c->x[k * area + p] =
                (float)(colour[k] + l->shade[0] * dx + l->shade[1] * dy);
    }
    return painted;
}

/* Weights 1/4, 1/2, 1/4 along one axis of `count` cells, `step` apart. */
static void blur_line(float *x, size_t count, size_t step)
{
    float before = x[0];
    for (size_t i = 0; i < count; i++) {
        float here = x[i * step], after = x[(i + 1 < count ? i + 1 : i) * step];
        x[i * step] = 0.25F * before + 0.5F * here + 0.25F * after;
        before = here;
    }
}

static void finish(canvas *c, tn__rng *rng)
{
    size_t area = c->height * c->width;
    for (size_t k = 0; k < c->channels; k++) {
        for (size_t y = 0; y < c->height; y++)
            blur_line(c->x + k * area + y * c->width, c->width, 1);
        for (size_t x = 0; x < c->width; x++)
            blur_line(c->x + k * area + x, c->height, c->width);
    }
    for (size_t i = 0; i < c->channels * area; i++) {
        double v = (double)c->x[i] + GRAIN * tn__rng_normal(rng);
        c->x[i] = (float)((TN__MIN(TN__MAX(v, 0), 1) - MEAN) / DEVIATION);
    }
}

static void draw(canvas *c, double *colour, tn__rng *rng)
{
    size_t open = c->height * c->width;
    memset(c->done, 0, open * sizeof *c->done);
    for (int i = 0; i < LEAVES_MAX && open > 0; i++) {
        leaf l = leaf_draw(rng, c);
        double grey = tn__rng_uniform(rng);
        for (size_t k = 0; k < c->channels; k++)
            colour[k] = TN__MIN(TN__MAX(grey + COLOUR * tn__rng_normal(rng), 0), 1);
        open -= paint(c, &l, colour);
    }
    finish(c, rng);
}

tn_status tn__leaves_create(float **out, size_t n, const tn__shape *shape,
                            uint64_t seed, tn_error *err)
{
    size_t count = 0, total = 0;
    bool image = shape->rank == 4;
    canvas c = {0};
    if (!tn__shape_count(&count, shape) || !tn__mul(&total, n, count))
        return tn__fail_memory(err, SIZE_MAX);
    if (image)
        c = (canvas){.channels = (size_t)shape->dims[1],
                     .height = (size_t)shape->dims[2],
                     .width = (size_t)shape->dims[3]};
    float *x = tn__alloc(total, sizeof *x);
    double *colour = tn__alloc(c.channels, sizeof *colour);
    c.done = tn__alloc(c.height * c.width, sizeof *c.done);
    if (!x || !colour || !c.done) {
        tn__free(x);
        tn__free(colour);
        tn__free(c.done);
        return tn__fail_memory(err, total * sizeof *x);
    }
    for (size_t i = 0; i < n; i++) {
        tn__rng rng;
        tn__rng_seed(&rng, seed, i);
        c.x = x + i * count;
        if (image)
            draw(&c, colour, &rng);
        for (size_t k = 0; !image && k < count; k++)
            c.x[k] = (float)tn__rng_normal(&rng);
    }
    tn__free(colour);
    tn__free(c.done);
    *out = x;
    return TN_OK;
}
