/* Held weights as factors against the matrices themselves, step by step. */
#include "harness.h"

static const char MICRO[] =
    "version: 1\nname: micro\nseed: 3\nmicrocircuit:\n  layers: [4, 140, 137, 3]\n"
    "  weights: {forward: uniform(-1, 1), feedback: uniform(-1, 1)}\n"
    "  plasticity: {forward: [0.3 /ms, 0.002 /ms, 0.1 /ms], lowpass: LOWPASS}\n"
    "stimulus: {kind: random, smoothing: 3 ms}\ntarget: {kind: random, range: [0.1, 0.9]}\n"
    "schedule: [{name: a, presentations: 3, duration: 10 ms}]\n";

enum { COLS = 140, ROWS = 137, STEPS = 40 };

static double draw(uint64_t i)
{
    return ap_rng_between((struct ap_rng_stream){11, AP_RNG_PATTERN, 1}, i, -1, 1);
}

static void open_with(struct harness *h, const char *lowpass)
{
    char text[1024];
    const char *hole = strstr(MICRO, "LOWPASS");
    snprintf(text, sizeof text, "%.*s%s%s", (int)(hole - MICRO), MICRO, lowpass, hole + 7);
    harness_open(h, text, NULL, 0);
}

static void refresh(const struct ap_factors *all, struct ap_factor *f, const double *sent, double tolerance)
{
    if (ap_factor_stale(all, f, sent, tolerance))
        ap_factor_take(all, f, sent);
}

/* The largest difference between the sums of the factors at time t and those of the matrix w. */
static double sums_differ(const struct ap_factors *all, struct ap_factor *f, const struct ap_proj *p,
                          double t, const double *x, const double *w)
{
    double sum[ROWS], part[ROWS], worst = 0;
    ap_factor_look(all, f, t, x);
    ap_synapse_product(ROWS, COLS, p->w, x, 0, sum);
    for (size_t first = 0; first < ROWS; first += 50) /* in pieces, as tasks do */
        ap_factor_add(all, f, first, first + 50 < ROWS ? first + 50 : ROWS, sum + first);
    ap_synapse_product(ROWS, COLS, w, x, 0, part);
    for (int i = 0; i < ROWS; i++)
        worst = fmax(worst, fabs(sum[i] - part[i]));
    return worst;
}

/* What the parabola through three products adds to the line between the last two, in place. */
static void bend(const struct ap_proj *p, const struct ap_step *k, double rho, double *w, double *d,
                 double post[3][ROWS], double pre[3][COLS])
{
    const double part[3] = {1 / (rho * (rho + 1)), -1 / rho, 1 / (rho + 1)};
    for (int m = 0; m < 3; m++)
        for (int i = 0; i < ROWS; i++)
            for (int j = 0; j < COLS; j++) {
                w[i * COLS + j] += part[m] * k->k2 * post[m][i] * pre[m][j];
                if (p->d)
                    d[i * COLS + j] += part[m] * k->c2 * post[m][i] * pre[m][j];
            }
}

static void compare(const char *lowpass)
{
    struct harness h;
    open_with(&h, lowpass);
    const struct ap_factors *all = &h.x.rhs.factor;
    int proj = ap_spec_projection(h.s, "forward2");
    struct ap_proj *p = &h.x.c->proj[proj];
    struct ap_factor *f = all->by_proj[proj];
    assert_non_null(f);
    assert_null(all->by_proj[ap_spec_projection(h.s, "forward1")]); /* an afferent */
    assert_null(all->by_proj[ap_spec_projection(h.s, "forward3")]); /* too small */
    assert_true(f->room >= 16 && f->room < STEPS);                  /* the store runs full on the way */
    double *w = malloc(4 * ROWS * COLS * sizeof *w), *d = w + ROWS * COLS, *w1 = d + ROWS * COLS,
           *d1 = w1 + ROWS * COLS;
    double post[ROWS], pre[COLS], post1[ROWS], pre1[COLS], last[3][ROWS], sent[3][COLS];
    for (int i = 0; p->d && i < ROWS * COLS; i++)
        p->d[i] = draw(900000 + (uint64_t)i);
    for (int presentation = 0; presentation < 2; presentation++) {
        memcpy(w, p->w, ROWS * COLS * sizeof *w);
        if (p->d)
            memcpy(d, p->d, ROWS * COLS * sizeof *d);
        for (int i = 0; i < ROWS; i++)
            post[i] = draw((uint64_t)i + 77);
        for (int j = 0; j < COLS; j++)
            pre[j] = draw((uint64_t)j + 7777);
        double t = 0, before = 0;
        int bent = 0;
        assert_false(ap_factor_holds(all, proj));
        ap_factor_begin(all, f, t, post, pre);
        refresh(all, f, pre, 0);
        assert_true(ap_factor_holds(all, proj));
        for (int step = 0; step < STEPS; step++) {
            double dt = step % 7 == 3 ? 1.5 : 0.05 * (step % 7 + 1);
            /* within the step the product stands still */
            const struct ap_step half = ap_step_of(dt / 2, p->tau, p->eta, p->decay);
            memcpy(w1, w, ROWS * COLS * sizeof *w);
            memcpy(d1, d, ROWS * COLS * sizeof *d);
            ap_synapse_apply(ROWS, COLS, w1, p->d ? d1 : NULL, post, pre, post, pre, &half);
            assert_true(sums_differ(all, f, p, t + dt / 2, pre, w1) < 1e-11);
            for (int i = 0; i < ROWS; i++)
                post1[i] = draw((uint64_t)(step * 1000 + i));
            for (int j = 0; j < COLS; j++)
                pre1[j] = draw((uint64_t)(step * 1000 + 500 + j));
            const struct ap_step k = ap_step_of(dt, p->tau, p->eta, p->decay);
            ap_synapse_apply(ROWS, COLS, w, p->d ? d : NULL, post, pre, post1, pre1, &k);
            memmove(last, last + 1, 2 * sizeof *last);
            memmove(sent, sent + 1, 2 * sizeof *sent);
            memcpy(last[1], post, sizeof post), memcpy(last[2], post1, sizeof post1);
            memcpy(sent[1], pre, sizeof pre), memcpy(sent[2], pre1, sizeof pre1);
            if (f->n >= 2 && before >= 0.2 * dt) {
                bend(p, &k, before / dt, w, d, last, sent);
                bent++;
            }
            before = dt;
            t += dt;
            harness_step(all, f, t, dt, post1, pre1);
            if (f->n == f->room)
                ap_factor_renew(all, f);
            refresh(all, f, pre1, 0);
            assert_true(sums_differ(all, f, p, t, pre1, w) < 1e-11);
            memcpy(post, post1, sizeof post);
            memcpy(pre, pre1, sizeof pre);
        }
        assert_in_range(bent, STEPS / 2,
                        STEPS - 7); /* not the first, nor after a renewal, nor the long steps */
        ap_factor_fold((struct ap_factors *)all);
        assert_false(ap_factor_holds(all, proj));
        for (int i = 0; i < ROWS * COLS; i++) {
            assert_true(fabs(p->w[i] - w[i]) < 1e-12);
            assert_true(!p->d || fabs(p->d[i] - d[i]) < 1e-12);
        }
        double once = p->w[0];
        ap_factor_fold((struct ap_factors *)all);
        assert_true(p->w[0] == once);
    }
    free(w);
    harness_close(&h);
}

static void test_lowpassed_rule(void **state)
{
    (void)state;
    compare("30 ms");
}

static void test_rule_without_lowpass(void **state)
{
    (void)state;
    compare("0 ms");
}

static void test_decay(void **state)
{
    (void)state;
    compare("30 ms, decay: 0.2 /ms");
    compare("0 ms, decay: 0.2 /ms");
}

/* A product that is quadratic in time: exact to rounding but for the first step, which has nothing to bend by. */
static void test_quadratic_product(void **state)
{
    (void)state;
    struct harness h;
    open_with(&h, "0 ms");
    const struct ap_factors *all = &h.x.rhs.factor;
    int proj = ap_spec_projection(h.s, "forward2");
    struct ap_proj *p = &h.x.c->proj[proj];
    struct ap_factor *f = all->by_proj[proj];
    static const double LENGTH[] = {1e-4, 4e-4, 0.001, 0.004, 0.015, 0.05, 0.2, 0.7, 3, 1.5, 2};
    double post[ROWS], pre[COLS], t = 0, *w = malloc(ROWS * COLS * sizeof *w);
    memcpy(w, p->w, ROWS * COLS * sizeof *w);
    for (int step = 0; step <= 11; step++) {
        for (int i = 0; i < ROWS; i++)
            post[i] = draw((uint64_t)i) + t * draw((uint64_t)i + 500);
        for (int j = 0; j < COLS; j++)
            pre[j] = draw((uint64_t)j + 1000) + t * draw((uint64_t)j + 1500);
        if (step == 0)
            ap_factor_begin(all, f, t, post, pre);
        else
            harness_step(all, f, t, LENGTH[step - 1], post, pre);
        t += step < 11 ? LENGTH[step] : 0;
    }
    ap_factor_fold((struct ap_factors *)all);
    double worst = 0, moved = 0;
    for (uint64_t i = 0; i < ROWS; i++)
        for (uint64_t j = 0; j < COLS; j++) {
            double a0 = draw(i), a1 = draw(i + 500), b0 = draw(j + 1000), b1 = draw(j + 1500);
            double change = p->eta * t * (a0 * b0 + t / 2 * (a0 * b1 + a1 * b0) + t * t / 3 * a1 * b1);
            worst = fmax(worst, fabs(p->w[i * COLS + j] - w[i * COLS + j] - change));
            moved = fmax(moved, fabs(change));
        }
    assert_true(moved > 0.1 && worst < 1e-13);
    free(w);
    harness_close(&h);
}

/* What is left alone while x moves little is as small as was asked for, and taken anew beyond. */
static void test_refresh(void **state)
{
    (void)state;
    struct harness h;
    open_with(&h, "30 ms");
    const struct ap_factors *all = &h.x.rhs.factor;
    int proj = ap_spec_projection(h.s, "forward2");
    struct ap_proj *p = &h.x.c->proj[proj];
    struct ap_factor *f = all->by_proj[proj];
    double post[ROWS] = {0}, x[COLS], near[COLS], before[ROWS];
    for (int i = 0; i < ROWS * COLS; i++)
        p->d[i] = draw((uint64_t)i);
    for (int j = 0; j < COLS; j++)
        x[j] = draw(70000 + (uint64_t)j);
    ap_factor_begin(all, f, 0, post, x);
    refresh(all, f, x, 0);
    harness_step(all, f, 1, 1, post, x);
    memcpy(before, f->d0x, sizeof before);
    double change = f->gain * f->reach * 1e-3 * 1.0001, root = sqrt((double)ROWS);
    double length = 0;
    for (int j = 0; j < COLS; j++)
        length += x[j] * x[j];
    for (int j = 0; j < COLS; j++)
        near[j] = x[j] * (1 + 1e-3);
    change *= sqrt(length) / root;
    refresh(all, f, near, change);
    assert_memory_equal(f->d0x, before, sizeof before);
    refresh(all, f, near, 0.99 * change);
    for (int i = 0; i < ROWS; i++)
        assert_true(fabs(f->d0x[i] - before[i] * (1 + 1e-3)) < 1e-12);
    harness_close(&h);
}

/* A projection that something is done to is updated in its matrix; its neighbours are not touched by that. */
static void test_interventions(void **state)
{
    (void)state;
    char text[2048];
    struct harness h;
    const char *hole = strstr(MICRO, "LOWPASS");
    snprintf(text, sizeof text, "%.*s30 ms, interneuron: 0.1 /ms%s%s", (int)(hole - MICRO), MICRO, hole + 7,
             "interventions: [{name: x, kind: scale, projection: forward2, factor: 0.5}]\n");
    harness_open(&h, text, NULL, 0);
    assert_null(h.x.rhs.factor.by_proj[ap_spec_projection(h.s, "forward2")]);
    assert_non_null(h.x.rhs.factor.by_proj[ap_spec_projection(h.s, "interneuron1")]);
    assert_int_equal(h.x.rhs.factor.n, 1);
    harness_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lowpassed_rule), cmocka_unit_test(test_rule_without_lowpass),
        cmocka_unit_test(test_decay),          cmocka_unit_test(test_quadratic_product),
        cmocka_unit_test(test_refresh),        cmocka_unit_test(test_interventions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
