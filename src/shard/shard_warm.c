#include "shard/shard_warm.h"

#include "base/mem.h"
#include "os/rcu.h"
#include "shard/shard_private.h"
#include "shard/shard_reading.h"

/* Blocks of a file. */
struct warm_file {
    uint64_t *bits; /* owned; NULL: none */
    uint64_t file_key;
    uint64_t n_blocks; /* that are whole */
};

struct shard_warm {
    struct shard *shard; /* borrowed */
    uint64_t n_noted;
    uint32_t slot; /* where reading has come to */
    uint64_t block;
    struct warm_file files[LOCATION_SLOTS];
};

struct shard_warm *
adb_warm_begin(struct shard *shard)
{
    struct shard_warm *warm = adb_new(struct shard_warm);
    if (warm != NULL)
        warm->shard = shard;
    return warm;
}

void
adb_warm_end(struct shard_warm *warm)
{
    for (uint32_t slot = 0; warm != NULL && slot < LOCATION_SLOTS; slot++)
        adb_mem_free(warm->files[slot].bits);
    adb_mem_free(warm);
}

uint64_t
adb_warm_blocks(const struct shard_warm *warm)
{
    return warm->n_noted;
}

/* Makes the bits of the file that is in the slot now. */
static bool
begin_file(const struct shard_warm *warm, uint32_t slot, struct warm_file *file)
{
    adb_rcu_enter();
    const struct data_file *there = atomic_load_explicit(&warm->shard->files[slot],
                                                         memory_order_acquire);
    if (there != NULL) {
        file->file_key = adb_shard_file_key(there);
        file->n_blocks = atomic_load_explicit(&there->written, memory_order_acquire) /
                         CACHE_BLOCK_BYTES;
    }
    adb_rcu_leave();
    file->bits = adb_new_array(uint64_t, file->n_blocks / 64 + 1);
    return file->bits != NULL;
}

bool
adb_warm_note(struct shard_warm *warm, uint64_t location, size_t key_len)
{
    uint32_t slot = adb_location_slot(location);
    struct warm_file *file = &warm->files[slot];
    uint64_t offset = adb_location_offset(location);
    uint64_t block = offset / CACHE_BLOCK_BYTES;
    uint64_t end = offset + adb_location_record_bytes(location, key_len);
    if (file->bits == NULL && !begin_file(warm, slot, file))
        return false;
    if (end - offset > SHARD_TAKEN_BYTES_MAX)
        return true;
    for (; block * CACHE_BLOCK_BYTES < end && block < file->n_blocks; block++) {
        uint64_t bit = UINT64_C(1) << block % 64;
        warm->n_noted += (file->bits[block / 64] & bit) == 0;
        file->bits[block / 64] |= bit;
    }
    return true;
}

uint32_t
adb_warm_step(struct shard_warm *warm, struct fetch *fetch)
{
    for (; warm->slot < LOCATION_SLOTS && fetch->n_parts == 0; warm->slot += fetch->n_parts == 0) {
        const struct warm_file *file = &warm->files[warm->slot];
        if (file->bits == NULL)
            continue;
        adb_rcu_enter();
        for (; warm->block < file->n_blocks && !adb_fetch_is_full(fetch); warm->block++) {
            if ((file->bits[warm->block / 64] >> warm->block % 64 & 1) != 0)
                adb_fetch_add_block(fetch, warm->shard, warm->slot, warm->block);
        }
        bool is_same = atomic_load_explicit(&warm->shard->file_keys[warm->slot],
                                            memory_order_acquire) == file->file_key;
        if (is_same)
            adb_fetch_run(fetch);
        else
            adb_fetch_clear(fetch);
        adb_rcu_leave();
        if (fetch->n_parts == 0)
            warm->block = 0;
    }
    return fetch->n_parts;
}
