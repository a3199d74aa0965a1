/* err.c: a list of diagnostics with places and hints.
 *
 * In:   codes, places and printf-style texts from every other file.
 * Out:  struct ap_err, read by the callers of the public header.
 * Invariants:
 *   1. Adding a diagnostic allocates nothing and cannot fail.
 *   2. Texts hold no control characters: what a file says cannot drive a terminal.
 *   3. n <= AP_ERR_MAX; n + dropped is the number of diagnostics ever added.
 * Never: prints, exits.
 * Test: tests/unit/test_err.c */
#include "err.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Length of the UTF-8 character at c, *point its code; 0 when the bytes there are none. */
static size_t utf8_length(const unsigned char *c, unsigned *point)
{
    size_t n = *c < 0x80                 ? 1
               : *c >= 0xC2 && *c < 0xE0 ? 2
               : *c >= 0xE0 && *c < 0xF0 ? 3
               : *c >= 0xF0 && *c < 0xF5 ? 4
                                         : 0;
    if (n == 0)
        return 0;
    *point = n == 1 ? *c : *c & (0xFFu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((c[i] & 0xC0) != 0x80)
            return 0;
        *point = *point << 6 | (c[i] & 0x3Fu);
    }
    static const unsigned LEAST[] = {0, 0, 0x80, 0x800, 0x10000};
    return *point < LEAST[n] || *point > 0x10FFFF || (*point >= 0xD800 && *point < 0xE000) ? 0 : n;
}

/* Copies text into out[size], writing the bytes of control characters (C0, C1, delete) and what is no UTF-8 as \xNN;
 * a text that does not fit ends in "...", never within a character. */
static void copy_escaped(char *out, size_t size, const char *text)
{
    size_t used = 0, safe = 0; /* safe: what may stay when an ellipsis must follow */
    for (const unsigned char *c = (const unsigned char *)text; *c;) {
        unsigned point = 0;
        size_t length = utf8_length(c, &point);
        bool shown = length > 0 && point >= 0x20 && !(point >= 0x7f && point < 0xA0);
        size_t bytes = length ? length : 1, room = shown ? bytes : 4 * bytes;
        if (used + room + 1 > size) {
            memcpy(out + safe, "...", 3);
            used = safe + 3;
            break;
        }
        if (shown)
            memcpy(out + used, c, bytes);
        for (size_t i = 0; !shown && i < bytes; i++) {
            static const char HEX[] = "0123456789abcdef";
            const char piece[4] = {'\\', 'x', HEX[c[i] >> 4], HEX[c[i] & 15]};
            memcpy(out + used + 4 * i, piece, 4);
        }
        used += room;
        c += bytes;
        if (used + 4 <= size)
            safe = used;
    }
    out[used] = 0;
}

enum ap_code ap_err_add(struct ap_err *e, enum ap_code code, const struct ap_place *at, const char *hint,
                        const char *format, ...)
{
    if (!e)
        return code;
    if (e->n == AP_ERR_MAX) {
        e->dropped++;
        return code;
    }
    struct ap_diag *d = &e->diag[e->n++];
    memset(d, 0, sizeof *d);
    d->code = code;
    if (at) {
        copy_escaped(d->file, sizeof d->file, at->file ? at->file : "");
        d->line = at->line;
        d->col = at->col;
    }
    char raw[AP_ERR_TEXT + 8]; /* longer than what is kept, so that copy_escaped sees that it was cut */
    va_list args;
    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    copy_escaped(d->text, sizeof d->text, raw);
    copy_escaped(d->hint, sizeof d->hint, hint ? hint : "");
    return code;
}

struct ap_err *ap_err_create(void)
{
    return calloc(1, sizeof(struct ap_err)); /* not through mem.c: it must outlive an injected failure */
}

void ap_err_free(struct ap_err *e)
{
    free(e);
}

int ap_err_count(const struct ap_err *e)
{
    return e->n;
}

int ap_err_dropped(const struct ap_err *e)
{
    return e->dropped;
}

enum ap_code ap_err_code(const struct ap_err *e)
{
    return e->n ? e->diag[0].code : AP_OK;
}

enum ap_code ap_err_code_at(const struct ap_err *e, int i)
{
    return i >= 0 && i < e->n ? e->diag[i].code : AP_OK;
}

const char *ap_err_message(const struct ap_err *e, int i)
{
    return i >= 0 && i < e->n ? e->diag[i].text : "";
}

const char *ap_err_hint(const struct ap_err *e, int i)
{
    return i >= 0 && i < e->n ? e->diag[i].hint : "";
}

const char *ap_err_place(const struct ap_err *e, int i, int *line, int *col)
{
    if (i < 0 || i >= e->n) {
        *line = *col = 0;
        return "";
    }
    *line = e->diag[i].line;
    *col = e->diag[i].col;
    return e->diag[i].file;
}

enum { EDIT_LIMIT = 31 };

/* Damerau-Levenshtein distance of two short words, capped at 31 characters each. */
static int edit_distance(const char *a, const char *b)
{
    int n = (int)strnlen(a, EDIT_LIMIT), m = (int)strnlen(b, EDIT_LIMIT);
    int d[EDIT_LIMIT + 1][EDIT_LIMIT + 1];
    for (int i = 0; i <= n; i++)
        d[i][0] = i;
    for (int j = 0; j <= m; j++)
        d[0][j] = j;
    for (int i = 1; i <= n; i++)
        for (int j = 1; j <= m; j++) {
            int best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (d[i - 1][j] + 1 < best)
                best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best)
                best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    return d[n][m];
}

const char *ap_err_nearest(const char *word, const char *const *candidates, size_t n)
{
    const char *best = NULL;
    int best_distance = (int)strnlen(word, EDIT_LIMIT) / 3 + 1;
    for (size_t i = 0; i < n; i++) {
        int distance = edit_distance(word, candidates[i]);
        if (distance <= best_distance && (!best || distance < best_distance)) {
            best = candidates[i];
            best_distance = distance;
        }
    }
    return best;
}
