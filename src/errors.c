/* errors.c: simulates a circuit, repeats a run, or shows one block of it, and compares apical errors with gradients.
 *
 * In:   a spec and options of the public header; a run's log for its weights and its digest.
 * Out:  a folder with errors.csv, errors.h5 and figures.
 * Invariants:
 *   1. Nothing is written before the circuit was built and its feedforward network found.
 *   2. Analysing does not change the simulation: the digest is that of the same presentations without it.
 * Never: prints.
 * Test: tests/cli/test_errors.sh */
#include "errortable.h"
#include "io.h"
#include "replicates.h"
#include "sim.h"

#include <math.h>
#include <omp.h>
#include <string.h>

struct comparing {
    struct ap_sim sim;
    struct ap_analysis analysis;
    struct ap_adjoint *adjoint;
    struct ap_errortable table;
    const struct ap_spec *s;
    const struct ap_errors_options *o;
    int first, last; /* places of the program that are simulated */
    uint64_t total;
};

/* One block: that of the name, or the last one with teacher. */
static enum ap_code choose_block(struct ap_err *e, struct comparing *c)
{
    const struct ap_spec *s = c->s;
    const char *names[64];
    char hint[AP_ERR_HINT];
    int n = 0;
    for (int i = 0; i < s->n_block && n < 64; i++)
        names[n++] = s->block[i].name;
    c->first = 0;
    while (c->o->block && c->first < s->n_program &&
           strcmp(s->block[s->program[c->first]].name, c->o->block) != 0)
        c->first++;
    for (int i = 0; !c->o->block && i < s->n_program; i++)
        c->first = s->block[s->program[i]].teacher ? i : c->first;
    if (c->first == s->n_program)
        return ap_err_add(e, AP_EUSAGE, NULL, ap_schema_suggest(c->o->block, names, n, hint),
                          "the schedule has no block '%s'", c->o->block);
    c->last = c->first + 1;
    return AP_OK;
}

/* Which part of the program; a teacher must act in it. */
static enum ap_code choose(struct ap_err *e, struct comparing *c)
{
    const struct ap_spec *s = c->s;
    c->first = 0;
    c->last = s->n_program;
    bool one = c->o->block || c->o->weights, taught = false;
    if (one)
        AP_TRY(choose_block(e, c));
    for (int i = c->first; i < c->last; i++) {
        const struct ap_block_spec *b = &s->block[s->program[i]];
        c->total += one && c->o->presentations ? c->o->presentations : (uint64_t)b->presentations;
    }
    if (c->o->presentations && c->o->presentations < c->total)
        c->total = c->o->presentations;
    uint64_t before = 0; /* presentations of earlier blocks */
    for (int i = c->first; i < c->last && before < c->total; i++) {
        taught = taught || s->block[s->program[i]].teacher;
        before += (uint64_t)s->block[s->program[i]].presentations;
    }
    if (taught)
        return AP_OK;
    return ap_err_add(e, AP_EUSAGE, NULL, "choose a block whose `teacher` is on, or more presentations",
                      "%s%s, %llu presentations: the teacher is off, so there is no error to compare",
                      c->o->block ? "block " : "the schedule", c->o->block ? c->o->block : "",
                      (unsigned long long)c->total);
}

/* ---- a run ------------------------------------------------------------------------------------------ */

/* The weights of a run's log take the place of the initial ones. */
static enum ap_code take_weights(struct ap_err *e, struct comparing *c, const struct ap_run *run)
{
    for (int i = 0; i < c->sim.c->n_proj; i++) {
        const struct ap_proj *p = &c->sim.c->proj[i];
        if (!p->w)
            continue;
        int from = ap_spec_projection(run->spec, p->spec->name);
        const double *w = from >= 0 ? ap_runlog_weights(run, c->o->weights, from) : NULL;
        const struct ap_snapshot *size = from >= 0 ? ap_runlog_snapshot(run, c->o->weights, from) : NULL;
        if (!w)
            return ap_err_add(e, AP_EUSAGE, NULL, "`initial` is always there, `final` once the run has ended",
                              "%s: no weights '%s' of %s in its log", c->o->run, c->o->weights,
                              p->spec->name);
        if (size->rows != p->rows || size->cols != p->cols)
            return ap_err_add(e, AP_EUSAGE, NULL, "an override must not change layers",
                              "%s: %s has %llu x %llu weights in the log, %zu x %zu here", c->o->run,
                              p->spec->name, (unsigned long long)size->rows, (unsigned long long)size->cols,
                              p->rows, p->cols);
        memcpy(p->w, w, p->rows * p->cols * sizeof *w);
    }
    ap_circuit_start(c->sim.c, c->sim.g.y);
    return AP_OK;
}

static enum ap_code use_run(struct ap_err *e, struct comparing *c, struct ap_errors_result *result)
{
    struct ap_run run = {0};
    enum ap_code code = ap_replicates_refuse(e, c->o->run, "errors");
    if (code == AP_OK)
        code = ap_runlog_read(e, &run, c->o->run);
    if (code == AP_OK && c->o->weights)
        code = take_weights(e, c, &run);
    bool whole = !c->o->weights && !c->o->block && !c->o->presentations;
    if (code == AP_OK && result && whole && run.end && run.end->complete) {
        const struct ap_hash digest = {.low = run.end->digest_low, .high = run.end->digest_high};
        ap_hash_text(digest, result->run_digest);
    }
    ap_runlog_free(&run);
    return code;
}

/* ---- simulation ------------------------------------------------------------------------------------- */

static enum ap_code analyse(struct ap_err *e, struct comparing *c, uint64_t number, int block)
{
    const struct ap_block_spec *b = &c->s->block[block];
    const struct ap_errortable_moment m = {number, block, c->sim.time, b->teacher};
    ap_analysis_eval(&c->analysis);
    if (c->adjoint && b->teacher)
        AP_TRY(ap_adjoint_eval(e, c->adjoint, b, c->analysis.start));
    return ap_errortable_add(e, &c->table, &c->analysis, c->adjoint, &m);
}

static enum ap_code simulate(struct ap_err *e, struct comparing *c)
{
    uint64_t done = 0, every = c->o->every ? c->o->every : 1 + c->total / 1001;
    for (int i = c->first; i < c->last; i++) {
        int block = c->s->program[i];
        uint64_t n = c->last == c->first + 1 ? c->total : (uint64_t)c->s->block[block].presentations;
        for (uint64_t k = 0; k < n && done < c->total; k++, done++) {
            AP_TRY(ap_sim_present(e, &c->sim, i, k));
            if (done % every == 0)
                AP_TRY(analyse(e, c, done, block));
            if (c->o->progress)
                c->o->progress(done + 1, c->total, c->o->user);
            if (c->o->stop && *c->o->stop)
                return AP_STOPPED;
        }
    }
    return AP_OK;
}

/* ---- what comes out --------------------------------------------------------------------------------- */

static const struct output {
    const char *name;
    bool figure, hidden; /* hidden: only with hidden layers */
    enum ap_code (*write)(struct ap_err *e, const struct ap_errortable *t, const char *path);
} OUTPUTS[] = {
    {"errors.csv", false, false, ap_errortable_csv},
    {"errors.h5", false, false, ap_errortable_hdf5},
    {"errors-angles.png", true, false, ap_errorfig_angles},
    {"errors-scatter.png", true, true, ap_errorfig_scatter},
    {"errors-maps.png", true, true, ap_errorfig_maps},
};
enum { N_OUTPUTS = sizeof OUTPUTS / sizeof *OUTPUTS };

static enum ap_code write_outputs(struct ap_err *e, const struct comparing *c,
                                  struct ap_errors_result *result)
{
    for (int i = 0; i < N_OUTPUTS; i++) {
        char path[AP_ERR_PATH];
        if ((OUTPUTS[i].figure && c->o->no_figures) || (OUTPUTS[i].hidden && c->table.path.n < 2))
            continue;
        AP_TRY(ap_io_join(e, path, sizeof path, c->o->folder, OUTPUTS[i].name));
        AP_TRY(OUTPUTS[i].write(e, &c->table, path));
        if (result)
            snprintf(result->files[result->n_files++], sizeof *result->files, "%s", OUTPUTS[i].name);
    }
    return AP_OK;
}

/* Of a column where it is defined; what: 0 mean, 1 first, 2 last. */
static double of_column(const struct ap_errortable *t, int k, enum ap_errortable_column column, int what)
{
    double sum = 0, first = (double)NAN, last = (double)NAN;
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++) {
        if (isnan(ap_errortable_at(t, i, k, column)))
            continue;
        last = ap_errortable_at(t, i, k, column);
        first = n ? first : last;
        sum += last;
        n++;
    }
    return what == 1 ? first : what == 2 ? last : n ? sum / (double)n : (double)NAN;
}

static void summarise(const struct comparing *c, struct ap_errors_result *r)
{
    const struct ap_errortable *t = &c->table;
    memcpy(r->digest, t->digest, sizeof r->digest);
    r->presentations = c->sim.presentation;
    r->analysed = t->n;
    r->taught = t->taught;
    r->n_layers = t->path.n;
    for (int k = 1; k <= t->path.n && k <= AP_ERRORS_LAYERS; k++) {
        struct ap_errors_layer *l = &r->layer[k - 1];
        snprintf(l->name, sizeof l->name, "%s", c->s->pop[t->path.layer[k].pop].name);
        l->apical_angle = of_column(t, k, AP_ERRORTABLE_ANGLE, 0);
        l->apical_angle_first = of_column(t, k, AP_ERRORTABLE_ANGLE, 1);
        l->apical_angle_last = of_column(t, k, AP_ERRORTABLE_ANGLE, 2);
        l->apical_ratio = of_column(t, k, AP_ERRORTABLE_RATIO, 0);
        l->formula_error = of_column(t, k, AP_ERRORTABLE_FORMULA, 0);
        l->feedback_angle = of_column(t, k, AP_ERRORTABLE_FEEDBACK, 0);
        l->gradient_angle = of_column(t, k, AP_ERRORTABLE_GRADIENT, 0);
        l->change_angle = of_column(t, k, AP_ERRORTABLE_CHANGE, 0);
        l->adjoint_angle = of_column(t, k, AP_ERRORTABLE_ADJOINT, 0);
        l->ngrad_angle = of_column(t, k, AP_ERRORTABLE_NGRAD, 0);
    }
}

/* ---- public ----------------------------------------------------------------------------------------- */

static enum ap_code check_folder(struct ap_err *e, const struct ap_errors_options *o)
{
    bool exists;
    if (!o->folder || !*o->folder)
        return ap_err_add(e, AP_EUSAGE, NULL, "name one with --out", "no output folder");
    if (!ap_io_folder_has_entries(o->folder, &exists) || o->overwrite)
        return AP_OK;
    return ap_err_add(e, AP_EIO, NULL, "choose another with --out, or replace its errors.* with --overwrite",
                      "%s: the output folder is not empty", o->folder);
}

static enum ap_code compare(struct ap_err *e, struct comparing *c, struct ap_errors_result *result)
{
    char log[AP_ERR_PATH];
    for (int i = 0; i < c->s->n_block; i++)
        if (c->s->block[i].batch > 1)
            return ap_err_add(e, AP_EUSAGE, &c->s->block[i].batch_at, "compare with `batch: 1`",
                              "errors are of one circuit, but block %s shows %lld patterns at once",
                              c->s->block[i].name, (long long)c->s->block[i].batch);
    AP_TRY(ap_sim_open(e, &c->sim, c->s));
    AP_TRY(ap_analysis_open(e, &c->analysis, &c->sim.rhs));
    AP_TRY(ap_analysis_keep(e, &c->analysis));
    if (!c->o->no_adjoint)
        AP_TRY(ap_adjoint_create(e, &c->analysis, &c->adjoint));
    c->sim.watch = &c->analysis;
    AP_TRY(choose(e, c));
    if (c->o->run)
        AP_TRY(use_run(e, c, result));
    AP_TRY(check_folder(e, c->o));
    ap_errortable_init(&c->table, c->s, &c->analysis.path);
    AP_TRY(ap_io_make_folder(e, c->o->folder));
    AP_TRY(ap_io_join(e, log, sizeof log, c->o->folder, "errors.log"));
    if (c->o->overwrite)
        AP_TRY(ap_io_remove(e, log));                   /* of one that was killed */
    enum ap_code code = ap_sim_record(e, &c->sim, log); /* a simulation has a log; nobody needs this one */
    if (code == AP_OK)
        code = simulate(e, c);
    ap_sim_settle(&c->sim);
    ap_hash_text(ap_sim_digest(&c->sim), c->table.digest);
    ap_record_close(NULL, &c->sim.recorder);
    enum ap_code written = ap_io_remove(e, log);
    if (written == AP_OK && c->table.n > 0)
        written = write_outputs(e, c, result);
    if (result)
        summarise(c, result);
    return code != AP_OK ? code : written;
}

enum ap_code ap_errors(const struct ap_spec *s, const struct ap_errors_options *o,
                       struct ap_errors_result *result, struct ap_err *e)
{
    if (result)
        memset(result, 0, sizeof *result);
    if (o->threads > 0)
        omp_set_num_threads(o->threads);
    struct comparing *c = ap_mem_array(e, 1, sizeof *c, "apical errors");
    if (!c)
        return AP_EMEMORY;
    c->s = s;
    c->o = o;
    c->sim.recorder.log.file.fd = -1;
    enum ap_code code = compare(e, c, result);
    ap_errortable_free(&c->table);
    ap_adjoint_free(c->adjoint);
    ap_analysis_free(&c->analysis);
    ap_sim_close(&c->sim);
    ap_mem_free(c);
    return code;
}
