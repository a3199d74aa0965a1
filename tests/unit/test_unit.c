/* Numbers as written: what is refused, what is read, to the bit; whole numbers; calls. */
#include "unit.h"

#include <locale.h>
#include <math.h>
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
    setlocale(LC_ALL, "C");
    ap_err_free(*state);
    return 0;
}

static const struct good {
    const char *text;
    enum ap_dim dim;
    double value;
    bool physical;
} GOOD[] = {
    {"0", AP_DIM_NONE, 0, false},
    {"-0", AP_DIM_NONE, -0.0, false},
    {"-0.0e5", AP_DIM_NONE, -0.0, false},
    {"+5", AP_DIM_NONE, 5, false},
    {"0.5", AP_DIM_NONE, 0.5, false},
    {"1e3", AP_DIM_NONE, 1000, false},
    {"1E-3", AP_DIM_NONE, 1e-3, false},
    {"1e+03", AP_DIM_NONE, 1000, false},
    {"0.1", AP_DIM_NONE, 0.1, false},
    {"5e-324", AP_DIM_NONE, 5e-324, false}, /* denormal: kept */
    {"2.2250738585072011e-308", AP_DIM_NONE, 2.2250738585072011e-308, false},
    {"1.7976931348623157e308", AP_DIM_NONE, 1.7976931348623157e308, false},
    {"0e99999", AP_DIM_NONE, 0, false},
    {"9007199254740993", AP_DIM_NONE, 9007199254740992, false},
    {"100 ms", AP_DIM_TIME, 100, false},
    {"100ms", AP_DIM_TIME, 100, false},
    {"100   ms", AP_DIM_TIME, 100, false},
    {"0.1 s", AP_DIM_TIME, 100, false},
    {"1e5 us", AP_DIM_TIME, 100, false},
    {"9 us", AP_DIM_TIME, 0.009, false}, /* 9 * 1e-3 would be 0.009000000000000001 */
    {"4.35 s", AP_DIM_TIME, 4350, false},
    {"1e-310 s", AP_DIM_TIME, 1e-307, false},
    {"1e305 s", AP_DIM_TIME, 1e308, false},
    {"0.0005 /ms", AP_DIM_RATE, 0.0005, false},
    {"1/ms", AP_DIM_RATE, 1, false},
    {"0.5 1/s", AP_DIM_RATE, 0.0005, false},
    {"0.8 /ms", AP_DIM_CONDUCTANCE, 0.8, false},
    {"800 /s", AP_DIM_CONDUCTANCE, 0.8, false},
    {"10 nS", AP_DIM_CONDUCTANCE, 10, true},
    {"300 pS", AP_DIM_CONDUCTANCE, 0.3, true},
    {"0.01 uS", AP_DIM_CONDUCTANCE, 10, true},
    {"1", AP_DIM_CAPACITANCE, 1, false},
    {"200 pF", AP_DIM_CAPACITANCE, 200, true},
    {"0.2 nF", AP_DIM_CAPACITANCE, 200, true},
    {"-0.5", AP_DIM_POTENTIAL, -0.5, false},
    {"-70 mV", AP_DIM_POTENTIAL, -70, true},
    {"-0.07 V", AP_DIM_POTENTIAL, -70, true},
    {"-70000 uV", AP_DIM_POTENTIAL, -70, true},
    {"0.1 /sqrt(ms)", AP_DIM_NOISE, 0.1, false},
    {"2 mV/sqrt(ms)", AP_DIM_NOISE, 2, true},
};

static const struct bad {
    const char *text;
    enum ap_dim dim;
    const char *says;
} BAD[] = {
    {"nan", AP_DIM_NONE, "not a finite number"},
    {"NaN", AP_DIM_NONE, "not a finite number"},
    {".nan", AP_DIM_NONE, "not a finite number"},
    {"inf", AP_DIM_NONE, "not a finite number"},
    {"-inf", AP_DIM_NONE, "not a finite number"},
    {".inf", AP_DIM_NONE, "not a finite number"},
    {"-.Inf", AP_DIM_NONE, "not a finite number"},
    {"infinity", AP_DIM_NONE, "not a finite number"},
    {"inf ms", AP_DIM_TIME, "not a finite number"},
    {"nan(7)", AP_DIM_NONE, "expected a bare number"},
    {"1e400", AP_DIM_NONE, "too large"},
    {"-1e309", AP_DIM_NONE, "too large"},
    {"1.7976931348623159e308", AP_DIM_NONE, "too large"},
    {"1e99999999999999999999999", AP_DIM_NONE, "too large"},
    {"1e306 s", AP_DIM_TIME, "too large"}, /* only in ms */
    {"1e308 V", AP_DIM_POTENTIAL, "too large"},
    {"1e-400", AP_DIM_NONE, "too small"},
    {"-2e-324", AP_DIM_NONE, "too small"},
    {"1e-99999999999999999999999", AP_DIM_NONE, "too small"},
    {"1e-322 us", AP_DIM_TIME, "too small"}, /* only in ms */
    {"0x10", AP_DIM_NONE, "trailing characters"},
    {"0x1p4", AP_DIM_NONE, "trailing characters"},
    {"0X10", AP_DIM_NONE, "trailing characters"},
    {"0b11", AP_DIM_NONE, "trailing characters"},
    {"0o17", AP_DIM_NONE, "trailing characters"},
    {"010", AP_DIM_NONE, "leading zero"},
    {"-010", AP_DIM_NONE, "leading zero"},
    {"00", AP_DIM_NONE, "leading zero"},
    {"00.5", AP_DIM_NONE, "leading zero"},
    {"01 ms", AP_DIM_TIME, "leading zero"},
    {"1_000", AP_DIM_NONE, "trailing characters"},
    {"1'000", AP_DIM_NONE, "trailing characters"},
    {"1,5", AP_DIM_NONE, "trailing characters"},
    {"1,000.5", AP_DIM_NONE, "trailing characters"},
    {"1,5 ms", AP_DIM_TIME, "unit is unknown"},
    {"1 000", AP_DIM_NONE, "trailing characters"},
    {"190:20:30", AP_DIM_NONE, "trailing characters"}, /* YAML 1.1: base 60 */
    {"5.", AP_DIM_NONE, ""},
    {".5", AP_DIM_NONE, ""},
    {"", AP_DIM_NONE, ""},
    {" ", AP_DIM_NONE, ""},
    {"-", AP_DIM_NONE, ""},
    {"--5", AP_DIM_NONE, ""},
    {"+-5", AP_DIM_NONE, ""},
    {"- 5", AP_DIM_NONE, ""},
    {" 5", AP_DIM_NONE, ""},
    {"5 ", AP_DIM_NONE, "ends in a space"},
    {"5 ms ", AP_DIM_TIME, "unit is unknown"},
    {"5\tms", AP_DIM_TIME, "unit is unknown"},
    {"5\n", AP_DIM_NONE, "trailing characters"},
    {"1e", AP_DIM_NONE, "trailing characters"},
    {"1e+", AP_DIM_NONE, "trailing characters"},
    {"1e5.5", AP_DIM_NONE, "trailing characters"},
    {"1.2.3", AP_DIM_NONE, "trailing characters"},
    {"100abc", AP_DIM_NONE, "trailing characters"},
    {"5f", AP_DIM_NONE, "trailing characters"},
    {"1d3", AP_DIM_NONE, "trailing characters"},
    {"50%", AP_DIM_NONE, "trailing characters"},
    {"\xe2\x88\x92"
     "5",
     AP_DIM_NONE, ""},                 /* a typographic minus */
    {"\xef\xbc\x95", AP_DIM_NONE, ""}, /* a full-width five */
    {"5 \xc2\xb5s", AP_DIM_TIME, "unit is unknown"},
    {"true", AP_DIM_NONE, ""},
    {"~", AP_DIM_NONE, ""},
    {"5 ms", AP_DIM_NONE, "has a unit"},
    {"5", AP_DIM_TIME, "no unit"},
    {"0", AP_DIM_TIME, "no unit"},
    {"5 ", AP_DIM_TIME, "ends in a space"},
    {"5", AP_DIM_RATE, "no unit"},
    {"5", AP_DIM_CONDUCTANCE, "no unit"},
    {"5", AP_DIM_NOISE, "no unit"},
    {"5 mV", AP_DIM_TIME, "wrong dimension"},
    {"5 ms", AP_DIM_RATE, "wrong dimension"},
    {"5 /ms", AP_DIM_TIME, "wrong dimension"},
    {"5 nS", AP_DIM_CAPACITANCE, "wrong dimension"},
    {"5 pF", AP_DIM_CONDUCTANCE, "wrong dimension"},
    {"5 s", AP_DIM_POTENTIAL, "wrong dimension"},
    {"5 S", AP_DIM_TIME, "unit is unknown"}, /* siemens, or a careless second */
    {"5 MS", AP_DIM_TIME, "unit is unknown"},
    {"5 Ms", AP_DIM_TIME, "unit is unknown"},
    {"5 mv", AP_DIM_POTENTIAL, "unit is unknown"},
    {"5 ns", AP_DIM_CONDUCTANCE, "unit is unknown"},
    {"5 min", AP_DIM_TIME, "unit is unknown"},
    {"5 msec", AP_DIM_TIME, "unit is unknown"},
    {"5 ms ms", AP_DIM_TIME, "unit is unknown"},
    {"5 Hz", AP_DIM_RATE, "unit is unknown"},
    {"5 / ms", AP_DIM_RATE, "unit is unknown"},
    {"1e", AP_DIM_TIME, "unit is unknown"},
    {"11111111111111111111111111111111111111111111111111111111111111111", AP_DIM_NONE, "more than 64"},
};

static void check_tables(struct ap_err *e)
{
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++) {
        struct ap_quantity q = {NAN, !GOOD[i].physical};
        if (ap_unit_read(e, NULL, "x", GOOD[i].text, GOOD[i].dim, &q) != AP_OK)
            fail_msg("%s", ap_err_message(e, ap_err_count(e) - 1));
        if (memcmp(&q.value, &GOOD[i].value, sizeof q.value) != 0 || q.physical != GOOD[i].physical)
            fail_msg("'%s' gave %.17g", GOOD[i].text, q.value);
    }
    assert_int_equal(ap_err_count(e), 0);
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct ap_place at = {"f.yaml", 7, 9};
        struct ap_quantity q = {42, false};
        e->n = 0;
        if (ap_unit_read(e, &at, "cell x", BAD[i].text, BAD[i].dim, &q) != AP_EUSAGE)
            fail_msg("'%s' was read as %.17g", BAD[i].text, q.value);
        assert_int_equal(e->n, 1);
        assert_true(q.value == 42);
        assert_int_equal(e->diag[0].line, 7);
        if (!strstr(e->diag[0].text, BAD[i].says) || !strstr(e->diag[0].text, "cell x"))
            fail_msg("'%s': %s", BAD[i].text, e->diag[0].text);
        assert_non_null(strstr(e->diag[0].hint, "for example"));
    }
}

static void test_numbers(void **state)
{
    assert_true(sizeof GOOD / sizeof *GOOD + sizeof BAD / sizeof *BAD >= 60);
    check_tables(*state);
}

/* A locale with a decimal comma: an installed one, or one compiled here. */
static bool comma_locale(void)
{
    static const char *const NAMES[] = {"de_DE.UTF-8", "de_DE.utf8",  "de_DE",
                                        "fr_FR.UTF-8", "nl_NL.UTF-8", "ru_RU.UTF-8"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (setlocale(LC_ALL, NAMES[i]) && *localeconv()->decimal_point == ',')
            return true;
    char folder[] = P_tmpdir "/ap_locale.XXXXXX", command[256];
    if (!mkdtemp(folder))
        return false;
    snprintf(command, sizeof command, "localedef -i de_DE -f ISO-8859-1 %s/de_DE >/dev/null 2>&1", folder);
    bool made = system(command) == 0 && setenv("LOCPATH", folder, 1) == 0 && setlocale(LC_ALL, "de_DE") &&
                *localeconv()->decimal_point == ',';
    unsetenv("LOCPATH");
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) == 0 && made;
}

static void test_the_locale_does_not_matter(void **state)
{
    char text[32];
    if (!comma_locale())
        skip();
    assert_string_equal(ap_unit_shortest(0.5, text), "0.5");
    assert_string_equal(ap_unit_shortest(1.25e-7, text), "1.25e-7");
    snprintf(text, sizeof text, "%g", 0.5);
    assert_string_equal(text, "0,5"); /* the host's own locale is as it was */
    check_tables(*state);
}

static void test_numbers_are_written_short_and_read_back(void **state)
{
    struct ap_err *e = *state;
    static const struct {
        double value;
        const char *text;
    } CASES[] = {{0, "0"},
                 {-0.0, "-0"},
                 {1, "1"},
                 {100, "100"},
                 {-70, "-70"},
                 {0.1, "0.1"},
                 {1e6, "1000000"},
                 {123456, "123456"},
                 {1.5e-5, "0.000015"},
                 {1e-6, "1e-6"},
                 {1e15, "1e15"},
                 {1e14, "100000000000000"},
                 {5e-324, "5e-324"},
                 {1.7976931348623157e308, "1.7976931348623157e308"},
                 {1.0 / 3, "0.3333333333333333"},
                 {0.1 + 0.2, "0.30000000000000004"},
                 {INFINITY, "inf"},
                 {-INFINITY, "-inf"},
                 {12300, "12300"}};
    char text[32];
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        assert_string_equal(ap_unit_shortest(CASES[i].value, text), CASES[i].text);
    uint64_t seed = 7;
    for (int k = 0; k < 20000; k++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint64_t bits = seed ^ seed >> 29;
        double x;
        memcpy(&x, &bits, sizeof x);
        if (k % 2)
            x = (double)(int64_t)(bits >> 20) / 65536 * pow(10, (int)(bits % 24) - 16);
        if (!isfinite(x))
            continue;
        struct ap_quantity q;
        assert_true(strlen(ap_unit_shortest(x, text)) < 31);
        assert_int_equal(ap_unit_read(e, NULL, "x", text, AP_DIM_NONE, &q), AP_OK);
        assert_memory_equal(&q.value, &x, sizeof x);
    }
}

static void test_units_change_no_bit(void **state)
{
    struct ap_err *e = *state;
    for (int i = 1; i < 3000; i++) {
        char text[48];
        struct ap_quantity s, ms, us;
        snprintf(text, sizeof text, "%d.%03d s", i / 1000, i % 1000);
        assert_int_equal(ap_unit_read(e, NULL, "x", text, AP_DIM_TIME, &s), AP_OK);
        snprintf(text, sizeof text, "%d ms", i);
        assert_int_equal(ap_unit_read(e, NULL, "x", text, AP_DIM_TIME, &ms), AP_OK);
        snprintf(text, sizeof text, "%d000 us", i);
        assert_int_equal(ap_unit_read(e, NULL, "x", text, AP_DIM_TIME, &us), AP_OK);
        assert_true(s.value == ms.value && us.value == ms.value && ms.value == i);
        snprintf(text, sizeof text, "%d us", i);
        assert_int_equal(ap_unit_read(e, NULL, "x", text, AP_DIM_TIME, &us), AP_OK);
        snprintf(text, sizeof text, "%d.%03d ms", i / 1000, i % 1000);
        assert_int_equal(ap_unit_read(e, NULL, "x", text, AP_DIM_TIME, &ms), AP_OK);
        assert_true(us.value == ms.value);
    }
}

static void test_whole_numbers(void **state)
{
    struct ap_err *e = *state;
    static const struct {
        const char *text;
        int64_t value;
    } YES[] = {{"0", 0},
               {"-0", 0},
               {"+7", 7},
               {"-12", -12},
               {"9223372036854775807", INT64_MAX},
               {"-9223372036854775808", INT64_MIN}};
    static const char *const NO[] = {"",
                                     "-",
                                     "1.0",
                                     "1e3",
                                     "010",
                                     "-01",
                                     "0x10",
                                     "1_000",
                                     "1,000",
                                     " 1",
                                     "1 ",
                                     "1 ms",
                                     "nan",
                                     "9223372036854775808",
                                     "-9223372036854775809",
                                     "99999999999999999999999"};
    for (size_t i = 0; i < sizeof YES / sizeof *YES; i++) {
        int64_t x = 99;
        assert_int_equal(ap_unit_integer(e, NULL, "n", YES[i].text, INT64_MIN, INT64_MAX, &x), AP_OK);
        assert_true(x == YES[i].value);
    }
    for (size_t i = 0; i < sizeof NO / sizeof *NO; i++) {
        int64_t x = 99;
        assert_int_equal(ap_unit_integer(e, NULL, "n", NO[i], INT64_MIN, INT64_MAX, &x), AP_EUSAGE);
        assert_true(x == 99);
    }
    int64_t x;
    assert_int_equal(ap_unit_integer(e, NULL, "n", "1", 1, 5, &x), AP_OK);
    assert_int_equal(ap_unit_integer(e, NULL, "n", "5", 1, 5, &x), AP_OK);
    assert_int_equal(ap_unit_integer(e, NULL, "n", "0", 1, 5, &x), AP_EUSAGE);
    assert_int_equal(ap_unit_integer(e, NULL, "n", "6", 1, 5, &x), AP_EUSAGE);
    assert_non_null(strstr(ap_err_message(e, ap_err_count(e) - 1), "from 1 to 5"));
}

static void test_calls(void **state)
{
    struct ap_err *e = *state;
    struct ap_call c;
    assert_int_equal(ap_unit_call(e, NULL, "w", "uniform( -1 ,1)", &c), AP_OK);
    assert_string_equal(c.name, "uniform");
    assert_int_equal(c.n_args, 2);
    assert_string_equal(c.arg[0], "-1");
    assert_string_equal(c.arg[1], "1");
    assert_true(c.has_parentheses);
    assert_int_equal(ap_unit_call(e, NULL, "w", "rate", &c), AP_OK);
    assert_true(c.n_args == 0 && !c.has_parentheses && strcmp(c.name, "rate") == 0);
    assert_int_equal(ap_unit_call(e, NULL, "w", "zero ()", &c), AP_OK);
    assert_true(c.n_args == 0 && c.has_parentheses && strcmp(c.name, "zero") == 0);
    assert_int_equal(ap_unit_call(e, NULL, "w", "f(1,2,3,4,5,6,7,8)", &c), AP_OK);
    assert_int_equal(c.n_args, 8);
    static const char *const NO[] = {"",
                                     "(",
                                     ")",
                                     "()",
                                     "(1)",
                                     "f(",
                                     "f(1",
                                     "f)",
                                     "f(1))",
                                     "f(1)2",
                                     "f((1)",
                                     "f(g(1))",
                                     "f(,)",
                                     "f(1,)",
                                     "f(,1)",
                                     "f(1,,2)",
                                     "f(1, )",
                                     "f(1)(2)",
                                     "f(1,2,3,4,5,6,7,8,9)"};
    for (size_t i = 0; i < sizeof NO / sizeof *NO; i++)
        if (ap_unit_call(e, NULL, "w", NO[i], &c) != AP_EUSAGE)
            fail_msg("'%s' was read as a call", NO[i]);
    char text[400];
    for (int n = AP_CALL_TEXT - 2; n < AP_CALL_TEXT + 2; n++) {
        snprintf(text, sizeof text, "%0*d", n, 0);
        assert_int_equal(ap_unit_call(e, NULL, "w", text, &c), n < AP_CALL_TEXT ? AP_OK : AP_EUSAGE);
        snprintf(text, sizeof text, "f(%0*d)", n, 0);
        assert_int_equal(ap_unit_call(e, NULL, "w", text, &c), n < AP_CALL_TEXT ? AP_OK : AP_EUSAGE);
    }
}

static void test_names_of_units(void **state)
{
    struct ap_err *e = *state;
    for (int d = 0; d < AP_DIM_COUNT; d++)
        for (int physical = 0; physical < 2; physical++) { /* what we write, we read as the same */
            char text[64];
            struct ap_quantity q;
            const char *unit = ap_unit_name((enum ap_dim)d, physical);
            bool has = d == AP_DIM_CONDUCTANCE || d == AP_DIM_CAPACITANCE || d == AP_DIM_POTENTIAL ||
                       d == AP_DIM_NOISE;
            if (physical && !has) {
                assert_string_equal(unit, "");
                continue;
            }
            snprintf(text, sizeof text, "3%s%s", *unit ? " " : "", unit);
            assert_int_equal(ap_unit_read(e, NULL, "x", text, (enum ap_dim)d, &q), AP_OK);
            assert_true(q.value == 3 && q.physical == physical);
            assert_true(*ap_unit_accepted((enum ap_dim)d));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_locale_does_not_matter, setup, teardown),
        cmocka_unit_test_setup_teardown(test_numbers_are_written_short_and_read_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_units_change_no_bit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_whole_numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_calls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names_of_units, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
