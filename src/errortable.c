/* errortable.c: apical errors beside the gradient, gathered over presentations and written out.
 *
 * In:   an analysis at the end of each presentation.
 * Out:  errors.csv (a row per presentation and layer), errors.h5 (the same columns, and arrays per neuron).
 * Invariants:
 *   1. CSV and HDF5 hold the same numbers: text with 17 digits.
 *   2. What is not defined (no teacher, a norm of 0, a layer without apical dendrite) is NaN, written `nan`.
 * Never: simulates.
 * Test: tests/cli/test_errors.sh */
#include "errortable.h"
#include "io.h"
#include "sonata.h"
#include "text.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *name, *unit;
} COLUMNS[AP_ERRORTABLE_COLUMNS] = {
    [AP_ERRORTABLE_ANGLE] = {"apical_angle", "degrees"},
    [AP_ERRORTABLE_COSINE] = {"apical_cosine", "1"},
    [AP_ERRORTABLE_RATIO] = {"apical_ratio", "1"},
    [AP_ERRORTABLE_FORMULA] = {"formula_error", "1"},
    [AP_ERRORTABLE_FEEDBACK] = {"feedback_angle", "degrees"},
    [AP_ERRORTABLE_GRADIENT] = {"gradient_angle", "degrees"},
    [AP_ERRORTABLE_STEADY] = {"steady_gradient_angle", "degrees"},
    [AP_ERRORTABLE_LOSS] = {"loss", "rate*potential"},
    [AP_ERRORTABLE_NGRAD] = {"ngrad_angle", "degrees"},
    [AP_ERRORTABLE_CHANGE] = {"change_angle", "degrees"},
    [AP_ERRORTABLE_CHANGE_RATIO] = {"change_ratio", "1"},
    [AP_ERRORTABLE_CHANGE_ADJOINT] = {"change_adjoint_angle", "degrees"},
    [AP_ERRORTABLE_ADJOINT] = {"adjoint_angle", "degrees"},
    [AP_ERRORTABLE_ADJOINT_RATIO] = {"adjoint_ratio", "1"},
    [AP_ERRORTABLE_ADJOINT_LOSS] = {"adjoint_loss", "rate*potential"},
};

static const char *const FIELDS[AP_ERRORTABLE_FIELDS] = {
    [AP_ERRORTABLE_APICAL] = "apical",   [AP_ERRORTABLE_TOPDOWN] = "topdown",
    [AP_ERRORTABLE_LATERAL] = "lateral", [AP_ERRORTABLE_PREDICTED] = "predicted",
    [AP_ERRORTABLE_BACK] = "backprop",   [AP_ERRORTABLE_DELTA] = "delta",
};

static const char *const MATRICES[3] = {"change", "backprop_gradient", "adjoint_gradient"};

void ap_errortable_init(struct ap_errortable *t, const struct ap_spec *s, const struct ap_pathway *path)
{
    *t = (struct ap_errortable){.s = s, .path = *path};
    for (int k = 0; k <= path->n; k++)
        t->size[k] = (size_t)s->pop[path->layer[k].pop].n;
}

void ap_errortable_free(struct ap_errortable *t)
{
    ap_mem_free(t->moment);
    ap_mem_free(t->row);
    for (int k = 0; k < AP_PATHWAY_LAYERS; k++)
        for (int f = 0; f < AP_ERRORTABLE_FIELDS; f++)
            ap_mem_free(t->neuron[k][f]);
    for (int k = 0; k < AP_PATHWAY_LAYERS; k++)
        for (int m = 0; m < 3; m++)
            ap_mem_free(t->matrix[k][m]);
    *t = (struct ap_errortable){0};
}

static enum ap_code grow(struct ap_err *e, struct ap_errortable *t)
{
    size_t room = t->room ? 2 * t->room : 64;
    void *block = t->moment;
    AP_TRY(ap_mem_grow(e, &block, t->room, room, sizeof *t->moment, "apical errors"));
    t->moment = block;
    block = t->row;
    size_t width = (size_t)t->path.n * AP_ERRORTABLE_COLUMNS;
    AP_TRY(ap_mem_grow(e, &block, t->room * width, room * width, sizeof *t->row, "apical errors"));
    t->row = block;
    for (int k = 1; k < t->path.n; k++)
        for (int f = 0; f < AP_ERRORTABLE_FIELDS; f++) {
            block = t->neuron[k][f];
            AP_TRY(ap_mem_grow(e, &block, t->room * t->size[k], room * t->size[k], sizeof(double),
                               "apical errors per neuron"));
            t->neuron[k][f] = block;
        }
    t->room = room;
    return AP_OK;
}

/* Weight changes and gradients of this moment, layer k. */
static enum ap_code keep_matrices(struct ap_err *e, struct ap_errortable *t, const struct ap_analysis *a,
                                  const struct ap_adjoint *adjoint, int k)
{
    size_t n = t->size[k] * t->size[k - 1];
    for (int m = 0; m < 3; m++)
        if (!t->matrix[k][m] && !(t->matrix[k][m] = ap_mem_array(e, n, sizeof(double), "gradients")))
            return AP_EMEMORY;
    if (!ap_analysis_change(a, k, t->matrix[k][0]))
        memset(t->matrix[k][0], 0, n * sizeof(double));
    ap_analysis_gradient(a, k, t->matrix[k][1]);
    for (size_t i = 0; i < n; i++)
        t->matrix[k][2][i] = adjoint ? ap_adjoint_gradient(adjoint, k)[i] : (double)NAN;
    return AP_OK;
}

/* Columns about the matrix of layer k. */
static void about_matrix(struct ap_analysis *a, const struct ap_adjoint *adjoint, int k, double *row)
{
    row[AP_ERRORTABLE_GRADIENT] = ap_analysis_gradient_angle(a, k, false);
    row[AP_ERRORTABLE_STEADY] = ap_analysis_gradient_angle(a, k, true);
    row[AP_ERRORTABLE_CHANGE] = ap_analysis_change_angle(a, k, NULL, &row[AP_ERRORTABLE_CHANGE_RATIO]);
    if (!adjoint || !a->taught)
        return;
    const double *gradient = ap_adjoint_gradient(adjoint, k);
    row[AP_ERRORTABLE_CHANGE_ADJOINT] = ap_analysis_change_angle(a, k, gradient, NULL);
    row[AP_ERRORTABLE_ADJOINT] = ap_analysis_between_angle(a, k, gradient, &row[AP_ERRORTABLE_ADJOINT_RATIO]);
    row[AP_ERRORTABLE_ADJOINT_LOSS] = ap_adjoint_loss(adjoint);
}

enum ap_code ap_errortable_add(struct ap_err *e, struct ap_errortable *t, struct ap_analysis *a,
                               const struct ap_adjoint *adjoint, const struct ap_errortable_moment *m)
{
    if (t->n == t->room)
        AP_TRY(grow(e, t));
    for (int k = 1; m->taught && k <= t->path.n; k++)
        AP_TRY(keep_matrices(e, t, a, adjoint, k));
    t->moment[t->n] = *m;
    double loss = m->taught ? ap_analysis_loss(a, AP_ANALYSIS_DELTA) : (double)NAN;
    for (int k = 1; k <= t->path.n; k++) {
        double *row = t->row + (t->n * (size_t)t->path.n + (size_t)k - 1) * AP_ERRORTABLE_COLUMNS;
        bool hidden = k < t->path.n;
        for (int i = 0; i < AP_ERRORTABLE_COLUMNS; i++)
            row[i] = (double)NAN;
        if (hidden) {
            row[AP_ERRORTABLE_ANGLE] = ap_analysis_apical_angle(a, k, &row[AP_ERRORTABLE_COSINE]);
            row[AP_ERRORTABLE_RATIO] = ap_analysis_apical_ratio(a, k);
            row[AP_ERRORTABLE_FORMULA] = ap_analysis_formula_error(a, k);
            row[AP_ERRORTABLE_FEEDBACK] = ap_analysis_feedback_angle(a, k);
            row[AP_ERRORTABLE_NGRAD] = ap_analysis_ngrad_angle(a, k);
        }
        about_matrix(a, adjoint, k, row);
        row[AP_ERRORTABLE_LOSS] = loss;
        const struct ap_analysis_layer *l = &a->layer[k];
        const double *const fields[AP_ERRORTABLE_FIELDS] = {l->apical,    l->topdown, l->lateral,
                                                            l->predicted, l->back,    l->delta};
        for (int f = 0; hidden && f < AP_ERRORTABLE_FIELDS; f++)
            memcpy(t->neuron[k][f] + t->n * t->size[k], fields[f], t->size[k] * sizeof(double));
        for (int f = AP_ERRORTABLE_BACK; hidden && !m->taught && f < AP_ERRORTABLE_FIELDS; f++)
            for (size_t i = 0; i < t->size[k]; i++) /* deltas without teacher mean nothing */
                t->neuron[k][f][t->n * t->size[k] + i] = (double)NAN;
        for (size_t i = 0; hidden && !m->taught && i < t->size[k]; i++)
            t->neuron[k][AP_ERRORTABLE_PREDICTED][t->n * t->size[k] + i] = (double)NAN;
    }
    t->taught += m->taught;
    t->n++;
    return AP_OK;
}

double ap_errortable_at(const struct ap_errortable *t, size_t i, int k, enum ap_errortable_column column)
{
    return t->row[(i * (size_t)t->path.n + (size_t)k - 1) * AP_ERRORTABLE_COLUMNS + column];
}

enum ap_code ap_errortable_csv(struct ap_err *e, const struct ap_errortable *t, const char *path)
{
    struct ap_text x = {.e = e};
    ap_text_put(&x, "presentation,block,end_ms,teacher,layer,matrix");
    for (int c = 0; c < AP_ERRORTABLE_COLUMNS; c++)
        ap_text_add(&x, ",%s", COLUMNS[c].name);
    ap_text_put(&x, "\n");
    for (size_t i = 0; i < t->n; i++)
        for (int k = 1; k <= t->path.n; k++) {
            const struct ap_errortable_moment *m = &t->moment[i];
            ap_text_add(&x, "%llu,%s,%.17g,%d,%s,%s", (unsigned long long)m->presentation,
                        t->s->block[m->block].name, m->end, m->taught, t->s->pop[t->path.layer[k].pop].name,
                        t->s->proj[t->path.layer[k].forward].name);
            for (int c = 0; c < AP_ERRORTABLE_COLUMNS; c++) {
                double v = ap_errortable_at(t, i, k, c);
                if (isnan(v))
                    ap_text_put(&x, ",nan");
                else
                    ap_text_add(&x, ",%.17g", v);
            }
            ap_text_put(&x, "\n");
        }
    char *text = ap_text_take(&x);
    if (!text)
        return AP_EMEMORY;
    enum ap_code code = ap_io_write(e, path, text, strlen(text));
    ap_mem_free(text);
    return code;
}

static enum ap_code write_tables(struct ap_err *e, const struct ap_errortable *t, struct ap_sonata *h,
                                 double *column)
{
    static const char *const HEAD[] = {"presentation", "block", "end", "teacher"};
    for (int c = 0; c < 4; c++) {
        for (size_t i = 0; i < t->n; i++) {
            const struct ap_errortable_moment *m = &t->moment[i];
            column[i] = c == 0 ? (double)m->presentation : c == 1 ? m->block : c == 2 ? m->end : m->taught;
        }
        AP_TRY(ap_sonata_column(e, h, "presentations", HEAD[c], c == 2 ? "ms" : "1", t->n, column));
    }
    for (int k = 1; k <= t->path.n; k++) {
        const char *layer = t->s->pop[t->path.layer[k].pop].name;
        for (int c = 0; c < AP_ERRORTABLE_COLUMNS; c++) {
            for (size_t i = 0; i < t->n; i++)
                column[i] = ap_errortable_at(t, i, k, c);
            AP_TRY(ap_sonata_column(e, h, layer, COLUMNS[c].name, COLUMNS[c].unit, t->n, column));
        }
        for (int f = 0; k < t->path.n && f < AP_ERRORTABLE_FIELDS; f++) {
            const char *unit = f >= AP_ERRORTABLE_BACK ? "rate" : t->s->physical ? "mV" : "1";
            AP_TRY(ap_sonata_matrix(e, h, layer, FIELDS[f], unit, t->n, t->size[k], t->neuron[k][f]));
        }
        for (int m = 0; m < 3 && t->matrix[k][m]; m++)
            AP_TRY(
                ap_sonata_matrix(e, h, layer, MATRICES[m], "1", t->size[k], t->size[k - 1], t->matrix[k][m]));
    }
    return AP_OK;
}

enum ap_code ap_errortable_hdf5(struct ap_err *e, const struct ap_errortable *t, const char *path)
{
    struct ap_sonata *h;
    AP_TRY(ap_sonata_create(e, path, &h));
    double *column = ap_mem_array(e, t->n, sizeof *column, "apical errors");
    enum ap_code code = column ? write_tables(e, t, h, column) : AP_EMEMORY;
    ap_mem_free(column);
    if (code == AP_OK)
        return ap_sonata_finish(e, h);
    ap_sonata_discard(h);
    return code;
}
