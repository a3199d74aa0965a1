/* pngout.c: the only file that knows libpng.
 *
 * In:   RGB8 pixels, texts.
 * Out:  a PNG file, or AP_EINTERNAL, AP_EMEMORY, AP_EIO.
 * Invariants:
 *   1. setjmp is called in one function, `encode`; what it must see after a jump lives in struct job, which
 *      that function does not own.
 *   2. No time chunk and fixed compression settings: the same pixels and texts give the same bytes with the
 *      same zlib.
 *   3. Chunk texts hold no control characters.
 * Never: leaves half a file behind; lets libpng print.
 * Test: tests/unit/test_plot.c */
#include "pngout.h"
#include "io.h"
#include "mem.h"

#include <png.h>
#include <setjmp.h>
#include <string.h>

struct job {
    struct ap_err *e;
    const uint8_t *rgb;
    int width, height;
    png_text *chunks; /* [n_chunks] */
    int n_chunks;
    void *data; /* [capacity], size of them written */
    size_t size, capacity;
    enum ap_code code; /* of the first failure */
};

static void on_error(png_structp png, png_const_charp message)
{
    struct job *job = png_get_error_ptr(png);
    if (job->code == AP_OK)
        job->code = ap_err_add(job->e, AP_EINTERNAL, NULL, NULL, "libpng: %s", message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void on_bytes(png_structp png, png_bytep bytes, size_t n)
{
    struct job *job = png_get_io_ptr(png);
    size_t needed;
    if (!ap_mem_sum(job->size, n, &needed))
        png_error(png, "the image is too large");
    if (needed > job->capacity) {
        size_t larger = job->capacity * 2 > needed ? job->capacity * 2 : needed + 65536;
        job->code = ap_mem_grow(job->e, &job->data, job->capacity, larger, 1, "PNG image");
        if (job->code != AP_OK)
            png_error(png, "out of memory");
        job->capacity = larger;
    }
    memcpy((char *)job->data + job->size, bytes, n);
    job->size = needed;
}

static void on_flush(png_structp png)
{
    (void)png;
}

static enum ap_code encode(struct job *job)
{
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, job, on_error, on_warning);
    if (!png)
        return job->code != AP_OK ? job->code
                                  : ap_err_add(job->e, AP_EMEMORY, NULL, NULL, "libpng: cannot start");
    png_infop info = png_create_info_struct(png);
    if (!info) {
        png_destroy_write_struct(&png, NULL);
        return ap_err_add(job->e, AP_EMEMORY, NULL, NULL, "libpng: cannot start");
    }
    if (setjmp(png_jmpbuf(png))) { /* png and info are not changed after this line */
        png_destroy_write_struct(&png, &info);
        return job->code != AP_OK ? job->code : AP_EINTERNAL;
    }
    png_set_write_fn(png, job, on_bytes, on_flush);
    png_set_IHDR(png, info, (png_uint_32)job->width, (png_uint_32)job->height, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_compression_level(png, 6);
    png_set_filter(png, 0, PNG_FILTER_NONE | PNG_FILTER_SUB | PNG_FILTER_UP);
    if (job->n_chunks)
        png_set_text(png, info, job->chunks, job->n_chunks);
    png_write_info(png, info);
    for (int y = 0; y < job->height; y++)
        png_write_row(png, job->rgb + (size_t)y * (size_t)job->width * 3);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    return AP_OK;
}

/* Copies `text` with control characters replaced; *ascii tells whether it needs no UTF-8. */
static char *clean_copy(struct ap_err *e, const char *text, bool *ascii)
{
    char *copy = ap_mem_text(e, text, strlen(text));
    *ascii = true;
    for (char *c = copy; copy && *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
        *ascii &= (unsigned char)*c < 0x80;
    }
    return copy;
}

static enum ap_code prepare_chunks(struct job *job, const struct ap_pngout_text *texts, size_t n)
{
    if (n == 0)
        return AP_OK;
    job->chunks = ap_mem_array(job->e, n, sizeof *job->chunks, "PNG texts");
    if (!job->chunks)
        return AP_EMEMORY;
    for (size_t i = 0; i < n; i++) {
        const char *key = texts[i].key ? texts[i].key : "";
        size_t length = strlen(key);
        bool good = length >= 1 && length <= 79 && key[0] != ' ' && key[length - 1] != ' ';
        for (const char *c = key; *c; c++)
            good &= *c >= 0x20 && *c < 0x7f;
        if (!good)
            return ap_err_add(job->e, AP_EINTERNAL, NULL, NULL, "PNG text key '%s' is not allowed", key);
        png_text *chunk = &job->chunks[job->n_chunks];
        bool ascii;
        chunk->text = clean_copy(job->e, texts[i].value ? texts[i].value : "", &ascii);
        if (!chunk->text)
            return AP_EMEMORY;
        job->n_chunks++; /* from here on its text is freed */
        chunk->key = (char *)(uintptr_t)key;
        chunk->compression = ascii ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE;
        chunk->text_length = ascii ? strlen(chunk->text) : 0;
        chunk->itxt_length = ascii ? 0 : strlen(chunk->text);
    }
    return AP_OK;
}

enum ap_code ap_pngout_encode(struct ap_err *e, const uint8_t *rgb, int width, int height,
                              const struct ap_pngout_text *texts, size_t n_texts, char **data, size_t *size)
{
    *data = NULL;
    *size = 0;
    if (width < 1 || height < 1 || width > AP_PNGOUT_SIDE_MAX || height > AP_PNGOUT_SIDE_MAX ||
        n_texts > 1000)
        return ap_err_add(e, AP_EINTERNAL, NULL, NULL, "an image of %d x %d pixels cannot be written", width,
                          height);
    struct job job = {.e = e, .rgb = rgb, .width = width, .height = height};
    enum ap_code code = prepare_chunks(&job, texts, n_texts);
    if (code == AP_OK)
        code = encode(&job);
    for (int i = 0; i < job.n_chunks; i++)
        ap_mem_free(job.chunks[i].text);
    ap_mem_free(job.chunks);
    if (code != AP_OK) {
        ap_mem_free(job.data);
        return code;
    }
    *data = job.data;
    *size = job.size;
    return AP_OK;
}

enum ap_code ap_pngout_write(struct ap_err *e, const char *path, const uint8_t *rgb, int width, int height,
                             const struct ap_pngout_text *texts, size_t n_texts)
{
    char *data;
    size_t size;
    AP_TRY(ap_pngout_encode(e, rgb, width, height, texts, n_texts, &data, &size));
    enum ap_code code = ap_io_write(e, path, data, size);
    ap_mem_free(data);
    return code;
}
