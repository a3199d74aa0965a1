/* The N_Vector, through the generic calls that CVODE makes. */
#include "vec.h"

#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static SUNContext context;
static struct ap_err *err;

static int begin(void **unused)
{
    (void)unused;
    err = ap_err_create();
    return err ? SUNContext_Create(NULL, &context) : -1;
}

static int end(void **unused)
{
    (void)unused;
    ap_err_free(err);
    return SUNContext_Free(&context);
}

static double uniform(void)
{
    static unsigned long long seed = 3;
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(seed >> 11) / 9007199254740992.0 * 2 - 1;
}

static void fill(N_Vector v)
{
    for (sunindextype i = 0; i < N_VGetLength(v); i++)
        ap_vec_data(v)[i] = uniform();
}

/* Everything that adds up, as bits. */
static void sums(N_Vector x, N_Vector y, double out[4])
{
    out[0] = N_VDotProd(x, y);
    out[1] = N_VWrmsNorm(x, y);
    out[2] = N_VWL2Norm(x, y);
    out[3] = N_VMaxNorm(x);
}

static void test_sums_do_not_depend_on_threads(void **unused)
{
    (void)unused;
    static const size_t SIZES[] = {
        1, 7, AP_VEC_BLOCK, 5000, 17 * AP_VEC_BLOCK, 17 * AP_VEC_BLOCK + 1, 40 * AP_VEC_BLOCK + 333};
    int threads = omp_get_max_threads();
    for (int k = 0; k < 7; k++) {
        size_t n = SIZES[k];
        struct ap_part part[2] = {{.start = 0, .n = n / 9}, {.start = n / 9, .n = n - n / 9}};
        struct ap_crew crew = {.several = true};
        struct ap_circuit c = {.n_state = n, .part = part, .n_part = 2, .crew = &crew};
        struct ap_vec_pool *pool = ap_vec_pool_create(err, &c, context);
        N_Vector x = ap_vec_take(pool), y = N_VClone(x), z = N_VClone(x), z1 = N_VClone(x);
        fill(x);
        fill(y);
        double first[4], again[4];
        omp_set_num_threads(1);
        sums(x, y, first);
        N_VLinearSum(1.7, x, -0.3, y, z1);
        N_Vector sum1 = N_VClone(x), sum = N_VClone(x);
        realtype part1 = 0.7;
        N_VScaleAddMulti(1, &part1, x, &y, &sum1);
        static const int THREADS[] = {1, 2, 3, 4, 8};
        for (int t = 0; t < 5; t++) {
            omp_set_num_threads(THREADS[t]);
            sums(x, y, again);
            assert_memory_equal(first, again, sizeof first);
            N_VLinearSum(1.7, x, -0.3, y, z);
            assert_memory_equal(ap_vec_data(z), ap_vec_data(z1), n * sizeof(double));
            N_VScaleAddMulti(1, &part1, x, &y, &sum);
            assert_memory_equal(ap_vec_data(sum), ap_vec_data(sum1), n * sizeof(double));
        }
        N_VDestroy(sum), N_VDestroy(sum1);
        long double dot = 0, size = 0, square = 0, worst = 0;
        for (size_t i = 0; i < n; i++) {
            long double p = (long double)ap_vec_data(x)[i] * ap_vec_data(y)[i];
            dot += p, size += fabsl(p), square += p * p;
        }
        for (int q = 0; q < 2; q++) {
            long double mean = 0;
            for (size_t i = 0; i < part[q].n; i++) {
                long double p =
                    (long double)ap_vec_data(x)[part[q].start + i] * ap_vec_data(y)[part[q].start + i];
                mean += p * p / part[q].n;
            }
            worst = fmaxl(worst, sqrtl(mean));
        }
        assert_true(fabsl(first[0] - dot) <= 1e-15L * size + 1e-300L);
        assert_true(fabsl(first[1] - worst) <= 1e-14L * worst);
        assert_true(fabsl(first[2] - sqrtl(square)) <= 1e-14L * sqrtl(square));
        N_VDestroy(x), N_VDestroy(y), N_VDestroy(z), N_VDestroy(z1);
        ap_vec_pool_free(pool);
    }
    omp_set_num_threads(threads);
}

static void test_the_norm_is_that_of_the_worst_part(void **unused)
{
    (void)unused;
    enum { SMALL = 30, INERT = 1000000 };
    struct ap_part part[2] = {{.start = 0, .n = SMALL}, {.start = SMALL, .n = INERT}};
    struct ap_circuit alone = {.n_state = SMALL, .part = part, .n_part = 1},
                      both = {.n_state = SMALL + INERT, .part = part, .n_part = 2};
    double *x = calloc(SMALL + INERT, sizeof *x), *w = calloc(SMALL + INERT, sizeof *w);
    double *partial = calloc(INERT / AP_VEC_BLOCK + 2, sizeof *partial);
    for (int i = 0; i < SMALL + INERT; i++) {
        x[i] = i < SMALL ? uniform() : 0;
        w[i] = 1 + uniform();
    }
    double small = ap_vec_norm(&alone, x, w, partial);
    assert_true(small > 0.1);
    assert_true(ap_vec_norm(&both, x, w, partial) == small); /* the stock norm would be 180 times less */
    for (int i = SMALL; i < SMALL + INERT; i++)
        x[i] = 1e-3 * uniform();
    assert_true(ap_vec_norm(&both, x, w, partial) == small);
    for (int i = 0; i < SMALL; i++)
        x[i] *= 1e-6; /* now the other part is the worst */
    double large = ap_vec_norm(&both, x, w, partial), all = 0;
    for (int i = SMALL; i < SMALL + INERT; i++)
        all += x[i] * w[i] * x[i] * w[i];
    assert_true(fabs(large - sqrt(all / INERT)) < 1e-12 * large);
    struct ap_part swapped[3] = {
        part[1], {.start = 5, .n = 0}, part[0]}; /* order and empty parts do not matter */
    struct ap_circuit other = {.n_state = SMALL + INERT, .part = swapped, .n_part = 3};
    assert_true(ap_vec_norm(&other, x, w, partial) == large);
    x[3] = NAN;
    assert_true(isnan(ap_vec_norm(&both, x, w, partial)) && isnan(ap_vec_norm(&other, x, w, partial)));
    x[3] = INFINITY;
    assert_true(isinf(ap_vec_norm(&both, x, w, partial)));
    free(x), free(w), free(partial);
}

static void test_the_pool_runs_out_and_is_used_again(void **unused)
{
    (void)unused;
    struct ap_part part = {.start = 0, .n = 10};
    struct ap_circuit c = {.n_state = 10, .part = &part, .n_part = 1};
    struct ap_vec_pool *pool = ap_vec_pool_create(err, &c, context);
    assert_non_null(pool);
    N_Vector v[AP_VEC_POOL];
    assert_int_equal(ap_vec_peak(pool), 0);
    v[0] = ap_vec_take(pool);
    for (int i = 1; i < AP_VEC_POOL; i++)
        v[i] = i % 2 ? N_VClone(v[0]) : N_VCloneEmpty(v[0]);
    for (int i = 0; i < AP_VEC_POOL; i++) {
        assert_non_null(v[i]);
        N_VConst(i, v[i]);
    }
    for (int i = 0; i < AP_VEC_POOL; i++) /* nobody shares memory */
        assert_true(ap_vec_data(v[i])[0] == i && N_VGetArrayPointer(v[i])[9] == i);
    assert_null(ap_vec_take(pool));
    assert_null(v[0]->ops->nvclone(v[0])); /* N_VClone itself would follow the null pointer */
    assert_int_equal(ap_vec_peak(pool), AP_VEC_POOL);
    N_Vector gone = v[7];
    N_VDestroy(gone);
    assert_ptr_equal(N_VClone(v[0]), gone);
    for (int i = 0; i < AP_VEC_POOL; i++)
        N_VDestroy(v[i]);
    N_VDestroy(NULL);
    for (int round = 0; round < 1000; round++) {
        N_Vector x = ap_vec_take(pool), y = N_VClone(x);
        N_VDestroy(x), N_VDestroy(y);
    }
    assert_int_equal(ap_vec_peak(pool), AP_VEC_POOL);
    ap_vec_pool_free(pool);
    ap_vec_pool_free(NULL);
}

static void test_operations(void **unused)
{
    (void)unused;
    for (size_t n = 5; n < 40000; n = 7 * n + 3) {
        struct ap_part part = {.start = 0, .n = n};
        struct ap_circuit c = {.n_state = n, .part = &part, .n_part = 1};
        struct ap_vec_pool *pool = ap_vec_pool_create(err, &c, context);
        N_Vector x = ap_vec_take(pool), y = N_VClone(x), z = N_VClone(x), keep = N_VClone(x);
        const double *px = ap_vec_data(x), *py = ap_vec_data(y), *pz = ap_vec_data(z),
                     *pk = ap_vec_data(keep);
        assert_int_equal(N_VGetLength(x), n);
        fill(x), fill(y);
        N_VScale(1, x, keep);
#define EACH(call, expected)                                                                                 \
    call;                                                                                                    \
    for (size_t i = 0; i < n; i++)                                                                           \
    assert_true(pz[i] == (expected))
        EACH(N_VLinearSum(2, x, 3, y, z), 2 * px[i] + 3 * py[i]);
        EACH(N_VConst(4, z), 4);
        EACH(N_VProd(x, y, z), px[i] * py[i]);
        EACH(N_VDiv(x, y, z), px[i] / py[i]);
        EACH(N_VScale(-3, x, z), -3 * px[i]);
        EACH(N_VAbs(x, z), fabs(px[i]));
        EACH(N_VInv(x, z), 1 / px[i]);
        EACH(N_VAddConst(x, 5, z), px[i] + 5);
        EACH(ap_vec_weights(x, 0.1, 0.01, z), 1 / (0.1 * fabs(px[i]) + 0.01));
        N_VScale(1, keep, z); /* two at once, one of them in its place */
        N_Vector from[2] = {z, y}, to[2] = {z, N_VClone(x)};
        realtype part2[2] = {0.3, -2};
        assert_int_equal(N_VScaleAddMulti(2, part2, x, from, to), 0);
        for (size_t i = 0; i < n; i++)
            assert_true(pz[i] == 0.3 * px[i] + pk[i] && ap_vec_data(to[1])[i] == -2 * px[i] + py[i]);
        N_VDestroy(to[1]);
        N_VScale(1, x, z); /* output on top of an input */
        EACH(N_VLinearSum(2, z, 3, y, z), 2 * px[i] + 3 * py[i]);
        N_VScale(1, x, z);
        EACH(N_VLinearSum(3, y, 2, z, z), 2 * px[i] + 3 * py[i]);
        N_VScale(1, x, z);
        EACH(N_VLinearSum(2, z, 3, z, z), 2 * px[i] + 3 * px[i]);
        EACH(N_VScale(0.5, z, z), 0.5 * (2 * px[i] + 3 * px[i]));
        for (size_t i = 0; i < n; i++)
            assert_true(px[i] == pk[i]);    /* inputs stay */
        N_Vector several[3] = {x, y, keep}; /* a call without an operation of ours */
        double a[3] = {1, 2, 4};
        assert_int_equal(N_VLinearCombination(3, a, several, z), 0);
        for (size_t i = 0; i < n; i++)
            assert_true(fabs(pz[i] - (5 * px[i] + 2 * py[i])) < 4e-15);
        N_VConst(-2, z);
        ap_vec_data(z)[n - 1] = -7;
        assert_true(N_VMaxNorm(z) == 7 && N_VMin(z) == -7);
        ap_vec_data(z)[n / 2] = NAN;
        assert_true(isnan(N_VMaxNorm(z)));
        N_VDestroy(x), N_VDestroy(y), N_VDestroy(z), N_VDestroy(keep);
        ap_vec_pool_free(pool);
    }
}

static void test_no_memory(void **unused)
{
    (void)unused;
    struct ap_part part = {.start = 0, .n = 10};
    struct ap_circuit c = {.n_state = 10, .part = &part, .n_part = 1};
    for (int nth = 1; nth <= AP_VEC_POOL + 3; nth++) {
        int before = err->n + err->dropped;
        ap_mem_fail_at(nth, true);
        assert_null(ap_vec_pool_create(err, &c, context));
        assert_int_equal(err->n + err->dropped, before + 1);
        ap_mem_fail_at(0, false);
    }
    ap_mem_fail_at(AP_VEC_POOL + 4, true); /* that was all of them */
    struct ap_vec_pool *pool = ap_vec_pool_create(err, &c, context);
    ap_mem_fail_at(0, false);
    assert_non_null(pool);
    ap_vec_pool_free(pool);
    int before = err->n + err->dropped;
    c.n_state = SIZE_MAX / 8;
    assert_null(ap_vec_pool_create(err, &c, context));
    assert_int_equal(err->n + err->dropped, before + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums_do_not_depend_on_threads),
        cmocka_unit_test(test_the_norm_is_that_of_the_worst_part),
        cmocka_unit_test(test_the_pool_runs_out_and_is_used_again),
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
