#include <inttypes.h>

#include "base/err.h"
#include "db/db_private.h"
#include "shard/watch.h"

#define CAPACITY_MIN (UINT64_C(4) << 10)
#define CAPACITY_MAX (UINT64_C(1) << 30)

static armdb_err
check_options(const armdb_watch_options *options)
{
    if (options->struct_bytes != sizeof *options)
        return adb_fail(ARMDB_INVALID, "open watch",
                        "armdb_watch_options.struct_bytes is %u, allowed is %zu: start from the "
                        "_INIT macro",
                        options->struct_bytes, sizeof *options);
    if (options->prefix.len > ARMDB_KEY_MAX ||
        (options->prefix.len > 0 && options->prefix.data == NULL))
        return adb_fail(ARMDB_INVALID, "open watch", "a prefix of %zu bytes, allowed are 0..%u",
                        options->prefix.len, ARMDB_KEY_MAX);
    if (options->capacity_bytes != 0 &&
        (options->capacity_bytes < CAPACITY_MIN || options->capacity_bytes > CAPACITY_MAX))
        return adb_fail(ARMDB_INVALID, "open watch",
                        "capacity_bytes is %" PRIu64 ", allowed are %" PRIu64 "..%" PRIu64,
                        options->capacity_bytes, CAPACITY_MIN, CAPACITY_MAX);
    return ARMDB_OK;
}

armdb_err
adb_watch_open(struct collection *collection, armdb_collection *handle,
               const armdb_watch_options *options, struct watch **watch_out)
{
    const armdb_watch_options defaults = ARMDB_WATCH_OPTIONS_INIT;
    struct db *db = collection->db;
    if (options == NULL)
        options = &defaults;
    *watch_out = NULL;
    ADB_TRY(check_options(options));
    ADB_TRY(adb_watch_new(db->os, handle, options, watch_out));
    adb_db_stop_writers(db);
    armdb_err err = adb_collection_check(collection);
    if (err == ARMDB_OK) {
        adb_watch_link(&collection->listener.watches, *watch_out);
        adb_collection_settle_listener(collection);
        atomic_fetch_add_explicit(&db->watches, 1, memory_order_relaxed);
    }
    adb_db_let_writers_go(db);
    if (err != ARMDB_OK) {
        adb_watch_free(*watch_out);
        *watch_out = NULL;
    }
    return err;
}

void
adb_watch_close(struct collection *collection, struct watch *watch)
{
    struct db *db = collection->db;
    adb_db_stop_writers(db);
    adb_watch_unlink(&collection->listener.watches, watch);
    adb_collection_settle_listener(collection);
    adb_db_let_writers_go(db);
    adb_watch_free(watch);
    atomic_fetch_sub_explicit(&db->watches, 1, memory_order_release);
}
