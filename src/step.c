/* step.c: the coefficients of one step of a rule.
 *
 * In:   length of the step, time constant, learning rate, decay.
 * Out:  what the old matrices and the products at the ends of the step count.
 * Invariants:
 *   1. Two half steps are one, for a product that moves linearly.
 * Never: sees a matrix.
 * Test: tests/unit/test_synapse.c */
#include "step.h"
#include "mathx.h"

#include <math.h>

/* With a = h/tau, E = exp(-a) and a product that moves linearly from X0 to X1 over the step:
 *     d(h)   = E d + X0 (1 - E) + (X1 - X0) (1 - (1 - E)/a)
 *     int d  = tau (1 - E) d + X0 h (1 - (1 - E)/a) + (X1 - X0) h (1/2 - 1/a + (1 - E)/a^2)
 * For short steps the brackets cancel; their series are used there. */
/* int_0^1 (1 - exp(-a u)) u (u - 1) du: by its series, and where that would take many terms in closed form. */
static double bent(double a)
{
    if (a < 0.5) {
        double sum = 0, power = 1; /* - sum over m of (-a)^m / (m! (m + 2) (m + 3)) */
        for (int m = 1; m <= 12; m++) {
            power *= -a / m;
            sum += power / ((m + 2) * (m + 3));
        }
        return sum;
    }
    double e = ap_mathx_exp(-a);
    return (1 - e * (1 + a)) / (a * a) - (2 - e * (a * a + 2 * a + 2)) / (a * a * a) - 1.0 / 6;
}

struct ap_step ap_step_of(double h, double tau, double eta, double decay)
{
    struct ap_step k = {.left = 1};
    if (decay >
        0) { /* int exp(-decay (h - s)) ds = h * (1 - exp(-decay h)) / (decay h): exact where D is constant */
        double gone = -ap_mathx_expm1(-decay * h);
        k = ap_step_of(h, tau, h > 0 ? eta * (gone / (decay * h)) : eta, 0);
        k.left = 1 - gone;
        return k;
    }
    if (tau == 0) {
        k.k0 = k.k1 = 0.5 * eta * h;
        k.k2 = -eta * h / 6;
        return k;
    }
    double a = h / tau, first, second; /* first = 1 - (1 - E)/a, second = 1/2 - 1/a + (1 - E)/a^2 */
    double curved = bent(a);
    k.c2 = -a * (1.0 / 6 + curved);
    k.k2 = eta * h * curved;
    double gone = -ap_mathx_expm1(-a);
    if (a < 0.5) {
        double sum = 1; /* second = a/3! - a^2/4! + a^3/5! - ..., up to a^15/17! */
        for (int m = 17; m >= 4; m--)
            sum = 1 - a * sum / m;
        second = a * sum / 6;
        first = a * (0.5 - second);
    } else {
        first = 1 - gone / a;
        second = 0.5 - first / a;
    }
    k.e = ap_mathx_exp(-a);
    k.c1 = first;
    k.c0 = gone - first;
    k.kd = eta * tau * gone;
    k.k1 = eta * h * second;
    k.k0 = eta * h * (first - second);
    return k;
}

bool ap_step_bend(double h, double before, double part[3])
{
    static const double CLOSE = 0.2;
    double rho = before / h;
    if (!(rho >= CLOSE))
        return false;
    part[0] = 1 / (rho * (rho + 1));
    part[1] = -1 / rho;
    part[2] = 1 / (rho + 1);
    return true;
}

struct ap_step ap_step_euler(double dt, double tau, double eta, double decay)
{
    double left = 1 - decay * dt;
    if (tau == 0)
        return (struct ap_step){.left = left, .k0 = eta * dt};
    return (struct ap_step){.left = left, .kd = eta * dt, .e = 1 - dt / tau, .c0 = dt / tau};
}
