/*
 * handle.h: what the opaque pointers of the public interface point to.
 *
 * A handle is a small shell around an object of src/db. When the object ends, the shell is emptied
 * and kept for a while (the last HANDLES_KEPT ones), so that a call on a handle that was closed is
 * answered with ARMDB_CLOSED instead of reading freed memory; so is a call with another kind of
 * handle. This catches mistakes; it is not a promise for handles closed long ago.
 *
 * Threads: any.
 */
#ifndef ADB_API_HANDLE_H
#define ADB_API_HANDLE_H

#include <stdatomic.h>

#include "armdb/armdb.h"
#include "base/assert.h"
#include "base/err.h"
#include "db/db.h"
#include "db/db_group.h"
#include "os/thread.h"

enum { HANDLES_KEPT = 1024 };

/* What a shell holds; odd numbers, so that no other memory looks like one by chance. */
#define HANDLE_DB UINT64_C(0xa3d1f00db0011235)
#define HANDLE_COLLECTION UINT64_C(0xa3d1f00db0023579)
#define HANDLE_CURSOR UINT64_C(0xa3d1f00db003bd13)
#define HANDLE_WATCH UINT64_C(0xa3d1f00db00531b7)
#define HANDLE_BATCH UINT64_C(0xa3d1f00db006f117)
#define HANDLE_GROUP UINT64_C(0xa3d1f00db007d3b9)
#define HANDLE_CLOSED UINT64_C(0xa3d1f00db004dead)

struct adb_handle {
    _Atomic(uint64_t) kind;  /* release on making and emptying, acquire on use */
    void *object;            /* borrowed; its owner is whoever made the handle */
    struct adb_handle *next; /* in the list of emptied ones, or of a database's collections */
};

struct armdb_db {
    struct adb_handle handle;
    struct adb_mutex lock;
    struct adb_handle *collections;       /* guarded by lock: handles of its collections, by next */
    armdb_collection *default_collection; /* immutable after open; in the list too */
};

struct armdb_collection {
    struct adb_handle handle;
};

struct armdb_cursor {
    struct adb_handle handle;
};

struct armdb_watch {
    struct adb_handle handle;
    struct collection *collection; /* borrowed: outlives it */
};

/** Zeroed memory of `bytes`, begun as a handle; NULL when memory is out. */
void *adb_handle_new(size_t bytes, uint64_t kind, void *object);

/** Empties a handle; the memory is freed later. */
void adb_handle_end(struct adb_handle *handle);

/** The error of a call on a NULL, closed or foreign handle, where debug builds stop; or of one that
 * a group does not allow in its callback. */
ADB_MUST_USE ADB_COLD armdb_err adb_handle_refuse(const void *handle, const char *operation);

/** The object of a handle, NULL if it is not an open one of that kind. */
static inline void *
adb_handle_object(const struct adb_handle *handle, uint64_t kind)
{
    if (ADB_UNLIKELY(handle == NULL ||
                     atomic_load_explicit(&handle->kind, memory_order_acquire) != kind))
        return NULL;
    return handle->object;
}

/** The handle of a collection of `db`, made at first sight. ARMDB_NO_MEMORY is raised. */
ADB_MUST_USE armdb_err adb_handle_of_collection(armdb_db *db, struct collection *collection,
                                                armdb_collection **handle_out);

/** Refuses borrowed bytes that are NULL but not empty. */
ADB_MUST_USE armdb_err adb_check_slice(const char *operation, const char *parameter,
                                       armdb_slice slice);

/** The error of a NULL where something is needed. */
ADB_MUST_USE ADB_COLD armdb_err adb_refuse_null(const char *operation, const char *parameter);

#define API_OBJECT(type, name, handle_pointer, kind, operation)                                    \
    type *name = (type *)adb_handle_object((const struct adb_handle *)(handle_pointer), kind);     \
    if (ADB_UNLIKELY(name == NULL))                                                                \
    return adb_handle_refuse(handle_pointer, operation)

/* The same, for what takes the lock of a shard: in the callback of a group it is refused. */
#define API_OBJECT_OUTSIDE(type, name, handle_pointer, kind, operation)                            \
    type *name = ADB_UNLIKELY(adb_is_in_group)                                                     \
                     ? NULL                                                                        \
                     : (type *)adb_handle_object((const struct adb_handle *)(handle_pointer),      \
                                                 kind);                                            \
    if (ADB_UNLIKELY(name == NULL))                                                                \
    return adb_handle_refuse(handle_pointer, operation)

#define API_NEED(pointer, operation)                                                               \
    do {                                                                                           \
        if (ADB_UNLIKELY((pointer) == NULL))                                                       \
            return adb_refuse_null(operation, #pointer);                                           \
    } while (0)

#endif
