/* run.c: a whole run: folder, simulation, checkpoints, export, figures; and going on with one that was interrupted.
 *
 * In:   a spec and options of the public header; the folder of an earlier run.
 * Out:  an output folder: manifest.json, circuit.yaml, run.log, checkpoints while it is unfinished, HDF5, PNG.
 * Invariants:
 *   1. Nothing is written before the circuit was built without error.
 *   2. A folder that is not empty is refused, unless it holds an earlier run and overwriting was asked for.
 *   3. The manifest lists every file from the moment it may exist.
 *   4. A folder is locked while a run is at work in it.
 *   5. When checkpoints are written does not change what a run leaves behind, and neither does an interruption.
 * Never: prints.
 * Test: tests/cli/test_outputs.sh, tests/cli/test_resume.sh */
#include "checkpoint.h"
#include "export.h"
#include "figure.h"
#include "io.h"
#include "manifest.h"
#include "probe.h"
#include "replicates.h"
#include "run.h"
#include "sim.h"

#include <math.h>
#include <omp.h>
#include <string.h>
#include <time.h>

double ap_run_now(void)
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
    struct ap_checkpoint checkpoint;
    struct ap_checkpoint_loop loop; /* where it stands in the program */
    double started, simulates, last_report, last_flush, last_checkpoint;
    double from_ms; /* simulated before this process began */
    uint64_t total;
    double total_ms;
    int lock;
    struct ap_profile profile;
};

/* ---- folder ---------------------------------------------------------------------------------------- */

enum ap_code ap_run_take_folder(struct ap_err *e, const struct ap_run_options *o, int *lock)
{
    bool exists;
    if (!o->folder || !*o->folder)
        return ap_err_add(e, AP_EUSAGE, NULL, "name one with --out", "no output folder");
    AP_TRY(ap_io_make_folder(e, o->folder));
    AP_TRY(ap_io_lock(e, o->folder, lock));
    if (ap_io_folder_has_entries(o->folder, &exists) && !o->overwrite) {
        struct ap_manifest_past past;
        bool unfinished = ap_manifest_read(NULL, o->folder, &past) == AP_OK && *past.status &&
                          strcmp(past.status, "complete") != 0;
        return ap_err_add(e, AP_EIO, NULL,
                          unfinished ? "`apical resume` goes on with it; --overwrite replaces it"
                                     : "choose another with --out, or replace the run in it with --overwrite",
                          unfinished ? "%s: the output folder holds an unfinished run"
                                     : "%s: the output folder is not empty",
                          o->folder);
    }
    ap_io_sweep(o->folder);
    if (ap_io_folder_has_entries(o->folder, &exists)) {
        AP_TRY(ap_manifest_remove_run(e, o->folder));
        return ap_checkpoint_remove(e, o->folder);
    }
    return AP_OK;
}

static enum ap_code write_manifest(struct ap_err *e, struct running *r, const char *status, bool complete)
{
    r->manifest.status = status;
    r->manifest.checkpoints = !complete;
    return ap_manifest_write(e, r->o->folder, &r->manifest);
}

static enum ap_code note_sources(struct ap_err *e, struct running *r)
{
    AP_TRY(ap_export_note(e, &r->files, "circuit.yaml"));
    return ap_export_note(e, &r->files, "run.log");
}

static enum ap_code start_folder(struct ap_err *e, struct running *r)
{
    char path[AP_ERR_PATH];
    const struct ap_spec *s = r->manifest.spec;
    AP_TRY(note_sources(e, r));
    AP_TRY(write_manifest(e, r, "running", false));
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
        double mean = r->loop.sum[i] / (double)r->loop.shown;
        used += (size_t)snprintf(out + used, size - used, "%s %s %.4g%s", i ? "," : ":", s->probe[i].name,
                                 s->probe[i].row->percent ? 100 * mean : mean,
                                 s->probe[i].row->percent ? " %" : "");
    }
}

/* The last n presentations enter the means of the block. */
static void sum_up(struct running *r, int n)
{
    const struct ap_spec *s = r->sim.spec;
    for (int b = 0; b < n; b++)
        for (int i = 0; i < s->n_probe && i < 64; i++)
            r->loop.sum[i] += r->sim.copy[b]->column[ap_runlog_column(s, i)];
    r->loop.shown += (uint64_t)n;
}

static void report(struct running *r, const struct ap_block_spec *b, bool ended)
{
    const struct ap_spec *s = r->sim.spec;
    double seconds = ap_run_now();
    if (ended)
        r->loop.pass[b - s->block]++;
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
    if (r->sim.time > r->from_ms)
        p.eta_seconds = p.wall_seconds * (r->total_ms - r->sim.time) / (r->sim.time - r->from_ms);
    for (int i = s->n_probe - 1; i >= 0; i--)
        if (s->probe[i].row->is_error)
            p.error = r->sim.recorder.column[ap_runlog_column(s, i)];
    if (ended) {
        summary_line(r, b, r->loop.pass[b - s->block], line, sizeof line);
        p.summary = line;
    }
    r->o->progress(&p, r->o->user);
}

/* ---- simulation ------------------------------------------------------------------------------------ */

static bool enough(const struct running *r)
{
    return r->manifest.stop_after && r->sim.presentation >= r->manifest.stop_after;
}

/* A checkpoint, when it is time for one. */
static enum ap_code save(struct ap_err *e, struct running *r, bool at_once)
{
    double every = r->o->checkpoint_every == 0 ? 60 : r->o->checkpoint_every;
    if (ap_run_now() - r->last_flush > 0.2) { /* who looks at the run sees it as of now */
        AP_TRY(ap_runlog_flush(e, &r->sim.recorder.log));
        r->last_flush = ap_run_now();
    }
    if (!at_once && (every < 0 || ap_run_now() - r->last_checkpoint < every))
        return AP_OK;
    AP_TRY(ap_checkpoint_write(e, &r->checkpoint, &r->sim, &r->loop));
    r->last_checkpoint = ap_run_now();
    return AP_OK;
}

/* The rest of one place of the program. */
static enum ap_code simulate_block(struct ap_err *e, struct running *r)
{
    struct ap_checkpoint_loop *l = &r->loop;
    const struct ap_spec *s = r->sim.spec;
    const struct ap_block_spec *b = &s->block[s->program[l->program]];
    while (l->k < (uint64_t)b->presentations && !enough(r)) {
        int n = ap_sim_group(b, l->k);
        AP_TRY(ap_sim_present(e, &r->sim, (int)l->program, l->k));
        l->k += (uint64_t)n;
        sum_up(r, n);
        report(r, b, l->k == (uint64_t)b->presentations || enough(r));
        bool stop = r->o->stop && *r->o->stop;
        AP_TRY(save(e, r, stop));
        if (stop)
            return AP_STOPPED;
    }
    return AP_OK;
}

static void measure(struct running *r)
{
    if (!r->o->profile)
        return;
    r->sim.rhs.profile = &r->profile;
    ap_profile_enter(&r->profile, AP_PROFILE_OTHER);
}

static enum ap_code simulate(struct ap_err *e, struct running *r)
{
    struct ap_checkpoint_loop *l = &r->loop;
    measure(r);
    r->simulates = ap_run_now();
    while (l->program < (uint64_t)r->sim.spec->n_program && !enough(r)) {
        if (l->k == 0) {
            memset(l->sum, 0, sizeof l->sum);
            l->shown = 0;
        }
        AP_TRY(simulate_block(e, r));
        l->program++;
        l->k = 0;
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
    r->manifest.wall_seconds = ap_run_now() - r->started;
    r->manifest.simulating_seconds = ap_run_now() - r->simulates;
    AP_TRY(ap_record_weights(e, &r->sim.recorder, "final"));
    const struct ap_run_end end = {
        r->manifest.digest.high, r->manifest.digest.low, stats.steps, stats.evaluations,
        stats.products,          r->sim.presentation,    complete,    0};
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

static void fill_result(const struct running *r, struct ap_run_result *result)
{
    ap_hash_text(r->manifest.digest, result->digest);
    result->presentations = r->manifest.counts.presentations;
    result->steps = r->manifest.counts.steps;
    result->evaluations = r->manifest.counts.evaluations;
    result->products = r->manifest.counts.products;
    result->wall_seconds = r->manifest.wall_seconds;
}

static void fill_profile(struct running *r, struct ap_run_result *result)
{
    if (!r->o->profile || !result)
        return;
    ap_profile_enter(&r->profile, AP_PROFILE_OTHER);
    for (int i = 0; i < AP_PROFILE_PARTS; i++) {
        result->spent[i].on = ap_profile_name[i];
        result->spent[i].seconds = r->profile.seconds[i];
    }
    result->n_spent = AP_PROFILE_PARTS;
}

/* What was simulated becomes files that others read. */
static enum ap_code write_outputs(struct ap_err *e, struct running *r, struct ap_run_result *result)
{
    struct ap_run run = {0};
    enum ap_code code = ap_runlog_read(e, &run, r->o->folder);
    if (code == AP_OK)
        code = ap_export_run(e, &run, r->o->folder, &r->files);
    if (code == AP_OK && r->manifest.figures)
        code = draw(e, &run, NULL, r->o->folder, &r->files, result);
    ap_runlog_free(&run);
    return code;
}

/* After a numerical failure the log still holds everything up to it; it is exported and drawn like any other. When the
 * disk or the memory failed, the folder is left as it is: the last checkpoint and the log up to it are whole. */
static enum ap_code finish(struct ap_err *e, struct running *r, enum ap_code code,
                           struct ap_run_result *result)
{
    bool broken = code == AP_EIO || code == AP_EMEMORY;
    enum ap_code ended = broken ? code : end_log(e, r, code == AP_OK);
    if (!broken && result)
        fill_result(r, result);
    if (ended == AP_OK)
        ended = write_outputs(e, r, result);
    fill_profile(r, result);
    broken = broken || ended == AP_EIO || ended == AP_EMEMORY;
    bool complete = !broken && code == AP_OK;
    const char *status = complete ? "complete" : !broken && code == AP_STOPPED ? "stopped" : "failed";
    enum ap_code listed = write_manifest(broken ? NULL : e, r, status, complete);
    if (code == AP_OK && !broken && listed == AP_OK)
        listed = ap_checkpoint_remove(e, r->o->folder);
    return broken && ended != AP_OK ? ended : code != AP_OK ? code : ended != AP_OK ? ended : listed;
}

static void prepare(struct running *r, const struct ap_spec *s)
{
    r->manifest.spec = s;
    r->manifest.threads = omp_get_max_threads();
    r->manifest.files = &r->files;
    r->total = ap_sim_presentations(s);
    for (int i = 0; i < s->n_program; i++)
        r->total_ms += (double)s->block[s->program[i]].presentations * s->block[s->program[i]].duration;
    if (r->manifest.stop_after && r->manifest.stop_after < r->total) {
        r->total_ms *= (double)r->manifest.stop_after / (double)r->total;
        r->total = r->manifest.stop_after;
    }
}

static void clean_up(struct running *r)
{
    ap_sim_close(&r->sim);
    ap_mem_free(r->files.name);
    ap_io_unlock(r->lock);
}

static struct running start(const struct ap_run_options *o, struct ap_run_result *result)
{
    if (result)
        memset(result, 0, sizeof *result);
    if (o->threads > 0)
        omp_set_num_threads(o->threads);
    return (struct running){.o = o,
                            .started = ap_run_now(),
                            .last_checkpoint = ap_run_now(),
                            .checkpoint.folder = o->folder,
                            .sim.recorder.log.file.fd = -1,
                            .lock = -1};
}

enum ap_code ap_run(const struct ap_spec *s, const struct ap_run_options *o, struct ap_run_result *result,
                    struct ap_err *e)
{
    if (s->n_replicate)
        return ap_replicates_run(s, o, result, e);
    struct running r = start(o, result);
    r.manifest.stop_after = o->stop_after;
    r.manifest.figures = !o->no_figures;
    prepare(&r, s);
    ap_hash_text(ap_hash_of(s->canonical, strlen(s->canonical)), r.manifest.circuit_digest);
    char log[AP_ERR_PATH];
    enum ap_code code = ap_sim_open(e, &r.sim, s); /* nothing is written before this has succeeded */
    if (code == AP_OK)
        code = ap_run_take_folder(e, o, &r.lock);
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
    clean_up(&r);
    return code;
}

/* ---- going on --------------------------------------------------------------------------------------- */

/* The state, the log and the folder as they were at the last checkpoint; without one, at the start. */
static enum ap_code go_back(struct ap_err *e, struct running *r, char note[AP_ERR_TEXT])
{
    struct ap_runlog_mark mark;
    bool found;
    char log[AP_ERR_PATH];
    AP_TRY(ap_io_join(e, log, sizeof log, r->o->folder, "run.log"));
    AP_TRY(ap_checkpoint_load(e, &r->checkpoint, &r->sim, &r->loop, &mark, &found, note));
    /* from here on the folder is changed */
    ap_io_sweep(r->o->folder);
    AP_TRY(ap_manifest_remove_outputs(e, r->o->folder));
    AP_TRY(note_sources(e, r));
    AP_TRY(write_manifest(e, r, "running", false));
    r->from_ms = r->sim.time;
    if (found)
        return ap_sim_record_on(e, &r->sim, log, &mark);
    AP_TRY(ap_io_remove(e, log));
    return ap_sim_record(e, &r->sim, log);
}

static enum ap_code resume(struct ap_err *e, struct running *r, const struct ap_spec *s,
                           struct ap_run_result *result)
{
    char note[AP_ERR_TEXT];
    prepare(r, s);
    AP_TRY(ap_sim_open(e, &r->sim, s));
    AP_TRY(go_back(e, r, note));
    if (result) {
        result->resumed_at = r->sim.presentation;
        snprintf(result->note, sizeof result->note, "%s", note);
    }
    enum ap_code code = simulate(e, r);
    return finish(e, r, code, result);
}

enum ap_code ap_resume(const struct ap_run_options *o, struct ap_run_result *result, struct ap_err *e)
{
    bool replicates;
    struct running r = start(o, result);
    AP_TRY(ap_replicates_in(e, o->folder, &replicates));
    if (replicates)
        return ap_replicates_resume(o, result, e);
    struct ap_manifest_past past;
    char path[AP_ERR_PATH];
    enum ap_code code = ap_io_lock(e, o->folder, &r.lock);
    if (code == AP_OK)
        code = ap_manifest_read(e, o->folder, &past);
    if (code == AP_OK && strcmp(past.status, "complete") == 0) {
        if (result) {
            snprintf(result->digest, sizeof result->digest, "%s", past.state_digest);
            result->was_complete = 1;
        }
        code = ap_checkpoint_remove(e, o->folder); /* it was killed just before it did this */
        clean_up(&r);
        return code;
    }
    if (code == AP_OK)
        code = ap_io_join(e, path, sizeof path, o->folder, "circuit.yaml");
    if (code == AP_OK && !ap_io_exists(path))
        code = ap_err_add(e, AP_EIO, NULL, "run the circuit again with --overwrite",
                          "%s: the run ended before its circuit was written", o->folder);
    if (code == AP_OK) {
        r.manifest.stop_after = o->stop_after ? o->stop_after : past.stop_after;
        r.manifest.figures = past.figures && !o->no_figures;
        memcpy(r.manifest.circuit_digest, past.circuit_digest, sizeof past.circuit_digest);
        struct ap_spec *s = ap_spec_read(path, NULL, 0, e);
        code = s ? resume(e, &r, s, result) : ap_err_code(e) ? ap_err_code(e) : AP_EMEMORY;
        clean_up(&r);
        ap_spec_free(s);
        return code;
    }
    clean_up(&r);
    return code;
}

/* ---- drawing again ---------------------------------------------------------------------------------- */

enum ap_code ap_render(const char *folder, const char *figure, const char *out, struct ap_run_result *result,
                       struct ap_err *e)
{
    if (result)
        memset(result, 0, sizeof *result);
    struct ap_run run = {0};
    struct ap_file_list files = {0};
    enum ap_code code = ap_replicates_refuse(e, folder, "render");
    if (code == AP_OK)
        code = ap_runlog_read(e, &run, folder);
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
    enum ap_code code = ap_replicates_refuse(e, folder, "readout");
    if (code == AP_OK)
        code = ap_runlog_read(e, &run, folder);
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
        out->steps += (uint64_t)(ceil((double)b->presentations / (double)b->batch) * per);
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
