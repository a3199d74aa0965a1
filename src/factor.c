/* factor.c: held weights as a matrix plus factors of low rank.
 *
 * In:   signals of a rule at the ends of the steps; what is sent.
 * Out:  sums with the weights of any moment; matrices brought up to date once per presentation.
 * Invariants:
 *   1. Between begin and fold W0 and D0 stand still; the true matrices are given by coefficients and vectors.
 *   2. But for D0 x, which may lag by the tolerance given, sums are those of the updated matrices
 *      (tests/unit/test_factor.c).
 *   3. Rows are owned: the same bits for any number of threads.
 * Never: is used where a matrix is read in the midst of a presentation.
 * Test: tests/unit/test_factor.c */
#include "factor.h"
#include "basis.h"
#include "mathx.h"

#include <math.h>
#include <string.h>

enum { LEAST = 16, ROWS = 64 }; /* products that must fit; rows of one piece of work */

/* As many products as cost a quarter of the matrix; few: the matrix itself is changed at every step. */
static size_t room_alone(const struct ap_proj *p)
{
    size_t room = p->rows * p->cols / (4 * (p->rows + p->cols));
    return room < LEAST ? 0 : room > AP_SYNAPSE_RANK ? AP_SYNAPSE_RANK : room;
}

/* Copies that share their weights cannot change a matrix in place. */
static size_t room_of(const struct ap_circuit *c, const struct ap_proj *p)
{
    return c->copies > 1 ? AP_SYNAPSE_RANK : room_alone(p);
}

/* Columns of pre in single precision. */
static size_t filled(const struct ap_proj *p)
{
    return (p->cols + AP_SYNAPSE_SINGLE - 1) / AP_SYNAPSE_SINGLE * AP_SYNAPSE_SINGLE;
}

/* Room for post, pre and what is sent in single precision, in doubles. */
static size_t singles(const struct ap_circuit *c, const struct ap_proj *p)
{
    bool needed = c->copies > 1 && ap_circuit_single(c);
    return needed ? (room_of(c, p) * (p->rows + filled(p)) + filled(p) + 1) / 2 : 0;
}

static bool eligible(const struct ap_circuit *c, const struct ap_proj *p)
{
    return !c->coupled && !ap_circuit_disturbed(c, p) && p->w && p->plastic && !c->pop[p->pre].clamped &&
           p->spec->connect == AP_CONNECT_DENSE && room_of(c, p) > 0;
}

/* The first of those before it through which the same is sent, and whose rule has the same signal there. */
static struct ap_factor *leader_of(const struct ap_factors *x, const struct ap_factor *f)
{
    const struct ap_proj *p = &x->c->proj[f->proj];
    for (struct ap_factor *l = x->of; l < f; l++) {
        const struct ap_proj *q = &x->c->proj[l->proj];
        if (q->pre == p->pre && q->pre_comp == p->pre_comp && q->pre_signal.row == p->pre_signal.row &&
            q->pre_signal.comp == p->pre_signal.comp)
            return l;
    }
    return NULL;
}

enum ap_code ap_factor_init(struct ap_err *e, struct ap_factors *x, const struct ap_circuit *c)
{
    *x = (struct ap_factors){.c = c};
    size_t doubles = 1;
    for (int i = 0; i < c->n_proj; i++) {
        const struct ap_proj *p = &c->proj[i];
        if (eligible(c, p)) {
            x->n++;
            doubles += (room_of(c, p) + 1) * (p->rows + p->cols) + 3 * room_of(c, p) + singles(c, p);
        }
    }
    x->of = ap_mem_array(e, (size_t)x->n + 1, sizeof *x->of, "factors");
    x->by_proj = ap_mem_array(e, (size_t)c->n_proj + 1, sizeof *x->by_proj, "factors");
    x->block = ap_mem_array(e, doubles, sizeof *x->block, "factors");
    if (!x->of || !x->by_proj || !x->block)
        return AP_EMEMORY;
    double *next = x->block;
    int n = 0;
    for (int i = 0; i < c->n_proj; i++) {
        const struct ap_proj *p = &c->proj[i];
        if (!eligible(c, p))
            continue;
        struct ap_factor *f = x->by_proj[i] = &x->of[n++];
        f->proj = i;
        f->leader = leader_of(x, f);
        f->alone = room_alone(p);
        size_t room = room_of(c, p);
        double *single;
        const struct {
            double **array;
            size_t n;
        } arrays[] = {
            {&f->post, room * p->rows},
            {&f->pre, room * p->cols},
            {&f->a, room},
            {&f->d, room},
            {&f->c, room},
            {&f->d0x, p->rows},
            {&f->x0, p->cols},
            {&single, singles(c, p)},
        };
        for (size_t k = 0; k < sizeof arrays / sizeof *arrays; k++) {
            *arrays[k].array = next;
            next += arrays[k].n;
        }
        f->post4 = (float *)single;
        f->pre4 = f->post4 + room * p->rows;
        f->sent4 = f->pre4 + room * filled(p);
    }
    ap_factor_share(x, false);
    return AP_OK;
}

void ap_factor_share(struct ap_factors *x, bool shared)
{
    for (int k = 0; k < x->n; k++)
        x->of[k].room = shared ? AP_SYNAPSE_RANK : x->of[k].alone;
    x->single = shared && ap_circuit_single(x->c);
}

void ap_factor_free(struct ap_factors *x)
{
    ap_mem_free(x->of);
    ap_mem_free(x->by_proj);
    ap_mem_free(x->block);
    *x = (struct ap_factors){0};
}

static double norm(size_t n, const double *x)
{
    double square;
    ap_synapse_product(1, n, x, x, 0, &square);
    return sqrt(square);
}

void ap_factor_taken(const struct ap_factors *x, struct ap_factor *f, const double *sent)
{
    const struct ap_proj *p = &x->c->proj[f->proj];
    memcpy(f->x0, sent, p->cols * sizeof *sent);
    double length = norm(p->cols, sent);
    f->gain = length > 0 ? norm(p->rows, f->d0x) / length : HUGE_VAL;
}

/* One thread's rows of D0 x. */
static void take_by(const struct ap_proj *p, struct ap_factor *f, const double *sent, struct ap_team team)
{
    struct ap_deal deal = ap_team_deal_rows(team, p->rows, ROWS);
    for (size_t first, last; ap_team_next_rows(&deal, p->rows, ROWS, &first, &last);)
        ap_synapse_product(last - first, p->cols, p->d + first * p->cols, sent, 0, f->d0x + first);
}

void ap_factor_take(const struct ap_factors *x, struct ap_factor *f, const double *sent)
{
    const struct ap_proj *p = &x->c->proj[f->proj];
    if (ap_team_many(x->c->crew)) {
#pragma omp parallel
        take_by(p, f, sent, ap_team_here(x->c->crew));
    } else
        take_by(p, f, sent, AP_TEAM_ALONE);
    ap_factor_taken(x, f, sent);
}

void ap_factor_post(const struct ap_factors *x, struct ap_factor *f, size_t first, size_t last,
                    const double *post)
{
    size_t n = last - first, at = (f->n - 1) * x->c->proj[f->proj].rows + first;
    memcpy(f->post + at, post + first, n * sizeof *post);
    if (x->single)
        ap_synapse_single(n, post + first, f->post4 + at);
}

void ap_factor_pre(const struct ap_factors *x, struct ap_factor *f, size_t first, size_t last,
                   const double *pre)
{
    const struct ap_proj *p = &x->c->proj[f->proj];
    size_t n = last - first;
    memcpy(f->pre + (f->n - 1) * p->cols + first, pre + first, n * sizeof *pre);
    if (x->single)
        ap_synapse_single(n, pre + first, f->pre4 + (f->n - 1) * filled(p) + first);
}

/* Room for the product of the present, with these coefficients. */
static void push(struct ap_factor *f, double a, double d)
{
    f->a[f->n] = a;
    f->d[f->n] = d;
    f->n++;
}

static void clear(struct ap_factor *f)
{
    f->n = 0;
    f->left = f->epsilon = 1;
    f->alpha = 0;
}

void ap_factor_begin(const struct ap_factors *x, struct ap_factor *f, double t, const double *post,
                     const double *pre)
{
    clear(f);
    f->learns = true;
    f->reach = 0;
    f->from = t;
    f->before = 0;
    push(f, 0, 0);
    ap_factor_post(x, f, 0, x->c->proj[f->proj].rows, post);
    ap_factor_pre(x, f, 0, x->c->proj[f->proj].cols, pre);
    f->gain = HUGE_VAL;
}

/* Whether its pre are those of its leader now: both hold the last n products, so then they are of the same moments. */
static bool led(const struct ap_factor *f)
{
    const struct ap_factor *l = f->leader;
    return l && l->learns && f->learns && l->n == f->n && l->room == f->room && l->from == f->from;
}

/* Coefficients at time t, times pre_k . x: dot[k], which may be f->c. */
static void weigh(const struct ap_factors *x, struct ap_factor *f, double t, const double *dot)
{
    const struct ap_proj *p = &x->c->proj[f->proj];
    const struct ap_step k = ap_step_of(t - f->from, p->tau, p->eta, p->decay);
    f->left_now = k.left * f->left;
    f->alpha_now = k.left * f->alpha + k.kd * f->epsilon;
    for (size_t j = 0; j < f->n; j++) {
        double a = k.left * f->a[j] + k.kd * f->d[j] + (j + 1 == f->n ? k.k0 + k.k1 : 0);
        f->c[j] = dot[j] * a;
    }
}

bool ap_factor_looks(const struct ap_factor *f)
{
    return f->learns && !led(f);
}

void ap_factor_look(const struct ap_factors *x, struct ap_factor *f, double t, const double *sent)
{
    const struct ap_proj *p = &x->c->proj[f->proj];
    if (x->single) {
        ap_synapse_single(p->cols, sent, f->sent4);
        ap_synapse_product_single(f->n, filled(p), f->pre4, f->sent4, f->c);
    } else
        ap_synapse_product(f->n, p->cols, f->pre, sent, 0, f->c);
    for (struct ap_factor *g = f + 1; g < x->of + x->n; g++)
        if (g->leader == f && led(g))
            weigh(x, g, t, f->c);
    weigh(x, f, t, f->c);
}

AP_CLONES void ap_factor_add(const struct ap_factors *x, const struct ap_factor *f, size_t first, size_t last,
                             double *sum)
{
    const struct ap_proj *p = &x->c->proj[f->proj];
    for (size_t i = first; i < last; i++)
        sum[i - first] = fma(f->alpha_now, p->d ? f->d0x[i] : 0, f->left_now * sum[i - first]);
    if (x->single)
        ap_synapse_combine_single(f->n, last - first, p->rows, f->post4 + first, f->c, sum);
    else
        ap_synapse_combine(f->n, last - first, p->rows, f->post + first, f->c, sum);
}

/* What the matrices take: all products, or, where there is room for it behind them, the fewer that stand for them. */
static void prepare(const struct ap_factors *x, struct ap_factor *f)
{
    const struct ap_proj *p = &x->c->proj[f->proj];
    struct ap_basis b;
    f->fold = (struct ap_synapse_factors){f->n, f->left, f->alpha, f->epsilon, f->a,
                                          f->d, f->post, f->post,  p->rows,    f->pre};
    ap_basis_find(&b, x, f);
    if (b.n == f->n || f->n + 2 * b.n > f->room)
        return;
    double *post = f->post + f->n * p->rows, *low = post + b.n * p->rows, *pre = f->pre + f->n * p->cols;
    ap_basis_write(&b, x, f, post, low, pre);
    for (size_t j = 0; j < b.n; j++)
        f->c[j] = 1;
    f->fold =
        (struct ap_synapse_factors){b.n, f->left, f->alpha, f->epsilon, f->c, f->c, post, low, p->rows, pre};
}

/* W0 and D0 become W and D of now; the last product stays as that of the present. */
static void bring_up(const struct ap_factors *x, const struct ap_factor *f, struct ap_team team)
{
    const struct ap_proj *p = &x->c->proj[f->proj];
    struct ap_deal deal = ap_team_deal_rows(team, p->rows, ROWS);
    for (size_t first, last; ap_team_next_rows(&deal, p->rows, ROWS, &first, &last);) {
        struct ap_synapse_factors k = f->fold;
        k.post += first;
        k.low += first;
        ap_synapse_rank(last - first, p->cols, p->w + first * p->cols, p->d ? p->d + first * p->cols : NULL,
                        &k);
    }
}

/* What the curvature of the last three products adds. */
static void bend(struct ap_factor *f, double h, const struct ap_step *k)
{
    double part[3];
    if (f->n < 3 || !ap_step_bend(h, f->before, part))
        return;
    for (size_t j = 0; j < 3; j++) {
        f->a[f->n - 3 + j] += part[j] * k->k2;
        f->d[f->n - 3 + j] += part[j] * k->c2;
    }
}

void ap_factor_advance(const struct ap_factors *x, struct ap_factor *f, double t, double h)
{
    const struct ap_proj *p = &x->c->proj[f->proj];
    const struct ap_step k = ap_step_of(h, p->tau, p->eta, p->decay);
    f->left *= k.left;
    f->alpha = k.left * f->alpha + k.kd * f->epsilon;
    f->epsilon *= k.e;
    f->reach = fabs(k.left * f->alpha + k.kd * f->epsilon);
    for (size_t j = 0; j < f->n; j++) {
        f->a[j] = k.left * f->a[j] + k.kd * f->d[j];
        f->d[j] *= k.e;
    }
    f->a[f->n - 1] += k.k0;
    f->d[f->n - 1] += k.c0;
    push(f, k.k1, k.c1);
    bend(f, h, &k);
    f->from = t;
    f->before = h;
}

void ap_factor_clear(const struct ap_factors *x, struct ap_factor *f)
{
    const struct ap_proj *p = &x->c->proj[f->proj];
    size_t last = f->n - 1;
    clear(f);
    memmove(f->post, f->post + last * p->rows, p->rows * sizeof *f->post);
    memmove(f->pre, f->pre + last * p->cols, p->cols * sizeof *f->pre);
    if (x->single) {
        memmove(f->post4, f->post4 + last * p->rows, p->rows * sizeof *f->post4);
        memmove(f->pre4, f->pre4 + last * filled(p), filled(p) * sizeof *f->pre4);
    }
    f->a[0] = f->d[0] = 0;
    f->n = 1;
    f->gain = HUGE_VAL; /* D0 is another */
}

void ap_factor_renew(const struct ap_factors *x, struct ap_factor *f)
{
    prepare(x, f);
    if (ap_team_many(x->c->crew)) {
#pragma omp parallel
        bring_up(x, f, ap_team_here(x->c->crew));
    } else
        bring_up(x, f, AP_TEAM_ALONE);
    ap_factor_clear(x, f);
}

AP_CLONES static double distance(size_t n, const double *x, const double *y)
{
    enum { LANES = 8 };
    double lane[LANES] = {0}, sum = 0;
    size_t j = 0;
    for (; j + LANES <= n; j += LANES)
#pragma omp simd
        for (size_t l = 0; l < LANES; l++)
            lane[l] += (x[j + l] - y[j + l]) * (x[j + l] - y[j + l]);
    for (; j < n; j++)
        lane[0] += (x[j] - y[j]) * (x[j] - y[j]);
    for (int l = 0; l < LANES; l++)
        sum += lane[l];
    return sqrt(sum);
}

bool ap_factor_stale(const struct ap_factors *x, const struct ap_factor *f, const double *sent,
                     double tolerance)
{
    const struct ap_proj *p = &x->c->proj[f->proj];
    if (!p->d)
        return false;
    if (f->gain == HUGE_VAL)
        return true;
    return f->gain * f->reach * distance(p->cols, sent, f->x0) > tolerance * sqrt((double)p->rows);
}

bool ap_factor_holds(const struct ap_factors *x, int proj)
{
    return x->by_proj[proj] && x->by_proj[proj]->learns;
}

/* One thread's share of all. */
static void fold_by(struct ap_factors *x, struct ap_team team)
{
    for (int k = team.mine; k < x->n; k += team.of)
        if (x->of[k].learns)
            prepare(x, &x->of[k]);
    ap_team_wait(team);
    for (int k = 0; k < x->n; k++)
        if (x->of[k].learns)
            bring_up(x, &x->of[k], team);
}

void ap_factor_fold(struct ap_factors *x)
{
    bool any = false;
    for (int k = 0; k < x->n; k++)
        any = any || x->of[k].learns;
    if (any && ap_team_many(x->c->crew)) {
#pragma omp parallel
        fold_by(x, ap_team_here(x->c->crew));
    } else if (any)
        fold_by(x, AP_TEAM_ALONE);
    for (int k = 0; k < x->n; k++)
        x->of[k].learns = false;
}
