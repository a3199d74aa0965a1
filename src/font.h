/* font.h: a bitmap sans serif of our own: printable ASCII, the Greek letters and signs that figures of
 * neurons need, superscript digits for powers of ten. A code without a glyph is a box, never nothing. */
#ifndef AP_FONT_H
#define AP_FONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    AP_FONT_ROWS = 12,  /* rows of a glyph: 9 above the baseline, 3 below */
    AP_FONT_ASCENT = 9, /* height of a capital; small letters are 7 high */
    AP_FONT_COLS = 16,  /* widest glyph there can be */
    AP_FONT_SCALE_MAX = 8,
};

/* How a text is set. scale: pixels per pixel of the glyph, 1..8 (clamped). bold: strokes 1 wider. */
struct ap_font {
    int scale;
    bool bold;
};

/* One glyph: ink[row][column] is 0 or 1. */
struct ap_font_glyph {
    int width;
    uint8_t ink[AP_FONT_ROWS][AP_FONT_COLS];
};

/* Decodes one UTF-8 character and steps *text past it; bytes that are no UTF-8 give 0xFFFD, one each. At
 * the end it returns 0 and stays. */
uint32_t ap_font_next(const char **text);

/* The glyph of a code; false (and a box) when the font has none, as for every control character. */
bool ap_font_find(uint32_t code, struct ap_font_glyph *glyph);

/* Ink at pixel (x, y) of the glyph magnified by font.scale; diagonals are smoothed at even scales. */
bool ap_font_ink(const struct ap_font_glyph *glyph, struct ap_font font, int x, int y);

/* Pixels from the left edge of this glyph to that of the next one. */
int ap_font_advance(const struct ap_font_glyph *glyph, struct ap_font font);

/* Width in pixels of a text on one line; NULL and "" are 0. Height is AP_FONT_ROWS * scale. */
int ap_font_width(const char *text, struct ap_font font);

/* Copies text into out[size], cut and ended with an ellipsis so that it is at most `width` pixels wide;
 * "" when not even the ellipsis fits. Returns the width of what is in out. */
int ap_font_fit(const char *text, struct ap_font font, int width, char *out, size_t size);

#endif
