/* Held weights: updates against the integral of the rule, one-to-one against dense, rules that are off. */
#include "harness.h"

/* A clamped population and an output cell whose compartments do not move: rates are frozen. */
static const char TEXT[] =
    "version: 1\nname: frozen\nseed: 6\npopulations:\n  i: {cell: clamped, size: 5}\n  o: {cell: output, "
    "size: 4}\n"
    "projections:\n"
    "  - {name: p, from: i, to: o/basal, weights: \"uniform(-1, 1)\", rule: {kind: basal, rate: 0.3 /ms%s}}\n"
    "  - {name: other, from: i, to: o/basal, weights: \"uniform(-1, 1)\", rule: {post: slope, pre: rate, "
    "rate: 0.1 /ms}}\n"
    "stimuli: {s: {of: i, kind: random, range: [-1, 1]}}\n"
    "schedule:\n  - {name: x, presentations: 1, duration: 10 ms, plasticity: [p]}\n"
    "  - {name: still, presentations: 3, duration: 10 ms, plasticity: off}\n"
    "  - {name: again, presentations: 1, duration: 10 ms, plasticity: off, reset: on}\n"
    "integrator: {weights: held}\n";
enum { IN = 5, OUT = 4 };

static void open_frozen(struct harness *h, const char *lowpass)
{
    char text[2048];
    snprintf(text, sizeof text, TEXT, lowpass);
    harness_open(h, text, NULL, 0);
    double *y = h->x.g.y;
    for (int i = 0; i < OUT; i++)
        y[i] = 0.4 * i - 0.7;
    for (int i = 0; i < IN; i++)
        h->x.rhs.clamp_to[i] = 0.9 - 0.35 * i;
    h->x.rhs.now = (struct ap_presentation){10, false, false, h->s->block[0].plastic};
}

/* Steps of uneven length with the signals held where they were at first. */
static void steps(struct harness *h, double *total, int n)
{
    struct ap_plasticity *x = &h->x.plasticity;
    ap_rhs_begin(&h->x.rhs, h->x.rhs.now.plastic);
    ap_rhs_eval(&h->x.rhs, 0, h->x.g.y, NULL);
    ap_plasticity_begin(x, 0);
    *total = 0;
    for (int k = 0; k < n; k++) {
        double step = 0.01 * (k % 7 + 1) * (k % 3 ? 1 : 13);
        *total += step;
        ap_plasticity_step(x, *total, step); /* fields untouched: the same signals */
    }
    ap_afferent_fold(&h->x.rhs.afferent); /* what comes from clamped populations is carried out at the end */
}

static void expect(const struct harness *h, double total, double tau, double decay, const double *w0,
                   const double *d0)
{
    const struct ap_proj *p = &h->x.c->proj[0];
    const double *u = h->x.g.y, *r = h->x.rhs.clamp_to;
    for (int i = 0; i < OUT; i++) {
        double basal = 0;
        for (int q = 0; q < 2; q++)
            for (int j = 0; j < IN; j++)
                basal += (q ? h->x.c->proj[1].w : w0)[i * IN + j] * r[j];
        double error = 1 / (1 + exp(-u[i])) - 1 / (1 + exp(-basal / 1.1));
        for (int j = 0; j < IN; j++) {
            /* tau dD/dt = X - D, dW/dt = eta D: D = X + (D0 - X) e, W = W0 + eta (X t + (D0 - X) tau (1 - e)) */
            double product = error * r[j], e = tau > 0 ? exp(-total / tau) : 0, at = w0[i * IN + j];
            double start = d0 ? d0[i * IN + j] : 0;
            double w = tau > 0 ? at + 0.3 * (product * total - (start - product) * tau * expm1(-total / tau))
                               : at + 0.3 * product * total;
            if (decay > 0) /* dW/dt = eta X - decay W */
                w = at * exp(-decay * total) - 0.3 * product * expm1(-decay * total) / decay;
            assert_true(fabs(p->w[i * IN + j] - w) <= 1e-12 * fmax(fabs(w), fabs(w - at)));
            if (tau > 0)
                assert_true(fabs(p->d[i * IN + j] - (product + (start - product) * e)) <=
                            1e-12 * fmax(fabs(product), fabs(start)));
            else
                assert_null(p->d);
        }
    }
}

static void test_update_is_the_integral(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        double tau, decay;
    } CASES[] = {{"", 0, 0},
                 {", lowpass: 30 ms", 30, 0},
                 {", lowpass: 0.05 ms", 0.05, 0},
                 {", decay: 0.07 /ms", 0, 0.07}};
    for (int k = 0; k < 4; k++) {
        struct harness h;
        open_frozen(&h, CASES[k].text);
        struct ap_proj *p = &h.x.c->proj[0];
        double w0[IN * OUT], d0[IN * OUT] = {0}, other[IN * OUT], total;
        for (int i = 0; p->d && i < IN * OUT; i++)
            d0[i] = p->d[i] = 0.1 * sin(i);
        memcpy(w0, p->w, sizeof w0);
        memcpy(other, h.x.c->proj[1].w, sizeof other);
        steps(&h, &total, 60);
        assert_true(total > 5);
        expect(&h, total, CASES[k].tau, CASES[k].decay, w0, p->d ? d0 : NULL);
        assert_memory_not_equal(w0, p->w, sizeof w0);
        assert_memory_equal(other, h.x.c->proj[1].w, sizeof other); /* a rule that the block does not list */
        harness_close(&h);
    }
}

static void test_euler_step(void **unused)
{
    (void)unused;
    struct harness h;
    open_frozen(&h, ", lowpass: 30 ms");
    struct ap_proj *p = &h.x.c->proj[0];
    double w0[IN * OUT], d0[IN * OUT];
    for (int i = 0; i < IN * OUT; i++)
        d0[i] = p->d[i] = 0.1 * sin(i);
    memcpy(w0, p->w, sizeof w0);
    ap_rhs_begin(&h.x.rhs, h.x.rhs.now.plastic);
    ap_rhs_eval(&h.x.rhs, 0, h.x.g.y, NULL);
    ap_rhs_signals(&h.x.rhs);
    ap_plasticity_euler(&h.x.plasticity, 0.1, 0.1);
    ap_afferent_fold(&h.x.rhs.afferent);
    for (int i = 0; i < OUT; i++)
        for (int j = 0; j < IN; j++) { /* W with the old product, then the product */
            int k = i * IN + j;
            double x =
                h.x.rhs.signal[p->post_signal.at + (size_t)i] * h.x.rhs.signal[p->pre_signal.at + (size_t)j];
            assert_true(fabs(p->w[k] - (w0[k] + 0.3 * 0.1 * d0[k])) < 1e-16);
            assert_true(fabs(p->d[k] - (d0[k] + 0.1 / 30 * (x - d0[k]))) < 1e-16);
        }
    harness_close(&h);
}

static void test_rules_that_are_off_change_nothing(void **unused)
{
    (void)unused;
    static const char *const KIND[] = {"integrator.kind=bdf", "integrator.kind=euler",
                                       "integrator.weights=coupled"};
    for (int k = 0; k < 3; k++) {
        struct harness h;
        char text[2048];
        snprintf(text, sizeof text, TEXT, ", lowpass: 30 ms");
        harness_open(&h, text, &KIND[k], 1);
        struct ap_proj *p = &h.x.c->proj[0];
        harness_block(&h, 0);
        ap_sim_settle(&h.x);
        double w[IN * OUT], d[IN * OUT];
        memcpy(w, p->w, sizeof w);
        memcpy(d, p->d, sizeof d);
        double size = 0;
        for (int i = 0; i < IN * OUT; i++)
            size += d[i] * d[i];
        assert_true(size > 0);
        harness_block(&h, 1);
        ap_sim_settle(&h.x);
        assert_memory_equal(w, p->w, sizeof w);
        assert_memory_equal(d, p->d, sizeof d); /* frozen, not decaying */
        harness_block(&h, 2);                   /* reset: products from zero, weights stay */
        ap_sim_settle(&h.x);
        assert_memory_equal(w, p->w, sizeof w);
        for (int i = 0; i < IN * OUT; i++)
            assert_true(p->d[i] == 0);
        harness_close(&h);
    }
}

/* One-to-one weights are the diagonal of a dense matrix whose other elements are zero and stay zero: with identity
 * weights in front, n neurons of one circuit against n circuits of one neuron. */
static void test_one_to_one_is_the_diagonal(void **unused)
{
    (void)unused;
    static const char *const SETS[] = {"integrator.weights=held", "integrator.kind=euler",
                                       "integrator.weights=coupled"};
    enum { N = 300 }; /* more than one task */
    for (int k = 0; k < 3; k++)
        for (int lowpass = 0; lowpass < 2; lowpass++) {
            char text[2048];
            snprintf(
                text, sizeof text,
                "version: 1\nname: ones\nseed: 8\npopulations:\n  i: {cell: clamped, size: %d}\n"
                "  o: {cell: output, size: %d}\nprojections:\n"
                "  - {name: p, from: i, to: o/basal, connect: one-to-one, weights: \"uniform(-1, 1)\", rule: "
                "{post: "
                "dendritic-error(basal), pre: rate, rate: 0.5 /ms%s}}\n"
                "  - {name: drive, from: i/soma, to: o/soma, connect: one-to-one, conductance: 0.5 /ms}\n"
                "stimuli: {s: {of: i, kind: random, range: [0.2, 1]}}\n"
                "schedule: [{name: x, presentations: 1, duration: 10 ms}]\n"
                "integrator: {rtol: 1e-9, atol: 1e-11, max-step: 0.5 ms}\n",
                N, N, lowpass ? ", lowpass: 3 ms, decay: 0.1 /ms" : ", decay: 0.1 /ms");
            struct harness one;
            harness_open(&one, text, &SETS[k], 1);
            double before[N], after[N];
            memcpy(before, one.x.c->proj[0].w, sizeof before);
            harness_block(&one, 0);
            ap_sim_settle(&one.x);
            memcpy(after, one.x.c->proj[0].w, sizeof after);
            for (int i = 0; i < N; i += 37) { /* the same neuron alone, its synapse a dense 1 x 1 matrix */
                char alone[2048], *at;
                strcpy(alone, text);
                at = strstr(alone, "connect: one-to-one, weights"); /* of p only */
                memset(at, ' ', strlen("connect: one-to-one,"));
                char sizes[3][128] = {"populations.i.size=1", "populations.o.size=1", ""};
                snprintf(sizes[2], sizeof sizes[2], "stimuli.s.range=[%.17g, %.17g]", one.x.rhs.clamp_to[i],
                         one.x.rhs.clamp_to[i]);
                char weights[64];
                snprintf(weights, sizeof weights, "projections.p.weights=constant(%.17g)", before[i]);
                const char *sets[] = {SETS[k], sizes[0], sizes[1], sizes[2], weights};
                struct harness h;
                harness_open(&h, alone, sets, 5);
                assert_int_equal(h.x.c->proj[0].spec->connect, AP_CONNECT_DENSE);
                harness_block(&h, 0);
                ap_sim_settle(&h.x);
                double w = h.x.c->proj[0].w[0];
                assert_true(fabs(w - before[i]) > 1e-3);
                /* Euler takes the same steps, to the last bit or two; the others choose their own. */
                assert_true(fabs(w - after[i]) < (k == 1   ? 1e-14
                                                  : k == 2 ? 1e-7
                                                           : 2e-3 * fabs(w - before[i])));
                harness_close(&h);
            }
            harness_close(&one);
        }
}

/* A rule that the presentation lists, but that is off for now (a lag, a freeze), changes nothing either. */
static void test_rules_wait_for_their_turn(void **unused)
{
    (void)unused;
    struct harness h;
    open_frozen(&h, "");
    struct ap_plasticity *x = &h.x.plasticity;
    const struct ap_proj *p = &h.x.c->proj[0];
    static const bool NONE[2] = {false, false};
    double w0[IN * OUT];
    memcpy(w0, p->w, sizeof w0);
    assert_true(ap_plasticity_acts(x));
    ap_rhs_begin(&h.x.rhs, h.x.rhs.now.plastic);
    ap_rhs_eval(&h.x.rhs, 0, h.x.g.y, NULL);
    ap_rhs_signals(&h.x.rhs); /* of a time when the rule was on */
    h.x.rhs.now.plastic = NONE;
    assert_false(ap_plasticity_acts(x));
    ap_plasticity_begin(x, 0);
    ap_plasticity_step(x, 1, 1);
    ap_afferent_fold(&h.x.rhs.afferent);
    assert_memory_equal(w0, p->w, sizeof w0);
    ap_plasticity_free(x); /* and once more with all the rest */
    harness_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_update_is_the_integral),
        cmocka_unit_test(test_euler_step),
        cmocka_unit_test(test_rules_that_are_off_change_nothing),
        cmocka_unit_test(test_one_to_one_is_the_diagonal),
        cmocka_unit_test(test_rules_wait_for_their_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
