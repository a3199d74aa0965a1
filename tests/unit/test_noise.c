/* Noise currents: the same values always, smooth in time, with the statistics of the process. */
#include "harness.h"

static const char TEXT[] =
    "version: 1\nname: noisy\nseed: 4\n"
    "populations:\n  in: {cell: clamped, size: 2}\n  a: {cell: output, size: 400, noise: 0.3 /sqrt(ms)}\n"
    "  quiet: {cell: output, size: 3}\n  b: {cell: output, size: 5, noise: 0.1 /sqrt(ms)}\n"
    "projections:\n  - {name: p, from: in, to: a/basal, weights: constant(0)}\n"
    "stimuli: {s: {of: in, kind: random}}\n"
    "schedule: [{name: x, presentations: 9, duration: 50.3 ms}]\n"
    "integrator: {kind: bdf, noise-grid: 0.5 ms, noise-tau: 2 ms}\n";
enum { A = 1, QUIET = 2, B = 3, N = 400 };

static double at(const struct ap_noise *x, int p, double t, size_t i)
{
    double out = 0;
    ap_noise_add(x, p, t, i, i + 1, &out);
    return out;
}

static void test_values_are_a_function_of_place_and_time(void **unused)
{
    (void)unused;
    struct harness h, g;
    harness_open(&h, TEXT, NULL, 0);
    harness_open(&g, TEXT, NULL, 0);
    ap_noise_draw(&h.x.noise, 0, 50.3, true);
    ap_noise_finish(&h.x.noise, 50.3);
    ap_noise_draw(&h.x.noise, 1, 50.3, true);
    ap_noise_draw(&g.x.noise, 0, 50.3, true);
    double whole[N] = {0}, part[N] = {0}, one = at(&g.x.noise, A, 17.31, 123);
    for (double t = 50; t > 0; t -= 3.7) /* going back and forth changes nothing */
        at(&g.x.noise, A, t, 5);
    assert_true(at(&g.x.noise, A, 17.31, 123) == one && one != 0);
    ap_noise_add(&g.x.noise, A, 17.31, 0, N, whole);
    ap_noise_add(&g.x.noise, A, 17.31, 100, 200, part);
    assert_memory_equal(whole + 100, part, 100 * sizeof *part); /* the rows of a task */
    assert_true(whole[123] == one && whole[122] != one);
    ap_noise_add(&g.x.noise, A, 17.31, 0, N, whole);
    assert_true(whole[123] == 2 * one); /* added */
    assert_true(at(&g.x.noise, QUIET, 17.31, 1) == 0 && at(&g.x.noise, B, 17.31, 1) != 0);
    ap_noise_finish(&g.x.noise, 50.3);
    ap_noise_draw(&g.x.noise, 1, 50.3, true);
    for (double t = 0; t < 50; t += 7.1)
        assert_true(at(&h.x.noise, A, t, 7) == at(&g.x.noise, A, t, 7));
    ap_noise_draw(&g.x.noise, 2, 50.3, false); /* off */
    assert_true(at(&g.x.noise, A, 17.31, 123) == 0);
    harness_close(&h);
    harness_close(&g);
}

static double slope(const struct ap_noise *x, double t, double side, size_t i)
{
    const double d = 1e-6 * side;
    return (at(x, A, t + d, i) - at(x, A, t, i)) / d;
}

static void test_value_and_slope_are_continuous(void **unused)
{
    (void)unused;
    struct harness h;
    harness_open(&h, TEXT, NULL, 0);
    struct ap_noise *x = &h.x.noise;
    double value[20] = {0}, rate[20] = {0};
    for (uint64_t k = 0; k < 4; k++) {
        /* One length ends on a node, one between nodes. */
        double duration = k % 2 ? 50 : 50.3;
        ap_noise_draw(x, k, duration, true);
        for (size_t i = 0; i < 20; i++) {
            for (int node = 1; node < 100; node++) {
                double t = 0.5 * node;
                assert_true(fabs(at(x, A, t - 1e-9, i) - at(x, A, t + 1e-9, i)) < 1e-8);
                assert_true(fabs(slope(x, t, -1, i) - slope(x, t, 1, i)) < 1e-4);
            }
            if (k > 0) { /* across presentations */
                assert_true(at(x, A, 0, i) == value[i]);
                assert_true(fabs(slope(x, 0, 1, i) - rate[i]) < 1e-4);
            }
        }
        for (size_t i = 0; i < 20; i++) {
            value[i] = at(x, A, duration, i);
            rate[i] = slope(x, duration, -1, i);
            assert_true(value[i] != 0 && rate[i] != 0);
        }
        ap_noise_finish(x, duration);
    }
    harness_close(&h);
}

static void test_statistics_of_the_nodes(void **unused)
{
    (void)unused;
    struct harness h;
    harness_open(&h, TEXT, NULL, 0);
    struct ap_noise *x = &h.x.noise;
    enum { LAGS = 12 };
    const double variance = 0.3 * 0.3 / (2 * 2.0);
    double sum = 0, covariance[LAGS] = {0}, across = 0;
    size_t n[LAGS] = {0}, n_across = 0;
    for (uint64_t k = 0; k < 9; k++) {
        ap_noise_draw(x, k, 50, true);
        for (size_t j = 1; k > 0 && j <= 100; j++) /* the first presentation starts from zero */
            for (size_t i = 0; i < N; i++) {
                const double *node = x->node + j * x->n + x->first[A];
                sum += node[i];
                for (size_t lag = 0; lag < LAGS && lag < j; lag++, n[lag - 1]++)
                    covariance[lag] += node[i] * node[i - lag * x->n];
                if (i > 0) {
                    across += node[i] * node[i - 1];
                    n_across++;
                }
            }
        ap_noise_finish(x, 50);
    }
    /* 320000 nodes, correlated over tau/grid = 4: about 40000 independent ones. */
    assert_true(fabs(sum / (double)n[0]) < 5 * sqrt(variance / 40000));
    assert_true(fabs(covariance[0] / (double)n[0] / variance - 1) < 5 * sqrt(2 / 40000.0));
    for (size_t lag = 1; lag < LAGS; lag++)
        assert_true(fabs(covariance[lag] / (double)n[lag] / variance - exp(-0.5 * (double)lag / 2)) < 0.02);
    assert_true(fabs(across / (double)n_across / variance) < 0.02); /* neurons are independent */
    harness_close(&h);
}

static void test_white_noise(void **unused)
{
    (void)unused;
    struct harness h;
    harness_open(&h, TEXT, (const char *[]){"integrator.kind=euler"}, 1);
    double square = 0, next = 0, before[N] = {0};
    for (uint64_t step = 0; step < 500; step++) {
        double out[N] = {0}, again[N] = {0};
        ap_noise_white(h.x.c, A, step, 0.1, out);
        ap_noise_white(h.x.c, A, step, 0.1, again);
        assert_memory_equal(out, again, sizeof out);
        for (int i = 0; i < N; i++) {
            square += out[i] * out[i];
            next += out[i] * before[i];
            before[i] = out[i];
        }
    }
    const double variance = 0.3 * 0.3 * 0.1, count = 500.0 * N;
    assert_true(fabs(square / count / variance - 1) < 5 * sqrt(2 / count));
    assert_true(fabs(next / count / variance) < 5 / sqrt(count));
    double quiet[3] = {0};
    ap_noise_white(h.x.c, QUIET, 3, 0.1, quiet);
    assert_true(quiet[0] == 0 && quiet[2] == 0);
    harness_close(&h);
}

static void test_too_many_nodes_are_refused(void **unused)
{
    (void)unused;
    /* The counter of a draw has room for 2^20 nodes: beyond, presentations would share their noise. */
    struct ap_err *e = ap_err_create();
    const char *sets[] = {"integrator.noise-grid=1e-12 ms"};
    struct ap_spec *s = ap_spec_parse("t.yaml", TEXT, strlen(TEXT), sets, 1, e);
    assert_non_null(s);
    struct ap_sim x;
    assert_int_equal(ap_sim_open(e, &x, s), AP_EUSAGE);
    assert_non_null(strstr(ap_err_hint(e, 0), "noise-grid"));
    ap_sim_close(&x);
    ap_spec_free(s);
    ap_err_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_are_a_function_of_place_and_time),
        cmocka_unit_test(test_value_and_slope_are_continuous),
        cmocka_unit_test(test_statistics_of_the_nodes),
        cmocka_unit_test(test_white_noise),
        cmocka_unit_test(test_too_many_nodes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
