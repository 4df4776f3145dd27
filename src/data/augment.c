/* augment.c - one training image changed at random, and two of them mixed.
 *
 * Images are normalised already, so 0 is the mean of the data set.
 */
#include "data/augment.h"

#include <math.h>
#include <string.h>

/* Of random erasing: the paper's s_l, s_h, and the ratio r_1 (r_2 = 1 / r_1). Its loop
 * ends here after ERASE_TRIES rectangles that do not fit. */
#define ERASE_LEAST 0.02
#define ERASE_MOST 0.4
#define ERASE_RATIO 0.3
enum { ERASE_TRIES = 10 };

/* Moves by (dx, dy) and mirrors: out(y, x) = in(y + dy, x' + dx), 0 outside, with x' =
 * x or width - 1 - x. */
static void shift_image(float *out, const tn__extent *e, const float *in, long dy,
                        long dx, bool flip)
{
    long height = (long)e->height, width = (long)e->width;
    for (size_t c = 0; c < e->channels; c++) {
        const float *plane = in + c * e->height * e->width;
        for (long y = 0; y < height; y++) {
            bool row = y + dy >= 0 && y + dy < height;
            for (long x = 0; x < width; x++) {
                long from = (flip ? width - 1 - x : x) + dx;
                bool inside = row && from >= 0 && from < width;
                *out++ = inside ? plane[(y + dy) * width + from] : 0;
            }
        }
    }
}

typedef struct box {
    size_t top, bottom, left, right; /* the ends are left out */
} box;

/* The square may reach over the border, where it is cut. */
static void cut_out(float *image, const tn__extent *e, size_t side, tn__rng *rng)
{
    size_t y = (size_t)tn__rng_below(rng, e->height);
    size_t x = (size_t)tn__rng_below(rng, e->width);
    size_t before = side / 2, after = side - before;
    box b = {y > before ? y - before : 0, TN__MIN(y + after, e->height),
             x > before ? x - before : 0, TN__MIN(x + after, e->width)};
    for (size_t c = 0; c < e->channels; c++)
        for (size_t row = b.top; row < b.bottom; row++)
            memset(image + (c * e->height + row) * e->width + b.left, 0,
                   (b.right - b.left) * sizeof *image);
}

/* A rectangle of a random share of the area and a random ratio; false where none of
 * those tried fits. */
static bool draw_box(box *out, const tn__extent *e, tn__rng *rng)
{
    double area = (double)(e->height * e->width), low = log(ERASE_RATIO);
    for (int k = 0; k < ERASE_TRIES; k++) {
        double share = ERASE_LEAST + (ERASE_MOST - ERASE_LEAST) * tn__rng_uniform(rng);
        double ratio = exp(low - 2 * low * tn__rng_uniform(rng));
        size_t height = (size_t)(sqrt(share * area * ratio) + 0.5);
        size_t width = (size_t)(sqrt(share * area / ratio) + 0.5);
        if (!height || !width || height > e->height || width > e->width)
            continue;
        out->top = (size_t)tn__rng_below(rng, e->height - height + 1);
        out->left = (size_t)tn__rng_below(rng, e->width - width + 1);
        out->bottom = out->top + height;
        out->right = out->left + width;
        return true;
    }
    return false;
}

static void erase(float *image, const tn__extent *e, tn__rng *rng)
{
    box b;
    if (!draw_box(&b, e, rng))
        return;
    for (size_t c = 0; c < e->channels; c++)
        for (size_t y = b.top; y < b.bottom; y++)
            for (size_t x = b.left; x < b.right; x++)
                image[(c * e->height + y) * e->width + x] = (float)tn__rng_normal(rng);
}

void tn__augment_image(float *out, const float *in, const tn__extent *e,
                       const tn__augment *augment, tn__rng *rng)
{
    uint64_t places = 2 * (uint64_t)augment->pad + 1;
    long dy = (long)tn__rng_below(rng, places) - (long)augment->pad;
    long dx = (long)tn__rng_below(rng, places) - (long)augment->pad;
    bool flip = augment->flip && tn__rng_below(rng, 2);
    shift_image(out, e, in, dy, dx, flip);
    if (augment->cutout)
        cut_out(out, e, augment->cutout, rng);
    if (augment->erase > 0 && tn__rng_uniform(rng) < augment->erase)
        erase(out, e, rng);
}

/* Gamma(alpha, 1): Marsaglia and Tsang, "A Simple Method for Generating Gamma
 * Variables", 2000, with their section 6 for alpha < 1. In logarithms, since a small
 * alpha draws numbers below the smallest double. */
static double draw_log_gamma(tn__rng *rng, double alpha)
{
    double boost = 0;
    if (alpha < 1) {
        boost = log(1 - tn__rng_uniform(rng)) / alpha;
        alpha += 1;
    }
    double d = alpha - 1.0 / 3, c = 1 / sqrt(9 * d);
    while (true) {
        double x = tn__rng_normal(rng), root = 1 + c * x;
        double v = root * root * root, u = 1 - tn__rng_uniform(rng);
        if (root > 0 && log(u) < x * x / 2 + d - d * v + d * log(v))
            return log(d * v) + boost;
    }
}

double tn__draw_beta(tn__rng *rng, double alpha)
{
    double a = draw_log_gamma(rng, alpha), b = draw_log_gamma(rng, alpha);
    return 1 / (1 + exp(b - a));
}

void tn__mix_pair(float *a, float *b, size_t n, double s, double t)
{
    for (size_t i = 0; i < n; i++) {
        double x = (double)a[i], y = (double)b[i];
        a[i] = (float)(s * x + (1 - s) * y);
        b[i] = (float)(t * y + (1 - t) * x);
    }
}
