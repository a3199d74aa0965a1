/* mirror.h: sums of large matrices from a coarse copy, as far as the integrator's tolerance allows.
 *
 * A sum is taken exactly once, W x0 of the x0 that was sent then. From there on only its change is computed,
 *     W x = W x0 + M (x1 - x0) + M1 (x - x1),
 * with M a copy of W in two digits of 8 bits and a scale for each row, and M1 its first digit alone: an eighth of the memory to
 * read, and it stays in a cache that W does not fit into. Each digit is off by a rounding of up to half a unit in each synapse.
 * When x has moved so far that the roundings of M1 together could move a sum by a noticeable part of the tolerance, the sum is
 * taken anew with both digits, which makes this the next x1; and when those could, exactly. Changes that Newton's iteration
 * puts right (tangents) never come from W.
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
    size_t stride;             /* cols, rounded up to whole words; what is beyond holds zeros */
    bool made;                 /* the digits are those of the matrix in memory */
    int32_t *digit[2];         /* [rows][stride / 4] */
    double *scale;             /* [rows] a unit of the first */
    double off[2];             /* root mean square of what a synapse is off by: from the first, from both */
    bool known;                /* the sums */
    double *x[2], *wx[2], far; /* x0 and W x0, x1 and its sums, |x1 - x0| */
    float *moved;              /* [stride] x - x0 or x - x1, or the change that is asked for */
    bool change;
    enum {
        AP_MIRROR_EXACT,
        AP_MIRROR_FINE,
        AP_MIRROR_ROUGH,
        AP_MIRROR_STILL
    } way; /* W, both digits, the first, none */
};

struct ap_mirrors {
    const struct ap_circuit *c;
    struct ap_mirror *of; /* [n] */
    int n;
    struct ap_mirror **by_proj; /* [n_proj], NULL: this matrix is read each time */
    double *block;
    int32_t *w;
    float *moved;
    bool used, strict; /* sums are taken in this way now; none may be off */
};

/* Finds the projections to which this applies: none with coupled weights, where interventions act, or where a rule changes
 * the matrix in place. */
enum ap_code ap_mirror_init(struct ap_err *e, struct ap_mirrors *x, const struct ap_circuit *c,
                            const struct ap_factors *factor);
void ap_mirror_free(struct ap_mirrors *x);

/* The matrix of a projection was changed; proj -1: any matrix with a rule may have been, and sums begin anew. */
void ap_mirror_forget(struct ap_mirrors *x, int proj);

/* Copies of the matrices that were changed, by all threads; who looks makes what is missing, by one. */
void ap_mirror_make(struct ap_mirrors *x);

/* Before sums are taken: what is sent, x [cols]. A sum may be off by `tolerance` (root mean square over the rows). */
void ap_mirror_look(const struct ap_mirrors *x, struct ap_mirror *m, const double *sent, double tolerance);
/* The same of a change of what is sent. */
void ap_mirror_look_change(const struct ap_mirrors *x, struct ap_mirror *m, const double *change,
                           double tolerance);

/* sum [last - first] (+)= W x of rows [first, last), x [cols] being what was looked at. */
void ap_mirror_sums(const struct ap_mirrors *x, struct ap_mirror *m, size_t first, size_t last,
                    const double *sent, int add, double *sum);

#endif
