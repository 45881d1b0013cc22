/* cache_fixture.h: files whose bytes follow from their key and offset, read by a function that
 * counts, fails, falls short or waits as told. */
#ifndef TEST_UNIT_CACHE_FIXTURE_H
#define TEST_UNIT_CACHE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "cache/cache.h"
#include "cache/cache_frame.h"
#include "os/thread.h"

enum { BLOCK = CACHE_BLOCK_BYTES };

struct fake_file {
    uint64_t key;
    uint64_t size; /* bytes that can be read */
    /* what the next reads do */
    uint32_t n_failures;  /* so many fail */
    uint64_t gone_behind; /* if not 0: as if the file ended here */
    /* the last read */
    uint64_t last_offset;
    size_t last_bytes;
    _Atomic uint32_t n_reads;
    /* reads wait while the gate is shut */
    struct adb_mutex lock;
    struct adb_cond changed;
    bool is_shut;
    uint32_t n_waiting;
};

static inline unsigned char
fake_byte(uint64_t file_key, uint64_t offset)
{
    uint64_t x = (file_key * 31 + offset / 8) * UINT64_C(0x9e3779b97f4a7c15);
    return (unsigned char)(x >> 56) ^ (unsigned char)(offset % 8);
}

static inline void
fake_init(struct fake_file *file, uint64_t key, uint64_t size)
{
    memset(file, 0, sizeof *file);
    file->key = key;
    file->size = size;
    adb_mutex_init(&file->lock);
    adb_cond_init(&file->changed);
}

static inline void
fake_fini(struct fake_file *file)
{
    adb_cond_fini(&file->changed);
    adb_mutex_fini(&file->lock);
}

static inline void
fake_set_shut(struct fake_file *file, bool is_shut)
{
    adb_mutex_lock(&file->lock);
    file->is_shut = is_shut;
    adb_cond_wake_all(&file->changed);
    adb_mutex_unlock(&file->lock);
}

/* Until so many reads wait at the gate. */
static inline void
fake_await_waiting(struct fake_file *file, uint32_t n)
{
    adb_mutex_lock(&file->lock);
    while (file->n_waiting < n)
        adb_cond_wait(&file->changed, &file->lock);
    adb_mutex_unlock(&file->lock);
}

static inline armdb_err
fake_read(void *context, uint64_t offset, size_t bytes, void *to, size_t *got_out)
{
    struct fake_file *file = (struct fake_file *)context;
    atomic_fetch_add(&file->n_reads, 1);
    adb_mutex_lock(&file->lock);
    file->last_offset = offset;
    file->last_bytes = bytes;
    file->n_waiting++;
    adb_cond_wake_all(&file->changed);
    while (file->is_shut)
        adb_cond_wait(&file->changed, &file->lock);
    file->n_waiting--;
    bool must_fail = file->n_failures != 0;
    file->n_failures -= must_fail;
    uint64_t size = file->gone_behind != 0 ? file->gone_behind : file->size;
    adb_mutex_unlock(&file->lock);
    *got_out = 0;
    if (must_fail)
        return adb_fail(ARMDB_IO, "read", "as the test wants it");
    uint64_t left = offset < size ? size - offset : 0;
    *got_out = bytes < left ? bytes : (size_t)left;
    for (size_t i = 0; i < *got_out; i++)
        ((unsigned char *)to)[i] = fake_byte(file->key, offset + i);
    return ARMDB_OK;
}

static inline struct adb_cache_source
fake_source(struct fake_file *file)
{
    return (struct adb_cache_source){
        .file_key = file->key, .valid_bytes = file->size, .read = fake_read, .context = file};
}

/* Whether these are the bytes of the file. */
static inline bool
fake_is(const struct fake_file *file, uint64_t offset, size_t bytes, const unsigned char *got)
{
    for (size_t i = 0; i < bytes; i++) {
        if (got[i] != fake_byte(file->key, offset + i))
            return false;
    }
    return true;
}

/* Reads and checks; returns how many read calls that took. */
static inline uint32_t
fake_get(struct adb_cache *cache, struct fake_file *file, uint64_t offset, size_t bytes)
{
    uint32_t reads;
    const struct adb_cache_source source = fake_source(file);
    unsigned char *to = (unsigned char *)malloc(bytes + 2);
    assert_non_null(to);
    memset(to, 0xee, bytes + 2);
    assert_int_equal(adb_cache_read(cache, &source, offset, bytes, to + 1, &reads), ARMDB_OK);
    assert_true(fake_is(file, offset, bytes, to + 1));
    assert_int_equal(to[0], 0xee);
    assert_int_equal(to[bytes + 1], 0xee);
    free(to);
    return reads;
}

/* Whether the bytes are cached; checks them if so. */
static inline bool
fake_has(struct adb_cache *cache, const struct fake_file *file, uint64_t offset, size_t bytes)
{
    unsigned char *to = (unsigned char *)malloc(bytes + 2);
    assert_non_null(to);
    memset(to, 0xee, bytes + 2);
    bool is_there = adb_cache_try(cache, file->key, offset, bytes, to + 1);
    if (is_there)
        assert_true(fake_is(file, offset, bytes, to + 1));
    assert_int_equal(to[0], 0xee);
    assert_int_equal(to[bytes + 1], 0xee);
    free(to);
    return is_there;
}

static inline struct adb_cache_stats
stats_of(struct adb_cache *cache)
{
    struct adb_cache_stats stats;
    adb_cache_get_stats(cache, &stats);
    return stats;
}

static inline struct adb_cache *
new_cache(uint64_t budget_bytes)
{
    struct adb_cache *cache;
    assert_int_equal(adb_cache_new(budget_bytes, &cache), ARMDB_OK);
    assert_non_null(cache);
    return cache;
}

/* What most tests work with: a cache and a file. */
struct fixture {
    struct adb_cache *cache;
    struct fake_file file;
};

/* For a cmocka setup. */
static inline int
fixture_setup(void **state, uint64_t budget_bytes, uint64_t file_key, uint64_t file_bytes)
{
    struct fixture *fixture = (struct fixture *)calloc(1, sizeof *fixture);
    if (fixture == NULL)
        return -1;
    fixture->cache = new_cache(budget_bytes);
    fake_init(&fixture->file, file_key, file_bytes);
    *state = fixture;
    return 0;
}

static inline int
fixture_teardown(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    adb_cache_free(fixture->cache);
    fake_fini(&fixture->file);
    free(fixture);
    return 0;
}

#define CACHE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

#endif
