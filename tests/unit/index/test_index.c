/* Both kinds of index do the same through one interface. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "index/index.h"

enum { KEYS = 5000, VALUE_BYTES = 24 };

struct index_fixture {
    struct adb_pages *pages;
    struct adb_index index;
    struct adb_spare spare;
    uint32_t seen[KEYS];
};

static armdb_slice
key_of(uint32_t number, char *room)
{
    snprintf(room, 16, "key%08u", number);
    return (armdb_slice){room, 11};
}

static void
value_of(uint32_t number, unsigned char *value)
{
    memset(value, (int)(number % 251), VALUE_BYTES);
    memcpy(value, &number, sizeof number);
}

static void
put(struct index_fixture *fixture, uint32_t number, uint64_t location)
{
    char room[16];
    unsigned char value[VALUE_BYTES];
    value_of(number, value);
    assert_int_equal(adb_index_prepare(&fixture->index, key_of(number, room), &fixture->spare),
                     ARMDB_OK);
    adb_index_put(&fixture->index, key_of(number, room), location,
                  fixture->index.value_bytes != 0 ? value : NULL, &fixture->spare);
}

static void
see(void *context, armdb_slice key, uint64_t location)
{
    struct index_fixture *fixture = (struct index_fixture *)context;
    char room[16];
    uint32_t number = (uint32_t)location - 1;
    assert_true(number < KEYS);
    assert_int_equal(key.len, 11);
    assert_memory_equal(key.data, key_of(number, room).data, key.len);
    fixture->seen[number]++;
}

static void
check_batch(struct index_fixture *fixture)
{
    enum { N = 100 };
    static char rooms[N][16];
    static unsigned char values[N * VALUE_BYTES];
    unsigned char value[VALUE_BYTES];
    armdb_slice keys[N];
    uint64_t locations[N];
    for (uint32_t i = 0; i < N; i++)
        keys[i] = key_of(i * 77 % (KEYS + 500), rooms[i]);
    keys[3] = (armdb_slice){NULL, 0};
    adb_index_get_batch(&fixture->index, keys, N, locations,
                        fixture->index.value_bytes != 0 ? values : NULL);
    for (uint32_t i = 0; i < N; i++) {
        uint32_t number = i * 77 % (KEYS + 500);
        bool is_there = i != 3 && number < KEYS && number % 2 == 1;
        assert_true(locations[i] == (is_there ? number + 1 : 0));
        if (!is_there || fixture->index.value_bytes == 0)
            continue;
        value_of(number, value);
        assert_memory_equal(values + (size_t)i * VALUE_BYTES, value, VALUE_BYTES);
    }
}

static void
check_kind(const struct adb_index_config *config)
{
    struct index_fixture fixture = {.pages = config->pages};
    char room[16];
    unsigned char value[VALUE_BYTES], found[VALUE_BYTES];
    assert_int_equal(adb_index_init(&fixture.index, config), ARMDB_OK);
    for (uint32_t i = 0; i < KEYS; i++)
        put(&fixture, i, i + 1);
    assert_int_equal(adb_index_count(&fixture.index), KEYS);
    assert_true(adb_index_bytes(&fixture.index) > KEYS * 11);
    for (uint32_t i = 0; i < KEYS; i += 2)
        assert_true(adb_index_remove(&fixture.index, key_of(i, room)) == i + 1);
    for (uint32_t i = 0; i < KEYS; i++) {
        uint64_t location = adb_index_get(&fixture.index, key_of(i, room),
                                          config->value_bytes != 0 ? found : NULL);
        value_of(i, value);
        assert_true(location == (i % 2 == 1 ? i + 1 : 0));
        if (location != 0 && config->value_bytes != 0)
            assert_memory_equal(found, value, VALUE_BYTES);
    }
    check_batch(&fixture);
    adb_index_each(&fixture.index, see, &fixture);
    for (uint32_t i = 0; i < KEYS; i++)
        assert_int_equal(fixture.seen[i], i % 2);
    adb_index_fini(&fixture.index);
    adb_spare_fini(&fixture.spare, fixture.pages);
}

static void
test_index__every_kind__does_the_same(void **state)
{
    (void)state;
    struct adb_pages *pages;
    assert_int_equal(adb_pages_new(&pages), ARMDB_OK);
    for (int kind = 0; kind < 8; kind++) {
        const struct adb_index_config config = {
            .pages = pages,
            .is_ordered = (kind & 1) != 0,
            .key_bytes = (kind & 2) != 0 ? 11 : 0,
            .value_bytes = (kind & 4) != 0 ? VALUE_BYTES : 0,
            .n_writers = 1,
            .seed = 99,
        };
        check_kind(&config);
    }
    adb_pages_free(pages);
}

static void
test_index__no_memory__is_said_and_leaves_nothing(void **state)
{
    (void)state;
    struct adb_pages *pages;
    assert_int_equal(adb_pages_new(&pages), ARMDB_OK);
    for (int is_ordered = 0; is_ordered < 2; is_ordered++) {
        const struct adb_index_config config = {
            .pages = pages, .is_ordered = is_ordered != 0, .key_bytes = 8, .n_writers = 1};
        struct adb_index index;
        adb_mem_fail_at(1, true);
        assert_int_equal(adb_index_init(&index, &config), ARMDB_NO_MEMORY);
        adb_mem_fail_at(0, false);
        adb_index_fini(&index);
        assert_true(adb_pages_bytes(pages) == 0);
    }
    adb_pages_free(pages);
}

static void
test_index__swapped__each_has_what_the_other_had(void **state)
{
    (void)state;
    char room[16];
    for (int kind = 0; kind < 2; kind++) {
        struct index_fixture fixture = {0};
        struct adb_index empty;
        assert_int_equal(adb_pages_new(&fixture.pages), ARMDB_OK);
        const struct adb_index_config config = {
            .pages = fixture.pages, .is_ordered = kind == 0, .key_bytes = 11, .n_writers = 1};
        assert_int_equal(adb_index_init(&fixture.index, &config), ARMDB_OK);
        assert_int_equal(adb_index_init(&empty, &config), ARMDB_OK);
        put(&fixture, 7, 8);
        adb_index_swap(&fixture.index, &empty);
        assert_int_equal(adb_index_count(&fixture.index), 0);
        assert_int_equal(adb_index_get(&empty, key_of(7, room), NULL), 8);
        adb_index_fini(&fixture.index);
        adb_index_fini(&empty);
        adb_spare_fini(&fixture.spare, fixture.pages);
        adb_pages_free(fixture.pages);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_index__every_kind__does_the_same),
        cmocka_unit_test(test_index__swapped__each_has_what_the_other_had),
        cmocka_unit_test(test_index__no_memory__is_said_and_leaves_nothing),
    };
    return cmocka_run_group_tests_name("index/index", tests, NULL, NULL);
}
