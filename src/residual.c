/* residual.c: somato-dendritic residuals from the log of a run.
 *
 * In:   frames of a report with soma and dendrite; a readout.
 * Out:  observables per cell and presentation, regression per cell, residuals; CSV.
 * Invariants:
 *   1. An observable runs through presentations that follow each other; after a gap in the recording it starts at rest.
 *   2. Over the presentations that were fitted, residuals of a cell have mean 0 and no correlation with the soma.
 * Never: simulates; joins cells.
 * Test: tests/unit/test_residual.c */
#include "residual.h"
#include "text.h"

#include <math.h>
#include <string.h>

void ap_residual_fit(size_t n, const double *x, const double *y, const bool *use, double *slope,
                     double *intercept)
{
    double mx = 0, my = 0, xx = 0, xy = 0, count = 0;
    for (size_t i = 0; i < n; i++) {
        mx += use[i] ? x[i] : 0;
        my += use[i] ? y[i] : 0;
        count += use[i];
    }
    mx = count > 0 ? mx / count : 0;
    my = count > 0 ? my / count : 0;
    for (size_t i = 0; i < n; i++) {
        double d = use[i] ? x[i] - mx : 0;
        xx = fma(d, d, xx);
        xy = fma(d, y[i] - my, xy);
    }
    *slope = xx > 1e-24 * count * mx * mx ? xy / xx : 0; /* below: the rounding of a soma that rests */
    *intercept = my - *slope * mx;
}

/* ---- frames ---------------------------------------------------------------------------------------- */

/* Where a compartment of the readout's first cell lies in a frame, and how far the next cell's is. */
static size_t place(const struct ap_spec *s, const struct ap_readout_spec *r, int comp, size_t *stride)
{
    struct ap_report_part parts[AP_SPEC_POPS];
    const struct ap_report_spec *report = &s->report[r->report];
    ap_runlog_layout(s, report, parts);
    for (int i = 0; i < report->n_of; i++)
        for (int c = 0; c < parts[i].n_comp; c++)
            if (parts[i].pop == r->of.pop && parts[i].comp[c] == comp &&
                parts[i].first <= (size_t)r->of.first) {
                *stride = (size_t)parts[i].n_comp;
                return parts[i].at + ((size_t)r->of.first - parts[i].first) * *stride + (size_t)c;
            }
    return 0; /* readout.c saw to it that there is one */
}

/* Blocks of frames of the readout's presentations. Returns how many; at may be NULL. */
static size_t find_frames(const struct ap_run *run, const struct ap_readout_spec *r, size_t *at)
{
    size_t p = 0;
    for (size_t i = 0; i < run->n_frames; i++) {
        const struct ap_frames *f = run->frames[i];
        if (f->report != (uint32_t)r->report || f->presentation >= run->n_presented)
            continue;
        uint32_t block = run->presented[f->presentation]->block;
        if (!r->during[block] && !r->fit[block])
            continue;
        if (at)
            at[p] = i;
        p++;
    }
    return p;
}

/* One compartment of one cell through presentations [first, last) that follow each other: averages over the window. */
static void observe(const struct ap_run *run, const struct ap_readout_spec *r, const size_t *at, size_t first,
                    size_t last, size_t offset, double *work, double *out)
{
    double every = run->spec->report[r->report].every;
    size_t n = 0, start = 0;
    for (size_t k = first; k < last; k++) {
        const struct ap_frames *f = run->frames[at[k]];
        for (size_t t = 0; t < f->n_frames; t++)
            work[n++] = run->values[at[k]][t * f->n_values + offset];
    }
    double *seen = work + n;
    r->row->observe(r, every, n, work, seen);
    for (size_t k = first; k < last; k++) {
        size_t frames = run->frames[at[k]]->n_frames, inside = 0;
        double sum = 0;
        for (size_t t = 0; t < frames; t++)
            if ((double)t * every >= r->from - 1e-9 && (double)t * every < r->until - 1e-9) {
                sum += seen[start + t];
                inside++;
            }
        out[k] = inside ? sum / (double)inside : (double)NAN;
        start += frames;
    }
}

/* ---- regression ------------------------------------------------------------------------------------ */

static double variance(size_t n, const double *x, double *mean)
{
    double sum = 0, square = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        square = fma(x[i] - *mean, x[i] - *mean, square);
    return square / (double)n;
}

static void regress(struct ap_residual *x, size_t i, const bool *use)
{
    struct ap_residual_cell *c = &x->cell[i];
    const double *soma = x->soma + i * x->p, *dendrite = x->dendrite + i * x->p;
    double *residual = x->residual + i * x->p, mean;
    ap_residual_fit(x->p, soma, dendrite, use, &c->slope, &c->intercept);
    for (size_t k = 0; k < x->p; k++)
        residual[k] = dendrite[k] - (c->intercept + c->slope * soma[k]);
    variance(x->p, soma, &c->soma);
    c->variance = variance(x->p, dendrite, &c->dendrite);
    c->unexplained = variance(x->p, residual, &mean);
    c->group = -1;
    for (int g = 0; g < x->spec->n_group; g++) {
        const struct ap_selection *of = &x->spec->group[g].of;
        int64_t neuron = x->spec->of.first + (int64_t)i;
        c->group = of->first <= neuron && neuron < of->last ? g : c->group;
    }
}

static void average_groups(struct ap_residual *x)
{
    for (int g = 0; g <= x->spec->n_group; g++)
        for (size_t k = 0; k < x->p; k++) {
            double sum = 0, count = 0;
            for (size_t i = 0; i < x->n; i++)
                if (g == x->spec->n_group || x->cell[i].group == g) {
                    sum += x->residual[i * x->p + k];
                    count++;
                }
            x->mean[(size_t)g * x->p + k] = sum / count;
        }
}

enum ap_code ap_residual_gather(struct ap_err *e, struct ap_arena *a, const struct ap_run *run,
                                const struct ap_readout_spec *r, struct ap_residual *out, bool *found)
{
    size_t p = find_frames(run, r, NULL), n = (size_t)(r->of.last - r->of.first), frames = 0;
    *found = p > 0;
    if (!*found)
        return AP_OK;
    size_t *at = ap_mem_arena_take(e, a, p, sizeof *at);
    *out = (struct ap_residual){.spec = r, .n = n, .p = p};
    out->number = ap_mem_arena_take(e, a, p, sizeof *out->number);
    out->presented = ap_mem_arena_take(e, a, p, sizeof *out->presented);
    out->soma = ap_mem_arena_take(e, a, 3 * n * p, sizeof *out->soma);
    out->cell = ap_mem_arena_take(e, a, n, sizeof *out->cell);
    out->mean = ap_mem_arena_take(e, a, (size_t)(r->n_group + 1) * p, sizeof *out->mean);
    bool *use = ap_mem_arena_take(e, a, p, sizeof *use);
    if (!at || !out->number || !out->presented || !out->soma || !out->cell || !out->mean || !use)
        return AP_EMEMORY;
    out->dendrite = out->soma + n * p;
    out->residual = out->dendrite + n * p;
    find_frames(run, r, at);
    for (size_t k = 0; k < p; k++) {
        out->number[k] = run->frames[at[k]]->presentation;
        out->presented[k] = run->presented[out->number[k]];
        use[k] = r->fit[out->presented[k]->block];
        frames += run->frames[at[k]]->n_frames;
    }
    double *work = ap_mem_arena_take(e, a, 3 * frames, sizeof *work); /* v, observable, its own work */
    if (!work)
        return AP_EMEMORY;
    for (int side = 0; side < 2; side++) {
        size_t stride = 0, base = place(run->spec, r, side ? r->of.comp : 0, &stride);
        double *to = side ? out->dendrite : out->soma;
        for (size_t i = 0; i < n; i++)
            for (size_t first = 0, last; first < p; first = last) {
                for (last = first + 1; last < p && out->number[last] == out->number[last - 1] + 1;)
                    last++;
                observe(run, r, at, first, last, base + i * stride, work, to + i * p);
            }
    }
    for (size_t i = 0; i < n; i++)
        regress(out, i, use);
    average_groups(out);
    return AP_OK;
}

/* ---- CSV ------------------------------------------------------------------------------------------- */

static enum ap_code write_out(struct ap_err *e, struct ap_text *x, const char *path)
{
    char *text = ap_text_take(x);
    if (!text)
        return AP_EMEMORY;
    enum ap_code code = ap_io_write(e, path, text, strlen(text));
    ap_mem_free(text);
    return code;
}

static const char *group_of(const struct ap_residual *x, size_t i)
{
    return x->cell[i].group < 0 ? "" : x->spec->group[x->cell[i].group].name;
}

enum ap_code ap_residual_csv_cells(struct ap_err *e, const struct ap_spec *s, const struct ap_residual *x,
                                   const char *path)
{
    struct ap_text t = {.e = e};
    ap_text_put(&t, "population,cell,group,presentations,soma_mean,dendrite_mean,slope,intercept,"
                    "dendrite_variance,residual_variance\n");
    for (size_t i = 0; i < x->n; i++) {
        const struct ap_residual_cell *c = &x->cell[i];
        ap_text_add(&t, "%s,%zu,%s,%zu,%.17g,%.17g,%.17g,%.17g,%.17g,%.17g\n", s->pop[x->spec->of.pop].name,
                    (size_t)x->spec->of.first + i, group_of(x, i), x->p, c->soma, c->dendrite, c->slope,
                    c->intercept, c->variance, c->unexplained);
    }
    return write_out(e, &t, path);
}

enum ap_code ap_residual_csv_presentations(struct ap_err *e, const struct ap_spec *s,
                                           const struct ap_residual *x, const char *path)
{
    struct ap_text t = {.e = e};
    ap_text_put(&t, "presentation,block,start_ms,pattern,cell,group,soma,dendrite,residual\n");
    for (size_t k = 0; k < x->p; k++)
        for (size_t i = 0; i < x->n; i++)
            ap_text_add(&t, "%zu,%s,%.17g,%llu,%zu,%s,%.17g,%.17g,%.17g\n", x->number[k],
                        s->block[x->presented[k]->block].name, x->presented[k]->start,
                        (unsigned long long)x->presented[k]->pattern, (size_t)x->spec->of.first + i,
                        group_of(x, i), x->soma[i * x->p + k], x->dendrite[i * x->p + k],
                        x->residual[i * x->p + k]);
    return write_out(e, &t, path);
}
