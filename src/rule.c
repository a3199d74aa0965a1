/* rule.c: the table of named plasticity rules.
 *
 * In:   nothing.
 * Out:  for each rule the two signals whose product it is.
 * Invariants:
 *   1. A rule is a product of one signal of its postsynaptic and one of its presynaptic population.
 * Never: computes anything; plasticity.c does.
 * Test: tests/unit/test_registry.c, tests/unit/test_plasticity.c */
#include "rule.h"

#include "spec.h"

#include <math.h>

#define OF(field) offsetof(struct ap_rule_spec, field)
static const struct ap_key KEYS[] = {
    {"rate", AP_KEY_NUMBER, AP_DIM_RATE, OF(rate), AP_REQUIRED, 0, INFINITY, NULL, "learning rate eta"},
    {"lowpass", AP_KEY_NUMBER, AP_DIM_TIME, OF(lowpass), "0 ms", 0, INFINITY, NULL,
     "time constant tau_w of the low-pass on the product; 0: none"},
    {"decay", AP_KEY_NUMBER, AP_DIM_RATE, OF(decay), "0 /ms", 0, INFINITY, NULL,
     "lambda: weights fade as exp(-lambda t) while the rule acts"},
};

static const struct ap_rule_row RULES[] = {
    {{"product", "post and pre as written in the file", "1/ms", "", NULL, 0}, NULL, NULL},
    {{"basal", "predict the soma from the basal dendrite", "1/ms", "Sacramento et al. 2018, eq. 7", NULL, 0},
     "dendritic-error(basal)",
     "rate"},
    {{"dendrite", "predict an interneuron's soma from its dendrite", "1/ms", "Sacramento et al. 2018, eq. 8",
      NULL, 0},
     "dendritic-error(dendrite)",
     "rate"},
    {{"apical", "drive the apical potential to rest: interneurons learn to cancel the feedback", "1/ms",
      "Sacramento et al. 2018, eq. 9", NULL, 0},
     "rest-minus(apical)",
     "rate"},
    {{"topdown", "predict the soma from the top-down input alone", "1/ms", "Sacramento et al. 2018, eq. 10",
      NULL, 0},
     "input-error(topdown)",
     "rate"},
    {{"kolen-pollack",
      "the rule `basal` of the layer above with its factors swapped, for its feedback: with the same decay "
      "both matrices become each other's transpose",
      "1/ms", "Kolen & Pollack 1994; Akrout et al. 2019", NULL, 0},
     "rate",
     "dendritic-error(basal)"},
};

const struct ap_table ap_rule_table = {
    .thing = "rule",
    .doc = "plasticity rules: tau dD/dt = -D + post * pre^T, dW/dt = rate * D - decay * W",
    AP_TABLE(RULES),
    AP_SHARED(KEYS),
};
