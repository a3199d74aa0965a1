/* analysis.h: the gradient that each apical dendrite ought to carry: backprop on the feedforward network inside a
 * circuit, for the weights, the input pattern and the target of this moment, beside what the circuit does.
 *
 * Layers k = 0 (input) ... n (output). Forward pass u_k = offset_k + a_k W_k phi(u_{k-1}), what the somata would do at a
 * steady state without apical drive and teacher. Loss: sum over outputs of the integral of phi'(z) (z - target) from the
 * target to u_n; its gradient is exactly D_n (u_n - target). With AP_ANALYSIS_MATCHING it is the integral of
 * phi(z) - phi(target), gradient phi(u_n) - phi(target): the two agree to first order in the error
 * (Sacramento et al. 2018). Deltas are minus the derivatives with respect to u_k. */
#ifndef AP_ANALYSIS_H
#define AP_ANALYSIS_H

#include "pathway.h"
#include "rhs.h"

enum ap_analysis_loss { AP_ANALYSIS_DELTA, AP_ANALYSIS_MATCHING };

/* Arrays are [n] and NULL where a layer has no such thing. */
struct ap_analysis_layer {
    size_t n;
    double gain, offset; /* a_k, and what leak and resting potentials add */
    double lambda;       /* how far the apical potential, at the output the teacher, moves the soma */
    /* how far nudging moves the interneurons that predict each feedback; NaN: there are none */
    double lambda_inter[AP_PATHWAY_FEEDBACKS];
    double *u, *r, *slope;
    double *delta;  /* D_k back_k; at the output D_n (target - u_n) */
    double *back;   /* hidden: a_{k+1} W_{k+1}^T delta_{k+1}, what an apical dendrite ought to carry */
    double *apical; /* hidden: apical potential minus rest */
    double
        *sharp; /* hidden: the same with the digits that top-down minus lateral loses, where it can be had */
    double *topdown; /* hidden: its part from higher layers */
    double *lateral; /* hidden: its part from everything else */
    double *
        predicted; /* hidden: to first order in weak feedback, self-predicting; NaN where that does not apply */
    double *post;  /* signal of the forward rule at its postsynaptic side; NaN without rule */
    double *pre;   /* [n of layer k-1] at its presynaptic side */
    double *drive; /* what apical drive or teacher add to the rate at a steady state, with all digits */
};

struct ap_analysis {
    const struct ap_rhs *rhs;
    struct ap_pathway path;
    struct ap_analysis_layer layer[AP_PATHWAY_LAYERS];
    bool taught;   /* the teacher is on: without it angles are NaN, as there is no error to compare with */
    double *start; /* [n_membrane] potentials when the presentation began */
    double *before[AP_PATHWAY_LAYERS]; /* forward matrices then; NULL: not kept, or without rule */
    double *matrix[2];                 /* when kept: room for two of the largest forward matrices */
    double *block;
    double *work; /* [4][largest layer] */
    size_t widest;
};

enum ap_code ap_analysis_open(struct ap_err *e, struct ap_analysis *a, const struct ap_rhs *rhs);
void ap_analysis_free(struct ap_analysis *a);

/* From now on ap_analysis_begin keeps potentials and plastic forward matrices: one copy of each per presentation. */
enum ap_code ap_analysis_keep(struct ap_err *e, struct ap_analysis *a);
/* A presentation begins; the fields of rhs are those at its start. Nothing happens when nothing is kept. */
void ap_analysis_begin(struct ap_analysis *a);

/* Everything, from the fields and weights at the last evaluation of rhs. Cost: one forward and one backward pass and two
 * passes over feedback and lateral weights, about two right-hand sides. */
void ap_analysis_eval(struct ap_analysis *a);

/* Its parts: the forward pass with the weights in force, and deltas for one of the losses (eval: AP_ANALYSIS_DELTA). */
void ap_analysis_forward(struct ap_analysis *a);
void ap_analysis_backward(struct ap_analysis *a, enum ap_analysis_loss loss);

/* The loss of the last forward pass; that of any output potentials u, and its derivative with respect to them. */
double ap_analysis_loss(const struct ap_analysis *a, enum ap_analysis_loss loss);
double ap_analysis_loss_of(const struct ap_analysis *a, enum ap_analysis_loss loss, const double *u);
void ap_analysis_loss_slope(const struct ap_analysis *a, enum ap_analysis_loss loss, const double *u,
                            double *out);

/* Derivative of the loss with respect to W_k, [n_k][n_{k-1}], for the deltas of the last backward pass. */
void ap_analysis_gradient(const struct ap_analysis *a, int k, double *out);

/* What the presentation did to W_k, [n_k][n_{k-1}]; false when it was not kept. */
bool ap_analysis_change(const struct ap_analysis *a, int k, double *out);

/* Part of the apical potential of hidden layer k that arrives through one projection. */
void ap_analysis_part(struct ap_analysis *a, int k, int proj, double *out);

/* Degrees between two vectors, sharp near 0; NaN when one is 0. cosine (may be NULL): NaN alike. */
double ap_analysis_angle(size_t n, const double *x, const double *y, double *cosine);

/* Hidden layer k: apical potential against `back`; |apical| / |back|; |apical - predicted| / |apical|. */
double ap_analysis_apical_angle(const struct ap_analysis *a, int k, double *cosine);
double ap_analysis_apical_ratio(const struct ap_analysis *a, int k);
double ap_analysis_formula_error(const struct ap_analysis *a, int k);
/* Hidden layer k: what feedback changes in its rates (rates minus those of the forward pass) against `back`, minus the
 * gradient with respect to rates: the hypothesis of gradients as activity differences (Lillicrap et al. 2020). */
double ap_analysis_ngrad_angle(struct ap_analysis *a, int k);
/* Layer k: what its forward rule does (post pre^T) against minus the gradient; steady: `drive` takes the place of post
 * and the rates that of pre, which keeps all digits. */
double ap_analysis_gradient_angle(const struct ap_analysis *a, int k, bool steady);
/* What the presentation did to W_k, against minus a gradient; and that gradient against the backprop gradient. gradient:
 * dL/dW_k; NULL: of backprop. ratio (may be NULL) of the norms. Only after ap_analysis_keep. */
double ap_analysis_change_angle(struct ap_analysis *a, int k, const double *gradient, double *ratio);
double ap_analysis_between_angle(struct ap_analysis *a, int k, const double *gradient, double *ratio);
/* Hidden layer k: feedback weights against the transposed forward weights of the layer above. Direct feedback from a higher
 * layer j is compared with the transposed product W_j ... W_{k+1} of all that it jumps over. NaN without feedback. */
double ap_analysis_feedback_angle(const struct ap_analysis *a, int k);

#endif
