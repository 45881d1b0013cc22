#include "crash/repair_inventory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log/log_buffer.h"
#include "sim/require.h"
#include "sim/workload.h"

static void
add_entry(struct inventory *inventory, const struct entry *entry)
{
    if (inventory->entry_count == inventory->entry_capacity) {
        inventory->entry_capacity = inventory->entry_capacity * 2 + 64;
        inventory->entries = (struct entry *)require_memory(
            inventory->entries, inventory->entry_capacity * sizeof *inventory->entries);
    }
    inventory->entries[inventory->entry_count++] = *entry;
}

/* Notes what is whole in `bytes` of a file at `start`, which stand for offset `base` and what
 * follows in the data file of that seed. */
static void
note_records(struct inventory *inventory, struct entry *entry, size_t bytes, uint64_t base,
             uint32_t seed)
{
    const unsigned char *from = inventory->files[entry->file].bytes + entry->offset;
    uint64_t start = entry->offset;
    for (size_t at = 0; at + LOG_PAD_RECORD_BYTES_MIN <= bytes;) {
        struct log_record *record = &entry->record;
        adb_log_decode_record(from + at, record);
        uint64_t len = adb_log_record_bytes(record);
        if (!adb_log_record_is_sane(record) || len > bytes - at ||
            adb_log_record_crc(seed, base + at, from + at, len) != record->crc) {
            at += LOG_RECORD_ALIGNMENT;
            continue;
        }
        entry->offset = start + at;
        entry->bytes = len;
        if (record->flags != LOG_FLAG_META)
            add_entry(inventory, entry);
        at += (size_t)len;
    }
}

static void
note_buffer(struct inventory *inventory, uint32_t number, uint32_t shard)
{
    const struct file *buffer = &inventory->files[number];
    for (uint32_t window = 0; window < LOG_BUFFER_WINDOWS; window++) {
        uint64_t at = window * (buffer->len / LOG_BUFFER_WINDOWS);
        const unsigned char *header = buffer->bytes + at;
        for (uint64_t id = 1; id < FILES_MAX; id++) {
            struct log_file_header identity = {.file_id = id, .shard = shard};
            memcpy(identity.db_id, inventory->manifest.db_id, LOG_DB_ID_BYTES);
            uint32_t seed = adb_log_file_seed(&identity);
            if (adb_load_u32(header) != adb_crc32c(seed, header + 4, 60))
                continue;
            struct entry entry = {.file = number,
                                  .offset = at + LOG_BUFFER_HEADER_BYTES,
                                  .window = at,
                                  .shard = shard,
                                  .file_id = id};
            note_records(inventory, &entry, adb_load_u32(header + 4), adb_load_u64(header + 8),
                         seed);
        }
    }
}

static void
note_file(struct inventory *inventory, uint32_t number, uint32_t shard)
{
    struct file *file = &inventory->files[number];
    size_t entries = inventory->entry_count;
    if (strstr(file->path, "/buffer") != NULL) {
        note_buffer(inventory, number, shard);
        return;
    }
    if (strstr(file->path, ".log") == NULL || strstr(file->path, ".tmp") != NULL)
        return;
    file->is_log = true;
    REQUIRE(file->len >= LOG_FILE_HEADER_BYTES &&
                adb_log_decode_file_header(file->bytes, &file->header) == LOG_HEADER_OK,
            "%s has no header", file->path);
    struct entry entry = {.file = number,
                          .offset = LOG_FILE_HEADER_BYTES,
                          .window = UINT64_MAX,
                          .shard = shard,
                          .file_id = file->header.file_id};
    note_records(inventory, &entry, file->len - LOG_FILE_HEADER_BYTES, LOG_FILE_HEADER_BYTES,
                 adb_log_file_seed(&file->header));
    file->is_empty = inventory->entry_count == entries;
}

static void
read_files(struct inventory *inventory, struct sim *sim, const char *directory)
{
    char **names;
    size_t count = sim_list(sim, directory, &names);
    for (size_t i = 0; i < count; i++) {
        char path[64];
        int len = snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        REQUIRE(len < (int)sizeof path, "path too long");
        if (path[len - 1] == '/') {
            path[len - 1] = '\0';
            read_files(inventory, sim, path);
            continue;
        }
        REQUIRE(inventory->file_count < FILES_MAX, "too many files for the test");
        struct file *file = &inventory->files[inventory->file_count++];
        *file = (struct file){.len = 0};
        memcpy(file->path, path, sizeof path);
        file->bytes = (unsigned char *)sim_read_file(sim, path, &file->len);
    }
    free(names);
}

struct inventory *
take_inventory(struct sim *sim)
{
    struct inventory *inventory = (struct inventory *)require_memory(NULL, sizeof *inventory);
    *inventory = (struct inventory){.file_count = 0};
    REQUIRE_OK(adb_manifest_load(sim_os(sim), WORK_PATH, &inventory->manifest));
    read_files(inventory, sim, WORK_PATH);
    for (uint32_t i = 0; i < inventory->file_count; i++) {
        unsigned shard;
        if (strcmp(inventory->files[i].path, WORK_PATH "/MANIFEST") == 0)
            inventory->manifest_file = i;
        if (sscanf(inventory->files[i].path, WORK_PATH "/shard-%u/", &shard) == 1)
            note_file(inventory, i, shard);
    }
    return inventory;
}

void
free_inventory(struct inventory *inventory)
{
    for (uint32_t i = 0; i < inventory->file_count; i++)
        free(inventory->files[i].bytes);
    adb_manifest_fini(&inventory->manifest);
    free(inventory->entries);
    free(inventory);
}

void
restore_names(struct inventory *inventory)
{
    inventory->copy_count = 0;
    for (uint32_t i = 0; i < inventory->file_count; i++)
        memcpy(inventory->files[i].now, inventory->files[i].path, sizeof inventory->files[i].now);
}
