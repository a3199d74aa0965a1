/* mirror.h: sums of large matrices from a coarse copy, as far as the integrator's tolerance allows.
 *
 * A sum is taken exactly once, W x0 of the x0 that was sent then. From there on only its change is computed,
 *     W x = W x0 + M (x - x0),
 * with M a copy of W in 16 bits per synapse, a scale for each row: a quarter of the memory to read, and it stays in a cache
 * that W does not fit into. M is off by a rounding of up to half a unit in each synapse; when x has moved so far that the
 * roundings together could move a sum by a noticeable part of the tolerance, the sum is taken exactly again. Changes that
 * Newton's iteration puts right (tangents) always come from M.
 *
 * Within a presentation the right-hand side thus depends on what was asked before, by less than the tolerance that
 * ap_mirror_look is given. Only the integrator asks in this way; who records or probes reads the matrices. */
#ifndef AP_MIRROR_H
#define AP_MIRROR_H

#include <stdint.h>

#include "circuit.h"
#include "factor.h"

/* One dense projection, large enough for this to pay. */
struct ap_mirror {
    int proj;
    size_t stride; /* cols, rounded up to whole registers; what is beyond holds zeros */
    bool made;     /* w is that of the matrix in memory */
    int16_t *w;    /* [rows][stride] */
    double *scale; /* [rows] a unit of w */
    double off;    /* root mean square of what a synapse is off by */
    bool known;    /* W x0 */
    double *x0, *wx0;
    float *moved; /* [stride] x - x0, or the change that is asked for */
    enum { AP_MIRROR_EXACT, AP_MIRROR_SINCE, AP_MIRROR_CHANGE } way;
};

struct ap_mirrors {
    const struct ap_circuit *c;
    struct ap_mirror *of; /* [n] */
    int n;
    struct ap_mirror **by_proj; /* [n_proj], NULL: this matrix is read each time */
    double *block;
    int16_t *w;
    float *moved;
    bool used; /* sums are taken in this way now */
};

/* Finds the projections to which this applies: none with coupled weights, where interventions act, or where a rule changes
 * the matrix in place. */
enum ap_code ap_mirror_init(struct ap_err *e, struct ap_mirrors *x, const struct ap_circuit *c,
                            const struct ap_factors *factor);
void ap_mirror_free(struct ap_mirrors *x);

/* The matrix of a projection was changed; proj -1: any matrix with a rule may have been, and sums begin anew. */
void ap_mirror_forget(struct ap_mirrors *x, int proj);

/* Before sums are taken: what is sent, x [cols]. A sum may be off by `tolerance` (root mean square over the rows). */
void ap_mirror_look(const struct ap_mirrors *x, struct ap_mirror *m, const double *sent, double tolerance);
/* The same of a change of what is sent. */
void ap_mirror_look_change(const struct ap_mirrors *x, struct ap_mirror *m, const double *change);

/* sum [last - first] (+)= W x of rows [first, last), x [cols] being what was looked at. */
void ap_mirror_sums(const struct ap_mirrors *x, struct ap_mirror *m, size_t first, size_t last,
                    const double *sent, int add, double *sum);

#endif
