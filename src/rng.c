/* rng.c: counter-based random numbers, Philox4x32-10 of the Random123 library.
 *
 * In:   seed, purpose, entity, index.
 * Out:  bits, uniforms, normals, bounded integers, permutations.
 * Invariants:
 *   1. A value depends on (seed, purpose, entity, index) alone: no state, no order, no threads.
 *   2. Key = seed; counter = (index / 2 as 64 bits, entity, purpose); a block of 128 bits serves two indices.
 *   3. Array forms give bit by bit what the scalar forms give.
 *   4. Arithmetic is exactly defined (see mathx.c), so values are the same on every machine.
 * Never: keeps state, reads a clock or a device.
 * Test: tests/unit/test_rng.c */
#include "rng.h"
#include "mathx.h"

#include <Random123/philox.h>
#include <math.h>

static inline philox4x32_ctr_t block_of(struct ap_rng_stream s, uint64_t block)
{
    philox4x32_ctr_t counter = {{(uint32_t)block, (uint32_t)(block >> 32), s.entity, (uint32_t)s.purpose}};
    philox4x32_key_t key = {{(uint32_t)s.seed, (uint32_t)(s.seed >> 32)}};
    return philox4x32_R(10, counter, key);
}

static inline uint64_t half_of(philox4x32_ctr_t block, unsigned half)
{
    return half ? block.v[2] | (uint64_t)block.v[3] << 32 : block.v[0] | (uint64_t)block.v[1] << 32;
}

void ap_rng_block(uint64_t seed, const uint32_t counter[4], uint32_t out[4])
{
    philox4x32_ctr_t c = {{counter[0], counter[1], counter[2], counter[3]}};
    philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    c = philox4x32_R(10, c, key);
    for (int i = 0; i < 4; i++)
        out[i] = c.v[i];
}

uint64_t ap_rng_bits(struct ap_rng_stream s, uint64_t index)
{
    return half_of(block_of(s, index / 2), index % 2);
}

/* Multiples of 2^-53; the one that would be 0 becomes 2^-54, so that a logarithm or a quantile is finite. */
static inline double open_uniform(uint64_t bits)
{
    double u = (double)(bits >> 11) * 0x1p-53;
    return u == 0.0 ? 0x1p-54 : u;
}

static inline double scaled(uint64_t bits, double a, double b)
{
    double y = a + (b - a) * ((double)(bits >> 11) * 0x1p-53);
    y = y < b ? y : nextafter(b, a); /* the sum may round up to b */
    return a < b ? y : a;
}

/* Numerator and denominator of a rational function of degree 7. */
static inline double rational(const double *a, const double *b, double x)
{
    double p = a[7], q = b[7];
    for (int i = 6; i >= 0; i--) {
        p = fma(p, x, a[i]);
        q = fma(q, x, b[i]);
    }
    return p / q;
}

/* Coefficients printed in Wichura (1988), PPND16: middle, tail, far tail. */
static const double MIDDLE_A[8] = {3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
                                   1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
                                   3.3430575583588128105e4, 2.5090809287301226727e3};
static const double MIDDLE_B[8] = {1.0,
                                   4.2313330701600911252e1,
                                   6.8718700749205790830e2,
                                   5.3941960214247511077e3,
                                   2.1213794301586595867e4,
                                   3.9307895800092710610e4,
                                   2.8729085735721942674e4,
                                   5.2264952788528545610e3};
static const double TAIL_A[8] = {1.42343711074968357734e0,  4.63033784615654529590e0,
                                 5.76949722146069140550e0,  3.64784832476320460504e0,
                                 1.27045825245236838258e0,  2.41780725177450611770e-1,
                                 2.27238449892691845833e-2, 7.74545014278341407640e-4};
static const double TAIL_B[8] = {1.0,
                                 2.05319162663775882187e0,
                                 1.67638483018380384940e0,
                                 6.89767334985100004550e-1,
                                 1.48103976427480074590e-1,
                                 1.51986665636164571966e-2,
                                 5.47593808499534494600e-4,
                                 1.05075007164441684324e-9};
static const double FAR_A[8] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                                1.78482653991729133580e0,  2.96560571828504891230e-1,
                                2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                2.71155556874348757815e-5, 2.01033439929228813265e-7};
static const double FAR_B[8] = {1.0,
                                5.99832206555887937690e-1,
                                1.36929880922735805310e-1,
                                1.48753612908506148525e-2,
                                7.86869131145613259100e-4,
                                1.84631831751005468180e-5,
                                1.42151175831644588870e-7,
                                2.04426310338993978564e-15};

static inline double quantile(double p)
{
    double q = p - 0.5;
    if (fabs(q) <= 0.425)
        return q * rational(MIDDLE_A, MIDDLE_B, fma(-q, q, 0.180625));
    double tail = q < 0.0 ? p : 1.0 - p; /* exact for the multiples of 2^-53 that we draw */
    double r = sqrt(-ap_mathx_log(tail));
    double x = r <= 5.0 ? rational(TAIL_A, TAIL_B, r - 1.6) : rational(FAR_A, FAR_B, r - 5.0);
    return q < 0.0 ? -x : x;
}

AP_CLONES double ap_rng_normal_quantile(double p)
{
    return p > 0.0 && p < 1.0 ? quantile(p) : (double)NAN;
}

double ap_rng_uniform(struct ap_rng_stream s, uint64_t index)
{
    return open_uniform(ap_rng_bits(s, index));
}

double ap_rng_between(struct ap_rng_stream s, uint64_t index, double a, double b)
{
    return scaled(ap_rng_bits(s, index), a, b);
}

double ap_rng_normal(struct ap_rng_stream s, uint64_t index)
{
    return ap_rng_normal_quantile(ap_rng_uniform(s, index));
}

uint64_t ap_rng_below(struct ap_rng_stream s, uint64_t index, uint64_t n)
{
    __extension__ typedef unsigned __int128 wide;
    return (uint64_t)(((wide)ap_rng_bits(s, index) * n) >> 64);
}

/* One block for two values; `expression` makes a value of `bits`. first may be odd. */
#define FILL(expression)                                                                                     \
    do {                                                                                                     \
        philox4x32_ctr_t block = block_of(s, first / 2);                                                     \
        for (size_t i = 0; i < n; i++) {                                                                     \
            uint64_t index = first + i, bits;                                                                \
            if (index % 2 == 0)                                                                              \
                block = block_of(s, index / 2);                                                              \
            bits = half_of(block, index % 2);                                                                \
            y[i] = (expression);                                                                             \
        }                                                                                                    \
    } while (0)

void ap_rng_uniform_n(struct ap_rng_stream s, uint64_t first, size_t n, double *y)
{
    FILL(open_uniform(bits));
}

void ap_rng_between_n(struct ap_rng_stream s, uint64_t first, double a, double b, size_t n, double *y)
{
    FILL(scaled(bits, a, b));
}

AP_CLONES void ap_rng_normal_n(struct ap_rng_stream s, uint64_t first, size_t n, double *y)
{
    FILL(quantile(open_uniform(bits)));
}

void ap_rng_shuffle(struct ap_rng_stream s, size_t n, uint32_t *order)
{
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    for (size_t i = n; i-- > 1;) {
        size_t j = ap_rng_below(s, i, i + 1);
        uint32_t swapped = order[i];
        order[i] = order[j];
        order[j] = swapped;
    }
}
