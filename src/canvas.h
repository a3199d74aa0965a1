/* canvas.h: an RGB8 image to draw on: rectangles, hatches, anti-aliased lines, text. Coordinates are pixels,
 * x to the right, y down; rectangles take whole pixels, lines take doubles where (0.5, 0.5) is the centre of
 * the first pixel. Whatever lies outside the clip rectangle is not drawn. */
#ifndef AP_CANVAS_H
#define AP_CANVAS_H

#include "cmap.h"
#include "err.h"
#include "font.h"

struct ap_canvas_rect {
    int x, y, w, h;
};

struct ap_canvas {
    int w, h;
    uint8_t *rgb;               /* [h][w][3] */
    uint8_t *mask;              /* [h][w]: coverage of the shape under way, 0 between shapes */
    struct ap_canvas_rect clip; /* within the image */
};

enum ap_canvas_align { AP_CANVAS_LEFT, AP_CANVAS_CENTRE, AP_CANVAS_RIGHT };

/* A stroke. width in pixels (1..64); dash and gap in pixels, dash 0: solid. */
struct ap_canvas_stroke {
    struct ap_cmap_rgb colour;
    double width, dash, gap;
};

/* A white image; 1 to 16384 pixels along a side. */
enum ap_code ap_canvas_create(struct ap_err *e, struct ap_canvas *c, int w, int h);
void ap_canvas_free(struct ap_canvas *c);

/* Limits drawing to the common part of the image and `clip`; returns the former clip rectangle. */
struct ap_canvas_rect ap_canvas_clip(struct ap_canvas *c, struct ap_canvas_rect clip);

void ap_canvas_pixel(struct ap_canvas *c, int x, int y, struct ap_cmap_rgb colour);
/* Fills; alpha 255 covers, 0 leaves the image. */
void ap_canvas_fill(struct ap_canvas *c, struct ap_canvas_rect r, struct ap_cmap_rgb colour, int alpha);
/* The outline just inside r, `width` pixels wide. */
void ap_canvas_frame(struct ap_canvas *c, struct ap_canvas_rect r, int width, struct ap_cmap_rgb colour);
/* White and magenta diagonal stripes: "there is no number here". */
void ap_canvas_hatch(struct ap_canvas *c, struct ap_canvas_rect r);
/* A pixel of the hatch, for callers that fill cell by cell. */
struct ap_cmap_rgb ap_canvas_hatch_colour(int x, int y);

/* A polyline through n points; a point that is not finite breaks it. Where it crosses itself it is not
 * darker. */
void ap_canvas_polyline(struct ap_canvas *c, const double *x, const double *y, size_t n,
                        struct ap_canvas_stroke stroke);
void ap_canvas_line(struct ap_canvas *c, double x0, double y0, double x1, double y1,
                    struct ap_canvas_stroke stroke);
/* Filled discs of one radius; alpha as in ap_canvas_fill. Overlapping discs of a call do not add up. */
void ap_canvas_discs(struct ap_canvas *c, const double *x, const double *y, size_t n, double radius,
                     struct ap_cmap_rgb colour, int alpha);
/* A filled triangle. */
void ap_canvas_triangle(struct ap_canvas *c, const double x[3], const double y[3], struct ap_cmap_rgb colour);

/* Text on the baseline y: x is its left end, its centre or its right end. */
void ap_canvas_text(struct ap_canvas *c, int x, int y, enum ap_canvas_align align, const char *text,
                    struct ap_font font, struct ap_cmap_rgb colour);
/* Text that reads upwards; its baseline is the column x, its centre (CENTRE) or start (LEFT) at row y. */
void ap_canvas_text_up(struct ap_canvas *c, int x, int y, enum ap_canvas_align align, const char *text,
                       struct ap_font font, struct ap_cmap_rgb colour);

#endif
