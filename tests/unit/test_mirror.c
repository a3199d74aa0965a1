/* Sums from coarse copies, against the matrix itself. */
#include "harness.h"

static const char MICRO[] =
    "version: 1\nname: micro\nseed: 3\nmicrocircuit:\n  layers: [4, 140, 137, 3]\n"
    "  weights: {forward: uniform(-1, 1), feedback: uniform(-1, 1)}\n"
    "  plasticity: {forward: [0.3 /ms, 0.002 /ms, 0.1 /ms], lowpass: 30 ms}\n"
    "stimulus: {kind: random, smoothing: 3 ms}\ntarget: {kind: random, range: [0.1, 0.9]}\n"
    "schedule: [{name: a, presentations: 3, duration: 10 ms}]\n"
    "integrator: {rtol: RTOL, atol: RTOL, newton: hierarchy}\n";

enum { COLS = 140, ROWS = 137 };

static double draw(uint64_t i)
{
    return ap_rng_between((struct ap_rng_stream){11, AP_RNG_PATTERN, 1}, i, -1, 1);
}

static void open_with(struct harness *h, const char *rtol, const char *const *sets, int n)
{
    char text[2048];
    const char *first = strstr(MICRO, "RTOL"), *second = strstr(first + 4, "RTOL");
    snprintf(text, sizeof text, "%.*s%s%.*s%s%s", (int)(first - MICRO), MICRO, rtol,
             (int)(second - first - 4), first + 4, rtol, second + 4);
    harness_open(h, text, sets, n);
}

static struct ap_mirror *mirror_of(struct harness *h, const char *name)
{
    return h->x.rhs.mirror.by_proj[ap_spec_projection(h->s, name)];
}

/* Sums of what was looked at, rows in pieces as tasks take them; sum [ROWS] was 3 and is added to beyond row 50. */
static void take(struct harness *h, struct ap_mirror *m, const double *x, double *sum)
{
    for (int i = 0; i < ROWS; i++)
        sum[i] = 3;
    for (size_t first = 0; first < ROWS; first += 50)
        ap_mirror_sums(&h->x.rhs.mirror, m, first, first + 50 < ROWS ? first + 50 : ROWS, x, first > 0,
                       sum + first);
    for (int i = 50; i < ROWS; i++)
        sum[i] -= 3;
}

/* The root mean square distance of sums from those of the matrix. */
static double off(struct harness *h, struct ap_mirror *m, const double *x, double tolerance)
{
    double sum[ROWS], matrix[ROWS], square = 0;
    ap_synapse_product(ROWS, COLS, h->x.c->proj[m->proj].w, x, 0, matrix);
    ap_mirror_look(&h->x.rhs.mirror, m, x, tolerance);
    take(h, m, x, sum);
    for (int i = 0; i < ROWS; i++)
        square += (sum[i] - matrix[i]) * (sum[i] - matrix[i]);
    return sqrt(square / ROWS);
}

/* Where a matrix is worth it, and nothing else is done to it. */
static void test_which(void **state)
{
    (void)state;
    struct harness h;
    open_with(&h, "1e-4", NULL, 0);
    assert_non_null(mirror_of(&h, "forward2"));
    assert_null(mirror_of(&h, "forward1")); /* from a clamped population */
    assert_null(mirror_of(&h, "forward3")); /* small */
    harness_close(&h);
    const char *scaled[] = {"interventions=[{name: x, kind: scale, projection: forward2, factor: 0.5}]"};
    open_with(&h, "1e-4", scaled, 1);
    assert_null(mirror_of(&h, "forward2"));
    assert_non_null(mirror_of(&h, "feedback1"));
    harness_close(&h);
    const char *coupled[] = {"integrator.weights=coupled", "integrator.newton=krylov"};
    open_with(&h, "1e-4", coupled, 2);
    assert_int_equal(h.x.rhs.mirror.n, 0);
    harness_close(&h);
    /* a matrix that its rule changes in place at each step: too flat for factors */
    const char *flat[] = {"microcircuit.layers=[4, 2000, 10, 3]"};
    open_with(&h, "1e-4", flat, 1);
    assert_non_null(mirror_of(&h, "feedback1"));
    assert_null(mirror_of(&h, "forward2"));
    harness_close(&h);
    const char *both[] = {
        flat[0], "schedule.a.batch=3"}; /* its presentations one by one change it in place all the same */
    open_with(&h, "1e-4", both, 2);
    assert_non_null(h.x.rhs.factor.by_proj[ap_spec_projection(h.s, "forward2")]);
    assert_null(mirror_of(&h, "forward2"));
    harness_close(&h);
}

/* Sums are exact when first asked for and after a long way, and off by less than allowed in between. */
static void test_tolerance(void **state)
{
    (void)state;
    struct harness h;
    open_with(&h, "1e-4", NULL, 0);
    struct ap_mirror *m = mirror_of(&h, "forward2");
    double x[COLS];
    for (int decade = 2; decade < 6; decade++) {
        double tolerance = pow(10, -decade), worst = 0;
        int exact = 0;
        ap_mirror_forget(&h.x.rhs.mirror, -1);
        for (uint64_t ask = 0; ask < 200; ask++) {
            for (uint64_t j = 0; j < COLS; j++) /* a slow walk on a curve that fills all dimensions */
                x[j] = sin(0.02 * (double)ask + draw(j)) + 0.3 * sin(0.005 * (double)ask * draw(j + 300));
            double is = off(&h, m, x, tolerance);
            assert_true((m->way == AP_MIRROR_EXACT) == (is < 1e-14) || ask == 0);
            exact += m->way == AP_MIRROR_EXACT;
            worst = fmax(worst, is);
        }
        assert_true(worst < tolerance);
        static const int FEWEST[] = {0, 0, 1, 1, 5, 50}, MOST[] = {0, 0, 1, 4, 30, 120};
        assert_in_range(exact, FEWEST[decade], MOST[decade]);
    }
    harness_close(&h);
}

/* How far off a copy is, from weights as they are drawn and from weights of which every rounding goes the same way. */
static void test_roundings(void **state)
{
    (void)state;
    struct harness h;
    open_with(&h, "1e-4", NULL, 0);
    struct ap_mirror *m = mirror_of(&h, "forward2");
    struct ap_proj *p = &h.x.c->proj[m->proj];
    double x[COLS], zero[COLS] = {0};
    const double unit[] = {1.0 / 127, 1.0 / 127 / AP_SYNAPSE_BASE};
    for (int k = 0; k < 4; k++) {
        int alike = k / 2, digits = k % 2;
        for (size_t i = 0; alike && i < ROWS * COLS; i++)
            p->w[i] = i % COLS == 0 ? 1 : (53 + 181.8 / AP_SYNAPSE_BASE) / 127;
        ap_mirror_forget(&h.x.rhs.mirror, -1);
        off(&h, m, zero, 0); /* from here on: changes */
        assert_int_equal(m->way, AP_MIRROR_EXACT);
        double square = 0, length = 0;
        for (uint64_t ask = 0; ask < 20; ask++) {
            double size = 0;
            for (uint64_t j = 0; j < COLS; j++) {
                x[j] = alike ? (ask % 2 ? 1 : -1) : draw(1000 * ask + j);
                size += x[j] * x[j];
            }
            square += pow(off(&h, m, x, digits ? m->off[0] * sqrt(size) : HUGE_VAL), 2) / 20;
            assert_int_equal(m->way, digits ? AP_MIRROR_FINE : AP_MIRROR_ROUGH);
            length += size / 20;
        }
        double ratio = sqrt(square / length) / m->off[digits];
        assert_true(ratio > 0.8 && ratio < 1.2);
        assert_true(alike ? m->off[digits] > 3 * 0.289 * unit[digits] : m->off[digits] < 0.3 * unit[digits]);
    }
    harness_close(&h);
}

/* Where nothing has moved since an exact sum it is that sum, bit by bit; where none may be off, nothing else goes on from it. */
static void test_still(void **state)
{
    (void)state;
    struct harness h;
    open_with(&h, "1e-4", NULL, 0);
    struct ap_mirror *m = mirror_of(&h, "forward2");
    double x[COLS], sum[ROWS], matrix[ROWS];
    const double *w = h.x.c->proj[m->proj].w;
    for (uint64_t j = 0; j < COLS; j++)
        x[j] = draw(j);
    static const struct {
        double move, tolerance;
        int way;
    } ASK[] = {{0, 0, AP_MIRROR_EXACT},      {0, 0, AP_MIRROR_STILL},       {1e-12, 0, AP_MIRROR_EXACT},
               {0, 1, AP_MIRROR_STILL},      {1e-3, 1e-3, AP_MIRROR_ROUGH}, {0, 0, AP_MIRROR_EXACT},
               {1e-3, 2e-7, AP_MIRROR_FINE}, {0, 2e-7, AP_MIRROR_STILL},    {0, 0, AP_MIRROR_EXACT}};
    for (size_t k = 0; k < sizeof ASK / sizeof *ASK; k++) {
        x[3] += ASK[k].move;
        ap_mirror_look(&h.x.rhs.mirror, m, x, ASK[k].tolerance);
        assert_int_equal(m->way, ASK[k].way);
        take(&h, m, x, sum);
        ap_synapse_product(ROWS, COLS, w, x, 0, matrix);
        if (ASK[k].tolerance == 0) /* the rows that nothing was added to */
            assert_memory_equal(sum, matrix, 50 * sizeof *sum);
    }
    harness_close(&h);
}

/* Changes come from the copy; another matrix leaves nothing of the old one; what is not finite stays so. */
static void test_changes(void **state)
{
    (void)state;
    struct harness h;
    open_with(&h, "1e-4", NULL, 0);
    struct ap_mirror *m = mirror_of(&h, "forward2");
    struct ap_proj *p = &h.x.c->proj[m->proj];
    double x[COLS], sum[ROWS], matrix[ROWS];
    for (uint64_t j = 0; j < COLS; j++)
        x[j] = 1e-3 * draw(j);
    ap_synapse_product(ROWS, COLS, p->w, x, 0, matrix);
    for (int fine = 0; fine < 2; fine++) {
        ap_mirror_look_change(&h.x.rhs.mirror, m, x, fine ? 1e-5 : 1e-3);
        assert_int_equal(m->way, fine ? AP_MIRROR_FINE : AP_MIRROR_ROUGH);
        take(&h, m, x, sum);
        for (int i = 0; i < ROWS; i++)
            assert_true(fabs(sum[i] - matrix[i]) < (fine ? 1e-3 * 2e-3 : 1e-4) && sum[i] != matrix[i]);
    }
    assert_true(off(&h, m, x, 1e-3) < 1e-15);
    for (uint64_t i = 0; i < ROWS * COLS; i++)
        p->w[i] = draw(i + 90000);
    x[0] += 1;
    assert_true(off(&h, m, x, 1e-3) > 0.1);
    ap_mirror_forget(&h.x.rhs.mirror, m->proj);
    assert_true(off(&h, m, x, 1e-3) < 1e-15);
    x[0] += 1;
    double is = off(&h, m, x, 1e-3);
    assert_true(is > 0 && is < 1e-4);
    static const double BAD[] = {(double)NAN, HUGE_VAL, -HUGE_VAL};
    for (int k = 0; k < 3; k++) {
        p->w[3 * COLS + 5] = BAD[k];
        ap_mirror_forget(&h.x.rhs.mirror, -1);
        ap_mirror_look_change(&h.x.rhs.mirror, m, x, 1e-3);
        take(&h, m, x, sum);
        assert_true(isnan(sum[3]) && isfinite(sum[2]) && isfinite(sum[4]));
    }
    harness_close(&h);
}

static void present_all(struct harness *h)
{
    for (uint64_t p = 0; p < 3; p++)
        assert_int_equal(ap_sim_present(h->e, &h->x, 0, p), AP_OK);
}

static void without_mirrors(struct harness *h)
{
    h->x.rhs.mirror.n = 0;
    memset(h->x.rhs.mirror.by_proj, 0, (size_t)h->x.c->n_proj * sizeof(void *));
}

static double apart(const struct harness *a, const struct harness *b)
{
    double worst = 0;
    for (size_t i = 0; i < a->x.c->n_state; i++)
        worst = fmax(worst, fabs(a->x.g.y[i] - b->x.g.y[i]));
    return worst;
}

/* However a matrix was changed, its copy is not used again: from one presentation to the next, and after some side by side. */
static void test_learning_makes_copies_anew(void **state)
{
    (void)state;
    const char *sets[] = {"schedule=[{name: one, presentations: 2, duration: 10 ms}, {name: three, "
                          "presentations: 3, duration: 10 ms, "
                          "batch: 3}, {name: last, presentations: 1, duration: 10 ms}]"};
    struct harness h, without;
    open_with(&h, "1e-3", sets, 1);
    open_with(&without, "1e-3", sets, 1);
    without_mirrors(&without);
    struct ap_mirror *m = mirror_of(&h, "forward2"), *fixed = mirror_of(&h, "feedback1");
    double sum[ROWS], matrix[ROWS];
    static const int BLOCK[] = {0, 0, 1, 2}, AT[] = {0, 1, 0, 0};
    for (int k = 0; k < 4; k++) {
        assert_int_equal(ap_sim_present(h.e, &h.x, BLOCK[k], (uint64_t)AT[k]), AP_OK);
        assert_int_equal(ap_sim_present(without.e, &without.x, BLOCK[k], (uint64_t)AT[k]), AP_OK);
        assert_int_equal(m->made, BLOCK[k] != 1);
        assert_true(fixed->made);
        const double *x = h.x.rhs.rate + h.x.c->pop[h.x.c->proj[m->proj].pre].rate;
        ap_mirror_look(&h.x.rhs.mirror, m, x, 0);
        take(&h, m, x, sum);
        ap_synapse_product(ROWS, COLS, h.x.c->proj[m->proj].w, x, 0, matrix);
        assert_memory_equal(sum, matrix, 50 * sizeof *sum);
    }
    assert_true(apart(&h, &without) < 2e-3);
    harness_close(&h);
    harness_close(&without);
}

/* What is recorded asks the matrices, so recording leaves the run as it is; and with coarse copies the end of a run is as near to
 * that of a much finer one as without, whatever the tolerance. */
static void test_run(void **state)
{
    (void)state;
    static const char *RTOL[] = {"1e-2", "1e-4", "1e-6"};
    const char *often[] = {"record={of: [hidden1.pyr, hidden2.pyr], every: 0.1 ms}"};
    struct harness fine, h[3];
    open_with(&fine, "1e-9", NULL, 0);
    without_mirrors(&fine);
    present_all(&fine);
    for (int r = 0; r < 3; r++) {
        for (int k = 0; k < 3; k++) {
            open_with(&h[k], RTOL[r], k == 1 ? often : NULL, k == 1);
            if (k == 2)
                without_mirrors(&h[k]);
            present_all(&h[k]);
        }
        const struct ap_hash a = ap_sim_digest(&h[0].x), b = ap_sim_digest(&h[1].x);
        assert_memory_equal(&a, &b, sizeof a);
        assert_true(apart(&h[0], &h[2]) > 0 && apart(&h[0], &fine) < 1.2 * apart(&h[2], &fine));
        for (int k = 0; k < 3; k++)
            harness_close(&h[k]);
    }
    harness_close(&fine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which),
        cmocka_unit_test(test_tolerance),
        cmocka_unit_test(test_roundings),
        cmocka_unit_test(test_still),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_run),
        cmocka_unit_test(test_learning_makes_copies_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
