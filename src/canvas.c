/* canvas.c: pixels and shapes.
 *
 * In:   shapes in pixel coordinates, of any size, finite or not.
 * Out:  rgb[h][w][3].
 * Invariants:
 *   1. No write leaves the clip rectangle, and the clip rectangle does not leave the image.
 *   2. A shape with soft edges first collects its coverage in mask, as a maximum over its pieces, then is
 *      blended once; mask is 0 everywhere between calls.
 *   3. Positions of lines are rounded to 1/16 pixel, and only + - * / sqrt floor ceil decide pixels, so an
 *      image is the same on every machine.
 * Never: allocates after ap_canvas_create.
 * Test: tests/unit/test_plot.c */
#include "canvas.h"
#include "mem.h"

#include <math.h>
#include <string.h>

enum { SIDE_MAX = 16384, HATCH_PERIOD = 6 };

enum ap_code ap_canvas_create(struct ap_err *e, struct ap_canvas *c, int w, int h)
{
    memset(c, 0, sizeof *c);
    if (w < 1 || h < 1 || w > SIDE_MAX || h > SIDE_MAX)
        return ap_err_add(e, AP_EINTERNAL, NULL, "a figure has 1 to 16384 pixels along a side",
                          "a figure of %d x %d pixels cannot be drawn", w, h);
    size_t pixels = (size_t)w * (size_t)h;
    c->rgb = ap_mem_array(e, pixels, 3, "figure");
    c->mask = c->rgb ? ap_mem_array(e, pixels, 1, "figure mask") : NULL;
    if (!c->mask) {
        ap_canvas_free(c);
        return AP_EMEMORY;
    }
    memset(c->rgb, 0xFF, pixels * 3);
    c->w = w;
    c->h = h;
    c->clip = (struct ap_canvas_rect){0, 0, w, h};
    return AP_OK;
}

void ap_canvas_free(struct ap_canvas *c)
{
    ap_mem_free(c->rgb);
    ap_mem_free(c->mask);
    memset(c, 0, sizeof *c);
}

static struct ap_canvas_rect common(struct ap_canvas_rect a, struct ap_canvas_rect b)
{
    int64_t x0 = a.x > b.x ? a.x : b.x, y0 = a.y > b.y ? a.y : b.y;
    int64_t ax = (int64_t)a.x + a.w, bx = (int64_t)b.x + b.w, ay = (int64_t)a.y + a.h,
            by = (int64_t)b.y + b.h;
    int64_t x1 = ax < bx ? ax : bx, y1 = ay < by ? ay : by;
    if (x1 <= x0 || y1 <= y0)
        return (struct ap_canvas_rect){0, 0, 0, 0};
    return (struct ap_canvas_rect){(int)x0, (int)y0, (int)(x1 - x0), (int)(y1 - y0)};
}

struct ap_canvas_rect ap_canvas_clip(struct ap_canvas *c, struct ap_canvas_rect clip)
{
    struct ap_canvas_rect former = c->clip;
    c->clip = common(clip, (struct ap_canvas_rect){0, 0, c->w, c->h});
    return former;
}

static uint8_t *at(struct ap_canvas *c, int x, int y)
{
    return c->rgb + 3 * ((size_t)y * (size_t)c->w + (size_t)x);
}

/* Blends a pixel that is known to be inside. */
static void blend(struct ap_canvas *c, int x, int y, struct ap_cmap_rgb colour, int alpha)
{
    uint8_t *p = at(c, x, y);
    struct ap_cmap_rgb mixed = ap_cmap_mix((struct ap_cmap_rgb){p[0], p[1], p[2]}, colour, alpha);
    p[0] = mixed.r;
    p[1] = mixed.g;
    p[2] = mixed.b;
}

void ap_canvas_pixel(struct ap_canvas *c, int x, int y, struct ap_cmap_rgb colour)
{
    if (x >= c->clip.x && y >= c->clip.y && x - c->clip.x < c->clip.w && y - c->clip.y < c->clip.h)
        blend(c, x, y, colour, 255);
}

void ap_canvas_fill(struct ap_canvas *c, struct ap_canvas_rect r, struct ap_cmap_rgb colour, int alpha)
{
    r = common(r, c->clip);
    for (int y = r.y; y < r.y + r.h; y++)
        for (int x = r.x; x < r.x + r.w; x++)
            blend(c, x, y, colour, alpha);
}

void ap_canvas_frame(struct ap_canvas *c, struct ap_canvas_rect r, int width, struct ap_cmap_rgb colour)
{
    if (r.w < 1 || r.h < 1)
        return;
    ap_canvas_fill(c, (struct ap_canvas_rect){r.x, r.y, r.w, width}, colour, 255);
    ap_canvas_fill(c, (struct ap_canvas_rect){r.x, r.y + r.h - width, r.w, width}, colour, 255);
    ap_canvas_fill(c, (struct ap_canvas_rect){r.x, r.y, width, r.h}, colour, 255);
    ap_canvas_fill(c, (struct ap_canvas_rect){r.x + r.w - width, r.y, width, r.h}, colour, 255);
}

struct ap_cmap_rgb ap_canvas_hatch_colour(int x, int y)
{
    return (unsigned)(x + y) % HATCH_PERIOD < 2 ? AP_CMAP_NAN : AP_CMAP_WHITE;
}

void ap_canvas_hatch(struct ap_canvas *c, struct ap_canvas_rect r)
{
    r = common(r, c->clip);
    for (int y = r.y; y < r.y + r.h; y++)
        for (int x = r.x; x < r.x + r.w; x++)
            blend(c, x, y, ap_canvas_hatch_colour(x, y), 255);
}

/* ---- Shapes with soft edges ------------------------------------------------------------------------ */

/* The pixels of mask that may be set. */
struct dirty {
    int x0, y0, x1, y1; /* x1, y1 exclusive */
};

static const struct dirty CLEAN = {SIDE_MAX, SIDE_MAX, 0, 0};

static void cover(struct ap_canvas *c, struct dirty *d, int x, int y, double amount) /* inside the clip */
{
    if (amount <= 0)
        return;
    uint8_t *m = c->mask + (size_t)y * (size_t)c->w + (size_t)x;
    uint8_t value = amount >= 1 ? 255 : (uint8_t)floor(amount * 255 + 0.5);
    if (value > *m)
        *m = value;
    d->x0 = x < d->x0 ? x : d->x0;
    d->y0 = y < d->y0 ? y : d->y0;
    d->x1 = x + 1 > d->x1 ? x + 1 : d->x1;
    d->y1 = y + 1 > d->y1 ? y + 1 : d->y1;
}

static void blend_mask(struct ap_canvas *c, const struct dirty *d, struct ap_cmap_rgb colour, int alpha)
{
    for (int y = d->y0; y < d->y1; y++)
        for (int x = d->x0; x < d->x1; x++) {
            uint8_t *m = c->mask + (size_t)y * (size_t)c->w + (size_t)x;
            if (*m)
                blend(c, x, y, colour, (*m * alpha + 127) / 255);
            *m = 0;
        }
}

/* Far positions are moved near: no picture is 10^7 pixels large, and differences of what is left are finite.
 */
static double near(double v)
{
    return v < -1e7 ? -1e7 : v > 1e7 ? 1e7 : v;
}

static double snap(double v)
{
    return floor(v * 16 + 0.5) / 16;
}

/* Pixels [*first, *last) of the clip along one axis that overlap [lo, hi]. */
static bool pixel_range(double lo, double hi, int start, int length, int *first, int *last)
{
    if (!(hi > start && lo < start + length))
        return false;
    *first = lo <= start ? start : (int)floor(lo);
    *last = hi >= start + length ? start + length : (int)ceil(hi);
    return *first < *last;
}

/* Cuts the segment to the clip rectangle widened by `margin` (Liang and Barsky); false: nothing is left. */
static bool cut(const struct ap_canvas *c, double margin, double p[4])
{
    double dx = p[2] - p[0], dy = p[3] - p[1], t0 = 0, t1 = 1;
    double edge[4] = {p[0] - (c->clip.x - margin), c->clip.x + c->clip.w + margin - p[0],
                      p[1] - (c->clip.y - margin), c->clip.y + c->clip.h + margin - p[1]};
    double slope[4] = {-dx, dx, -dy, dy};
    for (int i = 0; i < 4; i++) {
        if (slope[i] == 0) {
            if (edge[i] < 0)
                return false;
            continue;
        }
        double t = edge[i] / slope[i];
        if (slope[i] < 0)
            t0 = t > t0 ? t : t0;
        else
            t1 = t < t1 ? t : t1;
    }
    if (!(t0 <= t1))
        return false;
    double x = p[0], y = p[1];
    p[0] = snap(x + t0 * dx);
    p[1] = snap(y + t0 * dy);
    p[2] = snap(x + t1 * dx);
    p[3] = snap(y + t1 * dy);
    return true;
}

/* Coverage of a pixel is how far its centre is inside the stroke, with round ends. The scan follows the
 * longer direction, so that only pixels near the stroke are looked at. */
static void cover_segment(struct ap_canvas *c, struct dirty *d, const double p[4], double width)
{
    double dx = p[2] - p[0], dy = p[3] - p[1], length2 = dx * dx + dy * dy, reach = width / 2 + 0.5;
    bool flat = fabs(dx) >= fabs(dy);
    double a0 = flat ? p[0] : p[1], a1 = flat ? p[2] : p[3], b0 = flat ? p[1] : p[0];
    double slope = length2 > 0 ? (flat ? dy / dx : dx / dy) : 0;
    double lo = a0 < a1 ? a0 : a1, hi = a0 < a1 ? a1 : a0, band = reach * 1.4143 + 1;
    int i0, i1, j0, j1;
    if (!pixel_range(lo - reach, hi + reach, flat ? c->clip.x : c->clip.y, flat ? c->clip.w : c->clip.h, &i0,
                     &i1))
        return;
    for (int i = i0; i < i1; i++) {
        double along = i + 0.5 < lo ? lo : i + 0.5 > hi ? hi : i + 0.5;
        double centre = b0 + (along - a0) * slope;
        if (!pixel_range(centre - band, centre + band, flat ? c->clip.y : c->clip.x,
                         flat ? c->clip.h : c->clip.w, &j0, &j1))
            continue;
        for (int j = j0; j < j1; j++) {
            int x = flat ? i : j, y = flat ? j : i;
            double px = x + 0.5 - p[0], py = y + 0.5 - p[1];
            double t = length2 > 0 ? (px * dx + py * dy) / length2 : 0;
            t = t < 0 ? 0 : t > 1 ? 1 : t;
            double ex = px - t * dx, ey = py - t * dy;
            cover(c, d, x, y, reach - sqrt(ex * ex + ey * ey));
        }
    }
}

/* Covers the dashes of a segment; *phase is how far along the pattern it starts, and ends. */
static void cover_dashes(struct ap_canvas *c, struct dirty *d, const double p[4], struct ap_canvas_stroke s,
                         double *phase)
{
    double dx = p[2] - p[0], dy = p[3] - p[1], length = sqrt(dx * dx + dy * dy), period = s.dash + s.gap;
    for (double start = -*phase; start < length; start += period) {
        double from = start > 0 ? start : 0, to = start + s.dash < length ? start + s.dash : length;
        if (to <= from)
            continue;
        double piece[4] = {p[0] + dx * from / length, p[1] + dy * from / length, p[0] + dx * to / length,
                           p[1] + dy * to / length};
        cover_segment(c, d, piece, s.width);
    }
    double end = *phase + length;
    *phase = end - floor(end / period) * period;
}

void ap_canvas_polyline(struct ap_canvas *c, const double *x, const double *y, size_t n,
                        struct ap_canvas_stroke stroke)
{
    struct dirty d = CLEAN;
    double phase = 0;
    stroke.width = stroke.width >= 0.25 && stroke.width <= 64 ? stroke.width : 1;
    bool dashed = stroke.dash >= 1 && stroke.gap >= 1 && stroke.dash < 1000 && stroke.gap < 1000;
    for (size_t i = 0; i < n; i++) {
        bool here = isfinite(x[i]) && isfinite(y[i]);
        bool before = i > 0 && isfinite(x[i - 1]) && isfinite(y[i - 1]);
        bool after = i + 1 < n && isfinite(x[i + 1]) && isfinite(y[i + 1]);
        if (!here || (!before && after))
            continue;                     /* nothing ends here */
        size_t from = before ? i - 1 : i; /* a point on its own becomes a dot */
        double p[4] = {near(x[from]), near(y[from]), near(x[i]), near(y[i])};
        if (!cut(c, stroke.width + 2, p))
            continue;
        if (dashed)
            cover_dashes(c, &d, p, stroke, &phase);
        else
            cover_segment(c, &d, p, stroke.width);
    }
    blend_mask(c, &d, stroke.colour, 255);
}

void ap_canvas_line(struct ap_canvas *c, double x0, double y0, double x1, double y1,
                    struct ap_canvas_stroke stroke)
{
    ap_canvas_polyline(c, (double[]){x0, x1}, (double[]){y0, y1}, 2, stroke);
}

void ap_canvas_discs(struct ap_canvas *c, const double *x, const double *y, size_t n, double radius,
                     struct ap_cmap_rgb colour, int alpha)
{
    struct dirty d = CLEAN;
    radius = radius >= 0.5 && radius <= 64 ? radius : 1;
    for (size_t i = 0; i < n; i++) {
        int x0, x1, y0, y1;
        if (!isfinite(x[i]) || !isfinite(y[i]) || fabs(x[i]) > SIDE_MAX || fabs(y[i]) > SIDE_MAX)
            continue;
        double cx = snap(x[i]), cy = snap(y[i]), reach = radius + 0.5;
        if (!pixel_range(cx - reach, cx + reach, c->clip.x, c->clip.w, &x0, &x1) ||
            !pixel_range(cy - reach, cy + reach, c->clip.y, c->clip.h, &y0, &y1))
            continue;
        for (int py = y0; py < y1; py++)
            for (int px = x0; px < x1; px++) {
                double ex = px + 0.5 - cx, ey = py + 0.5 - cy;
                cover(c, &d, px, py, reach - sqrt(ex * ex + ey * ey));
            }
    }
    blend_mask(c, &d, colour, alpha);
}

/* Coverage is the least of the distances to the three sides, counted inwards. */
void ap_canvas_triangle(struct ap_canvas *c, const double x[3], const double y[3], struct ap_cmap_rgb colour)
{
    struct dirty d = CLEAN;
    double area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0]);
    if (!isfinite(area) || area == 0)
        return;
    double lox = x[0], hix = x[0], loy = y[0], hiy = y[0];
    for (int i = 1; i < 3; i++) {
        lox = x[i] < lox ? x[i] : lox;
        hix = x[i] > hix ? x[i] : hix;
        loy = y[i] < loy ? y[i] : loy;
        hiy = y[i] > hiy ? y[i] : hiy;
    }
    int x0, x1, y0, y1;
    if (!pixel_range(lox, hix, c->clip.x, c->clip.w, &x0, &x1) ||
        !pixel_range(loy, hiy, c->clip.y, c->clip.h, &y0, &y1))
        return;
    for (int py = y0; py < y1; py++)
        for (int px = x0; px < x1; px++) {
            double least = 1;
            for (int i = 0; i < 3; i++) {
                int k = (i + 1) % 3;
                double ex = x[k] - x[i], ey = y[k] - y[i];
                double inward = (ex * (py + 0.5 - y[i]) - ey * (px + 0.5 - x[i])) / sqrt(ex * ex + ey * ey);
                inward = (area > 0 ? inward : -inward) + 0.5;
                least = inward < least ? inward : least;
            }
            cover(c, &d, px, py, least);
        }
    blend_mask(c, &d, colour, 255);
}

/* ---- Text ------------------------------------------------------------------------------------------ */

static void draw_text(struct ap_canvas *c, int x, int y, enum ap_canvas_align align, const char *text,
                      struct ap_font font, struct ap_cmap_rgb colour, bool up)
{
    if (!text)
        return;
    font.scale = font.scale < 1 ? 1 : font.scale > AP_FONT_SCALE_MAX ? AP_FONT_SCALE_MAX : font.scale;
    int width = ap_font_width(text, font);
    int pen = align == AP_CANVAS_LEFT ? 0 : align == AP_CANVAS_CENTRE ? -(width / 2) : -width;
    while (*text) {
        struct ap_font_glyph glyph;
        ap_font_find(ap_font_next(&text), &glyph);
        int advance = ap_font_advance(&glyph, font);
        int64_t reach = up ? (int64_t)y - pen : (int64_t)x + pen; /* where this glyph starts */
        if (up ? reach < c->clip.y : reach > (int64_t)c->clip.x + c->clip.w)
            break; /* all that follows is outside */
        for (int gy = 0; gy < AP_FONT_ROWS * font.scale; gy++)
            for (int gx = 0; gx < advance; gx++)
                if (ap_font_ink(&glyph, font, gx, gy)) {
                    int above = gy - AP_FONT_ASCENT * font.scale; /* rows below the baseline are >= 0 */
                    ap_canvas_pixel(c, up ? x + above : x + pen + gx, up ? y - pen - gx - 1 : y + above,
                                    colour);
                }
        pen += advance;
    }
}

void ap_canvas_text(struct ap_canvas *c, int x, int y, enum ap_canvas_align align, const char *text,
                    struct ap_font font, struct ap_cmap_rgb colour)
{
    draw_text(c, x, y, align, text, font, colour, false);
}

void ap_canvas_text_up(struct ap_canvas *c, int x, int y, enum ap_canvas_align align, const char *text,
                       struct ap_font font, struct ap_cmap_rgb colour)
{
    draw_text(c, x, y, align, text, font, colour, true);
}
