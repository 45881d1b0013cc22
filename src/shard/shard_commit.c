/*
 * shard_commit.c: sharing syncs.
 *
 * Whoever needs a sync and finds nobody syncing does it, for everything flushed by then; the others
 * wait. When it is done, those it did not cover elect the next leader among themselves. There is no
 * delay to gather more: writers gather while the sync before runs. The caller leads itself, because
 * waking a thread of our own would cost a quarter of a sync.
 */
#include <stdio.h>

#include "base/err.h"
#include "base/plant.h"
#include "shard/shard_private.h"

/* commit_word: who syncs, and a count of rounds, so that no end of one can be missed. */
enum { LEADING = 1, WAITED = 2, ROUND = 4 };

void
adb_shard_note_synced(struct shard *shard, uint64_t sequence)
{
    uint64_t synced = atomic_load_explicit(&shard->synced_sequence, memory_order_relaxed);
    while (synced < sequence &&
           !atomic_compare_exchange_weak_explicit(&shard->synced_sequence, &synced, sequence,
                                                  memory_order_release, memory_order_relaxed)) {
    }
}

struct log_sync
adb_shard_plan_locked(struct shard *shard)
{
    struct log_sync plan = adb_log_writer_plan_sync(&shard->writer);
    if (plan.file != NULL)
        atomic_fetch_add_explicit(&plan.file->pins, 1, memory_order_relaxed);
    return plan;
}

void
adb_shard_drop_plan(const struct log_sync *plan)
{
    /* Release: who sees the pin gone sees what was done under it. */
    if (plan->file != NULL)
        atomic_fetch_sub_explicit(&plan->file->pins, 1, memory_order_release);
}

armdb_err
adb_shard_sync_plan(struct shard *shard, const struct log_sync *plan)
{
    if (ADB_PLANTED(PLANT_SYNC_NOTED_FIRST))
        adb_shard_note_synced(shard, plan->sequence);
    armdb_err err = adb_log_writer_sync(plan);
    adb_shard_drop_plan(plan);
    if (err == ARMDB_OK)
        adb_shard_note_synced(shard, plan->sequence);
    else if (!ADB_PLANTED(PLANT_SYNC_RETRIED))
        adb_shard_fence(shard);
    return err;
}

bool
adb_shard_has_issued(struct shard *shard, uint64_t ticket)
{
    return ticket <= atomic_load_explicit(&shard->newest_ticket, memory_order_relaxed);
}

uint64_t
adb_shard_tickets_open(struct shard *shard)
{
    uint64_t synced = atomic_load_explicit(&shard->synced_sequence, memory_order_acquire);
    uint64_t newest = atomic_load_explicit(&shard->newest_ticket, memory_order_relaxed);
    return newest > synced ? newest - synced : 0;
}

bool
adb_shard_is_synced(struct shard *shard, uint64_t ticket)
{
    return atomic_load_explicit(&shard->synced_sequence, memory_order_acquire) >= ticket;
}

/* Ends the leader's round, and wakes all who waited for it. */
static void
step_down(_Atomic(uint32_t) *commit_word)
{
    /* Others only ever add WAITED while somebody leads. */
    uint32_t word = atomic_load_explicit(commit_word, memory_order_relaxed);
    uint32_t next = (word & ~(uint32_t)(LEADING | WAITED)) + ROUND;
    /* Release: what the round has synced is seen by who sees that it is over. */
    word = atomic_exchange_explicit(commit_word, next, memory_order_release);
    if ((word & WAITED) != 0)
        adb_word_wake_all(commit_word);
}

/* Sleeps until the round that `word` shows is over. */
static void
wait_for_leader(_Atomic(uint32_t) *commit_word, uint32_t word)
{
    if ((word & WAITED) == 0 &&
        !atomic_compare_exchange_strong_explicit(commit_word, &word, word | WAITED,
                                                 memory_order_relaxed, memory_order_relaxed))
        return;
    adb_word_wait(commit_word, word | WAITED);
}

/* Makes one sync for all who share the word: `lead` by one of them. */
static armdb_err
share(struct shard *shard, uint64_t ticket, _Atomic(uint32_t) *commit_word,
      armdb_err (*lead)(struct shard *shard, uint64_t ticket))
{
    for (;;) {
        /* Before looking at what is synced: a round that ends after this has changed the word. */
        uint32_t word = atomic_load_explicit(commit_word, memory_order_acquire);
        if (adb_shard_is_synced(shard, ticket))
            return ARMDB_OK;
        ADB_TRY(adb_shard_failed(shard));
        if ((word & LEADING) != 0) {
            wait_for_leader(commit_word, word);
        } else if (atomic_compare_exchange_strong_explicit(commit_word, &word, word | LEADING,
                                                           memory_order_acquire,
                                                           memory_order_relaxed)) {
            armdb_err err = lead(shard, ticket);
            step_down(commit_word);
            ADB_TRY(err);
        }
    }
}

/* Of all bound shards. */
static armdb_err
lead_all(struct shard *shard, uint64_t ticket)
{
    (void)ticket;
    return adb_shard_settle(shard);
}

/* One sync for everything appended so far; or, if `ticket` is on its way to the device, for what
 * is: more would have to be written first. */
static armdb_err
lead_one(struct shard *shard, uint64_t ticket)
{
    struct log_sync plan;
    bool is_bound;
    atomic_fetch_add_explicit(&shard->syncs, 1, memory_order_relaxed);
    ADB_TRY(adb_shard_plan_sync(shard, ticket, &plan, &is_bound));
    if (is_bound)
        return share(shard, ticket, &shard->bonds->commit_word, lead_all);
    return adb_shard_sync_plan(shard, &plan);
}

armdb_err
adb_shard_commit(struct shard *shard, uint64_t ticket)
{
    atomic_fetch_add_explicit(&shard->sync_waits, 1, memory_order_relaxed);
    return share(shard, ticket, &shard->commit_word, lead_one);
}

armdb_err
adb_shard_commit_seen(struct shard *shard, uint64_t sequence)
{
    armdb_err err = adb_shard_commit(shard, sequence);
    if (err != ARMDB_NO_SPACE && err != ARMDB_NO_MEMORY)
        return err;
    armdb_error_detail detail = *adb_err_detail();
    detail.code = ARMDB_IO;
    snprintf(detail.message, sizeof detail.message,
             "the write is done, but not known to be on the device: %.180s",
             adb_err_detail()->message);
    return adb_err_restore(&detail);
}

armdb_err
adb_shard_sync(struct shard *shard)
{
    ADB_TRY(adb_shard_failed(shard));
    adb_mutex_lock(&shard->lock);
    uint64_t newest = shard->writer.sequence;
    adb_mutex_unlock(&shard->lock);
    return adb_shard_commit(shard, newest);
}
