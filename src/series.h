/* series.h: potentials over time, gathered from a run's log for figures. */
#ifndef AP_SERIES_H
#define AP_SERIES_H

#include "runlog.h"

/* One compartment of some neurons over the recorded presentations of one pass of a block. */
struct ap_series {
    const double *values; /* [n][frames] */
    size_t n, frames;
    size_t first;        /* number of the first neuron */
    double start, every; /* ms: of the first frame, within the pass; between frames */
    double duration;     /* ms, of all of them */
    int block;
    bool teacher;
    double rest; /* resting potential of the compartment */
};

/* The last pass of `block` in which the selection was recorded; limit: presentations, 0: all. Memory from a. found is
 * false when nothing was recorded. */
enum ap_code ap_series_gather(struct ap_err *e, struct ap_arena *a, const struct ap_run *run,
                              const struct ap_selection *of, int comp, int block, int64_t limit,
                              struct ap_series *out, bool *found);

/* Smallest and largest finite value; false when there is none. */
bool ap_series_limits(const double *values, size_t n, double *low, double *high);

/* Sorts the values; of those that are finite: median, smallest, largest (NaN when there are none), and how many. */
size_t ap_series_median(double *values, size_t n, double *median, double *low, double *high);

#endif
