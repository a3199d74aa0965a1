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

/* Copies text into out[size], writing control bytes as \xNN; cuts at the end without splitting UTF-8. */
static void copy_escaped(char *out, size_t size, const char *text)
{
    size_t used = 0;
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        char piece[8];
        bool c1 = c[0] == 0xC2 && c[1] >= 0x80 && c[1] <= 0x9f; /* U+0080 to U+009F: control characters too */
        if (*c < 0x20 || *c == 0x7f || c1) {
            c += c1;
            snprintf(piece, sizeof piece, "\\x%02x", *c);
        } else {
            piece[0] = (char)*c;
            piece[1] = 0;
        }
        size_t length = strlen(piece);
        if (used + length + 4 > size) { /* room for a whole character more and the ellipsis */
            if ((*c & 0xC0) == 0x80)
                while (used > 0 && ((unsigned char)out[used - 1] & 0xC0) == 0x80)
                    used--;
            if (used > 0 && ((unsigned char)out[used - 1] & 0xC0) == 0xC0)
                used--;
            memcpy(out + used, "...", 3);
            used += 3;
            break;
        }
        memcpy(out + used, piece, length);
        used += length;
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
    char raw[AP_ERR_TEXT];
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

/* Damerau-Levenshtein distance of two short words, capped at 31 characters each. */
static int edit_distance(const char *a, const char *b)
{
    enum { LIMIT = 31 };
    int n = (int)strnlen(a, LIMIT), m = (int)strnlen(b, LIMIT);
    int d[LIMIT + 1][LIMIT + 1];
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
    int best_distance = (int)strlen(word) / 3 + 1;
    for (size_t i = 0; i < n; i++) {
        int distance = edit_distance(word, candidates[i]);
        if (distance <= best_distance && (!best || distance < best_distance)) {
            best = candidates[i];
            best_distance = distance;
        }
    }
    return best;
}
