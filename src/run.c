/* run.c: a whole run: folder, simulation, export, figures.
 *
 * In:   a spec and options of the public header.
 * Out:  an output folder: manifest.json, circuit.yaml, run.log, HDF5, PNG.
 * Invariants:
 *   1. Nothing is written before the circuit was built without error.
 *   2. A folder that is not empty is refused, unless it holds an earlier run and overwriting was asked for.
 *   3. The manifest lists every file from the moment it may exist.
 * Never: prints.
 * Test: tests/cli/test_outputs.sh */
#include "export.h"
#include "figure.h"
#include "io.h"
#include "manifest.h"
#include "probe.h"
#include "sim.h"

#include <math.h>
#include <omp.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct running {
    struct ap_sim sim;
    const struct ap_run_options *o;
    struct ap_file_list files;
    struct ap_manifest manifest;
    double started, last_report;
    uint64_t total;
    double total_ms;
    /* sums of the current pass of a block, for its line */
    double sum[64];
    uint64_t shown;
    int pass[256];
};

/* ---- folder ---------------------------------------------------------------------------------------- */

static enum ap_code check_folder(struct ap_err *e, const struct ap_run_options *o)
{
    bool exists;
    if (!o->folder || !*o->folder)
        return ap_err_add(e, AP_EUSAGE, NULL, "name one with --out", "no output folder");
    if (!ap_io_folder_has_entries(o->folder, &exists))
        return AP_OK;
    if (!o->overwrite)
        return ap_err_add(e, AP_EIO, NULL,
                          "choose another with --out, or replace the run in it with --overwrite",
                          "%s: the output folder is not empty", o->folder);
    return ap_manifest_remove_run(e, o->folder);
}

static enum ap_code start_folder(struct ap_err *e, struct running *r)
{
    char path[AP_ERR_PATH];
    const struct ap_spec *s = r->manifest.spec;
    AP_TRY(ap_io_make_folder(e, r->o->folder));
    AP_TRY(ap_export_note(e, &r->files, "circuit.yaml"));
    AP_TRY(ap_export_note(e, &r->files, "run.log"));
    r->manifest.status = "running";
    AP_TRY(ap_manifest_write(e, r->o->folder, &r->manifest));
    AP_TRY(ap_io_join(e, path, sizeof path, r->o->folder, "circuit.yaml"));
    char *text = ap_spec_movable_text(e, s);
    enum ap_code code = text ? ap_io_write(e, path, text, strlen(text)) : AP_EMEMORY;
    ap_mem_free(text);
    return code;
}

/* ---- progress -------------------------------------------------------------------------------------- */

/* "test 3: class-error output 14.2 %": means of the probes over one pass of a block. */
static void summary_line(const struct running *r, const struct ap_block_spec *b, int pass, char *out,
                         size_t size)
{
    const struct ap_spec *s = r->sim.spec;
    size_t used = (size_t)snprintf(out, size, "%s", b->name);
    if (pass > 1)
        used += (size_t)snprintf(out + used, size - used, " %d", pass);
    for (int i = 0; i < s->n_probe && i < 64 && used < size; i++) {
        double mean = r->sum[i] / (double)r->shown;
        used += (size_t)snprintf(out + used, size - used, "%s %s %.4g%s", i ? "," : ":", s->probe[i].name,
                                 s->probe[i].row->percent ? 100 * mean : mean,
                                 s->probe[i].row->percent ? " %" : "");
    }
}

static void report(struct running *r, const struct ap_block_spec *b, bool ended)
{
    const struct ap_spec *s = r->sim.spec;
    double seconds = now();
    for (int i = 0; i < s->n_probe && i < 64; i++)
        r->sum[i] += r->sim.recorder.column[ap_runlog_column(s, i)];
    r->shown++;
    if (!r->o->progress || (!ended && seconds - r->last_report < 0.2))
        return;
    r->last_report = seconds;
    char line[1024] = "";
    struct ap_progress p = {
        .presentation = r->sim.presentation,
        .presentations = r->total,
        .simulated_ms = r->sim.time,
        .total_ms = r->total_ms,
        .steps = r->sim.g.steps,
        .wall_seconds = seconds - r->started,
        .eta_seconds = -1,
        .block = b->name,
        .error = NAN,
        .block_ended = ended,
    };
    if (r->sim.time > 0)
        p.eta_seconds = p.wall_seconds * (r->total_ms - r->sim.time) / r->sim.time;
    for (int i = s->n_probe - 1; i >= 0; i--)
        if (s->probe[i].row->is_error)
            p.error = r->sim.recorder.column[ap_runlog_column(s, i)];
    if (ended) {
        summary_line(r, b, ++r->pass[b - s->block], line, sizeof line);
        p.summary = line;
    }
    r->o->progress(&p, r->o->user);
}

/* ---- simulation ------------------------------------------------------------------------------------ */

static enum ap_code simulate(struct ap_err *e, struct running *r)
{
    const struct ap_spec *s = r->sim.spec;
    for (int i = 0; i < s->n_program; i++) {
        const struct ap_block_spec *b = &s->block[s->program[i]];
        memset(r->sum, 0, sizeof r->sum);
        r->shown = 0;
        for (uint64_t k = 0; k < (uint64_t)b->presentations; k++) {
            AP_TRY(ap_sim_present(e, &r->sim, i, k));
            bool last = k + 1 == (uint64_t)b->presentations;
            bool enough = r->o->stop_after && r->sim.presentation == r->o->stop_after;
            report(r, b, last || enough);
            if (enough)
                return AP_OK;
            if (r->o->stop && *r->o->stop)
                return AP_STOPPED;
        }
    }
    return AP_OK;
}

static enum ap_code end_log(struct ap_err *e, struct running *r, bool complete)
{
    ap_sim_settle(&r->sim);
    r->manifest.digest = ap_sim_digest(&r->sim);
    struct ap_integrate_stats stats = ap_integrate_stats(&r->sim.g);
    r->manifest.counts =
        (struct ap_integrate_counts){r->sim.presentation, stats.steps, stats.evaluations, stats.products};
    r->manifest.wall_seconds = now() - r->started;
    AP_TRY(ap_record_weights(e, &r->sim.recorder, "final"));
    const struct ap_run_end end = {r->manifest.digest.high,
                                   r->manifest.digest.low,
                                   stats.steps,
                                   stats.evaluations,
                                   stats.products,
                                   r->manifest.wall_seconds,
                                   r->sim.presentation,
                                   complete,
                                   0};
    AP_TRY(ap_runlog_append(e, &r->sim.recorder.log, AP_BLOCK_END, &end, sizeof end, NULL, 0));
    return ap_record_close(e, &r->sim.recorder);
}

static enum ap_code draw(struct ap_err *e, const struct ap_run *run, const char *figure, const char *folder,
                         struct ap_file_list *files, struct ap_run_result *result)
{
    int before = files->n;
    AP_TRY(ap_figure_draw(e, run, figure, folder, files));
    for (int i = before; result && i < files->n && result->n_figures < 64; i++)
        snprintf(result->figures[result->n_figures++], sizeof *result->figures, "%s", files->name[i]);
    return AP_OK;
}

static enum ap_code finish(struct ap_err *e, struct running *r, enum ap_code code,
                           struct ap_run_result *result)
{
    /* After a numerical failure the log still holds everything up to it; it is exported and drawn like any other. */
    enum ap_code ended = end_log(e, r, code == AP_OK);
    r->manifest.status = code == AP_OK ? "complete" : code == AP_STOPPED ? "stopped" : "failed";
    if (result) {
        ap_hash_text(r->manifest.digest, result->digest);
        result->presentations = r->manifest.counts.presentations;
        result->steps = r->manifest.counts.steps;
        result->evaluations = r->manifest.counts.evaluations;
        result->products = r->manifest.counts.products;
        result->wall_seconds = r->manifest.wall_seconds;
    }
    struct ap_run run = {0};
    if (ended == AP_OK && code != AP_EIO)
        ended = ap_runlog_read(e, &run, r->o->folder);
    if (ended == AP_OK && code != AP_EIO)
        ended = ap_export_run(e, &run, r->o->folder, &r->files);
    if (ended == AP_OK && code != AP_EIO && !r->o->no_figures)
        ended = draw(e, &run, NULL, r->o->folder, &r->files, result);
    ap_runlog_free(&run);
    r->manifest.files = &r->files;
    enum ap_code listed = ap_manifest_write(e, r->o->folder, &r->manifest);
    return code != AP_OK ? code : ended != AP_OK ? ended : listed;
}

enum ap_code ap_run(const struct ap_spec *s, const struct ap_run_options *o, struct ap_run_result *result,
                    struct ap_err *e)
{
    if (result)
        memset(result, 0, sizeof *result);
    if (o->threads > 0)
        omp_set_num_threads(o->threads);
    struct running r = {.o = o, .started = now(), .manifest = {.spec = s, .threads = omp_get_max_threads()}};
    r.manifest.files = &r.files;
    r.total = ap_sim_presentations(s);
    for (int i = 0; i < s->n_program; i++)
        r.total_ms += (double)s->block[s->program[i]].presentations * s->block[s->program[i]].duration;
    if (o->stop_after && o->stop_after < r.total) {
        r.total_ms *= (double)o->stop_after / (double)r.total;
        r.total = o->stop_after;
    }
    char log[AP_ERR_PATH];
    enum ap_code code = ap_sim_open(e, &r.sim, s); /* nothing is written before this has succeeded */
    if (code == AP_OK)
        code = check_folder(e, o);
    if (code == AP_OK)
        code = start_folder(e, &r);
    if (code == AP_OK)
        code = ap_io_join(e, log, sizeof log, o->folder, "run.log");
    if (code == AP_OK)
        code = ap_sim_record(e, &r.sim, log);
    if (code == AP_OK) {
        code = simulate(e, &r);
        code = finish(e, &r, code, result);
    }
    ap_sim_close(&r.sim);
    ap_mem_free(r.files.name);
    return code;
}

enum ap_code ap_render(const char *folder, const char *figure, const char *out, struct ap_run_result *result,
                       struct ap_err *e)
{
    if (result)
        memset(result, 0, sizeof *result);
    struct ap_run run = {0};
    struct ap_file_list files = {0};
    enum ap_code code = ap_runlog_read(e, &run, folder);
    if (code == AP_OK && out)
        code = ap_io_make_folder(e, out);
    if (code == AP_OK)
        code = draw(e, &run, figure, out ? out : folder, &files, result);
    if (code == AP_OK && result && run.end)
        ap_hash_text((struct ap_hash){run.end->digest_high, run.end->digest_low}, result->digest);
    ap_runlog_free(&run);
    ap_mem_free(files.name);
    return code;
}

/* The circuit of a run with other readouts; what was simulated stays. */
static enum ap_code set_readouts(struct ap_err *e, struct ap_run *run, const char *const *sets, int n_sets)
{
    for (int i = 0; i < n_sets; i++)
        if (strncmp(sets[i], "readouts", 8) != 0 || !strchr(".=", sets[i][8]))
            return ap_err_add(e, AP_EUSAGE, NULL, "for example --set readouts.NAME.from=\"20 ms\"",
                              "--set %s: of a finished run only `readouts` can be set", sets[i]);
    struct ap_spec *other =
        ap_spec_parse("circuit.yaml", run->spec->canonical, strlen(run->spec->canonical), sets, n_sets, e);
    if (!other)
        return AP_EUSAGE;
    ap_spec_free(run->spec);
    run->spec = other;
    return AP_OK;
}

enum ap_code ap_readout(const char *folder, const char *const *sets, int n_sets, const char *out,
                        struct ap_run_result *result, struct ap_err *e)
{
    if (result)
        memset(result, 0, sizeof *result);
    struct ap_run run = {0};
    struct ap_file_list files = {0};
    const char *to = out ? out : folder;
    enum ap_code code = ap_runlog_read(e, &run, folder);
    if (code == AP_OK)
        code = set_readouts(e, &run, sets, n_sets);
    if (code == AP_OK && run.spec->n_readout == 0)
        code = ap_err_add(e, AP_EUSAGE, NULL, "for example --set 'readouts=[{name: mine, of: hidden1.pyr}]'",
                          "%s: the circuit lists no readouts", folder);
    if (code == AP_OK && out)
        code = ap_io_make_folder(e, out);
    if (code == AP_OK)
        code = ap_export_readouts(e, &run, to, &files);
    for (int i = 0; code == AP_OK && result && i < files.n && result->n_figures < 64; i++)
        snprintf(result->figures[result->n_figures++], sizeof *result->figures, "%s", files.name[i]);
    if (code == AP_OK)
        code = draw(e, &run, "residual", to, &files, result);
    ap_runlog_free(&run);
    ap_mem_free(files.name);
    return code;
}

/* ---- what a run would take -------------------------------------------------------------------------- */

enum ap_code ap_spec_estimate(const struct ap_spec *s, struct ap_estimate *out, struct ap_err *e)
{
    struct ap_circuit_size size;
    memset(out, 0, sizeof *out);
    AP_TRY(ap_circuit_size(e, s, &size));
    out->neurons = size.neurons;
    out->compartments = size.compartments;
    out->synapses = size.synapses;
    out->plastic_synapses = size.plastic;
    out->state = size.state;
    out->bytes = size.bytes;
    out->presentations = ap_sim_presentations(s);
    bool noisy = false;
    for (int p = 0; p < s->n_pop; p++)
        noisy = noisy || s->pop[p].noise > 0;
    for (int i = 0; i < s->n_program; i++) {
        const struct ap_block_spec *b = &s->block[s->program[i]];
        double per = b->duration / s->integrator.step;
        if (s->integrator.row->adaptive && noisy &&
            b->noise) { /* about as many steps between two nodes of the noise */
            per = b->duration / s->integrator.noise_grid * fmax(1, -2.6 * log10(s->integrator.rtol));
        } else if (s->integrator.row->adaptive) { /* a transient, then steps of several ms */
            double transient = 33 * pow(s->integrator.rtol, -0.13);
            double settled = b->duration / (s->integrator.max_step > 0 ? s->integrator.max_step : 5);
            per = transient + settled < per ? transient + settled : per;
        }
        out->simulated_ms += (double)b->presentations * b->duration;
        out->steps += (uint64_t)((double)b->presentations * per);
    }
    return AP_OK;
}

enum ap_code ap_spec_try(const struct ap_spec *s, struct ap_err *e)
{
    struct ap_circuit *c = ap_circuit_build(e, s);
    enum ap_code code = c ? AP_OK : ap_err_code(e) ? ap_err_code(e) : AP_EMEMORY;
    ap_circuit_free(c);
    return code;
}
