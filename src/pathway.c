/* pathway.c: finds the feedforward network inside a circuit.
 *
 * In:   a spec whose populations and projections are known.
 * Out:  its layers with the projections up, down and sideways; or what is missing.
 * Invariants:
 *   1. Every layer above the input has exactly one forward projection: dense, of rates, into `basal`.
 *   2. Every hidden layer has a compartment `apical` that pulls on its soma.
 * Never: looks at weights or potentials.
 * Test: tests/unit/test_analysis.c */
#include "pathway.h"

#include <string.h>

static bool pulls_on_soma(const struct ap_spec *s, int pop, int comp)
{
    const struct ap_comp_spec *soma = &s->cell[s->pop[pop].cell].comp[0];
    for (int i = 0; i < soma->n_couple; i++)
        if (soma->couple[i].from == comp)
            return true;
    return false;
}

static bool is_clamped(const struct ap_spec *s, int pop)
{
    return s->cell[s->pop[pop].cell].comp[0].kind == AP_COMP_CLAMPED;
}

bool ap_pathway_reaches(const struct ap_spec *s, int pop, int from, int into)
{
    if (from == into)
        return true;
    const struct ap_comp_spec *c = &s->cell[s->pop[pop].cell].comp[into];
    for (int i = 0; i < c->n_adds; i++)
        if (ap_pathway_reaches(s, pop, from, c->adds[i]))
            return true;
    return false;
}

int ap_pathway_of_population(const struct ap_pathway *p, int pop)
{
    for (int k = 0; k <= p->n; k++)
        if (p->layer[k].pop == pop)
            return k;
    return -1;
}

int ap_pathway_of_projection(const struct ap_pathway *p, int proj)
{
    for (int k = 1; k <= p->n; k++)
        if (p->layer[k].forward == proj)
            return k;
    return -1;
}

static bool sends_rates(const struct ap_proj_spec *p)
{
    return !p->nudges && p->pre_comp < 0 && p->connect == AP_CONNECT_DENSE;
}

static enum ap_code find_teacher(struct ap_err *e, const struct ap_place *at, const struct ap_spec *s,
                                 int *teacher)
{
    *teacher = -1;
    for (int i = 0; i < s->n_proj; i++) {
        const struct ap_proj_spec *p = &s->proj[i];
        if (!p->nudges || p->gate != AP_GATE_TEACHER)
            continue;
        if (*teacher >= 0)
            return ap_err_add(e, AP_EUSAGE, at, "keep `gate: teacher` on one nudging only",
                              "two teachers, %s and %s: the gradient of one output is meant",
                              s->proj[*teacher].name, p->name);
        *teacher = i;
    }
    if (*teacher < 0)
        return ap_err_add(
            e, AP_EUSAGE, at,
            "a projection with a `conductance` and `gate: teacher` from the target to an output",
            "no teacher: nothing is nudged with `gate: teacher`, so there is no output error");
    const struct ap_proj_spec *p = &s->proj[*teacher];
    if (p->post_comp != 0 || !is_clamped(s, p->pre))
        return ap_err_add(e, AP_EUSAGE, at, "nudge the soma of the output from a clamped population",
                          "teacher %s does not pull a soma towards a clamped target", p->name);
    return AP_OK;
}

/* The one projection of rates into `basal` of layer l's population. */
static enum ap_code find_forward(struct ap_err *e, const struct ap_place *at, const struct ap_spec *s,
                                 struct ap_pathway_layer *l)
{
    const char *name = s->pop[l->pop].name;
    l->basal = ap_spec_compartment(s, l->pop, "basal");
    if (l->basal < 0 || !pulls_on_soma(s, l->pop, l->basal))
        return ap_err_add(e, AP_EUSAGE, at, "layers are followed down through the compartment `basal`",
                          "no feedforward network: %s has no compartment `basal` that pulls on its soma",
                          name);
    l->forward = -1;
    for (int i = 0; i < s->n_proj; i++) {
        const struct ap_proj_spec *p = &s->proj[i];
        if (p->post != l->pop || !ap_pathway_reaches(s, l->pop, p->post_comp, l->basal))
            continue;
        if (!sends_rates(p) || p->post_comp != l->basal)
            return ap_err_add(e, AP_EUSAGE, at, "a dense projection of rates into `basal` itself",
                              "no feedforward network: %s into %s/basal is no dense projection of rates",
                              p->name, name);
        if (l->forward >= 0)
            return ap_err_add(e, AP_EUSAGE, at, "layers with one input each can be compared with backprop",
                              "no feedforward network: both %s and %s reach %s/basal",
                              s->proj[l->forward].name, p->name, name);
        l->forward = i;
    }
    if (l->forward < 0)
        return ap_err_add(e, AP_EUSAGE, at,
                          "each layer needs a projection into `basal`, down to a clamped input",
                          "no feedforward network: nothing reaches %s/basal", name);
    return AP_OK;
}

/* The cells that predict what layer f->from sends to hidden layer k. */
static void find_interneuron(const struct ap_spec *s, const struct ap_pathway *path, int k,
                             struct ap_pathway_feedback *f)
{
    const struct ap_pathway_layer *l = &path->layer[k];
    int above = path->layer[f->from].pop;
    for (int i = 0; i < s->n_proj; i++) {
        const struct ap_proj_spec *p = &s->proj[i];
        if (p->post != l->pop || !sends_rates(p) || !ap_pathway_reaches(s, l->pop, p->post_comp, l->apical))
            continue;
        for (int j = 0; j < s->n_proj && p->pre != above && f->lateral < 0; j++) {
            const struct ap_proj_spec *n = &s->proj[j];
            if (n->nudges && n->pre == above && n->post == p->pre && n->post_comp == 0) {
                f->lateral = i;
                f->nudge = j;
                f->interneuron = p->pre;
            }
        }
    }
}

/* Apical dendrite of hidden layer k, its feedback and the cells that predict it. */
static enum ap_code find_apical(struct ap_err *e, const struct ap_place *at, const struct ap_spec *s,
                                struct ap_pathway *path, int k)
{
    struct ap_pathway_layer *l = &path->layer[k];
    l->apical = ap_spec_compartment(s, l->pop, "apical");
    if (l->apical < 0 || !pulls_on_soma(s, l->pop, l->apical))
        return ap_err_add(e, AP_EUSAGE, at, "use the built-in cell `pyramidal`, or name the compartment so",
                          "hidden layer %s has no compartment `apical` that pulls on its soma",
                          s->pop[l->pop].name);
    for (int from = k + 1; from <= path->n; from++)
        for (int i = 0; i < s->n_proj; i++) {
            const struct ap_proj_spec *p = &s->proj[i];
            if (p->pre != path->layer[from].pop || p->post != l->pop || !sends_rates(p) ||
                !ap_pathway_reaches(s, l->pop, p->post_comp, l->apical))
                continue;
            if (l->n_feedback == AP_PATHWAY_FEEDBACKS)
                return ap_err_add(e, AP_EUSAGE, at, NULL,
                                  "more than %d projections from above reach %s/apical", AP_PATHWAY_FEEDBACKS,
                                  s->pop[l->pop].name);
            struct ap_pathway_feedback *f = &l->feedback[l->n_feedback++];
            *f = (struct ap_pathway_feedback){i, from, -1, -1, -1};
            find_interneuron(s, path, k, f);
        }
    return AP_OK;
}

enum ap_code ap_pathway_find(struct ap_err *e, const struct ap_place *at, const struct ap_spec *s,
                             struct ap_pathway *out)
{
    struct ap_pathway_layer down[AP_PATHWAY_LAYERS]; /* output first */
    int n = 0;
    memset(out, 0, sizeof *out);
    AP_TRY(find_teacher(e, at, s, &out->teacher));
    out->target = s->proj[out->teacher].pre;
    for (int pop = s->proj[out->teacher].post;; pop = s->proj[down[n - 1].forward].pre) {
        for (int i = 0; i < n; i++)
            if (down[i].pop == pop)
                return ap_err_add(e, AP_EUSAGE, at, "a loop through `basal` has no backprop gradient",
                                  "no feedforward network: %s drives itself", s->pop[pop].name);
        if (n == AP_PATHWAY_LAYERS)
            return ap_err_add(e, AP_EUSAGE, at, NULL, "more than %d layers", AP_PATHWAY_LAYERS);
        down[n] = (struct ap_pathway_layer){.pop = pop, .basal = -1, .forward = -1, .apical = -1};
        if (is_clamped(s, pop)) {
            n++;
            break;
        }
        AP_TRY(find_forward(e, at, s, &down[n++]));
    }
    if (n < 2)
        return ap_err_add(e, AP_EUSAGE, at, NULL, "no feedforward network: the teacher pulls at the input");
    out->n = n - 1;
    for (int k = 0; k < n; k++)
        out->layer[k] = down[n - 1 - k];
    for (int k = 1; k < out->n; k++)
        AP_TRY(find_apical(e, at, s, out, k));
    return AP_OK;
}
