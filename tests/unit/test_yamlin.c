/* Circuit files as trees: limits, what is refused, calls in flow collections, --set, text and back,
 * mutations. */
#include "yamlin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static int setup(void **state)
{
    *state = ap_err_create();
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    ap_mem_fail_at(0, false);
    ap_err_free(*state);
    return 0;
}

static unsigned random_below(unsigned n)
{
    static unsigned long long seed = 17;
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

static struct ap_tree parsed(struct ap_err *e, const char *text)
{
    struct ap_tree t = {0};
    if (ap_yamlin_parse(e, &t, "c.yaml", text, strlen(text)) != AP_OK)
        fail_msg("%d:%d: %s", e->diag[e->n - 1].line, e->diag[e->n - 1].col, e->diag[e->n - 1].text);
    return t;
}

static void refused_bytes(struct ap_err *e, const char *text, size_t size, const char *says)
{
    struct ap_tree t = {0};
    e->n = 0;
    if (ap_yamlin_parse(e, &t, "c.yaml", text, size) != AP_EUSAGE)
        fail_msg("accepted: %.60s", text);
    assert_int_equal(e->n, 1);
    if (!strstr(e->diag[0].text, says))
        fail_msg("'%.60s': %s", text, e->diag[0].text);
    assert_true(e->diag[0].line >= 1 && e->diag[0].col >= 1);
    assert_string_equal(e->diag[0].file, "c.yaml");
    ap_yamlin_free(&t);
}

static void refused(struct ap_err *e, const char *text, const char *says, int line, int col)
{
    refused_bytes(e, text, strlen(text), says);
    if (e->diag[0].line != line || e->diag[0].col != col)
        fail_msg("'%.60s': at %d:%d", text, e->diag[0].line, e->diag[0].col);
}

static const char *at(const struct ap_node *n, const char *key)
{
    const struct ap_node *c = ap_yamlin_child(n, key);
    assert_non_null(c);
    return c->text;
}

static void test_a_file_is_a_tree_with_places(void **state)
{
    struct ap_tree t =
        parsed(*state, "version: 1\n# comment, (a, b)\npopulations:\n  hidden1.pyr: {size: 30, cell: \"p\"}\n"
                       "list:\n- a\n- 'it''s'\n- [1, [2]]\nempty:\n");
    assert_int_equal(t.root->n, 4);
    const struct ap_node *pyr = ap_yamlin_child(ap_yamlin_child(t.root, "populations"), "hidden1.pyr");
    assert_string_equal(at(pyr, "size"), "30");
    assert_string_equal(at(pyr, "cell"), "p");
    assert_true(pyr->flow && pyr->at.line == 4 && pyr->at.col == 16 && pyr->key_at.col == 3);
    assert_true(pyr->child[1]->key_at.col == 27 && pyr->child[1]->at.col == 33);
    const struct ap_node *list = ap_yamlin_child(t.root, "list");
    assert_true(list->kind == AP_NODE_LIST && list->n == 3 && !list->flow && list->child[2]->n == 2);
    assert_string_equal(list->child[1]->text, "it's");
    assert_string_equal(at(t.root, "empty"), "");
    assert_null(ap_yamlin_child(t.root, "absent"));
    assert_null(ap_yamlin_child(list, "a"));
    assert_null(ap_yamlin_child(NULL, "a"));
    ap_yamlin_free(&t);
}

static void test_what_is_not_in_the_subset(void **state)
{
    struct ap_err *e = *state;
    refused(e, "a: 1\nb: 2\na: 3\n", "duplicate key 'a': first given at 1:1", 3, 1);
    refused(e, "x: {a: 1, b: 2, a: 3, b: 4}\n", "duplicate key 'a': first given at 1:5", 1, 17);
    refused(e, "a: 1\n\"a\": 2\n", "duplicate key", 2, 1);
    refused(e, "a: &x 1\n", "anchors", 1, 4);
    refused(e, "a: &x {b: 1}\n", "anchors", 1, 4);
    refused(e, "a: &x [1]\n", "anchors", 1, 4);
    refused(e, "&x a: 1\n", "anchors", 1, 1);
    refused(e, "a: *x\n", "aliases", 1, 4);
    refused(e, "a: !!str 1\n", "tags", 1, 4);
    refused(e, "a: !python/object:os.system [x]\n", "tags", 1, 4);
    refused(e, "a: !x {b: 1}\n", "tags", 1, 4);
    refused(e, "a: ! 1\n", "tags", 1, 4);
    refused(e, "a:\n  <<: {b: 1}\n", "merge keys", 2, 3);
    refused(e, "? [a, b]\n: 1\n", "plain word", 1, 3);
    refused(e, "{a: 1}: 2\n", "plain word", 1, 1);
    refused(e, "a: 1\n---\nb: 2\n", "second document", 2, 1);
    refused(e, "\"\": 1\n", "1 to 64", 1, 1);
    refused(e, "a:\n\tb: 1\n", "not valid YAML", 2, 1);
    refused(e, "a: [1, 2\n", "not valid YAML", 2, 1);
    refused(e, "a: b: c\n", "not valid YAML", 1, 5);
    refused(e, "a: \"x\\0y\"\n", "zero byte", 1, 4);
    refused(e, "\"a\\0b\": 1\n", "1 to 64", 1, 1);
    refused(e, "", "empty", 1, 1);
    refused(e, "# nothing\n", "empty", 1, 1);
    refused(e, "- a\n", "no map", 1, 1);
    refused(e, "word\n", "no map", 1, 1);
    for (int c = 1; c < 32; c++) { /* control characters, bare */
        char text[] = "a: x?y\n";
        text[4] = (char)c;
        if (c != '\t' && c != '\n' && c != '\r')
            refused_bytes(e, text, 7, "not valid YAML");
    }
    refused_bytes(e, "a: x\0y\n", 7, "not valid YAML");
    refused_bytes(e, "a: x\x7f\n", 6, "not valid YAML");
    refused_bytes(e, "a: \xc2\x9b\n", 6, "not valid YAML");
    refused_bytes(e, "a: \xff\n", 5, "not valid YAML");
    refused_bytes(e, "a: \xc3\n", 5, "not valid YAML");
    refused_bytes(e,
                  "\xff\xfe"
                  "a\0:\0 \0001\0\n\0",
                  12, "not valid YAML");                     /* UTF-16 */
    refused(e, "a: x\nb: '\xee\x80\x80'\n", "U+E000", 2, 5); /* the stand-in for commas */
    refused(e, "a: \"\\uE000\"\n", "U+E000", 1, 5);
    refused(e, "a: \"\\U0000e000\"\n", "U+E000", 1, 5);
    struct ap_tree t = parsed(e, "\xef\xbb\xbf%YAML 1.1\n---\na: 1\n...\n"); /* mark, directive: allowed */
    assert_string_equal(at(t.root, "a"), "1");
    ap_yamlin_free(&t);
}

static char *repeated(const char *head, const char *unit, int n, const char *tail)
{
    size_t length = strlen(unit);
    char *text = malloc(strlen(head) + length * (size_t)n + strlen(tail) + 1), *c = text;
    assert_non_null(text);
    c += sprintf(c, "%s", head);
    for (int i = 0; i < n; i++, c += length)
        memcpy(c, unit, length);
    strcpy(c, tail);
    return text;
}

static void test_limits(void **state)
{
    struct ap_err *e = *state;
    struct ap_tree t;
    for (int n = AP_YAMLIN_KEY - 1; n <= AP_YAMLIN_KEY + 1; n++) {
        char *text = repeated("", "k", n, ": 1\n");
        if (n <= AP_YAMLIN_KEY) {
            t = parsed(e, text);
            ap_yamlin_free(&t);
        } else
            refused(e, text, "1 to 64", 1, 1);
        free(text);
    }
    for (int n = AP_YAMLIN_DEPTH - 2; n <= AP_YAMLIN_DEPTH; n++) { /* the root is one level */
        char *tail = repeated("", "]", n, "\n"), *text = repeated("a: ", "[", n, tail);
        if (n < AP_YAMLIN_DEPTH) {
            t = parsed(e, text);
            ap_yamlin_free(&t);
        } else
            refused(e, text, "deeper than 32", 1, 4 + AP_YAMLIN_DEPTH - 1);
        free(text);
        free(tail);
    }
    for (int n = AP_YAMLIN_NODES - 3; n <= AP_YAMLIN_NODES - 1;
         n++) { /* root and key: two more and the list */
        char *text = repeated("a: [", "1,", n, "]\n");
        if (n + 3 <= AP_YAMLIN_NODES) {
            t = parsed(e, text);
            assert_int_equal(t.root->child[0]->n, n);
            ap_yamlin_free(&t);
        } else
            refused_bytes(e, text, strlen(text), "more than 100000");
        free(text);
    }
    char path[] = P_tmpdir "/ap_yamlin.XXXXXX";
    int fd = mkstemp(path);
    FILE *f = fdopen(fd, "w");
    assert_non_null(f);
    for (int extra = 0; extra < 2; extra++) { /* a file of exactly the limit, and one byte more */
        char *text = repeated("a: ", "x", AP_YAMLIN_BYTES - 4 + extra, "\n");
        rewind(f);
        fputs(text, f);
        fflush(f);
        t = (struct ap_tree){0};
        assert_int_equal(ap_yamlin_read(e, &t, path), extra ? AP_EUSAGE : AP_OK);
        ap_yamlin_free(&t);
        free(text);
    }
    fclose(f);
    remove(path);
    assert_int_equal(ap_yamlin_read(e, &t, path), AP_EIO);
}

/* What costs an attacker nothing must cost us little. */
static void test_hostile_files_are_quick(void **state)
{
    struct ap_err *e = *state;
    enum { CASES = 9 };
    char *keys = malloc(16 * 60000), *c = keys;
    for (int i = 0; i < 49000; i++)
        c += sprintf(c, "k%d: 1\n", i);
    char *text[CASES] = {
        keys,
        repeated("a: ", "(", AP_YAMLIN_BYTES, "\n"),
        repeated("a: ", "(1, ", AP_YAMLIN_BYTES / 4, "\n"),
        repeated("a: ", "[", AP_YAMLIN_BYTES, "\n"),
        repeated("a: ", "{a: ", AP_YAMLIN_BYTES / 4, "\n"),
        repeated("", "- ", AP_YAMLIN_BYTES / 2, "\n"),
        repeated("a: [", "\"(\", ", AP_YAMLIN_BYTES / 5, "\n"),
        repeated("a: ", "'\\\"", AP_YAMLIN_BYTES / 3, "\n"),
        repeated("a: \"", "(,", AP_YAMLIN_BYTES / 2, ")\"\n"),
    };
    for (int i = 0; i < CASES; i++) {
        struct timespec before, after;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
        struct ap_tree t = {0};
        ap_yamlin_parse(e, &t, "c.yaml", text[i], strlen(text[i]));
        ap_yamlin_free(&t);
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
        double took =
            (double)(after.tv_sec - before.tv_sec) + 1e-9 * (double)(after.tv_nsec - before.tv_nsec);
        if (took > 1) /* 0.1 s expected; sanitizers and busy machines are slower, quadratic work is 100 s */
            fail_msg("case %d took %g s", i, took);
        free(text[i]);
    }
}

static void test_commas_of_calls(void **state)
{
    struct ap_err *e = *state;
    struct ap_tree t = parsed(e, "x: {a: uniform(-1, 1), b: [f(1, 2), 3], c: \"(1, 2)\"}\n"
                                 "y: normal(0, 0.1)\n"
                                 "z: [\"(a\", b, \"c)\"]\n"
                                 "q: ['(a', 'it''s', b]  # that's (not, here)\n"
                                 "o: [(a, b]\n"
                                 "r: [\"x: \", f(1, 2), 'y, ', g(3, 4)]\n"
                                 "m: [f(1,2),g(3,4), h()]\n"
                                 "d: [don't (a, b), can't]\n"
                                 "f(1, 2): 5\n"
                                 "lit: |\n  (a, b)\n"
                                 "multi: \"(a,\n  b), c\"\n");
    const struct ap_node *x = ap_yamlin_child(t.root, "x"), *b = ap_yamlin_child(x, "b");
    assert_string_equal(at(x, "a"), "uniform(-1, 1)");
    assert_int_equal(b->n, 2);
    assert_string_equal(b->child[0]->text, "f(1, 2)");
    assert_string_equal(b->child[1]->text, "3");
    assert_int_equal(b->child[1]->at.col, 37); /* columns as in the file */
    assert_string_equal(at(x, "c"), "(1, 2)");
    assert_string_equal(at(t.root, "y"), "normal(0, 0.1)");
    const struct ap_node *z = ap_yamlin_child(t.root, "z"), *q = ap_yamlin_child(t.root, "q");
    assert_int_equal(z->n, 3);
    assert_string_equal(z->child[0]->text, "(a");
    assert_string_equal(z->child[2]->text, "c)");
    assert_int_equal(q->n, 3);
    assert_string_equal(q->child[1]->text, "it's");
    assert_int_equal(ap_yamlin_child(t.root, "o")->n, 2); /* no call: it does not close */
    assert_int_equal(ap_yamlin_child(t.root, "r")->n, 4); /* a closing quote opens nothing */
    assert_int_equal(ap_yamlin_child(t.root, "m")->n, 3);
    assert_string_equal(ap_yamlin_child(t.root, "m")->child[1]->text, "g(3,4)");
    assert_int_equal(ap_yamlin_child(t.root, "d")->n, 2);
    assert_string_equal(at(t.root, "f(1, 2)"), "5");
    assert_string_equal(at(t.root, "lit"), "(a, b)\n");
    assert_string_equal(at(t.root, "multi"), "(a, b), c");
    ap_yamlin_free(&t);
}

/* ---- --set --------------------------------------------------------------------------------------------- */

static const char CIRCUIT[] = "version: 1\n"
                              "populations:\n"
                              "  hidden1: {size: 1}\n"
                              "  hidden1.pyr: {size: 30, cell: pyramidal}\n"
                              "projections:\n"
                              "- {name: forward1, eta: 1}\n"
                              "- {name: forward1.b, eta: 2}\n"
                              "- {name: [odd], eta: 3}\n"
                              "- plain\n"
                              "integrator: {rtol: 1e-6}\n";

static void test_set_finds_its_way(void **state)
{
    struct ap_err *e = *state;
    struct ap_tree t = parsed(e, CIRCUIT);
    static const char *const SETS[] = {"populations.hidden1.pyr.size=40",
                                       "populations.hidden1.size=2",
                                       "projections.0.eta=10",
                                       "projections.forward1.b.eta=20",
                                       "projections.2.eta=30",
                                       "projections.3=fancy",
                                       "integrator.rtol=1e-8",
                                       "integrator.atol=1e-9",
                                       "record={every: 1 ms, of: [a, b]}",
                                       "weights=uniform(-1, 1)",
                                       "text=\"a: b # c\"",
                                       "equals=a=b",
                                       "nothing="};
    for (size_t i = 0; i < sizeof SETS / sizeof *SETS; i++)
        if (ap_yamlin_set(e, &t, SETS[i]) != AP_OK)
            fail_msg("%s: %s", SETS[i], ap_err_message(e, e->n - 1));
    const struct ap_node *pops = ap_yamlin_child(t.root, "populations"),
                         *proj = ap_yamlin_child(t.root, "projections");
    assert_string_equal(at(ap_yamlin_child(pops, "hidden1.pyr"), "size"), "40");
    assert_string_equal(at(ap_yamlin_child(pops, "hidden1"), "size"), "2");
    assert_string_equal(at(proj->child[0], "eta"), "10");
    assert_string_equal(at(proj->child[1], "eta"), "20");
    assert_string_equal(at(proj->child[2], "eta"), "30");
    assert_string_equal(proj->child[3]->text, "fancy");
    assert_null(proj->child[3]->key);
    assert_string_equal(at(ap_yamlin_child(t.root, "integrator"), "rtol"), "1e-8");
    assert_string_equal(at(ap_yamlin_child(t.root, "integrator"), "atol"), "1e-9");
    const struct ap_node *record = ap_yamlin_child(t.root, "record");
    assert_true(record->kind == AP_NODE_MAP && ap_yamlin_child(record, "of")->n == 2);
    assert_string_equal(at(t.root, "weights"), "uniform(-1, 1)");
    assert_string_equal(at(t.root, "text"), "a: b # c");
    assert_string_equal(at(t.root, "equals"), "a=b");
    assert_string_equal(at(t.root, "nothing"), "");
    assert_string_equal(record->at.file, "--set record"); /* messages name the option */
    ap_yamlin_free(&t);
}

static void test_set_refuses_what_it_cannot_place(void **state)
{
    struct ap_err *e = *state;
    struct ap_tree t = parsed(e, CIRCUIT);
    static const char *const SETS[] = {"",
                                       "=",
                                       "a",
                                       "=5",
                                       "projections.7.eta=1",
                                       "projections.-1.eta=1",
                                       "projections.forward9=1",
                                       "projections..eta=1",
                                       "projections.=1",
                                       "version.x=1",
                                       "version.x.y=1",
                                       ".version=1",
                                       "integrator.=1",
                                       "integrator..rtol=1",
                                       "a..b=1",
                                       "x=[1",
                                       "x=a: b",
                                       "x=1\ny: 2",
                                       "x=&a 1",
                                       "x=*a",
                                       "x=!t 1",
                                       "x={a: 1, a: 2}",
                                       "x={<<: 1}",
                                       "projections.00.eta=1"};
    char *before = ap_yamlin_text(e, t.root), *after;
    for (size_t i = 0; i < sizeof SETS / sizeof *SETS; i++) {
        e->n = 0;
        if (ap_yamlin_set(e, &t, SETS[i]) != AP_EUSAGE || e->n != 1)
            fail_msg("'%s' was accepted", SETS[i]);
    }
    char *deep = repeated("x=", "[", 40, "");
    assert_int_equal(ap_yamlin_set(e, &t, deep), AP_EUSAGE);
    free(deep);
    deep = repeated("", "k", 100, "=1");
    assert_int_equal(ap_yamlin_set(e, &t, deep), AP_EUSAGE);
    free(deep);
    deep = repeated("", "k", 1000, "=1");
    assert_int_equal(ap_yamlin_set(e, &t, deep), AP_EUSAGE);
    free(deep);
    after = ap_yamlin_text(e, t.root);
    assert_string_equal(before, after);
    ap_mem_free(before);
    ap_mem_free(after);
    ap_yamlin_free(&t);
}

/* ---- text and back ------------------------------------------------------------------------------------- */

static bool equal(const struct ap_node *a, const struct ap_node *b, bool in_map)
{
    if (a->kind != b->kind || a->n != b->n || (in_map && strcmp(a->key, b->key) != 0) ||
        strcmp(a->text, b->text) != 0)
        return false;
    for (int i = 0; i < a->n; i++)
        if (!equal(a->child[i], b->child[i], a->kind == AP_NODE_MAP))
            return false;
    return true;
}

static const char *random_text(void)
{
    static const char *const PIECE[] = {"a",
                                        "7",
                                        "-",
                                        "--",
                                        "-x",
                                        " ",
                                        "  ",
                                        ": ",
                                        ":",
                                        "#",
                                        " #",
                                        ",",
                                        ", ",
                                        "[",
                                        "]",
                                        "{",
                                        "}",
                                        "(",
                                        ")",
                                        "'",
                                        "\"",
                                        "\\",
                                        "\t",
                                        "\n",
                                        "&",
                                        "*",
                                        "!",
                                        "|",
                                        ">",
                                        "%",
                                        "@",
                                        "`",
                                        "?",
                                        "? ",
                                        "~",
                                        "---",
                                        "...",
                                        "=",
                                        "<<",
                                        "/",
                                        ".",
                                        "null",
                                        "\x1b",
                                        "\x7f",
                                        "\r",
                                        "\xc2\x85",
                                        "\xc2\x9b",
                                        "\xe2\x80\xa8",
                                        "\xe2\x80\xa9",
                                        "\xef\xbb\xbf",
                                        "\xc3\xb6",
                                        "\xe2\x86\x92",
                                        "\xf0\x9f\xa7\xa0",
                                        "f(1, 2)",
                                        "uniform(-1, 1)",
                                        "(a, b",
                                        "c, d)",
                                        "\x01",
                                        "\xef\xbf\xbd",
                                        "- ",
                                        "\xc2\xa0"};
    static char text[256];
    *text = 0;
    for (unsigned i = random_below(6); i > 0; i--)
        strcat(text, PIECE[random_below(sizeof PIECE / sizeof *PIECE)]);
    return text;
}

static struct ap_node *random_node(struct ap_err *e, struct ap_tree *t, int depth)
{
    struct ap_place place = {"r", 1, 1};
    unsigned kind = depth == 0 ? 2 : random_below(depth > 5 ? 1 : 3);
    if (kind == 0)
        return ap_yamlin_scalar(e, t, place, "%s", random_text());
    struct ap_node *n = kind == 1 ? ap_yamlin_list(e, t, place, random_below(2))
                                  : ap_yamlin_map(e, t, place, random_below(2));
    for (unsigned i = random_below(5); i > 0; i--) {
        struct ap_node *child = random_node(e, t, depth + 1);
        char key[AP_YAMLIN_KEY + 1] = "k";
        const char *more = random_text();
        if (strlen(more) < AP_YAMLIN_KEY - 1)
            strcpy(key + random_below(2), more);
        if (!*key || strcmp(key, "<<") == 0)
            strcpy(key, "k");
        assert_int_equal(ap_yamlin_put(e, t, n, kind == 1 ? NULL : key, child), AP_OK);
    }
    return n;
}

static void test_text_reads_back_as_the_same_tree(void **state)
{
    struct ap_err *e = *state;
    for (int k = 0; k < 2000; k++) {
        struct ap_tree t = {0}, again = {0};
        t.root = random_node(e, &t, 0);
        char *text = ap_yamlin_text(e, t.root);
        assert_non_null(text);
        if (ap_yamlin_parse(e, &again, "r", text, strlen(text)) != AP_OK)
            fail_msg("tree %d: %s\n%s", k, e->diag[0].text, text);
        if (!equal(t.root, again.root, false))
            fail_msg("tree %d differs: %s", k, text);
        char *second = ap_yamlin_text(e, again.root);
        struct ap_tree third = parsed(e, second);
        assert_true(equal(t.root, third.root, false));
        ap_mem_free(text);
        ap_mem_free(second);
        ap_yamlin_free(&t);
        ap_yamlin_free(&again);
        ap_yamlin_free(&third);
    }
}

static void test_text_is_plain_where_it_can_be(void **state)
{
    struct ap_err *e = *state;
    static const char TEXT[] = "version: 1\n"
                               "cells:\n"
                               "  - name: p\n"
                               "    tau: 100 ms\n"
                               "weights: {a: uniform(-1, 1), b: [f(1, 2), 3]}\n"
                               "rest: -0.5\n"
                               "quoted: \"a: b\"\n"
                               "none: []\n";
    struct ap_tree t = parsed(e, TEXT);
    char *text = ap_yamlin_text(e, t.root);
    struct ap_tree again = parsed(e, text);
    assert_true(equal(t.root, again.root, false));
    assert_non_null(strstr(text, "{a: uniform(-1, 1), b: [f(1, 2), 3]}"));
    assert_non_null(strstr(text, "tau: 100 ms\n"));
    assert_non_null(strstr(text, "rest: -0.5\n"));
    ap_mem_free(text);
    ap_yamlin_free(&t);
    ap_yamlin_free(&again);
}

static void test_building_and_dropping(void **state)
{
    struct ap_err *e = *state;
    struct ap_tree t = {0};
    struct ap_place place = {"b", 4, 2};
    struct ap_node *map = ap_yamlin_map(e, &t, place, false);
    for (int i = 0; i < 50; i++) {
        char key[8];
        sprintf(key, "k%d", i % 40);
        assert_int_equal(ap_yamlin_put(e, &t, map, key, ap_yamlin_scalar(e, &t, place, "%d", i)), AP_OK);
    }
    assert_int_equal(map->n, 40); /* equal keys are replaced, in place */
    assert_string_equal(at(map, "k3"), "43");
    assert_string_equal(map->child[3]->key, "k3");
    ap_yamlin_drop(map, "k0");
    ap_yamlin_drop(map, "k39");
    ap_yamlin_drop(map, "absent");
    assert_int_equal(map->n, 38);
    assert_null(ap_yamlin_child(map, "k0"));
    assert_int_equal(ap_yamlin_put(e, &t, map, "x", NULL), AP_EMEMORY);
    char *text = repeated("", "x", 5000, "");
    assert_string_equal(ap_yamlin_scalar(e, &t, place, "%s", text)->text, text); /* no limit */
    free(text);
    ap_yamlin_free(&t);
}

static void test_mutations_do_not_crash(void **state)
{
    struct ap_err *e = *state;
    static const char FILE_[] =
        "version: 1\nname: association\nseed: 7\n# a comment, (with, commas)\n"
        "cells:\n  p: {soma: {capacitance: 1, leak: 0.1 /ms}, basal: {couple: 1 /ms}}\n"
        "populations:\n  hidden1.pyr: {cell: p, size: 30, transfer: softplus(0.1, 1, 0)}\n"
        "projections:\n- name: forward1\n  from: input\n  to: hidden1.pyr/basal\n"
        "  weights: uniform(-1, 1)\n  rule: {post: 'dendritic-error(basal)', eta: 0.0005 /ms}\n"
        "schedule: [{name: before, duration: 100 ms}, \"x, (y\", [a, [b, f(1, 2)]]]\n"
        "title: |\n  two\n  lines\n";
    char text[sizeof FILE_ + 8];
    int accepted = 0;
    for (int k = 0; k < 1000; k++) {
        size_t size = sizeof FILE_ - 1;
        memcpy(text, FILE_, size);
        for (unsigned m = 1 + random_below(4); m > 0; m--) {
            size_t i = random_below((unsigned)size);
            static const char SHARP[] = "{}[](),:\"'\\#&*!|>-\n\t %@\0\xff\xc2\x85";
            unsigned how = random_below(4);
            if (how == 0)
                text[i] = (char)random_below(256);
            else if (how == 1)
                text[i] = SHARP[random_below(sizeof SHARP - 1)];
            else if (how == 2 && size < sizeof FILE_ + 4) {
                memmove(text + i + 1, text + i, size++ - i);
                text[i] = SHARP[random_below(sizeof SHARP - 1)];
            } else
                memmove(text + i, text + i + 1, --size - i);
        }
        char *exact = malloc(size); /* so that a byte too far is seen */
        memcpy(exact, text, size);
        struct ap_tree t = {0};
        e->n = 0;
        enum ap_code code = ap_yamlin_parse(e, &t, "m", exact, size);
        assert_true(code == AP_OK || (code == AP_EUSAGE && e->n == 1));
        if (code == AP_OK) {
            accepted++;
            char *out = ap_yamlin_text(e, t.root);
            struct ap_tree again = parsed(e, out);
            assert_true(equal(t.root, again.root, false));
            ap_mem_free(out);
            ap_yamlin_free(&again);
        }
        ap_yamlin_free(&t);
        free(exact);
    }
    assert_in_range(accepted, 100, 900);
}

static void test_no_memory(void **state)
{
    struct ap_err *e = *state;
    char *big = repeated("a: [", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx, ", 1000, "y]\nb: {c: 1}\n");
    for (long nth = 1;; nth++) {
        struct ap_tree t = {0};
        e->n = e->dropped = 0;
        ap_mem_fail_at(nth, true);
        enum ap_code code = ap_yamlin_parse(e, &t, "c.yaml", big, strlen(big));
        if (code == AP_OK)
            code = ap_yamlin_set(e, &t, "b.c=[1, 2]");
        char *text = code == AP_OK ? ap_yamlin_text(e, t.root) : NULL;
        ap_mem_fail_at(0, false);
        ap_mem_free(text);
        ap_yamlin_free(&t);
        if (text) {
            assert_in_range(nth, 5, 1000);
            break;
        }
        assert_true(code == AP_EMEMORY || code == AP_OK);
        assert_true(e->n >= 1 && e->diag[0].code == AP_EMEMORY);
    }
    free(big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_file_is_a_tree_with_places, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_not_in_the_subset, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hostile_files_are_quick, setup, teardown),
        cmocka_unit_test_setup_teardown(test_commas_of_calls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_set_finds_its_way, setup, teardown),
        cmocka_unit_test_setup_teardown(test_set_refuses_what_it_cannot_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_text_reads_back_as_the_same_tree, setup, teardown),
        cmocka_unit_test_setup_teardown(test_text_is_plain_where_it_can_be, setup, teardown),
        cmocka_unit_test_setup_teardown(test_building_and_dropping, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mutations_do_not_crash, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
