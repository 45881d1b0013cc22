/*
 * MANIFEST: the first byte says what to put right, the rest is the file.
 *
 * Decoding never looks outside, and what is accepted survives being encoded and decoded again.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "fuzz/fuzz_input.h"
#include "log/manifest_format.h"

enum { FIX_CRC = 1, FIX_FRAME = 2 };

static void
assert_same(const struct manifest *a, const struct manifest *b)
{
    ADB_ASSERT(memcmp(a->db_id, b->db_id, LOG_DB_ID_BYTES) == 0);
    ADB_ASSERT(a->hash_seed == b->hash_seed && a->shards == b->shards &&
               a->shard_prefix_bits == b->shard_prefix_bits &&
               a->next_collection_id == b->next_collection_id &&
               a->collection_count == b->collection_count);
    for (uint32_t i = 0; i < a->collection_count; i++) {
        const struct manifest_collection *x = &a->collections[i];
        const struct manifest_collection *y = &b->collections[i];
        ADB_ASSERT(x->id == y->id && x->key_bytes == y->key_bytes && x->order == y->order &&
                   x->value_bytes == y->value_bytes && x->schema_version == y->schema_version &&
                   strcmp(x->name, y->name) == 0);
        ADB_ASSERT(strlen(x->name) >= 1 && strlen(x->name) <= ARMDB_NAME_MAX);
    }
}

static void
check_accepted(const struct manifest *manifest, size_t len)
{
    struct manifest again;
    ADB_ASSERT(manifest->collection_count >= 1 && manifest->shards >= 1);
    ADB_ASSERT(adb_manifest_bytes(manifest) == len);
    unsigned char *bytes = (unsigned char *)malloc(len);
    ADB_ASSERT(bytes != NULL);
    adb_manifest_encode(manifest, bytes);
    ADB_ASSERT(adb_manifest_decode(bytes, len, "MANIFEST", &again) == ARMDB_OK);
    assert_same(manifest, &again);
    adb_manifest_fini(&again);
    free(bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct manifest manifest;
    uint32_t what = take_u8(&input);
    size_t len = input.size;
    /* Of exactly its size, so that a sanitizer sees each byte read beyond it. */
    unsigned char *bytes = (unsigned char *)malloc(len > 0 ? len : 1);
    ADB_ASSERT(bytes != NULL);
    if (len > 0)
        memcpy(bytes, input.data, len);
    if ((what & FIX_FRAME) != 0 && len >= 16) {
        memcpy(bytes, "armdbman", 8);
        adb_store_u32(bytes + 8, LOG_FORMAT_VERSION);
        adb_store_u32(bytes + 12, (uint32_t)len);
    }
    if ((what & FIX_CRC) != 0 && len >= 4)
        adb_store_u32(bytes + len - 4, adb_crc32c(0, bytes, len - 4));
    armdb_err err = adb_manifest_decode(bytes, len, "MANIFEST", &manifest);
    ADB_ASSERT(err == ARMDB_OK || err == ARMDB_CORRUPT || err == ARMDB_FORMAT);
    ADB_ASSERT((err == ARMDB_OK) == (manifest.collections != NULL));
    if (err == ARMDB_OK)
        check_accepted(&manifest, len);
    adb_manifest_fini(&manifest);
    free(bytes);
    return 0;
}
