/* vec.c: the N_Vector of the integrator.
 *
 * In:   operations that CVODE and its linear solvers ask for.
 * Out:  vectors over the circuit's state.
 * Invariants:
 *   1. A sum is taken over blocks of AP_VEC_BLOCK elements, each in order with 8 lanes, and the blocks' sums by a tree of
 *      fixed shape: the same bits for any number of threads.
 *   2. The weighted norm is the maximum over parts, each with its own mean.
 *   3. Clone cannot fail while no more than AP_VEC_POOL vectors are in use.
 * Never: allocates after the pool was created.
 * Test: tests/unit/test_vec.c */
#include "vec.h"
#include "mathx.h"

#include <math.h>
#include <string.h>

struct ap_vec_pool {
    const struct ap_circuit *c;
    size_t n, n_blocks; /* elements now: of all copies */
    int copies;
    double *data;    /* [AP_VEC_POOL][elements at most] */
    double *partial; /* [blocks at most], and for norms [copies][blocks of one] and [copies] */
    N_Vector vector[AP_VEC_POOL];
    bool used[AP_VEC_POOL];
    int in_use, peak;
};

struct content {
    struct ap_vec_pool *pool;
    int slot;
    double *data;
};

static struct content *content(N_Vector v)
{
    return v->content;
}

double *ap_vec_data(N_Vector v)
{
    return content(v)->data;
}

/* ---- loops: one statement per element, divided among threads when it pays -------------------------- */

/* z may be x or y: an element depends on its own place alone. */
#define LOOP(name, statement)                                                                                \
    AP_CLONES static void name##_n(size_t n, double a, const double *x, double b, const double *y,           \
                                   double *z)                                                                \
    {                                                                                                        \
        (void)a, (void)b, (void)x, (void)y;                                                                  \
        _Pragma("omp simd") for (size_t i = 0; i < n; i++) z[i] = (statement);                               \
    }

LOOP(linear_sum, a *x[i] + b * y[i])
LOOP(constant, a)
LOOP(product, x[i] * y[i])
LOOP(quotient, x[i] / y[i])
LOOP(scaled, a *x[i])
LOOP(absolute, fabs(x[i]))
LOOP(inverse, 1 / x[i])
LOOP(shifted, x[i] + b)
LOOP(weight, 1 / (a * fabs(x[i]) + b))

/* x and y are NULL where a loop does not read them. */
static void over(void (*loop)(size_t n, double a, const double *x, double b, const double *y, double *z),
                 double a, N_Vector x, double b, N_Vector y, N_Vector z)
{
    const struct ap_vec_pool *pool = content(z)->pool;
    const double *px = ap_vec_data(x ? x : z), *py = ap_vec_data(y ? y : z);
    double *pz = ap_vec_data(z);
    if (ap_crew_several(pool->c->crew) && pool->n_blocks > 16) {
#pragma omp parallel for schedule(static)
        for (size_t k = 0; k < pool->n_blocks; k++) {
            size_t at = k * AP_VEC_BLOCK, n = pool->n - at < AP_VEC_BLOCK ? pool->n - at : AP_VEC_BLOCK;
            loop(n, a, px + at, b, py + at, pz + at);
        }
    } else
        loop(pool->n, a, px, b, py, pz);
}

/* Sum of block b of x*y (or (x*y)^2), 8 lanes. */
AP_CLONES static double block_sum(const double *x, const double *y, size_t first, size_t last, bool squared)
{
    enum { LANES = 8 };
    double lane[LANES] = {0};
    size_t i = first;
    for (; i + LANES <= last; i += LANES)
#pragma omp simd
        for (size_t l = 0; l < LANES; l++) {
            double p = x[i + l] * y[i + l];
            lane[l] += squared ? p * p : p;
        }
    for (size_t l = 0; i + l < last; l++) {
        double p = x[i + l] * y[i + l];
        lane[l] += squared ? p * p : p;
    }
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            lane[l] += lane[l + half];
    return lane[0];
}

/* Folds partial[0, n) pairwise. */
static double tree(double *partial, size_t n)
{
    if (n == 0)
        return 0;
    for (; n > 1; n = (n + 1) / 2)
        for (size_t i = 0; i < n / 2; i++) {
            size_t other = n - 1 - i;
            partial[i] += partial[other];
        }
    return partial[0];
}

static double sum_over(const struct ap_circuit *c, const double *x, const double *y, size_t first, size_t n,
                       bool squared, double *partial)
{
    size_t blocks = (n + AP_VEC_BLOCK - 1) / AP_VEC_BLOCK;
    if (ap_crew_several(c->crew) && blocks > 16) {
#pragma omp parallel for schedule(static)
        for (size_t b = 0; b < blocks; b++) {
            size_t start = b * AP_VEC_BLOCK, stop = start + AP_VEC_BLOCK < n ? start + AP_VEC_BLOCK : n;
            partial[b] = block_sum(x + first, y + first, start, stop, squared);
        }
    } else
        for (size_t b = 0; b < blocks; b++) {
            size_t start = b * AP_VEC_BLOCK, stop = start + AP_VEC_BLOCK < n ? start + AP_VEC_BLOCK : n;
            partial[b] = block_sum(x + first, y + first, start, stop, squared);
        }
    return tree(partial, blocks);
}

double ap_vec_norm(const struct ap_circuit *c, const double *x, const double *weight, double *partial)
{
    double worst = 0;
    for (int k = 0; k < c->n_part; k++) {
        const struct ap_part *p = &c->part[k];
        if (p->n == 0)
            continue;
        double mean = sqrt(sum_over(c, x, weight, p->start, p->n, true, partial) / (double)p->n);
        worst = mean > worst ? mean : worst;
        if (mean != mean)
            return mean;
    }
    return worst;
}

/* ---- operations ------------------------------------------------------------------------------------ */

static N_Vector_ID vec_id(N_Vector v)
{
    (void)v;
    return SUNDIALS_NVEC_CUSTOM;
}

N_Vector ap_vec_take(struct ap_vec_pool *pool)
{
    for (int i = 0; i < AP_VEC_POOL; i++)
        if (!pool->used[i]) {
            pool->used[i] = true;
            pool->in_use++;
            pool->peak = pool->in_use > pool->peak ? pool->in_use : pool->peak;
            return pool->vector[i];
        }
    return NULL;
}

static N_Vector vec_clone(N_Vector v)
{
    return ap_vec_take(content(v)->pool);
}

static void vec_destroy(N_Vector v)
{
    if (!v)
        return;
    content(v)->pool->used[content(v)->slot] = false;
    content(v)->pool->in_use--;
}

static void vec_space(N_Vector v, sunindextype *reals, sunindextype *ints)
{
    *reals = (sunindextype)content(v)->pool->n;
    *ints = 1;
}

static realtype *vec_pointer(N_Vector v)
{
    return ap_vec_data(v);
}

static sunindextype vec_length(N_Vector v)
{
    return (sunindextype)content(v)->pool->n;
}

static void vec_linear_sum(realtype a, N_Vector x, realtype b, N_Vector y, N_Vector z)
{
    over(linear_sum_n, a, x, b, y, z);
}

static void vec_const(realtype c, N_Vector z)
{
    over(constant_n, c, NULL, 0, NULL, z);
}

static void vec_prod(N_Vector x, N_Vector y, N_Vector z)
{
    over(product_n, 0, x, 0, y, z);
}

static void vec_div(N_Vector x, N_Vector y, N_Vector z)
{
    over(quotient_n, 0, x, 0, y, z);
}

static void vec_scale(realtype c, N_Vector x, N_Vector z)
{
    over(scaled_n, c, x, 0, NULL, z);
}

static void vec_abs(N_Vector x, N_Vector z)
{
    over(absolute_n, 0, x, 0, NULL, z);
}

static void vec_inv(N_Vector x, N_Vector z)
{
    over(inverse_n, 0, x, 0, NULL, z);
}

static void vec_add_const(N_Vector x, realtype b, N_Vector z)
{
    over(shifted_n, 0, x, b, NULL, z);
}

/* One thread's elements, a block of x at a time. */
static void scale_add_by(int n, const double *a, N_Vector x, N_Vector *y, N_Vector *z, struct ap_team team)
{
    size_t first, last;
    ap_team_share(team, content(x)->pool->n, AP_VEC_BLOCK, &first, &last);
    for (size_t at = first; at < last; at += AP_VEC_BLOCK)
        for (int k = 0; k < n; k++)
            linear_sum_n(last - at < AP_VEC_BLOCK ? last - at : AP_VEC_BLOCK, a[k], ap_vec_data(x) + at, 1,
                         ap_vec_data(y[k]) + at, ap_vec_data(z[k]) + at);
}

/* z_k = a_k x + y_k for n vectors. */
static int vec_scale_add(int n, realtype *a, N_Vector x, N_Vector *y, N_Vector *z)
{
    const struct ap_vec_pool *pool = content(x)->pool;
    if (pool->n_blocks > 16 && ap_team_many(pool->c->crew)) {
#pragma omp parallel
        scale_add_by(n, a, x, y, z, ap_team_here(pool->c->crew));
    } else
        scale_add_by(n, a, x, y, z, AP_TEAM_ALONE);
    return 0;
}

void ap_vec_weights(N_Vector y, double rtol, double atol, N_Vector w)
{
    over(weight_n, rtol, y, atol, NULL, w);
}

static realtype vec_dot(N_Vector x, N_Vector y)
{
    struct ap_vec_pool *pool = content(x)->pool;
    return sum_over(pool->c, ap_vec_data(x), ap_vec_data(y), 0, pool->n, false, pool->partial);
}

static realtype vec_max_norm(N_Vector x)
{
    const double *px = ap_vec_data(x);
    double most = 0;
    for (size_t i = 0; i < content(x)->pool->n; i++)
        most =
            fabs(px[i]) > most || px[i] != px[i] ? fabs(px[i]) : most; /* NaN stays: no number is greater */
    return most;
}

/* The greater of two norms; NaN stays, for no number is greater. */
static double worse(double a, double b)
{
    return b > a || b != b ? b : a;
}

static realtype vec_wrms_norm(N_Vector x, N_Vector w)
{
    struct ap_vec_pool *pool = content(x)->pool;
    const double *px = ap_vec_data(x), *pw = ap_vec_data(w);
    size_t n = pool->c->n_state, blocks = (n + AP_VEC_BLOCK - 1) / AP_VEC_BLOCK;
    if (pool->copies == 1)
        return ap_vec_norm(pool->c, px, pw, pool->partial);
    double *norm = pool->partial + (size_t)pool->copies * blocks, worst = 0;
#pragma omp parallel for schedule(static) if (ap_crew_several(pool->c->crew))
    for (int b = 0; b < pool->copies; b++)
        norm[b] =
            ap_vec_norm(pool->c, px + (size_t)b * n, pw + (size_t)b * n, pool->partial + (size_t)b * blocks);
    for (int b = 0; b < pool->copies; b++)
        worst = worse(worst, norm[b]);
    return worst;
}

static realtype vec_wl2_norm(N_Vector x, N_Vector w)
{
    struct ap_vec_pool *pool = content(x)->pool;
    return sqrt(sum_over(pool->c, ap_vec_data(x), ap_vec_data(w), 0, pool->n, true, pool->partial));
}

static realtype vec_min(N_Vector x)
{
    const double *px = ap_vec_data(x);
    double least = px[0];
    for (size_t i = 1; i < content(x)->pool->n; i++)
        least = px[i] < least ? px[i] : least;
    return least;
}

/* ---- pool ------------------------------------------------------------------------------------------ */

static const struct _generic_N_Vector_Ops OPS = {
    .nvgetvectorid = vec_id,
    .nvclone = vec_clone,
    .nvcloneempty = vec_clone,
    .nvdestroy = vec_destroy,
    .nvspace = vec_space,
    .nvgetarraypointer = vec_pointer,
    .nvgetlength = vec_length,
    .nvlinearsum = vec_linear_sum,
    .nvconst = vec_const,
    .nvprod = vec_prod,
    .nvdiv = vec_div,
    .nvscale = vec_scale,
    .nvabs = vec_abs,
    .nvinv = vec_inv,
    .nvaddconst = vec_add_const,
    .nvdotprod = vec_dot,
    .nvmaxnorm = vec_max_norm,
    .nvwrmsnorm = vec_wrms_norm,
    .nvmin = vec_min,
    .nvwl2norm = vec_wl2_norm,
    .nvscaleaddmulti = vec_scale_add,
};

struct ap_vec_pool *ap_vec_pool_create(struct ap_err *e, const struct ap_circuit *c, SUNContext context)
{
    struct ap_vec_pool *pool = ap_mem_array(e, 1, sizeof *pool, "integrator");
    if (!pool)
        return NULL;
    size_t total = 0;
    pool->c = c;
    ap_vec_resize(pool, c->copies > 1 ? c->copies : 1);
    size_t most = pool->n, one = (c->n_state + AP_VEC_BLOCK - 1) / AP_VEC_BLOCK;
    size_t partial = (size_t)pool->copies * (one + 1) + 1;
    if (!ap_mem_product(most, AP_VEC_POOL, &total))
        total = SIZE_MAX; /* refused below, with a message */
    if (!(pool->data = ap_mem_reserve(e, total, sizeof *pool->data, "vectors of the integrator")) ||
        !(pool->partial = ap_mem_array(e, partial, sizeof *pool->partial, "integrator"))) {
        ap_vec_pool_free(pool);
        return NULL;
    }
    for (int i = 0; i < AP_VEC_POOL; i++) {
        N_Vector v = N_VNewEmpty(context);
        struct content *k = ap_mem_array(e, 1, sizeof *k, "integrator");
        if (!v || !k) {
            if (!v)
                ap_err_add(e, AP_EMEMORY, NULL, NULL, "no memory for the integrator");
            else
                N_VFreeEmpty(v);
            ap_mem_free(k);
            ap_vec_pool_free(pool);
            return NULL;
        }
        *k = (struct content){pool, i, pool->data + (size_t)i * most};
        *v->ops = OPS;
        v->content = k;
        pool->vector[i] = v;
    }
    ap_vec_resize(pool, 1);
    return pool;
}

void ap_vec_resize(struct ap_vec_pool *pool, int copies)
{
    pool->copies = copies;
    pool->n = (size_t)copies * pool->c->n_state;
    pool->n_blocks = (pool->n + AP_VEC_BLOCK - 1) / AP_VEC_BLOCK;
}

void ap_vec_pool_free(struct ap_vec_pool *pool)
{
    if (!pool)
        return;
    for (int i = 0; i < AP_VEC_POOL; i++)
        if (pool->vector[i]) {
            ap_mem_free(pool->vector[i]->content);
            pool->vector[i]->content = NULL;
            N_VFreeEmpty(pool->vector[i]);
        }
    ap_mem_free(pool->data);
    ap_mem_free(pool->partial);
    ap_mem_free(pool);
}

int ap_vec_peak(const struct ap_vec_pool *pool)
{
    return pool->peak;
}
