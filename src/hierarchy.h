/* hierarchy.h: Newton's linear system, solved along the hierarchy of the circuit.
 *
 * An implicit step asks for x in (1 - gamma J) x = b. Ordered from the input upwards, and interneurons after the cells
 * that drive and nudge them, the circuit's Jacobian J is lower triangular but for what comes back: top-down and lateral
 * weights onto apical dendrites, weakened by their conductance and nearly cancelling each other. One pass from below
 * solves the triangle exactly at the cost of the forward matrices, half of one product J v; Newton's iteration takes
 * care of what is left out. Where feedback is strong it takes more iterations: the Krylov method is for that. */
#ifndef AP_HIERARCHY_H
#define AP_HIERARCHY_H

#include "rhs.h"

struct ap_hierarchy {
    struct ap_rhs *rhs;
    int n, order[AP_SPEC_POPS];                  /* populations with a state, from below */
    int first[AP_SPEC_POPS], last[AP_SPEC_POPS]; /* [n] their tasks */
    double *work;                                /* [n_state] */
};

enum ap_code ap_hierarchy_init(struct ap_err *e, struct ap_hierarchy *h, struct ap_rhs *rhs);
void ap_hierarchy_free(struct ap_hierarchy *h);

/* x [n_state], about (1 - gamma J)^-1 b, J at the linearised point; held weights only. */
void ap_hierarchy_solve(struct ap_hierarchy *h, double gamma, const double *b, double *x);

#endif
