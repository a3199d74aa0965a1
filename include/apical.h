/* apical.h: the public interface of libapical, a simulator of dendritic cortical microcircuits.
 *
 * The usual course:
 *
 *     struct ap_err *err = ap_err_create();
 *     struct ap_spec *spec = ap_spec_read("circuits/association.yaml", NULL, 0, err);
 *     if (spec && ap_run(spec, &(struct ap_run_options){.folder = "runs/association"}, NULL, err) == AP_OK)
 *         ...                      // runs/association holds log, HDF5 and figures
 *     for (int i = 0; i < ap_err_count(err); i++)
 *         fprintf(stderr, "%s\n", ap_err_message(err, i));
 *     ap_spec_free(spec);
 *     ap_err_free(err);
 *
 * Functions return an enum ap_code and add what went wrong to the caller's ap_err. The library never
 * prints and never exits. Handles are opaque; a spec may be shared by threads that only read it. */
#ifndef APICAL_H
#define APICAL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Codes: the program's exit codes too --------------------------------------------------------- */

enum ap_code {
    AP_OK = 0,
    AP_EINTERNAL = 1,     /* a defect of apical */
    AP_EUSAGE = 2,        /* a bad command line or circuit file */
    AP_EIO = 3,           /* a file that cannot be read or written */
    AP_ENUMERIC = 4,      /* potentials ran away, or the integrator gave up */
    AP_EMEMORY = 5,       /* out of memory */
    AP_STOPPED = 75,      /* stopped by a signal at the end of a presentation */
    AP_INTERRUPTED = 130, /* interrupted twice */
};

/* ---- Errors: a list of diagnostics --------------------------------------------------------------- */

struct ap_err;
struct ap_err *ap_err_create(void);
void ap_err_free(struct ap_err *e);
int ap_err_count(const struct ap_err *e);
int ap_err_dropped(const struct ap_err *e);        /* diagnostics beyond the kept ones */
enum ap_code ap_err_code(const struct ap_err *e);  /* of the first diagnostic */
const char *ap_err_message(const struct ap_err *e, int i);
const char *ap_err_hint(const struct ap_err *e, int i); /* "" when there is none */
/* File of diagnostic i ("" when none), its line and column counted from 1 (0 when none). */
const char *ap_err_place(const struct ap_err *e, int i, int *line, int *col);

#ifdef __cplusplus
}
#endif

#endif
