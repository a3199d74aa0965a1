/* Checkpoints: what was written is restored; every damage is refused or the older one is used, and said; what is of another
 * circuit, version or build is refused with the reason. */
#include "harness.h"

#include "checkpoint.h"
#include "io.h"
#include "mem.h"

#include <sys/stat.h>

static const char TEXT[] =
    "version: 1\nname: small\nseed: 5\nmicrocircuit:\n  layers: [3, 2, 2]\n  noise: 0.1 /sqrt(ms)\n"
    "  weights: {forward: uniform(-1, 1), feedback: uniform(-1, 1)}\n"
    "  plasticity: {forward: 0.1 /ms, lowpass: 5 ms}\n"
    "stimulus: {kind: random, patterns: 3}\ntarget: {kind: random, range: [0.1, 0.9], smoothing: 1 ms}\n"
    "schedule: [{name: a, presentations: 3, duration: 3 ms, teacher: off}, {name: b, presentations: 4, "
    "duration: 2 ms}]\n"
    "probes: [{kind: rate-error, of: output}]\n";

struct saved { /* a folder with two checkpoints: after 2 and after 3 presentations */
    struct harness h;
    struct ap_checkpoint k;
    struct ap_checkpoint_loop loop;
    char *bytes[2];
    size_t size[2];
};

static char *path_of(const struct saved *s, const char *name)
{
    static char path[2][128];
    static int next;
    char *out = path[next++ % 2];
    snprintf(out, 128, "%s/%s", s->h.folder, name);
    return out;
}

static void open_saved(struct saved *s, const char *const *sets, int n_sets)
{
    memset(s, 0, sizeof *s);
    harness_open(&s->h, TEXT, sets, n_sets);
    s->k.folder = s->h.folder;
    for (uint64_t k = 0; k < 3; k++) {
        assert_int_equal(ap_sim_present(s->h.e, &s->h.x, 0, k), AP_OK);
        s->loop.k = k + 1;
        s->loop.sum[0] = (double)k;
        s->loop.pass[0] = (int32_t)k;
        if (k > 0)
            assert_int_equal(ap_checkpoint_write(s->h.e, &s->k, &s->h.x, &s->loop), AP_OK);
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            ap_io_read(s->h.e, path_of(s, ap_checkpoint_name[i]), 1 << 20, &s->bytes[i], &s->size[i]), AP_OK);
}

static void close_saved(struct saved *s)
{
    ap_checkpoint_remove(NULL, s->h.folder);
    for (int i = 0; i < 2; i++)
        ap_mem_free(s->bytes[i]);
    harness_close(&s->h);
}

static void put(const struct saved *s, int slot, const char *bytes, size_t size)
{
    FILE *f = fopen(path_of(s, ap_checkpoint_name[slot]), "wb");
    assert_true(f && fwrite(bytes, 1, size, f) == size && fclose(f) == 0);
}

/* A fresh simulation of the same text, restored from the folder. */
struct restored {
    struct ap_err *e;
    struct ap_spec *s;
    struct ap_sim x;
    struct ap_checkpoint k;
    struct ap_checkpoint_loop loop;
    struct ap_runlog_mark mark;
    bool found;
    char note[AP_ERR_TEXT];
    enum ap_code code;
};

static void load_text(struct restored *r, const struct saved *s, const char *text, const char *const *sets,
                      int n_sets)
{
    memset(r, 0, sizeof *r);
    r->e = ap_err_create();
    r->s = ap_spec_parse("test.yaml", text, strlen(text), sets, n_sets, r->e);
    assert_non_null(r->s);
    assert_int_equal(ap_sim_open(r->e, &r->x, r->s), AP_OK);
    r->k.folder = s->h.folder;
    r->code = ap_checkpoint_load(r->e, &r->k, &r->x, &r->loop, &r->mark, &r->found, r->note);
}

static void load(struct restored *r, const struct saved *s, const char *const *sets, int n_sets)
{
    load_text(r, s, TEXT, sets, n_sets);
}

static void release(struct restored *r)
{
    ap_sim_close(&r->x);
    ap_spec_free(r->s);
    ap_err_free(r->e);
}

/* The same bits now and after every presentation that follows. */
static void goes_on_alike(struct saved *s, struct restored *r)
{
    struct ap_hash a = ap_sim_digest(&s->h.x), b = ap_sim_digest(&r->x);
    assert_true(a.high == b.high && a.low == b.low);
    assert_int_equal(ap_sim_record_on(r->e, &r->x, path_of(s, "run.log"), &r->mark), AP_OK);
    char copy[128]; /* the restored one writes elsewhere, so that both can go on */
    snprintf(copy, sizeof copy, "%s/copy.log", s->h.folder);
    ap_record_close(NULL, &r->x.recorder);
    assert_int_equal(ap_sim_record(r->e, &r->x, copy), AP_OK);
    for (uint64_t k = 0; k < 4; k++) {
        assert_int_equal(ap_sim_present(s->h.e, &s->h.x, 1, k), AP_OK);
        assert_int_equal(ap_sim_present(r->e, &r->x, 1, k), AP_OK);
        a = ap_sim_digest(&s->h.x), b = ap_sim_digest(&r->x);
        assert_true(a.high == b.high && a.low == b.low);
        assert_memory_equal(s->h.x.recorder.column, r->x.recorder.column, sizeof(double));
    }
    struct ap_integrate_stats m = ap_integrate_stats(&s->h.x.g), n = ap_integrate_stats(&r->x.g);
    assert_true(m.steps == n.steps && m.evaluations == n.evaluations && m.products == n.products);
    unlink(copy);
}

static void test_what_is_written_is_restored(void **unused)
{
    (void)unused;
    static const char *const SETS[][2] = {{"integrator.weights=held", "seed=5"},
                                          {"integrator.weights=coupled", "seed=5"},
                                          {"integrator.kind=euler", "integrator.step=0.1 ms"},
                                          {"integrator.kind=adams", "seed=6"}};
    for (int i = 0; i < 4; i++) {
        struct saved s;
        struct restored r;
        open_saved(&s, SETS[i], 2);
        load(&r, &s, SETS[i], 2);
        assert_int_equal(r.code, AP_OK);
        assert_true(r.found && !*r.note && r.e->n == 0);
        assert_true(r.x.presentation == 3 && r.loop.k == 3 && r.loop.program == 0 && r.loop.sum[0] == 2 &&
                    r.loop.pass[0] == 2);
        assert_true(r.x.time == s.h.x.time && r.k.slot == s.k.slot);
        goes_on_alike(&s, &r);
        release(&r);
        close_saved(&s);
    }
}

static void test_no_checkpoint_is_no_error(void **unused)
{
    (void)unused;
    struct saved s;
    struct restored r;
    open_saved(&s, NULL, 0);
    assert_int_equal(ap_checkpoint_remove(s.h.e, s.h.folder), AP_OK);
    assert_int_equal(ap_checkpoint_remove(s.h.e, s.h.folder), AP_OK);
    load(&r, &s, NULL, 0);
    assert_true(r.code == AP_OK && !r.found && r.x.presentation == 0);
    release(&r);
    close_saved(&s);
}

static void test_every_flipped_byte_is_refused(void **unused)
{
    (void)unused;
    struct saved s;
    open_saved(&s, NULL, 0);
    assert_true(ap_checkpoint_whole(s.bytes[0], s.size[0]));
    for (size_t i = 0; i < s.size[0]; i++) {
        for (int bit = 1; bit < 256; bit = bit == 1 ? 0x80 : 256) {
            s.bytes[0][i] = (char)(s.bytes[0][i] ^ bit);
            assert_false(ap_checkpoint_whole(s.bytes[0], s.size[0]));
            s.bytes[0][i] = (char)(s.bytes[0][i] ^ bit);
        }
    }
    print_message("promise: damage: each of %zu bytes flipped, each length cut: all refused\n", s.size[0]);
    close_saved(&s);
}

static void test_every_truncation_is_refused(void **unused)
{
    (void)unused;
    struct saved s;
    open_saved(&s, NULL, 0);
    for (size_t n = 0; n < s.size[0]; n++)
        assert_false(ap_checkpoint_whole(s.bytes[0], n));
    char *longer = calloc(1, s.size[0] + 100); /* and every way of being longer */
    memcpy(longer, s.bytes[0], s.size[0]);
    for (size_t n = 1; n <= 100; n++)
        assert_false(ap_checkpoint_whole(longer, s.size[0] + n));
    for (size_t n = 0; n < s.size[0]; n += 64) { /* zeros from here on */
        memcpy(longer, s.bytes[0], n);
        memset(longer + n, 0, s.size[0] - n);
        assert_int_equal(ap_checkpoint_whole(longer, s.size[0]), memcmp(longer, s.bytes[0], s.size[0]) == 0);
    }
    free(longer);
    close_saved(&s);
}

/* Through the files: damage of one is survived and said, damage of both is an error, and nothing is restored. */
static void test_the_older_one_is_used(void **unused)
{
    (void)unused;
    struct saved s;
    struct restored r;
    open_saved(&s, NULL, 0);
    int newer = !s.k.slot;
    for (size_t i = 0; i < s.size[newer]; i += s.size[newer] / 40) {
        s.bytes[newer][i] ^= 1;
        put(&s, newer, s.bytes[newer], s.size[newer]);
        load(&r, &s, NULL, 0);
        assert_true(r.code == AP_OK && r.found && r.x.presentation == 2 && r.loop.k == 2);
        assert_non_null(strstr(r.note, ap_checkpoint_name[newer]));
        assert_int_equal(r.k.slot, newer); /* the damaged one is written over */
        release(&r);
        s.bytes[newer][i] ^= 1;
    }
    for (size_t n = 0; n < s.size[newer]; n += s.size[newer] / 10) {
        put(&s, newer, s.bytes[newer], n);
        load(&r, &s, NULL, 0);
        assert_true(r.code == AP_OK && r.x.presentation == 2 && *r.note);
        release(&r);
    }
    put(&s, !newer, s.bytes[!newer], s.size[!newer] - 1);
    load(&r, &s, NULL, 0);
    assert_true(r.code == AP_EIO && r.found && r.e->n == 2 && r.x.presentation == 0);
    struct ap_hash fresh = ap_sim_digest(&r.x);
    release(&r);
    ap_checkpoint_remove(NULL, s.h.folder);
    load(&r, &s, NULL, 0);
    struct ap_hash untouched = ap_sim_digest(&r.x);
    assert_true(fresh.high == untouched.high && fresh.low == untouched.low);
    release(&r);
    /* an old file under the newer name is used for what it is */
    put(&s, newer, s.bytes[!newer], s.size[!newer]);
    load(&r, &s, NULL, 0);
    assert_true(r.code == AP_OK && r.x.presentation == 2);
    release(&r);
    close_saved(&s);
}

static void refused(const struct saved *s, const char *text, const char *const *sets, int n_sets,
                    const char *reason)
{
    struct restored r;
    load_text(&r, s, text, sets, n_sets);
    assert_int_equal(r.code, AP_EIO);
    assert_non_null(strstr(ap_err_message(r.e, 0), reason));
    release(&r);
}

/* Puts a checkpoint with a right digest whose byte at `at` is changed: what only another program would write. */
static void test_another_circuit_version_or_build_is_refused(void **unused)
{
    (void)unused;
    struct saved s;
    open_saved(&s, NULL, 0);
    refused(&s, TEXT, (const char *const[]){"seed=6"}, 1, "another circuit");
    refused(&s, TEXT, (const char *const[]){"schedule.0.duration=4 ms"}, 1, "another circuit");
    const struct {
        size_t at; /* 8: version, 12: byte order; build text lies behind head and two digests */
        const char *reason;
    } OTHER[] = {{8, "another version"}, {12, "byte order"}, {40 + 32 + 7, "digest"}};
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 2; k++) {
            s.bytes[k][OTHER[i].at] ^= 2;
            put(&s, k, s.bytes[k], s.size[k]);
            s.bytes[k][OTHER[i].at] ^= 2;
        }
        refused(&s, TEXT, NULL, 0, OTHER[i].reason);
    }
    for (int k = 0; k < 2; k++) { /* another build, its digest right: as that build would have written it */
        s.bytes[k][40 + 32 + 7] ^= 2;
        ap_checkpoint_seal(s.bytes[k], s.size[k]);
        put(&s, k, s.bytes[k], s.size[k]);
    }
    refused(&s, TEXT, NULL, 0, "another build: apical ");
    close_saved(&s);
}

static void test_the_log_must_agree(void **unused)
{
    (void)unused;
    struct saved s;
    struct restored r;
    open_saved(&s, NULL, 0);
    const char *log = path_of(&s, "run.log");
    struct stat st;
    assert_int_equal(stat(log, &st), 0);
    assert_int_equal(truncate(log, st.st_size - 1), 0);
    load(&r, &s, NULL, 0); /* the older checkpoint needs less of it */
    assert_true(r.code == AP_OK && r.x.presentation == 2);
    assert_non_null(strstr(r.note, "run.log"));
    release(&r);
    assert_int_equal(truncate(log, 100), 0);
    refused(&s, TEXT, NULL, 0, "the checkpoint was made after");
    close_saved(&s);
}

static void test_other_data_are_refused(void **unused)
{
    (void)unused;
    static const char IMAGES[] = "version: 1\nname: images\nmicrocircuit:\n  layers: [4, 2, 2]\n"
                                 "  weights: {forward: uniform(-1, 1), feedback: uniform(-1, 1)}\n"
                                 "stimulus: {kind: images, file: %s}\ntarget: {kind: random}\n"
                                 "schedule: [{name: a, presentations: 2, duration: 1 ms}]\n";
    char images[] = P_tmpdir "/apical-images-XXXXXX", text[600];
    unsigned char data[24] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8};
    int fd = mkstemp(images);
    assert_true(fd >= 0 && pwrite(fd, data, sizeof data, 0) == sizeof data);
    snprintf(text, sizeof text, IMAGES, images);
    struct saved s = {.k.slot = 0};
    harness_open(&s.h, text, NULL, 0);
    s.k.folder = s.h.folder;
    assert_int_equal(ap_sim_present(s.h.e, &s.h.x, 0, 0), AP_OK);
    assert_int_equal(ap_checkpoint_write(s.h.e, &s.k, &s.h.x, &s.loop), AP_OK);
    struct restored r;
    load_text(&r, &s, text, NULL, 0);
    assert_true(r.code == AP_OK && r.x.presentation == 1);
    release(&r);
    data[23] = 9;
    assert_true(pwrite(fd, data, sizeof data, 0) == sizeof data);
    refused(&s, text, NULL, 0, "data files have changed");
    close(fd);
    unlink(images);
    close_saved(&s);
}

static void test_memory_may_fail(void **unused)
{
    (void)unused;
    struct saved s;
    open_saved(&s, NULL, 0);
    struct restored r;
    load(&r, &s, NULL, 0);
    int failures = 0;
    for (long n = 1;; n++) {
        ap_mem_fail_at(n, false);
        enum ap_code code = ap_checkpoint_load(r.e, &r.k, &r.x, &r.loop, &r.mark, &r.found, r.note);
        bool fired = ap_mem_fail_at(0, false) == 0;
        assert_int_equal(code, fired ? AP_EMEMORY : AP_OK);
        failures += fired;
        if (!fired)
            break;
    }
    assert_true(failures > 5);
    for (long n = 1;; n++) {
        ap_mem_fail_at(n, true);
        enum ap_code code = ap_checkpoint_write(s.h.e, &s.k, &s.h.x, &s.loop);
        bool fired = ap_mem_fail_at(0, false) == 0 || code != AP_OK;
        assert_int_equal(code, fired ? AP_EMEMORY : AP_OK);
        if (!fired)
            break;
    }
    ap_checkpoint_seal(s.bytes[0], 10); /* nothing to seal */
    ap_mem_fail_at(1, false);
    assert_false(ap_checkpoint_whole(s.bytes[0], s.size[0]));
    ap_mem_fail_at(0, false);
    release(&r);
    close_saved(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_restored),
        cmocka_unit_test(test_no_checkpoint_is_no_error),
        cmocka_unit_test(test_every_flipped_byte_is_refused),
        cmocka_unit_test(test_every_truncation_is_refused),
        cmocka_unit_test(test_the_older_one_is_used),
        cmocka_unit_test(test_another_circuit_version_or_build_is_refused),
        cmocka_unit_test(test_the_log_must_agree),
        cmocka_unit_test(test_other_data_are_refused),
        cmocka_unit_test(test_memory_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
