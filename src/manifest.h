/* manifest.h: manifest.json of an output folder: what ran, with what, and which files it wrote. */
#ifndef AP_MANIFEST_H
#define AP_MANIFEST_H

#include "export.h"
#include "hash.h"

struct ap_manifest {
    const struct ap_spec *spec;
    const char *status;    /* "running", "complete", "stopped", "failed" */
    struct ap_hash digest; /* of the final state */
    struct ap_integrate_counts {
        uint64_t presentations, steps, evaluations, products;
    } counts;
    int threads;
    double wall_seconds;
    const struct ap_file_list *files;
};

enum ap_code ap_manifest_write(struct ap_err *e, const char *folder, const struct ap_manifest *m);

/* Removes the files that the folder's manifest lists, then the manifest: how an earlier run is replaced. AP_EIO when
 * there is no manifest of ours; then nothing is removed. */
enum ap_code ap_manifest_remove_run(struct ap_err *e, const char *folder);

/* "apical 0.1.0\nSUNDIALS ...": versions of what it was built with, one per line, into out. */
void ap_manifest_versions(char *out, size_t size);

#endif
