/* errorfig.c: figures of apical errors beside the gradient.
 *
 * In:   a table gathered over presentations.
 * Out:  pages: angles over presentations; apical potential against W^T delta, a point per neuron and presentation.
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
    const char *letter, *title;
} ANGLES[] = {
    {AP_ERRORTABLE_ANGLE, true, "A", "apical potential to W^T delta of the layer above"},
    {AP_ERRORTABLE_GRADIENT, false, "B", "what the rule of a matrix does to minus its gradient"},
    {AP_ERRORTABLE_FEEDBACK, true, "C", "feedback to transposed forward weights"},
};
enum { N_ANGLES = sizeof ANGLES / sizeof *ANGLES };

enum ap_code ap_errorfig_angles(struct ap_err *e, const struct ap_errortable *t, const char *path)
{
    static const struct ap_axes_reference LINES[] = {{90, "90°: unrelated", false}, {45, "45°", true}};
    struct ap_axes_panel panel[N_ANGLES];
    struct ap_arena arena = {0};
    enum ap_code code = AP_OK;
    double *x = ap_mem_arena_take(e, &arena, t->n, sizeof *x);
    memset(panel, 0, sizeof panel);
    for (size_t i = 0; x && i < t->n; i++)
        x[i] = (double)(t->moment[i].presentation + 1);
    int used = 0;
    for (int a = 0; x && a < N_ANGLES; a++) {
        int layers = t->path.n - ANGLES[a].hidden;
        struct ap_axes_series *series = ap_mem_arena_take(e, &arena, (size_t)layers + 1, sizeof *series);
        double high = 0;
        for (int k = 1; series && k <= layers; k++) {
            double *y = ap_mem_arena_take(e, &arena, t->n, sizeof *y);
            for (size_t i = 0; y && i < t->n; i++) {
                y[i] = ap_errortable_at(t, i, k, ANGLES[a].column);
                high = y[i] > high ? y[i] : high;
            }
            const struct ap_pathway_layer *l = &t->path.layer[k];
            series[k - 1] = (struct ap_axes_series){.name = ANGLES[a].hidden ? t->s->pop[l->pop].name
                                                                             : t->s->proj[l->forward].name,
                                                    .x = x,
                                                    .y = y,
                                                    .n = t->n,
                                                    .colour = *colour(k),
                                                    .style = t->n <= 60 ? AP_AXES_LINE_POINTS : AP_AXES_LINE};
            code = y ? code : AP_EMEMORY;
        }
        if (!series || code != AP_OK) {
            code = AP_EMEMORY;
            break;
        }
        if (layers == 0)
            continue;
        panel[used] = (struct ap_axes_panel){.kind = AP_AXES_LINES,
                                             .row = used,
                                             .letter = ANGLES[a].letter,
                                             .title = ANGLES[a].title,
                                             .x_label = "presentation",
                                             .y_label = "angle [degrees]",
                                             .lines = {.series = series,
                                                       .n_series = (size_t)layers,
                                                       .references = LINES,
                                                       .n_references = 2,
                                                       .x = {0, x[t->n - 1] + 1},
                                                       .y = {0, high > 118 ? 180 : 120}}};
        used++;
    }
    if (x && code == AP_OK) {
        struct ap_axes_page page = {
            .width = 1100, .height = 150 + 250 * used, .panels = panel, .n_panels = (size_t)used};
        code = finish(e, t, path, "Apical error beside the gradient: angles", &page);
    }
    ap_mem_arena_free(&arena);
    return x ? code : AP_EMEMORY;
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
