/* stage.c: the stages of which the right-hand side and its tangent are made, each over the rows of one task.
 *
 * In:   fields of the right-hand side; the weights in force.
 * Out:  rates, weighted sums, compartments, derivatives, signals of the rules; for all of them also the changes.
 * Invariants:
 *   1. Each output element is written by one task from a fixed order of operations: the same bits for any number of
 *      threads.
 *   2. A tangent stage is the exact derivative of its stage: both run the same lines but for what is constant.
 * Never: starts threads (rhs.c and tangent.c divide the tasks); changes a weight.
 * Test: tests/unit/test_rhs.c */
#include "stage.h"
#include "mathx.h"
#include "signal.h"
#include "synapse.h"

#include <math.h>
#include <string.h>

bool ap_stage_coupled(const struct ap_rhs *r)
{
    return r->c->coupled && !r->frozen;
}

void ap_stage_bind(struct ap_rhs *r, const double *y)
{
    for (int i = 0; i < r->c->n_proj && !r->frozen; i++) {
        const struct ap_proj *p = &r->c->proj[i];
        bool in_state = r->c->coupled && p->plastic;
        r->w[i] = in_state ? y + p->w_state : p->w;
        r->d[i] = in_state && p->d ? y + p->d_state : p->d;
    }
}

void ap_stage_decay(const struct ap_rhs *r, double t, double *decay)
{
    for (int p = 0; p < r->c->n_pop; p++)
        decay[p] = ap_rhs_left(r, p, t);
}

/* ---- what arrives --------------------------------------------------------------------------------- */

/* What a population sends: rates, or potentials of a dynamic or clamped compartment. */
static const double *straight(const struct ap_circuit *c, const struct ap_proj *p, const double *v,
                              const double *rate)
{
    const struct ap_pop *pre = &c->pop[p->pre];
    return p->pre_comp < 0 ? rate + pre->rate : v + pre->comp[p->pre_comp].value;
}

const double *ap_stage_sent(const struct ap_rhs *r, int proj, const double *v, const double *rate,
                            bool tangent)
{
    if (r->act.map[proj])
        return (tangent ? r->act.dx : r->act.x) + r->act.x_at[proj];
    return straight(r->c, &r->c->proj[proj], v, rate);
}

void ap_stage_gather(const struct ap_rhs *r, int proj, const double *v, const double *rate, double *to)
{
    const uint32_t *map = r->act.map[proj];
    const double *x = straight(r->c, &r->c->proj[proj], v, rate);
    for (size_t j = 0; map && j < r->c->proj[proj].cols; j++)
        to[r->act.x_at[proj] + j] = x[map[j]];
}

void ap_stage_row_sums(const struct ap_rhs *r, int proj, const double *w, size_t first, size_t n,
                       const double *x, int add, double *out)
{
    size_t cols = r->c->proj[proj].cols;
    const uint32_t *row = r->act.row[proj];
    if (!row)
        ap_synapse_product(n, cols, w + first * cols, x, add, out);
    for (size_t i = 0; row && i < n; i++)
        ap_synapse_product(1, cols, w + row[first + i] * cols, x, add, out + i);
}

AP_CLONES void ap_stage_dense(const struct ap_rhs *r, int proj, size_t first, size_t n, const double *x,
                              int add, double *out)
{
    const double *given = r->given ? r->given[proj] : NULL;
    struct ap_mirror *m = r->mirror.used ? r->mirror.by_proj[proj] : NULL;
    if (given)
        for (size_t i = 0; i < n; i++)
            out[i] = (add ? out[i] : 0) + given[first + i];
    else if (m)
        ap_mirror_sums(&r->mirror, m, first, first + n, x, add, out);
    else
        ap_stage_row_sums(r, proj, r->w[proj], first, n, x, add, out);
}

void ap_stage_look(const struct ap_rhs *r, struct ap_mirror *m, bool tangent)
{
    static const double PART = 0.03; /* of the integrator's tolerance */
    if (!r->mirror.used)
        return;
    const double *sent =
        ap_stage_sent(r, m->proj, tangent ? r->dv : r->v, tangent ? r->drate : r->rate, tangent);
    double tolerance = r->mirror.strict ? 0 : ap_rhs_tolerance(r, m->proj, PART);
    if (tangent)
        ap_mirror_look_change(&r->mirror, m, sent, tolerance);
    else
        ap_mirror_look(&r->mirror, m, sent, tolerance);
}

void ap_stage_fill(size_t n, double value, double *to)
{
    for (size_t i = 0; i < n; i++)
        to[i] = value;
}

/* ---- stages ---------------------------------------------------------------------------------------- */

AP_CLONES void ap_stage_rates(struct ap_rhs *r, const struct ap_task *t, const double *y, const double *decay)
{
    const struct ap_pop *p = &r->c->pop[t->pop];
    size_t n = t->last - t->first;
    for (int k = 0; k < p->n_comp; k++) {
        const struct ap_comp *m = &p->comp[k];
        const struct ap_intervene_comp *a = ap_intervene_of(&r->act, t->pop, k);
        double *v = r->v + m->value + t->first;
        if (a && a->clamp && m->kind == AP_COMP_DYNAMIC)
            ap_stage_fill(n, a->value, v);
        else if (m->kind == AP_COMP_DYNAMIC)
            memcpy(v, y + m->state + t->first, n * sizeof *v);
        else if (m->kind == AP_COMP_CLAMPED) {
            const double *from = r->clamp_from + p->rate + t->first, *to = r->clamp_to + p->rate + t->first;
            for (size_t i = 0; i < n; i++)
                v[i] = to[i] + (from[i] - to[i]) * decay[t->pop];
        }
    }
    p->spec->transfer->rate(p->spec->transfer_param, n, r->v + p->comp[0].value + t->first,
                            r->rate + p->rate + t->first);
    if (r->act.silent[t->pop])
        ap_stage_fill(n, 0, r->rate + p->rate + t->first);
}

AP_CLONES void ap_stage_compose(const struct ap_rhs *r, int pop, int comp, size_t first, size_t last,
                                const double *input, bool tangent, double *v_all)
{
    const struct ap_pop *p = &r->c->pop[pop];
    const struct ap_comp *m = &p->comp[comp];
    const struct ap_intervene_comp *act = ap_intervene_of(&r->act, pop, comp);
    size_t n = last - first;
    double *v = v_all + m->value + first;
    memcpy(v, input + m->value + first, n * sizeof *v);
    for (int a = 0; a < m->n_adds; a++) {
        const double *other = v_all + p->comp[m->adds[a]].value + first;
        for (size_t i = 0; i < n; i++)
            v[i] += other[i];
    }
    if (!act)
        return;
    double pull = tangent ? 0 : act->pull;
    for (size_t i = 0; act->g > 0 && i < n; i++)
        v[i] = (v[i] + pull) / (1 + act->g);
    if (act->mean) /* only whole populations come here with it */
        ap_intervene_mean(n, v);
    if (act->clamp)
        ap_stage_fill(n, tangent ? 0 : act->value, v);
}

bool ap_stage_takes_mean(const struct ap_rhs *r, int pop)
{
    bool mean = false;
    for (int k = 0; r->act.means && k < r->c->pop[pop].n_comp; k++)
        mean = mean || ap_intervene_of(&r->act, pop, k)->mean;
    return mean;
}

/* The instantaneous compartments of a population with a mean, all rows at once. */
void ap_stage_compose_whole(const struct ap_rhs *r, int pop, const double *input, bool tangent, double *v_all)
{
    const struct ap_pop *p = &r->c->pop[pop];
    for (int o = 0; ap_stage_takes_mean(r, pop) && o < p->n_comp; o++)
        if (p->comp[p->cell->order[o]].kind == AP_COMP_INSTANTANEOUS)
            ap_stage_compose(r, pop, p->cell->order[o], 0, p->n, input, tangent, v_all);
}

/* Dynamic compartments with a mean move together. */
void ap_stage_average_whole(const struct ap_rhs *r, int pop, double *dy)
{
    const struct ap_pop *p = &r->c->pop[pop];
    for (int k = 0; ap_stage_takes_mean(r, pop) && k < p->n_comp; k++)
        if (p->comp[k].kind == AP_COMP_DYNAMIC && ap_intervene_of(&r->act, pop, k)->mean &&
            !ap_intervene_of(&r->act, pop, k)->clamp)
            ap_intervene_mean(p->n, dy + p->comp[k].state);
}

bool ap_stage_drifts_by(const struct ap_rhs *r, int proj)
{
    return r->c->proj[proj].plastic && r->now.plastic[proj] && !ap_factor_holds(&r->factor, proj);
}

bool ap_stage_drifts(const struct ap_rhs *r, const struct ap_comp *m)
{
    bool any = false;
    for (int s = 0; s < m->n_sum; s++)
        any = any || ap_stage_drifts_by(r, m->sum[s]);
    return any;
}

AP_CLONES void ap_stage_sums(const struct ap_rhs *r, const struct ap_task *t, double time,
                             const double *decay, const double *v_all, const double *rate, double *input,
                             double *v_out)
{
    const struct ap_pop *p = &r->c->pop[t->pop];
    size_t n = t->last - t->first;
    bool waits = ap_stage_takes_mean(r, t->pop);
    double part[AP_TASK_ROWS];
    for (int o = 0; o < p->n_comp; o++) {
        const struct ap_comp *m = &p->comp[p->cell->order[o]];
        double *in = input + m->value + t->first;
        if (m->n_sum == 0)
            memset(in, 0, n * sizeof *in);
        for (int s = 0; s < m->n_sum; s++) {
            const struct ap_proj *q = &r->c->proj[m->sum[s]];
            const double *x = ap_stage_sent(r, m->sum[s], v_all, rate, false);
            const double *rows = r->w[m->sum[s]] + t->first * q->cols; /* of one-to-one weights */
            const struct ap_afferent *f = r->afferent.by_proj[m->sum[s]];
            double factor = r->act.factor[m->sum[s]];
            if (r->act.any && factor != 1) { /* never an afferent */
                if (q->spec->connect == AP_CONNECT_DENSE)
                    ap_stage_row_sums(r, m->sum[s], r->w[m->sum[s]], t->first, n, x, 0, part);
                for (size_t i = 0; i < n; i++)
                    in[i] =
                        (s > 0 ? in[i] : 0) +
                        factor * (q->spec->connect == AP_CONNECT_DENSE ? part[i] : rows[i] * x[t->first + i]);
                continue;
            }
            if (f) { /* a constant and a fading part, carried from step to step */
                const double *wa = f->wa + t->first, *wb = f->wb + t->first;
                double left = decay[q->pre];
                for (size_t i = 0; i < n; i++)
                    in[i] = (s > 0 ? in[i] : 0) + fma(left, wb[i], wa[i]);
            } else if (ap_factor_holds(&r->factor, m->sum[s])) {
                double *sum = s > 0 ? part : in;
                ap_stage_dense(r, m->sum[s], t->first, n, x, 0, sum);
                ap_factor_add(&r->factor, r->factor.by_proj[m->sum[s]], t->first, t->last, sum);
                for (size_t i = 0; s > 0 && i < n; i++)
                    in[i] += part[i];
            } else if (q->spec->connect == AP_CONNECT_DENSE)
                ap_stage_dense(r, m->sum[s], t->first, n, x, s > 0, in);
            else
                for (size_t i = 0; i < n; i++)
                    in[i] = (s > 0 ? in[i] : 0) + rows[i] * x[t->first + i];
        }
        if (r->drifts && ap_stage_drifts(r, m)) {
            const double *drift = r->drift + m->value + t->first;
            for (size_t i = 0; i < n; i++)
                in[i] = fma(time - r->drift_from, drift[i], in[i]);
        }
        if (m->kind == AP_COMP_INSTANTANEOUS && !waits)
            ap_stage_compose(r, t->pop, p->cell->order[o], t->first, t->last, input, false, v_out);
    }
}

/* Nudging of one compartment: conductance * (source - v), as one current or as two conductances. */
AP_CLONES static void add_nudging(const struct ap_rhs *r, const struct ap_comp *m, const struct ap_task *t,
                                  const double *v_all, bool tangent, double *current)
{
    const double *v = v_all + m->value + t->first;
    for (int k = 0; k < m->n_nudge; k++) {
        const struct ap_proj *q = &r->c->proj[m->nudge[k]];
        if (q->spec->gate == AP_GATE_TEACHER && !r->now.teacher)
            continue;
        const double *source = v_all + r->c->pop[q->pre].comp[q->pre_comp].value + t->first;
        double g = q->spec->conductance * r->act.factor[m->nudge[k]];
        if (q->spec->form == AP_NUDGE_CURRENT ||
            tangent) { /* both forms have the derivative of the current form */
            for (size_t i = 0; i < t->last - t->first; i++)
                current[i] += g * (source[i] - v[i]);
            continue;
        }
        /* Sacramento et al. 2018: g_exc (E_exc - u) + g_inh (E_inh - u), equal to the above identically */
        double inh = q->spec->reversal[0], exc = q->spec->reversal[1];
        for (size_t i = 0; i < t->last - t->first; i++) {
            double g_exc = g * (source[i] - inh) / (exc - inh), g_inh = -g * (source[i] - exc) / (exc - inh);
            current[i] += g_exc * (exc - v[i]) + g_inh * (inh - v[i]);
        }
    }
}

AP_CLONES void ap_stage_derivatives(const struct ap_rhs *r, const struct ap_task *t, double time,
                                    const double *v_all, const double *input, bool tangent, double *dy)
{
    const struct ap_pop *p = &r->c->pop[t->pop];
    size_t n = t->last - t->first;
    for (int k = 0; k < p->n_comp; k++) {
        const struct ap_comp *m = &p->comp[k];
        if (m->kind != AP_COMP_DYNAMIC)
            continue;
        const double *v = v_all + m->value + t->first, *in = input + m->value + t->first;
        double *out = dy + m->state + t->first, rest = tangent ? 0 : m->rest;
        for (size_t i = 0; i < n; i++)
            out[i] = m->leak * (rest - v[i]);
        for (int c = 0; c < m->n_couple; c++) {
            const double *other = v_all + p->comp[m->couple[c].from].value + t->first;
            double g = m->couple[c].conductance;
            for (size_t i = 0; i < n; i++)
                out[i] += g * (other[i] - v[i]);
        }
        if (m->n_sum)
            for (size_t i = 0; i < n; i++)
                out[i] += m->drive * in[i];
        add_nudging(r, m, t, v_all, tangent, out);
        const struct ap_intervene_comp *a = ap_intervene_of(&r->act, t->pop, k);
        for (size_t i = 0; a && a->g > 0 && i < n; i++)
            out[i] += (tangent ? 0 : a->pull) - a->g * v[i];
        for (size_t i = 0; i < n; i++)
            out[i] *= m->inv_c;
        if (k == 0 && !tangent && r->noise && r->now.noise)
            ap_noise_add(r->noise, t->pop, time, t->first, t->last, out);
        if (a && a->clamp)
            ap_stage_fill(n, 0, out);
    }
}

/* ---- signals of the rules -------------------------------------------------------------------------- */

/* Of neurons [first, last). */
static struct ap_signal_view view_of(const struct ap_rhs *r, const struct ap_signal *s, int pop, size_t first,
                                     size_t last)
{
    const struct ap_pop *p = &r->c->pop[pop];
    return (struct ap_signal_view){
        .n = last - first,
        .soma = r->v + p->comp[0].value + first,
        .rate = r->rate + p->rate + first,
        .comp = s->comp < 0 ? NULL : r->v + p->comp[s->comp].value + first,
        .gain = s->gain,
        .offset = s->offset,
        .rest = s->rest,
        .transfer = p->spec->transfer,
        .param = p->spec->transfer_param,
        .scratch = r->scratch + s->at + first,
    };
}

static void permute(struct ap_rhs *r, int proj, double *signals)
{
    const struct ap_proj *p = &r->c->proj[proj];
    const struct {
        const uint32_t *map;
        size_t at, n;
    } side[2] = {{r->act.map[proj], p->pre_signal.at, p->cols},
                 {r->act.row[proj], p->post_signal.at, p->rows}};
    for (int k = 0; k < 2; k++) {
        double *values = signals + side[k].at, *copy = r->scratch + side[k].at;
        if (side[k].map)
            memcpy(copy, values, side[k].n * sizeof *values);
        for (size_t j = 0; side[k].map && j < side[k].n; j++)
            values[j] = copy[side[k].map[j]];
    }
}

static bool acts(const struct ap_rhs *r, int proj)
{
    return r->c->proj[proj].plastic && r->now.plastic[proj];
}

void ap_stage_signals(struct ap_rhs *r, const struct ap_task *t)
{
    for (int k = 0; k < r->c->n_proj; k++) {
        const struct ap_proj *p = &r->c->proj[k];
        const struct ap_signal *side[2] = {&p->post_signal, &p->pre_signal};
        const int pops[2] = {p->post, p->pre};
        for (int i = 0; i < 2; i++) {
            if (!acts(r, k) || pops[i] != t->pop)
                continue;
            struct ap_signal_view v = view_of(r, side[i], t->pop, t->first, t->last);
            side[i]->row->value(&v, r->signal + side[i]->at + t->first);
        }
    }
}

void ap_stage_permute(struct ap_rhs *r, int proj)
{
    if (acts(r, proj))
        permute(r, proj, r->signal);
}

void ap_stage_signal_changes(struct ap_rhs *r, int proj)
{
    const struct ap_proj *p = &r->c->proj[proj];
    if (!acts(r, proj))
        return;
    const struct ap_signal *side[2] = {&p->post_signal, &p->pre_signal};
    const int pops[2] = {p->post, p->pre};
    for (int k = 0; k < 2; k++) {
        const struct ap_pop *q = &r->c->pop[pops[k]];
        struct ap_signal_view v = view_of(r, side[k], pops[k], 0, q->n);
        struct ap_signal_change d = {
            .soma = r->dv + q->comp[0].value,
            .rate = r->drate + q->rate,
            .comp = side[k]->comp < 0 ? NULL : r->dv + q->comp[side[k]->comp].value,
        };
        side[k]->row->change(&v, &d, r->dsignal + side[k]->at);
    }
    permute(r, proj, r->dsignal);
}

/* ---- coupled weights ------------------------------------------------------------------------------- */

void ap_stage_weights(const struct ap_rhs *r, const struct ap_task *t, const double *vd, bool tangent,
                      double *dy)
{
    const struct ap_proj *p = &r->c->proj[t->pop];
    size_t n = t->last - t->first, at = t->first * p->cols, size = n * p->cols;
    double *dw = dy + p->w_state + at, *dd = p->d ? dy + p->d_state + at : NULL;
    if (!r->now.plastic[t->pop]) {
        memset(dw, 0, size * sizeof *dw);
        if (dd)
            memset(dd, 0, size * sizeof *dd);
        return;
    }
    const double *post = r->signal + p->post_signal.at + t->first, *pre = r->signal + p->pre_signal.at;
    const double *w = tangent ? vd + p->w_state : r->w[t->pop];
    bool one = p->spec->connect == AP_CONNECT_ONE;
    double inv_tau = p->tau > 0 ? 1 / p->tau : 0;
    if (tangent) {
        const double *dpost = r->dsignal + p->post_signal.at + t->first,
                     *dpre = r->dsignal + p->pre_signal.at;
        const double *vrow = p->d ? vd + p->d_state + at : NULL;
        for (size_t i = 0; one && i < n; i++)
            ap_synapse_tangent(1, 1, vrow ? vrow + i : NULL, post + i, pre + t->first + i, dpost + i,
                               dpre + t->first + i, p->eta, inv_tau, dw + i, dd ? dd + i : NULL);
        if (!one)
            ap_synapse_tangent(n, p->cols, vrow, post, pre, dpost, dpre, p->eta, inv_tau, dw, dd);
    } else {
        const double *d = p->d ? r->d[t->pop] + at : NULL;
        for (size_t i = 0; one && i < n; i++)
            ap_synapse_derivative(1, 1, d ? d + i : NULL, post + i, pre + t->first + i, p->eta, inv_tau,
                                  dw + i, dd ? dd + i : NULL);
        if (!one)
            ap_synapse_derivative(n, p->cols, d, post, pre, p->eta, inv_tau, dw, dd);
    }
    if (p->decay > 0)
        ap_synapse_decay(size, w + at, p->decay, dw);
}
