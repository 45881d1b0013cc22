#include "base/err.h"
#include "shard/shard_private.h"

armdb_err
adb_shard_read_value(struct shard *shard, uint64_t location, armdb_slice key, void *to)
{
    uint32_t reads;
    struct data_file *file = atomic_load_explicit(&shard->files[adb_location_slot(location)],
                                                  memory_order_acquire);
    /* Only if the key was in the log of another shard than it belongs to: forged files. */
    if (ADB_UNLIKELY(file == NULL))
        return adb_fail_at(ARMDB_CORRUPT, "read record", shard->path, 0,
                           "the index names a data file that is not there");
    armdb_err err = adb_data_file_read_value(file, adb_location_offset(location), key,
                                             adb_location_value_len(location), to, &reads);
    if (reads > 0)
        adb_counter_add(&shard->reads, reads);
    return err;
}
