/*
 * shard_files.c: the data files of a shard: on disk (which there are, and in which order they make
 * the log) and in memory (the table that locations point into).
 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/plant.h"
#include "log/filename.h"
#include "log/hint_file.h"
#include "os/rcu.h"
#include "shard/shard_private.h"

/* -------------------------------------------------------------------- listing */

struct lister {
    struct adb_os *os;
    const char *path;
    bool sweep;
    struct shard_listing *listing;
    uint64_t *hints; /* owned: ids of the data files whose hints there are */
    uint32_t n_hints;
    uint32_t hint_capacity;
};

static armdb_err
grow(struct shard_listing *listing)
{
    uint32_t capacity = listing->capacity == 0 ? 16 : listing->capacity * 2;
    void *grown = adb_mem_realloc(listing->files, capacity * sizeof *listing->files);
    if (grown == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "list shard", "no memory for %u file names", capacity);
    listing->files = (struct listed_file *)grown;
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
note_hint(struct lister *lister, uint64_t file_id)
{
    if (lister->n_hints == lister->hint_capacity) {
        uint32_t capacity = lister->hint_capacity == 0 ? 16 : lister->hint_capacity * 2;
        void *grown = adb_mem_realloc(lister->hints, capacity * sizeof *lister->hints);
        if (grown == NULL)
            return adb_fail(ARMDB_NO_MEMORY, "list shard", "no memory for %u file names", capacity);
        lister->hints = (uint64_t *)grown;
        lister->hint_capacity = capacity;
    }
    lister->hints[lister->n_hints++] = file_id;
    return ARMDB_OK;
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
        listing->files[listing->count++] = (struct listed_file){.header = {.file_id = file_id}};
        return ARMDB_OK;
    }
    if (lister->sweep && adb_filename_parse_hint(name, &file_id))
        return note_hint(lister, file_id);
    if (len > 4 && strcmp(name + len - 4, ".log") == 0)
        return adb_fail_at(ARMDB_CORRUPT, "list shard", lister->path, 0,
                           "misplaced file: \"%.100s\" is not the name of a data file", name);
    return ARMDB_OK; /* somebody else's; harmless */
}

static int
compare_numbers(uint64_t left, uint64_t right)
{
    return left < right ? -1 : left > right;
}

static int
compare_ids(const void *a, const void *b)
{
    const struct listed_file *left = (const struct listed_file *)a;
    const struct listed_file *right = (const struct listed_file *)b;
    return compare_numbers(left->header.file_id, right->header.file_id);
}

/* By id; and removes hints whose data files are gone. */
static void
sort_listing(const struct lister *lister)
{
    struct shard_listing *listing = lister->listing;
    qsort(listing->files, listing->count, sizeof *listing->files, compare_ids);
    listing->newest_id = listing->files[listing->count - 1].header.file_id;
    for (uint32_t i = 0; i < lister->n_hints; i++) {
        const struct listed_file wanted = {.header = {.file_id = lister->hints[i]}};
        if (bsearch(&wanted, listing->files, listing->count, sizeof wanted, compare_ids) == NULL)
            adb_hint_remove(lister->os, lister->path, lister->hints[i]);
    }
}

armdb_err
adb_shard_list(struct adb_os *os, const char *path, bool sweep, struct shard_listing *listing_out)
{
    struct lister lister = {.os = os, .path = path, .sweep = sweep, .listing = listing_out};
    *listing_out = (struct shard_listing){0};
    armdb_err err = adb_os_list(os, path, take_name, &lister);
    if (err == ARMDB_NOT_FOUND)
        err = adb_fail_at(ARMDB_CORRUPT, "list shard", path, 0, "the shard's directory is missing");
    else if (err == ARMDB_OK && listing_out->count == 0)
        err = adb_fail_at(ARMDB_CORRUPT, "list shard", path, 0,
                          "the shard has no data files: they are missing");
    if (err == ARMDB_OK)
        sort_listing(&lister);
    else
        adb_shard_listing_fini(listing_out);
    adb_mem_free(lister.hints);
    return err;
}

void
adb_shard_listing_fini(struct shard_listing *listing)
{
    adb_mem_free(listing->files);
    *listing = (struct shard_listing){0};
}

/* ------------------------------------------------------------------ the log */

/* Files that begin at the same number: the one that was made last comes first, because it may have
 * replaced the others. */
static int
compare_covers(const void *a, const void *b)
{
    const struct listed_file *left = (const struct listed_file *)a;
    const struct listed_file *right = (const struct listed_file *)b;
    int order = compare_numbers(left->header.base_sequence, right->header.base_sequence);
    return order != 0 ? order : compare_ids(b, a);
}

/* The order of the log; replaced files behind it. */
static int
compare_places(const void *a, const void *b)
{
    const struct listed_file *left = (const struct listed_file *)a;
    const struct listed_file *right = (const struct listed_file *)b;
    if (left->is_replaced != right->is_replaced)
        return left->is_replaced ? 1 : -1;
    return adb_log_compare_files(&left->header, &right->header);
}

static armdb_err
read_header(struct adb_os *os, const char *path, const struct log_file_header *identity,
            struct listed_file *listed)
{
    struct log_file_header expected = *identity;
    struct data_file *file;
    expected.file_id = listed->header.file_id;
    ADB_TRY(adb_data_file_open(os, path, &expected, ADB_OPEN_READ, &file));
    listed->header = file->header;
    listed->bytes = file->end;
    adb_data_file_discard(file);
    return ARMDB_OK;
}

void
adb_shard_find_replaced(struct shard_listing *listing)
{
    const struct log_file_header *cover = NULL; /* the copy that reaches furthest */
    qsort(listing->files, listing->count, sizeof *listing->files, compare_covers);
    for (uint32_t i = 0; i < listing->count; i++) {
        struct listed_file *file = &listing->files[i];
        if (file->is_unreadable)
            continue;
        if (cover != NULL && adb_log_has_replaced(cover, &file->header)) {
            file->is_replaced = true;
            listing->n_replaced++;
        } else if (file->header.is_copy) {
            cover = &file->header;
        }
    }
    qsort(listing->files, listing->count, sizeof *listing->files, compare_places);
    listing->count -= listing->n_replaced;
}

armdb_err
adb_shard_arrange(struct adb_os *os, const char *path, const struct log_file_header *identity,
                  bool tolerate, struct shard_listing *listing)
{
    uint64_t base = 0;
    for (uint32_t i = 0; i < listing->count; i++) {
        struct listed_file *file = &listing->files[i];
        armdb_err err = read_header(os, path, identity, file);
        if (err != ARMDB_OK && (err != ARMDB_CORRUPT || !tolerate))
            return err;
        if (err != ARMDB_OK) {
            file->is_unreadable = true;
            file->header.base_sequence = base; /* behind its neighbour, where it once was */
        }
        base = file->header.base_sequence;
    }
    adb_shard_find_replaced(listing);
    return ARMDB_OK;
}

armdb_err
adb_shard_clear(struct shard *shard)
{
    char name[FILENAME_BYTES_MAX];
    const struct shard_listing *found = &shard->found;
    for (uint32_t i = 0; i < found->n_replaced; i++) {
        uint64_t file_id = found->files[found->count + i].header.file_id;
        adb_filename_log(file_id, name);
        ADB_TRY(sweep_file(shard->os, shard->path, name));
        adb_hint_remove(shard->os, shard->path, file_id);
    }
    adb_shard_listing_fini(&shard->found);
    return ARMDB_OK;
}

/* -------------------------------------------------------------------- table */

bool
adb_shard_has_slots(const struct shard *shard, uint32_t count)
{
    return shard->file_count + shard->reserved_slots + count <= LOCATION_SLOTS;
}

void
adb_shard_add_file(struct shard *shard, struct data_file *file)
{
    uint32_t slot = 0;
    while (atomic_load_explicit(&shard->files[slot], memory_order_relaxed) != NULL)
        slot++;
    ADB_ASSERT(slot < LOCATION_SLOTS);
    if (ADB_PLANTED(PLANT_SLOT_TWICE) && slot > 2)
        slot--;
    file->slot = slot;
    file->source = &shard->source;
    file->verify_reads = shard->verify_reads;
    if (file->header.file_id > shard->newest_file_id)
        shard->newest_file_id = file->header.file_id;
    atomic_store_explicit(&shard->file_keys[slot], adb_shard_file_key(file), memory_order_release);
    atomic_store_explicit(&shard->files[slot], file, memory_order_release);
    shard->file_count++;
    if (slot >= shard->slot_limit)
        shard->slot_limit = slot + 1;
}

static int
compare_open_files(const void *a, const void *b)
{
    const struct data_file *const *left = (const struct data_file *const *)a;
    const struct data_file *const *right = (const struct data_file *const *)b;
    return adb_log_compare_files(&(*left)->header, &(*right)->header);
}

armdb_err
adb_shard_list_log(const struct shard *shard, struct data_file ***files_out, uint32_t *count_out)
{
    uint32_t count = 0;
    struct data_file **files = adb_new_array(struct data_file *, shard->file_count);
    *files_out = files;
    *count_out = 0;
    if (files == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "list files", "no memory for a list of files");
    for (uint32_t slot = 0; slot < shard->slot_limit; slot++) {
        struct data_file *file = atomic_load_explicit(&shard->files[slot], memory_order_relaxed);
        if (file != NULL && !file->is_retired)
            files[count++] = file;
    }
    qsort(files, count, sizeof(struct data_file *), compare_open_files);
    *count_out = count;
    return ARMDB_OK;
}

void
adb_shard_retire(struct shard *shard, struct data_file *file)
{
    ADB_ASSERT(!file->is_retired && file != shard->writer.active);
    file->is_retired = true;
    file->next_retired = shard->retired;
    shard->retired = file;
}

void
adb_shard_hold(struct shard *shard)
{
    shard->holds++;
}

void
adb_shard_release(struct shard *shard)
{
    adb_mutex_lock(&shard->lock);
    ADB_ASSERT(shard->holds > 0);
    shard->holds--;
    adb_mutex_unlock(&shard->lock);
}

/* Takes the retired files that nobody needs out of the table; under the lock. */
static struct data_file *
take_retired(struct shard *shard)
{
    struct data_file *taken = NULL;
    struct data_file **at = &shard->retired;
    while (shard->holds == 0 && *at != NULL) {
        struct data_file *file = *at;
        /* Acquire: what was done while it was pinned is over. */
        if (atomic_load_explicit(&file->pins, memory_order_acquire) > 0) {
            at = &file->next_retired;
            continue;
        }
        *at = file->next_retired;
        atomic_store_explicit(&shard->files[file->slot], (struct data_file *)NULL,
                              memory_order_release);
        shard->file_count--;
        file->next_retired = taken;
        taken = file;
    }
    return taken;
}

/* What can't be removed is replaced all the same: the next open tries again. */
static void
remove_file(struct shard *shard, struct data_file *file)
{
    const armdb_error_detail detail = *adb_err_detail();
    char *path = file->path;
    file->path = NULL;
    adb_shard_forget_blocks(shard, file);
    uint64_t file_id = file->header.file_id;
    ADB_IGNORE(adb_data_file_close(file));
    if (adb_os_unlink(shard->os, path) == ARMDB_OK)
        adb_hint_remove(shard->os, shard->path, file_id);
    adb_mem_free(path);
    ADB_IGNORE(adb_err_restore(&detail));
}

void
adb_shard_sweep(struct shard *shard)
{
    adb_mutex_lock(&shard->lock);
    bool is_any = shard->retired != NULL && shard->holds == 0;
    adb_mutex_unlock(&shard->lock);
    if (!is_any)
        return;
    /* Readers that loaded a location before it was moved are gone after this; a writer that is
     * about to count a record in such a file has the lock, and so is gone after the next line. */
    adb_rcu_wait();
    adb_mutex_lock(&shard->lock);
    struct data_file *file = take_retired(shard);
    adb_mutex_unlock(&shard->lock);
    while (file != NULL) {
        struct data_file *next = file->next_retired;
        remove_file(shard, file);
        file = next;
    }
}
