/* Errors in ulp against long double, limits, monotonicity, array = scalar, and a digest of the bits that has
 * to come out the same for every compiler, optimisation level and CPU. AP_LONG=1 in the environment takes ten
 * times as many arguments and prints the largest errors and the times beside libm's. */
#include "mathx.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static bool long_run;

static uint64_t state;
static uint64_t next_bits(void) /* splitmix64 (Steele, Lea & Flood 2014): test arguments only */
{
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static double between(double a, double b)
{
    return a + (b - a) * ((double)(next_bits() >> 11) * 0x1p-53);
}

static uint64_t bits_of(double x)
{
    uint64_t b;
    memcpy(&b, &x, sizeof b);
    return b;
}

static long double log1pexp_l(long double x)
{
    return x > 0 ? x + log1pl(expl(-x)) : log1pl(expl(x));
}

static long double logistic_l(long double x)
{
    return x > 0 ? 1 / (1 + expl(-x)) : expl(x) / (1 + expl(x));
}

/* Plain libm, for the table of times. */
static double log1pexp_libm(double x)
{
    return x > 30 ? x : log1p(exp(x));
}
static double logistic_libm(double x)
{
    return 1 / (1 + exp(-x));
}

struct function {
    const char *name;
    double (*one)(double);
    void (*many)(size_t, const double *, double *);
    long double (*exact)(long double);
    double (*libm)(double);
    double ulp;         /* promised */
    double range[4][2]; /* arguments evenly spread over each; 0 0: none */
    double tiny;        /* also arguments of random exponent up to +-this */
    double lowest;      /* of those */
    int slope;          /* sign of the slope: all are monotone */
};

static const struct function functions[] = {
    {"exp",
     ap_mathx_exp,
     ap_mathx_exp_n,
     expl,
     exp,
     1,
     {{-745.2, 709.79}, {-1, 1}, {-40, 40}, {-745.2, -708}},
     700,
     -700,
     1},
    {"expm1",
     ap_mathx_expm1,
     ap_mathx_expm1_n,
     expm1l,
     expm1,
     2,
     {{-60, 709.7}, {-1, 1}, {-4, 4}, {38, 42}},
     700,
     -700,
     1},
    {"log",
     ap_mathx_log,
     ap_mathx_log_n,
     logl,
     log,
     1,
     {{0x1p-1022, 2}, {0.5, 2}, {0.99, 1.01}, {0, 0x1p-1022}},
     DBL_MAX,
     0,
     1},
    {"log1p",
     ap_mathx_log1p,
     ap_mathx_log1p_n,
     log1pl,
     log1p,
     2,
     {{-1, 1}, {-0.3, 0.5}, {-1e-3, 1e-3}, {1, 1e6}},
     DBL_MAX,
     -0.999,
     1},
    {"tanh",
     ap_mathx_tanh,
     ap_mathx_tanh_n,
     tanhl,
     tanh,
     1,
     {{-20, 20}, {-1, 1}, {-0.2, 0.2}, {15, 23}},
     30,
     -30,
     1},
    {"log1pexp",
     ap_mathx_log1pexp,
     ap_mathx_log1pexp_n,
     log1pexp_l,
     log1pexp_libm,
     2,
     {{-745, 60}, {-4, 4}, {-40, 40}, {-745.2, -708}},
     1e6,
     -700,
     1},
    {"logistic",
     ap_mathx_logistic,
     ap_mathx_logistic_n,
     logistic_l,
     logistic_libm,
     2,
     {{-745, 60}, {-4, 4}, {-40, 40}, {-745.2, -708}},
     1e6,
     -700,
     1},
};
enum { N_FUNCTIONS = sizeof functions / sizeof *functions, BLOCK = 1000 };

static double error_in_ulp(double y, long double exact)
{
    if (exact == 0)
        return y == 0 ? 0 : (double)INFINITY;
    if (isinf((double)exact))
        return y == (double)exact ? 0 : (double)INFINITY;
    int exponent;
    frexpl(exact, &exponent);
    int last = exponent - 53 < -1074 ? -1074 : exponent - 53;
    return (double)fabsl(ldexpl((long double)y - exact, -last));
}

/* Fills x[BLOCK] from range r: 0..3 evenly spread, 4 random exponents. */
static bool draw(const struct function *f, int r, double *x)
{
    if (r < 4 && f->range[r][0] == 0 && f->range[r][1] == 0)
        return false;
    for (int i = 0; i < BLOCK; i++)
        if (r < 4)
            x[i] = between(f->range[r][0], f->range[r][1]);
        else
            do {
                uint64_t b = next_bits();
                memcpy(&x[i], &b, sizeof b);
            } while (!(x[i] <= f->tiny && x[i] >= f->lowest));
    return true;
}

static void test_error_within_promise(void **unused)
{
    (void)unused;
    for (int k = 0; k < N_FUNCTIONS; k++) {
        const struct function *f = &functions[k];
        double worst = 0, at = 0, x[BLOCK], y[BLOCK];
        for (int r = 0; r < 5; r++) {
            int blocks = long_run ? 10000 : 200; /* 10^7 arguments per range; 10^6 over all five */
            for (int b = 0; b < blocks && draw(f, r, x); b++) {
                f->many(BLOCK, x, y);
                for (int i = 0; i < BLOCK; i++) {
                    double error = error_in_ulp(y[i], f->exact((long double)x[i]));
                    if (!(error <= worst)) {
                        worst = error;
                        at = x[i];
                    }
                }
            }
        }
        if (long_run || !(worst <= f->ulp))
            printf("%-9s largest error %.4f ulp at %a\n", f->name, worst, at);
        assert_true(worst <= f->ulp);
    }
}

/* The array form gives the bits of the scalar form, for every length of tail and in place. */
static void test_array_is_scalar(void **unused)
{
    (void)unused;
    for (int k = 0; k < N_FUNCTIONS; k++) {
        const struct function *f = &functions[k];
        double x[BLOCK], y[BLOCK];
        for (int r = 0; r < 5; r++)
            for (size_t n = 0; n < 67 && draw(f, r, x); n++) {
                for (int i = 0; i < BLOCK; i++)
                    y[i] = -1;
                f->many(n, x, y);
                for (size_t i = 0; i < n; i++)
                    assert_true(bits_of(y[i]) == bits_of(f->one(x[i])));
                assert_true(y[n] == -1);
                f->many(n, x, x);
                assert_memory_equal(x, y, n * sizeof *x);
            }
    }
}

static void test_monotone_on_neighbours(void **unused)
{
    (void)unused;
    for (int k = 0; k < N_FUNCTIONS; k++) {
        const struct function *f = &functions[k];
        double x[BLOCK], next[BLOCK], y[BLOCK], z[BLOCK];
        for (int r = 0; r < 5; r++)
            for (int b = 0; b < (long_run ? 10000 : 100) && draw(f, r, x); b++) {
                for (int i = 0; i < BLOCK; i++)
                    next[i] = nextafter(x[i], (double)INFINITY);
                f->many(BLOCK, x, y);
                f->many(BLOCK, next, z);
                for (int i = 0; i < BLOCK; i++)
                    if (!(z[i] >= y[i])) {
                        printf("%s falls from %a to %a after %a\n", f->name, y[i], z[i], x[i]);
                        fail();
                    }
            }
    }
}

/* The seams of the reductions, where two polynomials meet. */
static void test_monotone_across_seams(void **unused)
{
    (void)unused;
    for (int k = 0; k < N_FUNCTIONS; k++)
        for (int j = -80; j <= 80; j++) {
            double seam = functions[k].one == ap_mathx_log     ? sqrt(0.5) * pow(2, j)
                          : functions[k].one == ap_mathx_log1p ? sqrt(0.5) * pow(2, abs(j)) - 1
                          : functions[k].one == ap_mathx_tanh  ? (j + 0.5) * log(2) / 2
                                                               : (j + 0.5) * log(2);
            double x = seam;
            for (int i = 0; i < 40; i++)
                x = nextafter(x, -(double)INFINITY);
            for (int i = 0; i < 80; i++) {
                double next = nextafter(x, (double)INFINITY);
                if (!(functions[k].one(next) >= functions[k].one(x))) {
                    printf("%s falls after %a\n", functions[k].name, x);
                    fail();
                }
                x = next;
            }
        }
}

static void expect(double (*f)(double), double x, double wanted)
{
    double y = f(x), many[3] = {x, x, x};
    for (int k = 0; k < N_FUNCTIONS; k++)
        if (functions[k].one == f)
            functions[k].many(3, many, many);
    bool same = isnan(wanted) ? isnan(y) && isnan(many[1])
                              : bits_of(y) == bits_of(wanted) && bits_of(many[1]) == bits_of(wanted);
    if (!same)
        printf("f(%a) = %a, array %a, expected %a\n", x, y, many[1], wanted);
    assert_true(same);
}

static void test_limits(void **unused)
{
    (void)unused;
    double inf = (double)INFINITY, nan = (double)NAN, smallest = 0x1p-1074;
    for (int k = 0; k < N_FUNCTIONS; k++) {
        expect(functions[k].one, nan, nan);
        expect(functions[k].one, -nan, nan);
    }
    expect(ap_mathx_exp, inf, inf);
    expect(ap_mathx_exp, -inf, 0);
    expect(ap_mathx_exp, 0, 1);
    expect(ap_mathx_exp, -0.0, 1);
    expect(ap_mathx_exp, smallest, 1);
    expect(ap_mathx_exp, 709.782712893384, exp(709.782712893384));
    expect(ap_mathx_exp, 709.7827128933841, inf);
    expect(ap_mathx_exp, DBL_MAX, inf);
    expect(ap_mathx_exp, -DBL_MAX, 0);
    expect(ap_mathx_exp, -745.1332191019411, smallest);
    expect(ap_mathx_exp, -745.1332191019412, 0);
    expect(ap_mathx_expm1, inf, inf);
    expect(ap_mathx_expm1, -inf, -1);
    expect(ap_mathx_expm1, 0, 0);
    expect(ap_mathx_expm1, -0.0, -0.0);
    expect(ap_mathx_expm1, smallest, smallest);
    expect(ap_mathx_expm1, -smallest, -smallest);
    expect(ap_mathx_expm1, 800, inf);
    expect(ap_mathx_expm1, -800, -1);
    expect(ap_mathx_log, inf, inf);
    expect(ap_mathx_log, 0, -inf);
    expect(ap_mathx_log, -0.0, -inf);
    expect(ap_mathx_log, -1, nan);
    expect(ap_mathx_log, -inf, nan);
    expect(ap_mathx_log, -smallest, nan);
    expect(ap_mathx_log, 1, 0);
    expect(ap_mathx_log, smallest, -744.4400719213812);
    expect(ap_mathx_log, DBL_MAX, 709.782712893384);
    expect(ap_mathx_log1p, inf, inf);
    expect(ap_mathx_log1p, -1, -inf);
    expect(ap_mathx_log1p, nextafter(-1, -2), nan);
    expect(ap_mathx_log1p, -inf, nan);
    expect(ap_mathx_log1p, 0, 0);
    expect(ap_mathx_log1p, -0.0, -0.0);
    expect(ap_mathx_log1p, smallest, smallest);
    expect(ap_mathx_tanh, inf, 1);
    expect(ap_mathx_tanh, -inf, -1);
    expect(ap_mathx_tanh, 0, 0);
    expect(ap_mathx_tanh, -0.0, -0.0);
    expect(ap_mathx_tanh, smallest, smallest);
    expect(ap_mathx_tanh, -smallest, -smallest);
    expect(ap_mathx_tanh, DBL_MAX, 1);
    expect(ap_mathx_log1pexp, inf, inf);
    expect(ap_mathx_log1pexp, -inf, 0);
    expect(ap_mathx_log1pexp, 0, log(2));
    expect(ap_mathx_log1pexp, -745.1332191019411, smallest);
    expect(ap_mathx_log1pexp, DBL_MAX, DBL_MAX);
    expect(ap_mathx_logistic, inf, 1);
    expect(ap_mathx_logistic, -inf, 0);
    expect(ap_mathx_logistic, 0, 0.5);
    expect(ap_mathx_logistic, -745.1332191019411, smallest);
    expect(ap_mathx_logistic, DBL_MAX, 1);
}

/* The slope of the logistic is the product that one would take, in every bit. */
static void test_logistic_slope(void **unused)
{
    (void)unused;
    static const double EDGES[] = {
        0, -0.0, 1e-300, 36.7, -36.7, 745, -745, 800, -800, (double)INFINITY, -(double)INFINITY};
    double x[1000], y[1000];
    for (int i = 0; i < 1000; i++)
        x[i] = i < 11 ? EDGES[i] : (i - 500) * 0.0731;
    ap_mathx_logistic_slope_n(1000, x, y);
    for (int i = 0; i < 1000; i++) {
        double product = ap_mathx_logistic(x[i]) * ap_mathx_logistic(-x[i]);
        assert_memory_equal(&y[i], &product, sizeof product);
        product = ap_mathx_logistic_slope(x[i]);
        assert_memory_equal(&y[i], &product, sizeof product);
    }
    assert_true(isnan(ap_mathx_logistic_slope((double)NAN)));
}

static void test_tanh_is_odd(void **unused)
{
    (void)unused;
    for (int i = 0; i < 100000; i++) {
        double x = between(0, 25);
        assert_true(ap_mathx_tanh(-x) == -ap_mathx_tanh(x));
    }
}

/* What CVODE asks for: error norms of any size to the power of +-1/k, and exponents in between. */
static void draw_power(double *x, double *y)
{
    for (int i = 0; i < BLOCK; i++) {
        x[i] = ldexp(between(1, 2), (int)(i & 1 ? between(-1074, 1024) : between(-4, 4)));
        y[i] = i % 3 ? between(-1, 1) : (i & 1 ? 1.0 : -1.0) / (1 + i / 3 % 13);
    }
}

static void test_power_within_promise(void **unused)
{
    (void)unused;
    double worst = 0, x[BLOCK], y[BLOCK];
    for (int b = 0; b < (long_run ? 10000 : 500); b++) {
        draw_power(x, y);
        for (int i = 0; i < BLOCK; i++) {
            double error = error_in_ulp(ap_mathx_pow(x[i], y[i]), powl(x[i], y[i]));
            worst = error <= worst ? worst : error;
        }
    }
    if (long_run)
        printf("pow       largest error %.4f ulp\n", worst);
    assert_true(worst <= 1);
    for (int b = 0; b < 100; b++) { /* larger exponents: less sharp, never wrong */
        draw_power(x, y);
        for (int i = 0; i < BLOCK; i++) {
            double much = y[i] * 700, exact = pow(x[i], much);
            if (exact > DBL_MIN && exact <= DBL_MAX)
                assert_true(fabs(ap_mathx_pow(x[i], much) / exact - 1) < 3e-14);
        }
    }
}

static void test_power_limits(void **unused)
{
    (void)unused;
    double inf = (double)INFINITY, nan = (double)NAN;
    const double values[] = {0,   0x1p-1074, 0x1p-1022, 1e-300, 0.5, nextafter(1, 0), 1, nextafter(1, 2),
                             2.5, 1e300,     DBL_MAX,   inf,    nan};
    enum { N = sizeof values / sizeof *values };
    for (int i = 0; i < N; i++)
        for (int j = 0; j < 2 * N; j++) {
            double y = j < N ? values[j] : -values[j - N], wanted = pow(values[i], y);
            double found = ap_mathx_pow(values[i], y);
            bool plain = isfinite(wanted) && wanted != 0; /* a number: to a few ulp; else exactly the limit */
            if (isnan(wanted) ? !isnan(found)
                              : !(plain ? fabs(found - wanted) <= 0x1p-50 * wanted : found == wanted)) {
                printf("pow(%a, %a) = %a, expected %a\n", values[i], y, found, wanted);
                fail();
            }
        }
    assert_true(isnan(ap_mathx_pow(-2, 3)));
    assert_true(SUNRpowerR(0, 0.5) == 0 && SUNRpowerR(-0.0, -0.5) == 0 && SUNRpowerR(-2, 3) == 0);
    assert_true(SUNRpowerR(0, 0) == 0 && isnan(SUNRpowerR(nan, 0.5)));
    assert_true(SUNRpowerR(9, 0.5) == 3 && SUNRpowerR(2, 1) == 2);
}

/* FNV-1a over the bits of 7 x 5 x 20 000 results, and of 20 000 powers. A change here changes every result of the program. */
static void test_bits_are_those_recorded(void **unused)
{
    (void)unused;
    static const uint64_t recorded = 0x80b320bcbeb19dce;
    uint64_t digest = 0xcbf29ce484222325;
    state = 1;
    for (int k = 0; k < N_FUNCTIONS; k++)
        for (int r = 0; r < 5; r++) {
            double x[BLOCK], y[BLOCK];
            for (int b = 0; b < 20 && draw(&functions[k], r, x); b++) {
                functions[k].many(BLOCK, x, y);
                for (int i = 0; i < BLOCK; i++)
                    for (int shift = 0; shift < 64; shift += 8)
                        digest = (digest ^ ((bits_of(y[i]) >> shift) & 0xff)) * 0x100000001b3;
            }
        }
    for (int b = 0; b < 20; b++) {
        double x[BLOCK], y[BLOCK];
        draw_power(x, y);
        for (int i = 0; i < BLOCK; i++)
            for (int shift = 0; shift < 64; shift += 8)
                digest = (digest ^ ((bits_of(ap_mathx_pow(x[i], y[i])) >> shift) & 0xff)) * 0x100000001b3;
    }
    if (digest != recorded)
        printf("digest 0x%016llx\n", (unsigned long long)digest);
    assert_true(digest == recorded);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void print_times(void)
{
    enum { REPEAT = 20000 };
    for (int k = 0; k < N_FUNCTIONS; k++) {
        const struct function *f = &functions[k];
        double x[BLOCK], y[BLOCK], ns[3];
        for (int i = 0; i < BLOCK; i++)
            x[i] = f->one == ap_mathx_log || f->one == ap_mathx_log1p ? between(0, 10) : between(-8, 8);
        volatile double sink = 0;
        for (int way = 0; way < 3; way++) {
            double start = seconds();
            for (int j = 0; j < REPEAT; j++) {
                if (way == 0)
                    f->many(BLOCK, x, y);
                else
                    for (int i = 0; i < BLOCK; i++)
                        y[i] = way == 1 ? f->one(x[i]) : f->libm(x[i]);
                sink = sink + y[j % BLOCK];
            }
            ns[way] = (seconds() - start) / REPEAT / BLOCK * 1e9;
        }
        printf("%-9s ns per value: array %.2f, scalar %.2f, libm %.2f (sum %g)\n", f->name, ns[0], ns[1],
               ns[2], sink);
    }
}

int main(void)
{
    long_run = getenv("AP_LONG") != NULL;
    state = 20260101;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logistic_slope),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_array_is_scalar),
        cmocka_unit_test(test_error_within_promise),
        cmocka_unit_test(test_monotone_on_neighbours),
        cmocka_unit_test(test_monotone_across_seams),
        cmocka_unit_test(test_tanh_is_odd),
        cmocka_unit_test(test_power_within_promise),
        cmocka_unit_test(test_power_limits),
        cmocka_unit_test(test_bits_are_those_recorded),
    };
    if (long_run)
        print_times();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
