/* Hooks: what they are told, in which order, what they may do, and what happens if they can't. */
#include "db_fixture.h"
#include "support/thing.h"

#define HANDLE ((armdb_collection *)&handle)
static char handle; /* stands for the public handle of the collection */

/* What a hook has been told, as text, and what it does. */
struct hearer {
    char text[4096];
    size_t len;
    uint64_t newest;               /* sequence number */
    struct collection *written;    /* not NULL: put to it, in the hook, */
    unsigned n_writes;             /* so many times */
    armdb_err write_err;           /* what the last of these returned */
    armdb_err init_err;            /* what on_init returns for the key "bad" */
    struct db_fixture *closed_in;  /* not NULL: wrong use is tried on it */
    struct collection *deleted_in; /* not NULL: on_init deletes the key that it is told of there */
};

__attribute__((format(printf, 2, 3))) static void
say(struct hearer *hearer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(hearer->text + hearer->len, sizeof hearer->text - hearer->len, format,
                        args);
    va_end(args);
    hearer->len += (size_t)len;
    assert_true(hearer->len < sizeof hearer->text);
}

static const char *
err_text(armdb_err err)
{
    return err == ARMDB_OK ? "" : armdb_err_name(err);
}

static void
say_change(struct hearer *hearer, const armdb_change *change)
{
    static const char *const kinds[] = {"", "put", "delete", "expire", "live"};
    say(hearer, "%s %.*s=%.*s", kinds[change->kind], (int)change->key.len,
        (const char *)change->key.data, (int)change->value.len, (const char *)change->value.data);
    if (change->had_value)
        say(hearer, "<%.*s%s", (int)change->old_value.len, (const char *)change->old_value.data,
            err_text(change->old_err));
    say(hearer, ";");
}

static void
try_wrong_use(const struct db_fixture *fixture)
{
    bool is_closed;
    assert_int_equal(adb_db_close(fixture->db, &is_closed), ARMDB_BUSY);
    assert_false(is_closed);
    expect_detail(ARMDB_BUSY, "hook", NULL);
    assert_int_equal(adb_collection_set_hook(fixture->collection, HANDLE, NULL), ARMDB_BUSY);
    expect_detail(ARMDB_BUSY, "hook", NULL);
}

static void
on_change(void *context, const armdb_change *change)
{
    struct hearer *hearer = (struct hearer *)context;
    assert_ptr_equal(change->collection, HANDLE);
    assert_true(change->sequence > hearer->newest);
    hearer->newest = change->sequence;
    say_change(hearer, change);
    if (hearer->closed_in != NULL)
        try_wrong_use(hearer->closed_in);
    for (unsigned i = 0; hearer->written != NULL && i < hearer->n_writes; i++)
        hearer->write_err = write_at_level(hearer->written, SHARD_PUT, "inner", i == 0 ? "0" : "1",
                                           ARMDB_WRITTEN);
    say(hearer, ".");
}

static armdb_err
on_init(void *context, const armdb_change *pair)
{
    struct hearer *hearer = (struct hearer *)context;
    assert_int_equal(pair->kind, ARMDB_CHANGE_LIVE);
    say(hearer, "live %.*s=%.*s;", (int)pair->key.len, (const char *)pair->key.data,
        (int)pair->value.len, (const char *)pair->value.data);
    if (hearer->deleted_in != NULL)
        assert_ok(adb_db_write(hearer->deleted_in, SHARD_DELETE, pair->key, armdb_str(""), NULL));
    if (pair->key.len == 3 && memcmp(pair->key.data, "bad", 3) == 0)
        return hearer->init_err;
    return ARMDB_OK;
}

static armdb_err
try_hook(struct collection *collection, struct hearer *hearer, bool wants_old, bool wants_init)
{
    armdb_hook hook = ARMDB_HOOK_INIT;
    hook.wants_old = wants_old;
    hook.on_change = on_change;
    hook.on_init = wants_init ? on_init : NULL;
    hook.context = hearer;
    return adb_collection_set_hook(collection, HANDLE, &hook);
}

static void
expect_heard(struct hearer *hearer, const char *text)
{
    assert_string_equal(hearer->text, text);
    hearer->len = 0;
    hearer->text[0] = 0;
}

/* ------------------------------------------------------------------- what is told */

static void
test_db_hook__each_verb__is_told_once_in_order(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *c = fixture->collection;
    struct hearer hearer = {0};
    put(c, "before", "x");
    assert_ok(try_hook(c, &hearer, false, false));
    put(c, "a", "1");
    put(c, "a", "2");
    assert_int_equal(write_at_level(c, SHARD_INSERT, "a", "3", ARMDB_WRITTEN), ARMDB_EXISTS);
    assert_ok(write_at_level(c, SHARD_INSERT, "b", "", ARMDB_SYNCED));
    assert_ok(try_delete(c, "a"));
    assert_int_equal(try_delete(c, "a"), ARMDB_NOT_FOUND);
    expect_heard(&hearer, "put a=1;.put a=2<;.put b=;.delete a=<;.");
    struct collection *other = create_collection(fixture->db, "other", ARMDB_KEY_VARIABLE,
                                                 ARMDB_ASCENDING);
    put(other, "a", "not told");
    expect_heard(&hearer, "");
}

static void
check_old(struct db_fixture *fixture, const char *name, const armdb_collection_options *options)
{
    struct collection *c;
    struct hearer hearer = {0};
    assert_ok(adb_collection_create(fixture->db, name, options, &c));
    assert_ok(try_hook(c, &hearer, true, false));
    put(c, "a", "one");
    put(c, "a", "two");
    assert_ok(adb_db_flush(fixture->db));
    put(c, "a", "six");
    assert_ok(adb_db_sync(fixture->db));
    assert_ok(try_delete(c, "a"));
    put(c, "a", "ten");
    expect_heard(&hearer, "put a=one;.put a=two<one;.put a=six<two;.delete a=<six;.put a=ten;.");
}

static void
test_db_hook__old_value__is_told_of_every_kind(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    static struct thing_world world;
    const armdb_codec codec = thing_codec(&world);
    armdb_collection_options options = thing_options(&codec, ARMDB_ASCENDING);
    check_old(fixture, "objects", &options);
    options = (armdb_collection_options)ARMDB_COLLECTION_OPTIONS_INIT;
    check_old(fixture, "tree", &options);
    options.value_bytes = 3;
    check_old(fixture, "const", &options);
    options.order = ARMDB_UNORDERED;
    check_old(fixture, "const map", &options);
    options.value_bytes = 0;
    check_old(fixture, "map", &options);
}

/* Also a value that nobody could see any more: what was told as new is told as old. */
static void
test_db_hook__expired_key__is_told_with_its_value(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *c = fixture->collection;
    struct hearer hearer = {0};
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    options.ttl_ms = 1000;
    assert_ok(try_hook(c, &hearer, true, false));
    sim_set_wall_ms(fixture->sim, UINT64_C(2000000000000));
    assert_ok(adb_db_write(c, SHARD_PUT, armdb_str("swept"), armdb_str("1"), &options));
    assert_ok(adb_db_write(c, SHARD_PUT, armdb_str("again"), armdb_str("2"), &options));
    sim_set_wall_ms(fixture->sim, UINT64_C(2000000001000));
    expect_absent(c, "swept");
    assert_ok(write_at_level(c, SHARD_INSERT, "again", "3", ARMDB_WRITTEN));
    expect_heard(&hearer, "put swept=1;.put again=2;.put again=3<2;.");
    armdb_compact_progress progress;
    assert_ok(adb_db_compact(fixture->db, NULL, &progress));
    expect_heard(&hearer, "expire swept=<1;.");
}

static void
test_db_hook__compaction__is_not_told(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *c = fixture->collection;
    struct hearer hearer = {0};
    armdb_compact_progress progress;
    put_bytes(c, armdb_str("large"), 40000, 1);
    put_bytes(c, armdb_str("stays"), 9000, 2);
    put_bytes(c, armdb_str("large"), 40000, 3);
    put_bytes(c, armdb_str("large"), 40000, 4);
    assert_ok(try_hook(c, &hearer, true, false));
    assert_ok(adb_db_compact(fixture->db, NULL, &progress));
    assert_true(progress.freed_bytes > 0);
    expect_heard(&hearer, "");
    expect_bytes(c, armdb_str("stays"), 9000, 2);
}

static void
on_large(void *context, const armdb_change *change)
{
    struct hearer *hearer = (struct hearer *)context;
    unsigned char *bytes = make_bytes(40000, 1);
    say(hearer, "%zu<%zu", change->value.len, change->old_value.len);
    assert_ok(change->old_err);
    if (change->had_value)
        assert_memory_equal(change->old_value.data, bytes, 40000);
    free(bytes);
    /* Its file can be replaced, and is kept all the same: the bytes were read before. */
    say(hearer, ".");
}

static void
test_db_hook__large_old_value__is_read_from_its_file(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct hearer hearer = {0};
    armdb_hook hook = ARMDB_HOOK_INIT;
    hook.wants_old = 1;
    hook.on_change = on_large;
    hook.context = &hearer;
    assert_ok(adb_collection_set_hook(fixture->collection, HANDLE, &hook));
    put_bytes(fixture->collection, armdb_str("k"), 40000, 1);
    put_bytes(fixture->collection, armdb_str("other"), 60000, 2);
    put_bytes(fixture->collection, armdb_str("k"), 100, 3);
    expect_heard(&hearer, "40000<0.60000<0.100<40000.");
}

static void
test_db_hook__old_value_cannot_be_read__is_told(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *c = fixture->collection;
    struct hearer hearer = {0};
    put(c, "a", "1");
    assert_ok(adb_db_sync(fixture->db));
    assert_ok(try_hook(c, &hearer, true, false));
    set_fault(fixture, SIM_FAULT_READ, SIM_READS, 1, true);
    put(c, "a", "2");
    expect_heard(&hearer, "put a=2<ARMDB_IO;.");
    sim_clear_fault(fixture->sim);
    put(c, "a", "3");
    expect_heard(&hearer, "put a=3<2;.");
}

/* ----------------------------------------------------------------- what hooks may do */

static void
test_db_hook__writes_in_it__are_told_after_it(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *other = create_collection(fixture->db, "other", ARMDB_KEY_VARIABLE,
                                                 ARMDB_ASCENDING);
    struct hearer hearer = {.written = other, .n_writes = 2};
    struct hearer second = {0};
    assert_ok(try_hook(fixture->collection, &hearer, true, false));
    assert_ok(try_hook(other, &second, true, false));
    put(fixture->collection, "a", "1");
    assert_ok(hearer.write_err);
    expect_get(other, "inner", "1");
    expect_heard(&hearer, "put a=1;.");
    expect_heard(&second, "put inner=0;.put inner=1<0;.");
}

static void
test_db_hook__changes_too_deep__are_refused(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *c = fixture->collection;
    struct hearer hearer = {.written = c, .n_writes = 1};
    assert_ok(try_hook(c, &hearer, false, false));
    put(c, "a", "1");
    assert_int_equal(hearer.write_err, ARMDB_LIMIT);
    unsigned told = 0;
    for (const char *at = hearer.text; (at = strchr(at, ';')) != NULL; at++)
        told++;
    assert_int_equal(told, ARMDB_HOOK_DEPTH_MAX);
    hearer = (struct hearer){.newest = hearer.newest};
    put(c, "b", "2");
    expect_heard(&hearer, "put b=2;.");
}

struct sweeper {
    struct db_fixture *fixture;
    armdb_err err; /* of compacting at the greatest depth */
    unsigned expired;
};

/* An on_change: goes as deep as it may, and compacts there. */
static void
go_deep_and_compact(void *context, const armdb_change *change)
{
    struct sweeper *sweeper = (struct sweeper *)context;
    armdb_compact_progress progress;
    sweeper->expired += change->kind == ARMDB_CHANGE_EXPIRE;
    if (change->kind != ARMDB_CHANGE_EXPIRE &&
        write_at_level(sweeper->fixture->collection, SHARD_PUT, "inner", "x", ARMDB_WRITTEN) ==
            ARMDB_LIMIT)
        sweeper->err = adb_db_compact(sweeper->fixture->db, NULL, &progress);
}

/* That a key expires is no change that a hook makes. */
static void
test_db_hook__compacting_in_the_deepest__expires_keys(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct sweeper sweeper = {.fixture = fixture, .err = ARMDB_BUSY};
    armdb_hook hook = ARMDB_HOOK_INIT;
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    options.ttl_ms = 1000;
    sim_set_wall_ms(fixture->sim, UINT64_C(2000000000000));
    assert_ok(
        adb_db_write(fixture->collection, SHARD_PUT, armdb_str("swept"), armdb_str("1"), &options));
    sim_set_wall_ms(fixture->sim, UINT64_C(2000000001000));
    hook.on_change = go_deep_and_compact;
    hook.context = &sweeper;
    assert_ok(adb_collection_set_hook(fixture->collection, HANDLE, &hook));
    put(fixture->collection, "a", "1");
    assert_ok(sweeper.err);
    assert_int_equal(sweeper.expired, 1);
}

static void
test_db_hook__wrong_use_in_it__is_busy(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct hearer hearer = {.closed_in = fixture};
    assert_ok(try_hook(fixture->collection, &hearer, false, false));
    assert_int_equal(adb_fail(ARMDB_TOO_BIG, "test", "kept"), ARMDB_TOO_BIG);
    put(fixture->collection, "a", "1");
    expect_heard(&hearer, "put a=1;.");
    expect_detail(ARMDB_TOO_BIG, "kept", NULL); /* a write that works leaves the record alone */
}

static void
test_db_hook__more_than_one_shard__all_are_told(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    fixture->options.shards = 4;
    open_db(fixture);
    struct collection *other = create_collection(fixture->db, "other", ARMDB_KEY_VARIABLE,
                                                 ARMDB_ASCENDING);
    struct hearer second = {0};
    armdb_hook hook = ARMDB_HOOK_INIT;
    struct hearer hearer = {.written = other, .n_writes = 1};
    hook.on_change = on_change;
    hook.context = &hearer;
    assert_ok(adb_collection_set_hook(fixture->collection, HANDLE, &hook));
    hook.context = &second;
    assert_ok(adb_collection_set_hook(other, HANDLE, &hook));
    for (unsigned i = 0; i < 40; i++) {
        char key[8];
        snprintf(key, sizeof key, "%u", i);
        hearer.newest = 0;
        put(fixture->collection, key, "");
        expect_heard(&second, i == 0 ? "put inner=0;." : "put inner=0<;.");
    }
    second.written = fixture->collection; /* to and fro between shards, until it is too deep */
    second.n_writes = 1;
    hearer = (struct hearer){.written = other, .n_writes = 1};
    put(fixture->collection, "x", "");
    assert_int_equal(second.write_err, ARMDB_LIMIT);
}

/* ------------------------------------------------------------------ set, take away */

static void
test_db_hook__taken_away__is_told_nothing(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *c = fixture->collection;
    struct hearer hearer = {0};
    assert_ok(try_hook(c, &hearer, false, false));
    assert_int_equal(try_hook(c, &hearer, false, false), ARMDB_EXISTS);
    assert_ok(adb_collection_set_hook(c, HANDLE, NULL));
    put(c, "a", "1");
    expect_heard(&hearer, "");
    assert_ok(adb_collection_set_hook(c, HANDLE, NULL)); /* there is none: nothing to do */
    assert_ok(try_hook(c, &hearer, false, false));
    put(c, "a", "2");
    expect_heard(&hearer, "put a=2<;.");
    reopen_db(fixture); /* not stored */
    put(fixture->collection, "a", "3");
    expect_heard(&hearer, "");
}

static void
test_db_hook__bad_hooks__are_refused(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_hook hook = ARMDB_HOOK_INIT;
    assert_int_equal(adb_collection_set_hook(fixture->collection, HANDLE, &hook), ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, "on_change", NULL);
    hook.on_change = on_change;
    hook.struct_bytes = 3;
    assert_int_equal(adb_collection_set_hook(fixture->collection, HANDLE, &hook), ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, "struct_bytes is 3", NULL);
    struct collection *other = create_collection(fixture->db, "other", ARMDB_KEY_VARIABLE,
                                                 ARMDB_ASCENDING);
    struct hearer hearer = {0};
    assert_ok(adb_collection_drop(fixture->db, "other"));
    assert_int_equal(try_hook(other, &hearer, false, false), ARMDB_NO_COLLECTION);
}

static void
test_db_hook__init__shows_each_key_before_changes(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *c = fixture->collection;
    struct collection *copy = create_collection(fixture->db, "copy", ARMDB_KEY_VARIABLE,
                                                ARMDB_ASCENDING);
    struct hearer hearer = {.deleted_in = copy}, second = {0};
    const char *const keys[] = {"b", "a", "c"};
    for (unsigned i = 0; i < 3; i++) {
        put(c, keys[i], keys[i]);
        put(copy, keys[i], "");
    }
    assert_ok(try_delete(c, "c"));
    assert_ok(try_hook(copy, &second, false, false));
    assert_ok(try_hook(c, &hearer, true, true));
    expect_heard(&hearer, "live a=a;live b=b;");
    expect_heard(&second, "delete a=<;.delete b=<;."); /* told when it was over */
    put(c, "a", "2");
    expect_heard(&hearer, "put a=2<a;.");
}

static void
test_db_hook__init_fails__there_is_no_hook(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *c = fixture->collection;
    struct hearer hearer = {.init_err = ARMDB_LIMIT};
    put(c, "a", "1");
    put(c, "bad", "2");
    put(c, "c", "3");
    assert_int_equal(try_hook(c, &hearer, false, true), ARMDB_LIMIT);
    expect_detail(ARMDB_LIMIT, "on_init", NULL);
    expect_heard(&hearer, "live a=1;live bad=2;");
    put(c, "c", "4");
    expect_heard(&hearer, "");
    assert_ok(adb_db_sync(fixture->db));
    hearer.init_err = ARMDB_OK;
    set_fault(fixture, SIM_FAULT_READ, SIM_READS, 1, true);
    assert_int_equal(try_hook(c, &hearer, false, true), ARMDB_IO); /* not: no such key */
    sim_clear_fault(fixture->sim);
    expect_heard(&hearer, "");
    assert_ok(try_hook(c, &hearer, false, true));
    expect_heard(&hearer, "live a=1;live bad=2;live c=4;");
}

/* ------------------------------------------------------------------------- faults */

/* A write that fails is not told; one that works is, also if the old value can't be had. */
static void
test_db_hook__no_memory__told_if_and_only_if_written(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *c = fixture->collection;
    struct hearer hearer = {0};
    put(c, "a", "0");
    assert_ok(try_hook(c, &hearer, true, false));
    unsigned n_failed = 0;
    for (uint64_t n = 1; n < 10; n++) {
        adb_mem_fail_at(n, false);
        armdb_err err = write_at_level(c, SHARD_PUT, "a", "0", ARMDB_WRITTEN);
        adb_mem_fail_at(0, false);
        if (err != ARMDB_OK)
            assert_int_equal(err, ARMDB_NO_MEMORY);
        n_failed += err != ARMDB_OK;
        if (err != ARMDB_OK)
            expect_heard(&hearer, "");
        else if (strstr(hearer.text, "ARMDB") != NULL)
            expect_heard(&hearer, "put a=0<ARMDB_NO_MEMORY;.");
        else
            expect_heard(&hearer, "put a=0<0;.");
    }
    assert_true(n_failed > 0);
}

static void
test_db_hook__no_space__is_not_told(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *c = fixture->collection;
    struct hearer hearer = {0};
    assert_ok(try_hook(c, &hearer, true, false));
    set_fault(fixture, SIM_FAULT_NO_SPACE, SIM_ALL, 1, true);
    unsigned char *bytes = make_bytes(200000, 1);
    assert_int_equal(adb_db_write(c, SHARD_PUT, armdb_str("k"), armdb_bytes(bytes, 200000), NULL),
                     ARMDB_NO_SPACE);
    free(bytes);
    expect_heard(&hearer, "");
    sim_clear_fault(fixture->sim);
    put(c, "a", "1");
    expect_heard(&hearer, "put a=1;.");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(test_db_hook__each_verb__is_told_once_in_order),
        DB_TEST(test_db_hook__old_value__is_told_of_every_kind),
        DB_TEST(test_db_hook__expired_key__is_told_with_its_value),
        DB_TEST(test_db_hook__compaction__is_not_told),
        DB_TEST(test_db_hook__large_old_value__is_read_from_its_file),
        DB_TEST(test_db_hook__old_value_cannot_be_read__is_told),
        DB_TEST(test_db_hook__writes_in_it__are_told_after_it),
        DB_TEST(test_db_hook__changes_too_deep__are_refused),
        DB_TEST(test_db_hook__compacting_in_the_deepest__expires_keys),
        DB_TEST(test_db_hook__wrong_use_in_it__is_busy),
        DISK_TEST(test_db_hook__more_than_one_shard__all_are_told),
        DB_TEST(test_db_hook__taken_away__is_told_nothing),
        DB_TEST(test_db_hook__bad_hooks__are_refused),
        DB_TEST(test_db_hook__init__shows_each_key_before_changes),
        DB_TEST(test_db_hook__init_fails__there_is_no_hook),
        DB_TEST(test_db_hook__no_memory__told_if_and_only_if_written),
        DB_TEST(test_db_hook__no_space__is_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
