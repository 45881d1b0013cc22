/* Changing a key by what it has: every answer, every kind of collection, who comes in between. */
#include "db/db_update.h"
#include "db_fixture.h"
#include "support/os_hook.h"
#include "support/thing.h"

#define NOW_MS UINT64_C(2000000000000)

/* Kinds of collections: where the value is read from differs. */
enum kind { KIND_TREE, KIND_CONST, KIND_MAP, KIND_MAP_CONST, KINDS };

static struct collection *
create_kind(struct db_fixture *fixture, enum kind kind, uint32_t const_bytes)
{
    static const char *const names[KINDS] = {"tree", "const", "map", "const map"};
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    struct collection *collection;
    if (kind == KIND_CONST || kind == KIND_MAP_CONST)
        options.value_bytes = const_bytes;
    if (kind == KIND_MAP || kind == KIND_MAP_CONST)
        options.order = ARMDB_UNORDERED;
    assert_ok(adb_collection_create(fixture->db, names[kind], &options, &collection));
    return collection;
}

static armdb_slice
text(const char *text_or_null)
{
    return text_or_null != NULL ? armdb_str(text_or_null) : armdb_absent();
}

/* NULL: absent. Hands out what is there in `current_out` unless that is NULL. */
static armdb_err
cas(struct collection *collection, const char *key, const char *expected, const char *desired,
    armdb_value *current_out)
{
    const struct db_cas what = {armdb_str(key), text(expected), text(desired)};
    return adb_db_cas(collection, &what, NULL, current_out);
}

static void
expect_text(armdb_value *value, const char *expected)
{
    assert_int_equal(value->len, strlen(expected));
    assert_memory_equal(armdb_value_bytes(value).data, expected, strlen(expected));
    armdb_value_release(value);
}

static void
expect_deadline(struct collection *collection, const char *key, uint64_t expected)
{
    uint64_t deadline_ms;
    assert_ok(adb_db_deadline(collection, armdb_str(key), &deadline_ms));
    assert_true(deadline_ms == expected);
}

static void
put_until(struct collection *collection, const char *key, const char *value, uint64_t deadline_ms)
{
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    options.expires_at_ms = deadline_ms;
    assert_ok(adb_db_write(collection, SHARD_PUT, armdb_str(key), armdb_str(value), &options));
}

/* ---------------------------------------------------------------------------- cas */

static void
test_db_update__cas__has_a_different_answer_for_each_case(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    for (int kind = 0; kind < KINDS; kind++) {
        struct collection *collection = create_kind(fixture, (enum kind)kind, 5);
        armdb_value current = {0};
        assert_int_equal(cas(collection, "key", "first", "other", &current), ARMDB_NOT_FOUND);
        assert_int_equal(current.len, 0);
        assert_ok(cas(collection, "key", NULL, "first", &current));
        assert_int_equal(cas(collection, "key", NULL, "other", &current), ARMDB_CHANGED);
        expect_text(&current, "first");
        assert_int_equal(cas(collection, "key", "First", "other", &current), ARMDB_CHANGED);
        expect_text(&current, "first");
        assert_int_equal(cas(collection, "key", "First", "other", NULL), ARMDB_CHANGED);
        assert_int_equal(cas(collection, "key", "a longer one", "other", &current), ARMDB_CHANGED);
        expect_text(&current, "first");
        assert_int_equal(cas(collection, "key", "", "other", NULL), ARMDB_CHANGED);
        expect_get(collection, "key", "first");
        assert_ok(cas(collection, "key", "first", "other", &current));
        assert_int_equal(current.len, 0);
        expect_get(collection, "key", "other");
        assert_int_equal(cas(collection, "key", "first", NULL, NULL), ARMDB_CHANGED);
        assert_ok(cas(collection, "key", "other", NULL, NULL));
        expect_absent(collection, "key");
        assert_int_equal(cas(collection, "key", "other", NULL, NULL), ARMDB_NOT_FOUND);
        expect_count(collection, 0);
    }
    kill_and_open(fixture);
    expect_absent(open_collection(fixture->db, "tree"), "key");
    assert_int_equal(stats_of(fixture->db).value_bytes, 0);
}

static void
test_db_update__cas_of_long_and_empty_values__compares_all_bytes(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *collection = fixture->collection;
    static const size_t lens[] = {0, 1, 20, 21, 4096, 70000, 1 << 20};
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        unsigned char *bytes = make_bytes(lens[i], 1);
        struct db_cas what = {armdb_str("key"), armdb_bytes(bytes, lens[i]), armdb_str("new")};
        put_bytes(collection, armdb_str("key"), lens[i], 1);
        if (lens[i] > 0) {
            bytes[lens[i] - 1] ^= 1;
            assert_int_equal(adb_db_cas(collection, &what, NULL, NULL), ARMDB_CHANGED);
            bytes[lens[i] - 1] ^= 1;
        }
        assert_ok(adb_db_cas(collection, &what, NULL, NULL));
        expect_get(collection, "key", "new");
        free(bytes);
    }
    assert_int_equal(stats_of(fixture->db).value_bytes, 0);
}

static void
test_db_update__cas_with_another_length__reads_no_file(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    put(fixture->collection, "key", "value");
    set_fault(fixture, SIM_FAULT_READ, 0, 1, true);
    assert_int_equal(cas(fixture->collection, "key", "longer value", "x", NULL), ARMDB_CHANGED);
    assert_int_equal(cas(fixture->collection, "key", NULL, "x", NULL), ARMDB_CHANGED);
}

static void
test_db_update__arguments_that_can_not_be__are_refused_and_change_nothing(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *fixed = create_kind(fixture, KIND_CONST, 5);
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    struct db_cas what = {armdb_str("key"), armdb_str("first"), armdb_str("other")};
    armdb_ticket ticket = {7, 7, 7};
    put(fixed, "key", "first");
    assert_int_equal(cas(fixed, "key", "first", "too long", NULL), ARMDB_VALUE_LENGTH);
    assert_int_equal(cas(fixed, "key", "wrong", "too long", NULL), ARMDB_VALUE_LENGTH);
    assert_int_equal(cas(fixed, "key", NULL, NULL, NULL), ARMDB_INVALID);
    assert_int_equal(cas(fixed, "", "first", "other", NULL), ARMDB_KEY_LENGTH);
    options.durability = (armdb_durability)9;
    options.ticket = &ticket;
    assert_int_equal(adb_db_cas(fixed, &what, &options, NULL), ARMDB_INVALID);
    assert_true(ticket.sequence == 0);
    expect_get(fixed, "key", "first");
    assert_ok(adb_collection_drop(fixture->db, "const"));
    assert_int_equal(cas(fixed, "key", "first", "other", NULL), ARMDB_NO_COLLECTION);
    what.desired = (armdb_slice){"", ARMDB_VALUE_MAX + (size_t)1};
    assert_int_equal(adb_db_cas(fixture->collection, &what, NULL, NULL), ARMDB_TOO_BIG);
}

static void
test_db_update__a_value_that_can_not_be_read__is_neither_changed_nor_absent(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_value current;
    put(fixture->collection, "key", "value");
    set_fault(fixture, SIM_FAULT_READ, 0, 1, true);
    assert_int_equal(cas(fixture->collection, "key", "value", "other", &current), ARMDB_IO);
    assert_int_equal(cas(fixture->collection, "key", "value", NULL, NULL), ARMDB_IO);
    sim_clear_fault(fixture->sim);
    expect_get(fixture->collection, "key", "value");
    assert_ok(cas(fixture->collection, "key", "value", "other", NULL)); /* it does not fence */
}

static void
test_db_update__synced_cas_with_a_ticket__is_waited_for(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    armdb_ticket ticket;
    struct db_cas what = {armdb_str("key"), armdb_absent(), armdb_str("value")};
    options.durability = ARMDB_SYNCED;
    options.ticket = &ticket;
    assert_ok(adb_db_cas(fixture->collection, &what, &options, NULL));
    assert_true(ticket.sequence != 0);
    assert_int_equal(adb_db_cas(fixture->collection, &what, &options, NULL), ARMDB_CHANGED);
    assert_true(ticket.sequence == 0);
    options.ticket = NULL;
    what.expected = armdb_str("value");
    what.desired = armdb_str("newer");
    assert_ok(adb_db_cas(fixture->collection, &what, &options, NULL));
    cut_and_open(fixture, SIM_CUT_LOSE);
    expect_get(fixture->collection, "key", "newer");
}

/* ---------------------------------------------------------------------- deadlines */

static void
test_db_update__deadlines__are_kept_unless_given_anew(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    sim_set_wall_ms(fixture->sim, NOW_MS);
    for (int kind = 0; kind < KINDS; kind++) {
        struct collection *collection = create_kind(fixture, (enum kind)kind, 5);
        const struct db_cas what = {armdb_str("key"), armdb_str("other"), armdb_str("again")};
        put_until(collection, "key", "value", NOW_MS + 1000);
        assert_ok(cas(collection, "key", "value", "other", NULL));
        expect_deadline(collection, "key", NOW_MS + 1000);
        options.expires_at_ms = NOW_MS + 5000;
        assert_ok(adb_db_cas(collection, &what, &options, NULL));
        expect_deadline(collection, "key", NOW_MS + 5000);
        sim_set_wall_ms(fixture->sim, NOW_MS + 5000);
        assert_int_equal(cas(collection, "key", "again", "other", NULL), ARMDB_NOT_FOUND);
        assert_ok(cas(collection, "key", NULL, "fresh", NULL)); /* what has expired is not kept */
        expect_deadline(collection, "key", 0);
        sim_set_wall_ms(fixture->sim, NOW_MS);
    }
}

static void
test_db_update__cas_that_removes__needs_no_deadline(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    const struct db_cas what = {armdb_str("key"), armdb_str("value"), armdb_absent()};
    options.ttl_ms = 1000;
    put(fixture->collection, "key", "value");
    assert_ok(adb_db_cas(fixture->collection, &what, &options, NULL));
    kill_and_open(fixture);
    expect_absent(fixture->collection, "key");
}

/* ---------------------------------------------------------------------------- add */

static armdb_err
add(struct collection *collection, const char *key, int64_t delta, int64_t *sum_out)
{
    *sum_out = 0;
    return adb_db_add(collection, armdb_str(key), delta, NULL, sum_out);
}

static void
expect_add(struct collection *collection, int64_t delta, int64_t expected)
{
    int64_t sum;
    assert_ok(add(collection, "key", delta, &sum));
    assert_true(sum == expected);
}

static void
test_db_update__add__counts_from_0_up_to_the_ends_of_each_width(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    for (uint32_t width = 1; width <= 8; width *= 2) {
        const int64_t largest = INT64_MAX >> (64 - 8 * width);
        armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
        struct collection *collection;
        char name[16];
        int64_t sum;
        snprintf(name, sizeof name, "%u", width);
        options.value_bytes = width;
        options.order = width > 2 ? ARMDB_UNORDERED : ARMDB_ASCENDING;
        assert_ok(adb_collection_create(fixture->db, name, &options, &collection));
        expect_add(collection, 5, 5);
        expect_add(collection, -7, -2);
        expect_add(collection, 0, -2);
        expect_add(collection, largest, largest - 2);
        expect_add(collection, 2, largest);
        assert_int_equal(add(collection, "key", 1, &sum), ARMDB_OVERFLOW);
        expect_detail(ARMDB_OVERFLOW, "1 added to", "does not fit", name, NULL);
        assert_int_equal(add(collection, "key", INT64_MAX, &sum), ARMDB_OVERFLOW);
        expect_add(collection, -largest, 0);
        expect_add(collection, -largest - 1, -largest - 1);
        assert_int_equal(add(collection, "key", -1, &sum), ARMDB_OVERFLOW);
        assert_int_equal(add(collection, "key", INT64_MIN, &sum), ARMDB_OVERFLOW);
        kill_and_open(fixture);
        expect_add(open_collection(fixture->db, name), 1, -largest);
    }
}

static void
test_db_update__add__stores_the_lowest_byte_first(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *collection = create_kind(fixture, KIND_CONST, 4);
    armdb_value value;
    expect_add(collection, -2, -2);
    assert_ok(adb_db_get_value(collection, armdb_str("key"), &value));
    assert_memory_equal(armdb_value_bytes(&value).data, "\xfe\xff\xff\xff", 4);
    expect_add(collection, 0x01020306, 0x01020304);
    assert_ok(adb_db_get_value(collection, armdb_str("key"), &value));
    assert_memory_equal(armdb_value_bytes(&value).data, "\4\3\2\1", 4);
}

static void
test_db_update__add_where_values_are_no_numbers__is_refused(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    int64_t sum;
    assert_int_equal(add(fixture->collection, "key", 1, &sum), ARMDB_UNSUPPORTED);
    expect_detail(ARMDB_UNSUPPORTED, "\"default\"", "1, 2, 4 or 8 bytes", NULL);
    assert_int_equal(add(create_kind(fixture, KIND_CONST, 5), "key", 1, &sum), ARMDB_UNSUPPORTED);
    struct collection *collection = create_kind(fixture, KIND_MAP_CONST, 8);
    assert_int_equal(add(collection, "", 1, &sum), ARMDB_KEY_LENGTH);
    assert_ok(adb_collection_drop(fixture->db, "const map"));
    assert_int_equal(add(collection, "key", 1, &sum), ARMDB_NO_COLLECTION);
}

static void
test_db_update__add__keeps_the_deadline_and_begins_anew_behind_it(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *collection = create_kind(fixture, KIND_CONST, 8);
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    int64_t sum;
    options.ttl_ms = 1000;
    sim_set_wall_ms(fixture->sim, NOW_MS);
    assert_ok(adb_db_add(collection, armdb_str("key"), 1, &options, &sum));
    sim_set_wall_ms(fixture->sim, NOW_MS + 999);
    expect_add(collection, 1, 2);
    expect_deadline(collection, "key", NOW_MS + 1000);
    sim_set_wall_ms(fixture->sim, NOW_MS + 1000);
    expect_add(collection, 1, 1);
    expect_deadline(collection, "key", 0);
}

/* ------------------------------------------------------------------------- update */

/* A callback that does as it is told, and notes what it was given. */
struct script {
    struct db_fixture *fixture;
    struct collection *collection;
    armdb_verdict change; /* its answer, */
    armdb_err err;        /* and this */
    int n_disturbed;      /* so often `disturb` is called first */
    void (*disturb)(struct script *script);
    int n_calls;
    bool was_there; /* at the last call */
    armdb_value old;
};

static armdb_err
play(void *context, armdb_slice key, const armdb_slice *old, armdb_verdict *verdict_out)
{
    struct script *script = (struct script *)context;
    assert_int_equal(key.len, 3);
    assert_memory_equal(key.data, "key", 3);
    assert_int_equal(verdict_out->kind, ARMDB_KEEP);
    script->was_there = old != NULL;
    script->n_calls++;
    armdb_value_release(&script->old);
    if (old != NULL)
        assert_ok(adb_db_get_value(script->collection, key, &script->old)); /* reads are allowed */
    if (script->n_calls <= script->n_disturbed)
        script->disturb(script);
    *verdict_out = script->change;
    return script->err;
}

static armdb_err
play_update(struct script *script, const armdb_write_options *options, armdb_value *old_out,
            armdb_value *new_out)
{
    const struct db_update update = {armdb_str("key"), play, script, old_out, new_out};
    script->n_calls = 0;
    armdb_err err = adb_db_update(script->collection, &update, options);
    armdb_value_release(&script->old);
    return err;
}

static struct script
script_of(struct db_fixture *fixture, armdb_verdict_kind kind, const char *value)
{
    return (struct script){
        .fixture = fixture, .collection = fixture->collection, .change = {kind, armdb_str(value)}};
}

static void
test_db_update__update__does_what_the_callback_says_and_hands_out_both(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    const char *const longer = "a value of more than twenty bytes";
    for (int kind = 0; kind < KINDS; kind++) {
        armdb_value old = {0}, fresh = {0};
        struct script script = script_of(fixture, ARMDB_KEEP, "");
        script.collection = create_kind(fixture, (enum kind)kind, (uint32_t)strlen(longer));
        assert_ok(play_update(&script, NULL, &old, &fresh));
        assert_false(script.was_there);
        expect_count(script.collection, 0);
        script.change = (armdb_verdict){ARMDB_REMOVE, {NULL, 0}};
        assert_ok(play_update(&script, NULL, &old, &fresh));
        script.change = (armdb_verdict){ARMDB_REPLACE, armdb_str(longer)};
        assert_ok(play_update(&script, NULL, &old, &fresh));
        expect_text(&old, "");
        expect_text(&fresh, longer);
        script.change.kind = ARMDB_KEEP;
        assert_ok(play_update(&script, NULL, &old, &fresh));
        assert_true(script.was_there);
        expect_text(&old, longer);
        expect_text(&fresh, longer);
        script.change.kind = ARMDB_REPLACE;
        assert_ok(play_update(&script, NULL, NULL, NULL));
        script.change.kind = ARMDB_REMOVE;
        assert_ok(play_update(&script, NULL, &old, &fresh));
        expect_text(&old, longer);
        expect_text(&fresh, "");
        expect_count(script.collection, 0);
    }
    assert_int_equal(stats_of(fixture->db).value_bytes, 0);
}

static void
test_db_update__callback_that_fails__ends_it_with_its_own_code(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct script script = script_of(fixture, ARMDB_REPLACE, "other");
    armdb_value old = {0}, fresh = {0};
    put(fixture->collection, "key", "a value of more than twenty bytes");
    script.err = (armdb_err)63;
    assert_int_equal(play_update(&script, NULL, &old, &fresh), 63);
    script.err = ARMDB_END;
    assert_int_equal(play_update(&script, NULL, &old, &fresh), ARMDB_END);
    script.err = ARMDB_NOT_FOUND;
    assert_int_equal(play_update(&script, NULL, &old, &fresh), ARMDB_NOT_FOUND);
    assert_int_equal(old.len + fresh.len, 0);
    expect_get(fixture->collection, "key", "a value of more than twenty bytes");
    assert_int_equal(stats_of(fixture->db).value_bytes, 0);
}

static void
test_db_update__callback_that_asks_for_nonsense__is_refused(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct script script = script_of(fixture, (armdb_verdict_kind)3, "");
    assert_int_equal(play_update(&script, NULL, NULL, NULL), ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, "change 3", "0..2", NULL);
    script.change = (armdb_verdict){ARMDB_REPLACE, {NULL, 9}};
    assert_int_equal(play_update(&script, NULL, NULL, NULL), ARMDB_INVALID);
    script.change = (armdb_verdict){ARMDB_REPLACE, {"", ARMDB_VALUE_MAX + (size_t)1}};
    assert_int_equal(play_update(&script, NULL, NULL, NULL), ARMDB_TOO_BIG);
    script.collection = create_kind(fixture, KIND_CONST, 5);
    assert_int_equal(play_update(&script, NULL, NULL, NULL), ARMDB_VALUE_LENGTH);
    expect_count(fixture->collection, 0);
}

static void
test_db_update__bad_call__does_not_reach_the_callback(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct script script = script_of(fixture, ARMDB_REPLACE, "value");
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    struct db_update update = {armdb_str(""), play, &script, NULL, NULL};
    assert_int_equal(adb_db_update(fixture->collection, &update, NULL), ARMDB_KEY_LENGTH);
    options.ttl_ms = options.expires_at_ms = 1;
    assert_int_equal(play_update(&script, &options, NULL, NULL), ARMDB_INVALID);
    assert_int_equal(script.n_calls, 0);
}

static void
test_db_update__ttl_of_an_update__counts_for_what_is_put(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct script script = script_of(fixture, ARMDB_REPLACE, "value");
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    sim_set_wall_ms(fixture->sim, NOW_MS);
    options.ttl_ms = 1000;
    assert_ok(play_update(&script, &options, NULL, NULL));
    expect_deadline(fixture->collection, "key", NOW_MS + 1000);
    assert_ok(play_update(&script, NULL, NULL, NULL));
    expect_deadline(fixture->collection, "key", NOW_MS + 1000);
    options.ttl_ms = 0;
    options.expires_at_ms = UINT64_MAX;
    assert_ok(play_update(&script, &options, NULL, NULL));
    expect_deadline(fixture->collection, "key", UINT64_MAX);
    options.ttl_ms = 5;
    options.expires_at_ms = 0;
    script.change.kind = ARMDB_REMOVE;
    assert_ok(play_update(&script, &options, NULL, NULL));
    expect_absent(fixture->collection, "key");
}

static void
test_db_update__no_memory_for_the_new_value__writes_nothing(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct script script = script_of(fixture, ARMDB_REPLACE, "a value of more than twenty bytes");
    armdb_value old, fresh;
    put(fixture->collection, "key", "value");
    adb_mem_fail_at(1, true);
    assert_int_equal(play_update(&script, NULL, &old, &fresh), ARMDB_NO_MEMORY);
    adb_mem_fail_at(0, false);
    expect_get(fixture->collection, "key", "value");
    assert_int_equal(stats_of(fixture->db).value_bytes, 0);
}

static void
put_meanwhile(struct script *script)
{
    char value[32];
    snprintf(value, sizeof value, "written by round %d", script->n_calls);
    put(script->collection, "key", value);
}

static void
test_db_update__objects__are_changed_by_their_bytes(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct thing_world world = {0};
    const armdb_codec codec = thing_codec(&world);
    const armdb_collection_options options = thing_options(&codec, ARMDB_ASCENDING);
    struct script script = script_of(fixture, ARMDB_REPLACE, "third");
    armdb_object object;
    int64_t sum;
    assert_ok(adb_collection_create(fixture->db, "objects", &options, &script.collection));
    assert_ok(cas(script.collection, "key", NULL, "first", NULL));
    assert_int_equal(cas(script.collection, "key", "other", "x", NULL), ARMDB_CHANGED);
    assert_ok(cas(script.collection, "key", "first", "second", NULL));
    script.n_disturbed = 2;
    script.disturb = put_meanwhile;
    assert_ok(play_update(&script, NULL, NULL, NULL));
    assert_ok(adb_db_object_get(script.collection, armdb_str("key"), &object));
    assert_string_equal(thing_text(&object), "third");
    adb_db_object_release(&object);
    assert_int_equal(cas(script.collection, "key", "third", "!refused", NULL), ARMDB_CODEC);
    expect_get(script.collection, "key", "third");
    assert_int_equal(adb_db_add(script.collection, armdb_str("key"), 1, NULL, &sum),
                     ARMDB_UNSUPPORTED);
    assert_ok(cas(script.collection, "key", "third", NULL, NULL));
    expect_absent(script.collection, "key");
    close_db(fixture);
    assert_int_equal(atomic_load(&world.things), 0);
}

/* ------------------------------------------------------- who comes in between */

static void
test_db_update__writes_in_between__let_it_begin_anew_until_it_wins(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    for (int n = 1; n < 12; n++) { /* also when it has its turn */
        struct script script = script_of(fixture, ARMDB_REPLACE, "mine");
        armdb_value old = {0};
        char expected[32];
        put(fixture->collection, "key", "before");
        script.n_disturbed = n;
        script.disturb = put_meanwhile;
        assert_ok(play_update(&script, NULL, &old, NULL));
        assert_int_equal(script.n_calls, n + 1);
        snprintf(expected, sizeof expected, "written by round %d", n);
        expect_text(&old, expected);
        expect_get(fixture->collection, "key", "mine");
    }
    assert_int_equal(stats_of(fixture->db).value_bytes, 0);
}

static void
delete_meanwhile(struct script *script)
{
    assert_ok(try_delete(script->collection, "key"));
}

static void
test_db_update__deleted_in_between__is_absent_for_the_next_round(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct script script = script_of(fixture, ARMDB_REMOVE, "");
    armdb_value old = {0};
    put(fixture->collection, "key", "before");
    script.n_disturbed = 1;
    script.disturb = delete_meanwhile;
    assert_ok(play_update(&script, NULL, &old, NULL));
    assert_int_equal(script.n_calls, 2);
    assert_false(script.was_there);
    expect_text(&old, "");
}

static void
expire_meanwhile(struct script *script)
{
    sim_set_wall_ms(script->fixture->sim, NOW_MS + 1000);
}

static void
test_db_update__expired_in_between__is_absent_for_the_next_round(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct script script = script_of(fixture, ARMDB_REPLACE, "new");
    sim_set_wall_ms(fixture->sim, NOW_MS);
    put_until(fixture->collection, "key", "before", NOW_MS + 1000);
    script.n_disturbed = 1;
    script.disturb = expire_meanwhile;
    assert_ok(play_update(&script, NULL, NULL, NULL));
    assert_int_equal(script.n_calls, 2);
    assert_false(script.was_there);
    expect_deadline(fixture->collection, "key", 0);
}

static void
drop_meanwhile(struct script *script)
{
    assert_ok(adb_collection_drop(script->fixture->db, "const"));
}

static void
test_db_update__collection_dropped_in_between__is_told(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct script script = script_of(fixture, ARMDB_REPLACE, "value");
    script.collection = create_kind(fixture, KIND_CONST, 5);
    script.n_disturbed = 1;
    script.disturb = drop_meanwhile;
    assert_int_equal(play_update(&script, NULL, NULL, NULL), ARMDB_NO_COLLECTION);
}

enum { LONG_BYTES = 60000 }; /* a file has room for one */

static void
compact_meanwhile(struct script *script)
{
    armdb_compact_progress progress;
    assert_ok(adb_db_compact(script->fixture->db, NULL, &progress));
}

static void
test_db_update__moved_by_compaction_in_between__is_still_the_value(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    use_small_files(fixture);
    open_db(fixture);
    struct script script = script_of(fixture, ARMDB_REPLACE, "new");
    armdb_value old = {0};
    put_bytes(fixture->collection, armdb_str("gone"), 4000, 1);
    put(fixture->collection, "key", "before");
    put(fixture->collection, "gone", "");
    put_bytes(fixture->collection, armdb_str("next file"), LONG_BYTES, 2);
    put_bytes(fixture->collection, armdb_str("and the next"), LONG_BYTES, 3);
    script.n_disturbed = 1;
    script.disturb = compact_meanwhile;
    assert_ok(play_update(&script, NULL, &old, NULL));
    assert_int_equal(stats_of(fixture->db).compactions, 1);
    assert_int_equal(script.n_calls, 2);
    expect_text(&old, "before");
    expect_get(fixture->collection, "key", "new");
}

/* Lets the location that the key had come again, for another value in another file. */
static void
come_again_meanwhile(struct script *script)
{
    put_bytes(script->collection, armdb_str("key"), LONG_BYTES, 2); /* third file */
    put_bytes(script->collection, armdb_str("y"), LONG_BYTES, 4);
    compact_meanwhile(script); /* the first slot is free */
    put_bytes(script->collection, armdb_str("key"), LONG_BYTES, 3);
}

static void
test_db_update__location_that_comes_again_for_another_file__is_another_value(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    use_small_files(fixture);
    open_db(fixture);
    struct script script = script_of(fixture, ARMDB_REPLACE, "new");
    armdb_value old = {0};
    unsigned char *bytes = make_bytes(LONG_BYTES, 3);
    put_bytes(fixture->collection, armdb_str("key"), LONG_BYTES, 1); /* first slot, first record */
    put_bytes(fixture->collection, armdb_str("x"), LONG_BYTES, 1);
    script.n_disturbed = 1;
    script.disturb = come_again_meanwhile;
    assert_ok(play_update(&script, NULL, &old, NULL));
    assert_int_equal(script.n_calls, 2);
    assert_int_equal(old.len, LONG_BYTES);
    assert_int_equal(memcmp(armdb_value_bytes(&old).data, bytes, LONG_BYTES), 0);
    armdb_value_release(&old);
    free(bytes);
}

/* Before each of the first reads of a file, the key is written anew, with the same value. */
struct meddler {
    struct collection *collection;
    int n_left;
    int n_reads;
};

static armdb_err
meddle(void *context, const struct os_call *call)
{
    struct meddler *meddler = (struct meddler *)context;
    if (call->op != SIM_OP_READ || meddler->collection == NULL)
        return ARMDB_OK;
    meddler->n_reads++;
    if (meddler->n_left-- > 0)
        put(meddler->collection, "key", "value");
    return ARMDB_OK;
}

static void
test_db_update__cas_that_loses_often__reads_under_the_lock(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct meddler meddler = {.n_left = 4};
    struct os_hook hook;
    os_hook_init(&hook, fixture->os, false);
    hook.before = meddle;
    hook.context = &meddler;
    fixture->options.cache_bytes = ARMDB_CACHE_NONE;
    sim_set_can_map(fixture->sim, false);
    assert_ok(adb_db_open(&hook.base, DB_PATH, &fixture->options, &fixture->db));
    fixture->collection = adb_db_default(fixture->db);
    put(fixture->collection, "key", "value");
    meddler.collection = fixture->collection;
    assert_ok(cas(fixture->collection, "key", "value", "other", NULL));
    assert_int_equal(meddler.n_reads, 5); /* nobody can write during the last one */
    meddler.n_left = 0;
    expect_get(fixture->collection, "key", "other");
    meddler.collection = NULL;
    close_db(fixture); /* as long as the hook is there */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(test_db_update__cas__has_a_different_answer_for_each_case),
        DB_TEST(test_db_update__cas_of_long_and_empty_values__compares_all_bytes),
        DB_TEST(test_db_update__cas_with_another_length__reads_no_file),
        DB_TEST(test_db_update__arguments_that_can_not_be__are_refused_and_change_nothing),
        DB_TEST(test_db_update__a_value_that_can_not_be_read__is_neither_changed_nor_absent),
        DB_TEST(test_db_update__synced_cas_with_a_ticket__is_waited_for),
        DB_TEST(test_db_update__deadlines__are_kept_unless_given_anew),
        DB_TEST(test_db_update__cas_that_removes__needs_no_deadline),
        DB_TEST(test_db_update__add__counts_from_0_up_to_the_ends_of_each_width),
        DB_TEST(test_db_update__add__stores_the_lowest_byte_first),
        DB_TEST(test_db_update__add_where_values_are_no_numbers__is_refused),
        DB_TEST(test_db_update__add__keeps_the_deadline_and_begins_anew_behind_it),
        DB_TEST(test_db_update__update__does_what_the_callback_says_and_hands_out_both),
        DB_TEST(test_db_update__callback_that_fails__ends_it_with_its_own_code),
        DB_TEST(test_db_update__callback_that_asks_for_nonsense__is_refused),
        DB_TEST(test_db_update__bad_call__does_not_reach_the_callback),
        DB_TEST(test_db_update__ttl_of_an_update__counts_for_what_is_put),
        DB_TEST(test_db_update__no_memory_for_the_new_value__writes_nothing),
        DB_TEST(test_db_update__objects__are_changed_by_their_bytes),
        DB_TEST(test_db_update__writes_in_between__let_it_begin_anew_until_it_wins),
        DB_TEST(test_db_update__deleted_in_between__is_absent_for_the_next_round),
        DB_TEST(test_db_update__expired_in_between__is_absent_for_the_next_round),
        DB_TEST(test_db_update__collection_dropped_in_between__is_told),
        DISK_TEST(test_db_update__moved_by_compaction_in_between__is_still_the_value),
        DISK_TEST(test_db_update__location_that_comes_again_for_another_file__is_another_value),
        DISK_TEST(test_db_update__cas_that_loses_often__reads_under_the_lock),
    };
    return cmocka_run_group_tests_name("db/db_update", tests, NULL, NULL);
}
