/* profile.h: where the time of a run goes. Each moment belongs to one part: the innermost that was entered. */
#ifndef AP_PROFILE_H
#define AP_PROFILE_H

enum ap_profile_part {
    AP_PROFILE_OTHER,
    AP_PROFILE_PATTERNS,
    AP_PROFILE_RATES,
    AP_PROFILE_SUMS,
    AP_PROFILE_TANGENT,
    AP_PROFILE_SOLVER,
    AP_PROFILE_PLASTICITY,
    AP_PROFILE_RECORD,
    AP_PROFILE_PARTS,
};

struct ap_profile {
    double seconds[AP_PROFILE_PARTS];
    double since;
    enum ap_profile_part now;
};

/* Names of the parts, in the field's words. */
extern const char *const ap_profile_name[AP_PROFILE_PARTS];

/* Time goes to `part` from now on; returns the part it went to before, to be entered again. p NULL: nothing happens. */
enum ap_profile_part ap_profile_enter(struct ap_profile *p, enum ap_profile_part part);

#endif
