/* The adjoint gradient: transposed Jacobian products against the plain ones, gradients against central differences
 * through the integrator, and agreement of the three gradients for weak feedback. */
#include "adjoint.h"
#include "harness.h"
#include "tangent.h"

/* ---- the transposed product -------------------------------------------------------------------------- */

static double random_vector(size_t n, uint64_t seed, double *out)
{
    double largest = 0;
    ap_rng_between_n((struct ap_rng_stream){seed, AP_RNG_PATTERN, 5}, 0, -1, 1, n, out);
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(out[i]));
    return largest;
}

/* lambda . (J v) = (J^T lambda) . v for random vectors, at the state the harness is in. */
static double mismatch(struct harness *h)
{
    struct ap_rhs *r = &h->x.rhs;
    size_t n = h->x.c->n_membrane;
    double *block = calloc(4 * n + ap_adjoint_work(h->x.c), sizeof *block), worst = 0;
    double *v = block, *jv = v + n, *lambda = jv + n, *back = lambda + n, *work = back + n;
    r->frozen = true;
    ap_tangent_linearise(r, 1, h->x.g.y);
    for (uint64_t seed = 1; seed <= 5; seed++) {
        random_vector(n, seed, v);
        random_vector(n, seed + 100, lambda);
        ap_tangent_product(r, v, jv);
        ap_adjoint_product(r, lambda, back, work);
        double one = 0, other = 0, size = 0;
        for (size_t i = 0; i < n; i++) {
            one += lambda[i] * jv[i];
            other += back[i] * v[i];
            size += fabs(lambda[i] * jv[i]);
        }
        worst = fmax(worst, fabs(one - other) / size);
    }
    free(block);
    return worst;
}

static void test_transposed(void **state)
{
    (void)state;
    static const char *const FILES[] = {"circuits/association.yaml", "circuits/self_prediction.yaml",
                                        "circuits/regression.yaml", "circuits/dynamic_dendrites.yaml"};
    double worst = 0;
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++)
        for (int coupled = 0; coupled < 2; coupled++) {
            struct harness h;
            const char *sets[] = {coupled ? "integrator.weights=coupled" : "integrator.weights=held",
                                  "integrator.kind=bdf"};
            harness_open_file(&h, FILES[i], sets, 2);
            if (ap_sim_present(h.e, &h.x, h.s->n_program - 1, 0) != AP_OK)
                harness_fail(&h);
            worst = fmax(worst, mismatch(&h));
            harness_close(&h);
        }
    print_message("transposed product: largest relative mismatch %.1e\n", worst);
    assert_true(worst < 1e-13);
}

static const char CELLS[] =
    "version: 1\nname: adjoint\nseed: 3\n%s"
    "microcircuit:\n  layers: [5, 6, 4, 3]\n%s  transfer: %s\n"
    "  weights: {forward: uniform(-1, 1), feedback: %s%s}\n"
    "  plasticity: {forward: 0.001 /ms, interneuron: 0.001 /ms, lateral: 0.001 /ms}\n"
    "stimulus: {kind: patterns, values: [[0.2, 0.9, 0.5, 0.1, 0.7]], smoothing: 3 ms}\n"
    "target: {kind: patterns, values: [[0.8, 0.1, 0.6]], smoothing: 3 ms}\n"
    "schedule:\n  - {name: shown, presentations: 1, duration: %g ms, teacher: %s, plasticity: off}\n"
    "integrator: {kind: bdf, rtol: 1e-11, atol: 1e-13, weights: %s}\n%s";

/* Dendrites with a membrane of their own, that the soma pulls back at. */
static const char DENDRITES[] = "cells:\n  pyramidal:\n"
                                "    soma: {leak: 0.1 /ms, couple: {basal: 1 /ms, apical: 0.8 /ms}}\n"
                                "    basal: {capacitance: 5, leak: 1 /ms, couple: {soma: 0.1 /ms}}\n"
                                "    apical: {capacitance: 5, leak: 1 /ms, couple: {soma: 0.1 /ms}}\n";

struct variant {
    const char *cells, *transfer, *weights, *acts, *feedback, *learned;
    double g, duration;
};

static void open(struct harness *h, const struct variant *v, bool teacher)
{
    char text[4096], conductance[256];
    double g = v->g > 0 ? v->g : 0.8;
    snprintf(conductance, sizeof conductance,
             "  conductance: {leak: 0.1 /ms, basal: 1 /ms, apical: %.17g /ms, dendrite: 1 /ms, nudge: %.17g "
             "/ms}\n",
             g, g);
    snprintf(text, sizeof text, CELLS, v->cells ? v->cells : "", v->cells ? "" : conductance,
             v->transfer ? v->transfer : "logistic", v->feedback ? v->feedback : "uniform(-1, 1)",
             v->learned ? v->learned : "", v->duration > 0 ? v->duration : 12, teacher ? "on" : "off",
             v->weights ? v->weights : "held", v->acts ? v->acts : "");
    harness_open(h, text, NULL, 0);
}

static void test_transposed_with_interventions(void **state)
{
    (void)state;
    static const struct variant V = {
        .acts = "interventions:\n"
                "  - {name: a, kind: inhibit, of: hidden1.pyr/apical, conductance: 0.7 /ms}\n"
                "  - {name: b, kind: mean, of: hidden2.pyr/apical}\n"
                "  - {name: c, kind: shuffle, projection: feedback1}\n"
                "  - {name: d, kind: scale, projection: lateral2, factor: 0.3}\n"
                "  - {name: e, kind: clamp, of: hidden1.int/soma, value: 0.4}\n"
                "  - {name: f, kind: silence, of: hidden2.int}\n"
                "  - {name: h, kind: swap, projection: forward2, groups: [\"hidden1.pyr[0:2]\", "
                "\"hidden1.pyr[3:5]\"]}\n"
                "  - {name: i, kind: swap, projection: feedback2, groups: [\"hidden2.pyr[0:2]\", "
                "\"hidden2.pyr[2:4]\"]}\n"
                "  - {name: g, kind: scale, projection: nudge1, factor: 2}\n"};
    struct harness h;
    open(&h, &V, true);
    harness_block(&h, 0);
    double worst = mismatch(&h);
    print_message("with interventions: %.1e\n", worst);
    assert_true(worst < 1e-13);
    harness_close(&h);
}

/* ---- the gradient ------------------------------------------------------------------------------------ */

/* A presentation with teacher, as an analysis sees it, and its adjoint gradient. */
struct seen {
    struct harness h;
    struct ap_analysis a;
    struct ap_adjoint *x;
};

static void look(struct seen *s, const struct variant *v)
{
    open(&s->h, v, true);
    double *start = calloc(s->h.x.c->n_membrane, sizeof *start);
    memcpy(start, s->h.x.g.y, s->h.x.c->n_membrane * sizeof *start);
    harness_block(&s->h, 0);
    if (ap_analysis_open(s->h.e, &s->a, &s->h.x.rhs) != AP_OK ||
        ap_adjoint_create(s->h.e, &s->a, &s->x) != AP_OK)
        harness_fail(&s->h);
    ap_analysis_eval(&s->a);
    struct ap_hash before = ap_sim_digest(&s->h.x);
    if (ap_adjoint_eval(s->h.e, s->x, &s->h.s->block[0], start) != AP_OK)
        harness_fail(&s->h);
    struct ap_hash after = ap_sim_digest(&s->h.x);
    assert_memory_equal(&before, &after, sizeof before);
    free(start);
}

static void close_seen(struct seen *s)
{
    ap_adjoint_free(s->x);
    ap_analysis_free(&s->a);
    harness_close(&s->h);
}

/* Loss at the end of the presentation without teacher, one weight moved by d, by the simulation itself. */
static double moved(const struct variant *v, const struct ap_analysis *a, int k, size_t i, double d)
{
    struct harness h;
    open(&h, v, false);
    const struct ap_proj *p = &h.x.c->proj[a->path.layer[k].forward];
    if (h.x.c->coupled && p->plastic)
        h.x.g.y[p->w_state + i] += d;
    else
        p->w[i] += d;
    harness_block(&h, 0);
    const struct ap_pop *out = &h.x.c->pop[a->path.layer[a->path.n].pop];
    double loss = ap_analysis_loss_of(a, AP_ANALYSIS_DELTA, h.x.g.y + out->comp[0].state);
    harness_close(&h);
    return loss;
}

static void test_gradients(void **state)
{
    (void)state;
    static const struct variant V[] = {
        {.transfer = "logistic"},
        {.transfer = "softplus(1, 1, 0)", .duration = 4},
        {.transfer = "tanh", .weights = "coupled", .learned = ", lateral: uniform(-1, 1)"},
        {.cells = DENDRITES, .feedback = "uniform(-0.5, 0.5)"},
        {.transfer = "logistic",
         .learned = ", interneuron: uniform(-1, 1), lateral: uniform(-1, 1)",
         .acts = "interventions:\n"
                 "  - {name: a, kind: inhibit, of: hidden1.pyr/apical, conductance: 0.7 /ms, from: 2 ms, "
                 "until: 9 ms}\n"
                 "  - {name: b, kind: mean, of: hidden2.pyr/apical, from: 5 ms}\n"
                 "  - {name: c, kind: clamp, of: hidden1.int/soma, value: 0.4, from: 3 ms, until: 7 ms}\n"
                 "  - {name: d, kind: scale, projection: forward2, factor: 0.5, until: 8 ms}\n"
                 "  - {name: e, kind: swap, projection: forward1, groups: [\"hidden1.pyr[0:2]\", "
                 "\"hidden1.pyr[3:5]\"]}\n"
                 "  - {name: f, kind: swap, projection: forward3, groups: [\"hidden2.pyr[0:2]\", "
                 "\"hidden2.pyr[2:4]\"], from: 6 ms}\n"},
    };
    for (size_t n = 0; n < sizeof V / sizeof *V; n++) {
        struct seen s;
        double worst = 0;
        look(&s, &V[n]);
        assert_true(fabs(moved(&V[n], &s.a, 1, 0, 0) - ap_adjoint_loss(s.x)) < 1e-6 * ap_adjoint_loss(s.x));
        for (int k = 1; k <= s.a.path.n; k++) {
            const struct ap_proj *p = &s.h.x.c->proj[s.a.path.layer[k].forward];
            const double *g = ap_adjoint_gradient(s.x, k);
            double size = 0, difference = 0, d = 2e-3;
            for (size_t i = 0; i < p->rows * p->cols; i++)
                size = fmax(size, fabs(g[i]));
            for (size_t i = 0; i < p->rows * p->cols; i += 3) { /* fourth order */
                double numeric = (8 * (moved(&V[n], &s.a, k, i, d) - moved(&V[n], &s.a, k, i, -d)) -
                                  (moved(&V[n], &s.a, k, i, 2 * d) - moved(&V[n], &s.a, k, i, -2 * d))) /
                                 (12 * d);
                difference = fmax(difference, fabs(numeric - g[i]));
            }
            assert_true(size > 0);
            worst = fmax(worst, difference / size);
        }
        print_message("adjoint gradient %zu: largest difference %.1e of the largest element\n", n, worst);
        assert_true(worst < 1e-5);
        close_seen(&s);
    }
}

/* ---- three gradients ---------------------------------------------------------------------------------- */

/* Backprop, the adjoint and what the rule does, in the self-predicting state with transposed feedback, for feedback that
 * gets ten times weaker at each row: angles fall in proportion. */
static void test_three_gradients_agree(void **state)
{
    (void)state;
    enum { LEVELS = 4 };
    static const double LAMBDA[LEVELS] = {1e-1, 1e-2, 1e-3, 1e-4};
    double angle[LEVELS][3][4];
    for (int i = 0; i < LEVELS; i++) {
        struct variant v = {
            .feedback = "transposed", .duration = 200, .g = 1.1 * LAMBDA[i] / (1 - LAMBDA[i])};
        struct seen s;
        look(&s, &v);
        for (int k = 1; k <= 3; k++) {
            size_t rows = s.a.layer[k].n, cols = s.a.layer[k - 1].n;
            double backprop[64], rule[64];
            assert_true(rows * cols <= 64);
            ap_analysis_gradient(&s.a, k, backprop);
            for (size_t j = 0; j < rows * cols; j++)
                rule[j] = -s.a.layer[k].drive[j / cols] *
                          s.h.x.rhs.rate[s.h.x.c->pop[s.a.path.layer[k - 1].pop].rate + j % cols];
            const double *adjoint = ap_adjoint_gradient(s.x, k);
            angle[i][0][k] = ap_analysis_angle(rows * cols, adjoint, backprop, NULL);
            angle[i][1][k] = ap_analysis_angle(rows * cols, adjoint, rule, NULL);
            angle[i][2][k] = ap_analysis_angle(rows * cols, rule, backprop, NULL);
        }
        print_message(
            "lambda %.0e: adjoint to backprop %.2e %.2e %.2e, adjoint to rule %.2e %.2e %.2e, rule to "
            "backprop %.2e %.2e %.2e degrees\n",
            LAMBDA[i], angle[i][0][1], angle[i][0][2], angle[i][0][3], angle[i][1][1], angle[i][1][2],
            angle[i][1][3], angle[i][2][1], angle[i][2][2], angle[i][2][3]);
        for (int pair = 0; pair < 3; pair++)
            for (int k = 1; k <= 3; k++) {
                assert_true(angle[i][pair][k] < 1000 * LAMBDA[i]); /* 1 degree at 1e-3 */
                if (i == 0 || angle[i][pair][k] < 1e-6)            /* below what the integration resolves */
                    continue;
                double fall = angle[i - 1][pair][k] / angle[i][pair][k];
                assert_true(fall > 8 && fall < 12.5);
            }
        close_seen(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transposed),
        cmocka_unit_test(test_transposed_with_interventions),
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_three_gradients_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
