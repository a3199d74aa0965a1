/* idx.c: reader of IDX files.
 *
 * In:   a path, and the place of the circuit file that names it.
 * Out:  dimensions and bytes, or one diagnostic with file, field, value found, value expected, and the place.
 * Invariants:
 *   1. Nothing of the file is believed before it is checked against the number of bytes that are there.
 *   2. Memory taken is the file's size, whatever the header claims.
 *   3. An open struct ap_idx has size = product of its dimensions >= 1, all of them within bytes.
 * Never: unpacks, converts types, writes.
 * Test: tests/unit/test_idx.c */
#include "idx.h"
#include "io.h"
#include "mem.h"

#include <string.h>

static const size_t LIMIT = (size_t)1 << 30; /* 20 times MNIST; larger sets do not fit this simulator's use */

static const struct {
    unsigned char code;
    const char *name;
} types[] = {{0x08, "unsigned byte"},  {0x09, "signed byte"}, {0x0b, "16-bit integer"},
             {0x0c, "32-bit integer"}, {0x0d, "float"},       {0x0e, "double"}};

static const char *type_name(unsigned char code)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].code == code)
            return types[i].name;
    return "unknown";
}

static uint32_t big_endian(const unsigned char *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Checks the header against n bytes that are there and fills x. */
static enum ap_code parse(struct ap_err *e, const struct ap_place *at, const unsigned char *b, size_t n,
                          struct ap_idx *x)
{
    const char *path = x->path;
    if (n >= 2 && b[0] == 0x1f && b[1] == 0x8b)
        return ap_err_add(e, AP_EIO, at, "unpack it first: gunzip -k FILE.gz, then name the unpacked file",
                          "%s: compressed with gzip (first bytes 1f 8b), expected an IDX file (00 00 08)",
                          path);
    if (n < 4)
        return ap_err_add(e, AP_EIO, at, NULL, "%s: header: found %zu bytes, expected at least 4", path, n);
    if (b[0] != 0 || b[1] != 0)
        return ap_err_add(e, AP_EIO, at, "is it an IDX file, such as those of MNIST?",
                          "%s: magic number: found %02x %02x, expected 00 00", path, b[0], b[1]);
    if (b[2] != 0x08)
        return ap_err_add(e, AP_EIO, at, "convert the data to unsigned bytes",
                          "%s: type of data: found 0x%02x (%s), expected 0x08 (unsigned byte)", path, b[2],
                          type_name(b[2]));
    if (b[3] < 1 || b[3] > AP_IDX_DIMS)
        return ap_err_add(e, AP_EIO, at, NULL, "%s: number of dimensions: found %u, expected 1 to %d", path,
                          b[3], AP_IDX_DIMS);
    size_t header = 4 + 4 * (size_t)b[3];
    if (n < header)
        return ap_err_add(e, AP_EIO, at, "the file is cut off: fetch it again",
                          "%s: header of %u dimensions: found %zu bytes, expected %zu", path, b[3], n,
                          header);
    size_t size = 1;
    for (int d = 0; d < AP_IDX_DIMS; d++) {
        x->dim[d] = d < b[3] ? big_endian(b + 4 + 4 * d) : 1;
        if (x->dim[d] == 0)
            return ap_err_add(e, AP_EIO, at, NULL, "%s: dimension %d: found 0, expected at least 1", path,
                              d + 1);
        if (!ap_mem_product(size, x->dim[d], &size))
            return ap_err_add(
                e, AP_EIO, at, NULL,
                "%s: dimension %d: found %zu, with which the product exceeds what can be addressed", path,
                d + 1, x->dim[d]);
    }
    if (n - header != size)
        return ap_err_add(e, AP_EIO, at,
                          n - header < size
                              ? "the file is cut off: fetch it again"
                              : "something follows the data: was a download appended to the file?",
                          "%s: data: found %zu bytes, expected %zu (the product of the dimensions)", path,
                          n - header, size);
    x->n_dims = b[3];
    x->size = size;
    x->value = b + header;
    return AP_OK;
}

enum ap_code ap_idx_open(struct ap_err *e, const struct ap_place *at, const char *path, struct ap_idx *x)
{
    memset(x, 0, sizeof *x);
    if (strlen(path) >= sizeof x->path)
        return ap_err_add(e, AP_EIO, at, "choose a shorter path", "%.60s...: the path is too long", path);
    memcpy(x->path, path, strlen(path) + 1);
    size_t n;
    int before = e ? e->n : 0;
    enum ap_code code = ap_io_read(e, path, LIMIT, &x->bytes, &n);
    if (code == AP_OK)
        code = parse(e, at, (const unsigned char *)x->bytes, n, x);
    if (code != AP_OK) {
        /* io.c knows no circuit file: say where the file was named */
        for (int i = before; at && e && i < e->n; i++)
            if (e->diag[i].line == 0) {
                snprintf(e->diag[i].file, sizeof e->diag[i].file, "%s", at->file ? at->file : "");
                e->diag[i].line = at->line;
                e->diag[i].col = at->col;
                if (!*e->diag[i].hint)
                    snprintf(e->diag[i].hint, sizeof e->diag[i].hint,
                             "paths count from the folder of the circuit file; `make data` fetches MNIST");
            }
        ap_idx_close(x);
    }
    return code;
}

void ap_idx_close(struct ap_idx *x)
{
    ap_mem_free(x->bytes);
    memset(x, 0, sizeof *x);
}

static enum ap_code check_dims(struct ap_err *e, const struct ap_place *at, const struct ap_idx *x,
                               int wanted, const char *what, const char *hint)
{
    if (x->n_dims == wanted)
        return AP_OK;
    return ap_err_add(e, AP_EIO, at, hint, "%s: number of dimensions: found %d, expected %d (%s)", x->path,
                      x->n_dims, wanted, what);
}

enum ap_code ap_idx_images(struct ap_err *e, const struct ap_place *at, const struct ap_idx *x,
                           struct ap_idx_images *images)
{
    AP_TRY(check_dims(e, at, x, 3, "images: number, rows, columns", "have images and labels been swapped?"));
    *images = (struct ap_idx_images){.n = x->dim[0], .rows = x->dim[1], .cols = x->dim[2], .pixel = x->value};
    return AP_OK;
}

enum ap_code ap_idx_labels(struct ap_err *e, const struct ap_place *at, const struct ap_idx *x,
                           unsigned classes, struct ap_idx_labels *labels)
{
    AP_TRY(check_dims(e, at, x, 1, "labels", "have images and labels been swapped?"));
    unsigned max = 0;
    for (size_t i = 0; i < x->size; i++) {
        if (classes && x->value[i] >= classes)
            return ap_err_add(e, AP_EIO, at, "is the number of classes right?",
                              "%s: label %zu: found %u, expected 0 to %u", x->path, i, x->value[i],
                              classes - 1);
        max = x->value[i] > max ? x->value[i] : max;
    }
    *labels = (struct ap_idx_labels){.n = x->dim[0], .max = max, .label = x->value};
    return AP_OK;
}
