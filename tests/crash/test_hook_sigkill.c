/*
 * test_hook_sigkill.c: an index over values, kept by a hook, in a process with several writing
 * threads that is killed at a random moment, on the real file system. The next life empties the
 * index, has it built by the init hook, and compares it with a scan; so does one that comes to its
 * end, with what its hooks have made of it.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "armdb/armdb.h"
#include "os/thread.h"
#include "sim/require.h"
#include "support/seed.h"
#include "support/tmpdir.h"

enum { ROUNDS = 8, N_WRITERS = 3, N_KEYS = 200, WRITES_MAX = 3000 };

/* Memory of both processes. */
struct shared {
    _Atomic(uint32_t) writes;
};

struct life {
    struct shared *shared;
    armdb_collection *data, *index;
    struct test_rng rng;
};

/* The index has an entry "value key" for each key of the data. */
static armdb_slice
entry_of(armdb_slice value, armdb_slice key, char *room)
{
    memcpy(room, value.data, value.len);
    memcpy(room + value.len, key.data, key.len);
    return armdb_bytes(room, value.len + key.len);
}

static armdb_err
on_init(void *context, const armdb_change *pair)
{
    char room[64];
    return armdb_put((armdb_collection *)context, entry_of(pair->value, pair->key, room),
                     armdb_str(""), NULL);
}

static void
on_change(void *context, const armdb_change *change)
{
    char room[64];
    REQUIRE_OK(change->old_err);
    if (change->had_value)
        REQUIRE_OK(armdb_delete((armdb_collection *)context,
                                entry_of(change->old_value, change->key, room), NULL));
    if (change->kind == ARMDB_CHANGE_PUT)
        REQUIRE_OK(on_init(context, change));
}

static void
compare(const struct life *life)
{
    armdb_cursor *cursor;
    uint64_t keys = 0, entries;
    bool is_there;
    char room[64];
    REQUIRE_OK(armdb_cursor_open(life->data, NULL, &cursor));
    for (; armdb_cursor_next(cursor) == ARMDB_OK; keys++) {
        armdb_slice entry = entry_of(armdb_cursor_value(cursor), armdb_cursor_key(cursor), room);
        REQUIRE_OK(armdb_contains(life->index, entry, &is_there));
        REQUIRE(is_there, "no entry for a key");
    }
    armdb_cursor_close(cursor);
    REQUIRE_OK(armdb_count(life->index, &entries));
    REQUIRE(entries == keys, "%" PRIu64 " entries of %" PRIu64 " keys", entries, keys);
}

static void *
write_on(void *context)
{
    struct life *life = (struct life *)context;
    while (atomic_fetch_add(&life->shared->writes, 1) < WRITES_MAX) {
        char key[16], value[16];
        snprintf(key, sizeof key, "k%u", (unsigned)test_rng_below(&life->rng, N_KEYS));
        snprintf(value, sizeof value, "%u ", (unsigned)test_rng_below(&life->rng, 50));
        armdb_err err = test_rng_one_in(&life->rng, 3)
                            ? armdb_delete(life->data, armdb_str(key), NULL)
                            : armdb_put(life->data, armdb_str(key), armdb_str(value), NULL);
        REQUIRE(err == ARMDB_OK || err == ARMDB_NOT_FOUND, "%s", armdb_err_name(err));
    }
    return NULL;
}

/* What the child does, until it is killed. */
static void
live(const char *path, struct shared *shared, uint64_t seed)
{
    armdb_options options = ARMDB_OPTIONS_INIT;
    armdb_hook hook = ARMDB_HOOK_INIT;
    struct life lives[N_WRITERS] = {{.shared = shared}};
    struct adb_thread threads[N_WRITERS];
    armdb_db *db;
    options.shards = 3;
    options.max_file_bytes = 65536;
    REQUIRE_OK(armdb_open(path, &options, &db));
    lives[0].data = armdb_default(db);
    armdb_err err = armdb_collection_drop(db, "index");
    REQUIRE(err == ARMDB_OK || err == ARMDB_NO_COLLECTION, "%s", armdb_err_name(err));
    REQUIRE_OK(armdb_collection_create(db, "index", NULL, &lives[0].index));
    hook.wants_old = 1;
    hook.is_init_parallel = 1;
    hook.on_change = on_change;
    hook.on_init = on_init;
    hook.context = lives[0].index;
    REQUIRE_OK(armdb_hook_set(lives[0].data, &hook));
    compare(&lives[0]);
    for (unsigned i = 0; i < N_WRITERS; i++) {
        lives[i] = lives[0];
        lives[i].rng = test_rng_fork(seed, i);
    }
    for (unsigned i = 0; i < N_WRITERS; i++)
        REQUIRE_OK(adb_thread_start(&threads[i], write_on, &lives[i]));
    for (unsigned i = 0; i < N_WRITERS; i++)
        adb_thread_join(&threads[i]);
    compare(&lives[0]);
    REQUIRE_OK(armdb_close(db));
}

/* One life of the database, killed after so many writes; WRITES_MAX: not at all. */
static void
run_round(const char *path, struct shared *shared, uint64_t seed, uint32_t writes)
{
    int status;
    atomic_store(&shared->writes, 0);
    pid_t child = fork();
    REQUIRE(child >= 0, "a call of the system");
    if (child == 0) {
        live(path, shared, seed);
        _exit(0);
    }
    if (writes < WRITES_MAX) {
        while (atomic_load(&shared->writes) < writes && waitpid(child, &status, WNOHANG) == 0)
            sched_yield();
        (void)kill(child, SIGKILL);
    }
    REQUIRE(waitpid(child, &status, 0) == child, "a call of the system");
    REQUIRE(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0,
            "the child ended with status %d", status);
}

int
main(void)
{
    uint64_t seed = test_seed();
    struct test_rng rng = test_rng_make(seed);
    char *path = tmpdir_make();
    struct shared *shared = (struct shared *)mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(shared != MAP_FAILED, "a call of the system");
    for (unsigned i = 0; i < ROUNDS * test_scale(); i++) {
        uint32_t writes = i % 4 == 3 ? WRITES_MAX : (uint32_t)test_rng_below(&rng, WRITES_MAX);
        require_context("round %u, killed after %u writes", i, writes);
        run_round(path, shared, test_rng_next(&rng), writes);
    }
    (void)munmap(shared, sizeof *shared);
    tmpdir_remove(path);
    return 0;
}
