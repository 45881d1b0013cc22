/* batch_fixture.h: batches in few words, and databases of several shards for them. */
#ifndef TEST_BATCH_FIXTURE_H
#define TEST_BATCH_FIXTURE_H

#include "db/db_batch.h"

#include "db_fixture.h"

struct batch_of_test {
    struct batch *batch;
    struct collection *collection;
    size_t refused;
};

static inline struct batch_of_test
begin(struct db_fixture *fixture)
{
    struct batch_of_test test = {.collection = fixture->collection};
    assert_ok(adb_db_batch_new(fixture->db, &test.batch));
    return test;
}

static inline void
add(struct batch_of_test *test, bool is_write, enum shard_condition condition, const char *key,
    const char *value)
{
    const struct batch_addition addition = {.collection = test->collection,
                                            .key = armdb_str(key),
                                            .is_write = is_write,
                                            .verb = value != NULL ? SHARD_PUT : SHARD_DELETE,
                                            .condition = condition,
                                            .value = armdb_str(value != NULL ? value : "")};
    assert_ok(adb_db_batch_add(test->batch, &addition));
}

static inline void
put_in(struct batch_of_test *test, const char *key, const char *value)
{
    add(test, true, SHARD_ALWAYS, key, value);
}

static inline armdb_err
commit(struct batch_of_test *test, armdb_durability level)
{
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    options.durability = level;
    armdb_err err = adb_db_batch_commit(test->batch, &options, &test->refused);
    adb_db_batch_free(test->batch);
    return err;
}

static inline int
set_up_so_many(void **state, uint32_t shards, bool can_map)
{
    set_up_disk(state);
    struct db_fixture *fixture = (struct db_fixture *)*state;
    sim_set_can_map(fixture->sim, can_map);
    fixture->options.shards = shards;
    use_small_files(fixture);
    open_db(fixture);
    return 0;
}

static inline int
set_up_shards(void **state)
{
    return set_up_so_many(state, 4, false);
}

static inline int
set_up_mapped(void **state)
{
    return set_up_so_many(state, 4, true);
}

#endif
