/* apical.h: the public interface of libapical, a simulator of dendritic cortical microcircuits.
 *
 * The usual course:
 *
 *     struct ap_err *err = ap_err_create();
 *     struct ap_spec *spec = ap_spec_read("circuits/association.yaml", NULL, 0, err);
 *     if (spec && ap_run(spec, &(struct ap_run_options){.folder = "runs/association"}, NULL, err) == AP_OK)
 *         ...                      // runs/association holds log, HDF5 and figures
 *     for (int i = 0; i < ap_err_count(err); i++)
 *         fprintf(stderr, "%s\n", ap_err_message(err, i));
 *     ap_spec_free(spec);
 *     ap_err_free(err);
 *
 * Functions return an enum ap_code and add what went wrong to the caller's ap_err. The library never
 * prints and never exits. Handles are opaque; a spec may be shared by threads that only read it. */
#ifndef APICAL_H
#define APICAL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Codes: the program's exit codes too --------------------------------------------------------- */

enum ap_code {
    AP_OK = 0,
    AP_EINTERNAL = 1,     /* a defect of apical */
    AP_EUSAGE = 2,        /* a bad command line or circuit file */
    AP_EIO = 3,           /* a file that cannot be read or written */
    AP_ENUMERIC = 4,      /* potentials ran away, or the integrator gave up */
    AP_EMEMORY = 5,       /* out of memory */
    AP_STOPPED = 75,      /* stopped by a signal at the end of a presentation; ap_resume goes on */
    AP_INTERRUPTED = 130, /* interrupted twice */
};

/* ---- Errors: a list of diagnostics --------------------------------------------------------------- */

struct ap_err;
struct ap_err *ap_err_create(void);
void ap_err_free(struct ap_err *e);
int ap_err_count(const struct ap_err *e);
int ap_err_dropped(const struct ap_err *e);       /* diagnostics beyond the kept ones */
enum ap_code ap_err_code(const struct ap_err *e); /* of the first diagnostic */
enum ap_code ap_err_code_at(const struct ap_err *e, int i);
const char *ap_err_message(const struct ap_err *e, int i);
const char *ap_err_hint(const struct ap_err *e, int i); /* "" when there is none */
/* File of diagnostic i ("" when none), its line and column counted from 1 (0 when none). */
const char *ap_err_place(const struct ap_err *e, int i, int *line, int *col);

/* ---- Circuits ------------------------------------------------------------------------------------- */

/* A circuit file: read, checked, written out in its explicit form. */
struct ap_spec;

/* Reads a circuit file and applies `sets`, n_sets texts "key.path=value" (NULL, 0: none). All errors of the file are
 * reported at once (AP_EUSAGE with line and column, AP_EIO). NULL when there was one. */
struct ap_spec *ap_spec_read(const char *path, const char *const *sets, int n_sets, struct ap_err *e);
void ap_spec_free(struct ap_spec *s);

/* The explicit form with all defaults, itself a valid circuit file. Valid as long as s. */
const char *ap_spec_text(const struct ap_spec *s);
const char *ap_spec_name(const struct ap_spec *s);

/* What a run of it would take. Steps are an estimate from the membrane time constants. */
struct ap_estimate {
    uint64_t neurons, compartments, synapses, plastic_synapses, state, bytes;
    uint64_t presentations;
    double simulated_ms;
    uint64_t steps;
};
enum ap_code ap_spec_estimate(const struct ap_spec *s, struct ap_estimate *out, struct ap_err *e);

/* Builds the circuit (data files, weights) and throws it away: what a check cannot see in the file alone. */
enum ap_code ap_spec_try(const struct ap_spec *s, struct ap_err *e);

/* ---- Runs ------------------------------------------------------------------------------------------ */

struct ap_progress {
    uint64_t presentation, presentations; /* done, in all */
    double simulated_ms, total_ms;
    uint64_t steps;
    double wall_seconds, eta_seconds; /* eta < 0: unknown yet */
    const char *block;                /* name of the current block */
    double error;                     /* of the first probe that is an error; NaN: none */
    int block_ended;                  /* 1: the block has just ended, and summary holds its line */
    const char *summary;              /* "test 3: class-error 14.2 %", NULL otherwise */
};

struct ap_run_options {
    const char *folder;  /* output folder; required */
    int overwrite;       /* 1: replace an earlier run in that folder (only files that it wrote) */
    int threads;         /* 0: as OpenMP decides; results do not depend on it */
    uint64_t stop_after; /* presentations, 0: all */
    int no_figures;
    int profile;             /* 1: measure where the time goes */
    double checkpoint_every; /* seconds between checkpoints; 0: 60; negative: only when stopped */
    void (*progress)(const struct ap_progress *p, void *user);
    void *user;
    const volatile int *stop; /* set to 1 elsewhere: end after the current presentation with AP_STOPPED */
};

struct ap_run_result {
    char digest[33]; /* of the final state, hexadecimal */
    uint64_t presentations, steps, evaluations, products;
    double wall_seconds;
    int n_figures;
    char figures[64][128]; /* file names inside the folder */
    uint64_t resumed_at;   /* presentations done before, when a run was resumed */
    int was_complete;      /* 1: there was nothing to resume; only digest is filled in */
    struct {
        const char *on;
        double seconds;
    } spent[16]; /* [n_spent] where the time went, when that was asked for */
    int n_spent;
    char note[512]; /* why one of the two checkpoints could not be used, else empty */
    struct {
        long long seed;
        char digest[33]; /* empty: it did not come to its end */
    } replicate[256];
    int n_replicates; /* then `digest` is that of theirs, in order */
};

/* Simulates, records, exports and draws. result may be NULL. A circuit with `replicates` is run once for each seed, every
 * one in a child process (fork) and in a folder of its own, as many at once as there are threads; call it from one thread. */
enum ap_code ap_run(const struct ap_spec *s, const struct ap_run_options *o, struct ap_run_result *result,
                    struct ap_err *e);

/* Goes on with the run in o->folder that was interrupted, killed or stopped, from its last checkpoint: it ends with the
 * bytes of a run that was not. The circuit is the copy in the folder; stop_after 0 and no_figures 0 stand for what the
 * run was started with. AP_EIO when no checkpoint is of this circuit and this build. */
enum ap_code ap_resume(const struct ap_run_options *o, struct ap_run_result *result, struct ap_err *e);

/* Draws figures of a finished run again, from its log alone. figure: kind or file name of one, NULL: all that the
 * circuit lists. A kind that the circuit does not list is drawn with its defaults. folder: where the PNG go, NULL: the
 * run's own. */
enum ap_code ap_render(const char *run, const char *figure, const char *folder, struct ap_run_result *result,
                       struct ap_err *e);

/* Writes the readouts of a finished run again, as CSV and a figure, from its log alone: other observables, windows or
 * groups by `sets`, n_sets texts "readouts.name.key=value" or "readouts=[...]". folder: where the files go, NULL: the
 * run's own; files of the result are in `figures`. */
enum ap_code ap_readout(const char *run, const char *const *sets, int n_sets, const char *folder,
                        struct ap_run_result *result, struct ap_err *e);

/* ---- Apical errors beside the gradient ------------------------------------------------------------- */

enum { AP_ERRORS_LAYERS = 64 };

struct ap_errors_options {
    const char *folder; /* receives errors.csv, errors.h5 and figures; required */
    int overwrite;      /* 1: replace these files in a folder that is not empty */
    int threads;        /* 0: as OpenMP decides; results do not depend on it */
    const char
        *block; /* only this block of the schedule, with the initial weights; NULL: the whole schedule */
    uint64_t presentations; /* simulated at most; 0: as many as the schedule or the block says */
    uint64_t every;         /* every so many presentations are analysed; 0: all, of many about 1,000 */
    const char *run;        /* output folder of a run of this circuit; NULL: none */
    const char *
        weights; /* with run: start from these weights of its log, "final" or "initial", in the last block with
                            teacher if `block` names none; NULL: repeat the run from its beginning */
    int no_adjoint; /* 1: leave out the adjoint gradient, which costs about ten presentations for each analysed one */
    int no_figures;
    void (*progress)(uint64_t done, uint64_t of, void *user);
    void *user;
    const volatile int
        *stop; /* set to 1 elsewhere: end after the current presentation, and write what there is */
};

/* Of one layer above the input, means over the analysed presentations with teacher; NaN where there is no such thing. */
struct ap_errors_layer {
    char name[64];
    double apical_angle;       /* hidden: degrees between apical potential and W^T delta of the layer above */
    double apical_ratio;       /* hidden: ratio of their norms */
    double apical_angle_first; /* hidden: of the first such presentation, and of the last */
    double apical_angle_last;
    double formula_error;  /* hidden: relative error of the first-order formula */
    double feedback_angle; /* hidden: degrees between feedback and transposed forward weights */
    double gradient_angle; /* degrees between what the forward rule does and minus the gradient */
    double change_angle;   /* degrees between what a presentation did to the matrix and minus the gradient */
    double
        adjoint_angle; /* degrees between the gradient of the differential equations and that of backprop */
    double
        ngrad_angle; /* hidden: degrees between what feedback changes in the rates and minus the gradient */
};

struct ap_errors_result {
    char digest[33]; /* of the final state */
    char run_digest
        [33]; /* what the run's log says it should be; empty: no run, not all of it, or other weights */
    uint64_t presentations, analysed,
        taught; /* taught: analysed ones with the teacher on; the others hold NaN */
    int n_layers;
    struct ap_errors_layer layer[AP_ERRORS_LAYERS];
    int n_files;
    char files[8][64]; /* names inside the folder */
};

/* Simulates, and compares what the apical dendrites carry with backprop on the feedforward network inside the circuit.
 * AP_EUSAGE when the circuit holds no such network, or no teacher acts. result may be NULL. */
enum ap_code ap_errors(const struct ap_spec *s, const struct ap_errors_options *o,
                       struct ap_errors_result *result, struct ap_err *e);

/* ---- Manual ---------------------------------------------------------------------------------------- */

/* The tables of descriptors as text: thing NULL: the list of tables; "rule": its rows; "rule/apical": one row with its
 * keys, units, defaults and ranges. The text is freed with ap_free; NULL when there is no such thing (e says so). */
char *ap_info(const char *thing, struct ap_err *e);
void ap_free(char *text);

/* Version of apical, and of what it was built with, as lines of text. */
const char *ap_version(void);
char *ap_version_details(struct ap_err *e);

#ifdef __cplusplus
}
#endif

#endif
