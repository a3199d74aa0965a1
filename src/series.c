/* series.c: potentials over time from the log.
 *
 * In:   frames of reports.
 * Out:  matrices neuron x time.
 * Invariants:
 *   1. Only frames of one pass of one block are joined: the time axis has no gap.
 * Never: interpolates.
 * Test: tests/unit/test_series.c */
#include "series.h"
#include "mem.h"

#include <math.h>
#include <stdlib.h>

/* Where the selection's compartment lies in a frame of the report; false when it is not recorded. */
static bool find_part(const struct ap_run *run, int report, const struct ap_selection *of, int comp,
                      struct ap_report_part *part, size_t *element)
{
    struct ap_report_part parts[AP_SPEC_POPS];
    const struct ap_report_spec *r = &run->spec->report[report];
    ap_runlog_layout(run->spec, r, parts);
    for (int i = 0; i < r->n_of; i++)
        for (int c = 0; c < parts[i].n_comp; c++)
            if (parts[i].pop == of->pop && parts[i].comp[c] == comp && (int64_t)parts[i].first <= of->first &&
                of->last <= (int64_t)(parts[i].first + parts[i].n)) {
                *part = parts[i];
                *element = (size_t)c;
                return true;
            }
    return false;
}

enum ap_code ap_series_gather(struct ap_err *e, struct ap_arena *a, const struct ap_run *run,
                              const struct ap_selection *of, int comp, int block, int64_t limit,
                              struct ap_series *out, bool *found)
{
    const struct ap_spec *s = run->spec;
    *found = false;
    for (int report = 0; report < s->n_report; report++) {
        struct ap_report_part part;
        size_t element, last = SIZE_MAX;
        if (!find_part(run, report, of, comp, &part, &element))
            continue;
        for (size_t i = 0; i < run->n_frames; i++)
            if (run->frames[i]->report == (uint32_t)report &&
                run->frames[i]->presentation < run->n_presented &&
                run->presented[run->frames[i]->presentation]->block == (uint32_t)block)
                last = i;
        if (last == SIZE_MAX)
            continue;
        uint32_t program = run->presented[run->frames[last]->presentation]->program;
        size_t frames = 0;
        int64_t shown = 0;
        double *values = NULL;
        for (int fill = 0; fill < 2; fill++) { /* count, then copy */
            size_t at = 0;
            shown = 0;
            for (size_t i = 0; i < run->n_frames; i++) {
                const struct ap_frames *f = run->frames[i];
                if (f->report != (uint32_t)report || f->presentation >= run->n_presented ||
                    run->presented[f->presentation]->program != program || (limit > 0 && shown == limit))
                    continue;
                shown++;
                for (size_t t = 0; fill && t < f->n_frames; t++)
                    for (int64_t k = of->first; k < of->last; k++)
                        values[(size_t)(k - of->first) * frames + at + t] =
                            run->values[i][t * f->n_values + part.at +
                                           ((size_t)k - part.first) * (size_t)part.n_comp + element];
                at += f->n_frames;
            }
            frames = at;
            if (!fill &&
                !(values = ap_mem_arena_take(e, a, frames * (size_t)(of->last - of->first), sizeof *values)))
                return AP_EMEMORY;
        }
        *out = (struct ap_series){
            .values = values,
            .n = (size_t)(of->last - of->first),
            .frames = frames,
            .first = (size_t)of->first,
            .every = s->report[report].every,
            .duration = (double)shown * s->block[block].duration,
            .block = block,
            .teacher = s->block[block].teacher,
            .rest = s->cell[s->pop[of->pop].cell].comp[comp].rest.value,
        };
        *found = true;
        return AP_OK;
    }
    return AP_OK;
}

bool ap_series_limits(const double *values, size_t n, double *low, double *high)
{
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(values[i]))
            continue;
        *low = any && *low < values[i] ? *low : values[i];
        *high = any && *high > values[i] ? *high : values[i];
        any = true;
    }
    return any;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return isfinite(x) && isfinite(y) ? (x > y) - (x < y) : !isfinite(x) - !isfinite(y);
}

size_t ap_series_median(double *values, size_t n, double *median, double *low, double *high)
{
    size_t finite = 0;
    qsort(values, n, sizeof *values, ascending); /* what is not finite comes last */
    while (finite < n && isfinite(values[finite]))
        finite++;
    *median = *low = *high = (double)NAN;
    if (finite == 0)
        return 0;
    *median = 0.5 * (values[(finite - 1) / 2] + values[finite / 2]);
    *low = values[0];
    *high = values[finite - 1];
    return finite;
}
