/* tangent.c: the Jacobian of the right-hand side times a vector.
 *
 * In:   the right-hand side, a point (t, y) at which it is linearised, a change of the state.
 * Out:  the change of dy/dt.
 * Invariants:
 *   1. ap_tangent_product is the exact derivative of ap_rhs_eval at the linearised point.
 *   2. Each output element is written by one task from a fixed order of operations.
 * Never: changes a field of the right-hand side but when it linearises.
 * Test: tests/unit/test_rhs.c */
#include "tangent.h"
#include "mathx.h"
#include "stage.h"

#include <string.h>

void ap_tangent_linearise(struct ap_rhs *r, double t, const double *y)
{
    const struct ap_circuit *c = r->c;
    enum ap_profile_part part = ap_profile_enter(r->profile, AP_PROFILE_TANGENT);
    if (ap_stage_coupled(r)) /* changes of the weights meet the rates and signals of this point */
        ap_rhs_eval(r, t, y, NULL);
    else if (!ap_rhs_is_at(r, t, y)) { /* Newton's iteration has nearly always just been here */
        double decay[AP_SPEC_POPS];
        ap_stage_bind(r, y);
        ap_stage_decay(r, t, decay);
        for (int k = 0; k < r->n_task; k++)
            ap_stage_rates(r, &r->task[k], y, decay);
    }
    for (int p = 0; p < c->n_pop; p++) {
        const struct ap_pop *pop = &c->pop[p];
        pop->spec->transfer->slope(pop->spec->transfer_param, pop->n, r->v + pop->comp[0].value,
                                   r->slope + pop->rate);
        if (r->act.silent[p])
            ap_stage_fill(pop->n, 0, r->slope + pop->rate);
    }
    if (ap_stage_coupled(r))
        ap_rhs_signals(r);
    ap_profile_enter(r->profile, part);
}

/* What a scaled projection adds to the changed sums. */
static void tangent_scaled(const struct ap_rhs *r, const struct ap_task *t, int proj, double factor,
                           const double *v, double *in)
{
    const struct ap_proj *q = &r->c->proj[proj];
    bool dense = q->spec->connect == AP_CONNECT_DENSE, changes = !r->c->pop[q->pre].clamped;
    const double *const x[2] = {ap_stage_sent(r, proj, r->dv, r->drate, true),
                                ap_stage_sent(r, proj, r->v, r->rate, false)};
    const double *const w[2] = {changes ? r->w[proj] : NULL,
                                ap_stage_coupled(r) && q->plastic ? v + q->w_state : NULL};
    double part[AP_TASK_ROWS];
    for (int k = 0; k < 2; k++) {
        if (w[k] && dense)
            ap_stage_row_sums(r, proj, w[k], t->first, t->last - t->first, x[k], 0, part);
        for (size_t i = 0; w[k] && i < t->last - t->first; i++)
            in[i] += factor * (dense ? part[i] : w[k][t->first + i] * x[k][t->first + i]);
    }
}

AP_CLONES void ap_tangent_sums(struct ap_rhs *r, const struct ap_task *t, const double *v, const bool *known)
{
    const struct ap_pop *p = &r->c->pop[t->pop];
    size_t n = t->last - t->first;
    bool waits = ap_stage_takes_mean(r, t->pop);
    for (int o = 0; o < p->n_comp; o++) {
        const struct ap_comp *m = &p->comp[p->cell->order[o]];
        double *in = r->dinput + m->value + t->first;
        memset(in, 0, n * sizeof *in);
        for (int s = 0; s < m->n_sum; s++) {
            const struct ap_proj *q = &r->c->proj[m->sum[s]];
            if (known && !known[q->pre])
                continue;
            bool dense = q->spec->connect == AP_CONNECT_DENSE;
            const double *dx = ap_stage_sent(r, m->sum[s], r->dv, r->drate, true);
            const double *x = ap_stage_sent(r, m->sum[s], r->v, r->rate, false);
            double factor = r->act.factor[m->sum[s]];
            if (r->act.any && factor != 1) {
                tangent_scaled(r, t, m->sum[s], factor, v, in);
                continue;
            }
            const double *w = r->w[m->sum[s]], *dw = v + q->w_state;
            if (!r->c->pop[q->pre].clamped && dense)
                ap_stage_dense(r, m->sum[s], t->first, n, dx, 1, in);
            else if (!r->c->pop[q->pre].clamped)
                for (size_t i = t->first; i < t->last; i++)
                    in[i - t->first] += w[i] * dx[i];
            if (!(ap_stage_coupled(r) && q->plastic))
                continue;
            if (dense)
                ap_stage_row_sums(r, m->sum[s], dw, t->first, n, x, 1, in);
            else
                for (size_t i = t->first; i < t->last; i++)
                    in[i - t->first] += dw[i] * x[i];
        }
        if (m->kind == AP_COMP_INSTANTANEOUS && !waits)
            ap_stage_compose(r, t->pop, p->cell->order[o], t->first, t->last, r->dinput, true, r->dv);
    }
}

void ap_tangent_rates(struct ap_rhs *r, const struct ap_task *t, const double *v)
{
    const struct ap_pop *p = &r->c->pop[t->pop];
    size_t n = t->last - t->first;
    for (int k = 0; k < p->n_comp; k++) {
        const struct ap_comp *m = &p->comp[k];
        const struct ap_intervene_comp *a = ap_intervene_of(&r->act, t->pop, k);
        double *dv = r->dv + m->value + t->first;
        if (a && a->clamp && m->kind == AP_COMP_DYNAMIC)
            ap_stage_fill(n, 0, dv);
        else if (m->kind == AP_COMP_DYNAMIC)
            memcpy(dv, v + m->state + t->first, n * sizeof *dv);
        else if (m->kind == AP_COMP_CLAMPED)
            memset(dv, 0, n * sizeof *dv);
    }
    const double *dsoma = r->dv + p->comp[0].value, *slope = r->slope + p->rate;
    double *drate = r->drate + p->rate;
    for (size_t i = t->first; i < t->last; i++)
        drate[i] = slope[i] * dsoma[i];
}

/* One thread's share of jv. */
static void product_by(struct ap_rhs *r, const double *v, double *jv, struct ap_team team)
{
    const struct ap_circuit *c = r->c;
    bool weights = ap_stage_coupled(r) && c->n_proj_task > 0;
    for (int p = 0; p < c->n_pop; p++) {
        const struct ap_task rows = ap_circuit_share(c, p, team);
        ap_tangent_rates(r, &rows, v);
    }
    ap_team_wait(team);
    if (r->act.maps) {
        for (int k = team.mine; k < c->n_proj; k += team.of)
            ap_stage_gather(r, k, r->dv, r->drate, r->act.dx);
        ap_team_wait(team);
    }
    for (int k = team.mine; k < r->mirror.n; k += team.of)
        ap_stage_look(r, &r->mirror.of[k], true);
    ap_team_wait(team);
    struct ap_deal deal = ap_team_deal(team, (size_t)r->n_task);
    for (size_t k; ap_team_next(&deal, &k);) {
        ap_tangent_sums(r, &r->task[k], v, NULL);
        if (!r->act.means)
            ap_stage_derivatives(r, &r->task[k], 0, r->dv, r->dinput, true, jv);
    }
    if (!r->act.means && !weights)
        return;
    ap_team_wait(team);
    if (r->act.means) {
        for (int p = team.mine; p < c->n_pop; p += team.of)
            ap_stage_compose_whole(r, p, r->dinput, true, r->dv);
        ap_team_wait(team);
        for (int p = 0; p < c->n_pop; p++) {
            const struct ap_task rows = ap_circuit_share(c, p, team);
            ap_stage_derivatives(r, &rows, 0, r->dv, r->dinput, true, jv);
        }
        ap_team_wait(team);
        for (int p = team.mine; p < c->n_pop; p += team.of)
            ap_stage_average_whole(r, p, jv);
        ap_team_wait(team);
    }
    for (int k = team.mine; weights && k < c->n_proj; k += team.of)
        ap_stage_signal_changes(r, k);
    ap_team_wait(team);
    for (int k = team.mine; weights && k < c->n_proj_task; k += team.of)
        ap_stage_weights(r, &c->proj_task[k], v, true, jv);
}

void ap_tangent_product(struct ap_rhs *r, const double *v, double *jv)
{
    r->products++;
    enum ap_profile_part part = ap_profile_enter(r->profile, AP_PROFILE_TANGENT);
    if (ap_team_many(r->c->crew)) {
#pragma omp parallel
        product_by(r, v, jv, ap_team_here(r->c->crew));
    } else
        product_by(r, v, jv, AP_TEAM_ALONE);
    ap_profile_enter(r->profile, part);
}
