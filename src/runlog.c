/* runlog.c: the log of a run.
 *
 * In:   blocks from the recorder; a log file.
 * Out:  run.log; a run read back.
 * Format: blocks of {magic u32, type u32, length u64, payload, padding to 8, digest of all before: 16 bytes}, in the
 *   byte order of the machine (the magic tells).
 * Invariants:
 *   1. Blocks are only appended.
 *   2. A block whose digest is wrong, or whose length does not fit, is never used.
 *   3. The bytes depend on the circuit alone: no times, no paths but those of the circuit.
 * Never: trusts a size found in the file before its digest was checked.
 * Test: tests/unit/test_runlog.c */
#include "runlog.h"
#include "mem.h"
#include "probe.h"

#include <string.h>

static const uint32_t MAGIC = 0x31304C41; /* "AL01" */

struct head {
    uint32_t magic, type;
    uint64_t length;
};

enum ap_code ap_runlog_create(struct ap_err *e, struct ap_runlog *l, const char *path)
{
    l->digest = (struct ap_hash){0};
    return ap_io_append_open(e, &l->file, path);
}

enum ap_code ap_runlog_reopen(struct ap_err *e, struct ap_runlog *l, const char *path,
                              const struct ap_runlog_mark *mark)
{
    l->digest = (struct ap_hash){mark->digest_high, mark->digest_low};
    return ap_io_append_reopen(e, &l->file, path, mark->size);
}

enum ap_code ap_runlog_commit(struct ap_err *e, struct ap_runlog *l, struct ap_runlog_mark *mark)
{
    *mark = (struct ap_runlog_mark){l->file.size, l->digest.high, l->digest.low};
    return ap_io_append_sync(e, &l->file);
}

enum ap_code ap_runlog_append(struct ap_err *e, struct ap_runlog *l, enum ap_block_type type,
                              const void *head, size_t head_size, const void *body, size_t body_size)
{
    struct head h = {MAGIC, type, head_size + body_size};
    static const char zeros[8];
    size_t padding = (8 - h.length % 8) % 8;
    struct ap_hash digest = {0};
    ap_hash_add(&digest, &h, sizeof h);
    ap_hash_add(&digest, head, head_size);
    ap_hash_add(&digest, body, body_size);
    uint64_t pair[2] = {digest.high, digest.low};
    ap_hash_add(&l->digest, pair, sizeof pair);
    uint64_t sizes[2] = {head_size, body_size}; /* the reader folds the same two pieces */
    AP_TRY(ap_io_append(e, &l->file, &h, sizeof h));
    AP_TRY(ap_io_append(e, &l->file, sizes, sizeof sizes));
    AP_TRY(ap_io_append(e, &l->file, head, head_size));
    AP_TRY(ap_io_append(e, &l->file, body, body_size));
    AP_TRY(ap_io_append(e, &l->file, zeros, padding));
    return ap_io_append(e, &l->file, pair, sizeof pair);
}

enum ap_code ap_runlog_flush(struct ap_err *e, struct ap_runlog *l)
{
    return ap_io_append_flush(e, &l->file);
}

enum ap_code ap_runlog_close(struct ap_err *e, struct ap_runlog *l)
{
    return ap_io_append_close(e, &l->file);
}

/* ---- reading --------------------------------------------------------------------------------------- */

static enum ap_code damaged(struct ap_err *e, const char *path, size_t at, const char *why)
{
    return ap_err_add(e, AP_EIO, NULL,
                      "`apical resume` goes on with a run that was interrupted; else run the circuit again",
                      "%s: damaged at byte %zu: %s", path, at, why);
}

/* One block at *at; advances it. */
static enum ap_code next_block(struct ap_err *e, const char *path, const struct ap_run *run, size_t *at,
                               struct head *h, const char **head, size_t *head_size, const char **body,
                               size_t *body_size)
{
    size_t left = run->size - *at;
    uint64_t sizes[2];
    if (left < sizeof *h + sizeof sizes + 16)
        return damaged(e, path, *at, "the last block is cut short");
    memcpy(h, run->bytes + *at, sizeof *h);
    memcpy(sizes, run->bytes + *at + sizeof *h, sizeof sizes);
    left -= sizeof *h + sizeof sizes + 16;
    if (h->magic != MAGIC)
        return damaged(e, path, *at, "no block begins here");
    size_t padding = (8 - h->length % 8) % 8;
    if (h->length > left || sizes[0] > h->length || sizes[1] != h->length - sizes[0] ||
        padding > left - h->length)
        return damaged(e, path, *at, "a block is cut short");
    *head = run->bytes + *at + sizeof *h + sizeof sizes;
    *head_size = sizes[0];
    *body = *head + sizes[0];
    *body_size = sizes[1];
    struct ap_hash digest = {0};
    ap_hash_add(&digest, h, sizeof *h);
    ap_hash_add(&digest, *head, *head_size);
    ap_hash_add(&digest, *body, *body_size);
    uint64_t pair[2];
    memcpy(pair, *body + *body_size + padding, sizeof pair);
    bool padded = true; /* no digest covers the padding */
    for (size_t i = 0; i < padding; i++)
        padded = padded && (*body)[*body_size + i] == 0;
    if (!padded || pair[0] != digest.high || pair[1] != digest.low)
        return damaged(e, path, *at, "a block's digest does not match");
    *at += sizeof *h + sizeof sizes + h->length + padding + 16;
    return AP_OK;
}

/* Whether the sizes that a block's head names agree with the block and the circuit. */
static bool sizes_agree(const struct ap_run *run, uint32_t type, const char *head, size_t head_size,
                        size_t body_size)
{
    const struct ap_spec *s = run->spec;
    if (type == AP_BLOCK_PRESENTATION) {
        const struct ap_presented *p = (const void *)head;
        return head_size == sizeof *p && p->program < (uint32_t)s->n_program &&
               p->block == (uint32_t)s->program[p->program] &&
               body_size == ap_runlog_column(s, s->n_probe) * sizeof(double);
    }
    if (type == AP_BLOCK_FRAMES) {
        const struct ap_frames *f = (const void *)head;
        if (head_size != sizeof *f || f->report >= (uint32_t)s->n_report)
            return false;
        struct ap_report_part parts[AP_SPEC_POPS];
        return s->report[f->report].n_of <= AP_SPEC_POPS && f->presentation < run->n_presented &&
               f->n_values == ap_runlog_layout(s, &s->report[f->report], parts) &&
               body_size == f->n_values * f->n_frames * sizeof(double);
    }
    if (type == AP_BLOCK_WEIGHTS) {
        const struct ap_snapshot *w = (const void *)head;
        if (head_size != sizeof *w || w->proj >= (uint32_t)s->n_proj ||
            memchr(w->label, 0, sizeof w->label) == NULL)
            return false;
        const struct ap_proj_spec *p = &s->proj[w->proj];
        return w->rows == (uint64_t)s->pop[p->post].n &&
               w->cols == (p->connect == AP_CONNECT_ONE ? 1 : (uint64_t)s->pop[p->pre].n) &&
               body_size == w->rows * w->cols * sizeof(double);
    }
    return type == AP_BLOCK_END && head_size == sizeof(struct ap_run_end);
}

static enum ap_code take_block(struct ap_err *e, struct ap_run *run, const char *path, size_t at,
                               const struct head *h, const char *head, size_t head_size, const char *body,
                               size_t body_size, bool count_only)
{
    if (!run->spec) {
        if (h->type != AP_BLOCK_SPEC)
            return damaged(e, path, at, "the first block is not the circuit");
        run->spec = ap_spec_parse("circuit.yaml", head, head_size, NULL, 0, e);
        return run->spec ? AP_OK : AP_EIO;
    }
    if (h->type == AP_BLOCK_SPEC)
        return AP_OK;
    if (!sizes_agree(run, h->type, head, head_size, body_size))
        return damaged(e, path, at, "a block does not fit the circuit");
    if (h->type == AP_BLOCK_PRESENTATION) {
        if (!count_only) {
            run->presented[run->n_presented] = (const void *)head;
            run->probes[run->n_presented] = (const void *)body;
        }
        run->n_presented++;
    } else if (h->type == AP_BLOCK_FRAMES) {
        if (!count_only) {
            run->frames[run->n_frames] = (const void *)head;
            run->values[run->n_frames] = (const void *)body;
        }
        run->n_frames++;
    } else if (h->type == AP_BLOCK_WEIGHTS) {
        if (!count_only) {
            run->snapshot[run->n_snapshot] = (const void *)head;
            run->weights[run->n_snapshot] = (const void *)body;
        }
        run->n_snapshot++;
    } else
        run->end = (const void *)head;
    return AP_OK;
}

static enum ap_code walk(struct ap_err *e, struct ap_run *run, const char *path, bool count_only)
{
    run->n_presented = run->n_frames = run->n_snapshot = 0;
    for (size_t at = 0; at < run->size;) {
        struct head h;
        const char *head = NULL, *body = NULL;
        size_t head_size = 0, body_size = 0, start = at;
        AP_TRY(next_block(e, path, run, &at, &h, &head, &head_size, &body, &body_size));
        AP_TRY(take_block(e, run, path, start, &h, head, head_size, body, body_size, count_only));
    }
    return run->spec ? AP_OK : damaged(e, path, 0, "the log is empty");
}

enum { LIMIT_SHIFT = 36 }; /* 64 GiB */

/* Blocks up to the mark, each with its digest. */
static enum ap_code check_blocks(struct ap_err *e, const char *path, const struct ap_run *run,
                                 const struct ap_runlog_mark *mark)
{
    struct ap_hash all = {0};
    size_t at = 0;
    while (at < run->size) {
        struct head h;
        const char *head = NULL, *body = NULL;
        size_t head_size = 0, body_size = 0;
        AP_TRY(next_block(e, path, run, &at, &h, &head, &head_size, &body, &body_size));
        ap_hash_add(&all, run->bytes + at - 16, 16);
    }
    if (all.high != mark->digest_high || all.low != mark->digest_low)
        return ap_err_add(e, AP_EIO, NULL, NULL, "%s: is the log of another run", path);
    return AP_OK;
}

enum ap_code ap_runlog_check(struct ap_err *e, const char *path, const struct ap_runlog_mark *mark)
{
    struct ap_run run = {0};
    AP_TRY(ap_io_read(e, path, (size_t)1 << LIMIT_SHIFT, &run.bytes, &run.size));
    enum ap_code code;
    if (run.size < mark->size)
        code = ap_err_add(e, AP_EIO, NULL, NULL, "%s: has %zu bytes, the checkpoint was made after %llu",
                          path, run.size, (unsigned long long)mark->size);
    else {
        run.size = (size_t)mark->size;
        code = check_blocks(e, path, &run, mark);
    }
    ap_mem_free(run.bytes);
    return code;
}

enum ap_code ap_runlog_read(struct ap_err *e, struct ap_run *run, const char *folder)
{
    *run = (struct ap_run){0};
    char path[AP_ERR_PATH];
    AP_TRY(ap_io_join(e, path, sizeof path, folder, "run.log"));
    int first = e ? e->n : 0;
    enum ap_code code = ap_io_read(e, path, (size_t)1 << LIMIT_SHIFT, &run->bytes, &run->size);
    for (int i = first; e && i < e->n; i++)
        snprintf(e->diag[i].hint, sizeof e->diag[i].hint, "name the output folder of an `apical run`");
    AP_TRY(code);
    AP_TRY(walk(e, run, path, true));
    run->presented = ap_mem_array(e, run->n_presented, sizeof *run->presented, "log");
    run->probes = ap_mem_array(e, run->n_presented, sizeof *run->probes, "log");
    run->frames = ap_mem_array(e, run->n_frames, sizeof *run->frames, "log");
    run->values = ap_mem_array(e, run->n_frames, sizeof *run->values, "log");
    run->snapshot = ap_mem_array(e, run->n_snapshot, sizeof *run->snapshot, "log");
    run->weights = ap_mem_array(e, run->n_snapshot, sizeof *run->weights, "log");
    if (!run->presented || !run->probes || !run->frames || !run->values || !run->snapshot || !run->weights)
        return AP_EMEMORY;
    return walk(e, run, path, false);
}

void ap_runlog_free(struct ap_run *run)
{
    ap_spec_free(run->spec);
    ap_mem_free(run->bytes);
    ap_mem_free(run->presented);
    ap_mem_free(run->probes);
    ap_mem_free(run->frames);
    ap_mem_free(run->values);
    ap_mem_free(run->snapshot);
    ap_mem_free(run->weights);
    *run = (struct ap_run){0};
}

/* The last snapshot of that name; n_snapshot: none. */
static size_t find_snapshot(const struct ap_run *run, const char *label, int proj)
{
    size_t found = run->n_snapshot;
    for (size_t i = 0; i < run->n_snapshot; i++)
        if (strcmp(run->snapshot[i]->label, label) == 0 && run->snapshot[i]->proj == (uint32_t)proj)
            found = i;
    return found;
}

const double *ap_runlog_weights(const struct ap_run *run, const char *label, int proj)
{
    size_t i = find_snapshot(run, label, proj);
    return i < run->n_snapshot ? run->weights[i] : NULL;
}

const struct ap_snapshot *ap_runlog_snapshot(const struct ap_run *run, const char *label, int proj)
{
    size_t i = find_snapshot(run, label, proj);
    return i < run->n_snapshot ? run->snapshot[i] : NULL;
}

size_t ap_runlog_column(const struct ap_spec *s, int probe)
{
    size_t n = 0;
    for (int i = 0; i < probe; i++)
        n += (size_t)s->probe[i].row->columns;
    return n;
}

size_t ap_runlog_layout(const struct ap_spec *s, const struct ap_report_spec *r, struct ap_report_part *parts)
{
    size_t at = 0;
    for (int i = 0; i < r->n_of; i++) {
        struct ap_report_part *p = &parts[i];
        *p = (struct ap_report_part){.pop = r->of[i].pop, .first = (size_t)r->of[i].first, .at = at};
        p->n = (size_t)(r->of[i].last - r->of[i].first);
        const struct ap_cell_spec *cell = &s->cell[s->pop[p->pop].cell];
        for (int c = 0; c < cell->n_comp; c++) {
            bool wanted = r->n_compartment == 0;
            for (int k = 0; k < r->n_compartment; k++)
                wanted = wanted || strcmp(r->compartment[k], cell->comp[c].name) == 0;
            if (r->of[i].comp >= 0)
                wanted = r->of[i].comp == c;
            if (wanted)
                p->comp[p->n_comp++] = c;
        }
        at += p->n * (size_t)p->n_comp;
    }
    return at;
}
