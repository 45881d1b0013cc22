/* Values that are objects: who makes them, who has them, when they are freed. */
#include "db_fixture.h"
#include "support/thing.h"

/* Codecs are used until the end of a test. */
static struct thing_world world, other_world;

static int
set_up_things(void **state)
{
    memset(&world, 0, sizeof world);
    memset(&other_world, 0, sizeof other_world);
    return set_up_disk(state);
}

static int
set_up_db_for_things(void **state)
{
    set_up_things(state);
    open_db((struct db_fixture *)*state);
    return 0;
}

static struct collection *
create_things(struct db *db, const armdb_codec *codec, armdb_order order)
{
    struct collection *collection;
    const armdb_collection_options options = thing_options(codec, order);
    assert_ok(adb_collection_create(db, "things", &options, &collection));
    return collection;
}

static armdb_err
open_things(struct db *db, const armdb_codec *codec, struct collection **collection_out)
{
    const armdb_collection_options options = thing_options(codec, ARMDB_ORDER_DEFAULT);
    return adb_collection_open(db, "things", &options, collection_out);
}

static armdb_err
put_thing(struct collection *collection, enum shard_verb verb, const char *key, const char *text)
{
    return adb_db_object_write(collection, verb, armdb_str(key),
                               thing_new(&world, text, strlen(text)), NULL);
}

static void
expect_thing(struct collection *collection, const char *key, const char *text)
{
    armdb_object object;
    assert_ok(adb_db_object_get(collection, armdb_str(key), &object));
    assert_string_equal(thing_text(&object), text);
    adb_db_object_release(&object);
    expect_get(collection, key, text);
}

static void
expect_no_thing(struct collection *collection, const char *key, armdb_err err)
{
    armdb_object object;
    assert_int_equal(adb_db_object_get(collection, armdb_str(key), &object), err);
    assert_null(object.object);
}

/* Lets the background free what was replaced. */
static void
let_it_work(struct db_fixture *fixture)
{
    sim_advance_ns(fixture->sim, UINT64_C(200000000));
    adb_db_step(fixture->db);
}

static void
put_many(struct collection *collection, unsigned count, unsigned salt)
{
    for (unsigned i = 0; i < count; i++) {
        char key[16], value[32];
        snprintf(key, sizeof key, "key%u", i);
        snprintf(value, sizeof value, "value %u of %u", i, salt);
        put(collection, key, value);
    }
}

static void
expect_many(struct collection *collection, unsigned count, unsigned salt)
{
    expect_count(collection, count);
    for (unsigned i = 0; i < count; i++) {
        char key[16], value[32];
        snprintf(key, sizeof key, "key%u", i);
        snprintf(value, sizeof value, "value %u of %u", i, salt);
        expect_thing(collection, key, value);
    }
}

static void
check_order(struct db_fixture *fixture, armdb_order order)
{
    const armdb_codec codec = thing_codec(&world);
    memset(&world, 0, sizeof world);
    struct collection *things = create_things(fixture->db, &codec, order);
    put_many(things, 300, 1);
    put_many(things, 300, 2);
    expect_many(things, 300, 2);
    assert_int_equal(world.decoded, 600);
    let_it_work(fixture);
    assert_int_equal(world.things, 300);
    assert_int_equal(stats_of(fixture->db).objects, 300);
    kill_and_open(fixture);
    assert_int_equal(world.things, 0);
    assert_ok(open_things(fixture->db, &codec, &things));
    assert_int_equal(world.things, 300);
    assert_int_equal(world.decoded, 900);
    expect_many(things, 300, 2);
    assert_int_equal(world.decoded, 900);
    for (unsigned i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof key, "key%u", 299 - i);
        assert_ok(try_delete(things, key));
        expect_no_thing(things, key, ARMDB_NOT_FOUND);
    }
    expect_many(things, 200, 2);
    let_it_work(fixture);
    assert_int_equal(world.things, 200);
    assert_ok(adb_collection_drop(fixture->db, "things"));
    assert_int_equal(world.things, 0);
    assert_int_equal(stats_of(fixture->db).object_bytes, 0);
    expect_no_thing(things, "key1", ARMDB_NO_COLLECTION);
}

static void
test_db_object__each_order__decodes_once_and_frees_all(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    check_order(fixture, ARMDB_ASCENDING);
    check_order(fixture, ARMDB_DESCENDING);
    check_order(fixture, ARMDB_UNORDERED);
}

static void
test_db_object__get__reads_no_file_and_decodes_nothing(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    const armdb_codec codec = thing_codec(&world);
    struct collection *things = create_things(fixture->db, &codec, ARMDB_ASCENDING);
    armdb_object first, second;
    put(things, "a", "one");
    assert_ok(adb_db_flush(fixture->db));
    uint64_t reads = sim_op_count(fixture->sim, SIM_BIT(SIM_OP_READ));
    assert_ok(adb_db_object_get(things, armdb_str("a"), &first));
    assert_ok(adb_db_object_get(things, armdb_str("a"), &second));
    assert_ptr_equal(first.object, second.object);
    assert_int_equal(world.decoded, 1);
    assert_true(sim_op_count(fixture->sim, SIM_BIT(SIM_OP_READ)) == reads);
    adb_db_object_release(&first);
    assert_null(first.block);
    adb_db_object_release(&first);
    assert_string_equal(thing_text(&second), "one");
    adb_db_object_release(&second);
}

static void
test_db_object__pinned__stays_as_it_is_beyond_the_database(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    const armdb_codec codec = thing_codec(&world);
    struct collection *things = create_things(fixture->db, &codec, ARMDB_UNORDERED);
    armdb_object old, newer;
    put(things, "a", "one");
    assert_ok(adb_db_object_get(things, armdb_str("a"), &old));
    put(things, "a", "two");
    let_it_work(fixture);
    assert_string_equal(thing_text(&old), "one");
    assert_ok(adb_db_object_get(things, armdb_str("a"), &newer));
    assert_int_equal(world.things, 2);
    close_db(fixture);
    assert_int_equal(world.things, 2);
    assert_string_equal(thing_text(&old), "one");
    assert_string_equal(thing_text(&newer), "two");
    adb_db_object_release(&old);
    adb_db_object_release(&newer);
    assert_int_equal(world.things, 0);
}

static void
test_db_object__put_as_object__is_encoded_once_and_taken(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    const armdb_codec codec = thing_codec(&world);
    struct collection *things = create_things(fixture->db, &codec, ARMDB_ASCENDING);
    assert_ok(put_thing(things, SHARD_PUT, "a", "one"));
    expect_thing(things, "a", "one");
    assert_int_equal(world.encoded, 1);
    assert_int_equal(world.decoded, 0);
    assert_int_equal(put_thing(things, SHARD_INSERT, "a", "two"), ARMDB_EXISTS);
    assert_int_equal(world.things, 1);
    assert_ok(put_thing(things, SHARD_INSERT, "b", ""));
    expect_thing(things, "b", "");
    assert_int_equal(put_thing(things, SHARD_PUT, "c", "!bad"), ARMDB_CODEC);
    expect_detail(ARMDB_CODEC, "encode", "\"things\"", "63", NULL);
    assert_int_equal(put_thing(things, SHARD_PUT, "", "x"), ARMDB_KEY_LENGTH);
    assert_int_equal(world.things, 2);
    assert_int_equal(stats_of(fixture->db).objects, 2);
    close_db(fixture);
    assert_int_equal(world.things, 0);
}

static void
test_db_object__without_codec__values_are_bytes(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *things = create_things(fixture->db, NULL, ARMDB_ASCENDING);
    armdb_collection_info info;
    put(things, "a", "!not a thing");
    expect_get(things, "a", "!not a thing");
    expect_no_thing(things, "a", ARMDB_UNSUPPORTED);
    expect_detail(ARMDB_UNSUPPORTED, "without a codec", NULL);
    struct thing *kept = thing_new(&world, "x", 1);
    assert_int_equal(adb_db_object_write(things, SHARD_PUT, armdb_str("b"), kept, NULL),
                     ARMDB_UNSUPPORTED);
    thing_free(&world, kept);
    assert_ok(adb_collection_get_info(things, &info));
    assert_int_equal(info.value_bytes, ARMDB_VALUE_OBJECT);
    expect_no_thing(fixture->collection, "a", ARMDB_UNSUPPORTED);
    expect_detail(ARMDB_UNSUPPORTED, "\"default\"", "no objects", NULL);
}

static void
test_db_object__codec_given_later__decodes_what_is_there(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    const armdb_codec codec = thing_codec(&world), other = thing_codec(&other_world);
    struct collection *things = create_things(fixture->db, NULL, ARMDB_UNORDERED), *again;
    put_many(things, 50, 1);
    assert_ok(open_things(fixture->db, &codec, &again));
    assert_ptr_equal(again, things);
    assert_int_equal(world.decoded, 50);
    expect_many(things, 50, 1);
    put_many(things, 50, 2);
    assert_int_equal(world.decoded, 100);
    assert_ok(open_things(fixture->db, &codec, &again));
    assert_ok(open_things(fixture->db, NULL, &again));
    assert_int_equal(world.decoded, 100);
    assert_int_equal(open_things(fixture->db, &other, &again), ARMDB_MISMATCH);
    expect_detail(ARMDB_MISMATCH, "another codec", NULL);
    expect_many(things, 50, 2);
}

static void
test_db_object__default_collection__has_the_codec_of_the_options(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    const armdb_codec codec = thing_codec(&world);
    fixture->options.default_collection = thing_options(&codec, ARMDB_ASCENDING);
    open_db(fixture);
    put_many(fixture->collection, 20, 1);
    expect_many(fixture->collection, 20, 1);
    reopen_db(fixture);
    assert_int_equal(world.things, 20);
    expect_many(fixture->collection, 20, 1);
    close_db(fixture);
    fixture->options.default_collection.codec = NULL;
    open_db(fixture);
    put(fixture->collection, "bad", "!bad");
    close_db(fixture);
    fixture->options.default_collection.codec = &codec;
    expect_open(fixture, ARMDB_CODEC);
    assert_int_equal(world.things, 0);
}

static void
test_db_object__value_that_is_none__is_refused_when_it_is_put(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    const armdb_codec codec = thing_codec(&world);
    struct collection *things = create_things(fixture->db, &codec, ARMDB_ASCENDING);
    put(things, "a", "one");
    assert_int_equal(adb_db_write(things, SHARD_PUT, armdb_str("a"), armdb_str("!bad"), NULL),
                     ARMDB_CODEC);
    expect_detail(ARMDB_CODEC, "decode", "\"things\"", "key 61 ", NULL);
    expect_thing(things, "a", "one");
    assert_int_equal(adb_db_write(things, SHARD_INSERT, armdb_str("a"), armdb_str("two"), NULL),
                     ARMDB_EXISTS);
    assert_int_equal(world.things, 1);
}

static void
test_db_object__value_that_is_none_at_open__fails_or_is_told(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_codec codec = thing_codec(&world);
    struct collection *things = create_things(fixture->db, NULL, ARMDB_ASCENDING);
    put(things, "a", "one");
    put(things, "b", "!bad");
    put(things, "c", "three");
    assert_int_equal(open_things(fixture->db, &codec, &things), ARMDB_CODEC);
    expect_detail(ARMDB_CODEC, "decode", "key 62 ", NULL);
    assert_null(things);
    codec.on_failure = thing_failed;
    world.stops = 1;
    assert_int_equal(open_things(fixture->db, &codec, &things), ARMDB_CODEC);
    assert_int_equal(world.failures, 1);
    world.stops = 0;
    assert_ok(open_things(fixture->db, &codec, &things));
    assert_int_equal(world.failures, 2);
    assert_int_equal(world.failure, ARMDB_CODEC);
    expect_thing(things, "a", "one");
    expect_thing(things, "c", "three");
    expect_no_thing(things, "b", ARMDB_CODEC);
    expect_get(things, "b", "!bad");
    put(things, "b", "two");
    expect_thing(things, "b", "two");
    /* Those of codecs that were given up are gone. */
    let_it_work(fixture);
    assert_int_equal(world.things, 3);
}

static void
test_db_object__damaged_value__is_an_error_and_not_an_absence(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_codec codec = thing_codec(&world);
    struct collection *things = create_things(fixture->db, NULL, ARMDB_ASCENDING);
    put(things, "a", "one");
    reopen_db(fixture);
    set_fault(fixture, SIM_FAULT_ERROR, SIM_BIT(SIM_OP_READ), 1, true);
    assert_int_equal(open_things(fixture->db, &codec, &things), ARMDB_IO);
    codec.on_failure = thing_failed;
    assert_ok(open_things(fixture->db, &codec, &things));
    assert_int_equal(world.failure, ARMDB_IO);
    expect_no_thing(things, "a", ARMDB_IO);
    sim_clear_fault(fixture->sim);
    expect_thing(things, "a", "one");
    assert_int_equal(world.decoded, 1);
    expect_thing(things, "a", "one");
    assert_int_equal(world.decoded, 1);
}

static void
test_db_object__compaction__moves_no_object(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    const armdb_codec codec = thing_codec(&world);
    armdb_object object;
    armdb_compact_progress progress;
    use_small_files(fixture);
    open_db(fixture);
    struct collection *things = create_things(fixture->db, &codec, ARMDB_UNORDERED);
    for (unsigned i = 1; i <= 12; i++)
        put_many(things, 300, i);
    assert_ok(adb_db_object_get(things, armdb_str("key7"), &object));
    assert_ok(adb_db_compact(fixture->db, NULL, &progress));
    assert_true(progress.freed_bytes > 0);
    let_it_work(fixture);
    assert_int_equal(world.things, 300);
    uint64_t decoded = world.decoded;
    expect_many(things, 300, 12);
    assert_int_equal(world.decoded, decoded);
    assert_string_equal(thing_text(&object), "value 7 of 12");
    adb_db_object_release(&object);
}

static void
test_db_object__deadline__is_kept(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    const armdb_codec codec = thing_codec(&world);
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    struct collection *things = create_things(fixture->db, &codec, ARMDB_ASCENDING);
    options.ttl_ms = 1000;
    assert_ok(adb_db_object_write(things, SHARD_PUT, armdb_str("a"), thing_new(&world, "one", 3),
                                  &options));
    expect_thing(things, "a", "one");
    sim_advance_ns(fixture->sim, UINT64_C(2000000000));
    expect_no_thing(things, "a", ARMDB_NOT_FOUND);
    assert_ok(put_thing(things, SHARD_INSERT, "a", "two"));
    expect_thing(things, "a", "two");
}

static void
test_db_object__no_memory__changes_nothing_and_leaks_nothing(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    const armdb_codec codec = thing_codec(&world);
    struct collection *things = create_things(fixture->db, &codec, ARMDB_ASCENDING);
    put(things, "a", "one");
    for (uint64_t at = 1;; at++) {
        adb_mem_fail_at(at, false);
        armdb_err err = put_thing(things, SHARD_PUT, "a", "two");
        adb_mem_fail_at(0, false);
        if (err == ARMDB_OK)
            break;
        assert_int_equal(err, ARMDB_NO_MEMORY);
        expect_thing(things, "a", "one");
        assert_int_equal(world.things, 1);
    }
    expect_thing(things, "a", "two");
    for (uint64_t at = 1;; at++) {
        reopen_db(fixture);
        adb_mem_fail_at(at, false);
        armdb_err err = open_things(fixture->db, &codec, &things);
        adb_mem_fail_at(0, false);
        if (err == ARMDB_OK)
            break;
        assert_int_equal(err, ARMDB_NO_MEMORY);
    }
    expect_thing(things, "a", "two");
    close_db(fixture);
    assert_int_equal(world.things, 0);
}

static void
test_db_object__failed_write__frees_the_object(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    const armdb_codec codec = thing_codec(&world);
    struct collection *things = create_things(fixture->db, &codec, ARMDB_ASCENDING);
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    put(things, "a", "one");
    set_fault(fixture, SIM_FAULT_ERROR, SIM_BIT(SIM_OP_SYNC), 1, false);
    options.durability = ARMDB_SYNCED;
    /* It is seen, though its sync has failed. */
    assert_int_equal(adb_db_write(things, SHARD_PUT, armdb_str("a"), armdb_str("two"), &options),
                     ARMDB_IO);
    expect_thing(things, "a", "two");
    assert_int_equal(put_thing(things, SHARD_PUT, "a", "three"), ARMDB_FAILED);
    let_it_work(fixture);
    assert_int_equal(world.things, 1);
    expect_thing(things, "a", "two");
}

static void
test_db_object__many_overwrites__are_freed_without_the_background(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    const armdb_codec codec = thing_codec(&world);
    struct collection *things = create_things(fixture->db, &codec, ARMDB_UNORDERED);
    for (int i = 0; i < 40000; i++)
        put(things, "a", "one");
    assert_true(world.things < 17000);
}

static void
test_db_object__options_that_make_no_sense__are_refused(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_codec codec = thing_codec(&world);
    armdb_collection_options options = thing_options(&codec, ARMDB_ASCENDING);
    struct collection *things;
    options.value_bytes = 8;
    assert_int_equal(adb_collection_create(fixture->db, "t", &options, &things), ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, "value_bytes is 8", NULL);
    options.value_bytes = ARMDB_VALUE_OBJECT;
    codec.free = NULL;
    assert_int_equal(adb_collection_create(fixture->db, "t", &options, &things), ARMDB_INVALID);
    codec.free = thing_free;
    codec.struct_bytes = 8;
    assert_int_equal(adb_collection_create(fixture->db, "t", &options, &things), ARMDB_INVALID);
    codec = thing_codec(&world);
    assert_int_equal(adb_collection_open(fixture->db, "default", &options, &things),
                     ARMDB_MISMATCH);
    expect_detail(ARMDB_MISMATCH, "stored as variable, asked was object", NULL);
}

#define THINGS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_db_for_things, tear_down_db)
#define THINGS_DISK_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_things, tear_down_db)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        THINGS_TEST(test_db_object__each_order__decodes_once_and_frees_all),
        THINGS_TEST(test_db_object__get__reads_no_file_and_decodes_nothing),
        THINGS_TEST(test_db_object__pinned__stays_as_it_is_beyond_the_database),
        THINGS_TEST(test_db_object__put_as_object__is_encoded_once_and_taken),
        THINGS_TEST(test_db_object__without_codec__values_are_bytes),
        THINGS_TEST(test_db_object__codec_given_later__decodes_what_is_there),
        THINGS_DISK_TEST(test_db_object__default_collection__has_the_codec_of_the_options),
        THINGS_TEST(test_db_object__value_that_is_none__is_refused_when_it_is_put),
        THINGS_TEST(test_db_object__value_that_is_none_at_open__fails_or_is_told),
        THINGS_TEST(test_db_object__damaged_value__is_an_error_and_not_an_absence),
        THINGS_DISK_TEST(test_db_object__compaction__moves_no_object),
        THINGS_TEST(test_db_object__deadline__is_kept),
        THINGS_TEST(test_db_object__no_memory__changes_nothing_and_leaks_nothing),
        THINGS_TEST(test_db_object__failed_write__frees_the_object),
        THINGS_TEST(test_db_object__many_overwrites__are_freed_without_the_background),
        THINGS_TEST(test_db_object__options_that_make_no_sense__are_refused),
    };
    return cmocka_run_group_tests_name("db/db_object", tests, NULL, NULL);
}
