/* cmd_stat.c: stat. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "collections.h"
#include "commands.h"
#include "print.h"
#include "report.h"
#include "session.h"

struct field {
    const char *name;
    size_t offset;
    bool is_wide; /* 64 bits, else 32 */
    const char *text;
};

#define NARROW(name, text)                                                                         \
    {                                                                                              \
#name, offsetof(armdb_stats, name), false, text                                            \
    }
#define WIDE(name, text)                                                                           \
    {                                                                                              \
#name, offsetof(armdb_stats, name), true, text                                             \
    }

static const struct field FIELDS[] = {
    NARROW(shards, "logs of the database"),
    NARROW(shard_prefix_bits, "leading bits of a key that choose its shard; 0: all"),
    NARROW(failed_shards, "shards that refuse writes"),
    WIDE(collections, "the default one included"),
    WIDE(keys, "in all collections"),
    WIDE(files, "data files"),
    WIDE(log_bytes, "on disk, headers and dead records included"),
    WIDE(dead_bytes, "of these, what nothing needs any more"),
    WIDE(tombstone_bytes, "of log_bytes, marks of deleted keys, needed or not"),
    WIDE(index_bytes, "memory of all indexes"),
    WIDE(buffer_bytes, "memory of the write buffers"),
    WIDE(cache_bytes, "memory of the block cache"),
    WIDE(value_bytes, "memory of value handles"),
    WIDE(objects, "decoded values"),
    WIDE(object_bytes, "of these, encoded"),
    WIDE(unflushed_bytes, "not handed to the system yet"),
    WIDE(cursors, "open now"),
    WIDE(puts, "since this open, as are all below"),
    WIDE(deletes, ""),
    WIDE(expired, "keys that were deleted because of their deadline"),
    WIDE(gets, ""),
    WIDE(writes, "system calls on data files"),
    WIDE(written_bytes, "by these"),
    WIDE(reads, "system calls for values"),
    WIDE(cache_misses, "blocks read into the cache"),
    WIDE(damaged_reads, "that failed"),
    WIDE(syncs, "of data files"),
    WIDE(sync_waits, "synced writes that shared them"),
    WIDE(compactions, "passes that replaced data files"),
    WIDE(compacted_bytes, "of the files that these replaced"),
    WIDE(compaction_bytes, "of the files that they made"),
    WIDE(compaction_failures, "passes that were given up"),
    WIDE(hints, "data files that the next open need not read"),
    WIDE(hint_failures, "hints that were given up"),
    WIDE(recovered_records, "read at open"),
    WIDE(recovered_cut_bytes, "of incomplete records, cut off at open"),
    WIDE(recovery_ns, "time it took, nanoseconds"),
};

enum { FIELD_COUNT = sizeof FIELDS / sizeof FIELDS[0] };

static uint64_t
field_value(const armdb_stats *stats, const struct field *field)
{
    const char *at = (const char *)stats + field->offset;
    return field->is_wide ? *(const uint64_t *)(const void *)at
                          : *(const uint32_t *)(const void *)at;
}

/* How a shard is: what is wrong with its writes comes before what is with its compaction. */
static void
print_state(const armdb_shard_info *info)
{
    if (info->failure != ARMDB_OK)
        printf("%s %s\n", armdb_err_name(info->failure), info->failure_detail.message);
    else if (info->compaction_failure != ARMDB_OK)
        printf("ok, but compaction: %s %s\n", armdb_err_name(info->compaction_failure),
               info->compaction_failure_detail.message);
    else
        puts("ok");
}

static void
print_shard_text(uint32_t number, const armdb_shard_info *info)
{
    printf("%-5" PRIu32 " %7" PRIu64 " %14" PRIu64 " %14" PRIu64 " %14" PRIu64 " %14" PRIu64
           " %11" PRIu64 " %14" PRIu64 " %14" PRIu64 " %14" PRIu64 "  ",
           number, info->files, info->log_bytes, info->live_bytes, info->dead_bytes,
           info->tombstone_bytes, info->compactions, info->compaction_bytes, info->newest_sequence,
           info->synced_sequence);
    print_state(info);
}

static void
print_shard_json(uint32_t number, const armdb_shard_info *info)
{
    printf("%s{\"shard\":%" PRIu32 ",\"failure\":\"%s\",", number > 0 ? "," : "", number,
           armdb_err_name(info->failure));
    print_json_member(stdout, "failure_message", armdb_str(info->failure_detail.message));
    printf(",\"files\":%" PRIu64 ",\"log_bytes\":%" PRIu64 ",\"live_bytes\":%" PRIu64
           ",\"dead_bytes\":%" PRIu64 ",\"tombstone_bytes\":%" PRIu64
           ",\"compaction_failure\":\"%s\",",
           info->files, info->log_bytes, info->live_bytes, info->dead_bytes, info->tombstone_bytes,
           armdb_err_name(info->compaction_failure));
    print_json_member(stdout, "compaction_failure_message",
                      armdb_str(info->compaction_failure_detail.message));
    printf(",\"compactions\":%" PRIu64 ",\"compacted_bytes\":%" PRIu64
           ",\"compaction_bytes\":%" PRIu64 ",\"compaction_failures\":%" PRIu64
           ",\"newest_sequence\":%" PRIu64 ",\"synced_sequence\":%" PRIu64 "}",
           info->compactions, info->compacted_bytes, info->compaction_bytes,
           info->compaction_failures, info->newest_sequence, info->synced_sequence);
}

static int
print_shards(const struct session *session, bool is_json, uint32_t count)
{
    if (!is_json)
        printf("\n%-5s %7s %14s %14s %14s %14s %11s %14s %14s %14s  %s\n", "shard", "files",
               "log_bytes", "live_bytes", "dead_bytes", "tombstones", "compactions", "moved_bytes",
               "newest_seq", "synced_seq", "state");
    for (uint32_t i = 0; i < count; i++) {
        armdb_shard_info info = {.struct_bytes = sizeof info};
        armdb_err err = armdb_get_shard_info(session->db, i, &info);
        if (err != ARMDB_OK)
            return report_library(err, session->path);
        if (is_json)
            print_shard_json(i, &info);
        else
            print_shard_text(i, &info);
    }
    return STATUS_DONE;
}

/* ---------------------------------------------------------------------- files */

static void
print_file(bool is_json, bool is_first, uint32_t shard, const armdb_file_info *info)
{
    static const char *const kinds[] = {"", "active", "sealed", "copy", "replaced"};
    if (is_json)
        printf("%s{\"shard\":%" PRIu32 ",\"id\":%" PRIu64 ",\"kind\":\"%s\",\"bytes\":%" PRIu64
               ",\"live_bytes\":%" PRIu64 ",\"dead_bytes\":%" PRIu64 ",\"tombstone_bytes\":%" PRIu64
               ",\"base_sequence\":%" PRIu64 ",\"hint_bytes\":%" PRIu64 "}",
               is_first ? "" : ",", shard, info->id, kinds[info->kind], info->bytes,
               info->live_bytes, info->dead_bytes, info->tombstone_bytes, info->base_sequence,
               info->hint_bytes);
    else
        printf("%-5" PRIu32 " %10" PRIu64 " %-8s %14" PRIu64 " %14" PRIu64 " %14" PRIu64
               " %14" PRIu64 " %14" PRIu64 " %14" PRIu64 "\n",
               shard, info->id, kinds[info->kind], info->bytes, info->live_bytes, info->dead_bytes,
               info->tombstone_bytes, info->base_sequence, info->hint_bytes);
}

/* Those of one shard. */
static int
print_files_of(const struct session *session, bool is_json, uint32_t shard, bool *is_first)
{
    size_t count, filled;
    armdb_err err = armdb_file_list(session->db, shard, NULL, 0, &count);
    if (err != ARMDB_OK)
        return report_library(err, session->path);
    armdb_file_info *infos = (armdb_file_info *)calloc(count, sizeof *infos);
    if (infos == NULL)
        return report(STATUS_IO, "no memory for %zu files", count);
    infos[0].struct_bytes = sizeof *infos;
    err = armdb_file_list(session->db, shard, infos, count, &filled);
    for (size_t i = 0; err == ARMDB_OK && i < count && i < filled; i++) {
        print_file(is_json, *is_first, shard, &infos[i]);
        *is_first = false;
    }
    free(infos);
    return err == ARMDB_OK ? STATUS_DONE : report_library(err, session->path);
}

static int
print_files(const struct session *session, bool is_json, uint32_t shards)
{
    int status = STATUS_DONE;
    bool is_first = true;
    if (!is_json)
        printf("\n%-5s %10s %-8s %14s %14s %14s %14s %14s %14s\n", "shard", "file", "kind", "bytes",
               "live_bytes", "dead_bytes", "tombstones", "base_seq", "hint_bytes");
    for (uint32_t i = 0; status == STATUS_DONE && i < shards; i++)
        status = print_files_of(session, is_json, i, &is_first);
    return status;
}

/* ---------------------------------------------------------------- collections */

static void
print_collection(bool is_json, bool is_first, const armdb_collection_info *info)
{
    char key_text[COLLECTIONS_TEXT_BYTES], value_text[COLLECTIONS_TEXT_BYTES];
    const char *key_size = collections_key_size(info, key_text);
    const char *value = collections_value(info, value_text);
    if (!is_json) {
        printf("%-20s %7" PRIu32 " %8s %5s %14" PRIu64 " %14" PRIu64 " %10s %6" PRIu32 "\n",
               info->name, info->id, key_size, collections_order(info), info->keys,
               info->index_bytes, value, info->schema_version);
        return;
    }
    fputs(is_first ? "{" : ",{", stdout);
    print_json_member(stdout, "name", armdb_str(info->name));
    printf(",\"id\":%" PRIu32 ",\"key_size\":%s,\"order\":\"%s\",\"keys\":%" PRIu64
           ",\"index_bytes\":%" PRIu64 ",\"value\":\"%s\",\"schema_version\":%" PRIu32 "}",
           info->id, info->key_bytes == ARMDB_KEY_VARIABLE ? "null" : key_size,
           collections_order(info), info->keys, info->index_bytes, value, info->schema_version);
}

static void
print_collections(const struct collections *list, bool is_json)
{
    if (!is_json)
        printf("\n%-20s %7s %8s %5s %14s %14s %10s %6s\n", "collection", "id", "key size", "order",
               "keys", "index_bytes", "value", "schema");
    for (size_t i = 0; i < list->count; i++)
        print_collection(is_json, i == 0, &list->infos[i]);
}

static int
print_text(const struct session *session, const armdb_stats *stats, const struct collections *list,
           bool with_files)
{
    printf("%-20s %s\n", "database", session->path);
    printf("%-20s %s\n", "library", armdb_version());
    for (int i = 0; i < FIELD_COUNT; i++)
        printf("%-20s %-14" PRIu64 " %s\n", FIELDS[i].name, field_value(stats, &FIELDS[i]),
               FIELDS[i].text);
    int status = print_shards(session, false, stats->shards);
    if (status == STATUS_DONE && with_files)
        status = print_files(session, false, stats->shards);
    print_collections(list, false);
    return status;
}

static int
print_json(const struct session *session, const armdb_stats *stats, const struct collections *list,
           bool with_files)
{
    putchar('{');
    print_json_member(stdout, "database", armdb_str(session->path));
    putchar(',');
    print_json_member(stdout, "library", armdb_str(armdb_version()));
    for (int i = 0; i < FIELD_COUNT; i++)
        printf(",\"%s\":%" PRIu64, FIELDS[i].name, field_value(stats, &FIELDS[i]));
    fputs(",\"shard_list\":[", stdout);
    int status = print_shards(session, true, stats->shards);
    if (status == STATUS_DONE && with_files) {
        fputs("],\"file_list\":[", stdout);
        status = print_files(session, true, stats->shards);
    }
    fputs("],\"collection_list\":[", stdout);
    print_collections(list, true);
    puts("]}");
    return status;
}

int
cmd_stat(const struct args *args)
{
    struct session session;
    struct collections list;
    armdb_stats stats = {.struct_bytes = sizeof stats};
    int status = session_open_collection(&session, args);
    if (status != STATUS_DONE)
        return status;
    status = collections_read(&list, &session, args);
    if (status == STATUS_DONE) {
        armdb_err err = armdb_get_stats(session.db, &stats);
        if (err != ARMDB_OK)
            status = report_library(err, session.path);
        else if (args->is_set[OPTION_JSON])
            status = print_json(&session, &stats, &list, args->is_set[OPTION_FILES]);
        else
            status = print_text(&session, &stats, &list, args->is_set[OPTION_FILES]);
    }
    collections_fini(&list);
    return session_close(&session, status);
}
