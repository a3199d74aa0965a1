/* intervene.h: the interventions in force at a moment, as the right-hand side reads them. */
#ifndef AP_INTERVENE_H
#define AP_INTERVENE_H

#include "circuit.h"

/* What is done to one compartment. */
struct ap_intervene_comp {
    bool clamp, mean;
    double value;   /* of the clamp */
    double g, pull; /* inhibition: sums of g and of g E */
};

struct ap_intervene {
    const struct ap_circuit *c;
    bool any;         /* something acts on a compartment, population or projection now */
    bool means, maps; /* some mean, some rearrangement of columns */
    int *comp_at;     /* [n_pop] place of the first compartment in comp */
    int n_comp;
    struct ap_intervene_comp *comp;
    bool *silent;         /* [n_pop] */
    double *factor;       /* [n_proj] */
    bool *plastic;        /* [n_proj] rules that act */
    const uint32_t **map; /* [n_proj] column j gets what neuron map[j] sends; NULL: neuron j */
    const uint32_t *
        *row; /* [n_proj] row i of the matrix and cell row[i] belong together, and row[row[i]] = i; NULL: i */
    uint32_t **stored; /* [n_intervention] permutations of shuffles and swaps */
    size_t *x_at;      /* [n_proj] place in x and dx */
    double *x, *dx;    /* what projections with a map send, and its change */
};

enum ap_code ap_intervene_init(struct ap_err *e, struct ap_intervene *v, const struct ap_circuit *c);
void ap_intervene_free(struct ap_intervene *v);

/* What acts in block `b` from time t of a presentation until the next edge. */
void ap_intervene_set(struct ap_intervene *v, const struct ap_block_spec *b, double t);

/* The next onset or offset after t, the end of the learning lag, or the end of the presentation. */
double ap_intervene_edge(const struct ap_intervene *v, const struct ap_block_spec *b, double t);

/* Puts clamped dynamic compartments of the state at their values and averaged ones at their means. */
void ap_intervene_hold(const struct ap_intervene *v, double *y);

/* values [n] of a whole population become their mean. */
void ap_intervene_mean(size_t n, double *values);

/* Actions on a compartment; NULL when there are none anywhere. */
static inline const struct ap_intervene_comp *ap_intervene_of(const struct ap_intervene *v, int pop, int comp)
{
    return v->any ? &v->comp[v->comp_at[pop] + comp] : NULL;
}

#endif
