/* weights.c: initial weights.
 *
 * In:   the spec; HDF5 files where a circuit names them.
 * Out:  filled matrices, rows postsynaptic, columns presynaptic.
 * Invariants:
 *   1. Drawn values depend on the seed, the projection's name and their place alone.
 *   2. A projection that takes its weights from another is filled after it; circles were refused by network.c.
 * Never: changes a weight during a run (plasticity.c does).
 * Test: tests/unit/test_weights.c */
#include "weights.h"
#include "hash.h"
#include "rng.h"
#include "sonata.h"
#include "spec.h"

#include <string.h>

static const struct ap_init_row INITS[] = {
    {{"uniform", "uniform(low, high): drawn independently", "1", "", NULL, 0}, 2, false, false, false, false},
    {{"normal", "normal(mean, sd): drawn independently", "1", "", NULL, 0}, 2, false, false, false, false},
    {{"constant", "constant(value): all equal", "1", "", NULL, 0}, 1, false, false, false, false},
    {{"contrast",
      "contrast(n1, w1, n2, w2): w1 from the first n1 presynaptic cells, w2 from the next n2, 0 from others: "
      "a "
      "read-out that an experimenter chose",
      "1", "", NULL, 0},
     4,
     false,
     false,
     false,
     false},
    {{"minus", "minus(projection): its weights with the opposite sign", "1",
      "Sacramento et al. 2018, self-predicting W^PI", NULL, 0},
     0,
     true,
     false,
     false,
     false},
    {{"copy", "copy(projection) or copy(projection, factor)", "1", "", NULL, 0},
     0,
     true,
     false,
     false,
     false},
    {{"transposed", "transposed(projection) or transposed(projection, factor)", "1", "", NULL, 0},
     0,
     true,
     false,
     true,
     false},
    {{"transposed-sign",
      "transposed-sign(projection) or transposed-sign(projection, scale): scale * the sign of each weight",
      "1", "sign-symmetric feedback, Liao et al. 2016", NULL, 0},
     0,
     true,
     false,
     true,
     true},
    {{"self-predicting",
      "self-predicting(forward projection): W^IP such that the interneurons' dendrites predict the layer "
      "above exactly",
      "1", "W^IP = a_above / a_interneuron * W, with the attenuations of the two dendrites", NULL, 0},
     0,
     true,
     false,
     false,
     false},
    {{"file", "file(path, dataset): read from HDF5, [post][pre]", "1", "", NULL, 0},
     0,
     false,
     true,
     false,
     false},
};

const struct ap_table ap_init_table = {
    .thing = "init",
    .doc = "how the weights of a projection start",
    AP_TABLE(INITS),
};

static enum ap_code fill(struct ap_err *e, const struct ap_spec *s, int proj, double *const *weight,
                         bool *done);

static enum ap_code fill_from(struct ap_err *e, const struct ap_spec *s, int proj, double *const *weight,
                              bool *done)
{
    const struct ap_proj_spec *p = &s->proj[proj], *o = &s->proj[p->init.other];
    AP_TRY(fill(e, s, p->init.other, weight, done));
    const char *name = p->init.row->row.name;
    double factor = p->init.number[0];
    if (strcmp(name, "minus") == 0)
        factor = -factor;
    if (strcmp(name, "self-predicting") == 0) {
        double own = ap_spec_attenuation(s, p->post, p->post_comp);
        double above = ap_spec_attenuation(s, o->post, o->post_comp);
        if (!(own > 0) || !(above > 0))
            return ap_err_add(
                e, AP_EUSAGE, &p->init.at, "both must be dendrites that couple to their soma",
                "weights of %s: the dendrite of this projection, or that of %s, does not reach its soma",
                p->name, o->name);
        factor *= above / own;
    }
    size_t rows = (size_t)s->pop[p->post].n, cols = (size_t)s->pop[p->pre].n;
    double *w = weight[proj];
    const double *from = weight[p->init.other];
    if (p->connect == AP_CONNECT_ONE)
        cols = 1;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++) {
            double one = p->init.row->transposes && cols > 1 ? from[j * rows + i] : from[i * cols + j];
            w[i * cols + j] = factor * (p->init.row->signs ? (one > 0) - (one < 0) : one);
        }
    return AP_OK;
}

static void contrast(const double number[4], size_t rows, size_t cols, double *w)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++) {
            double place = (double)j;
            w[i * cols + j] = place < number[0] ? number[1] : place < number[0] + number[2] ? number[3] : 0;
        }
}

static enum ap_code fill(struct ap_err *e, const struct ap_spec *s, int proj, double *const *weight,
                         bool *done)
{
    const struct ap_proj_spec *p = &s->proj[proj];
    if (done[proj] || p->nudges)
        return AP_OK;
    done[proj] = true;
    const struct ap_init_spec *in = &p->init;
    size_t rows = (size_t)s->pop[p->post].n,
           cols = p->connect == AP_CONNECT_ONE ? 1 : (size_t)s->pop[p->pre].n;
    double *w = weight[proj];
    const struct ap_rng_stream stream = {(uint64_t)s->seed, AP_RNG_WEIGHTS, ap_hash_name(p->name)};
    if (in->row->takes_projection) {
        if (s->proj[in->other].connect != p->connect)
            return ap_err_add(e, AP_EUSAGE, &in->at, "give both the same `connect`",
                              "weights of %s: %s is not connected the same way", p->name,
                              s->proj[in->other].name);
        return fill_from(e, s, proj, weight, done);
    }
    if (in->row->takes_file) {
        char path[AP_ERR_PATH], where[2 * AP_ERR_PATH];
        AP_TRY(ap_spec_path(e, s, in->file, path));
        if (snprintf(where, sizeof where, "%s:%s", path, in->dataset) >= (int)sizeof where)
            return ap_err_add(e, AP_EUSAGE, &in->at, NULL, "weights of %s: the path is too long", p->name);
        return ap_sonata_read_matrix(e, &in->at, where, rows, cols, w);
    }
    if (strcmp(in->row->row.name, "uniform") == 0)
        ap_rng_between_n(stream, 0, in->number[0], in->number[1], rows * cols, w);
    else if (strcmp(in->row->row.name, "normal") == 0) {
        ap_rng_normal_n(stream, 0, rows * cols, w);
        for (size_t i = 0; i < rows * cols; i++)
            w[i] = in->number[0] + in->number[1] * w[i];
    } else if (strcmp(in->row->row.name, "contrast") == 0)
        contrast(in->number, rows, cols, w);
    else
        for (size_t i = 0; i < rows * cols; i++)
            w[i] = in->number[0];
    return AP_OK;
}

enum ap_code ap_weights_fill(struct ap_err *e, const struct ap_spec *s, double *const *weight)
{
    bool *done = ap_mem_array(e, (size_t)s->n_proj + 1, sizeof *done, "weights");
    if (!done)
        return AP_EMEMORY;
    enum ap_code code = AP_OK;
    for (int i = 0; i < s->n_proj && code != AP_EMEMORY; i++) {
        enum ap_code one = fill(e, s, i, weight, done);
        code = one != AP_OK ? one : code;
    }
    ap_mem_free(done);
    return code;
}
