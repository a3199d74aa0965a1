/* unit.c: numbers with units, whole numbers, and calls like uniform(-1, 1).
 *
 * In:   scalar texts of the circuit file.
 * Out:  doubles in internal units, or AP_EUSAGE with what was found and what was expected.
 * Invariants:
 *   1. The whole token is read or refused: "100abc", "010", "0x10", "1_000", "1,5", "nan", "1e400" are errors.
 *   2. The result does not depend on the locale.
 *   3. ap_unit_shortest(x) reads back to x, bit for bit.
 * Never: guesses a unit.
 * Test: tests/unit/test_unit.c */
#include "unit.h"

#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct unit {
    const char *text;
    enum ap_dim dim;
    int power; /* of ten, to the internal unit */
    bool physical;
} UNITS[] = {
    {"ms", AP_DIM_TIME, 0, false},          {"s", AP_DIM_TIME, 3, false},
    {"us", AP_DIM_TIME, -3, false},         {"/ms", AP_DIM_RATE, 0, false},
    {"1/ms", AP_DIM_RATE, 0, false},        {"/s", AP_DIM_RATE, -3, false},
    {"1/s", AP_DIM_RATE, -3, false},        {"/ms", AP_DIM_CONDUCTANCE, 0, false},
    {"1/ms", AP_DIM_CONDUCTANCE, 0, false}, {"/s", AP_DIM_CONDUCTANCE, -3, false},
    {"1/s", AP_DIM_CONDUCTANCE, -3, false}, {"nS", AP_DIM_CONDUCTANCE, 0, true},
    {"pS", AP_DIM_CONDUCTANCE, -3, true},   {"uS", AP_DIM_CONDUCTANCE, 3, true},
    {"", AP_DIM_CAPACITANCE, 0, false},     {"pF", AP_DIM_CAPACITANCE, 0, true},
    {"nF", AP_DIM_CAPACITANCE, 3, true},    {"", AP_DIM_POTENTIAL, 0, false},
    {"mV", AP_DIM_POTENTIAL, 0, true},      {"V", AP_DIM_POTENTIAL, 3, true},
    {"uV", AP_DIM_POTENTIAL, -3, true},     {"/sqrt(ms)", AP_DIM_NOISE, 0, false},
    {"mV/sqrt(ms)", AP_DIM_NOISE, 0, true}, {"", AP_DIM_NONE, 0, false},
};
enum { N_UNITS = sizeof UNITS / sizeof *UNITS };

static const char *const ACCEPTED[AP_DIM_COUNT] = {
    [AP_DIM_NONE] = "a bare number",
    [AP_DIM_TIME] = "a time in ms, s or us",
    [AP_DIM_RATE] = "a rate in /ms or /s",
    [AP_DIM_CONDUCTANCE] = "a conductance in /ms (capacitance 1) or nS",
    [AP_DIM_CAPACITANCE] = "a capacitance: a bare number or pF",
    [AP_DIM_POTENTIAL] = "a potential: a bare number (dimensionless) or mV",
    [AP_DIM_NOISE] = "a noise amplitude in /sqrt(ms) or mV/sqrt(ms)",
};

static const char *const EXAMPLE[AP_DIM_COUNT] = {
    [AP_DIM_NONE] = "0.5",
    [AP_DIM_TIME] = "100 ms",
    [AP_DIM_RATE] = "0.0005 /ms",
    [AP_DIM_CONDUCTANCE] = "0.8 /ms",
    [AP_DIM_CAPACITANCE] = "1",
    [AP_DIM_POTENTIAL] = "-0.5",
    [AP_DIM_NOISE] = "0.1 /sqrt(ms)",
};

const char *ap_unit_accepted(enum ap_dim dim)
{
    return ACCEPTED[dim];
}

const char *ap_unit_name(enum ap_dim dim, bool physical)
{
    for (int i = 0; i < N_UNITS; i++)
        if (UNITS[i].dim == dim && UNITS[i].physical == physical && UNITS[i].power == 0)
            return UNITS[i].text;
    return "";
}

static locale_t c_locale(void)
{
    static locale_t made; /* two threads at once would make two equal ones */
    locale_t have = __atomic_load_n(&made, __ATOMIC_ACQUIRE);
    if (!have) {
        have = newlocale(LC_ALL_MASK, "C", (locale_t)0);
        __atomic_store_n(&made, have, __ATOMIC_RELEASE);
    }
    return have;
}

/* strtod in the C locale, whatever the host program has set. */
static double to_double(const char *text)
{
    locale_t c = c_locale();
    return c ? strtod_l(text, NULL, c) : strtod(text, NULL);
}

const char *ap_unit_shortest(double value, char out[32])
{
    locale_t c = c_locale(), before = c ? uselocale(c) : (locale_t)0;
    int digits = 1;
    for (; digits < 17; digits++) {
        snprintf(out, 32, "%.*e", digits - 1, value);
        if (strtod(out, NULL) == value)
            break;
    }
    if (!isfinite(value) || value == 0)
        snprintf(out, 32, "%g", value);
    else {
        snprintf(out, 32, "%.*e", digits - 1, value);
        int exponent = (int)strtol(strchr(out, 'e') + 1, NULL, 10);
        if (exponent >= -5 && exponent < 15) /* 100, not 1e+02 */
            snprintf(out, 32, "%.*f", digits - 1 > exponent ? digits - 1 - exponent : 0, value);
        else
            snprintf(strchr(out, 'e'), 8, "e%d", exponent);
    }
    if (before)
        uselocale(before);
    return out;
}

/* Length of the number at the start of text by our grammar, 0 when there is none. */
static size_t number_length(const char *text)
{
    const char *c = text;
    if (*c == '+' || *c == '-')
        c++;
    if (!isdigit((unsigned char)*c))
        return 0;
    if (*c == '0' && isdigit((unsigned char)c[1]))
        return 0; /* 010: octal to some readers, ten to others */
    while (isdigit((unsigned char)*c))
        c++;
    if (*c == '.') {
        c++;
        if (!isdigit((unsigned char)*c))
            return 0;
        while (isdigit((unsigned char)*c))
            c++;
    }
    if (*c == 'e' || *c == 'E') {
        const char *mark = c++;
        if (*c == '+' || *c == '-')
            c++;
        if (!isdigit((unsigned char)*c))
            c = mark;
        while (isdigit((unsigned char)*c))
            c++;
    }
    return (size_t)(c - text);
}

/* A number of our grammar times a power of ten, rounded once: "0.009 ms" and "9 us" are the same bits. */
static double scaled(const char *number, size_t length, int power)
{
    char text[AP_CALL_TEXT];
    size_t mantissa = 0;
    while (mantissa < length && number[mantissa] != 'e' && number[mantissa] != 'E')
        mantissa++;
    long exponent = mantissa < length ? strtol(number + mantissa + 1, NULL, 10) : 0;
    if (exponent > 10000)
        exponent = 10000;
    if (exponent < -10000)
        exponent = -10000;
    snprintf(text, sizeof text, "%.*se%ld", (int)mantissa, number, exponent + power);
    return to_double(text);
}

static enum ap_code bad_number(struct ap_err *e, const struct ap_place *at, const char *what,
                               const char *text, enum ap_dim dim, const char *why)
{
    char hint[AP_ERR_HINT];
    snprintf(hint, sizeof hint, "for example `%s`", EXAMPLE[dim]);
    return ap_err_add(e, AP_EUSAGE, at, hint, "%s: found '%s'%s%s, expected %s", what, text, *why ? ", " : "",
                      why, ACCEPTED[dim]);
}

enum ap_code ap_unit_read(struct ap_err *e, const struct ap_place *at, const char *what, const char *text,
                          enum ap_dim dim, struct ap_quantity *out)
{
    size_t length = number_length(text);
    if (length == 0 || length > 64) {
        const char *why = "";
        if (strcasecmp(text, "nan") == 0 || strcasecmp(text, ".nan") == 0 || strcasestr(text, "inf"))
            why = "which is not a finite number";
        else if (length > 64)
            why = "which has more than 64 characters";
        else if (text[strspn(text, "+-")] == '0' && isdigit((unsigned char)text[strspn(text, "+-") + 1]))
            why = "which has a leading zero";
        return bad_number(e, at, what, text, dim, why);
    }
    bool has_digit = false;
    for (size_t k = 0; k < length && text[k] != 'e' && text[k] != 'E'; k++)
        has_digit = has_digit || (text[k] >= '1' && text[k] <= '9');

    const char *unit = text + length;
    while (*unit == ' ')
        unit++;
    if (*unit == 0 && unit > text + length)
        return bad_number(e, at, what, text, dim, "which ends in a space");
    bool known_elsewhere = false;
    for (int i = 0; i < N_UNITS; i++) {
        if (strcmp(unit, UNITS[i].text) != 0)
            continue;
        if (UNITS[i].dim == dim) {
            double value = scaled(text, length, UNITS[i].power);
            if (!isfinite(value))
                return bad_number(e, at, what, text, dim, "which is too large for a double");
            if (has_digit && value == 0)
                return bad_number(e, at, what, text, dim, "which is too small for a double");
            out->value = value;
            out->physical = UNITS[i].physical;
            return AP_OK;
        }
        known_elsewhere = true;
    }
    if (*unit == 0)
        return bad_number(e, at, what, text, dim, "which has no unit");
    if (dim == AP_DIM_NONE)
        return bad_number(e, at, what, text, dim,
                          known_elsewhere ? "which has a unit" : "which has trailing characters");
    return bad_number(e, at, what, text, dim,
                      known_elsewhere ? "which has the wrong dimension" : "whose unit is unknown");
}

enum ap_code ap_unit_integer(struct ap_err *e, const struct ap_place *at, const char *what, const char *text,
                             int64_t min, int64_t max, int64_t *out)
{
    const char *c = text;
    if (*c == '-' || *c == '+')
        c++;
    bool whole = isdigit((unsigned char)*c) && !(*c == '0' && c[1]);
    for (const char *d = c; *d; d++)
        whole = whole && isdigit((unsigned char)*d);
    errno = 0;
    long long value = whole ? strtoll(text, NULL, 10) : 0;
    if (!whole)
        return ap_err_add(e, AP_EUSAGE, at, "digits alone: no decimal point, leading zero, unit or exponent",
                          "%s: found '%s', expected a whole number", what, text);
    if (errno == ERANGE || value < min || value > max)
        return max == INT64_MAX ? ap_err_add(e, AP_EUSAGE, at, NULL,
                                             "%s: found %s, expected a whole number of at least %lld", what,
                                             text, (long long)min)
                                : ap_err_add(e, AP_EUSAGE, at, NULL,
                                             "%s: found %s, expected a whole number from %lld to %lld", what,
                                             text, (long long)min, (long long)max);
    *out = value;
    return AP_OK;
}

enum ap_code ap_unit_call(struct ap_err *e, const struct ap_place *at, const char *what, const char *text,
                          struct ap_call *out)
{
    memset(out, 0, sizeof *out);
    const char *open = strchr(text, '(');
    size_t name = open ? (size_t)(open - text) : strlen(text);
    size_t end = strlen(text);
    while (name > 0 && text[name - 1] == ' ')
        name--;
    bool closed = !open || (end > 0 && text[end - 1] == ')');
    if (name == 0 || name >= AP_CALL_TEXT || !closed || (open && strchr(open + 1, '(')) ||
        strcspn(text, ")") + (open != NULL) < end)
        return ap_err_add(e, AP_EUSAGE, at, "for example `uniform(-1, 1)`",
                          "%s: found '%s', expected a name or name(argument, ...)", what, text);
    memcpy(out->name, text, name);
    if (!open)
        return AP_OK;
    out->has_parentheses = true;
    const char *c = open + 1, *last = text + end - 1;
    while (c < last) {
        const char *comma = memchr(c, ',', (size_t)(last - c));
        const char *stop = comma ? comma : last;
        while (c < stop && *c == ' ')
            c++;
        size_t length = (size_t)(stop - c);
        while (length > 0 && c[length - 1] == ' ')
            length--;
        if (length == 0 || length >= AP_CALL_TEXT || out->n_args == AP_CALL_ARGS)
            return ap_err_add(e, AP_EUSAGE, at, "for example `uniform(-1, 1)`",
                              "%s: '%s' has an empty, overlong or surplus argument", what, text);
        memcpy(out->arg[out->n_args++], c, length);
        c = comma ? comma + 1 : last;
        if (comma && c >= last)
            return ap_err_add(e, AP_EUSAGE, at, NULL, "%s: '%s' ends in a comma", what, text);
    }
    return AP_OK;
}
