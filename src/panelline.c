/* panelline.c: panels of lines and points.
 *
 * In:   series, reference lines, shaded spans, markers.
 * Out:  pixels in the plot, a legend above it, labels of reference lines right of it.
 * Invariants:
 *   1. A value that is not finite, or not positive on a log axis, breaks the line and is no part of the
 *      limits.
 *   2. Labels stand outside of the frame: they hide no data, and none overlaps another.
 *   3. Spans are drawn below reference lines, these below the data.
 * Never: changes the order of the data or leaves out points.
 * Test: tests/unit/test_plot.c */
#include "mem.h"
#include "panel.h"

#include <math.h>

enum { CHUNK = 512 }; /* points that are turned into pixels at a time */

static enum ap_code refuse(struct ap_err *e, const char *what)
{
    return ap_err_add(e, AP_EINTERNAL, NULL, NULL, "figure: %s", what);
}

static void include(double v, bool log_axis, double *lo, double *hi)
{
    if (!isfinite(v) || (log_axis && v <= 1e-300))
        return;
    *lo = v < *lo ? v : *lo;
    *hi = v > *hi ? v : *hi;
}

/* Limits from the data, widened by `margin` of their distance on both sides. */
static void settle(double *lo, double *hi, bool log_axis, double margin)
{
    if (!(*lo <= *hi)) {
        *lo = log_axis ? 1 : 0;
        *hi = log_axis ? 10 : 1;
        return;
    }
    if (log_axis) {
        double ratio = *hi / *lo, widen = 1 + margin;
        for (double decade = 1; decade < ratio && decade < 1e300; decade *= 10)
            widen *= 1 + margin; /* the same part of the axis for every decade */
        *lo /= *hi > *lo ? widen : 2;
        *hi *= *hi > *lo ? widen : 2;
    } else {
        double pad = *hi > *lo ? (*hi - *lo) * margin : fabs(*lo) > 0 ? fabs(*lo) * 0.1 : 1;
        *lo -= pad;
        *hi += pad;
    }
}

enum ap_code ap_panelline_measure(struct ap_err *e, struct ap_panel *p)
{
    const struct ap_axes_lines *l = &p->about->lines;
    if ((l->n_series && !l->series) || (l->n_references && !l->references) || (l->n_spans && !l->spans) ||
        (l->n_markers && !l->markers))
        return refuse(e, "series, lines, spans or markers are missing");
    double x0 = INFINITY, x1 = -INFINITY, y0 = INFINITY, y1 = -INFINITY;
    bool points = false;
    for (size_t i = 0; i < l->n_series; i++) {
        const struct ap_axes_series *s = &l->series[i];
        if (s->n && !s->y)
            return refuse(e, "a series without values");
        points |= s->style == AP_AXES_POINTS;
        for (size_t k = 0; k < s->n; k++) {
            if (!isfinite(s->y[k]))
                continue;
            include(s->x ? s->x[k] : (double)k, l->x_log, &x0, &x1);
            include(s->y[k], l->y_log, &y0, &y1);
            if (s->low && isfinite(s->low[k] + s->high[k])) {
                include(s->low[k], l->y_log, &y0, &y1);
                include(s->high[k], l->y_log, &y0, &y1);
            }
        }
    }
    for (size_t i = 0; i < l->n_references; i++)
        include(l->references[i].y, l->y_log, &y0, &y1);
    if (l->x.lo != l->x.hi)
        x0 = l->x.lo, x1 = l->x.hi;
    else if (points || !(x0 < x1))
        settle(&x0, &x1, l->x_log, 0.04);
    if (l->y.lo != l->y.hi)
        y0 = l->y.lo, y1 = l->y.hi;
    else
        settle(&y0, &y1, l->y_log, 0.06);
    if (!(x0 < x1) || !(y0 < y1) || !isfinite(x1 - x0) || !isfinite(y1 - y0) || (l->x_log && x0 <= 0) ||
        (l->y_log && y0 <= 0))
        return refuse(e, "limits of an axis are not finite, do not rise, or are not positive on a log axis");
    p->x0 = x0;
    p->x1 = x1;
    p->y0 = y1; /* the upper edge */
    p->y1 = y0;
    return AP_OK;
}

int ap_panelline_right(const struct ap_panel *p)
{
    const struct ap_axes_lines *l = &p->about->lines;
    int widest = 0, limit = AP_PANEL_NAME_MAX * p->scale;
    for (size_t i = 0; i < l->n_references; i++) {
        int width = ap_font_width(l->references[i].label, p->font);
        widest = width > widest ? width : widest;
    }
    widest = widest < limit ? widest : limit;
    return widest ? widest + 2 * p->scale : 0;
}

/* ---- Legend ---------------------------------------------------------------------------------------- */

static void draw_sample(struct ap_panel *p, const struct ap_axes_series *s, int x, int y, int width)
{
    int scale = p->scale;
    double middle = y - AP_FONT_ASCENT * scale / 2.0;
    struct ap_canvas_stroke stroke = {.colour = s->colour, .width = 2 * scale};
    if (s->style == AP_AXES_DASHED) {
        stroke.dash = 6 * scale;
        stroke.gap = 4 * scale;
    }
    if (s->style != AP_AXES_POINTS)
        ap_canvas_line(p->canvas, x + scale, middle, x + width - scale, middle, stroke);
    if (s->style == AP_AXES_POINTS || s->style == AP_AXES_LINE_POINTS) {
        double cx = x + width / 2.0;
        ap_canvas_discs(p->canvas, &cx, &middle, 1, 3 * scale, s->colour, 255);
    }
}

/* Lays the legend out: beside the title if both fit, else in lines of its own from the left. */
int ap_panelline_legend(struct ap_panel *p, bool draw)
{
    const struct ap_axes_panel *a = p->about;
    const struct ap_axes_lines *l = &a->lines;
    int s = p->scale, sample = 20 * s, between = 16 * s, room = p->plot.w;
    int64_t total = -between;
    for (size_t i = 0; i < l->n_series && total < 1 << 24; i++)
        if (l->series[i].name)
            total += sample + 5 * s + ap_font_width(l->series[i].name, p->font) + between;
    if (total <= 0 || room < 2 * sample)
        return 0;
    int title = ap_font_width(a->title, p->bold);
    bool has_title = (a->title && *a->title) || (a->letter && *a->letter);
    bool beside = has_title && total + title + 24 * s <= room;
    int start = beside ? p->plot.x + p->plot.w - (int)total : p->plot.x, x = start, rows = beside ? 0 : 1;
    int y = p->plot.y - p->top + AP_FONT_ASCENT * s;
    y += !beside && has_title ? (AP_PANEL_LINE + 2) * s : 0;
    for (size_t i = 0; i < l->n_series; i++) {
        if (!l->series[i].name)
            continue;
        char text[128];
        int width = sample + 5 * s +
                    ap_font_fit(l->series[i].name, p->font, room - sample - 5 * s, text, sizeof text);
        if (x > start && x + width > start + room && !beside) {
            x = start;
            y += AP_PANEL_LINE * s;
            rows++;
        }
        if (draw && (beside || rows <= p->legend_rows)) {
            draw_sample(p, &l->series[i], x, y, sample);
            ap_canvas_text(p->canvas, x + sample + 5 * s, y, AP_CANVAS_LEFT, text, p->font,
                           ap_panel_text_colour);
        }
        x += width + between;
    }
    return rows < 6 ? rows : 6;
}

/* ---- What lies below the data ---------------------------------------------------------------------- */

/* A label above the frame, wished at [start, start + width). */
struct above {
    const char *label;
    int start, width;
};

enum { ABOVE_MAX = 64 };

static void add_label(struct ap_panel *p, struct above *list, int *n, double x, int room, const char *label)
{
    char text[128];
    int width = ap_font_fit(label, p->font, room < p->plot.w ? room : p->plot.w, text, sizeof text);
    if (width < 1 || *n == ABOVE_MAX)
        return;
    int start = (int)floor(x) - width / 2, last = p->plot.x + p->plot.w - width;
    start = start > last ? last : start;
    start = start < p->plot.x ? p->plot.x : start;
    int at = (*n)++; /* the list stays sorted from left to right */
    for (; at > 0 && list[at - 1].start > start; at--)
        list[at] = list[at - 1];
    list[at] = (struct above){label, start, width};
}

/* All labels share one line; one that would touch its left neighbour is left out. */
static void draw_labels_above(struct ap_panel *p, const struct above *list, int n)
{
    int s = p->scale, free_from = p->plot.x;
    int y = p->plot.y - 6 * s - (p->y_ticks.factor[0] ? AP_PANEL_LINE * s : 0);
    for (int i = 0; i < n; i++) {
        char text[128];
        if (list[i].start < free_from)
            continue;
        ap_font_fit(list[i].label, p->font, list[i].width, text, sizeof text);
        ap_canvas_text(p->canvas, list[i].start, y, AP_CANVAS_LEFT, text, p->font, ap_panel_soft_colour);
        free_from = list[i].start + list[i].width + 8 * s;
    }
}

static double inside_x(const struct ap_panel *p, double x)
{
    double at = ap_panel_x(p, x), lo = p->plot.x, hi = p->plot.x + p->plot.w;
    return at < lo ? lo : at > hi ? hi : at;
}

static void draw_spans(struct ap_panel *p)
{
    const struct ap_axes_lines *l = &p->about->lines;
    struct above labels[ABOVE_MAX];
    int s = p->scale, n_labels = 0;
    for (size_t i = 0; i < l->n_spans; i++) {
        double from = inside_x(p, l->spans[i].x0), to = inside_x(p, l->spans[i].x1);
        if (!(to > from))
            continue;
        int x0 = (int)floor(from + 0.5), x1 = (int)floor(to + 0.5);
        bool within = false; /* another stretch: darker, to be seen on it */
        for (size_t k = 0; k < i; k++)
            within = within || (l->spans[k].x0 < l->spans[i].x1 && l->spans[i].x0 < l->spans[k].x1);
        ap_canvas_fill(
            p->canvas, (struct ap_canvas_rect){x0, p->plot.y, x1 - x0, p->plot.h},
            within ? (struct ap_cmap_rgb){0xD2, 0xD9, 0xE6} : (struct ap_cmap_rgb){0xE9, 0xEC, 0xF1}, 255);
        int room = x1 - x0 > 60 * s ? x1 - x0 : 60 * s;
        add_label(p, labels, &n_labels, (from + to) / 2, room, l->spans[i].label);
    }
    for (size_t i = 0; i < l->n_markers; i++) {
        double x = ap_panel_x(p, l->markers[i].x);
        if (!(x >= p->plot.x && x <= p->plot.x + p->plot.w))
            continue;
        ap_canvas_fill(p->canvas, (struct ap_canvas_rect){(int)floor(x), p->plot.y, s, p->plot.h},
                       (struct ap_cmap_rgb){0x88, 0x88, 0x88}, 255);
        add_label(p, labels, &n_labels, x, 160 * s, l->markers[i].label);
    }
    draw_labels_above(p, labels, n_labels);
}

static void draw_reference_lines(struct ap_panel *p)
{
    const struct ap_axes_lines *l = &p->about->lines;
    for (size_t i = 0; i < l->n_references; i++) {
        int grey = l->references[i].light ? 0xC4 : 0x80;
        struct ap_cmap_rgb colour = {(uint8_t)grey, (uint8_t)grey, (uint8_t)grey};
        double y = floor(ap_panel_y(p, l->references[i].y)) + 0.5 * p->scale;
        ap_canvas_line(p->canvas, p->plot.x, y, p->plot.x + p->plot.w, y,
                       (struct ap_canvas_stroke){colour, p->scale, 6 * p->scale, 4 * p->scale});
    }
    if (l->identity) {
        double lo = p->x0 > p->y1 ? p->x0 : p->y1, hi = p->x1 < p->y0 ? p->x1 : p->y0;
        if (lo < hi)
            ap_canvas_line(
                p->canvas, ap_panel_x(p, lo), ap_panel_y(p, lo), ap_panel_x(p, hi), ap_panel_y(p, hi),
                (struct ap_canvas_stroke){{0x90, 0x90, 0x90}, p->scale, 6 * p->scale, 4 * p->scale});
    }
}

/* Right of the frame, each at its line; a label too near to one that is there moves below it. */
static void draw_reference_labels(struct ap_panel *p)
{
    const struct ap_axes_lines *l = &p->about->lines;
    int s = p->scale, taken[64], n_taken = 0, height = (AP_FONT_ASCENT + 3) * s;
    for (size_t i = 0; i < l->n_references && n_taken < 64; i++) {
        double at = ap_panel_y(p, l->references[i].y);
        if (!l->references[i].label || !(at >= p->plot.y && at <= p->plot.y + p->plot.h))
            continue;
        int y = (int)floor(at);
        for (bool moved = true; moved;) {
            moved = false;
            for (int k = 0; k < n_taken; k++)
                if (y > taken[k] - height && y < taken[k] + height) {
                    y = taken[k] + height;
                    moved = true;
                }
        }
        if (y > p->plot.y + p->plot.h + height)
            continue;
        taken[n_taken++] = y;
        char text[128];
        ap_font_fit(l->references[i].label, p->font, AP_PANEL_NAME_MAX * s, text, sizeof text);
        ap_canvas_text(p->canvas, p->plot.x + p->plot.w + 7 * s, y + (AP_FONT_ASCENT * s + s) / 2,
                       AP_CANVAS_LEFT, text, p->font, ap_panel_soft_colour);
    }
}

/* ---- Data ------------------------------------------------------------------------------------------ */

/* Fills the band low .. high column by column, between neighbouring points. */
static void draw_band(struct ap_panel *p, const struct ap_axes_series *s)
{
    for (size_t k = 1; k < s->n; k++) {
        double xa = ap_panel_x(p, s->x ? s->x[k - 1] : (double)(k - 1));
        double xb = ap_panel_x(p, s->x ? s->x[k] : (double)k);
        double top_a = ap_panel_y(p, s->high[k - 1]), top_b = ap_panel_y(p, s->high[k]);
        double low_a = ap_panel_y(p, s->low[k - 1]), low_b = ap_panel_y(p, s->low[k]);
        if (!(xa < xb) || !isfinite(top_a + top_b + low_a + low_b))
            continue;
        double from = xa > p->plot.x ? xa : p->plot.x, last = p->plot.x + p->plot.w,
               to = xb < last ? xb : last;
        for (int x = (int)floor(from + 0.5); x + 0.5 <= to + 0.5 && x < (int)floor(to + 0.5); x++) {
            double t = (x + 0.5 - xa) / (xb - xa);
            int y0 = (int)floor(top_a + t * (top_b - top_a) + 0.5),
                y1 = (int)floor(low_a + t * (low_b - low_a) + 0.5);
            ap_canvas_fill(p->canvas, (struct ap_canvas_rect){x, y0, 1, y1 - y0}, s->colour, 46);
        }
    }
}

static void draw_series(struct ap_panel *p, const struct ap_axes_series *s)
{
    double x[CHUNK], y[CHUNK];
    int scale = p->scale;
    struct ap_canvas_stroke stroke = {.colour = s->colour, .width = (s->width > 0 ? s->width : 1.6) * scale};
    if (s->style == AP_AXES_DASHED) {
        stroke.dash = 6 * scale;
        stroke.gap = 4 * scale;
    }
    bool points = s->style == AP_AXES_POINTS || s->style == AP_AXES_LINE_POINTS;
    if (s->low)
        draw_band(p, s);
    for (size_t start = 0; start < s->n;) {
        size_t n = s->n - start < CHUNK ? s->n - start : CHUNK;
        for (size_t k = 0; k < n; k++) {
            double vx = s->x ? s->x[start + k] : (double)(start + k), vy = s->y[start + k];
            bool shown = (!p->about->lines.x_log || vx > 0) && (!p->about->lines.y_log || vy > 0);
            x[k] = shown ? ap_panel_x(p, vx) : (double)NAN;
            y[k] = shown ? ap_panel_y(p, vy) : (double)NAN;
        }
        if (s->style != AP_AXES_POINTS)
            ap_canvas_polyline(p->canvas, x, y, n, stroke);
        if (points)
            ap_canvas_discs(p->canvas, x, y, n, (s->style == AP_AXES_POINTS ? 2.5 : 3) * scale, s->colour,
                            s->style == AP_AXES_POINTS ? 170 : 255);
        start += start + n < s->n ? n - 1 : n; /* the next chunk begins with the last point of this one */
    }
}

void ap_panelline_draw(struct ap_panel *p)
{
    draw_spans(p);
    struct ap_canvas_rect former = ap_canvas_clip(p->canvas, p->plot);
    draw_reference_lines(p);
    for (size_t i = 0; i < p->about->lines.n_series; i++)
        draw_series(p, &p->about->lines.series[i]);
    ap_canvas_clip(p->canvas, former);
    draw_reference_labels(p);
    ap_panelline_legend(p, true);
}
