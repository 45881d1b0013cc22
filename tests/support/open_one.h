/* open_one.h: opening one shard for itself. */
#ifndef TEST_OPEN_ONE_H
#define TEST_OPEN_ONE_H

#include "shard/recover.h"

/* Little makes many rounds. */
static uint64_t open_one_round_bytes = UINT64_C(64) << 20;

static inline armdb_err
open_one(const struct shard_config *config, adb_find_index_fn find, void *context,
         struct shard_recovery *recovery_out, struct shard **shard_out)
{
    struct shard *shard;
    const struct shard_opening opening = {.shards = &shard,
                                          .n_shards = 1,
                                          .n_threads = 1,
                                          .n_threads_device = 1,
                                          .round_bytes = open_one_round_bytes,
                                          .find = find,
                                          .context = context};
    *shard_out = NULL;
    armdb_err err = adb_shard_new(config, &shard);
    if (err != ARMDB_OK)
        return err;
    err = adb_shards_open(&opening, recovery_out);
    if (err != ARMDB_OK)
        adb_shard_close(shard);
    else
        *shard_out = shard;
    return err;
}

#endif
