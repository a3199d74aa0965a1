/* Known answers, and statistics over 10^6 draws. All is deterministic: the bounds are those of p = 1e-4 or
 * rarer, and a wrong constant or a shared counter breaks them by far. AP_LONG=1 prints the figures and times.
 */
#include "rng.h"

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

enum { N = 1000000 };
static bool long_run;
static double x[N], y[N];
static const struct ap_rng_stream plain = {.seed = 0, .purpose = AP_RNG_WEIGHTS, .entity = 0};

static void expect_block(uint64_t seed, const uint32_t counter[4], const uint32_t wanted[4])
{
    uint32_t out[4];
    ap_rng_block(seed, counter, out);
    assert_memory_equal(out, wanted, sizeof out);
}

static void test_known_answers(void **unused)
{
    (void)unused; /* the vectors that come with Random123: zeros, ones, digits of pi */
    expect_block(0, (uint32_t[4]){0, 0, 0, 0}, (uint32_t[4]){0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
    expect_block(UINT64_MAX, (uint32_t[4]){~0u, ~0u, ~0u, ~0u},
                 (uint32_t[4]){0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
    expect_block(0x299f31d0a4093822, (uint32_t[4]){0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                 (uint32_t[4]){0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

static void test_bits_are_the_documented_words(void **unused)
{
    (void)unused;
    struct ap_rng_stream s = {.seed = 0x0123456789abcdef, .purpose = AP_RNG_NOISE, .entity = 77};
    uint64_t index = 0x123456789aULL;
    uint32_t out[4], counter[4] = {(uint32_t)(index / 2), (uint32_t)(index / 2 >> 32), 77, 3};
    ap_rng_block(s.seed, counter, out);
    assert_true(ap_rng_bits(s, index) == (out[0] | (uint64_t)out[1] << 32));
    assert_true(ap_rng_bits(s, index + 1) == (out[2] | (uint64_t)out[3] << 32));
}

static void test_every_argument_matters(void **unused)
{
    (void)unused;
    uint64_t seen[6];
    struct ap_rng_stream s = plain;
    seen[0] = ap_rng_bits(s, 0);
    seen[1] = ap_rng_bits(s, 1);
    seen[2] = ap_rng_bits(s, (uint64_t)1 << 40);
    s.seed = (uint64_t)1 << 63;
    seen[3] = ap_rng_bits(s, 0);
    s = plain;
    s.purpose = AP_RNG_TEACHER;
    seen[4] = ap_rng_bits(s, 0);
    s = plain;
    s.entity = 1u << 31;
    seen[5] = ap_rng_bits(s, 0);
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < i; j++)
            assert_true(seen[i] != seen[j]);
}

static void test_arrays_are_scalars(void **unused)
{
    (void)unused;
    for (uint64_t first = 0; first < 4; first++)
        for (size_t n = 0; n < 20; n++) {
            ap_rng_uniform_n(plain, first, n, x);
            for (size_t i = 0; i < n; i++)
                assert_true(x[i] == ap_rng_uniform(plain, first + i));
            ap_rng_between_n(plain, first, -2, 3, n, x);
            for (size_t i = 0; i < n; i++)
                assert_true(x[i] == ap_rng_between(plain, first + i, -2, 3));
            ap_rng_normal_n(plain, first, n, x);
            for (size_t i = 0; i < n; i++)
                assert_true(x[i] == ap_rng_normal(plain, first + i));
        }
}

static double chi_square(const double *u, int bins)
{
    static int count[4096];
    memset(count, 0, sizeof count);
    for (int i = 0; i < N; i++)
        count[(int)(u[i] * bins)]++;
    double sum = 0, expected = (double)N / bins;
    for (int b = 0; b < bins; b++)
        sum += (count[b] - expected) * (count[b] - expected) / expected;
    return (sum - (bins - 1)) / sqrt(2.0 * (bins - 1)); /* near standard normal */
}

static double correlation(const double *a, const double *b, int n, double mean, double variance)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += (a[i] - mean) * (b[i] - mean);
    return sum / n / variance * sqrt(n); /* near standard normal */
}

static void test_uniform_fills_evenly(void **unused)
{
    (void)unused;
    for (uint32_t entity = 0; entity < 3; entity++) {
        struct ap_rng_stream s = plain;
        s.entity = entity;
        ap_rng_uniform_n(s, 0, N, x);
        double lowest = 1, highest = 0;
        for (int i = 0; i < N; i++) {
            lowest = x[i] < lowest ? x[i] : lowest;
            highest = x[i] > highest ? x[i] : highest;
        }
        assert_true(lowest > 0 && highest < 1 && lowest < 2e-5 && highest > 1 - 2e-5);
        assert_true(fabs(chi_square(x, 256)) < 4);
        assert_true(fabs(chi_square(x, 4096)) < 4);
        for (int i = 0; i < N; i++) /* the low bits too */
            y[i] = x[i] * 0x1p41 - floor(x[i] * 0x1p41);
        assert_true(fabs(chi_square(y, 4096)) < 4);
    }
}

static void test_lags_do_not_correlate(void **unused)
{
    (void)unused;
    ap_rng_uniform_n(plain, 0, N, x);
    for (int lag = 1; lag <= 64; lag++) {
        double z = correlation(x, x + lag, N - lag, 0.5, 1.0 / 12);
        assert_true(fabs(z) < 4.5);
    }
}

static void test_streams_do_not_correlate(void **unused)
{
    (void)unused;
    ap_rng_uniform_n(plain, 0, N, x);
    for (int k = 0; k < 12; k++) {
        struct ap_rng_stream s = plain;
        if (k < 4)
            s.seed = (uint64_t)1 << (21 * k);
        else if (k < 8)
            s.entity = 1u << (10 * (k - 4));
        else
            s.purpose = (enum ap_rng_purpose)(k - 6); /* 2 ... 5 */
        ap_rng_uniform_n(s, 0, N, y);
        assert_true(fabs(correlation(x, y, N, 0.5, 1.0 / 12)) < 4.5);
    }
}

static void test_between_stays_between(void **unused)
{
    (void)unused;
    double one = nextafter(1, 2); /* an interval of one double */
    for (uint64_t i = 0; i < 10000; i++) {
        double v = ap_rng_between(plain, i, -0.5, 2.5);
        assert_true(v >= -0.5 && v < 2.5);
        assert_true(ap_rng_between(plain, i, 1, one) == 1);
        assert_true(ap_rng_between(plain, i, 3, 3) == 3 && ap_rng_between(plain, i, 3, 2) == 3);
    }
}

static long double quantile_error(double p, double q)
{
    /* Newton's step of Phi(q) = p, from the smaller tail */
    long double upper = p > 0.5 ? 1 : 0, z = upper != 0 ? (long double)q : -(long double)q;
    long double tail = 0.5L * erfcl(z / sqrtl(2)), wanted = upper != 0 ? 1 - (long double)p : (long double)p;
    long double density = expl(-z * z / 2) / sqrtl(2 * acosl(-1));
    return fabsl((tail - wanted) / density / (q == 0 ? 1 : (long double)q));
}

static void test_quantile_is_accurate(void **unused)
{
    (void)unused;
    long double worst = 0;
    for (int i = 0; i < 100000; i++) {
        double p = i < 50000 ? ap_rng_uniform(plain, (uint64_t)i)
                             : ldexp(ap_rng_uniform(plain, (uint64_t)i), -(i % 1000));
        long double error = quantile_error(p, ap_rng_normal_quantile(p));
        worst = error > worst ? error : worst;
    }
    if (long_run)
        printf("normal quantile: largest relative error %.3Lg\n", worst);
    assert_true(worst < 1e-15L);
    assert_true(ap_rng_normal_quantile(0.5) == 0);
    assert_true(isnan(ap_rng_normal_quantile(0)) && isnan(ap_rng_normal_quantile(1)));
    assert_true(isnan(ap_rng_normal_quantile((double)NAN)));
}

static int by_value(const void *a, const void *b)
{
    double p = *(const double *)a, q = *(const double *)b;
    return (p > q) - (p < q);
}

static void test_normal_is_normal(void **unused)
{
    (void)unused;
    struct ap_rng_stream s = {.seed = 0, .purpose = AP_RNG_NOISE, .entity = 1};
    ap_rng_normal_n(s, 0, N, x);
    double m[5] = {0};
    for (int i = 0; i < N; i++)
        for (int k = 1; k < 5; k++)
            m[k] += pow(x[i], k) / N;
    double root = sqrt(N);
    assert_true(fabs(m[1]) * root < 4.5);
    assert_true(fabs(m[2] - 1) / sqrt(2) * root < 4.5);
    assert_true(fabs(m[3]) / sqrt(15) * root < 4.5);
    assert_true(fabs(m[4] - 3) / sqrt(96) * root < 4.5);
    assert_true(fabs(correlation(x, x + 1, N - 1, 0, 1)) < 4.5);
    qsort(x, N, sizeof *x, by_value);
    double distance = 0;
    for (int i = 0; i < N; i++) {
        double phi = 0.5 * erfc(-x[i] / sqrt(2));
        distance = fmax(distance, fmax(fabs(phi - (double)i / N), fabs(phi - (double)(i + 1) / N)));
    }
    if (long_run)
        printf("normal: mean %.2g, variance - 1 %.2g, Kolmogorov distance x sqrt(n) %.3f\n", m[1], m[2] - 1,
               distance * root);
    assert_true(distance * root < 2.2); /* p = 1e-4 */
}

static void test_below_is_fair(void **unused)
{
    (void)unused;
    static const uint64_t sizes[] = {1, 2, 3, 7, 10, 1000};
    for (int k = 0; k < 6; k++) {
        uint64_t n = sizes[k];
        static int count[1000];
        memset(count, 0, sizeof count);
        for (uint64_t i = 0; i < 200000; i++) {
            uint64_t v = ap_rng_below(plain, i, n);
            assert_true(v < n);
            count[v]++;
        }
        double sum = 0, expected = 200000.0 / (double)n;
        for (uint64_t v = 0; v < n; v++)
            sum += (count[v] - expected) * (count[v] - expected) / expected;
        assert_true(sum < (double)(n - 1) + 5 * sqrt(2 * (double)n) + 5);
    }
    assert_true(ap_rng_below(plain, 0, 0) == 0);
    assert_true(ap_rng_below(plain, 3, UINT64_MAX) < UINT64_MAX);
}

static void test_shuffle(void **unused)
{
    (void)unused;
    enum { SIZE = 5, TIMES = 60000 };
    int seen[SIZE][SIZE] = {{0}}; /* [place][value] */
    uint32_t order[1000];
    for (uint32_t t = 0; t < TIMES; t++) {
        struct ap_rng_stream s = {.seed = 4, .purpose = AP_RNG_ORDER, .entity = t};
        ap_rng_shuffle(s, SIZE, order);
        unsigned values = 0;
        for (int i = 0; i < SIZE; i++) {
            values |= 1u << order[i];
            seen[i][order[i]]++;
        }
        assert_true(values == (1u << SIZE) - 1);
    }
    double sum = 0, expected = (double)TIMES / SIZE;
    for (int i = 0; i < SIZE; i++)
        for (int v = 0; v < SIZE; v++)
            sum += (seen[i][v] - expected) * (seen[i][v] - expected) / expected;
    assert_true(sum < 48); /* 16 degrees of freedom; p = 5e-5 */
    uint32_t again[1000];
    ap_rng_shuffle(plain, 1000, order);
    ap_rng_shuffle(plain, 1000, again);
    assert_memory_equal(order, again, sizeof order);
    ap_rng_shuffle(plain, 0, NULL);
    ap_rng_shuffle(plain, 1, order);
    assert_true(order[0] == 0);
}

/* A change here changes every drawn weight and pattern. */
static void test_values_are_those_recorded(void **unused)
{
    (void)unused;
    static const uint64_t recorded = 0xc63923f16e36ebf8;
    uint64_t digest = 0xcbf29ce484222325;
    ap_rng_normal_n(plain, 0, N, x);
    for (int i = 0; i < N; i++) {
        uint64_t b;
        memcpy(&b, &x[i], sizeof b);
        for (int shift = 0; shift < 64; shift += 8)
            digest = (digest ^ ((b >> shift) & 0xff)) * 0x100000001b3;
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

int main(void)
{
    long_run = getenv("AP_LONG") != NULL;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_bits_are_the_documented_words),
        cmocka_unit_test(test_every_argument_matters),
        cmocka_unit_test(test_arrays_are_scalars),
        cmocka_unit_test(test_uniform_fills_evenly),
        cmocka_unit_test(test_lags_do_not_correlate),
        cmocka_unit_test(test_streams_do_not_correlate),
        cmocka_unit_test(test_between_stays_between),
        cmocka_unit_test(test_quantile_is_accurate),
        cmocka_unit_test(test_normal_is_normal),
        cmocka_unit_test(test_below_is_fair),
        cmocka_unit_test(test_shuffle),
        cmocka_unit_test(test_values_are_those_recorded),
    };
    if (long_run) {
        ap_rng_uniform_n(plain, 0, N, x);
        double start = seconds();
        ap_rng_uniform_n(plain, 0, N, x);
        double middle = seconds();
        ap_rng_normal_n(plain, 0, N, y);
        printf("ns per value: uniform %.2f, normal %.2f\n", (middle - start) / N * 1e9,
               (seconds() - middle) / N * 1e9);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
