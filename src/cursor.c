/* cursor.c: a cursor that a cell of the circuit moves over positions: closed-loop stimulation.
 *
 * In:   stimuli of kind `cursor`; rates between steps.
 * Out:  the place that a presentation shows; where the cursor stands after it:
 *         position += gain * mean over [from, duration] of (rate of the read cell - midpoint), within [0, positions - 1].
 *       The nearest place is shown. Showing the last one is a hit; after it, or after `timeout` presentations without one,
 *       the cursor is back at `start`.
 * Invariants:
 *   1. The movement is a function of the rates at the ends of the integrator's steps: the same bits for any threads.
 *   2. What lies between two presentations is `state` alone.
 * Never: acts on the circuit but through the pattern that its stimulus shows.
 * Test: tests/unit/test_cursor.c */
#include "cursor.h"

#include <math.h>

static const struct ap_stim_params *params(const struct ap_cursor *x)
{
    return &x->c->stim[x->now].stim->p;
}

static void start(struct ap_cursor *x, int stim)
{
    x->state[stim] = (struct ap_cursor_state){(double)x->c->stim[stim].stim->p.start, 0};
}

enum ap_code ap_cursor_init(struct ap_err *e, struct ap_cursor *x, const struct ap_circuit *c)
{
    *x = (struct ap_cursor){.c = c, .now = -1};
    x->state = ap_mem_array(e, (size_t)c->n_stim + 1, sizeof *x->state, "cursors");
    if (!x->state)
        return AP_EMEMORY;
    for (int i = 0; i < c->n_stim; i++)
        start(x, i);
    return AP_OK;
}

void ap_cursor_free(struct ap_cursor *x)
{
    ap_mem_free(x->state);
    *x = (struct ap_cursor){.now = -1};
}

bool ap_cursor_begin(struct ap_cursor *x, const struct ap_block_spec *b, bool restart)
{
    x->now = -1;
    x->integral = 0;
    for (int p = 0; p < x->c->n_pop && x->now < 0; p++)
        if (b->stim[p] >= 0 && x->c->stim[b->stim[p]].stim->p.read)
            x->now = b->stim[p];
    if (x->now >= 0 && restart)
        start(x, x->now);
    return x->now >= 0;
}

uint64_t ap_cursor_place(const struct ap_cursor *x)
{
    return (uint64_t)floor(x->state[x->now].position + 0.5);
}

bool ap_cursor_hits(const struct ap_cursor *x)
{
    return ap_cursor_place(x) + 1 == (uint64_t)params(x)->positions;
}

/* y = rate - midpoint of the cell that moves the cursor */
static double read_out(const struct ap_cursor *x, const double *rate)
{
    const struct ap_stim_params *p = params(x);
    return rate[x->c->pop[p->read_pop].rate + (size_t)p->read_cell] - p->midpoint;
}

void ap_cursor_edge(struct ap_cursor *x, const double *rate)
{
    if (x->now >= 0)
        x->last = read_out(x, rate);
}

/* Between the ends of a step the read-out is a straight line (Euler: constant); its part after `from` counts. */
void ap_cursor_step(struct ap_cursor *x, const double *rate, double t_before, double t, bool adaptive)
{
    if (x->now < 0)
        return;
    double from = fmax(params(x)->from, t_before), y = read_out(x, rate), left = adaptive ? x->last : y;
    if (from < t) {
        double at_from = left + (y - left) * ((from - t_before) / (t - t_before));
        x->integral += 0.5 * (t - from) * (at_from + y);
    }
    x->last = y;
}

void ap_cursor_end(struct ap_cursor *x, double duration)
{
    if (x->now >= 0)
        x->mean = x->integral / (duration - params(x)->from);
}

void ap_cursor_move(struct ap_cursor *x)
{
    if (x->now < 0)
        return;
    const struct ap_stim_params *p = params(x);
    struct ap_cursor_state *s = &x->state[x->now];
    s->shown++;
    if (ap_cursor_hits(x) || (p->timeout > 0 && s->shown >= (uint64_t)p->timeout))
        start(x, x->now);
    else
        s->position = fmin(fmax(s->position + p->step * x->mean, 0), (double)(p->positions - 1));
}
