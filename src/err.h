/* err.h: errors are values. A function returns an enum ap_code; what went wrong is added to the
 * caller's struct ap_err, with the place in the circuit file and a hint. No function of the library
 * prints or exits. */
#ifndef AP_ERR_H
#define AP_ERR_H

#include "../include/apical.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum {
    AP_ERR_MAX = 64,   /* diagnostics kept; further ones are only counted */
    AP_ERR_TEXT = 512, /* bytes of a message, ending zero included */
    AP_ERR_HINT = 320, /* bytes of a hint */
    AP_ERR_PATH = 256, /* bytes of a file name or key path */
};

/* A place in a circuit file. line 0: no place (an option, a file as a whole). */
struct ap_place {
    const char *file;
    int line, col;
};

struct ap_diag {
    enum ap_code code;
    char file[AP_ERR_PATH];
    int line, col;
    char text[AP_ERR_TEXT];
    char hint[AP_ERR_HINT];
};

/* Fixed size, so that reporting a failed allocation allocates nothing. */
struct ap_err {
    int n;       /* diagnostics kept in diag[] */
    int dropped; /* how many did not fit */
    struct ap_diag diag[AP_ERR_MAX];
};

/* Adds one diagnostic and returns `code`, so that `return ap_err_add(...)` reads as one step.
 * at may be NULL; hint may be NULL. Control characters of quoted text are escaped. e may be NULL. */
enum ap_code ap_err_add(struct ap_err *e, enum ap_code code, const struct ap_place *at, const char *hint,
                        const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Passes a failure up: AP_TRY(call) returns the callee's code unless it is AP_OK. */
#define AP_TRY(call)                                                                                         \
    do {                                                                                                     \
        enum ap_code ap_try_code_ = (call);                                                                  \
        if (ap_try_code_ != AP_OK)                                                                           \
            return ap_try_code_;                                                                             \
    } while (0)

/* The candidate nearest to `word` by edit distance, or NULL when none is near enough to suggest. */
const char *ap_err_nearest(const char *word, const char *const *candidates, size_t n);

#endif
