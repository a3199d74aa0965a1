/* unit.h: numbers with units, read strictly. Internally time is in ms, conductance per capacitance in 1/ms,
 * conductance in nS, capacitance in pF, potential dimensionless or in mV. */
#ifndef AP_UNIT_H
#define AP_UNIT_H

#include "err.h"

enum ap_dim {
    AP_DIM_NONE,        /* a bare number */
    AP_DIM_TIME,        /* ms */
    AP_DIM_RATE,        /* 1/ms: learning rates */
    AP_DIM_CONDUCTANCE, /* 1/ms (capacitance 1) or nS */
    AP_DIM_CAPACITANCE, /* bare (1) or pF */
    AP_DIM_POTENTIAL,   /* bare or mV */
    AP_DIM_NOISE,       /* potential per root of time: /sqrt(ms) or mV/sqrt(ms) */
    AP_DIM_COUNT
};

/* A quantity with the unit system it was written in. */
struct ap_quantity {
    double value;  /* in the internal unit */
    bool physical; /* written in nS, pF, mV: a cell must use these throughout */
};

/* The units of a dimension for messages and manuals: "ms, s or us". */
const char *ap_unit_accepted(enum ap_dim dim);
/* The internal unit: "ms", "" for a bare number. */
const char *ap_unit_name(enum ap_dim dim, bool physical);

/* Reads a whole token: [sign] digits [.digits] [e[sign]digits] [spaces] [unit]. Finite, no leading zeros,
 * no trailing characters, independent of the locale. On failure adds AP_EUSAGE naming `what`. */
enum ap_code ap_unit_read(struct ap_err *e, const struct ap_place *at, const char *what, const char *text,
                          enum ap_dim dim, struct ap_quantity *out);

/* A whole number in [min, max]. */
enum ap_code ap_unit_integer(struct ap_err *e, const struct ap_place *at, const char *what, const char *text,
                             int64_t min, int64_t max, int64_t *out);

/* Shortest text that reads back to the same double. */
const char *ap_unit_shortest(double value, char out[32]);

/* A call as written in a circuit file: `name`, or `name(a, b)` with numbers or words. */
enum { AP_CALL_ARGS = 8, AP_CALL_TEXT = 128 };
struct ap_call {
    char name[AP_CALL_TEXT];
    int n_args;
    char arg[AP_CALL_ARGS][AP_CALL_TEXT];
    bool has_parentheses;
};
enum ap_code ap_unit_call(struct ap_err *e, const struct ap_place *at, const char *what, const char *text,
                          struct ap_call *out);

#endif
