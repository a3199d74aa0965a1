/* output.c: what a circuit file asks to be recorded, probed and drawn.
 *
 * In:   the tree, populations, projections and blocks of the spec.
 * Out:  spec->report[], spec->probe[], spec->figure[].
 * Invariants:
 *   1. Every name is resolved: nothing here can fail later because a thing does not exist.
 *   2. A report's interval divides the duration of every block that it covers, so its time axis is even.
 * Never: records or draws.
 * Test: tests/unit/test_spec.c, tests/cli/bad/ */
#include "pathway.h"
#include "probe.h"
#include "spec.h"

#include <math.h>
#include <string.h>

#define N(keys) ((int)(sizeof keys / sizeof *keys))

/* A node that may be one scalar or a list of them: element i, or NULL past the end. */
static struct ap_node *item(struct ap_node *n, int i)
{
    if (n->kind == AP_NODE_LIST)
        return i < n->n ? n->child[i] : NULL;
    return i == 0 ? n : NULL;
}

static int items(const struct ap_node *n)
{
    return n->kind == AP_NODE_LIST ? n->n : 1;
}

/* Blocks by name into during[n_block]; no node: all of them. */
enum ap_code ap_spec_during(struct ap_err *e, struct ap_spec *s, struct ap_node *n, const char *what,
                            bool **during)
{
    *during = ap_mem_arena_take(e, &s->tree.arena, (size_t)s->n_block + 1, sizeof **during);
    if (!*during)
        return AP_EMEMORY;
    enum ap_code code = AP_OK;
    for (int b = 0; !n && b < s->n_block; b++)
        (*during)[b] = true;
    for (int i = 0; n && i < items(n); i++) {
        struct ap_node *name = item(n, i);
        AP_TRY(ap_schema_expect(e, name, what, AP_NODE_SCALAR));
        const char *names[64];
        int count = 0;
        bool found = strcmp(name->text, "all") == 0;
        for (int b = 0; b < s->n_block; b++) {
            bool match = s->block[b].name &&
                         (strcmp(name->text, "all") == 0 || strcmp(s->block[b].name, name->text) == 0);
            (*during)[b] = (*during)[b] || match;
            found = found || match;
            if (s->block[b].name && count < 64)
                names[count++] = s->block[b].name;
        }
        char hint[AP_ERR_HINT];
        if (!found && !s->n_block)
            code = AP_EUSAGE; /* reported where the blocks are missing */
        else if (!found)
            code = ap_err_add(e, AP_EUSAGE, &name->at, ap_schema_suggest(name->text, names, count, hint),
                              "%s, during: there is no block '%s'", what, name->text);
    }
    return code;
}

static enum ap_code read_selections(struct ap_err *e, struct ap_spec *s, struct ap_node *n, const char *what,
                                    struct ap_selection **of, int *n_of)
{
    *of = ap_mem_arena_take(e, &s->tree.arena, (size_t)items(n) + 1, sizeof **of);
    if (!*of)
        return AP_EMEMORY;
    enum ap_code code = AP_OK;
    for (int i = 0; i < items(n); i++) {
        struct ap_node *one = item(n, i);
        if (ap_schema_expect(e, one, what, AP_NODE_SCALAR) != AP_OK ||
            ap_spec_select(e, s, &one->at, what, one->text, &(*of)[*n_of]) != AP_OK)
            code = AP_EUSAGE;
        else
            (*n_of)++;
    }
    return code;
}

/* `section` of the root as a list, a single map standing for a list of one. */
enum ap_code ap_spec_list(struct ap_err *e, struct ap_spec *s, const char *section, struct ap_node **list)
{
    *list = ap_yamlin_child(s->tree.root, section);
    if (!*list || (*list)->kind == AP_NODE_LIST)
        return AP_OK;
    AP_TRY(ap_schema_expect(e, *list, section, AP_NODE_MAP));
    struct ap_node *one = *list, *wrapped = ap_yamlin_list(e, &s->tree, one->at, false);
    AP_TRY(ap_yamlin_put(e, &s->tree, s->tree.root, section, wrapped));
    one->key = NULL;
    *list = wrapped;
    return ap_yamlin_put(e, &s->tree, wrapped, NULL, one);
}

/* ---- reports --------------------------------------------------------------------------------------- */

struct report_keys {
    const char *name;
    struct ap_node *of, *compartments, *during;
    double every;
    int64_t limit;
};
#define OF(field) offsetof(struct report_keys, field)
static const struct ap_key REPORT_KEYS[] = {
    {"name", AP_KEY_NAME, AP_DIM_NONE, OF(name), "potentials", 0, 0, NULL, "of the report and its HDF5 file"},
    {"of", AP_KEY_NODE, AP_DIM_NONE, OF(of), AP_REQUIRED, 0, 0, NULL,
     "population, or list of them; [first:last] selects"},
    {"compartments", AP_KEY_NODE, AP_DIM_NONE, OF(compartments), "all", 0, 0, NULL, "all, or a list"},
    {"every", AP_KEY_NUMBER, AP_DIM_TIME, OF(every), "1 ms", AP_POSITIVE, INFINITY, NULL,
     "sampling interval"},
    {"during", AP_KEY_NODE, AP_DIM_NONE, OF(during), "all", 0, 0, NULL, "all, or a list of blocks"},
    {"limit", AP_KEY_INTEGER, AP_DIM_NONE, OF(limit), "0", 0, 1e12, NULL,
     "presentations recorded at each pass of a block; 0: all"},
};
#undef OF

static enum ap_code read_report(struct ap_err *e, struct ap_spec *s, struct ap_report_spec *r,
                                struct ap_node *n)
{
    struct report_keys k = {0};
    const char *what = "record";
    enum ap_code code =
        ap_schema_read(e, &s->tree, n, what, &(struct ap_keyset){REPORT_KEYS, N(REPORT_KEYS), &k}, 1);
    r->name = k.name;
    r->at = n->at;
    r->every = k.every;
    r->limit = k.limit;
    if (!k.compartments)
        return code;
    if (k.of && read_selections(e, s, k.of, what, &r->of, &r->n_of) != AP_OK)
        code = AP_EUSAGE;
    if (ap_spec_during(e, s, k.during, what, &r->during) != AP_OK)
        code = AP_EUSAGE;
    for (int i = 0; i < r->n_of; i++)
        for (int j = 0; j < i; j++)
            if (r->of[i].pop == r->of[j].pop)
                code = ap_err_add(e, AP_EUSAGE, &k.of->at, "make another report of it",
                                  "record: population %s is named twice", s->pop[r->of[i].pop].name);
    bool all = k.compartments->kind == AP_NODE_SCALAR && strcmp(k.compartments->text, "all") == 0;
    r->compartment =
        ap_mem_arena_take(e, &s->tree.arena, (size_t)items(k.compartments) + 1, sizeof *r->compartment);
    if (!r->compartment)
        return AP_EMEMORY;
    for (int i = 0; !all && i < items(k.compartments); i++) {
        struct ap_node *c = item(k.compartments, i);
        AP_TRY(ap_schema_expect(e, c, what, AP_NODE_SCALAR));
        bool known = false;
        for (int o = 0; o < r->n_of; o++)
            known = known || ap_spec_compartment(s, r->of[o].pop, c->text) >= 0;
        if (!known && code == AP_OK)
            code = ap_err_add(e, AP_EUSAGE, &c->at,
                              "`apical info cell` lists the compartments of built-in cells",
                              "record: none of the populations has a compartment '%s'", c->text);
        r->compartment[r->n_compartment++] = c->text;
    }
    for (int b = 0; b < s->n_block; b++) {
        double ratio = s->block[b].duration / r->every;
        if (r->during[b] && r->every > 0 && s->block[b].name && s->block[b].duration > 0 &&
            (ratio < 1 - 1e-9 || fabs(ratio - round(ratio)) > 1e-9 * ratio))
            code = ap_err_add(e, AP_EUSAGE, &ap_yamlin_child(n, "every")->at,
                              "choose an `every` that divides the duration",
                              "record: %g ms does not divide the %g ms of block '%s'", r->every,
                              s->block[b].duration, s->block[b].name);
    }
    return code;
}

/* ---- probes ---------------------------------------------------------------------------------------- */

struct probe_keys {
    const char *name, *kind, *of, *target, *projection, *other;
};
#define OF(field) offsetof(struct probe_keys, field)
static const struct ap_key PROBE_KEYS[] = {
    {"kind", AP_KEY_NAME, AP_DIM_NONE, OF(kind), AP_REQUIRED, 0, 0, NULL,
     "a probe by name: `apical info probe`"},
    {"name", AP_KEY_NAME, AP_DIM_NONE, OF(name), AP_ABSENT, 0, 0, NULL,
     "of the column; kind and subject when absent"},
};
static const struct ap_key PROBE_OF = {
    "of", AP_KEY_TEXT, AP_DIM_NONE, OF(of), AP_REQUIRED, 0, 0, NULL, "population, or population/compartment"};
static const struct ap_key PROBE_TARGET = {
    "target", AP_KEY_TEXT, AP_DIM_NONE, OF(target), "target", 0, 0, NULL, "population that holds the target"};
static const struct ap_key PROBE_PROJ = {
    "projection", AP_KEY_TEXT, AP_DIM_NONE, OF(projection), AP_REQUIRED, 0, 0, NULL, "name of a projection"};
static const struct ap_key PROBE_OTHER = {"other",   AP_KEY_TEXT, AP_DIM_NONE,
                                          OF(other), AP_REQUIRED, 0,
                                          0,         NULL,        "name of the projection to compare with"};
#undef OF

enum ap_code ap_spec_need_projection(struct ap_err *e, const struct ap_spec *s, struct ap_node *n,
                                     const char *what, int *out)
{
    *out = ap_spec_projection(s, n->text);
    if (*out >= 0)
        return AP_OK;
    if (!s->n_pop)
        return AP_EUSAGE; /* reported where the populations are missing */
    const char *names[64];
    int count = 0;
    for (int i = 0; i < s->n_proj && count < 64; i++)
        if (s->proj[i].name)
            names[count++] = s->proj[i].name;
    char hint[AP_ERR_HINT];
    return ap_err_add(e, AP_EUSAGE, &n->at, ap_schema_suggest(n->text, names, count, hint),
                      "%s: there is no projection '%s'", what, n->text);
}

/* A probe beside the gradient: a hidden layer, or a matrix, of the feedforward network that must be there. */
static enum ap_code check_pathway(struct ap_err *e, const struct ap_spec *s, const struct ap_probe_spec *p,
                                  const struct ap_node *n, const char *what)
{
    struct ap_pathway path;
    if (!s->network_known)
        return AP_EUSAGE; /* reported where it is wrong */
    AP_TRY(ap_pathway_find(e, &n->at, s, &path));
    if (p->row->needs & AP_PROBE_HIDDEN) {
        int k = ap_pathway_of_population(&path, p->of.pop);
        if (k > 0 && k < path.n)
            return AP_OK;
        return ap_err_add(
            e, AP_EUSAGE, &ap_yamlin_child(n, "of")->at,
            path.n > 1 ? "name a hidden layer, for example hidden1.pyr" : "there is no hidden layer",
            "%s: %s is no hidden layer with an apical dendrite between %s and %s", what,
            s->pop[p->of.pop].name, s->pop[path.layer[0].pop].name, s->pop[path.layer[path.n].pop].name);
    }
    const struct ap_place *at = &ap_yamlin_child(n, "projection")->at;
    if (ap_pathway_of_projection(&path, p->proj) < 0)
        return ap_err_add(e, AP_EUSAGE, at, "name a forward matrix, for example forward1",
                          "%s: %s is no matrix of the feedforward network", what, s->proj[p->proj].name);
    if (!s->proj[p->proj].rule.present)
        return ap_err_add(e, AP_EUSAGE, at, "give it a rule", "%s: %s has no plasticity rule", what,
                          s->proj[p->proj].name);
    return AP_OK;
}

static enum ap_code check_probe(struct ap_err *e, const struct ap_spec *s, const struct ap_probe_spec *p,
                                const struct ap_node *n, const char *what)
{
    int needs = p->row->needs;
    if ((needs & AP_PROBE_COMP) && p->of.comp < 0)
        return ap_err_add(e, AP_EUSAGE, &ap_yamlin_child(n, "of")->at, "for example `of: hidden1.pyr/apical`",
                          "%s: `of` must name a compartment", what);
    int64_t left = s->pop[p->of.pop].n, right = s->pop[p->target.pop].n;
    if ((needs & AP_PROBE_TARGET) && left != right && left > 0 && right > 0)
        return ap_err_add(
            e, AP_EUSAGE, &ap_yamlin_child(n, "of")->at, "name another population with `of` or `target`",
            "%s: neuron i is compared with neuron i, but %s has %lld neurons and %s %lld", what,
            s->pop[p->of.pop].name, (long long)left, s->pop[p->target.pop].name, (long long)right);
    bool driven = false;
    for (int i = 0; i < s->n_stim; i++)
        driven = driven || (s->stim[i].pop == p->of.pop && s->stim[i].p.read);
    if ((needs & AP_PROBE_CURSOR) && !driven)
        return !s->stim_known ? AP_EUSAGE /* reported with the stimuli */
                              : ap_err_add(e, AP_EUSAGE, &ap_yamlin_child(n, "of")->at,
                                           "name a population that a stimulus of kind `cursor` drives",
                                           "%s: no cursor drives %s", what, s->pop[p->of.pop].name);
    if (needs & (AP_PROBE_HIDDEN | AP_PROBE_FORWARD))
        return check_pathway(e, s, p, n, what);
    if ((needs & AP_PROBE_PROJ) && !(needs & AP_PROBE_OTHER) && s->proj[p->proj].connect != AP_CONNECT_ONE)
        return ap_err_add(e, AP_EUSAGE, &ap_yamlin_child(n, "projection")->at,
                          "name a nudging, for example nudge1", "%s: %s is not one-to-one", what,
                          s->proj[p->proj].name);
    if (needs & AP_PROBE_OTHER) {
        const struct ap_proj_spec *a = &s->proj[p->proj], *b = &s->proj[p->other];
        if (a->pre < 0 || a->post < 0 || b->pre < 0 || b->post < 0)
            return AP_EUSAGE; /* reported with the projection */
        bool fits = s->pop[a->pre].n == s->pop[b->post].n && s->pop[a->post].n == s->pop[b->pre].n &&
                    !a->nudges && !b->nudges;
        if (fits && (a->connect != AP_CONNECT_DENSE || b->connect != AP_CONNECT_DENSE))
            return ap_err_add(e, AP_EUSAGE, &ap_yamlin_child(n, "other")->at, "compare two matrices",
                              "%s: %s and %s must both be dense", what, a->name, b->name);
        if (!fits)
            return ap_err_add(e, AP_EUSAGE, &ap_yamlin_child(n, "other")->at,
                              "for example the forward projection of the same two layers",
                              "%s: the weights of %s do not have the size of those of %s transposed", what,
                              b->name, a->name);
    }
    return AP_OK;
}

static enum ap_code read_probe(struct ap_err *e, struct ap_spec *s, struct ap_probe_spec *p,
                               struct ap_node *n)
{
    struct probe_keys k = {0};
    AP_TRY(ap_schema_expect(e, n, "probes", AP_NODE_MAP));
    struct ap_node *kind = ap_yamlin_child(n, "kind");
    const struct ap_probe_row *row = NULL;
    if (kind && kind->kind == AP_NODE_SCALAR) {
        row = (const struct ap_probe_row *)ap_registry_need(e, &ap_probe_table, &kind->at, "probes",
                                                            kind->text);
        if (!row)
            return AP_EUSAGE;
    }
    int needs = row ? row->needs : 0;
    char what[AP_ERR_PATH];
    snprintf(what, sizeof what, "probe %s", row ? row->row.name : "");
    const struct ap_keyset sets[] = {
        {PROBE_KEYS, N(PROBE_KEYS), &k},
        {&PROBE_OF, (needs & (AP_PROBE_POP | AP_PROBE_COMP)) != 0, &k},
        {&PROBE_TARGET, (needs & AP_PROBE_TARGET) != 0, &k},
        {&PROBE_PROJ, (needs & AP_PROBE_PROJ) != 0, &k},
        {&PROBE_OTHER, (needs & AP_PROBE_OTHER) != 0, &k},
    };
    enum ap_code code = ap_schema_read(e, &s->tree, n, what, sets, 5);
    p->row = row;
    p->at = n->at;
    p->proj = p->other = -1;
    if (!row)
        return code;
    if (k.of && ap_spec_select(e, s, &ap_yamlin_child(n, "of")->at, what, k.of, &p->of) != AP_OK)
        code = AP_EUSAGE;
    if (k.target &&
        ap_spec_select(e, s, &ap_yamlin_child(n, "target")->at, what, k.target, &p->target) != AP_OK)
        code = AP_EUSAGE;
    if (k.projection &&
        ap_spec_need_projection(e, s, ap_yamlin_child(n, "projection"), what, &p->proj) != AP_OK)
        code = AP_EUSAGE;
    if (k.other && ap_spec_need_projection(e, s, ap_yamlin_child(n, "other"), what, &p->other) != AP_OK)
        code = AP_EUSAGE;
    if (!k.name) {
        char name[192];
        snprintf(name, sizeof name, "%s %s", row->row.name, k.of ? k.of : k.projection ? k.projection : "");
        k.name = ap_mem_arena_text(e, &s->tree.arena, name, strlen(name));
    }
    p->name = k.name;
    if (!p->name)
        return AP_EMEMORY;
    return code == AP_OK ? check_probe(e, s, p, n, what) : code;
}

/* ---- figures --------------------------------------------------------------------------------------- */

/* Whether the file lists a probe of that name, even one that was refused. */
static bool was_written(const struct ap_spec *s, const char *probe)
{
    const struct ap_node *list = ap_yamlin_child(s->tree.root, "probes");
    bool found = false;
    for (int i = 0; list && i < list->n; i++) {
        const struct ap_node *name = ap_yamlin_child(list->child[i], "name");
        found = found || (name && strcmp(name->text, probe) == 0);
    }
    return found;
}

static enum ap_code resolve_names(struct ap_err *e, struct ap_spec *s, struct ap_node *n, const char *what,
                                  bool probes, int **out, int *count)
{
    *out = ap_mem_arena_take(e, &s->tree.arena, (size_t)items(n) + 1, sizeof **out);
    if (!*out)
        return AP_EMEMORY;
    enum ap_code code = AP_OK;
    for (int i = 0; i < items(n); i++) {
        struct ap_node *one = item(n, i);
        AP_TRY(ap_schema_expect(e, one, what, AP_NODE_SCALAR));
        int found = -1;
        if (!probes && ap_spec_need_projection(e, s, one, what, &found) != AP_OK)
            code = AP_EUSAGE;
        if (!probes && found >= 0 && s->proj[found].nudges)
            code = ap_err_add(e, AP_EUSAGE, &one->at, NULL, "%s: %s is a nudging and has no weights", what,
                              one->text);
        const char *names[64];
        for (int k = 0; probes && k < s->n_probe; k++) {
            if (strcmp(s->probe[k].name, one->text) == 0)
                found = k;
            if (k < 64)
                names[k] = s->probe[k].name;
        }
        char hint[AP_ERR_HINT];
        if (probes && found < 0 && was_written(s, one->text))
            code = AP_EUSAGE; /* reported with the probe */
        else if (probes && found < 0)
            code = ap_err_add(e, AP_EUSAGE, &one->at,
                              ap_schema_suggest(one->text, names, s->n_probe < 64 ? s->n_probe : 64, hint),
                              "%s: there is no probe '%s'", what, one->text);
        (*out)[(*count)++] = found;
    }
    return code;
}

static enum ap_code resolve_readouts(struct ap_err *e, struct ap_spec *s, struct ap_figure_spec *f,
                                     const char *what)
{
    struct ap_node *n = f->readout_node;
    f->readout = ap_mem_arena_take(e, &s->tree.arena, (size_t)items(n) + 1, sizeof *f->readout);
    if (!f->readout)
        return AP_EMEMORY;
    for (int i = 0; i < items(n); i++) {
        struct ap_node *one = item(n, i);
        AP_TRY(ap_schema_expect(e, one, what, AP_NODE_SCALAR));
        const char *names[64];
        int found = -1, count = s->n_readout < 64 ? s->n_readout : 64;
        for (int k = 0; k < s->n_readout; k++)
            found = strcmp(s->readout[k].name, one->text) == 0 ? k : found;
        for (int k = 0; k < count; k++)
            names[k] = s->readout[k].name;
        char hint[AP_ERR_HINT];
        if (found < 0)
            return ap_err_add(e, AP_EUSAGE, &one->at, ap_schema_suggest(one->text, names, count, hint),
                              "%s: there is no readout '%s'", what, one->text);
        f->readout[f->n_readout++] = found;
    }
    return AP_OK;
}

struct figure_keys {
    const char *kind, *name, *title;
};
#define OF(field) offsetof(struct figure_keys, field)
static const struct ap_key FIGURE_KEYS[] = {
    {"kind", AP_KEY_NAME, AP_DIM_NONE, OF(kind), AP_REQUIRED, 0, 0, NULL,
     "a figure by name: `apical info figure`"},
    {"name", AP_KEY_NAME, AP_DIM_NONE, OF(name), AP_ABSENT, 0, 0, NULL,
     "of the PNG file; from kind and subject when absent"},
    {"title", AP_KEY_TEXT, AP_DIM_NONE, OF(title), AP_ABSENT, 0, 0, NULL,
     "headline; from kind and subject when absent"},
};
#undef OF

/* A file name that no earlier figure has: kind-of, then kind-of-2. */
static enum ap_code name_figure(struct ap_err *e, struct ap_spec *s, struct ap_figure_spec *f,
                                const char *given, const struct ap_place *at)
{
    char base[AP_ERR_PATH], name[AP_ERR_PATH + 16];
    if (given)
        snprintf(base, sizeof base, "%s", given);
    else if (f->n_of == 1)
        snprintf(base, sizeof base, "%s-%s", f->row->row.name, s->pop[f->of[0].pop].name);
    else
        snprintf(base, sizeof base, "%s", f->row->row.name);
    snprintf(name, sizeof name, "%s", base);
    for (int i = 2, taken = 1; taken; i++) {
        taken = 0;
        for (int k = 0; k < s->n_figure; k++)
            taken =
                taken || (&s->figure[k] != f && s->figure[k].name && strcmp(s->figure[k].name, name) == 0);
        if (taken && given)
            return ap_err_add(e, AP_EUSAGE, at, "names must differ", "two figures are called '%s'", given);
        if (taken)
            snprintf(name, sizeof name, "%s-%d", base, i);
    }
    f->name = ap_mem_arena_text(e, &s->tree.arena, name, strlen(name));
    return f->name ? AP_OK : AP_EMEMORY;
}

static enum ap_code read_figure(struct ap_err *e, struct ap_spec *s, struct ap_figure_spec *f,
                                struct ap_node *n, bool probes_known)
{
    struct figure_keys k = {0};
    AP_TRY(ap_schema_expect(e, n, "figures", AP_NODE_MAP));
    struct ap_node *kind = ap_yamlin_child(n, "kind");
    const struct ap_row *row = NULL;
    if (kind && kind->kind == AP_NODE_SCALAR &&
        !(row = ap_registry_need(e, &ap_figure_table, &kind->at, "figures", kind->text)))
        return AP_EUSAGE;
    char what[AP_ERR_PATH];
    snprintf(what, sizeof what, "figure %s", row ? row->name : "");
    const struct ap_keyset sets[] = {{FIGURE_KEYS, N(FIGURE_KEYS), &k},
                                     {row ? row->keys : NULL, row ? row->n_keys : 0, f}};
    enum ap_code code = ap_schema_read(e, &s->tree, n, what, sets, 2);
    if (!row)
        return code;
    f->row = (const struct ap_figure_row *)row;
    f->at = n->at;
    f->title = k.title;
    if (f->of_node && read_selections(e, s, f->of_node, what, &f->of, &f->n_of) != AP_OK)
        code = AP_EUSAGE;
    if (f->proj_node && resolve_names(e, s, f->proj_node, what, false, &f->proj, &f->n_proj) != AP_OK)
        code = AP_EUSAGE;
    if (f->probe_node && resolve_names(e, s, f->probe_node, what, true, &f->probe, &f->n_probe) != AP_OK)
        code = AP_EUSAGE;
    if (f->readout_node && probes_known && resolve_readouts(e, s, f, what) != AP_OK)
        code = AP_EUSAGE;
    if (ap_spec_during(e, s, f->during_node, what, &f->during) != AP_OK)
        code = AP_EUSAGE;
    if (code == AP_OK && f->row->check && probes_known)
        code = f->row->check(e, s, f);
    struct ap_node *name = ap_yamlin_child(n, "name");
    return code == AP_OK ? name_figure(e, s, f, k.name, name ? &name->at : &f->at) : code;
}

enum ap_code ap_output_read(struct ap_err *e, struct ap_spec *s)
{
    struct ap_node *record, *probes, *figures;
    AP_TRY(ap_spec_list(e, s, "record", &record));
    AP_TRY(ap_spec_list(e, s, "probes", &probes));
    AP_TRY(ap_spec_list(e, s, "figures", &figures));
    s->report = ap_mem_arena_take(e, &s->tree.arena, (size_t)(record ? record->n : 0) + 1, sizeof *s->report);
    s->probe = ap_mem_arena_take(e, &s->tree.arena, (size_t)(probes ? probes->n : 0) + 1, sizeof *s->probe);
    s->figure =
        ap_mem_arena_take(e, &s->tree.arena, (size_t)(figures ? figures->n : 0) + 1, sizeof *s->figure);
    if (!s->report || !s->probe || !s->figure)
        return AP_EMEMORY;
    enum ap_code code = AP_OK;
    for (int i = 0; record && i < record->n; i++) {
        struct ap_report_spec *r = &s->report[s->n_report];
        *r = (struct ap_report_spec){0}; /* nothing of a refused one stays */
        enum ap_code one = read_report(e, s, r, record->child[i]);
        for (int k = 0; one == AP_OK && k < s->n_report; k++)
            if (strcmp(s->report[k].name, r->name) == 0)
                one = ap_err_add(e, AP_EUSAGE, &r->at, "give each a `name`", "two reports are called '%s'",
                                 r->name);
        if (one == AP_OK)
            s->n_report++;
        else
            *r = (struct ap_report_spec){0}; /* its place is the next one's */
        code = one != AP_OK ? one : code;
    }
    for (int i = 0; probes && i < probes->n; i++) {
        struct ap_probe_spec *p = &s->probe[s->n_probe];
        *p = (struct ap_probe_spec){0};
        enum ap_code one = read_probe(e, s, p, probes->child[i]);
        for (int k = 0; one == AP_OK && k < s->n_probe; k++)
            if (strcmp(s->probe[k].name, p->name) == 0)
                one = ap_err_add(e, AP_EUSAGE, &p->at, "give each a `name`", "two probes are called '%s'",
                                 p->name);
        if (one == AP_OK)
            s->n_probe++;
        else
            *p = (struct ap_probe_spec){0}; /* its place is the next one's */
        code = one != AP_OK ? one : code;
    }
    enum ap_code readouts = code == AP_OK && s->network_known ? ap_readout_read(e, s) : AP_OK;
    code = readouts != AP_OK ? readouts : code;
    bool probes_known = code == AP_OK && s->network_known;
    for (int i = 0; figures && i < figures->n; i++) {
        if (figures->child[i]->kind == AP_NODE_SCALAR) { /* `- weights` stands for `- {kind: weights}` */
            struct ap_node *kind = figures->child[i];
            struct ap_node *map = ap_yamlin_map(e, &s->tree, kind->at, true);
            AP_TRY(ap_yamlin_put(e, &s->tree, map, "kind", kind));
            figures->child[i] = map;
        }
        struct ap_figure_spec *f = &s->figure[s->n_figure];
        *f = (struct ap_figure_spec){0};
        enum ap_code one = read_figure(e, s, f, figures->child[i], probes_known);
        if (one == AP_OK)
            s->n_figure++;
        else
            *f = (struct ap_figure_spec){0};
        code = one != AP_OK ? one : code;
    }
    return code;
}

static const struct ap_row SECTIONS[] = {
    {"record", "potentials to be recorded", "", "", REPORT_KEYS, sizeof REPORT_KEYS / sizeof *REPORT_KEYS},
    {"probe", "a quantity per presentation, with the keys of its kind", "", "", PROBE_KEYS,
     sizeof PROBE_KEYS / sizeof *PROBE_KEYS},
    {"figure", "a picture, with the keys of its kind", "", "", FIGURE_KEYS,
     sizeof FIGURE_KEYS / sizeof *FIGURE_KEYS},
};

const struct ap_sections ap_output_sections = AP_SECTIONS(SECTIONS);
