/* afferent.h: what arrives from clamped populations, without touching a matrix at every step.
 *
 * A clamped potential moves as x(t) = a + b e(t), with a the new pattern, b the old minus the new one and
 * e = exp(-t/tau_0). Its weighted sum is then W a + e W b, two products per presentation. With plasticity the matrix
 * changes by products post x^T, so over a presentation
 *     W = left W0 + alpha D0 + P a^T + Q b^T,    D = epsilon D0 + R a^T + S b^T
 * with four vectors over the postsynaptic cells: exactly the update of plasticity.c, step by step, at the cost of
 * vectors. The matrices are brought up to date at the end of the presentation. */
#ifndef AP_AFFERENT_H
#define AP_AFFERENT_H

#include "circuit.h"
#include "synapse.h"

/* One dense projection from a clamped population whose rate is its potential. */
struct ap_afferent {
    int proj;
    bool learns;       /* in this presentation */
    const double *a;   /* [cols] in the clamped population's `to` */
    double *b;         /* [cols] from - to */
    double aa, ab, bb; /* scalar products */
    double left, alpha, epsilon;
    double *w0a, *w0b, *d0a, *d0b; /* [rows] products with the matrices at the beginning */
    double *p, *q, *r, *s;         /* [rows] */
    double *wa, *wb;               /* [rows] W a and W b now: what the right-hand side reads */
    double before;                 /* ms: length of the last step of the rule, 0: there was none */
    double *older;                 /* [rows] the signal at its beginning */
    /* of the last step: what W and D take of the signals before its beginning, at its beginning and at its end; e then */
    struct ap_step k;
    double w_older, w_before, w_now, d_older, d_before, d_now, e_older, e_before, e_now;
};

struct ap_afferents {
    const struct ap_circuit *c;
    struct ap_afferent *of; /* [n] */
    int n;
    struct ap_afferent **by_proj; /* [n_proj], NULL: not an afferent */
    double *block;
};

/* Finds the projections to which this applies; none with coupled weights. */
enum ap_code ap_afferent_init(struct ap_err *e, struct ap_afferents *x, const struct ap_circuit *c);
void ap_afferent_free(struct ap_afferents *x);

/* A presentation begins: clamped potentials go from `from` to `to` ([n_rate]); plastic [n_proj] says whose rules act at
 * some time of it. Then the products with the matrices are taken; or someone else has put them into w0a ... d0b. */
void ap_afferent_begin(struct ap_afferents *x, const double *from, const double *to, const bool *plastic);
void ap_afferent_take(struct ap_afferents *x);
void ap_afferent_taken(struct ap_afferents *x);

/* Learning begins or goes on after a break: no step of the rule came just before. */
void ap_afferent_learn(struct ap_afferent *f);
/* One step of the rule of length h with the coefficients k and e at its two ends; and what follows for rows [first, last) from
 * the signals there: post0, post1 [rows]. */
void ap_afferent_advance(struct ap_afferent *f, double h, const struct ap_step *k, double e0, double e1);
void ap_afferent_rows(struct ap_afferent *f, size_t first, size_t last, const double *post0,
                      const double *post1);

/* Rows [first, last) of dW/dt x at the moment when e has this value, times 1; out is added to. post: the rule's signal,
 * for rules without low-pass. */
void ap_afferent_drift(const struct ap_afferents *x, const struct ap_afferent *f, double e,
                       const double *post, size_t first, size_t last, double *out);

/* Brings the matrices up to date; nothing happens when they are. */
void ap_afferent_fold(struct ap_afferents *x);

#endif
