/* Reading circuits: the shorthand's expansion, canonical text, names, schedules; whatever fails leaves nothing behind. */
#include "harness.h"

#include "rule.h"
#include "signal.h"
#include "weights.h"

static const char *const CIRCUITS[] = {"circuits/association.yaml", "circuits/self_prediction.yaml",
                                       "circuits/regression.yaml", "circuits/dynamic_dendrites.yaml",
                                       "circuits/mnist_small.yaml"};

static struct ap_spec *parse(struct ap_err *e, const char *text)
{
    return ap_spec_parse("test.yaml", text, strlen(text), NULL, 0, e);
}

static struct ap_spec *good(const char *text)
{
    struct ap_err *e = ap_err_create();
    struct ap_spec *s = parse(e, text);
    if (!s)
        fail_msg("%s", ap_err_message(e, 0));
    ap_err_free(e);
    return s;
}

static void refused(const char *text, const char *why)
{
    struct ap_err *e = ap_err_create();
    assert_null(parse(e, text));
    assert_int_equal(ap_err_code(e), AP_EUSAGE);
    if (!strstr(ap_err_message(e, 0), why))
        fail_msg("'%s' lacks '%s'", ap_err_message(e, 0), why);
    ap_err_free(e);
}

/* ---- the shorthand ----------------------------------------------------------------------------------- */

#define TAIL                                                                                                 \
    "stimulus: {kind: random}\ntarget: {kind: random, range: [0.1, 0.9]}\n"                                  \
    "schedule: [{name: a, presentations: 1, duration: 10 ms}]\n"

static const char TWO[] =
    "version: 1\nname: two\nmicrocircuit:\n  layers: [5, 4, 6, 3]\n  transfer: tanh\n  noise: 0.1 /sqrt(ms)\n"
    "  conductance: {leak: 0.13 /ms, basal: 1.1 /ms, apical: 0.7 /ms, dendrite: 0.9 /ms, nudge: 0.6 /ms, "
    "teacher: 0.5 /ms}\n"
    "  weights: {forward: [constant(1), constant(2), constant(3)], feedback: [transposed, constant(5)]}\n"
    "  plasticity: {forward: [0.3 /ms, 0 /ms, 0.1 /ms], interneuron: 0.4 /ms, lateral: 0.2 /ms, lowpass: 30 "
    "ms}\n" TAIL;

struct expected {
    const char *name, *pre, *post, *comp, *rule, *init;
    double rate, g;
    int other;
};

static void check_projection(const struct ap_spec *s, int i, const struct expected *x)
{
    const struct ap_proj_spec *p = &s->proj[i];
    assert_string_equal(p->name, x->name);
    assert_string_equal(s->pop[p->pre].name, x->pre);
    assert_string_equal(s->pop[p->post].name, x->post);
    assert_string_equal(s->cell[s->pop[p->post].cell].comp[p->post_comp].name, x->comp);
    assert_true(p->nudges == (x->g > 0) && p->conductance == x->g);
    assert_true(p->rule.present == (x->rule != NULL));
    if (x->rule) {
        assert_string_equal(p->rule.kind_name, x->rule);
        assert_true(p->rule.rate == x->rate && p->rule.lowpass == 30);
        assert_string_equal(p->rule.pre.row->row.name, "rate");
    }
    if (p->nudges)
        assert_true(p->connect == AP_CONNECT_ONE && p->pre_comp == 0 &&
                    p->gate == (strcmp(x->name, "teacher") == 0 ? AP_GATE_TEACHER : AP_GATE_ALWAYS));
    else {
        assert_true(p->connect == AP_CONNECT_DENSE && p->pre_comp == -1);
        assert_string_equal(p->init.row->row.name, x->init);
        assert_int_equal(p->init.other, x->other);
    }
}

static void test_two_hidden_layers(void **unused)
{
    (void)unused;
    struct ap_spec *s = good(TWO);
    static const struct {
        const char *name, *cell;
        int n;
    } POPS[] = {{"input", "clamped", 5},           {"hidden1.pyr", "pyramidal", 4},
                {"hidden1.int", "interneuron", 6}, {"hidden2.pyr", "pyramidal", 6},
                {"hidden2.int", "interneuron", 3}, {"output", "output", 3},
                {"target", "clamped", 3}};
    assert_int_equal(s->n_pop, 7);
    for (int i = 0; i < 7; i++) {
        assert_string_equal(s->pop[i].name, POPS[i].name);
        assert_string_equal(s->cell[s->pop[i].cell].name, POPS[i].cell);
        assert_int_equal(s->pop[i].n, POPS[i].n);
        assert_string_equal(s->pop[i].transfer->row.name, i == 0 ? "linear" : "tanh");
        assert_true(s->pop[i].noise == (i == 0 || i == 6 ? 0 : 0.1));
    }
    static const struct expected PROJ[] = {
        {"forward1", "input", "hidden1.pyr", "basal", "basal", "constant", 0.3, 0, -1},
        {"forward2", "hidden1.pyr", "hidden2.pyr", "basal", NULL, "constant", 0, 0, -1},
        {"feedback1", "hidden2.pyr", "hidden1.pyr", "apical", NULL, "transposed", 0, 0, 1},
        {"interneuron1", "hidden1.pyr", "hidden1.int", "dendrite", "dendrite", "self-predicting", 0.4, 0, 1},
        {"lateral1", "hidden1.int", "hidden1.pyr", "apical", "apical", "minus", 0.2, 0, 2},
        {"nudge1", "hidden2.pyr", "hidden1.int", "soma", NULL, NULL, 0, 0.6, -1},
        {"forward3", "hidden2.pyr", "output", "basal", "basal", "constant", 0.1, 0, -1},
        {"feedback2", "output", "hidden2.pyr", "apical", NULL, "constant", 0, 0, -1},
        {"interneuron2", "hidden2.pyr", "hidden2.int", "dendrite", "dendrite", "self-predicting", 0.4, 0, 6},
        {"lateral2", "hidden2.int", "hidden2.pyr", "apical", "apical", "minus", 0.2, 0, 7},
        {"nudge2", "output", "hidden2.int", "soma", NULL, NULL, 0, 0.6, -1},
        {"teacher", "target", "output", "soma", NULL, NULL, 0, 0.5, -1},
    };
    assert_int_equal(s->n_proj, 12);
    for (int i = 0; i < 12; i++)
        check_projection(s, i, &PROJ[i]);
    assert_true(s->proj[0].init.number[0] == 1 && s->proj[1].init.number[0] == 2 &&
                s->proj[6].init.number[0] == 3 && s->proj[7].init.number[0] == 5);
    assert_true(s->n_stim == 2 && s->stim[0].pop == 0 && s->stim[1].pop == 6);
    ap_spec_free(s);
}

static void test_three_hidden_layers(void **unused)
{
    (void)unused;
    struct ap_spec *s = good("version: 1\nname: three\nmicrocircuit:\n  layers: [5, 4, 6, 7, 3]\n"
                             "  weights: {forward: constant(1), feedback: transposed}\n" TAIL);
    assert_int_equal(s->n_pop, 1 + 2 * 3 + 2);
    assert_int_equal(s->n_proj, 4 + 3 * 4 + 1);
    static const int SIZE[] = {5, 4, 6, 6, 7, 7, 3, 3, 3};
    for (int i = 0; i < 9; i++)
        assert_int_equal(s->pop[i].n, SIZE[i]);
    for (int k = 1; k <= 3; k++) {
        char name[32];
        snprintf(name, sizeof name, "feedback%d", k);
        const struct ap_proj_spec *p = &s->proj[ap_spec_projection(s, name)];
        snprintf(name, sizeof name, "forward%d", k + 1);
        assert_string_equal(s->proj[p->init.other].name, name);
        assert_false(p->rule.present); /* a rate of 0 is no rule */
        snprintf(name, sizeof name, "nudge%d", k);
        p = &s->proj[ap_spec_projection(s, name)];
        assert_string_equal(s->pop[p->pre].name, k == 3 ? "output" : k == 2 ? "hidden3.pyr" : "hidden2.pyr");
        assert_true(p->conductance == 0.8 &&
                    s->proj[s->n_proj - 1].conductance == 0.8); /* teacher as nudge */
    }
    ap_spec_free(s);
}

static void test_plastic_feedback_splits_the_apical_sum(void **unused)
{
    (void)unused;
    struct ap_spec *s =
        good("version: 1\nname: split\nmicrocircuit:\n  layers: [5, 4, 6, 3]\n  nudging: conductance\n"
             "  reversal: [-1.5, 2]\n  weights: {forward: constant(1), feedback: constant(2)}\n"
             "  plasticity: {feedback: [0 /ms, 0.05 /ms], lowpass: 30 ms}\n" TAIL);
    for (int k = 1; k <= 2; k++) {
        char name[32];
        snprintf(name, sizeof name, "hidden%d.pyr", k);
        int pop = ap_spec_population(s, name);
        const struct ap_cell_spec *c = &s->cell[s->pop[pop].cell];
        assert_string_equal(c->name, "pyramidal-split");
        int apical = ap_spec_compartment(s, pop, "apical"), top = ap_spec_compartment(s, pop, "topdown");
        assert_true(c->n_comp == 4 && c->comp[apical].n_adds == 1 && c->comp[apical].adds[0] == top);
        int place[4];
        for (int i = 0; i < 4; i++)
            place[c->order[i]] = i;
        assert_true(place[top] < place[apical]);
        snprintf(name, sizeof name, "feedback%d", k);
        const struct ap_proj_spec *p = &s->proj[ap_spec_projection(s, name)];
        assert_true(p->post_comp == top && p->rule.present == (k == 2));
        snprintf(name, sizeof name, "lateral%d", k);
        assert_int_equal(s->proj[ap_spec_projection(s, name)].post_comp, apical);
    }
    assert_string_equal(s->proj[ap_spec_projection(s, "feedback2")].rule.kind_name, "topdown");
    for (int i = 0; i < s->n_proj; i++)
        if (s->proj[i].nudges)
            assert_true(s->proj[i].form == AP_NUDGE_CONDUCTANCE && s->proj[i].reversal[0] == -1.5 &&
                        s->proj[i].reversal[1] == 2);
    ap_spec_free(s);
}

static void test_own_cells_stay(void **unused)
{
    (void)unused;
    struct ap_spec *s = good(
        "version: 1\nname: own\ncells:\n  pyramidal:\n    soma: {leak: 0.2 /ms, couple: {basal: 3 /ms}}\n"
        "    basal: {capacitance: 5, leak: 1 /ms, couple: {soma: 0.25 /ms, apical: 0.5 /ms}}\n"
        "    apical: {capacitance: 2, leak: 1 /ms, couple: {basal: 0.5 /ms}, drive: 4 /ms}\n"
        "microcircuit:\n  layers: [5, 4, 3]\n  weights: {forward: constant(1), feedback: constant(1), "
        "interneuron: constant(2), lateral: normal(0, 1)}\n" TAIL);
    int pop = ap_spec_population(s, "hidden1.pyr");
    const struct ap_cell_spec *c = &s->cell[s->pop[pop].cell];
    assert_true(c->n_comp == 3 && c->comp[0].leak.value == 0.2 && c->comp[1].capacitance.value == 5);
    assert_true(c->comp[1].drive.value == 1 && c->comp[2].drive.value == 4);
    assert_string_equal(s->cell[s->pop[ap_spec_population(s, "output")].cell].name, "output");
    assert_string_equal(s->proj[ap_spec_projection(s, "interneuron1")].init.row->row.name, "constant");
    /* A dynamic dendrite: its own gain, drive over everything that pulls on it, times its share of the soma. */
    assert_true(fabs(ap_spec_attenuation(s, pop, 1) - 3 / 3.2 * (1 / 1.75)) < 1e-15);
    assert_true(ap_spec_attenuation(s, pop, 2) == 0); /* reaches the soma only through the basal dendrite */
    ap_spec_free(s);
    s = good(
        "version: 1\nname: mv\npotential: mV\nmicrocircuit:\n  layers: [5, 4, 3]\n  nudging: conductance\n"
        "  reversal: [-75 mV, 0 mV]\n  conductance: {leak: 0.1 nS, basal: 1 nS, apical: 0.8 nS, dendrite: 1 "
        "nS, nudge: "
        "0.8 nS}\n  weights: {forward: constant(1), feedback: constant(1)}\n" TAIL);
    assert_non_null(strstr(ap_spec_text(s), "reversal: [-75 mV, 0 mV]"));
    assert_non_null(strstr(ap_spec_text(s), "capacitance: 1 pF"));
    assert_true(s->physical);
    ap_spec_free(s);
}

static void test_lists_of_the_shorthand(void **unused)
{
    (void)unused;
#define MICRO(keys) "version: 1\nname: m\nmicrocircuit:\n  layers: [5, 4, 6, 3]\n" keys TAIL
    refused(MICRO("  weights: {forward: [constant(1)], feedback: constant(1)}\n"),
            "found 1 values, expected 3");
    refused(MICRO("  weights: {forward: constant(1), feedback: [constant(1), constant(1), constant(1)]}\n"),
            "found 3 values, expected 2");
    refused(
        MICRO("  weights: {forward: constant(1), feedback: constant(1)}\n  plasticity: {forward: [1 /ms]}\n"),
        "found 1 values, expected 3");
    refused(
        MICRO("  weights: {forward: constant(1), feedback: constant(1)}\n  plasticity: {forward: -1 /ms}\n"),
        "at least 0");
    refused(
        MICRO("  weights: {forward: constant(1), feedback: constant(1)}\n  plasticity: {feedback: 1 ms}\n"),
        "feedback");
    refused(MICRO("  weights: {forward: constant(1)}\n"), "'feedback' is missing");
    refused(MICRO("  weights: {forward: constant(1), feedback: constant(1)}\npopulations: {}\n"),
            "cannot stand beside");
    refused("version: 1\nname: m\nmicrocircuit:\n  layers: [5, 4]\n  weights: {forward: constant(1), "
            "feedback: constant(1)}\n" TAIL,
            "expected 3 to 16");
}

/* ---- canonical text ---------------------------------------------------------------------------------- */

static void fixed_point(struct ap_spec *s)
{
    struct ap_spec *again = good(ap_spec_text(s));
    assert_string_equal(ap_spec_text(again), ap_spec_text(s));
    assert_string_equal(ap_spec_name(again), ap_spec_name(s));
    assert_true(again->n_pop == s->n_pop && again->n_proj == s->n_proj && again->n_program == s->n_program &&
                again->n_report == s->n_report && again->n_probe == s->n_probe &&
                again->n_figure == s->n_figure);
    assert_null(strstr(ap_spec_text(s), "microcircuit"));
    ap_spec_free(again);
}

static void test_canonical_text_is_a_fixed_point(void **unused)
{
    (void)unused;
    struct ap_err *e = ap_err_create();
    for (int i = 0; i < 5; i++) {
        struct ap_spec *s = ap_spec_read(CIRCUITS[i], NULL, 0, e);
        assert_non_null(s);
        fixed_point(s);
        ap_spec_free(s);
    }
    const char *sets[] = {"microcircuit.plasticity.feedback=[0 /ms, 0.01 /ms]", "seed=77",
                          "schedule.a.duration=0.02 s"};
    struct ap_spec *s = ap_spec_parse("t.yaml", TWO, strlen(TWO), sets, 3, e);
    assert_true(s && s->seed == 77 && s->block[0].duration == 20);
    assert_non_null(strstr(ap_spec_text(s), "duration: 20 ms"));
    fixed_point(s);
    ap_spec_free(s);
    ap_err_free(e);
}

/* ---- attenuation, selections ------------------------------------------------------------------------- */

static void test_attenuation(void **unused)
{
    (void)unused;
    struct ap_spec *s = good(TWO);
    const double lk = 0.13, gb = 1.1, ga = 0.7, gd = 0.9; /* model section 1.5 */
    const struct {
        const char *pop, *comp;
        double expected;
    } cases[] = {
        {"hidden1.pyr", "basal", gb / (lk + gb + ga)},  {"hidden2.pyr", "basal", gb / (lk + gb + ga)},
        {"hidden1.pyr", "apical", ga / (lk + gb + ga)}, {"output", "basal", gb / (lk + gb)},
        {"hidden1.int", "dendrite", gd / (lk + gd)},    {"hidden2.int", "soma", 0}};
    for (int i = 0; i < 6; i++) {
        int pop = ap_spec_population(s, cases[i].pop);
        double a = ap_spec_attenuation(s, pop, ap_spec_compartment(s, pop, cases[i].comp));
        assert_true(fabs(a - cases[i].expected) < 1e-15);
    }
    ap_spec_free(s);
    s = good(
        "version: 1\nname: s\ncells: {lone: {soma: {leak: 0 /ms}}}\n" /* it sums, and nothing flows out */
        "populations: {i: {cell: clamped, size: 2}, o: {cell: lone, size: 2}}\n"
        "projections: [{name: p, from: i, to: o/soma, weights: constant(1)}]\n"
        "stimuli: {s: {of: i, kind: random}}\nschedule: [{name: x, presentations: 1, duration: 1 ms}]\n");
    assert_true(ap_spec_attenuation(s, ap_spec_population(s, "o"), 0) == 0);
    ap_spec_free(s);
}

static void test_selections(void **unused)
{
    (void)unused;
    struct ap_spec *s = good(TWO);
    const struct {
        const char *text;
        int pop, comp;
        int64_t first, last;
        bool ranged;
    } right[] = {{"output", 5, -1, 0, 3, false},
                 {"hidden2.pyr/apical", 3, 2, 0, 6, false},
                 {"hidden2.pyr[0:6]", 3, -1, 0, 6, true},
                 {"hidden2.pyr/soma[2:3]", 3, 0, 2, 3, true}};
    struct ap_selection x;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(ap_spec_select(NULL, s, NULL, "x", right[i].text, &x), AP_OK);
        assert_true(x.pop == right[i].pop && x.comp == right[i].comp && x.first == right[i].first &&
                    x.last == right[i].last && x.ranged == right[i].ranged);
    }
    static const char *const WRONG[] = {
        "",
        "outpu",
        "output/",
        "output/apical",
        "output[0:4]",
        "output[-1:2]",
        "output[1:1]",
        "output[2:1]",
        "output[0:2",
        "output[0]",
        "output[0:2]x",
        "output[:]",
        "output[0:2]/soma",
        "/soma",
        "output/soma/",
        "output[0:99999999999999999999]",
        "output[a:b]",
        "[0:1]",
        "output//soma",
    };
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++)
        if (ap_spec_select(NULL, s, NULL, "x", WRONG[i], &x) != AP_EUSAGE)
            fail_msg("'%s' is taken for a selection", WRONG[i]);
    char longest[600]; /* longer than any buffer */
    memset(longest, 'a', sizeof longest);
    longest[599] = 0;
    assert_int_equal(ap_spec_select(NULL, s, NULL, "x", longest, &x), AP_EUSAGE);
    longest[300] = '/';
    assert_int_equal(ap_spec_select(NULL, s, NULL, "x", longest, &x), AP_EUSAGE);
    ap_spec_free(s);
}

/* ---- schedule ---------------------------------------------------------------------------------------- */

#define NET                                                                                                  \
    "version: 1\nname: s\nmicrocircuit:\n  layers: [5, 4, 3]\n  weights: {forward: constant(1), feedback: "  \
    "constant(1)}\n"                                                                                         \
    "  plasticity: {forward: 1 /ms, lateral: 2 /ms}\n"                                                       \
    "stimulus: {kind: random}\ntarget: {kind: random, range: [0.1, 0.9]}\n"

static void test_repeats_are_unrolled(void **unused)
{
    (void)unused;
    struct ap_spec *s =
        good(NET "schedule:\n  - {name: a, presentations: 1, duration: 1 ms}\n"
                 "  - repeat: 2\n    do:\n      - {name: b, presentations: 2, duration: 1 ms}\n"
                 "      - repeat: 3\n        do:\n          - {name: c, presentations: 1, duration: 1 ms}\n"
                 "      - {name: d, presentations: 1, duration: 1 ms}\n"
                 "  - {name: e, presentations: 7, duration: 1 ms}\n");
    static const char ORDER[] = "abcccdbcccde";
    assert_int_equal(s->n_block, 5);
    assert_int_equal(s->n_program, (int)strlen(ORDER));
    for (int i = 0; i < s->n_program; i++)
        assert_true(s->block[s->program[i]].name[0] == ORDER[i]);
    assert_int_equal(ap_sim_presentations(s), 1 + 2 * (2 + 3 + 1) + 7);
    ap_spec_free(s);
    refused(NET "schedule: [{repeat: 1000000, do: [{name: a, presentations: 1, duration: 1 ms}]}]\n",
            "after repetition");
    refused(NET "schedule: [{repeat: 65536, do: [{repeat: 65536, do: [{repeat: 65536, do: [{repeat: 65536, "
                "do: [{name: a, "
                "presentations: 1, duration: 1 ms}]}]}]}]}]\n",
            "after repetition");
    refused(NET "schedule: [{repeat: 0, do: [{name: a, presentations: 1, duration: 1 ms}]}]\n", "repeat");
    refused(NET "schedule: []\n", "no schedule");
    s = good(NET "schedule: [{repeat: 65536, do: [{name: a, presentations: 1, duration: 1 ms}]}]\n");
    assert_int_equal(s->n_program, 65536);
    ap_spec_free(s);
}

static void test_defaults_of_blocks(void **unused)
{
    (void)unused;
    struct ap_spec *s = good(
        NET "schedule:\n  - {name: a, presentations: 1, duration: 1 ms}\n"
            "  - {name: b, presentations: 1, duration: 2 s, teacher: off, noise: off, reset: on, restart: "
            "on, order: shuffled, plasticity: off}\n"
            "  - {name: c, presentations: 1, duration: 1 ms, plasticity: [lateral1]}\n");
    const struct ap_block_spec *a = &s->block[0], *b = &s->block[1], *c = &s->block[2];
    assert_true(a->teacher && a->noise && !a->reset && !a->restart && a->order == AP_ORDER_SEQUENCE);
    assert_true(!b->teacher && !b->noise && b->reset && b->restart && b->order == AP_ORDER_SHUFFLED &&
                b->duration == 2000);
    for (int i = 0; i < s->n_proj; i++) {
        const char *name = s->proj[i].name;
        bool rule = strncmp(name, "forward", 7) == 0 || strncmp(name, "lateral", 7) == 0;
        assert_true(a->plastic[i] == rule && !b->plastic[i] &&
                    c->plastic[i] == (strcmp(name, "lateral1") == 0));
    }
    for (int p = 0; p < s->n_pop; p++)
        assert_int_equal(a->stim[p], p == 0 ? 0 : strcmp(s->pop[p].name, "target") == 0 ? 1 : -1);
    ap_spec_free(s);
    refused(NET "schedule: [{name: a, presentations: 1, duration: 1 ms, plasticity: [feedback1]}]\n",
            "no projection with a rule");
    refused(NET "schedule: [{name: a, presentations: 1, duration: 1 ms, present: [nothing]}]\n",
            "no stimulus");
    refused(NET "schedule: [{name: a, presentations: 1, duration: 1 ms}, {name: a, presentations: 1, "
                "duration: 1 ms}]\n",
            "two blocks");
    refused(NET "probes: [{kind: transposed-angle, projection: teacher, other: teacher}]\n"
                "schedule: [{name: a, presentations: 1, duration: 1 ms}]\n",
            "transposed");
    /* A one-to-one projection has no matrix to be transposed. */
    refused("version: 1\nname: t\npopulations:\n  i: {cell: clamped, size: 4}\n  o: {cell: output, size: "
            "4}\nprojections:\n"
            "  - {name: d, from: o, to: o/basal, weights: constant(1)}\n"
            "  - {name: e, from: o, to: o/basal, weights: constant(1), connect: one-to-one}\n"
            "probes: [{kind: transposed-angle, projection: d, other: e}]\n"
            "schedule: [{name: a, presentations: 1, duration: 1 ms}]\n",
            "dense");
}

/* ---- whatever is wrong ------------------------------------------------------------------------------- */

/* NULL with an error, or a spec without one. */
static bool settled(const char *text, size_t size)
{
    static struct ap_err *e;
    e = e ? e : ap_err_create();
    memset(e, 0, sizeof *e);
    struct ap_spec *s = ap_spec_parse("test.yaml", text, size, NULL, 0, e);
    if ((s == NULL) != (e->n > 0))
        fail_msg("%s with %d errors (%s):\n%.*s", s ? "a spec" : "nothing", e->n, ap_err_message(e, 0),
                 (int)size, text);
    if (e->n && ap_err_code(e) != AP_EUSAGE)
        fail_msg("code %d (%s):\n%.*s", ap_err_code(e), ap_err_message(e, 0), (int)size, text);
    ap_spec_free(s);
    return s != NULL;
}

static void test_every_damage_is_an_error_or_none(void **unused)
{
    (void)unused;
    struct ap_err *e = ap_err_create();
    const char *sets[] = {"microcircuit.plasticity.feedback=0.01 /ms"};
    struct ap_spec *expanded = ap_spec_read(CIRCUITS[0], sets, 1, e);
    assert_non_null(expanded);
    const char *const texts[] = {ap_spec_text(expanded), TWO};
    static const char *const INSTEAD[] = {
        "", "x", "[]", "{}", "-1", "1e999", "[x, {y: 1}]", "\"\\0\"", "output/soma[0:1]"};
    char *text = malloc(65536);
    int n = 0, bad = 0;
    for (int t = 0; t < 2; t++) {
        size_t size = strlen(texts[t]);
        for (const char *line = texts[t]; *line; line += strcspn(line, "\n") + 1) { /* a line is missing */
            size_t at = (size_t)(line - texts[t]), length = strcspn(line, "\n") + 1;
            memcpy(text, texts[t], at);
            memcpy(text + at, line + length, size - at - length + 1);
            bad += !settled(text, size - length);
            n++;
        }
        /* Every value, in turn, is something else: values follow ": ", "- " or stand between ", " and ",". */
        for (const char *c = texts[t]; *c; c++) {
            bool begins = c - texts[t] > 2 && c[-1] == ' ' && (c[-2] == ':' || c[-2] == '-' || c[-2] == ',');
            if (!begins || *c == ' ')
                continue;
            size_t at = (size_t)(c - texts[t]), length = strcspn(c, ",]}\n");
            for (size_t k = 0; k < sizeof INSTEAD / sizeof *INSTEAD; k++) {
                if ((at + k + (size_t)t) % 4) /* a quarter of them: quick, and all over the file */
                    continue;
                memcpy(text, texts[t], at);
                strcpy(text + at, INSTEAD[k]);
                strcat(text + at, c + length);
                bad += !settled(text, strlen(text));
                n++;
            }
        }
        for (size_t cut = 0; cut < size; cut += 37) /* the file ends early */
            bad += !settled(texts[t], cut), n++;
    }
    assert_true(n > 500 && bad > n / 2 && bad < n); /* some lines are a matter of taste */
    free(text);
    ap_spec_free(expanded);
    ap_err_free(e);
}

static void test_no_memory(void **unused)
{
    (void)unused;
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        int failed = 0, fine = 0;
        for (long nth = 1; fine < 5 && nth < 10000; nth++) {
            struct ap_err *e = ap_err_create();
            ap_mem_fail_at(nth, for_ever);
            struct ap_spec *s = ap_spec_read(CIRCUITS[0], NULL, 0, e);
            ap_mem_fail_at(0, false);
            if (s) {
                assert_int_equal(ap_err_count(e), 0);
                fine++;
            } else {
                assert_int_equal(fine, 0);
                assert_int_equal(ap_err_code(e), AP_EMEMORY);
                failed++;
            }
            ap_spec_free(s);
            ap_err_free(e);
        }
        assert_true(fine == 5 && failed > 20);
    }
}

/* Building and running a circuit without memory: every allocation of a simulation in turn. */
static void test_no_memory_for_the_simulation(void **unused)
{
    (void)unused;
    struct ap_err *e = ap_err_create();
    struct ap_spec *s = ap_spec_read(CIRCUITS[0], NULL, 0, e);
    char folder[] = P_tmpdir "/apical-test-XXXXXX", log[96];
    assert_true(s && mkdtemp(folder));
    snprintf(log, sizeof log, "%s/run.log", folder);
    int failed = 0, fine = 0;
    for (long nth = 1; fine < 3 && nth < 10000; nth++) {
        struct ap_sim x;
        memset(e, 0, sizeof *e);
        ap_mem_fail_at(nth, nth % 2);
        enum ap_code code = ap_sim_open(e, &x, s);
        if (code == AP_OK)
            code = ap_sim_record(e, &x, log);
        if (code == AP_OK)
            code = ap_sim_present(e, &x, 1, 0);
        ap_mem_fail_at(0, false);
        ap_sim_close(&x);
        unlink(log);
        if (code != AP_OK) {
            assert_int_equal(code, AP_EMEMORY);
            assert_int_equal(ap_err_code(e), AP_EMEMORY);
            assert_int_equal(fine, 0);
            failed++;
        } else {
            assert_int_equal(ap_err_count(e), 0);
            fine++;
        }
    }
    assert_true(fine == 3 && failed > 40);
    rmdir(folder);
    ap_spec_free(s);
    ap_err_free(e);
}

/* A number of seeds from `seed` on, a list, or 1, which leaves no trace. */
static void test_replicates(void **unused)
{
    (void)unused;
    static const struct {
        const char *set;
        int n;
        int64_t seed[3];
    } CASES[] = {{"replicates=3", 3, {7, 8, 9}},
                 {"replicates=[9, 0]", 2, {9, 0}},
                 {"replicates=[5]", 1, {5}},
                 {"replicates=1", 0, {0}}};
    struct ap_err *e = ap_err_create();
    const char *sets[2] = {"seed=7"};
    struct ap_spec *plain = ap_spec_read(CIRCUITS[0], sets, 1, e);
    assert_non_null(plain);
    assert_int_equal(plain->n_replicate, 0);
    for (int c = 0; c < 4; c++) {
        sets[1] = CASES[c].set;
        struct ap_spec *s = ap_spec_read(CIRCUITS[0], sets, 2, e);
        assert_non_null(s);
        assert_int_equal(s->n_replicate, CASES[c].n);
        for (int i = 0; i < s->n_replicate; i++)
            assert_int_equal(s->replicate[i], CASES[c].seed[i]);
        assert_true((strcmp(ap_spec_text(s), ap_spec_text(plain)) == 0) == (CASES[c].n == 0));
        ap_spec_free(s);
    }
    ap_spec_free(plain);
    ap_err_free(e);
}

/* The text that goes into an output folder names data files from the root, and is its own movable text. */
static void test_movable_text(void **unused)
{
    (void)unused;
    static const char FILES[] = "version: 1\nname: files\nmicrocircuit:\n  layers: [4, 2, 2]\n"
                                "  weights: {forward: uniform(-1, 1), feedback: 'file(w.h5, /a)'}\n"
                                "stimulus: {kind: images, file: data/images}\ntarget: {kind: random}\n"
                                "schedule: [{name: a, presentations: 2, duration: 1 ms}]\n";
    struct ap_err *e = ap_err_create();
    struct ap_spec *s = ap_spec_parse("/usr/../usr/x.yaml", FILES, strlen(FILES), NULL, 0, e);
    assert_non_null(s);
    char *text = ap_spec_movable_text(e, s);
    assert_non_null(strstr(text, "file: /usr/data/images"));
    assert_non_null(strstr(text, "file(/usr/w.h5, /a)"));
    struct ap_spec *moved = ap_spec_parse("/dev/y.yaml", text, strlen(text), NULL, 0, e);
    assert_non_null(moved);
    char *again = ap_spec_movable_text(e, moved);
    assert_string_equal(again, text);
    ap_mem_free(again);
    int failed = 0;
    for (long nth = 1;; nth++) {
        ap_mem_fail_at(nth, nth % 2);
        again = ap_spec_movable_text(e, s);
        if (ap_mem_fail_at(0, false) != 0 && again)
            break;
        assert_null(again);
        failed++;
    }
    assert_true(failed > 3);
    ap_mem_free(again);
    ap_mem_free(text);
    ap_spec_free(moved);
    ap_spec_free(s);
    s = ap_spec_parse("/no/such/folder/x.yaml", FILES, strlen(FILES), NULL, 0,
                      e); /* then as it was written */
    text = ap_spec_movable_text(e, s);
    assert_string_equal(text, ap_spec_text(s));
    ap_mem_free(text);
    ap_spec_free(s);
    char longest[1024],
        name[AP_CALL_TEXT] = "/"; /* a dataset with the longest name there may be, and the root folder */
    memset(name + 1, 'a', sizeof name - 2);
    snprintf(longest, sizeof longest, "%.*s%s%s", (int)(strstr(FILES, "/a)") - FILES), FILES, name,
             strstr(FILES, "/a)") + 2);
    s = ap_spec_parse("/x.yaml", longest, strlen(longest), NULL, 0, e);
    assert_non_null(s);
    text = ap_spec_movable_text(e, s);
    snprintf(longest, sizeof longest, "w.h5, %s)", name);
    assert_non_null(strstr(text, longest));
    char path[AP_ERR_PATH];
    assert_int_equal(ap_spec_path(e, s, "data", path), AP_OK);
    assert_string_equal(strrchr(path, '/'), "/data");
    assert_true(strspn(path, "/") == strlen(path) - strlen("data"));
    ap_mem_free(text);
    ap_spec_free(s);
    ap_mem_fail_at(1, false);
    assert_null(ap_spec_parse("x.yaml", FILES, strlen(FILES), NULL, 0, e));
    ap_mem_fail_at(0, false);
    ap_err_free(e);
}

/* As many projections as a list of nodes holds before it grows, and others: none beyond the last is looked at. */
static void test_movable_text_of_many_projections(void **unused)
{
    (void)unused;
    for (int n = 1; n < 18; n++) {
        char text[2048];
        int used = snprintf(
            text, sizeof text,
            "version: 1\nname: s\npopulations: {i: {cell: clamped, size: 2}, o: {cell: output, size: "
            "2}}\nstimuli: {s: {of: i, kind: random}}\n"
            "schedule: [{name: x, presentations: 1, duration: 1 ms}]\nprojections:\n");
        for (int k = 0; k < n; k++)
            used += snprintf(text + used, sizeof text - (size_t)used,
                             "  - {name: p%d, from: i, to: o/basal, weights: constant(1)}\n", k);
        struct ap_spec *s = good(text);
        char *moved = ap_spec_movable_text(NULL, s);
        assert_non_null(moved);
        assert_string_equal(moved, ap_spec_text(s));
        ap_mem_free(moved);
        ap_spec_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replicates),
        cmocka_unit_test(test_two_hidden_layers),
        cmocka_unit_test(test_three_hidden_layers),
        cmocka_unit_test(test_plastic_feedback_splits_the_apical_sum),
        cmocka_unit_test(test_own_cells_stay),
        cmocka_unit_test(test_lists_of_the_shorthand),
        cmocka_unit_test(test_canonical_text_is_a_fixed_point),
        cmocka_unit_test(test_attenuation),
        cmocka_unit_test(test_selections),
        cmocka_unit_test(test_repeats_are_unrolled),
        cmocka_unit_test(test_defaults_of_blocks),
        cmocka_unit_test(test_every_damage_is_an_error_or_none),
        cmocka_unit_test(test_movable_text),
        cmocka_unit_test(test_movable_text_of_many_projections),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_no_memory_for_the_simulation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
