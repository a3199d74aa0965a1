/* Products that are kept, against the matrix itself. */
#include "harness.h"

static const char MICRO[] =
    "version: 1\nname: micro\nseed: 3\nmicrocircuit:\n  layers: [4, 140, 137, 3]\n"
    "  weights: {forward: uniform(-1, 1), feedback: uniform(-1, 1)}\n"
    "  plasticity: {forward: [0.3 /ms, 0.002 /ms, 0.1 /ms], lowpass: 30 ms}\n"
    "stimulus: {kind: random, smoothing: 3 ms}\ntarget: {kind: random, range: [0.1, 0.9]}\n"
    "schedule: [{name: a, presentations: 3, duration: 10 ms}]\n"
    "integrator: {rtol: 1e-4, atol: 1e-5, newton: hierarchy}\n";

enum { COLS = 140, ROWS = 137 };

static double draw(uint64_t i)
{
    return ap_rng_between((struct ap_rng_stream){11, AP_RNG_PATTERN, 1}, i, -1, 1);
}

static struct ap_span *span_of(struct harness *h, const char *name)
{
    return h->x.rhs.span.by_proj[ap_spec_projection(h->s, name)];
}

/* The root mean square distance of the sums for x from those of the matrix; all rows in pieces, as tasks do. */
static double off(struct harness *h, struct ap_span *s, const double *x, double tolerance)
{
    struct ap_spans *all = &h->x.rhs.span;
    double sum[ROWS], matrix[ROWS], square = 0;
    ap_synapse_product(ROWS, COLS, h->x.c->proj[s->proj].w, x, 0, matrix);
    for (int i = 0; i < ROWS; i++)
        sum[i] = 3;
    ap_span_look(all, s, x, tolerance, 0);
    for (size_t first = 0; first < ROWS; first += 50)
        ap_span_sums(all, s, first, first + 50 < ROWS ? first + 50 : ROWS, x, first > 0, sum + first);
    for (int i = 0; i < ROWS; i++) {
        double is = sum[i] - (i < 50 ? 0 : 3);
        square += (is - matrix[i]) * (is - matrix[i]);
    }
    return sqrt(square / ROWS);
}

/* Where a matrix is worth it, and nothing else is done to it. */
static void test_which(void **state)
{
    (void)state;
    struct harness h;
    harness_open(&h, MICRO, NULL, 0);
    assert_non_null(span_of(&h, "forward2"));
    assert_null(span_of(&h, "forward1")); /* from a clamped population */
    assert_null(span_of(&h, "forward3")); /* small */
    harness_close(&h);
    char text[2048];
    snprintf(text, sizeof text, "%s%s", MICRO,
             "interventions: [{name: x, kind: scale, projection: forward2, factor: 0.5}]\n");
    harness_open(&h, text, NULL, 0);
    assert_null(span_of(&h, "forward2"));
    assert_non_null(span_of(&h, "feedback1"));
    harness_close(&h);
    const char *coupled[] = {"integrator.weights=coupled", "integrator.newton=krylov"};
    harness_open(&h, MICRO, coupled, 2);
    assert_int_equal(h.x.rhs.span.n, 0);
    harness_close(&h);
}

/* In a space of three dimensions the matrix is read three times, however often one asks; the sums are its own. */
static void test_few_dimensions(void **state)
{
    (void)state;
    struct harness h;
    harness_open(&h, MICRO, NULL, 0);
    struct ap_span *s = span_of(&h, "forward2");
    double x[COLS];
    for (uint64_t ask = 0; ask < 30; ask++) {
        for (uint64_t j = 0; j < COLS; j++)
            x[j] = ask == 9 ? 0
                            : draw(j) * draw(ask + 1000) + draw(j + 200) * draw(ask + 2000) +
                                  draw(j + 400) * draw(ask + 3000);
        assert_true(off(&h, s, x, 1e-12) < 1e-11);
    }
    assert_int_equal(s->n, 3);
    /* another matrix: nothing of the old one is left */
    struct ap_proj *p = &h.x.c->proj[s->proj];
    for (uint64_t i = 0; i < ROWS * COLS; i++)
        p->w[i] = draw(i + 90000);
    assert_true(off(&h, s, x, 1e-12) > 1);
    ap_span_forget(&h.x.rhs.span, s->proj);
    assert_true(off(&h, s, x, 1e-12) < 1e-11);
    harness_close(&h);
}

/* Beyond what there is room for the matrix is read each time; within, sums are off by what was allowed. */
static void test_tolerance(void **state)
{
    (void)state;
    struct harness h;
    harness_open(&h, MICRO, NULL, 0);
    struct ap_span *s = span_of(&h, "forward2");
    double x[COLS], last = 0;
    for (int decade = 0; decade < 3; decade++) {
        double tolerance = pow(10, -decade - 1), worst = 0;
        ap_span_forget(&h.x.rhs.span, -1);
        for (uint64_t ask = 0; ask < 200; ask++) {
            for (uint64_t j = 0; j < COLS; j++) /* a slow walk on a curve that fills all dimensions */
                x[j] = sin(0.02 * (double)ask + draw(j)) + 0.3 * sin(0.005 * (double)ask * draw(j + 300));
            worst = fmax(worst, off(&h, s, x, tolerance));
        }
        assert_true(worst > 0 && worst < 2 * tolerance); /* W acts on the rest about as on what came before */
        assert_true((double)s->n >= last && s->n > 2);
        /* a tenth of the tolerance takes a few more directions */
        last = (double)s->n;
    }
    ap_span_forget(&h.x.rhs.span, -1);
    for (uint64_t ask = 0; ask < 60; ask++) {
        for (uint64_t j = 0; j < COLS; j++)
            x[j] = draw(1000 * ask + j);
        assert_true(off(&h, s, x, 1e-9) < 1e-11);
    }
    assert_int_equal(s->n, s->room);
    harness_close(&h);
}

/* What is recorded asks the matrices, so recording leaves the run as it is; and the run is the one without kept products,
 * to the tolerance. */
static void test_run(void **state)
{
    (void)state;
    const char *often[] = {"record={of: [hidden1.pyr, hidden2.pyr], every: 0.1 ms}"};
    struct harness h[3];
    for (int k = 0; k < 3; k++) {
        harness_open(&h[k], MICRO, k == 1 ? often : NULL, k == 1);
        if (k == 2)
            h[k].x.rhs.span.n = 0,
            memset(h[k].x.rhs.span.by_proj, 0, (size_t)h[k].x.c->n_proj * sizeof(void *));
        for (uint64_t p = 0; p < 3; p++)
            assert_int_equal(ap_sim_present(h[k].e, &h[k].x, 0, p), AP_OK);
    }
    const struct ap_hash a = ap_sim_digest(&h[0].x), b = ap_sim_digest(&h[1].x);
    assert_memory_equal(&a, &b, sizeof a);
    double worst = 0;
    for (size_t i = 0; i < h[0].x.c->n_state; i++)
        worst = fmax(worst, fabs(h[0].x.g.y[i] - h[2].x.g.y[i]));
    assert_true(worst > 0 && worst < 1e-3);
    for (int k = 0; k < 3; k++)
        harness_close(&h[k]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which),
        cmocka_unit_test(test_few_dimensions),
        cmocka_unit_test(test_tolerance),
        cmocka_unit_test(test_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
