/* basis.h: what a store of factor.h holds, in fewer products.
 *
 * The products of one presentation, post_k pre_k^T, k < n, lie close together: rates settle within a few time constants, so few
 * of the pre_k span them all. With pre_k = sum_j c[k][j] pre_of[j], j < n of the basis,
 *     sum_k a_k post_k pre_k^T = sum_j (sum_k a_k c[k][j] post_k) pre_of[j]^T
 * and the same with d_k. To fold them into the matrices then costs as many products as the basis has. */
#ifndef AP_BASIS_H
#define AP_BASIS_H

#include "factor.h"

struct ap_basis {
    size_t n, of[AP_SYNAPSE_RANK];
    double c[AP_SYNAPSE_RANK][AP_SYNAPSE_RANK]; /* [product][member]; 0 above a member's own row */
};

/* Chooses the members. What is left out of all products together is less than a hundredth of the integrator's relative tolerance of
 * them, each taken by its norm and by what it adds to weights now and, through D, later. Where that is too near to rounding, or steps
 * are fixed, all are members. */
void ap_basis_find(struct ap_basis *b, const struct ap_factors *x, const struct ap_factor *f);

/* post, low [b->n][rows]: what W and what D take, the second with low-pass alone; pre [b->n][cols]. */
void ap_basis_write(const struct ap_basis *b, const struct ap_factors *x, const struct ap_factor *f,
                    double *post, double *low, double *pre);

#endif
