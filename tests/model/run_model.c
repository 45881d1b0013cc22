/*
 * run_model.c: the engine and the model do the same operations and must agree after each of them,
 * and in all their contents after each reopening.
 *
 * Many short runs on the simulator, a few on the real file system.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/db.h"
#include "model/gen_ops.h"
#include "model/model_batch.h"
#include "model/model_cursor.h"
#include "model/model_kv.h"
#include "model/model_modify.h"
#include "sim/require.h"
#include "support/os_sim.h"
#include "support/thing.h"
#include "support/tmpdir.h"

/* The codec of named collections of objects; the default one is opened without. */
static struct thing_world world = {.takes_all = true};

static const char *const names[GEN_COLLECTIONS] = {"default", "users", "index", "log",
                                                   "\xc3\xa9t\xc3\xa9"};

static struct {
    uint64_t runs;
    uint64_t operations;
    uint64_t moves;
    uint64_t reopens;
    uint64_t pairs_compared;
    uint64_t expired;
    uint64_t swept; /* deleted in the background */
} totals;

struct runner {
    struct adb_os *os;
    struct sim *sim; /* NULL on the real file system */
    const char *path;
    struct gen gen;
    armdb_options options;
    struct db *db;
    struct model_collection models[GEN_COLLECTIONS];
    struct collection *opened[GEN_COLLECTIONS]; /* NULL: not there */
    struct collection *dropped;                 /* the newest that was; NULL: none */
    unsigned char key[ARMDB_KEY_MAX + 1];
    unsigned char *value;  /* owned, GEN_VALUE_MAX */
    unsigned char *buffer; /* owned, GEN_VALUE_MAX */
};

static bool
is_equal(armdb_slice a, armdb_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* The place of a collection that is there. */
static int
pick(struct runner *runner)
{
    int place;
    do
        place = (int)test_rng_below(&runner->gen.rng, GEN_COLLECTIONS);
    while (runner->opened[place] == NULL);
    return place;
}

/* ---------------------------------------------------------------- all contents */

/* Keys that have expired count until the background has deleted them. */
static void
require_count(const struct model_collection *model, uint64_t count)
{
    REQUIRE(count >= model->count && count <= model->count + model->expired,
            "%s: %" PRIu64 " keys, not %zu", model->name, count, model->count);
}

static void
compare_collection(struct runner *runner, int place)
{
    const struct model_collection *model = &runner->models[place];
    const armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    struct model_cursor expected;
    struct cursor *cursor;
    uint64_t count;
    REQUIRE_OK(adb_db_count(runner->opened[place], &count));
    require_count(model, count);
    for (int is_forward = 0; is_forward < 2; is_forward++) {
        const struct model_pair *pair;
        REQUIRE_OK(adb_cursor_open(runner->opened[place], &options, &cursor));
        model_cursor_init(&expected, model, &options);
        while ((pair = model_cursor_step(&expected, is_forward)) != NULL) {
            REQUIRE_OK(adb_cursor_move(cursor, is_forward ? CURSOR_NEXT : CURSOR_PREV));
            REQUIRE(is_equal(adb_cursor_key(cursor), model_key(pair)), "%s: other key",
                    model->name);
            REQUIRE(is_equal(adb_cursor_value(cursor), model_value(pair)),
                    "%s: %zu bytes of value, not those %zu", model->name,
                    adb_cursor_value(cursor).len, pair->value_len);
            totals.pairs_compared++;
        }
        REQUIRE_ERR(adb_cursor_move(cursor, is_forward ? CURSOR_NEXT : CURSOR_PREV), ARMDB_END);
        adb_cursor_close(cursor);
    }
}

/* Each key of the model comes once, in whatever order. */
static void
compare_unordered(struct runner *runner, int place)
{
    const struct model_collection *model = &runner->models[place];
    bool *is_seen = (bool *)require_memory(NULL, model->count + 1);
    struct cursor *cursor;
    memset(is_seen, 0, model->count + 1);
    REQUIRE_OK(adb_cursor_open(runner->opened[place], NULL, &cursor));
    for (size_t i = 0; i < model->count; i++) {
        REQUIRE_OK(adb_cursor_move(cursor, i == 0 ? CURSOR_FIRST : CURSOR_NEXT));
        const struct model_pair *pair = model_find(model, adb_cursor_key(cursor));
        REQUIRE(pair != NULL && !is_seen[pair - model->pairs], "%s: a key that is not there",
                model->name);
        REQUIRE(is_equal(adb_cursor_value(cursor), model_value(pair)),
                "%s: %zu bytes of value, not those %zu", model->name, adb_cursor_value(cursor).len,
                pair->value_len);
        is_seen[pair - model->pairs] = true;
        totals.pairs_compared++;
    }
    REQUIRE_ERR(adb_cursor_move(cursor, CURSOR_NEXT), ARMDB_END);
    REQUIRE_ERR(adb_cursor_move(cursor, CURSOR_NEXT), ARMDB_END);
    REQUIRE_ERR(adb_cursor_move(cursor, CURSOR_PREV), ARMDB_UNSUPPORTED);
    REQUIRE_ERR(adb_cursor_move(cursor, CURSOR_LAST), ARMDB_UNSUPPORTED);
    REQUIRE_ERR(adb_cursor_seek(cursor, armdb_str("a")), ARMDB_UNSUPPORTED);
    adb_cursor_close(cursor);
    free(is_seen);
}

static void
compare_all(struct runner *runner)
{
    armdb_collection_info infos[GEN_COLLECTIONS + 1];
    size_t count;
    size_t expected = 0;
    adb_collection_list(runner->db, infos, GEN_COLLECTIONS + 1, &count);
    for (int i = 0; i < GEN_COLLECTIONS; i++) {
        if (runner->opened[i] == NULL)
            continue;
        expected++;
        if (runner->models[i].is_unordered)
            compare_unordered(runner, i);
        else
            compare_collection(runner, i);
    }
    REQUIRE(count == expected, "%zu collections, not %zu", count, expected);
    REQUIRE(strcmp(infos[0].name, "default") == 0, "the first collection is %s", infos[0].name);
}

/* -------------------------------------------------------------- open and close */

static void
open_db(struct runner *runner)
{
    armdb_stats stats = {.struct_bytes = sizeof stats};
    REQUIRE_OK(adb_db_open(runner->os, runner->path, &runner->options, &runner->db));
    adb_db_get_stats(runner->db, &stats);
    REQUIRE(stats.recovered_cut_bytes == 0, "%" PRIu64 " bytes cut after a clean close",
            stats.recovered_cut_bytes);
    for (int i = 0; i < GEN_COLLECTIONS; i++) {
        bool was_there = runner->opened[i] != NULL;
        bool is_object = was_there && i > 0 && runner->models[i].value_bytes == ARMDB_VALUE_OBJECT;
        const armdb_codec codec = thing_codec(&world);
        const armdb_collection_options options = thing_options(&codec, ARMDB_ORDER_DEFAULT);
        REQUIRE_ERR(adb_collection_open(runner->db, names[i], is_object ? &options : NULL,
                                        &runner->opened[i]),
                    was_there ? ARMDB_OK : ARMDB_NO_COLLECTION);
    }
    runner->dropped = NULL;
}

static void
do_reopen(struct runner *runner)
{
    armdb_verify_report report;
    bool is_closed;
    armdb_stats stats = {.struct_bytes = sizeof stats};
    compare_all(runner);
    adb_db_get_stats(runner->db, &stats);
    totals.swept += stats.expired;
    REQUIRE_OK(adb_db_close(runner->db, &is_closed));
    if (test_rng_one_in(&runner->gen.rng, 4))
        REQUIRE_OK(adb_db_verify(runner->os, runner->path, NULL, NULL, &report));
    gen_retune(&runner->gen, &runner->options);
    open_db(runner);
    compare_all(runner);
    totals.reopens++;
}

/* --------------------------------------------------------------------- writes */

/* Some writes have a deadline; only the simulator's clock moves, and between operations. */
static uint64_t
choose_deadline(struct runner *runner, armdb_write_options *options)
{
    struct test_rng *rng = &runner->gen.rng;
    uint64_t now_ms = adb_os_wall_ms(runner->os);
    if (!test_rng_one_in(rng, 3))
        return 0;
    if (runner->sim == NULL || test_rng_one_in(rng, 4)) {
        options->expires_at_ms = UINT64_MAX - test_rng_below(rng, 1000);
    } else if (test_rng_one_in(rng, 8)) {
        options->expires_at_ms = now_ms - test_rng_below(rng, 1000);
    } else {
        options->ttl_ms = 1 + test_rng_below(rng, 3000);
        return now_ms + options->ttl_ms;
    }
    return options->expires_at_ms;
}

static void
do_write(struct runner *runner, enum shard_verb verb)
{
    int place = pick(runner);
    struct model_collection *model = &runner->models[place];
    armdb_slice key = gen_key(&runner->gen, model->key_bytes, runner->key);
    armdb_slice value = {NULL, 0};
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    bool is_there = model_find(model, key) != NULL;
    armdb_err expected = ARMDB_OK;
    uint64_t deadline_ms = 0;
    options.durability = gen_durability(&runner->gen);
    if (verb != SHARD_DELETE)
        deadline_ms = choose_deadline(runner, &options);
    if (verb != SHARD_DELETE)
        value = gen_value(&runner->gen, model->value_bytes, runner->value);
    if (verb == SHARD_INSERT && is_there)
        expected = ARMDB_EXISTS;
    if (verb == SHARD_DELETE && !is_there)
        expected = ARMDB_NOT_FOUND;
    REQUIRE_ERR(adb_db_write(runner->opened[place], verb, key, value, &options), expected);
    if (expected != ARMDB_OK)
        return;
    if (verb == SHARD_DELETE)
        REQUIRE(model_delete(model, key), "the model lacks the key");
    else
        model_put_until(model, key, value, deadline_ms, adb_os_wall_ms(runner->os));
}

/* ---------------------------------------------------------- read, modify, write */

static void
do_modify(struct runner *runner)
{
    int place = pick(runner);
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    struct modify modify = {
        .opened = runner->opened[place],
        .model = &runner->models[place],
        .gen = &runner->gen,
        .options = &options,
        .value = runner->value,
        .buffer = runner->buffer,
        .now_ms = adb_os_wall_ms(runner->os),
    };
    modify.key = gen_key(&runner->gen, modify.model->key_bytes, runner->key);
    options.durability = gen_durability(&runner->gen);
    modify.deadline_ms = choose_deadline(runner, &options);
    model_modify(&modify);
}

static void
do_batch(struct runner *runner)
{
    const struct model_batch how = {
        .db = runner->db,
        .opened = runner->opened,
        .models = runner->models,
        .gen = &runner->gen,
        .value = runner->value,
        .file_bytes = runner->options.max_file_bytes,
        .now_ms = adb_os_wall_ms(runner->os),
        .has_clock = runner->sim != NULL,
    };
    model_batch(&how);
}

/* ---------------------------------------------------------------------- reads */

/* The object of a key is that of its value, and was made when that was written, or at open. */
static void
read_object(struct runner *runner, int place, armdb_slice key, const struct model_pair *pair)
{
    armdb_object object;
    uint64_t decoded = world.decoded;
    if (place == 0 || runner->models[place].value_bytes != ARMDB_VALUE_OBJECT)
        return;
    REQUIRE_ERR(adb_db_object_get(runner->opened[place], key, &object),
                pair != NULL ? ARMDB_OK : ARMDB_NOT_FOUND);
    const struct thing *thing = (const struct thing *)object.object;
    REQUIRE(pair == NULL || is_equal(armdb_bytes(thing->text, thing->len), model_value(pair)),
            "another object");
    REQUIRE(world.decoded == decoded, "decoded by a read");
    adb_db_object_release(&object);
}

static void
read_key(struct runner *runner, enum op_kind kind, int place, armdb_slice key)
{
    struct collection *opened = runner->opened[place];
    const struct model_pair *pair = model_find(&runner->models[place], key);
    armdb_err expected = pair != NULL ? ARMDB_OK : ARMDB_NOT_FOUND;
    size_t expected_len = pair != NULL ? pair->value_len : 0;
    armdb_value value;
    size_t len = 99;
    bool found;
    if (kind == OP_GET) {
        REQUIRE_ERR(adb_db_get(opened, key, runner->buffer, GEN_VALUE_MAX, &len), expected);
        REQUIRE(len == expected_len && (len == 0 || memcmp(runner->buffer, pair->value, len) == 0),
                "get: %zu bytes, not those %zu", len, expected_len);
        read_object(runner, place, key, pair);
    } else if (kind == OP_GET_VALUE) {
        REQUIRE_ERR(adb_db_get_value(opened, key, &value), expected);
        REQUIRE(pair == NULL || is_equal(armdb_value_bytes(&value), model_value(pair)),
                "get_value: %u bytes, not those %zu", value.len, expected_len);
        armdb_value_release(&value);
    } else if (kind == OP_CONTAINS) {
        REQUIRE_OK(adb_db_contains(opened, key, &found));
        REQUIRE(found == (pair != NULL), "contains says %d", found);
    } else {
        uint64_t deadline_ms;
        REQUIRE_ERR(adb_db_deadline(opened, key, &deadline_ms), expected);
        REQUIRE(deadline_ms == (pair != NULL ? pair->deadline_ms : 0), "deadline %" PRIu64,
                deadline_ms);
        REQUIRE_ERR(adb_db_value_len(opened, key, &len), expected);
        REQUIRE(len == expected_len, "value_len: %zu, not %zu", len, expected_len);
    }
}

static void
do_read(struct runner *runner, enum op_kind kind)
{
    int place = pick(runner);
    read_key(runner, kind, place,
             gen_key(&runner->gen, runner->models[place].key_bytes, runner->key));
}

static void
do_multi_get(struct runner *runner)
{
    enum { ROOM = 4096 }; /* some values are longer */
    int place = pick(runner);
    const struct model_collection *model = &runner->models[place];
    size_t n = (size_t)test_rng_below(&runner->gen.rng, GEN_READS_MAX + 1);
    unsigned char *keys = (unsigned char *)require_memory(NULL, (n + 1) * ARMDB_KEY_MAX);
    armdb_read reads[GEN_READS_MAX] = {0};
    armdb_err worst = ARMDB_OK;
    for (size_t i = 0; i < n; i++) {
        reads[i].key = gen_key(&runner->gen, model->key_bytes, keys + i * ARMDB_KEY_MAX);
        reads[i].buffer = runner->buffer + i * ROOM;
        reads[i].capacity = ROOM;
    }
    armdb_err err = adb_db_multi_get(runner->opened[place], reads, n);
    for (size_t i = 0; i < n; i++) {
        const struct model_pair *pair = model_find(model, reads[i].key);
        bool fits = pair == NULL || pair->value_len <= ROOM;
        armdb_err expected = pair == NULL ? ARMDB_NOT_FOUND
                             : fits       ? ARMDB_OK
                                          : ARMDB_BUFFER_TOO_SMALL;
        worst = fits ? worst : ARMDB_BUFFER_TOO_SMALL;
        REQUIRE(reads[i].err == expected, "multi_get says %s", armdb_err_name(reads[i].err));
        REQUIRE(reads[i].len == (pair == NULL ? 0 : pair->value_len), "%zu bytes", reads[i].len);
        REQUIRE(pair == NULL || !fits || pair->value_len == 0 ||
                    memcmp(reads[i].buffer, pair->value, pair->value_len) == 0,
                "multi_get: another value");
    }
    REQUIRE(err == worst, "multi_get as a whole says %s", armdb_err_name(err));
    free(keys);
}

static void
do_count(struct runner *runner)
{
    int place = pick(runner);
    armdb_collection_info info;
    uint64_t count;
    REQUIRE_OK(adb_db_count(runner->opened[place], &count));
    REQUIRE_OK(adb_collection_get_info(runner->opened[place], &info));
    require_count(&runner->models[place], count);
    REQUIRE(info.keys == count, "%" PRIu64 " keys", info.keys);
}

static void
do_ends(struct runner *runner)
{
    int place = pick(runner);
    const struct model_collection *model = &runner->models[place];
    bool is_last = test_rng_one_in(&runner->gen.rng, 2);
    bool wants_key = !test_rng_one_in(&runner->gen.rng, 4);
    bool wants_value = !test_rng_one_in(&runner->gen.rng, 4);
    armdb_value key = {0}, value = {0};
    if (model->is_unordered) {
        REQUIRE_ERR(adb_db_end(runner->opened[place], is_last, &key, &value), ARMDB_UNSUPPORTED);
        return;
    }
    REQUIRE_ERR(adb_db_end(runner->opened[place], is_last, wants_key ? &key : NULL,
                           wants_value ? &value : NULL),
                model->count > 0 ? ARMDB_OK : ARMDB_NOT_FOUND);
    if (model->count > 0) {
        const struct model_pair *pair =
            &model->pairs[is_last != model->is_descending ? model->count - 1 : 0];
        REQUIRE(!wants_key || is_equal(armdb_value_bytes(&key), model_key(pair)), "another key");
        REQUIRE(!wants_value || is_equal(armdb_value_bytes(&value), model_value(pair)),
                "another value");
    }
    armdb_value_release(&key);
    armdb_value_release(&value);
}

/* ---------------------------------------------------------------------- walks */

/* What a walk holds besides its cursors. */
struct walking {
    struct gen_walk plan;
    int place;
    struct cursor *cursor;
    struct model_cursor expected;
    unsigned char from[ARMDB_KEY_MAX];
    unsigned char to[ARMDB_KEY_MAX];
    unsigned char seek[ARMDB_KEY_MAX];
};

static void
compare_place(const struct walking *walking, armdb_err err, const struct model_pair *pair)
{
    const struct cursor *cursor = walking->cursor;
    REQUIRE(err == (pair != NULL ? ARMDB_OK : ARMDB_END), "a move says %s", armdb_err_name(err));
    if (pair == NULL) {
        REQUIRE(adb_cursor_key(cursor).len == 0 && adb_cursor_value(cursor).len == 0 &&
                    adb_cursor_value_len(cursor) == 0,
                "a key beyond the end");
        return;
    }
    REQUIRE(is_equal(adb_cursor_key(cursor), model_key(pair)), "a move comes to another key");
    REQUIRE(adb_cursor_value_len(cursor) == pair->value_len, "%zu bytes of value, not %zu",
            adb_cursor_value_len(cursor), pair->value_len);
    armdb_slice expected = {NULL, 0};
    if (!walking->plan.keys_only)
        expected = model_value(pair);
    REQUIRE(is_equal(adb_cursor_value(cursor), expected), "a move comes to another value");
}

static void
do_move(struct runner *runner, struct walking *walking, enum gen_move move)
{
    static const enum cursor_move moves[] = {CURSOR_NEXT, CURSOR_PREV, CURSOR_FIRST, CURSOR_LAST};
    const struct model_pair *pair;
    armdb_err err;
    totals.moves++;
    if (move == GEN_SEEK) {
        armdb_slice key = gen_bound(&runner->gen, runner->models[walking->place].key_bytes,
                                    walking->seek);
        err = adb_cursor_seek(walking->cursor, key);
        pair = model_cursor_seek(&walking->expected, key);
    } else {
        err = adb_cursor_move(walking->cursor, moves[move]);
        pair = move == GEN_NEXT || move == GEN_PREV
                   ? model_cursor_step(&walking->expected, move == GEN_NEXT)
                   : model_cursor_end(&walking->expected, move == GEN_FIRST);
    }
    compare_place(walking, err, pair);
}

static void
do_walk(struct runner *runner)
{
    struct walking walking = {.plan = gen_walk(&runner->gen), .place = pick(runner)};
    const struct model_collection *model = &runner->models[walking.place];
    armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    bool is_disturbed = test_rng_one_in(&runner->gen.rng, 4);
    armdb_err expected = ARMDB_OK;
    options.keys_only = walking.plan.keys_only;
    options.from = (armdb_bound){walking.plan.from,
                                 gen_bound(&runner->gen, model->key_bytes, walking.from)};
    options.to = (armdb_bound){walking.plan.to,
                               gen_bound(&runner->gen, model->key_bytes, walking.to)};
    if (walking.plan.has_prefix) {
        options.prefix = gen_bound(&runner->gen, model->key_bytes, walking.seek);
        memcpy(walking.from, walking.seek, options.prefix.len);
        options.prefix.data = walking.from;
        options.prefix.len -= test_rng_below(&runner->gen.rng, options.prefix.len);
        if (model->key_bytes != ARMDB_KEY_VARIABLE && options.prefix.len > model->key_bytes)
            expected = ARMDB_INVALID;
    }
    if (model->is_unordered) {
        bool is_range = options.prefix.len > 0 || options.from.kind != ARMDB_UNBOUNDED ||
                        options.to.kind != ARMDB_UNBOUNDED;
        if (is_range)
            REQUIRE_ERR(adb_cursor_open(runner->opened[walking.place], &options, &walking.cursor),
                        ARMDB_UNSUPPORTED);
        return; /* whole walks are compared elsewhere */
    }
    REQUIRE_ERR(adb_cursor_open(runner->opened[walking.place], &options, &walking.cursor),
                expected);
    if (expected != ARMDB_OK)
        return;
    model_cursor_init(&walking.expected, model, &options);
    for (uint32_t i = 0; i < walking.plan.move_count; i++) {
        do_move(runner, &walking, walking.plan.moves[i]);
        if (is_disturbed && i % 3 == 0)
            do_write(runner, i % 2 == 0 ? SHARD_PUT : SHARD_DELETE);
    }
    adb_cursor_close(walking.cursor);
}

/* ---------------------------------------------------------------- collections */

static void
do_create(struct runner *runner)
{
    int place = 1 + (int)test_rng_below(&runner->gen.rng, GEN_COLLECTIONS - 1);
    armdb_collection_options options;
    struct collection *created;
    const armdb_codec codec = thing_codec(&world);
    gen_collection(&runner->gen, &options);
    if (options.value_bytes == ARMDB_VALUE_OBJECT)
        options.codec = &codec;
    bool is_there = runner->opened[place] != NULL;
    REQUIRE_ERR(adb_collection_create(runner->db, names[place], &options, &created),
                is_there ? ARMDB_EXISTS : ARMDB_OK);
    if (is_there)
        return;
    runner->opened[place] = created;
    model_init(&runner->models[place], names[place], &options);
}

static void
do_drop(struct runner *runner)
{
    int place = (int)test_rng_below(&runner->gen.rng, GEN_COLLECTIONS);
    bool is_there = runner->opened[place] != NULL;
    armdb_err expected = place == 0 ? ARMDB_INVALID : is_there ? ARMDB_OK : ARMDB_NO_COLLECTION;
    REQUIRE_ERR(adb_collection_drop(runner->db, names[place]), expected);
    if (expected != ARMDB_OK)
        return;
    runner->dropped = runner->opened[place];
    runner->opened[place] = NULL;
    model_fini(&runner->models[place]);
}

static void
do_open_collection(struct runner *runner)
{
    int place = (int)test_rng_below(&runner->gen.rng, GEN_COLLECTIONS);
    const struct model_collection *model = &runner->models[place];
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    struct collection *opened;
    armdb_err expected = ARMDB_NO_COLLECTION;
    if (test_rng_one_in(&runner->gen.rng, 2))
        gen_collection(&runner->gen, &options);
    if (runner->opened[place] != NULL) {
        armdb_order order = model->is_unordered    ? ARMDB_UNORDERED
                            : model->is_descending ? ARMDB_DESCENDING
                                                   : ARMDB_ASCENDING;
        bool fits = (options.key_bytes == 0 || options.key_bytes == model->key_bytes) &&
                    (options.order == ARMDB_ORDER_DEFAULT || options.order == order) &&
                    (options.value_bytes == 0 || options.value_bytes == model->value_bytes);
        expected = fits ? ARMDB_OK : ARMDB_MISMATCH;
    }
    REQUIRE_ERR(adb_collection_open(runner->db, names[place], &options, &opened), expected);
    REQUIRE(opened == (expected == ARMDB_OK ? runner->opened[place] : NULL), "another handle");
}

/* ------------------------------------------------------------------ bad calls */

static void
call_with_bad_key(struct runner *runner, int place)
{
    uint32_t key_bytes = runner->models[place].key_bytes;
    size_t len = key_bytes == ARMDB_KEY_VARIABLE ? ARMDB_KEY_MAX + 1 : key_bytes + 1;
    armdb_slice key = {runner->key, len};
    struct collection *opened = runner->opened[place];
    armdb_value value;
    memset(runner->key, 'x', sizeof runner->key);
    if (test_rng_one_in(&runner->gen.rng, 2))
        key.len = key_bytes == ARMDB_KEY_VARIABLE ? 0 : key_bytes - 1;
    REQUIRE_ERR(adb_db_write(opened, SHARD_PUT, key, key, NULL), ARMDB_KEY_LENGTH);
    REQUIRE_ERR(adb_db_write(opened, SHARD_DELETE, key, (armdb_slice){NULL, 0}, NULL),
                ARMDB_KEY_LENGTH);
    REQUIRE_ERR(adb_db_get_value(opened, key, &value), ARMDB_KEY_LENGTH);
    REQUIRE(value.len == 0 && value.block == NULL, "a value of a bad key");
}

/* Calls that change nothing and say why. */
static void
do_bad(struct runner *runner)
{
    int place = pick(runner);
    armdb_slice key = gen_key(&runner->gen, runner->models[place].key_bytes, runner->key);
    const struct model_pair *pair = model_find(&runner->models[place], key);
    struct collection *opened = runner->opened[place];
    bool is_const = runner->models[place].value_bytes <= ARMDB_CONST_VALUE_MAX;
    size_t len;
    uint64_t count;
    switch (test_rng_below(&runner->gen.rng, 4)) {
    case 0:
        call_with_bad_key(runner, place);
        break;
    case 1:
        REQUIRE_ERR(adb_db_write(opened, SHARD_PUT, key,
                                 (armdb_slice){runner->value, ARMDB_VALUE_MAX + (size_t)1}, NULL),
                    is_const ? ARMDB_VALUE_LENGTH : ARMDB_TOO_BIG);
        break;
    case 2:
        if (pair == NULL || pair->value_len == 0)
            break;
        REQUIRE_ERR(adb_db_get(opened, key, runner->buffer, pair->value_len - 1, &len),
                    ARMDB_BUFFER_TOO_SMALL);
        REQUIRE(len == pair->value_len, "%zu bytes are needed, not %zu", pair->value_len, len);
        break;
    default:
        if (runner->dropped == NULL)
            break;
        REQUIRE_ERR(adb_db_count(runner->dropped, &count), ARMDB_NO_COLLECTION);
        REQUIRE_ERR(adb_db_end(runner->dropped, false, NULL, NULL), ARMDB_NO_COLLECTION);
        break;
    }
}

/* ------------------------------------------------------------------------ run */

static void
do_operation(struct runner *runner, enum op_kind kind)
{
    switch (kind) {
    case OP_PUT:
        do_write(runner, SHARD_PUT);
        break;
    case OP_INSERT:
        do_write(runner, SHARD_INSERT);
        break;
    case OP_DELETE:
        do_write(runner, SHARD_DELETE);
        break;
    case OP_MODIFY:
        do_modify(runner);
        break;
    case OP_BATCH:
        do_batch(runner);
        break;
    case OP_GET:
    case OP_GET_VALUE:
    case OP_CONTAINS:
    case OP_VALUE_LEN:
        do_read(runner, kind);
        break;
    case OP_MULTI_GET:
        do_multi_get(runner);
        break;
    case OP_COUNT:
        do_count(runner);
        break;
    case OP_ENDS:
        do_ends(runner);
        break;
    case OP_WALK:
        do_walk(runner);
        break;
    case OP_FLUSH:
        REQUIRE_OK(adb_db_flush(runner->db));
        break;
    case OP_SYNC:
        REQUIRE_OK(adb_db_sync(runner->db));
        break;
    case OP_CREATE:
        do_create(runner);
        break;
    case OP_DROP:
        do_drop(runner);
        break;
    case OP_OPEN_COLLECTION:
        do_open_collection(runner);
        break;
    case OP_BAD:
        do_bad(runner);
        break;
    case OP_REOPEN:
    case OP_KINDS:
        do_reopen(runner);
        break;
    }
}

static void
let_time_pass(struct runner *runner)
{
    bool is_long = test_rng_one_in(&runner->gen.rng, 30);
    sim_advance_ns(runner->sim, is_long ? UINT64_C(100000000000) : 20000000);
    for (int i = 0; i < GEN_COLLECTIONS; i++) {
        if (runner->opened[i] == NULL)
            continue;
        uint64_t before = runner->models[i].expired;
        model_expire(&runner->models[i], adb_os_wall_ms(runner->os));
        totals.expired += runner->models[i].expired - before;
    }
    for (int i = 0; i < (is_long ? 10 : 1); i++)
        adb_db_step(runner->db);
}

static void
run_operations(struct runner *runner, uint64_t seed, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        enum op_kind kind = gen_kind(&runner->gen);
        require_context("%s, run of seed %" PRIu64 ", operation %u of kind %d",
                        runner->sim != NULL ? "simulator" : "real files", seed, i, (int)kind);
        do_operation(runner, kind);
        if (runner->sim != NULL && i % 16 == 0)
            let_time_pass(runner);
    }
    totals.operations += count;
}

static void
run(uint64_t seed, uint32_t count, struct adb_os *os, struct sim *sim, const char *path)
{
    struct runner runner = {.os = os, .sim = sim, .path = path, .gen = gen_make(seed)};
    bool is_closed;
    require_context("opening of run of seed %" PRIu64, seed);
    runner.options = runner.gen.profile.options;
    runner.value = (unsigned char *)require_memory(NULL, GEN_VALUE_MAX);
    runner.buffer = (unsigned char *)require_memory(NULL, GEN_VALUE_MAX);
    REQUIRE_OK(adb_db_open(os, path, &runner.options, &runner.db));
    runner.opened[0] = adb_db_default(runner.db);
    model_init(&runner.models[0], names[0], &runner.options.default_collection);
    run_operations(&runner, seed, count);
    do_reopen(&runner);
    REQUIRE_OK(adb_db_close(runner.db, &is_closed));
    REQUIRE(sim == NULL || sim_open_count(sim) == 0, "files are left open");
    REQUIRE(world.things == 0, "%" PRIu64 " objects are left", world.things);
    for (int i = 0; i < GEN_COLLECTIONS; i++)
        model_fini(&runner.models[i]);
    free(runner.value);
    free(runner.buffer);
    totals.runs++;
}

int
main(void)
{
    uint64_t seed = test_seed();
    for (uint64_t i = 0; i < require_rounds(300); i++) {
        struct test_rng rng = test_rng_fork(seed, i);
        struct sim *sim = sim_new(i);
        sim_set_can_map(sim, i % 2 == 0);
        run(test_rng_next(&rng), 1500, sim_os(sim), sim, "/db");
        sim_free(sim);
    }
    for (uint64_t i = 0; i < require_rounds(12); i++) {
        struct test_rng rng = test_rng_fork(seed, UINT64_C(1000000) + i);
        char *path = tmpdir_make();
        run(test_rng_next(&rng), 1000, adb_os_posix(), NULL, path);
        tmpdir_remove(path);
    }
    printf("%" PRIu64 " runs, %" PRIu64 " operations, %" PRIu64 " moves of cursors, %" PRIu64
           " reopens, %" PRIu64 " pairs compared, %" PRIu64 " expired, %" PRIu64
           " of them deleted\n",
           totals.runs, totals.operations, totals.moves, totals.reopens, totals.pairs_compared,
           totals.expired, totals.swept);
    printf("%" PRIu64 " values decoded\n", world.decoded);
    REQUIRE(totals.expired > 0 && totals.swept > 0, "nothing has expired");
    return 0;
}
