/* synapse.h: the kernels of the hot path. Each output is one row's own sum in a fixed order, so the bits do not
 * depend on threads or on the width of the CPU's registers. */
#ifndef AP_SYNAPSE_H
#define AP_SYNAPSE_H

#include "step.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* out[i] (+)= sum_j w[i][j] x[j], i < rows. w is [rows][cols], row-major. The sum of a row: 16 lanes, lane l takes
 * columns l, l + 16, ... by fma; then lanes fold by halves. add: add to out, else overwrite. */
void ap_synapse_product(size_t rows, size_t cols, const double *w, const double *x, int add, double *out);

/* The same by the definition, for tests: the lane structure written out slowly. */
void ap_synapse_product_naive(size_t rows, size_t cols, const double *w, const double *x, int add,
                              double *out);

/* out[i] = sum_j w[i][j] x[j] in single precision, cols a multiple of AP_SYNAPSE_SINGLE: so many lanes by fma, which fold by
 * halves. */
enum { AP_SYNAPSE_SINGLE = 32 };
void ap_synapse_product_single(size_t rows, size_t cols, const float *w, const float *x, double *out);

/* Many right-hand sides at once, side by side: out[i * stride + b] (+)= sum_j w[i * cols + j] x[j * stride + b], i < rows,
 * b < stride. stride is a multiple of 8; columns that no one uses hold zeros. Each sum has one accumulator, j = 0, 1, ... by
 * fma, and is then added to out: its bits depend on neither stride nor b. */
void ap_synapse_batch(size_t rows, size_t cols, const double *w, size_t stride, const double *x, int add,
                      double *out);

/* The same from numbers in single precision: 256 columns at a time, j = 0, 1, ... by fma, which are then added in double. */
void ap_synapse_batch_single(size_t rows, size_t cols, const float *w, size_t stride, const float *x,
                             double *out);
void ap_synapse_single(size_t n, const double *w, float *to);

/* A matrix in two digits of 8 bits, see mirror.h: w[i][j] / scale[i] is the first digit and 1 / AP_SYNAPSE_BASE of the second, each
 * rounded to nearest; the largest of a row is 127. Row i is at i * stride / 4 of both; columns from cols to stride become 0; lost_first[i] is
 * the sum of what the first leaves, lost[i] of what both do. A row with a number that is not finite has the scale NaN. */
enum { AP_SYNAPSE_COARSE = 64, AP_SYNAPSE_BASE = 254 }; /* stride is a multiple of the first */
void ap_synapse_coarsen(size_t rows, size_t cols, const double *w, size_t stride, int32_t *first,
                        int32_t *second, double *scale, double *lost_first, double *lost);
/* out[i] += scale[i] * unit * sum_j w[i][j] x[j], i < rows, the sum of digits in single precision: 16 lanes by fma that fold by
 * halves. */
void ap_synapse_coarse(size_t rows, size_t stride, const int32_t *w, const double *scale, double unit,
                       const float *x, double *out);

/* One step of a rule. */
void ap_synapse_apply(size_t rows, size_t cols, double *w, double *d, const double *post0, const double *pre0,
                      const double *post1, const double *pre1, const struct ap_step *k);

/* A whole presentation at once, see afferent.h: w = left w + alpha d + p a^T + q b^T, then
 * d = epsilon d + r a^T + s b^T. */
void ap_synapse_fold(size_t rows, size_t cols, double *w, double *d, double left, double alpha,
                     double epsilon, const double *p, const double *q, const double *r, const double *s,
                     const double *a, const double *b);

/* out[i] += sum_k c[k] v[k * stride + i], i < n, k < count in this order. */
void ap_synapse_combine(size_t count, size_t n, size_t stride, const double *v, const double *c, double *out);
/* The same with a sum in single precision, from zero, which is then added to out. */
void ap_synapse_combine_single(size_t count, size_t n, size_t stride, const float *v, const double *c,
                               double *out);

/* Many products at once, any number n, see factor.h: w = left w + alpha d + sum_k a[k] post_k pre_k^T, then
 * d = epsilon d + sum_k d[k] low_k pre_k^T; row i of post_k is post[k * stride + i], of low_k likewise, pre is [n][cols]. Without matrix d (NULL)
 * the first only; alpha = 0 leaves d out of w. Of more than 128 products the first 128 are taken so, then the next are
 * added, ... */
enum { AP_SYNAPSE_RANK = 64 }; /* so many are worth collecting before they are folded */
struct ap_synapse_factors {
    size_t n;
    double left, alpha, epsilon;
    const double *a, *d, *post, *low; /* low: as a rule post */
    size_t stride;
    const double *pre;
};
void ap_synapse_rank(size_t rows, size_t cols, double *w, double *d, const struct ap_synapse_factors *f);

/* Coupled weights, one matrix: dw = eta*d, dd = (post pre^T - d)/tau; without low-pass (dd NULL) dw = eta*post pre^T. */
void ap_synapse_derivative(size_t rows, size_t cols, const double *d, const double *post, const double *pre,
                           double eta, double inv_tau, double *dw, double *dd);
/* Its directional derivative: change of d in `vd`, of the signals in `dpost`, `dpre`. */
void ap_synapse_tangent(size_t rows, size_t cols, const double *vd, const double *post, const double *pre,
                        const double *dpost, const double *dpre, double eta, double inv_tau, double *dw,
                        double *dd);
/* What decay adds to both, w being the weights or their change: dw -= decay * w. */
void ap_synapse_decay(size_t n, const double *w, double decay, double *dw);

#endif
