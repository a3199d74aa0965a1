/* hash.c: digests.
 *
 * In:   bytes.
 * Out:  128-bit XXH3 digests; 32-bit names.
 * Invariants:
 *   1. The same bytes give the same digest on every machine (XXH3's canonical order is used for text).
 * Never: used for security.
 * Test: tests/unit/test_hash.c */
#include "hash.h"

#include <endian.h>
#include <stdio.h>
#include <xxhash.h>

struct ap_hash ap_hash_of(const void *data, size_t size)
{
    XXH128_hash_t x = XXH3_128bits(data, size);
    return (struct ap_hash){x.high64, x.low64};
}

void ap_hash_add(struct ap_hash *h, const void *data, size_t size)
{
    struct ap_hash block = ap_hash_of(data, size);
    uint64_t pair[4] = {htole64(h->high), htole64(h->low), htole64(block.high), htole64(block.low)};
    *h = ap_hash_of(pair, sizeof pair);
}

void ap_hash_text(struct ap_hash h, char out[33])
{
    snprintf(out, 33, "%016llx%016llx", (unsigned long long)h.high, (unsigned long long)h.low);
}

uint32_t ap_hash_name(const char *name)
{
    uint32_t h = 2166136261u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 16777619u;
    return h;
}
