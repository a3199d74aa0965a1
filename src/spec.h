/* spec.h: what the user said, checked. Names are resolved to indices; nothing here has a layout in memory yet
 * (that is circuit.h). Arrays live in the tree's arena. */
#ifndef AP_SPEC_H
#define AP_SPEC_H

#include "registry.h"
#include "transfer.h"

enum { AP_SPEC_POPS = 256, AP_SPEC_REPLICATES = 256 }; /* populations, replicates at most */

/* ---- cells and populations ------------------------------------------------------------------------ */

enum ap_comp_kind {
    AP_COMP_DYNAMIC,       /* C dv/dt = -leak (v - rest) + sum g (v_other - v) + drive * input */
    AP_COMP_INSTANTANEOUS, /* v = input + sum of the compartments in `adds` */
    AP_COMP_CLAMPED,       /* v is given by a stimulus */
};

struct ap_couple {
    int from;           /* compartment of the same cell whose potential pulls on this one */
    double conductance; /* 1/ms or nS */
};

struct ap_comp_spec {
    const char *name;
    struct ap_place at;
    enum ap_comp_kind kind;
    struct ap_quantity capacitance, leak, rest, drive;
    struct ap_couple *couple;
    int n_couple;
    int *adds;
    int n_adds;
};

struct ap_cell_spec {
    const char *name;
    struct ap_place at;
    struct ap_comp_spec *comp;
    int n_comp;
    int soma;   /* index of the compartment whose potential gives the rate: the first one */
    int *order; /* [n_comp] compartments such that `adds` come before their sum */
};

struct ap_pop_spec {
    const char *name;
    struct ap_place at;
    int cell;
    int64_t n;
    const struct ap_transfer_row *transfer;
    double transfer_param[AP_TRANSFER_PARAMS];
    double noise; /* potential / sqrt(ms), of the soma */
};

/* ---- projections and rules ------------------------------------------------------------------------ */

/* A signal of one of the two populations of a projection. */
struct ap_signal_ref {
    const struct ap_signal_row *row; /* NULL: none */
    int comp;                        /* compartment the signal is about, -1 when it needs none */
};

struct ap_rule_spec {
    bool present;
    struct ap_place at;
    const char *kind_name; /* row of the rule table */
    struct ap_signal_ref post, pre;
    double rate;    /* eta [1/ms] */
    double lowpass; /* tau_w [ms], 0: none */
    double decay;   /* lambda [1/ms] */
};

enum ap_connect { AP_CONNECT_DENSE, AP_CONNECT_ONE };
enum ap_nudge_form { AP_NUDGE_CURRENT, AP_NUDGE_CONDUCTANCE };
enum ap_gate { AP_GATE_ALWAYS, AP_GATE_TEACHER };

/* How weights start: a row of the init table with its arguments. */
struct ap_init_spec {
    const struct ap_init_row *row;
    struct ap_place at;
    double number[4];
    int n_numbers;
    int other;        /* projection named in the call, -1: none */
    const char *file; /* file(path, dataset) */
    const char *dataset;
};

struct ap_proj_spec {
    const char *name;
    struct ap_place at;
    int pre, post; /* populations */
    int pre_comp;  /* potential of this compartment is sent; -1: the rate */
    int post_comp;
    int connect; /* enum ap_connect */
    struct ap_init_spec init;
    struct ap_rule_spec rule;
    bool nudges;        /* pulls on the post compartment: conductance * (source - v) */
    double conductance; /* 1/ms or nS */
    int form;           /* enum ap_nudge_form */
    double reversal[2]; /* inhibitory, excitatory: conductance form */
    int gate;           /* enum ap_gate */
};

/* ---- stimuli and schedule ------------------------------------------------------------------------- */

struct ap_stim_params {
    double range[2];
    int64_t patterns;
    bool fresh;
    struct ap_node *values;
    const char *file;
    int64_t first, count;
    double on, off, scale;
    const char *input; /* teacher network: population that it looks at */
    int64_t hidden;
    double gain[2];
    const char *network_transfer;
    int input_pop; /* resolved */
    const struct ap_transfer_row *network_row;
    double network_param[AP_TRANSFER_PARAMS];
    const char *read; /* cursor: the cell that moves it; NULL: the stimulus is none */
    int64_t positions, start, timeout;
    double step, midpoint, from;
    int read_pop; /* resolved */
    int64_t read_cell;
};

struct ap_stim_spec {
    const char *name;
    struct ap_place at;
    int pop; /* the clamped population that it drives */
    const struct ap_stimulus_row *row;
    struct ap_stim_params p;
    double smoothing; /* tau_0 [ms] */
    int as;           /* 0 rate, 1 potential */
};

enum ap_order { AP_ORDER_SEQUENCE, AP_ORDER_SHUFFLED };

enum { AP_SPEC_BATCH = 1024 };
struct ap_block_spec {
    const char *name;
    struct ap_place at;
    int64_t presentations, batch; /* of them at once */
    struct ap_place batch_at;
    double duration; /* ms */
    double lag;      /* ms after the switch of pattern, before which no rule acts */
    bool teacher, noise, reset, restart;
    bool *plastic; /* [n_proj] */
    int *stim;     /* [n_pop] stimulus of each clamped population, -1 */
    int order;     /* enum ap_order */
};

/* ---- what comes out ------------------------------------------------------------------------------- */

/* population, population/compartment, population[first:last]. */
struct ap_selection {
    int pop, comp;       /* comp -1: not named */
    int64_t first, last; /* neurons, last exclusive */
    bool ranged;
};

struct ap_report_spec {
    const char *name;
    struct ap_place at;
    struct ap_selection *of;
    int n_of;
    const char **compartment; /* n_compartment 0: all */
    int n_compartment;
    double every;  /* ms */
    bool *during;  /* [n_block] */
    int64_t limit; /* presentations per block, 0: all */
};

struct ap_probe_spec {
    const char *name;
    struct ap_place at;
    const struct ap_probe_row *row;
    struct ap_selection of, target;
    int proj, other; /* projections named, -1 */
};

/* A table of what an experimenter sees of dendrites and somata. */
struct ap_readout_group {
    const char *name;
    struct ap_selection of;
};

struct ap_readout_spec {
    const char *name;
    struct ap_place at;
    const struct ap_readout_row *row;
    struct ap_selection of; /* cells, and their dendrite */
    bool *during, *fit;     /* [n_block] presentations in the table; those that the regression is fitted to */
    double from, until;     /* ms within a presentation; until is infinite when not given */
    struct ap_readout_group *group;
    int n_group;
    int report;                              /* that holds soma and dendrite */
    double threshold, softness, rise, decay; /* of a calcium indicator: potentials, ms */
};

struct ap_figure_spec {
    const char *name; /* of the PNG, without .png */
    struct ap_place at;
    const struct ap_figure_row *row;
    /* what the rows' keys fill */
    struct ap_node *of_node, *proj_node, *probe_node, *readout_node, *during_node;
    int64_t limit; /* presentations drawn per block, 0: as many as were recorded */
    bool log_scale;
    int64_t average; /* presentations per point of a learning curve */
    int64_t tiles;   /* receptive fields drawn at most */
    double range;    /* symmetric colour limit, 0: from the data */
    const char *title;
    /* resolved from the nodes */
    struct ap_selection *of;
    int n_of;
    int *proj; /* projections named; n_proj 0: all */
    int n_proj;
    int *probe;
    int n_probe;
    int *readout;
    int n_readout;
    bool *during; /* [n_block] */
};

/* A row of the figure table (figure.c). */
struct ap_drawing;
struct ap_figure_row {
    struct ap_row row;
    /* Whether the figure can be drawn at all: NULL when the keys' own checks suffice. */
    enum ap_code (*check)(struct ap_err *e, const struct ap_spec *s, const struct ap_figure_spec *f);
    /* Draws one PNG to `path`. AP_EUSAGE with a hint when the run holds no data for it. */
    enum ap_code (*draw)(struct ap_drawing *d, const char *path);
};

/* ---- what is done to the circuit ------------------------------------------------------------------- */

struct ap_intervention_row;
struct ap_intervention_spec {
    const char *name;
    struct ap_place at;
    const struct ap_intervention_row *row;
    int pop, comp, proj; /* on what it acts, -1: not named */
    bool rows;           /* swap: the groups are postsynaptic cells of the projection; else presynaptic */
    int64_t group[2], n_group; /* swap: first neuron of each group, neurons of a group */
    bool *during;              /* [n_block] */
    double from, until;        /* ms within a presentation; until is infinite when not given */
    double value, conductance, reversal, factor; /* of the kinds that have them */
};

struct ap_integrator_spec {
    const struct ap_integrator_row *row;
    double rtol, atol;
    double tolerance;             /* rtol where steps adapt to it, else 0 */
    double step;                  /* Euler's step; the first step of CVODE [ms] */
    double max_step;              /* 0: none [ms] */
    int held;                     /* weights: 0 coupled, 1 held */
    int hierarchy;                /* newton: 0 krylov, 1 hierarchy */
    double limit;                 /* absurd potential */
    int64_t max_steps;            /* per presentation */
    int64_t thread_work;          /* multiply-adds per right-hand side from which threads pay */
    double noise_grid, noise_tau; /* band-limited noise [ms] */
};

struct ap_spec {
    struct ap_tree tree; /* canonical and explicit after reading */
    const char *file;
    char folder[AP_ERR_PATH]; /* of the circuit file: data paths are relative to it */
    char *canonical;          /* text of the tree */
    int64_t version;
    const char *name, *about;
    int64_t seed;
    struct ap_node *replicates; /* as written; NULL: one run */
    int64_t *replicate;         /* [n_replicate] seeds, each a run of its own */
    int n_replicate;
    bool physical; /* potentials in mV */
    struct ap_cell_spec *cell;
    int n_cell;
    struct ap_pop_spec *pop;
    int n_pop;
    struct ap_proj_spec *proj;
    int n_proj;
    struct ap_stim_spec *stim;
    int n_stim;
    bool network_known,
        stim_known; /* while reading: no cell, population, projection; no stimulus was refused */
    struct ap_block_spec *block;
    int n_block;
    int *program; /* [n_program] blocks in order of execution, repeats unrolled */
    int n_program;
    struct ap_integrator_spec integrator;
    struct ap_intervention_spec *intervention;
    int n_intervention;
    struct ap_report_spec *report;
    int n_report;
    struct ap_probe_spec *probe;
    int n_probe;
    struct ap_readout_spec *readout;
    int n_readout;
    struct ap_figure_spec *figure;
    int n_figure;
};

/* ap_spec_read and ap_spec_free are public (apical.h). This reads from memory; `file` names it in messages. */
struct ap_spec *ap_spec_parse(const char *file, const char *text, size_t size, const char *const *sets,
                              int n_sets, struct ap_err *e);

/* The canonical text with data files named by absolute paths, so that it can be read from any folder; freed with
 * ap_mem_free. */
char *ap_spec_movable_text(struct ap_err *e, const struct ap_spec *s);

int ap_spec_population(const struct ap_spec *s, const char *name);
int ap_spec_projection(const struct ap_spec *s, const char *name);
int ap_spec_compartment(const struct ap_spec *s, int pop, const char *name);

/* Steady-state gain from a dendrite to its soma when every other input of the soma is at rest and nudging is off:
 * g / (leak + sum of couplings), times the dendrite's own gain when it is dynamic. The factors of
 * model section "dendritic predictions" (Sacramento et al. 2018, below eq. 7). */
double ap_spec_attenuation(const struct ap_spec *s, int pop, int comp);

/* Whether the root lacks a section but has a misspelt one, which was reported. */
bool ap_spec_misspelt(const struct ap_spec *s, const char *section);

/* A data file's path: as written, or from the folder of the circuit file. */
enum ap_code ap_spec_path(struct ap_err *e, const struct ap_spec *s, const char *file, char out[AP_ERR_PATH]);

/* The parts of reading, one file each. They add errors and go on. */
enum ap_code ap_expand_microcircuit(struct ap_err *e,
                                    struct ap_tree *t);             /* expand.c: shorthand to explicit */
enum ap_code ap_cell_read(struct ap_err *e, struct ap_spec *s);     /* cell.c: cells: and built-in ones */
enum ap_code ap_network_read(struct ap_err *e, struct ap_spec *s);  /* network.c: populations, projections */
enum ap_code ap_schedule_read(struct ap_err *e, struct ap_spec *s); /* schedule.c: stimuli, schedule */
enum ap_code ap_schedule_check_batches(struct ap_err *e, const struct ap_spec *s); /* when all was read */
enum ap_code ap_intervention_read(struct ap_err *e, struct ap_spec *s); /* intervention.c: interventions */
enum ap_code ap_output_read(struct ap_err *e, struct ap_spec *s); /* output.c: record, probes, figures */

enum ap_code ap_readout_read(struct ap_err *e,
                             struct ap_spec *s); /* readout.c: readouts, once reports are read */

/* softplus(0.1, 1, 3): a transfer function with its parameters. */
enum ap_code ap_network_transfer(struct ap_err *e, const struct ap_place *at, const char *what,
                                 const char *text, const struct ap_transfer_row **row,
                                 double param[AP_TRANSFER_PARAMS]);

/* output.c: blocks by name into during[n_block], no node: all; a section of the root as a list, a single map standing for
 * a list of one; a projection by name. */
enum ap_code ap_spec_during(struct ap_err *e, struct ap_spec *s, struct ap_node *n, const char *what,
                            bool **during);
enum ap_code ap_spec_list(struct ap_err *e, struct ap_spec *s, const char *section, struct ap_node **list);
enum ap_code ap_spec_need_projection(struct ap_err *e, const struct ap_spec *s, struct ap_node *n,
                                     const char *what, int *out);

/* "hidden1.pyr/apical[0:3]" */
enum ap_code ap_spec_select(struct ap_err *e, const struct ap_spec *s, const struct ap_place *at,
                            const char *what, const char *text, struct ap_selection *out);

#endif
