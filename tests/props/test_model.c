/* Analytic results of the model: self-predicting state, exact relations with the teacher on, time constants, noise. */
#include "../unit/harness.h"

/* A microcircuit relaxed to its steady state by explicit Euler, which contracts to machine precision. */
static void relax(struct harness *h, const char *layers, double dendrite, double apical, double nudge,
                  uint64_t seed, bool teacher)
{
    char text[1024];
    snprintf(text, sizeof text,
             "version: 1\nname: relax\nseed: %llu\nmicrocircuit:\n  layers: %s\n"
             "  conductance: {leak: 0.1 /ms, basal: 1 /ms, apical: %.17g /ms, dendrite: %.17g /ms, nudge: "
             "%.17g /ms}\n"
             "  weights: {forward: uniform(-1, 1), feedback: uniform(-1, 1)}\n"
             "stimulus: {kind: random, range: [0, 1]}\ntarget: {kind: random, range: [0.1, 0.9]}\n"
             "schedule: [{name: a, presentations: 1, duration: 400 ms, teacher: %s}]\n"
             "integrator: {kind: euler, step: 0.1 ms}\n",
             (unsigned long long)seed, layers, apical, dendrite, nudge, teacher ? "on" : "off");
    harness_open(h, text, NULL, 0);
    harness_block(h, 0);
}

/* Acceptance test 3: without teacher the apical dendrites of a self-predicting circuit are silent. */
static void test_self_predicting_state(void **state)
{
    (void)state;
    static const char *const LAYERS[] = {"[6, 9, 4]", "[6, 9, 7, 4]", "[6, 9, 7, 8, 4]"};
    double worst = 0;
    for (int hidden = 1; hidden <= 3; hidden++)
        for (uint64_t seed = 0; seed < 4; seed++)
            for (int g = 0; g < 2; g++) {
                struct harness h;
                relax(&h, LAYERS[hidden - 1], g ? 1.7 : 1.0, 0.8, 0.8, seed, false);
                for (int k = 1; k <= hidden; k++) {
                    char pyr[32], inter[32], above[32];
                    snprintf(pyr, sizeof pyr, "hidden%d.pyr", k);
                    snprintf(inter, sizeof inter, "hidden%d.int", k);
                    snprintf(above, sizeof above, k == hidden ? "output" : "hidden%d.pyr", k + 1);
                    size_t n, m;
                    const double *apical = harness_potential(&h, pyr, "apical", &n);
                    const double *u = harness_potential(&h, inter, "soma", &m),
                                 *v = harness_potential(&h, above, "soma", NULL);
                    for (size_t i = 0; i < n; i++)
                        worst = fmax(worst, fabs(apical[i]));
                    for (size_t i = 0; i < m; i++)
                        worst = fmax(worst, fabs(u[i] - v[i]));
                }
                harness_close(&h);
            }
    print_message("largest apical potential or mismatch without teacher: %.1e\n", worst);
    assert_true(worst < 1e-12);
}

/* Acceptance test 4: the exact relations with the teacher on, at g = 0.8. */
static void test_exact_relations(void **state)
{
    (void)state;
    const double lk = 0.1, g = 0.8, gd = 1.3;
    const double lambda_i = g / (lk + gd + g), lambda_out = g / (lk + 1 + g), lambda_h = g / (lk + 1 + g);
    double worst = 0, size = 0;
    for (uint64_t seed = 0; seed < 6; seed++) {
        struct harness h;
        relax(&h, "[6, 9, 7, 4]", gd, g, g, seed, true);
        size_t n;
        const double *u3 = harness_potential(&h, "output", "soma", &n),
                     *v3 = harness_potential(&h, "output", "basal", NULL);
        const double *i2 = harness_potential(&h, "hidden2.int", "soma", NULL),
                     *t = harness_potential(&h, "target", "soma", NULL);
        for (size_t i = 0; i < n; i++) {
            double prediction = v3[i] / (lk + 1);
            worst = fmax(worst, fabs(u3[i] - i2[i] - (1 - lambda_i) * (u3[i] - prediction)));
            worst = fmax(worst, fabs(u3[i] - i2[i] - (1 - lambda_i) * lambda_out * (t[i] - prediction)));
            size = fmax(size, fabs(u3[i] - i2[i]));
        }
        const double *u2 = harness_potential(&h, "hidden2.pyr", "soma", &n),
                     *a2 = harness_potential(&h, "hidden2.pyr", "apical", NULL);
        const double *i1 = harness_potential(&h, "hidden1.int", "soma", NULL);
        for (size_t i = 0; i < n; i++)
            worst = fmax(worst, fabs(u2[i] - i1[i] - (1 - lambda_i) * lambda_h * a2[i]));
        const double *a1 = harness_potential(&h, "hidden1.pyr", "apical", &n);
        const struct ap_proj *b = harness_projection(&h, "feedback1");
        for (size_t i = 0; i < n; i++) {
            double sum = 0;
            for (size_t j = 0; j < b->cols; j++)
                sum += b->w[i * b->cols + j] * (1 / (1 + exp(-u2[j])) - 1 / (1 + exp(-i1[j])));
            worst = fmax(worst, fabs(a1[i] - sum));
        }
        harness_close(&h);
    }
    print_message("largest violation %.1e of quantities up to %.2f\n", worst, size);
    assert_true(worst < 1e-12);
    assert_true(size > 0.1);
}

/* Acceptance test 2: stationary noise of a linear membrane: sigma / sqrt(2 g). */
static double noise_sd(const char *integrator, double sigma)
{
    char text[1024];
    snprintf(text, sizeof text,
             "version: 1\nname: noisy\nseed: 4\ncells:\n  one: {soma: {leak: 1.9 /ms}}\n"
             "populations:\n  cells: {cell: one, size: 400, transfer: linear, noise: %.17g /sqrt(ms)}\n"
             "schedule: [{name: settle, presentations: 1, duration: 10 ms}, {name: a, presentations: 60, "
             "duration: 5 ms}]\n"
             "integrator: %s\n",
             sigma, integrator);
    struct harness h;
    harness_open(&h, text, NULL, 0);
    harness_block(&h, 0);
    double sum = 0;
    for (uint64_t k = 0; k < 60; k++) {
        assert_int_equal(ap_sim_present(h.e, &h.x, 1, k), AP_OK);
        for (int i = 0; i < 400; i++)
            sum += h.x.g.y[i] * h.x.g.y[i];
    }
    harness_close(&h);
    return sqrt(sum / 24000);
}

static double size_of(const struct harness *h, const char *pop)
{
    size_t n;
    const double *v = harness_potential(h, pop, "apical", &n);
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += v[i] * v[i];
    return sqrt(sum);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Self-prediction is a property of the steady state: when the pattern switches, without teacher, the top hidden layer
 * stays silent, as output and interneurons follow the same equation, and the one below answers with a transient.
 * Medians of the peaks over draws of weights and patterns. */
static void transients(const char *conductance, double reference)
{
    enum { DRAWS = 21 };
    double peak[3][DRAWS] = {{0}};
    for (uint64_t seed = 0; seed < DRAWS; seed++) {
        char text[1024];
        snprintf(
            text, sizeof text,
            "version: 1\nname: switch\nseed: %llu\nmicrocircuit:\n  layers: [6, 12, 10, 4]\n"
            "  conductance: %s\n  weights: {forward: uniform(-1, 1), feedback: uniform(-1, 1)}\n"
            "stimuli:\n  one: {of: input, kind: random, range: [0, 1]}\n"
            "  two: {of: input, kind: random, range: [0, 1]}\n  goal: {of: target, kind: random}\n"
            "schedule:\n"
            "  - {name: before, presentations: 1, duration: 800 ms, teacher: off, present: [one, goal]}\n"
            "  - {name: after, presentations: 600, duration: 0.1 ms, teacher: off, present: [two, goal]}\n"
            "integrator: {kind: bdf, rtol: 1e-10, atol: 1e-13}\n",
            (unsigned long long)seed, conductance);
        struct harness h;
        harness_open(&h, text, NULL, 0);
        harness_block(&h, 0);
        for (uint64_t k = 0; k < 600; k++) {
            if (ap_sim_present(h.e, &h.x, 1, k) != AP_OK)
                harness_fail(&h);
            peak[1][seed] = fmax(peak[1][seed], size_of(&h, "hidden1.pyr"));
            peak[2][seed] = fmax(peak[2][seed], size_of(&h, "hidden2.pyr"));
        }
        harness_close(&h);
    }
    for (int k = 1; k < 3; k++)
        qsort(peak[k], DRAWS, sizeof(double), by_size);
    print_message("switch of pattern: hidden 1 peaks at %.4f (median of %d draws, %.4f to %.4f), hidden 2 at "
                  "most %.1e\n",
                  peak[1][DRAWS / 2], DRAWS, peak[1][0], peak[1][DRAWS - 1], peak[2][DRAWS - 1]);
    assert_true(peak[2][DRAWS - 1] < 1e-7);
    assert_true(fabs(peak[1][DRAWS / 2] / reference - 1) < 0.5);
}

static void test_transients(void **state)
{
    (void)state;
    transients("{leak: 0.1 /ms, basal: 1 /ms, apical: 0.8 /ms, dendrite: 1 /ms, nudge: 0.8 /ms}", 0.016);
    transients("{leak: 0.03 /ms, basal: 0.1 /ms, apical: 0.06 /ms, dendrite: 0.1 /ms, nudge: 0.06 /ms}",
               0.011);
}

static void test_noise(void **state)
{
    (void)state;
    /* Euler-Maruyama's own stationary variance, sigma^2 dt / (1 - (1 - g dt)^2), is 2 % above sigma^2 / 2g at 0.02 ms */
    double sd = noise_sd("{kind: euler, step: 0.02 ms}", 0.1), limit = 0.1 * sqrt(0.02 / (1 - 0.962 * 0.962));
    print_message("white noise: sd %.5f, limit %.5f\n", sd, limit);
    assert_true(fabs(sd / limit - 1) < 0.02);
    /* Band-limited: an OU current of correlation time tau through a membrane of rate g: sigma^2 / (2 g (1 + g tau)). */
    for (int k = 0; k < 2; k++) {
        double tau = k ? 1 : 0.2, expected = 0.3 / sqrt(2 * 1.9 * (1 + 1.9 * tau));
        char integrator[128];
        snprintf(integrator, sizeof integrator,
                 "{kind: adams, rtol: 1e-4, atol: 1e-6, noise-tau: %g ms, noise-grid: %g ms}", tau, tau / 5);
        double colour = noise_sd(integrator, 0.3);
        print_message("band-limited, tau %.1f ms: sd %.5f, expected %.5f\n", tau, colour, expected);
        assert_true(fabs(colour / expected - 1) < 0.04);
    }
}

/* Distance of the weights after one presentation of strong learning, held against coupled, the reference at tight tolerance. */
static double held_distance(double factor, double max_step, double rtol)
{
    double w[2][4000];
    size_t n = 0;
    for (int k = 0; k < 2; k++) {
        char forward[128], inter[128], lateral[128], decay[128], step[64], relative[64], absolute[64];
        snprintf(forward, sizeof forward, "microcircuit.plasticity.forward=[%.17g /ms, %.17g /ms]",
                 0.1 * factor, 0.05 * factor);
        snprintf(inter, sizeof inter, "microcircuit.plasticity.interneuron=%.17g /ms", 0.1 * factor);
        snprintf(lateral, sizeof lateral, "microcircuit.plasticity.lateral=%.17g /ms", 0.05 * factor);
        snprintf(decay, sizeof decay, "microcircuit.plasticity.decay=%.17g /ms", 0.01 * factor);
        snprintf(step, sizeof step, "integrator.max-step=%.17g ms", k ? max_step : 0);
        snprintf(relative, sizeof relative, "integrator.rtol=%.17g", k ? rtol : 1e-9);
        snprintf(absolute, sizeof absolute, "integrator.atol=%.17g", k ? rtol / 100 : 1e-11);
        const char *sets[] = {forward,
                              inter,
                              lateral,
                              decay,
                              k ? "integrator.weights=held" : "integrator.weights=coupled",
                              relative,
                              absolute,
                              step,
                              "microcircuit.noise=0 /sqrt(ms)",
                              "schedule.learning.duration=20 ms"};
        struct harness h;
        harness_open_file(&h, "circuits/association.yaml", sets, 10);
        assert_int_equal(ap_sim_present(h.e, &h.x, 3, 0), AP_OK);
        ap_sim_settle(&h.x);
        n = 0;
        for (int i = 0; i < h.x.c->n_proj; i++)
            for (size_t j = 0; h.x.c->proj[i].plastic && j < h.x.c->proj[i].rows * h.x.c->proj[i].cols; j++)
                w[k][n++] = h.x.c->proj[i].w[j];
        harness_close(&h);
    }
    double distance = 0;
    for (size_t i = 0; i < n; i++)
        distance = fmax(distance, fabs(w[0][i] - w[1][i]));
    return distance;
}

/* The theory in plasticity.c: at least first order in the longest step and in the learning rate. */
static void test_held_weights_approach_coupled(void **state)
{
    (void)state;
    double last = 0;
    for (int k = 0; k < 4; k++) {
        double step = 0.1 / (1 << k), distance = held_distance(1, step, 1e-5);
        print_message("longest step %.3f ms: distance %.2e, order %.2f\n", step, distance,
                      k ? log2(last / distance) : 0);
        if (k > 0)
            assert_true(log2(last / distance) > 0.9);
        last = distance;
    }
    for (int k = 0; k < 4; k++) { /* three decades of the learning rate */
        double factor = pow(10, -k), distance = held_distance(factor, 0.05, 1e-7);
        print_message("rates x %g: distance %.2e, order %.2f\n", factor, distance,
                      k ? log10(last / distance) : 0);
        if (k > 0)
            assert_true(log10(last / distance) > 0.9);
        last = distance;
    }
}

/* The error control must not see held weights as a rough right-hand side: about as many steps as with coupled ones. */
static void test_held_weights_keep_the_steps(void **state)
{
    (void)state;
    static const char *const LOWPASS[] = {"microcircuit.plasticity.lowpass=30 ms",
                                          "microcircuit.plasticity.lowpass=0 ms"};
    for (int k = 0; k < 2; k++) {
        uint64_t steps[2];
        for (int held = 0; held < 2; held++) {
            const char *sets[] = {held ? "integrator.weights=held" : "integrator.weights=coupled",
                                  "integrator.rtol=1e-5",
                                  "integrator.atol=1e-7",
                                  "microcircuit.noise=0 /sqrt(ms)",
                                  "microcircuit.plasticity.forward=[0.05 /ms, 0.02 /ms]",
                                  "microcircuit.plasticity.interneuron=0.05 /ms",
                                  "microcircuit.plasticity.lateral=0.02 /ms",
                                  LOWPASS[k]};
            struct harness h;
            harness_open_file(&h, "circuits/association.yaml", sets, 8);
            for (uint64_t i = 0; i < 3; i++)
                assert_int_equal(ap_sim_present(h.e, &h.x, 3, i), AP_OK);
            steps[held] = h.x.g.steps;
            harness_close(&h);
        }
        print_message("%s: %llu steps coupled, %llu held\n", LOWPASS[k], (unsigned long long)steps[0],
                      (unsigned long long)steps[1]);
        assert_true(steps[1] < 4 * steps[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_self_predicting_state),
        cmocka_unit_test(test_exact_relations),
        cmocka_unit_test(test_transients),
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_held_weights_approach_coupled),
        cmocka_unit_test(test_held_weights_keep_the_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
