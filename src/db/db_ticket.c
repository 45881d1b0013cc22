#include <inttypes.h>

#include "base/err.h"
#include "db/db_private.h"

void
adb_db_ticket_clear(const armdb_write_options *options)
{
    if (options != NULL && options->struct_bytes == sizeof *options && options->ticket != NULL)
        *options->ticket = (armdb_ticket){0};
}

static armdb_err
check_shard(const struct db *db, const armdb_ticket *ticket)
{
    if (ticket->shard < db->settings.shards)
        return ARMDB_OK;
    return adb_fail(ARMDB_INVALID, "ticket",
                    "a ticket of shard %" PRIu32 ", allowed are 0..%" PRIu32, ticket->shard,
                    db->settings.shards - 1);
}

/* Whether a write is synced; ARMDB_INVALID (raised) if it has not even been made. */
static armdb_err
look(struct db *db, uint32_t shard, uint64_t sequence, bool *is_synced_out)
{
    *is_synced_out = adb_shard_is_synced(db->shards[shard], sequence);
    if (*is_synced_out || adb_shard_has_issued(db->shards[shard], sequence))
        return ARMDB_OK;
    return adb_fail(ARMDB_INVALID, "ticket",
                    "a ticket for write %" PRIu64 " of shard %" PRIu32
                    ", which has not been made: it is of another database",
                    sequence, shard);
}

/* The shards are synced one after the other, beginning with the first that needs it. The others
 * write meanwhile; also those that were not asked for, if they have as much to write: who waits for
 * one ticket will soon wait for the next, which is of any shard. */
static void
start_others(struct db *db, const bool *is_synced)
{
    uint32_t first = 0;
    while (first < db->settings.shards && is_synced[first])
        first++;
    if (first == db->settings.shards)
        return;
    uint64_t enough = adb_shard_tickets_open(db->shards[first]) / 2;
    for (uint32_t i = 0; i < db->settings.shards; i++) {
        if (i != first && (!is_synced[i] || adb_shard_tickets_open(db->shards[i]) > enough))
            adb_shard_start_commit(db->shards[i]);
    }
}

armdb_err
adb_db_ticket_wait(struct db *db, const armdb_ticket *tickets, size_t n_tickets)
{
    uint64_t newest[ARMDB_SHARDS_MAX] = {0};
    bool is_synced[ARMDB_SHARDS_MAX] = {false};
    struct adb_err_kept kept = {0};
    for (size_t i = 0; i < n_tickets; i++) {
        const armdb_ticket *ticket = &tickets[i];
        ADB_TRY(check_shard(db, ticket));
        if (ticket->sequence > newest[ticket->shard])
            newest[ticket->shard] = ticket->sequence;
    }
    for (uint32_t i = 0; i < db->settings.shards; i++)
        ADB_TRY(look(db, i, newest[i], &is_synced[i]));
    start_others(db, is_synced);
    for (uint32_t i = 0; i < db->settings.shards; i++) {
        if (!is_synced[i])
            adb_err_keep(&kept, adb_shard_commit(db->shards[i], newest[i]));
    }
    return adb_err_kept(&kept);
}

armdb_err
adb_db_ticket_poll(struct db *db, const armdb_ticket *ticket, bool *is_synced_out)
{
    *is_synced_out = false;
    ADB_TRY(check_shard(db, ticket));
    return look(db, ticket->shard, ticket->sequence, is_synced_out);
}
