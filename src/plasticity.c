/* plasticity.c: held weights.
 *
 * In:   signals of the rules at the ends of a step.
 * Out:  updated weights and low-passed products, in the circuit.
 * Theory: within a step of length h the matrices are constant, but the weighted sums go on along the weights' rate of
 *   change at the step's beginning, W r + (t - t0) (dW/dt r)(t0); at its end the matrices take a change that is exact for
 *   products which move linearly, or, where it is kept apart from them (factor.c, afferent.c), on the parabola through the
 *   ends of the last two steps; decay takes exp(-lambda h) of them and weighs what is added as if it came evenly. What the
 *   potentials do not see is the bending of W r over a step, O(eta h^2), so the right-hand side jumps so little at updates that
 *   the error control keeps its steps; without the drift the jumps were O(eta h), and tight tolerances ended in a million steps
 *   per presentation. The distance to coupled weights falls at least in first order with eta and with the longest step;
 *   tests/props/test_model.c measures both.
 * Invariants:
 *   1. Each row is updated by one task in one order: the same bits for any number of threads.
 *   2. Rules that a block does not list change neither weights nor low-passed products.
 * Never: is used with coupled weights.
 * Test: tests/unit/test_plasticity.c */
#include "plasticity.h"
#include "stage.h"
#include "synapse.h"

#include <math.h>
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

/* Whether the matrix itself is changed at every step. */
static bool changes_in_place(const struct ap_rhs *r, int proj)
{
    return ap_stage_drifts_by(r, proj) && !r->afferent.by_proj[proj];
}

void ap_plasticity_begin(struct ap_plasticity *x, double t)
{
    enum ap_profile_part part = ap_profile_enter(x->rhs->profile, AP_PROFILE_PLASTICITY);
    ap_rhs_signals(x->rhs);
    memcpy(x->before, x->rhs->signal, x->rhs->c->n_signal * sizeof *x->before);
    for (int k = 0; k < x->rhs->afferent.n; k++)
        ap_afferent_learn(&x->rhs->afferent.of[k]);
    for (int k = 0; k < x->rhs->factor.n; k++) {
        struct ap_factor *f = &x->rhs->factor.of[k];
        const struct ap_proj *p = &x->rhs->c->proj[f->proj];
        if (f->room > 0 && x->rhs->now.plastic[f->proj])
            ap_factor_begin(&x->rhs->factor, f, t, x->rhs->signal + p->post_signal.at,
                            x->rhs->signal + p->pre_signal.at);
    }
    ap_rhs_drift_from(x->rhs, t);
    for (size_t k = 0; k < (size_t)x->rhs->n_task; k++)
        ap_rhs_drift(x->rhs, k);
    ap_profile_enter(x->rhs->profile, part);
}

/* The coefficients of one step of a rule. */
static struct ap_step fold_of(const struct ap_proj *p, double h, bool euler)
{
    return euler ? ap_step_euler(h, p->tau, p->eta, p->decay) : ap_step_of(h, p->tau, p->eta, p->decay);
}

/* Rows of one matrix. */
static void update_rows(const struct ap_plasticity *x, int proj, const struct ap_task *t, double h,
                        bool euler)
{
    const struct ap_proj *p = &x->rhs->c->proj[proj];
    size_t n = t->last - t->first, at = t->first * p->cols;
    double *w = p->w + at, *d = p->d ? p->d + at : NULL;
    const double *now = x->rhs->signal, *before = euler ? now : x->before;
    const double *post1 = now + p->post_signal.at + t->first, *pre1 = now + p->pre_signal.at;
    const double *post0 = before + p->post_signal.at + t->first, *pre0 = before + p->pre_signal.at;
    const struct ap_step k = fold_of(p, h, euler);
    if (p->spec->connect == AP_CONNECT_DENSE)
        ap_synapse_apply(n, p->cols, w, d, post0, pre0, post1, pre1, &k);
    else
        for (size_t i = 0; i < n; i++) /* one-to-one: each neuron has a matrix of one element */
            ap_synapse_apply(1, 1, w + i, d ? d + i : NULL, post0 + i, pre0 + t->first + i, post1 + i,
                             pre1 + t->first + i, &k);
}

/* Rows of one population: the matrices themselves that lead there. */
static void update_task(const struct ap_plasticity *x, const struct ap_task *t, double h, bool euler)
{
    const struct ap_pop *p = &x->rhs->c->pop[t->pop];
    for (int k = 0; k < p->n_comp; k++)
        for (int s = 0; s < p->comp[k].n_sum; s++)
            if (changes_in_place(x->rhs, p->comp[k].sum[s]))
                update_rows(x, p->comp[k].sum[s], t, h, euler);
}

/* Changes that are kept apart from their matrix, by an afferent or a factor: what all rows have in common. */
static void advance_store(struct ap_plasticity *x, int proj, double t, double h, bool euler)
{
    struct ap_rhs *r = x->rhs;
    const struct ap_proj *p = &r->c->proj[proj];
    struct ap_afferent *a = r->afferent.by_proj[proj];
    struct ap_factor *f = r->factor.by_proj[proj];
    if (a && a->learns && r->now.plastic[proj]) {
        const struct ap_step coefficients = fold_of(p, h, euler);
        ap_afferent_advance(a, h, &coefficients, ap_rhs_left(r, p->pre, t - h), ap_rhs_left(r, p->pre, t));
    }
    if (f && f->learns)
        ap_factor_advance(&r->factor, f, t, h);
}

/* What the stores take of the signals of these neurons. */
static void update_stores(struct ap_plasticity *x, const struct ap_task *t, bool euler)
{
    struct ap_rhs *r = x->rhs;
    const double *now = r->signal, *before = euler ? now : x->before;
    for (int k = 0; k < r->c->n_proj; k++) {
        const struct ap_proj *p = &r->c->proj[k];
        struct ap_afferent *a = r->afferent.by_proj[k];
        struct ap_factor *f = r->factor.by_proj[k];
        if (a && a->learns && r->now.plastic[k] && p->post == t->pop)
            ap_afferent_rows(a, t->first, t->last, before + p->post_signal.at, now + p->post_signal.at);
        if (f && f->learns && p->post == t->pop)
            ap_factor_post(&r->factor, f, t->first, t->last, now + p->post_signal.at);
        if (f && f->learns && p->pre == t->pop)
            ap_factor_pre(&r->factor, f, t->first, t->last, now + p->pre_signal.at);
    }
}

/* The signals of this step's end, for what the next one reads of them: stores of products have their own. */
static void remember(struct ap_plasticity *x, int proj)
{
    const struct ap_rhs *r = x->rhs;
    const struct ap_proj *p = &r->c->proj[proj];
    const struct ap_signal *side[2] = {&p->post_signal, &p->pre_signal};
    const size_t n[2] = {r->c->pop[p->post].n, r->c->pop[p->pre].n};
    for (int k = 0; k < (r->afferent.by_proj[proj] ? 1 : 2); k++)
        if (ap_stage_drifts_by(r, proj))
            memcpy(x->before + side[k]->at, r->signal + side[k]->at, n[k] * sizeof *x->before);
}

/* One thread's share of a step that has ended at t. */
static void step_by(struct ap_plasticity *x, double t, double h, struct ap_team team)
{
    struct ap_rhs *r = x->rhs;
    const struct ap_circuit *c = r->c;
    for (int p = 0; p < c->n_pop; p++) {
        const struct ap_task rows = ap_circuit_share(c, p, team);
        ap_stage_signals(r, &rows);
    }
    for (int k = team.mine; k < c->n_proj; k += team.of)
        advance_store(x, k, t, h, false);
    ap_team_wait(team);
    if (r->act.any) {
        for (int k = team.mine; k < c->n_proj; k += team.of)
            ap_stage_permute(r, k);
        ap_team_wait(team);
    }
    for (int p = 0; p < c->n_pop; p++) {
        const struct ap_task rows = ap_circuit_share(c, p, team);
        update_stores(x, &rows, false);
    }
    ap_team_wait(team);
    struct ap_deal deal = ap_team_deal(team, (size_t)r->n_task);
    for (size_t k; ap_team_next(&deal, &k);) {
        update_task(x, &r->task[k], h, false);
        ap_rhs_drift(r, k);
    }
    ap_team_wait(team);
    for (int k = team.mine; k < c->n_proj; k += team.of)
        remember(x, k);
}

void ap_plasticity_step(struct ap_plasticity *x, double t, double h)
{
    struct ap_rhs *r = x->rhs;
    enum ap_profile_part part = ap_profile_enter(r->profile, AP_PROFILE_PLASTICITY);
    ap_rhs_drift_from(r, t);
    if (ap_team_many(r->c->crew)) {
#pragma omp parallel
        step_by(x, t, h, ap_team_here(r->c->crew));
    } else
        step_by(x, t, h, AP_TEAM_ALONE);
    ap_profile_enter(r->profile, part);
}

bool ap_plasticity_stale(const struct ap_plasticity *x, const struct ap_factor *f)
{
    return ap_factor_stale(&x->rhs->factor, f, ap_rhs_sent(x->rhs, f->proj),
                           ap_rhs_tolerance(x->rhs, f->proj, 0.05));
}

void ap_plasticity_renew(struct ap_plasticity *x)
{
    enum ap_profile_part part = ap_profile_enter(x->rhs->profile, AP_PROFILE_PLASTICITY);
    for (int k = 0; k < x->rhs->factor.n; k++) {
        struct ap_factor *f = &x->rhs->factor.of[k];
        if (!f->learns)
            continue;
        if (f->n == f->room) {
            ap_factor_renew(&x->rhs->factor, f);
            ap_mirror_forget(&x->rhs->mirror, f->proj);
        }
        if (ap_plasticity_stale(x, f))
            ap_factor_take(&x->rhs->factor, f, ap_rhs_sent(x->rhs, f->proj));
    }
    ap_profile_enter(x->rhs->profile, part);
}

static void euler_by(struct ap_plasticity *x, double t, double dt, struct ap_team team)
{
    const struct ap_rhs *r = x->rhs;
    for (int k = team.mine; k < r->c->n_proj; k += team.of)
        advance_store(x, k, t, dt, true);
    ap_team_wait(team);
    struct ap_deal deal = ap_team_deal(team, (size_t)r->n_task);
    for (size_t k; ap_team_next(&deal, &k);)
        update_task(x, &r->task[k], dt, true);
    for (int p = 0; p < r->c->n_pop; p++) {
        const struct ap_task rows = ap_circuit_share(r->c, p, team);
        update_stores(x, &rows, true);
    }
}

void ap_plasticity_euler(struct ap_plasticity *x, double t, double dt)
{
    enum ap_profile_part part = ap_profile_enter(x->rhs->profile, AP_PROFILE_PLASTICITY);
    if (ap_team_many(x->rhs->c->crew)) {
#pragma omp parallel
        euler_by(x, t, dt, ap_team_here(x->rhs->c->crew));
    } else
        euler_by(x, t, dt, AP_TEAM_ALONE);
    ap_profile_enter(x->rhs->profile, part);
}
