/* vec.h: the N_Vector of the integrator. Sums run over blocks of fixed size and a fixed tree, so the bits do not depend
 * on the number of threads; the error norm is the largest over the parts of the state, so that a million slow weights
 * cannot hide one potential; clones come from a pool that is filled beforehand. */
#ifndef AP_VEC_H
#define AP_VEC_H

#include "circuit.h"

#include <sundials/sundials_nvector.h>

enum { AP_VEC_POOL = 40, AP_VEC_BLOCK = 1024 };

/* Shared by a vector and all its clones. */
struct ap_vec_pool;

struct ap_vec_pool *ap_vec_pool_create(struct ap_err *e, const struct ap_circuit *c, SUNContext context);
void ap_vec_pool_free(struct ap_vec_pool *pool);

/* How many copies of the circuit's state vectors hold from now on, c->copies at most: at first one. What they held is void
 * but for the copies that are in both. */
void ap_vec_resize(struct ap_vec_pool *pool, int copies);

/* Takes a vector from the pool; N_VDestroy gives it back. */
N_Vector ap_vec_take(struct ap_vec_pool *pool);
double *ap_vec_data(N_Vector v);

/* w = 1 / (rtol |y| + atol): the weights of the error norm. */
void ap_vec_weights(N_Vector y, double rtol, double atol, N_Vector w);

/* How many were in use at once, at most. */
int ap_vec_peak(const struct ap_vec_pool *pool);

/* Root mean square of x * weight over the worst part of the circuit's state. */
double ap_vec_norm(const struct ap_circuit *c, const double *x, const double *weight, double *partial);

#endif
