/*
 * Every verb on every kind of collection: it does what it says, or is ARMDB_UNSUPPORTED, and which
 * of the two is what docs/guide/verbs.md has. With an argument, prints the cells of that table.
 */
#include "api_fixture.h"
#include "support/thing.h"

static struct thing_world world;

enum { VALUE_BYTES = 8, KEYS = 5 };

/* A collection of the keys "a" .. "e", each with the value "value--" and itself. */
struct cell {
    struct api_fixture *fixture;
    armdb_collection *collection;
};

static const char *const KEY[KEYS] = {"a", "b", "c", "d", "e"};
static const char *const VALUE[KEYS] = {"value--a", "value--b", "value--c", "value--d", "value--e"};

#define TRY(expression)                                                                            \
    do {                                                                                           \
        armdb_err err_ = (expression);                                                             \
        if (err_ != ARMDB_OK)                                                                      \
            return err_;                                                                           \
    } while (0)

/* ---------------------------------------------------------------------- verbs */

static armdb_err
do_put(struct cell *cell)
{
    TRY(armdb_put(cell->collection, armdb_str("a"), armdb_str("replaced"), NULL));
    expect_get(cell->collection, "a", "replaced");
    return ARMDB_OK;
}

static armdb_err
do_insert(struct cell *cell)
{
    TRY(armdb_insert(cell->collection, armdb_str("f"), armdb_str("inserted"), NULL));
    expect_get(cell->collection, "f", "inserted");
    assert_int_equal(armdb_insert(cell->collection, armdb_str("f"), armdb_str("again..."), NULL),
                     ARMDB_EXISTS);
    expect_get(cell->collection, "f", "inserted");
    return ARMDB_OK;
}

static armdb_err
do_delete(struct cell *cell)
{
    TRY(armdb_delete(cell->collection, armdb_str("b"), NULL));
    assert_int_equal(armdb_delete(cell->collection, armdb_str("b"), NULL), ARMDB_NOT_FOUND);
    return ARMDB_OK;
}

static armdb_err
do_cas(struct cell *cell)
{
    TRY(armdb_cas(cell->collection, armdb_str("a"), armdb_str(VALUE[0]), armdb_str("replaced"),
                  NULL, NULL));
    assert_int_equal(armdb_cas(cell->collection, armdb_str("a"), armdb_str(VALUE[0]),
                               armdb_str("not this"), NULL, NULL),
                     ARMDB_CHANGED);
    expect_get(cell->collection, "a", "replaced");
    return ARMDB_OK;
}

static armdb_err
replace_it(void *context, armdb_slice key, const armdb_slice *old, armdb_verdict *verdict_out)
{
    (void)context;
    (void)key;
    assert_memory_equal(old->data, VALUE[0], VALUE_BYTES);
    *verdict_out = (armdb_verdict){ARMDB_REPLACE, armdb_str("replaced")};
    return ARMDB_OK;
}

static armdb_err
do_update(struct cell *cell)
{
    TRY(armdb_update(cell->collection, armdb_str("a"), replace_it, NULL, NULL, NULL, NULL));
    expect_get(cell->collection, "a", "replaced");
    return ARMDB_OK;
}

static armdb_err
do_add(struct cell *cell)
{
    TRY(armdb_add(cell->collection, armdb_str("a"), 1, NULL, NULL));
    expect_get(cell->collection, "a", "walue--a"); /* the lowest byte comes first */
    return ARMDB_OK;
}

static armdb_err
renew(void *context, armdb_slice key, const armdb_slice *old, armdb_verdict *verdict_out)
{
    (void)context;
    (void)key;
    assert_int_equal(old->len, VALUE_BYTES);
    *verdict_out = (armdb_verdict){ARMDB_REPLACE, armdb_str("replaced")};
    return ARMDB_OK;
}

static armdb_err
do_migrate(struct cell *cell)
{
    armdb_migrate_progress progress;
    uint64_t count;
    TRY(armdb_migrate(cell->collection, renew, NULL, NULL, &progress));
    assert_ok(armdb_count(cell->collection, &count));
    assert_int_equal(progress.replaced, count);
    expect_get(cell->collection, "a", "replaced");
    return ARMDB_OK;
}

static armdb_err
do_schema(struct cell *cell)
{
    const armdb_schema_step step = {.fn = renew};
    armdb_schema schema = ARMDB_SCHEMA_INIT;
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    armdb_collection_info info;
    options.schema_version = schema.n_steps = 1;
    options.schema = &schema;
    schema.steps = &step;
    close_db(cell->fixture);
    open_db(cell->fixture);
    TRY(armdb_collection_open(cell->fixture->db, "kind", &options, &cell->collection));
    assert_ok(armdb_collection_get_info(cell->collection, &info));
    assert_int_equal(info.schema_version, 1);
    expect_get(cell->collection, "a", "replaced");
    return ARMDB_OK;
}

static armdb_err
do_ticket(struct cell *cell)
{
    armdb_ticket ticket;
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    options.durability = ARMDB_SYNCED;
    options.ticket = &ticket;
    TRY(armdb_put(cell->collection, armdb_str("a"), armdb_str("a ticket"), &options));
    assert_ok(armdb_ticket_wait(cell->fixture->db, &ticket, 1));
    expect_get(cell->collection, "a", "a ticket");
    return ARMDB_OK;
}

static armdb_err
do_get(struct cell *cell)
{
    char buffer[VALUE_BYTES];
    size_t len;
    TRY(armdb_get(cell->collection, armdb_str("c"), buffer, sizeof buffer, &len));
    assert_int_equal(len, VALUE_BYTES);
    assert_memory_equal(buffer, VALUE[2], VALUE_BYTES);
    assert_int_equal(armdb_get(cell->collection, armdb_str("c"), buffer, 3, &len),
                     ARMDB_BUFFER_TOO_SMALL);
    return ARMDB_OK;
}

static armdb_err
do_get_value(struct cell *cell)
{
    armdb_value value;
    TRY(armdb_get_value(cell->collection, armdb_str("d"), &value));
    assert_memory_equal(armdb_value_bytes(&value).data, VALUE[3], VALUE_BYTES);
    armdb_value_release(&value);
    return ARMDB_OK;
}

static armdb_err
do_multi_get(struct cell *cell)
{
    char buffers[KEYS][VALUE_BYTES];
    armdb_read reads[KEYS];
    for (int i = 0; i < KEYS; i++)
        reads[i] = (armdb_read){armdb_str(KEY[i]), buffers[i], VALUE_BYTES, 0, ARMDB_OK};
    TRY(armdb_multi_get(cell->collection, reads, KEYS));
    for (int i = 0; i < KEYS; i++)
        assert_memory_equal(buffers[i], VALUE[i], VALUE_BYTES);
    return ARMDB_OK;
}

static armdb_err
do_contains(struct cell *cell)
{
    bool found;
    TRY(armdb_contains(cell->collection, armdb_str("a"), &found));
    assert_true(found);
    assert_ok(armdb_contains(cell->collection, armdb_str("z"), &found));
    assert_false(found);
    return ARMDB_OK;
}

static armdb_err
do_value_len(struct cell *cell)
{
    size_t len;
    TRY(armdb_value_len(cell->collection, armdb_str("a"), &len));
    assert_int_equal(len, VALUE_BYTES);
    return ARMDB_OK;
}

static armdb_err
do_count(struct cell *cell)
{
    uint64_t count;
    TRY(armdb_count(cell->collection, &count));
    assert_int_equal(count, KEYS);
    return ARMDB_OK;
}

static armdb_err
do_deadline(struct cell *cell)
{
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    uint64_t deadline_ms;
    bool found;
    options.expires_at_ms = UINT64_MAX - 1;
    TRY(armdb_put(cell->collection, armdb_str("a"), armdb_str("with end"), &options));
    TRY(armdb_deadline(cell->collection, armdb_str("a"), &deadline_ms));
    assert_true(deadline_ms == UINT64_MAX - 1);
    expect_get(cell->collection, "a", "with end");
    options.expires_at_ms = 1;
    assert_ok(armdb_put(cell->collection, armdb_str("a"), armdb_str("too late"), &options));
    assert_ok(armdb_contains(cell->collection, armdb_str("a"), &found));
    assert_false(found);
    return ARMDB_OK;
}

static armdb_err
do_first(struct cell *cell)
{
    armdb_value key, value;
    TRY(armdb_first(cell->collection, &key, &value));
    assert_memory_equal(armdb_value_bytes(&key).data, "a", 1);
    assert_memory_equal(armdb_value_bytes(&value).data, VALUE[0], VALUE_BYTES);
    armdb_value_release(&key);
    armdb_value_release(&value);
    return ARMDB_OK;
}

static armdb_err
do_last(struct cell *cell)
{
    armdb_value key, value;
    TRY(armdb_last(cell->collection, &key, &value));
    assert_memory_equal(armdb_value_bytes(&key).data, "e", 1);
    assert_memory_equal(armdb_value_bytes(&value).data, VALUE[4], VALUE_BYTES);
    armdb_value_release(&key);
    armdb_value_release(&value);
    return ARMDB_OK;
}

/* Walks with `options`; says in `seen` which keys it met, as bits. */
static armdb_err
walk(struct cell *cell, const armdb_cursor_options *options,
     armdb_err (*step)(armdb_cursor *cursor), unsigned *seen)
{
    armdb_cursor *cursor;
    armdb_err err;
    *seen = 0;
    TRY(armdb_cursor_open(cell->collection, options, &cursor));
    while ((err = step(cursor)) == ARMDB_OK) {
        armdb_slice key = armdb_cursor_key(cursor), value = armdb_cursor_value(cursor);
        int number = *(const char *)key.data - 'a';
        assert_int_equal(*seen & 1u << number, 0);
        *seen |= 1u << number;
        assert_int_equal(armdb_cursor_value_len(cursor), VALUE_BYTES);
        if (options == NULL || options->keys_only == 0)
            assert_memory_equal(value.data, VALUE[number], VALUE_BYTES);
    }
    armdb_cursor_close(cursor);
    return err == ARMDB_END ? ARMDB_OK : err;
}

static armdb_err
do_cursor(struct cell *cell)
{
    armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    unsigned seen;
    TRY(walk(cell, NULL, armdb_cursor_next, &seen));
    assert_int_equal(seen, 31);
    options.keys_only = 1;
    TRY(walk(cell, &options, armdb_cursor_next, &seen));
    assert_int_equal(seen, 31);
    return ARMDB_OK;
}

static armdb_err
do_backwards(struct cell *cell)
{
    unsigned seen;
    TRY(walk(cell, NULL, armdb_cursor_prev, &seen));
    assert_int_equal(seen, 31);
    return ARMDB_OK;
}

static armdb_err
do_seek(struct cell *cell)
{
    armdb_cursor *cursor;
    TRY(armdb_cursor_open(cell->collection, NULL, &cursor));
    armdb_err err = armdb_cursor_seek(cursor, armdb_str("bb"));
    if (err == ARMDB_OK) {
        assert_memory_equal(armdb_cursor_key(cursor).data, "c", 1);
        err = armdb_cursor_last(cursor);
    }
    if (err == ARMDB_OK)
        assert_memory_equal(armdb_cursor_key(cursor).data, "e", 1);
    armdb_cursor_close(cursor);
    return err;
}

static armdb_err
do_range(struct cell *cell)
{
    armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    unsigned seen;
    options.from = (armdb_bound){ARMDB_EXCLUDED, armdb_str("a")};
    options.to = (armdb_bound){ARMDB_INCLUDED, armdb_str("c")};
    TRY(walk(cell, &options, armdb_cursor_next, &seen));
    assert_int_equal(seen, 2 | 4);
    return ARMDB_OK;
}

static armdb_err
do_prefix(struct cell *cell)
{
    armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    unsigned seen;
    options.prefix = armdb_str("d");
    TRY(walk(cell, &options, armdb_cursor_prev, &seen));
    assert_int_equal(seen, 8);
    return ARMDB_OK;
}

static armdb_err
do_object_get(struct cell *cell)
{
    armdb_object object;
    TRY(armdb_object_get(cell->collection, armdb_str("b"), &object));
    assert_string_equal(thing_text(&object), VALUE[1]);
    armdb_object_release(&object);
    return ARMDB_OK;
}

static armdb_err
do_object_write(struct cell *cell, const char *key,
                armdb_err (*verb)(armdb_collection *, armdb_slice, void *,
                                  const armdb_write_options *))
{
    struct thing *thing = thing_new(&world, "anobject", VALUE_BYTES);
    armdb_err err = verb(cell->collection, armdb_str(key), thing, NULL);
    if (err == ARMDB_UNSUPPORTED)
        thing_free(&world, thing);
    else
        expect_get(cell->collection, key, "anobject");
    return err;
}

static armdb_err
do_object_put(struct cell *cell)
{
    return do_object_write(cell, "a", armdb_object_put);
}

static armdb_err
do_object_insert(struct cell *cell)
{
    return do_object_write(cell, "f", armdb_object_insert);
}

static void
note_change(void *context, const armdb_change *change)
{
    assert_memory_equal(change->value.data, "replaced", VALUE_BYTES);
    assert_memory_equal(change->old_value.data, VALUE[0], VALUE_BYTES);
    ++*(int *)context;
}

static armdb_err
do_hook(struct cell *cell)
{
    int told = 0;
    armdb_hook hook = ARMDB_HOOK_INIT;
    hook.wants_old = 1;
    hook.on_change = note_change;
    hook.context = &told;
    TRY(armdb_hook_set(cell->collection, &hook));
    put(cell->collection, "a", "replaced");
    assert_ok(armdb_hook_set(cell->collection, NULL));
    assert_int_equal(told, 1);
    return ARMDB_OK;
}

static armdb_err
do_watch(struct cell *cell)
{
    armdb_watch *watch;
    armdb_change change;
    TRY(armdb_watch_open(cell->collection, NULL, &watch));
    put(cell->collection, "b", "replaced");
    assert_ok(armdb_watch_next(watch, 0, &change));
    assert_int_equal(change.kind, ARMDB_CHANGE_PUT);
    assert_memory_equal(change.value.data, "replaced", VALUE_BYTES);
    armdb_watch_close(watch);
    return ARMDB_OK;
}

/* After a compaction and another open all is as it was. The last one: objects are bytes then. */
static armdb_err
do_keep(struct cell *cell)
{
    unsigned seen;
    put(cell->collection, "a", "replaced");
    put(cell->collection, "a", VALUE[0]);
    TRY(armdb_compact(cell->fixture->db, NULL, NULL));
    close_db(cell->fixture);
    open_db(cell->fixture);
    TRY(armdb_collection_open(cell->fixture->db, "kind", NULL, &cell->collection));
    TRY(walk(cell, NULL, armdb_cursor_next, &seen));
    assert_int_equal(seen, 31);
    return ARMDB_OK;
}

/* --------------------------------------------------------------------- in groups */

static armdb_err
get_in_group(void *context, armdb_group *group)
{
    const struct cell *cell = (const struct cell *)context;
    char buffer[VALUE_BYTES];
    size_t len;
    TRY(armdb_group_get(group, cell->collection, armdb_str("c"), buffer, sizeof buffer, &len));
    assert_int_equal(len, VALUE_BYTES);
    assert_memory_equal(buffer, VALUE[2], VALUE_BYTES);
    return ARMDB_OK;
}

static armdb_err
get_value_in_group(void *context, armdb_group *group)
{
    const struct cell *cell = (const struct cell *)context;
    armdb_value value;
    TRY(armdb_group_get_value(group, cell->collection, armdb_str("d"), &value));
    assert_memory_equal(armdb_value_bytes(&value).data, VALUE[3], VALUE_BYTES);
    armdb_value_release(&value);
    return ARMDB_OK;
}

static armdb_err
contains_in_group(void *context, armdb_group *group)
{
    const struct cell *cell = (const struct cell *)context;
    bool found;
    TRY(armdb_group_contains(group, cell->collection, armdb_str("a"), &found));
    assert_true(found);
    assert_ok(armdb_group_contains(group, cell->collection, armdb_str("z"), &found));
    assert_false(found);
    return ARMDB_OK;
}

static armdb_err
put_in_group(void *context, armdb_group *group)
{
    const struct cell *cell = (const struct cell *)context;
    char buffer[VALUE_BYTES];
    size_t len;
    TRY(armdb_group_put(group, cell->collection, armdb_str("c"), armdb_str("replaced"), NULL));
    TRY(armdb_group_get(group, cell->collection, armdb_str("c"), buffer, sizeof buffer, &len));
    assert_memory_equal(buffer, "replaced", VALUE_BYTES);
    return ARMDB_OK;
}

static armdb_err
insert_in_group(void *context, armdb_group *group)
{
    const struct cell *cell = (const struct cell *)context;
    TRY(armdb_group_insert(group, cell->collection, armdb_str("f"), armdb_str("inserted"), NULL));
    assert_int_equal(
        armdb_group_insert(group, cell->collection, armdb_str("f"), armdb_str("again..."), NULL),
        ARMDB_EXISTS);
    return ARMDB_OK;
}

static armdb_err
delete_in_group(void *context, armdb_group *group)
{
    const struct cell *cell = (const struct cell *)context;
    TRY(armdb_group_delete(group, cell->collection, armdb_str("b")));
    assert_int_equal(armdb_group_delete(group, cell->collection, armdb_str("b")), ARMDB_NOT_FOUND);
    return ARMDB_OK;
}

static armdb_err
add_in_group(void *context, armdb_group *group)
{
    const struct cell *cell = (const struct cell *)context;
    int64_t sum;
    TRY(armdb_group_add(group, cell->collection, armdb_str("a"), 1, &sum));
    return armdb_group_add(group, cell->collection, armdb_str("a"), 1, &sum);
}

static armdb_err
run_group(struct cell *cell, armdb_group_fn fn)
{
    return armdb_group_run(cell->collection, armdb_str("a"), fn, cell, NULL);
}

static armdb_err
do_group_get(struct cell *cell)
{
    return run_group(cell, get_in_group);
}

static armdb_err
do_group_get_value(struct cell *cell)
{
    return run_group(cell, get_value_in_group);
}

static armdb_err
do_group_contains(struct cell *cell)
{
    return run_group(cell, contains_in_group);
}

static armdb_err
do_group_put(struct cell *cell)
{
    TRY(run_group(cell, put_in_group));
    expect_get(cell->collection, "c", "replaced");
    return ARMDB_OK;
}

static armdb_err
do_group_insert(struct cell *cell)
{
    TRY(run_group(cell, insert_in_group));
    expect_get(cell->collection, "f", "inserted");
    return ARMDB_OK;
}

static armdb_err
do_group_delete(struct cell *cell)
{
    bool found;
    TRY(run_group(cell, delete_in_group));
    assert_ok(armdb_contains(cell->collection, armdb_str("b"), &found));
    assert_false(found);
    return ARMDB_OK;
}

static armdb_err
do_group_add(struct cell *cell)
{
    TRY(run_group(cell, add_in_group));
    expect_get(cell->collection, "a", "xalue--a");
    return ARMDB_OK;
}

/* -------------------------------------------------------------------- batches */

static armdb_err
fill_batch(armdb_batch *batch, armdb_collection *collection)
{
    TRY(armdb_batch_require_value(batch, collection, armdb_str("a"), armdb_str("value--a")));
    TRY(armdb_batch_require_absent(batch, collection, armdb_str("f")));
    TRY(armdb_batch_put(batch, collection, armdb_str("a"), armdb_str("replaced"), NULL));
    TRY(armdb_batch_insert(batch, collection, armdb_str("f"), armdb_str("inserted"), NULL));
    return armdb_batch_delete(batch, collection, armdb_str("b"));
}

static armdb_err
do_commit(struct cell *cell)
{
    armdb_batch *batch;
    size_t refused;
    bool found;
    TRY(armdb_batch_new(cell->fixture->db, &batch));
    armdb_err err = fill_batch(batch, cell->collection);
    if (err == ARMDB_OK)
        err = armdb_commit(batch, NULL, &refused);
    if (err == ARMDB_OK) {
        expect_get(cell->collection, "a", "replaced");
        expect_get(cell->collection, "f", "inserted");
        assert_ok(armdb_contains(cell->collection, armdb_str("b"), &found));
        assert_false(found);
        assert_int_equal(armdb_commit(batch, NULL, &refused), ARMDB_CHANGED);
        assert_int_equal(refused, 0);
    }
    armdb_batch_free(batch);
    return err;
}

/* ---------------------------------------------------------------------- table */

enum need { OF_ALL, OF_ORDER, OF_OBJECTS, OF_CONST };

static const struct verb {
    const char *name; /* as in the guide */
    armdb_err (*check)(struct cell *cell);
    enum need need;
} VERBS[] = {
    {"armdb_put", do_put, OF_ALL},
    {"armdb_insert", do_insert, OF_ALL},
    {"armdb_delete", do_delete, OF_ALL},
    {"armdb_cas", do_cas, OF_ALL},
    {"armdb_update", do_update, OF_ALL},
    {"armdb_add", do_add, OF_CONST},
    {"armdb_migrate", do_migrate, OF_ALL},
    {"armdb_ticket_wait", do_ticket, OF_ALL},
    {"armdb_get", do_get, OF_ALL},
    {"armdb_get_value", do_get_value, OF_ALL},
    {"armdb_multi_get", do_multi_get, OF_ALL},
    {"armdb_contains", do_contains, OF_ALL},
    {"armdb_value_len", do_value_len, OF_ALL},
    {"armdb_deadline", do_deadline, OF_ALL},
    {"armdb_count", do_count, OF_ALL},
    {"armdb_first", do_first, OF_ORDER},
    {"armdb_last", do_last, OF_ORDER},
    {"armdb_cursor_next", do_cursor, OF_ALL},
    {"armdb_cursor_prev", do_backwards, OF_ORDER},
    {"armdb_cursor_seek", do_seek, OF_ORDER},
    {"cursor of a range", do_range, OF_ORDER},
    {"cursor of a prefix", do_prefix, OF_ORDER},
    {"armdb_commit", do_commit, OF_ALL},
    {"armdb_group_get", do_group_get, OF_ALL},
    {"armdb_group_get_value", do_group_get_value, OF_ALL},
    {"armdb_group_contains", do_group_contains, OF_ALL},
    {"armdb_group_put", do_group_put, OF_ALL},
    {"armdb_group_insert", do_group_insert, OF_ALL},
    {"armdb_group_delete", do_group_delete, OF_ALL},
    {"armdb_group_add", do_group_add, OF_CONST},
    {"armdb_object_get", do_object_get, OF_OBJECTS},
    {"armdb_object_put", do_object_put, OF_OBJECTS},
    {"armdb_object_insert", do_object_insert, OF_OBJECTS},
    {"armdb_hook_set", do_hook, OF_ALL},
    {"armdb_watch_open", do_watch, OF_ALL},
    {"armdb_compact", do_keep, OF_ALL},
    {"armdb_schema", do_schema, OF_ALL},
};

enum { N_VERBS = sizeof VERBS / sizeof *VERBS, N_KINDS = 6 };

/* In the order of the columns: tree, then map; each with var, const and object. */
static armdb_collection_options
kind_options(int kind)
{
    static const uint32_t values[] = {ARMDB_VALUE_VARIABLE, VALUE_BYTES, ARMDB_VALUE_OBJECT};
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    options.order = kind < 3 ? ARMDB_ASCENDING : ARMDB_UNORDERED;
    options.value_bytes = values[kind % 3];
    return options;
}

static bool
is_supported(enum need need, int kind)
{
    switch (need) {
    case OF_ORDER:
        return kind < 3;
    case OF_OBJECTS:
        return kind % 3 == 2;
    case OF_CONST:
        return kind % 3 == 1;
    case OF_ALL:
        break;
    }
    return true;
}

static void
test_api_verbs__each_verb_on_each_kind__works_or_is_unsupported(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    for (int kind = 0; kind < N_KINDS; kind++) {
        const armdb_codec codec = thing_codec(&world);
        armdb_collection_options options = kind_options(kind);
        options.codec = kind % 3 == 2 ? &codec : NULL;
        struct cell cell = {fixture, NULL};
        assert_ok(armdb_collection_create(fixture->db, "kind", &options, &cell.collection));
        for (int i = 0; i < N_VERBS; i++) {
            for (int k = 0; k < KEYS; k++)
                put(cell.collection, KEY[k], VALUE[k]);
            (void)armdb_delete(cell.collection, armdb_str("f"), NULL);
            armdb_err err = VERBS[i].check(&cell);
            if (err != (is_supported(VERBS[i].need, kind) ? ARMDB_OK : ARMDB_UNSUPPORTED))
                fail_msg("%s on kind %d: %s", VERBS[i].name, kind, armdb_err_name(err));
        }
        assert_ok(armdb_collection_drop(fixture->db, "kind"));
    }
}

static int
print_table(void)
{
    for (int i = 0; i < N_VERBS; i++) {
        printf("%s", VERBS[i].name);
        for (int kind = 0; kind < N_KINDS; kind++)
            printf(" | %s", is_supported(VERBS[i].need, kind) ? "yes" : "–");
        printf("\n");
    }
    return 0;
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        API_TEST(test_api_verbs__each_verb_on_each_kind__works_or_is_unsupported),
    };
    (void)argv;
    return argc > 1 ? print_table()
                    : cmocka_run_group_tests_name("api/api_verbs", tests, NULL, NULL);
}
