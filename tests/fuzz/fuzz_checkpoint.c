/* The reader of checkpoints. The first byte says how: bit 0: the bytes are a file, else changes of a good one, {place: two bytes,
 * value} each, behind a new length where bit 2 is set; bit 1: with the digest that is right for them, so that what lies behind
 * the digest is reached. Refused with a reason and nothing restored, or restored. */
#include "fuzz.h"

#include "checkpoint.h"
#include "io.h"
#include "mem.h"

static struct ap_spec *s;
static struct ap_sim x;
static struct ap_checkpoint k;
static char *good;
static size_t n_good;

static void prepare(struct ap_err *e)
{
    char path[128];
    struct ap_checkpoint_loop loop = {0};
    s = ap_spec_parse("fuzz.yaml", FUZZ_CIRCUIT, sizeof FUZZ_CIRCUIT - 1, NULL, 0, e);
    k.folder = fuzz_folder();
    snprintf(path, sizeof path, "%s/run.log", k.folder);
    if (!s || ap_sim_open(e, &x, s) != AP_OK || ap_sim_record(e, &x, path) != AP_OK ||
        ap_sim_present(e, &x, 0, 0) != AP_OK || ap_checkpoint_write(e, &k, &x, &loop) != AP_OK)
        abort();
    snprintf(path, sizeof path, "%s/checkpoint-a", k.folder);
    if (ap_io_read(e, path, 1 << 20, &good, &n_good) != AP_OK)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ap_err *e = fuzz_errors();
    if (!s)
        prepare(e);
    if (size == 0 || size > 1 << 14)
        return 0;
    size_t at = 1, n = *data & 1 ? size - 1 : n_good;
    char *bytes = ap_mem_array(e, n + 65536, 1, "checkpoint"); /* aligned */
    if (*data & 1)
        memcpy(bytes, data + 1, n);
    else {
        memcpy(bytes, good, n_good);
        if (*data & 4 && size >= 3) {
            n = data[1] | (size_t)data[2] << 8;
            at = 3;
        }
        for (; at + 3 <= size; at += 3)
            bytes[data[at] | (size_t)data[at + 1] << 8] = (char)data[at + 2];
    }
    if (*data & 2)
        ap_checkpoint_seal(bytes, n);
    fuzz_write("checkpoint-a", bytes, n);
    ap_mem_free(bytes);
    struct ap_hash before = ap_sim_digest(&x);
    struct ap_checkpoint_loop loop;
    struct ap_runlog_mark mark;
    bool found;
    char note[AP_ERR_TEXT];
    if (ap_checkpoint_load(e, &k, &x, &loop, &mark, &found, note) != AP_OK) {
        fuzz_refused(e);
        struct ap_hash after = ap_sim_digest(&x);
        if (after.high != before.high || after.low != before.low)
            abort();
    } else if (loop.program > (uint64_t)s->n_program)
        abort();
    return 0;
}
