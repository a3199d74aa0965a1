/* Newton's system along the hierarchy: exact where nothing comes back, and the same run as with the whole Jacobian. */
#include "harness.h"
#include "tangent.h"
#include "hierarchy.h"

static double draw(uint64_t i)
{
    return ap_rng_between((struct ap_rng_stream){7, AP_RNG_PATTERN, 1}, i, -1, 1);
}

/* ||(1 - gamma J) x - b|| / ||b|| at a random state, with or without what returns to apical dendrites; intervention: NULL, or an
 * option. */
static double residual_with(const char *circuit, bool returns, double gamma, const char *intervention)
{
    struct harness h;
    const char *sets[] = {"integrator.newton=hierarchy", intervention};
    harness_open_file(&h, circuit, sets, intervention ? 2 : 1);
    struct ap_rhs *r = &h.x.rhs;
    const struct ap_circuit *c = h.x.c;
    for (int i = 0; i < c->n_proj; i++)
        if (!returns && c->proj[i].w && strchr("fl", c->proj[i].spec->name[0]) &&
            !strstr(c->proj[i].spec->name, "forward"))
            memset(c->proj[i].w, 0, c->proj[i].rows * c->proj[i].cols * sizeof(double));
    struct ap_hierarchy k;
    assert_int_equal(ap_hierarchy_init(NULL, &k, r), AP_OK);
    size_t n = c->n_state;
    double *y = malloc(4 * n * sizeof *y), *b = y + n, *x = b + n, *jx = x + n, error = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        y[i] = draw(i);
        b[i] = draw(5000000 + i);
    }
    ap_intervene_set(&r->act, &h.s->block[0], 0);
    r->now = (struct ap_presentation){10, true, false, r->act.plastic};
    ap_tangent_linearise(r, 0, y);
    ap_hierarchy_solve(&k, gamma, b, x);
    ap_tangent_product(r, x, jx);
    for (size_t i = 0; i < n; i++) {
        double left = x[i] - gamma * jx[i] - b[i];
        error += left * left;
        size += b[i] * b[i];
    }
    free(y);
    ap_hierarchy_free(&k);
    harness_close(&h);
    return sqrt(error / size);
}

static double residual(const char *circuit, bool returns, double gamma)
{
    return residual_with(circuit, returns, gamma, NULL);
}

/* Columns of a matrix on the way up belong to other neurons: what they send is gathered when it is known, not before. */
static void test_exact_with_a_shuffle(void **state)
{
    (void)state;
    static const char *const SHUFFLED[] = {"forward2", "interneuron1"};
    for (int i = 0; i < 2; i++) {
        char text[128];
        snprintf(text, sizeof text, "interventions=[{name: x, kind: shuffle, projection: %s}]", SHUFFLED[i]);
        for (double gamma = 0.01; gamma < 2; gamma *= 10)
            assert_true(residual_with("circuits/association.yaml", false, gamma, text) < 1e-12);
    }
}

/* Top-down (feedback) and lateral weights are 0: J is lower triangular, also between dynamic dendrites. */
static void test_exact_without_feedback(void **state)
{
    (void)state;
    const char *const circuits[] = {"circuits/association.yaml", "circuits/dynamic_dendrites.yaml",
                                    "circuits/mnist_small.yaml"};
    for (size_t i = 0; i < sizeof circuits / sizeof *circuits; i++)
        for (double gamma = 0.001; gamma < 20; gamma *= 10) {
            assert_true(residual(circuits[i], false, gamma) < 1e-12);
            double returned = residual(circuits[i], true, gamma),
                   less = residual(circuits[i], true, gamma / 10);
            assert_true(returned > 1e-6 && less < returned);
            assert_true(gamma > 0.01 || less < 0.15 * returned); /* of first order in what is left out */
        }
}

/* Both methods solve the same equations: their runs differ by the tolerance. */
static void test_same_run(void **state)
{
    (void)state;
    const char *const circuits[] = {"circuits/dynamic_dendrites.yaml", "circuits/association.yaml"};
    for (size_t i = 0; i < 2; i++) {
        struct harness h[2];
        for (int k = 0; k < 2; k++) {
            const char *sets[] = {k ? "integrator.newton=hierarchy" : "integrator.newton=krylov",
                                  "integrator.rtol=1e-9", "integrator.atol=1e-11"};
            harness_open_file(&h[k], circuits[i], sets, 3);
            struct ap_err e = {0};
            for (int p = 0; p < 3; p++)
                assert_int_equal(ap_sim_present(&e, &h[k].x, 0, (uint64_t)p), AP_OK);
        }
        double worst = 0;
        for (size_t s = 0; s < h[0].x.c->n_state; s++)
            worst = fmax(worst, fabs(h[0].x.g.y[s] - h[1].x.g.y[s]));
        assert_true(worst > 0); /* another method it is */
        assert_true(worst < 1e-6);
        harness_close(&h[0]);
        harness_close(&h[1]);
    }
}

/* Distance of the followed fields from those of an evaluation there, the last correction being of size `size`. */
static double followed(const char *circuit, double size)
{
    struct harness h;
    harness_open_file(&h, circuit, NULL, 0);
    struct ap_rhs *r = &h.x.rhs;
    const struct ap_circuit *c = h.x.c;
    struct ap_hierarchy k;
    assert_int_equal(ap_hierarchy_init(NULL, &k, r), AP_OK);
    ap_intervene_set(&r->act, &h.s->block[0], 0);
    r->now = (struct ap_presentation){10, true, false, r->act.plastic};
    size_t n = c->n_state;
    double *y = malloc((4 * n + 2 * c->n_value) * sizeof *y), *b = y + n, *x = b + n, *dy = x + n,
           *v = dy + n;
    for (size_t i = 0; i < n; i++) {
        y[i] = draw(i);
        b[i] = size * draw(5000000 + i);
    }
    ap_rhs_eval(r, 1.5, y, dy);
    ap_tangent_linearise(r, 1.5, y);
    ap_hierarchy_solve(&k, 0.3, b, x);
    for (size_t i = 0; i < n; i++)
        y[i] += x[i];
    assert_false(ap_hierarchy_follow(&k, 1.6, y)); /* another time */
    y[0] += 1e-6;
    assert_false(ap_hierarchy_follow(&k, 1.5, y)); /* not where the pass led */
    y[0] -= 1e-6;
    assert_true(ap_hierarchy_follow(&k, 1.5, y));
    memcpy(v, r->v, c->n_value * sizeof *v);
    ap_rhs_eval(r, 1.5, y, NULL);
    assert_false(ap_hierarchy_follow(&k, 1.5, y)); /* an evaluation came between */
    double error = 0;
    for (size_t i = 0; i < c->n_value; i++)
        error = fmax(error, fabs(v[i] - r->v[i]));
    free(y);
    ap_hierarchy_free(&k);
    harness_close(&h);
    return error;
}

static void test_follow(void **state)
{
    (void)state;
    const char *const circuits[] = {"circuits/association.yaml", "circuits/dynamic_dendrites.yaml",
                                    "circuits/mnist_small.yaml"};
    for (size_t i = 0; i < sizeof circuits / sizeof *circuits; i++) {
        double large = followed(circuits[i], 1e-2), small = followed(circuits[i], 1e-3);
        assert_true(large < 1e-3);
        assert_true(small < 0.02 * large || small < 1e-13); /* of second order */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_without_feedback),
        cmocka_unit_test(test_exact_with_a_shuffle),
        cmocka_unit_test(test_same_run),
        cmocka_unit_test(test_follow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
