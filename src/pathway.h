/* pathway.h: the feedforward network inside a circuit: from a clamped input through hidden layers with an apical
 * dendrite to the output that the teacher pulls at. Structure alone: populations, compartments, projections. */
#ifndef AP_PATHWAY_H
#define AP_PATHWAY_H

#include "spec.h"

enum { AP_PATHWAY_LAYERS = 64, AP_PATHWAY_FEEDBACKS = 16 };

/* A dense projection of rates from a higher layer to an apical dendrite: from the next one, or directly from the output. */
struct ap_pathway_feedback {
    int proj;
    int from; /* layer that sends it */
    /* what predicts it: a population that this layer nudges and that reaches the apical dendrite */
    int interneuron, nudge, lateral; /* population, nudging, projection; -1: none */
};

struct ap_pathway_layer {
    int pop;
    int basal;   /* compartment that the layer below reaches; -1: input */
    int forward; /* projection from the layer below into it; -1: input */
    int apical;  /* compartment; -1: input and output */
    struct ap_pathway_feedback feedback[AP_PATHWAY_FEEDBACKS]; /* from the nearest layer first */
    int n_feedback;
};

struct ap_pathway {
    int n; /* layer[0] is the input, layer[n] the output */
    struct ap_pathway_layer layer[AP_PATHWAY_LAYERS];
    int target;  /* population that holds the target */
    int teacher; /* the nudging from it */
};

/* AP_EUSAGE with a hint when the circuit holds no such network; at: where it is asked for, may be NULL. */
enum ap_code ap_pathway_find(struct ap_err *e, const struct ap_place *at, const struct ap_spec *s,
                             struct ap_pathway *out);

/* Number of the layer that is population `pop`, or whose forward projection is `proj`; -1: none. */
int ap_pathway_of_population(const struct ap_pathway *p, int pop);
int ap_pathway_of_projection(const struct ap_pathway *p, int proj);

/* Whether the sum of compartment `from` of a population is part of compartment `into`. */
bool ap_pathway_reaches(const struct ap_spec *s, int pop, int from, int into);

#endif
