/* record.h: from the running simulation into its log: frames of potentials, probes, weights. */
#ifndef AP_RECORD_H
#define AP_RECORD_H

#include "adjoint.h"
#include "cursor.h"
#include "integrate.h"
#include "runlog.h"

struct ap_recorder {
    const struct ap_circuit *c;
    struct ap_rhs *rhs;
    const struct ap_cursor *cursor;
    struct ap_runlog log;
    struct ap_runlog *to;          /* the log that is written to: its own, or that of the first copy */
    int copy;                      /* of a batch */
    struct ap_report_part **part;  /* [n_report] -> [n_of] */
    size_t *width;                 /* [n_report] values per frame */
    double **frame;                /* [n_report] -> frames of the current presentation */
    size_t *room;                  /* [n_report] frames that fit */
    size_t *taken, *wanted;        /* [n_report] frames of this presentation; wanted 0: not recorded */
    double *column;                /* probes of this presentation */
    double *integral, *last, *now; /* for time averages */
    size_t n_columns;
    double *y;                   /* [n_state] interpolated state */
    struct ap_analysis analysis; /* of the end of a presentation, when a probe needs it */
    bool analyses;
    struct ap_adjoint *adjoint; /* when a probe needs it */
};

/* mark: the log goes on from there; NULL: a new log, which begins with the circuit. */
enum ap_code ap_record_open(struct ap_err *e, struct ap_recorder *r, struct ap_rhs *rhs,
                            const struct ap_cursor *cursor, const char *path,
                            const struct ap_runlog_mark *mark);
/* Of another copy in a batch: writes into the first one's log. */
enum ap_code ap_record_beside(struct ap_err *e, struct ap_recorder *r, struct ap_rhs *rhs,
                              struct ap_recorder *first, int copy);
enum ap_code ap_record_close(struct ap_err *e, struct ap_recorder *r);

/* A presentation begins; `k` counts within this pass of the block. Fields of rhs are those at t = 0. */
enum ap_code ap_record_begin(struct ap_err *e, struct ap_recorder *r, const struct ap_block_spec *block,
                             uint64_t k);

/* Whether a sample is still to be taken before `until`. */
bool ap_record_due(const struct ap_recorder *r, double until);

/* Samples that fall into [g->t_before, g->t); evaluates the right-hand side's fields there. */
enum ap_code ap_record_samples(struct ap_err *e, struct ap_recorder *r, struct ap_integrator *g);

/* Fields jump where an intervention begins or ends: time averages go on from those of now. */
void ap_record_edge(struct ap_recorder *r);

/* Time averages: adds a step of length h. adaptive: fields are those at its end; else at its beginning. */
void ap_record_step(struct ap_recorder *r, double h, bool adaptive);

/* The presentation ends; fields are those at its end. Writes frames and probes. */
enum ap_code ap_record_end(struct ap_err *e, struct ap_recorder *r, const struct ap_presented *p,
                           uint64_t presentation);

enum ap_code ap_record_weights(struct ap_err *e, struct ap_recorder *r, const char *label);

bool ap_record_averages(const struct ap_recorder *r);

#endif
