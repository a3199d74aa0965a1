/* signal.h: the signals that a neuron offers to its synapses. Each is a pure function of one neuron's own
 * potentials, which makes locality a matter of structure: nothing else can be named in a plasticity rule. */
#ifndef AP_SIGNAL_H
#define AP_SIGNAL_H

#include "registry.h"
#include "transfer.h"

/* What a signal may look at: arrays over the neurons of one population, all [n]. */
struct ap_signal_view {
    size_t n;
    const double *soma;  /* potential of the soma */
    const double *rate;  /* phi(soma) */
    const double *comp;  /* potential of the compartment that the signal names, NULL when none */
    double gain, offset; /* attenuated prediction of the soma by that compartment: offset + gain * comp */
    double rest;         /* resting potential of that compartment */
    const struct ap_transfer_row *transfer;
    const double *param; /* of the transfer function */
    double *scratch;     /* [n] */
};

/* A direction in which the same arrays change, for Jacobian products. */
struct ap_signal_change {
    const double *soma, *rate, *comp; /* [n] */
};

struct ap_signal_row {
    struct ap_row row;
    bool needs_comp;
    void (*value)(const struct ap_signal_view *v, double *out);
    void (*change)(const struct ap_signal_view *v, const struct ap_signal_change *d, double *out);
};

#endif
