/* A table of our own: every kind of key, defaults, ranges, all errors at once, the canonical tree. */
#include "schema.h"

#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct cell {
    double tau, gain, share;
    struct ap_quantity leak;
    double range[2], window[2];
    int64_t size, count, any;
    bool fresh;
    int form;
    const char *title, *name;
    struct ap_node *extra;
};

static const char *const FORMS[] = {"linear", "divisive", NULL};
#define OF(field) offsetof(struct cell, field)
static const struct ap_key KEYS[] = {
    {"tau", AP_KEY_NUMBER, AP_DIM_TIME, OF(tau), AP_REQUIRED, AP_POSITIVE, INFINITY, NULL, "time constant"},
    {"gain", AP_KEY_NUMBER, AP_DIM_NONE, OF(gain), "0.5", 0, 0, NULL, "any number"},
    {"share", AP_KEY_NUMBER, AP_DIM_NONE, OF(share), AP_ABSENT, AP_POSITIVE, 1, NULL, "in (0, 1]"},
    {"leak", AP_KEY_QUANTITY, AP_DIM_CONDUCTANCE, OF(leak), "0.1 /ms", 0, INFINITY, NULL, "conductance"},
    {"range", AP_KEY_PAIR, AP_DIM_NONE, OF(range), "[-1, 1]", -10, 10, NULL, "low, high"},
    {"window", AP_KEY_PAIR, AP_DIM_TIME, OF(window), "[0 ms, 0.5 s]", 0, 1e3, NULL, "from, to"},
    {"size", AP_KEY_INTEGER, AP_DIM_NONE, OF(size), "10", 1, 1000, NULL, "neurons"},
    {"count", AP_KEY_INTEGER, AP_DIM_NONE, OF(count), "1", AP_POSITIVE, INFINITY, NULL, "at least one"},
};
static const struct ap_key MORE[] = {
    {"any", AP_KEY_INTEGER, AP_DIM_NONE, OF(any), "0", 0, 0, NULL, "any integer"},
    {"fresh", AP_KEY_SWITCH, AP_DIM_NONE, OF(fresh), "off", 0, 0, NULL, "switch"},
    {"form", AP_KEY_CHOICE, AP_DIM_NONE, OF(form), "linear", 0, 0, FORMS, "choice"},
    {"title", AP_KEY_TEXT, AP_DIM_NONE, OF(title), AP_ABSENT, 0, 0, NULL, "text"},
    {"name", AP_KEY_NAME, AP_DIM_NONE, OF(name), AP_ABSENT, 0, 0, NULL, "name"},
    {"extra", AP_KEY_NODE, AP_DIM_NONE, OF(extra), AP_ABSENT, 0, 0, NULL, "read elsewhere"},
};
#undef OF

struct reading {
    struct ap_err *e;
    struct ap_tree t;
    struct cell c;
};

static int setup(void **state)
{
    struct reading *r = calloc(1, sizeof *r);
    if (!r || !(r->e = ap_err_create()))
        return -1;
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct reading *r = *state;
    setlocale(LC_ALL, "C");
    ap_mem_fail_at(0, false);
    ap_yamlin_free(&r->t);
    ap_err_free(r->e);
    free(r);
    return 0;
}

static enum ap_code read_text(struct reading *r, const char *text)
{
    ap_yamlin_free(&r->t);
    memset(&r->t, 0, sizeof r->t);
    memset(&r->c, 0, sizeof r->c);
    r->e->n = r->e->dropped = 0;
    assert_int_equal(ap_yamlin_parse(r->e, &r->t, "c.yaml", text, strlen(text)), AP_OK);
    const struct ap_keyset sets[] = {{KEYS, sizeof KEYS / sizeof *KEYS, &r->c},
                                     {MORE, sizeof MORE / sizeof *MORE, &r->c}};
    return ap_schema_read(r->e, &r->t, r->t.root, "cell x", sets, 2);
}

static void test_every_kind_is_read(void **state)
{
    struct reading *r = *state;
    assert_int_equal(
        read_text(r, "{tau: 0.1 s, gain: -2, share: 1, leak: 300 pS, range: [-2, 3], window: [1 ms, 2 ms],\n"
                     " size: 1000, count: 5, any: -9223372036854775808, fresh: on, form: divisive,\n"
                     " title: a title, name: hidden1.pyr, extra: [1, 2]}\n"),
        AP_OK);
    const struct cell *c = &r->c;
    assert_true(c->tau == 100 && c->gain == -2 && c->share == 1 && c->leak.value == 0.3 && c->leak.physical);
    assert_true(c->range[0] == -2 && c->range[1] == 3 && c->window[0] == 1 && c->window[1] == 2);
    assert_true(c->size == 1000 && c->count == 5 && c->any == INT64_MIN && c->fresh && c->form == 1);
    assert_string_equal(c->title, "a title");
    assert_string_equal(c->name, "hidden1.pyr");
    assert_int_equal(c->extra->n, 2);
}

/* Member by member: what lies between members need not be equal. */
static bool same(const struct cell *a, const struct cell *b)
{
    return a->tau == b->tau && a->gain == b->gain && a->share == b->share && a->leak.value == b->leak.value &&
           a->leak.physical == b->leak.physical && a->range[0] == b->range[0] && a->range[1] == b->range[1] &&
           a->window[0] == b->window[0] && a->window[1] == b->window[1] && a->size == b->size &&
           a->count == b->count && a->any == b->any && a->fresh == b->fresh && a->form == b->form &&
           a->title == b->title && a->name == b->name && a->extra == b->extra;
}

static void test_defaults_and_the_canonical_tree(void **state)
{
    struct reading *r = *state;
    assert_int_equal(read_text(r, "tau: 0.02 s\nrange: [-0.50, 1e0]\n"), AP_OK);
    struct cell first = r->c;
    assert_true(first.gain == 0.5 && first.share == 0 && first.leak.value == 0.1 && !first.leak.physical);
    assert_true(first.window[0] == 0 && first.window[1] == 500 && first.size == 10 && first.count == 1 &&
                !first.fresh);
    assert_true(first.form == 0 && !first.title && !first.name && !first.extra);
    char *text = ap_yamlin_text(r->e, r->t.root);
    assert_non_null(strstr(text, "tau: 20 ms\n"));
    assert_non_null(strstr(text, "range: [-0.5, 1]\n"));
    assert_non_null(strstr(text, "window: [0 ms, 500 ms]\n"));
    assert_null(strstr(text, "share"));
    char *copy = strdup(text);
    ap_mem_free(text);
    assert_int_equal(read_text(r, copy), AP_OK); /* reads as the same struct, prints as the same text */
    assert_true(same(&first, &r->c));
    text = ap_yamlin_text(r->e, r->t.root);
    assert_string_equal(text, copy);
    ap_mem_free(text);
    free(copy);
}

static void test_every_error_is_reported_at_its_place(void **state)
{
    struct reading *r = *state;
    static const struct {
        const char *text, *says;
        int col;
    } BAD[] = {
        {"{gain: 1}", "the key 'tau' is missing", 1},
        {"{tau: 1 ms, gian: 2}", "unknown key 'gian'", 13},
        {"{tau: 0 ms}", "greater than 0", 7},
        {"{tau: -1 ms}", "greater than 0", 7},
        {"{tau: 5}", "no unit", 7},
        {"{tau: [5 ms]}", "found a list, expected a single value", 7},
        {"{tau: {a: 5}}", "found a map", 7},
        {"{tau: 1 ms, gain: }", "found ''", 19},
        {"{tau: 1 ms, share: 0}", "greater than 0 and at most 1", 20},
        {"{tau: 1 ms, share: 1.1}", "greater than 0 and at most 1", 20},
        {"{tau: 1 ms, leak: -1 nS}", "at least 0", 19},
        {"{tau: 1 ms, range: 3}", "found a single value, expected a list", 20},
        {"{tau: 1 ms, range: [3]}", "found 1 values", 20},
        {"{tau: 1 ms, range: [1, 2, 3]}", "found 3 values", 20},
        {"{tau: 1 ms, range: [2, 1]}", "low is greater", 20},
        {"{tau: 1 ms, range: [0, 11]}", "from -10 to 10", 24},
        {"{tau: 1 ms, range: [0, x]}", "found 'x'", 24},
        {"{tau: 1 ms, size: 0}", "from 1 to 1000", 19},
        {"{tau: 1 ms, size: 1001}", "from 1 to 1000", 19},
        {"{tau: 1 ms, size: 1.5}", "whole number", 19},
        {"{tau: 1 ms, count: 0}", "whole number of at least 1", 20},
        {"{tau: 1 ms, any: 9223372036854775808}", "whole number", 18},
        {"{tau: 1 ms, fresh: yes}", "'yes' is unknown", 20},
        {"{tau: 1 ms, form: diversive}", "'diversive' is unknown", 19},
        {"{tau: 1 ms, form: [linear]}", "found a list", 19},
        {"{tau: 1 ms, name: 2nd}", "not a name", 19},
        {"{tau: 1 ms, name: a b}", "not a name", 19},
        {"{tau: 1 ms, title: [a]}", "found a list", 20},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        assert_int_equal(read_text(r, BAD[i].text), AP_EUSAGE);
        if (r->e->n != 1 || !strstr(r->e->diag[0].text, BAD[i].says) ||
            !strstr(r->e->diag[0].text, "cell x") || r->e->diag[0].col != BAD[i].col)
            fail_msg("%s gives %d errors, col %d: %s", BAD[i].text, r->e->n, r->e->diag[0].col,
                     r->e->diag[0].text);
    }
    assert_int_equal(
        read_text(r, "{taau: 1, gain: x, size: 0, form: none, fresh: maybe, name: 1, zzzzzz: 2}"), AP_EUSAGE);
    assert_int_equal(r->e->n, 7); /* two unknown, one of them for the missing one; five bad */
    assert_non_null(strstr(r->e->diag[0].hint, "did you mean 'tau'?"));
    assert_non_null(strstr(r->e->diag[1].hint, "one of: tau, gain, share"));
}

static void test_the_root_must_be_a_map(void **state)
{
    struct reading *r = *state;
    struct ap_place at = {"c.yaml", 3, 4};
    struct ap_node *n = ap_yamlin_scalar(r->e, &r->t, at, "x");
    assert_int_equal(ap_schema_read(r->e, &r->t, n, "cell", NULL, 0), AP_EUSAGE);
    assert_int_equal(r->e->diag[0].line, 3);
    assert_int_equal(ap_schema_expect(r->e, n, "cell", AP_NODE_SCALAR), AP_OK);
}

static void test_names(void **state)
{
    struct reading *r = *state;
    static const char *const YES[] = {"a", "Z9", "hidden1.pyr", "a_b-c.d",
                                      "a23456789012345678901234567890123456789012345678"};
    static const char *const NO[] = {"",
                                     "1a",
                                     ".a",
                                     "-a",
                                     "_a",
                                     "a b",
                                     "a/b",
                                     "a\n",
                                     "a[0]",
                                     "\xc3\xa4",
                                     "a\xe4",
                                     "\xe4",
                                     "a234567890123456789012345678901234567890123456789",
                                     "../x"};
    setlocale(LC_ALL, "");
    for (size_t i = 0; i < sizeof YES / sizeof *YES; i++)
        assert_int_equal(ap_schema_name(r->e, NULL, "x", YES[i]), AP_OK);
    for (size_t i = 0; i < sizeof NO / sizeof *NO; i++)
        if (ap_schema_name(r->e, NULL, "x", NO[i]) != AP_EUSAGE)
            fail_msg("'%s' passed for a name", NO[i]);
}

static void test_suggestions_fit(void **state)
{
    (void)state;
    char hint[AP_ERR_HINT];
    const char *names[64];
    for (int i = 0; i < 64; i++)
        names[i] = "a-rather-long-name-of-a-key";
    assert_true(strlen(ap_schema_suggest("q", names, 64, hint)) < AP_ERR_HINT);
    assert_string_equal(ap_schema_suggest("q", names, 0, hint), "there is none");
    assert_string_equal(ap_schema_suggest("qqqq", (const char *const[]){"soma", "basal"}, 2, hint),
                        "one of: soma, basal");
}

static void test_no_memory(void **state)
{
    struct reading *r = *state;
    for (size_t step = 16; step <= 64; step *= 2) { /* the first chunk is full, or nearly */
        struct ap_tree t = {0};
        r->e->n = 0;
        assert_int_equal(ap_yamlin_parse(r->e, &t, "c", "{tau: 1 ms}", 11), AP_OK);
        while (t.arena.chunk && ap_mem_arena_take(NULL, &t.arena, 1, step))
            ap_mem_fail_at(1, true);
        const struct ap_keyset set = {KEYS, sizeof KEYS / sizeof *KEYS, &r->c};
        assert_int_equal(ap_schema_read(r->e, &t, t.root, "cell x", &set, 1), AP_EMEMORY);
        assert_true(r->e->n >= 1 && r->e->diag[0].code == AP_EMEMORY);
        ap_mem_fail_at(0, false);
        ap_yamlin_free(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_kind_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_defaults_and_the_canonical_tree, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_error_is_reported_at_its_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_root_must_be_a_map, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_suggestions_fit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
