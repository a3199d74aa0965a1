/* timefig.c: figures over time: voltage maps, apical error maps, traces, cancellation.
 *
 * In:   recorded potentials; for cancellation also the feedback weights, which must not have changed.
 * Out:  pages with one column per block.
 * Invariants:
 *   1. Panels of a row share their colour limits or their y axis: blocks can be compared by eye.
 * Never: joins presentations of different passes.
 * Test: tests/unit/test_figure.c */
#include "drawing.h"
#include "pathway.h"

#include <math.h>
#include <string.h>

#define N(keys) ((int)(sizeof keys / sizeof *keys))

enum { SPANS_MAX = 64 }; /* presentations whose interventions are shaded */

/* ---- maps over time -------------------------------------------------------------------------------- */

int ap_timefig_comp(const struct ap_spec *s, int pop, const char *name)
{
    const struct ap_cell_spec *cell = &s->cell[s->pop[pop].cell];
    for (int c = 0; c < cell->n_comp; c++)
        if (strcmp(cell->comp[c].name, name) == 0)
            return c;
    return -1;
}

/* " · NAME" for each intervention that acts in a block. */
static const char *marks_of(struct ap_drawing *d, int block)
{
    const char *marks = "";
    for (int i = 0; i < d->s->n_intervention; i++) {
        const struct ap_intervention_spec *v = &d->s->intervention[i];
        if (v->during[block] && v->from < d->s->block[block].duration)
            marks = ap_drawing_text(d, "%s · %s", marks, v->name);
    }
    return marks;
}

/* Maps of one compartment, one panel per block, in row `row`. Deviation from rest when diverging. */
static enum ap_code map_row(struct ap_drawing *d, const struct ap_selection *of, int comp, int row,
                            bool diverging, int *cols)
{
    struct ap_series series[16];
    int n = 0;
    double low = 0, high = 0;
    bool any = false;
    for (int b = 0; b < d->s->n_block && n < 16; b++) {
        bool found = false;
        if (d->f->during[b])
            AP_TRY(ap_series_gather(d->e, &d->arena, d->run, of, comp, b, d->f->limit, &series[n], &found));
        double l, h;
        if (!found)
            continue;
        if (ap_series_limits(series[n].values, series[n].n * series[n].frames, &l, &h)) {
            low = any && low < l ? low : l;
            high = any && high > h ? high : h;
            any = true;
        }
        n++;
    }
    if (!any) /* no value is finite: all hatch */
        high = 1;
    const struct ap_comp_spec *c = &d->s->cell[d->s->pop[of->pop].cell].comp[comp];
    double rest = c->rest.value, most = fmax(fabs(low - rest), fabs(high - rest));
    if (d->f->range > 0)
        most = d->f->range;
    for (int i = 0; i < n; i++) {
        const struct ap_series *x = &series[i];
        double *m = ap_drawing_take(d, x->n * x->frames, sizeof *m);
        if (!m)
            return AP_EMEMORY;
        for (size_t k = 0; k < x->n * x->frames; k++)
            m[k] = x->values[k] - (diverging ? rest : 0);
        struct ap_axes_panel *p = ap_drawing_panel(d, AP_AXES_HEAT, row, i);
        const struct ap_block_spec *b = &d->s->block[x->block];
        p->title = ap_drawing_text(d, "%s %s · %s, teacher %s%s", ap_drawing_population(d, of->pop), c->name,
                                   b->name, b->teacher ? "on" : "off", marks_of(d, x->block));
        p->x_label = "time [ms]";
        p->y_label = "neuron";
        p->heat = (struct ap_axes_heat){
            .values = m,
            .rows = x->n,
            .cols = x->frames,
            .x = {0, x->duration},
            .y = {(double)x->first, (double)(x->first + x->n)},
            .cmap = diverging ? AP_CMAP_DIVERGING : AP_CMAP_VIRIDIS,
            .limits = diverging ? (struct ap_axes_range){-most, most} : (struct ap_axes_range){low, high},
            .bar_label = diverging ? ap_drawing_text(d, "potential − rest [%s]", ap_drawing_potential_unit(d))
                                   : ap_drawing_text(d, "potential [%s]", ap_drawing_potential_unit(d)),
            .no_bar = i + 1 < n,
        };
    }
    *cols = n > *cols ? n : *cols;
    return AP_OK;
}

static enum ap_code finish_maps(struct ap_drawing *d, const char *path, int rows, int cols,
                                const char *headline)
{
    if (d->n_panels == 0)
        return ap_drawing_nothing(d, "recorded potentials for it",
                                  "list the population and its blocks under `record`");
    d->n_rows = rows;
    d->n_cols = cols;
    d->width = 360 + 340 * cols < 1500 ? 360 + 340 * cols : 1500;
    d->height = 130 + 270 * rows;
    return ap_drawing_finish(d, path, headline);
}

enum ap_code ap_timefig_voltage(struct ap_drawing *d, const char *path)
{
    int row = 0, cols = 0;
    for (int i = 0; i < d->f->n_of; i++) {
        const struct ap_selection *of = &d->f->of[i];
        const struct ap_cell_spec *cell = &d->s->cell[d->s->pop[of->pop].cell];
        for (int c = 0; c < cell->n_comp; c++) {
            if (of->comp >= 0 && of->comp != c)
                continue;
            int before = d->n_panels;
            AP_TRY(map_row(d, of, c, row, false, &cols));
            row += d->n_panels > before;
        }
    }
    return finish_maps(d, path, row, cols,
                       ap_drawing_text(d, "Potentials of %s over time",
                                       d->f->n_of ? ap_drawing_population(d, d->f->of[0].pop) : ""));
}

enum ap_code ap_timefig_check_apical(struct ap_err *e, const struct ap_spec *s,
                                     const struct ap_figure_spec *f)
{
    for (int i = 0; i < f->n_of; i++)
        if (f->of[i].comp < 0 && ap_timefig_comp(s, f->of[i].pop, "apical") < 0)
            return ap_err_add(e, AP_EUSAGE, &f->at,
                              "name the compartment that carries the error, as population/compartment",
                              "figure apical-error: population %s has no compartment 'apical'",
                              s->pop[f->of[i].pop].name);
    return AP_OK;
}

enum ap_code ap_timefig_apical(struct ap_drawing *d, const char *path)
{
    int row = 0, cols = 0;
    for (int i = 0; i < d->f->n_of; i++) {
        const struct ap_selection *of = &d->f->of[i];
        int before = d->n_panels;
        AP_TRY(map_row(d, of, of->comp >= 0 ? of->comp : ap_timefig_comp(d->s, of->pop, "apical"), row, true,
                       &cols));
        row += d->n_panels > before;
    }
    snprintf(d->subtitle, sizeof d->subtitle,
             "white: at rest, no error; red and blue: what top-down feedback says beyond the interneurons' "
             "prediction");
    return finish_maps(d, path, row, cols, "Apical error over time");
}

/* ---- traces ---------------------------------------------------------------------------------------- */

/* The clamped population that gated nudging pulls `pop` towards, -1: none. */
static int target_of(const struct ap_spec *s, int pop)
{
    for (int i = 0; i < s->n_proj; i++)
        if (s->proj[i].nudges && s->proj[i].post == pop && s->proj[i].gate == AP_GATE_TEACHER)
            return s->proj[i].pre;
    return -1;
}

static void add_trace(struct ap_drawing *d, struct ap_axes_panel *p, struct ap_axes_series *list,
                      const struct ap_series *x, size_t neuron, const char *name, struct ap_cmap_rgb colour,
                      enum ap_axes_style style)
{
    double *time = ap_drawing_take(d, x->frames, sizeof *time);
    for (size_t t = 0; time && t < x->frames; t++)
        time[t] = (double)t * x->every;
    list[p->lines.n_series++] = (struct ap_axes_series){.name = name,
                                                        .x = time,
                                                        .y = x->values + neuron * x->frames,
                                                        .n = time ? x->frames : 0,
                                                        .colour = colour,
                                                        .style = style};
}

/* Shaded stretches: the teacher, and interventions in each presentation shown. */
static enum ap_code add_spans(struct ap_drawing *d, struct ap_axes_panel *p, int block, double shown)
{
    const struct ap_block_spec *b = &d->s->block[block];
    size_t presentations = (size_t)llround(shown / b->duration), n = 0;
    presentations = presentations < SPANS_MAX ? presentations : SPANS_MAX;
    struct ap_axes_span *span =
        ap_drawing_take(d, presentations * (size_t)d->s->n_intervention + 1, sizeof *span);
    if (!span)
        return AP_EMEMORY;
    if (b->teacher)
        span[n++] = (struct ap_axes_span){0, shown, "teacher"};
    for (int i = 0; i < d->s->n_intervention; i++) {
        const struct ap_intervention_spec *v = &d->s->intervention[i];
        double until = fmin(v->until, b->duration);
        bool whole = v->from <= 0 && until >= b->duration;
        for (size_t k = 0; v->during[block] && v->from < until && k < (whole ? 1 : presentations); k++)
            span[n++] = (struct ap_axes_span){(double)k * b->duration + v->from,
                                              whole ? shown : (double)k * b->duration + until, v->name};
    }
    p->lines.spans = span;
    p->lines.n_spans = n;
    return AP_OK;
}

static enum ap_code trace_panel(struct ap_drawing *d, const struct ap_selection *of, int64_t neuron,
                                int block, int row, int col, bool *drawn)
{
    static const struct {
        const char *name;
        struct ap_cmap_rgb colour;
    } COLOURS[] = {
        {"soma", {0x1A, 0x1A, 0x1A}},     {"basal", {0x00, 0x6B, 0xB4}},   {"apical", {0xD0, 0x2F, 0x1E}},
        {"dendrite", {0x00, 0x8F, 0x6B}}, {"topdown", {0xE0, 0x8E, 0x00}},
    };
    const struct ap_cell_spec *cell = &d->s->cell[d->s->pop[of->pop].cell];
    struct ap_axes_series *list = ap_drawing_take(d, (size_t)cell->n_comp + 2, sizeof *list);
    if (!list)
        return AP_EMEMORY;
    struct ap_axes_panel panel = {.kind = AP_AXES_LINES, .row = row, .col = col};
    struct ap_selection one = {of->pop, -1, neuron, neuron + 1, true};
    struct ap_series x = {0};
    *drawn = false;
    for (int c = 0; c < cell->n_comp; c++) {
        bool found;
        if (of->comp >= 0 && of->comp != c)
            continue;
        AP_TRY(ap_series_gather(d->e, &d->arena, d->run, &one, c, block, d->f->limit, &x, &found));
        if (!found)
            continue;
        struct ap_cmap_rgb colour = AP_CMAP_PURPLE;
        for (int k = 0; k < N(COLOURS); k++)
            if (strcmp(COLOURS[k].name, cell->comp[c].name) == 0)
                colour = COLOURS[k].colour;
        add_trace(d, &panel, list, &x, 0, cell->comp[c].name, colour, AP_AXES_LINE);
        *drawn = true;
    }
    int target = target_of(d->s, of->pop);
    bool found = false;
    struct ap_series y;
    if (target >= 0 && *drawn) {
        struct ap_selection same = {target, -1, neuron, neuron + 1, true};
        AP_TRY(ap_series_gather(d->e, &d->arena, d->run, &same, 0, block, d->f->limit, &y, &found));
        if (found)
            add_trace(d, &panel, list, &y, 0, "target", AP_CMAP_ORANGE, AP_AXES_DASHED);
    }
    if (!*drawn)
        return AP_OK;
    panel.title = ap_drawing_text(d, "%s %lld · %s%s", ap_drawing_population(d, of->pop), (long long)neuron,
                                  d->s->block[block].name, marks_of(d, block));
    panel.x_label = "time [ms]";
    panel.y_label = ap_drawing_text(d, "potential [%s]", ap_drawing_potential_unit(d));
    panel.lines.series = list;
    panel.lines.x = (struct ap_axes_range){0, x.duration};
    AP_TRY(add_spans(d, &panel, block, x.duration));
    *ap_drawing_panel(d, AP_AXES_LINES, row, col) = panel;
    return AP_OK;
}

/* One y axis for the panels of one neuron, from number `first` on: blocks can be compared by eye. */
static void share_y(struct ap_drawing *d, int first)
{
    double low = INFINITY, high = -INFINITY;
    for (int i = first; i < d->n_panels; i++)
        for (size_t k = 0; k < d->panel[i].lines.n_series; k++) {
            double l, h;
            if (ap_series_limits(d->panel[i].lines.series[k].y, d->panel[i].lines.series[k].n, &l, &h)) {
                low = fmin(low, l);
                high = fmax(high, h);
            }
        }
    double margin = high > low ? 0.05 * (high - low) : 1;
    for (int i = first; i < d->n_panels && high >= low; i++)
        d->panel[i].lines.y = (struct ap_axes_range){low - margin, high + margin};
}

enum ap_code ap_timefig_traces(struct ap_drawing *d, const char *path)
{
    int row = 0, cols = 0;
    for (int i = 0; i < d->f->n_of; i++) {
        const struct ap_selection *of = &d->f->of[i];
        int64_t last = of->ranged || of->last - of->first <= 3 ? of->last : of->first + 3;
        for (int64_t k = of->first; k < last && row < 8; k++) {
            int col = 0, first = d->n_panels;
            for (int b = 0; b < d->s->n_block && col < 6; b++) {
                bool drawn = false;
                if (d->f->during[b])
                    AP_TRY(trace_panel(d, of, k, b, row, col, &drawn));
                col += drawn;
            }
            share_y(d, first);
            cols = col > cols ? col : cols;
            row += col > 0;
        }
    }
    return finish_maps(d, path, row, cols, "Traces of single neurons");
}

/* ---- cancellation ----------------------------------------------------------------------------------- */

/* The hidden layer that population `pop` is, when its apical dendrite is the sum of its inputs. */
static enum ap_code find_layer(struct ap_err *e, const struct ap_spec *s, const struct ap_place *at, int pop,
                               struct ap_pathway *path, int *layer)
{
    AP_TRY(ap_pathway_find(e, at, s, path));
    int k = *layer = ap_pathway_of_population(path, pop);
    const char *name = s->pop[pop].name;
    if (k < 1 || k == path->n || path->layer[k].n_feedback == 0)
        return ap_err_add(e, AP_EUSAGE, at, "name pyramidal cells that get feedback",
                          "figure cancellation: %s is no hidden layer with feedback", name);
    if (s->cell[s->pop[pop].cell].comp[path->layer[k].apical].kind != AP_COMP_INSTANTANEOUS)
        return ap_err_add(e, AP_EUSAGE, at, "draw traces instead",
                          "figure cancellation: the apical dendrite of %s has a membrane of its own, so its "
                          "potential is no sum of parts",
                          name);
    return AP_OK;
}

/* The log holds weights of the start and of the end only: the parts are known while feedback does not learn. */
static bool feedback_learns(const struct ap_spec *s, const struct ap_pathway_layer *l)
{
    bool learns = false;
    for (int f = 0; f < l->n_feedback; f++)
        learns = learns || s->proj[l->feedback[f].proj].rule.present;
    return learns;
}

enum ap_code ap_timefig_check_cancellation(struct ap_err *e, const struct ap_spec *s,
                                           const struct ap_figure_spec *f)
{
    struct ap_pathway path;
    int layer;
    for (int i = 0; i < f->n_of; i++)
        AP_TRY(find_layer(e, s, &f->at, f->of[i].pop, &path, &layer));
    return AP_OK;
}

/* Adds what one feedback projection brings to `neuron` over the frames of x; false: its source was not recorded. */
static enum ap_code add_topdown(struct ap_drawing *d, const struct ap_pathway *path,
                                const struct ap_pathway_feedback *f, size_t neuron, const struct ap_series *x,
                                double *sum, bool *found)
{
    int above = path->layer[f->from].pop;
    size_t n = (size_t)d->s->pop[above].n;
    const struct ap_pop_spec *s = &d->s->pop[above];
    struct ap_selection all = {above, -1, 0, s->n, false};
    struct ap_series u;
    AP_TRY(ap_series_gather(d->e, &d->arena, d->run, &all, 0, x->block, d->f->limit, &u, found));
    const double *w = ap_runlog_weights(d->run, "initial", f->proj);
    *found = *found && w && u.frames == x->frames;
    for (size_t j = 0; *found && j < n; j++)
        for (size_t t = 0; t < x->frames; t++) {
            double rate;
            s->transfer->rate(s->transfer_param, 1, &u.values[j * u.frames + t], &rate);
            sum[t] = fma(w[neuron * n + j], rate, sum[t]);
        }
    return AP_OK;
}

static enum ap_code cancellation_panel(struct ap_drawing *d, const struct ap_pathway *path, int layer,
                                       int64_t neuron, int block, int row, int col, bool *drawn)
{
    const struct ap_pathway_layer *l = &path->layer[layer];
    struct ap_selection one = {l->pop, -1, neuron, neuron + 1, true};
    struct ap_series x, parts[2];
    AP_TRY(ap_series_gather(d->e, &d->arena, d->run, &one, l->apical, block, d->f->limit, &x, drawn));
    if (!*drawn)
        return AP_OK;
    double *topdown = ap_drawing_take(d, x.frames, sizeof *topdown),
           *lateral = ap_drawing_take(d, x.frames, sizeof *lateral);
    struct ap_axes_series *list = ap_drawing_take(d, 3, sizeof *list);
    if (!topdown || !lateral || !list)
        return AP_EMEMORY;
    bool whole = feedback_learns(d->s, l);
    for (int f = 0; f < l->n_feedback && *drawn && !whole; f++)
        AP_TRY(add_topdown(d, path, &l->feedback[f], (size_t)neuron, &x, topdown, drawn));
    if (!*drawn)
        return AP_OK;
    for (size_t t = 0; t < x.frames; t++)
        lateral[t] = topdown[t] - x.values[t];
    parts[0] = parts[1] = x;
    parts[0].values = topdown;
    parts[1].values = lateral;
    struct ap_axes_panel *p = ap_drawing_panel(d, AP_AXES_LINES, row, col);
    if (!whole) {
        add_trace(d, p, list, &parts[0], 0, "top-down", AP_CMAP_ORANGE, AP_AXES_LINE);
        add_trace(d, p, list, &parts[1], 0, "−lateral", AP_CMAP_INTERNEURON, AP_AXES_DASHED);
    }
    add_trace(d, p, list, &x, 0, "apical", AP_CMAP_APICAL, AP_AXES_LINE);
    p->title = ap_drawing_text(d, "%s %lld · %s%s", ap_drawing_population(d, l->pop), (long long)neuron,
                               d->s->block[block].name, marks_of(d, block));
    p->x_label = "time [ms]";
    p->y_label = ap_drawing_text(d, "potential [%s]", ap_drawing_potential_unit(d));
    p->lines.series = list;
    p->lines.x = (struct ap_axes_range){0, x.duration};
    return add_spans(d, p, block, x.duration);
}

/* First row: an output cell with its target; then a hidden cell per row. */
enum ap_code ap_timefig_cancellation(struct ap_drawing *d, const char *path)
{
    struct ap_pathway way = {0};
    int layer = 0, row = 0, cols = 0;
    for (int i = 0; i < d->f->n_of; i++) {
        const struct ap_selection *of = &d->f->of[i];
        int64_t last = of->ranged || of->last - of->first <= 2 ? of->last : of->first + 2;
        AP_TRY(find_layer(d->e, d->s, &d->f->at, of->pop, &way, &layer));
        for (int64_t k = of->first - (i == 0); k < last && row < 8; k++) {
            int col = 0, first = d->n_panels;
            const struct ap_selection output = {way.layer[way.n].pop, 0, 0, 1, true};
            for (int b = 0; b < d->s->n_block && col < 6; b++) {
                bool drawn = false;
                if (d->f->during[b] && k < of->first)
                    AP_TRY(trace_panel(d, &output, 0, b, row, col, &drawn));
                else if (d->f->during[b])
                    AP_TRY(cancellation_panel(d, &way, layer, k, b, row, col, &drawn));
                col += drawn;
            }
            share_y(d, first);
            cols = col > cols ? col : cols;
            row += col > 0;
        }
    }
    bool whole = d->f->n_of && feedback_learns(d->s, &way.layer[layer]);
    snprintf(
        d->subtitle, sizeof d->subtitle,
        whole
            ? "feedback learns here, and the log does not hold it at every moment: the sum alone"
            : "apical = top-down feedback + lateral inhibition, which predicts it; drawn with the sign that "
              "cancels");
    return finish_maps(d, path, row, cols, "What the interneurons cancel, and what is left: the error");
}
