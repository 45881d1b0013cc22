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

/* --------------------------------------------------------------- open, close */

armdb_err
adb_shard_new(const struct shard_config *config, struct shard **shard_out)
{
    struct shard *shard = adb_new(struct shard);
    *shard_out = NULL;
    if (shard == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "open shard", "no memory for a shard");
    shard->os = config->os;
    shard->pages = config->pages;
    shard->cache = config->cache;
    shard->verify_reads = config->verify_reads;
    adb_shard_init_source(shard, config->is_direct);
    shard->hash_seed = config->hash_seed;
    shard->is_same_boot = config->is_same_boot;
    shard->identity.shard = config->number;
    memcpy(shard->identity.db_id, config->db_id, LOG_DB_ID_BYTES);
    adb_mutex_init(&shard->lock);
    adb_mutex_init(&shard->compact_lock);
    adb_mutex_init(&shard->toll_lock);
    adb_cond_init(&shard->toll_over);
    adb_shard_init_changes(&shard->changes);
    adb_shard_set_toll(shard, 0);
    armdb_err err = adb_shard_path(config, &shard->path);
    if (err != ARMDB_OK)
        goto out;
    shard->files = (_Atomic(struct data_file *) *)adb_mem_zalloc(LOCATION_SLOTS,
                                                                 sizeof *shard->files);
    shard->file_keys = (_Atomic(uint64_t) *)adb_mem_zalloc(LOCATION_SLOTS,
                                                           sizeof *shard->file_keys);
    if (shard->files == NULL || shard->file_keys == NULL) {
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
    bool is_bound = adb_shard_is_bound(shard);
    adb_mutex_unlock(&shard->lock);
    /* A MARK vouches for what is before it. */
    armdb_err settle_err = is_bound ? adb_shard_sync(shard) : ARMDB_OK;
    adb_mutex_lock(&shard->compact_lock);
    adb_shard_end_hint(shard);
    adb_shard_end_pass(shard, true);
    adb_shard_end_expiry(shard);
    adb_shard_sweep(shard);
    adb_shard_drop_reserve(shard);
    adb_mutex_unlock(&shard->compact_lock);
    adb_mutex_lock(&shard->lock);
    armdb_err err = adb_err_first(settle_err, adb_shard_failed(shard));
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
    adb_shard_end_hint(shard);
    adb_shard_end_pass(shard, false);
    adb_shard_end_expiry(shard);
    adb_shard_listing_fini(&shard->found);
    for (uint32_t slot = 0; slot < shard->slot_limit; slot++)
        adb_data_file_discard(atomic_load_explicit(&shard->files[slot], memory_order_relaxed));
    adb_spare_fini(&shard->spare, shard->pages);
    adb_log_writer_fini(&shard->writer);
    adb_mem_free(shard->file_keys);
    adb_mem_free(shard->files);
    adb_mem_free(shard->path);
    adb_shard_fini_changes(&shard->changes);
    adb_cond_fini(&shard->toll_over);
    adb_mutex_fini(&shard->toll_lock);
    adb_mutex_fini(&shard->compact_lock);
    adb_mutex_fini(&shard->lock);
    adb_mem_free(shard);
}
