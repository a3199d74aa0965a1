/* drawing.c: what all figures share: memory, panels, footer.
 *
 * In:   a run and the figure that is asked for.
 * Out:  a page with title, panels and footer, written as PNG.
 * Invariants:
 *   1. Every figure carries title, units, seed, digest and version.
 *   2. All memory of a figure lies in its arena; what found none is remembered, and the page then not written.
 * Never: knows what is plotted.
 * Test: tests/unit/test_figure.c */
#include "drawing.h"
#include "hash.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

char *ap_drawing_text(struct ap_drawing *d, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    char *copy = ap_mem_arena_text(d->e, &d->arena, line, strlen(line));
    d->starved = d->starved || !copy;
    return copy ? copy : (char *)"";
}

void *ap_drawing_take(struct ap_drawing *d, size_t n, size_t size)
{
    void *block = ap_mem_arena_take(d->e, &d->arena, n ? n : 1, size);
    d->starved = d->starved || !block;
    return block;
}

struct ap_axes_panel *ap_drawing_panel(struct ap_drawing *d, enum ap_axes_kind kind, int row, int col)
{
    static struct ap_axes_panel spare;
    if (d->n_panels == AP_DRAWING_PANELS)
        return &spare;
    struct ap_axes_panel *p = &d->panel[d->n_panels++];
    *p = (struct ap_axes_panel){.kind = kind, .row = row, .col = col};
    return p;
}

enum ap_code ap_drawing_nothing(struct ap_drawing *d, const char *what, const char *hint)
{
    return ap_err_add(d->e, AP_EUSAGE, &d->f->at, hint, "figure %s: the run holds no %s", d->f->row->row.name,
                      what);
}

const char *ap_drawing_potential_unit(const struct ap_drawing *d)
{
    return d->s->physical ? "mV" : "dimensionless";
}

const char *ap_drawing_population(const struct ap_drawing *d, int pop)
{
    return d->s->pop[pop].name;
}

enum ap_code ap_drawing_finish(struct ap_drawing *d, const char *path, const char *headline)
{
    const struct ap_spec *s = d->s;
    char digest[33] = "none";
    if (d->starved)
        return AP_EMEMORY;
    if (d->run->end)
        ap_hash_text((struct ap_hash){d->run->end->digest_high, d->run->end->digest_low}, digest);
    snprintf(d->title, sizeof d->title, "%s", d->f->title ? d->f->title : headline);
    if (d->run->n_replicates)
        snprintf(d->footer, sizeof d->footer, "%s · %d seeds · apical %s", s->name, d->run->n_replicates,
                 AP_VERSION);
    else
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
