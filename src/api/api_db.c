#include "api/handle.h"
#include "base/mem.h"

/* Empties and frees all handles of a database that is gone, or never came to be. */
static void
end_handles(armdb_db *db)
{
    struct adb_handle *handle = db->collections;
    while (handle != NULL) {
        struct adb_handle *next = handle->next;
        adb_handle_end(handle);
        handle = next;
    }
    db->collections = NULL;
    db->default_collection = NULL;
    adb_mutex_fini(&db->lock);
    adb_handle_end(&db->handle);
}

armdb_err
armdb_open(const char *path, const armdb_options *options, armdb_db **db_out)
{
    struct db *inner;
    bool is_closed;
    API_NEED(db_out, "open");
    *db_out = NULL;
    API_NEED(path, "open");
    ADB_TRY(adb_db_open(adb_os_posix(), path, options, &inner));
    armdb_db *db = (armdb_db *)adb_handle_new(sizeof *db, HANDLE_DB, inner);
    if (db == NULL) {
        ADB_IGNORE(adb_db_close(inner, &is_closed));
        return adb_fail(ARMDB_NO_MEMORY, "open", "no memory for a handle");
    }
    adb_mutex_init(&db->lock);
    armdb_err err = adb_handle_of_collection(db, adb_db_default(inner), &db->default_collection);
    if (err != ARMDB_OK) {
        end_handles(db);
        ADB_IGNORE(adb_db_close(inner, &is_closed));
        return adb_fail(ARMDB_NO_MEMORY, "open", "no memory for a handle");
    }
    *db_out = db;
    return ARMDB_OK;
}

armdb_err
armdb_close(armdb_db *db)
{
    bool is_closed;
    if (db == NULL)
        return ARMDB_OK;
    API_OBJECT_OUTSIDE(struct db, inner, db, HANDLE_DB, "close");
    armdb_err err = adb_db_close(inner, &is_closed);
    if (is_closed)
        end_handles(db);
    return err;
}

armdb_err
armdb_flush(armdb_db *db)
{
    API_OBJECT_OUTSIDE(struct db, inner, db, HANDLE_DB, "flush");
    return adb_db_flush(inner);
}

armdb_err
armdb_sync(armdb_db *db)
{
    API_OBJECT_OUTSIDE(struct db, inner, db, HANDLE_DB, "sync");
    return adb_db_sync(inner);
}

armdb_err
armdb_set_cache_bytes(armdb_db *db, uint64_t cache_bytes)
{
    API_OBJECT_OUTSIDE(struct db, inner, db, HANDLE_DB, "set cache bytes");
    return adb_db_set_cache_bytes(inner, cache_bytes);
}

armdb_err
armdb_compact(armdb_db *db, const armdb_compact_options *options,
              armdb_compact_progress *progress_out)
{
    armdb_compact_progress ignored;
    if (progress_out == NULL)
        progress_out = &ignored;
    *progress_out = (armdb_compact_progress){0};
    API_OBJECT_OUTSIDE(struct db, inner, db, HANDLE_DB, "compact");
    return adb_db_compact(inner, options, progress_out);
}

armdb_err
armdb_checkpoint(armdb_db *db, const char *destination)
{
    API_OBJECT_OUTSIDE(struct db, inner, db, HANDLE_DB, "checkpoint");
    API_NEED(destination, "checkpoint");
    return adb_db_checkpoint(inner, destination);
}

armdb_err
armdb_ticket_wait(armdb_db *db, const armdb_ticket *tickets, size_t n_tickets)
{
    API_OBJECT_OUTSIDE(struct db, inner, db, HANDLE_DB, "wait for tickets");
    if (n_tickets > 0)
        API_NEED(tickets, "wait for tickets");
    return adb_db_ticket_wait(inner, tickets, n_tickets);
}

armdb_err
armdb_ticket_poll(armdb_db *db, const armdb_ticket *ticket, bool *is_synced_out)
{
    API_NEED(is_synced_out, "poll ticket");
    *is_synced_out = false;
    API_OBJECT_OUTSIDE(struct db, inner, db, HANDLE_DB, "poll ticket");
    API_NEED(ticket, "poll ticket");
    return adb_db_ticket_poll(inner, ticket, is_synced_out);
}

/* Zeroes a struct that the library is to fill, but for its size, which the caller has set. */
static armdb_err
clear_struct(const char *operation, void *to, uint32_t *struct_bytes, size_t known)
{
    uint32_t bytes = *struct_bytes;
    if (bytes != known)
        return adb_fail(ARMDB_INVALID, operation, "struct_bytes is %u, allowed is %zu", bytes,
                        known);
    memset(to, 0, known);
    *struct_bytes = bytes;
    return ARMDB_OK;
}

armdb_err
armdb_get_stats(armdb_db *db, armdb_stats *stats)
{
    API_NEED(stats, "stats");
    ADB_TRY(clear_struct("stats", stats, &stats->struct_bytes, sizeof *stats));
    API_OBJECT_OUTSIDE(struct db, inner, db, HANDLE_DB, "stats");
    adb_db_get_stats(inner, stats);
    return ARMDB_OK;
}

armdb_err
armdb_get_shard_info(armdb_db *db, uint32_t shard, armdb_shard_info *info)
{
    API_NEED(info, "shard info");
    ADB_TRY(clear_struct("shard info", info, &info->struct_bytes, sizeof *info));
    API_OBJECT_OUTSIDE(struct db, inner, db, HANDLE_DB, "shard info");
    return adb_db_get_shard_info(inner, shard, info);
}

armdb_err
armdb_file_list(armdb_db *db, uint32_t shard, armdb_file_info *infos, size_t capacity,
                size_t *count_out)
{
    API_NEED(count_out, "list files");
    *count_out = 0;
    if (capacity > 0) {
        API_NEED(infos, "list files");
        ADB_TRY(clear_struct("list files", infos, &infos->struct_bytes, sizeof *infos));
    }
    API_OBJECT_OUTSIDE(struct db, inner, db, HANDLE_DB, "list files");
    return adb_db_file_list(inner, shard, infos, capacity, count_out);
}

const char *
armdb_version(void)
{
    return ARMDB_VERSION_STRING;
}

armdb_err
armdb_verify(const char *path, armdb_damage_fn on_damage, void *context,
             armdb_verify_report *report_out)
{
    armdb_verify_report unseen;
    if (report_out == NULL)
        report_out = &unseen;
    memset(report_out, 0, sizeof *report_out);
    API_NEED(path, "verify");
    return adb_db_verify(adb_os_posix(), path, on_damage, context, report_out);
}

armdb_err
armdb_verify_open(armdb_db *db, armdb_damage_fn on_damage, void *context,
                  armdb_verify_report *report_out)
{
    armdb_verify_report unseen;
    if (report_out == NULL)
        report_out = &unseen;
    memset(report_out, 0, sizeof *report_out);
    API_OBJECT_OUTSIDE(struct db, inner, db, HANDLE_DB, "verify");
    return adb_db_verify_open(inner, on_damage, context, report_out);
}

armdb_err
armdb_repair(const char *path, const char *destination, armdb_finding_fn on_finding, void *context,
             armdb_repair_report *report_out)
{
    const struct repair_listener listener = {on_finding, context};
    armdb_repair_report unseen;
    if (report_out == NULL)
        report_out = &unseen;
    memset(report_out, 0, sizeof *report_out);
    API_NEED(path, "repair");
    API_NEED(destination, "repair");
    return adb_db_repair(adb_os_posix(), path, destination, &listener, report_out);
}
