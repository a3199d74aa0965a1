/* noise.c: noise currents.
 *
 * In:   amplitudes sigma of the populations, the seed.
 * Out:  currents as functions of time.
 * Invariants:
 *   1. A draw depends on the seed, the population's name, the node or step number and the neuron alone.
 *   2. Within a presentation the band-limited current is a fixed function of t, so an adaptive integrator may come
 *      back to any time.
 * Never: is evaluated outside [0, duration].
 * Test: tests/unit/test_noise.c */
#include "noise.h"
#include "hash.h"
#include "mathx.h"
#include "rng.h"

#include <math.h>
#include <string.h>

static struct ap_rng_stream stream(const struct ap_circuit *c, int p)
{
    return (struct ap_rng_stream){(uint64_t)c->spec->seed, AP_RNG_NOISE, ap_hash_name(c->pop[p].spec->name)};
}

static size_t nodes_for(const struct ap_noise *x, double duration)
{
    return (size_t)ceil(duration / x->grid) + 3;
}

enum ap_code ap_noise_init(struct ap_err *e, struct ap_noise *x, const struct ap_circuit *c, double longest)
{
    *x = (struct ap_noise){
        .c = c, .grid = c->spec->integrator.noise_grid, .tau = c->spec->integrator.noise_tau};
    x->first = ap_mem_array(e, (size_t)c->n_pop + 1, sizeof *x->first, "noise");
    if (!x->first)
        return AP_EMEMORY;
    for (int p = 0; p < c->n_pop; p++) {
        x->first[p] = c->pop[p].spec->noise > 0 ? x->n : SIZE_MAX;
        x->n += c->pop[p].spec->noise > 0 ? c->pop[p].n : 0;
    }
    if (!(longest / x->grid <= AP_NOISE_NODES - 4))
        return ap_err_add(e, AP_EUSAGE, NULL, "choose a coarser `noise-grid`, or shorter presentations",
                          "noise: more than %d nodes in a presentation of %g ms", AP_NOISE_NODES, longest);
    size_t total;
    if (!ap_mem_product(x->n, nodes_for(x, longest), &total))
        return ap_err_add(e, AP_EMEMORY, NULL, "choose a coarser `noise-grid`", "noise: too many nodes");
    x->node = ap_mem_array(e, total, sizeof *x->node, "noise");
    x->carry = ap_mem_array(e, x->n, sizeof *x->carry, "noise");
    x->slope = ap_mem_array(e, x->n, sizeof *x->slope, "noise");
    x->early = ap_mem_array(e, x->n, sizeof *x->early, "noise");
    return x->node && x->carry && x->slope && x->early ? AP_OK : AP_EMEMORY;
}

void ap_noise_free(struct ap_noise *x)
{
    ap_mem_free(x->first);
    ap_mem_free(x->node);
    ap_mem_free(x->carry);
    ap_mem_free(x->slope);
    ap_mem_free(x->early);
    *x = (struct ap_noise){0};
}

void ap_noise_draw(struct ap_noise *x, uint64_t k, double duration, bool on)
{
    x->nodes = nodes_for(x, duration);
    if (!on) {
        memset(x->node, 0, x->nodes * x->n * sizeof *x->node);
        memset(x->early, 0, x->n * sizeof *x->early);
        return;
    }
    const double a = ap_mathx_exp(-x->grid / x->tau), b = sqrt(1 - a * a);
    for (int p = 0; p < x->c->n_pop; p++) {
        if (x->first[p] == SIZE_MAX)
            continue;
        size_t n = x->c->pop[p].n, at = x->first[p];
        double s = x->c->pop[p].spec->noise / sqrt(2 * x->tau);
        memcpy(x->node + at, x->carry + at, n * sizeof *x->node);
        for (size_t j = 1; j < x->nodes; j++) { /* counter: presentation, node, neuron */
            double *here = x->node + j * x->n + at, *before = here - x->n;
            ap_rng_normal_n(stream(x->c, p), (k * (UINT64_C(1) << 20) + j) * n, n, here);
            for (size_t i = 0; i < n; i++)
                here[i] = a * before[i] + s * b * here[i];
        }
        for (size_t i = at; i < at + n; i++) /* centred slope at node 0 = the slope carried over */
            x->early[i] = x->node[x->n + i] - 2 * x->slope[i];
    }
}

/* The cubic that holds at time t: nodes k and k + 1, with the ones beside them, and how far t lies between. */
struct cubic {
    const double *before, *low, *high, *after;
    double part;
};

static struct cubic cubic_at(const struct ap_noise *x, int p, double t)
{
    double place = t / x->grid;
    size_t k = place <= 0 ? 0 : (size_t)place;
    if (k + 2 > x->nodes)
        k = x->nodes - 2;
    const double *low = x->node + k * x->n + x->first[p], *high = low + x->n;
    return (struct cubic){k > 0 ? low - x->n : x->early + x->first[p], low, high,
                          k + 2 < x->nodes ? high + x->n : high, place - (double)k};
}

void ap_noise_finish(struct ap_noise *x, double duration)
{
    memset(x->carry, 0, x->n * sizeof *x->carry);
    for (int p = 0; p < x->c->n_pop; p++) {
        if (x->first[p] == SIZE_MAX)
            continue;
        ap_noise_add(x, p, duration, 0, x->c->pop[p].n, x->carry + x->first[p]);
        const struct cubic c = cubic_at(x, p, duration);
        const double f = c.part, f2 = f * f;
        const double h = 6 * (f2 - f), s0 = 0.5 * (3 * f2 - 4 * f + 1), s1 = 0.5 * (3 * f2 - 2 * f);
        for (size_t i = 0; i < x->c->pop[p].n; i++)
            x->slope[x->first[p] + i] =
                h * (c.low[i] - c.high[i]) + s0 * (c.high[i] - c.before[i]) + s1 * (c.after[i] - c.low[i]);
    }
}

void ap_noise_add(const struct ap_noise *x, int p, double t, size_t first, size_t last, double *out)
{
    if (x->first[p] == SIZE_MAX)
        return;
    /* Cubic Hermite with centred slopes (Catmull & Rom 1974): continuous with its derivative, so that an integrator of
     * higher order keeps its steps across nodes. */
    const struct cubic c = cubic_at(x, p, t);
    const double f = c.part, f2 = f * f, f3 = f2 * f;
    const double h0 = 2 * f3 - 3 * f2 + 1, h1 = 3 * f2 - 2 * f3, s0 = 0.5 * (f3 - 2 * f2 + f),
                 s1 = 0.5 * (f3 - f2);
    for (size_t i = first; i < last; i++)
        out[i - first] +=
            h0 * c.low[i] + h1 * c.high[i] + s0 * (c.high[i] - c.before[i]) + s1 * (c.after[i] - c.low[i]);
}

void ap_noise_white(const struct ap_circuit *c, int p, uint64_t step, double dt, double *out)
{
    const struct ap_pop *pop = &c->pop[p];
    if (!(pop->spec->noise > 0))
        return;
    double scale = pop->spec->noise * sqrt(dt), draw[64];
    const struct ap_rng_stream s = stream(c, p);
    for (size_t first = 0; first < pop->n; first += 64) {
        size_t n = pop->n - first < 64 ? pop->n - first : 64;
        ap_rng_normal_n(s, step * pop->n + first, n, draw);
        for (size_t i = 0; i < n; i++)
            out[first + i] += scale * draw[i];
    }
}
