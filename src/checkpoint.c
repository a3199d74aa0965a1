/* checkpoint.c: everything that a run needs to go on as if it had never stopped.
 *
 * In:   a simulation between two presentations; a file of an earlier one.
 * Out:  checkpoint-a and checkpoint-b of the output folder, in turn; the restored simulation.
 * Format: head with a digest of all the rest, what the state belongs to and where the run stands, then the arrays in the
 *   order of `arrays` below. Byte order of the machine (the head tells).
 * Commit: the log is synced, the file is written under another name, synced, renamed over the older checkpoint, the folder
 *   is synced. So at any moment one checkpoint is whole and the log holds at least what it names.
 * Invariants:
 *   1. A presentation is a function of what is stored and of the circuit: random numbers are counted, not drawn in turn,
 *      and the integrator begins each presentation without history.
 *   2. Nothing is restored before the digest, the circuit, its data, the build, every size and the log were found right.
 * Never: trusts a size from a file before it was compared with the file's length.
 * Test: tests/unit/test_checkpoint.c, tests/cli/test_resume.sh */
#include "checkpoint.h"
#include "io.h"
#include "manifest.h"

#include <string.h>

const char *const ap_checkpoint_name[2] = {"checkpoint-a", "checkpoint-b"};

enum { ARRAYS = 8, BUILD = 1024 };
static const char MAGIC[8] = "apicalCP";
static const uint32_t ORDER = 0x01020304;

struct head {
    char magic[8];
    uint32_t version, order;
    uint64_t size;      /* of the file */
    uint64_t digest[2]; /* of everything else */
};

/* What the state belongs to, and where the run stands. */
struct body {
    uint64_t circuit[2], data[2]; /* digests: of the explicit form, of the bytes of data files */
    char build[BUILD];            /* version, compiler, flags, libraries */
    uint64_t bytes[ARRAYS];
    uint64_t presentation, steps, white_step;
    uint64_t evaluations, products;
    double time;
    struct ap_runlog_mark log;
    struct ap_checkpoint_loop loop;
};

/* The arrays of the state. A clamped population that a block leaves alone keeps its old aim, so that is stored too. */
static void arrays(struct ap_sim *x, struct ap_io_piece out[ARRAYS])
{
    const struct ap_circuit *c = x->c;
    size_t copies = (size_t)c->copies;
    const struct ap_io_piece all[ARRAYS] = {
        {x->g.y, copies * c->n_state * sizeof(double)},
        {c->weights, c->n_weights * sizeof(double)},
        {x->clamp, copies * c->n_rate * sizeof(double)},
        {x->aim, copies * c->n_rate * sizeof(double)},
        {x->shown, (size_t)c->spec->n_block * sizeof *x->shown},
        {x->noise.carry, x->noise.n * sizeof(double)},
        {x->noise.slope, x->noise.n * sizeof(double)},
        {x->cursor.state, (size_t)c->n_stim * sizeof *x->cursor.state},
    };
    memcpy(out, all, sizeof all);
}

static struct ap_hash digest_of(struct head h, const struct body *b, const struct ap_io_piece array[ARRAYS])
{
    struct ap_hash all = {0};
    h.digest[0] = h.digest[1] = 0;
    ap_hash_add(&all, &h, sizeof h);
    ap_hash_add(&all, b, sizeof *b);
    for (int i = 0; i < ARRAYS; i++)
        ap_hash_add(&all, array[i].data, array[i].size);
    return all;
}

/* What the state belongs to. */
static enum ap_code identify(struct ap_err *e, const struct ap_sim *x, struct body *b)
{
    char *text = ap_spec_movable_text(e, x->spec);
    if (!text)
        return AP_EMEMORY;
    struct ap_hash circuit = ap_hash_of(text, strlen(text)), data = {0};
    ap_mem_free(text);
    for (int i = 0; i < x->c->n_stim; i++) {
        const struct ap_stimulus *st = &x->c->stim[i];
        if (st->data)
            ap_hash_add(&data, st->data, (size_t)st->count * st->stride);
    }
    b->circuit[0] = circuit.high;
    b->circuit[1] = circuit.low;
    b->data[0] = data.high;
    b->data[1] = data.low;
    ap_manifest_versions(b->build, sizeof b->build);
    return AP_OK;
}

/* ---- writing --------------------------------------------------------------------------------------- */

enum ap_code ap_checkpoint_write(struct ap_err *e, struct ap_checkpoint *k, struct ap_sim *x,
                                 const struct ap_checkpoint_loop *loop)
{
    char path[AP_ERR_PATH];
    struct ap_io_piece piece[ARRAYS + 2];
    struct head h = {.version = AP_CHECKPOINT_VERSION, .order = ORDER};
    struct body *b = ap_mem_array(e, 1, sizeof *b, "checkpoint");
    if (!b)
        return AP_EMEMORY;
    memcpy(h.magic, MAGIC, sizeof h.magic);
    b->presentation = x->presentation;
    b->time = x->time;
    b->steps = x->g.steps;
    b->white_step = x->g.white_step;
    b->evaluations = (uint64_t)x->rhs.evaluations;
    b->products = (uint64_t)x->rhs.products;
    b->loop = *loop;
    arrays(x, piece + 2);
    h.size = sizeof h + sizeof *b;
    for (int i = 0; i < ARRAYS; i++)
        h.size += b->bytes[i] = piece[2 + i].size;
    enum ap_code code = identify(e, x, b);
    if (code == AP_OK)
        code = ap_runlog_commit(e, &x->recorder.log, &b->log);
    if (code == AP_OK)
        code = ap_io_join(e, path, sizeof path, k->folder, ap_checkpoint_name[k->slot]);
    if (code == AP_OK) {
        struct ap_hash digest = digest_of(h, b, piece + 2);
        h.digest[0] = digest.high;
        h.digest[1] = digest.low;
        piece[0] = (struct ap_io_piece){&h, sizeof h};
        piece[1] = (struct ap_io_piece){b, sizeof *b};
        code = ap_io_write_pieces(e, path, piece, ARRAYS + 2);
    }
    if (code == AP_OK)
        k->slot = !k->slot;
    ap_mem_free(b);
    return code;
}

/* ---- reading --------------------------------------------------------------------------------------- */

/* One file, read. */
struct candidate {
    char *bytes;
    size_t size;
    struct head head;
    const struct body *body;
    struct ap_io_piece array[ARRAYS];
};

/* Finds the parts, and that they are whole. Returns what is wrong, NULL when nothing is. */
static const char *take_apart(struct candidate *c)
{
    if (c->size < sizeof c->head)
        return "it is cut short";
    memcpy(&c->head, c->bytes, sizeof c->head);
    if (memcmp(c->head.magic, MAGIC, sizeof MAGIC) != 0)
        return "it is damaged: it does not begin like a checkpoint";
    if (c->head.order != ORDER)
        return "it is of a machine with another byte order, or damaged";
    if (c->head.version != AP_CHECKPOINT_VERSION)
        return "its format is of another version of apical, or it is damaged";
    if (c->head.size != c->size || c->size < sizeof c->head + sizeof *c->body)
        return "it is cut short";
    c->body = (const void *)(c->bytes + sizeof c->head);
    size_t left = c->size - sizeof c->head - sizeof *c->body;
    for (int i = 0; i < ARRAYS; i++) {
        uint64_t n = c->body->bytes[i];
        if (n > left)
            return "it is damaged: its sizes do not fit";
        c->array[i] = (struct ap_io_piece){c->bytes + (c->size - left), (size_t)n};
        left -= (size_t)n;
    }
    if (left != 0)
        return "it is damaged: its sizes do not fit";
    struct ap_hash digest = digest_of(c->head, c->body, c->array);
    if (digest.high != c->head.digest[0] || digest.low != c->head.digest[1])
        return "it is damaged: its digest does not match";
    return NULL;
}

bool ap_checkpoint_whole(const char *bytes, size_t size)
{
    struct candidate c = {.size = size};
    if (!(c.bytes = ap_mem_array(NULL, size, 1, "checkpoint"))) /* aligned */
        return false;
    memcpy(c.bytes, bytes, size);
    bool whole = take_apart(&c) == NULL;
    ap_mem_free(c.bytes);
    return whole;
}

void ap_checkpoint_seal(char *bytes, size_t size)
{
    struct candidate c = {.bytes = bytes, .size = size};
    take_apart(&c);
    if (!c.body)
        return;
    struct ap_hash digest = digest_of(c.head, c.body, c.array);
    c.head.digest[0] = digest.high;
    c.head.digest[1] = digest.low;
    memcpy(bytes, &c.head, sizeof c.head);
}

/* Whether a whole checkpoint belongs to this run; else adds why not. */
static enum ap_code belongs(struct ap_err *e, const char *path, const struct candidate *c,
                            const struct body *mine, struct ap_sim *x)
{
    const struct body *b = c->body;
    struct ap_io_piece want[ARRAYS];
    arrays(x, want);
    if (memcmp(b->circuit, mine->circuit, sizeof b->circuit) != 0)
        return ap_err_add(e, AP_EIO, NULL, NULL, "%s: it is of another circuit", path);
    if (memcmp(b->data, mine->data, sizeof b->data) != 0)
        return ap_err_add(e, AP_EIO, NULL, NULL, "%s: the circuit's data files have changed since", path);
    for (size_t i = 0, line = 0; i < BUILD; i++) { /* both end in zeros */
        if (b->build[i] == mine->build[i]) {
            line = b->build[i] == '\n' ? i + 1 : line;
            continue;
        }
        return ap_err_add(e, AP_EIO, NULL, "go on with the build that wrote it",
                          "%s: it is of another build: %.*s there, %.*s here", path,
                          (int)strcspn(b->build + line, "\n"), b->build + line,
                          (int)strcspn(mine->build + line, "\n"), mine->build + line);
    }
    const struct ap_spec *s = x->spec;
    bool fits = b->loop.program <= (uint64_t)s->n_program;
    for (int i = 0; i < ARRAYS; i++)
        fits = fits && b->bytes[i] == want[i].size;
    return fits ? AP_OK : ap_err_add(e, AP_EIO, NULL, NULL, "%s: its sizes are of another circuit", path);
}

static void restore(struct ap_sim *x, const struct candidate *c, struct ap_checkpoint_loop *loop,
                    struct ap_runlog_mark *mark)
{
    struct ap_io_piece to[ARRAYS];
    arrays(x, to);
    for (int i = 0; i < ARRAYS; i++)
        if (to[i].size)
            memcpy((void *)(uintptr_t)to[i].data, c->array[i].data, to[i].size);
    x->presentation = c->body->presentation;
    x->time = c->body->time;
    x->g.steps = c->body->steps;
    x->g.white_step = c->body->white_step;
    x->rhs.evaluations = (int64_t)c->body->evaluations;
    x->rhs.products = (int64_t)c->body->products;
    *loop = c->body->loop;
    *mark = c->body->log;
}

/* Reads slot i. AP_OK: c is whole and belongs to this run. *there: such a file exists. */
static enum ap_code examine(struct ap_err *e, const struct ap_checkpoint *k, int i, struct ap_sim *x,
                            const struct body *mine, struct candidate *c, bool *there)
{
    char path[AP_ERR_PATH], log[AP_ERR_PATH];
    AP_TRY(ap_io_join(e, path, sizeof path, k->folder, ap_checkpoint_name[i]));
    AP_TRY(ap_io_join(e, log, sizeof log, k->folder, "run.log"));
    *there = ap_io_exists(path);
    if (!*there)
        return AP_EIO;
    AP_TRY(ap_io_read(e, path, SIZE_MAX / 2, &c->bytes, &c->size));
    const char *wrong = take_apart(c);
    if (wrong)
        return ap_err_add(e, AP_EIO, NULL, NULL, "%s: %s", path, wrong);
    AP_TRY(belongs(e, path, c, mine, x));
    return ap_runlog_check(e, log, &c->body->log);
}

/* One sentence out of what was wrong with a checkpoint. */
static void explain(const struct ap_err *wrong, char note[AP_ERR_TEXT])
{
    snprintf(note, AP_ERR_TEXT, "%s", wrong->n ? wrong->diag[0].text : "");
}

enum ap_code ap_checkpoint_load(struct ap_err *e, struct ap_checkpoint *k, struct ap_sim *x,
                                struct ap_checkpoint_loop *loop, struct ap_runlog_mark *mark, bool *found,
                                char note[AP_ERR_TEXT])
{
    struct candidate c[2] = {{0}};
    enum ap_code code[2] = {AP_EMEMORY, AP_EMEMORY}, all = AP_EMEMORY;
    bool there[2] = {false, false};
    struct ap_err *wrong[2] = {ap_err_create(), ap_err_create()};
    struct body *mine = ap_mem_array(e, 1, sizeof *mine, "checkpoint");
    *note = 0;
    *found = false;
    if (mine && wrong[0] && wrong[1])
        all = identify(e, x, mine);
    for (int i = 0; i < 2 && all == AP_OK; i++) {
        code[i] = examine(wrong[i], k, i, x, mine, &c[i], &there[i]);
        if (code[i] == AP_EMEMORY)
            all =
                ap_err_add(e, AP_EMEMORY, NULL, NULL, "%s", wrong[i]->n ? wrong[i]->diag[0].text : "memory");
    }
    *found = there[0] || there[1];
    int best = code[0] == AP_OK ? 0 : 1;
    if (code[0] == AP_OK && code[1] == AP_OK)
        best = c[1].body->presentation > c[0].body->presentation;
    if (all == AP_OK && *found && code[best] != AP_OK) {
        for (int i = 0; i < 2; i++)
            if (there[i])
                ap_err_add(e, AP_EIO, NULL,
                           *wrong[i]->diag[0].hint ? wrong[i]->diag[0].hint
                                                   : "`apical run --overwrite` starts the run anew",
                           "cannot go on from %s", wrong[i]->diag[0].text);
        all = AP_EIO;
    } else if (all == AP_OK && *found) {
        restore(x, &c[best], loop, mark);
        k->slot = !best;
        if (there[!best] && code[!best] != AP_OK)
            explain(wrong[!best], note);
    }
    for (int i = 0; i < 2; i++) {
        ap_mem_free(c[i].bytes);
        ap_err_free(wrong[i]);
    }
    ap_mem_free(mine);
    return all;
}

enum ap_code ap_checkpoint_remove(struct ap_err *e, const char *folder)
{
    char path[AP_ERR_PATH];
    for (int i = 0; i < 2; i++) {
        AP_TRY(ap_io_join(e, path, sizeof path, folder, ap_checkpoint_name[i]));
        AP_TRY(ap_io_remove(e, path));
    }
    return AP_OK;
}
