/* rhs.c: dy/dt of a circuit.
 *
 * In:   the circuit, time within the presentation, state, weights in force.
 * Out:  fields (potentials, rates, weighted sums), derivatives, signals of the rules.
 * Invariants:
 *   1. Each output element is written by one task from a fixed order of operations: the same bits for any number of
 *      threads.
 *   2. No neuron sees another population's value of a later stage: rates first, then sums, then derivatives.
 * Never: changes a weight; keeps anything of y between calls but the fields.
 * Test: tests/unit/test_rhs.c */
#include "rhs.h"
#include "mathx.h"
#include "stage.h"
#include "synapse.h"

#include <math.h>
#include <string.h>

/* ---- memory ---------------------------------------------------------------------------------------- */

enum ap_code ap_rhs_init(struct ap_err *e, struct ap_rhs *r, const struct ap_circuit *c)
{
    *r = (struct ap_rhs){.c = c};
    ap_rhs_divide(r, true);
    size_t doubles = 8 * c->n_value + 7 * c->n_rate + (size_t)c->n_pop + 3 * c->n_signal + 64;
    r->block = ap_mem_reserve(e, doubles, sizeof *r->block, "fields");
    r->w = ap_mem_array(e, (size_t)c->n_proj + 1, sizeof *r->w, "fields");
    r->d = ap_mem_array(e, (size_t)c->n_proj + 1, sizeof *r->d, "fields");
    if (!r->block || !r->w || !r->d)
        return AP_EMEMORY;
    AP_TRY(ap_afferent_init(e, &r->afferent, c));
    AP_TRY(ap_factor_init(e, &r->factor, c));
    AP_TRY(ap_mirror_init(e, &r->mirror, c, &r->factor));
    AP_TRY(ap_intervene_init(e, &r->act, c));
    double *next = r->block;
    const struct {
        double **array;
        size_t n;
    } arrays[] = {
        {&r->v, c->n_value},
        {&r->input, c->n_value},
        {&r->dv, c->n_value},
        {&r->dinput, c->n_value},
        {&r->rate, c->n_rate},
        {&r->slope, c->n_rate},
        {&r->drate, c->n_rate},
        {&r->clamp_from, c->n_rate},
        {&r->clamp_to, c->n_rate},
        {&r->clamp_tau, (size_t)c->n_pop},
        {&r->signal, c->n_signal},
        {&r->dsignal, c->n_signal},
        {&r->scratch, c->n_signal},
        {&r->drift, c->n_value},
        {&r->kept, 2 * c->n_value + c->n_rate},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        *arrays[i].array = next;
        next += arrays[i].n;
    }
    return AP_OK;
}

void ap_rhs_divide(struct ap_rhs *r, bool rows)
{
    r->task = rows ? r->c->task : r->c->whole;
    r->n_task = rows ? r->c->n_task : r->c->n_whole;
}

void ap_rhs_free(struct ap_rhs *r)
{
    ap_afferent_free(&r->afferent);
    ap_factor_free(&r->factor);
    ap_mirror_free(&r->mirror);
    ap_intervene_free(&r->act);
    ap_mem_free(r->block);
    ap_mem_free(r->w);
    ap_mem_free(r->d);
    *r = (struct ap_rhs){0};
}

/* ---- the right-hand side --------------------------------------------------------------------------- */

void ap_rhs_arriving(const struct ap_rhs *r, int proj, double *out)
{
    const struct ap_proj *q = &r->c->proj[proj];
    const double *x = ap_stage_sent(r, proj, r->v, r->rate, false);
    if (q->spec->connect == AP_CONNECT_DENSE)
        ap_stage_row_sums(r, proj, r->w[proj], 0, q->rows, x, 0, out);
    if (ap_factor_holds(&r->factor, proj))
        ap_factor_add(&r->factor, r->factor.by_proj[proj], 0, q->rows, out);
    for (size_t i = 0; i < q->rows; i++)
        out[i] = r->act.factor[proj] * (q->spec->connect == AP_CONNECT_DENSE ? out[i] : r->w[proj][i] * x[i]);
}

const double *ap_rhs_sent(const struct ap_rhs *r, int proj)
{
    return ap_stage_sent(r, proj, r->v, r->rate, false);
}

void ap_rhs_signals(struct ap_rhs *r)
{
    for (int p = 0; p < r->c->n_pop; p++) {
        const struct ap_task rows = ap_circuit_share(r->c, p, AP_TEAM_ALONE);
        ap_stage_signals(r, &rows);
    }
    for (int i = 0; i < r->c->n_proj; i++)
        ap_stage_permute(r, i);
}

double ap_rhs_tolerance(const struct ap_rhs *r, int proj, double part)
{
    const struct ap_proj *p = &r->c->proj[proj];
    const struct ap_integrator_spec *g = &r->c->spec->integrator;
    const double *sum = r->input + r->c->pop[p->post].comp[p->post_comp].value;
    double square;
    ap_synapse_product(1, p->rows, sum, sum, 0, &square);
    return part * (g->rtol * sqrt(square / (double)p->rows) + g->atol);
}

static void copy_fields(struct ap_rhs *r, bool keep)
{
    double *const fields[] = {r->v, r->input, r->rate};
    const size_t sizes[] = {r->c->n_value, r->c->n_value, r->c->n_rate};
    double *kept = r->kept;
    for (int k = 0; k < 3; kept += sizes[k++])
        memcpy(keep ? kept : fields[k], keep ? fields[k] : kept, sizes[k] * sizeof *kept);
}

void ap_rhs_keep(struct ap_rhs *r)
{
    copy_fields(r, true);
}

void ap_rhs_back(struct ap_rhs *r)
{
    copy_fields(r, false);
    r->at = (double)NAN; /* nobody looks there again */
}

bool ap_rhs_is_at(const struct ap_rhs *r, double t, const double *y)
{
    if (r->c->coupled || r->act.any || !(fabs(r->at - t) <= 1e-12 * (1 + fabs(t))))
        return false;
    for (int k = 0; k < r->c->n_pop; k++) {
        const struct ap_pop *p = &r->c->pop[k];
        for (int i = 0; i < p->n_comp && !p->clamped; i++)
            if (p->comp[i].kind == AP_COMP_DYNAMIC &&
                memcmp(r->v + p->comp[i].value, y + p->comp[i].state, p->n * sizeof *y) != 0)
                return false;
    }
    return true;
}

/* ---- a presentation ---------------------------------------------------------------------------------------- */

double ap_rhs_left(const struct ap_rhs *r, int pop, double t)
{
    return r->clamp_tau[pop] > 0 ? ap_mathx_exp(-t / r->clamp_tau[pop]) : 0;
}

void ap_rhs_begin(struct ap_rhs *r, const bool *plastic)
{
    r->drifts = false;
    r->at = (double)NAN; /* another pattern: rates at the same time and state are others */
    ap_afferent_begin(&r->afferent, r->clamp_from, r->clamp_to, plastic);
    ap_afferent_take(&r->afferent);
}

void ap_rhs_catch_up(struct ap_rhs *r)
{
    for (int k = 0; k < r->factor.n; k++)
        if (r->factor.of[k].learns)
            ap_mirror_forget(&r->mirror, r->factor.of[k].proj);
    ap_factor_fold(&r->factor);
}

/* What decay takes from the sums of rows [first, first + n), W r of matrices as they are. */
static void drift_of_decay(const struct ap_rhs *r, int proj, size_t first, size_t n, const double *x,
                           double *out)
{
    const struct ap_proj *q = &r->c->proj[proj];
    double part[AP_TASK_ROWS], decay = q->decay * r->act.factor[proj];
    bool dense = q->spec->connect == AP_CONNECT_DENSE;
    if (dense)
        ap_stage_row_sums(r, proj, q->w, first, n, x, 0, part);
    for (size_t i = 0; i < n; i++)
        out[i] -= decay * (dense ? part[i] : q->w[first + i] * x[first + i]);
}

/* Rows of one population: sum over its plastic projections of dW/dt r, with dW/dt = eta D or eta post pre^T, less
 * decay W. */
static void drift_rows(struct ap_rhs *r, const struct ap_task *t)
{
    const struct ap_pop *p = &r->c->pop[t->pop];
    size_t n = t->last - t->first;
    for (int k = 0; k < p->n_comp; k++) {
        const struct ap_comp *m = &p->comp[k];
        double *out = r->drift + m->value + t->first, part[AP_TASK_ROWS];
        if (!ap_stage_drifts(r, m))
            continue;
        memset(out, 0, n * sizeof *out);
        for (int s = 0; s < m->n_sum; s++) {
            const struct ap_proj *q = &r->c->proj[m->sum[s]];
            if (!ap_stage_drifts_by(r, m->sum[s]))
                continue;
            const double *x = ap_stage_sent(r, m->sum[s], r->v, r->rate, false);
            const double *signals = r->signal + q->post_signal.at, *post = signals + t->first;
            double eta = q->eta * r->act.factor[m->sum[s]];
            const double *pre = r->signal + q->pre_signal.at;
            const struct ap_afferent *f = r->afferent.by_proj[m->sum[s]];
            if (f)
                ap_afferent_drift(&r->afferent, f, ap_rhs_left(r, q->pre, r->drift_from),
                                  r->signal + q->post_signal.at, t->first, t->last, out);
            else if (q->spec->connect == AP_CONNECT_ONE) {
                for (size_t i = 0; i < n; i++)
                    out[i] +=
                        eta * (q->d ? q->d[t->first + i] : post[i] * pre[t->first + i]) * x[t->first + i];
            } else if (q->d) {
                ap_stage_row_sums(r, m->sum[s], q->d, t->first, n, x, 0, part);
                for (size_t i = 0; i < n; i++)
                    out[i] += eta * part[i];
            } else {
                double overlap;
                const uint32_t *row = r->act.row[m->sum[s]];
                ap_synapse_product(1, q->cols, pre, x, 0, &overlap);
                for (size_t i = 0; i < n; i++)
                    out[i] += eta * (row ? signals[row[t->first + i]] : post[i]) * overlap;
            }
            if (!f && q->decay > 0)
                drift_of_decay(r, m->sum[s], t->first, n, x, out);
        }
    }
}

void ap_rhs_drift_from(struct ap_rhs *r, double t)
{
    r->drift_from = t;
    r->drifts = true;
}

void ap_rhs_drift(struct ap_rhs *r, size_t task)
{
    drift_rows(r, &r->task[task]);
}

/* One thread's share of the fields at (t, y), and of the derivatives unless dy is NULL. */
static void eval_by(struct ap_rhs *r, double t, const double *y, double *dy, struct ap_team team)
{
    const struct ap_circuit *c = r->c;
    double decay[AP_SPEC_POPS];
    bool weights = dy && ap_stage_coupled(r) && c->n_proj_task > 0;
    ap_stage_decay(r, t, decay);
    for (int p = 0; p < c->n_pop; p++) {
        const struct ap_task rows = ap_circuit_share(c, p, team);
        ap_stage_rates(r, &rows, y, decay);
    }
    ap_team_wait(team);
    if (team.mine == 0)
        ap_profile_enter(r->profile, AP_PROFILE_SUMS);
    if (r->act.maps) {
        for (int k = team.mine; k < c->n_proj; k += team.of)
            ap_stage_gather(r, k, r->v, r->rate, r->act.x);
        ap_team_wait(team);
    }
    int turn = 0; /* looks are dealt out one by one */
    for (int k = 0; k < r->factor.n; k++)
        if (ap_factor_looks(&r->factor.of[k]) && turn++ % team.of == team.mine)
            ap_factor_look(&r->factor, &r->factor.of[k], t,
                           ap_stage_sent(r, r->factor.of[k].proj, r->v, r->rate, false));
    for (int k = 0; k < r->mirror.n; k++)
        if (turn++ % team.of == team.mine)
            ap_stage_look(r, &r->mirror.of[k], false);
    ap_team_wait(team);
    struct ap_deal deal = ap_team_deal(team, (size_t)r->n_task);
    for (size_t k; ap_team_next(&deal, &k);) {
        ap_stage_sums(r, &r->task[k], t, decay, r->v, r->rate, r->input, r->v);
        if (dy && !r->act.means)
            ap_stage_derivatives(r, &r->task[k], t, r->v, r->input, false, dy);
    }
    if (!r->act.means && !weights)
        return;
    ap_team_wait(team);
    if (r->act.means) {
        for (int p = team.mine; p < c->n_pop; p += team.of)
            ap_stage_compose_whole(r, p, r->input, false, r->v);
        ap_team_wait(team);
        for (int p = 0; dy && p < c->n_pop; p++) {
            const struct ap_task rows = ap_circuit_share(c, p, team);
            ap_stage_derivatives(r, &rows, t, r->v, r->input, false, dy);
        }
        ap_team_wait(team);
        for (int p = team.mine; dy && p < c->n_pop; p += team.of)
            ap_stage_average_whole(r, p, dy);
        ap_team_wait(team);
    }
    for (int p = 0; weights && p < c->n_pop; p++) {
        const struct ap_task rows = ap_circuit_share(c, p, team);
        ap_stage_signals(r, &rows);
    }
    ap_team_wait(team);
    if (weights && r->act.any) {
        for (int k = team.mine; k < c->n_proj; k += team.of)
            ap_stage_permute(r, k);
        ap_team_wait(team);
    }
    for (int k = team.mine; weights && k < c->n_proj_task; k += team.of)
        ap_stage_weights(r, &c->proj_task[k], NULL, false, dy);
}

void ap_rhs_eval(struct ap_rhs *r, double t, const double *y, double *dy)
{
    r->evaluations++;
    r->at = t;
    enum ap_profile_part part = ap_profile_enter(r->profile, AP_PROFILE_SUMS);
    ap_mirror_make(&r->mirror);
    ap_profile_enter(r->profile, AP_PROFILE_RATES);
    ap_stage_bind(r, y);
    if (ap_team_many(r->c->crew)) {
#pragma omp parallel
        eval_by(r, t, y, dy, ap_team_here(r->c->crew));
    } else
        eval_by(r, t, y, dy, AP_TEAM_ALONE);
    ap_profile_enter(r->profile, part);
}
