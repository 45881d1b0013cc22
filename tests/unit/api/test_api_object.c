/* Objects through the public functions. */
#include "api_fixture.h"
#include "support/thing.h"

/* Codecs are used until the end of a test. */
static struct thing_world world;

static int
set_up_things(void **state)
{
    memset(&world, 0, sizeof world);
    return set_up_db(state);
}

static armdb_collection *
create_things(struct api_fixture *fixture, const char *name)
{
    const armdb_codec codec = thing_codec(&world);
    const armdb_collection_options options = thing_options(&codec, ARMDB_UNORDERED);
    armdb_collection *collection;
    assert_ok(armdb_collection_create(fixture->db, name, &options, &collection));
    return collection;
}

static void
test_api_object__object__is_put_pinned_and_released(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_collection *things = create_things(fixture, "things");
    armdb_object object, none;
    armdb_stats stats = {.struct_bytes = sizeof stats};
    assert_ok(armdb_object_put(things, armdb_str("a"), thing_new(&world, "one", 3), NULL));
    assert_int_equal(armdb_object_insert(things, armdb_str("a"), thing_new(&world, "two", 3), NULL),
                     ARMDB_EXISTS);
    put(things, "b", "two");
    expect_get(things, "a", "one");
    assert_ok(armdb_object_get(things, armdb_str("a"), &object));
    assert_int_equal(armdb_object_get(things, armdb_str("c"), &none), ARMDB_NOT_FOUND);
    assert_null(none.block);
    assert_ok(armdb_get_stats(fixture->db, &stats));
    assert_int_equal(stats.objects, 2);
    assert_true(stats.object_bytes >= 6);
    close_db(fixture);
    assert_string_equal(thing_text(&object), "one");
    armdb_object_release(&object);
    armdb_object_release(&object);
    armdb_object_release(NULL);
    assert_int_equal(world.things, 0);
}

static void
test_api_object__bad_arguments__leave_the_object_to_the_caller(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_collection *things = create_things(fixture, "things");
    struct thing *thing = thing_new(&world, "one", 3);
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    options.expires_at_ms = options.ttl_ms = 1;
    assert_int_equal(armdb_object_put(things, armdb_str("a"), NULL, NULL), ARMDB_INVALID);
    assert_int_equal(armdb_object_put(things, bad_slice(), thing, NULL), ARMDB_INVALID);
    assert_int_equal(armdb_object_put(things, armdb_str("a"), thing, &options), ARMDB_INVALID);
    assert_int_equal(armdb_object_put(fixture->collection, armdb_str("a"), thing, NULL),
                     ARMDB_UNSUPPORTED);
    assert_int_equal(armdb_object_get(things, armdb_str("a"), NULL), ARMDB_INVALID);
    assert_int_equal(world.things, 1);
    assert_ok(armdb_object_put(things, armdb_str("a"), thing, NULL));
    close_db(fixture);
    assert_int_equal(world.things, 0);
}

#define THINGS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_things, tear_down_db)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        THINGS_TEST(test_api_object__object__is_put_pinned_and_released),
        THINGS_TEST(test_api_object__bad_arguments__leave_the_object_to_the_caller),
    };
    return cmocka_run_group_tests_name("api/api_object", tests, NULL, NULL);
}
