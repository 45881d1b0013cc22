#include "api/handle.h"

#include "base/mem.h"
#include "os/thread.h"

/* Emptied handles, oldest first. */
static struct adb_mutex kept_lock = ADB_MUTEX_INIT;
static struct adb_handle *kept_oldest;
static struct adb_handle *kept_newest;
static unsigned kept_count;

void *
adb_handle_new(size_t bytes, uint64_t kind, void *object)
{
    struct adb_handle *handle = (struct adb_handle *)adb_mem_zalloc(1, bytes);
    if (handle == NULL)
        return NULL;
    handle->object = object;
    atomic_store_explicit(&handle->kind, kind, memory_order_release);
    return handle;
}

void
adb_handle_end(struct adb_handle *handle)
{
    struct adb_handle *expired = NULL;
    atomic_store_explicit(&handle->kind, HANDLE_CLOSED, memory_order_release);
    handle->next = NULL;
    adb_mutex_lock(&kept_lock);
    if (kept_newest != NULL)
        kept_newest->next = handle;
    else
        kept_oldest = handle;
    kept_newest = handle;
    if (++kept_count > HANDLES_KEPT) {
        expired = kept_oldest;
        kept_oldest = expired->next;
        kept_count--;
    }
    adb_mutex_unlock(&kept_lock);
    adb_mem_free(expired);
}

armdb_err
adb_handle_refuse(const void *handle, const char *operation)
{
    if (handle == NULL)
        return adb_fail(ARMDB_INVALID, operation, "the handle is NULL");
    uint64_t kind = atomic_load_explicit(&((const struct adb_handle *)handle)->kind,
                                         memory_order_relaxed);
    if (adb_is_in_group && (kind == HANDLE_DB || kind == HANDLE_COLLECTION || kind == HANDLE_BATCH))
        return adb_fail(ARMDB_INVALID, operation,
                        "in the callback of a group, which has the lock of a shard: use the "
                        "armdb_group_ functions");
    ADB_DEBUG_FAIL("closed or foreign handle");
    return adb_fail(ARMDB_CLOSED, operation, "the handle is closed, or of another kind");
}

armdb_err
adb_refuse_null(const char *operation, const char *parameter)
{
    return adb_fail(ARMDB_INVALID, operation, "%s is NULL", parameter);
}
