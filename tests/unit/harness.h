/* harness.h: builds a simulation from a circuit's text, for tests. */
#ifndef HARNESS_H
#define HARNESS_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "rng.h"
#include "factor.h"
#include "sim.h"

struct harness {
    struct ap_err *e;
    struct ap_spec *s;
    struct ap_sim x;
    char folder[64];
};

static inline void harness_fail(const struct harness *h)
{
    for (int i = 0; i < ap_err_count(h->e); i++)
        fprintf(stderr, "%d:%d %s (%s)\n", h->e->diag[i].line, h->e->diag[i].col, ap_err_message(h->e, i),
                ap_err_hint(h->e, i));
    fail();
}

static inline void harness_start(struct harness *h)
{
    if (!h->s)
        harness_fail(h);
    strcpy(h->folder, P_tmpdir "/apical-test-XXXXXX");
    char log[96];
    if (!mkdtemp(h->folder))
        fail();
    snprintf(log, sizeof log, "%s/run.log", h->folder);
    if (ap_sim_open(h->e, &h->x, h->s) != AP_OK || ap_sim_record(h->e, &h->x, log) != AP_OK)
        harness_fail(h);
}

/* From text; sets may be NULL. */
static inline void harness_open(struct harness *h, const char *text, const char *const *sets, int n_sets)
{
    memset(h, 0, sizeof *h);
    h->e = ap_err_create();
    h->s = ap_spec_parse("test.yaml", text, strlen(text), sets, n_sets, h->e);
    harness_start(h);
}

static inline void harness_open_file(struct harness *h, const char *path, const char *const *sets, int n_sets)
{
    memset(h, 0, sizeof *h);
    h->e = ap_err_create();
    h->s = ap_spec_read(path, sets, n_sets, h->e);
    harness_start(h);
}

/* All presentations of one place of the program. */
static inline void harness_block(struct harness *h, int program)
{
    const struct ap_block_spec *b = &h->s->block[h->s->program[program]];
    for (uint64_t k = 0; k < (uint64_t)b->presentations; k++)
        if (ap_sim_present(h->e, &h->x, program, k) != AP_OK)
            harness_fail(h);
}

static inline void harness_close(struct harness *h)
{
    char log[96];
    snprintf(log, sizeof log, "%s/run.log", h->folder);
    ap_sim_close(&h->x);
    unlink(log);
    rmdir(h->folder);
    ap_spec_free(h->s);
    ap_err_free(h->e);
}

/* Fields of a compartment, by "population" and "compartment", at the last evaluation. */
static inline const double *harness_potential(const struct harness *h, const char *pop, const char *comp,
                                              size_t *n)
{
    int p = ap_spec_population(h->s, pop), c = p < 0 ? -1 : ap_spec_compartment(h->s, p, comp);
    if (c < 0)
        fail_msg("no %s/%s", pop, comp);
    if (n)
        *n = h->x.c->pop[p].n;
    return h->x.rhs.v + h->x.c->pop[p].comp[c].value;
}

static inline struct ap_proj *harness_projection(const struct harness *h, const char *name)
{
    int i = ap_spec_projection(h->s, name);
    if (i < 0)
        fail_msg("no projection %s", name);
    return &h->x.c->proj[i];
}

/* A step whose signals come in two pieces, as from two threads. */
static inline void harness_step(const struct ap_factors *x, struct ap_factor *f, double t, double h,
                                const double *post, const double *pre)
{
    const struct ap_proj *p = &x->c->proj[f->proj];
    ap_factor_advance(x, f, t, h);
    ap_factor_post(x, f, p->rows / 3, p->rows, post);
    ap_factor_pre(x, f, 0, p->cols / 2, pre);
    ap_factor_post(x, f, 0, p->rows / 3, post);
    ap_factor_pre(x, f, p->cols / 2, p->cols, pre);
}

#endif
