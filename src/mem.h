/* mem.h: the one door to memory. Sizes are multiplied with overflow checks; all blocks are zeroed and
 * aligned to 64 bytes. A failed allocation adds AP_EMEMORY to e and returns NULL. */
#ifndef AP_MEM_H
#define AP_MEM_H

#include "err.h"

#include <stddef.h>
#include <stdint.h>

/* n objects of `size` bytes, zeroed. n = 0 gives a valid pointer. `what` names them in the message. */
void *ap_mem_array(struct ap_err *e, size_t n, size_t size, const char *what);
/* The same for what may never be used in full: it takes no memory before it is written to. */
void *ap_mem_reserve(struct ap_err *e, size_t n, size_t size, const char *what);

/* Grows *block from n_old to n_new objects, new ones zeroed; *block is unchanged when it fails. */
enum ap_code ap_mem_grow(struct ap_err *e, void **block, size_t n_old, size_t n_new, size_t size,
                         const char *what);

char *ap_mem_text(struct ap_err *e, const char *text, size_t length);
void ap_mem_free(void *block);

/* An arena: many small objects with one life. ap_mem_arena_take returns zeroed memory or NULL (AP_EMEMORY). */
struct ap_arena {
    struct ap_arena_chunk *chunk;
};
void *ap_mem_arena_take(struct ap_err *e, struct ap_arena *a, size_t n, size_t size);
char *ap_mem_arena_text(struct ap_err *e, struct ap_arena *a, const char *text, size_t length);
/* Moves all of b's memory into a. */
void ap_mem_arena_adopt(struct ap_arena *a, struct ap_arena *b);
void ap_mem_arena_free(struct ap_arena *a);

/* a*b and a+b in size_t; false when the true value does not fit. */
bool ap_mem_product(size_t a, size_t b, size_t *out);
bool ap_mem_sum(size_t a, size_t b, size_t *out);

/* Tests only: the nth allocation from now fails (0: none), once or for ever after. Returns how far away the failure was
 * that an earlier call had asked for; 0: there was none, or it has happened. */
long ap_mem_fail_at(long nth, bool for_ever);

#endif
