/* integrate.h: methods that advance the state through one presentation, behind one small interface. */
#ifndef AP_INTEGRATE_H
#define AP_INTEGRATE_H

#include "batch.h"

struct ap_integrator;

struct ap_integrator_row {
    struct ap_row row;
    bool adaptive; /* steps chosen by error control; noise must then be a function of time */
    enum ap_code (*create)(struct ap_err *e, struct ap_integrator *g);
    void (*destroy)(struct ap_integrator *g);
    enum ap_code (*begin)(struct ap_err *e, struct ap_integrator *g);
    enum ap_code (*step)(struct ap_err *e, struct ap_integrator *g, double stop);
    enum ap_code (*at)(struct ap_err *e, struct ap_integrator *g, int copy, double t, double *out);
};

struct ap_integrator {
    const struct ap_integrator_row *row;
    const struct ap_integrator_spec *spec;
    struct ap_batch *batch;
    struct ap_rhs *rhs;  /* of the first copy */
    double *y;           /* [copy][n_state] the state at t */
    double *own_y;       /* y when it is not CVODE's */
    double *before;      /* [n_state] the state at t_before (Euler) */
    double *dy;          /* [n_state] (Euler) */
    double t, t_before;  /* ms within the presentation */
    uint64_t steps;      /* over the run */
    uint64_t white_step; /* number of the next white noise step over the run */
    void *own;
};

enum ap_code ap_integrate_create(struct ap_err *e, struct ap_integrator *g,
                                 const struct ap_integrator_spec *spec, struct ap_batch *batch);
void ap_integrate_free(struct ap_integrator *g);

/* A presentation begins: t = 0, history forgotten, so that a resumed run and a straight one do the same. */
enum ap_code ap_integrate_begin(struct ap_err *e, struct ap_integrator *g);

/* The right-hand side jumps at g->t, or the state was changed: history forgotten. */
enum ap_code ap_integrate_restart(struct ap_err *e, struct ap_integrator *g);

/* One accepted step, not beyond `stop`. Afterwards g->t, g->t_before, g->y hold. AP_ENUMERIC names what failed. */
enum ap_code ap_integrate_step(struct ap_err *e, struct ap_integrator *g, double stop);

/* After a step: fields of the right-hand side at g->t. */
void ap_integrate_fields(struct ap_integrator *g);
/* The same where a presentation or a stretch of it begins or ends, from the matrices as they are. */
void ap_integrate_edge(struct ap_integrator *g, double t);

/* The state of one copy at a time within the last step, interpolated, [n_state]; does not disturb the integration. */
enum ap_code ap_integrate_at(struct ap_err *e, struct ap_integrator *g, int copy, double t, double *out);

struct ap_integrate_stats {
    uint64_t steps, evaluations, products;
    int vectors;
};
struct ap_integrate_stats ap_integrate_stats(const struct ap_integrator *g);

#endif
