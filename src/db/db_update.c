#include "db/db_update.h"

#include <inttypes.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/hash.h"
#include "db/db_private.h"
#include "log/location.h"
#include "os/rcu.h"
#include "shard/shard_change.h"
#include "shard/shard_object.h"

/* So many times somebody else may come in between. */
enum { ROUNDS_MAX = 4 };

/* A change of one key, by what it has. */
struct change {
    struct collection *collection;
    struct shard *shard;
    struct shard_write write;
    const armdb_write_options *options;
    /* What to do about what it has: `write` is made of it, or an answer returned. */
    armdb_err (*decide)(struct change *change);
    void *context;       /* for it */
    size_t expected_len; /* values of other lengths are not read, unless all are */
    bool reads_all;
    bool is_under_lock;  /* it reads and decides there, where no callback may run */
    bool is_lost;        /* somebody has come in between: nothing was written */
    bool keeps_deadline; /* no other is given: what is put gets the one that there is */

    /* what it has */
    uint64_t location;    /* 0: nothing */
    uint64_t file;        /* of the place that adb_shard_place() gives for it */
    bool is_there;        /* there is a value, and its deadline has not passed */
    uint64_t deadline_ms; /* of that; 0: none */
    bool is_read;
    armdb_value value; /* if it was read */
};

/* ----------------------------------------------------------------------- turns */

/* How many callbacks of updates this thread is in: from inside one it waits for no turn, which it
 * may itself have. Nor from inside a hook: who has the turn may wait until the hook was told. */
static _Thread_local uint32_t callbacks;

void
adb_turns_init(struct db_turns *turns)
{
    for (int i = 0; i < DB_TURNS; i++)
        adb_mutex_init(&turns->locks[i]);
}

void
adb_turns_fini(struct db_turns *turns)
{
    for (int i = 0; i < DB_TURNS; i++)
        adb_mutex_fini(&turns->locks[i]);
}

/* Waits for a turn if this update has lost too often, or another one has, unless it is its turn. */
static void
await_turn(struct db *db, armdb_slice key, int round, struct adb_mutex **turn)
{
    struct db_turns *turns = &db->turns;
    if (callbacks > 0 || adb_shard_is_telling())
        return;
    if (round == ROUNDS_MAX)
        atomic_fetch_add_explicit(&turns->n_losers, 1, memory_order_relaxed);
    if (*turn != NULL || atomic_load_explicit(&turns->n_losers, memory_order_relaxed) == 0)
        return;
    *turn = &turns->locks[adb_hash(key.data, key.len, db->router.hash_seed) % DB_TURNS];
    adb_mutex_lock(*turn);
}

static void
end_turn(struct db *db, int round, struct adb_mutex *turn)
{
    if (turn == NULL)
        return;
    if (round > ROUNDS_MAX)
        atomic_fetch_sub_explicit(&db->turns.n_losers, 1, memory_order_relaxed);
    adb_mutex_unlock(turn);
}

/* --------------------------------------------------------------------- looking */

/* Forgets what the key had. */
static void
forget(struct change *change)
{
    adb_value_release(&change->value);
    change->is_there = false;
    change->is_read = false;
    change->deadline_ms = 0;
}

static armdb_err
read_value(struct change *change, const void *inlined)
{
    uint32_t len = adb_location_value_len(change->location);
    void *to;
    armdb_err err = ARMDB_OK;
    ADB_TRY(adb_value_new(change->collection->db->account, len, &change->value, &to));
    if (inlined != NULL)
        memcpy(to, inlined, len);
    else
        err = adb_shard_read_value(change->shard, change->location, change->write.key, to);
    change->is_read = err == ARMDB_OK;
    return err;
}

/* Finds out what the key has. In an RCU scope, or under the shard's lock. */
static armdb_err
look(struct change *change)
{
    const struct adb_index *index = &change->collection->index.keys;
    const armdb_slice key = change->write.key;
    unsigned char inlined[ARMDB_CONST_VALUE_MAX];
    const bool is_const = index->value_bytes != 0;
    change->location = adb_index_get(index, key, is_const ? inlined : NULL);
    if (change->location == 0)
        return ARMDB_OK;
    change->file = adb_shard_place(change->shard, change->location).file_key;
    armdb_err err = adb_shard_read_deadline(change->shard, change->location, key,
                                            &change->deadline_ms);
    if (err == ARMDB_OK &&
        (change->reads_all || adb_location_value_len(change->location) == change->expected_len))
        err = read_value(change, is_const ? inlined : NULL);
    change->is_there = err == ARMDB_OK;
    if (err != ARMDB_OK)
        forget(change);
    return err == ARMDB_NOT_FOUND ? ARMDB_OK : err;
}

static armdb_err
look_outside(struct change *change)
{
    adb_rcu_enter();
    armdb_err err = adb_collection_check(change->collection);
    if (err == ARMDB_OK)
        err = look(change);
    adb_rcu_leave();
    return err;
}

/* ------------------------------------------------------------------- confirming */

/* Whether the key still has what was decided about: the same record, which has not expired since.
 * Under the shard's lock. */
static armdb_err
compare(struct change *change)
{
    const armdb_slice key = change->write.key;
    uint64_t location = adb_index_get(&change->collection->index.keys, key, NULL);
    uint64_t deadline_ms;
    armdb_err err = ARMDB_NOT_FOUND;
    /* The location may have come again for another file; that file can not be the same. */
    change->is_lost = location != change->location ||
                      (location != 0 &&
                       adb_shard_place(change->shard, location).file_key != change->file);
    if (!change->is_lost && location != 0)
        err = adb_shard_read_deadline(change->shard, location, key, &deadline_ms);
    if (err != ARMDB_OK && err != ARMDB_NOT_FOUND)
        return err;
    change->is_lost |= (err == ARMDB_OK) != change->is_there;
    return change->is_lost ? ARMDB_END : ARMDB_OK;
}

/* What is asked under the shard's lock before the write is made. It is asked again if the lock was
 * left meanwhile: then nothing that was found before counts. */
static armdb_err
confirm(void *context)
{
    struct change *change = (struct change *)context;
    struct shard_write *write = &change->write;
    if (change->is_under_lock) {
        forget(change);
        ADB_TRY(look(change));
        ADB_TRY(change->decide(change));
    } else {
        ADB_TRY(compare(change));
    }
    change->keeps_deadline |= write->deadline_ms == 0;
    if (change->keeps_deadline)
        write->deadline_ms = write->verb == SHARD_PUT ? change->deadline_ms : 0;
    return ARMDB_OK;
}

/* ------------------------------------------------------------------------ rounds */

static armdb_err
begin(struct change *change, struct collection *collection, armdb_slice key)
{
    armdb_durability durability;
    adb_db_ticket_clear(change->options);
    ADB_TRY(adb_write_options_settle(change->options, ARMDB_WRITTEN, &durability));
    ADB_TRY(adb_collection_check_key(collection, key));
    change->collection = collection;
    change->shard = adb_db_route(collection->db, key);
    change->write.key = key;
    change->write.confirm = confirm;
    change->write.confirm_context = change;
    return ARMDB_OK;
}

/* Looks, decides and writes. If somebody has come in between, it is lost, and nothing was done. */
static armdb_err
try_once(struct change *change)
{
    change->is_lost = false;
    change->keeps_deadline = false;
    forget(change);
    if (!change->is_under_lock) {
        ADB_TRY(look_outside(change));
        ADB_TRY(change->decide(change));
    }
    return adb_db_write_as(change->collection, &change->write, change->options);
}

/* ---------------------------------------------------------------------------- cas */

static armdb_err
decide_cas(struct change *change)
{
    const struct db_cas *cas = (const struct db_cas *)change->context;
    const bool expects_nothing = armdb_is_absent(cas->expected);
    if (!change->is_there)
        return expects_nothing ? ARMDB_OK : ARMDB_NOT_FOUND;
    if (expects_nothing || !change->is_read || change->value.len != cas->expected.len)
        return ARMDB_CHANGED;
    return memcmp(armdb_value_bytes(&change->value).data, cas->expected.data, change->value.len) ==
                   0
               ? ARMDB_OK
               : ARMDB_CHANGED;
}

armdb_err
adb_db_cas(struct collection *collection, const struct db_cas *cas,
           const armdb_write_options *options, armdb_value *current_out)
{
    struct change change = {
        .options = options,
        .decide = decide_cas,
        .context = (void *)cas,
        .expected_len = cas->expected.len,
        .reads_all = current_out != NULL,
    };
    armdb_err err;
    int round = 0;
    ADB_TRY(begin(&change, collection, cas->key));
    if (!armdb_is_absent(cas->desired)) {
        change.write.value = cas->desired;
        ADB_TRY(adb_collection_check_value(collection, cas->desired));
    } else if (armdb_is_absent(cas->expected)) {
        return adb_fail(ARMDB_INVALID, "cas", "neither a value that is expected nor a new one");
    } else {
        change.write.verb = SHARD_DELETE;
    }
    do {
        change.is_under_lock = round++ == ROUNDS_MAX || collection->index.keys.value_bytes != 0;
        err = try_once(&change);
    } while (change.is_lost);
    if (err == ARMDB_CHANGED && current_out != NULL)
        *current_out = change.value;
    else
        forget(&change);
    return err;
}

/* ---------------------------------------------------------------------------- add */

armdb_err
adb_collection_check_number(const struct collection *collection)
{
    const uint32_t width = collection->index.keys.value_bytes;
    if (width == 1 || width == 2 || width == 4 || width == 8)
        return ARMDB_OK;
    return adb_fail(ARMDB_UNSUPPORTED, "add",
                    "values of collection \"%.100s\" are no numbers: their length is not always 1, "
                    "2, 4 or 8 bytes",
                    collection->name);
}

armdb_err
adb_number_add(armdb_slice number, uint32_t width, struct adb_addition *addition)
{
    const uint32_t unused = 64 - 8 * width;
    const int64_t largest = INT64_MAX >> unused;
    unsigned char bytes[8] = {0};
    if (number.len > 0)
        memcpy(bytes, number.data, width);
    const int64_t now = (int64_t)(adb_load_u64(bytes) << unused) >> unused;
    if (__builtin_add_overflow(now, addition->delta, &addition->sum) || addition->sum > largest ||
        addition->sum < -largest - 1)
        return adb_fail(ARMDB_OVERFLOW, "add",
                        "%" PRId64 " added to %" PRId64 " does not fit %" PRIu32
                        " bytes, which hold %" PRId64 "..%" PRId64,
                        addition->delta, now, width, -largest - 1, largest);
    adb_store_u64(addition->bytes, (uint64_t)addition->sum);
    return ARMDB_OK;
}

static armdb_err
decide_add(struct change *change)
{
    const armdb_slice none = {NULL, 0};
    return adb_number_add(change->is_there ? armdb_value_bytes(&change->value) : none,
                          (uint32_t)change->write.value.len,
                          (struct adb_addition *)change->context);
}

armdb_err
adb_db_add(struct collection *collection, armdb_slice key, int64_t delta,
           const armdb_write_options *options, int64_t *sum_out)
{
    struct adb_addition addition = {.delta = delta};
    struct change change = {
        .options = options,
        .decide = decide_add,
        .context = &addition,
        .reads_all = true,
        .is_under_lock = true,
        .write.value = {addition.bytes, collection->index.keys.value_bytes},
    };
    ADB_TRY(adb_collection_check_number(collection));
    ADB_TRY(begin(&change, collection, key));
    armdb_err err = try_once(&change);
    forget(&change);
    if (err == ARMDB_OK)
        *sum_out = addition.sum;
    return err;
}

/* ------------------------------------------------------------------------- update */

struct updating {
    const struct db_update *update;
    bool is_kept;          /* there is nothing to write: it ends with ARMDB_END */
    armdb_value new_value; /* if it is to be handed out */
};

static armdb_err
copy_new(struct change *change, struct updating *updating)
{
    void *to;
    const armdb_slice value = change->write.value;
    ADB_TRY(adb_collection_check_value(change->collection, value));
    if (updating->update->new_out == NULL)
        return ARMDB_OK;
    adb_value_release(&updating->new_value);
    ADB_TRY(adb_value_new(change->collection->db->account, (uint32_t)value.len,
                          &updating->new_value, &to));
    if (value.len > 0)
        memcpy(to, value.data, value.len);
    return ARMDB_OK;
}

/* Makes of an update what the callback wants. */
static armdb_err
apply(struct change *change, struct updating *updating, const armdb_verdict *wanted)
{
    switch (wanted->kind) {
    case ARMDB_KEEP:
        break;
    case ARMDB_REMOVE:
        change->write.verb = SHARD_DELETE;
        adb_value_release(&updating->new_value);
        if (change->is_there)
            return ARMDB_OK;
        break;
    case ARMDB_REPLACE:
        change->write.verb = SHARD_PUT;
        change->write.value = wanted->value;
        if (wanted->value.data != NULL || wanted->value.len == 0)
            return copy_new(change, updating);
        return adb_fail(ARMDB_INVALID, "update", "the new value is NULL, but its length is %zu",
                        wanted->value.len);
    }
    if ((uint32_t)wanted->kind > ARMDB_REMOVE)
        return adb_fail(ARMDB_INVALID, "update",
                        "the callback asks for change %u, allowed are 0..2",
                        (unsigned)wanted->kind);
    updating->is_kept = true;
    return ARMDB_END;
}

static armdb_err
decide_update(struct change *change)
{
    struct updating *updating = (struct updating *)change->context;
    const struct db_update *update = updating->update;
    const armdb_slice old = armdb_value_bytes(&change->value);
    armdb_verdict wanted = {ARMDB_KEEP, {NULL, 0}};
    callbacks++;
    armdb_err err = update->fn(update->context, update->key, change->is_there ? &old : NULL,
                               &wanted);
    callbacks--;
    return err != ARMDB_OK ? err : apply(change, updating, &wanted);
}

/* Hands out what was asked for. */
static void
hand_out(struct change *change, struct updating *updating)
{
    const struct db_update *update = updating->update;
    if (update->new_out != NULL && updating->is_kept)
        adb_value_ref(&change->value, update->new_out);
    else if (update->new_out != NULL)
        *update->new_out = updating->new_value;
    if (update->old_out != NULL)
        *update->old_out = change->value;
    else
        forget(change);
}

armdb_err
adb_db_update(struct collection *collection, const struct db_update *update,
              const armdb_write_options *options)
{
    struct updating updating = {.update = update};
    struct change change = {
        .options = options,
        .decide = decide_update,
        .context = &updating,
        .reads_all = true,
    };
    struct adb_mutex *turn = NULL;
    armdb_err err;
    int round = 0;
    ADB_TRY(begin(&change, collection, update->key));
    do {
        await_turn(collection->db, update->key, round++, &turn);
        err = try_once(&change);
    } while (change.is_lost);
    end_turn(collection->db, round, turn);
    if (updating.is_kept)
        err = ARMDB_OK;
    if (err == ARMDB_OK) {
        hand_out(&change, &updating);
    } else {
        adb_value_release(&updating.new_value);
        forget(&change);
    }
    return err;
}
