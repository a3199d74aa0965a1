/* schedule.c: stimuli, schedule and integrator of a circuit file.
 *
 * In:   the tree, spec->pop[], spec->proj[].
 * Out:  spec->stim[], spec->block[], spec->program[], spec->integrator.
 * Invariants:
 *   1. Every clamped population has a stimulus in every block, unless nothing reads it there.
 *   2. Repeats are unrolled into program[], so that the simulation loop is one flat loop.
 * Never: opens data files (stimulus.c does, when the circuit is built).
 * Test: tests/unit/test_spec.c, tests/cli/bad/ */
#include "integrate.h"
#include "probe.h"
#include "spec.h"
#include "stimulus.h"

#include <math.h>
#include <string.h>

#define N(keys) ((int)(sizeof keys / sizeof *keys))

/* ---- stimuli --------------------------------------------------------------------------------------- */

static const char *const AS[] = {"rate", "potential", NULL};

struct stim_keys {
    const char *of, *kind;
    double smoothing;
    int as;
};
#define OF(field) offsetof(struct stim_keys, field)
static const struct ap_key STIM_KEYS[] = {
    {"of", AP_KEY_TEXT, AP_DIM_NONE, OF(of), AP_REQUIRED, 0, 0, NULL,
     "the clamped population that it drives"},
    {"kind", AP_KEY_NAME, AP_DIM_NONE, OF(kind), AP_REQUIRED, 0, 0, NULL,
     "a stimulus by name: `apical info stimulus`"},
    {"smoothing", AP_KEY_NUMBER, AP_DIM_TIME, OF(smoothing), "0 ms", 0, INFINITY, NULL,
     "time constant tau_0 with which the clamped potential follows a new pattern; 0: a jump"},
    {"as", AP_KEY_CHOICE, AP_DIM_NONE, OF(as), "rate", 0, 0, AS,
     "what the pattern's values are; rates become potentials through the inverse transfer function"},
};
#undef OF

static enum ap_code read_teacher_network(struct ap_err *e, struct ap_spec *s, struct ap_stim_spec *st,
                                         struct ap_node *n, const char *what)
{
    st->p.input_pop = -1;
    if (!st->p.input)
        return AP_OK;
    const struct ap_place *at = &ap_yamlin_child(n, "input")->at;
    st->p.input_pop = ap_spec_population(s, st->p.input);
    bool clamped = st->p.input_pop >= 0 && s->pop[st->p.input_pop].cell >= 0 &&
                   s->cell[s->pop[st->p.input_pop].cell].comp[0].kind == AP_COMP_CLAMPED;
    if (!clamped || st->p.input_pop == st->pop)
        return ap_err_add(e, AP_EUSAGE, at, "for example `input: input`",
                          "%s: '%s' is not another clamped population", what, st->p.input);
    return ap_network_transfer(e, &ap_yamlin_child(n, "transfer")->at, what, st->p.network_transfer,
                               &st->p.network_row, st->p.network_param);
}

/* The cell that moves a cursor: one, and not clamped; and where a trial begins. */
static enum ap_code read_cursor(struct ap_err *e, const struct ap_spec *s, struct ap_stim_spec *st,
                                const struct ap_node *n, const char *what)
{
    if (!st->p.read)
        return AP_OK;
    const struct ap_place *at = &ap_yamlin_child(n, "read")->at;
    struct ap_selection cell;
    AP_TRY(ap_spec_select(e, s, at, what, st->p.read, &cell));
    st->p.read_pop = cell.pop;
    st->p.read_cell = cell.first;
    const struct ap_pop_spec *pop = &s->pop[cell.pop];
    if (strchr(st->p.read, '/') || cell.last - cell.first != 1)
        return ap_err_add(e, AP_EUSAGE, at, "for example `read: \"output[0:1]\"`",
                          "%s: one cell moves a cursor, '%s' is %s", what, st->p.read,
                          strchr(st->p.read, '/') ? "a compartment" : "several");
    if (pop->cell >= 0 && s->cell[pop->cell].n_comp && s->cell[pop->cell].comp[0].kind == AP_COMP_CLAMPED)
        return ap_err_add(e, AP_EUSAGE, at, "name a population that the circuit drives",
                          "%s: population '%s' is clamped, so it cannot move a cursor", what, pop->name);
    if (st->p.start >= st->p.positions - 1)
        return ap_err_add(e, AP_EUSAGE, &ap_yamlin_child(n, "start")->at, "positions are counted from 0",
                          "%s: a trial begins at position %lld, but must begin before the last one, %lld",
                          what, (long long)st->p.start, (long long)st->p.positions - 1);
    return AP_OK;
}

static enum ap_code read_stimulus(struct ap_err *e, struct ap_spec *s, struct ap_stim_spec *st,
                                  struct ap_node *n)
{
    char what[AP_ERR_PATH];
    struct stim_keys k = {0};
    st->name = n->key;
    st->at = n->key_at;
    st->pop = -1;
    snprintf(what, sizeof what, "stimulus %s", n->key);
    AP_TRY(ap_schema_name(e, &n->key_at, "stimuli", n->key));
    AP_TRY(ap_schema_expect(e, n, what, AP_NODE_MAP));
    struct ap_node *kind = ap_yamlin_child(n, "kind");
    const struct ap_row *row = NULL;
    if (kind && kind->kind == AP_NODE_SCALAR &&
        !(row = ap_registry_need(e, &ap_stimulus_table, &kind->at, what, kind->text)))
        return AP_EUSAGE;
    const struct ap_keyset sets[] = {{STIM_KEYS, N(STIM_KEYS), &k},
                                     {row ? row->keys : NULL, row ? row->n_keys : 0, &st->p}};
    enum ap_code code = ap_schema_read(e, &s->tree, n, what, sets, 2);
    st->row = (const struct ap_stimulus_row *)row;
    st->smoothing = k.smoothing;
    st->as = st->row && st->row->as_potential ? 1 : k.as;
    struct ap_node *of = ap_yamlin_child(n, "of");
    struct ap_selection sel;
    if (k.of && ap_spec_select(e, s, &of->at, what, k.of, &sel) != AP_OK)
        return AP_EUSAGE;
    if (k.of && (sel.ranged || strchr(k.of, '/')))
        code = ap_err_add(e, AP_EUSAGE, &of->at, "name the population alone",
                          "%s: a stimulus drives a whole population, found '%s'", what, k.of);
    if (k.of) {
        st->pop = sel.pop;
        int cell = s->pop[sel.pop].cell;
        if (cell >= 0 && s->cell[cell].n_comp && s->cell[cell].comp[0].kind != AP_COMP_CLAMPED)
            code = ap_err_add(e, AP_EUSAGE, &of->at,
                              "give the population `cell: clamped`, or nudge it from a clamped one",
                              "%s: population '%s' is not clamped", what, k.of);
    }
    if (code == AP_OK)
        code = read_teacher_network(e, s, st, n, what);
    if (code == AP_OK)
        code = read_cursor(e, s, st, n, what);
    return code;
}

static enum ap_code read_stimuli(struct ap_err *e, struct ap_spec *s)
{
    struct ap_node *map = ap_yamlin_child(s->tree.root, "stimuli");
    int n = map ? map->n : 0;
    if (map)
        AP_TRY(ap_schema_expect(e, map, "stimuli", AP_NODE_MAP));
    s->stim = ap_mem_arena_take(e, &s->tree.arena, (size_t)n + 1, sizeof *s->stim);
    if (!s->stim)
        return AP_EMEMORY;
    enum ap_code code = AP_OK;
    for (int i = 0; i < n; i++) {
        enum ap_code one = read_stimulus(e, s, &s->stim[s->n_stim++], map->child[i]);
        code = one != AP_OK ? one : code;
    }
    return code;
}

/* ---- schedule -------------------------------------------------------------------------------------- */

static const char *const ORDER[] = {"sequence", "shuffled", NULL};

struct block_keys {
    const char *name;
    int64_t presentations, batch;
    double duration, lag;
    bool teacher, noise, reset, restart;
    struct ap_node *plasticity, *present;
    int order;
};
#define OF(field) offsetof(struct block_keys, field)
static const struct ap_key BLOCK_KEYS[] = {
    {"name", AP_KEY_NAME, AP_DIM_NONE, OF(name), AP_REQUIRED, 0, 0, NULL, "name of the block"},
    {"presentations", AP_KEY_INTEGER, AP_DIM_NONE, OF(presentations), AP_REQUIRED, 1, 1e12, NULL,
     "how many patterns are presented, one after the other"},
    {"batch", AP_KEY_INTEGER, AP_DIM_NONE, OF(batch), "1", 1, AP_SPEC_BATCH, NULL,
     "how many of them at once, to as many copies of the circuit: they begin with the same weights and end "
     "with the mean of "
     "theirs"},
    {"duration", AP_KEY_NUMBER, AP_DIM_TIME, OF(duration), AP_REQUIRED, AP_POSITIVE, 1e9, NULL,
     "of one presentation"},
    {"teacher", AP_KEY_SWITCH, AP_DIM_NONE, OF(teacher), "on", 0, 0, NULL, "whether gated nudging acts"},
    {"plasticity", AP_KEY_NODE, AP_DIM_NONE, OF(plasticity), "on", 0, 0, NULL,
     "on, off, or the list of projections whose rules act"},
    {"learning-lag", AP_KEY_NUMBER, AP_DIM_TIME, OF(lag), "0 ms", 0, 1e9, NULL,
     "plasticity starts that long after each switch of pattern; low-passed products wait too"},
    {"noise", AP_KEY_SWITCH, AP_DIM_NONE, OF(noise), "on", 0, 0, NULL, "whether the populations' noise acts"},
    {"reset", AP_KEY_SWITCH, AP_DIM_NONE, OF(reset), "off", 0, 0, NULL,
     "whether potentials and low-passed products start from rest at each presentation"},
    {"restart", AP_KEY_SWITCH, AP_DIM_NONE, OF(restart), "off", 0, 0, NULL,
     "whether a repeated block begins at its first pattern again, and a cursor at its start"},
    {"order", AP_KEY_CHOICE, AP_DIM_NONE, OF(order), "sequence", 0, 0, ORDER,
     "order in which patterns are taken"},
    {"present", AP_KEY_NODE, AP_DIM_NONE, OF(present), AP_ABSENT, 0, 0, NULL,
     "list of stimuli shown; for other clamped populations their first one"},
};
#undef OF

struct repeat_keys {
    int64_t repeat;
    struct ap_node *list;
};
static const struct ap_key REPEAT_KEYS[] = {
    {"repeat", AP_KEY_INTEGER, AP_DIM_NONE, offsetof(struct repeat_keys, repeat), AP_REQUIRED, 1, 1e6, NULL,
     "how often"},
    {"do", AP_KEY_NODE, AP_DIM_NONE, offsetof(struct repeat_keys, list), AP_REQUIRED, 0, 0, NULL,
     "list of blocks"},
};

static enum ap_code read_plasticity(struct ap_err *e, const struct ap_spec *s, struct ap_block_spec *b,
                                    struct ap_node *n, const char *what)
{
    if (n->kind == AP_NODE_SCALAR && (strcmp(n->text, "on") == 0 || strcmp(n->text, "off") == 0)) {
        for (int i = 0; i < s->n_proj; i++)
            b->plastic[i] = strcmp(n->text, "on") == 0 && s->proj[i].rule.present;
        return AP_OK;
    }
    if (n->kind != AP_NODE_LIST)
        return ap_err_add(e, AP_EUSAGE, &n->at, "for example `plasticity: [forward1, lateral1]`",
                          "%s, plasticity: expected on, off or a list of projections", what);
    enum ap_code code = AP_OK;
    for (int i = 0; i < n->n; i++) {
        AP_TRY(ap_schema_expect(e, n->child[i], what, AP_NODE_SCALAR));
        int p = ap_spec_projection(s, n->child[i]->text);
        if (p >= 0 && s->proj[p].rule.present) {
            b->plastic[p] = true;
            continue;
        }
        if (!s->n_pop || (p >= 0 && s->proj[p].rule.at.line)) { /* reported where it is written */
            code = AP_EUSAGE;
            continue;
        }
        const char *names[64];
        int count = 0;
        for (int k = 0; k < s->n_proj && count < 64; k++)
            if (s->proj[k].name && s->proj[k].rule.present)
                names[count++] = s->proj[k].name;
        char hint[AP_ERR_HINT];
        code = ap_err_add(e, AP_EUSAGE, &n->child[i]->at,
                          ap_schema_suggest(n->child[i]->text, names, count, hint),
                          "%s, plasticity: '%s' is no projection with a rule", what, n->child[i]->text);
    }
    return code;
}

static enum ap_code read_present(struct ap_err *e, const struct ap_spec *s, struct ap_block_spec *b,
                                 struct ap_node *list, const char *what)
{
    for (int p = 0; p < s->n_pop; p++)
        b->stim[p] = -1;
    enum ap_code code = AP_OK;
    if (list)
        AP_TRY(ap_schema_expect(e, list, what, AP_NODE_LIST));
    for (int i = 0; list && i < list->n; i++) {
        AP_TRY(ap_schema_expect(e, list->child[i], what, AP_NODE_SCALAR));
        int found = -1;
        const char *names[64];
        int count = 0;
        for (int k = 0; k < s->n_stim; k++) {
            if (strcmp(s->stim[k].name, list->child[i]->text) == 0)
                found = k;
            if (count < 64)
                names[count++] = s->stim[k].name;
        }
        char hint[AP_ERR_HINT];
        if (found < 0 && !s->n_pop)
            code = AP_EUSAGE; /* a shorthand that was refused may have defined it */
        else if (found < 0)
            code = ap_err_add(e, AP_EUSAGE, &list->child[i]->at,
                              ap_schema_suggest(list->child[i]->text, names, count, hint),
                              "%s, present: there is no stimulus '%s'", what, list->child[i]->text);
        else if (s->stim[found].pop >= 0 && b->stim[s->stim[found].pop] >= 0)
            code = ap_err_add(e, AP_EUSAGE, &list->child[i]->at, "present one of them",
                              "%s, present: '%s' and '%s' drive the same population", what,
                              s->stim[found].name, s->stim[b->stim[s->stim[found].pop]].name);
        else if (s->stim[found].pop >= 0)
            b->stim[s->stim[found].pop] = found;
    }
    for (int p = 0; p < s->n_pop; p++) {
        bool clamped = s->pop[p].cell >= 0 && s->cell[s->pop[p].cell].n_comp &&
                       s->cell[s->pop[p].cell].comp[0].kind == AP_COMP_CLAMPED;
        for (int k = 0; clamped && b->stim[p] < 0 && k < s->n_stim; k++)
            if (s->stim[k].pop == p)
                b->stim[p] = k;
        bool read = false; /* a target that only gated nudging reads may be absent while the teacher is off */
        for (int q = 0; q < s->n_proj; q++)
            read = read || (s->proj[q].pre == p && !(s->proj[q].gate == AP_GATE_TEACHER && !b->teacher));
        if (clamped && b->stim[p] < 0 && read && code == AP_OK && s->stim_known)
            code = ap_err_add(e, AP_EUSAGE, &b->at, "add a stimulus with `of: ...`, or `teacher: off`",
                              "%s: nothing drives the clamped population '%s'", what, s->pop[p].name);
    }
    return code;
}

/* Follows each teacher network to the population that it looks at: the chain must end. */
static enum ap_code check_teachers(struct ap_err *e, const struct ap_spec *s, const struct ap_block_spec *b,
                                   const char *what)
{
    for (int p = 0; p < s->n_pop; p++) {
        int at = p, steps = 0;
        while (at >= 0 && b->stim[at] >= 0 && s->stim[b->stim[at]].p.input && steps <= s->n_pop) {
            at = s->stim[b->stim[at]].p.input_pop;
            steps++;
        }
        if (steps > s->n_pop)
            return ap_err_add(e, AP_EUSAGE, &b->at, "let one of them look at patterns",
                              "%s: teacher networks look at each other in a circle, that of '%s' among them",
                              what, s->pop[p].name);
    }
    return AP_OK;
}

/* A block shows one cursor at most, and it alone says which pattern comes next. */
static enum ap_code check_cursor(struct ap_err *e, const struct ap_spec *s, const struct ap_block_spec *b,
                                 const char *what)
{
    const struct ap_stim_spec *cursor = NULL;
    for (int p = 0; p < s->n_pop; p++) {
        const struct ap_stim_spec *st = b->stim[p] >= 0 ? &s->stim[b->stim[p]] : NULL;
        if (!st || !st->p.read)
            continue;
        if (cursor)
            return ap_err_add(e, AP_EUSAGE, &b->at, "list one of them under `present`, and another stimulus",
                              "%s: '%s' and '%s' are both cursors", what, cursor->name, st->name);
        cursor = st;
        if (b->order != AP_ORDER_SEQUENCE)
            return ap_err_add(e, AP_EUSAGE, &b->at, "leave out `order`",
                              "%s: the cursor '%s' says which pattern comes next, not an order", what,
                              st->name);
        if (b->duration > 0 && st->p.from >= b->duration)
            return ap_err_add(
                e, AP_EUSAGE, &b->at, "shorten `from`, or lengthen the presentations",
                "%s: the cursor '%s' moves by what it reads from %g ms on, but presentations end at %g ms",
                what, st->name, st->p.from, b->duration);
    }
    return AP_OK;
}

static enum ap_code read_block(struct ap_err *e, struct ap_spec *s, struct ap_block_spec *b,
                               struct ap_node *n)
{
    char what[AP_ERR_PATH];
    struct block_keys k = {0};
    struct ap_node *name = ap_yamlin_child(n, "name");
    snprintf(what, sizeof what, "schedule%s%.100s", name && name->kind == AP_NODE_SCALAR ? ", block " : "",
             name && name->kind == AP_NODE_SCALAR ? name->text : "");
    b->at = n->at;
    b->plastic = ap_mem_arena_take(e, &s->tree.arena, (size_t)s->n_proj + 1, sizeof *b->plastic);
    b->stim = ap_mem_arena_take(e, &s->tree.arena, (size_t)s->n_pop + 1, sizeof *b->stim);
    if (!b->plastic || !b->stim)
        return AP_EMEMORY;
    enum ap_code code =
        ap_schema_read(e, &s->tree, n, what, &(struct ap_keyset){BLOCK_KEYS, N(BLOCK_KEYS), &k}, 1);
    b->name = k.name;
    b->presentations = k.presentations;
    b->batch = k.batch;
    if (ap_yamlin_child(n, "batch"))
        b->batch_at = ap_yamlin_child(n, "batch")->at;
    b->duration = k.duration;
    b->lag = k.lag;
    if (k.duration > 0 && k.lag >= k.duration)
        code = ap_err_add(
            e, AP_EUSAGE, &ap_yamlin_child(n, "learning-lag")->at, "shorten it, or write `plasticity: off`",
            "%s: a learning lag of %g ms leaves nothing of presentations of %g ms", what, k.lag, k.duration);
    b->teacher = k.teacher;
    b->noise = k.noise;
    b->reset = k.reset;
    b->restart = k.restart;
    b->order = k.order;
    for (int i = 0; k.name && &s->block[i] < b; i++)
        if (s->block[i].name && strcmp(s->block[i].name, k.name) == 0)
            code = ap_err_add(e, AP_EUSAGE, &name->at, "names must differ", "two blocks are called '%s'",
                              k.name);
    if (k.plasticity && read_plasticity(e, s, b, k.plasticity, what) != AP_OK)
        code = AP_EUSAGE;
    if (read_present(e, s, b, k.present, what) != AP_OK || check_teachers(e, s, b, what) != AP_OK ||
        check_cursor(e, s, b, what) != AP_OK)
        code = AP_EUSAGE;
    return code;
}

enum { PROGRAM_MAX = 65536, BLOCK_MAX = 256 };

/* Appends the blocks of a list to the program; a repeat appends its list again and again. */
static enum ap_code read_list(struct ap_err *e, struct ap_spec *s, struct ap_node *list, int depth)
{
    AP_TRY(ap_schema_expect(e, list, "schedule", AP_NODE_LIST));
    enum ap_code code = AP_OK;
    for (int i = 0; i < list->n; i++) {
        struct ap_node *n = list->child[i];
        enum ap_code one = ap_schema_expect(e, n, "schedule", AP_NODE_MAP);
        if (one == AP_OK && ap_yamlin_child(n, "repeat")) {
            struct repeat_keys k = {0};
            one = ap_schema_read(e, &s->tree, n, "schedule, repeat", &(struct ap_keyset){REPEAT_KEYS, 2, &k},
                                 1);
            int first = s->n_program;
            if (one == AP_OK && depth >= 4)
                one = ap_err_add(e, AP_EUSAGE, &n->at, NULL, "schedule: repeats nested deeper than 4");
            else if (one == AP_OK)
                one = read_list(e, s, k.list, depth + 1);
            int length = s->n_program - first;
            if (one == AP_OK && (int64_t)length * k.repeat > PROGRAM_MAX - first)
                one = ap_err_add(e, AP_EUSAGE, &n->at, "put more presentations into one block",
                                 "schedule: more than %d blocks after repetition", PROGRAM_MAX);
            for (int64_t r = 1; one == AP_OK && r < k.repeat; r++)
                for (int j = 0; j < length; j++)
                    s->program[s->n_program++] = s->program[first + j];
        } else if (one == AP_OK) {
            if (s->n_block == BLOCK_MAX || s->n_program == PROGRAM_MAX)
                return ap_err_add(e, AP_EUSAGE, &n->at, "use `repeat`", "schedule: more than %d blocks",
                                  BLOCK_MAX);
            one = read_block(e, s, &s->block[s->n_block], n);
            s->program[s->n_program++] = s->n_block++;
        }
        code = one != AP_OK ? one : code;
    }
    return code;
}

/* ---- integrator ------------------------------------------------------------------------------------ */

static const char *const WEIGHTS[] = {"coupled", "held", NULL};
static const char *const NEWTON[] = {"krylov", "hierarchy", NULL};
#define OF(field) offsetof(struct ap_integrator_spec, field)
static const struct ap_key INTEGRATOR_KEYS[] = {
    {"rtol", AP_KEY_NUMBER, AP_DIM_NONE, OF(rtol), "1e-6", 1e-14, 0.1, NULL,
     "relative tolerance (bdf, adams)"},
    {"atol", AP_KEY_NUMBER, AP_DIM_NONE, OF(atol), "1e-8", 1e-300, 1, NULL,
     "absolute tolerance (bdf, adams)"},
    {"step", AP_KEY_NUMBER, AP_DIM_TIME, OF(step), "0.1 ms", AP_POSITIVE, 1e6, NULL,
     "Euler's step; the first step of each presentation for bdf and adams is a tenth of it"},
    {"max-step", AP_KEY_NUMBER, AP_DIM_TIME, OF(max_step), "0 ms", 0, 1e9, NULL,
     "longest step; 0: none (bdf, adams)"},
    {"weights", AP_KEY_CHOICE, AP_DIM_NONE, OF(held), "held", 0, 0, WEIGHTS,
     "coupled: plastic weights inside the error control; held: constant between steps, then updated"},
    {"newton", AP_KEY_CHOICE, AP_DIM_NONE, OF(hierarchy), "krylov", 0, 0, NEWTON,
     "how bdf solves for a step: krylov, with the whole Jacobian; hierarchy, in one pass from the input "
     "upwards, cheaper "
     "where feedback is weak"},
    {"limit", AP_KEY_NUMBER, AP_DIM_POTENTIAL, OF(limit), "1000", AP_POSITIVE, INFINITY, NULL,
     "a potential beyond this stops the run"},
    {"max-steps", AP_KEY_INTEGER, AP_DIM_NONE, OF(max_steps), "1000000", 1, 1e15, NULL,
     "steps per presentation at most"},
    {"noise-grid", AP_KEY_NUMBER, AP_DIM_TIME, OF(noise_grid), "0.5 ms", AP_POSITIVE, 1e6, NULL,
     "spacing of the nodes of band-limited noise (bdf, adams)"},
    {"thread-work", AP_KEY_INTEGER, AP_DIM_NONE, OF(thread_work), "400000", 1, 1e15, NULL,
     "multiply-adds per right-hand side from which threads are used; the result does not depend on it"},
    {"noise-tau", AP_KEY_NUMBER, AP_DIM_TIME, OF(noise_tau), "1 ms", AP_POSITIVE, 1e6, NULL,
     "correlation time of band-limited noise (bdf, adams)"},
};
#undef OF

static enum ap_code read_integrator(struct ap_err *e, struct ap_spec *s)
{
    struct ap_node *n = ap_yamlin_child(s->tree.root, "integrator");
    if (!n) {
        n = ap_yamlin_map(e, &s->tree, s->tree.root->at, true);
        AP_TRY(ap_yamlin_put(e, &s->tree, s->tree.root, "integrator", n));
    }
    static const struct ap_key KIND = {
        "kind", AP_KEY_NAME, AP_DIM_NONE,
        0,      "bdf",       0,
        0,      NULL,        "an integrator by name: `apical info integrator`"};
    const char *kind = NULL;
    const struct ap_keyset sets[] = {{&KIND, 1, &kind},
                                     {INTEGRATOR_KEYS, N(INTEGRATOR_KEYS), &s->integrator}};
    enum ap_code code = ap_schema_read(e, &s->tree, n, "integrator", sets, 2);
    if (!kind)
        return code;
    const struct ap_row *row =
        ap_registry_need(e, &ap_integrator_table, &ap_yamlin_child(n, "kind")->at, "integrator", kind);
    s->integrator.row = (const struct ap_integrator_row *)row;
    s->integrator.tolerance = row && s->integrator.row->adaptive ? s->integrator.rtol : 0;
    if (row && s->integrator.hierarchy && (strcmp(kind, "bdf") != 0 || !s->integrator.held))
        return ap_err_add(e, AP_EUSAGE, &ap_yamlin_child(n, "newton")->at,
                          "remove `newton`, or write `newton: krylov`",
                          "integrator, newton: hierarchy is of kind bdf with held weights, not %s with %s",
                          kind, WEIGHTS[s->integrator.held]);
    return row ? code : AP_EUSAGE;
}

/* What one circuit does that several side by side, with the same weights and steps, do not. */
static const char *alone(const struct ap_spec *s, const struct ap_block_spec *b, const char **hint)
{
    *hint = "use kind bdf or adams, with held weights";
    if (!s->integrator.held || !s->integrator.row->adaptive)
        return "copies share an adaptive integrator and weights that are held";
    *hint = "leave out `batch`, or the interventions";
    if (s->n_intervention > 0)
        return "interventions act on one circuit";
    *hint = "leave out `batch`, or write `noise: off`";
    for (int p = 0; p < s->n_pop; p++)
        if (s->pop[p].noise > 0 && b->noise)
            return "noise is that of one circuit";
    *hint = "leave out `batch`, or present another stimulus";
    for (int p = 0; p < s->n_pop; p++)
        if (b->stim[p] >= 0 && s->stim[b->stim[p]].p.read)
            return "a cursor is moved by one circuit";
    *hint = "leave out `batch`, or the probe";
    for (int i = 0; i < s->n_probe; i++)
        if (s->probe[i].row && (s->probe[i].row->needs & (AP_PROBE_CHANGE | AP_PROBE_ADJOINT)))
            return "a probe follows the change of one circuit's weights";
    *hint = "leave out `batch`, or the rule";
    for (int i = 0; i < s->n_proj; i++)
        if (b->plastic[i] && s->proj[i].connect == AP_CONNECT_ONE)
            return "one-to-one weights are changed at every step";
    return NULL;
}

enum ap_code ap_schedule_check_batches(struct ap_err *e, const struct ap_spec *s)
{
    enum ap_code code = AP_OK;
    for (int i = 0; i < s->n_block; i++) {
        const struct ap_block_spec *b = &s->block[i];
        const char *hint, *why = b->batch > 1 ? alone(s, b, &hint) : NULL;
        if (why)
            code = ap_err_add(e, AP_EUSAGE, &b->batch_at, hint, "schedule, block %s: no batch of %lld: %s",
                              b->name, (long long)b->batch, why);
    }
    return code;
}

enum ap_code ap_schedule_read(struct ap_err *e, struct ap_spec *s)
{
    enum ap_code code = read_stimuli(e, s);
    s->stim_known = code == AP_OK && s->n_pop && !ap_spec_misspelt(s, "stimuli");
    struct ap_node *list = ap_yamlin_child(s->tree.root, "schedule");
    s->block = ap_mem_arena_take(e, &s->tree.arena, BLOCK_MAX, sizeof *s->block);
    s->program = ap_mem_arena_take(e, &s->tree.arena, PROGRAM_MAX, sizeof *s->program);
    if (!s->block || !s->program)
        return AP_EMEMORY;
    enum ap_code one = AP_OK;
    if (!list && ap_spec_misspelt(s, "schedule"))
        one = AP_EUSAGE;
    else if (!list || (list->kind == AP_NODE_LIST && list->n == 0))
        one = ap_err_add(e, AP_EUSAGE, list ? &list->at : &s->tree.root->at,
                         "for example `schedule: [{name: learning, presentations: 100, duration: 100 ms}]`",
                         "the file has no schedule");
    else
        one = read_list(e, s, list, 0);
    code = one != AP_OK ? one : code;
    one = read_integrator(e, s);
    return one != AP_OK ? one : code;
}

static const struct ap_row SECTIONS[] = {
    {"stimulus", "of a clamped population, with the keys of its kind", "", "", STIM_KEYS,
     sizeof STIM_KEYS / sizeof *STIM_KEYS},
    {"block", "presentations under the same conditions", "", "", BLOCK_KEYS,
     sizeof BLOCK_KEYS / sizeof *BLOCK_KEYS},
    {"repeat", "a list of blocks, again and again", "", "", REPEAT_KEYS,
     sizeof REPEAT_KEYS / sizeof *REPEAT_KEYS},
    {"integrator", "method and tolerances, besides `kind`", "", "", INTEGRATOR_KEYS,
     sizeof INTEGRATOR_KEYS / sizeof *INTEGRATOR_KEYS},
};

const struct ap_sections ap_schedule_sections = AP_SECTIONS(SECTIONS);
