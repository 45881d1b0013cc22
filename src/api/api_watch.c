#include "api/handle.h"
#include "shard/watch.h"

armdb_err
armdb_watch_open(armdb_collection *collection, const armdb_watch_options *options,
                 armdb_watch **watch_out)
{
    struct watch *watch;
    API_NEED(watch_out, "open watch");
    *watch_out = NULL;
    API_OBJECT_OUTSIDE(struct collection, inner, collection, HANDLE_COLLECTION, "open watch");
    ADB_TRY(adb_watch_open(inner, collection, options, &watch));
    *watch_out = (armdb_watch *)adb_handle_new(sizeof **watch_out, HANDLE_WATCH, watch);
    if (*watch_out == NULL) {
        adb_watch_close(inner, watch);
        return adb_fail(ARMDB_NO_MEMORY, "open watch", "no memory for a handle");
    }
    (*watch_out)->collection = inner;
    return ARMDB_OK;
}

armdb_err
armdb_watch_next(armdb_watch *watch, uint32_t timeout_ms, armdb_change *change_out)
{
    API_NEED(change_out, "watch");
    memset(change_out, 0, sizeof *change_out);
    API_OBJECT(struct watch, inner, watch, HANDLE_WATCH, "watch");
    return adb_watch_next(inner, timeout_ms, change_out);
}

void
armdb_watch_close(armdb_watch *watch)
{
    struct watch *inner = (struct watch *)adb_handle_object((const struct adb_handle *)watch,
                                                            HANDLE_WATCH);
    if (inner == NULL) {
        if (watch != NULL)
            ADB_IGNORE(adb_handle_refuse(watch, "close watch"));
        return;
    }
    adb_watch_close(watch->collection, inner);
    adb_handle_end(&watch->handle);
}
