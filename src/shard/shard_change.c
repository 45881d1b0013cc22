#include "shard/shard_change.h"

#include <string.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/plant.h"
#include "os/rcu.h"
#include "shard/shard_private.h"

struct shard_change {
    struct shard_change *next;
    struct shard_listener *listener; /* borrowed */
    struct data_file *old_file;      /* pinned; NULL: no old value is to be read */
    uint64_t old_location;           /* 0: there was none */
    uint64_t sequence;
    armdb_change_kind kind;
    uint32_t depth;
    uint32_t key_len;
    uint32_t value_len;
    uint32_t old_len;      /* of the value that was in the index */
    unsigned char bytes[]; /* key, value, old value */
};

/* A thread that is in a hook, or tells. */
struct teller {
    struct shard *claimed; /* list of the shards whose changes it has to tell */
    struct shard **claimed_end;
    uint32_t depth; /* of the change that it is telling */
};

static _Thread_local struct teller *thread_teller;

/* --------------------------------------------------------------------- memory */

static void
clear_list(struct shard_change **list, struct shard_change ***end)
{
    while (*list != NULL) {
        struct shard_change *change = *list;
        *list = change->next;
        adb_mem_free(change);
    }
    *end = list;
}

void
adb_shard_init_changes(struct shard_changes *changes)
{
    changes->prepared_end = &changes->prepared;
    changes->queued_end = &changes->queued;
    adb_cond_init(&changes->unclaimed);
}

void
adb_shard_fini_changes(struct shard_changes *changes)
{
    clear_list(&changes->prepared, &changes->prepared_end);
    clear_list(&changes->queued, &changes->queued_end);
    adb_cond_fini(&changes->unclaimed);
}

void
adb_shard_drop_changes(struct shard *shard)
{
    clear_list(&shard->changes.prepared, &shard->changes.prepared_end);
}

static void
append_to(struct shard_change ***end, struct shard_change *change)
{
    change->next = NULL;
    **end = change;
    *end = &change->next;
}

/* -------------------------------------------------------------------- writing */

armdb_err
adb_shard_prepare_change(struct shard *shard, const struct shard_write *write)
{
    const struct shard_listener *listener = write->index->listener;
    /* That a key expires follows from no change, also if a hook has it found. */
    bool is_of_hook = thread_teller != NULL && write->verb != SHARD_EXPIRE;
    uint32_t depth = is_of_hook ? thread_teller->depth + 1 : 1;
    if (listener->hook.on_change == NULL)
        return ARMDB_OK;
    if (depth > ARMDB_HOOK_DEPTH_MAX)
        return adb_fail(ARMDB_LIMIT, "write",
                        "a change that a hook makes because of a change that a hook made, and so "
                        "on, %u deep: that is the most there can be",
                        ARMDB_HOOK_DEPTH_MAX);
    uint32_t old_len = listener->hook.wants_old != 0 ? write->index->keys.value_bytes : 0;
    size_t bytes = write->key.len + write->value.len + old_len;
    struct shard_change *change = (struct shard_change *)adb_mem_alloc(sizeof *change + bytes);
    if (change == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "write", "no memory for a change of %zu bytes", bytes);
    *change = (struct shard_change){
        .listener = write->index->listener,
        .depth = depth,
        .key_len = (uint32_t)write->key.len,
        .value_len = (uint32_t)write->value.len,
        .old_len = old_len,
    };
    memcpy(change->bytes, write->key.data, write->key.len);
    if (write->value.len > 0)
        memcpy(change->bytes + write->key.len, write->value.data, write->value.len);
    append_to(&shard->changes.prepared_end, change);
    return ARMDB_OK;
}

void
adb_shard_keep_old(struct shard *shard, const struct shard_write *write)
{
    struct shard_change *change = shard->changes.prepared;
    /* In a batch, the first one prepared may be of another collection, which has a hook. */
    if (change != NULL && change->listener == write->index->listener && change->old_len != 0)
        ADB_IGNORE(adb_index_get(&write->index->keys, write->key,
                                 change->bytes + change->key_len + change->value_len));
}

/* Keeps the file of the old value until that was read. */
static void
pin_old(struct shard *shard, struct shard_change *change)
{
    change->old_file = atomic_load_explicit(&shard->files[adb_location_slot(change->old_location)],
                                            memory_order_relaxed);
    atomic_fetch_add_explicit(&change->old_file->pins, 1, memory_order_relaxed);
}

void
adb_shard_queue_change(struct shard *shard, const struct shard_write *write, armdb_change_kind kind,
                       uint64_t old, uint64_t sequence)
{
    struct shard_changes *changes = &shard->changes;
    const struct shard_listener *listener = write->index->listener;
    adb_watches_add(listener->watches, &(armdb_change){.kind = kind,
                                                       .shard = shard->identity.shard,
                                                       .sequence = sequence,
                                                       .key = write->key,
                                                       .value = write->value,
                                                       .had_value = old != 0});
    if (listener->hook.on_change == NULL ||
        (ADB_PLANTED(PLANT_CHANGE_UNTOLD) && kind == ARMDB_CHANGE_DELETE))
        return;
    struct shard_change *change = changes->prepared;
    ADB_ASSERT(change != NULL && change->listener == listener && sequence > changes->newest);
    changes->prepared = change->next;
    if (change->next == NULL)
        changes->prepared_end = &changes->prepared;
    change->kind = kind;
    change->sequence = sequence;
    change->old_location = old;
    if (old != 0 && listener->hook.wants_old != 0 && change->old_len == 0)
        pin_old(shard, change);
    append_to(&changes->queued_end, change);
    changes->newest = sequence;
}

/* -------------------------------------------------------------------- telling */

bool
adb_shard_is_telling(void)
{
    return thread_teller != NULL;
}

/* Reads the value that a change has replaced. `*room_out` is to be freed. */
static armdb_err
read_old(struct shard *shard, const struct shard_change *change, armdb_slice key, void **room_out)
{
    size_t len = adb_location_value_len(change->old_location);
    *room_out = adb_mem_alloc(len + 1); /* not of nothing */
    if (*room_out == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "hook", "no memory for a value of %zu bytes", len);
    adb_rcu_enter();
    armdb_err err = adb_shard_read_pinned(shard, change->old_file, change->old_location, key,
                                          *room_out);
    adb_rcu_leave();
    return err;
}

static void
tell_one(struct shard *shard, struct shard_change *change)
{
    const struct shard_listener *listener = change->listener;
    const unsigned char *bytes = change->bytes;
    void *room = NULL;
    armdb_change told = {
        .kind = change->kind,
        .shard = shard->identity.shard,
        .collection = listener->collection,
        .sequence = change->sequence,
        .key = {bytes, change->key_len},
        .value = {bytes + change->key_len, change->value_len},
        .had_value = change->old_location != 0,
    };
    if (told.had_value && change->old_len != 0)
        told.old_value = (armdb_slice){bytes + change->key_len + change->value_len,
                                       change->old_len};
    if (change->old_file != NULL) {
        told.old_err = read_old(shard, change, told.key, &room);
        atomic_fetch_sub_explicit(&change->old_file->pins, 1, memory_order_release);
        if (told.old_err == ARMDB_OK)
            told.old_value = (armdb_slice){room, adb_location_value_len(change->old_location)};
    }
    thread_teller->depth = change->depth;
    if (listener->hook.on_change != NULL) /* it was not taken away meanwhile */
        listener->hook.on_change(listener->hook.context, &told);
    adb_mem_free(room);
    adb_mem_free(change);
}

/* Takes over a shard that the calling thread has claimed. */
static void
take_on(struct teller *teller, struct shard *shard)
{
    shard->changes.next_claimed = NULL;
    *teller->claimed_end = shard;
    teller->claimed_end = &shard->changes.next_claimed;
}

/* Tells what is queued. Then lets go of the shard if nothing more has come, or if others wait, who
 * can go on; else it stays with the teller. */
static void
tell_round(struct teller *teller, struct shard *shard)
{
    struct shard_changes *changes = &shard->changes;
    adb_mutex_lock(&shard->lock);
    struct shard_change *change = changes->queued;
    uint64_t newest = changes->newest;
    changes->queued = NULL;
    changes->queued_end = &changes->queued;
    adb_mutex_unlock(&shard->lock);
    while (change != NULL) {
        struct shard_change *next = change->next;
        tell_one(shard, change);
        change = next;
    }
    adb_mutex_lock(&shard->lock);
    changes->told = newest;
    bool is_over = changes->queued == NULL || changes->waiters > 0;
    changes->is_claimed = !is_over;
    if (changes->waiters > 0)
        adb_cond_wake_all(&changes->unclaimed);
    adb_mutex_unlock(&shard->lock);
    if (!is_over)
        take_on(teller, shard);
}

/* Tells until none of its shards is left. */
static void
tell_claimed(struct teller *teller)
{
    while (teller->claimed != NULL) {
        struct shard *shard = teller->claimed;
        teller->claimed = shard->changes.next_claimed;
        if (teller->claimed == NULL)
            teller->claimed_end = &teller->claimed;
        tell_round(teller, shard);
    }
}

static void
begin(struct teller *teller)
{
    *teller = (struct teller){0};
    teller->claimed_end = &teller->claimed;
    thread_teller = teller;
}

void
adb_shard_release_changes(struct shard *shard)
{
    const armdb_error_detail detail = *adb_err_detail();
    struct teller teller;
    begin(&teller);
    take_on(&teller, shard);
    tell_claimed(&teller);
    thread_teller = NULL;
    ADB_IGNORE(adb_err_restore(&detail));
}

static void
wait_unclaimed(struct shard *shard)
{
    shard->changes.waiters++;
    adb_cond_wait(&shard->changes.unclaimed, &shard->lock);
    shard->changes.waiters--;
}

void
adb_shard_tell(struct shard *shard, uint64_t sequence)
{
    struct shard_changes *changes = &shard->changes;
    adb_mutex_lock(&shard->lock);
    if (sequence > changes->newest)
        sequence = changes->newest; /* nobody is told of what came later */
    while (thread_teller == NULL && changes->is_claimed && changes->told < sequence)
        wait_unclaimed(shard);
    /* Also if one's own is told by now: whoever let go because somebody waited relies on that. */
    bool is_mine = !changes->is_claimed && changes->queued != NULL;
    if (is_mine)
        changes->is_claimed = true;
    adb_mutex_unlock(&shard->lock);
    if (!is_mine)
        return;
    if (thread_teller != NULL)
        take_on(thread_teller, shard);
    else
        adb_shard_release_changes(shard);
}

void
adb_shard_hold_changes(struct shard *shard)
{
    ADB_ASSERT(thread_teller == NULL);
    adb_mutex_lock(&shard->lock);
    while (shard->changes.is_claimed)
        wait_unclaimed(shard);
    shard->changes.is_claimed = true;
    adb_mutex_unlock(&shard->lock);
}

armdb_err
adb_shard_tell_live(const armdb_hook *hook, const armdb_change *pair)
{
    struct adb_err_kept kept = {0};
    struct teller teller;
    begin(&teller);
    armdb_err err = hook->on_init(hook->context, pair);
    if (err != ARMDB_OK && adb_err_detail()->code != err)
        ADB_IGNORE(adb_fail(err, "set hook", "on_init returned an error"));
    adb_err_keep(&kept, err);
    tell_claimed(&teller);
    thread_teller = NULL;
    return adb_err_kept(&kept);
}
