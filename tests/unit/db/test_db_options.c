/* Defaults, ranges and comparisons of all options. */
#include "db/db_options.h"

#include <stddef.h>

#include "db_fixture.h"

/* ------------------------------------------------------------------- defaults */

static void
test_db_options__null__is_all_defaults(void **state)
{
    (void)state;
    armdb_options checked;
    armdb_collection_options collection;
    assert_ok(adb_options_check(NULL, &checked));
    assert_int_equal(checked.shards, 0);
    assert_int_equal(checked.struct_bytes, sizeof checked);
    assert_ok(adb_collection_options_check(NULL, &collection));
    assert_int_equal(collection.key_bytes, 0);
}

static void
test_db_options__zeros__stand_for_the_documented_values(void **state)
{
    (void)state;
    const armdb_options options = ARMDB_OPTIONS_INIT;
    const struct manifest manifest = {.shards = 3, .shard_prefix_bits = 9};
    struct db_settings settings = adb_options_settle(&options, &manifest, UINT64_C(1) << 30);
    assert_int_equal(settings.shards, 3);
    assert_int_equal(settings.shard_prefix_bits, 9);
    assert_int_equal(settings.max_file_bytes, 268435456);
    assert_int_equal(settings.write_buffer_bytes, 1048576);
    assert_int_equal(settings.durability, ARMDB_WRITTEN);
    assert_int_equal(settings.flush_interval_ns, 100000000);
    assert_true(settings.sync_interval_ns == UINT64_MAX);
}

static uint64_t
cache_bytes_of(uint64_t asked, uint64_t memory_bytes)
{
    armdb_options options = ARMDB_OPTIONS_INIT;
    const struct manifest manifest = {.shards = 1};
    options.cache_bytes = asked;
    return adb_options_settle(&options, &manifest, memory_bytes).cache_bytes;
}

static void
test_db_options__cache__is_a_share_of_the_memory_unless_asked(void **state)
{
    const uint64_t gib = UINT64_C(1) << 30;
    (void)state;
    assert_true(cache_bytes_of(0, gib) == gib / 8);
    assert_true(cache_bytes_of(0, 64 * gib) == gib);
    assert_true(cache_bytes_of(0, 0) == 1048576);
    assert_true(cache_bytes_of(3 * gib, gib) == 3 * gib);
    assert_true(cache_bytes_of(ARMDB_CACHE_NONE, gib) == 0);
}

static void
test_db_options__buffer_of_small_files__is_no_larger_than_a_file(void **state)
{
    (void)state;
    armdb_options options = ARMDB_OPTIONS_INIT;
    const struct manifest manifest = {.shards = 1};
    options.max_file_bytes = 65536;
    options.flush_interval_ms = ARMDB_NEVER;
    options.sync_interval_ms = 250;
    options.durability = ARMDB_SYNCED;
    struct db_settings settings = adb_options_settle(&options, &manifest, UINT64_C(1) << 30);
    assert_int_equal(settings.write_buffer_bytes, 65536);
    assert_true(settings.flush_interval_ns == UINT64_MAX);
    assert_int_equal(settings.sync_interval_ns, 250000000);
    assert_int_equal(settings.durability, ARMDB_SYNCED);
}

static void
test_db_options__shards_of_a_new_database__follow_the_cpus_up_to_16(void **state)
{
    (void)state;
    armdb_options options = ARMDB_OPTIONS_INIT;
    assert_int_equal(adb_options_shards(&options, 0), 1);
    assert_int_equal(adb_options_shards(&options, 2), 2);
    assert_int_equal(adb_options_shards(&options, 16), 16);
    assert_int_equal(adb_options_shards(&options, 96), 16);
    options.shards = 200;
    assert_int_equal(adb_options_shards(&options, 2), 200);
}

/* --------------------------------------------------------------------- ranges */

enum { SIZE_32 = 4, SIZE_64 = 8 };

struct field {
    const char *name;
    size_t offset;
    size_t bytes;
    uint64_t min;
    uint64_t max;
};

#define OPTION(name, bytes, min, max)                                                              \
    {                                                                                              \
#name, offsetof(armdb_options, name), bytes, min, max                                      \
    }

static const struct field fields[] = {
    OPTION(shards, SIZE_32, 1, 256),
    OPTION(shard_prefix_bits, SIZE_32, 1, 8192),
    OPTION(open_mode, SIZE_32, 1, 2),
    OPTION(durability, SIZE_32, 1, 3),
    OPTION(max_file_bytes, SIZE_64, 65536, UINT64_C(4294967296)),
    OPTION(write_buffer_bytes, SIZE_32, 16384, 67108864),
    OPTION(flush_interval_ms, SIZE_32, 1, 3600000),
    OPTION(sync_interval_ms, SIZE_32, 1, 3600000),
    {"key_bytes", offsetof(armdb_options, default_collection.key_bytes), SIZE_32, 1, 256},
    OPTION(cache_bytes, SIZE_64, 1048576, UINT64_C(1099511627776)),
    {"order", offsetof(armdb_options, default_collection.order), SIZE_32, 1, 3},
    {"value_bytes", offsetof(armdb_options, default_collection.value_bytes), SIZE_32, 1, 256},
};

static armdb_err
check_with(const struct field *field, uint64_t value)
{
    armdb_options options = ARMDB_OPTIONS_INIT;
    armdb_options checked;
    uint32_t small = (uint32_t)value;
    if (field->bytes == SIZE_64)
        memcpy((char *)&options + field->offset, &value, sizeof value);
    else
        memcpy((char *)&options + field->offset, &small, sizeof small);
    return adb_options_check(&options, &checked);
}

static void
expect_refused(const struct field *field, uint64_t value)
{
    char number[32], min[32], max[32];
    snprintf(number, sizeof number, "is %llu", (unsigned long long)value);
    snprintf(min, sizeof min, "%llu..", (unsigned long long)field->min);
    snprintf(max, sizeof max, "..%llu", (unsigned long long)field->max);
    assert_int_equal(check_with(field, value), ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, field->name, number, min, max, NULL);
}

static void
test_db_options__value_out_of_range__names_field_value_and_range(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const struct field *field = &fields[i];
        assert_ok(check_with(field, 0));
        assert_ok(check_with(field, field->min));
        assert_ok(check_with(field, field->max));
        expect_refused(field, field->max + 1);
        if (field->min > 1)
            expect_refused(field, field->min - 1);
        if (field->bytes == SIZE_64)
            expect_refused(field, UINT64_MAX - 1);
        else
            expect_refused(field, UINT32_MAX - 2);
    }
}

static void
test_db_options__never_and_variable__are_allowed_where_they_mean_something(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const struct field *field = &fields[i];
        bool is_special = strstr(field->name, "interval") != NULL ||
                          strcmp(field->name, "key_bytes") == 0 ||
                          strcmp(field->name, "value_bytes") == 0;
        if (field->bytes == SIZE_32)
            assert_int_equal(check_with(field, UINT32_MAX), is_special ? ARMDB_OK : ARMDB_INVALID);
    }
}

static void
test_db_options__buffer_larger_than_a_file__is_refused(void **state)
{
    (void)state;
    armdb_options options = ARMDB_OPTIONS_INIT;
    armdb_options checked;
    options.max_file_bytes = 65536;
    options.write_buffer_bytes = 65537;
    assert_int_equal(adb_options_check(&options, &checked), ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, "write_buffer_bytes", "65537", "16384..65536", NULL);
    assert_int_equal(checked.write_buffer_bytes, 0);
    options.write_buffer_bytes = 65536;
    assert_ok(adb_options_check(&options, &checked));
}

static void
test_db_options__struct_bytes_of_another_struct__is_refused(void **state)
{
    (void)state;
    armdb_options options = ARMDB_OPTIONS_INIT;
    armdb_collection_options collection = ARMDB_COLLECTION_OPTIONS_INIT;
    armdb_write_options write = ARMDB_WRITE_OPTIONS_INIT;
    armdb_options checked;
    armdb_collection_options checked_collection;
    armdb_durability level;
    options.struct_bytes = 0;
    assert_int_equal(adb_options_check(&options, &checked), ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, "armdb_options.struct_bytes is 0", "_INIT", NULL);
    collection.struct_bytes = 1;
    assert_int_equal(adb_collection_options_check(&collection, &checked_collection), ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, "armdb_collection_options.struct_bytes is 1", NULL);
    write.struct_bytes = 99;
    assert_int_equal(adb_write_options_settle(&write, ARMDB_WRITTEN, &level), ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, "armdb_write_options.struct_bytes is 99", NULL);
    options = (armdb_options)ARMDB_OPTIONS_INIT;
    options.default_collection.struct_bytes = 3;
    assert_int_equal(adb_options_check(&options, &checked), ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, "armdb_collection_options.struct_bytes is 3", NULL);
}

static void
test_db_options__level_of_a_write__overrides_the_databases(void **state)
{
    (void)state;
    armdb_write_options write = ARMDB_WRITE_OPTIONS_INIT;
    armdb_durability level;
    assert_ok(adb_write_options_settle(NULL, ARMDB_SYNCED, &level));
    assert_int_equal(level, ARMDB_SYNCED);
    assert_ok(adb_write_options_settle(&write, ARMDB_BUFFERED, &level));
    assert_int_equal(level, ARMDB_BUFFERED);
    write.durability = ARMDB_WRITTEN;
    assert_ok(adb_write_options_settle(&write, ARMDB_SYNCED, &level));
    assert_int_equal(level, ARMDB_WRITTEN);
    write.durability = (armdb_durability)4;
    assert_int_equal(adb_write_options_settle(&write, ARMDB_SYNCED, &level), ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, "durability is 4", "1..3", NULL);
}

/* ---------------------------------------------------------------------- names */

static void
test_db_options__collection_names__are_utf8_without_controls(void **state)
{
    static const char *const good[] = {
        "a",   "default", "with space", "\xc3\xa9t\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
        "a/b", ".."};
    static const char *const bad[] = {
        "",
        "tab\t",
        "line\n",
        "\x7f",
        "\x80",             /* a continuation alone */
        "\xc3",             /* cut short */
        "\xc3(",            /* no continuation */
        "\xc0\xaf",         /* overlong */
        "\xe0\x80\x80",     /* overlong */
        "\xf0\x80\x80\x80", /* overlong */
        "\xed\xa0\x80",     /* surrogate */
        "\xf4\x90\x80\x80", /* above U+10FFFF */
        "\xf8\x88\x80\x80\x80",
        "\xff",
    };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_ok(adb_collection_name_check(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(adb_collection_name_check(bad[i]), ARMDB_INVALID);
        expect_detail(ARMDB_INVALID, "collection name", NULL);
    }
}

static void
test_db_options__length_of_a_name__is_at_most_255(void **state)
{
    (void)state;
    char name[ARMDB_NAME_MAX + 2];
    memset(name, 'n', sizeof name);
    name[ARMDB_NAME_MAX] = '\0';
    assert_ok(adb_collection_name_check(name));
    name[ARMDB_NAME_MAX] = 'n';
    name[ARMDB_NAME_MAX + 1] = '\0';
    assert_int_equal(adb_collection_name_check(name), ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, "256 bytes", "1..255", NULL);
}

/* ---------------------------------------------------------- describe, compare */

static void
test_db_options__description__fills_in_defaults(void **state)
{
    (void)state;
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    struct manifest_collection entry;
    adb_options_describe(&options, "name", 5, &entry);
    assert_int_equal(entry.id, 5);
    assert_string_equal(entry.name, "name");
    assert_true(entry.key_bytes == ARMDB_KEY_VARIABLE);
    assert_int_equal(entry.order, ARMDB_ASCENDING);
    assert_true(entry.value_bytes == ARMDB_VALUE_VARIABLE);
    options.key_bytes = 12;
    options.order = ARMDB_DESCENDING;
    adb_options_describe(&options, "name", 6, &entry);
    assert_int_equal(entry.key_bytes, 12);
    assert_int_equal(entry.order, ARMDB_DESCENDING);
}

static void
test_db_options__comparison__names_setting_stored_and_asked(void **state)
{
    (void)state;
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    struct manifest_collection stored;
    adb_options_describe(&options, "things", 1, &stored);
    assert_ok(adb_collection_options_compare(&options, &stored));
    options.key_bytes = 16;
    assert_int_equal(adb_collection_options_compare(&options, &stored), ARMDB_MISMATCH);
    expect_detail(ARMDB_MISMATCH, "key_bytes", "things", "variable", "16", NULL);
    stored.key_bytes = 16;
    assert_ok(adb_collection_options_compare(&options, &stored));
    options.key_bytes = ARMDB_KEY_VARIABLE;
    assert_int_equal(adb_collection_options_compare(&options, &stored), ARMDB_MISMATCH);
    expect_detail(ARMDB_MISMATCH, "stored as 16", "asked was variable", NULL);
    options.key_bytes = 0;
    options.order = ARMDB_DESCENDING;
    assert_int_equal(adb_collection_options_compare(&options, &stored), ARMDB_MISMATCH);
    expect_detail(ARMDB_MISMATCH, "order", "things", "ascending", "descending", NULL);
    options.order = ARMDB_UNORDERED;
    assert_int_equal(adb_collection_options_compare(&options, &stored), ARMDB_MISMATCH);
    expect_detail(ARMDB_MISMATCH, "order", "things", "ascending", "unordered", NULL);
    options.order = ARMDB_ORDER_DEFAULT;
    options.value_bytes = 8;
    assert_int_equal(adb_collection_options_compare(&options, &stored), ARMDB_MISMATCH);
    expect_detail(ARMDB_MISMATCH, "value_bytes", "things", "variable", "8", NULL);
    stored.value_bytes = 8;
    assert_ok(adb_collection_options_compare(&options, &stored));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_db_options__null__is_all_defaults),
        cmocka_unit_test(test_db_options__zeros__stand_for_the_documented_values),
        cmocka_unit_test(test_db_options__cache__is_a_share_of_the_memory_unless_asked),
        cmocka_unit_test(test_db_options__buffer_of_small_files__is_no_larger_than_a_file),
        cmocka_unit_test(test_db_options__shards_of_a_new_database__follow_the_cpus_up_to_16),
        cmocka_unit_test(test_db_options__value_out_of_range__names_field_value_and_range),
        cmocka_unit_test(
            test_db_options__never_and_variable__are_allowed_where_they_mean_something),
        cmocka_unit_test(test_db_options__buffer_larger_than_a_file__is_refused),
        cmocka_unit_test(test_db_options__struct_bytes_of_another_struct__is_refused),
        cmocka_unit_test(test_db_options__level_of_a_write__overrides_the_databases),
        cmocka_unit_test(test_db_options__collection_names__are_utf8_without_controls),
        cmocka_unit_test(test_db_options__length_of_a_name__is_at_most_255),
        cmocka_unit_test(test_db_options__description__fills_in_defaults),
        cmocka_unit_test(test_db_options__comparison__names_setting_stored_and_asked),
    };
    return cmocka_run_group_tests_name("db/db_options", tests, NULL, NULL);
}
