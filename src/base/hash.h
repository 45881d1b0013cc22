/* hash.h: the hash that routes keys to shards. Part of the disk format: see docs/format.md. */
#ifndef ADB_BASE_HASH_H
#define ADB_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/** XXH3-64 of `len` bytes with a seed; the result is the same on every machine. */
uint64_t adb_hash(const void *data, size_t len, uint64_t seed);

#endif
