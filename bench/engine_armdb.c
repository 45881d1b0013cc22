/*
 * engine_armdb.c: this project's own library: ordered ("armdb"), hashed ("armdb-map") and with
 * values in the index ("armdb-const"), as far as the library has them.
 */
#include <stdlib.h>
#include <string.h>

#include "armdb/armdb.h"
#include "engine.h"

enum { VALUE_BUFFER_BYTES = 1 << 20, TICKETS_IN_FLIGHT = 256 };

struct armdb_bench_thread {
    armdb_collection *collection;
    armdb_cursor *cursors[2]; /* of values; of keys only. Made when first used */
    unsigned char *buffer;    /* of values that are read */
    armdb_db *db;
    armdb_ticket tickets[TICKETS_IN_FLIGHT]; /* a ring */
    uint64_t issued;
};

static void
check(armdb_err err, const char *what)
{
    armdb_error_detail detail;
    if (err == ARMDB_OK)
        return;
    armdb_last_error(&detail);
    bench_die("%s: %s: %s", what, armdb_strerror(err), detail.message);
}

static armdb_slice
slice(struct bench_bytes bytes)
{
    return armdb_bytes(bytes.data, bytes.len);
}

static struct bench_bytes
unslice(armdb_slice bytes)
{
    return bench_bytes(bytes.data, bytes.len);
}

static void
options_of(const struct bench_config *config, armdb_options *options)
{
    const armdb_options init = ARMDB_OPTIONS_INIT;
    *options = init;
    options->default_collection.key_bytes = BENCH_KEY_BYTES;
    options->durability = config->durability == BENCH_SYNCED ? ARMDB_SYNCED : ARMDB_WRITTEN;
    options->cache_bytes = config->cache_bytes;
}

static void *
open_with(const struct bench_config *config, const armdb_options *options)
{
    armdb_db *db;
    check(armdb_open(config->directory, options, &db), "open");
    return db;
}

static void *
armdb_bench_open(const struct bench_config *config)
{
    armdb_options options;
    options_of(config, &options);
    return open_with(config, &options);
}

static void
armdb_bench_close(void *db)
{
    check(armdb_close((armdb_db *)db), "close");
}

static void *
armdb_bench_thread_open(void *db)
{
    struct armdb_bench_thread *thread = (struct armdb_bench_thread *)bench_new(sizeof *thread);
    thread->collection = armdb_default((armdb_db *)db);
    thread->buffer = (unsigned char *)bench_new(VALUE_BUFFER_BYTES);
    thread->db = (armdb_db *)db;
    return thread;
}

static void
armdb_bench_put(void *handle, struct bench_bytes key, struct bench_bytes value)
{
    struct armdb_bench_thread *thread = (struct armdb_bench_thread *)handle;
    check(armdb_put(thread->collection, slice(key), slice(value), NULL), "put");
}

static bool
armdb_bench_get(void *handle, struct bench_bytes key, bench_visit_fn visit, void *context)
{
    struct armdb_bench_thread *thread = (struct armdb_bench_thread *)handle;
    size_t len;
    armdb_err err = armdb_get(thread->collection, slice(key), thread->buffer, VALUE_BUFFER_BYTES,
                              &len);
    if (err == ARMDB_NOT_FOUND)
        return false;
    check(err, "get");
    visit(context, key, bench_bytes(thread->buffer, len));
    return true;
}

static bool
armdb_bench_del(void *handle, struct bench_bytes key)
{
    struct armdb_bench_thread *thread = (struct armdb_bench_thread *)handle;
    armdb_err err = armdb_delete(thread->collection, slice(key), NULL);
    if (err == ARMDB_NOT_FOUND)
        return false;
    check(err, "delete");
    return true;
}

static armdb_cursor *
cursor_of(struct armdb_bench_thread *thread, const struct bench_scan *scan)
{
    armdb_cursor **cursor = &thread->cursors[scan->is_keys_only];
    armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    options.keys_only = scan->is_keys_only;
    if (*cursor == NULL)
        check(armdb_cursor_open(thread->collection, &options, cursor), "cursor");
    return *cursor;
}

static void
walk(armdb_cursor *cursor, armdb_err err, const struct bench_scan *scan, bench_visit_fn visit,
     void *context)
{
    for (uint32_t i = 0; err == ARMDB_OK; i++) {
        visit(context, unslice(armdb_cursor_key(cursor)), unslice(armdb_cursor_value(cursor)));
        if (i + 1 == scan->records)
            return;
        err = scan->is_backwards ? armdb_cursor_prev(cursor) : armdb_cursor_next(cursor);
    }
    if (err != ARMDB_END)
        check(err, "scan");
}

static void
armdb_bench_scan(void *handle, const struct bench_scan *scan, bench_visit_fn visit, void *context)
{
    struct armdb_bench_thread *thread = (struct armdb_bench_thread *)handle;
    armdb_cursor *cursor;
    if (!scan->is_prefix) {
        cursor = cursor_of(thread, scan);
        walk(cursor, armdb_cursor_seek(cursor, slice(scan->from)), scan, visit, context);
        return;
    }
    armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    options.prefix = slice(scan->from);
    check(armdb_cursor_open(thread->collection, &options, &cursor), "cursor");
    walk(cursor, armdb_cursor_next(cursor), scan, visit, context);
    armdb_cursor_close(cursor);
}

static void
armdb_bench_multi_get(void *handle, const struct bench_bytes *keys, size_t n_keys,
                      bench_visit_fn visit, void *context)
{
    struct armdb_bench_thread *thread = (struct armdb_bench_thread *)handle;
    const size_t room = VALUE_BUFFER_BYTES / BENCH_MULTI_GET_KEYS;
    armdb_read reads[BENCH_MULTI_GET_KEYS];
    memset(reads, 0, sizeof reads);
    for (size_t i = 0; i < n_keys; i++) {
        reads[i].key = slice(keys[i]);
        reads[i].buffer = thread->buffer + i * room;
        reads[i].capacity = room;
    }
    check(armdb_multi_get(thread->collection, reads, n_keys), "multi_get");
    for (size_t i = 0; i < n_keys; i++) {
        check(reads[i].err, "multi_get");
        visit(context, keys[i], bench_bytes(reads[i].buffer, reads[i].len));
    }
}

static void
armdb_bench_put_ticket(void *handle, struct bench_bytes key, struct bench_bytes value)
{
    struct armdb_bench_thread *thread = (struct armdb_bench_thread *)handle;
    armdb_ticket *ticket = &thread->tickets[thread->issued % TICKETS_IN_FLIGHT];
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    options.durability = ARMDB_SYNCED;
    options.ticket = ticket;
    if (thread->issued >= TICKETS_IN_FLIGHT)
        check(armdb_ticket_wait(thread->db, ticket, 1), "wait for a ticket");
    check(armdb_put(thread->collection, slice(key), slice(value), &options), "put");
    thread->issued++;
}

static void
wait_for_tickets(struct armdb_bench_thread *thread)
{
    const size_t count = thread->issued < TICKETS_IN_FLIGHT ? (size_t)thread->issued
                                                            : TICKETS_IN_FLIGHT;
    check(armdb_ticket_wait(thread->db, thread->tickets, count), "wait for tickets");
}

static void
armdb_bench_thread_close(void *handle)
{
    struct armdb_bench_thread *thread = (struct armdb_bench_thread *)handle;
    if (thread->issued > 0)
        wait_for_tickets(thread);
    armdb_cursor_close(thread->cursors[0]);
    armdb_cursor_close(thread->cursors[1]);
    free(thread->buffer);
    free(thread);
}

static void
armdb_bench_sync(void *db)
{
    check(armdb_sync((armdb_db *)db), "sync");
}

static void
armdb_bench_stats(void *db, struct bench_engine_stats *stats_out)
{
    armdb_stats stats;
    stats.struct_bytes = sizeof stats;
    check(armdb_get_stats((armdb_db *)db, &stats), "stats");
    stats_out->memory_bytes = stats.index_bytes + stats.buffer_bytes;
}

#define ARMDB_BENCH_COMMON                                                                         \
    .close = armdb_bench_close, .thread_open = armdb_bench_thread_open,                            \
    .thread_close = armdb_bench_thread_close, .put = armdb_bench_put, .get = armdb_bench_get,      \
    .multi_get = armdb_bench_multi_get, .del = armdb_bench_del,                                    \
    .put_ticket = armdb_bench_put_ticket, .sync = armdb_bench_sync, .stats = armdb_bench_stats

const struct bench_engine bench_armdb = {
    .name = "armdb",
    .settings = "ordered collection, keys of 16 bytes, shards and buffers as by default; rmw under "
                "a lock of the benchmark",
    .traits = BENCH_ORDERED | BENCH_OURS,
    .open = armdb_bench_open,
    .scan = armdb_bench_scan,
    ARMDB_BENCH_COMMON,
};

static void *
armdb_bench_open_map(const struct bench_config *config)
{
    armdb_options options;
    options_of(config, &options);
    options.default_collection.order = ARMDB_UNORDERED;
    return open_with(config, &options);
}

const struct bench_engine bench_armdb_map = {
    .name = "armdb-map",
    .settings = "as armdb, with a hashed collection: no scans",
    .traits = BENCH_OURS,
    .open = armdb_bench_open_map,
    ARMDB_BENCH_COMMON,
};

static void *
armdb_bench_open_idle(const struct bench_config *config)
{
    armdb_options options;
    options_of(config, &options);
    options.compaction_percent = ARMDB_NEVER;
    return open_with(config, &options);
}

const struct bench_engine bench_armdb_idle = {
    .name = "armdb-idle",
    .settings = "as armdb, without compaction: what that costs",
    .traits = BENCH_ORDERED | BENCH_OURS | BENCH_VARIANT,
    .open = armdb_bench_open_idle,
    .scan = armdb_bench_scan,
    ARMDB_BENCH_COMMON,
};

static void *
armdb_bench_open_direct(const struct bench_config *config)
{
    armdb_options options;
    options_of(config, &options);
    options.io = ARMDB_IO_DIRECT;
    options.max_file_bytes = 32 << 20; /* the newest is not read directly */
    return open_with(config, &options);
}

const struct bench_engine bench_armdb_direct = {
    .name = "armdb-direct",
    .settings = "as armdb, sealed files (of 32 MiB) read past the page cache",
    .traits = BENCH_ORDERED | BENCH_OURS | BENCH_VARIANT,
    .open = armdb_bench_open_direct,
    .scan = armdb_bench_scan,
    ARMDB_BENCH_COMMON,
};

static void *
armdb_bench_open_const(const struct bench_config *config)
{
    armdb_options options;
    options_of(config, &options);
    options.default_collection.value_bytes = config->value_bytes;
    return open_with(config, &options);
}

const struct bench_engine bench_armdb_const = {
    .name = "armdb-const",
    .settings = "as armdb, with values of one length, kept in the index too (up to 256 bytes)",
    .traits = BENCH_ORDERED | BENCH_OURS | BENCH_CONST_VALUES | BENCH_VARIANT,
    .open = armdb_bench_open_const,
    .scan = armdb_bench_scan,
    ARMDB_BENCH_COMMON,
};
