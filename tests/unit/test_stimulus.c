/* Stimuli: each kind against its definition; order of presentation. */
#include "harness.h"

#include "hash.h"

static const char TEXT[] =
    "version: 1\nname: stimuli\nseed: 12\n"
    "populations:\n  in: {cell: clamped, size: 4%s}\n  t: {cell: clamped, size: 3%s}\n"
    "  a: {cell: output, size: 3}\n"
    "projections:\n  - {name: p, from: in, to: a/basal, weights: constant(1)}\n"
    "  - {name: n, from: t/soma, to: a/soma, connect: one-to-one, conductance: 1 /ms}\n"
    "stimuli:\n%s"
    "schedule: [{name: x, presentations: 9, duration: 1 ms, order: %s}]\n";

struct net {
    struct ap_err *e;
    struct ap_spec *s;
    struct ap_circuit *c;
};

static struct net build(const char *in, const char *t, const char *stimuli, const char *order)
{
    static char text[4096];
    struct net n = {.e = ap_err_create()};
    snprintf(text, sizeof text, TEXT, in, t, stimuli, order);
    n.s = ap_spec_parse("test.yaml", text, strlen(text), NULL, 0, n.e);
    if (n.s)
        n.c = ap_circuit_build(n.e, n.s);
    return n;
}

static struct net good(const char *in, const char *t, const char *stimuli)
{
    struct net n = build(in, t, stimuli, "sequence");
    if (!n.c)
        fail_msg("%s", ap_err_message(n.e, 0));
    return n;
}

static void drop(struct net *n)
{
    ap_circuit_free(n->c);
    ap_spec_free(n->s);
    ap_err_free(n->e);
}

static void refused(const char *in, const char *t, const char *stimuli, enum ap_code code, const char *why)
{
    struct net n = build(in, t, stimuli, "sequence");
    assert_null(n.c);
    assert_int_equal(ap_err_code(n.e), code);
    if (!strstr(ap_err_message(n.e, 0), why))
        fail_msg("'%s' lacks '%s'", ap_err_message(n.e, 0), why);
    drop(&n);
}

#define GOAL "  g: {of: t, kind: random, range: [0.1, 0.9]}\n"

static void test_patterns_written_in_the_file(void **unused)
{
    (void)unused;
    struct net n =
        good("", "", "  s: {of: in, kind: patterns, values: [[1, 2, 3, 4], [-5, 6e-1, 7, 8]]}\n" GOAL);
    const double expected[2][4] = {{1, 2, 3, 4}, {-5, 0.6, 7, 8}};
    double out[4];
    for (uint64_t k = 0; k < 7; k++) {
        ap_stimulus_potential(&n.c->stim[0], k, out);
        assert_memory_equal(out, expected[k % 2], sizeof out);
    }
    drop(&n);
    refused("", "", "  s: {of: in, kind: patterns, values: [[1, 2, 3]]}\n" GOAL, AP_EUSAGE, "found 3 values");
    refused("", "", "  s: {of: in, kind: patterns, values: []}\n" GOAL, AP_EUSAGE, "no pattern");
    refused("", "", "  s: {of: in, kind: patterns, values: [[1, 2, 3, x]]}\n" GOAL, AP_EUSAGE, "values");
}

static void test_random_patterns(void **unused)
{
    (void)unused;
    struct net n = good("", "",
                        "  s: {of: in, kind: random, range: [-2, 3], patterns: 50}\n"
                        "  f: {of: in, kind: random, range: [-2, 3], fresh: on}\n" GOAL);
    const struct ap_stimulus *s = &n.c->stim[0], *f = &n.c->stim[1];
    double out[4], again[4], before[4] = {0}, sum = 0, low = 9, high = -9;
    for (uint64_t k = 0; k < 50; k++) {
        ap_stimulus_potential(s, k, out);
        ap_stimulus_potential(s, 49 - k, again); /* order does not matter */
        ap_stimulus_potential(s, k + 50 * 7, again);
        assert_memory_equal(out, again, sizeof out);
        assert_memory_not_equal(out, before, sizeof out);
        ap_stimulus_potential(f, k, again); /* another name, other numbers */
        assert_memory_not_equal(out, again, sizeof out);
        memcpy(before, out, sizeof out);
        for (int i = 0; i < 4; i++) {
            sum += out[i];
            low = fmin(low, out[i]);
            high = fmax(high, out[i]);
        }
    }
    assert_true(low >= -2 && low < -1.9 && high < 3 && high > 2.9 && fabs(sum / 200 - 0.5) < 0.5);
    ap_stimulus_potential(f, 3, out);
    ap_stimulus_potential(f, 3 + 50, again);
    assert_memory_not_equal(out, again, sizeof out); /* without end */
    ap_stimulus_potential(f, 3, again);
    assert_memory_equal(out, again, sizeof out);
    assert_true(s->count == 50 && f->count == 0);
    drop(&n);
}

static void test_order_of_presentation(void **unused)
{
    (void)unused;
    static const uint64_t COUNTS[] = {2, 3, 4, 5, 16, 17, 100, 1000, 4097};
    for (int c = 0; c < 9; c++) {
        char line[128];
        uint64_t n = COUNTS[c];
        snprintf(line, sizeof line, "  s: {of: in, kind: random, patterns: %d}\n" GOAL, (int)n);
        struct net net = good("", "", line);
        const struct ap_stimulus *s = &net.c->stim[0];
        uint64_t *round = calloc(3 * n, sizeof *round);
        bool *seen = calloc(n, sizeof *seen);
        for (uint64_t r = 0; r < 3; r++) {
            memset(seen, 0, n * sizeof *seen);
            for (uint64_t k = 0; k < n; k++) {
                uint64_t index = ap_stimulus_index(s, AP_ORDER_SHUFFLED, 5, r * n + k);
                assert_true(index >= r * n && index < (r + 1) * n);
                assert_false(seen[index - r * n]);
                seen[index - r * n] = true;
                round[r * n + k] = index - r * n;
                assert_true(ap_stimulus_index(s, AP_ORDER_SHUFFLED, 5, r * n + k) == index);
                assert_true(ap_stimulus_index(s, AP_ORDER_SEQUENCE, 5, r * n + k) == r * n + k);
            }
        }
        if (n >= 16) { /* rounds and blocks differ, and neither is the sequence */
            uint64_t same[4] = {0};
            for (uint64_t k = 0; k < n; k++) {
                same[0] += round[k] == round[n + k];
                same[1] += round[n + k] == round[2 * n + k];
                same[2] += round[k] == k;
                same[3] += round[k] == ap_stimulus_index(s, AP_ORDER_SHUFFLED, 6, k);
            }
            for (int i = 0; i < 4; i++)
                assert_true(same[i] < 8);
        }
        if (n >= 100) { /* places are spread evenly: the mean shift of a random permutation is n/3 */
            double shift = 0;
            for (uint64_t k = 0; k < n; k++)
                shift += fabs((double)round[k] - (double)k) / (double)n;
            assert_true(fabs(shift / (double)n - 1.0 / 3) < 0.1);
        }
        free(round);
        free(seen);
        drop(&net);
    }
}

/* One pattern beside many: the many are shuffled all the same, and input and target belong together. */
static void test_shuffling_follows_the_larger_set(void **unused)
{
    (void)unused;
    char text[2048];
    snprintf(text, sizeof text, TEXT, "", "",
             "  s: {of: in, kind: random, patterns: 1}\n"
             "  g: {of: t, kind: patterns, as: potential, values: [[0, 0, 0], [1, 1, 1], [2, 2, 2], [3, 3, "
             "3], [4, 4, 4], "
             "[5, 5, 5], [6, 6, 6], [7, 7, 7], [8, 8, 8]]}\n",
             "shuffled");
    struct harness h;
    harness_open(&h, text, NULL, 0);
    int moved = 0, sum = 0;
    for (uint64_t k = 0; k < 9; k++) {
        assert_int_equal(ap_sim_present(h.e, &h.x, 0, k), AP_OK);
        double v = harness_potential(&h, "t", "soma", NULL)[0];
        moved += v != (double)k;
        sum += 1 << (int)v;
    }
    assert_true(moved >= 4);
    assert_int_equal(sum, (1 << 9) - 1);
    harness_close(&h);
}

/* u = k21 W21 phi(k10 W10 r), model section 2.3. */
static void test_teacher_network(void **unused)
{
    (void)unused;
    struct net n = good("", "",
                        "  s: {of: in, kind: random, range: [-1, 1], fresh: on}\n"
                        "  g: {of: t, kind: teacher, input: in, hidden: 6, gain: [2, 10]}\n"
                        "  other: {of: t, kind: teacher, input: in, hidden: 6, gain: [2, 10]}\n");
    struct ap_stimulus *s = &n.c->stim[0], *g = &n.c->stim[1], *other = &n.c->stim[2];
    g->other = other->other = s;
    double w10[6][4], w21[3][6], r[4], out[3];
    const struct ap_rng_stream stream = {12, AP_RNG_TEACHER, ap_hash_name("g")};
    uint64_t at = 0;
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 4; j++)
            w10[i][j] = ap_rng_between(stream, at++, -1, 1);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 6; j++)
            w21[i][j] = ap_rng_between(stream, at++, -1, 1);
    for (uint64_t k = 0; k < 20; k++) {
        ap_stimulus_potential(s, k, r); /* linear input: potentials are rates */
        ap_stimulus_potential(g, k, out);
        for (int i = 0; i < 3; i++) {
            double u = 0;
            for (int h = 0; h < 6; h++) {
                double x = 0;
                for (int j = 0; j < 4; j++)
                    x += w10[h][j] * r[j];
                u += w21[i][h] * 0.1 * log1p(exp(2 * x - 3));
            }
            assert_true(fabs(out[i] - 10 * u) < 1e-13);
        }
        ap_stimulus_potential(other, k, r);
        assert_memory_not_equal(out, r, sizeof out);
    }
    drop(&n);
}

/* The pattern of the input and the teacher's target of one presentation belong together, whichever population is first. */
static void test_teacher_sees_the_pattern_that_is_shown(void **unused)
{
    (void)unused;
    static const char *const ORDER[] = {
        "  in: {cell: clamped, size: 4}\n  m: {cell: clamped, size: 4}\n  t: {cell: clamped, size: 4}\n",
        "  t: {cell: clamped, size: 4}\n  m: {cell: clamped, size: 4}\n  in: {cell: clamped, size: 4}\n"};
    double seen[2][6][4];
    for (int o = 0; o < 2; o++) {
        char text[2048];
        snprintf(
            text, sizeof text,
            "version: 1\nname: t\nseed: 3\npopulations:\n%s"
            "  a: {cell: output, size: 4}\nprojections:\n"
            "  - {name: p, from: in, to: a/basal, weights: constant(1)}\n"
            "  - {name: q, from: m, to: a/basal, weights: constant(1)}\n"
            "  - {name: n, from: t/soma, to: a/soma, connect: one-to-one, conductance: 1 /ms}\n"
            "stimuli:\n  s1: {of: in, kind: random, patterns: 2}\n  s2: {of: in, kind: random, fresh: on}\n"
            "  g: {of: t, kind: teacher, input: m}\n  h: {of: m, kind: teacher, input: in}\n"
            "schedule:\n  - {name: x, presentations: 3, duration: 1 ms, present: [s1, g, h]}\n"
            "  - {name: y, presentations: 3, duration: 1 ms, present: [s2, g, h]}\n",
            ORDER[o]);
        struct harness h;
        harness_open(&h, text, NULL, 0);
        for (int k = 0; k < 6; k++) {
            assert_int_equal(ap_sim_present(h.e, &h.x, k / 3, (uint64_t)k % 3), AP_OK);
            memcpy(seen[o][k], harness_potential(&h, "t", "soma", NULL), sizeof seen[o][k]);
        }
        harness_close(&h);
    }
    assert_memory_equal(seen[0], seen[1], sizeof seen[0]);
    assert_memory_not_equal(seen[0][0], seen[0][3], sizeof seen[0][0]);
    refused("", "", "  s: {of: in, kind: teacher, input: t}\n  g: {of: t, kind: teacher, input: in}\n",
            AP_EUSAGE, "circle");
}

static void put32(FILE *f, unsigned x)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        fputc((int)(x >> shift & 255), f);
}

static void write_idx(const char *path, int dims, const unsigned *dim, const unsigned char *value, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    put32(f, 0x800u | (unsigned)dims);
    for (int i = 0; i < dims; i++)
        put32(f, dim[i]);
    assert_int_equal(fwrite(value, 1, n, f), n);
    fclose(f);
}

static void test_images_and_labels(void **unused)
{
    (void)unused;
    char folder[] = P_tmpdir "/apical-test-XXXXXX", images[96], labels[96], text[1024];
    assert_non_null(mkdtemp(folder));
    snprintf(images, sizeof images, "%s/i", folder);
    snprintf(labels, sizeof labels, "%s/l", folder);
    unsigned char pixel[20], label[6] = {2, 0, 1, 1, 2, 0};
    for (int i = 0; i < 20; i++)
        pixel[i] = (unsigned char)(i * 13);
    pixel[19] = 255;
    write_idx(images, 3, (unsigned[]){5, 2, 2}, pixel, 20);
    write_idx(labels, 1, (unsigned[]){6}, label, 6);
    snprintf(text, sizeof text,
             "  s: {of: in, kind: images, file: %s, scale: 0.5}\n"
             "  part: {of: in, kind: images, file: %s, first: 1, count: 3}\n"
             "  g: {of: t, kind: labels, file: %s, on: 0.8, off: 0.1, first: 1}\n",
             images, images, labels);
    struct net n = good("", ", transfer: logistic", text);
    double out[4], goal[3];
    assert_true(n.c->stim[0].count == 5 && n.c->stim[1].count == 3 && n.c->stim[2].count == 5);
    for (uint64_t k = 0; k < 11; k++) {
        ap_stimulus_potential(&n.c->stim[0], k, out);
        for (uint64_t i = 0; i < 4; i++)
            assert_true(out[i] == 0.5 * (pixel[k % 5 * 4 + i] / 255.0));
        ap_stimulus_potential(&n.c->stim[1], k, out);
        for (uint64_t i = 0; i < 4; i++)
            assert_true(out[i] == pixel[(1 + k % 3) * 4 + i] / 255.0);
        ap_stimulus_potential(&n.c->stim[2], k, goal);
        for (int i = 0; i < 3; i++) {
            double rate = i == label[1 + k % 5] ? 0.8 : 0.1;
            assert_true(fabs(goal[i] - log(rate / (1 - rate))) < 1e-14);
        }
    }
    drop(&n);
    const struct {
        const char *line;
        enum ap_code code;
        const char *why;
    } bad[] = {
        {"  s: {of: in, kind: images, file: %s, count: 6}\n" GOAL, AP_EUSAGE, "holds 5"},
        {"  s: {of: in, kind: images, file: %s, first: 5}\n" GOAL, AP_EUSAGE, "holds 5"},
        {"  s: {of: in, kind: images, file: %s, first: 3, count: 3}\n" GOAL, AP_EUSAGE, "holds 5"},
        {"  s: {of: in, kind: images, file: %s}\n" GOAL, AP_EUSAGE, "no potential"},
        {"  s: {of: in, kind: images, file: %s.not}\n" GOAL, AP_EIO, "i.not"},
        {"  s: {of: in, kind: labels, file: %s}\n" GOAL, AP_EIO, "imension"},
        {"  g: {of: t, kind: images, file: %s}\n  s: {of: in, kind: random}\n", AP_EUSAGE, "3 neurons"},
    };
    for (int i = 0; i < 7; i++) {
        snprintf(text, sizeof text, bad[i].line, images);
        refused(i == 3 ? ", transfer: relu" : "", "", text, bad[i].code, bad[i].why);
    }
    label[3] = 3; /* no such class */
    write_idx(labels, 1, (unsigned[]){6}, label, 6);
    snprintf(text, sizeof text, "  s: {of: in, kind: random}\n  g: {of: t, kind: labels, file: %s}\n",
             labels);
    refused("", "", text, AP_EIO, "label");
    unlink(images);
    unlink(labels);
    rmdir(folder);
}

static void test_rates_become_potentials(void **unused)
{
    (void)unused;
    static const char *const TRANSFER[] = {"logistic", "tanh", "\"softplus(0.1, 2, 3)\"", "relu", "linear"};
    for (int k = 0; k < 5; k++) {
        char t[64];
        double rates[3], potentials[3], again[3];
        snprintf(t, sizeof t, ", transfer: %s", TRANSFER[k]);
        struct net n = good("", t,
                            "  s: {of: in, kind: random}\n"
                            "  g: {of: t, kind: patterns, values: [[0.02, 0.5, 0.9]]}\n"
                            "  raw: {of: t, kind: patterns, as: potential, values: [[0.02, 0.5, 0.9]]}\n");
        ap_stimulus_potential(&n.c->stim[1], 0, potentials);
        const struct ap_pop_spec *p = &n.s->pop[1];
        p->transfer->rate(p->transfer_param, 3, potentials, rates);
        ap_stimulus_potential(&n.c->stim[2], 0, again);
        for (int i = 0; i < 3; i++) {
            assert_true(fabs(rates[i] - again[i]) < 1e-14);
            assert_true(k == 3 || k == 4 ? potentials[i] == again[i] : potentials[i] != again[i]);
        }
        drop(&n);
    }
    refused("", ", transfer: logistic",
            "  s: {of: in, kind: random}\n  g: {of: t, kind: random, range: [0.5, 1.5]}\n", AP_EUSAGE,
            "no potential");
    refused("", ", transfer: logistic",
            "  s: {of: in, kind: random}\n  g: {of: t, kind: patterns, values: [[0.5, 1, 0.1]]}\n", AP_EUSAGE,
            "no potential");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patterns_written_in_the_file),
        cmocka_unit_test(test_random_patterns),
        cmocka_unit_test(test_order_of_presentation),
        cmocka_unit_test(test_shuffling_follows_the_larger_set),
        cmocka_unit_test(test_teacher_network),
        cmocka_unit_test(test_teacher_sees_the_pattern_that_is_shown),
        cmocka_unit_test(test_images_and_labels),
        cmocka_unit_test(test_rates_become_potentials),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
