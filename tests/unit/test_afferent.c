/* Sums and updates of projections from clamped populations against the matrices themselves, step by step. */
#include "harness.h"

static const char MICRO[] =
    "version: 1\nname: micro\nseed: 3\nmicrocircuit:\n  layers: [70, 9, 3]\n"
    "  weights: {forward: uniform(-1, 1), feedback: uniform(-1, 1)}\n"
    "  plasticity: {forward: [0.3 /ms, 0.2 /ms], lowpass: LOWPASS}\n"
    "stimulus: {kind: random, smoothing: 3 ms}\ntarget: {kind: random, range: [0.1, 0.9]}\n"
    "schedule: [{name: a, presentations: 3, duration: 10 ms}]\n";

enum { COLS = 70, ROWS = 9 };

static double draw(uint64_t i)
{
    return ap_rng_between((struct ap_rng_stream){11, AP_RNG_PATTERN, 1}, i, -1, 1);
}

/* Random steps through both; euler: the other set of coefficients. */
static void compare(const char *lowpass, bool euler)
{
    struct harness h;
    char text[1024];
    const char *hole = strstr(MICRO, "LOWPASS");
    snprintf(text, sizeof text, "%.*s%s%s", (int)(hole - MICRO), MICRO, lowpass, hole + 7);
    harness_open(&h, text, NULL, 0);
    struct ap_rhs *r = &h.x.rhs;
    int proj = ap_spec_projection(h.s, "forward1");
    struct ap_proj *p = &h.x.c->proj[proj];
    struct ap_afferent *f = r->afferent.by_proj[proj];
    assert_non_null(f);
    assert_null(r->afferent.by_proj[ap_spec_projection(h.s, "forward2")]);
    double w[ROWS * COLS], d[ROWS * COLS] = {0}, x[COLS], next[COLS], post[ROWS], after[ROWS], drift[ROWS];
    r->now = (struct ap_presentation){10, true, false, h.s->block[0].plastic};
    for (int presentation = 0; presentation < 3; presentation++) {
        const double tau = 3;
        for (size_t i = 0; i < h.x.c->n_rate; i++) {
            r->clamp_from[i] = draw((uint64_t)presentation * 1000 + i);
            r->clamp_to[i] = draw((uint64_t)presentation * 1000 + 500 + i);
        }
        size_t rate = h.x.c->pop[p->pre].rate;
        r->clamp_tau[p->pre] = tau;
        memcpy(w, p->w, sizeof w);
        if (p->d)
            memcpy(d, p->d, sizeof d);
        ap_rhs_begin(r, r->now.plastic);
        double t = 0, before = 0, older[ROWS], older_x[COLS];
        ap_afferent_learn(f);
        for (int i = 0; i < ROWS; i++)
            post[i] = draw((uint64_t)i + 77);
        for (int step = 0; step < 12; step++) {
            double dt = 0.05 * (step + 1), e0 = exp(-t / tau), e1 = exp(-(t + dt) / tau);
            for (int j = 0; j < COLS; j++) {
                double from = r->clamp_from[rate + (size_t)j], to = r->clamp_to[rate + (size_t)j];
                x[j] = to + (from - to) * e0;
                next[j] = to + (from - to) * e1;
            }
            for (int i = 0; i < ROWS; i++)
                after[i] = draw((uint64_t)(step * 100 + i));
            struct ap_step k = euler ? ap_step_euler(dt, p->tau, p->eta, p->decay)
                                     : ap_step_of(dt, p->tau, p->eta, p->decay);
            ap_synapse_apply(ROWS, COLS, w, p->d ? d : NULL, post, x, after, next, &k);
            double part[3];
            for (int i = 0; ap_step_bend(dt, before, part) && i < ROWS; i++)
                for (int j = 0; j < COLS; j++) {
                    double c = part[0] * older[i] * older_x[j] + part[1] * post[i] * x[j] +
                               part[2] * after[i] * next[j];
                    w[i * COLS + j] += k.k2 * c;
                    d[i * COLS + j] += p->d ? k.c2 * c : 0;
                }
            ap_afferent_advance(f, dt, &k, e0, e1);
            ap_afferent_rows(f, 0, 3, post, after); /* in pieces, as threads take them */
            ap_afferent_rows(f, 3, ROWS, post, after);
            before = dt;
            memcpy(older, post, sizeof post);
            memcpy(older_x, x, sizeof x);
            memset(drift, 0, sizeof drift);
            ap_afferent_drift(&r->afferent, f, e1, after, 0, ROWS, drift);
            for (int i = 0; i < ROWS; i++) {
                double sum = 0, change = 0, square = 0;
                for (int j = 0; j < COLS; j++) {
                    sum += w[i * COLS + j] * next[j];
                    change += d[i * COLS + j] * next[j];
                    square += next[j] * next[j];
                }
                assert_true(fabs(f->wa[i] + e1 * f->wb[i] - sum) < 1e-11);
                double speed = p->eta * (p->d ? change : after[i] * square) - p->decay * sum;
                assert_true(fabs(drift[i] - speed) < 1e-11);
            }
            memcpy(post, after, sizeof post);
            t += dt;
        }
        ap_afferent_fold(&r->afferent);
        for (int i = 0; i < ROWS * COLS; i++) {
            assert_true(fabs(p->w[i] - w[i]) < 1e-12);
            assert_true(!p->d || fabs(p->d[i] - d[i]) < 1e-12);
        }
        double once = p->w[0];
        ap_afferent_fold(&r->afferent);
        assert_true(p->w[0] == once);
    }
    harness_close(&h);
}

static void test_lowpassed_rule(void **state)
{
    (void)state;
    compare("30 ms", false);
}

static void test_rule_without_lowpass(void **state)
{
    (void)state;
    compare("0 ms", false);
}

static void test_decay(void **state)
{
    (void)state;
    for (int euler = 0; euler < 2; euler++) {
        compare("30 ms, decay: 0.2 /ms", euler);
        compare("0 ms, decay: 0.2 /ms", euler);
    }
}

static void test_euler(void **state)
{
    (void)state;
    compare("30 ms", true);
    compare("0 ms", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lowpassed_rule),
        cmocka_unit_test(test_rule_without_lowpass),
        cmocka_unit_test(test_euler),
        cmocka_unit_test(test_decay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
