/* figure.h: figures of a run, drawn from its log. */
#ifndef AP_FIGURE_H
#define AP_FIGURE_H

#include "export.h"
#include "spec.h"

/* Draws the figures that the run's circuit lists into folder; figure: one kind or file name, NULL: all. A kind that is
 * not listed is drawn with its defaults. The names are added to files. */
enum ap_code ap_figure_draw(struct ap_err *e, const struct ap_run *run, const char *figure,
                            const char *folder, struct ap_file_list *files);

#endif
