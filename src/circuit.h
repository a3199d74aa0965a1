/* circuit.h: what exists: populations, compartments and projections with sizes and offsets. Immutable once built,
 * but for the weights. The only place where an offset into the state is computed.
 *
 * State vector y, in this order: the potentials of all dynamic compartments (population by population, compartment by
 * compartment, [n] each); with coupled weights also, for every plastic projection, its weights [post][pre] and its
 * low-passed product [post][pre]. Values v: the potentials of all compartments, dynamic or not, in the same order. */
#ifndef AP_CIRCUIT_H
#define AP_CIRCUIT_H

#include "spec.h"
#include "stimulus.h"
#include "team.h"

struct ap_comp {
    enum ap_comp_kind kind;
    double inv_c, leak, rest, drive; /* 1/C, conductances, reversal */
    const struct ap_couple *couple;
    int n_couple;
    const int *adds;
    int n_adds;
    size_t value;        /* offset in v */
    size_t state;        /* offset in y, when dynamic */
    int *sum, n_sum;     /* projections whose weighted sum arrives here */
    int *nudge, n_nudge; /* nudgings that pull here */
};

struct ap_pop {
    const struct ap_pop_spec *spec;
    const struct ap_cell_spec *cell;
    size_t n;
    struct ap_comp *comp;
    int n_comp;
    bool clamped;
    size_t rate; /* offset in the arrays that hold one value per neuron: rates, slopes */
    size_t work; /* synapses that one neuron sums: the cost of a row */
};

/* A signal of a rule with what it needs. */
struct ap_signal {
    const struct ap_signal_row *row;
    int comp;                  /* -1: none */
    double gain, offset, rest; /* attenuated prediction offset + gain * v; resting potential */
    size_t at;                 /* offset in the array of rule signals */
};

struct ap_proj {
    const struct ap_proj_spec *spec;
    int pre, post, post_comp;
    int pre_comp;      /* -1: the rate is sent */
    size_t rows, cols; /* weights [rows][cols]; cols 1 when one-to-one */
    double *w;         /* weights, NULL for nudging */
    double *d;         /* low-passed product, NULL without rule or low-pass */
    bool plastic;
    double eta, tau, decay;
    struct ap_signal post_signal, pre_signal;
    size_t w_state, d_state; /* offsets in y with coupled weights */
};

/* A part of the state with an error norm of its own. */
struct ap_part {
    size_t start, n;
    int pop, comp; /* potentials */
    int proj;      /* -1, or weights */
    bool lowpass;  /* the low-passed product of proj */
};

/* Rows [first, last) of one population, at most AP_TASK_ROWS: the unit of work of the right-hand side. */
enum { AP_TASK_ROWS = 256 };
struct ap_task {
    int pop;
    size_t first, last;
};

struct ap_circuit;

/* This thread's share of the rows of a population, for what is quickly done: the same in every loop. */
struct ap_task ap_circuit_share(const struct ap_circuit *c, int pop, struct ap_team team);

struct ap_circuit {
    const struct ap_spec *spec;
    struct ap_arena arena;
    struct ap_pop *pop;
    int n_pop;
    struct ap_proj *proj;
    int n_proj;
    struct ap_stimulus *stim; /* [n_stim], opened */
    int n_stim;
    size_t n_value, n_rate, n_membrane, n_state, n_signal; /* of one copy */
    int copies;                                            /* that a batch needs at most */
    struct ap_part *part;
    int n_part;
    struct ap_task *
        task; /* [n_task] in as many parts as there are threads, of each the same share of every population; small
                           * ones, of one task, come first: the first thread's, which is alone between teams */
    int n_task;
    struct ap_task
        *whole; /* the same rows in as few tasks as stages allow, where threads divide something else */
    int n_whole;
    struct ap_task *proj_task; /* rows of plastic projections; pop holds the projection */
    int n_proj_task;
    double *weights; /* one block for all w and d */
    size_t n_weights;
    bool coupled;
    struct ap_crew *crew; /* the threads that work on it; several: it is large enough for them to pay */
};

/* Builds the circuit: opens data files, fills weights. s must outlive it. */
struct ap_circuit *ap_circuit_build(struct ap_err *e, const struct ap_spec *s);
void ap_circuit_free(struct ap_circuit *c);

/* Sizes without building: what a dry run prints. */
struct ap_circuit_size {
    size_t neurons, compartments, dynamic, synapses, plastic, state, bytes;
};
enum ap_code ap_circuit_size(struct ap_err *e, const struct ap_spec *s, struct ap_circuit_size *out);

/* "hidden1.pyr, soma, neuron 3" or "weights of forward1, [2][7]" for element i of the state. */
void ap_circuit_where(const struct ap_circuit *c, size_t i, char out[AP_ERR_PATH]);

/* Whether an intervention acts, at whatever time, on a projection or on the population that sends through it. */
bool ap_circuit_disturbed(const struct ap_circuit *c, const struct ap_proj *p);

/* Whether the tolerance is so wide, from 1e-3 on, that circuits which share their weights take their sums in single
 * precision: rounding moves a sum of a thousand by 1e-6 of its largest parts. */
bool ap_circuit_single(const struct ap_circuit *c);

/* Starting state: dynamic compartments at rest; with coupled weights these and their products. y is [n_state]. */
void ap_circuit_start(const struct ap_circuit *c, double *y);

#endif
