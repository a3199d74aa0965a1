/* profile.c: where the time of a run goes.
 *
 * In:   parts entered and left, by one thread.
 * Out:  seconds per part.
 * Invariants:
 *   1. The parts add up to the time since the first was entered.
 *   2. Without a profile nothing is measured, and a profile changes no result.
 * Never: is entered by two threads at once.
 * Test: tests/unit/test_sim.c, tests/cli/test_commands.sh */
#include "profile.h"

#include <stddef.h>
#include <time.h>

const char *const ap_profile_name[AP_PROFILE_PARTS] = {
    [AP_PROFILE_OTHER] = "files, figures, everything else",
    [AP_PROFILE_PATTERNS] = "patterns, sums from clamped inputs",
    [AP_PROFILE_RATES] = "rates (transfer functions)",
    [AP_PROFILE_SUMS] = "weighted sums and membranes",
    [AP_PROFILE_TANGENT] = "Jacobian products",
    [AP_PROFILE_SOLVER] = "solver (CVODE's vectors, Krylov, step control)",
    [AP_PROFILE_PLASTICITY] = "plasticity",
    [AP_PROFILE_RECORD] = "recording and probes",
};

enum ap_profile_part ap_profile_enter(struct ap_profile *p, enum ap_profile_part part)
{
    if (!p)
        return part;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    double now = (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
    enum ap_profile_part before = p->now;
    if (p->since > 0)
        p->seconds[before] += now - p->since;
    p->since = now;
    p->now = part;
    return before;
}
