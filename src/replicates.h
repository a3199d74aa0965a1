/* replicates.h: several seeds of one circuit, each a run of its own in a process of its own. */
#ifndef AP_REPLICATES_H
#define AP_REPLICATES_H

#include "spec.h"

/* Runs the spec's replicates, as many at once as there are threads, and sums them up. */
enum ap_code ap_replicates_run(const struct ap_spec *s, const struct ap_run_options *o,
                               struct ap_run_result *result, struct ap_err *e);

/* Whether the folder holds replicates; going on with those that are not complete. */
enum ap_code ap_replicates_in(struct ap_err *e, const char *folder, bool *found);
enum ap_code ap_replicates_resume(const struct ap_run_options *o, struct ap_run_result *result,
                                  struct ap_err *e);

/* AP_EUSAGE when the folder holds replicates, since `verb` takes one run. */
enum ap_code ap_replicates_refuse(struct ap_err *e, const char *folder, const char *verb);

#endif
