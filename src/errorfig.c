/* errorfig.c: figures of apical errors beside the gradient.
 *
 * In:   a table gathered over presentations.
 * Out:  pages: angles over presentations; apical potential and W^T delta as maps, neurons by presentations; one against
 *       the other, a point per neuron and presentation.
 * Invariants:
 *   1. NaN breaks a line and is no point; the subtitle counts the presentations without teacher.
 * Never: simulates; averages.
 * Test: tests/cli/test_errors.sh */
#include "axes.h"
#include "errortable.h"
#include "mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PANELS = 8, POINTS = 4000 };

static const struct ap_cmap_rgb *colour(int k)
{
    static const struct ap_cmap_rgb *const COLOURS[] = {&AP_CMAP_APICAL,      &AP_CMAP_BASAL,
                                                        &AP_CMAP_INTERNEURON, &AP_CMAP_ORANGE,
                                                        &AP_CMAP_PURPLE,      &AP_CMAP_SOMA};
    return COLOURS[(k - 1) % 6];
}

static enum ap_code finish(struct ap_err *e, const struct ap_errortable *t, const char *path,
                           const char *title, struct ap_axes_page *page)
{
    char footer[256], subtitle[256];
    snprintf(footer, sizeof footer, "%s · seed %lld · state %.16s · apical %s", t->s->name,
             (long long)t->s->seed, t->digest, AP_VERSION);
    snprintf(subtitle, sizeof subtitle,
             "%zu presentations analysed, %zu of them without teacher (no error: left out)", t->n,
             t->n - t->taught);
    page->title = title;
    page->subtitle = subtitle;
    page->footer = footer;
    const struct ap_pngout_text texts[] = {
        {"Title", title}, {"Software", "apical " AP_VERSION}, {"Source", t->digest}, {"Description", footer}};
    return ap_axes_write(e, path, page, texts, 4);
}

/* ---- angles over presentations ---------------------------------------------------------------------- */

static const struct angle_panel {
    enum ap_errortable_column column;
    bool hidden; /* hidden layers only */
    int row;
    const char *letter, *title;
} ANGLES[] = {
    {AP_ERRORTABLE_ANGLE, true, 0, "A", "apical potential to W^T delta of the layer above"},
    {AP_ERRORTABLE_NGRAD, true, 1, "B", "change of rates by feedback to minus the gradient"},
    {AP_ERRORTABLE_FEEDBACK, true, 2, "C", "feedback to transposed forward weights"},
    {AP_ERRORTABLE_CHANGE, false, 0, "D", "weight change to minus the gradient of backprop"},
    {AP_ERRORTABLE_CHANGE_ADJOINT, false, 1, "E", "weight change to minus the gradient of the circuit's ODE"},
    {AP_ERRORTABLE_ADJOINT, false, 2, "F", "gradient of the circuit's ODE to that of backprop"},
};
enum { N_ANGLES = sizeof ANGLES / sizeof *ANGLES };

/* A line per layer; `high` is the largest angle, -1: there is none. */
static enum ap_code angle_lines(struct ap_err *e, const struct ap_errortable *t, struct ap_arena *arena,
                                const struct angle_panel *p, const double *x, struct ap_axes_lines *out,
                                double *high)
{
    int layers = t->path.n - p->hidden;
    struct ap_axes_series *series = ap_mem_arena_take(e, arena, (size_t)layers + 1, sizeof *series);
    *high = -1;
    if (!series)
        return AP_EMEMORY;
    for (int k = 1; k <= layers; k++) {
        const struct ap_pathway_layer *l = &t->path.layer[k];
        double *y = ap_mem_arena_take(e, arena, t->n, sizeof *y);
        if (!y)
            return AP_EMEMORY;
        for (size_t i = 0; i < t->n; i++) {
            y[i] = ap_errortable_at(t, i, k, p->column);
            *high = y[i] > *high ? y[i] : *high;
        }
        series[k - 1] = (struct ap_axes_series){
            .name = p->hidden ? t->s->pop[l->pop].name : t->s->proj[l->forward].name,
            .x = x,
            .y = y,
            .n = t->n,
            .colour = *colour(k),
            .style = t->n <= 60 ? AP_AXES_LINE_POINTS : AP_AXES_LINE,
        };
    }
    *out = (struct ap_axes_lines){.series = series, .n_series = (size_t)layers};
    return AP_OK;
}

enum ap_code ap_errorfig_angles(struct ap_err *e, const struct ap_errortable *t, const char *path)
{
    static const struct ap_axes_reference LINES[] = {{90, "90°: unrelated", false}, {45, "45°", true}};
    struct ap_axes_panel panel[N_ANGLES];
    struct ap_arena arena = {0};
    double *x = ap_mem_arena_take(e, &arena, t->n, sizeof *x), high;
    enum ap_code code = x ? AP_OK : AP_EMEMORY;
    memset(panel, 0, sizeof panel);
    for (size_t i = 0; x && i < t->n; i++)
        x[i] = (double)(t->moment[i].presentation + 1);
    int used = 0, rows = 1, left = t->path.n > 1;
    for (int a = 0; code == AP_OK && a < N_ANGLES; a++) {
        struct ap_axes_panel *p = &panel[used];
        code = angle_lines(e, t, &arena, &ANGLES[a], x, &p->lines, &high);
        if (high < 0)
            continue; /* no such layer, or not asked for */
        p->kind = AP_AXES_LINES;
        p->row = ANGLES[a].row;
        p->col = ANGLES[a].hidden ? 0 : left;
        p->letter = ANGLES[a].letter;
        p->title = ANGLES[a].title;
        p->x_label = "presentation";
        p->y_label = "angle [degrees]";
        p->lines.references = LINES;
        p->lines.n_references = 2;
        p->lines.x = (struct ap_axes_range){0, x[t->n - 1] + 1};
        p->lines.y = (struct ap_axes_range){0, high > 118 ? 180 : 120};
        rows = p->row + 1 > rows ? p->row + 1 : rows;
        used++;
    }
    if (code == AP_OK) {
        struct ap_axes_page page = {.width = left ? 1700 : 1000,
                                    .height = 150 + 270 * rows,
                                    .panels = panel,
                                    .n_panels = (size_t)used};
        code = finish(e, t, path, "Apical error beside the gradient: angles", &page);
    }
    ap_mem_arena_free(&arena);
    return code;
}

/* ---- maps ------------------------------------------------------------------------------------------- */

static enum ap_code map_panel(struct ap_err *e, const struct ap_errortable *t, struct ap_arena *arena, int k,
                              int which, struct ap_axes_panel *p)
{
    static const struct {
        enum ap_errortable_field field;
        const char *title;
    } MAPS[2] = {{AP_ERRORTABLE_APICAL, "apical potential"},
                 {AP_ERRORTABLE_BACK, "W^T delta of the layer above"}};
    size_t n = t->size[k];
    double *values = ap_mem_arena_take(e, arena, n * t->n, sizeof *values);
    char title[160];
    if (!values)
        return AP_EMEMORY;
    for (size_t i = 0; i < t->n; i++)
        for (size_t j = 0; j < n; j++)
            values[j * t->n + i] = t->neuron[k][MAPS[which].field][i * n + j];
    snprintf(title, sizeof title, "%s: %s", t->s->pop[t->path.layer[k].pop].name, MAPS[which].title);
    double last = (double)t->moment[t->n - 1].presentation;
    *p = (struct ap_axes_panel){
        .kind = AP_AXES_HEAT,
        .row = k - 1,
        .col = which,
        .title = ap_mem_arena_text(e, arena, title, strlen(title)),
        .x_label = "presentation",
        .y_label = "neuron",
        .heat = {.values = values,
                 .rows = n,
                 .cols = t->n,
                 .x = {(double)t->moment[0].presentation + 0.5, last + 1.5},
                 .y = {-0.5, (double)n - 0.5},
                 .cmap = AP_CMAP_DIVERGING,
                 .bar_label = which            ? "[rate]"
                              : t->s->physical ? "[mV]"
                                               : "potential"},
    };
    return p->title ? AP_OK : AP_EMEMORY;
}

enum ap_code ap_errorfig_maps(struct ap_err *e, const struct ap_errortable *t, const char *path)
{
    struct ap_axes_panel panel[2 * PANELS];
    struct ap_arena arena = {0};
    enum ap_code code = AP_OK;
    int layers = t->path.n - 1 < PANELS ? t->path.n - 1 : PANELS;
    memset(panel, 0, sizeof panel);
    for (int k = 1; k <= layers; k++)
        for (int which = 0; which < 2 && code == AP_OK; which++)
            code = map_panel(e, t, &arena, k, which, &panel[2 * (k - 1) + which]);
    if (code == AP_OK) {
        struct ap_axes_page page = {
            .width = 1500, .height = 150 + 330 * layers, .panels = panel, .n_panels = 2 * (size_t)layers};
        code = finish(e, t, path, "What the dendrites carry, and what backprop asks for", &page);
    }
    ap_mem_arena_free(&arena);
    return code;
}

/* ---- scatter ---------------------------------------------------------------------------------------- */

/* At most POINTS neurons of taught presentations, evenly spread. Returns how many. */
static size_t points_of(const struct ap_errortable *t, int k, double *x, double *y)
{
    size_t all = t->taught * t->size[k], stride = all / POINTS + 1, seen = 0, n = 0;
    const double *back = t->neuron[k][AP_ERRORTABLE_BACK], *apical = t->neuron[k][AP_ERRORTABLE_APICAL];
    for (size_t i = 0; i < t->n; i++)
        for (size_t j = 0; t->moment[i].taught && j < t->size[k]; j++)
            if (seen++ % stride == 0 && n < POINTS) {
                x[n] = back[i * t->size[k] + j];
                y[n++] = apical[i * t->size[k] + j];
            }
    return n;
}

static enum ap_code scatter_panel(struct ap_err *e, const struct ap_errortable *t, struct ap_arena *arena,
                                  int k, struct ap_axes_panel *p)
{
    double *x = ap_mem_arena_take(e, arena, POINTS, sizeof *x),
           *y = ap_mem_arena_take(e, arena, POINTS, sizeof *y);
    double *line = ap_mem_arena_take(e, arena, 4, sizeof *line);
    struct ap_axes_series *series = ap_mem_arena_take(e, arena, 2, sizeof *series);
    if (!x || !y || !line || !series)
        return AP_EMEMORY;
    size_t n = points_of(t, k, x, y);
    double xy = 0, xx = 0, yy = 0, low = 0, high = 0;
    for (size_t i = 0; i < n; i++) {
        xy = fma(x[i], y[i], xy);
        xx = fma(x[i], x[i], xx);
        yy = fma(y[i], y[i], yy);
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    double slope = xx > 0 ? xy / xx : 0;
    line[0] = low, line[1] = high, line[2] = slope * low, line[3] = slope * high;
    series[0] =
        (struct ap_axes_series){.x = x, .y = y, .n = n, .colour = *colour(k), .style = AP_AXES_POINTS};
    series[1] = (struct ap_axes_series){
        .x = line, .y = line + 2, .n = 2, .colour = AP_CMAP_SOMA, .style = AP_AXES_DASHED};
    char title[160];
    snprintf(title, sizeof title, "%s: cosine %.3f, slope %.3g", t->s->pop[t->path.layer[k].pop].name,
             xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : (double)NAN, slope);
    *p = (struct ap_axes_panel){.kind = AP_AXES_LINES,
                                .col = k - 1,
                                .title = ap_mem_arena_text(e, arena, title, strlen(title)),
                                .x_label = "W^T delta of the layer above [rate]",
                                .y_label = t->s->physical ? "apical potential [mV]" : "apical potential",
                                .lines = {.series = series, .n_series = 2}};
    return p->title ? AP_OK : AP_EMEMORY;
}

enum ap_code ap_errorfig_scatter(struct ap_err *e, const struct ap_errortable *t, const char *path)
{
    struct ap_axes_panel panel[PANELS];
    struct ap_arena arena = {0};
    enum ap_code code = AP_OK;
    int layers = t->path.n - 1 < PANELS ? t->path.n - 1 : PANELS;
    memset(panel, 0, sizeof panel);
    for (int k = 1; k <= layers && code == AP_OK; k++)
        code = scatter_panel(e, t, &arena, k, &panel[k - 1]);
    if (code == AP_OK && layers > 0) {
        struct ap_axes_page page = {.width = layers == 1 ? 760 : 130 + 520 * layers,
                                    .height = 640,
                                    .panels = panel,
                                    .n_panels = (size_t)layers};
        code = finish(e, t, path, "Apical potential against backprop, a point per neuron", &page);
    }
    ap_mem_arena_free(&arena);
    return code;
}
