/* step.h: what one step of a rule does to a matrix and to its low-passed products, as coefficients. */
#ifndef AP_STEP_H
#define AP_STEP_H

#include <stdbool.h>

/* Coefficients of one step of a rule in which post * pre^T moves linearly from (post0, pre0) to (post1, pre1):
 *     w = left * w + kd * d + k0 * post0 pre0^T + k1 * post1 pre1^T
 *     d = e * d + c0 * post0 pre0^T + c1 * post1 pre1^T */
struct ap_step {
    double left, kd, k0, k1, e, c0, c1;
    double k2, c2; /* the same of a product that moves like s (s - 1) from s = 0 to 1: what curvature adds */
};
/* The last three products lie on a parabola, c s (s - 1) above the line between the last two, s = 0 and 1; the first is at
 * s = -before/h, h and before being the lengths of the last two steps. part: what c takes of each. False: there was no step
 * before (0), or it was too short for its curvature to be carried so far. */
bool ap_step_bend(double h, double before, double part[3]);
/* Explicit Euler: only the values at the beginning of the step of length dt count. */
struct ap_step ap_step_euler(double dt, double tau, double eta, double decay);
/* h: length of the step; tau: low-pass time constant, 0: none; eta: learning rate; decay: of the weights [1/ms]. Exact
 * for a linear product without decay, and with it for a constant D; else of second order in decay * h. */
struct ap_step ap_step_of(double h, double tau, double eta, double decay);

#endif
