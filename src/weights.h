/* weights.h: how the weights of a projection start. */
#ifndef AP_WEIGHTS_H
#define AP_WEIGHTS_H

#include "registry.h"

struct ap_init_row {
    struct ap_row row;
    int n_numbers;         /* arguments that are numbers */
    bool takes_projection; /* one argument names a projection, with an optional factor behind it */
    bool takes_file;       /* (path, dataset) */
    bool transposes;       /* sizes of the named projection are swapped */
    bool signs;            /* of the named projection's weights the sign alone is taken */
};

struct ap_spec;

/* Fills weight[proj] ([n_post][n_pre], row-major; one value per neuron when one-to-one) of all projections of the
 * spec, in an order in which named projections come first. Counter-based: value (i, j) depends on the seed, the
 * projection's name and (i, j) alone. */
enum ap_code ap_weights_fill(struct ap_err *e, const struct ap_spec *s, double *const *weight);

#endif
