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

/* The inverse of 1 - gamma J between the dynamic compartments of one neuron. */
enum { AP_HIERARCHY_COMPS = 16 };
struct ap_hierarchy_local {
    int n, comp[AP_HIERARCHY_COMPS];
    double inverse[AP_HIERARCHY_COMPS][AP_HIERARCHY_COMPS];
};

struct ap_hierarchy {
    struct ap_rhs *rhs;
    int n, order[AP_SPEC_POPS];                  /* populations with a state, from below */
    int *task;                                   /* tasks of the right-hand side, population by population */
    int first[AP_SPEC_POPS], last[AP_SPEC_POPS]; /* [n] where those of each are */
    bool known[AP_SPEC_POPS];                    /* [n_pop] solved already, in this pass */
    int place[AP_SPEC_POPS];                     /* [n_pop] in that order; -1: no state */
    struct ap_hierarchy_local *local;            /* [n] at the last gamma */
    double *work, *x;                            /* [n_state] x: what the last pass found */
    long evaluations;                            /* of the right-hand side before the last pass */
};

enum ap_code ap_hierarchy_init(struct ap_err *e, struct ap_hierarchy *h, struct ap_rhs *rhs);
void ap_hierarchy_free(struct ap_hierarchy *h);

/* The tasks of its right-hand side are others now (ap_rhs_divide). */
void ap_hierarchy_divide(struct ap_hierarchy *h);

/* x [n_state], about (1 - gamma J)^-1 b, J at the linearised point; held weights only. */
void ap_hierarchy_solve(struct ap_hierarchy *h, double gamma, const double *b, double *x);

/* Its parts, for several circuits that share their weights: before; what all neurons of a population have in common, the same for
 * all circuits; task[k] of population order[o], k in [first[o], last[o]); that population is solved; after. */
void ap_hierarchy_begin(struct ap_hierarchy *h);
void ap_hierarchy_locals(struct ap_hierarchy *h,
                         double gamma); /* fills h->local; begin must have been last */
void ap_hierarchy_task(struct ap_hierarchy *h, int k, const struct ap_hierarchy_local *l, double gamma,
                       const double *b, double *x);
void ap_hierarchy_solved(struct ap_hierarchy *h, int o);
void ap_hierarchy_end(struct ap_hierarchy *h, const double *x);

/* Fields at (t, y), the end of a step, from those of its last evaluation: Newton's last correction was y minus the state
 * there, and what it sent upwards is known from the pass that found it; only what returns is summed again. The error is
 * of second order in the correction. False: these are not the fields of such a moment, nothing was done. */
bool ap_hierarchy_follow(struct ap_hierarchy *h, double t, const double *y);

/* Its parts: whether these are the fields of such a moment; rates and their changes; sums, of which those that return are
 * taken with the matrices. Each thread of a team calls the last two, and waits in between. */
bool ap_hierarchy_arrived(const struct ap_hierarchy *h, double t, const double *y);
void ap_hierarchy_follow_rates(struct ap_hierarchy *h, double t, const double *y, struct ap_team team);
bool ap_hierarchy_returns(const struct ap_hierarchy *h, int proj);
void ap_hierarchy_follow_sums(struct ap_hierarchy *h, struct ap_team team);

#endif
