/*
 * engine_raw.c: no engines, but what the device does for one: the floor of durable puts.
 *
 * Both append records to a file that was written full of zeros before, so that a sync has no
 * metadata to write. "raw-loop" is one thread that writes and syncs. "raw-group" is a bare group
 * commit: the first thread that finds no commit under way leads one for all that have come.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine.h"

enum {
    FILE_BYTES = 64 << 20,
    WRITE_BYTES = 4096,
    BATCH_BYTES = 1 << 20,
    RECORD_HEADER_BYTES = 20 /* what an engine of this kind adds */
};

struct raw_db {
    int file;
    uint64_t offset; /* of the next write */
    pthread_mutex_t mutex;
    pthread_cond_t is_committed;
    unsigned char *open_batch; /* what the next commit will write */
    unsigned char *batch;      /* what the present one writes */
    size_t open_bytes;
    uint64_t open_number; /* of the next commit */
    uint64_t committed;   /* all below are on the device */
    bool has_leader;
};

static void
write_zeros(int file)
{
    /* In small writes: small writes into pages of large ones are slower later. */
    unsigned char zeros[WRITE_BYTES] = {0};
    for (off_t at = 0; at < FILE_BYTES; at += WRITE_BYTES) {
        if (pwrite(file, zeros, sizeof zeros, at) != WRITE_BYTES)
            bench_die("cannot write the file");
    }
    if (fsync(file) != 0)
        bench_die("cannot sync the file");
}

static void *
raw_open(const struct bench_config *config)
{
    struct raw_db *db = (struct raw_db *)bench_new(sizeof *db);
    char path[4096];
    snprintf(path, sizeof path, "%s/raw", config->directory);
    db->file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (db->file < 0)
        bench_die("cannot open %s", path);
    write_zeros(db->file);
    db->open_batch = (unsigned char *)bench_new(BATCH_BYTES);
    db->batch = (unsigned char *)bench_new(BATCH_BYTES);
    (void)pthread_mutex_init(&db->mutex, NULL);
    (void)pthread_cond_init(&db->is_committed, NULL);
    return db;
}

static void
raw_close(void *handle)
{
    struct raw_db *db = (struct raw_db *)handle;
    (void)close(db->file);
    (void)pthread_mutex_destroy(&db->mutex);
    (void)pthread_cond_destroy(&db->is_committed);
    free(db->open_batch);
    free(db->batch);
    free(db);
}

static void *
raw_thread_open(void *db)
{
    return db;
}

static void
raw_thread_close(void *thread)
{
    (void)thread;
}

static void
write_and_sync(struct raw_db *db, const unsigned char *bytes, size_t len)
{
    if (db->offset + len > FILE_BYTES)
        db->offset = 0;
    if (pwrite(db->file, bytes, len, (off_t)db->offset) != (ssize_t)len || fdatasync(db->file) != 0)
        bench_die("cannot write");
    db->offset += len;
}

static size_t
append(unsigned char *to, struct bench_bytes key, struct bench_bytes value)
{
    memset(to, 1, RECORD_HEADER_BYTES);
    memcpy(to + RECORD_HEADER_BYTES, key.data, key.len);
    memcpy(to + RECORD_HEADER_BYTES + key.len, value.data, value.len);
    return RECORD_HEADER_BYTES + key.len + value.len;
}

/* Writes and syncs what has gathered; the mutex is held on entry and on return. */
static void
lead(struct raw_db *db)
{
    unsigned char *batch = db->open_batch;
    const size_t len = db->open_bytes;
    db->has_leader = true;
    db->open_batch = db->batch;
    db->batch = batch;
    db->open_bytes = 0;
    db->open_number++;
    (void)pthread_mutex_unlock(&db->mutex);
    write_and_sync(db, batch, len);
    (void)pthread_mutex_lock(&db->mutex);
    db->committed = db->open_number;
    db->has_leader = false;
    (void)pthread_cond_broadcast(&db->is_committed);
}

static void
raw_put(void *handle, struct bench_bytes key, struct bench_bytes value)
{
    struct raw_db *db = (struct raw_db *)handle;
    (void)pthread_mutex_lock(&db->mutex);
    db->open_bytes += append(db->open_batch + db->open_bytes, key, value);
    const uint64_t number = db->open_number;
    while (db->committed <= number) {
        if (!db->has_leader)
            lead(db);
        else
            (void)pthread_cond_wait(&db->is_committed, &db->mutex);
    }
    (void)pthread_mutex_unlock(&db->mutex);
}

static void
raw_loop_put(void *handle, struct bench_bytes key, struct bench_bytes value)
{
    struct raw_db *db = (struct raw_db *)handle;
    write_and_sync(db, db->batch, append(db->batch, key, value));
}

#define RAW_COMMON                                                                                 \
    .traits = BENCH_FLOOR, .close = raw_close, .thread_open = raw_thread_open,                     \
    .thread_close = raw_thread_close

const struct bench_engine bench_raw_loop = {
    .name = "raw-loop",
    .settings = "the device: one thread writes a record and calls fdatasync, on a file written "
                "full of zeros before",
    .open = raw_open,
    .put = raw_loop_put,
    RAW_COMMON,
};

const struct bench_engine bench_raw_group = {
    .name = "raw-group",
    .settings = "the device: a bare leader and follower group commit, on such a file",
    .open = raw_open,
    .put = raw_put,
    RAW_COMMON,
};
