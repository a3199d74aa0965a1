/* Integrators against closed forms and against each other. */
#include "harness.h"
#include "mathx.h"

#include <dlfcn.h>

/* One linear membrane driven by a clamped input through an instantaneous dendrite. */
static const char LEAKY[] =
    "version: 1\nname: leaky\nseed: 1\n"
    "cells:\n  one: {soma: {leak: 0.1 /ms, couple: {basal: 1 /ms}}, basal: instantaneous}\n"
    "populations:\n  input: {cell: clamped, size: 1}\n  cell: {cell: one, size: 1, transfer: linear}\n"
    "  target: {cell: clamped, size: 1}\n"
    "projections:\n  - {name: drive, from: input, to: cell/basal, weights: constant(1)}\n"
    "  - {name: teacher, from: target/soma, to: cell/soma, connect: one-to-one, conductance: 0.8 /ms, gate: "
    "teacher}\n"
    "stimuli:\n  on: {of: input, kind: patterns, values: [[2.2]]}\n  goal: {of: target, kind: patterns, "
    "values: [[5]]}\n"
    "schedule:\n  - {name: a, presentations: 1, duration: 3 ms, teacher: off}\n"
    "  - {name: b, presentations: 1, duration: 3 ms}\n"
    "integrator: {kind: bdf}\n";

static const char *setting(const char *key, double value)
{
    static char text[4][64];
    static int next;
    next = (next + 1) % 4;
    snprintf(text[next], sizeof text[next], "integrator.%s=%.17g", key, value);
    return text[next];
}

/* Largest error over the two presentations of LEAKY, relative to the size of the solution. */
static double leaky_error(const char *kind, double rtol)
{
    struct harness h;
    char kind_text[48];
    snprintf(kind_text, sizeof kind_text, "integrator.kind=%s", kind);
    const char *sets[] = {kind_text, setting("rtol", rtol), setting("atol", 1e-3 * rtol)};
    harness_open(&h, LEAKY, sets, 3);
    harness_block(&h, 0);
    /* teacher off: u -> 2.2/1.1 = 2 with 1/1.1 ms; on: u -> (2.2 + 0.8 * 5)/1.9 with 1/1.9 ms */
    double u3 = 2 * (1 - exp(-1.1 * 3)), error = fabs(h.x.g.y[0] - u3) / 2;
    harness_block(&h, 1);
    double on = (2.2 + 0.8 * 5) / 1.9, u6 = on + (u3 - on) * exp(-1.9 * 3);
    error = fmax(error, fabs(h.x.g.y[0] - u6) / on);
    harness_close(&h);
    return error;
}

static void test_leaky_membrane(void **state)
{
    (void)state;
    static const char *const KINDS[] = {"bdf", "adams"};
    for (int k = 0; k < 2; k++)
        for (double rtol = 1e-3; rtol > 0.5e-9; rtol /= 10) {
            double error = leaky_error(KINDS[k], rtol);
            print_message("%s rtol %.0e: error %.2e = %.2f rtol\n", KINDS[k], rtol, error, error / rtol);
            assert_true(error <= 10 * rtol);
        }
}

/* A linear cell of three dynamic compartments: y' = A y + b, against exp(A t) by a Taylor series with squaring. */
static const char CABLE[] =
    "version: 1\nname: cable\nseed: 1\n"
    "cells:\n  three:\n    soma: {capacitance: 1, leak: 0.1 /ms, couple: {basal: 1 /ms, apical: 0.8 /ms}}\n"
    "    basal: {capacitance: 3, leak: 0.5 /ms, rest: -0.2, couple: {soma: 0.4 /ms}}\n"
    "    apical: {capacitance: 8, leak: 0.3 /ms, rest: 0.3, drive: 0.7 /ms, couple: {soma: 0.2 /ms}}\n"
    "populations:\n  input: {cell: clamped, size: 1}\n  cell: {cell: three, size: 1, transfer: linear}\n"
    "projections:\n  - {name: low, from: input, to: cell/basal, weights: constant(0.9)}\n"
    "  - {name: high, from: input, to: cell/apical, weights: constant(-0.6)}\n"
    "stimuli:\n  on: {of: input, kind: patterns, values: [[1.5]]}\n"
    "schedule:\n  - {name: a, presentations: 1, duration: 12 ms}\nintegrator: {kind: bdf}\n";

enum { D = 4 }; /* three potentials and the constant 1 */

static void multiply(long double a[D][D], long double b[D][D], long double out[D][D])
{
    long double c[D][D];
    for (int i = 0; i < D; i++)
        for (int j = 0; j < D; j++) {
            c[i][j] = 0;
            for (int k = 0; k < D; k++)
                c[i][j] += a[i][k] * b[k][j];
        }
    memcpy(out, c, sizeof c);
}

static void cable_solution(double t, double y[3])
{
    const long double in = 1.5L;
    long double a[D][D] = {
        {-(0.1L + 1 + 0.8L), 1, 0.8L, 0},
        {0.4L / 3, -(0.5L + 0.4L) / 3, 0, (0.5L * -0.2L + 0.9L * in) / 3},
        {0.2L / 8, 0, -(0.3L + 0.2L) / 8, (0.3L * 0.3L + 0.7L * -0.6L * in) / 8},
        {0, 0, 0, 0},
    };
    long double scaled[D][D], term[D][D] = {{0}}, sum[D][D] = {{0}};
    for (int i = 0; i < D; i++) {
        term[i][i] = sum[i][i] = 1;
        for (int j = 0; j < D; j++)
            scaled[i][j] = a[i][j] * (long double)t / 1024;
    }
    for (int n = 1; n < 30; n++) {
        multiply(term, scaled, term);
        for (int i = 0; i < D; i++)
            for (int j = 0; j < D; j++) {
                term[i][j] /= n;
                sum[i][j] += term[i][j];
            }
    }
    for (int n = 0; n < 10; n++)
        multiply(sum, sum, sum);
    const long double start[D] = {0, -0.2L, 0.3L, 1};
    for (int i = 0; i < 3; i++) {
        long double v = 0;
        for (int j = 0; j < D; j++)
            v += sum[i][j] * start[j];
        y[i] = (double)v;
    }
}

static double cable_error(const char *const *sets, int n)
{
    struct harness h;
    double exact[3], error = 0;
    harness_open(&h, CABLE, sets, n);
    harness_block(&h, 0);
    cable_solution(12, exact);
    for (int i = 0; i < 3; i++)
        error = fmax(error, fabs(h.x.g.y[i] - exact[i]));
    harness_close(&h);
    return error;
}

static void test_three_compartments(void **state)
{
    (void)state;
    static const char *const KINDS[] = {"integrator.kind=bdf", "integrator.kind=adams"};
    for (int k = 0; k < 2; k++)
        for (double rtol = 1e-3; rtol > 0.5e-9; rtol /= 10) {
            const char *sets[] = {KINDS[k], setting("rtol", rtol), setting("atol", 1e-3 * rtol)};
            double error = cable_error(sets, 3);
            print_message("%s rtol %.0e: error %.2e\n", KINDS[k], rtol, error);
            assert_true(error <= 10 * rtol);
        }
}

static void test_euler_order(void **state)
{
    (void)state;
    double last = 0, dt = 0.1;
    for (int i = 0; i <= 5; i++, dt /= 2) {
        char step[64];
        snprintf(step, sizeof step, "integrator.step=%.17g ms", dt);
        const char *sets[] = {"integrator.kind=euler", step};
        double error = cable_error(sets, 2);
        if (i > 0) {
            print_message("dt %.5f: order %.4f\n", dt, log2(last / error));
            assert_true(fabs(log2(last / error) - 1) <= 0.05);
        }
        last = error;
    }
}

/* The whole microcircuit, plasticity on, without noise: three methods, one answer. */
static void test_methods_agree(void **state)
{
    (void)state;
    static const char *const KINDS[] = {"bdf", "adams", "euler"};
    double weights[3][600];
    size_t n = 0;
    for (int k = 0; k < 3; k++) {
        struct harness h;
        char kind[48];
        snprintf(kind, sizeof kind, "integrator.kind=%s", KINDS[k]);
        const char *sets[] = {kind,
                              "integrator.rtol=1e-9",
                              "integrator.atol=1e-11",
                              "integrator.weights=coupled",
                              "integrator.step=0.002 ms",
                              "microcircuit.noise=0 /sqrt(ms)",
                              "schedule.self-prediction.presentations=2",
                              "schedule.learning.presentations=3"};
        harness_open_file(&h, "circuits/association.yaml", sets, 8);
        for (int b = 0; b < 4; b++)
            harness_block(&h, b);
        ap_sim_settle(&h.x);
        const struct ap_proj *p = harness_projection(&h, "forward1");
        n = p->rows * p->cols;
        assert_true(n <= 600);
        memcpy(weights[k], p->w, n * sizeof(double));
        harness_close(&h);
    }
    double bdf_adams = 0, bdf_euler = 0;
    for (size_t i = 0; i < n; i++) {
        bdf_adams = fmax(bdf_adams, fabs(weights[0][i] - weights[1][i]));
        bdf_euler = fmax(bdf_euler, fabs(weights[0][i] - weights[2][i]));
    }
    print_message("weights after learning: bdf and adams %.1e, bdf and euler (0.002 ms) %.1e\n", bdf_adams,
                  bdf_euler);
    assert_true(bdf_adams < 1e-8);
    assert_true(bdf_euler < 2e-5);
}

/* Many inert weights must not loosen the error control of the potentials. */
static void test_norm_is_honest(void **state)
{
    (void)state;
    uint64_t steps[2];
    double u[2];
    for (int k = 0; k < 2; k++) {
        char text[8192];
        snprintf(text, sizeof text,
                 "version: 1\nname: inert\nseed: 1\nmicrocircuit:\n  layers: [4, 3, 2]\n"
                 "  weights: {forward: uniform(-1, 1), feedback: uniform(-1, 1)}\n"
                 "stimulus: {kind: random, smoothing: 3 ms}\ntarget: {kind: random, range: [0.1, 0.9]}\n"
                 "schedule: [{name: a, presentations: 2, duration: 20 ms}]\nintegrator: {weights: coupled, "
                 "rtol: 1e-6}\n");
        struct harness h;
        harness_open(&h, text, NULL, 0);
        if (k == 1) { /* the same circuit beside 200,000 plastic weights that never move */
            harness_close(&h);
            struct ap_err *e = ap_err_create();
            struct ap_spec *s = ap_spec_parse("x", text, strlen(text), NULL, 0, e);
            snprintf(text, sizeof text, "%s", ap_spec_text(s));
            ap_spec_free(s);
            ap_err_free(e);
            char *extra = malloc(strlen(text) + 4096), *at = strstr(text, "projections:");
            assert_non_null(at);
            sprintf(extra,
                    "%.*s  crowd: {cell: clamped, size: 1000}\n  sink: {cell: output, size: 200}\n%.*s"
                    "  - {name: inert, from: crowd, to: sink/basal, weights: constant(0),"
                    " rule: {kind: basal, rate: 0.1 /ms, lowpass: 30 ms}}\n%s",
                    (int)(at - text), text, 13, at, at + 13);
            const char *stimuli = strstr(extra, "stimuli:\n");
            assert_non_null(stimuli);
            char *final = malloc(strlen(extra) + 256);
            sprintf(final, "%.*s  silence: {of: crowd, kind: random, range: [0, 0]}\n%s",
                    (int)(stimuli + 9 - extra), extra, stimuli + 9);
            harness_open(&h, final, NULL, 0);
            free(extra);
            free(final);
        }
        harness_block(&h, 0);
        steps[k] = h.x.g.steps;
        u[k] = *harness_potential(&h, "hidden1.pyr", "soma", NULL);
        harness_close(&h);
    }
    print_message("steps %llu and %llu, potential %.17g and %.17g\n", (unsigned long long)steps[0],
                  (unsigned long long)steps[1], u[0], u[1]);
    assert_true(steps[1] >= steps[0] && steps[1] <= steps[0] + steps[0] / 5);
    assert_true(fabs(u[0] - u[1]) < 1e-6);
}

/* Recording and the end of a presentation must not change steps; a presentation starts afresh. */
static void test_two_halves_are_a_whole(void **state)
{
    (void)state;
    struct harness h;
    const char *sets[] = {"integrator.rtol=1e-10", "integrator.atol=1e-13"};
    harness_open(&h, LEAKY, sets, 2);
    harness_block(&h, 0);
    double u = h.x.g.y[0];
    harness_close(&h);
    const char *half[] = {"integrator.rtol=1e-10", "integrator.atol=1e-13", "schedule.a.duration=1.5 ms",
                          "schedule.a.presentations=2"};
    harness_open(&h, LEAKY, half, 4);
    harness_block(&h, 0);
    assert_true(fabs(u - h.x.g.y[0]) < 1e-8);
    harness_close(&h);
}

/* The dynamic linker gives SUNDIALS this program's SUNRpowerR, not its own. */
static void test_sundials_calls_our_power(void **unused)
{
    (void)unused;
    double (*ours)(double, double) = SUNRpowerR;
    void *found = dlsym(RTLD_DEFAULT, "SUNRpowerR"), *next = dlsym(RTLD_NEXT, "SUNRpowerR");
    assert_memory_equal(&found, &ours, sizeof found);
    assert_non_null(next); /* SUNDIALS has a function of this name, which would be called without ours */
    assert_ptr_not_equal(found, next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leaky_membrane),
        cmocka_unit_test(test_three_compartments),
        cmocka_unit_test(test_euler_order),
        cmocka_unit_test(test_methods_agree),
        cmocka_unit_test(test_norm_is_honest),
        cmocka_unit_test(test_two_halves_are_a_whole),
        cmocka_unit_test(test_sundials_calls_our_power),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
