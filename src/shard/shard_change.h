/*
 * shard_change.h: telling of changes: from publish() to the hook of a collection.
 *
 * A write under the shard's lock sets memory aside before it appends (adb_shard_prepare_change()),
 * so that nothing can fail later; publish() makes a change of it and queues that in the order of
 * the log. Behind the lock adb_shard_tell() sees to it that it is told: one thread tells the
 * changes of a shard (it has claimed it), the others wait. Whoever is in a hook never waits.
 *
 * docs/concurrency.md, "Hooks", says why nothing is left untold and nobody waits in a circle.
 */
#ifndef ADB_SHARD_SHARD_CHANGE_H
#define ADB_SHARD_SHARD_CHANGE_H

#include "armdb/hook.h"
#include "os/thread.h"
#include "shard/shard.h"
#include "shard/watch.h"

/** Who is told of the changes of a collection. */
struct shard_listener {
    armdb_collection *collection; /* as the listener knows it */
    /* Stored while the changes of all shards are held, under the locks of all shards; loaded under
     * one of these, or by who has claimed a shard. on_change NULL: none. */
    armdb_hook hook;
    struct watch *watches; /* list; stored under the locks of all shards, loaded under one */
};

/** What the changes of a shard are kept in. */
struct shard_changes {
    /* guarded by the shard's lock */
    struct shard_change *prepared; /* owned: list of memory that was set aside, oldest first */
    struct shard_change *queued;   /* owned: list of those that are to be told, in log order */
    struct shard_change **prepared_end;
    struct shard_change **queued_end;
    uint64_t newest;  /* sequence number of the newest that was queued */
    uint64_t told;    /* all up to this one were told */
    uint32_t waiters; /* threads that wait until `is_claimed` changes */
    bool is_claimed;  /* somebody tells them, or holds them */
    struct adb_cond unclaimed;
    struct shard *next_claimed; /* of the list of who has claimed it */
};

void adb_shard_init_changes(struct shard_changes *changes);

/** Frees what is left. */
void adb_shard_fini_changes(struct shard_changes *changes);

/* --------------------------------------------------- writing: under the shard's lock
 *
 * If write->index->listener is not NULL. Of several writes that are appended before they are
 * published, first all are prepared, then all published, in the same order. */

/** Sets memory aside for a change. Returns ARMDB_OK; ARMDB_NO_MEMORY, ARMDB_LIMIT (it would be too
 * deep), raised. */
ADB_MUST_USE ADB_COLD armdb_err adb_shard_prepare_change(struct shard *shard,
                                                         const struct shard_write *write);

/** Gives back what was set aside, if it came to nothing. */
ADB_COLD void adb_shard_drop_changes(struct shard *shard);

/** Keeps the value that is in the index, before it is replaced. */
ADB_COLD void adb_shard_keep_old(struct shard *shard, const struct shard_write *write);

/** Queues the change that a write has made, and shows it to those who watch. `old`: the location
 * that the key had, 0 if it had none. */
ADB_COLD void adb_shard_queue_change(struct shard *shard, const struct shard_write *write,
                                     armdb_change_kind kind, uint64_t old, uint64_t sequence);

/* ------------------------------------------------------------- telling: without locks */

/**
 * Returns when all changes of the shard up to `sequence` were told, after telling them if nobody
 * else does. In a hook: sees to it that they will be, and returns at once. `sequence` 0: tells what
 * there is, unless somebody does.
 */
ADB_COLD void adb_shard_tell(struct shard *shard, uint64_t sequence);

/** Whether the calling thread is in a hook. */
bool adb_shard_is_telling(void);

/** Waits until nobody tells changes of the shard, and keeps it so. Not in a hook. */
void adb_shard_hold_changes(struct shard *shard);

/** Ends that, and tells what was queued meanwhile. */
void adb_shard_release_changes(struct shard *shard);

/** Calls hook->on_init, and tells of what that has changed. Returns what it returned, raised. */
ADB_MUST_USE armdb_err adb_shard_tell_live(const armdb_hook *hook, const armdb_change *pair);

#endif
