/* adjoint.h: the gradient of the circuit itself, as a system of differential equations: how the loss of its output at
 * the end of a presentation depends on every forward weight, by the adjoint method of CVODES.
 *
 * The presentation that a right-hand side has just shown is run once more from the same potentials, with the weights
 * of now, without teacher, noise and plasticity: what the circuit would have answered. Feedback, interneurons,
 * transients and interventions all take part, unlike in the feedforward network of analysis.h; for weak feedback the
 * two gradients agree to first order. With
 *     du/dt = f(t, u, W),  L = loss(u(T)):   -dl/dt = (df/du)^T l,  l(T) = dL/du,   dL/dW = integral of (df/dW)^T l. */
#ifndef AP_ADJOINT_H
#define AP_ADJOINT_H

#include "analysis.h"

struct ap_adjoint;

/* a: an analysis of the right-hand side to follow; must outlive this. */
enum ap_code ap_adjoint_create(struct ap_err *e, const struct ap_analysis *a, struct ap_adjoint **out);
void ap_adjoint_free(struct ap_adjoint *x);

/* At the end of a presentation of block `b` that began with the potentials `start` [n_membrane]. Cost: one presentation
 * forward and one backward at a relative tolerance of 1e-8, about ten presentations of a usual run. AP_ENUMERIC when
 * CVODES gives up. */
enum ap_code ap_adjoint_eval(struct ap_err *e, struct ap_adjoint *x, const struct ap_block_spec *b,
                             const double *start);

/* Of the last evaluation: the loss without teacher; dL/dW of layer k's forward matrix, [n_k][n_{k-1}]. */
double ap_adjoint_loss(const struct ap_adjoint *x);
const double *ap_adjoint_gradient(const struct ap_adjoint *x, int k);

/* out = (d rhs / dy)^T lambda, both [n_membrane], at the point where r was linearised, weights constant. work holds
 * ap_adjoint_work(c) numbers. */
size_t ap_adjoint_work(const struct ap_circuit *c);
void ap_adjoint_product(const struct ap_rhs *r, const double *lambda, double *out, double *work);

#endif
