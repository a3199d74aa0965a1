/* readout.c: `readouts:` of a circuit file: the table of observables, and reading.
 *
 * In:   the tree, populations, blocks and reports of the spec.
 * Out:  spec->readout[]; observables of a potential over time.
 * Theory: a calcium indicator sees c = k * f(v), f(v) = s ln(1 + exp((v - threshold)/s)) a soft threshold of softness s
 *   (0: max(0, v - threshold)), k(t) = (exp(-t/decay) - exp(-t/rise)) / (decay - rise) of unit integral, so that a steady
 *   potential is seen as f(v). Between samples f moves linearly, for which the filter is exact; before the first it rested.
 * Invariants:
 *   1. Soma and dendrite of every cell of a readout are recorded together, in every block that it names.
 * Never: looks at a run; residual.c does.
 * Test: tests/unit/test_residual.c, tests/cli/bad/ */
#include "readout.h"
#include "mathx.h"
#include "spec.h"
#include "synapse.h"

#include <math.h>
#include <string.h>

#define N(keys) ((int)(sizeof keys / sizeof *keys))

/* ---- observables ----------------------------------------------------------------------------------- */

static void potential(const struct ap_readout_spec *s, double every, size_t n, const double *v, double *out)
{
    (void)s;
    (void)every;
    memcpy(out, v, n * sizeof *out);
}

static double soft_threshold(const struct ap_readout_spec *s, double v)
{
    double x = v - s->threshold;
    if (s->softness == 0 || x > 30 * s->softness)
        return fmax(0, x);
    return s->softness * ap_mathx_log1pexp(x / s->softness);
}

/* out += share * (1/tau) exp(-t/tau) * f, at rest before the first sample; tau 0: f itself. */
static void add_filtered(double every, double tau, double share, size_t n, const double *f, double *out)
{
    const struct ap_step k = ap_step_of(every, tau, 1, 0);
    double x = f[0];
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            x = tau > 0 ? k.e * x + k.c0 * f[i - 1] + k.c1 * f[i] : f[i];
        out[i] += share * x;
    }
}

static void calcium(const struct ap_readout_spec *s, double every, size_t n, const double *v, double *out)
{
    double *f = out + n; /* room for both */
    for (size_t i = 0; i < n; i++) {
        f[i] = soft_threshold(s, v[i]);
        out[i] = 0;
    }
    add_filtered(every, s->decay, s->decay / (s->decay - s->rise), n, f, out);
    if (s->rise > 0)
        add_filtered(every, s->rise, -s->rise / (s->decay - s->rise), n, f, out);
}

struct readout_keys {
    const char *name, *kind, *of;
    struct ap_node *during, *fit, *groups;
};
#define OF(field)      offsetof(struct readout_keys, field)
#define SPEC_OF(field) offsetof(struct ap_readout_spec, field)
static const struct ap_key NAME_KEYS[] = {
    {"name", AP_KEY_NAME, AP_DIM_NONE, OF(name), AP_REQUIRED, 0, 0, NULL, "of the readout and its CSV files"},
    {"kind", AP_KEY_NAME, AP_DIM_NONE, OF(kind), "potential", 0, 0, NULL,
     "an observable by name: `apical info observable`"},
    {"of", AP_KEY_TEXT, AP_DIM_NONE, OF(of), AP_REQUIRED, 0, 0, NULL,
     "population, or population/compartment; its compartment `apical` when none is named; [first:last] "
     "selects"},
    {"during", AP_KEY_NODE, AP_DIM_NONE, OF(during), AP_ABSENT, 0, 0, NULL,
     "block, or list of blocks; all that were recorded when absent"},
    {"fit", AP_KEY_NODE, AP_DIM_NONE, OF(fit), AP_ABSENT, 0, 0, NULL,
     "blocks whose presentations the regression on the soma is fitted to; those of `during` when absent"},
    {"groups", AP_KEY_NODE, AP_DIM_NONE, OF(groups), AP_ABSENT, 0, 0, NULL,
     "names of groups of cells, {plus: \"name[0:4]\", minus: \"name[4:8]\"}"},
};
static const struct ap_key SHARED_KEYS[] = {
    {"from", AP_KEY_NUMBER, AP_DIM_TIME, SPEC_OF(from), "0 ms", 0, 1e9, NULL,
     "beginning of the window within each presentation, over which the observables are averaged"},
    {"until", AP_KEY_NUMBER, AP_DIM_TIME, SPEC_OF(until), AP_ABSENT, AP_POSITIVE, 1e9, NULL,
     "its end; that of the presentation when absent"},
};
static const struct ap_key CALCIUM_KEYS[] = {
    {"threshold", AP_KEY_NUMBER, AP_DIM_POTENTIAL, SPEC_OF(threshold), "0", 0, 0, NULL,
     "potential below which little calcium enters"},
    {"softness", AP_KEY_NUMBER, AP_DIM_POTENTIAL, SPEC_OF(softness), "0", 0, INFINITY, NULL,
     "s of the soft threshold s ln(1 + exp((v - threshold)/s)); 0: sharp"},
    {"rise", AP_KEY_NUMBER, AP_DIM_TIME, SPEC_OF(rise), "0 ms", 0, INFINITY, NULL,
     "shorter time constant of the kernel; 0: a jump"},
    {"decay", AP_KEY_NUMBER, AP_DIM_TIME, SPEC_OF(decay), "200 ms", AP_POSITIVE, INFINITY, NULL,
     "longer time constant of the kernel"},
};

static const struct ap_readout_row OBSERVABLES[] = {
    {{"potential", "the potential itself", "potential", "", NULL, 0}, potential},
    {{"calcium",
      "soft threshold of the potential, seen through a difference of two exponentials of unit integral",
      "potential", "", CALCIUM_KEYS, N(CALCIUM_KEYS)},
     calcium},
};

const struct ap_table ap_observable_table = {
    .thing = "observable",
    .doc = "what a readout sees of soma and dendrite; its residual is dendrite minus linear regression on "
           "the soma",
    AP_TABLE(OBSERVABLES),
    AP_SHARED(SHARED_KEYS),
};

/* ---- reading --------------------------------------------------------------------------------------- */

/* Whether a report holds this compartment of these cells. */
static bool holds(const struct ap_spec *s, const struct ap_report_spec *r, const struct ap_selection *of,
                  int comp)
{
    for (int i = 0; i < r->n_of; i++) {
        const struct ap_selection *o = &r->of[i];
        bool named = o->comp >= 0 ? o->comp == comp : r->n_compartment == 0;
        for (int k = 0; o->comp < 0 && k < r->n_compartment; k++)
            named = named || ap_spec_compartment(s, o->pop, r->compartment[k]) == comp;
        if (o->pop == of->pop && o->first <= of->first && of->last <= o->last && named)
            return true;
    }
    return false;
}

/* The report with soma and dendrite; without `during`, the blocks that it covers. */
static enum ap_code find_report(struct ap_err *e, const struct ap_spec *s, struct ap_readout_spec *r,
                                const struct ap_place *at, const bool named[2], const char *what)
{
    const char *pop = s->pop[r->of.pop].name, *comp = s->cell[s->pop[r->of.pop].cell].comp[r->of.comp].name;
    int block = -1;
    for (r->report = 0; r->report < s->n_report; r->report++) {
        const struct ap_report_spec *p = &s->report[r->report];
        if (!holds(s, p, &r->of, 0) || !holds(s, p, &r->of, r->of.comp))
            continue;
        block = -1;
        for (int b = 0; b < s->n_block; b++) {
            bool wanted = (named[0] && r->during[b]) || (named[1] && r->fit[b]);
            block = wanted && !p->during[b] ? b : block;
            r->during[b] = r->during[b] && p->during[b];
            r->fit[b] = r->fit[b] && p->during[b];
        }
        if (block < 0)
            return AP_OK;
        return ap_err_add(e, AP_EUSAGE, at, "add the block to the report's `during`",
                          "%s: report '%s' does not record %s during '%s'", what, p->name, pop,
                          s->block[block].name);
    }
    return ap_err_add(e, AP_EUSAGE, at, "list the population under `record`, with all its compartments",
                      "%s: no report holds both soma and %s of %s", what, comp, pop);
}

static enum ap_code read_groups(struct ap_err *e, struct ap_spec *s, struct ap_readout_spec *r,
                                const struct ap_node *n, const char *what)
{
    AP_TRY(ap_schema_expect(e, n, what, AP_NODE_MAP));
    r->group = ap_mem_arena_take(e, &s->tree.arena, (size_t)n->n + 1, sizeof *r->group);
    if (!r->group)
        return AP_EMEMORY;
    for (int i = 0; i < n->n; i++) {
        const struct ap_node *one = n->child[i];
        struct ap_readout_group *g = &r->group[r->n_group++];
        AP_TRY(ap_schema_name(e, &one->key_at, what, one->key));
        AP_TRY(ap_schema_expect(e, one, what, AP_NODE_SCALAR));
        *g = (struct ap_readout_group){.name = one->key};
        AP_TRY(ap_spec_select(e, s, &one->at, what, one->text, &g->of));
        if (g->of.pop != r->of.pop || g->of.first < r->of.first || g->of.last > r->of.last)
            return ap_err_add(e, AP_EUSAGE, &one->at, "name cells that the readout is of",
                              "%s, groups: '%s' is not part of it", what, one->text);
        for (int k = 0; k < i; k++)
            if (g->of.first < r->group[k].of.last && r->group[k].of.first < g->of.last)
                return ap_err_add(e, AP_EUSAGE, &one->at, "`first:last` does not include last",
                                  "%s: groups %s and %s have cells in common", what, r->group[k].name,
                                  g->name);
    }
    return AP_OK;
}

static enum ap_code read_one(struct ap_err *e, struct ap_spec *s, struct ap_readout_spec *r,
                             struct ap_node *n)
{
    struct readout_keys k = {0};
    AP_TRY(ap_schema_expect(e, n, "readouts", AP_NODE_MAP));
    const struct ap_node *kind = ap_yamlin_child(n, "kind"), *name = ap_yamlin_child(n, "name");
    const char *called = kind && kind->kind == AP_NODE_SCALAR ? kind->text : "potential";
    const struct ap_row *row =
        ap_registry_need(e, &ap_observable_table, kind ? &kind->at : &n->at, "readouts", called);
    if (!row)
        return AP_EUSAGE;
    char what[AP_ERR_PATH];
    bool named = name && name->kind == AP_NODE_SCALAR;
    snprintf(what, sizeof what, "readout%s%.100s", named ? " " : "", named ? name->text : "");
    const struct ap_keyset sets[] = {
        {NAME_KEYS, N(NAME_KEYS), &k}, {SHARED_KEYS, N(SHARED_KEYS), r}, {row->keys, row->n_keys, r}};
    AP_TRY(ap_schema_read(e, &s->tree, n, what, sets, 3));
    r->name = k.name;
    r->at = n->at;
    r->row = (const struct ap_readout_row *)row;
    r->until = r->until > 0 ? r->until : HUGE_VAL;
    const struct ap_place *of = &ap_yamlin_child(n, "of")->at;
    AP_TRY(ap_spec_select(e, s, of, what, k.of, &r->of));
    if (s->pop[r->of.pop].cell < 0)
        return AP_EUSAGE; /* reported with the population */
    if (r->of.comp < 0 && (r->of.comp = ap_spec_compartment(s, r->of.pop, "apical")) < 0)
        return ap_err_add(e, AP_EUSAGE, of, "name the dendrite, as population/compartment",
                          "%s: population %s has no compartment 'apical'", what, s->pop[r->of.pop].name);
    if (r->of.comp == 0)
        return ap_err_add(e, AP_EUSAGE, of, "name a dendrite", "%s: the soma has no residual on itself",
                          what);
    AP_TRY(ap_spec_during(e, s, k.during, what, &r->during));
    AP_TRY(ap_spec_during(e, s, k.fit ? k.fit : k.during, what, &r->fit));
    if (k.groups)
        AP_TRY(read_groups(e, s, r, k.groups, what));
    if (r->from >= r->until)
        return ap_err_add(e, AP_EUSAGE, &n->at, "let `from` be earlier than `until`",
                          "%s: its window begins at %g ms, but ends at %g ms", what, r->from, r->until);
    if (r->rise >= r->decay && row->keys)
        return ap_err_add(e, AP_EUSAGE, &n->at, "exchange the two",
                          "%s: `rise` (%g ms) must be shorter than `decay` (%g ms)", what, r->rise, r->decay);
    for (int i = 0; i < s->n_readout; i++)
        if (strcmp(s->readout[i].name, r->name) == 0)
            return ap_err_add(e, AP_EUSAGE, &name->at, "names must differ", "two readouts are called '%s'",
                              r->name);
    return find_report(e, s, r, &n->at, (const bool[]){k.during, k.fit}, what);
}

enum ap_code ap_readout_read(struct ap_err *e, struct ap_spec *s)
{
    struct ap_node *list;
    AP_TRY(ap_spec_list(e, s, "readouts", &list));
    s->readout = ap_mem_arena_take(e, &s->tree.arena, (size_t)(list ? list->n : 0) + 1, sizeof *s->readout);
    if (!s->readout)
        return AP_EMEMORY;
    enum ap_code code = AP_OK;
    for (int i = 0; list && i < list->n; i++) {
        s->readout[s->n_readout] = (struct ap_readout_spec){0};
        enum ap_code one = read_one(e, s, &s->readout[s->n_readout], list->child[i]);
        if (one == AP_OK)
            s->n_readout++;
        code = one != AP_OK ? one : code;
    }
    return code;
}

static const struct ap_row SECTIONS[] = {
    {"readout", "a table of what an experimenter sees, with the keys of its observable", "", "", NAME_KEYS,
     sizeof NAME_KEYS / sizeof *NAME_KEYS},
};

const struct ap_sections ap_readout_sections = AP_SECTIONS(SECTIONS);
