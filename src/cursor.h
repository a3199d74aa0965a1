/* cursor.h: a cursor that a cell of the circuit moves over positions; the pattern that is shown is that of its place. */
#ifndef AP_CURSOR_H
#define AP_CURSOR_H

#include "circuit.h"

/* Where a cursor stands between two presentations: what a checkpoint keeps. */
struct ap_cursor_state {
    double position; /* 0 ... positions - 1 */
    uint64_t shown;  /* presentations of this trial so far */
};

struct ap_cursor {
    const struct ap_circuit *c;
    struct ap_cursor_state *state; /* [n_stim]; those of other kinds stay zero */
    int now;                       /* the stimulus that is a cursor in this presentation, -1: none */
    double last, integral;         /* read-out at the end of the last step; over time since `from` */
    double mean;                   /* of the presentation that has ended */
};

/* Every cursor at its start. */
enum ap_code ap_cursor_init(struct ap_err *e, struct ap_cursor *x, const struct ap_circuit *c);
void ap_cursor_free(struct ap_cursor *x);

/* A presentation of block b begins; restart: a new trial. Whether a cursor chooses its pattern. */
bool ap_cursor_begin(struct ap_cursor *x, const struct ap_block_spec *b, bool restart);

/* The place that is shown, and whether it is the last one: a hit. Only while a cursor is shown. */
uint64_t ap_cursor_place(const struct ap_cursor *x);
bool ap_cursor_hits(const struct ap_cursor *x);

/* The read-out (rate [n_rate] of all cells) at the beginning, and wherever it jumps. */
void ap_cursor_edge(struct ap_cursor *x, const double *rate);
/* A step from t_before to t; rates are those at its end when adaptive, else at its beginning. */
void ap_cursor_step(struct ap_cursor *x, const double *rate, double t_before, double t, bool adaptive);

/* The presentation ends: `mean` is known; then the cursor moves, or begins a new trial. */
void ap_cursor_end(struct ap_cursor *x, double duration);
void ap_cursor_move(struct ap_cursor *x);

#endif
