/* adjoint.c: transposed Jacobian products, and CVODES forward and backward through a presentation.
 *
 * In:   an analysed right-hand side at the end of a presentation, and where that presentation began.
 * Out:  the loss without teacher and its derivative with respect to every forward weight.
 * Invariants:
 *   1. ap_adjoint_product is the exact transpose of ap_tangent_product.
 *   2. A right-hand side of its own: the simulation it looks at is not touched.
 *   3. Stretches between the edges of interventions are separate problems: nothing interpolates across a jump.
 * Never: changes a weight.
 * Test: tests/unit/test_adjoint.c */
#include "adjoint.h"
#include "synapse.h"
#include "tangent.h"

#include <cvodes/cvodes.h>
#include <math.h>
#include <nvector/nvector_serial.h>
#include <string.h>
#include <sundials/sundials_context.h>
#include <sunlinsol/sunlinsol_spgmr.h>

static const double TOLERANCE =
    1e-8; /* relative; absolute: this times the largest starting value, at most 1 */
enum { STEPS_STORED = 64, STRETCHES = 256 };

/* ---- the transposed Jacobian ------------------------------------------------------------------------ */

/* How the loss depends on each field: v [n_value], weighted sums [n_value], rates [n_rate]. */
struct pulls {
    double *v, *input, *rate;
};

size_t ap_adjoint_work(const struct ap_circuit *c)
{
    return 2 * c->n_value + c->n_rate;
}

static struct pulls pulls_in(const struct ap_circuit *c, double *work)
{
    return (struct pulls){work, work + c->n_value, work + 2 * c->n_value};
}

/* From the derivative of one dynamic compartment to what it is made of. */
static void pull_membrane(const struct ap_rhs *r, int pop, int comp, const double *lambda,
                          const struct pulls *to)
{
    const struct ap_pop *p = &r->c->pop[pop];
    const struct ap_comp *m = &p->comp[comp];
    const struct ap_intervene_comp *a = ap_intervene_of(&r->act, pop, comp);
    double total = m->leak + (a ? a->g : 0), mean = 0;
    if (a && a->clamp)
        return;
    for (size_t i = 0; a && a->mean && i < p->n; i++)
        mean += lambda[m->state + i] / (double)p->n;
    double *own = to->v + m->value, *input = to->input + m->value;
    for (size_t i = 0; i < p->n; i++) /* until the end: the loss' change by the derivative */
        input[i] = m->inv_c * (a && a->mean ? mean : lambda[m->state + i]);
    for (int k = 0; k < m->n_couple; k++) {
        double *from = to->v + p->comp[m->couple[k].from].value, g = m->couple[k].conductance;
        total += g;
        for (size_t i = 0; i < p->n; i++)
            from[i] = fma(g, input[i], from[i]);
    }
    for (int k = 0; k < m->n_nudge; k++) {
        const struct ap_proj *q = &r->c->proj[m->nudge[k]];
        if (q->spec->gate == AP_GATE_TEACHER && !r->now.teacher)
            continue;
        double *source = to->v + r->c->pop[q->pre].comp[q->pre_comp].value;
        double g = q->spec->conductance * r->act.factor[m->nudge[k]];
        total += g;
        for (size_t i = 0; i < p->n; i++)
            source[i] = fma(g, input[i], source[i]);
    }
    for (size_t i = 0; i < p->n; i++) {
        own[i] = fma(-total, input[i], own[i]);
        input[i] *= m->drive;
    }
}

/* From an instantaneous compartment to its sum and the compartments that it adds. */
static void pull_sum(const struct ap_rhs *r, int pop, int comp, const struct pulls *to)
{
    const struct ap_pop *p = &r->c->pop[pop];
    const struct ap_comp *m = &p->comp[comp];
    const struct ap_intervene_comp *a = ap_intervene_of(&r->act, pop, comp);
    double *own = to->v + m->value, *input = to->input + m->value;
    memcpy(input, own, p->n * sizeof *own);
    if (a && a->clamp)
        memset(input, 0, p->n * sizeof *input);
    if (a && a->mean)
        ap_intervene_mean(p->n, input);
    for (size_t i = 0; a && i < p->n; i++)
        input[i] /= 1 + a->g;
    for (int k = 0; k < m->n_adds; k++) {
        double *other = to->v + p->comp[m->adds[k]].value;
        for (size_t i = 0; i < p->n; i++)
            other[i] += input[i];
    }
}

/* From the weighted sums of one projection to what its presynaptic neurons send. */
static void pull_projection(const struct ap_rhs *r, int proj, const struct pulls *to)
{
    const struct ap_circuit *c = r->c;
    const struct ap_proj *q = &c->proj[proj];
    const struct ap_pop *pre = &c->pop[q->pre];
    if (q->spec->nudges || pre->clamped)
        return;
    const double *sum = to->input + c->pop[q->post].comp[q->post_comp].value, *w = r->w[proj];
    double *sent = q->pre_comp < 0 ? to->rate + pre->rate : to->v + pre->comp[q->pre_comp].value;
    const uint32_t *map = r->act.map[proj], *row = r->act.row[proj];
    for (size_t i = 0; i < q->rows; i++) {
        double by = r->act.factor[proj] * sum[i];
        const double *w_i = w + (row ? row[i] : i) * q->cols;
        if (q->spec->connect == AP_CONNECT_ONE)
            sent[map ? map[i] : i] += w[i] * by;
        else
            for (size_t j = 0; j < q->cols; j++) {
                double *to_j = &sent[map ? map[j] : j];
                *to_j = fma(w_i[j], by, *to_j);
            }
    }
}

static void pull_back(const struct ap_rhs *r, const double *lambda, const struct pulls *to)
{
    const struct ap_circuit *c = r->c;
    memset(to->v, 0, ap_adjoint_work(c) * sizeof *to->v);
    for (int p = 0; p < c->n_pop; p++)
        for (int k = 0; k < c->pop[p].n_comp; k++)
            if (c->pop[p].comp[k].kind == AP_COMP_DYNAMIC)
                pull_membrane(r, p, k, lambda, to);
    for (int p = 0; p < c->n_pop; p++)
        for (int o = c->pop[p].n_comp - 1; o >= 0; o--) {
            int k = c->pop[p].cell->order[o];
            if (c->pop[p].comp[k].kind == AP_COMP_INSTANTANEOUS)
                pull_sum(r, p, k, to);
        }
    for (int i = 0; i < c->n_proj; i++)
        pull_projection(r, i, to);
    for (int p = 0; p < c->n_pop; p++) {
        const struct ap_pop *pop = &c->pop[p];
        double *soma = to->v + pop->comp[0].value;
        for (size_t i = 0; i < pop->n; i++)
            soma[i] = fma(r->slope[pop->rate + i], to->rate[pop->rate + i], soma[i]);
    }
}

void ap_adjoint_product(const struct ap_rhs *r, const double *lambda, double *out, double *work)
{
    const struct ap_circuit *c = r->c;
    struct pulls to = pulls_in(c, work);
    pull_back(r, lambda, &to);
    for (int p = 0; p < c->n_pop; p++)
        for (int k = 0; k < c->pop[p].n_comp; k++) {
            const struct ap_comp *m = &c->pop[p].comp[k];
            const struct ap_intervene_comp *a = ap_intervene_of(&r->act, p, k);
            if (m->kind != AP_COMP_DYNAMIC)
                continue;
            memcpy(out + m->state, to.v + m->value, c->pop[p].n * sizeof *out);
            if (a && a->clamp)
                memset(out + m->state, 0, c->pop[p].n * sizeof *out);
        }
}

/* ---- memory ----------------------------------------------------------------------------------------- */

struct ap_adjoint {
    const struct ap_analysis *a;
    struct ap_rhs own;
    struct ap_err *e; /* during an evaluation */
    bool *none;       /* [n_proj] no rule acts */
    double *work, *at_edge[STRETCHES];
    double edge[STRETCHES + 1];
    size_t from[AP_PATHWAY_LAYERS]; /* place of a layer's gradient in the quadrature */
    double *gradient;               /* all of them, dL/dW */
    double loss;
    SUNContext context;
    N_Vector y, lambda, quadrature;
    void *memory; /* of CVODES, for one stretch */
    SUNLinearSolver forward, backward;
    int which;
    char message[AP_ERR_TEXT];
};

enum ap_code ap_adjoint_create(struct ap_err *e, const struct ap_analysis *a, struct ap_adjoint **out)
{
    const struct ap_circuit *c = a->rhs->c;
    struct ap_adjoint *x = *out = ap_mem_array(e, 1, sizeof *x, "adjoint");
    if (!x)
        return AP_EMEMORY;
    x->a = a;
    AP_TRY(ap_rhs_init(e, &x->own, c));
    x->own.frozen = true;
    size_t total = 0;
    for (int k = 1; k <= a->path.n; k++) {
        x->from[k] = total;
        total += a->layer[k].n * a->layer[k - 1].n;
    }
    x->none = ap_mem_array(e, (size_t)c->n_proj + 1, sizeof *x->none, "adjoint");
    x->work = ap_mem_array(e, ap_adjoint_work(c) + c->n_membrane, sizeof *x->work, "adjoint");
    x->gradient = ap_mem_array(e, total, sizeof *x->gradient, "adjoint gradients");
    if (!x->none || !x->work || !x->gradient)
        return AP_EMEMORY;
    if (SUNContext_Create(NULL, &x->context) != 0 ||
        !(x->y = N_VNew_Serial((sunindextype)c->n_membrane, x->context)) ||
        !(x->lambda = N_VNew_Serial((sunindextype)c->n_membrane, x->context)) ||
        !(x->quadrature = N_VNew_Serial((sunindextype)total, x->context)))
        return ap_err_add(e, AP_EMEMORY, NULL, NULL, "no memory for the adjoint equations");
    return AP_OK;
}

static void forget(struct ap_adjoint *x)
{
    if (x->memory)
        CVodeFree(&x->memory);
    if (x->forward)
        SUNLinSolFree(x->forward);
    if (x->backward)
        SUNLinSolFree(x->backward);
    x->forward = x->backward = NULL;
}

void ap_adjoint_free(struct ap_adjoint *x)
{
    if (!x)
        return;
    forget(x);
    N_VDestroy(x->y);
    N_VDestroy(x->lambda);
    N_VDestroy(x->quadrature);
    if (x->context)
        SUNContext_Free(&x->context);
    for (int i = 0; i < STRETCHES; i++)
        ap_mem_free(x->at_edge[i]);
    ap_mem_free(x->none);
    ap_mem_free(x->work);
    ap_mem_free(x->gradient);
    ap_rhs_free(&x->own);
    ap_mem_free(x);
}

/* ---- what CVODES calls ------------------------------------------------------------------------------ */

static int forward_rhs(realtype t, N_Vector y, N_Vector dy, void *user)
{
    struct ap_adjoint *x = user;
    const double *d = N_VGetArrayPointer_Serial(dy);
    ap_rhs_eval(&x->own, t, N_VGetArrayPointer_Serial(y), N_VGetArrayPointer_Serial(dy));
    for (size_t i = 0; i < x->own.c->n_membrane; i++)
        if (!isfinite(d[i]))
            return 1;
    return 0;
}

static int forward_setup(realtype t, N_Vector y, N_Vector fy, void *user)
{
    (void)fy;
    ap_tangent_linearise(&((struct ap_adjoint *)user)->own, t, N_VGetArrayPointer_Serial(y));
    return 0;
}

static int forward_times(N_Vector v, N_Vector jv, realtype t, N_Vector y, N_Vector fy, void *user,
                         N_Vector tmp)
{
    (void)t, (void)y, (void)fy, (void)tmp;
    ap_tangent_product(&((struct ap_adjoint *)user)->own, N_VGetArrayPointer_Serial(v),
                       N_VGetArrayPointer_Serial(jv));
    return 0;
}

static void minus_transposed(struct ap_adjoint *x, N_Vector lambda, N_Vector out)
{
    double *to = N_VGetArrayPointer_Serial(out);
    ap_adjoint_product(&x->own, N_VGetArrayPointer_Serial(lambda), to, x->work);
    for (size_t i = 0; i < x->own.c->n_membrane; i++)
        to[i] = -to[i];
}

static int backward_rhs(realtype t, N_Vector y, N_Vector lambda, N_Vector d_lambda, void *user)
{
    struct ap_adjoint *x = user;
    ap_tangent_linearise(&x->own, t, N_VGetArrayPointer_Serial(y));
    minus_transposed(x, lambda, d_lambda);
    return 0;
}

static int backward_setup(realtype t, N_Vector y, N_Vector lambda, N_Vector f, void *user)
{
    (void)lambda, (void)f;
    ap_tangent_linearise(&((struct ap_adjoint *)user)->own, t, N_VGetArrayPointer_Serial(y));
    return 0;
}

static int backward_times(N_Vector v, N_Vector jv, realtype t, N_Vector y, N_Vector lambda, N_Vector f,
                          void *user, N_Vector tmp)
{
    (void)t, (void)y, (void)lambda, (void)f, (void)tmp;
    minus_transposed(user, v, jv);
    return 0;
}

/* (df/dW)^T lambda: what pulls at a layer's basal sum, times the rates that arrive there. */
static int backward_quadrature(realtype t, N_Vector y, N_Vector lambda, N_Vector dq, void *user)
{
    struct ap_adjoint *x = user;
    const struct ap_circuit *c = x->own.c;
    struct pulls to = pulls_in(c, x->work);
    ap_tangent_linearise(&x->own, t, N_VGetArrayPointer_Serial(y));
    pull_back(&x->own, N_VGetArrayPointer_Serial(lambda), &to);
    for (int k = 1; k <= x->a->path.n; k++) {
        const struct ap_pathway_layer *l = &x->a->path.layer[k];
        const struct ap_proj *q = &c->proj[l->forward];
        const double *sum = to.input + c->pop[l->pop].comp[l->basal].value;
        const double *rate = x->own.rate + c->pop[q->pre].rate;
        const uint32_t *map = x->own.act.map[l->forward], *row = x->own.act.row[l->forward];
        double *out = N_VGetArrayPointer_Serial(dq) + x->from[k], factor = x->own.act.factor[l->forward];
        for (size_t i = 0; i < q->rows; i++)
            for (size_t j = 0; j < q->cols; j++)
                out[(row ? row[i] : i) * q->cols + j] = -factor * sum[i] * rate[map ? map[j] : j];
    }
    return 0;
}

static void take_message(int code, const char *module, const char *function, char *message, void *user)
{
    (void)module;
    if (code < 0)
        snprintf(((struct ap_adjoint *)user)->message, AP_ERR_TEXT, "%s: %s", function, message);
}

/* ---- one stretch ------------------------------------------------------------------------------------ */

static double largest(N_Vector v)
{
    double m = N_VMaxNorm(v);
    return m > 0 ? m : 1;
}

static bool ready_forward(struct ap_adjoint *x, double t)
{
    forget(x);
    x->memory = CVodeCreate(CV_BDF, x->context);
    x->forward = SUNLinSol_SPGMR(x->y, SUN_PREC_NONE, 10, x->context);
    return x->memory && x->forward && CVodeSetErrHandlerFn(x->memory, take_message, x) == CV_SUCCESS &&
           CVodeSetUserData(x->memory, x) == CV_SUCCESS &&
           CVodeInit(x->memory, forward_rhs, t, x->y) == CV_SUCCESS &&
           CVodeSStolerances(x->memory, TOLERANCE, TOLERANCE) == CV_SUCCESS &&
           CVodeSetMaxNumSteps(x->memory, 1000000) == CV_SUCCESS &&
           CVodeSetLinearSolver(x->memory, x->forward, NULL) == CV_SUCCESS &&
           CVodeSetJacTimes(x->memory, forward_setup, forward_times) == CV_SUCCESS &&
           CVodeAdjInit(x->memory, STEPS_STORED, CV_HERMITE) == CV_SUCCESS;
}

static bool ready_backward(struct ap_adjoint *x, double t)
{
    double size = largest(x->lambda);
    if (CVodeCreateB(x->memory, CV_BDF, &x->which) != CV_SUCCESS)
        return false;
    x->backward = SUNLinSol_SPGMR(x->lambda, SUN_PREC_NONE, 10, x->context);
    return x->backward && CVodeInitB(x->memory, x->which, backward_rhs, t, x->lambda) == CV_SUCCESS &&
           CVodeSetUserDataB(x->memory, x->which, x) == CV_SUCCESS &&
           CVodeSStolerancesB(x->memory, x->which, TOLERANCE, TOLERANCE * size) == CV_SUCCESS &&
           CVodeSetMaxNumStepsB(x->memory, x->which, 1000000) == CV_SUCCESS &&
           CVodeSetLinearSolverB(x->memory, x->which, x->backward, NULL) == CV_SUCCESS &&
           CVodeSetJacTimesB(x->memory, x->which, backward_setup, backward_times) == CV_SUCCESS &&
           CVodeQuadInitB(x->memory, x->which, backward_quadrature, x->quadrature) == CV_SUCCESS &&
           CVodeSetQuadErrConB(x->memory, x->which, SUNFALSE) == CV_SUCCESS;
}

/* The interventions of the stretch that begins at edge i come into force, as in sim.c. */
static void enter(struct ap_adjoint *x, const struct ap_block_spec *b, int i)
{
    ap_intervene_set(&x->own.act, b, x->edge[i]);
    ap_intervene_hold(&x->own.act, N_VGetArrayPointer_Serial(x->y));
}

static bool go_forward(struct ap_adjoint *x, int i)
{
    int points;
    double t;
    return ready_forward(x, x->edge[i]) && CVodeSetStopTime(x->memory, x->edge[i + 1]) == CV_SUCCESS &&
           CVodeF(x->memory, x->edge[i + 1], x->y, &t, CV_NORMAL, &points) >= 0;
}

static bool go_backward(struct ap_adjoint *x, int i)
{
    double t;
    return ready_backward(x, x->edge[i + 1]) && CVodeB(x->memory, x->edge[i], CV_NORMAL) >= 0 &&
           CVodeGetB(x->memory, x->which, &t, x->lambda) == CV_SUCCESS &&
           CVodeGetQuadB(x->memory, x->which, &t, x->quadrature) == CV_SUCCESS;
}

/* What holding compartments does to the start of a stretch, transposed. */
static void release(struct ap_adjoint *x)
{
    double *lambda = N_VGetArrayPointer_Serial(x->lambda);
    const struct ap_circuit *c = x->own.c;
    for (int p = 0; p < c->n_pop; p++)
        for (int k = 0; k < c->pop[p].n_comp; k++) {
            const struct ap_comp *m = &c->pop[p].comp[k];
            const struct ap_intervene_comp *a = ap_intervene_of(&x->own.act, p, k);
            if (!a || m->kind != AP_COMP_DYNAMIC)
                continue;
            if (a->mean)
                ap_intervene_mean(c->pop[p].n, lambda + m->state);
            if (a->clamp)
                memset(lambda + m->state, 0, c->pop[p].n * sizeof *lambda);
        }
}

/* ---- a presentation --------------------------------------------------------------------------------- */

static enum ap_code gave_up(struct ap_err *e, const struct ap_adjoint *x, const char *what)
{
    return ap_err_add(e, AP_ENUMERIC, NULL,
                      "the potentials of this presentation may run away without teacher",
                      "adjoint gradient: CVODES gave up %s: %s", what, x->message);
}

/* The presentation that x->a->rhs has just shown, but for teacher, noise and rules. */
static void set_presentation(struct ap_adjoint *x)
{
    const struct ap_rhs *seen = x->a->rhs;
    const struct ap_circuit *c = seen->c;
    memcpy(x->own.clamp_from, seen->clamp_from, c->n_rate * sizeof(double));
    memcpy(x->own.clamp_to, seen->clamp_to, c->n_rate * sizeof(double));
    memcpy(x->own.clamp_tau, seen->clamp_tau, (size_t)c->n_pop * sizeof(double));
    memcpy(x->own.w, seen->w, (size_t)c->n_proj * sizeof *seen->w);
    memcpy(x->own.d, seen->d, (size_t)c->n_proj * sizeof *seen->d);
    x->own.now = (struct ap_presentation){.duration = seen->now.duration, .plastic = x->none};
    ap_rhs_begin(&x->own, x->none);
}

/* Forward to the end; returns the number of stretches, 0: failed. */
static int run_forward(struct ap_err *e, struct ap_adjoint *x, const struct ap_block_spec *b)
{
    size_t bytes = x->own.c->n_membrane * sizeof(double);
    int n = 0;
    for (x->edge[0] = 0; x->edge[n] < b->duration; n++) {
        if (n == STRETCHES) {
            ap_err_add(e, AP_ENUMERIC, NULL, NULL, "adjoint gradient: more than %d changes of interventions",
                       n);
            return 0;
        }
        if (!x->at_edge[n] && !(x->at_edge[n] = ap_mem_array(e, bytes, 1, "adjoint")))
            return 0;
        enter(x, b, n);
        memcpy(x->at_edge[n], N_VGetArrayPointer_Serial(x->y), bytes);
        x->edge[n + 1] = ap_intervene_edge(&x->own.act, b, x->edge[n]);
        if (!go_forward(x, n)) {
            gave_up(e, x, "on the way forward");
            return 0;
        }
    }
    return n;
}

static void set_loss(struct ap_adjoint *x)
{
    const struct ap_analysis *a = x->a;
    const struct ap_pop *out = &x->own.c->pop[a->path.layer[a->path.n].pop];
    const double *u = N_VGetArrayPointer_Serial(x->y) + out->comp[0].state;
    double *lambda = N_VGetArrayPointer_Serial(x->lambda);
    x->loss = ap_analysis_loss_of(a, AP_ANALYSIS_DELTA, u);
    memset(lambda, 0, x->own.c->n_membrane * sizeof *lambda);
    ap_analysis_loss_slope(a, AP_ANALYSIS_DELTA, u, lambda + out->comp[0].state);
}

enum ap_code ap_adjoint_eval(struct ap_err *e, struct ap_adjoint *x, const struct ap_block_spec *b,
                             const double *start)
{
    size_t bytes = x->own.c->n_membrane * sizeof(double);
    set_presentation(x);
    memcpy(N_VGetArrayPointer_Serial(x->y), start, bytes);
    int n = run_forward(e, x, b);
    if (n == 0)
        return ap_err_code(e);
    set_loss(x);
    N_VConst(0, x->quadrature);
    for (int i = n - 1; i >= 0; i--) {
        if (i < n - 1) { /* CVODES holds the last stretch: this one once more */
            memcpy(N_VGetArrayPointer_Serial(x->y), x->at_edge[i], bytes);
            enter(x, b, i);
            if (!go_forward(x, i))
                return gave_up(e, x, "on the way forward");
        }
        if (!go_backward(x, i))
            return gave_up(e, x, "on the way back");
        release(x);
    }
    memcpy(x->gradient, N_VGetArrayPointer_Serial(x->quadrature),
           (size_t)N_VGetLength_Serial(x->quadrature) * sizeof(double));
    return AP_OK;
}

double ap_adjoint_loss(const struct ap_adjoint *x)
{
    return x->loss;
}

const double *ap_adjoint_gradient(const struct ap_adjoint *x, int k)
{
    return x->gradient + x->from[k];
}
