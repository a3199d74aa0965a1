/* plasticity.h: held weights: constant within a step, updated after it. */
#ifndef AP_PLASTICITY_H
#define AP_PLASTICITY_H

#include "rhs.h"

struct ap_plasticity {
    struct ap_rhs *rhs;
    double *before; /* [n_signal] signals at the beginning of the step, of rules that read them */
};

enum ap_code ap_plasticity_init(struct ap_err *e, struct ap_plasticity *x, struct ap_rhs *rhs);
void ap_plasticity_free(struct ap_plasticity *x);

/* Whether any rule acts in this presentation on held weights. */
bool ap_plasticity_acts(const struct ap_plasticity *x);

/* A presentation begins (t = 0), or an intervention begins or ends: the fields of rhs are those at t; keeps their signals.
 */
void ap_plasticity_begin(struct ap_plasticity *x, double t);

/* The fields of rhs are those at time t, the end of a step of length h: updates weights and low-passed products. */
void ap_plasticity_step(struct ap_plasticity *x, double t, double h);

/* After both, for a circuit that has its weights to itself: full stores are renewed, and what past products add to sums is
 * taken anew where it is stale. */
void ap_plasticity_renew(struct ap_plasticity *x);
bool ap_plasticity_stale(const struct ap_plasticity *x, const struct ap_factor *f);

/* Explicit Euler: rhs->signal holds the signals at the beginning of the step of length dt that ended at t. */
void ap_plasticity_euler(struct ap_plasticity *x, double t, double dt);

#endif
