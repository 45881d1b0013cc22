#include "shard/file_walk.h"

/* A step reads so much, and a record more at most: a little less than a scan reads at once. */
#define STEP_BYTES (UINT64_C(960) << 10)

armdb_err
adb_walk_step(struct file_walk *walk, struct data_file *file, bool is_newest, adb_scan_fn fn,
              void *context, uint64_t *bytes_out)
{
    uint64_t from = walk->is_begun ? walk->scan.end : LOG_FILE_HEADER_BYTES;
    walk->step_end = from + STEP_BYTES;
    armdb_err err = walk->is_begun ? adb_log_scan_on(file, fn, context, &walk->scan)
                                   : adb_log_scan(file, is_newest, file->header.base_sequence, fn,
                                                  context, &walk->scan);
    walk->is_begun = true; /* after a failure too: from the same record on */
    *bytes_out += walk->scan.end - from;
    return err;
}

struct shard_index *
adb_walk_index(struct file_walk *walk, const struct shard_live *live, uint32_t collection_id)
{
    struct shard_index **found = &walk->found[collection_id % WALK_INDEXES];
    if (*found == NULL || (*found)->collection_id != collection_id)
        *found = live->find(live->context, collection_id);
    return *found;
}
