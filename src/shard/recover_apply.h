/* recover_apply.h: from sorted runs to indexes. */
#ifndef ADB_SHARD_RECOVER_APPLY_H
#define ADB_SHARD_RECOVER_APPLY_H

#include "shard/recover_run.h"

struct recover_apply {
    const struct recover_run *const *runs; /* borrowed; of each shard, the older ones first */
    uint32_t n_runs;
    uint32_t n_threads; /* to share the work, 1.. */
    adb_find_index_fn find;
    void *context;
    /* Called by one thread at a time when one of the parts into which the keys are cut is done. */
    void (*on_part)(void *context, uint32_t done, uint32_t parts);
    void *part_context;
};

/**
 * Brings what the runs tell of into the indexes of their collections: of each key the newest record
 * wins, over what the index has too, and all others are counted as dead.
 *
 * Returns:  ARMDB_OK; ARMDB_NO_MEMORY, ARMDB_IO, ARMDB_CORRUPT: it is done in part.
 */
ADB_MUST_USE armdb_err adb_recover_apply(const struct recover_apply *apply);

#endif
