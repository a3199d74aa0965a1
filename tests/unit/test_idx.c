/* Good files of 1 to 4 dimensions, and bad ones: each must be refused with the file, what was found and what
 * was expected, and the line of the circuit file that names it. */
#include "idx.h"
#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = P_tmpdir "/test_idx_XXXXXX";
static char path[64];
static struct ap_err *e;
static const struct ap_place at = {"digits.yaml", 12, 5};

static int set_up(void **unused)
{
    (void)unused;
    e = ap_err_create();
    return !e || !mkdtemp(folder) || snprintf(path, sizeof path, "%s/data.idx", folder) < 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    ap_err_free(e);
    unlink(path);
    return rmdir(folder);
}

static void write_file(const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* The file of n bytes is refused; message and hint hold all of the words. */
static void refused(const void *bytes, size_t n, const char *found, const char *expected, const char *hint)
{
    write_file(bytes, n);
    struct ap_idx x;
    e->n = 0;
    assert_int_equal(ap_idx_open(e, &at, path, &x), AP_EIO);
    assert_int_equal(e->n, 1);
    const char *text = e->diag[0].text;
    if (!strstr(text, path) || !strstr(text, found) || !strstr(text, expected) ||
        !strstr(e->diag[0].hint, hint))
        fail_msg("%s (%s): lacks %s, %s or %s", text, e->diag[0].hint, found, expected, hint);
    assert_string_equal(e->diag[0].file, "digits.yaml");
    assert_int_equal(e->diag[0].line, 12);
    assert_int_equal(e->diag[0].col, 5);
    assert_null(x.bytes);
    ap_idx_close(&x);
}

#define REFUSED(text, found, expected, hint) refused(text, sizeof text - 1, found, expected, hint)

static void test_bad_files_are_refused(void **unused)
{
    (void)unused;
    REFUSED("", "found 0 bytes", "at least 4", "");
    REFUSED("\0", "found 1 bytes", "at least 4", "");
    REFUSED("\0\0\10", "found 3 bytes", "at least 4", "");
    REFUSED("\x1f\x8b\x08\0\0\0", "1f 8b", "IDX", "gunzip");
    REFUSED("\x1f\x8b", "1f 8b", "IDX", "gunzip");
    REFUSED("\1\0\10\1\0\0\0\1x", "found 01 00", "expected 00 00", "IDX");
    REFUSED("\0\1\10\1\0\0\0\1x", "found 00 01", "expected 00 00", "IDX");
    REFUSED("\x89PNG\r\n\x1a\n", "found 89 50", "expected 00 00", "");
    REFUSED("label,pixel\n", "magic number: found 6c 61", "00 00", "");
    REFUSED("\0\0\0\1\0\0\0\1x", "found 0x00 (unknown)", "0x08", "unsigned");
    REFUSED("\0\0\11\1\0\0\0\1x", "found 0x09 (signed byte)", "0x08", "");
    REFUSED("\0\0\13\1\0\0\0\1xx", "found 0x0b (16-bit", "0x08", "");
    REFUSED("\0\0\14\1\0\0\0\1xxxx", "found 0x0c (32-bit", "0x08", "");
    REFUSED("\0\0\15\1\0\0\0\1xxxx", "found 0x0d (float)", "0x08", "");
    REFUSED("\0\0\16\1\0\0\0\1xxxxxxxx", "found 0x0e (double)", "0x08", "");
    REFUSED("\0\0\10\0", "dimensions: found 0", "1 to 4", "");
    REFUSED("\0\0\10\5\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1x", "dimensions: found 5", "1 to 4", "");
    REFUSED("\0\0\10\377", "dimensions: found 255", "1 to 4", "");
    REFUSED("\0\0\10\1", "found 4 bytes", "expected 8", "cut off");
    REFUSED("\0\0\10\1\0\0\0", "found 7 bytes", "expected 8", "cut off");
    REFUSED("\0\0\10\3\0\0\0\1\0\0\0\1", "found 12 bytes", "expected 16", "cut off");
    REFUSED("\0\0\10\1\0\0\0\0", "dimension 1: found 0", "at least 1", "");
    REFUSED("\0\0\10\3\0\0\0\2\0\0\0\0\0\0\0\2", "dimension 2: found 0", "at least 1", "");
    REFUSED("\0\0\10\3\0\0\0\2\0\0\0\2\0\0\0\0", "dimension 3: found 0", "at least 1", "");
    REFUSED("\0\0\10\1\0\0\0\3ab", "found 2 bytes", "expected 3", "cut off");
    REFUSED("\0\0\10\1\0\0\0\3", "found 0 bytes", "expected 3", "cut off");
    REFUSED("\0\0\10\1\0\0\0\3abcd", "found 4 bytes", "expected 3", "follows");
    REFUSED("\0\0\10\3\0\0\0\2\0\0\0\2\0\0\0\2abcdefg", "found 7 bytes", "expected 8", "cut off");
    REFUSED("\0\0\10\1\377\377\377\377x", "found 1 bytes", "expected 4294967295", "cut off");
    /* a little-endian header, the usual mistake of a home-made file */
    REFUSED("\0\0\10\1\2\0\0\0ab", "found 2 bytes", "expected 33554432", "");
    /* 2^32-1 cubed, and 2^16 to the fourth: the product wraps round, the second to 0 */
    REFUSED("\0\0\10\3\377\377\377\377\377\377\377\377\377\377\377\377x", "dimension 3: found 4294967295",
            "product", "");
    REFUSED("\0\0\10\4\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0", "dimension 4: found 65536", "product", "");
}

static void test_files_that_cannot_be_read(void **unused)
{
    (void)unused;
    struct ap_idx x;
    unlink(path);
    e->n = 0;
    assert_int_equal(ap_idx_open(e, &at, path, &x), AP_EIO);
    assert_non_null(strstr(e->diag[0].text, "No such file"));
    assert_int_equal(e->diag[0].line, 12);
    assert_string_equal(e->diag[0].file, "digits.yaml");
    e->n = 0;
    assert_int_equal(ap_idx_open(e, &at, folder, &x), AP_EIO);
    assert_non_null(strstr(e->diag[0].text, "not a regular file"));
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(ap_idx_open(e, &at, path, &x), AP_EIO);
    unlink(path);
    char longer[1000];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    assert_int_equal(ap_idx_open(e, &at, longer, &x), AP_EIO);
    write_file("", 0); /* 3 GiB without a byte on the disk */
    assert_int_equal(truncate(path, 3LL << 30), 0);
    e->n = 0;
    assert_int_equal(ap_idx_open(e, &at, path, &x), AP_EIO);
    assert_non_null(strstr(e->diag[0].text, "limit"));
    write_file("\0\0\10\1\0\0\0\1a", 9);
    ap_mem_fail_at(1, false);
    assert_int_equal(ap_idx_open(e, &at, path, &x), AP_EMEMORY);
    ap_mem_fail_at(0, false);
    assert_int_equal(ap_idx_open(NULL, NULL, folder, &x), AP_EIO); /* nobody listens, no place */
}

static void test_images(void **unused)
{
    (void)unused;
    write_file("\0\0\10\3\0\0\0\2\0\0\0\2\0\0\0\3abcdefABCDEF", 28);
    struct ap_idx x;
    struct ap_idx_images images;
    struct ap_idx_labels labels;
    e->n = 0;
    assert_int_equal(ap_idx_open(e, &at, path, &x), AP_OK);
    assert_int_equal(ap_idx_images(e, &at, &x, &images), AP_OK);
    assert_true(images.n == 2 && images.rows == 2 && images.cols == 3);
    assert_memory_equal(images.pixel, "abcdefABCDEF", 12);
    assert_int_equal(e->n, 0);
    assert_int_equal(ap_idx_labels(e, &at, &x, 10, &labels), AP_EIO);
    assert_non_null(strstr(e->diag[0].text, "found 3, expected 1"));
    assert_int_equal(e->diag[0].line, 12);
    ap_idx_close(&x);
    ap_idx_close(&x);
}

static void test_labels(void **unused)
{
    (void)unused;
    write_file("\0\0\10\1\0\0\0\4\3\11\0\7", 12);
    struct ap_idx x;
    struct ap_idx_images images;
    struct ap_idx_labels labels;
    e->n = 0;
    assert_int_equal(ap_idx_open(e, NULL, path, &x), AP_OK);
    assert_int_equal(ap_idx_labels(e, &at, &x, 10, &labels), AP_OK);
    assert_true(labels.n == 4 && labels.max == 9 && labels.label[3] == 7);
    assert_int_equal(ap_idx_labels(e, &at, &x, 0, &labels), AP_OK);
    assert_int_equal(e->n, 0);
    assert_int_equal(ap_idx_labels(e, &at, &x, 9, &labels), AP_EIO);
    assert_non_null(strstr(e->diag[0].text, "label 1: found 9, expected 0 to 8"));
    assert_int_equal(ap_idx_images(e, &at, &x, &images), AP_EIO);
    assert_non_null(strstr(e->diag[1].text, "found 1, expected 3"));
    ap_idx_close(&x);
}

static void test_two_and_four_dimensions(void **unused)
{
    (void)unused;
    struct ap_idx x;
    write_file("\0\0\10\2\0\0\0\1\0\0\0\2ab", 14);
    assert_int_equal(ap_idx_open(e, &at, path, &x), AP_OK);
    assert_true(x.n_dims == 2 && x.dim[1] == 2 && x.dim[2] == 1 && x.size == 2 && x.value[1] == 'b');
    ap_idx_close(&x);
    write_file("\0\0\10\4\0\0\0\1\0\0\0\2\0\0\0\1\0\0\0\1ab", 22);
    assert_int_equal(ap_idx_open(e, &at, path, &x), AP_OK);
    assert_true(x.n_dims == 4 && x.size == 2 && x.value[0] == 'a');
    ap_idx_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_files_are_refused),
        cmocka_unit_test(test_files_that_cannot_be_read),
        cmocka_unit_test(test_images),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_two_and_four_dimensions),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
