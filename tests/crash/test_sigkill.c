/*
 * test_sigkill.c: a process with several writing threads is killed at a random moment, on the real
 * file system.
 *
 * Each thread writes keys of its own, and enters each operation in memory that it shares with the
 * parent, before the call and after it was acknowledged. The parent kills the process, opens the
 * database and demands for each thread and shard that what is there is the work of the first so
 * many operations, with all those acknowledged as written or synced among them. The next round goes
 * on in the same database.
 */
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "db/db.h"
#include "sim/contract.h"
#include "sim/require.h"
#include "support/seed.h"
#include "support/tmpdir.h"

enum {
    ROUNDS = 10, /* of one database */
    THREADS_MAX = 3,
    KEYS = 60,          /* of each thread */
    OPERATIONS = 20000, /* of each thread in a round, at most */
    VALUE_MAX = 30000,
    SHARDS_MAX = 5
};

/** What a thread is about to do, or did. A flush or sync has `key` KEYS. */
struct entry {
    uint32_t key;
    uint32_t len;
    uint32_t stamp; /* 0: deleted */
    uint32_t level; /* 0 once it is known that nothing was written */
};

/** What one thread tells the parent. */
struct diary {
    _Atomic(uint32_t) begun; /* entries that are filled in */
    _Atomic(uint32_t) done;  /* of these, acknowledged: all but at most the last */
    struct entry entries[OPERATIONS];
};

/** Shared with the child. */
struct shared {
    _Atomic(uint32_t) acknowledged; /* by all threads */
    struct diary diaries[THREADS_MAX];
};

struct writer {
    struct shared *shared;
    struct diary *diary;
    armdb_db *db;
    uint32_t thread;
    uint32_t first_stamp;
    uint64_t seed;
};

static struct {
    uint64_t rounds;
    uint64_t acknowledged;
    uint64_t promised; /* of these, so many that a kill must not take them */
    uint64_t buffers;  /* rounds that left records where no write call has been made for them */
} totals;

static armdb_slice
make_key(uint32_t thread, uint32_t number, char room[32])
{
    int len = snprintf(room, 32, "t%u-%04u%.*s", thread, number, (int)(number % 9), "xxxxxxxxx");
    return (armdb_slice){room, (size_t)len};
}

/* ---------------------------------------------------------------------- child */

static void
child_require(armdb_err err)
{
    if (err == ARMDB_OK || err == ARMDB_NOT_FOUND)
        return;
    armdb_error_detail detail;
    armdb_last_error(&detail);
    fprintf(stderr, "child: %s: %s %s: %s\n", armdb_err_name(err), detail.operation, detail.file,
            detail.message);
    _exit(3);
}

static void
draw_entry(struct test_rng *rng, struct entry *entry, uint32_t stamp)
{
    uint64_t draw = test_rng_below(rng, 100);
    *entry = (struct entry){.key = (uint32_t)test_rng_below(rng, KEYS)};
    entry->level = draw < 2 ? ARMDB_SYNCED : 1 + (uint32_t)(draw % 2);
    draw = test_rng_below(rng, 100);
    if (draw < 3) { /* sync, flush, or compact, which promises nothing */
        entry->key = KEYS;
        entry->level = draw == 0 ? ARMDB_SYNCED : draw == 1 ? ARMDB_WRITTEN : 0;
        return;
    }
    if (draw < 20)
        return;
    entry->stamp = stamp;
    entry->len = (uint32_t)test_rng_below(rng, draw < 24 ? VALUE_MAX : 300);
}

static armdb_err
do_entry(const struct writer *writer, const struct entry *entry, unsigned char *buffer)
{
    char room[32];
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    armdb_collection *collection = armdb_default(writer->db);
    options.durability = (armdb_durability)entry->level;
    if (entry->key == KEYS && entry->level == 0)
        return armdb_compact(writer->db, NULL, NULL);
    if (entry->key == KEYS)
        return entry->level == ARMDB_SYNCED ? armdb_sync(writer->db) : armdb_flush(writer->db);
    armdb_slice key = make_key(writer->thread, entry->key, room);
    if (entry->stamp == 0)
        return armdb_delete(collection, key, &options);
    contract_fill(entry->stamp, entry->len, buffer);
    return armdb_put(collection, key, armdb_bytes(buffer, entry->len), &options);
}

static void *
write_on(void *context)
{
    const struct writer *writer = (const struct writer *)context;
    struct diary *diary = writer->diary;
    struct test_rng rng = test_rng_make(writer->seed);
    unsigned char buffer[VALUE_MAX];
    for (uint32_t i = 0; i < OPERATIONS; i++) {
        draw_entry(&rng, &diary->entries[i], writer->first_stamp + i);
        atomic_store(&diary->begun, i + 1);
        armdb_err err = do_entry(writer, &diary->entries[i], buffer);
        child_require(err);
        if (err == ARMDB_NOT_FOUND)
            diary->entries[i].level = 0;
        atomic_store(&diary->done, i + 1);
        atomic_fetch_add(&writer->shared->acknowledged, 1);
    }
    return NULL;
}

static _Noreturn void
child(const char *path, const armdb_options *options, struct shared *shared, uint32_t threads,
      uint32_t first_stamp, uint64_t seed)
{
    struct writer writers[THREADS_MAX];
    pthread_t ids[THREADS_MAX];
    armdb_db *db;
    child_require(armdb_open(path, options, &db));
    for (uint32_t i = 0; i < threads; i++) {
        writers[i] = (struct writer){.shared = shared,
                                     .diary = &shared->diaries[i],
                                     .db = db,
                                     .thread = i,
                                     .first_stamp = first_stamp + i * OPERATIONS,
                                     .seed = seed + i};
        if (pthread_create(&ids[i], NULL, write_on, &writers[i]) != 0)
            _exit(4);
    }
    for (uint32_t i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    for (;;)
        pause(); /* all is written: wait for the end */
}

/* --------------------------------------------------------------------- parent */

/* What the database holds under a key; stamp 0 if nothing, UINT32_MAX if nobody wrote that. */
static struct contract_value
find_value(struct db *db, armdb_slice key, const struct diary *diary, struct contract_value before,
           uint32_t number)
{
    armdb_value value;
    armdb_err err = adb_db_get_value(adb_db_default(db), key, &value);
    uint32_t begun = atomic_load(&diary->begun);
    struct contract_value found = {.stamp = UINT32_MAX};
    if (err == ARMDB_NOT_FOUND)
        return (struct contract_value){.stamp = 0};
    REQUIRE_OK(err);
    if (contract_is_value(before, armdb_value_bytes(&value)))
        found = before;
    for (uint32_t i = 0; i < begun; i++) {
        const struct entry *entry = &diary->entries[i];
        const struct contract_value written = {.stamp = entry->stamp, .len = entry->len};
        if (entry->key == number && contract_is_value(written, armdb_value_bytes(&value)))
            found = written;
    }
    armdb_value_release(&value);
    return found;
}

/* Whether what is there of a thread's keys in a shard is what its first so many operations leave.
 * Empty values look all alike, so lengths are compared, and stamps only of others. */
static bool
is_same(struct contract_value a, struct contract_value b)
{
    if (a.stamp == 0 || b.stamp == 0)
        return a.stamp == b.stamp;
    return a.len == b.len && (a.len < 8 || a.stamp == b.stamp);
}

static void
check_part(const struct diary *diary, const struct contract_value *before,
           const struct contract_value *found, const uint32_t *shard_of, uint32_t shard)
{
    uint32_t begun = atomic_load(&diary->begun);
    uint32_t done = atomic_load(&diary->done);
    struct contract_value now[KEYS];
    uint32_t floor = 0;
    for (uint32_t i = 0; i < done; i++) {
        const struct entry *entry = &diary->entries[i];
        bool concerns = entry->key == KEYS || shard_of[entry->key] == shard;
        if (concerns && entry->level >= ARMDB_WRITTEN)
            floor = i + 1;
    }
    memcpy(now, before, sizeof now);
    bool is_match = false;
    for (uint32_t i = 0; i <= begun && !is_match; i++) {
        bool differs = i < floor;
        for (uint32_t key = 0; key < KEYS && !differs; key++)
            differs = shard_of[key] == shard && !is_same(now[key], found[key]);
        is_match = !differs;
        if (i < begun && diary->entries[i].key < KEYS)
            now[diary->entries[i].key] = (struct contract_value){.stamp = diary->entries[i].stamp,
                                                                 .len = diary->entries[i].len};
    }
    REQUIRE(is_match, "shard %u holds no beginning of the writes: %u acknowledged, %u promised",
            shard, done, floor);
    totals.promised += floor;
}

static void
check_thread(struct db *db, const struct diary *diary, uint32_t thread,
             struct contract_value *known, uint32_t shards, uint64_t *keys)
{
    struct contract_value found[KEYS];
    uint32_t shard_of[KEYS];
    char room[32];
    for (uint32_t i = 0; i < KEYS; i++) {
        armdb_slice key = make_key(thread, i, room);
        shard_of[i] = contract_route(db, key);
        found[i] = find_value(db, key, diary, known[i], i);
        REQUIRE(found[i].stamp != UINT32_MAX, "a value that nobody wrote under %s", room);
        *keys += found[i].stamp != 0;
    }
    for (uint32_t i = 0; i < shards; i++)
        check_part(diary, known, found, shard_of, i);
    memcpy(known, found, sizeof found);
}

static void
check_round(const char *path, struct shared *shared, struct contract_value known[THREADS_MAX][KEYS],
            uint32_t shards, bool is_first)
{
    armdb_verify_report report;
    armdb_options options = ARMDB_OPTIONS_INIT;
    struct db *db;
    uint64_t keys = 0;
    uint64_t count;
    bool is_closed;
    options.open_mode = is_first ? ARMDB_OPEN_OR_CREATE : ARMDB_OPEN_EXISTING;
    options.shards = shards;
    armdb_err err = armdb_verify(path, NULL, NULL, &report);
    bool may_miss = is_first && atomic_load(&shared->acknowledged) == 0;
    REQUIRE(err == ARMDB_OK || (may_miss && err == ARMDB_NO_DATABASE),
            "verify: %s, %" PRIu64 " pieces of damage", armdb_err_name(err), report.damages);
    REQUIRE_OK(adb_db_open(adb_os_posix(), path, &options, &db));
    for (uint32_t i = 0; i < THREADS_MAX; i++)
        check_thread(db, &shared->diaries[i], i, known[i], shards, &keys);
    REQUIRE_OK(adb_db_count(adb_db_default(db), &count));
    REQUIRE(count == keys, "%" PRIu64 " keys, %" PRIu64 " of them known", count, keys);
    REQUIRE_OK(adb_db_close(db, &is_closed));
    REQUIRE_OK(armdb_verify(path, NULL, NULL, &report));
    REQUIRE(report.torn_bytes == 0, "%" PRIu64 " torn bytes after a close", report.torn_bytes);
}

/* Whether the first shard's write buffer is in a file: then the process was killed with records
 * there that only the mapping of it has made survive. */
static bool
leaves_buffer(const char *path)
{
    char name[512];
    snprintf(name, sizeof name, "%s/shard-000/buffer", path);
    return access(name, F_OK) == 0;
}

/* Starts a child and kills it after so many acknowledgements. */
static void
run_child(const char *path, const armdb_options *options, struct shared *shared, uint32_t round,
          uint32_t threads, uint32_t acknowledged, uint64_t seed)
{
    int status;
    memset(shared, 0, sizeof *shared);
    fflush(NULL);
    pid_t pid = fork();
    REQUIRE(pid >= 0, "fork failed");
    if (pid == 0)
        child(path, options, shared, threads, 1 + round * THREADS_MAX * OPERATIONS, seed);
    while (atomic_load(&shared->acknowledged) < acknowledged) {
        if (waitpid(pid, &status, WNOHANG) == pid)
            REQUIRE(false, "the child ended by itself: %d", status);
        sched_yield();
    }
    REQUIRE(kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid, "kill failed");
    REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the child ended with %d", status);
    totals.acknowledged += atomic_load(&shared->acknowledged);
}

static void
run_database(uint64_t seed, struct shared *shared)
{
    struct test_rng rng = test_rng_make(seed);
    static struct contract_value known[THREADS_MAX][KEYS];
    armdb_options options = ARMDB_OPTIONS_INIT;
    char *path = tmpdir_make();
    uint32_t shards = 1 + (uint32_t)test_rng_below(&rng, SHARDS_MAX);
    memset(known, 0, sizeof known);
    options.shards = shards;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        bool is_small = test_rng_one_in(&rng, 2);
        options.max_file_bytes = is_small ? 65536 : 4 << 20;
        options.write_buffer_bytes = is_small ? 16384 : 200000;
        options.flush_interval_ms = test_rng_one_in(&rng, 2) ? ARMDB_NEVER : 2;
        options.compaction_percent = test_rng_one_in(&rng, 2) ? 1 : 30;
        uint32_t threads = 2 + (uint32_t)test_rng_below(&rng, THREADS_MAX - 1);
        uint32_t acknowledged = (uint32_t)test_rng_below(&rng, round % 4 == 0 ? 60 : 3000);
        require_context("database of seed %" PRIu64 ", round %u: %u threads, kill after %u", seed,
                        round, threads, acknowledged);
        run_child(path, &options, shared, round, threads, acknowledged, test_rng_next(&rng));
        totals.buffers += leaves_buffer(path);
        check_round(path, shared, known, shards, round == 0);
        totals.rounds++;
    }
    tmpdir_remove(path);
}

int
main(void)
{
    uint64_t seed = test_seed();
    struct shared *shared = (struct shared *)mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(shared != MAP_FAILED, "no shared memory");
    for (uint64_t i = 0; i < require_rounds(2); i++) {
        struct test_rng rng = test_rng_fork(seed, i);
        run_database(test_rng_next(&rng), shared);
    }
    munmap(shared, sizeof *shared);
    printf("%" PRIu64 " rounds (%" PRIu64 " with a buffer file), %" PRIu64
           " acknowledged operations, %" PRIu64 " promised\n",
           totals.rounds, totals.buffers, totals.acknowledged, totals.promised);
    return 0;
}
