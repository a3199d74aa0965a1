/* What exists: offsets, parts, tasks, sizes. */
#include <malloc.h>
#include <math.h>
#include <omp.h>

#include "harness.h"

#include "signal.h"

#if defined(__SANITIZE_ADDRESS__)
enum { COUNTED = 0 }; /* the sanitizer's allocator keeps no books */
#else
enum { COUNTED = 1 };
#endif

static const char *const CIRCUITS[] = {"circuits/association.yaml", "circuits/self_prediction.yaml",
                                       "circuits/regression.yaml", "circuits/dynamic_dendrites.yaml"};

static void cover(const struct ap_circuit *c)
{
    size_t at = 0;
    for (int k = 0; k < c->n_part; k++) { /* in order, without gap or overlap */
        const struct ap_part *p = &c->part[k];
        assert_true(p->start == at && p->n > 0);
        at += p->n;
        if (p->proj < 0) {
            const struct ap_comp *m = &c->pop[p->pop].comp[p->comp];
            assert_true(m->kind == AP_COMP_DYNAMIC && m->state == p->start && p->n == c->pop[p->pop].n);
            assert_true(at <= c->n_membrane);
        } else {
            const struct ap_proj *q = &c->proj[p->proj];
            assert_true(c->coupled && q->plastic && p->n == q->rows * q->cols);
            assert_true((p->lowpass ? q->d_state : q->w_state) == p->start && p->start >= c->n_membrane);
        }
    }
    assert_int_equal(at, c->n_state);
    size_t value = 0, rate = 0, membrane = 0;
    for (int p = 0; p < c->n_pop; p++) {
        assert_int_equal(c->pop[p].rate, rate);
        rate += c->pop[p].n;
        for (int k = 0; k < c->pop[p].n_comp; k++) {
            assert_int_equal(c->pop[p].comp[k].value, value);
            value += c->pop[p].n;
            membrane += c->pop[p].comp[k].kind == AP_COMP_DYNAMIC ? c->pop[p].n : 0;
        }
    }
    assert_true(value == c->n_value && rate == c->n_rate && membrane == c->n_membrane);
    char *seen = calloc(c->n_rate + c->n_weights + 1, 1);
    for (int k = 0; k < c->n_task; k++) /* every row of every population is one task's */
        for (size_t i = c->task[k].first; i < c->task[k].last; i++)
            assert_true(i < c->pop[c->task[k].pop].n && !seen[c->pop[c->task[k].pop].rate + i]++);
    for (size_t i = 0; i < c->n_rate; i++)
        assert_true(seen[i]);
    memset(seen, 0, c->n_rate + c->n_weights);
    size_t plastic = 0, marked = 0;
    for (int k = 0; k < c->n_proj_task; k++) {
        const struct ap_proj *q = &c->proj[c->proj_task[k].pop];
        assert_true(q->plastic && c->proj_task[k].last <= q->rows &&
                    c->proj_task[k].last - c->proj_task[k].first <= 256);
        for (size_t i = c->proj_task[k].first; i < c->proj_task[k].last; i++, marked++)
            assert_false(seen[(size_t)(q->w - c->weights) + i * q->cols]++);
    }
    size_t weights = 0, signals = 0;
    for (int i = 0; i < c->n_proj; i++) {
        const struct ap_proj *q = &c->proj[i];
        plastic += q->plastic ? q->rows : 0;
        if (q->spec->nudges) {
            assert_null(q->w);
            continue;
        }
        assert_true(q->w == c->weights + weights);
        weights += q->rows * q->cols;
        assert_true((q->d != NULL) == (q->plastic && q->tau > 0));
        if (q->d)
            assert_true(q->d == c->weights + weights);
        weights += q->d ? q->rows * q->cols : 0;
        if (q->plastic) {
            assert_true(q->post_signal.at == signals && q->pre_signal.at == signals + c->pop[q->post].n);
            signals += c->pop[q->post].n + c->pop[q->pre].n;
        }
    }
    assert_true(marked == plastic && weights == c->n_weights && signals == c->n_signal);
    free(seen);
}

static void test_offsets_cover_everything_once(void **unused)
{
    (void)unused;
    for (int i = 0; i < 4; i++)
        for (int held = 0; held < 2; held++) {
            struct harness h;
            harness_open_file(
                &h, CIRCUITS[i],
                (const char *[]){held ? "integrator.weights=held" : "integrator.weights=coupled"}, 1);
            cover(h.x.c);
            assert_true(h.x.c->coupled == !held);
            struct ap_circuit_size size;
            assert_int_equal(ap_circuit_size(h.e, h.s, &size), AP_OK);
            assert_int_equal(size.state, h.x.c->n_state);
            assert_int_equal(size.dynamic, h.x.c->n_membrane);
            assert_int_equal(size.neurons, h.x.c->n_rate);
            assert_int_equal(size.compartments, h.x.c->n_value);
            harness_close(&h);
        }
}

#define BIG(sizes, integrator, feedback)                                                                     \
    "version: 1\nname: big\nmicrocircuit:\n  layers: " sizes "\n  noise: 0.1 /sqrt(ms)\n"                    \
    "  weights: {forward: uniform(-1, 1), feedback: uniform(-1, 1)}\n"                                       \
    "  plasticity: {forward: 0.001 /ms, interneuron: 0.001 /ms, lateral: 0.001 /ms, feedback: " feedback     \
    ", lowpass: 30 ms}\nstimulus: {kind: random, patterns: 10}\ntarget: {kind: random, range: [0.1, 0.9]}\n" \
    "schedule: [{name: a, presentations: 1, duration: 5 ms}]\nintegrator: {" integrator "}\n"                \
    "record: {of: [hidden1.pyr, output], every: 0.1 ms}\n"

static void test_sizes_by_hand(void **unused)
{
    (void)unused;
    struct harness h;
    harness_open(&h, BIG("[7, 5, 4, 3]", "weights: coupled", "0.01 /ms"), NULL, 0);
    struct ap_circuit_size size;
    assert_int_equal(ap_circuit_size(h.e, h.s, &size), AP_OK);
    assert_int_equal(size.neurons, 7 + (5 + 4) + (4 + 3) + 3 + 3);
    /* pyramidal-split has four compartments, an interneuron two, an output cell two, clamped ones one */
    assert_int_equal(size.compartments, 7 + 5 * 4 + 4 * 2 + 4 * 4 + 3 * 2 + 3 * 2 + 3);
    assert_int_equal(size.dynamic, 5 + 4 + 4 + 3 + 3);
    size_t plastic = 5 * 7 + 4 * 5 + 3 * 4 /* forward */ + 5 * 4 + 4 * 3 /* feedback */ + 4 * 5 +
                     3 * 4 /* W^IP */ + 5 * 4 + 4 * 3 /* W^PI */;
    assert_int_equal(size.plastic, plastic);
    assert_int_equal(size.synapses, plastic + 4 + 3 + 3); /* and the nudgings */
    assert_int_equal(size.state, 19 + 2 * plastic);
    cover(h.x.c);
    char where[AP_ERR_PATH];
    ap_circuit_where(h.x.c, 5, where);
    assert_string_equal(where, "population hidden1.int, compartment soma, neuron 0");
    ap_circuit_where(h.x.c, 19 + 35 + 8, where);
    assert_string_equal(where, "low-passed product of projection forward1 [1][1]");
    harness_close(&h);
}

static void test_tasks_of_large_populations(void **unused)
{
    (void)unused;
    struct harness h;
    harness_open(&h, BIG("[1000, 700, 10]", "weights: held, thread-work: 1", "0 /ms"), NULL, 0);
    cover(h.x.c);
    assert_true(h.x.c->n_task > 40 &&
                h.x.c->crew->several); /* 700 rows of 1010 synapses in pieces of 16384 */
    harness_close(&h);
}

/* With several threads each one has about its share of the rows of large populations, of their first rows or of later ones, and the
 * first thread all small populations; alone, populations come one after the other. */
static void test_shares_of_threads(void **unused)
{
    (void)unused;
    struct harness h;
    int before = omp_get_max_threads();
    for (int of = 1; of <= 4; of++) {
        omp_set_num_threads(of);
        harness_open(&h, BIG("[1000, 700, 600, 10]", "weights: held, thread-work: 1", "0 /ms"), NULL, 0);
        const struct ap_circuit *c = h.x.c;
        cover(c);
        for (int mine = 0; mine < of; mine++) {
            size_t first, last, rows = 0, all = 0;
            ap_team_share((struct ap_team){mine, of, c->crew}, (size_t)c->n_task, 1, &first, &last);
            for (int k = 0; k < c->n_task; k++) {
                const struct ap_task *t = &c->task[k];
                bool large = c->pop[t->pop].n > 100, own = (size_t)k >= first && (size_t)k < last;
                if (c->pop[t->pop].clamped) /* few pieces of many rows, for they cost nothing */
                    continue;
                assert_true(large || own == (mine == 0));
                all += large ? t->last - t->first : 0;
                rows += large && own ? t->last - t->first : 0;
                if (large && own)
                    assert_true(fabs((double)t->first / (double)c->pop[t->pop].n - (mine + 0.5) / of) <
                                0.5 / of + 0.2);
            }
            assert_true(fabs((double)rows * of / (double)all - 1) < 0.25);
        }
        for (int k = 1; of == 1 && k < c->n_task; k++)
            assert_true(c->task[k].pop == c->task[k - 1].pop ? c->task[k].first == c->task[k - 1].last
                                                             : c->task[k].first == 0);
        harness_close(&h);
    }
    omp_set_num_threads(before);
}

static size_t in_use(void)
{
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

static void test_estimate_of_memory(void **unused)
{
    (void)unused;
    static const char *const TEXTS[] = {
        BIG("[7, 5, 3]", "weights: held", "0 /ms"),
        BIG("[120, 80, 10]", "weights: held", "0 /ms"),
        BIG("[120, 80, 10]", "weights: coupled", "0 /ms"),
        BIG("[120, 80, 10]", "weights: coupled, kind: adams", "0.01 /ms"),
        BIG("[120, 80, 10]", "kind: euler", "0 /ms"),
        BIG("[3, 1000, 2]", "weights: held, noise-grid: 0.05 ms", "0 /ms"),
        "version: 1\nname: ones\npopulations:\n  i: {cell: clamped, size: 30000}\n  o: {cell: output, size: "
        "30000}\n"
        "projections:\n"
        "  - {name: a, from: i, to: o/basal, connect: one-to-one, weights: constant(0), rule: {kind: basal, "
        "rate: 1 /ms}}\n"
        "  - {name: b, from: o, to: o/basal, connect: one-to-one, weights: constant(0), rule: {kind: basal, "
        "rate: 1 /ms}}\n"
        "  - {name: c, from: o, to: o/basal, connect: one-to-one, weights: constant(0), rule: {kind: basal, "
        "rate: 1 /ms}}\n"
        "stimuli: {s: {of: i, kind: random}}\nschedule: [{name: a, presentations: 1, duration: 1 ms}]\n",
    };
    for (int i = 0; COUNTED && i < 7; i++) {
        struct ap_err *e = ap_err_create();
        struct ap_spec *s = ap_spec_parse("t.yaml", TEXTS[i], strlen(TEXTS[i]), NULL, 0, e);
        assert_non_null(s);
        struct ap_circuit_size size;
        struct ap_sim x;
        char folder[] = P_tmpdir "/apical-test-XXXXXX", log[96];
        assert_non_null(mkdtemp(folder));
        snprintf(log, sizeof log, "%s/run.log", folder);
        assert_int_equal(ap_circuit_size(e, s, &size), AP_OK);
        size_t before = in_use();
        assert_int_equal(ap_sim_open(e, &x, s), AP_OK);
        assert_int_equal(ap_sim_record(e, &x, log), AP_OK);
        assert_int_equal(ap_sim_present(e, &x, 0, 0), AP_OK);
        size_t taken = in_use() - before;
        if (taken > size.bytes || size.bytes > 6 * taken + 10000000)
            fail_msg("circuit %d: %zu bytes taken, %zu estimated", i, taken, size.bytes);
        ap_sim_close(&x);
        unlink(log);
        rmdir(folder);
        ap_spec_free(s);
        ap_err_free(e);
    }
}

/* The prediction of the soma by one dendrite, every other compartment at rest. */
static void test_gain_of_signals(void **unused)
{
    (void)unused;
    struct harness h;
    harness_open(
        &h,
        "version: 1\nname: gains\ncells:\n  c:\n    soma: {leak: 0.2 /ms, rest: -2, couple: {basal: 1 /ms, "
        "apical: 0.5 "
        "/ms}}\n    basal: instantaneous\n    apical: {leak: 1 /ms, rest: 3, couple: {soma: 0.1 /ms}}\n"
        "populations:\n  i: {cell: clamped, size: 3}\n  o: {cell: c, size: 2}\nprojections:\n"
        "  - {name: b, from: i, to: o/basal, weights: constant(1), rule: {kind: basal, rate: 1 /ms}}\n"
        "  - {name: a, from: i, to: o/apical, weights: constant(1), rule: {post: dendritic-error(apical), "
        "pre: rate, "
        "rate: 1 /ms}}\n"
        "  - {name: s, from: i, to: o/apical, weights: constant(1), rule: {post: rest-minus(apical), pre: "
        "potential(soma), rate: 1 /ms}}\n"
        "stimuli: {s: {of: i, kind: random}}\nschedule: [{name: a, presentations: 1, duration: 1 ms}]\n",
        NULL, 0);
    const struct ap_signal *b = &h.x.c->proj[0].post_signal, *a = &h.x.c->proj[1].post_signal,
                           *s = &h.x.c->proj[2].post_signal;
    assert_true(fabs(b->gain - 1 / 1.7) < 1e-15 && fabs(b->offset - (0.2 * -2 + 0.5 * 3) / 1.7) < 1e-15 &&
                b->rest == 0);
    assert_true(fabs(a->gain - 0.5 / 1.7) < 1e-15 && fabs(a->offset - 0.2 * -2 / 1.7) < 1e-15 &&
                a->rest == 3);
    assert_true(s->rest == 3 && h.x.c->proj[0].pre_signal.comp == -1 && h.x.c->proj[2].pre_signal.comp == 0);
    double y[4];
    ap_circuit_start(h.x.c, y);
    assert_true(h.x.c->n_state == 4 && y[0] == -2 && y[1] == -2 && y[2] == 3 && y[3] == 3);
    harness_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offsets_cover_everything_once),
        cmocka_unit_test(test_sizes_by_hand),
        cmocka_unit_test(test_tasks_of_large_populations),
        cmocka_unit_test(test_shares_of_threads),
        cmocka_unit_test(test_estimate_of_memory),
        cmocka_unit_test(test_gain_of_signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
