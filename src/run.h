/* run.h: what a run and a team of replicates share. */
#ifndef AP_RUN_H
#define AP_RUN_H

#include "err.h"

/* The output folder is made and locked; what lies in it is judged, and an earlier run removed when that was asked for. */
enum ap_code ap_run_take_folder(struct ap_err *e, const struct ap_run_options *o, int *lock);

double ap_run_now(void); /* seconds of a clock that only rises */

#endif
