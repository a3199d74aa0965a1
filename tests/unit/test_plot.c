/* test_plot.c: font, colour maps, ticks, canvas, PNG, pages. Pictures are judged by decoded pixels. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <png.h>

#include "axes.h"
#include "io.h"
#include "mem.h"
#include "tick.h"

static struct ap_err err;

static int setup(void **state)
{
    (void)state;
    memset(&err, 0, sizeof err);
    return 0;
}

static struct ap_cmap_rgb pixel(const struct ap_canvas *c, int x, int y)
{
    const uint8_t *p = c->rgb + 3 * ((size_t)y * (size_t)c->w + (size_t)x);
    return (struct ap_cmap_rgb){p[0], p[1], p[2]};
}

static bool same(struct ap_cmap_rgb a, struct ap_cmap_rgb b)
{
    return a.r == b.r && a.g == b.g && a.b == b.b;
}

static int count(const struct ap_canvas *c, struct ap_cmap_rgb colour)
{
    int n = 0;
    for (int y = 0; y < c->h; y++)
        for (int x = 0; x < c->w; x++)
            n += same(pixel(c, x, y), colour);
    return n;
}

static struct ap_canvas draw(const struct ap_axes_page *page)
{
    struct ap_canvas c;
    assert_int_equal(ap_axes_draw(&err, page, &c), AP_OK);
    assert_int_equal(err.n, 0);
    return c;
}

/* ---- Font ------------------------------------------------------------------------------------------ */

static void test_font_has_every_promised_glyph(void **state)
{
    (void)state;
    static const char promised[] = "µ°Δδηθφσττλ²‖±×−→·–—…⁰¹³⁴⁵⁶⁷⁸⁹⁻";
    struct ap_font_glyph glyph;
    for (uint32_t code = 0x20; code < 0x7F; code++)
        assert_true(ap_font_find(code, &glyph));
    for (const char *c = promised; *c;)
        assert_true(ap_font_find(ap_font_next(&c), &glyph));
}

static void test_font_glyphs_differ(void **state)
{
    (void)state;
    struct ap_font_glyph a, b;
    for (uint32_t i = 0x21; i < 0x7F; i++)
        for (uint32_t k = i + 1; k < 0x7F; k++) {
            ap_font_find(i, &a);
            ap_font_find(k, &b);
            assert_true(memcmp(&a, &b, sizeof a) != 0);
        }
    for (uint32_t i = '1'; i <= '9'; i++) { /* columns of numbers line up */
        ap_font_find('0', &a);
        ap_font_find(i, &b);
        assert_int_equal(a.width, b.width);
    }
}

static void test_font_missing_glyph_is_a_box(void **state)
{
    (void)state;
    struct ap_font_glyph glyph;
    static const uint32_t missing[] = {0, 1, 7, 27, 0x7F, 0x85, 0x4E2D, 0xFFFD, 0x202E, 0x10FFFF};
    for (size_t i = 0; i < sizeof missing / sizeof missing[0]; i++) {
        assert_false(ap_font_find(missing[i], &glyph));
        assert_true(glyph.ink[0][0] && glyph.ink[8][5] && !glyph.ink[4][3]);
    }
}

static void test_font_decodes_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t code;
        int bytes;
    } cases[] = {{"A", 'A', 1},
                 {"µ", 0xB5, 2},
                 {"→", 0x2192, 3},
                 {"\xF0\x9F\x98\x80", 0x1F600, 4},
                 {"\x80", 0xFFFD, 1},
                 {"\xC0\x80", 0xFFFD, 1},
                 {"\xE2\x86", 0xFFFD, 1},
                 {"\xED\xA0\x80", 0xFFFD, 1},
                 {"\xFF", 0xFFFD, 1},
                 {"\xF4\x90\x80\x80", 0xFFFD, 1},
                 {"\xE0\x80\x80", 0xFFFD, 1},
                 {"", 0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *c = cases[i].text;
        assert_int_equal(ap_font_next(&c), cases[i].code);
        assert_int_equal(c - cases[i].text, cases[i].bytes);
    }
}

static void test_font_width_and_ellipsis(void **state)
{
    (void)state;
    struct ap_font one = {.scale = 1}, three = {.scale = 3};
    char out[64];
    assert_int_equal(ap_font_width("", one), 0);
    assert_int_equal(ap_font_width(NULL, one), 0);
    assert_int_equal(ap_font_width("00", one), 6 + 1 + 6);
    assert_int_equal(ap_font_width("00", three), 3 * ap_font_width("00", one));
    assert_true(ap_font_width("00", (struct ap_font){1, true}) > ap_font_width("00", one));
    static const char text[] = "weight of synapse µ → soma";
    int whole = ap_font_width(text, one);
    for (int width = -3; width <= whole + 2; width++) {
        int got = ap_font_fit(text, one, width, out, sizeof out);
        assert_int_equal(got, ap_font_width(out, one));
        assert_true(got <= width || got == 0);
        size_t n = strlen(out);
        if (width >= whole)
            assert_string_equal(out, text);
        else if (n)
            assert_string_equal(out + n - 3, "…");
        for (const char *c = out; *c;) /* no character was cut in two */
            assert_int_not_equal(ap_font_next(&c), 0xFFFD);
    }
    for (size_t size = 0; size < sizeof out; size++) {
        memset(out, 'Z', sizeof out);
        ap_font_fit(text, one, 10000, out, size);
        assert_true(size == 0 || strlen(out) < size);
    }
}

/* ---- Colour maps ----------------------------------------------------------------------------------- */

static void test_cmap_lightness(void **state)
{
    (void)state;
    struct ap_cmap map;
    ap_cmap_fill(&map, AP_CMAP_VIRIDIS);
    for (int i = 1; i < AP_CMAP_N; i++)
        assert_true(ap_cmap_lightness(map.rgb[i]) > ap_cmap_lightness(map.rgb[i - 1]) - 0.15);
    for (int i = 4; i < AP_CMAP_N; i++)
        assert_true(ap_cmap_lightness(map.rgb[i]) > ap_cmap_lightness(map.rgb[i - 4]));
    ap_cmap_fill(&map, AP_CMAP_GREY);
    for (int i = 4; i < AP_CMAP_N; i++)
        assert_true(ap_cmap_lightness(map.rgb[i]) > ap_cmap_lightness(map.rgb[i - 4]));
    ap_cmap_fill(&map, AP_CMAP_COUNTS);
    for (int i = 4; i < AP_CMAP_N; i++)
        assert_true(ap_cmap_lightness(map.rgb[i]) < ap_cmap_lightness(map.rgb[i - 4]));
    ap_cmap_fill(&map, AP_CMAP_DIVERGING);
    int centre = AP_CMAP_N / 2;
    for (int i = 4; i <= centre; i++) {
        assert_true(ap_cmap_lightness(map.rgb[i]) > ap_cmap_lightness(map.rgb[i - 4]));
        assert_true(ap_cmap_lightness(map.rgb[AP_CMAP_N - 1 - i]) >
                    ap_cmap_lightness(map.rgb[AP_CMAP_N + 3 - i]));
        double left = ap_cmap_lightness(map.rgb[i]), right = ap_cmap_lightness(map.rgb[AP_CMAP_N - 1 - i]);
        assert_true(fabs(left - right) < 1.5);
    }
    struct ap_cmap_rgb middle = map.rgb[centre], low = map.rgb[0], high = map.rgb[AP_CMAP_N - 1];
    assert_true(ap_cmap_lightness(middle) > 93);
    assert_true(abs(middle.r - middle.g) <= 1 && abs(middle.g - middle.b) <= 1);
    assert_true(low.b > low.r + 100 && high.r > high.b + 100);
}

static void test_cmap_viridis_landmarks(void **state)
{
    (void)state;
    static const int known[][4] = {
        {0, 68, 1, 84}, {64, 59, 82, 139}, {128, 33, 145, 140}, {192, 94, 201, 98}, {255, 253, 231, 37}};
    struct ap_cmap map;
    ap_cmap_fill(&map, AP_CMAP_VIRIDIS);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct ap_cmap_rgb c = ap_cmap_at(&map, known[i][0] / 255.0);
        assert_true(abs(c.r - known[i][1]) <= 2 && abs(c.g - known[i][2]) <= 2 &&
                    abs(c.b - known[i][3]) <= 2);
    }
}

static void test_cmap_ends(void **state)
{
    (void)state;
    struct ap_cmap map;
    ap_cmap_fill(&map, AP_CMAP_DIVERGING);
    assert_true(same(ap_cmap_at(&map, -5), map.rgb[0]));
    assert_true(same(ap_cmap_at(&map, 1e300), map.rgb[AP_CMAP_N - 1]));
    assert_true(same(ap_cmap_at(&map, (double)NAN), AP_CMAP_NAN));
    assert_true(same(ap_cmap_ink_on(AP_CMAP_WHITE), AP_CMAP_SOMA));
    assert_true(same(ap_cmap_ink_on(AP_CMAP_SOMA), AP_CMAP_WHITE));
}

/* ---- Ticks ----------------------------------------------------------------------------------------- */

static void test_tick_tables(void **state)
{
    (void)state;
    static const struct {
        enum ap_tick_kind kind;
        double lo, hi;
        int max_n;
        const char *labels; /* joined by spaces */
        const char *factor;
    } cases[] = {
        {AP_TICK_LINEAR, 0, 1, 6, "0.0 0.2 0.4 0.6 0.8 1.0", ""},
        {AP_TICK_LINEAR, -1, 1, 5, "−1.0 −0.5 0.0 0.5 1.0", ""},
        {AP_TICK_LINEAR, 0, 400, 9, "0 50 100 150 200 250 300 350 400", ""},
        {AP_TICK_LINEAR, -70.3, -55.2, 4, "−70 −65 −60", ""},
        {AP_TICK_LINEAR, 0, 0.0005, 6, "0 100 200 300 400 500", "×10⁻⁶"},
        {AP_TICK_LINEAR, 0, 300000, 4, "0 100 200 300", "×10³"},
        {AP_TICK_LINEAR, 0, 1, 2, "0 1", ""},
        {AP_TICK_LINEAR, 0, 0.3, 4, "0.0 0.1 0.2 0.3", ""},
        {AP_TICK_INTEGER, -0.5, 3.5, 11, "0 1 2 3", ""},
        {AP_TICK_INTEGER, -0.5, 783.5, 5, "0 200 400 600", ""},
        {AP_TICK_LOG, 0.01, 100, 9, "0.01 0.1 1 10 100", ""},
        {AP_TICK_LOG, 1e-8, 1, 9, "10⁻⁸ 10⁻⁷ 10⁻⁶ 10⁻⁵ 10⁻⁴ 10⁻³ 10⁻² 10⁻¹ 10⁰", ""},
        {AP_TICK_LOG, 1e-8, 1, 5, "10⁻⁸ 10⁻⁶ 10⁻⁴ 10⁻² 10⁰", ""},
        {AP_TICK_LOG, 1.5, 70, 6, "2 5 10 20 50", ""},
        {AP_TICK_LOG, 0, 10, 6, "", ""},
        {AP_TICK_LINEAR, 1, 1, 6, "", ""},
        {AP_TICK_LINEAR, 0, INFINITY, 6, "", ""},
        {AP_TICK_LINEAR, NAN, 1, 6, "", ""},
        {AP_TICK_LINEAR, -1.7e308, 1.7e308, 6, "", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ap_tick_set set;
        char joined[AP_TICK_MAX * (AP_TICK_TEXT + 1)] = "";
        ap_tick_choose(&set, cases[i].kind, cases[i].lo, cases[i].hi, cases[i].max_n);
        for (int k = 0; k < set.n; k++) {
            strcat(joined, k ? " " : "");
            strcat(joined, set.label[k]);
        }
        assert_string_equal(joined, cases[i].labels);
        assert_string_equal(set.factor, cases[i].factor);
    }
}

static uint64_t random_state;

static uint64_t draw_bits(void) /* splitmix64 */
{
    uint64_t z = (random_state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static int below(int n)
{
    return (int)(draw_bits() % (uint64_t)n);
}

static double uniform(void)
{
    return (double)(draw_bits() >> 11) / 9007199254740992.0;
}

static void test_tick_properties(void **state)
{
    (void)state;
    random_state = 3;
    for (int i = 0; i < 20000; i++) {
        struct ap_tick_set set;
        double lo = (uniform() - 0.5) * pow(10, below(40) - 20),
               hi = lo + uniform() * pow(10, below(40) - 20);
        enum ap_tick_kind kind = (enum ap_tick_kind)below(3);
        int max_n = 1 + below(30);
        if (kind == AP_TICK_LOG)
            lo = fabs(lo);
        ap_tick_choose(&set, kind, lo, hi, max_n);
        assert_true(set.n <= max_n && set.n <= AP_TICK_MAX);
        for (int k = 0; k < set.n; k++) {
            double slack = 1e-5 * (hi - lo) + 1e-15 * fabs(hi);
            assert_true(set.value[k] >= lo - slack && set.value[k] <= hi + slack);
            assert_true(k == 0 || set.value[k] > set.value[k - 1]);
            assert_true(k == 0 || strcmp(set.label[k], set.label[k - 1]) != 0);
            assert_true(strcmp(set.label[k], "−0") != 0);
        }
    }
}

/* ---- Canvas ---------------------------------------------------------------------------------------- */

static void test_canvas_clips(void **state)
{
    (void)state;
    struct ap_canvas c;
    assert_int_equal(ap_canvas_create(&err, &c, 40, 30), AP_OK);
    struct ap_canvas_rect inner = {10, 8, 15, 12};
    ap_canvas_clip(&c, inner);
    static const double far[] = {-1e300,           -50,        -0.3, 12.5, 24.9, 41, 1e9, 1e300,
                                 (double)INFINITY, (double)NAN};
    int n = sizeof far / sizeof far[0];
    for (int i = 0; i < n * n * n * n; i++) {
        double x[3] = {far[i % n], far[i / n % n], 17}, y[3] = {far[i / n / n % n], far[i / n / n / n], 3};
        struct ap_canvas_stroke s = {AP_CMAP_SOMA, 1 + i % 5, i % 2 ? 3 : 0, 2};
        ap_canvas_line(&c, x[0], y[0], x[1], y[1], s);
        ap_canvas_triangle(&c, x, y, AP_CMAP_BASAL);
        ap_canvas_discs(&c, x, y, 3, 4, AP_CMAP_APICAL, 200);
    }
    ap_canvas_fill(&c, (struct ap_canvas_rect){-100, -100, 1000, 1000}, AP_CMAP_ORANGE, 255);
    ap_canvas_hatch(&c, (struct ap_canvas_rect){-2000000000, -5, 2100000000, 2100000000});
    ap_canvas_text(&c, -5, 12, AP_CANVAS_LEFT, "outside and inside", (struct ap_font){2, true}, AP_CMAP_SOMA);
    ap_canvas_text_up(&c, 14, 90, AP_CANVAS_LEFT, "outside and inside", (struct ap_font){2, true},
                      AP_CMAP_SOMA);
    for (int y = 0; y < c.h; y++)
        for (int x = 0; x < c.w; x++) {
            bool inside = x >= 10 && x < 25 && y >= 8 && y < 20;
            assert_true(inside || same(pixel(&c, x, y), AP_CMAP_WHITE));
            assert_int_equal(c.mask[y * c.w + x], 0);
        }
    ap_canvas_free(&c);
}

static void test_canvas_line_coverage(void **state)
{
    (void)state;
    struct ap_canvas c;
    assert_int_equal(ap_canvas_create(&err, &c, 100, 100), AP_OK);
    ap_canvas_line(&c, 10, 20.5, 90, 20.5, (struct ap_canvas_stroke){.colour = {0, 0, 0}, .width = 1});
    assert_int_equal(pixel(&c, 50, 20).r, 0);
    assert_int_equal(pixel(&c, 50, 19).r, 255);
    assert_int_equal(pixel(&c, 50, 21).r, 255);
    double x[3] = {10, 90, 10}, y[3] = {40, 80, 40}, ink = 0, ink_twice = 0;
    ap_canvas_polyline(&c, x, y, 2, (struct ap_canvas_stroke){.colour = {0, 0, 0}, .width = 2});
    for (int i = 0; i < 100 * 70; i++)
        ink += 255 - c.rgb[3 * (30 * 100 + i)];
    assert_true(fabs(ink / 255 - 2 * sqrt(80 * 80 + 40 * 40)) < 8); /* width times length */
    ap_canvas_fill(&c, (struct ap_canvas_rect){0, 0, 100, 100}, AP_CMAP_WHITE, 255);
    ap_canvas_polyline(&c, x, y, 3, (struct ap_canvas_stroke){.colour = {0, 0, 0}, .width = 2});
    for (int i = 0; i < 100 * 70; i++)
        ink_twice += 255 - c.rgb[3 * (30 * 100 + i)];
    assert_true(ink == ink_twice); /* going back over itself is not darker */
    ap_canvas_free(&c);
}

static void test_canvas_rotated_text_is_the_text_rotated(void **state)
{
    (void)state;
    static const char text[] = "Rate r_θ [Hz] gjpq";
    for (int scale = 1; scale <= 2; scale++) {
        struct ap_font font = {.scale = scale, .bold = scale == 1};
        struct ap_canvas flat, up;
        int w = ap_font_width(text, font) + 10 * scale, h = 20 * scale;
        assert_int_equal(ap_canvas_create(&err, &flat, w, h), AP_OK);
        assert_int_equal(ap_canvas_create(&err, &up, h, w), AP_OK);
        ap_canvas_text(&flat, 5, 12 * scale, AP_CANVAS_LEFT, text, font, AP_CMAP_SOMA);
        ap_canvas_text_up(&up, 12 * scale, w - 5, AP_CANVAS_LEFT, text, font, AP_CMAP_SOMA);
        assert_true(count(&flat, AP_CMAP_SOMA) > 100);
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++)
                assert_true(same(pixel(&flat, x, y), pixel(&up, y, w - 1 - x)));
        ap_canvas_free(&flat);
        ap_canvas_free(&up);
    }
}

/* ---- PNG ------------------------------------------------------------------------------------------- */

static void test_png_round_trip(void **state)
{
    (void)state;
    enum { W = 37, H = 23 };
    uint8_t rgb[H * W * 3], back[H * W * 3];
    random_state = 11;
    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] = (uint8_t)draw_bits();
    static const struct ap_pngout_text texts[] = {
        {"Title", "weights µ\n\x1b[31m"}, {"Software", "apical"}, {"Source", "0123abcd"}};
    char path[] = P_tmpdir "/test_plot_XXXXXX", *file;
    close(mkstemp(path));
    assert_int_equal(ap_pngout_write(&err, path, rgb, W, H, texts, 3), AP_OK);
    png_image image = {.version = PNG_IMAGE_VERSION};
    assert_true(png_image_begin_read_from_file(&image, path));
    assert_int_equal(image.width, W);
    assert_int_equal(image.height, H);
    image.format = PNG_FORMAT_RGB;
    assert_true(png_image_finish_read(&image, NULL, back, 0, NULL));
    assert_memory_equal(rgb, back, sizeof rgb);
    size_t size;
    assert_int_equal(ap_io_read(&err, path, 1 << 20, &file, &size), AP_OK);
    assert_non_null(memmem(file, size,
                           "tEXtSource\0"
                           "0123abcd",
                           19));
    assert_non_null(memmem(file, size, "weights µ??[31m", 16));
    assert_null(memmem(file, size, "\x1b[31m", 5));
    ap_mem_free(file);
    unlink(path);
}

static void test_png_refuses(void **state)
{
    (void)state;
    uint8_t rgb[3] = {0};
    char *data;
    size_t size;
    static const struct ap_pngout_text bad[] = {{"", "x"}, {" a", "x"}, {"a\n", "x"}, {NULL, "x"}};
    assert_int_equal(ap_pngout_encode(&err, rgb, 0, 1, NULL, 0, &data, &size), AP_EINTERNAL);
    assert_int_equal(ap_pngout_encode(&err, rgb, 1, 16385, NULL, 0, &data, &size), AP_EINTERNAL);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(ap_pngout_encode(&err, rgb, 1, 1, &bad[i], 1, &data, &size), AP_EINTERNAL);
    assert_int_equal(ap_pngout_write(&err, "/nonexistent/a.png", rgb, 1, 1, NULL, 0), AP_EIO);
}

/* ---- Pages ----------------------------------------------------------------------------------------- */

static struct ap_axes_panel heat_of(const double *values, size_t rows, size_t cols, enum ap_cmap_kind kind)
{
    return (struct ap_axes_panel){.kind = AP_AXES_HEAT,
                                  .heat = {.values = values, .rows = rows, .cols = cols, .cmap = kind}};
}

static void test_heat_colours_and_orientation(void **state)
{
    (void)state;
    static const double values[6] = {-1, 0, 1, 0.5, -0.5, 0}; /* [2][3] */
    struct ap_axes_panel panel = heat_of(values, 2, 3, AP_CMAP_DIVERGING);
    panel.heat.no_bar = true;
    struct ap_axes_page page = {.width = 400, .height = 300, .panels = &panel, .n_panels = 1};
    struct ap_canvas c = draw(&page);
    struct ap_cmap map;
    ap_cmap_fill(&map, AP_CMAP_DIVERGING);
    int first_x = -1, first_y = -1, last_x = 0, last_y = 0; /* the blue cell: upper left */
    for (int y = 0; y < c.h; y++)
        for (int x = 0; x < c.w; x++)
            if (same(pixel(&c, x, y), map.rgb[0])) {
                first_x = first_x < 0 ? x : first_x;
                first_y = first_y < 0 ? y : first_y;
                last_x = x;
                last_y = y;
            }
    int w = last_x - first_x + 1, h = last_y - first_y + 1;
    assert_true(w > 90 && h > 90);
    for (int r = 0; r < 2; r++)
        for (int k = 0; k < 3; k++)
            assert_true(same(pixel(&c, first_x + k * w + w / 2, first_y + r * h + h / 2),
                             ap_cmap_at(&map, (values[r * 3 + k] + 1) / 2)));
    ap_canvas_free(&c);
}

static void test_heat_nan_and_clipped_marks(void **state)
{
    (void)state;
    double values[400];
    for (int i = 0; i < 400; i++)
        values[i] = i / 400.0 - 0.5;
    struct ap_axes_panel panel = heat_of(values, 20, 20, AP_CMAP_DIVERGING);
    panel.heat.limits = (struct ap_axes_range){-0.6, 0.6};
    struct ap_axes_page page = {.width = 500, .height = 400, .panels = &panel, .n_panels = 1};
    struct ap_canvas plain = draw(&page);
    assert_int_equal(count(&plain, AP_CMAP_NAN), 0);
    values[210] = (double)NAN;
    struct ap_canvas hatched = draw(&page);
    assert_true(count(&hatched, AP_CMAP_NAN) > 80); /* the cell and the key below the bar */
    values[210] = 0;
    panel.heat.limits = (struct ap_axes_range){-0.6, 0.2};
    page.height = 400;
    struct ap_canvas above = draw(&page);
    panel.heat.limits = (struct ap_axes_range){-0.2, 0.2};
    struct ap_canvas both = draw(&page);
    /* The bar: in the frame's columns it is cut short at a clipped end and a triangle stands there. Right of
     * the plot, the corner beside the triangle's tip is white, its middle is not. */
    int bar_x = -1, top = -1, bottom = -1;
    for (int x = plain.w - 1; x >= 0 && bar_x < 0; x--) { /* the right edge of the bar: a long grey column */
        int run = 0;
        for (int y = 0; y < plain.h; y++)
            if (same(pixel(&plain, x, y), (struct ap_cmap_rgb){0xA8, 0xA8, 0xA8})) {
                top = run == 0 ? y : top;
                bottom = y;
                run++;
            }
        if (run > 200)
            bar_x = x - 7;
    }
    assert_true(bar_x > 0);
    struct ap_cmap map;
    ap_cmap_fill(&map, AP_CMAP_DIVERGING);
    assert_true(same(pixel(&above, bar_x, top + 7), map.rgb[AP_CMAP_N - 1]));
    assert_true(same(pixel(&above, bar_x - 5, top + 3), AP_CMAP_WHITE));
    assert_false(same(pixel(&above, bar_x - 5, bottom - 3), AP_CMAP_WHITE));
    assert_true(same(pixel(&both, bar_x - 5, bottom - 3), AP_CMAP_WHITE));
    assert_true(same(pixel(&both, bar_x, bottom - 7), map.rgb[0]));
    assert_false(same(pixel(&plain, bar_x - 5, top + 3), AP_CMAP_WHITE));
    ap_canvas_free(&plain);
    ap_canvas_free(&hatched);
    ap_canvas_free(&above);
    ap_canvas_free(&both);
}

static void test_heat_hides_no_value(void **state)
{
    (void)state;
    enum { COLS = 20000 };
    static double values[COLS];
    struct ap_cmap map;
    struct ap_axes_panel panel = heat_of(values, 1, COLS, AP_CMAP_DIVERGING);
    panel.heat.no_bar = true;
    struct ap_axes_page page = {.width = 400, .height = 200, .panels = &panel, .n_panels = 1};
    ap_cmap_fill(&map, AP_CMAP_DIVERGING);
    for (int at = 17; at < COLS; at += 4321) { /* one value among ~57 that share a pixel */
        values[at] = -1;
        struct ap_canvas c = draw(&page);
        assert_true(count(&c, map.rgb[0]) >= 50);
        ap_canvas_free(&c);
        values[at] = (double)NAN;
        c = draw(&page);
        assert_true(count(&c, AP_CMAP_NAN) >= 10);
        ap_canvas_free(&c);
        values[at] = 0;
    }
    panel.heat.cmap = AP_CMAP_GREY; /* the mean: alternating 0 and 1 become middle grey */
    for (int i = 0; i < COLS; i++)
        values[i] = i % 2;
    struct ap_canvas c = draw(&page);
    struct ap_cmap_rgb middle = pixel(&c, 200, 100);
    assert_true(abs(middle.r - 128) < 6);
    ap_canvas_free(&c);
}

static void test_lines_nan_breaks(void **state)
{
    (void)state;
    double y[101];
    for (int i = 0; i <= 100; i++)
        y[i] = i >= 40 && i <= 60 ? (double)NAN : 1;
    struct ap_axes_series series = {.y = y, .n = 101, .colour = {0, 0, 200}, .width = 3};
    struct ap_axes_panel panel = {.kind = AP_AXES_LINES, .lines = {.series = &series, .n_series = 1}};
    struct ap_axes_page page = {.width = 600, .height = 300, .panels = &panel, .n_panels = 1};
    struct ap_canvas c = draw(&page);
    int first = c.w, last = 0, best = 0, gap = 0;
    for (int x = 0; x < c.w; x++) {
        bool here = false;
        for (int row = 0; row < c.h; row++)
            here |= same(pixel(&c, x, row), series.colour);
        first = here && x < first ? x : first;
        last = here ? x : last;
        gap = here ? 0 : gap + 1;
        best = first < c.w && !here && gap > best && x < 500 ? gap : best;
    }
    assert_true(last - first > 400);
    assert_true(abs(best - (last - first) * 22 / 100) < 6);
    ap_canvas_free(&c);
}

static void test_stacked_panels_line_up(void **state)
{
    (void)state;
    double small[3] = {0, 1, 2}, large[3] = {-123456, 7, 99999};
    struct ap_axes_series a = {.y = small, .n = 3}, b = {.y = large, .n = 3};
    struct ap_axes_panel panels[2] = {
        {.kind = AP_AXES_LINES, .hide_x = true, .y_label = "v [mV]", .lines = {.series = &a, .n_series = 1}},
        {.kind = AP_AXES_LINES, .row = 1, .x_label = "time [ms]", .lines = {.series = &b, .n_series = 1}}};
    struct ap_axes_page page = {.width = 600, .height = 500, .panels = panels, .n_panels = 2};
    struct ap_canvas c = draw(&page);
    int edges[2] = {-1, -1}; /* the first column with a long grey run, in either half */
    for (int half = 0; half < 2; half++)
        for (int x = 0; x < c.w && edges[half] < 0; x++) {
            int run = 0;
            for (int y = half * 250; y < half * 250 + 250; y++)
                run += same(pixel(&c, x, y), (struct ap_cmap_rgb){0xA8, 0xA8, 0xA8});
            edges[half] = run > 100 ? x : -1;
        }
    assert_true(edges[0] > 0);
    assert_int_equal(edges[0], edges[1]);
    ap_canvas_free(&c);
}

static void test_page_refuses_contradictions(void **state)
{
    (void)state;
    double v[4] = {0, 1, 2, 3};
    struct ap_canvas c;
    struct ap_axes_block falling[2] = {{1, "a"}, {0, "b"}};
    struct ap_axes_series empty = {.n = 3};
    struct ap_axes_panel bad[] = {
        {.kind = AP_AXES_HEAT},
        {.kind = AP_AXES_HEAT, .heat = {.values = v, .rows = SIZE_MAX, .cols = 2}},
        {.kind = AP_AXES_HEAT, .heat = {.values = v, .rows = 2, .cols = 2, .limits = {1, 0}}},
        {.kind = AP_AXES_HEAT,
         .heat = {.values = v, .rows = 2, .cols = 2, .row_blocks = falling, .n_row_blocks = 2}},
        {.kind = AP_AXES_TILES, .tiles = {.values = v, .rows = 2, .cols = 2}},
        {.kind = AP_AXES_LINES, .lines = {.n_series = 1}},
        {.kind = AP_AXES_LINES, .lines = {.series = &empty, .n_series = 1}},
        {.kind = AP_AXES_LINES, .lines = {.x = {-1, 5}, .x_log = true}},
        {.kind = AP_AXES_TABLE},
        {.kind = (enum ap_axes_kind)9},
        {.kind = AP_AXES_HEAT, .row = -1, .heat = {.values = v, .rows = 2, .cols = 2}},
        {.kind = AP_AXES_HEAT, .col = 40, .heat = {.values = v, .rows = 2, .cols = 2}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ap_axes_page page = {.width = 200, .height = 200, .panels = &bad[i], .n_panels = 1};
        memset(&err, 0, sizeof err);
        assert_int_equal(ap_axes_draw(&err, &page, &c), AP_EINTERNAL);
        assert_int_equal(err.n, 1);
        assert_null(c.rgb);
    }
    struct ap_axes_page large = {.width = 20000, .height = 10};
    assert_int_equal(ap_axes_draw(&err, &large, &c), AP_EINTERNAL);
}

static void test_page_survives_failing_memory(void **state)
{
    (void)state;
    double v[4] = {0, 1, 2, 3};
    struct ap_axes_panel panel = heat_of(v, 2, 2, AP_CMAP_VIRIDIS);
    struct ap_axes_page page = {.width = 200, .height = 200, .panels = &panel, .n_panels = 1};
    static const struct ap_pngout_text text = {"Title", "t"};
    enum ap_code code = AP_EMEMORY;
    int failures = 0;
    char folder[] = P_tmpdir "/test_plot_XXXXXX", path[64]; /* of this process: two suites may run at once */
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/memory.png", folder);
    for (; code == AP_EMEMORY && failures < 50; failures++) {
        memset(&err, 0, sizeof err);
        ap_mem_fail_at(failures + 1, false);
        code = ap_axes_write(&err, path, &page, &text, 1);
        ap_mem_fail_at(0, false);
        assert_true(code == AP_OK || (code == AP_EMEMORY && access(path, F_OK) != 0));
    }
    assert_int_equal(code, AP_OK);
    assert_true(failures > 4);
    unlink(path);
    rmdir(folder);
}

static double random_value(void)
{
    static const double strange[] = {
        0, -0.0, 1e300, -1e300, 1e-300, 5e-324, (double)INFINITY, -(double)INFINITY, (double)NAN, 1};
    return below(12) == 0 ? strange[below(10)] : (uniform() - 0.4) * 100;
}

static const char *random_text(void)
{
    static const char *const texts[] = {NULL,
                                        "",
                                        "v [mV]",
                                        "a title that is a good deal longer than a small panel is wide",
                                        "\x1b[2J\n\t\r",
                                        "\xff\xfe\xc3",
                                        "σ² ‖w‖ → µ",
                                        "A",
                                        "中文",
                                        "%s%n"};
    return texts[below(10)];
}

/* Fills a panel with anything; the arrays hold 900 values. */
static void random_panel(struct ap_axes_panel *p, const double *values, struct ap_axes_series series[3],
                         struct ap_axes_block blocks[3], struct ap_axes_reference refs[3],
                         struct ap_axes_span spans[3], struct ap_axes_marker markers[3], const char **names)
{
    memset(p, 0, sizeof *p);
    p->kind = (enum ap_axes_kind)below(4);
    p->row = below(3);
    p->col = below(3);
    p->row_span = below(3);
    p->col_span = below(3);
    p->letter = random_text();
    p->title = random_text();
    p->x_label = random_text();
    p->y_label = random_text();
    p->hide_x = below(2);
    size_t rows = 1 + (size_t)below(30), cols = 1 + (size_t)below(30);
    enum ap_cmap_kind kind = (enum ap_cmap_kind)below(4);
    struct ap_axes_range limits = {0, below(2) ? 0 : 20};
    for (int i = 0; i < 3; i++) {
        blocks[i] = (struct ap_axes_block){(size_t)i, random_text()};
        refs[i] = (struct ap_axes_reference){random_value(), random_text(), below(2)};
        spans[i] = (struct ap_axes_span){random_value(), random_value(), random_text()};
        markers[i] = (struct ap_axes_marker){random_value(), random_text()};
        bool band = !below(3);
        series[i] = (struct ap_axes_series){.name = random_text(),
                                            .x = below(2) ? values : NULL,
                                            .y = values + below(100),
                                            .low = band ? values : NULL,
                                            .high = band ? values + below(100) : NULL,
                                            .n = (size_t)below(800),
                                            .style = (enum ap_axes_style)below(4),
                                            .width = random_value()};
    }
    p->heat = (struct ap_axes_heat){.values = values,
                                    .rows = rows,
                                    .cols = cols,
                                    .cmap = kind,
                                    .limits = limits,
                                    .x = {0, below(3)},
                                    .y = {below(3), 1},
                                    .bar_label = random_text(),
                                    .no_bar = below(2),
                                    .square = below(2),
                                    .row_blocks = blocks,
                                    .n_row_blocks = rows > 2 ? 3 : 1,
                                    .col_blocks = blocks,
                                    .n_col_blocks = cols > 2 ? 3 : 0};
    p->tiles = (struct ap_axes_tiles){.values = values,
                                      .n = 1 + (size_t)below(9),
                                      .rows = 1 + rows / 4,
                                      .cols = 1 + cols / 4,
                                      .across = (size_t)below(5),
                                      .labels = below(2) ? names : NULL,
                                      .cmap = kind,
                                      .limits = limits,
                                      .bar_label = random_text()};
    p->table = (struct ap_axes_table){.values = values,
                                      .rows = rows,
                                      .cols = cols,
                                      .row_names = below(2) ? names : NULL,
                                      .col_names = below(2) ? names : NULL,
                                      .decimals = below(20) - 2,
                                      .cmap = kind,
                                      .limits = limits,
                                      .bar_label = random_text()};
    p->lines = (struct ap_axes_lines){.series = series,
                                      .references = refs,
                                      .spans = spans,
                                      .markers = markers,
                                      .n_series = (size_t)below(4),
                                      .n_references = (size_t)below(4),
                                      .n_spans = (size_t)below(4),
                                      .n_markers = (size_t)below(4),
                                      .x = {1, below(3)},
                                      .x_log = below(2),
                                      .y_log = below(2),
                                      .identity = below(2)};
}

static void test_random_pages_do_not_crash(void **state)
{
    (void)state;
    double values[900];
    const char *names[30];
    int drawn = 0;
    for (int i = 0; i < 2000; i++) {
        struct ap_axes_panel panels[3];
        struct ap_axes_series series[3][3];
        struct ap_axes_block blocks[3][3];
        struct ap_axes_reference refs[3][3];
        struct ap_axes_span spans[3][3];
        struct ap_axes_marker markers[3][3];
        random_state = (uint64_t)i + 1;
        bool tame = below(2);
        for (int k = 0; k < 900; k++)
            values[k] = tame ? uniform() : random_value();
        for (int k = 0; k < 30; k++)
            names[k] = random_text();
        int n = 1 + below(3);
        for (int k = 0; k < n; k++)
            random_panel(&panels[k], values, series[k], blocks[k], refs[k], spans[k], markers[k], names);
        int small = below(4);
        struct ap_axes_page page = {.title = random_text(),
                                    .subtitle = random_text(),
                                    .footer = random_text(),
                                    .width = small ? 1 + below(500) : 1 + below(9),
                                    .height = small ? 1 + below(400) : 1 + below(9),
                                    .scale = below(5),
                                    .panels = panels,
                                    .n_panels = (size_t)n};
        struct ap_canvas a, b;
        memset(&err, 0, sizeof err);
        enum ap_code code = ap_axes_draw(&err, &page, &a);
        assert_true(code == AP_OK || (code == AP_EINTERNAL && err.n == 1));
        if (code != AP_OK)
            continue;
        drawn++;
        for (int k = 0; k < a.w * a.h; k++)
            assert_int_equal(a.mask[k], 0);
        if (i % 8 == 0) { /* the same page gives the same pixels */
            assert_int_equal(ap_axes_draw(&err, &page, &b), AP_OK);
            assert_memory_equal(a.rgb, b.rgb, (size_t)a.w * (size_t)a.h * 3);
            ap_canvas_free(&b);
        }
        ap_canvas_free(&a);
    }
    assert_true(drawn > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_font_has_every_promised_glyph, setup),
        cmocka_unit_test_setup(test_font_glyphs_differ, setup),
        cmocka_unit_test_setup(test_font_missing_glyph_is_a_box, setup),
        cmocka_unit_test_setup(test_font_decodes_utf8, setup),
        cmocka_unit_test_setup(test_font_width_and_ellipsis, setup),
        cmocka_unit_test_setup(test_cmap_lightness, setup),
        cmocka_unit_test_setup(test_cmap_viridis_landmarks, setup),
        cmocka_unit_test_setup(test_cmap_ends, setup),
        cmocka_unit_test_setup(test_tick_tables, setup),
        cmocka_unit_test_setup(test_tick_properties, setup),
        cmocka_unit_test_setup(test_canvas_clips, setup),
        cmocka_unit_test_setup(test_canvas_line_coverage, setup),
        cmocka_unit_test_setup(test_canvas_rotated_text_is_the_text_rotated, setup),
        cmocka_unit_test_setup(test_png_round_trip, setup),
        cmocka_unit_test_setup(test_png_refuses, setup),
        cmocka_unit_test_setup(test_heat_colours_and_orientation, setup),
        cmocka_unit_test_setup(test_heat_nan_and_clipped_marks, setup),
        cmocka_unit_test_setup(test_heat_hides_no_value, setup),
        cmocka_unit_test_setup(test_lines_nan_breaks, setup),
        cmocka_unit_test_setup(test_stacked_panels_line_up, setup),
        cmocka_unit_test_setup(test_page_refuses_contradictions, setup),
        cmocka_unit_test_setup(test_page_survives_failing_memory, setup),
        cmocka_unit_test_setup(test_random_pages_do_not_crash, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
