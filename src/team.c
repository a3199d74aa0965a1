/* team.c: threads that share the work of one function.
 *
 * In:   OpenMP's numbers.
 * Out:  shares.
 * Invariants:
 *   1. The shares of all threads are everything, once.
 * Never: opens a parallel region.
 * Test: tests/unit/test_team.c */
#include "team.h"

#include <omp.h>

bool ap_team_many(bool wanted)
{
    return wanted && omp_get_max_threads() > 1 && !omp_in_parallel();
}

struct ap_team ap_team_here(void)
{
    return (struct ap_team){omp_get_thread_num(), omp_get_num_threads()};
}

void ap_team_wait(struct ap_team t)
{
    if (t.of > 1) {
#pragma omp barrier
    }
}

void ap_team_share(struct ap_team t, size_t n, size_t unit, size_t *first, size_t *last)
{
    size_t units = (n + unit - 1) / unit, mine = (size_t)t.mine, of = (size_t)t.of;
    size_t from = units * mine / of * unit, to = units * (mine + 1) / of * unit;
    *first = from < n ? from : n;
    *last = to < n ? to : n;
}
