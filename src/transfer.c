/* transfer.c: transfer functions with first and second derivative and inverse.
 *
 * In:   potentials, parameters of the row.
 * Out:  rates, slopes, curvatures; potentials from rates.
 * Invariants:
 *   1. Each row is complete: no function pointer, name or doc is NULL; defaults lie within min and max.
 *   2. Slopes are products of functions, never differences of nearly equal numbers: they keep their relative
 *      accuracy in both tails (a few ulp) where 1 - phi would have lost it.
 *   3. Same bits on every machine: only mathx and exactly defined arithmetic.
 * Never: keeps state; checks parameters (the circuit file's reader has done it).
 * Test: tests/unit/test_transfer.c */
#include "transfer.h"
#include "mathx.h"

#include <math.h>
#include <string.h>

/* Functions of two evaluations go through blocks that stay in the first-level cache. */
enum { BLOCK = 256 };

#define FOR_BLOCKS(at, size)                                                                                 \
    for (size_t at = 0, size; at < n && (size = n - at < BLOCK ? n - at : BLOCK); at += size)
/* The output may be the input: no value depends on another, whatever the compiler could suspect. */
#define EACH(i, count) _Pragma("omp simd") for (size_t i = 0; i < (count); i++)

/* ---- logistic: 1 / (1 + e^-u) -------------------------------------------------------------------------- */

static void logistic_rate(const double *p, size_t n, const double *u, double *r)
{
    (void)p;
    ap_mathx_logistic_n(n, u, r);
}

/* phi(u) phi(-u) */
static void logistic_slope(const double *p, size_t n, const double *u, double *s)
{
    (void)p;
    ap_mathx_logistic_slope_n(n, u, s);
}

/* phi' (1 - 2 phi) = -phi' tanh(u/2) */
static void logistic_curvature(const double *p, size_t n, const double *u, double *c)
{
    FOR_BLOCKS(at, size)
    {
        double t[BLOCK];
        EACH(i, size) t[i] = -0.5 * u[at + i];
        ap_mathx_tanh_n(size, t, t);
        logistic_slope(p, size, u + at, c + at);
        EACH(i, size) c[at + i] *= t[i];
    }
}

static double logistic_inverse(const double *p, double r)
{
    (void)p;
    if (!(r > 0.0 && r < 1.0))
        return (double)NAN;
    if (r > 0.25 && r < 0.75) /* ln(r / (1 - r)) near its zero: r - (1 - r) is exact there */
        return ap_mathx_log1p((r - (1.0 - r)) / (1.0 - r));
    return ap_mathx_log(r) - ap_mathx_log1p(-r);
}

/* ---- softplus: gamma ln(1 + e^z), z = beta (u - theta) --------------------------------------------------
 */

static void softplus_rate(const double *p, size_t n, const double *u, double *r)
{
    double gamma = p[0], beta = p[1], theta = p[2];
    EACH(i, n) r[i] = beta * (u[i] - theta);
    ap_mathx_log1pexp_n(n, r, r);
    EACH(i, n) r[i] *= gamma;
}

/* gamma beta logistic(z) */
static void softplus_slope(const double *p, size_t n, const double *u, double *s)
{
    double gamma = p[0], beta = p[1], theta = p[2], steepest = gamma * beta;
    EACH(i, n) s[i] = beta * (u[i] - theta);
    ap_mathx_logistic_n(n, s, s);
    EACH(i, n) s[i] *= steepest;
}

/* gamma beta^2 logistic'(z) */
static void softplus_curvature(const double *p, size_t n, const double *u, double *c)
{
    double gamma = p[0], beta = p[1], theta = p[2], factor = gamma * beta * beta;
    EACH(i, n) c[i] = beta * (u[i] - theta);
    logistic_slope(NULL, n, c, c);
    EACH(i, n) c[i] *= factor;
}

/* z = ln(e^y - 1) = y + ln(1 - e^-y), y = r / gamma */
static double softplus_inverse(const double *p, double r)
{
    double y = r / p[0];
    if (!(y > 0.0 && y < (double)INFINITY))
        return (double)NAN;
    double z = y < 1.0 ? ap_mathx_log(ap_mathx_expm1(y)) : y + ap_mathx_log(-ap_mathx_expm1(-y));
    return p[2] + z / p[1];
}

/* ---- tanh ------------------------------------------------------------------------------------------------
 */

static void tanh_rate(const double *p, size_t n, const double *u, double *r)
{
    (void)p;
    ap_mathx_tanh_n(n, u, r);
}

/* 1 - tanh^2(u) = 4 logistic(2u) logistic(-2u) */
static void tanh_slope(const double *p, size_t n, const double *u, double *s)
{
    EACH(i, n) s[i] = 2.0 * u[i];
    logistic_slope(p, n, s, s);
    EACH(i, n) s[i] *= 4.0;
}

/* -2 tanh(u) phi'(u) */
static void tanh_curvature(const double *p, size_t n, const double *u, double *c)
{
    FOR_BLOCKS(at, size)
    {
        double t[BLOCK];
        ap_mathx_tanh_n(size, u + at, t);
        tanh_slope(p, size, u + at, c + at);
        EACH(i, size) c[at + i] *= -2.0 * t[i];
    }
}

/* ln((1 + r) / (1 - r)) / 2 */
static double tanh_inverse(const double *p, double r)
{
    (void)p;
    if (!(r > -1.0 && r < 1.0))
        return (double)NAN;
    double a = fabs(r);
    return copysign(0.5 * ap_mathx_log1p(2.0 * a / (1.0 - a)), r);
}

/* ---- relu: max(u, 0)
 * --------------------------------------------------------------------------------------- */

static void relu_rate(const double *p, size_t n, const double *u, double *r)
{
    (void)p;
    EACH(i, n) r[i] = u[i] <= 0.0 ? 0.0 : u[i]; /* this way round NaN stays */
}

static void relu_slope(const double *p, size_t n, const double *u, double *s)
{
    (void)p;
    EACH(i, n) s[i] = u[i] <= 0.0 ? 0.0 : u[i] > 0.0 ? 1.0 : u[i];
}

static void zero_curvature(const double *p, size_t n, const double *u, double *c)
{
    (void)p;
    EACH(i, n) c[i] = u[i] != u[i] ? u[i] : 0.0;
}

static double relu_inverse(const double *p, double r)
{
    (void)p;
    return r > 0.0 && r < (double)INFINITY ? r : (double)NAN; /* 0 has no single potential */
}

/* ---- linear: u
 * ---------------------------------------------------------------------------------------------- */

static void linear_rate(const double *p, size_t n, const double *u, double *r)
{
    (void)p;
    EACH(i, n) r[i] = u[i];
}

static void linear_slope(const double *p, size_t n, const double *u, double *s)
{
    (void)p;
    EACH(i, n) s[i] = u[i] != u[i] ? u[i] : 1.0;
}

static double linear_inverse(const double *p, double r)
{
    (void)p;
    return fabs(r) < (double)INFINITY ? r : (double)NAN;
}

/* ---- the table
 * ---------------------------------------------------------------------------------------------- */

static const struct ap_transfer_row TRANSFERS[] = {
    {
        .row = {"logistic", "1 / (1 + exp(-u)): between 0 and 1, cannot run away", "rate", "", NULL, 0},
        .rate = logistic_rate,
        .slope = logistic_slope,
        .curvature = logistic_curvature,
        .inverse = logistic_inverse,
    },
    {
        .row = {"softplus",
                "gamma ln(1 + exp(beta (u - theta))): the soft rectifier, silent far below theta, linear far "
                "above",
                "rate", "", NULL, 0},
        .n_params = 3,
        .param = {"gamma", "beta", "theta"},
        .param_doc = {"scale of the rate", "steepness, per unit of potential",
                      "potential at which the rate bends"},
        .fallback = {1.0, 1.0, 0.0},
        .min = {1e-6, 1e-6, -1e6},
        .max = {1e6, 1e6, 1e6},
        .rate = softplus_rate,
        .slope = softplus_slope,
        .curvature = softplus_curvature,
        .inverse = softplus_inverse,
    },
    {
        .row = {"tanh", "tanh(u): between -1 and 1, odd", "rate", "", NULL, 0},
        .rate = tanh_rate,
        .slope = tanh_slope,
        .curvature = tanh_curvature,
        .inverse = tanh_inverse,
    },
    {
        .row = {"relu", "max(u, 0): zero below threshold, linear above", "rate", "", NULL, 0},
        .rate = relu_rate,
        .slope = relu_slope,
        .curvature = zero_curvature,
        .inverse = relu_inverse,
    },
    {
        .row = {"linear", "u: no transfer function, for circuits with known solutions", "rate", "", NULL, 0},
        .rate = linear_rate,
        .slope = linear_slope,
        .curvature = zero_curvature,
        .inverse = linear_inverse,
    },
};

const struct ap_table ap_transfer_table = {
    .thing = "transfer",
    .doc = "transfer functions phi from the potential of the soma to the rate",
    AP_TABLE(TRANSFERS),
};
