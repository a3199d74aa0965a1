/* learnfig.c: figures over learning: curves of probes, confusion matrices.
 *
 * In:   probes of every presentation.
 * Out:  pages of lines and tables.
 * Invariants:
 *   1. An average never joins presentations of different blocks or passes.
 * Never: interpolates.
 * Test: tests/unit/test_figure.c */
#include "drawing.h"
#include "probe.h"

#include <math.h>
#include <string.h>

#define N(keys) ((int)(sizeof keys / sizeof *keys))

/* ---- learning curve -------------------------------------------------------------------------------- */

/* Averages of a probe over `every` presentations of the chosen blocks; of one of several seeds, -1: of the run. Returns the
 * number of points. */
static size_t curve(struct ap_drawing *d, int replicate, int probe, size_t every, double *x, double *y)
{
    size_t width = ap_runlog_column(d->s, d->s->n_probe);
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
        sum += replicate < 0 ? d->run->probes[i][column] : d->run->replicate[replicate][i * width + column];
        n++;
    }
    return points;
}

/* Median, smallest and largest of the seeds at every point, into y, low and high. */
static size_t band(struct ap_drawing *d, int probe, size_t every, double *x, double *y, double *low,
                   double *high)
{
    size_t n = d->run->n_presented + 1, points = 0;
    int seeds = d->run->n_replicates;
    double *all = ap_drawing_take(d, (size_t)seeds * n, sizeof *all),
           *one = ap_drawing_take(d, (size_t)seeds, sizeof *one);
    for (int r = 0; all && one && r < seeds; r++)
        points = curve(d, r, probe, every, x, all + (size_t)r * n);
    for (size_t k = 0; k < points; k++) {
        for (int r = 0; r < seeds; r++)
            one[r] = all[(size_t)r * n + k];
        ap_series_median(one, (size_t)seeds, &y[k], &low[k], &high[k]);
    }
    return points;
}

/* Chosen blocks that form one stretch of the run fill the axis; else it is the run up to their end. */
static struct ap_axes_range stretch(const struct ap_drawing *d)
{
    size_t n = d->run->n_presented, first = n, last = 0, chosen = 0;
    for (size_t i = 0; i < n; i++)
        if (d->f->during[d->run->presented[i]->block]) {
            first = i < first ? i : first;
            last = i;
            chosen++;
        }
    if (chosen == 0)
        return (struct ap_axes_range){0, (double)n};
    return (struct ap_axes_range){chosen == last - first + 1 ? (double)first : 0, (double)last + 1};
}

enum ap_code ap_learnfig_curve(struct ap_drawing *d, const char *path)
{
    int count = d->f->n_probe ? d->f->n_probe : d->s->n_probe;
    size_t n = d->run->n_presented, every = d->f->average > 0 ? (size_t)d->f->average : n / 200 + 1;
    if (count == 0 || n == 0)
        return ap_drawing_nothing(d, "probes", "list some under `probes`");
    const struct ap_axes_range range = stretch(d);
    for (int i = 0; i < count && i < 8; i++) {
        int probe = d->f->n_probe ? d->f->probe[i] : i;
        const struct ap_probe_row *row = d->s->probe[probe].row;
        double *x = ap_drawing_take(d, n + 1, sizeof *x), *y = ap_drawing_take(d, n + 1, sizeof *y);
        struct ap_axes_series *series = ap_drawing_take(d, 1, sizeof *series);
        if (!x || !y || !series)
            return AP_EMEMORY;
        double *low_edge = NULL, *high_edge = NULL;
        if (d->run->n_replicates && (!(low_edge = ap_drawing_take(d, n + 1, sizeof *low_edge)) ||
                                     !(high_edge = ap_drawing_take(d, n + 1, sizeof *high_edge))))
            return AP_EMEMORY;
        size_t points =
            low_edge ? band(d, probe, every, x, y, low_edge, high_edge) : curve(d, -1, probe, every, x, y);
        if (points == 0)
            return ap_drawing_nothing(d, "presentations of these blocks", NULL);
        *series = (struct ap_axes_series){.x = x,
                                          .y = y,
                                          .low = low_edge,
                                          .high = high_edge,
                                          .n = points,
                                          .colour = AP_CMAP_SOMA,
                                          .style = points < 40 ? AP_AXES_LINE_POINTS : AP_AXES_LINE};
        double low = 0, high = 1; /* when no value is finite */
        ap_series_limits(y, points, &low, &high);
        if (low_edge)
            ap_series_limits(low_edge, points, &low, &(double){0}),
                ap_series_limits(high_edge, points, &(double){0}, &high);
        struct ap_axes_panel *p = ap_drawing_panel(d, AP_AXES_LINES, i, 0);
        static const char *const LETTERS[] = {"A", "B", "C", "D", "E", "F", "G", "H"};
        p->letter = count > 1 ? LETTERS[i] : NULL;
        p->title = d->s->probe[probe].name;
        p->x_label = "presentation";
        p->y_label = ap_drawing_text(d, "%s [%s]", row->row.name,
                                     row->percent                 ? "%"
                                     : strcmp(row->row.unit, "1") ? row->row.unit
                                                                  : "1");
        p->hide_x = i + 1 < count;
        p->lines.series = series;
        p->lines.n_series = 1;
        p->lines.x = range;
        p->lines.y_log = d->f->log_scale && low > 0;
        if (!p->lines.y_log && low >= 0)
            p->lines.y = (struct ap_axes_range){0, high > 0 ? 1.05 * high : 1};
        struct ap_axes_marker *mark = ap_drawing_take(d, 32, sizeof *mark); /* where another block begins */
        uint32_t program = UINT32_MAX;
        for (size_t k = (size_t)range.lo; mark && k < (size_t)range.hi && d->s->n_program <= 8; k++) {
            const struct ap_presented *q = d->run->presented[k];
            if (q->program != program &&
                d->s->block[q->block].presentations > (int64_t)((range.hi - range.lo) / 50) &&
                p->lines.n_markers < 32)
                mark[p->lines.n_markers++] =
                    (struct ap_axes_marker){(double)k, i == 0 ? d->s->block[q->block].name : NULL};
            program = q->program;
        }
        p->lines.markers = mark;
    }
    d->width = 1100;
    d->height = 150 + 230 * (count < 8 ? count : 8);
    char over[64] = "";
    if (d->run->n_replicates)
        snprintf(over, sizeof over, "median and range over %d seeds; ", d->run->n_replicates);
    snprintf(d->subtitle, sizeof d->subtitle, "%seach point is the mean of %zu presentation%s of one block",
             over, every, every == 1 ? "" : "s");
    return ap_drawing_finish(d, path, ap_drawing_text(d, "Learning curve of %s", d->s->name));
}

/* ---- confusion ------------------------------------------------------------------------------------- */

static int class_probe(const struct ap_spec *s, const struct ap_figure_spec *f)
{
    for (int i = 0; i < s->n_probe; i++)
        if (s->probe[i].row->columns == 3 && (f->n_probe == 0 || f->probe[0] == i))
            return i;
    return -1;
}

enum ap_code ap_learnfig_check_confusion(struct ap_err *e, const struct ap_spec *s,
                                         const struct ap_figure_spec *f)
{
    if (class_probe(s, f) >= 0)
        return AP_OK;
    return ap_err_add(e, AP_EUSAGE, &f->at, "add `- {kind: class-error, of: output}` under `probes`",
                      "figure confusion: there is no class-error probe");
}

enum ap_code ap_learnfig_confusion(struct ap_drawing *d, const char *path)
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
    double *count = ap_drawing_take(d, classes * classes, sizeof *count);
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
        return ap_drawing_nothing(d, "presentations of these blocks", NULL);
    struct ap_axes_panel *p = ap_drawing_panel(d, AP_AXES_TABLE, 0, 0);
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
    return ap_drawing_finish(d, path, "Confusion matrix");
}
