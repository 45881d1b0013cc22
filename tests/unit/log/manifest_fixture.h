/* manifest_fixture.h: a manifest that the tests of its format and of its file share. */
#ifndef TEST_MANIFEST_FIXTURE_H
#define TEST_MANIFEST_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "log/manifest_format.h"

/** A manifest with `count` collections, the default one first; end it with adb_manifest_fini(). */
static inline struct manifest
make_manifest(uint32_t count)
{
    struct manifest manifest = {.hash_seed = UINT64_C(0x3837363534333231),
                                .shards = 3,
                                .shard_prefix_bits = 20,
                                .next_collection_id = 10 * count + 1,
                                .collection_count = count};
    for (int i = 0; i < LOG_DB_ID_BYTES; i++)
        manifest.db_id[i] = (unsigned char)(0xd0 + i);
    manifest.collections = adb_new_array(struct manifest_collection, count);
    assert_non_null(manifest.collections);
    for (uint32_t i = 0; i < count; i++) {
        struct manifest_collection *collection = &manifest.collections[i];
        collection->id = 10 * i;
        collection->key_bytes = i % 3 == 1 ? 1 + i % ARMDB_FIXED_KEY_MAX : ARMDB_KEY_VARIABLE;
        collection->order = (armdb_order)(ARMDB_ASCENDING + i % 3);
        collection->value_bytes = i % 4 == 1   ? 1 + i * 5 % ARMDB_CONST_VALUE_MAX
                                  : i % 4 == 3 ? ARMDB_VALUE_OBJECT
                                               : ARMDB_VALUE_VARIABLE;
        collection->schema_version = i % 5 == 3 ? ARMDB_SCHEMA_VERSION_MAX - i : 0;
        /* Names of 1, 8, 9 ... bytes: around the padding. */
        size_t len = i == 0 ? 7 : 1 + (i * 7) % ARMDB_NAME_MAX;
        memset(collection->name, 'a' + (int)(i % 26), len);
        if (i == 0)
            memcpy(collection->name, "default", len);
    }
    return manifest;
}

static inline void
assert_same_manifest(const struct manifest *a, const struct manifest *b)
{
    assert_memory_equal(a->db_id, b->db_id, LOG_DB_ID_BYTES);
    assert_true(a->hash_seed == b->hash_seed);
    assert_int_equal(a->shards, b->shards);
    assert_int_equal(a->shard_prefix_bits, b->shard_prefix_bits);
    assert_int_equal(a->next_collection_id, b->next_collection_id);
    assert_int_equal(a->collection_count, b->collection_count);
    for (uint32_t i = 0; i < a->collection_count; i++) {
        assert_int_equal(a->collections[i].id, b->collections[i].id);
        assert_int_equal(a->collections[i].key_bytes, b->collections[i].key_bytes);
        assert_int_equal(a->collections[i].order, b->collections[i].order);
        assert_int_equal(a->collections[i].value_bytes, b->collections[i].value_bytes);
        assert_int_equal(a->collections[i].schema_version, b->collections[i].schema_version);
        assert_string_equal(a->collections[i].name, b->collections[i].name);
    }
}

/** Encodes into memory of exactly its size; free with free(). */
static inline unsigned char *
encode_manifest(const struct manifest *manifest, size_t *len_out)
{
    *len_out = adb_manifest_bytes(manifest);
    unsigned char *bytes = (unsigned char *)malloc(*len_out);
    assert_non_null(bytes);
    memset(bytes, 0xee, *len_out);
    adb_manifest_encode(manifest, bytes);
    return bytes;
}

#endif
