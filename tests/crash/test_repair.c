/*
 * test_repair.c: databases that are damaged in every way are repaired.
 *
 * A database is made by a seeded workload, closed, killed or cut off. All its whole records are
 * noted, found here byte by byte. Then its files are changed, thousands of times: flipped, zeroed,
 * swapped and overwritten bytes, cut, removed, renamed and copied files. What the repaired database
 * holds must be, for each key, what the newest of its records says whose bytes are as they were,
 * and which no whole copy stands for: no more and no less. The source is not changed, and the new
 * database is whole.
 */
#include <inttypes.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash/repair_inventory.h"
#include "db/db_private.h"
#include "log/filename.h"
#include "log/log_buffer.h"
#include "sim/require.h"
#include "sim/workload.h"

#define COPY_PATH "/copy"

enum { KEPT_BYTES = 1 << 29 };
enum { PLANS = 24, STEPS = 70, MUTANTS = 90, CUTS = 4 };

static struct {
    uint64_t mutants;
    uint64_t saved;
    uint64_t lost; /* keys whose newest record was damaged */
    uint64_t refused;
    uint64_t made_up;
    uint64_t cuts;
} totals;

/* ------------------------------------------------------------------- mutation */

enum mutation {
    MUTATE_FLIP,
    MUTATE_ZERO,
    MUTATE_GARBAGE,
    MUTATE_SWAP,
    MUTATE_CUT,
    MUTATE_EXTEND,
    MUTATE_HEADER,
    MUTATE_REMOVE,
    MUTATE_RENAME,
    MUTATE_COPY,
    MUTATE_MANIFEST,
    MUTATIONS
};

struct mutant {
    struct sim *sim; /* owned */
    struct test_rng *rng;
    struct inventory *inventory;
};

/* A file that is still there; NULL if the draw meets none. */
static struct file *
draw_file(const struct mutant *mutant)
{
    struct inventory *inventory = mutant->inventory;
    struct file *file =
        &inventory
             ->files[test_rng_below(mutant->rng, inventory->file_count + inventory->copy_count)];
    return file->now[0] != '\0' ? file : NULL;
}

static struct file *
draw_log(const struct mutant *mutant)
{
    struct file *file = draw_file(mutant);
    return file != NULL && file->is_log ? file : NULL;
}

/* Changes some bytes of a file: flips one, or makes `len` of them zero or anything. */
static void
change_bytes(const struct mutant *mutant, const struct file *file, enum mutation mutation,
             uint64_t limit)
{
    struct test_rng *rng = mutant->rng;
    size_t size;
    char *bytes = sim_read_file(mutant->sim, file->now, &size);
    size_t most = size < limit ? size : (size_t)limit;
    if (most > 0) {
        size_t at = (size_t)test_rng_below(rng, most);
        size_t len = (size_t)1 << test_rng_below(rng, 15);
        if (test_rng_one_in(rng, 2))
            at -= at % 512;
        if (len > most - at)
            len = most - at;
        if (mutation == MUTATE_FLIP)
            bytes[at] = (char)(bytes[at] ^ (1 << test_rng_below(rng, 8)));
        else if (mutation == MUTATE_ZERO)
            memset(bytes + at, 0, len);
        else
            test_rng_fill(rng, bytes + at, len);
        sim_write_file(mutant->sim, file->now, bytes, size);
    }
    free(bytes);
}

/* Swaps two blocks, of one file or of two. */
static void
swap_blocks(const struct mutant *mutant, const struct file *a, const struct file *b)
{
    size_t a_len, b_len;
    char *a_bytes = sim_read_file(mutant->sim, a->now, &a_len);
    char *b_bytes = a == b ? a_bytes : sim_read_file(mutant->sim, b->now, &b_len);
    size_t len = (size_t)512 << test_rng_below(mutant->rng, 4);
    if (a == b)
        b_len = a_len;
    if (a_len >= len && b_len >= len) {
        char *from = a_bytes + test_rng_below(mutant->rng, a_len / len) * len;
        char *to = b_bytes + test_rng_below(mutant->rng, b_len / len) * len;
        for (size_t i = 0; i < len; i++) {
            char held = from[i];
            from[i] = to[i];
            to[i] = held;
        }
        sim_write_file(mutant->sim, a->now, a_bytes, a_len);
        if (a != b)
            sim_write_file(mutant->sim, b->now, b_bytes, b_len);
    }
    if (a != b)
        free(b_bytes);
    free(a_bytes);
}

/* Gives a data file, or a copy of it, another name in some shard. */
static void
rename_file(const struct mutant *mutant, struct file *file, bool is_copied)
{
    static const char *const names[] = {"0000000077.log", "0000000003.log", "1.log", "old.log"};
    uint32_t shard = (uint32_t)test_rng_below(mutant->rng, mutant->inventory->manifest.shards);
    char to[64];
    size_t len;
    snprintf(to, sizeof to, WORK_PATH "/shard-%03u/%s", shard,
             names[test_rng_below(mutant->rng, 4)]);
    if (sim_file_exists(mutant->sim, to))
        return;
    char *bytes = sim_read_file(mutant->sim, file->now, &len);
    if (!is_copied)
        sim_remove_file(mutant->sim, file->now);
    sim_write_file(mutant->sim, to, bytes, len);
    free(bytes);
    if (is_copied) {
        struct inventory *inventory = mutant->inventory;
        struct file *copy = &inventory->files[inventory->file_count + inventory->copy_count++];
        *copy = *file;
        file = copy;
    }
    memcpy(file->now, to, sizeof to);
}

static void
spoil_manifest(const struct mutant *mutant)
{
    struct file *manifest = &mutant->inventory->files[mutant->inventory->manifest_file];
    if (manifest->now[0] == '\0')
        return;
    uint64_t draw = test_rng_below(mutant->rng, 10);
    if (draw == 0) {
        sim_remove_file(mutant->sim, manifest->now);
        manifest->now[0] = '\0';
    } else if (draw == 1) {
        sim_truncate_file(mutant->sim, manifest->now, test_rng_below(mutant->rng, manifest->len));
    } else {
        change_bytes(mutant, manifest,
                     draw < 4   ? MUTATE_ZERO
                     : draw < 5 ? MUTATE_GARBAGE
                                : MUTATE_FLIP,
                     UINT64_MAX);
    }
}

static void
mutate(const struct mutant *mutant)
{
    enum mutation mutation = (enum mutation)test_rng_below(mutant->rng, MUTATIONS);
    struct file *file = mutation == MUTATE_HEADER || mutation == MUTATE_RENAME ||
                                mutation == MUTATE_COPY
                            ? draw_log(mutant)
                            : draw_file(mutant);
    struct file *other = draw_file(mutant);
    if (mutation == MUTATE_MANIFEST) {
        spoil_manifest(mutant);
    } else if (file == NULL) {
        return;
    } else if (mutation <= MUTATE_GARBAGE) {
        change_bytes(mutant, file, mutation, test_rng_one_in(mutant->rng, 4) ? 400 : UINT64_MAX);
    } else if (mutation == MUTATE_HEADER) {
        change_bytes(mutant, file, (enum mutation)test_rng_below(mutant->rng, 3),
                     LOG_FILE_HEADER_BYTES);
    } else if (mutation == MUTATE_SWAP) {
        if (other != NULL)
            swap_blocks(mutant, file, other);
    } else if (mutation == MUTATE_CUT) {
        sim_truncate_file(mutant->sim, file->now,
                          test_rng_below(mutant->rng, sim_file_size(mutant->sim, file->now) + 1));
    } else if (mutation == MUTATE_EXTEND) {
        sim_truncate_file(mutant->sim, file->now,
                          sim_file_size(mutant->sim, file->now) +
                              test_rng_below(mutant->rng, 5000));
    } else if (mutation == MUTATE_REMOVE) {
        sim_remove_file(mutant->sim, file->now);
        file->now[0] = '\0';
    } else {
        rename_file(mutant, file, mutation == MUTATE_COPY);
    }
}

/* ----------------------------------------------------------------- expectation */

/** What is left of the files of a mutant. */
struct remains {
    const struct inventory *inventory;
    unsigned char *bytes[2 * FILES_MAX]; /* owned; NULL: removed */
    size_t len[2 * FILES_MAX];
    bool has_manifest; /* whole */
    bool has_db_id;    /* the manifest or a header is whole */
};

/* Whether bytes that a file had are the same now, there or in the same place of file `now`. */
static bool
is_same(const struct remains *remains, uint32_t now, uint32_t number, uint64_t offset,
        uint64_t bytes)
{
    const struct file *file = &remains->inventory->files[number];
    return remains->bytes[now] != NULL && offset + bytes <= remains->len[now] &&
           memcmp(remains->bytes[now] + offset, file->bytes + offset, bytes) == 0;
}

static bool
is_untouched(const struct remains *remains, uint32_t number, uint64_t offset, uint64_t bytes)
{
    return is_same(remains, number, number, offset, bytes);
}

/* Whether a record is as it was, and it can be known which place in the log it has: by the name of
 * the file that it is in now, or by the header of that. */
static bool
is_record_saved(const struct remains *remains, const struct entry *entry)
{
    const struct inventory *inventory = remains->inventory;
    const char *path = inventory->files[entry->file].path;
    for (uint32_t i = 0; i < inventory->file_count + inventory->copy_count; i++) {
        const struct file *file = &inventory->files[i];
        if (file->is_log && is_same(remains, i, entry->file, entry->offset, entry->bytes) &&
            (strcmp(path, file->now) == 0 ||
             is_same(remains, i, entry->file, 0, LOG_FILE_HEADER_BYTES)))
            return true;
    }
    return false;
}

/* The same for a record in a buffer: the header of its window tells its place. */
static bool
is_buffered_saved(const struct remains *remains, const struct entry *entry)
{
    return is_untouched(remains, entry->file, entry->offset, entry->bytes) &&
           is_untouched(remains, entry->file, entry->window, LOG_BUFFER_HEADER_BYTES);
}

/* Whether nothing of a data file has changed but for zeros behind it, and it can be known which one
 * it is: by its name, or because its records fit its header, or its name says nothing. */
static bool
is_file_saved(const struct remains *remains, uint32_t now)
{
    const struct file *file = &remains->inventory->files[now];
    const char *name = strrchr(file->now, '/');
    uint64_t file_id;
    if (!is_untouched(remains, now, 0, file->len))
        return false;
    for (size_t at = file->len; at < remains->len[now]; at++) {
        if (remains->bytes[now][at] != 0)
            return false;
    }
    return strcmp(file->path, file->now) == 0 || !file->is_empty ||
           !adb_filename_parse_log(name + 1, &file_id);
}

/* Whether a copy that is whole stands for what the record's file had: then the record counts no
 * more, whether the copy has it or not. */
static bool
is_covered(const struct remains *remains, const struct entry *entry)
{
    const struct inventory *inventory = remains->inventory;
    for (uint32_t i = 0; i < inventory->file_count + inventory->copy_count; i++) {
        const struct file *file = &inventory->files[i];
        const struct log_file_header *header = &file->header;
        if (file->is_log && header->is_copy && header->shard == entry->shard &&
            header->file_id > entry->file_id && entry->record.sequence > header->base_sequence &&
            entry->record.sequence <= header->last_sequence && is_file_saved(remains, i))
            return true;
    }
    return false;
}

static bool
is_saved(const struct remains *remains, const struct entry *entry)
{
    bool is_log = remains->inventory->files[entry->file].is_log;
    return (is_log ? is_record_saved(remains, entry) : is_buffered_saved(remains, entry)) &&
           !is_covered(remains, entry);
}

static struct remains
take_remains(const struct mutant *mutant)
{
    const struct inventory *inventory = mutant->inventory;
    struct remains remains = {.inventory = inventory};
    for (uint32_t i = 0; i < inventory->file_count + inventory->copy_count; i++) {
        const struct file *file = &inventory->files[i];
        if (file->now[0] != '\0')
            remains.bytes[i] = (unsigned char *)sim_read_file(mutant->sim, file->now,
                                                              &remains.len[i]);
        if (file->is_log && is_untouched(&remains, i, 0, LOG_FILE_HEADER_BYTES))
            remains.has_db_id = true;
    }
    uint32_t manifest = inventory->manifest_file;
    remains.has_manifest = remains.len[manifest] == inventory->files[manifest].len &&
                           is_untouched(&remains, manifest, 0, remains.len[manifest]);
    remains.has_db_id = remains.has_db_id || remains.has_manifest;
    return remains;
}

static void
free_remains(struct remains *remains)
{
    for (uint32_t i = 0; i < 2 * FILES_MAX; i++)
        free(remains->bytes[i]);
}

static const unsigned char *
key_of(const struct inventory *inventory, const struct entry *entry)
{
    return inventory->files[entry->file].bytes + entry->offset +
           adb_log_head_bytes(entry->record.flags);
}

static bool
is_live(const struct inventory *inventory, uint32_t id)
{
    for (uint32_t i = 0; i < inventory->manifest.collection_count; i++) {
        if (inventory->manifest.collections[i].id == id)
            return true;
    }
    return false;
}

static bool
is_same_key(const struct inventory *inventory, const struct entry *a, const struct entry *b)
{
    return a->record.collection_id == b->record.collection_id &&
           a->record.key_len == b->record.key_len &&
           memcmp(key_of(inventory, a), key_of(inventory, b), a->record.key_len) == 0;
}

/* For each key the newest record that is left: [*count_out], to be freed. Tombstones are among
 * them. Counts keys whose newest record is not left. */
static const struct entry **
find_winners(const struct remains *remains, size_t *count_out)
{
    const struct inventory *inventory = remains->inventory;
    const struct entry **winners =
        (const struct entry **)require_memory(NULL, (inventory->entry_count + 1) * sizeof *winners);
    uint64_t *newest = (uint64_t *)require_memory(NULL, (inventory->entry_count + 1) * 8);
    size_t count = 0;
    for (size_t i = 0; i < inventory->entry_count; i++) {
        const struct entry *entry = &inventory->entries[i];
        size_t at = 0;
        if (!is_saved(remains, entry) ||
            (remains->has_manifest && !is_live(inventory, entry->record.collection_id)))
            continue;
        while (at < count && !is_same_key(inventory, winners[at], entry))
            at++;
        if (at == count || entry->record.sequence > winners[at]->record.sequence)
            winners[at] = entry;
        count += at == count;
    }
    for (size_t i = 0; i < count; i++)
        newest[i] = winners[i]->record.sequence;
    for (size_t i = 0; i < inventory->entry_count; i++) {
        for (size_t at = 0; at < count; at++) {
            if (is_same_key(inventory, winners[at], &inventory->entries[i]) &&
                newest[at] < inventory->entries[i].record.sequence)
                newest[at] = UINT64_MAX;
        }
    }
    for (size_t i = 0; i < count; i++)
        totals.lost += newest[i] == UINT64_MAX;
    free(newest);
    *count_out = count;
    return winners;
}

/* --------------------------------------------------------------------- checks */

static void
check_pair(const struct inventory *inventory, const struct entry *winner, struct collection *opened)
{
    static unsigned char value[1 << 20];
    const unsigned char *key = key_of(inventory, winner);
    size_t len;
    armdb_err err = adb_db_get(opened, (armdb_slice){key, winner->record.key_len}, value,
                               sizeof value, &len);
    if (winner->record.flags == LOG_FLAG_TOMBSTONE) {
        REQUIRE(err == ARMDB_NOT_FOUND, "a deleted key of collection %u: %s",
                winner->record.collection_id, armdb_err_name(err));
        return;
    }
    REQUIRE(err == ARMDB_OK, "key %.*s of collection %u, written as number %" PRIu64 ": %s",
            (int)winner->record.key_len, (const char *)key, winner->record.collection_id,
            (uint64_t)winner->record.sequence, armdb_err_name(err));
    REQUIRE(len == winner->record.value_len &&
                memcmp(value, key + winner->record.key_len, len) == 0,
            "key %.*s of collection %u has another value", (int)winner->record.key_len,
            (const char *)key, winner->record.collection_id);
    uint64_t deadline_ms;
    uint64_t written_ms = winner->record.flags == LOG_FLAG_DEADLINE
                              ? adb_load_u64(key - LOG_DEADLINE_BYTES)
                              : 0;
    REQUIRE_OK(adb_db_deadline(opened, (armdb_slice){key, winner->record.key_len}, &deadline_ms));
    REQUIRE(deadline_ms == written_ms, "key %.*s of collection %u has another deadline",
            (int)winner->record.key_len, (const char *)key, winner->record.collection_id);
}

/* Opens a collection by the id it had. */
static struct collection *
open_by_id(struct db *db, const armdb_collection_info *infos, size_t count, uint32_t id)
{
    struct collection *opened = NULL;
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    options.schema_version = ARMDB_SCHEMA_ANY; /* a damaged manifest may say any */
    for (size_t i = 0; i < count; i++) {
        if (infos[i].id == id)
            REQUIRE_OK(adb_collection_open(db, infos[i].name, &options, &opened));
    }
    REQUIRE(opened != NULL, "collection %u is not there", id);
    return opened;
}

/* A whole manifest was taken over. */
static void
check_settings(const struct manifest *manifest, const armdb_collection_info *infos, size_t count,
               const struct db *db)
{
    REQUIRE(count == manifest->collection_count, "%zu collections", count);
    for (size_t i = 0; i < count; i++) {
        const struct manifest_collection *stored = &manifest->collections[i];
        REQUIRE(strcmp(infos[i].name, stored->name) == 0 && infos[i].id == stored->id &&
                    infos[i].key_bytes == stored->key_bytes && infos[i].order == stored->order &&
                    infos[i].value_bytes == stored->value_bytes,
                "collection \"%s\" is another one", infos[i].name);
    }
    REQUIRE(db->settings.shards == manifest->shards &&
                db->settings.shard_prefix_bits == manifest->shard_prefix_bits,
            "other settings");
}

static void
check_copy(const struct remains *remains, struct sim *sim, const armdb_repair_report *report)
{
    static armdb_collection_info infos[FILES_MAX];
    const struct inventory *inventory = remains->inventory;
    armdb_verify_report verified;
    armdb_options options = ARMDB_OPTIONS_INIT;
    struct db *db;
    bool is_closed;
    size_t count, collections;
    uint64_t keys = 0, expected = 0;
    const struct entry **winners = find_winners(remains, &count);
    REQUIRE_OK(adb_db_verify(sim_os(sim), COPY_PATH, NULL, NULL, &verified));
    options.open_mode = ARMDB_OPEN_EXISTING;
    options.write_buffer_bytes = 16384;
    REQUIRE_OK(adb_db_open(sim_os(sim), COPY_PATH, &options, &db));
    adb_collection_list(db, infos, FILES_MAX, &collections);
    REQUIRE(collections <= FILES_MAX && report->collections == collections, "%zu collections",
            collections);
    if (remains->has_manifest)
        check_settings(&inventory->manifest, infos, collections, db);
    for (size_t i = 0; i < collections; i++)
        keys += infos[i].keys;
    for (size_t i = 0; i < count; i++) {
        check_pair(inventory, winners[i],
                   open_by_id(db, infos, collections, winners[i]->record.collection_id));
        expected += winners[i]->record.flags != LOG_FLAG_TOMBSTONE;
    }
    REQUIRE(keys == expected && report->saved == expected,
            "%" PRIu64 " keys are there, %" PRIu64 " counted, %" PRIu64 " expected", keys,
            report->saved, expected);
    REQUIRE_OK(adb_db_close(db, &is_closed));
    totals.saved += expected;
    totals.made_up += report->made_up;
    free(winners);
}

/* A number for names and contents of a directory. */
static uint32_t
digest(struct sim *sim, const char *directory)
{
    char **names;
    uint32_t crc = 0;
    size_t count = sim_list(sim, directory, &names);
    for (size_t i = 0; i < count; i++) {
        char path[80];
        size_t len;
        snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        crc = adb_crc32c(crc, path, strlen(path));
        if (path[strlen(path) - 1] == '/') {
            path[strlen(path) - 1] = '\0';
            len = digest(sim, path);
            crc = adb_crc32c(crc, &len, sizeof len);
            continue;
        }
        char *bytes = sim_read_file(sim, path, &len);
        crc = adb_crc32c(crc, bytes, len);
        free(bytes);
    }
    free(names);
    return crc;
}

static void
count_finding(void *context, const armdb_finding *finding)
{
    armdb_repair_report *counted = (armdb_repair_report *)context;
    REQUIRE(finding->file != NULL && finding->message[0] != '\0', "a finding that says nothing");
    counted->lost += finding->kind == ARMDB_FINDING_LOST;
    counted->ignored += finding->kind == ARMDB_FINDING_IGNORED;
    counted->assumed += finding->kind == ARMDB_FINDING_ASSUMED;
    counted->lost_bytes += finding->kind == ARMDB_FINDING_LOST ? finding->bytes : 0;
}

static armdb_err
repair(struct sim *sim, armdb_repair_report *report)
{
    armdb_repair_report counted = {0};
    const struct repair_listener listener = {count_finding, &counted};
    armdb_err err = adb_db_repair(sim_os(sim), WORK_PATH, COPY_PATH, &listener, report);
    REQUIRE(counted.lost == report->lost && counted.ignored == report->ignored &&
                counted.assumed == report->assumed && counted.lost_bytes == report->lost_bytes,
            "the report does not count what was found");
    return err;
}

/* Whether a record was lost in front of another one that was saved: then the damage shows. */
static bool
is_loss_visible(const struct remains *remains)
{
    const struct inventory *inventory = remains->inventory;
    for (size_t i = 1; i < inventory->entry_count; i++) {
        const struct entry *before = &inventory->entries[i - 1];
        const struct entry *behind = &inventory->entries[i];
        const struct file *file = &inventory->files[before->file];
        if (before->file == behind->file && strcmp(file->path, file->now) == 0 && file->is_log &&
            !is_saved(remains, before) && !is_covered(remains, before) &&
            is_untouched(remains, behind->file, behind->offset, behind->bytes))
            return true;
    }
    return false;
}

static void
check_mutant(const struct mutant *mutant)
{
    armdb_repair_report report;
    struct remains remains = take_remains(mutant);
    uint32_t before = digest(mutant->sim, WORK_PATH);
    armdb_err err = repair(mutant->sim, &report);
    REQUIRE(digest(mutant->sim, WORK_PATH) == before, "the source was changed");
    REQUIRE(sim_open_count(mutant->sim) == 0, "files are left open");
    if (err == ARMDB_OK) {
        check_copy(&remains, mutant->sim, &report);
        REQUIRE(report.lost > 0 || !is_loss_visible(&remains), "a loss is not told");
    } else {
        size_t count;
        const struct entry **winners = find_winners(&remains, &count);
        free(winners);
        REQUIRE((err == ARMDB_CORRUPT && !remains.has_db_id) ||
                    (err == ARMDB_NO_DATABASE && count == 0),
                "repair says %s, though %zu keys are left", armdb_err_name(err), count);
        totals.refused++;
    }
    totals.mutants++;
    free_remains(&remains);
}

/* ----------------------------------------------------------------------- runs */

/* Nothing is damaged: all is there, and nothing is found. */
static void
repair_whole(const struct mutant *mutant, const struct contract *contract, bool is_closed)
{
    armdb_repair_report report;
    struct db *db;
    struct sim *sim = sim_clone(mutant->sim);
    REQUIRE_OK(repair(sim, &report));
    REQUIRE(!is_closed || report.lost + report.ignored + report.assumed == 0,
            "findings in a database that was closed");
    REQUIRE_OK(adb_db_open(sim_os(sim), COPY_PATH, NULL, &db));
    contract_check_live(contract, db);
    adb_db_abandon(db);
    sim_free(sim);
}

/* The power fails while a repair is under way: what it leaves is no database; or it is an empty
 * one, if that was in the first moments, or whole. */
static void
cut_repair(const struct mutant *mutant)
{
    armdb_repair_report report;
    struct sim_fault fault = {.kind = SIM_FAULT_CUT, .ops = SIM_CHANGES};
    struct sim *sim = sim_clone(mutant->sim);
    uint64_t before = sim_op_count(sim, SIM_CHANGES);
    struct db *db;
    REQUIRE_OK(repair(sim, &report));
    fault.fail_at = 1 + test_rng_below(mutant->rng, sim_op_count(sim, SIM_CHANGES) - before);
    sim_free(sim);
    sim = sim_clone(mutant->sim);
    sim_set_fault(sim, &fault);
    require_context("cut at operation %" PRIu64, fault.fail_at);
    REQUIRE(repair(sim, &report) != ARMDB_OK || sim_is_off(sim), "repair has not noticed");
    uint64_t saved = report.saved;
    sim_power_cut(sim, test_rng_next(mutant->rng));
    armdb_options options = ARMDB_OPTIONS_INIT;
    options.open_mode = ARMDB_OPEN_EXISTING;
    armdb_err err = adb_db_open(sim_os(sim), COPY_PATH, &options, &db);
    if (err == ARMDB_OK) {
        armdb_stats stats = {.struct_bytes = sizeof stats};
        adb_db_get_stats(db, &stats);
        REQUIRE(stats.keys == 0 || stats.keys == saved,
                "%" PRIu64 " keys in a database that is not all of it", stats.keys);
        adb_db_abandon(db);
    } else {
        REQUIRE(err == ARMDB_NO_DATABASE || err == ARMDB_CORRUPT, "%s", armdb_err_name(err));
    }
    totals.cuts++;
    sim_free(sim);
}

/* Makes a database and ends it in one of three ways. */
static struct sim *
make_database(uint64_t seed, struct contract *contract, enum contract_end *end_out)
{
    struct work_plan plan = workload_plan(seed, STEPS);
    struct sim *sim = sim_new(seed);
    struct workload work;
    struct test_rng rng = test_rng_make(seed);
    *end_out = (enum contract_end)test_rng_below(&rng, 3);
    workload_init(&work, sim, contract, &plan);
    REQUIRE_OK(workload_run(&work));
    if (*end_out == CONTRACT_CLOSED)
        REQUIRE_OK(workload_close(&work));
    else if (*end_out == CONTRACT_KILLED)
        sim_kill(sim);
    else
        sim_power_cut(sim, seed);
    workload_fini(&work);
    if (*end_out == CONTRACT_KILLED) { /* what is there now? */
        struct sim *clone = sim_clone(sim);
        work.sim = clone;
        REQUIRE_OK(workload_open(&work, CONTRACT_KILLED));
        workload_fini(&work);
        sim_free(clone);
    }
    return sim;
}

static void
run(uint64_t seed)
{
    struct test_rng rng = test_rng_make(seed);
    struct contract *contract = contract_new();
    enum contract_end end;
    require_context("plan %" PRIu64, seed);
    struct sim *sim = make_database(seed, contract, &end);
    struct mutant mutant = {sim, &rng, take_inventory(sim)};
    restore_names(mutant.inventory);
    if (end != CONTRACT_CUT)
        repair_whole(&mutant, contract, end == CONTRACT_CLOSED);
    for (int i = 0; i < MUTANTS; i++) {
        mutant.sim = sim_clone(sim);
        restore_names(mutant.inventory);
        require_context("plan %" PRIu64 ", mutant %d", seed, i);
        for (uint64_t left = 1 + test_rng_below(&rng, 4); left > 0; left--)
            mutate(&mutant);
        sim_set_can_map(mutant.sim, false); /* making the new buffers would take most of the time */
        check_mutant(&mutant);
        sim_free(mutant.sim);
    }
    mutant.sim = sim;
    for (int i = 0; i < CUTS; i++)
        cut_repair(&mutant);
    free_inventory(mutant.inventory);
    sim_free(sim);
    contract_free(contract);
}

int
main(void)
{
    uint64_t seed = test_seed();
    uint64_t rounds = require_rounds(PLANS);
    /* Giving memory back that will be wanted again at once costs more than the rest. */
    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
    mallopt(M_MMAP_THRESHOLD, KEPT_BYTES);
    for (uint64_t i = 0; i < rounds; i++) {
        struct test_rng rng = test_rng_fork(seed, i);
        run(test_rng_next(&rng));
    }
    printf("%" PRIu64 " damaged databases repaired, %" PRIu64 " of them refused; %" PRIu64
           " keys saved, %" PRIu64 " more whose newest record was lost; %" PRIu64
           " collections with made-up names; %" PRIu64 " repairs cut off\n",
           totals.mutants, totals.refused, totals.saved, totals.lost, totals.made_up, totals.cuts);
    return 0;
}
