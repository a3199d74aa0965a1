/* Signals against their definitions; changes against differences; locality. */
#include "signal.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 40 };

struct world {
    double soma[N], rate[N], comp[N], scratch[N];
    struct ap_signal_view view;
};

static double uniform(void)
{
    static unsigned long long seed = 11;
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(seed >> 11) / 9007199254740992.0 * 4 - 2;
}

static void make(struct world *w, const char *transfer)
{
    const struct ap_transfer_row *t = (const void *)ap_registry_find(&ap_transfer_table, transfer);
    assert_non_null(t);
    for (int i = 0; i < N; i++) {
        w->soma[i] = uniform();
        w->comp[i] = uniform();
    }
    t->rate(t->fallback, N, w->soma, w->rate);
    w->view =
        (struct ap_signal_view){N, w->soma, w->rate, w->comp, 0.6, -0.3, 0.25, t, t->fallback, w->scratch};
}

static const struct ap_signal_row *find(const char *name)
{
    const struct ap_signal_row *s = (const void *)ap_registry_find(&ap_signal_table, name);
    assert_non_null(s);
    return s;
}

static const char *const TRANSFERS[] = {"logistic", "softplus", "tanh", "linear"};

static void test_values_are_those_of_the_definitions(void **unused)
{
    (void)unused;
    for (int k = 0; k < 4; k++) {
        struct world w;
        double out[N], phi, slope, inside;
        make(&w, TRANSFERS[k]);
        const struct ap_transfer_row *t = w.view.transfer;
        const char *const names[] = {"rate",        "slope",     "potential", "dendritic-error",
                                     "input-error", "rest-minus"};
        for (int s = 0; s < 6; s++) {
            find(names[s])->value(&w.view, out);
            for (int i = 0; i < N; i++) {
                inside = s == 3 ? -0.3 + 0.6 * w.comp[i] : w.comp[i];
                t->rate(t->fallback, 1, &inside, &phi);
                t->slope(t->fallback, 1, &w.soma[i], &slope);
                const double expected[] = {w.rate[i],       slope,           w.comp[i],
                                           w.rate[i] - phi, w.rate[i] - phi, 0.25 - w.comp[i]};
                assert_true(out[i] == expected[s]);
            }
        }
    }
}

static void test_changes_are_derivatives(void **unused)
{
    (void)unused;
    const double h = 1e-5;
    for (int k = 0; k < 4; k++)
        for (int s = 0; s < ap_signal_table.n; s++) {
            const struct ap_signal_row *row = (const void *)ap_registry_row(&ap_signal_table, s);
            struct world w, plus, minus;
            make(&w, TRANSFERS[k]);
            const struct ap_transfer_row *t = w.view.transfer;
            double dsoma[N], drate[N], dcomp[N], change[N], high[N], low[N];
            t->slope(t->fallback, N, w.soma, drate);
            plus = minus = w;
            plus.view.soma = plus.soma, plus.view.rate = plus.rate, plus.view.comp = plus.comp;
            minus.view.soma = minus.soma, minus.view.rate = minus.rate, minus.view.comp = minus.comp;
            plus.view.scratch = minus.view.scratch = w.view.scratch = w.scratch;
            for (int i = 0; i < N; i++) {
                dsoma[i] = uniform();
                dcomp[i] = uniform();
                drate[i] *= dsoma[i];
                plus.soma[i] += h * dsoma[i];
                minus.soma[i] -= h * dsoma[i];
                plus.comp[i] += h * dcomp[i];
                minus.comp[i] -= h * dcomp[i];
            }
            t->rate(t->fallback, N, plus.soma, plus.rate);
            t->rate(t->fallback, N, minus.soma, minus.rate);
            struct ap_signal_change d = {dsoma, drate, dcomp};
            row->change(&w.view, &d, change);
            row->value(&plus.view, high);
            row->value(&minus.view, low);
            for (int i = 0; i < N; i++)
                if (!(fabs(change[i] - (high[i] - low[i]) / (2 * h)) < 2e-9))
                    fail_msg("%s with %s: %g, differences give %g", row->row.name, TRANSFERS[k], change[i],
                             (high[i] - low[i]) / (2 * h));
        }
}

static void test_a_neuron_sees_only_itself(void **unused)
{
    (void)unused;
    for (int s = 0; s < ap_signal_table.n; s++) {
        const struct ap_signal_row *row = (const void *)ap_registry_row(&ap_signal_table, s);
        struct world w;
        double before[N], after[N];
        make(&w, "logistic");
        if (!row->needs_comp)
            w.view.comp = NULL;
        row->value(&w.view, before);
        w.soma[7] += 1, w.rate[7] += 0.1, w.comp[7] -= 1;
        row->value(&w.view, after);
        for (int i = 0; i < N; i++)
            assert_int_equal(before[i] == after[i], i != 7);
    }
}

/* The soma at the steady state of two dendrites: compartment-drive of one is dendritic-error of the other; where the
 * difference of rates has lost its digits, it is phi' gain comp. */
static void test_compartment_drive(void **unused)
{
    (void)unused;
    for (int k = 0; k < 4; k++)
        for (int small = 0; small < 2; small++) {
            struct world w;
            double basal[N], drive[N], error[N], slope[N];
            make(&w, TRANSFERS[k]);
            const struct ap_transfer_row *t = w.view.transfer;
            for (int i = 0; i < N; i++) {
                basal[i] = uniform();
                w.comp[i] *= small ? 1e-11 : 1;
                w.soma[i] = -0.3 + 0.5 * basal[i] + 0.4 * w.comp[i];
            }
            t->rate(t->fallback, N, w.soma, w.rate);
            t->slope(t->fallback, N, w.soma, slope);
            w.view.gain = 0.4;
            find("compartment-drive")->value(&w.view, drive);
            w.view.gain = 0.5, w.view.offset = -0.3, w.view.comp = basal;
            find("dendritic-error")->value(&w.view, error);
            for (int i = 0; i < N; i++) {
                assert_true(fabs(drive[i] - error[i]) < 1e-15);
                if (small)
                    assert_true(fabs(drive[i] - slope[i] * 0.4 * w.comp[i]) <= 1e-10 * fabs(drive[i]));
            }
        }
}

static void test_rows_are_complete(void **unused)
{
    (void)unused;
    assert_int_equal(ap_signal_table.n, 7);
    for (int s = 0; s < ap_signal_table.n; s++) {
        const struct ap_signal_row *row = (const void *)ap_registry_row(&ap_signal_table, s);
        assert_true(row->value && row->change && *row->row.name && *row->row.doc && *row->row.unit);
        assert_ptr_equal(find(row->row.name), row);
    }
    assert_null(ap_registry_find(&ap_signal_table, "global-error"));
    struct ap_err *e = ap_err_create();
    assert_null(ap_registry_need(e, &ap_signal_table, NULL, "rule", "dendritc-error"));
    assert_non_null(strstr(ap_err_hint(e, 0), "'dendritic-error'"));
    ap_err_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_are_those_of_the_definitions),
        cmocka_unit_test(test_changes_are_derivatives),
        cmocka_unit_test(test_a_neuron_sees_only_itself),
        cmocka_unit_test(test_compartment_drive),
        cmocka_unit_test(test_rows_are_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
