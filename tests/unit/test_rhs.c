/* The right-hand side against the published equations written out, and its Jacobian product against differences. */
#include "harness.h"
#include "tangent.h"

static const char *const CIRCUITS[] = {"circuits/association.yaml", "circuits/self_prediction.yaml",
                                       "circuits/regression.yaml", "circuits/dynamic_dendrites.yaml",
                                       "circuits/mnist_small.yaml"};

static double draw(uint64_t i)
{
    return ap_rng_between((struct ap_rng_stream){7, AP_RNG_PATTERN, 1}, i, -1, 1);
}

/* ||J v - (f(y + h v) - f(y - h v)) / 2h|| / ||J v|| at random states in each block. */
static void compare(const struct harness *h)
{
    const struct ap_spec *s = h->s;
    struct ap_sim *x = (struct ap_sim *)&h->x;
    size_t n = x->c->n_state;
    double *y = malloc(4 * n * sizeof *y), *v = y + n, *jv = v + n, *difference = jv + n;
    double *shifted = malloc(2 * n * sizeof *shifted), *f = shifted + n;
    for (int state = 0; state < 4 || state < s->n_block; state++) {
        const struct ap_block_spec *b = &s->block[state % s->n_block];
        ap_intervene_set(&x->rhs.act, b, 0);
        x->rhs.now = (struct ap_presentation){b->duration, state % 2 == 0, false, x->rhs.act.plastic};
        for (size_t i = 0; i < x->c->n_rate; i++)
            x->rhs.clamp_from[i] = x->rhs.clamp_to[i] = 0.5 + 0.5 * draw(10000000 + i);
        for (size_t i = 0; i < n; i++) {
            y[i] = draw((uint64_t)state * 9000000 + i);
            v[i] = draw((uint64_t)state * 7000000 + 5000000 + i);
        }
        ap_tangent_linearise(&x->rhs, 1.5, y);
        ap_tangent_product(&x->rhs, v, jv);
        memset(difference, 0, n * sizeof *difference);
        const double step = 1e-5;
        for (int side = -1; side <= 1; side += 2) {
            for (size_t i = 0; i < n; i++)
                shifted[i] = y[i] + side * step * v[i];
            ap_rhs_eval(&x->rhs, 1.5, shifted, f);
            for (size_t i = 0; i < n; i++)
                difference[i] += side * f[i] / (2 * step);
        }
        double error = 0, size = 0;
        for (size_t i = 0; i < n; i++) {
            error += (jv[i] - difference[i]) * (jv[i] - difference[i]);
            size += jv[i] * jv[i];
        }
        assert_true(size > 0);
        assert_true(sqrt(error / size) < 1e-7);
    }
    free(y);
    free(shifted);
}

static void product_against_differences(const char *circuit, const char *weights)
{
    struct harness h;
    const char *sets[] = {weights, "schedule.0.presentations=1"};
    harness_open_file(&h, circuit, sets, strstr(circuit, "mnist") || strstr(circuit, "regression") ? 1 : 2);
    compare(&h);
    harness_close(&h);
}

/* Every kind of intervention alone, and several at once, on instantaneous and on dynamic compartments. */
static void test_product_with_interventions(void **state)
{
    (void)state;
    static const char CELLS[] = "cells:\n  pyramidal:\n"
                                "    soma: {leak: 0.1 /ms, couple: {basal: 1 /ms, apical: 0.8 /ms}}\n"
                                "    basal: {capacitance: 5, leak: 1 /ms, couple: {soma: 0.1 /ms}}\n"
                                "    apical: {capacitance: 5, leak: 1 /ms, couple: {soma: 0.1 /ms}}\n";
    static const char REST[] =
        "version: 1\nname: acted\n%smicrocircuit:\n  layers: [5, 4, 3]\n"
        "%s  weights: {forward: uniform(-1, 1), feedback: uniform(-1, 1)}\n"
        "  plasticity: {forward: 0.3 /ms, interneuron: 0.4 /ms, lateral: 0.1 /ms, lowpass: 30 ms,\n"
        "    feedback: 0.2 /ms, feedback-rule: kolen-pollack, decay: 0.3 /ms}\n"
        "stimulus: {kind: random}\ntarget: {kind: random}\n"
        "integrator: {thread-work: 1, weights: %s}\nschedule:\n"
        "  - {name: a, presentations: 1, duration: 9 ms}\n  - {name: b, presentations: 1, duration: 9 ms}\n"
        "  - {name: c, presentations: 1, duration: 9 ms}\n  - {name: d, presentations: 1, duration: 9 ms}\n"
        "  - {name: e, presentations: 1, duration: 9 ms}\n  - {name: f, presentations: 1, duration: 9 ms}\n"
        "  - {name: g, presentations: 1, duration: 9 ms}\n  - {name: h, presentations: 1, duration: 9 ms}\n"
        "interventions:\n"
        "  - {name: i1, kind: silence, of: hidden1.int, during: [a, h]}\n"
        "  - {name: i2, kind: silence, of: input, during: [a]}\n"
        "  - {name: i3, kind: clamp, of: hidden1.pyr/apical, value: 0.3, during: [b]}\n"
        "  - {name: i4, kind: clamp, of: output/soma, value: 0.4, during: [b]}\n"
        "  - {name: i5, kind: inhibit, of: hidden1.pyr/apical, conductance: 2 /ms, reversal: -1, during: [c, "
        "h]}\n"
        "  - {name: i6, kind: inhibit, of: hidden1.pyr/soma, conductance: 2 /ms, reversal: 1, during: [c, "
        "h]}\n"
        "  - {name: i7, kind: scale, projection: feedback1, factor: 0.5, during: [d, h]}\n"
        "  - {name: i8, kind: scale, projection: forward1, factor: 2, during: [d, h]}\n"
        "  - {name: i9, kind: scale, projection: nudge1, factor: 3, during: [d, h]}\n"
        "  - {name: j1, kind: freeze, projection: forward2, during: [e, h]}\n"
        "  - {name: j2, kind: mean, of: hidden1.pyr/apical, during: [f, h]}\n"
        "  - {name: j3, kind: mean, of: hidden1.int/soma, during: [f, h]}\n"
        "  - {name: j4, kind: shuffle, projection: forward2, during: [g, h]}\n"
        "  - {name: j5, kind: shuffle, projection: feedback1, during: [g, h]}\n"
        "  - {name: j6, kind: scale, projection: lateral1, factor: -1, during: [g, h]}\n"
        "  - {name: j7, kind: swap, projection: lateral1, groups: [\"hidden1.pyr[0:2]\", "
        "\"hidden1.pyr[2:4]\"], during: [f, g]}\n"
        "  - {name: j8, kind: swap, projection: interneuron1, groups: [\"hidden1.int[0:1]\", "
        "\"hidden1.int[2:3]\"], during: [e, h]}\n"
        "  - {name: j9, kind: swap, projection: forward1, groups: [\"input[0:2]\", \"input[3:5]\"], during: "
        "[e, "
        "h]}\n";
    for (int k = 0; k < 4; k++) {
        struct harness h;
        char text[4096];
        snprintf(text, sizeof text, REST, k % 2 ? CELLS : "",
                 k % 2 ? ""
                       : "  conductance: {leak: 0.1 /ms, basal: 1 /ms, apical: 0.8 /ms, dendrite: 1 /ms, "
                         "nudge: 0.8 /ms}\n",
                 k / 2 ? "coupled" : "held");
        harness_open(&h, text, NULL, 0);
        compare(&h);
        harness_close(&h);
    }
}

/* Synapses one to one, from a clamped and from a living population, their weights part of the state. */
static void test_product_one_to_one(void **state)
{
    (void)state;
    static const char *const SETS[] = {"integrator.weights=coupled", "integrator.weights=held"};
    for (int k = 0; k < 2; k++) {
        struct harness h;
        harness_open(
            &h,
            "version: 1\nname: ones\npopulations:\n  i: {cell: clamped, size: 5}\n"
            "  o: {cell: output, size: 5}\n  p: {cell: output, size: 5}\nprojections:\n"
            "  - {name: a, from: i, to: o/basal, connect: one-to-one, weights: \"uniform(-1, 1)\", rule: "
            "{post: dendritic-error(basal), pre: rate, rate: 0.5 /ms}}\n"
            "  - {name: b, from: o, to: p/basal, connect: one-to-one, weights: \"uniform(-1, 1)\", rule: "
            "{post: dendritic-error(basal), pre: rate, rate: 0.5 /ms, lowpass: 3 ms}}\n"
            "stimuli: {s: {of: i, kind: random, range: [0.2, 1]}}\n"
            "schedule: [{name: x, presentations: 1, duration: 10 ms}]\n",
            &SETS[k], 1);
        compare(&h);
        harness_close(&h);
    }
}

static void test_product_coupled(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CIRCUITS / sizeof *CIRCUITS; i++)
        product_against_differences(CIRCUITS[i], "integrator.weights=coupled");
}

static void test_product_held(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CIRCUITS / sizeof *CIRCUITS; i++)
        product_against_differences(CIRCUITS[i], "integrator.weights=held");
}

/* ---- the published equations, written out ------------------------------------------------------------ */

static double logistic(double u)
{
    return 1 / (1 + exp(-u));
}

static const char MICRO[] = "version: 1\nname: micro\nseed: 3\nmicrocircuit:\n  layers: [5, 4, 3]\n"
                            "  conductance: {leak: 0.13 /ms, basal: 1.1 /ms, apical: 0.7 /ms, dendrite: 0.9 "
                            "/ms, nudge: 0.6 /ms, teacher: 0.5 /ms}\n"
                            "  weights: {forward: uniform(-1, 1), feedback: uniform(-1, 1), interneuron: "
                            "uniform(-1, 1), lateral: uniform(-1, 1)}\n"
                            "  plasticity: {forward: [0.3 /ms, 0.2 /ms], interneuron: 0.4 /ms, lateral: 0.1 "
                            "/ms, feedback: FEEDBACK, lowpass: 30 ms}\n"
                            "stimulus: {kind: random}\ntarget: {kind: random, range: [0.1, 0.9]}\n"
                            "schedule: [{name: a, presentations: 1, duration: 10 ms}]\n"
                            "integrator: {weights: coupled}\n";

enum { N0 = 5, N1 = 4, N2 = 3 };

static const double *weights_in(const struct harness *h, const double *y, const char *name)
{
    const struct ap_proj *p = harness_projection(h, name);
    return p->plastic ? y + p->w_state : p->w;
}

/* Eqs. 1-10 with explicit loops, an implementation of its own. */
static void micro_case(const char *feedback)
{
    struct harness h;
    char text[1024];
    const char *hole = strstr(MICRO, "FEEDBACK");
    snprintf(text, sizeof text, "%.*s%s%s", (int)(hole - MICRO), MICRO, feedback, hole + 8);
    harness_open(&h, text, NULL, 0);
    struct ap_sim *x = &h.x;
    bool plastic_feedback = harness_projection(&h, "feedback1")->plastic;
    double y[256], dy[256], r0[N0], target[N2];
    assert_true(x->c->n_state < 256);
    for (size_t i = 0; i < x->c->n_state; i++)
        y[i] = draw(i);
    x->rhs.now = (struct ap_presentation){10, true, false, h.s->block[0].plastic};
    for (int j = 0; j < N0; j++)
        r0[j] = x->rhs.clamp_to[x->c->pop[ap_spec_population(h.s, "input")].rate + (size_t)j] = 0.3 + 0.1 * j;
    for (int j = 0; j < N2; j++)
        target[j] = x->rhs.clamp_to[x->c->pop[ap_spec_population(h.s, "target")].rate + (size_t)j] =
            0.4 - 0.5 * j;
    ap_rhs_eval(&x->rhs, 0, y, dy);

    const double *u1 = y + x->c->pop[ap_spec_population(h.s, "hidden1.pyr")].comp[0].state;
    const double *ui = y + x->c->pop[ap_spec_population(h.s, "hidden1.int")].comp[0].state;
    const double *u2 = y + x->c->pop[ap_spec_population(h.s, "output")].comp[0].state;
    const double *w10 = weights_in(&h, y, "forward1"), *w21 = weights_in(&h, y, "forward2");
    const double *ip = weights_in(&h, y, "interneuron1"), *pi = weights_in(&h, y, "lateral1");
    const double *td = weights_in(&h, y, "feedback1");
    double vb1[N1] = {0}, vtd[N1] = {0}, va[N1] = {0}, vb2[N2] = {0}, vi[N2] = {0};
    for (int i = 0; i < N1; i++) {
        for (int j = 0; j < N0; j++)
            vb1[i] += w10[i * N0 + j] * r0[j];
        for (int j = 0; j < N2; j++) {
            vtd[i] += td[i * N2 + j] * logistic(u2[j]);
            va[i] += pi[i * N2 + j] * logistic(ui[j]);
        }
        va[i] += vtd[i];
    }
    for (int i = 0; i < N2; i++)
        for (int j = 0; j < N1; j++) {
            vb2[i] += w21[i * N1 + j] * logistic(u1[j]);
            vi[i] += ip[i * N1 + j] * logistic(u1[j]);
        }
    const double lk = 0.13, gb = 1.1, ga = 0.7, gd = 0.9, nudge = 0.6, teacher = 0.5;
    double *d1 = dy + (u1 - y), *di = dy + (ui - y), *d2 = dy + (u2 - y);
    for (int i = 0; i < N1; i++)
        assert_true(fabs(d1[i] - (-lk * u1[i] + gb * (vb1[i] - u1[i]) + ga * (va[i] - u1[i]))) < 1e-13);
    for (int i = 0; i < N2; i++) {
        assert_true(fabs(di[i] - (-lk * ui[i] + gd * (vi[i] - ui[i]) + nudge * (u2[i] - ui[i]))) < 1e-13);
        assert_true(fabs(d2[i] - (-lk * u2[i] + gb * (vb2[i] - u2[i]) + teacher * (target[i] - u2[i]))) <
                    1e-13);
    }
    const struct {
        const char *name;
        int rows, cols;
        double eta;
    } rules[] = {{"forward1", N1, N0, 0.3},
                 {"forward2", N2, N1, 0.2},
                 {"interneuron1", N2, N1, 0.4},
                 {"lateral1", N1, N2, 0.1},
                 {"feedback1", N1, N2, 0.05}};
    for (int k = 0; k < (plastic_feedback ? 5 : 4); k++) {
        const struct ap_proj *p = harness_projection(&h, rules[k].name);
        for (int i = 0; i < rules[k].rows; i++)
            for (int j = 0; j < rules[k].cols; j++) {
                int at = i * rules[k].cols + j;
                double post = k == 0   ? logistic(u1[i]) - logistic(gb / (lk + gb + ga) * vb1[i])
                              : k == 1 ? logistic(u2[i]) - logistic(gb / (lk + gb) * vb2[i])
                              : k == 2 ? logistic(ui[i]) - logistic(gd / (lk + gd) * vi[i])
                              : k == 3 ? -va[i]
                                       : logistic(u1[i]) - logistic(vtd[i]);
                double pre = k == 0   ? r0[j]
                             : k < 3  ? logistic(u1[j])
                             : k == 3 ? logistic(ui[j])
                                      : logistic(u2[j]);
                assert_true(fabs(dy[p->w_state + (size_t)at] - rules[k].eta * y[p->d_state + (size_t)at]) <
                            1e-14);
                assert_true(fabs(dy[p->d_state + (size_t)at] -
                                 (post * pre - y[p->d_state + (size_t)at]) / 30) < 1e-14);
            }
    }
    harness_close(&h);
}

static void test_published_equations(void **state)
{
    (void)state;
    micro_case("0 /ms");
}

static void test_published_equations_with_rule_10(void **state)
{
    (void)state;
    micro_case("0.05 /ms");
}

/* Acceptance test 1: current and conductance form of nudging agree to 1e-12 for random reversal potentials. */
static void test_forms_of_nudging_agree(void **state)
{
    (void)state;
    for (int k = 0; k < 50; k++) {
        char reversal[96];
        double low = -3 + draw((uint64_t)k), high = low + 0.5 + 3 * fabs(draw((uint64_t)k + 100));
        snprintf(reversal, sizeof reversal, "microcircuit.reversal=[%.17g, %.17g]", low, high);
        const char *sets[] = {reversal, "integrator.weights=held", "microcircuit.nudging=conductance"};
        double dy[2][256], y[256];
        char text[1024];
        const char *hole = strstr(MICRO, "FEEDBACK");
        snprintf(text, sizeof text, "%.*s0 /ms%s", (int)(hole - MICRO), MICRO, hole + 8);
        for (int form = 0; form < 2; form++) {
            struct harness h;
            harness_open(&h, text, sets, form ? 3 : 2);
            for (size_t i = 0; i < h.x.c->n_state; i++)
                y[i] = draw((uint64_t)k * 1000 + i);
            h.x.rhs.now = (struct ap_presentation){10, true, false, h.s->block[0].plastic};
            for (size_t i = 0; i < h.x.c->n_rate; i++)
                h.x.rhs.clamp_to[i] = draw((uint64_t)k * 1000 + 500 + i);
            dy[form][h.x.c->n_state] = 42; /* the nudged somata are the last of the state */
            ap_rhs_eval(&h.x.rhs, 0, y, dy[form]);
            assert_true(dy[form][h.x.c->n_state] == 42);
            if (form)
                for (size_t i = 0; i < h.x.c->n_membrane; i++)
                    assert_true(fabs(dy[0][i] - dy[1][i]) < 1e-12);
            harness_close(&h);
        }
    }
}

/* Fields know where they are: until another pattern comes, or the state is another by a bit. */
static void test_where_fields_are(void **state)
{
    (void)state;
    static const char *const WEIGHTS[] = {"integrator.weights=held", "integrator.weights=coupled"};
    for (int coupled = 0; coupled < 2; coupled++) {
        struct harness h;
        harness_open_file(&h, CIRCUITS[0], &WEIGHTS[coupled], 1);
        struct ap_rhs *r = &h.x.rhs;
        double *y = h.x.g.y;
        for (uint64_t i = 0; i < h.x.c->n_state; i++)
            y[i] = draw(i);
        r->now.plastic = h.s->block[0].plastic;
        ap_rhs_begin(r, r->now.plastic);
        assert_false(ap_rhs_is_at(r, 0, y));
        ap_rhs_eval(r, 3, y, NULL);
        assert_int_equal(ap_rhs_is_at(r, 3, y), !coupled); /* weights in the state are not compared */
        assert_int_equal(ap_rhs_is_at(r, 3 * (1 + 0x1p-52), y), !coupled);
        assert_false(ap_rhs_is_at(r, 3.001, y));
        for (size_t i = 0; i < h.x.c->n_membrane; i++) {
            double was = y[i];
            y[i] = nextafter(was, 2);
            assert_false(ap_rhs_is_at(r, 3, y));
            y[i] = was;
        }
        ap_rhs_keep(r);
        ap_rhs_back(r);
        assert_false(ap_rhs_is_at(r, 3, y));
        ap_rhs_eval(r, 3, y, NULL);
        ap_rhs_begin(r, r->now.plastic);
        assert_false(ap_rhs_is_at(r, 3, y));
        harness_close(&h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where_fields_are),
        cmocka_unit_test(test_published_equations),
        cmocka_unit_test(test_published_equations_with_rule_10),
        cmocka_unit_test(test_forms_of_nudging_agree),
        cmocka_unit_test(test_product_one_to_one),
        cmocka_unit_test(test_product_coupled),
        cmocka_unit_test(test_product_held),
        cmocka_unit_test(test_product_with_interventions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
