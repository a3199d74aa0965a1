/* signal.c: the table of local signals.
 *
 * In:   potentials and rates of one population.
 * Out:  one value per neuron, and its directional derivative.
 * Invariants:
 *   1. out[i] depends on index i of the inputs alone: a synapse sees only its own two neurons.
 *   2. `change` is the exact derivative of `value` (tests/unit/test_signal.c compares with differences).
 * Never: looks at another population.
 * Test: tests/unit/test_signal.c */
#include "signal.h"
#include "mathx.h"

#include <math.h>
#include <string.h>

static void rate_value(const struct ap_signal_view *v, double *out)
{
    memcpy(out, v->rate, v->n * sizeof *out);
}

static void rate_change(const struct ap_signal_view *v, const struct ap_signal_change *d, double *out)
{
    for (size_t i = 0; i < v->n; i++)
        out[i] = d->rate[i];
}

static void slope_value(const struct ap_signal_view *v, double *out)
{
    v->transfer->slope(v->param, v->n, v->soma, out);
}

static void slope_change(const struct ap_signal_view *v, const struct ap_signal_change *d, double *out)
{
    v->transfer->curvature(v->param, v->n, v->soma, out);
    for (size_t i = 0; i < v->n; i++)
        out[i] *= d->soma[i];
}

static void potential_value(const struct ap_signal_view *v, double *out)
{
    for (size_t i = 0; i < v->n; i++)
        out[i] = v->comp[i];
}

static void potential_change(const struct ap_signal_view *v, const struct ap_signal_change *d, double *out)
{
    for (size_t i = 0; i < v->n; i++)
        out[i] = d->comp[i];
}

static void rest_minus_value(const struct ap_signal_view *v, double *out)
{
    for (size_t i = 0; i < v->n; i++)
        out[i] = v->rest - v->comp[i];
}

static void rest_minus_change(const struct ap_signal_view *v, const struct ap_signal_change *d, double *out)
{
    for (size_t i = 0; i < v->n; i++)
        out[i] = -d->comp[i];
}

/* out = rate - phi(offset + gain * comp) */
AP_CLONES static void error_value(const struct ap_signal_view *v, double gain, double offset, double *out)
{
    for (size_t i = 0; i < v->n; i++)
        v->scratch[i] = offset + gain * v->comp[i];
    v->transfer->rate(v->param, v->n, v->scratch, out);
    for (size_t i = 0; i < v->n; i++)
        out[i] = v->rate[i] - out[i];
}

AP_CLONES static void error_change(const struct ap_signal_view *v, const struct ap_signal_change *d,
                                   double gain, double offset, double *out)
{
    for (size_t i = 0; i < v->n; i++)
        v->scratch[i] = offset + gain * v->comp[i];
    v->transfer->slope(v->param, v->n, v->scratch, out);
    for (size_t i = 0; i < v->n; i++)
        out[i] = d->rate[i] - out[i] * gain * d->comp[i];
}

static void dendritic_error_value(const struct ap_signal_view *v, double *out)
{
    error_value(v, v->gain, v->offset, out);
}

static void dendritic_error_change(const struct ap_signal_view *v, const struct ap_signal_change *d,
                                   double *out)
{
    error_change(v, d, v->gain, v->offset, out);
}

static void input_error_value(const struct ap_signal_view *v, double *out)
{
    error_value(v, 1, 0, out);
}

static void input_error_change(const struct ap_signal_view *v, const struct ap_signal_change *d, double *out)
{
    error_change(v, d, 1, 0, out);
}

/* phi(u) - phi(u - x), x = gain * comp: u - x is where the soma would rest without that compartment. For small x the
 * difference is x times the slope half way, whose relative error is of order x^2 / 24: no digits are lost. */
static void drive_value(const struct ap_signal_view *v, double *out)
{
    for (size_t i = 0; i < v->n; i++)
        v->scratch[i] = v->soma[i] - v->gain * v->comp[i];
    v->transfer->rate(v->param, v->n, v->scratch, out);
    for (size_t i = 0; i < v->n; i++)
        v->scratch[i] = v->soma[i] - 0.5 * v->gain * v->comp[i];
    v->transfer->slope(v->param, v->n, v->scratch, v->scratch);
    for (size_t i = 0; i < v->n; i++) {
        double x = v->gain * v->comp[i];
        out[i] = fabs(x) < 1e-5 ? v->scratch[i] * x : v->rate[i] - out[i];
    }
}

static void drive_change(const struct ap_signal_view *v, const struct ap_signal_change *d, double *out)
{
    for (size_t i = 0; i < v->n; i++)
        v->scratch[i] = v->soma[i] - v->gain * v->comp[i];
    v->transfer->slope(v->param, v->n, v->scratch, out);
    for (size_t i = 0; i < v->n; i++)
        out[i] = d->rate[i] - out[i] * (d->soma[i] - v->gain * d->comp[i]);
}

static const struct ap_signal_row SIGNALS[] = {
    {{"rate", "phi(soma), the firing rate", "rate", "", NULL, 0}, false, rate_value, rate_change},
    {{"slope", "phi'(soma)", "rate/potential", "", NULL, 0}, false, slope_value, slope_change},
    {{"potential", "potential(compartment)", "potential", "", NULL, 0},
     true,
     potential_value,
     potential_change},
    {{"dendritic-error",
      "rate - phi(attenuated potential of the compartment): what the soma does beyond this dendrite's "
      "prediction",
      "rate", "Sacramento et al. 2018, eqs. 7, 8", NULL, 0},
     true,
     dendritic_error_value,
     dendritic_error_change},
    {{"input-error", "rate - phi(potential of the compartment), not attenuated", "rate",
      "Sacramento et al. 2018, eq. 10", NULL, 0},
     true,
     input_error_value,
     input_error_change},
    {{"rest-minus", "resting potential - potential of the compartment", "potential",
      "Sacramento et al. 2018, eq. 9", NULL, 0},
     true,
     rest_minus_value,
     rest_minus_change},
    {{"compartment-drive",
      "rate - phi(soma without this compartment's pull): at a steady state the dendritic-error of the other "
      "dendrite, with all its digits",
      "rate", "Sacramento et al. 2018, eq. 7 at a steady state", NULL, 0},
     true,
     drive_value,
     drive_change},
};

const struct ap_table ap_signal_table = {
    .thing = "signal",
    .doc = "what a plasticity rule may name, of its own two populations; (compartment) where one is needed",
    AP_TABLE(SIGNALS),
};
