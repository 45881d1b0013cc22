#include "db/db_options.h"

#include <inttypes.h>
#include <stdio.h>

#include "armdb/object.h"
#include "base/err.h"

enum {
    SHARDS_DEFAULT_MAX = 16,
    PREFIX_BITS_MAX = 8 * ARMDB_KEY_MAX,
    WRITE_BUFFER_MIN = 16 * 1024,
    WRITE_BUFFER_DEFAULT = 1024 * 1024,
    WRITE_BUFFER_MAX = 64 * 1024 * 1024,
    INTERVAL_MS_MAX = 3600000,
    FLUSH_INTERVAL_MS_DEFAULT = 100,
    COMPACTION_PERCENT_DEFAULT = 24
};

static const uint64_t FILE_BYTES_MIN = UINT64_C(64) << 10;
static const uint64_t FILE_BYTES_DEFAULT = UINT64_C(256) << 20;
static const uint64_t FILE_BYTES_MAX = UINT64_C(4) << 30;
static const uint64_t CACHE_BYTES_MIN = UINT64_C(1) << 20;
static const uint64_t CACHE_BYTES_MAX = UINT64_C(1) << 40;
static const uint64_t COMPACTION_RATE_MIN = UINT64_C(1) << 20;
static const uint64_t CACHE_BYTES_DEFAULT_MAX = UINT64_C(1) << 30;

/* --------------------------------------------------------------------- ranges */

/* 0 is always allowed: it stands for the default. */
static armdb_err
check_range(const char *field, uint64_t value, uint64_t min, uint64_t max)
{
    if (value == 0 || (value >= min && value <= max))
        return ARMDB_OK;
    return adb_fail(ARMDB_INVALID, "options",
                    "%s is %" PRIu64 ", allowed are %" PRIu64 "..%" PRIu64 " (0: default)", field,
                    value, min, max);
}

static armdb_err
check_interval(const char *field, uint32_t ms)
{
    return ms == ARMDB_NEVER ? ARMDB_OK : check_range(field, ms, 1, INTERVAL_MS_MAX);
}

static armdb_err
check_struct_bytes(const char *name, uint32_t bytes, size_t known)
{
    if (bytes == known)
        return ARMDB_OK;
    return adb_fail(ARMDB_INVALID, "options",
                    "%s.struct_bytes is %" PRIu32 ", allowed is %zu: start from the _INIT macro",
                    name, bytes, known);
}

static armdb_err
check_codec(const armdb_collection_options *options)
{
    const armdb_codec *codec = options->codec;
    ADB_TRY(check_struct_bytes("armdb_codec", codec->struct_bytes, sizeof *codec));
    if (options->value_bytes != ARMDB_VALUE_OBJECT)
        return adb_fail(ARMDB_INVALID, "options",
                        "there is a codec, but value_bytes is %" PRIu32 ", not ARMDB_VALUE_OBJECT",
                        options->value_bytes);
    if (codec->decode == NULL || codec->size == NULL || codec->encode == NULL ||
        codec->free == NULL)
        return adb_fail(ARMDB_INVALID, "options", "a function of the codec is NULL");
    return ARMDB_OK;
}

static armdb_err
check_schema(const armdb_schema *schema)
{
    ADB_TRY(check_struct_bytes("armdb_schema", schema->struct_bytes, sizeof *schema));
    if (schema->n_steps > 0 && schema->steps == NULL)
        return adb_fail(ARMDB_INVALID, "options", "the steps of the schema are NULL");
    return ARMDB_OK;
}

armdb_err
adb_collection_options_check(const armdb_collection_options *options,
                             armdb_collection_options *options_out)
{
    *options_out = (armdb_collection_options)ARMDB_COLLECTION_OPTIONS_INIT;
    if (options == NULL)
        return ARMDB_OK;
    ADB_TRY(check_struct_bytes("armdb_collection_options", options->struct_bytes, sizeof *options));
    if (options->key_bytes != ARMDB_KEY_VARIABLE)
        ADB_TRY(check_range("key_bytes", options->key_bytes, 1, ARMDB_FIXED_KEY_MAX));
    ADB_TRY(check_range("order", (uint64_t)options->order, ARMDB_ASCENDING, ARMDB_UNORDERED));
    if (options->value_bytes != ARMDB_VALUE_VARIABLE && options->value_bytes != ARMDB_VALUE_OBJECT)
        ADB_TRY(check_range("value_bytes", options->value_bytes, 1, ARMDB_CONST_VALUE_MAX));
    if (options->codec != NULL)
        ADB_TRY(check_codec(options));
    if (options->schema_version != ARMDB_SCHEMA_ANY)
        ADB_TRY(
            check_range("schema_version", options->schema_version, 1, ARMDB_SCHEMA_VERSION_MAX));
    if (options->schema != NULL)
        ADB_TRY(check_schema(options->schema));
    *options_out = *options;
    return ARMDB_OK;
}

armdb_err
adb_options_check_cache(uint64_t cache_bytes)
{
    if (cache_bytes == ARMDB_CACHE_NONE)
        return ARMDB_OK;
    return check_range("cache_bytes", cache_bytes, CACHE_BYTES_MIN, CACHE_BYTES_MAX);
}

armdb_err
adb_options_check(const armdb_options *options, armdb_options *options_out)
{
    *options_out = (armdb_options)ARMDB_OPTIONS_INIT;
    if (options == NULL)
        return ARMDB_OK;
    armdb_collection_options collection;
    ADB_TRY(check_struct_bytes("armdb_options", options->struct_bytes, sizeof *options));
    ADB_TRY(check_range("shards", options->shards, 1, ARMDB_SHARDS_MAX));
    ADB_TRY(check_range("shard_prefix_bits", options->shard_prefix_bits, 1, PREFIX_BITS_MAX));
    ADB_TRY(adb_collection_options_check(&options->default_collection, &collection));
    if (collection.schema_version != 0 && collection.schema_version != ARMDB_SCHEMA_ANY)
        return adb_fail(ARMDB_UNSUPPORTED, "options",
                        "schema_version is %" PRIu32 ", but the default collection has none",
                        collection.schema_version);
    ADB_TRY(check_range("open_mode", (uint64_t)options->open_mode, ARMDB_OPEN_EXISTING,
                        ARMDB_CREATE_NEW));
    ADB_TRY(check_range("durability", (uint64_t)options->durability, ARMDB_BUFFERED, ARMDB_SYNCED));
    ADB_TRY(check_range("max_file_bytes", options->max_file_bytes, FILE_BYTES_MIN, FILE_BYTES_MAX));
    uint64_t file_bytes = options->max_file_bytes != 0 ? options->max_file_bytes
                                                       : FILE_BYTES_DEFAULT;
    ADB_TRY(check_range("write_buffer_bytes", options->write_buffer_bytes, WRITE_BUFFER_MIN,
                        file_bytes < WRITE_BUFFER_MAX ? file_bytes : WRITE_BUFFER_MAX));
    ADB_TRY(check_interval("flush_interval_ms", options->flush_interval_ms));
    ADB_TRY(check_interval("sync_interval_ms", options->sync_interval_ms));
    ADB_TRY(adb_options_check_cache(options->cache_bytes));
    if (options->compaction_percent != ARMDB_NEVER)
        ADB_TRY(check_range("compaction_percent", options->compaction_percent, 1, 100));
    ADB_TRY(check_range("compaction_bytes_per_second", options->compaction_bytes_per_second,
                        COMPACTION_RATE_MIN, UINT64_MAX));
    ADB_TRY(check_range("verify_reads", (uint64_t)options->verify_reads, ARMDB_VERIFY_ALWAYS,
                        ARMDB_VERIFY_NEVER));
    ADB_TRY(check_range("io", (uint64_t)options->io, ARMDB_IO_BUFFERED, ARMDB_IO_DIRECT));
    *options_out = *options;
    return ARMDB_OK;
}

armdb_err
adb_compact_options_check(const armdb_compact_options *options, armdb_compact_options *options_out)
{
    *options_out = (armdb_compact_options)ARMDB_COMPACT_OPTIONS_INIT;
    if (options == NULL)
        return ARMDB_OK;
    ADB_TRY(check_struct_bytes("armdb_compact_options", options->struct_bytes, sizeof *options));
    ADB_TRY(check_range("percent", options->percent, 1, 100));
    *options_out = *options;
    return ARMDB_OK;
}

/* Length of the UTF-8 sequence at `at`, 0 if it is none (overlong forms and surrogates are
 * none). */
static size_t
utf8_len(const unsigned char *at)
{
    uint32_t code;
    size_t len;
    if (at[0] < 0x80)
        return 1;
    if (at[0] >= 0xc2 && at[0] <= 0xdf) {
        len = 2;
        code = at[0] & 0x1fu;
    } else if (at[0] >= 0xe0 && at[0] <= 0xef) {
        len = 3;
        code = at[0] & 0x0fu;
    } else if (at[0] >= 0xf0 && at[0] <= 0xf4) {
        len = 4;
        code = at[0] & 0x07u;
    } else {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80) /* also stops at the end of the string */
            return 0;
        code = code << 6 | (at[i] & 0x3fu);
    }
    if ((len == 3 && code < 0x800) || (len == 4 && (code < 0x10000 || code > 0x10ffff)) ||
        (code >= 0xd800 && code <= 0xdfff))
        return 0;
    return len;
}

armdb_err
adb_collection_name_check(const char *name)
{
    const unsigned char *at = (const unsigned char *)name;
    size_t len = strlen(name);
    if (len == 0 || len > ARMDB_NAME_MAX)
        return adb_fail(ARMDB_INVALID, "create collection",
                        "a collection name of %zu bytes, allowed are 1..%u", len, ARMDB_NAME_MAX);
    while (*at != 0) {
        size_t step = utf8_len(at);
        if (step == 0 || *at < 0x20 || *at == 0x7f)
            return adb_fail(ARMDB_INVALID, "create collection",
                            "byte %zu of the collection name is a control character or not UTF-8",
                            (size_t)(at - (const unsigned char *)name));
        at += step;
    }
    return ARMDB_OK;
}

/* ------------------------------------------------------------ new and stored */

uint32_t
adb_options_shards(const armdb_options *options, uint32_t cpu_count)
{
    if (options->shards != 0)
        return options->shards;
    if (cpu_count == 0)
        return 1;
    return cpu_count < SHARDS_DEFAULT_MAX ? cpu_count : SHARDS_DEFAULT_MAX;
}

void
adb_options_describe(const armdb_collection_options *options, const char *name, uint32_t id,
                     struct manifest_collection *collection_out)
{
    *collection_out = (struct manifest_collection){
        .id = id,
        .key_bytes = options->key_bytes != 0 ? options->key_bytes : ARMDB_KEY_VARIABLE,
        .order = options->order != ARMDB_ORDER_DEFAULT ? options->order : ARMDB_ASCENDING,
        .value_bytes = options->value_bytes != 0 ? options->value_bytes : ARMDB_VALUE_VARIABLE,
        .schema_version = options->schema_version != ARMDB_SCHEMA_ANY ? options->schema_version : 0,
    };
    memcpy(collection_out->name, name, strlen(name) + 1);
}

static armdb_err
compare(const char *field, uint64_t stored, uint64_t asked)
{
    if (asked == 0 || asked == stored)
        return ARMDB_OK;
    return adb_fail(ARMDB_MISMATCH, "open", "%s is stored as %" PRIu64 ", asked was %" PRIu64,
                    field, stored, asked);
}

static const char *
order_name(armdb_order order)
{
    switch (order) {
    case ARMDB_UNORDERED:
        return "unordered";
    case ARMDB_DESCENDING:
        return "descending";
    case ARMDB_ASCENDING:
    case ARMDB_ORDER_DEFAULT:
        break;
    }
    return "ascending";
}

_Static_assert(ARMDB_KEY_VARIABLE == ARMDB_VALUE_VARIABLE, "one text for both");

static const char *
length_text(uint32_t bytes, char *text, size_t capacity)
{
    if (bytes == ARMDB_KEY_VARIABLE)
        return "variable";
    if (bytes == ARMDB_VALUE_OBJECT)
        return "object";
    snprintf(text, capacity, "%" PRIu32, bytes);
    return text;
}

static armdb_err
compare_length(const char *field, const char *name, uint32_t stored, uint32_t asked)
{
    char stored_text[16], asked_text[16];
    if (asked == 0 || asked == stored)
        return ARMDB_OK;
    return adb_fail(ARMDB_MISMATCH, "open",
                    "%s of collection \"%.100s\" is stored as %s, asked was %s", field, name,
                    length_text(stored, stored_text, sizeof stored_text),
                    length_text(asked, asked_text, sizeof asked_text));
}

armdb_err
adb_collection_options_compare(const armdb_collection_options *options,
                               const struct manifest_collection *stored)
{
    if (options->schema_version < stored->schema_version)
        return adb_fail(ARMDB_MISMATCH, "open",
                        "collection \"%.100s\" has schema version %" PRIu32 ", newer than %" PRIu32
                        ", that of this program",
                        stored->name, stored->schema_version, options->schema_version);
    ADB_TRY(compare_length("key_bytes", stored->name, stored->key_bytes, options->key_bytes));
    ADB_TRY(compare_length("value_bytes", stored->name, stored->value_bytes, options->value_bytes));
    if (options->order != ARMDB_ORDER_DEFAULT && options->order != stored->order)
        return adb_fail(ARMDB_MISMATCH, "open",
                        "order of collection \"%.100s\" is stored as %s, asked was %s",
                        stored->name, order_name(stored->order), order_name(options->order));
    return ARMDB_OK;
}

armdb_err
adb_options_compare(const armdb_options *options, const struct manifest *manifest)
{
    ADB_TRY(compare("shards", manifest->shards, options->shards));
    ADB_TRY(compare("shard_prefix_bits", manifest->shard_prefix_bits, options->shard_prefix_bits));
    return adb_collection_options_compare(&options->default_collection, &manifest->collections[0]);
}

static uint64_t
interval_ns(uint32_t ms, uint32_t otherwise_ms)
{
    if (ms == 0)
        ms = otherwise_ms;
    return ms == ARMDB_NEVER ? UINT64_MAX : (uint64_t)ms * 1000000;
}

uint64_t
adb_options_cache_bytes(uint64_t asked, uint64_t memory_bytes)
{
    if (asked == ARMDB_CACHE_NONE)
        return 0;
    if (asked != 0)
        return asked;
    uint64_t share = memory_bytes / 8;
    if (share < CACHE_BYTES_MIN)
        return CACHE_BYTES_MIN;
    return share < CACHE_BYTES_DEFAULT_MAX ? share : CACHE_BYTES_DEFAULT_MAX;
}

static uint32_t
compaction_percent(uint32_t asked)
{
    if (asked == ARMDB_NEVER)
        return 0;
    return asked != 0 ? asked : COMPACTION_PERCENT_DEFAULT;
}

struct db_settings
adb_options_settle(const armdb_options *options, const struct manifest *manifest,
                   uint64_t memory_bytes)
{
    struct db_settings settings = {
        .shards = manifest->shards,
        .shard_prefix_bits = manifest->shard_prefix_bits,
        .max_file_bytes = options->max_file_bytes,
        .write_buffer_bytes = options->write_buffer_bytes,
        .durability = options->durability,
        .flush_interval_ns = interval_ns(options->flush_interval_ms, FLUSH_INTERVAL_MS_DEFAULT),
        .sync_interval_ns = interval_ns(options->sync_interval_ms, ARMDB_NEVER),
        .cache_bytes = adb_options_cache_bytes(options->cache_bytes, memory_bytes),
        .compaction_percent = compaction_percent(options->compaction_percent),
        .compaction_bytes_per_second = options->compaction_bytes_per_second,
        .verify_reads = options->verify_reads,
        .io = options->io,
    };
    if (settings.max_file_bytes == 0)
        settings.max_file_bytes = FILE_BYTES_DEFAULT;
    if (settings.write_buffer_bytes == 0)
        settings.write_buffer_bytes = settings.max_file_bytes < WRITE_BUFFER_DEFAULT
                                          ? (uint32_t)settings.max_file_bytes
                                          : WRITE_BUFFER_DEFAULT;
    if (settings.durability == ARMDB_DURABILITY_DEFAULT)
        settings.durability = ARMDB_WRITTEN;
    if (settings.verify_reads == ARMDB_VERIFY_DEFAULT)
        settings.verify_reads = ARMDB_VERIFY_ALWAYS;
    return settings;
}

armdb_err
adb_write_options_settle(const armdb_write_options *options, armdb_durability otherwise,
                         armdb_durability *durability_out)
{
    *durability_out = otherwise;
    if (options == NULL)
        return ARMDB_OK;
    ADB_TRY(check_struct_bytes("armdb_write_options", options->struct_bytes, sizeof *options));
    ADB_TRY(check_range("durability", (uint64_t)options->durability, ARMDB_BUFFERED, ARMDB_SYNCED));
    if (options->expires_at_ms != 0 && options->ttl_ms != 0)
        return adb_fail(ARMDB_INVALID, "write",
                        "expires_at_ms is %" PRIu64 " and ttl_ms is %" PRIu64
                        ", allowed is one of the two",
                        options->expires_at_ms, options->ttl_ms);
    if (options->durability != ARMDB_DURABILITY_DEFAULT)
        *durability_out = options->durability;
    return ARMDB_OK;
}

uint64_t
adb_write_options_deadline(const armdb_write_options *options, struct adb_os *os)
{
    if (options == NULL || options->ttl_ms == 0)
        return options != NULL ? options->expires_at_ms : 0;
    uint64_t now_ms = adb_os_wall_ms(os);
    /* What is beyond the end of time is there for as long as there is. */
    return options->ttl_ms < UINT64_MAX - now_ms ? now_ms + options->ttl_ms : UINT64_MAX;
}
