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
check_ticket(struct db *db, const armdb_ticket *ticket)
{
    if (ticket->shard >= db->settings.shards)
        return adb_fail(ARMDB_INVALID, "ticket",
                        "a ticket of shard %" PRIu32 ", allowed are 0..%" PRIu32, ticket->shard,
                        db->settings.shards - 1);
    if (adb_shard_is_synced(db->shards[ticket->shard], ticket->sequence) ||
        adb_shard_has_written(db->shards[ticket->shard], ticket->sequence))
        return ARMDB_OK;
    return adb_fail(ARMDB_INVALID, "ticket",
                    "a ticket for write %" PRIu64 " of shard %" PRIu32
                    ", which has not been made: it is of another database",
                    ticket->sequence, ticket->shard);
}

armdb_err
adb_db_ticket_wait(struct db *db, const armdb_ticket *tickets, size_t n_tickets)
{
    uint64_t newest[ARMDB_SHARDS_MAX] = {0};
    armdb_error_detail detail = {0};
    armdb_err err = ARMDB_OK;
    for (size_t i = 0; i < n_tickets; i++) {
        const armdb_ticket *ticket = &tickets[i];
        ADB_TRY(check_ticket(db, ticket));
        if (ticket->sequence > newest[ticket->shard])
            newest[ticket->shard] = ticket->sequence;
    }
    for (uint32_t i = 0; i < db->settings.shards; i++) {
        if (adb_shard_is_synced(db->shards[i], newest[i]))
            continue;
        armdb_err shard_err = adb_shard_commit(db->shards[i], newest[i]);
        if (shard_err != ARMDB_OK && err == ARMDB_OK)
            detail = *adb_err_detail();
        err = adb_err_first(err, shard_err);
    }
    return err == ARMDB_OK ? ARMDB_OK : adb_err_restore(&detail);
}

armdb_err
adb_db_ticket_poll(struct db *db, const armdb_ticket *ticket, bool *is_synced_out)
{
    *is_synced_out = false;
    ADB_TRY(check_ticket(db, ticket));
    *is_synced_out = adb_shard_is_synced(db->shards[ticket->shard], ticket->sequence);
    return ARMDB_OK;
}
