/* Teams: shares are everything once, whatever the clock says, and nobody opens a region for one. */
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
                    ap_team_share((struct ap_team){mine, of, NULL}, n, unit, &first, &last);
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
    struct ap_crew crew = {.several = true}, one = {.several = false};
    assert_false(ap_team_many(&crew));
    omp_set_num_threads(3);
    assert_true(ap_team_many(&crew));
    assert_false(ap_team_many(&one));
    assert_false(ap_team_many(NULL));
    omp_set_num_threads(before);
    struct ap_deal d = ap_team_deal(AP_TEAM_ALONE, 5);
    size_t k, next = 0;
    while (ap_team_next(&d, &k))
        assert_int_equal(k, next++);
    assert_int_equal(next, 5);
    assert_false(ap_team_next(&d, &k));
}

enum { LOOPS = 40, REGIONS = 60 };

/* Loops of several lengths one after the other, without waiting; who has an even number is slow in every other loop. */
static void many_loops(atomic_int taken[LOOPS][MOST], atomic_int *others, struct ap_team team)
{
    for (size_t l = 0; l < LOOPS; l++) {
        size_t n = l * 7 % MOST, first, last;
        struct ap_deal d = ap_team_deal(team, n);
        ap_team_share(team, n, 1, &first, &last);
        for (size_t k; ap_team_next(&d, &k);) {
            taken[l][k]++;
            *others += k < first || k >= last;
            for (volatile int wait = 0; wait < ((l + (size_t)team.mine) % 2 ? 2000 : 0);)
                wait = wait + 1;
        }
    }
}

/* Teams of changing sizes, beyond those that take of each other too: every item of every loop once. */
static void test_dealt_once(void **unused)
{
    (void)unused;
    static atomic_int taken[LOOPS][MOST];
    static struct ap_crew crew = {.several = true};
    static const int SIZES[] = {2, 4, 3, 8, 2, AP_CREW_MOST + 1};
    int before = omp_get_max_threads();
    atomic_int others = 0;
    for (int region = 0; region < REGIONS; region++) {
        int of = SIZES[region % 6];
        if (of > 8 && region > 6)
            continue;
        omp_set_num_threads(of);
        memset(taken, 0, sizeof taken);
        assert_true(ap_team_many(&crew));
#pragma omp parallel
        many_loops(taken, &others, ap_team_here(&crew));
        for (size_t l = 0; l < LOOPS; l++)
            for (size_t k = 0; k < MOST; k++)
                assert_int_equal(taken[l][k], k < l * 7 % MOST);
    }
    assert_true(others > 0); /* who was done has helped */
    omp_set_num_threads(before);
}

/* Rows in pieces, the last one short. */
static void test_dealt_rows(void **unused)
{
    (void)unused;
    for (size_t n = 0; n < 200; n += n < 20 ? 1 : 37) {
        struct ap_deal d = ap_team_deal_rows(AP_TEAM_ALONE, n, 8);
        size_t next = 0;
        for (size_t first, last; ap_team_next_rows(&d, n, 8, &first, &last); next = last)
            assert_true(first == next && last > first && last <= n && (last == n || last - first == 8));
        assert_int_equal(next, n);
    }
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
    struct ap_crew crew = {.several = true};
    omp_set_num_threads(4);
    assert_true(ap_team_many(&crew));
#pragma omp parallel reduction(+ : nested)
    {
        pass(to, seen, ap_team_here(&crew));
        nested += ap_team_many(&crew); /* not within another */
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
        cmocka_unit_test(test_dealt_once),
        cmocka_unit_test(test_dealt_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
