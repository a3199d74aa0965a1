/* span.c: products with a matrix, remembered along the directions of a presentation.
 *
 * In:   what is sent, how far off a sum may be.
 * Out:  weighted sums.
 * Invariants:
 *   1. The kept vectors are orthonormal, and wq = W q for each of them, W being the matrix in memory.
 *   2. Rows are owned, and the division of x is made once for all of them: the same bits for any number of threads.
 * Never: is asked by whoever records: what was asked before must not depend on it.
 * Test: tests/unit/test_span.c */
#include "span.h"

#include <math.h>
#include <string.h>

enum { ROOM = 48, LEAST = 128 * 128 }; /* directions kept; synapses for which this pays */

static bool eligible(const struct ap_circuit *c, const struct ap_proj *p)
{
    return !c->coupled && !ap_circuit_disturbed(c, p) && p->w && !c->pop[p->pre].clamped &&
           p->spec->connect == AP_CONNECT_DENSE && p->rows * p->cols >= LEAST;
}

enum ap_code ap_span_init(struct ap_err *e, struct ap_spans *x, const struct ap_circuit *c)
{
    *x = (struct ap_spans){.c = c};
    size_t doubles = 1;
    for (int i = 0; i < c->n_proj; i++) {
        const struct ap_proj *p = &c->proj[i];
        if (eligible(c, p)) {
            x->n++;
            doubles += ROOM * (p->rows + p->cols + 1) + p->cols;
        }
    }
    x->of = ap_mem_array(e, (size_t)x->n + 1, sizeof *x->of, "kept sums");
    x->by_proj = ap_mem_array(e, (size_t)c->n_proj + 1, sizeof *x->by_proj, "kept sums");
    x->block = ap_mem_array(e, doubles, sizeof *x->block, "kept sums");
    if (!x->of || !x->by_proj || !x->block)
        return AP_EMEMORY;
    double *next = x->block;
    int n = 0;
    for (int i = 0; i < c->n_proj; i++) {
        const struct ap_proj *p = &c->proj[i];
        if (!eligible(c, p))
            continue;
        struct ap_span *s = x->by_proj[i] = &x->of[n++];
        *s = (struct ap_span){.proj = i, .room = ROOM};
        s->q = next;
        s->wq = s->q + ROOM * p->cols;
        s->c = s->wq + ROOM * p->rows;
        s->rest = s->c + ROOM;
        next = s->rest + p->cols;
    }
    return AP_OK;
}

void ap_span_free(struct ap_spans *x)
{
    ap_mem_free(x->of);
    ap_mem_free(x->by_proj);
    ap_mem_free(x->block);
    *x = (struct ap_spans){0};
}

void ap_span_forget(struct ap_spans *x, int proj)
{
    for (int k = 0; k < x->n; k++)
        if (proj < 0 || x->of[k].proj == proj) {
            x->of[k].n = 0;
            x->of[k].gain = 0;
            x->of[k].reads = AP_SPAN_KNOWN;
        }
}

static double length_of(size_t n, const double *x)
{
    double square;
    ap_synapse_product(1, n, x, x, 0, &square);
    return sqrt(square);
}

/* The product that was taken for the last rest is there now, all rows of it. */
static void admit(struct ap_span *s, const struct ap_proj *p)
{
    if (s->reads != AP_SPAN_NEW)
        return;
    double gain = length_of(p->rows, s->wq + s->n * p->rows) / sqrt((double)p->rows);
    s->gain = fmax(s->gain, gain);
    s->n++;
    s->reads = AP_SPAN_KNOWN;
}

void ap_span_look(const struct ap_spans *x, struct ap_span *s, const double *sent, double tolerance,
                  double part)
{
    const struct ap_proj *p = &x->c->proj[s->proj];
    double minus[ROOM];
    admit(s, p);
    ap_synapse_product(s->n, p->cols, s->q, sent, 0, s->c);
    for (size_t k = 0; k < s->n; k++)
        minus[k] = -s->c[k];
    memcpy(s->rest, sent, p->cols * sizeof *sent);
    ap_synapse_combine(s->n, p->cols, p->cols, s->q, minus, s->rest);
    s->length = length_of(p->cols, s->rest);
    double along = length_of(s->n, s->c); /* of the part that is known */
    if (s->length == 0 || (s->n > 0 && (s->gain * s->length <= tolerance || s->length <= part * along)))
        return;
    if (s->n == s->room) {
        s->reads = AP_SPAN_ALL;
        return;
    }
    s->reads = AP_SPAN_NEW;
    double *q = s->q + s->n * p->cols;
    for (size_t j = 0; j < p->cols; j++)
        q[j] = s->rest[j] / s->length;
    s->c[s->n] = s->length;
}

void ap_span_sums(const struct ap_spans *x, struct ap_span *s, size_t first, size_t last, const double *sent,
                  int add, double *sum)
{
    const struct ap_proj *p = &x->c->proj[s->proj];
    size_t n = last - first;
    const double *w = p->w + first * p->cols;
    if (s->reads == AP_SPAN_ALL) {
        ap_synapse_product(n, p->cols, w, sent, add, sum);
        return;
    }
    if (s->reads == AP_SPAN_NEW)
        ap_synapse_product(n, p->cols, w, s->q + s->n * p->cols, 0, s->wq + s->n * p->rows + first);
    if (!add)
        memset(sum, 0, n * sizeof *sum);
    ap_synapse_combine(s->n + (s->reads == AP_SPAN_NEW), n, p->rows, s->wq + first, s->c, sum);
}
