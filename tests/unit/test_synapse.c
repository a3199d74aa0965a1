/* The kernels against their definitions, closed forms and fine steps. */
#include "synapse.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { M = 70 };

static double uniform(void)
{
    static unsigned long long seed = 5;
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(seed >> 11) / 9007199254740992.0 * 2 - 1;
}

static void fill(double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = uniform();
}

static void test_the_product_is_the_naive_one_bit_by_bit(void **unused)
{
    (void)unused;
    static double w[M * M], x[M], fast[M + 1], slow[M + 1], start[M + 1];
    fill(w, M * M);
    fill(x, M);
    fill(start, M + 1);
    for (size_t rows = 0; rows <= M; rows++)
        for (size_t cols = 0; cols <= M; cols++)
            for (int add = 0; add < 2; add++) {
                memcpy(fast, start, sizeof start);
                memcpy(slow, start, sizeof start);
                ap_synapse_product(rows, cols, w, x, add, fast);
                ap_synapse_product_naive(rows, cols, w, x, add, slow);
                assert_memory_equal(fast, slow, sizeof fast);
                assert_true(fast[rows] == start[rows]); /* nothing beyond */
            }
}

/* Beyond the columns for which x is continued on the stack, and where zeros have signs. */
static void test_the_product_of_long_rows_and_of_zeros(void **unused)
{
    (void)unused;
    enum { LONG = 8195, ROWS = 5 };
    double *w = malloc(ROWS * LONG * sizeof *w), *x = malloc(LONG * sizeof *x), fast[ROWS], slow[ROWS];
    fill(w, ROWS * LONG);
    fill(x, LONG);
    for (size_t cols = LONG - 5; cols <= LONG; cols++) {
        ap_synapse_product(ROWS, cols, w, x, 0, fast);
        ap_synapse_product_naive(ROWS, cols, w, x, 0, slow);
        assert_memory_equal(fast, slow, sizeof fast);
    }
    memset(x, 0, LONG * sizeof *x);
    for (size_t cols = 1; cols < 40; cols++) {
        ap_synapse_product(ROWS, cols, w, x, 0, fast);
        for (int i = 0; i < ROWS; i++)
            assert_true(fast[i] == 0 && !signbit(fast[i]));
    }
    free(w), free(x);
}

/* Digit j of a row of words, with what lies below it in its word as a fraction. */
static double digit_at(const int32_t *row, size_t j)
{
    enum { WORDS = AP_SYNAPSE_COARSE / 4 };
    size_t group = j / AP_SYNAPSE_COARSE, byte = j % AP_SYNAPSE_COARSE / WORDS;
    uint32_t word = (uint32_t)row[group * WORDS + j % WORDS];
    return (double)(int32_t)(word << (24 - 8 * byte)) * 0x1p-24;
}

/* Two digits: each half a unit off at most, the largest of a row is 127 of the first; what was rounded away; rows that are zero, too
 * small to be scaled, or not finite; and the product by its definition. */
static void test_coarse_matrices(void **unused)
{
    (void)unused;
    enum { ROWS = 19, MOST = 101, STRIDE = 128 };
    static double w[ROWS * MOST], scale[ROWS], left[2][ROWS], fast[ROWS], slow[ROWS];
    static int32_t to[2][ROWS * STRIDE / 4];
    static float x[STRIDE];
    for (size_t cols = 1; cols <= MOST; cols += 5) {
        size_t stride = (cols + AP_SYNAPSE_COARSE - 1) / AP_SYNAPSE_COARSE * AP_SYNAPSE_COARSE;
        fill(w, ROWS * MOST);
        memset(w + cols, 0, cols * sizeof *w);
        w[2 * cols] = (double)NAN;
        w[4 * cols - 1] = HUGE_VAL;
        for (size_t j = 0; j < cols; j++)
            w[4 * cols + j] *= 1e-300;
        memset(to, 1, sizeof to);
        ap_synapse_coarsen(ROWS, cols, w, stride, to[0], to[1], scale, left[0], left[1]);
        assert_true(scale[1] == 0 && isnan(scale[2]) && isnan(scale[3]) && scale[4] == 0);
        for (size_t i = 0; i < ROWS; i++) {
            double largest = 0, sum[2] = {0};
            for (size_t j = 0; j < stride; j++) {
                double first = digit_at(to[0] + i * stride / 4, j),
                       second = digit_at(to[1] + i * stride / 4, j);
                largest = fabs(first) > largest ? fabs(first) : largest;
                if (i < 5)
                    continue;
                double off = (j < cols ? w[i * cols + j] : 0) - scale[i] * first;
                double still = off - scale[i] / AP_SYNAPSE_BASE * second;
                assert_true(fabs(off) <= 0.500001 * scale[i]);
                assert_true(j >= cols || fabs(still) <= 0.500001 * scale[i] / AP_SYNAPSE_BASE);
                sum[0] += j < cols ? off : 0;
                sum[1] += j < cols ? still : 0;
            }
            assert_true(i < 5 || (largest > 126.4 && largest < 127.6));
            for (int k = 0; i >= 5 && k < 2; k++)
                assert_true(fabs(sum[k] - left[k][i]) < 1e-13);
        }
        for (size_t j = 0; j < STRIDE; j++)
            x[j] = j < cols ? (float)uniform() : 0;
        fill(fast, ROWS);
        memcpy(slow, fast, sizeof fast);
        ap_synapse_coarse(ROWS, stride, to[1], scale, 0.25, x, fast);
        for (size_t i = 0; i < ROWS; i++) {
            enum { LANES = AP_SYNAPSE_COARSE / 4 };
            float lane[LANES] = {0};
            for (size_t j = 0; j < stride; j++)
                lane[j % LANES] =
                    fmaf((float)(0x1p24 * digit_at(to[1] + i * stride / 4, j)), x[j], lane[j % LANES]);
            for (size_t half = LANES / 2; half > 0; half /= 2)
                for (size_t l = 0; l < half; l++)
                    lane[l] += lane[l + half];
            slow[i] = fma(scale[i], 0x1p-24 * 0.25 * (double)lane[0], slow[i]);
            assert_true(slow[i] == fast[i] || (isnan(slow[i]) && isnan(fast[i])));
        }
    }
}

/* Products on a parabola at three times: what is found of its curvature is its curvature. */
static void test_a_bend_is_found(void **unused)
{
    (void)unused;
    for (double rho = 0.25; rho < 9; rho *= 1.3) {
        double part[3], h = 0.7, c = 3.25;
        assert_true(ap_step_bend(h, rho * h, part));
        const double at[] = {-rho, 0, 1};
        double found = 0;
        for (int k = 0; k < 3; k++)
            found += part[k] * (2 - 5 * at[k] + c * at[k] * (at[k] - 1));
        assert_true(fabs(found - c) < 1e-12);
    }
    double part[3];
    assert_false(ap_step_bend(1, 0, part) || ap_step_bend(1, 0.1, part));
}

static void test_the_product_is_accurate(void **unused)
{
    (void)unused;
    enum { COLS = 1000, ROWS = 20 };
    static double w[ROWS * COLS], x[COLS], out[ROWS];
    fill(w, ROWS * COLS);
    fill(x, COLS);
    for (int add = 0; add < 2; add++) {
        fill(out, ROWS);
        double before[ROWS];
        memcpy(before, out, sizeof out);
        ap_synapse_product(ROWS, COLS, w, x, add, out);
        for (size_t i = 0; i < ROWS; i++) {
            long double sum = add ? (long double)before[i] : 0, size = fabsl(sum);
            for (size_t j = 0; j < COLS; j++) {
                sum += (long double)w[i * COLS + j] * x[j];
                size += fabsl((long double)w[i * COLS + j] * x[j]);
            }
            /* 63 fma and 4 folds: at most 68 roundings of 2^-53; a plain order of 1000 would miss this often
             */
            assert_true(fabsl(out[i] - sum) <= 8 * 0x1p-53L * size);
        }
    }
}

static void test_rows_are_apart(void **unused)
{
    (void)unused;
    static double w[M * M], x[M], whole[M], part[M];
    fill(w, M * M);
    fill(x, M);
    ap_synapse_product(M, M, w, x, 0, whole);
    for (size_t cut = 0; cut <= M; cut += 3) {
        ap_synapse_product(cut, M, w, x, 0, part);
        ap_synapse_product(M - cut, M, w + cut * M, x, 0, part + cut);
        assert_memory_equal(whole, part, sizeof whole);
    }
}

/* Sizes beside the tile's, the sums' and the columns' that are taken at a time. */
static void test_a_batch_is_the_definition_bit_by_bit(void **unused)
{
    (void)unused;
    static const size_t ROWS[] = {0, 1, 7, 8, 9, 13, 64, 67, 137}, COLS[] = {0, 1, 2, 31, 255, 257, 611};
    enum { MOST = 137, WIDEST = 72, ALL = MOST * WIDEST };
    static double w[MOST * 611], x[611 * WIDEST], fast[ALL + 1], slow[ALL + 1], start[ALL + 1];
    fill(w, MOST * 611);
    fill(x, 611 * WIDEST);
    fill(start, ALL + 1);
    for (size_t m = 0; m < sizeof ROWS / sizeof *ROWS; m++)
        for (size_t n = 0; n < sizeof COLS / sizeof *COLS; n++)
            for (size_t stride = 8; stride <= WIDEST; stride += 8)
                for (int add = 0; add < 2; add++) {
                    memcpy(fast, start, sizeof start);
                    memcpy(slow, start, sizeof start);
                    ap_synapse_batch(ROWS[m], COLS[n], w, stride, x, add, fast);
                    for (size_t i = 0; i < ROWS[m]; i++)
                        for (size_t b = 0; b < stride; b++) {
                            double sum = 0, *out = slow + i * stride + b;
                            for (size_t j = 0; j < COLS[n]; j++)
                                sum = fma(w[i * COLS[n] + j], x[j * stride + b], sum);
                            *out = add ? *out + sum : sum;
                        }
                    assert_memory_equal(fast, slow, sizeof fast); /* and nothing beyond */
                }
}

static void test_a_batch_in_single_precision_is_the_definition_bit_by_bit(void **unused)
{
    (void)unused;
    static const size_t ROWS[] = {0, 1, 7, 8, 9, 67}, COLS[] = {0, 1, 31, 255, 257, 611};
    enum { MOST = 67, WIDEST = 72, ALL = MOST * WIDEST };
    static double wide[611 * WIDEST], fast[ALL + 1], slow[ALL + 1];
    static float w[MOST * 611], x[611 * WIDEST];
    fill(wide, MOST * 611);
    ap_synapse_single(MOST * 611, wide, w);
    for (size_t i = 0; i < MOST * 611; i++)
        assert_true(w[i] == (float)wide[i]);
    fill(wide, 611 * WIDEST);
    ap_synapse_single(611 * WIDEST, wide, x);
    for (size_t m = 0; m < sizeof ROWS / sizeof *ROWS; m++)
        for (size_t n = 0; n < sizeof COLS / sizeof *COLS; n++)
            for (size_t stride = 8; stride <= WIDEST; stride += 8) {
                fill(fast, ALL + 1);
                memcpy(slow, fast, sizeof fast);
                ap_synapse_batch_single(ROWS[m], COLS[n], w, stride, x, fast);
                for (size_t i = 0; i < ROWS[m]; i++)
                    for (size_t b = 0; b < stride; b++) {
                        double *out = slow + i * stride + b;
                        *out = 0;
                        for (size_t k = 0; k < COLS[n]; k += 256) {
                            float sum = 0;
                            for (size_t j = k; j < COLS[n] && j < k + 256; j++)
                                sum = fmaf(w[i * COLS[n] + j], x[j * stride + b], sum);
                            *out += (double)sum;
                        }
                    }
                assert_memory_equal(fast, slow, sizeof fast); /* and nothing beyond */
            }
}

static void test_sums_in_single_precision_are_the_definition_bit_by_bit(void **unused)
{
    (void)unused;
    enum { MOST = 11, WIDE = AP_SYNAPSE_SINGLE, COLS = 20 * WIDE };
    static double wide[MOST * COLS];
    static float w[MOST * COLS], x[COLS];
    double fast[MOST + 1], slow[MOST + 1];
    fill(wide, COLS);
    ap_synapse_single(COLS, wide, x);
    fill(wide, MOST * COLS);
    ap_synapse_single(MOST * COLS, wide, w);
    for (size_t rows = 0; rows <= MOST; rows++)
        for (size_t cols = WIDE; cols <= COLS; cols += 3 * WIDE) {
            fill(fast, MOST + 1);
            memcpy(slow, fast, sizeof fast);
            ap_synapse_product_single(rows, cols, w, x, fast);
            for (size_t i = 0; i < rows; i++) {
                float lane[WIDE] = {0};
                for (size_t j = 0; j < cols; j++)
                    lane[j % WIDE] = fmaf(w[i * cols + j], x[j], lane[j % WIDE]);
                for (int half = WIDE / 2; half > 0; half /= 2)
                    for (int l = 0; l < half; l++)
                        lane[l] += lane[l + half];
                slow[i] = (double)lane[0];
            }
            assert_memory_equal(fast, slow, sizeof fast); /* and nothing beyond */
        }
}

static void test_a_combination_in_single_precision_is_the_definition_bit_by_bit(void **unused)
{
    (void)unused;
    enum { MOST = 13, STRIDE = 611 };
    static double wide[MOST * STRIDE], fast[STRIDE], slow[STRIDE];
    static float v[MOST * STRIDE];
    double c[MOST];
    fill(wide, MOST * STRIDE);
    ap_synapse_single(MOST * STRIDE, wide, v);
    fill(c, MOST);
    static const size_t N[] = {0, 1, 7, 255, 256, 257, 611};
    for (size_t count = 0; count <= MOST; count++)
        for (size_t m = 0; m < sizeof N / sizeof *N; m++) {
            fill(fast, STRIDE);
            memcpy(slow, fast, sizeof fast);
            ap_synapse_combine_single(count, N[m], STRIDE, v, c, fast);
            for (size_t i = 0; i < N[m]; i++) {
                float sum = 0;
                for (size_t k = 0; k < count; k++)
                    sum = fmaf((float)c[k], v[k * STRIDE + i], sum);
                slow[i] += (double)sum;
            }
            assert_memory_equal(fast, slow, sizeof fast);
        }
}

/* The definition: 128 products at a time, each sum from zero in the order of k; the matrices are read between them. */
static void rank_slowly(size_t rows, size_t cols, double *w, double *d, const struct ap_synapse_factors *f)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            for (size_t k = 0; !k || k < f->n; k += 128) {
                double sw = 0, sd = 0, *wij = w + i * cols + j, *dij = d ? d + i * cols + j : NULL;
                for (size_t l = k; l < f->n && l < k + 128; l++) {
                    double pre = f->pre[l * cols + j];
                    sw = fma(f->a[l] * f->post[l * f->stride + i], pre, sw);
                    sd = fma(f->d[l] * f->low[l * f->stride + i], pre, sd);
                }
                *wij = fma(k ? 1 : f->left, *wij, sw);
                if (dij) {
                    *wij = fma(k ? 0 : f->alpha, *dij, *wij);
                    *dij = fma(k ? 1 : f->epsilon, *dij, sd);
                }
            }
}

static void test_a_fold_of_any_rank_is_the_definition_bit_by_bit(void **unused)
{
    (void)unused;
    static const size_t ROWS[] = {1, 7, 8, 64, 75}, COLS[] = {1, 8, 16, 45},
                        N[] = {0, 1, 64, 127, 128, 129, 300};
    enum { MOST = 75, WIDEST = 45, RANK = 300, ALL = MOST * WIDEST + 1 };
    static double a[RANK], c[RANK], post[2][RANK * (MOST + 2)], pre[RANK * WIDEST], w[2][ALL], d[2][ALL];
    fill(a, RANK), fill(c, RANK), fill(post[0], 2 * RANK * (MOST + 2)), fill(pre, RANK * WIDEST);
    for (size_t m = 0; m < sizeof ROWS / sizeof *ROWS; m++)
        for (size_t q = 0; q < sizeof COLS / sizeof *COLS; q++)
            for (size_t n = 0; n < sizeof N / sizeof *N; n++)
                for (int lowpass = 0; lowpass < 3; lowpass++) { /* none, coupled, d by itself */
                    const struct ap_synapse_factors f = {
                        N[n],        0.99, lowpass == 2 ? 0 : 0.3, 0.6, a, c, post[0], post[n % 2],
                        ROWS[m] + 2, pre};
                    fill(w[0], ALL), fill(d[0], ALL);
                    memcpy(w[1], w[0], sizeof w[0]);
                    memcpy(d[1], d[0], sizeof d[0]);
                    ap_synapse_rank(ROWS[m], COLS[q], w[0], lowpass ? d[0] : NULL, &f);
                    rank_slowly(ROWS[m], COLS[q], w[1], lowpass ? d[1] : NULL, &f);
                    assert_memory_equal(w[0], w[1], sizeof w[0]); /* and nothing beyond */
                    assert_memory_equal(d[0], d[1], sizeof d[0]);
                }
}

/* The six coefficients in long double, by series where the closed form cancels. */
static void exact(long double h, long double tau, long double eta, long double k[6])
{
    long double a = h / tau, gone = -expm1l(-a), first = 0, second = 0;
    if (a < 1) {
        long double term = 1; /* a^m / (m+1)! */
        for (int m = 1; m < 40; m++) {
            term *= a / (m + 1);
            first += m % 2 ? term : -term;
        }
        term = 0.5L;
        for (int m = 1; m < 40; m++) {
            term *= a / (m + 2);
            second += m % 2 ? term : -term;
        }
    } else {
        first = 1 - gone / a;
        second = 0.5L - first / a;
    }
    k[0] = eta * tau * gone;
    k[1] = eta * h * (first - second);
    k[2] = eta * h * second;
    k[3] = expl(-a);
    k[4] = gone - first;
    k[5] = first;
}

static void test_the_coefficients_are_those_of_the_closed_form(void **unused)
{
    (void)unused;
    static const char *const NAME[] = {"kd", "k0", "k1", "e", "c0", "c1"};
    for (double a = 1e-8; a <= 50; a *= 1.003)
        for (int t = 0; t < 2; t++) {
            double tau = t ? 30 : 0.7, eta = 0.013, h = a * tau;
            struct ap_step f = ap_step_of(h, tau, eta, 0);
            const double got[6] = {f.kd, f.k0, f.k1, f.e, f.c0, f.c1};
            long double want[6];
            exact(h, tau, eta, want);
            for (int i = 0; i < 6; i++) /* the division h/tau rounds, and e, c0 feel that a-fold */
                if (!(fabsl(got[i] - want[i]) <= (1e-14L + 0x1p-52L * (i == 3 ? a : 0)) * fabsl(want[i])))
                    fail_msg("%s at h/tau = %g: %.17g, not %.17Lg", NAME[i], a, got[i], want[i]);
        }
    struct ap_step f = ap_step_of(2, 0, 0.3, 0); /* no low-pass: trapezium */
    assert_true(f.k0 == 0.5 * 0.3 * 2 && f.k1 == f.k0);
    f = ap_step_of(0, 30, 0.3, 0); /* no time: nothing moves */
    assert_true(f.e == 1 && f.kd == 0 && f.k0 == 0 && f.k1 == 0 && f.c0 == 0 && f.c1 == 0);
}

/* Euler's error is h/steps times a smooth series: two levels of Richardson leave its cube. */
static void fine(double h, double tau, double eta, double x0, double x1, double d0, double out[2])
{
    long double w[3], d[3];
    for (int level = 0; level < 3; level++) {
        int steps = 4000 << level;
        long double dt = (long double)h / steps;
        w[level] = 0, d[level] = d0;
        for (int i = 0; i < steps; i++) {
            long double x = x0 + (x1 - x0) * (long double)i / steps;
            w[level] += dt * eta * d[level];
            d[level] += dt / tau * (x - d[level]);
        }
    }
    for (int order = 1; order < 3; order++)
        for (int l = 0; l < 3 - order; l++) {
            long double f = 1 << order;
            w[l] = (f * w[l + 1] - w[l]) / (f - 1);
            d[l] = (f * d[l + 1] - d[l]) / (f - 1);
        }
    out[0] = (double)w[0];
    out[1] = (double)d[0];
}

static void test_the_coefficients_are_the_limit_of_fine_steps(void **unused)
{
    (void)unused;
    static const double RATIO[] = {1e-8, 1e-4, 0.01, 0.0499, 0.0501, 0.3, 0.4999, 0.5001, 1, 3, 10, 50};
    for (int i = 0; i < 12; i++) {
        double tau = 30, h = RATIO[i] * tau, eta = 0.1, out[2], x0 = 0.8, x1 = -0.3, d = 0.5;
        struct ap_step f = ap_step_of(h, tau, eta, 0);
        fine(h, tau, eta, x0, x1, d, out);
        double tolerance = RATIO[i] > 5 ? 3e-5 : 1e-10; /* Euler itself is coarse there */
        assert_true(fabs(f.kd * d + f.k0 * x0 + f.k1 * x1 - out[0]) <= tolerance * eta * h);
        assert_true(fabs(f.e * d + f.c0 * x0 + f.c1 * x1 - out[1]) <= tolerance);
    }
}

/* Of a product that moves like s (s - 1): int_0^1 (1 - exp(-a u)) u (u - 1) du and a int_0^1 exp(-a u) u (u - 1) du, by Simpson's
 * rule in long double. */
static void test_the_coefficients_of_curvature_are_their_integrals(void **unused)
{
    (void)unused;
    for (double a = 1e-6; a < 60; a *= 1.37) {
        double tau = 30, h = a * tau, eta = 0.1;
        struct ap_step f = ap_step_of(h, tau, eta, 0);
        long double w = 0, d = 0;
        enum { N = 20000 };
        for (int i = 0; i <= N; i++) {
            long double u = (long double)i / N, weight = (i % N == 0 ? 1 : i % 2 ? 4 : 2) / (3.0L * N);
            w += weight * -expm1l(-a * u) * u * (u - 1);
            d += weight * a * expl(-a * u) * u * (u - 1);
        }
        assert_true(fabsl(f.k2 - eta * h * w) <= 1e-9L * fabsl(eta * h * w) + 1e-12L * h);
        assert_true(fabsl(f.c2 - d) <= 1e-9L * fabsl(d));
    }
    struct ap_step f = ap_step_of(2, 0, 0.3, 0);
    assert_true(fabs(f.k2 - -0.3 * 2 / 6) < 1e-16 && f.c2 == 0);
}

static void test_two_half_steps_are_one(void **unused)
{
    (void)unused;
    for (double a = 1e-6; a < 50; a *= 1.7) {
        double tau = 30, h = a * tau, x0 = 0.8, x1 = -0.3, xm = 0.5 * (x0 + x1), d = 0.4;
        struct ap_step one = ap_step_of(h, tau, 1, 0), half = ap_step_of(h / 2, tau, 1, 0);
        double w1 = one.kd * d + one.k0 * x0 + one.k1 * x1, d1 = one.e * d + one.c0 * x0 + one.c1 * x1;
        double w2 = half.kd * d + half.k0 * x0 + half.k1 * xm, d2 = half.e * d + half.c0 * x0 + half.c1 * xm;
        w2 += half.kd * d2 + half.k0 * xm + half.k1 * x1;
        d2 = half.e * d2 + half.c0 * xm + half.c1 * x1;
        assert_true(fabs(w1 - w2) < 1e-14 * h && fabs(d1 - d2) < 1e-14);
    }
}

/* With decay: exact where D is constant, of second order where it moves; nothing moves in no time. */
static void test_decay(void **unused)
{
    (void)unused;
    for (double b = 1e-9; b < 30; b *= 3.7) {
        double h = 2, lambda = b / h, x = 0.7, w = 0.4;
        struct ap_step f = ap_step_of(h, 0, 0.1, lambda);
        double exact_w = w * exp(-b) - 0.1 * x * expm1(-b) / lambda;
        assert_true(fabs(f.left * w + (f.k0 + f.k1) * x - exact_w) < 1e-15);
        f = ap_step_of(h, 5, 0.1, lambda); /* D = X: the low-pass rests */
        assert_true(fabs(f.left * w + (f.kd + f.k0 + f.k1) * x - exact_w) < 1e-15);
        f = ap_step_of(0, 5, 0.1, lambda);
        assert_true(f.left == 1 && f.kd == 0 && f.k0 == 0 && f.k1 == 0);
    }
    double last = 0, lambda = 0.2, tau = 5, eta = 0.1, d0 = 0.5, x0 = 0.8, x1 = -0.3, end = 12;
    for (int steps = 8; steps <= 128; steps *= 2) {
        double w = 0.4, d = d0, fine_w = 0.4, fine_d = d0, h = end / steps;
        for (int k = 0; k < steps; k++) { /* X moves from x0 to x1 over all steps */
            double a = x0 + (x1 - x0) * k / steps, b = x0 + (x1 - x0) * (k + 1) / steps;
            struct ap_step f = ap_step_of(h, tau, eta, lambda);
            w = f.left * w + f.kd * d + f.k0 * a + f.k1 * b;
            d = f.e * d + f.c0 * a + f.c1 * b;
        }
        for (int k = 0; k < 100000; k++) { /* the midpoint rule */
            double dt = end / 100000, a = x0 + (x1 - x0) * k / 100000, b = a + 0.5 * (x1 - x0) / 100000;
            double md = fine_d + 0.5 * dt * (a - fine_d) / tau;
            double mw = fine_w + 0.5 * dt * (eta * fine_d - lambda * fine_w);
            fine_w += dt * (eta * md - lambda * mw);
            fine_d += dt * (b - md) / tau;
        }
        double error = fabs(w - fine_w);
        assert_true(steps == 8 || log2(last / error) > 1.9);
        last = error;
    }
    struct ap_step f = ap_step_euler(0.1, 5, 0.3, 0.2);
    assert_true(f.left == 1 - 0.2 * 0.1 && f.kd == 0.3 * 0.1);
}

static void test_applying_is_the_definition(void **unused)
{
    (void)unused;
    enum { ROWS = 13, COLS = 37, STEPS = 25 };
    static double w[ROWS * COLS + 1], d[ROWS * COLS + 1];
    static long double lw[ROWS * COLS], ld[ROWS * COLS];
    for (int lowpass = 0; lowpass < 2; lowpass++) {
        fill(w, ROWS * COLS + 1);
        fill(d, ROWS * COLS + 1);
        double guard = w[ROWS * COLS];
        for (size_t i = 0; i < ROWS * COLS; i++)
            lw[i] = w[i], ld[i] = d[i];
        for (int s = 0; s < STEPS; s++) {
            double post0[ROWS], post1[ROWS], pre0[COLS], pre1[COLS], h = 0.1 + 0.3 * s;
            fill(post0, ROWS), fill(post1, ROWS), fill(pre0, COLS), fill(pre1, COLS);
            struct ap_step k = ap_step_of(h, lowpass ? 5 : 0, 0.02, 0);
            long double c[6] = {0, 0.5L * 0.02 * h, 0.5L * 0.02 * h, 0, 0, 0};
            if (lowpass)
                exact(h, 5, 0.02, c);
            ap_synapse_apply(ROWS, COLS, w, lowpass ? d : NULL, post0, pre0, post1, pre1, &k);
            for (size_t i = 0; i < ROWS; i++)
                for (size_t j = 0; j < COLS; j++) {
                    long double x0 = (long double)post0[i] * pre0[j], x1 = (long double)post1[i] * pre1[j];
                    size_t at = i * COLS + j;
                    lw[at] += c[0] * ld[at] + c[1] * x0 + c[2] * x1;
                    if (lowpass)
                        ld[at] = c[3] * ld[at] + c[4] * x0 + c[5] * x1;
                }
        }
        for (size_t i = 0; i < ROWS * COLS; i++) {
            assert_true(fabsl(w[i] - lw[i]) < 1e-14L * STEPS);
            assert_true(fabsl(d[i] - ld[i]) < 1e-14L);
        }
        assert_true(w[ROWS * COLS] == guard);
    }
}

static void test_euler_is_the_definition(void **unused)
{
    (void)unused;
    enum { ROWS = 9, COLS = 33 };
    double w[ROWS * COLS], d[ROWS * COLS], w0[ROWS * COLS], d0[ROWS * COLS], post[ROWS], pre[COLS];
    fill(w0, ROWS * COLS), fill(d0, ROWS * COLS), fill(post, ROWS), fill(pre, COLS);
    for (int lowpass = 0; lowpass < 2; lowpass++) {
        memcpy(w, w0, sizeof w);
        memcpy(d, d0, sizeof d);
        struct ap_step k = ap_step_euler(1, lowpass ? 8 : 0, 0.05, 0);
        ap_synapse_apply(ROWS, COLS, w, lowpass ? d : NULL, post, pre, post, pre, &k);
        for (size_t i = 0; i < ROWS; i++)
            for (size_t j = 0; j < COLS; j++) {
                size_t at = i * COLS + j;
                double x = post[i] * pre[j]; /* the old d drives w */
                assert_true(fabs(w[at] - (w0[at] + 0.05 * (lowpass ? d0[at] : x))) < 1e-15);
                assert_true(fabs(d[at] - (lowpass ? d0[at] + 0.125 * (x - d0[at]) : d0[at])) < 1e-15);
            }
    }
}

static void test_derivative_and_tangent(void **unused)
{
    (void)unused;
    enum { ROWS = 11, COLS = 19, ALL = ROWS * COLS };
    double d[ALL], vd[ALL], post[ROWS], pre[COLS], dpost[ROWS], dpre[COLS], h = 1e-4;
    fill(d, ALL), fill(vd, ALL), fill(post, ROWS), fill(pre, COLS), fill(dpost, ROWS), fill(dpre, COLS);
    for (int lowpass = 0; lowpass < 2; lowpass++) {
        double dw[ALL], dd[ALL], tw[ALL], td[ALL], w[2][ALL], x[2][ALL];
        ap_synapse_derivative(ROWS, COLS, d, post, pre, 0.3, 0.2, dw, lowpass ? dd : NULL);
        for (size_t i = 0; i < ALL; i++) {
            double product = post[i / COLS] * pre[i % COLS];
            assert_true(dw[i] == 0.3 * (lowpass ? d[i] : product));
            assert_true(!lowpass || dd[i] == 0.2 * (product - d[i]));
        }
        ap_synapse_tangent(ROWS, COLS, vd, post, pre, dpost, dpre, 0.3, 0.2, tw, lowpass ? td : NULL);
        for (int s = 0; s < 2; s++) {
            double sign = s ? h : -h, sd[ALL], spost[ROWS], spre[COLS];
            for (int i = 0; i < ALL; i++)
                sd[i] = d[i] + sign * vd[i];
            for (int i = 0; i < ROWS; i++)
                spost[i] = post[i] + sign * dpost[i];
            for (int j = 0; j < COLS; j++)
                spre[j] = pre[j] + sign * dpre[j];
            ap_synapse_derivative(ROWS, COLS, sd, spost, spre, 0.3, 0.2, w[s], lowpass ? x[s] : NULL);
        }
        for (size_t i = 0; i < ALL;
             i++) { /* the product is quadratic: central differences are exact but for rounding */
            assert_true(fabs(tw[i] - (w[1][i] - w[0][i]) / (2 * h)) < 2e-12);
            assert_true(!lowpass || fabs(td[i] - (x[1][i] - x[0][i]) / (2 * h)) < 2e-12);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_product_is_the_naive_one_bit_by_bit),
        cmocka_unit_test(test_the_product_of_long_rows_and_of_zeros),
        cmocka_unit_test(test_coarse_matrices),
        cmocka_unit_test(test_a_bend_is_found),
        cmocka_unit_test(test_the_product_is_accurate),
        cmocka_unit_test(test_rows_are_apart),
        cmocka_unit_test(test_a_batch_is_the_definition_bit_by_bit),
        cmocka_unit_test(test_a_batch_in_single_precision_is_the_definition_bit_by_bit),
        cmocka_unit_test(test_sums_in_single_precision_are_the_definition_bit_by_bit),
        cmocka_unit_test(test_a_combination_in_single_precision_is_the_definition_bit_by_bit),
        cmocka_unit_test(test_a_fold_of_any_rank_is_the_definition_bit_by_bit),
        cmocka_unit_test(test_the_coefficients_are_those_of_the_closed_form),
        cmocka_unit_test(test_the_coefficients_are_the_limit_of_fine_steps),
        cmocka_unit_test(test_the_coefficients_of_curvature_are_their_integrals),
        cmocka_unit_test(test_two_half_steps_are_one),
        cmocka_unit_test(test_decay),
        cmocka_unit_test(test_applying_is_the_definition),
        cmocka_unit_test(test_euler_is_the_definition),
        cmocka_unit_test(test_derivative_and_tangent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
