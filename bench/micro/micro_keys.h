/* micro_keys.h: the keys that micro_index puts in and looks for. */
#ifndef BENCH_MICRO_KEYS_H
#define BENCH_MICRO_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "armdb/types.h"

/** What keys look like, and in which order key 0, 1, 2 ... come. */
enum micro_kind {
    MICRO_FIXED,    /* 16 random bytes */
    MICRO_VARIABLE, /* 12 to 32 random bytes */
    MICRO_SORTED,   /* 16 bytes, ascending */
    MICRO_REVERSE,  /* 16 bytes, descending */
    MICRO_LAST,     /* 15 random bytes and each value of the last one */
    MICRO_PREFIX,   /* the same 200 bytes, then 8 random ones */
    MICRO_KINDS
};

enum { MICRO_CHUNK = 1024 };

/** Keys made ahead, so that making them is not measured. */
struct micro_chunk {
    size_t n;
    armdb_slice keys[MICRO_CHUNK];
    uint64_t numbers[MICRO_CHUNK];
    unsigned char bytes[MICRO_CHUNK * 208];
    size_t used;
};

const char *micro_kind_name(enum micro_kind kind);

/** The length of all keys; 0: they differ. */
uint32_t micro_kind_key_bytes(enum micro_kind kind);

/** The bytes of the keys 0 .. count - 1 together. */
uint64_t micro_kind_bytes(enum micro_kind kind, uint64_t count);

/** Looks random, the same for each n. */
uint64_t micro_scatter(uint64_t n);

void micro_chunk_clear(struct micro_chunk *chunk);

/** Appends key `number` of `count`; of numbers from `count` to 2 * count - 1 nobody puts the key
 * in. */
void micro_chunk_add(struct micro_chunk *chunk, enum micro_kind kind, uint64_t number,
                     uint64_t count);

#endif
