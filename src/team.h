/* team.h: threads that share the work of one function.
 *
 * The function is called by every thread of a team, takes its share and waits for the others where it needs what they made.
 * Someone alone is not in a parallel region at all: opening one for a single thread costs a microsecond and a system call, which
 * small circuits would pay at every step.
 *
 *     if (ap_team_many(c->threaded)) {
 *     #pragma omp parallel
 *         work(x, ap_team_here());
 *     } else
 *         work(x, AP_TEAM_ALONE); */
#ifndef AP_TEAM_H
#define AP_TEAM_H

#include <stdbool.h>
#include <stddef.h>

struct ap_team {
    int mine, of; /* this thread, counted from 0; threads */
};
#define AP_TEAM_ALONE ((struct ap_team){0, 1})

/* Whether a parallel region opened here would have several threads, if that is wanted: not within another one. */
bool ap_team_many(bool wanted);

/* In a parallel region: this thread of it. */
struct ap_team ap_team_here(void);

/* Until all have come here. */
void ap_team_wait(struct ap_team t);

/* This thread's share of n rows, in whole units but for the last: [*first, *last). The same in every loop over the same rows, so
 * that a thread finds them in its cache. */
void ap_team_share(struct ap_team t, size_t n, size_t unit, size_t *first, size_t *last);

#endif
