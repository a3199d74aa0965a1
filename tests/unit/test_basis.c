/* The basis of a store against all its products. */
#include "basis.h"
#include "harness.h"

static const char MICRO[] =
    "version: 1\nname: micro\nseed: 3\nmicrocircuit:\n  layers: [4, 300, 290, 3]\n"
    "  weights: {forward: uniform(-1, 1), feedback: uniform(-1, 1)}\n"
    "  plasticity: {forward: [0.3 /ms, 0.002 /ms, 0.1 /ms], lowpass: 30 ms}\n"
    "stimulus: {kind: random, smoothing: 3 ms}\ntarget: {kind: random, range: [0.1, 0.9]}\n"
    "schedule: [{name: a, presentations: 3, duration: 10 ms}]\n";

enum { COLS = 300, ROWS = 290, STEPS = 12, ALL = ROWS * COLS };

static double draw(uint64_t i)
{
    return ap_rng_between((struct ap_rng_stream){11, AP_RNG_PATTERN, 1}, i, -1, 1);
}

static struct ap_factor *open_with(struct harness *h, const char *rtol)
{
    char set[64];
    const char *sets[] = {set};
    snprintf(set, sizeof set, "integrator.rtol=%s", rtol);
    harness_open(h, MICRO, sets, 1);
    return h->x.rhs.factor.by_proj[ap_spec_projection(h->s, "forward2")];
}

/* Signals at a time, as rates that settle with two time constants, or (kind 1) all at random, or (kind 2) pre silent. */
static void signals(int kind, int step, double t, double *post, double *pre)
{
    for (int i = 0; i < ROWS; i++)
        post[i] = draw((uint64_t)i) * exp(-t / 4) + 0.1 * draw((uint64_t)(1000 * step + i));
    for (int j = 0; j < COLS; j++) {
        double fast = draw(20000 + (uint64_t)j), slow = draw(30000 + (uint64_t)j),
               last = draw(40000 + (uint64_t)j);
        pre[j] = kind == 2   ? 0
                 : kind == 1 ? draw((uint64_t)(50000 + 1000 * step + j))
                             : last + fast * exp(-t) + slow * exp(-t / 5);
    }
}

/* Steps that grow, as the integrator's do. */
static void fill_store(const struct ap_factors *all, struct ap_factor *f, int kind)
{
    double post[ROWS], pre[COLS], t = 0, h = 0.01;
    signals(kind, 0, t, post, pre);
    ap_factor_begin(all, f, t, post, pre);
    for (int step = 1; step < STEPS; step++, h *= 1.7) {
        t += h;
        signals(kind, step, t, post, pre);
        harness_step(all, f, t, h, post, pre);
    }
}

/* sum_k c_k post_k pre_k^T; c NULL: 1 */
static void add_up(size_t n, const double *c, const double *post, const double *pre, double *out)
{
    memset(out, 0, ALL * sizeof *out);
    for (size_t k = 0; k < n; k++)
        for (int i = 0; i < ROWS; i++)
            for (int j = 0; j < COLS; j++)
                out[i * COLS + j] += (c ? c[k] : 1) * post[k * ROWS + i] * pre[k * COLS + j];
}

static double length(const double *a, const double *b)
{
    double square = 0;
    for (int i = 0; i < ALL; i++)
        square += (a[i] - (b ? b[i] : 0)) * (a[i] - (b ? b[i] : 0));
    return sqrt(square);
}

/* What is left out stays below a hundredth of the tolerance, in what weights take now and in what they take later. */
static size_t compare(const char *rtol, int kind)
{
    struct harness h;
    struct ap_factor *f = open_with(&h, rtol);
    const struct ap_factors *all = &h.x.rhs.factor;
    const struct ap_proj *p = &h.x.c->proj[f->proj];
    assert_int_equal(p->rows, ROWS);
    assert_int_equal(p->cols, COLS);
    assert_non_null(p->d);
    fill_store(all, f, kind);
    assert_int_equal(f->n, STEPS);
    static struct ap_basis b;
    static double post[STEPS * ROWS], low[STEPS * ROWS], pre[STEPS * COLS], exact[2][ALL], found[2][ALL];
    ap_basis_find(&b, all, f);
    ap_basis_write(&b, all, f, post, low, pre);
    add_up(f->n, f->a, f->post, f->pre, exact[0]);
    add_up(f->n, f->d, f->post, f->pre, exact[1]);
    add_up(b.n, NULL, post, pre, found[0]);
    add_up(b.n, NULL, low, pre, found[1]);
    double whole = 0;
    for (size_t k = 0; k < f->n; k++) {
        double norm[2] = {0, 0};
        for (int i = 0; i < ROWS; i++)
            norm[0] += f->post[k * ROWS + (size_t)i] * f->post[k * ROWS + (size_t)i];
        for (int j = 0; j < COLS; j++)
            norm[1] += f->pre[k * COLS + (size_t)j] * f->pre[k * COLS + (size_t)j];
        whole += sqrt(norm[0] * norm[1]) * (fabs(f->a[k]) + p->eta * p->tau * fabs(f->d[k]));
    }
    double part = 0.01 * strtod(rtol, NULL),
           rounding = 1e-12 * (length(exact[0], NULL) + length(exact[1], NULL));
    double off = length(found[0], exact[0]), later = p->eta * p->tau * length(found[1], exact[1]);
    if (off + later > part * whole + rounding)
        fail_msg("rtol %s, kind %d: %zu members, off by %g + %g of %g", rtol, kind, b.n, off, later, whole);
    size_t members = b.n;
    harness_close(&h);
    return members;
}

static void test_few_members_stand_for_all(void **unused)
{
    (void)unused;
    size_t loose = compare("5e-2", 0), tighter = compare("2e-3", 0);
    assert_true(loose >= 2 && loose < STEPS / 2);
    assert_true(tighter >= loose && tighter <= STEPS / 2);
    assert_int_equal(compare("1e-6", 0), STEPS); /* too near to rounding: all of them */
    assert_true(compare("1e-2", 1) > STEPS / 2); /* nothing to save */
    assert_int_equal(compare("1e-2", 2), 0);     /* silent */
}

/* The matrices take the basis for the products, and the store goes on with the present. */
static void test_a_fold_takes_the_basis(void **unused)
{
    (void)unused;
    static double w[2][ALL], d[2][ALL];
    for (int k = 0; k < 2; k++) {
        struct harness h;
        struct ap_factor *f = open_with(&h, k ? "2e-2" : "1e-6");
        struct ap_factors *all = &h.x.rhs.factor;
        struct ap_proj *p = &h.x.c->proj[f->proj];
        for (int i = 0; i < ALL; i++)
            p->d[i] = draw(90000 + (uint64_t)i);
        fill_store(all, f, 0);
        size_t n = f->n;
        ap_factor_renew(all, f);
        assert_true(k ? f->fold.n < n / 2 : f->fold.n == n);
        assert_int_equal(f->n, 1);
        double post[ROWS], pre[COLS];
        signals(0, STEPS - 1, 0.01 * (pow(1.7, STEPS - 1) - 1) / 0.7, post, pre);
        for (int j = 0; j < COLS; j++)
            assert_true(fabs(f->pre[j] - pre[j]) < 1e-12);
        memcpy(w[k], p->w, sizeof w[k]);
        memcpy(d[k], p->d, sizeof d[k]);
        harness_close(&h);
    }
    assert_true(length(w[1], w[0]) < 1e-4 * length(w[0], NULL) && length(w[1], w[0]) > 0);
    assert_true(length(d[1], d[0]) < 1e-4 * length(d[0], NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_members_stand_for_all),
        cmocka_unit_test(test_a_fold_takes_the_basis),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
