/* Diagnostics: places, escapes, cuts, suggestions. */
#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int setup(void **state)
{
    *state = ap_err_create();
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    ap_err_free(*state);
    return 0;
}

static const char *added(struct ap_err *e, const char *text)
{
    ap_err_add(e, AP_EUSAGE, NULL, NULL, "%s", text);
    return ap_err_message(e, ap_err_count(e) - 1);
}

static void test_a_diagnostic_keeps_code_place_text_and_hint(void **state)
{
    struct ap_err *e = *state;
    struct ap_place at = {"a.yaml", 3, 7};
    assert_int_equal(ap_err_code(e), AP_OK);
    assert_int_equal(ap_err_add(e, AP_EIO, &at, "a hint", "%s: %d", "x", 5), AP_EIO);
    assert_int_equal(ap_err_add(e, AP_EUSAGE, NULL, NULL, "second"), AP_EUSAGE);
    int line, col;
    assert_int_equal(ap_err_count(e), 2);
    assert_int_equal(ap_err_code(e), AP_EIO); /* of the first */
    assert_string_equal(ap_err_message(e, 0), "x: 5");
    assert_string_equal(ap_err_hint(e, 0), "a hint");
    assert_string_equal(ap_err_place(e, 0, &line, &col), "a.yaml");
    assert_int_equal(line, 3);
    assert_int_equal(col, 7);
    assert_string_equal(ap_err_place(e, 1, &line, &col), "");
    assert_int_equal(line, 0);
    assert_string_equal(ap_err_hint(e, 1), "");
    for (int i = -1; i <= 2; i += 3) { /* outside */
        assert_string_equal(ap_err_message(e, i), "");
        assert_string_equal(ap_err_hint(e, i), "");
        assert_string_equal(ap_err_place(e, i, &line, &col), "");
        assert_int_equal(col, 0);
    }
    assert_int_equal(ap_err_add(NULL, AP_EMEMORY, NULL, NULL, "nobody listens"), AP_EMEMORY);
}

static void test_surplus_diagnostics_are_counted(void **state)
{
    struct ap_err *e = *state;
    for (int i = 0; i < AP_ERR_MAX + 5; i++)
        ap_err_add(e, AP_EUSAGE, NULL, NULL, "%d", i);
    assert_int_equal(ap_err_count(e), AP_ERR_MAX);
    assert_int_equal(ap_err_dropped(e), 5);
    assert_string_equal(ap_err_message(e, AP_ERR_MAX - 1), "63");
}

static void test_what_could_drive_a_terminal_is_escaped(void **state)
{
    struct ap_err *e = *state;
    assert_string_equal(added(e, "\x1b[2J"), "\\x1b[2J");
    assert_string_equal(added(e, "a\nb\tc\x7f"), "a\\x0ab\\x09c\\x7f");
    assert_string_equal(added(e, "\xc2\x9b"
                                 "2J"),
                        "\\xc2\\x9b2J"); /* C1: control sequence introducer */
    assert_string_equal(added(e, "\xc2\x80|\xc2\x9f|\xc2\xa0"), "\\xc2\\x80|\\xc2\\x9f|\xc2\xa0");
    assert_string_equal(added(e, "\x9b"), "\\x9b"); /* the same for 8-bit terminals */
    assert_string_equal(added(e, "Gr\xc3\xb6\xc3\x9f"
                                 "e \xe2\x86\x92 \xf0\x9f\xa7\xa0"),
                        "Gr\xc3\xb6\xc3\x9f"
                        "e \xe2\x86\x92 \xf0\x9f\xa7\xa0");
    assert_string_equal(added(e, "\xc3"), "\\xc3");
    assert_string_equal(added(e, "\xc0\xaf"), "\\xc0\\xaf");                   /* overlong */
    assert_string_equal(added(e, "\xed\xa0\x80"), "\\xed\\xa0\\x80");          /* surrogate */
    assert_string_equal(added(e, "\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80"); /* beyond Unicode */
    struct ap_place at = {"a\x1b.yaml", 1, 1};
    int line, col;
    ap_err_add(e, AP_EUSAGE, &at, "hint\x07", "x");
    assert_string_equal(ap_err_place(e, ap_err_count(e) - 1, &line, &col), "a\\x1b.yaml");
    assert_string_equal(ap_err_hint(e, ap_err_count(e) - 1), "hint\\x07");
}

static void test_long_texts_are_cut_between_characters(void **state)
{
    struct ap_err *e = *state;
    char text[2 * AP_ERR_TEXT];
    for (int n = AP_ERR_TEXT - 12; n < AP_ERR_TEXT + 12; n++) {
        static const char *const UNIT[] = {"x", "\xc3\xb6", "\xe2\x86\x92", "\xf0\x9f\xa7\xa0", "\x1b"};
        for (int u = 0; u < 5; u++) {
            e->n = 0;
            size_t length = strlen(UNIT[u]), used = 0;
            while (used + length <= (size_t)n) {
                memcpy(text + used, UNIT[u], length);
                used += length;
            }
            text[used] = 0;
            const char *kept = added(e, text);
            size_t size = strlen(kept);
            assert_true(size < AP_ERR_TEXT);
            if (u < 4 && used < AP_ERR_TEXT) {
                assert_string_equal(kept, text);
                continue;
            }
            assert_true(size >= 3 && strcmp(kept + size - 3, "...") == 0);
            assert_true(size + 8 > AP_ERR_TEXT); /* no more than needed is lost */
            if (u < 4)
                assert_int_equal((size - 3) % length, 0);
            else
                assert_int_equal((size - 3) % 4, 0);
        }
    }
}

static void test_suggestions_are_near(void **state)
{
    (void)state;
    static const char *const NAMES[] = {"soma", "basal", "apical", "dendritic-error", "rest-minus"};
    assert_string_equal(ap_err_nearest("apcial", NAMES, 5), "apical");
    assert_string_equal(ap_err_nearest("basla", NAMES, 5), "basal");
    assert_string_equal(ap_err_nearest("dendritic_error", NAMES, 5), "dendritic-error");
    assert_string_equal(ap_err_nearest("soma", NAMES, 5), "soma");
    assert_null(ap_err_nearest("quux", NAMES, 5));
    assert_null(ap_err_nearest("learning-rate", NAMES, 5));
    assert_null(ap_err_nearest("soma", NAMES, 0));
    char word[4000];
    memset(word, 'q', sizeof word);
    word[sizeof word - 1] = 0;
    assert_null(ap_err_nearest(word, NAMES, 5)); /* not: anything, since the word is long */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_diagnostic_keeps_code_place_text_and_hint, setup, teardown),
        cmocka_unit_test_setup_teardown(test_surplus_diagnostics_are_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_could_drive_a_terminal_is_escaped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_texts_are_cut_between_characters, setup, teardown),
        cmocka_unit_test_setup_teardown(test_suggestions_are_near, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
