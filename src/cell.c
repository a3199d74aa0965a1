/* cell.c: cells as trees of compartments: the `cells:` of a circuit file and the built-in ones.
 *
 * In:   the tree of the circuit file.
 * Out:  spec->cell[]; built-in cells that a population uses are written into the tree, so that the canonical
 *       circuit holds every number.
 * Invariants:
 *   1. compartment 0 is the soma; it is dynamic or clamped.
 *   2. The couplings and sums of a cell form one tree: every compartment reaches the soma, none by two ways.
 *   3. `order` lists each compartment after those that it adds.
 * Never: allocates outside the spec's arena.
 * Test: tests/unit/test_spec.c */
#include "spec.h"

#include <math.h>
#include <string.h>

/* The cells of Sacramento et al. 2018 (eqs. 1-5), with its conductances. */
static const struct cell_row {
    struct ap_row row;
    const char *yaml;
} CELLS[] = {
    {{"pyramidal", "soma with basal and apical dendrite, both instantaneous sums", "potential",
      "Sacramento et al. 2018, eqs. 1, 3, 4", NULL, 0},
     "soma: {leak: 0.1 /ms, couple: {basal: 1 /ms, apical: 0.8 /ms}}\nbasal: instantaneous\napical: "
     "instantaneous\n"},
    {{"pyramidal-split",
      "pyramidal cell whose apical sum keeps its top-down part apart, for plastic feedback", "potential",
      "Sacramento et al. 2018, eq. 10", NULL, 0},
     "soma: {leak: 0.1 /ms, couple: {basal: 1 /ms, apical: 0.8 /ms}}\nbasal: instantaneous\n"
     "topdown: instantaneous\napical: {adds: [topdown]}\n"},
    {{"interneuron", "soma with one dendrite", "potential", "Sacramento et al. 2018, eqs. 2, 5", NULL, 0},
     "soma: {leak: 0.1 /ms, couple: {dendrite: 1 /ms}}\ndendrite: instantaneous\n"},
    {{"output", "pyramidal cell of the top layer: no apical dendrite", "potential",
      "Sacramento et al. 2018, eq. 1 (g_A = 0)", NULL, 0},
     "soma: {leak: 0.1 /ms, couple: {basal: 1 /ms}}\nbasal: instantaneous\n"},
    {{"clamped", "potential given by a stimulus: input and target populations", "potential", "", NULL, 0},
     "soma: clamped\n"},
};

#define OF(field) offsetof(struct ap_comp_spec, field)
static const struct ap_key DYNAMIC_KEYS[] = {
    {"capacitance", AP_KEY_QUANTITY, AP_DIM_CAPACITANCE, OF(capacitance), "1", AP_POSITIVE, INFINITY, NULL,
     "membrane capacitance C"},
    {"leak", AP_KEY_QUANTITY, AP_DIM_CONDUCTANCE, OF(leak), AP_REQUIRED, 0, INFINITY, NULL,
     "leak conductance"},
    {"rest", AP_KEY_QUANTITY, AP_DIM_POTENTIAL, OF(rest), AP_ABSENT, 0, 0, NULL,
     "reversal potential of the leak"},
    {"drive", AP_KEY_QUANTITY, AP_DIM_CONDUCTANCE, OF(drive), AP_ABSENT, 0, INFINITY, NULL,
     "turns the weighted sum of inputs, a potential, into a current; 1 when absent"},
    {"couple", AP_KEY_NODE, AP_DIM_CONDUCTANCE, 0, AP_ABSENT, 0, 0, NULL,
     "conductances {compartment: g} through which other compartments pull on this one"},
};
enum {
    N_DYNAMIC = sizeof DYNAMIC_KEYS / sizeof *DYNAMIC_KEYS
}; /* the last one, couple, is a node of its own */
static const struct ap_key SUM_KEYS[] = {
    {"adds", AP_KEY_NODE, AP_DIM_NONE, 0, AP_REQUIRED, 0, 0, NULL,
     "instantaneous compartments whose potential is added to the input"},
};

const struct ap_table ap_cell_table = {
    .thing = "cell",
    .doc = "built-in cells; `cells:` in a circuit file defines others, as any tree of compartments",
    AP_TABLE(CELLS),
    AP_SHARED(DYNAMIC_KEYS),
};

static int find_comp(const struct ap_cell_spec *cell, const char *name)
{
    for (int i = 0; i < cell->n_comp; i++)
        if (strcmp(cell->comp[i].name, name) == 0)
            return i;
    return -1;
}

static enum ap_code unknown_comp(struct ap_err *e, const struct ap_place *at, const struct ap_cell_spec *cell,
                                 const char *name)
{
    const char *names[32];
    int n = 0;
    for (; n < cell->n_comp && n < 32; n++)
        names[n] = cell->comp[n].name;
    char hint[AP_ERR_HINT];
    return ap_err_add(e, AP_EUSAGE, at, ap_schema_suggest(name, names, n, hint),
                      "cell %s has no compartment '%s'", cell->name, name);
}

static enum ap_code read_couple(struct ap_err *e, struct ap_spec *s, struct ap_cell_spec *cell,
                                struct ap_comp_spec *c, struct ap_node *map, const char *what)
{
    AP_TRY(ap_schema_expect(e, map, what, AP_NODE_MAP));
    c->couple = ap_mem_arena_take(e, &s->tree.arena, (size_t)map->n + 1, sizeof *c->couple);
    if (!c->couple)
        return AP_EMEMORY;
    enum ap_code code = AP_OK;
    for (int i = 0; i < map->n; i++) {
        struct ap_node *n = map->child[i];
        const struct ap_key key = {
            n->key, AP_KEY_QUANTITY,       AP_DIM_CONDUCTANCE, 0, AP_REQUIRED, AP_POSITIVE, INFINITY,
            NULL,   "coupling conductance"};
        struct ap_quantity g = {0};
        int from = find_comp(cell, n->key);
        if (from < 0)
            code = unknown_comp(e, &n->key_at, cell, n->key);
        else if (&cell->comp[from] == c)
            code = ap_err_add(e, AP_EUSAGE, &n->key_at, "name the other compartment",
                              "%s: a compartment cannot couple to itself", what);
        struct ap_node alone = {.kind = AP_NODE_MAP, .at = map->at, .child = &n, .n = 1, .capacity = 1};
        enum ap_code one = ap_schema_read(e, &s->tree, &alone, what, &(struct ap_keyset){&key, 1, &g}, 1);
        if (one != AP_OK)
            code = one;
        else if (g.physical != c->capacitance.physical)
            code = ap_err_add(e, AP_EUSAGE, &n->at, "capacitance in pF goes with nS, capacitance 1 with /ms",
                              "%s: this conductance and the capacitance are in different unit systems", what);
        c->couple[c->n_couple++] = (struct ap_couple){from < 0 ? 0 : from, g.value};
    }
    return code;
}

static enum ap_code read_dynamic(struct ap_err *e, struct ap_spec *s, struct ap_cell_spec *cell,
                                 struct ap_comp_spec *c, struct ap_node *n, const char *what)
{
    struct ap_node *couple = NULL;
    struct ap_keyset sets[] = {
        {DYNAMIC_KEYS, N_DYNAMIC - 1, c},
        {DYNAMIC_KEYS + N_DYNAMIC - 1, 1, &couple},
    };
    AP_TRY(ap_schema_read(e, &s->tree, n, what, sets, 2));
    bool physical = c->capacitance.physical;
    if (!ap_yamlin_child(n, "drive"))
        c->drive = (struct ap_quantity){1, physical};
    if (c->leak.physical != physical || c->drive.physical != physical)
        return ap_err_add(e, AP_EUSAGE, &n->at, "capacitance in pF goes with nS, capacitance 1 with /ms",
                          "%s: capacitance and conductances are in different unit systems", what);
    const struct ap_node *rest = ap_yamlin_child(n, "rest");
    if (rest && c->rest.physical != s->physical)
        return ap_err_add(e, AP_EUSAGE, &rest->at,
                          "`potential: mV` or `potential: dimensionless` holds for the whole file",
                          "%s, rest: found '%s', but potentials are %s", what, rest->text,
                          s->physical ? "in mV here" : "dimensionless here");
    return couple ? read_couple(e, s, cell, c, couple, what) : AP_OK;
}

static enum ap_code read_adds(struct ap_err *e, struct ap_spec *s, struct ap_cell_spec *cell,
                              struct ap_comp_spec *c, struct ap_node *list, const char *what)
{
    AP_TRY(ap_schema_expect(e, list, what, AP_NODE_LIST));
    c->adds = ap_mem_arena_take(e, &s->tree.arena, (size_t)list->n + 1, sizeof *c->adds);
    if (!c->adds)
        return AP_EMEMORY;
    enum ap_code code = AP_OK;
    for (int i = 0; i < list->n; i++) {
        AP_TRY(ap_schema_expect(e, list->child[i], what, AP_NODE_SCALAR));
        int from = find_comp(cell, list->child[i]->text);
        if (from < 0)
            code = unknown_comp(e, &list->child[i]->at, cell, list->child[i]->text);
        else if (cell->comp[from].kind != AP_COMP_INSTANTANEOUS || &cell->comp[from] == c)
            code = ap_err_add(e, AP_EUSAGE, &list->child[i]->at,
                              "couple dynamic compartments through a conductance",
                              "%s: only another instantaneous compartment can be added", what);
        else
            c->adds[c->n_adds++] = from;
    }
    return code;
}

/* Kinds first, since couplings and sums name other compartments. */
static enum ap_code read_kinds(struct ap_err *e, struct ap_cell_spec *cell, struct ap_node *map)
{
    enum ap_code code = AP_OK;
    for (int i = 0; i < map->n; i++) {
        struct ap_node *n = map->child[i];
        struct ap_comp_spec *c = &cell->comp[i];
        c->name = n->key;
        c->at = n->key_at;
        if (ap_schema_name(e, &n->key_at, "compartment", n->key) != AP_OK)
            code = AP_EUSAGE;
        if (n->kind == AP_NODE_SCALAR && strcmp(n->text, "instantaneous") == 0)
            c->kind = AP_COMP_INSTANTANEOUS;
        else if (n->kind == AP_NODE_SCALAR && strcmp(n->text, "clamped") == 0)
            c->kind = AP_COMP_CLAMPED;
        else if (n->kind == AP_NODE_MAP)
            c->kind = ap_yamlin_child(n, "adds") ? AP_COMP_INSTANTANEOUS : AP_COMP_DYNAMIC;
        else
            code = ap_err_add(e, AP_EUSAGE, &n->at, "for example {leak: 0.1 /ms, couple: {basal: 1 /ms}}",
                              "compartment %s: expected `instantaneous`, `clamped` or a map of conductances",
                              n->key);
    }
    return code;
}

/* One component of the forest of compartments, by union of couplings and sums; a second way between two is an error. */
static enum ap_code check_tree(struct ap_err *e, const struct ap_cell_spec *cell)
{
    enum { MAX = 64 };
    int root[MAX];
    bool joined[MAX][MAX] = {{false}};
    enum ap_code code = AP_OK;
    for (int i = 0; i < cell->n_comp; i++)
        root[i] = i;
    for (int i = 0; i < cell->n_comp; i++) {
        const struct ap_comp_spec *c = &cell->comp[i];
        for (int k = 0; k < c->n_couple + c->n_adds; k++) {
            int other = k < c->n_couple ? c->couple[k].from : c->adds[k - c->n_couple];
            if (joined[i][other] || joined[other][i])
                continue; /* the same edge seen from its other end */
            joined[i][other] = true;
            if (root[i] == root[other])
                code = ap_err_add(
                    e, AP_EUSAGE, &c->at, "remove one of the couplings",
                    "cell %s: '%s' and '%s' are connected by two ways; compartments must form a tree",
                    cell->name, c->name, cell->comp[other].name);
            int from = root[i], to = root[other];
            for (int j = 0; j < cell->n_comp; j++)
                if (root[j] == from)
                    root[j] = to;
        }
    }
    for (int i = 0; i < cell->n_comp; i++)
        if (root[i] != root[0])
            code = ap_err_add(e, AP_EUSAGE, &cell->comp[i].at, "add it to the soma's `couple`",
                              "cell %s: compartment '%s' is not connected to the soma", cell->name,
                              cell->comp[i].name);
    return code;
}

static enum ap_code make_order(struct ap_err *e, struct ap_spec *s, struct ap_cell_spec *cell)
{
    cell->order = ap_mem_arena_take(e, &s->tree.arena, (size_t)cell->n_comp, sizeof *cell->order);
    bool *placed = ap_mem_arena_take(e, &s->tree.arena, (size_t)cell->n_comp, sizeof *placed);
    if (!cell->order || !placed)
        return AP_EMEMORY;
    for (int n = 0; n < cell->n_comp;) { /* a tree has no cycle of sums, so each round places one at least */
        int before = n;
        for (int i = 0; i < cell->n_comp; i++) {
            bool ready = !placed[i];
            for (int k = 0; k < cell->comp[i].n_adds; k++)
                ready = ready && placed[cell->comp[i].adds[k]];
            if (ready) {
                placed[i] = true;
                cell->order[n++] = i;
            }
        }
        if (n == before)
            return ap_err_add(e, AP_EUSAGE, &cell->at, NULL,
                              "cell %s: compartments add each other in a circle", cell->name);
    }
    return AP_OK;
}

static enum ap_code read_cell(struct ap_err *e, struct ap_spec *s, struct ap_cell_spec *cell,
                              struct ap_node *map)
{
    char what[AP_ERR_PATH];
    cell->name = map->key;
    cell->at = map->key_at;
    AP_TRY(ap_schema_name(e, &map->key_at, "cell", map->key));
    snprintf(what, sizeof what, "cell %s", map->key);
    AP_TRY(ap_schema_expect(e, map, what, AP_NODE_MAP));
    if (map->n == 0 || map->n > 32 || strcmp(map->child[0]->key, "soma") != 0)
        return ap_err_add(e, AP_EUSAGE, &map->at, "the potential of the soma gives the rate",
                          "%s: the first compartment must be `soma`, with at most 31 dendrites", what);
    cell->n_comp = map->n;
    cell->comp = ap_mem_arena_take(e, &s->tree.arena, (size_t)map->n, sizeof *cell->comp);
    if (!cell->comp)
        return AP_EMEMORY;
    AP_TRY(read_kinds(e, cell, map));
    enum ap_code code = AP_OK;
    for (int i = 0; i < map->n; i++) {
        struct ap_comp_spec *c = &cell->comp[i];
        struct ap_node *n = map->child[i];
        snprintf(what, sizeof what, "cell %s, %s", map->key, n->key);
        enum ap_code one = AP_OK;
        if (n->kind == AP_NODE_MAP && c->kind == AP_COMP_DYNAMIC) {
            one = read_dynamic(e, s, cell, c, n, what);
        } else if (n->kind == AP_NODE_MAP) {
            struct ap_node *adds = NULL;
            one = ap_schema_read(e, &s->tree, n, what, &(struct ap_keyset){SUM_KEYS, 1, &adds}, 1);
            if (one == AP_OK)
                one = read_adds(e, s, cell, c, adds, what);
        }
        if (one != AP_OK)
            code = one;
        if (i > 0 && c->kind == AP_COMP_CLAMPED)
            code = ap_err_add(e, AP_EUSAGE, &n->at, "give the dendrite a leak, or make it `instantaneous`",
                              "%s: only a soma can be clamped", what);
    }
    if (cell->comp[0].kind == AP_COMP_INSTANTANEOUS)
        code = ap_err_add(e, AP_EUSAGE, &cell->comp[0].at, "give it a leak, for example {leak: 0.1 /ms}",
                          "cell %s: the soma must be dynamic or clamped", cell->name);
    if (code == AP_OK)
        code = check_tree(e, cell);
    return code == AP_OK ? make_order(e, s, cell) : code;
}

/* Writes the built-in cells that populations name into the tree. */
static enum ap_code write_builtin(struct ap_err *e, struct ap_spec *s, struct ap_node *cells)
{
    struct ap_node *pops = ap_yamlin_child(s->tree.root, "populations");
    for (int i = 0; pops && pops->kind == AP_NODE_MAP && i < pops->n; i++) {
        struct ap_node *name = ap_yamlin_child(pops->child[i], "cell");
        if (!name || name->kind != AP_NODE_SCALAR || ap_yamlin_child(cells, name->text))
            continue;
        const struct cell_row *row = (const struct cell_row *)ap_registry_find(&ap_cell_table, name->text);
        if (!row)
            continue; /* network.c reports it */
        struct ap_tree builtin = {0};
        enum ap_code code = ap_yamlin_parse(e, &builtin, row->row.name, row->yaml, strlen(row->yaml));
        if (code == AP_OK)
            code = ap_yamlin_put(e, &s->tree, cells, row->row.name, builtin.root);
        ap_mem_arena_adopt(&s->tree.arena, &builtin.arena);
        AP_TRY(code);
    }
    return AP_OK;
}

enum ap_code ap_cell_read(struct ap_err *e, struct ap_spec *s)
{
    struct ap_node *cells = ap_yamlin_child(s->tree.root, "cells");
    if (!cells) {
        cells = ap_yamlin_map(e, &s->tree, s->tree.root->at, false);
        AP_TRY(ap_yamlin_put(e, &s->tree, s->tree.root, "cells", cells));
    }
    AP_TRY(ap_schema_expect(e, cells, "cells", AP_NODE_MAP));
    AP_TRY(write_builtin(e, s, cells));
    s->cell = ap_mem_arena_take(e, &s->tree.arena, (size_t)cells->n + 1, sizeof *s->cell);
    if (!s->cell)
        return AP_EMEMORY;
    enum ap_code code = AP_OK;
    for (int i = 0; i < cells->n; i++) {
        struct ap_cell_spec *cell = &s->cell[s->n_cell++];
        enum ap_code one = read_cell(e, s, cell, cells->child[i]);
        if (one != AP_OK) {
            cell->n_comp = 0; /* known by name, so that its populations are not reported too */
            code = one;
        }
    }
    return code;
}

static const struct ap_row SECTIONS[] = {
    {"compartment", "a dynamic compartment of a cell; others are `instantaneous` or `clamped`", "", "",
     DYNAMIC_KEYS, sizeof DYNAMIC_KEYS / sizeof *DYNAMIC_KEYS},
    {"sum", "an instantaneous compartment that adds others", "", "", SUM_KEYS,
     sizeof SUM_KEYS / sizeof *SUM_KEYS},
};

const struct ap_sections ap_cell_sections = AP_SECTIONS(SECTIONS);
