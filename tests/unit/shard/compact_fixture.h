/*
 * compact_fixture.h: a shard with four collections of all kinds, what they must hold, and
 * compaction of it step by step.
 */
#ifndef TEST_COMPACT_FIXTURE_H
#define TEST_COMPACT_FIXTURE_H

#include "shard/shard_private.h"

#include "shard_fixture.h"

enum { N_COLLECTIONS = 4, N_KEYS = 24, CONST_BYTES = 8, VALUE_MAX = 2000, MAP_SEED = 77 };

/** What a key must have: 0 for nothing, or the number that its value follows from. */
struct kept {
    uint32_t number[N_COLLECTIONS][N_KEYS];
    uint64_t deadline_ms[N_COLLECTIONS][N_KEYS]; /* 0: none; once it passes, nothing */
    bool is_dropped[N_COLLECTIONS];
};

/** An open shard. */
struct engine {
    struct adb_os *os;
    struct adb_pages *pages; /* owned */
    struct shard_index indexes[N_COLLECTIONS];
    struct shard *shard; /* owned */
    const struct kept *kept;
};

struct compact_fixture {
    struct sim *sim; /* owned */
    struct engine engine;
    struct kept kept;
    uint32_t numbers; /* given out */
    struct test_rng rng;
};

/* ----------------------------------------------------------------------- life */

static inline bool
is_const(uint32_t collection)
{
    return collection % 2 == 1;
}

static inline const char *
engine_find(void *context, const struct shard_origin *origin, struct shard_index **index_out)
{
    struct engine *engine = (struct engine *)context;
    assert_true(origin->collection_id < N_COLLECTIONS);
    *index_out = engine->kept->is_dropped[origin->collection_id]
                     ? NULL
                     : &engine->indexes[origin->collection_id];
    return NULL;
}

static inline struct shard_index *
engine_find_live(void *context, uint32_t collection)
{
    struct engine *engine = (struct engine *)context;
    return atomic_load(&engine->indexes[collection].is_dropped) ? NULL
                                                                : &engine->indexes[collection];
}

static inline void
engine_init_index(struct engine *engine, uint32_t collection, struct adb_index *index)
{
    const struct adb_index_config config = {.pages = engine->pages,
                                            .n_writers = 1,
                                            .is_ordered = collection < 2,
                                            .seed = MAP_SEED,
                                            .value_bytes = is_const(collection) ? CONST_BYTES : 0};
    assert_ok(adb_index_init(index, &config));
}

static inline struct shard_config
engine_config(const struct engine *engine)
{
    return (struct shard_config){
        .os = engine->os,
        .directory = "/db",
        .db_id = "fifteen letters",
        .number = SHARD_NUMBER,
        .max_file_bytes = 16384,
        .write_buffer_bytes = 16384,
        .hash_seed = MAP_SEED,
        .pages = engine->pages,
    };
}

static inline armdb_err
engine_try_open(struct engine *engine, struct sim *sim, const struct kept *kept)
{
    struct shard_recovery recovery;
    *engine = (struct engine){.os = sim_os(sim), .kept = kept};
    assert_ok(adb_pages_new(&engine->pages));
    for (uint32_t i = 0; i < N_COLLECTIONS; i++) {
        engine->indexes[i].collection_id = i;
        engine->indexes[i].key_bytes = ARMDB_KEY_VARIABLE;
        atomic_store(&engine->indexes[i].is_dropped, kept->is_dropped[i]);
        engine_init_index(engine, i, &engine->indexes[i].keys);
    }
    const struct shard_config config = engine_config(engine);
    armdb_err err = open_one(&config, engine_find, engine, &recovery, &engine->shard);
    return err == ARMDB_OK ? adb_shard_clear(engine->shard) : err;
}

static inline void
engine_open(struct engine *engine, struct sim *sim, const struct kept *kept)
{
    if (engine_try_open(engine, sim, kept) != ARMDB_OK)
        fail_msg("open: %s: %s", adb_err_detail()->file, adb_err_detail()->message);
}

static inline void
engine_close(struct engine *engine)
{
    adb_shard_close(engine->shard);
    engine->shard = NULL;
    for (uint32_t i = 0; i < N_COLLECTIONS; i++)
        adb_index_fini(&engine->indexes[i].keys);
    adb_pages_free(engine->pages);
}

static inline void
begin_fixture(struct compact_fixture *fixture, uint64_t seed)
{
    *fixture = (struct compact_fixture){.sim = sim_new(seed), .rng = test_rng_make(seed)};
    fixture->engine.os = sim_os(fixture->sim);
    const struct shard_config config = engine_config(&fixture->engine);
    sim_make_dir(fixture->sim, "/db");
    assert_ok(adb_shard_create(&config));
    sim_sync_all(fixture->sim);
    engine_open(&fixture->engine, fixture->sim, &fixture->kept);
}

static inline void
end_fixture(struct compact_fixture *fixture)
{
    engine_close(&fixture->engine);
    sim_free(fixture->sim);
}

static inline int
set_up_compact(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    begin_fixture(fixture, test_seed());
    *state = fixture;
    return 0;
}

static inline int
tear_down_compact(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    adb_mem_fail_at(0, false);
    end_fixture(fixture);
    free(fixture);
    return 0;
}

#define COMPACT_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_compact, tear_down_compact)

/** After the end of a boot. */
static inline void
open_again(struct compact_fixture *fixture)
{
    engine_close(&fixture->engine);
    engine_open(&fixture->engine, fixture->sim, &fixture->kept);
}

static inline void
kill_and_open(struct compact_fixture *fixture)
{
    sim_kill(fixture->sim);
    open_again(fixture);
}

/* ----------------------------------------------------------- keys and values */

static inline armdb_slice
name_key(uint32_t key, char room[8])
{
    snprintf(room, 8, "k%02u", key);
    return armdb_str(room);
}

static inline armdb_slice
make_numbered(uint32_t collection, uint32_t number, char room[VALUE_MAX])
{
    size_t len = is_const(collection) ? CONST_BYTES : test_hash(number) % VALUE_MAX;
    for (size_t i = 0; i < len; i++)
        room[i] = (char)(number * 31 + i);
    return armdb_bytes(room, len);
}

static inline armdb_err
try_set_until(struct compact_fixture *fixture, uint32_t collection, uint32_t key, uint32_t number,
              uint64_t deadline_ms)
{
    char key_room[8];
    char value_room[VALUE_MAX];
    const struct shard_write write = {
        .verb = number != 0 ? SHARD_PUT : SHARD_DELETE,
        .durability = ARMDB_WRITTEN,
        .index = &fixture->engine.indexes[collection],
        .key = name_key(key, key_room),
        .value = number != 0 ? make_numbered(collection, number, value_room) : armdb_str(""),
        .deadline_ms = deadline_ms,
    };
    armdb_err err = adb_shard_write(fixture->engine.shard, &write);
    if (err == ARMDB_OK) {
        fixture->kept.number[collection][key] = number;
        fixture->kept.deadline_ms[collection][key] = deadline_ms;
    }
    return err;
}

static inline armdb_err
try_set(struct compact_fixture *fixture, uint32_t collection, uint32_t key, uint32_t number)
{
    return try_set_until(fixture, collection, key, number, 0);
}

static inline void
set_until(struct compact_fixture *fixture, uint32_t collection, uint32_t key, uint64_t deadline_ms)
{
    assert_ok(try_set_until(fixture, collection, key, ++fixture->numbers, deadline_ms));
}

static inline void
set(struct compact_fixture *fixture, uint32_t collection, uint32_t key)
{
    assert_ok(try_set(fixture, collection, key, ++fixture->numbers));
}

static inline void
unset(struct compact_fixture *fixture, uint32_t collection, uint32_t key)
{
    assert_ok(try_set(fixture, collection, key, 0));
}

/** What a key must have now: 0 for nothing, too if its deadline has passed. */
static inline uint32_t
number_now(const struct engine *engine, const struct kept *kept, uint32_t collection, uint32_t key)
{
    uint64_t deadline_ms = kept->deadline_ms[collection][key];
    bool is_over = deadline_ms != 0 && deadline_ms <= adb_os_wall_ms(engine->os);
    return is_over ? 0 : kept->number[collection][key];
}

/** Puts, overwrites or deletes a key of a collection that is there. */
static inline void
write_randomly(struct compact_fixture *fixture)
{
    uint32_t collection = (uint32_t)test_rng_below(&fixture->rng, N_COLLECTIONS);
    uint32_t key = (uint32_t)test_rng_below(&fixture->rng, N_KEYS);
    if (fixture->kept.is_dropped[collection])
        return;
    if (number_now(&fixture->engine, &fixture->kept, collection, key) != 0 &&
        test_rng_one_in(&fixture->rng, 3))
        unset(fixture, collection, key);
    else if (test_rng_one_in(&fixture->rng, 3))
        set_until(fixture, collection, key,
                  adb_os_wall_ms(fixture->engine.os) + test_rng_below(&fixture->rng, 300000));
    else
        set(fixture, collection, key);
}

/* Whether the key at a location has nothing that can be seen, its deadline having passed. */
static inline bool
has_expired(struct engine *engine, armdb_slice key, uint64_t location)
{
    uint64_t deadline_ms;
    armdb_err err = adb_shard_read_deadline(engine->shard, location, key, &deadline_ms);
    if (err != ARMDB_NOT_FOUND)
        assert_ok(err);
    return err == ARMDB_NOT_FOUND;
}

/* Whether a key has what it must have. */
static inline bool
is_right(struct engine *engine, uint32_t collection, uint32_t key, uint32_t number)
{
    char key_room[8];
    char wanted_room[VALUE_MAX];
    char found[VALUE_MAX];
    const armdb_slice slice = name_key(key, key_room);
    adb_rcu_enter();
    uint64_t location = adb_index_get(&engine->indexes[collection].keys, slice,
                                      is_const(collection) ? found : NULL);
    bool is_there = location != 0 && !has_expired(engine, slice, location);
    if (number == 0 || !is_there) {
        adb_rcu_leave();
        return number == 0 && !is_there;
    }
    const armdb_slice wanted = make_numbered(collection, number, wanted_room);
    bool is_same = adb_location_value_len(location) == wanted.len;
    if (is_same && is_const(collection))
        is_same = memcmp(found, wanted.data, wanted.len) == 0;
    if (is_same) {
        assert_ok(adb_shard_read_value(engine->shard, location, slice, found));
        is_same = memcmp(found, wanted.data, wanted.len) == 0;
    }
    adb_rcu_leave();
    return is_same;
}

static inline bool
are_right(struct engine *engine, const struct kept *kept)
{
    for (uint32_t i = 0; i < N_COLLECTIONS; i++) {
        for (uint32_t key = 0; key < N_KEYS; key++) {
            if (!is_right(engine, i, key, number_now(engine, kept, i, key)))
                return false;
        }
    }
    return true;
}

static inline void
check_keys(struct compact_fixture *fixture)
{
    assert_true(are_right(&fixture->engine, &fixture->kept));
}

/* ------------------------------------------------------------------ compaction */

/** A step of a thorough compaction, or of the background's. */
static inline armdb_err
try_step(struct compact_fixture *fixture, bool is_thorough, struct shard_compact_step *step)
{
    struct engine *engine = &fixture->engine;
    const struct shard_compaction how = {
        .live = {engine_find_live, engine},
        .percent = is_thorough ? 1 : 30,
        .thorough_up_to = is_thorough ? adb_shard_newest_sequence(engine->shard) : 0,
        .expired_by_ms = adb_os_wall_ms(engine->os),
        .choose = adb_compact_choose};
    return adb_shard_compact(engine->shard, &how, step);
}

/** Compacts all, until nothing is left to do or something fails. */
static inline armdb_err
try_compact(struct compact_fixture *fixture, bool is_thorough)
{
    struct shard_compact_step step;
    for (int i = 0; i < 1000; i++) {
        ADB_TRY(try_step(fixture, is_thorough, &step));
        if (step.is_idle)
            return ARMDB_OK;
    }
    fail_msg("compaction does not end");
    return ARMDB_OK;
}

static inline void
compact(struct compact_fixture *fixture)
{
    assert_ok(try_compact(fixture, true));
}

static inline struct shard_stats
figures(struct compact_fixture *fixture)
{
    struct shard_stats stats;
    adb_shard_get_stats(fixture->engine.shard, &stats);
    return stats;
}

#endif
