/* Interventions: each kind against what it must do exactly. */
#include "analysis.h"
#include "harness.h"

#include <omp.h>

static const char HEAD[] =
    "version: 1\nname: acted\nseed: 3\nmicrocircuit:\n  layers: [6, 5, 4]\n"
    "  conductance: {leak: 0.1 /ms, basal: 1 /ms, apical: 0.8 /ms, dendrite: 1 /ms, nudge: 0.8 /ms}\n"
    "  weights: {forward: uniform(-1, 1), feedback: uniform(-1, 1)%s}\n"
    "  plasticity: {forward: 0.02 /ms, interneuron: 0.02 /ms, lateral: 0.01 /ms, lowpass: 30 ms}\n"
    "stimulus: {kind: random, smoothing: 3 ms}\ntarget: {kind: random, range: [0.1, 0.9]}\n"
    "integrator: {kind: %s, weights: %s, thread-work: 1}\n"
    "schedule:\n  - {name: rest, presentations: 1, duration: 400 ms, teacher: off, plasticity: off}\n"
    "  - {name: learn, presentations: 2, duration: 20 ms%s}\n";

struct variant {
    const char *weights, *kind, *held, *block, *acts;
};

static void start(struct harness *h, struct variant v)
{
    char text[4096];
    int n = snprintf(text, sizeof text, HEAD, v.weights ? v.weights : "", v.kind ? v.kind : "bdf",
                     v.held ? v.held : "held", v.block ? v.block : "");
    snprintf(text + n, sizeof text - (size_t)n, "%s%s", v.acts ? "interventions:\n" : "",
             v.acts ? v.acts : "");
    harness_open(h, text, NULL, 0);
}

static void learned(struct harness *h, struct variant v)
{
    start(h, v);
    harness_block(h, 1);
}

static void same_weights(const struct harness *a, const struct harness *b, const char *name, double tolerance)
{
    const struct ap_proj *p = harness_projection(a, name), *q = harness_projection(b, name);
    for (size_t i = 0; i < p->rows * p->cols; i++)
        assert_true(fabs(p->w[i] - q->w[i]) <= tolerance);
}

static bool same_bits(const struct harness *a, const struct harness *b)
{
    struct ap_hash p = ap_sim_digest(&a->x), q = ap_sim_digest(&b->x);
    return memcmp(&p, &q, sizeof p) == 0;
}

/* Row i of W times the rates of the presynaptic population. */
static double sum_of(const struct harness *h, const char *name, size_t i)
{
    const struct ap_proj *p = harness_projection(h, name);
    double sum = 0;
    for (size_t j = 0; j < p->cols; j++)
        sum += p->w[i * p->cols + j] * h->x.rhs.rate[h->x.c->pop[p->pre].rate + j];
    return sum;
}

/* ---- silence ---------------------------------------------------------------------------------------- */

static void test_silence_leaves_the_top_down_part(void **state)
{
    (void)state;
    struct harness h;
    learned(&h, (struct variant){.acts = "  - {name: quiet, kind: silence, of: hidden1.int}\n"});
    size_t n;
    const double *apical = harness_potential(&h, "hidden1.pyr", "apical", &n);
    for (size_t i = 0; i < n; i++)
        assert_true(fabs(apical[i] - sum_of(&h, "feedback1", i)) < 1e-14);
    harness_close(&h);
}

/* A clamped population too: its afferent is no longer carried in closed form, and nothing is learned from rate 0. */
static void test_silent_input(void **state)
{
    (void)state;
    struct harness h, g;
    learned(&h, (struct variant){.acts = "  - {name: dark, kind: silence, of: input}\n"});
    start(&g, (struct variant){0});
    same_weights(&h, &g, "forward1", 0);
    const double *basal = harness_potential(&h, "hidden1.pyr", "basal", NULL);
    for (int i = 0; i < 5; i++)
        assert_true(basal[i] == 0);
    harness_close(&h);
    harness_close(&g);
}

/* ---- lesions ---------------------------------------------------------------------------------------- */

static const char *const LESIONS[] = {
    "  - {name: a, kind: scale, projection: feedback1, factor: 0}\n"
    "  - {name: b, kind: scale, projection: lateral1, factor: 0}\n",
    "  - {name: cut, kind: clamp, of: hidden1.pyr/apical, value: 0}\n",
};

/* Steady state without teacher, then with it: a lesioned apical compartment leaves the hidden weights where they are,
 * an intact one does not. */
static void test_lesion_leaves_hidden_weights(void **state)
{
    (void)state;
    for (int k = 0; k < 3; k++) {
        struct harness h, g;
        start(&h, (struct variant){.kind = "euler", .acts = k < 2 ? LESIONS[k] : NULL});
        start(&g, (struct variant){0});
        /* the steady state itself: hidden somata at their dendrite's prediction, the input unchanging */
        harness_block(&h, 0);
        const double *basal = harness_potential(&h, "hidden1.pyr", "basal", NULL);
        const double *soma = harness_potential(&h, "hidden1.pyr", "soma", NULL);
        for (int i = 0; i < 5; i++)
            assert_true(fabs(soma[i] - basal[i] / 1.9) < 1e-14);
        harness_block(&h, 1);
        if (k < 2)
            same_weights(&h, &g, "forward1", 1e-15);
        else
            assert_true(fabs(harness_projection(&h, "forward1")->w[0] -
                             harness_projection(&g, "forward1")->w[0]) > 1e-7);
        harness_close(&h);
        harness_close(&g);
    }
}

static void test_lesion_equals_no_apical_input(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++)
        for (int coupled = 0; coupled < 2; coupled++) {
            struct harness h, g;
            const char *held = coupled ? "coupled" : "held";
            learned(&h, (struct variant){.held = held, .kind = "euler", .acts = LESIONS[k]});
            start(&g, (struct variant){.held = held, .kind = "euler"});
            struct ap_proj *zero[] = {harness_projection(&g, "feedback1"),
                                      harness_projection(&g, "lateral1")};
            for (int z = 0; z < 2; z++) {
                memset(zero[z]->w, 0, zero[z]->rows * zero[z]->cols * sizeof(double));
                if (coupled && zero[z]->plastic)
                    memset(g.x.g.y + zero[z]->w_state, 0, zero[z]->rows * zero[z]->cols * sizeof(double));
            }
            harness_block(&g, 1);
            ap_sim_settle(&h.x);
            ap_sim_settle(&g.x);
            same_weights(&h, &g, "forward1", 1e-15);
            same_weights(&h, &g, "forward2", 1e-15);
            same_weights(&h, &g, "interneuron1", 1e-15);
            harness_close(&h);
            harness_close(&g);
        }
}

/* Scaling: a projection of weights w times f, by f or by hand; from an input too. */
static void test_scale(void **state)
{
    (void)state;
    struct harness h, g, plain, one;
    start(&h, (struct variant){.block = ", plasticity: off",
                               .acts = "  - {name: a, kind: scale, projection: forward1, factor: 2}\n"
                                       "  - {name: b, kind: scale, projection: feedback1, factor: 0.5}\n"});
    start(&g, (struct variant){.block = ", plasticity: off"});
    struct ap_proj *p = harness_projection(&g, "forward1"), *q = harness_projection(&g, "feedback1");
    for (size_t i = 0; i < p->rows * p->cols; i++)
        p->w[i] *= 2;
    for (size_t i = 0; i < q->rows * q->cols; i++)
        q->w[i] *= 0.5;
    harness_block(&h, 1);
    harness_block(&g, 1);
    for (size_t i = 0; i < h.x.c->n_membrane; i++)
        assert_true(fabs(h.x.g.y[i] - g.x.g.y[i]) < 1e-5); /* closed form and sums: other steps, rtol 1e-6 */
    harness_close(&h);
    harness_close(&g);
    learned(&plain, (struct variant){.kind = "euler"});
    learned(&one, (struct variant){.kind = "euler",
                                   .acts = "  - {name: a, kind: scale, projection: forward1, factor: 1}\n"});
    same_weights(&plain, &one, "forward1", 1e-13);
    harness_close(&plain);
    harness_close(&one);
}

/* One weight for each neuron: scaled where it is read, without a sum over rows. */
static void test_scale_one_to_one(void **state)
{
    (void)state;
    struct harness h;
    harness_open(&h,
                 "version: 1\nname: pairs\nseed: 8\npopulations:\n  i: {cell: clamped, size: 5}\n"
                 "  o: {cell: output, size: 5}\nprojections:\n"
                 "  - {name: p, from: i, to: o/basal, connect: one-to-one, weights: \"uniform(-1, 1)\"}\n"
                 "stimuli: {s: {of: i, kind: random, range: [0.2, 0.8]}}\n"
                 "schedule: [{name: x, presentations: 1, duration: 10 ms}]\n"
                 "interventions: [{name: a, kind: scale, projection: p, factor: 3}]\n",
                 NULL, 0);
    harness_block(&h, 0);
    const struct ap_proj *p = harness_projection(&h, "p");
    const double *rate = h.x.rhs.rate + h.x.c->pop[p->pre].rate;
    const double *basal = harness_potential(&h, "o", "basal", NULL);
    for (size_t i = 0; i < p->rows; i++) {
        assert_true(p->w[i] * rate[i] != 0);
        assert_true(fabs(basal[i] - 3 * p->w[i] * rate[i]) < 1e-14);
    }
    harness_close(&h);
}

/* ---- freeze, mean, inhibit, shuffle, swap ------------------------------------------------------------------ */

static void test_freeze(void **state)
{
    (void)state;
    for (int coupled = 0; coupled < 2; coupled++) {
        struct harness h, g;
        const char *held = coupled ? "coupled" : "held";
        learned(&h, (struct variant){.held = held,
                                     .acts = "  - {name: ice, kind: freeze, projection: forward2}\n"});
        learned(&g,
                (struct variant){.held = held, .block = ", plasticity: [forward1, interneuron1, lateral1]"});
        assert_true(same_bits(&h, &g));
        harness_close(&h);
        harness_close(&g);
    }
}

static void test_mean(void **state)
{
    (void)state;
    struct harness h;
    learned(&h, (struct variant){.acts = "  - {name: scalar, kind: mean, of: hidden1.pyr/apical}\n"
                                         "  - {name: soma, kind: mean, of: hidden1.int/soma}\n"});
    size_t n;
    const double *apical = harness_potential(&h, "hidden1.pyr", "apical", &n);
    double mean = 0;
    for (size_t i = 0; i < n; i++)
        mean += (sum_of(&h, "feedback1", i) + sum_of(&h, "lateral1", i)) / (double)n;
    for (size_t i = 0; i < n; i++) {
        assert_true(apical[i] == apical[0]);
        assert_true(fabs(apical[i] - mean) < 1e-14);
    }
    const double *soma = harness_potential(&h, "hidden1.int", "soma", &n);
    for (size_t i = 0; i < n; i++)
        assert_true(fabs(soma[i] - soma[0]) < 1e-14);
    harness_close(&h);
}

static void test_inhibit(void **state)
{
    (void)state;
    struct harness h;
    start(&h,
          (struct variant){
              .acts =
                  "  - {name: a, kind: inhibit, of: hidden1.pyr/apical, conductance: 3 /ms, reversal: -0.5}\n"
                  "  - {name: b, kind: inhibit, of: output/soma, conductance: 2 /ms, reversal: 0.7}\n"});
    struct ap_sim *x = &h.x;
    size_t n, state_at = x->c->pop[ap_spec_population(h.s, "output")].comp[0].state;
    double before[256], after[256];
    assert_true(x->c->n_state < 256);
    harness_block(&h, 1);
    const double *apical = harness_potential(&h, "hidden1.pyr", "apical", &n);
    for (size_t i = 0; i < n; i++) {
        double free_of = sum_of(&h, "feedback1", i) + sum_of(&h, "lateral1", i);
        assert_true(fabs(apical[i] - (free_of - 1.5) / 4) < 1e-14);
    }
    ap_rhs_eval(&x->rhs, 20, x->g.y, after);
    x->rhs.act.any = false;
    ap_rhs_eval(&x->rhs, 20, x->g.y, before);
    for (size_t i = state_at; i < state_at + 4; i++)
        assert_true(fabs(after[i] - before[i] - 2 * (0.7 - x->g.y[i])) < 1e-13);
    harness_close(&h);
}

/* The sum with permuted columns; the permutation is one, is not the identity, and comes again with the seed. */
static void test_shuffle(void **state)
{
    (void)state;
    struct harness h, g;
    const struct variant v = {.acts = "  - {name: mixed, kind: shuffle, projection: feedback1}\n"
                                      "  - {name: other, kind: shuffle, projection: forward1}\n"
                                      "  - {name: quiet, kind: silence, of: hidden1.int}\n"};
    learned(&h, v);
    learned(&g, v);
    assert_true(same_bits(&h, &g));
    const struct ap_proj *p = harness_projection(&h, "feedback1");
    const uint32_t *map = h.x.rhs.act.map[p - h.x.c->proj];
    unsigned seen = 0, moved = 0;
    for (size_t j = 0; j < p->cols; j++) {
        seen |= 1U << map[j];
        moved += map[j] != j;
    }
    assert_true(seen == (1U << p->cols) - 1 && moved > 0);
    const double *apical = harness_potential(&h, "hidden1.pyr", "apical", NULL);
    for (size_t i = 0; i < p->rows; i++) {
        double sum = 0;
        for (size_t j = 0; j < p->cols; j++)
            sum += p->w[i * p->cols + j] * h.x.rhs.rate[h.x.c->pop[p->pre].rate + map[j]];
        assert_true(fabs(apical[i] - sum) < 1e-14);
    }
    harness_close(&h);
    harness_close(&g);
}

/* A shuffled plastic matrix equals a straight one with the columns laid out anew: sums and rule see the same partners. */
static void test_shuffled_rule(void **state)
{
    (void)state;
    struct harness h, g;
    start(&h, (struct variant){.kind = "euler",
                               .acts = "  - {name: mixed, kind: shuffle, projection: forward2}\n"});
    start(&g, (struct variant){.kind = "euler"});
    struct ap_proj *p = harness_projection(&h, "forward2"), *q = harness_projection(&g, "forward2");
    const uint32_t *map = h.x.rhs.act.stored[0];
    for (size_t i = 0; i < p->rows; i++)
        for (size_t j = 0; j < p->cols; j++)
            q->w[i * p->cols + map[j]] = p->w[i * p->cols + j];
    harness_block(&h, 1);
    harness_block(&g, 1);
    for (size_t i = 0; i < p->rows; i++)
        for (size_t j = 0; j < p->cols; j++)
            assert_true(fabs(q->w[i * p->cols + map[j]] - p->w[i * p->cols + j]) < 1e-13);
    harness_close(&h);
    harness_close(&g);
}

/* Two groups of a plastic projection exchange their weights: the same as a matrix with the rows, or columns, laid out
 * anew, all through learning, with every integrator and every way of keeping weights. */
static void swapped(const char *name, const char *groups, bool rows, size_t first, size_t second, size_t n,
                    const char *kind, const char *held)
{
    struct harness h, g;
    char acts[256];
    snprintf(acts, sizeof acts, "  - {name: roles, kind: swap, projection: %s, groups: %s}\n", name, groups);
    start(&h, (struct variant){.kind = kind, .held = held, .acts = acts});
    start(&g, (struct variant){.kind = kind, .held = held});
    struct ap_proj *p = harness_projection(&h, name), *q = harness_projection(&g, name);
    bool state = strcmp(held, "coupled") == 0 && p->plastic;
    double *to = state ? g.x.g.y + q->w_state : q->w;
    size_t moved = 0;
    for (int after = 0; after < 2; after++) {
        const double *now = g.x.c->proj[q - g.x.c->proj].w;
        for (size_t i = 0; i < p->rows; i++)
            for (size_t j = 0; j < p->cols; j++) {
                size_t at = rows ? i : j, other = at;
                if (at >= first && at < first + n)
                    other = at - first + second;
                else if (at >= second && at < second + n)
                    other = at - second + first;
                size_t place = rows ? other * p->cols + j : i * p->cols + other;
                if (!after) {
                    to[place] = p->w[i * p->cols + j];
                    q->w[place] = p->w[i * p->cols + j];
                    moved += other != at;
                } else
                    assert_true(fabs(now[place] - p->w[i * p->cols + j]) < 2e-6);
            }
        if (after)
            continue;
        harness_block(&h, 1);
        harness_block(&g, 1);
        ap_sim_settle(&h.x);
        ap_sim_settle(&g.x);
    }
    assert_true(moved == 2 * n * (rows ? p->cols : p->rows));
    for (size_t i = 0; i < h.x.c->n_membrane; i++)
        assert_true(fabs(h.x.g.y[i] - g.x.g.y[i]) < 1e-5);
    harness_close(&h);
    harness_close(&g);
}

static void test_swap(void **state)
{
    (void)state;
    static const char *const WAY[][2] = {{"bdf", "held"}, {"bdf", "coupled"}, {"euler", "held"}};
    for (int k = 0; k < 3; k++) {
        swapped("feedback1", "[\"hidden1.pyr[0:2]\", \"hidden1.pyr[3:5]\"]", true, 0, 3, 2, WAY[k][0],
                WAY[k][1]);
        swapped("lateral1", "[\"hidden1.pyr[3:5]\", \"hidden1.pyr[1:3]\"]", true, 3, 1, 2, WAY[k][0],
                WAY[k][1]);
        swapped("lateral1", "[\"hidden1.int[0:2]\", \"hidden1.int[2:4]\"]", false, 0, 2, 2, WAY[k][0],
                WAY[k][1]);
        swapped("forward1", "[\"hidden1.pyr[0:1]\", \"hidden1.pyr[4:5]\"]", true, 0, 4, 1, WAY[k][0],
                WAY[k][1]);
        swapped("forward1", "[\"input[0:3]\", \"input[3:6]\"]", false, 0, 3, 3, WAY[k][0], WAY[k][1]);
        swapped("forward2", "[\"output[0:1]\", \"output[1:2]\"]", true, 0, 1, 1, WAY[k][0], WAY[k][1]);
    }
}

/* Beside the gradient, too: the parts of the apical potential are what arrives, scaled, shuffled and swapped. */
static void test_parts_of_the_apical_potential(void **state)
{
    (void)state;
    struct harness h;
    struct ap_analysis a;
    learned(&h, (struct variant){.acts = "  - {name: a, kind: scale, projection: lateral1, factor: 0.5}\n"
                                         "  - {name: b, kind: swap, projection: feedback1, groups: "
                                         "[\"hidden1.pyr[0:2]\", \"hidden1.pyr[3:5]\"]}\n"
                                         "  - {name: c, kind: shuffle, projection: lateral1}\n"});
    assert_int_equal(ap_analysis_open(h.e, &a, &h.x.rhs), AP_OK);
    ap_analysis_eval(&a);
    size_t n;
    const double *apical = harness_potential(&h, "hidden1.pyr", "apical", &n);
    for (size_t i = 0; i < n; i++) {
        assert_true(fabs(a.layer[1].topdown[i] + a.layer[1].lateral[i] - apical[i]) < 1e-14);
        assert_true(fabs(a.layer[1].topdown[i] - sum_of(&h, "feedback1",
                                                        i == 2  ? 2
                                                        : i < 2 ? i + 3
                                                                : i - 3)) < 1e-14);
    }
    ap_analysis_free(&a);
    harness_close(&h);
}

/* ---- time ------------------------------------------------------------------------------------------- */

static const char LEAKY[] =
    "version: 1\nname: leaky\nseed: 1\n"
    "cells: {bare: {soma: {leak: 0.25 /ms}}}\n"
    "populations: {input: {cell: clamped, size: 1}, out: {cell: bare, size: 1%s}}\n"
    "projections: [{name: up, from: input, to: out/soma, weights: constant(0)}]\n"
    "stimuli: {pattern: {of: input, kind: random}}\n"
    "schedule: [{name: a, presentations: 1, duration: 12 ms}, {name: b, presentations: 1, duration: 12 ms}]\n"
    "integrator: {kind: %s, step: 0.1 ms, rtol: 1e-10, atol: 1e-12}\n"
    "interventions:\n"
    "  - {name: hold, kind: clamp, of: out/soma, value: 1.5, from: 3.3371 ms, until: 7.7713 ms, during: "
    "[a]}\n";

/* A clamp that ends at a time off the grid, then the decay, which is known: for BDF an exponential, for Euler a power. */
static void test_edges_off_the_grid(void **state)
{
    (void)state;
    static const char *const KIND[] = {"bdf", "adams", "euler"};
    for (int k = 0; k < 3; k++) {
        struct harness h;
        char text[2048];
        snprintf(text, sizeof text, LEAKY, "", KIND[k]);
        harness_open(&h, text, NULL, 0);
        harness_block(&h, 0);
        double rest = 12 - 7.7713, steps = floor(rest / 0.1);
        double expected =
            k < 2 ? 1.5 * exp(-0.25 * rest) : 1.5 * pow(1 - 0.025, steps) * (1 - 0.25 * (rest - 0.1 * steps));
        assert_true(fabs(h.x.g.y[0] - expected) < (k < 2 ? 1e-8 : 1e-13));
        harness_close(&h);
    }
}

/* Noise does not move what is held, nor leave a trace of it. */
static void test_clamp_holds_against_noise(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        struct harness h;
        char text[2048];
        const char *sets[] = {"interventions.0.from=0 ms", "interventions.0.until=12 ms"};
        snprintf(text, sizeof text, LEAKY, ", noise: 0.3 /sqrt(ms)", k ? "euler" : "bdf");
        harness_open(&h, text, sets, 2);
        harness_block(&h, 0);
        assert_true(h.x.g.y[0] == 1.5 && h.x.rhs.v[h.x.c->pop[1].comp[0].value] == 1.5);
        harness_block(&h, 1);
        assert_true(h.x.g.y[0] != 1.5);
        harness_close(&h);
    }
}

/* What ends before a block or lies outside of it changes nothing; a part of the time differs from the whole. */
static void test_blocks_and_times(void **state)
{
    (void)state;
    struct harness none, other, part, whole;
    learned(&none, (struct variant){0});
    learned(&other,
            (struct variant){.acts = "  - {name: a, kind: mean, of: hidden1.pyr/apical, during: [rest]}\n"});
    learned(&part,
            (struct variant){.acts = "  - {name: a, kind: mean, of: hidden1.pyr/apical, from: 7.77 ms, "
                                     "until: 11.13 ms}\n"});
    learned(&whole, (struct variant){.acts = "  - {name: a, kind: mean, of: hidden1.pyr/apical}\n"});
    assert_true(same_bits(&none, &other));
    assert_false(same_bits(&none, &part));
    assert_false(same_bits(&part, &whole));
    harness_close(&none);
    harness_close(&other);
    harness_close(&part);
    harness_close(&whole);
}

static const char EVERYTHING[] =
    "  - {name: a, kind: silence, of: hidden1.int, from: 3.3 ms, until: 6.1 ms}\n"
    "  - {name: b, kind: clamp, of: hidden1.int/soma, value: 0.2, from: 11.17 ms}\n"
    "  - {name: c, kind: inhibit, of: hidden1.pyr/apical, conductance: 1 /ms, from: 9.1 ms}\n"
    "  - {name: d, kind: scale, projection: forward1, factor: 0.5, until: 9.7 ms}\n"
    "  - {name: e, kind: freeze, projection: forward1, from: 5 ms, until: 15 ms}\n"
    "  - {name: f, kind: mean, of: hidden1.pyr/apical, from: 8 ms, until: 13.3 ms}\n"
    "  - {name: g, kind: mean, of: output/soma, from: 8 ms, until: 13.3 ms}\n"
    "  - {name: h, kind: shuffle, projection: forward2, from: 14.14 ms}\n"
    "  - {name: i, kind: swap, projection: lateral1, groups: [\"hidden1.pyr[0:2]\", \"hidden1.pyr[2:4]\"], "
    "from: 4.4 ms}\n";

static void test_threads(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        const struct variant v = {
            .held = k % 2 ? "coupled" : "held", .kind = k / 2 ? "euler" : "bdf", .acts = EVERYTHING};
        struct harness h[3];
        for (int i = 0; i < 3; i++) {
            omp_set_num_threads(1 << i);
            learned(&h[i], v);
            assert_true(i == 0 || same_bits(&h[0], &h[i]));
        }
        omp_set_num_threads(2);
        for (int i = 0; i < 3; i++)
            harness_close(&h[i]);
    }
}

/* Held weights and coupled ones agree through every edge. */
static void test_held_and_coupled(void **state)
{
    (void)state;
    struct harness h, g;
    learned(&h, (struct variant){.acts = EVERYTHING});
    learned(&g, (struct variant){.held = "coupled", .acts = EVERYTHING});
    ap_sim_settle(&g.x);
    same_weights(&h, &g, "forward1", 2e-4);
    same_weights(&h, &g, "forward2", 2e-4);
    same_weights(&h, &g, "lateral1", 2e-4);
    harness_close(&h);
    harness_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_silence_leaves_the_top_down_part),
        cmocka_unit_test(test_silent_input),
        cmocka_unit_test(test_lesion_leaves_hidden_weights),
        cmocka_unit_test(test_lesion_equals_no_apical_input),
        cmocka_unit_test(test_scale),
        cmocka_unit_test(test_scale_one_to_one),
        cmocka_unit_test(test_freeze),
        cmocka_unit_test(test_mean),
        cmocka_unit_test(test_inhibit),
        cmocka_unit_test(test_shuffle),
        cmocka_unit_test(test_shuffled_rule),
        cmocka_unit_test(test_swap),
        cmocka_unit_test(test_parts_of_the_apical_potential),
        cmocka_unit_test(test_edges_off_the_grid),
        cmocka_unit_test(test_clamp_holds_against_noise),
        cmocka_unit_test(test_blocks_and_times),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_held_and_coupled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
