/* matrixfig.c: figures of matrices: weight maps and receptive fields.
 *
 * In:   weights at the start and at the end of a run.
 * Out:  pages of heat maps and tiles.
 * Invariants:
 *   1. Colour limits are symmetric, common to all panels of a page, and stated on it.
 * Never: shows a weight that is not in the log.
 * Test: tests/unit/test_figure.c */
#include "drawing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- weights --------------------------------------------------------------------------------------- */

struct side { /* rows or columns of the block matrix: populations (compartments) one after the other */
    int pop[64], comp[64];
    size_t start[64], total;
    int n;
    struct ap_axes_block block[64];
};

static int side_place(struct ap_drawing *d, struct side *x, int pop, int comp)
{
    for (int i = 0; i < x->n; i++)
        if (x->pop[i] == pop && x->comp[i] == comp)
            return i;
    if (x->n == 64)
        return -1;
    x->pop[x->n] = pop;
    x->comp[x->n] = comp;
    x->start[x->n] = x->total;
    const char *name = ap_drawing_population(d, pop);
    const struct ap_cell_spec *cell = &d->s->cell[d->s->pop[pop].cell];
    x->block[x->n] = (struct ap_axes_block){
        x->total, comp < 0 ? name : ap_drawing_text(d, "%s %s", name, cell->comp[comp].name)};
    x->total += (size_t)d->s->pop[pop].n;
    return x->n++;
}

static bool wanted(const struct ap_drawing *d, int proj)
{
    bool all = d->f->n_proj == 0;
    for (int i = 0; i < d->f->n_proj; i++)
        all = all || d->f->proj[i] == proj;
    return all && !d->s->proj[proj].nudges && d->s->proj[proj].connect == AP_CONNECT_DENSE;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The q quantile of the n magnitudes of w, 1 when that is 0. */
static double magnitude(struct ap_drawing *d, const double *w, size_t n, double quantile)
{
    double *all = ap_drawing_take(d, n, sizeof *all);
    for (size_t i = 0; all && i < n; i++)
        all[i] = fabs(w[i]);
    if (!all || n == 0)
        return 1;
    qsort(all, n, sizeof *all, compare_doubles);
    double limit = all[(size_t)((double)(n - 1) * quantile)];
    return limit > 0 ? limit : 1;
}

/* One limit for all matrices of the figure, whatever the snapshot. */
static double common_limit(struct ap_drawing *d, double quantile)
{
    size_t n = 0, at = 0;
    for (size_t i = 0; i < d->run->n_snapshot; i++)
        if (wanted(d, (int)d->run->snapshot[i]->proj))
            n += d->run->snapshot[i]->rows * d->run->snapshot[i]->cols;
    double *all = ap_drawing_take(d, n, sizeof *all);
    for (size_t i = 0; all && i < d->run->n_snapshot; i++) {
        size_t size = d->run->snapshot[i]->rows * d->run->snapshot[i]->cols;
        if (!wanted(d, (int)d->run->snapshot[i]->proj))
            continue;
        memcpy(all + at, d->run->weights[i], size * sizeof *all);
        at += size;
    }
    return all ? magnitude(d, all, n, quantile) : 1;
}

static const char *const SNAPSHOTS[] = {"initial", "final"};
static const char *const SNAPSHOT_TITLES[] = {"at the start", "at the end"};

static enum ap_code weights_as_blocks(struct ap_drawing *d, const struct side *post, const struct side *pre,
                                      double limit)
{
    for (int k = 0; k < 2; k++) {
        bool any = false; /* a run that broke off has no weights at the end */
        for (int i = 0; i < d->s->n_proj; i++)
            any = any || (wanted(d, i) && ap_runlog_weights(d->run, SNAPSHOTS[k], i));
        double *m = any ? ap_drawing_take(d, post->total * pre->total, sizeof *m) : NULL;
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
        struct ap_axes_panel *p = ap_drawing_panel(d, AP_AXES_HEAT, 0, k);
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

static enum ap_code weights_one_by_one(struct ap_drawing *d, double limit)
{
    int row = 0;
    for (int i = 0; i < d->s->n_proj && row < AP_DRAWING_PANELS / 2; i++) {
        if (!wanted(d, i) || !ap_runlog_weights(d->run, "initial", i))
            continue;
        const struct ap_proj_spec *q = &d->s->proj[i];
        for (int k = 0; k < 2; k++) {
            const double *w = ap_runlog_weights(d->run, SNAPSHOTS[k], i);
            if (!w)
                continue;
            struct ap_axes_panel *p = ap_drawing_panel(d, AP_AXES_HEAT, row, k);
            p->title = ap_drawing_text(d, "%s, %s", q->name, SNAPSHOT_TITLES[k]);
            p->x_label = ap_drawing_text(d, "presynaptic: %s", ap_drawing_population(d, q->pre));
            p->y_label = ap_drawing_text(d, "post: %s", ap_drawing_population(d, q->post));
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

enum ap_code ap_matrixfig_weights(struct ap_drawing *d, const char *path)
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
        return ap_drawing_nothing(d, "weights", NULL);
    double limit = d->f->range > 0 ? d->f->range : common_limit(d, 0.99);
    bool blocks = post.total <= 400 && pre.total <= 400 && post.n < 64 && pre.n < 64 && count > 1;
    AP_TRY(blocks ? weights_as_blocks(d, &post, &pre, limit) : weights_one_by_one(d, limit));
    snprintf(d->subtitle, sizeof d->subtitle, "colour limits: %s%s",
             d->f->range > 0 ? "as set in the circuit file" : "99th percentile of |w|",
             blocks ? "; blank blocks hold no projection" : "");
    return ap_drawing_finish(d, path, ap_drawing_text(d, "Weights of %s", d->s->name));
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

enum ap_code ap_matrixfig_check_fields(struct ap_err *e, const struct ap_spec *s,
                                       const struct ap_figure_spec *f)
{
    if (field_projection(s, f) >= 0)
        return AP_OK;
    return ap_err_add(e, AP_EUSAGE, &f->at, "for example a dense projection from 784 = 28 x 28 input neurons",
                      "figure receptive-fields: no projection from a square population");
}

enum ap_code ap_matrixfig_fields(struct ap_drawing *d, const char *path)
{
    int proj = field_projection(d->s, d->f);
    const double *w = proj < 0 ? NULL : ap_runlog_weights(d->run, "final", proj);
    if (!w)
        return ap_drawing_nothing(d, "final weights from a square population", "let the run finish");
    const struct ap_proj_spec *q = &d->s->proj[proj];
    size_t cols = (size_t)d->s->pop[q->pre].n, side = (size_t)sqrt((double)cols),
           n = (size_t)d->s->pop[q->post].n;
    size_t limit = d->f->tiles > 0 ? (size_t)d->f->tiles : 100;
    n = n < limit ? n : limit;
    double most = d->f->range > 0 ? d->f->range : magnitude(d, w, n * cols, 0.995);
    size_t across = (size_t)ceil(sqrt((double)n)),
           down = (n + across - 1) / across; /* tiles, each of whole pixels */
    size_t pixel = 900 / (across * (side + 2)) < 1 ? 1 : 900 / (across * (side + 2));
    pixel = pixel > 8 ? 8 : pixel;
    struct ap_axes_panel *p = ap_drawing_panel(d, AP_AXES_TILES, 0, 0);
    p->tiles = (struct ap_axes_tiles){
        .values = w,
        .n = n,
        .rows = side,
        .cols = side,
        .across = across,
        .cmap = AP_CMAP_DIVERGING,
        .limits = {-most, most},
        .bar_label = "weight",
    };
    snprintf(d->subtitle, sizeof d->subtitle,
             "%s: weights of %zu of %zu neurons of %s, each as a %zu x %zu image; limits: 99.5th percentile "
             "of |w|",
             q->name, n, (size_t)d->s->pop[q->post].n, ap_drawing_population(d, q->post), side, side);
    d->width = 170 + (int)(across * (side * pixel + 6));
    d->width = d->width < 640 ? 640 : d->width;
    d->height = 160 + (int)(down * (side * pixel + 6));
    return ap_drawing_finish(d, path, "Receptive fields");
}
