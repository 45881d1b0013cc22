#include "log/hint_build.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/key_sort.h"
#include "base/mem.h"

/* A record takes so many times its bytes in the sort at most: what surrounds a short key there is
 * longer than what does in the file. */
enum { SORT_FACTOR = 3, SORT_BYTES_MAX = 160 << 20, HASH_BYTES = 8 };

struct hint_build *
adb_hint_build_new(uint64_t data_bytes, adb_hint_chunk_fn fn, void *context)
{
    struct hint_build *build = adb_new(struct hint_build);
    if (build == NULL) {
        ADB_IGNORE(adb_fail(ARMDB_NO_MEMORY, "build hint", "no memory for a chunk"));
        return NULL;
    }
    build->fn = fn;
    build->context = context;
    build->begins_segment = true;
    build->sort_bytes = SORT_BYTES_MAX;
    if (data_bytes < SORT_BYTES_MAX / SORT_FACTOR)
        build->sort_bytes = (size_t)data_bytes * SORT_FACTOR;
    if (build->sort_bytes < ADB_KEY_SORT_BYTES_MIN)
        build->sort_bytes = ADB_KEY_SORT_BYTES_MIN;
    return build;
}

void
adb_hint_build_free(struct hint_build *build)
{
    if (build == NULL)
        return;
    adb_key_sort_free(build->sort);
    adb_mem_free(build);
}

static armdb_err
hand_out(struct hint_build *build)
{
    if (build->chunk.used == 0)
        return ARMDB_OK;
    adb_hint_chunk_finish(&build->chunk, build->begins_segment);
    build->begins_segment = false;
    build->chunks++;
    ADB_TRY(build->fn(build->context, &build->chunk));
    adb_hint_chunk_clear(&build->chunk);
    return ARMDB_OK;
}

static armdb_err
put_out(struct hint_build *build, const struct hint_entry *entry)
{
    if (adb_hint_chunk_add(&build->chunk, entry))
        return ARMDB_OK;
    ADB_TRY(hand_out(build));
    bool has_room = adb_hint_chunk_add(&build->chunk, entry);
    ADB_ASSERT(has_room);
    return ARMDB_OK;
}

/* Ends a segment. */
static armdb_err
flush(struct hint_build *build)
{
    struct adb_key_sorted sorted;
    if (build->sort == NULL)
        return ARMDB_OK;
    adb_key_sort_run(build->sort);
    while (adb_key_sort_next(build->sort, &sorted)) {
        struct hint_entry entry = {.collection_id = sorted.group, .key = sorted.key};
        const unsigned char *payload = (const unsigned char *)sorted.payload;
        uint64_t word = adb_load_u64(payload);
        bool makes_sense = adb_hint_set_word(&entry, word);
        ADB_ASSERT(makes_sense);
        if (entry.is_hashed)
            entry.key = (armdb_slice){(const unsigned char *)sorted.key.data + HASH_BYTES,
                                      sorted.key.len - HASH_BYTES};
        if (sorted.is_last) {
            entry.value = adb_hint_word_has_value(word) ? payload + HINT_WORD_BYTES : NULL;
            ADB_TRY(put_out(build, &entry));
        } else if (!entry.is_tombstone) {
            build->dead_bytes += adb_location_record_bytes(entry.location, entry.key.len);
        }
    }
    adb_key_sort_clear(build->sort);
    ADB_TRY(hand_out(build));
    build->begins_segment = true;
    return ARMDB_OK;
}

/* What a key is sorted by: itself, or its hash and then itself. */
static armdb_slice
sort_key(const struct hint_collection *collection, armdb_slice key, unsigned char *room)
{
    if (!collection->is_hashed)
        return key;
    uint64_t hash = adb_hash(key.data, key.len, collection->seed);
    adb_store_u64(room, __builtin_bswap64(hash));
    memcpy(room + HASH_BYTES, key.data, key.len);
    return (armdb_slice){room, HASH_BYTES + key.len};
}

static bool
try_to_add(struct hint_build *build, const struct hint_entry *entry, armdb_slice sort_by)
{
    size_t value_bytes = entry->value != NULL ? adb_location_value_len(entry->location) : 0;
    unsigned char *to = (unsigned char *)adb_key_sort_add(build->sort, entry->collection_id,
                                                          sort_by, HINT_WORD_BYTES + value_bytes);
    if (to == NULL)
        return false;
    adb_store_u64(to, adb_hint_word(entry));
    if (value_bytes != 0)
        memcpy(to + HINT_WORD_BYTES, entry->value, value_bytes);
    return true;
}

armdb_err
adb_hint_build_add(struct hint_build *build, const struct log_scan_record *found,
                   const struct hint_collection *collection)
{
    const struct log_record *record = &found->record;
    uint64_t bytes = adb_log_record_bytes(record);
    bool is_tombstone = record->flags == LOG_FLAG_TOMBSTONE;
    build->records++;
    build->group_bytes = found->group_bytes;
    build->has_deadlines = build->has_deadlines || record->deadline_ms != 0;
    if (is_tombstone)
        build->tombstone_bytes += bytes;
    else if (collection == NULL)
        build->dead_bytes += bytes;
    if (collection == NULL)
        return ARMDB_OK;
    if (build->sort == NULL) {
        build->sort = adb_key_sort_new(build->sort_bytes);
        if (build->sort == NULL)
            return adb_fail(ARMDB_NO_MEMORY, "build hint", "no memory to sort %zu bytes of keys",
                            build->sort_bytes);
    }
    const struct hint_entry entry = {
        .collection_id = record->collection_id,
        .is_tombstone = is_tombstone,
        .is_variable = collection->is_variable,
        .is_hashed = collection->is_hashed,
        .location = adb_location_of(0, found->offset, record),
        .key = found->key,
        .value = collection->has_values && !is_tombstone ? found->value : NULL,
    };
    unsigned char room[HASH_BYTES + ARMDB_KEY_MAX];
    const armdb_slice sort_by = sort_key(collection, found->key, room);
    if (try_to_add(build, &entry, sort_by))
        return ARMDB_OK;
    ADB_TRY(flush(build));
    bool has_room = try_to_add(build, &entry, sort_by);
    ADB_ASSERT(has_room);
    return ARMDB_OK;
}

armdb_err
adb_hint_build_end(struct hint_build *build)
{
    return flush(build);
}
