/* cmap.h: colour maps as tables, and the colours that mean the same thing in every figure. */
#ifndef AP_CMAP_H
#define AP_CMAP_H

#include <stdbool.h>
#include <stdint.h>

enum { AP_CMAP_N = 257 }; /* odd, so that the diverging map has an exact centre */

struct ap_cmap_rgb {
    uint8_t r, g, b;
};

enum ap_cmap_kind {
    AP_CMAP_VIRIDIS,   /* sequential, dark blue to yellow; luminance rises */
    AP_CMAP_DIVERGING, /* blue, near-white, red; ends of equal luminance */
    AP_CMAP_GREY,      /* black to white, for images */
    AP_CMAP_COUNTS,    /* white to dark blue, for tables with numbers in the cells; luminance falls */
};

struct ap_cmap {
    enum ap_cmap_kind kind;
    struct ap_cmap_rgb rgb[AP_CMAP_N];
};

/* Colour-blind safe; the same part of a cell has the same colour in every figure. */
static const struct ap_cmap_rgb AP_CMAP_SOMA = {0x1A, 0x1A, 0x1A}, AP_CMAP_BASAL = {0x00, 0x6B, 0xB4},
                                AP_CMAP_APICAL = {0xD0, 0x2F, 0x1E}, AP_CMAP_INTERNEURON = {0x00, 0x8F, 0x6B},
                                AP_CMAP_ORANGE = {0xE0, 0x8E, 0x00}, AP_CMAP_PURPLE = {0x95, 0x4F, 0xA0},
                                AP_CMAP_NAN = {0xD6, 0x00, 0x9A}, AP_CMAP_WHITE = {0xFF, 0xFF, 0xFF};

/* Fills the table. The same bytes on every machine: + - * / and sqrt only. */
void ap_cmap_fill(struct ap_cmap *map, enum ap_cmap_kind kind);

/* The colour at fraction t of the map; clipped to its ends. NaN gives AP_CMAP_NAN. */
struct ap_cmap_rgb ap_cmap_at(const struct ap_cmap *map, double t);

/* CIE lightness L* of a colour, 0..100. */
double ap_cmap_lightness(struct ap_cmap_rgb colour);

/* Black or white, whichever is easier to read on the colour. */
struct ap_cmap_rgb ap_cmap_ink_on(struct ap_cmap_rgb colour);

/* Mixes a and b: amount 0 is a, 255 is b. */
struct ap_cmap_rgb ap_cmap_mix(struct ap_cmap_rgb a, struct ap_cmap_rgb b, int amount);

#endif
