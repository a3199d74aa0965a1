/* hash.h: digests of states and files (XXH3, 128 bits), and 32-bit names of random streams. */
#ifndef AP_HASH_H
#define AP_HASH_H

#include <stddef.h>
#include <stdint.h>

struct ap_hash {
    uint64_t high, low;
};

struct ap_hash ap_hash_of(const void *data, size_t size);

/* Folds `data` into h: the digest of a sequence of blocks. Start from a zeroed h. */
void ap_hash_add(struct ap_hash *h, const void *data, size_t size);

/* 32 hexadecimal digits and a zero. */
void ap_hash_text(struct ap_hash h, char out[33]);

/* FNV-1a: names a random stream, so that a thing keeps its numbers when others are added or renamed. */
uint32_t ap_hash_name(const char *name);

#endif
