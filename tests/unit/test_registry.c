/* Tables of descriptors: complete rows, defaults that can be read, and a use of every row. */
#include <dirent.h>
#include <sys/stat.h>

#include "harness.h"

#include "io.h"
#include "probe.h"
#include "rule.h"
#include "signal.h"
#include "weights.h"

static const struct ap_table *table(int i)
{
    int n;
    const struct ap_table *const *tables = ap_registry_tables(&n);
    return i < n ? tables[i] : NULL;
}

static void check_keys(const char *where, const struct ap_key *keys, int n)
{
    for (int i = 0; i < n; i++) {
        const struct ap_key *k = &keys[i];
        if (!k->name || !*k->name || !k->doc || !*k->doc)
            fail_msg("%s: key %d has no name or doc", where, i);
        if (k->kind == AP_KEY_CHOICE && (!k->choices || !k->choices[0]))
            fail_msg("%s: key %s has no choices", where, k->name);
        if ((k->min != 0 || k->max != 0) && !(k->min <= k->max))
            fail_msg("%s: key %s has an empty range", where, k->name);
        for (int j = 0; j < i; j++)
            if (strcmp(keys[j].name, k->name) == 0)
                fail_msg("%s: key %s twice", where, k->name);
    }
}

static void test_rows_are_complete(void **unused)
{
    (void)unused;
    int n;
    ap_registry_tables(&n);
    assert_int_equal(n, 11);
    for (int t = 0; t < n; t++) {
        const struct ap_table *x = table(t);
        assert_true(*x->thing && *x->doc && x->n > 0 && x->rows);
        for (int k = 0; k < t; k++)
            assert_string_not_equal(table(k)->thing, x->thing);
        check_keys(x->thing, x->shared, x->n_shared);
        for (int i = 0; i < x->n; i++) {
            const struct ap_row *r = ap_registry_row(x, i);
            assert_non_null(r->name);
            assert_true(*r->name);
            if (!r->doc || !*r->doc || !r->unit || !r->source)
                fail_msg("%s %s: no doc, unit or source", x->thing, r->name);
            assert_true((r->keys != NULL) == (r->n_keys > 0));
            check_keys(r->name, r->keys, r->n_keys);
            for (int k = 0; k < x->n_shared; k++)
                for (int j = 0; j < r->n_keys; j++)
                    assert_string_not_equal(x->shared[k].name, r->keys[j].name);
            assert_ptr_equal(ap_registry_find(x, r->name), r); /* names are unique */
        }
        assert_null(ap_registry_find(x, "no such row"));
    }
}

#define ROW(type, table, i) ((const struct type *)ap_registry_row(&table, i))

static void test_functions_are_there(void **unused)
{
    (void)unused;
    for (int i = 0; i < ap_transfer_table.n; i++) {
        const struct ap_transfer_row *r = ROW(ap_transfer_row, ap_transfer_table, i);
        assert_true(r->rate && r->slope && r->curvature && r->inverse && r->n_params <= AP_TRANSFER_PARAMS);
        for (int k = 0; k < r->n_params; k++)
            assert_true(*r->param[k] && *r->param_doc[k] && r->min[k] <= r->fallback[k] &&
                        r->fallback[k] <= r->max[k]);
    }
    for (int i = 0; i < ap_signal_table.n; i++)
        assert_true(ROW(ap_signal_row, ap_signal_table, i)->value &&
                    ROW(ap_signal_row, ap_signal_table, i)->change);
    for (int i = 0; i < ap_stimulus_table.n; i++)
        assert_true(ROW(ap_stimulus_row, ap_stimulus_table, i)->open &&
                    ROW(ap_stimulus_row, ap_stimulus_table, i)->pattern);
    for (int i = 0; i < ap_integrator_table.n; i++) {
        const struct ap_integrator_row *r = ROW(ap_integrator_row, ap_integrator_table, i);
        assert_true(r->create && r->destroy && r->begin && r->step && r->at);
    }
    for (int i = 0; i < ap_probe_table.n; i++) {
        const struct ap_probe_row *r = ROW(ap_probe_row, ap_probe_table, i);
        assert_true(r->value && r->needs && r->columns >= 1 && r->columns <= AP_PROBE_COLUMNS);
        for (int k = 0; k < r->columns; k++)
            assert_non_null(r->column[k]);
    }
    for (int i = 0; i < ap_figure_table.n; i++)
        assert_non_null(ROW(ap_figure_row, ap_figure_table, i)->draw);
    /* A named rule names two signals; their compartments are those of the built-in cells. */
    for (int i = 0; i < ap_rule_table.n; i++) {
        const struct ap_rule_row *r = ROW(ap_rule_row, ap_rule_table, i);
        assert_true((r->post != NULL) == (r->pre != NULL));
        for (int k = 0; r->post && k < 2; k++) {
            struct ap_call call;
            assert_int_equal(ap_unit_call(NULL, NULL, "", k ? r->pre : r->post, &call), AP_OK);
            const struct ap_signal_row *s = (const void *)ap_registry_find(&ap_signal_table, call.name);
            assert_non_null(s);
            assert_int_equal(call.n_args, s->needs_comp ? 1 : 0);
        }
    }
    for (int i = 0; i < ap_init_table.n; i++) {
        const struct ap_init_row *r = ROW(ap_init_row, ap_init_table, i);
        assert_true(r->n_numbers > 0 || r->takes_projection || r->takes_file);
        assert_true(r->n_numbers <= 4 && !(r->takes_projection && r->takes_file));
    }
}

/* Every default is read, alone, by the code that reads circuit files; it prints to what it was, read twice. */
static void read_default(const char *where, const struct ap_key *k)
{
    if (!k->fallback || !*k->fallback)
        return;
    static double out[1024];
    assert_true(k->offset + sizeof(struct ap_quantity) <= sizeof out);
    struct ap_err *e = ap_err_create();
    struct ap_tree t = {0};
    struct ap_place at = {"defaults", 1, 1};
    t.root = ap_yamlin_map(e, &t, at, false);
    for (int pass = 0; pass < 2; pass++) { /* the second reads the canonical text that the first wrote */
        memset(out, 0, sizeof out);
        if (ap_schema_read(e, &t, t.root, where, &(struct ap_keyset){k, 1, out}, 1) != AP_OK)
            fail_msg("%s: default of %s: %s", where, k->name, ap_err_message(e, 0));
    }
    ap_yamlin_free(&t);
    ap_err_free(e);
}

static void test_defaults_can_be_read(void **unused)
{
    (void)unused;
    for (int t = 0; table(t); t++) {
        for (int k = 0; k < table(t)->n_shared; k++)
            read_default(table(t)->thing, &table(t)->shared[k]);
        for (int i = 0; i < table(t)->n; i++)
            for (int k = 0; k < ap_registry_row(table(t), i)->n_keys; k++)
                read_default(ap_registry_row(table(t), i)->name, &ap_registry_row(table(t), i)->keys[k]);
    }
}

static void test_the_manual_knows_every_row(void **unused)
{
    (void)unused;
    struct ap_err *e = ap_err_create();
    for (int t = 0; table(t); t++)
        for (int i = 0; i < table(t)->n; i++) {
            const struct ap_row *r = ap_registry_row(table(t), i);
            char thing[128];
            snprintf(thing, sizeof thing, "%s/%s", table(t)->thing, r->name);
            char *text = ap_info(thing, e);
            if (!text)
                fail_msg("no manual of %s", thing);
            assert_non_null(strstr(text, r->name));
            for (int k = 0; k < r->n_keys; k++)
                assert_non_null(strstr(text, r->keys[k].name));
            ap_free(text);
        }
    assert_null(ap_info("rule/nothing", e));
    assert_int_equal(ap_err_code(e), AP_EUSAGE);
    ap_err_free(e);
}

/* ---- every row is used ------------------------------------------------------------------------------- */

enum { TEXT = 4 << 20 };
static char *text;
static size_t used;

static void collect(const char *folder, int depth)
{
    DIR *d = opendir(folder);
    struct dirent *entry;
    while (d && (entry = readdir(d))) {
        char path[512];
        struct stat st;
        if (entry->d_name[0] == '.' || strcmp(entry->d_name, "test_registry.c") == 0 ||
            strcmp(entry->d_name, "corpus") == 0 || /* of the fuzzers: no use, and not text */
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path ||
            stat(path, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode) && depth < 4)
            collect(path, depth + 1);
        if (depth == 0 && strcmp(folder, "circuits") == 0) { /* what the shorthand stands for is used too */
            struct ap_spec *s = ap_spec_read(path, NULL, 0, NULL);
            if (s)
                used += (size_t)snprintf(text + used, TEXT - used, "%s\n", ap_spec_text(s));
            ap_spec_free(s);
        }
        FILE *f = S_ISREG(st.st_mode) && used + (size_t)st.st_size < TEXT ? fopen(path, "r") : NULL;
        if (f) {
            used += fread(text + used, 1, (size_t)st.st_size, f);
            fclose(f);
        }
    }
    if (d)
        closedir(d);
}

static bool word(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* As a value is written in a circuit, an override or a C string: after ": ", "=", "- ", a quote or a bracket. */
static bool is_used(const char *name)
{
    size_t n = strlen(name);
    for (const char *at = text; (at = strstr(at, name)); at++) {
        if (at - text < 2 || word(at[n]) || word(at[-1]))
            continue;
        char before = at[-1], two = at[-2];
        if (before == '=' || before == '"' || before == '[' || (before == ' ' && (two == ':' || two == '-')))
            return true;
    }
    return false;
}

static void test_every_row_is_used(void **unused)
{
    (void)unused;
    text = calloc(1, TEXT + 1);
    collect("circuits", 0);
    collect("tests", 0);
    assert_true(used > 100000 && used < TEXT - 100000);
    int missing = 0;
    for (int t = 0; table(t); t++)
        for (int i = 0; i < table(t)->n; i++)
            if (!is_used(ap_registry_row(table(t), i)->name)) {
                print_error("%s %s: no circuit or test uses it\n", table(t)->thing,
                            ap_registry_row(table(t), i)->name);
                missing++;
            }
    assert_false(is_used("no-such-row"));
    free(text);
    assert_int_equal(missing, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_complete),    cmocka_unit_test(test_functions_are_there),
        cmocka_unit_test(test_defaults_can_be_read), cmocka_unit_test(test_the_manual_knows_every_row),
        cmocka_unit_test(test_every_row_is_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
