/* Cursors: positions and hits of a simulated loop against a replay from recorded rates; restarts; who chooses the pattern. */
#include "harness.h"

#include "probe.h"
#include "runlog.h"

static const char TEXT[] =
    "version: 1\nname: cursor\nseed: 10\n"
    "populations:\n  in: {cell: clamped, size: 5}\n  other: {cell: clamped, size: 2}\n  a: {cell: output, "
    "size: 3}\n"
    "projections:\n  - {name: p, from: in, to: a/basal, weights: \"uniform(-1, 1)\"}\n"
    "  - {name: q, from: other, to: a/basal, weights: \"uniform(-1, 1)\"}\n"
    "stimuli:\n  c: {of: in, kind: cursor, read: \"a[1:2]\", range: [-3, 3], positions: 5, gain: 6, "
    "midpoint: 0.45,\n"
    "    from: 7 ms, start: 1, timeout: 6, smoothing: 2 ms}\n"
    "  plain: {of: in, kind: random, range: [-3, 3], patterns: 4}\n"
    "  s: {of: other, kind: random, fresh: on}\n"
    "schedule:\n  - {name: x, presentations: 60, duration: 20 ms}\n"
    "  - {name: y, presentations: 3, duration: 20 ms, present: [plain]}\n"
    "  - {name: z, presentations: 4, duration: 20 ms, restart: on}\n"
    "integrator: {kind: bdf, rtol: 1e-8, atol: 1e-10}\nrecord: {of: a, every: 0.01 ms}\n"
    "probes:\n  - {kind: cursor, of: in, name: cursor}\n  - {kind: hit, of: in, name: hit}\n";

/* What the definition says of the next position. */
static void replay(double *position, int *shown, double mean)
{
    bool hit = *position + 0.5 >= 4;
    ++*shown;
    if (hit || *shown == 6) {
        *position = 1;
        *shown = 0;
        return;
    }
    *position += 6 * mean;
    *position = *position < 0 ? 0 : *position > 4 ? 4 : *position;
}

/* Mean over [7 ms, 20 ms] of the logistic rate of the second cell, from frames every 0.01 ms [t][cell][2 elements]. */
static double dense_mean(const struct ap_run *run, size_t i)
{
    size_t width = run->frames[i]->n_values, n = run->frames[i]->n_frames, first = n * 7 / 20;
    double sum = 0;
    for (size_t t = first; t < n; t++)
        sum += 1 / (1 + exp(-run->values[i][t * width + width / 3])) - 0.45;
    return sum / (double)(n - first);
}

static void test_the_loop_is_what_its_definition_says(void **unused)
{
    (void)unused;
    static const char *const KINDS[] = {"integrator.kind=bdf", "integrator.kind=adams",
                                        "integrator.kind=euler"};
    for (int kind = 0; kind < 3; kind++) {
        const char *sets[2] = {KINDS[kind], "integrator.step=0.01 ms"};
        struct harness h;
        harness_open(&h, TEXT, sets, 2);
        for (int b = 0; b < 3; b++)
            harness_block(&h, b);
        ap_record_close(h.e, &h.x.recorder);
        struct ap_run run;
        if (ap_runlog_read(h.e, &run, h.folder) != AP_OK)
            harness_fail(&h);
        double position = 1;
        int shown = 0, hits = 0, timeouts = 0;
        bool seen[5] = {false};
        for (size_t i = 0; i < 67; i++) {
            const double *probe = run.probes[i];
            if (i >= 60 && i < 63) { /* another stimulus: the cursor rests */
                assert_true(isnan(probe[0]) && isnan(probe[1]) && isnan(probe[2]));
                continue;
            }
            if (i == 63) { /* restart */
                position = 1;
                shown = 0;
            }
            double expected = probe[0];
            if (fabs(expected - position) > 1e-4)
                fail_msg("%s, presentation %zu: at %g, expected %g", KINDS[kind], i, expected, position);
            position = expected; /* small errors do not add up */
            uint64_t place = (uint64_t)(position + 0.5);
            assert_true(run.presented[i]->pattern % 5 == place);
            assert_true(probe[2] == (place == 4));
            double mean = dense_mean(&run, i);
            if (fabs(mean - probe[1]) > (kind == 2 ? 1e-3 : 1e-4))
                fail_msg("%s, presentation %zu: mean %g, expected %g", KINDS[kind], i, probe[1], mean);
            seen[place] = true;
            hits += place == 4;
            replay(&position, &shown, probe[1]);
            timeouts += shown == 0 && place != 4;
        }
        assert_true(hits >= 3 && timeouts >= 3); /* both ends of a trial were seen */
        assert_true(seen[1] && seen[4]);
        ap_runlog_free(&run);
        harness_close(&h);
    }
}

/* The place alone decides: the pattern is that of the stimulus, whatever presentation it is. */
static void test_the_pattern_is_that_of_the_place(void **unused)
{
    (void)unused;
    struct harness h;
    harness_open(&h, TEXT, NULL, 0);
    double first[5][5], out[5];
    bool seen[5] = {false};
    for (uint64_t k = 0; k < 40; k++) {
        size_t place = (size_t)(h.x.cursor.state[0].position + 0.5);
        if (ap_sim_present(h.e, &h.x, 0, k) != AP_OK)
            harness_fail(&h);
        memcpy(out, h.x.rhs.clamp_to + h.x.c->pop[0].rate, sizeof out);
        if (seen[place])
            assert_memory_equal(out, first[place], sizeof out);
        memcpy(first[place], out, sizeof out);
        seen[place] = true;
    }
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < i; j++)
            if (seen[i] && seen[j])
                assert_memory_not_equal(first[i], first[j], sizeof out);
    harness_close(&h);
}

static void test_the_digest_knows_where_it_stands(void **unused)
{
    (void)unused;
    struct harness h;
    harness_open(&h, TEXT, NULL, 0);
    struct ap_hash before = ap_sim_digest(&h.x);
    h.x.cursor.state[0].position += 1e-12;
    assert_true(ap_sim_digest(&h.x).low != before.low);
    harness_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_loop_is_what_its_definition_says),
        cmocka_unit_test(test_the_pattern_is_that_of_the_place),
        cmocka_unit_test(test_the_digest_knows_where_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
