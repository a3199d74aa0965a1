/* rng.h: random numbers as a function of what they are for.
 *
 * value = f(seed, purpose, entity, index). There is no state: order of drawing, threads and a resumed run
 * cannot change a value, and a checkpoint stores nothing. Source: Salmon, Moraes, Dror & Shaw, "Parallel
 * random numbers: as easy as 1, 2, 3" (SC11), Philox4x32-10. */
#ifndef AP_RNG_H
#define AP_RNG_H

#include <stddef.h>
#include <stdint.h>

/* The values are part of every result: never renumber. */
enum ap_rng_purpose {
    AP_RNG_WEIGHTS = 1,      /* initial weights */
    AP_RNG_PATTERN = 2,      /* drawn inputs and targets */
    AP_RNG_NOISE = 3,        /* noise of the potentials */
    AP_RNG_ORDER = 4,        /* order of presentation */
    AP_RNG_TEACHER = 5,      /* weights of a teacher network */
    AP_RNG_INTERVENTION = 6, /* permutations */
};

/* One stream of 2^64 values. Any seed is good, 0 too. entity: which projection, population, epoch... */
struct ap_rng_stream {
    uint64_t seed;
    enum ap_rng_purpose purpose;
    uint32_t entity;
};

/* The generator itself: four words from a counter, for the published test vectors. */
void ap_rng_block(uint64_t seed, const uint32_t counter[4], uint32_t out[4]);

/* Value `index` of a stream, as... */
uint64_t ap_rng_bits(struct ap_rng_stream s, uint64_t index);
double ap_rng_uniform(struct ap_rng_stream s, uint64_t index); /* in (0, 1), 53 random bits */
double ap_rng_between(struct ap_rng_stream s, uint64_t index, double a,
                      double b); /* in [a, b); a if b <= a */
/* Standard normal from one uniform; |value| <= 8.3. Wichura, algorithm AS 241 (PPND16), Appl. Statist. 37
 * (1988); relative error of the inverse below 1e-15. */
double ap_rng_normal(struct ap_rng_stream s, uint64_t index);
/* In 0 ... n-1; 0 if n is 0. Multiply and shift: no value is off its probability 1/n by more than 2^-64. */
uint64_t ap_rng_below(struct ap_rng_stream s, uint64_t index, uint64_t n);

/* y[i] = value of index first + i, for i < n. */
void ap_rng_uniform_n(struct ap_rng_stream s, uint64_t first, size_t n, double *y);
void ap_rng_between_n(struct ap_rng_stream s, uint64_t first, double a, double b, size_t n, double *y);
void ap_rng_normal_n(struct ap_rng_stream s, uint64_t first, size_t n, double *y);

/* order[0..n-1] becomes a random permutation of 0 ... n-1: Fisher-Yates, where the swap at place i uses value
 * i. */
void ap_rng_shuffle(struct ap_rng_stream s, size_t n, uint32_t *order);

/* The p quantile of the standard normal, 0 < p < 1; NaN elsewhere. */
double ap_rng_normal_quantile(double p);

#endif
