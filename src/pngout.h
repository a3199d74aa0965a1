/* pngout.h: an image to a PNG file, with texts that say where it comes from. */
#ifndef AP_PNGOUT_H
#define AP_PNGOUT_H

#include "err.h"

#include <stdint.h>

enum { AP_PNGOUT_SIDE_MAX = 16384 }; /* pixels along either side */

/* A text chunk, such as {"Title", "..."}, {"Software", "apical 0.1.0"}, {"Source", "<digest>"}. key: 1 to 79
 * printable ASCII characters; value: UTF-8, control characters are replaced. */
struct ap_pngout_text {
    const char *key, *value;
};

/* Encodes rgb[height][width][3] into *data (freed with ap_mem_free). */
enum ap_code ap_pngout_encode(struct ap_err *e, const uint8_t *rgb, int width, int height,
                              const struct ap_pngout_text *texts, size_t n_texts, char **data, size_t *size);

/* Encodes and writes the file, whole or not at all. */
enum ap_code ap_pngout_write(struct ap_err *e, const char *path, const uint8_t *rgb, int width, int height,
                             const struct ap_pngout_text *texts, size_t n_texts);

#endif
