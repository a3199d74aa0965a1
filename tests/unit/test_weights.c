/* How weights start: statistics of draws, weights taken from others, weights from a file. */
#include "harness.h"

#include "circuit.h"
#include "sonata.h"

static const char HEAD[] = "version: 1\nname: w\nseed: %d\n%s"
                           "populations:\n  a: {cell: clamped, size: 60}\n  b: {cell: output, size: 50}\n"
                           "stimuli: {s: {of: a, kind: random}}\n"
                           "schedule: [{name: x, presentations: 1, duration: 1 ms}]\nprojections:\n%s";

struct net {
    struct ap_err *e;
    struct ap_spec *s;
    struct ap_circuit *c;
};

static struct net build(int seed, const char *more, const char *projections)
{
    static char text[8192];
    struct net n = {.e = ap_err_create()};
    snprintf(text, sizeof text, HEAD, seed, more, projections);
    n.s = ap_spec_parse("test.yaml", text, strlen(text), NULL, 0, n.e);
    if (n.s)
        n.c = ap_circuit_build(n.e, n.s);
    if (!n.c)
        print_error("%s\n", ap_err_message(n.e, 0));
    return n;
}

static void drop(struct net *n)
{
    ap_circuit_free(n->c);
    ap_spec_free(n->s);
    ap_err_free(n->e);
}

static const double *w(const struct net *n, const char *name)
{
    int i = ap_spec_projection(n->s, name);
    assert_true(i >= 0 && n->c);
    return n->c->proj[i].w;
}

#define P(name, from, to, weights)                                                                           \
    "  - {name: " name ", from: " from ", to: " to ", weights: \"" weights "\"}\n"

static void moments(const double *x, int n, double *mean, double *sd, double *low, double *high)
{
    double sum = 0, square = 0;
    *low = *high = x[0];
    for (int i = 0; i < n; i++) {
        sum += x[i];
        *low = fmin(*low, x[i]);
        *high = fmax(*high, x[i]);
    }
    *mean = sum / n;
    for (int i = 0; i < n; i++)
        square += (x[i] - *mean) * (x[i] - *mean);
    *sd = sqrt(square / n);
}

static void test_statistics_of_draws(void **unused)
{
    (void)unused;
    enum { N = 3000 };
    struct net n = build(1, "",
                         P("u", "a", "b/basal", "uniform(-0.5, 2)") P("n", "a", "b/basal", "normal(3, 0.2)")
                             P("c", "a", "b/basal", "constant(-7)") P("v", "a", "b/basal", "uniform(-0.5, 2)")
                                 P("k", "a", "b/basal", "contrast(7, 0.5, 50, -2)"));
    double mean, sd, low, high;
    moments(w(&n, "u"), N, &mean, &sd, &low, &high);
    assert_true(fabs(mean - 0.75) < 5 * (2.5 / sqrt(12)) / sqrt(N)); /* five standard errors */
    assert_true(fabs(sd - 2.5 / sqrt(12)) < 0.03);
    assert_true(low >= -0.5 && low < -0.49 && high < 2 && high > 1.99);
    moments(w(&n, "n"), N, &mean, &sd, &low, &high);
    assert_true(fabs(mean - 3) < 5 * 0.2 / sqrt(N) && fabs(sd - 0.2) < 5 * 0.2 / sqrt(2.0 * N));
    assert_true(low < 3 - 2.5 * 0.2 && high > 3 + 2.5 * 0.2); /* tails */
    for (int i = 0; i < N; i++)
        assert_true(w(&n, "c")[i] == -7);
    for (int i = 0; i < N; i++) /* 60 columns */
        assert_true(w(&n, "k")[i] == (i % 60 < 7 ? 0.5 : i % 60 < 60 - 3 ? -2 : 0));
    double cross = 0, next = 0; /* streams of two projections, and neighbours, are independent */
    const double *u = w(&n, "u"), *v = w(&n, "v");
    for (int i = 0; i < N; i++) {
        cross += (u[i] - 0.75) * (v[i] - 0.75) / N;
        next += i ? (u[i] - 0.75) * (u[i - 1] - 0.75) / N : 0;
    }
    double variance = 2.5 * 2.5 / 12;
    assert_true(fabs(cross) < 5 * variance / sqrt(N) && fabs(next) < 5 * variance / sqrt(N));
    struct net other = build(2, "", P("u", "a", "b/basal", "uniform(-0.5, 2)"));
    int same = 0;
    for (int i = 0; i < N; i++)
        same += w(&other, "u")[i] == u[i];
    assert_int_equal(same, 0);
    drop(&other);
    drop(&n);
}

static void test_other_projections_change_nothing(void **unused)
{
    (void)unused;
    struct net one =
        build(5, "", P("u", "a", "b/basal", "uniform(-1, 1)") P("n", "a", "b/basal", "normal(0, 1)"));
    struct net two =
        build(5, "",
              P("first", "a", "b/basal", "normal(0, 1)") P("n", "a", "b/basal", "normal(0, 1)")
                  P("back", "b", "b/basal", "uniform(0, 1)") P("u", "a", "b/basal", "uniform(-1, 1)"));
    assert_memory_equal(w(&one, "u"), w(&two, "u"), 3000 * sizeof(double));
    assert_memory_equal(w(&one, "n"), w(&two, "n"), 3000 * sizeof(double));
    assert_memory_not_equal(w(&two, "n"), w(&two, "first"), 3000 * sizeof(double));
    drop(&one);
    drop(&two);
}

static void test_weights_from_other_projections(void **unused)
{
    (void)unused;
    /* Some before the one that they take from, one through a chain. */
    struct net n = build(
        9, "",
        P("chain", "a", "b/basal", "minus(double, 3)") P("m", "a", "b/basal", "minus(u)")
            P("double", "a", "b/basal", "copy(u, 2)") P("u", "a", "b/basal", "uniform(-1, 1)")
                P("same", "a", "b/basal", "copy(u)") P("q", "b", "b/basal", "uniform(-1, 1)")
                    P("t", "b", "b/basal", "transposed(q)") P("s", "b", "b/basal", "transposed-sign(q, 0.3)")
                        P("zero", "b", "b/basal", "transposed-sign(none, 0.3)")
                            P("none", "b", "b/basal", "constant(0)")
                                P("t3", "b", "b/basal",
                                  "transposed(q, -0.5)") "  - {name: d, from: b, to: b/basal, connect: "
                                                         "one-to-one, weights: \"normal(0, 1)\"}\n"
                                                         "  - {name: e, from: b, to: b/basal, connect: "
                                                         "one-to-one, weights: \"transposed(d, 2)\"}\n");
    const double *u = w(&n, "u"), *q = w(&n, "q");
    for (int i = 0; i < 3000; i++) {
        assert_true(w(&n, "m")[i] == -u[i] && w(&n, "same")[i] == u[i] && w(&n, "double")[i] == 2 * u[i]);
        assert_true(w(&n, "chain")[i] == -3 * (2 * u[i]));
    }
    for (int i = 0; i < 50; i++) {
        for (int j = 0; j < 50; j++)
            assert_true(
                w(&n, "t")[i * 50 + j] == q[j * 50 + i] && w(&n, "t3")[i * 50 + j] == -0.5 * q[j * 50 + i] &&
                w(&n, "s")[i * 50 + j] == (q[j * 50 + i] > 0 ? 0.3 : -0.3) && w(&n, "zero")[i * 50 + j] == 0);
        assert_true(w(&n, "e")[i] == 2 * w(&n, "d")[i]);
    }
    drop(&n);
    n = build(
        9, "",
        P("u", "a", "b/basal",
          "copy(d)") "  - {name: d, from: b, to: b/basal, connect: one-to-one, weights: constant(1)}\n");
    assert_null(n.c); /* sizes differ */
    assert_int_equal(ap_err_code(n.e), AP_EUSAGE);
    drop(&n);
    n = build(
        9, "",
        P("u", "b", "b/basal",
          "copy(d)") "  - {name: d, from: b, to: b/basal, connect: one-to-one, weights: constant(1)}\n");
    assert_null(n.c); /* sizes agree, connections do not */
    assert_int_equal(ap_err_code(n.e), AP_EUSAGE);
    drop(&n);
}

/* W^IP = g_B/(g_lk + g_B + g_A above) (g_lk + g_D)/g_D W, model section 4.2. */
static void test_self_predicting_factor(void **unused)
{
    (void)unused;
    struct ap_err *e = ap_err_create();
    const char *text = "version: 1\nname: sps\nmicrocircuit:\n  layers: [5, 4, 3, 2]\n"
                       "  conductance: {leak: 0.13 /ms, basal: 1.1 /ms, apical: 0.7 /ms, dendrite: 1.9 /ms}\n"
                       "  weights: {forward: uniform(-1, 1), feedback: uniform(-1, 1)}\n"
                       "stimulus: {kind: random}\ntarget: {kind: random, range: [0.1, 0.9]}\n"
                       "schedule: [{name: a, presentations: 1, duration: 1 ms}]\n";
    struct net n = {.e = e, .s = ap_spec_parse("t.yaml", text, strlen(text), NULL, 0, e)};
    assert_non_null(n.s);
    n.c = ap_circuit_build(e, n.s);
    const double lk = 0.13, gb = 1.1, ga = 0.7, gd = 1.9;
    const double hidden = gb / (lk + gb + ga) * (lk + gd) / gd, output = gb / (lk + gb) * (lk + gd) / gd;
    for (int i = 0; i < 12; i++)
        assert_true(fabs(w(&n, "interneuron1")[i] - hidden * w(&n, "forward2")[i]) < 1e-15);
    for (int i = 0; i < 6; i++)
        assert_true(fabs(w(&n, "interneuron2")[i] - output * w(&n, "forward3")[i]) < 1e-15);
    assert_true(fabs(hidden - output) > 0.1); /* the two forms differ, so the test can fail */
    for (int i = 0; i < 12; i++)
        assert_true(w(&n, "lateral1")[i] == -w(&n, "feedback1")[i]);
    drop(&n);
}

static void test_weights_from_a_file(void **unused)
{
    (void)unused;
    char folder[] = P_tmpdir "/apical-test-XXXXXX", path[96], text[512];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/w.h5", folder);
    double values[3000];
    for (int i = 0; i < 3000; i++)
        values[i] = sin(i);
    struct ap_err *e = ap_err_create();
    struct ap_sonata *h;
    assert_int_equal(ap_sonata_create(e, path, &h), AP_OK);
    const struct ap_sonata_projection p = {"u", "a", "b", "basal", "1"};
    assert_int_equal(ap_sonata_weights(e, h, &p, "final", 50, 60, values), AP_OK);
    assert_int_equal(ap_sonata_finish(e, h), AP_OK);
    ap_err_free(e);
    snprintf(text, sizeof text,
             "  - {name: x, from: a, to: b/basal, weights: \"file(%s, /weights/u/final)\"}\n"
             "  - {name: y, from: a, to: b/basal, weights: \"minus(x)\"}\n",
             path);
    struct net n = build(1, "", text);
    assert_memory_equal(w(&n, "x"), values, sizeof values);
    assert_true(w(&n, "y")[7] == -values[7]);
    drop(&n);
    snprintf(text, sizeof text,
             "  - {name: x, from: b, to: b/basal, weights: \"file(%s, /weights/u/final)\"}\n", path);
    n = build(1, "", text); /* another shape */
    assert_null(n.c);
    assert_int_equal(ap_err_code(n.e), AP_EIO);
    drop(&n);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statistics_of_draws),
        cmocka_unit_test(test_other_projections_change_nothing),
        cmocka_unit_test(test_weights_from_other_projections),
        cmocka_unit_test(test_self_predicting_factor),
        cmocka_unit_test(test_weights_from_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
