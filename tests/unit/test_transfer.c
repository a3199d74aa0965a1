/* Derivatives against central differences and, in the tails, against long double; inverses; the table itself.
 */
#include "transfer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { N = 1001 };

static const struct ap_transfer_row *find(const char *name)
{
    return (const struct ap_transfer_row *)ap_registry_find(&ap_transfer_table, name);
}

/* The row's defaults, and the parameters of the regression task for softplus. */
static const double *params(const struct ap_transfer_row *d, int set)
{
    static const double regression[AP_TRANSFER_PARAMS] = {0.1, 1.3, 3.0, 0};
    return set && d->n_params ? regression : d->fallback;
}

static double one(void (*f)(const double *, size_t, const double *, double *), const double *p, double u)
{
    double y;
    f(p, 1, &u, &y);
    return y;
}

static void test_rows_are_complete(void **unused)
{
    (void)unused;
    size_t n = (size_t)ap_transfer_table.n;
    const struct ap_transfer_row *t = ap_transfer_table.rows;
    assert_int_equal(n, 5);
    for (size_t i = 0; i < n; i++) {
        assert_true(t[i].row.name && *t[i].row.name && t[i].row.doc && *t[i].row.doc);
        assert_true(t[i].rate && t[i].slope && t[i].curvature && t[i].inverse);
        assert_in_range(t[i].n_params, 0, AP_TRANSFER_PARAMS);
        for (int k = 0; k < AP_TRANSFER_PARAMS; k++)
            if (k < t[i].n_params) {
                assert_true(t[i].param[k] && *t[i].param[k] && t[i].param_doc[k] && *t[i].param_doc[k]);
                assert_true(t[i].min[k] <= t[i].fallback[k] && t[i].fallback[k] <= t[i].max[k]);
                assert_true(t[i].min[k] < t[i].max[k]);
            } else
                assert_null(t[i].param[k]);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(t[i].row.name, t[j].row.name);
        assert_ptr_equal(find(t[i].row.name), &t[i]);
    }
    assert_null(find("sigmoid"));
    assert_null(find(""));
}

/* f' of a sampled f by a central difference of fourth order: error about h^4. */
static double difference(void (*f)(const double *, size_t, const double *, double *), const double *p,
                         double u)
{
    double h = 1e-3;
    return (8 * (one(f, p, u + h) - one(f, p, u - h)) - (one(f, p, u + 2 * h) - one(f, p, u - 2 * h))) /
           (12 * h);
}

static void test_derivatives_are_those_of_the_rate(void **unused)
{
    (void)unused;
    size_t n = (size_t)ap_transfer_table.n;
    const struct ap_transfer_row *t = ap_transfer_table.rows;
    for (size_t i = 0; i < n; i++)
        for (int set = 0; set < 2; set++) {
            const double *p = params(&t[i], set);
            double u[N], s[N], c[N];
            for (int k = 0; k < N; k++)
                u[k] = -8 + 16.0 * k / N + 0.004; /* the kink of relu stays outside the stencil */
            t[i].slope(p, N, u, s);
            t[i].curvature(p, N, u, c);
            for (int k = 0; k < N; k++)
                if (fabs(u[k]) > 0.003) {
                    assert_true(fabs(s[k] - difference(t[i].rate, p, u[k])) < 2e-11);
                    assert_true(fabs(c[k] - difference(t[i].slope, p, u[k])) < 2e-11);
                }
        }
}

static void test_known_values(void **unused)
{
    (void)unused;
    const struct ap_transfer_row *d = find("logistic");
    assert_true(one(d->rate, NULL, 0) == 0.5 && one(d->slope, NULL, 0) == 0.25 &&
                one(d->curvature, NULL, 0) == 0);
    d = find("softplus");
    double p[AP_TRANSFER_PARAMS] = {0.1, 1.3, 3};
    assert_true(fabs(one(d->rate, p, 3) - 0.1 * log(2)) < 1e-17);
    assert_true(fabs(one(d->rate, p, 5) - 0.1 * log1p(exp(2.6))) < 1e-16);
    assert_true(fabs(one(d->slope, p, 3) - 0.065) < 1e-17);
    assert_true(fabs(one(d->curvature, p, 3) - 0.1 * 1.69 / 4) < 1e-17);
    d = find("relu");
    assert_true(one(d->rate, NULL, -2) == 0 && one(d->rate, NULL, 3) == 3);
    assert_true(one(d->slope, NULL, -2) == 0 && one(d->slope, NULL, 0) == 0 && one(d->slope, NULL, 2) == 1);
    d = find("linear");
    assert_true(one(d->rate, NULL, -2) == -2 && one(d->slope, NULL, 7) == 1 &&
                one(d->curvature, NULL, 7) == 0);
}

/* Where 1 - phi would be rounding noise. */
static void test_slopes_keep_relative_accuracy_in_the_tails(void **unused)
{
    (void)unused;
    const struct ap_transfer_row *logistic = find("logistic"), *hyperbolic = find("tanh");
    for (double u = -300; u <= 300; u += 0.37) {
        long double t = expl(-fabsl((long double)u)), s = t / ((1 + t) * (1 + t));
        assert_true(fabsl((long double)one(logistic->slope, NULL, u) / s - 1) < 1e-15L);
        long double w = expl(-2 * fabsl((long double)u)), z = 4 * w / ((1 + w) * (1 + w));
        assert_true(fabsl((long double)one(hyperbolic->slope, NULL, u) / z - 1) < 1e-15L);
    }
}

static void test_inverse_undoes_rate(void **unused)
{
    (void)unused;
    size_t n = (size_t)ap_transfer_table.n;
    const struct ap_transfer_row *t = ap_transfer_table.rows;
    for (size_t i = 0; i < n; i++)
        for (int set = 0; set < 2; set++) {
            const double *p = params(&t[i], set);
            for (double u = -30; u < 30; u += 0.01) {
                double r = one(t[i].rate, p, u), slope = one(t[i].slope, p, u);
                if (r == 0 && strcmp(t[i].row.name, "relu") == 0)
                    continue;
                if (fabs(r) == 1 && strcmp(t[i].row.name, "tanh") == 0) {
                    assert_true(isnan(t[i].inverse(p, r)));
                    continue;
                }
                /* the rate is rounded to half an ulp or two: the potential cannot be known better than that
                 */
                double allowed = 4e-15 * (1 + fabs(u)) + 4e-16 * fabs(r) / slope;
                assert_true(fabs(t[i].inverse(p, r) - u) <= allowed);
            }
        }
}

static void test_inverse_refuses_what_no_potential_gives(void **unused)
{
    (void)unused;
    double inf = (double)INFINITY, nan = (double)NAN;
    size_t n = (size_t)ap_transfer_table.n;
    const struct ap_transfer_row *t = ap_transfer_table.rows;
    for (size_t i = 0; i < n; i++) {
        assert_true(isnan(t[i].inverse(t[i].fallback, nan)));
        assert_true(isnan(t[i].inverse(t[i].fallback, inf)));
        assert_true(isnan(t[i].inverse(t[i].fallback, -inf)));
    }
    const double *p = find("softplus")->fallback;
    assert_true(isnan(find("logistic")->inverse(NULL, 0)));
    assert_true(isnan(find("logistic")->inverse(NULL, 1)));
    assert_true(isnan(find("softplus")->inverse(p, 0)));
    assert_true(isnan(find("softplus")->inverse(p, -1)));
    assert_true(isnan(find("tanh")->inverse(NULL, 1)));
    assert_true(isnan(find("tanh")->inverse(NULL, -1)));
    assert_true(isnan(find("relu")->inverse(NULL, -1)));
    assert_true(find("linear")->inverse(NULL, -1) == -1);
}

/* Any n, in place or not, gives bit by bit what single calls give; NaN passes through. */
static void test_arrays_are_single_calls(void **unused)
{
    (void)unused;
    size_t n = (size_t)ap_transfer_table.n;
    const struct ap_transfer_row *t = ap_transfer_table.rows;
    for (size_t i = 0; i < n; i++) {
        void (*const f[3])(const double *, size_t, const double *, double *) = {t[i].rate, t[i].slope,
                                                                                t[i].curvature};
        for (int k = 0; k < 3; k++)
            for (size_t m = 0; m < 600; m += m < 20 ? 1 : 119) {
                double u[600], y[600];
                for (size_t j = 0; j < 600; j++) {
                    u[j] = sin((double)(j + m)) * 20;
                    y[j] = -7;
                }
                f[k](t[i].fallback, m, u, y);
                for (size_t j = 0; j < m; j++)
                    assert_true(y[j] == one(f[k], t[i].fallback, u[j]));
                assert_true(m == 600 || y[m] == -7);
                f[k](t[i].fallback, m, u, u);
                assert_memory_equal(u, y, m * sizeof *u);
            }
        for (int k = 0; k < 3; k++)
            assert_true(isnan(one(f[k], t[i].fallback, (double)NAN)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_complete),
        cmocka_unit_test(test_derivatives_are_those_of_the_rate),
        cmocka_unit_test(test_known_values),
        cmocka_unit_test(test_slopes_keep_relative_accuracy_in_the_tails),
        cmocka_unit_test(test_inverse_undoes_rate),
        cmocka_unit_test(test_inverse_refuses_what_no_potential_gives),
        cmocka_unit_test(test_arrays_are_single_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
