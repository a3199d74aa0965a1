/* mathx.c: elementary functions with the same bits on every machine.
 *
 * In:   doubles, one or many.
 * Out:  exp, expm1, log, log1p, tanh, ln(1 + e^x), 1 / (1 + e^-x); x^y, also under the name by which SUNDIALS calls it.
 * Invariants:
 *   1. Only + - * /, comparisons, bit operations and fma() written out: each is exactly defined by IEEE 754,
 * so compiler, optimisation and CPU cannot change a bit. Needs -ffp-contract=off and no -ffast-math.
 *   2. One static inline core per function serves the scalar and the array: both give the same bits.
 *   3. No branches in a core, so the compiler turns the array loops into vector code.
 *   4. exp, log, tanh within 1 ulp, the others within 2 ulp, monotone from one double to the next; pow as mathx.h says.
 *   5. CVODE chooses its steps by SUNRpowerR. A program's definition of a name comes before that of a shared library,
 * so the one here is what CVODE calls; pow of the C library has other bits on other CPUs.
 * Never: calls libm (but for fma, which is exact everywhere), sets errno, reads a table.
 * Test: tests/unit/test_mathx.c */
#include "mathx.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __clang__
#pragma clang diagnostic ignored "-Wpass-failed" /* without clones x86-64 has no fma to vectorise with */
#endif

/* Always: a core left outside would be built for the oldest CPU, where each fma is a call. */
#define INLINE static inline __attribute__((always_inline))

static const double LN2_HI = 0x1.62e42fefa3800p-1;  /* 42 bits: k * LN2_HI is exact for |k| < 2048 */
static const double LN2_LO = 0x1.ef35793c76730p-45; /* ln 2 - LN2_HI */
static const double LOG2E = 0x1.71547652b82fep+0;
static const double ROUND = 0x1.8p+52; /* t + ROUND - ROUND is t rounded; the low bits of t + ROUND hold it */

INLINE uint64_t bits_of(double x)
{
    uint64_t b;
    memcpy(&b, &x, sizeof b);
    return b;
}

INLINE double of_bits(uint64_t b)
{
    double x;
    memcpy(&x, &b, sizeof x);
    return x;
}

/* 2^k for -1023 < k < 1024 given k + ROUND. */
INLINE double power_of_two(double k_plus_round)
{
    return of_bits((bits_of(k_plus_round) + 1023) << 52);
}

/* e^x = 2^k (1 + high + low), |high| <= ln(2)/2, |low| a rounding error of high plus the higher terms. */
struct exp_parts {
    double k_plus_round, high, low;
};

/* |x| < 2^20. For k = 0 low is the sum of the terms from x^2/2 on, so that 1 is never added to a small number
 * before the caller wants it. */
INLINE struct exp_parts exp_reduce(double x)
{
    double kr = fma(x, LOG2E, ROUND), k = kr - ROUND;
    double a = fma(-k, LN2_HI, x); /* exact */
    double r = fma(-k, LN2_LO, a), rest = fma(-k, LN2_LO, a - r);
    double r2 = r * r, r4 = r2 * r2;
    /* (e^r - 1 - r) / r^2, minimax of degree 10, contributes 6e-20 at most; summed in pairs for short chains
     */
    double q01 = fma(r, 0x1.555555555555bp-3, 0x1p-1);
    double q23 = fma(r, 0x1.111111110ec43p-7, 0x1.555555555555dp-5);
    double q45 = fma(r, 0x1.a01a01b391daep-13, 0x1.6c16c16c1364cp-10);
    double q67 = fma(r, 0x1.71ddefe168970p-19, 0x1.a01a01b42e325p-16);
    double q89 = fma(r, 0x1.af6c66b22fe86p-26, 0x1.27e4bf6c672acp-22);
    double q03 = fma(r2, q23, q01), q47 = fma(r2, q67, q45);
    double q8a = fma(r2, 0x1.1f9daa59592f0p-29, q89);
    double q = fma(r4, fma(r4, q8a, q47), q03);
    return (struct exp_parts){kr, r, fma(r2, q, rest)};
}

/* 2^k in two factors: k reaches 1024 and -1076, and a denormal result is rounded once, at the second. */
struct two_factors {
    double first, second;
};

INLINE struct two_factors scale_of(double k_plus_round)
{
    double k = k_plus_round - ROUND, half = fma(k, 0.5, ROUND);
    return (struct two_factors){power_of_two(half), power_of_two((k - (half - ROUND)) + ROUND)};
}

/* No argument beyond is needed: e^710 overflows, e^-746 rounds to zero. */
INLINE double exp_clamp(double x)
{
    x = x > 710.0 ? 710.0 : x;
    return x < -746.0 ? -746.0 : x;
}

INLINE double exp_core(double x)
{
    struct exp_parts p = exp_reduce(exp_clamp(x));
    double s = 1.0 + p.high, rest = (1.0 - s) + p.high;
    struct two_factors scale = scale_of(p.k_plus_round);
    return (s + (rest + p.low)) * scale.first * scale.second;
}

/* A number as the sum of two, the second of the size of a rounding error of the first or a small part of it.
 */
struct pair {
    double high, low;
};

/* ln(2^k (1 + f)) + extra, for |f| < 0.4143 and an extra of the size of a rounding error. */
INLINE struct pair log_sum(double k, double f, double extra)
{
    double s = f / (2.0 + f), z = s * s, z2 = z * z, z4 = z2 * z2;
    /* ln(1 + f) = 2 atanh(s); (2 atanh(s) / s - 2) / z, minimax of degree 7, contributes 1e-20 at most */
    double p01 = fma(z, 0x1.9999999999a3ap-2, 0x1.5555555555555p-1);
    double p23 = fma(z, 0x1.c71c7201ff537p-3, 0x1.2492492476692p-2);
    double p45 = fma(z, 0x1.3b1c42bf11682p-3, 0x1.745cf8c2a17edp-3);
    double p67 = fma(z, 0x1.0c11348cee62ap-3, 0x1.0fbd3d1a064d2p-3);
    double p = fma(z4, fma(z2, p67, p45), fma(z2, p23, p01));
    /* 2s + s z p = f - h + s (h + z p) with h = f^2 / 2: f stays exact, all else is smaller */
    double h = 0.5 * f * f;
    double tail = fma(s, fma(z, p, h), fma(k, LN2_LO, extra));
    double k_ln2 = k * LN2_HI;
    double sum = k_ln2 + f, rest = (k_ln2 - sum) + f;
    return (struct pair){sum, rest - (h - tail)};
}

static const uint64_t SQRT_HALF = 0x3fe6a09e667f3bcd; /* bits of sqrt(1/2) */
static const uint64_t ONE = 0x3ff0000000000000;

/* ln(x + extra x) for finite x > 0, normal: x = 2^k m with sqrt(1/2) <= m < sqrt(2). */
INLINE struct pair log_normal(double x, double k_offset, double extra)
{
    uint64_t b = bits_of(x) + (ONE - SQRT_HALF);
    double k = of_bits((b >> 52) | 0x4330000000000000) - (0x1p52 + 1023.0); /* small integer to double */
    double m = of_bits((b & 0x000fffffffffffff) + SQRT_HALF);
    return log_sum(k + k_offset, m - 1.0, extra);
}

/* The same for any finite x > 0. */
INLINE struct pair log_positive(double x)
{
    double small = x < 0x1p-1022 ? 0x1p54 : 1.0, offset = x < 0x1p-1022 ? -54.0 : 0.0;
    return log_normal(x * small, offset, 0.0);
}

/* The values of ln at the ends of its range, in place of y. */
INLINE double log_ends(double x, double y)
{
    y = x == (double)INFINITY ? x : y;
    y = x == 0.0 ? -(double)INFINITY : y;
    y = x < 0.0 ? (double)NAN : y;
    return x != x ? x : y;
}

INLINE double log_core(double x)
{
    struct pair y = log_positive(x);
    return log_ends(x, y.high + y.low);
}

/* e^(y ln x), with the product in two pieces: its rounding error would be multiplied by the exponential. */
INLINE double pow_core(double x, double y)
{
    struct pair l = log_positive(x);
    double ln = log_ends(x, l.high + l.low), ln_low = (l.high - ln) + l.low;
    double t = y * ln, t_low = fma(y, ln, -t) + y * ln_low;
    t_low = fabs(t) < 746.0 ? t_low : 0.0; /* beyond, t alone says 0 or infinity; t_low may be a NaN */
    struct exp_parts p = exp_reduce(exp_clamp(t));
    double s = 1.0 + p.high, rest = (1.0 - s) + p.high;
    struct two_factors scale = scale_of(p.k_plus_round);
    double power = (s + (rest + fma(t_low, s + p.low, p.low))) * scale.first * scale.second;
    return x == 1.0 || y == 0.0 ? 1.0 : power; /* whatever the other is: as in C */
}

INLINE double log1p_core(double x)
{
    double u = 1.0 + x, above = 1.0 - (u - x), below = x - (u - 1.0);
    double lost = fabs(x) < 1.0 ? below : above; /* 1 + x - u */
    struct pair l = log_normal(u, 0.0, lost / u);
    double y = log_ends(u, l.high + l.low);
    return x == 0.0 ? x : y; /* keeps -0 */
}

/* max(x, 0) + ln(1 + t), t = e^-|x|. t and the logarithm stay in two pieces until the end: were they rounded,
 * the sum would at times fall while x rises. */
INLINE double log1pexp_core(double x)
{
    struct exp_parts p = exp_reduce(exp_clamp(-fabs(x)));
    struct two_factors scale = scale_of(p.k_plus_round);
    double s = 1.0 + p.high, rest = ((1.0 - s) + p.high) + p.low;
    double r = s + rest, r_low = (s - r) + rest;
    double t = r * scale.first * scale.second, t_low = r_low * scale.first * scale.second;

    /* 1 + t + t_low = 2^k (1 + f + f_low) with k = 0 or 1 */
    double w = t - 1.0, w_low = (t - (w + 1.0)) + t_low;
    double k = t > 0x1.a827999fcef31p-2 ? 1.0 : 0.0; /* sqrt(2) - 1 */
    double f = k != 0.0 ? 0.5 * w : t, f_low = k != 0.0 ? 0.5 * w_low : t_low;
    struct pair l = log_sum(k, f, f_low * fma(f, f - 1.0, 1.0)); /* d ln(1 + f) = f_low / (1 + f), to 7 % */

    double a = x > 0.0 ? x : 0.0, sum = a + l.high, part = sum - a;
    double y = sum + (((a - (sum - part)) + (l.high - part)) + l.low);
    return x == (double)INFINITY ? x : y;
}

/* (n_high + n_low) / (d_high + d_low), rounded nearly once: one division and one correction. Each low is at
 * most a rounding error of its high. */
INLINE double quotient(double n_high, double n_low, double d_high, double d_low)
{
    double inverse = 1.0 / d_high, q = n_high * inverse;
    double left = fma(-q, d_high, n_high) + fma(-q, d_low, n_low);
    return fma(left, inverse, q);
}

INLINE double logistic_core(double x)
{
    double t = exp_core(-fabs(x));
    double d = 1.0 + t, d_low = (1.0 - d) + t;
    return quotient(x < 0.0 ? t : 1.0, 0.0, d, d_low);
}

/* logistic(x) logistic(-x), the product of what both give. */
INLINE double logistic_slope_core(double x)
{
    double t = exp_core(-fabs(x));
    double d = 1.0 + t, d_low = (1.0 - d) + t;
    return quotient(t, 0.0, d, d_low) * quotient(1.0, 0.0, d, d_low);
}

INLINE double expm1_core(double x)
{
    double c = x > 40.0 ? 40.0 : x; /* beyond, e^x - 1 is e^x to less than an ulp */
    c = c < -40.0 ? -40.0 : c;
    struct exp_parts p = exp_reduce(c);
    double s = power_of_two(p.k_plus_round);
    double a = s - 1.0, a_low = (s - a) - 1.0; /* s - 1 = a + a_low whichever is larger: s = 2^k */
    double b = s * p.high, sum = a + b, sum_low = (a - sum) + b;
    double y = sum + (sum_low + (a_low + s * p.low));
    y = x > 40.0 ? exp_core(x) : y;
    return x == 0.0 ? x : y;
}

INLINE double tanh_core(double x)
{
    /* e = e^(-2|x|); tanh = (1 - e) / (1 + e), both sums kept in two pieces */
    double c = fabs(x) > 22.0 ? 22.0 : fabs(x);
    struct exp_parts p = exp_reduce(-2.0 * c);
    double s = power_of_two(p.k_plus_round), b = s * p.high, b_low = s * p.low;
    double m = 1.0 - s, m_low = (1.0 - m) - s;
    double n = m - b, n_rest = ((m - n) - b) + (m_low - b_low);
    double w = 1.0 + s, w_low = (1.0 - w) + s;
    double d = w + b, d_rest = ((w - d) + b) + (w_low + b_low);
    /* b_low holds the terms from r^2/2 on: up to a fifth of b, so the pairs are summed once more */
    double n_high = n + n_rest, n_low = (n - n_high) + n_rest;
    double d_high = d + d_rest, d_low = (d - d_high) + d_rest;
    double y = copysign(quotient(n_high, n_low, d_high, d_low), x);
    return x != x ? x : y;
}

#define SCALAR_AND_ARRAY(name)                                                                               \
    AP_CLONES double ap_mathx_##name(double x)                                                               \
    {                                                                                                        \
        return name##_core(x);                                                                               \
    }                                                                                                        \
    AP_CLONES void ap_mathx_##name##_n(size_t n, const double *x, double *y)                                 \
    {                                                                                                        \
        _Pragma("omp simd") for (size_t i = 0; i < n; i++) y[i] = name##_core(x[i]);                         \
    }

SCALAR_AND_ARRAY(exp)
SCALAR_AND_ARRAY(expm1)
SCALAR_AND_ARRAY(log)
SCALAR_AND_ARRAY(log1p)
SCALAR_AND_ARRAY(tanh)
SCALAR_AND_ARRAY(log1pexp)
SCALAR_AND_ARRAY(logistic)
SCALAR_AND_ARRAY(logistic_slope)

AP_CLONES double ap_mathx_pow(double x, double y)
{
    return pow_core(x, y);
}

double SUNRpowerR(double base, double exponent)
{
    return base <= 0 ? 0 : ap_mathx_pow(base, exponent);
}
