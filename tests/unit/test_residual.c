/* Readouts: the calcium kernel and the regression against closed forms; residuals of a run against its potentials. */
#include "harness.h"

#include "residual.h"
#include "series.h"

static const struct ap_readout_row *observable(const char *name)
{
    return (const struct ap_readout_row *)ap_registry_find(&ap_observable_table, name);
}

/* A ramp f = a t through an exponential of unit integral is a (t - tau + tau exp(-t/tau)); a difference of exponentials
 * mixes two of these; a steady potential is seen as f(v). */
static void test_calcium_of_a_ramp(void **state)
{
    (void)state;
    enum { FRAMES = 400 };
    double v[FRAMES], out[2 * FRAMES];
    struct ap_readout_spec s = {.threshold = 0.25, .decay = 80};
    for (int k = 0; k < 3; k++) {
        s.rise = k == 0 ? 0 : k == 1 ? 7 : 79.9;
        double every = 0.7, worst = 0;
        for (int i = 0; i < FRAMES; i++)
            v[i] = 0.25 + 0.02 * every * i;
        observable("calcium")->observe(&s, every, FRAMES, v, out);
        for (int i = 0; i < FRAMES; i++) {
            double t = every * i, c[2];
            for (int j = 0; j < 2; j++) {
                double tau = j ? s.rise : s.decay;
                c[j] = tau > 0 ? 0.02 * (t + tau * expm1(-t / tau)) : 0;
            }
            worst = fmax(worst, fabs(out[i] - (s.decay * c[0] - s.rise * c[1]) / (s.decay - s.rise)));
        }
        assert_true(worst < (k == 2 ? 1e-10 : 1e-13)); /* nearly equal time constants cancel */
    }
    s = (struct ap_readout_spec){.threshold = -1, .softness = 0.3, .decay = 80, .rise = 5};
    for (int i = 0; i < FRAMES; i++)
        v[i] = -0.8;
    observable("calcium")->observe(&s, 1, FRAMES, v, out);
    for (int i = 0; i < FRAMES; i++)
        assert_true(fabs(out[i] - 0.3 * log1p(exp(0.2 / 0.3))) < 1e-14);
    s.softness = 0;
    s.threshold = 0;
    observable("calcium")->observe(&s, 1, FRAMES, v, out);
    assert_true(out[0] == 0 && out[FRAMES - 1] == 0);
    s.softness = 1e-3; /* far above a soft threshold is a line */
    v[0] = 5;
    observable("calcium")->observe(&s, 1, 1, v, out);
    assert_true(fabs(out[0] - 5) < 1e-15);
}

static void test_regression(void **state)
{
    (void)state;
    const double x[6] = {0, 1, 2, 3, 100, -50}, line[6] = {3, 5, 7, 9, 0, 0};
    const double noisy[6] = {3 + 1, 5 - 1, 7 - 1, 9 + 1, 0, 0}; /* 1 -1 -1 1: orthogonal to 1 and to x */
    const bool four[6] = {true, true, true, true}, none[6] = {false}, one[6] = {true};
    double slope, intercept;
    ap_residual_fit(6, x, line, four, &slope, &intercept);
    assert_true(slope == 2 && intercept == 3);
    ap_residual_fit(6, x, noisy, four, &slope, &intercept);
    assert_true(fabs(slope - 2) < 1e-15 && fabs(intercept - 3) < 1e-15);
    ap_residual_fit(6, x, line, one, &slope, &intercept);
    assert_true(slope == 0 && intercept == 3);
    ap_residual_fit(6, x, line, none, &slope, &intercept);
    assert_true(slope == 0 && intercept == 0);
    const double still[6] = {0.1, 0.1 + 1e-17, 0.1, 0.1}; /* a soma that rests has no slope */
    ap_residual_fit(4, still, line, four, &slope, &intercept);
    assert_true(slope == 0 && fabs(intercept - 6) < 1e-15);
}

static const char TEXT[] =
    "version: 1\nname: seen\nseed: 3\nmicrocircuit:\n  layers: [6, 5, 4]\n"
    "  weights: {forward: uniform(-1, 1), feedback: uniform(-1, 1)}\n"
    "stimulus: {kind: random, fresh: on}\ntarget: {kind: random, range: [0.1, 0.9], fresh: on}\n"
    "schedule:\n  - {name: a, presentations: 4, duration: 20 ms}\n  - {name: b, presentations: 3, duration: "
    "20 ms}\n"
    "  - {name: a2, presentations: 4, duration: 20 ms}\n"
    "record: {of: [output, hidden1.pyr], every: 2 ms, during: [a, a2]}\n"
    "readouts:\n  - {name: raw, of: \"hidden1.pyr[1:5]\", from: 10 ms, until: 16 ms, fit: a, groups: {plus: "
    "\"hidden1.pyr[1:3]\", minus: \"hidden1.pyr[3:4]\"}}\n"
    "  - {name: seen, kind: calcium, of: hidden1.pyr, threshold: -1, softness: 0.2, decay: 30 ms, rise: 4 "
    "ms}\n";

static void test_residuals_of_a_run(void **state)
{
    (void)state;
    struct harness h;
    struct ap_run run;
    struct ap_arena a = {0};
    harness_open(&h, TEXT, NULL, 0);
    for (int b = 0; b < 3; b++)
        harness_block(&h, b);
    assert_int_equal(ap_record_close(h.e, &h.x.recorder), AP_OK);
    assert_int_equal(ap_runlog_read(h.e, &run, h.folder), AP_OK);
    struct ap_residual x[2];
    bool found;
    for (int k = 0; k < 2; k++) {
        assert_int_equal(ap_residual_gather(h.e, &a, &run, &run.spec->readout[k], &x[k], &found), AP_OK);
        assert_true(found && x[k].p == 8 && x[k].n == (k ? 5 : 4));
    }
    assert_true(x[0].number[3] == 3 && x[0].number[4] == 7); /* block b lies between */
    for (int side = 0; side < 2; side++)
        for (int block = 0; block < 2; block++) {
            struct ap_series v;
            int comp = side ? ap_spec_compartment(run.spec, 1, "apical") : 0;
            const struct ap_selection all = {.pop = 1, .comp = -1, .first = 0, .last = 5};
            assert_string_equal(run.spec->pop[1].name, "hidden1.pyr");
            assert_int_equal(ap_series_gather(h.e, &a, &run, &all, comp, block ? 2 : 0, 0, &v, &found),
                             AP_OK);
            assert_true(found && v.frames == 40);
            for (size_t i = 0; i < 5; i++) {
                double seen[80];
                observable("calcium")->observe(&run.spec->readout[1], 2, 40, v.values + i * 40, seen);
                for (size_t p = 0; p < 4; p++) {
                    double window = 0, whole = 0;
                    for (size_t t = 0; t < 10; t++) { /* frames at 10, 12, 14 ms */
                        window += t >= 5 && t < 8 ? v.values[i * 40 + p * 10 + t] / 3 : 0;
                        whole += seen[p * 10 + t] / 10;
                    }
                    size_t at = (size_t)block * 4 + p;
                    const double *raw = side ? x[0].dendrite : x[0].soma,
                                 *calcium = side ? x[1].dendrite : x[1].soma;
                    assert_true(fabs(calcium[i * 8 + at] - whole) < 1e-14);
                    assert_true(i == 0 || fabs(raw[(i - 1) * 8 + at] - window) < 1e-14);
                }
            }
        }
    for (size_t i = 0; i < 4; i++) {
        const struct ap_residual_cell *c = &x[0].cell[i];
        double sum = 0, dot = 0, all = 0, mean[2] = {0, 0};
        assert_int_equal(c->group, i < 2 ? 0 : i == 2 ? 1 : -1);
        for (size_t p = 0; p < 8; p++) {
            double soma = x[0].soma[i * 8 + p], dendrite = x[0].dendrite[i * 8 + p],
                   residual = x[0].residual[i * 8 + p];
            assert_true(fabs(residual - (dendrite - c->intercept - c->slope * soma)) < 1e-14);
            mean[0] += soma / 8;
            mean[1] += dendrite / 8;
            all += fabs(residual);
            if (p < 4) { /* those of block a, to which it was fitted */
                sum += residual;
                dot += residual * soma;
            }
        }
        assert_true(fabs(sum) < 1e-13 && fabs(dot) < 1e-13 && all > 1e-3);
        assert_true(fabs(c->soma - mean[0]) < 1e-14 && fabs(c->dendrite - mean[1]) < 1e-14);
    }
    for (size_t p = 0; p < 8; p++) {
        assert_true(fabs(x[0].mean[p] - 0.5 * (x[0].residual[p] + x[0].residual[8 + p])) < 1e-15);
        assert_true(x[0].mean[8 + p] == x[0].residual[16 + p]);
    }
    ap_mem_arena_free(&a);
    ap_runlog_free(&run);
    harness_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calcium_of_a_ramp),
        cmocka_unit_test(test_regression),
        cmocka_unit_test(test_residuals_of_a_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
