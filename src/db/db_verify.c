/* db_verify.c: reading every byte of a database that nobody has open, and changing none. */
#include "base/err.h"
#include "base/mem.h"
#include "db/db_private.h"
#include "shard/shard_check.h"

struct verifier {
    struct adb_os *os;
    const char *path;
    armdb_damage_fn on_damage; /* may be NULL */
    void *context;
    armdb_verify_report *report;
    bool is_same_boot;
    struct manifest manifest;    /* owned */
    struct router router;        /* of the manifest */
    struct shard_index *indexes; /* owned: [manifest.collection_count], without trees */
};

static void
report_damage(struct verifier *verifier, uint32_t shard, const armdb_error_detail *detail)
{
    const armdb_error_detail copy = *detail; /* the callback may call the library */
    const armdb_damage damage = {
        .file = copy.file, .offset = copy.offset, .shard = shard, .message = copy.message};
    verifier->report->damages++;
    if (verifier->on_damage != NULL)
        verifier->on_damage(verifier->context, &damage);
}

static void
on_shard_damage(void *context, uint32_t shard, const armdb_error_detail *detail)
{
    report_damage((struct verifier *)context, shard, detail);
}

static const char *
find_index(void *context, const struct shard_origin *origin, struct shard_index **index_out)
{
    const struct verifier *verifier = (const struct verifier *)context;
    const struct manifest *manifest = &verifier->manifest;
    *index_out = NULL;
    for (uint32_t i = 0; i < manifest->collection_count; i++) {
        if (verifier->indexes[i].collection_id == origin->collection_id)
            *index_out = &verifier->indexes[i];
    }
    return adb_origin_check(origin, manifest, &verifier->router);
}

static armdb_err
make_indexes(struct verifier *verifier)
{
    const struct manifest *manifest = &verifier->manifest;
    verifier->indexes = adb_new_array(struct shard_index, manifest->collection_count);
    if (verifier->indexes == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "verify", "no memory for the collections");
    for (uint32_t i = 0; i < manifest->collection_count; i++) {
        const struct manifest_collection *stored = &manifest->collections[i];
        struct shard_index *index = &verifier->indexes[i];
        index->collection_id = stored->id;
        index->key_bytes = stored->key_bytes;
        if (stored->value_bytes <= ARMDB_CONST_VALUE_MAX)
            index->keys.value_bytes = stored->value_bytes;
        index->keys.is_hashed = stored->order == ARMDB_UNORDERED;
        index->keys.seed = adb_manifest_map_seed(manifest);
    }
    return ARMDB_OK;
}

static armdb_err
check_shards(struct verifier *verifier)
{
    armdb_verify_report *report = verifier->report;
    struct shard_config config = {.os = verifier->os,
                                  .directory = verifier->path,
                                  .hash_seed = adb_manifest_map_seed(&verifier->manifest),
                                  .is_same_boot = verifier->is_same_boot};
    memcpy(config.db_id, verifier->manifest.db_id, LOG_DB_ID_BYTES);
    for (uint32_t i = 0; i < verifier->manifest.shards; i++) {
        struct shard_check check = {0};
        config.number = i;
        armdb_err err = adb_shard_check(&config, find_index, verifier, on_shard_damage, verifier,
                                        &check);
        report->files += check.files;
        report->bytes += check.bytes;
        report->records += check.records;
        report->torn_bytes += check.torn_bytes;
        ADB_TRY(err);
    }
    return ARMDB_OK;
}

/* Takes an error as damage if it is damage; else passes it on. */
static armdb_err
as_damage(struct verifier *verifier, armdb_err err)
{
    if (err != ARMDB_CORRUPT)
        return err;
    report_damage(verifier, UINT32_MAX, adb_err_detail());
    return ARMDB_OK;
}

static armdb_err
verify_locked(struct verifier *verifier)
{
    armdb_err err = adb_manifest_load(verifier->os, verifier->path, &verifier->manifest);
    if (err == ARMDB_NOT_FOUND)
        err = adb_directory_refuse(verifier->path, DIRECTORY_HEADLESS);
    if (err != ARMDB_OK)
        return as_damage(verifier, err);
    verifier->router = adb_manifest_router(&verifier->manifest);
    verifier->report->files++;
    verifier->report->bytes += adb_manifest_bytes(&verifier->manifest);
    ADB_TRY(make_indexes(verifier));
    return check_shards(verifier);
}

armdb_err
adb_db_verify(struct adb_os *os, const char *path, armdb_damage_fn on_damage, void *context,
              armdb_verify_report *report_out)
{
    enum directory_state state;
    struct adb_file *lock_file;
    struct verifier verifier = {
        .os = os, .path = path, .on_damage = on_damage, .context = context, .report = report_out};
    *report_out = (armdb_verify_report){0};
    ADB_TRY(adb_directory_look(os, path, &state));
    if (state != DIRECTORY_DATABASE && state != DIRECTORY_HEADLESS)
        return adb_directory_refuse(path, state);
    ADB_TRY(adb_directory_lock(os, path, &lock_file));
    armdb_err err = adb_directory_is_same_boot(os, lock_file, &verifier.is_same_boot);
    if (err == ARMDB_OK)
        err = verify_locked(&verifier);
    adb_mem_free(verifier.indexes);
    adb_manifest_fini(&verifier.manifest);
    adb_file_discard(lock_file);
    if (err != ARMDB_OK)
        return err;
    if (report_out->damages > 0)
        return adb_fail_at(ARMDB_CORRUPT, "verify", path, 0, "%llu pieces of damage",
                           (unsigned long long)report_out->damages);
    return ARMDB_OK;
}
