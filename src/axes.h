/* axes.h: figures. A page has a title, a line below it, a footer and a grid of panels; a panel is a heat
 * map, a set of tiles, a plot of lines or points, or a table with numbers. Everything a caller does not set
 * (0, NULL, false) has a sensible default. Nothing here knows what is plotted.
 *
 *     struct ap_axes_panel panel = {.kind = AP_AXES_LINES, .title = "Learning", .x_label = "epoch",
 *                                   .y_label = "test error [%]", .lines = {.series = s, .n_series = 2}};
 *     struct ap_axes_page page = {.title = "...", .footer = "seed 1 · digest ...", .width = 1200,
 *                                 .height = 600, .panels = &panel, .n_panels = 1};
 *     ap_axes_write(e, "plots/learning.png", &page, texts, 3);
 *
 * Texts are UTF-8 and hold their units; they are shortened with an ellipsis where there is no room. */
#ifndef AP_AXES_H
#define AP_AXES_H

#include "canvas.h"
#include "cmap.h"
#include "pngout.h"

enum { AP_AXES_GRID_MAX = 32, AP_AXES_PANELS_MAX = 256 };

/* Limits of an axis. lo == hi (as when left out): from the data. */
struct ap_axes_range {
    double lo, hi;
};

/* A block of rows or columns: from index `start` up to the start of the next block or the end. */
struct ap_axes_block {
    size_t start;
    const char *label; /* may be NULL */
};

/* Values by colour. Row 0 is on top. Pixels that share columns or rows show the value that is farthest from
 * the centre (diverging map) or the mean (others); a NaN among them shows as hatch. */
struct ap_axes_heat {
    const double *values; /* [rows][cols] */
    size_t rows, cols;
    struct ap_axes_range x, y; /* coordinates of the outer edges, y.lo on top; default: indices */
    enum ap_cmap_kind cmap;
    struct ap_axes_range limits; /* of the colours; default: the data, symmetric when diverging */
    const char *bar_label;
    bool no_bar;
    bool square; /* square cells of a whole number of pixels */
    const struct ap_axes_block *row_blocks, *col_blocks;
    size_t n_row_blocks, n_col_blocks;
};

/* Small matrices side by side with one colour bar. */
struct ap_axes_tiles {
    const double *values; /* [n][rows][cols] */
    size_t n, rows, cols;
    size_t across;             /* tiles per line; 0: what makes them largest */
    const char *const *labels; /* [n], or NULL */
    enum ap_cmap_kind cmap;
    struct ap_axes_range limits;
    const char *bar_label;
    bool no_bar;
};

enum ap_axes_style { AP_AXES_LINE, AP_AXES_DASHED, AP_AXES_POINTS, AP_AXES_LINE_POINTS };

struct ap_axes_series {
    const char *name;         /* NULL: not in the legend */
    const double *x;          /* [n]; NULL: 0, 1, ... */
    const double *y;          /* [n]; NaN breaks the line */
    const double *low, *high; /* [n] or NULL: a band behind the line */
    size_t n;
    struct ap_cmap_rgb colour;
    enum ap_axes_style style;
    double width; /* of the line [px]; 0: 1.6 */
};

struct ap_axes_reference { /* a dashed horizontal line; its label stands right of the frame */
    double y;
    const char *label;
    bool light;
};

struct ap_axes_span { /* a shaded stretch of x; its label stands above the frame */
    double x0, x1;
    const char *label;
};

struct ap_axes_marker { /* a vertical line; its label stands above the frame */
    double x;
    const char *label;
};

struct ap_axes_lines {
    const struct ap_axes_series *series;
    const struct ap_axes_reference *references;
    const struct ap_axes_span *spans;
    const struct ap_axes_marker *markers;
    size_t n_series, n_references, n_spans, n_markers;
    struct ap_axes_range x, y;
    bool x_log, y_log;
    bool identity; /* the line y = x */
};

/* Numbers in cells, coloured by value. */
struct ap_axes_table {
    const double *values; /* [rows][cols] */
    size_t rows, cols;
    const char *const *row_names, *const *col_names; /* [rows], [cols]; NULL: 0, 1, ... */
    int decimals;
    enum ap_cmap_kind cmap;
    struct ap_axes_range limits;
    const char *bar_label; /* NULL: no colour bar */
};

enum ap_axes_kind { AP_AXES_HEAT, AP_AXES_TILES, AP_AXES_LINES, AP_AXES_TABLE };

struct ap_axes_panel {
    enum ap_axes_kind kind;
    int row, col, row_span, col_span; /* place in the grid; spans of 0 count as 1 */
    const char *letter, *title, *x_label, *y_label;
    bool hide_x;              /* no tick labels and no x label: the panel below has them */
    struct ap_axes_heat heat; /* the one that `kind` names is used */
    struct ap_axes_tiles tiles;
    struct ap_axes_lines lines;
    struct ap_axes_table table;
};

struct ap_axes_page {
    const char *title, *subtitle, *footer;
    int width, height;                   /* [px] */
    int scale;                           /* magnifies texts and strokes; 0 is 1, at most 4 */
    int n_rows, n_cols;                  /* of the grid; 0: what the panels need */
    const double *row_share, *col_share; /* [n_rows], [n_cols] parts of the page; NULL: equal */
    const struct ap_axes_panel *panels;
    size_t n_panels;
};

/* Draws the page on a canvas that this creates (ap_canvas_free frees it). Panels without room for a plot
 * stay empty. AP_EINTERNAL when the description contradicts itself. */
enum ap_code ap_axes_draw(struct ap_err *e, const struct ap_axes_page *page, struct ap_canvas *canvas);

/* Draws the page and writes it as a PNG file with text chunks. */
enum ap_code ap_axes_write(struct ap_err *e, const char *path, const struct ap_axes_page *page,
                           const struct ap_pngout_text *texts, size_t n_texts);

#endif
