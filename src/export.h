/* export.h: a finished run as HDF5 files that others read. */
#ifndef AP_EXPORT_H
#define AP_EXPORT_H

#include "runlog.h"

enum { AP_EXPORT_FILES = 4096 };

/* Names of the files that were written, without the folder. */
struct ap_file_list {
    char (*name)[128];
    int n, capacity;
};
enum ap_code ap_export_note(struct ap_err *e, struct ap_file_list *files, const char *name);

/* Writes <report>.<block>.h5 (SONATA; later passes of a block: <report>.<block>-2.h5), weights.h5 and probes.h5. */
/* readout.<name>.cells.csv and readout.<name>.csv of every readout that the run came to. */
enum ap_code ap_export_readouts(struct ap_err *e, const struct ap_run *run, const char *folder,
                                struct ap_file_list *files);

enum ap_code ap_export_run(struct ap_err *e, const struct ap_run *run, const char *folder,
                           struct ap_file_list *files);

#endif
