/* text.h: text that grows. A failure is remembered, so that a writer checks once, at the end. */
#ifndef AP_TEXT_H
#define AP_TEXT_H

#include "mem.h"

struct ap_text {
    struct ap_err *e;
    char *bytes; /* ends in a zero byte; NULL while empty; freed with ap_mem_free */
    size_t used, size;
    enum ap_code code; /* AP_EMEMORY once something did not fit */
};

void ap_text_put(struct ap_text *x, const char *s);
void ap_text_add(struct ap_text *x, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The finished text, or NULL (and nothing to free) after a failure. */
char *ap_text_take(struct ap_text *x);

#endif
