/* batch.h: several copies of a circuit side by side, one pattern each, with one set of weights.
 *
 * Each copy is a right-hand side of its own; what they share is the integrator's step and the matrices. So every dense
 * matrix is read once for all of them, in one product of matrices, and everything else is the code of a single circuit.
 * During a presentation each copy learns for itself, from the weights that all began with; at its end, or when a store of
 * changes is full, the matrices become the mean of what the copies have. With one copy all of this is what it was.
 *
 * The state is [copy][n_state]. */
#ifndef AP_BATCH_H
#define AP_BATCH_H

#include "basis.h"
#include "hierarchy.h"
#include "joint.h"
#include "plasticity.h"

struct ap_batch {
    const struct ap_circuit *c;
    int most, n; /* copies there are; in this presentation */
    struct ap_rhs **rhs;
    struct ap_plasticity **plasticity;
    struct ap_hierarchy *hierarchy; /* [most], when the integrator uses it */
    struct ap_rhs *more;            /* [most - 1] all but the first, which belongs to the caller */
    struct ap_plasticity *more_plasticity;
    const bool *plastic; /* [n_proj] whose rules act at some time of this presentation */
    struct ap_joint joint;
    /* products of several copies, to be folded at once, see synapse.h */
    double *post, *low, *pre, *share;
    struct ap_basis *basis; /* [most] of one store of each copy */
    size_t *at;             /* [most] the first of its products among all */
};

/* first and its plasticity are of copy 0 and stay the caller's; the others are made here, c->copies in all. */
enum ap_code ap_batch_init(struct ap_err *e, struct ap_batch *x, struct ap_rhs *first,
                           struct ap_plasticity *plasticity);
void ap_batch_free(struct ap_batch *x);

/* How many copies the next presentation has. Between presentations only. */
void ap_batch_resize(struct ap_batch *x, int n);

/* As ap_rhs_eval, ap_tangent_linearise, ap_tangent_product, ap_hierarchy_solve: of all copies. */
void ap_batch_eval(struct ap_batch *x, double t, const double *y, double *dy);
void ap_batch_linearise(struct ap_batch *x, double t, const double *y);
void ap_batch_product(struct ap_batch *x, const double *v, double *jv);
void ap_batch_solve(struct ap_batch *x, double gamma, const double *b, double *to);

/* Fields at (t, y), the end of a step. */
void ap_batch_fields(struct ap_batch *x, double t, const double *y);

/* As ap_rhs_begin; as ap_plasticity_begin and, with a step of length h behind, ap_plasticity_step. */
void ap_batch_begin(struct ap_batch *x, const bool *plastic);
void ap_batch_learn(struct ap_batch *x, double t);
void ap_batch_learned(struct ap_batch *x, double t, double h);

/* Brings the matrices up to date; nothing happens when they are. */
void ap_batch_fold(struct ap_batch *x);

#endif
