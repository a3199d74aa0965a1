/* Figures of a small run: every kind draws, the same bytes twice; missing and broken data. */
#include "harness.h"

#include <png.h>

#include "cmap.h"
#include "figure.h"
#include "io.h"

static const char TEXT[] =
    "version: 1\nname: figures\nseed: 5\nmicrocircuit:\n  layers: [16, 5, 4]\n"
    "  weights: {forward: uniform(-1, 1), feedback: uniform(-1, 1)}\n  plasticity: {forward: 0.1 /ms}\n"
    "stimulus: {kind: random, fresh: on}\ntarget: {kind: random, range: [0.1, 0.9], fresh: on}\n"
    "schedule: [{name: a, presentations: 3, duration: 5 ms}, {name: b, presentations: 2, duration: 5 ms, "
    "teacher: off}]\n"
    "integrator: {kind: euler}\nrecord: {of: [hidden1.pyr, output, target], every: 0.5 ms}\n"
    "probes: [{kind: class-error, of: output}, {kind: squared-potential, of: hidden1.pyr/apical, name: "
    "error}]\n"
    "readouts: [{name: all, of: hidden1.pyr, groups: {plus: \"hidden1.pyr[0:2]\", minus: "
    "\"hidden1.pyr[3:5]\"}}, {name: seen, "
    "kind: calcium, of: hidden1.pyr, during: b}]\n"
    "figures:\n  - weights\n  - receptive-fields\n  - {kind: voltage, of: [hidden1.pyr, \"output[1:3]\"], "
    "during: a}\n"
    "  - {kind: apical-error, of: hidden1.pyr, limit: 1}\n  - {kind: traces, of: [\"hidden1.pyr[0:2]\", "
    "output]}\n"
    "  - {kind: learning-curve, log: on}\n  - {kind: confusion, during: a}\n"
    "  - {kind: weights, projections: [forward1], name: one, range: 2}\n"
    "  - {kind: residual, range: 1}\n  - {kind: cancellation, of: hidden1.pyr}\n";
enum { FIGURES = 10 };

static struct ap_err *e;
static char folder[] = P_tmpdir "/apical-test-XXXXXX", again[] = P_tmpdir "/apical-test-XXXXXX";

static char *read_whole(const char *where, const char *name, size_t *n)
{
    char path[256], *data;
    snprintf(path, sizeof path, "%s/%s", where, name);
    if (ap_io_read(e, path, 1 << 24, &data, n) != AP_OK)
        fail_msg("no %s", path);
    return data;
}

/* A log made by running `blocks` places of the program; change may edit a frame before it is written. */
static void make(const char *text, int blocks, bool ends, void (*change)(struct ap_sim *x))
{
    struct ap_sim x;
    char log[96];
    struct ap_spec *s = ap_spec_parse("t.yaml", text, strlen(text), NULL, 0, e);
    snprintf(log, sizeof log, "%s/run.log", folder);
    unlink(log);
    if (!s || ap_sim_open(e, &x, s) != AP_OK || ap_sim_record(e, &x, log) != AP_OK)
        fail_msg("%s", ap_err_message(e, 0));
    for (int p = 0; p < blocks; p++)
        for (uint64_t k = 0; k < (uint64_t)s->block[s->program[p]].presentations; k++)
            assert_int_equal(ap_sim_present(e, &x, p, k), AP_OK);
    if (change)
        change(&x);
    if (ends)
        assert_int_equal(ap_record_weights(e, &x.recorder, "final"), AP_OK);
    ap_sim_close(&x);
    ap_spec_free(s);
}

static enum ap_code draw(const char *figure, const char *where, struct ap_file_list *files)
{
    struct ap_run run;
    memset(e, 0, sizeof *e);
    enum ap_code code = ap_runlog_read(e, &run, folder);
    assert_int_equal(code, AP_OK);
    code = ap_figure_draw(e, &run, figure, where, files);
    ap_runlog_free(&run);
    return code;
}

static void clear(const char *where, struct ap_file_list *files)
{
    for (int i = 0; i < files->n; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", where, files->name[i]);
        unlink(path);
    }
    ap_mem_free(files->name);
    *files = (struct ap_file_list){0};
}

static int begin(void **unused)
{
    (void)unused;
    e = ap_err_create();
    return mkdtemp(folder) && mkdtemp(again) ? 0 : -1;
}

static int finish(void **unused)
{
    (void)unused;
    char log[96];
    snprintf(log, sizeof log, "%s/run.log", folder);
    unlink(log);
    ap_err_free(e);
    return rmdir(folder) | rmdir(again);
}

static void test_every_kind_draws_the_same_twice(void **unused)
{
    (void)unused;
    make(TEXT, 2, true, NULL);
    struct ap_file_list one = {0}, two = {0};
    assert_int_equal(draw(NULL, folder, &one), AP_OK);
    assert_int_equal(draw(NULL, again, &two), AP_OK);
    assert_true(one.n == FIGURES && two.n == FIGURES);
    for (int i = 0; i < one.n; i++) {
        assert_string_equal(one.name[i], two.name[i]);
        size_t n, m;
        char *a = read_whole(folder, one.name[i], &n), *b = read_whole(again, two.name[i], &m);
        assert_true(n == m && n > 4000 && memcmp(a, b, n) == 0 && memcmp(a, "\x89PNG", 4) == 0);
        assert_non_null(memmem(a, n, "apical", 6)); /* the text chunks */
        for (int k = 0; k < i; k++)
            assert_string_not_equal(one.name[i], one.name[k]);
        ap_mem_free(a);
        ap_mem_free(b);
    }
    clear(folder, &one);
    clear(again, &two);
    for (int i = 0; i < ap_figure_table.n; i++) { /* by kind, and listed or not all kinds are covered */
        struct ap_file_list files = {0};
        const char *kind = ap_registry_row(&ap_figure_table, i)->name;
        assert_int_equal(draw(kind, folder, &files), AP_OK);
        assert_int_equal(files.n, strcmp(kind, "weights") == 0 ? 2 : 1);
        clear(folder, &files);
    }
    assert_int_equal(draw("one", folder, &one), AP_OK); /* by name */
    assert_true(one.n == 1);
    assert_string_equal(one.name[0], "one.png");
    clear(folder, &one);
    assert_int_equal(draw("volage", folder, &one), AP_EUSAGE);
    assert_non_null(strstr(ap_err_hint(e, 0), "voltage"));
}

static void test_kinds_that_are_not_listed(void **unused)
{
    (void)unused;
    char text[2048];
    const char *figures = strstr(TEXT, "figures:\n");
    snprintf(text, sizeof text, "%.*s", (int)(figures - TEXT), TEXT);
    make(text, 2, true, NULL);
    for (int i = 0; i < ap_figure_table.n; i++) {
        struct ap_file_list files = {0};
        if (draw(ap_registry_row(&ap_figure_table, i)->name, folder, &files) != AP_OK)
            fail_msg("%s: %s", ap_registry_row(&ap_figure_table, i)->name, ap_err_message(e, 0));
        assert_int_equal(files.n, 1);
        clear(folder, &files);
    }
}

static void test_missing_data(void **unused)
{
    (void)unused;
    struct ap_file_list files = {0};
    make(TEXT, 0, false, NULL); /* initial weights and nothing else */
    static const char *const KINDS[] = {"receptive-fields", "voltage",        "apical-error",
                                        "traces",           "learning-curve", "confusion"};
    for (int i = 0; i < 6; i++) {
        assert_int_equal(draw(KINDS[i], folder, &files), AP_EUSAGE);
        assert_non_null(strstr(ap_err_message(e, 0), "the run holds no"));
        assert_int_equal(files.n, 0);
    }
    assert_int_equal(draw("weights", folder, &files), AP_OK); /* what there is: those at the start */
    assert_int_equal(files.n, 2);
    clear(folder, &files);
    assert_int_equal(draw(NULL, folder, &files),
                     AP_OK); /* a run cut short: what it did not come to is left out */
    assert_true(files.n == 2 && e->n == 0);
    clear(folder, &files);
    /* A circuit that records, probes and connects nothing that a figure could show. */
    make("version: 1\nname: none\npopulations:\n  i: {cell: clamped, size: 3}\n  o: {cell: output, size: 3}\n"
         "projections:\n  - {name: p, from: i, to: o/basal, connect: one-to-one, weights: constant(1)}\n"
         "stimuli: {s: {of: i, kind: random}}\nschedule: [{name: a, presentations: 1, duration: 1 ms}]\n",
         1, true, NULL);
    for (int i = 0; i < ap_figure_table.n; i++) {
        assert_int_equal(draw(ap_registry_row(&ap_figure_table, i)->name, folder, &files), AP_EUSAGE);
        assert_int_equal(files.n, 0);
    }
}

/* ---- broken values ----------------------------------------------------------------------------------- */

static struct ap_cmap_rgb *decode(const char *name, int *w, int *h)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    png_image image = {.version = PNG_IMAGE_VERSION};
    assert_int_equal(png_image_begin_read_from_file(&image, path), 1);
    image.format = PNG_FORMAT_RGB;
    struct ap_cmap_rgb *pixels = malloc(PNG_IMAGE_SIZE(image));
    assert_int_equal(png_image_finish_read(&image, NULL, pixels, 0, NULL), 1);
    *w = (int)image.width;
    *h = (int)image.height;
    return pixels;
}

static int differences(const char *figure, const char *name, void (*change)(struct ap_sim *x))
{
    struct ap_file_list files = {0};
    int w, h, v, n = 0;
    make(TEXT, 2, true, NULL);
    assert_int_equal(draw(figure, folder, &files), AP_OK);
    struct ap_cmap_rgb *before = decode(name, &w, &h);
    clear(folder, &files);
    make(TEXT, 1, true, change);
    enum ap_code code = draw(figure, folder, &files);
    if (code != AP_OK)
        fail_msg("%s", ap_err_message(e, 0));
    struct ap_cmap_rgb *after = decode(name, &v, &h);
    for (int i = 0; v == w && i < w * h; i++)
        n += memcmp(&before[i], &after[i], sizeof *before) != 0;
    free(before);
    free(after);
    clear(folder, &files);
    return v == w ? n : -1;
}

/* Writes the second block's presentations by hand, with the value `broken` in the frames. */
static double broken;
static int every;

static void append_broken(struct ap_sim *x)
{
    const struct ap_spec *s = x->spec;
    struct ap_recorder *r = &x->recorder;
    for (uint64_t k = 0; k < 2; k++) {
        const struct ap_presented p = {1, 1, k, k, 15 + 5 * (double)k, 5};
        double columns[4] = {broken, broken, broken, broken};
        assert_int_equal(
            ap_runlog_append(e, &r->log, AP_BLOCK_PRESENTATION, &p, sizeof p, columns, sizeof columns),
            AP_OK);
        struct ap_frames f = {0, 10, r->width[0], 3 + k};
        double *v = calloc(10 * f.n_values, sizeof *v);
        for (size_t i = 0; i < 10 * f.n_values; i++)
            v[i] = (int)i % every == 0 ? broken : 0.1 * (double)(i % 7);
        assert_int_equal(
            ap_runlog_append(e, &r->log, AP_BLOCK_FRAMES, &f, sizeof f, v, 10 * f.n_values * sizeof *v),
            AP_OK);
        free(v);
    }
    assert_int_equal(s->n_report, 1);
}

/* Pixels of the hatch's colour in the panel of block b. */
static int hatch(void)
{
    struct ap_file_list files = {0};
    int w, h, n = 0;
    make(TEXT, 1, true, append_broken);
    if (draw("apical-error", folder, &files) != AP_OK)
        fail_msg("%s", ap_err_message(e, 0));
    struct ap_cmap_rgb *p = decode(files.name[0], &w, &h);
    for (int y = 0; y < h; y++)
        for (int x = w / 2; x < w; x++)
            n += memcmp(&p[y * w + x], &AP_CMAP_NAN, 3) == 0;
    free(p);
    clear(folder, &files);
    return n;
}

static void test_broken_values_show_as_hatch(void **unused)
{
    (void)unused;
    broken = 0.3, every = 2;
    int finite = hatch();
    broken = NAN;
    int some = hatch();
    every = 1;
    int all = hatch(); /* nothing but NaN: the panel is there, all hatch */
    assert_true(finite == 0 && some > 5000 && all > 1.8 * some);
    /* Every kind survives values that are no numbers, in frames and in probes. */
    static const double BROKEN[] = {NAN, -INFINITY, 1e200};
    for (int b = 0; b < 3; b++) {
        broken = BROKEN[b];
        for (every = b ? 3 : 1; every <= 3; every += 2) {
            struct ap_file_list files = {0};
            make(TEXT, 1, true, append_broken);
            enum ap_code code = draw(NULL, folder, &files);
            if (code != AP_OK)
                fail_msg("%g: %s", broken, ap_err_message(e, 0));
            assert_int_equal(files.n, FIGURES);
            clear(folder, &files);
        }
    }
}

static void test_pictures_depend_on_the_data(void **unused)
{
    (void)unused;
    broken = 0.7, every = 2;
    assert_true(differences("apical-error", "apical-error-hidden1.pyr.png", append_broken) > 500);
    assert_true(differences("learning-curve", "learning-curve.png", append_broken) > 50);
}

/* ---- interventions ----------------------------------------------------------------------------------- */

/* Pixels of one colour. */
static int count(const struct ap_cmap_rgb *p, int n, struct ap_cmap_rgb colour)
{
    int found = 0;
    for (int i = 0; i < n; i++)
        found += memcmp(&p[i], &colour, sizeof colour) == 0;
    return found;
}

/* A stretch in which an intervention acts is shaded, darker where the teacher's shade lies below; titles name it. */
static void test_interventions_leave_a_mark(void **unused)
{
    (void)unused;
    static const char ACTS[] =
        "interventions:\n  - {name: quiet, kind: scale, projection: feedback1, factor: 1, "
        "from: 1 ms, until: 3 ms, during: %s}\n";
    static const char *const BLOCK[] = {NULL, "a", "b"};
    const struct ap_cmap_rgb light = {0xE9, 0xEC, 0xF1}, dark = {0xD2, 0xD9, 0xE6};
    static const char *const KIND[] = {"traces", "voltage"}, *const FILE[] = {"traces.png", "voltage.png"};
    for (int k = 0; k < 2; k++) {
        struct ap_cmap_rgb *picture[3];
        int w = 0, h = 0, n_light[3], n_dark[3];
        for (int i = 0; i < 3; i++) {
            struct ap_file_list files = {0};
            char text[4096], acts[256];
            snprintf(acts, sizeof acts, ACTS, BLOCK[i] ? BLOCK[i] : "");
            snprintf(text, sizeof text, "%s%s", TEXT, i ? acts : "");
            make(text, 2, true, NULL);
            assert_int_equal(draw(KIND[k], folder, &files), AP_OK);
            picture[i] = decode(FILE[k], &w, &h);
            n_light[i] = count(picture[i], w * h, light);
            n_dark[i] = count(picture[i], w * h, dark);
            clear(folder, &files);
        }
        if (k == 0) {
            assert_true(n_dark[0] == 0 && n_dark[1] > 1000 && n_dark[2] == 0);
            assert_true(n_light[1] < n_light[0] - 1000 && n_light[2] > n_light[0] + 1000);
        } else { /* the map of block a alone; between headline and plot stands the panel's title */
            size_t from = 55 * (size_t)w, size = 55 * (size_t)w * sizeof **picture;
            assert_true(memcmp(picture[0] + from, picture[1] + from, size) != 0);
            assert_true(memcmp(picture[0] + from, picture[2] + from, size) == 0);
        }
        for (int i = 0; i < 3; i++)
            free(picture[i]);
    }
}

/* A figure whose text or array found no memory is not written: once a page without its labels passed for whole. */
static void test_no_memory_no_picture(void **unused)
{
    (void)unused;
    make(TEXT, 2, true, NULL);
    struct ap_run run;
    memset(e, 0, sizeof *e);
    assert_int_equal(ap_runlog_read(e, &run, folder), AP_OK);
    for (int f = 0; f < run.spec->n_figure; f++) {
        int failed = 0;
        for (long nth = 1;; nth++) {
            struct ap_file_list files = {0};
            e->n = 0;
            ap_mem_fail_at(nth, nth % 2);
            enum ap_code code = ap_figure_draw(e, &run, run.spec->figure[f].name, folder, &files);
            bool fired = ap_mem_fail_at(0, false) == 0 || e->n > 0;
            assert_int_equal(code, fired ? AP_EMEMORY : AP_OK);
            clear(folder, &files);
            char path[256];
            snprintf(path, sizeof path, "%s/%s.png", folder, run.spec->figure[f].name);
            unlink(path); /* whole, when only its name found no place in the list */
            if (!fired)
                break;
            failed++;
        }
        assert_true(failed > 3);
    }
    ap_runlog_free(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_draws_the_same_twice),
        cmocka_unit_test(test_kinds_that_are_not_listed),
        cmocka_unit_test(test_missing_data),
        cmocka_unit_test(test_broken_values_show_as_hatch),
        cmocka_unit_test(test_pictures_depend_on_the_data),
        cmocka_unit_test(test_interventions_leave_a_mark),
        cmocka_unit_test(test_no_memory_no_picture),
    };
    return cmocka_run_group_tests(tests, begin, finish);
}
