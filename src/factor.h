/* factor.h: how held weights change over a presentation, as factors of low rank.
 *
 * Every step of the integrator adds products post pre^T to a matrix. Reading and writing the matrix each time would cost
 * more than the right-hand side itself; kept apart as vectors they cost a few per cent of it:
 *     W = left W0 + alpha D0 + sum_k a_k post_k pre_k^T,    D = epsilon D0 + sum_k d_k post_k pre_k^T
 * where W0, D0 are the matrices as they lie in memory and k counts the ends of the steps so far. Only the coefficients
 * move with time (step.h), so that sums can be had at any time within a step too: there the newest product is taken as
 * constant. The matrices are brought up to date by one product of matrices, at the end of a presentation or when the
 * store is full.
 *
 * D0 x, what the low-passed products of the past add to a sum, is taken anew only when x has moved so far that the
 * difference would be seen: see ap_factor_stale. */
#ifndef AP_FACTOR_H
#define AP_FACTOR_H

#include "circuit.h"
#include "synapse.h"

/* One dense plastic projection, large enough for this to pay. */
struct ap_factor {
    int proj;
    bool learns;    /* in this presentation: the fields below hold */
    size_t room, n; /* products that fit, and are there; the last is of the present. room 0: not used now */
    size_t alone;   /* room of a circuit that has its weights to itself */
    double *post, *pre; /* [room][rows], [room][cols] */
    double *a, *d;      /* [room] coefficients at `from` */
    double left, alpha, epsilon;
    double from, before; /* ms: the end of the last step; its length, 0: there was none */
    double *d0x, *x0;    /* [rows] D0 x0 and [cols] that x0 */
    double gain;         /* |D0 x0| / |x0| */
    double reach;        /* alpha one step on */
    /* at the last ap_factor_look */
    double left_now, alpha_now;
    float *post4, *pre4,
        *sent4; /* the same in single precision, and what is sent, where that is used; pre filled up by zeros */
    double *c;                      /* [room] coefficient * (pre_k . x) */
    struct ap_factor *leader;       /* the first that sends and stores the same pre; NULL: this one */
    struct ap_synapse_factors fold; /* what the matrices take */
};

struct ap_factors {
    const struct ap_circuit *c;
    struct ap_factor *of; /* [n] */
    int n;
    struct ap_factor **by_proj; /* [n_proj], NULL: this matrix is changed in place at every step */
    double *block;
    bool single; /* sums are taken in single precision now */
};

/* Finds the projections to which this applies: none with coupled weights or where interventions act. */
enum ap_code ap_factor_init(struct ap_err *e, struct ap_factors *x, const struct ap_circuit *c);
void ap_factor_free(struct ap_factors *x);

/* Whether several circuits change the matrices of this one: then every rule keeps its changes here, however small the
 * matrix. */
void ap_factor_share(struct ap_factors *x, bool shared);

/* Learning begins at time t with signals post [rows], pre [cols]; D0 x is not known yet. */
void ap_factor_begin(const struct ap_factors *x, struct ap_factor *f, double t, const double *post,
                     const double *pre);

/* Before sums are taken at time t: what is sent then, for all that learn but those which another one leads and looks for. */
bool ap_factor_looks(const struct ap_factor *f);
void ap_factor_look(const struct ap_factors *x, struct ap_factor *f, double t, const double *sent);

/* sum [last - first] holds W0 x of rows [first, last); becomes W x of the time looked at. */
void ap_factor_add(const struct ap_factors *x, const struct ap_factor *f, size_t first, size_t last,
                   double *sum);

/* A step of length h to time t has ended; then the signals of its end, those of neurons [first, last) of each side. When the store
 * is full (n == room) it must be renewed. */
void ap_factor_advance(const struct ap_factors *x, struct ap_factor *f, double t, double h);
void ap_factor_post(const struct ap_factors *x, struct ap_factor *f, size_t first, size_t last,
                    const double *post);
void ap_factor_pre(const struct ap_factors *x, struct ap_factor *f, size_t first, size_t last,
                   const double *pre);

/* Brings the matrices up to date and goes on; D0 is another then. */
void ap_factor_renew(const struct ap_factors *x, struct ap_factor *f);

/* Whether the change of x since D0 x was taken could move a sum by more than `tolerance` (root mean square). */
bool ap_factor_stale(const struct ap_factors *x, const struct ap_factor *f, const double *sent,
                     double tolerance);
/* Takes D0 x; or it was taken by someone else: d0x holds it. */
void ap_factor_take(const struct ap_factors *x, struct ap_factor *f, const double *sent);
void ap_factor_taken(const struct ap_factors *x, struct ap_factor *f, const double *sent);

/* All of it is forgotten but the product of the present: someone else has brought the matrices up to date. */
void ap_factor_clear(const struct ap_factors *x, struct ap_factor *f);

/* Whether the changes of this projection are kept here now, and not in its matrix. */
bool ap_factor_holds(const struct ap_factors *x, int proj);

/* Brings the matrices up to date and ends the learning of this presentation; nothing happens when they are. */
void ap_factor_fold(struct ap_factors *x);

#endif
