/* Teams: shares are everything once, and nobody opens a region for one. */
#include "team.h"

#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 300 };

static void test_shares_are_everything_once(void **unused)
{
    (void)unused;
    for (size_t n = 0; n <= MOST; n += n < 20 ? 1 : 37)
        for (size_t unit = 1; unit <= 64; unit *= 8)
            for (int of = 1; of <= 9; of++) {
                size_t next = 0;
                for (int mine = 0; mine < of; mine++) {
                    size_t first, last;
                    ap_team_share((struct ap_team){mine, of}, n, unit, &first, &last);
                    assert_true(first == next && last >= first && last <= n);
                    assert_true(last == n || last % unit == 0);
                    next = last;
                }
                assert_int_equal(next, n);
            }
}

static void test_alone(void **unused)
{
    (void)unused;
    size_t first, last;
    ap_team_share(AP_TEAM_ALONE, 77, 8, &first, &last);
    assert_true(first == 0 && last == 77);
    ap_team_wait(AP_TEAM_ALONE); /* for nobody */
    int before = omp_get_max_threads();
    omp_set_num_threads(1);
    assert_false(ap_team_many(true));
    omp_set_num_threads(3);
    assert_true(ap_team_many(true));
    assert_false(ap_team_many(false));
    omp_set_num_threads(before);
}

/* What each wrote before it waited, all read after it. */
static void pass(int *to, int *seen, struct ap_team team)
{
    to[team.mine] = team.mine + 1;
    ap_team_wait(team);
    int sum = 0;
    for (int i = 0; i < team.of; i++)
        sum += to[i];
    seen[team.mine] = sum;
}

static void test_a_team(void **unused)
{
    (void)unused;
    int to[4] = {0}, seen[4] = {0}, nested = 0, before = omp_get_max_threads();
    omp_set_num_threads(4);
#pragma omp parallel reduction(+ : nested)
    {
        pass(to, seen, ap_team_here());
        nested += ap_team_many(true); /* not within another */
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(seen[i], 10);
    assert_int_equal(nested, 0);
    omp_set_num_threads(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shares_are_everything_once),
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_a_team),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
