/* tick.h: where an axis has its ticks and what stands beside them. */
#ifndef AP_TICK_H
#define AP_TICK_H

#include <stdbool.h>
#include <stddef.h>

enum { AP_TICK_MAX = 24, AP_TICK_MINOR_MAX = 128, AP_TICK_TEXT = 32 };

struct ap_tick_set {
    int n;
    double value[AP_TICK_MAX]; /* rising */
    char label[AP_TICK_MAX][AP_TICK_TEXT];
    int n_minor;
    double minor[AP_TICK_MINOR_MAX]; /* without labels; log axes only */
    char factor[AP_TICK_TEXT];       /* "×10⁻⁶" when the labels leave it out, or "" */
};

enum ap_tick_kind {
    AP_TICK_LINEAR,
    AP_TICK_INTEGER, /* linear, and steps are whole numbers */
    AP_TICK_LOG,     /* log10; lo must be > 0 */
};

/* Ticks at multiples of 1, 2 or 5 times a power of ten within [lo, hi], at most max_n (1..AP_TICK_MAX, taken
 * to be in that range). Limits that are not finite, not rising or not positive on a log axis give none. */
void ap_tick_choose(struct ap_tick_set *set, enum ap_tick_kind kind, double lo, double hi, int max_n);

/* Writes a number with a true minus sign and so many decimals (0..15). */
void ap_tick_number(char *out, size_t size, double value, int decimals);

#endif
