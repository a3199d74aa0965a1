/* errortable.h: apical errors beside the gradient, gathered over presentations: what `apical errors` writes and draws. */
#ifndef AP_ERRORTABLE_H
#define AP_ERRORTABLE_H

#include "adjoint.h"

/* Columns of a row; their names and units are a table in errortable.c. */
enum ap_errortable_column {
    AP_ERRORTABLE_ANGLE,
    AP_ERRORTABLE_COSINE,
    AP_ERRORTABLE_RATIO,
    AP_ERRORTABLE_FORMULA,
    AP_ERRORTABLE_FEEDBACK,
    AP_ERRORTABLE_GRADIENT,
    AP_ERRORTABLE_STEADY,
    AP_ERRORTABLE_LOSS,
    AP_ERRORTABLE_NGRAD,
    AP_ERRORTABLE_CHANGE,
    AP_ERRORTABLE_CHANGE_RATIO,
    AP_ERRORTABLE_CHANGE_ADJOINT,
    AP_ERRORTABLE_ADJOINT,
    AP_ERRORTABLE_ADJOINT_RATIO,
    AP_ERRORTABLE_ADJOINT_LOSS,
    AP_ERRORTABLE_COLUMNS,
};

/* Arrays per neuron of a hidden layer. */
enum ap_errortable_field {
    AP_ERRORTABLE_APICAL,
    AP_ERRORTABLE_TOPDOWN,
    AP_ERRORTABLE_LATERAL,
    AP_ERRORTABLE_PREDICTED,
    AP_ERRORTABLE_BACK,
    AP_ERRORTABLE_DELTA,
    AP_ERRORTABLE_FIELDS,
};

struct ap_errortable_moment {
    uint64_t presentation; /* over the run, from 0 */
    int block;
    double end; /* ms */
    bool taught;
};

struct ap_errortable {
    const struct ap_spec *s;
    struct ap_pathway path;
    size_t n, room, taught; /* presentations gathered */
    struct ap_errortable_moment *moment;
    double *row;                                             /* [n][path.n][AP_ERRORTABLE_COLUMNS] */
    double *neuron[AP_PATHWAY_LAYERS][AP_ERRORTABLE_FIELDS]; /* hidden layers: [n][neurons] */
    size_t size[AP_PATHWAY_LAYERS];
    double *matrix[AP_PATHWAY_LAYERS]
                  [3]; /* of the last presentation with teacher: change, gradient of backprop, adjoint */
    char digest[33];
};

void ap_errortable_init(struct ap_errortable *t, const struct ap_spec *s, const struct ap_pathway *path);
void ap_errortable_free(struct ap_errortable *t);
/* adjoint: evaluated at this moment, or NULL. */
enum ap_code ap_errortable_add(struct ap_err *e, struct ap_errortable *t, struct ap_analysis *a,
                               const struct ap_adjoint *adjoint, const struct ap_errortable_moment *m);

/* Value of a column in layer k (from 1) of gathered presentation i. */
double ap_errortable_at(const struct ap_errortable *t, size_t i, int k, enum ap_errortable_column column);

enum ap_code ap_errortable_csv(struct ap_err *e, const struct ap_errortable *t, const char *path);
enum ap_code ap_errortable_hdf5(struct ap_err *e, const struct ap_errortable *t, const char *path);

/* errorfig.c: figures of it. */
enum ap_code ap_errorfig_angles(struct ap_err *e, const struct ap_errortable *t, const char *path);
enum ap_code ap_errorfig_maps(struct ap_err *e, const struct ap_errortable *t, const char *path);
enum ap_code ap_errorfig_scatter(struct ap_err *e, const struct ap_errortable *t, const char *path);

#endif
