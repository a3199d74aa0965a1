/* drawing.h: a figure in the making. */
#ifndef AP_DRAWING_H
#define AP_DRAWING_H

#include "axes.h"
#include "figure.h"
#include "series.h"

enum { AP_DRAWING_PANELS = 64 };

/* What a draw function fills in; memory of a figure lives in the arena. */
struct ap_drawing {
    struct ap_err *e;
    const struct ap_run *run;
    const struct ap_spec *s;
    const struct ap_figure_spec *f;
    struct ap_arena arena;
    struct ap_axes_panel panel[AP_DRAWING_PANELS];
    int n_panels;
    int width, height;
    const double *row_share, *col_share;
    int n_rows, n_cols;
    char title[256], subtitle[256], footer[256];
    bool starved; /* some text or array found no memory: the page is not written */
};

/* Text in the arena. */
char *ap_drawing_text(struct ap_drawing *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
void *ap_drawing_take(struct ap_drawing *d, size_t n, size_t size);
struct ap_axes_panel *ap_drawing_panel(struct ap_drawing *d, enum ap_axes_kind kind, int row, int col);

/* AP_EUSAGE: the run holds no `what`. */
enum ap_code ap_drawing_nothing(struct ap_drawing *d, const char *what, const char *hint);
const char *ap_drawing_potential_unit(const struct ap_drawing *d);
const char *ap_drawing_population(const struct ap_drawing *d, int pop);
/* Writes the page. */
enum ap_code ap_drawing_finish(struct ap_drawing *d, const char *path, const char *headline);

/* The kinds of figures: matrixfig.c, timefig.c, learnfig.c, readoutfig.c. */
enum ap_code ap_matrixfig_weights(struct ap_drawing *d, const char *path);
enum ap_code ap_matrixfig_fields(struct ap_drawing *d, const char *path);
enum ap_code ap_matrixfig_check_fields(struct ap_err *e, const struct ap_spec *s,
                                       const struct ap_figure_spec *f);
enum ap_code ap_timefig_voltage(struct ap_drawing *d, const char *path);
enum ap_code ap_timefig_apical(struct ap_drawing *d, const char *path);
enum ap_code ap_timefig_check_apical(struct ap_err *e, const struct ap_spec *s,
                                     const struct ap_figure_spec *f);
int ap_timefig_comp(const struct ap_spec *s, int pop, const char *name); /* compartment by name, -1 */
enum ap_code ap_timefig_cancellation(struct ap_drawing *d, const char *path);
enum ap_code ap_timefig_check_cancellation(struct ap_err *e, const struct ap_spec *s,
                                           const struct ap_figure_spec *f);
enum ap_code ap_timefig_traces(struct ap_drawing *d, const char *path);
enum ap_code ap_learnfig_curve(struct ap_drawing *d, const char *path);
enum ap_code ap_learnfig_confusion(struct ap_drawing *d, const char *path);
enum ap_code ap_readoutfig_residual(struct ap_drawing *d, const char *path);
enum ap_code ap_learnfig_check_confusion(struct ap_err *e, const struct ap_spec *s,
                                         const struct ap_figure_spec *f);

#endif
