/* readoutfig.c: figure of a readout: residuals of every cell, and means of its groups, over presentations.
 *
 * In:   frames of a run, through residual.h.
 * Out:  pages: a map cells x presentations, and lines below it.
 * Invariants:
 *   1. Cells of a group stand together, in the order in which the readout names the groups; the others come last.
 * Never: simulates.
 * Test: tests/unit/test_figure.c, tests/cli/test_outputs.sh */
#include "drawing.h"
#include "residual.h"

#include <math.h>
#include <string.h>

static const struct ap_cmap_rgb *colour(int k)
{
    static const struct ap_cmap_rgb *const COLOURS[] = {&AP_CMAP_APICAL, &AP_CMAP_BASAL, &AP_CMAP_INTERNEURON,
                                                        &AP_CMAP_ORANGE, &AP_CMAP_PURPLE};
    return COLOURS[k % 5];
}

/* Vertical lines where another block begins. */
static void mark_blocks(struct ap_drawing *d, const struct ap_residual *x, struct ap_axes_panel *p,
                        bool names)
{
    struct ap_axes_marker *mark = ap_drawing_take(d, 16, sizeof *mark);
    for (size_t k = 0; mark && k < x->p && p->lines.n_markers < 16; k++)
        if (k == 0 || x->presented[k]->program != x->presented[k - 1]->program)
            mark[p->lines.n_markers++] =
                (struct ap_axes_marker){(double)k, names ? d->s->block[x->presented[k]->block].name : NULL};
    p->lines.markers = mark;
}

static enum ap_code map_panel(struct ap_drawing *d, const struct ap_residual *x, int row)
{
    int groups = x->spec->n_group;
    double *m = ap_drawing_take(d, x->n * x->p, sizeof *m);
    struct ap_axes_block *block = ap_drawing_take(d, (size_t)groups + 1, sizeof *block);
    if (!m || !block)
        return AP_EMEMORY;
    struct ap_axes_panel *p = ap_drawing_panel(d, AP_AXES_HEAT, row, 0);
    size_t at = 0, blocks = 0;
    for (int g = 0; g <= groups; g++) {
        size_t first = at;
        for (size_t i = 0; i < x->n; i++)
            if (x->cell[i].group == (g < groups ? g : -1))
                memcpy(m + at++ * x->p, x->residual + i * x->p, x->p * sizeof *m);
        if (at > first && groups > 0)
            block[blocks++] = (struct ap_axes_block){first, g < groups ? x->spec->group[g].name : "others"};
    }
    p->title = ap_drawing_text(
        d, "residual of %s %s on its soma · %s", ap_drawing_population(d, x->spec->of.pop),
        d->s->cell[d->s->pop[x->spec->of.pop].cell].comp[x->spec->of.comp].name, x->spec->row->row.name);
    p->y_label = groups > 0 ? NULL : "cell";
    p->x_label = "presentation of the readout";
    p->heat = (struct ap_axes_heat){
        .values = m,
        .rows = x->n,
        .cols = x->p,
        .x = {0, (double)x->p},
        .y = {(double)x->spec->of.first, (double)x->spec->of.last},
        .cmap = AP_CMAP_DIVERGING,
        .limits = d->f->range > 0 ? (struct ap_axes_range){-d->f->range, d->f->range}
                                  : (struct ap_axes_range){0, 0},
        .bar_label = ap_drawing_text(d, "residual [%s]", ap_drawing_potential_unit(d)),
        .row_blocks = block,
        .n_row_blocks = blocks,
    };
    return AP_OK;
}

/* Means of each group, averaged over presentations of one block so that about 200 points remain. */
static enum ap_code mean_panel(struct ap_drawing *d, const struct ap_residual *x, int row)
{
    int groups = x->spec->n_group, lines = groups > 0 ? groups : 1;
    size_t every = x->p / 200 + 1;
    struct ap_axes_series *series = ap_drawing_take(d, (size_t)lines, sizeof *series);
    if (!series)
        return AP_EMEMORY;
    for (int g = 0; g < lines; g++) {
        const double *mean = x->mean + (size_t)(groups > 0 ? g : groups) * x->p;
        double *px = ap_drawing_take(d, x->p, sizeof *px), *py = ap_drawing_take(d, x->p, sizeof *py),
               sum = 0;
        if (!px || !py)
            return AP_EMEMORY;
        size_t points = 0, n = 0;
        for (size_t k = 0; k < x->p; k++) {
            sum += mean[k];
            n++;
            if (n < every && k + 1 < x->p && x->presented[k + 1]->program == x->presented[k]->program)
                continue;
            px[points] = (double)(k + 1) - 0.5 * (double)n;
            py[points++] = sum / (double)n;
            sum = 0;
            n = 0;
        }
        series[g] = (struct ap_axes_series){.name = groups > 0 ? x->spec->group[g].name : NULL,
                                            .x = px,
                                            .y = py,
                                            .n = points,
                                            .colour = *colour(g),
                                            .style = points < 40 ? AP_AXES_LINE_POINTS : AP_AXES_LINE};
    }
    static const struct ap_axes_reference ZERO = {0, NULL, true};
    struct ap_axes_panel *p = ap_drawing_panel(d, AP_AXES_LINES, row, 0);
    p->title = groups > 0 ? "mean residual of each group" : "mean residual";
    p->x_label = "presentation of the readout";
    p->y_label = ap_drawing_text(d, "residual [%s]", ap_drawing_potential_unit(d));
    p->lines.series = series;
    p->lines.n_series = (size_t)lines;
    p->lines.references = &ZERO;
    p->lines.n_references = 1;
    p->lines.x = (struct ap_axes_range){0, (double)x->p};
    mark_blocks(d, x, p, d->s->n_block > 1);
    return AP_OK;
}

enum ap_code ap_readoutfig_residual(struct ap_drawing *d, const char *path)
{
    int count = d->f->n_readout ? d->f->n_readout : d->s->n_readout, rows = 0;
    if (count == 0)
        return ap_drawing_nothing(d, "readouts", "list some under `readouts`");
    for (int i = 0; i < count && i < 4; i++) {
        struct ap_residual *x = ap_drawing_take(d, 1, sizeof *x);
        if (!x)
            return AP_EMEMORY;
        const struct ap_readout_spec *r = &d->s->readout[d->f->n_readout ? d->f->readout[i] : i];
        bool found;
        AP_TRY(ap_residual_gather(d->e, &d->arena, d->run, r, x, &found));
        if (!found)
            return ap_drawing_nothing(d, "presentations of a readout", "let it run further");
        AP_TRY(map_panel(d, x, rows++));
        AP_TRY(mean_panel(d, x, rows++));
    }
    d->width = 1100;
    d->height = 130 + 260 * rows;
    snprintf(d->subtitle, sizeof d->subtitle,
             "what the dendrite says beyond a linear function of its own soma: white nothing, red more, blue "
             "less");
    return ap_drawing_finish(d, path, "Somato-dendritic residuals over presentations");
}
