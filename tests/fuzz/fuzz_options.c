/*
 * fuzz_options.c: the structs of options, as a program that is wrong about them may fill them.
 *
 * The first byte says which struct, and whether its size is put right; the others are its bytes,
 * but for pointers. What is refused says why; what is accepted comes to settings within the ranges
 * that options.h has.
 */
#include "armdb/armdb.h"
#include "base/assert.h"
#include "base/err.h"
#include "db/db_options.h"
#include "fuzz/fuzz_input.h"

enum { WHICH_DATABASE, WHICH_COLLECTION, WHICH_COMPACT, WHICH_WRITE, WHICH_NAME, WHICH_COUNT };
enum { MEMORY_COUNT = 4, CPU_COUNT_MAX = 1000 };

static const uint64_t MEMORY[MEMORY_COUNT] = {0, UINT64_C(64) << 20, UINT64_C(24) << 30,
                                              UINT64_MAX};

static void
take_bytes(struct fuzz_input *input, void *to, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ((unsigned char *)to)[i] = (unsigned char)take_u8(input);
}

/* The record of this thread tells what was wrong. */
static bool
is_accepted(armdb_err err)
{
    armdb_error_detail detail;
    ADB_ASSERT(err == ARMDB_OK || err == ARMDB_INVALID || err == ARMDB_UNSUPPORTED);
    if (err == ARMDB_OK)
        return true;
    armdb_last_error(&detail);
    ADB_ASSERT(detail.code == err && detail.message[0] != '\0');
    return false;
}

static bool
is_within(uint64_t value, uint64_t min, uint64_t max)
{
    return value >= min && value <= max;
}

static void
check_collection(const armdb_collection_options *checked)
{
    struct manifest_collection described;
    adb_options_describe(checked, "name", 1, &described);
    ADB_ASSERT(described.order == ARMDB_ASCENDING || described.order == ARMDB_DESCENDING ||
               described.order == ARMDB_UNORDERED);
    ADB_ASSERT(described.key_bytes == ARMDB_KEY_VARIABLE ||
               is_within(described.key_bytes, 1, ARMDB_FIXED_KEY_MAX));
    ADB_ASSERT(described.value_bytes == ARMDB_VALUE_VARIABLE ||
               described.value_bytes == ARMDB_VALUE_OBJECT ||
               is_within(described.value_bytes, 1, ARMDB_CONST_VALUE_MAX));
    ADB_ASSERT(described.schema_version <= ARMDB_SCHEMA_VERSION_MAX);
    ADB_ASSERT(adb_collection_options_compare(checked, &described) == ARMDB_OK);
}

static void
check_settings(const struct db_settings *settings)
{
    ADB_ASSERT(is_within(settings->max_file_bytes, UINT64_C(64) << 10, UINT64_C(4) << 30));
    ADB_ASSERT(is_within(settings->write_buffer_bytes, 16 << 10, 64 << 20));
    ADB_ASSERT(settings->write_buffer_bytes <= settings->max_file_bytes);
    ADB_ASSERT(is_within(settings->durability, ARMDB_BUFFERED, ARMDB_SYNCED));
    ADB_ASSERT(settings->flush_interval_ns >= UINT64_C(1000000));
    ADB_ASSERT(settings->sync_interval_ns >= UINT64_C(1000000));
    ADB_ASSERT(settings->cache_bytes == 0 ||
               is_within(settings->cache_bytes, UINT64_C(1) << 20, UINT64_C(1) << 40));
    ADB_ASSERT(settings->compaction_percent <= 100);
    ADB_ASSERT(settings->compaction_bytes_per_second == 0 ||
               settings->compaction_bytes_per_second >= UINT64_C(1) << 20);
    ADB_ASSERT(is_within(settings->verify_reads, ARMDB_VERIFY_ALWAYS, ARMDB_VERIFY_NEVER));
    ADB_ASSERT(is_within(settings->io, ARMDB_IO_AUTO, ARMDB_IO_DIRECT));
}

static void
fuzz_database(struct fuzz_input *input, bool is_sized)
{
    armdb_options options;
    armdb_options checked;
    struct manifest manifest = {0};
    uint32_t cpus = 1 + (uint32_t)take_below(input, CPU_COUNT_MAX);
    uint64_t memory = MEMORY[take_below(input, MEMORY_COUNT)];
    take_bytes(input, &options, sizeof options);
    options.default_collection.codec = NULL;
    options.default_collection.schema = NULL;
    options.on_open_progress = NULL;
    if (is_sized) {
        options.struct_bytes = sizeof options;
        options.default_collection.struct_bytes = sizeof options.default_collection;
    }
    if (!is_accepted(adb_options_check(&options, &checked)))
        return;
    manifest.shards = adb_options_shards(&checked, cpus);
    ADB_ASSERT(is_within(manifest.shards, 1, ARMDB_SHARDS_MAX));
    struct db_settings settings = adb_options_settle(&checked, &manifest, memory);
    check_settings(&settings);
    check_collection(&checked.default_collection);
}

static void
fuzz_collection(struct fuzz_input *input, bool is_sized)
{
    armdb_collection_options options;
    armdb_collection_options checked;
    take_bytes(input, &options, sizeof options);
    options.codec = NULL;
    options.schema = NULL;
    if (is_sized)
        options.struct_bytes = sizeof options;
    if (is_accepted(adb_collection_options_check(&options, &checked)))
        check_collection(&checked);
}

static void
fuzz_compact(struct fuzz_input *input, bool is_sized)
{
    armdb_compact_options options;
    armdb_compact_options checked;
    take_bytes(input, &options, sizeof options);
    options.on_progress = NULL;
    if (is_sized)
        options.struct_bytes = sizeof options;
    if (is_accepted(adb_compact_options_check(&options, &checked)))
        ADB_ASSERT(is_within(checked.percent, 0, 100));
}

static void
fuzz_write(struct fuzz_input *input, bool is_sized)
{
    armdb_write_options options;
    armdb_durability level;
    armdb_ticket ticket;
    take_bytes(input, &options, sizeof options);
    options.ticket = options.ticket != NULL ? &ticket : NULL;
    if (is_sized)
        options.struct_bytes = sizeof options;
    if (!is_accepted(adb_write_options_settle(&options, ARMDB_WRITTEN, &level)))
        return;
    ADB_ASSERT(is_within(level, ARMDB_BUFFERED, ARMDB_SYNCED));
    uint64_t deadline = adb_write_options_deadline(&options, adb_os_posix());
    ADB_ASSERT((deadline == 0) == (options.expires_at_ms == 0 && options.ttl_ms == 0));
    ADB_ASSERT(options.expires_at_ms == 0 || deadline == options.expires_at_ms);
}

static void
fuzz_name(struct fuzz_input *input)
{
    char name[2 * ARMDB_NAME_MAX + 1];
    size_t len = input->size < sizeof name - 1 ? input->size : sizeof name - 1;
    memcpy(name, input->data, len);
    name[len] = '\0';
    if (is_accepted(adb_collection_name_check(name)))
        ADB_ASSERT(is_within(strlen(name), 1, ARMDB_NAME_MAX));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    uint32_t what = take_u8(&input);
    bool is_sized = what < 128;
    switch (what % WHICH_COUNT) {
    case WHICH_DATABASE:
        fuzz_database(&input, is_sized);
        break;
    case WHICH_COLLECTION:
        fuzz_collection(&input, is_sized);
        break;
    case WHICH_COMPACT:
        fuzz_compact(&input, is_sized);
        break;
    case WHICH_WRITE:
        fuzz_write(&input, is_sized);
        break;
    default:
        fuzz_name(&input);
        break;
    }
    return 0;
}
