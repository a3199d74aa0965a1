/* probe.h: quantities recorded once per presentation. */
#ifndef AP_PROBE_H
#define AP_PROBE_H

#include "registry.h"

enum ap_probe_needs { AP_PROBE_POP = 1, AP_PROBE_COMP = 2, AP_PROBE_TARGET = 4, AP_PROBE_PROJ = 8, AP_PROBE_OTHER = 16 };

struct ap_probe_view;

struct ap_probe_row {
    struct ap_row row;
    int needs;              /* enum ap_probe_needs */
    bool mean;              /* time average over the presentation; else its value at the end */
    int columns;            /* numbers that it yields */
    const char *column[2];
    void (*value)(const struct ap_probe_view *v, double *out);
};

#endif
