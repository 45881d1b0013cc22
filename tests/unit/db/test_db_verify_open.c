/* Checking a database in use: it finds what is wrong, and nothing that is right. */
#include "db/db_private.h"
#include "log/hint_file.h"
#include "shard/shard_private.h"
#include "support/os_hook.h"

#include "db_fixture.h"

#define FIRST_HINT SHARD_PATH "/0000000001.hint"

enum { KEYS = 60, VALUE_BYTES = 900, CONST_BYTES = 8 };

/* ------------------------------------------------------------------- helpers */

/* What was found. */
struct findings {
    int count;
    armdb_damage last; /* its strings are below */
    char file[200];
    char message[300];
    char collection[80];
    char key[80];
    armdb_verify_report report;
};

static void
note(void *context, const armdb_damage *damage)
{
    struct findings *findings = (struct findings *)context;
    findings->count++;
    findings->last = *damage;
    snprintf(findings->file, sizeof findings->file, "%s", damage->file);
    snprintf(findings->message, sizeof findings->message, "%s", damage->message);
    snprintf(findings->collection, sizeof findings->collection, "%s",
             damage->collection != NULL ? damage->collection : "");
    snprintf(findings->key, sizeof findings->key, "%.*s", (int)damage->key.len,
             damage->key.len > 0 ? (const char *)damage->key.data : "");
}

static armdb_err
verify(struct db_fixture *fixture, struct findings *findings)
{
    memset(findings, 0, sizeof *findings);
    armdb_err err = adb_db_verify_open(fixture->db, note, findings, &findings->report);
    assert_int_equal(findings->count, findings->report.damages);
    return err;
}

static void
expect_whole(struct db_fixture *fixture)
{
    struct findings findings;
    if (verify(fixture, &findings) != ARMDB_OK)
        fail_msg("%d findings, the last: %s: %s (%s)", findings.count, findings.file,
                 findings.message, adb_err_detail()->message);
}

static void
expect_finding(struct db_fixture *fixture, const char *message, const char *key)
{
    struct findings findings;
    assert_int_equal(verify(fixture, &findings), ARMDB_CORRUPT);
    assert_int_equal(findings.count, 1);
    if (strstr(findings.message, message) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", findings.message, message);
    assert_string_equal(findings.key, key);
    assert_string_equal(findings.collection, key[0] != '\0' ? "default" : "");
}

static void
put_round(struct collection *collection, int round)
{
    char key[16], value[VALUE_BYTES + 1];
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "key%05d", i);
        snprintf(value, sizeof value, "%0*d", VALUE_BYTES, i * 1000 + round);
        put(collection, key, value);
    }
}

static void
delete_some(struct collection *collection, int from)
{
    char key[16];
    for (int i = from; i < KEYS; i += 7) {
        snprintf(key, sizeof key, "key%05d", i);
        (void)try_delete(collection, key);
    }
}

static void
put_consts(struct collection *collection, int round)
{
    for (int i = 0; i < KEYS; i++) {
        char key[16], value[16];
        snprintf(key, sizeof key, "c%d", i);
        snprintf(value, sizeof value, "%08d", i + round);
        put(collection, key, value);
    }
}

static struct collection *
create_consts(struct db *db, const char *name)
{
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    struct collection *collection;
    options.value_bytes = CONST_BYTES;
    options.order = ARMDB_UNORDERED;
    assert_ok(adb_collection_create(db, name, &options, &collection));
    return collection;
}

static int
set_up_small_files(void **state)
{
    set_up_disk(state);
    struct db_fixture *fixture = (struct db_fixture *)*state;
    use_small_files(fixture);
    open_db(fixture);
    return 0;
}

#define SMALL_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_small_files, tear_down_db)

/* ---------------------------------------------------------------------- whole */

static void
test_db_verify_open__all_kinds_of_collections__are_whole(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct findings findings;
    expect_whole(fixture);
    struct collection *consts = create_consts(fixture->db, "consts");
    struct collection *dropped = create_collection(fixture->db, "dropped", ARMDB_KEY_VARIABLE,
                                                   ARMDB_DESCENDING);
    for (int round = 0; round < 3; round++) {
        put_round(fixture->collection, round);
        put_consts(consts, round);
        put_round(dropped, round);
        delete_some(fixture->collection, round);
        delete_some(dropped, round);
        expect_whole(fixture);
    }
    assert_ok(adb_collection_drop(fixture->db, "dropped"));
    expect_whole(fixture);
    reopen_db(fixture);
    assert_ok(verify(fixture, &findings));
    assert_int_equal(findings.report.files, stats_of(fixture->db).files + 1);
    assert_true(findings.report.bytes > stats_of(fixture->db).log_bytes);
    assert_true(findings.report.records >= 3 * 3 * KEYS);
    /* A hash of dead and deleted things, compacted. */
    armdb_compact_progress done;
    assert_ok(adb_db_compact(fixture->db, NULL, &done));
    expect_whole(fixture);
    reopen_db(fixture);
    expect_whole(fixture);
}

static void
put_until(struct collection *collection, const char *key, const char *value, uint64_t deadline_ms)
{
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    options.expires_at_ms = deadline_ms;
    assert_ok(adb_db_write(collection, SHARD_PUT, armdb_str(key), armdb_str(value), &options));
}

static void
test_db_verify_open__keys_with_deadlines__are_whole(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *consts = create_consts(fixture->db, "consts");
    uint64_t now = adb_os_wall_ms(fixture->os);
    for (int round = 0; round < 3; round++) {
        put_round(fixture->collection, round);
        put_until(fixture->collection, "key00003", "for a while", now + 1000);
        put_until(fixture->collection, "key00004", "for long", now + 1000000);
        put_until(consts, "c1", "12345678", now + 1000);
        put_until(consts, "c2", "12345678", now + 1000000);
        expect_whole(fixture);
        sim_advance_ns(fixture->sim, UINT64_C(2000000000));
        now += 2000;
        expect_whole(fixture);
        reopen_db(fixture);
        consts = open_collection(fixture->db, "consts");
        expect_whole(fixture);
    }
}

static int
stop_at(void *context, const armdb_compact_progress *progress)
{
    int *left = (int *)context;
    (void)progress;
    return --*left == 0;
}

static void
test_db_verify_open__at_any_step_of_compaction__is_whole(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_compact_options options = ARMDB_COMPACT_OPTIONS_INIT;
    armdb_compact_progress done;
    int left = 0;
    options.on_progress = stop_at;
    options.context = &left;
    for (int n = 1; left <= 0; n++) {
        put_round(fixture->collection, 2 * n);
        put_round(fixture->collection, 2 * n + 1);
        delete_some(fixture->collection, n % 5);
        left = n;
        assert_ok(adb_db_compact(fixture->db, &options, &done));
        expect_whole(fixture);
        delete_some(fixture->collection, n % 7);
        expect_whole(fixture);
        if (left <= 0) {
            assert_ok(adb_db_compact(fixture->db, NULL, &done));
            expect_whole(fixture);
        }
    }
}

/* Does things in the middle of the check: at each opening and reading of a data file. */
struct meddler {
    struct db_fixture *fixture;
    struct os_hook hook;
    bool is_on;
    int calls;
};

static armdb_err
before_call(void *context, const struct os_call *call)
{
    struct meddler *meddler = (struct meddler *)context;
    struct db_fixture *fixture = meddler->fixture;
    armdb_compact_progress done;
    if (!meddler->is_on || strstr(call->path, ".log") == NULL ||
        (call->op != SIM_OP_READ && call->op != SIM_OP_OPEN))
        return ARMDB_OK;
    meddler->is_on = false; /* what follows makes calls too */
    int calls = ++meddler->calls;
    if (calls % 2 == 0)
        put_round(fixture->collection, calls);
    if (calls % 3 == 0)
        delete_some(fixture->collection, calls % 7);
    if (calls % 5 == 0)
        assert_ok(adb_db_compact(fixture->db, NULL, &done));
    if (calls % 7 == 0) {
        assert_ok(adb_collection_drop(fixture->db, "passing"));
        put_round(create_collection(fixture->db, "passing", ARMDB_KEY_VARIABLE, ARMDB_ASCENDING),
                  calls);
    }
    meddler->is_on = true;
    return ARMDB_OK;
}

static void
test_db_verify_open__everything_goes_on__is_whole(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct meddler meddler = {.fixture = fixture};
    close_db(fixture);
    os_hook_init(&meddler.hook, fixture->os, false);
    meddler.hook.before = before_call;
    meddler.hook.context = &meddler;
    fixture->os = &meddler.hook.base;
    open_db(fixture);
    put_round(create_collection(fixture->db, "passing", ARMDB_KEY_VARIABLE, ARMDB_ASCENDING), 1);
    put_round(fixture->collection, 1);
    delete_some(fixture->collection, 1);
    reopen_db(fixture);
    for (int i = 0; i < 10; i++) {
        meddler.is_on = true;
        expect_whole(fixture);
        meddler.is_on = false;
    }
    assert_true(meddler.calls > 30);
    adb_db_abandon(fixture->db);
    fixture->db = NULL;
}

static void
test_db_verify_open__shard_that_refuses_writes__is_checked(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    put_round(fixture->collection, 1);
    delete_some(fixture->collection, 1);
    set_fault(fixture, SIM_FAULT_SYNC, SIM_BIT(SIM_OP_SYNC), 1, false);
    assert_int_equal(write_at_level(fixture->collection, SHARD_PUT, "k", "v", ARMDB_SYNCED),
                     ARMDB_IO);
    expect_whole(fixture);
}

/* --------------------------------------------------------------------- damage */

static void
test_db_verify_open__flipped_byte__is_found_in_any_file(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    static const char *const files[] = {FIRST_FILE, SECOND_FILE};
    put_round(fixture->collection, 1);
    put_round(fixture->collection, 2);
    assert_int_equal(stats_of(fixture->db).files, 2);
    assert_ok(adb_db_flush(fixture->db));
    for (int i = 0; i < 2; i++) {
        static const uint64_t offsets[] = {3, 64 + 4 + 8, 3000, 20000};
        for (int k = 0; k < 4; k++) {
            struct findings findings;
            sim_corrupt(fixture->sim, files[i], offsets[k], 4);
            assert_int_equal(verify(fixture, &findings), ARMDB_CORRUPT);
            assert_int_equal(findings.count, 1);
            assert_string_equal(findings.file, files[i]);
            assert_in_range(findings.last.offset, offsets[k] > 1000 ? offsets[k] - 1000 : 0,
                            offsets[k]);
            assert_int_equal(findings.last.shard, 0);
            sim_corrupt(fixture->sim, files[i], offsets[k], 4);
            expect_whole(fixture);
        }
    }
    size_t bytes;
    char *manifest = sim_read_file(fixture->sim, DB_PATH "/MANIFEST", &bytes);
    sim_corrupt(fixture->sim, DB_PATH "/MANIFEST", 20, 1);
    expect_finding(fixture, "", "");
    sim_write_file(fixture->sim, DB_PATH "/MANIFEST", manifest, bytes);
    create_collection(fixture->db, "new", 4, ARMDB_ASCENDING);
    sim_write_file(fixture->sim, DB_PATH "/MANIFEST", manifest, bytes);
    expect_finding(fixture, "not that of the open database", "");
    free(manifest);
}

static void
test_db_verify_open__file_cut_or_gone__is_found(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    put_round(fixture->collection, 1);
    put_round(fixture->collection, 2);
    assert_ok(adb_db_flush(fixture->db));
    sim_truncate_file(fixture->sim, SECOND_FILE, 4000);
    expect_finding(fixture, "no whole record, though more was written", "");
    sim_truncate_file(fixture->sim, FIRST_FILE, sim_file_size(fixture->sim, FIRST_FILE) - 40);
    struct findings findings;
    assert_int_equal(verify(fixture, &findings), ARMDB_CORRUPT);
    assert_int_equal(findings.count, 2);
    sim_remove_file(fixture->sim, FIRST_FILE);
    assert_int_equal(verify(fixture, &findings), ARMDB_CORRUPT);
    assert_int_equal(findings.count, 3);
}

/* ---------------------------------------------------------------- wrong indexes */

/* The location that a key has; sets another one, or takes the key away with 0. */
static uint64_t
change_index(struct collection *collection, const char *key, uint64_t location)
{
    struct adb_index *keys = &collection->index.keys;
    struct adb_spare spare = {0};
    uint64_t before = adb_index_get(keys, armdb_str(key), NULL);
    if (location == 0)
        return adb_index_remove(keys, armdb_str(key));
    assert_ok(adb_index_prepare(keys, armdb_str(key), &spare));
    (void)adb_index_put(keys, armdb_str(key), location, keys->value_bytes != 0 ? "wrong..." : NULL,
                        &spare);
    adb_spare_fini(&spare, collection->db->pages);
    return before;
}

static uint64_t
location_of(const struct collection *collection, const char *key)
{
    return adb_index_get(&collection->index.keys, armdb_str(key), NULL);
}

static void
test_db_verify_open__index_names_an_older_record__is_found(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    put_round(fixture->collection, 1);
    uint64_t old = location_of(fixture->collection, "key00003");
    put_round(fixture->collection, 2);
    put(fixture->collection, "last", "so that it is in the middle");
    uint64_t right = change_index(fixture->collection, "key00003", old);
    expect_finding(fixture, "names an older record", "key00003");
    change_index(fixture->collection, "key00003", right);
    expect_whole(fixture);
}

static void
test_db_verify_open__index_lacks_a_key__is_found(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    put_round(fixture->collection, 1);
    delete_some(fixture->collection, 1);
    uint64_t right = change_index(fixture->collection, "key00004", 0);
    expect_finding(fixture, "that the index does not have", "key00004");
    change_index(fixture->collection, "key00004", right);
    expect_whole(fixture);
}

static void
test_db_verify_open__index_has_a_deleted_key__is_found(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    put_round(fixture->collection, 1);
    uint64_t old = location_of(fixture->collection, "key00005");
    assert_ok(try_delete(fixture->collection, "key00005"));
    change_index(fixture->collection, "key00005", old);
    expect_finding(fixture, "was deleted here", "key00005");
    change_index(fixture->collection, "key00005", 0);
    expect_whole(fixture);
}

static void
test_db_verify_open__index_names_another_keys_record__is_found(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct findings findings;
    put_round(fixture->collection, 1);
    uint64_t other = location_of(fixture->collection, "key00006");
    change_index(fixture->collection, "made up!", other);
    assert_int_equal(verify(fixture, &findings), ARMDB_CORRUPT);
    assert_int_equal(findings.count, 2); /* the sums of its file, and the key */
    assert_string_equal(findings.key, "made up!");
    assert_string_equal(findings.collection, "default");
    assert_string_equal(findings.file, FIRST_FILE);
    assert_int_equal(findings.last.offset, adb_location_offset(other));
    change_index(fixture->collection, "made up!", adb_location_make(77, 64, 1));
    expect_finding(fixture, "a file that is not there", "made up!");
    change_index(fixture->collection, "made up!", 0);
    expect_whole(fixture);
}

static void
test_db_verify_open__index_has_another_value__is_found(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct findings findings;
    struct collection *consts = create_consts(fixture->db, "consts");
    put_consts(consts, 1);
    change_index(consts, "c7", location_of(consts, "c7"));
    assert_int_equal(verify(fixture, &findings), ARMDB_CORRUPT);
    assert_int_equal(findings.count, 1);
    assert_string_equal(findings.collection, "consts");
    assert_string_equal(findings.key, "c7");
    assert_non_null(strstr(findings.message, "another value"));
}

/* ------------------------------------------------------------------- accounts */

static void
test_db_verify_open__wrong_accounts__are_found(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    put_round(fixture->collection, 1);
    put_round(fixture->collection, 2);
    delete_some(fixture->collection, 0);
    assert_ok(adb_db_flush(fixture->db));
    for (uint32_t slot = 0; slot < 2; slot++) {
        struct data_file *file = atomic_load(&fixture->db->shards[0]->files[slot]);
        bool is_sealed = slot == 0;
        atomic_fetch_sub(&file->dead_bytes, 8);
        expect_finding(fixture, "the dead bytes counted", "");
        atomic_fetch_add(&file->dead_bytes, 16);
        if (is_sealed) /* of the other, some may be of what is not looked at */
            expect_finding(fixture, "the dead bytes counted", "");
        atomic_fetch_sub(&file->dead_bytes, 8);
        atomic_fetch_sub(&file->tombstone_bytes, is_sealed ? UINT64_MAX - 7 : 8);
        expect_finding(fixture, "the bytes of tombstones counted", "");
        atomic_fetch_add(&file->tombstone_bytes, is_sealed ? UINT64_MAX - 7 : 8);
        expect_whole(fixture);
    }
}

/* ---------------------------------------------------------------------- hints */

/* Lets the hint of the file in slot 0 of shard 0, which must be sealed and have one, place its
 * first record 8 bytes from where it is. */
static void
forge_hint(const struct db_fixture *fixture)
{
    struct data_file *file = atomic_load(&fixture->db->shards[0]->files[0]);
    struct hint_reader *reader;
    struct hint_writer *writer;
    struct hint_chunk chunk;
    struct hint_walk walk;
    struct hint_entry entry;
    const char *why_not;
    assert_ok(adb_hint_open(file, SHARD_PATH, false, &reader, &why_not));
    assert_non_null(reader);
    struct hint_header header = *adb_hint_header(reader);
    assert_ok(adb_hint_begin(fixture->os, SHARD_PATH, &header, &writer));
    for (uint32_t i = 0; i < header.chunks; i++) {
        assert_ok(adb_hint_read(reader, i, chunk.bytes));
        adb_hint_walk_begin(&walk, chunk.bytes);
        assert_int_equal(adb_hint_walk_next(&walk, &entry), HINT_ENTRY);
        entry.location = adb_location_make(0, adb_location_offset(entry.location) + 8,
                                           adb_location_value_len(entry.location));
        if (i == 0)
            adb_store_u64(chunk.bytes + HINT_CHUNK_HEAD_BYTES + HINT_GROUP_HEAD_BYTES,
                          adb_hint_word(&entry));
        assert_ok(adb_hint_write(writer, &chunk));
    }
    assert_ok(adb_hint_commit(writer, &header));
    adb_hint_close(reader);
}

/* Both files have a hint, and the second one goes on behind it. */
static void
fill_and_reopen(struct db_fixture *fixture)
{
    put_round(fixture->collection, 1);
    put_round(fixture->collection, 2);
    reopen_db(fixture);
    put_round(fixture->collection, 2);
    assert_int_equal(stats_of(fixture->db).files, 3);
    expect_whole(fixture);
}

static void
test_db_verify_open__forged_hint__is_found_and_offline_too(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct findings findings = {0};
    fill_and_reopen(fixture);
    forge_hint(fixture);
    expect_finding(fixture, "the hint says something else than the data file", "");
    close_db(fixture);
    assert_int_equal(adb_db_verify(fixture->os, DB_PATH, note, &findings, &findings.report),
                     ARMDB_CORRUPT);
    assert_int_equal(findings.count, 1);
    assert_non_null(strstr(findings.message, "something else than the data file"));
    assert_string_equal(findings.file, FIRST_HINT);
}

static void
test_db_verify_open__damaged_hint__is_found(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    fill_and_reopen(fixture);
    sim_corrupt(fixture->sim, FIRST_HINT, 500, 1);
    expect_finding(fixture, "its hint is of no use", "");
    /* What is wrong in a hint hides nothing else. */
    struct findings findings;
    change_index(fixture->collection, "key00004", 0);
    assert_int_equal(verify(fixture, &findings), ARMDB_CORRUPT);
    assert_int_equal(findings.count, 2);
    assert_string_equal(findings.key, "key00004");
}

static void
test_db_verify_open__collection_dropped_since_the_hint__is_whole(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    put_round(create_collection(fixture->db, "passing", ARMDB_KEY_VARIABLE, ARMDB_ASCENDING), 1);
    put_round(fixture->collection, 1);
    reopen_db(fixture);
    assert_ok(adb_collection_drop(fixture->db, "passing"));
    expect_whole(fixture);
}

/* ------------------------------------------------------------------- failures */

static void
test_db_verify_open__any_call_fails__is_told_and_no_damage(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    bool fired = true;
    fill_and_reopen(fixture);
    assert_ok(adb_db_flush(fixture->db));
    size_t open_files = sim_open_count(fixture->sim);
    for (uint64_t n = 1; fired; n++) {
        struct findings findings;
        set_fault(fixture, SIM_FAULT_ERROR, 0, n, false);
        armdb_err err = verify(fixture, &findings);
        fired = sim_fault_fired(fixture->sim);
        sim_clear_fault(fixture->sim);
        assert_int_equal(findings.count, 0);
        assert_true(err == ARMDB_OK || (fired && err == ARMDB_IO));
        assert_int_equal(sim_open_count(fixture->sim), open_files);
    }
    expect_whole(fixture);
}

static void
test_db_verify_open__out_of_memory__is_told_and_no_damage(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_err err = ARMDB_NO_MEMORY;
    fill_and_reopen(fixture);
    delete_some(fixture->collection, 1);
    for (uint64_t n = 1; err != ARMDB_OK; n++) {
        struct findings findings;
        adb_mem_fail_at(n, false);
        err = verify(fixture, &findings);
        adb_mem_fail_at(0, false);
        assert_int_equal(findings.count, 0);
        assert_true(err == ARMDB_OK || err == ARMDB_NO_MEMORY);
    }
    armdb_compact_progress done; /* nothing is held any more */
    put_round(fixture->collection, 2);
    assert_ok(adb_db_compact(fixture->db, NULL, &done));
    assert_int_equal(stats_of(fixture->db).dead_bytes, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SMALL_TEST(test_db_verify_open__all_kinds_of_collections__are_whole),
        SMALL_TEST(test_db_verify_open__keys_with_deadlines__are_whole),
        SMALL_TEST(test_db_verify_open__at_any_step_of_compaction__is_whole),
        SMALL_TEST(test_db_verify_open__everything_goes_on__is_whole),
        SMALL_TEST(test_db_verify_open__shard_that_refuses_writes__is_checked),
        SMALL_TEST(test_db_verify_open__flipped_byte__is_found_in_any_file),
        SMALL_TEST(test_db_verify_open__file_cut_or_gone__is_found),
        SMALL_TEST(test_db_verify_open__index_names_an_older_record__is_found),
        SMALL_TEST(test_db_verify_open__index_lacks_a_key__is_found),
        SMALL_TEST(test_db_verify_open__index_has_a_deleted_key__is_found),
        SMALL_TEST(test_db_verify_open__index_names_another_keys_record__is_found),
        SMALL_TEST(test_db_verify_open__index_has_another_value__is_found),
        SMALL_TEST(test_db_verify_open__wrong_accounts__are_found),
        SMALL_TEST(test_db_verify_open__forged_hint__is_found_and_offline_too),
        SMALL_TEST(test_db_verify_open__damaged_hint__is_found),
        SMALL_TEST(test_db_verify_open__collection_dropped_since_the_hint__is_whole),
        SMALL_TEST(test_db_verify_open__any_call_fails__is_told_and_no_damage),
        SMALL_TEST(test_db_verify_open__out_of_memory__is_told_and_no_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
