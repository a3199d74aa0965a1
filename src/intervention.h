/* intervention.h: what an experimenter does to a circuit: the row type of the table of kinds. */
#ifndef AP_INTERVENTION_H
#define AP_INTERVENTION_H

#include "registry.h"

enum ap_intervention_kind {
    AP_INTERVENTION_SILENCE,
    AP_INTERVENTION_CLAMP,
    AP_INTERVENTION_INHIBIT,
    AP_INTERVENTION_SCALE,
    AP_INTERVENTION_FREEZE,
    AP_INTERVENTION_MEAN,
    AP_INTERVENTION_SHUFFLE,
    AP_INTERVENTION_SWAP,
};

/* What a kind acts on. */
enum ap_intervention_on { AP_INTERVENTION_POP, AP_INTERVENTION_COMP, AP_INTERVENTION_PROJ };

struct ap_intervention_row {
    struct ap_row row;
    enum ap_intervention_kind kind;
    enum ap_intervention_on on;
};

#endif
