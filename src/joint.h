/* joint.h: every dense matrix is read once for all copies of a circuit, in one product of matrices.
 *
 * What copy b sends through a projection is column b of its `in`; its sums are column b of `out`. By all threads of a team together:
 * copies are divided among them in spans, and so are rows, the same to the same thread every time, so each finds its numbers in its
 * cache. */
#ifndef AP_JOINT_H
#define AP_JOINT_H

#include "afferent.h"

/* Copies [first, last) are looked after by one thread, whatever is done. */
struct ap_span {
    int first, last;
};

/* Rows [first, last) of a dense projection: the unit of work. */
struct ap_joint_piece {
    int proj;
    size_t first, last;
};

struct ap_joint_chosen {
    long piece;
    size_t at; /* multiply-adds of those before it */
};

/* A dense projection in single precision: its matrix [rows][cols], what is sent through it [cols][stride]. */
struct ap_joint_single {
    float *w, *in;
};

struct ap_joint {
    const struct ap_circuit *c;
    int n, wide;   /* copies; those that are as many as a line of the cache has numbers, or fewer: a span */
    size_t stride; /* copies, up to whole lines */
    double **in, **out;   /* [n_proj] [cols][stride], [copies][rows]; NULL: not dense */
    const double **given; /* [copies][n_proj] columns of out */
    bool *which;          /* [n_proj] to be multiplied next, see ap_joint_choose */
    struct ap_joint_piece *piece;
    struct ap_joint_chosen *chosen; /* of them, those to be multiplied now */
    long n_piece, n_chosen;
    size_t work;                    /* multiply-adds of all chosen, per copy */
    bool coarse;                    /* what is sent is multiplied in single precision */
    struct ap_joint_single *single; /* [n_proj] then, but of afferents */
    float *singles;                 /* all of them */
    double *block;                  /* in and out */
};

/* What is multiplied: W with what is sent, in single precision where that is used; W or D with anything. */
enum ap_joint_matrix { AP_JOINT_SENT, AP_JOINT_W, AP_JOINT_D };

enum ap_code ap_joint_init(struct ap_err *e, struct ap_joint *x, const struct ap_circuit *c,
                           const struct ap_afferents *afferent);
void ap_joint_free(struct ap_joint *x);
void ap_joint_resize(struct ap_joint *x, int n);

int ap_joint_spans(const struct ap_joint *x);
struct ap_span ap_joint_span(const struct ap_joint *x, int k);

/* Matrices have been changed: their copies in single precision. */
void ap_joint_copy(struct ap_joint *x);

/* Prepares the product of the projections in `which`. One thread. */
void ap_joint_choose(struct ap_joint *x);

/* The columns of a span, sent[copy] [cols]; sums of them, to[copy] [rows]. */
void ap_joint_put(const struct ap_joint *x, int proj, enum ap_joint_matrix m, struct ap_span s,
                  const double *const *sent);
void ap_joint_take(const struct ap_joint *x, int proj, struct ap_span s, double *const *to);

/* The products chosen; all threads of a team call it. */
void ap_joint_multiply(struct ap_joint *x, enum ap_joint_matrix m);

#endif
