/* Sizes, zeros, alignment, injected failures, arenas. */
#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

__extension__ typedef unsigned __int128 wide;

static int setup(void **state)
{
    *state = ap_err_create();
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    ap_mem_fail_at(0, false);
    ap_err_free(*state);
    return 0;
}

static void test_blocks_are_zero_and_aligned(void **state)
{
    struct ap_err *e = *state;
    for (size_t n = 0; n < 300; n += 7) {
        unsigned char *b = ap_mem_array(e, n, 3, "test");
        assert_non_null(b);
        assert_int_equal((uintptr_t)b % 64, 0);
        for (size_t i = 0; i < 3 * n; i++) {
            assert_int_equal(b[i], 0);
            b[i] = 0xA5; /* so that the next one would see it */
        }
        ap_mem_free(b);
    }
    ap_mem_free(NULL);
    assert_int_equal(ap_err_count(e), 0);
}

static void test_sizes_do_not_wrap(void **state)
{
    struct ap_err *e = *state;
    size_t out;
    assert_true(ap_mem_product(SIZE_MAX / 3, 3, &out) && out == SIZE_MAX / 3 * 3);
    assert_false(ap_mem_product(SIZE_MAX / 3 + 1, 3, &out));
    assert_true(ap_mem_sum(SIZE_MAX - 1, 1, &out) && out == SIZE_MAX);
    assert_false(ap_mem_sum(SIZE_MAX, 1, &out));
    uint64_t seed = 1;
    for (int k = 0; k < 100000; k++) { /* against 128-bit arithmetic */
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        size_t a = seed >> (seed % 64);
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        size_t b = seed >> (seed >> 32) % 64;
        wide product = (wide)a * b, sum = (wide)a + b;
        assert_int_equal(ap_mem_product(a, b, &out), product <= SIZE_MAX);
        assert_int_equal(ap_mem_sum(a, b, &out), sum <= SIZE_MAX);
    }
    static const size_t HUGE[][2] = {{SIZE_MAX, 8},        {SIZE_MAX / 8 + 2, 8}, {SIZE_MAX, 1},
                                     {SIZE_MAX - 64, 1},   {SIZE_MAX - 127, 1},   {SIZE_MAX / 2 + 1, 1},
                                     {(size_t)1 << 46, 64}};
    for (int i = 0; i < 7; i++) {
        assert_null(ap_mem_array(e, HUGE[i][0], HUGE[i][1], "weights of forward1"));
        assert_int_equal(ap_err_count(e), i + 1);
        assert_non_null(strstr(ap_err_message(e, i), "weights of forward1"));
        assert_int_equal(e->diag[i].code, AP_EMEMORY);
    }
}

static void test_an_arena_refuses_sizes_that_wrap(void **state)
{
    struct ap_err *e = *state;
    struct ap_arena a = {0};
    assert_non_null(ap_mem_arena_take(e, &a, 1, 8));
    for (size_t less = 0; less < 200; less++)
        assert_null(ap_mem_arena_take(e, &a, SIZE_MAX - less, 1));
    assert_null(ap_mem_arena_take(e, &a, SIZE_MAX / 4, 8));
    assert_int_equal(ap_err_count(e) + ap_err_dropped(e), 201);
    ap_mem_arena_free(&a);
}

static void test_growing_keeps_what_was_there(void **state)
{
    struct ap_err *e = *state;
    void *block = NULL;
    size_t n = 0;
    for (size_t next = 1; next < 5000; n = next, next = 2 * next + 1) {
        assert_int_equal(ap_mem_grow(e, &block, n, next, sizeof(int), "test"), AP_OK);
        int *x = block;
        for (size_t i = 0; i < n; i++)
            assert_int_equal(x[i], (int)i + 1);
        for (size_t i = n; i < next; i++) {
            assert_int_equal(x[i], 0);
            x[i] = (int)i + 1;
        }
    }
    void *before = block;
    ap_mem_fail_at(1, false);
    assert_int_equal(ap_mem_grow(e, &block, n, 2 * n, sizeof(int), "test"), AP_EMEMORY);
    assert_ptr_equal(block, before);
    assert_int_equal(((int *)block)[n - 1], (int)n);
    ap_mem_free(block);
    char *text = ap_mem_text(e, "abcdef", 3);
    assert_string_equal(text, "abc");
    ap_mem_free(text);
}

static void test_the_nth_allocation_fails(void **state)
{
    struct ap_err *e = *state;
    for (int ever = 0; ever < 2; ever++) {
        ap_mem_fail_at(3, ever);
        for (int i = 1; i <= 5; i++) {
            void *b = ap_mem_array(e, 1, 1, "test");
            assert_int_equal(b == NULL, ever ? i >= 3 : i == 3);
            ap_mem_free(b);
        }
    }
    assert_int_equal(ap_err_count(e), 4);
    ap_mem_fail_at(0, true);
    void *b = ap_mem_array(e, 1, 1, "test");
    assert_non_null(b);
    ap_mem_free(b);
}

static void test_arena_objects_are_zero_aligned_and_apart(void **state)
{
    struct ap_err *e = *state;
    enum { N = 3000 };
    static unsigned char *block[N];
    struct ap_arena a = {0}, b = {0}, empty = {0};
    for (size_t i = 0; i < N; i++) {
        size_t size = i % 257 == 0 ? 20000 + i : i % 61;
        block[i] = ap_mem_arena_take(e, i % 2 ? &a : &b, size, 1);
        assert_non_null(block[i]);
        assert_int_equal((uintptr_t)block[i] % 16, 0);
        for (size_t k = 0; k < size; k++)
            assert_int_equal(block[i][k], 0);
        memset(block[i], (int)(i % 251) + 1, size);
    }
    ap_mem_arena_adopt(&a, &b);
    assert_null(b.chunk);
    ap_mem_arena_adopt(&a, &empty);
    ap_mem_arena_adopt(&empty, &a);
    assert_null(a.chunk);
    for (size_t i = 0; i < N; i++) {
        size_t size = i % 257 == 0 ? 20000 + i : i % 61;
        for (size_t k = 0; k < size; k++)
            assert_int_equal(block[i][k], i % 251 + 1);
    }
    assert_string_equal(ap_mem_arena_text(e, &empty, "hidden1.pyr", 7), "hidden1");
    ap_mem_arena_free(&empty);
    ap_mem_arena_free(&empty);
    ap_mem_fail_at(1, true);
    assert_null(ap_mem_arena_take(e, &a, 1, 1));
    assert_null(ap_mem_arena_text(e, &a, "x", 1));
    assert_int_equal(ap_err_count(e), 2);
}

/* Blocks that were used before come back with zeros, whichever way: small, of some pages, of large ones. */
static void test_reserve_is_zeroed(void **unused)
{
    (void)unused;
    static const size_t SIZES[] = {1, 5000, 300000, 5000000};
    for (int turn = 0; turn < 3; turn++)
        for (size_t k = 0; k < sizeof SIZES / sizeof *SIZES; k++) {
            unsigned char *block = ap_mem_reserve(NULL, SIZES[k], 1, "test"), any = 0;
            assert_non_null(block);
            assert_int_equal((uintptr_t)block % 64, 0);
            for (size_t i = 0; i < SIZES[k]; i++)
                any |= block[i];
            assert_int_equal(any, 0);
            memset(block, 255, SIZES[k]);
            ap_mem_free(block);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reserve_is_zeroed),
        cmocka_unit_test_setup_teardown(test_blocks_are_zero_and_aligned, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sizes_do_not_wrap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_arena_refuses_sizes_that_wrap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_growing_keeps_what_was_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_nth_allocation_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(test_arena_objects_are_zero_aligned_and_apart, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
