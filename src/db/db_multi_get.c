/*
 * db_multi_get.c: many gets at once.
 *
 * A get waits for memory several times: nodes of the index, the table of the cache, the block. For
 * a group of keys these waits are spent together: all lookups of the index first, then the blocks
 * are asked for, then the values are copied. What is not in memory is read at once
 * (shard/shard_fetch.h).
 */
#include <string.h>

#include "base/err.h"
#include "db/db_private.h"
#include "os/rcu.h"

enum { GROUP = 32 };
#define NO_PART UINT32_MAX

/* What is known of a group of reads; entry i belongs to reads[i]. */
struct group {
    struct collection *collection;
    armdb_read *reads;
    size_t n;
    armdb_slice keys[GROUP]; /* empty: not a key of the collection */
    uint64_t locations[GROUP];
    struct shard *shards[GROUP];
    struct shard_reading readings[GROUP];
    uint64_t n_hits; /* values that came from the cache without further ado */
    unsigned char room[SHARD_TAKEN_BYTES_MAX];
    unsigned char values[GROUP * ARMDB_CONST_VALUE_MAX]; /* of collections that keep them */
    size_t n_missing;                                    /* reads that need the file, in order */
    uint8_t missing[GROUP];
    size_t failed;             /* the read that failed first, of this group or one before */
    armdb_err err;             /* how */
    armdb_error_detail detail; /* of it */
};

/* Enters what came of a read. */
static void
note(struct group *group, size_t i, armdb_err err)
{
    group->reads[i].err = err;
    if (err == ARMDB_OK || err == ARMDB_NOT_FOUND || (group->err != ARMDB_OK && group->failed <= i))
        return;
    group->err = err;
    group->failed = i;
    group->detail = *adb_err_detail();
}

static void
check_keys(struct group *group)
{
    for (size_t i = 0; i < group->n; i++) {
        armdb_read *read = &group->reads[i];
        read->len = 0;
        bool is_key = adb_collection_check_key(group->collection, read->key) == ARMDB_OK;
        group->keys[i] = is_key ? read->key : (armdb_slice){NULL, 0};
        group->locations[i] = 0;
    }
}

/* Brings near where the values are looked for. */
static void
ask_for_values(struct group *group)
{
    const struct db *db = group->collection->db;
    for (size_t i = 0; i < group->n; i++) {
        if (group->locations[i] == 0)
            continue;
        group->shards[i] = adb_db_route(db, group->keys[i]);
        adb_shard_ask(group->shards[i], group->locations[i], group->keys[i].len,
                      &group->readings[i]);
    }
}

/* Brings a value near. */
static void
approach_value(struct group *group, size_t i)
{
    if (i < group->n && group->locations[i] != 0 && group->collection->index.keys.value_bytes == 0)
        adb_shard_approach(&group->readings[i]);
}

/* Takes a value from memory; *is_missing_out: it is not there. */
static armdb_err
take(struct group *group, size_t i, bool *is_missing_out)
{
    armdb_read *read = &group->reads[i];
    uint32_t value_bytes = group->collection->index.keys.value_bytes;
    if (group->locations[i] == 0)
        return ARMDB_NOT_FOUND;
    ADB_TRY(adb_db_fit(group->collection->db, group->locations[i], value_bytes != 0, read));
    if (value_bytes != 0) {
        memcpy(read->buffer, group->values + i * value_bytes, value_bytes);
        return ARMDB_OK;
    }
    const unsigned char *value = adb_shard_take(&group->readings[i], read->key, group->room);
    *is_missing_out = value == NULL;
    if (ADB_UNLIKELY(value == NULL))
        return ARMDB_OK;
    group->n_hits++;
    if (read->len > 0)
        memcpy(read->buffer, value, read->len);
    return ARMDB_OK;
}

/* What comes of a read, if its value is in memory. */
static armdb_err
settle(struct group *group, size_t i, armdb_err dropped, bool *is_missing_out)
{
    if (group->keys[i].len == 0)
        return adb_collection_check_key(group->collection, group->reads[i].key);
    return dropped != ARMDB_OK ? adb_collection_check(group->collection)
                               : take(group, i, is_missing_out);
}

/* Reads a value that is in a fetch, perhaps, or by itself. */
static armdb_err
read_value(struct group *group, size_t i, const struct fetch *fetch, uint32_t part)
{
    armdb_read *read = &group->reads[i];
    const unsigned char *value = part != NO_PART ? adb_fetch_value(fetch, part, read->key) : NULL;
    if (value != NULL) {
        if (read->len > 0)
            memcpy(read->buffer, value, read->len);
        return ARMDB_OK;
    }
    armdb_err err = adb_shard_read_value(group->shards[i], group->locations[i], read->key,
                                         read->buffer);
    if (err != ARMDB_OK)
        read->len = 0;
    return err;
}

/* Reads the missing values from the `from`-th on, as many as go at once; returns how many. */
static size_t
read_some(struct group *group, size_t from, struct fetch *fetch)
{
    uint32_t parts[GROUP];
    size_t n = from;
    adb_fetch_clear(fetch);
    for (; n < group->n_missing && !adb_fetch_is_full(fetch); n++) {
        size_t i = group->missing[n];
        parts[n] = fetch->n_parts;
        if (!adb_fetch_add(fetch, group->shards[i], group->locations[i], group->keys[i].len))
            parts[n] = NO_PART;
    }
    adb_fetch_run(fetch);
    for (size_t at = from; at < n; at++)
        note(group, group->missing[at], read_value(group, group->missing[at], fetch, parts[at]));
    return n - from;
}

/* Reads what was not in memory. */
static void
read_missing(struct group *group)
{
    struct fetch_pool *pool = &group->collection->db->fetches;
    struct fetch *fetch = group->n_missing > 1 ? adb_fetch_take(pool) : NULL;
    for (size_t at = 0; at < group->n_missing && fetch != NULL;)
        at += read_some(group, at, fetch);
    for (size_t at = 0; at < group->n_missing && fetch == NULL; at++)
        note(group, group->missing[at], read_value(group, group->missing[at], NULL, NO_PART));
    adb_fetch_give(pool, fetch);
}

/* Inside an RCU scope. */
static void
get_group(struct group *group)
{
    const struct adb_index *keys = &group->collection->index.keys;
    armdb_err dropped = adb_collection_check(group->collection);
    if (dropped == ARMDB_OK) {
        adb_index_get_batch(keys, group->keys, group->n, group->locations,
                            keys->value_bytes != 0 ? group->values : NULL);
        if (keys->value_bytes == 0)
            ask_for_values(group);
    }
    group->n_hits = 0;
    group->n_missing = 0;
    for (size_t i = 0; i < SHARD_APPROACH_AT_ONCE; i++)
        approach_value(group, i);
    for (size_t i = 0; i < group->n; i++) {
        approach_value(group, i + SHARD_APPROACH_AT_ONCE);
        bool is_missing = false;
        armdb_err err = settle(group, i, dropped, &is_missing);
        if (ADB_UNLIKELY(is_missing))
            group->missing[group->n_missing++] = (uint8_t)i;
        else
            note(group, i, err);
    }
    read_missing(group);
    if (group->n_hits != 0)
        adb_cache_add_hits(group->collection->db->cache, group->n_hits);
}

armdb_err
adb_db_multi_get(struct collection *collection, armdb_read *reads, size_t n_reads)
{
    struct group group;
    group.collection = collection;
    group.err = ARMDB_OK;
    adb_counter_add(&collection->db->gets, n_reads);
    for (size_t done = 0; done < n_reads; done += group.n) {
        group.reads = reads + done;
        group.n = n_reads - done < GROUP ? n_reads - done : GROUP;
        group.failed = 0; /* if there is one, none of this group comes before */
        check_keys(&group);
        adb_rcu_enter();
        get_group(&group);
        adb_rcu_leave();
    }
    return group.err == ARMDB_OK ? ARMDB_OK : adb_err_restore(&group.detail);
}
