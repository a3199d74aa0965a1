/* circuit.c: from what the user said to what exists.
 *
 * In:   a checked spec; data files of its stimuli; HDF5 files of its weights.
 * Out:  struct ap_circuit: sizes, offsets, connectivity, weights, units of work.
 * Invariants:
 *   1. Offsets into the state are computed here and nowhere else.
 *   2. Sizes are summed with overflow checks before anything large is allocated.
 *   3. Parts cover the state without gap or overlap, in order.
 *   4. Tasks divide rows for balance only: no result depends on how.
 * Never: changes after ap_circuit_build, but for the numbers in `weights`.
 * Test: tests/unit/test_circuit.c */
#include "circuit.h"
#include "signal.h"
#include "weights.h"

#include <math.h>
#include <string.h>

enum {
    SMALL_THINGS = 1 << 16, /* doubles */
    TASK_WORK = 16384,      /* multiply-adds that are worth a task of their own */
};

static size_t cols_of(const struct ap_spec *s, const struct ap_proj_spec *p)
{
    return p->connect == AP_CONNECT_ONE ? 1 : (size_t)s->pop[p->pre].n;
}

/* ---- sizes ----------------------------------------------------------------------------------------- */

static bool add_product(size_t *total, size_t a, size_t b)
{
    size_t product;
    return ap_mem_product(a, b, &product) && ap_mem_sum(*total, product, total);
}

/* Numbers held besides state and weights: signals of the rules, nodes of band-limited noise, frames of one presentation,
 * patterns (of image sets of unknown size: nothing). At most so many: Euler needs no nodes. */
static double other_doubles(const struct ap_spec *s)
{
    double sum = 0, longest = 0, noisy = 0;
    for (int b = 0; b < s->n_block; b++)
        longest = fmax(longest, s->block[b].duration);
    for (int i = 0; i < s->n_pop; i++)
        noisy += s->pop[i].noise > 0 ? (double)s->pop[i].n : 0;
    sum += noisy * (longest / s->integrator.noise_grid + 8);
    for (int i = 0; i < s->n_proj; i++)
        if (s->proj[i].rule.present)
            sum += 4 * (double)(s->pop[s->proj[i].pre].n + s->pop[s->proj[i].post].n);
    for (int i = 0; i < s->n_report; i++) {
        const struct ap_report_spec *r = &s->report[i];
        double width = 0, frames = 0;
        for (int k = 0; k < r->n_of; k++)
            width += (double)(r->of[k].last - r->of[k].first) *
                     (r->of[k].comp >= 0 ? 1 : s->cell[s->pop[r->of[k].pop].cell].n_comp);
        for (int b = 0; b < s->n_block; b++)
            frames = r->during[b] ? fmax(frames, s->block[b].duration / r->every) : frames;
        sum += width * frames;
    }
    for (int i = 0; i < s->n_stim; i++) {
        const struct ap_stim_spec *st = &s->stim[i];
        double n = (double)s->pop[st->pop].n;
        if (st->p.values)
            sum += n * st->p.values->n;
        if (st->p.file)
            sum += n * (double)st->p.count / sizeof(double);
        if (st->p.input)
            sum += (double)st->p.hidden * (n + (double)s->pop[st->p.input_pop].n + 1);
    }
    return sum;
}

/* That the largest batch needs. */
static int copies_of(const struct ap_spec *s)
{
    int64_t copies = 1;
    for (int b = 0; b < s->n_block; b++)
        copies = s->block[b].batch > copies ? s->block[b].batch : copies;
    return (int)copies;
}

enum ap_code ap_circuit_size(struct ap_err *e, const struct ap_spec *s, struct ap_circuit_size *out)
{
    memset(out, 0, sizeof *out);
    bool fits = true;
    size_t plastic_states = 0, membrane = 0;
    for (int i = 0; i < s->n_pop; i++) {
        const struct ap_cell_spec *cell = &s->cell[s->pop[i].cell];
        size_t n = (size_t)s->pop[i].n, dynamic = 0;
        for (int c = 0; c < cell->n_comp; c++)
            dynamic += cell->comp[c].kind == AP_COMP_DYNAMIC;
        fits = fits && ap_mem_sum(out->neurons, n, &out->neurons) &&
               add_product(&out->compartments, n, (size_t)cell->n_comp) && add_product(&membrane, n, dynamic);
    }
    for (int i = 0; i < s->n_proj; i++) {
        const struct ap_proj_spec *p = &s->proj[i];
        size_t rows = (size_t)s->pop[p->post].n, cols = cols_of(s, p);
        fits = fits && add_product(&out->synapses, rows, cols);
        if (p->rule.present)
            fits = fits && add_product(&out->plastic, rows, cols) &&
                   add_product(&plastic_states, rows * cols, p->rule.lowpass > 0 ? 2 : 1);
    }
    out->dynamic = membrane;
    out->state = membrane + (s->integrator.held ? 0 : plastic_states);
    /* weights and products once; for each copy 48 vectors of CVODE and a dozen arrays of one value per compartment; small
     * things */
    size_t doubles = 0, copies = (size_t)copies_of(s);
    double other = other_doubles(s) + SMALL_THINGS;
    fits = fits && ap_mem_sum(out->synapses, plastic_states, &doubles) &&
           add_product(&doubles, out->state, 48 * copies) &&
           add_product(&doubles, out->compartments, 16 * copies) && other < 1e18 &&
           ap_mem_sum(doubles, (size_t)other, &doubles) &&
           ap_mem_product(doubles, sizeof(double), &out->bytes);
    if (!fits)
        return ap_err_add(e, AP_EMEMORY, NULL, "make the populations smaller",
                          "the circuit exceeds what can be addressed");
    return AP_OK;
}

/* ---- populations ----------------------------------------------------------------------------------- */

static enum ap_code build_population(struct ap_err *e, struct ap_circuit *c, int i)
{
    struct ap_pop *p = &c->pop[i];
    const struct ap_spec *s = c->spec;
    p->spec = &s->pop[i];
    p->cell = &s->cell[p->spec->cell];
    p->n = (size_t)p->spec->n;
    p->n_comp = p->cell->n_comp;
    p->rate = c->n_rate;
    c->n_rate += p->n;
    p->comp = ap_mem_arena_take(e, &c->arena, (size_t)p->n_comp, sizeof *p->comp);
    if (!p->comp)
        return AP_EMEMORY;
    for (int k = 0; k < p->n_comp; k++) {
        const struct ap_comp_spec *from = &p->cell->comp[k];
        struct ap_comp *to = &p->comp[k];
        to->kind = from->kind;
        to->inv_c = from->kind == AP_COMP_DYNAMIC ? 1 / from->capacitance.value : 0;
        to->leak = from->leak.value;
        to->rest = from->rest.value;
        to->drive = from->drive.value;
        to->couple = from->couple;
        to->n_couple = from->n_couple;
        to->adds = from->adds;
        to->n_adds = from->n_adds;
        to->value = c->n_value;
        c->n_value += p->n;
        if (to->kind == AP_COMP_DYNAMIC) {
            to->state = c->n_membrane;
            c->n_membrane += p->n;
        }
        p->clamped = p->clamped || to->kind == AP_COMP_CLAMPED;
        to->sum = ap_mem_arena_take(e, &c->arena, (size_t)s->n_proj + 1, sizeof *to->sum);
        to->nudge = ap_mem_arena_take(e, &c->arena, (size_t)s->n_proj + 1, sizeof *to->nudge);
        if (!to->sum || !to->nudge)
            return AP_EMEMORY;
    }
    return AP_OK;
}

/* ---- projections ----------------------------------------------------------------------------------- */

/* What a signal of `pop` needs: the attenuated prediction of the soma, every other compartment being at rest. */
static void build_signal(struct ap_circuit *c, struct ap_signal *to, const struct ap_signal_ref *from,
                         int pop)
{
    const struct ap_pop *p = &c->pop[pop];
    to->row = from->row;
    to->comp = from->comp;
    to->at = c->n_signal;
    c->n_signal += p->n;
    if (to->comp < 0)
        return;
    const struct ap_comp *soma = &p->comp[0];
    double total = soma->leak, pull = soma->leak * soma->rest, own = to->comp == 0 ? 0 : -1;
    for (int i = 0; i < soma->n_couple; i++) {
        total += soma->couple[i].conductance;
        if (soma->couple[i].from == to->comp)
            own = soma->couple[i].conductance;
        else
            pull += soma->couple[i].conductance * p->comp[soma->couple[i].from].rest;
    }
    to->rest = p->comp[to->comp].rest;
    to->gain = own >= 0 && total > 0 ? own / total : 1;
    to->offset = own >= 0 && total > 0 ? pull / total : 0;
}

static enum ap_code build_projection(struct ap_circuit *c, int i)
{
    struct ap_proj *p = &c->proj[i];
    const struct ap_proj_spec *s = p->spec = &c->spec->proj[i];
    p->pre = s->pre;
    p->post = s->post;
    p->pre_comp = s->pre_comp;
    p->post_comp = s->post_comp;
    p->rows = c->pop[p->post].n;
    p->cols = cols_of(c->spec, s);
    struct ap_comp *to = &c->pop[p->post].comp[p->post_comp];
    if (s->nudges)
        to->nudge[to->n_nudge++] = i;
    else
        to->sum[to->n_sum++] = i;
    c->pop[p->post].work += s->nudges ? 2 : p->cols;
    if (s->rule.present) {
        p->plastic = true;
        p->eta = s->rule.rate;
        p->tau = s->rule.lowpass;
        p->decay = s->rule.decay;
        build_signal(c, &p->post_signal, &s->rule.post, p->post);
        build_signal(c, &p->pre_signal, &s->rule.pre, p->pre);
    }
    return AP_OK;
}

static enum ap_code build_weights(struct ap_err *e, struct ap_circuit *c)
{
    c->n_weights = 0;
    for (int i = 0; i < c->n_proj; i++) {
        const struct ap_proj *p = &c->proj[i];
        c->n_weights += p->spec->nudges ? 0 : p->rows * p->cols * (p->plastic && p->tau > 0 ? 2 : 1);
    }
    c->weights = ap_mem_array(e, c->n_weights, sizeof *c->weights, "weights");
    double **w = ap_mem_array(e, (size_t)c->n_proj + 1, sizeof *w, "weights");
    if (!c->weights || !w) {
        ap_mem_free(w);
        return AP_EMEMORY;
    }
    double *next = c->weights;
    for (int i = 0; i < c->n_proj; i++) {
        struct ap_proj *p = &c->proj[i];
        if (p->spec->nudges)
            continue;
        p->w = w[i] = next;
        next += p->rows * p->cols;
        if (p->plastic && p->tau > 0) {
            p->d = next;
            next += p->rows * p->cols;
        }
    }
    enum ap_code code = ap_weights_fill(e, c->spec, w);
    ap_mem_free(w);
    return code;
}

/* ---- state, parts and tasks ------------------------------------------------------------------------ */

static enum ap_code build_parts(struct ap_err *e, struct ap_circuit *c)
{
    size_t max = 1 + 2 * (size_t)c->n_proj;
    for (int i = 0; i < c->n_pop; i++)
        max += (size_t)c->pop[i].n_comp;
    c->part = ap_mem_arena_take(e, &c->arena, max, sizeof *c->part);
    if (!c->part)
        return AP_EMEMORY;
    for (int i = 0; i < c->n_pop; i++)
        for (int k = 0; k < c->pop[i].n_comp; k++)
            if (c->pop[i].comp[k].kind == AP_COMP_DYNAMIC)
                c->part[c->n_part++] =
                    (struct ap_part){c->pop[i].comp[k].state, c->pop[i].n, i, k, -1, false};
    c->n_state = c->n_membrane;
    for (int i = 0; c->coupled && i < c->n_proj; i++) {
        struct ap_proj *p = &c->proj[i];
        if (!p->plastic)
            continue;
        p->w_state = c->n_state;
        c->part[c->n_part++] = (struct ap_part){c->n_state, p->rows * p->cols, -1, -1, i, false};
        c->n_state += p->rows * p->cols;
        if (p->d) {
            p->d_state = c->n_state;
            c->part[c->n_part++] = (struct ap_part){c->n_state, p->rows * p->cols, -1, -1, i, true};
            c->n_state += p->rows * p->cols;
        }
    }
    return AP_OK;
}

/* Rows of a piece: about TASK_WORK and AP_TASK_ROWS at most, whole eights of rows as the kernels take them. */
static size_t rows_of(size_t work)
{
    size_t rows = TASK_WORK / (work ? work : 1);
    return rows < 1 ? 8 : rows > AP_TASK_ROWS ? AP_TASK_ROWS : (rows + 7) / 8 * 8;
}

/* Rows [0, n) of thing `id` in such pieces, of these those of part `part` of `parts`; counts only when out is NULL. */
static int split(struct ap_task *out, int id, size_t n, size_t work, int part, int parts)
{
    size_t rows = rows_of(work), of = (n + rows - 1) / rows, p = (size_t)part, ps = (size_t)parts;
    int count = 0;
    for (size_t k = 0; k < of; k++) {
        if (k * ps / of != p)
            continue;
        if (out)
            out[count] = (struct ap_task){id, k * rows, (k + 1) * rows < n ? (k + 1) * rows : n};
        count++;
    }
    return count;
}

/* Tasks of all populations, as many as there are. */
static int line_up(const struct ap_circuit *c, struct ap_task *out, bool whole)
{
    int parts = whole ? 1 : ap_team_most(), count = 0;
    for (int part = 0; part < parts; part++)
        for (int small = 1; small >= 0; small--)
            for (int i = 0; i < c->n_pop; i++) {
                size_t work = whole ? 0 : c->pop[i].work;
                if (small == (c->pop[i].n <= rows_of(work)))
                    count += split(out ? out + count : NULL, i, c->pop[i].n, work, part, parts);
            }
    return count;
}

struct ap_task ap_circuit_share(const struct ap_circuit *c, int pop, struct ap_team team)
{
    struct ap_task t = {.pop = pop};
    ap_team_share(team, c->pop[pop].n, 8, &t.first, &t.last);
    return t;
}

static enum ap_code build_tasks(struct ap_err *e, struct ap_circuit *c)
{
    size_t total = 0;
    c->n_task = line_up(c, NULL, false);
    c->n_whole = line_up(c, NULL, true);
    for (int i = 0; i < c->n_pop; i++)
        total += c->pop[i].n * (c->pop[i].work + 16);
    for (int i = 0; i < c->n_proj; i++)
        if (c->proj[i].plastic)
            c->n_proj_task += split(NULL, i, c->proj[i].rows, 2 * c->proj[i].cols, 0, 1);
    c->task = ap_mem_arena_take(e, &c->arena, (size_t)c->n_task + 1, sizeof *c->task);
    c->whole = ap_mem_arena_take(e, &c->arena, (size_t)c->n_whole + 1, sizeof *c->whole);
    c->proj_task = ap_mem_arena_take(e, &c->arena, (size_t)c->n_proj_task + 1, sizeof *c->proj_task);
    if (!c->task || !c->whole || !c->proj_task)
        return AP_EMEMORY;
    line_up(c, c->task, false);
    line_up(c, c->whole, true);
    int n = 0;
    for (int i = 0; i < c->n_proj; i++)
        if (c->proj[i].plastic)
            n += split(c->proj_task + n, i, c->proj[i].rows, 2 * c->proj[i].cols, 0, 1);
    c->crew = ap_mem_arena_take(e, &c->arena, 1, sizeof *c->crew);
    if (!c->crew)
        return AP_EMEMORY;
    c->crew->several = total + (c->coupled ? c->n_state : 0) >= (size_t)c->spec->integrator.thread_work;
    return AP_OK;
}

/* Image i goes with label i: two data files shown in one block must be equally long. */
static enum ap_code check_pairs(struct ap_err *e, const struct ap_circuit *c, const struct ap_block_spec *b)
{
    const struct ap_stimulus *first = NULL;
    for (int p = 0; p < c->spec->n_pop; p++) {
        const struct ap_stimulus *st = b->stim[p] >= 0 ? &c->stim[b->stim[p]] : NULL;
        if (!st || !st->data)
            continue;
        if (first && first->count != st->count)
            return ap_err_add(e, AP_EUSAGE, &b->at,
                              "give both the same `first` and `count`, and files that belong together",
                              "block %s: %s has %llu patterns and %s %llu, so they would not stay together",
                              b->name, first->stim->name, (unsigned long long)first->count, st->stim->name,
                              (unsigned long long)st->count);
        first = st;
    }
    return AP_OK;
}

static enum ap_code build_stimuli(struct ap_err *e, struct ap_circuit *c)
{
    c->stim = ap_mem_arena_take(e, &c->arena, (size_t)c->spec->n_stim + 1, sizeof *c->stim);
    if (!c->stim)
        return AP_EMEMORY;
    enum ap_code code = AP_OK;
    for (int i = 0; i < c->spec->n_stim; i++) { /* go on after an error: all bad data files in one run */
        enum ap_code one = ap_stimulus_open(e, &c->stim[c->n_stim++], c->spec, i);
        code = one != AP_OK ? one : code;
    }
    for (int b = 0; code == AP_OK && b < c->spec->n_block; b++)
        code = check_pairs(e, c, &c->spec->block[b]);
    return code;
}

static enum ap_code build(struct ap_err *e, struct ap_circuit *c)
{
    const struct ap_spec *s = c->spec;
    struct ap_circuit_size size;
    AP_TRY(ap_circuit_size(e, s, &size));
    c->coupled = !s->integrator.held;
    c->copies = copies_of(s);
    c->pop = ap_mem_arena_take(e, &c->arena, (size_t)s->n_pop + 1, sizeof *c->pop);
    c->proj = ap_mem_arena_take(e, &c->arena, (size_t)s->n_proj + 1, sizeof *c->proj);
    if (!c->pop || !c->proj)
        return AP_EMEMORY;
    enum ap_code stimuli = build_stimuli(e, c);
    if (stimuli == AP_EMEMORY)
        return stimuli;
    for (; c->n_pop < s->n_pop; c->n_pop++)
        AP_TRY(build_population(e, c, c->n_pop));
    for (; c->n_proj < s->n_proj; c->n_proj++)
        AP_TRY(build_projection(c, c->n_proj));
    AP_TRY(build_weights(e, c)); /* also after a bad data file: all bad files in one run */
    AP_TRY(stimuli);
    AP_TRY(build_parts(e, c));
    return build_tasks(e, c);
}

struct ap_circuit *ap_circuit_build(struct ap_err *e, const struct ap_spec *s)
{
    struct ap_circuit *c = ap_mem_array(e, 1, sizeof *c, "circuit");
    if (!c)
        return NULL;
    c->spec = s;
    if (build(e, c) == AP_OK)
        return c;
    ap_circuit_free(c);
    return NULL;
}

void ap_circuit_free(struct ap_circuit *c)
{
    if (!c)
        return;
    for (int i = 0; i < c->n_stim; i++)
        ap_stimulus_close(&c->stim[i]);
    ap_mem_free(c->weights);
    ap_mem_arena_free(&c->arena);
    ap_mem_free(c);
}

void ap_circuit_where(const struct ap_circuit *c, size_t i, char out[AP_ERR_PATH])
{
    snprintf(out, AP_ERR_PATH, "element %zu", i);
    for (int k = 0; k < c->n_part; k++) {
        const struct ap_part *p = &c->part[k];
        if (i < p->start || i >= p->start + p->n)
            continue;
        size_t at = i - p->start;
        if (p->proj < 0)
            snprintf(out, AP_ERR_PATH, "population %s, compartment %s, neuron %zu", c->pop[p->pop].spec->name,
                     c->pop[p->pop].cell->comp[p->comp].name, at);
        else
            snprintf(out, AP_ERR_PATH, "%s of projection %s [%zu][%zu]",
                     p->lowpass ? "low-passed product" : "weight", c->proj[p->proj].spec->name,
                     at / c->proj[p->proj].cols, at % c->proj[p->proj].cols);
    }
}

bool ap_circuit_disturbed(const struct ap_circuit *c, const struct ap_proj *p)
{
    for (int i = 0; i < c->spec->n_intervention; i++) {
        const struct ap_intervention_spec *v = &c->spec->intervention[i];
        if (v->pop == p->pre || (v->proj >= 0 && &c->proj[v->proj] == p))
            return true;
    }
    return false;
}

bool ap_circuit_single(const struct ap_circuit *c)
{
    return c->spec->integrator.tolerance >= 1e-3;
}

void ap_circuit_start(const struct ap_circuit *c, double *y)
{
    for (int k = 0; k < c->n_part; k++) {
        const struct ap_part *p = &c->part[k];
        const double *from = p->proj < 0 ? NULL : p->lowpass ? c->proj[p->proj].d : c->proj[p->proj].w;
        for (size_t i = 0; i < p->n; i++)
            y[p->start + i] = from ? from[i] : c->pop[p->pop].comp[p->comp].rest;
    }
}
