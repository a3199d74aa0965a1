/* sim.h: the loop over presentations. */
#ifndef AP_SIM_H
#define AP_SIM_H

#include "batch.h"
#include "cursor.h"
#include "hash.h"
#include "integrate.h"
#include "plasticity.h"
#include "record.h"

struct ap_sim {
    const struct ap_spec *spec;
    struct ap_circuit *c;
    struct ap_rhs rhs;
    struct ap_noise noise;
    struct ap_integrator g;
    struct ap_plasticity plasticity;
    struct ap_cursor cursor;
    struct ap_recorder recorder;
    struct ap_batch batch;     /* rhs and plasticity above are of its first copy */
    struct ap_recorder **copy; /* [copies] the first is the one above */
    struct ap_recorder *more;  /* [copies - 1] */
    struct ap_analysis *watch; /* told when a presentation begins; NULL: nobody */
    double *clamp;             /* [copy][n_rate] clamped potentials at the end of the last presentation */
    double *aim;               /* [copy][n_rate] what they moved to */
    uint64_t *shown;           /* [n_block] presentations of each block so far */
    uint64_t presentation;     /* over the run */
    double time;               /* ms over the run */
};

/* Builds everything and writes nothing. */
enum ap_code ap_sim_open(struct ap_err *e, struct ap_sim *x, const struct ap_spec *s);
/* Creates the log at `path`, with circuit and initial weights. Must come before the first presentation. */
enum ap_code ap_sim_record(struct ap_err *e, struct ap_sim *x, const char *path);
/* Goes on with the log from the mark, after the state was restored. */
enum ap_code ap_sim_record_on(struct ap_err *e, struct ap_sim *x, const char *path,
                              const struct ap_runlog_mark *mark);
void ap_sim_close(struct ap_sim *x);

/* How many presentations are made at once from number k of this block on. */
int ap_sim_group(const struct ap_block_spec *b, uint64_t k);

/* One presentation, or a whole group of them: `program` is the place in the program, k counts within this pass of the block
 * and is the number of the first. */
enum ap_code ap_sim_present(struct ap_err *e, struct ap_sim *x, int program, uint64_t k);

/* With coupled weights: copies them from the state into the circuit, for saving. */
void ap_sim_settle(struct ap_sim *x);

/* Digest of potentials, weights, low-passed products, clamped potentials and cursors. */
struct ap_hash ap_sim_digest(const struct ap_sim *x);

uint64_t ap_sim_presentations(const struct ap_spec *s);

#endif
