/* tick.c: nice numbers.
 *
 * In:   the limits of an axis.
 * Out:  tick positions and labels.
 * Invariants:
 *   1. A tick is a whole number times a power of ten, computed with one rounding: the label is its value.
 *   2. Ticks lie within the limits, but for a millionth of a step.
 *   3. Decades are found by comparing with powers of ten, not by logarithms.
 * Never: prints "-0".
 * Test: tests/unit/test_plot.c */
#include "tick.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static double ten_to(int k) /* exact up to 10^22 */
{
    double p = 1;
    for (int i = 0; i < k && i < 400; i++)
        p *= 10;
    return p;
}

static double times_ten_to(double v, int k)
{
    return k >= 0 ? v * ten_to(k) : k < -300 ? v / ten_to(300) / ten_to(-k - 300) : v / ten_to(-k);
}

/* The largest k with 10^k <= v; v > 0 and finite. */
static int exponent_of(double v)
{
    int k = (int)floor(log10(v));
    while (times_ten_to(1, k) > v)
        k--;
    while (k < 308 && times_ten_to(1, k + 1) <= v)
        k++;
    return k;
}

void ap_tick_number(char *out, size_t size, double value, int decimals)
{
    char text[400];
    decimals = decimals < 0 ? 0 : decimals > 15 ? 15 : decimals;
    snprintf(text, sizeof text, "%.*f", decimals, value);
    bool negative = text[0] == '-';
    const char *digits = text + negative;
    if (strspn(digits, "0.") == strlen(digits))
        negative = false;
    snprintf(out, size, "%s%s", negative ? "−" : "", digits);
}

/* Writes 10 to the power k with raised digits. */
static void power_text(char *out, size_t size, const char *before, int k)
{
    static const char *const raised[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
    char digits[16], text[AP_TICK_TEXT] = "";
    snprintf(digits, sizeof digits, "%d", k < 0 ? -k : k);
    for (const char *c = digits; *c; c++)
        strcat(text, raised[*c - '0']); /* at most 3 digits of 3 bytes */
    snprintf(out, size, "%s10%s%s", before, k < 0 ? "⁻" : "", text);
}

static void choose_linear(struct ap_tick_set *set, bool whole, double lo, double hi, int max_n)
{
    double span = hi - lo;
    static const int mantissas[] = {1, 2, 5, 10, 20, 50};
    int k = exponent_of(span / max_n), m = 0;
    if (whole && k < 0)
        k = 0;
    double first = 0, last = -1;
    for (size_t i = 0; i < sizeof mantissas / sizeof mantissas[0]; i++) {
        m = mantissas[i];
        double step = times_ten_to(m, k);
        double slack = 1e-6 * (span < step ? span / step : 1); /* 3 * 0.1 is a little more than 0.3 */
        first = ceil(lo / step - slack);
        last = floor(hi / step + slack);
        if (last - first < max_n)
            break;
    }
    if (m >= 10) {
        m /= 10;
        k++;
    }
    if (fabs(first) > 1e12 || fabs(last) > 1e12) /* the step is lost in the rounding of the limits */
        return;
    double largest = fabs(first) > fabs(last) ? fabs(first) : fabs(last);
    int e = largest > 0 ? exponent_of(largest * m) + k : 0, shift = 0;
    if (e >= 5 || e <= -4)
        shift = (e >= 0 ? e / 3 : -((-e + 2) / 3)) * 3;
    for (double i = first; i <= last && set->n < max_n; i++) {
        int at = set->n++;
        set->value[at] = times_ten_to(i * m, k);
        ap_tick_number(set->label[at], AP_TICK_TEXT, times_ten_to(i * m, k - shift), shift - k);
    }
    if (shift)
        power_text(set->factor, sizeof set->factor, "×", shift);
}

static void choose_log(struct ap_tick_set *set, double lo, double hi, int max_n)
{
    int e0 = exponent_of(lo), e1 = exponent_of(hi);
    int low = times_ten_to(1, e0) < lo ? e0 + 1 : e0; /* first decade inside */
    int decades = e1 - low + 1;
    if (decades < 2) { /* 1, 2 and 5, or plain linear ticks */
        static const int mantissas[] = {1, 2, 5};
        for (int e = e0; e <= e1; e++)
            for (int i = 0; i < 3; i++) {
                double v = times_ten_to(mantissas[i], e);
                if (v < lo || v > hi || set->n == max_n)
                    continue;
                set->value[set->n] = v;
                if (e >= -4 && e <= 4)
                    ap_tick_number(set->label[set->n], AP_TICK_TEXT, v, e < 0 ? -e : 0);
                else
                    snprintf(set->label[set->n], AP_TICK_TEXT, "%de%d", mantissas[i], e);
                set->n++;
            }
        if (set->n < 2) {
            set->n = 0;
            choose_linear(set, false, lo, hi, max_n);
        }
        return;
    }
    int stride = (decades + max_n - 1) / max_n;
    bool plain = low >= -2 && e1 <= 3;
    for (int e = low; e <= e1; e++) {
        if ((e - low) % stride != 0) {
            if (set->n_minor < AP_TICK_MINOR_MAX)
                set->minor[set->n_minor++] = times_ten_to(1, e);
            continue;
        }
        set->value[set->n] = times_ten_to(1, e);
        if (plain)
            ap_tick_number(set->label[set->n], AP_TICK_TEXT, set->value[set->n], e < 0 ? -e : 0);
        else
            power_text(set->label[set->n], AP_TICK_TEXT, "", e);
        set->n++;
    }
    for (int e = e0; e <= e1 && stride == 1 && decades <= 8; e++)
        for (int i = 2; i < 10; i++) {
            double v = times_ten_to(i, e);
            if (v >= lo && v <= hi && set->n_minor < AP_TICK_MINOR_MAX)
                set->minor[set->n_minor++] = v;
        }
}

void ap_tick_choose(struct ap_tick_set *set, enum ap_tick_kind kind, double lo, double hi, int max_n)
{
    memset(set, 0, sizeof *set);
    max_n = max_n < 1 ? 1 : max_n > AP_TICK_MAX ? AP_TICK_MAX : max_n;
    if (!isfinite(lo) || !isfinite(hi) || !(lo < hi) || !isfinite(hi - lo) || (hi - lo) / max_n < 1e-290)
        return;
    if (kind != AP_TICK_LOG)
        choose_linear(set, kind == AP_TICK_INTEGER, lo, hi, max_n);
    else if (lo > 1e-300)
        choose_log(set, lo, hi, max_n);
}
