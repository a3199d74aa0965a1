/* team.h: threads that share the work of one function.
 *
 * The function is called by every thread of a team, takes its share and waits for the others where it needs what they made.
 * Someone alone is not in a parallel region at all: opening one for a single thread costs a microsecond and a system call, which
 * small circuits would pay at every step.
 *
 *     if (ap_team_many(c->crew)) {
 *     #pragma omp parallel
 *         work(x, ap_team_here(c->crew));
 *     } else
 *         work(x, AP_TEAM_ALONE);
 *
 * A loop that takes long is dealt: every thread begins with its own share, the same each time, so that it finds in its cache what
 * it had there, and whoever is done goes on with what is left of another's. Which thread does what is then up to the clock; so
 * every item must write its own elements alone, from what lies still. */
#ifndef AP_TEAM_H
#define AP_TEAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the threads that work on one circuit have in common. Zero is a good beginning. */
enum { AP_CREW_MOST = 32 }; /* threads beyond these keep to their own shares */
struct ap_crew {
    bool several;  /* large enough for threads to pay */
    uint64_t loop; /* that were dealt in earlier regions, at most */
    struct {
        _Atomic uint64_t turn; /* the loop it was last dealt in, and how many of its items are taken */
        uint64_t apart[7];     /* each in a line of the cache of its own */
        uint64_t loop;         /* where this thread is: its own */
        uint64_t from[7];
    } thread[AP_CREW_MOST];
};

/* Whether threads pay for it; nobody's crew is of one. */
static inline bool ap_crew_several(const struct ap_crew *crew)
{
    return crew && crew->several;
}

struct ap_team {
    int mine, of; /* this thread, counted from 0; threads */
    struct ap_crew *crew;
};
#define AP_TEAM_ALONE ((struct ap_team){0, 1, NULL})

/* Whether a parallel region opened here would have several threads, if that is wanted: not within another one. True is said right
 * before one is opened. */
bool ap_team_many(struct ap_crew *crew);

/* Threads that such a region would have at most. */
int ap_team_most(void);

/* In a parallel region: this thread of it. */
struct ap_team ap_team_here(struct ap_crew *crew);

/* Until all have come here. */
void ap_team_wait(struct ap_team t);

/* This thread's share of n rows, in whole units but for the last: [*first, *last). The same in every loop over the same rows. */
void ap_team_share(struct ap_team t, size_t n, size_t unit, size_t *first, size_t *last);

/* A loop over items [0, n), which all threads of the team come to in the same order of loops:
 *     struct ap_deal d = ap_team_deal(t, n);
 *     for (size_t k; ap_team_next(&d, &k);)
 *         ...
 * Its own are those of ap_team_share(t, n, 1). No thread waits at its end. */
struct ap_deal {
    struct ap_team team;
    size_t n;
    uint64_t loop;
    int whose; /* 0: its own, 1: of the next thread */
    size_t at; /* taken, where nobody else takes */
};
struct ap_deal ap_team_deal(struct ap_team t, size_t n);
bool ap_team_next(struct ap_deal *d, size_t *item);

/* The same over rows [0, n) in pieces: [*first, *last). */
struct ap_deal ap_team_deal_rows(struct ap_team t, size_t n, size_t unit);
bool ap_team_next_rows(struct ap_deal *d, size_t n, size_t unit, size_t *first, size_t *last);

#endif
