/* schema.c: maps of the circuit file into structs, by tables of keys.
 *
 * In:   a map node and the tables of what it may hold.
 * Out:  a filled struct; the tree with defaults written in and numbers in canonical form.
 * Invariants:
 *   1. Every error of a map is reported, not only the first.
 *   2. After a successful read the map holds every key that has a default, in internal units: printing the tree
 *      gives the canonical circuit, and reading that gives the same structs.
 *   3. A key that no table knows is an error with the nearest known name.
 * Never: knows what a key means.
 * Test: tests/unit/test_schema.c */
#include "schema.h"

#include <math.h>
#include <string.h>

const char *ap_schema_suggest(const char *word, const char *const *names, int n, char out[AP_ERR_HINT])
{
    const char *near = ap_err_nearest(word, names, (size_t)n);
    if (near) {
        snprintf(out, AP_ERR_HINT, "did you mean '%s'?", near);
        return out;
    }
    size_t used = (size_t)snprintf(out, AP_ERR_HINT, "%s", n ? "one of: " : "there is none");
    for (int i = 0; i < n && used < AP_ERR_HINT - 1; i++)
        used += (size_t)snprintf(out + used, AP_ERR_HINT - used, "%s%s", i ? ", " : "", names[i]);
    return out;
}

static const char *kind_name(enum ap_node_kind kind)
{
    return kind == AP_NODE_SCALAR ? "a single value" : kind == AP_NODE_LIST ? "a list" : "a map of keys";
}

enum ap_code ap_schema_expect(struct ap_err *e, const struct ap_node *n, const char *what,
                              enum ap_node_kind kind)
{
    if (n->kind == kind)
        return AP_OK;
    static const char *const HINT[] = {"write one value", "for example [a, b], or lines that begin with '- '",
                                       "for example {key: value}"};
    bool nothing = n->kind == AP_NODE_SCALAR && !*n->text;
    return ap_err_add(e, AP_EUSAGE, &n->at, HINT[kind], "%s: found %s, expected %s", what,
                      nothing ? "nothing" : kind_name(n->kind), kind_name(kind));
}

enum ap_code ap_schema_name(struct ap_err *e, const struct ap_place *at, const char *what, const char *name)
{
    static const char LETTERS[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"; /* in any locale */
    bool good = strspn(name, LETTERS) == strlen(name) && strlen(name) <= 48 && *name &&
                strspn(name, LETTERS + 52) == 0;
    if (good)
        return AP_OK;
    return ap_err_add(e, AP_EUSAGE, at, "a letter, then letters, digits, '_', '-' or '.', 48 at most",
                      "%s: '%s' is not a name", what, name);
}

static enum ap_code check_range(struct ap_err *e, const struct ap_place *at, const char *what,
                                const struct ap_key *k, double value)
{
    if ((k->min == 0 && k->max == 0) || (value >= k->min && value <= k->max))
        return AP_OK;
    char found[32], low[32], high[32];
    ap_unit_shortest(value, found);
    ap_unit_shortest(k->min, low);
    ap_unit_shortest(k->max, high);
    const char *unit = ap_unit_name(k->dim, false), *space = *unit ? " " : "";
    if (k->min == AP_POSITIVE && isinf(k->max))
        return ap_err_add(e, AP_EUSAGE, at, NULL, "%s: found %s, expected a value greater than 0", what,
                          found);
    if (k->min == AP_POSITIVE)
        return ap_err_add(e, AP_EUSAGE, at, NULL,
                          "%s: found %s, expected a value greater than 0 and at most %s%s%s", what, found,
                          high, space, unit);
    if (isinf(k->max))
        return ap_err_add(e, AP_EUSAGE, at, NULL, "%s: found %s, expected at least %s%s%s", what, found, low,
                          space, unit);
    return ap_err_add(e, AP_EUSAGE, at, NULL, "%s: found %s, expected a value from %s to %s%s%s", what, found,
                      low, high, space, unit);
}

/* Writes a number back as its canonical text, "100 ms" for "0.1 s". */
static enum ap_code canonical_number(struct ap_err *e, struct ap_tree *t, struct ap_node *n,
                                     struct ap_quantity q, enum ap_dim dim)
{
    char digits[32], text[64];
    const char *unit = ap_unit_name(dim, q.physical);
    int length =
        snprintf(text, sizeof text, "%s%s%s", ap_unit_shortest(q.value, digits), *unit ? " " : "", unit);
    n->text = ap_mem_arena_text(e, &t->arena, text, (size_t)length);
    return n->text ? AP_OK : AP_EMEMORY;
}

static enum ap_code read_number(struct ap_err *e, struct ap_tree *t, struct ap_node *n, const char *what,
                                const struct ap_key *k, struct ap_quantity *q)
{
    AP_TRY(ap_schema_expect(e, n, what, AP_NODE_SCALAR));
    AP_TRY(ap_unit_read(e, &n->at, what, n->text, k->dim, q));
    AP_TRY(check_range(e, &n->at, what, k, q->value));
    return canonical_number(e, t, n, *q, k->dim);
}

static enum ap_code read_choice(struct ap_err *e, struct ap_node *n, const char *what, const struct ap_key *k,
                                int *out)
{
    AP_TRY(ap_schema_expect(e, n, what, AP_NODE_SCALAR));
    int count = 0;
    for (; k->choices[count]; count++)
        if (strcmp(n->text, k->choices[count]) == 0) {
            *out = count;
            return AP_OK;
        }
    char hint[AP_ERR_HINT];
    return ap_err_add(e, AP_EUSAGE, &n->at, ap_schema_suggest(n->text, k->choices, count, hint),
                      "%s: '%s' is unknown", what, n->text);
}

static enum ap_code read_key(struct ap_err *e, struct ap_tree *t, struct ap_node *n, const char *what,
                             const struct ap_key *k, void *out)
{
    static const char *const SWITCH[] = {"off", "on", NULL};
    struct ap_key as_switch = *k;
    struct ap_quantity q;
    switch (k->kind) {
    case AP_KEY_NUMBER:
        AP_TRY(read_number(e, t, n, what, k, &q));
        *(double *)out = q.value;
        return AP_OK;
    case AP_KEY_QUANTITY:
        AP_TRY(read_number(e, t, n, what, k, &q));
        *(struct ap_quantity *)out = q;
        return AP_OK;
    case AP_KEY_PAIR:
        AP_TRY(ap_schema_expect(e, n, what, AP_NODE_LIST));
        if (n->n != 2)
            return ap_err_add(e, AP_EUSAGE, &n->at, "for example [0, 1]",
                              "%s: found %d values, expected [low, high]", what, n->n);
        for (int i = 0; i < 2; i++) {
            AP_TRY(read_number(e, t, n->child[i], what, k, &q));
            ((double *)out)[i] = q.value;
        }
        if (((double *)out)[0] > ((double *)out)[1])
            return ap_err_add(e, AP_EUSAGE, &n->at, "write the smaller value first",
                              "%s: low is greater than high", what);
        return AP_OK;
    case AP_KEY_INTEGER: {
        AP_TRY(ap_schema_expect(e, n, what, AP_NODE_SCALAR));
        bool any = k->min == 0 && k->max == 0;
        bool lowest = any || k->min <= -9.2e18; /* AP_POSITIVE rounds up to 1 */
        return ap_unit_integer(e, &n->at, what, n->text, lowest ? INT64_MIN : (int64_t)ceil(k->min),
                               any || k->max >= 9.2e18 ? INT64_MAX : (int64_t)k->max, out);
    }
    case AP_KEY_SWITCH: {
        int on = 0;
        as_switch.choices = SWITCH;
        AP_TRY(read_choice(e, n, what, &as_switch, &on));
        *(bool *)out = on == 1;
        return AP_OK;
    }
    case AP_KEY_CHOICE:
        return read_choice(e, n, what, k, out);
    case AP_KEY_NAME:
        AP_TRY(ap_schema_expect(e, n, what, AP_NODE_SCALAR));
        AP_TRY(ap_schema_name(e, &n->at, what, n->text));
        *(const char **)out = n->text;
        return AP_OK;
    case AP_KEY_TEXT:
        AP_TRY(ap_schema_expect(e, n, what, AP_NODE_SCALAR));
        *(const char **)out = n->text;
        return AP_OK;
    case AP_KEY_NODE:
        *(struct ap_node **)out = n;
        return AP_OK;
    }
    return AP_EINTERNAL;
}

/* A default, parsed into the map as if it had been written there. */
static struct ap_node *write_default(struct ap_err *e, struct ap_tree *t, struct ap_node *map,
                                     const struct ap_key *k)
{
    struct ap_node *n;
    if (k->kind == AP_KEY_PAIR) {
        char low[32] = "", high[32] = "";
        if (sscanf(k->fallback, "[%31[^,], %31[^]]]", low, high) != 2)
            return NULL;
        n = ap_yamlin_list(e, t, map->at, true);
        if (!n || ap_yamlin_put(e, t, n, NULL, ap_yamlin_scalar(e, t, map->at, "%s", low)) != AP_OK ||
            ap_yamlin_put(e, t, n, NULL, ap_yamlin_scalar(e, t, map->at, "%s", high)) != AP_OK)
            return NULL;
    } else
        n = ap_yamlin_scalar(e, t, map->at, "%s", k->fallback);
    return ap_yamlin_put(e, t, map, k->name, n) == AP_OK ? n : NULL;
}

static const struct ap_key *find_key(const struct ap_keyset *sets, int n_sets, const char *name)
{
    for (int s = 0; s < n_sets; s++)
        for (int i = 0; i < sets[s].n; i++)
            if (strcmp(sets[s].keys[i].name, name) == 0)
                return &sets[s].keys[i];
    return NULL;
}

bool ap_schema_misspelt(const struct ap_node *map, const char *key, const char *const *known, int n)
{
    for (int c = 0; map && c < map->n; c++) {
        bool is_known = false;
        for (int i = 0; i < n; i++)
            is_known = is_known || strcmp(known[i], map->child[c]->key) == 0;
        const char *near = is_known ? NULL : ap_err_nearest(map->child[c]->key, known, (size_t)n);
        if (near && strcmp(near, key) == 0)
            return true;
    }
    return false;
}

static int key_names(const struct ap_keyset *sets, int n_sets, const char *names[64])
{
    int n = 0;
    for (int s = 0; s < n_sets; s++)
        for (int i = 0; i < sets[s].n && n < 64; i++)
            names[n++] = sets[s].keys[i].name;
    return n;
}

static bool misspelt(const struct ap_keyset *sets, int n_sets, const struct ap_node *map, const char *key)
{
    const char *names[64];
    int n = key_names(sets, n_sets, names);
    return ap_schema_misspelt(map, key, names, n);
}

enum ap_code ap_schema_read(struct ap_err *e, struct ap_tree *t, struct ap_node *map, const char *what,
                            const struct ap_keyset *sets, int n_sets)
{
    AP_TRY(ap_schema_expect(e, map, what, AP_NODE_MAP));
    enum ap_code code = AP_OK;
    for (int c = 0; c < map->n; c++) {
        if (find_key(sets, n_sets, map->child[c]->key))
            continue;
        const char *names[64];
        int n = key_names(sets, n_sets, names);
        char hint[AP_ERR_HINT];
        code = ap_err_add(e, AP_EUSAGE, &map->child[c]->key_at,
                          ap_schema_suggest(map->child[c]->key, names, n, hint), "%s: unknown key '%s'", what,
                          map->child[c]->key);
    }
    for (int s = 0; s < n_sets; s++)
        for (int i = 0; i < sets[s].n; i++) {
            const struct ap_key *k = &sets[s].keys[i];
            struct ap_node *n = ap_yamlin_child(map, k->name);
            if (!n && !k->fallback && misspelt(sets, n_sets, map, k->name)) {
                code = AP_EUSAGE; /* reported above */
                continue;
            }
            if (!n && !k->fallback) {
                char hint[AP_ERR_HINT];
                snprintf(hint, sizeof hint, "%s: %s", k->name, k->doc);
                code = ap_err_add(e, AP_EUSAGE, &map->at, hint, "%s: the key '%s' is missing", what, k->name);
                continue;
            }
            if (!n && !*k->fallback)
                continue;
            if (!n && !(n = write_default(e, t, map, k)))
                return AP_EMEMORY;
            char where[AP_ERR_PATH];
            snprintf(where, sizeof where, "%s, %s", what, k->name);
            int first = e ? e->n : 0;
            enum ap_code one = read_key(e, t, n, where, k, (char *)sets[s].out + k->offset);
            if (one != AP_OK)
                code = one;
            for (int d = first; e && d < e->n; d++)
                if (!*e->diag[d].hint)
                    snprintf(e->diag[d].hint, sizeof e->diag[d].hint, "%s: %s", k->name, k->doc);
        }
    return code;
}
