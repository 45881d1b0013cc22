/* Looking ahead: whether a walk finds what it asked for. */
#include "db_fixture.h"

#include "db/db_ahead.h"
#include "db/db_private.h"
#include "os/rcu.h"

enum { KEYS = 200 };

/* Walks all keys; what was asked for each must still be known when the walk is there. */
static void
expect_all_found(struct collection *collection, bool is_up)
{
    const struct adb_tree *tree = collection->index.keys.tree;
    struct ahead ahead = {0};
    struct adb_tree_position position = {0};
    uint32_t n = 0;
    adb_rcu_enter();
    bool found = adb_tree_seek(tree, is_up ? ADB_SEEK_FIRST : ADB_SEEK_LAST, armdb_str(""),
                               &position);
    while (found) {
        /* Each key is looked at once. */
        assert_true(ahead.node != position.node ||
                    adb_ahead_knows(&ahead, &position, position.slot, is_up));
        const struct shard_reading *reading = adb_ahead_look(&ahead, collection->db, tree,
                                                             &position, is_up);
        assert_non_null(reading);
        assert_true(reading->location == position.location);
        adb_ahead_approach(&ahead, position.slot);
        n++;
        found = is_up ? adb_tree_next(tree, &position) : adb_tree_prev(tree, &position);
    }
    adb_rcu_leave();
    assert_int_equal(n, KEYS);
}

static void
test_db_ahead__long_walk__finds_each_value_that_it_asked_for(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    for (uint32_t key_bytes = 0; key_bytes <= 4; key_bytes += 4) {
        struct collection *collection = create_collection(
            fixture->db, key_bytes == 0 ? "variable" : "fixed", key_bytes, ARMDB_ASCENDING);
        for (int i = 0; i < KEYS; i++) {
            char key[16];
            (void)snprintf(key, sizeof key, "%04d", i);
            put(collection, key, "value");
        }
        expect_all_found(collection, true);
        expect_all_found(collection, false);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(test_db_ahead__long_walk__finds_each_value_that_it_asked_for),
    };
    return cmocka_run_group_tests_name("db/db_ahead", tests, NULL, NULL);
}
