/* router.h: which shard a key belongs to. Part of the disk format: see docs/format.md. */
#ifndef ADB_SHARD_ROUTER_H
#define ADB_SHARD_ROUTER_H

#include <string.h>

#include "armdb/types.h"
#include "base/hash.h"

/** The settings that routing depends on; fixed at the creation of a database. */
struct router {
    uint64_t hash_seed;
    uint32_t shards;
    uint32_t prefix_bits; /* 0: whole keys */
};

/** The number of the shard that `key` (1..ARMDB_KEY_MAX bytes) belongs to. */
static inline uint32_t
adb_router_shard(const struct router *router, armdb_slice key)
{
    uint32_t bits = router->prefix_bits;
    unsigned char prefix[ARMDB_KEY_MAX];
    uint64_t hash;
    if (bits == 0 || key.len * 8 <= bits) {
        hash = adb_hash(key.data, key.len, router->hash_seed);
    } else {
        size_t len = (bits + 7) / 8;
        memcpy(prefix, key.data, len);
        if (bits % 8 != 0)
            prefix[len - 1] &= (unsigned char)(0xff00u >> (bits % 8));
        hash = adb_hash(prefix, len, router->hash_seed);
    }
    return (uint32_t)(((unsigned __int128)hash * router->shards) >> 64);
}

#endif
