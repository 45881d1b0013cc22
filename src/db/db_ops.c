#include "base/err.h"
#include "db/db_private.h"
#include "log/location.h"
#include "os/rcu.h"

/* --------------------------------------------------------------------- writes */

armdb_err
adb_db_write(struct collection *collection, enum shard_verb verb, armdb_slice key,
             armdb_slice value, const armdb_write_options *options)
{
    struct db *db = collection->db;
    struct shard_write write = {
        .verb = verb, .index = &collection->index, .key = key, .value = value};
    ADB_TRY(adb_write_options_settle(options, db->settings.durability, &write.durability));
    ADB_TRY(adb_collection_check_key(collection, key));
    if (value.len > ARMDB_VALUE_MAX)
        return adb_fail(ARMDB_TOO_BIG, "put", "a value of %zu bytes, allowed are 0..%u", value.len,
                        ARMDB_VALUE_MAX);
    return adb_shard_write(adb_db_route(db, key), &write);
}

/* ---------------------------------------------------------------------- reads */

/* Finds a key of a collection that is still there. Inside an RCU scope. */
static armdb_err
find(struct collection *collection, armdb_slice key, uint64_t *location_out)
{
    ADB_TRY(adb_collection_check(collection));
    *location_out = adb_tree_get(collection->index.tree, key, NULL);
    return *location_out != 0 ? ARMDB_OK : ARMDB_NOT_FOUND;
}

/* Copies the value at a location out of the log into a handle. Inside the scope that found it. */
static armdb_err
read_value(struct db *db, armdb_slice key, uint64_t location, armdb_value *value_out)
{
    void *to;
    ADB_TRY(adb_value_new(db->account, adb_location_value_len(location), value_out, &to));
    armdb_err err = adb_shard_read_value(adb_db_route(db, key), location, key, to);
    if (err != ARMDB_OK)
        adb_value_release(value_out);
    return err;
}

static armdb_err
get_inside(struct collection *collection, armdb_slice key, void *buffer, size_t capacity,
           size_t *len_out)
{
    struct db *db = collection->db;
    uint64_t location;
    ADB_TRY(find(collection, key, &location));
    size_t len = adb_location_value_len(location);
    if (len > capacity) {
        *len_out = len;
        return adb_fail(ARMDB_BUFFER_TOO_SMALL, "get",
                        "the value has %zu bytes, the buffer has room for %zu", len, capacity);
    }
    ADB_TRY(adb_shard_read_value(adb_db_route(db, key), location, key, buffer));
    *len_out = len;
    return ARMDB_OK;
}

armdb_err
adb_db_get(struct collection *collection, armdb_slice key, void *buffer, size_t capacity,
           size_t *len_out)
{
    *len_out = 0;
    ADB_TRY(adb_collection_check_key(collection, key));
    adb_counter_add(&collection->db->gets, 1);
    adb_rcu_enter();
    armdb_err err = get_inside(collection, key, buffer, capacity, len_out);
    adb_rcu_leave();
    return err;
}

armdb_err
adb_db_get_value(struct collection *collection, armdb_slice key, armdb_value *value_out)
{
    uint64_t location;
    *value_out = (armdb_value){0};
    ADB_TRY(adb_collection_check_key(collection, key));
    adb_counter_add(&collection->db->gets, 1);
    adb_rcu_enter();
    armdb_err err = find(collection, key, &location);
    if (err == ARMDB_OK)
        err = read_value(collection->db, key, location, value_out);
    adb_rcu_leave();
    return err;
}

/* Where the value of a key is, without looking at it. */
static armdb_err
locate(struct collection *collection, armdb_slice key, uint64_t *location_out)
{
    ADB_TRY(adb_collection_check_key(collection, key));
    adb_rcu_enter();
    armdb_err err = find(collection, key, location_out);
    adb_rcu_leave();
    return err;
}

armdb_err
adb_db_contains(struct collection *collection, armdb_slice key, bool *found_out)
{
    uint64_t location;
    armdb_err err = locate(collection, key, &location);
    *found_out = err == ARMDB_OK;
    return err == ARMDB_NOT_FOUND ? ARMDB_OK : err;
}

armdb_err
adb_db_value_len(struct collection *collection, armdb_slice key, size_t *len_out)
{
    uint64_t location;
    *len_out = 0;
    ADB_TRY(locate(collection, key, &location));
    *len_out = adb_location_value_len(location);
    return ARMDB_OK;
}

armdb_err
adb_db_count(struct collection *collection, uint64_t *count_out)
{
    *count_out = 0;
    adb_rcu_enter();
    armdb_err err = adb_collection_check(collection);
    if (err == ARMDB_OK)
        *count_out = adb_tree_count(collection->index.tree);
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

static armdb_err
end_inside(struct collection *collection, bool is_last, armdb_value *key_out,
           armdb_value *value_out)
{
    struct adb_tree_position position = {0};
    bool is_largest = is_last == (collection->order == ARMDB_ASCENDING);
    ADB_TRY(adb_collection_check(collection));
    if (!adb_tree_seek(collection->index.tree, is_largest ? ADB_SEEK_LAST : ADB_SEEK_FIRST,
                       (armdb_slice){NULL, 0}, &position))
        return ARMDB_NOT_FOUND;
    const armdb_slice key = {position.key, position.key_len};
    if (key_out != NULL)
        ADB_TRY(copy_key(collection->db, &position, key_out));
    if (value_out == NULL)
        return ARMDB_OK;
    armdb_err err = read_value(collection->db, key, position.location, value_out);
    if (err != ARMDB_OK && key_out != NULL)
        adb_value_release(key_out);
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
