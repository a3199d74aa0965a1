/* summary.h: what several seeds of one circuit have in common: median and range of their probes. */
#ifndef AP_SUMMARY_H
#define AP_SUMMARY_H

#include "export.h"

/* From the logs of the replicates in `folder` that are complete: replicates.csv, and the circuit's learning curves with
 * bands. Nothing without probes. The names are added to files. */
enum ap_code ap_summary_write(struct ap_err *e, const struct ap_spec *s, const char *folder, bool figures,
                              struct ap_file_list *files);

#endif
