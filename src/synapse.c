/* synapse.c: the kernels of the hot path.
 *
 * In:   matrices [post][pre] row-major, vectors.
 * Out:  sums and updates, row by row.
 * Invariants:
 *   1. Row i of the output depends on row i of the matrix alone: rows can be divided among threads at will.
 *   2. Every sum has one order of additions, written out; fma() is explicit. No reassociation by the compiler.
 * Never: allocates, starts threads (callers divide the rows).
 * Test: tests/unit/test_synapse.c */
#include "synapse.h"
#include "mathx.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { LANES = 16 };

/* Folds 16 lanes by halves. */
static inline double fold_lanes(double lane[LANES])
{
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            lane[l] += lane[l + half];
    return lane[0];
}

/* One row: LANES running sums. */
static inline double row_product(size_t cols, const double *restrict row, const double *restrict x)
{
    size_t whole = cols / LANES * LANES;
    double lane[LANES] = {0};
    for (size_t j = 0; j < whole; j += LANES)
        for (size_t l = 0; l < LANES; l++)
            lane[l] = fma(row[j + l], x[j + l], lane[l]);
    for (size_t j = whole; j < cols; j++)
        lane[j - whole] = fma(row[j], x[j], lane[j - whole]);
    return fold_lanes(lane);
}

/* ROWS rows at a time share the loads of x and hide the latency of fma; each row's sum has the order of row_product. A row that
 * does not end with the last lane is read on into the next one, as far as `beyond`, where x is continued by zeros:
 * fma(w, 0, s) = s. The first columns are taken by themselves, for lanes that are set to zero beforehand go through memory. */
enum { ROWS = 4, HALF = LANES / 2, QUARTER = LANES / 4, LONGEST = 8192 };
static inline __attribute__((always_inline)) void
rows_product(size_t beyond, size_t cols, const double *restrict w, const double *restrict x, double sum[ROWS])
{
    double s[ROWS][LANES], half[ROWS][HALF], quarter[ROWS][QUARTER];
    for (size_t r = 0; r < ROWS; r++)
#pragma omp simd
        for (size_t l = 0; l < LANES; l++)
            s[r][l] = w[r * cols + l] * x[l] + 0; /* + 0: of what fma(w, x, 0) gives, -0 is no part */
    for (size_t j = LANES; j < beyond; j += LANES)
        for (size_t r = 0; r < ROWS; r++)
#pragma omp simd
            for (size_t l = 0; l < LANES; l++)
                s[r][l] = fma(w[r * cols + j + l], x[j + l], s[r][l]);
    for (size_t r = 0; r < ROWS; r++) /* fold_lanes, row beside row */
#pragma omp simd
        for (size_t l = 0; l < HALF; l++)
            half[r][l] = s[r][l] + s[r][l + HALF];
    for (size_t r = 0; r < ROWS; r++)
#pragma omp simd
        for (size_t l = 0; l < QUARTER; l++)
            quarter[r][l] = half[r][l] + half[r][l + QUARTER];
    for (size_t r = 0; r < ROWS; r++)
        sum[r] = (quarter[r][0] + quarter[r][2]) + (quarter[r][1] + quarter[r][3]);
}

AP_CLONES void ap_synapse_product(size_t rows, size_t cols, const double *restrict w,
                                  const double *restrict x, int add, double *restrict out)
{
    size_t i = 0, size = rows * cols, beyond = (cols + LANES - 1) / LANES * LANES;
    size_t need = (ROWS - 1) * cols + beyond; /* of the matrix, from the first of four rows on */
    double padded[LONGEST];
    const double *whole = x;
    if (beyond > cols && beyond <= LONGEST && need <= size) {
        memcpy(padded, x, cols * sizeof *x);
        memset(padded + cols, 0, (beyond - cols) * sizeof *x);
        whole = padded;
    }
    for (; (beyond == cols || whole == padded) && cols > 0 && i * cols + need <= size; i += ROWS) {
        double sum[ROWS];
        rows_product(beyond, cols, w + i * cols, whole, sum);
        for (size_t r = 0; r < ROWS; r++)
            out[i + r] = add ? out[i + r] + sum[r] : sum[r];
    }
    for (; i < rows; i++) {
        double sum = row_product(cols, w + i * cols, x);
        out[i] = add ? out[i] + sum : sum;
    }
}

void ap_synapse_product_naive(size_t rows, size_t cols, const double *w, const double *x, int add,
                              double *out)
{
    for (size_t i = 0; i < rows; i++) {
        double lane[LANES] = {0};
        for (size_t j = 0; j < cols; j++)
            lane[j % LANES] = fma(w[i * cols + j], x[j], lane[j % LANES]);
        double sum = fold_lanes(lane);
        out[i] = add ? out[i] + sum : sum;
    }
}

/* At most ROWS rows at a time, as in rows_product. */
static inline __attribute__((always_inline)) void
single_rows(size_t rows, size_t cols, const float *restrict w, const float *restrict x, double *restrict out)
{
    enum { WIDE = AP_SYNAPSE_SINGLE };
    float s[ROWS][WIDE];
    for (size_t r = 0; r < rows; r++)
#pragma omp simd
        for (size_t l = 0; l < WIDE; l++)
            s[r][l] = w[r * cols + l] * x[l] + 0;
    for (size_t j = WIDE; j < cols; j += WIDE)
        for (size_t r = 0; r < rows; r++)
#pragma omp simd
            for (size_t l = 0; l < WIDE; l++)
                s[r][l] = fmaf(w[r * cols + j + l], x[j + l], s[r][l]);
    for (size_t r = 0; r < rows; r++) {
        float half[WIDE / 2], quarter[WIDE / 4], eighth[WIDE / 8];
#pragma omp simd
        for (size_t l = 0; l < WIDE / 2; l++)
            half[l] = s[r][l] + s[r][l + WIDE / 2];
#pragma omp simd
        for (size_t l = 0; l < WIDE / 4; l++)
            quarter[l] = half[l] + half[l + WIDE / 4];
#pragma omp simd
        for (size_t l = 0; l < WIDE / 8; l++)
            eighth[l] = quarter[l] + quarter[l + WIDE / 8];
        out[r] = (double)((eighth[0] + eighth[2]) + (eighth[1] + eighth[3]));
    }
}

AP_CLONES void ap_synapse_product_single(size_t rows, size_t cols, const float *restrict w,
                                         const float *restrict x, double *restrict out)
{
    size_t i = 0;
    for (; i + ROWS <= rows; i += ROWS)
        single_rows(ROWS, cols, w + i * cols, x, out + i);
    for (; i < rows; i++)
        single_rows(1, cols, w + i * cols, x, out + i);
}

/* The first `some` of `all` numbers, then zeros. */
static inline __attribute__((always_inline)) void fill_up(size_t all, size_t some,
                                                          const double *restrict from, double *restrict to)
{
    if (some >= all)
        memcpy(to, from, all * sizeof *to); /* nearly always; its length is known to the compiler */
    else
        for (size_t l = 0; l < all; l++)
            to[l] = l < some ? from[l] : 0;
}

/* Digits of a coarse copy lie in fours in one word: of COARSE columns the first quarter in the lowest bytes. Shifted up, a word is
 * a digit of 2^-24 units and the bytes below it as its fraction, so digits are rounded with those in mind. A word costs three
 * shifts and four conversions; whole bytes would have to be widened twice, and masked ones one by one. */
enum { COARSE = AP_SYNAPSE_COARSE, WORDS = COARSE / 4, COARSE_ROWS = 8 };

/* Rounds to what fits above `fraction`; leaves the rest in *x and what the next digit has below it in *fraction. */
static inline __attribute__((always_inline)) uint64_t take_digit(double *x, double *fraction)
{
    static const double TO_BITS = 0x1.8p52; /* added, it leaves the rounded integer in the low bits */
    double above = *x - *fraction, shifted = above + TO_BITS, digit = shifted - TO_BITS;
    uint64_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    *x = above - digit;
    *fraction = ((digit < 0 ? digit + 256 : digit) + *fraction) * 0x1p-8;
    return bits & 0xff;
}

/* Digits of COARSE numbers, which keep what is left of them; nothing is left where a row has ended. */
static inline __attribute__((always_inline)) void take_digits(double *restrict x, size_t wide,
                                                              int32_t *restrict to)
{
#pragma omp simd
    for (size_t l = 0; l < WORDS; l++) {
        double fraction = 0;
        uint64_t word = take_digit(&x[l], &fraction);
        word |= take_digit(&x[l + WORDS], &fraction) << 8;
        word |= take_digit(&x[l + 2 * WORDS], &fraction) << 16;
        word |= take_digit(&x[l + 3 * WORDS], &fraction) << 24;
        to[l] = (int32_t)(uint32_t)word;
    }
    for (size_t l = wide; l < COARSE; l++)
        x[l] = 0;
}

static inline __attribute__((always_inline)) void add_left(const double *restrict x, double *restrict sum)
{
#pragma omp simd
    for (size_t l = 0; l < WORDS; l++)
        sum[l] += (x[l] + x[l + WORDS]) + (x[l + 2 * WORDS] + x[l + 3 * WORDS]);
}

static inline __attribute__((always_inline)) double sum_words(const double sum[WORDS])
{
    double all = 0;
    for (size_t l = 0; l < WORDS; l++)
        all += sum[l];
    return all;
}

/* The largest of a row in absolute value; NaN where one is not finite. */
static inline __attribute__((always_inline)) double largest_of(size_t cols, const double *restrict w)
{
    double largest[HALF] = {0}, none[HALF] = {0}, all = 0, rest = 0;
    size_t whole = cols / HALF * HALF;
    for (size_t j = 0; j < whole; j += HALF)
#pragma omp simd
        for (size_t l = 0; l < HALF; l++) {
            double a = fabs(w[j + l]);
            largest[l] = a > largest[l] ? a : largest[l];
            none[l] += a * 0; /* NaN for what is not finite */
        }
    for (size_t j = whole; j < cols; j++) {
        all = fabs(w[j]) > all ? fabs(w[j]) : all;
        rest += w[j] * 0;
    }
    for (size_t l = 0; l < HALF; l++) {
        all = largest[l] > all ? largest[l] : all;
        rest += none[l];
    }
    return all + rest;
}

AP_CLONES void ap_synapse_coarsen(size_t rows, size_t cols, const double *restrict w, size_t stride,
                                  int32_t *restrict first, int32_t *restrict second, double *restrict scale,
                                  double *restrict lost_first, double *restrict lost)
{
    static const double MOST = 127, BASE = AP_SYNAPSE_BASE;
    for (size_t i = 0; i < rows; i++, w += cols, first += stride / 4, second += stride / 4) {
        double largest = largest_of(cols, w), left_first[WORDS] = {0}, left[WORDS] = {0}, x[COARSE] = {0};
        double inverse = largest > 0x1p-900 ? MOST / largest : 0, unit = inverse > 0 ? largest / MOST : 0;
        for (size_t j = 0; j < cols; j += COARSE) {
            size_t wide = cols - j < COARSE ? cols - j : COARSE;
            fill_up(COARSE, wide, w + j, x);
#pragma omp simd
            for (size_t l = 0; l < COARSE; l++)
                x[l] *= inverse;
            take_digits(x, wide, first + j / 4);
            add_left(x, left_first);
#pragma omp simd
            for (size_t l = 0; l < COARSE; l++)
                x[l] *= BASE;
            take_digits(x, wide, second + j / 4);
            add_left(x, left);
        }
        scale[i] = largest < HUGE_VAL ? unit : (double)NAN;
        lost_first[i] = unit * sum_words(left_first);
        lost[i] = unit / BASE * sum_words(left);
    }
}

/* As rows_product, in single precision. So many rows side by side are more than the machine fetches ahead by itself. */
enum { AHEAD = 512 }; /* bytes */
static inline __attribute__((always_inline)) void coarse_rows(size_t rows, size_t stride,
                                                              const int32_t *restrict w,
                                                              const float *restrict x, float sum[COARSE_ROWS])
{
    float s[COARSE_ROWS][WORDS];
    for (size_t r = 0; r < rows; r++)
#pragma omp simd
        for (size_t l = 0; l < WORDS; l++)
            s[r][l] = 0;
    for (size_t j = 0; j < stride; j += COARSE)
#pragma GCC unroll 8
        for (size_t r = 0; r < rows; r++) {
            __builtin_prefetch(w + (r * stride + j + AHEAD) / 4);
#pragma omp simd
            for (size_t l = 0; l < WORDS; l++) {
                uint32_t word = (uint32_t)w[(r * stride + j) / 4 + l];
                float a = fmaf((float)(int32_t)(word << 24), x[j + l], s[r][l]);
                a = fmaf((float)(int32_t)(word << 16), x[j + WORDS + l], a);
                a = fmaf((float)(int32_t)(word << 8), x[j + 2 * WORDS + l], a);
                s[r][l] = fmaf((float)(int32_t)word, x[j + 3 * WORDS + l], a);
            }
        }
    for (size_t half = WORDS / 2; half > 2; half /= 2)
        for (size_t r = 0; r < rows; r++)
#pragma omp simd
            for (size_t l = 0; l < half; l++)
                s[r][l] += s[r][l + half];
    for (size_t r = 0; r < rows; r++)
        sum[r] = (s[r][0] + s[r][2]) + (s[r][1] + s[r][3]);
}

AP_CLONES void ap_synapse_coarse(size_t rows, size_t stride, const int32_t *restrict w,
                                 const double *restrict scale, double unit, const float *restrict x,
                                 double *restrict out)
{
    for (size_t i = 0; i < rows; i += COARSE_ROWS) {
        size_t n = rows - i < COARSE_ROWS ? rows - i : COARSE_ROWS;
        float sum[COARSE_ROWS];
        if (n == COARSE_ROWS)
            coarse_rows(COARSE_ROWS, stride, w + i * stride / 4, x, sum);
        else
            coarse_rows(n, stride, w + i * stride / 4, x, sum);
        for (size_t r = 0; r < n; r++)
            out[i + r] = fma(scale[i + r], 0x1p-24 * unit * (double)sum[r], out[i + r]);
    }
}

/* One row: w = left*w + kd*d + wa*a + wb*b, d = e*d + da*a + db*b; without d the first only. */
static inline void fold_row(size_t cols, double *restrict w, double *restrict d, double left, double kd,
                            double e, double wa, double wb, double da, double db, const double *restrict a,
                            const double *restrict b)
{
    if (!d) {
        for (size_t j = 0; j < cols; j++)
            w[j] = fma(wb, b[j], fma(wa, a[j], left * w[j]));
        return;
    }
    for (size_t j = 0; j < cols; j++) {
        w[j] = fma(wb, b[j], fma(wa, a[j], fma(kd, d[j], left * w[j])));
        d[j] = fma(db, b[j], fma(da, a[j], e * d[j]));
    }
}

AP_CLONES void ap_synapse_apply(size_t rows, size_t cols, double *restrict w, double *restrict d,
                                const double *restrict post0, const double *restrict pre0,
                                const double *restrict post1, const double *restrict pre1,
                                const struct ap_step *k)
{
    for (size_t i = 0; i < rows; i++)
        fold_row(cols, w + i * cols, d ? d + i * cols : NULL, k->left, k->kd, k->e, k->k0 * post0[i],
                 k->k1 * post1[i], k->c0 * post0[i], k->c1 * post1[i], pre0, pre1);
}

AP_CLONES void ap_synapse_fold(size_t rows, size_t cols, double *restrict w, double *restrict d, double left,
                               double alpha, double epsilon, const double *restrict p,
                               const double *restrict q, const double *restrict r, const double *restrict s,
                               const double *restrict a, const double *restrict b)
{
    for (size_t i = 0; i < rows; i++)
        fold_row(cols, w + i * cols, d ? d + i * cols : NULL, left, alpha, epsilon, p[i], q[i], r[i], s[i], a,
                 b);
}

AP_CLONES void ap_synapse_combine(size_t count, size_t n, size_t stride, const double *restrict v,
                                  const double *restrict c, double *restrict out)
{
    size_t k = 0;
    for (; k + 4 <= count; k += 4, v += 4 * stride) /* so many at a time out is read and written once */
        for (size_t i = 0; i < n; i++) {
            double sum = fma(c[k + 1], v[stride + i], fma(c[k], v[i], out[i]));
            out[i] = fma(c[k + 3], v[3 * stride + i], fma(c[k + 2], v[2 * stride + i], sum));
        }
    for (; k < count; k++, v += stride)
        for (size_t i = 0; i < n; i++)
            out[i] = fma(c[k], v[i], out[i]);
}

AP_CLONES void ap_synapse_combine_single(size_t count, size_t n, size_t stride, const float *restrict v,
                                         const double *restrict c, double *restrict out)
{
    enum { MOST = 256 };
    float sum[MOST];
    for (size_t first = 0; first < n; first += MOST) {
        size_t m = n - first < MOST ? n - first : MOST, k = 0;
        const float *from = v + first;
        memset(sum, 0, m * sizeof *sum);
        for (; k + 4 <= count; k += 4, from += 4 * stride) {
            const float c0 = (float)c[k], c1 = (float)c[k + 1], c2 = (float)c[k + 2], c3 = (float)c[k + 3];
#pragma omp simd
            for (size_t i = 0; i < m; i++) {
                float two = fmaf(c1, from[stride + i], fmaf(c0, from[i], sum[i]));
                sum[i] = fmaf(c3, from[3 * stride + i], fmaf(c2, from[2 * stride + i], two));
            }
        }
        for (; k < count; k++, from += stride) {
            const float c0 = (float)c[k];
#pragma omp simd
            for (size_t i = 0; i < m; i++)
                sum[i] = fmaf(c0, from[i], sum[i]);
        }
#pragma omp simd
        for (size_t i = 0; i < m; i++)
            out[first + i] += (double)sum[i];
    }
}

/* A tile of a product of matrices, in registers: sum[r * pitch + l], from zero or going on, takes up
 * c[r][k * step] x[k * stride + l], k = 0, 1, ...; r < TILE_ROWS, l < wide. */
enum { TILE_ROWS = 8, TILE = 16 };
static inline __attribute__((always_inline)) void tile_product(size_t n, const double *const c[TILE_ROWS],
                                                               size_t step, const double *restrict x,
                                                               size_t stride, size_t wide, int go_on,
                                                               double *restrict sum, size_t pitch)
{
    double s[TILE_ROWS][TILE];
    for (size_t r = 0; r < TILE_ROWS; r++)
        for (size_t l = 0; l < wide; l++)
            s[r][l] = go_on ? sum[r * pitch + l] : 0;
    for (size_t k = 0; k < n; k++)
        for (size_t r = 0; r < TILE_ROWS; r++) {
#pragma omp simd
            for (size_t l = 0; l < wide; l++)
                s[r][l] = fma(c[r][k * step], x[k * stride + l], s[r][l]);
        }
    for (size_t r = 0; r < TILE_ROWS; r++)
        for (size_t l = 0; l < wide; l++)
            sum[r * pitch + l] = s[r][l];
}

/* Sums of at most HIGH rows and BAND columns of x. DEEP columns of w at a time: so many rows of x are read from the cache by all
 * tiles, and those of w by the second half of the band. Where the rows end, a tile takes its first row more than once and nobody
 * looks at the copies. */
enum { HIGH = 64, BAND = 2 * TILE, DEEP = 256 };
static inline __attribute__((always_inline)) void band_product(size_t high, size_t cols,
                                                               const double *restrict w, size_t stride,
                                                               const double *restrict x, size_t wide,
                                                               double sum[HIGH][BAND])
{
    memset(sum, 0, HIGH * sizeof *sum);
    for (size_t j = 0; j < cols; j += DEEP) {
        size_t deep = cols - j < DEEP ? cols - j : DEEP;
        for (size_t i = 0; i < high; i += TILE_ROWS) {
            const double *row[TILE_ROWS];
            for (size_t r = 0; r < TILE_ROWS; r++)
                row[r] = w + (i + (i + r < high ? r : 0)) * cols + j;
            for (size_t b = 0; b < wide; b += TILE)
                if (wide - b >= TILE) /* widths that the compiler knows */
                    tile_product(deep, row, 1, x + j * stride + b, stride, TILE, 1, sum[i] + b, BAND);
                else
                    tile_product(deep, row, 1, x + j * stride + b, stride, TILE / 2, 1, sum[i] + b, BAND);
        }
    }
}

AP_CLONES void ap_synapse_batch(size_t rows, size_t cols, const double *restrict w, size_t stride,
                                const double *restrict x, int add, double *restrict out)
{
    double sum[HIGH][BAND];
    for (size_t i = 0; i < rows; i += HIGH)
        for (size_t b = 0; b < stride; b += BAND) {
            size_t high = rows - i < HIGH ? rows - i : HIGH, wide = stride - b < BAND ? stride - b : BAND;
            band_product(high, cols, w + i * cols, stride, x + b, wide, sum);
            for (size_t r = 0; r < high; r++) {
                double *o = out + (i + r) * stride + b;
                for (size_t l = 0; l < wide; l++)
                    o[l] = add ? o[l] + sum[r][l] : sum[r][l];
            }
        }
}

/* As tile_product and band_product, in single precision; sums over DEEP columns are added in double. */
static inline __attribute__((always_inline)) void single_tile(size_t n, const float *const w[TILE_ROWS],
                                                              const float *restrict x, size_t stride,
                                                              size_t wide, double *restrict sum, size_t pitch)
{
    float s[TILE_ROWS][BAND];
    for (size_t r = 0; r < TILE_ROWS; r++)
        for (size_t l = 0; l < wide; l++)
            s[r][l] = 0;
    for (size_t k = 0; k < n; k++)
        for (size_t r = 0; r < TILE_ROWS; r++) {
#pragma omp simd
            for (size_t l = 0; l < wide; l++)
                s[r][l] = fmaf(w[r][k], x[k * stride + l], s[r][l]);
        }
    for (size_t r = 0; r < TILE_ROWS; r++)
#pragma omp simd
        for (size_t l = 0; l < wide; l++)
            sum[r * pitch + l] += (double)s[r][l];
}

AP_CLONES void ap_synapse_batch_single(size_t rows, size_t cols, const float *restrict w, size_t stride,
                                       const float *restrict x, double *restrict out)
{
    memset(out, 0, rows * stride * sizeof *out);
    for (size_t j = 0; j < cols; j += DEEP) {
        size_t deep = cols - j < DEEP ? cols - j : DEEP;
        for (size_t i = 0; i < rows; i += TILE_ROWS) {
            const float *row[TILE_ROWS];
            double beyond[TILE_ROWS * BAND]; /* where rows end, sums of rows that are not there go nowhere */
            bool whole = rows - i >= TILE_ROWS;
            for (size_t r = 0; r < TILE_ROWS; r++)
                row[r] = w + (i + (i + r < rows ? r : 0)) * cols + j;
            for (size_t b = 0; b < stride;) {
                size_t wide = stride - b >= BAND ? BAND : TILE / 2, pitch = whole ? stride : BAND;
                double *to = whole ? out + i * stride + b : beyond;
                const float *from = x + j * stride + b;
                if (!whole)
                    memset(beyond, 0, sizeof beyond);
                if (wide == BAND) /* widths that the compiler knows */
                    single_tile(deep, row, from, stride, BAND, to, pitch);
                else
                    single_tile(deep, row, from, stride, TILE / 2, to, pitch);
                for (size_t r = 0; !whole && i + r < rows; r++)
                    for (size_t l = 0; l < wide; l++)
                        out[(i + r) * stride + b + l] += beyond[r * BAND + l];
                b += wide;
            }
        }
    }
}

AP_CLONES void ap_synapse_single(size_t n, const double *restrict w, float *restrict to)
{
#pragma omp simd
    for (size_t j = 0; j < n; j++)
        to[j] = (float)w[j];
}

/* At most CHUNK products at a time: some columns of their pre, side by side, and their coefficients for FOLD_ROWS rows stay in
 * the cache while tiles of the matrices pass once. */
enum { CHUNK = 128, FOLD_ROWS = 64 };

/* c[k][r] = of[k] * post of row i + r at k (or low); zeros below the last of `high` rows. */
static inline __attribute__((always_inline)) void scale_post(const struct ap_synapse_factors *f,
                                                             const double *restrict post,
                                                             const double *restrict of, size_t i, size_t high,
                                                             double c[CHUNK][TILE_ROWS])
{
    for (size_t k = 0; k < f->n; k++) {
        fill_up(TILE_ROWS, high, post + k * f->stride + i, c[k]);
        for (size_t r = 0; r < TILE_ROWS; r++)
            c[k][r] *= of[k];
    }
}

/* sum[r][l] = sum_k c[k][r] x[k][l]. */
static inline __attribute__((always_inline)) void
rank_tile(size_t n, double c[CHUNK][TILE_ROWS], double x[CHUNK][TILE], double sum[TILE_ROWS][TILE])
{
    const double *row[TILE_ROWS];
    for (size_t r = 0; r < TILE_ROWS; r++)
        row[r] = c[0] + r;
    tile_product(n, row, TILE_ROWS, x[0], TILE, TILE, 0, sum[0], TILE);
}

/* Asks for a tile of the matrices while its sums are made. */
static inline __attribute__((always_inline)) void rank_fetch(size_t high, size_t wide, size_t cols,
                                                             const double *w)
{
    for (size_t r = 0; r < high; r++)
        for (size_t l = 0; l < wide; l += 64 / sizeof *w)
            __builtin_prefetch(w + r * cols + l, 1);
}

/* One row of a tile. */
static inline __attribute__((always_inline)) void rank_row(const struct ap_synapse_factors *f, size_t wide,
                                                           double *restrict w, double *restrict d,
                                                           const double *restrict sw,
                                                           const double *restrict sd)
{
#pragma omp simd
    for (size_t l = 0; l < wide; l++)
        w[l] = fma(f->left, w[l], sw[l]);
    if (!d)
        return;
#pragma omp simd
    for (size_t l = 0; l < wide; l++) {
        w[l] = fma(f->alpha, d[l], w[l]);
        d[l] = fma(f->epsilon, d[l], sd[l]);
    }
}

static inline __attribute__((always_inline)) void rank_chunk(size_t rows, size_t cols, double *restrict w,
                                                             double *restrict d,
                                                             const struct ap_synapse_factors *f)
{
    double a[FOLD_ROWS / TILE_ROWS][CHUNK][TILE_ROWS], b[FOLD_ROWS / TILE_ROWS][CHUNK][TILE_ROWS];
    _Alignas(64) double x[CHUNK][TILE]; /* no vector of it crosses a line of the cache */
    double sw[TILE_ROWS][TILE], sd[TILE_ROWS][TILE];
    for (size_t first = 0; first < rows; first += FOLD_ROWS) {
        size_t last = rows - first < FOLD_ROWS ? rows : first + FOLD_ROWS;
        for (size_t i = first, t = 0; i < last; i += TILE_ROWS, t++) {
            scale_post(f, f->post, f->a, i, last - i, a[t]);
            if (d)
                scale_post(f, f->low, f->d, i, last - i, b[t]);
        }
        for (size_t j = 0; j < cols; j += TILE) {
            size_t wide = cols - j < TILE ? cols - j : TILE;
            for (size_t k = 0; k < f->n; k++)
                fill_up(TILE, wide, f->pre + k * cols + j, x[k]);
            for (size_t i = first, t = 0; i < last; i += TILE_ROWS, t++) {
                size_t high = last - i < TILE_ROWS ? last - i : TILE_ROWS, at = i * cols + j;
                rank_fetch(high, wide, cols, w + at);
                rank_tile(f->n, a[t], x, sw);
                if (d) {
                    rank_fetch(high, wide, cols, d + at);
                    rank_tile(f->n, b[t], x, sd);
                }
                for (size_t r = 0; r < high; r++)
                    if (wide == TILE)
                        rank_row(f, TILE, w + at + r * cols, d ? d + at + r * cols : NULL, sw[r], sd[r]);
                    else
                        rank_row(f, wide, w + at + r * cols, d ? d + at + r * cols : NULL, sw[r], sd[r]);
            }
        }
    }
}

AP_CLONES void ap_synapse_rank(size_t rows, size_t cols, double *restrict w, double *restrict d,
                               const struct ap_synapse_factors *f)
{
    struct ap_synapse_factors part = *f;
    size_t done = 0;
    do { /* the first chunk takes the old matrices with their coefficients, the others add to what it leaves */
        part.n = f->n - done < CHUNK ? f->n - done : CHUNK;
        part.a = f->a + done;
        part.d = f->d + done;
        part.post = f->post + done * f->stride;
        part.low = f->low + done * f->stride;
        part.pre = f->pre + done * cols;
        rank_chunk(rows, cols, w, d, &part);
        part.left = part.epsilon = 1;
        part.alpha = 0;
        done += part.n;
    } while (done < f->n);
}

AP_CLONES void ap_synapse_derivative(size_t rows, size_t cols, const double *restrict d,
                                     const double *restrict post, const double *restrict pre, double eta,
                                     double inv_tau, double *restrict dw, double *restrict dd)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++) {
            size_t at = i * cols + j;
            if (dd) {
                dw[at] = eta * d[at];
                dd[at] = inv_tau * (post[i] * pre[j] - d[at]);
            } else
                dw[at] = eta * (post[i] * pre[j]);
        }
}

AP_CLONES void ap_synapse_tangent(size_t rows, size_t cols, const double *restrict vd,
                                  const double *restrict post, const double *restrict pre,
                                  const double *restrict dpost, const double *restrict dpre, double eta,
                                  double inv_tau, double *restrict dw, double *restrict dd)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++) {
            size_t at = i * cols + j;
            double change = fma(dpost[i], pre[j], post[i] * dpre[j]);
            if (dd) {
                dw[at] = eta * vd[at];
                dd[at] = inv_tau * (change - vd[at]);
            } else
                dw[at] = eta * change;
        }
}

AP_CLONES void ap_synapse_decay(size_t n, const double *restrict w, double decay, double *restrict dw)
{
    for (size_t i = 0; i < n; i++)
        dw[i] = fma(-decay, w[i], dw[i]);
}
