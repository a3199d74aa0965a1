/* stimulus.h: what clamped populations are driven by: patterns, image sets, a teacher network. */
#ifndef AP_STIMULUS_H
#define AP_STIMULUS_H

#include "spec.h"

struct ap_stimulus;

struct ap_stimulus_row {
    struct ap_row row;
    bool as_potential; /* yields potentials whatever `as` says */
    bool is_class;     /* yields class targets: an argmax names the class */
    enum ap_code (*open)(struct ap_err *e, struct ap_stimulus *st);
    /* Pattern `index` as rates (or potentials, see as_potential) into out[n]. */
    void (*pattern)(const struct ap_stimulus *st, uint64_t index, double *out);
};

/* An opened stimulus: its data, and the smoothing that is common to all. */
struct ap_stimulus {
    const struct ap_spec *spec;
    const struct ap_stim_spec *stim;
    size_t n;                  /* neurons of the clamped population */
    uint64_t count;            /* patterns; 0: endless */
    void *data;                /* image or label bytes, table of values */
    size_t stride;             /* per pattern in data */
    double *table;             /* [count][n] or teacher weights */
    double *hidden;            /* teacher network: [hidden] */
    double *input;             /* teacher network: pattern of the population that it looks at */
    struct ap_stimulus *other; /* teacher network: the stimulus that drives that population now */
};

enum ap_code ap_stimulus_open(struct ap_err *e, struct ap_stimulus *st, const struct ap_spec *s, int stim);
void ap_stimulus_close(struct ap_stimulus *st);

/* Pattern `index` as clamped potentials into out[n]: rates pass through the inverse transfer function. */
void ap_stimulus_potential(const struct ap_stimulus *st, uint64_t index, double *out);

/* The pattern number that presentation `k` of a block shows: in sequence, or in a fresh shuffle of all patterns in
 * every round (counter-based: a function of seed, block, round and position). */
uint64_t ap_stimulus_index(const struct ap_stimulus *st, int order, uint64_t block, uint64_t k);

#endif
