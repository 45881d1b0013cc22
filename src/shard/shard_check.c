/*
 * shard_check.c: checking the files of a log that is not open, without an index.
 */
#include "shard/shard_check.h"
#include "base/err.h"
#include "base/mem.h"
#include "shard/hint_check.h"

struct checker {
    const struct shard_config *config;
    const char *path;
    struct log_file_header identity;
    struct shard_origins origins;
    adb_shard_damage_fn on_damage;
    void *damage_context;
    struct shard_check *check;
    const struct data_file *file; /* that is being read */
    struct hint_check hint;       /* of it */
    uint64_t sequence;
    uint64_t damages;
};

/* Takes an error as damage if it is damage; else passes it on. */
static armdb_err
report(struct checker *checker, armdb_err err)
{
    if (err != ARMDB_CORRUPT)
        return err;
    checker->damages++;
    checker->on_damage(checker->damage_context, checker->config->number, adb_err_detail());
    return ARMDB_OK;
}

/* An adb_scan_fn. */
static armdb_err
check_record(void *context, const struct log_scan_record *found)
{
    struct checker *checker = (struct checker *)context;
    struct shard_index *index;
    ADB_TRY(adb_shard_find_index(&checker->origins, checker->file, found, &index));
    return adb_hint_check_record(&checker->hint, found, index);
}

/* Goes on with what an open would take from the buffer of a killed process. */
static armdb_err
check_buffer(struct checker *checker, struct data_file *file, struct log_scan_result *result)
{
    struct log_salvage salvage = {.bytes = 1};
    armdb_err err = ARMDB_OK;
    while (err == ARMDB_OK && salvage.bytes > 0 && result->how != LOG_SCAN_DAMAGED &&
           !result->is_sealed) {
        ADB_TRY(adb_log_buffer_find(checker->config->os, checker->path, file, result, &salvage));
        const armdb_slice bytes = {salvage.from, (size_t)salvage.bytes};
        if (salvage.bytes > 0)
            err = adb_log_scan_as_if(file, bytes, check_record, checker, result);
        checker->check->bytes += salvage.bytes;
        adb_mem_free(salvage.memory);
    }
    return err;
}

/* A batch that is not whole in this log is cut off by an open, which looks at the others, too. */
static void
drop_part(struct log_scan_result *result)
{
    if (result->how == LOG_SCAN_DAMAGED || !adb_log_scan_is_in_part(result))
        return;
    result->records -= result->sequence - result->part.sequence;
    result->end = result->part.at;
    result->how = LOG_SCAN_TORN;
}

static armdb_err
check_open_file(struct checker *checker, struct data_file *file, bool is_newest)
{
    struct log_scan_result result;
    checker->file = file;
    /* After damage the files behind are checked for themselves, from where they say they begin. */
    if (checker->sequence == UINT64_MAX)
        checker->sequence = file->header.base_sequence;
    armdb_err err = adb_log_scan(file, is_newest, checker->sequence, check_record, checker,
                                 &result);
    checker->check->bytes += result.size;
    if (err == ARMDB_OK && is_newest)
        err = check_buffer(checker, file, &result);
    drop_part(&result);
    checker->check->records += result.records;
    checker->sequence = result.sequence;
    if (err == ARMDB_OK && result.how == LOG_SCAN_DAMAGED)
        err = adb_shard_raise_damage(file, &result);
    if (err == ARMDB_OK)
        err = adb_shard_check_torn_end(file, &result, checker->config->is_same_boot);
    if (err != ARMDB_OK)
        checker->sequence = UINT64_MAX;
    else if (result.how == LOG_SCAN_TORN)
        checker->check->torn_bytes += result.size - result.end;
    return report(checker, err);
}

/* A hint that says something wrong is as bad as a wrong record: opening would believe it. One that
 * is damaged says nothing, but who asks wants to know. */
static armdb_err
check_with_hint(struct checker *checker, struct data_file *file, bool is_newest)
{
    uint64_t damages = checker->damages;
    armdb_err err = report(checker, adb_hint_check_begin(&checker->hint, file, checker->path,
                                                         is_newest, checker->config->hash_seed));
    if (err == ARMDB_OK)
        err = check_open_file(checker, file, is_newest);
    if (err == ARMDB_OK && checker->damages == damages)
        err = report(checker, adb_hint_check_end(&checker->hint, &checker->origins));
    adb_hint_check_fini(&checker->hint);
    return err;
}

static armdb_err
check_file(struct checker *checker, uint64_t file_id, bool is_newest)
{
    struct log_file_header expected = checker->identity;
    struct data_file *file;
    expected.file_id = file_id;
    checker->check->files++;
    armdb_err err = adb_data_file_open(checker->config->os, checker->path, &expected, ADB_OPEN_READ,
                                       &file);
    if (err != ARMDB_OK) {
        checker->sequence = UINT64_MAX;
        return report(checker, err);
    }
    if (is_newest)
        err = report(checker, adb_shard_check_newest(file));
    if (err == ARMDB_OK)
        err = check_with_hint(checker, file, is_newest);
    adb_data_file_discard(file);
    return err;
}

static armdb_err
check_files(struct checker *checker)
{
    struct shard_listing listing;
    struct adb_os *os = checker->config->os;
    armdb_err err = adb_shard_list(os, checker->path, false, &listing);
    if (err != ARMDB_OK)
        return report(checker, err);
    err = adb_shard_arrange(os, checker->path, &checker->identity, true, &listing);
    for (uint32_t i = 0; err == ARMDB_OK && i < listing.count; i++)
        err = check_file(checker, listing.files[i].header.file_id, i + 1 == listing.count);
    adb_shard_listing_fini(&listing);
    return err;
}

armdb_err
adb_shard_check(const struct shard_config *config, adb_find_index_fn find, void *find_context,
                adb_shard_damage_fn on_damage, void *damage_context, struct shard_check *check_out)
{
    char *path;
    ADB_TRY(adb_shard_path(config, &path));
    struct checker checker = {.config = config,
                              .path = path,
                              .identity = {.shard = config->number},
                              .origins = {find, find_context},
                              .on_damage = on_damage,
                              .damage_context = damage_context,
                              .check = check_out};
    memcpy(checker.identity.db_id, config->db_id, LOG_DB_ID_BYTES);
    armdb_err err = check_files(&checker);
    adb_mem_free(path);
    return err;
}
