#include "api/handle.h"

armdb_err
armdb_object_get(armdb_collection *collection, armdb_slice key, armdb_object *object_out)
{
    API_NEED(object_out, "get object");
    memset(object_out, 0, sizeof *object_out);
    API_OBJECT_OUTSIDE(struct collection, inner, collection, HANDLE_COLLECTION, "get object");
    ADB_TRY(adb_check_slice("get object", "key", key));
    return adb_db_object_get(inner, key, object_out);
}

void
armdb_object_release(armdb_object *object)
{
    if (object != NULL)
        adb_db_object_release(object);
}

static armdb_err
write_object(armdb_collection *collection, enum shard_verb verb, const char *operation,
             armdb_slice key, void *object, const armdb_write_options *options)
{
    adb_db_ticket_clear(options);
    API_OBJECT_OUTSIDE(struct collection, inner, collection, HANDLE_COLLECTION, operation);
    ADB_TRY(adb_check_slice(operation, "key", key));
    API_NEED(object, operation);
    return adb_db_object_write(inner, verb, key, object, options);
}

armdb_err
armdb_object_put(armdb_collection *collection, armdb_slice key, void *object,
                 const armdb_write_options *options)
{
    return write_object(collection, SHARD_PUT, "put object", key, object, options);
}

armdb_err
armdb_object_insert(armdb_collection *collection, armdb_slice key, void *object,
                    const armdb_write_options *options)
{
    return write_object(collection, SHARD_INSERT, "insert object", key, object, options);
}
