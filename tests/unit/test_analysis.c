/* Backprop beside the circuit: gradients against central differences, the forward pass against the relaxed circuit, parts
 * of the apical potential against the whole; circuits that hold no feedforward network. */
#include "analysis.h"
#include "harness.h"

static const char TWO_HIDDEN[] =
    "version: 1\nname: two\nseed: 5\nmicrocircuit:\n  layers: [6, 9, 7, 4]\n  transfer: logistic\n"
    "  weights: {forward: uniform(-1, 1), feedback: uniform(-1, 1)}\n"
    "  plasticity: {forward: 0.001 /ms, interneuron: 0.001 /ms, lateral: 0.001 /ms}\n"
    "stimulus: {kind: random, range: [0, 1]}\ntarget: {kind: random, range: [0.1, 0.9]}\n"
    "schedule:\n  - {name: quiet, presentations: 1, duration: 400 ms, teacher: off, plasticity: off}\n"
    "  - {name: taught, presentations: 1, duration: 400 ms, plasticity: off}\n"
    "  - {name: learning, presentations: 3, duration: 50 ms}\n"
    "integrator: {kind: euler, step: 0.2 ms}\n";

static void analyse(struct harness *h, struct ap_analysis *a)
{
    if (ap_analysis_open(h->e, a, &h->x.rhs) != AP_OK)
        harness_fail(h);
    ap_analysis_eval(a);
}

static void test_gradients(void **state)
{
    (void)state;
    static const char *const TRANSFER[] = {
        "microcircuit.transfer=logistic", "microcircuit.transfer=softplus(1, 1, 0)",
        "microcircuit.transfer=tanh", "microcircuit.transfer=softplus(0.1, 1, 3)"};
    double worst = 0;
    for (int t = 0; t < 4; t++)
        for (int loss = 0; loss < 2; loss++) {
            struct harness h;
            struct ap_analysis a;
            const char *sets[] = {TRANSFER[t], "target.as=potential", "integrator.limit=1e6"};
            harness_open(&h, TWO_HIDDEN, sets, 3);
            harness_block(&h, 0);
            analyse(&h, &a);
            assert_int_equal(a.path.n, 3);
            ap_analysis_backward(&a, (enum ap_analysis_loss)loss);
            for (int k = 1; k <= 3; k++) {
                struct ap_proj *p = &h.x.c->proj[a.path.layer[k].forward];
                double g[81], difference = 0, size = 0;
                ap_analysis_forward(&a);
                ap_analysis_backward(&a, (enum ap_analysis_loss)loss);
                ap_analysis_gradient(&a, k, g);
                for (size_t i = 0; i < p->rows * p->cols; i++) {
                    double w = p->w[i], side[4], d = 1e-3;
                    for (int s = 0; s < 4; s++) { /* fourth order: at -2, -1, 1, 2 */
                        p->w[i] = w + (s - 2 + (s > 1)) * d;
                        ap_analysis_forward(&a);
                        side[s] = ap_analysis_loss(&a, (enum ap_analysis_loss)loss);
                    }
                    p->w[i] = w;
                    double numeric = (8 * (side[2] - side[1]) - (side[3] - side[0])) / (12 * d);
                    difference = fmax(difference, fabs(numeric - g[i]));
                    size = fmax(size, fabs(g[i]));
                }
                assert_true(size > 0);
                worst = fmax(worst, difference / size);
            }
            ap_analysis_free(&a);
            harness_close(&h);
        }
    print_message("gradients: largest difference %.1e of the largest element\n", worst);
    assert_true(worst < 1e-7);
}

/* Without teacher a self-predicting circuit computes the forward pass, whatever its conductances. */
static void test_forward_pass(void **state)
{
    (void)state;
    const char *sets[] = {
        "microcircuit.conductance={leak: 0.2 /ms, basal: 1.1 /ms, apical: 0.7 /ms, dendrite: 1.6 "
        "/ms, nudge: 0.5 /ms}"};
    double worst = 0;
    for (int other = 0; other < 2; other++) {
        struct harness h;
        struct ap_analysis a;
        harness_open(&h, TWO_HIDDEN, sets, other);
        harness_block(&h, 0);
        analyse(&h, &a);
        for (int k = 0; k <= a.path.n; k++) {
            const struct ap_pop *p = &h.x.c->pop[a.path.layer[k].pop];
            for (size_t i = 0; i < p->n; i++) {
                worst = fmax(worst, fabs(a.layer[k].u[i] - h.x.rhs.v[p->comp[0].value + i]));
                worst = fmax(worst, fabs(a.layer[k].r[i] - h.x.rhs.rate[p->rate + i]));
            }
        }
        double cosine = 0;
        assert_true(isnan(ap_analysis_apical_angle(&a, 1, &cosine)) && isnan(cosine));
        assert_true(isnan(ap_analysis_apical_ratio(&a, 1)) &&
                    isnan(ap_analysis_gradient_angle(&a, 1, false)));
        ap_analysis_free(&a);
        harness_close(&h);
    }
    print_message("forward pass: largest distance from the relaxed circuit %.1e\n", worst);
    assert_true(worst < 1e-12);
}

/* Dynamic dendrites with back-coupling: the attenuation is that of the whole cell. */
static void test_dynamic_dendrites(void **state)
{
    (void)state;
    const char *sets[] = {"microcircuit.weights.lateral=uniform(0, 0)",
                          "microcircuit.weights.feedback=uniform(0, 0)", "schedule.silent.duration=2000 ms",
                          "integrator.rtol=1e-10", "integrator.atol=1e-12"};
    struct harness h;
    struct ap_analysis a;
    harness_open_file(&h, "circuits/dynamic_dendrites.yaml", sets, 5);
    harness_block(&h, 1);
    analyse(&h, &a);
    double worst = 0;
    for (int k = 1; k <= a.path.n; k++) {
        const struct ap_pop *p = &h.x.c->pop[a.path.layer[k].pop];
        for (size_t i = 0; i < p->n; i++)
            worst = fmax(worst, fabs(a.layer[k].u[i] - h.x.rhs.v[p->comp[0].value + i]));
    }
    print_message("dynamic dendrites: largest distance %.1e\n", worst);
    assert_true(worst < 1e-7);
    ap_analysis_free(&a);
    harness_close(&h);
}

static void test_parts(void **state)
{
    (void)state;
    for (int split = 0; split < 2; split++) {
        const char *sets[] = {"microcircuit.plasticity.feedback=0.0001 /ms"};
        struct harness h;
        struct ap_analysis a;
        harness_open(&h, TWO_HIDDEN, sets, split);
        harness_block(&h, 1);
        harness_block(&h, 2);
        analyse(&h, &a);
        for (int k = 1; k < a.path.n; k++) {
            const struct ap_analysis_layer *l = &a.layer[k];
            const struct ap_pathway_layer *p = &a.path.layer[k];
            double top[16], side[16], nothing[16];
            assert_true(p->n_feedback == 1 && p->feedback[0].lateral >= 0 && p->feedback[0].nudge >= 0);
            ap_analysis_part(&a, k, p->feedback[0].proj, top);
            ap_analysis_part(&a, k, p->feedback[0].lateral, side);
            ap_analysis_part(&a, k, p->forward, nothing);
            double size = 0;
            for (size_t i = 0; i < l->n; i++) {
                assert_true(fabs(l->topdown[i] + l->lateral[i] - l->apical[i]) < 1e-14);
                assert_true(top[i] == l->topdown[i] && side[i] == l->lateral[i] && nothing[i] == 0);
                size = fmax(size, fabs(l->apical[i]));
            }
            assert_true(size > 1e-4);
            double cosine, angle = ap_analysis_apical_angle(&a, k, &cosine);
            assert_true(fabs(cos(angle * 3.14159265358979323846 / 180) - cosine) < 1e-12);
            assert_true(ap_analysis_apical_ratio(&a, k) > 0);
            assert_true(ap_analysis_feedback_angle(&a, k) > 30 && ap_analysis_feedback_angle(&a, k) < 150);
        }
        ap_analysis_free(&a);
        harness_close(&h);
    }
}

/* The sharp apical potential is the plain one with other roundings, and the plain one itself where more arrives than feedback
 * and its prediction. */
static void test_sharp(void **state)
{
    (void)state;
    const char *sets[] = {"interventions=[{name: hold, kind: clamp, of: hidden1.pyr/apical, value: 0.5}]"};
    for (int clamped = 0; clamped < 2; clamped++) {
        struct harness h;
        struct ap_analysis a;
        harness_open(&h, TWO_HIDDEN, sets, clamped);
        harness_block(&h, 1);
        analyse(&h, &a);
        int other = 0;
        for (int k = 1; k < a.path.n; k++)
            for (size_t i = 0; i < a.layer[k].n; i++) {
                double apart = a.layer[k].sharp[i] - a.layer[k].apical[i];
                assert_true(fabs(apart) < 4e-15);
                assert_true(apart == 0 || k > 1 || !clamped);
                other += k == 1 && apart != 0;
            }
        assert_true(clamped ? a.layer[1].sharp[0] == 0.5 : other > 0);
        ap_analysis_free(&a);
        harness_close(&h);
    }
}

static void test_angles(void **state)
{
    (void)state;
    const double x[3] = {1, 0, 0}, y[3] = {0, 2, 0}, z[3] = {-3, 0, 0}, near[3] = {1, 1e-9, 0}, none[3] = {0};
    double cosine;
    assert_true(fabs(ap_analysis_angle(3, x, y, &cosine) - 90) < 1e-13 && fabs(cosine) < 1e-15);
    assert_true(fabs(ap_analysis_angle(3, x, z, NULL) - 180) < 1e-6);
    assert_true(ap_analysis_angle(3, x, x, NULL) == 0);
    double small = ap_analysis_angle(3, x, near, NULL), expected = 1e-9 * 180 / 3.14159265358979323846;
    assert_true(fabs(small / expected - 1) < 1e-9);
    assert_true(isnan(ap_analysis_angle(3, x, none, &cosine)) && isnan(cosine));
}

/* Probes say what the analysis says; without teacher they are NaN. */
static void test_probes(void **state)
{
    (void)state;
    char text[2048];
    static const char *const KIND[] = {"apical-angle", "apical-ratio", "apical-formula-error",
                                       "gradient-angle"};
    snprintf(text, sizeof text, "%sprobes:\n", TWO_HIDDEN);
    for (int i = 0; i < 4; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "  - {kind: %s, %s}\n", KIND[i],
                 i < 3 ? "of: hidden2.pyr" : "projection: forward2");
    for (int program = 0; program < 2; program++) {
        struct harness h;
        struct ap_analysis a;
        harness_open(&h, text, NULL, 0);
        harness_block(&h, program);
        analyse(&h, &a);
        const double expected[] = {ap_analysis_apical_angle(&a, 2, NULL), ap_analysis_apical_ratio(&a, 2),
                                   ap_analysis_formula_error(&a, 2),
                                   ap_analysis_gradient_angle(&a, 2, false)};
        for (int i = 0; i < 4; i++) {
            double got = h.x.recorder.column[ap_runlog_column(h.s, i)];
            assert_true(program ? got == expected[i] && got > 0 : isnan(got) && isnan(expected[i]));
        }
        ap_analysis_free(&a);
        harness_close(&h);
    }
}

/* What is wrong is said. */
static void refused(const char *text, const char *const *sets, int n_sets, const char *message)
{
    struct ap_err *e = ap_err_create();
    struct ap_spec *s = ap_spec_parse("test.yaml", text, strlen(text), sets, n_sets, e);
    struct ap_pathway path;
    if (!s)
        fail_msg("%s", ap_err_message(e, 0));
    assert_int_equal(ap_pathway_find(e, NULL, s, &path), AP_EUSAGE);
    if (!strstr(ap_err_message(e, 0), message))
        fail_msg("found '%s', expected '%s'", ap_err_message(e, 0), message);
    ap_spec_free(s);
    ap_err_free(e);
}

static void test_circuits_without_a_pathway(void **state)
{
    (void)state;
#define HEAD                                                                                                 \
    "version: 1\nname: x\nseed: 1\npopulations:\n  in: {cell: clamped, size: 2, transfer: linear}\n"         \
    "  goal: {cell: clamped, size: 2, transfer: linear}\n  mid: {cell: output, size: 2}\n"                   \
    "  out: {cell: output, size: 2}\nstimuli:\n  a: {of: in, kind: random}\n  b: {of: goal, kind: random}\n" \
    "schedule: [{name: a, presentations: 1, duration: 1 ms}]\nprojections:\n"
#define TEACHER                                                                                              \
    "  - {name: t, from: goal/soma, to: out/soma, connect: one-to-one, conductance: 1 /ms, gate: teacher}\n"
#define FROM(name, pre, post)                                                                                \
    "  - {name: " name ", from: " pre ", to: " post "/basal, weights: uniform(-1, 1)}\n"
    refused(HEAD FROM("f", "in", "out"), NULL, 0, "no teacher");
    refused(HEAD TEACHER, NULL, 0, "nothing reaches out/basal");
    refused(HEAD TEACHER FROM("f", "in", "out") FROM("g", "mid", "out") FROM("h", "in", "mid"), NULL, 0,
            "both f and g reach out/basal");
    refused(HEAD TEACHER FROM("f", "mid", "out") FROM("g", "out", "mid"), NULL, 0, "drives itself");
    refused(HEAD TEACHER FROM("f", "mid", "out") FROM("g", "in", "mid"), NULL, 0,
            "hidden layer mid has no compartment `apical`");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_forward_pass),
        cmocka_unit_test(test_dynamic_dendrites),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_sharp),
        cmocka_unit_test(test_angles),
        cmocka_unit_test(test_probes),
        cmocka_unit_test(test_circuits_without_a_pathway),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
