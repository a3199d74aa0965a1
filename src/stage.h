/* stage.h: the stages of the right-hand side, and of its tangent, over the rows of one task; within rhs.c, tangent.c and hierarchy.c.
 * Fields are arrays over the circuit: v and input [n_value], rate [n_rate], dy [n_state]. */
#ifndef AP_STAGE_H
#define AP_STAGE_H

#include "rhs.h"

/* Whether the state holds weights. */
bool ap_stage_coupled(const struct ap_rhs *r);

/* Weights in force: inside the state when coupled and plastic, else the circuit's own. */
void ap_stage_bind(struct ap_rhs *r, const double *y);

/* What is left of each population's old pattern at time t: decay [n_pop]. */
void ap_stage_decay(const struct ap_rhs *r, double t, double *decay);

/* What arrives at the columns of a projection [cols], v and rate being fields or (tangent) their changes; gathered by
 * the permutation of a shuffle or swap where there is one. */
const double *ap_stage_sent(const struct ap_rhs *r, int proj, const double *v, const double *rate,
                            bool tangent);
void ap_stage_gather(const struct ap_rhs *r, int proj, const double *v, const double *rate, double *to);

/* Sums of cells [first, first + n) over a dense matrix w of projection `proj`: each over the row that belongs to it. */
void ap_stage_row_sums(const struct ap_rhs *r, int proj, const double *w, size_t first, size_t n,
                       const double *x, int add, double *out);
/* Sums over the weights in force of a dense projection, from what was looked at where that is in use. */
void ap_stage_dense(const struct ap_rhs *r, int proj, size_t first, size_t n, const double *x, int add,
                    double *out);

/* Before sums of fields, or of their changes, are taken: what is sent through a projection that has a coarse copy. */
void ap_stage_look(const struct ap_rhs *r, struct ap_mirror *m, bool tangent);

void ap_stage_fill(size_t n, double value, double *to);

/* 1: potentials that are known without any synapse, and the rates. decay [n_pop]: what is left of the old patterns. */
void ap_stage_rates(struct ap_rhs *r, const struct ap_task *t, const double *y, const double *decay);

/* 2a: weighted sums, and from them the instantaneous compartments. */
void ap_stage_sums(const struct ap_rhs *r, const struct ap_task *t, double time, const double *decay,
                   const double *v_all, const double *rate, double *input, double *v_out);

/* An instantaneous compartment of neurons [first, last): v = input + other compartments, then what is done to it. */
void ap_stage_compose(const struct ap_rhs *r, int pop, int comp, size_t first, size_t last,
                      const double *input, bool tangent, double *v_all);

/* 2b: C dv/dt = leak (rest - v) + sum g (v_other - v) + drive * input + nudging. */
void ap_stage_derivatives(const struct ap_rhs *r, const struct ap_task *t, double time, const double *v_all,
                          const double *input, bool tangent, double *dy);

/* A population with a mean (an intervention): its compartments wait for all rows. */
bool ap_stage_takes_mean(const struct ap_rhs *r, int pop);

/* Whether sums with this matrix go on along its rate of change within a step, and not by products that are kept apart; whether
 * one of the matrices onto this compartment does. */
bool ap_stage_drifts_by(const struct ap_rhs *r, int proj);
bool ap_stage_drifts(const struct ap_rhs *r, const struct ap_comp *m);
void ap_stage_compose_whole(const struct ap_rhs *r, int pop, const double *input, bool tangent,
                            double *v_all);
void ap_stage_average_whole(const struct ap_rhs *r, int pop, double *dy);

/* 3: signals of the rules that these cells take part in; then, where interventions rearrange, a projection's rule sees
 * the neurons that its rows and columns belong to. And the changes of a projection's signals. */
void ap_stage_signals(struct ap_rhs *r, const struct ap_task *t);
void ap_stage_permute(struct ap_rhs *r, int proj);
void ap_stage_signal_changes(struct ap_rhs *r, int proj);

/* 4: derivatives of coupled weights; t->pop is the projection, vd the change of the state. */
void ap_stage_weights(const struct ap_rhs *r, const struct ap_task *t, const double *vd, bool tangent,
                      double *dy);

#endif
