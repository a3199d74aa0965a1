/* noise.h: noise currents of the somata. White noise for Euler-Maruyama; for the adaptive integrators a band-limited
 * Ornstein-Uhlenbeck current that is a deterministic function of time. */
#ifndef AP_NOISE_H
#define AP_NOISE_H

#include "circuit.h"

/* Nodes of an Ornstein-Uhlenbeck process every `grid` ms over one presentation, a smooth cubic between them.
 *     x[k+1] = a x[k] + s sqrt(1 - a^2) N,  a = exp(-grid/tau),  s = sigma / sqrt(2 tau)
 * Value and slope go on from one presentation to the next. The amplitude is such
 * that its power at low frequencies is that of white noise of amplitude sigma. */
struct ap_noise {
    const struct ap_circuit *c;
    double grid, tau;
    size_t n;      /* noisy neurons */
    size_t nodes;  /* per presentation */
    double *node;  /* [nodes][n] */
    double *carry; /* [n] value at the end of the last presentation, where the next begins */
    double *slope; /* [n] and its slope there, per grid */
    double *
        early; /* [n] node before the first: gives the presentation the slope with which the last one ended */
    size_t *first; /* [n_pop] column of a population's first neuron; SIZE_MAX: no noise */
};

/* Nodes of a presentation at most: beyond, presentations would share their draws. */
enum { AP_NOISE_NODES = 1 << 20 };

enum ap_code ap_noise_init(struct ap_err *e, struct ap_noise *x, const struct ap_circuit *c, double longest);
void ap_noise_free(struct ap_noise *x);
/* Draws the nodes of presentation number k (counted over the run). on = false: all zero. */
void ap_noise_draw(struct ap_noise *x, uint64_t k, double duration, bool on);
/* The process at the end of the presentation becomes the start of the next. */
void ap_noise_finish(struct ap_noise *x, double duration);
/* Adds the current of population p's neurons [first, last) at time t to out[0 ...]. */
void ap_noise_add(const struct ap_noise *x, int p, double t, size_t first, size_t last, double *out);

/* White noise: out[i] += sigma sqrt(dt) N for neurons of population p, step number `step` of the run. */
void ap_noise_white(const struct ap_circuit *c, int p, uint64_t step, double dt, double *out);

#endif
