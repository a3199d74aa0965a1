/* sim.c: the loop over presentations: one epoch is one presentation.
 *
 * In:   a circuit, an integrator, a recorder.
 * Out:  the state after each presentation; blocks of the log.
 * Invariants:
 *   1. A presentation starts from the state and the counters alone: nothing of the integrator's history is carried.
 *   2. Recording, figures, progress and threads do not change the state.
 *   3. A potential that is not finite or beyond `limit` stops the run within the step, named with its place and time.
 * Never: prints.
 * Test: tests/unit/test_sim.c, tests/cli/ */
#include "sim.h"

#include <math.h>
#include <string.h>

uint64_t ap_sim_presentations(const struct ap_spec *s)
{
    uint64_t n = 0;
    for (int i = 0; i < s->n_program; i++)
        n += (uint64_t)s->block[s->program[i]].presentations;
    return n;
}

enum ap_code ap_sim_open(struct ap_err *e, struct ap_sim *x, const struct ap_spec *s)
{
    *x = (struct ap_sim){.spec = s, .recorder.log.file.fd = -1};
    if (!(x->c = ap_circuit_build(e, s)))
        return ap_err_code(e) ? ap_err_code(e) : AP_EMEMORY;
    size_t copies = (size_t)x->c->copies;
    AP_TRY(ap_rhs_init(e, &x->rhs, x->c));
    AP_TRY(ap_plasticity_init(e, &x->plasticity, &x->rhs));
    AP_TRY(ap_batch_init(e, &x->batch, &x->rhs, &x->plasticity));
    bool noisy = false;
    for (int p = 0; p < s->n_pop; p++)
        noisy = noisy || s->pop[p].noise > 0;
    if (noisy && s->integrator.row->adaptive) {
        double longest = 0;
        for (int b = 0; b < s->n_block; b++)
            longest = fmax(longest, s->block[b].duration);
        AP_TRY(ap_noise_init(e, &x->noise, x->c, longest));
        x->rhs.noise = &x->noise;
    }
    AP_TRY(ap_integrate_create(e, &x->g, &s->integrator, &x->batch));
    AP_TRY(ap_cursor_init(e, &x->cursor, x->c));
    x->clamp = ap_mem_array(e, copies * x->c->n_rate, sizeof *x->clamp, "clamped potentials");
    x->aim = ap_mem_array(e, copies * x->c->n_rate, sizeof *x->aim, "clamped potentials");
    x->shown = ap_mem_array(e, (size_t)s->n_block + 1, sizeof *x->shown, "schedule");
    x->copy = ap_mem_array(e, copies, sizeof *x->copy, "recorder");
    x->more = ap_mem_array(e, copies, sizeof *x->more, "recorder");
    if (!x->clamp || !x->aim || !x->shown || !x->copy || !x->more)
        return AP_EMEMORY;
    for (size_t b = 0; b < copies; b++) {
        x->copy[b] = b ? &x->more[b - 1] : &x->recorder;
        x->batch.rhs[b]->clamp_to = x->aim + b * x->c->n_rate;
        ap_circuit_start(x->c, x->g.y + b * x->c->n_state);
    }
    return AP_OK;
}

/* The recorders of the other copies. */
static enum ap_code record_beside(struct ap_err *e, struct ap_sim *x)
{
    for (int b = 1; b < x->c->copies; b++)
        AP_TRY(ap_record_beside(e, x->copy[b], x->batch.rhs[b], &x->recorder, b));
    return AP_OK;
}

enum ap_code ap_sim_record(struct ap_err *e, struct ap_sim *x, const char *path)
{
    AP_TRY(ap_record_open(e, &x->recorder, &x->rhs, &x->cursor, path, NULL));
    AP_TRY(record_beside(e, x));
    return ap_record_weights(e, &x->recorder, "initial");
}

enum ap_code ap_sim_record_on(struct ap_err *e, struct ap_sim *x, const char *path,
                              const struct ap_runlog_mark *mark)
{
    AP_TRY(ap_record_open(e, &x->recorder, &x->rhs, &x->cursor, path, mark));
    return record_beside(e, x);
}

void ap_sim_close(struct ap_sim *x)
{
    ap_record_close(NULL, &x->recorder);
    for (int b = 1; x->more && b < x->c->copies; b++)
        ap_record_close(NULL, &x->more[b - 1]);
    ap_cursor_free(&x->cursor);
    ap_integrate_free(&x->g);
    ap_batch_free(&x->batch);
    ap_plasticity_free(&x->plasticity);
    ap_noise_free(&x->noise);
    ap_rhs_free(&x->rhs);
    ap_mem_free(x->clamp);
    ap_mem_free(x->aim);
    ap_mem_free(x->shown);
    ap_mem_free(x->copy);
    ap_mem_free(x->more);
    ap_circuit_free(x->c);
    *x = (struct ap_sim){.recorder.log.file.fd = -1};
}

/* ---- what goes wrong ------------------------------------------------------------------------------- */

static const char *likely_cause(const struct ap_sim *x, const struct ap_block_spec *b)
{
    bool learns = false, bounded = true;
    for (int i = 0; i < x->c->n_proj; i++)
        learns = learns || (x->c->proj[i].plastic && b->plastic[i]);
    for (int p = 0; p < x->c->n_pop; p++) {
        const char *name = x->c->pop[p].spec->transfer->row.name;
        bounded =
            bounded && (x->c->pop[p].clamped || strcmp(name, "logistic") == 0 || strcmp(name, "tanh") == 0);
    }
    if (learns && !bounded)
        return "likely cause: a learning rate is too high, or feedback grows through an unbounded transfer "
               "function; "
               "`plasticity: off` tells which";
    if (learns)
        return "likely cause: a learning rate is too high for these rates; lower `rate`, or the weights it "
               "acts on";
    if (!bounded)
        return "likely cause: feedback through an unbounded transfer function; lower the apical or nudging "
               "conductance, or "
               "the weights, or use logistic";
    return "likely cause: the integrator's `step` is too long, or a weight is too large";
}

static enum ap_code ran_away(struct ap_err *e, const struct ap_sim *x, const struct ap_block_spec *b,
                             uint64_t k, size_t at)
{
    char where[AP_ERR_PATH], value[32];
    ap_circuit_where(x->c, at % x->c->n_state, where);
    k += at / x->c->n_state;
    double u = x->g.y[at];
    if (isfinite(u))
        snprintf(value, sizeof value, "%.4g", u);
    else
        snprintf(value, sizeof value, "%s",
                 isnan(u) ? "not a number"
                 : u > 0  ? "infinite"
                          : "minus infinite");
    return ap_err_add(
        e, AP_ENUMERIC, NULL, likely_cause(x, b),
        "potential ran away: %s is %s at %.6g ms (block %s, presentation %llu, %.6g ms after its start)",
        where, value, x->time + x->g.t, b->name, (unsigned long long)k, x->g.t);
}

static enum ap_code check_state(struct ap_err *e, const struct ap_sim *x, const struct ap_block_spec *b,
                                uint64_t k)
{
    double limit = x->spec->integrator.limit;
    for (size_t copy = 0; copy < (size_t)x->batch.n; copy++)
        for (size_t i = 0; i < x->c->n_membrane; i++)
            if (!(fabs(x->g.y[copy * x->c->n_state + i]) <= limit))
                return ran_away(e, x, b, k, copy * x->c->n_state + i);
    return AP_OK;
}

/* The integrator gave up: name the potential that changes fastest. */
static enum ap_code gave_up(struct ap_err *e, struct ap_sim *x, const struct ap_block_spec *b, uint64_t k)
{
    char where[AP_ERR_PATH];
    size_t n = x->c->n_state;
    double *dy = ap_mem_array(e, (size_t)x->batch.n * n, sizeof *dy, "derivatives");
    if (!dy)
        return AP_ENUMERIC;
    ap_batch_eval(&x->batch, x->g.t, x->g.y, dy);
    size_t worst = 0;
    for (size_t i = 0; i < (size_t)x->batch.n * n; i++)
        if (i % n < x->c->n_membrane && !(fabs(dy[i]) <= fabs(dy[worst])))
            worst = i;
    ap_circuit_where(x->c, worst % n, where);
    k += worst / n;
    ap_err_add(
        e, AP_ENUMERIC, NULL, likely_cause(x, b),
        "the integrator stopped at %.6g ms (block %s, presentation %llu); fastest: %s, %.4g per ms at %.4g",
        x->time + x->g.t, b->name, (unsigned long long)k, where, dy[worst], x->g.y[worst]);
    ap_mem_free(dy);
    return AP_ENUMERIC;
}

static enum ap_code too_many(struct ap_err *e, struct ap_sim *x, const struct ap_block_spec *b, uint64_t k)
{
    ap_err_add(e, AP_ENUMERIC, NULL,
               "raise `max-steps` or loosen `rtol`, unless something changes absurdly fast",
               "more than %lld steps in presentation %llu of block %s",
               (long long)x->spec->integrator.max_steps, (unsigned long long)k, b->name);
    return gave_up(e, x, b, k);
}

/* ---- one presentation ------------------------------------------------------------------------------ */

/* Clamped populations of a copy: from where they are now towards the new pattern. Returns the pattern's number. */
static uint64_t set_patterns(struct ap_sim *x, int copy, const struct ap_block_spec *b, uint64_t shown,
                             bool restart)
{
    struct ap_circuit *c = x->c;
    struct ap_rhs *r = x->batch.rhs[copy];
    const double *clamp = x->clamp + (size_t)copy * c->n_rate;
    uint64_t index = shown;
    for (int p = 0; p < c->n_pop; p++) { /* what a teacher network looks at in this block */
        struct ap_stimulus *st = b->stim[p] >= 0 ? &c->stim[b->stim[p]] : NULL;
        int input = st && st->stim->p.input ? st->stim->p.input_pop : -1;
        if (st)
            st->other = input >= 0 && b->stim[input] >= 0 ? &c->stim[b->stim[input]] : NULL;
    }
    for (int p = 0; p < c->n_pop;
         p++) /* the first finite set of several says how many patterns a round has */
        if (c->pop[p].clamped && b->stim[p] >= 0 && c->stim[b->stim[p]].count > 1) {
            index = ap_stimulus_index(&c->stim[b->stim[p]], b->order, (uint64_t)(b - x->spec->block), shown);
            break;
        }
    if (ap_cursor_begin(&x->cursor, b, restart)) /* a round of its own each time, as what is fresh goes on */
        index = shown * c->stim[x->cursor.now].count + ap_cursor_place(&x->cursor);
    for (int p = 0; p < c->n_pop; p++) {
        const struct ap_pop *pop = &c->pop[p];
        double *from = r->clamp_from + pop->rate, *to = r->clamp_to + pop->rate;
        r->clamp_tau[p] = 0;
        if (!pop->clamped)
            continue;
        memcpy(from, clamp + pop->rate, pop->n * sizeof *from);
        if (b->stim[p] < 0)
            continue; /* nothing reads it */
        struct ap_stimulus *st = &c->stim[b->stim[p]];
        ap_stimulus_potential(st, index, to);
        r->clamp_tau[p] = st->stim->smoothing;
    }
    return index;
}

static void reset_state(struct ap_sim *x)
{
    struct ap_circuit *c = x->c;
    for (int k = 0; k < c->n_part; k++) {
        const struct ap_part *p = &c->part[k];
        for (int b = 0; b < x->batch.n; b++) {
            double *y = x->g.y + (size_t)b * c->n_state + p->start;
            for (size_t i = 0; p->proj < 0 && i < p->n; i++)
                y[i] = c->pop[p->pop].comp[p->comp].rest;
            for (size_t i = 0; p->proj >= 0 && p->lowpass && i < p->n; i++)
                y[i] = 0;
        }
    }
    for (int i = 0; i < c->n_proj; i++)
        if (c->proj[i].d)
            memset(c->proj[i].d, 0, c->proj[i].rows * c->proj[i].cols * sizeof(double));
}

/* The interventions of the stretch that begins at time t come into force. */
static void enter_stretch(struct ap_sim *x, const struct ap_block_spec *b, double t)
{
    if (x->batch.n == 1) /* what acts on several copies is the beginning of learning alone */
        ap_rhs_catch_up(&x->rhs);
    for (int k = 0; k < x->batch.n; k++) {
        struct ap_rhs *r = x->batch.rhs[k];
        ap_intervene_set(&r->act, b, t);
        ap_intervene_hold(&r->act, x->g.y + (size_t)k * x->c->n_state);
        r->now.plastic = r->act.plastic;
        r->drifts = false; /* the weights have caught up */
    }
}

/* What is averaged over a presentation takes in the step that was made. */
static void average(struct ap_sim *x, bool adaptive)
{
    for (int b = 0; b < x->batch.n; b++)
        ap_record_step(x->copy[b], x->g.t - x->g.t_before, adaptive);
    ap_cursor_step(&x->cursor, x->rhs.rate, x->g.t_before, x->g.t, adaptive);
}

/* Samples within the step look elsewhere: fields that are still needed are laid aside meanwhile. */
static enum ap_code record_samples(struct ap_err *e, struct ap_sim *x, bool needed)
{
    for (int b = 0; b < x->batch.n; b++) {
        if (!ap_record_due(x->copy[b], x->g.t))
            continue;
        if (needed)
            ap_rhs_keep(x->batch.rhs[b]);
        AP_TRY(ap_record_samples(e, x->copy[b], &x->g));
        if (needed)
            ap_rhs_back(x->batch.rhs[b]);
    }
    return AP_OK;
}

/* Steps up to `stop`; fields of the right-hand side are those of now. */
static enum ap_code advance(struct ap_err *e, struct ap_sim *x, const struct ap_block_spec *b, uint64_t k,
                            double stop, int64_t *steps)
{
    bool adaptive = x->g.row->adaptive, held = ap_plasticity_acts(&x->plasticity);
    bool averages = x->cursor.now >= 0 || ap_record_averages(&x->recorder);
    if (held && adaptive)
        ap_batch_learn(&x->batch, x->g.t);
    for (; x->g.t < stop; (*steps)++) {
        if (*steps == x->spec->integrator.max_steps)
            return too_many(e, x, b, k);
        enum ap_code code = ap_integrate_step(e, &x->g, stop);
        if (code == AP_ENUMERIC)
            gave_up(e, x, b, k);
        AP_TRY(code);
        AP_TRY(check_state(e, x, b, k));
        double h = x->g.t - x->g.t_before;
        if (!adaptive) { /* Euler: the fields are still those at the beginning of the step */
            if (averages)
                average(x, false);
            if (held)
                ap_rhs_signals(&x->rhs);
        }
        bool needed = adaptive && (held || averages);
        if (needed)
            ap_integrate_fields(&x->g);
        AP_TRY(record_samples(e, x, needed));
        if (!adaptive && held)
            ap_plasticity_euler(&x->plasticity, x->g.t, h);
        if (needed && averages)
            average(x, true);
        if (needed && held)
            ap_batch_learned(&x->batch, x->g.t, h);
    }
    return AP_OK;
}

int ap_sim_group(const struct ap_block_spec *b, uint64_t k)
{
    uint64_t left = (uint64_t)b->presentations > k ? (uint64_t)b->presentations - k : 1;
    return (int)((uint64_t)b->batch < left ? (uint64_t)b->batch : left);
}

/* Everything that holds from the beginning of a presentation on. pattern [batch.n] */
static void begin(struct ap_sim *x, const struct ap_block_spec *b, uint64_t k, uint64_t *pattern)
{
    enum ap_profile_part part = ap_profile_enter(x->rhs.profile, AP_PROFILE_PATTERNS);
    for (int copy = 0; copy < x->batch.n; copy++) {
        pattern[copy] = set_patterns(x, copy, b, x->shown[b - x->spec->block]++, k == 0 && b->restart);
        x->batch.rhs[copy]->now = (struct ap_presentation){b->duration, b->teacher, b->noise, b->plastic};
    }
    if (x->rhs.noise)
        ap_noise_draw(&x->noise, x->presentation, b->duration, b->noise);
    if (b->reset)
        reset_state(x);
    enter_stretch(x, b, 0);
    ap_batch_begin(&x->batch, b->plastic);
    ap_profile_enter(x->rhs.profile, part);
    ap_integrate_edge(&x->g, 0);
}

/* The weights catch up; fields are those of the end, and where clamped potentials are now they go on from. */
static void end(struct ap_sim *x, const struct ap_block_spec *b)
{
    const struct ap_circuit *c = x->c;
    enum ap_profile_part part = ap_profile_enter(x->rhs.profile, AP_PROFILE_PATTERNS);
    ap_batch_fold(&x->batch);
    ap_profile_enter(x->rhs.profile, part);
    for (int copy = 0; copy < x->batch.n; copy++)
        x->batch.rhs[copy]->drifts = false; /* the weights have caught up */
    ap_integrate_edge(&x->g, b->duration);
    for (int copy = 0; copy < x->batch.n; copy++)
        for (int p = 0; p < c->n_pop; p++)
            if (c->pop[p].clamped)
                memcpy(x->clamp + (size_t)copy * c->n_rate + c->pop[p].rate,
                       x->batch.rhs[copy]->v + c->pop[p].comp[0].value, c->pop[p].n * sizeof(double));
    if (x->rhs.noise)
        ap_noise_finish(&x->noise, b->duration);
    ap_cursor_end(&x->cursor, b->duration);
}

enum ap_code ap_sim_present(struct ap_err *e, struct ap_sim *x, int program, uint64_t k)
{
    int block = x->spec->program[program];
    const struct ap_block_spec *b = &x->spec->block[block];
    uint64_t pattern[AP_SPEC_BATCH];
    if (k == 0 && b->restart)
        x->shown[block] = 0;
    ap_batch_resize(&x->batch, ap_sim_group(b, k));
    begin(x, b, k, pattern);
    if (x->watch)
        ap_analysis_begin(x->watch);
    for (int copy = 0; copy < x->batch.n; copy++)
        AP_TRY(ap_record_begin(e, x->copy[copy], b, k + (uint64_t)copy));
    ap_cursor_edge(&x->cursor, x->rhs.rate);
    AP_TRY(ap_integrate_begin(e, &x->g));
    int64_t steps = 0;
    while (x->g.t < b->duration) { /* from edge to edge of interventions */
        if (x->g.t > 0) {
            enter_stretch(x, b, x->g.t);
            ap_integrate_edge(&x->g, x->g.t);
            for (int copy = 0; copy < x->batch.n; copy++)
                ap_record_edge(x->copy[copy]);
            ap_cursor_edge(&x->cursor, x->rhs.rate);
            AP_TRY(ap_integrate_restart(e, &x->g));
        }
        AP_TRY(advance(e, x, b, k, ap_intervene_edge(&x->rhs.act, b, x->g.t), &steps));
    }
    end(x, b);
    for (int copy = 0; copy < x->batch.n;
         copy++) { /* in the log they come one after the other, in time too */
        const struct ap_presented shown = {(uint32_t)program, (uint32_t)block, k + (uint64_t)copy,
                                           pattern[copy],     x->time,         b->duration};
        AP_TRY(ap_record_end(e, x->copy[copy], &shown, x->presentation));
        x->time += b->duration;
        x->presentation++;
    }
    ap_cursor_move(&x->cursor);
    return AP_OK;
}

void ap_sim_settle(struct ap_sim *x)
{
    ap_batch_fold(&x->batch); /* a presentation that failed has not come to its end */
    for (int i = 0; x->c->coupled && i < x->c->n_proj; i++) {
        struct ap_proj *p = &x->c->proj[i];
        if (!p->plastic)
            continue;
        memcpy(p->w, x->g.y + p->w_state, p->rows * p->cols * sizeof(double));
        if (p->d)
            memcpy(p->d, x->g.y + p->d_state, p->rows * p->cols * sizeof(double));
    }
}

struct ap_hash ap_sim_digest(const struct ap_sim *x)
{
    struct ap_hash h = {0};
    size_t copies = (size_t)x->c->copies;
    ap_hash_add(&h, x->g.y, copies * x->c->n_state * sizeof(double));
    ap_hash_add(&h, x->c->weights, x->c->n_weights * sizeof(double));
    ap_hash_add(&h, x->clamp, copies * x->c->n_rate * sizeof(double));
    for (int i = 0; i < x->c->n_stim; i++)
        if (x->c->stim[i].stim->p.read)
            ap_hash_add(&h, &x->cursor.state[i], sizeof *x->cursor.state);
    return h;
}
