#include "api/handle.h"
#include "base/mem.h"

/* The handle of a collection, if it has one. Under db->lock. */
static struct adb_handle *
find_handle(const armdb_db *db, const struct collection *collection)
{
    struct adb_handle *handle = db->collections;
    while (handle != NULL && handle->object != collection)
        handle = handle->next;
    return handle;
}

/* NULL (raised) when memory is out. */
static struct adb_handle *
new_handle(const char *operation)
{
    struct adb_handle *handle = (struct adb_handle *)adb_handle_new(sizeof(armdb_collection),
                                                                    HANDLE_COLLECTION, NULL);
    if (handle == NULL)
        ADB_IGNORE(adb_fail(ARMDB_NO_MEMORY, operation, "no memory for a handle"));
    return handle;
}

/* The handle that a collection has, or else `fresh`, which is freed if it is not needed. */
static armdb_collection *
settle_handle(armdb_db *db, struct collection *collection, struct adb_handle *fresh)
{
    adb_mutex_lock(&db->lock);
    struct adb_handle *handle = find_handle(db, collection);
    if (handle == NULL) {
        handle = fresh;
        fresh = NULL;
        handle->object = collection;
        handle->next = db->collections;
        db->collections = handle;
    }
    adb_mutex_unlock(&db->lock);
    adb_mem_free(fresh);
    return (armdb_collection *)handle;
}

armdb_err
adb_handle_of_collection(armdb_db *db, struct collection *collection, armdb_collection **handle_out)
{
    adb_mutex_lock(&db->lock);
    struct adb_handle *handle = find_handle(db, collection);
    adb_mutex_unlock(&db->lock);
    *handle_out = (armdb_collection *)handle;
    if (handle != NULL)
        return ARMDB_OK;
    struct adb_handle *fresh = new_handle("open collection");
    if (fresh == NULL)
        return ARMDB_NO_MEMORY;
    *handle_out = settle_handle(db, collection, fresh);
    return ARMDB_OK;
}

armdb_collection *
armdb_default(armdb_db *db)
{
    if (adb_handle_object((const struct adb_handle *)db, HANDLE_DB) == NULL) {
        ADB_IGNORE(adb_handle_refuse(db, "default collection"));
        return NULL;
    }
    return db->default_collection;
}

armdb_err
armdb_collection_create(armdb_db *db, const char *name, const armdb_collection_options *options,
                        armdb_collection **collection_out)
{
    struct collection *collection;
    API_NEED(collection_out, "create collection");
    *collection_out = NULL;
    API_OBJECT_OUTSIDE(struct db, inner, db, HANDLE_DB, "create collection");
    API_NEED(name, "create collection");
    /* Made first: once the collection is there, nothing may fail any more. */
    struct adb_handle *fresh = new_handle("create collection");
    if (fresh == NULL)
        return ARMDB_NO_MEMORY;
    armdb_err err = adb_collection_create(inner, name, options, &collection);
    if (err != ARMDB_OK) {
        adb_mem_free(fresh);
        return err;
    }
    *collection_out = settle_handle(db, collection, fresh);
    return ARMDB_OK;
}

armdb_err
armdb_collection_open(armdb_db *db, const char *name, const armdb_collection_options *options,
                      armdb_collection **collection_out)
{
    struct collection *collection;
    API_NEED(collection_out, "open collection");
    *collection_out = NULL;
    API_OBJECT_OUTSIDE(struct db, inner, db, HANDLE_DB, "open collection");
    API_NEED(name, "open collection");
    ADB_TRY(adb_collection_open(inner, name, options, &collection));
    return adb_handle_of_collection(db, collection, collection_out);
}

armdb_err
armdb_collection_drop(armdb_db *db, const char *name)
{
    API_OBJECT_OUTSIDE(struct db, inner, db, HANDLE_DB, "drop collection");
    API_NEED(name, "drop collection");
    return adb_collection_drop(inner, name);
}

armdb_err
armdb_collection_list(armdb_db *db, armdb_collection_info *infos, size_t capacity,
                      size_t *count_out)
{
    API_NEED(count_out, "list collections");
    *count_out = 0;
    API_OBJECT_OUTSIDE(struct db, inner, db, HANDLE_DB, "list collections");
    if (capacity > 0)
        API_NEED(infos, "list collections");
    adb_collection_list(inner, infos, capacity, count_out);
    return ARMDB_OK;
}

armdb_err
armdb_collection_get_info(armdb_collection *collection, armdb_collection_info *info_out)
{
    API_NEED(info_out, "collection info");
    memset(info_out, 0, sizeof *info_out);
    API_OBJECT(struct collection, inner, collection, HANDLE_COLLECTION, "collection info");
    return adb_collection_get_info(inner, info_out);
}
