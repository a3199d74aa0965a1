/* rule.h: plasticity rules by name. Each is dW/dt = rate * post signal * pre signal^T, optionally low-passed. */
#ifndef AP_RULE_H
#define AP_RULE_H

#include "registry.h"

struct ap_rule_row {
    struct ap_row row;
    const char *post, *pre; /* signals as they would be written; NULL: given by the circuit file */
};

#endif
