#include "api/handle.h"

#include "base/mem.h"
#include "db/db_batch.h"

struct armdb_batch {
    struct adb_handle handle;
};

armdb_err
armdb_batch_new(armdb_db *db, armdb_batch **batch_out)
{
    struct batch *batch;
    API_NEED(batch_out, "batch");
    *batch_out = NULL;
    API_OBJECT_OUTSIDE(struct db, inner, db, HANDLE_DB, "batch");
    ADB_TRY(adb_db_batch_new(inner, &batch));
    *batch_out = (armdb_batch *)adb_handle_new(sizeof **batch_out, HANDLE_BATCH, batch);
    if (*batch_out != NULL)
        return ARMDB_OK;
    adb_db_batch_free(batch);
    return adb_fail(ARMDB_NO_MEMORY, "batch", "no memory for a batch");
}

void
armdb_batch_free(armdb_batch *batch)
{
    struct batch *inner = (struct batch *)adb_handle_object((const struct adb_handle *)batch,
                                                            HANDLE_BATCH);
    if (inner == NULL)
        return;
    adb_handle_end(&batch->handle);
    adb_db_batch_free(inner);
}

armdb_err
armdb_batch_clear(armdb_batch *batch)
{
    API_OBJECT(struct batch, inner, batch, HANDLE_BATCH, "batch");
    adb_db_batch_clear(inner);
    return ARMDB_OK;
}

size_t
armdb_batch_count(const armdb_batch *batch, uint64_t *bytes_out)
{
    const struct batch *inner =
        (const struct batch *)adb_handle_object((const struct adb_handle *)batch, HANDLE_BATCH);
    if (bytes_out != NULL)
        *bytes_out = 0;
    return inner != NULL ? adb_db_batch_count(inner, bytes_out) : 0;
}

static armdb_err
add(armdb_batch *batch, armdb_collection *collection, struct batch_addition *addition)
{
    API_OBJECT(struct batch, inner, batch, HANDLE_BATCH, "batch");
    API_OBJECT(struct collection, of, collection, HANDLE_COLLECTION, "batch");
    ADB_TRY(adb_check_slice("batch", "key", addition->key));
    ADB_TRY(adb_check_slice("batch", "value", addition->value));
    addition->collection = of;
    return adb_db_batch_add(inner, addition);
}

armdb_err
armdb_batch_put(armdb_batch *batch, armdb_collection *collection, armdb_slice key,
                armdb_slice value, const armdb_write_options *options)
{
    struct batch_addition addition = {.key = key,
                                      .is_write = true,
                                      .verb = SHARD_PUT,
                                      .condition = SHARD_ALWAYS,
                                      .value = value,
                                      .options = options};
    return add(batch, collection, &addition);
}

armdb_err
armdb_batch_insert(armdb_batch *batch, armdb_collection *collection, armdb_slice key,
                   armdb_slice value, const armdb_write_options *options)
{
    struct batch_addition addition = {.key = key,
                                      .is_write = true,
                                      .verb = SHARD_PUT,
                                      .condition = SHARD_ABSENT,
                                      .value = value,
                                      .options = options};
    return add(batch, collection, &addition);
}

armdb_err
armdb_batch_delete(armdb_batch *batch, armdb_collection *collection, armdb_slice key)
{
    struct batch_addition addition = {
        .key = key, .is_write = true, .verb = SHARD_DELETE, .condition = SHARD_ALWAYS};
    return add(batch, collection, &addition);
}

static armdb_err
require(armdb_batch *batch, armdb_collection *collection, enum shard_condition condition,
        armdb_slice key, armdb_slice expected)
{
    struct batch_addition addition = {.key = key, .condition = condition, .value = expected};
    return add(batch, collection, &addition);
}

armdb_err
armdb_batch_require_present(armdb_batch *batch, armdb_collection *collection, armdb_slice key)
{
    return require(batch, collection, SHARD_PRESENT, key, (armdb_slice){NULL, 0});
}

armdb_err
armdb_batch_require_absent(armdb_batch *batch, armdb_collection *collection, armdb_slice key)
{
    return require(batch, collection, SHARD_ABSENT, key, (armdb_slice){NULL, 0});
}

armdb_err
armdb_batch_require_value(armdb_batch *batch, armdb_collection *collection, armdb_slice key,
                          armdb_slice expected)
{
    return require(batch, collection, SHARD_VALUE, key, expected);
}

armdb_err
armdb_commit(armdb_batch *batch, const armdb_write_options *options, size_t *refused_out)
{
    size_t refused;
    if (refused_out != NULL)
        *refused_out = SIZE_MAX;
    adb_db_ticket_clear(options);
    API_OBJECT_OUTSIDE(struct batch, inner, batch, HANDLE_BATCH, "commit");
    armdb_err err = adb_db_batch_commit(inner, options,
                                        refused_out != NULL ? refused_out : &refused);
    return err;
}
