/* panel.c: what surrounds a plot: margins, frame, ticks, labels, title.
 *
 * In:   a panel's description and its cell on the page.
 * Out:  margins, then pixels.
 * Invariants:
 *   1. Margins left and right do not depend on those above and below, so that one pass suffices.
 *   2. No two tick labels of an axis touch: one that would is left out.
 *   3. A text is never wider than the room it has.
 * Never: draws outside the panel's cell and its margins.
 * Test: tests/unit/test_plot.c */
#include "panel.h"

#include <math.h>
#include <string.h>

const struct ap_cmap_rgb ap_panel_text_colour = {0x26, 0x26, 0x26}, ap_panel_soft_colour = {0x6A, 0x6A, 0x6A},
                         ap_panel_frame_colour = {0xA8, 0xA8, 0xA8};

static bool has_axes(const struct ap_panel *p)
{
    return p->about->kind != AP_AXES_TILES;
}

static double along(double v, double from, double to, bool log_axis)
{
    if (log_axis)
        return v > 0 ? (log10(v) - log10(from)) / (log10(to) - log10(from)) : -1e5;
    return (v - from) / (to - from);
}

static double to_pixel(double part, int start, int length)
{
    double at = start + part * length;
    return at < -1e7 ? -1e7 : at > 1e7 ? 1e7 : floor(at * 16 + 0.5) / 16; /* NaN stays */
}

double ap_panel_x(const struct ap_panel *p, double x)
{
    bool log_axis = p->about->kind == AP_AXES_LINES && p->about->lines.x_log;
    return to_pixel(along(x, p->x0, p->x1, log_axis), p->plot.x, p->plot.w);
}

double ap_panel_y(const struct ap_panel *p, double y)
{
    bool log_axis = p->about->kind == AP_AXES_LINES && p->about->lines.y_log;
    double part = log_axis ? 1 - along(y, p->y1, p->y0, true) : along(y, p->y0, p->y1, false);
    return to_pixel(part, p->plot.y, p->plot.h);
}

static int widest_label(const struct ap_tick_set *ticks, struct ap_font font)
{
    int widest = 0;
    for (int i = 0; i < ticks->n; i++) {
        int width = ap_font_width(ticks->label[i], font);
        widest = width > widest ? width : widest;
    }
    return widest;
}

static int at_most(int v, int limit)
{
    return v < limit ? v : limit;
}

static bool filled(const char *text)
{
    return text && *text;
}

static void choose_ticks(struct ap_tick_set *ticks, const struct ap_panel *p, bool horizontal, int max_n)
{
    const struct ap_axes_panel *a = p->about;
    double from = horizontal ? p->x0 : p->y0, to = horizontal ? p->x1 : p->y1;
    enum ap_tick_kind kind = AP_TICK_LINEAR;
    if (a->kind == AP_AXES_LINES && (horizontal ? a->lines.x_log : a->lines.y_log))
        kind = AP_TICK_LOG;
    struct ap_axes_range given = horizontal ? a->heat.x : a->heat.y;
    if (a->kind == AP_AXES_HEAT && given.lo == given.hi)
        kind = AP_TICK_INTEGER;
    ap_tick_choose(ticks, kind, from < to ? from : to, from < to ? to : from, max_n);
}

static int clamp(int v, int lo, int hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

static bool has_block_labels(const struct ap_axes_block *blocks, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (filled(blocks[i].label))
            return true;
    return false;
}

enum ap_code ap_panel_measure_width(struct ap_err *e, struct ap_panel *p)
{
    const struct ap_axes_panel *a = p->about;
    int s = p->scale;
    AP_TRY(a->kind == AP_AXES_LINES ? ap_panelline_measure(e, p) : ap_panelmap_measure(e, p));
    int vertical_ticks = clamp((p->cell.h - 60 * s) / (32 * s), 2, 9);
    int step = AP_PANEL_TICK + AP_PANEL_GAP;
    p->left = p->right = 6 * s;
    if (a->kind == AP_AXES_TABLE)
        p->left = step * s + ap_panelmap_left(p);
    else if (has_axes(p)) {
        choose_ticks(&p->y_ticks, p, false, vertical_ticks);
        p->left = step * s + widest_label(&p->y_ticks, p->font);
    }
    if (filled(a->y_label))
        p->left += (AP_PANEL_LABEL_GAP + AP_FONT_ROWS) * s;
    if (filled(a->letter))
        p->left = clamp(p->left, ap_font_width(a->letter, p->bold) + 10 * s, p->left + 1000);
    if (a->kind == AP_AXES_HEAT && has_block_labels(a->heat.row_blocks, a->heat.n_row_blocks))
        p->right += AP_PANEL_LINE * s;
    if (a->kind == AP_AXES_LINES)
        p->right += ap_panelline_right(p);
    if (p->has_bar) {
        ap_tick_choose(&p->bar_ticks, AP_TICK_LINEAR, p->lo, p->hi, clamp(vertical_ticks, 2, 6));
        int width = widest_label(&p->bar_ticks, p->font),
            factor = ap_font_width(p->bar_ticks.factor, p->font);
        int beside = step * s + width;
        if (factor - AP_PANEL_BAR * s > beside)
            beside = factor - AP_PANEL_BAR * s;
        p->right += (AP_PANEL_BAR_GAP + AP_PANEL_BAR) * s + beside;
        const char *label = a->kind == AP_AXES_HEAT    ? a->heat.bar_label
                            : a->kind == AP_AXES_TILES ? a->tiles.bar_label
                                                       : a->table.bar_label;
        if (filled(label))
            p->right += (AP_PANEL_LABEL_GAP + AP_FONT_ROWS) * s;
    }
    return AP_OK;
}

void ap_panel_measure_height(struct ap_panel *p)
{
    const struct ap_axes_panel *a = p->about;
    int s = p->scale;
    int width = ap_font_width("0000", p->font) + 34 * s;
    if (has_axes(p) && a->kind != AP_AXES_TABLE)
        choose_ticks(&p->x_ticks, p, true, clamp(p->plot.w / width, 2, 11));
    p->top = p->bottom = 5 * s;
    if (filled(a->title) || filled(a->letter))
        p->top += (AP_PANEL_LINE + 2) * s;
    if (a->kind == AP_AXES_LINES) {
        p->legend_rows = ap_panelline_legend(p, false);
        p->top += p->legend_rows * AP_PANEL_LINE * s;
        bool labels = false;
        for (size_t i = 0; i < a->lines.n_spans; i++)
            labels |= filled(a->lines.spans[i].label);
        for (size_t i = 0; i < a->lines.n_markers; i++)
            labels |= filled(a->lines.markers[i].label);
        p->top += labels ? AP_PANEL_LINE * s : 0;
    }
    bool blocks = a->kind == AP_AXES_HEAT && has_block_labels(a->heat.col_blocks, a->heat.n_col_blocks);
    if (blocks || p->y_ticks.factor[0] || (p->has_bar && p->bar_ticks.factor[0]))
        p->top += AP_PANEL_LINE * s;
    if (has_axes(p) && !a->hide_x) {
        p->bottom = (AP_PANEL_TICK + AP_PANEL_GAP + AP_FONT_ASCENT + 2) * s;
        if (filled(a->x_label) || p->x_ticks.factor[0])
            p->bottom += (AP_PANEL_LABEL_GAP + AP_FONT_ROWS) * s;
    } else if (filled(a->x_label) && !a->hide_x)
        p->bottom += (AP_PANEL_LABEL_GAP + AP_FONT_ROWS) * s;
    if (p->has_bar && p->has_nan)
        p->bottom = clamp(p->bottom, 22 * s, p->bottom + 1000);
}

/* A text shortened to `room` pixels. */
static void text_in(struct ap_panel *p, int x, int y, enum ap_canvas_align align, const char *text, int room,
                    struct ap_font font, struct ap_cmap_rgb colour, bool up)
{
    char fitted[512];
    ap_font_fit(text, font, room, fitted, sizeof fitted);
    if (up)
        ap_canvas_text_up(p->canvas, x, y, align, fitted, font, colour);
    else
        ap_canvas_text(p->canvas, x, y, align, fitted, font, colour);
}

static void draw_x_ticks(struct ap_panel *p)
{
    int s = p->scale, y = p->plot.y + p->plot.h, free_from = p->cell.x;
    for (int i = 0; i < p->x_ticks.n_minor; i++) {
        int x = (int)floor(ap_panel_x(p, p->x_ticks.minor[i]));
        ap_canvas_fill(p->canvas, (struct ap_canvas_rect){x, y, s, AP_PANEL_TICK * s / 2},
                       ap_panel_frame_colour, 255);
    }
    for (int i = 0; i < p->x_ticks.n; i++) {
        int x = (int)floor(ap_panel_x(p, p->x_ticks.value[i]));
        x = clamp(x, p->plot.x, p->plot.x + p->plot.w - s);
        ap_canvas_fill(p->canvas, (struct ap_canvas_rect){x, y, s, AP_PANEL_TICK * s}, ap_panel_soft_colour,
                       255);
        if (p->about->hide_x)
            continue;
        int width = ap_font_width(p->x_ticks.label[i], p->font), start = x + s / 2 - width / 2;
        if (start < free_from || start + width > p->canvas->w)
            continue;
        ap_canvas_text(p->canvas, start, y + (AP_PANEL_TICK + AP_PANEL_GAP + AP_FONT_ASCENT) * s,
                       AP_CANVAS_LEFT, p->x_ticks.label[i], p->font, ap_panel_text_colour);
        free_from = start + width + 6 * s;
    }
}

static void draw_y_ticks(struct ap_panel *p)
{
    int s = p->scale, x = p->plot.x;
    double free_of = NAN; /* row of the last label */
    for (int i = 0; i < p->y_ticks.n_minor; i++) {
        int y = (int)floor(ap_panel_y(p, p->y_ticks.minor[i]));
        ap_canvas_fill(p->canvas,
                       (struct ap_canvas_rect){x - AP_PANEL_TICK * s / 2, y, AP_PANEL_TICK * s / 2, s},
                       ap_panel_frame_colour, 255);
    }
    for (int i = 0; i < p->y_ticks.n; i++) {
        int y = (int)floor(ap_panel_y(p, p->y_ticks.value[i]));
        y = clamp(y, p->plot.y, p->plot.y + p->plot.h - s);
        ap_canvas_fill(p->canvas, (struct ap_canvas_rect){x - AP_PANEL_TICK * s, y, AP_PANEL_TICK * s, s},
                       ap_panel_soft_colour, 255);
        if (fabs(y - free_of) < (AP_FONT_ASCENT + 3) * s) /* false for the first */
            continue;
        ap_canvas_text(p->canvas, x - (AP_PANEL_TICK + AP_PANEL_GAP) * s, y + (AP_FONT_ASCENT * s + s) / 2,
                       AP_CANVAS_RIGHT, p->y_ticks.label[i], p->font, ap_panel_text_colour);
        free_of = y;
    }
    if (p->y_ticks.factor[0])
        ap_canvas_text(p->canvas, x, p->plot.y - 6 * s, AP_CANVAS_LEFT, p->y_ticks.factor, p->font,
                       ap_panel_soft_colour);
}

static void draw_labels(struct ap_panel *p)
{
    const struct ap_axes_panel *a = p->about;
    int s = p->scale, from_plot = p->plot.x - p->left;
    if (filled(a->y_label)) {
        int x = from_plot + AP_FONT_ASCENT * s;
        text_in(p, x, p->plot.y + p->plot.h / 2, AP_CANVAS_CENTRE, a->y_label,
                p->plot.h + at_most(p->top, 24 * s), p->font, ap_panel_text_colour, true);
    }
    if (!a->hide_x) {
        int below = has_axes(p) ? AP_PANEL_TICK + AP_PANEL_GAP + AP_FONT_ASCENT : 0;
        int y = p->plot.y + p->plot.h + (below + AP_PANEL_LABEL_GAP + AP_FONT_ASCENT + 1) * s;
        int factor = ap_font_width(p->x_ticks.factor, p->font);
        if (filled(a->x_label))
            text_in(p, p->plot.x + p->plot.w / 2, y, AP_CANVAS_CENTRE, a->x_label,
                    p->plot.w - 2 * factor - (factor ? 12 * s : 0), p->font, ap_panel_text_colour, false);
        if (factor)
            ap_canvas_text(p->canvas, p->plot.x + p->plot.w, y, AP_CANVAS_RIGHT, p->x_ticks.factor, p->font,
                           ap_panel_soft_colour);
    }
    int y = p->plot.y - p->top + AP_FONT_ASCENT * s, x = p->plot.x;
    if (filled(a->letter))
        text_in(p, from_plot, y, AP_CANVAS_LEFT, a->letter, p->left - 4 * s, p->bold, ap_panel_text_colour,
                false);
    if (filled(a->title)) {
        int room = p->plot.w + p->right;
        text_in(p, x, y, AP_CANVAS_LEFT, a->title, room, p->bold, ap_panel_text_colour, false);
    }
}

void ap_panel_draw(struct ap_panel *p)
{
    if (p->plot.w < 2 || p->plot.h < 2)
        return;
    if (p->about->kind == AP_AXES_LINES)
        ap_panelline_draw(p);
    else {
        ap_panelmap_shrink(p);
        ap_panelmap_draw(p);
        if (p->has_bar)
            ap_panelmap_draw_bar(p);
    }
    int s = p->scale;
    if (has_axes(p)) {
        struct ap_canvas_rect around = {p->plot.x - s, p->plot.y - s, p->plot.w + 2 * s, p->plot.h + 2 * s};
        ap_canvas_frame(p->canvas, around, s, ap_panel_frame_colour);
        if (p->about->kind != AP_AXES_TABLE) {
            draw_x_ticks(p);
            draw_y_ticks(p);
        }
    }
    draw_labels(p);
}
