/* mirror.c: matrices in two digits of 8 bits, beside the ones in 64 bits.
 *
 * In:   what is sent, how far off a sum may be.
 * Out:  weighted sums.
 * Invariants:
 *   1. Roundings of a matrix are as good as independent: over n columns they add up like the square root of n. Where they are
 *      not (all weights alike), their sum over a row tells; SAFETY is for what is in between, and for single precision.
 *   2. Rows are owned, and one thread looks: the same bits for any number of threads.
 * Never: is asked by whoever records: what was asked before must not depend on it. Changes a matrix.
 * Test: tests/unit/test_mirror.c */
#include "mirror.h"
#include "mathx.h"
#include "synapse.h"

#include <math.h>
#include <string.h>

enum { LEAST = 128 * 128, ROWS = 64 }; /* synapses for which this pays; rows of one piece of work */
static const double SAFETY = 3,
                    ROUNDING = 0.28867513459481288; /* of a unit, root mean square: 1 / sqrt(12) */

static bool eligible(const struct ap_circuit *c, const struct ap_factors *factor, int proj)
{
    const struct ap_proj *p = &c->proj[proj];
    return !c->coupled && !ap_circuit_disturbed(c, p) && p->w && !c->pop[p->pre].clamped &&
           p->spec->connect == AP_CONNECT_DENSE && p->rows * p->cols >= LEAST &&
           (!p->plastic || (factor->by_proj[proj] && factor->by_proj[proj]->alone > 0));
}

static size_t stride_of(const struct ap_proj *p)
{
    return (p->cols + AP_SYNAPSE_COARSE - 1) / AP_SYNAPSE_COARSE * AP_SYNAPSE_COARSE;
}

enum ap_code ap_mirror_init(struct ap_err *e, struct ap_mirrors *x, const struct ap_circuit *c,
                            const struct ap_factors *factor)
{
    *x = (struct ap_mirrors){.c = c};
    size_t doubles = 1, words = 1, floats = 1;
    for (int i = 0; i < c->n_proj; i++) {
        const struct ap_proj *p = &c->proj[i];
        if (eligible(c, factor, i)) {
            x->n++;
            doubles += 3 * p->rows + 2 * p->cols;
            words += p->rows * stride_of(p) / 2;
            floats += stride_of(p);
        }
    }
    x->of = ap_mem_array(e, (size_t)x->n + 1, sizeof *x->of, "coarse matrices");
    x->by_proj = ap_mem_array(e, (size_t)c->n_proj + 1, sizeof *x->by_proj, "coarse matrices");
    x->block = ap_mem_array(e, doubles, sizeof *x->block, "coarse matrices");
    x->w = ap_mem_array(e, words, sizeof *x->w, "coarse matrices");
    x->moved = ap_mem_array(e, floats, sizeof *x->moved, "coarse matrices");
    if (!x->of || !x->by_proj || !x->block || !x->w || !x->moved)
        return AP_EMEMORY;
    double *next = x->block;
    int32_t *w = x->w;
    float *moved = x->moved;
    int n = 0;
    for (int i = 0; i < c->n_proj; i++) {
        const struct ap_proj *p = &c->proj[i];
        if (!eligible(c, factor, i))
            continue;
        struct ap_mirror *m = x->by_proj[i] = &x->of[n++];
        *m = (struct ap_mirror){.proj = i, .stride = stride_of(p), .moved = moved};
        moved += m->stride;
        m->scale = next;
        next += p->rows;
        for (int k = 0; k < 2; k++) {
            m->digit[k] = w;
            w += p->rows * m->stride / 4;
            m->x[k] = next;
            m->wx[k] = m->x[k] + p->cols;
            next = m->wx[k] + p->rows;
        }
    }
    return AP_OK;
}

void ap_mirror_free(struct ap_mirrors *x)
{
    ap_mem_free(x->of);
    ap_mem_free(x->by_proj);
    ap_mem_free(x->block);
    ap_mem_free(x->w);
    ap_mem_free(x->moved);
    *x = (struct ap_mirrors){0};
}

void ap_mirror_forget(struct ap_mirrors *x, int proj)
{
    for (int k = 0; k < x->n; k++)
        if (proj < 0 || x->of[k].proj == proj) {
            x->of[k].known = false;
            x->of[k].made = x->of[k].made && !x->c->proj[x->of[k].proj].plastic;
        }
}

/* One thread's rows. No sums are known of a matrix that has just changed, so their place is free. */
static void make_by(struct ap_mirror *m, const struct ap_proj *p, struct ap_team team)
{
    struct ap_deal deal = ap_team_deal_rows(team, p->rows, ROWS);
    for (size_t first, last; ap_team_next_rows(&deal, p->rows, ROWS, &first, &last);) {
        size_t at = first * m->stride / 4;
        ap_synapse_coarsen(last - first, p->cols, p->w + first * p->cols, m->stride, m->digit[0] + at,
                           m->digit[1] + at, m->scale + first, m->wx[0] + first, m->wx[1] + first);
    }
}

static void make(const struct ap_mirrors *x, struct ap_mirror *m)
{
    const struct ap_proj *p = &x->c->proj[m->proj];
    if (m->made)
        return;
    double unit, sum;
    if (ap_team_many(x->c->crew)) {
#pragma omp parallel
        make_by(m, p, ap_team_here(x->c->crew));
    } else
        make_by(m, p, AP_TEAM_ALONE);
    ap_synapse_product(1, p->rows, m->scale, m->scale, 0, &unit);
    double rounding = ROUNDING * ROUNDING * unit;
    for (int k = 0; k < 2; k++, rounding /= AP_SYNAPSE_BASE * AP_SYNAPSE_BASE) {
        ap_synapse_product(1, p->rows, m->wx[k], m->wx[k], 0, &sum);
        m->off[k] = sqrt(fmax(rounding, sum / (double)p->cols) / (double)p->rows);
    }
    m->known = false;
    m->made = true;
}

void ap_mirror_make(struct ap_mirrors *x)
{
    for (int k = 0; x->used && k < x->n; k++)
        make(x, &x->of[k]);
}

/* moved = x, or x - from; returns its length. */
AP_CLONES static double move(struct ap_mirror *m, size_t n, const double *restrict x,
                             const double *restrict from)
{
    enum { LANES = 8 };
    double lane[LANES] = {0}, square = 0;
    float *restrict moved = m->moved;
    size_t j = 0;
    for (; j + LANES <= n; j += LANES)
        for (size_t l = 0; l < LANES; l++) {
            double d = x[j + l] - (from ? from[j + l] : 0);
            moved[j + l] = (float)d;
            lane[l] += d * d;
        }
    for (; j < n; j++) {
        double d = x[j] - (from ? from[j] : 0);
        moved[j] = (float)d;
        square += d * d;
    }
    for (size_t l = 0; l < LANES; l++)
        square += lane[l];
    return sqrt(square);
}

void ap_mirror_look(const struct ap_mirrors *x, struct ap_mirror *m, const double *sent, double tolerance)
{
    const struct ap_proj *p = &x->c->proj[m->proj];
    make(x, m);
    m->change = false;
    m->way = AP_MIRROR_ROUGH;
    double length = m->known ? move(m, p->cols, sent, m->x[1]) : 0;
    if (m->known && SAFETY * hypot(m->off[1] * m->far, m->off[0] * length) <= tolerance) {
        m->way = length == 0 ? AP_MIRROR_STILL : AP_MIRROR_ROUGH;
        return;
    }
    m->far = m->known ? move(m, p->cols, sent, m->x[0]) : 0;
    m->way = m->known && SAFETY * m->off[1] * m->far <= tolerance ? AP_MIRROR_FINE : AP_MIRROR_EXACT;
    if (m->way == AP_MIRROR_EXACT) {
        memcpy(m->x[0], sent, p->cols * sizeof *sent);
        m->far = 0;
        m->known = true;
    }
    memcpy(m->x[1], sent, p->cols * sizeof *sent);
}

void ap_mirror_look_change(const struct ap_mirrors *x, struct ap_mirror *m, const double *change,
                           double tolerance)
{
    const struct ap_proj *p = &x->c->proj[m->proj];
    make(x, m);
    m->change = true;
    m->way =
        SAFETY * m->off[0] * move(m, p->cols, change, NULL) <= tolerance ? AP_MIRROR_ROUGH : AP_MIRROR_FINE;
}

void ap_mirror_sums(const struct ap_mirrors *x, struct ap_mirror *m, size_t first, size_t last,
                    const double *sent, int add, double *sum)
{
    const struct ap_proj *p = &x->c->proj[m->proj];
    size_t n = last - first, digits = m->way == AP_MIRROR_ROUGH ? 1 : m->way == AP_MIRROR_FINE ? 2 : 0;
    double *exact = m->wx[0] + first, *from = m->wx[1] + first;
    if (m->way == AP_MIRROR_EXACT)
        ap_synapse_product(n, p->cols, p->w + first * p->cols, sent, 0, exact);
    bool keep = !m->change && m->way <= AP_MIRROR_FINE;
    if (keep)
        memcpy(from, exact, n * sizeof *from);
    for (size_t i = 0; !keep && i < n; i++)
        sum[i] = (add ? sum[i] : 0) + (m->change ? 0 : from[i]);
    for (size_t k = 0; k < digits; k++)
        ap_synapse_coarse(n, m->stride, m->digit[k] + first * m->stride / 4, m->scale + first,
                          k == 0 ? 1 : 1.0 / AP_SYNAPSE_BASE, m->moved, keep ? from : sum);
    for (size_t i = 0; keep && i < n; i++)
        sum[i] = (add ? sum[i] : 0) + from[i];
}
