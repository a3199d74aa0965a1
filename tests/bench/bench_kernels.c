/* Speed of the kernels beside the machine's own limits, in one run: CPU time, medians of several repetitions, one thread. Reading,
 * FMAs in registers and OpenBLAS are measured beside ours in each repetition, on the same working set, aligned as the simulator's.
 * One JSON object per line; kernels.py prints them.
 *
 *     bench_kernels [PART [OPENBLAS]]    PART of a row's name; the file of a libopenblas, whose core type is that of
 *                                        OPENBLAS_CORETYPE
 *     bench_kernels --read BYTES         bytes per second of reading so many again and again, nothing else */
#include "mathx.h"
#include "synapse.h"
#include "vec.h"

#include <dlfcn.h>
#include <math.h>
#include <nvector/nvector_serial.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* CPU time: what others take of the processor does not count. */
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static volatile double sink, sum_of[16];

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

/* FMAs in the registers alone, in as many chains as hide their latency: 12 of 8 numbers, or of 4 where registers are narrower
 * and the other half would not fit. */
enum { CHAINS = 96, UNIT_ROUNDS = 1000, UNIT_FMAS = UNIT_ROUNDS * CHAINS };
static inline __attribute__((always_inline)) double chains(int n)
{
    double s[CHAINS] = {0}, a = 0.5 + 1e-9 * sink, b = a;
    for (int i = 0; i < UNIT_FMAS / n; i++)
#pragma omp simd
        for (int l = 0; l < n; l++)
            s[l] = fma(s[l], a, b);
    for (int l = 1; l < n; l++)
        s[0] += s[l];
    return s[0];
}
double all_units(void);
AP_CLONES double all_units(void)
{
    return __builtin_cpu_supports("avx512f") ? chains(CHAINS) : chains(CHAINS / 2);
}

/* ---- OpenBLAS ---------------------------------------------------------------------------------------- */

enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 };
static void (*blas_gemv)(int order, int trans, int m, int n, double alpha, const double *a, int lda,
                         const double *x, int incx, double beta, double *y, int incy);
static void (*blas_gemm)(int order, int ta, int tb, int m, int n, int k, double alpha, const double *a,
                         int lda, const double *b, int ldb, double beta, double *c, int ldc);

static void (*blas_sgemm)(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a,
                          int lda, const float *b, int ldb, float beta, float *c, int ldc);

static void load_blas(const char *path)
{
    void *library = path ? dlopen(path, RTLD_NOW) : NULL;
    if (!library) {
        fprintf(stderr, "OpenBLAS is not compared: %s\n", path ? dlerror() : "none was named");
        return;
    }
    *(void **)&blas_gemv = dlsym(library, "cblas_dgemv");
    *(void **)&blas_gemm = dlsym(library, "cblas_dgemm");
    *(void **)&blas_sgemm = dlsym(library, "cblas_sgemm");
    char *(*config)(void);
    *(void **)&config = dlsym(library, "openblas_get_config");
    fprintf(stderr, "yardstick: %s\n", config ? config() : "OpenBLAS");
}

/* ---- matrices ---------------------------------------------------------------------------------------- */

static const char *part = "";

static int wanted(const char *name)
{
    return strstr(name, part) != NULL;
}

/* One working set in one block: a matrix w or two, [rows][cols], and n vectors on either side. */
struct problem {
    size_t rows, cols, n;
    double *w, *d; /* d: of kernels that have `two` */
    double *left;  /* rows * n numbers */
    double *right; /* cols * n */
    double *small; /* [n], coefficients, so that nothing grows */
};

struct kernel {
    const char *name, *about; /* name of a row: with n, rows, cols */
    int two;                  /* both matrices */
    size_t share; /* numbers of the matrix in eight bytes; more than 1: sums in single precision */
    void (*ours)(const struct problem *p), (*blas)(const struct problem *p);
};

/* left = W right */
static void product(const struct problem *p)
{
    ap_synapse_product(p->rows, p->cols, p->w, p->right, 0, p->left);
}

static void gemv(const struct problem *p)
{
    blas_gemv(ROW_MAJOR, PLAIN, (int)p->rows, (int)p->cols, 1, p->w, (int)p->cols, p->right, 1, 0, p->left,
              1);
}

/* left += M right, M the first digits of a matrix; right are floats. */
static void coarse(const struct problem *p)
{
    ap_synapse_coarse(p->rows, p->cols, (const int32_t *)p->w, p->d, 1, (const float *)p->right, p->left);
}

/* The same for n vectors side by side. */
static void batch(const struct problem *p)
{
    ap_synapse_batch(p->rows, p->cols, p->w, p->n, p->right, 0, p->left);
}

static void gemm(const struct problem *p)
{
    int n = (int)p->n;
    blas_gemm(ROW_MAJOR, PLAIN, PLAIN, (int)p->rows, n, (int)p->cols, 1, p->w, (int)p->cols, p->right, n, 0,
              p->left, n);
}

/* The same in single precision. */
static void single(const struct problem *p)
{
    ap_synapse_batch_single(p->rows, p->cols, (const float *)p->w, p->n, (const float *)p->right, p->left);
}

static void sgemm(const struct problem *p)
{
    int n = (int)p->n;
    blas_sgemm(ROW_MAJOR, PLAIN, PLAIN, (int)p->rows, n, (int)p->cols, 1, (const float *)p->w, (int)p->cols,
               (const float *)p->right, n, 0, (float *)p->left, n);
}

/* n products post pre^T into both matrices at once. */
static void fold(const struct problem *p)
{
    const struct ap_synapse_factors f = {.n = p->n,
                                         .left = 1,
                                         .alpha = 1e-9,
                                         .epsilon = 0.9,
                                         .a = p->small,
                                         .d = p->small,
                                         .post = p->left,
                                         .low = p->left,
                                         .stride = p->rows,
                                         .pre = p->right};
    ap_synapse_rank(p->rows, p->cols, p->w, p->d, &f);
}

static void gemm_twice(const struct problem *p)
{
    for (int m = 0; m < 2; m++)
        blas_gemm(ROW_MAJOR, TRANSPOSED, PLAIN, (int)p->rows, (int)p->cols, (int)p->n, 1e-9, p->left,
                  (int)p->rows, p->right, (int)p->cols, 1, m ? p->d : p->w, (int)p->cols);
}

/* One step of a rule in place, from the first to the second of n = 2 products. */
static void step(const struct problem *p)
{
    const struct ap_step k = ap_step_of(0.5, 30, 1e-9, 0);
    ap_synapse_apply(p->rows, p->cols, p->w, p->d, p->left, p->right, p->left + p->rows, p->right + p->cols,
                     &k);
}

static const struct kernel PRODUCT = {"product", "apical, one column", 0, 1, product, gemv},
                           COARSE = {"coarse", "apical, 8 bits", 0, 8, coarse, NULL},
                           BATCH = {"batch", "apical, side by side", 0, 1, batch, gemm},
                           SINGLE = {"single", "apical, side by side, float", 0, 2, single, sgemm},
                           FOLD = {"fold", "apical, at once", 1, 1, fold, gemm_twice},
                           STEP = {"step", "apical, in place", 1, 1, step, NULL};

/* A kernel beside its limit: what the FMA units do when nothing must be read, or what is done in the time that it takes to read
 * the working set once, all of it in order. What is written goes back beside the reading and is not counted. */
static void bench_matrix(const struct kernel *k, size_t n, size_t rows, size_t cols)
{
    char name[64];
    snprintf(name, sizeof name, "%s of %zu, %zu x %zu", k->name, n, rows, cols);
    if (!wanted(name))
        return;
    size_t all = rows * cols / k->share, scales = k->share > 1 ? rows : 0;
    size_t size = (k->two ? 2 : 1) * all + scales + n * (rows + cols);
    double *set = aligned_alloc(64, (size + 7) / 8 * 8 * sizeof *set), *small = malloc(n * sizeof *small);
    struct problem p = {rows, cols, n, set, set + all, set + size - n * (rows + cols), set + size - n * cols,
                        small};
    fill(set, size);
    for (size_t i = 0; i < n; i++)
        small[i] = 1e-9;
    for (size_t j = 0; k->share > 1 && j < n * cols; j++)
        ((float *)p.right)[j] = (float)sin((double)j);
    for (size_t j = 0; k->share == 2 && j < rows * cols; j++)
        ((float *)p.w)[j] = (float)sin((double)j);
    double bytes = (double)size * sizeof *set, fmas = (double)(rows * cols) * (double)n * (k->two ? 2 : 1);
    struct timing ours = {0}, reading = {0}, busy = {0}, theirs = {0}, of_limit = {0}, of_blas = {0};
    int blas = k->blas && blas_gemm;
    double per_unit = k->share > 1 ? 2 : 1; /* twice as many in single precision */
    WARM(reading, sink = read_all(set, size));
    WARM(busy, sink = all_units());
    WARM(ours, k->ours(&p));
    if (blas)
        WARM(theirs, k->blas(&p));
    for (int g = 0; g < GROUPS; g++) {
        GROUP(reading, g, sink = read_all(set, size));
        GROUP(busy, g, sink = all_units());
        GROUP(ours, g, k->ours(&p));
        if (blas)
            GROUP(theirs, g, k->blas(&p));
        double compute = fmas / (per_unit * UNIT_FMAS) * busy.group[g];
        of_limit.group[g] = fmax(reading.group[g], compute) / ours.group[g];
        of_blas.group[g] = theirs.group[g] / ours.group[g];
    }
    sink = p.left[0] + p.w[0];
    double mine = median(&ours), bandwidth = bytes / median(&reading),
           peak = per_unit * UNIT_FMAS / median(&busy), intensity = fmas / bytes;
    printf(
        "{\"workload\": \"%s\", \"program\": \"%s\", \"MB\": %.1f, \"FMA per byte\": %.3f, \"GB/s\": %.2f, "
        "\"reading GB/s\": %.2f, \"GFMA/s\": %.2f, \"peak GFMA/s\": %.2f, \"limit GFMA/s\": %.2f, \"of "
        "limit\": %.3f",
        name, k->about, bytes / 1e6, intensity, bytes / mine / 1e9, bandwidth / 1e9, fmas / mine / 1e9,
        peak / 1e9, fmin(peak, intensity * bandwidth) / 1e9, median(&of_limit));
    if (blas)
        printf(", \"OpenBLAS GFMA/s\": %.2f, \"of OpenBLAS\": %.3f", fmas / median(&theirs) / 1e9,
               median(&of_blas));
    printf("}\n");
    fflush(stdout);
    free(set);
    free(small);
}

/* ---- functions --------------------------------------------------------------------------------------- */

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

static void bench_reading(size_t bytes)
{
    size_t n = bytes / sizeof(double);
    double *x = aligned_alloc(64, (n + 7) / 8 * 8 * sizeof *x);
    struct timing reading = {0};
    fill(x, n);
    WARM(reading, sink = read_all(x, n));
    for (int g = 0; g < GROUPS; g++)
        GROUP(reading, g, sink = read_all(x, n));
    printf("%.6g\n", (double)bytes / median(&reading));
    free(x);
}

/* ---- vectors of the integrator ------------------------------------------------------------------------ */

/* Operations of CVODE on n numbers beside SUNDIALS' own serial vector; the norm is over four parts of the state. */
static void bench_vectors(size_t n)
{
    char name[64];
    snprintf(name, sizeof name, "vectors of %zu", n);
    if (!wanted(name))
        return;
    struct ap_part parts[4];
    for (size_t k = 0; k < 4; k++)
        parts[k] = (struct ap_part){.start = k * (n / 4), .n = n / 4, .proj = -1};
    const struct ap_circuit circuit = {.n_state = n, .part = parts, .n_part = 4, .copies = 1};
    struct ap_err *e = ap_err_create();
    SUNContext context = NULL;
    if (!e || SUNContext_Create(NULL, &context) != 0)
        exit(1);
    struct ap_vec_pool *pool = ap_vec_pool_create(e, &circuit, context);
    N_Vector v[2][3];
    for (int k = 0; k < 3; k++) {
        v[0][k] = pool ? ap_vec_take(pool) : NULL;
        v[1][k] = N_VNew_Serial((sunindextype)n, context);
        if (!v[0][k] || !v[1][k])
            exit(1);
        fill(ap_vec_data(v[0][k]), n);
        fill(N_VGetArrayPointer_Serial(v[1][k]), n);
    }
    static const char *const WHAT[] = {"linear sum", "scale", "weighted norm"};
    for (int what = 0; what < 3; what++) {
        struct timing time[2] = {{0}, {0}};
#define OPERATION(u)                                                                                         \
    what == 0   ? N_VLinearSum(0.3, (u)[0], 0.7, (u)[1], (u)[2])                                             \
    : what == 1 ? N_VScale(0.9, (u)[0], (u)[2])                                                              \
                : (void)(sink = N_VWrmsNorm((u)[0], (u)[1]))
        for (int k = 0; k < 2; k++)
            WARM(time[k], OPERATION(v[k]));
        for (int g = 0; g < GROUPS; g++)
            for (int k = 0; k < 2; k++)
                GROUP(time[k], g, OPERATION(v[k]));
        double ours = median(&time[0]), theirs = median(&time[1]);
        printf("{\"workload\": \"%s: %s\", \"program\": \"apical\", \"ns each\": %.3f, \"GB/s\": %.1f, "
               "\"SUNDIALS ns each\": %.3f, \"times SUNDIALS\": %.2f}\n",
               name, WHAT[what], 1e9 * ours / (double)n, (what == 0 ? 24 : 16) * (double)n / ours * 1e-9,
               1e9 * theirs / (double)n, theirs / ours);
    }
    fflush(stdout);
    for (int k = 0; k < 3; k++) {
        N_VDestroy(v[0][k]);
        N_VDestroy(v[1][k]);
    }
    ap_vec_pool_free(pool);
    SUNContext_Free(&context);
    ap_err_free(e);
}

/* ---- two threads ------------------------------------------------------------------------------------- */

static double wall(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* All of it read `times`, each thread its part. */
static void read_parts(const double *x, size_t n, int threads, int times)
{
    for (int k = 0; k < times; k++)
#pragma omp parallel num_threads(threads)
    {
        size_t part_of = n / (size_t)omp_get_num_threads();
        sum_of[8 * omp_get_thread_num()] = read_all(x + part_of * (size_t)omp_get_thread_num(), part_of);
    }
}

static void units_of(int threads, int times)
{
    for (int k = 0; k < times; k++)
#pragma omp parallel num_threads(threads)
        sum_of[8 * omp_get_thread_num()] = all_units();
}

/* What a second thread brings to the machine's own limits, in wall time: whatever is divided, its speed grows no more than this. */
static void bench_threads(size_t bytes)
{
    char name[64];
    snprintf(name, sizeof name, bytes ? "reading %.3g MB in two threads" : "FMA units in two threads",
             (double)bytes * 1e-6);
    if (!wanted(name))
        return;
    size_t n = bytes / sizeof(double);
    double *x = aligned_alloc(64, (n + 64) / 8 * 8 * sizeof *x), ratio[GROUPS], both[GROUPS];
    int times = bytes ? (int)(400000000 / bytes) + 1 : 400;
    fill(x, n);
    for (int g = -1; g < GROUPS; g++) { /* the first warms up */
        double spent[2];
        for (int t = 0; t < 2; t++) {
            double start = wall();
            if (bytes)
                read_parts(x, n, t + 1, times);
            else
                units_of(t + 1, times);
            spent[t] = wall() - start;
        }
        if (g < 0)
            continue;
        ratio[g] = bytes ? spent[0] / spent[1] : 2 * spent[0] / spent[1];
        both[g] = (bytes ? (double)bytes : 2.0 * UNIT_FMAS) * times / spent[1];
    }
    qsort(ratio, GROUPS, sizeof *ratio, compare);
    qsort(both, GROUPS, sizeof *both, compare);
    printf("{\"workload\": \"%s\", \"program\": \"wall time\", \"%s\": %.2f, \"times one thread\": %.2f}\n",
           name, bytes ? "GB/s" : "GFMA/s", 1e-9 * both[GROUPS / 2], ratio[GROUPS / 2]);
    fflush(stdout);
    free(x);
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "--read")) {
        bench_reading(strtoull(argv[2], NULL, 10));
        return 0;
    }
    part = argc > 1 ? argv[1] : "";
    load_blas(argc > 2 ? argv[2] : NULL);
    bench_matrix(&PRODUCT, 1, 128, 1000);
    bench_matrix(&PRODUCT, 1, 1000, 1000);
    bench_matrix(&PRODUCT, 1, 8000, 8000);
    bench_matrix(&COARSE, 1, 500, 512);
    bench_matrix(&COARSE, 1, 2000, 512);
    bench_matrix(&COARSE, 1, 8000, 8000);
    bench_matrix(&BATCH, 8, 500, 500);
    bench_matrix(&BATCH, 32, 500, 500);
    bench_matrix(&BATCH, 32, 500, 784);
    bench_matrix(&SINGLE, 32, 500, 500);
    bench_matrix(&STEP, 2, 500, 500);
    bench_matrix(&FOLD, 36, 500, 500);
    bench_matrix(&FOLD, 256, 500, 500);
    bench_vectors(4000);
    bench_vectors(128000);
    bench_threads(2000000);
    bench_threads(8000000);
    bench_threads(32000000);
    bench_threads(0);
    bench_function("exp", ap_mathx_exp_n, exp);
    bench_function("log", ap_mathx_log_n, log);
    bench_function("tanh", ap_mathx_tanh_n, tanh);
    return 0;
}
