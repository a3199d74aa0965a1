/* probe.h: quantities recorded once per presentation. */
#ifndef AP_PROBE_H
#define AP_PROBE_H

#include "registry.h"

enum { AP_PROBE_COLUMNS = 3 };

enum ap_probe_needs {
    AP_PROBE_POP = 1,
    AP_PROBE_COMP = 2,
    AP_PROBE_TARGET = 4,
    AP_PROBE_PROJ = 8,
    AP_PROBE_OTHER = 16,
    AP_PROBE_HIDDEN =
        32, /* the population is a hidden layer of the feedforward network that analysis.h finds */
    AP_PROBE_FORWARD = 64,  /* the projection is one of its matrices, and has a rule */
    AP_PROBE_CHANGE = 128,  /* what the presentation did to it */
    AP_PROBE_ADJOINT = 256, /* the adjoint gradient */
    AP_PROBE_CURSOR = 512,  /* the population is driven by a cursor */
};

struct ap_probe_spec;
struct ap_rhs;
struct ap_analysis;
struct ap_adjoint;
struct ap_cursor;

/* What a probe looks at: the fields of the right-hand side at one moment, and the weights in force. */
struct ap_probe_view {
    const struct ap_probe_spec *spec;
    const struct ap_rhs *rhs;
    struct ap_analysis *analysis; /* of this moment, when a probe needs it */
    const struct ap_adjoint *adjoint;
    const struct ap_cursor *cursor;
    bool class_target; /* the target shows a class */
};

struct ap_probe_row {
    struct ap_row row;
    int needs;     /* enum ap_probe_needs */
    bool mean;     /* time average over the presentation; else its value at the end */
    bool is_error; /* smaller is better: shown as the progress */
    bool percent;  /* drawn and printed in percent */
    int columns;   /* numbers that it yields */
    const char *column[3];
    /* Values at this moment into out[columns]. */
    void (*value)(const struct ap_probe_view *v, double *out);
};

#endif
