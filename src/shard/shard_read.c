#include "base/assert.h"
#include "base/err.h"
#include "shard/shard_private.h"

armdb_err
adb_shard_read_value(struct shard *shard, uint64_t location, armdb_slice key, void *to)
{
    uint32_t reads;
    struct data_file *file = atomic_load_explicit(&shard->files[adb_location_slot(location)],
                                                  memory_order_acquire);
    ADB_ASSERT(file != NULL);
    armdb_err err = adb_data_file_read_value(file, adb_location_offset(location), key,
                                             adb_location_value_len(location), to, &reads);
    if (reads > 0)
        adb_counter_add(&shard->reads, reads);
    return err;
}
