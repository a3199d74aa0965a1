/* panel.h: what the files that draw panels share: a panel on its way to the canvas. Only axes.c,
 * panel.c, panelmap.c and panelline.c include this. */
#ifndef AP_PANEL_H
#define AP_PANEL_H

#include "axes.h"
#include "tick.h"

/* Lengths in pixels at scale 1. */
enum {
    AP_PANEL_TICK = 4,      /* length of a tick */
    AP_PANEL_GAP = 4,       /* between tick and its label */
    AP_PANEL_LINE = 17,     /* a line of text with its space */
    AP_PANEL_LABEL_GAP = 8, /* between tick labels and the axis label */
    AP_PANEL_BAR = 13,      /* width of a colour bar */
    AP_PANEL_BAR_GAP = 12,
    AP_PANEL_NAME_MAX = 150, /* widest name of a row, a reference line */
};

struct ap_panel {
    const struct ap_axes_panel *about;
    struct ap_canvas *canvas;
    int scale;
    struct ap_font font, bold;
    struct ap_canvas_rect cell, plot;
    int left, right, top, bottom; /* margins */
    double x0, x1, y0, y1;        /* coordinates of the plot's left, right, upper, lower edge */
    struct ap_tick_set x_ticks, y_ticks;
    bool has_bar;
    struct ap_cmap map;
    double lo, hi;              /* limits of the colours */
    bool below, above, has_nan; /* values outside of them, or none */
    struct ap_tick_set bar_ticks;
    int legend_rows; /* lines above the frame for the legend; 0: beside the title */
};

extern const struct ap_cmap_rgb ap_panel_text_colour, ap_panel_soft_colour, ap_panel_frame_colour;

/* Checks the description, fixes coordinates, limits and vertical ticks, and left and right margins. */
enum ap_code ap_panel_measure_width(struct ap_err *e, struct ap_panel *p);
/* With plot.x and plot.w known: horizontal ticks, and margins above and below. */
void ap_panel_measure_height(struct ap_panel *p);
/* With plot known: draws. */
void ap_panel_draw(struct ap_panel *p);

/* Position in pixels of a coordinate. */
double ap_panel_x(const struct ap_panel *p, double x);
double ap_panel_y(const struct ap_panel *p, double y);

/* panelmap.c */
enum ap_code ap_panelmap_measure(struct ap_err *e, struct ap_panel *p);
int ap_panelmap_left(const struct ap_panel *p); /* width of the names of a table's rows */
void ap_panelmap_shrink(struct ap_panel *p);    /* makes cells square or whole */
void ap_panelmap_draw(struct ap_panel *p);
void ap_panelmap_draw_bar(struct ap_panel *p);

/* panelline.c */
enum ap_code ap_panelline_measure(struct ap_err *e, struct ap_panel *p);
int ap_panelline_right(const struct ap_panel *p);       /* width of the labels of reference lines */
int ap_panelline_legend(struct ap_panel *p, bool draw); /* returns its rows; 0: beside the title */
void ap_panelline_draw(struct ap_panel *p);

#endif
