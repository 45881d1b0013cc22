/*
 * shard_checkpoint.c: one shard's part of a checkpoint: its log at a moment, put into another
 * directory while writers and compaction go on. docs/checkpoint.md says why it is whole.
 */
#include "shard/shard_checkpoint.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "log/filename.h"
#include "os/copy_file.h"
#include "shard/shard_private.h"

/* A newest file with more in it is sealed, so that it can be linked, rather than copied. */
#define COPIED_BYTES_MAX (UINT64_C(8) << 20)

struct shard_cut {
    struct shard *shard;            /* borrowed; its files are held */
    struct shard_listing files;     /* owned */
    const struct data_file *newest; /* borrowed: held */
    uint64_t end;                   /* of the log, in the newest file */
};

armdb_err
adb_shard_cut_prepare(struct shard *shard)
{
    adb_mutex_lock(&shard->lock);
    bool is_long = shard->writer.active->end > COPIED_BYTES_MAX;
    adb_mutex_unlock(&shard->lock);
    return is_long ? adb_shard_seal(shard) : ARMDB_OK;
}

static armdb_err
list_files(const struct shard *shard, struct shard_listing *listing)
{
    struct data_file **files;
    uint32_t count;
    ADB_TRY(adb_shard_list_log(shard, &files, &count));
    listing->files = adb_new_array(struct listed_file, count);
    for (uint32_t i = 0; listing->files != NULL && i < count; i++)
        listing->files[listing->count++] = (struct listed_file){
            .header = files[i]->header, .has_hint = files[i]->hint_bytes == files[i]->end};
    adb_mem_free(files);
    return listing->files != NULL
               ? ARMDB_OK
               : adb_fail(ARMDB_NO_MEMORY, "checkpoint", "no memory for a list of files");
}

armdb_err
adb_shard_cut(struct shard *shard, struct shard_cut **cut_out)
{
    *cut_out = NULL;
    ADB_TRY(adb_shard_failed(shard));
    struct shard_cut *cut = adb_new(struct shard_cut);
    if (cut == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "checkpoint", "no memory for a checkpoint");
    armdb_err err = list_files(shard, &cut->files);
    if (err != ARMDB_OK) {
        adb_mem_free(cut);
        return err;
    }
    cut->shard = shard;
    cut->newest = shard->writer.active;
    cut->end = cut->newest->end;
    adb_shard_hold(shard);
    *cut_out = cut;
    return ARMDB_OK;
}

void
adb_shard_cut_end(struct shard_cut *cut)
{
    if (cut == NULL)
        return;
    adb_shard_release(cut->shard);
    adb_shard_listing_fini(&cut->files);
    adb_mem_free(cut);
}

/* Where one file of the log is, and where it is to be. */
struct place {
    char *from; /* owned */
    char *to;   /* owned */
};

static void
fini_place(struct place *place)
{
    adb_mem_free(place->from);
    adb_mem_free(place->to);
}

static armdb_err
find_place(const struct shard_cut *cut, const char *directory, const char *name,
           struct place *place_out)
{
    *place_out = (struct place){NULL, NULL};
    ADB_TRY(adb_filename_join(cut->shard->path, name, "", &place_out->from));
    armdb_err err = adb_filename_join(directory, name, "", &place_out->to);
    if (err != ARMDB_OK)
        fini_place(place_out);
    return err;
}

/* A sealed file never changes: here and there are two names of one. */
static armdb_err
place_sealed(const struct shard_cut *cut, const struct place *place)
{
    struct adb_os *os = cut->shard->os;
    armdb_err err = adb_os_link(os, place->from, place->to);
    return err == ARMDB_UNSUPPORTED ? adb_copy_file(os, place->from, place->to, ADB_COPY_WHOLE)
                                    : err;
}

/* Here and there it may be written to: a file of its own. */
static armdb_err
place_newest(const struct shard_cut *cut, const struct place *place)
{
    /* If it has been sealed since, that is so already. */
    if (atomic_load_explicit(&cut->newest->written, memory_order_acquire) < cut->end)
        ADB_TRY(adb_shard_flush(cut->shard));
    return adb_copy_file(cut->shard->os, place->from, place->to, cut->end);
}

/* Nobody needs it: where it can't have two names, there is none. */
static armdb_err
place_hint(const struct shard_cut *cut, const char *directory, uint64_t file_id)
{
    char name[FILENAME_BYTES_MAX];
    struct place place;
    adb_filename_hint(file_id, name);
    ADB_TRY(find_place(cut, directory, name, &place));
    armdb_err err = adb_os_link(cut->shard->os, place.from, place.to);
    fini_place(&place);
    return err == ARMDB_UNSUPPORTED ? ARMDB_OK : err;
}

static armdb_err
place_file(struct shard_cut *cut, const char *directory, const struct listed_file *file)
{
    char name[FILENAME_BYTES_MAX];
    struct place place;
    uint64_t file_id = file->header.file_id;
    bool is_newest = file_id == cut->newest->header.file_id;
    adb_filename_log(file_id, name);
    ADB_TRY(find_place(cut, directory, name, &place));
    armdb_err err = is_newest ? place_newest(cut, &place) : place_sealed(cut, &place);
    fini_place(&place);
    if (err == ARMDB_OK && file->has_hint && !is_newest)
        err = place_hint(cut, directory, file_id);
    return err;
}

static armdb_err
place_files(struct shard_cut *cut, const char *directory)
{
    struct shard_listing *files = &cut->files;
    adb_shard_find_replaced(files);
    for (uint32_t i = 0; i < files->count; i++) {
        const struct listed_file *file = &files->files[i];
        bool is_newest = i + 1 == files->count;
        ADB_ASSERT(is_newest == (file->header.file_id == cut->newest->header.file_id));
        ADB_TRY(place_file(cut, directory, file));
    }
    return adb_os_sync_dir(cut->shard->os, directory);
}

armdb_err
adb_shard_cut_place(struct shard_cut *cut, const char *directory)
{
    char name[FILENAME_BYTES_MAX];
    char *path;
    adb_filename_shard(cut->shard->identity.shard, name);
    ADB_TRY(adb_filename_join(directory, name, "", &path));
    armdb_err err = adb_os_mkdir(cut->shard->os, path);
    if (err == ARMDB_OK || err == ARMDB_EXISTS)
        err = place_files(cut, path);
    adb_mem_free(path);
    return err;
}
