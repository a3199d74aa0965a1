/* Digests against published vectors; what a digest must tell apart. */
#include "hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_known_digests(void **unused)
{
    (void)unused;
    char text[33];
    ap_hash_text(ap_hash_of("", 0), text);
    assert_string_equal(text, "99aa06d3014798d86001c324468d497f");
    ap_hash_text(ap_hash_of(NULL, 0), text);
    assert_string_equal(text, "99aa06d3014798d86001c324468d497f");
    ap_hash_text((struct ap_hash){1, 0xabcdef}, text);
    assert_string_equal(text, "00000000000000010000000000abcdef");
    assert_int_equal(ap_hash_name(""), 0x811c9dc5u); /* FNV-1a, reference vectors */
    assert_int_equal(ap_hash_name("a"), 0xe40c292cu);
    assert_int_equal(ap_hash_name("foobar"), 0xbf9cf968u);
    assert_int_equal(ap_hash_name("\xff"), (0x811c9dc5u ^ 0xffu) * 16777619u); /* bytes count unsigned */
}

static void test_every_bit_counts(void **unused)
{
    (void)unused;
    unsigned char bytes[300] = {0};
    struct ap_hash zero = ap_hash_of(bytes, sizeof bytes);
    for (size_t i = 0; i < 8 * sizeof bytes; i++) {
        bytes[i / 8] ^= (unsigned char)(1u << i % 8);
        struct ap_hash h = ap_hash_of(bytes, sizeof bytes);
        assert_true(h.high != zero.high && h.low != zero.low);
        bytes[i / 8] ^= (unsigned char)(1u << i % 8);
    }
}

static void test_the_order_and_the_blocks_count(void **unused)
{
    (void)unused;
    struct ap_hash a = {0}, b = {0}, c = {0}, d = {0};
    ap_hash_add(&a, "ab", 2);
    ap_hash_add(&a, "c", 1);
    ap_hash_add(&b, "c", 1);
    ap_hash_add(&b, "ab", 2);
    ap_hash_add(&c, "a", 1);
    ap_hash_add(&c, "bc", 2);
    ap_hash_add(&d, "ab", 2);
    ap_hash_add(&d, "c", 1);
    assert_true(a.low != b.low && a.low != c.low && b.low != c.low);
    assert_true(a.low == d.low && a.high == d.high);
    struct ap_hash block = ap_hash_of("ab", 2), fold = {0};
    unsigned char bytes[32] = {0}; /* little-endian by definition */
    for (size_t i = 0; i < 8; i++) {
        bytes[16 + i] = (unsigned char)(block.high >> 8 * i);
        bytes[24 + i] = (unsigned char)(block.low >> 8 * i);
    }
    ap_hash_add(&fold, "ab", 2);
    struct ap_hash by_hand = ap_hash_of(bytes, sizeof bytes);
    assert_true(fold.high == by_hand.high && fold.low == by_hand.low);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_digests),
        cmocka_unit_test(test_every_bit_counts),
        cmocka_unit_test(test_the_order_and_the_blocks_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
