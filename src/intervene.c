/* intervene.c: which interventions act at a moment of a presentation.
 *
 * In:   spec->intervention[], a block, a time within a presentation.
 * Out:  actions per compartment, population and projection; onsets and offsets.
 * Invariants:
 *   1. Between two edges nothing changes; the integrator stops at each edge (sim.c).
 *   2. Without interventions in force `any` is false and `plastic` is the block's own list, from its learning lag on.
 *   3. A shuffle's permutation depends on the seed and on its place in the list alone.
 * Never: looks at potentials, but to hold them.
 * Test: tests/unit/test_intervention.c */
#include "intervene.h"
#include "intervention.h"
#include "rng.h"

#include <math.h>
#include <string.h>

static const double APART = 1e-9; /* ms: edges closer than this are one */

/* The permutation of n places in which two groups change theirs. */
static void exchange(const struct ap_intervention_spec *k, size_t n, uint32_t *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint32_t)i;
    for (int64_t i = 0; i < k->n_group; i++) {
        out[k->group[0] + i] = (uint32_t)(k->group[1] + i);
        out[k->group[1] + i] = (uint32_t)(k->group[0] + i);
    }
}

enum ap_code ap_intervene_init(struct ap_err *e, struct ap_intervene *v, const struct ap_circuit *c)
{
    const struct ap_spec *s = c->spec;
    *v = (struct ap_intervene){.c = c};
    size_t pops = (size_t)c->n_pop + 1, projs = (size_t)c->n_proj + 1, sent = 0;
    for (int p = 0; p < c->n_pop; p++)
        v->n_comp += c->pop[p].n_comp;
    v->comp_at = ap_mem_array(e, pops, sizeof *v->comp_at, "interventions");
    v->comp = ap_mem_array(e, (size_t)v->n_comp + 1, sizeof *v->comp, "interventions");
    v->silent = ap_mem_array(e, pops, sizeof *v->silent, "interventions");
    v->factor = ap_mem_array(e, projs, sizeof *v->factor, "interventions");
    v->plastic = ap_mem_array(e, projs, sizeof *v->plastic, "interventions");
    v->map = ap_mem_array(e, projs, sizeof *v->map, "interventions");
    v->row = ap_mem_array(e, projs, sizeof *v->row, "interventions");
    v->x_at = ap_mem_array(e, projs, sizeof *v->x_at, "interventions");
    v->stored = ap_mem_array(e, (size_t)s->n_intervention + 1, sizeof *v->stored, "interventions");
    if (!v->comp_at || !v->comp || !v->silent || !v->factor || !v->plastic || !v->map || !v->row ||
        !v->x_at || !v->stored)
        return AP_EMEMORY;
    for (int i = 0; i < c->n_proj; i++)
        v->factor[i] = 1;
    for (int p = 1; p < c->n_pop; p++)
        v->comp_at[p] = v->comp_at[p - 1] + c->pop[p - 1].n_comp;
    for (int i = 0; i < s->n_intervention; i++) {
        const struct ap_intervention_spec *k = &s->intervention[i];
        bool shuffles = k->row->kind == AP_INTERVENTION_SHUFFLE;
        if (!shuffles && k->row->kind != AP_INTERVENTION_SWAP)
            continue;
        size_t n = k->rows ? c->proj[k->proj].rows : c->proj[k->proj].cols;
        if (!(v->stored[i] = ap_mem_array(e, n, sizeof **v->stored, "interventions")))
            return AP_EMEMORY;
        const struct ap_rng_stream stream = {(uint64_t)s->seed, AP_RNG_INTERVENTION, (uint32_t)i};
        if (shuffles)
            ap_rng_shuffle(stream, n, v->stored[i]);
        else
            exchange(k, n, v->stored[i]);
        if (k->rows)
            continue;
        v->x_at[k->proj] = sent;
        sent += n;
    }
    v->x = ap_mem_array(e, 2 * sent + 1, sizeof *v->x, "interventions");
    v->dx = v->x + sent;
    return v->x ? AP_OK : AP_EMEMORY;
}

void ap_intervene_free(struct ap_intervene *v)
{
    for (int i = 0; v->stored && i < v->c->spec->n_intervention; i++)
        ap_mem_free(v->stored[i]);
    ap_mem_free(v->stored);
    ap_mem_free(v->comp_at);
    ap_mem_free(v->comp);
    ap_mem_free(v->silent);
    ap_mem_free(v->factor);
    ap_mem_free(v->plastic);
    ap_mem_free(v->map);
    ap_mem_free(v->row);
    ap_mem_free(v->x_at);
    ap_mem_free(v->x);
    *v = (struct ap_intervene){0};
}

static void act(struct ap_intervene *v, int i)
{
    const struct ap_intervention_spec *k = &v->c->spec->intervention[i];
    struct ap_intervene_comp *m = k->comp >= 0 ? &v->comp[v->comp_at[k->pop] + k->comp] : NULL;
    v->any = true;
    switch (k->row->kind) {
    case AP_INTERVENTION_SILENCE:
        v->silent[k->pop] = true;
        break;
    case AP_INTERVENTION_CLAMP:
        m->clamp = true;
        m->value = k->value;
        break;
    case AP_INTERVENTION_INHIBIT:
        m->g += k->conductance;
        m->pull += k->conductance * k->reversal;
        break;
    case AP_INTERVENTION_SCALE:
        v->factor[k->proj] *= k->factor;
        break;
    case AP_INTERVENTION_FREEZE:
        v->plastic[k->proj] = false;
        break;
    case AP_INTERVENTION_MEAN:
        v->means = m->mean = true;
        break;
    case AP_INTERVENTION_SHUFFLE:
    case AP_INTERVENTION_SWAP:
        v->maps = v->maps || !k->rows;
        *(k->rows ? &v->row[k->proj] : &v->map[k->proj]) = v->stored[i];
        break;
    }
}

void ap_intervene_set(struct ap_intervene *v, const struct ap_block_spec *b, double t)
{
    const struct ap_circuit *c = v->c;
    int block = (int)(b - c->spec->block);
    v->any = v->means = v->maps = false;
    memset(v->comp, 0, (size_t)v->n_comp * sizeof *v->comp);
    memset(v->silent, 0, (size_t)c->n_pop * sizeof *v->silent);
    for (int i = 0; i < c->n_proj; i++)
        v->plastic[i] = b->plastic[i] && b->lag <= t + APART;
    for (int i = 0; i < c->n_proj; i++) {
        v->factor[i] = 1;
        v->map[i] = v->row[i] = NULL;
    }
    for (int i = 0; i < c->spec->n_intervention; i++) {
        const struct ap_intervention_spec *k = &c->spec->intervention[i];
        if (k->during[block] && k->from <= t + APART && k->until > t + APART)
            act(v, i);
    }
}

double ap_intervene_edge(const struct ap_intervene *v, const struct ap_block_spec *b, double t)
{
    const struct ap_spec *s = v->c->spec;
    double next = b->lag > t + APART && b->lag < b->duration - APART ? b->lag : b->duration;
    for (int i = 0; i < s->n_intervention; i++) {
        const struct ap_intervention_spec *k = &s->intervention[i];
        const double edge[2] = {k->from, k->until};
        for (int j = 0; k->during[b - s->block] && j < 2; j++)
            if (edge[j] > t + APART && edge[j] < next - APART)
                next = edge[j];
    }
    return next;
}

void ap_intervene_mean(size_t n, double *values)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    for (size_t i = 0; i < n; i++)
        values[i] = sum / (double)n;
}

void ap_intervene_hold(const struct ap_intervene *v, double *y)
{
    for (int p = 0; v->any && p < v->c->n_pop; p++)
        for (int k = 0; k < v->c->pop[p].n_comp; k++) {
            const struct ap_comp *m = &v->c->pop[p].comp[k];
            const struct ap_intervene_comp *a = ap_intervene_of(v, p, k);
            if (m->kind != AP_COMP_DYNAMIC)
                continue;
            if (a->mean)
                ap_intervene_mean(v->c->pop[p].n, y + m->state);
            for (size_t i = 0; a->clamp && i < v->c->pop[p].n; i++)
                y[m->state + i] = a->value;
        }
}
