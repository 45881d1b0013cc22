/*
 * engine_armdb.c: this project's own library: ordered ("armdb"), hashed ("armdb-map") and with
 * values in the index ("armdb-const"). Objects are in engine_armdb_object.c.
 */
#include <stdlib.h>
#include <string.h>

#include "engine_armdb.h"

void
armdb_bench_check(armdb_err err, const char *what)
{
    armdb_error_detail detail;
    if (err == ARMDB_OK)
        return;
    armdb_last_error(&detail);
    bench_die("%s: %s: %s", what, armdb_strerror(err), detail.message);
}

static void
options_of(const struct bench_config *config, armdb_options *options)
{
    static const armdb_durability levels[] = {
        [BENCH_WRITTEN] = ARMDB_WRITTEN,
        [BENCH_SYNCED] = ARMDB_SYNCED,
        [BENCH_BUFFERED] = ARMDB_BUFFERED,
    };
    const armdb_options init = ARMDB_OPTIONS_INIT;
    *options = init;
    options->default_collection.key_bytes = BENCH_KEY_BYTES;
    options->durability = levels[config->durability];
    options->cache_bytes = config->cache_bytes;
}

static void *
open_with(const struct bench_config *config, const armdb_options *options)
{
    armdb_db *db;
    armdb_bench_check(armdb_open(config->directory, options, &db), "open");
    return db;
}

void *
armdb_bench_open_collection(const struct bench_config *config,
                            const armdb_collection_options *collection)
{
    armdb_options options;
    options_of(config, &options);
    options.default_collection = *collection;
    options.default_collection.key_bytes = BENCH_KEY_BYTES;
    return open_with(config, &options);
}

static void *
armdb_bench_open(const struct bench_config *config)
{
    armdb_options options;
    options_of(config, &options);
    return open_with(config, &options);
}

void
armdb_bench_close(void *db)
{
    armdb_bench_check(armdb_close((armdb_db *)db), "close");
}

void *
armdb_bench_thread_open(void *db)
{
    struct armdb_bench_thread *thread = (struct armdb_bench_thread *)bench_new(sizeof *thread);
    thread->collection = armdb_default((armdb_db *)db);
    thread->buffer = (unsigned char *)bench_new(VALUE_BUFFER_BYTES);
    thread->db = (armdb_db *)db;
    return thread;
}

void
armdb_bench_put(void *handle, struct bench_bytes key, struct bench_bytes value)
{
    struct armdb_bench_thread *thread = (struct armdb_bench_thread *)handle;
    armdb_bench_check(armdb_put(thread->collection, slice(key), slice(value), NULL), "put");
}

bool
armdb_bench_get(void *handle, struct bench_bytes key, bench_visit_fn visit, void *context)
{
    struct armdb_bench_thread *thread = (struct armdb_bench_thread *)handle;
    size_t len;
    armdb_err err = armdb_get(thread->collection, slice(key), thread->buffer, VALUE_BUFFER_BYTES,
                              &len);
    if (err == ARMDB_NOT_FOUND)
        return false;
    armdb_bench_check(err, "get");
    visit(context, key, bench_bytes(thread->buffer, len));
    return true;
}

bool
armdb_bench_del(void *handle, struct bench_bytes key)
{
    struct armdb_bench_thread *thread = (struct armdb_bench_thread *)handle;
    armdb_err err = armdb_delete(thread->collection, slice(key), NULL);
    if (err == ARMDB_NOT_FOUND)
        return false;
    armdb_bench_check(err, "delete");
    return true;
}

struct change {
    bench_modify_fn modify;
    void *context;
};

static armdb_err
on_update(void *context, armdb_slice key, const armdb_slice *old, armdb_verdict *verdict_out)
{
    const struct change *change = (const struct change *)context;
    const struct bench_bytes value = old != NULL ? unslice(*old) : bench_bytes(NULL, 0);
    verdict_out->kind = ARMDB_REPLACE;
    verdict_out->value = slice(change->modify(change->context, unslice(key), value));
    return ARMDB_OK;
}

void
armdb_bench_rmw(void *handle, struct bench_bytes key, bench_modify_fn modify, void *context)
{
    struct armdb_bench_thread *thread = (struct armdb_bench_thread *)handle;
    struct change change = {modify, context};
    armdb_bench_check(
        armdb_update(thread->collection, slice(key), on_update, &change, NULL, NULL, NULL),
        "update");
}

bool
armdb_bench_cas(void *handle, struct bench_bytes key, struct bench_bytes expected,
                struct bench_bytes desired)
{
    struct armdb_bench_thread *thread = (struct armdb_bench_thread *)handle;
    armdb_err err = armdb_cas(thread->collection, slice(key), slice(expected), slice(desired), NULL,
                              NULL);
    if (err == ARMDB_CHANGED)
        return false;
    armdb_bench_check(err, "cas");
    return true;
}

void
armdb_bench_batch(void *handle, const struct bench_pair *pairs, size_t n_pairs)
{
    struct armdb_bench_thread *thread = (struct armdb_bench_thread *)handle;
    if (thread->batch == NULL)
        armdb_bench_check(armdb_batch_new(thread->db, &thread->batch), "batch");
    armdb_bench_check(armdb_batch_clear(thread->batch), "clear a batch");
    for (size_t i = 0; i < n_pairs; i++) {
        armdb_bench_check(armdb_batch_put(thread->batch, thread->collection, slice(pairs[i].key),
                                          slice(pairs[i].value), NULL),
                          "add to a batch");
    }
    armdb_bench_check(armdb_commit(thread->batch, NULL, NULL), "commit");
}

static armdb_cursor *
cursor_of(struct armdb_bench_thread *thread, const struct bench_scan *scan)
{
    armdb_cursor **cursor = &thread->cursors[scan->is_keys_only];
    armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    options.keys_only = scan->is_keys_only;
    if (*cursor == NULL)
        armdb_bench_check(armdb_cursor_open(thread->collection, &options, cursor), "cursor");
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
        armdb_bench_check(err, "scan");
}

void
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
    armdb_bench_check(armdb_cursor_open(thread->collection, &options, &cursor), "cursor");
    walk(cursor, armdb_cursor_next(cursor), scan, visit, context);
    armdb_cursor_close(cursor);
}

void
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
    armdb_bench_check(armdb_multi_get(thread->collection, reads, n_keys), "multi_get");
    for (size_t i = 0; i < n_keys; i++) {
        armdb_bench_check(reads[i].err, "multi_get");
        visit(context, keys[i], bench_bytes(reads[i].buffer, reads[i].len));
    }
}

void
armdb_bench_put_ticket(void *handle, struct bench_bytes key, struct bench_bytes value)
{
    struct armdb_bench_thread *thread = (struct armdb_bench_thread *)handle;
    armdb_ticket *ticket = &thread->tickets[thread->issued % TICKETS_IN_FLIGHT];
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    options.durability = ARMDB_SYNCED;
    options.ticket = ticket;
    if (thread->issued >= TICKETS_IN_FLIGHT)
        armdb_bench_check(armdb_ticket_wait(thread->db, ticket, 1), "wait for a ticket");
    armdb_bench_check(armdb_put(thread->collection, slice(key), slice(value), &options), "put");
    thread->issued++;
}

static void
wait_for_tickets(struct armdb_bench_thread *thread)
{
    const size_t count = thread->issued < TICKETS_IN_FLIGHT ? (size_t)thread->issued
                                                            : TICKETS_IN_FLIGHT;
    armdb_bench_check(armdb_ticket_wait(thread->db, thread->tickets, count), "wait for tickets");
}

void
armdb_bench_thread_close(void *handle)
{
    struct armdb_bench_thread *thread = (struct armdb_bench_thread *)handle;
    if (thread->issued > 0)
        wait_for_tickets(thread);
    armdb_cursor_close(thread->cursors[0]);
    armdb_cursor_close(thread->cursors[1]);
    armdb_batch_free(thread->batch);
    free(thread->buffer);
    free(thread);
}

void
armdb_bench_sync(void *db)
{
    armdb_bench_check(armdb_sync((armdb_db *)db), "sync");
}

void
armdb_bench_stats(void *db, struct bench_engine_stats *stats_out)
{
    armdb_stats stats;
    stats.struct_bytes = sizeof stats;
    armdb_bench_check(armdb_get_stats((armdb_db *)db, &stats), "stats");
    stats_out->memory_bytes = stats.index_bytes + stats.buffer_bytes;
}

#define ARMDB_BENCH_PLAIN                                                                          \
    .put = armdb_bench_put, .get = armdb_bench_get, .multi_get = armdb_bench_multi_get,            \
    ARMDB_BENCH_COMMON

const struct bench_engine bench_armdb = {
    .name = "armdb",
    .settings = "ordered collection, keys of 16 bytes, shards and buffers as by default; rmw by "
                "armdb_update(), cas by armdb_cas()",
    .traits = BENCH_ORDERED | BENCH_OURS | BENCH_BUFFERS,
    .open = armdb_bench_open,
    .scan = armdb_bench_scan,
    ARMDB_BENCH_PLAIN,
};

static void *
armdb_bench_open_map(const struct bench_config *config)
{
    armdb_collection_options collection = ARMDB_COLLECTION_OPTIONS_INIT;
    collection.order = ARMDB_UNORDERED;
    return armdb_bench_open_collection(config, &collection);
}

const struct bench_engine bench_armdb_map = {
    .name = "armdb-map",
    .settings = "as armdb, with a hashed collection: no scans",
    .traits = BENCH_OURS | BENCH_BUFFERS,
    .open = armdb_bench_open_map,
    ARMDB_BENCH_PLAIN,
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
    ARMDB_BENCH_PLAIN,
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
    ARMDB_BENCH_PLAIN,
};

static void *
armdb_bench_open_const(const struct bench_config *config)
{
    armdb_collection_options collection = ARMDB_COLLECTION_OPTIONS_INIT;
    collection.value_bytes = config->value_bytes;
    return armdb_bench_open_collection(config, &collection);
}

static int64_t
armdb_bench_add(void *handle, struct bench_bytes key, int64_t delta)
{
    struct armdb_bench_thread *thread = (struct armdb_bench_thread *)handle;
    int64_t sum;
    armdb_bench_check(armdb_add(thread->collection, slice(key), delta, NULL, &sum), "add");
    return sum;
}

const struct bench_engine bench_armdb_const = {
    .name = "armdb-const",
    .settings = "as armdb, with values of one length, kept in the index too (up to 256 bytes)",
    .traits = BENCH_ORDERED | BENCH_OURS | BENCH_CONST_VALUES | BENCH_VARIANT,
    .open = armdb_bench_open_const,
    .add = armdb_bench_add,
    .scan = armdb_bench_scan,
    ARMDB_BENCH_PLAIN,
};
