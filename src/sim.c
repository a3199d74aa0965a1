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
    AP_TRY(ap_rhs_init(e, &x->rhs, x->c));
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
    AP_TRY(ap_integrate_create(e, &x->g, &s->integrator, &x->rhs));
    AP_TRY(ap_plasticity_init(e, &x->plasticity, &x->rhs));
    AP_TRY(ap_cursor_init(e, &x->cursor, x->c));
    x->clamp = ap_mem_array(e, x->c->n_rate, sizeof *x->clamp, "clamped potentials");
    x->shown = ap_mem_array(e, (size_t)s->n_block + 1, sizeof *x->shown, "schedule");
    if (!x->clamp || !x->shown)
        return AP_EMEMORY;
    ap_circuit_start(x->c, x->g.y);
    return AP_OK;
}

enum ap_code ap_sim_record(struct ap_err *e, struct ap_sim *x, const char *path)
{
    AP_TRY(ap_record_open(e, &x->recorder, &x->rhs, &x->cursor, path, NULL));
    return ap_record_weights(e, &x->recorder, "initial");
}

enum ap_code ap_sim_record_on(struct ap_err *e, struct ap_sim *x, const char *path,
                              const struct ap_runlog_mark *mark)
{
    return ap_record_open(e, &x->recorder, &x->rhs, &x->cursor, path, mark);
}

void ap_sim_close(struct ap_sim *x)
{
    ap_record_close(NULL, &x->recorder);
    ap_cursor_free(&x->cursor);
    ap_plasticity_free(&x->plasticity);
    ap_integrate_free(&x->g);
    ap_noise_free(&x->noise);
    ap_rhs_free(&x->rhs);
    ap_mem_free(x->clamp);
    ap_mem_free(x->shown);
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
    ap_circuit_where(x->c, at, where);
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
    for (size_t i = 0; i < x->c->n_membrane; i++)
        if (!(fabs(x->g.y[i]) <= limit))
            return ran_away(e, x, b, k, i);
    return AP_OK;
}

/* The integrator gave up: name the potential that changes fastest. */
static enum ap_code gave_up(struct ap_err *e, struct ap_sim *x, const struct ap_block_spec *b, uint64_t k)
{
    char where[AP_ERR_PATH];
    double *dy = ap_mem_array(e, x->c->n_state, sizeof *dy, "derivatives");
    if (!dy)
        return AP_ENUMERIC;
    ap_rhs_eval(&x->rhs, x->g.t, x->g.y, dy);
    size_t worst = 0;
    for (size_t i = 0; i < x->c->n_membrane; i++)
        if (!(fabs(dy[i]) <= fabs(dy[worst])))
            worst = i;
    ap_circuit_where(x->c, worst, where);
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

/* Clamped populations: from where they are now towards the new pattern. Returns the pattern's number. */
static uint64_t set_patterns(struct ap_sim *x, const struct ap_block_spec *b, uint64_t shown, bool restart)
{
    struct ap_circuit *c = x->c;
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
        double *from = x->rhs.clamp_from + pop->rate, *to = x->rhs.clamp_to + pop->rate;
        x->rhs.clamp_tau[p] = 0;
        if (!pop->clamped)
            continue;
        memcpy(from, x->clamp + pop->rate, pop->n * sizeof *from);
        if (b->stim[p] < 0)
            continue; /* nothing reads it */
        struct ap_stimulus *st = &c->stim[b->stim[p]];
        ap_stimulus_potential(st, index, to);
        x->rhs.clamp_tau[p] = st->stim->smoothing;
    }
    return index;
}

static void reset_state(struct ap_sim *x)
{
    struct ap_circuit *c = x->c;
    for (int k = 0; k < c->n_part; k++) {
        const struct ap_part *p = &c->part[k];
        for (size_t i = 0; p->proj < 0 && i < p->n; i++)
            x->g.y[p->start + i] = c->pop[p->pop].comp[p->comp].rest;
        for (size_t i = 0; p->proj >= 0 && p->lowpass && i < p->n; i++)
            x->g.y[p->start + i] = 0;
    }
    for (int i = 0; i < c->n_proj; i++)
        if (c->proj[i].d)
            memset(c->proj[i].d, 0, c->proj[i].rows * c->proj[i].cols * sizeof(double));
}

/* The interventions of the stretch that begins at time t come into force. */
static void enter_stretch(struct ap_sim *x, const struct ap_block_spec *b, double t)
{
    ap_factor_fold(&x->rhs.factor);
    ap_span_forget(&x->rhs.span, -1);
    ap_intervene_set(&x->rhs.act, b, t);
    ap_intervene_hold(&x->rhs.act, x->g.y);
    x->rhs.now.plastic = x->rhs.act.plastic;
    x->rhs.drifts = false; /* the weights have caught up */
}

/* What is averaged over a presentation takes in the step that was made. */
static void average(struct ap_sim *x, bool adaptive)
{
    ap_record_step(&x->recorder, x->g.t - x->g.t_before, adaptive);
    ap_cursor_step(&x->cursor, x->rhs.rate, x->g.t_before, x->g.t, adaptive);
}

/* Steps up to `stop`; fields of the right-hand side are those of now. */
static enum ap_code advance(struct ap_err *e, struct ap_sim *x, const struct ap_block_spec *b, uint64_t k,
                            double stop, int64_t *steps)
{
    bool adaptive = x->g.row->adaptive, held = ap_plasticity_acts(&x->plasticity);
    bool averages = x->cursor.now >= 0 || ap_record_averages(&x->recorder);
    if (held && adaptive)
        ap_plasticity_begin(&x->plasticity, x->g.t);
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
        if (adaptive && (held || averages)) {
            ap_integrate_fields(&x->g);
            ap_rhs_keep(&x->rhs); /* samples within the step look elsewhere */
        }
        AP_TRY(ap_record_samples(e, &x->recorder, &x->g));
        if (!adaptive && held)
            ap_plasticity_euler(&x->plasticity, x->g.t, h);
        if (adaptive && (held || averages)) {
            ap_rhs_back(&x->rhs);
            if (averages)
                average(x, true);
            if (held)
                ap_plasticity_step(&x->plasticity, x->g.t, h);
        }
    }
    return AP_OK;
}

enum ap_code ap_sim_present(struct ap_err *e, struct ap_sim *x, int program, uint64_t k)
{
    int block = x->spec->program[program];
    const struct ap_block_spec *b = &x->spec->block[block];
    if (k == 0 && b->restart)
        x->shown[block] = 0;
    enum ap_profile_part part = ap_profile_enter(x->rhs.profile, AP_PROFILE_PATTERNS);
    uint64_t pattern = set_patterns(x, b, x->shown[block]++, k == 0 && b->restart);
    x->rhs.now = (struct ap_presentation){b->duration, b->teacher, b->noise, b->plastic};
    if (x->rhs.noise)
        ap_noise_draw(&x->noise, x->presentation, b->duration, b->noise);
    if (b->reset)
        reset_state(x);

    enter_stretch(x, b, 0);
    ap_rhs_begin(&x->rhs, b->plastic);
    ap_profile_enter(x->rhs.profile, part);
    ap_rhs_eval(&x->rhs, 0, x->g.y, NULL);
    if (x->watch)
        ap_analysis_begin(x->watch);
    AP_TRY(ap_record_begin(e, &x->recorder, b, k));
    ap_cursor_edge(&x->cursor, x->rhs.rate);
    AP_TRY(ap_integrate_begin(e, &x->g));
    int64_t steps = 0;
    while (x->g.t < b->duration) { /* from edge to edge of interventions */
        if (x->g.t > 0) {
            enter_stretch(x, b, x->g.t);
            ap_rhs_eval(&x->rhs, x->g.t, x->g.y, NULL);
            ap_record_edge(&x->recorder);
            ap_cursor_edge(&x->cursor, x->rhs.rate);
            AP_TRY(ap_integrate_restart(e, &x->g));
        }
        AP_TRY(advance(e, x, b, k, ap_intervene_edge(&x->rhs.act, b, x->g.t), &steps));
    }
    ap_profile_enter(x->rhs.profile, AP_PROFILE_PATTERNS);
    ap_afferent_fold(&x->rhs.afferent);
    ap_factor_fold(&x->rhs.factor);
    ap_profile_enter(x->rhs.profile, part);
    x->rhs.drifts = false; /* the weights have caught up */
    ap_rhs_eval(&x->rhs, b->duration, x->g.y, NULL);
    for (int p = 0; p < x->c->n_pop; p++)
        if (x->c->pop[p].clamped)
            memcpy(x->clamp + x->c->pop[p].rate, x->rhs.v + x->c->pop[p].comp[0].value,
                   x->c->pop[p].n * sizeof(double));
    if (x->rhs.noise)
        ap_noise_finish(&x->noise, b->duration);
    ap_cursor_end(&x->cursor, b->duration);
    const struct ap_presented shown = {(uint32_t)program, (uint32_t)block, k, pattern, x->time, b->duration};
    AP_TRY(ap_record_end(e, &x->recorder, &shown, x->presentation));
    ap_cursor_move(&x->cursor);
    x->time += b->duration;
    x->presentation++;
    return AP_OK;
}

void ap_sim_settle(struct ap_sim *x)
{
    ap_factor_fold(&x->rhs.factor);
    ap_afferent_fold(&x->rhs.afferent); /* a presentation that failed has not come to its end */
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
    ap_hash_add(&h, x->g.y, x->c->n_state * sizeof(double));
    ap_hash_add(&h, x->c->weights, x->c->n_weights * sizeof(double));
    ap_hash_add(&h, x->clamp, x->c->n_rate * sizeof(double));
    for (int i = 0; i < x->c->n_stim; i++)
        if (x->c->stim[i].stim->p.read)
            ap_hash_add(&h, &x->cursor.state[i], sizeof *x->cursor.state);
    return h;
}
