/* transfer.h: the functions that turn a potential into a firing rate, one descriptor row each.
 *
 * Potentials u are in the dimensionless units of the model (a circuit file may scale them); rates in units of
 * the row. Source of logistic and softplus: Sacramento, Costa, Bengio & Senn, NeurIPS 2018. */
#ifndef AP_TRANSFER_H
#define AP_TRANSFER_H

#include "registry.h"

#include <stddef.h>

enum { AP_TRANSFER_PARAMS = 4 };

/* p: n_params values in the order of param (may be NULL when there are none). Arrays have n values;
 * output may be the input array itself, other overlap is not allowed. NaN in gives NaN out. */
struct ap_transfer_row {
    struct ap_row row;
    int n_params;
    const char *param[AP_TRANSFER_PARAMS];
    const char *param_doc[AP_TRANSFER_PARAMS];
    double fallback[AP_TRANSFER_PARAMS];
    double min[AP_TRANSFER_PARAMS]; /* both ends allowed */
    double max[AP_TRANSFER_PARAMS];
    void (*rate)(const double *p, size_t n, const double *u, double *r);  /* phi(u) */
    void (*slope)(const double *p, size_t n, const double *u, double *s); /* phi'(u); relu: 0 at 0 */
    void (*curvature)(const double *p, size_t n, const double *u,
                      double *c);                 /* phi''(u); relu: 0 everywhere */
    double (*inverse)(const double *p, double r); /* u with phi(u) = r; NaN outside the open range of phi */
};

#endif
