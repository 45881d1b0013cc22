#include "index/bulk.h"

#include <string.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/key_sort.h"
#include "base/mem.h"
#include "index/map_private.h"
#include "index/node_key.h"

enum {
    RUN_BYTES_MIN = 2 << 20,
    RUN_BYTES_MAX = 64 << 20,
    INDEX_PARTS = 6, /* all runs together use at most such a part of what the indexes have */
    CHANGES = 256    /* made at once */
};

struct adb_bulk {
    struct adb_bulk_config config;
    struct adb_key_sort *sort; /* owned */
    size_t run_bytes;          /* of it */
};

/* What is sorted. For a tree the key is that of the sort, and the value follows. For a map the key
 * of the sort is the hash, so that a run goes through the map from front to back; key and value
 * follow. */
struct change {
    struct adb_index *index;
    uint64_t location;
    uint64_t key_len; /* map only */
};

enum { TREE_HEAD = offsetof(struct change, key_len), MAP_HEAD = sizeof(struct change) };

static armdb_err
new_sort(struct adb_bulk *bulk, size_t bytes)
{
    adb_key_sort_free(bulk->sort);
    bulk->sort = adb_key_sort_new(bytes);
    bulk->run_bytes = bytes;
    if (bulk->sort == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "index", "no memory to sort %zu bytes of keys", bytes);
    return ARMDB_OK;
}

armdb_err
adb_bulk_new(const struct adb_bulk_config *config, struct adb_bulk **bulk_out)
{
    *bulk_out = NULL;
    struct adb_bulk *bulk = adb_new(struct adb_bulk);
    if (bulk == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "index", "no memory to build an index");
    bulk->config = *config;
    armdb_err err = new_sort(bulk, RUN_BYTES_MIN);
    if (err != ARMDB_OK) {
        adb_mem_free(bulk);
        return err;
    }
    *bulk_out = bulk;
    return ARMDB_OK;
}

void
adb_bulk_free(struct adb_bulk *bulk)
{
    if (bulk == NULL)
        return;
    adb_key_sort_free(bulk->sort);
    adb_mem_free(bulk);
}

/* ------------------------------------------------------------------- collecting */

static bool
add_change(struct adb_bulk *bulk, uint32_t group, const struct change *change, armdb_slice key,
           const void *value)
{
    const struct adb_index *index = change->index;
    size_t value_bytes = value != NULL ? index->value_bytes : 0;
    armdb_slice sort_key = key;
    unsigned char hash[8];
    size_t head = TREE_HEAD;
    size_t key_bytes = 0;
    if (index->map != NULL) {
        adb_node_store_bytes(hash, adb_map_hash(index->map, key.data, key.len));
        sort_key = (armdb_slice){hash, sizeof hash};
        head = MAP_HEAD;
        key_bytes = key.len;
    }
    unsigned char *to = (unsigned char *)adb_key_sort_add(bulk->sort, group, sort_key,
                                                          head + key_bytes + value_bytes);
    if (to == NULL)
        return false;
    memcpy(to, change, head);
    if (key_bytes != 0)
        memcpy(to + head, key.data, key_bytes);
    if (value_bytes != 0)
        memcpy(to + head + key_bytes, value, value_bytes);
    return true;
}

/* After a run: the next may be longer, if the indexes have grown. */
static armdb_err
adapt_run(struct adb_bulk *bulk)
{
    uint64_t bytes = adb_pages_bytes(bulk->config.pages) / INDEX_PARTS / bulk->config.n_workers;
    if (bytes > RUN_BYTES_MAX)
        bytes = RUN_BYTES_MAX;
    return bytes >= 2 * bulk->run_bytes ? new_sort(bulk, (size_t)bytes) : ARMDB_OK;
}

armdb_err
adb_bulk_put(struct adb_bulk *bulk, uint32_t group, struct adb_index *index, armdb_slice key,
             uint64_t location, const void *value)
{
    const struct change change = {index, location, key.len};
    if (add_change(bulk, group, &change, key, value))
        return ARMDB_OK;
    ADB_TRY(adb_bulk_flush(bulk));
    ADB_TRY(adapt_run(bulk));
    bool has_room = add_change(bulk, group, &change, key, value);
    ADB_ASSERT(has_room);
    return ARMDB_OK;
}

/* ----------------------------------------------------------------------- making */

static void
report_replaced(struct adb_bulk *bulk, armdb_slice key, uint64_t location)
{
    if (location != 0)
        bulk->config.on_replaced(bulk->config.context, key, location);
}

/* Changes of one tree, in order, that are made together. */
struct pending {
    struct adb_index *index;
    size_t n;
    struct adb_change changes[CHANGES];
};

static armdb_err
make_pending(struct adb_bulk *bulk, struct pending *pending)
{
    size_t n = pending->n;
    pending->n = 0;
    if (n == 0)
        return ARMDB_OK;
    ADB_TRY(adb_tree_apply(pending->index->tree, pending->changes, n, bulk->config.spare));
    for (size_t i = 0; i < n; i++)
        report_replaced(bulk, pending->changes[i].key, pending->changes[i].old);
    return ARMDB_OK;
}

static armdb_err
change_tree(struct adb_bulk *bulk, struct pending *pending, const struct change *change,
            const struct adb_key_sorted *sorted)
{
    struct adb_index *index = change->index;
    if (!sorted->is_last) {
        report_replaced(bulk, sorted->key, change->location);
        return ARMDB_OK;
    }
    if (pending->n == CHANGES || pending->index != index)
        ADB_TRY(make_pending(bulk, pending));
    bool has_value = change->location != 0 && index->value_bytes != 0;
    pending->index = index;
    pending->changes[pending->n++] = (struct adb_change){
        .key = sorted->key,
        .location = change->location,
        .value = has_value ? (const unsigned char *)sorted->payload + TREE_HEAD : NULL};
    return ARMDB_OK;
}

static armdb_err
change_map(struct adb_bulk *bulk, const struct change *change, const struct adb_key_sorted *sorted)
{
    const unsigned char *payload = (const unsigned char *)sorted->payload;
    const struct adb_index *index = change->index;
    uint64_t key_len;
    uint64_t old;
    memcpy(&key_len, payload + TREE_HEAD, sizeof key_len);
    const armdb_slice key = {payload + MAP_HEAD, (size_t)key_len};
    if (change->location == 0) {
        old = adb_map_remove(index->map, key);
    } else {
        const void *value = index->value_bytes != 0 ? payload + MAP_HEAD + key_len : NULL;
        ADB_TRY(adb_map_prepare(index->map, key, bulk->config.spare));
        old = adb_map_put(index->map, key, change->location, value, bulk->config.spare);
    }
    report_replaced(bulk, key, old);
    return ARMDB_OK;
}

armdb_err
adb_bulk_flush(struct adb_bulk *bulk)
{
    struct adb_key_sorted sorted;
    struct pending pending;
    pending.index = NULL;
    pending.n = 0;
    adb_key_sort_run(bulk->sort);
    while (adb_key_sort_next(bulk->sort, &sorted)) {
        struct change change = {0};
        memcpy(&change, sorted.payload, TREE_HEAD);
        ADB_ASSERT(change.index != NULL);
        if (change.index->map != NULL)
            ADB_TRY(change_map(bulk, &change, &sorted));
        else
            ADB_TRY(change_tree(bulk, &pending, &change, &sorted));
    }
    ADB_TRY(make_pending(bulk, &pending));
    adb_key_sort_clear(bulk->sort);
    return ARMDB_OK;
}
