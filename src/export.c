/* export.c: from the log to SONATA reports, weights and probe columns in HDF5.
 *
 * In:   a run read back from its log.
 * Out:  <report>.<block>.h5, weights.h5, probes.h5, readout.<name>.csv, readout.<name>.cells.csv.
 * Invariants:
 *   1. A report file covers one pass of one block, so that its time axis is even.
 *   2. A node is a neuron, an element a compartment: element id = place of the compartment in its cell, 0 the soma.
 * Never: reads anything but the log.
 * Test: tests/cli/test_outputs.sh, tests/cli/check_sonata.py */
#include "export.h"
#include "mem.h"
#include "probe.h"
#include "residual.h"
#include "sonata.h"

#include <string.h>

enum ap_code ap_export_note(struct ap_err *e, struct ap_file_list *files, const char *name)
{
    if (files->n == files->capacity) {
        int capacity = files->capacity ? 2 * files->capacity : 32;
        void *block = files->name;
        AP_TRY(ap_mem_grow(e, &block, (size_t)files->n, (size_t)capacity, sizeof *files->name, "file names"));
        files->name = block;
        files->capacity = capacity;
    }
    snprintf(files->name[files->n++], sizeof *files->name, "%s", name);
    return AP_OK;
}

/* The run's presentation with that number. */
static const struct ap_presented *presented(const struct ap_run *run, uint64_t number)
{
    return number < run->n_presented ? run->presented[number] : NULL;
}

static enum ap_code describe(struct ap_err *e, struct ap_sonata *h, const struct ap_run *run, int report,
                             double start, int *index)
{
    const struct ap_spec *s = run->spec;
    const struct ap_report_spec *r = &s->report[report];
    struct ap_report_part parts[AP_SPEC_POPS];
    ap_runlog_layout(s, r, parts);
    for (int i = 0; i < r->n_of; i++) {
        if (parts[i].n_comp == 0)
            continue; /* has none of the compartments that the report names */
        uint32_t element[32];
        for (int c = 0; c < parts[i].n_comp; c++)
            element[c] = (uint32_t)parts[i].comp[c];
        const struct ap_sonata_population p = {
            .name = s->pop[parts[i].pop].name,
            .variable = "v",
            .unit = s->physical ? "mV" : "1",
            .first_node = parts[i].first,
            .n_nodes = parts[i].n,
            .n_elements = (size_t)parts[i].n_comp,
            .element_ids = element,
            .start = start,
            .dt = r->every,
        };
        AP_TRY(ap_sonata_report(e, h, &p, &index[i]));
    }
    return AP_OK;
}

static enum ap_code append(struct ap_err *e, struct ap_sonata *h, const struct ap_run *run, size_t block,
                           double **buffer, size_t *room, const int *index)
{
    const struct ap_frames *f = run->frames[block];
    const struct ap_report_spec *r = &run->spec->report[f->report];
    struct ap_report_part parts[AP_SPEC_POPS];
    ap_runlog_layout(run->spec, r, parts);
    for (int i = 0; i < r->n_of; i++) { /* the log holds whole frames; a population's columns are cut out */
        size_t width = parts[i].n * (size_t)parts[i].n_comp;
        if (width == 0)
            continue;
        if (width * f->n_frames > *room) {
            ap_mem_free(*buffer);
            *room = width * f->n_frames;
            *buffer = ap_mem_array(e, *room, sizeof **buffer, "export");
            if (!*buffer)
                return AP_EMEMORY;
        }
        for (size_t t = 0; t < f->n_frames; t++)
            memcpy(*buffer + t * width, run->values[block] + t * f->n_values + parts[i].at,
                   width * sizeof(double));
        AP_TRY(ap_sonata_append(e, h, index[i], f->n_frames, *buffer));
    }
    return AP_OK;
}

/* All frames of one report within one place of the program. */
static enum ap_code export_pass(struct ap_err *e, const struct ap_run *run, const char *folder, size_t first,
                                int pass, struct ap_file_list *files)
{
    const struct ap_frames *f = run->frames[first];
    const struct ap_presented *p = presented(run, f->presentation);
    const struct ap_report_spec *r = &run->spec->report[f->report];
    char name[128], path[AP_ERR_PATH];
    if (pass == 1)
        snprintf(name, sizeof name, "%.50s.%.50s.h5", r->name, run->spec->block[p->block].name);
    else
        snprintf(name, sizeof name, "%.50s.%.50s-%d.h5", r->name, run->spec->block[p->block].name, pass);
    AP_TRY(ap_io_join(e, path, sizeof path, folder, name));
    struct ap_sonata *h;
    int index[AP_SPEC_POPS];
    double *buffer = NULL;
    size_t room = 0;
    AP_TRY(ap_sonata_create(e, path, &h));
    enum ap_code code = describe(e, h, run, (int)f->report, p->start, index);
    for (size_t i = first; code == AP_OK && i < run->n_frames; i++) {
        const struct ap_presented *q = presented(run, run->frames[i]->presentation);
        if (run->frames[i]->report == f->report && q && q->program == p->program)
            code = append(e, h, run, i, &buffer, &room, index);
    }
    ap_mem_free(buffer);
    if (code != AP_OK) {
        ap_sonata_discard(h);
        return code;
    }
    AP_TRY(ap_sonata_finish(e, h));
    return ap_export_note(e, files, name);
}

static enum ap_code export_reports(struct ap_err *e, const struct ap_run *run, const char *folder,
                                   struct ap_file_list *files)
{
    const struct ap_spec *s = run->spec;
    for (int report = 0; report < s->n_report; report++) {
        int pass[256] = {0};
        int64_t last = -1;
        for (size_t i = 0; i < run->n_frames; i++) {
            const struct ap_presented *p = presented(run, run->frames[i]->presentation);
            if (run->frames[i]->report != (uint32_t)report || !p || (int64_t)p->program == last)
                continue;
            last = p->program;
            AP_TRY(export_pass(e, run, folder, i, ++pass[p->block], files));
        }
    }
    return AP_OK;
}

static enum ap_code export_weights(struct ap_err *e, const struct ap_run *run, const char *folder,
                                   struct ap_file_list *files)
{
    if (run->n_snapshot == 0)
        return AP_OK;
    char path[AP_ERR_PATH];
    struct ap_sonata *h;
    AP_TRY(ap_io_join(e, path, sizeof path, folder, "weights.h5"));
    AP_TRY(ap_sonata_create(e, path, &h));
    enum ap_code code = AP_OK;
    for (size_t i = 0; code == AP_OK && i < run->n_snapshot; i++) {
        const struct ap_snapshot *w = run->snapshot[i];
        const struct ap_proj_spec *p = &run->spec->proj[w->proj];
        const struct ap_sonata_projection projection = {
            p->name, run->spec->pop[p->pre].name, run->spec->pop[p->post].name,
            run->spec->cell[run->spec->pop[p->post].cell].comp[p->post_comp].name,
            run->spec->physical ? "mV" : "1"};
        code = ap_sonata_weights(e, h, &projection, w->label, w->rows, w->cols, run->weights[i]);
    }
    if (code != AP_OK) {
        ap_sonata_discard(h);
        return code;
    }
    AP_TRY(ap_sonata_finish(e, h));
    return ap_export_note(e, files, "weights.h5");
}

static enum ap_code write_columns(struct ap_err *e, struct ap_sonata *h, const struct ap_run *run,
                                  double *column)
{
    static const struct {
        const char *name, *unit;
    } HEAD[] = {{"start", "ms"}, {"block", "1"}, {"pattern", "1"}};
    for (int c = 0; c < 3; c++) {
        for (size_t i = 0; i < run->n_presented; i++)
            column[i] = c == 0   ? run->presented[i]->start
                        : c == 1 ? (double)run->presented[i]->block
                                 : (double)run->presented[i]->pattern;
        AP_TRY(ap_sonata_column(e, h, "probes", HEAD[c].name, HEAD[c].unit, run->n_presented, column));
    }
    for (int p = 0; p < run->spec->n_probe; p++)
        for (int c = 0; c < run->spec->probe[p].row->columns; c++) {
            const struct ap_probe_row *row = run->spec->probe[p].row;
            char name[256];
            snprintf(name, sizeof name, "%s%s%s", run->spec->probe[p].name, *row->column[c] ? " " : "",
                     row->column[c]);
            for (size_t i = 0; i < run->n_presented; i++)
                column[i] = run->probes[i][ap_runlog_column(run->spec, p) + (size_t)c];
            AP_TRY(ap_sonata_column(e, h, "probes", name, row->row.unit, run->n_presented, column));
        }
    return AP_OK;
}

static enum ap_code export_probes(struct ap_err *e, const struct ap_run *run, const char *folder,
                                  struct ap_file_list *files)
{
    char path[AP_ERR_PATH];
    struct ap_sonata *h;
    if (run->n_presented == 0)
        return AP_OK;
    double *column = ap_mem_array(e, run->n_presented, sizeof *column, "export");
    if (!column)
        return AP_EMEMORY;
    enum ap_code code = ap_io_join(e, path, sizeof path, folder, "probes.h5");
    if (code == AP_OK)
        code = ap_sonata_create(e, path, &h);
    if (code == AP_OK && (code = write_columns(e, h, run, column)) != AP_OK)
        ap_sonata_discard(h);
    else if (code == AP_OK)
        code = ap_sonata_finish(e, h);
    ap_mem_free(column);
    AP_TRY(code);
    return ap_export_note(e, files, "probes.h5");
}

static enum ap_code export_readout(struct ap_err *e, const struct ap_run *run,
                                   const struct ap_readout_spec *r, const char *folder,
                                   struct ap_file_list *files)
{
    static const struct {
        const char *suffix;
        enum ap_code (*write)(struct ap_err *e, const struct ap_spec *s, const struct ap_residual *x,
                              const char *path);
    } TABLES[] = {{".cells.csv", ap_residual_csv_cells}, {".csv", ap_residual_csv_presentations}};
    struct ap_arena arena = {0};
    struct ap_residual x;
    bool found = false;
    enum ap_code code = ap_residual_gather(e, &arena, run, r, &x, &found);
    for (int i = 0; i < 2 && found && code == AP_OK; i++) {
        char name[128], path[AP_ERR_PATH];
        snprintf(name, sizeof name, "readout.%.80s%s", r->name, TABLES[i].suffix);
        code = ap_io_join(e, path, sizeof path, folder, name);
        if (code == AP_OK)
            code = TABLES[i].write(e, run->spec, &x, path);
        if (code == AP_OK)
            code = ap_export_note(e, files, name);
    }
    ap_mem_arena_free(&arena);
    return code;
}

enum ap_code ap_export_readouts(struct ap_err *e, const struct ap_run *run, const char *folder,
                                struct ap_file_list *files)
{
    for (int i = 0; i < run->spec->n_readout; i++)
        AP_TRY(export_readout(e, run, &run->spec->readout[i], folder, files));
    return AP_OK;
}

enum ap_code ap_export_run(struct ap_err *e, const struct ap_run *run, const char *folder,
                           struct ap_file_list *files)
{
    AP_TRY(export_reports(e, run, folder, files));
    AP_TRY(export_weights(e, run, folder, files));
    AP_TRY(ap_export_readouts(e, run, folder, files));
    return export_probes(e, run, folder, files);
}
