/*
 * engine_lmdb.c: LMDB as it comes ("lmdb") and with a writable map ("lmdb-writemap").
 *
 * A put is a transaction; a read renews the thread's reader. Values are read in the map.
 */
#include <lmdb.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

static const uint64_t map_bytes = UINT64_C(64) << 30;

struct lmdb_db {
    MDB_env *env;
    MDB_dbi dbi;
};

struct lmdb_thread {
    struct lmdb_db *db;
    MDB_txn *reader; /* reset between calls */
    MDB_cursor *cursor;
};

static void
check(int err, const char *what)
{
    if (err != 0)
        bench_die("%s: %s", what, mdb_strerror(err));
}

static MDB_val
val(struct bench_bytes bytes)
{
    MDB_val result = {bytes.len, (void *)(uintptr_t)bytes.data};
    return result;
}

static struct bench_bytes
unval(MDB_val value)
{
    return bench_bytes(value.mv_data, value.mv_size);
}

static void *
open_with(const struct bench_config *config, unsigned flags)
{
    struct lmdb_db *db = (struct lmdb_db *)bench_new(sizeof *db);
    MDB_txn *txn;
    flags |= MDB_NOTLS | MDB_NORDAHEAD;
    if (config->durability != BENCH_SYNCED)
        flags |= MDB_NOSYNC;
    check(mdb_env_create(&db->env), "create");
    check(mdb_env_set_mapsize(db->env, map_bytes), "map size");
    check(mdb_env_open(db->env, config->directory, flags, 0644), "open");
    check(mdb_txn_begin(db->env, NULL, 0, &txn), "begin");
    check(mdb_dbi_open(txn, NULL, MDB_CREATE, &db->dbi), "open");
    check(mdb_txn_commit(txn), "commit");
    return db;
}

static void *
lmdb_open(const struct bench_config *config)
{
    return open_with(config, 0);
}

static void *
lmdb_writemap_open(const struct bench_config *config)
{
    return open_with(config, MDB_WRITEMAP);
}

static void
lmdb_close(void *handle)
{
    struct lmdb_db *db = (struct lmdb_db *)handle;
    /* The other engines' close makes all durable too. */
    check(mdb_env_sync(db->env, 1), "sync");
    mdb_env_close(db->env);
    free(db);
}

static void *
lmdb_thread_open(void *handle)
{
    struct lmdb_thread *thread = (struct lmdb_thread *)bench_new(sizeof *thread);
    thread->db = (struct lmdb_db *)handle;
    check(mdb_txn_begin(thread->db->env, NULL, MDB_RDONLY, &thread->reader), "begin");
    check(mdb_cursor_open(thread->reader, thread->db->dbi, &thread->cursor), "cursor");
    mdb_txn_reset(thread->reader);
    return thread;
}

static void
lmdb_thread_close(void *handle)
{
    struct lmdb_thread *thread = (struct lmdb_thread *)handle;
    mdb_cursor_close(thread->cursor);
    mdb_txn_abort(thread->reader);
    free(thread);
}

static MDB_txn *
begin(struct lmdb_thread *thread)
{
    MDB_txn *txn;
    check(mdb_txn_begin(thread->db->env, NULL, 0, &txn), "begin");
    return txn;
}

static void
put_in(struct lmdb_thread *thread, MDB_txn *txn, struct bench_bytes key, struct bench_bytes value)
{
    MDB_val k = val(key), v = val(value);
    check(mdb_put(txn, thread->db->dbi, &k, &v, 0), "put");
}

static void
lmdb_put(void *handle, struct bench_bytes key, struct bench_bytes value)
{
    struct lmdb_thread *thread = (struct lmdb_thread *)handle;
    MDB_txn *txn = begin(thread);
    put_in(thread, txn, key, value);
    check(mdb_txn_commit(txn), "commit");
}

static void
lmdb_load(void *handle, const struct bench_pair *pairs, size_t n_pairs)
{
    struct lmdb_thread *thread = (struct lmdb_thread *)handle;
    MDB_txn *txn = begin(thread);
    for (size_t i = 0; i < n_pairs; i++)
        put_in(thread, txn, pairs[i].key, pairs[i].value);
    check(mdb_txn_commit(txn), "commit");
}

static bool
lmdb_get(void *handle, struct bench_bytes key, bench_visit_fn visit, void *context)
{
    struct lmdb_thread *thread = (struct lmdb_thread *)handle;
    MDB_val k = val(key), v;
    check(mdb_txn_renew(thread->reader), "renew");
    const int err = mdb_get(thread->reader, thread->db->dbi, &k, &v);
    if (err == 0)
        visit(context, key, unval(v));
    else if (err != MDB_NOTFOUND)
        check(err, "get");
    mdb_txn_reset(thread->reader);
    return err == 0;
}

static bool
lmdb_del(void *handle, struct bench_bytes key)
{
    struct lmdb_thread *thread = (struct lmdb_thread *)handle;
    MDB_txn *txn = begin(thread);
    MDB_val k = val(key);
    const int err = mdb_del(txn, thread->db->dbi, &k, NULL);
    if (err != 0 && err != MDB_NOTFOUND)
        check(err, "delete");
    check(mdb_txn_commit(txn), "commit");
    return err == 0;
}

static void
lmdb_rmw(void *handle, struct bench_bytes key, bench_modify_fn modify, void *context)
{
    struct lmdb_thread *thread = (struct lmdb_thread *)handle;
    MDB_txn *txn = begin(thread);
    MDB_val k = val(key), v = {0, NULL};
    const int err = mdb_get(txn, thread->db->dbi, &k, &v);
    if (err != 0 && err != MDB_NOTFOUND)
        check(err, "get");
    put_in(thread, txn, key, modify(context, key, unval(v)));
    check(mdb_txn_commit(txn), "commit");
}

static bool
lmdb_cas(void *handle, struct bench_bytes key, struct bench_bytes expected,
         struct bench_bytes desired)
{
    struct lmdb_thread *thread = (struct lmdb_thread *)handle;
    MDB_txn *txn = begin(thread);
    MDB_val k = val(key), v;
    check(mdb_get(txn, thread->db->dbi, &k, &v), "get");
    if (v.mv_size != expected.len || memcmp(v.mv_data, expected.data, expected.len) != 0) {
        mdb_txn_abort(txn);
        return false;
    }
    put_in(thread, txn, key, desired);
    check(mdb_txn_commit(txn), "commit");
    return true;
}

static void
lmdb_scan(void *handle, const struct bench_scan *scan, bench_visit_fn visit, void *context)
{
    struct lmdb_thread *thread = (struct lmdb_thread *)handle;
    MDB_val k = val(scan->from), v;
    const MDB_cursor_op step = scan->is_backwards ? MDB_PREV : MDB_NEXT;
    check(mdb_txn_renew(thread->reader), "renew");
    check(mdb_cursor_renew(thread->reader, thread->cursor), "renew");
    int err = mdb_cursor_get(thread->cursor, &k, &v, MDB_SET_RANGE);
    for (uint32_t i = 0; err == 0; i++) {
        if (scan->is_prefix &&
            (k.mv_size < scan->from.len || memcmp(k.mv_data, scan->from.data, scan->from.len) != 0))
            break;
        visit(context, unval(k), scan->is_keys_only ? bench_bytes(NULL, 0) : unval(v));
        if (i + 1 == scan->records)
            break;
        err = mdb_cursor_get(thread->cursor, &k, &v, step);
    }
    if (err != 0 && err != MDB_NOTFOUND)
        check(err, "scan");
    mdb_txn_reset(thread->reader);
}

static void
lmdb_sync(void *handle)
{
    check(mdb_env_sync(((struct lmdb_db *)handle)->env, 1), "sync");
}

#define LMDB_COMMON                                                                                \
    .traits = BENCH_ORDERED, .close = lmdb_close, .thread_open = lmdb_thread_open,                 \
    .thread_close = lmdb_thread_close, .put = lmdb_put, .load = lmdb_load, .get = lmdb_get,        \
    .del = lmdb_del, .rmw = lmdb_rmw, .cas = lmdb_cas, .batch = lmdb_load, .scan = lmdb_scan,      \
    .sync = lmdb_sync

const struct bench_engine bench_lmdb = {
    .name = "lmdb",
    .settings = MDB_VERSION_STRING
    ": map of 64 GiB, MDB_NOTLS, MDB_NORDAHEAD, MDB_NOSYNC if "
    "written; a transaction each put, readers reused by reset and renew",
    .open = lmdb_open,
    LMDB_COMMON,
};

const struct bench_engine bench_lmdb_writemap = {
    .name = "lmdb-writemap",
    .settings = "as lmdb, with MDB_WRITEMAP: a stray pointer can damage the file",
    .open = lmdb_writemap_open,
    LMDB_COMMON,
};
