/*
 * A whole database: a small valid one is made once, and each input is a list of changes to its
 * files, after which it is verified, opened, read, written to, closed and opened again.
 *
 * None of this may crash or hang. What opens holds only pairs that were written; verify and open
 * agree on what is whole; and what was opened once opens again.
 */
#include "fuzz/fuzz_db.h"
#include "fuzz/fuzz_input.h"
#include "log/log_format.h"
#include "support/os_sim.h"

enum {
    SHARDS = 2,
    COLLECTIONS = 5,
    KEYS = 60,
    CONST_BYTES = 24,
    PATHS_MAX = 24,
    CHANGES_MAX = 16,
    FILE_BYTES_MAX = 256 * 1024
};

static struct sim *valid; /* the database as it was made; never changed */
static char paths[PATHS_MAX][64];
static size_t path_count;

/* ------------------------------------------------------------- the valid database */

/* Whether keys of a collection of the valid database have one length. */
static bool
is_fixed(uint32_t id)
{
    return id == 1 || id == 4;
}

static void
put(struct collection *collection, uint32_t id, uint32_t number, uint32_t version, size_t len)
{
    char room[32];
    unsigned char value[FUZZ_VALUE_MAX];
    fuzz_value(id, number, version, value, len);
    ADB_ASSERT(adb_db_write(collection, SHARD_PUT, fuzz_key(number, is_fixed(id), room),
                            armdb_bytes(value, len), NULL) == ARMDB_OK);
}

static void
drop_pair(struct collection *collection, uint32_t id, uint32_t number)
{
    char room[32];
    ADB_ASSERT(adb_db_write(collection, SHARD_DELETE, fuzz_key(number, is_fixed(id), room),
                            armdb_str(""), NULL) == ARMDB_OK);
}

static void
fill(struct db *db)
{
    const armdb_collection_options fixed = {
        sizeof fixed, FUZZ_KEY_BYTES, ARMDB_DESCENDING, 0, NULL, 0, NULL};
    const armdb_collection_options map = {sizeof map, 0, ARMDB_UNORDERED, 0, NULL, 0, NULL};
    const armdb_collection_options constant = {
        sizeof map, FUZZ_KEY_BYTES, ARMDB_UNORDERED, CONST_BYTES, NULL, 0, NULL};
    struct collection *collections[COLLECTIONS] = {adb_db_default(db)};
    ADB_ASSERT(adb_collection_create(db, "fixed", &fixed, &collections[1]) == ARMDB_OK);
    ADB_ASSERT(adb_collection_create(db, "gone", NULL, &collections[2]) == ARMDB_OK);
    ADB_ASSERT(adb_collection_create(db, "map", &map, &collections[3]) == ARMDB_OK);
    ADB_ASSERT(adb_collection_create(db, "const", &constant, &collections[4]) == ARMDB_OK);
    for (uint32_t version = 1; version <= 2; version++) {
        for (uint32_t number = 0; number < KEYS; number++) {
            uint32_t id = number % COLLECTIONS;
            /* Large enough, now and then, that each shard gets several files. */
            size_t len = number % 5 == 0 ? 5000 : number % 7 == 0 ? 0 : number * 3;
            if (id == 4)
                len = CONST_BYTES;
            put(collections[id], id, number, version, len);
            if (number % 11 == 0)
                ADB_ASSERT(adb_db_sync(db) == ARMDB_OK);
            if (number % 6 == 1)
                drop_pair(collections[id], id, number);
        }
    }
    ADB_ASSERT(adb_collection_drop(db, "gone") == ARMDB_OK);
}

static armdb_options
options_of(armdb_open_mode mode)
{
    armdb_options options = ARMDB_OPTIONS_INIT;
    options.open_mode = mode;
    options.max_file_bytes = 65536;
    options.write_buffer_bytes = 16384;
    if (mode == ARMDB_CREATE_NEW)
        options.shards = SHARDS;
    return options;
}

static void
note_paths(struct sim *sim, const char *directory)
{
    char **names;
    size_t count = sim_list(sim, directory, &names);
    for (size_t i = 0; i < count; i++) {
        char path[sizeof paths[0]];
        snprintf(path, sizeof path, "%.30s/%.30s", directory, names[i]);
        if (path[strlen(path) - 1] == '/') {
            path[strlen(path) - 1] = '\0';
            note_paths(sim, path);
        } else {
            ADB_ASSERT(path_count < PATHS_MAX);
            memcpy(paths[path_count++], path, sizeof path);
        }
    }
    free(names);
}

static void
make_valid(void)
{
    const armdb_options options = options_of(ARMDB_CREATE_NEW);
    struct db *db;
    bool is_closed;
    valid = sim_new(1);
    ADB_ASSERT(adb_db_open(sim_os(valid), "/db", &options, &db) == ARMDB_OK);
    fill(db);
    /* Killed, so that it ends without the marks of a good close. */
    adb_db_abandon(db);
    sim_kill(valid);
    ADB_ASSERT(adb_db_open(sim_os(valid), "/db", NULL, &db) == ARMDB_OK);
    put(adb_db_default(db), 0, 999, 1, 100);
    ADB_ASSERT(adb_db_close(db, &is_closed) == ARMDB_OK);
    note_paths(valid, "/db");
    ADB_ASSERT(path_count >= 2 + SHARDS);
}

/* ---------------------------------------------------------------------- changes */

/* Puts the checksums of a header, a manifest and the first records right, so that what was changed
 * is looked at. Then pairs may come out that nobody wrote. */
static void
put_right(const char *path, unsigned char *bytes, size_t len)
{
    struct log_file_header header;
    if (strstr(path, "MANIFEST") != NULL && len >= 72) {
        adb_store_u32(bytes + 12, (uint32_t)len);
        adb_store_u32(bytes + len - 4, adb_crc32c(0, bytes, len - 4));
    }
    if (strstr(path, ".log") == NULL || len < LOG_FILE_HEADER_BYTES)
        return;
    adb_store_u32(bytes + 60, adb_crc32c(0, bytes, 60));
    if (adb_log_decode_file_header(bytes, &header) != LOG_HEADER_OK)
        return;
    const uint32_t seed = adb_log_file_seed(&header);
    size_t at = LOG_FILE_HEADER_BYTES;
    while (at + LOG_RECORD_HEADER_BYTES <= len) {
        struct log_record record;
        adb_log_decode_record(bytes + at, &record);
        uint64_t size = adb_log_record_bytes(&record);
        if (size > len - at)
            break;
        if ((record.flags & LOG_FLAG_DEADLINE) != 0) {
            record.deadline_ms = adb_load_u64(bytes + at + LOG_RECORD_HEADER_BYTES);
            adb_log_encode_head(seed, at, &record, bytes + at);
        }
        adb_store_u32(bytes + at, adb_log_record_crc(seed, at, bytes + at, size));
        at += (size_t)size;
    }
}

/* A name that a file may be given: another's, or one that is not there yet. */
static void
choose_name(struct fuzz_input *input, char name[64])
{
    static const char *const others[] = {"/db/MANIFEST.tmp",
                                         "/db/shard-000/0000000009.log",
                                         "/db/shard-001/0000000002.log.tmp",
                                         "/db/shard-001/0000000003.log",
                                         "/db/shard-000/1.log",
                                         "/db/stranger"};
    size_t other_count = sizeof others / sizeof others[0];
    size_t choice = (size_t)take_below(input, path_count + other_count);
    const char *chosen = choice < path_count ? paths[choice] : others[choice - path_count];
    memcpy(name, chosen, strlen(chosen) + 1);
}

enum change {
    CHANGE_FLIP,
    CHANGE_CUT,
    CHANGE_OVERWRITE,
    CHANGE_RENAME,
    CHANGE_DUPLICATE,
    CHANGE_REMOVE,
    CHANGE_EXTEND,
    CHANGE_MOVE_BYTES,
    CHANGE_PUT_RIGHT,
    CHANGE_COUNT
};

/* Changes the content of a file in memory; returns its new length. */
static size_t
change_bytes(struct fuzz_input *input, enum change change, const char *path, unsigned char *bytes,
             size_t len)
{
    size_t at = (size_t)take_below(input, len + 1);
    size_t count = (size_t)take_below(input, 64);
    if (change == CHANGE_CUT)
        return at;
    if (change == CHANGE_EXTEND)
        return len + count < FILE_BYTES_MAX ? len + count : len;
    if (count > len - at)
        count = len - at;
    if (change == CHANGE_FLIP && at < len)
        bytes[at] ^= (unsigned char)(1u << count % 8);
    if (change == CHANGE_OVERWRITE)
        for (size_t i = 0; i < count; i++)
            bytes[at + i] = (unsigned char)take_u8(input);
    if (change == CHANGE_MOVE_BYTES)
        memmove(bytes + at, bytes + take_below(input, len - count + 1), count);
    if (change == CHANGE_PUT_RIGHT)
        put_right(path, bytes, len);
    return len;
}

/* Applies one change; says whether files may now hold what was never written. */
static bool
apply(struct fuzz_input *input, struct sim *sim)
{
    enum change change = (enum change)take_below(input, CHANGE_COUNT);
    char name[64];
    size_t len;
    choose_name(input, name);
    char *content = sim_read_file(sim, name, &len);
    if (content == NULL)
        return false;
    if (change == CHANGE_RENAME || change == CHANGE_DUPLICATE) {
        char to[64];
        choose_name(input, to);
        if (change == CHANGE_RENAME)
            sim_remove_file(sim, name);
        sim_write_file(sim, to, content, len);
    } else if (change == CHANGE_REMOVE) {
        sim_remove_file(sim, name);
    } else {
        unsigned char *bytes = (unsigned char *)calloc(1, len + 64);
        ADB_ASSERT(bytes != NULL);
        memcpy(bytes, content, len);
        len = change_bytes(input, change, name, bytes, len);
        sim_write_file(sim, name, bytes, len);
        free(bytes);
    }
    free(content);
    return change == CHANGE_PUT_RIGHT;
}

/* ------------------------------------------------------------------------ checks */

static void
read_everything(struct collection *collection)
{
    const armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    struct cursor *cursor;
    armdb_err err;
    ADB_ASSERT(adb_cursor_open(collection, &options, &cursor) == ARMDB_OK);
    do
        err = adb_cursor_move(cursor, CURSOR_NEXT);
    while (err == ARMDB_OK || err == ARMDB_CORRUPT);
    ADB_ASSERT(err == ARMDB_END);
    adb_cursor_close(cursor);
}

static void
check_contents(struct db *db, bool is_forged)
{
    armdb_collection_info infos[64];
    armdb_collection_options any = ARMDB_COLLECTION_OPTIONS_INIT;
    size_t count;
    any.schema_version = ARMDB_SCHEMA_ANY;
    adb_collection_list(db, infos, 64, &count);
    for (size_t i = 0; i < count && i < 64; i++) {
        struct collection *collection;
        ADB_ASSERT(adb_collection_open(db, infos[i].name, &any, &collection) == ARMDB_OK ||
                   is_forged);
        if (is_forged)
            read_everything(collection != NULL ? collection : adb_db_default(db));
        else
            fuzz_check_collection(collection, infos[i].id);
    }
}

static armdb_err
open_db(struct sim *sim, struct db **db_out)
{
    const armdb_options options = options_of(ARMDB_OPEN_EXISTING);
    armdb_err err = adb_db_open(sim_os(sim), "/db", &options, db_out);
    ADB_ASSERT(err == ARMDB_OK || err == ARMDB_CORRUPT || err == ARMDB_FORMAT ||
               err == ARMDB_NO_DATABASE);
    ADB_ASSERT((err == ARMDB_OK) == (*db_out != NULL));
    ADB_ASSERT(err == ARMDB_OK || adb_err_detail()->code == err);
    return err;
}

/* Repairs a copy of the database: what comes out is whole, and the source is as it was. */
static void
repair(struct sim *damaged)
{
    const struct repair_listener nobody = {NULL, NULL};
    const armdb_options options = options_of(ARMDB_OPEN_EXISTING);
    struct sim *sim = sim_clone(damaged);
    armdb_repair_report report;
    armdb_verify_report verified;
    struct db *db;
    armdb_err err = adb_db_repair(sim_os(sim), "/db", "/copy", &nobody, &report);
    ADB_ASSERT(err == ARMDB_OK || err == ARMDB_CORRUPT || err == ARMDB_FORMAT ||
               err == ARMDB_NO_DATABASE);
    ADB_ASSERT(err == ARMDB_OK || adb_err_detail()->code == err);
    ADB_ASSERT(sim_open_count(sim) == 0);
    if (err == ARMDB_OK) {
        ADB_ASSERT(adb_db_verify(sim_os(sim), "/copy", NULL, NULL, &verified) == ARMDB_OK);
        ADB_ASSERT(adb_db_open(sim_os(sim), "/copy", &options, &db) == ARMDB_OK);
        check_contents(db, true);
        adb_db_abandon(db);
    }
    sim_free(sim);
}

/* Writes to it, closes it, and looks whether all is there again. Damage that a hint has kept from
 * being met may be met now. */
static void
write_and_reopen(struct sim *sim, struct db *db, bool is_forged, bool is_damaged)
{
    char room[32];
    unsigned char value[64];
    size_t len;
    bool is_closed;
    fuzz_value(0, 500, 1, value, sizeof value);
    const armdb_slice key = fuzz_key(500, is_forged, room);
    armdb_err err = adb_db_write(adb_db_default(db), SHARD_PUT, key,
                                 armdb_bytes(value, sizeof value), NULL);
    ADB_ASSERT(err == ARMDB_OK || is_forged);
    ADB_ASSERT(adb_db_close(db, &is_closed) == ARMDB_OK && is_closed);
    armdb_err opened = open_db(sim, &db);
    if (is_damaged && opened == ARMDB_CORRUPT)
        return;
    ADB_ASSERT(opened == ARMDB_OK);
    if (err == ARMDB_OK) {
        ADB_ASSERT(adb_db_get(adb_db_default(db), key, value, sizeof value, &len) == ARMDB_OK);
        ADB_ASSERT(fuzz_value_is_good(0, 500, value, len));
    }
    check_contents(db, is_forged || is_damaged);
    ADB_ASSERT(adb_db_close(db, &is_closed) == ARMDB_OK);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    armdb_verify_report report;
    struct db *db;
    bool is_forged = false;
    if (valid == NULL)
        make_valid();
    struct sim *sim = sim_clone(valid);
    for (int i = 0; i < CHANGES_MAX && input.size > 0; i++)
        is_forged = apply(&input, sim) || is_forged;
    repair(sim);
    armdb_err verified = adb_db_verify(sim_os(sim), "/db", NULL, NULL, &report);
    ADB_ASSERT(verified == ARMDB_OK || verified == ARMDB_CORRUPT || verified == ARMDB_FORMAT ||
               verified == ARMDB_NO_DATABASE);
    armdb_err opened = open_db(sim, &db);
    /* Who opens may believe a hint; who verifies reads all. */
    bool is_damaged = verified != ARMDB_OK;
    ADB_ASSERT(opened == ARMDB_OK || is_damaged);
    if (opened == ARMDB_OK) {
        check_contents(db, is_forged || is_damaged);
        write_and_reopen(sim, db, is_forged, is_damaged);
        ADB_ASSERT(adb_db_verify(sim_os(sim), "/db", NULL, NULL, &report) == ARMDB_OK ||
                   is_damaged);
    }
    ADB_ASSERT(sim_open_count(sim) == 0);
    sim_free(sim);
    return 0;
}
