/* sonata.h: HDF5 files: SONATA compartment reports, weights, tables of numbers; and matrices read back.
 *
 * A file is built under a temporary name and takes its own when ap_sonata_finish has seen it flushed, closed
 * and synced: it is there whole or not at all. The same calls give the same bytes. Several kinds may share a
 * file. Sources: SONATA developer guide (AllenInstitute/sonata); the reading arithmetic of libsonata and
 * bmtk, which is stricter than the guide (see sonata.c). */
#ifndef AP_SONATA_H
#define AP_SONATA_H

#include "err.h"

#include <stddef.h>
#include <stdint.h>

struct ap_sonata; /* a file being written */

/* Starts a file that ap_sonata_finish will name `path`. AP_EIO, AP_EMEMORY; *s is NULL then. */
enum ap_code ap_sonata_create(struct ap_err *e, const char *path, struct ap_sonata **s);

/* Completes the file; s is freed whether it succeeds or not (then no file is left). */
enum ap_code ap_sonata_finish(struct ap_err *e, struct ap_sonata *s);

/* Gives up: frees s and removes the temporary file. NULL is allowed. */
void ap_sonata_discard(struct ap_sonata *s);

/* ---- Compartment reports ---------------------------------------------------------------------------------
 */

/* One reported population: each of n_nodes nodes (ids first_node, first_node + 1, ...) has the same n_elements elements. */
struct ap_sonata_population {
    const char *name;            /* characters outside [A-Za-z0-9_-] become '_' */
    const char *variable, *unit; /* such as "v", "mV" */
    uint64_t first_node;
    size_t n_nodes, n_elements;  /* both >= 1 */
    const uint32_t *element_ids; /* [n_elements]: section 0 soma, 1 basal, 2 apical */
    const double *element_pos;   /* [n_elements], 0 ... 1 along the section; NULL: 0.5 */
    double start, dt;            /* [ms] time of the first frame and between frames; dt > 0 */
};

/* Adds a population; *index names it in ap_sonata_append. AP_EUSAGE for two names that become the same, or a
 * description that breaks the above. */
enum ap_code ap_sonata_report(struct ap_err *e, struct ap_sonata *s, const struct ap_sonata_population *p,
                              int *index);

/* Appends values[n_frames][n_nodes][n_elements], stored as 32-bit floats. */
enum ap_code ap_sonata_append(struct ap_err *e, struct ap_sonata *s, int index, size_t n_frames,
                              const double *values);

/* The end of a report of n frames: start + n dt, raised by the few ulp that readers which truncate
 * (stop - start) / dt need to find n. */
double ap_sonata_stop(double start, double dt, uint64_t n);

/* ---- Weights and tables
 * ------------------------------------------------------------------------------------ */

struct ap_sonata_projection {
    const char *name, *source, *target, *compartment, *unit;
};

/* Writes w[post][pre] as /weights/<projection>/<snapshot>, 64-bit, attributes source, target, compartment,
 * unit. Names as those of populations. */
enum ap_code ap_sonata_weights(struct ap_err *e, struct ap_sonata *s, const struct ap_sonata_projection *p,
                               const char *snapshot, size_t post, size_t pre, const double *w);

/* Writes values[n] as /<table>/<column>, 64-bit, attribute unit. */
enum ap_code ap_sonata_column(struct ap_err *e, struct ap_sonata *s, const char *table, const char *column,
                              const char *unit, size_t n, const double *values);

/* The same with two dimensions: values[rows][cols] as /<table>/<column>. */
enum ap_code ap_sonata_matrix(struct ap_err *e, struct ap_sonata *s, const char *table, const char *column,
                              const char *unit, size_t rows, size_t cols, const double *values);

/* ---- Reading
 * ------------------------------------------------------------------------------------------------ */

/* Reads "file.h5:/path/of/dataset" (the last colon divides), two dimensions, 32- or 64-bit floats, into
 * out[rows][cols]. at: where the circuit file asks for it, may be NULL. AP_EIO when the file or dataset is
 * not there, has another rank, shape or type, or holds NaN or infinity (the first index is named). The file
 * is read into memory whole, at most 1 GiB. */
enum ap_code ap_sonata_read_matrix(struct ap_err *e, const struct ap_place *at, const char *where,
                                   size_t rows, size_t cols, double *out);

#endif
