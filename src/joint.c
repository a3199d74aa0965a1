/* joint.c: products of matrices with what several copies send.
 *
 * In:   matrices of the circuit, columns of numbers.
 * Out:  columns of sums.
 * Invariants:
 *   1. A column's sums depend on no other column; threads divide rows, never a sum.
 * Never: knows what is multiplied, or why; changes a matrix.
 * Test: tests/unit/test_batch.c */
#include "joint.h"
#include "mathx.h"
#include "synapse.h"

#include <omp.h>
#include <string.h>

enum {
    ROWS = 64,
    LINE = 8,
    TILE = 128 * ROWS
}; /* of a piece; numbers in a line of the cache; in a block of sums */

static bool dense(const struct ap_proj *p)
{
    return p->w && p->spec->connect == AP_CONNECT_DENSE;
}

/* Whether what is sent through it is multiplied in single precision. */
static bool has_single(const struct ap_joint *x, const struct ap_afferents *afferent, int proj)
{
    return x->coarse && !afferent->by_proj[proj];
}

enum ap_code ap_joint_init(struct ap_err *e, struct ap_joint *x, const struct ap_circuit *c,
                           const struct ap_afferents *afferent)
{
    size_t most = (size_t)c->copies, stride = (most + LINE - 1) / LINE * LINE, doubles = 1, singles = 1;
    *x = (struct ap_joint){.c = c, .n = 1, .coarse = ap_circuit_single(c)};
    for (int i = 0; i < c->n_proj; i++) {
        const struct ap_proj *p = &c->proj[i];
        if (!dense(p))
            continue;
        doubles += (p->rows + p->cols) * stride;
        singles += has_single(x, afferent, i) ? p->cols * (p->rows + stride) : 0;
        x->n_piece += (long)((p->rows + ROWS - 1) / ROWS);
    }
    x->in = ap_mem_array(e, (size_t)c->n_proj + 1, sizeof *x->in, "batch");
    x->out = ap_mem_array(e, (size_t)c->n_proj + 1, sizeof *x->out, "batch");
    x->given = ap_mem_array(e, most * ((size_t)c->n_proj + 1), sizeof *x->given, "batch");
    x->piece = ap_mem_array(e, (size_t)x->n_piece + 1, sizeof *x->piece, "batch");
    x->chosen = ap_mem_array(e, (size_t)x->n_piece + 1, sizeof *x->chosen, "batch");
    x->which = ap_mem_array(e, (size_t)c->n_proj + 1, sizeof *x->which, "batch");
    x->block = ap_mem_array(e, doubles, sizeof *x->block, "batch");
    x->single = ap_mem_array(e, (size_t)c->n_proj + 1, sizeof *x->single, "batch");
    x->singles = ap_mem_array(e, singles, sizeof *x->singles, "batch");
    if (!x->in || !x->out || !x->given || !x->piece || !x->chosen || !x->which || !x->block || !x->single ||
        !x->singles)
        return AP_EMEMORY;
    double *next = x->block;
    float *single = x->singles;
    long piece = 0;
    for (int i = 0; i < c->n_proj; i++) {
        const struct ap_proj *p = &c->proj[i];
        if (!dense(p))
            continue;
        x->in[i] = next;
        x->out[i] = next + p->cols * stride;
        next += (p->rows + p->cols) * stride;
        if (has_single(x, afferent, i)) {
            x->single[i] = (struct ap_joint_single){single, single + p->rows * p->cols};
            single += p->cols * (p->rows + stride);
        }
        for (size_t first = 0; first < p->rows; first += ROWS)
            x->piece[piece++] =
                (struct ap_joint_piece){i, first, first + ROWS < p->rows ? first + ROWS : p->rows};
    }
    return AP_OK;
}

void ap_joint_free(struct ap_joint *x)
{
    void *const all[] = {x->in,    x->out,   x->given,  x->piece,  x->chosen,
                         x->which, x->block, x->single, x->singles};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ap_mem_free(all[i]);
    *x = (struct ap_joint){0};
}

void ap_joint_resize(struct ap_joint *x, int n)
{
    int threads = ap_crew_several(x->c->crew) ? omp_get_max_threads() : 1, each = (n + threads - 1) / threads;
    x->n = n;
    x->stride = ((size_t)n + LINE - 1) / LINE * LINE;
    x->wide = each < LINE ? each : LINE;
    for (int i = 0; i < x->c->n_proj; i++) {
        size_t numbers = x->c->proj[i].cols * x->stride;
        if (x->in[i])
            memset(x->in[i], 0, numbers * sizeof *x->in[i]);
        if (x->single[i].in)
            memset(x->single[i].in, 0, numbers * sizeof *x->single[i].in);
    }
    for (int b = 0; b < n; b++)
        for (int i = 0; i < x->c->n_proj; i++)
            x->given[b * x->c->n_proj + i] = x->out[i] ? x->out[i] + (size_t)b * x->c->proj[i].rows : NULL;
}

int ap_joint_spans(const struct ap_joint *x)
{
    return (x->n + x->wide - 1) / x->wide;
}

struct ap_span ap_joint_span(const struct ap_joint *x, int k)
{
    int first = k * x->wide, last = first + x->wide;
    return (struct ap_span){first, last < x->n ? last : x->n};
}

AP_CLONES static void put_double(const struct ap_joint *x, int proj, struct ap_span s,
                                 const double *const *sent)
{
    for (size_t j = 0; j < x->c->proj[proj].cols; j++) {
        double *in = x->in[proj] + j * x->stride;
        for (int b = s.first; b < s.last; b++)
            in[b] = sent[b][j];
    }
}

AP_CLONES static void put_single(const struct ap_joint *x, int proj, struct ap_span s,
                                 const double *const *sent)
{
    for (size_t j = 0; j < x->c->proj[proj].cols; j++) {
        float *in = x->single[proj].in + j * x->stride;
        for (int b = s.first; b < s.last; b++)
            in[b] = (float)sent[b][j];
    }
}

void ap_joint_put(const struct ap_joint *x, int proj, enum ap_joint_matrix m, struct ap_span s,
                  const double *const *sent)
{
    (m == AP_JOINT_SENT && x->coarse ? put_single : put_double)(x, proj, s, sent);
}

void ap_joint_take(const struct ap_joint *x, int proj, struct ap_span s, double *const *to)
{
    size_t rows = x->c->proj[proj].rows;
    for (int b = s.first; b < s.last; b++)
        memcpy(to[b], x->out[proj] + (size_t)b * rows, rows * sizeof *to[b]);
}

void ap_joint_choose(struct ap_joint *x)
{
    x->n_chosen = 0;
    x->work = 0;
    for (long k = 0; k < x->n_piece; k++) {
        const struct ap_joint_piece *t = &x->piece[k];
        if (!x->which[t->proj])
            continue;
        x->chosen[x->n_chosen++] = (struct ap_joint_chosen){k, x->work};
        x->work += (t->last - t->first) * x->c->proj[t->proj].cols;
    }
}

/* Sums [rows][stride] become columns, one for each of n copies. */
AP_CLONES static void turn(size_t rows, size_t n, const double *restrict sum, size_t stride,
                           double *restrict column, size_t pitch)
{
    for (size_t b = 0; b < n; b++)
        for (size_t i = 0; i < rows; i++)
            column[b * pitch + i] = sum[i * stride + b];
}

static void multiply_piece(const struct ap_joint *x, const struct ap_joint_piece *t, enum ap_joint_matrix m)
{
    const struct ap_proj *p = &x->c->proj[t->proj];
    double sum[TILE]; /* [rows][stride] */
    size_t most = x->stride * ROWS <= TILE ? ROWS : TILE / x->stride;
    for (size_t first = t->first; first < t->last; first += most) {
        size_t rows = t->last - first < most ? t->last - first : most, at = first * p->cols;
        if (m == AP_JOINT_SENT && x->coarse)
            ap_synapse_batch_single(rows, p->cols, x->single[t->proj].w + at, x->stride,
                                    x->single[t->proj].in, sum);
        else
            ap_synapse_batch(rows, p->cols, (m == AP_JOINT_D ? p->d : p->w) + at, x->stride, x->in[t->proj],
                             0, sum);
        turn(rows, (size_t)x->n, sum, x->stride, x->out[t->proj] + first, p->rows);
    }
}

void ap_joint_multiply(struct ap_joint *x, enum ap_joint_matrix m)
{
    size_t threads = (size_t)omp_get_num_threads();
#pragma omp for schedule(static)
    for (size_t mine = 0; mine < threads; mine++)
        for (long k = 0; k < x->n_chosen; k++)
            if (x->chosen[k].at * threads / x->work == mine)
                multiply_piece(x, &x->piece[x->chosen[k].piece], m);
}

void ap_joint_copy(struct ap_joint *x)
{
    if (!x->coarse)
        return;
    for (int i = 0; i < x->c->n_proj; i++)
        x->which[i] = x->single[i].w != NULL;
    ap_joint_choose(x);
#pragma omp parallel for schedule(static) if (ap_crew_several(x->c->crew))
    for (long k = 0; k < x->n_chosen; k++) {
        const struct ap_joint_piece *t = &x->piece[x->chosen[k].piece];
        const struct ap_proj *p = &x->c->proj[t->proj];
        size_t at = t->first * p->cols;
        ap_synapse_single((t->last - t->first) * p->cols, p->w + at, x->single[t->proj].w + at);
    }
}
