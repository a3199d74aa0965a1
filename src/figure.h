/* figure.h: figures of a run, drawn from its log. */
#ifndef AP_FIGURE_H
#define AP_FIGURE_H

#include "spec.h"

struct ap_run;  /* a run read back from its log: runlog.h */
struct ap_page; /* axes.h */

struct ap_figure_row {
    struct ap_row row;
    /* Whether the figure can be drawn at all: NULL when the keys' own checks suffice. */
    enum ap_code (*check)(struct ap_err *e, const struct ap_spec *s, const struct ap_figure_spec *f);
    /* Draws one PNG to `path`. *drawn is false, with a reason in err's absence, when the run holds no data for it. */
    enum ap_code (*draw)(struct ap_err *e, const struct ap_run *run, const struct ap_figure_spec *f, const char *path);
};

#endif
