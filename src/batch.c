/* batch.c: the copies of a circuit that share their weights.
 *
 * In:   right-hand sides of the copies; the state of all.
 * Out:  what the integrator asks for, of all at once; matrices that are the mean over the copies.
 * Invariants:
 *   1. A copy sees nothing of the others but the matrices and the step.
 *   2. Sums over copies are taken in their order; threads divide rows or copies, never a sum.
 *   3. All copies make the same steps, so the coefficients of their changes are the same; only the vectors differ.
 * Never: is used with coupled weights, interventions, noise or a cursor and more than one copy (schedule.c refuses).
 * Test: tests/unit/test_batch.c */
#include "batch.h"
#include "stage.h"
#include "tangent.h"

#include <math.h>
#include <string.h>

enum { ROWS = 64, TOGETHER = 8 }; /* rows of a piece; full stores that are folded at once */

/* ---- memory ---------------------------------------------------------------------------------------- */

/* Products that are folded at once, at most: of the stores of several copies, or the two of each afferent. */
static size_t folded(const struct ap_batch *x)
{
    size_t afferent = 2 * (size_t)x->most, stores = TOGETHER * AP_SYNAPSE_RANK;
    return afferent > stores ? afferent : stores;
}

/* Room for the products of any projection. */
static enum ap_code fold_init(struct ap_err *e, struct ap_batch *x)
{
    size_t rows = 1, cols = 1;
    for (int i = 0; i < x->c->n_proj; i++) {
        rows = x->c->proj[i].rows > rows ? x->c->proj[i].rows : rows;
        cols = x->c->proj[i].cols > cols ? x->c->proj[i].cols : cols;
    }
    x->post = ap_mem_array(e, folded(x) * rows, sizeof *x->post, "batch");
    x->low = ap_mem_array(e, folded(x) * rows, sizeof *x->low, "batch");
    x->pre = ap_mem_array(e, folded(x) * cols, sizeof *x->pre, "batch");
    x->share = ap_mem_array(e, folded(x), sizeof *x->share, "batch");
    x->basis = ap_mem_array(e, (size_t)x->most, sizeof *x->basis, "batch");
    x->at = ap_mem_array(e, (size_t)x->most, sizeof *x->at, "batch");
    return x->post && x->low && x->pre && x->share && x->basis && x->at ? AP_OK : AP_EMEMORY;
}

/* Every rule must keep its changes apart from the matrix. */
static enum ap_code check_rules(struct ap_err *e, const struct ap_rhs *r)
{
    for (int i = 0; i < r->c->n_proj; i++)
        if (r->c->proj[i].plastic && !r->afferent.by_proj[i] && !r->factor.by_proj[i])
            return ap_err_add(
                e, AP_EUSAGE, &r->c->proj[i].spec->at, "leave out `batch`, or the rule",
                "projection %s: its weights are changed at every step, so no batch can share them",
                r->c->proj[i].spec->name);
    return AP_OK;
}

enum ap_code ap_batch_init(struct ap_err *e, struct ap_batch *x, struct ap_rhs *first,
                           struct ap_plasticity *plasticity)
{
    const struct ap_circuit *c = first->c;
    *x = (struct ap_batch){.c = c, .most = c->copies, .n = 1};
    x->rhs = ap_mem_array(e, (size_t)x->most, sizeof *x->rhs, "batch");
    x->plasticity = ap_mem_array(e, (size_t)x->most, sizeof *x->plasticity, "batch");
    x->more = ap_mem_array(e, (size_t)x->most, sizeof *x->more, "batch");
    x->more_plasticity = ap_mem_array(e, (size_t)x->most, sizeof *x->more_plasticity, "batch");
    if (!x->rhs || !x->plasticity || !x->more || !x->more_plasticity)
        return AP_EMEMORY;
    x->rhs[0] = first;
    x->plasticity[0] = plasticity;
    if (x->most > 1)
        AP_TRY(check_rules(e, first));
    for (int b = 1; b < x->most; b++) {
        x->rhs[b] = &x->more[b - 1];
        x->plasticity[b] = &x->more_plasticity[b - 1];
        AP_TRY(ap_rhs_init(e, x->rhs[b], c));
        ap_mirror_free(&x->rhs[b]->mirror); /* joint products take their place */
        AP_TRY(ap_plasticity_init(e, x->plasticity[b], x->rhs[b]));
    }
    if (c->spec->integrator.hierarchy) {
        x->hierarchy = ap_mem_array(e, (size_t)x->most, sizeof *x->hierarchy, "integrator");
        if (!x->hierarchy)
            return AP_EMEMORY;
        for (int b = 0; b < x->most; b++)
            AP_TRY(ap_hierarchy_init(e, &x->hierarchy[b], x->rhs[b]));
    }
    if (x->most == 1)
        return AP_OK;
    AP_TRY(ap_joint_init(e, &x->joint, c, &first->afferent));
    return fold_init(e, x);
}

void ap_batch_free(struct ap_batch *x)
{
    for (int b = 0; b < x->most; b++) {
        if (x->hierarchy)
            ap_hierarchy_free(&x->hierarchy[b]);
        if (x->more && b > 0)
            ap_rhs_free(&x->more[b - 1]);
        if (x->more_plasticity && b > 0)
            ap_plasticity_free(&x->more_plasticity[b - 1]);
    }
    ap_joint_free(&x->joint);
    void *const all[] = {x->rhs, x->plasticity, x->more,  x->more_plasticity, x->hierarchy, x->post,
                         x->low, x->pre,        x->share, x->basis,           x->at};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ap_mem_free(all[i]);
    *x = (struct ap_batch){0};
}

void ap_batch_resize(struct ap_batch *x, int n)
{
    if (n == x->n)
        return;
    x->n = n;
    for (int b = 0; b < x->most; b++) {
        ap_factor_share(&x->rhs[b]->factor, n > 1);
        ap_rhs_divide(x->rhs[b], n == 1);
        if (x->hierarchy)
            ap_hierarchy_divide(&x->hierarchy[b]);
    }
    ap_joint_resize(&x->joint, n);
}

/* ---- joint products -------------------------------------------------------------------------------- */

/* What these copies send now, or its changes, through the projections that are multiplied next. */
static void send(struct ap_batch *x, struct ap_span s, bool tangent)
{
    const double *sent[AP_SPEC_BATCH];
    for (int i = 0; i < x->c->n_proj; i++) {
        if (!x->joint.which[i])
            continue;
        for (int b = s.first; b < s.last; b++) {
            const struct ap_rhs *r = x->rhs[b];
            sent[b] = tangent ? ap_stage_sent(r, i, r->dv, r->drate, true)
                              : ap_stage_sent(r, i, r->v, r->rate, false);
        }
        ap_joint_put(&x->joint, i, AP_JOINT_SENT, s, sent);
    }
}

/* All dense projections but those from clamped populations, whose sums afferent.c has: and changes they have none. */
static void choose_all(struct ap_batch *x, bool tangent)
{
    for (int i = 0; i < x->c->n_proj; i++)
        x->joint.which[i] = x->joint.in[i] && !(tangent ? x->c->pop[x->c->proj[i].pre].clamped
                                                        : x->rhs[0]->afferent.by_proj[i] != NULL);
    ap_joint_choose(&x->joint);
}

static void give(struct ap_batch *x, int b, bool on)
{
    x->rhs[b]->given = on ? x->joint.given + b * x->c->n_proj : NULL;
}

/* ---- the right-hand side and its tangent ----------------------------------------------------------- */

static void rates_of(struct ap_rhs *r, double t, const double *y)
{
    double decay[AP_SPEC_POPS];
    r->evaluations++;
    r->at = t;
    ap_stage_bind(r, y);
    ap_stage_decay(r, t, decay);
    for (int k = 0; k < r->n_task; k++)
        ap_stage_rates(r, &r->task[k], y, decay);
}

static void sums_of(struct ap_rhs *r, double t, double *dy)
{
    double decay[AP_SPEC_POPS];
    ap_stage_decay(r, t, decay);
    for (int k = 0; k < r->factor.n; k++)
        if (ap_factor_looks(&r->factor.of[k]))
            ap_factor_look(&r->factor, &r->factor.of[k], t,
                           ap_stage_sent(r, r->factor.of[k].proj, r->v, r->rate, false));
    for (int k = 0; k < r->n_task; k++) {
        ap_stage_sums(r, &r->task[k], t, decay, r->v, r->rate, r->input, r->v);
        if (dy)
            ap_stage_derivatives(r, &r->task[k], t, r->v, r->input, false, dy);
    }
}

void ap_batch_eval(struct ap_batch *x, double t, const double *y, double *dy)
{
    size_t n = x->c->n_state;
    if (x->n == 1) {
        ap_rhs_eval(x->rhs[0], t, y, dy);
        return;
    }
    struct ap_profile *profile = x->rhs[0]->profile;
    enum ap_profile_part part = ap_profile_enter(profile, AP_PROFILE_RATES);
    choose_all(x, false);
#pragma omp parallel if (ap_crew_several(x->c->crew))
    {
#pragma omp for schedule(static)
        for (int k = 0; k < ap_joint_spans(&x->joint); k++) {
            struct ap_span s = ap_joint_span(&x->joint, k);
            for (int b = s.first; b < s.last; b++)
                rates_of(x->rhs[b], t, y + (size_t)b * n);
            send(x, s, false);
        }
#pragma omp master
        ap_profile_enter(profile, AP_PROFILE_SUMS);
        ap_joint_multiply(&x->joint, AP_JOINT_SENT);
#pragma omp for schedule(static)
        for (int k = 0; k < ap_joint_spans(&x->joint); k++) {
            struct ap_span s = ap_joint_span(&x->joint, k);
            for (int b = s.first; b < s.last; b++) {
                give(x, b, true);
                sums_of(x->rhs[b], t, dy ? dy + (size_t)b * n : NULL);
                give(x, b, false);
            }
        }
    }
    ap_profile_enter(profile, part);
}

void ap_batch_linearise(struct ap_batch *x, double t, const double *y)
{
    if (x->n == 1) {
        ap_tangent_linearise(x->rhs[0], t, y);
        return;
    }
#pragma omp parallel for schedule(static) if (ap_crew_several(x->c->crew))
    for (int k = 0; k < ap_joint_spans(&x->joint); k++) {
        struct ap_span s = ap_joint_span(&x->joint, k);
        for (int b = s.first; b < s.last; b++)
            ap_tangent_linearise(x->rhs[b], t, y + (size_t)b * x->c->n_state);
    }
}

void ap_batch_product(struct ap_batch *x, const double *v, double *jv)
{
    const struct ap_circuit *c = x->c;
    if (x->n == 1) {
        ap_tangent_product(x->rhs[0], v, jv);
        return;
    }
    struct ap_profile *profile = x->rhs[0]->profile;
    enum ap_profile_part part = ap_profile_enter(profile, AP_PROFILE_TANGENT);
    x->rhs[0]->products++;
    choose_all(x, true);
#pragma omp parallel if (ap_crew_several(c->crew))
    {
#pragma omp for schedule(static)
        for (int k = 0; k < ap_joint_spans(&x->joint); k++) {
            struct ap_span s = ap_joint_span(&x->joint, k);
            for (int b = s.first; b < s.last; b++)
                for (int j = 0; j < x->rhs[b]->n_task; j++)
                    ap_tangent_rates(x->rhs[b], &x->rhs[b]->task[j], v + (size_t)b * c->n_state);
            send(x, s, true);
        }
        ap_joint_multiply(&x->joint, AP_JOINT_SENT);
#pragma omp for schedule(static)
        for (int k = 0; k < ap_joint_spans(&x->joint); k++) {
            struct ap_span s = ap_joint_span(&x->joint, k);
            for (int b = s.first; b < s.last; b++) {
                struct ap_rhs *r = x->rhs[b];
                size_t at = (size_t)b * c->n_state;
                give(x, b, true);
                for (int j = 0; j < r->n_task; j++) {
                    ap_tangent_sums(r, &r->task[j], v + at, NULL);
                    ap_stage_derivatives(r, &r->task[j], 0, r->dv, r->dinput, true, jv + at);
                }
                give(x, b, false);
            }
        }
    }
    ap_profile_enter(profile, part);
}

/* What has been solved by the time of population o of the order sends to it. */
static void choose_below(struct ap_batch *x, int o)
{
    const struct ap_circuit *c = x->c;
    const struct ap_hierarchy *h = x->hierarchy;
    for (int i = 0; i < c->n_proj; i++) {
        int place = h->place[c->proj[i].pre];
        x->joint.which[i] = x->joint.in[i] && c->proj[i].post == h->order[o] && place >= 0 && place < o;
    }
    ap_joint_choose(&x->joint);
}

void ap_batch_solve(struct ap_batch *x, double gamma, const double *b, double *to)
{
    size_t n = x->c->n_state;
    struct ap_hierarchy *h = x->hierarchy;
    if (x->n == 1) {
        ap_hierarchy_solve(h, gamma, b, to);
        return;
    }
    struct ap_profile *profile = x->rhs[0]->profile;
    enum ap_profile_part part = ap_profile_enter(profile, AP_PROFILE_TANGENT);
    ap_hierarchy_begin(h);
    ap_hierarchy_locals(h, gamma);
#pragma omp parallel if (ap_crew_several(x->c->crew))
    for (int o = 0; o < h->n; o++) {
#pragma omp single
        choose_below(x, o);
#pragma omp for schedule(static)
        for (int k = 0; k < ap_joint_spans(&x->joint); k++) {
            struct ap_span s = ap_joint_span(&x->joint, k);
            for (int copy = s.first; o == 0 && copy < s.last; copy++)
                ap_hierarchy_begin(&h[copy]);
            send(x, s, true);
        }
        ap_joint_multiply(&x->joint, AP_JOINT_SENT);
#pragma omp for schedule(static)
        for (int k = 0; k < ap_joint_spans(&x->joint); k++) {
            struct ap_span s = ap_joint_span(&x->joint, k);
            for (int copy = s.first; copy < s.last; copy++) {
                size_t at = (size_t)copy * n;
                give(x, copy, true);
                for (int j = h->first[o]; j < h->last[o]; j++)
                    ap_hierarchy_task(&h[copy], j, &h->local[o], gamma, b + at, to + at);
                ap_hierarchy_solved(&h[copy], o);
                give(x, copy, false);
                if (o == h->n - 1)
                    ap_hierarchy_end(&h[copy], to + at);
            }
        }
    }
    ap_profile_enter(profile, part);
}

/* Whether the last pass has led all copies to where they are. */
static bool all_arrived(const struct ap_batch *x, double t, const double *y)
{
    bool all = true;
    if (!x->hierarchy)
        return false;
#pragma omp parallel for schedule(static) reduction(&& : all) if (ap_crew_several(x->c->crew))
    for (int k = 0; k < ap_joint_spans(&x->joint); k++) {
        struct ap_span s = ap_joint_span(&x->joint, k);
        for (int b = s.first; all && b < s.last; b++)
            all = ap_hierarchy_arrived(&x->hierarchy[b], t, y + (size_t)b * x->c->n_state);
    }
    return all;
}

void ap_batch_fields(struct ap_batch *x, double t, const double *y)
{
    const struct ap_circuit *c = x->c;
    bool there = true;
    for (int b = 0; there && b < x->n; b++)
        there = ap_rhs_is_at(x->rhs[b], t, y + (size_t)b * c->n_state);
    if (there) /* Newton's iteration has ended by looking */
        return;
    if (x->hierarchy && x->n == 1 && ap_hierarchy_follow(x->hierarchy, t, y))
        return;
    if (x->n == 1 || !all_arrived(x, t, y)) {
        ap_batch_eval(x, t, y, NULL);
        return;
    }
    struct ap_profile *profile = x->rhs[0]->profile;
    enum ap_profile_part part = ap_profile_enter(profile, AP_PROFILE_SUMS);
    for (int i = 0; i < c->n_proj; i++)
        x->joint.which[i] = x->joint.in[i] && ap_hierarchy_returns(x->hierarchy, i);
    ap_joint_choose(&x->joint);
#pragma omp parallel if (ap_crew_several(c->crew))
    {
#pragma omp for schedule(static)
        for (int k = 0; k < ap_joint_spans(&x->joint); k++) {
            struct ap_span s = ap_joint_span(&x->joint, k);
            for (int b = s.first; b < s.last; b++)
                ap_hierarchy_follow_rates(&x->hierarchy[b], t, y + (size_t)b * c->n_state, AP_TEAM_ALONE);
            send(x, s, true);
        }
        ap_joint_multiply(&x->joint, AP_JOINT_SENT);
#pragma omp for schedule(static)
        for (int k = 0; k < ap_joint_spans(&x->joint); k++) {
            struct ap_span s = ap_joint_span(&x->joint, k);
            for (int b = s.first; b < s.last; b++) {
                give(x, b, true);
                ap_hierarchy_follow_sums(&x->hierarchy[b], AP_TEAM_ALONE);
                give(x, b, false);
            }
        }
    }
    ap_profile_enter(profile, part);
}

/* ---- learning -------------------------------------------------------------------------------------- */

/* W a, W b, D a or D b of some copies: what is multiplied, and where the sums are kept. */
static void afferent_ends(const struct ap_batch *x, int k, int what, struct ap_span s, const double **from,
                          double **to)
{
    bool old = what % 2, lowpass = what / 2;
    for (int b = s.first; b < s.last; b++) {
        const struct ap_afferent *f = &x->rhs[b]->afferent.of[k];
        from[b] = old ? f->b : f->a;
        to[b] = lowpass ? (old ? f->d0b : f->d0a) : (old ? f->w0b : f->w0a);
    }
}

/* A presentation of all copies begins, or goes on with other matrices: W a, W b, D a, D b. */
static void take_afferents(struct ap_batch *x)
{
    const struct ap_afferents *first = &x->rhs[0]->afferent;
    ap_joint_copy(&x->joint);
#pragma omp parallel if (ap_crew_several(x->c->crew))
    {
#pragma omp for schedule(static)
        for (int k = 0; k < ap_joint_spans(&x->joint); k++) {
            struct ap_span s = ap_joint_span(&x->joint, k);
            for (int b = s.first; b < s.last; b++) {
                struct ap_rhs *r = x->rhs[b];
                ap_afferent_begin(&r->afferent, r->clamp_from, r->clamp_to, x->plastic);
            }
        }
        for (int i = 0; i < 4 * first->n; i++) {
            int k = i / 4, what = i % 4, proj = first->of[k].proj;
            const double *from[AP_SPEC_BATCH];
            double *to[AP_SPEC_BATCH];
            if (what / 2 && !(first->of[k].learns && x->c->proj[proj].d))
                continue;
#pragma omp single
            {
                memset(x->joint.which, 0, (size_t)x->c->n_proj * sizeof *x->joint.which);
                x->joint.which[proj] = true;
                ap_joint_choose(&x->joint);
            }
#pragma omp for schedule(static)
            for (int g = 0; g < ap_joint_spans(&x->joint); g++) {
                afferent_ends(x, k, what, ap_joint_span(&x->joint, g), from, to);
                ap_joint_put(&x->joint, proj, AP_JOINT_W, ap_joint_span(&x->joint, g), from);
            }
            ap_joint_multiply(&x->joint, what / 2 ? AP_JOINT_D : AP_JOINT_W);
#pragma omp for schedule(static)
            for (int g = 0; g < ap_joint_spans(&x->joint); g++) {
                afferent_ends(x, k, what, ap_joint_span(&x->joint, g), from, to);
                ap_joint_take(&x->joint, proj, ap_joint_span(&x->joint, g), to);
            }
        }
#pragma omp for schedule(static)
        for (int b = 0; b < x->n; b++)
            ap_afferent_taken(&x->rhs[b]->afferent);
    }
}

void ap_batch_begin(struct ap_batch *x, const bool *plastic)
{
    x->plastic = plastic;
    if (x->n == 1) {
        ap_rhs_begin(x->rhs[0], plastic);
        return;
    }
    for (int b = 0; b < x->n; b++) {
        struct ap_rhs *r = x->rhs[b];
        r->drifts = false;
        r->at = (double)NAN;
    }
    take_afferents(x);
}

/* D x of one store, of some copies. */
static void store_ends(const struct ap_batch *x, int k, struct ap_span s, const double **from, double **to)
{
    for (int b = s.first; b < s.last; b++) {
        struct ap_factor *f = &x->rhs[b]->factor.of[k];
        from[b] = ap_rhs_sent(x->rhs[b], f->proj);
        to[b] = f->d0x;
    }
}

/* What past products add to sums: taken anew for all copies where it is stale in one of them. */
static void refresh(struct ap_batch *x)
{
    const struct ap_factors *first = &x->rhs[0]->factor;
    bool *stale = x->joint.which;
    memset(stale, 0, (size_t)x->c->n_proj * sizeof *stale);
    for (int k = 0; k < first->n; k++) {
        bool any = false;
#pragma omp parallel for schedule(static) reduction(|| : any) if (ap_crew_several(x->c->crew))
        for (int g = 0; g < ap_joint_spans(&x->joint); g++) {
            struct ap_span s = ap_joint_span(&x->joint, g);
            for (int b = s.first; first->of[k].learns && !any && b < s.last; b++)
                any = ap_plasticity_stale(x->plasticity[b], &x->rhs[b]->factor.of[k]);
        }
        stale[first->of[k].proj] = any;
    }
    ap_joint_choose(&x->joint);
    if (x->joint.n_chosen == 0)
        return;
#pragma omp parallel if (ap_crew_several(x->c->crew))
    {
        const double *from[AP_SPEC_BATCH];
        double *to[AP_SPEC_BATCH];
#pragma omp for schedule(static)
        for (int g = 0; g < ap_joint_spans(&x->joint); g++)
            for (int k = 0; k < first->n; k++)
                if (stale[first->of[k].proj]) {
                    store_ends(x, k, ap_joint_span(&x->joint, g), from, to);
                    ap_joint_put(&x->joint, first->of[k].proj, AP_JOINT_D, ap_joint_span(&x->joint, g), from);
                }
        ap_joint_multiply(&x->joint, AP_JOINT_D);
#pragma omp for schedule(static)
        for (int g = 0; g < ap_joint_spans(&x->joint); g++)
            for (int k = 0; k < first->n; k++) {
                struct ap_span s = ap_joint_span(&x->joint, g);
                if (!stale[first->of[k].proj])
                    continue;
                store_ends(x, k, s, from, to);
                ap_joint_take(&x->joint, first->of[k].proj, s, to);
                for (int b = s.first; b < s.last; b++)
                    ap_factor_taken(&x->rhs[b]->factor, &x->rhs[b]->factor.of[k], from[b]);
            }
    }
}

void ap_batch_learn(struct ap_batch *x, double t)
{
    if (x->n == 1) {
        ap_plasticity_begin(x->plasticity[0], t);
        ap_plasticity_renew(x->plasticity[0]);
        return;
    }
    enum ap_profile_part part = ap_profile_enter(x->rhs[0]->profile, AP_PROFILE_PLASTICITY);
#pragma omp parallel for schedule(static) if (ap_crew_several(x->c->crew))
    for (int k = 0; k < ap_joint_spans(&x->joint); k++) {
        struct ap_span s = ap_joint_span(&x->joint, k);
        for (int b = s.first; b < s.last; b++)
            ap_plasticity_begin(x->plasticity[b], t);
    }
    refresh(x);
    ap_profile_enter(x->rhs[0]->profile, part);
}

/* W or D of all rows: w = left w + alpha d + mean of post pre^T, d = epsilon d + mean of low pre^T. */
static void fold_rows(struct ap_batch *x, int proj, double left, double alpha, double epsilon, size_t n)
{
    const struct ap_proj *p = &x->c->proj[proj];
    long pieces = (long)((p->rows + ROWS - 1) / ROWS);
    for (size_t k = 0; k < n; k++)
        x->share[k] = 1.0 / x->n;
#pragma omp parallel for schedule(static) if (ap_crew_several(x->c->crew))
    for (long k = 0; k < pieces; k++) {
        size_t first = (size_t)k * ROWS, rows = first + ROWS < p->rows ? ROWS : p->rows - first;
        const struct ap_synapse_factors f = {.n = n,
                                             .left = left,
                                             .alpha = alpha,
                                             .epsilon = epsilon,
                                             .a = x->share,
                                             .d = x->share,
                                             .post = x->post + first,
                                             .low = x->low + first,
                                             .stride = p->rows,
                                             .pre = x->pre};
        ap_synapse_rank(rows, p->cols, p->w + first * p->cols, p->d ? p->d + first * p->cols : NULL, &f);
    }
}

/* Of as many copies at a time as there is room for. */
static void fold_stores(struct ap_batch *x, int k)
{
    const struct ap_factor *f = &x->rhs[0]->factor.of[k];
    const struct ap_proj *p = &x->c->proj[f->proj];
#pragma omp parallel for schedule(static) if (ap_crew_several(x->c->crew))
    for (int g = 0; g < ap_joint_spans(&x->joint); g++) {
        struct ap_span s = ap_joint_span(&x->joint, g);
        for (int b = s.first; b < s.last; b++)
            ap_basis_find(&x->basis[b], &x->rhs[b]->factor, &x->rhs[b]->factor.of[k]);
    }
    for (int group = 0, next = 0; group < x->n; group = next) {
        size_t n = 0;
        for (; next < x->n && n + x->basis[next].n <= folded(x); next++) {
            x->at[next] = n;
            n += x->basis[next].n;
        }
#pragma omp parallel for schedule(static) if (ap_crew_several(x->c->crew))
        for (int b = group; b < next; b++)
            ap_basis_write(&x->basis[b], &x->rhs[b]->factor, &x->rhs[b]->factor.of[k],
                           x->post + x->at[b] * p->rows, x->low + x->at[b] * p->rows,
                           x->pre + x->at[b] * p->cols);
        bool first = group == 0; /* the matrices' own share is taken once */
        fold_rows(x, f->proj, first ? f->left : 1, first ? f->alpha : 0, first ? f->epsilon : 1, n);
    }
}

static void fold_afferent(struct ap_batch *x, int k)
{
    const struct ap_afferent *first = &x->rhs[0]->afferent.of[k];
    const struct ap_proj *p = &x->c->proj[first->proj];
    size_t rows = p->rows * sizeof(double), cols = p->cols * sizeof(double);
#pragma omp parallel for schedule(static) if (ap_crew_several(x->c->crew))
    for (int b = 0; b < x->n; b++) {
        const struct ap_afferent *f = &x->rhs[b]->afferent.of[k];
        size_t at = 2 * (size_t)b;
        memcpy(x->pre + at * p->cols, f->a, cols);
        memcpy(x->pre + (at + 1) * p->cols, f->b, cols);
        memcpy(x->post + at * p->rows, f->p, rows);
        memcpy(x->post + (at + 1) * p->rows, f->q, rows);
        memcpy(x->low + at * p->rows, f->r, rows);
        memcpy(x->low + (at + 1) * p->rows, f->s, rows);
    }
    fold_rows(x, first->proj, first->left, first->alpha, first->epsilon, 2 * (size_t)x->n);
}

/* The matrices become the mean over the copies. */
static void fold(struct ap_batch *x)
{
    for (int k = 0; k < x->rhs[0]->factor.n; k++)
        if (x->rhs[0]->factor.of[k].learns)
            fold_stores(x, k);
    for (int k = 0; k < x->rhs[0]->afferent.n; k++)
        if (x->rhs[0]->afferent.of[k].learns)
            fold_afferent(x, k);
    ap_mirror_forget(&x->rhs[0]->mirror, -1);
}

/* A store is full: all copies go on from the mean. */
static void renew(struct ap_batch *x)
{
    fold(x);
    for (int b = 0; b < x->n; b++) {
        struct ap_rhs *r = x->rhs[b];
        for (int k = 0; k < r->factor.n; k++)
            if (r->factor.of[k].learns)
                ap_factor_clear(&r->factor, &r->factor.of[k]);
    }
    take_afferents(x);
}

void ap_batch_learned(struct ap_batch *x, double t, double h)
{
    if (x->n == 1) {
        ap_plasticity_step(x->plasticity[0], t, h);
        ap_plasticity_renew(x->plasticity[0]);
        return;
    }
    enum ap_profile_part part = ap_profile_enter(x->rhs[0]->profile, AP_PROFILE_PLASTICITY);
#pragma omp parallel for schedule(static) if (ap_crew_several(x->c->crew))
    for (int k = 0; k < ap_joint_spans(&x->joint); k++) {
        struct ap_span s = ap_joint_span(&x->joint, k);
        for (int b = s.first; b < s.last; b++)
            ap_plasticity_step(x->plasticity[b], t, h);
    }
    bool full = false;
    for (int k = 0; k < x->rhs[0]->factor.n; k++)
        full = full ||
               (x->rhs[0]->factor.of[k].learns && x->rhs[0]->factor.of[k].n == x->rhs[0]->factor.of[k].room);
    if (full)
        renew(x);
    refresh(x);
    ap_profile_enter(x->rhs[0]->profile, part);
}

void ap_batch_fold(struct ap_batch *x)
{
    if (x->n == 1) {
        ap_afferent_fold(&x->rhs[0]->afferent);
        ap_rhs_catch_up(x->rhs[0]);
        return;
    }
    fold(x);
    for (int b = 0; b < x->n; b++) {
        for (int k = 0; k < x->rhs[b]->factor.n; k++)
            x->rhs[b]->factor.of[k].learns = false;
        for (int k = 0; k < x->rhs[b]->afferent.n; k++)
            x->rhs[b]->afferent.of[k].learns = false;
    }
}
