#include "shard/compact_batch.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"

enum { ROOM_BYTES = 64 * 1024 };

armdb_err
adb_batch_init(struct compact_batch *batch)
{
    *batch = (struct compact_batch){0};
    batch->room = (unsigned char *)adb_mem_alloc(ROOM_BYTES);
    if (batch->room == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "compact", "no memory for a batch of records");
    return ARMDB_OK;
}

void
adb_batch_fini(struct compact_batch *batch)
{
    adb_mem_free(batch->room);
    *batch = (struct compact_batch){0};
}

static const void *
copy_bytes(struct compact_batch *batch, const void *bytes, size_t len)
{
    unsigned char *to = batch->room + batch->used;
    if (len > 0)
        memcpy(to, bytes, len);
    batch->used += len;
    return to;
}

bool
adb_batch_add(struct compact_batch *batch, struct shard_index *index,
              const struct log_scan_record *found, bool with_value)
{
    size_t value_len = with_value && found->value != NULL ? found->record.value_len : 0;
    size_t bytes = found->key.len + value_len;
    if (batch->n == COMPACT_BATCH || adb_batch_is_urgent(batch) ||
        (batch->n > 0 && (index != batch->index || batch->used + bytes > ROOM_BYTES)))
        return false;
    struct log_scan_record *added = &batch->found[batch->n];
    *added = *found;
    batch->index = index;
    if (bytes <= ROOM_BYTES) {
        added->key.data = copy_bytes(batch, found->key.data, found->key.len);
        if (value_len > 0)
            added->value = (const unsigned char *)copy_bytes(batch, found->value, value_len);
    } else {
        batch->used = ROOM_BYTES + 1;
    }
    batch->keys[batch->n++] = added->key;
    return true;
}

bool
adb_batch_is_urgent(const struct compact_batch *batch)
{
    return batch->used > ROOM_BYTES;
}

armdb_err
adb_batch_take(struct compact_batch *batch, struct shard_index *index,
               const struct log_scan_record *found, bool with_value, armdb_err (*fn)(void *context),
               void *context)
{
    if (!adb_batch_add(batch, index, found, with_value)) {
        ADB_TRY(fn(context));
        bool fits = adb_batch_add(batch, index, found, with_value);
        ADB_ASSERT(fits);
    }
    return adb_batch_is_urgent(batch) ? fn(context) : ARMDB_OK;
}

bool
adb_batch_look(struct compact_batch *batch)
{
    ADB_ASSERT(batch->n > 0);
    if (atomic_load_explicit(&batch->index->is_dropped, memory_order_acquire))
        return false;
    adb_index_get_batch(&batch->index->keys, batch->keys, batch->n, batch->locations, NULL);
    return true;
}

void
adb_batch_clear(struct compact_batch *batch)
{
    batch->n = 0;
    batch->used = 0;
}
