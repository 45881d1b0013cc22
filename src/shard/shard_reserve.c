/*
 * shard_reserve.c: space that is kept for a full disk, so that keys can be deleted there and a pass
 * has room for a copy (docs/compaction.md, "On a full disk").
 */
#include "base/err.h"
#include "base/mem.h"
#include "log/filename.h"
#include "shard/shard_private.h"

enum { RESERVE_PART_INV = 64, FILE_PART_INV = 16 };

#define RESERVE_BYTES_MAX (UINT64_C(4) << 20)

uint64_t
adb_shard_plan_reserve(struct shard *shard)
{
    uint64_t bytes = 0;
    for (uint32_t slot = 0; slot < shard->slot_limit; slot++) {
        const struct data_file *file = atomic_load_explicit(&shard->files[slot],
                                                            memory_order_relaxed);
        if (file != NULL && !file->is_retired)
            bytes += file->end - LOG_FILE_HEADER_BYTES;
    }
    uint64_t most = shard->writer.max_file_bytes / FILE_PART_INV;
    uint64_t wanted = bytes / RESERVE_PART_INV;
    if (wanted > most)
        wanted = most;
    if (wanted > RESERVE_BYTES_MAX)
        wanted = RESERVE_BYTES_MAX;
    wanted = adb_round_up(wanted, RESERVE_BYTES_MIN);
    shard->writer.kept_bytes = wanted;
    return wanted;
}

static armdb_err
path_of(const struct shard *shard, char **path_out)
{
    return adb_filename_join(shard->path, FILENAME_RESERVE, FILENAME_TEMPORARY_SUFFIX, path_out);
}

/* Opens the file, a new one if there is none. */
static armdb_err
open_reserve(struct shard *shard, const char *path, struct adb_file **file_out)
{
    if (shard->reserve_bytes > 0)
        return adb_os_open(shard->os, path, ADB_OPEN_READ_WRITE, file_out);
    armdb_err err = adb_os_unlink(shard->os, path);
    if (err != ARMDB_OK && err != ARMDB_NOT_FOUND)
        return err;
    return adb_os_open(shard->os, path, ADB_OPEN_CREATE_NEW, file_out);
}

static armdb_err
grow(struct shard *shard, uint64_t wanted)
{
    char *path;
    struct adb_file *file = NULL;
    uint64_t have = shard->reserve_bytes;
    ADB_TRY(path_of(shard, &path));
    armdb_err err = open_reserve(shard, path, &file);
    if (err == ARMDB_OK)
        err = adb_file_allocate(file, have, wanted - have);
    if (err == ARMDB_NO_SPACE && have == 0 && file != NULL) {
        wanted = RESERVE_BYTES_MIN;
        err = adb_file_allocate(file, 0, wanted);
    }
    adb_file_discard(file);
    if (err == ARMDB_OK)
        shard->reserve_bytes = wanted;
    else if (have == 0)
        (void)adb_os_unlink(shard->os, path);
    adb_mem_free(path);
    return err;
}

void
adb_shard_fill_reserve(struct shard *shard, uint64_t wanted)
{
    const armdb_error_detail detail = *adb_err_detail();
    /* Seldom: not for each bit that the log has grown by. */
    if (wanted < 2 * shard->reserve_bytes || wanted == 0 ||
        !adb_retry_is_due(&shard->reserve_retry, shard->os))
        return;
    if (grow(shard, wanted) == ARMDB_OK)
        shard->reserve_retry = (struct shard_retry){0};
    else
        adb_retry_later(&shard->reserve_retry, shard->os);
    ADB_IGNORE(adb_err_restore(&detail));
}

armdb_err
adb_shard_take_reserve(struct shard *shard, char **path_out)
{
    ADB_TRY(path_of(shard, path_out));
    shard->reserve_bytes = 0;
    return ARMDB_OK;
}

void
adb_shard_drop_reserve(struct shard *shard)
{
    const armdb_error_detail detail = *adb_err_detail();
    char *path;
    if (shard->reserve_bytes == 0)
        return;
    if (adb_shard_take_reserve(shard, &path) == ARMDB_OK) {
        (void)adb_os_unlink(shard->os, path);
        adb_mem_free(path);
    }
    ADB_IGNORE(adb_err_restore(&detail));
}
