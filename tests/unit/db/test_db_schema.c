/* Schema versions: steps in order, what fails, what is refused, and what stays of a pair. */
#include "db_fixture.h"
#include "support/os_sim.h"
#include "support/thing.h"

enum { PAIRS = 40, STEPS_MAX = 4 };

static const uint64_t DEADLINE_MS = UINT64_C(2000000000000);

/* A program, as one that knows some steps. */
struct program {
    struct db_fixture *fixture;
    armdb_collection_options options;
    armdb_schema schema;
    armdb_schema_step steps[STEPS_MAX];
    uint32_t n_calls;
    uint32_t fails_at;
    armdb_err fails_with;
    unsigned char value[32];
    /* of progress */
    uint32_t n_told;
    uint32_t n_done;
    armdb_schema_progress told;
};

static armdb_slice
key_of(uint32_t number, char *room)
{
    snprintf(room, 16, "key%05u", number);
    return armdb_str(room);
}

static void
fill(struct collection *collection, uint32_t count)
{
    char key[16];
    for (uint32_t i = 0; i < count; i++)
        put(collection, (const char *)key_of(i, key).data, "12345678");
}

/* Adds one byte to each value; every tenth pair goes. */
static armdb_err
lengthen(void *context, armdb_slice key, const armdb_slice *old, armdb_verdict *verdict_out)
{
    struct program *program = (struct program *)context;
    assert_non_null(old);
    assert_int_equal(verdict_out->kind, ARMDB_KEEP);
    if (++program->n_calls == program->fails_at)
        return program->fails_with;
    assert_in_range(old->len, 1, sizeof program->value - 1);
    memcpy(program->value, old->data, old->len);
    program->value[old->len] = '+';
    verdict_out->value = armdb_bytes(program->value, old->len + 1);
    verdict_out->kind = ((const char *)key.data)[key.len - 1] == '0' ? ARMDB_REMOVE : ARMDB_REPLACE;
    return ARMDB_OK;
}

/* Asks for what does not exist. */
static armdb_err
ask_wrongly(void *context, armdb_slice key, const armdb_slice *old, armdb_verdict *verdict_out)
{
    (void)context;
    (void)key;
    (void)old;
    verdict_out->kind = (armdb_verdict_kind)3;
    return ARMDB_OK;
}

static void
note(void *context, const armdb_schema_progress *progress)
{
    struct program *program = (struct program *)context;
    program->n_told++;
    program->n_done += progress->is_done;
    program->told = *progress;
}

/* A program of schema version `version`, with the steps from 0 on. */
static struct program
make_program(struct db_fixture *fixture, uint32_t version)
{
    struct program program = {.fixture = fixture,
                              .options = ARMDB_COLLECTION_OPTIONS_INIT,
                              .schema = ARMDB_SCHEMA_INIT,
                              .fails_with = (armdb_err)9};
    program.options.schema_version = version;
    program.schema.n_steps = version < STEPS_MAX ? version : STEPS_MAX;
    for (uint32_t i = 0; i < program.schema.n_steps; i++)
        program.steps[i] = (armdb_schema_step){.from = i, .fn = lengthen};
    return program;
}

static armdb_err
try_open(struct program *program, struct collection **collection_out)
{
    program->schema.steps = program->steps;
    program->schema.on_progress = note;
    program->schema.context = program;
    for (uint32_t i = 0; i < STEPS_MAX; i++)
        program->steps[i].context = program;
    program->options.schema = &program->schema;
    return adb_collection_open(program->fixture->db, "made", &program->options, collection_out);
}

static struct collection *
open_as(struct program *program)
{
    struct collection *collection;
    if (try_open(program, &collection) != ARMDB_OK)
        fail_msg("open: %s", adb_err_detail()->message);
    return collection;
}

static void
expect_refused(struct program *program, armdb_err err)
{
    struct collection *collection;
    assert_int_equal(try_open(program, &collection), err);
    assert_null(collection);
}

/* The collection as any program may see it. */
static struct collection *
expect_version(struct db_fixture *fixture, uint32_t version)
{
    struct collection *collection;
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    armdb_collection_info info, infos[4];
    size_t count;
    options.schema_version = ARMDB_SCHEMA_ANY;
    assert_ok(adb_collection_open(fixture->db, "made", &options, &collection));
    assert_ok(adb_collection_get_info(collection, &info));
    assert_int_equal(info.schema_version, version);
    adb_collection_list(fixture->db, infos, 4, &count);
    assert_int_equal(count, 2);
    assert_int_equal(infos[1].id, info.id);
    assert_int_equal(stats_of(fixture->db).collections, 2);
    return collection;
}

static void
expect_all(struct collection *collection, const char *value, bool has_tenths)
{
    char key[16];
    for (uint32_t i = 0; i < PAIRS; i++) {
        if (i % 10 == 0 && !has_tenths)
            expect_absent(collection, (const char *)key_of(i, key).data);
        else
            expect_get(collection, (const char *)key_of(i, key).data, value);
    }
    expect_count(collection, has_tenths ? PAIRS : PAIRS - PAIRS / 10);
}

static void
expect_whole(struct db_fixture *fixture)
{
    armdb_verify_report report;
    assert_ok(adb_db_verify_open(fixture->db, NULL, NULL, &report));
}

/* "made" with pairs, as a program that knows no versions leaves it; closed and opened. */
static void
make_old(struct db_fixture *fixture, const armdb_collection_options *options)
{
    struct collection *made;
    assert_ok(adb_collection_create(fixture->db, "made", options, &made));
    fill(made, PAIRS);
    reopen_db(fixture);
}

/* ----------------------------------------------------------------------- steps */

static void
test_db_schema__steps__are_done_in_order_and_once(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct program program = make_program(fixture, 3);
    make_old(fixture, NULL);
    program.steps[0].from = 2; /* in any order */
    program.steps[2].from = 0;
    struct collection *made = open_as(&program);
    assert_int_equal(program.n_calls, 3 * PAIRS - 2 * PAIRS / 10);
    assert_int_equal(program.n_told, 3);
    assert_int_equal(program.n_done, 3);
    assert_int_equal(program.told.from, 2);
    assert_int_equal(program.told.to, 3);
    assert_int_equal(program.told.pairs, PAIRS - PAIRS / 10);
    assert_int_equal(program.told.of_pairs, PAIRS - PAIRS / 10);
    expect_all(made, "12345678+++", false);
    put(made, "key00000", "is back");
    assert_ptr_equal(open_as(&program), made);
    cut_and_open(fixture, SIM_CUT_LOSE); /* what was brought over is durable */
    made = open_as(&program);
    assert_int_equal(program.n_told, 3);
    expect_get(made, "key00001", "12345678+++");
    expect_version(fixture, 3);
}

static void
test_db_schema__many_pairs__progress_is_told(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct program program = make_program(fixture, 1);
    fill(create_collection(fixture->db, "made", 8, ARMDB_UNORDERED), 20000);
    reopen_db(fixture);
    expect_count(open_as(&program), 18000);
    assert_int_equal(program.n_told, 3);
    assert_int_equal(program.n_done, 1);
    assert_int_equal(program.told.pairs, 20000);
    assert_int_equal(program.told.of_pairs, 20000);
}

static void
test_db_schema__created__has_the_version_of_its_program(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct program program = make_program(fixture, 2);
    make_old(fixture, &program.options);
    expect_all(open_as(&program), "12345678", true);
    assert_int_equal(program.n_calls, 0);
    expect_version(fixture, 2);
}

static void
test_db_schema__step_without_change__stores_the_version_alone(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct program program = make_program(fixture, 1);
    armdb_collection_info info;
    make_old(fixture, NULL);
    uint64_t log_bytes = stats_of(fixture->db).log_bytes;
    program.steps[0].fn = NULL;
    struct collection *made = open_as(&program);
    assert_int_equal(program.n_done, 1);
    expect_all(made, "12345678", true);
    assert_ok(adb_collection_get_info(made, &info));
    assert_int_equal(info.id, 1);
    assert_true(stats_of(fixture->db).log_bytes == log_bytes);
    cut_and_open(fixture, SIM_CUT_LOSE);
    expect_all(expect_version(fixture, 1), "12345678", true);
}

static void
test_db_schema__length_of_const__is_changed(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct program program = make_program(fixture, 2);
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    armdb_collection_info info;
    options.value_bytes = 8;
    make_old(fixture, &options);
    program.steps[0].value_bytes = 9;
    program.steps[1].value_bytes = 10;
    program.steps[1].key_bytes = 8;
    program.steps[1].order = ARMDB_UNORDERED;
    program.options.value_bytes = 10;
    struct collection *made = open_as(&program);
    expect_all(made, "12345678++", false);
    assert_ok(adb_collection_get_info(made, &info));
    assert_int_equal(info.value_bytes, 10);
    assert_int_equal(info.key_bytes, 8);
    assert_int_equal(info.order, ARMDB_UNORDERED);
    kill_and_open(fixture);
    expect_all(open_as(&program), "12345678++", false);
}

static void
test_db_schema__deadlines__are_kept(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct program program = make_program(fixture, 1);
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    uint64_t deadline_ms;
    sim_set_wall_ms(fixture->sim, DEADLINE_MS - 10);
    struct collection *made = create_collection(fixture->db, "made", 0, ARMDB_ASCENDING);
    put(made, "for ever", "a");
    options.expires_at_ms = DEADLINE_MS;
    assert_ok(adb_db_write(made, SHARD_PUT, armdb_str("later"), armdb_str("b"), &options));
    options.expires_at_ms = DEADLINE_MS - 5;
    assert_ok(adb_db_write(made, SHARD_PUT, armdb_str("gone"), armdb_str("c"), &options));
    reopen_db(fixture);
    sim_set_wall_ms(fixture->sim, DEADLINE_MS - 5);
    made = open_as(&program);
    expect_get(made, "later", "b+");
    assert_ok(adb_db_deadline(made, armdb_str("later"), &deadline_ms));
    assert_true(deadline_ms == DEADLINE_MS);
    assert_ok(adb_db_deadline(made, armdb_str("for ever"), &deadline_ms));
    assert_true(deadline_ms == 0);
    expect_absent(made, "gone");
    sim_set_wall_ms(fixture->sim, DEADLINE_MS);
    expect_absent(made, "later");
}

static armdb_err
make_empty(void *context, armdb_slice key, const armdb_slice *old, armdb_verdict *verdict_out)
{
    (void)context;
    (void)key;
    (void)old;
    verdict_out->kind = ARMDB_REPLACE;
    verdict_out->value = (armdb_slice){NULL, 0};
    return ARMDB_OK;
}

static void
test_db_schema__empty_values__are_values(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct program program = make_program(fixture, 2);
    make_old(fixture, NULL);
    program.steps[0].fn = make_empty;
    program.steps[1].fn = NULL;
    program.steps[1].order = ARMDB_DESCENDING;
    struct collection *made = open_as(&program);
    expect_all(made, "", true);
    kill_and_open(fixture);
    expect_all(open_as(&program), "", true);
}

static void
test_db_schema__objects__steps_see_their_bytes(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct program program = make_program(fixture, 3);
    struct thing_world world = {0};
    const armdb_codec codec = thing_codec(&world);
    make_old(fixture, NULL);
    program.steps[0].value_bytes = ARMDB_VALUE_OBJECT;
    program.steps[2].value_bytes = 11;
    program.options.schema_version = 2;
    program.options.value_bytes = ARMDB_VALUE_OBJECT;
    program.options.codec = &codec;
    struct collection *made = open_as(&program);
    expect_all(made, "12345678++", false);
    assert_int_equal(world.things, PAIRS - PAIRS / 10);
    expect_whole(fixture);
    reopen_db(fixture);
    assert_int_equal(world.things, 0);
    program.options.schema_version = 3;
    program.options.value_bytes = 11;
    program.options.codec = NULL;
    expect_all(open_as(&program), "12345678+++", false);
    expect_whole(fixture);
    assert_int_equal(world.things, 0);
}

static void
test_db_schema__old_collection__gives_its_space_back(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_compact_progress progress;
    use_small_files(fixture);
    open_db(fixture);
    struct program program = make_program(fixture, 1);
    fill(create_collection(fixture->db, "made", 0, ARMDB_ASCENDING), 5000);
    reopen_db(fixture);
    struct collection *made = open_as(&program);
    uint64_t log_bytes = stats_of(fixture->db).log_bytes;
    assert_ok(adb_db_compact(fixture->db, NULL, &progress));
    assert_true(stats_of(fixture->db).log_bytes < log_bytes * 2 / 3);
    expect_count(made, 4500);
    expect_get(made, "key00001", "12345678+");
    expect_whole(fixture);
}

/* --------------------------------------------------------------------- refused */

static void
test_db_schema__older_program__is_refused(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct program program = make_program(fixture, 3);
    struct program older = make_program(fixture, 2);
    struct collection *collection;
    make_old(fixture, &program.options);
    expect_refused(&older, ARMDB_MISMATCH);
    expect_detail(ARMDB_MISMATCH, "\"made\"", "version 3", "newer than 2", NULL);
    assert_int_equal(adb_collection_open(fixture->db, "made", NULL, &collection), ARMDB_MISMATCH);
    expect_detail(ARMDB_MISMATCH, "version 3", "newer than 0", NULL);
    assert_int_equal(older.n_calls, 0);
    expect_version(fixture, 3);
}

static void
test_db_schema__missing_step__is_refused_before_any_is_done(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct program program = make_program(fixture, 3);
    make_old(fixture, NULL);
    program.schema.n_steps = 2;
    expect_refused(&program, ARMDB_MISMATCH);
    expect_detail(ARMDB_MISMATCH, "version 0", "asked was 3", "from 2", NULL);
    program.schema.n_steps = 3;
    program.options.key_bytes = 7; /* what comes of it would not fit */
    expect_refused(&program, ARMDB_MISMATCH);
    program.options.key_bytes = 0;
    program.steps[2].key_bytes = 257;
    expect_refused(&program, ARMDB_INVALID);
    program.options.schema_version = 65536;
    expect_refused(&program, ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, "schema_version is 65536", "1..65535", NULL);
    program.options.schema_version = 3;
    program.schema.struct_bytes--;
    expect_refused(&program, ARMDB_INVALID);
    program.schema.struct_bytes++;
    assert_int_equal(program.n_calls, 0);
    expect_all(expect_version(fixture, 0), "12345678", true);
    expect_refused(&program, ARMDB_BUSY); /* now it is open */
    expect_detail(ARMDB_BUSY, "\"made\"", "version 3", "from 0", NULL);
}

static void
test_db_schema__steps_that_are_null__are_refused(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    armdb_schema schema = ARMDB_SCHEMA_INIT;
    struct collection *collection;
    options.schema_version = schema.n_steps = 1;
    options.schema = &schema;
    assert_int_equal(adb_collection_create(fixture->db, "made", &options, &collection),
                     ARMDB_INVALID);
    assert_null(collection);
}

static void
test_db_schema__default_collection__has_none(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    fixture->options.default_collection.schema_version = 1;
    struct db *db;
    assert_int_equal(adb_db_open(fixture->os, DB_PATH, &fixture->options, &db), ARMDB_UNSUPPORTED);
    assert_null(db);
    fixture->options.default_collection.schema_version = ARMDB_SCHEMA_ANY;
    open_db(fixture);
}

static void
test_db_schema__default_collection__takes_no_step(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct program program = make_program(fixture, 1);
    struct collection *collection;
    armdb_schema_step step = {.from = 0};
    put(adb_db_default(fixture->db), "key", "value");
    reopen_db(fixture);
    program.schema.steps = &step;
    program.options.schema = &program.schema;
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(adb_collection_open(fixture->db, "default", &program.options, &collection),
                         ARMDB_UNSUPPORTED);
        assert_null(collection);
        step.fn = lengthen;
        step.context = &program;
    }
    expect_detail(ARMDB_UNSUPPORTED, "schema_version is 1", "default collection", NULL);
    assert_int_equal(program.n_calls, 0);
    expect_get(adb_db_default(fixture->db), "key", "value");
    reopen_db(fixture);
    expect_get(adb_db_default(fixture->db), "key", "value");
}

/* Tries, in a step, what others might. */
static armdb_err
disturb(void *context, armdb_slice key, const armdb_slice *old, armdb_verdict *verdict_out)
{
    struct program *program = (struct program *)context;
    struct db *db = program->fixture->db;
    struct collection *other;
    (void)key;
    (void)old;
    (void)verdict_out;
    if (program->n_calls++ > 0)
        return ARMDB_OK;
    assert_int_equal(adb_collection_drop(db, "made"), ARMDB_BUSY);
    expect_detail(ARMDB_BUSY, "\"made\"", NULL);
    assert_int_equal(adb_collection_open(db, "made", NULL, &other), ARMDB_BUSY);
    assert_int_equal(adb_collection_create(db, "made", NULL, &other), ARMDB_EXISTS);
    put(create_collection(db, "another", 0, ARMDB_ASCENDING), "key", "value");
    assert_int_equal(stats_of(db).collections, 3);
    assert_int_equal(stats_of(db).keys, PAIRS + 1);
    return ARMDB_OK;
}

static void
test_db_schema__others_meanwhile__leave_it_alone(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct program program = make_program(fixture, 1);
    make_old(fixture, NULL);
    program.steps[0].fn = disturb;
    struct collection *made = open_as(&program);
    expect_all(made, "12345678", true);
    expect_get(open_collection(fixture->db, "another"), "key", "value");
    cut_and_open(fixture, SIM_CUT_KEEP);
    expect_all(open_as(&program), "12345678", true);
    expect_get(open_collection(fixture->db, "another"), "key", "value");
    assert_ok(adb_collection_drop(fixture->db, "made"));
    reopen_db(fixture);
    expect_refused(&program, ARMDB_NO_COLLECTION);
}

/* ---------------------------------------------------------------------- failing */

static void
test_db_schema__failing_step__leaves_what_was_before_it(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct program program = make_program(fixture, 2);
    make_old(fixture, NULL);
    program.fails_at = PAIRS + 10;
    expect_refused(&program, (armdb_err)9);
    assert_int_equal(program.n_done, 1);
    reopen_db(fixture);
    program.fails_at = 0;
    program.steps[1].value_bytes = 8; /* which has 10 by now */
    expect_refused(&program, ARMDB_VALUE_LENGTH);
    program.steps[1].value_bytes = 0;
    program.steps[1].fn = ask_wrongly;
    expect_refused(&program, ARMDB_INVALID);
    expect_all(expect_version(fixture, 1), "12345678+", false);
    expect_whole(fixture);
    reopen_db(fixture);
    program.steps[1].fn = lengthen;
    expect_all(open_as(&program), "12345678++", false);
    assert_int_equal(stats_of(fixture->db).cursors, 0);
}

static void
test_db_schema__no_memory__is_refused_or_done(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct program program = make_program(fixture, 2);
    make_old(fixture, NULL);
    for (uint64_t n = 1;; n++) {
        struct collection *made;
        adb_mem_fail_at(n, false);
        armdb_err err = try_open(&program, &made);
        adb_mem_fail_at(0, false);
        if (err == ARMDB_OK) {
            expect_all(made, "12345678++", false);
            assert_true(n > 10);
            break;
        }
        assert_int_equal(err, ARMDB_NO_MEMORY);
    }
    expect_whole(fixture);
    kill_and_open(fixture);
    expect_all(open_as(&program), "12345678++", false);
}

static void
test_db_schema__no_memory_at_all__keeps_nothing_of_the_step(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct program program = make_program(fixture, 1);
    struct collection *made;
    make_old(fixture, NULL);
    uint64_t index_bytes = stats_of(fixture->db).index_bytes;
    for (uint64_t n = 1;; n++) {
        adb_mem_fail_at(n, true);
        armdb_err err = try_open(&program, &made);
        adb_mem_fail_at(0, false);
        if (err == ARMDB_OK)
            break;
        assert_int_equal(err, ARMDB_NO_MEMORY);
        assert_int_equal(stats_of(fixture->db).index_bytes, index_bytes);
    }
    expect_all(made, "12345678+", false);
    expect_whole(fixture);
}

/* A step that does not fit leaves all as it was, and compaction gives back what it has taken. */
static void
test_db_schema__full_disk__has_room_again(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_compact_progress progress;
    struct collection *made;
    uint32_t n_refused = 0;
    use_small_files(fixture);
    open_db(fixture);
    struct program program = make_program(fixture, 1);
    fill(create_collection(fixture->db, "made", 0, ARMDB_ASCENDING), 5000);
    reopen_db(fixture);
    assert_ok(adb_db_compact(fixture->db, NULL, &progress)); /* which keeps a reserve */
    uint64_t log_bytes = stats_of(fixture->db).log_bytes;
    uint64_t capacity = sim_used_bytes(fixture->sim) + 20000;
    armdb_err err = ARMDB_NO_SPACE;
    while (err != ARMDB_OK) {
        sim_set_capacity(fixture->sim, capacity);
        err = try_open(&program, &made);
        assert_true(err == ARMDB_OK || err == ARMDB_NO_SPACE);
        assert_true(stats_of(fixture->db).log_bytes > log_bytes);
        assert_ok(adb_db_compact(fixture->db, NULL, &progress));
        assert_true(stats_of(fixture->db).log_bytes < log_bytes + 4096);
        put_at(fixture->collection, "key", "value", ARMDB_SYNCED);
        n_refused += err != ARMDB_OK;
        capacity += 20000;
    }
    assert_true(n_refused > 3);
    expect_count(made, 4500);
    expect_whole(fixture);
}

static void
test_db_schema__failing_disk__is_as_before_or_as_after(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct program program = make_program(fixture, 1);
    bool was_before = false;
    make_old(fixture, NULL);
    struct sim *origin = fixture->sim;
    close_db(fixture);
    for (uint64_t n = 1;; n++) {
        struct collection *made;
        fixture->sim = sim_clone(origin);
        fixture->os = sim_os(fixture->sim);
        open_db(fixture);
        uint64_t changes = sim_op_count(fixture->sim, SIM_CHANGES);
        set_fault(fixture, SIM_FAULT_ERROR, SIM_CHANGES, n, false);
        armdb_err err = try_open(&program, &made);
        bool has_fired = sim_op_count(fixture->sim, SIM_CHANGES) - changes >= n;
        sim_clear_fault(fixture->sim);
        assert_true(has_fired || err == ARMDB_OK);
        kill_and_open(fixture);
        armdb_collection_options any = ARMDB_COLLECTION_OPTIONS_INIT;
        armdb_collection_info info;
        any.schema_version = ARMDB_SCHEMA_ANY;
        assert_ok(adb_collection_open(fixture->db, "made", &any, &made));
        assert_ok(adb_collection_get_info(made, &info));
        was_before |= info.schema_version == 0;
        assert_true(err != ARMDB_OK || info.schema_version == 1);
        expect_all(made, info.schema_version == 0 ? "12345678" : "12345678+",
                   info.schema_version == 0);
        close_db(fixture);
        sim_free(fixture->sim);
        if (!has_fired)
            break;
    }
    assert_true(was_before);
    fixture->sim = origin;
    fixture->os = sim_os(origin);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(test_db_schema__steps__are_done_in_order_and_once),
        DB_TEST(test_db_schema__many_pairs__progress_is_told),
        DB_TEST(test_db_schema__created__has_the_version_of_its_program),
        DB_TEST(test_db_schema__step_without_change__stores_the_version_alone),
        DB_TEST(test_db_schema__length_of_const__is_changed),
        DB_TEST(test_db_schema__deadlines__are_kept),
        DB_TEST(test_db_schema__empty_values__are_values),
        DB_TEST(test_db_schema__objects__steps_see_their_bytes),
        DISK_TEST(test_db_schema__old_collection__gives_its_space_back),
        DB_TEST(test_db_schema__older_program__is_refused),
        DB_TEST(test_db_schema__missing_step__is_refused_before_any_is_done),
        DB_TEST(test_db_schema__steps_that_are_null__are_refused),
        DISK_TEST(test_db_schema__default_collection__has_none),
        DB_TEST(test_db_schema__default_collection__takes_no_step),
        DB_TEST(test_db_schema__others_meanwhile__leave_it_alone),
        DB_TEST(test_db_schema__failing_step__leaves_what_was_before_it),
        DB_TEST(test_db_schema__no_memory__is_refused_or_done),
        DB_TEST(test_db_schema__no_memory_at_all__keeps_nothing_of_the_step),
        DISK_TEST(test_db_schema__full_disk__has_room_again),
        DB_TEST(test_db_schema__failing_disk__is_as_before_or_as_after),
    };
    return cmocka_run_group_tests_name("db/db_schema", tests, NULL, NULL);
}
