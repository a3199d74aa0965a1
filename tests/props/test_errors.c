/* The weak-feedback table of a 6-9-7-4 circuit with transposed feedback in its self-predicting state: the error of the
 * first-order formula for the apical potential, and the angle between what the rule does and backprop, over five decades
 * of conductances. Every entry against the same steady state solved here in extended precision, from the published
 * equations and the draw's own weights. The published table is of one unknown draw: our draws differ from it by a
 * factor, the law does not. */
#include "../unit/harness.h"
#include "analysis.h"

enum { LEVELS = 5, DRAWS = 6 };

typedef long double wide; /* 19 digits: the smallest signal, lambda^3 = 4e-13, keeps six */

struct row {
    double formula[3], angle[3], steady[3], apical[3]; /* of layers 1, 2 */
};

/* ---- the same in extended precision ------------------------------------------------------------------ */

enum { WIDEST = 9 };
static const int SIZE[4] = {6, 9, 7, 4};

static wide rate_of(bool logistic, wide u)
{
    return logistic ? 1 / (1 + expl(-u)) : u > 0 ? u + log1pl(expl(-u)) : log1pl(expl(u));
}

static wide slope_of(bool logistic, wide u)
{
    wide s = 1 / (1 + expl(-u));
    return logistic ? s * (1 - s) : s;
}

static void weights_times(const struct harness *h, const char *name, const wide *x, wide *out)
{
    const struct ap_proj *p = harness_projection(h, name);
    for (size_t i = 0; i < p->rows; i++) {
        out[i] = 0;
        for (size_t j = 0; j < p->cols; j++)
            out[i] += (wide)p->w[i * p->cols + j] * x[j];
    }
}

static wide wide_angle(int n, const wide *x, const wide *y)
{
    wide xx = 0, yy = 0, sum = 0;
    for (int i = 0; i < n; i++) {
        xx += x[i] * x[i];
        yy += y[i] * y[i];
    }
    for (int i = 0; i < n; i++) {
        wide d = x[i] / sqrtl(xx) - y[i] / sqrtl(yy);
        sum += d * d;
    }
    return 2 * asinl(sqrtl(sum) / 2) * 180 / acosl(-1.0L);
}

/* Potentials: u pyramidal and output, q interneurons, v apical, b basal. The relations are those of a steady state
 * (model of Sacramento et al. 2018, eqs. 1-5), solved by repeated substitution. */
static struct row in_extended_precision(const struct harness *h, const struct ap_analysis *a, bool logistic,
                                        wide g, const wide *target)
{
    static const char *const FORWARD[] = {"", "forward1", "forward2", "forward3"};
    static const char *const FEEDBACK[] = {"", "feedback1", "feedback2"}, *const LATERAL[] = {"", "lateral1",
                                                                                              "lateral2"};
    static const char *const INTER[] = {"", "interneuron1", "interneuron2"};
    const wide LEAK = 0.1L, hidden = LEAK + 1 + g, gain[4] = {0, 1 / hidden, 1 / hidden, 1 / (LEAK + 1)};
    wide u[4][WIDEST], r[4][WIDEST], b[4][WIDEST], q[3][WIDEST], rq[3][WIDEST], v[3][WIDEST] = {{0}};
    wide free[4][WIDEST], fr[4][WIDEST], delta[4][WIDEST], predicted[4][WIDEST], part[WIDEST];
    for (int i = 0; i < SIZE[0]; i++)
        r[0][i] = fr[0][i] = a->layer[0].r[i];
    for (int k = 1; k <= 3; k++) { /* the forward pass */
        weights_times(h, FORWARD[k], fr[k - 1], free[k]);
        for (int i = 0; i < SIZE[k]; i++) {
            free[k][i] *= gain[k];
            u[k][i] = free[k][i];
            fr[k][i] = r[k][i] = rate_of(logistic, free[k][i]);
        }
    }
    for (int k = 1; k < 3; k++)
        memcpy(q[k], u[k + 1], sizeof q[k]);
    for (int round = 0; round < 400; round++) {
        for (int k = 1; k <= 3; k++) {
            weights_times(h, FORWARD[k], r[k - 1], b[k]);
            for (int i = 0; i < SIZE[k]; i++) {
                u[k][i] = k < 3 ? (b[k][i] + g * v[k][i]) / hidden : (b[k][i] + g * target[i]) / hidden;
                r[k][i] = rate_of(logistic, u[k][i]);
            }
        }
        for (int k = 1; k < 3; k++) {
            weights_times(h, INTER[k], r[k], part);
            for (int i = 0; i < SIZE[k + 1]; i++) {
                q[k][i] = (part[i] + g * u[k + 1][i]) / hidden;
                rq[k][i] = rate_of(logistic, q[k][i]);
            }
            weights_times(h, LATERAL[k], rq[k], part);
            weights_times(h, FEEDBACK[k], r[k + 1], v[k]);
            for (int i = 0; i < SIZE[k]; i++)
                v[k][i] += part[i];
        }
    }
    const wide lambda = g / hidden;
    struct row row;
    memset(&row, 0, sizeof row);
    for (int i = 0; i < SIZE[3]; i++) {
        delta[3][i] = slope_of(logistic, free[3][i]) * (target[i] - free[3][i]);
        predicted[3][i] = target[i] - free[3][i];
    }
    for (int k = 2; k >= 1; k--) {
        const struct ap_proj *w = harness_projection(h, FORWARD[k + 1]);
        wide above[WIDEST], post[WIDEST], outer[2][WIDEST * WIDEST], error = 0, size = 0;
        for (int i = 0; i < SIZE[k + 1]; i++)
            above[i] = (1 - lambda) * lambda * slope_of(logistic, free[k + 1][i]) * predicted[k + 1][i];
        weights_times(h, FEEDBACK[k], above, predicted[k]);
        for (int j = 0; j < SIZE[k]; j++) {
            delta[k][j] = 0;
            for (int i = 0; i < SIZE[k + 1]; i++)
                delta[k][j] += (wide)w->w[i * SIZE[k] + j] * delta[k + 1][i];
            delta[k][j] *= slope_of(logistic, free[k][j]);
            wide x = lambda * v[k][j]; /* r - phi(u - x), of order lambda^4: even here it would lose digits */
            post[j] = x * x < 1e-12L ? x * slope_of(logistic, u[k][j] - x / 2)
                                     : r[k][j] - rate_of(logistic, b[k][j] / hidden);
            error += (v[k][j] - predicted[k][j]) * (v[k][j] - predicted[k][j]);
            size += v[k][j] * v[k][j];
        }
        for (int i = 0; i < SIZE[k]; i++)
            for (int j = 0; j < SIZE[k - 1]; j++) {
                outer[0][i * SIZE[k - 1] + j] = post[i] * r[k - 1][j];
                outer[1][i * SIZE[k - 1] + j] = delta[k][i] * fr[k - 1][j];
            }
        row.formula[k] = (double)sqrtl(error / size);
        row.steady[k] = (double)wide_angle(SIZE[k] * SIZE[k - 1], outer[0], outer[1]);
    }
    return row;
}

/* ---- what apical says -------------------------------------------------------------------------------- */

/* From extended precision, of hidden layers 1 and 2, formula and angle: largest relative distance so far, and the sum of
 * logarithms of the ratios over draws. */
static double distance[2][3], ratio[2][3];

static void compare(int what, int k, double found, double exact)
{
    distance[what][k] = fmax(distance[what][k], fabs(found / exact - 1));
    ratio[what][k] += log(found / exact);
}

/* Targets: feedforward output + U(-1, 1), as potentials. */
static struct row measure(const char *transfer, double g, uint64_t seed)
{
    char text[2048];
    snprintf(
        text, sizeof text,
        "version: 1\nname: weak\nseed: %llu\nmicrocircuit:\n  layers: [6, 9, 7, 4]\n  transfer: %s\n"
        "  conductance: {leak: 0.1 /ms, basal: 1 /ms, apical: %.17g /ms, dendrite: 1 /ms, nudge: %.17g /ms}\n"
        "  weights: {forward: uniform(-0.7, 0.7), feedback: transposed}\n  plasticity: {forward: 0.001 /ms}\n"
        "stimulus: {kind: random, range: [0, 1]}\n"
        "target: {kind: patterns, values: [[0, 0, 0, 0]], as: potential}\n"
        "schedule:\n  - {name: quiet, presentations: 1, duration: 400 ms, teacher: off, plasticity: off}\n"
        "  - {name: taught, presentations: 1, duration: 400 ms, plasticity: off}\n"
        "integrator: {kind: euler, step: 0.4 ms}\n",
        (unsigned long long)seed, transfer, g, g);
    struct harness h;
    struct ap_analysis a;
    struct row row;
    harness_open(&h, text, NULL, 0);
    harness_block(&h, 0);
    if (ap_analysis_open(h.e, &a, &h.x.rhs) != AP_OK)
        harness_fail(&h);
    ap_analysis_eval(&a);
    double draw[4];
    wide target[4] = {0};
    ap_rng_between_n((struct ap_rng_stream){seed, AP_RNG_PATTERN, 77}, 0, -1, 1, 4, draw);
    for (int i = 0; i < h.s->n_stim; i++)
        for (int j = 0; h.s->stim[i].pop == a.path.target && j < 4; j++)
            target[j] = h.x.c->stim[i].table[j] = a.layer[3].u[j] + draw[j];
    harness_block(&h, 1);
    ap_analysis_eval(&a);
    for (int k = 1; k <= 2; k++) {
        row.formula[k] = ap_analysis_formula_error(&a, k);
        row.angle[k] = ap_analysis_gradient_angle(&a, k, false);
        row.steady[k] = ap_analysis_gradient_angle(&a, k, true);
        row.apical[k] = ap_analysis_apical_angle(&a, k, NULL);
    }
    struct row exact = in_extended_precision(&h, &a, strcmp(transfer, "logistic") == 0, g, target);
    for (int k = 1; k <= 2; k++) {
        compare(0, k, row.formula[k], exact.formula[k]);
        compare(1, k, row.steady[k], exact.steady[k]);
    }
    ap_analysis_free(&a);
    harness_close(&h);
    return row;
}

/* Geometric mean over draws. */
static double mean_of(const struct row *r, size_t field, int k)
{
    double sum = 0;
    for (int i = 0; i < DRAWS; i++) {
        double values[3];
        memcpy(values, (const char *)&r[i] + field, sizeof values);
        sum += log(values[k]);
    }
    return exp(sum / DRAWS);
}

#define MEAN(r, field, k) mean_of(r, offsetof(struct row, field), k)

static void within(const char *what, double found, double reference, double factor)
{
    if (!(found < factor * reference && found > reference / factor))
        fail_msg("%s: %.3g, the reference has %.3g", what, found, reference);
}

static void table(const char *transfer, bool logistic)
{
    static const double G[LEVELS] = {0.8, 0.08, 0.008, 0.0008, 0.00008};
    /* the reference's rows; where it says that digits were lost, and beyond them, the law: proportional to lambda */
    static const double FORMULA[2][LEVELS] = {{4.2e-2, 3.7e-3, 3.3e-4, 3.2e-5, 3.3e-6},
                                              {3.9e-2, 3.0e-3, 2.5e-4, 2.4e-5, 2.4e-6}};
    static const double ANGLE[2][2][LEVELS] = {
        {{0.73, 0.091, 0.009, 0.0009, 0.00009}, {0.50, 0.068, 0.007, 0.0007, 0.00007}},
        {{1.72, 0.32, 0.036, 0.0036, 0.00036}, {1.97, 0.28, 0.029, 0.0029, 0.00029}}};
    struct row rows[LEVELS][DRAWS];
    double last[4] = {0};
    for (int i = 0; i < LEVELS; i++) {
        memset(distance, 0, sizeof distance);
        memset(ratio, 0, sizeof ratio);
        for (uint64_t seed = 0; seed < DRAWS; seed++)
            rows[i][seed] = measure(transfer, G[i], seed);
        print_message(
            "%-20s g %.5f largest distance from extended precision: formula %.1e / %.1e, angle %.1e / "
            "%.1e\n",
            transfer, G[i], distance[0][1], distance[0][2], distance[1][1], distance[1][2]);
        for (int what = 0; what < 2; what++)
            for (int k = 1; k <= 2;
                 k++) { /* single draws of hidden 1 at the last g: the last digits of the potentials */
                assert_true(fabs(exp(ratio[what][k] / DRAWS) - 1) < 0.1);
                assert_true(distance[what][k] < (i == LEVELS - 1 && k == 1 ? 0.25 : 0.1));
            }
        double lambda = G[i] / (1.1 + G[i]);
        double now[4] = {MEAN(rows[i], formula, 1), MEAN(rows[i], formula, 2), MEAN(rows[i], steady, 1),
                         MEAN(rows[i], steady, 2)};
        print_message(
            "%-20s g %.5f lambda %.1e  formula %.2e / %.2e  angle %.2e / %.2e deg, with lost digits %.2e / "
            "%.2e\n",
            transfer, G[i], lambda, now[1], now[0], now[2], now[3], MEAN(rows[i], angle, 1),
            MEAN(rows[i], angle, 2));
        for (int k = 1; k <= 2; k++) {
            if (logistic)
                within("error of the formula", now[k - 1], FORMULA[k - 1][i], 3);
            assert_true(i > 0 || now[k + 1] < 2);
            within("angle", now[k + 1], ANGLE[!logistic][k - 1][i], 3);
        }
        for (int k = 0; k < 4 && i > 1; k++) /* proportional to lambda, decade after decade */
            if (!(fabs(last[k] / now[k] / 10 - 1) <
                  (i < 4 ? 0.15 : 0.4))) /* the potentials themselves are rounded */
                fail_msg("column %d falls by %.3g from g = %g to %g", k, last[k] / now[k], G[i - 1], G[i]);
        memcpy(last, now, sizeof last);
        if (i == 4)
            assert_true(MEAN(rows[i], steady, 1) < MEAN(rows[i], angle, 1) / 30);
        for (int seed = 0; seed < DRAWS; seed++)
            for (int k = 1; k <= 2; k++) { /* every draw */
                const struct row *r = &rows[i][seed];
                assert_true(r->steady[k] < 5 * (i == 0 ? 1 : 3 * lambda));
                assert_true(r->apical[k] < 6);
                if (i == 4) /* hidden 1: a signal of lambda^3, below the last digits of the rates */
                    assert_true(r->steady[k] < 1e-3);
                if (i == 3) /* weak-feedback limit: lambda 7e-4 */
                    assert_true(r->steady[k] < 1 && r->apical[k] < 1 && r->steady[k] < 0.02);
                if (i < 2) /* while digits are plenty the rule's own signal says the same */
                    assert_true(fabs(r->angle[k] / r->steady[k] - 1) < 1e-3);
            }
    }
}

static void test_logistic(void **state)
{
    (void)state;
    table("logistic", true);
}

static void test_softplus(void **state)
{
    (void)state;
    table("softplus(1, 1, 0)", false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logistic),
        cmocka_unit_test(test_softplus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
