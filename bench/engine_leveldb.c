/* engine_leveldb.c: LevelDB, by its C interface. */
#include <leveldb/c.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

struct leveldb_db {
    leveldb_t *db;
    leveldb_options_t *options;
    leveldb_cache_t *cache;
    leveldb_filterpolicy_t *bloom;
    leveldb_readoptions_t *reading;
    leveldb_writeoptions_t *writing;
    leveldb_writeoptions_t *syncing;
};

static void
check(char *err, const char *what)
{
    if (err != NULL)
        bench_die("%s: %s", what, err);
}

static void *
leveldb_bench_open(const struct bench_config *config)
{
    struct leveldb_db *db = (struct leveldb_db *)bench_new(sizeof *db);
    char *err = NULL;
    db->options = leveldb_options_create();
    db->cache = leveldb_cache_create_lru(config->cache_bytes);
    db->bloom = leveldb_filterpolicy_create_bloom(10);
    db->reading = leveldb_readoptions_create();
    db->writing = leveldb_writeoptions_create();
    db->syncing = leveldb_writeoptions_create();
    leveldb_writeoptions_set_sync(db->writing, config->durability == BENCH_SYNCED);
    leveldb_writeoptions_set_sync(db->syncing, 1);
    leveldb_options_set_create_if_missing(db->options, 1);
    leveldb_options_set_compression(db->options, leveldb_no_compression);
    leveldb_options_set_write_buffer_size(db->options, 64 << 20);
    leveldb_options_set_max_open_files(db->options, 4096);
    leveldb_options_set_cache(db->options, db->cache);
    leveldb_options_set_filter_policy(db->options, db->bloom);
    db->db = leveldb_open(db->options, config->directory, &err);
    check(err, "open");
    return db;
}

static void
leveldb_bench_sync(void *handle)
{
    /* A synced write syncs the log up to it; there is no other way. */
    struct leveldb_db *db = (struct leveldb_db *)handle;
    char *err = NULL;
    leveldb_delete(db->db, db->syncing, "", 0, &err);
    check(err, "sync");
}

static void
leveldb_bench_close(void *handle)
{
    struct leveldb_db *db = (struct leveldb_db *)handle;
    leveldb_bench_sync(db);
    leveldb_close(db->db);
    leveldb_options_destroy(db->options);
    leveldb_cache_destroy(db->cache);
    leveldb_filterpolicy_destroy(db->bloom);
    leveldb_readoptions_destroy(db->reading);
    leveldb_writeoptions_destroy(db->writing);
    leveldb_writeoptions_destroy(db->syncing);
    free(db);
}

static void *
leveldb_thread_open(void *db)
{
    return db;
}

static void
leveldb_thread_close(void *thread)
{
    (void)thread;
}

static void
leveldb_bench_put(void *handle, struct bench_bytes key, struct bench_bytes value)
{
    struct leveldb_db *db = (struct leveldb_db *)handle;
    char *err = NULL;
    leveldb_put(db->db, db->writing, (const char *)key.data, key.len, (const char *)value.data,
                value.len, &err);
    check(err, "put");
}

static void
leveldb_load(void *handle, const struct bench_pair *pairs, size_t n_pairs)
{
    struct leveldb_db *db = (struct leveldb_db *)handle;
    leveldb_writebatch_t *batch = leveldb_writebatch_create();
    char *err = NULL;
    for (size_t i = 0; i < n_pairs; i++) {
        leveldb_writebatch_put(batch, (const char *)pairs[i].key.data, pairs[i].key.len,
                               (const char *)pairs[i].value.data, pairs[i].value.len);
    }
    leveldb_write(db->db, db->writing, batch, &err);
    check(err, "write a batch");
    leveldb_writebatch_destroy(batch);
}

static bool
leveldb_bench_get(void *handle, struct bench_bytes key, bench_visit_fn visit, void *context)
{
    struct leveldb_db *db = (struct leveldb_db *)handle;
    char *err = NULL;
    size_t len;
    char *value = leveldb_get(db->db, db->reading, (const char *)key.data, key.len, &len, &err);
    check(err, "get");
    if (value == NULL)
        return false;
    visit(context, key, bench_bytes(value, len));
    leveldb_free(value);
    return true;
}

static bool
leveldb_bench_del(void *handle, struct bench_bytes key)
{
    struct leveldb_db *db = (struct leveldb_db *)handle;
    char *err = NULL;
    leveldb_delete(db->db, db->writing, (const char *)key.data, key.len, &err);
    check(err, "delete");
    return true;
}

static void
leveldb_scan(void *handle, const struct bench_scan *scan, bench_visit_fn visit, void *context)
{
    struct leveldb_db *db = (struct leveldb_db *)handle;
    leveldb_iterator_t *iterator = leveldb_create_iterator(db->db, db->reading);
    struct bench_bytes key, value = {NULL, 0};
    char *err = NULL;
    leveldb_iter_seek(iterator, (const char *)scan->from.data, scan->from.len);
    for (uint32_t i = 0; i < scan->records && leveldb_iter_valid(iterator); i++) {
        key.data = leveldb_iter_key(iterator, &key.len);
        if (scan->is_prefix &&
            (key.len < scan->from.len || memcmp(key.data, scan->from.data, scan->from.len) != 0))
            break;
        if (!scan->is_keys_only)
            value.data = leveldb_iter_value(iterator, &value.len);
        visit(context, key, value);
        if (i + 1 == scan->records)
            break;
        if (scan->is_backwards)
            leveldb_iter_prev(iterator);
        else
            leveldb_iter_next(iterator);
    }
    leveldb_iter_get_error(iterator, &err);
    check(err, "scan");
    leveldb_iter_destroy(iterator);
}

const struct bench_engine bench_leveldb = {
    .name = "leveldb",
    .settings = "no compression, write buffer of 64 MiB, bloom filter of 10 bits, LRU block cache, "
                "4096 open files; rmw and cas under a lock of the benchmark",
    .traits = BENCH_ORDERED,
    .open = leveldb_bench_open,
    .close = leveldb_bench_close,
    .thread_open = leveldb_thread_open,
    .thread_close = leveldb_thread_close,
    .put = leveldb_bench_put,
    .load = leveldb_load,
    .batch = leveldb_load,
    .get = leveldb_bench_get,
    .del = leveldb_bench_del,
    .scan = leveldb_scan,
    .sync = leveldb_bench_sync,
};
