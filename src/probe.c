/* probe.c: quantities recorded once per presentation.
 *
 * In:   fields of the right-hand side, weights in force.
 * Out:  one or a few numbers; sim.c averages them over time or takes the last.
 * Invariants:
 *   1. A probe reads and never writes: probing cannot change a run.
 * Never: keeps anything between calls.
 * Test: tests/unit/test_probe.c */
#include "probe.h"
#include "adjoint.h"
#include "cursor.h"
#include "rhs.h"

#include <math.h>

static const double *potential(const struct ap_probe_view *v, int pop, int comp)
{
    return v->rhs->v + v->rhs->c->pop[pop].comp[comp].value;
}

static const double *rate(const struct ap_probe_view *v, int pop)
{
    return v->rhs->rate + v->rhs->c->pop[pop].rate;
}

/* Sum over the selected neurons of (a - b)^2; b NULL: of a^2. */
static double squares(const struct ap_selection *of, const double *a, const double *b)
{
    double sum = 0;
    for (int64_t i = of->first; i < of->last; i++) {
        double d = a[i] - (b ? b[i] : 0);
        sum = fma(d, d, sum);
    }
    return sum;
}

static void squared_potential(const struct ap_probe_view *v, double *out)
{
    const struct ap_probe_spec *s = v->spec;
    double rest = v->rhs->c->pop[s->of.pop].comp[s->of.comp].rest, sum = 0;
    const double *u = potential(v, s->of.pop, s->of.comp);
    for (int64_t i = s->of.first; i < s->of.last; i++)
        sum = fma(u[i] - rest, u[i] - rest, sum);
    out[0] = sum;
}

static void nudge_mismatch(const struct ap_probe_view *v, double *out)
{
    const struct ap_proj *p = &v->rhs->c->proj[v->spec->proj];
    const struct ap_selection all = {.first = 0, .last = (int64_t)p->rows};
    out[0] = squares(&all, potential(v, p->pre, p->pre_comp < 0 ? 0 : p->pre_comp),
                     potential(v, p->post, p->post_comp));
}

static void rate_error(const struct ap_probe_view *v, double *out)
{
    out[0] = squares(&v->spec->of, rate(v, v->spec->of.pop), rate(v, v->spec->target.pop));
}

static void potential_error(const struct ap_probe_view *v, double *out)
{
    out[0] = squares(&v->spec->of, potential(v, v->spec->of.pop, 0), potential(v, v->spec->target.pop, 0));
}

/* Squared distance of the dendritic prediction of the soma, teacher or apical drive left out, from the target. */
static void prediction_error(const struct ap_probe_view *v, double *out)
{
    const struct ap_probe_spec *s = v->spec;
    const struct ap_pop *p = &v->rhs->c->pop[s->of.pop];
    const double *u = potential(v, s->of.pop, s->of.comp), *target = potential(v, s->target.pop, 0);
    const struct ap_comp *soma = &p->comp[0];
    double total = soma->leak, own = 0, pull = soma->leak * soma->rest, sum = 0;
    for (int i = 0; i < soma->n_couple; i++) {
        total += soma->couple[i].conductance;
        if (soma->couple[i].from == s->of.comp)
            own = soma->couple[i].conductance;
        else /* at rest */
            pull += soma->couple[i].conductance * p->comp[soma->couple[i].from].rest;
    }
    for (int64_t i = s->of.first; i < s->of.last; i++) {
        double d = pull / total + own / total * u[i] - target[i];
        sum = fma(d, d, sum);
    }
    out[0] = sum;
}

static int64_t largest(const double *x, int64_t first, int64_t last)
{
    int64_t best = first;
    for (int64_t i = first + 1; i < last; i++)
        if (x[i] > x[best])
            best = i;
    return best - first;
}

/* Columns: wrong (1 or 0), answer, class. */
static void class_error(const struct ap_probe_view *v, double *out)
{
    const struct ap_selection *of = &v->spec->of;
    out[1] = (double)largest(rate(v, of->pop), of->first, of->last);
    out[2] = (double)largest(rate(v, v->spec->target.pop), of->first, of->last);
    out[0] = out[1] != out[2];
}

/* Angle in degrees between the matrix of one projection and the transposed matrix of another. */
static void transposed_angle(const struct ap_probe_view *v, double *out)
{
    const struct ap_proj *a = &v->rhs->c->proj[v->spec->proj];
    const double *wa = v->rhs->w[v->spec->proj], *wb = v->rhs->w[v->spec->other];
    double dot = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < a->rows; i++)
        for (size_t j = 0; j < a->cols; j++) {
            double x = wa[i * a->cols + j], y = wb[j * a->rows + i];
            dot = fma(x, y, dot);
            aa = fma(x, x, aa);
            bb = fma(y, y, bb);
        }
    double cosine = dot / sqrt(aa * bb);
    out[0] = acos(cosine > 1 ? 1 : cosine < -1 ? -1 : cosine) * (180 / 3.14159265358979323846);
}

/* ---- beside the gradient: analysis.h ---------------------------------------------------------------- */

static int hidden_layer(const struct ap_probe_view *v)
{
    return ap_pathway_of_population(&v->analysis->path, v->spec->of.pop);
}

static int forward_layer(const struct ap_probe_view *v)
{
    return ap_pathway_of_projection(&v->analysis->path, v->spec->proj);
}

static void apical_angle(const struct ap_probe_view *v, double *out)
{
    out[0] = ap_analysis_apical_angle(v->analysis, hidden_layer(v), NULL);
}

static void apical_ratio(const struct ap_probe_view *v, double *out)
{
    out[0] = ap_analysis_apical_ratio(v->analysis, hidden_layer(v));
}

static void formula_error(const struct ap_probe_view *v, double *out)
{
    out[0] = ap_analysis_formula_error(v->analysis, hidden_layer(v));
}

static void gradient_angle(const struct ap_probe_view *v, double *out)
{
    out[0] = ap_analysis_gradient_angle(v->analysis, forward_layer(v), false);
}

static void ngrad_angle(const struct ap_probe_view *v, double *out)
{
    out[0] = ap_analysis_ngrad_angle(v->analysis, hidden_layer(v));
}

/* Columns: angle, ratio of norms. */
static void change_angle(const struct ap_probe_view *v, double *out)
{
    out[0] = ap_analysis_change_angle(v->analysis, forward_layer(v), NULL, &out[1]);
}

/* Columns: angle of the change to it, ratio of norms, its angle to the gradient of backprop. */
static void adjoint_angle(const struct ap_probe_view *v, double *out)
{
    int k = forward_layer(v);
    out[0] = out[1] = out[2] = (double)NAN;
    if (!v->analysis->taught)
        return;
    const double *gradient = ap_adjoint_gradient(v->adjoint, k);
    out[0] = ap_analysis_change_angle(v->analysis, k, gradient, &out[1]);
    out[2] = ap_analysis_between_angle(v->analysis, k, gradient, NULL);
}

/* ---- closed loop: cursor.h --------------------------------------------------------------------------- */

/* The cursor that drives the population in this presentation; NULL when another stimulus does. */
static const struct ap_cursor *cursor_of(const struct ap_probe_view *v)
{
    const struct ap_cursor *x = v->cursor;
    return x && x->now >= 0 && x->c->stim[x->now].stim->pop == v->spec->of.pop ? x : NULL;
}

/* Columns: position, mean of the read-out against the midpoint. */
static void cursor_position(const struct ap_probe_view *v, double *out)
{
    const struct ap_cursor *x = cursor_of(v);
    out[0] = x ? x->state[x->now].position : (double)NAN;
    out[1] = x ? x->mean : (double)NAN;
}

static void hit(const struct ap_probe_view *v, double *out)
{
    const struct ap_cursor *x = cursor_of(v);
    out[0] = x ? ap_cursor_hits(x) : (double)NAN;
}

static const struct ap_probe_row PROBES[] = {
    {{"squared-potential",
      "time average of the squared norm of a compartment's potential against rest; apical: the local error",
      "potential^2", "Sacramento et al. 2018, Fig. 1C, 2C", NULL, 0},
     AP_PROBE_POP | AP_PROBE_COMP,
     true,
     true,
     false,
     1,
     {""},
     squared_potential},
    {{"mismatch", "time average of the squared distance between the two sides of a nudging", "potential^2",
      "Sacramento et al. 2018, Fig. 1C, 2C", NULL, 0},
     AP_PROBE_PROJ,
     true,
     true,
     false,
     1,
     {""},
     nudge_mismatch},
    {{"rate-error", "squared distance of the rates from the target's at the end of the presentation",
      "rate^2", "Sacramento et al. 2018, Fig. 2C", NULL, 0},
     AP_PROBE_POP | AP_PROBE_TARGET,
     false,
     true,
     false,
     1,
     {""},
     rate_error},
    {{"potential-error",
      "squared distance of the soma potentials from the target's at the end of the presentation",
      "potential^2", "", NULL, 0},
     AP_PROBE_POP | AP_PROBE_TARGET,
     false,
     true,
     false,
     1,
     {""},
     potential_error},
    {{"prediction-error",
      "time average of the squared distance from the target of what a dendrite alone predicts of the soma",
      "potential^2", "", NULL, 0},
     AP_PROBE_POP | AP_PROBE_COMP | AP_PROBE_TARGET,
     true,
     true,
     false,
     1,
     {""},
     prediction_error},
    {{"class-error", "whether the most active neuron is not the target's, at the end of the presentation",
      "1", "", NULL, 0},
     AP_PROBE_POP | AP_PROBE_TARGET,
     false,
     true,
     true,
     3,
     {"", "answer", "class"},
     class_error},
    {{"transposed-angle", "angle between a projection's weights and another's transposed: feedback alignment",
      "degrees", "Sacramento et al. 2018, Fig. S1", NULL, 0},
     AP_PROBE_PROJ | AP_PROBE_OTHER,
     false,
     false,
     false,
     1,
     {""},
     transposed_angle},
    {{"apical-angle",
      "angle at the end of a presentation between a hidden layer's apical potential and backprop's W^T delta "
      "of the layer above; all such probes together cost about two right-hand sides per presentation; NaN "
      "without teacher",
      "degrees", "Sacramento et al. 2018", NULL, 0},
     AP_PROBE_POP | AP_PROBE_HIDDEN,
     false,
     false,
     false,
     1,
     {""},
     apical_angle},
    {{"apical-ratio",
      "norm of the apical potential over the norm of backprop's W^T delta, attenuation included; cost and "
      "NaN as apical-angle",
      "1", "", NULL, 0},
     AP_PROBE_POP | AP_PROBE_HIDDEN,
     false,
     false,
     false,
     1,
     {""},
     apical_ratio},
    {{"gradient-angle",
      "angle between what a forward rule does (post pre^T, at the end of a presentation) and minus the "
      "backprop gradient of its matrix; cost and NaN as apical-angle",
      "degrees", "Sacramento et al. 2018", NULL, 0},
     AP_PROBE_PROJ | AP_PROBE_FORWARD,
     false,
     false,
     false,
     1,
     {""},
     gradient_angle},
    {{"apical-formula-error",
      "relative distance of the apical potential from its first-order prediction for weak feedback in the "
      "self-predicting state; cost and NaN as apical-angle",
      "1", "Sacramento et al. 2018", NULL, 0},
     AP_PROBE_POP | AP_PROBE_HIDDEN,
     false,
     false,
     false,
     1,
     {""},
     formula_error},
    {{"ngrad-angle",
      "angle between what feedback changes in a hidden layer's rates (at the end of a presentation, against "
      "the forward pass) and minus the gradient with respect to them; cost and NaN as apical-angle",
      "degrees", "Lillicrap et al. 2020", NULL, 0},
     AP_PROBE_POP | AP_PROBE_HIDDEN,
     false,
     false,
     false,
     1,
     {""},
     ngrad_angle},
    {{"change-angle",
      "angle, and ratio of norms, between what a presentation did to a forward matrix and minus its backprop "
      "gradient; costs two passes over the matrix per presentation besides that of apical-angle; NaN without "
      "teacher",
      "degrees", "", NULL, 0},
     AP_PROBE_PROJ | AP_PROBE_FORWARD | AP_PROBE_CHANGE,
     false,
     false,
     false,
     2,
     {"", "ratio"},
     change_angle},
    {{"adjoint-angle",
      "as change-angle, against the gradient of the circuit's own differential equations (CVODES, without "
      "teacher); column `backprop`: angle of that gradient to backprop's; all such probes together cost "
      "about "
      "ten presentations per presentation; NaN without teacher",
      "degrees", "SUNDIALS CVODES", NULL, 0},
     AP_PROBE_PROJ | AP_PROBE_FORWARD | AP_PROBE_CHANGE | AP_PROBE_ADJOINT,
     false,
     false,
     false,
     3,
     {"", "ratio", "backprop"},
     adjoint_angle},
    {{"cursor",
      "position of the cursor that drives a population; column `readout`: mean rate, against the midpoint, "
      "by "
      "which it moves then; NaN while another stimulus drives it",
      "positions", "", NULL, 0},
     AP_PROBE_POP | AP_PROBE_CURSOR,
     false,
     false,
     false,
     2,
     {"", "readout"},
     cursor_position},
    {{"hit", "whether the cursor that drives a population is shown at its last position; NaN as cursor", "1",
      "", NULL, 0},
     AP_PROBE_POP | AP_PROBE_CURSOR,
     false,
     false,
     true,
     1,
     {""},
     hit},
};

const struct ap_table ap_probe_table = {
    .thing = "probe",
    .doc = "quantities recorded once per presentation",
    AP_TABLE(PROBES),
};
