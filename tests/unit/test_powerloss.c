/* Power losses: every system call of a run is recorded; then the power fails after any of them. What was not synced is kept,
 * dropped, cut short or turned into trash, names that were not synced appear or do not, each at random. Whatever is left must
 * lead back to a presentation that was committed, with its very state and log, and on to the end of the straight run; also
 * when the power fails again on the way. APICAL_POWER_LOSSES: how many, 1,000 when unset. */
#include "harness.h"

#include "checkpoint.h"
#include "io.h"
#include "mem.h"

static const char TEXT[] =
    "version: 1\nname: power\nseed: 5\nmicrocircuit:\n  layers: [3, 2, 2]\n  noise: 0.1 /sqrt(ms)\n"
    "  weights: {forward: uniform(-1, 1), feedback: uniform(-1, 1)}\n"
    "  plasticity: {forward: 0.1 /ms, lowpass: 5 ms}\n"
    "stimulus: {kind: random, patterns: 3}\ntarget: {kind: random, range: [0.1, 0.9]}\n"
    "schedule: [{name: a, presentations: 7, duration: 2 ms}]\nintegrator: {kind: euler, step: 0.1 ms}\n"
    "record: {of: [output], every: 1 ms}\nprobes: [{kind: rate-error, of: output}]\n";
enum { PRESENTATIONS = 7, OPS = 4000, FILES = 40, PENDING = 600 };
/* In a trace: the checkpoint after presentation `size` is written, says the library. */
#define COMMITTED AP_IO_LIST

/* ---- what a disk holds, and what it may hold after a power loss ---- */

struct op {
    enum ap_io_call call;
    char name[32], other[32];
    char *data;
    size_t size;
};
static struct op op[OPS];
static int n_ops;
static char temporary[32]; /* the file that is being written under another name */

static const char *base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int record(const struct ap_io_event *v)
{
    assert_true(n_ops < OPS);
    struct op *o = &op[n_ops];
    *o = (struct op){.call = v->call, .size = v->size};
    snprintf(o->name, sizeof o->name, "%s", *temporary ? temporary : base(v->path));
    if (v->other)
        snprintf(o->other, sizeof o->other, "%s", base(v->other));
    switch (v->call) {
    case AP_IO_OPEN:
        snprintf(o->name, sizeof o->name, "%s", base(v->path));
        if (v->size == 0)
            return AP_IO_GO;
        if (strstr(o->name, ".apical-"))
            strcpy(temporary, o->name);
        break;
    case AP_IO_WRITE:
        if (v->size && !(o->data = malloc(v->size)))
            fail();
        memcpy(o->data, v->data, v->size);
        break;
    case AP_IO_CLOSE:
        *temporary = 0;
        return AP_IO_GO;
    case AP_IO_RENAME:
    case AP_IO_REMOVE:
        snprintf(o->name, sizeof o->name, "%s", base(v->path));
        break;
    case AP_IO_SYNC:
    case AP_IO_SYNC_FOLDER:
    case AP_IO_CUT:
        break;
    default:
        return AP_IO_GO;
    }
    n_ops++;
    return AP_IO_GO;
}

static void forget_trace(void)
{
    for (int i = 0; i < n_ops; i++)
        free(op[i].data);
    n_ops = 0;
    *temporary = 0;
}

struct file {
    char *safe; /* what a sync has put down */
    size_t n_safe, length;
    struct op *pending[PENDING]; /* writes and cuts since */
    size_t at[PENDING];
    int n_pending;
};
struct name {
    char text[32];
    int file;
};
struct disk {
    struct file file[FILES];
    int n_files;
    struct name now[FILES], safe[FILES]; /* names as the process sees them; as a sync has put them down */
    int n_now, n_safe;
    struct op *pending[PENDING]; /* changes of names since */
    int of[PENDING], n_pending;
};

static int find(struct name *names, int n, const char *text)
{
    for (int i = 0; i < n; i++)
        if (strcmp(names[i].text, text) == 0)
            return i;
    return -1;
}

static void link_name(struct name *names, int *n, const char *text, int file)
{
    int i = find(names, *n, text);
    if (i < 0) {
        assert_true(*n < FILES);
        i = (*n)++;
        snprintf(names[i].text, sizeof names[i].text, "%s", text);
    }
    names[i].file = file;
}

static void unlink_name(struct name *names, int *n, const char *text)
{
    int i = find(names, *n, text);
    if (i >= 0)
        names[i] = names[--*n];
}

static void change_name(struct name *names, int *n, const struct op *o, int file)
{
    if (o->call == AP_IO_OPEN)
        link_name(names, n, o->name, file);
    else
        unlink_name(names, n, o->name);
    if (o->call == AP_IO_RENAME)
        link_name(names, n, o->other, file);
}

static void put_down(struct file *f, const struct op *o, size_t at, size_t size, bool trash, uint64_t *seed)
{
    if (o->call == AP_IO_CUT) {
        f->n_safe = o->size < f->n_safe ? o->size : f->n_safe;
        return;
    }
    size_t end = at + size;
    if (end > f->n_safe) {
        f->safe = realloc(f->safe, end + 1);
        memset(f->safe + f->n_safe, 0, end - f->n_safe);
        f->n_safe = end;
    }
    for (size_t i = 0; i < size; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        f->safe[at + i] = trash ? (char)(*seed >> 40) : o->data[i];
    }
}

static void perform(struct disk *d, struct op *o)
{
    int i = find(d->now, d->n_now, o->name);
    if (o->call == AP_IO_OPEN || o->call == AP_IO_RENAME || o->call == AP_IO_REMOVE) {
        if (o->call == AP_IO_OPEN ? i >= 0 : i < 0)
            return; /* refused by the system */
        int file = o->call == AP_IO_OPEN ? d->n_files++ : d->now[i].file;
        assert_true(file < FILES && d->n_pending < PENDING);
        d->pending[d->n_pending] = o;
        d->of[d->n_pending++] = file;
        change_name(d->now, &d->n_now, o, file);
    } else if (o->call == AP_IO_SYNC_FOLDER) {
        for (int k = 0; k < d->n_pending; k++)
            change_name(d->safe, &d->n_safe, d->pending[k], d->of[k]);
        d->n_pending = 0;
    } else {
        assert_true(i >= 0);
        struct file *f = &d->file[d->now[i].file];
        if (o->call == AP_IO_SYNC) {
            uint64_t unused = 0;
            for (int k = 0; k < f->n_pending; k++)
                put_down(f, f->pending[k], f->at[k], f->pending[k]->size, false, &unused);
            f->n_pending = 0;
            return;
        }
        assert_true(f->n_pending < PENDING);
        f->pending[f->n_pending] = o;
        f->at[f->n_pending++] = f->length;
        f->length = o->call == AP_IO_CUT ? o->size : f->length + o->size;
    }
}

static uint64_t next_random(uint64_t *seed, uint64_t below)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (*seed >> 33) % below;
}

/* The power fails: chance decides over everything that was not synced. */
static void fail_power(struct disk *d, uint64_t *seed)
{
    for (int k = 0; k < d->n_pending; k++)
        if (next_random(seed, 2))
            change_name(d->safe, &d->n_safe, d->pending[k], d->of[k]);
    for (int i = 0; i < d->n_files; i++) {
        struct file *f = &d->file[i];
        for (int k = 0; k < f->n_pending; k++) {
            size_t size = f->pending[k]->size;
            switch (next_random(seed, 4)) {
            case 0: /* kept */
                put_down(f, f->pending[k], f->at[k], size, false, seed);
                break;
            case 1: /* cut */
                if (f->pending[k]->call == AP_IO_WRITE)
                    put_down(f, f->pending[k], f->at[k], next_random(seed, size + 1), false, seed);
                break;
            case 2: /* trash */
                if (f->pending[k]->call == AP_IO_WRITE)
                    put_down(f, f->pending[k], f->at[k], size, true, seed);
                break;
            default: /* dropped */
                break;
            }
        }
    }
}

static void free_disk(struct disk *d)
{
    for (int i = 0; i < d->n_files; i++)
        free(d->file[i].safe);
    memset(d, 0, sizeof *d);
}

/* ---- the run ---- */

static char folder[64];
static struct ap_hash straight[PRESENTATIONS + 1]; /* digests of the state after each presentation */
static char *straight_log;
static size_t straight_size;

static char *path_of(const char *name)
{
    static char path[2][128];
    static int next;
    char *out = path[next++ % 2];
    snprintf(out, 128, "%s/%s", folder, name);
    return out;
}

static void empty_folder(void)
{
    static const char *const NAMES[] = {"run.log", "checkpoint-a", "checkpoint-b"};
    for (int i = 0; i < 3; i++)
        unlink(path_of(NAMES[i]));
    ap_io_sweep(folder);
}

struct life {
    struct ap_err *e;
    struct ap_spec *s;
    struct ap_sim x;
    struct ap_checkpoint k;
    struct ap_checkpoint_loop loop;
};

static void begin_life(struct life *l)
{
    memset(l, 0, sizeof *l);
    l->e = ap_err_create();
    l->s = ap_spec_parse("test.yaml", TEXT, strlen(TEXT), NULL, 0, l->e);
    if (!l->s || ap_sim_open(l->e, &l->x, l->s) != AP_OK)
        fail();
    l->k.folder = folder;
}

static void end_life(struct life *l)
{
    ap_sim_close(&l->x);
    ap_spec_free(l->s);
    ap_err_free(l->e);
}

/* To the end, with a checkpoint after some presentations. */
static void go_on(struct life *l, bool first)
{
    while (l->loop.k < PRESENTATIONS) {
        assert_int_equal(ap_sim_present(l->e, &l->x, 0, l->loop.k), AP_OK);
        l->loop.k++;
        struct ap_hash now = ap_sim_digest(&l->x), *want = &straight[l->loop.k];
        if (first)
            *want = now;
        assert_true(now.high == want->high && now.low == want->low);
        if (l->loop.k != 2 && l->loop.k != 5) {
            assert_int_equal(ap_checkpoint_write(l->e, &l->k, &l->x, &l->loop), AP_OK);
            op[n_ops++] = (struct op){.call = COMMITTED, .size = l->loop.k};
        }
    }
    assert_int_equal(ap_record_close(l->e, &l->x.recorder), AP_OK);
}

/* What `apical resume` does: the newest checkpoint, the log cut to it, or the start. Returns the presentation. */
static uint64_t go_back(struct life *l)
{
    struct ap_runlog_mark mark;
    bool found;
    char note[AP_ERR_TEXT];
    begin_life(l);
    if (ap_checkpoint_load(l->e, &l->k, &l->x, &l->loop, &mark, &found, note) != AP_OK)
        fail_msg("%s", ap_err_message(l->e, 0));
    ap_io_sweep(folder);
    if (found)
        assert_int_equal(ap_sim_record_on(l->e, &l->x, path_of("run.log"), &mark), AP_OK);
    else {
        assert_int_equal(ap_io_remove(l->e, path_of("run.log")), AP_OK);
        assert_int_equal(ap_sim_record(l->e, &l->x, path_of("run.log")), AP_OK);
    }
    return l->x.presentation;
}

static void check_log(const struct life *l, size_t size)
{
    char *bytes;
    size_t n;
    assert_int_equal(ap_io_read(l->e, path_of("run.log"), 1 << 24, &bytes, &n), AP_OK);
    assert_int_equal(n, size);
    assert_memory_equal(bytes, straight_log, size);
    ap_mem_free(bytes);
}

static void write_folder(const struct disk *d)
{
    empty_folder();
    for (int i = 0; i < d->n_safe; i++) {
        const struct file *f = &d->file[d->safe[i].file];
        FILE *out = fopen(path_of(d->safe[i].text), "wb");
        assert_true(out && (f->n_safe == 0 || fwrite(f->safe, 1, f->n_safe, out) == f->n_safe) &&
                    fclose(out) == 0);
    }
}

/* Replays the recorded calls up to a random one on a disk that holds what lies in `from`; the power fails; the folder
 * becomes what is left. Returns the presentation that was committed by then. */
static uint64_t lose_power(struct disk *d, uint64_t committed, uint64_t *seed)
{
    int last = (int)next_random(seed, (uint64_t)n_ops + 1);
    for (int i = 0; i < last; i++)
        if (op[i].call == COMMITTED)
            committed = op[i].size;
        else
            perform(d, &op[i]);
    fail_power(d, seed);
    write_folder(d);
    return committed;
}

/* A disk that holds safely what lies in the folder. */
static void safe_disk(struct disk *d)
{
    static const char *const NAMES[] = {"run.log", "checkpoint-a", "checkpoint-b"};
    for (int i = 0; i < 3; i++) {
        char *bytes;
        struct file *f = &d->file[d->n_files];
        if (ap_io_read(NULL, path_of(NAMES[i]), 1 << 24, &bytes, &f->n_safe) != AP_OK)
            continue;
        f->safe = malloc(f->n_safe + 1);
        memcpy(f->safe, bytes, f->n_safe);
        f->length = f->n_safe;
        ap_mem_free(bytes);
        link_name(d->now, &d->n_now, NAMES[i], d->n_files);
        link_name(d->safe, &d->n_safe, NAMES[i], d->n_files++);
    }
}

static void test_power_losses(void **unused)
{
    (void)unused;
    static struct disk d;
    const char *wanted = getenv("APICAL_POWER_LOSSES");
    long losses = wanted ? atol(wanted) : 1000, again = 0;
    struct life l;
    snprintf(folder, sizeof folder, "%s/apical-test-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : P_tmpdir);
    assert_non_null(mkdtemp(folder));

    begin_life(&l); /* the straight run, watched */
    ap_io_watch(record);
    assert_int_equal(ap_sim_record(l.e, &l.x, path_of("run.log")), AP_OK);
    go_on(&l, true);
    ap_io_watch(NULL);
    assert_int_equal(ap_io_read(l.e, path_of("run.log"), 1 << 24, &straight_log, &straight_size), AP_OK);
    end_life(&l);
    static struct op first[OPS];
    int n_first = n_ops;
    memcpy(first, op, sizeof first);

    for (long i = 0; i < losses; i++) {
        uint64_t seed = (uint64_t)i * 0x9E3779B97F4A7C15u + 1;
        memcpy(op, first, sizeof op);
        n_ops = n_first;
        uint64_t committed = lose_power(&d, 0, &seed);
        free_disk(&d);
        n_ops = 0;     /* their data stay with `first` */
        safe_disk(&d); /* what the second life finds */
        bool twice = i % 4 == 0;
        if (twice)
            ap_io_watch(record);
        uint64_t back = go_back(&l);
        if (back < committed)
            fail_msg("loss %ld: back at %d, but %d was committed", i, (int)back, (int)committed);
        struct ap_hash now = ap_sim_digest(&l.x);
        assert_true(back == 0 || (now.high == straight[back].high && now.low == straight[back].low));
        if (back > 0)
            check_log(&l, l.x.recorder.log.file.size);
        if (twice || i % 10 == 1) {
            go_on(&l, false);
            ap_io_watch(NULL);
            check_log(&l, straight_size);
        }
        end_life(&l);
        if (twice) { /* the power fails again, on the way from there */
            uint64_t later = lose_power(&d, back, &seed);
            uint64_t second = go_back(&l);
            if (second < later)
                fail_msg("loss %ld: again back at %d, but %d was committed", i, (int)second, (int)later);
            go_on(&l, false);
            check_log(&l, straight_size);
            end_life(&l);
            forget_trace();
            again++;
        }
        free_disk(&d);
    }
    print_message("promise: power%s: %ld power losses, %ld on the way back from one: each led to a committed "
                  "presentation\n",
                  getenv("PROMISE") ? getenv("PROMISE") : "", losses, again);
    memcpy(op, first, sizeof op);
    n_ops = n_first;
    forget_trace();
    ap_mem_free(straight_log);
    empty_folder();
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_power_losses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
