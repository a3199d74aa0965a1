/* mathx.h: exp, log, tanh, pow and the two functions of rate neurons, with the same bits on every machine.
 *
 * Sources: Cody & Waite, Software Manual for the Elementary Functions (1980), reduction by ln 2 in two
 * pieces; Dekker, Numer. Math. 18 (1971), sums of two numbers without error; Muller, Elementary Functions
 * (2016), for log by the series of atanh. The polynomial coefficients are our own minimax fits (Remez, 60
 * digits). */
#ifndef AP_MATHX_H
#define AP_MATHX_H

#include <stddef.h>

/* Before the definition of a function: builds it for three generations of x86-64 and picks one when the
 * program starts. The bits do not depend on the pick. Sanitizers cannot instrument the pick itself, and clang
 * before 18 gives it a name of its own that other files do not find. */
#if defined(__x86_64__) && defined(__linux__) && !defined(AP_NO_CLONES) &&                                   \
    (!defined(__clang__) || __clang_major__ >= 18)
#define AP_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define AP_CLONES
#endif

/* All are dimensionless, double to double, in round-to-nearest. NaN in gives NaN out; +-inf give the limits;
 * denormal results are right. Errors in ulp, the largest found on 10^7 arguments per range (see
 * tests/unit/test_mathx.c). Nothing sets errno. */
double ap_mathx_exp(double x);            /* e^x; 0.79 ulp, 0.70 where the result is normal */
double ap_mathx_expm1(double x);          /* e^x - 1, sharp near 0; 1.25 ulp */
double ap_mathx_log(double x);            /* natural logarithm; 0 -> -inf, x < 0 -> NaN; 0.84 ulp */
double ap_mathx_log1p(double x);          /* ln(1 + x), sharp near 0; -1 -> -inf, x < -1 -> NaN; 0.85 ulp */
double ap_mathx_tanh(double x);           /* odd, keeps the sign of zero; 0.92 ulp */
double ap_mathx_log1pexp(double x);       /* ln(1 + e^x): the soft rectifier; never overflows; 0.85 ulp */
double ap_mathx_logistic(double x);       /* 1 / (1 + e^-x); 1.48 ulp */
double ap_mathx_logistic_slope(double x); /* its derivative: logistic(x) logistic(-x), bit by bit */

/* x^y for x >= 0 (below: NaN), limits as in C. 0.69 ulp for |y| <= 1, all that the choice of a step needs; the
 * error grows with |y|: 1.2 ulp at 5, 15 at 100. */
double ap_mathx_pow(double x, double y);

/* SUNDIALS' own name for x^y; 0 for x <= 0. Being in the program it takes the place of the library's. */
double SUNRpowerR(double base, double exponent);

/* y[i] = f(x[i]) for i < n, bit by bit what the scalar gives. y may be x itself; otherwise the two arrays
 * must not overlap. */
void ap_mathx_exp_n(size_t n, const double *x, double *y);
void ap_mathx_expm1_n(size_t n, const double *x, double *y);
void ap_mathx_log_n(size_t n, const double *x, double *y);
void ap_mathx_log1p_n(size_t n, const double *x, double *y);
void ap_mathx_tanh_n(size_t n, const double *x, double *y);
void ap_mathx_log1pexp_n(size_t n, const double *x, double *y);
void ap_mathx_logistic_n(size_t n, const double *x, double *y);
void ap_mathx_logistic_slope_n(size_t n, const double *x, double *y);

#endif
