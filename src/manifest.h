/* manifest.h: manifest.json of an output folder: what ran, with what, and which files it wrote. */
#ifndef AP_MANIFEST_H
#define AP_MANIFEST_H

#include "export.h"
#include "hash.h"

struct ap_integrate_counts {
    uint64_t presentations, steps, evaluations, products;
};

struct ap_manifest {
    const struct ap_spec *spec;
    const char *status;      /* "running", "complete", "stopped", "failed" */
    char circuit_digest[33]; /* of the explicit form as it was read for the first time */
    struct ap_hash digest;   /* of the final state */
    struct ap_integrate_counts counts;
    int threads;
    uint64_t stop_after; /* presentations, 0: all */
    bool figures;        /* were asked for */
    double wall_seconds,
        simulating_seconds; /* the second without what a run begins and ends with; 0: replicates */
    const struct ap_file_list *files;
    bool checkpoints; /* may lie there too */
};

enum ap_code ap_manifest_write(struct ap_err *e, const char *folder, const struct ap_manifest *m);

/* What a manifest says about a run that is to be gone on with. */
struct ap_manifest_past {
    bool replicates; /* runs of several seeds, each in a folder of its own below */
    char status[16], circuit_digest[33], state_digest[33];
    uint64_t stop_after;
    bool figures;
    struct ap_integrate_counts counts;
};
/* AP_EIO when the folder holds no manifest of ours. */
enum ap_code ap_manifest_read(struct ap_err *e, const char *folder, struct ap_manifest_past *past);

/* Folder of one replicate: "runs/mine/seed-3". */
enum ap_code ap_manifest_replicate(struct ap_err *e, const char *folder, int64_t seed, char out[AP_ERR_PATH]);

/* Removes the files that the folder's manifest lists, replicates among them, circuit.yaml first, so that nobody goes on with half a run; the
 * manifest itself stays until the new run's replaces it. AP_EIO when there is none of ours; then nothing is removed. */
enum ap_code ap_manifest_remove_run(struct ap_err *e, const char *folder);
/* Removes what was exported and drawn; what the run needs to go on stays. */
enum ap_code ap_manifest_remove_outputs(struct ap_err *e, const char *folder);

/* "apical 0.1.0\nSUNDIALS ...": versions of what it was built with, one per line, into out. */
void ap_manifest_versions(char *out, size_t size);

#endif
