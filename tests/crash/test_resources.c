/*
 * test_resources.c: threads, descriptors and memory run out, on the real system, with the threads
 * of the database.
 *
 * Only so many threads can be started; only so many descriptors are left; the n-th allocation
 * fails. With ARMDB_TEST_SCALE=10 each number is tried, else some. A call that fails says why,
 * leaves nothing open and no thread behind; what was accepted is there, and all goes on once there
 * is room.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "armdb/armdb.h"
#include "base/mem.h"
#include "sim/require.h"
#include "support/seed.h"
#include "support/tmpdir.h"

enum { KEYS = 6, VALUE_BYTES = 40000, THREADS = 6, DESCRIPTORS = 40, ALLOCATIONS = 600 };

static struct {
    uint64_t threads;
    uint64_t descriptors;
    uint64_t allocations;
    uint64_t refused_opens;
    uint64_t refused_writes;
} totals;

static unsigned char value[VALUE_BYTES];
static unsigned threads_at_start;
static atomic_uint threads_left = UINT32_MAX;

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *context);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *context);

/* What the library calls in place of pthread_create(). */
int
__wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                      void *context)
{
    if (atomic_load(&threads_left) == 0)
        return EAGAIN;
    atomic_fetch_sub(&threads_left, 1);
    return __real_pthread_create(thread, attributes, start, context);
}

/* How many entries a directory of /proc/self has. */
static unsigned
count_entries(const char *path)
{
    unsigned count = 0;
    DIR *listing = opendir(path);
    REQUIRE(listing != NULL, "cannot list %s", path);
    while (readdir(listing) != NULL)
        count++;
    closedir(listing);
    return count;
}

static void
limit_descriptors(rlim_t count)
{
    struct rlimit limit;
    REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
    limit.rlim_cur = count < limit.rlim_max ? count : limit.rlim_max;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
}

static armdb_err
try_open(const char *path, armdb_db **db_out)
{
    armdb_options options = ARMDB_OPTIONS_INIT;
    options.shards = 2;
    options.max_file_bytes = 65536;
    armdb_err err = armdb_open(path, &options, db_out);
    if (err == ARMDB_OK)
        return err;
    armdb_error_detail detail;
    armdb_last_error(&detail);
    REQUIRE(*db_out == NULL && detail.code == err && detail.message[0] != '\0',
            "open says %s, its record %s", armdb_err_name(err), armdb_err_name(detail.code));
    totals.refused_opens++;
    return err;
}

/* Puts all keys; those that are accepted are noted. */
static void
put_all(armdb_db *db, bool is_there[KEYS], bool may_fail)
{
    for (uint32_t key = 0; key < KEYS; key++) {
        memset(value, (int)key + 1, sizeof value);
        armdb_err err = armdb_put(armdb_default(db), (armdb_slice){&key, sizeof key},
                                  (armdb_slice){value, sizeof value}, NULL);
        REQUIRE(err == ARMDB_OK || may_fail, "put: %s", armdb_err_name(err));
        is_there[key] = is_there[key] || err == ARMDB_OK;
        totals.refused_writes += err != ARMDB_OK;
    }
}

static void
check_all(armdb_db *db, const bool is_there[KEYS])
{
    for (uint32_t key = 0; key < KEYS; key++) {
        size_t len;
        armdb_err err = armdb_get(armdb_default(db), (armdb_slice){&key, sizeof key}, value,
                                  sizeof value, &len);
        REQUIRE(err == (is_there[key] ? ARMDB_OK : ARMDB_NOT_FOUND), "key %u: %s", key,
                armdb_err_name(err));
        REQUIRE(err != ARMDB_OK || (len == sizeof value && value[0] == key + 1 &&
                                    memcmp(value, value + 1, sizeof value - 1) == 0),
                "key %u has a wrong value", key);
    }
}

/* Opens, writes and closes while something may run out; then without. Nothing must be left. */
static void
use(void (*end_shortage)(void))
{
    char *directory = tmpdir_make();
    char path[512];
    bool is_there[KEYS] = {false};
    armdb_db *db = NULL;
    snprintf(path, sizeof path, "%s/db", directory);
    armdb_err err = try_open(path, &db);
    if (err == ARMDB_OK)
        put_all(db, is_there, true);
    end_shortage();
    unsigned descriptors = count_entries("/proc/self/fd");
    if (err == ARMDB_OK) {
        put_all(db, is_there, false); /* all goes on */
        check_all(db, is_there);
        REQUIRE_OK(armdb_close(db));
    }
    unsigned left = count_entries("/proc/self/fd");
    REQUIRE(left <= descriptors, "%u descriptors are open, not %u", left, descriptors);
    REQUIRE(count_entries("/proc/self/task") == threads_at_start, "threads are left");
    REQUIRE_OK(try_open(path, &db));
    check_all(db, is_there);
    REQUIRE_OK(armdb_close(db));
    REQUIRE(count_entries("/proc/self/fd") <= left, "descriptors are left");
    tmpdir_remove(directory);
}

static void
end_shortage(void)
{
    atomic_store(&threads_left, UINT32_MAX);
    limit_descriptors(1024);
    adb_mem_fail_at(0, false);
}

/* How far to go: on average half of `most`, by one in a long run. */
static uint32_t
next(struct test_rng *rng, uint32_t most)
{
    return test_scale() >= 10 ? 1 : 1 + (uint32_t)test_rng_below(rng, most);
}

int
main(void)
{
    struct test_rng rng = test_rng_make(test_seed());
    threads_at_start = count_entries("/proc/self/task");
    for (uint32_t n = 0; n < THREADS; n += next(&rng, 2)) {
        require_context("%u threads can be started", n);
        atomic_store(&threads_left, n);
        use(end_shortage);
        totals.threads++;
    }
    int free_descriptor = dup(0); /* the lowest */
    REQUIRE(free_descriptor >= 0 && close(free_descriptor) == 0, "dup");
    for (uint32_t n = 0; n < DESCRIPTORS; n += next(&rng, 8)) {
        require_context("%u descriptors are left", n);
        limit_descriptors((rlim_t)free_descriptor + n);
        use(end_shortage);
        totals.descriptors++;
    }
    for (uint32_t n = 1; n < ALLOCATIONS; n += next(&rng, 200)) {
        require_context("allocation %u fails", n);
        adb_mem_fail_at(n, n % 2 == 0);
        use(end_shortage);
        totals.allocations++;
    }
    printf("%" PRIu64 " numbers of threads, %" PRIu64 " of descriptors, %" PRIu64
           " failed allocations: %" PRIu64 " opens and %" PRIu64 " writes refused\n",
           totals.threads, totals.descriptors, totals.allocations, totals.refused_opens,
           totals.refused_writes);
    return 0;
}
