/* Writes files, reads them back, has the Python validator check them, breaks them, fills the disk. Run from
 * the root of the source tree (the validator is tests/cli/check_sonata.py). */
#include "sonata.h"
#include "io.h"
#include "mem.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = P_tmpdir "/test_sonata_XXXXXX";
static struct ap_err *e;
static const struct ap_place at = {"circuit.yaml", 7, 3};

static const char *in_folder(const char *name)
{
    static char path[4][128];
    static int next;
    char *p = path[next++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static int set_up(void **unused)
{
    (void)unused;
    e = ap_err_create();
    return !e || !mkdtemp(folder);
}

static int tear_down(void **unused)
{
    (void)unused;
    ap_err_free(e);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static int clear(void **unused)
{
    (void)unused;
    e->n = 0;
    ap_mem_fail_at(0, false);
    return 0;
}

static int validator(const char *path, const char *more)
{
    char command[512];
    snprintf(command, sizeof command, "/usr/bin/python3 tests/cli/check_sonata.py %s %s 2>>%s/messages", path,
             more, folder);
    return system(command);
}

static void no_error(enum ap_code code)
{
    if (code != AP_OK || e->n)
        fail_msg("code %d: %s", code, e->n ? e->diag[0].text : "");
}

/* Writes a report of two populations: 3 nodes x 3 elements, 70 000 x 1, n frames each in uneven blocks. */
static void write_report(const char *path, double start, double dt, size_t n)
{
    enum { LARGE = 70000 };
    static double small[9], large[LARGE];
    struct ap_sonata *s;
    int a, b;
    no_error(ap_sonata_create(e, path, &s));
    struct ap_sonata_population p = {.name = "layer1.pyr",
                                     .variable = "v",
                                     .unit = "mV",
                                     .n_nodes = 3,
                                     .n_elements = 3,
                                     .element_ids = (uint32_t[]){0, 1, 2},
                                     .start = start,
                                     .dt = dt};
    no_error(ap_sonata_report(e, s, &p, &a));
    p = (struct ap_sonata_population){.name = "inter-neurons",
                                      .variable = "rate",
                                      .unit = "1/ms",
                                      .n_nodes = LARGE,
                                      .n_elements = 1,
                                      .element_ids = (uint32_t[]){0},
                                      .element_pos = (double[]){0.25},
                                      .start = start,
                                      .dt = dt};
    no_error(ap_sonata_report(e, s, &p, &b));
    for (size_t t = 0; t < n; t++) {
        for (int i = 0; i < 9; i++)
            small[i] = (double)t + 0.1 * i;
        for (int i = 0; i < LARGE; i++)
            large[i] = (double)t * 1000 + i;
        no_error(ap_sonata_append(e, s, a, 1, small));
        no_error(ap_sonata_append(e, s, b, 1, large));
    }
    assert_int_equal(access(path, F_OK), -1); /* nothing under its name before the end */
    no_error(ap_sonata_finish(e, s));
}

static void test_report_is_read_by_both_readers(void **unused)
{
    (void)unused;
    const char *path = in_folder("report.h5");
    write_report(path, 0, 0.1, 43); /* plain stop = N dt loses a frame in bmtk */
    assert_int_equal(validator(path, "43"), 0);
    char where[200];
    snprintf(where, sizeof where, "%s:/report/layer1_pyr/data", path);
    double out[43 * 9];
    no_error(ap_sonata_read_matrix(e, &at, where, 43, 9, out));
    for (int t = 0; t < 43; t++)
        for (int i = 0; i < 9; i++)
            assert_true(out[t * 9 + i] == (double)(float)(t + 0.1 * i));
    snprintf(where, sizeof where, "%s:/report/inter-neurons/data", path);
    double *large = ap_mem_array(e, 43 * 70000, sizeof *large, "test");
    no_error(ap_sonata_read_matrix(e, &at, where, 43, 70000, large));
    for (int i = 0; i < 43 * 70000; i++)
        assert_true(large[i] == i / 70000 * 1000.0 + i % 70000);
    ap_mem_free(large);
    assert_int_equal(access(in_folder(".apical-0.tmp"), F_OK), -1);
}

/* Frames given one at a time or many at once make the same file up to its chunks. */
static void test_blocks_of_any_size(void **unused)
{
    (void)unused;
    enum { N = 50000 };
    const char *path = in_folder("blocks.h5");
    static double values[N * 3], out[N * 3];
    for (int i = 0; i < N * 3; i++)
        values[i] = i;
    struct ap_sonata *s;
    int a;
    no_error(ap_sonata_create(e, path, &s));
    struct ap_sonata_population p = {.name = "p",
                                     .variable = "v",
                                     .unit = "1",
                                     .n_nodes = 3,
                                     .n_elements = 1,
                                     .element_ids = (uint32_t[]){0},
                                     .start = 12.5,
                                     .dt = 0.3};
    no_error(ap_sonata_report(e, s, &p, &a));
    for (size_t at_frame = 0, n = 1; at_frame < N; at_frame += n, n *= 5) {
        n = n < N - at_frame ? n : N - at_frame;
        no_error(ap_sonata_append(e, s, a, n, values + 3 * at_frame));
    }
    no_error(ap_sonata_append(e, s, a, 0, NULL));
    no_error(ap_sonata_finish(e, s));
    assert_int_equal(validator(path, "50000"), 0);
    char where[200];
    snprintf(where, sizeof where, "%s:/report/p/data", path);
    no_error(ap_sonata_read_matrix(e, &at, where, N, 3, out));
    assert_memory_equal(values, out, sizeof values);
}

static void test_report_without_frames(void **unused)
{
    (void)unused;
    write_report(in_folder("empty.h5"), 0, 1, 0);
    assert_int_equal(validator(in_folder("empty.h5"), "0"), 0);
}

/* The arithmetic of the two readers, for 16 000 pairs of dt and N. */
static void test_stop_gives_the_number_of_frames(void **unused)
{
    (void)unused;
    static const double steps[] = {0.001, 0.005, 0.01,  0.02, 0.025, 0.03, 0.05,    0.0625,
                                   0.07,  0.1,   0.125, 0.15, 0.2,   0.3,  1.0 / 3, 0.7};
    int pairs = 0, plain_is_wrong = 0;
    for (int k = 0; k < 16; k++)
        for (uint64_t n = 1; n <= 1000; n++, pairs++) {
            double dt = steps[k], start = k % 2 ? 0 : (double)(n % 7) * 0.3,
                   stop = ap_sonata_stop(start, dt, n);
            assert_true((uint64_t)((stop - start) / dt) == n);
            uint64_t looped = 0;
            for (double t = start; t < stop - 1e-6; t += dt)
                looped++;
            assert_true(looped == n);
            double plain = start + (double)n * dt;
            assert_true(stop >= plain && stop - plain <= 1e-12);
            plain_is_wrong += (uint64_t)((plain - start) / dt) != n;
        }
    assert_int_equal(pairs, 16000);
    assert_true(plain_is_wrong > 100); /* or this test could not fail */
    assert_true(ap_sonata_stop(5, 0.1, 0) == 5);
}

static void test_same_calls_same_bytes(void **unused)
{
    (void)unused;
    char *a, *b;
    size_t n, m;
    write_report(in_folder("one.h5"), 0, 0.5, 3);
    sleep(1); /* a time stamp would differ */
    write_report(in_folder("two.h5"), 0, 0.5, 3);
    no_error(ap_io_read(e, in_folder("one.h5"), SIZE_MAX, &a, &n));
    no_error(ap_io_read(e, in_folder("two.h5"), SIZE_MAX, &b, &m));
    assert_int_equal(n, m);
    assert_memory_equal(a, b, n);
    ap_mem_free(a);
    ap_mem_free(b);
}

static void test_bad_descriptions_are_refused(void **unused)
{
    (void)unused;
    const struct ap_sonata_population good = {.name = "a.b",
                                              .variable = "v",
                                              .unit = "mV",
                                              .n_nodes = 1,
                                              .n_elements = 1,
                                              .element_ids = (uint32_t[]){0},
                                              .dt = 1};
    struct ap_sonata *s;
    int a;
    no_error(ap_sonata_create(e, in_folder("bad.h5"), &s));
    no_error(ap_sonata_report(e, s, &good, &a));
    struct ap_sonata_population p = good;
    p.name = "a_b";
    assert_int_equal(ap_sonata_report(e, s, &p, &a), AP_EUSAGE);
    assert_non_null(strstr(e->diag[0].text, "already reported as a_b"));
    p.name = "";
    assert_int_equal(ap_sonata_report(e, s, &p, &a), AP_EUSAGE);
    p.name = "c";
    p.n_nodes = 0;
    assert_int_equal(ap_sonata_report(e, s, &p, &a), AP_EUSAGE);
    p.n_nodes = 1;
    p.dt = 0;
    assert_int_equal(ap_sonata_report(e, s, &p, &a), AP_EUSAGE);
    p.dt = (double)NAN;
    assert_int_equal(ap_sonata_report(e, s, &p, &a), AP_EUSAGE);
    p.dt = 1;
    ap_mem_fail_at(2, false);
    assert_int_equal(ap_sonata_report(e, s, &p, &a), AP_EMEMORY);
    ap_mem_fail_at(0, false);
    ap_sonata_discard(s);
    assert_int_equal(access(in_folder("bad.h5"), F_OK), -1);
    assert_int_equal(access(in_folder(".apical-0.tmp"), F_OK), -1);
    ap_sonata_discard(NULL);
    assert_int_equal(ap_sonata_create(e, in_folder("no/such/folder.h5"), &s), AP_EIO);
    assert_null(s);
}

static void test_weights_and_columns(void **unused)
{
    (void)unused;
    const struct ap_sonata_projection up = {"in.up", "in", "pyr", "basal", "1"};
    double w[6] = {1, 2, 3, 4, 5, 1e-300}, out[6];
    struct ap_sonata *s;
    no_error(ap_sonata_create(e, in_folder("weights.h5"), &s));
    no_error(ap_sonata_weights(e, s, &up, "initial", 2, 3, w));
    no_error(ap_sonata_weights(e, s, &up, "final", 2, 3, w));
    no_error(ap_sonata_column(e, s, "metrics", "loss", "1", 6, w));
    no_error(ap_sonata_column(e, s, "metrics", "empty", "ms", 0, NULL));
    assert_int_equal(ap_sonata_weights(e, s, &up, "final", 2, 3, w), AP_EUSAGE);
    assert_int_equal(ap_sonata_column(e, s, "metrics", "loss", "1", 6, w), AP_EUSAGE);
    e->n = 0;
    no_error(ap_sonata_finish(e, s));
    char where[200];
    snprintf(where, sizeof where, "%s:/weights/in_up/final", in_folder("weights.h5"));
    no_error(ap_sonata_read_matrix(e, &at, where, 2, 3, out));
    assert_memory_equal(w, out, sizeof w);
    no_error(ap_sonata_read_matrix(
        e, &at, strcat(strcpy(where, in_folder("weights.h5")), ":weights/in_up/initial"), 2, 3, out));
    char command[700];
    snprintf(command, sizeof command,
             "/usr/bin/python3 -c \"import h5py; f = h5py.File('%s'); d = f['weights/in_up/final']; "
             "assert d.dtype == '<f8' and d.shape == (2, 3) and dict(d.attrs) == "
             "{'source': 'in', 'target': 'pyr', 'compartment': 'basal', 'unit': '1'}; "
             "assert f['metrics/loss'][5] == 1e-300 and f['metrics/empty'].shape == (0,) and "
             "f['metrics/empty'].attrs['unit'] == 'ms'\"",
             in_folder("weights.h5"));
    assert_int_equal(system(command), 0);
}

static void refused(const char *dataset, size_t rows, size_t cols, const char *words, const char *hint)
{
    char where[300];
    double out[64];
    snprintf(where, sizeof where, "%s:%s", in_folder("odd.h5"), dataset);
    e->n = 0;
    assert_int_equal(ap_sonata_read_matrix(e, &at, where, rows, cols, out), AP_EIO);
    assert_int_equal(e->n, 1);
    if (!strstr(e->diag[0].text, words) || !strstr(e->diag[0].hint, hint))
        fail_msg("%s (%s) lacks %s or %s", e->diag[0].text, e->diag[0].hint, words, hint);
    assert_int_equal(e->diag[0].line, 7);
    assert_string_equal(e->diag[0].file, "circuit.yaml");
}

static void test_reader_refuses(void **unused)
{
    (void)unused;
    char command[1400];
    snprintf(
        command, sizeof command,
        "/usr/bin/python3 -c \"import h5py, numpy as n; f = h5py.File('%s', 'w'); f['a/m'] = n.ones((2, 3)); "
        "f['v'] = n.ones(6); f['s'] = 1.0; f['i'] = n.ones((2, 3), 'i4'); f['h'] = n.ones((2, 3), 'f2'); "
        "x = n.ones((2, 3)); x[1, 2] = n.nan; f['nan'] = x; x[0, 1] = n.inf; f['inf'] = x; f['f'] = "
        "n.ones((2, 3), '>f4'); "
        "f['out'] = h5py.ExternalLink('weights.h5', '/weights/in_up/final'); f['soft'] = "
        "h5py.SoftLink('/gone'); f.create_dataset('raw', (2, 3), 'f8', external=[('/etc/passwd', 0, 48)]); l "
        "= h5py.VirtualLayout((2, 3), 'f8'); l[:] = h5py.VirtualSource('weights.h5', '/weights/in_up/final', "
        "(2, 3)); f.create_virtual_dataset('virtual', l)\"",
        in_folder("odd.h5"));
    assert_int_equal(system(command), 0);
    refused("/b", 2, 3, "no dataset /b", "h5ls");
    refused("/b/c/d", 2, 3, "no dataset /b/c/d", "h5ls");
    refused("/a", 2, 3, "no dataset /a", "h5ls");
    refused("/", 2, 3, "no dataset /", "h5ls");
    refused("/soft", 2, 3, "no dataset", "h5ls");
    refused("/out", 2, 3, "no dataset", "h5ls");
    refused("/a/m", 3, 2, "found 2 x 3, expected 3 x 2", "transpose");
    refused("/a/m", 2, 4, "found 2 x 3, expected 2 x 4", "");
    refused("/raw", 2, 3, "in other files", "copy");
    refused("/virtual", 2, 3, "in other files", "copy");
    refused("/v", 2, 3, "found 1 dimensions, expected 2", "");
    refused("/s", 2, 3, "found 0 dimensions, expected 2", "");
    refused("/i", 2, 3, "not 32- or 64-bit floats", "");
    refused("/h", 2, 3, "not 32- or 64-bit floats", "");
    refused("/nan", 2, 3, "nan at [1][2]", "");
    refused("/inf", 2, 3, "inf at [0][1]", "");
    double out[6];
    char where[200];
    e->n = 0;
    snprintf(where, sizeof where, "%s:/f", in_folder("odd.h5"));
    no_error(ap_sonata_read_matrix(e, &at, where, 2, 3, out));
    assert_true(out[5] == 1);
    no_error(ap_io_write(e, in_folder("odd.h5"), "no HDF5", 7));
    refused("/a/m", 2, 3, "not an HDF5 file", "");
    no_error(ap_io_write((e->n = 0, e), in_folder("odd.h5"), "", 0));
    refused("/a/m", 2, 3, "not an HDF5 file", "");
    unlink(in_folder("odd.h5"));
    refused("/a/m", 2, 3, "No such file", "");
    refused("/x", 2, 3, "No such file", "");
    assert_int_equal(ap_sonata_read_matrix(e, &at, "weights.h5", 2, 3, out), AP_EUSAGE);
    assert_int_equal(ap_sonata_read_matrix(e, &at, ":/a", 2, 3, out), AP_EUSAGE);
    assert_int_equal(ap_sonata_read_matrix(e, &at, "a:", 2, 3, out), AP_EUSAGE);
    assert_int_equal(ap_sonata_read_matrix(NULL, NULL, "a:b", 2, 3, out), AP_EIO);
}

/* The validator is worth something only if it objects. */
static void test_validator_objects(void **unused)
{
    (void)unused;
    static const char *const breakages[] = {
        "del f.attrs['magic']; f.attrs['magic'] = 0x0A7A",
        "f.attrs['version'] = n.array([1, 0], 'u4')",
        "del f['report/p/data'].attrs['units']",
        "f['report/p/data'].attrs['units'] = n.bytes_('mV')",
        "del f['report/p/mapping/time'].attrs['units']",
        "f['report/p/mapping/time'][1] = 43 * 0.1",
        "f['report/p/mapping/time'][1] = 4.4",
        "del f['report/p/mapping/element_pos']",
        "del f['report/p/mapping/index_pointer']",
        "m = f['report/p']['mapping']; k = 'index_pointers'; v = m[k][:-1]; del m[k]; m[k] = v",
        "f['report/p/mapping/element_ids'][:3] = [0, 1, 0]",
        "f['report/p/mapping/node_ids'][:] = [1, 0]",
        "f['report/p.q'] = f['report/p']",
    };
    struct ap_sonata_population p = {.name = "p",
                                     .variable = "v",
                                     .unit = "mV",
                                     .n_nodes = 2,
                                     .n_elements = 3,
                                     .element_ids = (uint32_t[]){0, 1, 2},
                                     .dt = 0.1};
    struct ap_sonata *s;
    int a;
    double frames[43 * 6] = {0};
    no_error(ap_sonata_create(e, in_folder("good.h5"), &s));
    no_error(ap_sonata_report(e, s, &p, &a));
    no_error(ap_sonata_append(e, s, a, 43, frames));
    no_error(ap_sonata_finish(e, s));
    assert_int_equal(validator(in_folder("good.h5"), "43"), 0);
    assert_int_not_equal(validator(in_folder("good.h5"), "42"), 0);
    FILE *script = fopen(in_folder("break.py"), "w");
    assert_non_null(script);
    fprintf(script, "import h5py, numpy as n, runpy, shutil, sys\n"
                    "def objects(path):\n"
                    "    sys.argv = ['check', path]\n"
                    "    try:\n"
                    "        runpy.run_path('tests/cli/check_sonata.py')\n"
                    "    except SystemExit as stop:\n"
                    "        return stop.code\n");
    for (size_t i = 0; i < sizeof breakages / sizeof *breakages; i++)
        fprintf(script,
                "shutil.copy('%s', '%s')\nwith h5py.File('%s', 'r+') as f:\n    %s\n"
                "if not objects('%s'): sys.exit('breakage %zu passes')\n",
                in_folder("good.h5"), in_folder("broken.h5"), in_folder("broken.h5"), breakages[i],
                in_folder("broken.h5"), i);
    fclose(script);
    char command[200];
    snprintf(command, sizeof command, "/usr/bin/python3 %s", in_folder("break.py"));
    assert_int_equal(system(command), 0);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit now;
    getrlimit(RLIMIT_FSIZE, &now);
    now.rlim_cur = bytes < now.rlim_max ? bytes : now.rlim_max;
    setrlimit(RLIMIT_FSIZE, &now);
}

/* HDF5 ends under the limit; what a coverage build writes after it must not be cut off. */
static void lift_limit(void)
{
    limit_files(RLIM_INFINITY);
}

/* A disk that fills up, here a limit on file sizes: an error at the latest in finish, and no file. In a
 * child, because HDF5 may not recover. */
static void test_full_disk_leaves_no_file(void **unused)
{
    (void)unused;
    for (rlim_t limit = 1000; limit < 3000000; limit = limit * 5 / 2) {
        const char *path = in_folder("full.h5");
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            signal(SIGXFSZ, SIG_IGN);
            limit_files(limit);
            static double frames[1000 * 1000];
            struct ap_sonata *s;
            int a;
            struct ap_sonata_population p = {.name = "p",
                                             .variable = "v",
                                             .unit = "mV",
                                             .n_nodes = 1000,
                                             .n_elements = 1,
                                             .element_ids = (uint32_t[]){0},
                                             .dt = 1};
            enum ap_code code = ap_sonata_create(e, path, &s);
            if (code == AP_OK) {
                code = ap_sonata_report(e, s, &p, &a);
                if (code == AP_OK)
                    code = ap_sonata_append(e, s, a, 1000, frames);
                if (code == AP_OK)
                    code = ap_sonata_finish(e, s);
                else
                    ap_sonata_discard(s);
            }
            exit(code == AP_EIO && e->n >= 1 ? 0 : 1); /* not _exit: HDF5 cleans up too */
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        assert_int_equal(access(path, F_OK), -1);
    }
}

int main(void)
{
    atexit(lift_limit); /* before HDF5 is there, so it comes after HDF5's own end */
#define TEST(f) cmocka_unit_test_setup(f, clear)
    const struct CMUnitTest tests[] = {
        TEST(test_report_is_read_by_both_readers),
        TEST(test_blocks_of_any_size),
        TEST(test_report_without_frames),
        TEST(test_stop_gives_the_number_of_frames),
        TEST(test_same_calls_same_bytes),
        TEST(test_bad_descriptions_are_refused),
        TEST(test_weights_and_columns),
        TEST(test_reader_refuses),
        TEST(test_validator_objects),
        TEST(test_full_disk_leaves_no_file),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
