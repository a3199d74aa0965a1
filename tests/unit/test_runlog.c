/* The log: what was written is read; damage of any kind is refused or leaves exactly the earlier data. */
#include "harness.h"

#include "hash.h"

static const char TEXT[] =
    "version: 1\nname: log\nseed: 5\nmicrocircuit:\n  layers: [3, 2, 2]\n"
    "  weights: {forward: uniform(-1, 1), feedback: uniform(-1, 1)}\n  plasticity: {forward: 0.1 /ms}\n"
    "stimulus: {kind: random}\ntarget: {kind: random, range: [0.1, 0.9]}\n"
    "schedule: [{name: a, presentations: 2, duration: 3 ms}, {name: b, presentations: 1, duration: 2 ms}]\n"
    "record: {of: [hidden1.pyr, output], every: 1 ms}\nprobes: [{kind: class-error, of: output}]\n";

static char folder[] = P_tmpdir "/apical-test-XXXXXX", path[96];
static char *bytes;
static size_t size, blocks[64]; /* where blocks begin */
static int n_blocks;

struct data { /* what a log says, as one digest per block read */
    size_t n_presented, n_frames, n_snapshot;
    bool end;
    struct ap_hash all;
};

static struct data sum(const struct ap_run *run)
{
    struct data d = {run->n_presented, run->n_frames, run->n_snapshot, run->end != NULL, {0}};
    ap_hash_add(&d.all, ap_spec_text(run->spec), strlen(ap_spec_text(run->spec)));
    for (size_t i = 0; i < run->n_presented; i++) {
        ap_hash_add(&d.all, run->presented[i], sizeof *run->presented[i]);
        ap_hash_add(&d.all, run->probes[i], 3 * sizeof(double));
    }
    for (size_t i = 0; i < run->n_frames; i++) {
        ap_hash_add(&d.all, run->frames[i], sizeof *run->frames[i]);
        ap_hash_add(&d.all, run->values[i],
                    run->frames[i]->n_frames * run->frames[i]->n_values * sizeof(double));
    }
    for (size_t i = 0; i < run->n_snapshot; i++)
        ap_hash_add(&d.all, run->weights[i],
                    run->snapshot[i]->rows * run->snapshot[i]->cols * sizeof(double));
    if (run->end)
        ap_hash_add(&d.all, run->end, sizeof *run->end);
    return d;
}

static bool same(struct data a, struct data b)
{
    return a.n_presented == b.n_presented && a.n_frames == b.n_frames && a.n_snapshot == b.n_snapshot &&
           a.end == b.end && a.all.high == b.all.high && a.all.low == b.all.low;
}

static void put(const char *data, size_t n)
{
    unlink(path); /* a new file is not flushed as one that is cut and written again */
    FILE *f = fopen(path, "wb");
    assert_true(f && fwrite(data, 1, n, f) == n && fclose(f) == 0);
}

static enum ap_code take(const char *data, size_t n, struct data *out)
{
    static struct ap_err *e;
    e = e ? e : ap_err_create();
    memset(e, 0, sizeof *e);
    struct ap_run run;
    put(data, n);
    enum ap_code code = ap_runlog_read(e, &run, folder);
    assert_true((code == AP_OK) == (e->n == 0));
    if (code == AP_OK)
        *out = sum(&run);
    ap_runlog_free(&run);
    return code;
}

static int begin(void **unused)
{
    (void)unused;
    struct harness h;
    harness_open(&h, TEXT, NULL, 0);
    harness_block(&h, 0);
    harness_block(&h, 1);
    ap_sim_settle(&h.x);
    assert_int_equal(ap_record_weights(h.e, &h.x.recorder, "final"), AP_OK);
    const struct ap_run_end end = {1, 2, 3, 4, 5, 3, 1, 0};
    assert_int_equal(ap_runlog_append(h.e, &h.x.recorder.log, AP_BLOCK_END, &end, sizeof end, NULL, 0),
                     AP_OK);
    assert_int_equal(ap_record_close(h.e, &h.x.recorder), AP_OK);
    char log[96];
    snprintf(log, sizeof log, "%s/run.log", h.folder);
    FILE *f = fopen(log, "rb");
    bytes = malloc(1 << 20);
    size = fread(bytes, 1, 1 << 20, f);
    fclose(f);
    /* What it holds, against the simulation. */
    struct ap_run run;
    assert_int_equal(ap_runlog_read(h.e, &run, h.folder), AP_OK);
    assert_true(run.n_presented == 3 && run.n_frames == 3 && run.end && run.end->steps == 3);
    assert_string_equal(ap_spec_text(run.spec), ap_spec_text(h.s));
    assert_true(run.n_snapshot == 2 * 5); /* two of each projection with weights */
    for (int i = 0; i < h.x.c->n_proj; i++) {
        const struct ap_proj *p = &h.x.c->proj[i];
        const double *w = ap_runlog_weights(&run, "final", i), *w0 = ap_runlog_weights(&run, "initial", i);
        assert_true((w != NULL) == !p->spec->nudges);
        if (w)
            assert_memory_equal(w, p->w, p->rows * p->cols * sizeof *w);
        if (w)
            assert_int_equal(memcmp(w, w0, p->rows * p->cols * sizeof *w) != 0, p->plastic);
        assert_null(ap_runlog_weights(&run, "middle", i));
    }
    const struct ap_presented *p = run.presented[2];
    assert_true(p->program == 1 && p->block == 1 && p->k == 0 && p->start == 6 && p->duration == 2);
    assert_true(run.frames[1]->n_frames == 3 && run.frames[2]->n_frames == 2 &&
                run.frames[2]->presentation == 2);
    assert_int_equal(run.frames[0]->n_values, 2 * 3 + 2 * 2);
    assert_memory_equal(run.values[2], h.x.recorder.frame ? h.x.recorder.frame[0] : run.values[2], 8);
    ap_runlog_free(&run);
    harness_close(&h);
    for (size_t at = 0; at < size; n_blocks++) {
        uint64_t length;
        blocks[n_blocks] = at;
        memcpy(&length, bytes + at + 8, sizeof length);
        at += 32 + length + (8 - length % 8) % 8 + 16;
    }
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/run.log", folder);
    return 0;
}

static int finish(void **unused)
{
    (void)unused;
    unlink(path);
    rmdir(folder);
    free(bytes);
    return 0;
}

static void test_every_truncation(void **unused)
{
    (void)unused;
    assert_int_equal(n_blocks, 1 + 10 + 3 + 3 + 1);
    int whole = 0;
    struct data d, before = {0};
    for (size_t n = 0; n < size; n++) {
        bool boundary = false;
        for (int b = 1; b < n_blocks; b++)
            boundary = boundary || blocks[b] == n;
        if (!boundary && n > blocks[2] &&
            n % 16 != n / 16 % 16) /* later on one in sixteen: the circuit is read each time */
            continue;
        enum ap_code code = take(bytes, n, &d);
        assert_int_equal(code, boundary ? AP_OK : AP_EIO);
        if (code == AP_OK) { /* exactly the blocks before */
            assert_true(d.n_presented + d.n_frames + d.n_snapshot + 1 >=
                        before.n_presented + before.n_frames + before.n_snapshot);
            assert_false(d.end);
            before = d;
            whole++;
        }
    }
    assert_true(whole == n_blocks - 1);
}

static void test_flipped_bytes(void **unused)
{
    (void)unused;
    struct data right, d;
    assert_int_equal(take(bytes, size, &right), AP_OK);
    const struct ap_rng_stream s = {1, AP_RNG_PATTERN, 3};
    int refused = 0;
    for (uint64_t i = 0; i < 500; i++) {
        size_t at = ap_rng_below(s, 2 * i, size);
        if (i < 150) /* the heads of blocks, where sizes are */
            at = blocks[i % (uint64_t)n_blocks] + ap_rng_below(s, 2 * i, 80);
        char old = bytes[at];
        bytes[at] = (char)(bytes[at] ^ (char)(1 << ap_rng_below(s, 2 * i + 1, 8)));
        enum ap_code code = take(bytes, size, &d);
        assert_true(code == AP_EIO || (code == AP_OK && same(d, right))); /* a byte of padding */
        refused += code == AP_EIO;
        bytes[at] = old;
    }
    assert_true(refused > 450);
    uint32_t swapped = 0x414C3031; /* written on a machine of the other byte order */
    char keep[4];
    memcpy(keep, bytes, 4);
    memcpy(bytes, &swapped, 4);
    assert_int_equal(take(bytes, size, &d), AP_EIO);
    memcpy(bytes, keep, 4);
}

/* Blocks whose digest is right and whose content lies. */
static void lie(enum ap_block_type type, const void *head, size_t head_size, const void *body,
                size_t body_size, bool accepted)
{
    struct ap_err *e = ap_err_create();
    struct ap_runlog l;
    struct ap_run run;
    put(bytes, blocks[n_blocks - 1]); /* all but the end */
    char part[96];
    snprintf(part, sizeof part, "%s/part", folder);
    assert_int_equal(ap_runlog_create(e, &l, part), AP_OK);
    assert_int_equal(ap_runlog_append(e, &l, type, head, head_size, body, body_size), AP_OK);
    assert_int_equal(ap_runlog_close(e, &l), AP_OK);
    char *more = malloc(1 << 16);
    FILE *f = fopen(part, "rb");
    size_t n = fread(more, 1, 1 << 16, f);
    fclose(f);
    unlink(part);
    f = fopen(path, "ab");
    assert_int_equal(fwrite(more, 1, n, f), n);
    fclose(f);
    free(more);
    enum ap_code code = ap_runlog_read(e, &run, folder);
    ap_runlog_free(&run);
    assert_int_equal(code, accepted ? AP_OK : AP_EIO);
    ap_err_free(e);
}

static void test_sizes_that_lie(void **unused)
{
    (void)unused;
    double v[64] = {0};
    struct ap_presented p = {1, 1, 0, 0, 0, 2};
    lie(AP_BLOCK_PRESENTATION, &p, sizeof p, v, 24, true);
    lie(AP_BLOCK_PRESENTATION, &p, sizeof p, v, 16, false);
    lie(AP_BLOCK_PRESENTATION, &p, sizeof p - 8, v, 24, false);
    lie(AP_BLOCK_PRESENTATION, &p, 0, v, 0, false);
    p.block = 0; /* not the block of that place in the program */
    lie(AP_BLOCK_PRESENTATION, &p, sizeof p, v, 24, false);
    p.block = 2;
    lie(AP_BLOCK_PRESENTATION, &p, sizeof p, v, 24, false);
    p.block = 1, p.program = 7;
    lie(AP_BLOCK_PRESENTATION, &p, sizeof p, v, 24, false);
    struct ap_frames f = {0, 2, 10, 2};
    lie(AP_BLOCK_FRAMES, &f, sizeof f, v, 160, true);
    lie(AP_BLOCK_FRAMES, &f, sizeof f, v, 152, false);
    f.n_frames = UINT32_MAX;
    lie(AP_BLOCK_FRAMES, &f, sizeof f, v, 160, false);
    f = (struct ap_frames){0, 2, UINT64_MAX / 8, 2};
    lie(AP_BLOCK_FRAMES, &f, sizeof f, v, 160, false);
    f = (struct ap_frames){1, 2, 10, 2};
    lie(AP_BLOCK_FRAMES, &f, sizeof f, v, 160, false);
    f = (struct ap_frames){0, 2, 10, 3}; /* of a presentation that never was */
    lie(AP_BLOCK_FRAMES, &f, sizeof f, v, 160, false);
    struct ap_snapshot w = {"final", 0, 0, 2, 3};
    lie(AP_BLOCK_WEIGHTS, &w, sizeof w, v, 48, true);
    lie(AP_BLOCK_WEIGHTS, &w, sizeof w, v, 40, false);
    w.rows = 3, w.cols = 2;
    lie(AP_BLOCK_WEIGHTS, &w, sizeof w, v, 48, false);
    w = (struct ap_snapshot){"final", 99, 0, 2, 3};
    lie(AP_BLOCK_WEIGHTS, &w, sizeof w, v, 48, false);
    w = (struct ap_snapshot){"final", 0, 0, 2, 3};
    memset(w.label, 'x', sizeof w.label); /* no end */
    lie(AP_BLOCK_WEIGHTS, &w, sizeof w, v, 48, false);
    lie(AP_BLOCK_END, v, 8, NULL, 0, false);
    lie((enum ap_block_type)77, v, 8, NULL, 0, false);
    struct data d;
    assert_int_equal(take(bytes + blocks[1], size - blocks[1], &d), AP_EIO); /* no circuit */
    assert_int_equal(take("", 0, &d), AP_EIO);
    unlink(path);
    struct ap_run run;
    assert_int_equal(ap_runlog_read(NULL, &run, folder), AP_EIO); /* no log */
    ap_runlog_free(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_flipped_bytes),
        cmocka_unit_test(test_sizes_that_lie),
    };
    return cmocka_run_group_tests(tests, begin, finish);
}
