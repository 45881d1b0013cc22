#include "api/handle.h"
#include "db/db_update.h"

armdb_err
adb_check_slice(const char *operation, const char *parameter, armdb_slice slice)
{
    if (ADB_UNLIKELY(slice.data == NULL && slice.len > 0))
        return adb_fail(ARMDB_INVALID, operation, "%s is NULL, but its length is %zu", parameter,
                        slice.len);
    return ARMDB_OK;
}

/* --------------------------------------------------------------------- writes */

static armdb_err
write_one(armdb_collection *collection, enum shard_verb verb, const char *operation,
          armdb_slice key, armdb_slice value, const armdb_write_options *options)
{
    adb_db_ticket_clear(options);
    API_OBJECT_OUTSIDE(struct collection, inner, collection, HANDLE_COLLECTION, operation);
    ADB_TRY(adb_check_slice(operation, "key", key));
    ADB_TRY(adb_check_slice(operation, "value", value));
    return adb_db_write(inner, verb, key, value, options);
}

armdb_err
armdb_put(armdb_collection *collection, armdb_slice key, armdb_slice value,
          const armdb_write_options *options)
{
    return write_one(collection, SHARD_PUT, "put", key, value, options);
}

armdb_err
armdb_insert(armdb_collection *collection, armdb_slice key, armdb_slice value,
             const armdb_write_options *options)
{
    return write_one(collection, SHARD_INSERT, "insert", key, value, options);
}

armdb_err
armdb_delete(armdb_collection *collection, armdb_slice key, const armdb_write_options *options)
{
    return write_one(collection, SHARD_DELETE, "delete", key, (armdb_slice){NULL, 0}, options);
}

/* ---------------------------------------------------------- read, modify, write */

/* Empties what may be asked for. */
static void
clear_value(armdb_value *value)
{
    if (value != NULL)
        memset(value, 0, sizeof *value);
}

armdb_err
armdb_cas(armdb_collection *collection, armdb_slice key, armdb_slice expected, armdb_slice desired,
          const armdb_write_options *options, armdb_value *current_out)
{
    const struct db_cas cas = {key, expected, desired};
    adb_db_ticket_clear(options);
    clear_value(current_out);
    API_OBJECT_OUTSIDE(struct collection, inner, collection, HANDLE_COLLECTION, "cas");
    ADB_TRY(adb_check_slice("cas", "key", key));
    if (!armdb_is_absent(expected))
        ADB_TRY(adb_check_slice("cas", "expected", expected));
    if (!armdb_is_absent(desired))
        ADB_TRY(adb_check_slice("cas", "desired", desired));
    return adb_db_cas(inner, &cas, options, current_out);
}

armdb_err
armdb_update(armdb_collection *collection, armdb_slice key, armdb_update_fn fn, void *context,
             const armdb_write_options *options, armdb_value *old_out, armdb_value *new_out)
{
    const struct db_update update = {key, fn, context, old_out, new_out};
    adb_db_ticket_clear(options);
    clear_value(old_out);
    clear_value(new_out);
    API_OBJECT_OUTSIDE(struct collection, inner, collection, HANDLE_COLLECTION, "update");
    ADB_TRY(adb_check_slice("update", "key", key));
    API_NEED(fn, "update");
    return adb_db_update(inner, &update, options);
}

armdb_err
armdb_migrate(armdb_collection *collection, armdb_update_fn fn, void *context,
              const armdb_migrate_options *options, armdb_migrate_progress *progress_out)
{
    const struct db_migrate what = {fn, context, options};
    armdb_migrate_progress progress;
    if (progress_out == NULL)
        progress_out = &progress;
    memset(progress_out, 0, sizeof *progress_out);
    API_OBJECT_OUTSIDE(struct collection, inner, collection, HANDLE_COLLECTION, "migrate");
    API_NEED(fn, "migrate");
    return adb_db_migrate(inner, &what, progress_out);
}

armdb_err
armdb_add(armdb_collection *collection, armdb_slice key, int64_t delta,
          const armdb_write_options *options, int64_t *sum_out)
{
    int64_t sum = 0;
    adb_db_ticket_clear(options);
    if (sum_out != NULL)
        *sum_out = 0;
    API_OBJECT_OUTSIDE(struct collection, inner, collection, HANDLE_COLLECTION, "add");
    ADB_TRY(adb_check_slice("add", "key", key));
    ADB_TRY(adb_db_add(inner, key, delta, options, &sum));
    if (sum_out != NULL)
        *sum_out = sum;
    return ARMDB_OK;
}

/* ---------------------------------------------------------------------- reads */

armdb_err
armdb_get(armdb_collection *collection, armdb_slice key, void *buffer, size_t capacity,
          size_t *len_out)
{
    API_NEED(len_out, "get");
    *len_out = 0;
    API_OBJECT(struct collection, inner, collection, HANDLE_COLLECTION, "get");
    ADB_TRY(adb_check_slice("get", "key", key));
    if (capacity > 0)
        API_NEED(buffer, "get");
    return adb_db_get(inner, key, buffer, capacity, len_out);
}

static armdb_err
check_reads(const armdb_read *reads, size_t n_reads)
{
    for (size_t i = 0; i < n_reads; i++) {
        ADB_TRY(adb_check_slice("get", "key", reads[i].key));
        if (reads[i].capacity > 0)
            API_NEED(reads[i].buffer, "get");
    }
    return ARMDB_OK;
}

armdb_err
armdb_multi_get(armdb_collection *collection, armdb_read *reads, size_t n_reads)
{
    API_OBJECT(struct collection, inner, collection, HANDLE_COLLECTION, "get");
    if (n_reads > 0)
        API_NEED(reads, "get");
    armdb_err err = check_reads(reads, n_reads);
    if (err == ARMDB_OK)
        return adb_db_multi_get(inner, reads, n_reads);
    for (size_t i = 0; i < n_reads; i++) {
        reads[i].len = 0;
        reads[i].err = err;
    }
    return err;
}

armdb_err
armdb_get_value(armdb_collection *collection, armdb_slice key, armdb_value *value_out)
{
    API_NEED(value_out, "get");
    memset(value_out, 0, sizeof *value_out);
    API_OBJECT(struct collection, inner, collection, HANDLE_COLLECTION, "get");
    ADB_TRY(adb_check_slice("get", "key", key));
    return adb_db_get_value(inner, key, value_out);
}

armdb_err
armdb_contains(armdb_collection *collection, armdb_slice key, bool *found_out)
{
    API_NEED(found_out, "contains");
    *found_out = false;
    API_OBJECT(struct collection, inner, collection, HANDLE_COLLECTION, "contains");
    ADB_TRY(adb_check_slice("contains", "key", key));
    return adb_db_contains(inner, key, found_out);
}

armdb_err
armdb_value_len(armdb_collection *collection, armdb_slice key, size_t *len_out)
{
    API_NEED(len_out, "value length");
    *len_out = 0;
    API_OBJECT(struct collection, inner, collection, HANDLE_COLLECTION, "value length");
    ADB_TRY(adb_check_slice("value length", "key", key));
    return adb_db_value_len(inner, key, len_out);
}

armdb_err
armdb_deadline(armdb_collection *collection, armdb_slice key, uint64_t *deadline_ms_out)
{
    API_NEED(deadline_ms_out, "deadline");
    *deadline_ms_out = 0;
    API_OBJECT(struct collection, inner, collection, HANDLE_COLLECTION, "deadline");
    ADB_TRY(adb_check_slice("deadline", "key", key));
    return adb_db_deadline(inner, key, deadline_ms_out);
}

armdb_err
armdb_count(armdb_collection *collection, uint64_t *count_out)
{
    API_NEED(count_out, "count");
    *count_out = 0;
    API_OBJECT(struct collection, inner, collection, HANDLE_COLLECTION, "count");
    return adb_db_count(inner, count_out);
}

static armdb_err
end_of(armdb_collection *collection, bool is_last, armdb_value *key_out, armdb_value *value_out)
{
    clear_value(key_out);
    clear_value(value_out);
    API_OBJECT(struct collection, inner, collection, HANDLE_COLLECTION, is_last ? "last" : "first");
    return adb_db_end(inner, is_last, key_out, value_out);
}

armdb_err
armdb_first(armdb_collection *collection, armdb_value *key_out, armdb_value *value_out)
{
    return end_of(collection, false, key_out, value_out);
}

armdb_err
armdb_last(armdb_collection *collection, armdb_value *key_out, armdb_value *value_out)
{
    return end_of(collection, true, key_out, value_out);
}
