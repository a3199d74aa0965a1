/* mirror.c: matrices in 16 bits, beside the ones in 64.
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
#include "synapse.h"

#include <math.h>
#include <string.h>

enum { LEAST = 128 * 128 }; /* synapses for which this pays */
static const double SAFETY = 3,
                    ROUNDING = 0.28867513459481288; /* of a unit, root mean square: 1 / sqrt(12) */

static bool eligible(const struct ap_circuit *c, const struct ap_factors *factor, int proj)
{
    const struct ap_proj *p = &c->proj[proj];
    return !c->coupled && !ap_circuit_disturbed(c, p) && p->w && !c->pop[p->pre].clamped &&
           p->spec->connect == AP_CONNECT_DENSE && p->rows * p->cols >= LEAST &&
           (!p->plastic || factor->by_proj[proj]);
}

static size_t stride_of(const struct ap_proj *p)
{
    return (p->cols + AP_SYNAPSE_COARSE - 1) / AP_SYNAPSE_COARSE * AP_SYNAPSE_COARSE;
}

enum ap_code ap_mirror_init(struct ap_err *e, struct ap_mirrors *x, const struct ap_circuit *c,
                            const struct ap_factors *factor)
{
    *x = (struct ap_mirrors){.c = c};
    size_t doubles = 1, synapses = 1, floats = 1;
    for (int i = 0; i < c->n_proj; i++) {
        const struct ap_proj *p = &c->proj[i];
        if (eligible(c, factor, i)) {
            x->n++;
            doubles += 2 * p->rows + p->cols;
            synapses += p->rows * stride_of(p);
            floats += stride_of(p);
        }
    }
    x->of = ap_mem_array(e, (size_t)x->n + 1, sizeof *x->of, "coarse matrices");
    x->by_proj = ap_mem_array(e, (size_t)c->n_proj + 1, sizeof *x->by_proj, "coarse matrices");
    x->block = ap_mem_array(e, doubles, sizeof *x->block, "coarse matrices");
    x->w = ap_mem_array(e, synapses, sizeof *x->w, "coarse matrices");
    x->moved = ap_mem_array(e, floats, sizeof *x->moved, "coarse matrices");
    if (!x->of || !x->by_proj || !x->block || !x->w || !x->moved)
        return AP_EMEMORY;
    double *next = x->block;
    int16_t *w = x->w;
    float *moved = x->moved;
    int n = 0;
    for (int i = 0; i < c->n_proj; i++) {
        const struct ap_proj *p = &c->proj[i];
        if (!eligible(c, factor, i))
            continue;
        struct ap_mirror *m = x->by_proj[i] = &x->of[n++];
        *m = (struct ap_mirror){.proj = i, .stride = stride_of(p), .w = w, .moved = moved};
        w += p->rows * m->stride;
        moved += m->stride;
        m->scale = next;
        m->wx0 = m->scale + p->rows;
        m->x0 = m->wx0 + p->rows;
        next = m->x0 + p->cols;
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

static void make(struct ap_mirror *m, const struct ap_proj *p)
{
    if (m->made)
        return;
    double *lost = m->wx0, unit, sum; /* no sum is known of a matrix that has just changed */
    ap_synapse_coarsen(p->rows, p->cols, p->w, m->stride, m->w, m->scale, lost);
    ap_synapse_product(1, p->rows, m->scale, m->scale, 0, &unit);
    ap_synapse_product(1, p->rows, lost, lost, 0, &sum);
    m->off = sqrt(fmax(ROUNDING * ROUNDING * unit, sum / (double)p->cols) / (double)p->rows);
    m->known = false;
    m->made = true;
}

/* moved = x - x0; returns its length. */
static double move(size_t n, const double *restrict x, const double *restrict x0, float *restrict moved)
{
    enum { LANES = 8 };
    double lane[LANES] = {0}, square = 0;
    size_t j = 0;
    for (; j + LANES <= n; j += LANES)
        for (size_t l = 0; l < LANES; l++) {
            double d = x[j + l] - x0[j + l];
            moved[j + l] = (float)d;
            lane[l] += d * d;
        }
    for (; j < n; j++) {
        moved[j] = (float)(x[j] - x0[j]);
        square += (x[j] - x0[j]) * (x[j] - x0[j]);
    }
    for (size_t l = 0; l < LANES; l++)
        square += lane[l];
    return sqrt(square);
}

void ap_mirror_look(const struct ap_mirrors *x, struct ap_mirror *m, const double *sent, double tolerance)
{
    const struct ap_proj *p = &x->c->proj[m->proj];
    make(m, p);
    if (m->known && SAFETY * m->off * move(p->cols, sent, m->x0, m->moved) <= tolerance) {
        m->way = AP_MIRROR_SINCE;
        return;
    }
    memcpy(m->x0, sent, p->cols * sizeof *sent);
    m->known = true;
    m->way = AP_MIRROR_EXACT;
}

void ap_mirror_look_change(const struct ap_mirrors *x, struct ap_mirror *m, const double *change)
{
    const struct ap_proj *p = &x->c->proj[m->proj];
    make(m, p);
    for (size_t j = 0; j < p->cols; j++)
        m->moved[j] = (float)change[j];
    m->way = AP_MIRROR_CHANGE;
}

void ap_mirror_sums(const struct ap_mirrors *x, struct ap_mirror *m, size_t first, size_t last,
                    const double *sent, int add, double *sum)
{
    const struct ap_proj *p = &x->c->proj[m->proj];
    size_t n = last - first;
    double *since = m->wx0 + first;
    if (m->way == AP_MIRROR_EXACT)
        ap_synapse_product(n, p->cols, p->w + first * p->cols, sent, 0, since);
    for (size_t i = 0; i < n; i++)
        sum[i] = (add ? sum[i] : 0) + (m->way == AP_MIRROR_CHANGE ? 0 : since[i]);
    if (m->way != AP_MIRROR_EXACT)
        ap_synapse_coarse(n, m->stride, m->w + first * m->stride, m->scale + first, m->moved, sum);
}
