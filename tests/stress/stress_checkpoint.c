/*
 * Checkpoints of a database while threads write to it, a collection comes and goes, and compaction
 * runs in the background.
 *
 * What the n-th write of a writer does follows from its number: it puts or deletes one of the
 * writer's keys, which are spread over all shards; a value tells the number. So what there is after
 * the first n writes is known. Checked of each checkpoint, opened as a database: for each writer
 * there is an n, not less than the writes that had returned before the call, and not more than
 * those that had begun before its end, so that the copy has exactly what there is after n writes:
 * one moment for all shards. When it writes, each writer has seen how far another one is, and says
 * so in the value; what was seen is there too. The collection that comes and goes is there with a
 * first part of its records, or not at all.
 *
 * ARMDB_TEST_SCALE makes it longer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "armdb/armdb.h"
#include "os/thread.h"
#include "stress/stress.h"
#include "support/seed.h"
#include "support/tmpdir.h"

enum {
    N_WRITERS = 3,
    N_KEYS = 300, /* of each */
    N_CHECKPOINTS = 12,
    N_PASSING = 50,
    KEY_ROOM = 24,
    VALUE_MIN = 16, /* number of the write; writes seen of the writer before */
    VALUE_MAX = 700
};

static void
check_ok(armdb_err err)
{
    check(err == ARMDB_OK, "an error");
}

struct stress;

struct writer {
    struct stress *stress;
    unsigned number;
    struct adb_thread thread;
    _Atomic(uint64_t) begun;
    _Atomic(uint64_t) returned;
};

struct stress {
    armdb_db *db;
    struct writer writers[N_WRITERS];
    _Atomic(bool) is_over;
};

/* What the n-th write does, n from 1. */
static uint32_t
key_of(uint64_t n)
{
    return (uint32_t)(n * 7 % N_KEYS);
}

static bool
is_delete(uint64_t n)
{
    return n > N_KEYS && n % 5 == 0;
}

static size_t
length_of(uint64_t n)
{
    return VALUE_MIN + (size_t)(n * 13 % (VALUE_MAX - VALUE_MIN));
}

static armdb_slice
make_key(unsigned writer, uint32_t key, char room[KEY_ROOM])
{
    int len = snprintf(room, KEY_ROOM, "w%u-%06u", writer, (unsigned)key);
    return armdb_bytes(room, (size_t)len);
}

/* -------------------------------------------------------------------- writers */

static void
put_nth(struct writer *writer, uint64_t n, armdb_slice key)
{
    unsigned char value[VALUE_MAX];
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    const struct writer *before = &writer->stress->writers[(writer->number + 1) % N_WRITERS];
    uint64_t seen = atomic_load_explicit(&before->returned, memory_order_acquire);
    memset(value, (int)(n % 251), sizeof value);
    memcpy(value, &n, sizeof n);
    memcpy(value + sizeof n, &seen, sizeof seen);
    options.durability = n % 3 == 0 ? ARMDB_BUFFERED : ARMDB_WRITTEN;
    check_ok(armdb_put(armdb_default(writer->stress->db), key, armdb_bytes(value, length_of(n)),
                       &options));
}

static void *
run_writer(void *context)
{
    struct writer *writer = (struct writer *)context;
    for (uint64_t n = 1; !atomic_load(&writer->stress->is_over); n++) {
        char room[KEY_ROOM];
        armdb_slice key = make_key(writer->number, key_of(n), room);
        atomic_store_explicit(&writer->begun, n, memory_order_release);
        if (is_delete(n)) {
            armdb_err err = armdb_delete(armdb_default(writer->stress->db), key, NULL);
            check(err == ARMDB_OK || err == ARMDB_NOT_FOUND, "delete failed");
        } else {
            put_nth(writer, n, key);
        }
        atomic_store_explicit(&writer->returned, n, memory_order_release);
    }
    return NULL;
}

static void *
run_dropper(void *context)
{
    struct stress *stress = (struct stress *)context;
    while (!atomic_load(&stress->is_over)) {
        armdb_collection *passing;
        check_ok(armdb_collection_create(stress->db, "passing", NULL, &passing));
        for (uint32_t i = 0; i < N_PASSING; i++) {
            char room[KEY_ROOM];
            check_ok(armdb_put(passing, make_key(9, i, room), armdb_str("passing"), NULL));
        }
        check_ok(armdb_collection_drop(stress->db, "passing"));
    }
    return NULL;
}

/* ---------------------------------------------------------------------- check */

/* The write whose value a key has; 0 if it is not there. */
static uint64_t
write_of(armdb_collection *copy, unsigned writer, uint32_t key, uint64_t *seen_out)
{
    char room[KEY_ROOM];
    unsigned char value[VALUE_MAX];
    size_t len;
    uint64_t n;
    armdb_err err = armdb_get(copy, make_key(writer, key, room), value, sizeof value, &len);
    if (err == ARMDB_NOT_FOUND)
        return 0;
    check_ok(err);
    memcpy(&n, value, sizeof n);
    memcpy(seen_out, value + sizeof n, sizeof *seen_out);
    check(key_of(n) == key && !is_delete(n) && len == length_of(n), "a value of another write");
    for (size_t i = VALUE_MIN; i < len; i++)
        check(value[i] == n % 251, "a damaged value");
    return n;
}

/* The write that a key has after n writes; 0 if it is not there. */
static uint64_t
expected_of(uint32_t key, uint64_t n)
{
    while (n > 0 && key_of(n) != key)
        n--;
    return n > 0 && !is_delete(n) ? n : 0;
}

struct found {
    uint64_t writes[N_KEYS];
    uint64_t newest;
    uint64_t seen; /* of the writer before */
};

static void
find_all(armdb_collection *copy, unsigned writer, struct found *found)
{
    *found = (struct found){.newest = 0};
    for (uint32_t key = 0; key < N_KEYS; key++) {
        uint64_t seen = 0;
        found->writes[key] = write_of(copy, writer, key, &seen);
        if (found->writes[key] > found->newest)
            found->newest = found->writes[key];
        if (seen > found->seen)
            found->seen = seen;
    }
}

static bool
is_after(const struct found *found, uint64_t n)
{
    for (uint32_t key = 0; key < N_KEYS; key++) {
        if (found->writes[key] != expected_of(key, n))
            return false;
    }
    return true;
}

/* How many writes the copy has, at least; the newest value tells, but for deletions behind it. */
static uint64_t
count_writes(const struct found *found, uint64_t least)
{
    uint64_t n = found->newest;
    while (n < least && is_delete(n + 1))
        n++;
    while (!is_after(found, n)) {
        check(is_delete(n + 1), "not what there is after any number of writes");
        n++;
    }
    return n;
}

/* At most: a deletion of a key that is not there leaves no trace. */
static uint64_t
most_writes(const struct found *found, uint64_t n)
{
    return is_delete(n + 1) && is_after(found, n + 1) ? n + 1 : n;
}

static void
check_passing(armdb_db *copy)
{
    armdb_collection *passing;
    uint64_t count;
    armdb_err err = armdb_collection_open(copy, "passing", NULL, &passing);
    if (err == ARMDB_NO_COLLECTION)
        return;
    check_ok(err);
    check_ok(armdb_count(passing, &count));
    for (uint32_t i = 0; i < count; i++) {
        char room[KEY_ROOM];
        bool is_there;
        check_ok(armdb_contains(passing, make_key(9, i, room), &is_there));
        check(is_there, "a later record without an earlier one");
    }
}

struct counts {
    uint64_t of[N_WRITERS];
};

static void
check_copy(const char *path, const struct counts *before, const struct counts *after)
{
    armdb_options options = ARMDB_OPTIONS_INIT;
    struct found found[N_WRITERS];
    struct counts has;
    armdb_db *copy;
    options.open_mode = ARMDB_OPEN_EXISTING;
    check_ok(armdb_verify(path, NULL, NULL, NULL));
    check_ok(armdb_open(path, &options, &copy));
    for (unsigned i = 0; i < N_WRITERS; i++) {
        find_all(armdb_default(copy), i, &found[i]);
        has.of[i] = count_writes(&found[i], before->of[i]);
        check(has.of[i] >= before->of[i], "a write that had returned is missing");
        check(has.of[i] <= after->of[i], "a write that had not begun");
    }
    for (unsigned i = 0; i < N_WRITERS; i++) {
        unsigned k = (i + 1) % N_WRITERS;
        check(found[i].seen <= most_writes(&found[k], has.of[k]),
              "what a write had seen is missing");
    }
    check_passing(copy);
    check_ok(armdb_close(copy));
}

static void
take_checkpoints(struct stress *stress, const char *root, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        struct counts before, after;
        char path[600];
        snprintf(path, sizeof path, "%s/copy%llu", root, (unsigned long long)i);
        for (unsigned k = 0; k < N_WRITERS; k++)
            before.of[k] = atomic_load_explicit(&stress->writers[k].returned, memory_order_acquire);
        check_ok(armdb_checkpoint(stress->db, path));
        for (unsigned k = 0; k < N_WRITERS; k++)
            after.of[k] = atomic_load_explicit(&stress->writers[k].begun, memory_order_acquire);
        check_copy(path, &before, &after);
    }
}

/* ----------------------------------------------------------------------- run */

static armdb_options
small_options(void)
{
    armdb_options options = ARMDB_OPTIONS_INIT;
    options.shards = 4;
    options.max_file_bytes = 128 * 1024;
    options.write_buffer_bytes = 16384;
    options.compaction_percent = 10;
    return options;
}

static void
test_checkpoint__threads_write_drop_and_compact__each_is_of_one_moment(void **state)
{
    static struct stress stress;
    const armdb_options options = small_options();
    struct adb_thread dropper;
    char path[500];
    char *root = tmpdir_make();
    (void)state;
    snprintf(path, sizeof path, "%s/db", root);
    check_ok(armdb_open(path, &options, &stress.db));
    for (unsigned i = 0; i < N_WRITERS; i++) {
        stress.writers[i].stress = &stress;
        stress.writers[i].number = i;
        check_ok(adb_thread_start(&stress.writers[i].thread, run_writer, &stress.writers[i]));
    }
    check_ok(adb_thread_start(&dropper, run_dropper, &stress));
    take_checkpoints(&stress, root, N_CHECKPOINTS * test_scale());
    atomic_store(&stress.is_over, true);
    for (unsigned i = 0; i < N_WRITERS; i++)
        adb_thread_join(&stress.writers[i].thread);
    adb_thread_join(&dropper);
    check_ok(armdb_close(stress.db));
    check_ok(armdb_verify(path, NULL, NULL, NULL));
    tmpdir_remove(root);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checkpoint__threads_write_drop_and_compact__each_is_of_one_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
