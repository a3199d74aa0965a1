/* hierarchy.c: one pass of block Gauss-Seidel through the populations, from the input upwards.
 *
 * In:   a linearised right-hand side, gamma, b.
 * Out:  x with (1 - gamma L) x = b, where L is the Jacobian without what populations later in the order send to earlier.
 * Invariants:
 *   1. Within a neuron, compartments and nudging are solved together.
 *   2. Following a step is the first-order expansion of its last evaluation; what is clamped does not move, t being the same.
 *   3. Each output element is written by one task from a fixed order of operations.
 * Never: is used with coupled weights.
 * Test: tests/unit/test_hierarchy.c */
#include "hierarchy.h"
#include "mathx.h"
#include "stage.h"
#include "synapse.h"
#include "tangent.h"

#include <math.h>
#include <string.h>

enum { FAR = 1000, MOST = AP_HIERARCHY_COMPS };

/* Dense projections on the shortest way from a clamped population. */
static void find_distances(const struct ap_circuit *c, int *distance)
{
    for (int p = 0; p < c->n_pop; p++)
        distance[p] = c->pop[p].clamped ? 0 : FAR;
    for (bool changed = true; changed;) {
        changed = false;
        for (int i = 0; i < c->n_proj; i++) {
            const struct ap_proj *q = &c->proj[i];
            if (!q->w || distance[q->pre] + 1 >= distance[q->post])
                continue;
            distance[q->post] = distance[q->pre] + 1;
            changed = true;
        }
    }
}

/* Whether another population that moves nudges this one: then it is solved after those of the same distance. */
static bool is_nudged(const struct ap_circuit *c, int pop)
{
    for (int i = 0; i < c->n_proj; i++)
        if (c->proj[i].post == pop && !c->proj[i].w && !c->pop[c->proj[i].pre].clamped)
            return true;
    return false;
}

enum ap_code ap_hierarchy_init(struct ap_err *e, struct ap_hierarchy *h, struct ap_rhs *rhs)
{
    const struct ap_circuit *c = rhs->c;
    *h = (struct ap_hierarchy){.rhs = rhs};
    h->work = ap_mem_array(e, c->n_state, sizeof *h->work, "integrator");
    h->x = ap_mem_array(e, c->n_state, sizeof *h->x, "integrator");
    if (!h->work || !h->x)
        return AP_EMEMORY;
    int distance[AP_SPEC_POPS], key[AP_SPEC_POPS];
    find_distances(c, distance);
    for (int p = 0; p < c->n_pop; p++) {
        h->place[p] = -1;
        if (c->pop[p].clamped)
            continue;
        key[p] = 2 * distance[p] + is_nudged(c, p);
        int at = h->n++;
        for (; at > 0 && key[h->order[at - 1]] > key[p]; at--)
            h->order[at] = h->order[at - 1];
        h->order[at] = p;
    }
    size_t tasks = (size_t)(c->n_task > c->n_whole ? c->n_task : c->n_whole);
    h->local = ap_mem_array(e, (size_t)h->n + 1, sizeof *h->local, "integrator");
    h->task = ap_mem_array(e, tasks + 1, sizeof *h->task, "integrator");
    if (!h->local || !h->task)
        return AP_EMEMORY;
    for (int o = 0; o < h->n; o++)
        h->place[h->order[o]] = o;
    ap_hierarchy_divide(h);
    return AP_OK;
}

void ap_hierarchy_divide(struct ap_hierarchy *h)
{
    const struct ap_rhs *r = h->rhs;
    int n = 0;
    for (int o = 0; o < h->n; o++) {
        h->first[o] = n;
        for (int k = 0; k < r->n_task; k++)
            if (r->task[k].pop == h->order[o])
                h->task[n++] = k;
        h->last[o] = n;
    }
}

void ap_hierarchy_free(struct ap_hierarchy *h)
{
    ap_mem_free(h->local);
    ap_mem_free(h->task);
    ap_mem_free(h->work);
    ap_mem_free(h->x);
    *h = (struct ap_hierarchy){0};
}

/* ---- one neuron ------------------------------------------------------------------------------------- */

/* Instantaneous compartments of neurons [first, last) from their inputs and from dv. */
static void compose(struct ap_rhs *r, int pop, size_t first, size_t last)
{
    const struct ap_pop *p = &r->c->pop[pop];
    for (int o = 0; o < p->n_comp; o++)
        if (p->comp[p->cell->order[o]].kind == AP_COMP_INSTANTANEOUS)
            ap_stage_compose(r, pop, p->cell->order[o], first, last, r->dinput, true, r->dv);
}

/* Gauss-Jordan without pivots: membranes leak, so the diagonal dominates for every gamma > 0. */
static void invert(int n, double m[MOST][MOST], double inverse[MOST][MOST])
{
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            inverse[i][j] = i == j;
    for (int k = 0; k < n; k++) {
        double pivot = m[k][k];
        for (int j = 0; j < n; j++) {
            m[k][j] /= pivot;
            inverse[k][j] /= pivot;
        }
        for (int i = 0; i < n; i++) {
            double f = m[i][k];
            for (int j = 0; i != k && j < n; j++) {
                m[i][j] -= f * m[k][j];
                inverse[i][j] -= f * inverse[k][j];
            }
        }
    }
}

/* Column by column: one compartment of neuron 0 is moved by 1, all else stands still. */
static void find_local(struct ap_hierarchy *h, int o, double gamma, struct ap_hierarchy_local *l)
{
    struct ap_rhs *r = h->rhs;
    int pop = h->order[o];
    const struct ap_pop *p = &r->c->pop[pop];
    const struct ap_task one = {pop, 0, 1};
    double m[MOST][MOST], still[MOST];
    l->n = 0;
    for (int k = 0; k < p->n_comp; k++) {
        r->dv[p->comp[k].value] = r->dinput[p->comp[k].value] = 0;
        if (p->comp[k].kind == AP_COMP_DYNAMIC)
            l->comp[l->n++] = k;
    }
    for (int j = -1; j < l->n; j++) { /* -1: what others do by nudging */
        if (j >= 0)
            r->dv[p->comp[l->comp[j]].value] = 1;
        compose(r, pop, 0, 1);
        ap_stage_derivatives(r, &one, 0, r->dv, r->dinput, true, h->work);
        for (int i = 0; i < l->n; i++) {
            double change = h->work[p->comp[l->comp[i]].state];
            if (j < 0)
                still[i] = change;
            else
                m[i][j] = (i == j) - gamma * (change - still[i]);
        }
        if (j >= 0)
            r->dv[p->comp[l->comp[j]].value] = 0;
    }
    invert(l->n, m, l->inverse);
}

void ap_hierarchy_locals(struct ap_hierarchy *h, double gamma)
{
    for (int o = 0; o < h->n; o++)
        find_local(h, o, gamma, &h->local[o]);
}

/* ---- a population ----------------------------------------------------------------------------------- */

AP_CLONES static void solve_rows(struct ap_hierarchy *h, const struct ap_task *t,
                                 const struct ap_hierarchy_local *l, const bool *known, double gamma,
                                 const double *b, double *x)
{
    struct ap_rhs *r = h->rhs;
    const struct ap_pop *p = &r->c->pop[t->pop];
    ap_tangent_sums(r, t, x, known);
    ap_stage_derivatives(r, t, 0, r->dv, r->dinput, true,
                         h->work); /* what the others do to a neuron that stands still */
    for (size_t i = t->first; i < t->last; i++)
        for (int k = 0; k < l->n; k++) {
            double sum = 0;
            for (int j = 0; j < l->n; j++) {
                size_t at = p->comp[l->comp[j]].state + i;
                sum += l->inverse[k][j] * (b[at] + gamma * h->work[at]);
            }
            x[p->comp[l->comp[k]].state + i] = sum;
        }
    ap_tangent_rates(r, t, x);
    compose(r, t->pop, t->first, t->last);
}

void ap_hierarchy_begin(struct ap_hierarchy *h)
{
    struct ap_rhs *r = h->rhs;
    const struct ap_circuit *c = r->c;
    memset(h->known, 0, sizeof h->known);
    for (int p = 0; p < c->n_pop;
         p++) /* what moves or is clamped stands still; all else is found from that */
        for (int k = 0; k < c->pop[p].n_comp; k++)
            if (c->pop[p].comp[k].kind != AP_COMP_INSTANTANEOUS || r->act.any)
                memset(r->dv + c->pop[p].comp[k].value, 0, c->pop[p].n * sizeof *r->dv);
}

void ap_hierarchy_task(struct ap_hierarchy *h, int k, const struct ap_hierarchy_local *l, double gamma,
                       const double *b, double *x)
{
    solve_rows(h, &h->rhs->task[h->task[k]], l, h->known, gamma, b, x);
}

void ap_hierarchy_solved(struct ap_hierarchy *h, int o)
{
    struct ap_rhs *r = h->rhs;
    h->known[h->order[o]] = true;
    for (int k = 0; r->act.maps && k < r->c->n_proj; k++)
        if (r->c->proj[k].pre == h->order[o])
            ap_stage_gather(r, k, r->dv, r->drate, r->act.dx);
}

void ap_hierarchy_end(struct ap_hierarchy *h, const double *x)
{
    memcpy(h->x, x, h->rhs->c->n_state * sizeof *x);
    h->evaluations = h->rhs->evaluations;
}

/* One thread's share of a population. */
static void solve_by(struct ap_hierarchy *h, int o, double gamma, const double *b, double *x,
                     struct ap_team team)
{
    struct ap_deal deal = ap_team_deal(team, (size_t)(h->last[o] - h->first[o]));
    for (size_t k; ap_team_next(&deal, &k);)
        ap_hierarchy_task(h, h->first[o] + (int)k, &h->local[o], gamma, b, x);
}

void ap_hierarchy_solve(struct ap_hierarchy *h, double gamma, const double *b, double *x)
{
    struct ap_rhs *r = h->rhs;
    enum ap_profile_part part = ap_profile_enter(r->profile, AP_PROFILE_TANGENT);
    ap_hierarchy_begin(h);
    ap_hierarchy_locals(h, gamma);
    for (int o = 0; o < h->n; o++) {
        for (int k = 0; k < r->mirror.n; k++) {
            const struct ap_proj *p = &r->c->proj[r->mirror.of[k].proj];
            if (p->post == h->order[o] && h->known[p->pre])
                ap_stage_look(r, &r->mirror.of[k], true);
        }
        if (h->last[o] - h->first[o] > 1 && ap_team_many(r->c->crew)) {
#pragma omp parallel
            solve_by(h, o, gamma, b, x, ap_team_here(r->c->crew));
        } else
            solve_by(h, o, gamma, b, x, AP_TEAM_ALONE);
        ap_hierarchy_solved(h, o);
    }
    ap_hierarchy_end(h, x);
    ap_profile_enter(r->profile, part);
}

/* ---- after a step ----------------------------------------------------------------------------------- */

AP_CLONES static bool led_to(size_t n, const double *from, const double *by, const double *to)
{
    size_t off = 0;
#pragma omp simd reduction(+ : off)
    for (size_t i = 0; i < n; i++)
        off += !(fabs(to[i] - (from[i] + by[i])) <= 1e-12 * (1 + fabs(to[i])));
    return off == 0;
}

/* y is where the last pass led from the last evaluation, and nothing has happened since. */
bool ap_hierarchy_arrived(const struct ap_hierarchy *h, double t, const double *y)
{
    const struct ap_rhs *r = h->rhs;
    if (h->evaluations != r->evaluations || !(fabs(r->at - t) <= 1e-12 * (1 + fabs(t))) || r->act.any)
        return false;
    bool there = true;
    for (int o = 0; o < h->n; o++) {
        const struct ap_pop *p = &r->c->pop[h->order[o]];
        for (int k = 0; there && k < p->n_comp; k++)
            if (p->comp[k].kind == AP_COMP_DYNAMIC)
                there = led_to(p->n, r->v + p->comp[k].value, h->x + p->comp[k].state, y + p->comp[k].state);
    }
    return there;
}

/* A projection leads down, so that its change is not in the pass; what is clamped does not change. */
bool ap_hierarchy_returns(const struct ap_hierarchy *h, int proj)
{
    const struct ap_proj *p = &h->rhs->c->proj[proj];
    return h->place[p->pre] >= h->place[p->post];
}

/* Sums of one task: what came from below by the pass, what returns by the change of rates. */
AP_CLONES static void follow_sums(const struct ap_hierarchy *h, const struct ap_task *t)
{
    struct ap_rhs *r = h->rhs;
    const struct ap_pop *p = &r->c->pop[t->pop];
    for (int o = 0; o < p->n_comp; o++) {
        const struct ap_comp *m = &p->comp[p->cell->order[o]];
        double *in = r->input + m->value;
        for (size_t i = t->first; i < t->last; i++)
            in[i] += r->dinput[m->value + i];
        for (int s = 0; s < m->n_sum; s++) {
            const struct ap_proj *q = &r->c->proj[m->sum[s]];
            if (!ap_hierarchy_returns(h, m->sum[s]))
                continue;
            const double *dx = ap_stage_sent(r, m->sum[s], r->dv, r->drate, true), *w = r->w[m->sum[s]];
            if (q->spec->connect == AP_CONNECT_DENSE)
                ap_stage_dense(r, m->sum[s], t->first, t->last - t->first, dx, 1, in + t->first);
            else
                for (size_t i = t->first; i < t->last; i++)
                    in[i] += w[i] * dx[i];
        }
        if (m->kind == AP_COMP_INSTANTANEOUS)
            ap_stage_compose(r, t->pop, p->cell->order[o], t->first, t->last, r->input, false, r->v);
    }
}

/* Rates of one task at y, and how they and the potentials that are sent have changed. */
AP_CLONES static void follow_rates(struct ap_rhs *r, const struct ap_task *t, const double *y,
                                   const double *decay)
{
    const struct ap_pop *p = &r->c->pop[t->pop];
    size_t n = t->last - t->first;
    double *rate = r->rate + p->rate + t->first, *drate = r->drate + p->rate + t->first;
    memcpy(drate, rate, n * sizeof *drate);
    for (int k = 0; k < p->n_comp; k++)
        if (p->comp[k].kind == AP_COMP_DYNAMIC)
            memcpy(r->dv + p->comp[k].value + t->first, r->v + p->comp[k].value + t->first,
                   n * sizeof *drate);
    ap_stage_rates(r, t, y, decay);
    for (size_t i = 0; i < n; i++)
        drate[i] = rate[i] - drate[i];
    for (int k = 0; k < p->n_comp; k++) {
        const double *v = r->v + p->comp[k].value + t->first;
        double *dv = r->dv + p->comp[k].value + t->first;
        for (size_t i = 0; p->comp[k].kind == AP_COMP_DYNAMIC && i < n; i++)
            dv[i] = v[i] - dv[i];
    }
}

void ap_hierarchy_follow_rates(struct ap_hierarchy *h, double t, const double *y, struct ap_team team)
{
    struct ap_rhs *r = h->rhs;
    double decay[AP_SPEC_POPS];
    ap_stage_decay(r, t, decay);
    for (int o = 0; o < h->n; o++) {
        const struct ap_task rows = ap_circuit_share(r->c, h->order[o], team);
        follow_rates(r, &rows, y, decay);
    }
}

void ap_hierarchy_follow_sums(struct ap_hierarchy *h, struct ap_team team)
{
    struct ap_rhs *r = h->rhs;
    for (int k = team.mine; k < r->mirror.n; k += team.of)
        if (ap_hierarchy_returns(h, r->mirror.of[k].proj))
            ap_stage_look(r, &r->mirror.of[k], true);
    ap_team_wait(team);
    struct ap_deal deal = ap_team_deal(team, (size_t)r->n_task);
    for (size_t k; ap_team_next(&deal, &k);)
        if (!r->c->pop[r->task[k].pop].clamped)
            follow_sums(h, &r->task[k]);
}

static void follow_by(struct ap_hierarchy *h, double t, const double *y, struct ap_team team)
{
    ap_hierarchy_follow_rates(h, t, y, team);
    ap_team_wait(team);
    ap_hierarchy_follow_sums(h, team);
}

bool ap_hierarchy_follow(struct ap_hierarchy *h, double t, const double *y)
{
    if (!ap_hierarchy_arrived(h, t, y))
        return false;
    enum ap_profile_part part = ap_profile_enter(h->rhs->profile, AP_PROFILE_SUMS);
    if (ap_team_many(h->rhs->c->crew)) {
#pragma omp parallel
        follow_by(h, t, y, ap_team_here(h->rhs->c->crew));
    } else
        follow_by(h, t, y, AP_TEAM_ALONE);
    ap_profile_enter(h->rhs->profile, part);
    return true;
}
