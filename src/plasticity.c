/* plasticity.c: held weights.
 *
 * In:   signals of the rules at the ends of a step.
 * Out:  updated weights and low-passed products, in the circuit.
 * Theory: within a step of length h the matrices are constant, but the weighted sums go on along the weights' rate of
 *   change at the step's beginning, W r + (t - t0) (dW/dt r)(t0); at its end the matrices take a change that is exact for
 *   products which move linearly. What the potentials do not see is the bending of W r over a step, O(eta h^2), so the
 *   right-hand side jumps so little at updates that the error control keeps its steps; without the drift the jumps were
 *   O(eta h), and tight tolerances ended in a million steps per presentation. The distance to coupled weights falls at
 *   least in first order with eta and with the longest step; tests/props/test_model.c measures both.
 * Invariants:
 *   1. Each row is updated by one task in one order: the same bits for any number of threads.
 *   2. Rules that a block does not list change neither weights nor low-passed products.
 * Never: is used with coupled weights.
 * Test: tests/unit/test_plasticity.c */
#include "plasticity.h"
#include "synapse.h"

#include <string.h>

enum ap_code ap_plasticity_init(struct ap_err *e, struct ap_plasticity *x, struct ap_rhs *rhs)
{
    *x = (struct ap_plasticity){.rhs = rhs};
    x->before = ap_mem_array(e, rhs->c->n_signal, sizeof *x->before, "plasticity");
    return x->before ? AP_OK : AP_EMEMORY;
}

void ap_plasticity_free(struct ap_plasticity *x)
{
    ap_mem_free(x->before);
    x->before = NULL;
}

bool ap_plasticity_acts(const struct ap_plasticity *x)
{
    const struct ap_circuit *c = x->rhs->c;
    for (int i = 0; !c->coupled && i < c->n_proj; i++)
        if (c->proj[i].plastic && x->rhs->now.plastic[i])
            return true;
    return false;
}

void ap_plasticity_begin(struct ap_plasticity *x)
{
    ap_rhs_signals(x->rhs);
    memcpy(x->before, x->rhs->signal, x->rhs->c->n_signal * sizeof *x->before);
    ap_rhs_drift(x->rhs, 0);
}

/* Rows of one task; h < 0 marks an Euler step of length -h. */
static void update_rows(const struct ap_plasticity *x, const struct ap_task *t, double h)
{
    const struct ap_circuit *c = x->rhs->c;
    const struct ap_proj *p = &c->proj[t->pop];
    if (!x->rhs->now.plastic[t->pop])
        return;
    size_t n = t->last - t->first, at = t->first * p->cols;
    double *w = p->w + at, *d = p->d ? p->d + at : NULL;
    const double *post1 = x->rhs->signal + p->post_signal.at + t->first,
                 *pre1 = x->rhs->signal + p->pre_signal.at;
    const double *post0 = x->before + p->post_signal.at + t->first, *pre0 = x->before + p->pre_signal.at;
    bool one = p->spec->connect == AP_CONNECT_ONE;
    size_t rows = one ? 1 : n;
    struct ap_synapse_fold k = ap_synapse_fold_of(h < 0 ? -h : h, p->tau, p->eta);
    for (size_t i = 0; i < (one ? n : 1); i++) { /* one-to-one: each neuron is a matrix of one element */
        size_t j = one ? t->first + i : 0;
        if (h < 0)
            ap_synapse_euler(rows, p->cols, w + i, d ? d + i : NULL, post1 + i, pre1 + j, p->eta * -h,
                             p->tau > 0 ? -h / p->tau : 0);
        else
            ap_synapse_apply(rows, p->cols, w + i, d ? d + i : NULL, post0 + i, pre0 + j, post1 + i, pre1 + j,
                             &k);
    }
}

static void update(struct ap_plasticity *x, double h)
{
    const struct ap_circuit *c = x->rhs->c;
#pragma omp parallel for schedule(static, 1) if (c->threaded)
    for (int k = 0; k < c->n_proj_task; k++)
        update_rows(x, &c->proj_task[k], h);
}

void ap_plasticity_step(struct ap_plasticity *x, double t, double h)
{
    ap_rhs_signals(x->rhs);
    update(x, h);
    memcpy(x->before, x->rhs->signal, x->rhs->c->n_signal * sizeof *x->before);
    ap_rhs_drift(x->rhs, t);
}

void ap_plasticity_euler(struct ap_plasticity *x, double dt)
{
    update(x, -dt);
}
