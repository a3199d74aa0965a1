/* basis.c: few of the stored products span all.
 *
 * In:   a store of products with their coefficients.
 * Out:  members of a basis and the products that they stand for.
 * Theory: Cholesky's factorisation of the Gram matrix of the pre_k, pivot by pivot: the diagonal that is left is the square of
 *   the distance of each from the span of those chosen. Its rounding is that of squares, 1e-8 of a norm.
 * Invariants:
 *   1. Each store is worked on by one thread in one order.
 * Never: changes what the store holds; ap_basis_write may fill its free room.
 * Test: tests/unit/test_basis.c */
#include "basis.h"

#include <math.h>
#include <string.h>

enum { MOST = AP_SYNAPSE_RANK };

/* How much product k matters: |post| times what W takes of it now and may take later through D. */
static double weight_of(const struct ap_proj *p, const struct ap_factor *f, size_t k)
{
    double square;
    const double *post = f->post + k * p->rows;
    ap_synapse_product(1, p->rows, post, post, 0, &square);
    return sqrt(square) * (fabs(f->a[k]) + fabs(p->eta) * p->tau * fabs(f->d[k]));
}

/* c[k] from l[k], the row of Cholesky's factor: l[k] = c[k] L with L the rows of the members. */
static void solve(struct ap_basis *b, double l[MOST][MOST], size_t k)
{
    for (size_t j = b->n; j-- > 0;) {
        double left = l[k][j];
        for (size_t i = j + 1; i < b->n; i++)
            left -= b->c[k][i] * l[b->of[i]][j];
        b->c[k][j] = left / l[b->of[j]][j];
    }
}

void ap_basis_find(struct ap_basis *b, const struct ap_factors *x, const struct ap_factor *f)
{
    static const double PART = 0.01, /* of the tolerance */
        LEAST = 1e-5;                /* of a norm; the Gram matrix knows 1e-8 */
    const struct ap_proj *p = &x->c->proj[f->proj];
    double part = PART * x->c->spec->integrator.tolerance;
    double gram[MOST][MOST], l[MOST][MOST], left[MOST], weight[MOST], all = 0;
    bool exact = part < LEAST;
    b->n = 0;
    for (size_t k = 0; k < f->n; k++) {
        ap_synapse_product(k + 1, p->cols, f->pre, f->pre + k * p->cols, 0, gram[k]);
        left[k] = gram[k][k];
        weight[k] = weight_of(p, f, k);
        all += weight[k] * sqrt(left[k]);
    }
    for (size_t k = 0; exact && k < f->n; k++) {
        memset(b->c[k], 0, f->n * sizeof b->c[k][0]);
        b->c[k][k] = 1;
        b->of[b->n++] = k;
    }
    while (!exact && b->n < f->n) {
        double rest = 0, most = 0;
        size_t next = 0, j = b->n;
        for (size_t k = 0; k < f->n; k++) {
            double distance = left[k] > 0 ? weight[k] * sqrt(left[k]) : 0;
            rest += distance;
            next = distance > most ? k : next;
            most = distance > most ? distance : most;
        }
        if (rest <= part * all)
            break;
        double pivot = sqrt(left[next]);
        for (size_t k = 0; k < f->n; k++) {
            double sum = k > next ? gram[k][next] : gram[next][k];
            for (size_t i = 0; i < j; i++)
                sum -= l[k][i] * l[next][i];
            l[k][j] = sum / pivot;
        }
        for (size_t k = 0; k < f->n; k++)
            left[k] -= l[k][j] * l[k][j];
        left[next] = 0;
        b->of[b->n++] = next;
    }
    for (size_t k = 0; !exact && k < f->n; k++)
        solve(b, l, k);
}

void ap_basis_write(const struct ap_basis *b, const struct ap_factors *x, const struct ap_factor *f,
                    double *post, double *low, double *pre)
{
    const struct ap_proj *p = &x->c->proj[f->proj];
    for (size_t j = 0; j < b->n; j++) {
        double a[MOST], d[MOST];
        for (size_t k = 0; k < f->n; k++) {
            a[k] = f->a[k] * b->c[k][j];
            d[k] = f->d[k] * b->c[k][j];
        }
        memcpy(pre + j * p->cols, f->pre + b->of[j] * p->cols, p->cols * sizeof *pre);
        memset(post + j * p->rows, 0, p->rows * sizeof *post);
        ap_synapse_combine(f->n, p->rows, p->rows, f->post, a, post + j * p->rows);
        if (!p->d)
            continue;
        memset(low + j * p->rows, 0, p->rows * sizeof *low);
        ap_synapse_combine(f->n, p->rows, p->rows, f->post, d, low + j * p->rows);
    }
}
