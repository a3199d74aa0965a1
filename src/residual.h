/* residual.h: what dendrites say beyond their somata: observables per cell and presentation, and the part of the dendrite's
 * that no linear function of the soma's explains. */
#ifndef AP_RESIDUAL_H
#define AP_RESIDUAL_H

#include "readout.h"
#include "runlog.h"

struct ap_residual_cell {
    int group;                    /* -1: none */
    double soma, dendrite;        /* means over presentations */
    double slope, intercept;      /* of the regression dendrite = intercept + slope * soma */
    double variance, unexplained; /* of the dendrite, of the residual */
};

struct ap_residual {
    const struct ap_readout_spec *spec;
    size_t n, p;                           /* cells, presentations */
    const struct ap_presented **presented; /* [p] */
    size_t *number;                        /* [p] over the run */
    double *soma, *dendrite, *residual;    /* [n][p] averages over the window */
    struct ap_residual_cell *cell;         /* [n] */
    double *mean; /* [n_group + 1][p] of the residuals of a group; last: of all cells */
};

/* From the frames of a run; memory from a. found is false when the run did not come to any of the readout's presentations. */
enum ap_code ap_residual_gather(struct ap_err *e, struct ap_arena *a, const struct ap_run *run,
                                const struct ap_readout_spec *r, struct ap_residual *out, bool *found);

/* Least squares of y on x over those of n points that `use` names; slope 0 where x does not move. */
void ap_residual_fit(size_t n, const double *x, const double *y, const bool *use, double *slope,
                     double *intercept);

/* A row per cell, and a row per cell and presentation. */
enum ap_code ap_residual_csv_cells(struct ap_err *e, const struct ap_spec *s, const struct ap_residual *x,
                                   const char *path);
enum ap_code ap_residual_csv_presentations(struct ap_err *e, const struct ap_spec *s,
                                           const struct ap_residual *x, const char *path);

#endif
