#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "db/repair_private.h"

enum { ID_BYTES = 4 };

/* Ids as keys whose order is that of the ids. */
static armdb_slice
id_key(uint32_t id, unsigned char room[ID_BYTES])
{
    for (uint32_t i = 0; i < ID_BYTES; i++)
        room[i] = (unsigned char)(id >> (8 * (ID_BYTES - 1 - i)));
    return (armdb_slice){room, ID_BYTES};
}

/* ----------------------------------------------------------------------- list */

struct repair_collection *
adb_repair_collection_find(const struct repair *repair, uint32_t id)
{
    unsigned char room[ID_BYTES];
    uint64_t place = adb_index_get(&repair->collections.by_id, id_key(id, room), NULL);
    return place != 0 ? &repair->collections.list[place - 1] : NULL;
}

static armdb_err
put(struct repair_collections *all, struct adb_index *index, armdb_slice key, uint64_t place)
{
    ADB_TRY(adb_index_prepare(index, key, &all->spare));
    adb_index_put(index, key, place, NULL, &all->spare);
    return ARMDB_OK;
}

static armdb_err
add(struct repair *repair, const struct manifest_collection *stored, bool is_made_up)
{
    struct repair_collections *all = &repair->collections;
    unsigned char room[ID_BYTES];
    if (all->count == all->capacity) {
        uint32_t capacity = all->capacity == 0 ? 16 : all->capacity * 2;
        void *grown = adb_mem_realloc(all->list, capacity * sizeof *all->list);
        if (grown == NULL)
            return adb_fail(ARMDB_NO_MEMORY, "repair", "no memory for %" PRIu32 " collections",
                            capacity);
        all->list = (struct repair_collection *)grown;
        all->capacity = capacity;
    }
    ADB_TRY(put(all, &all->by_id, id_key(stored->id, room), all->count + 1));
    all->list[all->count++] = (struct repair_collection){.stored = *stored,
                                                         .is_made_up = is_made_up};
    return ARMDB_OK;
}

/* A collection of which nothing is known but its id. */
static armdb_err
add_unknown(struct repair *repair, uint32_t id)
{
    const struct manifest_collection stored = {.id = id,
                                               .key_bytes = ARMDB_KEY_VARIABLE,
                                               .order = ARMDB_ASCENDING,
                                               .value_bytes = ARMDB_VALUE_VARIABLE};
    return add(repair, &stored, true);
}

/* Gives a name to a collection if it is free; if not, the name stays as it was. */
static armdb_err
take_name(struct repair *repair, struct repair_collection *collection, const char *name)
{
    struct repair_collections *all = &repair->collections;
    const armdb_slice key = armdb_str(name);
    ADB_ASSERT(collection != NULL);
    if (adb_index_get(&all->by_name, key, NULL) != 0)
        return ARMDB_OK;
    ADB_TRY(put(all, &all->by_name, key, 1));
    memcpy(collection->stored.name, name, key.len + 1);
    return ARMDB_OK;
}

/* Takes an entry of the manifest; if that was guessed, what is wrong with it is left out. */
static armdb_err
add_entry(struct repair *repair, const struct manifest_collection *entry)
{
    struct manifest_collection stored = *entry;
    stored.name[0] = '\0';
    if (stored.id == 0)
        stored.schema_version = 0;
    ADB_TRY(add(repair, &stored, false));
    struct repair_collection *added = &repair->collections.list[repair->collections.count - 1];
    if (entry->id == 0 || adb_collection_name_check(entry->name) != ARMDB_OK)
        return ARMDB_OK;
    return take_name(repair, added, entry->name);
}

static armdb_err
init_index(struct repair *repair, uint32_t key_bytes, struct adb_index *index)
{
    const struct adb_index_config config = {.pages = repair->collections.pages,
                                            .is_ordered = true,
                                            .key_bytes = key_bytes,
                                            .n_writers = 1};
    return adb_index_init(index, &config);
}

armdb_err
adb_repair_collections_init(struct repair *repair)
{
    const struct manifest *manifest = &repair->source.manifest;
    struct repair_collections *all = &repair->collections;
    ADB_TRY(adb_pages_new(&all->pages));
    ADB_TRY(init_index(repair, ID_BYTES, &all->by_id));
    ADB_TRY(init_index(repair, 0, &all->by_name));
    if (manifest->collection_count == 0 || manifest->collections[0].id != 0)
        ADB_TRY(add_unknown(repair, 0));
    for (uint32_t i = 0; i < manifest->collection_count; i++)
        ADB_TRY(add_entry(repair, &manifest->collections[i]));
    return take_name(repair, adb_repair_collection_find(repair, 0), "default");
}

void
adb_repair_collections_fini(struct repair *repair)
{
    struct repair_collections *all = &repair->collections;
    for (uint32_t i = 0; i < all->count; i++)
        adb_index_fini(&all->list[i].newest);
    adb_index_fini(&all->by_id);
    adb_index_fini(&all->by_name);
    if (all->pages != NULL)
        adb_spare_fini(&all->spare, all->pages);
    adb_pages_free(all->pages);
    adb_mem_free(all->list);
    *all = (struct repair_collections){0};
}

/* --------------------------------------------------------------------- survey */

static void
note_contradiction(struct repair *repair, const struct repair_collection *collection,
                   const char *what, uint32_t bytes)
{
    const armdb_finding finding = {
        .kind = ARMDB_FINDING_ASSUMED, .shard = UINT32_MAX, .file = repair->source.path};
    adb_repair_note(repair, finding,
                    "collection %" PRIu32 " has %ss of other lengths than the %" PRIu32
                    " bytes that the MANIFEST says: any length is allowed now",
                    collection->stored.id, what, bytes);
}

armdb_err
adb_repair_collections_survey(struct repair *repair, const struct log_search_record *found)
{
    const struct log_record *record = &found->record;
    struct repair_collection *collection = adb_repair_collection_find(repair,
                                                                      record->collection_id);
    if (collection == NULL) {
        /* Only a whole manifest tells that a collection was dropped. */
        if (repair->source.manifest_state == REPAIR_MANIFEST_WHOLE &&
            record->collection_id < repair->source.manifest.next_collection_id)
            return ARMDB_OK;
        return add_unknown(repair, record->collection_id);
    }
    struct manifest_collection *stored = &collection->stored;
    if (stored->key_bytes != ARMDB_KEY_VARIABLE && stored->key_bytes != record->key_len) {
        note_contradiction(repair, collection, "key", stored->key_bytes);
        stored->key_bytes = ARMDB_KEY_VARIABLE;
    }
    if (stored->value_bytes <= ARMDB_CONST_VALUE_MAX && stored->value_bytes != record->value_len &&
        record->flags != LOG_FLAG_TOMBSTONE) {
        note_contradiction(repair, collection, "value", stored->value_bytes);
        stored->value_bytes = ARMDB_VALUE_VARIABLE;
    }
    return ARMDB_OK;
}

/* --------------------------------------------------------------------- settle */

static armdb_err
make_up_name(struct repair *repair, struct repair_collection *collection)
{
    char name[64];
    uint32_t id = collection->stored.id;
    snprintf(name, sizeof name, "collection-%" PRIu32, id);
    ADB_TRY(take_name(repair, collection, name));
    for (uint32_t n = 2; collection->stored.name[0] == '\0'; n++) {
        snprintf(name, sizeof name, "collection-%" PRIu32 "-%" PRIu32, id, n);
        ADB_TRY(take_name(repair, collection, name));
    }
    repair->report->made_up++;
    return ARMDB_OK;
}

armdb_err
adb_repair_collections_settle(struct repair *repair)
{
    struct repair_collections *all = &repair->collections;
    const armdb_finding finding = {
        .kind = ARMDB_FINDING_ASSUMED, .shard = UINT32_MAX, .file = repair->source.path};
    for (uint32_t i = 0; i < all->count; i++) {
        struct repair_collection *collection = &all->list[i];
        bool has_name = collection->stored.name[0] != '\0';
        if (!has_name)
            ADB_TRY(make_up_name(repair, collection));
        if (!has_name || collection->is_made_up)
            adb_repair_note(repair, finding,
                            "no MANIFEST tells %s of collection %" PRIu32 ": it is \"%s\" now%s",
                            collection->is_made_up ? "anything" : "the name", collection->stored.id,
                            collection->stored.name,
                            collection->is_made_up ? ", with keys and values of any length" : "");
    }
    repair->report->collections = all->count;
    return ARMDB_OK;
}

/* Puts a collection into the manifest that takes its turn. */
struct description {
    const struct repair_collections *all;
    struct manifest *manifest;
};

static void
describe(void *context, armdb_slice key, uint64_t place)
{
    struct description *description = (struct description *)context;
    struct manifest *manifest = description->manifest;
    (void)key;
    manifest->collections[manifest->collection_count++] = description->all->list[place - 1].stored;
}

armdb_err
adb_repair_collections_describe(const struct repair *repair, struct manifest *manifest)
{
    const struct repair_collections *all = &repair->collections;
    struct description description = {all, manifest};
    adb_mem_free(manifest->collections);
    manifest->collection_count = 0;
    manifest->collections = adb_new_array(struct manifest_collection, all->count);
    if (manifest->collections == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "repair", "no memory for %" PRIu32 " collections",
                        all->count);
    adb_index_each(&all->by_id, describe, &description); /* in the order of their ids */
    ADB_ASSERT(manifest->collection_count == all->count);
    uint32_t newest = manifest->collections[all->count - 1].id;
    manifest->next_collection_id = newest + 1;
    if (repair->source.manifest.next_collection_id > newest)
        manifest->next_collection_id = repair->source.manifest.next_collection_id;
    return ARMDB_OK;
}
