/* axes.c: the page: title, grid of panels, footer.
 *
 * In:   struct ap_axes_page.
 * Out:  a canvas, or a PNG file.
 * Invariants:
 *   1. Plots that begin (end) in the same column of the grid have the same left (right) edge, and those of a
 *      row the same upper and lower edge: time axes of stacked panels line up.
 *   2. The size of the picture is the size asked for, whatever is in it.
 *   3. The same page gives the same pixels on every machine.
 * Never: writes when drawing failed.
 * Test: tests/unit/test_plot.c */
#include "axes.h"
#include "mem.h"
#include "panel.h"

enum { MARGIN = 26, COLUMN_GAP = 34, ROW_GAP = 22 };

/* Where the grid's columns or rows begin, and how long they are. */
struct lanes {
    int n, start[AP_AXES_GRID_MAX], length[AP_AXES_GRID_MAX];
    int before[AP_AXES_GRID_MAX], after[AP_AXES_GRID_MAX]; /* margins of the plots in them */
};

static int positive(int v, int otherwise)
{
    return v > 0 ? v : otherwise;
}

static enum ap_code refuse(struct ap_err *e, const char *what)
{
    return ap_err_add(e, AP_EINTERNAL, NULL, NULL, "figure: %s", what);
}

static enum ap_code share_out(struct ap_err *e, struct lanes *lanes, int n, const double *share, int start,
                              int length, int gap)
{
    double sum = 0, before = 0;
    lanes->n = n;
    for (int i = 0; i < n; i++) {
        double part = share ? share[i] : 1;
        if (!(part > 0) || part > 1e6)
            return refuse(e, "the shares of the grid are not positive");
        sum += part;
    }
    int usable = length - gap * (n - 1);
    usable = usable < 0 ? 0 : usable;
    for (int i = 0; i < n; i++) {
        double part = share ? share[i] : 1;
        int from = (int)(usable * before / sum), to = (int)(usable * (before + part) / sum);
        lanes->start[i] = start + from + i * gap;
        lanes->length[i] = to - from;
        before += part;
    }
    return AP_OK;
}

static int larger(int a, int b)
{
    return a > b ? a : b;
}

static enum ap_code check_page(struct ap_err *e, const struct ap_axes_page *page, int *n_rows, int *n_cols)
{
    *n_rows = page->n_rows;
    *n_cols = page->n_cols;
    if (page->n_panels > AP_AXES_PANELS_MAX || (page->n_panels && !page->panels) || page->scale < 0 ||
        page->scale > 4)
        return refuse(e, "a page without panels, with too many, or of impossible scale");
    for (size_t i = 0; i < page->n_panels; i++) {
        const struct ap_axes_panel *a = &page->panels[i];
        if (a->row < 0 || a->col < 0 || a->row_span < 0 || a->col_span < 0 || a->row >= AP_AXES_GRID_MAX ||
            a->col >= AP_AXES_GRID_MAX || a->row_span > AP_AXES_GRID_MAX || a->col_span > AP_AXES_GRID_MAX)
            return refuse(e, "a panel outside of the grid");
        int rows = a->row + positive(a->row_span, 1), cols = a->col + positive(a->col_span, 1);
        if ((page->n_rows && rows > page->n_rows) || (page->n_cols && cols > page->n_cols))
            return refuse(e, "a panel outside of the grid");
        *n_rows = larger(*n_rows, rows);
        *n_cols = larger(*n_cols, cols);
    }
    *n_rows = positive(*n_rows, 1);
    *n_cols = positive(*n_cols, 1);
    if (*n_rows > AP_AXES_GRID_MAX || *n_cols > AP_AXES_GRID_MAX || (page->n_rows == 0 && page->row_share) ||
        (page->n_cols == 0 && page->col_share))
        return refuse(e, "a grid that is too large, or shares without their number");
    return AP_OK;
}

/* Draws what is above and below the grid; *top and *bottom are the rows between which the grid has room. */
static void draw_page_texts(struct ap_canvas *c, const struct ap_axes_page *page, int s, int *top,
                            int *bottom)
{
    char text[512];
    int x = MARGIN * s, room = c->w - 2 * MARGIN * s;
    struct ap_font plain = {.scale = s}, title = {.scale = 2 * s};
    *top = MARGIN * s;
    *bottom = c->h - MARGIN * s;
    if (page->title && *page->title) {
        if (ap_font_width(page->title, title) > room)
            title = (struct ap_font){.scale = s, .bold = true};
        ap_font_fit(page->title, title, room, text, sizeof text);
        *top += AP_FONT_ASCENT * title.scale;
        ap_canvas_text(c, x, *top, AP_CANVAS_LEFT, text, title, ap_panel_text_colour);
        *top += 12 * s;
    }
    if (page->subtitle && *page->subtitle) {
        ap_font_fit(page->subtitle, plain, room, text, sizeof text);
        *top += AP_FONT_ASCENT * s;
        ap_canvas_text(c, x, *top, AP_CANVAS_LEFT, text, plain, ap_panel_soft_colour);
        *top += 10 * s;
    }
    if (*top > MARGIN * s)
        *top += 16 * s;
    if (page->footer && *page->footer) {
        ap_font_fit(page->footer, plain, room, text, sizeof text);
        int baseline = c->h - 16 * s;
        ap_canvas_text(c, x, baseline, AP_CANVAS_LEFT, text, plain, (struct ap_cmap_rgb){0x8A, 0x8A, 0x8A});
        *bottom = baseline - (AP_FONT_ASCENT + 16) * s;
    }
}

static enum ap_code draw_panels(struct ap_err *e, const struct ap_axes_page *page, struct ap_canvas *c,
                                struct lanes *cols, struct lanes *rows, struct ap_panel *panels)
{
    int s = positive(page->scale, 1);
    for (size_t i = 0; i < page->n_panels; i++) {
        struct ap_panel *p = &panels[i];
        const struct ap_axes_panel *a = p->about = &page->panels[i];
        p->canvas = c;
        p->scale = s;
        p->font = (struct ap_font){.scale = s};
        p->bold = (struct ap_font){.scale = s, .bold = true};
        int col_end = a->col + positive(a->col_span, 1) - 1, row_end = a->row + positive(a->row_span, 1) - 1;
        p->cell = (struct ap_canvas_rect){cols->start[a->col], rows->start[a->row],
                                          cols->start[col_end] + cols->length[col_end] - cols->start[a->col],
                                          rows->start[row_end] + rows->length[row_end] - rows->start[a->row]};
        AP_TRY(ap_panel_measure_width(e, p));
        cols->before[a->col] = larger(cols->before[a->col], p->left);
        cols->after[col_end] = larger(cols->after[col_end], p->right);
    }
    for (size_t i = 0; i < page->n_panels; i++) {
        struct ap_panel *p = &panels[i];
        const struct ap_axes_panel *a = p->about;
        int col_end = a->col + positive(a->col_span, 1) - 1, row_end = a->row + positive(a->row_span, 1) - 1;
        p->left = cols->before[a->col];
        p->plot.x = p->cell.x + p->left;
        p->plot.w = p->cell.w - p->left - cols->after[col_end];
        ap_panel_measure_height(p);
        rows->before[a->row] = larger(rows->before[a->row], p->top);
        rows->after[row_end] = larger(rows->after[row_end], p->bottom);
    }
    for (size_t i = 0; i < page->n_panels; i++) {
        struct ap_panel *p = &panels[i];
        int row_end = p->about->row + positive(p->about->row_span, 1) - 1;
        p->top = rows->before[p->about->row];
        p->plot.y = p->cell.y + p->top;
        p->plot.h = p->cell.h - p->top - rows->after[row_end];
        ap_panel_draw(p);
    }
    return AP_OK;
}

enum ap_code ap_axes_draw(struct ap_err *e, const struct ap_axes_page *page, struct ap_canvas *canvas)
{
    *canvas = (struct ap_canvas){0};
    int n_rows, n_cols, top, bottom, s = positive(page->scale, 1);
    AP_TRY(check_page(e, page, &n_rows, &n_cols));
    AP_TRY(ap_canvas_create(e, canvas, page->width, page->height));
    draw_page_texts(canvas, page, s, &top, &bottom);
    struct lanes cols = {0}, rows = {0};
    struct ap_panel *panels = ap_mem_array(e, page->n_panels, sizeof *panels, "figure panels");
    enum ap_code code = panels ? AP_OK : AP_EMEMORY;
    if (code == AP_OK)
        code = share_out(e, &cols, n_cols, page->col_share, MARGIN * s, canvas->w - 2 * MARGIN * s,
                         COLUMN_GAP * s);
    if (code == AP_OK)
        code = share_out(e, &rows, n_rows, page->row_share, top, bottom - top, ROW_GAP * s);
    if (code == AP_OK)
        code = draw_panels(e, page, canvas, &cols, &rows, panels);
    ap_mem_free(panels);
    if (code != AP_OK)
        ap_canvas_free(canvas);
    return code;
}

enum ap_code ap_axes_write(struct ap_err *e, const char *path, const struct ap_axes_page *page,
                           const struct ap_pngout_text *texts, size_t n_texts)
{
    struct ap_canvas canvas;
    AP_TRY(ap_axes_draw(e, page, &canvas));
    enum ap_code code = ap_pngout_write(e, path, canvas.rgb, canvas.w, canvas.h, texts, n_texts);
    ap_canvas_free(&canvas);
    return code;
}
