/* The reader of run.log. The first byte says how: odd: the bytes as they are; even: pieces {type, size of head, size of body,
 * bytes} behind a circuit, each made a block with the digest that is right for it, so that what lies behind digests is reached.
 * Refused with a reason, or everything that it holds can be read. */
#include "fuzz.h"

#include "hash.h"
#include "mem.h"
#include "runlog.h"

static char bytes[1 << 17];
static size_t used;

static void add(const void *data, size_t size)
{
    memcpy(bytes + used, data, size);
    used += size;
}

static void add_block(uint32_t type, const void *head, size_t n_head, const void *body, size_t n_body)
{
    const struct {
        uint32_t magic, type;
        uint64_t length;
    } h = {0x31304C41, type, n_head + n_body};
    const uint64_t sizes[2] = {n_head, n_body};
    struct ap_hash digest = {0};
    ap_hash_add(&digest, &h, sizeof h);
    ap_hash_add(&digest, head, n_head);
    ap_hash_add(&digest, body, n_body);
    const uint64_t pair[2] = {digest.high, digest.low};
    add(&h, sizeof h);
    add(sizes, sizeof sizes);
    add(head, n_head);
    add(body, n_body);
    add("\0\0\0\0\0\0\0", (8 - h.length % 8) % 8);
    add(pair, sizeof pair);
}

static void look_at(const struct ap_run *run)
{
    volatile double sum = 0;
    const struct ap_spec *s = run->spec;
    for (size_t i = 0; i < run->n_presented; i++)
        for (size_t k = 0; k < ap_runlog_column(s, s->n_probe); k++)
            sum += run->probes[i][k] + s->block[run->presented[i]->block].duration;
    for (size_t i = 0; i < run->n_frames; i++) {
        for (size_t k = 0; k < run->frames[i]->n_frames * run->frames[i]->n_values; k++)
            sum += run->values[i][k];
        sum += run->presented[run->frames[i]->presentation]->start + s->report[run->frames[i]->report].every;
    }
    for (size_t i = 0; i < run->n_snapshot; i++)
        for (size_t k = 0; k < run->snapshot[i]->rows * run->snapshot[i]->cols; k++)
            sum += run->weights[i][k];
    for (int p = 0; p < s->n_proj; p++)
        ap_runlog_weights(run, "final", p);
    if (run->end)
        sum += (double)run->end->steps;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 1 << 14)
        return 0;
    used = 0;
    if (*data % 2)
        add(data + 1, size - 1);
    else {
        add_block(1, FUZZ_CIRCUIT, sizeof FUZZ_CIRCUIT - 1, "", 0);
        for (size_t at = 1; at + 3 <= size;) {
            size_t n_head = data[at + 1], n_body = data[at + 2] * 8u, left = size - at - 3;
            n_head = n_head < left ? n_head : left;
            n_body = n_body < left - n_head ? n_body : left - n_head;
            if (used + n_head + n_body + 100 > sizeof bytes)
                break;
            add_block(data[at], data + at + 3, n_head, data + at + 3 + n_head, n_body);
            at += 3 + n_head + n_body;
        }
    }
    fuzz_write("run.log", bytes, used);
    struct ap_err *e = fuzz_errors();
    struct ap_run run;
    if (ap_runlog_read(e, &run, fuzz_folder()) == AP_OK)
        look_at(&run);
    else
        fuzz_refused(e);
    ap_runlog_free(&run);
    return 0;
}
