/* Files: whole or absent, limits, what is no file, a disk that fills up. */
#include "io.h"
#include "mem.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

static int setup(void **state)
{
    snprintf(folder, sizeof folder, P_tmpdir "/ap_test_io.XXXXXX");
    *state = ap_err_create();
    return *state && mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ap_err_free(*state);
    return system(command);
}

static const char *in(const char *name)
{
    static char path[4][AP_ERR_PATH];
    static int next;
    char *out = path[next++ % 4];
    assert_int_equal(ap_io_join(NULL, out, AP_ERR_PATH, folder, name), AP_OK);
    return out;
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static void test_what_is_written_is_read(void **state)
{
    struct ap_err *e = *state;
    static char bytes[100000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 31);
    for (int round = 0; round < 3; round++) { /* new, replaced by shorter, empty */
        size_t size = round == 0 ? sizeof bytes : round == 1 ? 10 : 0, got;
        char *data;
        assert_int_equal(ap_io_write(e, in("a"), bytes, size), AP_OK);
        assert_false(exists(in(".apical-0.tmp")));
        assert_int_equal(ap_io_read(e, in("a"), sizeof bytes, &data, &got), AP_OK);
        assert_int_equal(got, size);
        assert_memory_equal(data, bytes, size);
        assert_int_equal(data[size], 0);
        ap_mem_free(data);
    }
    assert_int_equal(ap_err_count(e), 0);
}

static void test_reading_refuses_what_is_no_file_or_too_large(void **state)
{
    struct ap_err *e = *state;
    char *data = (char *)1;
    size_t size = 1;
    assert_int_equal(mkfifo(in("fifo"), 0600), 0);
    assert_int_equal(ap_io_write(e, in("ten"), "0123456789", 10), AP_OK);
    const char *const bad[] = {in("absent"), in("fifo"), "/dev/zero", folder, ""};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(ap_io_read(e, bad[i], 1000, &data, &size), AP_EIO);
        assert_null(data);
        assert_int_equal(ap_err_count(e), i + 1);
        assert_non_null(strstr(ap_err_message(e, i), bad[i]));
    }
    assert_non_null(strstr(ap_err_message(e, 0), "No such file"));
    assert_int_equal(ap_io_read(e, in("ten"), 9, &data, &size), AP_EIO);
    assert_non_null(strstr(ap_err_message(e, 5), "10 bytes, the limit is 9"));
    assert_int_equal(ap_io_read(e, in("ten"), 10, &data, &size), AP_OK);
    ap_mem_free(data);
    ap_mem_fail_at(1, false);
    assert_int_equal(ap_io_read(e, in("ten"), 10, &data, &size), AP_EMEMORY);
    ap_mem_fail_at(0, false);
}

static void test_a_full_disk_leaves_the_old_file(void **state)
{
    struct ap_err *e = *state;
    static char bytes[5000];
    struct rlimit limit = {1000, RLIM_INFINITY}, before;
    assert_int_equal(ap_io_write(e, in("a"), "old", 3), AP_OK);
    struct ap_io_file f;
    assert_int_equal(ap_io_append_open(e, &f, in("log")), AP_OK);
    getrlimit(RLIMIT_FSIZE, &before);
    limit.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    enum ap_code code = ap_io_write(e, in("a"), bytes, sizeof bytes),
                 fresh = ap_io_write(e, in("b"), bytes, 5000), log = ap_io_append(e, &f, bytes, sizeof bytes);
    log = log == AP_OK ? ap_io_append_sync(e, &f) : AP_EINTERNAL; /* it waited until now */
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(code, AP_EIO);
    assert_int_equal(fresh, AP_EIO);
    assert_int_equal(log, AP_EIO);
    assert_int_equal(ap_err_count(e), 3);
    assert_int_equal(ap_io_append_close(e, &f), AP_OK);
    assert_int_equal(f.fd, -1);
    assert_false(exists(in("b")) || exists(in(".apical-0.tmp")));
    char *data;
    size_t size;
    assert_int_equal(ap_io_read(e, in("a"), 100, &data, &size), AP_OK);
    assert_string_equal(data, "old");
    ap_mem_free(data);
}

static void test_writing_fails_where_it_must(void **state)
{
    struct ap_err *e = *state;
    char path[400];
    assert_int_equal(ap_io_write(e, in("no/such"), "x", 1), AP_EIO);
    assert_int_equal(mkdir(in("dir"), 0700), 0);
    assert_int_equal(ap_io_write(e, in("dir"), "x", 1), AP_EIO); /* a folder is not replaced */
    assert_false(exists(in(".apical-0.tmp")));
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = 0;
    assert_int_equal(ap_io_write(e, path, "x", 1), AP_EIO);
    assert_int_equal(ap_err_count(e), 3);
}

static void test_publishing_renames(void **state)
{
    struct ap_err *e = *state;
    assert_int_equal(ap_io_write(e, in("t"), "new", 3), AP_OK);
    assert_int_equal(ap_io_write(e, in("p"), "old", 3), AP_OK);
    assert_int_equal(ap_io_publish(e, in("t"), in("p")), AP_OK);
    assert_false(exists(in("t")));
    char *data;
    size_t size;
    assert_int_equal(ap_io_read(e, in("p"), 3, &data, &size), AP_OK);
    assert_string_equal(data, "new");
    ap_mem_free(data);
    assert_int_equal(ap_io_publish(e, in("t"), in("p")), AP_EIO);
    assert_int_equal(mkdir(in("dir"), 0700), 0);
    assert_int_equal(ap_io_publish(e, in("p"), in("dir")), AP_EIO);
    assert_false(exists(in("p"))); /* gone, as promised */
}

static void test_folders(void **state)
{
    struct ap_err *e = *state;
    bool there;
    assert_false(ap_io_folder_has_entries(in("x"), &there) || there);
    assert_int_equal(ap_io_make_folder(e, in("x/y//z/")), AP_OK);
    assert_int_equal(ap_io_make_folder(e, in("x/y/z")), AP_OK);
    assert_true(ap_io_folder_has_entries(in("x"), &there) && there);
    assert_true(!ap_io_folder_has_entries(in("x/y/z"), &there) && there);
    assert_int_equal(ap_io_write(e, in("file"), "", 0), AP_OK);
    assert_false(ap_io_folder_has_entries(in("file"), &there) || there); /* no folder at all */
    assert_int_equal(ap_err_count(e), 0);
    assert_int_equal(ap_io_make_folder(e, in("file")), AP_EIO);
    assert_int_equal(ap_io_make_folder(e, in("file/x")), AP_EIO);
    assert_int_equal(ap_io_make_folder(e, ""), AP_EIO);
    char path[400];
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = 0;
    assert_int_equal(ap_io_make_folder(e, path), AP_EIO);
    assert_int_equal(ap_io_remove(e, in("file")), AP_OK);
    assert_int_equal(ap_io_remove(e, in("file")), AP_OK); /* not there: no error */
    assert_int_equal(ap_io_remove(e, in("x")), AP_EIO);
    assert_true(exists(in("x")));
}

static void test_joining(void **state)
{
    struct ap_err *e = *state;
    char out[8];
    assert_int_equal(ap_io_join(e, out, sizeof out, "a", "b"), AP_OK);
    assert_string_equal(out, "a/b");
    assert_int_equal(ap_io_join(e, out, sizeof out, "a/", "b"), AP_OK);
    assert_string_equal(out, "a/b");
    assert_int_equal(ap_io_join(e, out, sizeof out, "", "b"), AP_OK);
    assert_string_equal(out, "b");
    assert_int_equal(ap_io_join(e, out, sizeof out, "abc", "def"), AP_OK);
    assert_int_equal(ap_io_join(e, out, sizeof out, "abcd", "def"), AP_EIO);
}

static void test_appending(void **state)
{
    struct ap_err *e = *state;
    struct ap_io_file f, g;
    assert_int_equal(ap_io_append_open(e, &f, in("log")), AP_OK);
    for (int i = 0; i < 100; i++)
        assert_int_equal(ap_io_append(e, &f, "0123456789", 10), AP_OK);
    assert_int_equal(f.size, 1000);
    assert_int_equal(ap_io_append_close(e, &f), AP_OK);
    assert_int_equal(ap_io_append_close(e, &f), AP_OK);            /* twice is no error */
    assert_int_equal(ap_io_append_open(e, &g, in("log")), AP_EIO); /* never onto an old log */
    assert_int_equal(g.fd, -1);
    assert_int_equal(ap_io_append(e, &g, "x", 1), AP_EIO);
    struct stat st;
    assert_int_equal(stat(in("log"), &st), 0);
    assert_int_equal(st.st_size, 1000);
}

/* Pieces of any size come out whole and in order, whether they waited or not. */
static void test_appending_pieces(void **state)
{
    struct ap_err *e = *state;
    static char all[400000];
    struct ap_io_file f;
    size_t at = 0;
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (char)(i * i / 7);
    assert_int_equal(ap_io_append_open(e, &f, in("pieces")), AP_OK);
    for (size_t n = 0; at + n <= sizeof all; at += n, n = n * 3 / 2 + 1 + at % 5) {
        assert_int_equal(ap_io_append(e, &f, all + at, n), AP_OK);
        assert_int_equal(f.size, at + n);
        struct stat st; /* what is synced is there */
        if (at % 3 == 0)
            assert_true(ap_io_append_sync(e, &f) == AP_OK && stat(in("pieces"), &st) == 0 &&
                        (size_t)st.st_size == at + n);
    }
    assert_true(at > 2 * sizeof f.waiting);
    assert_int_equal(ap_io_append_close(e, &f), AP_OK);
    char *data;
    size_t size;
    assert_int_equal(ap_io_read(e, in("pieces"), sizeof all, &data, &size), AP_OK);
    assert_true(size == at && memcmp(data, all, at) == 0);
    ap_mem_free(data);
}

/* ---- calls that fail ---- */

static struct {
    enum ap_io_call call;
    int answer, after; /* how many such calls go well first; once */
    void (*instead)(void);
} fault;

static int answer(const struct ap_io_event *v)
{
    if (v->call != fault.call || fault.after-- != 0)
        return AP_IO_GO;
    if (fault.instead)
        fault.instead();
    return fault.answer;
}

static void expect_fault(enum ap_io_call call, int what)
{
    fault.call = call;
    fault.answer = what;
    fault.after = 0;
    fault.instead = NULL;
    ap_io_watch(answer);
}

static enum ap_code read_ten(struct ap_err *e)
{
    char *data;
    size_t size;
    enum ap_code code = ap_io_read(e, in("ten"), 100, &data, &size);
    if (code == AP_OK)
        assert_true(size == 10 && memcmp(data, "0123456789", 10) == 0);
    ap_mem_free(data);
    return code;
}

static enum ap_code write_ten(struct ap_err *e)
{
    return ap_io_write(e, in("ten"), "0123456789", 10);
}

static enum ap_code append_ten(struct ap_err *e)
{
    struct ap_io_file f;
    enum ap_code code = ap_io_append_reopen(e, &f, in("log"), 5);
    if (code == AP_OK)
        code = ap_io_append(e, &f, "56789", 5);
    enum ap_code closed = ap_io_append_close(e, &f);
    return code != AP_OK ? code : closed;
}

static enum ap_code lock_it(struct ap_err *e)
{
    int lock;
    enum ap_code code = ap_io_lock(e, folder, &lock);
    assert_int_equal(lock >= 0, code == AP_OK);
    ap_io_unlock(lock);
    return code;
}

static void test_every_call_may_fail(void **state)
{
    struct ap_err *e = *state;
    static const struct {
        const char *name;
        enum ap_code (*run)(struct ap_err *e);
        enum ap_io_call call;
        bool matters;
        const char *says;
    } CASES[] = {
        {"read", read_ten, AP_IO_OPEN, true, "ten: cannot open"},
        {"read", read_ten, AP_IO_STAT, true, "ten: cannot stat"},
        {"read", read_ten, AP_IO_READ, true, "ten: cannot read"},
        {"read", read_ten, AP_IO_CLOSE, false, NULL},
        {"write", write_ten, AP_IO_OPEN, true, "ten: cannot create"},
        {"write", write_ten, AP_IO_WRITE, true, "ten: cannot write the last 10 bytes"},
        {"write", write_ten, AP_IO_SYNC, true, "ten: cannot sync"},
        {"write", write_ten, AP_IO_CLOSE, true, "ten: cannot close"},
        {"write", write_ten, AP_IO_RENAME, true, "ten: cannot rename to"},
        {"write", write_ten, AP_IO_SYNC_FOLDER, true, "ten: cannot sync the folder of"},
        {"append", append_ten, AP_IO_OPEN, true, "log: cannot open again"},
        {"append", append_ten, AP_IO_CUT, true, "log: cannot cut"},
        {"append", append_ten, AP_IO_SYNC, true, "log: cannot sync"},
        {"append", append_ten, AP_IO_WRITE, true, "log: cannot write the last 5 bytes"},
        {"append", append_ten, AP_IO_CLOSE, true, "log: cannot close"},
        {"lock", lock_it, AP_IO_OPEN, true, "cannot open"},
        {"lock", lock_it, AP_IO_LOCK, true, "cannot lock"},
    };
    assert_int_equal(write_ten(e), AP_OK);
    assert_int_equal(ap_io_write(e, in("log"), "01234abc", 8), AP_OK);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        static const int ERRORS[] = {EIO, ENOSPC, EDQUOT};
        for (int k = 0; k < 3; k++) { /* the old file is there or the new one, whole */
            e->n = 0;
            expect_fault(CASES[i].call, ERRORS[k]);
            assert_int_equal(CASES[i].run(e), CASES[i].matters ? AP_EIO : AP_OK);
            ap_io_watch(NULL);
            assert_int_equal(e->n, CASES[i].matters);
            if (CASES[i].matters)
                assert_non_null(strstr(ap_err_message(e, 0), CASES[i].says));
            if (CASES[i].matters && k > 0)
                assert_non_null(strstr(ap_err_hint(e, 0), "free some space"));
            assert_int_equal(read_ten(e), AP_OK);
            assert_false(exists(in(".apical-0.tmp")));
        }
        for (int k = 0; k < 2; k++) { /* a signal, or half the bytes: nothing is lost */
            e->n = 0;
            expect_fault(CASES[i].call, k ? AP_IO_PART : EINTR);
            assert_int_equal(CASES[i].run(e), AP_OK);
            ap_io_watch(NULL);
        }
    }
    expect_fault(AP_IO_SYNC_FOLDER, EINVAL); /* a file system that cannot */
    assert_int_equal(write_ten(e), AP_OK);
    expect_fault(AP_IO_OPEN, EACCES); /* a folder that may be written, not read: its file is written */
    fault.after = 1;
    assert_int_equal(write_ten(e), AP_OK);
    expect_fault(AP_IO_OPEN, EMFILE);
    fault.after = 1;
    assert_int_equal(write_ten(e), AP_EIO);
    expect_fault(AP_IO_LIST, EIO); /* what cannot be listed is taken for full, and not swept */
    bool there;
    assert_true(ap_io_folder_has_entries(folder, &there) && !there);
    expect_fault(AP_IO_LIST, EIO);
    ap_io_sweep(folder);
    expect_fault(AP_IO_STAT, EIO);
    assert_true(ap_io_exists(in("nothing")));
    ap_io_watch(NULL);
    assert_false(ap_io_exists(in("nothing")));
}

static void cut_it(void)
{
    assert_int_equal(truncate(in("ten"), 4), 0);
}

static void test_a_file_that_becomes_shorter(void **state)
{
    struct ap_err *e = *state;
    char *data;
    size_t size;
    assert_int_equal(write_ten(e), AP_OK);
    expect_fault(AP_IO_READ, AP_IO_GO);
    fault.instead = cut_it;
    assert_int_equal(ap_io_read(e, in("ten"), 100, &data, &size), AP_OK);
    ap_io_watch(NULL);
    assert_true(size == 4 && memcmp(data, "0123", 5) == 0);
    ap_mem_free(data);
    assert_int_equal(ap_io_read_start(e, in("ten"), 2, &data, &size), AP_OK);
    assert_true(size == 2 && memcmp(data, "01", 3) == 0);
    ap_mem_free(data);
}

static void test_temporaries_are_ours_alone(void **state)
{
    struct ap_err *e = *state;
    char path[AP_ERR_PATH + 32];
    bool there;
    assert_int_equal(ap_io_make_folder(e, in("t")), AP_OK);
    assert_int_equal(ap_io_reserve(e, in("t/a"), path), AP_OK);
    assert_string_equal(strrchr(path, '/'), "/.apical-0.tmp");
    assert_int_equal(ap_io_reserve(e, in("t/a"), path), AP_OK);
    assert_string_equal(strrchr(path, '/'), "/.apical-1.tmp");
    assert_false(ap_io_folder_has_entries(in("t"), &there)); /* they do not make a folder full */
    static const char *const OTHERS[] = {".apical-.tmp", ".apical-1x.tmp", ".apical-1.tmpx", "apical-1.tmp",
                                         ".apical-1"};
    for (int i = 0; i < 5; i++) {
        snprintf(path, sizeof path, "t/%s", OTHERS[i]);
        assert_int_equal(ap_io_write(e, in(path), "theirs", 6), AP_OK);
    }
    ap_io_sweep(in("t"));
    assert_false(exists(in("t/.apical-0.tmp")) || exists(in("t/.apical-1.tmp")));
    for (int i = 0; i < 5; i++) {
        snprintf(path, sizeof path, "t/%s", OTHERS[i]);
        assert_true(exists(in(path)));
    }
    for (int i = 0; i < 1000; i++) {
        snprintf(path, sizeof path, "t/.apical-%d.tmp", i);
        close(creat(in(path), 0600));
    }
    assert_int_equal(ap_io_write(e, in("t/a"), "x", 1), AP_EIO);
    assert_non_null(strstr(ap_err_message(e, 0), "1000 temporaries"));
    assert_int_equal(ap_io_reserve(e, in("t/a"), path), AP_EIO);
    ap_io_sweep(in("t"));
    assert_int_equal(ap_io_write(e, in("t/a"), "x", 1), AP_OK);
}

static void test_a_folder_belongs_to_one(void **state)
{
    struct ap_err *e = *state;
    int one, two;
    assert_int_equal(ap_io_lock(e, folder, &one), AP_OK);
    assert_int_equal(ap_io_lock(e, folder, &two), AP_EIO);
    assert_int_equal(two, -1);
    assert_non_null(strstr(ap_err_message(e, 0), "another apical is at work"));
    ap_io_unlock(two);
    ap_io_unlock(one);
    assert_int_equal(ap_io_lock(e, folder, &two), AP_OK);
    ap_io_unlock(two);
    assert_int_equal(ap_io_lock(e, in("none"), &two), AP_EIO);
}

static void test_long_paths(void **state)
{
    struct ap_err *e = *state;
    static char path[5001];
    char *data;
    size_t size;
    struct ap_io_file f;
    char temporary[AP_ERR_PATH + 32];
    memset(path, 'x', 5000);
    assert_int_equal(ap_io_read(e, path, 10, &data, &size), AP_EIO);
    assert_int_equal(ap_io_append_open(e, &f, path), AP_EIO);
    assert_int_equal(ap_io_append_reopen(e, &f, path, 0), AP_EIO);
    assert_int_equal(ap_io_reserve(e, path, temporary), AP_EIO);
    for (int i = 0; i < 4; i++) /* the reason is not cut off */
        assert_non_null(strstr(ap_err_message(e, i),
                               i ? "xxx...: the path is too long" : "xxx...: cannot open: File name"));
    assert_int_equal(ap_io_reserve(e, in("t"), temporary), AP_OK);
    assert_int_equal(ap_io_publish(e, temporary, path), AP_EIO);
    assert_non_null(strstr(ap_err_message(e, 4), "too long"));
    assert_false(exists(temporary)); /* gone, as promised */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_written_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reading_refuses_what_is_no_file_or_too_large, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_full_disk_leaves_the_old_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_writing_fails_where_it_must, setup, teardown),
        cmocka_unit_test_setup_teardown(test_publishing_renames, setup, teardown),
        cmocka_unit_test_setup_teardown(test_folders, setup, teardown),
        cmocka_unit_test_setup_teardown(test_joining, setup, teardown),
        cmocka_unit_test_setup_teardown(test_appending, setup, teardown),
        cmocka_unit_test_setup_teardown(test_appending_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_call_may_fail, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_file_that_becomes_shorter, setup, teardown),
        cmocka_unit_test_setup_teardown(test_temporaries_are_ours_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_folder_belongs_to_one, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_paths, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
