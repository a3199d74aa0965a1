/* runlog.h: the log of a run: blocks that are only appended, each with its digest. Everything that is drawn or exported
 * is read back from it. */
#ifndef AP_RUNLOG_H
#define AP_RUNLOG_H

#include "hash.h"
#include "io.h"
#include "spec.h"

/* ---- writing --------------------------------------------------------------------------------------- */

enum ap_block_type {
    AP_BLOCK_SPEC = 1,         /* canonical circuit file */
    AP_BLOCK_PRESENTATION = 2, /* struct ap_presented, then the probes' columns */
    AP_BLOCK_FRAMES = 3,       /* struct ap_frames, then values [n_frames][n_values] */
    AP_BLOCK_WEIGHTS = 4,      /* struct ap_snapshot, then [rows][cols] */
    AP_BLOCK_END = 5,          /* struct ap_run_end */
};

/* One presentation as it was. */
struct ap_presented {
    uint32_t program, block; /* place in the program; block of the schedule */
    uint64_t k;              /* presentation within this pass of the block */
    uint64_t pattern;        /* pattern number */
    double start, duration;  /* ms over the run */
};

struct ap_frames {
    uint32_t report, n_frames;
    uint64_t n_values;
    uint64_t presentation; /* over the run */
};

struct ap_snapshot {
    char label[16]; /* "initial", "final" */
    uint32_t proj, pad;
    uint64_t rows, cols;
};

struct ap_run_end {
    uint64_t digest_high, digest_low;
    uint64_t steps, evaluations, products;
    uint64_t presentations;
    uint32_t complete, pad;
};

/* How far a log has come: a checkpoint names it. */
struct ap_runlog_mark {
    uint64_t size;                    /* bytes */
    uint64_t digest_high, digest_low; /* of the blocks' digests, in order */
};

struct ap_runlog {
    struct ap_io_file file;
    struct ap_hash digest;
};
enum ap_code ap_runlog_create(struct ap_err *e, struct ap_runlog *l, const char *path);
/* Goes on with an old one: cuts off what follows the mark. Whether the log begins so is asked with ap_runlog_check. */
enum ap_code ap_runlog_reopen(struct ap_err *e, struct ap_runlog *l, const char *path,
                              const struct ap_runlog_mark *mark);
enum ap_code ap_runlog_check(struct ap_err *e, const char *path, const struct ap_runlog_mark *mark);
/* What was appended so far can be read by other programs; is on the disk. */
enum ap_code ap_runlog_flush(struct ap_err *e, struct ap_runlog *l);
enum ap_code ap_runlog_commit(struct ap_err *e, struct ap_runlog *l, struct ap_runlog_mark *mark);
enum ap_code ap_runlog_append(struct ap_err *e, struct ap_runlog *l, enum ap_block_type type,
                              const void *head, size_t head_size, const void *body, size_t body_size);
enum ap_code ap_runlog_close(struct ap_err *e, struct ap_runlog *l);

/* ---- reading --------------------------------------------------------------------------------------- */

/* A run read back. Pointers reach into `bytes`. */
struct ap_run {
    struct ap_spec *spec;
    char *bytes;
    size_t size;
    const struct ap_presented **presented; /* [n_presented] */
    const double **probes;                 /* [n_presented] columns of all probes */
    size_t n_presented;
    const struct ap_frames **frames; /* [n_frames] */
    const double **values;
    size_t n_frames;
    const struct ap_snapshot **snapshot; /* [n_snapshot] */
    const double **weights;
    size_t n_snapshot;
    const struct ap_run_end *end; /* NULL: the run did not finish */
    /* Of replicates, which a learning curve shows by median and range: the probes of each seed, [n_presented][columns];
     * `presented` and `spec` are common to all, and the rest is empty. */
    double *const *replicate;
    int n_replicates;
};

/* Reads folder/run.log; every block's digest is checked. */
enum ap_code ap_runlog_read(struct ap_err *e, struct ap_run *run, const char *folder);
void ap_runlog_free(struct ap_run *run);

/* Weights of a projection in a snapshot, or NULL. */
const double *ap_runlog_weights(const struct ap_run *run, const char *label, int proj);

/* Its head; NULL when there is no such snapshot. */
const struct ap_snapshot *ap_runlog_snapshot(const struct ap_run *run, const char *label, int proj);

/* Columns of all probes before probe `i`, and in total for i = n_probe. */
size_t ap_runlog_column(const struct ap_spec *s, int probe);

/* What a report's frame holds: for each of its populations, neurons x elements. */
struct ap_report_part {
    int pop;
    size_t first, n; /* neurons */
    int comp[32];    /* compartments */
    int n_comp;
    size_t at; /* offset in the frame */
};
/* parts[n_of]; returns the values per frame. */
size_t ap_runlog_layout(const struct ap_spec *s, const struct ap_report_spec *r,
                        struct ap_report_part *parts);

#endif
