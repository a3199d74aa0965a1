/* info.c: the manual, printed from the tables of descriptors.
 *
 * In:   the registry.
 * Out:  text.
 * Invariants:
 *   1. Every line comes from a row that parser and engine use: the manual cannot drift from the program.
 * Never: prints.
 * Test: tests/cli/test_commands.sh, tests/unit/test_registry.c */
#include "manifest.h"
#include "text.h"
#include "registry.h"
#include "rule.h"
#include "transfer.h"

#include <math.h>
#include <string.h>

static const char *kind_text(const struct ap_key *k, char out[256])
{
    switch (k->kind) {
    case AP_KEY_SWITCH:
        return "on or off";
    case AP_KEY_INTEGER:
        return "a whole number";
    case AP_KEY_PAIR:
        return "[low, high]";
    case AP_KEY_TEXT:
        return "text";
    case AP_KEY_NAME:
        return "a name";
    case AP_KEY_NODE:
        return k->dim == AP_DIM_NONE ? "" : ap_unit_accepted(k->dim);
    case AP_KEY_CHOICE: {
        size_t used = 0;
        for (int i = 0; k->choices[i]; i++)
            used += (size_t)snprintf(out + used, 256 - used, "%s%s", i ? " or " : "", k->choices[i]);
        return out;
    }
    default:
        return ap_unit_accepted(k->dim);
    }
}

static void add_keys(struct ap_text *x, const struct ap_key *keys, int n)
{
    for (int i = 0; i < n; i++) {
        const struct ap_key *k = &keys[i];
        char kind[256], low[32], high[32];
        ap_text_add(x, "      %-16s %s\n", k->name, k->doc);
        const char *what = kind_text(k, kind);
        ap_text_add(x, "      %-16s %s%s%s%s", "", what, *what ? "; " : "",
                    !k->fallback    ? "required"
                    : !*k->fallback ? "optional"
                                    : "default ",
                    k->fallback ? k->fallback : "");
        if (k->min != 0 || k->max != 0) {
            const char *unit = ap_unit_name(k->dim, false);
            if (k->min == AP_POSITIVE)
                ap_text_add(x, "; greater than 0");
            else if (!isinf(k->min))
                ap_text_add(x, "; from %s", ap_unit_shortest(k->min, low));
            if (!isinf(k->max))
                ap_text_add(x, "%s %s", k->min == AP_POSITIVE ? ", up to" : " to",
                            ap_unit_shortest(k->max, high));
            if (*unit)
                ap_text_add(x, " %s", unit);
        }
        ap_text_add(x, "\n");
    }
}

static void add_row(struct ap_text *x, const struct ap_table *t, const struct ap_row *r, bool keys)
{
    ap_text_add(x, "  %-18s %s\n", r->name, r->doc);
    if (*r->unit && strcmp(r->unit, "1") != 0)
        ap_text_add(x, "  %-18s unit: %s\n", "", r->unit);
    if (*r->source)
        ap_text_add(x, "  %-18s source: %s\n", "", r->source);
    if (t == &ap_rule_table) {
        const struct ap_rule_row *f = (const struct ap_rule_row *)r;
        if (f->post)
            ap_text_add(x, "  %-18s post: %s, pre: %s\n", "", f->post, f->pre);
    }
    if (t == &ap_transfer_table) {
        const struct ap_transfer_row *f = (const struct ap_transfer_row *)r;
        for (int i = 0; i < f->n_params; i++)
            ap_text_add(x, "  %-18s %s: %s; default %g\n", "", f->param[i], f->param_doc[i], f->fallback[i]);
    }
    if (keys)
        add_keys(x, r->keys, r->n_keys);
}

static void add_table(struct ap_text *x, const struct ap_table *t, const char *row)
{
    if (!row)
        ap_text_add(x, "%s: %s\n\n", t->thing, t->doc);
    for (int i = 0; i < t->n; i++) {
        const struct ap_row *r = ap_registry_row(t, i);
        if (!row || strcmp(row, r->name) == 0)
            add_row(x, t, r, true);
    }
    if (t->n_shared && (!row || t->n_shared)) {
        ap_text_add(x, "\n  keys of every %s:\n", t->thing);
        add_keys(x, t->shared, t->n_shared);
    }
}

/* The parts of a circuit file; one of them, or all when name is NULL. */
static bool add_sections(struct ap_text *x, const char *name)
{
    int n;
    bool any = false;
    const struct ap_sections *const *lists = ap_registry_sections(&n);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < lists[i]->n; k++) {
            const struct ap_row *r = &lists[i]->rows[k];
            if (name && strcmp(name, r->name) != 0)
                continue;
            any = true;
            ap_text_add(x, "%s  %-18s %s\n", x->used ? "\n" : "", r->name, r->doc);
            add_keys(x, r->keys, r->n_keys);
        }
    return any;
}

static bool is_section(const char *thing)
{
    return strcmp(thing, "section") == 0 || strcmp(thing, "sections") == 0;
}

char *ap_info(const char *thing, struct ap_err *e)
{
    struct ap_text x = {.e = e};
    int n;
    const struct ap_table *const *tables = ap_registry_tables(&n);
    char name[64] = "";
    const char *slash = thing ? strchr(thing, '/') : NULL;
    if (thing)
        snprintf(name, sizeof name, "%.*s", slash ? (int)(slash - thing) : (int)strlen(thing), thing);
    if (!thing) {
        ap_text_add(
            &x, "What a circuit file can name; `apical info THING` lists one, `apical info THING/NAME` one "
                "row:\n\n");
        for (int i = 0; i < n; i++)
            ap_text_add(&x, "  %-12s %2d  %s\n", tables[i]->thing, tables[i]->n, tables[i]->doc);
        int lists, sections = 0;
        const struct ap_sections *const *parts = ap_registry_sections(&lists);
        for (int i = 0; i < lists; i++)
            sections += parts[i]->n;
        ap_text_add(&x, "  %-12s %2d  %s\n", "section", sections,
                    "the parts of a circuit file and their keys");
        return ap_text_take(&x);
    }
    if (is_section(name)) {
        if (add_sections(&x, slash ? slash + 1 : NULL))
            return ap_text_take(&x);
        ap_err_add(e, AP_EUSAGE, NULL, "`apical info section` lists them", "info: there is no section '%s'",
                   slash ? slash + 1 : "");
        return NULL;
    }
    const char *names[32];
    for (int i = 0; i < n; i++) {
        size_t length = strlen(tables[i]->thing); /* the plural is understood too */
        names[i] = tables[i]->thing;
        bool plural = strncmp(name, names[i], length) == 0 && strcmp(name + length, "s") == 0;
        if (strcmp(name, names[i]) != 0 && !plural &&
            !(tables[i] == &ap_stimulus_table && strcmp(name, "stimuli") == 0))
            continue;
        if (slash && !ap_registry_need(e, tables[i], NULL, "info", slash + 1))
            return NULL;
        add_table(&x, tables[i], slash ? slash + 1 : NULL);
        return ap_text_take(&x);
    }
    char hint[AP_ERR_HINT];
    ap_err_add(e, AP_EUSAGE, NULL, ap_schema_suggest(name, names, n, hint), "info: there is no thing '%s'",
               name);
    return NULL;
}

void ap_free(char *text)
{
    ap_mem_free(text);
}

const char *ap_version(void)
{
    return AP_VERSION;
}

char *ap_version_details(struct ap_err *e)
{
    char *out = ap_mem_array(e, 2048, 1, "text");
    if (out)
        ap_manifest_versions(out, 2048);
    return out;
}
