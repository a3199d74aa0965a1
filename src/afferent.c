/* afferent.c: weighted sums and plasticity of projections from clamped populations.
 *
 * In:   clamped potentials at the beginning and end of a presentation; signals of the rules, step by step.
 * Out:  W a and W b for the right-hand side; matrices brought up to date once per presentation.
 * Invariants:
 *   1. Between ap_afferent_begin and ap_afferent_fold the matrices W and D of these projections stand still; the true
 *      ones are given by alpha, epsilon and the four vectors.
 *   2. The sums are those of the matrices after every update, as if they were carried out (tests/unit/test_afferent.c).
 *   3. Rows are owned: the same bits for any number of threads.
 * Never: approximates; what it leaves out is work, not terms.
 * Test: tests/unit/test_afferent.c */
#include "afferent.h"
#include "mathx.h"
#include "signal.h"

#include <math.h>
#include <string.h>

static bool eligible(const struct ap_circuit *c, const struct ap_proj *p)
{
    const struct ap_pop *pre = &c->pop[p->pre];
    bool potential =
        strcmp(pre->spec->transfer->row.name, "linear") == 0; /* then the rate is the potential */
    bool sends = p->pre_comp < 0 ? potential : true;
    bool rule = !p->plastic || (potential && strcmp(p->pre_signal.row->row.name, "rate") == 0);
    return !c->coupled && !ap_circuit_disturbed(c, p) && p->w && pre->clamped && sends && rule &&
           p->spec->connect == AP_CONNECT_DENSE;
}

enum ap_code ap_afferent_init(struct ap_err *e, struct ap_afferents *x, const struct ap_circuit *c)
{
    *x = (struct ap_afferents){.c = c};
    size_t doubles = 1;
    for (int i = 0; i < c->n_proj; i++)
        if (eligible(c, &c->proj[i])) {
            x->n++;
            doubles += c->proj[i].cols + 11 * c->proj[i].rows;
        }
    x->of = ap_mem_array(e, (size_t)x->n + 1, sizeof *x->of, "afferents");
    x->by_proj = ap_mem_array(e, (size_t)c->n_proj + 1, sizeof *x->by_proj, "afferents");
    x->block = ap_mem_array(e, doubles, sizeof *x->block, "afferents");
    if (!x->of || !x->by_proj || !x->block)
        return AP_EMEMORY;
    double *next = x->block;
    int n = 0;
    for (int i = 0; i < c->n_proj; i++) {
        const struct ap_proj *p = &c->proj[i];
        if (!eligible(c, p))
            continue;
        struct ap_afferent *f = x->by_proj[i] = &x->of[n++];
        f->proj = i;
        f->b = next;
        next += p->cols;
        double **const rows[] = {&f->w0a, &f->w0b, &f->d0a, &f->d0b, &f->p,    &f->q,
                                 &f->r,   &f->s,   &f->wa,  &f->wb,  &f->older};
        for (size_t k = 0; k < sizeof rows / sizeof *rows; k++, next += p->rows)
            *rows[k] = next;
    }
    return AP_OK;
}

void ap_afferent_free(struct ap_afferents *x)
{
    ap_mem_free(x->of);
    ap_mem_free(x->by_proj);
    ap_mem_free(x->block);
    *x = (struct ap_afferents){0};
}

enum { ROWS = 64 }; /* of one piece of work */

static double dot(size_t n, const double *x, const double *y)
{
    double out;
    ap_synapse_product(1, n, x, y, 0, &out);
    return out;
}

/* One thread's rows: the products with the matrices as they are now. */
static void begin_by(const struct ap_afferents *x, const struct ap_afferent *f, struct ap_team team)
{
    const struct ap_proj *p = &x->c->proj[f->proj];
    struct ap_deal deal = ap_team_deal_rows(team, p->rows, ROWS);
    for (size_t first, last; ap_team_next_rows(&deal, p->rows, ROWS, &first, &last);) {
        size_t n = last - first, at = first * p->cols;
        ap_synapse_product(n, p->cols, p->w + at, f->a, 0, f->w0a + first);
        ap_synapse_product(n, p->cols, p->w + at, f->b, 0, f->w0b + first);
        if (f->learns && p->d) {
            ap_synapse_product(n, p->cols, p->d + at, f->a, 0, f->d0a + first);
            ap_synapse_product(n, p->cols, p->d + at, f->b, 0, f->d0b + first);
        }
    }
}

void ap_afferent_begin(struct ap_afferents *x, const double *from, const double *to, const bool *plastic)
{
    for (int k = 0; k < x->n; k++) {
        struct ap_afferent *f = &x->of[k];
        const struct ap_proj *p = &x->c->proj[f->proj];
        size_t rate = x->c->pop[p->pre].rate;
        f->a = to + rate;
        for (size_t j = 0; j < p->cols; j++)
            f->b[j] = from[rate + j] - to[rate + j];
        f->learns = p->plastic && plastic[f->proj];
        if (f->learns) {
            f->aa = dot(p->cols, f->a, f->a);
            f->ab = dot(p->cols, f->a, f->b);
            f->bb = dot(p->cols, f->b, f->b);
            f->left = 1;
            f->alpha = 0;
            f->epsilon = 1;
            memset(f->p, 0, 4 * p->rows * sizeof *f->p); /* p, q, r, s lie one after the other */
        }
    }
}

void ap_afferent_taken(struct ap_afferents *x)
{
    for (int k = 0; k < x->n; k++) {
        size_t rows = x->c->proj[x->of[k].proj].rows;
        memcpy(x->of[k].wa, x->of[k].w0a, rows * sizeof(double));
        memcpy(x->of[k].wb, x->of[k].w0b, rows * sizeof(double));
    }
}

void ap_afferent_take(struct ap_afferents *x)
{
    for (int k = 0; k < x->n; k++) {
        struct ap_afferent *f = &x->of[k];
        if (ap_team_many(x->c->crew)) {
#pragma omp parallel
            begin_by(x, f, ap_team_here(x->c->crew));
        } else
            begin_by(x, f, AP_TEAM_ALONE);
    }
    ap_afferent_taken(x);
}

void ap_afferent_learn(struct ap_afferent *f)
{
    f->before = 0;
}

void ap_afferent_advance(struct ap_afferent *f, double h, const struct ap_step *k, double e0, double e1)
{
    double part[3];
    if (!ap_step_bend(h, f->before, part))
        part[0] = part[1] = part[2] = 0;
    f->k = *k;
    f->w_older = part[0] * k->k2, f->w_before = k->k0 + part[1] * k->k2, f->w_now = k->k1 + part[2] * k->k2;
    f->d_older = part[0] * k->c2, f->d_before = k->c0 + part[1] * k->c2, f->d_now = k->c1 + part[2] * k->c2;
    f->left *= k->left;
    f->alpha = k->left * f->alpha + k->kd * f->epsilon;
    f->epsilon *= k->e;
    f->e_older = f->e_before;
    f->e_before = e0;
    f->e_now = e1;
    f->before = h;
}

AP_CLONES void ap_afferent_rows(struct ap_afferent *f, size_t first, size_t last, const double *post0,
                                const double *post1)
{
    const struct ap_step *k = &f->k;
    for (size_t i = first; i < last; i++) {
        double w = f->w_older * f->older[i], w0 = f->w_before * post0[i], w1 = f->w_now * post1[i];
        double d = f->d_older * f->older[i], d0 = f->d_before * post0[i], d1 = f->d_now * post1[i];
        f->p[i] = k->left * f->p[i] + (k->kd * f->r[i] + w + w0 + w1);
        f->q[i] = k->left * f->q[i] + (k->kd * f->s[i] + w * f->e_older + w0 * f->e_before + w1 * f->e_now);
        f->r[i] = k->e * f->r[i] + d + d0 + d1;
        f->s[i] = k->e * f->s[i] + d * f->e_older + d0 * f->e_before + d1 * f->e_now;
        f->wa[i] = f->left * f->w0a[i] + f->alpha * f->d0a[i] + f->p[i] * f->aa + f->q[i] * f->ab;
        f->wb[i] = f->left * f->w0b[i] + f->alpha * f->d0b[i] + f->p[i] * f->ab + f->q[i] * f->bb;
        f->older[i] = post0[i];
    }
}

AP_CLONES void ap_afferent_drift(const struct ap_afferents *x, const struct ap_afferent *f, double e,
                                 const double *post, size_t first, size_t last, double *out)
{
    const struct ap_proj *p = &x->c->proj[f->proj];
    for (size_t i = first; i < last; i++) {
        double da = f->epsilon * f->d0a[i] + f->r[i] * f->aa + f->s[i] * f->ab;
        double db = f->epsilon * f->d0b[i] + f->r[i] * f->ab + f->s[i] * f->bb;
        double raw = post[i] * (f->aa + 2 * e * f->ab + e * e * f->bb);
        out[i - first] += p->eta * (p->d ? da + e * db : raw) - p->decay * fma(e, f->wb[i], f->wa[i]);
    }
}

static void fold_by(const struct ap_afferents *x, const struct ap_afferent *f, struct ap_team team)
{
    const struct ap_proj *p = &x->c->proj[f->proj];
    struct ap_deal deal = ap_team_deal_rows(team, p->rows, ROWS);
    for (size_t first, last; ap_team_next_rows(&deal, p->rows, ROWS, &first, &last);)
        ap_synapse_fold(last - first, p->cols, p->w + first * p->cols, p->d ? p->d + first * p->cols : NULL,
                        f->left, f->alpha, f->epsilon, f->p + first, f->q + first, f->r + first, f->s + first,
                        f->a, f->b);
}

void ap_afferent_fold(struct ap_afferents *x)
{
    for (int k = 0; k < x->n; k++) {
        struct ap_afferent *f = &x->of[k];
        if (f->learns && ap_team_many(x->c->crew)) {
#pragma omp parallel
            fold_by(x, f, ap_team_here(x->c->crew));
        } else if (f->learns)
            fold_by(x, f, AP_TEAM_ALONE);
        f->learns = false;
    }
}
