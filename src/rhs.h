/* rhs.h: the right-hand side dy/dt of a circuit. A pure function of time, state and
 * weights; what it needs besides (patterns, gates, noise) is fixed for a presentation. */
#ifndef AP_RHS_H
#define AP_RHS_H

#include "circuit.h"
#include "afferent.h"
#include "factor.h"
#include "intervene.h"
#include "mirror.h"
#include "noise.h"
#include "profile.h"

/* What holds during one presentation. */
struct ap_presentation {
    double duration; /* ms; time runs from 0 to this */
    bool teacher, noise;
    const bool *plastic; /* [n_proj] whose rules act */
};

struct ap_rhs {
    const struct ap_circuit *c;
    struct ap_presentation now;
    /* A clamped potential at time t is to + (from - to) exp(-t/tau). */
    double *clamp_from, *clamp_to; /* [n_rate] */
    double *clamp_tau;             /* [n_pop] */
    struct ap_intervene act;       /* interventions in force */
    struct ap_afferents afferent;  /* sums from clamped populations */
    struct ap_factors factor;      /* changes of large matrices in this presentation */
    struct ap_mirrors mirror;      /* coarse copies of large matrices */
    struct ap_noise *noise;        /* band-limited noise, NULL: none */
    /* fields at the last evaluation */
    double *v;            /* [n_value] potentials of all compartments */
    double *input;        /* [n_value] weighted sums */
    double *rate, *slope; /* [n_rate] */
    double *signal;       /* [n_signal] signals of the rules */
    double *scratch;      /* [n_signal + n_rate] */
    /* Held weights move on between updates: input += (t - drift_from) * drift, the sums of dW/dt r at drift_from. */
    double *drift;     /* [n_value] */
    double drift_from; /* ms */
    bool drifts;
    /* tangents */
    double *dv, *dinput, *drate, *dsignal;
    const struct ap_task *task; /* [n_task] of the circuit: rows of one population each, see ap_rhs_divide */
    int n_task;
    const double **w, **d; /* [n_proj] weights and products in force: in the state, or held */
    /* Sums with the weights in force that were taken for several copies at once (batch.h): element i of projection p at
     * given[p][i]; NULL: none, or not of this projection. */
    const double *const *given;
    bool frozen; /* w and d are set by the owner, the state holds potentials alone */
    double at;   /* ms: time of the last evaluation */
    long evaluations, products;
    struct ap_profile *profile; /* of the run; NULL: not measured */
    double *kept;               /* [2 n_value + n_rate] fields laid aside */
    double *block;              /* all arrays above in one allocation */
};

/* How far off the sums of a projection may be: a part of the integrator's tolerance for what they add up to, by the fields
 * of the last evaluation. */
double ap_rhs_tolerance(const struct ap_rhs *r, int proj, double part);

enum ap_code ap_rhs_init(struct ap_err *e, struct ap_rhs *r, const struct ap_circuit *c);

/* Its rows are divided among threads (at first), or they are not. The bits are the same. */
void ap_rhs_divide(struct ap_rhs *r, bool rows);
void ap_rhs_free(struct ap_rhs *r);

/* Fields v, input, rate at (t, y); dy = NULL: nothing else. */
void ap_rhs_eval(struct ap_rhs *r, double t, const double *y, double *dy);

/* Whether the fields are those of (t, y): of the time but for rounding, of the potentials bit by bit. */
bool ap_rhs_is_at(const struct ap_rhs *r, double t, const double *y);

/* Lays the fields aside, and takes them back: what happens in between leaves no trace. */
void ap_rhs_keep(struct ap_rhs *r);
void ap_rhs_back(struct ap_rhs *r);

/* A presentation begins: clamp_from, clamp_to, clamp_tau and now are set; plastic [n_proj]: whose rules act at some time. */
void ap_rhs_begin(struct ap_rhs *r, const bool *plastic);

/* Matrices that learn by factors take them up. */
void ap_rhs_catch_up(struct ap_rhs *r);

/* exp(-t/tau_0) of the clamped population `pop`: how much of the old pattern is left. */
double ap_rhs_left(const struct ap_rhs *r, int pop, double t);

/* What arrives through a projection at the last evaluation, interventions included: out [rows]. Not of a nudging; of
 * held weights from a clamped population, what the matrix at the presentation's beginning gives. */
void ap_rhs_arriving(const struct ap_rhs *r, int proj, double *out);

/* What is sent through a projection at the last evaluation: [cols]. */
const double *ap_rhs_sent(const struct ap_rhs *r, int proj);

/* Fills r->signal for all plastic projections from the fields of the last evaluation. */
void ap_rhs_signals(struct ap_rhs *r);

/* Held weights: from now on sums drift, from time t; then for all tasks of the circuit: drift from the weights' rates of change and
 * the fields and signals of that time. */
void ap_rhs_drift_from(struct ap_rhs *r, double t);
void ap_rhs_drift(struct ap_rhs *r, size_t task);

#endif
