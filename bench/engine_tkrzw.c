/*
 * engine_tkrzw.c: Tkrzw's hash table and B+ tree, by its C interface.
 *
 * Records are visited in place ("process"), which spares a copy and an allocation.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tkrzw_langc.h>

#include "engine.h"

struct tkrzw_db {
    TkrzwDBM *dbm;
    bool is_synced;
};

struct tkrzw_thread {
    struct tkrzw_db *db;
    TkrzwDBMIter *iterator; /* made when first used */
};

/* What a visit carries through the library; one of visit and modify is set. */
struct tkrzw_call {
    bench_visit_fn visit;
    bench_modify_fn modify;
    void *context;
    const struct bench_scan *scan; /* NULL: not part of a scan */
    bool is_found;
};

static void
check(bool is_done, const char *what)
{
    if (!is_done)
        bench_die("%s: %s", what, tkrzw_get_last_status_message());
}

/* Done, or the key was not there (false). */
static bool
found(bool is_done, const char *what)
{
    if (!is_done && tkrzw_get_last_status_code() == TKRZW_STATUS_NOT_FOUND_ERROR)
        return false;
    check(is_done, what);
    return true;
}

static void *
open_with(const struct bench_config *config, const char *file, const char *params)
{
    struct tkrzw_db *db = (struct tkrzw_db *)bench_new(sizeof *db);
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", config->directory, file);
    db->is_synced = config->durability == BENCH_SYNCED;
    db->dbm = tkrzw_dbm_open(path, true, params);
    check(db->dbm != NULL, "open");
    return db;
}

static void *
tkrzw_hash_open(const struct bench_config *config)
{
    char params[256];
    snprintf(params, sizeof params,
             "dbm=HashDBM,file=MemoryMapParallelFile,update_mode=UPDATE_IN_PLACE,num_buckets=%llu",
             (unsigned long long)(config->keys * 2));
    return open_with(config, "data.tkh", params);
}

static void *
tkrzw_tree_open(const struct bench_config *config)
{
    const unsigned page_bytes = 8130;
    uint64_t pages = config->cache_bytes / page_bytes;
    char params[256];
    snprintf(params, sizeof params,
             "dbm=TreeDBM,file=MemoryMapParallelFile,update_mode=UPDATE_IN_PLACE,"
             "max_page_size=%u,max_cached_pages=%llu,num_buckets=%llu",
             page_bytes, (unsigned long long)(pages > 256 ? pages : 256),
             (unsigned long long)(config->keys / 16 + 1024));
    return open_with(config, "data.tkt", params);
}

static void
tkrzw_sync(void *handle)
{
    struct tkrzw_db *db = (struct tkrzw_db *)handle;
    check(tkrzw_dbm_synchronize(db->dbm, true, NULL, NULL, ""), "sync");
}

static void
tkrzw_close(void *handle)
{
    struct tkrzw_db *db = (struct tkrzw_db *)handle;
    tkrzw_sync(db);
    check(tkrzw_dbm_close(db->dbm), "close");
    free(db);
}

static void *
tkrzw_thread_open(void *db)
{
    struct tkrzw_thread *thread = (struct tkrzw_thread *)bench_new(sizeof *thread);
    thread->db = (struct tkrzw_db *)db;
    return thread;
}

static void
tkrzw_thread_close(void *handle)
{
    struct tkrzw_thread *thread = (struct tkrzw_thread *)handle;
    if (thread->iterator != NULL)
        tkrzw_dbm_iter_free(thread->iterator);
    free(thread);
}

static void
sync_if_asked(struct tkrzw_thread *thread)
{
    if (thread->db->is_synced)
        tkrzw_sync(thread->db);
}

static void
tkrzw_put(void *handle, struct bench_bytes key, struct bench_bytes value)
{
    struct tkrzw_thread *thread = (struct tkrzw_thread *)handle;
    check(tkrzw_dbm_set(thread->db->dbm, (const char *)key.data, (int32_t)key.len,
                        (const char *)value.data, (int32_t)value.len, true),
          "set");
    sync_if_asked(thread);
}

static const char *
on_record(void *argument, const char *key_data, int32_t key_bytes, const char *value_data,
          int32_t value_bytes, int32_t *new_bytes)
{
    struct tkrzw_call *call = (struct tkrzw_call *)argument;
    const struct bench_bytes key = bench_bytes(key_data, (size_t)key_bytes);
    struct bench_bytes value = value_data != NULL ? bench_bytes(value_data, (size_t)value_bytes)
                                                  : bench_bytes(NULL, 0);
    call->is_found = value_data != NULL;
    if (call->modify != NULL) {
        value = call->modify(call->context, key, value);
        *new_bytes = (int32_t)value.len;
        return (const char *)value.data;
    }
    if (call->scan != NULL) {
        const struct bench_bytes from = call->scan->from;
        if (call->scan->is_prefix &&
            (key.len < from.len || memcmp(key.data, from.data, from.len) != 0)) {
            call->is_found = false;
            return TKRZW_REC_PROC_NOOP;
        }
        if (call->scan->is_keys_only)
            value = bench_bytes(NULL, 0);
    }
    if (call->is_found)
        call->visit(call->context, key, value);
    return TKRZW_REC_PROC_NOOP;
}

static bool
tkrzw_get(void *handle, struct bench_bytes key, bench_visit_fn visit, void *context)
{
    struct tkrzw_thread *thread = (struct tkrzw_thread *)handle;
    struct tkrzw_call call = {visit, NULL, context, NULL, false};
    check(tkrzw_dbm_process(thread->db->dbm, (const char *)key.data, (int32_t)key.len, on_record,
                            &call, false),
          "get");
    return call.is_found;
}

static bool
tkrzw_del(void *handle, struct bench_bytes key)
{
    struct tkrzw_thread *thread = (struct tkrzw_thread *)handle;
    return found(tkrzw_dbm_remove(thread->db->dbm, (const char *)key.data, (int32_t)key.len),
                 "remove");
}

static void
tkrzw_rmw(void *handle, struct bench_bytes key, bench_modify_fn modify, void *context)
{
    struct tkrzw_thread *thread = (struct tkrzw_thread *)handle;
    struct tkrzw_call call = {NULL, modify, context, NULL, false};
    check(tkrzw_dbm_process(thread->db->dbm, (const char *)key.data, (int32_t)key.len, on_record,
                            &call, true),
          "process");
    sync_if_asked(thread);
}

static bool
tkrzw_cas(void *handle, struct bench_bytes key, struct bench_bytes expected,
          struct bench_bytes desired)
{
    struct tkrzw_thread *thread = (struct tkrzw_thread *)handle;
    if (!tkrzw_dbm_compare_exchange(thread->db->dbm, (const char *)key.data, (int32_t)key.len,
                                    (const char *)expected.data, (int32_t)expected.len,
                                    (const char *)desired.data, (int32_t)desired.len)) {
        if (tkrzw_get_last_status_code() == TKRZW_STATUS_INFEASIBLE_ERROR)
            return false;
        check(false, "compare and exchange");
    }
    sync_if_asked(thread);
    return true;
}

static void
tkrzw_scan(void *handle, const struct bench_scan *scan, bench_visit_fn visit, void *context)
{
    struct tkrzw_thread *thread = (struct tkrzw_thread *)handle;
    struct tkrzw_call call = {visit, NULL, context, scan, true};
    if (thread->iterator == NULL)
        thread->iterator = tkrzw_dbm_make_iterator(thread->db->dbm);
    if (!found(tkrzw_dbm_iter_jump(thread->iterator, (const char *)scan->from.data,
                                   (int32_t)scan->from.len),
               "jump"))
        return;
    for (uint32_t i = 0; i < scan->records; i++) {
        if (!found(tkrzw_dbm_iter_process(thread->iterator, on_record, &call, false), "scan") ||
            !call.is_found || i + 1 == scan->records)
            break;
        const bool is_moved = scan->is_backwards ? tkrzw_dbm_iter_previous(thread->iterator)
                                                 : tkrzw_dbm_iter_next(thread->iterator);
        if (!found(is_moved, "step"))
            break;
    }
}

#define TKRZW_COMMON                                                                               \
    .close = tkrzw_close, .thread_open = tkrzw_thread_open, .thread_close = tkrzw_thread_close,    \
    .put = tkrzw_put, .get = tkrzw_get, .del = tkrzw_del, .rmw = tkrzw_rmw, .cas = tkrzw_cas,      \
    .sync = tkrzw_sync

const struct bench_engine bench_tkrzw_hash = {
    .name = "tkrzw-hash",
    .settings = "HashDBM, two buckets a key, UPDATE_IN_PLACE, MemoryMapParallelFile, no checksums, "
                "no log; rmw by Process(), cas by CompareExchange()",
    .open = tkrzw_hash_open,
    TKRZW_COMMON,
};

const struct bench_engine bench_tkrzw_tree = {
    .name = "tkrzw-tree",
    .settings = "TreeDBM, pages of 8130 bytes, as many cached as the cache bytes allow, "
                "MemoryMapParallelFile, no checksums, no log; changed pages stay in the process: "
                "a kill loses them",
    .traits = BENCH_ORDERED | BENCH_IN_PROCESS,
    .open = tkrzw_tree_open,
    .scan = tkrzw_scan,
    TKRZW_COMMON,
};
