/* cmap.c: tables of colours, computed so that equal steps of the value look like equal steps.
 *
 * In:   a kind of map; fractions 0..1.
 * Out:  AP_CMAP_N sRGB colours.
 * Invariants:
 *   1. Lightness rises along VIRIDIS and GREY, falls along COUNTS, rises to the centre of DIVERGING and
 *      falls after it; the ends of DIVERGING have the same lightness within 1.
 *   2. No libm function but sqrt, floor and fabs: roots and sines are computed here, so that a figure has
 *      the same pixels everywhere.
 * Viridis (S. van der Walt, N. Smith, 2015) is in the public domain (CC0). The diverging map is made after
 * K. Moreland, "Diverging color maps for scientific visualization" (2009): polar CIELAB with magnitude M,
 * saturation angle s and hue h; s falls linearly to 0 in the centre, where M has its maximum.
 * Never: keeps state.
 * Test: tests/unit/test_plot.c */
#include "cmap.h"

#include <math.h>

/* clang-format off */
enum { NODES = 52 };
static const uint8_t viridis[NODES][3] = { /* every fifth of its 256 colours */
    {68, 1, 84}, {70, 8, 92}, {71, 16, 99}, {72, 23, 105}, {72, 29, 111}, {72, 36, 117}, {71, 42, 122},
    {70, 48, 126}, {69, 55, 129}, {67, 61, 132}, {65, 66, 135}, {63, 72, 137}, {61, 78, 138}, {58, 83,
    139}, {56, 89, 140}, {53, 94, 141}, {51, 99, 141}, {49, 104, 142}, {46, 109, 142}, {44, 113, 142},
    {42, 118, 142}, {41, 123, 142}, {39, 128, 142}, {37, 132, 142}, {35, 137, 142}, {33, 142, 141},
    {32, 146, 140}, {31, 151, 139}, {30, 156, 137}, {31, 161, 136}, {33, 165, 133}, {36, 170, 131},
    {40, 174, 128}, {46, 179, 124}, {53, 183, 121}, {61, 188, 116}, {70, 192, 111}, {80, 196, 106},
    {90, 200, 100}, {101, 203, 94}, {112, 207, 87}, {124, 210, 80}, {137, 213, 72}, {149, 216, 64},
    {162, 218, 55}, {176, 221, 47}, {189, 223, 38}, {202, 225, 31}, {216, 226, 25}, {229, 228, 25},
    {241, 229, 29}, {253, 231, 37}
};
/* clang-format on */

/* x^(1/n) by Newton's method from above; x in [0, 2]. */
static double root(double x, int n)
{
    if (x <= 0)
        return 0;
    double r = 2;
    for (int step = 0; step < 200; step++) {
        double power = 1;
        for (int i = 1; i < n; i++)
            power *= r;
        double next = r - (r - x / power) / n;
        if (next >= r)
            break;
        r = next;
    }
    return r;
}

/* sin(x) by its series; |x| < 4. */
static double sine(double x)
{
    double term = x, sum = x;
    for (int k = 2; k < 40; k += 2) {
        term *= -x * x / (k * (k + 1));
        sum += term;
    }
    return sum;
}

static double cosine(double x)
{
    return sine(1.5707963267948966 - x);
}

static double to_linear(double v) /* sRGB 0..1 to light */
{
    if (v <= 0.04045)
        return v / 12.92;
    double fifth = root((v + 0.055) / 1.055, 5); /* x^2.4 = (x^(1/5))^12 */
    double square = fifth * fifth, fourth = square * square;
    return fourth * fourth * fourth;
}

static double to_srgb(double light)
{
    if (light <= 0.0031308)
        return light < 0 ? 0 : 12.92 * light;
    double twelfth = root(light > 1 ? 1 : light, 12); /* x^(1/2.4) = (x^(1/12))^5 */
    double square = twelfth * twelfth;
    return 1.055 * square * square * twelfth - 0.055;
}

static uint8_t to_byte(double v) /* 0..255, rounded */
{
    return v <= 0 ? 0 : v >= 255 ? 255 : (uint8_t)floor(v + 0.5);
}

static double from_f(double f) /* the inverse of CIELAB's f */
{
    return f > 6.0 / 29 ? f * f * f : 3 * (6.0 / 29) * (6.0 / 29) * (f - 4.0 / 29);
}

static struct ap_cmap_rgb from_lab(double lightness, double a, double b)
{
    double fy = (lightness + 16) / 116;
    double x = 0.95047 * from_f(fy + a / 500), y = from_f(fy), z = 1.08883 * from_f(fy - b / 200);
    double red = 3.2404542 * x - 1.5371385 * y - 0.4985314 * z;
    double green = -0.9692660 * x + 1.8760108 * y + 0.0415560 * z;
    double blue = 0.0556434 * x - 0.2040259 * y + 1.0572252 * z;
    return (struct ap_cmap_rgb){to_byte(255 * to_srgb(red)), to_byte(255 * to_srgb(green)),
                                to_byte(255 * to_srgb(blue))};
}

double ap_cmap_lightness(struct ap_cmap_rgb c)
{
    double y = 0.2126729 * to_linear(c.r / 255.0) + 0.7151522 * to_linear(c.g / 255.0) +
               0.0721750 * to_linear(c.b / 255.0);
    double f = y > 216.0 / 24389 ? root(y, 3) : (24389.0 / 27 * y + 16) / 116;
    return 116 * f - 16;
}

/* Catmull-Rom spline through the nodes; t in [0, 1]. */
static double spline(const uint8_t node[NODES][3], int channel, double t)
{
    double x = t * (NODES - 1);
    int k = (int)floor(x);
    k = k > NODES - 2 ? NODES - 2 : k;
    double u = x - k, b = node[k][channel], c = node[k + 1][channel];
    double a = k > 0 ? node[k - 1][channel] : 2 * b - c;
    double d = k < NODES - 2 ? node[k + 2][channel] : 2 * c - b;
    return b + 0.5 * u * (c - a + u * (2 * a - 5 * b + 4 * c - d + u * (3 * (b - c) + d - a)));
}

/* t from -1 (blue) to 1 (red). The numbers are chosen so that no colour lies outside of sRGB, which would
 * bend the path, and the colour distance of equal steps varies by less than a third over the map;
 * turning the hue towards the centre, where little of it is seen, is what makes the steps even (Moreland's
 * "spin"). */
static struct ap_cmap_rgb diverging(double t)
{
    const double magnitude = 72, centre = 93.5, saturation = 1.03;
    double amount = fabs(t);
    double m = centre + (magnitude - centre) * amount, s = saturation * amount;
    double hue = t < 0 ? -1.12 - 0.28 * (1 - amount) : 0.5 + 0.3 * (1 - amount);
    return from_lab(m * cosine(s), m * sine(s) * cosine(hue), m * sine(s) * sine(hue));
}

void ap_cmap_fill(struct ap_cmap *map, enum ap_cmap_kind kind)
{
    map->kind = kind;
    for (int i = 0; i < AP_CMAP_N; i++) {
        double t = i / (double)(AP_CMAP_N - 1);
        struct ap_cmap_rgb *c = &map->rgb[i];
        switch (kind) {
        case AP_CMAP_DIVERGING:
            *c = diverging(2 * t - 1);
            break;
        case AP_CMAP_GREY:
            c->r = c->g = c->b = to_byte(255 * t);
            break;
        case AP_CMAP_COUNTS:
            *c = from_lab(99 - 69 * t, -4 * t * (1 - t), -36 * t * (2 - t) / 1.0);
            break;
        case AP_CMAP_VIRIDIS:
        default:
            *c = (struct ap_cmap_rgb){to_byte(spline(viridis, 0, t)), to_byte(spline(viridis, 1, t)),
                                      to_byte(spline(viridis, 2, t))};
        }
    }
}

struct ap_cmap_rgb ap_cmap_at(const struct ap_cmap *map, double t)
{
    if (t != t)
        return AP_CMAP_NAN;
    t = t < 0 ? 0 : t > 1 ? 1 : t;
    return map->rgb[(int)floor(t * (AP_CMAP_N - 1) + 0.5)];
}

struct ap_cmap_rgb ap_cmap_ink_on(struct ap_cmap_rgb colour)
{
    return ap_cmap_lightness(colour) > 58 ? AP_CMAP_SOMA : AP_CMAP_WHITE;
}

struct ap_cmap_rgb ap_cmap_mix(struct ap_cmap_rgb a, struct ap_cmap_rgb b, int amount)
{
    amount = amount < 0 ? 0 : amount > 255 ? 255 : amount;
    int rest = 255 - amount;
    return (struct ap_cmap_rgb){(uint8_t)((a.r * rest + b.r * amount + 127) / 255),
                                (uint8_t)((a.g * rest + b.g * amount + 127) / 255),
                                (uint8_t)((a.b * rest + b.b * amount + 127) / 255)};
}
