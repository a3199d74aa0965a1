/* The loop over presentations: recording, numbering, gates, what stops it. */
#include "harness.h"

#define NET                                                                                                  \
    "version: 1\nname: sim\nseed: 5\nmicrocircuit:\n  layers: [6, 5, 4]\n"                                   \
    "  weights: {forward: uniform(-1, 1), feedback: uniform(-1, 1)}\n"                                       \
    "  plasticity: {forward: 0.01 /ms, interneuron: 0.01 /ms, lateral: 0.01 /ms, lowpass: 30 ms}\n"

static const char TEXT[] =
    NET "stimulus: {kind: random, patterns: 4, smoothing: 3 ms}\ntarget: {kind: random, patterns: 4, range: "
        "[0.1, 0.9]}\n"
        "schedule: [{name: a, presentations: 3, duration: 20 ms}]\nintegrator: {rtol: 1e-8, atol: 1e-10}\n"
        "record: {of: [input, hidden1.pyr, output], every: 1 ms}\n";

/* Frames are interpolated between steps: a run whose steps are forced to the samples' times has the same potentials. */
static void test_recorded_frames(void **unused)
{
    (void)unused;
    const struct {
        const char *kind, *fine;
        double tolerance;
    } cases[] = {{"integrator.kind=bdf", "integrator.max-step=0.02 ms", 1e-6},
                 {"integrator.kind=adams", "integrator.max-step=0.02 ms", 1e-6},
                 {"integrator.kind=euler", "integrator.step=0.1 ms", 1e-14}};
    for (int k = 0; k < 3; k++) {
        struct harness h, fine;
        const char *sets[] = {cases[k].kind, "record.every=0.5 ms", "integrator.weights=coupled",
                              cases[k].fine};
        harness_open(&h, TEXT, sets, 3);
        harness_open(&fine, TEXT, sets, 4);
        for (uint64_t p = 0; p < 3; p++) {
            assert_int_equal(ap_sim_present(h.e, &h.x, 0, p), AP_OK);
            assert_int_equal(ap_sim_present(fine.e, &fine.x, 0, p), AP_OK);
            const struct ap_recorder *a = &h.x.recorder, *b = &fine.x.recorder;
            assert_true(a->taken[0] == 40 && b->taken[0] == 40 && a->width[0] == 6 + 15 + 8);
            for (size_t i = 0; i < 40 * a->width[0]; i++)
                if (!(fabs(a->frame[0][i] - b->frame[0][i]) < cases[k].tolerance))
                    fail_msg("%s: frame %zu, value %zu: %g and %g", cases[k].kind, i / a->width[0],
                             i % a->width[0], a->frame[0][i], b->frame[0][i]);
        }
        harness_close(&h);
        harness_close(&fine);
    }
}

/* Recorded at every step of Euler, frames are the states between steps; at any other times, on the chords. */
static void test_frames_are_states(void **unused)
{
    (void)unused;
    struct harness h;
    const char *sets[] = {"integrator.kind=euler", "record.every=0.05 ms"};
    harness_open(&h, TEXT, sets, 2);
    assert_int_equal(ap_sim_present(h.e, &h.x, 0, 0), AP_OK);
    const struct ap_recorder *r = &h.x.recorder;
    const size_t w = r->width[0];
    assert_int_equal(r->taken[0], 400);
    for (size_t t = 0; t + 2 < 400; t += 2)
        for (size_t i = 0; i < 5; i++) { /* somata of hidden1.pyr */
            const double *at = r->frame[0] + t * w + 6 + 3 * i;
            assert_true(fabs(at[w] - 0.5 * (at[0] + at[2 * w])) < 1e-12);
        }
    for (size_t i = 0; i < 5; i++)
        assert_true(r->frame[0][6 + 3 * i] == 0); /* at rest at first */
    double to[6];                                 /* the input follows its pattern with 3 ms */
    ap_stimulus_potential(&h.x.c->stim[0], 0, to);
    for (size_t t = 0; t < 400; t++)
        for (size_t i = 0; i < 6; i++)
            assert_true(fabs(r->frame[0][t * w + i] - to[i] * -expm1(-(double)t * 0.05 / 3)) < 1e-12);
    harness_close(&h);
}

static void test_recording_changes_nothing(void **unused)
{
    (void)unused;
    static const char *const EVERY[] = {"record.every=20 ms", "record.every=0.01 ms"};
    static const char *const KIND[] = {"integrator.kind=bdf", "integrator.kind=adams",
                                       "integrator.kind=euler", "integrator.weights=coupled"};
    for (int k = 0; k < 4; k++) {
        struct ap_hash digest[2];
        for (int i = 0; i < 2; i++) {
            struct harness h;
            const char *sets[] = {EVERY[i], KIND[k]};
            harness_open(&h, TEXT, sets, 2);
            harness_block(&h, 0);
            ap_sim_settle(&h.x);
            digest[i] = ap_sim_digest(&h.x);
            harness_close(&h);
        }
        assert_true(digest[0].high == digest[1].high && digest[0].low == digest[1].low);
    }
}

static void test_numbers_of_presentations_and_patterns(void **unused)
{
    (void)unused;
    struct harness h;
    harness_open(
        &h,
        NET "stimulus: {kind: random, patterns: 5}\ntarget: {kind: random, patterns: 5, range: [0.1, 0.9]}\n"
            "schedule:\n  - repeat: 2\n    do:\n      - {name: a, presentations: 3, duration: 1 ms}\n"
            "      - {name: b, presentations: 2, duration: 2 ms, restart: on}\n"
            "      - {name: c, presentations: 5, duration: 1 ms, order: shuffled}\n"
            "integrator: {kind: euler}\nrecord: {of: input, every: 1 ms}\n",
        NULL, 0);
    for (int i = 0; i < h.s->n_program; i++)
        harness_block(&h, i);
    assert_true(h.x.presentation == 20 && fabs(h.x.time - 24) < 1e-12);
    struct ap_run run;
    assert_int_equal(ap_runlog_flush(h.e, &h.x.recorder.log), AP_OK);
    assert_int_equal(ap_runlog_read(h.e, &run, h.folder), AP_OK);
    assert_true(run.n_presented == 20 && run.n_frames == 20);
    static const uint64_t PATTERN[20] = {0, 1, 2, 0, 1, 9, 9, 9, 9, 9, 3, 4, 5, 0, 1, 9, 9, 9, 9, 9};
    double start = 0;
    int seen = 0;
    for (size_t i = 0; i < 20; i++) {
        const struct ap_presented *p = run.presented[i];
        size_t place = i % 10;
        assert_int_equal(p->program, (i / 10) * 3 + (place < 3 ? 0 : place < 5 ? 1 : 2));
        assert_int_equal(p->block, place < 3 ? 0 : place < 5 ? 1 : 2);
        assert_int_equal(p->k, place < 3 ? place : place < 5 ? place - 3 : place - 5);
        assert_true(fabs(p->start - start) < 1e-12 && p->duration == (p->block == 1 ? 2 : 1));
        start += p->duration;
        if (PATTERN[i] < 9)
            assert_int_equal(p->pattern, PATTERN[i]);
        else
            seen |= 1 << p->pattern; /* two rounds: 0 ... 4 and 5 ... 9 */
        if (p->block == 0) {         /* a jump: the clamped potentials are the pattern's */
            double to[6];
            ap_stimulus_potential(&h.x.c->stim[0], p->pattern, to);
            assert_memory_equal(run.values[i], to, sizeof to);
            assert_int_equal(run.frames[i]->presentation, i);
        }
    }
    assert_int_equal(seen, 1023);
    ap_runlog_free(&run);
    harness_close(&h);
}

static void test_gate_of_the_teacher(void **unused)
{
    (void)unused;
    static const char GATE[] =
        NET "stimulus: {kind: random}\ntarget: {kind: patterns, values: [[%s, 0.5, 0.5, 0.5]]}\n"
            "schedule: [{name: off, presentations: 1, duration: 20 ms, teacher: off, plasticity: off}, "
            "{name: on, presentations: 1, "
            "duration: 20 ms, plasticity: off}]\nintegrator: {kind: euler}\n";
    double u[2][2];
    for (int k = 0; k < 2; k++) {
        char text[2048];
        struct harness h;
        snprintf(text, sizeof text, GATE, k ? "0.9" : "0.1");
        harness_open(&h, text, NULL, 0);
        for (int b = 0; b < 2; b++) {
            harness_block(&h, b);
            u[k][b] = harness_potential(&h, "output", "soma", NULL)[0];
            if (b == 0) { /* alone, the output is what its dendrite predicts */
                double v = harness_potential(&h, "output", "basal", NULL)[0] / 1.1;
                assert_true(fabs(u[k][b] - v) < 1e-3 * fabs(v));
            }
        }
        harness_close(&h);
    }
    assert_true(u[0][0] == u[1][0] && u[1][1] - u[0][1] > 1);
}

/* A presentation with a learning lag is the same as one without plasticity, followed by one with it. */
static void test_learning_lag(void **unused)
{
    (void)unused;
    static const char LAG[] =
        "version: 1\nname: lag\nseed: 4\nmicrocircuit:\n  layers: [6, 5, 3]\n  transfer: logistic\n"
        "  weights: {forward: uniform(-1, 1), feedback: uniform(-1, 1)}\n"
        "  plasticity: {forward: 0.05 /ms, interneuron: 0.05 /ms, lateral: 0.05 /ms%s}\n"
        "stimulus: {kind: random, patterns: 1, smoothing: 3 ms}\n"
        "target: {kind: random, patterns: 1, smoothing: 3 ms}\n"
        "schedule:\n"
        "  - {name: first, presentations: 1, duration: 8 ms, plasticity: off}\n"
        "  - {name: then, presentations: 1, duration: 12 ms}\n"
        "  - {name: whole, presentations: 1, duration: 20 ms, learning-lag: 8 ms}\n"
        "integrator: {kind: %s, weights: %s, step: 0.1 ms, rtol: 1e-10, atol: 1e-12}\n";
    static const struct {
        const char *lowpass, *kind, *weights;
        double tolerance;
    } WAY[] = {{"", "bdf", "held", 1e-8},
               {", lowpass: 30 ms", "bdf", "held", 1e-8},
               {", lowpass: 30 ms", "bdf", "coupled", 1e-8},
               {", lowpass: 30 ms", "euler", "held", 1e-13}};
    for (size_t w = 0; w < sizeof WAY / sizeof *WAY; w++) {
        struct harness a, b;
        char text[2048];
        double moved = 0, worst = 0;
        snprintf(text, sizeof text, LAG, WAY[w].lowpass, WAY[w].kind, WAY[w].weights);
        harness_open(&a, text, NULL, 0);
        harness_open(&b, text, NULL, 0);
        double start = harness_projection(&a, "forward1")->w[0];
        harness_block(&a, 0);
        ap_sim_settle(&a.x);
        assert_true(harness_projection(&a, "forward1")->w[0] == start);
        harness_block(&a, 1);
        harness_block(&b, 2);
        ap_sim_settle(&a.x);
        ap_sim_settle(&b.x);
        for (int i = 0; i < a.x.c->n_proj; i++) {
            const struct ap_proj *p = &a.x.c->proj[i], *q = &b.x.c->proj[i];
            for (size_t k = 0; p->w && k < p->rows * p->cols; k++)
                worst = fmax(worst, fabs(p->w[k] - q->w[k]));
            if (p->plastic)
                moved = fmax(moved, fabs(p->w[0] - start));
        }
        for (size_t i = 0; i < a.x.c->n_membrane; i++)
            worst = fmax(worst, fabs(a.x.g.y[i] - b.x.g.y[i]));
        if (!(worst < WAY[w].tolerance))
            fail_msg("%s, %s: the two ways differ by %.2e", WAY[w].kind, WAY[w].weights, worst);
        assert_true(moved > 1e-3);
        harness_close(&a);
        harness_close(&b);
    }
}

static void test_a_potential_that_runs_away(void **unused)
{
    (void)unused;
    /* Output cell 2 drives itself; the linear transfer function sets no bound. */
    static const char AWAY[] = "version: 1\nname: away\npopulations:\n  i: {cell: clamped, size: 3}\n  o: "
                               "{cell: output, size: 4, transfer: linear}\n"
                               "projections:\n  - {name: p, from: i, to: o/basal, weights: constant(1)}\n"
                               "  - {name: self, from: o, to: o/basal, weights: constant(0)}\n"
                               "stimuli: {s: {of: i, kind: patterns, values: [[1, 1, 1]]}}\n"
                               "schedule: [{name: quiet, presentations: 1, duration: 1 ms}, {name: loud, "
                               "presentations: 5, duration: 5 ms}]\n"
                               "integrator: {limit: 50}\n";
    static const char *const KIND[] = {"integrator.kind=bdf", "integrator.kind=adams",
                                       "integrator.kind=euler"};
    for (int k = 0; k < 3; k++) {
        struct harness h;
        harness_open(&h, AWAY, &KIND[k], 1);
        harness_block(&h, 0);
        harness_projection(&h, "self")->w[2 * 4 + 2] = 2;
        enum ap_code code = AP_OK;
        uint64_t n = 0;
        for (; n < 5 && code == AP_OK; n++)
            code = ap_sim_present(h.e, &h.x, 1, n);
        assert_int_equal(code, AP_ENUMERIC);
        const char *m = ap_err_message(h.e, 0);
        static const char *const PARTS[] = {"population o", "compartment soma", "neuron 2", "block loud",
                                            "unbounded"};
        for (int i = 0; i < 5; i++)
            if (!strstr(i == 4 ? ap_err_hint(h.e, 0) : m, PARTS[i]))
                fail_msg("'%s' (%s) lacks '%s'", m, ap_err_hint(h.e, 0), PARTS[i]);
        double value, at, within;
        unsigned long long presentation;
        const char *numbers = strstr(m, "neuron 2 is ");
        assert_non_null(numbers);
        assert_int_equal(sscanf(numbers, "neuron 2 is %lg at %lg ms (block loud, presentation %llu, %lg",
                                &value, &at, &presentation, &within),
                         4);
        /* du/dt = -0.1 u + (3 + 2 u - u): away from u0 = 3 (1 - exp(-1.1))/1.1 after the quiet block */
        double u0 = 3 / 1.1 * -expm1(-1.1), expected = 1 + log((50 + 3 / 0.9) / (u0 + 3 / 0.9)) / 0.9;
        assert_true(value > 50 && value < 80 && fabs(at - expected) < 0.6 && presentation == n - 1);
        assert_true(fabs(at - (1 + 5 * (double)presentation + within)) < 1e-3);
        harness_close(&h);
    }
}

static void test_too_many_steps(void **unused)
{
    (void)unused;
    struct harness h;
    const char *sets[] = {"integrator.max-steps=7", "integrator.kind=euler"};
    harness_open(&h,
                 NET "stimulus: {kind: random}\ntarget: {kind: random, range: [0.1, 0.9]}\n"
                     "schedule: [{name: a, presentations: 1, duration: 1 ms}]\nintegrator: {step: 0.1 ms}\n",
                 sets, 2);
    assert_int_equal(ap_sim_present(h.e, &h.x, 0, 0), AP_ENUMERIC);
    assert_non_null(strstr(ap_err_message(h.e, 0), "more than 7 steps"));
    harness_close(&h);
}

/* A run that is stopped after k presentations has the log and the state of the longer run up to there. */
static void test_stop_after(void **unused)
{
    (void)unused;
    struct ap_err *e = ap_err_create();
    struct ap_spec *s = ap_spec_parse("t.yaml", TEXT, strlen(TEXT), NULL, 0, e);
    assert_non_null(s);
    char folder[] = P_tmpdir "/apical-test-XXXXXX", command[128];
    assert_non_null(mkdtemp(folder));
    struct harness h;
    harness_open(&h, TEXT, NULL, 0);
    for (uint64_t n = 1; n <= 3; n++) {
        struct ap_run_result result;
        const struct ap_run_options o = {
            .folder = folder, .overwrite = 1, .stop_after = n == 3 ? 0 : n, .no_figures = 1};
        assert_int_equal(ap_run(s, &o, &result, e), AP_OK);
        assert_int_equal(ap_sim_present(h.e, &h.x, 0, n - 1), AP_OK);
        char digest[33];
        ap_hash_text(ap_sim_digest(&h.x), digest);
        assert_string_equal(result.digest, digest);
        assert_int_equal(result.presentations, n);
        struct ap_run run;
        assert_int_equal(ap_runlog_read(e, &run, folder), AP_OK);
        assert_true(run.n_presented == n && run.end && run.end->complete);
        ap_runlog_free(&run);
    }
    volatile int stop = 1;
    const struct ap_run_options o = {.folder = folder, .overwrite = 1, .no_figures = 1, .stop = &stop};
    struct ap_run_result result;
    assert_int_equal(ap_run(s, &o, &result, e), AP_STOPPED);
    assert_int_equal(result.presentations, 1);
    struct ap_run run;
    assert_int_equal(ap_runlog_read(e, &run, folder), AP_OK);
    assert_true(run.n_presented == 1 && run.end && !run.end->complete);
    ap_runlog_free(&run);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    harness_close(&h);
    ap_spec_free(s);
    ap_err_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded_frames),
        cmocka_unit_test(test_frames_are_states),
        cmocka_unit_test(test_recording_changes_nothing),
        cmocka_unit_test(test_numbers_of_presentations_and_patterns),
        cmocka_unit_test(test_gate_of_the_teacher),
        cmocka_unit_test(test_learning_lag),
        cmocka_unit_test(test_a_potential_that_runs_away),
        cmocka_unit_test(test_too_many_steps),
        cmocka_unit_test(test_stop_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
