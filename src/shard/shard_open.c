#include <stdlib.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "log/filename.h"
#include "os/rcu.h"
#include "shard/shard_private.h"

armdb_err
adb_shard_path(const struct shard_config *config, char **path_out)
{
    char name[FILENAME_BYTES_MAX];
    adb_filename_shard(config->number, name);
    return adb_filename_join(config->directory, name, "", path_out);
}

/* The first file of the log: a shard without any has lost them. */
static armdb_err
create_first_file(const struct shard_config *config, const char *path)
{
    struct log_file_header header = {.file_id = 1, .shard = config->number};
    struct data_file *file;
    memcpy(header.db_id, config->db_id, LOG_DB_ID_BYTES);
    ADB_TRY(adb_data_file_create(config->os, path, &header, &file));
    return adb_data_file_close(file);
}

armdb_err
adb_shard_create(const struct shard_config *config)
{
    char *path;
    ADB_TRY(adb_shard_path(config, &path));
    armdb_err err = adb_os_mkdir(config->os, path);
    /* There may be one, and a first file, of a creation that was interrupted. */
    if (err == ARMDB_OK || err == ARMDB_EXISTS)
        err = create_first_file(config, path);
    adb_mem_free(path);
    return err;
}

/* -------------------------------------------------------------------- listing */

struct lister {
    struct adb_os *os;
    const char *path;
    bool sweep;
    struct shard_listing *listing;
};

static armdb_err
grow(struct shard_listing *listing)
{
    uint32_t capacity = listing->capacity == 0 ? 16 : listing->capacity * 2;
    void *grown = adb_mem_realloc(listing->file_ids, capacity * sizeof *listing->file_ids);
    if (grown == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "list shard", "no memory for %u file names", capacity);
    listing->file_ids = (uint64_t *)grown;
    listing->capacity = capacity;
    return ARMDB_OK;
}

static armdb_err
sweep_file(struct adb_os *os, const char *directory, const char *name)
{
    char *path;
    ADB_TRY(adb_filename_join(directory, name, "", &path));
    armdb_err err = adb_os_unlink(os, path);
    adb_mem_free(path);
    return err;
}

static armdb_err
take_name(void *context, const char *name, bool is_directory)
{
    struct lister *lister = (struct lister *)context;
    struct shard_listing *listing = lister->listing;
    uint64_t file_id;
    size_t len = strlen(name);
    if (is_directory)
        return ARMDB_OK;
    if (adb_filename_is_temporary(name))
        return lister->sweep ? sweep_file(lister->os, lister->path, name) : ARMDB_OK;
    if (adb_filename_parse_log(name, &file_id)) {
        if (listing->count == listing->capacity)
            ADB_TRY(grow(listing));
        listing->file_ids[listing->count++] = file_id;
        return ARMDB_OK;
    }
    if (len > 4 && strcmp(name + len - 4, ".log") == 0)
        return adb_fail_at(ARMDB_CORRUPT, "list shard", lister->path, 0,
                           "misplaced file: \"%.100s\" is not the name of a data file", name);
    return ARMDB_OK; /* somebody else's; harmless */
}

static int
compare_ids(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

armdb_err
adb_shard_list(struct adb_os *os, const char *path, bool sweep, struct shard_listing *listing_out)
{
    struct lister lister = {os, path, sweep, listing_out};
    *listing_out = (struct shard_listing){0};
    armdb_err err = adb_os_list(os, path, take_name, &lister);
    if (err == ARMDB_NOT_FOUND)
        err = adb_fail_at(ARMDB_CORRUPT, "list shard", path, 0, "the shard's directory is missing");
    if (err != ARMDB_OK) {
        adb_mem_free(listing_out->file_ids);
        *listing_out = (struct shard_listing){0};
        return err;
    }
    if (listing_out->count == 0)
        return adb_fail_at(ARMDB_CORRUPT, "list shard", path, 0,
                           "the shard has no data files: they are missing");
    qsort(listing_out->file_ids, listing_out->count, sizeof *listing_out->file_ids, compare_ids);
    return ARMDB_OK;
}

/* --------------------------------------------------------------- open, close */

static armdb_err
new_shard(const struct shard_config *config, struct shard **shard_out)
{
    struct shard *shard = adb_new(struct shard);
    *shard_out = NULL;
    if (shard == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "open shard", "no memory for a shard");
    shard->os = config->os;
    shard->pages = config->pages;
    shard->cache = config->cache;
    adb_shard_init_source(shard);
    shard->is_same_boot = config->is_same_boot;
    shard->identity.shard = config->number;
    memcpy(shard->identity.db_id, config->db_id, LOG_DB_ID_BYTES);
    adb_mutex_init(&shard->lock);
    armdb_err err = adb_shard_path(config, &shard->path);
    if (err != ARMDB_OK)
        goto out;
    shard->files = (_Atomic(struct data_file *) *)adb_mem_zalloc(LOCATION_SLOTS,
                                                                 sizeof *shard->files);
    if (shard->files == NULL) {
        err = adb_fail(ARMDB_NO_MEMORY, "open shard", "no memory for a table of files");
        goto out;
    }
    err = adb_log_writer_init(&shard->writer, config->max_file_bytes, config->write_buffer_bytes);
out:
    if (err != ARMDB_OK)
        adb_shard_close(shard);
    else
        *shard_out = shard;
    return err;
}

armdb_err
adb_shard_open(const struct shard_config *config, adb_find_index_fn find, void *context,
               struct shard_recovery *recovery_out, struct shard **shard_out)
{
    *shard_out = NULL;
    *recovery_out = (struct shard_recovery){0};
    struct shard *shard;
    ADB_TRY(new_shard(config, &shard));
    armdb_err err = adb_shard_recover(shard, find, context, recovery_out);
    if (err != ARMDB_OK) {
        adb_shard_close(shard);
        return err;
    }
    *shard_out = shard;
    return ARMDB_OK;
}

void
adb_shard_add_file(struct shard *shard, struct data_file *file)
{
    file->slot = shard->file_count;
    file->source = shard->cache != NULL ? &shard->source : NULL;
    shard->newest_file_id = file->header.file_id;
    atomic_store_explicit(&shard->files[file->slot], file, memory_order_release);
    shard->file_count++;
}

armdb_err
adb_shard_share_buffer(struct shard *shard)
{
    struct log_writer *writer = &shard->writer;
    /* What was in the file of an earlier life is in the log by now, durably. */
    ADB_TRY(adb_log_buffer_share(&writer->buffer, shard->os, shard->path));
    adb_log_writer_use(writer, writer->active);
    return ARMDB_OK;
}

armdb_err
adb_shard_finish(struct shard *shard)
{
    adb_mutex_lock(&shard->lock);
    armdb_err err = adb_shard_failed(shard);
    if (err == ARMDB_OK)
        err = adb_log_writer_finish(&shard->writer);
    if (err == ARMDB_OK)
        adb_log_buffer_remove(shard->os, shard->path);
    adb_mutex_unlock(&shard->lock);
    return err;
}

void
adb_shard_close(struct shard *shard)
{
    if (shard == NULL)
        return;
    adb_rcu_wait();
    for (uint32_t slot = 0; slot < shard->file_count; slot++)
        adb_data_file_discard(atomic_load_explicit(&shard->files[slot], memory_order_relaxed));
    adb_spare_fini(&shard->spare, shard->pages);
    adb_log_writer_fini(&shard->writer);
    adb_mem_free(shard->files);
    adb_mem_free(shard->path);
    adb_mutex_fini(&shard->lock);
    adb_mem_free(shard);
}

/* -------------------------------------------------------------------- figures */

void
adb_shard_get_stats(struct shard *shard, struct shard_stats *stats_out)
{
    struct shard_stats stats = {.buffer_bytes = (uint64_t)LOG_BUFFER_WINDOWS *
                                                shard->writer.tail_bytes};
    adb_mutex_lock(&shard->lock);
    stats.files = shard->file_count;
    for (uint32_t slot = 0; slot < shard->file_count; slot++) {
        struct data_file *file = atomic_load_explicit(&shard->files[slot], memory_order_relaxed);
        stats.log_bytes += file->end;
        stats.dead_bytes += atomic_load_explicit(&file->dead_bytes, memory_order_relaxed);
    }
    if (shard->writer.active != NULL)
        stats.unflushed_bytes = shard->writer.active->end -
                                atomic_load_explicit(&shard->writer.active->written,
                                                     memory_order_relaxed);
    stats.puts = shard->puts;
    stats.deletes = shard->deletes;
    stats.writes = shard->writer.writes;
    stats.written_bytes = shard->writer.written_bytes;
    stats.newest_sequence = shard->writer.sequence;
    stats.failure = atomic_load_explicit(&shard->failure, memory_order_acquire);
    if (stats.failure != ARMDB_OK)
        stats.failure_detail = shard->failure_detail;
    adb_mutex_unlock(&shard->lock);
    stats.syncs = atomic_load_explicit(&shard->syncs, memory_order_relaxed);
    stats.sync_waits = atomic_load_explicit(&shard->sync_waits, memory_order_relaxed);
    stats.reads = adb_counter_sum(&shard->reads);
    stats.synced_sequence = atomic_load_explicit(&shard->synced_sequence, memory_order_acquire);
    *stats_out = stats;
}
