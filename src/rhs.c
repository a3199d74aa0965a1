/* rhs.c: dy/dt of a circuit, and its Jacobian times a vector.
 *
 * In:   the circuit, time within the presentation, state, weights in force.
 * Out:  fields (potentials, rates, weighted sums), derivatives, signals of the rules.
 * Invariants:
 *   1. Each output element is written by one task from a fixed order of operations: the same bits for any number of
 *      threads.
 *   2. No neuron sees another population's value of a later stage: rates first, then sums, then derivatives.
 *   3. ap_rhs_product is the exact derivative of ap_rhs_eval at the linearised point.
 * Never: changes a weight; keeps anything of y between calls but the fields.
 * Test: tests/unit/test_rhs.c */
#include "rhs.h"
#include "mathx.h"
#include "signal.h"
#include "synapse.h"

#include <math.h>
#include <string.h>

/* ---- memory ---------------------------------------------------------------------------------------- */

enum ap_code ap_rhs_init(struct ap_err *e, struct ap_rhs *r, const struct ap_circuit *c)
{
    *r = (struct ap_rhs){.c = c};
    size_t doubles =
        4 * c->n_value + 6 * c->n_rate + (size_t)c->n_pop + 3 * c->n_signal + 2 * c->n_value + 64;
    r->block = ap_mem_array(e, doubles, sizeof *r->block, "fields");
    r->w = ap_mem_array(e, (size_t)c->n_proj + 1, sizeof *r->w, "fields");
    r->d = ap_mem_array(e, (size_t)c->n_proj + 1, sizeof *r->d, "fields");
    if (!r->block || !r->w || !r->d)
        return AP_EMEMORY;
    AP_TRY(ap_afferent_init(e, &r->afferent, c));
    AP_TRY(ap_intervene_init(e, &r->act, c));
    double *next = r->block;
    const struct {
        double **array;
        size_t n;
    } arrays[] = {
        {&r->v, c->n_value},        {&r->input, c->n_value},
        {&r->dv, c->n_value},       {&r->dinput, c->n_value},
        {&r->rate, c->n_rate},      {&r->slope, c->n_rate},
        {&r->drate, c->n_rate},     {&r->clamp_from, c->n_rate},
        {&r->clamp_to, c->n_rate},  {&r->clamp_tau, (size_t)c->n_pop},
        {&r->signal, c->n_signal},  {&r->dsignal, c->n_signal},
        {&r->scratch, c->n_signal}, {&r->drift, c->n_value},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        *arrays[i].array = next;
        next += arrays[i].n;
    }
    return AP_OK;
}

void ap_rhs_free(struct ap_rhs *r)
{
    ap_afferent_free(&r->afferent);
    ap_intervene_free(&r->act);
    ap_mem_free(r->block);
    ap_mem_free(r->w);
    ap_mem_free(r->d);
    *r = (struct ap_rhs){0};
}

/* ---- the right-hand side --------------------------------------------------------------------------- */

/* Whether the state holds weights. */
static bool coupled(const struct ap_rhs *r)
{
    return r->c->coupled && !r->frozen;
}

/* Weights in force: inside the state when coupled and plastic, else the circuit's own. */
static void bind_weights(struct ap_rhs *r, const double *y)
{
    for (int i = 0; i < r->c->n_proj && !r->frozen; i++) {
        const struct ap_proj *p = &r->c->proj[i];
        bool in_state = r->c->coupled && p->plastic;
        r->w[i] = in_state ? y + p->w_state : p->w;
        r->d[i] = in_state && p->d ? y + p->d_state : p->d;
    }
}

/* What a population sends: rates, or potentials of a dynamic or clamped compartment. */
static const double *straight(const struct ap_circuit *c, const struct ap_proj *p, const double *v,
                              const double *rate)
{
    const struct ap_pop *pre = &c->pop[p->pre];
    return p->pre_comp < 0 ? rate + pre->rate : v + pre->comp[p->pre_comp].value;
}

/* What arrives at the columns of a projection, v and rate being fields or (tangent) their changes. */
static const double *sent(const struct ap_rhs *r, int proj, const double *v, const double *rate, bool tangent)
{
    if (r->act.map[proj])
        return (tangent ? r->act.dx : r->act.x) + r->act.x_at[proj];
    return straight(r->c, &r->c->proj[proj], v, rate);
}

/* The same, gathered by the permutation of a shuffle or swap. */
static void gather(const struct ap_rhs *r, int proj, const double *v, const double *rate, double *to)
{
    const uint32_t *map = r->act.map[proj];
    const double *x = straight(r->c, &r->c->proj[proj], v, rate);
    for (size_t j = 0; map && j < r->c->proj[proj].cols; j++)
        to[r->act.x_at[proj] + j] = x[map[j]];
}

/* Sums of cells [first, first + n) over a dense matrix w of projection `proj`: each over the row that belongs to it. */
static void row_sums(const struct ap_rhs *r, int proj, const double *w, size_t first, size_t n,
                     const double *x, int add, double *out)
{
    size_t cols = r->c->proj[proj].cols;
    const uint32_t *row = r->act.row[proj];
    if (!row)
        ap_synapse_product(n, cols, w + first * cols, x, add, out);
    for (size_t i = 0; row && i < n; i++)
        ap_synapse_product(1, cols, w + row[first + i] * cols, x, add, out + i);
}

static void fill(size_t n, double value, double *to)
{
    for (size_t i = 0; i < n; i++)
        to[i] = value;
}

void ap_rhs_arriving(const struct ap_rhs *r, int proj, double *out)
{
    const struct ap_proj *q = &r->c->proj[proj];
    const double *x = sent(r, proj, r->v, r->rate, false);
    if (q->spec->connect == AP_CONNECT_DENSE)
        row_sums(r, proj, r->w[proj], 0, q->rows, x, 0, out);
    for (size_t i = 0; i < q->rows; i++)
        out[i] = r->act.factor[proj] * (q->spec->connect == AP_CONNECT_DENSE ? out[i] : r->w[proj][i] * x[i]);
}

/* Stage 1: potentials that are known without any synapse, and the rates. */
static void stage_rates(struct ap_rhs *r, const struct ap_task *t, const double *y, const double *decay)
{
    const struct ap_pop *p = &r->c->pop[t->pop];
    size_t n = t->last - t->first;
    for (int k = 0; k < p->n_comp; k++) {
        const struct ap_comp *m = &p->comp[k];
        const struct ap_intervene_comp *a = ap_intervene_of(&r->act, t->pop, k);
        double *v = r->v + m->value + t->first;
        if (a && a->clamp && m->kind == AP_COMP_DYNAMIC)
            fill(n, a->value, v);
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
        fill(n, 0, r->rate + p->rate + t->first);
}

/* An instantaneous compartment of neurons [first, last): v = input + other compartments, then what is done to it. */
static void compose(const struct ap_rhs *r, int pop, int comp, size_t first, size_t last, const double *input,
                    bool tangent, double *v_all)
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
        fill(n, tangent ? 0 : act->value, v);
}

/* Whether a mean over the population is to be taken: then its compartments wait for all rows. */
static bool takes_mean(const struct ap_rhs *r, int pop)
{
    bool mean = false;
    for (int k = 0; r->act.means && k < r->c->pop[pop].n_comp; k++)
        mean = mean || ap_intervene_of(&r->act, pop, k)->mean;
    return mean;
}

/* The instantaneous compartments of a population with a mean, all rows at once. */
static void compose_whole(const struct ap_rhs *r, int pop, const double *input, bool tangent, double *v_all)
{
    const struct ap_pop *p = &r->c->pop[pop];
    for (int o = 0; takes_mean(r, pop) && o < p->n_comp; o++)
        if (p->comp[p->cell->order[o]].kind == AP_COMP_INSTANTANEOUS)
            compose(r, pop, p->cell->order[o], 0, p->n, input, tangent, v_all);
}

/* Dynamic compartments with a mean move together. */
static void average_whole(const struct ap_rhs *r, int pop, double *dy)
{
    const struct ap_pop *p = &r->c->pop[pop];
    for (int k = 0; takes_mean(r, pop) && k < p->n_comp; k++)
        if (p->comp[k].kind == AP_COMP_DYNAMIC && ap_intervene_of(&r->act, pop, k)->mean &&
            !ap_intervene_of(&r->act, pop, k)->clamp)
            ap_intervene_mean(p->n, dy + p->comp[k].state);
}

/* Stage 2a: weighted sums, and from them the instantaneous compartments. */
static void stage_sums(const struct ap_rhs *r, const struct ap_task *t, double time, const double *decay,
                       const double *const *w, const double *v_all, const double *rate, double *input,
                       double *v_out)
{
    const struct ap_pop *p = &r->c->pop[t->pop];
    size_t n = t->last - t->first;
    bool waits = takes_mean(r, t->pop);
    double part[256];
    for (int o = 0; o < p->n_comp; o++) {
        const struct ap_comp *m = &p->comp[p->cell->order[o]];
        double *in = input + m->value + t->first;
        if (m->n_sum == 0)
            memset(in, 0, n * sizeof *in);
        for (int s = 0; s < m->n_sum; s++) {
            const struct ap_proj *q = &r->c->proj[m->sum[s]];
            const double *x = sent(r, m->sum[s], v_all, rate, false);
            const double *rows = w[m->sum[s]] + t->first * q->cols; /* of one-to-one weights */
            const struct ap_afferent *f = r->afferent.by_proj[m->sum[s]];
            double factor = r->act.factor[m->sum[s]];
            if (r->act.any && factor != 1) { /* never an afferent */
                if (q->spec->connect == AP_CONNECT_DENSE)
                    row_sums(r, m->sum[s], w[m->sum[s]], t->first, n, x, 0, part);
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
            } else if (q->spec->connect == AP_CONNECT_DENSE)
                row_sums(r, m->sum[s], w[m->sum[s]], t->first, n, x, s > 0, in);
            else
                for (size_t i = 0; i < n; i++)
                    in[i] = (s > 0 ? in[i] : 0) + rows[i] * x[t->first + i];
        }
        if (r->drifts && m->n_sum) {
            const double *drift = r->drift + m->value + t->first;
            for (size_t i = 0; i < n; i++)
                in[i] = fma(time - r->drift_from, drift[i], in[i]);
        }
        if (m->kind == AP_COMP_INSTANTANEOUS && !waits)
            compose(r, t->pop, p->cell->order[o], t->first, t->last, input, false, v_out);
    }
}

/* Nudging of one compartment: conductance * (source - v), as one current or as two conductances. */
static void add_nudging(const struct ap_rhs *r, const struct ap_comp *m, const struct ap_task *t,
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

/* Stage 2b: C dv/dt = leak (rest - v) + sum g (v_other - v) + drive * input + nudging, of one population's rows. */
static void stage_derivatives(const struct ap_rhs *r, const struct ap_task *t, double time,
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
            fill(n, 0, out);
    }
}

/* ---- signals of the rules -------------------------------------------------------------------------- */

static struct ap_signal_view view_of(const struct ap_rhs *r, const struct ap_signal *s, int pop)
{
    const struct ap_pop *p = &r->c->pop[pop];
    return (struct ap_signal_view){
        .n = p->n,
        .soma = r->v + p->comp[0].value,
        .rate = r->rate + p->rate,
        .comp = s->comp < 0 ? NULL : r->v + p->comp[s->comp].value,
        .gain = s->gain,
        .offset = s->offset,
        .rest = s->rest,
        .transfer = p->spec->transfer,
        .param = p->spec->transfer_param,
        .scratch = r->scratch + s->at,
    };
}

/* A rearranged projection's rule sees the neurons that its rows and columns belong to. */
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

static void signals_of(struct ap_rhs *r, int proj)
{
    const struct ap_proj *p = &r->c->proj[proj];
    if (!p->plastic || !r->now.plastic[proj])
        return;
    struct ap_signal_view post = view_of(r, &p->post_signal, p->post),
                          pre = view_of(r, &p->pre_signal, p->pre);
    p->post_signal.row->value(&post, r->signal + p->post_signal.at);
    p->pre_signal.row->value(&pre, r->signal + p->pre_signal.at);
    permute(r, proj, r->signal);
}

void ap_rhs_signals(struct ap_rhs *r)
{
    for (int i = 0; i < r->c->n_proj; i++)
        signals_of(r, i);
}

static void signal_changes_of(struct ap_rhs *r, int proj)
{
    const struct ap_proj *p = &r->c->proj[proj];
    if (!p->plastic || !r->now.plastic[proj])
        return;
    const struct ap_signal *side[2] = {&p->post_signal, &p->pre_signal};
    const int pops[2] = {p->post, p->pre};
    for (int k = 0; k < 2; k++) {
        const struct ap_pop *q = &r->c->pop[pops[k]];
        struct ap_signal_view v = view_of(r, side[k], pops[k]);
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

static void weight_rows(const struct ap_rhs *r, const struct ap_task *t, const double *vd, bool tangent,
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

/* ---- public ---------------------------------------------------------------------------------------- */

double ap_rhs_left(const struct ap_rhs *r, int pop, double t)
{
    return r->clamp_tau[pop] > 0 ? ap_mathx_exp(-t / r->clamp_tau[pop]) : 0;
}

void ap_rhs_begin(struct ap_rhs *r, const bool *plastic)
{
    r->drifts = false;
    ap_afferent_begin(&r->afferent, r->clamp_from, r->clamp_to, plastic);
}

/* What decay takes from the sums of rows [first, first + n), W r of matrices as they are. */
static void drift_of_decay(const struct ap_rhs *r, int proj, size_t first, size_t n, const double *x,
                           double *out)
{
    const struct ap_proj *q = &r->c->proj[proj];
    double part[256], decay = q->decay * r->act.factor[proj];
    bool dense = q->spec->connect == AP_CONNECT_DENSE;
    if (dense)
        row_sums(r, proj, q->w, first, n, x, 0, part);
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
        double *out = r->drift + m->value + t->first, part[256];
        memset(out, 0, n * sizeof *out);
        for (int s = 0; s < m->n_sum; s++) {
            const struct ap_proj *q = &r->c->proj[m->sum[s]];
            if (!q->plastic || !r->now.plastic[m->sum[s]])
                continue;
            const double *x = sent(r, m->sum[s], r->v, r->rate, false);
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
                row_sums(r, m->sum[s], q->d, t->first, n, x, 0, part);
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

void ap_rhs_drift(struct ap_rhs *r, double t)
{
    const struct ap_circuit *c = r->c;
    r->drift_from = t;
    r->drifts = true;
#pragma omp parallel for schedule(static, 1) if (c->threaded)
    for (int k = 0; k < c->n_task; k++)
        drift_rows(r, &c->task[k]);
}

static void find_decay(const struct ap_rhs *r, double t, double *decay)
{
    for (int p = 0; p < r->c->n_pop; p++)
        decay[p] = ap_rhs_left(r, p, t);
}

void ap_rhs_eval(struct ap_rhs *r, double t, const double *y, double *dy)
{
    const struct ap_circuit *c = r->c;
    double decay[AP_SPEC_POPS];
    r->evaluations++;
    enum ap_profile_part part = ap_profile_enter(r->profile, AP_PROFILE_RATES);
    bind_weights(r, y);
    find_decay(r, t, decay);
    bool weights = dy && coupled(r) && c->n_proj_task > 0;
#pragma omp parallel if (c->threaded)
    {
#pragma omp for schedule(static)
        for (int k = 0; k < c->n_task; k++)
            stage_rates(r, &c->task[k], y, decay);
#pragma omp master
        ap_profile_enter(r->profile, AP_PROFILE_SUMS);
        if (r->act.maps) {
#pragma omp for schedule(static, 1)
            for (int k = 0; k < c->n_proj; k++)
                gather(r, k, r->v, r->rate, r->act.x);
        }
#pragma omp for schedule(static, 1)
        for (int k = 0; k < c->n_task; k++) {
            stage_sums(r, &c->task[k], t, decay, r->w, r->v, r->rate, r->input, r->v);
            if (dy && !r->act.means)
                stage_derivatives(r, &c->task[k], t, r->v, r->input, false, dy);
        }
        if (r->act.means) {
#pragma omp for schedule(static, 1)
            for (int p = 0; p < c->n_pop; p++)
                compose_whole(r, p, r->input, false, r->v);
#pragma omp for schedule(static, 1)
            for (int k = 0; k < c->n_task; k++)
                if (dy)
                    stage_derivatives(r, &c->task[k], t, r->v, r->input, false, dy);
#pragma omp for schedule(static, 1)
            for (int p = 0; p < c->n_pop; p++)
                if (dy)
                    average_whole(r, p, dy);
        }
        if (weights) {
#pragma omp for schedule(static, 1)
            for (int k = 0; k < c->n_proj; k++)
                signals_of(r, k);
#pragma omp for schedule(static, 1)
            for (int k = 0; k < c->n_proj_task; k++)
                weight_rows(r, &c->proj_task[k], NULL, false, dy);
        }
    }
    ap_profile_enter(r->profile, part);
}

void ap_rhs_linearise(struct ap_rhs *r, double t, const double *y)
{
    const struct ap_circuit *c = r->c;
    enum ap_profile_part part = ap_profile_enter(r->profile, AP_PROFILE_TANGENT);
    if (coupled(r)) /* changes of the weights meet the rates and signals of this point */
        ap_rhs_eval(r, t, y, NULL);
    else {
        double decay[AP_SPEC_POPS];
        bind_weights(r, y);
        find_decay(r, t, decay);
        for (int k = 0; k < c->n_task; k++)
            stage_rates(r, &c->task[k], y, decay);
    }
    for (int p = 0; p < c->n_pop; p++) {
        const struct ap_pop *pop = &c->pop[p];
        pop->spec->transfer->slope(pop->spec->transfer_param, pop->n, r->v + pop->comp[0].value,
                                   r->slope + pop->rate);
        if (r->act.silent[p])
            fill(pop->n, 0, r->slope + pop->rate);
    }
    if (coupled(r))
        ap_rhs_signals(r);
    ap_profile_enter(r->profile, part);
}

/* What a scaled projection adds to the changed sums. */
static void tangent_scaled(const struct ap_rhs *r, const struct ap_task *t, int proj, double factor,
                           const double *v, double *in)
{
    const struct ap_proj *q = &r->c->proj[proj];
    bool dense = q->spec->connect == AP_CONNECT_DENSE, changes = !r->c->pop[q->pre].clamped;
    const double *const x[2] = {sent(r, proj, r->dv, r->drate, true), sent(r, proj, r->v, r->rate, false)};
    const double *const w[2] = {changes ? r->w[proj] : NULL,
                                coupled(r) && q->plastic ? v + q->w_state : NULL};
    double part[256];
    for (int k = 0; k < 2; k++) {
        if (w[k] && dense)
            row_sums(r, proj, w[k], t->first, t->last - t->first, x[k], 0, part);
        for (size_t i = 0; w[k] && i < t->last - t->first; i++)
            in[i] += factor * (dense ? part[i] : w[k][t->first + i] * x[k][t->first + i]);
    }
}

/* Sums of changed rates by the weights, plus (coupled) rates by changed weights; clamped populations do not change. */
static void tangent_sums(struct ap_rhs *r, const struct ap_task *t, const double *v)
{
    const struct ap_pop *p = &r->c->pop[t->pop];
    size_t n = t->last - t->first;
    bool waits = takes_mean(r, t->pop);
    for (int o = 0; o < p->n_comp; o++) {
        const struct ap_comp *m = &p->comp[p->cell->order[o]];
        double *in = r->dinput + m->value + t->first;
        memset(in, 0, n * sizeof *in);
        for (int s = 0; s < m->n_sum; s++) {
            const struct ap_proj *q = &r->c->proj[m->sum[s]];
            bool dense = q->spec->connect == AP_CONNECT_DENSE;
            const double *dx = sent(r, m->sum[s], r->dv, r->drate, true);
            const double *x = sent(r, m->sum[s], r->v, r->rate, false);
            double factor = r->act.factor[m->sum[s]];
            if (r->act.any && factor != 1) {
                tangent_scaled(r, t, m->sum[s], factor, v, in);
                continue;
            }
            const double *w = r->w[m->sum[s]], *dw = v + q->w_state;
            if (!r->c->pop[q->pre].clamped && dense)
                row_sums(r, m->sum[s], w, t->first, n, dx, 1, in);
            else if (!r->c->pop[q->pre].clamped)
                for (size_t i = t->first; i < t->last; i++)
                    in[i - t->first] += w[i] * dx[i];
            if (!(coupled(r) && q->plastic))
                continue;
            if (dense)
                row_sums(r, m->sum[s], dw, t->first, n, x, 1, in);
            else
                for (size_t i = t->first; i < t->last; i++)
                    in[i - t->first] += dw[i] * x[i];
        }
        if (m->kind == AP_COMP_INSTANTANEOUS && !waits)
            compose(r, t->pop, p->cell->order[o], t->first, t->last, r->dinput, true, r->dv);
    }
}

static void tangent_rates(struct ap_rhs *r, const struct ap_task *t, const double *v)
{
    const struct ap_pop *p = &r->c->pop[t->pop];
    size_t n = t->last - t->first;
    for (int k = 0; k < p->n_comp; k++) {
        const struct ap_comp *m = &p->comp[k];
        const struct ap_intervene_comp *a = ap_intervene_of(&r->act, t->pop, k);
        double *dv = r->dv + m->value + t->first;
        if (a && a->clamp && m->kind == AP_COMP_DYNAMIC)
            fill(n, 0, dv);
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

void ap_rhs_product(struct ap_rhs *r, const double *v, double *jv)
{
    const struct ap_circuit *c = r->c;
    r->products++;
    enum ap_profile_part part = ap_profile_enter(r->profile, AP_PROFILE_TANGENT);
    bool weights = coupled(r) && c->n_proj_task > 0;
#pragma omp parallel if (c->threaded)
    {
#pragma omp for schedule(static)
        for (int k = 0; k < c->n_task; k++)
            tangent_rates(r, &c->task[k], v);
        if (r->act.maps) {
#pragma omp for schedule(static, 1)
            for (int k = 0; k < c->n_proj; k++)
                gather(r, k, r->dv, r->drate, r->act.dx);
        }
#pragma omp for schedule(static, 1)
        for (int k = 0; k < c->n_task; k++) {
            tangent_sums(r, &c->task[k], v);
            if (!r->act.means)
                stage_derivatives(r, &c->task[k], 0, r->dv, r->dinput, true, jv);
        }
        if (r->act.means) {
#pragma omp for schedule(static, 1)
            for (int p = 0; p < c->n_pop; p++)
                compose_whole(r, p, r->dinput, true, r->dv);
#pragma omp for schedule(static, 1)
            for (int k = 0; k < c->n_task; k++)
                stage_derivatives(r, &c->task[k], 0, r->dv, r->dinput, true, jv);
#pragma omp for schedule(static, 1)
            for (int p = 0; p < c->n_pop; p++)
                average_whole(r, p, jv);
        }
        if (weights) {
#pragma omp for schedule(static, 1)
            for (int k = 0; k < c->n_proj; k++)
                signal_changes_of(r, k);
#pragma omp for schedule(static, 1)
            for (int k = 0; k < c->n_proj_task; k++)
                weight_rows(r, &c->proj_task[k], v, true, jv);
        }
    }
    ap_profile_enter(r->profile, part);
}
