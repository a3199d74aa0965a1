/* record.c: recording into the log.
 *
 * In:   the integrator's state between steps, fields of the right-hand side.
 * Out:  blocks of run.log.
 * Invariants:
 *   1. Recording reads the state and writes only its own buffers and the fields: it cannot change a run.
 *   2. Frames of a presentation lie at t = 0, every, 2 every, ... < duration.
 * Never: allocates during a presentation that is no longer than an earlier one.
 * Test: tests/unit/test_sim.c */
#include "record.h"
#include "probe.h"

#include <math.h>
#include <string.h>

/* All but the log. */
static enum ap_code open_buffers(struct ap_err *e, struct ap_recorder *r, struct ap_rhs *rhs,
                                 const struct ap_cursor *cursor)
{
    const struct ap_circuit *c = rhs->c;
    *r = (struct ap_recorder){.c = c, .rhs = rhs, .cursor = cursor, .log.file.fd = -1};
    const struct ap_spec *s = c->spec;
    size_t n = (size_t)s->n_report + 1;
    r->part = ap_mem_array(e, n, sizeof *r->part, "recorder");
    r->width = ap_mem_array(e, n, sizeof *r->width, "recorder");
    r->frame = ap_mem_array(e, n, sizeof *r->frame, "recorder");
    r->room = ap_mem_array(e, n, sizeof *r->room, "recorder");
    r->taken = ap_mem_array(e, n, sizeof *r->taken, "recorder");
    r->wanted = ap_mem_array(e, n, sizeof *r->wanted, "recorder");
    r->n_columns = ap_runlog_column(s, s->n_probe);
    r->column = ap_mem_array(e, 4 * r->n_columns + AP_PROBE_COLUMNS, sizeof *r->column, "recorder");
    r->y = ap_mem_array(e, c->n_state, sizeof *r->y, "recorder");
    if (!r->part || !r->width || !r->frame || !r->room || !r->taken || !r->wanted || !r->column || !r->y)
        return AP_EMEMORY;
    r->integral = r->column + r->n_columns;
    r->last = r->integral + r->n_columns;
    r->now = r->last + r->n_columns;
    for (int i = 0; i < s->n_report; i++) {
        r->part[i] = ap_mem_array(e, (size_t)s->report[i].n_of + 1, sizeof **r->part, "recorder");
        if (!r->part[i])
            return AP_EMEMORY;
        r->width[i] = ap_runlog_layout(s, &s->report[i], r->part[i]);
    }
    int needs = 0;
    for (int i = 0; i < s->n_probe; i++)
        needs |= s->probe[i].row->needs;
    r->analyses = needs & (AP_PROBE_HIDDEN | AP_PROBE_FORWARD);
    if (r->analyses)
        AP_TRY(ap_analysis_open(e, &r->analysis, rhs));
    if (needs & (AP_PROBE_CHANGE | AP_PROBE_ADJOINT))
        AP_TRY(ap_analysis_keep(e, &r->analysis));
    if (needs & AP_PROBE_ADJOINT)
        AP_TRY(ap_adjoint_create(e, &r->analysis, &r->adjoint));
    return AP_OK;
}

enum ap_code ap_record_open(struct ap_err *e, struct ap_recorder *r, struct ap_rhs *rhs,
                            const struct ap_cursor *cursor, const char *path,
                            const struct ap_runlog_mark *mark)
{
    AP_TRY(open_buffers(e, r, rhs, cursor));
    r->to = &r->log;
    if (mark)
        return ap_runlog_reopen(e, &r->log, path, mark);
    AP_TRY(ap_runlog_create(e, &r->log, path));
    char *text =
        ap_spec_movable_text(e, r->c->spec); /* as in circuit.yaml: a resumed run must write the same */
    enum ap_code code =
        text ? ap_runlog_append(e, &r->log, AP_BLOCK_SPEC, text, strlen(text), NULL, 0) : AP_EMEMORY;
    ap_mem_free(text);
    return code;
}

enum ap_code ap_record_beside(struct ap_err *e, struct ap_recorder *r, struct ap_rhs *rhs,
                              struct ap_recorder *first, int copy)
{
    AP_TRY(open_buffers(e, r, rhs, first->cursor));
    r->to = &first->log;
    r->copy = copy;
    return AP_OK;
}

enum ap_code ap_record_close(struct ap_err *e, struct ap_recorder *r)
{
    enum ap_code code = r->log.file.fd >= 0 ? ap_runlog_close(e, &r->log) : AP_OK;
    for (int i = 0; r->c && i < r->c->spec->n_report; i++) {
        if (r->part)
            ap_mem_free(r->part[i]);
        if (r->frame)
            ap_mem_free(r->frame[i]);
    }
    ap_mem_free(r->part);
    ap_mem_free(r->width);
    ap_mem_free(r->frame);
    ap_mem_free(r->room);
    ap_mem_free(r->taken);
    ap_mem_free(r->wanted);
    ap_mem_free(r->column);
    ap_mem_free(r->y);
    ap_adjoint_free(r->adjoint);
    ap_analysis_free(&r->analysis);
    *r = (struct ap_recorder){.log.file.fd = -1};
    return code;
}

/* Copies the fields of one report into its next frame. */
static void take_frame(struct ap_recorder *r, int report)
{
    double *out = r->frame[report] + r->taken[report]++ * r->width[report];
    const struct ap_report_spec *s = &r->c->spec->report[report];
    for (int i = 0; i < s->n_of; i++) {
        const struct ap_report_part *p = &r->part[report][i];
        for (int c = 0; c < p->n_comp; c++) {
            const double *v = r->rhs->v + r->c->pop[p->pop].comp[p->comp[c]].value + p->first;
            for (size_t k = 0; k < p->n; k++)
                out[p->at + k * (size_t)p->n_comp + (size_t)c] = v[k];
        }
    }
}

static void probe_now(struct ap_recorder *r, bool means, bool ends, double *out)
{
    const struct ap_spec *s = r->c->spec;
    for (int i = 0; i < s->n_probe; i++) {
        const struct ap_probe_view v = {.spec = &s->probe[i],
                                        .rhs = r->rhs,
                                        .analysis = &r->analysis,
                                        .adjoint = r->adjoint,
                                        .cursor = r->cursor};
        if (s->probe[i].row->mean ? means : ends)
            s->probe[i].row->value(&v, out + ap_runlog_column(s, i));
    }
}

bool ap_record_averages(const struct ap_recorder *r)
{
    for (int i = 0; i < r->c->spec->n_probe; i++)
        if (r->c->spec->probe[i].row->mean)
            return true;
    return false;
}

enum ap_code ap_record_begin(struct ap_err *e, struct ap_recorder *r, const struct ap_block_spec *block,
                             uint64_t k)
{
    const struct ap_spec *s = r->c->spec;
    memset(r->integral, 0, r->n_columns * sizeof *r->integral);
    if (r->analyses)
        ap_analysis_begin(&r->analysis);
    probe_now(r, true, false, r->last);
    for (int i = 0; i < s->n_report; i++) {
        const struct ap_report_spec *p = &s->report[i];
        bool on = p->during[block - s->block] && (p->limit == 0 || k < (uint64_t)p->limit);
        r->taken[i] = 0;
        r->wanted[i] = on ? (size_t)llround(block->duration / p->every) : 0;
        if (r->wanted[i] <= r->room[i])
            continue;
        size_t bytes;
        if (!ap_mem_product(r->wanted[i], r->width[i], &bytes))
            return ap_err_add(e, AP_EMEMORY, &p->at, "sample less often",
                              "record: too many values per presentation");
        ap_mem_free(r->frame[i]);
        r->frame[i] = ap_mem_array(e, bytes, sizeof **r->frame, "recorder");
        if (!r->frame[i])
            return AP_EMEMORY;
        r->room[i] = r->wanted[i];
    }
    return AP_OK;
}

static bool is_due(const struct ap_recorder *r, int report, double until)
{
    return r->taken[report] < r->wanted[report] &&
           (double)r->taken[report] * r->c->spec->report[report].every < until;
}

bool ap_record_due(const struct ap_recorder *r, double until)
{
    bool due = false;
    for (int i = 0; i < r->c->spec->n_report; i++)
        due = due || is_due(r, i, until);
    return due;
}

enum ap_code ap_record_samples(struct ap_err *e, struct ap_recorder *r, struct ap_integrator *g)
{
    const struct ap_spec *s = r->c->spec;
    enum ap_profile_part part = ap_profile_enter(r->rhs->profile, AP_PROFILE_RECORD);
    for (int i = 0; i < s->n_report; i++)
        while (is_due(r, i, g->t)) {
            double t = (double)r->taken[i] * s->report[i].every;
            AP_TRY(ap_integrate_at(e, g, r->copy, t < g->t_before ? g->t_before : t, r->y));
            ap_rhs_eval(r->rhs, t, r->y, NULL);
            take_frame(r, i);
        }
    ap_profile_enter(r->rhs->profile, part);
    return AP_OK;
}

void ap_record_edge(struct ap_recorder *r)
{
    probe_now(r, true, false, r->last);
}

void ap_record_step(struct ap_recorder *r, double h, bool adaptive)
{
    enum ap_profile_part part = ap_profile_enter(r->rhs->profile, AP_PROFILE_RECORD);
    probe_now(r, true, false, r->now);
    for (size_t i = 0; i < r->n_columns; i++) {
        r->integral[i] += adaptive ? 0.5 * h * (r->last[i] + r->now[i]) : h * r->now[i];
        r->last[i] = r->now[i];
    }
    ap_profile_enter(r->rhs->profile, part);
}

enum ap_code ap_record_end(struct ap_err *e, struct ap_recorder *r, const struct ap_presented *p,
                           uint64_t presentation)
{
    const struct ap_spec *s = r->c->spec;
    enum ap_profile_part part = ap_profile_enter(r->rhs->profile, AP_PROFILE_RECORD);
    for (size_t i = 0; i < r->n_columns; i++)
        r->column[i] = r->integral[i] / p->duration;
    if (r->analyses)
        ap_analysis_eval(&r->analysis);
    if (r->adjoint && r->analysis.taught)
        AP_TRY(ap_adjoint_eval(e, r->adjoint, &s->block[p->block], r->analysis.start));
    probe_now(r, false, true, r->column);
    AP_TRY(ap_runlog_append(e, r->to, AP_BLOCK_PRESENTATION, p, sizeof *p, r->column,
                            r->n_columns * sizeof(double)));
    for (int i = 0; i < s->n_report; i++) {
        if (r->taken[i] == 0)
            continue;
        struct ap_frames f = {(uint32_t)i, (uint32_t)r->taken[i], r->width[i], presentation};
        AP_TRY(ap_runlog_append(e, r->to, AP_BLOCK_FRAMES, &f, sizeof f, r->frame[i],
                                r->taken[i] * r->width[i] * sizeof(double)));
    }
    ap_profile_enter(r->rhs->profile, part);
    return AP_OK;
}

enum ap_code ap_record_weights(struct ap_err *e, struct ap_recorder *r, const char *label)
{
    for (int i = 0; i < r->c->n_proj; i++) {
        const struct ap_proj *p = &r->c->proj[i];
        if (!p->w)
            continue;
        struct ap_snapshot w = {.proj = (uint32_t)i, .rows = p->rows, .cols = p->cols};
        snprintf(w.label, sizeof w.label, "%s", label);
        AP_TRY(ap_runlog_append(e, &r->log, AP_BLOCK_WEIGHTS, &w, sizeof w, p->w,
                                p->rows * p->cols * sizeof(double)));
    }
    return AP_OK;
}
