/* replicates.c: several seeds of one circuit, each a run of its own in a process of its own.
 *
 * In:   a spec with `replicates`; the folder of an earlier run of it.
 * Out:  seed-N/, each as if it had been run alone; circuit.yaml, manifest.json and a summary beside them.
 * How:  processes, for HDF5 knows no threads and one that dies takes no other with it. They are forked before this process has
 *   begun a parallel region (OpenMP's threads do not survive a fork), and tell it of progress, errors and results through
 *   one pipe, in messages short enough to be written whole.
 * Invariants:
 *   1. A replicate leaves the bytes of a run with that seed and without `replicates`.
 *   2. Nothing is written before the circuit was built without error.
 *   3. A signal that ends this process ends its children, each after its current presentation, with a checkpoint.
 * Never: simulates in this process; prints.
 * Test: tests/cli/test_replicates.sh */
#include "replicates.h"
#include "checkpoint.h"
#include "hash.h"
#include "io.h"
#include "manifest.h"
#include "run.h"
#include "summary.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <omp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum message_kind { PROGRESS, DIAGNOSTIC, RESULT };

/* From a child to its parent. */
struct message {
    int replicate;
    enum message_kind kind;
    union {
        struct {
            struct ap_progress p;
            char block[64], summary[1024];
        } progress;
        struct ap_diag diagnostic;
        struct {
            char digest[33], note[512];
            struct ap_integrate_counts counts;
        } result;
    } is;
};
_Static_assert(sizeof(struct message) <= PIPE_BUF, "a message is written whole or not at all");

struct replicate {
    pid_t pid; /* 0: not started, or ended */
    bool started, complete;
    enum ap_code code;
    struct ap_progress last;
    char digest[33], folder[AP_ERR_PATH];
    struct ap_integrate_counts counts;
    struct ap_err *said; /* its diagnostics; NULL: none */
};

struct team {
    const struct ap_spec *s;
    struct ap_run_options o;
    struct ap_err *e;
    struct ap_run_result *result;
    struct replicate one[AP_SPEC_REPLICATES];
    int n, running, at_once, threads; /* threads of each */
    int pipe[2];
    double started;
    uint64_t presentations; /* of each */
    double total_ms;
    struct ap_manifest manifest;
    struct ap_file_list files;
    int lock;
};

/* ---- in the child ------------------------------------------------------------------------------------ */

static volatile int child_stop;

static void on_terminate(int number)
{
    (void)number;
    child_stop = 1;
}

struct child {
    int fd, replicate;
};

static void tell(int fd, const struct message *m)
{
    while (write(fd, m, sizeof *m) < 0 && errno == EINTR)
        ;
}

static void tell_progress(const struct ap_progress *p, void *user)
{
    const struct child *c = user;
    struct message m = {.replicate = c->replicate, .kind = PROGRESS, .is.progress.p = *p};
    snprintf(m.is.progress.block, sizeof m.is.progress.block, "%s", p->block);
    snprintf(m.is.progress.summary, sizeof m.is.progress.summary, "%s", p->summary ? p->summary : "");
    tell(c->fd, &m);
}

/* The circuit with this seed alone. */
static struct ap_spec *alone(struct ap_err *e, const struct ap_spec *s, int64_t seed)
{
    char set[32];
    snprintf(set, sizeof set, "seed=%lld", (long long)seed);
    const char *const sets[] = {set, "replicates=1"};
    return ap_spec_parse(s->file, s->canonical, strlen(s->canonical), sets, 2, e);
}

static enum ap_code run_one(struct ap_err *e, const struct team *t, int i, struct ap_run_options *o,
                            struct ap_run_result *result)
{
    char manifest[AP_ERR_PATH], circuit[AP_ERR_PATH];
    AP_TRY(ap_io_join(e, manifest, sizeof manifest, o->folder, "manifest.json"));
    AP_TRY(ap_io_join(e, circuit, sizeof circuit, o->folder, "circuit.yaml"));
    if (ap_io_exists(manifest) && ap_io_exists(circuit))
        return ap_resume(o, result, e);
    struct ap_spec *s = alone(e, t->s, t->s->replicate[i]);
    o->overwrite = ap_io_exists(manifest); /* it was killed before it had begun */
    enum ap_code code = s ? ap_run(s, o, result, e) : ap_err_code(e) ? ap_err_code(e) : AP_EMEMORY;
    ap_spec_free(s);
    return code;
}

/* Never returns. SIGTERM, blocked until now, asks to end; so does the parent's death. */
static void child(const struct team *t, int i, pid_t parent)
{
    struct sigaction action = {.sa_handler = on_terminate};
    sigset_t terminate;
    sigemptyset(&terminate);
    sigaddset(&terminate, SIGTERM);
    setpgid(0, 0); /* what is typed at a terminal reaches the parent alone, which passes it on once */
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN); /* the parent is gone */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    sigprocmask(SIG_UNBLOCK, &terminate, NULL);
    if (getppid() != parent)
        child_stop = 1;
    close(t->pipe[0]);
    struct child self = {t->pipe[1], i};
    struct ap_err *e = ap_err_create();
    struct ap_run_result *result = ap_mem_array(e, 1, sizeof *result, "result");
    struct ap_run_options o = t->o;
    o.folder = t->one[i].folder;
    o.threads = t->threads;
    o.progress = tell_progress;
    o.user = &self;
    o.stop = &child_stop;
    enum ap_code code = e && result ? run_one(e, t, i, &o, result) : AP_EMEMORY;
    for (int k = 0; e && k < e->n; k++)
        tell(self.fd, &(struct message){.replicate = i, .kind = DIAGNOSTIC, .is.diagnostic = e->diag[k]});
    if (result && *result->digest) {
        struct message m = {.replicate = i, .kind = RESULT};
        memcpy(m.is.result.digest, result->digest, sizeof m.is.result.digest);
        memcpy(m.is.result.note, result->note, sizeof m.is.result.note);
        m.is.result.counts = (struct ap_integrate_counts){result->presentations, result->steps,
                                                          result->evaluations, result->products};
        tell(self.fd, &m);
    }
    _exit(code);
}

/* ---- in the parent ----------------------------------------------------------------------------------- */

static enum ap_code start(struct team *t, int i)
{
    sigset_t terminate, before;
    sigemptyset(&terminate);
    sigaddset(&terminate, SIGTERM);
    sigprocmask(SIG_BLOCK, &terminate, &before); /* until the child has a handler of its own */
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        child(t, i, parent);
    sigprocmask(SIG_SETMASK, &before, NULL);
    t->one[i].started = true;
    if (pid < 0)
        return t->one[i].code = ap_err_add(t->e, AP_EIO, NULL, "run fewer at once with --threads",
                                           "seed %lld: cannot start a process: %s",
                                           (long long)t->s->replicate[i], strerror(errno));
    t->one[i].pid = pid;
    t->running++;
    return AP_OK;
}

/* What all of them have done so far, told as one run. */
static void report(const struct team *t, const struct message *m)
{
    if (!t->o.progress)
        return;
    struct ap_progress p = m->is.progress.p;
    char line[sizeof m->is.progress.summary + 64];
    uint64_t done = 0, steps = 0;
    double ms = 0;
    for (int i = 0; i < t->n; i++) {
        done += t->one[i].last.presentation;
        steps += t->one[i].last.steps;
        ms += t->one[i].last.simulated_ms;
    }
    p.presentation = done;
    p.presentations = t->presentations * (uint64_t)t->n;
    p.simulated_ms = ms;
    p.total_ms = t->total_ms * t->n;
    p.steps = steps;
    p.wall_seconds = ap_run_now() - t->started;
    p.eta_seconds = ms > 0 ? p.wall_seconds * (p.total_ms - ms) / ms : -1;
    p.block = m->is.progress.block;
    snprintf(line, sizeof line, "seed %lld, %s", (long long)t->s->replicate[m->replicate],
             m->is.progress.summary);
    p.summary = p.block_ended ? line : NULL;
    t->o.progress(&p, t->o.user);
}

static void hear(struct team *t, const struct message *m)
{
    struct replicate *r = &t->one[m->replicate];
    long long seed = (long long)t->s->replicate[m->replicate];
    if (m->kind == PROGRESS) {
        r->last = m->is.progress.p;
        report(t, m);
    } else if (m->kind == DIAGNOSTIC) {
        r->said = r->said ? r->said : ap_err_create();
        if (r->said && r->said->n < AP_ERR_MAX)
            r->said->diag[r->said->n++] = m->is.diagnostic;
    } else {
        memcpy(r->digest, m->is.result.digest, sizeof r->digest);
        r->counts = m->is.result.counts;
        if (t->result && *m->is.result.note)
            snprintf(t->result->note, sizeof t->result->note, "seed %lld: %.460s", seed, m->is.result.note);
    }
}

/* All messages that lie in the pipe. */
static void listen_to_all(struct team *t)
{
    struct message m;
    struct pollfd ready = {.fd = t->pipe[0], .events = POLLIN};
    while (poll(&ready, 1, 0) > 0 && (ready.revents & POLLIN) && read(t->pipe[0], &m, sizeof m) == sizeof m)
        hear(t, &m);
}

/* Those that have ended. */
static void gather(struct team *t)
{
    for (int i = 0; i < t->n; i++) {
        struct replicate *r = &t->one[i];
        int status;
        if (r->pid == 0 || waitpid(r->pid, &status, WNOHANG) != r->pid)
            continue;
        listen_to_all(t); /* what it said last */
        r->pid = 0;
        t->running--;
        r->code = WIFEXITED(status) ? (enum ap_code)WEXITSTATUS(status) : AP_EINTERNAL;
        r->complete = r->code == AP_OK;
        if (r->complete) {
            r->last.presentation = t->presentations;
            r->last.simulated_ms = t->total_ms;
        }
        if (WIFSIGNALED(status))
            ap_err_add(t->e, AP_EINTERNAL, NULL, "`apical resume` goes on with it",
                       "seed %lld: its process was ended by signal %d", (long long)t->s->replicate[i],
                       WTERMSIG(status));
    }
}

/* Whether someone who has told its result is still to exit. */
static bool ending(const struct team *t)
{
    bool any = false;
    for (int i = 0; i < t->n; i++)
        any = any || (t->one[i].pid && *t->one[i].digest);
    return any;
}

static void work(struct team *t)
{
    bool stopping = false, failed = false;
    int next = 0;
    while (t->running > 0 || (next < t->n && !stopping && !failed)) {
        for (; next < t->n && t->running < t->at_once && !stopping && !failed; next++)
            failed = !t->one[next].complete && start(t, next) != AP_OK;
        struct pollfd ready = {.fd = t->pipe[0], .events = POLLIN};
        if (t->running > 0)
            poll(&ready, 1, ending(t) ? 1 : 10); /* an end is not told: how long it may go unnoticed [ms] */
        listen_to_all(t);
        gather(t);
        bool asked = stopping || failed || (t->o.stop && *t->o.stop);
        for (int i = 0; asked && !stopping && i < t->n; i++)
            if (t->one[i].pid)
                kill(t->one[i].pid, SIGTERM);
        stopping = asked;
    }
}

/* What the children said, in the order of seeds, whoever was faster. */
static void pass_on(struct team *t)
{
    for (int i = 0; i < t->n; i++) {
        struct ap_err *said = t->one[i].said;
        for (int k = 0; said && k < said->n; k++) {
            const struct ap_diag *d = &said->diag[k];
            const struct ap_place at = {d->file, d->line, d->col};
            ap_err_add(t->e, d->code, *d->file ? &at : NULL, *d->hint ? d->hint : NULL, "seed %lld: %.480s",
                       (long long)t->s->replicate[i], d->text);
        }
        ap_err_free(said);
        t->one[i].said = NULL;
    }
}

/* The first failure in the order of seeds; else stopped when one did not come to its end. */
static enum ap_code verdict(const struct team *t)
{
    enum ap_code code = AP_OK;
    for (int i = 0; i < t->n; i++) {
        if (t->one[i].code != AP_OK && t->one[i].code != AP_STOPPED)
            return t->one[i].code;
        if (!t->one[i].complete)
            code = AP_STOPPED;
    }
    return code;
}

static void sum_up(struct team *t)
{
    struct ap_hash all = {0};
    for (int i = 0; i < t->n; i++) {
        const struct replicate *r = &t->one[i];
        ap_hash_add(&all, r->digest, sizeof r->digest);
        t->manifest.counts.presentations += r->counts.presentations;
        t->manifest.counts.steps += r->counts.steps;
        t->manifest.counts.evaluations += r->counts.evaluations;
        t->manifest.counts.products += r->counts.products;
        if (!t->result)
            continue;
        t->result->replicate[i].seed = t->s->replicate[i];
        if (r->complete)
            memcpy(t->result->replicate[i].digest, r->digest, sizeof r->digest);
    }
    t->manifest.digest = all;
    t->manifest.wall_seconds = ap_run_now() - t->started;
    if (!t->result)
        return;
    t->result->n_replicates = t->n;
    ap_hash_text(all, t->result->digest);
    t->result->presentations = t->manifest.counts.presentations;
    t->result->steps = t->manifest.counts.steps;
    t->result->evaluations = t->manifest.counts.evaluations;
    t->result->products = t->manifest.counts.products;
    t->result->wall_seconds = t->manifest.wall_seconds;
}

/* The summary, when all have ended: of those that are complete. */
static enum ap_code summarise(struct team *t)
{
    int before = t->files.n;
    AP_TRY(ap_summary_write(t->e, t->s, t->o.folder, t->manifest.figures, &t->files));
    for (int i = before; t->result && i < t->files.n; i++) {
        const char *name = t->files.name[i];
        if (strstr(name, ".png") && t->result->n_figures < 64)
            snprintf(t->result->figures[t->result->n_figures++], sizeof *t->result->figures, "%s", name);
    }
    return AP_OK;
}

static enum ap_code write_manifest(struct team *t, const char *status)
{
    t->manifest.status = status;
    return ap_manifest_write(t->e, t->o.folder, &t->manifest);
}

static enum ap_code start_folder(struct team *t)
{
    char path[AP_ERR_PATH];
    AP_TRY(ap_export_note(t->e, &t->files, "circuit.yaml"));
    AP_TRY(write_manifest(t, "running"));
    AP_TRY(ap_io_join(t->e, path, sizeof path, t->o.folder, "circuit.yaml"));
    char *text = ap_spec_movable_text(t->e, t->s);
    enum ap_code code = text ? ap_io_write(t->e, path, text, strlen(text)) : AP_EMEMORY;
    ap_mem_free(text);
    return code;
}

static enum ap_code run_all(struct team *t)
{
    for (int i = 0; i < t->n; i++)
        AP_TRY(ap_manifest_replicate(t->e, t->o.folder, t->s->replicate[i], t->one[i].folder));
    if (pipe(t->pipe) != 0)
        return ap_err_add(t->e, AP_EIO, NULL, NULL, "cannot make a pipe: %s", strerror(errno));
    work(t);
    close(t->pipe[0]);
    close(t->pipe[1]);
    pass_on(t);
    enum ap_code code = verdict(t);
    sum_up(t);
    if (code == AP_OK || code == AP_ENUMERIC) {
        enum ap_code written = summarise(t);
        code = code == AP_OK ? written : code;
    }
    const char *status = code == AP_OK ? "complete" : code == AP_STOPPED ? "stopped" : "failed";
    enum ap_code listed = write_manifest(t, status);
    return code != AP_OK ? code : listed;
}

static struct team *form(const struct ap_spec *s, const struct ap_run_options *o,
                         struct ap_run_result *result, struct ap_err *e)
{
    struct team *t = ap_mem_array(e, 1, sizeof *t, "replicates");
    if (!t)
        return NULL;
    t->s = s;
    t->o = *o;
    t->e = e;
    t->result = result;
    t->lock = -1;
    t->n = s->n_replicate;
    t->started = ap_run_now();
    int threads = o->threads > 0 ? o->threads : omp_get_max_threads();
    t->at_once = threads < t->n ? threads : t->n;
    t->threads = threads / t->at_once;
    omp_set_num_threads(1); /* no team of threads in this process before it forks */
    t->presentations = ap_sim_presentations(s);
    for (int i = 0; i < s->n_program; i++)
        t->total_ms += (double)s->block[s->program[i]].presentations * s->block[s->program[i]].duration;
    if (o->stop_after && o->stop_after < t->presentations) {
        t->total_ms *= (double)o->stop_after / (double)t->presentations;
        t->presentations = o->stop_after;
    }
    t->manifest = (struct ap_manifest){.spec = s,
                                       .threads = threads,
                                       .stop_after = o->stop_after,
                                       .figures = !o->no_figures,
                                       .files = &t->files};
    return t;
}

static void dissolve(struct team *t)
{
    omp_set_num_threads(t->manifest.threads);
    ap_io_unlock(t->lock);
    ap_mem_free(t->files.name);
    ap_mem_free(t);
}

enum ap_code ap_replicates_run(const struct ap_spec *s, const struct ap_run_options *o,
                               struct ap_run_result *result, struct ap_err *e)
{
    if (result)
        memset(result, 0, sizeof *result);
    if (o->profile)
        return ap_err_add(e, AP_EUSAGE, NULL, "for example --set replicates=1",
                          "--profile measures one run, and the circuit has %d replicates", s->n_replicate);
    struct team *t = form(s, o, result, e);
    if (!t)
        return AP_EMEMORY;
    t->o.overwrite = 0; /* of the folders below, which are gone by then */
    ap_hash_text(ap_hash_of(s->canonical, strlen(s->canonical)), t->manifest.circuit_digest);
    enum ap_code code = ap_spec_try(s, e); /* nothing is written before this has succeeded */
    if (code == AP_OK)
        code = ap_run_take_folder(e, o, &t->lock);
    if (code == AP_OK)
        code = start_folder(t);
    if (code == AP_OK)
        code = run_all(t);
    dissolve(t);
    return code;
}

/* ---- going on ---------------------------------------------------------------------------------------- */

/* A manifest, if there is one of ours: nothing is said when there is none, and *found tells. */
static enum ap_code look(struct ap_err *e, const char *folder, struct ap_manifest_past *past, bool *found)
{
    enum ap_code code = ap_manifest_read(NULL, folder, past);
    *found = code == AP_OK;
    return code == AP_EMEMORY ? ap_err_add(e, code, NULL, NULL, "no memory for the manifest of %s", folder)
                              : AP_OK;
}

enum ap_code ap_replicates_in(struct ap_err *e, const char *folder, bool *found)
{
    struct ap_manifest_past past = {0};
    AP_TRY(look(e, folder, &past, found));
    *found = *found && past.replicates;
    return AP_OK;
}

enum ap_code ap_replicates_refuse(struct ap_err *e, const char *folder, const char *verb)
{
    bool found;
    AP_TRY(ap_replicates_in(e, folder, &found));
    if (!found)
        return AP_OK;
    return ap_err_add(e, AP_EUSAGE, NULL, "name one of its folders seed-N",
                      "%s: holds replicates, and `apical %s` takes one run", folder, verb);
}

/* Replicates that are complete are left alone. */
static enum ap_code go_on(struct team *t)
{
    for (int i = 0; i < t->n; i++) {
        struct replicate *r = &t->one[i];
        struct ap_manifest_past past;
        AP_TRY(ap_manifest_replicate(t->e, t->o.folder, t->s->replicate[i], r->folder));
        bool found;
        AP_TRY(look(t->e, r->folder, &past, &found));
        if (!found || strcmp(past.status, "complete") != 0)
            continue;
        AP_TRY(ap_checkpoint_remove(t->e, r->folder)); /* it was killed just before it did this */
        r->complete = true;
        r->last.presentation = t->presentations;
        r->last.simulated_ms = t->total_ms;
        memcpy(r->digest, past.state_digest, sizeof r->digest);
        r->counts = past.counts;
    }
    ap_io_sweep(t->o.folder);
    AP_TRY(ap_manifest_remove_outputs(t->e, t->o.folder));
    AP_TRY(ap_export_note(t->e, &t->files, "circuit.yaml"));
    AP_TRY(write_manifest(t, "running"));
    return run_all(t);
}

enum ap_code ap_replicates_resume(const struct ap_run_options *o, struct ap_run_result *result,
                                  struct ap_err *e)
{
    struct ap_manifest_past past;
    struct ap_run_options all = *o;
    char path[AP_ERR_PATH];
    int lock;
    if (result)
        memset(result, 0, sizeof *result);
    AP_TRY(ap_io_lock(e, o->folder, &lock));
    enum ap_code code = ap_manifest_read(e, o->folder, &past);
    if (code == AP_OK && strcmp(past.status, "complete") == 0) {
        if (result) {
            snprintf(result->digest, sizeof result->digest, "%s", past.state_digest);
            result->was_complete = 1;
        }
        ap_io_unlock(lock);
        return AP_OK;
    }
    if (code == AP_OK)
        code = ap_io_join(e, path, sizeof path, o->folder, "circuit.yaml");
    if (code == AP_OK && !ap_io_exists(path))
        code = ap_err_add(e, AP_EIO, NULL, "run the circuit again with --overwrite",
                          "%s: the run ended before its circuit was written", o->folder);
    struct ap_spec *s = code == AP_OK ? ap_spec_read(path, NULL, 0, e) : NULL;
    all.stop_after = o->stop_after ? o->stop_after : past.stop_after;
    all.no_figures = o->no_figures || !past.figures;
    struct team *t = s ? form(s, &all, result, e) : NULL;
    if (t) {
        t->lock = lock;
        memcpy(t->manifest.circuit_digest, past.circuit_digest, sizeof past.circuit_digest);
        code = go_on(t);
        dissolve(t);
    } else {
        code = code != AP_OK ? code : ap_err_code(e) ? ap_err_code(e) : AP_EMEMORY;
        ap_io_unlock(lock);
    }
    ap_spec_free(s);
    return code;
}
