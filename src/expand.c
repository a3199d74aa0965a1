/* expand.c: the `microcircuit:` shorthand, written out as cells, populations, projections and stimuli.
 *
 * In:   a tree with `microcircuit:`, and `stimulus:` and `target:` if the file uses the short form.
 * Out:  the same tree in explicit form; places stay those of the shorthand, so that errors point to what was written.
 * Invariants:
 *   1. The engine and all later readers know only the explicit form.
 *   2. What the file itself defines (a cell, a stimulus) is not overwritten.
 * Never: checks what the explicit readers check anyway.
 * Test: tests/unit/test_spec.c, tests/cli/ */
#include "spec.h"
#include "weights.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

struct shorthand {
    struct ap_err *e;
    struct ap_tree *t;
    struct ap_place at;
    struct ap_node *layers, *forward, *feedback, *conductance, *weights, *plasticity;
    const char *transfer, *input_transfer;
    struct ap_quantity noise;
    int nudging;
    double reversal[2];
    /* sub-maps */
    struct ap_quantity leak, basal, apical, dendrite, nudge, teacher;
    const char *interneuron_weights, *lateral_weights;
    struct ap_node *forward_rate, *feedback_rate, *interneuron_rate, *lateral_rate;
    int feedback_rule;
    double lowpass, decay;
    double up[16], down[16], inter[16], lateral[16]; /* learning rates per matrix [1/ms] */
    int64_t size[16];
    int n_layers;
    enum ap_code code;
};

/* Of the top-down weights: (10) predicts the soma from the top-down input alone, which then has a compartment. */
enum { TOPDOWN, KOLEN_POLLACK };
static const char *const FEEDBACK_RULE[] = {"topdown", "kolen-pollack", NULL};
static const char *const NUDGING[] = {"current", "conductance", NULL};
#define OF(field) offsetof(struct shorthand, field)
static const struct ap_key KEYS[] = {
    {"layers", AP_KEY_NODE, AP_DIM_NONE, OF(layers), AP_REQUIRED, 0, 0, NULL,
     "[input, hidden ..., output] numbers of pyramidal cells"},
    {"transfer", AP_KEY_TEXT, AP_DIM_NONE, OF(transfer), "logistic", 0, 0, NULL,
     "transfer function of all cells"},
    {"input", AP_KEY_TEXT, AP_DIM_NONE, OF(input_transfer), "linear", 0, 0, NULL,
     "transfer function of the input: linear makes the pattern the rate"},
    {"noise", AP_KEY_QUANTITY, AP_DIM_NOISE, OF(noise), "0 /sqrt(ms)", 0, INFINITY, NULL,
     "noise of every soma"},
    {"nudging", AP_KEY_CHOICE, AP_DIM_NONE, OF(nudging), "current", 0, 0, NUDGING,
     "form of teaching and nudging"},
    {"reversal", AP_KEY_PAIR, AP_DIM_POTENTIAL, OF(reversal), "[-1, 1]", 0, 0, NULL,
     "[inhibitory, excitatory] potentials of the conductance form"},
    {"conductance", AP_KEY_NODE, AP_DIM_CONDUCTANCE, OF(conductance), AP_ABSENT, 0, 0, NULL,
     "{leak, basal, apical, dendrite, nudge, teacher}"},
    {"weights", AP_KEY_NODE, AP_DIM_NONE, OF(weights), AP_ABSENT, 0, 0, NULL,
     "{forward, feedback, interneuron, lateral}: how each starts"},
    {"plasticity", AP_KEY_NODE, AP_DIM_RATE, OF(plasticity), AP_ABSENT, 0, 0, NULL,
     "{forward, interneuron, lateral, feedback, feedback-rule, lowpass, decay}: learning rates; a rate of 0 "
     "is "
     "no rule"},
};
static const struct ap_key CONDUCTANCE[] = {
    {"leak", AP_KEY_QUANTITY, AP_DIM_CONDUCTANCE, OF(leak), "0.1 /ms", 0, INFINITY, NULL, "g_lk"},
    {"basal", AP_KEY_QUANTITY, AP_DIM_CONDUCTANCE, OF(basal), "1 /ms", AP_POSITIVE, INFINITY, NULL, "g_B"},
    {"apical", AP_KEY_QUANTITY, AP_DIM_CONDUCTANCE, OF(apical), "0.8 /ms", AP_POSITIVE, INFINITY, NULL,
     "g_A"},
    {"dendrite", AP_KEY_QUANTITY, AP_DIM_CONDUCTANCE, OF(dendrite), "1 /ms", AP_POSITIVE, INFINITY, NULL,
     "g_D"},
    {"nudge", AP_KEY_QUANTITY, AP_DIM_CONDUCTANCE, OF(nudge), "0.8 /ms", AP_POSITIVE, INFINITY, NULL,
     "g_som of the interneurons"},
    {"teacher", AP_KEY_QUANTITY, AP_DIM_CONDUCTANCE, OF(teacher), AP_ABSENT, AP_POSITIVE, INFINITY, NULL,
     "g_som of the output; as `nudge` when absent"},
};
static const struct ap_key WEIGHTS[] = {
    {"forward", AP_KEY_NODE, AP_DIM_NONE, OF(forward), AP_REQUIRED, 0, 0, NULL,
     "one start for all matrices, or a list"},
    {"feedback", AP_KEY_NODE, AP_DIM_NONE, OF(feedback), AP_REQUIRED, 0, 0, NULL,
     "one start, `transposed`, `transposed-sign`, or a list, lowest layer first"},
    {"interneuron", AP_KEY_TEXT, AP_DIM_NONE, OF(interneuron_weights), "self-predicting", 0, 0, NULL, "W^IP"},
    {"lateral", AP_KEY_TEXT, AP_DIM_NONE, OF(lateral_weights), "self-predicting", 0, 0, NULL, "W^PI"},
};
static const struct ap_key PLASTICITY[] = {
    {"forward", AP_KEY_NODE, AP_DIM_RATE, OF(forward_rate), "0 /ms", 0, 0, NULL,
     "one rate, or one per matrix, input side first"},
    {"interneuron", AP_KEY_NODE, AP_DIM_RATE, OF(interneuron_rate), "0 /ms", 0, 0, NULL,
     "W^IP, rule (8): one rate, or one per matrix, lowest layer first"},
    {"lateral", AP_KEY_NODE, AP_DIM_RATE, OF(lateral_rate), "0 /ms", 0, 0, NULL,
     "W^PI, rule (9): one rate, or one per matrix, lowest layer first"},
    {"feedback", AP_KEY_NODE, AP_DIM_RATE, OF(feedback_rate), "0 /ms", 0, 0, NULL,
     "top-down: one rate, or one per matrix, lowest layer first"},
    {"feedback-rule", AP_KEY_CHOICE, AP_DIM_NONE, OF(feedback_rule), "topdown", 0, 0, FEEDBACK_RULE,
     "rule (10), or the forward rule with its factors swapped"},
    {"lowpass", AP_KEY_NUMBER, AP_DIM_TIME, OF(lowpass), "0 ms", 0, INFINITY, NULL, "tau_w of all rules"},
    {"decay", AP_KEY_NUMBER, AP_DIM_RATE, OF(decay), "0 /ms", 0, INFINITY, NULL,
     "of forward and top-down weights; what kolen-pollack aligns them with"},
};
#undef OF
#define N(keys) (sizeof keys / sizeof *keys)

/* `key: text` into map; failures are collected in s->code. */
static void put(struct shorthand *s, struct ap_node *map, const char *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static void put(struct shorthand *s, struct ap_node *map, const char *key, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (ap_yamlin_put(s->e, s->t, map, key, ap_yamlin_scalar(s->e, s->t, s->at, "%s", text)) != AP_OK)
        s->code = AP_EMEMORY;
}

static struct ap_node *put_map(struct shorthand *s, struct ap_node *parent, const char *key, bool flow)
{
    struct ap_node *n = ap_yamlin_map(s->e, s->t, s->at, flow);
    if (ap_yamlin_put(s->e, s->t, parent, key, n) != AP_OK)
        s->code = AP_EMEMORY;
    return n;
}

/* The root's map or list under key, made when it is not there. */
static struct ap_node *section(struct shorthand *s, const char *key, bool list)
{
    struct ap_node *n = ap_yamlin_child(s->t->root, key);
    if (n && n->kind == (list ? AP_NODE_LIST : AP_NODE_MAP))
        return n;
    if (n) { /* of the wrong kind; what would go into it goes into a node that nobody reads */
        s->code = ap_schema_expect(s->e, n, key, list ? AP_NODE_LIST : AP_NODE_MAP);
        return list ? ap_yamlin_list(s->e, s->t, s->at, false) : ap_yamlin_map(s->e, s->t, s->at, false);
    }
    n = list ? ap_yamlin_list(s->e, s->t, s->at, false) : ap_yamlin_map(s->e, s->t, s->at, false);
    if (ap_yamlin_put(s->e, s->t, s->t->root, key, n) != AP_OK)
        s->code = AP_EMEMORY;
    return n;
}

static void put_quantity(struct shorthand *s, struct ap_node *map, const char *key, struct ap_quantity q,
                         enum ap_dim dim)
{
    char digits[32];
    put(s, map, key, "%s %s", ap_unit_shortest(q.value, digits), ap_unit_name(dim, q.physical));
}

static void put_number(struct shorthand *s, struct ap_node *map, const char *key, double value,
                       const char *unit)
{
    char digits[32];
    put(s, map, key, "%s%s%s", ap_unit_shortest(value, digits), *unit ? " " : "", unit);
}

/* Element k of a list, or the node itself when it holds for all. */
static struct ap_node *element(struct shorthand *s, struct ap_node *n, int k, int count, const char *what)
{
    if (!n || n->kind != AP_NODE_LIST)
        return n;
    if (n->n == count)
        return n->child[k];
    if (k == 0)
        s->code = ap_err_add(s->e, AP_EUSAGE, &n->at, "give one value, or one per matrix",
                             "microcircuit, %s: found %d values, expected %d", what, n->n, count);
    return NULL;
}

static double rate_of(struct shorthand *s, struct ap_node *n, const char *what)
{
    struct ap_quantity q = {0};
    if (!n)
        return 0;
    if (ap_schema_expect(s->e, n, what, AP_NODE_SCALAR) != AP_OK ||
        ap_unit_read(s->e, &n->at, what, n->text, AP_DIM_RATE, &q) != AP_OK)
        s->code = AP_EUSAGE;
    else if (q.value < 0)
        s->code = ap_err_add(s->e, AP_EUSAGE, &n->at, NULL, "%s: found '%s', expected at least 0 /ms", what,
                             n->text);
    return q.value;
}

static void soma(struct shorthand *s, struct ap_node *cells, const char *cell, const char *const *dendrites,
                 const struct ap_quantity *g, int n)
{
    if (ap_yamlin_child(cells, cell))
        return; /* the file's own cell */
    struct ap_node *map = put_map(s, cells, cell, false);
    struct ap_node *body = put_map(s, map, "soma", true);
    put(s, body, "capacitance", "%s", s->leak.physical ? "1 pF" : "1");
    put_quantity(s, body, "leak", s->leak, AP_DIM_CONDUCTANCE);
    struct ap_node *couple = put_map(s, body, "couple", true);
    for (int i = 0; i < n; i++) {
        put_quantity(s, couple, dendrites[i], g[i], AP_DIM_CONDUCTANCE);
        put(s, map, dendrites[i], "instantaneous");
    }
}

static void population(struct shorthand *s, const char *name, const char *cell, int64_t size,
                       const char *transfer, bool noisy)
{
    struct ap_node *map = put_map(s, section(s, "populations", false), name, true);
    put(s, map, "cell", "%s", cell);
    put(s, map, "size", "%lld", (long long)size);
    put(s, map, "transfer", "%s", transfer);
    if (noisy && s->noise.value > 0)
        put_quantity(s, map, "noise", s->noise, AP_DIM_NOISE);
}

struct ap_rate {
    const char *kind;
    double eta, decay;
};

static void projection(struct shorthand *s, const char *name, const char *from, const char *to,
                       const char *weights, struct ap_rate rule)
{
    struct ap_node *map = put_map(s, section(s, "projections", true), NULL, false);
    put(s, map, "name", "%s", name);
    put(s, map, "from", "%s", from);
    put(s, map, "to", "%s", to);
    put(s, map, "weights", "%s", weights);
    if (rule.eta > 0) {
        struct ap_node *r = put_map(s, map, "rule", true);
        put(s, r, "kind", "%s", rule.kind);
        put_number(s, r, "rate", rule.eta, "/ms");
        put_number(s, r, "lowpass", s->lowpass, "ms");
        put_number(s, r, "decay", rule.decay, "/ms");
    }
}

static void nudging(struct shorthand *s, const char *name, const char *from, const char *to,
                    struct ap_quantity g, bool gated)
{
    struct ap_node *map = put_map(s, section(s, "projections", true), NULL, false);
    put(s, map, "name", "%s", name);
    put(s, map, "from", "%s/soma", from);
    put(s, map, "to", "%s/soma", to);
    put(s, map, "connect", "one-to-one");
    put_quantity(s, map, "conductance", g, AP_DIM_CONDUCTANCE);
    put(s, map, "form", "%s", NUDGING[s->nudging]);
    if (s->nudging == 1) {
        struct ap_node *pair = ap_yamlin_list(s->e, s->t, s->at, true);
        for (int i = 0; i < 2; i++) {
            char digits[32];
            const char *unit = ap_unit_name(AP_DIM_POTENTIAL, s->leak.physical);
            struct ap_node *v =
                ap_yamlin_scalar(s->e, s->t, s->at, "%s%s%s", ap_unit_shortest(s->reversal[i], digits),
                                 *unit ? " " : "", unit);
            if (ap_yamlin_put(s->e, s->t, pair, NULL, v) != AP_OK)
                s->code = AP_EMEMORY;
        }
        if (ap_yamlin_put(s->e, s->t, map, "reversal", pair) != AP_OK)
            s->code = AP_EMEMORY;
    }
    put(s, map, "gate", "%s", gated ? "teacher" : "always");
}

static const char *start_of(struct shorthand *s, struct ap_node *n, const char *what)
{
    if (!n)
        return "";
    if (ap_schema_expect(s->e, n, what, AP_NODE_SCALAR) != AP_OK) {
        s->code = AP_EUSAGE;
        return "";
    }
    return n->text;
}

/* "hidden1" or "output", the name of layer k's pyramidal population. */
static void layer_name(const struct shorthand *s, int k, char out[32])
{
    if (k == 0)
        snprintf(out, 32, "input");
    else if (k == s->n_layers - 1)
        snprintf(out, 32, "output");
    else
        snprintf(out, 32, "hidden%d.pyr", k);
}

/* The stage between layer k and layer k+1. */
static void write_layer(struct shorthand *s, int k, bool split)
{
    int n = s->n_layers, hidden = n - 2;
    char from[32], to[80], name[48], weights[300], lower[32], upper[32], inter[32];
    layer_name(s, k, lower);
    layer_name(s, k + 1, upper);
    snprintf(name, sizeof name, "forward%d", k + 1);
    snprintf(to, sizeof to, "%s/basal", upper);
    projection(
        s, name, lower, to,
        start_of(s, element(s, s->forward, k, n - 1, "weights, forward"), "microcircuit, weights, forward"),
        (struct ap_rate){"basal", s->up[k], s->decay});
    if (k == 0)
        return;
    snprintf(inter, sizeof inter, "hidden%d.int", k);
    /* top-down, from layer k+1 to the apical dendrites of layer k */
    const char *start = start_of(s, element(s, s->feedback, k - 1, hidden, "weights, feedback"),
                                 "microcircuit, weights, feedback");
    const struct ap_init_row *row = (const struct ap_init_row *)ap_registry_find(&ap_init_table, start);
    if (row && row->transposes)
        snprintf(weights, sizeof weights, "%s(forward%d)", start, k + 1);
    else
        snprintf(weights, sizeof weights, "%s", start);
    snprintf(name, sizeof name, "feedback%d", k);
    snprintf(to, sizeof to, "%s/%s", lower, split ? "topdown" : "apical");
    projection(s, name, upper, to, weights,
               (struct ap_rate){FEEDBACK_RULE[s->feedback_rule], s->down[k - 1], s->decay});
    /* pyramidal cells to interneurons, W^IP */
    if (strcmp(s->interneuron_weights, "self-predicting") == 0)
        snprintf(weights, sizeof weights, "self-predicting(forward%d)", k + 1);
    else
        snprintf(weights, sizeof weights, "%s", s->interneuron_weights);
    snprintf(name, sizeof name, "interneuron%d", k);
    snprintf(to, sizeof to, "%s/dendrite", inter);
    projection(s, name, lower, to, weights, (struct ap_rate){"dendrite", s->inter[k - 1], 0});
    /* interneurons to apical dendrites, W^PI */
    if (strcmp(s->lateral_weights, "self-predicting") == 0)
        snprintf(weights, sizeof weights, "minus(feedback%d)", k);
    else
        snprintf(weights, sizeof weights, "%s", s->lateral_weights);
    snprintf(name, sizeof name, "lateral%d", k);
    snprintf(to, sizeof to, "%s/apical", lower);
    projection(s, name, inter, to, weights, (struct ap_rate){"apical", s->lateral[k - 1], 0});
    snprintf(name, sizeof name, "nudge%d", k);
    snprintf(from, sizeof from, "%s", upper);
    nudging(s, name, from, inter, s->nudge, false);
}

static void write_network(struct shorthand *s)
{
    bool split = false; /* the apical dendrite keeps its top-down part apart, for rule (10) */
    for (int k = 0; k < s->n_layers - 2; k++)
        split = split || (s->down[k] > 0 && s->feedback_rule == TOPDOWN);
    const char *pyramidal = split ? "pyramidal-split" : "pyramidal";
    struct ap_node *cells = section(s, "cells", false);
    static const char *const TWO[] = {"basal", "apical"}, *const DENDRITE[] = {"dendrite"};
    const struct ap_quantity both[] = {s->basal, s->apical};
    if (split) {
        bool own = ap_yamlin_child(cells, pyramidal) != NULL;
        soma(s, cells, pyramidal, TWO, both, 2);
        struct ap_node *cell = ap_yamlin_child(cells, pyramidal);
        if (!own && cell) { /* the apical sum keeps its top-down part apart */
            ap_yamlin_drop(cell, "apical");
            put(s, cell, "topdown", "instantaneous");
            struct ap_node *sum = put_map(s, cell, "apical", true);
            struct ap_node *adds = ap_yamlin_list(s->e, s->t, s->at, true);
            if (ap_yamlin_put(s->e, s->t, sum, "adds", adds) != AP_OK ||
                ap_yamlin_put(s->e, s->t, adds, NULL, ap_yamlin_scalar(s->e, s->t, s->at, "topdown")) !=
                    AP_OK)
                s->code = AP_EMEMORY;
        }
    } else
        soma(s, cells, pyramidal, TWO, both, 2);
    soma(s, cells, "interneuron", DENDRITE, &s->dendrite, 1);
    soma(s, cells, "output", TWO, both, 1);

    int n = s->n_layers;
    population(s, "input", "clamped", s->size[0], s->input_transfer, false);
    for (int k = 1; k < n - 1; k++) {
        char name[48];
        snprintf(name, sizeof name, "hidden%d.pyr", k);
        population(s, name, pyramidal, s->size[k], s->transfer, true);
        snprintf(name, sizeof name, "hidden%d.int", k);
        population(s, name, "interneuron", s->size[k + 1], s->transfer, true);
    }
    population(s, "output", "output", s->size[n - 1], s->transfer, true);
    population(s, "target", "clamped", s->size[n - 1], s->transfer, false);
    for (int k = 0; k < n - 1; k++)
        write_layer(s, k, split);
    nudging(s, "teacher", "target", "output", s->teacher, true);
}

/* `stimulus:` and `target:` of the short form become stimuli of the populations input and target. */
static void write_stimuli(struct shorthand *s)
{
    static const char *const SHORT[] = {"stimulus", "target"}, *const POPULATION[] = {"input", "target"};
    for (int i = 0; i < 2; i++) {
        struct ap_node *n = ap_yamlin_child(s->t->root, SHORT[i]);
        if (!n)
            continue;
        if (n->kind == AP_NODE_MAP && !ap_yamlin_child(n, "of")) {
            struct ap_place at = s->at;
            s->at = n->at;
            put(s, n, "of", "%s", POPULATION[i]);
            s->at = at;
        }
        struct ap_node *stimuli = section(s, "stimuli", false);
        ap_yamlin_drop(s->t->root, SHORT[i]);
        if (ap_yamlin_put(s->e, s->t, stimuli, POPULATION[i], n) != AP_OK)
            s->code = AP_EMEMORY;
    }
}

static void read_layers(struct shorthand *s)
{
    if (ap_schema_expect(s->e, s->layers, "microcircuit, layers", AP_NODE_LIST) != AP_OK) {
        s->code = AP_EUSAGE;
        return;
    }
    s->n_layers = s->layers->n;
    if (s->n_layers < 3 || s->n_layers > 16) {
        s->code = ap_err_add(s->e, AP_EUSAGE, &s->layers->at, "for example [30, 20, 10]",
                             "microcircuit, layers: found %d, expected 3 to 16: input, hidden layers, output",
                             s->n_layers);
        s->n_layers = 0;
        return;
    }
    for (int k = 0; k < s->n_layers; k++) {
        struct ap_node *n = s->layers->child[k];
        if (ap_schema_expect(s->e, n, "microcircuit, layers", AP_NODE_SCALAR) != AP_OK ||
            ap_unit_integer(s->e, &n->at, "microcircuit, layers", n->text, 1, 10000000, &s->size[k]) != AP_OK)
            s->code = AP_EUSAGE;
    }
}

static void read_rates(struct shorthand *s)
{
    int n = s->n_layers - 1;
    const struct {
        struct ap_node *node;
        const char *name; /* after "microcircuit, " */
        double *rate;
        int n;
    } lists[] = {{s->forward_rate, "plasticity, forward", s->up, n},
                 {s->feedback_rate, "plasticity, feedback", s->down, n - 1},
                 {s->interneuron_rate, "plasticity, interneuron", s->inter, n - 1},
                 {s->lateral_rate, "plasticity, lateral", s->lateral, n - 1}};
    for (size_t i = 0; i < N(lists); i++)
        for (int k = 0; k < lists[i].n; k++) {
            char what[64];
            snprintf(what, sizeof what, "microcircuit, %s", lists[i].name);
            lists[i].rate[k] = rate_of(s, element(s, lists[i].node, k, lists[i].n, lists[i].name), what);
        }
}

/* A mistake in a transfer function is reported here, once and in its place; written out, it would be one of every population. */
static void read_transfers(struct shorthand *s, struct ap_node *micro)
{
    const struct {
        const char *key, *text;
    } given[] = {{"transfer", s->transfer}, {"input", s->input_transfer}};
    for (size_t i = 0; i < N(given); i++) {
        const struct ap_node *n = ap_yamlin_child(micro, given[i].key);
        const struct ap_transfer_row *row;
        double param[AP_TRANSFER_PARAMS];
        char what[64];
        snprintf(what, sizeof what, "microcircuit, %s", given[i].key);
        if (n && given[i].text &&
            ap_network_transfer(s->e, &n->at, what, given[i].text, &row, param) != AP_OK)
            s->code = AP_EUSAGE;
    }
}

enum ap_code ap_expand_microcircuit(struct ap_err *e, struct ap_tree *t)
{
    struct ap_node *micro = ap_yamlin_child(t->root, "microcircuit");
    if (!micro)
        return AP_OK;
    struct shorthand s = {.e = e, .t = t, .at = micro->at};
    static const char *const EXPLICIT[] = {"populations", "projections"};
    for (int i = 0; i < 2; i++)
        if (ap_yamlin_child(t->root, EXPLICIT[i]))
            s.code = ap_err_add(e, AP_EUSAGE, &ap_yamlin_child(t->root, EXPLICIT[i])->key_at,
                                "`apical check --expand` writes the microcircuit out, to be edited",
                                "'%s' cannot stand beside 'microcircuit'", EXPLICIT[i]);
    static const char *const MAPS[] = {"conductance", "weights", "plasticity"};
    for (int i = 0; micro->kind == AP_NODE_MAP && i < 3; i++) /* absent maps take their defaults */
        if (!ap_yamlin_child(micro, MAPS[i]))
            put_map(&s, micro, MAPS[i], true);
    enum ap_code code =
        ap_schema_read(e, t, micro, "microcircuit", &(struct ap_keyset){KEYS, N(KEYS), &s}, 1);
    s.code = code != AP_OK ? code : s.code;
    const struct {
        struct ap_node *map;
        const char *what;
        const struct ap_key *keys;
        size_t n;
    } parts[] = {
        {s.conductance, "microcircuit, conductance", CONDUCTANCE, N(CONDUCTANCE)},
        {s.weights, "microcircuit, weights", WEIGHTS, N(WEIGHTS)},
        {s.plasticity, "microcircuit, plasticity", PLASTICITY, N(PLASTICITY)},
    };
    for (int i = 0; i < 3; i++) {
        if (!parts[i].map)
            continue; /* reported above */
        s.at = parts[i].map->at;
        code = ap_schema_read(e, t, parts[i].map, parts[i].what,
                              &(struct ap_keyset){parts[i].keys, (int)parts[i].n, &s}, 1);
        s.code = code != AP_OK ? code : s.code;
    }
    s.at = micro->at;
    read_transfers(&s, micro);
    if (s.teacher.value == 0)
        s.teacher = s.nudge;
    if (s.layers)
        read_layers(&s);
    if (s.n_layers >= 3) {
        read_rates(&s);
        element(&s, s.forward, 0, s.n_layers - 1, "weights, forward");
        element(&s, s.feedback, 0, s.n_layers - 2, "weights, feedback");
    }
    if (s.code != AP_OK)
        return s.code;
    ap_yamlin_drop(t->root, "microcircuit");
    write_network(&s);
    write_stimuli(&s);
    return s.code;
}

static const struct ap_row SECTIONS[] = {
    {"microcircuit", "shorthand for the circuit of Sacramento et al. 2018", "", "", KEYS,
     sizeof KEYS / sizeof *KEYS},
    {"conductance", "of a microcircuit", "", "", CONDUCTANCE, sizeof CONDUCTANCE / sizeof *CONDUCTANCE},
    {"weights", "of a microcircuit: how each matrix starts", "", "", WEIGHTS,
     sizeof WEIGHTS / sizeof *WEIGHTS},
    {"plasticity", "of a microcircuit: learning rates", "", "", PLASTICITY,
     sizeof PLASTICITY / sizeof *PLASTICITY},
};

const struct ap_sections ap_expand_sections = AP_SECTIONS(SECTIONS);
