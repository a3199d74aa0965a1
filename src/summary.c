/* summary.c: median and range of probes over the seeds of one circuit.
 *
 * In:   run.log of every replicate.
 * Out:  replicates.csv: a row per presentation and probe; learning curves with a band.
 * Invariants:
 *   1. One log is in memory at a time; of each only the probes are kept.
 *   2. Seeds that came to different numbers of presentations are compared over those that all have.
 * Never: averages over presentations, but in figures.
 * Test: tests/cli/test_replicates.sh */
#include "summary.h"
#include "figure.h"
#include "io.h"
#include "manifest.h"
#include "probe.h"
#include "series.h"
#include "text.h"

#include <string.h>

struct summary {
    struct ap_run run;              /* presented, and the probes of each seed */
    struct ap_presented *presented; /* [n_presented] */
    double *probes[AP_SPEC_REPLICATES];
    size_t columns;
};

/* Takes the probes out of one log. */
static enum ap_code take(struct ap_err *e, struct summary *x, const char *folder)
{
    struct ap_run one;
    struct ap_run *all = &x->run;
    enum ap_code code = ap_runlog_read(e, &one, folder);
    size_t n = code == AP_OK ? one.n_presented : 0;
    bool first = all->n_replicates == 0;
    if (code == AP_OK && (first || n < all->n_presented))
        all->n_presented = n;
    if (code == AP_OK && first) {
        x->presented = ap_mem_array(e, n, sizeof *x->presented, "replicates");
        all->presented = ap_mem_array(e, n, sizeof *all->presented, "replicates");
        code = x->presented && all->presented ? AP_OK : AP_EMEMORY;
        for (size_t i = 0; code == AP_OK && i < n; i++) {
            x->presented[i] = *one.presented[i];
            all->presented[i] = &x->presented[i];
        }
    }
    double *to = code == AP_OK ? ap_mem_array(e, n * x->columns, sizeof *to, "replicates") : NULL;
    for (size_t i = 0; to && i < n; i++)
        memcpy(to + i * x->columns, one.probes[i], x->columns * sizeof *to);
    if (to)
        x->probes[all->n_replicates++] = to;
    ap_runlog_free(&one);
    return code == AP_OK && !to ? AP_EMEMORY : code;
}

static enum ap_code write_csv(struct ap_err *e, const struct summary *x, const char *folder,
                              struct ap_file_list *files)
{
    const struct ap_run *run = &x->run;
    const struct ap_spec *s = run->spec;
    struct ap_text t = {.e = e};
    double one[AP_SPEC_REPLICATES], median, low, high;
    char path[AP_ERR_PATH];
    ap_text_put(&t, "presentation,block,probe,seeds,median,min,max\n");
    for (size_t i = 0; i < run->n_presented; i++)
        for (int p = 0; p < s->n_probe; p++)
            for (int c = 0; c < s->probe[p].row->columns; c++) {
                const char *column = s->probe[p].row->column[c];
                for (int r = 0; r < run->n_replicates; r++)
                    one[r] = x->probes[r][i * x->columns + ap_runlog_column(s, p) + (size_t)c];
                size_t seeds = ap_series_median(one, (size_t)run->n_replicates, &median, &low, &high);
                ap_text_add(&t, "%zu,%s,%s%s%s,%zu,%.17g,%.17g,%.17g\n", i,
                            s->block[run->presented[i]->block].name, s->probe[p].name, *column ? " " : "",
                            column, seeds, median, low, high);
            }
    char *text = ap_text_take(&t);
    enum ap_code code = text ? ap_io_join(e, path, sizeof path, folder, "replicates.csv") : AP_EMEMORY;
    if (code == AP_OK)
        code = ap_io_write(e, path, text, strlen(text));
    ap_mem_free(text);
    return code == AP_OK ? ap_export_note(e, files, "replicates.csv") : code;
}

enum ap_code ap_summary_write(struct ap_err *e, const struct ap_spec *s, const char *folder, bool figures,
                              struct ap_file_list *files)
{
    struct summary x = {.columns = ap_runlog_column(s, s->n_probe)};
    enum ap_code code = AP_OK;
    char path[AP_ERR_PATH];
    for (int i = 0; s->n_probe && code == AP_OK && i < s->n_replicate; i++) {
        struct ap_manifest_past past;
        code = ap_manifest_replicate(e, folder, s->replicate[i], path);
        if (code == AP_OK)
            code = ap_manifest_read(e, path, &past);
        if (code == AP_OK && strcmp(past.status, "complete") == 0)
            code = take(e, &x, path);
    }
    x.run.spec = (struct ap_spec *)s;
    x.run.replicate = x.probes;
    if (code == AP_OK && x.run.n_replicates)
        code = write_csv(e, &x, folder, files);
    if (code == AP_OK && x.run.n_replicates && figures)
        code = ap_figure_draw(e, &x.run, "learning-curve", folder, files);
    for (int i = 0; i < x.run.n_replicates; i++)
        ap_mem_free(x.probes[i]);
    ap_mem_free(x.run.presented);
    ap_mem_free(x.presented);
    return code;
}
