/* figure.c: the figures of a run.
 *
 * In:   a run read back from its log; the figures that its circuit lists.
 * Out:  PNG files.
 * Invariants:
 *   1. A figure is a function of the log alone: rendering again gives the same pixels.
 *   2. Every figure carries title, units, seed, digest and version.
 * Never: simulates.
 * Test: tests/cli/test_figures.sh */
#include "figure.h"
#include "axes.h"
#include "hash.h"
#include "probe.h"
#include "series.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define N(keys) ((int)(sizeof keys / sizeof *keys))
enum { MAX_PANELS = 64 };

/* What a draw function fills in; memory of a figure lives in the arena. */
struct drawing {
    struct ap_err *e;
    const struct ap_run *run;
    const struct ap_spec *s;
    const struct ap_figure_spec *f;
    struct ap_arena arena;
    struct ap_axes_panel panel[MAX_PANELS];
    int n_panels;
    int width, height;
    const double *row_share, *col_share;
    int n_rows, n_cols;
    char title[256], subtitle[256], footer[256];
};

static char *text(struct drawing *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
static char *text(struct drawing *d, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    char *copy = ap_mem_arena_text(d->e, &d->arena, line, strlen(line));
    return copy ? copy : (char *)"";
}

static void *take(struct drawing *d, size_t n, size_t size)
{
    return ap_mem_arena_take(d->e, &d->arena, n ? n : 1, size);
}

static struct ap_axes_panel *add_panel(struct drawing *d, enum ap_axes_kind kind, int row, int col)
{
    static struct ap_axes_panel spare;
    if (d->n_panels == MAX_PANELS)
        return &spare;
    struct ap_axes_panel *p = &d->panel[d->n_panels++];
    *p = (struct ap_axes_panel){.kind = kind, .row = row, .col = col};
    return p;
}

static enum ap_code nothing(struct drawing *d, const char *what, const char *hint)
{
    return ap_err_add(d->e, AP_EUSAGE, &d->f->at, hint, "figure %s: the run holds no %s", d->f->row->row.name,
                      what);
}

static const char *potential_unit(const struct drawing *d)
{
    return d->s->physical ? "mV" : "dimensionless";
}

static const char *pop_name(const struct drawing *d, int pop)
{
    return d->s->pop[pop].name;
}

static enum ap_code finish(struct drawing *d, const char *path, const char *headline)
{
    const struct ap_spec *s = d->s;
    char digest[33] = "none";
    if (d->run->end)
        ap_hash_text((struct ap_hash){d->run->end->digest_high, d->run->end->digest_low}, digest);
    snprintf(d->title, sizeof d->title, "%s", d->f->title ? d->f->title : headline);
    snprintf(d->footer, sizeof d->footer, "%s · seed %lld · state %.16s · apical %s", s->name,
             (long long)s->seed, digest, AP_VERSION);
    const struct ap_axes_page page = {
        .title = d->title,
        .subtitle = d->subtitle,
        .footer = d->footer,
        .width = d->width,
        .height = d->height,
        .n_rows = d->n_rows,
        .n_cols = d->n_cols,
        .row_share = d->row_share,
        .col_share = d->col_share,
        .panels = d->panel,
        .n_panels = (size_t)d->n_panels,
    };
    const struct ap_pngout_text texts[] = {{"Title", d->title},
                                           {"Software", "apical " AP_VERSION},
                                           {"Source", digest},
                                           {"Description", d->footer}};
    return ap_axes_write(d->e, path, &page, texts, 4);
}

/* ---- weights --------------------------------------------------------------------------------------- */

struct side { /* rows or columns of the block matrix: populations (compartments) one after the other */
    int pop[64], comp[64];
    size_t start[64], total;
    int n;
    struct ap_axes_block block[64];
};

static int side_place(struct drawing *d, struct side *x, int pop, int comp)
{
    for (int i = 0; i < x->n; i++)
        if (x->pop[i] == pop && x->comp[i] == comp)
            return i;
    if (x->n == 64)
        return -1;
    x->pop[x->n] = pop;
    x->comp[x->n] = comp;
    x->start[x->n] = x->total;
    const char *name = pop_name(d, pop);
    const struct ap_cell_spec *cell = &d->s->cell[d->s->pop[pop].cell];
    x->block[x->n] =
        (struct ap_axes_block){x->total, comp < 0 ? name : text(d, "%s %s", name, cell->comp[comp].name)};
    x->total += (size_t)d->s->pop[pop].n;
    return x->n++;
}

static bool wanted(const struct drawing *d, int proj)
{
    bool all = d->f->n_proj == 0;
    for (int i = 0; i < d->f->n_proj; i++)
        all = all || d->f->proj[i] == proj;
    return all && !d->s->proj[proj].nudges && d->s->proj[proj].connect == AP_CONNECT_DENSE;
}

/* The q quantile of |w| over the wanted projections. */
static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double common_limit(struct drawing *d, double quantile)
{
    size_t n = 0, at = 0;
    for (size_t i = 0; i < d->run->n_snapshot; i++)
        if (wanted(d, (int)d->run->snapshot[i]->proj))
            n += d->run->snapshot[i]->rows * d->run->snapshot[i]->cols;
    double *all = take(d, n, sizeof *all);
    for (size_t i = 0; all && i < d->run->n_snapshot; i++)
        if (wanted(d, (int)d->run->snapshot[i]->proj))
            for (size_t k = 0; k < d->run->snapshot[i]->rows * d->run->snapshot[i]->cols; k++)
                all[at++] = fabs(d->run->weights[i][k]);
    if (!all || n == 0)
        return 1;
    qsort(all, n, sizeof *all, compare_doubles);
    double limit = all[(size_t)((double)(n - 1) * quantile)];
    return limit > 0 ? limit : 1;
}

static const char *const SNAPSHOTS[] = {"initial", "final"};
static const char *const SNAPSHOT_TITLES[] = {"at the start", "at the end"};

static enum ap_code weights_as_blocks(struct drawing *d, const struct side *post, const struct side *pre,
                                      double limit)
{
    for (int k = 0; k < 2; k++) {
        bool any = false; /* a run that broke off has no weights at the end */
        for (int i = 0; i < d->s->n_proj; i++)
            any = any || (wanted(d, i) && ap_runlog_weights(d->run, SNAPSHOTS[k], i));
        double *m = any ? take(d, post->total * pre->total, sizeof *m) : NULL;
        if (!any)
            continue;
        if (!m)
            return AP_EMEMORY;
        for (int i = 0; i < d->s->n_proj; i++) {
            const double *w = ap_runlog_weights(d->run, SNAPSHOTS[k], i);
            if (!wanted(d, i) || !w)
                continue;
            const struct ap_proj_spec *p = &d->s->proj[i];
            size_t row = 0, col = 0, rows = (size_t)d->s->pop[p->post].n, cols = (size_t)d->s->pop[p->pre].n;
            for (int b = 0; b < post->n; b++)
                if (post->pop[b] == p->post && post->comp[b] == p->post_comp)
                    row = post->start[b];
            for (int b = 0; b < pre->n; b++)
                if (pre->pop[b] == p->pre)
                    col = pre->start[b];
            for (size_t y = 0; y < rows; y++)
                for (size_t x = 0; x < cols; x++)
                    m[(row + y) * pre->total + col + x] += w[y * cols + x];
        }
        struct ap_axes_panel *p = add_panel(d, AP_AXES_HEAT, 0, k);
        p->letter = k ? "B" : "A";
        p->title = SNAPSHOT_TITLES[k];
        p->x_label = "presynaptic neuron";
        p->y_label = "postsynaptic neuron";
        p->heat = (struct ap_axes_heat){
            .values = m,
            .rows = post->total,
            .cols = pre->total,
            .cmap = AP_CMAP_DIVERGING,
            .limits = {-limit, limit},
            .bar_label = "weight",
            .row_blocks = post->block,
            .col_blocks = pre->block,
            .n_row_blocks = (size_t)post->n,
            .n_col_blocks = (size_t)pre->n,
        };
    }
    d->width = 1400;
    d->height = 760;
    return AP_OK;
}

static enum ap_code weights_one_by_one(struct drawing *d, double limit)
{
    int row = 0;
    for (int i = 0; i < d->s->n_proj && row < MAX_PANELS / 2; i++) {
        if (!wanted(d, i) || !ap_runlog_weights(d->run, "initial", i))
            continue;
        const struct ap_proj_spec *q = &d->s->proj[i];
        for (int k = 0; k < 2; k++) {
            const double *w = ap_runlog_weights(d->run, SNAPSHOTS[k], i);
            if (!w)
                continue;
            struct ap_axes_panel *p = add_panel(d, AP_AXES_HEAT, row, k);
            p->title = text(d, "%s, %s", q->name, SNAPSHOT_TITLES[k]);
            p->x_label = text(d, "presynaptic: %s", pop_name(d, q->pre));
            p->y_label = text(d, "post: %s", pop_name(d, q->post));
            p->heat = (struct ap_axes_heat){
                .values = w,
                .rows = (size_t)d->s->pop[q->post].n,
                .cols = (size_t)d->s->pop[q->pre].n,
                .cmap = AP_CMAP_DIVERGING,
                .limits = {-limit, limit},
                .bar_label = "weight",
            };
        }
        row++;
    }
    d->width = 1400;
    d->height = 140 + 300 * row;
    return AP_OK;
}

static enum ap_code draw_weights(struct drawing *d, const char *path)
{
    struct side post = {.n = 0}, pre = {.n = 0};
    int count = 0;
    for (int i = 0; i < d->s->n_proj; i++)
        if (wanted(d, i) && ap_runlog_weights(d->run, "initial", i)) {
            side_place(d, &post, d->s->proj[i].post, d->s->proj[i].post_comp);
            side_place(d, &pre, d->s->proj[i].pre, -1);
            count++;
        }
    if (count == 0)
        return nothing(d, "weights", NULL);
    double limit = d->f->range > 0 ? d->f->range : common_limit(d, 0.99);
    bool blocks = post.total <= 400 && pre.total <= 400 && post.n < 64 && pre.n < 64 && count > 1;
    AP_TRY(blocks ? weights_as_blocks(d, &post, &pre, limit) : weights_one_by_one(d, limit));
    snprintf(d->subtitle, sizeof d->subtitle, "colour limits: %s%s",
             d->f->range > 0 ? "as set in the circuit file" : "99th percentile of |w|",
             blocks ? "; blank blocks hold no projection" : "");
    return finish(d, path, text(d, "Weights of %s", d->s->name));
}

/* ---- receptive fields ------------------------------------------------------------------------------ */

/* The projection named, or the first dense one from a clamped population whose size is a square. */
static int field_projection(const struct ap_spec *s, const struct ap_figure_spec *f)
{
    for (int i = 0; i < s->n_proj; i++) {
        const struct ap_proj_spec *p = &s->proj[i];
        double side = sqrt((double)s->pop[p->pre].n);
        bool dense = !p->nudges && p->connect == AP_CONNECT_DENSE && side == floor(side);
        bool clamped = s->cell[s->pop[p->pre].cell].comp[0].kind == AP_COMP_CLAMPED;
        if (dense && (f->n_proj ? f->proj[0] == i : clamped && s->pop[p->pre].n >= 16))
            return i;
    }
    return -1;
}

static enum ap_code check_fields(struct ap_err *e, const struct ap_spec *s, const struct ap_figure_spec *f)
{
    if (field_projection(s, f) >= 0)
        return AP_OK;
    return ap_err_add(e, AP_EUSAGE, &f->at, "for example a dense projection from 784 = 28 x 28 input neurons",
                      "figure receptive-fields: no projection from a square population");
}

static enum ap_code draw_fields(struct drawing *d, const char *path)
{
    int proj = field_projection(d->s, d->f);
    const double *w = proj < 0 ? NULL : ap_runlog_weights(d->run, "final", proj);
    if (!w)
        return nothing(d, "final weights from a square population", "let the run finish");
    const struct ap_proj_spec *q = &d->s->proj[proj];
    size_t cols = (size_t)d->s->pop[q->pre].n, side = (size_t)sqrt((double)cols),
           n = (size_t)d->s->pop[q->post].n;
    size_t limit = d->f->tiles > 0 ? (size_t)d->f->tiles : 100;
    n = n < limit ? n : limit;
    double low = 0, high = 0;
    ap_series_limits(w, n * cols, &low, &high);
    double most = d->f->range > 0 ? d->f->range : fmax(fabs(low), fabs(high));
    struct ap_axes_panel *p = add_panel(d, AP_AXES_TILES, 0, 0);
    p->tiles = (struct ap_axes_tiles){
        .values = w,
        .n = n,
        .rows = side,
        .cols = side,
        .cmap = AP_CMAP_DIVERGING,
        .limits = {-most, most},
        .bar_label = "weight",
    };
    snprintf(d->subtitle, sizeof d->subtitle,
             "%s: weights of %zu of %zu neurons of %s, each as a %zu x %zu image", q->name, n,
             (size_t)d->s->pop[q->post].n, pop_name(d, q->post), side, side);
    d->width = 1100;
    d->height = 1000;
    return finish(d, path, "Receptive fields");
}

/* ---- maps over time -------------------------------------------------------------------------------- */

static int comp_named(const struct ap_spec *s, int pop, const char *name)
{
    const struct ap_cell_spec *cell = &s->cell[s->pop[pop].cell];
    for (int c = 0; c < cell->n_comp; c++)
        if (strcmp(cell->comp[c].name, name) == 0)
            return c;
    return -1;
}

/* Maps of one compartment, one panel per block, in row `row`. Deviation from rest when diverging. */
static enum ap_code map_row(struct drawing *d, const struct ap_selection *of, int comp, int row,
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
        double *m = take(d, x->n * x->frames, sizeof *m);
        if (!m)
            return AP_EMEMORY;
        for (size_t k = 0; k < x->n * x->frames; k++)
            m[k] = x->values[k] - (diverging ? rest : 0);
        struct ap_axes_panel *p = add_panel(d, AP_AXES_HEAT, row, i);
        const struct ap_block_spec *b = &d->s->block[x->block];
        p->title = text(d, "%s %s · %s, teacher %s", pop_name(d, of->pop), c->name, b->name,
                        b->teacher ? "on" : "off");
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
            .bar_label = diverging ? text(d, "potential − rest [%s]", potential_unit(d))
                                   : text(d, "potential [%s]", potential_unit(d)),
            .no_bar = i + 1 < n,
        };
    }
    *cols = n > *cols ? n : *cols;
    return AP_OK;
}

static enum ap_code finish_maps(struct drawing *d, const char *path, int rows, int cols, const char *headline)
{
    if (d->n_panels == 0)
        return nothing(d, "recorded potentials for it", "list the population and its blocks under `record`");
    d->n_rows = rows;
    d->n_cols = cols;
    d->width = 360 + 340 * cols < 1500 ? 360 + 340 * cols : 1500;
    d->height = 130 + 270 * rows;
    return finish(d, path, headline);
}

static enum ap_code draw_voltage(struct drawing *d, const char *path)
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
                       text(d, "Potentials of %s over time", d->f->n_of ? pop_name(d, d->f->of[0].pop) : ""));
}

static enum ap_code check_apical(struct ap_err *e, const struct ap_spec *s, const struct ap_figure_spec *f)
{
    for (int i = 0; i < f->n_of; i++)
        if (f->of[i].comp < 0 && comp_named(s, f->of[i].pop, "apical") < 0)
            return ap_err_add(e, AP_EUSAGE, &f->at,
                              "name the compartment that carries the error, as population/compartment",
                              "figure apical-error: population %s has no compartment 'apical'",
                              s->pop[f->of[i].pop].name);
    return AP_OK;
}

static enum ap_code draw_apical(struct drawing *d, const char *path)
{
    int row = 0, cols = 0;
    for (int i = 0; i < d->f->n_of; i++) {
        const struct ap_selection *of = &d->f->of[i];
        int before = d->n_panels;
        AP_TRY(
            map_row(d, of, of->comp >= 0 ? of->comp : comp_named(d->s, of->pop, "apical"), row, true, &cols));
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

static void add_trace(struct drawing *d, struct ap_axes_panel *p, struct ap_axes_series *list,
                      const struct ap_series *x, size_t neuron, const char *name, struct ap_cmap_rgb colour,
                      enum ap_axes_style style)
{
    double *time = take(d, x->frames, sizeof *time);
    for (size_t t = 0; time && t < x->frames; t++)
        time[t] = (double)t * x->every;
    list[p->lines.n_series++] = (struct ap_axes_series){.name = name,
                                                        .x = time,
                                                        .y = x->values + neuron * x->frames,
                                                        .n = time ? x->frames : 0,
                                                        .colour = colour,
                                                        .style = style};
}

static enum ap_code trace_panel(struct drawing *d, const struct ap_selection *of, int64_t neuron, int block,
                                int row, int col, bool *drawn)
{
    static const struct {
        const char *name;
        struct ap_cmap_rgb colour;
    } COLOURS[] = {
        {"soma", {0x1A, 0x1A, 0x1A}},     {"basal", {0x00, 0x6B, 0xB4}},   {"apical", {0xD0, 0x2F, 0x1E}},
        {"dendrite", {0x00, 0x8F, 0x6B}}, {"topdown", {0xE0, 0x8E, 0x00}},
    };
    const struct ap_cell_spec *cell = &d->s->cell[d->s->pop[of->pop].cell];
    struct ap_axes_series *list = take(d, (size_t)cell->n_comp + 2, sizeof *list);
    struct ap_axes_span *span = take(d, 1, sizeof *span);
    if (!list || !span)
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
    panel.title = text(d, "%s %lld · %s", pop_name(d, of->pop), (long long)neuron, d->s->block[block].name);
    panel.x_label = "time [ms]";
    panel.y_label = text(d, "potential [%s]", potential_unit(d));
    panel.lines.series = list;
    panel.lines.x = (struct ap_axes_range){0, x.duration};
    if (d->s->block[block].teacher) {
        *span = (struct ap_axes_span){0, x.duration, "teacher"};
        panel.lines.spans = span;
        panel.lines.n_spans = 1;
    }
    *add_panel(d, AP_AXES_LINES, row, col) = panel;
    return AP_OK;
}

/* One y axis for the panels of one neuron, from number `first` on: blocks can be compared by eye. */
static void share_y(struct drawing *d, int first)
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

static enum ap_code draw_traces(struct drawing *d, const char *path)
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

/* ---- learning curve -------------------------------------------------------------------------------- */

/* Averages of a probe over `every` presentations of the chosen blocks. Returns the number of points. */
static size_t curve(struct drawing *d, int probe, size_t every, double *x, double *y)
{
    size_t points = 0, n = 0, column = ap_runlog_column(d->s, probe);
    double sum = 0, scale = d->s->probe[probe].row->percent ? 100 : 1;
    uint32_t program = UINT32_MAX;
    for (size_t i = 0; i <= d->run->n_presented; i++) {
        const struct ap_presented *p = i < d->run->n_presented ? d->run->presented[i] : NULL;
        bool skip = p && !d->f->during[p->block];
        if (n > 0 && (!p || n == every || p->program != program)) {
            x[points] = (double)i; /* presentations shown when this average was complete */
            y[points++] = scale * sum / (double)n;
            sum = 0;
            n = 0;
        }
        if (!p || skip)
            continue;
        program = p->program;
        sum += d->run->probes[i][column];
        n++;
    }
    return points;
}

static enum ap_code draw_curve(struct drawing *d, const char *path)
{
    int count = d->f->n_probe ? d->f->n_probe : d->s->n_probe;
    size_t n = d->run->n_presented, every = d->f->average > 0 ? (size_t)d->f->average : n / 200 + 1;
    if (count == 0 || n == 0)
        return nothing(d, "probes", "list some under `probes`");
    for (int i = 0; i < count && i < 8; i++) {
        int probe = d->f->n_probe ? d->f->probe[i] : i;
        const struct ap_probe_row *row = d->s->probe[probe].row;
        double *x = take(d, n + 1, sizeof *x), *y = take(d, n + 1, sizeof *y);
        struct ap_axes_series *series = take(d, 1, sizeof *series);
        if (!x || !y || !series)
            return AP_EMEMORY;
        size_t points = curve(d, probe, every, x, y);
        if (points == 0)
            return nothing(d, "presentations of these blocks", NULL);
        *series = (struct ap_axes_series){.x = x,
                                          .y = y,
                                          .n = points,
                                          .colour = AP_CMAP_SOMA,
                                          .style = points < 40 ? AP_AXES_LINE_POINTS : AP_AXES_LINE};
        double low = 0, high = 1; /* when no value is finite */
        ap_series_limits(y, points, &low, &high);
        struct ap_axes_panel *p = add_panel(d, AP_AXES_LINES, i, 0);
        static const char *const LETTERS[] = {"A", "B", "C", "D", "E", "F", "G", "H"};
        p->letter = count > 1 ? LETTERS[i] : NULL;
        p->title = d->s->probe[probe].name;
        p->x_label = "presentation";
        p->y_label = text(d, "%s [%s]", row->row.name,
                          row->percent                 ? "%"
                          : strcmp(row->row.unit, "1") ? row->row.unit
                                                       : "1");
        p->hide_x = i + 1 < count;
        p->lines.series = series;
        p->lines.n_series = 1;
        p->lines.x = (struct ap_axes_range){0, (double)n};
        p->lines.y_log = d->f->log_scale && low > 0;
        if (!p->lines.y_log && low >= 0)
            p->lines.y = (struct ap_axes_range){0, high > 0 ? 1.05 * high : 1};
        struct ap_axes_marker *mark = take(d, 32, sizeof *mark); /* where another block begins */
        uint32_t program = UINT32_MAX;
        for (size_t k = 0; mark && k < n && d->s->n_program <= 16; k++) {
            const struct ap_presented *q = d->run->presented[k];
            if (q->program != program && d->s->block[q->block].presentations > (int64_t)(n / 50) &&
                p->lines.n_markers < 32)
                mark[p->lines.n_markers++] =
                    (struct ap_axes_marker){(double)k, i == 0 ? d->s->block[q->block].name : NULL};
            program = q->program;
        }
        p->lines.markers = mark;
    }
    d->width = 1100;
    d->height = 150 + 230 * (count < 8 ? count : 8);
    snprintf(d->subtitle, sizeof d->subtitle, "each point is the mean of %zu presentation%s of one block",
             every, every == 1 ? "" : "s");
    return finish(d, path, text(d, "Learning curve of %s", d->s->name));
}

/* ---- confusion ------------------------------------------------------------------------------------- */

static int class_probe(const struct ap_spec *s, const struct ap_figure_spec *f)
{
    for (int i = 0; i < s->n_probe; i++)
        if (s->probe[i].row->columns == 3 && (f->n_probe == 0 || f->probe[0] == i))
            return i;
    return -1;
}

static enum ap_code check_confusion(struct ap_err *e, const struct ap_spec *s, const struct ap_figure_spec *f)
{
    if (class_probe(s, f) >= 0)
        return AP_OK;
    return ap_err_add(e, AP_EUSAGE, &f->at, "add `- {kind: class-error, of: output}` under `probes`",
                      "figure confusion: there is no class-error probe");
}

static enum ap_code draw_confusion(struct drawing *d, const char *path)
{
    int probe = class_probe(d->s, d->f);
    size_t column = ap_runlog_column(d->s, probe),
           classes = (size_t)(d->s->probe[probe].of.last - d->s->probe[probe].of.first);
    int64_t program = -1; /* the last pass of a chosen block, one without the teacher if there is any */
    for (int quiet = 1; quiet >= 0 && program < 0; quiet--)
        for (size_t i = 0; i < d->run->n_presented; i++) {
            const struct ap_presented *p = d->run->presented[i];
            if (d->f->during[p->block] && !(quiet && d->s->block[p->block].teacher))
                program = p->program;
        }
    double *count = take(d, classes * classes, sizeof *count);
    if (!count)
        return AP_EMEMORY;
    size_t n = 0, wrong = 0;
    const char *block = "";
    for (size_t i = 0; i < d->run->n_presented && program >= 0; i++) {
        const double *c = d->run->probes[i] + column;
        if (d->run->presented[i]->program != (uint32_t)program || !(c[1] >= 0 && c[1] < (double)classes) ||
            !(c[2] >= 0 && c[2] < (double)classes))
            continue;
        count[(size_t)c[2] * classes + (size_t)c[1]]++;
        n++;
        wrong += c[0] != 0;
        block = d->s->block[d->run->presented[i]->block].name;
    }
    if (n == 0)
        return nothing(d, "presentations of these blocks", NULL);
    struct ap_axes_panel *p = add_panel(d, AP_AXES_TABLE, 0, 0);
    p->x_label = "answer (most active output neuron)";
    p->y_label = "class";
    p->table = (struct ap_axes_table){.values = count,
                                      .rows = classes,
                                      .cols = classes,
                                      .cmap = AP_CMAP_COUNTS,
                                      .bar_label = "presentations"};
    snprintf(d->subtitle, sizeof d->subtitle, "last pass of %s: %zu of %zu wrong, %.1f %%", block, wrong, n,
             100.0 * (double)wrong / (double)n);
    d->width = 860;
    d->height = 800;
    return finish(d, path, "Confusion matrix");
}

/* ---- the table ------------------------------------------------------------------------------------- */

#define OF(field) offsetof(struct ap_figure_spec, field)
#define DURING                                                                                               \
    {                                                                                                        \
        "during", AP_KEY_NODE, AP_DIM_NONE, OF(during_node), AP_ABSENT, 0, 0, NULL,                          \
            "block, or list of blocks; all when absent"                                                      \
    }
#define LIMIT                                                                                                \
    {                                                                                                        \
        "limit", AP_KEY_INTEGER, AP_DIM_NONE, OF(limit), "0", 0, 1e9, NULL,                                  \
            "presentations drawn per block; 0: all recorded"                                                 \
    }
#define RANGE                                                                                                \
    {                                                                                                        \
        "range", AP_KEY_NUMBER, AP_DIM_NONE, OF(range), "0", 0, INFINITY, NULL,                              \
            "symmetric colour limit; 0: from the data"                                                       \
    }
#define PROJECTIONS(doc)                                                                                     \
    {                                                                                                        \
        "projections", AP_KEY_NODE, AP_DIM_NONE, OF(proj_node), AP_ABSENT, 0, 0, NULL, doc                   \
    }
#define PROBES(doc)                                                                                          \
    {                                                                                                        \
        "probes", AP_KEY_NODE, AP_DIM_NONE, OF(probe_node), AP_ABSENT, 0, 0, NULL, doc                       \
    }
#define POPULATIONS(doc)                                                                                     \
    {                                                                                                        \
        "of", AP_KEY_NODE, AP_DIM_NONE, OF(of_node), AP_REQUIRED, 0, 0, NULL, doc                            \
    }

static const struct ap_key WEIGHTS_KEYS[] = {PROJECTIONS("list of projections; all when absent"), RANGE};
static const struct ap_key FIELDS_KEYS[] = {
    PROJECTIONS("the projection from a square population; the first when absent"),
    {"tiles", AP_KEY_INTEGER, AP_DIM_NONE, OF(tiles), "100", 1, 400, NULL, "neurons drawn at most"},
    RANGE,
};
static const struct ap_key VOLTAGE_KEYS[] = {
    POPULATIONS("population, or list; /compartment and [first:last] select"), DURING, LIMIT};
static const struct ap_key APICAL_KEYS[] = {
    POPULATIONS("population, or list; its compartment `apical`, or population/compartment"), DURING, LIMIT,
    RANGE};
static const struct ap_key TRACES_KEYS[] = {
    POPULATIONS("population[first:last], or list; three neurons when not selected"), DURING, LIMIT};
static const struct ap_key CURVE_KEYS[] = {
    PROBES("list of probes, by name; all when absent"),
    DURING,
    {"log", AP_KEY_SWITCH, AP_DIM_NONE, OF(log_scale), "off", 0, 0, NULL, "logarithmic y axes"},
    {"average", AP_KEY_INTEGER, AP_DIM_NONE, OF(average), "0", 0, 1e9, NULL,
     "presentations per point; 0: so that about 200 points remain"},
};
static const struct ap_key CONFUSION_KEYS[] = {PROBES("a class-error probe; the first when absent"), DURING};

#define DRAW(name)                                                                                           \
    static enum ap_code name##_entry(struct ap_err *e, const struct ap_run *run,                             \
                                     const struct ap_figure_spec *f, const char *path)                       \
    {                                                                                                        \
        return enter(e, run, f, path, name);                                                                 \
    }

static enum ap_code enter(struct ap_err *e, const struct ap_run *run, const struct ap_figure_spec *f,
                          const char *path, enum ap_code (*draw)(struct drawing *d, const char *path))
{
    struct drawing *d = ap_mem_array(e, 1, sizeof *d, "figure");
    if (!d)
        return AP_EMEMORY;
    d->e = e;
    d->run = run;
    d->s = run->spec;
    d->f = f;
    enum ap_code code = draw(d, path);
    ap_mem_arena_free(&d->arena);
    ap_mem_free(d);
    return code;
}

DRAW(draw_weights)
DRAW(draw_fields)
DRAW(draw_voltage)
DRAW(draw_apical)
DRAW(draw_traces)
DRAW(draw_curve)
DRAW(draw_confusion)

static const struct ap_figure_row FIGURES[] = {
    {{"weights", "weights at the start and at the end: rows postsynaptic, columns presynaptic", "", "",
      WEIGHTS_KEYS, N(WEIGHTS_KEYS)},
     NULL,
     draw_weights_entry},
    {{"receptive-fields", "final weights from a square population, one image per neuron", "", "", FIELDS_KEYS,
      N(FIELDS_KEYS)},
     check_fields,
     draw_fields_entry},
    {{"voltage", "potential of every neuron over time, one row per compartment, one column per block", "", "",
      VOLTAGE_KEYS, N(VOLTAGE_KEYS)},
     NULL,
     draw_voltage_entry},
    {{"apical-error", "apical potential minus rest of every neuron over time, one column per block", "", "",
      APICAL_KEYS, N(APICAL_KEYS)},
     check_apical,
     draw_apical_entry},
    {{"traces", "compartments of single neurons over time, with target and teacher", "", "", TRACES_KEYS,
      N(TRACES_KEYS)},
     NULL,
     draw_traces_entry},
    {{"learning-curve", "probes over presentations", "", "", CURVE_KEYS, N(CURVE_KEYS)},
     NULL,
     draw_curve_entry},
    {{"confusion", "classes against answers in the last test", "", "", CONFUSION_KEYS, N(CONFUSION_KEYS)},
     check_confusion,
     draw_confusion_entry},
};

const struct ap_table ap_figure_table = {
    .thing = "figure",
    .doc = "pictures drawn from a run",
    AP_TABLE(FIGURES),
};

/* ---- public ---------------------------------------------------------------------------------------- */

static enum ap_code draw_one(struct ap_err *e, const struct ap_run *run, const struct ap_figure_spec *f,
                             const char *folder, struct ap_file_list *files)
{
    char name[128], path[AP_ERR_PATH];
    snprintf(name, sizeof name, "%.100s.png", f->name);
    AP_TRY(ap_io_join(e, path, sizeof path, folder, name));
    AP_TRY(f->row->draw(e, run, f, path));
    return ap_export_note(e, files, name);
}

enum ap_code ap_figure_draw(struct ap_err *e, const struct ap_run *run, const char *figure,
                            const char *folder, struct ap_file_list *files)
{
    const struct ap_spec *s = run->spec;
    enum ap_code code = AP_OK;
    int drawn = 0;
    for (int i = 0; i < s->n_figure; i++) {
        if (figure && strcmp(figure, s->figure[i].name) != 0 &&
            strcmp(figure, s->figure[i].row->row.name) != 0)
            continue;
        drawn++;
        enum ap_code one = draw_one(e, run, &s->figure[i], folder, files);
        code = one != AP_OK ? one : code;
    }
    if (!figure || drawn)
        return code;
    const struct ap_figure_row *row =
        (const struct ap_figure_row *)ap_registry_need(e, &ap_figure_table, NULL, "render", figure);
    if (!row)
        return AP_EUSAGE;
    /* Not listed: its defaults, for everything that was recorded. */
    struct ap_selection of[AP_SPEC_POPS];
    bool during[256];
    memset(during, true, sizeof during);
    struct ap_figure_spec f = {.name = row->row.name, .row = row, .of = of, .during = during, .tiles = 100};
    for (int r = 0; r < s->n_report; r++)
        for (int i = 0; i < s->report[r].n_of && f.n_of < AP_SPEC_POPS; i++)
            if (row->check != check_apical || comp_named(s, s->report[r].of[i].pop, "apical") >= 0)
                of[f.n_of++] = s->report[r].of[i];
    if (row->check)
        AP_TRY(row->check(e, s, &f));
    return draw_one(e, run, &f, folder, files);
}
