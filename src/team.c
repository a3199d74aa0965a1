/* team.c: threads that share the work of one function.
 *
 * In:   OpenMP's numbers.
 * Out:  shares.
 * Invariants:
 *   1. The shares of all threads are everything, once; and so is what they are dealt.
 *   2. A thread's turn counts loop by loop and never goes back, so nobody has to set it anew: whoever comes to it first in a loop
 *      begins to count, and who is still in an earlier loop finds nothing there any more.
 * Never: opens a parallel region.
 * Test: tests/unit/test_team.c */
#include "team.h"

#include <omp.h>

/* A turn is a loop's number above, and below it the number of items taken. */
enum { ITEMS = 20, LOOPS = 8 }; /* bits: items of a share; loops of a region */
static const uint64_t TAKEN = (1u << ITEMS) - 1;

int ap_team_most(void)
{
    return omp_get_max_threads();
}

bool ap_team_many(struct ap_crew *crew)
{
    if (!ap_crew_several(crew) || omp_get_max_threads() == 1 || omp_in_parallel())
        return false;
    crew->loop += 1u << LOOPS;
    return true;
}

struct ap_team ap_team_here(struct ap_crew *crew)
{
    struct ap_team t = {omp_get_thread_num(), omp_get_num_threads(), crew};
    if (t.mine < AP_CREW_MOST)
        crew->thread[t.mine].loop = crew->loop;
    return t;
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

/* ---- dealing --------------------------------------------------------------------------------------- */

/* Whether loop a came after loop b; both are counted in what is left of 64 bits, round and round. */
static bool later(uint64_t a, uint64_t b)
{
    return (int64_t)((a - b) << ITEMS) > 0;
}

/* The next of `count` items in a thread's share of this loop, or `count`. */
static size_t take(_Atomic uint64_t *turn, uint64_t loop, size_t count)
{
    uint64_t seen = atomic_load_explicit(turn, memory_order_relaxed), number = loop << ITEMS >> ITEMS;
    for (;;) {
        if (later(seen >> ITEMS, number))
            return count;
        size_t taken = seen >> ITEMS == number ? seen & TAKEN : 0;
        if (taken >= count)
            return count;
        if (atomic_compare_exchange_weak_explicit(turn, &seen, number << ITEMS | (taken + 1),
                                                  memory_order_relaxed, memory_order_relaxed))
            return taken;
    }
}

struct ap_deal ap_team_deal(struct ap_team t, size_t n)
{
    struct ap_deal d = {.team = t, .n = n};
    if (t.of > 1 && t.mine < AP_CREW_MOST)
        d.loop = ++t.crew->thread[t.mine].loop;
    return d;
}

bool ap_team_next(struct ap_deal *d, size_t *item)
{
    struct ap_team t = d->team;
    bool apart = t.of == 1 || t.of > AP_CREW_MOST || d->n > TAKEN; /* nobody takes of another's share */
    for (; d->whose < (apart ? 1 : t.of); d->whose++) {
        struct ap_team whose = {(t.mine + d->whose) % t.of, t.of, t.crew};
        size_t first, last;
        ap_team_share(whose, d->n, 1, &first, &last);
        size_t k = first + (apart ? d->at++ : take(&t.crew->thread[whose.mine].turn, d->loop, last - first));
        if (k < last) {
            *item = k;
            return true;
        }
    }
    return false;
}

struct ap_deal ap_team_deal_rows(struct ap_team t, size_t n, size_t unit)
{
    return ap_team_deal(t, (n + unit - 1) / unit);
}

bool ap_team_next_rows(struct ap_deal *d, size_t n, size_t unit, size_t *first, size_t *last)
{
    size_t k;
    if (!ap_team_next(d, &k))
        return false;
    *first = k * unit;
    *last = n - *first < unit ? n : *first + unit;
    return true;
}
