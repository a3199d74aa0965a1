/* Speed of the kernels beside the machine's own limits, in one run: medians of several repetitions, one thread. Reading and
 * OpenBLAS are measured on the same working set, each repetition beside ours. One JSON object per line; kernels.py prints them.
 *
 *     bench_kernels [PART [OPENBLAS]]    PART of a row's name; the file of a libopenblas, whose core type is that of
 *                                        OPENBLAS_CORETYPE */
#include "mathx.h"
#include "synapse.h"

#include <dlfcn.h>
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

enum { GROUPS = 9 };

/* Seconds of one call, over groups of calls that last 20 ms at least; several codes take turns, so that a slow moment of the
 * machine hits all of them. */
struct timing {
    long calls;
    double group[GROUPS];
};

#define WARM(t, call)                                                                                        \
    do {                                                                                                     \
        (t).calls = 1;                                                                                       \
        for (double spent = 0; spent < 0.02; (t).calls *= 2) {                                               \
            double start = now();                                                                            \
            for (long c = 0; c < (t).calls; c++)                                                             \
                call;                                                                                        \
            spent = now() - start;                                                                           \
        }                                                                                                    \
    } while (0)
#define GROUP(t, g, call)                                                                                    \
    do {                                                                                                     \
        double start = now();                                                                                \
        for (long c = 0; c < (t).calls; c++)                                                                 \
            call;                                                                                            \
        (t).group[g] = (now() - start) / (double)(t).calls;                                                  \
    } while (0)

static double median(struct timing *t)
{
    qsort(t->group, GROUPS, sizeof *t->group, compare);
    return t->group[GROUPS / 2];
}

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

/* ---- OpenBLAS ---------------------------------------------------------------------------------------- */

enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 };
static void (*blas_gemv)(int order, int trans, int m, int n, double alpha, const double *a, int lda,
                         const double *x, int incx, double beta, double *y, int incy);
static void (*blas_gemm)(int order, int ta, int tb, int m, int n, int k, double alpha, const double *a,
                         int lda, const double *b, int ldb, double beta, double *c, int ldc);

static void load_blas(const char *path)
{
    void *library = path ? dlopen(path, RTLD_NOW) : NULL;
    if (!library) {
        fprintf(stderr, "OpenBLAS is not compared: %s\n", path ? dlerror() : "none was named");
        return;
    }
    *(void **)&blas_gemv = dlsym(library, "cblas_dgemv");
    *(void **)&blas_gemm = dlsym(library, "cblas_dgemm");
    char *(*config)(void);
    *(void **)&config = dlsym(library, "openblas_get_config");
    fprintf(stderr, "yardstick: %s\n", config ? config() : "OpenBLAS");
}

/* ---- rows -------------------------------------------------------------------------------------------- */

static const char *part = "";

static int wanted(const char *name)
{
    return strstr(name, part) != NULL;
}

/* y = W x, one right-hand side: bound by reading W. */
static void bench_product(size_t rows, size_t cols)
{
    size_t n = rows * cols;
    double bytes = (double)n * sizeof(double);
    char name[64];
    snprintf(name, sizeof name, "product %zu x %zu", rows, cols);
    if (!wanted(name))
        return;
    double *w = malloc(n * sizeof *w), *x = malloc(cols * sizeof *x), *y = malloc(rows * sizeof *y);
    struct timing ours = {0}, reading = {0}, theirs = {0};
    fill(w, n);
    fill(x, cols);
#define OURS   ap_synapse_product(rows, cols, w, x, 0, y)
#define READ   sink = read_all(w, n)
#define THEIRS blas_gemv(ROW_MAJOR, PLAIN, (int)rows, (int)cols, 1, w, (int)cols, x, 1, 0, y, 1)
    WARM(reading, READ);
    WARM(ours, OURS);
    if (blas_gemv)
        WARM(theirs, THEIRS);
    for (int g = 0; g < GROUPS; g++) {
        GROUP(reading, g, READ);
        GROUP(ours, g, OURS);
        if (blas_gemv)
            GROUP(theirs, g, THEIRS);
    }
    sink = y[0];
    double mine = median(&ours), limit = median(&reading), blas = blas_gemv ? median(&theirs) : 0;
    printf("{\"workload\": \"%s\", \"program\": \"apical, one column\", \"MB\": %.1f, \"GB/s\": %.2f, "
           "\"reading GB/s\": %.2f, \"of reading\": %.3f",
           name, bytes / 1e6, bytes / mine / 1e9, bytes / limit / 1e9, limit / mine);
    if (blas_gemv)
        printf(", \"dgemv GB/s\": %.2f, \"times dgemv\": %.3f", bytes / blas / 1e9, blas / mine);
    printf("}\n");
    fflush(stdout);
    free(w);
    free(x);
    free(y);
}

/* Y = X W^T, B right-hand sides; ours takes them one by one. X is [B][cols], Y [B][rows]. */
static void bench_batch(size_t rows, size_t cols, size_t batch)
{
    char name[64];
    snprintf(name, sizeof name, "batch of %zu, %zu x %zu", batch, rows, cols);
    if (!wanted(name))
        return;
    double *w = malloc(rows * cols * sizeof *w), *x = malloc(batch * cols * sizeof *x),
           *y = malloc(batch * rows * sizeof *y), flops = 2.0 * (double)(rows * cols * batch);
    struct timing ours = {0}, theirs = {0};
    fill(w, rows * cols);
    fill(x, batch * cols);
#define EACH                                                                                                 \
    for (size_t b = 0; b < batch; b++)                                                                       \
    ap_synapse_product(rows, cols, w, x + b * cols, 0, y + b * rows)
#define GEMM                                                                                                 \
    blas_gemm(ROW_MAJOR, PLAIN, TRANSPOSED, (int)batch, (int)rows, (int)cols, 1, x, (int)cols, w, (int)cols, \
              0, y, (int)rows)
    WARM(ours, EACH);
    if (blas_gemm)
        WARM(theirs, GEMM);
    for (int g = 0; g < GROUPS; g++) {
        GROUP(ours, g, EACH);
        if (blas_gemm)
            GROUP(theirs, g, GEMM);
    }
    sink = y[0];
    double mine = median(&ours), blas = blas_gemm ? median(&theirs) : 0;
    printf("{\"workload\": \"%s\", \"program\": \"apical, one by one\", \"GFLOP/s\": %.2f", name,
           flops / mine / 1e9);
    if (blas_gemm)
        printf(", \"dgemm GFLOP/s\": %.2f, \"of dgemm\": %.3f", flops / blas / 1e9, blas / mine);
    printf("}\n");
    fflush(stdout);
    free(w);
    free(x);
    free(y);
}

/* K steps of a rule with low-pass, folded into W and D step by step: 8 flops per synapse and step that matter. Beside it, what
 * a rank-K update of two matrices costs as dgemm. */
static void bench_fold(size_t rows, size_t cols, size_t steps)
{
    char name[64];
    snprintf(name, sizeof name, "fold of %zu, %zu x %zu", steps, rows, cols);
    if (!wanted(name))
        return;
    size_t n = rows * cols;
    double *w = malloc(n * sizeof *w), *d = malloc(n * sizeof *d),
           *post = malloc((steps + 1) * rows * sizeof *post), *pre = malloc((steps + 1) * cols * sizeof *pre),
           flops = 2 * 2.0 * (double)(n * steps);
    struct timing ours = {0}, theirs = {0};
    struct ap_synapse_fold k = ap_synapse_fold_of(0.5, 30, 1e-9, 0);
    fill(w, n);
    fill(d, n);
    fill(post, (steps + 1) * rows);
    fill(pre, (steps + 1) * cols);
#define STEPS                                                                                                \
    for (size_t s = 0; s < steps; s++)                                                                       \
    ap_synapse_apply(rows, cols, w, d, post + s * rows, pre + s * cols, post + (s + 1) * rows,               \
                     pre + (s + 1) * cols, &k)
#define RANK(m)                                                                                              \
    blas_gemm(ROW_MAJOR, TRANSPOSED, PLAIN, (int)rows, (int)cols, (int)steps, 1e-9, post, (int)rows, pre,    \
              (int)cols, 1, m, (int)cols)
    WARM(ours, STEPS);
    if (blas_gemm)
        WARM(theirs, (RANK(w), RANK(d)));
    for (int g = 0; g < GROUPS; g++) {
        GROUP(ours, g, STEPS);
        if (blas_gemm)
            GROUP(theirs, g, (RANK(w), RANK(d)));
    }
    sink = w[0] + d[0];
    double mine = median(&ours), blas = blas_gemm ? median(&theirs) : 0;
    printf("{\"workload\": \"%s\", \"program\": \"apical, step by step\", \"GFLOP/s\": %.2f", name,
           flops / mine / 1e9);
    if (blas_gemm)
        printf(", \"dgemm GFLOP/s\": %.2f, \"of dgemm\": %.3f", flops / blas / 1e9, blas / mine);
    printf("}\n");
    fflush(stdout);
    free(w);
    free(d);
    free(post);
    free(pre);
}

static void bench_function(const char *name, void (*ours)(size_t, const double *, double *),
                           double (*theirs)(double))
{
    enum { N = 1000 };
    static double x[N], y[N];
    struct timing mine = {0}, glibc = {0};
    if (!wanted(name))
        return;
    for (int i = 0; i < N; i++)
        x[i] = 0.01 + 5 * fabs(sin(i));
#define SCALAR                                                                                               \
    for (int i = 0; i < N; i++)                                                                              \
    y[i] = theirs(x[i])
    WARM(mine, ours(N, x, y));
    WARM(glibc, SCALAR);
    for (int g = 0; g < GROUPS; g++) {
        GROUP(mine, g, ours(N, x, y));
        GROUP(glibc, g, SCALAR);
    }
    sink = y[N / 2];
    double a = median(&mine), b = median(&glibc);
    printf("{\"workload\": \"%s\", \"program\": \"apical\", \"ns\": %.3f, \"glibc ns\": %.3f, \"times "
           "glibc\": %.2f}\n",
           name, a * 1e9 / N, b * 1e9 / N, b / a);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    part = argc > 1 ? argv[1] : "";
    load_blas(argc > 2 ? argv[2] : NULL);
    bench_product(128, 1000);
    bench_product(1000, 1000);
    bench_product(8000, 8000);
    bench_batch(500, 784, 32);
    bench_batch(500, 500, 32);
    bench_fold(500, 784, 32);
    bench_fold(500, 500, 32);
    bench_function("exp", ap_mathx_exp_n, exp);
    bench_function("log", ap_mathx_log_n, log);
    bench_function("tanh", ap_mathx_tanh_n, tanh);
    return 0;
}
