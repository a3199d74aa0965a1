/* Probes against naive computations at a known state; time averages against dense sampling. */
#include "harness.h"

#include "probe.h"

static const char TEXT[] =
    "version: 1\nname: probes\nseed: 2\ncells:\n  own:\n    soma: {leak: 0.2 /ms, rest: 0.7, couple: {basal: "
    "1 /ms, apical: 0.5 "
    "/ms}}\n    basal: instantaneous\n    apical: {leak: 1 /ms, rest: 0.4, couple: {soma: 0.1 /ms}}\n"
    "populations:\n  input: {cell: clamped, size: 6}\n  a: {cell: own, size: 4}\n  b: {cell: output, size: "
    "4, transfer: tanh}\n"
    "  target: {cell: clamped, size: 4, transfer: tanh}\nprojections:\n"
    "  - {name: up, from: input, to: a/basal, weights: \"uniform(-1, 1)\"}\n"
    "  - {name: more, from: a, to: b/basal, weights: \"uniform(-1, 1)\"}\n"
    "  - {name: down, from: b, to: a/apical, weights: \"uniform(-1, 1)\"}\n"
    "  - {name: forth, from: input, to: b/basal, weights: \"uniform(-1, 1)\"}\n"
    "  - {name: nudge, from: a/soma, to: b/soma, connect: one-to-one, conductance: 0.5 /ms}\n"
    "stimuli:\n  s: {of: input, kind: random, range: [-1, 1], fresh: on, smoothing: 3 ms}\n"
    "  t: {of: target, kind: random, range: [-0.5, 0.5], fresh: on}\n"
    "schedule: [{name: x, presentations: 3, duration: 20 ms}]\nintegrator: {kind: %s, step: 0.1 ms, rtol: "
    "1e-8, atol: 1e-10}\n"
    "probes:\n  - {kind: squared-potential, of: a/apical}\n  - {kind: squared-potential, of: "
    "\"a/basal[1:3]\", name: part}\n"
    "  - {kind: mismatch, projection: nudge}\n  - {kind: rate-error, of: b}\n  - {kind: potential-error, of: "
    "b}\n"
    "  - {kind: prediction-error, of: a/basal}\n  - {kind: prediction-error, of: b/basal, name: second}\n"
    "  - {kind: class-error, of: b}\n  - {kind: transposed-angle, projection: more, other: down}\n"
    "record: {of: [a, b, target], every: 0.01 ms}\n";
enum { N = 4 };

static double rates[2][N];

/* All probes from the potentials of a moment, written out; in the order of the file. */
static void naive(const struct harness *h, const double *soma_a, const double *basal_a,
                  const double *apical_a, const double *soma_b, const double *basal_b, const double *target,
                  double out[11])
{
    memset(out, 0, 11 * sizeof *out);
    int best = 0, class = 0;
    for (int i = 0; i < N; i++) {
        out[0] += (apical_a[i] - 0.4) * (apical_a[i] - 0.4);
        out[1] += i >= 1 && i < 3 ? basal_a[i] * basal_a[i] : 0;
        out[2] += (soma_a[i] - soma_b[i]) * (soma_a[i] - soma_b[i]);
        rates[0][i] = tanh(soma_b[i]);
        rates[1][i] = tanh(target[i]);
        out[3] += (rates[0][i] - rates[1][i]) * (rates[0][i] - rates[1][i]);
        out[4] += (soma_b[i] - target[i]) * (soma_b[i] - target[i]);
        double left_alone = (0.2 * 0.7 + 1 * basal_a[i] + 0.5 * 0.4) / 1.7; /* the apical dendrite at rest */
        out[5] += (left_alone - target[i]) * (left_alone - target[i]);
        out[6] += (basal_b[i] / 1.1 - target[i]) * (basal_b[i] / 1.1 - target[i]);
        best = rates[0][i] > rates[0][best] ? i : best;
        class = rates[1][i] > rates[1][class] ? i : class;
    }
    out[7] = best != class;
    out[8] = best;
    out[9] = class;
    const double *up = harness_projection(h, "more")->w, *down = harness_projection(h, "down")->w;
    double dot = 0, uu = 0, dd = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            dot += up[i * N + j] * down[j * N + i];
            uu += up[i * N + j] * up[i * N + j];
            dd += down[i * N + j] * down[i * N + j];
        }
    out[10] = acos(dot / sqrt(uu * dd)) * 180 / 3.14159265358979;
}

static void test_values_at_a_moment(void **unused)
{
    (void)unused;
    char text[4096];
    snprintf(text, sizeof text, TEXT, "bdf");
    struct harness h;
    harness_open(&h, text, NULL, 0);
    int answers = 0;
    for (int trial = 0; trial < 20; trial++) {
        struct ap_sim *x = &h.x;
        for (size_t i = 0; i < x->c->n_state; i++)
            x->g.y[i] = sin(3.7 * (double)i + trial);
        for (size_t i = 0; i < x->c->n_rate; i++)
            x->rhs.clamp_to[i] = cos(2.9 * (double)i - trial);
        ap_rhs_eval(&x->rhs, 0, x->g.y, NULL);
        double expected[11], got[11];
#define V(pop, comp) harness_potential(&h, pop, comp, NULL)
        naive(&h, V("a", "soma"), V("a", "basal"), V("a", "apical"), V("b", "soma"), V("b", "basal"),
              V("target", "soma"), expected);
        for (int i = 0; i < h.s->n_probe; i++) {
            const struct ap_probe_view v = {.spec = &h.s->probe[i], .rhs = &x->rhs};
            h.s->probe[i].row->value(&v, got + ap_runlog_column(h.s, i));
        }
        for (int i = 0; i < 11; i++)
            if (!(fabs(got[i] - expected[i]) <= 1e-12 * fmax(1, fabs(expected[i]))))
                fail_msg("column %d: %.17g, expected %.17g", i, got[i], expected[i]);
        answers |= 1 << (int)got[7];
    }
    assert_int_equal(answers, 3); /* right ones and wrong ones */
    assert_int_equal(ap_runlog_column(h.s, h.s->n_probe), 11);
    /* An angle of 0 and of 180 degrees, whatever rounding does to the cosine. */
    struct ap_proj *up = harness_projection(&h, "more"), *down = harness_projection(&h, "down");
    for (int sign = -1; sign <= 1; sign += 2) {
        for (int i = 0; i < N * N; i++)
            down->w[i % N * N + i / N] = sign * 3 * up->w[i];
        ap_rhs_eval(&h.x.rhs, 0, h.x.g.y, NULL);
        const struct ap_probe_view v = {.spec = &h.s->probe[8], .rhs = &h.x.rhs};
        double angle;
        h.s->probe[8].row->value(&v, &angle);
        assert_true(fabs(angle - (sign > 0 ? 0 : 180)) < 1e-5);
    }
    harness_close(&h);
}

static void test_time_averages(void **unused)
{
    (void)unused;
    static const struct {
        const char *kind;
        double tolerance;
    } CASES[] = {{"bdf", 2e-4}, {"adams", 2e-4}, {"euler", 6e-3}}; /* Euler: left sums of steps of 0.1 ms */
    for (int k = 0; k < 3; k++) {
        char text[4096];
        snprintf(text, sizeof text, TEXT, CASES[k].kind);
        struct harness h;
        harness_open(&h, text, NULL, 0);
        for (uint64_t p = 0; p < 3; p++) {
            assert_int_equal(ap_sim_present(h.e, &h.x, 0, p), AP_OK);
            const struct ap_recorder *r = &h.x.recorder;
            assert_int_equal(r->taken[0], 2000);
            double mean[11] = {0}, now[11];
            for (size_t t = 0; t < 2000; t++) {
                double v[6][N];
                const double *f = r->frame[0] + t * r->width[0];
                for (int i = 0; i < N; i++) {
                    for (int c = 0; c < 3; c++)
                        v[c][i] = f[i * 3 + c];
                    for (int c = 0; c < 2; c++)
                        v[3 + c][i] = f[3 * N + i * 2 + c];
                    v[5][i] = f[5 * N + i];
                }
                naive(&h, v[0], v[1], v[2], v[3], v[4], v[5], now);
                for (int i = 0; i < 11; i++)
                    mean[i] += (t == 0 ? 0.5 : 1) * now[i] / 2000; /* trapezoids of 0.01 ms */
            }
            naive(&h, V("a", "soma"), V("a", "basal"), V("a", "apical"), V("b", "soma"), V("b", "basal"),
                  V("target", "soma"), now);
            for (int i = 0; i < 11; i++)
                mean[i] += 0.5 * now[i] / 2000;
            for (int i = 0; i < h.s->n_probe; i++) {
                if (!h.s->probe[i].row->mean)
                    continue;
                double got = r->column[ap_runlog_column(h.s, i)], expected = mean[ap_runlog_column(h.s, i)];
                if (!(fabs(got - expected) <= CASES[k].tolerance * expected))
                    fail_msg("%s, %s: %.9g, sampled %.9g", CASES[k].kind, h.s->probe[i].name, got, expected);
            }
            assert_true(fabs(r->column[3] - now[3]) < 1e-12 &&
                        fabs(r->column[4] - now[4]) < 1e-12); /* at the end */
        }
        harness_close(&h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_at_a_moment),
        cmocka_unit_test(test_time_averages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
