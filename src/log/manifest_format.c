#include "log/manifest_format.h"

#include <inttypes.h>

#include "base/err.h"
#include "base/mem.h"

/*
 *  0  magic                8   "armdbman"
 *  8  format version       4
 * 12  total bytes          4   checksum included
 * 16  database id         16
 * 32  hash seed            8
 * 40  shards               4
 * 44  shard prefix bits    4
 * 48  next collection id   4
 * 52  collections          4
 * 56  reserved             8   zero
 * 64  collections, each:
 *      +0  id              4
 *      +4  key bytes       2   0 = variable
 *      +6  schema version  2   0 = none
 *      +8  direction       1   1 = ascending, 2 = descending, 0 = none
 *      +9  order           1   0 = tree, 1 = map
 *     +10  value           1   0 = var, 1 = const, 2 = object
 *     +11  storage         1   0 = log
 *     +12  name length     2
 *     +14  value bytes     2   of a const, else zero
 *     +16  name, zeros to a multiple of 8
 * ..  reserved             4   zero
 * ..  checksum             4   CRC-32C of everything before it
 */
static const unsigned char MAGIC[8] = {'a', 'r', 'm', 'd', 'b', 'm', 'a', 'n'};

enum {
    AT_VERSION = 8,
    AT_TOTAL = 12,
    AT_DB_ID = 16,
    AT_HASH_SEED = 32,
    AT_SHARDS = 40,
    AT_PREFIX_BITS = 44,
    AT_NEXT_ID = 48,
    AT_COUNT = 52,
    HEADER_BYTES = 64,
    ENTRY_BYTES = 16,
    TRAILER_BYTES = 8
};

enum { ORDER_TREE = 0, ORDER_MAP = 1, VALUE_CONST = 1, VALUE_OBJECT = 2 };

void
adb_manifest_fini(struct manifest *manifest)
{
    adb_mem_free(manifest->collections);
    *manifest = (struct manifest){0};
}

static size_t
entry_bytes(size_t name_len)
{
    return ENTRY_BYTES + (size_t)adb_round_up(name_len, 8);
}

size_t
adb_manifest_bytes(const struct manifest *manifest)
{
    size_t bytes = HEADER_BYTES + TRAILER_BYTES;
    for (uint32_t i = 0; i < manifest->collection_count; i++)
        bytes += entry_bytes(strlen(manifest->collections[i].name));
    return bytes;
}

static void
encode_collection(const struct manifest_collection *collection, unsigned char *to)
{
    size_t name_len = strlen(collection->name);
    uint32_t key_bytes = collection->key_bytes == ARMDB_KEY_VARIABLE ? 0 : collection->key_bytes;
    adb_store_u32(to, collection->id);
    adb_store_u16(to + 4, (uint16_t)key_bytes);
    adb_store_u16(to + 6, (uint16_t)collection->schema_version);
    bool is_map = collection->order == ARMDB_UNORDERED;
    to[8] = is_map ? 0 : (unsigned char)collection->order;
    to[9] = is_map ? ORDER_MAP : ORDER_TREE;
    if (collection->value_bytes == ARMDB_VALUE_OBJECT) {
        to[10] = VALUE_OBJECT;
    } else if (collection->value_bytes != ARMDB_VALUE_VARIABLE) {
        to[10] = VALUE_CONST;
        adb_store_u16(to + 14, (uint16_t)collection->value_bytes);
    }
    adb_store_u16(to + 12, (uint16_t)name_len);
    memcpy(to + ENTRY_BYTES, collection->name, name_len);
}

/* What a library must know to read it. */
static uint32_t
version_of(const struct manifest *manifest)
{
    for (uint32_t i = 0; i < manifest->collection_count; i++) {
        if (manifest->collections[i].value_bytes == ARMDB_VALUE_OBJECT ||
            manifest->collections[i].schema_version != 0)
            return MANIFEST_FORMAT_VERSION;
    }
    return LOG_FORMAT_VERSION;
}

void
adb_manifest_encode(const struct manifest *manifest, unsigned char *to)
{
    size_t bytes = adb_manifest_bytes(manifest);
    size_t at = HEADER_BYTES;
    memset(to, 0, bytes);
    memcpy(to, MAGIC, sizeof MAGIC);
    adb_store_u32(to + AT_VERSION, version_of(manifest));
    adb_store_u32(to + AT_TOTAL, (uint32_t)bytes);
    memcpy(to + AT_DB_ID, manifest->db_id, LOG_DB_ID_BYTES);
    adb_store_u64(to + AT_HASH_SEED, manifest->hash_seed);
    adb_store_u32(to + AT_SHARDS, manifest->shards);
    adb_store_u32(to + AT_PREFIX_BITS, manifest->shard_prefix_bits);
    adb_store_u32(to + AT_NEXT_ID, manifest->next_collection_id);
    adb_store_u32(to + AT_COUNT, manifest->collection_count);
    for (uint32_t i = 0; i < manifest->collection_count; i++) {
        encode_collection(&manifest->collections[i], to + at);
        at += entry_bytes(strlen(manifest->collections[i].name));
    }
    adb_store_u32(to + bytes - 4, adb_crc32c(0, to, bytes - 4));
}

static armdb_err
damaged(const char *file, size_t offset, const char *what)
{
    return adb_fail_at(ARMDB_CORRUPT, "read manifest", file, offset, "%s", what);
}

static armdb_err
check_frame(const unsigned char *from, size_t len, const char *file)
{
    if (len < HEADER_BYTES + TRAILER_BYTES)
        return damaged(file, len, "file too short for a manifest");
    if (memcmp(from, MAGIC, sizeof MAGIC) != 0)
        return damaged(file, 0, "not an armdb manifest");
    if (adb_load_u32(from + AT_TOTAL) != len)
        return damaged(file, AT_TOTAL, "file length differs from the one it names");
    if (adb_load_u32(from + len - 4) != adb_crc32c(0, from, len - 4))
        return damaged(file, len - 4, "bad checksum");
    if (adb_load_u32(from + AT_VERSION) > MANIFEST_FORMAT_VERSION)
        return adb_fail_at(ARMDB_FORMAT, "read manifest", file, AT_VERSION,
                           "format version %" PRIu32 " is newer than %d, the newest known here",
                           adb_load_u32(from + AT_VERSION), MANIFEST_FORMAT_VERSION);
    return ARMDB_OK;
}

/* Reads what kind of collection an entry describes. False: none that is known. */
static bool
decode_kind(const unsigned char *entry, struct manifest_collection *collection)
{
    uint32_t value_bytes = adb_load_u16(entry + 14);
    bool is_map = entry[9] == ORDER_MAP;
    bool is_const = entry[10] == VALUE_CONST;
    if (entry[9] > ORDER_MAP || entry[10] > VALUE_OBJECT || entry[11] != 0)
        return false;
    if (is_const ? value_bytes == 0 || value_bytes > ARMDB_CONST_VALUE_MAX : value_bytes != 0)
        return false;
    if (is_map ? entry[8] != 0 : entry[8] != ARMDB_ASCENDING && entry[8] != ARMDB_DESCENDING)
        return false;
    collection->order = is_map                        ? ARMDB_UNORDERED
                        : entry[8] == ARMDB_ASCENDING ? ARMDB_ASCENDING
                                                      : ARMDB_DESCENDING;
    collection->value_bytes = is_const                    ? value_bytes
                              : entry[10] == VALUE_OBJECT ? ARMDB_VALUE_OBJECT
                                                          : ARMDB_VALUE_VARIABLE;
    return true;
}

/* Reads one entry at `*at` and moves behind it. `end` is where the trailer begins. */
static armdb_err
decode_collection(const unsigned char *from, size_t end, const char *file, size_t *at,
                  struct manifest_collection *collection)
{
    const unsigned char *entry = from + *at;
    if (end - *at < ENTRY_BYTES)
        return damaged(file, *at, "collection entry cut short");
    size_t name_len = adb_load_u16(entry + 12);
    if (name_len == 0 || name_len > ARMDB_NAME_MAX || end - *at < entry_bytes(name_len))
        return damaged(file, *at + 12, "bad length of a collection name");
    collection->id = adb_load_u32(entry);
    collection->key_bytes = adb_load_u16(entry + 4);
    collection->schema_version = adb_load_u16(entry + 6);
    if (collection->key_bytes > ARMDB_FIXED_KEY_MAX)
        return damaged(file, *at + 4, "bad key length of a collection");
    if (collection->key_bytes == 0)
        collection->key_bytes = ARMDB_KEY_VARIABLE;
    if (!decode_kind(entry, collection))
        return damaged(file, *at + 8, "kind of collection not known");
    memcpy(collection->name, entry + ENTRY_BYTES, name_len);
    collection->name[name_len] = '\0';
    if (strlen(collection->name) != name_len)
        return damaged(file, *at + ENTRY_BYTES, "a collection name with a zero byte");
    *at += entry_bytes(name_len);
    return ARMDB_OK;
}

static armdb_err
decode_collections(const unsigned char *from, size_t len, const char *file,
                   struct manifest *manifest)
{
    size_t at = HEADER_BYTES;
    for (uint32_t i = 0; i < manifest->collection_count; i++) {
        size_t entry_at = at;
        struct manifest_collection *collection = &manifest->collections[i];
        ADB_TRY(decode_collection(from, len - TRAILER_BYTES, file, &at, collection));
        bool is_ordered = i == 0 ? collection->id == 0
                                 : collection->id > manifest->collections[i - 1].id;
        if (!is_ordered || collection->id >= manifest->next_collection_id)
            return damaged(file, entry_at, "collection ids out of order");
        if (i == 0 && collection->schema_version != 0)
            return damaged(file, entry_at + 6, "a schema version of the default collection");
    }
    if (at != len - TRAILER_BYTES)
        return damaged(file, at, "bytes behind the last collection");
    return ARMDB_OK;
}

armdb_err
adb_manifest_decode(const unsigned char *from, size_t len, const char *file,
                    struct manifest *manifest_out)
{
    *manifest_out = (struct manifest){0};
    ADB_TRY(check_frame(from, len, file));
    struct manifest manifest = {
        .hash_seed = adb_load_u64(from + AT_HASH_SEED),
        .shards = adb_load_u32(from + AT_SHARDS),
        .shard_prefix_bits = adb_load_u32(from + AT_PREFIX_BITS),
        .next_collection_id = adb_load_u32(from + AT_NEXT_ID),
        .collection_count = adb_load_u32(from + AT_COUNT),
    };
    memcpy(manifest.db_id, from + AT_DB_ID, LOG_DB_ID_BYTES);
    if (manifest.shards == 0 || manifest.shards > ARMDB_SHARDS_MAX)
        return damaged(file, AT_SHARDS, "bad number of shards");
    if (manifest.shard_prefix_bits > 8 * ARMDB_KEY_MAX)
        return damaged(file, AT_PREFIX_BITS, "bad number of prefix bits");
    if (manifest.next_collection_id > LOG_COLLECTION_ID_MAX + 1u)
        return damaged(file, AT_NEXT_ID, "bad collection id");
    if (manifest.collection_count == 0 || manifest.collection_count > len / ENTRY_BYTES)
        return damaged(file, AT_COUNT, "bad number of collections");
    manifest.collections = adb_new_array(struct manifest_collection, manifest.collection_count);
    if (manifest.collections == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "read manifest", "no memory for %" PRIu32 " collections",
                        manifest.collection_count);
    armdb_err err = decode_collections(from, len, file, &manifest);
    if (err != ARMDB_OK) {
        adb_manifest_fini(&manifest);
        return err;
    }
    *manifest_out = manifest;
    return ARMDB_OK;
}

/* ---------------------------------------------------------------------- guess */

/* Makes room for one more collection. */
static armdb_err
grow(struct manifest *manifest, uint32_t *capacity)
{
    if (manifest->collection_count < *capacity)
        return ARMDB_OK;
    uint32_t larger = *capacity == 0 ? 16 : *capacity * 2;
    void *grown = adb_mem_realloc(manifest->collections, larger * sizeof *manifest->collections);
    if (grown == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "read manifest", "no memory for %" PRIu32 " collections",
                        larger);
    manifest->collections = (struct manifest_collection *)grown;
    *capacity = larger;
    return ARMDB_OK;
}

/* Takes each entry that makes sense, wherever one may begin. */
static armdb_err
guess_collections(const unsigned char *from, size_t len, struct manifest *manifest)
{
    uint32_t capacity = 0;
    uint64_t id_min = 0;
    for (size_t at = HEADER_BYTES; at + ENTRY_BYTES <= len;) {
        size_t end = at;
        ADB_TRY(grow(manifest, &capacity));
        struct manifest_collection *next = &manifest->collections[manifest->collection_count];
        armdb_err err = decode_collection(from, len, "", &end, next);
        if (err != ARMDB_OK || next->id < id_min || next->id > LOG_COLLECTION_ID_MAX) {
            at += 8;
            continue;
        }
        id_min = (uint64_t)next->id + 1;
        manifest->collection_count++;
        at = end;
    }
    return ARMDB_OK;
}

armdb_err
adb_manifest_guess(const unsigned char *from, size_t len, struct manifest *manifest_out)
{
    unsigned char header[HEADER_BYTES] = {0};
    *manifest_out = (struct manifest){0};
    memcpy(header, from, len < sizeof header ? len : sizeof header);
    struct manifest manifest = {
        .hash_seed = adb_load_u64(header + AT_HASH_SEED),
        .shards = adb_load_u32(header + AT_SHARDS),
        .shard_prefix_bits = adb_load_u32(header + AT_PREFIX_BITS),
        .next_collection_id = adb_load_u32(header + AT_NEXT_ID),
    };
    memcpy(manifest.db_id, header + AT_DB_ID, LOG_DB_ID_BYTES);
    if (manifest.shards > ARMDB_SHARDS_MAX)
        manifest.shards = 0;
    if (manifest.shard_prefix_bits > 8 * ARMDB_KEY_MAX)
        manifest.shard_prefix_bits = 0;
    if (manifest.next_collection_id > LOG_COLLECTION_ID_MAX + 1u)
        manifest.next_collection_id = 0;
    armdb_err err = guess_collections(from, len, &manifest);
    if (err != ARMDB_OK) {
        adb_manifest_fini(&manifest);
        return err;
    }
    *manifest_out = manifest;
    return ARMDB_OK;
}
