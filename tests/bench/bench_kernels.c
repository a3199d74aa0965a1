/* Speed of the kernels beside the machine's own limits, in one run: medians of several repetitions, one thread. */
#include "mathx.h"
#include "synapse.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static volatile double sink;

static void fill(double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = sin((double)i);
}

/* Median seconds of one call, over 9 groups of calls that last 20 ms at least. */
#define MEDIAN(seconds, call)                                                                                \
    do {                                                                                                     \
        double group[9];                                                                                     \
        long calls = 1;                                                                                      \
        for (double spent = 0; spent < 0.02; calls *= 2) {                                                   \
            double start = now();                                                                            \
            for (long c = 0; c < calls; c++)                                                                 \
                call;                                                                                        \
            spent = now() - start;                                                                           \
        }                                                                                                    \
        for (int g = 0; g < 9; g++) {                                                                        \
            double start = now();                                                                            \
            for (long c = 0; c < calls; c++)                                                                 \
                call;                                                                                        \
            group[g] = (now() - start) / (double)calls;                                                      \
        }                                                                                                    \
        qsort(group, 9, sizeof *group, compare);                                                             \
        seconds = group[4];                                                                                  \
    } while (0)

/* Read bandwidth: 64 independent sums over the array, with the widest registers of the machine. */
double read_all(const double *x, size_t n);
AP_CLONES double read_all(const double *x, size_t n)
{
    double lane[64] = {0};
    for (size_t i = 0; i + 64 <= n; i += 64)
        for (int l = 0; l < 64; l++)
            lane[l] += x[i + (size_t)l];
    for (int l = 1; l < 64; l++)
        lane[0] += lane[l];
    return lane[0];
}

static void bench_product(size_t rows, size_t cols)
{
    size_t n = rows * cols;
    double *w = malloc(n * sizeof *w), *x = malloc(cols * sizeof *x), *y = malloc(rows * sizeof *y), product,
           reading;
    fill(w, n);
    fill(x, cols);
    MEDIAN(reading, sink = read_all(w, n));
    MEDIAN(product, ap_synapse_product(rows, cols, w, x, 0, y));
    sink = y[0];
    double bytes = (double)n * sizeof *w;
    printf("product %6zu x %-6zu %8.1f MB  %6.1f GB/s, reading %6.1f GB/s: %3.0f %%\n", rows, cols,
           bytes / 1e6, bytes / product / 1e9, bytes / reading / 1e9, 100 * reading / product);
    free(w);
    free(x);
    free(y);
}

static void bench_function(const char *name, void (*ours)(size_t, const double *, double *),
                           double (*theirs)(double))
{
    enum { N = 1000 };
    static double x[N], y[N];
    double mine, glibc;
    for (int i = 0; i < N; i++)
        x[i] = 0.01 + 5 * fabs(sin(i));
    MEDIAN(mine, ours(N, x, y));
    MEDIAN(glibc, for (int i = 0; i < N; i++) y[i] = theirs(x[i]));
    sink = y[N / 2];
    printf("%-8s %5.2f ns per value, glibc's scalar %5.2f ns: %4.1f times\n", name, mine * 1e9 / N,
           glibc * 1e9 / N, glibc / mine);
}

int main(void)
{
    bench_product(128, 1000);
    bench_product(1000, 1000);
    bench_product(8000, 8000);
    bench_function("exp", ap_mathx_exp_n, exp);
    bench_function("log", ap_mathx_log_n, log);
    bench_function("tanh", ap_mathx_tanh_n, tanh);
    return 0;
}
