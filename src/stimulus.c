/* stimulus.c: patterns for clamped populations.
 *
 * In:   a stimulus of the spec; IDX files for image sets.
 * Out:  pattern number i as clamped potentials.
 * Invariants:
 *   1. Pattern i is a function of the seed, the stimulus' name and i alone: no state, so order does not matter.
 *   2. Data files are checked whole when the circuit is built, never during the run.
 * Never: changes a pattern after it was opened.
 * Test: tests/unit/test_stimulus.c */
#include "stimulus.h"
#include "hash.h"
#include "idx.h"
#include "io.h"
#include "rng.h"

#include <math.h>
#include <string.h>

#define N(keys)   ((int)(sizeof keys / sizeof *keys))
#define OF(field) offsetof(struct ap_stim_params, field)

static const struct ap_stim_params *params(const struct ap_stimulus *st)
{
    return &st->stim->p;
}

static struct ap_rng_stream stream(const struct ap_stimulus *st, enum ap_rng_purpose purpose)
{
    return (struct ap_rng_stream){(uint64_t)st->spec->seed, purpose, ap_hash_name(st->stim->name)};
}

/* ---- patterns: written in the file ----------------------------------------------------------------- */

static const struct ap_key PATTERNS_KEYS[] = {
    {"values", AP_KEY_NODE, AP_DIM_NONE, OF(values), AP_REQUIRED, 0, 0, NULL,
     "list of patterns, each a list of numbers"},
};

static enum ap_code patterns_open(struct ap_err *e, struct ap_stimulus *st)
{
    const struct ap_node *values = params(st)->values;
    char what[AP_ERR_PATH];
    snprintf(what, sizeof what, "stimulus %s, values", st->stim->name);
    AP_TRY(ap_schema_expect(e, values, what, AP_NODE_LIST));
    if (values->n == 0)
        return ap_err_add(e, AP_EUSAGE, &values->at, "for example [[0, 1], [1, 0]]", "%s: no pattern", what);
    st->count = (uint64_t)values->n;
    st->table = ap_mem_array(e, st->count * st->n, sizeof *st->table, "patterns");
    if (!st->table)
        return AP_EMEMORY;
    enum ap_code code = AP_OK;
    for (int i = 0; i < values->n; i++) {
        const struct ap_node *row = values->child[i];
        AP_TRY(ap_schema_expect(e, row, what, AP_NODE_LIST));
        if ((size_t)row->n != st->n) {
            code = ap_err_add(e, AP_EUSAGE, &row->at, "one value per neuron",
                              "%s: found %d values, expected %zu, the size of %s", what, row->n, st->n,
                              st->spec->pop[st->stim->pop].name);
            continue;
        }
        for (int j = 0; j < row->n; j++) {
            struct ap_quantity q = {0};
            if (ap_schema_expect(e, row->child[j], what, AP_NODE_SCALAR) != AP_OK ||
                ap_unit_read(e, &row->child[j]->at, what, row->child[j]->text, AP_DIM_NONE, &q) != AP_OK)
                code = AP_EUSAGE;
            st->table[(size_t)i * st->n + (size_t)j] = q.value;
        }
    }
    return code;
}

static void patterns_pattern(const struct ap_stimulus *st, uint64_t index, double *out)
{
    memcpy(out, st->table + index % st->count * st->n, st->n * sizeof *out);
}

/* ---- random ---------------------------------------------------------------------------------------- */

static const struct ap_key RANDOM_KEYS[] = {
    {"range", AP_KEY_PAIR, AP_DIM_NONE, OF(range), "[0, 1]", 0, 0, NULL,
     "values are drawn uniformly from [low, high]"},
    {"patterns", AP_KEY_INTEGER, AP_DIM_NONE, OF(patterns), "1", 1, 1e12, NULL,
     "number of different patterns"},
    {"fresh", AP_KEY_SWITCH, AP_DIM_NONE, OF(fresh), "off", 0, 0, NULL,
     "a new pattern at every presentation, without end"},
};

static enum ap_code random_open(struct ap_err *e, struct ap_stimulus *st)
{
    (void)e;
    st->count = params(st)->fresh ? 0 : (uint64_t)params(st)->patterns;
    return AP_OK;
}

static void random_pattern(const struct ap_stimulus *st, uint64_t index, double *out)
{
    uint64_t i = st->count ? index % st->count : index;
    ap_rng_between_n(stream(st, AP_RNG_PATTERN), i * st->n, params(st)->range[0], params(st)->range[1], st->n,
                     out);
}

/* ---- cursor ----------------------------------------------------------------------------------------- */

static const struct ap_key CURSOR_KEYS[] = {
    {"read", AP_KEY_TEXT, AP_DIM_NONE, OF(read), AP_REQUIRED, 0, 0, NULL,
     "the cell whose rate moves the cursor: a population of one cell, or population[i:i+1]"},
    {"positions", AP_KEY_INTEGER, AP_DIM_NONE, OF(positions), "7", 2, 1e6, NULL,
     "places, each with a pattern of its own; showing the last one is a hit"},
    {"range", AP_KEY_PAIR, AP_DIM_NONE, OF(range), "[0, 1]", 0, 0, NULL,
     "values of the patterns are drawn uniformly from [low, high]"},
    {"gain", AP_KEY_NUMBER, AP_DIM_NONE, OF(step), "1", -1e6, 1e6, NULL,
     "positions that a presentation moves the cursor by for a mean rate of 1 above the midpoint"},
    {"midpoint", AP_KEY_NUMBER, AP_DIM_NONE, OF(midpoint), "0.5", -1e6, 1e6, NULL,
     "rate at which the cursor stands still"},
    {"from", AP_KEY_NUMBER, AP_DIM_TIME, OF(from), "0 ms", 0, 1e9, NULL,
     "within each presentation; the mean is taken from then to its end"},
    {"start", AP_KEY_INTEGER, AP_DIM_NONE, OF(start), "0", 0, 1e6, NULL,
     "position at which a trial begins, counted from 0"},
    {"timeout", AP_KEY_INTEGER, AP_DIM_NONE, OF(timeout), "0", 0, 1e12, NULL,
     "presentations after which a trial ends without a hit; 0: never"},
};

static enum ap_code cursor_open(struct ap_err *e, struct ap_stimulus *st)
{
    (void)e;
    st->count = (uint64_t)params(st)->positions;
    return AP_OK;
}

/* ---- teacher network -------------------------------------------------------------------------------- */

static const struct ap_key TEACHER_KEYS[] = {
    {"input", AP_KEY_NAME, AP_DIM_NONE, OF(input), AP_REQUIRED, 0, 0, NULL,
     "clamped population whose pattern it maps"},
    {"hidden", AP_KEY_INTEGER, AP_DIM_NONE, OF(hidden), "20", 1, 1e6, NULL, "hidden units"},
    {"gain", AP_KEY_PAIR, AP_DIM_NONE, OF(gain), "[2, 10]", -1e6, 1e6, NULL, "[k10, k21], smaller first"},
    {"range", AP_KEY_PAIR, AP_DIM_NONE, OF(range), "[-1, 1]", 0, 0, NULL, "of its weights"},
    {"transfer", AP_KEY_TEXT, AP_DIM_NONE, OF(network_transfer), "softplus(0.1, 1, 3)", 0, 0, NULL,
     "transfer function of its hidden units"},
};

/* Weights W10 [hidden][n_input] and W21 [n][hidden], one after the other in st->table. */
static enum ap_code teacher_open(struct ap_err *e, struct ap_stimulus *st)
{
    size_t inputs = (size_t)st->spec->pop[params(st)->input_pop].n, hidden = (size_t)params(st)->hidden;
    st->count = 0;
    st->table = ap_mem_array(e, hidden * (inputs + st->n), sizeof *st->table, "teacher network");
    st->hidden = ap_mem_array(e, hidden, sizeof *st->hidden, "teacher network");
    st->input = ap_mem_array(e, inputs, sizeof *st->input, "teacher network");
    if (!st->table || !st->hidden || !st->input)
        return AP_EMEMORY;
    ap_rng_between_n(stream(st, AP_RNG_TEACHER), 0, params(st)->range[0], params(st)->range[1],
                     hidden * (inputs + st->n), st->table);
    return AP_OK;
}

/* u_trgt = k21 W21 phi(k10 W10 r0), Sacramento et al. 2018, section 3 */
static void teacher_pattern(const struct ap_stimulus *st, uint64_t index, double *out)
{
    const struct ap_stim_params *p = params(st);
    size_t inputs = (size_t)st->spec->pop[p->input_pop].n, hidden = (size_t)p->hidden;
    const double *w10 = st->table, *w21 = st->table + hidden * inputs;
    if (st->other)
        st->other->stim->row->pattern(st->other, index, st->input);
    for (size_t i = 0; i < hidden; i++) {
        double sum = 0;
        for (size_t j = 0; j < inputs; j++)
            sum = fma(w10[i * inputs + j], st->input[j], sum);
        st->hidden[i] = p->gain[0] * sum;
    }
    p->network_row->rate(p->network_param, hidden, st->hidden, st->hidden);
    for (size_t i = 0; i < st->n; i++) {
        double sum = 0;
        for (size_t j = 0; j < hidden; j++)
            sum = fma(w21[i * hidden + j], st->hidden[j], sum);
        out[i] = p->gain[1] * sum;
    }
}

/* ---- images and labels ------------------------------------------------------------------------------ */

static const struct ap_key IMAGES_KEYS[] = {
    {"file", AP_KEY_TEXT, AP_DIM_NONE, OF(file), AP_REQUIRED, 0, 0, NULL,
     "IDX file of images, relative to the circuit file's folder"},
    {"first", AP_KEY_INTEGER, AP_DIM_NONE, OF(first), "0", 0, 1e12, NULL, "first image used"},
    {"count", AP_KEY_INTEGER, AP_DIM_NONE, OF(count), "0", 0, 1e12, NULL, "images used; 0: all"},
    {"scale", AP_KEY_NUMBER, AP_DIM_NONE, OF(scale), "1", 0, INFINITY, NULL, "value of a white pixel"},
};
static const struct ap_key LABELS_KEYS[] = {
    {"file", AP_KEY_TEXT, AP_DIM_NONE, OF(file), AP_REQUIRED, 0, 0, NULL,
     "IDX file of labels, relative to the circuit file's folder"},
    {"first", AP_KEY_INTEGER, AP_DIM_NONE, OF(first), "0", 0, 1e12, NULL, "first label used"},
    {"count", AP_KEY_INTEGER, AP_DIM_NONE, OF(count), "0", 0, 1e12, NULL, "labels used; 0: all"},
    {"on", AP_KEY_NUMBER, AP_DIM_NONE, OF(on), "0.8", 0, 0, NULL, "target rate of the class"},
    {"off", AP_KEY_NUMBER, AP_DIM_NONE, OF(off), "0.1", 0, 0, NULL, "target rate of the other classes"},
};

/* Where a key of the stimulus is written, for messages. */
static const struct ap_place *place_of(const struct ap_stimulus *st, const char *key)
{
    const struct ap_node *all = ap_yamlin_child(st->spec->tree.root, "stimuli");
    const struct ap_node *value = ap_yamlin_child(ap_yamlin_child(all, st->stim->name), key);
    return value ? &value->at : &st->stim->at;
}

/* Opens the file and checks that [first, first + count) lies in it; keeps those bytes. */
static enum ap_code open_idx(struct ap_err *e, struct ap_stimulus *st, size_t stride, bool labels)
{
    const struct ap_stim_params *p = params(st);
    char path[AP_ERR_PATH];
    AP_TRY(ap_spec_path(e, st->spec, p->file, path));
    struct ap_idx idx = {0};
    const struct ap_place *at = place_of(st, "file");
    enum ap_code code = ap_idx_open(e, at, path, &idx);
    size_t n = 0;
    if (code == AP_OK && labels) {
        struct ap_idx_labels view;
        code = ap_idx_labels(e, at, &idx, (unsigned)(st->n > 256 ? 0 : st->n), &view);
        n = code == AP_OK ? view.n : 0;
    } else if (code == AP_OK) {
        struct ap_idx_images view;
        code = ap_idx_images(e, at, &idx, &view);
        n = code == AP_OK ? view.n : 0;
        if (code == AP_OK && view.rows * view.cols != st->n)
            code = ap_err_add(e, AP_EUSAGE, at, "give the input population the size of an image",
                              "stimulus %s: images of %zu x %zu = %zu pixels, but %s has %zu neurons",
                              st->stim->name, view.rows, view.cols, view.rows * view.cols,
                              st->spec->pop[st->stim->pop].name, st->n);
    }
    size_t first = (size_t)p->first, count = p->count ? (size_t)p->count : n > first ? n - first : 0;
    if (code == AP_OK && (first >= n || count > n - first))
        code = ap_err_add(e, AP_EUSAGE, place_of(st, count && first < n ? "count" : "first"),
                          "numbers are counted from 0; `count: 0` takes all that follow",
                          "stimulus %s: %zu from number %zu on, but %s holds %zu", st->stim->name, count,
                          first, path, n);
    if (code == AP_OK) {
        st->count = count;
        st->stride = stride;
        st->data = ap_mem_array(e, count, stride, path);
        if (st->data)
            memcpy(st->data, idx.value + first * stride, count * stride);
        else
            code = AP_EMEMORY;
    }
    ap_idx_close(&idx);
    return code;
}

static enum ap_code images_open(struct ap_err *e, struct ap_stimulus *st)
{
    return open_idx(e, st, st->n, false);
}

static void images_pattern(const struct ap_stimulus *st, uint64_t index, double *out)
{
    const unsigned char *pixel = (const unsigned char *)st->data + index % st->count * st->n;
    for (size_t i = 0; i < st->n; i++)
        out[i] = params(st)->scale * (pixel[i] / 255.0);
}

static enum ap_code labels_open(struct ap_err *e, struct ap_stimulus *st)
{
    return open_idx(e, st, 1, true);
}

static void labels_pattern(const struct ap_stimulus *st, uint64_t index, double *out)
{
    size_t label = ((const unsigned char *)st->data)[index % st->count];
    for (size_t i = 0; i < st->n; i++)
        out[i] = i == label ? params(st)->on : params(st)->off;
}

static const struct ap_stimulus_row STIMULI[] = {
    {{"patterns", "patterns written in the circuit file", "rate", "", PATTERNS_KEYS, N(PATTERNS_KEYS)},
     false,
     false,
     patterns_open,
     patterns_pattern},
    {{"random", "uniform random patterns", "rate", "", RANDOM_KEYS, N(RANDOM_KEYS)},
     false,
     false,
     random_open,
     random_pattern},
    {{"cursor", "closed loop: random patterns, one per position of a cursor that a cell of the circuit moves",
      "rate", "Francioni et al. 2026", CURSOR_KEYS, N(CURSOR_KEYS)},
     false,
     false,
     cursor_open,
     random_pattern},
    {{"teacher",
      "a fixed random network with one hidden layer maps the pattern of another stimulus: k21 W21 phi(k10 "
      "W10 r)",
      "potential", "Sacramento et al. 2018, Fig. 2", TEACHER_KEYS, N(TEACHER_KEYS)},
     true,
     false,
     teacher_open,
     teacher_pattern},
    {{"images", "images of an IDX file, 0 ... 255 as 0 ... scale", "rate", "", IMAGES_KEYS, N(IMAGES_KEYS)},
     false,
     false,
     images_open,
     images_pattern},
    {{"labels", "class targets from the labels of an IDX file", "rate", "", LABELS_KEYS, N(LABELS_KEYS)},
     false,
     true,
     labels_open,
     labels_pattern},
};

const struct ap_table ap_stimulus_table = {
    .thing = "stimulus",
    .doc = "what drives a clamped population",
    AP_TABLE(STIMULI),
};

/* ---- common to all ---------------------------------------------------------------------------------- */

/* Rates of a finite set must have a potential; found before the run, with the pattern's number. */
static enum ap_code check_inverse(struct ap_err *e, const struct ap_stimulus *st)
{
    const struct ap_pop_spec *pop = &st->spec->pop[st->stim->pop];
    double low = 0, high = 1;
    const char *kind = st->stim->row->row.name;
    if (st->stim->as == 1)
        return AP_OK;
    bool drawn = strcmp(kind, "random") == 0 || st->stim->p.read;
    if (drawn)
        low = params(st)->range[0], high = params(st)->range[1];
    else if (strcmp(kind, "labels") == 0)
        low = params(st)->off, high = params(st)->on;
    else if (strcmp(kind, "images") == 0)
        high = params(st)->scale;
    double inner = low + 1e-9 * (high - low), outer = high - 1e-9 * (high - low);
    if (!drawn)
        inner = low, outer = high; /* drawn values lie inside the range, set ones at its ends */
    for (uint64_t i = 0; strcmp(kind, "patterns") == 0 && i < st->count * st->n; i++) {
        inner = i == 0 || st->table[i] < inner ? st->table[i] : inner;
        outer = i == 0 || st->table[i] > outer ? st->table[i] : outer;
    }
    if (isfinite(pop->transfer->inverse(pop->transfer_param, inner)) &&
        isfinite(pop->transfer->inverse(pop->transfer_param, outer)))
        return AP_OK;
    if (strcmp(kind, "patterns") == 0)
        low = inner, high = outer;
    return ap_err_add(e, AP_EUSAGE, place_of(st, strcmp(kind, "patterns") == 0 ? "values" : "range"),
                      "choose rates inside the range of the function, or `as: potential`",
                      "stimulus %s: rates from %g to %g have no potential under %s of population %s",
                      st->stim->name, low, high, pop->transfer->row.name, pop->name);
}

enum ap_code ap_stimulus_open(struct ap_err *e, struct ap_stimulus *st, const struct ap_spec *s, int stim)
{
    *st = (struct ap_stimulus){.spec = s, .stim = &s->stim[stim]};
    st->n = (size_t)s->pop[st->stim->pop].n;
    AP_TRY(st->stim->row->open(e, st));
    return check_inverse(e, st);
}

void ap_stimulus_close(struct ap_stimulus *st)
{
    ap_mem_free(st->data);
    ap_mem_free(st->table);
    ap_mem_free(st->hidden);
    ap_mem_free(st->input);
    *st = (struct ap_stimulus){0};
}

void ap_stimulus_potential(const struct ap_stimulus *st, uint64_t index, double *out)
{
    st->stim->row->pattern(st, index, out);
    if (st->stim->as == 1)
        return;
    const struct ap_pop_spec *pop = &st->spec->pop[st->stim->pop];
    for (size_t i = 0; i < st->n; i++)
        out[i] = pop->transfer->inverse(pop->transfer_param, out[i]);
}

uint64_t ap_stimulus_index(const struct ap_stimulus *st, int order, uint64_t block, uint64_t k)
{
    if (order == AP_ORDER_SEQUENCE || st->count < 2)
        return k;
    /* Position k of the round's permutation without storing it: a balanced Feistel network on the smallest even number
     * of bits that holds count, walked until the value falls inside (cycle walking). */
    uint64_t round = k / st->count, x = k % st->count;
    int half = 1;
    while ((UINT64_C(1) << (2 * half)) < st->count)
        half++;
    const uint64_t mask = (UINT64_C(1) << half) - 1;
    const struct ap_rng_stream s = {(uint64_t)st->spec->seed, AP_RNG_ORDER, (uint32_t)block};
    do {
        uint64_t left = x >> half, right = x & mask;
        for (uint64_t f = 0; f < 6; f++) {
            uint64_t next = left ^ (ap_rng_bits(s, ((round * 6 + f) << 32) | right) & mask);
            left = right;
            right = next;
        }
        x = left << half | right;
    } while (x >= st->count);
    return round * st->count + x;
}
