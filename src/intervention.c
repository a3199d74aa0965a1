/* intervention.c: `interventions:` of a circuit file: the table of kinds, and reading.
 *
 * In:   the tree, populations, projections and blocks of the spec.
 * Out:  spec->intervention[].
 * Invariants:
 *   1. Every name is resolved, and the kind can act on what is named.
 *   2. No two clamps of a compartment, and no two rearrangements (shuffle, swap) of a projection, act at the same
 *      time.
 * Never: acts; that is intervene.c.
 * Test: tests/unit/test_intervention.c, tests/cli/bad/ */
#include "intervention.h"
#include "spec.h"

#include <math.h>
#include <string.h>

#define N(keys) ((int)(sizeof keys / sizeof *keys))

struct intervention_keys {
    const char *name, *kind, *of, *projection;
    struct ap_node *during, *groups;
    double from, until, value, conductance, reversal, factor;
};
#define OF(field) offsetof(struct intervention_keys, field)
#define KEY_COMP                                                                                             \
    {                                                                                                        \
        "of", AP_KEY_TEXT, AP_DIM_NONE, OF(of), AP_REQUIRED, 0, 0, NULL, "population/compartment"            \
    }
#define KEY_PROJ                                                                                             \
    {                                                                                                        \
        "projection", AP_KEY_TEXT, AP_DIM_NONE, OF(projection), AP_REQUIRED, 0, 0, NULL,                     \
            "name of a projection"                                                                           \
    }
static const struct ap_key SHARED_KEYS[] = {
    {"name", AP_KEY_NAME, AP_DIM_NONE, OF(name), AP_REQUIRED, 0, 0, NULL,
     "of the intervention, shown in figures"},
    {"kind", AP_KEY_NAME, AP_DIM_NONE, OF(kind), AP_REQUIRED, 0, 0, NULL,
     "an intervention by name: `apical info intervention`"},
    {"during", AP_KEY_NODE, AP_DIM_NONE, OF(during), "all", 0, 0, NULL, "all, or a list of blocks"},
    {"from", AP_KEY_NUMBER, AP_DIM_TIME, OF(from), "0 ms", 0, 1e9, NULL, "onset within each presentation"},
    {"until", AP_KEY_NUMBER, AP_DIM_TIME, OF(until), AP_ABSENT, AP_POSITIVE, 1e9, NULL,
     "offset within each presentation; its end when absent"},
};
static const struct ap_key SILENCE_KEYS[] = {
    {"of", AP_KEY_TEXT, AP_DIM_NONE, OF(of), AP_REQUIRED, 0, 0, NULL, "population"},
};
static const struct ap_key CLAMP_KEYS[] = {
    KEY_COMP,
    {"value", AP_KEY_NUMBER, AP_DIM_POTENTIAL, OF(value), AP_REQUIRED, 0, 0, NULL,
     "potential at which the compartment is held"},
};
static const struct ap_key INHIBIT_KEYS[] = {
    KEY_COMP,
    {"conductance", AP_KEY_NUMBER, AP_DIM_CONDUCTANCE, OF(conductance), AP_REQUIRED, AP_POSITIVE, INFINITY,
     NULL, "g; for an instantaneous dendrite relative to 1 /ms"},
    {"reversal", AP_KEY_NUMBER, AP_DIM_POTENTIAL, OF(reversal), "0", 0, 0, NULL, "E"},
};
static const struct ap_key SCALE_KEYS[] = {
    KEY_PROJ,
    {"factor", AP_KEY_NUMBER, AP_DIM_NONE, OF(factor), AP_REQUIRED, 0, 0, NULL, "0 is a lesion"},
};
static const struct ap_key FREEZE_KEYS[] = {KEY_PROJ};
static const struct ap_key MEAN_KEYS[] = {KEY_COMP};
static const struct ap_key SHUFFLE_KEYS[] = {KEY_PROJ};
static const struct ap_key SWAP_KEYS[] = {
    KEY_PROJ,
    {"groups", AP_KEY_NODE, AP_DIM_NONE, OF(groups), AP_REQUIRED, 0, 0, NULL,
     "two groups of as many cells of its post- or presynaptic population, [\"name[0:4]\", \"name[4:8]\"]"},
};
#undef OF

static const struct ap_intervention_row INTERVENTIONS[] = {
    {{"silence",
      "the rate of a population is 0 for all who receive it and for rules; its potentials go on, and what is "
      "sent "
      "as a potential (nudging) too",
      "", "", AP_KEYS(SILENCE_KEYS)},
     AP_INTERVENTION_SILENCE,
     AP_INTERVENTION_POP},
    {{"clamp", "the potential of a compartment is held at a value", "", "", AP_KEYS(CLAMP_KEYS)},
     AP_INTERVENTION_CLAMP,
     AP_INTERVENTION_COMP},
    {{"inhibit",
      "adds the current g (E - v) to a dynamic compartment; of an instantaneous dendrite v becomes "
      "(v + g E)/(1 + g)",
      "", "", AP_KEYS(INHIBIT_KEYS)},
     AP_INTERVENTION_INHIBIT,
     AP_INTERVENTION_COMP},
    {{"scale", "the weighted sum, or the nudging conductance, of a projection is multiplied", "", "",
      AP_KEYS(SCALE_KEYS)},
     AP_INTERVENTION_SCALE,
     AP_INTERVENTION_PROJ},
    {{"freeze", "the rule of a projection does not act: weights and low-passed products stand still", "", "",
      AP_KEYS(FREEZE_KEYS)},
     AP_INTERVENTION_FREEZE,
     AP_INTERVENTION_PROJ},
    {{"mean", "every cell has the population's mean of a compartment: scalar instead of vector teaching", "",
      "", AP_KEYS(MEAN_KEYS)},
     AP_INTERVENTION_MEAN,
     AP_INTERVENTION_COMP},
    {{"shuffle",
      "a fixed permutation says to which presynaptic neuron each column of the weights belongs, for sums and "
      "for the rule",
      "", "", AP_KEYS(SHUFFLE_KEYS)},
     AP_INTERVENTION_SHUFFLE,
     AP_INTERVENTION_PROJ},
    {{"swap",
      "two groups of cells exchange their weights of a projection, first with first, for sums and for the "
      "rule: "
      "rows when they are postsynaptic, columns when presynaptic",
      "", "", AP_KEYS(SWAP_KEYS)},
     AP_INTERVENTION_SWAP,
     AP_INTERVENTION_PROJ},
};

const struct ap_table ap_intervention_table = {
    .thing = "intervention",
    .doc = "what an experimenter does to a circuit, in blocks or within presentations",
    AP_TABLE(INTERVENTIONS),
    AP_SHARED(SHARED_KEYS),
};

/* ---- checks ---------------------------------------------------------------------------------------- */

static enum ap_code check_place(struct ap_err *e, const struct ap_spec *s,
                                const struct ap_intervention_spec *v, const struct ap_selection *of,
                                const struct ap_place *at, const char *what)
{
    const char *pop = s->pop[of->pop].name;
    if (of->ranged)
        return ap_err_add(e, AP_EUSAGE, at, "leave the brackets out",
                          "%s: an intervention acts on a whole population, not on a part of %s", what, pop);
    if (v->row->on == AP_INTERVENTION_POP && of->comp >= 0)
        return ap_err_add(e, AP_EUSAGE, at, "name the population alone",
                          "%s: `of` must name a population without compartment", what);
    if (v->row->on == AP_INTERVENTION_POP)
        return AP_OK;
    if (of->comp < 0)
        return ap_err_add(e, AP_EUSAGE, at, "for example `of: hidden1.pyr/apical`",
                          "%s: `of` must name a compartment", what);
    if (s->pop[of->pop].cell >= 0 && s->cell[s->pop[of->pop].cell].comp[of->comp].kind == AP_COMP_CLAMPED)
        return ap_err_add(e, AP_EUSAGE, at, "present another stimulus, or silence the population",
                          "%s: the potential of %s/%s is given by a stimulus", what, pop,
                          s->cell[s->pop[of->pop].cell].comp[of->comp].name);
    return AP_OK;
}

/* Whether it says which cells the rows or columns of a matrix belong to. */
static bool rearranges(const struct ap_intervention_spec *v)
{
    return v->row->kind == AP_INTERVENTION_SHUFFLE || v->row->kind == AP_INTERVENTION_SWAP;
}

static enum ap_code check_projection(struct ap_err *e, const struct ap_spec *s,
                                     const struct ap_intervention_spec *v, const struct ap_place *at,
                                     const char *what)
{
    const struct ap_proj_spec *p = &s->proj[v->proj];
    if (v->row->kind == AP_INTERVENTION_FREEZE && !p->rule.present)
        return ap_err_add(e, AP_EUSAGE, at, "its weights stand still anyway", "%s: projection %s has no rule",
                          what, p->name);
    if (rearranges(v) && (p->nudges || p->connect != AP_CONNECT_DENSE))
        return ap_err_add(e, AP_EUSAGE, at, "name a dense projection", "%s: %s has no rows and columns", what,
                          p->name);
    return AP_OK;
}

/* Two groups of cells of one side of the projection. */
static enum ap_code read_groups(struct ap_err *e, const struct ap_spec *s, struct ap_intervention_spec *v,
                                const struct ap_node *n, const char *what)
{
    const struct ap_proj_spec *p = &s->proj[v->proj];
    struct ap_selection g[2];
    AP_TRY(ap_schema_expect(e, n, what, AP_NODE_LIST));
    if (n->n != 2)
        return ap_err_add(e, AP_EUSAGE, &n->at, "for example [\"hidden1.pyr[0:4]\", \"hidden1.pyr[4:8]\"]",
                          "%s, groups: found %d, expected two", what, n->n);
    for (int i = 0; i < 2; i++) {
        AP_TRY(ap_schema_expect(e, n->child[i], what, AP_NODE_SCALAR));
        AP_TRY(ap_spec_select(e, s, &n->child[i]->at, what, n->child[i]->text, &g[i]));
        if ((g[i].pop != p->post && g[i].pop != p->pre) || g[i].comp >= 0)
            return ap_err_add(e, AP_EUSAGE, &n->child[i]->at, "name cells of one side, without compartment",
                              "%s, groups: %s runs from %s to %s, found '%s'", what, p->name,
                              s->pop[p->pre].name, s->pop[p->post].name, n->child[i]->text);
        v->group[i] = g[i].first;
    }
    v->rows = g[0].pop == p->post;
    v->n_group = g[0].last - g[0].first;
    if (g[0].pop != g[1].pop || g[1].last - g[1].first != v->n_group)
        return ap_err_add(e, AP_EUSAGE, &n->at, "each cell changes places with one of the other group",
                          "%s, groups: expected two groups of the same size in one population", what);
    if (g[0].first < g[1].last && g[1].first < g[0].last)
        return ap_err_add(e, AP_EUSAGE, &n->at, "`first:last` does not include last",
                          "%s, groups: the two groups have cells in common", what);
    return AP_OK;
}

static bool meet(const struct ap_spec *s, const struct ap_intervention_spec *a,
                 const struct ap_intervention_spec *b)
{
    bool shared = false;
    for (int k = 0; k < s->n_block; k++)
        shared = shared || (a->during[k] && b->during[k]);
    return shared && a->from < b->until && b->from < a->until;
}

static enum ap_code check_others(struct ap_err *e, const struct ap_spec *s,
                                 const struct ap_intervention_spec *v, const struct ap_place *name,
                                 const char *what)
{
    enum ap_code code = AP_OK;
    for (int i = 0; i < s->n_intervention; i++) {
        const struct ap_intervention_spec *o = &s->intervention[i];
        if (strcmp(o->name, v->name) == 0)
            code = ap_err_add(e, AP_EUSAGE, name, "names must differ", "two interventions are called '%s'",
                              v->name);
        bool clamps = v->row->kind == AP_INTERVENTION_CLAMP && o->row == v->row;
        if ((clamps || (rearranges(v) && rearranges(o))) && o->pop == v->pop && o->comp == v->comp &&
            o->proj == v->proj && meet(s, o, v))
            code =
                ap_err_add(e, AP_EUSAGE, &v->at, "let one end before the other begins, or name other blocks",
                           "%s: it meets '%s', which acts on the same %s at the same time", what, o->name,
                           v->proj >= 0 ? "projection" : "compartment");
    }
    return code;
}

/* ---- reading --------------------------------------------------------------------------------------- */

static enum ap_code check_times(struct ap_err *e, const struct ap_spec *s,
                                const struct ap_intervention_spec *v, const struct ap_node *n,
                                const char *what)
{
    const struct ap_node *from = ap_yamlin_child(n, "from");
    if (v->from >= v->until)
        return ap_err_add(e, AP_EUSAGE, from ? &from->at : &n->at, "let `from` be earlier than `until`",
                          "%s: it begins at %g ms, but ends at %g ms", what, v->from, v->until);
    double longest = 0;
    for (int b = 0; b < s->n_block; b++)
        if (v->during[b] && s->block[b].duration > longest)
            longest = s->block[b].duration;
    if (longest > 0 && v->from >= longest)
        return ap_err_add(
            e, AP_EUSAGE, from ? &from->at : &n->at, "times count from the presentation's beginning",
            "%s: it begins at %g ms, but no presentation lasts longer than %g ms", what, v->from, longest);
    return AP_OK;
}

static enum ap_code read_one(struct ap_err *e, struct ap_spec *s, struct ap_intervention_spec *v,
                             struct ap_node *n)
{
    struct intervention_keys k = {0};
    AP_TRY(ap_schema_expect(e, n, "interventions", AP_NODE_MAP));
    struct ap_node *kind = ap_yamlin_child(n, "kind"), *name = ap_yamlin_child(n, "name");
    const struct ap_row *row = NULL;
    if (kind && kind->kind == AP_NODE_SCALAR &&
        !(row = ap_registry_need(e, &ap_intervention_table, &kind->at, "interventions", kind->text)))
        return AP_EUSAGE;
    char what[AP_ERR_PATH];
    bool named = name && name->kind == AP_NODE_SCALAR;
    snprintf(what, sizeof what, "intervention%s%.100s", named ? " " : "", named ? name->text : "");
    const struct ap_keyset sets[] = {{SHARED_KEYS, N(SHARED_KEYS), &k},
                                     {row ? row->keys : NULL, row ? row->n_keys : 0, &k}};
    enum ap_code code = ap_schema_read(e, &s->tree, n, what, sets, 2);
    if (!row)
        return code;
    *v = (struct ap_intervention_spec){.name = k.name,
                                       .at = n->at,
                                       .row = (const struct ap_intervention_row *)row,
                                       .pop = -1,
                                       .comp = -1,
                                       .proj = -1,
                                       .from = k.from,
                                       .until = k.until > 0 ? k.until : HUGE_VAL,
                                       .value = k.value,
                                       .conductance = k.conductance,
                                       .reversal = k.reversal,
                                       .factor = k.factor};
    if (ap_spec_during(e, s, k.during, what, &v->during) != AP_OK)
        code = AP_EUSAGE;
    if (k.of) {
        const struct ap_place *at = &ap_yamlin_child(n, "of")->at;
        struct ap_selection of;
        if (ap_spec_select(e, s, at, what, k.of, &of) != AP_OK ||
            check_place(e, s, v, &of, at, what) != AP_OK)
            code = AP_EUSAGE;
        v->pop = of.pop;
        v->comp = of.comp;
    }
    if (k.projection) {
        struct ap_node *p = ap_yamlin_child(n, "projection");
        if (ap_spec_need_projection(e, s, p, what, &v->proj) != AP_OK ||
            check_projection(e, s, v, &p->at, what) != AP_OK ||
            (k.groups && read_groups(e, s, v, k.groups, what) != AP_OK))
            code = AP_EUSAGE;
    }
    if (code == AP_OK)
        code = check_times(e, s, v, n, what);
    return code == AP_OK ? check_others(e, s, v, &name->at, what) : code;
}

enum ap_code ap_intervention_read(struct ap_err *e, struct ap_spec *s)
{
    struct ap_node *list;
    AP_TRY(ap_spec_list(e, s, "interventions", &list));
    s->intervention =
        ap_mem_arena_take(e, &s->tree.arena, (size_t)(list ? list->n : 0) + 1, sizeof *s->intervention);
    if (!s->intervention)
        return AP_EMEMORY;
    enum ap_code code = AP_OK;
    for (int i = 0; list && i < list->n; i++) {
        enum ap_code one = read_one(e, s, &s->intervention[s->n_intervention], list->child[i]);
        if (one == AP_OK)
            s->n_intervention++;
        code = one != AP_OK ? one : code;
    }
    return code;
}
