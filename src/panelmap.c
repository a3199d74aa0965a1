/* panelmap.c: panels that show numbers by colour: heat maps, tiles, tables, and the colour bar.
 *
 * In:   matrices in row-major order.
 * Out:  pixels in the plot and in the margin right of it.
 * Invariants:
 *   1. Every value is looked at: no extreme, NaN or clipped value hides between two pixels.
 *   2. No interpolation: a pixel has the colour of a value, or of the mean of values that share it.
 *   3. A NaN shows as hatch, and a value outside the limits as a triangle at that end of the bar.
 * Never: changes the limits it was given.
 * Test: tests/unit/test_plot.c */
#include "mem.h"
#include "panel.h"

#include <math.h>
#include <stdio.h>

enum { SIDE_MAX = 1 << 24, TILES_MAX = 100000 };

struct matrix {
    const double *values; /* [rows][cols] */
    size_t rows, cols;
};

static enum ap_code refuse(struct ap_err *e, const char *what)
{
    return ap_err_add(e, AP_EINTERNAL, NULL, NULL, "figure: %s", what);
}

static enum ap_code check_blocks(struct ap_err *e, const struct ap_axes_block *b, size_t n, size_t length)
{
    if (n && !b)
        return refuse(e, "blocks are missing");
    for (size_t i = 0; i < n; i++)
        if (b[i].start >= length || (i && b[i].start <= b[i - 1].start))
            return refuse(e, "blocks do not rise within the matrix");
    return AP_OK;
}

/* Fixes the limits of the colours and notes what is outside of them. */
static enum ap_code measure_values(struct ap_err *e, struct ap_panel *p, const double *values, size_t n,
                                   struct ap_axes_range given)
{
    bool diverging = p->map.kind == AP_CMAP_DIVERGING;
    double lo = INFINITY, hi = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        p->has_nan |= isnan(values[i]);
        if (isfinite(values[i])) {
            lo = values[i] < lo ? values[i] : lo;
            hi = values[i] > hi ? values[i] : hi;
        }
    }
    if (!(lo <= hi))
        lo = hi = 0;
    if (given.lo != given.hi) {
        p->lo = given.lo;
        p->hi = given.hi;
    } else if (diverging) {
        p->hi = fabs(lo) > fabs(hi) ? fabs(lo) : fabs(hi);
        p->hi = p->hi > 0 ? p->hi : 1;
        p->lo = -p->hi;
    } else {
        p->lo = lo;
        p->hi = hi > lo ? hi : lo + (fabs(lo) > 1 ? fabs(lo) : 1);
    }
    if (!isfinite(p->lo) || !isfinite(p->hi) || !(p->lo < p->hi))
        return refuse(e, "the limits of the colours do not rise");
    for (size_t i = 0; i < n; i++) {
        p->below |= values[i] < p->lo;
        p->above |= values[i] > p->hi;
    }
    return AP_OK;
}

enum ap_code ap_panelmap_measure(struct ap_err *e, struct ap_panel *p)
{
    const struct ap_axes_panel *a = p->about;
    size_t rows, cols, n = 1, cells, all;
    const double *values;
    struct ap_axes_range limits;
    enum ap_cmap_kind kind;
    switch (a->kind) {
    case AP_AXES_HEAT:
        rows = a->heat.rows, cols = a->heat.cols, values = a->heat.values;
        limits = a->heat.limits, kind = a->heat.cmap;
        p->has_bar = !a->heat.no_bar;
        AP_TRY(check_blocks(e, a->heat.row_blocks, a->heat.n_row_blocks, rows));
        AP_TRY(check_blocks(e, a->heat.col_blocks, a->heat.n_col_blocks, cols));
        break;
    case AP_AXES_TILES:
        rows = a->tiles.rows, cols = a->tiles.cols, n = a->tiles.n, values = a->tiles.values;
        limits = a->tiles.limits, kind = a->tiles.cmap;
        p->has_bar = !a->tiles.no_bar;
        break;
    case AP_AXES_TABLE:
        rows = a->table.rows, cols = a->table.cols, values = a->table.values;
        limits = a->table.limits, kind = a->table.cmap;
        p->has_bar = a->table.bar_label != NULL;
        break;
    case AP_AXES_LINES:
    default:
        return refuse(e, "a panel of no known kind");
    }
    if (!values || rows < 1 || cols < 1 || n < 1 || rows > SIDE_MAX || cols > SIDE_MAX || n > TILES_MAX ||
        !ap_mem_product(rows, cols, &cells) || !ap_mem_product(cells, n, &all))
        return refuse(e, "a matrix without values or of impossible size");
    ap_cmap_fill(&p->map, kind);
    AP_TRY(measure_values(e, p, values, all, limits));
    p->x0 = p->y0 = -0.5; /* whole numbers stand in the middle of their cells */
    p->x1 = (double)cols - 0.5;
    p->y1 = (double)rows - 0.5;
    if (a->kind == AP_AXES_HEAT && a->heat.x.lo != a->heat.x.hi) {
        p->x0 = a->heat.x.lo;
        p->x1 = a->heat.x.hi;
    }
    if (a->kind == AP_AXES_HEAT && a->heat.y.lo != a->heat.y.hi) {
        p->y0 = a->heat.y.lo;
        p->y1 = a->heat.y.hi;
    }
    if (!isfinite(p->x1 - p->x0) || !isfinite(p->y1 - p->y0))
        return refuse(e, "coordinates of a matrix are not finite");
    return AP_OK;
}

/* Name of row or column i; numbered where there is none. */
static const char *name_of(const char *const *names, size_t i, char text[24])
{
    if (names && names[i])
        return names[i];
    snprintf(text, 24, "%zu", i);
    return text;
}

int ap_panelmap_left(const struct ap_panel *p)
{
    const struct ap_axes_table *t = &p->about->table;
    int widest = 0, limit = AP_PANEL_NAME_MAX * p->scale;
    for (size_t i = 0; i < t->rows && i < 1000; i++) {
        char text[24];
        int width = ap_font_width(name_of(t->row_names, i, text), p->font);
        widest = width > widest ? width : widest;
    }
    return widest < limit ? widest : limit;
}

/* Makes the cells of a rows x cols matrix square and of whole pixels where they can be. */
static void make_square(struct ap_canvas_rect *r, size_t rows, size_t cols)
{
    size_t across = (size_t)r->w / cols, down = (size_t)r->h / rows, size = across < down ? across : down;
    if (size >= 1) {
        r->w = (int)(size * cols);
        r->h = (int)(size * rows);
    } else if ((double)r->w * (double)rows > (double)r->h * (double)cols)
        r->w = (int)floor(r->h * ((double)cols / (double)rows));
    else
        r->h = (int)floor(r->w * ((double)rows / (double)cols));
    r->w = r->w < 1 ? 1 : r->w;
    r->h = r->h < 1 ? 1 : r->h;
}

void ap_panelmap_shrink(struct ap_panel *p)
{
    const struct ap_axes_panel *a = p->about;
    if (a->kind == AP_AXES_HEAT && a->heat.square)
        make_square(&p->plot, a->heat.rows, a->heat.cols);
    if (a->kind == AP_AXES_TABLE && (size_t)p->plot.w >= a->table.cols &&
        (size_t)p->plot.h >= a->table.rows) {
        p->plot.w -= p->plot.w % (int)a->table.cols;
        p->plot.h -= p->plot.h % (int)a->table.rows;
    }
}

/* The rows or columns [*from, *to) that pixel i of `pixels` shows. */
static void shared(int i, int pixels, size_t n, size_t *from, size_t *to)
{
    *from = (size_t)((uint64_t)i * n / (uint64_t)pixels);
    *to = (size_t)((uint64_t)(i + 1) * n / (uint64_t)pixels);
    if (n <= (size_t)pixels) {
        *from = (size_t)((2 * (uint64_t)i + 1) * n / (2 * (uint64_t)pixels)); /* under the pixel's centre */
        *to = *from + 1;
    } else if (*to == *from)
        *to = *from + 1;
}

/* One number for the values that share a pixel: NaN if one of them is. */
static double summary(const struct matrix *m, size_t r0, size_t r1, size_t c0, size_t c1, bool farthest,
                      double centre)
{
    double best = m->values[r0 * m->cols + c0], sum = 0;
    for (size_t r = r0; r < r1; r++)
        for (size_t c = c0; c < c1; c++) {
            double v = m->values[r * m->cols + c];
            if (isnan(v))
                return v;
            sum += v;
            if (fabs(v - centre) > fabs(best - centre))
                best = v;
        }
    return farthest ? best : sum / ((double)(r1 - r0) * (double)(c1 - c0));
}

static struct ap_cmap_rgb colour_of(const struct ap_panel *p, double v)
{
    if (isinf(v))
        return ap_cmap_at(&p->map, v > 0 ? 1 : 0);
    return ap_cmap_at(&p->map, (v / 2 - p->lo / 2) / (p->hi / 2 - p->lo / 2)); /* halves: no overflow */
}

static void paint(struct ap_panel *p, struct ap_canvas_rect r, struct matrix m)
{
    bool farthest = p->map.kind == AP_CMAP_DIVERGING;
    double centre = p->lo / 2 + p->hi / 2;
    for (int y = 0; y < r.h; y++) {
        size_t r0, r1, c0, c1;
        shared(y, r.h, m.rows, &r0, &r1);
        for (int x = 0; x < r.w; x++) {
            shared(x, r.w, m.cols, &c0, &c1);
            double v = summary(&m, r0, r1, c0, c1, farthest, centre);
            ap_canvas_pixel(p->canvas, r.x + x, r.y + y,
                            isnan(v) ? ap_canvas_hatch_colour(r.x + x, r.y + y) : colour_of(p, v));
        }
    }
}

/* Pixels from the start of the plot to the upper or left edge of row or column `index`. */
static int edge_of(size_t index, size_t n, int pixels)
{
    return (int)(((uint64_t)index * (uint64_t)pixels + n / 2) / n);
}

static void draw_blocks(struct ap_panel *p, const struct ap_axes_block *blocks, size_t n, size_t length,
                        bool rows)
{
    int s = p->scale, pixels = rows ? p->plot.h : p->plot.w;
    for (size_t i = 0; i < n; i++) {
        int from = edge_of(blocks[i].start, length, pixels);
        int to = i + 1 < n ? edge_of(blocks[i + 1].start, length, pixels) : pixels;
        if (from > 0) {
            struct ap_canvas_rect line = {p->plot.x, p->plot.y + from, p->plot.w, s};
            if (!rows)
                line = (struct ap_canvas_rect){p->plot.x + from, p->plot.y, s, p->plot.h};
            bool light = p->map.kind == AP_CMAP_VIRIDIS || p->map.kind == AP_CMAP_GREY;
            ap_canvas_fill(p->canvas, line, light ? AP_CMAP_WHITE : AP_CMAP_SOMA, light ? 220 : 190);
        }
        char text[256];
        if (!blocks[i].label ||
            ap_font_fit(blocks[i].label, p->font, to - from - 4 * s, text, sizeof text) == 0)
            continue;
        if (rows)
            ap_canvas_text_up(p->canvas, p->plot.x + p->plot.w + (6 + AP_FONT_ASCENT) * s,
                              p->plot.y + (from + to) / 2, AP_CANVAS_CENTRE, text, p->font,
                              ap_panel_soft_colour);
        else
            ap_canvas_text(p->canvas, p->plot.x + (from + to) / 2, p->plot.y - 6 * s, AP_CANVAS_CENTRE, text,
                           p->font, ap_panel_soft_colour);
    }
}

/* ---- Tiles ----------------------------------------------------------------------------------------- */

/* Width and height of a tile when there are `across` in a line: whole pixels per cell if there is room. */
static void tile_size(const struct ap_panel *p, size_t across, int gap, int caption, int *w, int *h)
{
    const struct ap_axes_tiles *t = &p->about->tiles;
    size_t down = (t->n + across - 1) / across;
    struct ap_canvas_rect r = {0, 0, (int)((p->plot.w + gap) / (int64_t)across) - gap,
                               (int)((p->plot.h + gap) / (int64_t)down) - gap - caption};
    *w = *h = 0;
    if (r.w < 1 || r.h < 1)
        return;
    make_square(&r, t->rows, t->cols);
    *w = r.w;
    *h = r.h;
}

static void draw_tiles(struct ap_panel *p)
{
    const struct ap_axes_tiles *t = &p->about->tiles;
    int s = p->scale, gap = 6 * s, caption = t->labels ? (AP_FONT_ROWS + 4) * s : 0, w = 0, h = 0;
    size_t across = t->across;
    if (across == 0)
        for (size_t try = 1; try <= t->n && try <= (size_t)p->plot.w; try++) {
            int try_w, try_h;
            tile_size(p, try, gap, caption, &try_w, &try_h);
            if (try_w > w) {
                w = try_w;
                across = try;
            }
        }
    if (across == 0)
        return;
    tile_size(p, across, gap, caption, &w, &h);
    if (w < 1)
        return;
    for (size_t i = 0; i < t->n; i++) {
        struct ap_canvas_rect r = {p->plot.x + (int)(i % across) * (w + gap),
                                   p->plot.y + (int)(i / across) * (h + gap + caption), w, h};
        struct ap_canvas_rect around = {r.x - 1, r.y - 1, r.w + 2, r.h + 2};
        ap_canvas_frame(p->canvas, around, 1, (struct ap_cmap_rgb){0xD0, 0xD0, 0xD0});
        paint(p, r, (struct matrix){t->values + i * t->rows * t->cols, t->rows, t->cols});
        char text[128];
        if (t->labels && ap_font_fit(t->labels[i], p->font, w + gap - 2 * s, text, sizeof text) > 0)
            ap_canvas_text(p->canvas, r.x + w / 2, r.y + h + (AP_FONT_ASCENT + 4) * s, AP_CANVAS_CENTRE, text,
                           p->font, ap_panel_soft_colour);
    }
    size_t down = (t->n + across - 1) / across; /* the bar stands beside what was drawn */
    p->plot.w = (int)(t->n < across ? t->n : across) * (w + gap) - gap;
    p->plot.h = (int)down * (h + gap + caption) - gap - caption;
}

/* ---- Tables ---------------------------------------------------------------------------------------- */

static void draw_table(struct ap_panel *p)
{
    const struct ap_axes_table *t = &p->about->table;
    int s = p->scale, w = p->plot.w / (int)t->cols, h = p->plot.h / (int)t->rows;
    paint(p, p->plot, (struct matrix){t->values, t->rows, t->cols});
    if (w < 3 || h < 3)
        return;
    for (size_t r = 0; r < t->rows; r++)
        for (size_t c = 0; c < t->cols; c++) {
            struct ap_canvas_rect cell = {p->plot.x + (int)c * w, p->plot.y + (int)r * h, w, h};
            if (c > 0)
                ap_canvas_fill(p->canvas, (struct ap_canvas_rect){cell.x, cell.y, 1, h}, AP_CMAP_WHITE, 255);
            if (r > 0)
                ap_canvas_fill(p->canvas, (struct ap_canvas_rect){cell.x, cell.y, w, 1}, AP_CMAP_WHITE, 255);
            double v = t->values[r * t->cols + c];
            char number[64];
            ap_tick_number(number, sizeof number, v, t->decimals);
            int width = ap_font_width(number, p->font);
            if (isnan(v) || width > w - 4 * s || h < (AP_FONT_ASCENT + 3) * s)
                continue; /* a number cut short would be another number */
            ap_canvas_text(p->canvas, cell.x + w / 2, cell.y + (h + AP_FONT_ASCENT * s) / 2, AP_CANVAS_CENTRE,
                           number, p->font, ap_cmap_ink_on(colour_of(p, v)));
        }
    char spare[24], text[256];
    for (size_t r = 0; r < t->rows && h >= (AP_FONT_ASCENT + 1) * s; r++) {
        ap_font_fit(name_of(t->row_names, r, spare), p->font, AP_PANEL_NAME_MAX * s, text, sizeof text);
        ap_canvas_text(p->canvas, p->plot.x - (AP_PANEL_TICK + AP_PANEL_GAP) * s,
                       p->plot.y + (int)r * h + (h + AP_FONT_ASCENT * s) / 2, AP_CANVAS_RIGHT, text, p->font,
                       ap_panel_text_colour);
    }
    for (size_t c = 0; c < t->cols && !p->about->hide_x; c++) {
        if (ap_font_fit(name_of(t->col_names, c, spare), p->font, w - 4 * s, text, sizeof text) > 0)
            ap_canvas_text(p->canvas, p->plot.x + (int)c * w + w / 2,
                           p->plot.y + p->plot.h + (AP_PANEL_TICK + AP_PANEL_GAP + AP_FONT_ASCENT) * s,
                           AP_CANVAS_CENTRE, text, p->font, ap_panel_text_colour);
    }
}

void ap_panelmap_draw(struct ap_panel *p)
{
    const struct ap_axes_panel *a = p->about;
    if (a->kind == AP_AXES_TILES)
        draw_tiles(p);
    else if (a->kind == AP_AXES_TABLE && (size_t)p->plot.w >= a->table.cols &&
             (size_t)p->plot.h >= a->table.rows)
        draw_table(p);
    else if (a->kind == AP_AXES_HEAT) {
        paint(p, p->plot, (struct matrix){a->heat.values, a->heat.rows, a->heat.cols});
        draw_blocks(p, a->heat.row_blocks, a->heat.n_row_blocks, a->heat.rows, true);
        draw_blocks(p, a->heat.col_blocks, a->heat.n_col_blocks, a->heat.cols, false);
    }
}

/* ---- The colour bar -------------------------------------------------------------------------------- */

/* A triangle on the bar's end in the end's colour, with an outline: some values lie beyond. */
static void draw_clip_mark(struct ap_panel *p, struct ap_canvas_rect bar, bool top, int height)
{
    double base = top ? bar.y : bar.y + bar.h, tip = top ? base - height : base + height;
    double x[4] = {bar.x, bar.x + bar.w, bar.x + bar.w / 2.0, bar.x}, y[4] = {base, base, tip, base};
    ap_canvas_triangle(p->canvas, x, y, ap_cmap_at(&p->map, top ? 1 : 0));
    ap_canvas_polyline(p->canvas, x, y, 4,
                       (struct ap_canvas_stroke){.colour = ap_panel_soft_colour, .width = p->scale});
}

void ap_panelmap_draw_bar(struct ap_panel *p)
{
    const struct ap_axes_panel *a = p->about;
    const char *label = a->kind == AP_AXES_HEAT    ? a->heat.bar_label
                        : a->kind == AP_AXES_TILES ? a->tiles.bar_label
                                                   : a->table.bar_label;
    int s = p->scale, mark = 9 * s, x = p->plot.x + p->plot.w + AP_PANEL_BAR_GAP * s;
    bool named_blocks = false;
    for (size_t i = 0; a->kind == AP_AXES_HEAT && i < a->heat.n_row_blocks; i++)
        named_blocks |= a->heat.row_blocks[i].label && a->heat.row_blocks[i].label[0];
    x += named_blocks ? AP_PANEL_LINE * s : 0;
    struct ap_canvas_rect bar = {x, p->plot.y, AP_PANEL_BAR * s, p->plot.h};
    if (bar.h < 4 * mark)
        mark = 0; /* too small for marks */
    bar.y += p->above ? mark : 0;
    bar.h -= (p->above ? mark : 0) + (p->below ? mark : 0);
    if (bar.h < 2)
        return;
    for (int y = 0; y < bar.h; y++)
        ap_canvas_fill(p->canvas, (struct ap_canvas_rect){bar.x, bar.y + y, bar.w, 1},
                       ap_cmap_at(&p->map, 1 - (y + 0.5) / bar.h), 255);
    ap_canvas_frame(p->canvas, (struct ap_canvas_rect){bar.x - s, bar.y - s, bar.w + 2 * s, bar.h + 2 * s}, s,
                    ap_panel_frame_colour);
    if (p->above && mark)
        draw_clip_mark(p, bar, true, mark);
    if (p->below && mark)
        draw_clip_mark(p, bar, false, mark);
    int free_of = bar.y + 2 * bar.h + 1000, widest = 0;
    for (int i = 0; i < p->bar_ticks.n; i++) {
        double part = (p->bar_ticks.value[i] / 2 - p->lo / 2) / (p->hi / 2 - p->lo / 2);
        int y = bar.y + (int)floor((1 - part) * bar.h);
        y = y < bar.y ? bar.y : y > bar.y + bar.h - s ? bar.y + bar.h - s : y;
        ap_canvas_fill(p->canvas, (struct ap_canvas_rect){bar.x + bar.w, y, AP_PANEL_TICK * s, s},
                       ap_panel_soft_colour, 255);
        if (free_of - y < (AP_FONT_ASCENT + 3) * s)
            continue;
        ap_canvas_text(p->canvas, bar.x + bar.w + (AP_PANEL_TICK + AP_PANEL_GAP) * s,
                       y + (AP_FONT_ASCENT * s + s) / 2, AP_CANVAS_LEFT, p->bar_ticks.label[i], p->font,
                       ap_panel_text_colour);
        free_of = y;
    }
    for (int i = 0; i < p->bar_ticks.n; i++) {
        int width = ap_font_width(p->bar_ticks.label[i], p->font);
        widest = width > widest ? width : widest;
    }
    if (p->bar_ticks.factor[0])
        ap_canvas_text(p->canvas, bar.x, p->plot.y - 6 * s, AP_CANVAS_LEFT, p->bar_ticks.factor, p->font,
                       ap_panel_soft_colour);
    if (label && *label) {
        char text[256];
        ap_font_fit(label, p->font, p->plot.h, text, sizeof text);
        int baseline =
            bar.x + bar.w + (AP_PANEL_TICK + AP_PANEL_GAP + AP_PANEL_LABEL_GAP + AP_FONT_ASCENT) * s + widest;
        ap_canvas_text_up(p->canvas, baseline, p->plot.y + p->plot.h / 2, AP_CANVAS_CENTRE, text, p->font,
                          ap_panel_text_colour);
    }
    if (p->has_nan) {
        struct ap_canvas_rect swatch = {bar.x, p->plot.y + p->plot.h + 8 * s, bar.w, 10 * s};
        ap_canvas_hatch(p->canvas, swatch);
        ap_canvas_frame(p->canvas, swatch, s, ap_panel_frame_colour);
        ap_canvas_text(p->canvas, bar.x + bar.w + (AP_PANEL_TICK + AP_PANEL_GAP) * s, swatch.y + 10 * s,
                       AP_CANVAS_LEFT, "NaN", p->font, ap_panel_text_colour);
    }
}
