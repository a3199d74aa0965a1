/* Potentials over time, gathered from a log. */
#include "harness.h"

#include "series.h"

static const char TEXT[] =
    "version: 1\nname: series\nseed: 5\nmicrocircuit:\n  layers: [3, 4, 2]\n"
    "  weights: {forward: uniform(-1, 1), feedback: uniform(-1, 1)}\n"
    "stimulus: {kind: random, fresh: on}\ntarget: {kind: random, range: [0.1, 0.9]}\n"
    "schedule:\n  - repeat: 2\n    do:\n      - {name: a, presentations: 3, duration: 2 ms}\n"
    "      - {name: b, presentations: 1, duration: 1 ms, teacher: off}\n"
    "record:\n  - {name: some, of: [\"hidden1.pyr[1:4]\", output], compartments: [soma, apical], every: 0.5 "
    "ms, limit: 2}\n"
    "  - {name: rest, of: [target, \"hidden1.int/dendrite\"], every: 1 ms, during: [b]}\n";

static struct harness h;
static struct ap_run run;
static struct ap_arena arena;

static int begin(void **unused)
{
    (void)unused;
    harness_open(&h, TEXT, NULL, 0);
    for (int i = 0; i < h.s->n_program; i++)
        harness_block(&h, i);
    return ap_runlog_flush(h.e, &h.x.recorder.log) || ap_runlog_read(h.e, &run, h.folder);
}

static int finish(void **unused)
{
    (void)unused;
    ap_runlog_free(&run);
    ap_mem_arena_free(&arena);
    harness_close(&h);
    return 0;
}

static bool gather(const char *of, const char *comp, int block, int64_t limit, struct ap_series *out)
{
    struct ap_selection sel;
    bool found;
    assert_int_equal(ap_spec_select(h.e, run.spec, NULL, "x", of, &sel), AP_OK);
    int c = ap_spec_compartment(run.spec, sel.pop, comp);
    assert_true(c >= 0);
    assert_int_equal(ap_series_gather(h.e, &arena, &run, &sel, c, block, limit, out, &found), AP_OK);
    return found;
}

/* Value of a log's frame, found by hand: report 0 holds 3 x (soma, apical), then 2 x (soma). */
static double value(uint64_t presentation, size_t frame, size_t place)
{
    for (size_t i = 0; i < run.n_frames; i++)
        if (run.frames[i]->report == 0 && run.frames[i]->presentation == presentation) {
            assert_true(run.frames[i]->n_values == 8 && frame < run.frames[i]->n_frames);
            return run.values[i][frame * 8 + place];
        }
    fail();
    return 0;
}

static void test_last_pass_without_gap(void **unused)
{
    (void)unused;
    struct ap_series x;
    assert_true(gather("hidden1.pyr[2:4]", "apical", 0, 0, &x));
    /* presentations 4 and 5 of the run: the first two of the second pass */
    assert_true(x.n == 2 && x.frames == 8 && x.first == 2 && x.every == 0.5 && x.duration == 4 &&
                x.block == 0 && x.teacher);
    for (size_t i = 0; i < 2; i++)
        for (size_t t = 0; t < 8; t++)
            assert_true(x.values[i * 8 + t] == value(4 + t / 4, t % 4, 2 * (i + 1) + 1));
    assert_true(x.values[0] != x.values[8] && x.values[1] != x.values[7]);
    assert_true(gather("hidden1.pyr[2:4]", "apical", 0, 1, &x) && x.frames == 4 && x.duration == 2);
    assert_true(x.values[3] == value(4, 3, 3));
    assert_true(gather("output", "soma", 1, 0, &x) && x.n == 2 && x.frames == 2 && !x.teacher &&
                x.duration == 1);
    assert_true(x.values[2] == value(7, 0, 7) && x.values[1] == value(7, 1, 6));
    assert_true(gather("hidden1.int", "dendrite", 1, 0, &x) && x.n == 2 && x.frames == 1 && x.every == 1);
}

static void test_what_was_not_recorded(void **unused)
{
    (void)unused;
    struct ap_series x;
    assert_false(gather("hidden1.pyr", "soma", 0, 0, &x));       /* neuron 0 is missing */
    assert_false(gather("hidden1.pyr[1:2]", "basal", 0, 0, &x)); /* that compartment */
    assert_false(gather("input", "soma", 0, 0, &x));
    assert_false(gather("target", "soma", 0, 0, &x)); /* that block */
    assert_false(gather("hidden1.int", "soma", 1, 0, &x));
    assert_true(gather("target", "soma", 1, 0, &x));
    struct ap_run cut = run; /* frames of a presentation that the log does not tell of */
    cut.n_presented = 0;
    bool found = true;
    struct ap_selection sel = {.pop = ap_spec_population(run.spec, "output"), .comp = -1, .last = 2};
    assert_int_equal(ap_series_gather(h.e, &arena, &cut, &sel, 0, 0, 0, &x, &found), AP_OK);
    assert_false(found);
    ap_mem_fail_at(1, true);
    struct ap_arena empty = {0};
    assert_int_equal(ap_series_gather(NULL, &empty, &run, &sel, 0, 0, 0, &x, &found), AP_EMEMORY);
    ap_mem_fail_at(0, false);
}

static void test_limits(void **unused)
{
    (void)unused;
    double low = 7, high = 8;
    assert_false(ap_series_limits((const double[]){NAN, INFINITY, -INFINITY}, 3, &low, &high));
    assert_true(low == 7 && high == 8);
    assert_false(ap_series_limits(NULL, 0, &low, &high));
    assert_true(ap_series_limits((const double[]){NAN, 2, INFINITY, -3, 1}, 5, &low, &high) && low == -3 &&
                high == 2);
    assert_true(ap_series_limits((const double[]){9}, 1, &low, &high) && low == 9 && high == 9);
}

static void test_median_and_range(void **unused)
{
    (void)unused;
    double median, low, high, five[] = {3, -1, 7, 2, 2.5}, four[] = {4, 1, 3, 2};
    assert_int_equal(ap_series_median(five, 5, &median, &low, &high), 5);
    assert_true(median == 2.5 && low == -1 && high == 7);
    assert_int_equal(ap_series_median(four, 4, &median, &low, &high), 4);
    assert_true(median == 2.5 && low == 1 && high == 4);
    double holes[] = {NAN, 5, INFINITY, 1, NAN, 2};
    assert_int_equal(ap_series_median(holes, 6, &median, &low, &high), 3);
    assert_true(median == 2 && low == 1 && high == 5);
    double none[] = {NAN};
    assert_int_equal(ap_series_median(none, 1, &median, &low, &high), 0);
    assert_true(isnan(median) && isnan(low) && isnan(high));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_last_pass_without_gap),
        cmocka_unit_test(test_what_was_not_recorded),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_median_and_range),
    };
    return cmocka_run_group_tests(tests, begin, finish);
}
