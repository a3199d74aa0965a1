/* text.c: text that grows.
 *
 * In:   pieces of text.
 * Out:  one zero-ended string.
 * Invariants:
 *   1. After a failure nothing is added and `code` says so.
 * Never: cuts a piece that was put; a formatted piece holds 1023 bytes at most.
 * Test: tests/unit/test_mem.c */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void ap_text_put(struct ap_text *x, const char *s)
{
    size_t n = strlen(s);
    if (x->code == AP_OK && x->used + n + 1 > x->size) {
        void *block = x->bytes;
        size_t size = 2 * x->size + n + 256;
        x->code = ap_mem_grow(x->e, &block, x->used, size, 1, "text");
        if (x->code == AP_OK) {
            x->bytes = block;
            x->size = size;
        }
    }
    if (x->code != AP_OK)
        return;
    memcpy(x->bytes + x->used, s, n + 1);
    x->used += n;
}

void ap_text_add(struct ap_text *x, const char *format, ...)
{
    char piece[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(piece, sizeof piece, format, args);
    va_end(args);
    ap_text_put(x, piece);
}

char *ap_text_take(struct ap_text *x)
{
    if (x->code == AP_OK)
        return x->bytes;
    ap_mem_free(x->bytes);
    x->bytes = NULL;
    return NULL;
}
