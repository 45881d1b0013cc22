/* The values of a collection in a new form: whole, in use, cut short, then gone on with. */
#include "db/db_update.h"
#include "db_fixture.h"

enum { PAIRS = 20000 }; /* progress is told twice */

/* Kinds of collections that are walked. */
enum kind { KIND_TREE, KIND_DESCENDING, KIND_MAP, KIND_CONST, KINDS };

static struct collection *
create_kind(struct db_fixture *fixture, enum kind kind)
{
    static const char *const names[KINDS] = {"tree", "descending", "map", "const"};
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    struct collection *collection;
    if (kind == KIND_CONST)
        options.value_bytes = 8;
    if (kind != KIND_TREE)
        options.order = kind == KIND_DESCENDING ? ARMDB_DESCENDING : ARMDB_UNORDERED;
    assert_ok(adb_collection_create(fixture->db, names[kind], &options, &collection));
    return collection;
}

static armdb_slice
key_of(uint32_t number, char *room)
{
    snprintf(room, 16, "key%05u", number);
    return armdb_str(room);
}

/* "old 0007" .. or "new 0007" ... */
static armdb_slice
value_of(const char *form, uint32_t number, char *room)
{
    snprintf(room, 16, "%s %04u", form, number % 10000);
    return armdb_str(room);
}

static void
fill(struct collection *collection, uint32_t count)
{
    char key[16], value[16];
    for (uint32_t i = 0; i < count; i++)
        assert_ok(
            adb_db_write(collection, SHARD_PUT, key_of(i, key), value_of("old", i, value), NULL));
}

/* A migration, and what disturbs it. */
struct job {
    struct db_fixture *fixture;
    struct collection *collection;
    char value[16];
    uint32_t n_calls;
    uint32_t n_again; /* calls with what is in the new form already */
    uint32_t fails_at;
    bool is_disturbed; /* other threads write and delete, so to speak */
    /* of progress */
    uint32_t n_told;
    uint32_t stops_at;
    armdb_migrate_progress told;
    char key[16];
    bool cuts; /* the power, instead of stopping */
};

/* Values get the new form; every tenth pair goes. */
static armdb_err
renew(void *context, armdb_slice key, const armdb_slice *old, armdb_verdict *verdict_out)
{
    struct job *job = (struct job *)context;
    char room[16];
    uint32_t number;
    assert_non_null(old);
    assert_int_equal(key.len, 8);
    if (++job->n_calls == job->fails_at)
        return (armdb_err)9;
    assert_int_equal(old->len, 8);
    memcpy(room, key.data, 8);
    room[8] = '\0';
    number = (uint32_t)strtoul(room + 3, NULL, 10);
    if (memcmp(old->data, "new", 3) == 0) {
        job->n_again++;
        return ARMDB_OK;
    }
    if (job->is_disturbed && number % 7 == 0 && memcmp(old->data, "mid", 3) != 0)
        assert_ok(
            adb_db_write(job->collection, SHARD_PUT, key, value_of("mid", number, room), NULL));
    if (job->is_disturbed && number % 7 == 1)
        assert_ok(adb_db_write(job->collection, SHARD_DELETE, key, armdb_str(""), NULL));
    verdict_out->kind = number % 10 == 0 ? ARMDB_REMOVE : ARMDB_REPLACE;
    verdict_out->value = value_of("new", number, job->value);
    return ARMDB_OK;
}

static int
note(void *context, const armdb_migrate_progress *progress)
{
    struct job *job = (struct job *)context;
    job->told = *progress;
    memcpy(job->key, progress->key.data, progress->key.len);
    job->key[progress->key.len] = '\0';
    if (++job->n_told == job->stops_at && job->cuts)
        sim_power_cut_as(job->fixture->sim, SIM_CUT_LOSE, 3);
    return job->n_told == job->stops_at;
}

static armdb_err
migrate(struct job *job, const char *after, armdb_migrate_progress *progress_out)
{
    armdb_migrate_options options = ARMDB_MIGRATE_OPTIONS_INIT;
    const struct db_migrate what = {renew, job, &options};
    options.after = armdb_str(after);
    options.on_progress = note;
    options.context = job;
    return adb_db_migrate(job->collection, &what, progress_out);
}

static void
expect_renewed(struct collection *collection, uint32_t count)
{
    char key[16], value[16];
    for (uint32_t i = 0; i < count; i++) {
        if (i % 10 == 0)
            expect_absent(collection, (const char *)key_of(i, key).data);
        else
            expect_get(collection, (const char *)key_of(i, key).data,
                       (const char *)value_of("new", i, value).data);
    }
    expect_count(collection, count - (count + 9) / 10);
}

static void
test_db_migrate__each_kind__every_pair_once_and_counted(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    for (int kind = 0; kind < KINDS; kind++) {
        struct job job = {.fixture = fixture, .collection = create_kind(fixture, (enum kind)kind)};
        armdb_migrate_progress progress;
        fill(job.collection, PAIRS);
        assert_ok(migrate(&job, "", &progress));
        assert_int_equal(job.n_calls, PAIRS);
        assert_int_equal(progress.pairs, PAIRS);
        assert_int_equal(progress.replaced, PAIRS - PAIRS / 10);
        assert_int_equal(progress.removed, PAIRS / 10);
        assert_int_equal(progress.key.len, 0);
        assert_int_equal(job.n_told, 2);
        expect_renewed(job.collection, PAIRS);
        assert_ok(migrate(&job, "", &progress)); /* nothing is left to do */
        assert_int_equal(progress.replaced + progress.removed, 0);
        assert_int_equal(job.n_again, PAIRS - PAIRS / 10);
    }
    cut_and_open(fixture, SIM_CUT_LOSE); /* on return it is durable */
    expect_renewed(open_collection(fixture->db, "map"), PAIRS);
}

static void
test_db_migrate__power_cut_on_the_way__goes_on_where_it_was(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    for (int kind = KIND_TREE; kind <= KIND_DESCENDING; kind++) {
        struct job job = {.fixture = fixture,
                          .collection = create_kind(fixture, (enum kind)kind),
                          .stops_at = 1,
                          .cuts = true};
        armdb_migrate_progress progress;
        fill(job.collection, PAIRS);
        assert_ok(adb_db_sync(fixture->db));
        (void)migrate(&job, "", &progress);
        abandon_db(fixture);
        open_db(fixture);
        job.collection = open_collection(fixture->db, kind == KIND_TREE ? "tree" : "descending");
        assert_int_equal(job.told.pairs, 8192);
        job.n_calls = job.n_again = 0;
        assert_ok(migrate(&job, job.key, &progress));
        assert_int_equal(job.n_again, 0); /* and nothing twice */
        assert_int_equal(progress.pairs, PAIRS - 8192);
        expect_renewed(job.collection, PAIRS);
    }
}

static void
test_db_migrate__writers_in_between__their_values_are_renewed_too(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct job job = {.fixture = fixture, .collection = fixture->collection, .is_disturbed = true};
    armdb_migrate_progress progress;
    char key[16], value[16];
    fill(fixture->collection, 700);
    assert_ok(migrate(&job, "", &progress));
    assert_int_equal(progress.pairs, 600); /* every seventh is deleted before its turn ends */
    assert_int_equal(job.n_calls, 800);    /* and every seventh asked about twice */
    for (uint32_t i = 0; i < 700; i++) {
        if (i % 10 == 0 || i % 7 == 1)
            expect_absent(fixture->collection, (const char *)key_of(i, key).data);
        else
            expect_get(fixture->collection, (const char *)key_of(i, key).data,
                       (const char *)value_of("new", i, value).data);
    }
}

static void
test_db_migrate__stopped_or_failed__what_is_done_stays(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct job job = {.fixture = fixture, .collection = fixture->collection, .fails_at = 51};
    armdb_migrate_progress progress;
    fill(fixture->collection, PAIRS);
    assert_int_equal(migrate(&job, "", &progress), 9);
    assert_int_equal(progress.pairs, 50);
    assert_int_equal(progress.replaced, 45);
    expect_get(fixture->collection, "key00049", "new 0049");
    expect_get(fixture->collection, "key00050", "old 0050");
    job.stops_at = 1;
    assert_ok(migrate(&job, "", &progress));
    assert_int_equal(job.n_told, 1);
    assert_string_equal(job.key, "key08196"); /* 8192 behind those five that are gone */
    expect_get(fixture->collection, "key08197", "old 8197");
    assert_int_equal(stats_of(fixture->db).cursors, 0);
}

static void
test_db_migrate__deadlines__are_kept(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct job job = {.fixture = fixture, .collection = fixture->collection};
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    armdb_migrate_progress progress;
    uint64_t deadline_ms;
    options.expires_at_ms = UINT64_C(2000000000000);
    sim_set_wall_ms(fixture->sim, options.expires_at_ms - 1);
    fill(fixture->collection, 5);
    assert_ok(adb_db_write(fixture->collection, SHARD_PUT, armdb_str("key00001"),
                           armdb_str("old 0001"), &options));
    assert_ok(migrate(&job, "", &progress));
    expect_get(fixture->collection, "key00001", "new 0001");
    assert_ok(adb_db_deadline(fixture->collection, armdb_str("key00001"), &deadline_ms));
    assert_true(deadline_ms == options.expires_at_ms);
}

static void
test_db_migrate__bad_calls__are_refused(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct job job = {.fixture = fixture, .collection = create_kind(fixture, KIND_MAP)};
    armdb_migrate_options options = {0};
    const struct db_migrate what = {renew, &job, &options};
    armdb_migrate_progress progress;
    fill(job.collection, 3);
    assert_int_equal(migrate(&job, "key00001", &progress), ARMDB_UNSUPPORTED);
    assert_int_equal(adb_db_migrate(job.collection, &what, &progress), ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, "_INIT", NULL);
    assert_ok(adb_collection_drop(fixture->db, "map"));
    assert_int_equal(migrate(&job, "", &progress), ARMDB_NO_COLLECTION);
    assert_int_equal(job.n_calls, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(test_db_migrate__each_kind__every_pair_once_and_counted),
        DB_TEST(test_db_migrate__power_cut_on_the_way__goes_on_where_it_was),
        DB_TEST(test_db_migrate__writers_in_between__their_values_are_renewed_too),
        DB_TEST(test_db_migrate__stopped_or_failed__what_is_done_stays),
        DB_TEST(test_db_migrate__deadlines__are_kept),
        DB_TEST(test_db_migrate__bad_calls__are_refused),
    };
    return cmocka_run_group_tests_name("db/db_migrate", tests, NULL, NULL);
}
