/*
 * Threads on one cache that is much too small. Readers read anywhere, in files whose bytes follow
 * from their key and offset, and check each byte; meanwhile blocks are driven out, files are
 * dropped and replaced by new ones, reads fail, and the budget changes, down to nothing and up.
 *
 * ARMDB_SEED=n chooses the random numbers (not the interleaving); ARMDB_TEST_SCALE=n makes it n
 * times longer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/err.h"
#include "cache/cache.h"
#include "os/thread.h"
#include "stress/stress.h"
#include "support/seed.h"

enum {
    N_READERS = 3,
    N_FILES = 4,
    BLOCK = 4096,
    FILE_BYTES = 100 * BLOCK + 77,
    READ_BYTES_MAX = 2 * BLOCK + 100,
    READS = IS_SLOW ? 20000 : 400000, /* of each reader */
    COPIED_BLOCKS = 12,
    COPIES = IS_SLOW ? 5000 : 150000, /* of each reader */
    CHANGES = IS_SLOW ? 300 : 3000,
    FAIL_ONE_IN = 500
};

struct stress {
    struct adb_cache *cache;
    /* atomic: the key of each file; a new one each time it is dropped */
    _Atomic uint64_t file_key[N_FILES];
};

struct actor {
    struct stress *stress;
    struct test_rng rng;
    uint64_t file_key; /* of the file being read */
    uint64_t n_cached;
    struct adb_thread thread;
};

/* Eight bytes of a file. */
static uint64_t
word_at(uint64_t file_key, uint64_t i)
{
    return (file_key * 1000003 + i) * UINT64_C(0x9e3779b97f4a7c15);
}

static unsigned char
byte_at(uint64_t file_key, uint64_t offset)
{
    return (unsigned char)(word_at(file_key, offset / 8) >> (offset % 8 * 8));
}

static armdb_err
read_bytes(void *context, uint64_t offset, size_t bytes, void *to, size_t *got_out)
{
    struct actor *actor = (struct actor *)context;
    *got_out = 0;
    if (test_rng_one_in(&actor->rng, FAIL_ONE_IN))
        return adb_fail(ARMDB_IO, "read", "as the test wants it");
    for (size_t i = 0; i < bytes && offset + i < FILE_BYTES; i++) {
        ((unsigned char *)to)[i] = byte_at(actor->file_key, offset + i);
        *got_out = i + 1;
    }
    return ARMDB_OK;
}

static void
check_bytes(uint64_t file_key, uint64_t offset, size_t bytes, const unsigned char *got)
{
    for (size_t i = 0; i < bytes; i++)
        check(got[i] == byte_at(file_key, offset + i), "wrong bytes");
}

/* The same of whole words that were taken. */
static void
check_taken(const struct adb_cache_spot *spot, size_t bytes, const unsigned char *got, uint32_t crc)
{
    unsigned char before[8];
    check_bytes(spot->file_key, spot->offset, bytes, got);
    adb_store_u64(before, spot->offset);
    check(crc == adb_crc32c(adb_crc32c(0, before, sizeof before), got + 4, bytes - 4),
          "wrong checksum");
}

/* Most reads are of a few blocks, so that hits are many even while the cache is tiny. */
static uint64_t
choose_offset(struct test_rng *rng)
{
    uint64_t limit = test_rng_one_in(rng, 4) ? FILE_BYTES : 10 * BLOCK;
    return test_rng_below(rng, limit);
}

static void *
run_reader(void *context)
{
    struct actor *actor = (struct actor *)context;
    struct stress *stress = actor->stress;
    struct test_rng *rng = &actor->rng;
    unsigned char to[READ_BYTES_MAX];
    for (uint64_t n = 0; n < READS * (uint64_t)test_scale(); n++) {
        uint64_t offset = choose_offset(rng);
        uint64_t limit = test_rng_one_in(rng, 8) ? READ_BYTES_MAX : 100;
        size_t bytes = (size_t)test_rng_below(rng, limit);
        uint32_t reads;
        if (bytes > FILE_BYTES - offset)
            bytes = (size_t)(FILE_BYTES - offset);
        actor->file_key = atomic_load(&stress->file_key[test_rng_below(rng, N_FILES)]);
        const struct adb_cache_source source = {.file_key = actor->file_key,
                                                .valid_bytes = FILE_BYTES,
                                                .read = read_bytes,
                                                .context = actor};
        if (n % 4 == 0) {
            struct adb_cache_spot spot;
            size_t in_words = bytes / 8 * 8;
            uint32_t crc = 0;
            adb_cache_ask(stress->cache, actor->file_key, offset / 8 * 8, &spot);
            adb_cache_approach(&spot, in_words);
            if (in_words != 0 && adb_cache_take(&spot, in_words, to, &crc))
                check_taken(&spot, in_words, to, crc);
            if (adb_cache_try(stress->cache, actor->file_key, offset, bytes, to))
                check_bytes(actor->file_key, offset, bytes, to);
            continue;
        }
        armdb_err err = adb_cache_read(stress->cache, &source, offset, bytes, to, &reads);
        if (err == ARMDB_OK)
            check_bytes(actor->file_key, offset, bytes, to);
        else
            check(err == ARMDB_IO && reads != 0, "an error that nobody made");
        actor->n_cached += err == ARMDB_OK && reads == 0;
    }
    return NULL;
}

static void *
run_changer(void *context)
{
    struct actor *actor = (struct actor *)context;
    struct stress *stress = actor->stress;
    struct test_rng *rng = &actor->rng;
    uint64_t next_key = N_FILES + 1;
    for (uint64_t n = 0; n < CHANGES * (uint64_t)test_scale(); n++) {
        if (test_rng_one_in(rng, 3)) {
            uint64_t budget = test_rng_one_in(rng, 10) ? 0 : test_rng_below(rng, 300 * BLOCK);
            check(adb_cache_resize(stress->cache, budget) == ARMDB_OK, "no memory");
        } else {
            uint32_t i = (uint32_t)test_rng_below(rng, N_FILES);
            uint64_t old_key = atomic_exchange(&stress->file_key[i], next_key++);
            adb_cache_drop_file(stress->cache, old_key);
        }
        struct adb_cache_stats stats;
        adb_cache_get_stats(stress->cache, &stats);
        check(stats.inserted == stats.blocks + stats.evicted + stats.dropped, "lost count");
        check(stats.bytes <= stats.budget_bytes || stats.blocks == 0, "more than the budget");
    }
    return NULL;
}

static void
test_cache__threads_while_everything_changes__get_the_files_bytes(void **state)
{
    (void)state;
    struct stress stress;
    struct actor actors[N_READERS + 1];
    uint64_t n_cached = 0;
    assert_int_equal(adb_cache_new(60 * BLOCK, &stress.cache), ARMDB_OK);
    for (uint32_t i = 0; i < N_FILES; i++)
        atomic_init(&stress.file_key[i], i + 1);
    for (uint32_t i = 0; i <= N_READERS; i++) {
        actors[i] = (struct actor){.stress = &stress, .rng = test_rng_fork(test_seed(), i)};
        assert_int_equal(adb_thread_start(&actors[i].thread,
                                          i < N_READERS ? run_reader : run_changer, &actors[i]),
                         ARMDB_OK);
    }
    for (uint32_t i = 0; i <= N_READERS; i++) {
        adb_thread_join(&actors[i].thread);
        n_cached += actors[i].n_cached;
    }
    assert_true(n_cached > 0);
    adb_cache_free(stress.cache);
}

/* Whole blocks of a few more than there is room for: they go while they are being copied. */
static void *
run_copier(void *context)
{
    struct actor *actor = (struct actor *)context;
    const struct adb_cache_source source = {.file_key = actor->file_key,
                                            .valid_bytes = FILE_BYTES,
                                            .read = read_bytes,
                                            .context = actor};
    unsigned char to[BLOCK];
    for (uint64_t n = 0; n < COPIES * (uint64_t)test_scale(); n++) {
        uint64_t block = test_rng_below(&actor->rng, COPIED_BLOCKS);
        uint32_t reads;
        if (adb_cache_read(actor->stress->cache, &source, block * BLOCK, BLOCK, to, &reads) !=
            ARMDB_OK)
            continue;
        actor->n_cached += reads == 0;
        for (uint64_t i = 0; i < BLOCK / 8; i++)
            check(adb_load_u64(to + i * 8) == word_at(actor->file_key, block * (BLOCK / 8) + i),
                  "a block of several");
    }
    return NULL;
}

static void
test_cache__blocks_go_while_they_are_copied__get_the_files_bytes(void **state)
{
    (void)state;
    struct stress stress;
    struct actor actors[N_READERS];
    uint64_t n_cached = 0;
    assert_int_equal(adb_cache_new(8 * BLOCK, &stress.cache), ARMDB_OK);
    for (uint32_t i = 0; i < N_READERS; i++) {
        actors[i] =
            (struct actor){.stress = &stress, .rng = test_rng_fork(test_seed(), i), .file_key = 1};
        assert_int_equal(adb_thread_start(&actors[i].thread, run_copier, &actors[i]), ARMDB_OK);
    }
    for (uint32_t i = 0; i < N_READERS; i++) {
        adb_thread_join(&actors[i].thread);
        n_cached += actors[i].n_cached;
    }
    assert_true(n_cached > COPIES / 10);
    adb_cache_free(stress.cache);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cache__threads_while_everything_changes__get_the_files_bytes),
        cmocka_unit_test(test_cache__blocks_go_while_they_are_copied__get_the_files_bytes),
    };
    return cmocka_run_group_tests_name("stress/cache", tests, NULL, NULL);
}
