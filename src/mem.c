/* mem.c: the one door to memory.
 *
 * In:   sizes and a name for what they hold.
 * Out:  zeroed blocks aligned to 64 bytes (a cache line, the widest vector register).
 * Invariants:
 *   1. No size is computed without an overflow check.
 *   2. Whatever fails here has added AP_EMEMORY with the name and the size to the caller's list.
 * Never: returns uninitialised memory.
 * Test: tests/unit/test_mem.c */
#include "mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* A large page of x86-64: matrices in such pages are read without looking up an address every 4 kB. */
enum { LINE = 64, LARGE = 2 << 20 };

static long fail_countdown;
static bool fail_for_ever;

long ap_mem_fail_at(long nth, bool for_ever)
{
    long before = fail_countdown;
    fail_countdown = nth;
    fail_for_ever = for_ever;
    return before;
}

static bool told_to_fail(void)
{
    if (fail_countdown == 0)
        return false;
    if (fail_countdown > 1) {
        fail_countdown--;
        return false;
    }
    if (!fail_for_ever)
        fail_countdown = 0;
    return true;
}

bool ap_mem_product(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

bool ap_mem_sum(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

/* Whole pages of a block are given back: they come anew, with zeros in them, when they are needed. */
static void give_back(char *block, size_t bytes)
{
    enum { PAGE = 4096 };
    size_t before = (size_t)(-(uintptr_t)block % PAGE);
    size_t pages = bytes > before ? (bytes - before) / PAGE * PAGE : 0;
    if (pages == 0 || madvise(block + before, pages, MADV_DONTNEED) != 0) { /* locked memory stays as it is */
        memset(block, 0, bytes);
        return;
    }
    memset(block, 0, before);
    memset(block + before + pages, 0, bytes - before - pages);
}

static void *take(struct ap_err *e, size_t n, size_t size, const char *what, bool later)
{
    size_t bytes;
    if (!ap_mem_product(n, size, &bytes) || bytes > PTRDIFF_MAX - 128) {
        ap_err_add(e, AP_EMEMORY, NULL, "make the populations smaller",
                   "%s: %zu x %zu bytes exceed what can be addressed", what, n, size);
        return NULL;
    }
    size_t unit = bytes >= LARGE ? LARGE : LINE,
           rounded = bytes > 0 ? (bytes + LINE - 1) / LINE * LINE : LINE;
    void *block = NULL;
    if (told_to_fail() || posix_memalign(&block, unit, rounded) != 0) {
        ap_err_add(e, AP_EMEMORY, NULL, "`apical check --dry-run` shows how much a circuit needs",
                   "no memory for %s (%zu bytes)", what, bytes);
        return NULL;
    }
    if (unit == LARGE) /* a wish; without it pages are small and all else the same */
        (void)madvise(block, rounded, MADV_HUGEPAGE);
    if (later)
        give_back(block, rounded);
    else
        memset(block, 0, rounded);
    return block;
}

void *ap_mem_array(struct ap_err *e, size_t n, size_t size, const char *what)
{
    return take(e, n, size, what, false);
}

void *ap_mem_reserve(struct ap_err *e, size_t n, size_t size, const char *what)
{
    return take(e, n, size, what, true);
}

enum ap_code ap_mem_grow(struct ap_err *e, void **block, size_t n_old, size_t n_new, size_t size,
                         const char *what)
{
    void *larger = ap_mem_array(e, n_new, size, what);
    if (!larger)
        return AP_EMEMORY;
    if (*block)
        memcpy(larger, *block, (n_old < n_new ? n_old : n_new) * size);
    ap_mem_free(*block);
    *block = larger;
    return AP_OK;
}

char *ap_mem_text(struct ap_err *e, const char *text, size_t length)
{
    char *copy = ap_mem_array(e, length + 1, 1, "text");
    if (copy)
        memcpy(copy, text, length);
    return copy;
}

void ap_mem_free(void *block)
{
    free(block);
}

struct ap_arena_chunk {
    struct ap_arena_chunk *next;
    size_t used, size;
    char bytes[];
};

void *ap_mem_arena_take(struct ap_err *e, struct ap_arena *a, size_t n, size_t size)
{
    enum { CHUNK = 16384, ALIGN = 16 };
    size_t bytes, padded;
    if (!ap_mem_product(n, size, &bytes) || !ap_mem_sum(bytes, ALIGN - 1, &padded) ||
        padded > PTRDIFF_MAX / 2) {
        ap_err_add(e, AP_EMEMORY, NULL, NULL, "%zu x %zu bytes exceed what can be addressed", n, size);
        return NULL;
    }
    padded = padded / ALIGN * ALIGN;
    if (!a->chunk || a->chunk->size - a->chunk->used < padded) {
        size_t room = padded > CHUNK ? padded : CHUNK;
        struct ap_arena_chunk *fresh =
            ap_mem_array(e, 1, sizeof *fresh + room + ALIGN, "circuit description");
        if (!fresh)
            return NULL;
        fresh->next = a->chunk;
        fresh->size = room + ALIGN;
        fresh->used = (size_t)(-(uintptr_t)fresh->bytes % ALIGN);
        a->chunk = fresh;
    }
    void *block = a->chunk->bytes + a->chunk->used;
    a->chunk->used += padded;
    return block;
}

char *ap_mem_arena_text(struct ap_err *e, struct ap_arena *a, const char *text, size_t length)
{
    char *copy = ap_mem_arena_take(e, a, length + 1, 1);
    if (copy)
        memcpy(copy, text, length);
    return copy;
}

void ap_mem_arena_adopt(struct ap_arena *a, struct ap_arena *b)
{
    struct ap_arena_chunk **end = &b->chunk;
    while (*end)
        end = &(*end)->next;
    *end = a->chunk;
    a->chunk = b->chunk;
    b->chunk = NULL;
}

void ap_mem_arena_free(struct ap_arena *a)
{
    while (a->chunk) {
        struct ap_arena_chunk *next = a->chunk->next;
        ap_mem_free(a->chunk);
        a->chunk = next;
    }
}
