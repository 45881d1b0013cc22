#include "crash/diary.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "db/db.h"
#include "sim/require.h"
#include "support/seed.h"

enum { VALUE_MAX = 30000 };

struct writer {
    struct diary_shared *shared;
    struct diary *diary;
    armdb_db *db;
    uint32_t thread;
    uint32_t first_stamp;
    uint64_t seed;
};

struct diary_shared *
diary_new(void)
{
    void *shared = mmap(NULL, sizeof(struct diary_shared), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(shared != MAP_FAILED, "no shared memory");
    return (struct diary_shared *)shared;
}

void
diary_free(struct diary_shared *shared)
{
    munmap(shared, sizeof *shared);
}

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
draw_entry(struct test_rng *rng, struct diary_entry *entry, uint32_t stamp)
{
    uint64_t draw = test_rng_below(rng, 100);
    *entry = (struct diary_entry){.key = (uint32_t)test_rng_below(rng, DIARY_KEYS)};
    entry->level = draw < 2 ? ARMDB_SYNCED : 1 + (uint32_t)(draw % 2);
    draw = test_rng_below(rng, 100);
    if (draw < 3) { /* sync, flush, or compact, which promises nothing */
        entry->key = DIARY_KEYS;
        entry->level = draw == 0 ? ARMDB_SYNCED : draw == 1 ? ARMDB_WRITTEN : 0;
        return;
    }
    if (draw < 20)
        return;
    entry->stamp = stamp;
    entry->len = (uint32_t)test_rng_below(rng, draw < 24 ? VALUE_MAX : 300);
}

static armdb_err
do_entry(const struct writer *writer, const struct diary_entry *entry, unsigned char *buffer)
{
    char room[32];
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    armdb_collection *collection = armdb_default(writer->db);
    options.durability = (armdb_durability)entry->level;
    if (entry->key == DIARY_KEYS && entry->level == 0)
        return armdb_compact(writer->db, NULL, NULL);
    if (entry->key == DIARY_KEYS)
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
    for (uint32_t i = 0; i < DIARY_OPERATIONS; i++) {
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
child(const struct diary_round *round, struct diary_shared *shared)
{
    struct writer writers[DIARY_THREADS_MAX];
    pthread_t ids[DIARY_THREADS_MAX];
    armdb_db *db;
    uint32_t first_stamp = 1 + round->number * DIARY_THREADS_MAX * DIARY_OPERATIONS;
    child_require(armdb_open(round->path, &round->options, &db));
    for (uint32_t i = 0; i < round->threads; i++) {
        writers[i] = (struct writer){.shared = shared,
                                     .diary = &shared->diaries[i],
                                     .db = db,
                                     .thread = i,
                                     .first_stamp = first_stamp + i * DIARY_OPERATIONS,
                                     .seed = round->seed + i};
        if (pthread_create(&ids[i], NULL, write_on, &writers[i]) != 0)
            _exit(4);
    }
    for (uint32_t i = 0; i < round->threads; i++)
        pthread_join(ids[i], NULL);
    for (;;)
        pause(); /* all is written: wait for the end */
}

pid_t
diary_start(const struct diary_round *round, struct diary_shared *shared, uint32_t acknowledged)
{
    int status;
    memset(shared, 0, sizeof *shared);
    fflush(NULL);
    pid_t pid = fork();
    REQUIRE(pid >= 0, "fork failed");
    if (pid == 0)
        child(round, shared);
    while (atomic_load(&shared->acknowledged) < acknowledged) {
        if (waitpid(pid, &status, WNOHANG) == pid)
            REQUIRE(false, "the child ended by itself: %d", status);
        sched_yield();
    }
    return pid;
}

void
diary_kill(pid_t pid)
{
    int status;
    REQUIRE(kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid, "kill failed");
    REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the child ended with %d", status);
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
        const struct diary_entry *entry = &diary->entries[i];
        const struct contract_value written = {.stamp = entry->stamp, .len = entry->len};
        if (entry->key == number && contract_is_value(written, armdb_value_bytes(&value)))
            found = written;
    }
    armdb_value_release(&value);
    return found;
}

/* Empty values look all alike, so lengths are compared, and stamps only of others. */
static bool
is_same(struct contract_value a, struct contract_value b)
{
    if (a.stamp == 0 || b.stamp == 0)
        return a.stamp == b.stamp;
    return a.len == b.len && (a.len < 8 || a.stamp == b.stamp);
}

/* Demands that what is there of a thread's keys in a shard is what its first so many operations
 * leave. Returns how many of these had been promised. */
static uint32_t
check_part(const struct diary *diary, const struct contract_value *before,
           const struct contract_value *found, const uint32_t *shard_of, uint32_t shard,
           armdb_durability promise)
{
    uint32_t begun = atomic_load(&diary->begun);
    uint32_t done = atomic_load(&diary->done);
    struct contract_value now[DIARY_KEYS];
    uint32_t floor = 0;
    for (uint32_t i = 0; i < done; i++) {
        const struct diary_entry *entry = &diary->entries[i];
        bool concerns = entry->key == DIARY_KEYS || shard_of[entry->key] == shard;
        if (concerns && entry->level >= (uint32_t)promise)
            floor = i + 1;
    }
    memcpy(now, before, sizeof now);
    bool is_match = false;
    for (uint32_t i = 0; i <= begun && !is_match; i++) {
        bool differs = i < floor;
        for (uint32_t key = 0; key < DIARY_KEYS && !differs; key++)
            differs = shard_of[key] == shard && !is_same(now[key], found[key]);
        is_match = !differs;
        if (i < begun && diary->entries[i].key < DIARY_KEYS)
            now[diary->entries[i].key] = (struct contract_value){.stamp = diary->entries[i].stamp,
                                                                 .len = diary->entries[i].len};
    }
    REQUIRE(is_match, "shard %u holds no beginning of the writes: %u acknowledged, %u promised",
            shard, done, floor);
    return floor;
}

static uint64_t
check_thread(struct db *db, const struct diary *diary, uint32_t thread,
             struct contract_value *known, const struct diary_round *round, uint64_t *keys)
{
    struct contract_value found[DIARY_KEYS];
    uint32_t shard_of[DIARY_KEYS];
    char room[32];
    uint64_t promised = 0;
    for (uint32_t i = 0; i < DIARY_KEYS; i++) {
        armdb_slice key = make_key(thread, i, room);
        shard_of[i] = contract_route(db, key);
        found[i] = find_value(db, key, diary, known[i], i);
        REQUIRE(found[i].stamp != UINT32_MAX, "a value that nobody wrote under %s", room);
        *keys += found[i].stamp != 0;
    }
    for (uint32_t i = 0; i < round->options.shards; i++)
        promised += check_part(diary, known, found, shard_of, i, round->promise);
    memcpy(known, found, sizeof found);
    return promised;
}

uint64_t
diary_check(const struct diary_round *round, struct diary_shared *shared, struct diary_known *known)
{
    armdb_verify_report report;
    armdb_options options = ARMDB_OPTIONS_INIT;
    struct db *db;
    uint64_t keys = 0, promised = 0;
    uint64_t count;
    bool is_closed;
    options.open_mode = round->number == 0 ? ARMDB_OPEN_OR_CREATE : ARMDB_OPEN_EXISTING;
    options.shards = round->options.shards;
    armdb_err err = armdb_verify(round->path, NULL, NULL, &report);
    bool may_miss = round->number == 0 && atomic_load(&shared->acknowledged) == 0;
    REQUIRE(err == ARMDB_OK || (may_miss && err == ARMDB_NO_DATABASE),
            "verify: %s, %" PRIu64 " pieces of damage", armdb_err_name(err), report.damages);
    REQUIRE_OK(adb_db_open(adb_os_posix(), round->path, &options, &db));
    for (uint32_t i = 0; i < DIARY_THREADS_MAX; i++)
        promised += check_thread(db, &shared->diaries[i], i, known->values[i], round, &keys);
    REQUIRE_OK(adb_db_count(adb_db_default(db), &count));
    REQUIRE(count == keys, "%" PRIu64 " keys, %" PRIu64 " of them known", count, keys);
    REQUIRE_OK(adb_db_close(db, &is_closed));
    REQUIRE_OK(armdb_verify(round->path, NULL, NULL, &report));
    REQUIRE(report.torn_bytes == 0, "%" PRIu64 " torn bytes after a close", report.torn_bytes);
    return promised;
}

void
diary_draw_round(struct diary_round *round, uint64_t seed)
{
    struct test_rng rng = test_rng_make(seed);
    bool is_small = test_rng_one_in(&rng, 2);
    round->options.max_file_bytes = is_small ? 65536 : 4 << 20;
    round->options.write_buffer_bytes = is_small ? 16384 : 200000;
    round->options.flush_interval_ms = test_rng_one_in(&rng, 2) ? ARMDB_NEVER : 2;
    round->options.compaction_percent = test_rng_one_in(&rng, 2) ? 1 : 30;
    round->threads = 2 + (uint32_t)test_rng_below(&rng, DIARY_THREADS_MAX - 1);
    round->seed = test_rng_next(&rng);
}
