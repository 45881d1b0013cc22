/* engine_rocksdb.c: RocksDB by its C interface, with its log ("rocksdb") and without. */
#include <rocksdb/c.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

struct rocksdb_db {
    rocksdb_t *db;
    rocksdb_column_family_handle_t *family; /* the default one, which only multi-get asks for */
    rocksdb_options_t *options;
    rocksdb_block_based_table_options_t *tables;
    rocksdb_cache_t *cache;
    rocksdb_readoptions_t *reading;
    rocksdb_writeoptions_t *writing;
    bool has_log;
};

static void
check(char *err, const char *what)
{
    if (err != NULL)
        bench_die("%s: %s", what, err);
}

static void *
open_with(const struct bench_config *config, bool has_log)
{
    struct rocksdb_db *db = (struct rocksdb_db *)bench_new(sizeof *db);
    const char *family = "default";
    char *err = NULL;
    db->has_log = has_log;
    db->options = rocksdb_options_create();
    db->tables = rocksdb_block_based_options_create();
    db->cache = rocksdb_cache_create_lru(config->cache_bytes);
    db->reading = rocksdb_readoptions_create();
    db->writing = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(db->writing, config->durability == BENCH_SYNCED);
    rocksdb_writeoptions_disable_WAL(db->writing, !has_log);
    rocksdb_block_based_options_set_block_cache(db->tables, db->cache);
    rocksdb_block_based_options_set_filter_policy(db->tables,
                                                  rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_options_set_create_if_missing(db->options, 1);
    rocksdb_options_set_block_based_table_factory(db->options, db->tables);
    rocksdb_options_set_compression(db->options, rocksdb_no_compression);
    rocksdb_options_set_write_buffer_size(db->options, 64 << 20);
    rocksdb_options_set_max_background_jobs(db->options, 2);
    rocksdb_options_set_manual_wal_flush(db->options, config->durability == BENCH_BUFFERED);
    db->db = rocksdb_open_column_families(db->options, config->directory, 1, &family,
                                          (const rocksdb_options_t *const *)&db->options,
                                          &db->family, &err);
    check(err, "open");
    return db;
}

static void *
rocksdb_bench_open(const struct bench_config *config)
{
    return open_with(config, true);
}

static void *
rocksdb_nolog_open(const struct bench_config *config)
{
    return open_with(config, false);
}

static void
rocksdb_sync(void *handle)
{
    struct rocksdb_db *db = (struct rocksdb_db *)handle;
    char *err = NULL;
    if (db->has_log) {
        rocksdb_flush_wal(db->db, 1, &err);
    } else {
        rocksdb_flushoptions_t *flushing = rocksdb_flushoptions_create();
        rocksdb_flushoptions_set_wait(flushing, 1);
        rocksdb_flush(db->db, flushing, &err);
        rocksdb_flushoptions_destroy(flushing);
    }
    check(err, "sync");
}

static void
rocksdb_bench_close(void *handle)
{
    struct rocksdb_db *db = (struct rocksdb_db *)handle;
    rocksdb_sync(db);
    rocksdb_column_family_handle_destroy(db->family);
    rocksdb_close(db->db);
    rocksdb_options_destroy(db->options);
    rocksdb_block_based_options_destroy(db->tables);
    rocksdb_cache_destroy(db->cache);
    rocksdb_readoptions_destroy(db->reading);
    rocksdb_writeoptions_destroy(db->writing);
    free(db);
}

static void *
rocksdb_thread_open(void *db)
{
    return db;
}

static void
rocksdb_thread_close(void *thread)
{
    (void)thread;
}

static void
rocksdb_bench_put(void *handle, struct bench_bytes key, struct bench_bytes value)
{
    struct rocksdb_db *db = (struct rocksdb_db *)handle;
    char *err = NULL;
    rocksdb_put(db->db, db->writing, (const char *)key.data, key.len, (const char *)value.data,
                value.len, &err);
    check(err, "put");
}

static void
rocksdb_load(void *handle, const struct bench_pair *pairs, size_t n_pairs)
{
    struct rocksdb_db *db = (struct rocksdb_db *)handle;
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    char *err = NULL;
    for (size_t i = 0; i < n_pairs; i++) {
        rocksdb_writebatch_put(batch, (const char *)pairs[i].key.data, pairs[i].key.len,
                               (const char *)pairs[i].value.data, pairs[i].value.len);
    }
    rocksdb_write(db->db, db->writing, batch, &err);
    check(err, "write a batch");
    rocksdb_writebatch_destroy(batch);
}

static bool
rocksdb_bench_get(void *handle, struct bench_bytes key, bench_visit_fn visit, void *context)
{
    struct rocksdb_db *db = (struct rocksdb_db *)handle;
    char *err = NULL;
    struct bench_bytes value;
    rocksdb_pinnableslice_t *pinned = rocksdb_get_pinned(db->db, db->reading,
                                                         (const char *)key.data, key.len, &err);
    check(err, "get");
    if (pinned == NULL)
        return false;
    value.data = rocksdb_pinnableslice_value(pinned, &value.len);
    visit(context, key, value);
    rocksdb_pinnableslice_destroy(pinned);
    return true;
}

static void
rocksdb_multi_get_batched(void *handle, const struct bench_bytes *keys, size_t n_keys,
                          bench_visit_fn visit, void *context)
{
    struct rocksdb_db *db = (struct rocksdb_db *)handle;
    const char *data[BENCH_MULTI_GET_KEYS] = {NULL};
    size_t lens[BENCH_MULTI_GET_KEYS] = {0};
    rocksdb_pinnableslice_t *pinned[BENCH_MULTI_GET_KEYS];
    char *errs[BENCH_MULTI_GET_KEYS];
    for (size_t i = 0; i < n_keys; i++) {
        data[i] = (const char *)keys[i].data;
        lens[i] = keys[i].len;
    }
    rocksdb_batched_multi_get_cf(db->db, db->reading, db->family, n_keys, data, lens, pinned, errs,
                                 false);
    for (size_t i = 0; i < n_keys; i++) {
        struct bench_bytes value;
        check(errs[i], "multi-get");
        if (pinned[i] == NULL)
            bench_die("WRONG ANSWER: a key is not there");
        value.data = rocksdb_pinnableslice_value(pinned[i], &value.len);
        visit(context, keys[i], value);
        rocksdb_pinnableslice_destroy(pinned[i]);
    }
}

static bool
rocksdb_bench_del(void *handle, struct bench_bytes key)
{
    struct rocksdb_db *db = (struct rocksdb_db *)handle;
    char *err = NULL;
    rocksdb_delete(db->db, db->writing, (const char *)key.data, key.len, &err);
    check(err, "delete");
    return true;
}

static void
rocksdb_scan(void *handle, const struct bench_scan *scan, bench_visit_fn visit, void *context)
{
    struct rocksdb_db *db = (struct rocksdb_db *)handle;
    rocksdb_iterator_t *iterator = rocksdb_create_iterator(db->db, db->reading);
    struct bench_bytes key, value = {NULL, 0};
    char *err = NULL;
    rocksdb_iter_seek(iterator, (const char *)scan->from.data, scan->from.len);
    for (uint32_t i = 0; i < scan->records && rocksdb_iter_valid(iterator); i++) {
        key.data = rocksdb_iter_key(iterator, &key.len);
        if (scan->is_prefix &&
            (key.len < scan->from.len || memcmp(key.data, scan->from.data, scan->from.len) != 0))
            break;
        if (!scan->is_keys_only)
            value.data = rocksdb_iter_value(iterator, &value.len);
        visit(context, key, value);
        if (i + 1 == scan->records)
            break;
        if (scan->is_backwards)
            rocksdb_iter_prev(iterator);
        else
            rocksdb_iter_next(iterator);
    }
    rocksdb_iter_get_error(iterator, &err);
    check(err, "scan");
    rocksdb_iter_destroy(iterator);
}

static void
rocksdb_stats(void *handle, struct bench_engine_stats *stats_out)
{
    struct rocksdb_db *db = (struct rocksdb_db *)handle;
    uint64_t tables = 0, buffers = 0;
    (void)rocksdb_property_int(db->db, "rocksdb.estimate-table-readers-mem", &tables);
    (void)rocksdb_property_int(db->db, "rocksdb.cur-size-all-mem-tables", &buffers);
    stats_out->memory_bytes = tables + buffers + rocksdb_cache_get_usage(db->cache);
}

#define ROCKSDB_COMMON                                                                             \
    .close = rocksdb_bench_close, .thread_open = rocksdb_thread_open,                              \
    .thread_close = rocksdb_thread_close, .put = rocksdb_bench_put, .load = rocksdb_load,          \
    .batch = rocksdb_load, .get = rocksdb_bench_get, .multi_get = rocksdb_multi_get_batched,       \
    .del = rocksdb_bench_del, .scan = rocksdb_scan, .sync = rocksdb_sync, .stats = rocksdb_stats

const struct bench_engine bench_rocksdb = {
    .name = "rocksdb",
    .settings =
        "no compression, write buffer of 64 MiB, full bloom filter of 10 bits, LRU block "
        "cache, 2 background jobs, pinned gets, batched multi-get, manual flush of the log if "
        "buffered; rmw and cas under a lock of the benchmark",
    .traits = BENCH_ORDERED | BENCH_BUFFERS,
    .open = rocksdb_bench_open,
    ROCKSDB_COMMON,
};

const struct bench_engine bench_rocksdb_nolog = {
    .name = "rocksdb-nolog",
    .settings = "as rocksdb, log off: a kill loses what is in its write buffers",
    .traits = BENCH_ORDERED | BENCH_IN_PROCESS | BENCH_NEVER_SYNCED | BENCH_VARIANT,
    .open = rocksdb_nolog_open,
    ROCKSDB_COMMON,
};
