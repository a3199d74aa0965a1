/* span.h: sums of large matrices without reading the matrix, along directions in which it was read before.
 *
 * What a population sends over a presentation stays near a space of few dimensions: potentials relax towards each other,
 * and a Newton iteration lands close to where its own linear step led. So each product W q of a presentation is kept with
 * its unit vector q; a new x is divided into its part along the kept vectors, whose sums are known, and what remains. Only
 * if the remainder could move a sum by a noticeable part of the integrator's tolerance is the matrix read, for the
 * remainder alone, which becomes the next kept vector.
 *
 * Within a presentation the right-hand side thus depends on what was asked before, by less than the tolerance that
 * ap_span_look is given. Only the integrator asks in this way; who records or probes reads the matrices. */
#ifndef AP_SPAN_H
#define AP_SPAN_H

#include "circuit.h"
#include "synapse.h"

/* One dense projection, large enough for this to pay. */
struct ap_span {
    int proj;
    size_t room, n;
    double *q, *wq; /* [room][cols] orthonormal, [room][rows] what the matrix makes of them */
    double *c;      /* [room] x along them */
    double *rest;   /* [cols] what remains of x */
    double length;  /* of it */
    double gain;    /* root mean square over rows of W q, the largest so far */
    enum { AP_SPAN_KNOWN, AP_SPAN_NEW, AP_SPAN_ALL } reads; /* the matrix: not, for the rest, for all of x */
};

struct ap_spans {
    const struct ap_circuit *c;
    struct ap_span *of; /* [n] */
    int n;
    struct ap_span **by_proj; /* [n_proj], NULL: this matrix is read each time */
    double *block;
    bool used; /* sums are taken in this way now */
};

/* Finds the projections to which this applies: none with coupled weights or where interventions act. */
enum ap_code ap_span_init(struct ap_err *e, struct ap_spans *x, const struct ap_circuit *c);
void ap_span_free(struct ap_spans *x);

/* The matrix of a projection was changed; proj -1: all of them. */
void ap_span_forget(struct ap_spans *x, int proj);

/* Before sums are taken: what is sent, sent [cols]. A sum may be off by `tolerance` (root mean square over the rows), and
 * by the part `part` of what it is. */
void ap_span_look(const struct ap_spans *x, struct ap_span *s, const double *sent, double tolerance,
                  double part);

/* sum [last - first] (+)= W x of rows [first, last), x [cols] being what was looked at. */
void ap_span_sums(const struct ap_spans *x, struct ap_span *s, size_t first, size_t last, const double *sent,
                  int add, double *sum);

#endif
