/* analysis.c: backprop on the feedforward network inside a circuit, beside what its dendrites carry.
 *
 * In:   fields and weights of the right-hand side at one moment.
 * Out:  forward pass, deltas, gradients, the loss; apical potentials and their parts; angles between them.
 * Invariants:
 *   1. The gradient is the exact derivative of the loss, attenuation included (compared with differences in the test).
 *   2. Sums have one fixed order: the same bits for any number of threads.
 *   3. An angle with a vector of norm 0, or without teacher, is NaN.
 * Never: writes to the simulation.
 * Test: tests/unit/test_analysis.c, tests/props/test_errors.c */
#include "analysis.h"
#include "signal.h"
#include "synapse.h"

#include <math.h>
#include <string.h>

/* ---- steady states of one cell ---------------------------------------------------------------------- */

enum { COMPS = 64 };

/* Soma at the steady state of a cell whose compartments are at rest but for one: input 1 into compartment `comp`, or,
 * comp < 0, none and true resting potentials. Dynamic: (leak + sum g) v - sum g v_other = leak rest + drive in;
 * instantaneous: v - sum of what it adds = in. */
static double soma_response(const struct ap_pop *p, int comp, bool current)
{
    double m[COMPS][COMPS + 1] = {{0}};
    int n = p->n_comp < COMPS ? p->n_comp : COMPS;
    for (int i = 0; i < n; i++) {
        const struct ap_comp *c = &p->comp[i];
        double in = i == comp ? 1 : 0;
        m[i][i] = 1;
        m[i][n] = in;
        if (c->kind == AP_COMP_DYNAMIC) {
            m[i][i] = c->leak;
            m[i][n] = (comp < 0 ? c->leak * c->rest : 0) + (current ? 1 : c->drive) * in;
        }
        for (int k = 0; c->kind == AP_COMP_DYNAMIC && k < c->n_couple; k++) {
            m[i][i] += c->couple[k].conductance;
            m[i][c->couple[k].from] -= c->couple[k].conductance;
        }
        for (int k = 0; c->kind == AP_COMP_INSTANTANEOUS && k < c->n_adds; k++)
            m[i][c->adds[k]] -= 1;
    }
    for (int i = n - 1; i >= 0;
         i--) { /* eliminate from the last to the soma; diagonally dominant or triangular */
        for (int r = 0; r < n; r++) {
            double f = r == i ? 0 : m[r][i] / m[i][i];
            for (int k = 0; f != 0 && k <= n; k++)
                m[r][k] -= f * m[i][k];
        }
    }
    return m[0][n] / m[0][0];
}

/* g R / (1 + g R): share of a nudging of conductance g in the soma that it pulls at, R its resistance. */
static double nudged_share(const struct ap_pop *p, double g)
{
    double pull = g * soma_response(p, 0, true);
    return pull / (1 + pull);
}

static double soma_share(const struct ap_pop *p, int comp)
{
    double total = p->comp[0].leak, own = 0;
    for (int i = 0; i < p->comp[0].n_couple; i++) {
        total += p->comp[0].couple[i].conductance;
        own = p->comp[0].couple[i].from == comp ? p->comp[0].couple[i].conductance : own;
    }
    return total > 0 ? own / total : 0;
}

static bool is_sum(const struct ap_pop *p, int comp)
{
    return p->comp[comp].kind == AP_COMP_INSTANTANEOUS;
}

/* ---- opening ---------------------------------------------------------------------------------------- */

static void open_layer(struct ap_analysis *a, int k)
{
    const struct ap_circuit *c = a->rhs->c;
    const struct ap_pathway_layer *l = &a->path.layer[k];
    const struct ap_pop *p = &c->pop[l->pop];
    struct ap_analysis_layer *to = &a->layer[k];
    to->n = p->n;
    to->lambda = (double)NAN;
    if (k == 0)
        return;
    to->gain = soma_response(p, l->basal, false);
    to->offset = soma_response(p, -1, false);
    if (k == a->path.n)
        to->lambda = nudged_share(p, c->proj[a->path.teacher].spec->conductance);
    else
        to->lambda = soma_share(p, l->apical);
    for (int i = 0; i < l->n_feedback; i++) {
        const struct ap_pathway_feedback *f = &l->feedback[i];
        to->lambda_inter[i] =
            f->nudge < 0 ? (double)NAN
                         : nudged_share(&c->pop[f->interneuron], c->proj[f->nudge].spec->conductance);
    }
}

enum ap_code ap_analysis_open(struct ap_err *e, struct ap_analysis *a, const struct ap_rhs *rhs)
{
    *a = (struct ap_analysis){.rhs = rhs};
    AP_TRY(ap_pathway_find(e, NULL, rhs->c->spec, &a->path));
    size_t total = 0;
    for (int k = 0; k <= a->path.n; k++) {
        open_layer(a, k);
        a->widest = a->layer[k].n > a->widest ? a->layer[k].n : a->widest;
        total += 12 * a->layer[k].n + (k ? a->layer[k - 1].n : 0);
    }
    for (int i = 0; i < rhs->c->n_pop; i++)
        a->widest = rhs->c->pop[i].n > a->widest ? rhs->c->pop[i].n : a->widest;
    double *next = a->block = ap_mem_array(e, total + 4 * a->widest, sizeof *next, "analysis");
    if (!next)
        return AP_EMEMORY;
    for (int k = 0; k <= a->path.n; k++) {
        struct ap_analysis_layer *l = &a->layer[k];
        bool hidden = k > 0 && k < a->path.n;
        double **const arrays[] = {&l->u,    &l->r,      &l->slope,   &l->delta,   &l->post,      &l->drive,
                                   &l->back, &l->apical, &l->topdown, &l->lateral, &l->predicted, &l->sharp};
        for (int i = 0; i < (k == 0 ? 3 : hidden ? 12 : 6); i++) {
            *arrays[i] = next;
            next += l->n;
        }
        if (k > 0) {
            l->pre = next;
            next += a->layer[k - 1].n;
        }
    }
    a->work = next;
    return AP_OK;
}

void ap_analysis_free(struct ap_analysis *a)
{
    ap_mem_free(a->block);
    ap_mem_free(a->start);
    ap_mem_free(a->matrix[0]);
    ap_mem_free(a->matrix[1]);
    for (int k = 0; k < AP_PATHWAY_LAYERS; k++)
        ap_mem_free(a->before[k]);
    *a = (struct ap_analysis){0};
}

static size_t elements(const struct ap_analysis *a, int k)
{
    return a->layer[k].n * a->layer[k - 1].n;
}

enum ap_code ap_analysis_keep(struct ap_err *e, struct ap_analysis *a)
{
    const struct ap_circuit *c = a->rhs->c;
    bool ok = (a->start = ap_mem_array(e, c->n_membrane + 1, sizeof *a->start, "analysis"));
    size_t largest = 1;
    for (int k = 1; k <= a->path.n; k++)
        largest = elements(a, k) > largest ? elements(a, k) : largest;
    for (int i = 0; ok && i < 2; i++)
        ok = (a->matrix[i] = ap_mem_array(e, largest, sizeof *a->matrix[i], "analysis: weights"));
    for (int k = 1; ok && k <= a->path.n; k++)
        if (c->proj[a->path.layer[k].forward].plastic)
            ok = (a->before[k] = ap_mem_array(e, elements(a, k), sizeof *a->before[k], "analysis: weights"));
    return ok ? AP_OK : AP_EMEMORY;
}

void ap_analysis_begin(struct ap_analysis *a)
{
    const struct ap_circuit *c = a->rhs->c;
    for (int p = 0; a->start && p < c->n_pop; p++)
        for (int m = 0; m < c->pop[p].n_comp; m++)
            if (c->pop[p].comp[m].kind == AP_COMP_DYNAMIC)
                memcpy(a->start + c->pop[p].comp[m].state, a->rhs->v + c->pop[p].comp[m].value,
                       c->pop[p].n * sizeof *a->start);
    for (int k = 1; k <= a->path.n; k++)
        if (a->before[k])
            memcpy(a->before[k], a->rhs->w[a->path.layer[k].forward], elements(a, k) * sizeof(double));
}

/* ---- forward and backward --------------------------------------------------------------------------- */

static const double *target_of(const struct ap_analysis *a)
{
    const struct ap_proj *teacher = &a->rhs->c->proj[a->path.teacher];
    return a->rhs->v + a->rhs->c->pop[teacher->pre].comp[teacher->pre_comp < 0 ? 0 : teacher->pre_comp].value;
}

void ap_analysis_forward(struct ap_analysis *a)
{
    const struct ap_circuit *c = a->rhs->c;
    for (int k = 0; k <= a->path.n; k++) {
        struct ap_analysis_layer *l = &a->layer[k];
        const struct ap_pathway_layer *p = &a->path.layer[k];
        const struct ap_pop_spec *s = c->pop[p->pop].spec;
        if (k == 0)
            memcpy(l->u, a->rhs->v + c->pop[p->pop].comp[0].value, l->n * sizeof *l->u);
        else {
            ap_synapse_product(l->n, a->layer[k - 1].n, a->rhs->w[p->forward], a->layer[k - 1].r, 0, l->u);
            for (size_t i = 0; i < l->n; i++)
                l->u[i] = l->offset + l->gain * l->u[i];
        }
        s->transfer->rate(s->transfer_param, l->n, l->u, l->r);
        s->transfer->slope(s->transfer_param, l->n, l->u, l->slope);
    }
}

/* out[j] = sum_i w[i][j] x[i], rows in order */
static void transposed_product(size_t rows, size_t cols, const double *w, const double *x, double *out)
{
    memset(out, 0, cols * sizeof *out);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            out[j] = fma(w[i * cols + j], x[i], out[j]);
}

static const struct ap_pop_spec *output_of(const struct ap_analysis *a)
{
    return a->rhs->c->pop[a->path.layer[a->path.n].pop].spec;
}

void ap_analysis_loss_slope(const struct ap_analysis *a, enum ap_analysis_loss loss, const double *u,
                            double *out)
{
    const struct ap_pop_spec *s = output_of(a);
    const double *target = target_of(a);
    for (size_t i = 0; i < a->layer[a->path.n].n; i++) {
        double rate[2];
        if (loss == AP_ANALYSIS_MATCHING) {
            const double at[2] = {u[i], target[i]};
            s->transfer->rate(s->transfer_param, 2, at, rate);
            out[i] = rate[0] - rate[1];
        } else {
            s->transfer->slope(s->transfer_param, 1, &u[i], &rate[0]);
            out[i] = rate[0] * (u[i] - target[i]);
        }
    }
}

void ap_analysis_backward(struct ap_analysis *a, enum ap_analysis_loss loss)
{
    int n = a->path.n;
    struct ap_analysis_layer *top = &a->layer[n];
    ap_analysis_loss_slope(a, loss, top->u, top->delta);
    for (size_t i = 0; i < top->n; i++)
        top->delta[i] = -top->delta[i];
    for (int k = n - 1; k > 0; k--) {
        struct ap_analysis_layer *l = &a->layer[k];
        const struct ap_analysis_layer *above = &a->layer[k + 1];
        transposed_product(above->n, l->n, a->rhs->w[a->path.layer[k + 1].forward], above->delta, l->back);
        for (size_t i = 0; i < l->n; i++) {
            l->back[i] *= above->gain;
            l->delta[i] = l->slope[i] * l->back[i];
        }
    }
}

void ap_analysis_gradient(const struct ap_analysis *a, int k, double *out)
{
    const struct ap_analysis_layer *l = &a->layer[k], *below = &a->layer[k - 1];
    for (size_t i = 0; i < l->n; i++)
        for (size_t j = 0; j < below->n; j++)
            out[i * below->n + j] = -l->gain * l->delta[i] * below->r[j];
}

bool ap_analysis_change(const struct ap_analysis *a, int k, double *out)
{
    const double *w = a->rhs->w[a->path.layer[k].forward];
    for (size_t i = 0; a->before[k] && i < elements(a, k); i++)
        out[i] = w[i] - a->before[k][i];
    return a->before[k] != NULL;
}

/* ---- loss ------------------------------------------------------------------------------------------- */

/* Integral of the loss' derivative from `from` to `to` for one neuron: Gauss' rule of five points in 32 stretches. */
static double integral(const struct ap_pop_spec *s, enum ap_analysis_loss loss, double target, double from,
                       double to)
{
    static const double X[5] = {-0.906179845938663993, -0.538469310105683091, 0, 0.538469310105683091,
                                0.906179845938663993},
                        W[5] = {0.236926885056189088, 0.478628670499366468, 0.568888888888888889,
                                0.478628670499366468, 0.236926885056189088};
    enum { PARTS = 32 };
    double sum = 0, half = (to - from) / (2 * PARTS), at_target;
    s->transfer->rate(s->transfer_param, 1, &target, &at_target);
    for (int part = 0; part < PARTS; part++)
        for (int i = 0; i < 5; i++) {
            double z = from + half * (2 * part + 1 + X[i]), f;
            if (loss == AP_ANALYSIS_MATCHING) {
                s->transfer->rate(s->transfer_param, 1, &z, &f);
                f -= at_target;
            } else {
                s->transfer->slope(s->transfer_param, 1, &z, &f);
                f *= z - target;
            }
            sum = fma(W[i] * half, f, sum);
        }
    return sum;
}

double ap_analysis_loss_of(const struct ap_analysis *a, enum ap_analysis_loss loss, const double *u)
{
    const struct ap_pop_spec *s = output_of(a);
    const double *target = target_of(a);
    double sum = 0;
    for (size_t i = 0; i < a->layer[a->path.n].n; i++) { /* divided at 0, where relu has its kink */
        double t = target[i];
        sum += (t < 0) != (u[i] < 0) ? integral(s, loss, t, t, 0) + integral(s, loss, t, 0, u[i])
                                     : integral(s, loss, t, t, u[i]);
    }
    return sum;
}

double ap_analysis_loss(const struct ap_analysis *a, enum ap_analysis_loss loss)
{
    return ap_analysis_loss_of(a, loss, a->layer[a->path.n].u);
}

/* ---- what the dendrites carry ----------------------------------------------------------------------- */

void ap_analysis_part(struct ap_analysis *a, int k, int proj, double *out)
{
    const struct ap_circuit *c = a->rhs->c;
    const struct ap_pathway_layer *l = &a->path.layer[k];
    const struct ap_proj *q = &c->proj[proj];
    const struct ap_comp *m = &c->pop[l->pop].comp[l->apical];
    if (q->spec->nudges || q->post != l->pop ||
        !ap_pathway_reaches(c->spec, l->pop, q->post_comp, l->apical)) {
        memset(out, 0, a->layer[k].n * sizeof *out);
        return;
    }
    ap_rhs_arriving(a->rhs, proj, out);
    if (m->kind != AP_COMP_DYNAMIC)
        return;
    double total = m->leak; /* a dynamic dendrite: the potential that this input alone would lead to */
    for (int i = 0; i < m->n_couple; i++)
        total += m->couple[i].conductance;
    for (size_t i = 0; i < a->layer[k].n; i++)
        out[i] *= m->drive / total;
}

static struct ap_signal_view view_of(const struct ap_analysis *a, int pop, const struct ap_signal *s)
{
    const struct ap_pop *p = &a->rhs->c->pop[pop];
    return (struct ap_signal_view){
        .n = p->n,
        .soma = a->rhs->v + p->comp[0].value,
        .rate = a->rhs->rate + p->rate,
        .comp = s->comp < 0 ? NULL : a->rhs->v + p->comp[s->comp].value,
        .gain = s->gain,
        .offset = s->offset,
        .rest = s->rest,
        .transfer = p->spec->transfer,
        .param = p->spec->transfer_param,
        .scratch = a->work + a->widest,
    };
}

static void apical_fields(struct ap_analysis *a, int k)
{
    const struct ap_circuit *c = a->rhs->c;
    const struct ap_pathway_layer *p = &a->path.layer[k];
    struct ap_analysis_layer *l = &a->layer[k];
    const struct ap_comp *m = &c->pop[p->pop].comp[p->apical];
    for (size_t i = 0; i < l->n; i++) {
        l->apical[i] = a->rhs->v[m->value + i] - m->rest;
        l->topdown[i] = l->lateral[i] = 0;
    }
    for (int q = 0; q < c->n_proj; q++) {
        const struct ap_proj *proj = &c->proj[q];
        if (proj->spec->nudges || proj->post != p->pop ||
            !ap_pathway_reaches(c->spec, p->pop, proj->post_comp, p->apical))
            continue;
        double *sum = ap_pathway_of_population(&a->path, proj->pre) > k ? l->topdown : l->lateral;
        ap_analysis_part(a, k, q, a->work);
        for (size_t i = 0; i < l->n; i++)
            sum[i] += a->work[i];
    }
}

/* out = phi(u) - phi(u - gain comp), with all digits */
static void rate_change(struct ap_signal_view v, double gain, const double *comp, double *out)
{
    const struct ap_signal_row *drive =
        (const struct ap_signal_row *)ap_registry_find(&ap_signal_table, "compartment-drive");
    v.gain = gain;
    v.comp = comp;
    drive->value(&v, out);
}

/* Where interneurons predict their partners above, feedback and inhibition cancel but for a part of the order of lambda^2:
 *     B r + W r_I = B (r - r_I) + (B + W) r_I
 * has the digits that the sum on the left loses, as r - r_I comes from the difference of the potentials. It takes the place
 * of the apical potential where the two agree within the rounding of that sum, that is, where nothing else arrives. */
static void sharpen_apical(struct ap_analysis *a, int k)
{
    const struct ap_rhs *r = a->rhs;
    const struct ap_pathway_layer *p = &a->path.layer[k];
    struct ap_analysis_layer *l = &a->layer[k];
    double *apart = a->work, *differ = a->work + 2 * a->widest, *bound = a->work + 3 * a->widest;
    memset(l->sharp, 0, l->n * sizeof *l->sharp);
    memset(bound, 0, l->n * sizeof *bound);
    bool pairs = is_sum(&r->c->pop[p->pop], p->apical);
    for (int f = 0; pairs && f < p->n_feedback; f++) {
        const struct ap_pathway_feedback *q = &p->feedback[f];
        size_t n = a->layer[q->from].n;
        pairs = q->lateral >= 0 && r->c->proj[q->lateral].spec->connect == AP_CONNECT_DENSE &&
                r->c->proj[q->lateral].cols == n;
        if (!pairs)
            break;
        const struct ap_pop *above = &r->c->pop[a->path.layer[q->from].pop],
                            *inter = &r->c->pop[q->interneuron];
        struct ap_signal none = {.comp = -1};
        for (size_t j = 0; j < n; j++)
            apart[j] = r->v[above->comp[0].value + j] - r->v[inter->comp[0].value + j];
        rate_change(view_of(a, a->path.layer[q->from].pop, &none), 1, apart, differ);
        const double *rate = r->rate + inter->rate, *b = r->w[q->proj], *w = r->w[q->lateral];
        for (size_t i = 0; i < l->n; i++)
            for (size_t j = 0; j < n; j++) {
                double feedback = b[i * n + j], inhibition = w[i * n + j];
                l->sharp[i] = fma(feedback + inhibition, rate[j], fma(feedback, differ[j], l->sharp[i]));
                bound[i] += (fabs(feedback) + fabs(inhibition)) * fabs(rate[j]);
            }
    }
    for (size_t i = 0; pairs && i < l->n; i++)
        pairs = fabs(l->sharp[i] - l->apical[i]) <= 8 * DBL_EPSILON * bound[i];
    if (!pairs)
        memcpy(l->sharp, l->apical, l->n * sizeof *l->sharp);
}

/* To first order in weak feedback, in a self-predicting circuit (unequal factors):
 *     v_{A,n-1} = (1 - lambda_I) lambda_n B D_n (target - u_n),  v_{A,k} = (1 - lambda_I) lambda_{k+1} B D_{k+1} v_{A,k+1}
 * Direct feedback has the layer j that sends it in the place of k + 1; several add up. */
static void predict_apical(struct ap_analysis *a, int k)
{
    const struct ap_circuit *c = a->rhs->c;
    const struct ap_pathway_layer *p = &a->path.layer[k];
    struct ap_analysis_layer *l = &a->layer[k];
    bool applies =
        p->n_feedback > 0 && is_sum(&c->pop[p->pop], p->apical) && is_sum(&c->pop[p->pop], p->basal);
    for (size_t i = 0; !applies && i < l->n; i++)
        l->predicted[i] = (double)NAN;
    for (int f = 0; applies && f < p->n_feedback; f++) {
        int from = p->feedback[f].from;
        const struct ap_analysis_layer *above = &a->layer[from];
        for (size_t i = 0; i < above->n; i++) {
            double error = from == a->path.n ? above->delta[i] : above->slope[i] * above->predicted[i];
            a->work[i] = (1 - l->lambda_inter[f]) * above->lambda * error;
        }
        ap_synapse_product(l->n, above->n, a->rhs->w[p->feedback[f].proj], a->work, f > 0, l->predicted);
    }
}

/* Signals of the forward rule, and the same without loss of digits. */
static void rule_fields(struct ap_analysis *a, int k)
{
    const struct ap_pathway_layer *p = &a->path.layer[k];
    const struct ap_proj *q = &a->rhs->c->proj[p->forward];
    const struct ap_pop *pop = &a->rhs->c->pop[p->pop];
    struct ap_analysis_layer *l = &a->layer[k];
    if (q->plastic) {
        struct ap_signal_view post = view_of(a, q->post, &q->post_signal),
                              pre = view_of(a, q->pre, &q->pre_signal);
        q->post_signal.row->value(&post, l->post);
        q->pre_signal.row->value(&pre, l->pre);
    } else {
        for (size_t i = 0; i < l->n; i++)
            l->post[i] = (double)NAN;
        for (size_t j = 0; j < a->layer[k - 1].n; j++)
            l->pre[j] = (double)NAN;
    }
    /* (leak + g_B + g_A) u = ... + g_A v_A for a hidden soma; the output is pulled by lambda (target - prediction) */
    struct ap_signal none = {.comp = -1};
    const double *pull = l->sharp;
    if (k == a->path.n) {
        const double *target = target_of(a), *basal = a->rhs->v + pop->comp[p->basal].value;
        double share = soma_share(pop, p->basal), rest = l->offset;
        for (size_t i = 0; i < l->n; i++)
            a->work[i] = target[i] - (rest + share * basal[i]);
        pull = a->work;
    }
    rate_change(view_of(a, p->pop, &none), l->lambda, pull, l->drive);
}

void ap_analysis_eval(struct ap_analysis *a)
{
    a->taught = a->rhs->now.teacher;
    ap_analysis_forward(a);
    ap_analysis_backward(a, AP_ANALYSIS_DELTA);
    for (int k = a->path.n - 1; k > 0; k--) {
        apical_fields(a, k);
        sharpen_apical(a, k);
        predict_apical(a, k);
    }
    for (int k = 1; k <= a->path.n; k++)
        rule_fields(a, k);
}

/* ---- angles ----------------------------------------------------------------------------------------- */

static double norm(size_t n, const double *x)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum = fma(x[i], x[i], sum);
    return sqrt(sum);
}

/* 1 - cosine = |x/|x| - y/|y||^2 / 2, which keeps its digits for small angles; NaN when a norm is 0. */
static double one_minus_cosine(size_t n, const double *x, const double *y)
{
    double a = norm(n, x), b = norm(n, y), sum = 0;
    if (!(a > 0 && b > 0))
        return (double)NAN;
    for (size_t i = 0; i < n; i++) {
        double d = x[i] / a - y[i] / b;
        sum = fma(d, d, sum);
    }
    return 0.5 * sum;
}

static double degrees(double one_minus)
{
    double rest = 2 - one_minus;
    return 2 * atan2(sqrt(one_minus), sqrt(rest > 0 ? rest : 0)) * (180 / 3.14159265358979323846);
}

double ap_analysis_angle(size_t n, const double *x, const double *y, double *cosine)
{
    double c = one_minus_cosine(n, x, y);
    if (cosine)
        *cosine = 1 - c;
    return isnan(c) ? c : degrees(c);
}

double ap_analysis_apical_angle(const struct ap_analysis *a, int k, double *cosine)
{
    const struct ap_analysis_layer *l = &a->layer[k];
    double angle = ap_analysis_angle(l->n, l->apical, l->back, cosine);
    if (a->taught)
        return angle;
    if (cosine)
        *cosine = (double)NAN;
    return (double)NAN;
}

double ap_analysis_apical_ratio(const struct ap_analysis *a, int k)
{
    const struct ap_analysis_layer *l = &a->layer[k];
    double b = norm(l->n, l->back);
    return a->taught && b > 0 ? norm(l->n, l->apical) / b : (double)NAN;
}

double ap_analysis_formula_error(const struct ap_analysis *a, int k)
{
    const struct ap_analysis_layer *l = &a->layer[k];
    double size = norm(l->n, l->sharp), sum = 0;
    for (size_t i = 0; i < l->n; i++)
        sum = fma(l->sharp[i] - l->predicted[i], l->sharp[i] - l->predicted[i], sum);
    return a->taught && size > 0 ? sqrt(sum) / size : (double)NAN;
}

double ap_analysis_ngrad_angle(struct ap_analysis *a, int k)
{
    const struct ap_analysis_layer *l = &a->layer[k];
    const double *rate = a->rhs->rate + a->rhs->c->pop[a->path.layer[k].pop].rate;
    for (size_t i = 0; i < l->n; i++)
        a->work[i] = rate[i] - l->r[i];
    return a->taught ? ap_analysis_angle(l->n, a->work, l->back, NULL) : (double)NAN;
}

/* Between outer products: 1 - c1 c2 = (1 - c1) + c1 (1 - c2). */
double ap_analysis_gradient_angle(const struct ap_analysis *a, int k, bool steady)
{
    const struct ap_analysis_layer *l = &a->layer[k], *below = &a->layer[k - 1];
    const double *rates = a->rhs->rate + a->rhs->c->pop[a->path.layer[k - 1].pop].rate;
    double post = one_minus_cosine(l->n, steady ? l->drive : l->post, l->delta);
    double pre = one_minus_cosine(below->n, steady ? rates : l->pre, below->r);
    return a->taught && !isnan(post) && !isnan(pre) ? degrees(post + (1 - post) * pre) : (double)NAN;
}

/* Angle between matrix[0] and matrix[1] of layer k, and the ratio of their norms. */
static double between(struct ap_analysis *a, int k, double *ratio)
{
    size_t n = elements(a, k);
    double size = norm(n, a->matrix[1]);
    if (ratio)
        *ratio = a->taught && size > 0 ? norm(n, a->matrix[0]) / size : (double)NAN;
    return a->taught ? ap_analysis_angle(n, a->matrix[0], a->matrix[1], NULL) : (double)NAN;
}

static void put_gradient(struct ap_analysis *a, int k, const double *gradient, double sign, double *out)
{
    if (!gradient)
        ap_analysis_gradient(a, k, out);
    for (size_t i = 0; i < elements(a, k); i++)
        out[i] = sign * (gradient ? gradient[i] : out[i]);
}

double ap_analysis_change_angle(struct ap_analysis *a, int k, const double *gradient, double *ratio)
{
    if (ratio)
        *ratio = (double)NAN;
    if (!ap_analysis_change(a, k, a->matrix[0]))
        return (double)NAN;
    put_gradient(a, k, gradient, -1, a->matrix[1]);
    return between(a, k, ratio);
}

double ap_analysis_between_angle(struct ap_analysis *a, int k, const double *gradient, double *ratio)
{
    put_gradient(a, k, gradient, 1, a->matrix[0]);
    put_gradient(a, k, NULL, 1, a->matrix[1]);
    return between(a, k, ratio);
}

/* Row i of W_from ... W_{k+1}: the weights of all ways from layer k to neuron i; in the first half of work. */
static const double *ways_to(const struct ap_analysis *a, int from, int k, size_t i)
{
    const double *row = a->rhs->w[a->path.layer[from].forward] + i * a->layer[from - 1].n;
    for (int j = from - 1; j > k; j--) {
        const double *w = a->rhs->w[a->path.layer[j].forward];
        size_t cols = a->layer[j - 1].n;
        double *out = a->work + ((from - j) % 2) * a->widest;
        memset(out, 0, cols * sizeof *out);
        for (size_t r = 0; r < a->layer[j].n; r++)
            for (size_t c = 0; c < cols; c++)
                out[c] = fma(row[r], w[r * cols + c], out[c]);
        row = out;
    }
    return row;
}

double ap_analysis_feedback_angle(const struct ap_analysis *a, int k)
{
    if (a->path.layer[k].n_feedback == 0)
        return (double)NAN;
    const struct ap_pathway_feedback *f = &a->path.layer[k].feedback[0];
    size_t rows = a->layer[k].n, cols = a->layer[f->from].n;
    const double *b = a->rhs->w[f->proj];
    double x = norm(rows * cols, b), squares = 0, sum = 0;
    for (size_t j = 0; j < cols; j++) {
        double y = norm(rows, ways_to(a, f->from, k, j));
        squares += y * y;
    }
    double y = sqrt(squares);
    for (size_t j = 0; j < cols; j++) {
        const double *w = ways_to(a, f->from, k, j);
        for (size_t i = 0; i < rows; i++) {
            double d = b[i * cols + j] / x - w[i] / y;
            sum = fma(d, d, sum);
        }
    }
    return x > 0 && y > 0 ? degrees(0.5 * sum) : (double)NAN;
}
