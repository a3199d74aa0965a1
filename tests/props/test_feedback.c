/* Feedback weights: what is conserved with fixed ones, the angle of sign-symmetric ones, how Kolen-Pollack's become the
 * transpose, rule (10), and feedback that jumps over a layer. */
#include "../unit/harness.h"

#include "analysis.h"

/* ---- fixed random feedback ---------------------------------------------------------------------------- */

/* A linear network x -> h = W0 x -> y = W h in continuous time that learns by the plain delta rule from explicit error
 * cells e = target - y: dW/dt = eta e h^T, dW0/dt = eta (B e) x^T (Lillicrap et al. 2016). h is the basal sum itself, e what
 * the error cells send, so both rules multiply the very same signals. */
static const char LINEAR[] =
    "version: 1\nname: linear\nseed: 2\ncells:\n"
    "  hidden: {soma: {leak: 0.5 /ms, couple: {basal: 0.5 /ms, apical: 0.1 /ms}}, basal: instantaneous, "
    "apical: instantaneous}\n"
    "  out: {soma: {leak: 0.5 /ms, couple: {basal: 0.5 /ms, taught: 0.1 /ms}}, basal: instantaneous, taught: "
    "instantaneous}\n"
    "  error: {soma: {leak: 2 /ms, drive: 2 /ms}}\n"
    "populations:\n"
    "  x: {cell: clamped, size: 7, transfer: linear}\n  target: {cell: clamped, size: 4, transfer: linear}\n"
    "  h: {cell: hidden, size: 5, transfer: linear}\n  y: {cell: out, size: 4, transfer: linear}\n"
    "  e: {cell: error, size: 4, transfer: linear}\n"
    "projections:\n"
    "  - {name: W0, from: x, to: h/basal, weights: \"normal(0, 0.4)\", rule: {post: potential(apical), pre: "
    "rate, rate: 0.04 /ms}}\n"
    "  - {name: W, from: h, to: y/basal, weights: \"normal(0, 0.4)\", rule: {post: potential(taught), pre: "
    "potential(basal), rate: 0.04 /ms}}\n"
    "  - {name: B, from: e, to: h/apical, weights: \"normal(0, 0.5)\"}\n"
    "  - {name: wanted, from: target, to: e/soma, connect: one-to-one, weights: constant(1)}\n"
    "  - {name: got, from: y, to: e/soma, connect: one-to-one, weights: constant(-1)}\n"
    "  - {name: teach, from: e, to: y/taught, connect: one-to-one, weights: constant(1)}\n"
    "stimuli:\n"
    "  s: {of: x, kind: random, range: [-1, 1], smoothing: 3 ms}\n"
    "  t: {of: target, kind: random, range: [-1, 1], smoothing: 3 ms}\n"
    "schedule: [{name: learning, presentations: 20, duration: 20 ms}]\n"
    "integrator: {weights: coupled}\n";

enum { X = 7, H = 5, Y = 4 };

/* K = B W + W^T B^T - W0 W0^T, with h = W0 x exactly a constant of the motion. */
static void conserved(const struct harness *h, double k[H][H])
{
    const double *w0 = harness_projection(h, "W0")->w, *w = harness_projection(h, "W")->w,
                 *b = harness_projection(h, "B")->w;
    for (int i = 0; i < H; i++)
        for (int j = 0; j < H; j++) {
            k[i][j] = 0;
            for (int m = 0; m < Y; m++)
                k[i][j] += b[i * Y + m] * w[m * H + j] + b[j * Y + m] * w[m * H + i];
            for (int m = 0; m < X; m++)
                k[i][j] -= w0[i * X + m] * w0[j * X + m];
        }
}

static double drift_of_k(const char *const *sets, int n_sets, double *moved)
{
    struct harness h;
    double before[H][H], after[H][H], change = 0, size = 0;
    harness_open(&h, LINEAR, sets, n_sets);
    const struct ap_proj *w = harness_projection(&h, "W");
    double start[Y * H];
    memcpy(start, w->w, sizeof start);
    conserved(&h, before);
    harness_block(&h, 0);
    ap_sim_settle(&h.x);
    conserved(&h, after);
    *moved = 0;
    for (int i = 0; i < Y * H; i++)
        *moved = fmax(*moved, fabs(w->w[i] - start[i]));
    for (int i = 0; i < H * H; i++) {
        change = fmax(change, fabs((&after[0][0])[i] - (&before[0][0])[i]));
        size = fmax(size, fabs((&before[0][0])[i]));
    }
    harness_close(&h);
    return change / size;
}

static void test_conserved_quantity(void **state)
{
    (void)state;
    double moved, drift[4];
    for (int k = 0; k < 4; k++) {
        char rtol[48], atol[48];
        snprintf(rtol, sizeof rtol, "integrator.rtol=1e-%d", 4 + 2 * k);
        snprintf(atol, sizeof atol, "integrator.atol=1e-%d", 6 + 2 * k);
        const char *sets[] = {rtol, atol};
        drift[k] = drift_of_k(sets, 2, &moved);
        print_message("rtol 1e-%d: K drifts by %.1e, weights move by %.2f\n", 4 + 2 * k, drift[k], moved);
        assert_true(moved > 0.1);
        assert_true(drift[k] < 100 * pow(10, -4 - 2 * k));
        assert_true(k == 0 || (drift[k] < drift[k - 1] / 5 && drift[k] > drift[k - 1] / 2000));
    }
    double slope = log10(drift[0] / drift[3]) / 6;
    print_message("drift as rtol^%.2f\n", slope);
    assert_true(slope > 0.75 && slope < 1.25);
    const char *euler[] = {"integrator.kind=euler", "integrator.weights=held", "integrator.step=0.1 ms"};
    double coarse = drift_of_k(euler, 3, &moved);
    print_message("Euler, 0.1 ms: %.1e\n", coarse);
    assert_true(coarse > 100 * drift[1]);
}

/* ---- sign-symmetric feedback ---------------------------------------------------------------------------- */

/* cos = E|w| / sqrt(E w^2) = sqrt(2/pi) for a normal w; the mean over n = 60 000 weights has a standard deviation of
 * sqrt(0.0451 / n), 0.08 degrees. */
static void test_sign_feedback(void **state)
{
    (void)state;
    static const char TEXT[] =
        "version: 1\nname: signs\nseed: %d\nmicrocircuit:\n  layers: [3, 300, 200]\n"
        "  weights: {forward: \"normal(0, 0.3)\", feedback: [\"transposed-sign(forward2, 0.25)\"]}\n"
        "stimulus: {kind: random}\ntarget: {kind: random}\n"
        "schedule: [{name: a, presentations: 1, duration: 1 ms}]\n";
    for (int seed = 0; seed < 3; seed++) {
        char text[1024];
        struct harness h;
        struct ap_analysis a;
        snprintf(text, sizeof text, TEXT, seed);
        harness_open(&h, text, NULL, 0);
        const double *b = harness_projection(&h, "feedback1")->w, *w = harness_projection(&h, "forward2")->w;
        for (int i = 0; i < 300; i++)
            for (int j = 0; j < 200; j++)
                assert_true(b[i * 200 + j] == (w[j * 300 + i] > 0 ? 0.25 : -0.25));
        harness_block(&h, 0);
        assert_int_equal(ap_analysis_open(h.e, &a, &h.x.rhs), AP_OK);
        double angle = ap_analysis_feedback_angle(&a, 1);
        print_message("sign feedback: %.3f degrees, arccos sqrt(2/pi) = 37.074\n", angle);
        assert_true(fabs(angle - 37.0735) < 4 * 0.083);
        ap_analysis_free(&a);
        harness_close(&h);
    }
}

/* ---- Kolen-Pollack ---------------------------------------------------------------------------------------- */

static const char MIRRORED[] =
    "version: 1\nname: mirrored\nseed: 4\nmicrocircuit:\n  layers: [6, 8, 5]\n"
    "  weights: {forward: \"normal(0, 0.5)\", feedback: \"normal(0, 0.5)\"}\n"
    "  plasticity: {forward: 0.02 /ms, interneuron: 0.02 /ms, lateral: 0.02 /ms, feedback: %g /ms,\n"
    "    feedback-rule: kolen-pollack, decay: 0.01 /ms, lowpass: %s}\n"
    "stimulus: {kind: random, smoothing: 3 ms}\ntarget: {kind: random, range: [0.1, 0.9], smoothing: 3 ms}\n"
    "schedule: [{name: learning, presentations: 6, duration: 50 ms}]\n"
    "integrator: {rtol: 1e-8, atol: 1e-10}\n";

/* W / eta_W - B^T / eta_B, whose every element decays as exp(-decay t) whatever the data. */
static void mirror(const struct harness *h, double *out)
{
    const struct ap_proj *w = harness_projection(h, "forward2"), *b = harness_projection(h, "feedback1");
    for (size_t i = 0; i < w->rows; i++)
        for (size_t j = 0; j < w->cols; j++)
            out[i * w->cols + j] = w->w[i * w->cols + j] / w->eta - b->w[j * b->cols + i] / b->eta;
}

static void test_kolen_pollack(void **state)
{
    (void)state;
    static const struct {
        const char *name, *weights, *kind;
        double most;
    } WAYS[] = {{"coupled", "integrator.weights=coupled", "integrator.kind=bdf", 1e-6},
                {"held", "integrator.weights=held", "integrator.kind=bdf", 1e-12},
                {"Euler", "integrator.weights=held", "integrator.kind=euler", 1e-11}};
    for (int way = 0; way < 3; way++)
        for (int k = 0; k < 4; k++) {
            struct harness h;
            char text[1024];
            double rate = k % 2 ? 0.007 : 0.02, before[40], after[40], error = 0, size = 0, turned = 0;
            snprintf(text, sizeof text, MIRRORED, rate, k / 2 ? "30 ms" : "0 ms");
            const char *sets[] = {WAYS[way].weights, WAYS[way].kind};
            harness_open(&h, text, sets, 2);
            const struct ap_proj *w = harness_projection(&h, "forward2");
            double start[40];
            memcpy(start, w->w, sizeof start);
            mirror(&h, before);
            harness_block(&h, 0);
            ap_sim_settle(&h.x);
            mirror(&h, after);
            double left = way == 2 ? pow(1 - 0.01 * 0.1, 3000) : exp(-0.01 * 300);
            for (int i = 0; i < 40; i++) {
                error = fmax(error, fabs(after[i] - left * before[i]));
                size = fmax(size, fabs(left * before[i]));
                turned = fmax(turned, fabs(w->w[i] - left * start[i]));
            }
            print_message("Kolen-Pollack, %s, eta_B / eta_W %.2f, lowpass %s: off by %.1e\n", WAYS[way].name,
                          rate / 0.02, k / 2 ? "30 ms" : "0", error / size);
            assert_true(error / size < WAYS[way].most);
            assert_true(turned > 0.01); /* the rule did something beyond the decay */
            harness_close(&h);
        }
}

/* ---- rule (10) --------------------------------------------------------------------------------------------- */

/* One pattern again and again: the top-down input comes to predict the hidden somata, phi(B r) = phi(u). */
static void test_topdown_rule(void **state)
{
    (void)state;
    static const char TEXT[] =
        "version: 1\nname: topdown\nseed: 4\nmicrocircuit:\n  layers: [6, 8, 5]\n"
        "  weights: {forward: uniform(-1, 1), feedback: uniform(-1, 1)}\n"
        "  plasticity: {feedback: 0.02 /ms}\n"
        "stimulus: {kind: random, patterns: 1}\ntarget: {kind: random, patterns: 1, range: [0.1, 0.9]}\n"
        "schedule: [{name: learning, presentations: 100, duration: 50 ms}]\n";
    for (int coupled = 0; coupled < 2; coupled++) {
        struct harness h;
        const char *sets[] = {coupled ? "integrator.weights=coupled" : "integrator.weights=held"};
        harness_open(&h, TEXT, sets, 1);
        size_t n;
        const double *topdown = harness_potential(&h, "hidden1.pyr", "topdown", &n),
                     *soma = harness_potential(&h, "hidden1.pyr", "soma", NULL);
        assert_int_equal(ap_sim_present(h.e, &h.x, 0, 0), AP_OK);
        double first = 0, last = 0;
        for (size_t i = 0; i < n; i++)
            first = fmax(first, fabs(topdown[i] - soma[i]));
        harness_block(&h, 0);
        for (size_t i = 0; i < n; i++)
            last = fmax(last, fabs(topdown[i] - soma[i]));
        print_message("rule (10): top-down input from somata %.1e, after learning %.1e\n", first, last);
        assert_true(first > 0.1 && last < 1e-4);
        harness_close(&h);
    }
}

/* ---- direct feedback ---------------------------------------------------------------------------------------- */

/* Both hidden layers hear the output; the interneurons of the upper one, which mirror the output, cancel it in both. */
static const char DIRECT[] =
    "version: 1\nname: direct\nseed: 5\ncells:\n"
    "  pyr: {soma: {leak: 0.1 /ms, couple: {basal: 1 /ms, apical: %.17g /ms}}, basal: instantaneous, apical: "
    "instantaneous}\n"
    "populations:\n  input: {cell: clamped, size: 6}\n  target: {cell: clamped, size: 4, transfer: "
    "logistic}\n"
    "  h1: {cell: pyr, size: 9}\n  h2: {cell: pyr, size: 7}\n  inter: {cell: interneuron, size: 4}\n"
    "  output: {cell: output, size: 4}\n"
    "projections:\n"
    "  - {name: W1, from: input, to: h1/basal, weights: \"uniform(-1, 1)\"}\n"
    "  - {name: W2, from: h1, to: h2/basal, weights: \"uniform(-1, 1)\"}\n"
    "  - {name: W3, from: h2, to: output/basal, weights: \"uniform(-1, 1)\"}\n"
    "  - {name: B1, from: output, to: h1/apical, weights: \"uniform(-1, 1)\"}\n"
    "  - {name: B2, from: output, to: h2/apical, weights: transposed(W3)}\n"
    "  - {name: IP, from: h2, to: inter/dendrite, weights: self-predicting(W3)}\n"
    "  - {name: PI1, from: inter, to: h1/apical, weights: minus(B1)}\n"
    "  - {name: PI2, from: inter, to: h2/apical, weights: minus(B2)}\n"
    "  - {name: nudge, from: output/soma, to: inter/soma, connect: one-to-one, conductance: %.17g /ms}\n"
    "  - {name: teacher, from: target/soma, to: output/soma, connect: one-to-one, conductance: %.17g /ms, "
    "gate: teacher}\n"
    "stimuli:\n  s: {of: input, kind: random}\n  t: {of: target, kind: random, range: [0.1, 0.9]}\n"
    "schedule:\n  - {name: quiet, presentations: 1, duration: 400 ms, teacher: off}\n"
    "  - {name: taught, presentations: 1, duration: 400 ms}\n"
    "integrator: {kind: euler, step: 0.2 ms}\n";

static void test_direct_feedback(void **state)
{
    (void)state;
    double last = 0;
    for (int k = 0; k < 3; k++) {
        struct harness h;
        struct ap_analysis a;
        char text[4096];
        double g = 0.08 * pow(10, -k);
        snprintf(text, sizeof text, DIRECT, g, g, g);
        harness_open(&h, text, NULL, 0);
        assert_int_equal(ap_analysis_open(h.e, &a, &h.x.rhs), AP_OK);
        assert_int_equal(a.path.n, 3);
        const struct ap_pathway_feedback *f1 = &a.path.layer[1].feedback[0],
                                         *f2 = &a.path.layer[2].feedback[0];
        assert_true(a.path.layer[1].n_feedback == 1 && a.path.layer[2].n_feedback == 1);
        assert_true(f1->from == 3 && f2->from == 3);
        assert_string_equal(h.s->proj[f1->proj].name, "B1");
        assert_string_equal(h.s->proj[f1->lateral].name, "PI1");
        assert_string_equal(h.s->proj[f2->lateral].name, "PI2");
        harness_block(&h, 0);
        size_t n;
        const double *apical = harness_potential(&h, "h1", "apical", &n);
        for (size_t i = 0; i < n; i++) /* self-predicting: silent without teacher */
            assert_true(fabs(apical[i]) < 1e-12);
        harness_block(&h, 1);
        ap_analysis_eval(&a);
        double error = ap_analysis_formula_error(&a, 1);
        print_message("direct feedback, g %.3f: formula off by %.1e and %.1e, apical angles %.1f and %.1f\n",
                      g, error, ap_analysis_formula_error(&a, 2), ap_analysis_apical_angle(&a, 1, NULL),
                      ap_analysis_apical_angle(&a, 2, NULL));
        for (size_t i = 0; i < n; i++)
            assert_true(fabs(a.layer[1].topdown[i] + a.layer[1].lateral[i] - a.layer[1].apical[i]) < 1e-14);
        assert_true(k == 0 || (error < last / 5 && error > last / 20)); /* first order in g */
        last = error;
        assert_true(ap_analysis_apical_angle(&a, 2, NULL) < 5); /* transposed: the gradient */
        assert_true(ap_analysis_feedback_angle(&a, 2) < 1e-5 && ap_analysis_feedback_angle(&a, 1) > 30);
        /* Feedback weights (W3 W2)^T have no angle to all the ways up. */
        struct ap_proj *b = harness_projection(&h, "B1"), *w2 = harness_projection(&h, "W2"),
                       *w3 = harness_projection(&h, "W3");
        for (size_t i = 0; i < 9; i++)
            for (size_t j = 0; j < 4; j++) {
                b->w[i * 4 + j] = 0;
                for (size_t m = 0; m < 7; m++)
                    b->w[i * 4 + j] += w3->w[j * 7 + m] * w2->w[m * 9 + i];
            }
        assert_true(ap_analysis_feedback_angle(&a, 1) < 1e-5);
        ap_analysis_free(&a);
        harness_close(&h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conserved_quantity), cmocka_unit_test(test_sign_feedback),
        cmocka_unit_test(test_kolen_pollack),      cmocka_unit_test(test_topdown_rule),
        cmocka_unit_test(test_direct_feedback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
