/* readout.h: what an experimenter sees of a dendrite and its soma: the row type of the table of observables. */
#ifndef AP_READOUT_H
#define AP_READOUT_H

#include "registry.h"

struct ap_readout_spec;

struct ap_readout_row {
    struct ap_row row;
    /* The observable of one compartment of one cell from its potential v[n], sampled every `every` ms without a gap. */
    void (*observe)(const struct ap_readout_spec *s, double every, size_t n, const double *v, double *out);
};

#endif
