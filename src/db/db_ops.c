#include "base/err.h"
#include "db/db_private.h"
#include "log/location.h"
#include "os/rcu.h"

/* --------------------------------------------------------------------- writes */

armdb_err
adb_db_write_as(struct collection *collection, struct shard_write *write,
                const armdb_write_options *options)
{
    struct db *db = collection->db;
    const bool has_objects = collection->index.keys.has_pointers;
    uint64_t sequence = 0;
    struct object *made = NULL;
    adb_db_ticket_clear(options);
    ADB_TRY(adb_write_options_settle(options, db->settings.durability, &write->durability));
    write->index = &collection->index;
    write->deadline_ms = adb_write_options_deadline(options, db->os);
    if (write->verb == SHARD_DELETE && write->deadline_ms != 0) {
        if (write->confirm == NULL)
            return adb_fail(ARMDB_INVALID, "delete", "a delete with a deadline");
        write->deadline_ms = 0; /* it was for a value that would have been put */
    }
    ADB_TRY(adb_collection_check_key(collection, write->key));
    if (write->verb != SHARD_DELETE)
        ADB_TRY(adb_collection_check_value(collection, write->value));
    uint32_t number = adb_router_shard(&db->router, write->key);
    if (ADB_UNLIKELY(has_objects) && write->verb != SHARD_DELETE && write->object == NULL) {
        ADB_TRY(adb_object_decode(collection, write->key, write->value, &made));
        write->object = made;
    }
    write->ticket_out = options != NULL && options->ticket != NULL ? &sequence : NULL;
    armdb_err err = adb_shard_write(db->shards[number], write);
    write->ticket_out = NULL;
    if (made != NULL) {
        write->object = NULL;
        adb_object_unref(made);
    }
    if (ADB_UNLIKELY(has_objects))
        adb_objects_reclaim(db, OBJECTS_RETIRED_MAX);
    /* Where there is nothing to wait for, the ticket stays zero. */
    if (err == ARMDB_OK && sequence != 0)
        *options->ticket = (armdb_ticket){.sequence = sequence, .shard = number};
    return err;
}

armdb_err
adb_db_write(struct collection *collection, enum shard_verb verb, armdb_slice key,
             armdb_slice value, const armdb_write_options *options)
{
    return adb_db_write_object(collection, verb, key, value, NULL, options);
}

armdb_err
adb_db_write_object(struct collection *collection, enum shard_verb verb, armdb_slice key,
                    armdb_slice value, struct object *object, const armdb_write_options *options)
{
    struct shard_write write = {.verb = verb, .key = key, .value = value, .object = object};
    return adb_db_write_as(collection, &write, options);
}

/* ---------------------------------------------------------------------- reads */

/* Finds a key of a collection that is still there, and its value if `value_out` is not NULL. Inside
 * an RCU scope. */
static armdb_err
find(struct collection *collection, armdb_slice key, void *value_out, uint64_t *location_out)
{
    ADB_TRY(adb_collection_check(collection));
    *location_out = adb_index_get(&collection->index.keys, key, value_out);
    return *location_out != 0 ? ARMDB_OK : ARMDB_NOT_FOUND;
}

/* Finds out until when the key at a location is there; ARMDB_NOT_FOUND: not any more. In the scope
 * that found it. */
static armdb_err
look_at_deadline(struct db *db, armdb_slice key, uint64_t location, uint64_t *deadline_ms_out)
{
    *deadline_ms_out = 0;
    if (ADB_LIKELY(!adb_location_has_deadline(location)))
        return ARMDB_OK;
    return adb_shard_read_deadline(adb_db_route(db, key), location, key, deadline_ms_out);
}

/* Copies the value at a location into a handle, from the log unless it was `inlined` in the index.
 * Inside the scope that found it. */
static armdb_err
read_value(struct db *db, armdb_slice key, uint64_t location, const void *inlined,
           armdb_value *value_out)
{
    void *to;
    uint64_t deadline_ms;
    if (inlined != NULL)
        ADB_TRY(look_at_deadline(db, key, location, &deadline_ms));
    ADB_TRY(adb_value_new(db->account, adb_location_value_len(location), value_out, &to));
    if (inlined != NULL) {
        memcpy(to, inlined, adb_location_value_len(location));
        return ARMDB_OK;
    }
    armdb_err err = adb_shard_read_value(adb_db_route(db, key), location, key, to);
    if (err != ARMDB_OK)
        adb_value_release(value_out);
    return err;
}

armdb_err
adb_db_fit(struct db *db, uint64_t location, bool is_inlined, armdb_read *read)
{
    uint64_t deadline_ms;
    size_t len = adb_location_value_len(location);
    if (is_inlined || len > read->capacity)
        ADB_TRY(look_at_deadline(db, read->key, location, &deadline_ms));
    read->len = len;
    if (ADB_LIKELY(len <= read->capacity))
        return ARMDB_OK;
    return adb_fail(ARMDB_BUFFER_TOO_SMALL, "get",
                    "the value has %zu bytes, the buffer has room for %zu", read->len,
                    read->capacity);
}

static armdb_err
get_inside(struct collection *collection, armdb_read *read)
{
    uint32_t value_bytes = collection->index.keys.value_bytes;
    bool is_inlined = value_bytes != 0 && value_bytes <= read->capacity;
    uint64_t location;
    ADB_TRY(find(collection, read->key, is_inlined ? read->buffer : NULL, &location));
    ADB_TRY(adb_db_fit(collection->db, location, value_bytes != 0, read));
    if (value_bytes != 0)
        return ARMDB_OK;
    armdb_err err = adb_shard_read_value(adb_db_route(collection->db, read->key), location,
                                         read->key, read->buffer);
    if (err != ARMDB_OK)
        read->len = 0;
    return err;
}

armdb_err
adb_db_get(struct collection *collection, armdb_slice key, void *buffer, size_t capacity,
           size_t *len_out)
{
    armdb_read read = {.key = key, .buffer = buffer, .capacity = capacity};
    *len_out = 0;
    ADB_TRY(adb_collection_check_key(collection, key));
    adb_counter_add(&collection->db->gets, 1);
    adb_rcu_enter();
    armdb_err err = get_inside(collection, &read);
    adb_rcu_leave();
    *len_out = read.len;
    return err;
}

armdb_err
adb_db_get_value(struct collection *collection, armdb_slice key, armdb_value *value_out)
{
    unsigned char bytes[ARMDB_CONST_VALUE_MAX];
    unsigned char *inlined = collection->index.keys.value_bytes != 0 ? bytes : NULL;
    uint64_t location;
    *value_out = (armdb_value){0};
    ADB_TRY(adb_collection_check_key(collection, key));
    adb_counter_add(&collection->db->gets, 1);
    adb_rcu_enter();
    armdb_err err = find(collection, key, inlined, &location);
    if (err == ARMDB_OK)
        err = read_value(collection->db, key, location, inlined, value_out);
    adb_rcu_leave();
    return err;
}

/* Where the value of a key is, and until when, without looking at it. */
static armdb_err
locate(struct collection *collection, armdb_slice key, uint64_t *location_out,
       uint64_t *deadline_ms_out)
{
    ADB_TRY(adb_collection_check_key(collection, key));
    adb_rcu_enter();
    armdb_err err = find(collection, key, NULL, location_out);
    if (err == ARMDB_OK)
        err = look_at_deadline(collection->db, key, *location_out, deadline_ms_out);
    adb_rcu_leave();
    return err;
}

armdb_err
adb_db_contains(struct collection *collection, armdb_slice key, bool *found_out)
{
    uint64_t location, deadline_ms;
    armdb_err err = locate(collection, key, &location, &deadline_ms);
    *found_out = err == ARMDB_OK;
    return err == ARMDB_NOT_FOUND ? ARMDB_OK : err;
}

armdb_err
adb_db_value_len(struct collection *collection, armdb_slice key, size_t *len_out)
{
    uint64_t location, deadline_ms;
    *len_out = 0;
    ADB_TRY(locate(collection, key, &location, &deadline_ms));
    *len_out = adb_location_value_len(location);
    return ARMDB_OK;
}

armdb_err
adb_db_deadline(struct collection *collection, armdb_slice key, uint64_t *deadline_ms_out)
{
    uint64_t location;
    *deadline_ms_out = 0;
    return locate(collection, key, &location, deadline_ms_out);
}

armdb_err
adb_db_count(struct collection *collection, uint64_t *count_out)
{
    *count_out = 0;
    adb_rcu_enter();
    armdb_err err = adb_collection_check(collection);
    if (err == ARMDB_OK)
        *count_out = adb_index_count(&collection->index.keys);
    adb_rcu_leave();
    return err;
}

/* Copies the key under a position into a handle. */
static armdb_err
copy_key(struct db *db, const struct adb_tree_position *position, armdb_value *key_out)
{
    void *to;
    ADB_TRY(adb_value_new(db->account, position->key_len, key_out, &to));
    memcpy(to, position->key, position->key_len);
    return ARMDB_OK;
}

/* Takes the pair under a position; ARMDB_NOT_FOUND if it has expired. */
static armdb_err
take_pair(struct collection *collection, const struct adb_tree_position *position,
          armdb_value *key_out, armdb_value *value_out)
{
    const armdb_slice key = {position->key, position->key_len};
    const void *inlined = collection->index.keys.value_bytes != 0 ? position->value : NULL;
    uint64_t deadline_ms;
    if (value_out != NULL)
        ADB_TRY(read_value(collection->db, key, position->location, inlined, value_out));
    else
        ADB_TRY(look_at_deadline(collection->db, key, position->location, &deadline_ms));
    if (key_out == NULL)
        return ARMDB_OK;
    armdb_err err = copy_key(collection->db, position, key_out);
    if (err != ARMDB_OK && value_out != NULL)
        adb_value_release(value_out);
    return err;
}

static armdb_err
end_inside(struct collection *collection, bool is_last, armdb_value *key_out,
           armdb_value *value_out)
{
    struct adb_tree_position position = {0};
    bool is_largest = is_last == (collection->order == ARMDB_ASCENDING);
    ADB_TRY(adb_collection_check(collection));
    ADB_TRY(adb_collection_check_order(collection, is_last ? "last" : "first"));
    const struct adb_tree *tree = collection->index.keys.tree;
    bool is_there = adb_tree_seek(tree, is_largest ? ADB_SEEK_LAST : ADB_SEEK_FIRST,
                                  (armdb_slice){NULL, 0}, &position);
    armdb_err err = ARMDB_NOT_FOUND;
    while (is_there && err == ARMDB_NOT_FOUND) {
        err = take_pair(collection, &position, key_out, value_out);
        if (err == ARMDB_NOT_FOUND)
            is_there = is_largest ? adb_tree_prev(tree, &position) : adb_tree_next(tree, &position);
    }
    return err;
}

armdb_err
adb_db_end(struct collection *collection, bool is_last, armdb_value *key_out,
           armdb_value *value_out)
{
    if (key_out != NULL)
        *key_out = (armdb_value){0};
    if (value_out != NULL)
        *value_out = (armdb_value){0};
    adb_rcu_enter();
    armdb_err err = end_inside(collection, is_last, key_out, value_out);
    adb_rcu_leave();
    return err;
}
