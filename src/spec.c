/* spec.c: reading a circuit file from beginning to end.
 *
 * In:   a path or text, and `key.path=value` overrides.
 * Out:  struct ap_spec: checked, explicit, canonical; or every error of the file.
 * Invariants:
 *   1. The canonical text reads back to the same canonical text.
 *   2. A spec that is returned has no unresolved name.
 * Never: opens data files, allocates state.
 * Test: tests/unit/test_spec.c, tests/cli/bad/ */
#include "io.h"
#include "spec.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const POTENTIAL[] = {"dimensionless", "mV", NULL};

struct root_keys {
    int potential;
    struct ap_node *node[16];
};
#define OF(field) offsetof(struct ap_spec, field)
static const struct ap_key HEAD_KEYS[] = {
    {"version", AP_KEY_INTEGER, AP_DIM_NONE, OF(version), AP_REQUIRED, 1, 1, NULL, "of the format: 1"},
    {"name", AP_KEY_NAME, AP_DIM_NONE, OF(name), AP_REQUIRED, 0, 0, NULL, "of the circuit"},
    {"about", AP_KEY_TEXT, AP_DIM_NONE, OF(about), "", 0, 0, NULL, "one line on the experiment"},
    {"seed", AP_KEY_INTEGER, AP_DIM_NONE, OF(seed), "1", 0, INFINITY, NULL, "of all random numbers"},
    {"replicates", AP_KEY_NODE, AP_DIM_NONE, OF(replicates), AP_ABSENT, 0, 0, NULL,
     "how many seeds from `seed` on, or the list of them: each is a run of its own"},
};
#undef OF
#define ROOT(i) offsetof(struct root_keys, node) + (i) * sizeof(struct ap_node *)
static const struct ap_key ROOT_KEYS[] = {
    {"potential", AP_KEY_CHOICE, AP_DIM_NONE, offsetof(struct root_keys, potential), "dimensionless", 0, 0,
     POTENTIAL, "unit of all potentials"},
    {"cells", AP_KEY_NODE, AP_DIM_NONE, ROOT(0), "", 0, 0, NULL, "cells as trees of compartments"},
    {"populations", AP_KEY_NODE, AP_DIM_NONE, ROOT(1), "", 0, 0, NULL, "groups of equal cells"},
    {"projections", AP_KEY_NODE, AP_DIM_NONE, ROOT(2), "", 0, 0, NULL,
     "who projects to whom, with which rule"},
    {"stimuli", AP_KEY_NODE, AP_DIM_NONE, ROOT(3), "", 0, 0, NULL, "what drives clamped populations"},
    {"schedule", AP_KEY_NODE, AP_DIM_NONE, ROOT(4), "", 0, 0, NULL, "blocks of presentations"},
    {"integrator", AP_KEY_NODE, AP_DIM_NONE, ROOT(5), "", 0, 0, NULL, "method and tolerances"},
    {"interventions", AP_KEY_NODE, AP_DIM_NONE, ROOT(9), "", 0, 0, NULL,
     "what is done to the circuit, and when"},
    {"record", AP_KEY_NODE, AP_DIM_NONE, ROOT(6), "", 0, 0, NULL, "potentials to be recorded"},
    {"probes", AP_KEY_NODE, AP_DIM_NONE, ROOT(7), "", 0, 0, NULL, "quantities per presentation"},
    {"readouts", AP_KEY_NODE, AP_DIM_NONE, ROOT(10), "", 0, 0, NULL,
     "what an experimenter sees of dendrites and somata, as tables"},
    {"figures", AP_KEY_NODE, AP_DIM_NONE, ROOT(8), "", 0, 0, NULL, "pictures to be drawn"},
};
#define N(keys) ((int)(sizeof keys / sizeof *keys))

int ap_spec_population(const struct ap_spec *s, const char *name)
{
    for (int i = 0; i < s->n_pop; i++)
        if (strcmp(s->pop[i].name, name) == 0)
            return i;
    return -1;
}

int ap_spec_projection(const struct ap_spec *s, const char *name)
{
    for (int i = 0; i < s->n_proj; i++)
        if (s->proj[i].name && strcmp(s->proj[i].name, name) == 0)
            return i;
    return -1;
}

int ap_spec_compartment(const struct ap_spec *s, int pop, const char *name)
{
    if (s->pop[pop].cell < 0)
        return -1;
    const struct ap_cell_spec *cell = &s->cell[s->pop[pop].cell];
    for (int i = 0; i < cell->n_comp; i++)
        if (strcmp(cell->comp[i].name, name) == 0)
            return i;
    return -1;
}

double ap_spec_attenuation(const struct ap_spec *s, int pop, int comp)
{
    const struct ap_cell_spec *cell = &s->cell[s->pop[pop].cell];
    const struct ap_comp_spec *soma = &cell->comp[0], *c = &cell->comp[comp];
    double total = soma->leak.value, g = 0;
    for (int i = 0; i < soma->n_couple; i++) {
        total += soma->couple[i].conductance;
        if (soma->couple[i].from == comp)
            g = soma->couple[i].conductance;
    }
    double own = 1;
    if (c->kind == AP_COMP_DYNAMIC) {
        double sum = c->leak.value;
        for (int i = 0; i < c->n_couple; i++)
            sum += c->couple[i].conductance;
        own = sum > 0 ? c->drive.value / sum : 1;
    }
    return total > 0 ? g / total * own : 0;
}

/* A name up to '/', '[' or the end. */
static size_t name_length(const char *text)
{
    return strcspn(text, "/[");
}

enum ap_code ap_spec_select(struct ap_err *e, const struct ap_spec *s, const struct ap_place *at,
                            const char *what, const char *text, struct ap_selection *out)
{
    char pop[128], hint[AP_ERR_HINT];
    size_t length = name_length(text);
    snprintf(pop, sizeof pop, "%.*s", (int)(length < 120 ? length : 120), text);
    *out = (struct ap_selection){.pop = ap_spec_population(s, pop), .comp = -1};
    if (!s->n_pop)
        return AP_EUSAGE; /* reported where the populations are missing */
    if (out->pop < 0) {
        const char *names[64];
        int n = 0;
        for (; n < s->n_pop && n < 64; n++)
            names[n] = s->pop[n].name;
        return ap_err_add(e, AP_EUSAGE, at, ap_schema_suggest(pop, names, n, hint),
                          "%s: there is no population '%s'", what, pop);
    }
    out->last = s->pop[out->pop].n;
    const char *rest = text + length;
    if (*rest == '/') {
        char comp[128];
        rest++;
        length = strcspn(rest, "[");
        snprintf(comp, sizeof comp, "%.*s", (int)(length < 120 ? length : 120), rest);
        rest += length;
        out->comp = ap_spec_compartment(s, out->pop, comp);
        if (s->pop[out->pop].cell < 0)
            return AP_EUSAGE; /* reported with the population */
        if (out->comp < 0) {
            const struct ap_cell_spec *cell = &s->cell[s->pop[out->pop].cell];
            const char *names[32];
            int n = 0;
            for (; n < cell->n_comp && n < 32; n++)
                names[n] = cell->comp[n].name;
            return ap_err_add(e, AP_EUSAGE, at, ap_schema_suggest(comp, names, n, hint),
                              "%s: population %s has no compartment '%s'", what, pop, comp);
        }
    }
    if (*rest == 0)
        return AP_OK;
    long long first, last;
    int used = 0;
    if (sscanf(rest, "[%lld:%lld]%n", &first, &last, &used) != 2 || used == 0 || rest[used])
        return ap_err_add(e, AP_EUSAGE, at, "for example hidden1.pyr[0:3], the neurons 0, 1 and 2",
                          "%s: '%s' is not a selection", what, text);
    if (s->pop[out->pop].n == 0)
        return AP_EUSAGE; /* reported with the population */
    if (first < 0 || last <= first || last > s->pop[out->pop].n)
        return ap_err_add(e, AP_EUSAGE, at,
                          "neurons are counted from 0, and the last one named is not included",
                          "%s: '%s' selects outside the %lld neurons of %s", what, text,
                          (long long)s->pop[out->pop].n, pop);
    out->first = first;
    out->last = last;
    out->ranged = true;
    return AP_OK;
}

bool ap_spec_misspelt(const struct ap_spec *s, const char *section)
{
    const char *known[32];
    int n = 0;
    for (int i = 0; i < N(HEAD_KEYS); i++)
        known[n++] = HEAD_KEYS[i].name;
    for (int i = 0; i < N(ROOT_KEYS); i++)
        known[n++] = ROOT_KEYS[i].name;
    return ap_schema_misspelt(s->tree.root, section, known, n);
}

enum ap_code ap_spec_path(struct ap_err *e, const struct ap_spec *s, const char *file, char out[AP_ERR_PATH])
{
    bool as_written = file[0] == '/' || strcmp(s->folder, ".") == 0;
    return ap_io_join(e, out, AP_ERR_PATH, as_written ? "" : s->folder, file);
}

/* In the order of the file, each once, so that the first message is the first mistake. */
static void sort_errors(struct ap_err *e, int first, const char *file)
{
    for (int i = first + 1; e && i < e->n; i++) {
        struct ap_diag d = e->diag[i];
        int k = i;
        for (;
             k > first && strcmp(d.file, file) == 0 && strcmp(e->diag[k - 1].file, file) == 0 &&
             (e->diag[k - 1].line > d.line || (e->diag[k - 1].line == d.line && e->diag[k - 1].col > d.col));
             k--)
            e->diag[k] = e->diag[k - 1];
        e->diag[k] = d;
    }
    for (int i = first + 1; e && i < e->n;) { /* a map that two readers wanted is one mistake */
        const struct ap_diag *a = &e->diag[i - 1], *b = &e->diag[i];
        if (a->line == b->line && a->col == b->col && strcmp(a->file, b->file) == 0 &&
            strcmp(a->text, b->text) == 0) {
            memmove(e->diag + i, e->diag + i + 1, (size_t)(e->n - i - 1) * sizeof *e->diag);
            e->n--;
        } else
            i++;
    }
}

static void set_folder(struct ap_spec *s, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash)
        snprintf(s->folder, sizeof s->folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    else
        snprintf(s->folder, sizeof s->folder, ".");
}

/* A number of seeds, or their list. One run is what a file without the key says, so 1 is left out of the canonical form. */
static enum ap_code read_replicates(struct ap_err *e, struct ap_spec *s)
{
    const struct ap_node *n = s->replicates;
    if (!n)
        return AP_OK;
    const char *what = "replicates", *example = "for example `replicates: 5`, or `replicates: [1, 2, 3]`";
    bool list = n->kind == AP_NODE_LIST;
    int64_t count = n->n;
    if (n->kind == AP_NODE_MAP)
        return ap_err_add(e, AP_EUSAGE, &n->at, example, "%s: found a map, expected a number or a list",
                          what);
    if (!list)
        AP_TRY(ap_unit_integer(e, &n->at, what, n->text, 1, AP_SPEC_REPLICATES, &count));
    if (count == 0 || count > AP_SPEC_REPLICATES)
        return ap_err_add(e, AP_EUSAGE, &n->at, example, "%s: found %d seeds, expected 1 to %d", what, n->n,
                          AP_SPEC_REPLICATES);
    if (!list && count == 1) {
        ap_yamlin_drop(s->tree.root, "replicates");
        return AP_OK;
    }
    if (!list && s->seed > INT64_MAX - AP_SPEC_REPLICATES)
        return ap_err_add(e, AP_EUSAGE, &n->at, "begin with a smaller `seed`, or list the seeds",
                          "%s: %lld seeds from %lld on are too large", what, (long long)count,
                          (long long)s->seed);
    s->replicate = ap_mem_arena_take(e, &s->tree.arena, (size_t)count, sizeof *s->replicate);
    AP_TRY(s->replicate ? AP_OK : AP_EMEMORY);
    enum ap_code code = AP_OK;
    for (int i = 0; i < count; i++) {
        const struct ap_node *one = list ? n->child[i] : NULL;
        s->replicate[i] = s->seed + (list ? 0 : i);
        if (one && (ap_schema_expect(e, one, what, AP_NODE_SCALAR) != AP_OK ||
                    ap_unit_integer(e, &one->at, what, one->text, 0, INT64_MAX, &s->replicate[i]) != AP_OK)) {
            code = AP_EUSAGE;
            continue;
        }
        for (int k = 0; one && k < i; k++)
            if (s->replicate[k] == s->replicate[i])
                code = ap_err_add(e, AP_EUSAGE, &one->at, "each seed is one run",
                                  "%s: the seed %lld stands there twice", what, (long long)s->replicate[i]);
    }
    if (code != AP_OK)
        return code;
    s->n_replicate = (int)count;
    return AP_OK;
}

/* Everything is read even after an error, so that one run shows all errors; but a part that needs what an earlier part
 * could not give is left out, so that one mistake is one message. */
static enum ap_code read_all(struct ap_err *e, struct ap_spec *s)
{
    struct root_keys k = {0};
    const struct ap_node *first = s->tree.root->n ? s->tree.root->child[0] : NULL;
    if (!first || strcmp(first->key, "version") != 0)
        return ap_err_add(e, AP_EUSAGE, first ? &first->key_at : &s->tree.root->at,
                          "a circuit file begins with `version: 1`", "the first key must be 'version'");
    const struct ap_node *version = s->tree.root->child[0];
    if (version->kind != AP_NODE_SCALAR ||
        strcmp(version->text, "1") != 0) /* the rest may mean something else there */
        return ap_err_add(e, AP_EUSAGE, &version->at,
                          "use the apical that this file was written for, or `version: 1`",
                          "version: found %s, this apical (%s) reads version 1",
                          version->kind == AP_NODE_SCALAR ? version->text : "no number", AP_VERSION);
    enum ap_code code = ap_expand_microcircuit(e, &s->tree);
    const struct ap_keyset sets[] = {{HEAD_KEYS, N(HEAD_KEYS), s}, {ROOT_KEYS, N(ROOT_KEYS), &k}};
    bool expanded = code == AP_OK;
    if (!expanded) { /* what the shorthand would have defined is unknown: names of populations are not judged */
        struct ap_node *n;
        static const char *const SHORT[] = {"microcircuit", "stimulus", "target"};
        for (int i = 0; i < 3; i++)
            if ((n = ap_yamlin_child(s->tree.root, SHORT[i])))
                ap_yamlin_drop(s->tree.root, SHORT[i]);
    }
    enum ap_code one = ap_schema_read(e, &s->tree, s->tree.root, "circuit", sets, 2);
    code = one != AP_OK ? one : code;
    s->physical = k.potential == 1;
    one = one == AP_OK ? read_replicates(e, s) : AP_OK;
    code = one != AP_OK ? one : code;
    one = ap_cell_read(e, s);
    code = one != AP_OK ? one : code;
    if (expanded) {
        one = ap_network_read(e, s);
        code = one != AP_OK ? one : code;
    }
    s->network_known = code == AP_OK;
    one = ap_schedule_read(e, s);
    code = one != AP_OK ? one : code;
    one = ap_intervention_read(e, s);
    code = one != AP_OK ? one : code;
    one = ap_output_read(e, s);
    code = one != AP_OK ? one : code;
    return code == AP_OK ? ap_schedule_check_batches(e, s) : code;
}

static struct ap_spec *finish(struct ap_err *e, struct ap_spec *s, const char *const *sets, int n_sets,
                              enum ap_code code)
{
    for (int i = 0, read = code == AP_OK; read && i < n_sets; i++) {
        enum ap_code one = ap_yamlin_set(e, &s->tree, sets[i]);
        code = one != AP_OK ? one : code;
    }
    int first = e ? e->n : 0;
    if (code == AP_OK)
        code = read_all(e, s);
    sort_errors(e, first, s->file);
    if (code == AP_OK && !(s->canonical = ap_yamlin_text(e, s->tree.root)))
        code = AP_EMEMORY;
    if (code == AP_OK)
        return s;
    ap_spec_free(s);
    return NULL;
}

struct ap_spec *ap_spec_parse(const char *file, const char *text, size_t size, const char *const *sets,
                              int n_sets, struct ap_err *e)
{
    struct ap_spec *s = ap_mem_array(e, 1, sizeof *s, "circuit description");
    if (!s)
        return NULL;
    s->file = file;
    set_folder(s, file);
    return finish(e, s, sets, n_sets, ap_yamlin_parse(e, &s->tree, file, text, size));
}

struct ap_spec *ap_spec_read(const char *path, const char *const *sets, int n_sets, struct ap_err *e)
{
    struct ap_spec *s = ap_mem_array(e, 1, sizeof *s, "circuit description");
    if (!s)
        return NULL;
    set_folder(s, path);
    enum ap_code code = ap_yamlin_read(e, &s->tree, path);
    s->file = code == AP_OK ? s->tree.root->at.file : path;
    return finish(e, s, sets, n_sets, code);
}

void ap_spec_free(struct ap_spec *s)
{
    if (!s)
        return;
    ap_yamlin_free(&s->tree);
    ap_mem_free(s->canonical);
    ap_mem_free(s);
}

/* A node with `before` file `after` as text, the file named from the root; the node itself when it is already. */
static struct ap_node *absolute(struct ap_err *e, struct ap_tree *t, struct ap_node *n, const char *folder,
                                const char *before, const char *file, const char *after)
{
    return file[0] == '/' ? n : ap_yamlin_scalar(e, t, n->at, "%s%s/%s%s", before, folder, file, after);
}

char *ap_spec_movable_text(struct ap_err *e, const struct ap_spec *s)
{
    char folder[PATH_MAX], after[AP_CALL_TEXT + 8];
    if (!realpath(s->folder, folder))
        return ap_mem_text(e, s->canonical, strlen(s->canonical));
    struct ap_tree copy = {0};
    enum ap_code code = ap_yamlin_parse(e, &copy, s->file, s->canonical, strlen(s->canonical));
    const struct ap_node *stimuli = code == AP_OK ? ap_yamlin_child(copy.root, "stimuli") : NULL;
    const struct ap_node *projections = code == AP_OK ? ap_yamlin_child(copy.root, "projections") : NULL;
    for (int i = 0; stimuli && i < stimuli->n && code == AP_OK; i++) {
        struct ap_node *file = ap_yamlin_child(stimuli->child[i], "file");
        if (file)
            code = ap_yamlin_put(e, &copy, stimuli->child[i], "file",
                                 absolute(e, &copy, file, folder, "", file->text, ""));
    }
    for (int i = 0; projections && i < projections->n && code == AP_OK; i++) {
        struct ap_node *weights = ap_yamlin_child(projections->child[i], "weights");
        const struct ap_init_spec *in = &s->proj[i].init;
        if (!weights || !in->file)
            continue;
        snprintf(after, sizeof after, ", %s)", in->dataset);
        code = ap_yamlin_put(e, &copy, projections->child[i], "weights",
                             absolute(e, &copy, weights, folder, "file(", in->file, after));
    }
    char *text = code == AP_OK ? ap_yamlin_text(e, copy.root) : NULL;
    ap_yamlin_free(&copy);
    return text;
}

const char *ap_spec_text(const struct ap_spec *s)
{
    return s->canonical;
}

const char *ap_spec_name(const struct ap_spec *s)
{
    return s->name;
}

static const struct ap_row SECTIONS[] = {
    {"head", "what a circuit file begins with", "", "", HEAD_KEYS, sizeof HEAD_KEYS / sizeof *HEAD_KEYS},
    {"circuit", "the parts of a circuit file; `microcircuit`, `stimulus` and `target` are the short form", "",
     "", ROOT_KEYS, sizeof ROOT_KEYS / sizeof *ROOT_KEYS},
};

const struct ap_sections ap_spec_sections = AP_SECTIONS(SECTIONS);
