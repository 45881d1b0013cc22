/*
 * db_cursor.c: walking a collection.
 *
 * A collection without order is walked in the order of its map, forwards alone. What follows is
 * about the others. The tree always ascends, so a cursor knows its range as a low and a high end in
 * key order, and each move of the caller is a move up or down the tree, turned round for a
 * descending collection. Where it stands is a key (kept by value in the position) or beyond one end
 * of the range; nothing is locked or pinned between moves.
 */
#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "db/db_ahead.h"
#include "db/db_fetch_ahead.h"
#include "db/db_private.h"
#include "log/location.h"
#include "os/rcu.h"

enum cursor_place {
    PLACE_FRESH, /* not moved yet: beyond both ends, so to speak */
    PLACE_BELOW, /* under the low end */
    PLACE_ON,    /* on position.key */
    PLACE_ABOVE  /* over the high end */
};

/* One end of the range, in key order; the key is kept by value. */
struct cursor_end {
    armdb_bound_kind kind;
    uint32_t len;
    unsigned char key[ARMDB_KEY_MAX];
};

/* Owner thread only. */
struct cursor {
    struct collection *collection; /* borrowed */
    bool keys_only;
    bool is_descending;
    struct cursor_end low;
    struct cursor_end high;

    enum cursor_place place;
    struct adb_tree_position position; /* in a map: only its key, location and value */
    struct ahead ahead;                /* these two: in a tree */
    struct fetch_ahead cold;
    struct adb_map_walk walk; /* in a map */
    unsigned char *room;      /* owned, `capacity` bytes: of values that were read */
    size_t capacity;
    armdb_slice value; /* of the key under the cursor; empty if keys_only or failed */
    uint64_t n_hits;   /* of the cache, not yet counted there */
};

/* ---------------------------------------------------------------------- range */

static armdb_slice
end_key(const struct cursor_end *end)
{
    return (armdb_slice){end->key, end->len};
}

static void
set_end(struct cursor_end *end, armdb_bound_kind kind, armdb_slice key)
{
    end->kind = kind;
    if (kind == ARMDB_UNBOUNDED)
        return;
    end->len = (uint32_t)key.len;
    memcpy(end->key, key.data, key.len);
}

/* The keys that begin with `prefix` are those from it to just before the next string of its length
 * that is greater; if it is all 0xff, there is none. */
static void
set_prefix(struct cursor *cursor, armdb_slice prefix)
{
    set_end(&cursor->low, ARMDB_INCLUDED, prefix);
    set_end(&cursor->high, ARMDB_EXCLUDED, prefix);
    while (cursor->high.len > 0 && cursor->high.key[cursor->high.len - 1] == 0xff)
        cursor->high.len--;
    if (cursor->high.len == 0)
        cursor->high.kind = ARMDB_UNBOUNDED;
    else
        cursor->high.key[cursor->high.len - 1]++;
}

static armdb_err
check_bound(const char *field, const armdb_bound *bound)
{
    switch (bound->kind) {
    case ARMDB_UNBOUNDED:
        return ARMDB_OK;
    case ARMDB_INCLUDED:
    case ARMDB_EXCLUDED:
        if (bound->key.data == NULL || bound->key.len == 0 || bound->key.len > ARMDB_KEY_MAX)
            return adb_fail(ARMDB_INVALID, "open cursor",
                            "bound `%s` has a key of %zu bytes, allowed are 1..%u", field,
                            bound->key.len, ARMDB_KEY_MAX);
        return ARMDB_OK;
    }
    return adb_fail(ARMDB_INVALID, "open cursor", "bound `%s` has kind %d, allowed are 0..2", field,
                    (int)bound->kind);
}

static armdb_err
check_options(const struct collection *collection, const armdb_cursor_options *options)
{
    uint32_t key_bytes = collection->index.key_bytes;
    size_t longest = key_bytes == ARMDB_KEY_VARIABLE ? ARMDB_KEY_MAX : key_bytes;
    if (options->struct_bytes != sizeof *options)
        return adb_fail(ARMDB_INVALID, "open cursor",
                        "armdb_cursor_options.struct_bytes is %u, allowed is %zu: start from the "
                        "_INIT macro",
                        options->struct_bytes, sizeof *options);
    ADB_TRY(check_bound("from", &options->from));
    ADB_TRY(check_bound("to", &options->to));
    if (options->prefix.len > 0 || options->from.kind != ARMDB_UNBOUNDED ||
        options->to.kind != ARMDB_UNBOUNDED)
        ADB_TRY(adb_collection_check_order(collection, "open cursor over a range"));
    if (options->prefix.len == 0)
        return ARMDB_OK;
    if (options->prefix.data == NULL || options->prefix.len > longest)
        return adb_fail(ARMDB_INVALID, "open cursor",
                        "a prefix of %zu bytes, but keys of \"%.100s\" have at most %zu",
                        options->prefix.len, collection->name, longest);
    if (options->from.kind != ARMDB_UNBOUNDED || options->to.kind != ARMDB_UNBOUNDED)
        return adb_fail(ARMDB_INVALID, "open cursor", "both a prefix and a bound are set");
    return ARMDB_OK;
}

static void
set_range(struct cursor *cursor, const armdb_cursor_options *options)
{
    if (options->prefix.len > 0) {
        set_prefix(cursor, options->prefix);
        return;
    }
    const armdb_bound *low = cursor->is_descending ? &options->to : &options->from;
    const armdb_bound *high = cursor->is_descending ? &options->from : &options->to;
    set_end(&cursor->low, low->kind, low->key);
    set_end(&cursor->high, high->kind, high->key);
}

armdb_err
adb_cursor_open(struct collection *collection, const armdb_cursor_options *options,
                struct cursor **cursor_out)
{
    const armdb_cursor_options defaults = ARMDB_CURSOR_OPTIONS_INIT;
    *cursor_out = NULL;
    if (options == NULL)
        options = &defaults;
    ADB_TRY(check_options(collection, options));
    ADB_TRY(adb_collection_check(collection));
    struct cursor *cursor = adb_new(struct cursor);
    if (cursor == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "open cursor", "no memory for a cursor");
    cursor->collection = collection;
    cursor->keys_only = options->keys_only != 0;
    cursor->is_descending = collection->order == ARMDB_DESCENDING;
    set_range(cursor, options);
    atomic_fetch_add_explicit(&collection->db->cursors, 1, memory_order_relaxed);
    *cursor_out = cursor;
    return ARMDB_OK;
}

static void
count_hits(struct cursor *cursor)
{
    if (cursor->n_hits != 0)
        adb_cache_add_hits(cursor->collection->db->cache, cursor->n_hits);
    cursor->n_hits = 0;
}

void
adb_cursor_close(struct cursor *cursor)
{
    count_hits(cursor);
    adb_fetch_give(&cursor->collection->db->fetches, cursor->cold.fetch);
    atomic_fetch_sub_explicit(&cursor->collection->db->cursors, 1, memory_order_release);
    adb_mem_free(cursor->room);
    adb_mem_free(cursor);
}

/* ---------------------------------------------------------------------- moves */

static int
compare_keys(armdb_slice a, armdb_slice b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = memcmp(a.data, b.data, common);
    if (order != 0)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

static inline bool
is_above_low(const struct cursor *cursor, armdb_slice key)
{
    if (cursor->low.kind == ARMDB_UNBOUNDED)
        return true;
    int order = compare_keys(key, end_key(&cursor->low));
    return cursor->low.kind == ARMDB_INCLUDED ? order >= 0 : order > 0;
}

static inline bool
is_below_high(const struct cursor *cursor, armdb_slice key)
{
    if (cursor->high.kind == ARMDB_UNBOUNDED)
        return true;
    int order = compare_keys(key, end_key(&cursor->high));
    return cursor->high.kind == ARMDB_INCLUDED ? order <= 0 : order < 0;
}

/* What the walk before this one has found out about its way does not count any more. */
static void
begin_walk(struct cursor *cursor)
{
    adb_ahead_reset(&cursor->ahead);
    adb_fetch_ahead_reset(&cursor->cold);
}

/* Seeks the key at one end of the range; whether it is within the other is still to be seen. */
static bool
seek_end(struct cursor *cursor, bool is_low)
{
    static const enum adb_tree_seek how[2][3] = {
        {ADB_SEEK_LAST, ADB_SEEK_LE, ADB_SEEK_LT}, /* from above */
        {ADB_SEEK_FIRST, ADB_SEEK_GE, ADB_SEEK_GT} /* from below */
    };
    const struct cursor_end *end = is_low ? &cursor->low : &cursor->high;
    begin_walk(cursor);
    return adb_tree_seek(cursor->collection->index.keys.tree, how[is_low][end->kind], end_key(end),
                         &cursor->position);
}

/* Sees to room for a value, or for a record that is taken from the cache. */
static armdb_err
make_room(struct cursor *cursor, size_t len)
{
    size_t capacity = len < SHARD_TAKEN_BYTES_MAX ? SHARD_TAKEN_BYTES_MAX : len;
    if (capacity <= cursor->capacity)
        return ARMDB_OK;
    void *grown = adb_mem_alloc(capacity);
    if (grown == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "read cursor", "no memory for a value of %zu bytes", len);
    adb_mem_free(cursor->room);
    cursor->room = (unsigned char *)grown;
    cursor->capacity = capacity;
    return ARMDB_OK;
}

/* Takes the value of the key under the cursor, which was asked for, if it is there. */
static inline bool
take_value(struct cursor *cursor, const struct shard_reading *reading)
{
    const struct adb_tree_position *position = &cursor->position;
    const armdb_slice key = {position->key, position->key_len};
    adb_ahead_approach(&cursor->ahead, position->slot);
    if (ADB_UNLIKELY(reading->location != position->location))
        return false;
    const unsigned char *value = adb_shard_take(reading, key, cursor->room);
    if (ADB_UNLIKELY(value == NULL))
        return false;
    cursor->n_hits++;
    cursor->value = (armdb_slice){value, adb_location_value_len(position->location)};
    return true;
}

/* Whether a walk gets as far as a key. */
static bool
is_in_range(const void *context, armdb_slice key)
{
    const struct cursor *cursor = (const struct cursor *)context;
    return is_above_low(cursor, key) && is_below_high(cursor, key);
}

/* Takes the value of the key under the cursor from memory, or from the device together with those
 * of keys that come next. */
static bool
take_ahead(struct cursor *cursor, bool up)
{
    const struct adb_tree_position *position = &cursor->position;
    struct db *db = cursor->collection->db;
    const struct adb_tree *tree = cursor->collection->index.keys.tree;
    const struct shard_reading *reading = adb_ahead_look(&cursor->ahead, db, tree, position, up);
    if (reading != NULL && take_value(cursor, reading))
        return true;
    const struct fetch_walk walk = {db, tree, position, up, is_in_range, cursor};
    const unsigned char *value = adb_fetch_ahead_value(&cursor->cold, &walk);
    cursor->value = (armdb_slice){value, adb_location_value_len(position->location)};
    return value != NULL;
}

/* Reads the value of the key under the cursor, in direction `up` of a walk; ARMDB_NOT_FOUND if it
 * has expired. Inside the scope that found it. */
static armdb_err
load_value(struct cursor *cursor, bool up)
{
    const struct adb_tree_position *position = &cursor->position;
    const struct adb_index *keys = &cursor->collection->index.keys;
    struct db *db = cursor->collection->db;
    const armdb_slice key = {position->key, position->key_len};
    size_t len = adb_location_value_len(position->location);
    uint64_t deadline_ms;
    if ((cursor->keys_only || keys->value_bytes != 0) &&
        adb_location_has_deadline(position->location))
        ADB_TRY(
            adb_shard_read_deadline(adb_db_route(db, key), position->location, key, &deadline_ms));
    if (cursor->keys_only)
        return ARMDB_OK;
    if (keys->value_bytes != 0) {
        cursor->value = (armdb_slice){position->value, len};
        return ARMDB_OK;
    }
    ADB_TRY(make_room(cursor, len));
    if (keys->tree != NULL && take_ahead(cursor, up))
        return ARMDB_OK;
    cursor->value = (armdb_slice){NULL, 0};
    ADB_TRY(adb_shard_read_value(adb_db_route(db, key), position->location, key, cursor->room));
    cursor->value = (armdb_slice){cursor->room, len};
    return ARMDB_OK;
}

/* Takes the outcome of a search in direction `up`: whether it is on a key of the range, or beyond
 * its end. */
static bool
land(struct cursor *cursor, bool found, bool up)
{
    const armdb_slice key = {cursor->position.key, cursor->position.key_len};
    cursor->value = (armdb_slice){NULL, 0};
    /* It comes from within the range, or its other end: only this one can have been passed. */
    bool is_on = found && (up ? is_below_high(cursor, key) : is_above_low(cursor, key));
    cursor->place = is_on ? PLACE_ON : up ? PLACE_ABOVE : PLACE_BELOW;
    return is_on;
}

static armdb_err
land_and_load(struct cursor *cursor, bool found, bool up)
{
    return land(cursor, found, up) ? load_value(cursor, up) : ARMDB_END;
}

static armdb_err
step(struct cursor *cursor, bool up)
{
    const struct adb_tree *tree = cursor->collection->index.keys.tree;
    switch (cursor->place) {
    case PLACE_ON:
        return land_and_load(cursor,
                             up ? adb_tree_next(tree, &cursor->position)
                                : adb_tree_prev(tree, &cursor->position),
                             up);
    case PLACE_BELOW:
        if (!up)
            return ARMDB_END;
        break;
    case PLACE_ABOVE:
        if (up)
            return ARMDB_END;
        break;
    case PLACE_FRESH:
        break;
    }
    return land_and_load(cursor, seek_end(cursor, up), up);
}

/* A step, or the first one, in a map. */
static armdb_err
move_in_map(struct cursor *cursor, enum cursor_move move)
{
    struct adb_map_walk *walk = &cursor->walk;
    struct adb_tree_position *position = &cursor->position;
    const struct adb_index *keys = &cursor->collection->index.keys;
    if (move != CURSOR_NEXT && move != CURSOR_FIRST)
        return adb_collection_check_order(cursor->collection,
                                          move == CURSOR_LAST ? "last" : "step back");
    if (move == CURSOR_FIRST)
        *walk = (struct adb_map_walk){0};
    cursor->value = (armdb_slice){NULL, 0};
    cursor->place = PLACE_ABOVE;
    if (!adb_map_walk_next(keys->map, walk))
        return ARMDB_END;
    position->location = walk->location;
    position->key_len = walk->key_len;
    memcpy(position->key, walk->key, walk->key_len);
    memcpy(position->value, walk->value, keys->value_bytes);
    cursor->place = PLACE_ON;
    return load_value(cursor, true);
}

static armdb_err
move_inside(struct cursor *cursor, enum cursor_move move)
{
    bool is_forward = move == CURSOR_NEXT || move == CURSOR_FIRST;
    bool up = is_forward != cursor->is_descending;
    ADB_TRY(adb_collection_check(cursor->collection));
    if (cursor->collection->order == ARMDB_UNORDERED)
        return move_in_map(cursor, move);
    if (move == CURSOR_FIRST || move == CURSOR_LAST)
        return land_and_load(cursor, seek_end(cursor, up), up);
    return step(cursor, up);
}

/* Reads the value of the key under the cursor, which was found outside of a scope, and could not be
 * taken. If the key has gone by now, the next one is as good. */
static armdb_err
load_again(struct cursor *cursor, bool up)
{
    const struct adb_tree *tree = cursor->collection->index.keys.tree;
    adb_rcu_enter();
    armdb_err err = adb_collection_check(cursor->collection);
    if (err == ARMDB_OK) {
        uint64_t location = adb_tree_location(tree, &cursor->position);
        if (location != 0)
            cursor->position.location = location;
        err = location != 0 ? load_value(cursor, up) : step(cursor, up);
    }
    adb_rcu_leave();
    return err;
}

/* Whether there is nothing more to read for the key under the cursor. */
static inline bool
take_near(struct cursor *cursor, const struct shard_reading *reading)
{
    if (cursor->keys_only)
        return !adb_location_has_deadline(cursor->position.location);
    return take_value(cursor, reading);
}

/*
 * Most steps lead to the next slot of a leaf that has not changed, and to a value that was asked
 * for. These need no RCU scope: pages of nodes and frames of the cache stay mapped as long as the
 * database is open, and say by their versions whether what was read is right. Says whether the step
 * was made; if not, the cursor is where it was.
 */
static inline bool
step_near(struct cursor *cursor, bool up, armdb_err *err_out)
{
    struct adb_tree_position *position = &cursor->position;
    const struct shard_reading *reading = NULL;
    if (cursor->place != PLACE_ON || adb_collection_is_dropped(cursor->collection))
        return false;
    if (!cursor->keys_only) {
        reading = adb_ahead_next(&cursor->ahead, position, up);
        if (reading == NULL)
            return false;
    }
    if (!adb_tree_step_near(position, up))
        return false;
    *err_out = !land(cursor, true, up)      ? ARMDB_END
               : take_near(cursor, reading) ? ARMDB_OK
                                            : load_again(cursor, up);
    return true;
}

static armdb_err
move_once(struct cursor *cursor, enum cursor_move move)
{
    armdb_err err;
    bool is_step = move == CURSOR_NEXT || move == CURSOR_PREV;
    bool up = (move == CURSOR_NEXT) != cursor->is_descending;
    if (is_step && step_near(cursor, up, &err))
        return err;
    count_hits(cursor);
    adb_rcu_enter();
    err = move_inside(cursor, move);
    adb_rcu_leave();
    return err;
}

/* Passes keys that have expired, from the one under the cursor on. Each step is in a scope of its
 * own: there may be many in a row. */
static armdb_err
pass_expired(struct cursor *cursor, enum cursor_move onward)
{
    armdb_err err = ARMDB_NOT_FOUND;
    while (err == ARMDB_NOT_FOUND)
        err = move_once(cursor, onward);
    return err;
}

armdb_err
adb_cursor_move(struct cursor *cursor, enum cursor_move move)
{
    armdb_err err = move_once(cursor, move);
    if (ADB_LIKELY(err != ARMDB_NOT_FOUND))
        return err;
    return pass_expired(cursor,
                        move == CURSOR_NEXT || move == CURSOR_FIRST ? CURSOR_NEXT : CURSOR_PREV);
}

static armdb_err
seek_inside(struct cursor *cursor, armdb_slice key)
{
    bool up = !cursor->is_descending;
    bool is_before = up ? !is_above_low(cursor, key) : !is_below_high(cursor, key);
    ADB_TRY(adb_collection_check(cursor->collection));
    ADB_TRY(adb_collection_check_order(cursor->collection, "seek"));
    if (is_before)
        return land_and_load(cursor, seek_end(cursor, up), up);
    begin_walk(cursor);
    return land_and_load(cursor,
                         adb_tree_seek(cursor->collection->index.keys.tree,
                                       up ? ADB_SEEK_GE : ADB_SEEK_LE, key, &cursor->position),
                         up);
}

armdb_err
adb_cursor_seek(struct cursor *cursor, armdb_slice key)
{
    if (key.len == 0 || key.len > ARMDB_KEY_MAX)
        return adb_fail(ARMDB_KEY_LENGTH, "seek", "a key of %zu bytes, allowed are 1..%u", key.len,
                        ARMDB_KEY_MAX);
    adb_rcu_enter();
    armdb_err err = seek_inside(cursor, key);
    adb_rcu_leave();
    return err == ARMDB_NOT_FOUND ? pass_expired(cursor, CURSOR_NEXT) : err;
}

/* ---------------------------------------------------------------- under it */

armdb_slice
adb_cursor_key(const struct cursor *cursor)
{
    if (cursor->place != PLACE_ON)
        return (armdb_slice){NULL, 0};
    return (armdb_slice){cursor->position.key, cursor->position.key_len};
}

armdb_slice
adb_cursor_value(const struct cursor *cursor)
{
    return cursor->value;
}

size_t
adb_cursor_value_len(const struct cursor *cursor)
{
    return cursor->place == PLACE_ON ? adb_location_value_len(cursor->position.location) : 0;
}

uint64_t
adb_cursor_location(const struct cursor *cursor)
{
    return cursor->position.location;
}
