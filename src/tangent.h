/* tangent.h: the Jacobian of the right-hand side times a vector. */
#ifndef AP_TANGENT_H
#define AP_TANGENT_H

#include "rhs.h"

/* Fixes the point (t, y) at which products are taken. */
void ap_tangent_linearise(struct ap_rhs *r, double t, const double *y);

/* jv = (d rhs / dy) v, both [n_state]. Held weights are those in memory: of large matrices, as they were when the
 * presentation began (factor.h). */
void ap_tangent_product(struct ap_rhs *r, const double *v, double *jv);

/* Its stages 1 and 2a, v being the change of the state: into dv, drate, dinput. Sums of changed rates by the weights,
 * plus (coupled) rates by changed weights; clamped populations do not change. known [n_pop], or NULL for all: the others
 * are left out. */
void ap_tangent_rates(struct ap_rhs *r, const struct ap_task *t, const double *v);
void ap_tangent_sums(struct ap_rhs *r, const struct ap_task *t, const double *v, const bool *known);

#endif
