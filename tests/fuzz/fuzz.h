/* fuzz.h: what the fuzz targets share. A target is one function over bytes; libFuzzer calls it (make fuzz), or replay.c does,
 * with every file of the corpus (make test). */
#ifndef FUZZ_H
#define FUZZ_H

#include "err.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A circuit for what is read beside one. */
static const char FUZZ_CIRCUIT[] =
    "version: 1\nname: fuzz\nseed: 5\nmicrocircuit:\n  layers: [3, 2, 2]\n"
    "  weights: {forward: uniform(-1, 1), feedback: uniform(-1, 1)}\n"
    "  plasticity: {forward: 0.1 /ms, lowpass: 5 ms}\n"
    "stimulus: {kind: random, patterns: 3}\ntarget: {kind: random, range: [0.1, 0.9]}\n"
    "schedule: [{name: a, presentations: 2, duration: 3 ms}, {name: b, presentations: 1, duration: 2 ms}]\n"
    "record: {of: [hidden1.pyr, output], every: 1 ms}\nprobes: [{kind: class-error, of: output}]\n";

/* A folder of this process, in memory where there is such a place. */
static inline const char *fuzz_folder(void)
{
    static char folder[64];
    if (!*folder) {
        snprintf(folder, sizeof folder, "%s/apical-fuzz-XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        if (!mkdtemp(folder))
            abort();
    }
    return folder;
}

static inline void fuzz_write(const char *name, const void *data, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    close(fd);
}

static inline void fuzz_end(void) /* at exit */
{
    static const char *const NAMES[] = {"run.log", "checkpoint-a", "idx"};
    char path[128];
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", fuzz_folder(), NAMES[i]);
        unlink(path);
    }
    rmdir(fuzz_folder());
}

/* The error list, empty. */
static inline struct ap_err *fuzz_errors(void)
{
    static struct ap_err *e;
    if (!e) {
        e = ap_err_create();
        atexit(fuzz_end);
    }
    e->n = e->dropped = 0;
    return e;
}

/* What was refused says why. */
static inline void fuzz_refused(const struct ap_err *e)
{
    if (e->n == 0 || !*e->diag[0].text)
        abort();
    for (int i = 0; i < e->n; i++)
        if (e->diag[i].code == AP_EINTERNAL)
            abort();
}

#endif
