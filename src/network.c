/* network.c: populations and projections of a circuit file.
 *
 * In:   the tree, spec->cell[].
 * Out:  spec->pop[], spec->proj[], names resolved to indices.
 * Invariants:
 *   1. A rule names signals of its own two populations and nothing else.
 *   2. Sizes of one-to-one projections and of weights taken from other projections match.
 *   3. Every error of every population and projection is reported in one run.
 * Never: allocates weights (circuit.c does).
 * Test: tests/unit/test_spec.c, tests/cli/bad/ */
#include "rule.h"
#include "signal.h"
#include "spec.h"
#include "weights.h"

#include <math.h>
#include <string.h>

static enum ap_code unknown(struct ap_err *e, const struct ap_place *at, const char *what, const char *thing,
                            const char *name, const char *const *names, int n)
{
    char hint[AP_ERR_HINT];
    return ap_err_add(e, AP_EUSAGE, at, ap_schema_suggest(name, names, n, hint), "%s: there is no %s '%s'",
                      what, thing, name);
}

/* ---- populations ----------------------------------------------------------------------------------- */

struct pop_keys {
    const char *cell, *transfer;
    int64_t size;
    double noise;
};
#define OF(field) offsetof(struct pop_keys, field)
static const struct ap_key POP_KEYS[] = {
    {"cell", AP_KEY_NAME, AP_DIM_NONE, OF(cell), AP_REQUIRED, 0, 0, NULL,
     "a cell of `cells:` or a built-in one"},
    {"size", AP_KEY_INTEGER, AP_DIM_NONE, OF(size), AP_REQUIRED, 1, 10000000, NULL, "number of neurons"},
    {"transfer", AP_KEY_TEXT, AP_DIM_NONE, OF(transfer), AP_ABSENT, 0, 0, NULL,
     "transfer function from soma potential to rate; logistic, for clamped cells linear"},
    {"noise", AP_KEY_NUMBER, AP_DIM_NOISE, OF(noise), "0 /sqrt(ms)", 0, INFINITY, NULL,
     "amplitude sigma of the noise current of the soma"},
};
#undef OF

/* softplus(0.1, 1, 3) */
enum ap_code ap_network_transfer(struct ap_err *e, const struct ap_place *at, const char *what,
                                 const char *text, const struct ap_transfer_row **row,
                                 double param[AP_TRANSFER_PARAMS])
{
    struct ap_call call;
    AP_TRY(ap_unit_call(e, at, what, text, &call));
    const struct ap_transfer_row *r =
        (const struct ap_transfer_row *)ap_registry_need(e, &ap_transfer_table, at, what, call.name);
    if (!r)
        return AP_EUSAGE;
    if (call.n_args != 0 && call.n_args != r->n_params)
        return ap_err_add(e, AP_EUSAGE, at, r->row.doc, "%s: %s takes %d parameters or none, found %d", what,
                          call.name, r->n_params, call.n_args);
    for (int i = 0; i < r->n_params; i++) {
        param[i] = r->fallback[i];
        if (call.n_args == 0)
            continue;
        struct ap_quantity q;
        AP_TRY(ap_unit_read(e, at, what, call.arg[i], AP_DIM_NONE, &q));
        if (q.value < r->min[i] || q.value > r->max[i])
            return ap_err_add(e, AP_EUSAGE, at, NULL, "%s: %s of %s is %s, expected %g to %g", what,
                              r->param[i], call.name, call.arg[i], r->min[i], r->max[i]);
        param[i] = q.value;
    }
    *row = r;
    return AP_OK;
}

static int find_cell(const struct ap_spec *s, const char *name)
{
    for (int i = 0; i < s->n_cell; i++)
        if (s->cell[i].name && strcmp(s->cell[i].name, name) == 0)
            return i;
    return -1;
}

static enum ap_code read_population(struct ap_err *e, struct ap_spec *s, struct ap_pop_spec *p,
                                    struct ap_node *n)
{
    char what[AP_ERR_PATH];
    struct pop_keys k = {0};
    p->name = n->key;
    p->at = n->key_at;
    p->cell = -1;
    p->n = 0; /* unknown, as long as `size` was not read */
    snprintf(what, sizeof what, "population %s", n->key);
    AP_TRY(ap_schema_name(e, &n->key_at, "populations", n->key));
    enum ap_code code = ap_schema_read(
        e, &s->tree, n, what, &(struct ap_keyset){POP_KEYS, sizeof POP_KEYS / sizeof *POP_KEYS, &k}, 1);
    p->n = k.size;
    p->noise = k.noise;
    if (k.cell && (p->cell = find_cell(s, k.cell)) >= 0 && s->cell[p->cell].n_comp == 0) {
        p->cell = -1; /* reported with the cell */
        code = AP_EUSAGE;
    } else if (k.cell && p->cell < 0) {
        const char *names[64];
        int count = 0;
        for (int i = 0; i < s->n_cell && count < 32; i++)
            names[count++] = s->cell[i].name;
        for (int i = 0; i < ap_cell_table.n && count < 64; i++)
            if (find_cell(s, ap_registry_row(&ap_cell_table, i)->name) < 0)
                names[count++] = ap_registry_row(&ap_cell_table, i)->name;
        code = unknown(e, &ap_yamlin_child(n, "cell")->at, what, "cell", k.cell, names, count);
    }
    bool clamped = p->cell >= 0 && s->cell[p->cell].comp[0].kind == AP_COMP_CLAMPED;
    if (!k.transfer && code == AP_OK) {
        k.transfer = clamped ? "linear" : "logistic";
        AP_TRY(ap_yamlin_put(e, &s->tree, n, "transfer",
                             ap_yamlin_scalar(e, &s->tree, n->at, "%s", k.transfer)));
    }
    if (k.transfer && ap_network_transfer(e, &ap_yamlin_child(n, "transfer")->at, what, k.transfer,
                                          &p->transfer, p->transfer_param) != AP_OK)
        code = AP_EUSAGE;
    if (clamped && p->noise > 0)
        code = ap_err_add(e, AP_EUSAGE, &ap_yamlin_child(n, "noise")->at,
                          "add the noise to the population it projects to",
                          "%s: a clamped population has no noise", what);
    return code;
}

/* ---- projections ----------------------------------------------------------------------------------- */

static const char *const CONNECT[] = {"dense", "one-to-one", NULL};
static const char *const FORM[] = {"current", "conductance", NULL};
static const char *const GATE[] = {"always", "teacher", NULL};

struct proj_keys {
    const char *name, *from, *to, *weights;
    struct ap_node *rule;
    struct ap_quantity conductance;
    int connect, form, gate;
    double reversal[2];
};
#define OF(field) offsetof(struct proj_keys, field)
static const struct ap_key PROJ_KEYS[] = {
    {"name", AP_KEY_NAME, AP_DIM_NONE, OF(name), AP_REQUIRED, 0, 0, NULL, "name of the projection"},
    {"from", AP_KEY_TEXT, AP_DIM_NONE, OF(from), AP_REQUIRED, 0, 0, NULL,
     "population (its rate is sent) or population/compartment (its potential)"},
    {"to", AP_KEY_TEXT, AP_DIM_NONE, OF(to), AP_REQUIRED, 0, 0, NULL, "population/compartment"},
    {"connect", AP_KEY_CHOICE, AP_DIM_NONE, OF(connect), "dense", 0, 0, CONNECT, "dense or one-to-one"},
    {"weights", AP_KEY_TEXT, AP_DIM_NONE, OF(weights), AP_ABSENT, 0, 0, NULL,
     "how the weights start: `apical info init`"},
    {"rule", AP_KEY_NODE, AP_DIM_NONE, OF(rule), AP_ABSENT, 0, 0, NULL,
     "plasticity; without it the weights are fixed"},
    {"conductance", AP_KEY_QUANTITY, AP_DIM_CONDUCTANCE, OF(conductance), AP_ABSENT, AP_POSITIVE, INFINITY,
     NULL, "makes this a nudging: conductance * (potential of the source - potential of the target)"},
    {"form", AP_KEY_CHOICE, AP_DIM_NONE, OF(form), AP_ABSENT, 0, 0, FORM,
     "nudging as one current, or as excitatory and inhibitory conductances"},
    {"reversal", AP_KEY_PAIR, AP_DIM_POTENTIAL, OF(reversal), AP_ABSENT, 0, 0, NULL,
     "[inhibitory, excitatory] reversal potentials of the conductance form"},
    {"gate", AP_KEY_CHOICE, AP_DIM_NONE, OF(gate), AP_ABSENT, 0, 0, GATE,
     "when nudging acts: always, or with the teacher"},
};
#undef OF

struct rule_keys {
    const char *kind, *post, *pre;
};
#define OF(field) offsetof(struct rule_keys, field)
static const struct ap_key RULE_KEYS[] = {
    {"kind", AP_KEY_NAME, AP_DIM_NONE, OF(kind), "product", 0, 0, NULL, "a rule by name: `apical info rule`"},
    {"post", AP_KEY_TEXT, AP_DIM_NONE, OF(post), AP_ABSENT, 0, 0, NULL,
     "signal of the postsynaptic population"},
    {"pre", AP_KEY_TEXT, AP_DIM_NONE, OF(pre), AP_ABSENT, 0, 0, NULL, "signal of the presynaptic population"},
};
#undef OF

/* "population/compartment"; *comp is -1 when no compartment is named. */
static enum ap_code read_end(struct ap_err *e, const struct ap_spec *s, const struct ap_place *at,
                             const char *what, const char *text, int *pop, int *comp)
{
    struct ap_selection sel;
    *pop = *comp = -1;
    enum ap_code code = ap_spec_select(e, s, at, what, text, &sel);
    *pop = sel.pop;
    AP_TRY(code);
    if (sel.ranged)
        return ap_err_add(e, AP_EUSAGE, at, "split the population to connect a part of it",
                          "%s: a projection connects whole populations, found '%s'", what, text);
    *comp = sel.comp;
    return AP_OK;
}

static enum ap_code read_signal(struct ap_err *e, const struct ap_spec *s, const struct ap_place *at,
                                const char *what, const char *text, int pop, struct ap_signal_ref *out)
{
    if (strpbrk(text, "/"))
        return ap_err_add(
            e, AP_EUSAGE, at, "write the signal alone, for example `rate` or `dendritic-error(basal)`",
            "%s: '%s' names a population; a synapse sees only signals of its own two neurons", what, text);
    struct ap_call call;
    AP_TRY(ap_unit_call(e, at, what, text, &call));
    if (ap_spec_population(s, call.name) >= 0 ||
        (call.n_args == 1 && ap_spec_population(s, call.arg[0]) >= 0))
        return ap_err_add(
            e, AP_EUSAGE, at, "write the signal alone, for example `rate` or `dendritic-error(basal)`",
            "%s: '%s' names a population; a synapse sees only signals of its own two neurons", what, text);
    const struct ap_signal_row *row =
        (const struct ap_signal_row *)ap_registry_need(e, &ap_signal_table, at, what, call.name);
    if (!row)
        return AP_EUSAGE;
    out->row = row;
    out->comp = -1;
    if (call.n_args != (row->needs_comp ? 1 : 0))
        return ap_err_add(e, AP_EUSAGE, at, row->row.doc, "%s: the signal %s takes %s", what, call.name,
                          row->needs_comp ? "one compartment in parentheses" : "no argument");
    if (!row->needs_comp || pop < 0)
        return AP_OK;
    out->comp = ap_spec_compartment(s, pop, call.arg[0]);
    if (out->comp >= 0)
        return AP_OK;
    const struct ap_cell_spec *cell = s->pop[pop].cell >= 0 ? &s->cell[s->pop[pop].cell] : NULL;
    const char *names[32];
    int n = 0;
    for (; cell && n < cell->n_comp && n < 32; n++)
        names[n] = cell->comp[n].name;
    char hint[AP_ERR_HINT];
    return cell ? ap_err_add(e, AP_EUSAGE, at, ap_schema_suggest(call.arg[0], names, n, hint),
                             "%s: population %s has no compartment '%s', which the signal %s is about", what,
                             s->pop[pop].name, call.arg[0], call.name)
                : AP_EUSAGE;
}

static enum ap_code read_rule(struct ap_err *e, struct ap_spec *s, struct ap_proj_spec *p, struct ap_node *n)
{
    char what[AP_ERR_PATH];
    struct rule_keys k = {0};
    snprintf(what, sizeof what, "rule of %s", p->name ? p->name : "a projection without a name");
    p->rule.at = n->at;
    const struct ap_keyset sets[] = {
        {RULE_KEYS, sizeof RULE_KEYS / sizeof *RULE_KEYS, &k},
        {ap_rule_table.shared, ap_rule_table.n_shared, &p->rule},
    };
    enum ap_code code = ap_schema_read(e, &s->tree, n, what, sets, 2);
    if (!k.kind)
        return code;
    const struct ap_place *kind_at = &ap_yamlin_child(n, "kind")->at;
    const struct ap_rule_row *row =
        (const struct ap_rule_row *)ap_registry_need(e, &ap_rule_table, kind_at, what, k.kind);
    if (!row)
        return AP_EUSAGE;
    if (row->post && (k.post || k.pre))
        return ap_err_add(e, AP_EUSAGE, &ap_yamlin_child(n, k.post ? "post" : "pre")->key_at,
                          "drop `kind`, or drop `post` and `pre`",
                          "%s: the kind '%s' already says which signals are multiplied", what, k.kind);
    if (!row->post && (!k.post || !k.pre))
        return ap_err_add(e, AP_EUSAGE, &n->at,
                          "for example {post: dendritic-error(basal), pre: rate, rate: 0.001 /ms}",
                          "%s: `post` and `pre` signals are missing", what);
    const struct ap_place *post_at = row->post ? kind_at : &ap_yamlin_child(n, "post")->at;
    const struct ap_place *pre_at = row->post ? kind_at : &ap_yamlin_child(n, "pre")->at;
    enum ap_code post =
        read_signal(e, s, post_at, what, row->post ? row->post : k.post, p->post, &p->rule.post);
    enum ap_code pre = read_signal(e, s, pre_at, what, row->post ? row->pre : k.pre, p->pre, &p->rule.pre);
    p->rule.kind_name = row->row.name;
    p->rule.present = true;
    return post != AP_OK ? post : pre != AP_OK ? pre : code;
}

static enum ap_code read_nudge(struct ap_err *e, struct ap_spec *s, struct ap_proj_spec *p, struct ap_node *n,
                               const struct proj_keys *k, enum ap_code read, enum ap_code from,
                               const char *what)
{
    enum ap_code code = AP_OK;
    p->nudges = true;
    p->conductance = k->conductance.value;
    p->form = k->form;
    p->gate = k->gate;
    if (!ap_yamlin_child(n, "form"))
        AP_TRY(
            ap_yamlin_put(e, &s->tree, n, "form", ap_yamlin_scalar(e, &s->tree, n->at, "%s", FORM[p->form])));
    if (!ap_yamlin_child(n, "gate"))
        AP_TRY(
            ap_yamlin_put(e, &s->tree, n, "gate", ap_yamlin_scalar(e, &s->tree, n->at, "%s", GATE[p->gate])));
    p->reversal[0] = k->reversal[0];
    p->reversal[1] = k->reversal[1];
    if (k->weights || k->rule)
        code = ap_err_add(e, AP_EUSAGE, &ap_yamlin_child(n, k->weights ? "weights" : "rule")->key_at,
                          "remove `weights` and `rule`, or `conductance`",
                          "%s: nudging has a conductance, not weights or a rule", what);
    if (k->from && from == AP_OK && p->pre_comp < 0)
        code = ap_err_add(e, AP_EUSAGE, &ap_yamlin_child(n, "from")->at, "write population/soma",
                          "%s: nudging follows a potential; `from` must name a compartment", what);
    if (p->connect != AP_CONNECT_ONE && read == AP_OK)
        code = ap_err_add(e, AP_EUSAGE, &ap_yamlin_child(n, "connect")->at, "write `connect: one-to-one`",
                          "%s: nudging connects one to one", what);
    if (p->form == AP_NUDGE_CONDUCTANCE && !(p->reversal[0] < p->reversal[1]))
        code = ap_err_add(e, AP_EUSAGE, &n->at, "for example `reversal: [-1, 1]`",
                          "%s: the conductance form needs two different reversal potentials", what);
    if (p->post >= 0 && p->post_comp >= 0 && s->pop[p->post].cell >= 0) {
        const struct ap_comp_spec *c = &s->cell[s->pop[p->post].cell].comp[p->post_comp];
        if (c->kind != AP_COMP_DYNAMIC)
            code = ap_err_add(e, AP_EUSAGE, &ap_yamlin_child(n, "to")->at, "nudge the soma",
                              "%s: compartment '%s' has no capacitance, a current cannot flow into it", what,
                              c->name);
        else if (c->capacitance.physical != k->conductance.physical)
            code = ap_err_add(e, AP_EUSAGE, &ap_yamlin_child(n, "conductance")->at,
                              "capacitance in pF goes with nS",
                              "%s: the conductance and the cell are in different unit systems", what);
    }
    return code;
}

static enum ap_code read_init(struct ap_err *e, struct ap_spec *s, struct ap_proj_spec *p, struct ap_node *n,
                              const char *what)
{
    struct ap_call call;
    AP_TRY(ap_unit_call(e, &n->at, what, n->text, &call));
    const struct ap_init_row *row =
        (const struct ap_init_row *)ap_registry_need(e, &ap_init_table, &n->at, what, call.name);
    if (!row)
        return AP_EUSAGE;
    struct ap_init_spec *in = &p->init;
    in->row = row;
    in->at = n->at;
    in->other = -1;
    int fixed = (row->takes_projection ? 1 : 0) + (row->takes_file ? 2 : 0);
    int optional = row->takes_projection ? 1 : 0;
    if (call.n_args < fixed + row->n_numbers || call.n_args > fixed + row->n_numbers + optional)
        return ap_err_add(e, AP_EUSAGE, &n->at, row->row.doc, "%s: '%s' has the wrong number of arguments",
                          what, n->text);
    if (row->takes_file) {
        in->file = ap_mem_arena_text(e, &s->tree.arena, call.arg[0], strlen(call.arg[0]));
        in->dataset = ap_mem_arena_text(e, &s->tree.arena, call.arg[1], strlen(call.arg[1]));
        return in->file && in->dataset ? AP_OK : AP_EMEMORY;
    }
    if (row->takes_projection) {
        in->other = ap_spec_projection(s, call.arg[0]);
        if (in->other < 0) {
            const char *names[64];
            int count = 0;
            for (int i = 0; i < s->n_proj && count < 64; i++)
                if (s->proj[i].name)
                    names[count++] = s->proj[i].name;
            return unknown(e, &n->at, what, "projection", call.arg[0], names, count);
        }
    }
    in->number[0] = 1; /* the optional factor */
    for (int i = fixed; i < call.n_args; i++) {
        struct ap_quantity q;
        AP_TRY(ap_unit_read(e, &n->at, what, call.arg[i], AP_DIM_NONE, &q));
        in->number[in->n_numbers++] = q.value;
    }
    if (row->n_numbers == 2 && strcmp(row->row.name, "uniform") == 0 && in->number[0] > in->number[1])
        return ap_err_add(e, AP_EUSAGE, &n->at, "write the smaller value first",
                          "%s: low is greater than high in '%s'", what, n->text);
    if (strcmp(row->row.name, "normal") == 0 && in->number[1] < 0)
        return ap_err_add(e, AP_EUSAGE, &n->at, NULL, "%s: the standard deviation in '%s' is negative", what,
                          n->text);
    return AP_OK;
}

/* Groups of a contrast are whole numbers of presynaptic cells; after all projections are read. */
static enum ap_code check_contrast(struct ap_err *e, const struct ap_spec *s, const struct ap_proj_spec *p)
{
    const struct ap_init_spec *in = &p->init;
    if (!in->row || strcmp(in->row->row.name, "contrast") != 0 || in->n_numbers < 4 || p->pre < 0)
        return AP_OK;
    double first = in->number[0], second = in->number[2];
    if (first >= 0 && second >= 0 && first == floor(first) && second == floor(second) &&
        first + second <= (double)s->pop[p->pre].n && p->connect == AP_CONNECT_DENSE)
        return AP_OK;
    return ap_err_add(
        e, AP_EUSAGE, &in->at, "for example contrast(4, 1, 4, -1)",
        "weights of %s: found groups of %g and %g, expected whole numbers of the %lld cells of %s, "
        "connected densely",
        p->name, first, second, (long long)s->pop[p->pre].n, s->pop[p->pre].name);
}

/* Sizes and cycles of weights that are taken from other projections; after all projections are read. */
static enum ap_code check_init(struct ap_err *e, const struct ap_spec *s, const struct ap_proj_spec *p)
{
    const struct ap_init_spec *in = &p->init;
    if (!in->row || in->other < 0 || p->pre < 0 || p->post < 0)
        return AP_OK;
    const struct ap_proj_spec *o = &s->proj[in->other];
    if (o->pre < 0 || o->post < 0)
        return AP_OK;
    if (o->nudges)
        return ap_err_add(e, AP_EUSAGE, &in->at, NULL, "weights of %s: %s is a nudging and has no weights",
                          p->name, o->name);
    const struct ap_proj_spec *step = p;
    for (int i = 0; i <= s->n_proj && step->init.row && step->init.other >= 0; i++) {
        step = &s->proj[step->init.other];
        if (step == p)
            return ap_err_add(
                e, AP_EUSAGE, &in->at, "start one of them from numbers, for example uniform(-1, 1)",
                "weights of %s: projections take their weights from each other in a circle", p->name);
    }
    int64_t rows = s->pop[in->row->transposes ? o->pre : o->post].n;
    int64_t cols = s->pop[in->row->transposes ? o->post : o->pre].n;
    if (!rows || !cols || !s->pop[p->post].n || !s->pop[p->pre].n)
        return AP_OK; /* reported with the population */
    if (rows == s->pop[p->post].n && cols == s->pop[p->pre].n)
        return AP_OK;
    return ap_err_add(e, AP_EUSAGE, &in->at, "rows are postsynaptic, columns presynaptic neurons",
                      "weights of %s: %s gives %lld x %lld, this projection is %lld x %lld", p->name, o->name,
                      (long long)rows, (long long)cols, (long long)s->pop[p->post].n,
                      (long long)s->pop[p->pre].n);
}

static enum ap_code read_projection(struct ap_err *e, struct ap_spec *s, struct ap_proj_spec *p,
                                    struct ap_node *n)
{
    char what[AP_ERR_PATH];
    struct proj_keys k = {0};
    snprintf(what, sizeof what, "projection %s", p->name ? p->name : "");
    enum ap_code code = ap_schema_read(
        e, &s->tree, n, what, &(struct ap_keyset){PROJ_KEYS, sizeof PROJ_KEYS / sizeof *PROJ_KEYS, &k}, 1);
    p->connect = k.connect;
    enum ap_code read = code;
    enum ap_code from = AP_EUSAGE, to = AP_EUSAGE;
    if (k.from)
        from = read_end(e, s, &ap_yamlin_child(n, "from")->at, what, k.from, &p->pre, &p->pre_comp);
    if (k.to)
        to = read_end(e, s, &ap_yamlin_child(n, "to")->at, what, k.to, &p->post, &p->post_comp);
    code = from != AP_OK ? from : to != AP_OK ? to : code;
    if (k.to && to == AP_OK && p->post_comp < 0)
        code = ap_err_add(e, AP_EUSAGE, &ap_yamlin_child(n, "to")->at, "for example `to: hidden1.pyr/basal`",
                          "%s: `to` must name a compartment", what);
    if (p->pre >= 0 && p->pre_comp > 0 && s->pop[p->pre].cell >= 0 &&
        s->cell[s->pop[p->pre].cell].comp[p->pre_comp].kind == AP_COMP_INSTANTANEOUS)
        code =
            ap_err_add(e, AP_EUSAGE, &ap_yamlin_child(n, "from")->at, "send the soma's potential or the rate",
                       "%s: an instantaneous compartment cannot be sent", what);
    if (p->post >= 0 && p->post_comp >= 0 && s->pop[p->post].cell >= 0 &&
        s->cell[s->pop[p->post].cell].comp[p->post_comp].kind == AP_COMP_CLAMPED)
        code = ap_err_add(e, AP_EUSAGE, &ap_yamlin_child(n, "to")->at, "its potential is given by a stimulus",
                          "%s: a clamped population takes no input", what);
    if (p->connect == AP_CONNECT_ONE && p->pre >= 0 && p->post >= 0 &&
        s->pop[p->pre].n != s->pop[p->post].n && s->pop[p->pre].n && s->pop[p->post].n)
        code = ap_err_add(
            e, AP_EUSAGE, &ap_yamlin_child(n, "connect")->at, "make the sizes equal, or `connect: dense`",
            "%s: one-to-one needs equal sizes, %s has %lld and %s %lld", what, s->pop[p->pre].name,
            (long long)s->pop[p->pre].n, s->pop[p->post].name, (long long)s->pop[p->post].n);
    if (ap_yamlin_child(n, "conductance") && k.conductance.value > 0) {
        enum ap_code one = read_nudge(e, s, p, n, &k, read, from, what);
        return one != AP_OK ? one : code;
    }
    static const char *const ONLY_NUDGE[] = {"form", "reversal", "gate"};
    for (int i = 0; i < 3; i++)
        if (ap_yamlin_child(n, ONLY_NUDGE[i]) && !ap_yamlin_child(n, "conductance"))
            code = ap_err_add(e, AP_EUSAGE, &ap_yamlin_child(n, ONLY_NUDGE[i])->key_at,
                              "add `conductance`, or remove the key", "%s: '%s' belongs to a nudging", what,
                              ONLY_NUDGE[i]);
    if (!k.weights && !ap_yamlin_child(n, "weights") && !ap_yamlin_child(n, "conductance") && read == AP_OK)
        code = ap_err_add(e, AP_EUSAGE, &n->at, "for example `weights: uniform(-1, 1)`",
                          "%s: the key 'weights' is missing", what);
    if (k.weights && read_init(e, s, p, ap_yamlin_child(n, "weights"), what) != AP_OK)
        code = AP_EUSAGE;
    if (k.rule && read_rule(e, s, p, k.rule) != AP_OK)
        code = AP_EUSAGE;
    return code;
}

enum ap_code ap_network_read(struct ap_err *e, struct ap_spec *s)
{
    struct ap_node *pops = ap_yamlin_child(s->tree.root, "populations");
    struct ap_node *projs = ap_yamlin_child(s->tree.root, "projections");
    if (!pops && ap_spec_misspelt(s, "populations"))
        return AP_EUSAGE;
    if (!pops)
        return ap_err_add(e, AP_EUSAGE, &s->tree.root->at,
                          "give a `microcircuit:`, or `populations:` and `projections:`",
                          "the file has no populations");
    AP_TRY(ap_schema_expect(e, pops, "populations", AP_NODE_MAP));
    if (pops->n > AP_SPEC_POPS)
        return ap_err_add(e, AP_EUSAGE, &pops->at, NULL, "found %d populations, at most %d are possible",
                          pops->n, AP_SPEC_POPS);
    if (projs)
        AP_TRY(ap_schema_expect(e, projs, "projections", AP_NODE_LIST));
    s->pop = ap_mem_arena_take(e, &s->tree.arena, (size_t)pops->n + 1, sizeof *s->pop);
    s->proj = ap_mem_arena_take(e, &s->tree.arena, (size_t)(projs ? projs->n : 0) + 1, sizeof *s->proj);
    if (!s->pop || !s->proj)
        return AP_EMEMORY;
    enum ap_code code = AP_OK;
    for (int i = 0; i < pops->n; i++) {
        enum ap_code one = read_population(e, s, &s->pop[s->n_pop++], pops->child[i]);
        code = one != AP_OK ? one : code;
    }
    for (int i = 0; projs && i < projs->n; i++) { /* names first: weights may come from a later projection */
        struct ap_proj_spec *p = &s->proj[s->n_proj++];
        struct ap_node *name = ap_yamlin_child(projs->child[i], "name");
        p->at = projs->child[i]->at;
        p->pre = p->post = p->pre_comp = p->post_comp = p->init.other = -1;
        if (!name || name->kind != AP_NODE_SCALAR)
            continue;
        if (ap_spec_projection(s, name->text) >= 0)
            code = ap_err_add(e, AP_EUSAGE, &name->at, "names must differ", "two projections are called '%s'",
                              name->text);
        p->name = name->text;
    }
    for (int i = 0; i < s->n_proj; i++) {
        enum ap_code one = read_projection(e, s, &s->proj[i], projs->child[i]);
        code = one != AP_OK ? one : code;
    }
    for (int i = 0; i < s->n_proj; i++) {
        enum ap_code one = check_init(e, s, &s->proj[i]), two = check_contrast(e, s, &s->proj[i]);
        code = one != AP_OK ? one : two != AP_OK ? two : code;
    }
    return code;
}

static const struct ap_row SECTIONS[] = {
    {"population", "cells of one kind", "", "", POP_KEYS, sizeof POP_KEYS / sizeof *POP_KEYS},
    {"projection", "from a population to a compartment of another", "", "", PROJ_KEYS,
     sizeof PROJ_KEYS / sizeof *PROJ_KEYS},
    {"rule", "of a projection, with the keys of `apical info rule`", "", "", RULE_KEYS,
     sizeof RULE_KEYS / sizeof *RULE_KEYS},
};

const struct ap_sections ap_network_sections = AP_SECTIONS(SECTIONS);
